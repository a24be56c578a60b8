//! `inner_product`: how alike two nodes are.

use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, WidthRule};
use crate::types::{Size, Type};

/// Score of a pair of nodes: `s_ij = h_i · h_j`.
///
/// Paper: Kipf and Welling 2016, "Variational Graph Auto-Encoders", eq. 2. PyG: `torch_geometric.nn.models.InnerProductDecoder`.
///
/// # Shapes
/// - `h`: `[N, F]`, nodes of the input graph
/// - result: `[P, 1]`, a row for each pair that the task asks about, logits
///
/// # Errors
/// `levels::needs_nodes` on clusters, slots and graph vectors.
#[derive(Debug)]
pub struct InnerProduct;

impl Operator for InnerProduct {
    fn name(&self) -> &'static str {
        "inner_product"
    }
    fn family(&self) -> Family {
        Family::Decoder
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Scores a pair of nodes by the inner product of their rows.",
            formula: "s_ij = h_i · h_j",
            paper: "Kipf and Welling 2016, \"Variational Graph Auto-Encoders\"",
            example: "task = link_prediction\nmodel = gcn(32) -> relu -> gcn(16) -> inner_product",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        &[]
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Computed
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        super::score(cx, None)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, e) = (cx.x(), cx.edges());
        Some(Outcome::pairs(e.source(x).dot(e.target(x)).view(&[Size::Known(1)])))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.models.InnerProductDecoder",
            weights: &[],
            arguments: &[],
            note: "Scores are logits: the loss and `predict` take the sigmoid.",
        }
    }
    fn is_linear_in_ends(&self) -> bool {
        true
    }
    fn action(&self, _: &Args) -> Action {
        Action::Decoder
    }
}
