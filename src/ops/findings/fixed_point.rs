//! Pipelines that are repeated until nothing changes any more.

use crate::diagnostic::Diagnostic;
use crate::ops::InferCx;
use crate::source::Span;

/// The pipeline of a `fixed_point` makes other rows, or another width, than it is applied to.
pub fn changes_shape(cx: &InferCx) -> Diagnostic {
    let (state, result) = (cx.inputs[0], cx.inputs[1]);
    let finding = Diagnostic::error(
        "fixed_point::changes_shape",
        format!("`fixed_point` is applied to {state}, and its pipeline makes {result} of it"),
    )
    .label(cx.span, "what comes out is what goes in again, so both have to be alike");
    match (state.width.known(), result.width.known()) {
        (Some(own), Some(other)) if own != other => {
            finding.help(format!("let the pipeline end in {own} features, or put `linear({other})` in front"))
        }
        _ => finding.help("let the pipeline keep its rows and its width"),
    }
}

/// The pipeline does not read what it is applied to.
pub fn no_state(place: Span) -> Diagnostic {
    Diagnostic::error("fixed_point::nothing_to_find", "`fixed_point` finds nothing: its pipeline does not read its own result")
        .label(place, "the same after every step")
        .help("write the pipeline alone, or let it begin with the value that it is applied to: `add(gcn(32), first) -> tanh`")
}

/// The pipeline reads nothing but what it is applied to.
pub fn reads_nothing(place: Span) -> Diagnostic {
    Diagnostic::error(
        "fixed_point::forgets_input",
        "`fixed_point` forgets what it is applied to: a fixed point does not depend on where the steps begin",
    )
    .label(place, "this pipeline reads nothing but its own result")
    .help(
        "name the value in front and read it in every step: `linear(32) as first -> fixed_point(add(gcn(32), first) -> tanh)`",
    )
}

/// A stage inside of the pipeline cannot be repeated until nothing changes any more.
pub fn not_inside(name: &str, reason: &str, help: &str, place: Span, around: Span) -> Diagnostic {
    Diagnostic::error(
        "fixed_point::not_inside",
        format!("`{name}` cannot stand inside of `fixed_point`: {reason}"),
    )
    .label(place, "repeated until nothing changes any more")
    .label(around, "by this")
    .help(help)
}

/// `contraction` is asked for, and a stage has no bound.
pub fn no_bound(name: &str, place: Span, contraction: Span) -> Diagnostic {
    Diagnostic::error(
        "fixed_point::no_bound",
        format!("`contraction` cannot be kept: how much `{name}` takes two values apart is not known"),
    )
    .label(contraction, "asked for here")
    .label(place, "no bound is known for this one")
    .help(
        "of convolutions, those that take means or maxima have one, as `sage`; `linear`, `concat`, `add` and functions without \
         a slope above 1 have one too. Without `contraction` training reports whether the steps converge",
    )
}

/// `contraction` is asked for, and nothing inside has weights that could be kept small.
pub fn no_weights(contraction: Span) -> Diagnostic {
    Diagnostic::error(
        "fixed_point::no_bound",
        "`contraction` cannot be kept: there are no weights that could be kept small",
    )
    .label(contraction, "asked for here")
    .help("let the value go through a `linear` or a convolution with weights")
}
