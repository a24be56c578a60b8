//! `graph_size_norm`: divided by the root of the number of rows.

use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, WidthRule};
use crate::program::Index;
use crate::types::{Size, Type};

/// Divides every row by the root of the number of rows of its graph: `x_i / √n`. So sums over graphs grow as `√n`.
///
/// Paper: Dwivedi et al. 2023, "Benchmarking Graph Neural Networks", section 3.1.
/// PyG: `torch_geometric.nn.GraphSizeNorm`.
///
/// # Shapes
/// - result: as the input
///
/// # Errors
/// `levels::needs_rows` if the value is one vector per graph, which would stay as it is.
#[derive(Debug)]
pub struct GraphSizeNorm;

impl Operator for GraphSizeNorm {
    fn name(&self) -> &'static str {
        "graph_size_norm"
    }
    fn family(&self) -> Family {
        Family::Normalization
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Divides every row by the root of the number of rows of its graph.",
            formula: "x_i / √n",
            paper: "Dwivedi et al. 2023, \"Benchmarking Graph Neural Networks\"",
            example: "gin(32) -> graph_size_norm -> batch_norm -> relu -> sum -> linear",
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
        let n = cx.b.count(Index::Graph).at_least(1.0).sqrt().reciprocal().view(&[Size::Known(1)]);
        Some(Outcome::rows(cx.x() * n.gather(Index::Graph)))
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "torch_geometric.nn.GraphSizeNorm", weights: &[], arguments: &[], note: "" }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Exchange
    }
}
