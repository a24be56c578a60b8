//! `res_gated(out)`: messages through gates.

use super::{BIAS, EDGE, OUT, convolved, linear_of};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule};

use crate::types::Type;

/// Residual gated graph convolution: `h_i = W_rᵀ x_i + b + Σ_{j ∈ N(i)} σ(k_i + q_j) ⊙ v_j`, with key, query and value
/// linear maps with biases of the node, of the neighbour and of the neighbour; with features of the edges, of these beside.
///
/// Paper: Bresson and Laurent 2017, "Residual Gated Graph ConvNets", eq. 10.
/// PyG: `torch_geometric.nn.ResGatedGraphConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes or clusters; `edge`: `[E, F_e]`
/// - result: `[N, F_out]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `shape::no_width` where `out` cannot be inferred.
#[derive(Debug)]
pub struct ResGated;

static ARGS: &[ArgSpec] = &[
    OUT,
    ArgSpec {
        name: "gate",
        kind: ArgKind::Choice(&["sigmoid", "tanh"]),
        default: Default::Choice("sigmoid"),
        positional: false,
        doc: "The function of the gates, `σ`.",
    },
    ArgSpec::flag("root_weight", true, "Whether a linear map of the node's own features is added."),
    BIAS,
    EDGE,
    super::DIRECTION,
    super::AGAINST,
];

impl Operator for ResGated {
    fn name(&self) -> &'static str {
        "res_gated"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Messages through gates that node and neighbour make together, beside the node itself.",
            formula: "h_i = W_rᵀ x_i + b + Σ_{j ∈ N(i)} σ(k_i + q_j) ⊙ v_j",
            paper: "Bresson and Laurent 2017, \"Residual Gated Graph ConvNets\"",
            example: "res_gated(64) -> relu -> res_gated(64) -> relu -> mean -> linear",
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
        convolved(cx, findings::shape::output_width(cx, "out")?)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b, e) = (cx.x(), cx.args, cx.b, cx.edges());
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let edge = cx.named_with_width("edge");
        let mapped = |[weight, bias]: [&'static str; 2], is_target: bool| {
            let end = if is_target { e.target(x) } else { e.source(x) };
            let parts: Vec<_> = [(end, n_in)].into_iter().chain(edge).collect();
            linear_of(cx, &parts, [weight, bias], n_out)
        };
        let key = mapped(["key", "key_bias"], true);
        let query = mapped(["query", "query_bias"], false);
        let value = mapped(["value", "value_bias"], false);
        let gate = match a.choice("gate") {
            "tanh" => (key + query).tanh(),
            _ => (key + query).sigmoid(),
        };
        let sum = e.sum(gate * value);
        let sum = match a.bool("root_weight") {
            true => sum + cx.map(x, "root", n_in, n_out),
            false => sum,
        };
        Some(Outcome::rows(match a.bool("bias") {
            true => sum + b.weight("bias", std::slice::from_ref(n_out), Init::Zeros),
            false => sum,
        }))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.ResGatedGraphConv",
            weights: &[
                ("lin_key.weight", "key", WeightMap::Transposed),
                ("lin_key.bias", "key_bias", WeightMap::Same),
                ("lin_query.weight", "query", WeightMap::Transposed),
                ("lin_query.bias", "query_bias", WeightMap::Same),
                ("lin_value.weight", "value", WeightMap::Transposed),
                ("lin_value.bias", "value_bias", WeightMap::Same),
                ("lin_skip.weight", "root", WeightMap::Transposed),
                ("bias", "bias", WeightMap::Same),
            ],
            arguments: &[("act", "gate")],
            note: "",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let own = if args.bool("root_weight") { Own::Root } else { Own::Absent };
        Action::Messages { gather: Gather::Sum, own, is_linear: false }
    }
}
