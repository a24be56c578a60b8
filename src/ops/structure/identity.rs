//! `identity`: the value itself.

use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, WidthRule};
use crate::types::Type;

/// The input itself: `x`. Useful as a branch: `concat(identity, gcn(64))`.
///
/// # Shapes
/// - result: as the input
#[derive(Debug)]
pub struct Identity;

impl Operator for Identity {
    fn name(&self) -> &'static str {
        "identity"
    }
    fn family(&self) -> Family {
        Family::Structure
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "The value itself; a branch that changes nothing.",
            formula: "x",
            paper: "",
            example: "concat(identity, gcn(16)) -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        &[]
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> std::result::Result<Type, Diagnostic> {
        Ok(cx.inputs[0].clone())
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        Some(Outcome::rows(cx.x()))
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "torch.nn.Identity", weights: &[], arguments: &[], note: "" }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Identity
    }
}
