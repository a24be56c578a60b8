//! Widths fit: what a stage expects, what it gets, and where both numbers come from.

use crate::diagnostic::Diagnostic;
use crate::ops::InferCx;
use crate::source::Span;
use crate::types::{Dim, Size};

/// The width of the result of an operator whose width is the argument `arg`: the argument where it is
/// written, else the width asked of the operator by the task or a pooling.
///
/// # Errors
/// `shape::no_width` where there is neither.
pub fn output_width(cx: &InferCx, arg: &str) -> Result<Dim, Diagnostic> {
    match written_width(cx, arg) {
        Some(width) => Ok(width),
        None => cx.target.cloned().ok_or_else(|| no_width(cx)),
    }
}

/// The whole number of argument `arg` as a size that remembers its place; `None` where it is absent.
pub fn written_width(cx: &InferCx, arg: &str) -> Option<Dim> {
    let n = cx.args.opt_int(arg)?;
    let span = cx.args.get(arg).and_then(|bound| bound.span).unwrap_or(cx.span);
    Some(Dim::new(Size::Known(n.max(0) as usize), Some(span), format!("the {n} comes from here")))
}

/// `1 feature`, `64 features`, `⌈N/4⌉ features`
pub fn counted(size: &Size, noun: &str) -> String {
    format!("{size} {noun}{}", if size.known() == Some(1) { "" } else { "s" })
}

/// Whether two sizes differ for certain. Sizes that stay symbolic until data is known may still agree.
pub fn differ(a: &Size, b: &Size) -> bool {
    matches!((a.known(), b.known()), (Some(a), Some(b)) if a != b)
}

/// Rounds of a `repeat` are to share their weights and do not consist of the same stages.
pub fn rounds_differ(place: Span) -> Diagnostic {
    Diagnostic::error("shape::shared_weights", "the rounds of `repeat` cannot share weights: their stages differ")
        .label(place, "shared by all rounds")
        .help(
            "an assignment that is as wide as its clusters has no `linear` behind it, in one round and not in another; \
             write the `linear` out, or leave `share` out",
        )
}

/// A stage in a later round of a `repeat` needs a weight of another size than the one of the first round, whose stage
/// stands at `first`. `width` is what comes into the first round, where that is the reason.
pub fn shared_weights(
    name: &str,
    weight: &str,
    [own, first]: [String; 2],
    place: Span,
    shared_by: Option<Span>,
    width: Option<&Size>,
) -> Diagnostic {
    let finding = Diagnostic::error(
        "shape::shared_weights",
        format!("`{name}` cannot share its weights: the first round has a `{weight}` of {first}, the next one needs {own}"),
    )
    .label(place, "its input has another width in the first round than in the others");
    let finding = match shared_by {
        Some(shared_by) => finding.label(shared_by, "shared by all rounds"),
        None => finding,
    };
    match width {
        Some(width) => finding.help(format!(
            "put a stage that makes {width} features in front of the `repeat`: `linear({width}) -> repeat(…)`"
        )),
        None => finding.help("let the pipeline keep the width of what it is applied to"),
    }
}

/// `repeat(3, relu, share = true)`
pub fn nothing_shared(place: Span) -> Diagnostic {
    Diagnostic::error("args::no_effect", "`share` has no effect here: the pipeline has no weights")
        .label(place, "nothing to share")
        .help("leave it out")
        .guess(place, "")
}

/// An input of `cx.op` has another width than the one that is stated (`in = 64`). `help` says what to write.
pub fn width_mismatch(cx: &InferCx, port: usize, expected: &Dim, help: impl Into<String>) -> Diagnostic {
    let (name, got) = (cx.op.name(), &cx.inputs[port].width);
    let place = expected.origin.span.unwrap_or(cx.span);
    let mut finding = Diagnostic::error(
        "shape::width_mismatch",
        format!("`{name}` expects {}, but gets {}", counted(&expected.size, "feature"), got.size),
    )
    .label(place, format!("{} is asked for here", expected.size));
    finding = with_origin(finding, got, place);
    if cx.input_spans[port] != place && got.origin.span != Some(cx.input_spans[port]) {
        finding = finding.label(cx.input_spans[port], format!("this is {}", cx.inputs[port]));
    }
    let finding = finding.help(help);
    // A stated width is the one to give way.
    match expected.origin.span {
        Some(place) if cx.args.0.iter().any(|arg| arg.name == "in" && arg.span == Some(place)) => {
            finding.guess(place, "")
        }
        _ => finding,
    }
}

/// A weight of the edges with more than one column.
pub fn one_column(cx: &InferCx, arg: &str, port: usize, place: Span) -> Diagnostic {
    let width = &cx.inputs[port].width;
    let finding = Diagnostic::error(
        "shape::width_mismatch",
        format!(
            "`{arg}` of `{}` expects one number for each edge, but gets {}",
            cx.op.name(),
            cx.inputs[port]
        ),
    )
    .label(place, format!("this has {}", counted(&width.size, "column")));
    let finding = with_origin(finding, width, place);
    finding
        .help(format!("make one of them: `{arg} = edges -> linear(1) -> sigmoid`"))
        .guess(Span { start: place.end, ..place }, " -> linear(1) -> sigmoid")
}

/// A value of the rows with more than one feature, where each row is asked for one number.
pub fn one_number(cx: &InferCx, arg: &str, port: usize) -> Diagnostic {
    let (width, place) = (&cx.inputs[port].width, cx.input_spans[port]);
    let finding = Diagnostic::error(
        "shape::width_mismatch",
        format!(
            "`{arg}` of `{}` expects one number for each row, but gets {}",
            cx.op.name(),
            cx.inputs[port]
        ),
    )
    .label(place, format!("this has {}", counted(&width.size, "feature")));
    with_origin(finding, width, place)
        .help(format!(
            "make one of them, `-> linear(1) -> sigmoid`, or take one, `{arg} = input -> columns(0)`"
        ))
        .guess(Span { start: place.end, ..place }, " -> linear(1) -> sigmoid")
}

/// Inputs that are combined element by element (`add`, `residual`) have different widths.
/// `port` is the first that differs from port 0.
pub fn widths_differ(cx: &InferCx, port: usize) -> Diagnostic {
    let (first, other) = (&cx.inputs[0].width, &cx.inputs[port].width);
    let mut finding = Diagnostic::error(
        "shape::widths_differ",
        format!("`{}` adds values of different widths: {} and {}", cx.op.name(), first.size, other.size),
    )
    .label(cx.span, "the widths have to be the same");
    for port in [0, port] {
        let span = cx.input_spans[port];
        if span != cx.span {
            finding = finding.label(span, format!("this is {}", cx.inputs[port]));
        }
    }
    for dim in [first, other] {
        if dim.origin.span.is_none_or(|span| !cx.input_spans.contains(&span)) {
            finding = with_origin(finding, dim, cx.span);
        }
    }
    let finding = finding.help(format!(
        "give both the same width, or bring one to it with `-> linear({})`; `concat` joins different widths",
        first.size
    ));
    // A branch that ends here can be brought to the width.
    let end = cx.input_spans[port];
    let is_own = end.file == cx.span.file && cx.span.start < end.start && end.end < cx.span.end;
    match first.known() {
        Some(width) if is_own => {
            finding.guess(Span { start: end.end, ..end }, format!(" -> linear({width})"))
        }
        _ => finding,
    }
}

/// The width of the operator was left out, and neither the task nor a pooling asks for one here.
pub fn no_width(cx: &InferCx) -> Diagnostic {
    let name = cx.op.name();
    let finding = Diagnostic::error("shape::no_width", format!("`{name}` needs a width"))
        .label(
            cx.span,
            "the width cannot be inferred here: another stage after this one sets the output width",
        )
        .help(format!("write the width, for example `{name}(64)`"));
    super::args::with_argument(cx, finding, "64")
}

/// As [`no_width`] in a pipeline on edges, of which nothing infers a width. `argument` is the one that gets its result:
/// its name, and whether it takes one number for each edge.
pub fn no_width_on_edges(cx: &InferCx, argument: Option<(&str, bool)>) -> Diagnostic {
    let name = cx.op.name();
    let finding = Diagnostic::error("shape::no_width", format!("`{name}` needs a width"));
    let (finding, width) = match argument {
        Some((arg, true)) => (finding.label(cx.span, format!("`{arg}` takes one number for each edge")), "1"),
        _ => (finding.label(cx.span, "the width of a value of the edges is not inferred"), "64"),
    };
    let finding = finding.help(format!("write the width, for example `{name}({width})`"));
    super::args::with_argument(cx, finding, width)
}

/// No whole number for `out` gives the width that is asked for.
pub fn no_out(cx: &InferCx, name: &str, target: &Dim) -> Diagnostic {
    let finding = Diagnostic::error(
        "shape::no_width",
        format!("`out` of `{name}` is left out, and no value of it makes the result {} wide", target.size),
    )
    .label(cx.span, format!("a width of {} is asked for here", target.size))
    .help(format!("write `{name}(64)`, and behind it `-> linear`"));
    let finding = with_origin(finding, target, cx.span);
    let end = Span { start: cx.span.end, ..cx.span };
    super::args::with_argument(cx, finding, "64").guess(end, " -> linear")
}

/// A label at the place where a size comes from, unless the message points there already.
pub fn with_origin(finding: Diagnostic, dim: &Dim, place: Span) -> Diagnostic {
    match dim.origin.span {
        Some(span) if span != place && !finding.labels.iter().any(|label| label.span == span) => {
            finding.label(span, &*dim.origin.reason)
        }
        _ => finding,
    }
}

/// The model produces another number of values than the task needs.
pub fn wrong_output_width(place: Span, got: &Dim, outputs: &Dim) -> Diagnostic {
    let finding = Diagnostic::error(
        "shape::output_width",
        format!("the model produces {}, but the task needs {}", counted(&got.size, "value"), outputs.size),
    )
    .label(place, format!("the model ends here with {}", counted(&got.size, "value")));
    let finding = with_origin(finding, got, place);
    let reason = &outputs.origin.reason;
    let finding = finding.help(format!("{reason}; leave out the width that is written, and it is inferred"));
    match got.origin.span {
        Some(width) if width != place => finding.guess(width, ""),
        _ => finding,
    }
}

/// A width that no machine holds.
pub fn too_wide(place: Span, width: &Dim, max: usize) -> Diagnostic {
    let finding = Diagnostic::error(
        "shape::too_wide",
        format!("{} features are more than the limit of {max}", width.size),
    )
    .label(place, "the value becomes this wide here");
    with_origin(finding, width, place).help("make the stages before it narrower, or join fewer branches")
}

/// A width that adds up too many sizes that are not known without data.
pub fn too_many_terms(place: Span, width: &Dim, n_terms: usize, max: usize) -> Diagnostic {
    let finding = Diagnostic::error(
        "shape::too_wide",
        format!(
            "the width is a sum of {n_terms} sizes that are not known without data, and the limit is {max}"
        ),
    )
    .label(place, "the value becomes this wide here");
    with_origin(finding, width, place)
        .help("name the data with `data = …`, so that the sizes are numbers, or join fewer branches")
}
