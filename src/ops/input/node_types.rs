//! Types of the nodes.

use crate::args::{ArgSpec, Args};
use crate::diagnostic::{Diagnostic, count};
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Ports, Pyg, WidthRule};
use crate::types::{Dim, Entity, Level, Size, Symmetry, Type};

/// The type of each node of heterogeneous data, one column for each type: a one in that of the node, zeros elsewhere. A word of the
/// language, as `input` is.
///
/// # Shapes
/// - result: `nodes[N, T]`, `T` the types of nodes of the data
#[derive(Debug)]
pub struct NodeTypes;

impl Operator for NodeTypes {
    fn name(&self) -> &'static str {
        "node_types"
    }
    fn family(&self) -> Family {
        Family::Input
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "The types of the input graph's nodes, a column for each type.",
            formula: "t_i ∈ {0, 1}ᵀ, one of them 1",
            paper: "",
            example: "linear(32) -> hgt(32, type = node_types, relation = edge_labels, heads = 4) -> mean -> linear",
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
                let n = data.n_node_types();
                Dim::new(Size::Known(n), None, format!("{} has {}", data.name, count(n, "type of nodes")))
            }
            None => Dim::new(Size::Symbol("T"), None, "the types of nodes of the data"),
        };
        Ok(Type {
            entity: Entity::Nodes,
            level: Level(0),
            rows: Dim::new(Size::Symbol("N"), None, "the nodes of a graph"),
            width,
            symmetry: Symmetry::Equivariant,
        })
    }

    fn program<'b>(&self, _: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        None
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.data.HeteroData",
            weights: &[],
            arguments: &[],
            note: "`node_type` of its `to_homogeneous()`, one-hot",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Input
    }
}
