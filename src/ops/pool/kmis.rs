//! `kmis(hops)`: nodes gather around a maximal independent set.

use super::merging::{SELF_LOOPS, merged, reduced};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, Select, WidthRule, conv};
use crate::program::composite::{Composite, Join};
use crate::program::{Space, V};
use crate::types::{Size, Type};

/// Pooling by a maximal `k`-independent set: a network scores the nodes, `s = sigmoid(score(x))`; by falling score a node
/// becomes a centre that has none within `hops` edges, and every other one joins the best centre within reach. Clusters get
/// the features of their nodes, weighted by the scores.
///
/// With `heuristic = greedy` a node counts by its score over how many walks of `hops` edges, those that stay included, lead to it,
/// with `weighted` over what the scores at their beginnings add up to: more, and smaller, nodes are taken. Nodes that tie, to
/// the last bit, within reach of each other become centres of one cluster together.
///
/// Paper: Bacciu et al. 2023, "Generalizing Downsampling from Regular Data to Graphs", sections 3 and 4.
/// tgp: `tgp.poolers.KMISPooling`.
///
/// # Shapes
/// - port 0, `x`: `[N, F]`, nodes of a sparse graph
/// - port 1, scores: `[N, 1]`
/// - result: `[N', F]`, at most `N` nodes of each graph, in the order of the first node of each cluster, joined by one edge where
///   edges lead from cluster to cluster. Values of the edges go on as the sums over the edges that became one.
///
/// # Errors
/// `levels::needs_nodes` and `levels::needs_rows` on anything but nodes, `levels::mixed_levels` where `score` leaves the level,
/// `shape::width_mismatch` where it is not one number.
#[derive(Debug)]
pub struct Kmis;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "hops",
        kind: ArgKind::Int { min: 1, max: 64 },
        default: Default::Int(1),
        positional: true,
        doc: "How many edges centres are more than apart, tgp's `order_k`.",
    },
    ArgSpec {
        name: "score",
        kind: ArgKind::Pipeline { port: 1 },
        default: Default::Source("linear(1)"),
        positional: false,
        doc: "The network whose result, one number a node, becomes the score by a sigmoid. Where its last stage leaves its width out, \
              it gets 1.",
    },
    ArgSpec {
        name: "heuristic",
        kind: ArgKind::Choice(&["greedy", "weighted", "none"]),
        default: Default::Choice("greedy"),
        positional: false,
        doc: "What scores are divided by where centres are chosen.",
    },
    ArgSpec {
        name: "reduce",
        kind: ArgKind::Choice(&["sum", "mean", "max", "centre"]),
        default: Default::Choice("sum"),
        positional: false,
        doc: "What the weighted features of the nodes of a cluster are put together by; `centre` takes those of the centre alone.",
    },
    SELF_LOOPS,
];

impl Operator for Kmis {
    fn name(&self) -> &'static str {
        "kmis"
    }
    fn family(&self) -> Family {
        Family::Pooling
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Pooling by a maximal independent set: nodes join the best-scored centre within reach.",
            formula: "s = sigmoid(score(x)),  x_c = Σ_{i ∈ c} s_i x_i,  c the nodes within `hops` edges of a centre",
            paper: "Bacciu et al. 2023, \"Generalizing Downsampling from Regular Data to Graphs\"",
            example: "gcn(64) -> relu -> kmis(1) -> gcn(64) -> relu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        let ty = merged(cx)?;
        if let Some(score) = cx.inputs.get(1) {
            if (score.entity, score.level) != (cx.inputs[0].entity, cx.inputs[0].level) {
                return Err(findings::levels::mixed_levels(cx, 1));
            }
            if findings::shape::differ(&score.width.size, &Size::Known(1)) {
                let help =
                    "a score is one number a node: end `score` in one feature, or leave its last width out";
                return Err(findings::shape::width_mismatch(cx, 1, &conv::fixed(1), help));
            }
        }
        Ok(ty)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (a, b) = (cx.args, cx.b);
        let hops = a.int("hops") as usize;
        let score = cx.input(1)?.sigmoid();
        let value = alone(cx, score, a.choice("heuristic"), hops);
        let rule = Composite::Join { rule: Join::Around { hops }, self_loops: a.bool("self_loops") };
        let level = b.call(rule, &[value.stop()]);
        let weighted = cx.x() * score;
        let x = match a.choice("reduce") {
            "centre" => b.call(Composite::OfContracted, &[weighted, level]),
            _ => reduced(cx, weighted, level),
        };
        Some(Outcome::kept(x, level))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "tgp.poolers.KMISPooling",
            weights: &[],
            arguments: &[
                ("order_k", "hops"),
                ("scorer", "score"),
                ("score_heuristic", "heuristic"),
                ("reduce_red_op", "reduce"),
            ],
            note: "Its scorer `linear` is the default of `score`; `canonical` and `random` depend on how the nodes are numbered, and \
                   are not here. tgp lets the numbering break ties.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Pooling(Select::Merge)
    }
}

/// What a node counts as a centre: its score, over how much is within `hops` edges.
pub fn alone<'b>(cx: &ProgramCx<'_, 'b>, score: V<'b>, heuristic: &str, hops: usize) -> V<'b> {
    let (b, e) = (cx.b, cx.edges());
    let start = match heuristic {
        "greedy" => b.constant(1.0).in_space(Space::Rows).view(&[Size::Known(1)]),
        "weighted" => score,
        _ => return score,
    };
    let around = (0..hops).fold(start, |sum, _| sum + e.sum(e.source(sum)));
    score * around.reciprocal()
}
