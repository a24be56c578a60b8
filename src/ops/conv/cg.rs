//! `cg()`: crystal graph convolution.

use super::{ANY_AGGREGATE, EDGE, aggregated, convolved, fits_clusters, gather_of, linear_of, map_of};
use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::norm::batch_norm::batch_norm;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Own, Pyg, WeightMap, WidthRule};

use crate::types::Type;

/// Crystal graph convolution: `h_i = x_i + Σ_{j ∈ N(i)} σ(z_ij W_f + b_f) ⊙ softplus(z_ij W_s + b_s)`, with
/// `z_ij = [x_i ∥ x_j ∥ e_ij]`. With `batch_norm` the sum is normalised before it is added.
///
/// Paper: Xie and Grossman 2018, "Crystal Graph Convolutional Neural Networks for an Accurate and Interpretable Prediction
/// of Material Properties", eq. 5.
/// PyG: `torch_geometric.nn.CGConv`.
///
/// # Shapes
/// - `x`: `[N, F]`, nodes or clusters; `edge`: `[E, F_e]`
/// - result: `[N, F]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors; those of `graph_conv` for `aggregate`.
#[derive(Debug)]
pub struct Cg;

/// Of the batch norm: weight, bias, running mean and variance.
const NORM: [&str; 4] = ["norm_weight", "norm_bias", "running_mean", "running_var"];

static ARGS: &[ArgSpec] = &[
    ANY_AGGREGATE,
    ArgSpec::flag("batch_norm", false, "Whether what is gathered is normalised over the batch."),
    ArgSpec::flag("bias", true, "Whether both linear maps have a learned vector."),
    EDGE,
    super::DIRECTION,
    super::AGAINST,
];

impl Operator for Cg {
    fn name(&self) -> &'static str {
        "cg"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Crystal graph convolution: gated messages of both ends and the edge, added to the node.",
            formula: "h_i = x_i + Σ_{j ∈ N(i)} σ(z_ij W_f + b_f) ⊙ softplus(z_ij W_s + b_s),  z_ij = [x_i ∥ x_j ∥ e_ij]",
            paper: "Xie and Grossman 2018, \"Crystal Graph Convolutional Neural Networks for an Accurate and Interpretable Prediction of Material Properties\"",
            example: "linear(64) -> cg -> cg -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        super::has_edges(cx)?;
        fits_clusters(cx)?;
        convolved(cx, cx.inputs[0].width.clone())
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, e) = (cx.x(), cx.args, cx.edges());
        let width = &cx.inputs[0].width;
        let ends = [(e.target(x), width), (e.source(x), width)];
        let parts: Vec<_> = ends.into_iter().chain(cx.named_with_width("edge")).collect();
        let mapped = |names: [&'static str; 2]| match a.bool("bias") {
            true => linear_of(cx, &parts, names, width),
            false => map_of(cx, &parts, names[0], width),
        };
        let gate = mapped(["gate", "gate_bias"]).sigmoid();
        let message = gate * mapped(["core", "core_bias"]).softplus();
        let gathered = aggregated(a, e, message);
        let gathered = match a.bool("batch_norm") {
            true => batch_norm(cx, gathered, NORM, width, [0.1, 1e-5]),
            false => gathered,
        };
        Some(Outcome::rows(x + gathered))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.CGConv",
            weights: &[
                ("lin_f.weight", "gate", WeightMap::Transposed),
                ("lin_f.bias", "gate_bias", WeightMap::Same),
                ("lin_s.weight", "core", WeightMap::Transposed),
                ("lin_s.bias", "core_bias", WeightMap::Same),
                ("bn.weight", "norm_weight", WeightMap::Same),
                ("bn.bias", "norm_bias", WeightMap::Same),
                ("bn.running_mean", "running_mean", WeightMap::Same),
                ("bn.running_var", "running_var", WeightMap::Same),
            ],
            arguments: &[],
            note: "",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let gather = gather_of(args);
        Action::Messages { gather, own: Own::Root, is_linear: false }
    }
}
