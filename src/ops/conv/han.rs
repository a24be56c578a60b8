//! `han(out, type, relation, heads)`: attention within each relation, then among the relations.

use super::gat::{DROPOUT, HEADS, SLOPE};
use super::hgt::{TYPE, Typed, typed_width};
use super::rgcn::RELATION;
use super::{OUT, fixed, glorot, part};
use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{
    Action, Doc, Family, Gather, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule, facts,
};
use crate::program::{Index, Space, V};
use crate::types::{Size, Type};

/// Heterogeneous attention network: what the neighbours of a relation come to by attention, `z_i^r = ReLU(Σ_{j ∈ N_r(i)} α_ij^r h_j)`, and
/// attention among the relations that lead to one type of nodes, `Σ_r β_r z_i^r` with `β_r = softmax_r(mean_i q · tanh(W z_i^r + b))`. Nodes
/// are mapped by a layer for each type first.
///
/// The mean is over the nodes of one graph, so that a batch is its graphs; relations without an edge in a graph take no part in it.
///
/// Paper: Wang et al. 2019, "Heterogeneous Graph Attention Network", eqs. 1 to 9; meta-paths are relations of the data here.
/// PyG: `torch_geometric.nn.HANConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes; `type`: `[N, T]`, the types of the nodes; `relation`: `[E]`, one of `R` kinds
/// - result: `[N, F_out]`; zeros where no edge leads to a node
///
/// # Errors
/// As those of `hgt`.
#[derive(Debug)]
pub struct Han;

static ARGS: &[ArgSpec] = &[OUT, TYPE, RELATION, HEADS, SLOPE, DROPOUT];

impl Operator for Han {
    fn name(&self) -> &'static str {
        "han"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Heterogeneous attention network: attention within each relation, then among the relations.",
            formula: "h_i = Σ_r β_r z_i^r,  z_i^r = ReLU(Σ_{j ∈ N_r(i)} α_ij^r h_j),  β_r = softmax_r(mean_i q · tanh(W z_i^r + b))",
            paper: "Wang et al. 2019, \"Heterogeneous Graph Attention Network\"",
            example: "linear(32) -> han(32, type = node_types, relation = edge_labels, heads = 4) -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Argument("out")
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        typed_width(cx)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b, e) = (cx.x(), cx.args, cx.b, cx.edges());
        let heads = a.int("heads") as usize;
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let kinds = &cx.inputs[a.port("relation")?].width;
        let typed = Typed::of(cx)?;
        let head = part(n_out, heads);
        let h = typed.linear(x, ["weight", "bias"], n_in, n_out);
        // A vector for each relation and head.
        let numbers = |name, of_edges: &dyn Fn(V<'b>) -> V<'b>| {
            let w =
                b.weight(name, &[kinds.clone(), fixed(heads), head.clone()], glorot(&fixed(heads), &head));
            let of_head = |place: usize| {
                let start = Size::product([Size::Known(place), head.size.clone()]);
                let vector = w.slice(1, Size::Known(place), Size::Known(1));
                let vector = vector.view(&[kinds.size.clone(), head.size.clone(), Size::Known(1)]);
                of_edges(h.slice(0, start, head.size.clone())).typed_linear(vector)
            };
            b.concat(&(0..heads).map(of_head).collect::<Vec<_>>())
        };
        let score =
            numbers("attention_source", &|x| e.source(x)) + numbers("attention_target", &|x| e.target(x));
        let shares = score.leaky_relu(a.float("negative_slope")).softmax_alike().dropout(a.float("dropout"));
        let message = e.source(h).heads(heads, &head.size) * shares.column();
        // Every edge has what those of its relation to its row come to.
        let z = message.flat().sum_alike().relu();
        let query = b.weight("query", std::slice::from_ref(n_out), glorot(&fixed(1), n_out));
        let init = Init::KaimingUniform { fan_in: facts::known(n_out) };
        let w = b.weight("semantic_weight", &[n_out.clone(), n_out.clone()], init);
        let bias = b.weight("semantic_bias", std::slice::from_ref(n_out), init);
        let worth = |z: V<'b>| ((z.linear(w) + bias).tanh() * query).fold_sum(0).view(&[Size::Known(1)]);
        // Each row of a relation counts once.
        let once = e.count_alike().reciprocal().view(&[Size::Known(1)]);
        let one = b.constant(1.0).view(&[Size::Known(1)]).in_space(Space::Edges);
        let own = b.identity(&kinds.size).view(&[kinds.size.clone(), Size::Known(1), kinds.size.clone()]);
        let is_of = one.typed_linear(own);
        let over_graph = |of_edges: V<'b>| e.sum(of_edges).sum(Index::Graph);
        let n_of_type = typed.types.sum(Index::Graph).gather(Index::Graph);
        let n_of_type = (n_of_type * typed.types).fold_sum(0).view(&[Size::Known(1)]);
        let n_rows = over_graph(is_of * once).at_least(1.0);
        let n_nodes = over_graph(is_of * (once * e.target(n_of_type))) * n_rows.reciprocal();
        // Rows without an edge of the relation have zeros.
        let nothing = ((bias.tanh() * query).fold_sum(0)).view(&[Size::Known(1)]);
        let sum = over_graph(is_of * (once * worth(z))) + (n_nodes - n_rows) * nothing;
        let score = sum * n_nodes.at_least(1.0).reciprocal();
        let of_relation = |of_graphs: V<'b>| {
            (e.target(of_graphs.gather(Index::Graph)) * is_of).fold_sum(0).view(&[Size::Known(1)])
        };
        let largest = score.fold_max(0).stop().view(&[Size::Known(1)]);
        let power = of_relation((score - largest).exp());
        let counted = once * of_relation(n_rows.reciprocal());
        let total = over_graph(e.target(typed.types) * (power * counted));
        let total = (total.gather(Index::Graph) * typed.types).fold_sum(0).at_least(1e-30);
        let share = power * e.target(total.reciprocal().view(&[Size::Known(1)]));
        Some(Outcome::rows(e.sum(z * (share * once))))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.HANConv",
            weights: &[
                ("q", "query", WeightMap::Reshaped),
                ("k_lin.weight", "semantic_weight", WeightMap::Transposed),
                ("k_lin.bias", "semantic_bias", WeightMap::Same),
            ],
            arguments: &[],
            note: "Layers of types and vectors of relations, in dictionaries there, are one tensor each, `proj` `weight`, `lin_src` `attention_source`.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Messages { gather: Gather::Attention, own: Own::Absent, is_linear: false }
    }
}
