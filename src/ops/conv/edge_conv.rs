//! `edge_conv(out)`: an MLP of a node and its difference to each neighbour.

use super::gin::{HIDDEN, LAYERS, MLP_WEIGHTS, hidden_has_effect, mlp_widths};
use super::{ANY_AGGREGATE, OUT, aggregated, convolved, fits_clusters, gather_of, linear_of, times};
use crate::args::{ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Own, Pyg, WeightMap, WidthRule};
use crate::program::{Edges, V};
use crate::types::Type;

/// Edge convolution: `h_i = max_{j ∈ N(i)} MLP([x_i ∥ x_j − x_i])`, or the sum or the mean. The first layer of the MLP is
/// linear in both ends, so it is taken a node at a time.
///
/// Paper: Wang et al. 2019, "Dynamic Graph CNN for Learning on Point Clouds", eq. 8.
/// PyG: `torch_geometric.nn.EdgeConv` around `Sequential(Linear, ReLU, Linear)`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes or clusters
/// - result: `[N, F_out]`, the last width of the MLP `[2 F_in, hidden, …, F_out]`, with `relu` between its layers
///
/// # Errors
/// Those of `gin`; those of `graph_conv` for `aggregate`.
#[derive(Debug)]
pub struct EdgeConv;

static ARGS: &[ArgSpec] = &[
    OUT,
    HIDDEN,
    LAYERS,
    ArgSpec { default: Default::Choice("max"), ..ANY_AGGREGATE },
    super::DIRECTION,
    super::AGAINST,
];

/// The weights of the network of [`message_of`], as PyG names them.
pub(super) const WEIGHTS: &[(&str, &str, WeightMap)] = &[
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
];

/// `MLP(x_i ∥ x_j − x_i)` for each edge, of which the first map is applied before the rows are gathered.
pub(super) fn message_of<'b>(cx: &ProgramCx<'_, 'b>, x: V<'b>, e: Edges<'b>) -> V<'b> {
    let n_in = &cx.inputs[0].width;
    let widths = mlp_widths(cx.args, &times(2, n_in), &cx.output.width);
    let parts = [(e.target(x), n_in), (e.source(x) - e.target(x), n_in)];
    let first = linear_of(cx, &parts, MLP_WEIGHTS[0], &widths[1]);
    match widths.len() {
        2 => first,
        _ => cx.mlp(first.relu(), &widths[1..], &MLP_WEIGHTS[1..]),
    }
}

impl Operator for EdgeConv {
    fn name(&self) -> &'static str {
        "edge_conv"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Edge convolution: the largest of an MLP of the node and its difference to each neighbour.",
            formula: "h_i = max_{j ∈ N(i)} MLP([x_i ∥ x_j − x_i])",
            paper: "Wang et al. 2019, \"Dynamic Graph CNN for Learning on Point Clouds\"",
            example: "edge_conv(64) -> relu -> edge_conv(64) -> relu -> mean -> linear",
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
        hidden_has_effect(cx)?;
        fits_clusters(cx)?;
        convolved(cx, findings::shape::output_width(cx, "out")?)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, e) = (cx.x(), cx.args, cx.edges());
        let message = message_of(cx, x, e);
        Some(Outcome::rows(aggregated(a, e, message)))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.EdgeConv",
            weights: WEIGHTS,
            arguments: &[],
            note: "`nn` is a `Sequential` of `Linear` and `ReLU`.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let gather = gather_of(args);
        Action::Messages { gather, own: Own::Absent, is_linear: false }
    }
}
