//! Whether a model can be trained as its `train` and `evaluate` sections say.

use crate::args::{BoundCall, listed};
use crate::diagnostic::Diagnostic;
use crate::ir::{LossTerm, Model};
use crate::ops::LossKind;
use crate::ops::loss::Contrast;
use crate::settings::{early_stop, metric, monitor, negatives, optimizer, protocol, schedule};
use crate::source::Span;
use crate::types::{DataFacts, TargetKind};
use std::collections::BTreeSet;

/// Checks the protocol against the data, and what watches the validation part against the protocol.
pub fn fits(model: &Model, data: Option<&DataFacts>) -> Vec<Diagnostic> {
    let call = model.evaluate.call("protocol");
    let mut findings: Vec<_> =
        call.and_then(|call| protocol::kind(call).check(call, data)).into_iter().collect();
    findings.extend(model.train.call("optimizer").and_then(optimizer::check));
    if let Some(call) = call
        && protocol::kind(call).leaves_validation(&call.args) == Some(false)
    {
        let schedule = model.train.call("schedule");
        let is_absent = |monitor: &&str| *monitor != monitor::TRAIN_LOSS;
        let watching =
            schedule.filter(|call| schedule::kind(call).monitor(call).is_some_and(|name| is_absent(&name)));
        let early_stop = model.train.call("early_stop");
        let watching = watching.into_iter().chain(early_stop.filter(|call| {
            let is_written = model.train.get("early_stop").is_some_and(|arg| arg.span.is_some());
            // The default keeps the last epoch's weights where nothing can be watched.
            is_written && early_stop::kind(call).monitor(call).is_some_and(|name| is_absent(&name))
        }));
        findings.extend(watching.map(|watching| no_validation(watching, call)));
    }
    findings.extend(model.train.call("negatives").and_then(negatives::check));
    findings.extend(compares_drawn_pairs(model));
    for key in ["negatives", "disjoint"].into_iter().filter(|_| model.task.kind != TargetKind::Links) {
        let Some(place) = model.train.get(key).and_then(|arg| arg.span) else { continue };
        findings.push(
            Diagnostic::error(
                "args::no_effect",
                format!("`{key}` of `train` has no effect here: the task is not about links"),
            )
            .label(place, "changes nothing")
            .help(format!("leave `{key}` out, or write `task = link_prediction`"))
            .fix(place, ""),
        );
    }
    // Without data the task may be another one; of a machine it is said that nothing of `train` matters.
    if model.task.kind != TargetKind::Regression
        && model.machine().is_none()
        && data.is_some_and(|data| data.task.is_some())
        && let Some(place) = model.train.get("scale_targets").and_then(|arg| arg.span)
    {
        let task = model.task.name().replace('_', " ");
        findings.push(
            Diagnostic::error(
                "args::no_effect",
                format!("`scale_targets` of `train` has no effect here: {task} predicts no values"),
            )
            .label(place, "changes nothing")
            .help("leave `scale_targets` out")
            .fix(place, ""),
        );
    }
    if findings.is_empty()
        && let Some(data) = data
        && let Some(runs) = protocol::parts_by_class(call, data)
    {
        findings.extend(undefined_monitors(model, data, &runs));
        if findings.is_empty() {
            findings.extend(absent_classes(model, data, &runs));
        }
    }
    findings
}

/// A loss that compares a link with pairs drawn for it, where none are drawn: each label counts by itself.
fn compares_drawn_pairs(model: &Model) -> Option<Diagnostic> {
    let call = model.train.call("negatives").filter(|call| negatives::k_vs_all::is_it(call))?;
    let right = negatives::k_vs_all::LOSS;
    let is_other =
        |term: &&LossTerm| matches!(term.loss.kind(), LossKind::Task(_)) && term.loss.name() != right;
    let other = model.losses.iter().find(is_other).filter(|_| model.task.kind == TargetKind::Links)?;
    let name = other.loss.name();
    Some(
        Diagnostic::error(
            "task::wrong_loss",
            format!("`{name}` compares a link with pairs that are drawn for it, but `k_vs_all` draws none"),
        )
        .label(other.span, "compares a link with pairs drawn for it")
        .label(call.span, "scores every node for each query")
        .help(format!("write `loss = {right}`, or `negatives = uniform(64)`"))
        .guess(other.span, right),
    )
}

/// Settings that cannot matter with this data.
pub fn matters(model: &Model, data: &DataFacts) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    if data.n_graphs == 1
        && model.task.kind != TargetKind::Links
        && model.losses.iter().all(|term| term.loss.contrast() != Some(Contrast::Walks))
        && let Some(place) = model.train.get("batch_size").and_then(|arg| arg.span)
    {
        findings.push(
            Diagnostic::error(
                "args::no_effect",
                "`batch_size` of `train` has no effect here: there is one graph",
            )
            .label(place, "changes nothing")
            .help("leave `batch_size` out: each step sees the whole graph")
            .fix(place, ""),
        );
    }
    findings
}

/// Items of each class in the training, validation and test part of a run.
type PartCounts = [Vec<usize>; 3];

/// The classes that some of these counts are of.
fn present(counts: &[usize]) -> BTreeSet<i64> {
    (0i64..).zip(counts).filter(|(_, n)| **n > 0).map(|(class, _)| class).collect()
}

/// What watches a figure that is not defined on the validation part of some run.
fn undefined_monitors(model: &Model, data: &DataFacts, runs: &[PartCounts]) -> Vec<Diagnostic> {
    let watching = [
        model.train.call("schedule").and_then(|call| Some((call, schedule::kind(call).monitor(call)?))),
        model.train.call("early_stop").and_then(|call| Some((call, early_stop::kind(call).monitor(call)?))),
    ];
    let mut findings = Vec::new();
    for (call, name) in watching.into_iter().flatten() {
        let Some(metric) = monitor::metric_of(name) else { continue };
        let lacks = |parts: &&PartCounts| {
            let present = present(&parts[1]);
            !present.is_empty() && !metric::is_defined_on(metric, data.class_counts.len(), &present)
        };
        let n_runs = runs.iter().filter(lacks).count();
        if n_runs == 0 {
            continue;
        }
        let of = if runs.len() == 1 { String::new() } else { format!(" of {n_runs} of {} runs", runs.len()) };
        findings.push(
            Diagnostic::error(
                "training::undefined_monitor",
                format!("`{name}` is not defined on the validation part{of}, which holds one class alone"),
            )
            .label(place(call, "monitor"), "this is watched")
            .help(
                "watch a figure that is defined, as in `monitor = val_loss`; or keep more for validation, as in \
                 `protocol = holdout(validation = 0.2, test = 0.1)`",
            ),
        );
    }
    findings
}

/// Classes of the data that the validation or test part of some run does not hold.
fn absent_classes(model: &Model, data: &DataFacts, runs: &[PartCounts]) -> Option<Diagnostic> {
    let n_items: usize = data.class_counts.iter().sum();
    let mut lacking: Vec<(usize, [usize; 3])> = Vec::new();
    for (class, &n) in data.class_counts.iter().enumerate().filter(|(_, n)| **n > 0) {
        let mut n_runs = [0; 3];
        for parts in runs {
            for (part, n_lacking) in parts.iter().zip(&mut n_runs) {
                *n_lacking += usize::from(part.iter().any(|&n| n > 0) && part[class] == 0);
            }
        }
        if n_runs != [0; 3] {
            lacking.push((n, n_runs));
        }
    }
    let &(n, n_runs) = lacking.iter().min_by_key(|(n, _)| *n)?;
    let parts = ["training", "validation", "test"].into_iter().zip(n_runs).filter(|(_, n)| *n > 0);
    let parts: Vec<String> = parts
        .map(|(part, n)| match runs.len() {
            1 => format!("the {part} part"),
            n_runs => format!("the {part} part of {n} of {n_runs} runs"),
        })
        .collect();
    let what = match lacking.len() {
        1 => format!("a class with {n} of {n_items} items is absent"),
        n_classes => format!(
            "{n_classes} classes are absent from some part; the smallest, with {n} of {n_items} items,"
        ),
    };
    let call = model.evaluate.call("protocol").or(model.data.as_ref());
    let span = call.map_or(model.graph[model.output].span, |call| call.span);
    Some(
        Diagnostic::warning("training::absent_class", format!("{what} from {}", listed(&parts)))
            .label(span, "this is how the data is cut")
            .help(format!(
                "figures of such a part say nothing about the class, and means over classes skip it: {}",
                match model.evaluate.call("protocol") {
                    Some(protocol) if protocol.name == "k_fold" => {
                        "measure with fewer folds, which are larger, or with a larger `inner_holdout`"
                    }
                    _ => "hold out larger parts, or measure with `k_fold`",
                }
            )),
    )
}

/// The argument as written, else the whole call.
fn place(call: &BoundCall, arg: &str) -> Span {
    call.args.get(arg).and_then(|bound| bound.span).unwrap_or(call.span)
}

/// A schedule or an early stop watches a part that the protocol leaves empty.
fn no_validation(watching: &BoundCall, protocol: &BoundCall) -> Diagnostic {
    let (arg, write) = match protocol.name {
        "k_fold" => ("inner_holdout", format!("k_fold({}, inner_holdout = 0.1)", protocol.args.int("k"))),
        _ => ("validation", "holdout(validation = 0.1)".to_owned()),
    };
    Diagnostic::error(
        "training::no_validation",
        format!("`{}` watches the validation part, but the protocol leaves none", watching.name),
    )
    .label(watching.span, "watches the validation part")
    .label(place(protocol, arg), "nothing is kept for validation")
    .help(format!("keep some: `protocol = {write}`"))
    .guess(protocol.span, write)
}
