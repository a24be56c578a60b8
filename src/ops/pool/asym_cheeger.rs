//! `asym_cheeger(ratio | k, assign)`: pooling into clusters that little varies across.

use super::assignment::{ASSIGN, Assigned, CLUSTERS, CONNECT, SELF_LOOPS, SHARE, clusters};
use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::loss::{ASYMMETRIC_NORM, TOTAL_VARIATION};
use crate::ops::program::{On, Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, Select, WidthRule, conv};
use crate::program::{Index, V};
use crate::types::Type;

/// Asymmetric Cheeger cut pooling: a network assigns every node softly to `k` clusters, `S = softmax(assign(x))`; the clusters
/// get the features `X' = Sᵀ X` and the adjacency of `mincut`. The loss `total_variation` makes neighbours alike, and
/// `asymmetric_norm` keeps one cluster from taking all nodes: each is to have its share of them, no more and no less.
///
/// Paper: Hansen and Bianchi 2023, "Total Variation Graph Neural Networks", eqs. 6 to 9.
/// tgp: `tgp.poolers.AsymCheegerCutPooling`, here without padding and, at the input graph, on sparse edges.
///
/// # Shapes
/// Those of `mincut`.
///
/// # Errors
/// Those of `diffpool`.
#[derive(Debug)]
pub struct AsymCheeger;

static ARGS: &[ArgSpec] = &[SHARE, CLUSTERS, ASSIGN, conv::WEIGHT, CONNECT, SELF_LOOPS];

impl Operator for AsymCheeger {
    fn name(&self) -> &'static str {
        "asym_cheeger"
    }
    fn family(&self) -> Family {
        Family::Pooling
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Pools into clusters of one size that little varies across, found by a network and two losses.",
            formula: "S = softmax(assign(x)),  X' = Sᵀ X,  Â = Sᵀ A S without its diagonal,  A' = D̂^-½ Â D̂^-½",
            paper: "Hansen and Bianchi 2023, \"Total Variation Graph Neural Networks\"",
            example: "gcn(64) -> relu -> asym_cheeger(k = 8) -> gcn(64) -> relu -> mean -> mlp",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Computed
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        clusters(cx)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let of = Assigned::of(cx, cx.input(1)?);
        let (s, e, b) = (of.s, of.edges, cx.b);
        let apart = (e.source(s) - e.target(s)).abs().fold_sum(0);
        let n_edges = e.count().sum(Index::Graph).at_least(1.0);
        let variation = e.sum(apart).sum(Index::Graph) / n_edges.scale(2.0);

        // Of each column the number at the place ⌊n / k⌋ of the falling order: the nodes before it are a cluster's share.
        let k = b.identity(&s.width()).flat().fold_sum(0);
        let place = (of.n_rows() / k).offset(ROUNDING).floor();
        let of_rows = |v: V<'b>| v.gather(Index::Graph).column();
        let (n, place) = (of_rows(of.n_rows()), of_rows(place));
        let n_larger = (-s).below(Index::Graph);
        let n_smaller = s.below(Index::Graph);
        // Equal numbers share the place.
        let is_there =
            (n_larger - place).above(0.5).scale(-1.0).offset(1.0) * (n - n_smaller - place).above(0.5);
        let quantile = (s * is_there).sum(Index::Graph) / is_there.sum(Index::Graph).at_least(1.0);
        let off = s - quantile.gather(Index::Graph);
        let others = k.offset(-1.0);
        let norm = off.relu() * others + (-off).relu();
        let most = of.n_rows() * others;
        let share = norm.fold_sum(0).sum(Index::Graph) / most.at_least(1.0);
        // One cluster is balanced as it is.
        let unbalanced = others.above(0.5).choose(share.scale(-1.0).offset(1.0), b.constant(0.0));
        Some(Outcome {
            x: s.outer(cx.x(), Index::Graph),
            on: On::Clusters { adjacency: of.adjacency(cx) },
            losses: vec![(TOTAL_VARIATION, variation), (ASYMMETRIC_NORM, unbalanced)],
            assignment: Some(s),
        })
    }
    fn losses(&self) -> &'static [&'static str] {
        &[TOTAL_VARIATION, ASYMMETRIC_NORM]
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "tgp.poolers.AsymCheegerCutPooling",
            weights: &[],
            arguments: &[],
            note: "Its perceptron is `assign`, its `balance_loss` is `asymmetric_norm`.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Pooling(Select::Assign)
    }
}

/// What a quotient of whole numbers may have lost by rounding.
const ROUNDING: f64 = 1e-4;
