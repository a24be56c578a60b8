//! Whether a model can be trained as its `train` and `evaluate` sections say.

use crate::args::BoundCall;
use crate::diagnostic::Diagnostic;
use crate::ir::{DataFacts, Model};
use crate::source::Span;
use crate::train::{early_stop, protocol, schedule};

/// Checks the protocol against the data, and what watches the validation part against the protocol.
pub fn fits(model: &Model, data: Option<&DataFacts>) -> Vec<Diagnostic> {
    let call = model.evaluate.call("protocol");
    let mut findings: Vec<_> =
        call.and_then(|call| protocol::kind(call).check(call, data)).into_iter().collect();
    if let Some(call) = call
        && protocol::kind(call).leaves_validation(&call.args) == Some(false)
    {
        let schedule = model.train.call("schedule");
        let watching = schedule.filter(|call| schedule::kind(call).monitor(call).is_some());
        let early_stop = model.train.call("early_stop");
        let watching = watching.into_iter().chain(early_stop.filter(|call| {
            let is_written = model.train.get("early_stop").is_some_and(|arg| arg.span.is_some());
            // The default keeps the last epoch's weights where nothing can be watched.
            is_written && early_stop::kind(call).monitor(call).is_some()
        }));
        findings.extend(watching.map(|watching| no_validation(watching, call)));
    }
    findings
}

/// The argument as written, else the whole call.
fn place(call: &BoundCall, arg: &str) -> Span {
    call.args.get(arg).and_then(|bound| bound.span).unwrap_or(call.span)
}

/// A schedule or an early stop watches a part that the protocol leaves empty.
fn no_validation(watching: &BoundCall, protocol: &BoundCall) -> Diagnostic {
    let (arg, write) = match protocol.name {
        "k_fold" => ("inner_holdout", "k_fold(10, inner_holdout = 0.1)"),
        _ => ("validation", "holdout(validation = 0.1)"),
    };
    Diagnostic::error(
        "training::no_validation",
        format!("`{}` watches the validation part, but the protocol leaves none", watching.name),
    )
    .label(watching.span, "watches the validation part")
    .label(place(protocol, arg), "nothing is kept for validation")
    .help(format!("keep some: `protocol = {write}`"))
}

/// Validation and test take everything.
pub fn nothing_to_train_on(call: &BoundCall, validation: f64, test: f64) -> Diagnostic {
    Diagnostic::error(
        "training::nothing_to_train_on",
        format!("`holdout` keeps {validation} for validation and {test} for the test, which is everything"),
    )
    .label(call.span, "leaves nothing to train on")
    .help("leave some: `holdout(validation = 0.1, test = 0.1)`")
}

/// More folds than labelled items.
pub fn too_many_folds(call: &BoundCall, k: i64, n_labelled: usize, data: &str) -> Diagnostic {
    Diagnostic::error(
        "training::too_many_folds",
        format!("`k_fold({k})` needs at least {k} labelled items, but {data} has {n_labelled}"),
    )
    .label(place(call, "k"), format!("{k} folds"))
    .help(format!("ask for fewer: `k_fold({})`", n_labelled.clamp(2, 10)))
}

/// The data has no split of its own.
pub fn no_split(call: &BoundCall, data: &str) -> Diagnostic {
    Diagnostic::error("training::no_split", format!("{data} comes without a split of its own"))
        .label(call.span, "this data has no split to use")
        .help("write `protocol = holdout(validation = 0.1, test = 0.1)` or `protocol = k_fold(10)`")
}
