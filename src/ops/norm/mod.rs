//! Normalisation of features.

pub mod batch_norm;
pub mod diff_group_norm;
pub mod graph_norm;
pub mod graph_size_norm;
pub mod instance_norm;
pub mod layer_norm;
pub mod mean_subtraction;
pub mod message_norm;
pub mod pair_norm;

use crate::diagnostic::Diagnostic;
use crate::ops::InferCx;
use crate::ops::findings::levels;
use crate::types::Entity;

/// What normalises over the rows of a graph needs more than one.
///
/// # Errors
/// `levels::needs_rows` where the value is one vector per graph.
fn has_rows(cx: &InferCx) -> Result<(), Diagnostic> {
    if cx.inputs[0].entity == Entity::Graph { Err(levels::needs_rows(cx)) } else { Ok(()) }
}
