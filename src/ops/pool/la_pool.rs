//! `la_pool(ratio | k)`: nodes are shared out over those that differ most from their neighbours.

use super::assignment::{CLUSTERS, CONNECT, SELF_LOOPS, SHARE, TINY, clusters_of, connected};
use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{On, Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, Select, WidthRule, conv};
use crate::program::composite::Composite;
use crate::program::{Fun, Index, Space, V};
use crate::types::{Size, Type};

/// Laplacian pooling: the nodes that differ more from their neighbours than any of these do, by `v_i = ‖(L x)_i‖`, are leaders;
/// each is a cluster, and every other node is shared out over them by how alike it is, `S = softmax(cos(x_i, x_leader))`. Nothing
/// is learned. Clusters get the features `X' = Sᵀ X` and the adjacency of `mincut`.
///
/// The leaders are taken by falling `v`, `k` at most; those of a graph with more of them are shared out as other nodes are, and
/// clusters that a graph has no leader for stay empty. Leaders with the same `v`, to the last bit, become one cluster, so that
/// the result does not depend on how the nodes are numbered. A node without neighbours is a leader.
///
/// With `shortest_path` the share of a node is divided by how many edges away the leader is, along edges of either direction, and is 0
/// where no path leads there; so shares add up to less than 1. Of leaders that tie the nearest one counts.
///
/// Paper: Noutahi et al. 2019, "Towards Interpretable Sparse Graph Representation Learning with Laplacian Pooling", section 3.
/// tgp: `tgp.poolers.LaPooling`, here without padding and, at the input graph, on sparse edges.
///
/// # Shapes
/// - `x`: `[N, F]`, nodes or clusters; `weight`: `[E, 1]`, the entries `A_ij` of the edges, which are 1 without it
/// - result: `k` clusters per graph, `[G · k, F]`, with the coarse adjacency `[G, k, k]`
///
/// # Errors
/// `args::missing` and `args::conflict` for `ratio` and `k`, `levels::needs_edges` on anything but nodes and clusters.
#[derive(Debug)]
pub struct LaPool;

static ARGS: &[ArgSpec] = &[
    SHARE,
    CLUSTERS,
    ArgSpec::flag(
        "shortest_path",
        false,
        "Whether the share of a node is divided by the number of edges between it and the leader, tgp's `shortest_path_reg`.",
    ),
    conv::WEIGHT,
    CONNECT,
    SELF_LOOPS,
];

impl Operator for LaPool {
    fn name(&self) -> &'static str {
        "la_pool"
    }
    fn family(&self) -> Family {
        Family::Pooling
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Laplacian pooling: shares the nodes out over those that differ most from their neighbours.",
            formula: "v = ‖L x‖,  leaders: v_i ≥ v_j of all neighbours,  S = softmax(cos(x, x_leader)),  X' = Sᵀ X",
            paper: "Noutahi et al. 2019, \"Towards Interpretable Sparse Graph Representation Learning with Laplacian Pooling\"",
            example: "gcn(64) -> relu -> la_pool(k = 8) -> gcn(64) -> relu -> mean -> mlp",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        clusters_of(cx)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (b, x) = (cx.b, cx.x());
        let e = cx.named("weight").map_or(cx.edges(), |weight| b.weighted_edges(weight));
        let k = cx.output.rows.size.clone();
        let one = [Size::Known(1)];

        let apart = x.mul_rows(e.degree()) - e.sum(e.source(x));
        let v = apart.square().fold_sum(0).sqrt().view(&one).stop();
        let is_leader = (e.largest(e.source(v)) - v).above(0.0).scale(-1.0).offset(1.0);

        // A row of each leader, by falling `v`; behind them those of other nodes, which count nothing.
        let width = x.width();
        let (at_v, at_mark) = (width.clone(), Size::sum([width.clone(), Size::Known(1)]));
        let rows = b.concat(&[x, v, is_leader]);
        let best = b.call(Composite::Sort { k: k.clone() }, &[rows]);
        let column = |start: Size| best.slice(1, start, Size::Known(1)).flat();
        let (leaders, of_v) = (best.slice(1, Size::Known(0), width), column(at_v));
        let is_there = column(at_mark).above(0.5);

        // `[a, b]` is 1 where `b` is the first of the leaders that tie with `a`.
        let places = b.iota(&k);
        let is_later = (places - places.column()).above(0.5);
        let is_tied = b.map(Fun::Equal, &[of_v.column(), of_v]) * is_there.column() * is_there;
        let n_before = is_tied.linear(is_later);
        let first = is_tied * n_before.above(0.5).scale(-1.0).offset(1.0);

        let norm = |v: V<'b>, axis: usize| v.square().fold_sum(axis).at_least(TINY).sqrt();
        let of_leaders = norm(leaders, 1).gather(Index::Graph);
        let likeness =
            x.apply_transposed(leaders, Index::Graph) / (norm(x, 0).view(&one) * of_leaders).offset(NEAR);
        let there = is_there.in_space(Space::Rows);
        let shares = there.choose(likeness, b.constant(LOWEST)).softmax_columns();
        // A leader belongs to its own cluster alone, if it is one of the best.
        let stands_alone = is_leader * b.map(Fun::Equal, &[v, of_v.gather(Index::Graph)]);
        let shares = match cx.args.bool("shortest_path") {
            true => shares * there * b.call(Composite::Nearness, &[stands_alone]),
            false => shares * there,
        };
        let shares = shares.apply(first, Index::Graph);
        let own = stands_alone * (first * b.identity(&k)).fold_sum(0).gather(Index::Graph);
        let has_own = own.fold_sum(0).view(&one).above(0.5);
        let s = has_own.choose(own, shares);
        Some(Outcome {
            x: s.outer(x, Index::Graph),
            on: On::Clusters { adjacency: connected(cx, s.outer(e.sum(e.source(s)), Index::Graph)) },
            losses: Vec::new(),
            assignment: Some(s),
        })
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "tgp.poolers.LaPooling",
            weights: &[],
            arguments: &[("shortest_path_reg", "shortest_path")],
            note: "tgp makes as many clusters as the graph of the batch with the most leaders has, in the order of the nodes.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Pooling(Select::Lead)
    }
}

/// What tgp adds to the product of two lengths.
const NEAR: f64 = 1e-8;

/// Lower than any cosine by enough that its share is 0.
const LOWEST: f64 = -1e30;

#[cfg(test)]
mod tests {
    use crate::lower::testing::compile;
    use crate::lower::{ForwardCx, Network};
    use crate::ops::testing::{codes, nodes, types};
    use candle_core::{DType, Device};

    #[test]
    fn clusters_are_as_many_as_are_asked_for() {
        let of = |args: &str| codes(&format!("gcn(8) -> la_pool({args}) -> gcn(8) -> mean -> linear"));
        assert_eq!(of("k = 3"), [""; 0]);
        assert_eq!(of("k = 3, weight = edges -> linear(1)"), [""; 0]);
        assert_eq!(of(""), ["args::missing"]);
        assert_eq!(of("k = 3, ratio = 0.5"), ["args::conflict"]);
        assert_eq!(codes("mean -> la_pool(k = 3) -> linear"), ["levels::needs_edges"]);
        assert_eq!(types("gcn(8) -> la_pool(k = 3) -> mean -> linear", None)[2], "clusters[3, 8]");
    }

    /// Of equal nodes all lead, and become one cluster, in which no feature is lost.
    #[test]
    fn leaders_that_tie_become_one_cluster() {
        let ring: Vec<(u32, u32)> = (0..6).flat_map(|a| [(a, (a + 1) % 6), ((a + 1) % 6, a)]).collect();
        let data = nodes(6, &ring);
        // One feature is 0 behind a norm of its row, so that all nodes have the bias of the layer behind.
        let text = "model = linear(1) -> layer_norm -> linear(2) -> la_pool(k = 3) -> sum -> linear(2)\ntask = graph_classification";
        let model = compile(text, None);
        let network = Network::build(&model, &data.facts(), DType::F64, &Device::Cpu, 1).unwrap();
        let batch = data.batch(&[0], DType::F64, &Device::Cpu).unwrap();
        let mut n_seen = 0;
        network
            .forward_observed(&batch, &mut ForwardCx::evaluation(), &mut |step, value| {
                if model.get().graph[step.node].op.name() == "la_pool" {
                    let rows: Vec<Vec<f64>> = value.x.to_vec2().unwrap();
                    assert_eq!(rows.len(), 3);
                    assert!(rows[1..].iter().flatten().all(|&x| x == 0.0), "{rows:?}");
                    n_seen += 1;
                }
            })
            .unwrap();
        assert_eq!(n_seen, 1);
    }
}
