//! Arguments that cannot hold together, or cannot matter where they stand.

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
        .fix(place(cx, arg), "")
}

/// A convolution inside `hetero` that cannot be computed relation by relation. `why` completes "… does not work inside `hetero`: ".
pub fn in_hetero(cx: &InferCx, why: &str, help: &str) -> Diagnostic {
    let message = format!("`{}` does not work inside `hetero`: {why}", cx.op.name());
    Diagnostic::error("args::does_not_fit", message).label(cx.span, "inside `hetero`").help(help)
}

/// Two arguments say the same thing in two ways (`k` and `ratio`).
pub fn conflict(cx: &InferCx, first: &str, second: &str) -> Diagnostic {
    Diagnostic::error("args::conflict", format!("`{}` takes `{first}` or `{second}`, not both", cx.op.name()))
        .label(place(cx, second), format!("`{second}` is given here"))
        .label(place(cx, first), format!("`{first}` is given here"))
        .help("leave one of them out")
        .guess(place(cx, second), "")
}

/// None of several arguments was written, one of which is needed.
pub fn needs_one_of(cx: &InferCx, names: &[&str], example: &str) -> Diagnostic {
    let list: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    let name = cx.op.name();
    let finding = Diagnostic::error("args::missing", format!("`{name}` needs {}", list.join(" or ")))
        .label(cx.span, "neither is given")
        .help(format!("for example `{name}({example})`"));
    with_argument(cx, finding, example)
}

/// A guess that gives the stage one more argument: in front of those that are written, or behind them where it has its
/// name (`ratio = 0.5`).
pub fn with_argument(cx: &InferCx, finding: Diagnostic, argument: &str) -> Diagnostic {
    let is_inside =
        |span: &Span| span.file == cx.span.file && cx.span.start < span.start && span.end < cx.span.end;
    let written = || cx.args.0.iter().filter_map(|arg| arg.span).filter(is_inside);
    let is_named = argument.contains('=');
    match (written().min(), written().max_by_key(|span| span.end)) {
        (Some(first), _) if !is_named => {
            finding.guess(Span { end: first.start, ..first }, format!("{argument}, "))
        }
        (_, Some(last)) => finding.guess(Span { start: last.end, ..last }, format!(", {argument}")),
        _ => finding.guess(cx.span, format!("{}({argument})", cx.op.name())),
    }
}

/// A value that is in range by itself but does not fit the rest (`heads = 3` of 64 channels).
/// `message` is the whole first line.
pub fn does_not_fit(cx: &InferCx, arg: &str, message: &str, help: &str) -> Diagnostic {
    Diagnostic::error("args::does_not_fit", message).label(place(cx, arg), "does not fit").help(help)
}
