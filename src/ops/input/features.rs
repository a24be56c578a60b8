//! The model's input.

use crate::args::{ArgSpec, Args};
use crate::data::error::count;
use crate::diagnostic::Diagnostic;
use crate::ir::{Dim, Entity, Level, Size, Symmetry, Type};
use crate::kernels::Activation;
use crate::lower::{LowerCx, Module, map_value};
use crate::ops::{
    Action, Doc, FactCx, Family, InferCx, Operator, Ports, Pyg, WeightSpec, WidthRule,
    trace::{self, Trace},
};
use candle_core::Result;

/// Features of the nodes of the input graph: `x`. Stands first in every model and is not written.
///
/// # Shapes
/// - result: `nodes[N, F]`, `F` the width of the data's node features
#[derive(Debug)]
pub struct Input;

impl Operator for Input {
    fn name(&self) -> &'static str {
        "input"
    }
    fn family(&self) -> Family {
        Family::Input
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "The features of the input graph's nodes, where every model begins.",
            formula: "x",
            paper: "",
            example: "mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        &[]
    }
    fn ports(&self) -> Ports {
        Ports::None
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Computed
    }

    fn infer(&self, cx: &InferCx) -> std::result::Result<Type, Diagnostic> {
        let (rows, width) = match cx.data {
            Some(data) => (
                format!("{} has graphs of up to {}", data.name, count(data.max_nodes, "node")),
                Dim::new(
                    Size::Known(data.n_features),
                    None,
                    format!("{} has {} per node", data.name, count(data.n_features, "feature")),
                ),
            ),
            None => (
                "the nodes of a graph".to_owned(),
                Dim::new(Size::Symbol("F"), None, "the width of the data's node features"),
            ),
        };
        Ok(Type {
            entity: Entity::Nodes,
            level: Level(0),
            rows: Dim::new(Size::Symbol("N"), None, rows),
            width,
            symmetry: Symmetry::Equivariant,
        })
    }

    fn weights(&self, _: &FactCx) -> Vec<WeightSpec> {
        Vec::new()
    }
    fn trace(&self, _: &FactCx, inputs: &[trace::Value], _: &mut Trace) -> trace::Value {
        // The network hands the batch's features in as the only input of this node.
        inputs[0].clone()
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "torch_geometric.data.Data", weights: &[], note: "its `x`" }
    }
    fn fuses_activation(&self) -> bool {
        false
    }
    fn as_activation(&self, _: &Args) -> Option<Activation> {
        None
    }
    fn action(&self, _: &Args) -> Action {
        Action::Input
    }
    fn lower(&self, _: &mut LowerCx) -> Result<Box<dyn Module>> {
        // The network hands the batch's features in as the only input of this node.
        Ok(map_value(|inputs, _| Ok(inputs[0].clone())))
    }
}
