//! `nmf(ratio | k)`: clusters by a factorisation of the adjacency.

use super::assignment::{Assigned, CLUSTERS, CONNECT, SELF_LOOPS, SHARE, clusters_of};
use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{On, Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, Select, WidthRule, conv, findings};
use crate::program::Index;
use crate::program::composite::Composite;
use crate::types::{Entity, Type};

/// Pooling by non-negative matrix factorisation: the adjacency of each graph is nearly a product `A ≈ W H` of two matrices without
/// numbers below 0, and every node is shared out over `k` clusters by its column of `H`, `S = softmax(Hᵀ)`. Nothing is learned.
/// Clusters get the features `X' = Sᵀ X` and the adjacency of `mincut`.
///
/// The factors are found in 100 rounds that begin with numbers which follow from how a node is linked, so that they are the same in
/// every numbering; nodes that no link tells apart have equal shares. Each link counts 1 there, so that shares stay as they are where
/// weights of edges are learned. They are worked out at every step, in time `E · k` a round.
///
/// Paper: Bacciu and Di Sotto 2019, "A Non-Negative Factorization approach to node pooling in Graph Convolutional Neural
/// Networks", section 3. tgp: `tgp.poolers.NMFPooling`.
///
/// # Shapes
/// - `x`: `[N, F]`, nodes of a sparse graph; `weight`: `[E, 1]`, what the edges count in the graph of the clusters, 1 without it
/// - result: `k` clusters per graph, `[G · k, F]`, with the coarse adjacency `[G, k, k]`
///
/// # Errors
/// `args::missing` and `args::conflict` for `ratio` and `k`, `levels::needs_nodes` and `levels::needs_edges` on anything but nodes.
#[derive(Debug)]
pub struct Nmf;

static ARGS: &[ArgSpec] = &[SHARE, CLUSTERS, conv::WEIGHT, CONNECT, SELF_LOOPS];

impl Operator for Nmf {
    fn name(&self) -> &'static str {
        "nmf"
    }
    fn family(&self) -> Family {
        Family::Pooling
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Pools by a non-negative factorisation of the adjacency, without anything learned.",
            formula: "A ≈ W H,  S = softmax(Hᵀ),  X' = Sᵀ X,  Â = Sᵀ A S without its diagonal,  A' = D̂^-½ Â D̂^-½",
            paper: "Bacciu and Di Sotto 2019, \"A Non-Negative Factorization approach to node pooling in Graph Convolutional Neural Networks\"",
            example: "gcn(64) -> relu -> nmf(k = 8) -> gcn(64) -> relu -> mean -> mlp",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        if cx.inputs[0].entity == Entity::Clusters {
            return Err(findings::levels::needs_nodes(cx));
        }
        clusters_of(cx)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (b, weight) = (cx.b, cx.named("weight"));
        let k = cx.output.rows.size.clone();
        let s = b.call(Composite::Factors { k }, &[cx.x()]).softmax_columns();
        let edges = weight.map_or(cx.edges(), |weight| b.weighted_edges(weight));
        let of = Assigned { s, edges, gathered: edges.sum(edges.source(s)) };
        Some(Outcome {
            x: s.outer(cx.x(), Index::Graph),
            on: On::Clusters { adjacency: of.adjacency(cx) },
            losses: Vec::new(),
            assignment: Some(s),
        })
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "tgp.poolers.NMFPooling",
            weights: &[],
            arguments: &[],
            note: "tgp begins with random factors, and factorises what edges weigh. Of a graph with no more nodes than clusters it makes each node one, in the order of \
                   their numbers; here those are factorised as others are.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Pooling(Select::Assign)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{codes, types};

    #[test]
    fn it_makes_clusters_of_nodes() {
        let of = |args: &str| codes(&format!("gcn(8) -> nmf({args}) -> gcn(8) -> mean -> linear"));
        assert_eq!(of("k = 3"), [""; 0]);
        assert_eq!(of("ratio = 0.25, weight = edges -> linear(1)"), [""; 0]);
        assert_eq!(of(""), ["args::missing"]);
        assert_eq!(types("gcn(8) -> nmf(k = 3) -> mean -> linear", None)[2], "clusters[3, 8]");
        assert_eq!(codes("diffpool(k = 4) -> nmf(k = 2) -> mean -> linear"), ["levels::needs_nodes"]);
        assert_eq!(codes("mean -> nmf(k = 2) -> linear"), ["levels::needs_edges"]);
    }
}
