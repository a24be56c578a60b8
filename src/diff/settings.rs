//! What changed beside the network: loss, data, training and evaluation, in words.

use super::view::{View, value_or_absence, value_words};
use super::{Change, Class, Kind};
use crate::args::{ArgSpec, ArgValue, Args, BoundCall};
use crate::diagnostic::count;
use crate::ir::canonical::Loss;
use crate::ops::loss::auxiliary::LEVEL;
use crate::plan::words;
use crate::settings::{EVALUATE_SECTION, TRAIN_SECTION, catalogue};

/// All changes of the settings, in the order of a file.
pub(super) fn compare(before: &View, after: &View) -> Vec<Change> {
    let mut changes = Vec::new();
    interface(before, after, &mut changes);
    data(before, after, &mut changes);
    losses(before, after, &mut changes);
    let (a, b) = (&before.canonical, &after.canonical);
    for (line, kind, specs, one, other) in [
        ("", Kind::Train, TRAIN_SECTION, &a.train, &b.train),
        ("", Kind::Evaluate, EVALUATE_SECTION, &a.evaluate, &b.evaluate),
    ] {
        for text in arguments(line, specs, one, other) {
            changes.push(Change::of(Class::Training, kind, text));
        }
    }
    if a.search != b.search {
        let text = match (a.search.len(), b.search.len()) {
            (0, n) => format!("{} left open by `search`", count(n, "value")),
            (n, 0) => format!("{} no longer left open", count(n, "value")),
            (n, m) if n != m => format!("{n} → {} left open by `search`", count(m, "value")),
            _ => "what `search` chooses from".to_owned(),
        };
        changes.push(Change::of(Class::Training, Kind::Evaluate, text));
    }
    changes
}

/// What goes in and what comes out.
fn interface(before: &View, after: &View, changes: &mut Vec<Change>) {
    let (a, b) = (&before.side.model, &after.side.model);
    let mut change = |kind, text| changes.push(Change::of(Class::InterfaceBreaking, kind, text));
    if a.task != b.task {
        change(Kind::Task, format!("task {} → {}", a.task.name(), b.task.name()));
    }
    let (from, to) = (before.outputs(), after.outputs());
    if let (Some(from), Some(to)) = (from.known(), to.known())
        && from != to
    {
        change(Kind::Outputs, format!("outputs {from} → {to}"));
    }
    match (&before.side.facts, &after.side.facts) {
        (Some(from), Some(to)) => {
            if from.n_features != to.n_features {
                let text = format!("input features {} → {}", from.n_features, to.n_features);
                change(Kind::Input, text);
            }
        }
        // The data is not at hand, but another choice of its columns is another input.
        _ => {
            let features = |call: &Option<BoundCall>| {
                call.as_ref().and_then(|call| Some((call.name, call.args.get("features")?.value.clone())))
            };
            if let (Some((one, from)), Some((other, to))) = (features(&a.data), features(&b.data))
                && one == other
                && from != to
            {
                change(Kind::Input, format!("input features {} → {}", value_words(&from), value_words(&to)));
            }
        }
    }
}

fn data(before: &View, after: &View, changes: &mut Vec<Change>) {
    // Another choice of columns is reported as another input already.
    let told: Vec<String> = changes.iter().map(|change| change.text.clone()).collect();
    let mut change = |text| changes.push(Change::of(Class::Training, Kind::Data, text));
    match (&before.canonical.data, &after.canonical.data) {
        (None, None) => {}
        (Some(from), None) => change(format!("data {} → none", call_words(from, "data"))),
        (None, Some(to)) => change(format!("data none → {}", call_words(to, "data"))),
        (Some(from), Some(to)) => {
            let texts = calls("data", "data", from, to);
            let is_told = |text: &String| {
                told.iter()
                    .any(|told| told.starts_with("input features") && text.ends_with(&told["input ".len()..]))
            };
            texts.into_iter().filter(|text| !is_told(text)).for_each(change);
        }
    }
}

fn losses(before: &View, after: &View, changes: &mut Vec<Change>) {
    let mut change = |text| changes.push(Change::of(Class::Training, Kind::Loss, text));
    let weighted = |weight: f64, name: &str| match weight {
        1.0 => name.to_owned(),
        weight => format!("{} · {name}", value_words(&ArgValue::Float(weight))),
    };
    let (a, b) = (&before.canonical.losses, &after.canonical.losses);
    for (one, other) in pairs(a, b) {
        let label = other.or(one).map(Loss::label).unwrap_or_default();
        let (Some(one), Some(other)) = (one, other) else {
            let what = if one.is_some() { "removed" } else { "added" };
            let weight = one.or(other).map_or(1.0, |term| term.weight);
            change(format!("loss: {} {what}", weighted(weight, &label)));
            continue;
        };
        if one.label() != label {
            change(format!("loss: {} → {label}", one.label()));
        }
        if one.weight != other.weight {
            let [from, to] = [one.weight, other.weight].map(|weight| value_words(&ArgValue::Float(weight)));
            change(format!("loss: weight of {label} {from} → {to}"));
        }
        let name = one.loss.name();
        for text in arguments(
            &format!("loss: {name}: "),
            one.loss.args(),
            &without_level(&one.args),
            &without_level(&other.args),
        ) {
            change(text);
        }
    }
}

/// The level is a part of the label.
fn without_level(args: &Args) -> Args {
    Args(args.0.iter().filter(|arg| arg.name != LEVEL).cloned().collect())
}

/// Terms that stand for each other: of one loss and about the same levels, or else the only ones of it that are left.
fn pairs<'a>(before: &'a [Loss], after: &'a [Loss]) -> Vec<(Option<&'a Loss>, Option<&'a Loss>)> {
    let has_twin = |term: &Loss, others: &[Loss]| others.iter().any(|other| other.label() == term.label());
    let alone = |name: &str, of: &'a [Loss], others: &[Loss]| {
        let mut left = of.iter().filter(|term| term.loss.name() == name && !has_twin(term, others));
        left.next().filter(|_| left.next().is_none())
    };
    let of_before = before.iter().map(|one| {
        let twin = after.iter().find(|other| other.label() == one.label());
        let name = one.loss.name();
        let other = twin.or_else(|| alone(name, before, after).and_then(|_| alone(name, after, before)));
        (Some(one), other)
    });
    let mut pairs: Vec<_> = of_before.collect();
    let is_paired = |other: &Loss, pairs: &[(Option<&Loss>, Option<&Loss>)]| {
        pairs.iter().any(|(_, found)| found.is_some_and(|found| std::ptr::eq(found, other)))
    };
    let added: Vec<_> = after.iter().filter(|other| !is_paired(other, &pairs)).collect();
    pairs.extend(added.into_iter().map(|other| (None, Some(other))));
    pairs
}

/// `epochs 100 → 200`, `optimizer adam → sgd`, `adam: lr 0.001 → 0.01`
fn arguments(line: &str, specs: &'static [ArgSpec], before: &Args, after: &Args) -> Vec<String> {
    let mut texts = Vec::new();
    for spec in specs {
        let value =
            |args: &Args| args.get(spec.name).map(|arg| arg.value.clone()).filter(|v| *v != ArgValue::Absent);
        match (value(before), value(after)) {
            (Some(ArgValue::Call(from)), Some(ArgValue::Call(to))) => {
                texts.extend(
                    calls(spec.name, spec.name, &from, &to).into_iter().map(|text| format!("{line}{text}")),
                );
            }
            (from, to) => {
                let words = |value: &Option<ArgValue>| match value {
                    Some(ArgValue::Call(call)) => call_words(call, spec.name),
                    other => value_or_absence(other.as_ref(), Some(spec)),
                };
                let (from, to) = (words(&from), words(&to));
                if from != to {
                    texts.push(format!("{line}{} {from} → {to}", spec.name));
                }
            }
        }
    }
    texts
}

/// Differences of two calls of one catalogue.
fn calls(what: &str, kind: &str, from: &BoundCall, to: &BoundCall) -> Vec<String> {
    let specs = catalogue(kind).iter().find(|spec| spec.name == from.name).map_or(&[][..], |spec| spec.args);
    // A data source is identified by its name; another name is another source.
    let is_named = |call: &BoundCall| call.args.get("name").map(|arg| arg.value.clone());
    if from.name != to.name || is_named(from) != is_named(to) {
        return vec![format!("{what} {} → {}", call_words(from, kind), call_words(to, kind))];
    }
    arguments(&format!("{what} {}: ", from.name), specs, &from.args, &to.args)
}

/// The call with the arguments that are not their defaults: `adam(lr = 0.01)`.
fn call_words(call: &BoundCall, kind: &str) -> String {
    let specs = catalogue(kind).iter().find(|spec| spec.name == call.name).map_or(&[][..], |spec| spec.args);
    let mut parts = Vec::new();
    for (arg, spec) in call.args.0.iter().zip(specs) {
        if arg.value == ArgValue::Absent || spec.default.value().as_ref() == Some(&arg.value) {
            continue;
        }
        let value = value_words(&arg.value);
        let is_first = parts.is_empty() && spec.positional;
        parts.push(if is_first { value } else { format!("{} = {value}", spec.name) });
    }
    if parts.is_empty() { call.name.to_owned() } else { format!("{}({})", call.name, parts.join(", ")) }
}

/// Differences that change nothing that is computed.
pub(super) fn cosmetic(before: &View, after: &View, pairs: &[(usize, usize)], is_same: bool) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut change = |kind, text| changes.push(Change::of(Class::Cosmetic, kind, text));
    for &(i, j) in pairs {
        let (a, b) = (&before.stages[i], &after.stages[j]);
        match (a.name, b.name) {
            (Some(from), Some(to)) if from != to => change(Kind::Name, format!("name {from} → {to}")),
            _ => {}
        }
    }
    if before.side.text.is_some() && after.side.text.is_some() {
        let published = |view: &View| view.side.model.published.clone();
        if published(before) != published(after) {
            change(Kind::Published, "published figures".to_owned());
        }
        if is_same && changes.is_empty() && before.side.text != after.side.text {
            let text = "written differently: formatting, comments, names, order or defaults".to_owned();
            changes.push(Change::of(Class::Cosmetic, Kind::Text, text));
        }
    }
    changes
}

/// `12,345`, or what is symbolic
pub(crate) fn count_words(count: &words::Count) -> String {
    let text = count.to_string();
    if text.is_empty() { "0".to_owned() } else { text }
}
