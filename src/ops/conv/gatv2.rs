//! `gatv2(out)`: graph attention with a score that depends on both ends at once.

use super::gat::{HEADS, attended_width, head_width};
use super::{BIAS, EDGE, OUT, fixed, glorot, times};
use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{
    Action, Doc, Family, Gather, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule, facts,
};
use crate::program::V;
use crate::types::Type;

/// Graph attention, second version: `h_i = ‖_k Σ_{j ∈ N(i) ∪ {i}} α_ij^k (Θ_sᵀ x_j)_k + b`, where `α_ij^k` is the softmax over
/// the neighbours `j` of `i` of `a^k · LeakyReLU(Θ_sᵀ x_j + Θ_tᵀ x_i + Θ_eᵀ e_ij)_k`. A node's loop has the mean features of
/// the edges that lead to it.
///
/// Paper: Brody et al. 2022, "How Attentive are Graph Attention Networks?", eq. 7.
/// PyG: `torch_geometric.nn.GATv2Conv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes or clusters; `edge`: `[E, F_e]`
/// - result: `[N, heads · F_out]`, head by head, or `[N, F_out]`, their mean, with `concat = false`
///
/// # Errors
/// Those of `gat`.
#[derive(Debug)]
pub struct GatV2;

static ARGS: &[ArgSpec] = &[
    ArgSpec { doc: "Width of each head's result, `F_out`, as in PyG.", ..OUT },
    HEADS,
    super::gat::CONCAT,
    super::gat::SLOPE,
    super::gat::SELF_LOOPS,
    super::gat::DROPOUT,
    ArgSpec::flag("share_weights", false, "Whether `Θ_t` is `Θ_s`."),
    ArgSpec::flag("residual", false, "Whether a linear map of the node's own features is added."),
    BIAS,
    EDGE,
    super::gat::FILL,
    super::gat::FILL_VALUE,
    super::DIRECTION,
    super::AGAINST,
];

impl Operator for GatV2 {
    fn name(&self) -> &'static str {
        "gatv2"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Graph attention whose ranking of the neighbours depends on the node that attends.",
            formula: "h_i = ‖_k Σ_{j ∈ N(i) ∪ {i}} α_ij^k (Θ_sᵀ x_j)_k + b,  \
                      α_ij^k = softmax_j a^k · LeakyReLU(Θ_sᵀ x_j + Θ_tᵀ x_i + Θ_eᵀ e_ij)_k",
            paper: "Brody et al. 2022, \"How Attentive are Graph Attention Networks?\"",
            example: "gatv2(16, heads = 4) -> elu -> gatv2(16, heads = 4) -> elu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Argument("out")
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        super::gat::loops_have_features(cx)?;
        attended_width(cx)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b) = (cx.x(), cx.args, cx.b);
        let heads = a.int("heads") as usize;
        let head = head_width(a, &cx.output.width);
        let (n_in, inner) = (&cx.inputs[0].width, times(heads, &head));
        let with_bias = |v: V<'b>, name| match a.bool("bias") {
            true => v + b.weight(name, std::slice::from_ref(&inner), Init::Zeros),
            false => v,
        };
        let both = [n_in.clone(), inner.clone()];
        let source = with_bias(x.linear(b.weight("source", &both, glorot(n_in, &inner))), "source_bias");
        let target = match a.bool("share_weights") {
            true => source,
            false => with_bias(x.linear(b.weight("target", &both, glorot(n_in, &inner))), "target_bias"),
        };
        let edge = cx.named_with_width("edge").map(|(edge, n_edge)| {
            (edge, n_edge, b.weight("edge_weight", &[n_edge.clone(), inner.clone()], glorot(n_edge, &inner)))
        });
        let attention = Init::Glorot { fan_in: heads, fan_out: facts::known(&head) };
        let attention = b.weight("attention", &[fixed(heads), head.clone()], attention);
        let score =
            |v: V<'b>| v.heads(heads, &head.size).leaky_relu(a.float("negative_slope")).dot(attention);
        let (p, h) = (a.float("dropout"), source.heads(heads, &head.size));
        let y = if a.bool("self_loops") {
            let e = cx.edges_without_loops();
            let mut pair = e.source(source) + e.target(target);
            let mut own = source + target;
            if let Some((edge, n_edge, w)) = edge {
                pair = pair + edge.linear(w);
                own = own + super::gat::of_loops(cx, e, (edge, n_edge)).linear(w);
            }
            let (shares, own) = e.softmax_beside(score(pair), score(own));
            e.sum_of_shares(e.source(h) * shares.dropout(p).column()) + h * own.dropout(p).column()
        } else {
            let e = cx.edges();
            let mut pair = e.source(source) + e.target(target);
            if let Some((edge, _, w)) = edge {
                pair = pair + edge.linear(w);
            }
            let shares = e.softmax(score(pair));
            e.sum_of_shares(e.source(h) * shares.dropout(p).column())
        };
        let y = if a.bool("concat") { y.flat() } else { y.fold_mean(0) };
        let width = &cx.output.width;
        let y = match a.bool("residual") {
            true => y + x.linear(b.weight("residual", &[n_in.clone(), width.clone()], glorot(n_in, width))),
            false => y,
        };
        Some(Outcome::rows(match a.bool("bias") {
            true => y + b.weight("bias", std::slice::from_ref(width), Init::Zeros),
            false => y,
        }))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.GATv2Conv",
            weights: &[
                ("lin_l.weight", "source", WeightMap::Transposed),
                ("lin_l.bias", "source_bias", WeightMap::Same),
                ("lin_r.weight", "target", WeightMap::Transposed),
                ("lin_r.bias", "target_bias", WeightMap::Same),
                ("lin_edge.weight", "edge_weight", WeightMap::Transposed),
                ("att", "attention", WeightMap::Reshaped),
                ("res.weight", "residual", WeightMap::Transposed),
                ("bias", "bias", WeightMap::Same),
            ],
            arguments: &[],
            note: "PyG's `fill_value` is a word, `fill` here, or a number.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let own = if args.bool("self_loops") { Own::SelfLoop } else { Own::Absent };
        Action::Messages { gather: Gather::Attention, own, is_linear: false }
    }
}
