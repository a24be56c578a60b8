//! `hosc(ratio | k, assign, alpha)`: pooling into clusters that cut few edges and few motifs.

use super::assignment::{ASSIGN, Assigned, CLUSTERS, CONNECT, SELF_LOOPS, SHARE, TINY, clusters, share};
use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::loss::{HOSC, ORTHOGONALITY};
use crate::ops::program::{On, Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, Select, WidthRule, conv};
use crate::program::Index;
use crate::types::Type;

/// Higher-order clustering and pooling: a network assigns every node softly to `k` clusters, `S = softmax(assign(x))`; the
/// clusters get the features `X' = Sᵀ X` and the adjacency of `mincut`. The loss `hosc` is the cut of `mincut` taken of the
/// edges, by `1 − alpha`, and of the walks of three edges `A³`, by `alpha`, which triangles have many of; `orthogonality`
/// keeps one cluster from taking all nodes.
///
/// Paper: Duval and Malliaros 2022, "Higher-order Clustering and Pooling for Graph Neural Networks", eqs. 8 to 10.
/// tgp: `tgp.poolers.HOSCPooling`, here without padding and, at the input graph, on sparse edges: `A³` is never made.
///
/// # Shapes
/// Those of `mincut`.
///
/// # Errors
/// Those of `diffpool`.
#[derive(Debug)]
pub struct Hosc;

static ARGS: &[ArgSpec] = &[
    SHARE,
    CLUSTERS,
    ASSIGN,
    ArgSpec {
        name: "alpha",
        kind: ArgKind::Float(Range::closed(0.0, 1.0)),
        default: Default::Float(0.5),
        positional: false,
        doc: "Share of the walks of three edges in the loss `hosc`; the rest is that of the edges.",
    },
    ArgSpec {
        name: "orthogonal",
        kind: ArgKind::Choice(&["matrix", "columns"]),
        default: Default::Choice("matrix"),
        positional: false,
        doc: "What the loss `orthogonality` is: `matrix` as with `mincut`, `columns` is `(√k − Σ_c ‖S_c‖ / √n) / (√k − 1)`, \
              tgp's `hosc_ortho`.",
    },
    conv::WEIGHT,
    CONNECT,
    SELF_LOOPS,
];

impl Operator for Hosc {
    fn name(&self) -> &'static str {
        "hosc"
    }
    fn family(&self) -> Family {
        Family::Pooling
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Pools into clusters that few edges and few motifs lead out of, found by a network and two losses.",
            formula: "S = softmax(assign(x)),  X' = Sᵀ X,  Â = Sᵀ A S without its diagonal,  A' = D̂^-½ Â D̂^-½",
            paper: "Duval and Malliaros 2022, \"Higher-order Clustering and Pooling for Graph Neural Networks\"",
            example: "gcn(64) -> relu -> hosc(k = 8) -> gcn(64) -> relu -> mean -> mlp",
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
        let (of, alpha, b) = (Assigned::of(cx, cx.input(1)?), cx.args.float("alpha"), cx.b);
        let once = |x| of.edges.sum(of.edges.source(x));
        let walked = share(of.s, once(once(of.gathered)), once(once(of.edges.degree())));
        let kept = match alpha {
            0.0 => of.kept(),
            1.0 => walked,
            _ => of.kept().scale(1.0 - alpha) + walked.scale(alpha),
        };
        let root = of.root_of_clusters();
        let orthogonality = match cx.args.choice("orthogonal") {
            "columns" => {
                let lengths = of.s.square().sum(Index::Graph).at_least(TINY).sqrt().fold_sum(0);
                let apart = (root - lengths / of.n_rows().sqrt()) / root.offset(-1.0).at_least(TINY);
                // One cluster is orthogonal as it is.
                root.offset(-1.0).above(0.0).choose(apart, b.constant(0.0))
            }
            _ => of.orthogonality(),
        };
        Some(Outcome {
            x: of.s.outer(cx.x(), Index::Graph),
            on: On::Clusters { adjacency: of.adjacency(cx) },
            losses: vec![(HOSC, -(kept * (root * root).reciprocal())), (ORTHOGONALITY, orthogonality)],
            assignment: Some(of.s),
        })
    }
    fn losses(&self) -> &'static [&'static str] {
        &[HOSC, ORTHOGONALITY]
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "tgp.poolers.HOSCPooling",
            weights: &[],
            arguments: &[("hosc_ortho", "orthogonal")],
            note: "Its perceptron is `assign`, its `mu` the weight of `orthogonality` in `loss`. tgp takes the cut of the edges \
                   of the pooled graph after its diagonal has gone, so that it is 0; here it is that of `Sᵀ A S`.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Pooling(Select::Assign)
    }
}
