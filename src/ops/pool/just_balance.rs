//! `just_balance(ratio | k, assign)`: pooling into clusters of one size.

use super::assignment::{ASSIGN, Assigned, CLUSTERS, CONNECT, SELF_LOOPS, SHARE, TINY, clusters};
use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::loss::BALANCE;
use crate::ops::program::{On, Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, Select, WidthRule, conv};
use crate::program::Index;
use crate::types::Type;

/// Just-balance pooling: a network assigns every node softly to `k` clusters, `S = softmax(assign(x))`; the clusters get the
/// features `X' = Sᵀ X` and the adjacency of `mincut`. Convolutions before it make neighbours alike, so that the loss
/// `balance`, which draws the clusters to one size, is all that is needed.
///
/// Paper: Bianchi 2022, "Simplifying Clustering with Graph Neural Networks", eq. 5.
/// tgp: `tgp.poolers.JustBalancePooling`, here without padding and, at the input graph, on sparse edges.
///
/// # Shapes
/// Those of `mincut`.
///
/// # Errors
/// Those of `diffpool`.
#[derive(Debug)]
pub struct JustBalance;

static ARGS: &[ArgSpec] = &[SHARE, CLUSTERS, ASSIGN, conv::WEIGHT, CONNECT, SELF_LOOPS];

impl Operator for JustBalance {
    fn name(&self) -> &'static str {
        "just_balance"
    }
    fn family(&self) -> Family {
        Family::Pooling
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Pools into clusters of one size, found by a network and one loss.",
            formula: "S = softmax(assign(x)),  X' = Sᵀ X,  Â = Sᵀ A S without its diagonal,  A' = D̂^-½ Â D̂^-½",
            paper: "Bianchi 2022, \"Simplifying Clustering with Graph Neural Networks\"",
            example: "gcn(64) -> relu -> just_balance(k = 8) -> gcn(64) -> relu -> mean -> mlp",
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
        let sizes = of.s.square().sum(Index::Graph).at_least(TINY).sqrt().fold_sum(0);
        let most = of.n_rows().sqrt() * of.root_of_clusters();
        Some(Outcome {
            x: of.s.outer(cx.x(), Index::Graph),
            on: On::Clusters { adjacency: of.adjacency(cx) },
            losses: vec![(BALANCE, -(sizes / most))],
            assignment: Some(of.s),
        })
    }
    fn losses(&self) -> &'static [&'static str] {
        &[BALANCE]
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "tgp.poolers.JustBalancePooling",
            weights: &[],
            arguments: &[],
            note: "Its perceptron is `assign`. tgp adds 1e-8 under the root of the loss, which is always normalised here.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Pooling(Select::Assign)
    }
}
