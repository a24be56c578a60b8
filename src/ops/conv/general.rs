//! `general(out)`: the layer of the design space of graph networks.

use super::gat::HEADS;
use super::{
    ANY_AGGREGATE, BIAS, EDGE, OUT, aggregated, convolved, fits_clusters, fixed, gather_of, times, unit_rows,
};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{
    Action, Doc, Family, Gather, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule, facts,
};
use crate::program::V;
use crate::types::{Dim, Type};

/// General layer: `h_i = x_i + mean_k aggregate_{j ∈ N(i)} α_ij^k (W x_j + W_i x_i + W_e e_ij)^k`, with a linear map of `x_i` where the
/// widths differ. Without `attention` all `α_ij` are 1; with it they are a softmax of a learned score or of a product of both ends
/// under a leaky relu.
///
/// Paper: You et al. 2020, "Design Space for Graph Neural Networks", section 3.
/// PyG: `torch_geometric.nn.GeneralConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes or clusters; `edge`: `[E, F_e]`
/// - result: `[N, F_out]`, the mean of the heads
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `shape::no_width` where `out` cannot be inferred, `args::does_not_fit` for
/// `aggregate = max` on clusters.
#[derive(Debug)]
pub struct General;

static ARGS: &[ArgSpec] = &[
    OUT,
    ANY_AGGREGATE,
    HEADS,
    ArgSpec {
        name: "attention",
        kind: ArgKind::Choice(&["none", "additive", "dot_product"]),
        default: Default::Choice("none"),
        positional: false,
        doc: "How messages are weighed before they are gathered.",
    },
    ArgSpec::flag("directed", true, "Whether messages read their source only; otherwise the target too."),
    ArgSpec::flag("skip_linear", false, "Whether `x_i` is mapped where the widths are the same too."),
    ArgSpec::flag("normalize", false, "Whether each row of the result is divided by its Euclidean length."),
    ArgSpec { doc: "Whether the linear maps have learned vectors.", ..BIAS },
    EDGE,
    super::DIRECTION,
    super::AGAINST,
];

impl Operator for General {
    fn name(&self) -> &'static str {
        "general"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "The layer of the design space of graph networks: heads, attention and aggregates to choose from, beside the node itself.",
            formula: "h_i = x_i + mean_k aggregate_{j ∈ N(i)} α_ij^k (W x_j + W_i x_i + W_e e_ij)^k",
            paper: "You et al. 2020, \"Design Space for Graph Neural Networks\"",
            example: "general(32) -> relu -> general(32, attention = additive, heads = 4) -> relu -> mean -> linear",
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
        fits_clusters(cx)?;
        convolved(cx, findings::shape::output_width(cx, "out")?)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b, e) = (cx.x(), cx.args, cx.b, cx.edges());
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let heads = a.int("heads") as usize;
        let inner = times(heads, n_out);
        let linear = |v: V<'b>, names: [&'static str; 2], from: &Dim, to: &Dim| match a.bool("bias") {
            true => cx.linear(v, names, from, to),
            false => cx.map(v, names[0], from, to),
        };
        let by_head = |v: V<'b>| v.heads(heads, &n_out.size);
        let first = by_head(linear(x, ["weight", "message_bias"], n_in, &inner));
        let second =
            (!a.bool("directed")).then(|| by_head(linear(x, ["target", "target_bias"], n_in, &inner)));
        let bond = cx.named_with_width("edge");
        let bond =
            bond.map(|(edge, n_edge)| by_head(linear(edge, ["edge_weight", "edge_bias"], n_edge, &inner)));
        let with_bond = |v: V<'b>| bond.map_or(v, |bond| v + bond);
        let message = second.map_or(e.source(first), |second| e.source(first) + e.target(second));
        let message = with_bond(message);
        let score = match a.choice("attention") {
            "additive" => {
                let init = Init::Glorot { fan_in: heads, fan_out: facts::known(n_out) };
                Some(message.dot(b.weight("attention", &[fixed(heads), n_out.clone()], init)))
            }
            "dot_product" => {
                let turned = second.map_or(e.target(first), |second| e.target(first) + e.source(second));
                let scale = n_out.known().map_or(1.0, |width| 1.0 / (width as f64).sqrt());
                Some(with_bond(turned).dot(message).scale(scale))
            }
            _ => None,
        };
        let message = score.map_or(message, |score| message * e.softmax(score.leaky_relu(0.2)).column());
        let gathered = aggregated(a, e, message).fold_mean(0);
        let own = match n_in.size == n_out.size && !a.bool("skip_linear") {
            true => x,
            false => linear(x, ["root", "bias"], n_in, n_out),
        };
        let y = gathered + own;
        Some(Outcome::rows(if a.bool("normalize") { unit_rows(y) } else { y }))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.GeneralConv",
            weights: &[
                ("lin_msg.weight", "weight", WeightMap::Transposed),
                ("lin_msg.bias", "message_bias", WeightMap::Same),
                ("lin_msg_i.weight", "target", WeightMap::Transposed),
                ("lin_msg_i.bias", "target_bias", WeightMap::Same),
                ("lin_edge.weight", "edge_weight", WeightMap::Transposed),
                ("lin_edge.bias", "edge_bias", WeightMap::Same),
                ("att_msg", "attention", WeightMap::Reshaped),
                ("lin_self.weight", "root", WeightMap::Transposed),
                ("lin_self.bias", "bias", WeightMap::Same),
            ],
            arguments: &[
                ("directed_msg", "directed"),
                ("attention_type", "attention"),
                ("l2_normalize", "normalize"),
            ],
            note: "PyG's `attention = True` and its `attention_type` are one argument here.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let gather = if args.choice("attention") == "none" { gather_of(args) } else { Gather::Attention };
        Action::Messages { gather, own: Own::Root, is_linear: false }
    }
}
