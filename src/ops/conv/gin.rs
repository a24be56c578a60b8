//! `gin(out)`: graph isomorphism layer.

use super::{AGGREGATE, MAX_WIDTH, OUT, convolved, gather_of, refuse_of_clusters};
use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule};
use crate::program::Norm;
use crate::program::V;
use crate::types::{Dim, Size, Type};

/// Graph isomorphism layer: `h_i = MLP((1 + ε) x_i + Σ_{j ∈ N(i)} x_j)`, or with the mean or the maximum of the neighbours,
/// which tell less apart.
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
/// `args::no_effect` for `hidden` with one layer, `args::does_not_fit` for `aggregate = max` on clusters.
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
pub const TRAIN_EPS: ArgSpec =
    ArgSpec::flag("train_eps", false, "Whether ε is learned, beginning with `eps`.");

static ARGS: &[ArgSpec] = &[OUT, HIDDEN, LAYERS, EPS, TRAIN_EPS, AGGREGATE, super::DIRECTION, super::AGAINST];

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
        return Err(findings::args::no_effect(cx, "hidden", "an MLP of one layer has no hidden width"));
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
    fn width_rule(&self) -> WidthRule {
        WidthRule::Argument("out")
    }
    fn infer(&self, cx: &InferCx) -> std::result::Result<Type, Diagnostic> {
        super::has_edges(cx)?;
        refuse_of_clusters(cx, &["max"])?;
        hidden_has_effect(cx)?;
        convolved(cx, findings::shape::output_width(cx, "out")?)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b) = (cx.x(), cx.args, cx.b);
        let widths = mlp_widths(a, &cx.inputs[0].width, &cx.output.width);
        let is_learned = a.bool("train_eps");
        let eps = if is_learned { 0.0 } else { a.float("eps") };
        let e = cx.edges();
        let gathered = match gather_of(a) {
            Gather::Mean => e.propagate(x, Norm::Mean) + x.scale(1.0 + eps),
            Gather::Max => e.propagate_max(x) + x.scale(1.0 + eps),
            _ => e.propagate(x, Norm::SelfPlus { eps }),
        };
        let layers: Vec<[V; 2]> = widths
            .windows(2)
            .zip(MLP_WEIGHTS)
            .map(|(pair, &names)| cx.dense_weights(names, [&pair[0], &pair[1]]))
            .collect();
        let gathered = if is_learned {
            gathered + x * b.weight("eps", &[super::fixed(1)], Init::Constant(a.float("eps")))
        } else {
            gathered
        };
        let y = layers.iter().enumerate().fold(gathered, |y, (layer, &[w, bias])| {
            cx.affine(if layer == 0 { y } else { y.relu() }, w, Some(bias))
        });
        Some(Outcome::rows(y))
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
            arguments: &[],
            note: "`nn` is a `Sequential` of `Linear` and `ReLU`; with PyG's `MLP` the layers are `nn.lins.0`, \
                   `nn.lins.1`, …. On clusters `torch_geometric.nn.DenseGINConv`.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        Action::Messages { gather: gather_of(args), own: Own::Root, is_linear: false }
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
