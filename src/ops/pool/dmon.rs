//! `dmon(ratio | k, assign)`: pooling into clusters of high modularity.

use super::assignment::{ASSIGN, Assigned, CLUSTERS, CONNECT, SELF_LOOPS, SHARE, TINY, clusters, length};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::loss::{CLUSTER, ORTHOGONALITY, SPECTRAL};
use crate::ops::program::{On, Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, Select, WidthRule, conv};
use crate::program::Index;
use crate::types::Type;

/// Deep modularity network pooling: a network assigns every node softly to `k` clusters, `S = softmax(assign(x))`; the
/// clusters get the features `X' = selu(Sᵀ X)` and the adjacency of `mincut`. The loss `spectral` draws the clusters to
/// high modularity, `cluster` keeps one from taking all nodes, and `orthogonality` is that of `mincut`.
///
/// Paper: Tsitsulin et al. 2020, "Graph Clustering with Graph Neural Networks", eqs. 8 and 9.
/// PyG: `torch_geometric.nn.DMoNPooling`, here without padding and, at the input graph, on sparse edges.
///
/// # Shapes
/// - port 0, `x`: `[N, F]`, nodes or clusters
/// - port 1, assignment logits: `[N, k]`
/// - `weight`: `[E, 1]`, the entries `A_ij` of the edges, which are 1 without it
/// - result: `k` clusters per graph, `[G · k, F]`, with the coarse adjacency `[G, k, k]`
///
/// # Errors
/// Those of `diffpool`.
#[derive(Debug)]
pub struct Dmon;

static ARGS: &[ArgSpec] = &[
    SHARE,
    CLUSTERS,
    ASSIGN,
    ArgSpec {
        doc: "Probability with which a number of the assignment is dropped in training, before the softmax.",
        ..conv::gat::DROPOUT
    },
    ArgSpec {
        name: "activation",
        kind: ArgKind::Choice(&["selu", "none"]),
        default: Default::Choice("selu"),
        positional: false,
        doc: "Function of the features of the clusters.",
    },
    conv::WEIGHT,
    CONNECT,
    SELF_LOOPS,
];

/// The constants of `selu`, Klambauer et al. 2017, eq. 2.
const SELU: [f64; 2] = [1.673_263_242_354_377_2, 1.050_700_987_355_480_5];

impl Operator for Dmon {
    fn name(&self) -> &'static str {
        "dmon"
    }
    fn family(&self) -> Family {
        Family::Pooling
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Pools into clusters of high modularity, found by a network and three losses.",
            formula: "S = softmax(assign(x)),  X' = selu(Sᵀ X),  Â = Sᵀ A S without its diagonal,  A' = D̂^-½ Â D̂^-½",
            paper: "Tsitsulin et al. 2020, \"Graph Clustering with Graph Neural Networks\"",
            example: "gcn(64) -> relu -> dmon(k = 8) -> gcn(64) -> relu -> mean -> mlp",
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
        let of = Assigned::of(cx, cx.input(1)?.dropout(cx.args.float("dropout")));
        let (s, degree) = (of.s, of.edges.degree());
        // What edges inside of clusters count, less what they would between nodes that were joined at random.
        let volume = degree.sum(Index::Graph);
        let inside = s.dot(of.gathered).sum(Index::Graph);
        let by_chance = s.mul_rows(degree).sum(Index::Graph).square().fold_sum(0) / volume.at_least(TINY);
        let modularity = (inside - by_chance) / volume.at_least(TINY);
        let modularity = volume.above(0.0).choose(modularity, cx.b.constant(0.0));
        let largest = length(s.sum(Index::Graph), TINY) / of.n_rows();
        let x = s.outer(cx.x(), Index::Graph);
        Some(Outcome {
            x: match cx.args.choice("activation") {
                "selu" => x.elu(SELU[0]).scale(SELU[1]),
                _ => x,
            },
            on: On::Clusters { adjacency: of.adjacency(cx) },
            losses: vec![
                (SPECTRAL, -modularity),
                (ORTHOGONALITY, of.orthogonality()),
                (CLUSTER, (largest * of.root_of_clusters()).offset(-1.0)),
            ],
            assignment: Some(s),
        })
    }
    fn losses(&self) -> &'static [&'static str] {
        &[SPECTRAL, ORTHOGONALITY, CLUSTER]
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.DMoNPooling",
            weights: &[],
            arguments: &[],
            note: "Its perceptron is `assign`. A graph without edges has the spectral loss 0 here; PyG divides by 0. In a batch PyG \
                   divides what `cluster` is of one graph by the numbers of nodes of all of them; here by its own.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Pooling(Select::Assign)
    }
}
