//! The model's input.

use crate::args::{ArgSpec, Args};
use crate::diagnostic::{Diagnostic, count};
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Ports, Pyg, WidthRule};
use crate::types::{Dim, Entity, Level, Size, Symmetry, Type};

/// Features of the nodes of the input graph: `x`. Stands first in every model and is not written.
///
/// # Shapes
/// - result: `nodes[N, F]`, `F` the width of the data's node features
#[derive(Debug)]
pub struct Input;

/// `: 3 node labels (0, 1, 2) and 8 Laplacian eigenvectors`, where there are several kinds of columns.
fn of_columns(data: &crate::types::DataFacts) -> String {
    match data.feature_columns.as_str() {
        "" => String::new(),
        columns => format!(": {columns}"),
    }
}

impl Operator for Input {
    fn name(&self) -> &'static str {
        "input"
    }
    fn family(&self) -> Family {
        Family::Input
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "The features of the input graph's nodes, where every model begins.",
            formula: "x",
            paper: "",
            example: "mean -> linear",
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
        let (rows, width) = match cx.data {
            Some(data) => (
                format!("{} has graphs of up to {}", data.name, count(data.max_nodes, "node")),
                Dim::new(
                    Size::Known(data.n_features),
                    None,
                    format!(
                        "{} has {} per node{}",
                        data.name,
                        count(data.n_features, "feature"),
                        of_columns(data)
                    ),
                ),
            ),
            None => (
                "the nodes of a graph".to_owned(),
                Dim::new(Size::Symbol("F"), None, "the width of the data's node features"),
            ),
        };
        Ok(Type {
            entity: Entity::Nodes,
            level: Level(0),
            rows: Dim::new(Size::Symbol("N"), None, rows),
            width,
            symmetry: Symmetry::Equivariant,
        })
    }

    fn program<'b>(&self, _: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        None
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "torch_geometric.data.Data", weights: &[], arguments: &[], note: "its `x`" }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Input
    }
}
