//! Values of the edges that a selection leaves, or that edges become by a contraction.

use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::findings::{levels, symmetry};
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Ports, Pyg, WidthRule};
use crate::types::{Dim, Entity, Size, Type};

/// The rows of a value of the edges whose edges are left after a selection (`topk`), or their sums over those that became one
/// by a contraction (`edge_pool`). No file writes it: the compiler puts it between a value and a stage below the pooling.
///
/// # Shapes
/// - port 0: `edges[E, F]` or `kinds[E, R]`, of the graph that was pooled
/// - port 1: `nodes[N', …]`, the nodes of the pooling, of which only the graph is read
/// - result: `edges[E', F]`, a row for each entry of that graph's adjacency in its order
#[derive(Debug)]
pub struct RemainingEdges;

impl Operator for RemainingEdges {
    fn name(&self) -> &'static str {
        "remaining_edges"
    }
    fn family(&self) -> Family {
        Family::Structure
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "The values of the edges that a selection leaves.",
            formula: "e_ij of i, j kept",
            paper: "",
            example: "",
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
        let (values, nodes) = (cx.inputs[0], cx.inputs[1]);
        // The compiler puts it at its place; a damaged canonical form may not.
        let is_selected = nodes.entity == Entity::Nodes && values.level <= nodes.level;
        if !values.entity.is_of_edges() || !is_selected {
            return Err(levels::mixed_levels(cx, 1));
        }
        let rows = Dim::new(Size::Symbol("E'"), None, "the edges between selected nodes");
        Ok(Type { level: nodes.level, rows, symmetry: symmetry::kept(cx), ..values.clone() })
    }

    fn program<'b>(&self, _: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        None
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.pool.connect.FilterEdges",
            weights: &[],
            arguments: &[],
            note: "its `edge_attr`; `TopKPooling` calls it",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::RemainingEdges
    }
}
