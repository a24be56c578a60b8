//! Permutation symmetry as a type: how a stage changes the way its value moves with the node numbering.

use crate::ir::{Cause, Entity, Symmetry};
use crate::ops::InferCx;

/// The symmetry of a result whose rows are those of input 0 (`linear`, `gcn`, `add`): as input 0, unless
/// an input is poisoned already.
pub fn kept(cx: &InferCx) -> Symmetry {
    of_entity(cx, cx.inputs.first().map_or(Entity::Nodes, |ty| ty.entity))
}

/// The symmetry of a result on rows of `entity`, made without reading any order (`mean`, `diffpool`, `sort_pool`):
/// nodes move with the numbering, everything else does not move, and poison stays.
pub fn of_entity(cx: &InferCx, entity: Entity) -> Symmetry {
    if let Some(causes) = carried_poison(cx) {
        return Symmetry::Poisoned(causes);
    }
    match entity {
        Entity::Nodes | Entity::Edges => Symmetry::Equivariant,
        Entity::Clusters | Entity::Slots | Entity::Graph => Symmetry::Invariant,
    }
}

/// The symmetry of a result that depends on the order of the nodes. `text` is a sentence about this
/// operator: "`flatten` lays the nodes out in the order they are numbered".
pub fn reads_order(cx: &InferCx, text: impl Into<String>) -> Symmetry {
    let mut causes = carried_poison(cx).unwrap_or_default();
    causes.push(Cause { span: cx.span, text: text.into() });
    Symmetry::Poisoned(causes)
}

/// The causes that came in, with this stage added as one that passed them on.
fn carried_poison(cx: &InferCx) -> Option<Vec<Cause>> {
    let causes = cx.inputs.iter().find_map(|ty| match &ty.symmetry {
        Symmetry::Poisoned(causes) => Some(causes.clone()),
        Symmetry::Equivariant | Symmetry::Invariant => None,
    });
    causes
}
