//! `max_cut(ratio | k, score)`: nodes of one side of a cut, and around them the rest.

use super::merging::{REDUCE, SELF_LOOPS, merged, reduced};
use super::selection::{COUNT, SHARE, kept_nodes};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::loss::MAX_CUT;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, Select, WidthRule, conv, findings};
use crate::program::Index;
use crate::program::composite::{Composite, Join};
use crate::types::{Size, Type};

/// Max-cut pooling: a network gives each node a score between −1 and 1, `z = tanh(score(x))`, which the loss `max_cut` makes
/// differ between neighbours; the best nodes of each graph become centres, and every other one joins the centre that most
/// of its neighbours joined before it. Clusters get the features of their nodes, weighted by the scores.
///
/// Where neighbours joined several centres as often, the one with the best score counts; where that ties too, to the last
/// bit, the centres become one. Nodes that no centre is linked to stay alone.
///
/// Paper: Abate and Bianchi 2025, "MaxCutPool: Differentiable Feature-Aware Maxcut for Pooling in Graph Neural Networks",
/// eqs. 4 to 7. tgp: `tgp.poolers.MaxCutPooling`.
///
/// # Shapes
/// - port 0, `x`: `[N, F]`, nodes of a sparse graph
/// - port 1, scores: `[N, 1]`
/// - `weight`: `[E, 1]`, what the edges count in the loss
/// - result: `[N', F]`, at most `N` nodes of each graph, in the order of the first node of each cluster, joined by one edge where
///   edges lead from cluster to cluster. Values of the edges go on as the sums over the edges that became one.
///
/// # Errors
/// `args::missing` and `args::conflict` for `ratio` and `k`, `levels::needs_nodes` and `levels::needs_rows` on anything but
/// nodes, `levels::mixed_levels` where `score` leaves the level, `shape::width_mismatch` where it is not one number.
#[derive(Debug)]
pub struct MaxCut;

static ARGS: &[ArgSpec] = &[
    ArgSpec { doc: "Share of the nodes of each graph that become centres, rounded up.", ..SHARE },
    ArgSpec { doc: "Number of centres of each graph.", ..COUNT },
    ArgSpec {
        name: "score",
        kind: ArgKind::Pipeline { port: 1 },
        default: Default::Source("graph_conv(1)"),
        positional: false,
        doc: "The network whose result, one number a node, becomes the score by a tanh. Where its last stage leaves its width out, \
              it gets 1.",
    },
    REDUCE,
    SELF_LOOPS,
    conv::WEIGHT,
];

impl Operator for MaxCut {
    fn name(&self) -> &'static str {
        "max_cut"
    }
    fn family(&self) -> Family {
        Family::Pooling
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Max-cut pooling: nodes join centres that a network and a loss make differ from their neighbours.",
            formula: "z = tanh(score(x)),  x_c = Σ_{i ∈ c} z_i x_i,  c the nodes nearest to one of the best",
            paper: "Abate and Bianchi 2025, \"MaxCutPool: Differentiable Feature-Aware Maxcut for Pooling in Graph Neural Networks\"",
            example: "gcn(64) -> relu -> max_cut(ratio = 0.5) -> gcn(64) -> relu -> mean -> linear",
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
        super::kept_rows(cx, &cx.inputs[0].rows, "ratio = 0.5")?;
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
        let (b, score) = (cx.b, cx.input(1)?);
        let e = cx.named("weight").map_or(cx.edges(), |weight| b.weighted_edges(weight));
        let z = score.tanh();
        let cut = z.flat().dot(e.sum(e.source(z)).flat()).sum(Index::Graph);
        let volume = e.degree().sum(Index::Graph);
        // Before the tanh, which rounds large scores to one value.
        let rule = Join::Votes(kept_nodes(cx.args));
        let level = b.call(Composite::Join { rule, self_loops: cx.args.bool("self_loops") }, &[score.stop()]);
        let loss = volume.above(0.0).choose(cut / volume.at_least(TINY), b.constant(0.0));
        Some(Outcome {
            losses: vec![(MAX_CUT, loss)],
            ..Outcome::kept(reduced(cx, cx.x() * z, level), level)
        })
    }
    fn losses(&self) -> &'static [&'static str] {
        &[MAX_CUT]
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "tgp.poolers.MaxCutPooling",
            weights: &[],
            arguments: &[],
            note: "Its score network is `score`. tgp joins nodes that no centre reaches within five steps to one at random, and lets \
                   the numbering break ties.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Pooling(Select::Merge)
    }
}

/// What a sum counts as at least where it is divided by.
const TINY: f64 = 1e-30;

#[cfg(test)]
mod tests {
    use crate::ops::testing::codes;

    #[test]
    fn a_graph_has_centres_by_share_or_by_number() {
        let of = |args: &str| codes(&format!("gcn(8) -> max_cut({args}) -> gcn(8) -> mean -> linear"));
        assert_eq!(of("ratio = 0.5"), [""; 0]);
        assert_eq!(of("k = 3, score = gcn(4) -> tanh -> linear"), [""; 0]);
        assert_eq!(of(""), ["args::missing"]);
        assert_eq!(of("k = 3, score = gcn(4)"), ["shape::width_mismatch"]);
        assert_eq!(codes("diffpool(k = 4) -> max_cut(k = 2) -> mean -> linear"), ["levels::needs_nodes"]);
    }
}
