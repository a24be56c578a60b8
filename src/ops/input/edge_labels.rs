//! Of which kind the edges are.

use super::edges::edge_rows;
use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::findings::shape;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Ports, Pyg, WidthRule};
use crate::types::{Dim, Entity, Level, Size, Symmetry, Type};

/// The kind of each edge of the input graph, one of `R`: bonds of a molecule, relations of a knowledge base. It is no
/// number to compute with, so that its only use is as an argument that asks for kinds (`relation = edge_labels`).
///
/// # Shapes
/// - result: `kinds[E, R]`, the number of one of `R` kinds for each entry of the adjacency in its order
#[derive(Debug)]
pub struct EdgeLabels;

/// The size that stands for the number of kinds while no data is known.
pub const KINDS: Size = Size::Symbol("R");

impl Operator for EdgeLabels {
    fn name(&self) -> &'static str {
        "edge_labels"
    }
    fn family(&self) -> Family {
        Family::Input
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "The kind of each edge of the input graph, one of R.",
            formula: "r",
            paper: "",
            example: "rgcn(32, relation = edge_labels) -> relu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        &[]
    }
    fn ports(&self) -> Ports {
        Ports::None
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Computed
    }

    fn infer(&self, cx: &InferCx) -> std::result::Result<Type, Diagnostic> {
        let width = match cx.data {
            Some(data) => {
                let kinds = shape::counted(&Size::Known(data.edge_kinds), "kind");
                Dim::new(Size::Known(data.edge_kinds), None, format!("{} has {kinds} of edges", data.name))
            }
            None => Dim::new(KINDS, None, "the kinds of edges in the data"),
        };
        Ok(Type {
            entity: Entity::EdgeKinds,
            level: Level(0),
            rows: edge_rows(),
            width,
            symmetry: Symmetry::Equivariant,
        })
    }

    fn program<'b>(&self, _: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        None
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "torch_geometric.data.Data", weights: &[], arguments: &[], note: "its `edge_type`" }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Input
    }
}
