//! `variance_preserving`: a sum that keeps the variance of its terms.

use super::one_row;
use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::findings::levels;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Operator, Pyg, WidthRule};
use crate::program::Index;
use crate::types::{Entity, Type};

/// `1/√n Σ_i x_i`: of independent rows of one variance, the result has that variance, however many they are. It tells how many
/// there are, as a sum does, and grows slower.
///
/// Paper: Schneckenreiter et al. 2024, "GNN-VPA: A Variance-Preserving Aggregation Strategy for Graph Neural Networks".
/// PyG: `torch_geometric.nn.VariancePreservingAggregation`.
///
/// # Shapes
/// - `x`: nodes, clusters or slots, `F` features
/// - result: one vector per graph, `F` features; a graph without rows gives 0
///
/// # Errors
/// `levels::needs_rows` if the value is already one vector per graph.
#[derive(Debug)]
pub struct VariancePreserving;

impl Operator for VariancePreserving {
    fn name(&self) -> &'static str {
        "variance_preserving"
    }
    fn family(&self) -> Family {
        Family::Readout
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Adds up the rows of each graph and divides by the root of their number.",
            formula: "1/√n Σ_i x_i",
            paper: "Schneckenreiter et al. 2024, \"GNN-VPA: A Variance-Preserving Aggregation Strategy for Graph Neural Networks\"",
            example: "gin(32) -> relu -> variance_preserving -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        &[]
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        if cx.inputs[0].entity == Entity::Graph {
            return Err(levels::needs_rows(cx));
        }
        Ok(one_row(cx))
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let n = cx.b.count(Index::Graph).at_least(1.0);
        Some(Outcome::graphs(cx.x().sum(Index::Graph).div_rows(n.sqrt())))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.VariancePreservingAggregation",
            weights: &[],
            arguments: &[],
            note: "",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Readout(Gather::Sum)
    }
}
