//! `sum`: the sum over the rows of each graph.

use crate::args::{ArgSpec, Args};
use crate::check::levels;
use crate::diagnostic::Diagnostic;
use crate::ir::{Entity, Type};
use crate::kernels::{self, Activation, Reduce};
use crate::lower::{LowerCx, Module, Structure, Value, map_value};
use crate::ops::{
    Action, Doc, FactCx, Family, Gather, InferCx, Operator, Ports, Pyg, WeightSpec, WidthRule,
    trace::{self, Trace},
};
use candle_core::Result;

/// Sum over the rows of each graph: `Σ_i x_i`. Tells apart multisets that mean and max confuse.
///
/// Paper: Xu et al. 2019, "How Powerful are Graph Neural Networks?".
/// PyG: `torch_geometric.nn.global_add_pool`.
///
/// # Shapes
/// - `x`: nodes, clusters or slots, `F` features
/// - result: one vector per graph, `F` features; a graph without rows gives 0
///
/// # Errors
/// `levels::needs_rows` if the value is already one vector per graph.
#[derive(Debug)]
pub struct Sum;

impl Operator for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }
    fn family(&self) -> Family {
        Family::Readout
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Adds up the rows of each graph.",
            formula: "Σ_i x_i",
            paper: "Xu et al. 2019, \"How Powerful are Graph Neural Networks?\"",
            example: "gcn(32) -> relu -> sum -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        &[]
    }
    fn ports(&self) -> Ports {
        Ports::One
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> std::result::Result<Type, Diagnostic> {
        if cx.inputs[0].entity == Entity::Graph {
            return Err(levels::needs_rows(cx));
        }
        Ok(super::one_row(cx))
    }
    fn weights(&self, _: &FactCx) -> Vec<WeightSpec> {
        Vec::new()
    }
    fn trace(&self, _: &FactCx, inputs: &[trace::Value], step: &mut Trace) -> trace::Value {
        let x = step.segment_reduce(inputs[0].x, &inputs[0].structure);
        let n_graphs = inputs[0].structure.n_graphs();
        trace::Value { x, structure: trace::Structure::Graphs { n_graphs } }
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "torch_geometric.nn.global_add_pool", weights: &[], note: "" }
    }
    fn fuses_activation(&self) -> bool {
        false
    }
    fn as_activation(&self, _: &Args) -> Option<Activation> {
        None
    }
    fn action(&self, _: &Args) -> Action {
        Action::Readout(Gather::Sum)
    }
    fn lower(&self, _: &mut LowerCx) -> Result<Box<dyn Module>> {
        Ok(map_value(|inputs, _| {
            let value = inputs[0];
            let x = kernels::segment_reduce(&value.x, &value.structure.offsets(), Reduce::Sum)?;
            Ok(Value { x, structure: Structure::Graphs { n_graphs: value.structure.n_graphs() } })
        }))
    }
}
