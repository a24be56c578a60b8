//! Stop when a figure has not improved for some epochs.

use super::{EarlyStop, EarlyStopKind, Verdict};
use crate::args::{ArgKind, ArgSpec, BoundCall, CallSpec, Default, Range};
use crate::settings::monitor;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub static SPEC: CallSpec = CallSpec {
    name: "patience",
    doc: "Stops when the monitored figure has not improved for `epochs` epochs, and keeps the weights of the \
          best one.",
    example: "patience(30)",
    args: &[
        ArgSpec {
            name: "epochs",
            kind: ArgKind::Int { min: 1, max: 1_000_000 },
            default: Default::Required,
            positional: true,
            doc: "Epochs without improvement after which the run ends.",
        },
        monitor::ARG,
        ArgSpec {
            name: "min_delta",
            kind: ArgKind::Float(Range::closed_open(0.0, f64::INFINITY)),
            default: Default::Float(0.0),
            positional: false,
            doc: "Change that a figure has to exceed to count as improved.",
        },
    ],
};

pub struct Patience;

impl EarlyStopKind for Patience {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn build(&self, call: &BoundCall) -> Box<dyn EarlyStop> {
        let args = &call.args;
        let patience = args.int("epochs") as usize;
        Box::new(Watch::new(args.choice("monitor"), args.float("min_delta"), Some(patience)))
    }

    fn monitor(&self, call: &BoundCall) -> Option<&'static str> {
        Some(call.args.choice("monitor"))
    }
}

/// Watches a figure for its best epoch. An epoch in which it is not defined is neither better nor worse than another:
/// it is not counted, and its weights are kept only where no epoch before had a figure.
pub(super) struct Watch {
    higher_is_better: bool,
    min_delta: f64,
    /// Epochs without improvement after which the run ends; `None` for never.
    patience: Option<usize>,
    state: State,
}

#[derive(Debug, Serialize, Deserialize)]
struct State {
    best: Option<f64>,
    bad_epochs: usize,
}

impl Watch {
    pub(super) fn new(monitor: &str, min_delta: f64, patience: Option<usize>) -> Self {
        let state = State { best: None, bad_epochs: 0 };
        Self { higher_is_better: monitor::higher_is_better(monitor), min_delta, patience, state }
    }
}

impl EarlyStop for Watch {
    fn observe(&mut self, monitored: Option<f64>) -> Verdict {
        let Some(value) = monitored.filter(|value| !value.is_nan()) else {
            // With nothing to compare, the newest weights are those that have learned most.
            return Verdict { keep: self.state.best.is_none(), stop: false };
        };
        let is_better = self.state.best.is_none_or(|best| {
            let gain = if self.higher_is_better { value - best } else { best - value };
            gain > self.min_delta
        });
        if is_better {
            self.state.best = Some(value);
            self.state.bad_epochs = 0;
        } else {
            self.state.bad_epochs += 1;
        }
        let stop = self.patience.is_some_and(|patience| self.state.bad_epochs >= patience);
        Verdict { keep: is_better, stop }
    }

    fn state(&self) -> Value {
        serde_json::to_value(&self.state).expect("numbers become JSON")
    }

    fn restore(&mut self, state: &Value) -> bool {
        match State::deserialize(state) {
            Ok(state) => {
                self.state = state;
                true
            }
            Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_ends_after_so_many_epochs_without_improvement() {
        let mut rule = Watch::new("val_loss", 0.05, Some(2));
        let verdicts: Vec<_> =
            [1.0, 0.5, 0.48, 0.46].into_iter().map(|loss| rule.observe(Some(loss))).collect();
        let verdict = |keep, stop| Verdict { keep, stop };
        assert_eq!(
            verdicts,
            [verdict(true, false), verdict(true, false), verdict(false, false), verdict(false, true)]
        );
    }

    #[test]
    fn an_undefined_figure_neither_stops_the_run_nor_chooses_an_epoch() {
        let verdict = |keep, stop| Verdict { keep, stop };
        let mut rule = Watch::new("val_roc_auc", 0.0, Some(2));
        let figures = [None, Some(f64::NAN), None, Some(0.6), None, None, Some(0.5), None, Some(0.6)];
        let verdicts: Vec<_> = figures.into_iter().map(|figure| rule.observe(figure)).collect();
        let mut expected = vec![verdict(true, false); 4];
        // Two epochs with a figure that is no better, however many without one lie between them.
        expected.extend([verdict(false, false); 4]);
        expected.push(verdict(false, true));
        assert_eq!(verdicts, expected);
        let mut rule = Watch::new("val_roc_auc", 0.0, Some(1));
        assert!((0..50).all(|_| rule.observe(None) == verdict(true, false)));
    }

    #[test]
    fn a_restored_rule_remembers_the_best() {
        let mut first = Watch::new("val_loss", 0.0, Some(2));
        first.observe(Some(0.5));
        first.observe(Some(0.6));
        let mut second = Watch::new("val_loss", 0.0, Some(2));
        assert!(second.restore(&first.state()));
        assert_eq!(second.observe(Some(0.55)), Verdict { keep: false, stop: true });
    }
}
