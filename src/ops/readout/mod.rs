//! From the rows of a graph to one vector, or to places in a fixed order.

pub mod attention;
pub mod attentional;
pub mod deep_sets;
pub mod degree_scaler;
pub mod flatten;
pub mod mem_pool;
pub mod multi;
pub mod multiset_transformer;
pub mod over_rows;
pub mod patchy_san;
pub mod power_mean;
pub mod quantile;
pub mod recurrent;
pub mod set2set;
pub mod set_transformer;
pub mod softmax_sum;
pub mod sort_pool;
pub mod variance_preserving;

use crate::ops::InferCx;
use crate::ops::findings::symmetry;
use crate::types::{Dim, Entity, Level, Size, Type};

/// One vector per graph, as wide as the input.
fn one_row(cx: &InferCx) -> Type {
    Type {
        entity: Entity::Graph,
        level: Level(0),
        rows: Dim::new(Size::Known(1), Some(cx.span), "one vector per graph"),
        width: cx.inputs[0].width.clone(),
        symmetry: symmetry::of_entity(cx, Entity::Graph),
    }
}
