//! From rows of nodes to a row for each pair of them: the decoders of tasks on links and on edges.

pub mod bilinear;
pub mod conve;
pub mod inner_product;
pub mod pairs;
pub mod relational;

use crate::diagnostic::Diagnostic;
use crate::ops::InferCx;
use crate::ops::findings::{levels, symmetry};
use crate::types::{DataFacts, Dim, Entity, Level, Size, Type};

/// The pairs of the nodes that come in, with this width. `reads_order` says what is read of which end comes first, where it matters.
///
/// # Errors
/// `levels::needs_nodes` on anything but the nodes of the input graph.
fn pairs_of(cx: &InferCx, width: Dim, reads_order: Option<&str>) -> Result<Type, Diagnostic> {
    let input = cx.inputs[0];
    if input.entity != Entity::Nodes || input.level != Level(0) {
        return Err(levels::needs_nodes(cx));
    }
    let symmetry = match reads_order {
        // Of a link that leads nowhere, the numbering says which end is the first.
        Some(text) if cx.data.is_some_and(are_undirected) => symmetry::reads_order(cx, text),
        _ => symmetry::of_entity(cx, Entity::Pairs),
    };
    let rows = Dim::new(Size::Symbol("P"), None, "the pairs that the task asks about");
    Ok(Type { entity: Entity::Pairs, level: input.level, rows, width, symmetry })
}

/// Whether what is predicted leads nowhere: links of the data, or edges that stand for their reverses too.
fn are_undirected(data: &DataFacts) -> bool {
    match data.task {
        Some(task) if task.is_of_edges() => !data.has_directed_items,
        _ => data.n_links > 0 && !data.has_directed_links,
    }
}

/// One score a pair.
fn score(cx: &InferCx, reads_order: Option<&str>) -> Result<Type, Diagnostic> {
    let width = Dim::new(Size::Known(1), Some(cx.span), format!("`{}` is one score", cx.op.name()));
    pairs_of(cx, width, reads_order)
}
