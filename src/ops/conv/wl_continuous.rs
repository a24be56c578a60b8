//! `wl_continuous()`: Weisfeiler-Lehman refinement of numbers.

use super::{WEIGHT, convolved};
use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Operator, Own, Pyg, WidthRule};
use crate::types::Type;

/// Continuous Weisfeiler-Lehman refinement: `h_i = ½ (x_i + Σ_{j ∈ N(i)} w_ij x_j / d_i)`, with `d_i = Σ_j w_ij`. Nothing is learned;
/// several steps side by side are the embedding of the Wasserstein Weisfeiler-Lehman kernel.
///
/// Paper: Togninalli et al. 2019, "Wasserstein Weisfeiler-Lehman Graph Kernels", definition 3.
/// PyG: `torch_geometric.nn.WLConvContinuous`.
///
/// # Shapes
/// - `x`: `[N, F]`, nodes or clusters; `weight`: `[E, 1]`
/// - result: `[N, F]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors.
#[derive(Debug)]
pub struct WlContinuous;

static ARGS: &[ArgSpec] = &[WEIGHT, super::DIRECTION, super::AGAINST];

impl Operator for WlContinuous {
    fn name(&self) -> &'static str {
        "wl_continuous"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Weisfeiler-Lehman refinement of numbers: half the node itself, half the mean of its neighbours.",
            formula: "h_i = ½ (x_i + Σ_{j ∈ N(i)} w_ij x_j / d_i)",
            paper: "Togninalli et al. 2019, \"Wasserstein Weisfeiler-Lehman Graph Kernels\"",
            example: "linear(32) -> wl_continuous as first -> wl_continuous as second -> concat(first, second) -> sum -> mlp",
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
        convolved(cx, cx.inputs[0].width.clone())
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, b, e) = (cx.x(), cx.b, cx.edges());
        let weight = cx.named("weight").map(|weight| weight.view(&[]));
        let message = e.source(x);
        let sum = e.sum(weight.map_or(message, |weight| message.mul_rows(weight)));
        let degree = weight.map_or_else(|| e.degree(), |weight| e.sum(weight));
        // Where weights cancel or nothing comes in, only the node itself is left.
        let share = degree.choose(degree.choose(degree, b.constant(1.0)).reciprocal(), b.constant(0.0));
        Some(Outcome::rows((x + sum.mul_rows(share)).scale(0.5)))
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "torch_geometric.nn.WLConvContinuous", weights: &[], arguments: &[], note: "" }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Messages { gather: Gather::Mean, own: Own::Root, is_linear: true }
    }
}
