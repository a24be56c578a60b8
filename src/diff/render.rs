//! A comparison as text, JSON, Markdown for pull requests, and a drawing.

use super::align::Alignment;
use super::settings::count_words;
use super::view::{View, shape_text};
use super::{Change, Class, Costs, Diff, Kind, Side, WeightMatch, WeightState};
use crate::draw::{self, Marks};
use crate::ir::Canonical;
use crate::ir::canonical::Part;
use crate::plan::words::{Count, bytes};
use crate::types::Size;
use owo_colors::{OwoColorize, Style};
use petgraph::graph::NodeIndex;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::fmt::Write;

/// Weights that are listed one by one.
const N_WEIGHTS_SHOWN: usize = 12;

fn style(class: Class) -> Style {
    match class {
        Class::Same | Class::Cosmetic => Style::new().dimmed(),
        Class::Training => Style::new().cyan(),
        Class::WeightCompatible => Style::new().green(),
        Class::WeightBreaking => Style::new().yellow(),
        Class::InterfaceBreaking => Style::new().red(),
    }
}

/// For people: headline, changes, costs, weights.
pub fn text(diff: &Diff, colours: bool) -> String {
    let paint = |text: &str, style: Style| match colours {
        true => text.style(style).to_string(),
        false => text.to_owned(),
    };
    let [before, after] = &diff.names;
    let mut out = format!(
        "{before} → {after}: {} ({})\n",
        paint(diff.class.name(), style(diff.class).bold()),
        diff.class.explanation()
    );
    if diff.class == Class::Same {
        return out;
    }
    out.push('\n');
    let width = diff.changes.iter().map(|change| change.class.name().len()).max().unwrap_or(0);
    for change in &diff.changes {
        let class = format!("{:width$}", change.class.name());
        let _ = writeln!(out, "  {}  {}", paint(&class, style(change.class)), change.text);
    }
    if diff.class <= Class::Training {
        return out;
    }
    out.push('\n');
    let rows = cost_rows(diff);
    let widths =
        [0, 1, 2].map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    for row in &rows {
        let pad = |column: usize| " ".repeat(widths[column] - row[column].chars().count());
        let line =
            format!("  {}{}  {}{}  →  {}{}  {}", row[0], pad(0), pad(1), row[1], pad(2), row[2], row[3]);
        let _ = writeln!(out, "{}", line.trim_end());
    }
    if let Some(note) = unknown_sizes(diff) {
        let _ = writeln!(out, "  {}", paint(&note, Style::new().dimmed()));
    }
    let _ = writeln!(out, "\n  {}", weight_line(diff));
    let broken: Vec<_> = diff.weights.iter().filter(|weight| weight.state != WeightState::Kept).collect();
    for weight in broken.iter().take(N_WEIGHTS_SHOWN) {
        let _ = writeln!(out, "    {}", weight_words(weight));
    }
    if broken.len() > N_WEIGHTS_SHOWN {
        let _ = writeln!(out, "    and {} more", broken.len() - N_WEIGHTS_SHOWN);
    }
    out
}

/// `1.gcn.weight [F, 64] → [F, 128]`
fn weight_words(weight: &WeightMatch) -> String {
    match (&weight.before, &weight.after) {
        (Some((name, shape)), None) => format!("{name} {} is dropped", shape_text(shape)),
        (None, Some((name, shape))) => format!("{name} {} is new", shape_text(shape)),
        (Some((from, old)), Some((to, new))) => {
            let name = if from == to { to.clone() } else { format!("{from} → {to}") };
            format!("{name} {} → {}", shape_text(old), shape_text(new))
        }
        (None, None) => String::new(),
    }
}

/// "weights: 4 of 6 load; 1 has another shape, 1 is new"
fn weight_line(diff: &Diff) -> String {
    let count = |state| diff.weights.iter().filter(|weight| weight.state == state).count();
    let n_old = diff.weights.iter().filter(|weight| weight.before.is_some()).count();
    let mut line = match (n_old, count(WeightState::Kept)) {
        (0, _) => "weights: there were none".to_owned(),
        (1, 1) => "weights: the only tensor loads".to_owned(),
        (n, kept) if n == kept => format!("weights: all {n} tensors load"),
        (n, kept) => format!("weights: {kept} of {n} tensors load"),
    };
    let verb = |n: usize, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
    let mut others = Vec::new();
    match count(WeightState::Reshaped) {
        0 => {}
        n => others.push(verb(n, "has another shape", "have another shape")),
    }
    match count(WeightState::Dropped) {
        0 => {}
        n => others.push(verb(n, "is dropped", "are dropped")),
    }
    match count(WeightState::New) {
        0 => {}
        n => others.push(verb(n, "is new", "are new")),
    }
    if !others.is_empty() {
        line.push_str("; ");
        line.push_str(&others.join(", "));
    }
    line
}

/// Quantity, before, after, and by how much.
fn cost_rows(diff: &Diff) -> Vec<[String; 4]> {
    let [before, after] = &diff.costs;
    let percent = |from: Option<f64>, to: Option<f64>| match (from, to) {
        (Some(from), Some(to)) if from == to => "the same".to_owned(),
        (Some(from), Some(to)) if from > 0.0 => match 100.0 * (to / from - 1.0) {
            change if change.abs() < 10.0 => format!("{change:+.1} %"),
            change => format!("{change:+.0} %"),
        },
        _ => String::new(),
    };
    let known = |count: &Count| count.known().map(|n| n as f64);
    let mut rows = vec![[
        "parameters".to_owned(),
        count_words(&before.parameters),
        count_words(&after.parameters),
        match count_words(&before.parameters) == count_words(&after.parameters) {
            true => "the same".to_owned(),
            false => percent(known(&before.parameters), known(&after.parameters)),
        },
    ]];
    let mut row = |name: &str, of: fn(&Costs) -> Option<f64>, words: fn(f64) -> String| {
        let (from, to) = (of(before), of(after));
        if from.is_some() || to.is_some() {
            let shown = |value: Option<f64>| value.map_or_else(|| "unknown".to_owned(), words);
            rows.push([name.to_owned(), shown(from), shown(to), percent(from, to)]);
        }
    };
    row("memory", |costs| costs.memory_bytes, |value| or_zero(bytes(value)));
    row("FLOPs", |costs| costs.flops, |value| or_zero(crate::plan::words::scaled(value, "")));
    rows
}

fn or_zero(text: String) -> String {
    if text.is_empty() { "0".to_owned() } else { text }
}

/// What the figures are of, or why they are not known.
fn unknown_sizes(diff: &Diff) -> Option<String> {
    let [before, after] = &diff.costs;
    match (&before.data, &after.data) {
        (Some(one), Some(other)) if one == other => Some(format!(
            "memory (kept for the backward pass) and FLOPs (forward) of an average graph of {one}"
        )),
        (Some(one), Some(other)) => Some(format!(
            "memory (kept for the backward pass) and FLOPs (forward) of average graphs, of {one} and of {other}"
        )),
        (Some(one), None) | (None, Some(one)) => {
            Some(format!("one side has its sizes from {one}; the data of the other is not available"))
        }
        (None, None) => {
            let has = |symbol: &str| {
                [before, after].iter().any(|costs| costs.parameters.to_string().contains(symbol))
            };
            let of_edges = if has("F_e") { ", F_e its edge columns" } else { "" };
            let kinds = if has("R") { ", R its kinds of edges" } else { "" };
            Some(format!(
                "memory and FLOPs are not known without the data; F is the width of its features{of_edges}{kinds}, C its \
                 classes or values, N its largest graph"
            ))
        }
    }
}

/// For programs.
pub fn json(diff: &Diff) -> Value {
    let size =
        |size: &Size| size.known().map_or_else(|| json!(count_words(&Count::from(size))), |n| json!(n));
    let shape = |shape: &[Size]| shape.iter().map(size).collect::<Vec<_>>();
    let side = |weight: &Option<(String, Vec<Size>)>| {
        weight.as_ref().map(|(name, sizes)| json!({ "name": name, "shape": shape(sizes) }))
    };
    let costs = |costs: &Costs| {
        json!({
            "parameters": costs.parameters,
            "memory_bytes": costs.memory_bytes,
            "flops": costs.flops,
            "data": costs.data,
        })
    };
    let change = |change: &Change| {
        let numbers = |nodes: &[NodeIndex]| nodes.iter().map(|n| n.index()).collect::<Vec<_>>();
        json!({
            "class": change.class,
            "kind": change.kind,
            "text": change.text,
            "before": numbers(&change.before),
            "after": numbers(&change.after),
        })
    };
    let weight = |weight: &WeightMatch| json!({ "state": weight.state, "before": side(&weight.before), "after": side(&weight.after) });
    json!({
        "before": diff.names[0],
        "after": diff.names[1],
        "class": diff.class,
        "changes": diff.changes.iter().map(change).collect::<Vec<_>>(),
        "costs": { "before": costs(&diff.costs[0]), "after": costs(&diff.costs[1]) },
        "weights": diff.weights.iter().map(weight).collect::<Vec<_>>(),
        "stages": diff.pairs.iter().map(|(one, other)| json!([one.index(), other.index()])).collect::<Vec<_>>(),
    })
}

/// A comment for a pull request.
pub fn markdown(diff: &Diff) -> String {
    let [before, after] = diff.names.clone().map(|name| code(&name));
    let heading = if before == after { after } else { format!("{before} → {after}") };
    let mut out = format!("### {heading}: {}\n\n{}.\n", diff.class.name(), capital(diff.class.explanation()));
    if diff.class == Class::Same {
        return out;
    }
    out.push('\n');
    for change in &diff.changes {
        let _ = writeln!(out, "- **{}**: {}", change.class.name(), escaped(&change.text));
    }
    if diff.class > Class::Training {
        out.push_str("\n| | before | after | |\n|---|---:|---:|---:|\n");
        for [name, from, to, by] in cost_rows(diff) {
            let _ = writeln!(out, "| {name} | {from} | {to} | {by} |");
        }
        let _ = writeln!(out, "\n{}.", capital(&escaped(&weight_line(diff))));
        if let Some(note) = unknown_sizes(diff) {
            let _ = writeln!(out, "<sub>{}.</sub>", capital(&escaped(&note)));
        }
    }
    if diff.lines.iter().any(|(mark, _)| *mark != ' ') {
        // A fence longer than any in the text cannot be closed by it.
        out.push_str("\n<details><summary>Canonical forms</summary>\n\n````diff\n");
        for (mark, line) in &diff.lines {
            let _ = writeln!(out, "{mark} {line}");
        }
        out.push_str("````\n\n</details>\n");
    }
    out
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn code(text: &str) -> String {
    format!("`{}`", text.replace('`', "'"))
}

/// Text whose signs mean nothing to Markdown.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        if matches!(char, '*' | '_' | '`' | '[' | ']' | '<' | '|' | '\\' | '#') {
            out.push('\\');
        }
        out.push(char);
    }
    out
}

/// Both networks side by side, with what changed marked.
pub fn svg(before: &Side, after: &Side, diff: &Diff) -> String {
    // The changes of each stage, by their place in the list.
    let mut of_before: HashMap<NodeIndex, HashSet<usize>> = HashMap::new();
    let mut of_after: HashMap<NodeIndex, HashSet<usize>> = HashMap::new();
    for (idx, change) in diff.changes.iter().enumerate() {
        if matches!(change.kind, Kind::Changed | Kind::Moved | Kind::Rewired) {
            change.before.iter().for_each(|&node| _ = of_before.entry(node).or_default().insert(idx));
            change.after.iter().for_each(|&node| _ = of_after.entry(node).or_default().insert(idx));
        }
    }
    let is_changed = |pair: &(NodeIndex, NodeIndex)| match (of_before.get(&pair.0), of_after.get(&pair.1)) {
        (Some(one), Some(other)) => !one.is_disjoint(other),
        _ => false,
    };
    let (changed, pairs): (Vec<_>, Vec<_>) = diff.pairs.iter().copied().partition(is_changed);
    let alone = |side: &Side, mates: HashSet<NodeIndex>| {
        let (_, nodes) = Canonical::with_nodes(&side.model);
        nodes.into_iter().filter(|node| !mates.contains(node)).collect::<Vec<_>>()
    };
    let removed = alone(before, diff.pairs.iter().map(|pair| pair.0).collect());
    let added = alone(after, diff.pairs.iter().map(|pair| pair.1).collect());
    draw::side_by_side(&before.model, &after.model, &Marks { pairs, changed, removed, added })
}

/// The canonical forms line by line, stages aligned and without their numbers.
pub(super) fn canonical_lines(before: &View, after: &View, alignment: &Alignment) -> Vec<(char, String)> {
    let mut lines = Vec::new();
    let mut next = 0;
    let moved: HashSet<usize> = alignment.moved.iter().map(|&(moved, _)| moved).collect();
    let is_moved = |i: usize| moved.contains(&i);
    for (i, stage) in before.stages.iter().enumerate() {
        match alignment.after[i].filter(|_| !is_moved(i)) {
            Some(mate) => {
                lines.extend((next..mate).map(|j| ('+', after.stages[j].call.clone())));
                next = mate + 1;
                if after.stages[mate].call == stage.call {
                    lines.push((' ', stage.call.clone()));
                } else {
                    lines.push(('-', stage.call.clone()));
                    lines.push(('+', after.stages[mate].call.clone()));
                }
            }
            None => lines.push(('-', stage.call.clone())),
        }
    }
    lines.extend((next..after.stages.len()).map(|j| ('+', after.stages[j].call.clone())));
    let rest = |view: &View| -> Vec<String> {
        let task = format!("task {}", view.canonical.task.name());
        let training = view.canonical.text(Part::Training);
        std::iter::once(task).chain(training.lines().skip(1).map(str::to_owned)).collect()
    };
    let (one, other) = (rest(before), rest(after));
    // Lines with one key belong together: `train epochs`, `data`, `loss … entropy`.
    let key = |line: &str| {
        let mut words = line.split(' ');
        let kind = words.next().unwrap_or("").to_owned();
        match kind.as_str() {
            "train" | "evaluate" => format!("{kind} {}", words.next().unwrap_or("")),
            "loss" => {
                let call = words.nth(1).unwrap_or("");
                format!("{kind} {}", call.split('(').next().unwrap_or(""))
            }
            _ => kind,
        }
    };
    for line in &one {
        match other.iter().find(|other| key(other) == key(line)) {
            Some(same) if same == line => lines.push((' ', line.clone())),
            Some(mate) => lines.extend([('-', line.clone()), ('+', mate.clone())]),
            None => lines.push(('-', line.clone())),
        }
    }
    let new = other.iter().filter(|line| !one.iter().any(|one| key(one) == key(line)));
    lines.extend(new.map(|line| ('+', line.clone())));
    lines
}
