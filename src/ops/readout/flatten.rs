//! `flatten`: the rows of each graph one after another.

use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::findings::{levels, shape, symmetry};
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Operator, Pyg, WidthRule};
use crate::program::composite::Composite;
use crate::types::{Dim, Entity, Level, Size, Type};

/// Lays the rows of each graph one after another into one vector: `[x_1 ∥ x_2 ∥ … ∥ x_k]`. Clusters and
/// slots stand in a fixed order, so nothing depends on the numbering; nodes do not, so their result is
/// poisoned and only the witness runs it, with zeros up to the largest graph.
///
/// PyG: `x.view(batch_size, -1)`.
///
/// # Shapes
/// - `x`: `clusters[k, F]` or `slots[k, F]`; `nodes[N, F]` makes a result that depends on the numbering
/// - result: `graph[k·F]`
///
/// # Errors
/// `levels::needs_rows` if the value is one vector per graph; `symmetry::…` where the result of flattened
/// nodes reaches the model's output.
#[derive(Debug)]
pub struct Flatten;

impl Operator for Flatten {
    fn name(&self) -> &'static str {
        "flatten"
    }
    fn family(&self) -> Family {
        Family::Readout
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Lays clusters or sorted rows of each graph one after another into one vector.",
            formula: "[x_1 ∥ x_2 ∥ … ∥ x_k]",
            paper: "",
            example: "gcn(32) -> relu -> sort_pool(8) -> flatten -> mlp",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        &[]
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Computed
    }

    fn infer(&self, cx: &InferCx) -> std::result::Result<Type, Diagnostic> {
        let input = cx.inputs[0];
        let rows = cx.with_data(&input.rows.size);
        let symmetry = match input.entity {
            Entity::Graph => return Err(levels::needs_rows(cx)),
            Entity::Clusters | Entity::Slots => symmetry::of_entity(cx, Entity::Graph),
            Entity::Nodes | Entity::Edges | Entity::EdgeKinds | Entity::Pairs => {
                let rows = if input.entity == Entity::Nodes { "nodes" } else { "edges" };
                symmetry::reads_order(
                    cx,
                    format!("`flatten` lays the {rows} out in the order they are numbered"),
                )
            }
        };
        let reason = format!(
            "`flatten` lays out {} of {}",
            shape::counted(&rows, "row"),
            shape::counted(&input.width.size, "feature")
        );
        Ok(Type {
            entity: Entity::Graph,
            level: Level(0),
            rows: Dim::new(Size::Known(1), Some(cx.span), "one vector per graph"),
            width: Dim::new(Size::product([rows, input.width.size.clone()]), Some(cx.span), reason),
            symmetry,
        })
    }

    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let width = cx.output.width.size.clone();
        Some(Outcome::graphs(cx.b.call(Composite::Flatten { width }, &[cx.x()])))
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "torch.Tensor.view", weights: &[], arguments: &[], note: "`x.view(batch_size, -1)`" }
    }

    fn action(&self, _: &Args) -> Action {
        Action::Readout(Gather::Ordered)
    }
}
