//! A call's arguments against the specs of what is called.

use super::eval::{Evaluator, Value};
use super::scope::{Env, Thunk};
use crate::args::{ArgKind, ArgSpec, ArgValue, Args, BoundArg, BoundCall, CallSpec, Default, EdgeValue};
use crate::findings::{args as report, elsewhere, names};
use crate::migrate::renamed_argument;
use crate::settings::catalogue;
use crate::source::{FileId, SourceMap, Span};
use crate::syntax::ast::{Arg, Expr, ExprKind, Given, ItemKind};
use crate::syntax::quoted;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Mutex, OnceLock};

/// What is called, as messages name it.
#[derive(Debug, Clone, Copy)]
pub struct Callee<'a> {
    pub name: &'a str,
    /// Where a missing argument is missed.
    pub place: Span,
    /// "argument", or "key" for a section.
    pub noun: &'static str,
    /// Arguments without a name beyond the specs are branches (`concat(a, b)`).
    pub takes_branches: bool,
    /// A call with everything that has to be written.
    pub example: Option<&'a str>,
    /// The whole call, where it can be written anew.
    pub call: Option<Span>,
}

/// A pipeline given for an argument.
#[derive(Debug, Clone)]
pub struct Pipeline<'p> {
    pub arg: &'static str,
    pub port: usize,
    pub value: Thunk<'p>,
    /// It is the argument's default.
    pub is_default: bool,
    /// What is asked of the edges, where the argument takes their values.
    pub of_edges: Option<EdgeValue>,
}

/// The outcome: every spec has a value, the nearest usable one where what was written is wrong.
#[derive(Debug, Clone, std::default::Default)]
pub struct Bound<'p> {
    pub args: Args,
    pub pipelines: Vec<Pipeline<'p>>,
    pub branches: Vec<Thunk<'p>>,
    /// Arguments whose value stands in for one that was reported.
    pub broken: Vec<&'static str>,
}

/// Binds a call. Findings go to the evaluator.
pub fn bind<'p>(
    ev: &mut Evaluator<'p>,
    callee: Callee,
    specs: &'static [ArgSpec],
    given: &[Given<'p>],
    env: &Rc<Env<'p>>,
) -> Bound<'p> {
    let mut slots: Vec<Option<Given<'p>>> = vec![None; specs.len()];
    let mut bound = Bound::default();
    let mut after_name = None;
    let mut excess: Vec<Span> = Vec::new();
    let mut guessed_names = Vec::new();
    // A value without a place may belong to any argument that is inferred where it is absent.
    let mut is_value_lost = false;
    let foreign = foreign(ev, callee, specs, given);
    for arg in given {
        let place = ev.at(arg.span());
        let idx = match arg.name {
            Some(name) => {
                after_name.get_or_insert(name);
                let mut wanted = name.text.as_str();
                let name_place = ev.at(name.span);
                if let Some(rename) = renamed_argument(callee.name, wanted) {
                    ev.report(names::renamed(Some(callee.name), rename, name_place));
                    // The rest is checked as if it had been written.
                    wanted = rename.to;
                }
                if foreign.contains(&wanted) {
                    is_value_lost = true;
                    ev.touch(arg.value, env);
                    continue;
                }
                let Some(idx) = specs.iter().position(|spec| spec.name == wanted) else {
                    let known: Vec<_> = specs.iter().map(|spec| spec.name).collect();
                    guessed_names.extend(names::did_you_mean(&name.text, known.iter().copied()));
                    ev.report(report::unknown(callee.name, callee.noun, &name.text, name_place, &known));
                    is_value_lost = true;
                    ev.touch(arg.value, env);
                    continue;
                };
                idx
            }
            None if callee.takes_branches => {
                bound.branches.push(Thunk { expr: arg.value, env: env.clone() });
                continue;
            }
            None => {
                if let Some(name) = after_name {
                    let name_place = ev.at(name.span);
                    ev.report(report::positional_after_named(
                        callee.name,
                        (place, arg.value),
                        &name.text,
                        name_place,
                    ));
                    is_value_lost = true;
                    ev.touch(arg.value, env);
                    continue;
                }
                let n_before = slots.iter().filter(|slot| slot.is_some()).count();
                match specs.iter().enumerate().filter(|(_, spec)| spec.positional).nth(n_before) {
                    Some((idx, _)) => idx,
                    None => {
                        excess.push(place);
                        ev.touch(arg.value, env);
                        continue;
                    }
                }
            }
        };
        if let Some(first) = &slots[idx] {
            let first_place = ev.at(first.span());
            ev.report(report::duplicate(callee.name, callee.noun, specs[idx].name, place, first_place));
            ev.touch(arg.value, env);
            continue;
        }
        slots[idx] = Some(*arg);
    }

    if !excess.is_empty() {
        let names = |is_positional: bool| -> Vec<&str> {
            specs.iter().filter(|spec| spec.positional == is_positional).map(|spec| spec.name).collect()
        };
        ev.report(report::too_many(callee.name, &excess, &names(true), &names(false)));
    }
    let pairs = specs.iter().zip(&slots);
    let missing: Vec<&ArgSpec> = pairs
        .filter(|(spec, slot)| slot.is_none() && spec.default == Default::Required)
        .map(|(spec, _)| spec)
        .collect();
    for (idx, (spec, slot)) in specs.iter().zip(&slots).enumerate() {
        let (value, span) = match slot {
            Some(arg) => {
                let span = ev.at(arg.span());
                if let Some((port, of_edges)) = port_of(specs, idx) {
                    let value = Thunk { expr: arg.value, env: env.clone() };
                    bound.pipelines.push(Pipeline {
                        arg: spec.name,
                        port,
                        value,
                        is_default: false,
                        of_edges,
                    });
                    (ArgValue::Pipeline, Some(span))
                } else {
                    match convert(ev, callee, spec, arg.value, env) {
                        Some(value) => (value, Some(span)),
                        None => {
                            bound.broken.push(spec.name);
                            (stand_in(ev, spec), Some(span))
                        }
                    }
                }
            }
            None => {
                if spec.default == Default::Required {
                    if excess.is_empty()
                        && foreign.is_empty()
                        && !guessed_names.contains(&spec.name)
                        && names_come_last(given)
                    {
                        // What is given stays as it is.
                        let is_bare = given.is_empty() && (callee.example.is_some() || missing.len() < 2);
                        let own = (!is_bare && callee.noun == "argument")
                            .then(|| report::completed(callee.name, given, &missing));
                        let mut finding = report::missing(
                            callee.name,
                            callee.noun,
                            callee.place,
                            spec,
                            own.as_deref().or(callee.example),
                            callee.call.filter(|_| given.is_empty()),
                        );
                        if let (Some(last), None, "argument") = (given.last(), ev.place, callee.noun) {
                            let end = Span { start: last.span().end, ..last.span() };
                            finding =
                                finding.guess(end, format!(", {} = {}", spec.name, report::example(spec)));
                        }
                        ev.report(finding);
                    }
                    bound.broken.push(spec.name);
                    (stand_in(ev, spec), None)
                } else {
                    if is_value_lost && matches!(spec.default, Default::Inferred(_)) {
                        bound.broken.push(spec.name);
                    }
                    if let (ArgKind::Pipeline { port }, Default::Source(text)) = (spec.kind, spec.default) {
                        let value = Thunk { expr: one_source(text), env: env.clone() };
                        let pipeline =
                            Pipeline { arg: spec.name, port, value, is_default: true, of_edges: None };
                        bound.pipelines.push(pipeline);
                    }
                    (default_value(ev, spec), None)
                }
            }
        };
        bound.args.0.push(BoundArg { name: spec.name, value, span });
    }
    bound.pipelines.sort_by_key(|pipeline| pipeline.port);
    bound
}

/// The port of an argument whose value comes in through one, and what it asks of the edges: those of edges follow the
/// pipelines before them.
fn port_of(specs: &[ArgSpec], idx: usize) -> Option<(usize, Option<EdgeValue>)> {
    match specs[idx].kind {
        ArgKind::Pipeline { port } => Some((port, None)),
        ArgKind::Edges(of) => {
            let takes_port =
                |spec: &&ArgSpec| matches!(spec.kind, ArgKind::Pipeline { .. } | ArgKind::Edges(_));
            Some((1 + specs[..idx].iter().filter(takes_port).count(), Some(of)))
        }
        _ => None,
    }
}

/// Reports the arguments that go by the names of other libraries, and returns their names.
fn foreign<'p>(
    ev: &mut Evaluator<'p>,
    callee: Callee,
    specs: &'static [ArgSpec],
    given: &[Given<'p>],
) -> Vec<&'p str> {
    let is_known = |arg: &&Given| {
        arg.name.is_none_or(|name| {
            specs.iter().any(|spec| spec.name == name.text)
                || renamed_argument(callee.name, &name.text).is_some()
        })
    };
    if given.iter().all(|arg| is_known(&arg)) {
        return Vec::new();
    }
    let mut names = Vec::new();
    if callee.noun == "key" {
        let known: Vec<_> = specs.iter().map(|spec| spec.name).collect();
        let section = if callee.name == "train" { "train" } else { "evaluate" };
        for (places, finding) in elsewhere::entries(section, given, &known) {
            names.extend(places.iter().filter_map(|&idx| given[idx].name).map(|name| name.text.as_str()));
            ev.report(finding);
        }
    } else if let Some((found, finding)) = elsewhere::arguments(callee.name, specs, given, callee.call) {
        names.extend(found.iter().filter_map(|&idx| given[idx].name).map(|name| name.text.as_str()));
        ev.report(finding);
    }
    names
}

/// A value without its name that was refused for its place may be the one that is missing.
fn names_come_last(given: &[Given]) -> bool {
    let first_named = given.iter().position(|arg| arg.name.is_some()).unwrap_or(given.len());
    given[first_named..].iter().all(|arg| arg.name.is_some())
}

/// Binds a call of a catalogue: `adam(lr = 1e-3)`, or a name alone.
pub fn bind_call<'p>(
    ev: &mut Evaluator<'p>,
    kind: &'static str,
    expr: &'p Expr,
    env: &Rc<Env<'p>>,
) -> Option<BoundCall> {
    let value = ev.eval(expr, env);
    let (thunk, place) = match value {
        Value::Word { thunk, .. } | Value::Pipeline(thunk) => {
            let place = ev.at(thunk.expr.span);
            (thunk, place)
        }
        Value::Unknown | Value::Bad => return None,
        other => {
            let place = ev.at(expr.span);
            let got = (other.describe(), as_written(&other));
            ev.report(report::not_a_call(kind, &got.0, meant_call(kind, &other), got.1, place));
            return None;
        }
    };
    let (name, name_span, args): (&str, Span, &[Arg]) = match &thunk.expr.kind {
        ExprKind::Name(name) => (name, thunk.expr.span, &[]),
        ExprKind::Call(call) => (&call.callee.text, call.callee.span, &call.args),
        _ => {
            ev.report(report::wrong_kind(
                &format!("`{kind}`"),
                &ArgKind::Call(kind).expects(),
                "a pipeline",
                place,
            ));
            ev.touch(thunk.expr, &thunk.env);
            return None;
        }
    };
    if catalogue(kind).iter().all(|spec| spec.name != name) && ev.is_missing(thunk.env.file, name) {
        ev.touch(thunk.expr, &thunk.env);
        return None;
    }
    let Some(spec) = catalogue(kind).iter().find(|spec| spec.name == name) else {
        let known: Vec<_> = catalogue(kind).iter().map(|spec| spec.name).collect();
        let name_place = ev.at(name_span);
        let given: Vec<Given> = args.iter().map(Given::from).collect();
        let found = elsewhere::Found { name, place: name_place, call: Some((place, &given)), cut: None };
        ev.report(names::unknown_call(kind, found, &known));
        ev.touch(thunk.expr, &thunk.env);
        return None;
    };
    let given: Vec<Given> = args.iter().map(Given::from).collect();
    let example = Some(spec.example);
    let callee = Callee {
        name: spec.name,
        place,
        noun: "argument",
        takes_branches: false,
        example,
        call: Some(place),
    };
    let bound = bind(ev, callee, spec.args, &given, &thunk.env);
    Some(BoundCall { name: spec.name, args: bound.args, span: place })
}

/// The only call of a catalogue that takes this value without its name: `patience` for `early_stop = 5`.
fn meant_call(kind: &str, value: &Value) -> Option<&'static str> {
    let takes = |spec: &&&CallSpec| {
        let first = spec.args.iter().find(|arg| arg.positional);
        first.is_some_and(|arg| match (arg.kind, value) {
            (ArgKind::Int { min, max }, Value::Int(value)) => (min..=max).contains(value),
            (ArgKind::Float(range), Value::Float(value)) => range.contains(*value),
            (ArgKind::Text, Value::Text(_)) => true,
            _ => false,
        })
    };
    let mut meant = catalogue(kind).iter().filter(takes);
    match (meant.next(), meant.next()) {
        (Some(spec), None) => Some(spec.name),
        _ => None,
    }
}

/// A plain value as a file writes it; `None` for others.
fn as_written(value: &Value) -> Option<String> {
    match value {
        Value::Int(value) => Some(value.to_string()),
        Value::Float(value) => Some(value.to_string()),
        Value::Text(text) => Some(format!("{text:?}")),
        _ => None,
    }
}

pub(crate) fn convert<'p>(
    ev: &mut Evaluator<'p>,
    callee: Callee,
    spec: &ArgSpec,
    expr: &'p Expr,
    env: &Rc<Env<'p>>,
) -> Option<ArgValue> {
    if let ArgKind::Call(kind) = spec.kind {
        return bind_call(ev, kind, expr, env).map(ArgValue::Call);
    }
    let value = ev.eval(expr, env);
    // A value that comes through names is wrong where it is written.
    let place = ev.source_of(expr, env);
    if let ArgKind::CallList { words, catalogue } = spec.kind
        && !matches!(value, Value::Text(_))
    {
        return convert_calls(ev, (callee.name, spec), (words, catalogue), value, place);
    }
    let what = format!("`{}` of `{}`", spec.name, callee.name);
    match (&spec.kind, &value) {
        (_, Value::Unknown | Value::Bad) => None,
        (ArgKind::Int { min, max } | ArgKind::Ints { min, max, .. }, number) if whole(number).is_some() => {
            let value = whole(number)?;
            if (*min..=*max).contains(&value) {
                return Some(ArgValue::Int(value));
            }
            ev.report(report::out_of_range(&what, value as f64, spec, place));
            None
        }
        (ArgKind::Float(range) | ArgKind::Floats { range, .. }, Value::Int(_) | Value::Float(_)) => {
            let value = match value {
                Value::Int(value) => value as f64,
                Value::Float(value) => value,
                _ => return None,
            };
            if range.contains(value) {
                return Some(ArgValue::Float(value));
            }
            ev.report(report::out_of_range(&what, value, spec, place));
            None
        }
        (ArgKind::Bool, Value::Bool(value)) => Some(ArgValue::Bool(*value)),
        (ArgKind::Text, Value::Text(text)) => Some(ArgValue::Text((*text).to_owned())),
        (ArgKind::Text, Value::Word { text, thunk }) => {
            let place = ev.at(thunk.expr.span);
            ev.report(
                report::wrong_kind(&what, "a text in quotes", &format!("the word `{text}`"), place)
                    .help(format!("write \"{text}\""))
                    .fix(place, quoted(text)),
            );
            None
        }
        (
            ArgKind::Choice(words) | ArgKind::Words(words) | ArgKind::WordOrNumbers { words, .. },
            Value::Word { text, thunk },
        ) => {
            if !words.contains(text) && ev.is_missing(thunk.env.file, text) {
                return None;
            }
            let place = ev.at(thunk.expr.span);
            choose(ev, &what, text, words, place).map(ArgValue::Choice)
        }
        (
            ArgKind::Choice(words)
            | ArgKind::Words(words)
            | ArgKind::CallList { words, .. }
            | ArgKind::WordOrNumbers { words, .. },
            Value::Text(text),
        ) => {
            let expects = spec.kind.expects();
            let finding = report::wrong_kind(&what, &expects, &format!("the text \"{text}\""), place);
            ev.report(match words.iter().find(|word| *word == text) {
                Some(word) => finding.help(format!("write `{word}` without quotes")).fix(place, *word),
                None => match elsewhere::choice(text, words) {
                    Some(word) => finding.help(format!("write `{word}`")).fix(place, word),
                    None => finding,
                },
            });
            None
        }
        (
            ArgKind::IntList { min, max, max_len } | ArgKind::Ints { min, max, max_len },
            Value::List(items),
        ) => {
            if items.len() > *max_len {
                ev.report(report::too_long(&what, items.len(), *max_len, place));
                return None;
            }
            if items.is_empty() && matches!(spec.kind, ArgKind::Ints { .. }) {
                ev.report(report::empty_list(&what, spec, place));
                return None;
            }
            let mut list = Vec::with_capacity(items.len());
            let mut is_fine = true;
            for (item, span) in items.iter() {
                match (whole(item), item) {
                    (Some(value), _)
                        if list.contains(&value) && matches!(spec.kind, ArgKind::Ints { .. }) =>
                    {
                        ev.report(report::twice_in_list(&what, &value.to_string(), *span));
                        is_fine = false;
                    }
                    (Some(value), _) if (*min..=*max).contains(&value) => list.push(value),
                    (Some(value), _) => {
                        ev.report(report::out_of_range(&what, value as f64, spec, *span));
                        is_fine = false;
                    }
                    (None, Value::Unknown | Value::Bad) => is_fine = false,
                    (None, Value::Word { text, thunk }) => {
                        ev.report_word(text, thunk, "a whole number", &what);
                        is_fine = false;
                    }
                    (None, other) => {
                        ev.report(report::wrong_kind(&what, "whole numbers", &other.describe(), *span));
                        is_fine = false;
                    }
                }
            }
            is_fine.then_some(ArgValue::IntList(list))
        }
        (
            ArgKind::Floats { range, max_len } | ArgKind::WordOrNumbers { range, max_len, .. },
            Value::List(items),
        ) => {
            if items.len() > *max_len {
                ev.report(report::too_long(&what, items.len(), *max_len, place));
                return None;
            }
            if items.is_empty() && matches!(spec.kind, ArgKind::Floats { .. }) {
                ev.report(report::empty_list(&what, spec, place));
                return None;
            }
            let mut list = Vec::with_capacity(items.len());
            let mut is_fine = true;
            for (item, span) in items.iter() {
                let value = match item {
                    Value::Int(value) => *value as f64,
                    Value::Float(value) => *value,
                    Value::Unknown | Value::Bad => {
                        is_fine = false;
                        continue;
                    }
                    Value::Word { text, thunk } => {
                        ev.report_word(text, thunk, "a number", &what);
                        is_fine = false;
                        continue;
                    }
                    other => {
                        ev.report(report::wrong_kind(&what, "numbers", &other.describe(), *span));
                        is_fine = false;
                        continue;
                    }
                };
                if list.contains(&value) && matches!(spec.kind, ArgKind::Floats { .. }) {
                    ev.report(report::twice_in_list(&what, &value.to_string(), *span));
                    is_fine = false;
                } else if range.contains(value) {
                    list.push(value);
                } else {
                    ev.report(report::out_of_range(&what, value, spec, *span));
                    is_fine = false;
                }
            }
            is_fine.then_some(ArgValue::FloatList(list))
        }
        (ArgKind::ChoiceList(words) | ArgKind::Words(words), Value::List(items)) => {
            let mut list: Vec<&'static str> = Vec::with_capacity(items.len());
            let mut is_fine = true;
            for (item, span) in items.iter() {
                match item {
                    Value::Word { text, .. } => match choose(ev, &what, text, words, *span) {
                        Some(word) if list.contains(&word) => {
                            ev.report(report::twice_in_list(&what, word, *span));
                            is_fine = false;
                        }
                        Some(word) => list.push(word),
                        None => is_fine = false,
                    },
                    Value::Unknown | Value::Bad => is_fine = false,
                    other => {
                        ev.report(report::wrong_kind(&what, "words", &other.describe(), *span));
                        is_fine = false;
                    }
                }
            }
            is_fine.then_some(ArgValue::ChoiceList(list))
        }
        (
            ArgKind::Bool,
            Value::Word { text: text @ ("True" | "False" | "TRUE" | "FALSE" | "yes" | "no"), thunk },
        ) => {
            let place = ev.at(thunk.expr.span);
            let word = if ["True", "TRUE", "yes"].contains(text) { "true" } else { "false" };
            let expects = spec.kind.expects();
            let finding = report::wrong_kind(&what, &expects, &format!("the word `{text}`"), place);
            ev.report(finding.help(format!("write `{word}`")).fix(place, word));
            None
        }
        (ArgKind::ChoiceList(words), Value::Word { text, thunk }) if words.contains(text) => {
            let place = ev.at(thunk.expr.span);
            let list = format!("[{text}]");
            let finding =
                report::wrong_kind(&what, &spec.kind.expects(), &format!("the word `{text}`"), place);
            ev.report(finding.help(format!("write `{list}`")).fix(place, list));
            None
        }
        (kind, Value::Word { text, thunk }) => {
            ev.report_word(text, thunk, &kind.expects(), &what);
            None
        }
        (kind, other) => {
            let mut finding = report::wrong_kind(&what, &kind.expects(), &other.describe(), place);
            if let (ArgKind::IntList { .. }, Value::Int(value)) = (kind, other) {
                finding = finding.help(format!("write `[{value}]`")).fix(place, format!("[{value}]"));
            }
            if let Some(text) = meant_value(kind, other) {
                finding = finding.help(format!("write `{text}`")).fix(place, text);
            }
            if let (None, Some(text)) = (&finding.help, nearest(spec, other)) {
                finding = finding.help(format!("for example `{} = {text}`", spec.name)).guess(place, text);
            }
            ev.report(finding);
            if let Value::Pipeline(thunk) = other {
                ev.touch(thunk.expr, &thunk.env);
            }
            None
        }
    }
}

/// A word of the argument's own, or calls of a catalogue, alone or in a list.
fn convert_calls<'p>(
    ev: &mut Evaluator<'p>,
    (callee, spec): (&str, &ArgSpec),
    (words, kind): (&'static [&'static str], &'static str),
    value: Value<'p>,
    place: Span,
) -> Option<ArgValue> {
    let what = format!("`{}` of `{callee}`", spec.name);
    let is_call = |name: &str| catalogue(kind).iter().any(|known| known.name == name);
    let (items, is_list) = match &value {
        Value::Unknown | Value::Bad => return None,
        Value::Word { text, .. } if words.contains(text) => {
            return words.iter().find(|word| *word == text).map(|word| ArgValue::Choice(word));
        }
        Value::List(items) if items.is_empty() => {
            ev.report(report::empty_list(&what, spec, place));
            return None;
        }
        Value::List(items) => (items.to_vec(), true),
        other => (vec![(other.clone(), place)], false),
    };
    // What an item that cannot stand there may be replaced by: a word that does not stand there already.
    let written: Vec<&str> = items
        .iter()
        .filter_map(|(item, _)| match item {
            Value::Word { text, .. } => Some(*text),
            _ => None,
        })
        .collect();
    let is_word = |name: &&str| catalogue(kind).iter().any(|known| known.example == *name);
    let free: Vec<&str> = crate::settings::choices(kind, callee)
        .into_iter()
        .filter(|name| is_word(name) && !written.contains(name))
        .collect();
    let instead = match is_list {
        true => free.first().copied().unwrap_or_default().to_owned(),
        false => format!("[{}]", free.iter().take(2).copied().collect::<Vec<_>>().join(", ")),
    };
    let mut calls: Vec<BoundCall> = Vec::with_capacity(items.len());
    let mut is_fine = true;
    for (item, span) in items {
        let call = match item {
            Value::Word { text, .. } if words.contains(&text) && !is_call(text) => {
                ev.report(report::stands_alone(&what, text, span));
                None
            }
            Value::Word { text, thunk } if !is_call(text) && !elsewhere::knows_call(kind, text) => {
                if !ev.is_missing(thunk.env.file, text) {
                    let mut all: Vec<&str> = if is_list { Vec::new() } else { words.to_vec() };
                    let others = crate::settings::choices(kind, callee).into_iter();
                    all.extend(others.filter(|name| is_list || !words.contains(name)));
                    ev.report(report::wrong_word(&what, text, ev.at(thunk.expr.span), &all));
                }
                None
            }
            Value::Pipeline(thunk) if matches!(thunk.expr.kind, ExprKind::Pipeline(_)) => {
                let finding = report::wrong_kind(&what, &spec.kind.expects(), "a pipeline", span);
                ev.report(finding.help(format!("for example `{instead}`")).guess(span, instead.clone()));
                ev.touch(thunk.expr, &thunk.env);
                None
            }
            Value::Word { thunk, .. } | Value::Pipeline(thunk) => bind_call(ev, kind, thunk.expr, &thunk.env),
            Value::Unknown | Value::Bad => None,
            other => {
                let expects = match is_list {
                    true => format!("{}s", crate::args::kind_in_words(kind)),
                    false => spec.kind.expects(),
                };
                let finding = report::wrong_kind(&what, &expects, &other.describe(), span);
                ev.report(finding.help(format!("for example `{instead}`")).guess(span, instead.clone()));
                None
            }
        };
        match call {
            Some(call) if calls.iter().any(|known| is_again(known, &call)) => {
                ev.report(report::twice_in_list(&what, call.name, call.span));
                is_fine = false;
            }
            Some(call) => calls.push(call),
            None => is_fine = false,
        }
    }
    is_fine.then(|| crate::settings::settled(kind, calls, words))
}

/// Whether a call gives what another one does, which is of the same name and of the same kind where it has kinds.
fn is_again(one: &BoundCall, other: &BoundCall) -> bool {
    let kind = |call: &BoundCall| call.args.get("kind").map(|arg| arg.value.clone());
    one.name == other.name && kind(one) == kind(other)
}

/// A value of the right kind that is near to what was written, else one that the argument usually has.
fn nearest(spec: &ArgSpec, value: &Value) -> Option<String> {
    match (spec.kind, value) {
        (ArgKind::Int { min, max }, Value::Float(value)) => {
            Some(value.round().clamp(min as f64, max as f64).to_string())
        }
        _ => report::usual(spec),
    }
}

/// What a value of another kind most likely means, as a file writes it: a number in quotes, 0 and 1 for words.
fn meant_value(kind: &ArgKind, value: &Value) -> Option<String> {
    match (kind, value) {
        (ArgKind::Bool, Value::Int(value @ (0 | 1))) => Some((*value == 1).to_string()),
        (ArgKind::Int { .. }, Value::Text(text)) => text.parse::<i64>().ok().map(|value| value.to_string()),
        (ArgKind::Float(_), Value::Text(text)) => {
            text.parse::<f64>().ok().filter(|value| value.is_finite()).map(|_| (*text).to_owned())
        }
        (ArgKind::Bool, Value::Text(text)) => {
            let text = text.to_lowercase();
            ["true", "false"].contains(&text.as_str()).then_some(text)
        }
        _ => None,
    }
}

fn choose(
    ev: &mut Evaluator,
    what: &str,
    text: &str,
    words: &'static [&'static str],
    place: Span,
) -> Option<&'static str> {
    let found = words.iter().find(|word| **word == text).copied();
    if found.is_none() {
        ev.report(match elsewhere::choice(text, words) {
            Some(word) => report::wrong_word_of(what, text, place, words, word),
            None => report::wrong_word(what, text, place, words),
        });
    }
    found
}

/// A whole number: also one that arithmetic made out of reals (`0.5 * 64`).
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Int(value) => Some(*value),
        Value::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => Some(*value as i64),
        _ => None,
    }
}

fn default_value(ev: &mut Evaluator, spec: &ArgSpec) -> ArgValue {
    match spec.default {
        Default::Required | Default::Inferred(_) => ArgValue::Absent,
        Default::Int(value) => ArgValue::Int(value),
        Default::Float(value) => ArgValue::Float(value),
        Default::Bool(value) => ArgValue::Bool(value),
        Default::Choice(word) => ArgValue::Choice(word),
        Default::IntList(list) => ArgValue::IntList(list.to_vec()),
        Default::FloatList(list) => ArgValue::FloatList(list.to_vec()),
        Default::ChoiceList(list) => ArgValue::ChoiceList(list.to_vec()),
        Default::Source(text) => match spec.kind {
            ArgKind::Call(kind) => {
                // The default reads no name of the user's file.
                let root = Env::root(FileId(u32::MAX));
                let before = ev.place.replace(ev.place.unwrap_or_default());
                let call = bind_call(ev, kind, one_source(text), &root);
                ev.place = before;
                call.map_or(ArgValue::Absent, |call| {
                    let mut call = call;
                    call.args.0.iter_mut().for_each(|arg| arg.span = None);
                    ArgValue::Call(call)
                })
            }
            // The default is an input of the node as well as one that was written.
            ArgKind::Pipeline { .. } => ArgValue::Pipeline,
            _ => ArgValue::Absent,
        },
    }
}

/// A usable value for an argument that is wrong or missing, so that checking can go on.
fn stand_in(ev: &mut Evaluator, spec: &ArgSpec) -> ArgValue {
    if spec.default != Default::Required {
        return default_value(ev, spec);
    }
    match spec.kind {
        ArgKind::Int { min, .. } | ArgKind::Ints { min, .. } => ArgValue::Int(min),
        ArgKind::Float(range) | ArgKind::Floats { range, .. } => {
            ArgValue::Float(match (range.min.is_finite(), range.max.is_finite()) {
                (true, true) => (range.min + range.max) / 2.0,
                (true, false) => range.min + 1.0,
                (false, true) => range.max - 1.0,
                (false, false) => 0.0,
            })
        }
        ArgKind::Bool => ArgValue::Bool(false),
        ArgKind::Text => ArgValue::Text(String::new()),
        ArgKind::Choice(words)
        | ArgKind::Words(words)
        | ArgKind::CallList { words, .. }
        | ArgKind::WordOrNumbers { words, .. } => {
            words.first().map_or(ArgValue::Absent, |word| ArgValue::Choice(word))
        }
        ArgKind::IntList { .. } => ArgValue::IntList(Vec::new()),
        ArgKind::ChoiceList(_) => ArgValue::ChoiceList(Vec::new()),
        ArgKind::Pipeline { .. } | ArgKind::Edges(_) | ArgKind::Call(_) => ArgValue::Absent,
    }
}

/// The expression of a default written as source text, parsed once for the whole process.
///
/// # Panics
/// Where the text is not one pipeline: a mistake in the catalogue, which a test finds.
pub fn one_source(text: &'static str) -> &'static Expr {
    static PARSED: OnceLock<Mutex<BTreeMap<&'static str, &'static Expr>>> = OnceLock::new();
    let mut parsed =
        PARSED.get_or_init(Mutex::default).lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    parsed.entry(text).or_insert_with(|| {
        let mut sources = SourceMap::default();
        let id = sources.add("default", text);
        let (file, _) = crate::syntax::parse(&sources, id);
        let value = file.items.into_iter().find_map(|item| match item.kind {
            ItemKind::Bare { value } => Some(value),
            _ => None,
        });
        // Defaults are few and live as long as the catalogue that they belong to.
        Box::leak(Box::new(value.unwrap_or_else(|| panic!("the default `{text}` is not a pipeline"))))
    })
}
