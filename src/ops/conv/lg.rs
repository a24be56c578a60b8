//! `lg()`: the neighbours weighted by degree, and nothing else.

use super::gcn_norm::{GcnNorm, NORMALIZE};
use super::{WEIGHT, convolved};
use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Operator, Own, Pyg, WidthRule};

use crate::types::Type;

/// Light graph convolution: `h_i = Σ_{j ∈ N(i)} w_ij x_j / √(d_i d_j)`, without loops and without weights.
///
/// Paper: He et al. 2020, "LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation", eq. 3.
/// PyG: `torch_geometric.nn.LGConv`.
///
/// # Shapes
/// - `x`: `[N, F]`, nodes or clusters; `weight`: `[E, 1]`
/// - result: `[N, F]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors.
#[derive(Debug)]
pub struct Lg;

static ARGS: &[ArgSpec] = &[NORMALIZE, WEIGHT, super::DIRECTION, super::AGAINST];

impl Operator for Lg {
    fn name(&self) -> &'static str {
        "lg"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Light graph convolution: the sum of the neighbours, weighted by degree, without a learned weight.",
            formula: "h_i = Σ_{j ∈ N(i)} w_ij x_j / √(d_i d_j),  d_i = Σ_j w_ij",
            paper: "He et al. 2020, \"LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation\"",
            example: "linear(64) -> lg -> lg -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        convolved(cx, cx.inputs[0].width.clone())
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        Some(Outcome::rows(GcnNorm::new(cx, None, cx.args.bool("normalize")).apply(cx.x())))
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "torch_geometric.nn.LGConv", weights: &[], arguments: &[], note: "" }
    }
    fn action(&self, args: &Args) -> Action {
        let gather = if args.bool("normalize") { Gather::DegreeWeighted } else { Gather::Sum };
        Action::Messages { gather, own: Own::Absent, is_linear: true }
    }
}
