//! `add(a, b, …)`: the sum of values.

use super::first_on_another_level;
use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::findings::{levels, shape, symmetry};
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Ports, Pyg, WidthRule};
use crate::program::composite::Composite;
use crate::types::Type;

/// Elementwise sum of several branches: `a + b + …`. `residual(p)` is `add(identity, p)`.
///
/// PyG: `a + b`; with `identity` as one branch the residual connection of He et al. 2016.
///
/// # Shapes
/// - branches: the same rows, the same width
/// - result: as each branch
///
/// # Errors
/// `levels::mixed_levels` if the branches end on different levels; `shape::widths_differ` if their
/// widths differ.
#[derive(Debug)]
pub struct Add;

impl Operator for Add {
    fn name(&self) -> &'static str {
        "add"
    }
    fn family(&self) -> Family {
        Family::Structure
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Adds several branches of the same width element by element.",
            formula: "a + b + …",
            paper: "He et al. 2016, \"Deep Residual Learning for Image Recognition\"",
            example: "gcn(32) -> add(identity, gcn(32) -> relu) -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        &[]
    }
    fn ports(&self) -> Ports {
        Ports::Many(2)
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }

    fn infer(&self, cx: &InferCx) -> std::result::Result<Type, Diagnostic> {
        if let Some(port) = first_on_another_level(cx) {
            return Err(levels::mixed_levels(cx, port));
        }
        let first = &cx.inputs[0].width;
        let other =
            (1..cx.inputs.len()).find(|&port| shape::differ(&first.size, &cx.inputs[port].width.size));
        if let Some(port) = other {
            return Err(shape::widths_differ(cx, port));
        }
        // A branch whose width is known sets that of the others: `residual(gcn(64))` needs 64 features.
        let width = cx.inputs.iter().map(|ty| &ty.width).find(|width| width.known().is_some());
        let width = width.unwrap_or(first).clone();
        Ok(Type { width, symmetry: symmetry::kept(cx), ..cx.inputs[0].clone() })
    }

    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        Some(Outcome::rows(cx.b.call(Composite::Plus, &cx.all())))
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "torch.add", weights: &[], arguments: &[], note: "" }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Add
    }
}
