//! The task against what the model ends in, the losses, the metrics and the data.

use crate::args::{ArgKind, ArgValue, Args, EdgeValue, listed, words_list};
use crate::diagnostic::Diagnostic;
use crate::ir::{LossTerm, Model};
use crate::ops::loss::auxiliary::LEVEL;
use crate::ops::{self, Family, LossKind};
use crate::source::Span;
use crate::types::{DataFacts, Entity, TargetKind, Task, Type};
use std::collections::BTreeSet;

/// "graph classification"
pub fn in_words(task: Task) -> String {
    task.name().replace('_', " ")
}

/// The task, from the first that says so: the file, the data, a loss of the task, what the model ends in.
pub fn decide(stated: Option<Task>, data: Option<&DataFacts>, losses: &[LossTerm], ends_in: Entity) -> Task {
    if let Some(task) = stated.or_else(|| data.and_then(|data| data.task)) {
        return task;
    }
    let by_loss = losses.iter().find_map(|term| match term.loss.kind() {
        LossKind::Task(kind) => Some(kind),
        LossKind::Auxiliary => None,
    });
    match ends_in {
        Entity::Pairs => {
            let compares = |term: &LossTerm| term.loss.compares(TargetKind::Links);
            let are_links = by_loss.is_none() || losses.iter().any(compares);
            let of_edges = by_loss.filter(|kind| *kind == TargetKind::Regression && !are_links);
            Task { entity: Entity::Pairs, kind: of_edges.unwrap_or(TargetKind::Links) }
        }
        Entity::Nodes => Task { entity: Entity::Nodes, kind: by_loss.unwrap_or(TargetKind::Classification) },
        _ => Task { entity: Entity::Graph, kind: by_loss.unwrap_or(TargetKind::Classification) },
    }
}

/// The loss of a file that names none.
pub fn default_loss(task: Task) -> Option<&'static dyn ops::Loss> {
    if task.kind == TargetKind::Links {
        return ops::find_loss("bce");
    }
    let is_of_items = |loss: &dyn ops::Loss| loss.contrast().is_none_or(|what| what.entity() == task.entity);
    ops::LOSSES.iter().copied().find(|loss| loss.compares(task.kind) && is_of_items(*loss))
}

/// `task = …` contradicts the data.
pub fn agrees_with_data(stated: Task, place: Span, data: &DataFacts) -> Option<Diagnostic> {
    let task = data.task.filter(|task| *task != stated)?;
    Some(
        Diagnostic::error(
            "task::differs_from_data",
            format!("the task is {}, but {} is made for {}", in_words(stated), data.name, in_words(task)),
        )
        .label(place, "the task is set here")
        .help("leave the line out: the task follows from the data")
        .fix(place, ""),
    )
}

/// The model ends on the rows that the task states, in a stage of that name. `reason` says who set the task, if anything did; `gathered` are the
/// stages that leave fewer rows, readouts and poolings, with their places.
pub fn ends_right(
    (name, ty): (&str, &Type),
    place: Span,
    task: Task,
    reason: Option<&str>,
    gathered: &[(&str, Span)],
) -> Option<Diagnostic> {
    let ends_on = task.ends_on();
    if ends_on.are_of(ty) {
        return None;
    }
    let (code, message) = match ty.entity {
        entity if entity == ends_on.entity => (
            "task::wrong_end",
            format!("{} needs {}, but the model ends in {ty}", in_words(task), ends_on.words),
        ),
        Entity::Nodes | Entity::Graph => {
            ("task::wrong_end", format!("the task is {}, but the model ends in {ty}", in_words(task)))
        }
        _ => {
            ("task::unfinished", format!("the model ends in {ty}, which is neither nodes nor a graph vector"))
        }
    };
    if ty.entity.is_of_edges() {
        return Some(
            Diagnostic::error(code, message).label(place, format!("this is {ty}")).help(
                "a model is about nodes, and takes values of the edges as arguments of its convolutions",
            ),
        );
    }
    let finding = Diagnostic::error(code, message).label(place, format!("this is {ty}"));
    if ty.entity == Entity::Pairs {
        let help = format!(
            "{}; write `task = link_prediction` for a model that scores pairs, or name a target of the edges in `data` to predict these",
            reason.unwrap_or("a task is about nodes or graphs")
        );
        return Some(finding.help(help));
    }
    if task.is_of_edges() {
        let finding = match (ty.entity, gathered) {
            (Entity::Nodes, []) => finding.guess(Span { start: place.end, ..place }, " -> pairs -> mlp"),
            _ => gathered.iter().fold(finding, |finding, (_, span)| finding.guess(*span, "")),
        };
        return Some(finding.help(format!(
            "{}; end in what makes a row for each edge of those of its ends: `-> pairs -> mlp`",
            reason.unwrap_or("the task is about edges")
        )));
    }
    if task.entity == Entity::Pairs {
        let finding = match (ty.entity, gathered) {
            // A last stage that had its width from the task needs one of its own.
            (Entity::Nodes, []) if ty.width.origin.span.is_some() => {
                finding.guess(Span { start: place.end, ..place }, " -> inner_product")
            }
            (Entity::Nodes, []) if (place.end - place.start) as usize == name.len() => {
                finding.guess(Span { start: place.end, ..place }, "(16) -> inner_product")
            }
            (Entity::Nodes, []) => finding,
            _ => gathered.iter().fold(finding, |finding, (_, span)| finding.guess(*span, "")),
        };
        return Some(finding.help(format!(
            "{}; end in a decoder, which scores pairs of nodes: `-> inner_product`, or `-> pairs -> mlp`",
            reason.unwrap_or("the task is about links")
        )));
    }
    let why = reason.unwrap_or("a task is about nodes or graphs");
    let finding = match (ty.entity, task.entity, gathered) {
        (_, Entity::Nodes, gathered) if !gathered.is_empty() => {
            gathered.iter().fold(finding, |finding, (_, span)| finding.guess(*span, ""))
        }
        (_, Entity::Nodes, []) => finding,
        (Entity::Slots, ..) => finding.guess(Span { start: place.end, ..place }, " -> flatten -> mlp"),
        _ => finding.guess(Span { start: place.end, ..place }, " -> mean -> mlp"),
    };
    Some(match (ty.entity, task.entity, gathered) {
        (_, Entity::Nodes, [(_, first), ..]) => {
            let finding = match *first == place {
                true => finding,
                false => finding.label(*first, "from here on there is no row for each node"),
            };
            let mut names: Vec<&str> = Vec::new();
            gathered.iter().for_each(|(name, _)| {
                if !names.contains(name) {
                    names.push(name)
                }
            });
            let names = words_list(&names);
            match (reason, ty.entity) {
                (None, Entity::Nodes) => finding.help(format!(
                    "leave {names} out to predict nodes, or add a readout to predict graphs: `-> mean -> mlp`"
                )),
                _ => finding.help(format!("{why}; leave {names} out to predict nodes")),
            }
        }
        (_, Entity::Nodes, []) => finding.help(format!("{why}; leave the readout out to predict nodes")),
        (Entity::Nodes, ..) => finding.help(format!("{why}; add a readout, for example `-> mean -> mlp`")),
        (Entity::Slots, ..) => finding.help("add a readout, for example `-> flatten -> mlp`"),
        _ => finding.help("add a readout, for example `-> mean -> mlp`"),
    })
}

/// What a file says about its task besides `task = …`.
pub struct Evidence<'a> {
    /// What the model ends in, where that is certain.
    pub ends_in: Option<(&'a Type, Span)>,
    pub losses: &'a [LossTerm],
    /// Metrics by their names, with their places.
    pub metrics: Vec<(&'static str, Span)>,
}

/// `task = …` against everything else in the file: one mistake, and not one of each part that goes with the others. The
/// task that the rest of the file is about comes with the finding.
pub fn agrees_with_file(stated: Task, place: Span, evidence: &Evidence) -> Option<(Diagnostic, Task)> {
    let of_losses = evidence.losses.iter().filter_map(|term| match term.loss.kind() {
        // What goes with the stated task too says nothing against it.
        LossKind::Task(_) if term.loss.compares(stated.kind) => {
            Some((term.loss.name(), term.span, stated.kind))
        }
        LossKind::Task(kind) => Some((term.loss.name(), term.span, kind)),
        LossKind::Auxiliary => None,
    });
    let of_metrics = evidence.metrics.iter().filter_map(|&(name, span)| {
        let metric = crate::settings::metric::find(name)?;
        let kind = if metric.fits(stated.kind) { stated.kind } else { metric.applies_to() };
        Some((name, span, kind))
    });
    let kinds: Vec<_> = of_losses.chain(of_metrics).collect();
    let entity = evidence.ends_in.map(|(ty, _)| ty.entity);
    let entity = entity.filter(|entity| matches!(entity, Entity::Nodes | Entity::Graph));
    let is_other_end = entity.is_some_and(|entity| entity != stated.entity);
    let n_against = kinds.len() + usize::from(is_other_end);
    if n_against < 2 || kinds.is_empty() || kinds.iter().any(|&(_, _, kind)| kind == stated.kind) {
        return None;
    }
    let meant = Task { entity: entity.unwrap_or(stated.entity), kind: kinds[0].2 };
    let mut finding = Diagnostic::error(
        "task::differs_from_file",
        format!("the task is {}, but the file is about {}", in_words(stated), in_words(meant)),
    )
    .label(place, "the task is set here");
    if let Some((ty, end)) = evidence.ends_in.filter(|_| is_other_end) {
        finding = finding.label(end, format!("the model ends in {ty}"));
    }
    for (name, span, kind) in kinds {
        finding = finding.label(span, format!("`{name}` is for {}", kind.words()));
    }
    let finding = finding.help(format!("write `task = {}`, or change what is marked", meant.name()));
    Some((finding.guess(place, meant.name()), meant))
}

/// Losses and metrics fit the task, and something reports each auxiliary loss. `published` has the place of
/// each published figure.
pub fn fits(model: &Model, published: &[Span]) -> Vec<Diagnostic> {
    let mut findings: Vec<Diagnostic> =
        model.nodes().filter_map(|(_, node)| asks_of_pairs(model, node)).collect();
    let task = model.task;
    let mut has_task_loss = false;
    for term in &model.losses {
        match term.loss.kind() {
            LossKind::Task(kind) => {
                has_task_loss = true;
                if !term.loss.compares(task.kind) {
                    findings.push(wrong_loss(term, task, kind));
                } else if term.loss.takes_log_shares() {
                    findings.extend(unnormalised(model, term));
                }
            }
            LossKind::Auxiliary => findings.extend(is_reported(model, term)),
        }
    }
    if let (false, Some(term)) = (has_task_loss, model.losses.first()) {
        let example = default_loss(task).map_or("", |loss| loss.name());
        findings.push(
            Diagnostic::error(
                "task::no_task_loss",
                "no term of the loss compares the output with the targets",
            )
            .label(term.span, "this alone would not learn the task")
            .help(format!("add one: `loss = {example} + …`"))
            .guess(Span { end: term.span.start, ..term.span }, format!("{example} + ")),
        );
    }
    if let Some(place) = model.evaluate.get("metrics").and_then(|arg| arg.span) {
        let wrong = model.evaluate.choice_list("metrics").iter();
        let usual = crate::settings::metric::defaults(task.kind).join(", ");
        let text = format!("metrics = [{usual}]");
        findings.extend(wrong.filter_map(|name| metric_fits(name, name, (place, &text), task)));
    }
    if let Some(own) = &model.published {
        for ((name, _), place) in own.figures.iter().zip(published) {
            findings.extend(metric_fits(name, name, (*place, ""), task));
        }
    }
    for key in ["schedule", "early_stop"] {
        let Some(monitor) = model.train.call(key).and_then(|call| call.args.get("monitor")) else { continue };
        if let (ArgValue::Choice(word), Some(place)) = (&monitor.value, monitor.span)
            && let Some(metric) = crate::settings::monitor::metric_of(word)
        {
            let usual = crate::settings::metric::defaults(task.kind).first().copied().unwrap_or_default();
            let text = format!("monitor = val_{usual}");
            findings.extend(metric_fits(metric.name(), word, (place, &text), task));
        }
    }
    of_wrong_kind_together(findings)
}

/// A decoder asks for what the pairs of the task do not have: pairs that may be no edges carry nothing, and edges that are there are
/// of no relation that is asked about.
fn asks_of_pairs(model: &Model, node: &crate::ir::Node) -> Option<Diagnostic> {
    let (of_edges, name) = (model.task.is_of_edges(), node.op.name());
    let is_decoder = node.op.family() == Family::Decoder && model.task.entity == Entity::Pairs;
    let arg = node.op.args().iter().filter(|_| is_decoder).find_map(|spec| {
        let is_wrong = match spec.kind {
            ArgKind::Edges(EdgeValue::Kind) => of_edges,
            ArgKind::Edges(_) => !of_edges,
            _ => false,
        };
        node.args.get(spec.name).filter(|_| is_wrong && node.args.port(spec.name).is_some())
    })?;
    let (message, help) = match of_edges {
        true => (
            format!("`{name}` scores relations between nodes, but the task is {}", in_words(model.task)),
            "what classes and values of edges are made of is a row for each of them: `-> pairs -> mlp`",
        ),
        false => (
            format!(
                "`{name}` asks what edges carry, but the pairs of {} may be no edges",
                in_words(model.task)
            ),
            "leave the argument out; what edges carry is read by convolutions, or by `pairs` on a task on edges",
        ),
    };
    let place = arg.span.unwrap_or(node.span);
    let finding = Diagnostic::error("task::wrong_decoder", message)
        .label(place, "there is nothing to read here")
        .help(help);
    Some(if of_edges { finding } else { finding.guess(place, "") })
}

/// Whether a finding is about a loss or metric of the other kind of task.
pub fn is_of_wrong_kind(finding: &Diagnostic) -> bool {
    ["task::wrong_loss", "task::wrong_metric"].contains(&finding.code)
}

/// Losses and metrics of the other kind of task are one mistake: the file was written for values and the data has
/// classes, or the other way round.
fn of_wrong_kind_together(findings: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let (wrong, mut rest): (Vec<_>, Vec<_>) = findings.into_iter().partition(is_of_wrong_kind);
    let mut wrong = wrong.into_iter();
    let Some(mut first) = wrong.next() else { return rest };
    for other in wrong {
        for label in other.labels {
            match first.labels.iter_mut().find(|known| known.span == label.span) {
                Some(known) => known.text = "none of these is defined for this task".to_owned(),
                None => first.labels.push(label),
            }
        }
        if other.code != first.code
            && let (Some(help), Some(more)) = (&mut first.help, other.help)
            && !help.ends_with(&more)
        {
            *help = format!("{help}; {more}");
        }
        let edits = other.fix.map(|fix| fix.edits).unwrap_or_default();
        let fix = first.fix.get_or_insert_default();
        edits.into_iter().for_each(|edit| {
            if fix.edits.iter().all(|known| known.span != edit.span) {
                fix.edits.push(edit);
            }
        });
    }
    rest.push(first);
    rest
}

/// The loss takes logarithms of shares, and the model ends in something else: training would make the outputs larger without
/// an end.
fn unnormalised(model: &Model, term: &LossTerm) -> Option<Diagnostic> {
    let end = &model.graph[model.output];
    let name = ops::LOG_SOFTMAX.name();
    (end.op.name() != name).then(|| {
        let loss = term.loss.name();
        Diagnostic::error(
            "task::unnormalised",
            format!("`{loss}` takes logarithms of shares, but the model ends in `{}`", end.op.name()),
        )
        .label(term.span, format!("expects the result of `{name}`"))
        .label(end.span, "any number may come out here")
        .help(format!(
            "end the model in `-> {name}`, or write `loss = cross_entropy`, which computes it itself"
        ))
        .guess(term.span, "cross_entropy")
    })
}

fn wrong_loss(term: &LossTerm, task: Task, kind: TargetKind) -> Diagnostic {
    let name = term.loss.name();
    let example = default_loss(task).map_or("", |loss| loss.name());
    Diagnostic::error(
        "task::wrong_loss",
        format!("`{name}` is for {}, but the task is {}", kind.words(), in_words(task)),
    )
    .label(
        term.span,
        if term.loss.contrast().is_some() {
            "compares no targets".to_owned()
        } else {
            format!("compares {}", kind.words())
        },
    )
    .help(match term.loss.contrast() {
        Some(what) => {
            let entity = if what.entity() == Entity::Nodes { "node" } else { "graph" };
            format!(
                "write `loss = {example}`, or `task = {entity}_embedding` to learn vectors without targets"
            )
        }
        None => format!("write `loss = {example}`"),
    })
    .guess(term.span, example)
}

fn nothing_reports(term: &LossTerm, reporters: &[&str]) -> Diagnostic {
    let is_of_layers =
        reporters.iter().any(|name| ops::find(name).is_some_and(|op| op.family() == Family::Convolution));
    let stages = if is_of_layers { "layers on nodes" } else { "poolings" };
    Diagnostic::error(
        "task::nothing_reports_loss",
        format!("`{}` is summed over {stages}, but the model has none that reports it", term.loss.name()),
    )
    .label(term.span, "always zero here")
    .help(format!("leave it out, or use {}", words_list(reporters)))
    .guess(term.span, "")
}

/// Some stage reports the loss, and on each level that the term is about.
fn is_reported(model: &Model, term: &LossTerm) -> Option<Diagnostic> {
    let anywhere = LossTerm { args: Args::default(), ..term.clone() };
    let there: BTreeSet<i64> =
        model.reporters(&anywhere).into_iter().map(|node| i64::from(model.graph[node].ty.level.0)).collect();
    if there.is_empty() {
        return Some(nothing_reports(term, term.loss.reported_by()));
    }
    let (asked, arg) = ops::loss::levels(term.loss, &term.args)?;
    let (right, idle): (Vec<i64>, Vec<i64>) = asked.iter().partition(|level| there.contains(level));
    if idle.is_empty() {
        return None;
    }
    // What is right of the list, or else the levels that no other term has.
    let others = model.losses.iter().filter(|other| other.loss.name() == term.loss.name());
    let of_others: Vec<i64> = others
        .filter_map(|other| ops::loss::levels(other.loss, &other.args))
        .flat_map(|(levels, _)| levels.to_vec())
        .collect();
    let free = || there.iter().copied().filter(|level| !of_others.contains(level)).collect();
    let better: Vec<i64> = if right.is_empty() { free() } else { right };
    let in_words = |levels: &[i64]| {
        let noun = if levels.len() == 1 { "level" } else { "levels" };
        format!("{noun} {}", listed(&levels.iter().map(i64::to_string).collect::<Vec<_>>()))
    };
    let (name, there) = (term.loss.name(), there.into_iter().collect::<Vec<_>>());
    let place = arg.span.unwrap_or(term.span);
    let finding = Diagnostic::error(
        "task::nothing_reports_loss",
        format!("no stage reports `{name}` on {}; it is reported on {}", in_words(&idle), in_words(&there)),
    )
    .label(place, "always zero here")
    .help(
        "levels are counted as poolings stand in the file: the first makes level 1; `hgnnc graph` draws them",
    );
    Some(match better[..] {
        [] => finding,
        [level] => finding.guess(place, format!("{LEVEL} = {level}")),
        _ => finding.guess(place, format!("{LEVEL} = {better:?}")),
    })
}

/// `text` is what can stand at `place` instead.
fn metric_fits(name: &str, written: &str, (place, text): (Span, &str), task: Task) -> Option<Diagnostic> {
    let metric = crate::settings::metric::find(name)?;
    if metric.fits(task.kind) {
        return None;
    }
    let fitting: Vec<_> = crate::settings::metric::METRICS
        .iter()
        .filter(|metric| metric.fits(task.kind))
        .map(|metric| metric.name())
        .collect();
    Some(
        Diagnostic::error(
            "task::wrong_metric",
            format!("`{name}` measures {}, but the task is {}", metric.applies_to().words(), in_words(task)),
        )
        .label(place, format!("`{written}` is not defined for this task"))
        .help(format!("metrics for this task: {}", words_list(&fitting)))
        .guess(place, text),
    )
}
