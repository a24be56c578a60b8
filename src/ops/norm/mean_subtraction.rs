//! `mean_subtraction`: the mean of each graph taken away.

use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, WidthRule};
use crate::program::Index;
use crate::types::Type;

/// Takes the mean of its graph away from every row: `x_i − E[x]`. What all rows have in common, as layers that average leave it,
/// is gone.
///
/// Paper: Yang et al. 2020, "Revisiting Over-smoothing in Deep GCNs", section 4.
/// PyG: `torch_geometric.nn.MeanSubtractionNorm`.
///
/// # Shapes
/// - result: as the input
///
/// # Errors
/// `levels::needs_rows` if the value is one vector per graph, which would become 0.
#[derive(Debug)]
pub struct MeanSubtraction;

impl Operator for MeanSubtraction {
    fn name(&self) -> &'static str {
        "mean_subtraction"
    }
    fn family(&self) -> Family {
        Family::Normalization
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Takes the mean of its graph away from every row.",
            formula: "x_i − E[x]",
            paper: "Yang et al. 2020, \"Revisiting Over-smoothing in Deep GCNs\"",
            example: "gcn(32) -> mean_subtraction -> relu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        &[]
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        super::has_rows(cx)?;
        Ok(cx.inputs[0].clone())
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let x = cx.x();
        Some(Outcome::rows(x - x.mean(Index::Graph).gather(Index::Graph)))
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "torch_geometric.nn.MeanSubtractionNorm", weights: &[], arguments: &[], note: "" }
    }
    fn action(&self, _: &Args) -> Action {
        Action::RowNorm
    }
}
