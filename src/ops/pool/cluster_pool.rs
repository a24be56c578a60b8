//! `cluster_pool`: nodes along all edges above a score become one.

use super::merging::{SELF_LOOPS, merged, size};
use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{
    Action, Doc, Family, InferCx, Init, Operator, Pyg, Select, WeightMap, WidthRule, conv, facts, findings,
};
use crate::program::Index;
use crate::program::composite::{Composite, Join};
use crate::types::{Size, Type};

/// Cluster pooling: each edge between two nodes gets a score by a linear map of both its ends, `s_ij = f(w · [x_j ∥ x_i] + b)` of
/// an edge from `j` to `i`, with `f` a tanh, a sigmoid, or the logarithm of a softmax over the edges of the graph. All edges above
/// `threshold` are contracted, so that clusters are what they link: `x_c = Σ_{i ∈ c} Σ_{j → i} s_ij x_j`, over all edges that
/// lead to a node of the cluster. Nodes that stay alone add their own features.
///
/// Paper: Diehl 2019, "Edge Contraction Pooling for Graph Neural Networks", has the scores; the clusters are those of PyTorch
/// Geometric's `ClusterPooling`, which calls itself a variant that has no paper.
/// PyG: `torch_geometric.nn.ClusterPooling`.
///
/// # Shapes
/// - `x`: `[N, F]`, nodes of a sparse graph
/// - result: `[N', F]`, at most `N` nodes of each graph, in the order of the first node of each cluster, joined by one edge where
///   edges lead from cluster to cluster. Values of the edges go on as the sums over the edges that became one.
///
/// # Errors
/// `levels::needs_nodes` and `levels::needs_rows` on anything but nodes, `args::missing` without `threshold` for `log_softmax`.
#[derive(Debug)]
pub struct ClusterPool;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "score",
        kind: ArgKind::Choice(&["tanh", "sigmoid", "log_softmax"]),
        default: Default::Choice("tanh"),
        positional: false,
        doc: "Function that makes a score of the linear map, `f`; `log_softmax` is over the edges of a graph.",
    },
    ArgSpec {
        name: "threshold",
        kind: ArgKind::Float(Range::closed(-1e6, 1.0)),
        default: Default::Inferred("0 for `tanh`, 0.5 for `sigmoid`"),
        positional: false,
        doc: "Edges with a score above this are contracted. A logarithm of a share is never above 0, so `log_softmax` needs one below.",
    },
    ArgSpec {
        doc: "Probability with which the linear map of an edge is dropped in training.",
        ..conv::gat::DROPOUT
    },
    SELF_LOOPS,
];

impl Operator for ClusterPool {
    fn name(&self) -> &'static str {
        "cluster_pool"
    }
    fn family(&self) -> Family {
        Family::Pooling
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Cluster pooling: makes one node of all that edges above a learned score link.",
            formula: "s_ij = tanh(w · [x_j ∥ x_i] + b),  x_c = Σ_{i ∈ c} Σ_{j → i} s_ij x_j,  c linked by s_ij > threshold",
            paper: "Diehl 2019, \"Edge Contraction Pooling for Graph Neural Networks\"",
            example: "gcn(64) -> relu -> cluster_pool -> gcn(64) -> relu -> mean -> linear",
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
        if cx.args.choice("score") == "log_softmax" && cx.args.opt_float("threshold").is_none() {
            return Err(findings::args::needs_one_of(
                cx,
                &["threshold"],
                "score = log_softmax, threshold = -3.0",
            ));
        }
        Ok(ty)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b) = (cx.x(), cx.args, cx.b);
        let e = cx.edges_without_loops();
        let width = &cx.inputs[0].width.size;
        let both = conv::times(2, &cx.inputs[0].width);
        let uniform = Init::KaimingUniform { fan_in: facts::known(&both) };
        let w = b.weight("weight", &[both, conv::fixed(1)], uniform);
        let of_end = |start: Size| x.linear(w.slice(0, start, width.clone()));
        let (source, target) = (of_end(Size::Known(0)), of_end(width.clone()));
        let raw = e.source(source) + e.target(target) + b.weight("bias", &[conv::fixed(1)], uniform);
        let raw = raw.dropout(a.float("dropout"));
        let score = match a.choice("score") {
            "sigmoid" => raw.sigmoid(),
            "log_softmax" => {
                // Of the largest of each row the largest of the graph; a row without edges has 0, which is as good.
                let most = raw.largest(Index::Target).largest(Index::Graph).stop();
                let of_edges = |v: crate::program::V<'b>| e.target(v.gather(Index::Graph));
                let total = e.sum((raw - of_edges(most)).exp()).sum(Index::Graph);
                raw - of_edges(most + total.at_least(TINY).ln())
            }
            _ => raw.tanh(),
        };
        let threshold =
            a.opt_float("threshold").unwrap_or(if a.choice("score") == "sigmoid" { 0.5 } else { 0.0 });
        let rule = Composite::Join { rule: Join::Above(threshold), self_loops: a.bool("self_loops") };
        let level = b.call(rule, &[score.stop()]);
        let gathered = b.call(Composite::Merged, &[e.sum(e.source(x) * score), level]);
        let own = b.call(Composite::Merged, &[x, level]);
        let is_alone = size(x, level).above(1.5).scale(-1.0).offset(1.0);
        Some(Outcome::kept(gathered + own * is_alone, level))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.ClusterPooling",
            weights: &[
                ("lin.weight", "weight", WeightMap::Transposed),
                ("lin.bias", "bias", WeightMap::Same),
            ],
            arguments: &[("edge_score_method", "score")],
            note: "PyG takes the softmax over the edges of all graphs of a batch, here of each; its `threshold` is 0 for \
                   `log_softmax` too, which no edge is above.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Pooling(Select::Merge)
    }
}

/// What a total counts as at least where a logarithm is taken of it.
const TINY: f64 = 1e-30;

#[cfg(test)]
mod tests {
    use crate::ops::testing::codes;

    #[test]
    fn a_logarithm_of_shares_needs_a_threshold() {
        let of = |args: &str| codes(&format!("gcn(8) -> cluster_pool({args}) -> mean -> linear"));
        assert_eq!(of("score = log_softmax"), ["args::missing"]);
        assert_eq!(of("score = log_softmax, threshold = -3.0"), [""; 0]);
        assert_eq!(of("score = sigmoid"), [""; 0]);
        assert_eq!(codes("diffpool(k = 4) -> cluster_pool -> mean -> linear"), ["levels::needs_nodes"]);
    }
}
