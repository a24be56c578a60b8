//! Values of the edges that pairs of nodes are, for decoders of tasks on edges.

use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::findings::{levels, symmetry};
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Ports, Pyg, WidthRule};
use crate::types::{Dim, Entity, Level, Size, Type};

/// The rows of a value of the edges at the pairs that a task on edges asks about: the row of the edge, and of an edge that stands for
/// its reverse too the mean of both. No file writes it: the compiler puts it between a value and a decoder.
///
/// # Shapes
/// - port 0: `edges[E, F]`, of the input graph
/// - port 1: `nodes[N, …]`, of which nothing is read but that they are the ends
/// - result: `pairs[P, F]`
#[derive(Debug)]
pub struct EdgesOfPairs;

impl Operator for EdgesOfPairs {
    fn name(&self) -> &'static str {
        "edges_of_pairs"
    }
    fn family(&self) -> Family {
        Family::Structure
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "The values of the edges that are asked about.",
            formula: "e_ij of the pairs (i, j)",
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
        let is_of_input = |ty: &Type, entity| ty.entity == entity && ty.level == Level(0);
        if !is_of_input(values, Entity::Edges) || !is_of_input(nodes, Entity::Nodes) {
            return Err(levels::mixed_levels(cx, 1));
        }
        let rows = Dim::new(Size::Symbol("P"), None, "the pairs that the task asks about");
        Ok(Type { entity: Entity::Pairs, rows, symmetry: symmetry::kept(cx), ..values.clone() })
    }

    fn program<'b>(&self, _: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        None
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "", weights: &[], arguments: &[], note: "" }
    }
    fn action(&self, _: &Args) -> Action {
        Action::EdgesOfPairs
    }
}
