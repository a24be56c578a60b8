//! Arguments in words: kinds with their ranges, and defaults, as `hgnnc ops` and `hgnnc show` print them.

use crate::args::{ArgKind, ArgSpec, ArgValue, BoundCall, Default, EdgeValue, Range};

/// `whole number, 1 to 4096`
pub fn kind(kind: &ArgKind) -> String {
    let int_range = |min: i64, max: i64| match (min, max) {
        (i64::MIN, i64::MAX) => String::new(),
        (min, i64::MAX) => format!(", {min} or more"),
        (min, max) => format!(", {min} to {max}"),
    };
    match *kind {
        ArgKind::Int { min, max } => format!("whole number{}", int_range(min, max)),
        ArgKind::Float(range) => format!("number in {}", real_range(range)),
        ArgKind::Bool => "true or false".to_owned(),
        ArgKind::Text => "text in quotes".to_owned(),
        ArgKind::Choice(words) => format!("one of {}", words.join(", ")),
        ArgKind::IntList { min, max, max_len } => {
            format!("list of whole numbers{}, at most {max_len} of them", int_range(min, max))
        }
        ArgKind::WordOrNumbers { words, range, .. } => {
            format!("one of {}, or a list of numbers in {}", words.join(", "), real_range(range))
        }
        ArgKind::Ints { min, max, max_len } => {
            format!("whole number{}, or a list of at most {max_len} of them", int_range(min, max))
        }
        ArgKind::Floats { range, max_len } => {
            format!("number in {}, or a list of at most {max_len} of them", real_range(range))
        }
        ArgKind::ChoiceList(words) => format!("list of any of {}", words.join(", ")),
        ArgKind::Words(words) => format!("one of {}, or a list of them", words.join(", ")),
        ArgKind::Pipeline { .. } => "pipeline".to_owned(),
        ArgKind::Edges(EdgeValue::Features) => "edge values".to_owned(),
        ArgKind::Edges(EdgeValue::Weight) => "edge values, one for each edge".to_owned(),
        ArgKind::Edges(EdgeValue::Kind) => "edge kinds".to_owned(),
        ArgKind::Call(catalogue) => format!("{} (see `hgnnc ops`)", catalogue.replace('_', " ")),
        ArgKind::CallList { words, catalogue } => {
            format!("one of {}, or a list of {catalogue}s (see `hgnnc ops {catalogue}`)", words.join(", "))
        }
    }
}

/// `(0, 1]`
fn real_range(range: Range) -> String {
    let bound = |value: f64| match value {
        f64::INFINITY => "∞".to_owned(),
        f64::NEG_INFINITY => "-∞".to_owned(),
        value => real(value),
    };
    format!(
        "{}{}, {}{}",
        if range.min_open || range.min.is_infinite() { '(' } else { '[' },
        bound(range.min),
        bound(range.max),
        if range.max_open || range.max.is_infinite() { ')' } else { ']' },
    )
}

/// `64`, `required`, `inferred from the task`
pub fn default(spec: &ArgSpec) -> String {
    match spec.default {
        Default::Required => "required".to_owned(),
        Default::Inferred(words) => words.to_owned(),
        Default::Int(value) => value.to_string(),
        Default::Float(value) => real(value),
        Default::Bool(value) => value.to_string(),
        Default::Choice(word) => word.to_owned(),
        Default::IntList(list) => list_of(list.iter().map(i64::to_string)),
        Default::FloatList(list) => list_of(list.iter().map(|value| real(*value))),
        Default::ChoiceList(list) => list_of(list.iter().map(|word| (*word).to_owned())),
        Default::Source(text) => text.to_owned(),
    }
}

/// A real number as a file would have it: `0.25`, `1e-8`.
pub fn real(value: f64) -> String {
    if value != 0.0 && !(1e-3..1e6).contains(&value.abs()) { format!("{value:e}") } else { value.to_string() }
}

fn list_of(parts: impl Iterator<Item = String>) -> String {
    format!("[{}]", parts.collect::<Vec<_>>().join(", "))
}

/// A bound value as a file would write it; `spec` gives the words for what is absent.
pub fn value(value: &ArgValue, spec: Option<&ArgSpec>) -> String {
    match value {
        ArgValue::Int(value) => value.to_string(),
        ArgValue::Float(value) => real(*value),
        ArgValue::Bool(value) => value.to_string(),
        ArgValue::Text(text) => format!("{text:?}"),
        ArgValue::Choice(word) => (*word).to_owned(),
        ArgValue::IntList(list) => list_of(list.iter().map(i64::to_string)),
        ArgValue::FloatList(list) => list_of(list.iter().map(|&number| real(number))),
        ArgValue::ChoiceList(list) => list_of(list.iter().map(|word| (*word).to_owned())),
        ArgValue::Pipeline => "its own pipeline".to_owned(),
        ArgValue::Call(call) => self::call(call),
        ArgValue::Calls(calls) => list_of(calls.iter().map(self::call)),
        ArgValue::Absent => spec.map_or_else(|| "not set".to_owned(), default),
    }
}

/// A bound call with every argument that has a value: `adam(lr = 0.001, weight_decay = 0)`.
pub fn call(call: &BoundCall) -> String {
    let args = call.args.0.iter().filter(|arg| arg.value != ArgValue::Absent);
    let args: Vec<_> = args.map(|arg| format!("{} = {}", arg.name, value(&arg.value, None))).collect();
    if args.is_empty() { call.name.to_owned() } else { format!("{}({})", call.name, args.join(", ")) }
}

/// The argument as data.
pub fn json(spec: &ArgSpec) -> serde_json::Value {
    serde_json::json!({
        "name": spec.name,
        "kind": kind(&spec.kind),
        "default": default(spec),
        "required": spec.default == Default::Required,
        "positional": spec.positional,
        "doc": spec.doc,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_read_like_the_literature() {
        for (range, expected) in [
            (Range::open_closed(0.0, 1.0), "(0, 1]"),
            (Range::closed(0.0, f64::INFINITY), "[0, ∞)"),
            (Range::open_closed(1e-8, 0.5), "(1e-8, 0.5]"),
            (Range::open(f64::NEG_INFINITY, f64::INFINITY), "(-∞, ∞)"),
        ] {
            assert_eq!(real_range(range), expected);
        }
    }
}
