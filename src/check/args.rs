//! Arguments that are right one by one but not together, or not here.

use crate::diagnostic::Diagnostic;
use crate::ops::InferCx;
use crate::source::Span;

/// Where argument `arg` was written; the stage where it was not.
pub fn place(cx: &InferCx, arg: &str) -> Span {
    cx.args.get(arg).and_then(|bound| bound.span).unwrap_or(cx.span)
}

/// An argument that was written but cannot matter here. `why` completes "… has no effect: ".
pub fn no_effect(cx: &InferCx, arg: &str, why: &str) -> Diagnostic {
    Diagnostic::error("args::no_effect", format!("`{arg}` of `{}` has no effect here: {why}", cx.op.name()))
        .label(place(cx, arg), "changes nothing")
        .help(format!("leave `{arg}` out"))
}

/// Two arguments say the same thing in two ways (`k` and `ratio`).
pub fn conflict(cx: &InferCx, first: &str, second: &str) -> Diagnostic {
    Diagnostic::error("args::conflict", format!("`{}` takes `{first}` or `{second}`, not both", cx.op.name()))
        .label(place(cx, second), format!("`{second}` is given here"))
        .label(place(cx, first), format!("`{first}` is given here"))
        .help("leave one of them out")
}

/// None of several arguments was written, one of which is needed.
pub fn needs_one_of(cx: &InferCx, names: &[&str], example: &str) -> Diagnostic {
    let list: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    let name = cx.op.name();
    Diagnostic::error("args::missing", format!("`{name}` needs {}", list.join(" or ")))
        .label(cx.span, "neither is given")
        .help(format!("for example `{name}({example})`"))
}

/// A value that is in range by itself but does not fit the rest (`heads = 3` of 64 channels).
/// `message` is the whole first line.
pub fn does_not_fit(cx: &InferCx, arg: &str, message: &str, help: &str) -> Diagnostic {
    Diagnostic::error("args::does_not_fit", message).label(place(cx, arg), "does not fit").help(help)
}
