//! Losses without targets against the model and the data.

use crate::diagnostic::Diagnostic;
use crate::ir::{LossTerm, Model};
use crate::ops::loss::Contrast;
use crate::ops::loss::contrast::graphcl::CHANGES;
use crate::ops::{Action, Family};
use crate::settings::monitor::TRAIN_LOSS;
use crate::settings::{early_stop, schedule};
use crate::source::Span;
use crate::types::{DataFacts, Entity, Size, TargetKind};

/// What a task that learns vectors asks of the rest of a file. Without effect on other tasks.
pub fn fits(model: &Model, data: Option<&DataFacts>) -> Vec<Diagnostic> {
    if model.task.kind != TargetKind::Embedding {
        return Vec::new();
    }
    let mut findings: Vec<Diagnostic> = has_width(model).into_iter().chain(is_watched(model)).collect();
    let terms: Vec<(&LossTerm, Contrast)> =
        model.losses.iter().filter_map(|term| Some((term, term.loss.contrast()?))).collect();
    if let [(first, _), (second, _), ..] = terms[..] {
        findings.push(
            Diagnostic::error(
                "embedding::several",
                format!(
                    "`{}` and `{}` each draw what they learn from",
                    first.loss.name(),
                    second.loss.name()
                ),
            )
            .label(first.span, "one loss without targets")
            .label(second.span, "a second one")
            .help("keep one of them: each step is made for one"),
        );
        return findings;
    }
    let Some(&(term, contrast)) = terms.first() else { return findings };
    if contrast.entity() != model.task.entity {
        findings.push(of_other_items(model, term, contrast));
        return findings;
    }
    findings.extend(match contrast {
        Contrast::Walks => walks(term, data),
        Contrast::Corruption => reads_features(model, term),
        Contrast::Readout => ends_in_readout(model, term),
        Contrast::Views => is_changed(term),
    });
    findings
}

/// Names of the losses without targets that end on such rows.
fn losses_of(entity: Entity) -> Vec<&'static str> {
    let is_of = |loss: &&dyn crate::ops::Loss| loss.contrast().is_some_and(|what| what.entity() == entity);
    crate::ops::LOSSES.iter().copied().filter(is_of).map(|loss| loss.name()).collect()
}

fn of_other_items(model: &Model, term: &LossTerm, contrast: Contrast) -> Diagnostic {
    let (name, task) = (term.loss.name(), super::task::in_words(model.task));
    let items = if contrast.entity() == Entity::Nodes { "nodes" } else { "graphs" };
    let others = losses_of(model.task.entity);
    let finding = Diagnostic::error(
        "task::wrong_loss",
        format!("`{name}` learns vectors of {items}, but the task is {task}"),
    )
    .label(term.span, format!("compares {items}"))
    .help(format!("write {}", crate::args::words_list(&others).replace(" and ", " or ")));
    others.first().map_or(finding.clone(), |other| finding.guess(term.span, *other))
}

/// A task without targets has no outputs to take the last width from.
fn has_width(model: &Model) -> Option<Diagnostic> {
    let end = &model.graph[model.output];
    (end.ty.width.size == Size::Symbol("C")).then(|| {
        let name = end.op.name();
        Diagnostic::error("shape::no_width", format!("`{name}` needs a width: how many numbers a vector has"))
            .label(end.span, "without targets there are no classes or values to count")
            .help(format!("write it, as in `{name}(64)`"))
    })
}

/// Nothing is measured before a run ends, so there is no figure of the validation part to watch.
fn is_watched(model: &Model) -> Option<Diagnostic> {
    let calls = ["schedule", "early_stop"].into_iter().filter_map(|key| {
        let is_written = model.train.get(key).is_some_and(|arg| arg.span.is_some());
        let call = model.train.call(key).filter(|_| is_written)?;
        let monitor = match key {
            "schedule" => schedule::kind(call).monitor(call),
            _ => early_stop::kind(call).monitor(call),
        };
        Some((call, monitor.filter(|monitor| *monitor != TRAIN_LOSS)?))
    });
    calls.into_iter().next().map(|(call, monitor)| {
        let place = call.args.get("monitor").and_then(|arg| arg.span);
        let help = format!("watch the loss of training: `{}({TRAIN_LOSS_ARG})`", call.name);
        let finding = Diagnostic::error(
            "training::no_validation",
            format!("`{}` watches `{monitor}`, but vectors are measured at the end of a run only", call.name),
        )
        .label(call.span, "watches the validation part")
        .help(help);
        match place {
            Some(place) => finding.guess(place, TRAIN_LOSS_ARG),
            None => finding,
        }
    })
}

const TRAIN_LOSS_ARG: &str = "monitor = train_loss";

fn walks(term: &LossTerm, data: Option<&DataFacts>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let (length, context) = (term.args.int("walk_length"), term.args.int("context"));
    if context > length + 1 {
        let finding = Diagnostic::error(
            "embedding::context",
            format!("a window of {context} nodes does not fit into a walk of {length} steps"),
        );
        let has = format!("a walk of {length} steps has {} nodes", length + 1);
        let help = format!("write `context = {}` or less, or make the walks longer", length + 1);
        let written = |name| term.args.get(name).and_then(|arg| arg.span);
        findings.push(match (written("context"), written("walk_length")) {
            (Some(place), _) if length > 0 => {
                finding.label(place, has).guess(place, format!("context = {}", length + 1)).help(help)
            }
            (_, Some(place)) => {
                finding.label(place, has).guess(place, format!("walk_length = {}", context - 1)).help(help)
            }
            _ => finding.label(term.span, has).help(help),
        });
    }
    if let Some(data) = data.filter(|data| data.n_graphs > 1) {
        findings.push(
            Diagnostic::error(
                "embedding::one_graph",
                format!("`{}` walks in one graph, and {} has {}", term.loss.name(), data.name, data.n_graphs),
            )
            .label(term.span, "draws nodes out of all of them")
            .help("learn vectors of nodes with `dgi`, or of graphs with `task = graph_embedding`"),
        );
    }
    findings
}

/// Shuffled features change nothing where none are read.
fn reads_features(model: &Model, term: &LossTerm) -> Vec<Diagnostic> {
    if super::kernel::reads_features(model) {
        return Vec::new();
    }
    let table = model.nodes().find(|(_, node)| node.op.action(&node.args) == Action::Table);
    let finding = Diagnostic::error(
        "embedding::no_features",
        format!("`{}` shuffles the features of nodes, but the model reads none", term.loss.name()),
    )
    .label(term.span, "there is nothing to tell apart");
    let finding = match table {
        Some((_, node)) => finding.label(node.span, "learns a row for each node in place of features"),
        None => finding,
    };
    vec![
        finding
            .help("begin with a convolution of the features, or write `loss = skip_gram`")
            .guess(term.span, "skip_gram"),
    ]
}

/// Nodes are compared as the last readout gathers them.
fn ends_in_readout(model: &Model, term: &LossTerm) -> Vec<Diagnostic> {
    let end = &model.graph[model.output];
    let reads_rows = model.inputs(model.output).first().is_some_and(|&input| {
        let (read, width) = (&model.graph[input].ty, &end.ty.width.size);
        read.entity == Entity::Nodes && read.width.size == *width
    });
    if end.op.family() == Family::Readout && reads_rows {
        return Vec::new();
    }
    let place = Span { start: end.span.start, ..end.span };
    vec![
        Diagnostic::error(
            "embedding::no_readout",
            format!("`{}` compares nodes with what is gathered of them, but the model ends in `{}`", term.loss.name(), end.op.name()),
        )
        .label(place, "gathers no nodes, or makes vectors of another width than theirs")
        .label(term.span, "needs both, of one width")
        .help("end the model in a readout of nodes, and put layers beside each other before it: `gin(32) as a -> gin(32) as b -> concat(a, b) -> sum`"),
    ]
}

/// Copies that are not changed are the same.
fn is_changed(term: &LossTerm) -> Vec<Diagnostic> {
    if CHANGES.iter().any(|name| term.args.float(name) > 0.0) {
        return Vec::new();
    }
    vec![
        Diagnostic::error(
            "embedding::unchanged",
            format!("`{}` compares copies of graphs, and all ways to change them are 0", term.loss.name()),
        )
        .label(term.span, "both copies are the graph itself")
        .guess(term.span, term.loss.name())
        .help("leave one of them out, which is 0.2 then, or write a share: `graphcl(drop_nodes = 0.2)`"),
    ]
}
