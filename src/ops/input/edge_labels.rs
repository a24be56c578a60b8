//! Of which kind the edges are.

use super::edges::edge_rows;
use crate::args::{ArgSpec, Args};
use crate::check::shape;
use crate::diagnostic::Diagnostic;
use crate::ir::{Dim, Entity, Level, Size, Symmetry, Type};
use crate::kernels::Activation;
use crate::lower::{LowerCx, Module, map_value};
use crate::ops::{
    Action, Doc, FactCx, Family, InferCx, Operator, Ports, Pyg, WeightSpec, WidthRule,
    trace::{self, Trace},
};
use candle_core::Result;

/// The kind of each edge of the input graph, one of `R`: bonds of a molecule, relations of a knowledge base. It is no
/// number to compute with, so that its only use is as an argument that asks for kinds (`relation = edge_labels`).
///
/// # Shapes
/// - result: `kinds[E, R]`, the number of one of `R` kinds for each entry of the adjacency in its order
#[derive(Debug)]
pub struct EdgeLabels;

/// The size that stands for the number of kinds while no data is known.
pub const KINDS: Size = Size::Symbol("R");

impl Operator for EdgeLabels {
    fn name(&self) -> &'static str {
        "edge_labels"
    }
    fn family(&self) -> Family {
        Family::Input
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "The kind of each edge of the input graph, one of R.",
            formula: "r",
            paper: "",
            example: "rgcn(32, relation = edge_labels) -> relu -> mean -> linear",
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
        let width = match cx.data {
            Some(data) => {
                let kinds = shape::counted(&Size::Known(data.edge_kinds), "kind");
                Dim::new(Size::Known(data.edge_kinds), None, format!("{} has {kinds} of edges", data.name))
            }
            None => Dim::new(KINDS, None, "the kinds of edges in the data"),
        };
        Ok(Type {
            entity: Entity::EdgeKinds,
            level: Level(0),
            rows: edge_rows(),
            width,
            symmetry: Symmetry::Equivariant,
        })
    }

    fn weights(&self, _: &FactCx) -> Vec<WeightSpec> {
        Vec::new()
    }
    fn trace(&self, _: &FactCx, inputs: &[trace::Value], _: &mut Trace) -> trace::Value {
        // The network hands the kinds in as the only input of this node.
        inputs[0].clone()
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "torch_geometric.data.Data", weights: &[], note: "its `edge_type`" }
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
        // The network hands the kinds in as the only input of this node.
        Ok(map_value(|inputs, _| Ok(inputs[0].clone())))
    }
}
