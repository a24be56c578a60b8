//! Arguments: what a call takes, what it was given, and what cannot matter where it stands.

use super::elsewhere::written;
use super::names::{did_you_mean, suggested};
use crate::args::{ArgKind, ArgSpec, Default, EdgeValue, words_list};
use crate::diagnostic::Diagnostic;
use crate::settings::catalogue;
use crate::source::Span;
use crate::syntax::ast::{Expr, Given};

/// `repeat(1, …)`, which is the pipeline itself. `whole` is the call, `times` its number and `stages` its pipeline.
pub fn repeat_once(whole: Span, times: Span, stages: Span) -> Diagnostic {
    Diagnostic::error("args::no_effect", "`repeat` has no effect here: it puts the pipeline in once")
        .label(times, "once is no repetition")
        .help("write the pipeline alone, or a larger number")
        .fix(Span { end: stages.start, ..whole }, "")
        .fix(Span { start: stages.end, ..whole }, "")
}

/// `sage(64, agregate = mean)`
pub fn unknown(callee: &str, noun: &str, given: &str, place: Span, known: &[&str]) -> Diagnostic {
    let finding = Diagnostic::error("args::unknown", format!("`{callee}` has no {noun} `{given}`"));
    let all = if known.is_empty() {
        format!("`{callee}` takes no {noun}s")
    } else {
        format!("`{callee}` takes {}", words_list(known))
    };
    suggested(finding, place, did_you_mean(given, known.iter().copied()), &format!("no such {noun}"), &all)
}

/// A value without a name after one with a name.
pub fn positional_after_named(
    callee: &str,
    (place, value): (Span, &Expr),
    name: &str,
    name_place: Span,
) -> Diagnostic {
    Diagnostic::error(
        "args::positional_after_named",
        format!("in `{callee}(…)`, values without a name have to come first"),
    )
    .label(place, "this one has no name")
    .label(name_place, format!("`{name}` is named before it"))
    .help("move it to the front, or name it")
    .guess(place, "")
    .guess(Span { end: name_place.start, ..name_place }, format!("{}, ", written(value)))
}

/// More values without a name than the callable takes; `place` is the first of them.
pub fn too_many(callee: &str, places: &[Span], positional: &[&str], named: &[&str]) -> Diagnostic {
    let takes = match positional {
        [] => "none".to_owned(),
        [one] => format!("only `{one}`"),
        more => format!("only {}", words_list(more)),
    };
    let finding =
        Diagnostic::error("args::too_many", format!("`{callee}` has too many values without a name"))
            .label(places[0], format!("of its arguments, {takes} may be given without a name"));
    let finding = match named {
        [] => finding.help("leave it out"),
        [one] => finding.help(format!("leave it out, or name it: `{one} = …`")),
        more => finding
            .help(format!("leave it out, or name it: {} are written with their names", words_list(more))),
    };
    places.iter().fold(finding, |finding, place| finding.guess(*place, ""))
}

/// The same argument twice.
pub fn duplicate(callee: &str, noun: &str, name: &str, place: Span, first: Span) -> Diagnostic {
    Diagnostic::error("args::duplicate", format!("the {noun} `{name}` of `{callee}` is given twice"))
        .label(place, "given again here")
        .label(first, "given here first")
        .help("leave one of them out")
        .guess(place, "")
}

/// An argument that has to be written is not. `call` is a whole call that has everything, where one is known.
/// `whole` is the place of a call without any argument.
pub fn missing(
    callee: &str,
    noun: &str,
    place: Span,
    spec: &ArgSpec,
    call: Option<&str>,
    whole: Option<Span>,
) -> Diagnostic {
    debug_assert!(spec.default == Default::Required, "only what has no default can be missing");
    let value = example(spec);
    let written = if spec.positional { value } else { format!("{} = {value}", spec.name) };
    let text = call.map_or_else(|| format!("{callee}({written})"), str::to_owned);
    let finding = missing_value(callee, noun, spec.name, place, &text);
    match whole {
        Some(whole) => finding.guess(whole, text),
        None => finding,
    }
}

/// A value as a file writes it.
pub fn text_of(value: &Expr) -> String {
    written(value)
}

/// A value that the argument usually has, as a file writes it; `None` where there is none to write down.
pub fn usual(spec: &ArgSpec) -> Option<String> {
    Some(match (spec.kind, spec.default) {
        (ArgKind::Text | ArgKind::Call(_) | ArgKind::Pipeline { .. } | ArgKind::Edges(_), _) => return None,
        (_, Default::Int(value)) => value.to_string(),
        (_, Default::Float(value)) => value.to_string(),
        (_, Default::Bool(value)) => value.to_string(),
        (_, Default::Choice(word)) => word.to_owned(),
        _ => example(spec),
    })
}

/// A call with the arguments that were given, and all those that are missed, by their names.
pub fn completed(callee: &str, given: &[Given], missing: &[&ArgSpec]) -> String {
    let given = given.iter().map(|arg| match arg.name {
        Some(name) => format!("{} = {}", name.text, written(arg.value)),
        None => written(arg.value),
    });
    let missing = missing.iter().map(|spec| format!("{} = {}", spec.name, example(spec)));
    format!("{callee}({})", given.chain(missing).collect::<Vec<_>>().join(", "))
}

/// A value that the argument takes, as a file writes it.
pub fn example(spec: &ArgSpec) -> String {
    match spec.kind {
        ArgKind::Int { min, max } => 64.clamp(min, max).to_string(),
        ArgKind::Float(range) if range.contains(0.5) => "0.5".into(),
        ArgKind::Float(range) => format!("{}", if range.min.is_finite() { range.min + 1.0 } else { 0.0 }),
        ArgKind::Bool => "true".into(),
        ArgKind::Text => "\"…\"".into(),
        ArgKind::Choice(words)
        | ArgKind::Words(words)
        | ArgKind::CallList { words, .. }
        | ArgKind::WordOrNumbers { words, .. } => words.first().copied().unwrap_or("…").into(),
        ArgKind::IntList { .. } => "[64]".into(),
        ArgKind::Ints { min, max, .. } => 64.clamp(min, max).to_string(),
        ArgKind::Floats { range, .. } if range.contains(0.5) => "0.5".into(),
        ArgKind::Floats { range, .. } => {
            format!("{}", if range.min.is_finite() { range.min + 1.0 } else { 0.0 })
        }
        ArgKind::ChoiceList(words) => format!("[{}]", words.first().copied().unwrap_or("…")),
        ArgKind::Pipeline { .. } => "gcn(64) -> relu".into(),
        // However many columns the edges have.
        ArgKind::Edges(EdgeValue::Weight) => "edges -> linear(1) -> sigmoid".into(),
        ArgKind::Edges(of) => of.example().into(),
        ArgKind::Call(kind) => {
            let first = catalogue(kind).first();
            first.map_or("…", |spec| spec.name).into()
        }
    }
}

/// As [`missing`], for the parameter of a block. `call` shows how it is given.
pub fn missing_value(callee: &str, noun: &str, name: &str, place: Span, call: &str) -> Diagnostic {
    Diagnostic::error("args::missing", format!("`{callee}` needs the {noun} `{name}`"))
        .label(place, format!("`{name}` is not given"))
        .help(format!("for example `{call}`"))
}

/// A plain value where a call of a catalogue is expected (`early_stop = 5`). `meant` is the only call that takes such a
/// value, and `written` the value as a file writes it.
pub fn not_a_call(
    kind: &'static str,
    got: &str,
    meant: Option<&str>,
    written: Option<String>,
    place: Span,
) -> Diagnostic {
    let finding = wrong_kind(&format!("`{kind}`"), &ArgKind::Call(kind).expects(), got, place);
    match (meant, written) {
        (Some(name), Some(value)) => {
            let call = format!("{name}({value})");
            finding.help(format!("write `{kind} = {call}`; see `hgnnc ops {kind}`")).fix(place, call)
        }
        _ => {
            let example = catalogue(kind).first().map_or("", |spec| spec.example);
            finding
                .help(format!("for example `{kind} = {example}`; see `hgnnc ops {kind}`"))
                .guess(place, example)
        }
    }
}

/// A value of another kind. `what` is quoted already: "`out` of `sage`".
pub fn wrong_kind(what: &str, expects: &str, got: &str, place: Span) -> Diagnostic {
    Diagnostic::error("args::wrong_kind", format!("{what} expects {expects}, but gets {got}"))
        .label(place, format!("this has to be {expects}"))
}

/// A word that is none of those allowed.
pub fn wrong_word(what: &str, given: &str, place: Span, words: &[&str]) -> Diagnostic {
    let finding = Diagnostic::error("args::wrong_word", format!("{what} cannot be `{given}`"));
    let all = format!("allowed: {}", words_list(words));
    suggested(finding, place, did_you_mean(given, words.iter().copied()), "no such choice", &all)
}

/// As [`wrong_word`], for a word of another library, with what it is here.
pub fn wrong_word_of(what: &str, given: &str, place: Span, words: &[&str], word: &str) -> Diagnostic {
    Diagnostic::error("args::wrong_word", format!("{what} cannot be `{given}`"))
        .label(place, format!("called `{word}` here"))
        .help(format!("write `{word}`; allowed: {}", words_list(words)))
        .fix(place, word)
}

/// The same word twice in a list.
pub fn twice_in_list(what: &str, word: &str, place: Span) -> Diagnostic {
    Diagnostic::error("args::duplicate", format!("`{word}` appears twice in {what}"))
        .label(place, "again here")
        .help("leave one of them out")
        .fix(place, "")
}

/// A word that stands for a whole list, in a list.
pub fn stands_alone(what: &str, word: &str, place: Span) -> Diagnostic {
    let finding =
        Diagnostic::error("args::wrong_word", format!("`{word}` stands alone in {what}, not in a list"))
            .label(place, "a list names each by itself");
    match word {
        "both" => finding.help("write `attributes, labels`").fix(place, "attributes, labels"),
        _ => finding.help("write `labels` or `attributes`, whichever the data has").guess(place, "labels"),
    }
}

/// A list without entries.
pub fn empty_list(what: &str, spec: &ArgSpec, place: Span) -> Diagnostic {
    let usual = usual(spec).unwrap_or_default();
    Diagnostic::error("args::out_of_range", format!("{what} has no entries, but needs at least one"))
        .label(place, "an empty list")
        .help(format!("leave it out for `{usual}`, or name what is wanted"))
        .guess(place, usual)
}

/// A number outside the range of its argument. `given` is what was written.
pub fn out_of_range(what: &str, given: f64, spec: &ArgSpec, place: Span) -> Diagnostic {
    let range = spec.kind.range().unwrap_or_default();
    // Widths and counts of other models are no advice: the nearest value is what comes closest to what was meant.
    let nearest = match spec.kind {
        // Once is no repetition.
        ArgKind::Int { .. } if what == "`n` of `repeat`" && given < 1.0 => "2".to_owned(),
        ArgKind::Int { min, .. } if given < min as f64 => min.to_string(),
        ArgKind::Int { max, .. } => max.to_string(),
        ArgKind::IntList { min, .. } if given < min as f64 => format!("[{min}]"),
        ArgKind::IntList { max, .. } => format!("[{max}]"),
        ArgKind::WordOrNumbers { range, .. } => format!("[{}]", range.near(given)),
        ArgKind::Ints { min, .. } if given < min as f64 => min.to_string(),
        ArgKind::Ints { max, .. } => max.to_string(),
        ArgKind::Floats { range, .. } => range.near(given).to_string(),
        ArgKind::Float(range) => match spec.default {
            Default::Float(usual) => usual.to_string(),
            _ => range.near(given).to_string(),
        },
        _ => example(spec),
    };
    // An element of a list has a place of its own.
    let is_list = matches!(spec.kind, ArgKind::IntList { .. } | ArgKind::WordOrNumbers { .. });
    Diagnostic::error("args::out_of_range", format!("{what} is {given}, but has to be {range}"))
        .label(place, format!("has to be {range}"))
        .help(format!("for example `{} = {nearest}`", spec.name))
        .guess(place, if is_list { nearest.trim_matches(['[', ']']).to_owned() } else { nearest })
}

/// A list with too many entries.
pub fn too_long(what: &str, len: usize, max: usize, place: Span) -> Diagnostic {
    Diagnostic::error(
        "args::out_of_range",
        format!("{what} has {len} entries, but at most {max} are allowed"),
    )
    .label(place, format!("at most {max} entries"))
}

/// A number that is written larger than can be held exactly.
pub fn too_large(place: Span) -> Diagnostic {
    Diagnostic::error("args::arithmetic", "the number is too large")
        .label(place, "whole numbers go up to 2^53, others up to 1.8e308")
}

/// Arithmetic without a result.
pub fn arithmetic(message: &str, place: Span) -> Diagnostic {
    Diagnostic::error("args::arithmetic", message).label(place, "this has no value")
}

/// Something that is no operator, block or named value stands where a stage is expected.
pub fn not_a_stage(got: &str, place: Span) -> Diagnostic {
    Diagnostic::error("args::not_a_stage", format!("a stage of a pipeline cannot be {got}"))
        .label(place, "an operator, a block or a named value is expected here")
}

/// Arguments for something that takes none. `what` says what it is: "a pipeline".
pub fn takes_none(name: &str, what: &str, place: Span) -> Diagnostic {
    Diagnostic::error("args::too_many", format!("`{name}` is {what} and takes no arguments"))
        .label(place, "not expected here")
        .help(format!("write `{name}` alone"))
        .fix(place, "")
}

/// `concat(a)`: fewer branches than the operator combines.
pub fn too_few_branches(name: &str, given: &[Span], least: usize, place: Span) -> Diagnostic {
    let finding = Diagnostic::error(
        "args::missing",
        format!("`{name}` combines at least {least} branches, but gets {}", given.len()),
    )
    .label(place, "branches are missing")
    .help(format!("for example `{name}(mean, max)`; `identity` is the value itself"));
    match given {
        // A branch alone is a pipeline.
        [only] if place.start < only.start && only.end < place.end => {
            finding.guess(Span { end: only.start, ..place }, "").guess(Span { start: only.end, ..place }, "")
        }
        _ => finding,
    }
}
