//! `concat(a, b, …)`: values side by side.

use super::first_on_another_level;
use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::findings::{levels, symmetry};
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Ports, Pyg, WidthRule};
use crate::program::composite::Composite;
use crate::types::{Dim, Size, Type};

/// Features of several branches side by side: `[a ∥ b ∥ …]`.
///
/// PyG: `torch.cat([a, b], dim=-1)`; over all layers of a network it is `JumpingKnowledge('cat')`.
///
/// # Shapes
/// - branches: the same rows, any widths
/// - result: those rows, the sum of the widths
///
/// # Errors
/// `levels::mixed_levels` if the branches end on different levels of the hierarchy.
#[derive(Debug)]
pub struct Concat;

/// Of so many branches the widths are written in messages.
const MAX_WRITTEN: usize = 12;

impl Operator for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }
    fn family(&self) -> Family {
        Family::Structure
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Joins the features of several branches side by side.",
            formula: "[a ∥ b ∥ …]",
            paper: "Xu et al. 2018, \"Representation Learning on Graphs with Jumping Knowledge Networks\"",
            example: "gcn(32) -> relu -> concat(mean, max) -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        &[]
    }
    fn ports(&self) -> Ports {
        Ports::Many(2)
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Computed
    }

    fn infer(&self, cx: &InferCx) -> std::result::Result<Type, Diagnostic> {
        if let Some(port) = first_on_another_level(cx) {
            return Err(levels::mixed_levels(cx, port));
        }
        let sizes: Vec<Size> = cx.inputs.iter().map(|ty| ty.width.size.clone()).collect();
        let mut written: Vec<String> = sizes.iter().take(MAX_WRITTEN).map(Size::to_string).collect();
        if sizes.len() > MAX_WRITTEN {
            written.push("…".to_owned());
        }
        let reason = format!("`concat` joins {} features", written.join(" + "));
        let width = Dim::new(Size::sum(sizes), Some(cx.span), reason);
        Ok(Type { width, symmetry: symmetry::kept(cx), ..cx.inputs[0].clone() })
    }

    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        Some(Outcome::rows(cx.b.call(Composite::Beside, &cx.all())))
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "torch.cat", weights: &[], arguments: &[], note: "along the last dimension" }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Concat
    }
}
