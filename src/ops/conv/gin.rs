//! `gin(out)`: graph isomorphism layer.

use super::{MAX_WIDTH, OUT, convolved};
use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::check;
use crate::diagnostic::Diagnostic;
use crate::ir::{Dim, Size, Type};
use crate::kernels::program::Rowwise;
use crate::kernels::{self, Activation, Norm};
use crate::lower::{ForwardCx, LowerCx, Module, Structure, Value};
use crate::ops::{
    Action, Doc, FactCx, Family, Gather, InferCx, Init, Operator, Own, Ports, Pyg, WeightMap, WeightSpec,
    WidthRule, facts,
    trace::{self, Trace},
};
use candle_core::{Result, Tensor};

/// Graph isomorphism layer: `h_i = MLP((1 + ε) x_i + Σ_{j ∈ N(i)} x_j)`.
///
/// Paper: Xu et al. 2019, "How Powerful are Graph Neural Networks?", eq. 4.1.
/// PyG: `torch_geometric.nn.GINConv` around `Sequential(Linear, ReLU, Linear)`, or around
/// `MLP([F_in, hidden, F_out], norm = None)`; on clusters `torch_geometric.nn.DenseGINConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes or clusters
/// - result: `[N, F_out]`, the last width of the MLP `[F_in, hidden, …, F_out]`, with `relu` between its layers
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `shape::no_width` where `out` cannot be inferred,
/// `args::no_effect` for `hidden` with one layer.
#[derive(Debug)]
pub struct Gin;

/// Shared with `gine` and `nn_conv`.
pub const HIDDEN: ArgSpec = ArgSpec {
    name: "hidden",
    kind: ArgKind::Int { min: 1, max: MAX_WIDTH },
    default: Default::Inferred("as wide as the result"),
    positional: false,
    doc: "Width of the MLP's hidden layers.",
};

/// Shared with `gine` and `nn_conv`.
pub const LAYERS: ArgSpec = ArgSpec {
    name: "layers",
    kind: ArgKind::Int { min: 1, max: MLP_WEIGHTS.len() as i64 },
    default: Default::Int(2),
    positional: false,
    doc: "Number of linear layers of the MLP.",
};

/// Shared with `gine`.
pub const EPS: ArgSpec = ArgSpec {
    name: "eps",
    kind: ArgKind::Float(Range::closed(-100.0, 100.0)),
    default: Default::Float(0.0),
    positional: false,
    doc: "How much more the node itself counts than a neighbour, ε.",
};

/// Shared with `gine`.
pub const TRAIN_EPS: ArgSpec = ArgSpec {
    name: "train_eps",
    kind: ArgKind::Bool,
    default: Default::Bool(false),
    positional: false,
    doc: "Whether ε is learned, beginning with `eps`.",
};

static ARGS: &[ArgSpec] = &[OUT, HIDDEN, LAYERS, EPS, TRAIN_EPS];

/// Names of the weight and bias of each layer of the MLP.
pub const MLP_WEIGHTS: &[[&str; 2]] = &[
    ["weight_0", "bias_0"],
    ["weight_1", "bias_1"],
    ["weight_2", "bias_2"],
    ["weight_3", "bias_3"],
    ["weight_4", "bias_4"],
    ["weight_5", "bias_5"],
];

/// The widths of the MLP, from the input to the result.
pub fn mlp_widths(args: &Args, input: &Dim, output: &Dim) -> Vec<Dim> {
    let hidden = match args.opt_int("hidden") {
        Some(hidden) => {
            let span = args.get("hidden").and_then(|arg| arg.span);
            Dim::new(Size::Known(hidden as usize), span, format!("the {hidden} comes from here"))
        }
        None => output.clone(),
    };
    let mut widths = vec![input.clone()];
    widths.extend(std::iter::repeat_n(hidden, args.int("layers") as usize - 1));
    widths.push(output.clone());
    widths
}

/// # Errors
/// `args::no_effect` for `hidden` with one layer.
pub fn hidden_has_effect(cx: &InferCx) -> std::result::Result<(), Diagnostic> {
    if cx.args.is_written("hidden") && cx.args.int("layers") == 1 {
        return Err(check::args::no_effect(cx, "hidden", "an MLP of one layer has no hidden width"));
    }
    Ok(())
}

impl Operator for Gin {
    fn name(&self) -> &'static str {
        "gin"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Graph isomorphism layer: the sum of the neighbours and the node itself, through an MLP.",
            formula: "h_i = MLP((1 + ε) x_i + Σ_{j ∈ N(i)} x_j)",
            paper: "Xu et al. 2019, \"How Powerful are Graph Neural Networks?\"",
            example: "gin(64) -> relu -> gin(64) -> relu -> sum -> mlp",
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
        super::has_edges(cx)?;
        hidden_has_effect(cx)?;
        convolved(cx, check::shape::output_width(cx, "out")?)
    }
    fn weights(&self, cx: &FactCx) -> Vec<WeightSpec> {
        let widths = mlp_widths(cx.args, &cx.inputs[0].width, &cx.output.width);
        let mut weights = Vec::new();
        for (pair, &[weight, bias]) in widths.windows(2).zip(MLP_WEIGHTS) {
            let init = Init::KaimingUniform { fan_in: facts::known(&pair[0]) };
            weights.push(WeightSpec { name: weight, shape: pair.to_vec(), init, is_trained: true });
            weights.push(WeightSpec { name: bias, shape: vec![pair[1].clone()], init, is_trained: true });
        }
        if cx.args.bool("train_eps") {
            let init = Init::Constant(cx.args.float("eps"));
            weights.push(WeightSpec { name: "eps", shape: vec![super::fixed(1)], init, is_trained: true });
        }
        weights
    }
    fn trace(&self, cx: &FactCx, inputs: &[trace::Value], step: &mut Trace) -> trace::Value {
        let input = &inputs[0];
        let widths = mlp_widths(cx.args, &cx.inputs[0].width, &cx.output.width);
        let widths: Vec<f64> = widths.iter().map(|width| facts::known(width) as f64).collect();
        let last = step.activation;
        let mut x = match &input.structure {
            trace::Structure::Sparse(graphs) => step.propagate(input.x, graphs, true),
            trace::Structure::Clusters { adjacency: Some(adjacency), .. } => {
                step.dense_propagate(*adjacency, input.x, false)
            }
            _ => input.x,
        };
        if cx.args.bool("train_eps") {
            x = step.rowwise("own", &with_own(), &[x, input.x], &[&[1]]);
        }
        for (idx, &width) in widths.iter().enumerate().skip(1) {
            let activation = if idx + 1 == widths.len() { last } else { Activation::Relu };
            x = step.linear(x, width, true, activation);
        }
        input.with(x)
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.GINConv",
            weights: &[
                ("nn.0.weight", "weight_0", WeightMap::Transposed),
                ("nn.0.bias", "bias_0", WeightMap::Same),
                ("nn.2.weight", "weight_1", WeightMap::Transposed),
                ("nn.2.bias", "bias_1", WeightMap::Same),
                ("nn.4.weight", "weight_2", WeightMap::Transposed),
                ("nn.4.bias", "bias_2", WeightMap::Same),
                ("nn.6.weight", "weight_3", WeightMap::Transposed),
                ("nn.6.bias", "bias_3", WeightMap::Same),
                ("nn.8.weight", "weight_4", WeightMap::Transposed),
                ("nn.8.bias", "bias_4", WeightMap::Same),
                ("nn.10.weight", "weight_5", WeightMap::Transposed),
                ("nn.10.bias", "bias_5", WeightMap::Same),
                ("eps", "eps", WeightMap::Same),
            ],
            note: "`nn` is a `Sequential` of `Linear` and `ReLU`; with PyG's `MLP` the layers are `nn.lins.0`, \
                   `nn.lins.1`, …. On clusters `torch_geometric.nn.DenseGINConv`.",
        }
    }
    fn fuses_activation(&self) -> bool {
        true
    }
    fn as_activation(&self, _args: &Args) -> Option<Activation> {
        None
    }
    fn action(&self, _: &Args) -> Action {
        Action::Messages { gather: Gather::Sum, own: Own::Root, is_linear: false }
    }
    fn lower(&self, cx: &mut LowerCx) -> Result<Box<dyn Module>> {
        let get = |name| cx.weights.tensor(name);
        let n_layers = cx.args.int("layers") as usize;
        Ok(Box::new(GinModule {
            layers: MLP_WEIGHTS[..n_layers].iter().map(|&[weight, bias]| (get(weight), get(bias))).collect(),
            epsilon: if cx.args.bool("train_eps") {
                Epsilon::Learned(get("eps"))
            } else {
                Epsilon::Fixed(cx.args.float("eps"))
            },
            own: with_own(),
            activation: cx.activation,
        }))
    }
}

/// Adds the node itself, a learned number of times.
fn with_own() -> Rowwise {
    Rowwise::new(&["eps"], |_, x, weights| x[0] + x[1] * weights[0])
}

enum Epsilon {
    Fixed(f64),
    /// `[1]`
    Learned(Tensor),
}

struct GinModule {
    /// Weight and bias of each layer.
    layers: Vec<(Tensor, Tensor)>,
    epsilon: Epsilon,
    /// Adds the node itself, a learned number of times.
    own: Rowwise,
    activation: Activation,
}

impl Module for GinModule {
    fn forward(&self, inputs: &[&Value], _cx: &mut ForwardCx) -> Result<Value> {
        let input = inputs[0];
        let eps = match self.epsilon {
            Epsilon::Fixed(eps) => eps,
            Epsilon::Learned(_) => 0.0,
        };
        let norm = Norm::SelfPlus { eps };
        let mut x = match &input.structure {
            Structure::Sparse(graph) => kernels::propagate(&input.x, graph, norm)?,
            Structure::Clusters { adjacency, .. } => {
                kernels::dense_propagate(super::coarse_adjacency(adjacency)?, &input.x, norm)?
            }
            Structure::Edges(_) | Structure::Slots { .. } | Structure::Graphs { .. } => {
                return super::no_edges("gin");
            }
        };
        if let Epsilon::Learned(eps) = &self.epsilon {
            x = self.own.run(&[&x, &input.x], &[eps])?;
        }
        let last = self.layers.len() - 1;
        for (idx, (weight, bias)) in self.layers.iter().enumerate() {
            let activation = if idx == last { self.activation } else { Activation::Relu };
            x = kernels::linear(&x, weight, Some(bias), activation)?;
        }
        Ok(super::with_features(input, x))
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{assert_close, codes, nodes, run, transformed, types, weight};

    #[test]
    fn epsilon_weighs_the_node_itself() {
        let data = nodes(2, &[]);
        for text in
            ["model = gin(layers = 1, eps = 0.5)", "model = gin(layers = 1, eps = 0.5, train_eps = true)"]
        {
            let (rows, network) = run(text, &data);
            let mut matrix = weight(&network, "1.gin.weight_0");
            matrix.iter_mut().flatten().for_each(|value| *value *= 1.5);
            let bias = &weight(&network, "1.gin.bias_0")[0];
            assert_close(&rows[1], &transformed(&data, 1, &matrix, bias));
        }
    }

    #[test]
    fn hidden_layers_are_as_wide_as_asked() {
        let (_, network) = run("model = gin(layers = 3, hidden = 7)", &nodes(2, &[]));
        let shapes: Vec<_> =
            network.parameters().iter().map(|parameter| parameter.var.dims().to_vec()).collect();
        assert_eq!(shapes, [vec![3, 7], vec![7], vec![7, 7], vec![7], vec![7, 2], vec![2]]);
        assert_eq!(types("gin(9) -> sum -> linear", None)[1], "nodes[N, 9]");
    }

    #[test]
    fn one_layer_has_no_hidden_width() {
        assert_eq!(codes("gin(8, layers = 1, hidden = 4) -> sum -> linear"), ["args::no_effect"]);
    }
}
