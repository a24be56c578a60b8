//! `gen(out)`: generalised aggregation for deep networks.

use super::gin::MLP_WEIGHTS;
use super::{BIAS, EDGE, OUT, aggregated, convolved, fixed, refuse_of_clusters, times, unit_rows};
use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::norm::batch_norm::batch_norm;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule};
use crate::program::V;
use crate::program::composite::Composite;
use crate::types::{Dim, Type};

/// Generalised graph convolution: `h_i = MLP(x_i + AGG_{j ∈ N(i)} (ReLU(x_j + e_ij) + ε))`, where `AGG` is a softmax,
/// `Σ_j softmax_j(t m_j) m_j` in each feature, or a power mean, `(Σ_j m_j^p / d_i)^(1/p)`, or a plain sum, mean or maximum. Where
/// the widths differ, `x` and `e` are linear maps of what comes in first. `message_norm` gives what was gathered the length of
/// `x_i`.
///
/// Paper: Li et al. 2020, "DeeperGCN: All You Need to Train Deeper GCNs", eqs. 2 to 6.
/// PyG: `torch_geometric.nn.GENConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes or clusters; `edge`: `[E, F_e]`
/// - result: `[N, F_out]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `shape::no_width` where `out` cannot be inferred, `args::does_not_fit` for
/// `aggregate = max` on clusters, `args::no_effect` for what only another `aggregate` or a deeper MLP reads.
#[derive(Debug)]
pub struct Gen;

const T: ArgSpec = ArgSpec {
    name: "t",
    kind: ArgKind::Float(Range::closed(-1e3, 1e3)),
    default: Default::Float(1.0),
    positional: false,
    doc: "What messages are multiplied by under the softmax, an inverse temperature.",
};

static ARGS: &[ArgSpec] = &[
    OUT,
    ArgSpec {
        name: "aggregate",
        kind: ArgKind::Choice(&["softmax_sum", "power_mean", "mean", "sum", "max"]),
        default: Default::Choice("softmax_sum"),
        positional: false,
        doc: "How the messages of a node are gathered; `max` works on nodes only.",
    },
    T,
    ArgSpec::flag("learn_t", false, "Whether `t` is learned, beginning with the number given."),
    ArgSpec::flag("semi_grad", false, "Whether no gradient goes through the shares of the softmax."),
    ArgSpec {
        name: "p",
        kind: ArgKind::Float(Range::closed(1e-3, 1e3)),
        default: Default::Float(1.0),
        positional: false,
        doc: "The power of the power mean. Numbers are brought into [0.0001, 100] before it and before the root.",
    },
    ArgSpec::flag("learn_p", false, "Whether `p` is learned, beginning with the number given."),
    ArgSpec::flag(
        "message_norm",
        false,
        "Whether what was gathered gets the length of the node's own features.",
    ),
    ArgSpec::flag("learn_scale", false, "Whether `message_norm` has a learned factor, beginning with 1."),
    ArgSpec {
        name: "norm",
        kind: ArgKind::Choice(&["batch", "layer", "none"]),
        default: Default::Choice("batch"),
        positional: false,
        doc: "The norm between the layers of the MLP.",
    },
    ArgSpec {
        name: "layers",
        kind: ArgKind::Int { min: 1, max: NORMS.len() as i64 + 1 },
        default: Default::Int(2),
        positional: false,
        doc: "Number of linear layers of the MLP.",
    },
    ArgSpec {
        name: "expansion",
        kind: ArgKind::Int { min: 1, max: 64 },
        default: Default::Int(2),
        positional: false,
        doc: "How many times wider than the result the hidden layers of the MLP are.",
    },
    ArgSpec {
        name: "eps",
        kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
        default: Default::Float(1e-7),
        positional: false,
        doc: "Added to each message, ε.",
    },
    ArgSpec { default: Default::Bool(false), doc: "Whether the linear layers have learned vectors.", ..BIAS },
    EDGE,
    super::DIRECTION,
    super::AGAINST,
];

/// Of the norm behind each layer of the MLP: weight, bias, running mean and variance.
const NORMS: &[[&str; 4]] = &[
    ["norm_weight_0", "norm_bias_0", "running_mean_0", "running_var_0"],
    ["norm_weight_1", "norm_bias_1", "running_mean_1", "running_var_1"],
    ["norm_weight_2", "norm_bias_2", "running_mean_2", "running_var_2"],
    ["norm_weight_3", "norm_bias_3", "running_mean_3", "running_var_3"],
];

/// Messages gathered by a power mean: `(Σ m^p / d)^(1/p)`, of numbers in [0.0001, 100].
fn power_mean<'b>(cx: &ProgramCx<'_, 'b>, message: V<'b>) -> V<'b> {
    let (a, e) = (cx.args, cx.edges());
    let inside = |v: V<'b>| v.at_least(1e-4).at_most(100.0);
    let p = a.float("p");
    if !a.bool("learn_p") {
        // The first power is a mean, and nothing is brought into a range.
        return if p == 1.0 {
            e.mean(message)
        } else {
            inside(e.mean(inside(message).power(p))).power(1.0 / p)
        };
    }
    let p = cx.b.weight("p", &[fixed(1)], Init::Constant(p));
    let mean = e.mean((inside(message).ln() * p).exp());
    (inside(mean).ln() / p).exp()
}

impl Operator for Gen {
    fn name(&self) -> &'static str {
        "gen"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Deep graph convolution: positive messages gathered by a softmax or a power mean, then an MLP.",
            formula: "h_i = MLP(x_i + AGG_{j ∈ N(i)} (ReLU(x_j + e_ij) + ε)),  AGG = Σ_j softmax_j(t m_j) m_j or (Σ_j m_j^p / d_i)^(1/p)",
            paper: "Li et al. 2020, \"DeeperGCN: All You Need to Train Deeper GCNs\"",
            example: "gen(32) -> relu -> gen(32, aggregate = power_mean, p = 2) -> relu -> mean -> linear",
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
        refuse_of_clusters(cx, &["max"])?;
        let (args, aggregate) = (cx.args, cx.args.choice("aggregate"));
        for (name, of) in [
            ("t", "softmax_sum"),
            ("learn_t", "softmax_sum"),
            ("semi_grad", "softmax_sum"),
            ("p", "power_mean"),
            ("learn_p", "power_mean"),
        ] {
            if args.is_written(name) && aggregate != of {
                return Err(findings::args::no_effect(
                    cx,
                    name,
                    &format!("only `aggregate = {of}` reads it"),
                ));
            }
        }
        if args.is_written("learn_scale") && !args.bool("message_norm") {
            return Err(findings::args::no_effect(cx, "learn_scale", "`message_norm` is not set"));
        }
        for name in ["norm", "expansion"] {
            if args.is_written(name) && args.int("layers") == 1 {
                return Err(findings::args::no_effect(
                    cx,
                    name,
                    "an MLP of one layer has nothing between its layers",
                ));
            }
        }
        convolved(cx, findings::shape::output_width(cx, "out")?)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b, e) = (cx.x(), cx.args, cx.b, cx.edges());
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let linear = |v: V<'b>, names: [&'static str; 2], from: &Dim, to: &Dim| match a.bool("bias") {
            true => cx.linear(v, names, from, to),
            false => cx.map(v, names[0], from, to),
        };
        let is_mapped = n_in.size != n_out.size;
        let source = if is_mapped { linear(x, ["source", "source_bias"], n_in, n_out) } else { x };
        let bond = cx.named_with_width("edge").map(|(edge, n_edge)| match n_edge.size == n_out.size {
            true => edge,
            false => linear(edge, ["edge_weight", "edge_bias"], n_edge, n_out),
        });
        let message =
            bond.map_or(e.source(source), |bond| e.source(source) + bond).relu().offset(a.float("eps"));
        let gathered = match a.choice("aggregate") {
            "softmax_sum" => {
                let score = match a.bool("learn_t") {
                    true => message * b.weight("t", &[fixed(1)], Init::Constant(a.float("t"))),
                    false => message.scale(a.float("t")),
                };
                let shares = e.softmax(score);
                e.sum_of_shares(message * if a.bool("semi_grad") { shares.stop() } else { shares })
            }
            "power_mean" => power_mean(cx, message),
            _ => aggregated(a, e, message),
        };
        let gathered = match a.bool("message_norm") {
            true => {
                let length = x.square().fold_sum(0).at_least(1e-24).sqrt();
                let y = unit_rows(gathered).mul_rows(length);
                if a.bool("learn_scale") { y * b.weight("message_scale", &[fixed(1)], Init::Ones) } else { y }
            }
            false => gathered,
        };
        let target = if is_mapped { linear(x, ["target", "target_bias"], n_in, n_out) } else { x };
        let mut y = gathered + target;
        let (layers, hidden) = (a.int("layers") as usize, times(a.int("expansion") as usize, n_out));
        for layer in 0..layers {
            let from = if layer == 0 { n_out } else { &hidden };
            let to = if layer + 1 == layers { n_out } else { &hidden };
            y = linear(y, MLP_WEIGHTS[layer], from, to);
            if layer + 1 == layers {
                break;
            }
            let names = NORMS[layer];
            let vector = |name, init| b.weight(name, std::slice::from_ref(to), init);
            y = match a.choice("norm") {
                "batch" => batch_norm(cx, y, names, to, [0.1, 1e-5]),
                "layer" => b.call(
                    Composite::RowNorm { eps: 1e-5 },
                    &[y, vector(names[0], Init::Ones), vector(names[1], Init::Zeros)],
                ),
                _ => y,
            };
            y = y.relu();
        }
        Some(Outcome::rows(y))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.GENConv",
            weights: &[
                ("aggr_module.t", "t", WeightMap::Same),
                ("aggr_module.p", "p", WeightMap::Same),
                ("lin_src.weight", "source", WeightMap::Transposed),
                ("lin_src.bias", "source_bias", WeightMap::Same),
                ("lin_edge.weight", "edge_weight", WeightMap::Transposed),
                ("lin_edge.bias", "edge_bias", WeightMap::Same),
                ("lin_dst.weight", "target", WeightMap::Transposed),
                ("lin_dst.bias", "target_bias", WeightMap::Same),
                ("msg_norm.scale", "message_scale", WeightMap::Same),
                ("mlp.0.weight", "weight_0", WeightMap::Transposed),
                ("mlp.0.bias", "bias_0", WeightMap::Same),
                ("mlp.1.weight", "norm_weight_0", WeightMap::Same),
                ("mlp.1.bias", "norm_bias_0", WeightMap::Same),
                ("mlp.1.running_mean", "running_mean_0", WeightMap::Same),
                ("mlp.1.running_var", "running_var_0", WeightMap::Same),
                ("mlp.4.weight", "weight_1", WeightMap::Transposed),
                ("mlp.4.bias", "bias_1", WeightMap::Same),
                ("mlp.5.weight", "norm_weight_1", WeightMap::Same),
                ("mlp.5.bias", "norm_bias_1", WeightMap::Same),
                ("mlp.5.running_mean", "running_mean_1", WeightMap::Same),
                ("mlp.5.running_var", "running_var_1", WeightMap::Same),
                ("mlp.8.weight", "weight_2", WeightMap::Transposed),
                ("mlp.8.bias", "bias_2", WeightMap::Same),
                ("mlp.9.weight", "norm_weight_2", WeightMap::Same),
                ("mlp.9.bias", "norm_bias_2", WeightMap::Same),
                ("mlp.9.running_mean", "running_mean_2", WeightMap::Same),
                ("mlp.9.running_var", "running_var_2", WeightMap::Same),
                ("mlp.12.weight", "weight_3", WeightMap::Transposed),
                ("mlp.12.bias", "bias_3", WeightMap::Same),
                ("mlp.13.weight", "norm_weight_3", WeightMap::Same),
                ("mlp.13.bias", "norm_bias_3", WeightMap::Same),
                ("mlp.13.running_mean", "running_mean_3", WeightMap::Same),
                ("mlp.13.running_var", "running_var_3", WeightMap::Same),
                ("mlp.16.weight", "weight_4", WeightMap::Transposed),
                ("mlp.16.bias", "bias_4", WeightMap::Same),
            ],
            arguments: &[
                ("num_layers", "layers"),
                ("msg_norm", "message_norm"),
                ("learn_msg_scale", "learn_scale"),
            ],
            note: "PyG's `aggr = 'softmax_sg'` is `semi_grad` here. It also has an instance norm between the layers of the MLP.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let gather = match args.choice("aggregate") {
            "softmax_sum" => Gather::Attention,
            "sum" => Gather::Sum,
            "max" => Gather::Max,
            _ => Gather::Mean,
        };
        Action::Messages { gather, own: Own::Root, is_linear: false }
    }
}

#[cfg(test)]
mod tests {

    use crate::ops::testing::codes;

    #[test]
    fn what_another_aggregate_reads_is_refused() {
        let codes = |inside: &str| codes(&format!("gen(8{inside}) -> sum -> linear"));
        assert_eq!(codes(", aggregate = power_mean, p = 2.0"), [""; 0]);
        assert_eq!(codes(", p = 2.0"), ["args::no_effect"]);
        assert_eq!(codes(", aggregate = mean, t = 0.5"), ["args::no_effect"]);
        assert_eq!(codes(", learn_scale = true"), ["args::no_effect"]);
        assert_eq!(codes(", layers = 1, norm = layer"), ["args::no_effect"]);
    }
}
