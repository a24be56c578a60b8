//! A graph kernel with its machine is a whole model: a kernel reads the graphs themselves, a machine reads a kernel, and no network
//! stands before, between or behind them.

use crate::args::ArgValue;
use crate::diagnostic::Diagnostic;
use crate::ir::{Model, Node, inputs_of};
use crate::ops::kernel::NodeLabels;
use crate::ops::{Action, Family};
use crate::settings::{TRAIN_SECTION, protocol};
use crate::source::Span;
use crate::types::TargetKind;
use petgraph::graph::{DiGraph, NodeIndex};

/// The key of `train` that has an effect without a network: it decides the splits.
const SEED: &str = "seed";

/// The keys of `train` that only tasks on links read.
const OF_LINKS: [&str; 2] = ["negatives", "disjoint"];

/// The key of `train` that only tasks on values read.
const SCALE_TARGETS: &str = "scale_targets";

type Graph = DiGraph<Node, usize>;

fn action(graph: &Graph, node: NodeIndex) -> Action {
    graph[node].op.action(&graph[node].args)
}

/// What stands where it cannot, beside kernels and machines.
pub fn stands_alone(graph: &Graph, input: NodeIndex, output: NodeIndex) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for idx in graph.node_indices() {
        let node = &graph[idx];
        match action(graph, idx) {
            Action::Kernel(_) => {
                findings.extend(not_first(graph, idx, input));
                findings.extend(no_machine(graph, idx, output));
            }
            Action::Machine => {
                let before = inputs_of(graph, idx).into_iter().next();
                let other = before.filter(|&before| !matches!(action(graph, before), Action::Kernel(_)));
                findings.extend(other.map(|other| no_kernel(node, &graph[other])));
                let reader = graph.neighbors(idx).next();
                findings.extend(reader.map(|reader| not_last(node, &graph[reader])));
            }
            _ => {}
        }
    }
    // What stands between a kernel and a machine is one mistake.
    if findings.iter().any(|finding| finding.code == "kernel::no_machine") {
        findings.retain(|finding| finding.code != "kernel::no_kernel");
    }
    // A stage of a block or a `repeat` is several times in the model and once in the file.
    let mut seen: Vec<(&str, Span)> = Vec::new();
    findings.retain(|finding| {
        let place = (finding.code, finding.labels[0].span);
        let is_new = !seen.contains(&place);
        seen.push(place);
        is_new
    });
    findings
}

fn not_first(graph: &Graph, kernel: NodeIndex, input: NodeIndex) -> Option<Diagnostic> {
    let before = inputs_of(graph, kernel).into_iter().next().filter(|&before| before != input)?;
    let (node, before) = (&graph[kernel], &graph[before]);
    let name = node.op.name();
    let finding = Diagnostic::error(
        "kernel::not_first",
        format!("`{name}` reads the graphs of the data, but `{}` stands before it", before.op.name()),
    )
    .label(node.span, "counts what the data brings");
    let finding =
        if before.span == node.span { finding } else { finding.label(before.span, "this never learns") };
    Some(finding.help(format!(
        "leave out what stands before `{name}`; what tells nodes apart at first is its argument `labels`"
    )))
}

fn no_machine(graph: &Graph, kernel: NodeIndex, output: NodeIndex) -> Option<Diagnostic> {
    let node = &graph[kernel];
    let name = node.op.name();
    let other = graph.neighbors(kernel).find(|&reader| action(graph, reader) != Action::Machine);
    let end = Span { start: node.span.end, ..node.span };
    match other {
        None if kernel != output => None,
        None => Some(
            Diagnostic::error(
                "kernel::no_machine",
                format!("the model ends in `{name}`, whose counts only `svm` can learn from"),
            )
            .label(node.span, "nothing learns from these counts")
            .help(format!("add the machine: `{name} -> svm`"))
            .guess(end, " -> svm"),
        ),
        Some(reader) => {
            let reader = &graph[reader];
            Some(
                Diagnostic::error(
                    "kernel::no_machine",
                    format!("`{}` cannot read `{name}`: only `svm` learns from its counts", reader.op.name()),
                )
                .label(reader.span, "a stage of a network")
                .label(node.span, "as many features as the graphs show, compared two graphs at a time")
                .help(format!(
                    "end the model in `{name} -> svm`; counts of neighbourhoods for a network are `wl -> sum`"
                )),
            )
        }
    }
}

fn no_kernel(machine: &Node, input: &Node) -> Diagnostic {
    let name = machine.op.name();
    let before = match input.op.family() {
        Family::Input => "the features of the nodes".to_owned(),
        _ => format!("`{}`", input.op.name()),
    };
    let finding = Diagnostic::error(
        "kernel::no_kernel",
        format!("`{name}` learns from how alike graphs are by a kernel, but gets {before}"),
    )
    .label(machine.span, "a graph kernel is needed before it");
    let finding = match input.op.family() {
        Family::Input => finding,
        _ => finding.label(input.span, "no kernel"),
    };
    finding.help(format!(
        "write `wl_kernel(h = 5) -> {name}`; a network with the loss of a support vector machine ends in `linear`, with `loss = hinge`"
    ))
}

fn not_last(machine: &Node, reader: &Node) -> Diagnostic {
    let name = machine.op.name();
    Diagnostic::error(
        "kernel::not_last",
        format!("`{}` cannot stand behind `{name}`, which ends the model", reader.op.name()),
    )
    .label(reader.span, "nothing can learn behind the machine")
    .label(machine.span, "has an output for each class")
    .help(format!("end the model in `{name}`"))
}

/// Whether a model reads the features of the nodes: a kernel whose labels are something else does not.
pub fn reads_features(model: &Model) -> bool {
    let labels = |[kernel, _]: [NodeIndex; 2]| NodeLabels::named(model.graph[kernel].args.choice("labels"));
    // A table of rows has one for each node, whatever features there are.
    let readers = model.graph.neighbors_directed(model.input, petgraph::Direction::Outgoing);
    let mut readers = readers.map(|reader| &model.graph[reader]).peekable();
    if readers.peek().is_some() && readers.all(|node| node.op.action(&node.args) == Action::Table) {
        return false;
    }
    model.machine().is_none_or(|stages| labels(stages) == NodeLabels::Features)
}

/// Whether a key of `train` matters to a model.
pub fn has_effect(model: &Model, key: &str) -> bool {
    match key {
        SCALE_TARGETS => model.task.kind == TargetKind::Regression && model.machine().is_none(),
        key if OF_LINKS.contains(&key) => model.task.kind == TargetKind::Links,
        _ => key == SEED || model.machine().is_none(),
    }
}

/// What the rest of the file asks of a kernel with its machine. `loss` is where the file writes one.
pub fn fits(model: &Model, loss: Option<Span>) -> Vec<Diagnostic> {
    let Some([kernel, machine]) = model.machine() else { return Vec::new() };
    let (kernel, machine) = (&model.graph[kernel], &model.graph[machine]);
    let name = machine.op.name();
    let mut findings = Vec::new();
    if model.task.kind != TargetKind::Classification {
        findings.push(
            Diagnostic::error(
                "kernel::needs_classes",
                format!(
                    "`{name}` tells classes apart, but the task is {}",
                    super::task::in_words(model.task)
                ),
            )
            .label(machine.span, "has an output for each class")
            .help("use a network for values: `gcn(64) -> relu -> mean -> mlp`"),
        );
    }
    if let Some(place) = loss {
        findings.push(
            Diagnostic::error(
                "args::no_effect",
                format!("`loss` has no effect here: `{name}` has its own, the hinge loss"),
            )
            .label(place, "changes nothing")
            .label(machine.span, "what a wrong side costs is its `c`")
            .help("leave the line out")
            .fix(place, ""),
        );
    }
    for spec in TRAIN_SECTION.iter().filter(|spec| !has_effect(model, spec.name)) {
        if let Some(place) = model.train.get(spec.name).and_then(|arg| arg.span) {
            findings.push(
                Diagnostic::error(
                    "args::no_effect",
                    format!("`{}` of `train` has no effect here: `{name}` is solved at once", spec.name),
                )
                .label(place, "changes nothing")
                .help(format!("leave `{}` out: of `train` only `{SEED}` matters here", spec.name))
                .fix(place, ""),
            );
        }
    }
    // What is divided column by column is as equal or different as before.
    let scaled = model.data.as_ref().and_then(|call| call.args.get("normalize"));
    if let Some(place) =
        scaled.filter(|arg| arg.value == ArgValue::Choice("columns")).and_then(|arg| arg.span)
    {
        let kernel = kernel.op.name();
        findings.push(
            Diagnostic::error(
                "args::no_effect",
                format!("`normalize = columns` of `data` has no effect here: `{kernel}` compares features for equality"),
            )
            .label(place, "changes nothing")
            .help("leave `normalize` out")
            .fix(place, ""),
        );
    }
    findings.extend(no_validation(model, kernel, machine));
    findings
}

/// Several ways are compared on a part that the protocol leaves empty.
fn no_validation(model: &Model, kernel: &Node, machine: &Node) -> Option<Diagnostic> {
    let call = model.evaluate.call("protocol")?;
    if protocol::kind(call).leaves_validation(&call.args) != Some(false) {
        return None;
    }
    let chosen = [(kernel, "h"), (machine, "c")].into_iter().find_map(|(node, arg)| {
        let value = node.args.get(arg)?;
        let n = node.args.ints(arg).len().max(node.args.floats(arg).len());
        (n > 1).then_some((node, arg, value.span))
    });
    let (node, arg, place) = chosen?;
    let name = node.op.name();
    let (option, keeping) = match call.name {
        "k_fold" => ("inner_holdout", format!("k_fold({}, inner_holdout = 0.1)", call.args.int("k"))),
        _ => ("validation", "holdout(validation = 0.1)".to_owned()),
    };
    let empty = call.args.get(option).and_then(|bound| bound.span).unwrap_or(call.span);
    Some(
        Diagnostic::error(
            "training::no_validation",
            format!("`{arg}` of `{name}` is chosen on the validation part, but the protocol leaves none"),
        )
        .label(place.unwrap_or(node.span), "the best of several values is to be found")
        .label(empty, "nothing is kept for validation")
        .help(format!("keep some: `protocol = {keeping}`; or write one value, as in `{arg} = 1`"))
        .guess(call.span, keeping),
    )
}
