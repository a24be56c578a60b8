//! `nn_conv(out, edge)`: a matrix for each edge, made of its features by a network.

use super::{BIAS, EDGE, OUT, convolved};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{
    Action, Doc, Family, Gather, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule, facts,
};
use crate::program::V;
use crate::types::{Dim, Size, Type};

/// Edge-conditioned convolution: `h_i = Θᵀ x_i + aggregate_{j ∈ N(i)} W(e_ij)ᵀ x_j + b`, where a perceptron makes the
/// matrix `W(e_ij)`, `F_in` by `F_out`, of an edge's features.
///
/// Paper: Gilmer et al. 2017, "Neural Message Passing for Quantum Chemistry", section 5.1; Simonovsky and Komodakis 2017,
/// "Dynamic Edge-Conditioned Filters in Convolutional Neural Networks on Graphs".
/// PyG: `torch_geometric.nn.NNConv` around `Sequential(Linear, ReLU, Linear)`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes; `edge`: `[E, F_e]`
/// - result: `[N, F_out]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `shape::no_width` where `out` cannot be inferred, `args::no_effect` for
/// `hidden` with one layer, and those of the argument `edge`.
#[derive(Debug)]
pub struct NnConv;

static ARGS: &[ArgSpec] = &[
    OUT,
    ArgSpec { default: Default::Required, ..EDGE },
    ArgSpec {
        doc: "Width of the hidden layers of the network that makes the matrices.",
        ..super::gin::HIDDEN
    },
    ArgSpec { doc: "Number of linear layers of the network that makes the matrices.", ..super::gin::LAYERS },
    ArgSpec {
        name: "aggregate",
        kind: ArgKind::Choice(&["sum", "mean", "max"]),
        default: Default::Choice("sum"),
        positional: false,
        doc: "How the messages of a node are gathered.",
    },
    ArgSpec::flag("root_weight", true, "Whether a linear map of the node's own features is added."),
    BIAS,
    super::DIRECTION,
    super::AGAINST,
];

/// Names of the weight and bias of each layer of the network.
const NETWORK: &[[&str; 2]] = &[
    ["edge_weight_0", "edge_bias_0"],
    ["edge_weight_1", "edge_bias_1"],
    ["edge_weight_2", "edge_bias_2"],
    ["edge_weight_3", "edge_bias_3"],
    ["edge_weight_4", "edge_bias_4"],
    ["edge_weight_5", "edge_bias_5"],
];

/// Matrices `W(e_ij)`, `F_in` by `F_out`, made by the network of the features of the edges.
pub struct EdgeMatrices<'b> {
    /// What the last layer of the network reads, `[E, inner]`.
    hidden: V<'b>,
    weight: V<'b>,
    bias: V<'b>,
    inner: Size,
    from: Size,
    to: Size,
}

impl<'b> EdgeMatrices<'b> {
    pub fn new(cx: &ProgramCx<'_, 'b>, n_in: &Dim, n_out: &Dim) -> Option<Self> {
        let args = cx.args;
        let hidden =
            args.opt_int("hidden").map_or_else(|| n_out.clone(), |hidden| super::fixed(hidden as usize));
        let mut widths = vec![cx.inputs[args.port("edge")?].width.clone()];
        widths.extend(std::iter::repeat_n(hidden, args.int("layers") as usize - 1));
        let (n_inner, inner) = (widths.len() - 1, widths[widths.len() - 1].clone());
        let h = cx.mlp(cx.named("edge")?, &widths, &NETWORK[..n_inner]);
        let hidden = if n_inner == 0 { h } else { h.relu() };
        let entries = Dim::new(Size::product([n_in.size.clone(), n_out.size.clone()]), None, "");
        let [weight, bias] = cx.dense_weights(NETWORK[n_inner], [&inner, &entries]);
        let (from, to) = (n_in.size.clone(), n_out.size.clone());
        Some(Self { hidden, weight, bias, inner: inner.size, from, to })
    }

    /// `aggregate_j W(e_ij)ᵀ x_j`
    pub fn gathered(&self, cx: &ProgramCx<'_, 'b>, x: V<'b>) -> V<'b> {
        let e = cx.edges();
        let (h, source) = (self.hidden, e.source(x));
        let row = source.view(&[Size::Known(1), self.from.clone()]);
        // The matrix of an edge is linear in `h`, so its sum over the edges is too: what they add up is `h ⊗ x_j`, and
        // no matrix is made. A maximum needs each message by itself.
        let summed = || {
            let rows = Size::product([self.inner.clone(), self.from.clone()]);
            let w = self.weight.view(&[rows, self.to.clone()]);
            let bias = self.bias.view(&[self.from.clone(), self.to.clone()]);
            e.sum(h.column() * row).flat().linear(w) + e.sum(source).linear(bias)
        };
        match cx.args.choice("aggregate") {
            "mean" => summed().div_rows(e.degree().at_least(1.0)),
            "max" => {
                let matrix = (h.linear(self.weight) + self.bias).view(&[self.from.clone(), self.to.clone()]);
                e.largest(row.contract(matrix).view(std::slice::from_ref(&self.to)))
            }
            _ => summed(),
        }
    }
}

impl Operator for NnConv {
    fn name(&self) -> &'static str {
        "nn_conv"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Edge-conditioned convolution: a network makes the matrix of each message of the edge's features.",
            formula: "h_i = Θᵀ x_i + aggregate_{j ∈ N(i)} W(e_ij)ᵀ x_j + b",
            paper: "Gilmer et al. 2017, \"Neural Message Passing for Quantum Chemistry\"",
            example: "nn_conv(16, edge = edges) -> relu -> nn_conv(16, edge = edges) -> relu -> sum -> mlp",
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
        super::gin::hidden_has_effect(cx)?;
        convolved(cx, findings::shape::output_width(cx, "out")?)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, args, b) = (cx.x(), cx.args, cx.b);
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let mut y = EdgeMatrices::new(cx, n_in, n_out)?.gathered(cx, x);
        if args.bool("root_weight") {
            let init = Init::KaimingUniform { fan_in: facts::known(n_in) };
            y = y + x.linear(b.weight("root", &[n_in.clone(), n_out.clone()], init));
        }
        Some(Outcome::rows(match args.bool("bias") {
            true => y + b.weight("bias", std::slice::from_ref(n_out), Init::Zeros),
            false => y,
        }))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.NNConv",
            weights: &[
                ("nn.0.weight", "edge_weight_0", WeightMap::Transposed),
                ("nn.0.bias", "edge_bias_0", WeightMap::Same),
                ("nn.2.weight", "edge_weight_1", WeightMap::Transposed),
                ("nn.2.bias", "edge_bias_1", WeightMap::Same),
                ("nn.4.weight", "edge_weight_2", WeightMap::Transposed),
                ("nn.4.bias", "edge_bias_2", WeightMap::Same),
                ("nn.6.weight", "edge_weight_3", WeightMap::Transposed),
                ("nn.6.bias", "edge_bias_3", WeightMap::Same),
                ("nn.8.weight", "edge_weight_4", WeightMap::Transposed),
                ("nn.8.bias", "edge_bias_4", WeightMap::Same),
                ("nn.10.weight", "edge_weight_5", WeightMap::Transposed),
                ("nn.10.bias", "edge_bias_5", WeightMap::Same),
                ("lin.weight", "root", WeightMap::Transposed),
                ("bias", "bias", WeightMap::Same),
            ],
            arguments: &[],
            note: "`nn` is a `Sequential` of `Linear` and `ReLU`.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let gather = match args.choice("aggregate") {
            "mean" => Gather::Mean,
            "max" => Gather::Max,
            _ => Gather::Sum,
        };
        let own = if args.bool("root_weight") { Own::Root } else { Own::Absent };
        Action::Messages { gather, own, is_linear: gather != Gather::Max }
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{codes, types};

    #[test]
    fn its_width_is_that_of_the_matrices() {
        let text = "linear(3) -> nn_conv(7, edge = edges, hidden = 4, aggregate = mean) -> sum -> linear";
        assert_eq!(types(text, None)[3], "nodes[N, 7]");
        let text = "nn_conv(7, edge = edges, layers = 1, hidden = 4) -> sum -> linear";
        assert_eq!(codes(text), ["args::no_effect"]);
        assert_eq!(codes("nn_conv(7) -> sum -> linear"), ["args::missing"]);
    }
}
