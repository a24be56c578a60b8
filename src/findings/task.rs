//! What a file says about its task that cannot be right, whatever the model.

use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The loss of the task with a weight below zero would be made worse.
pub fn negative_loss(name: &str, weight: f64, place: Span) -> Diagnostic {
    Diagnostic::error(
        "task::negative_loss",
        format!("`{name}` has the weight {weight}: training would make it worse"),
    )
    .label(place, "this weight is negative")
    .help(format!("give it a weight above zero, or none: `{name}`"))
    .guess(place, name)
}
