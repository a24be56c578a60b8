//! What the edges carry.

use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::findings::shape;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Ports, Pyg, WidthRule};
use crate::types::{Dim, Entity, Level, Size, Symmetry, Type};

/// Features of the edges of the input graph: `e`. A word of the language, as `input` is: pipelines on edges begin with
/// it, and convolutions take their values as an argument.
///
/// # Shapes
/// - result: `edges[E, F_e]`, a row for each entry of the adjacency in its order, `F_e` the edge columns of the data
#[derive(Debug)]
pub struct Edges;

/// The size that stands for the edge columns while no data is known.
pub const COLUMNS: Size = Size::Symbol("F_e");

/// Rows of a value of the edges.
pub fn edge_rows() -> Dim {
    Dim::new(Size::Symbol("E"), None, "the edges of a graph")
}

impl Operator for Edges {
    fn name(&self) -> &'static str {
        "edges"
    }
    fn family(&self) -> Family {
        Family::Input
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "The features of the input graph's edges, where pipelines on edges begin.",
            formula: "e",
            paper: "",
            example: "gine(32, edge = edges -> linear(16) -> relu) -> relu -> sum -> linear",
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
                let columns = shape::counted(&Size::Known(data.edge_features), "edge column");
                Dim::new(Size::Known(data.edge_features), None, format!("{} has {columns}", data.name))
            }
            None => Dim::new(COLUMNS, None, "the edge columns of the data"),
        };
        Ok(Type {
            entity: Entity::Edges,
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
        Pyg { class: "torch_geometric.data.Data", weights: &[], arguments: &[], note: "its `edge_attr`" }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Input
    }
}
