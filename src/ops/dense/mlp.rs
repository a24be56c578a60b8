//! `mlp(out)`: dense layers with an activation between them.

use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::findings::{args, shape, symmetry};
use crate::ops::norm::batch_norm::batch_norm;
use crate::ops::norm::graph_norm::graph_norm;
use crate::ops::norm::instance_norm::instance_norm;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, FactCx, Family, InferCx, Init, Operator, Pyg, WeightMap, WidthRule, facts};
use crate::program::composite::Composite;
use crate::types::{Dim, Entity, Size, Type};

/// Several dense layers on each row, with an activation, and where asked for a norm and dropout, after each but the last, or with
/// `plain_last = false` after the last too: `W_n σ(… σ(W_1 x + b_1) …) + b_n`.
///
/// PyG: `torch_geometric.nn.MLP`.
///
/// # Shapes
/// - `x`: any rows, `F_in` features
/// - result: those rows, `out` features
///
/// # Errors
/// `shape::no_width` if `out` is left out where neither the task nor a pooling asks for a width;
/// `args::no_effect` if an activation, dropout or norm is given and no layer has one; `args::does_not_fit` for a norm over the rows
/// of a graph on vectors of graphs.
#[derive(Debug)]
pub struct Mlp;

/// Maximum number of hidden layers. A network deeper than that is written with `repeat`.
const MAX_HIDDEN: usize = 8;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "out",
        kind: ArgKind::Int { min: 1, max: 1 << 20 },
        default: Default::Inferred(
            "inferred from the task, or from the clusters of the pooling that it assigns nodes to",
        ),
        positional: true,
        doc: "Number of features of the result.",
    },
    ArgSpec {
        name: "hidden",
        kind: ArgKind::IntList { min: 1, max: 1 << 20, max_len: MAX_HIDDEN },
        default: Default::Inferred("one hidden layer as wide as the input"),
        positional: false,
        doc: "Widths of the hidden layers, first to last; `[]` for none.",
    },
    ArgSpec {
        name: "activation",
        kind: ArgKind::Choice(facts::ACTIVATION_WORDS),
        default: Default::Choice("relu"),
        positional: false,
        doc: "Function after each hidden layer.",
    },
    ArgSpec {
        name: "dropout",
        kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
        default: Default::Float(0.0),
        positional: false,
        doc: "Probability that a number after a hidden layer is set to zero while training.",
    },
    ArgSpec {
        name: "norm",
        kind: ArgKind::Choice(&["none", "batch_norm", "layer_norm", "instance_norm", "graph_norm"]),
        default: Default::Choice("none"),
        positional: false,
        doc: "Normalisation between each hidden layer and its activation, with the defaults of the operator of that name.",
    },
    ArgSpec::flag(
        "plain_last",
        true,
        "Whether the last layer stands alone; otherwise norm, activation and dropout follow it too.",
    ),
];

/// Names of the weights of layer `i`.
struct LayerNames {
    weight: &'static str,
    bias: &'static str,
    /// Of the norm behind it: weight, bias, running mean and variance.
    norm: [&'static str; 4],
    /// Of graph norm: the share of the mean.
    mean_scale: &'static str,
}

macro_rules! layer_names {
    ($($idx:literal)*) => {
        [$(LayerNames {
            weight: concat!("layer", $idx, ".weight"),
            bias: concat!("layer", $idx, ".bias"),
            norm: [
                concat!("norm", $idx, ".weight"),
                concat!("norm", $idx, ".bias"),
                concat!("norm", $idx, ".running_mean"),
                concat!("norm", $idx, ".running_var"),
            ],
            mean_scale: concat!("norm", $idx, ".mean_scale"),
        }),*]
    };
}

static NAMES: [LayerNames; MAX_HIDDEN + 1] = layer_names!(0 1 2 3 4 5 6 7 8);

/// The defaults of `torch.nn.BatchNorm1d`.
const MOMENTUM: f64 = 0.1;
const EPS: f64 = 1e-5;

/// Widths from the input to the result.
fn widths(cx: &FactCx) -> Vec<Dim> {
    let input = &cx.inputs[0].width;
    let mut widths = vec![input.clone()];
    match cx.args.int_list("hidden") {
        Some(hidden) => {
            let span = cx.args.get("hidden").and_then(|arg| arg.span);
            widths.extend(
                hidden
                    .iter()
                    .map(|&n| Dim::new(Size::Known(n as usize), span, format!("the {n} comes from here"))),
            );
        }
        None => widths.push(input.clone()),
    }
    widths.push(cx.output.width.clone());
    widths
}

impl Operator for Mlp {
    fn name(&self) -> &'static str {
        "mlp"
    }
    fn family(&self) -> Family {
        Family::Dense
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Several dense layers with an activation between them.",
            formula: "W_n σ(… σ(W_1 x + b_1) …) + b_n",
            paper: "",
            example: "gcn(32) -> relu -> mean -> mlp(hidden = [16], dropout = 0.5)",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Argument("out")
    }

    fn infer(&self, cx: &InferCx) -> std::result::Result<Type, Diagnostic> {
        let has_hidden = !cx.args.int_list("hidden").is_some_and(<[i64]>::is_empty);
        if !has_hidden && cx.args.bool("plain_last") {
            let written = ["activation", "dropout", "norm"].into_iter().find(|arg| cx.args.is_written(arg));
            if let Some(arg) = written {
                return Err(args::no_effect(cx, arg, "there is no hidden layer"));
            }
        }
        let norm = cx.args.choice("norm");
        if ["instance_norm", "graph_norm"].contains(&norm) && cx.inputs[0].entity == Entity::Graph {
            let message = format!(
                "`norm = {norm}` normalises over the rows of a graph, but `mlp` gets {}",
                cx.inputs[0]
            );
            return Err(args::does_not_fit(
                cx,
                "norm",
                &message,
                "write `norm = layer_norm` or `norm = batch_norm`",
            ));
        }
        let width = shape::output_width(cx, "out")?;
        Ok(Type { width, symmetry: symmetry::kept(cx), ..cx.inputs[0].clone() })
    }

    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (b, a) = (cx.b, cx.args);
        let facts = FactCx { args: a, inputs: cx.inputs, output: cx.output };
        let widths = widths(&facts);
        let (norm, p, inner) = (a.choice("norm"), a.float("dropout"), a.choice("activation"));
        let mut x = cx.x();
        for (layer, pair) in widths.windows(2).enumerate() {
            let names = &NAMES[layer];
            let [w, bias] = cx.dense_weights([names.weight, names.bias], [&pair[0], &pair[1]]);
            x = cx.affine(x, w, Some(bias));
            if layer + 2 == widths.len() && a.bool("plain_last") {
                break;
            }
            let [scale, offset, ..] = names.norm;
            let vector = |name, init| b.weight(name, std::slice::from_ref(&pair[1]), init);
            x = match norm {
                "batch_norm" => batch_norm(cx, x, names.norm, &pair[1], [MOMENTUM, EPS]),
                "layer_norm" => {
                    let args = [x, vector(scale, Init::Ones), vector(offset, Init::Zeros)];
                    b.call(Composite::RowNorm { eps: EPS }, &args)
                }
                "graph_norm" => graph_norm(cx, x, [scale, offset, names.mean_scale], &pair[1], EPS),
                "instance_norm" => instance_norm(x, EPS),
                _ => x,
            };
            x = facts::activated(inner, x);
            if p > 0.0 {
                x = b.call(Composite::Dropout { p, place: layer }, &[x]);
            }
        }
        Some(Outcome::rows(x))
    }
    fn pyg(&self) -> Pyg {
        use WeightMap::{Same, Transposed};
        Pyg {
            class: "torch_geometric.nn.MLP",
            weights: &[
                ("lins.0.weight", "layer0.weight", Transposed),
                ("lins.0.bias", "layer0.bias", Same),
                ("norms.0.module.weight", "norm0.weight", Same),
                ("norms.0.module.bias", "norm0.bias", Same),
                ("norms.0.module.running_mean", "norm0.running_mean", Same),
                ("norms.0.module.running_var", "norm0.running_var", Same),
                ("lins.1.weight", "layer1.weight", Transposed),
                ("lins.1.bias", "layer1.bias", Same),
            ],
            arguments: &[],
            note: "`norm = none` is PyG's `norm=None`; PyG's own default is batch norm, and its `layer_norm` normalises a graph as \
                   one; further layers follow the pattern",
        }
    }

    fn action(&self, args: &Args) -> Action {
        let is_plain = args.choice("activation") == "none" && args.choice("norm") == "none";
        let is_one = args.int_list("hidden").is_some_and(<[i64]>::is_empty) && args.bool("plain_last");
        let is_affine = is_plain || is_one;
        Action::Dense { is_affine, has_batch_norm: args.choice("norm") == "batch_norm" }
    }
}
