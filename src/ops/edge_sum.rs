//! An operator of the tests alone that takes every kind of value of the edges.

use super::conv;
use crate::args::{ArgKind, ArgSpec, Args, Default, EdgeValue};
use crate::diagnostic::Diagnostic;
use crate::ir::Type;
use crate::kernels::{self, Activation, Reduce};
use crate::lower::{LowerCx, Module, Structure, Value, map_value};
use crate::ops::{
    Action, Doc, FactCx, Family, Gather, InferCx, Init, Operator, Own, Ports, Pyg, WeightSpec, WidthRule,
    trace::{self, Trace},
};
use candle_core::{Result, Tensor};
use std::sync::Arc;

/// `[x_i ∥ Σ_{j ∈ N(i)} e_ij ∥ Σ_j w_ij ∥ Σ_j θ_{r_ij}]`, as far as the arguments are given.
#[derive(Debug)]
pub struct EdgeSum;

pub static EDGE_SUM: EdgeSum = EdgeSum;

const fn of_edges(name: &'static str, of: EdgeValue) -> ArgSpec {
    let default = Default::Inferred("not used");
    ArgSpec { name, kind: ArgKind::Edges(of), default, positional: false, doc: "Summed." }
}

static ARGS: &[ArgSpec] = &[
    of_edges("edge", EdgeValue::Features),
    of_edges("weight", EdgeValue::Weight),
    of_edges("relation", EdgeValue::Kind),
];

impl Operator for EdgeSum {
    fn name(&self) -> &'static str {
        "edge_sum"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc { summary: "", formula: "", paper: "", example: "" }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn ports(&self) -> Ports {
        Ports::One
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Computed
    }
    fn infer(&self, cx: &InferCx) -> std::result::Result<Type, Diagnostic> {
        let known = |width: &crate::ir::Dim| width.size.clone();
        let given = ["edge", "weight"].into_iter().filter_map(|name| cx.port(name));
        let mut parts: Vec<_> =
            std::iter::once(0).chain(given).map(|port| known(&cx.inputs[port].width)).collect();
        parts.extend(cx.port("relation").map(|_| crate::ir::Size::Known(1)));
        conv::convolved(cx, crate::ir::Dim::new(crate::ir::Size::sum(parts), Some(cx.span), "sums"))
    }
    fn weights(&self, cx: &FactCx) -> Vec<WeightSpec> {
        let Some(port) = cx.port("relation") else { return Vec::new() };
        let shape = vec![cx.inputs[port].width.clone(), conv::fixed(1)];
        vec![WeightSpec { name: "kinds", shape, init: Init::KaimingUniform { fan_in: 1 }, is_trained: true }]
    }
    fn trace(&self, cx: &FactCx, inputs: &[trace::Value], step: &mut Trace) -> trace::Value {
        let mut parts = vec![inputs[0].x];
        for name in ["edge", "weight"] {
            let Some(port) = cx.port(name) else { continue };
            let x = inputs[port].x;
            parts.push(step.gather_rows(x, inputs[0].x.rows));
        }
        inputs[0].with(step.concat(&parts))
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "", weights: &[], note: "" }
    }
    fn fuses_activation(&self) -> bool {
        false
    }
    fn as_activation(&self, _: &Args) -> Option<Activation> {
        None
    }
    fn action(&self, _: &Args) -> Action {
        Action::Messages { gather: Gather::Sum, own: Own::Root, is_linear: false }
    }
    fn lower(&self, cx: &mut LowerCx) -> Result<Box<dyn Module>> {
        let numbers = [cx.port("edge"), cx.port("weight")];
        let kinds = cx.port("relation").map(|port| (port, cx.weights.tensor("kinds")));
        Ok(map_value(move |inputs, _| {
            let Structure::Sparse(graph) = &inputs[0].structure else { return conv::no_edges("edge_sum") };
            let sum = |x: &Tensor| {
                kernels::segment_reduce(x, &Arc::new(graph.adjacency.offsets.clone()), Reduce::Sum)
            };
            let mut parts = vec![inputs[0].x.clone()];
            for port in numbers.into_iter().flatten() {
                parts.push(sum(&inputs[port].x)?);
            }
            if let Some((port, table)) = &kinds {
                let Structure::Edges(of) = &inputs[*port].structure else {
                    return conv::no_edges("edge_sum");
                };
                let of_entry = &of.kinds.as_ref().expect("kinds of the batch").of_entry;
                assert_eq!(inputs[*port].x.flatten_all()?.to_vec1::<u32>()?, **of_entry);
                parts.push(sum(&kernels::gather_rows(table, of_entry)?)?);
            }
            let x = kernels::concat_columns(&parts)?;
            Ok(Value { x, structure: inputs[0].structure.clone() })
        }))
    }
}
