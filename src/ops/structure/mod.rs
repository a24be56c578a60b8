//! Joining and passing on values.

pub mod add;
pub mod adversarial;
pub mod columns;
pub mod concat;
pub mod drop_edge;
pub mod fixed_point;
pub mod identity;

pub mod jump;
pub mod lift;
pub mod self_attention;
pub mod variational;
pub mod virtual_node;
pub mod wl;

use crate::ops::InferCx;
use crate::types::{Entity, Type};

/// The first port whose rows are not those of port 0.
fn first_on_another_level(cx: &InferCx) -> Option<usize> {
    let same_rows = |a: &Type, b: &Type| match (a.entity, b.entity) {
        (Entity::Graph, Entity::Graph) => true,
        // Slots come from a fixed order and have no edges: equal numbers of them go together.
        (Entity::Slots, Entity::Slots) => a.rows.size == b.rows.size,
        (a_entity, b_entity) => a_entity == b_entity && a.level == b.level,
    };
    (1..cx.inputs.len()).find(|&port| !same_rows(cx.inputs[0], cx.inputs[port]))
}
