//! `gps(conv)`: a convolution beside attention to all rows of the graph.

use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::conv::{is_like_input, times};
use crate::ops::findings::{args, levels, symmetry};
use crate::ops::norm::batch_norm::batch_norm;
use crate::ops::norm::graph_norm::graph_norm;
use crate::ops::norm::instance_norm::instance_norm;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::structure::self_attention::{self, HEAD_WIDTH, HEADS, Kind, Names, attended, names};
use crate::ops::{Action, Doc, Family, InferCx, Init, Operator, Pyg, WeightMap, WidthRule, facts};
use crate::program::V;
use crate::program::composite::Composite;
use crate::types::{Entity, Type};

/// General, powerful, scalable graph transformer layer: what a convolution makes of the neighbours and what attention makes of all rows
/// of the graph, each added to the row and normalised, together through a perceptron, added again and normalised:
/// `h = norm(x + conv(x)) + norm(x + attention(x))`, `x' = norm(h + MLP(h))`, an MLP with one hidden layer of `2 F`.
///
/// Paper: Rampášek et al. 2022, "Recipe for a General, Powerful, Scalable Graph Transformer", eqs. 2 to 5.
/// PyG: `torch_geometric.nn.GPSConv`, here without padding.
///
/// # Shapes
/// - `x`: nodes, clusters or slots, `F` features; `conv`: the same rows, `F` features
/// - result: as the input
///
/// # Errors
/// `levels::needs_rows` if the value is one vector per graph, `levels::mixed_levels` and `shape::widths_differ` where `conv` leaves the
/// rows or the width, those of `self_attention` for heads, `args::no_effect` for `attention_dropout` of a performer.
#[derive(Debug)]
pub struct Gps;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "conv",
        kind: ArgKind::Pipeline { port: 1 },
        default: Default::Inferred("attention alone"),
        positional: true,
        doc: "The network that reads the neighbours, for example `gine(edge = edges)`. Where its last stage leaves its width out, it is \
              that of the input.",
    },
    ArgSpec { positional: false, ..HEADS },
    ArgSpec { name: "attention", ..self_attention::KIND },
    HEAD_WIDTH,
    ArgSpec {
        name: "norm",
        kind: ArgKind::Choice(&[
            "batch_norm",
            "layer_norm",
            "graph_layer_norm",
            "instance_norm",
            "graph_norm",
            "none",
        ]),
        default: Default::Choice("batch_norm"),
        positional: false,
        doc: "Normalisation behind each of the three sums, with the defaults of the operator of that name; `graph_layer_norm` is \
              `layer_norm(mode = graph)`.",
    },
    ArgSpec {
        name: "activation",
        kind: ArgKind::Choice(facts::ACTIVATION_WORDS),
        default: Default::Choice("relu"),
        positional: false,
        doc: "Function after the hidden layer of the perceptron.",
    },
    ArgSpec {
        name: "dropout",
        kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
        default: Default::Float(0.0),
        positional: false,
        doc: "Probability that a number of the convolution, of the attention and of both layers of the perceptron is set to zero while \
              training.",
    },
    ArgSpec {
        name: "attention_dropout",
        kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
        default: Default::Float(0.0),
        positional: false,
        doc: "Probability that a share of the attention is dropped while training.",
    },
];

static NAMES: Names = names!("attention_");

/// Weight, bias, running mean and variance, and share of the mean of a norm.
type NormNames = [&'static str; 5];

macro_rules! norm_names {
    ($($prefix:literal)*) => {
        [$([
            concat!($prefix, ".weight"),
            concat!($prefix, ".bias"),
            concat!($prefix, ".running_mean"),
            concat!($prefix, ".running_var"),
            concat!($prefix, ".mean_scale"),
        ]),*]
    };
}

static NORMS: [NormNames; 3] = norm_names!("norm1" "norm2" "norm3");

/// The defaults of the norms.
const MOMENTUM: f64 = 0.1;
const EPS: f64 = 1e-5;

fn normalised<'b>(cx: &ProgramCx<'_, 'b>, x: V<'b>, [scale, offset, mean, var, share]: NormNames) -> V<'b> {
    let width = &cx.output.width;
    let vector = |name, init| cx.b.weight(name, std::slice::from_ref(width), init);
    let affine = || [x, vector(scale, Init::Ones), vector(offset, Init::Zeros)];
    match cx.args.choice("norm") {
        "batch_norm" => batch_norm(cx, x, [scale, offset, mean, var], width, [MOMENTUM, EPS]),
        "layer_norm" => cx.b.call(Composite::RowNorm { eps: EPS }, &affine()),
        "graph_layer_norm" => cx.b.call(Composite::GraphNorm { eps: EPS }, &affine()),
        "instance_norm" => instance_norm(x, EPS),
        "graph_norm" => graph_norm(cx, x, [scale, offset, share], width, EPS),
        _ => x,
    }
}

impl Operator for Gps {
    fn name(&self) -> &'static str {
        "gps"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Graph transformer layer: a convolution beside attention to all rows of the graph, then a perceptron.",
            formula: "h = norm(x + conv(x)) + norm(x + attention(x)),  x' = norm(h + MLP(h))",
            paper: "Rampášek et al. 2022, \"Recipe for a General, Powerful, Scalable Graph Transformer\"",
            example: "linear(32) -> gps(gine(edge = edges), heads = 4) -> gps(gcn, heads = 4) -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        if cx.inputs[0].entity == Entity::Graph {
            return Err(levels::needs_rows(cx));
        }
        is_like_input(cx, "conv")?;
        self_attention::heads_fit(cx, "attention")?;
        if cx.args.choice("attention") == "performer" && cx.args.is_written("attention_dropout") {
            return Err(args::no_effect(cx, "attention_dropout", "`performer` has no shares"));
        }
        Ok(Type { symmetry: symmetry::kept(cx), ..cx.inputs[0].clone() })
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, width) = (cx.x(), cx.args, &cx.output.width);
        let p = a.float("dropout");
        let how = Kind {
            kind: a.choice("attention"),
            heads: a.int("heads") as usize,
            head_width: a.opt_int("head_width"),
            dropout: a.float("attention_dropout"),
        };
        let local = cx.named("conv").map(|h| normalised(cx, h.dropout(p) + x, NORMS[0]));
        let read = attended(cx, x, width, &how, &NAMES).dropout(p) + x;
        let read = normalised(cx, read, NORMS[1]);
        let h = local.map_or(read, |local| local + read);
        let hidden = times(2, width);
        let y = cx.linear(h, ["weight_0", "bias_0"], width, &hidden);
        let y = facts::activated(a.choice("activation"), y).dropout(p);
        let y = cx.linear(y, ["weight_1", "bias_1"], &hidden, width).dropout(p);
        Some(Outcome::rows(normalised(cx, h + y, NORMS[2])))
    }
    fn pyg(&self) -> Pyg {
        use WeightMap::{Same, Transposed};
        Pyg {
            class: "torch_geometric.nn.GPSConv",
            weights: &[
                ("attn.in_proj_weight", "attention_in_weight", Transposed),
                ("attn.in_proj_bias", "attention_in_bias", Same),
                ("attn.out_proj.weight", "attention_out_weight", Transposed),
                ("attn.out_proj.bias", "attention_out_bias", Same),
                ("attn.q.weight", "attention_query_weight", Transposed),
                ("attn.k.weight", "attention_key_weight", Transposed),
                ("attn.v.weight", "attention_value_weight", Transposed),
                ("attn.attn_out.weight", "attention_out_weight", Transposed),
                ("attn.attn_out.bias", "attention_out_bias", Same),
                ("attn.fast_attn.projection_matrix", "attention_projection", Same),
                ("mlp.0.weight", "weight_0", Transposed),
                ("mlp.0.bias", "bias_0", Same),
                ("mlp.3.weight", "weight_1", Transposed),
                ("mlp.3.bias", "bias_1", Same),
                ("norm1.weight", "norm1.weight", Same),
                ("norm1.bias", "norm1.bias", Same),
                ("norm1.mean_scale", "norm1.mean_scale", Same),
                ("norm1.module.weight", "norm1.weight", Same),
                ("norm1.module.bias", "norm1.bias", Same),
                ("norm1.module.running_mean", "norm1.running_mean", Same),
                ("norm1.module.running_var", "norm1.running_var", Same),
                ("norm2.weight", "norm2.weight", Same),
                ("norm2.bias", "norm2.bias", Same),
                ("norm2.mean_scale", "norm2.mean_scale", Same),
                ("norm2.module.weight", "norm2.weight", Same),
                ("norm2.module.bias", "norm2.bias", Same),
                ("norm2.module.running_mean", "norm2.running_mean", Same),
                ("norm2.module.running_var", "norm2.running_var", Same),
                ("norm3.weight", "norm3.weight", Same),
                ("norm3.bias", "norm3.bias", Same),
                ("norm3.mean_scale", "norm3.mean_scale", Same),
                ("norm3.module.weight", "norm3.weight", Same),
                ("norm3.module.bias", "norm3.bias", Same),
                ("norm3.module.running_mean", "norm3.running_mean", Same),
                ("norm3.module.running_var", "norm3.running_var", Same),
            ],
            arguments: &[("act", "activation"), ("attn_type", "attention"), ("head_channels", "head_width")],
            note: "`conv` is a pipeline with weights of its own. PyG's `layer_norm` is `graph_layer_norm`, its `multihead` is `softmax`; the \
                   width of a performer's heads stands in `attn_kwargs` there.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Exchange
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{codes, types};

    #[test]
    fn a_convolution_keeps_the_rows_and_their_width() {
        let of = |args: &str| codes(&format!("gcn(8) -> gps({args}) -> mean -> linear"));
        for args in ["", "gcn", "gcn(8), heads = 2", "gat(4, heads = 2) -> relu", "gine(edge = edges)"] {
            assert_eq!(of(args), [""; 0], "{args}");
        }
        let types = types("gcn(8) -> gps(linear(5) -> gcn) -> mean -> linear", None);
        assert!(types.contains(&"nodes[N, 5]".to_owned()), "{types:?}");
        assert_eq!(types[types.len() - 3], "nodes[N, 8]");
        assert_eq!(of("gcn(4)"), ["shape::widths_differ"]);
        assert_eq!(of("gcn(8) -> mean"), ["levels::mixed_levels"]);
        assert_eq!(of("gcn, heads = 3"), ["args::does_not_fit"]);
        assert_eq!(of("gcn, head_width = 4"), ["args::no_effect"]);
        assert_eq!(of("gcn, attention = performer, attention_dropout = 0.5"), ["args::no_effect"]);
        assert_eq!(codes("gcn(8) -> mean -> gps -> linear"), ["levels::needs_rows"]);
    }
}
