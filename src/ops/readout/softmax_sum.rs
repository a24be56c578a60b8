//! `softmax_sum(t)`: each feature weighed by the softmax of itself.

use super::one_row;
use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::conv::fixed;
use crate::ops::findings::{args, levels};
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Init, Operator, Pyg, WeightMap, WidthRule};
use crate::program::Index;
use crate::types::{Entity, Type};

/// A sum that lies between the mean (`t = 0`) and the maximum (large `t`), feature by feature:
/// `Σ_i x_i exp(t x_i) / Σ_j exp(t x_j)`.
///
/// Paper: Li et al. 2020, "DeeperGCN: All You Need to Train Deeper GCNs", section 3.2.
/// PyG: `torch_geometric.nn.SoftmaxAggregation`.
///
/// # Shapes
/// - `x`: nodes, clusters or slots, `F` features
/// - result: one vector per graph, `F` features; a graph without rows gives 0
///
/// # Errors
/// `levels::needs_rows` if the value is already one vector per graph; `args::no_effect` for `per_channel` where `t` is not
/// trained; `args::conflict` for `semi_grad` where it is.
#[derive(Debug)]
pub struct SoftmaxSum;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "t",
        kind: ArgKind::Float(Range::closed(-1e3, 1e3)),
        default: Default::Float(1.0),
        positional: true,
        doc: "What the values are multiplied by before the softmax, an inverse temperature; where it is trained, what it begins at.",
    },
    ArgSpec::flag("learn_t", false, "Whether `t` is trained."),
    ArgSpec::flag("per_channel", false, "Whether each feature has a trained `t` of its own."),
    ArgSpec::flag(
        "semi_grad",
        false,
        "Whether the weights count as given, so that no gradient goes through the softmax.",
    ),
];

impl Operator for SoftmaxSum {
    fn name(&self) -> &'static str {
        "softmax_sum"
    }
    fn family(&self) -> Family {
        Family::Readout
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Sums the rows of each graph, each feature weighed by the softmax of itself.",
            formula: "Σ_i x_i exp(t x_i) / Σ_j exp(t x_j)",
            paper: "Li et al. 2020, \"DeeperGCN: All You Need to Train Deeper GCNs\"",
            example: "gcn(32) -> relu -> softmax_sum(learn_t = true) -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        if cx.inputs[0].entity == Entity::Graph {
            return Err(levels::needs_rows(cx));
        }
        let is_trained = cx.args.bool("learn_t");
        if cx.args.bool("per_channel") && !is_trained {
            return Err(args::no_effect(
                cx,
                "per_channel",
                "`t` is not trained, so it is the same everywhere",
            ));
        }
        if cx.args.bool("semi_grad") && is_trained {
            return Err(args::conflict(cx, "learn_t", "semi_grad"));
        }
        Ok(one_row(cx))
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a) = (cx.x(), cx.args);
        let t = a.float("t");
        let scores = if a.bool("learn_t") {
            let width = if a.bool("per_channel") { cx.inputs[0].width.clone() } else { fixed(1) };
            x * cx.b.weight("t", &[width], Init::Constant(t))
        } else {
            x.scale(t)
        };
        let shares = scores.softmax(Index::Graph);
        let shares = if a.bool("semi_grad") { shares.stop() } else { shares };
        Some(Outcome::graphs((x * shares).sum(Index::Graph)))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.SoftmaxAggregation",
            weights: &[("t", "t", WeightMap::Same)],
            arguments: &[("learn", "learn_t")],
            note: "A stage `softmax` would be read as one over features, so it is called after what it computes, also \
                   as `aggregate = softmax_sum` inside of convolutions. PyG's `learn` is `learn_t`, and `channels = F` is `per_channel`.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Readout(Gather::Attention)
    }
}
