//! `spa_pool(ratio | k)`: nodes are shared out over the best of them.

use super::assignment::{CLUSTERS, CONNECT, SELF_LOOPS, SHARE, clusters_of, connected};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::loss::{ENTROPY, LINK_PREDICTION};
use crate::ops::program::{On, Outcome, ProgramCx};
use crate::ops::{
    Action, Doc, Family, InferCx, Init, Operator, Pyg, Select, WidthRule, conv, facts, findings,
};
use crate::program::composite::Composite;
use crate::program::{Index, Space, V};
use crate::types::{Size, Type};

/// SpaPool, soft partition assignment pooling: the nodes with the best scores `y = tanh(z · p / ‖p‖)` stand for clusters, by
/// `r = y z`, and every node is shared out over them by how alike it is, `S = softmax(likeness(z_i, r))`; clusters get `X' = Sᵀ X` and
/// `A' = Sᵀ A S`. `z` is the value of `embed`, `gcn(5) -> sigmoid` in the authors' code.
///
/// So each graph has clusters by its own size, `⌈ratio · n⌉`, and no node is dropped; where it has fewer than the largest graph, the others
/// stay empty. Nodes with equal rows of `z` have equal shares, so that nothing depends on how nodes are numbered.
///
/// The authors' code takes a softmax of the softmax, the first over the clusters of all graphs of a batch; here there is one, and a graph
/// has the same clusters in every batch.
///
/// Paper: Govan et al. 2025, "SpaPool: Soft Partition Assignment Pooling for Graph Neural Networks".
///
/// # Shapes
/// - `x`: `[N, F]`, nodes or clusters; `embed`: `[N, F_z]`
/// - result: `k` clusters per graph, `[G · k, F]`, with the coarse adjacency `[G, k, k]`
///
/// # Errors
/// `args::missing` and `args::conflict` for `ratio` and `k`, `args::no_effect` for `channels` without attention, `levels::mixed_levels`
/// where `embed` leaves the level, `levels::needs_edges` on anything but nodes and clusters.
#[derive(Debug)]
pub struct SpaPool;

static ARGS: &[ArgSpec] = &[
    ArgSpec { doc: "Clusters of a graph, as a share of its nodes, rounded up.", ..SHARE },
    ArgSpec { doc: "Clusters of each graph, or as many as it has nodes.", ..CLUSTERS },
    ArgSpec {
        name: "embed",
        kind: ArgKind::Pipeline { port: 1 },
        default: Default::Inferred("the value that is pooled"),
        positional: false,
        doc: "The network whose result `z` gives scores and likeness, for example `gcn(5) -> sigmoid`.",
    },
    ArgSpec {
        name: "likeness",
        kind: ArgKind::Choice(&["cosine", "dot", "attention"]),
        default: Default::Choice("cosine"),
        positional: false,
        doc: "How alike a node and a cluster are: the cosine of `z` and `r`, their product, or `(W_q z) · (W_k r) / √channels`.",
    },
    ArgSpec {
        name: "channels",
        kind: ArgKind::Int { min: 1, max: 1 << 16 },
        default: Default::Int(16),
        positional: false,
        doc: "Width of queries and keys of `likeness = attention`.",
    },
    ArgSpec { default: Default::Choice("sum"), ..CONNECT },
    ArgSpec { default: Default::Bool(true), ..SELF_LOOPS },
];

impl Operator for SpaPool {
    fn name(&self) -> &'static str {
        "spa_pool"
    }
    fn family(&self) -> Family {
        Family::Pooling
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "SpaPool: shares the nodes out over those with the best scores, as many as a graph's size asks for.",
            formula: "y = tanh(z · p / ‖p‖),  r = (y z)[best],  S = softmax(likeness(z, r)),  X' = Sᵀ X,  A' = Sᵀ A S",
            paper: "Govan et al. 2025, \"SpaPool: Soft Partition Assignment Pooling for Graph Neural Networks\"",
            example: "gcn(64) -> relu -> spa_pool(ratio = 0.25, embed = gcn(5) -> sigmoid) -> gcn(64) -> relu -> mean -> mlp",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        let ty = clusters_of(cx)?;
        if cx.args.is_written("channels") && cx.args.choice("likeness") != "attention" {
            let why = "queries and keys are those of `likeness = attention`";
            return Err(findings::args::no_effect(cx, "channels", why));
        }
        if let Some(port) = cx.port("embed")
            && (cx.inputs[port].entity, cx.inputs[port].level) != (cx.inputs[0].entity, cx.inputs[0].level)
        {
            return Err(findings::levels::mixed_levels(cx, port));
        }
        Ok(ty)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (a, b, e) = (cx.args, cx.b, cx.edges());
        let (z, width) = cx.named_with_width("embed").unwrap_or((cx.x(), &cx.inputs[0].width));
        let k = cx.output.rows.size.clone();
        let one = [Size::Known(1)];
        let init = Init::KaimingUniform { fan_in: facts::known(width) };
        let direction = b.weight("direction", &[width.clone(), conv::fixed(1)], init);
        let direction = direction.div_rows(direction.flat().dot(direction.flat()).at_least(TINY).sqrt());
        let score = z.linear(direction).tanh();
        // By falling score; behind them rows of zeros.
        let best = b.call(Composite::Sort { k: k.clone() }, &[b.concat(&[z * score, score])]);
        let best = best.slice(1, Size::Known(0), width.size.clone());
        let n = b.count(Index::Graph);
        let n_best = match a.opt_float("ratio") {
            Some(ratio) => -(-n.scale(ratio).offset(-NEARLY_WHOLE)).floor(),
            None => n,
        };
        let there = (n_best.view(&one) - b.iota(&k)).above(0.5).in_space(Space::Rows);
        let length = |v: V<'b>, axis: usize| v.square().fold_sum(axis).at_least(TINY).sqrt();
        let likeness = match a.choice("likeness") {
            "dot" => z.apply_transposed(best, Index::Graph),
            "attention" => {
                let channels = conv::fixed(a.int("channels") as usize);
                let query = cx.map(z, "query", width, &channels);
                let key = cx.map(best, "key", width, &channels);
                let scale = 1.0 / (facts::known(&channels) as f64).sqrt();
                query.apply_transposed(key, Index::Graph).scale(scale)
            }
            _ => {
                let lengths = length(z, 0).view(&one) * length(best, 1).gather(Index::Graph);
                z.apply_transposed(best, Index::Graph) / lengths
            }
        };
        let s = there.choose(likeness, b.constant(LOWEST)).softmax_columns() * there;
        Some(Outcome {
            x: b.call(Composite::Pool, &[s, cx.x()]),
            on: On::Clusters { adjacency: connected(cx, e.coarse_adjacency(s)) },
            losses: vec![(LINK_PREDICTION, e.link_loss(s)), (ENTROPY, b.call(Composite::Entropy, &[s]))],
            assignment: Some(s),
        })
    }
    fn losses(&self) -> &'static [&'static str] {
        &[LINK_PREDICTION, ENTROPY]
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "", weights: &[], arguments: &[], note: "" }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Pooling(Select::Lead)
    }
}

/// Squares of lengths below this count as it: `torch.nn.functional.normalize` takes lengths of 1e-12 at least.
const TINY: f64 = 1e-24;

/// By how much a share of the nodes may be above a whole number that it stands for, in 32 bits.
const NEARLY_WHOLE: f64 = 1e-3;

/// Lower than any likeness by enough that its share is 0.
const LOWEST: f64 = -1e30;

#[cfg(test)]
mod tests {
    use crate::lower::testing::compile;
    use crate::lower::{ForwardCx, Network, Structure};
    use crate::ops::testing::{assert_close, codes, nodes, types, weight};
    use candle_core::{DType, Device};

    #[test]
    fn clusters_are_as_many_as_are_asked_for() {
        let of = |args: &str| codes(&format!("gcn(8) -> spa_pool({args}) -> gcn(8) -> mean -> linear"));
        assert_eq!(of("k = 3"), [""; 0]);
        assert_eq!(
            of("ratio = 0.25, embed = gcn(5) -> sigmoid, likeness = attention, channels = 4"),
            [""; 0]
        );
        assert_eq!(of(""), ["args::missing"]);
        assert_eq!(of("k = 3, ratio = 0.5"), ["args::conflict"]);
        assert_eq!(of("k = 3, channels = 4"), ["args::no_effect"]);
        assert_eq!(of("k = 3, embed = mean"), ["levels::mixed_levels"]);
        assert_eq!(types("gcn(8) -> spa_pool(k = 3) -> mean -> linear", None)[2], "clusters[3, 8]");
    }

    /// By loops over the nodes of one graph: three of six, or of three places two that it has nodes for.
    #[test]
    fn nodes_are_shared_out_over_the_best() {
        let edges = [(0, 1), (1, 0), (1, 2), (3, 2), (4, 5), (5, 3), (0, 4)];
        for (likeness, n_nodes, args, n_best) in [
            ("cosine", 6usize, "k = 3", 3usize),
            ("dot", 6, "ratio = 0.5", 3),
            ("attention", 6, "k = 3, channels = 2", 3),
            ("cosine", 2, "k = 3", 2),
        ] {
            let edges: Vec<(u32, u32)> =
                edges.into_iter().filter(|&(a, b)| (a.max(b) as usize) < n_nodes).collect();
            let data = nodes(n_nodes, &edges);
            let text = format!(
                "model = spa_pool({args}, likeness = {likeness}) -> gcn(2) -> sum -> linear(2)\ntask = graph_classification"
            );
            let facts = data.facts();
            let model = compile(&text, None);
            let network = Network::build(&model, &facts, DType::F64, &Device::Cpu, 1).unwrap();
            let batch = data.batch(&[0], DType::F64, &Device::Cpu).unwrap();
            let x: Vec<Vec<f64>> = batch.x.to_vec2().unwrap();
            let p: Vec<f64> = weight(&network, "1.spa_pool.direction").into_iter().flatten().collect();
            let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
            let length = |a: &[f64]| dot(a, a).sqrt();
            let scores: Vec<f64> = x.iter().map(|x| (dot(x, &p) / length(&p)).tanh()).collect();
            let mut order: Vec<usize> = (0..n_nodes).collect();
            order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
            let best: Vec<Vec<f64>> = order[..n_best]
                .iter()
                .map(|&node| x[node].iter().map(|x| x * scores[node]).collect())
                .collect();
            let mapped = |row: &[f64], name: &str| -> Vec<f64> {
                let w = weight(&network, &format!("1.spa_pool.{name}"));
                (0..2).map(|k| row.iter().zip(&w).map(|(x, w)| x * w[k]).sum()).collect()
            };
            let alike = |z: &[f64], r: &[f64]| match likeness {
                "cosine" => dot(z, r) / (length(z) * length(r)),
                "dot" => dot(z, r),
                _ => dot(&mapped(z, "query"), &mapped(r, "key")) / 2f64.sqrt(),
            };
            let shares: Vec<Vec<f64>> = x
                .iter()
                .map(|z| {
                    let powers: Vec<f64> = best.iter().map(|r| alike(z, r).exp()).collect();
                    let total: f64 = powers.iter().sum();
                    powers.iter().map(|power| power / total).chain(vec![0.0; 3 - n_best]).collect()
                })
                .collect();
            let mut n_seen = 0;
            network
                .forward_observed(&batch, &mut ForwardCx::evaluation(), &mut |step, value| {
                    if model.get().graph[step.node].op.name() != "spa_pool" {
                        return;
                    }
                    let rows: Vec<Vec<f64>> = value.x.to_vec2().unwrap();
                    for (cluster, row) in rows.iter().enumerate() {
                        let sum =
                            |k: usize| (0..n_nodes).map(|node| shares[node][cluster] * x[node][k]).sum();
                        assert_close(row, &(0..3).map(sum).collect::<Vec<f64>>());
                    }
                    let Structure::Clusters { adjacency: Some(adjacency), .. } = &value.structure else {
                        return;
                    };
                    let found: Vec<f64> = adjacency.flatten_all().unwrap().to_vec1().unwrap();
                    let entry = |to: usize, from: usize| {
                        let of_edge =
                            |&(a, b): &(u32, u32)| shares[b as usize][to] * shares[a as usize][from];
                        edges.iter().map(of_edge).sum::<f64>()
                    };
                    let expected: Vec<f64> = (0..3)
                        .flat_map(|to| (0..3).map(move |from| (to, from)))
                        .map(|(to, from)| entry(to, from))
                        .collect();
                    assert_close(&found, &expected);
                    n_seen += 1;
                })
                .unwrap();
            assert_eq!(n_seen, 1);
        }
    }
}
