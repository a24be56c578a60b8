//! `transformer(out)`: attention by the products of queries and keys.

use super::gat::{HEADS, attended_width, head_width};
use super::{BIAS, EDGE, OUT, fixed, times};
use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Operator, Own, Pyg, WeightMap, WidthRule};
use crate::program::V;
use crate::types::Type;

/// Graph transformer: `h_i = Θ_rᵀ x_i + b + ‖_k Σ_{j ∈ N(i)} α_ij^k (v_j + e_ij)_k`, where `α_ij^k` is the softmax over
/// the neighbours `j` of `i` of `q_i^k · (k_j + e_ij)^k / √F_out`. Queries, keys and values are linear maps of `x` with biases,
/// `e_ij` is one of the edge's features without. With `beta` a gate weighs a node against its neighbours:
/// `β_i r_i + (1 − β_i) m_i`, `β_i = σ(w · [m_i ∥ r_i ∥ m_i − r_i])`, of the root `r_i` and the sum `m_i`.
///
/// Paper: Shi et al. 2021, "Masked Label Prediction: Unified Message Passing Model for Semi-Supervised Classification",
/// eqs. 3 to 5.
/// PyG: `torch_geometric.nn.TransformerConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes or clusters; `edge`: `[E, F_e]`
/// - result: `[N, heads · F_out]`, head by head, or `[N, F_out]`, their mean, with `concat = false`
///
/// # Errors
/// Those of `gat`; `args::no_effect` for `beta` or `bias` without the root that they belong to.
#[derive(Debug)]
pub struct Transformer;

static ARGS: &[ArgSpec] = &[
    ArgSpec { doc: "Width of each head's result, `F_out`, as in PyG.", ..OUT },
    HEADS,
    super::gat::CONCAT,
    ArgSpec::flag(
        "beta",
        false,
        "Whether a gate weighs the root against the sum over the neighbours; otherwise they are added.",
    ),
    super::gat::DROPOUT,
    ArgSpec::flag(
        "root_weight",
        true,
        "Whether the node's own features take part, by a weight of their own.",
    ),
    ArgSpec { doc: "Whether the root has a learned vector beside its weight.", ..BIAS },
    EDGE,
    super::DIRECTION,
    super::AGAINST,
];

impl Operator for Transformer {
    fn name(&self) -> &'static str {
        "transformer"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Attention by products of queries and keys, along the edges, with a gate for the node's own features.",
            formula: "h_i = Θ_rᵀ x_i + b + ‖_k Σ_{j ∈ N(i)} α_ij^k (v_j + e_ij)_k,  \
                      α_ij^k = softmax_j q_i^k · (k_j + e_ij)^k / √F_out",
            paper: "Shi et al. 2021, \"Masked Label Prediction: Unified Message Passing Model for Semi-Supervised \
                    Classification\"",
            example: "transformer(16, heads = 4) -> elu -> transformer(16, heads = 4, beta = true) -> elu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Argument("out")
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        for of_root in ["beta", "bias"] {
            if !cx.args.bool("root_weight") && cx.args.is_written(of_root) {
                return Err(findings::args::no_effect(cx, of_root, "there is no root"));
            }
        }
        attended_width(cx)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b, e) = (cx.x(), cx.args, cx.b, cx.edges());
        let heads = a.int("heads") as usize;
        let (width, head) = (&cx.output.width, head_width(a, &cx.output.width));
        let (n_in, inner) = (&cx.inputs[0].width, times(heads, &head));
        let mapped = |names| cx.linear(x, names, n_in, &inner).heads(heads, &head.size);
        let key = mapped(["key", "key_bias"]);
        let query = mapped(["query", "query_bias"]);
        let value = mapped(["value", "value_bias"]);
        let bond =
            cx.named_with_width("edge").map(|(edge, n_edge)| cx.map(edge, "edge_weight", n_edge, &inner));
        let bond = bond.map(|bond| bond.heads(heads, &head.size));
        let with_bond = |v: V<'b>| bond.map_or(v, |bond| v + bond);
        // As wide as it will be: a program of symbolic widths is read and not run.
        let scale = head.known().map_or(1.0, |width| 1.0 / (width as f64).sqrt());
        let score = e.target(query).dot(with_bond(e.source(key))).scale(scale);
        let shares = e.softmax(score).dropout(a.float("dropout"));
        let sum = e.sum_of_shares(with_bond(e.source(value)) * shares.column());
        let sum = if a.bool("concat") { sum.flat() } else { sum.fold_mean(0) };
        if !a.bool("root_weight") {
            return Some(Outcome::rows(sum));
        }
        let root = match a.bool("bias") {
            true => cx.linear(x, ["root", "bias"], n_in, width),
            false => cx.map(x, "root", n_in, width),
        };
        if !a.bool("beta") {
            return Some(Outcome::rows(root + sum));
        }
        let gate = cx.map(b.concat(&[sum, root, sum - root]), "beta", &times(3, width), &fixed(1)).sigmoid();
        Some(Outcome::rows(sum + gate * (root - sum)))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.TransformerConv",
            weights: &[
                ("lin_key.weight", "key", WeightMap::Transposed),
                ("lin_key.bias", "key_bias", WeightMap::Same),
                ("lin_query.weight", "query", WeightMap::Transposed),
                ("lin_query.bias", "query_bias", WeightMap::Same),
                ("lin_value.weight", "value", WeightMap::Transposed),
                ("lin_value.bias", "value_bias", WeightMap::Same),
                ("lin_edge.weight", "edge_weight", WeightMap::Transposed),
                ("lin_skip.weight", "root", WeightMap::Transposed),
                ("lin_skip.bias", "bias", WeightMap::Same),
                ("lin_beta.weight", "beta", WeightMap::Transposed),
            ],
            arguments: &[],
            note: "",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let own = if args.bool("root_weight") { Own::Root } else { Own::Absent };
        Action::Messages { gather: Gather::Attention, own, is_linear: false }
    }
}
