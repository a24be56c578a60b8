//! `bilinear`: a learned product of both ends.

use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::conv::glorot;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, WidthRule};
use crate::types::{Size, Type};

/// Score of a pair of nodes: `s_ij = h_iᵀ W h_j`, or `½ h_iᵀ (W + Wᵀ) h_j` with `symmetric`, which is the same for both orders of the ends.
///
/// Paper: Nickel et al. 2011, "A Three-Way Model for Collective Learning on Multi-Relational Data", of one relation.
/// PyG: `torch.nn.Bilinear` without a bias.
///
/// # Shapes
/// - `h`: `[N, F]`, nodes of the input graph
/// - result: `[P, 1]`, a row for each pair that the task asks about, logits
///
/// # Errors
/// `levels::needs_nodes` on clusters, slots and graph vectors. On links without a direction a result without `symmetric` depends on which
/// end has the lower number, which the check of symmetry refuses.
#[derive(Debug)]
pub struct Bilinear;

static ARGS: &[ArgSpec] = &[ArgSpec::flag(
    "symmetric",
    false,
    "Whether both orders of the ends have the same score, for links without a direction.",
)];

impl Operator for Bilinear {
    fn name(&self) -> &'static str {
        "bilinear"
    }
    fn family(&self) -> Family {
        Family::Decoder
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Scores a pair of nodes by a learned bilinear form of their rows.",
            formula: "s_ij = h_iᵀ W h_j",
            paper: "Nickel et al. 2011, \"A Three-Way Model for Collective Learning on Multi-Relational Data\"",
            example: "task = link_prediction\nmodel = gcn(32) -> relu -> gcn(16) -> bilinear(symmetric = true)",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Computed
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        let order = "`bilinear` reads which end of a pair comes first; `symmetric = true` does not";
        super::score(cx, (!cx.args.bool("symmetric")).then_some(order))
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, e, width) = (cx.x(), cx.edges(), &cx.inputs[0].width);
        let w = cx.b.weight("weight", &[width.clone(), width.clone()], glorot(width, width));
        let mapped = x.linear(w);
        let along = e.source(mapped).dot(e.target(x));
        let score = match cx.args.bool("symmetric") {
            true => (along + e.source(x).dot(e.target(mapped))).scale(0.5),
            false => along,
        };
        Some(Outcome::pairs(score.view(&[Size::Known(1)])))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch.nn.Bilinear",
            weights: &[],
            arguments: &[],
            note: "Without a bias, and of one output.",
        }
    }
    fn is_linear_in_ends(&self) -> bool {
        true
    }
    fn action(&self, _: &Args) -> Action {
        Action::Decoder
    }
}
