//! The canonical form of a model: a text that does not depend on formatting, comments, names or whether a
//! default is written out, and its hash. Checkpoints carry it, so that what a saved model was can be compared
//! with what a file says now.
//!
//! ```text
//! hgnn-ir 1
//! stage 0 = input()
//! stage 1 = gcn(out = 64, …) of 0
//! output 1
//! task graph_classification
//! loss 1 cross_entropy
//! data tu(name = "PROTEINS", …)
//! train epochs = 200
//! ```

use super::{Model, infer::inputs_of};
use crate::args::{ArgValue, Args, BoundCall};
use petgraph::graph::NodeIndex;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

/// First line; the number goes up when the text of unchanged models changes.
pub const VERSION: &str = "hgnn-ir 1";

/// The whole model: network, task, loss, data, training and evaluation. Published figures are left out: they
/// are remarks.
pub fn text(model: &Model) -> String {
    let mut text = network_text(model);
    if let Some(data) = &model.data {
        let _ = writeln!(text, "data {}", call_text(data));
    }
    for (section, args) in [("train", &model.train), ("evaluate", &model.evaluate)] {
        for arg in &args.0 {
            let _ = writeln!(text, "{section} {} = {}", arg.name, value_text(&arg.value));
        }
    }
    text
}

/// The part that decides which weights there are and what they compute: network, task and loss.
pub fn network_text(model: &Model) -> String {
    let mut text = format!("{VERSION}\n");
    let order = order(model);
    let number: HashMap<NodeIndex, usize> =
        order.iter().enumerate().map(|(idx, &node)| (node, idx)).collect();
    for (idx, &node) in order.iter().enumerate() {
        let (op, args) = (model.graph[node].op.name(), &model.graph[node].args);
        let _ = write!(text, "stage {idx} = {op}({})", args_text(args));
        for (place, input) in inputs_of(&model.graph, node).into_iter().enumerate() {
            let _ = write!(text, "{}{}", if place == 0 { " of " } else { ", " }, number[&input]);
        }
        text.push('\n');
    }
    let _ = writeln!(text, "output {}", number[&model.output]);
    let _ = writeln!(text, "task {}", model.task.name());
    // A sum is the same in any order.
    let mut losses: Vec<_> =
        model.losses.iter().map(|term| format!("loss {} {}", term.weight, loss_text(term))).collect();
    losses.sort();
    for loss in losses {
        let _ = writeln!(text, "{loss}");
    }
    text
}

/// SHA-256 of [`text`], in hex.
pub fn hash(model: &Model) -> String {
    digest(&text(model))
}

/// SHA-256 of [`network_text`], in hex.
pub fn network_hash(model: &Model) -> String {
    digest(&network_text(model))
}

fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Inputs before what reads them, following ports; stages that nothing reads are left out.
fn order(model: &Model) -> Vec<NodeIndex> {
    let mut order = Vec::new();
    let mut is_done = vec![false; model.graph.node_count()];
    let mut stack = vec![(model.output, false)];
    while let Some((node, are_inputs_done)) = stack.pop() {
        if is_done[node.index()] {
            continue;
        }
        if are_inputs_done {
            is_done[node.index()] = true;
            order.push(node);
            continue;
        }
        stack.push((node, true));
        let inputs = inputs_of(&model.graph, node);
        stack.extend(inputs.into_iter().rev().map(|input| (input, false)));
    }
    order
}

/// `cross_entropy(class_weights = balanced)`; without brackets where every argument has its default, so that the
/// text of a loss stays the same when it gets another argument.
fn loss_text(term: &super::LossTerm) -> String {
    let is_default = |arg: &&crate::args::BoundArg| {
        let spec = term.loss.args().iter().find(|spec| spec.name == arg.name);
        spec.is_some_and(|spec| spec.default.value().as_ref() == Some(&arg.value))
    };
    let parts: Vec<_> = (term.args.0.iter().filter(|arg| !is_default(arg)))
        .map(|arg| format!("{} = {}", arg.name, value_text(&arg.value)))
        .collect();
    match parts.as_slice() {
        [] => term.loss.name().to_owned(),
        parts => format!("{}({})", term.loss.name(), parts.join(", ")),
    }
}

/// A call with every argument: `tu(name = "PROTEINS", …)`.
pub fn call_text(call: &BoundCall) -> String {
    format!("{}({})", call.name, args_text(&call.args))
}

fn args_text(args: &Args) -> String {
    let written = args.0.iter().filter(|arg| arg.value != ArgValue::Pipeline);
    // A pipeline is an input of its stage, whether it was written or is the default.
    let written = written.filter(|arg| arg.value != ArgValue::Absent);
    let parts: Vec<_> = written.map(|arg| format!("{} = {}", arg.name, value_text(&arg.value))).collect();
    parts.join(", ")
}

fn value_text(value: &ArgValue) -> String {
    match value {
        ArgValue::Int(value) => value.to_string(),
        ArgValue::Float(value) => value.to_string(),
        ArgValue::Bool(value) => value.to_string(),
        ArgValue::Text(text) => format!("{text:?}"),
        ArgValue::Choice(word) => (*word).to_owned(),
        ArgValue::IntList(list) => {
            let items: Vec<_> = list.iter().map(i64::to_string).collect();
            format!("[{}]", items.join(", "))
        }
        ArgValue::ChoiceList(list) => format!("[{}]", list.join(", ")),
        ArgValue::Pipeline => "pipeline".to_owned(),
        ArgValue::Call(call) => call_text(call),
        ArgValue::Absent => "inferred".to_owned(),
    }
}

/// What differs between two canonical texts, in words, one line a difference; empty where they are the same.
pub fn differences(a: &str, b: &str) -> Vec<String> {
    if a == b {
        return Vec::new();
    }
    let (version_a, version_b) = (a.lines().next().unwrap_or(""), b.lines().next().unwrap_or(""));
    if version_a != version_b {
        return vec![format!("the forms differ: `{version_a}` and `{version_b}`")];
    }
    let (a, b) = (entries(a), entries(b));
    let mut found = Vec::new();
    let keys: BTreeMap<_, _> = a.keys().chain(b.keys()).map(|key| (key, ())).collect();
    for (key, ()) in keys {
        let what = name_of(key);
        match (a.get(key), b.get(key)) {
            (Some(one), Some(other)) if one == other => {}
            (Some(one), Some(other)) => found.extend(value_differences(&what, one, other)),
            (Some(one), None) => found.push(format!("{what}: only the first has {one}")),
            (None, Some(other)) => found.push(format!("{what}: only the second has {other}")),
            (None, None) => {}
        }
    }
    found
}

/// Kind, number and name of an entry, in the order of the text.
type Key = (usize, usize, String);

const KINDS: &[&str] = &["stage", "output", "task", "loss", "data", "train", "evaluate"];

fn entries(text: &str) -> BTreeMap<Key, String> {
    let mut entries = BTreeMap::new();
    for line in text.lines().skip(1) {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rank = KINDS.iter().position(|known| *known == kind).unwrap_or(KINDS.len());
        let (key, value) = match kind {
            "stage" | "train" | "evaluate" => rest.split_once(" = ").unwrap_or((rest, "")),
            "loss" => rest.split_once(' ').map_or((rest, ""), |(weight, name)| (name, weight)),
            _ => ("", rest),
        };
        let number = if kind == "stage" { key.parse().unwrap_or(usize::MAX) } else { 0 };
        entries.insert((rank, number, key.to_owned()), value.to_owned());
    }
    entries
}

fn name_of((rank, _, key): &Key) -> String {
    match KINDS.get(*rank) {
        Some(&"output") => "the stage whose result is the output".to_owned(),
        Some(&"loss") => format!("weight of `{key}` in the loss"),
        Some(kind) if key.is_empty() => (*kind).to_owned(),
        Some(kind) => format!("{kind} {key}"),
        None => key.clone(),
    }
}

/// Name, arguments and inputs of a stage or call.
type Parts<'a> = (&'a str, Vec<(&'a str, &'a str)>, &'a str);

/// Splits `name(a = 1, b = [2, 3]) of 4` into its name, arguments and inputs.
fn parts(value: &str) -> Option<Parts<'_>> {
    let open = value.find('(')?;
    let close = value.rfind(')')?;
    let inside = value.get(open + 1..close)?;
    let (mut depth, mut in_text, mut start) = (0, false, 0);
    let mut args = Vec::new();
    let mut was_escape = false;
    for (idx, char) in inside.char_indices().chain([(inside.len(), ',')]) {
        match char {
            _ if was_escape => was_escape = false,
            '\\' if in_text => was_escape = true,
            '"' => in_text = !in_text,
            '(' | '[' if !in_text => depth += 1,
            ')' | ']' if !in_text => depth -= 1,
            ',' if depth == 0 && (!in_text || idx == inside.len()) => {
                if let Some((name, value)) = inside.get(start..idx)?.trim().split_once(" = ") {
                    args.push((name, value));
                }
                start = idx + 1;
            }
            _ => {}
        }
    }
    Some((&value[..open], args, value[close + 1..].trim()))
}

fn value_differences(what: &str, a: &str, b: &str) -> Vec<String> {
    let (Some((name_a, args_a, inputs_a)), Some((name_b, args_b, inputs_b))) = (parts(a), parts(b)) else {
        return vec![format!("{what}: {a} → {b}")];
    };
    if name_a != name_b {
        return vec![format!("{what}: `{name_a}` → `{name_b}`")];
    }
    let mut found = Vec::new();
    for (name, value) in &args_a {
        match args_b.iter().find(|(other, _)| other == name) {
            Some((_, other)) if other == value => {}
            Some((_, other)) => found.push(format!("{what} (`{name_a}`): {name} {value} → {other}")),
            None => found.push(format!("{what} (`{name_a}`): {name} {value} → inferred")),
        }
    }
    for (name, value) in &args_b {
        if !args_a.iter().any(|(other, _)| other == name) {
            found.push(format!("{what} (`{name_a}`): {name} inferred → {value}"));
        }
    }
    if inputs_a != inputs_b {
        found.push(format!("{what} (`{name_a}`): its input is another stage ({inputs_a} → {inputs_b})"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceMap;

    fn model(text: &str) -> Model {
        let mut sources = SourceMap::default();
        let main = sources.add("model.hgnn", text);
        let none = |_: &str| Err(std::io::ErrorKind::NotFound.into());
        let (program, parse) = crate::syntax::load_program(&mut sources, main, &none);
        assert!(parse.is_empty(), "{parse:#?}");
        let outcome = crate::check::check(&program, None);
        assert!(outcome.diagnostics.is_empty(), "{:#?}", outcome.diagnostics);
        outcome.model.expect("a sound model").get().clone()
    }

    #[test]
    fn formatting_names_blocks_and_written_defaults_do_not_matter() {
        let plain = "gcn(64) -> relu -> gcn(64) -> relu -> concat(mean, max) -> mlp";
        let other = "
            // The same model in other words.
            let width = 60 + 4
            block layer(out, after = relu) = gcn(out, bias = true) -> after
            model = repeat(2, layer(width)) as deep
                -> concat(deep -> mean, max)
                -> mlp(dropout = 0)
            loss = 1 * cross_entropy
            train { epochs = 100 }
        ";
        assert_eq!(text(&model(plain)), text(&model(other)));
        assert_eq!(hash(&model(plain)), hash(&model(other)));
    }

    #[test]
    fn an_argument_of_a_loss_is_told_where_it_is_not_the_default() {
        let loss = |loss: &str| {
            let text = network_text(&model(&format!("model = gcn(64) -> mean -> mlp\nloss = {loss}")));
            text.lines().last().unwrap_or("").to_owned()
        };
        assert_eq!(loss("cross_entropy(class_weights = none)"), "loss 1 cross_entropy");
        assert_eq!(
            loss("2 * cross_entropy(class_weights = balanced)"),
            "loss 2 cross_entropy(class_weights = balanced)"
        );
    }

    #[test]
    fn the_order_of_branches_and_every_value_matter() {
        let hashes: Vec<_> = [
            "gcn(64) -> concat(mean, max) -> mlp",
            "gcn(64) -> concat(max, mean) -> mlp",
            "gcn(32) -> concat(mean, max) -> mlp",
            "gcn(64, bias = false) -> concat(mean, max) -> mlp",
            "model = gcn(64) -> concat(mean, max) -> mlp\ntrain { seed = 1 }",
        ]
        .iter()
        .map(|text| hash(&model(text)))
        .collect();
        for (idx, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..idx].contains(hash), "model {idx}");
        }
    }

    #[test]
    fn the_text_is_what_checkpoints_hold() {
        let network = network_text(&model(
            "gcn(64) -> diffpool(k = 8) as a -> concat(a -> mean, max) -> mlp(hidden = [16])",
        ));
        assert_eq!(
            network,
            "\
hgnn-ir 1
stage 0 = input()
stage 1 = gcn(out = 64, self_loops = true, bias = true) of 0
stage 2 = sage(aggregate = mean, root_weight = true, normalize = false, bias = true) of 1
stage 3 = diffpool(k = 8) of 1, 2
stage 4 = mean() of 3
stage 5 = max() of 3
stage 6 = concat() of 4, 5
stage 7 = mlp(hidden = [16], activation = relu, dropout = 0, norm = none) of 6
output 7
task graph_classification
loss 1 cross_entropy
"
        );
    }

    #[test]
    fn differences_are_told_in_words() {
        let a = text(&model("model = gcn(64) -> mean -> mlp\ntrain { optimizer = adam(lr = 0.01) }"));
        let b = text(&model("model = gcn(32, bias = false) -> max -> mlp\ntrain { epochs = 7 }"));
        assert_eq!(
            differences(&a, &b),
            [
                "stage 1 (`gcn`): out 64 → 32",
                "stage 1 (`gcn`): bias true → false",
                "stage 2: `mean` → `max`",
                "train epochs: 100 → 7",
                "train optimizer (`adam`): lr 0.01 → 0.001",
            ]
        );
        assert!(differences(&a, &a).is_empty());
    }
}
