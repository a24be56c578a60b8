//! `idle_schedule`: a schedule of the learning rate that never gets to change it.

use super::cx::counted;
use super::{Cx, Lint, NeedsData};
use crate::diagnostic::Diagnostic;
use crate::settings::{early_stop, monitor, schedule};
use crate::train::{Overrides, Settings};

/// A schedule that waits longer than the run lasts: for a plateau where the early stop ends the run first, or for a
/// step behind the last epoch.
///
/// Paper: Bengio 2012, "Practical Recommendations for Gradient-Based Training of Deep Architectures", section 3.1.
pub static LINT: Lint = Lint {
    code: "lint::idle_schedule",
    summary: "a schedule that never changes the learning rate, because the run ends first",
    needs_data: NeedsData::Never,
    thresholds: &[],
    find,
};

/// What ends the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Epochs,
    EarlyStop,
    /// Nothing: the rate is as low as the schedule lets it go.
    Floor,
}

fn learning_rate(settings: &Settings) -> f64 {
    settings.optimizer.args.opt_float("lr").unwrap_or(1.0)
}

fn find(cx: &Cx) -> Vec<Diagnostic> {
    let entry = cx.model.train.get("schedule").and_then(|arg| arg.span);
    let without = |finding: Diagnostic| match entry {
        Some(entry) => finding.guess(entry, ""),
        None => finding,
    };
    findings(cx).into_iter().map(without).collect()
}

fn findings(cx: &Cx) -> Vec<Diagnostic> {
    let settings = Settings::new(cx.model, Overrides::default());
    let call = &settings.schedule;
    let (false, Some((end, epochs))) = (call.args.0.is_empty(), never_changes(&settings)) else {
        return Vec::new();
    };
    let text = cx.text(call.span);
    if end == End::Floor {
        let floor = call.args.get("min_lr").and_then(|arg| arg.span).unwrap_or(call.span);
        return vec![
            Diagnostic::warning(
                LINT.code,
                format!("`{text}` never changes the learning rate: it begins at the lowest"),
            )
            .label(floor, "not lowered below this")
            .label(
                settings.optimizer.span,
                format!("the learning rate is {lr}", lr = learning_rate(&settings)),
            )
            .help("write a lower `min_lr`, or leave it out"),
        ];
    }
    let finding = Diagnostic::warning(
        LINT.code,
        format!("`{text}` never changes the learning rate: the run ends first"),
    )
    .label(call.span, "still waiting when the run ends");
    let stop = &settings.early_stop;
    let place = |key: &str| cx.model.train.get(key).and_then(|arg| arg.span);
    vec![match (end, place("early_stop"), place("epochs")) {
        (End::EarlyStop, Some(_), _) => finding
            .label(stop.span, format!("without improvement the run ends after epoch {epochs}"))
            .help("let the schedule wait for less than the early stop: for example `plateau(patience = 10)` with `patience(30)`"),
        (_, _, Some(epochs_place)) => finding
            .label(epochs_place, format!("{} at most", counted(epochs, "epoch")))
            .help("let it act earlier, train for longer, or leave it out"),
        _ => finding.help(format!("the run has {}: let it act earlier, or train for longer", counted(epochs, "epoch"))),
    }]
}

/// Simulates the schedule on a run that never improves, which is when it acts most. What ended the run
/// without a change, and after how many epochs.
fn never_changes(settings: &Settings) -> Option<(End, usize)> {
    // Far above every floor, then from the rate that the run begins with.
    never_changes_from(settings, 1e9).or_else(|| {
        never_changes_from(settings, learning_rate(settings)).map(|(_, epochs)| (End::Floor, epochs))
    })
}

fn never_changes_from(settings: &Settings, lr: f64) -> Option<(End, usize)> {
    let mut schedule = schedule::kind(&settings.schedule).build(&settings.schedule, lr, settings.epochs);
    let mut stop = early_stop::kind(&settings.early_stop).build(&settings.early_stop);
    let watched = schedule::kind(&settings.schedule).monitor(&settings.schedule);
    // A stop that watches something else may wait on while this figure stands still.
    let stop_watches = early_stop::kind(&settings.early_stop).monitor(&settings.early_stop);
    let is_same = watched.is_none() || watched == stop_watches;
    let figure = |epoch: usize| {
        let is_higher_better = watched.or(stop_watches).is_some_and(monitor::higher_is_better);
        match (epoch, is_higher_better) {
            (0, _) => 1.0,
            (_, true) => 0.0,
            (_, false) => 2.0,
        }
    };
    let first = schedule.lr(0);
    for epoch in 0..settings.epochs {
        if schedule.lr(epoch) != first {
            return None;
        }
        schedule.observe(epoch, Some(figure(epoch)));
        // Without a figure to watch, a schedule acts at its time, and a run that gets better is not stopped.
        if is_same && watched.is_some() && stop.observe(Some(figure(epoch))).stop {
            return Some((End::EarlyStop, epoch + 1));
        }
    }
    Some((End::Epochs, settings.epochs))
}

#[cfg(test)]
mod tests {
    use crate::lint::testing::lints;

    fn of(train: &str) -> Vec<&'static str> {
        lints(&format!("model = gin(8) -> sum -> linear\ntrain {{ {train} }}"))
    }

    #[test]
    fn a_schedule_that_waits_too_long_is_told() {
        for train in [
            "schedule = plateau(patience = 30), early_stop = patience(20)",
            "schedule = plateau(patience = 200)",
            "schedule = step(every = 50), epochs = 50",
            "schedule = plateau(patience = 10, min_lr = 0.001)",
            "optimizer = adam(lr = 1e-4), schedule = plateau(patience = 10, min_lr = 1e-3)",
        ] {
            assert_eq!(of(train), ["idle_schedule"], "{train}");
        }
    }

    #[test]
    fn one_that_acts_is_not() {
        for train in [
            "schedule = plateau(patience = 10), early_stop = patience(20)",
            "schedule = plateau(patience = 30), early_stop = patience(20, monitor = val_accuracy)",
            "schedule = step(every = 50), epochs = 51",
            "schedule = cosine, epochs = 5",
            "optimizer = adam(lr = 0.01), schedule = plateau(patience = 10, min_lr = 1e-3)",
            "schedule = warmup(epochs = 3), epochs = 5",
            "epochs = 5",
        ] {
            assert_eq!(of(train), [""; 0], "{train}");
        }
    }
}
