//! A file that leaves values open stands for many models: each of them is checked, and what is found of several is said once.

use super::{Checked, Outcome, check_one};
use crate::diagnostic::Diagnostic;
use crate::ir::{Canonical, Model, canonical::Part};
use crate::search::{Assignment, Domain, Found, Space};
use crate::settings::{metric, monitor, protocol, search};
use crate::source::Span;
use crate::syntax::Program;
use crate::types::{DataFacts, TargetKind};
use std::collections::HashSet;

/// Where a finding is the same for two models.
type Key = (&'static str, Option<Span>);

fn key(finding: &Diagnostic) -> Key {
    (finding.code, finding.labels.first().map(|label| label.span))
}

/// Checks every model that the program stands for, or as many as are worth it.
pub(super) fn check(program: &Program, data: Option<&DataFacts>, found: Found) -> Outcome {
    let Some(space) = found.space.clone() else {
        let mut outcome = check_one(&found.resolved(program, &[]), data);
        outcome.diagnostics.splice(0..0, found.findings);
        return Outcome { model: None, refused: None, ..outcome };
    };
    let assignments = space.to_check();
    let outcomes: Vec<Outcome> =
        assignments.iter().map(|assignment| check_one(&found.resolved(program, assignment), data)).collect();
    // A name that one of the models reads is used.
    let is_everywhere = |finding: &Diagnostic| {
        outcomes.iter().all(|outcome| outcome.diagnostics.iter().any(|other| key(other) == key(finding)))
    };
    let mut seen: HashSet<Key> = HashSet::new();
    let mut diagnostics = found.findings;
    for (assignment, outcome) in assignments.iter().zip(&outcomes) {
        for finding in &outcome.diagnostics {
            let is_of_names = finding.code.starts_with("unused::");
            if (!is_of_names || is_everywhere(finding)) && seen.insert(key(finding)) {
                diagnostics.push(with_choice(finding.clone(), &space, assignment));
            }
        }
    }
    let models: Option<Vec<&Model>> =
        outcomes.iter().map(|outcome| outcome.model.as_ref().map(Checked::get)).collect();
    let mut lines = Vec::new();
    if let Some(models) = &models {
        diagnostics.extend(differing(&space, &assignments, models));
        diagnostics.extend(settings(models[0], Some(&space)));
        lines = canonical(&space, &assignments, models);
    }
    let is_sound = !diagnostics.iter().any(Diagnostic::is_error);
    let mut outcomes = outcomes.into_iter();
    let first = outcomes.next().unwrap_or_else(|| check_one(program, data));
    let model =
        first.model.filter(|_| is_sound).map(|Checked(model)| Checked(Model { search: lines, ..model }));
    Outcome { model, refused: None, is_library: first.is_library, space: Some(space), diagnostics }
}

/// Says for which choice a finding holds, where the first model is not the one.
fn with_choice(mut finding: Diagnostic, space: &Space, assignment: &Assignment) -> Diagnostic {
    let first = space.first();
    for ((site, choice), usual) in space.sites.iter().zip(assignment).zip(&first) {
        let Domain::Choices(list) = &site.domain else { continue };
        let place = list[choice.number() as usize].span;
        if choice != usual && !finding.labels.iter().any(|label| label.span == place) {
            finding = finding.label(place, "with this choice");
        }
    }
    finding
}

/// Data and evaluation that are not the same for all models, so that these could not be compared.
fn differing(space: &Space, assignments: &[Assignment], models: &[&Model]) -> Option<Diagnostic> {
    let first = models[0];
    let (idx, _) = models.iter().enumerate().find(|(_, model)| {
        model.data != first.data || model.evaluate != first.evaluate || model.task != first.task
    })?;
    let usual = space.first();
    let site =
        space.sites.iter().zip(&assignments[idx]).zip(&usual).find(|((_, choice), usual)| choice != usual);
    let ((site, _), _) = site?;
    let what = match models[idx] {
        model if model.task != first.task => "the task",
        model if model.data != first.data => "the data",
        _ => "how models are measured",
    };
    Some(
        Diagnostic::error("search::not_here", format!("{what} depends on an open value"))
            .label(site.span, "on this one")
            .help("models can be compared where data, task and evaluation are the same for all of them"),
    )
}

/// What of `evaluate` is about a search, against what the file leaves open.
pub(super) fn settings(model: &Model, space: Option<&Space>) -> Vec<Diagnostic> {
    let evaluate = &model.evaluate;
    if model.machine().is_some() {
        let idle = evaluate.get("final_runs").and_then(|arg| arg.span).map(|place| {
            Diagnostic::error(
                "args::no_effect",
                "`final_runs` of `evaluate` has no effect here: nothing of a support vector machine is drawn",
            )
            .label(place, "changes nothing")
            .help("leave it out")
            .fix(place, "")
        });
        let epochs =
            evaluate.call("protocol").filter(|call| protocol::kind(call).chooses_mean_epoch()).map(|call| {
                Diagnostic::error(
                    "args::no_effect",
                    format!(
                        "`{}` has no epochs to choose from: a support vector machine is solved at once",
                        call.name
                    ),
                )
                .label(call.span, "chooses an epoch")
                .help("write `protocol = k_fold(10, inner_holdout = 0.1)`")
            });
        let found: Vec<Diagnostic> = idle.into_iter().chain(epochs).collect();
        if !found.is_empty() {
            return found;
        }
    }
    let Some(space) = space else {
        let idle = ["search", "prune", "choose_by"].into_iter().filter_map(|key| {
            let place = evaluate.get(key)?.span?;
            let message = format!("`{key}` of `evaluate` has no effect here: the file leaves no value open");
            let finding = Diagnostic::error("args::no_effect", message).label(place, "changes nothing");
            let help = "leave it out, or leave a value open, as in `lr = search(1e-4 .. 1e-2, log)`";
            Some(finding.help(help).fix(place, ""))
        });
        let nested =
            evaluate.call("protocol").filter(|call| protocol::kind(call).n_inner(&call.args).is_some());
        let nested = nested.map(|call| {
            let plain = format!(
                "k_fold({}, inner_holdout = {})",
                call.args.int("k"),
                call.args.float("inner_holdout")
            );
            let message = format!(
                "the inner folds of `{}` have no effect here: the file leaves no value open",
                call.name
            );
            Diagnostic::error("args::no_effect", message)
                .label(call.span, "cut for the trials of a search")
                .help(format!("write `{plain}`, or leave a value open with `search(…)`"))
                .guess(call.span, plain)
        });
        return idle.chain(nested).collect();
    };
    let mut findings: Vec<Diagnostic> = Vec::new();
    let call = evaluate.call("search").cloned();
    let usual = search::usual(space);
    let call = call.as_ref().unwrap_or(&usual);
    findings.extend(search::kind(call).check(call, space));
    if let Some(protocol) = evaluate.call("protocol")
        && protocol::kind(protocol).leaves_validation(&protocol.args) == Some(false)
    {
        findings.push(
            Diagnostic::error(
                "training::no_validation",
                "a search chooses on the validation part, but the protocol leaves none",
            )
            .label(space.sites[0].span, "this value is chosen")
            .label(protocol.span, "nothing is kept for validation")
            .help("keep some: `k_fold(10, inner_holdout = 0.1)` or `holdout(validation = 0.1)`"),
        );
    }
    if let Some(place) = evaluate.get("choose_by").and_then(|arg| arg.span)
        && evaluate.choice("choose_by") == monitor::TRAIN_LOSS
    {
        findings.push(
            Diagnostic::error(
                "training::no_validation",
                "models are chosen on the validation part, and `train_loss` is of the training part",
            )
            .label(place, "what was learned by heart would be chosen")
            .help("write `val_loss`")
            .guess(place, "choose_by = val_loss"),
        );
    }
    if let Some(arg) = evaluate.get("choose_by").filter(|arg| arg.span.is_some())
        && let Some(metric) = monitor::metric_of(evaluate.choice("choose_by"))
        && !metric.fits(model.task.kind)
        && let Some(place) = arg.span
    {
        let names: Vec<String> =
            metric::defaults(model.task.kind).iter().map(|name| format!("val_{name}")).collect();
        findings.push(
            Diagnostic::error(
                "task::wrong_metric",
                format!("`{}` does not measure {}", metric.name(), model.task.name().replace('_', " ")),
            )
            .label(place, "models are chosen by it")
            .help(format!("write `choose_by = {}`", names.first().map_or("val_loss", String::as_str))),
        );
    }
    if model.task.kind == TargetKind::Embedding {
        findings.push(
            Diagnostic::error(
                "search::not_here",
                "vectors are measured at the end of a run, so no epoch of a trial can be judged",
            )
            .label(space.sites[0].span, "this value would be chosen by a figure of each epoch")
            .help("write one value"),
        );
    }
    if model.machine().is_some() {
        findings.push(
            Diagnostic::error("search::not_here", "a support vector machine chooses among its own values")
                .label(space.sites[0].span, "this would be chosen beside them")
                .help("write the values as a list, as in `wl_kernel(h = [1, 2, 3]) -> svm`"),
        );
    }
    findings
}

/// What the canonical form says of the open values: for each what it may become, whatever it is called and however it is written.
fn canonical(space: &Space, assignments: &[Assignment], models: &[&Model]) -> Vec<String> {
    let first = space.first();
    let hash_of = |place: usize, choice| {
        let mut wanted = first.clone();
        wanted[place] = choice;
        let idx = assignments.iter().position(|assignment| *assignment == wanted)?;
        Some(Canonical::of(models[idx]).hash(Part::All)[..16].to_owned())
    };
    let mut lines: Vec<String> = Vec::new();
    for (place, site) in space.sites.iter().enumerate() {
        lines.push(match &site.domain {
            Domain::Choices(list) => {
                let mut hashes: Vec<String> = (0..list.len())
                    .filter_map(|choice| hash_of(place, crate::search::Choice::Place(choice)))
                    .collect();
                hashes.sort_unstable();
                format!("one of {}", hashes.join(" "))
            }
            Domain::Range(range) => {
                let high = hash_of(place, crate::search::Choice::Number(range.high)).unwrap_or_default();
                let points = range.points.map_or(String::new(), |points| format!(" points {points}"));
                let log = if range.is_log { " log" } else { "" };
                format!("range {:?} .. {:?}{log}{points} up to {high}", range.low, range.high)
            }
        });
    }
    lines.sort_unstable();
    lines
}
