//! `gine(out, edge)`: graph isomorphism layer with edge features.

use super::gin::{self, MLP_WEIGHTS, mlp_widths};
use super::{EDGE, OUT, convolved, fixed};
use crate::args::{ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule};
use crate::types::Type;

/// Graph isomorphism layer with edge features: `h_i = MLP((1 + ε) x_i + Σ_{j ∈ N(i)} ReLU(x_j + e_ij))`. Where edges have
/// another number of features than nodes, `e_ij` is a linear map of them first.
///
/// Paper: Hu et al. 2020, "Strategies for Pre-training Graph Neural Networks", section 5.
/// PyG: `torch_geometric.nn.GINEConv`, with `edge_dim` where the widths differ.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes; `edge`: `[E, F_e]`
/// - result: `[N, F_out]`, the last width of the MLP `[F_in, hidden, …, F_out]`, with `relu` between its layers
///
/// # Errors
/// Those of `gin`, and those of the argument `edge`.
#[derive(Debug)]
pub struct Gine;

static ARGS: &[ArgSpec] = &[
    OUT,
    ArgSpec { default: Default::Required, ..EDGE },
    gin::HIDDEN,
    gin::LAYERS,
    gin::EPS,
    gin::TRAIN_EPS,
    super::DIRECTION,
    super::AGAINST,
];

impl Operator for Gine {
    fn name(&self) -> &'static str {
        "gine"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Graph isomorphism layer whose messages read the features of the edges.",
            formula: "h_i = MLP((1 + ε) x_i + Σ_{j ∈ N(i)} ReLU(x_j + e_ij))",
            paper: "Hu et al. 2020, \"Strategies for Pre-training Graph Neural Networks\"",
            example: "gine(64, edge = edges) -> relu -> gine(64, edge = edges) -> relu -> sum -> mlp",
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
        gin::hidden_has_effect(cx)?;
        convolved(cx, findings::shape::output_width(cx, "out")?)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, args, b, e) = (cx.x(), cx.args, cx.b, cx.edges());
        let (n_in, n_edge) = (&cx.inputs[0].width, &cx.inputs[args.port("edge")?].width);
        let mut bond = cx.named("edge")?;
        if n_in.size != n_edge.size {
            bond = cx.linear(bond, ["edge_weight", "edge_bias"], n_edge, n_in);
        }
        let own = match args.bool("train_eps") {
            true => x * b.weight("eps", &[fixed(1)], Init::Constant(args.float("eps"))).offset(1.0),
            false => x.scale(1.0 + args.float("eps")),
        };
        let sum = own + e.sum((e.source(x) + bond).relu());
        Some(Outcome::rows(cx.mlp(sum, &mlp_widths(args, n_in, &cx.output.width), MLP_WEIGHTS)))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.GINEConv",
            weights: &[
                ("lin.weight", "edge_weight", WeightMap::Transposed),
                ("lin.bias", "edge_bias", WeightMap::Same),
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
            note: "`nn` is a `Sequential` of `Linear` and `ReLU`; `lin` is there where the widths differ.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Messages { gather: Gather::Sum, own: Own::Root, is_linear: false }
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{codes, types};

    #[test]
    fn edges_are_mapped_only_where_their_width_differs() {
        let shapes = |text: &str| types(text, None);
        assert_eq!(shapes("gine(7, edge = edges) -> sum -> linear")[2], "nodes[N, 7]");
        let count = |edge: &str| {
            let text = format!("linear(8) -> gine(8, edge = {edge}) -> sum -> linear");
            let model = crate::lower::testing::compile(&text, None);
            let (idx, node) =
                model.get().nodes().find(|(_, node)| node.op.name() == "gine").expect("a stage");
            let inputs: Vec<_> =
                model.get().inputs(idx).into_iter().map(|input| &model.get().graph[input].ty).collect();
            node.op.weights(&crate::ops::FactCx { args: &node.args, inputs: &inputs, output: &node.ty }).len()
        };
        assert_eq!([count("edges -> linear(8)"), count("edges -> linear(3)"), count("edges")], [4, 6, 6]);
    }

    #[test]
    fn edge_features_have_to_be_given_and_end_with_the_edges() {
        assert_eq!(codes("gine(8) -> sum -> linear"), ["args::missing"]);
        assert_eq!(codes("diffpool(k = 3) -> gine(8, edge = edges) -> sum -> linear"), ["levels::edges_end"]);
        assert_eq!(
            codes("gine(8, layers = 1, hidden = 4, edge = edges) -> sum -> linear"),
            ["args::no_effect"]
        );
    }
}
