//! `hypergraph(out)`: messages from nodes to the hyperedges that they are in, and back.

use super::gat::{CONCAT, DROPOUT, HEADS, SLOPE, attended_width, head_width};
use super::{BIAS, OUT, fixed, glorot, times};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::hetero::Lifted;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{
    Action, Doc, Family, Gather, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule, facts,
};
use crate::program::V;
use crate::types::{Entity, Size, Type};

/// Hypergraph convolution: a hyperedge gathers from its members, `m_e = 1/B_e Σ_{i ∈ e} α_ie Θᵀ x_i`, and each node from the hyperedges that
/// it is in, `h_i = 1/D_i Σ_{e ∋ i} w_e α_ie m_e + b`, with `B_e` the number of members and `D_i = Σ_{e ∋ i} w_e`; in matrices
/// `D⁻¹ H W B⁻¹ Hᵀ X Θ + b` of the incidence matrix `H`. Without attention `α_ie` is 1, else a softmax of
/// `LeakyReLU(a · [Θᵀ x_i ∥ Θᵀ x_e])`.
///
/// **How hyperedges are stored.** A hyperedge is a row beside the nodes, and an edge `i → e` says that `i` is one of its members: every row
/// that edges lead to is a hyperedge, and its members are their sources. So the data is
/// - heterogeneous, with a type of nodes for the hyperedges and one relation that leads to it, `edges/author__member__group.csv` of
///   `hetero_tables`, with the way back or without it;
/// - or one bipartite graph of nodes and hyperedges, with edges one way or both ways;
/// - or any other graph, where the neighbourhood of each node is a hyperedge, as for the citation networks of the paper.
///
/// The features of a hyperedge, PyG's `hyperedge_attr`, are those of its row, and attention alone reads them. Where edges lead both ways, the
/// rows of hyperedges become those of the dual hypergraph, in which hyperedges are the nodes, and neither half reads the other but for
/// attention. A row that is in no hyperedge has `m + b`: a hyperedge what its members come to, a node without any edge `b` alone.
///
/// Paper: Bai et al. 2021, "Hypergraph Convolution and Hypergraph Attention", eqs. 6, 10 and 12.
/// PyG: `torch_geometric.nn.HypergraphConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes and hyperedges; `hyperedge_weight`: `[N, 1]`
/// - result: `[N, heads · F_out]`, head by head, or `[N, F_out]`, their mean, with `concat = false`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `levels::needs_nodes` on clusters, `levels::mixed_levels` and `shape::width_mismatch` where
/// `hyperedge_weight` is not one number for each row, `args::no_effect` for options of attention where there is none,
/// `args::does_not_fit` inside `hetero` and where heads cannot share an inferred width.
#[derive(Debug)]
pub struct Hypergraph;

/// One number for each row.
const HYPEREDGE_WEIGHT: &str = "hyperedge_weight";

static ARGS: &[ArgSpec] = &[
    ArgSpec { doc: "Width of each head's result, `F_out`, as in PyG.", ..OUT },
    ArgSpec {
        name: "attention",
        kind: ArgKind::Choice(&["none", "node", "edge"]),
        default: Default::Choice("none"),
        positional: false,
        doc: "What the weights `α_ie` add up to 1 over: `node`, the nodes of a hyperedge, or `edge`, the hyperedges of a node; PyG's \
              `attention_mode`.",
    },
    HEADS,
    CONCAT,
    SLOPE,
    ArgSpec {
        doc: "Probability with which a weight `α_ie` is dropped in training, for each member and head.",
        ..DROPOUT
    },
    ArgSpec {
        name: HYPEREDGE_WEIGHT,
        kind: ArgKind::Pipeline { port: 1 },
        default: Default::Inferred("1"),
        positional: false,
        doc: "The weights `w_e`: one number for each row, of which those of hyperedges count; `input -> columns(3)`, for example.",
    },
    ArgSpec::flag(
        "weighted_messages",
        true,
        "Whether what hyperedges send is multiplied by `w_e`, as in the paper; PyG leaves it out and divides by `D_i` alone, `false`.",
    ),
    BIAS,
];

/// # Errors
/// `levels::mixed_levels` and `shape::width_mismatch` where the weights are not one number for each row.
fn weights_fit(cx: &InferCx) -> Result<(), Diagnostic> {
    let Some(port) = cx.port(HYPEREDGE_WEIGHT) else {
        if cx.args.is_written("weighted_messages") {
            let why = "without `hyperedge_weight` every hyperedge counts 1";
            return Err(findings::args::no_effect(cx, "weighted_messages", why));
        }
        return Ok(());
    };
    let (x, weight) = (cx.inputs[0], cx.inputs[port]);
    if (x.entity, x.level) != (weight.entity, weight.level) {
        return Err(findings::levels::mixed_levels(cx, port));
    }
    if findings::shape::differ(&Size::Known(1), &weight.width.size) {
        return Err(findings::shape::one_number(cx, HYPEREDGE_WEIGHT, port));
    }
    Ok(())
}

impl Operator for Hypergraph {
    fn name(&self) -> &'static str {
        "hypergraph"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Hypergraph convolution: rows that edges lead to are hyperedges, which gather from their members and give back to them.",
            formula: "h_i = ‖_k 1/D_i Σ_{e ∋ i} w_e α_ie^k m_e^k + b,  m_e^k = 1/B_e Σ_{i ∈ e} α_ie^k Θ_kᵀ x_i,  \
                      α_ie^k = softmax LeakyReLU(a^k · [Θ_kᵀ x_i ∥ Θ_kᵀ x_e])",
            paper: "Bai et al. 2021, \"Hypergraph Convolution and Hypergraph Attention\"",
            example: "hypergraph(32) -> relu -> hypergraph(8, attention = node, heads = 4) -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Argument("out")
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        super::has_edges(cx)?;
        if cx.inputs[0].entity != Entity::Nodes {
            return Err(findings::levels::needs_nodes(cx));
        }
        if Lifted::of(cx.args).is_some() {
            return Err(findings::args::in_hetero(
                cx,
                "its results belong to the nodes that edges lead from, and `hetero` keeps those that a relation leads to",
                "use it without `hetero`, on data whose one relation leads from nodes to their hyperedges",
            ));
        }
        if cx.args.choice("attention") == "none" {
            for name in ["heads", "concat", "negative_slope", "dropout"] {
                if cx.args.is_written(name) {
                    let why = "there is no attention; `attention = node` or `attention = edge` asks for it";
                    return Err(findings::args::no_effect(cx, name, why));
                }
            }
        }
        weights_fit(cx)?;
        attended_width(cx)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b, e) = (cx.x(), cx.args, cx.b, cx.edges());
        let heads = a.int("heads") as usize;
        let head = head_width(a, &cx.output.width);
        let (n_in, inner) = (&cx.inputs[0].width, times(heads, &head));
        let w = b.weight("weight", &[n_in.clone(), inner.clone()], glorot(n_in, &inner));
        let h = x.linear(w).heads(heads, &head.size);
        // Edges lead to hyperedges, so nodes gather against them.
        let to_nodes = |f: &dyn Fn() -> V<'b>| b.against(f);
        let attention = a.choice("attention");
        let shares = (attention != "none").then(|| {
            let init = Init::Glorot { fan_in: heads, fan_out: 2 * facts::known(&head) };
            let vectors = b.weight("attention", &[fixed(heads), times(2, &head)], init);
            let of_node = h.dot(vectors.slice(1, Size::Known(0), head.size.clone()));
            let of_hyperedge = h.dot(vectors.slice(1, head.size.clone(), head.size.clone()));
            let score = e.source(of_node) + e.target(of_hyperedge);
            let score = score.leaky_relu(a.float("negative_slope"));
            let shares = match attention {
                "node" => e.softmax(score),
                _ => to_nodes(&|| e.softmax(score)),
            };
            shares.dropout(a.float("dropout")).column()
        });
        let shared = |message: V<'b>| shares.map_or(message, |shares| message * shares);
        let gathered = e.sum(shared(e.source(h))).div_rows(e.degree().at_least(1.0));
        let n_hyperedges = to_nodes(&|| e.degree());
        let given = cx.named(HYPEREDGE_WEIGHT).map(|weight| weight.view(&[]));
        let sent = match given {
            Some(weight) if a.bool("weighted_messages") => gathered.mul_rows(weight),
            _ => gathered,
        };
        let total = given.map(|weight| to_nodes(&|| e.sum(e.source(weight))));
        let sum = to_nodes(&|| e.sum(shared(e.source(sent))));
        let of_hyperedges = match total {
            // As in PyG, 1/0 counts as 0; the quotient is taken of 1 there, because the slope of 1/0 is no number.
            Some(total) => {
                let quotient = total.choose(total, b.constant(1.0)).reciprocal();
                sum.mul_rows(total.choose(quotient, b.constant(0.0)))
            }
            None => sum.div_rows(n_hyperedges.at_least(1.0)),
        };
        let is_in_none = n_hyperedges.at_most(1.0).scale(-1.0).offset(1.0);
        let y = of_hyperedges + gathered.mul_rows(is_in_none);
        let y = if a.bool("concat") { y.flat() } else { y.fold_mean(0) };
        Some(Outcome::rows(match a.bool("bias") {
            true => y + b.weight("bias", std::slice::from_ref(&cx.output.width), Init::Zeros),
            false => y,
        }))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.HypergraphConv",
            weights: &[
                ("lin.weight", "weight", WeightMap::Transposed),
                ("att", "attention", WeightMap::Reshaped),
                ("bias", "bias", WeightMap::Same),
            ],
            arguments: &[("attention_mode", "attention")],
            note: "Its `hyperedge_index` `[node, hyperedge]` is the edges here, its `hyperedge_attr` the rows of the hyperedges; with \
                   `hyperedge_weight`, `weighted_messages = false` computes the same.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let is_plain = args.choice("attention") == "none";
        let has_weights = args.port(HYPEREDGE_WEIGHT).is_some();
        // A mean of means, unless weights are in the divisor alone.
        let is_mean = is_plain && (!has_weights || args.bool("weighted_messages"));
        let gather = if is_mean { Gather::Mean } else { Gather::Other };
        Action::Messages { gather, own: Own::Absent, is_linear: is_plain && !has_weights }
    }
}

#[cfg(test)]
mod tests {
    use crate::data::Dataset;
    use crate::ops::testing::{assert_close, codes, nodes, outcome, run, transformed, weight};

    /// Nodes before the hyperedges, which are rows 5 to 7; the last one is empty, and node 4 is in none.
    const N: usize = 5;
    const MEMBERS: [(u32, u32); 6] = [(0, 5), (1, 5), (2, 5), (2, 6), (3, 6), (0, 6)];

    /// `D⁻¹ H W B⁻¹ Hᵀ X Θ`, by sums over the incidence matrix.
    fn by_matrices(data: &Dataset, theta: &[Vec<f64>], w: &dyn Fn(usize) -> f64) -> Vec<Vec<f64>> {
        let hyperedges = N..8;
        let h = |node: usize, hyperedge: usize| {
            f64::from(u8::from(MEMBERS.contains(&(node as u32, hyperedge as u32))))
        };
        let mapped: Vec<Vec<f64>> = (0..N).map(|node| transformed(data, node, theta, &[0.0, 0.0])).collect();
        let quotient = |sum: f64, of: f64| if of == 0.0 { 0.0 } else { sum / of };
        let of_hyperedge = |e: usize, column: usize| {
            let sum = (0..N).map(|node| h(node, e) * mapped[node][column]).sum();
            quotient(sum, (0..N).map(|node| h(node, e)).sum())
        };
        let entry = |node: usize, column: usize| {
            let sum = hyperedges.clone().map(|e| h(node, e) * w(e) * of_hyperedge(e, column)).sum();
            quotient(sum, hyperedges.clone().map(|e| h(node, e) * w(e)).sum())
        };
        (0..N).map(|node| (0..2).map(|column| entry(node, column)).collect()).collect()
    }

    #[test]
    fn nodes_gather_over_their_hyperedges() {
        let data = nodes(8, &MEMBERS);
        let (rows, network) = run("model = hypergraph", &data);
        let theta = weight(&network, "1.hypergraph.weight");
        for (row, expected) in rows.iter().zip(by_matrices(&data, &theta, &|_| 1.0)) {
            assert_close(row, &expected);
        }
        // A hyperedge has what its members come to, and an empty one nothing.
        let mapped = [0, 2, 3].map(|node| transformed(&data, node, &theta, &[0.0, 0.0]));
        let mean: Vec<f64> = (0..2).map(|k| mapped.iter().map(|row| row[k]).sum::<f64>() / 3.0).collect();
        assert_close(&rows[6], &mean);
        assert_close(&rows[7], &[0.0, 0.0]);
    }

    #[test]
    fn hyperedges_count_by_their_weights() {
        let data = nodes(8, &MEMBERS);
        let given = "hyperedge_weight = input -> columns(1) -> sigmoid";
        let (rows, network) = run(&format!("model = hypergraph({given})"), &data);
        let theta = weight(&network, "3.hypergraph.weight");
        let w = |row: usize| {
            1.0 / (1.0 + (-transformed(&data, row, &[vec![0.0], vec![1.0], vec![0.0]], &[0.0])[0]).exp())
        };
        for (row, expected) in rows.iter().zip(by_matrices(&data, &theta, &w)) {
            assert_close(row, &expected);
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        assert_eq!(codes("hypergraph(8, heads = 2) -> mean -> linear"), ["args::no_effect"]);
        assert_eq!(codes("hypergraph(8, weighted_messages = false) -> mean -> linear"), ["args::no_effect"]);
        let wide = "hypergraph(8, hyperedge_weight = linear(2)) -> mean -> linear";
        assert_eq!(codes(wide), ["shape::width_mismatch"]);
        let below = "gcn(8) as fine -> topk(ratio = 0.5) -> hypergraph(8, hyperedge_weight = fine -> linear(1)) -> mean -> linear";
        assert_eq!(codes(below), ["levels::mixed_levels"]);
        assert_eq!(
            codes("gcn(8) -> diffpool(k = 4) -> hypergraph(8) -> mean -> linear"),
            ["levels::needs_nodes"]
        );
        let lifted = outcome("model = hetero(hypergraph(8)) -> linear\ntask = node_classification", None);
        assert_eq!(lifted.diagnostics[0].code, "args::does_not_fit");
    }
}
