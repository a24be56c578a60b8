//! `rgat(out, relation)`: attention over neighbours along edges of several kinds.

use super::gat::{CONCAT, DROPOUT, HEADS, SLOPE, attended_width_by};
use super::rgcn::{BASES, BLOCKS, Matrices, RELATION, decomposed};
use super::{BIAS, EDGE, OUT, fixed, glorot, part, times};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule};
use crate::program::V;
use crate::types::{Size, Type};

/// Relational graph attention: `h_i = ‖_k Σ_r Σ_{j ∈ N_r(i)} α_ij^k (W_rᵀ x_j)_k + b`, where `α` is a softmax of
/// `LeakyReLU(q · W_rᵀ x_i + k · W_rᵀ x_j + e · W_e e_ij)`, or of the product of these numbers, over the edges of a node or over
/// those of one kind. `W_r` is as in `rgcn`. A softmax forgets how many neighbours there are; `cardinality` brings it back.
///
/// Paper: Busbridge et al. 2019, "Relational Graph Attention Networks", eqs. 3 to 8; the words of `cardinality` are those of
/// Zhang and Xie 2020, "Improving Attention Mechanism in Graph Neural Networks via Cardinality Preservation", eqs. 5 to 9.
/// PyG: `torch_geometric.nn.RGATConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes; `relation`: `[E]`, one of `R` kinds; `edge`: `[E, F_e]`
/// - result: `[N, heads · dim · F_out]`, or `[N, dim · F_out]`, the mean of the heads, with `concat = false`
///
/// # Errors
/// Those of `gat` and `rgcn`; `args::does_not_fit` for `dim` above 1 with `mode = additive`, `args::conflict` for `dropout` with
/// `cardinality`.
#[derive(Debug)]
pub struct Rgat;

static ARGS: &[ArgSpec] = &[
    ArgSpec { doc: "Width of each head's result, `F_out`, as in PyG.", ..OUT },
    RELATION,
    ArgSpec {
        name: "mode",
        kind: ArgKind::Choice(&["additive", "multiplicative"]),
        default: Default::Choice("additive"),
        positional: false,
        doc: "Whether the numbers of both ends are added under a leaky relu, or multiplied.",
    },
    ArgSpec {
        name: "softmax",
        kind: ArgKind::Choice(&["across", "within"]),
        default: Default::Choice("across"),
        positional: false,
        doc: "Whether a softmax goes over all edges of a node, or over those of one kind.",
    },
    ArgSpec {
        name: "cardinality",
        kind: ArgKind::Choice(&["none", "additive", "scaled", "f_additive", "f_scaled"]),
        default: Default::Choice("none"),
        positional: false,
        doc: "How the number of neighbours counts: a message with a learned vector beside its weight, sums scaled by a \
              network of the degree, weights plus 1, weights times the degree.",
    },
    HEADS,
    ArgSpec {
        name: "dim",
        kind: ArgKind::Int { min: 1, max: 256 },
        default: Default::Int(1),
        positional: false,
        doc: "Numbers of attention of each head; more than one with `mode = multiplicative`.",
    },
    CONCAT,
    SLOPE,
    DROPOUT,
    BASES,
    BLOCKS,
    BIAS,
    EDGE,
];

impl Operator for Rgat {
    fn name(&self) -> &'static str {
        "rgat"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Relational graph attention: a matrix for each kind of edge, and weights over or within the kinds.",
            formula: "h_i = ‖_k Σ_r Σ_{j ∈ N_r(i)} α_ij^k (W_rᵀ x_j)_k + b,  α_ij^k = softmax LeakyReLU(q_k · W_rᵀ x_i + k_k · W_rᵀ x_j)",
            paper: "Busbridge et al. 2019, \"Relational Graph Attention Networks\"",
            example: "rgat(16, relation = edge_labels, heads = 2) -> relu -> rgat(16, relation = edge_labels) -> relu -> sum -> mlp",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Argument("out")
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        let (args, dim) = (cx.args, cx.args.int("dim"));
        let is_additive = args.choice("mode") == "additive";
        if is_additive && dim > 1 {
            return Err(findings::args::does_not_fit(
                cx,
                "dim",
                "`rgat` adds one number a head, so `dim` has to be 1",
                "write `mode = multiplicative`, or leave `dim` out",
            ));
        }
        if !is_additive && args.is_written("negative_slope") {
            return Err(findings::args::no_effect(
                cx,
                "negative_slope",
                "`mode = multiplicative` has no leaky relu",
            ));
        }
        if args.choice("cardinality") != "none" && args.float("dropout") > 0.0 {
            return Err(findings::args::conflict(cx, "cardinality", "dropout"));
        }
        let result = attended_width_by(cx, dim as usize)?;
        let n_parts = if args.bool("concat") { dim } else { dim * args.int("heads") };
        let inner = match args.bool("concat") {
            true => part(&result.width, n_parts as usize),
            false => times(args.int("heads") as usize, &part(&result.width, dim as usize)),
        };
        decomposed(cx, &inner)?;
        Ok(result)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b, e) = (cx.x(), cx.args, cx.b, cx.edges());
        let (heads, dim, is_concat) = (a.int("heads") as usize, a.int("dim") as usize, a.bool("concat"));
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let head = part(n_out, if is_concat { heads * dim } else { dim });
        let (inner, scores) = (times(heads, &head), fixed(heads * dim));
        let matrices = Matrices::new(cx, n_in, &inner)?;
        let of = |name, from| b.weight(name, &[inner.clone(), scores.clone()], glorot(from, &scores));
        let (query, key) = (of("query", &inner), of("key", &inner));
        let message = matrices.apply(x, |x| e.source(x));
        let q = matrices.apply_then(x, |x| e.target(x), query);
        let k = matrices.apply_then(x, |x| e.source(x), key);
        let bond = cx.named_with_width("edge").map(|(edge, n_edge)| {
            let w = b.weight("edge_weight", &[n_edge.clone(), inner.clone()], glorot(n_edge, &inner));
            edge.linear(w.contract(of("edge_attention", &inner)))
        });
        let score = match a.choice("mode") {
            "additive" => bond.map_or(q + k, |bond| q + k + bond).leaky_relu(a.float("negative_slope")),
            _ => bond.map_or(q * k, |bond| q * k * bond),
        };
        let shares = match a.choice("softmax") {
            "within" => score.softmax_alike(),
            _ => e.softmax(score),
        };
        let shares = shares.view(&[Size::Known(heads), Size::Known(dim), Size::Known(1)]);
        // Once for each number of attention.
        let message = vec![message.heads(heads, &head.size); dim];
        let message = b.concat(&message).view(&[Size::Known(heads), Size::Known(dim), head.size.clone()]);
        let vector = |name, init| b.weight(name, std::slice::from_ref(&head), init);
        let degree = e.degree();
        let y = match a.choice("cardinality") {
            "additive" => e.sum(message * (shares + vector("cardinality", Init::Ones))),
            "f_additive" => e.sum(message * shares.above(0.0).choose(shares.offset(1.0), shares)),
            "f_scaled" => e.sum(message * shares).mul_rows(degree),
            "scaled" => {
                let hidden = degree.column() * vector("degree_weight_0", Init::Ones)
                    + vector("degree_bias_0", Init::Zeros);
                let w = b.weight("degree_weight_1", &[head.clone(), head.clone()], glorot(&head, &head));
                let scale: V<'b> = hidden.relu().linear(w) + vector("degree_bias_1", Init::Zeros);
                e.sum(message * shares) * scale.view(&[Size::Known(1), Size::Known(1), head.size.clone()])
            }
            _ => e.sum(message * shares.dropout(a.float("dropout"))),
        };
        let y = if is_concat { y.flat() } else { y.fold_mean(0).flat() };
        Some(Outcome::rows(match a.bool("bias") {
            true => y + b.weight("bias", std::slice::from_ref(n_out), Init::Zeros),
            false => y,
        }))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.RGATConv",
            weights: &[
                ("weight", "weight", WeightMap::Same),
                ("basis", "weight", WeightMap::Same),
                ("att", "coefficients", WeightMap::Same),
                ("q", "query", WeightMap::Same),
                ("k", "key", WeightMap::Same),
                ("lin_edge.weight", "edge_weight", WeightMap::Transposed),
                ("e", "edge_attention", WeightMap::Same),
                ("w", "cardinality", WeightMap::Same),
                ("l1", "degree_weight_0", WeightMap::Reshaped),
                ("b1", "degree_bias_0", WeightMap::Reshaped),
                ("l2", "degree_weight_1", WeightMap::Same),
                ("b2", "degree_bias_1", WeightMap::Reshaped),
                ("bias", "bias", WeightMap::Same),
            ],
            arguments: &[
                ("attention_mode", "mode"),
                ("attention_mechanism", "softmax"),
                ("mod", "cardinality"),
                ("num_bases", "bases"),
                ("num_blocks", "blocks"),
            ],
            note: "PyG keeps `w`, `l1`, `b1`, `l2` and `b2` also where nothing reads them, and leaves `l2` uninitialised.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Messages { gather: Gather::Attention, own: Own::Absent, is_linear: false }
    }
}

#[cfg(test)]
mod tests {

    use crate::ops::testing::{codes, types};

    #[test]
    fn several_numbers_a_head_make_the_result_wider() {
        let text = |inside: &str| format!("rgat(6, relation = edge_labels{inside}) -> sum -> linear");
        let shape = |inside: &str| types(&text(inside), None)[2].clone();
        assert_eq!(shape(", heads = 2"), "nodes[N, 12]");
        assert_eq!(shape(", heads = 2, mode = multiplicative, dim = 3"), "nodes[N, 36]");
        assert_eq!(shape(", heads = 2, mode = multiplicative, dim = 3, concat = false"), "nodes[N, 18]");
        let codes = |inside: &str| codes(&text(inside));
        assert_eq!(codes(", dim = 2"), ["args::does_not_fit"]);
        assert_eq!(codes(", dropout = 0.1, cardinality = scaled"), ["args::conflict"]);
        assert_eq!(codes(", bases = 2, blocks = 2"), ["args::conflict"]);
        assert_eq!(codes(", mode = multiplicative, negative_slope = 0.1"), ["args::no_effect"]);
    }
}
