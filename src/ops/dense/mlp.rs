//! `mlp(out)`: dense layers with an activation between them.

use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::check::{args, shape, symmetry};
use crate::diagnostic::Diagnostic;
use crate::ir::{Dim, Size, Type};
use crate::kernels::{self, Activation};
use crate::lower::{LowerCx, Module, map_rows};
use crate::ops::{
    Action, Doc, FactCx, Family, InferCx, Init, Operator, Ports, Pyg, WeightMap, WeightSpec, WidthRule,
    facts,
    trace::{self, Trace},
};
use candle_core::{Result, Tensor, Var};

/// Several dense layers on each row, with an activation, and where asked for batch norm and dropout,
/// after each but the last: `W_n σ(… σ(W_1 x + b_1) …) + b_n`.
///
/// PyG: `torch_geometric.nn.MLP` with `plain_last=True`.
///
/// # Shapes
/// - `x`: any rows, `F_in` features
/// - result: those rows, `out` features
///
/// # Errors
/// `shape::no_width` if `out` is left out where neither the task nor a pooling asks for a width;
/// `args::no_effect` if an activation, dropout or norm is given and there is no hidden layer.
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
        kind: ArgKind::Choice(&["none", "batch_norm"]),
        default: Default::Choice("none"),
        positional: false,
        doc: "Normalisation between each hidden layer and its activation.",
    },
];

/// Names of the weights of layer `i`.
struct LayerNames {
    weight: &'static str,
    bias: &'static str,
    norm_weight: &'static str,
    norm_bias: &'static str,
    running_mean: &'static str,
    running_var: &'static str,
}

macro_rules! layer_names {
    ($($idx:literal)*) => {
        [$(LayerNames {
            weight: concat!("layer", $idx, ".weight"),
            bias: concat!("layer", $idx, ".bias"),
            norm_weight: concat!("norm", $idx, ".weight"),
            norm_bias: concat!("norm", $idx, ".bias"),
            running_mean: concat!("norm", $idx, ".running_mean"),
            running_var: concat!("norm", $idx, ".running_var"),
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
    fn ports(&self) -> Ports {
        Ports::One
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Argument("out")
    }

    fn infer(&self, cx: &InferCx) -> std::result::Result<Type, Diagnostic> {
        if cx.args.int_list("hidden").is_some_and(<[i64]>::is_empty) {
            let written = ["activation", "dropout", "norm"].into_iter().find(|arg| cx.args.is_written(arg));
            if let Some(arg) = written {
                return Err(args::no_effect(cx, arg, "there is no hidden layer"));
            }
        }
        let width = shape::output_width(cx, "out")?;
        Ok(Type { width, symmetry: symmetry::kept(cx), ..cx.inputs[0].clone() })
    }

    fn weights(&self, cx: &FactCx) -> Vec<WeightSpec> {
        let widths = widths(cx);
        let n_layers = widths.len() - 1;
        let has_norm = cx.args.choice("norm") == "batch_norm";
        let mut weights = Vec::new();
        for (layer, names) in NAMES.iter().enumerate().take(n_layers) {
            let (from, to) = (&widths[layer], &widths[layer + 1]);
            weights.extend(facts::dense_weights(names.weight, Some(names.bias), from, to));
            if has_norm && layer + 1 < n_layers {
                let vector =
                    |name, init, is_trained| WeightSpec { name, shape: vec![to.clone()], init, is_trained };
                weights.push(vector(names.norm_weight, Init::Ones, true));
                weights.push(vector(names.norm_bias, Init::Zeros, true));
                weights.push(vector(names.running_mean, Init::Zeros, false));
                weights.push(vector(names.running_var, Init::Ones, false));
            }
        }
        weights
    }

    fn trace(&self, cx: &FactCx, inputs: &[trace::Value], step: &mut Trace) -> trace::Value {
        let widths: Vec<f64> = widths(cx).iter().map(|width| facts::known(width) as f64).collect();
        let (drops, has_norm) = (cx.args.float("dropout") > 0.0, cx.args.choice("norm") == "batch_norm");
        let (inner, last) = (facts::activation_of(cx.args.choice("activation")), step.activation);
        let mut x = inputs[0].x;
        let (&output, hidden) = widths[1..].split_last().expect("an mlp has a result");
        for &width in hidden {
            if has_norm {
                x = step.linear(x, width, true, Activation::Identity);
                x = step.batch_norm(x, inner);
            } else {
                x = step.linear(x, width, true, inner);
            }
            if drops {
                x = step.dropout(x);
            }
        }
        inputs[0].with(step.linear(x, output, true, last))
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
            note: "`norm = none` is PyG's `norm=None`; PyG's own default is batch norm; further layers follow the pattern",
        }
    }
    fn fuses_activation(&self) -> bool {
        true
    }
    fn as_activation(&self, _: &Args) -> Option<Activation> {
        None
    }

    fn action(&self, args: &Args) -> Action {
        let is_affine = args.int_list("hidden").is_some_and(<[i64]>::is_empty)
            || (args.choice("activation") == "none" && args.choice("norm") == "none");
        Action::Dense { is_affine, has_batch_norm: args.choice("norm") == "batch_norm" }
    }
    fn lower(&self, cx: &mut LowerCx) -> Result<Box<dyn Module>> {
        struct Norm {
            weight: Tensor,
            bias: Tensor,
            mean: Var,
            var: Var,
        }
        struct Layer {
            weight: Tensor,
            bias: Tensor,
            norm: Option<Norm>,
            activation: Activation,
        }
        let facts = FactCx { args: cx.args, inputs: cx.inputs, output: cx.output };
        let n_layers = widths(&facts).len() - 1;
        let has_norm = cx.args.choice("norm") == "batch_norm";
        let inner = facts::activation_of(cx.args.choice("activation"));
        let layers: Vec<Layer> = NAMES
            .iter()
            .enumerate()
            .take(n_layers)
            .map(|(layer, names)| {
                let is_last = layer + 1 == n_layers;
                Layer {
                    weight: cx.weights.tensor(names.weight),
                    bias: cx.weights.tensor(names.bias),
                    norm: (has_norm && !is_last).then(|| Norm {
                        weight: cx.weights.tensor(names.norm_weight),
                        bias: cx.weights.tensor(names.norm_bias),
                        mean: cx.weights.get(names.running_mean).clone(),
                        var: cx.weights.get(names.running_var).clone(),
                    }),
                    activation: if is_last { cx.activation } else { inner },
                }
            })
            .collect();
        let p = cx.args.float("dropout");
        let node = cx.idx.index() as u64;
        Ok(map_rows(move |value, step| {
            let mut x = value.x.clone();
            for (idx, layer) in layers.iter().enumerate() {
                let bias = Some(&layer.bias);
                x = match &layer.norm {
                    None => kernels::linear(&x, &layer.weight, bias, layer.activation)?,
                    Some(norm) => {
                        let x = kernels::linear(&x, &layer.weight, bias, Activation::Identity)?;
                        let running = (&norm.mean, &norm.var);
                        let (weight, bias) = (&norm.weight, &norm.bias);
                        let train = step.train;
                        kernels::batch_norm(
                            &x,
                            weight,
                            bias,
                            running,
                            MOMENTUM,
                            EPS,
                            train,
                            layer.activation,
                        )?
                    }
                };
                if step.train && p > 0.0 && idx + 1 < layers.len() {
                    x = kernels::dropout(&x, p, step.seed_of(node, idx as u64))?;
                }
            }
            Ok(x)
        }))
    }
}
