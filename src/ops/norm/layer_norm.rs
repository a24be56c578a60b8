//! `layer_norm`: rows, or whole graphs, normalised by themselves.

use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::findings::args;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Init, Operator, Pyg, WeightMap, WidthRule};
use crate::program::composite::Composite;
use crate::types::{Entity, Type};

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
        kind: ArgKind::Float(Range::closed(1e-15, 1.0)),
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

    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (b, eps) = (cx.b, cx.args.float("eps"));
        let vector = |name, init| b.weight(name, std::slice::from_ref(&cx.output.width), init);
        let args = [cx.x(), vector("weight", Init::Ones), vector("bias", Init::Zeros)];
        let is_by_graph = cx.args.choice("mode") == "graph";
        let what = if is_by_graph { Composite::GraphNorm { eps } } else { Composite::RowNorm { eps } };
        Some(Outcome::rows(b.call(what, &args)))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.LayerNorm",
            weights: &[("weight", "weight", WeightMap::Same), ("bias", "bias", WeightMap::Same)],
            arguments: &[],
            note: "PyG's default mode is `graph`",
        }
    }

    fn action(&self, _: &Args) -> Action {
        Action::RowNorm
    }
}
