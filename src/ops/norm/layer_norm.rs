//! `layer_norm`: rows, or whole graphs, normalised by themselves.

use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::check::args;
use crate::diagnostic::Diagnostic;
use crate::ir::{Entity, Type};
use crate::kernels::{self, Activation};
use crate::lower::{LowerCx, Module, map_rows};
use crate::ops::{
    Action, Doc, FactCx, Family, InferCx, Init, Operator, Ports, Pyg, WeightMap, WeightSpec, WidthRule,
    trace::{self, Trace},
};
use candle_core::Result;

/// Normalises each row over its features (`mode = node`: `γ (x_i − E[x_i]) / √(Var[x_i] + ε) + β`), or
/// all numbers of a graph together (`mode = graph`: `γ (x − E[x]) / (√Var[x] + ε) + β`).
///
/// Paper: Ba, Kiros and Hinton 2016, "Layer Normalization".
/// PyG: `torch_geometric.nn.LayerNorm`; like it, `graph` adds `eps` to the standard deviation and `node`
/// to the variance.
///
/// # Shapes
/// - result: as the input
///
/// # Errors
/// `args::no_effect` if `mode = graph` is asked for on graph vectors, where both modes are the same.
#[derive(Debug)]
pub struct LayerNorm;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "mode",
        kind: ArgKind::Choice(&["node", "graph"]),
        default: Default::Choice("node"),
        positional: false,
        doc: "What is normalised together: the features of one row, or all numbers of a graph.",
    },
    ArgSpec {
        name: "eps",
        kind: ArgKind::Float(Range::open_closed(0.0, 1.0)),
        default: Default::Float(1e-5),
        positional: false,
        doc: "Avoids division by zero for a constant row or graph.",
    },
];

impl Operator for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }
    fn family(&self) -> Family {
        Family::Normalization
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Normalises each row over its features, or all numbers of a graph together.",
            formula: "γ (x − E[x]) / √(Var[x] + ε) + β",
            paper: "Ba, Kiros and Hinton 2016, \"Layer Normalization\"",
            example: "gcn(32) -> layer_norm -> relu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn ports(&self) -> Ports {
        Ports::One
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> std::result::Result<Type, Diagnostic> {
        if cx.args.is_written("mode")
            && cx.args.choice("mode") == "graph"
            && cx.inputs[0].entity == Entity::Graph
        {
            return Err(args::no_effect(cx, "mode", "the value is already one row per graph"));
        }
        Ok(cx.inputs[0].clone())
    }

    fn weights(&self, cx: &FactCx) -> Vec<WeightSpec> {
        let vector =
            |name, init| WeightSpec { name, shape: vec![cx.output.width.clone()], init, is_trained: true };
        vec![vector("weight", Init::Ones), vector("bias", Init::Zeros)]
    }
    fn trace(&self, _: &FactCx, inputs: &[trace::Value], step: &mut Trace) -> trace::Value {
        inputs[0].with(step.layer_norm(inputs[0].x, step.activation))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.LayerNorm",
            weights: &[("weight", "weight", WeightMap::Same), ("bias", "bias", WeightMap::Same)],
            note: "PyG's default mode is `graph`",
        }
    }
    fn fuses_activation(&self) -> bool {
        true
    }
    fn as_activation(&self, _: &Args) -> Option<Activation> {
        None
    }

    fn action(&self, _: &Args) -> Action {
        Action::RowNorm
    }
    fn lower(&self, cx: &mut LowerCx) -> Result<Box<dyn Module>> {
        let (weight, bias) = (cx.weights.tensor("weight"), cx.weights.tensor("bias"));
        let (eps, per_graph) = (cx.args.float("eps"), cx.args.choice("mode") == "graph");
        let activation = cx.activation;
        Ok(map_rows(move |value, _| {
            if per_graph {
                let offsets = value.structure.offsets();
                let x = kernels::graph_layer_norm(&value.x, &weight, &bias, &offsets, eps)?;
                if activation == Activation::Identity { Ok(x) } else { kernels::activate(&x, activation) }
            } else {
                kernels::layer_norm(&value.x, &weight, &bias, eps, activation)
            }
        }))
    }
}
