//! A lower learning rate when a figure stops improving.

use super::{Schedule, ScheduleKind};
use crate::args::{ArgKind, ArgSpec, BoundCall, CallSpec, Default, Range};
use crate::settings::monitor;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub static SPEC: CallSpec = CallSpec {
    name: "plateau",
    doc: "Multiplies the learning rate by `factor` when the monitored figure has not improved for more than \
          `patience` epochs. torch.optim.lr_scheduler.ReduceLROnPlateau",
    example: "plateau(factor = 0.5, patience = 10)",
    args: &[
        ArgSpec {
            name: "factor",
            kind: ArgKind::Float(Range::open(0.0, 1.0)),
            default: Default::Float(0.5),
            positional: false,
            doc: "What the learning rate is multiplied by.",
        },
        ArgSpec {
            name: "patience",
            kind: ArgKind::Int { min: 0, max: 1_000_000 },
            default: Default::Int(10),
            positional: false,
            doc: "Epochs without improvement that are tolerated.",
        },
        monitor::ARG,
        ArgSpec {
            name: "threshold",
            kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
            default: Default::Float(1e-4),
            positional: false,
            doc: "Relative change below which a figure counts as not improved.",
        },
        ArgSpec {
            name: "min_lr",
            kind: ArgKind::Float(Range::closed_open(0.0, f64::INFINITY)),
            default: Default::Float(0.0),
            positional: false,
            doc: "Learning rate below which it is not lowered.",
        },
    ],
};

pub struct Plateau;

impl ScheduleKind for Plateau {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn build(&self, call: &BoundCall, lr: f64, _epochs: usize) -> Box<dyn Schedule> {
        Box::new(Falling {
            factor: call.args.float("factor"),
            patience: call.args.int("patience") as usize,
            higher_is_better: monitor::higher_is_better(call.args.choice("monitor")),
            threshold: call.args.float("threshold"),
            min_lr: call.args.float("min_lr"),
            state: State { lr, best: None, bad_epochs: 0 },
        })
    }

    fn monitor(&self, call: &BoundCall) -> Option<&'static str> {
        Some(call.args.choice("monitor"))
    }
}

struct Falling {
    factor: f64,
    patience: usize,
    higher_is_better: bool,
    threshold: f64,
    min_lr: f64,
    state: State,
}

#[derive(Debug, Serialize, Deserialize)]
struct State {
    lr: f64,
    best: Option<f64>,
    bad_epochs: usize,
}

impl Schedule for Falling {
    fn lr(&self, _epoch: usize) -> f64 {
        self.state.lr
    }

    fn observe(&mut self, _epoch: usize, monitored: Option<f64>) {
        // An epoch in which the figure is not defined is neither better nor worse than another, and is not counted.
        let Some(value) = monitored.filter(|value| !value.is_nan()) else { return };
        let is_better = self.state.best.is_none_or(|best| {
            let gain = if self.higher_is_better { value - best } else { best - value };
            gain > self.threshold * best.abs()
        });
        if is_better {
            self.state.best = Some(value);
            self.state.bad_epochs = 0;
        } else {
            self.state.bad_epochs += 1;
        }
        if self.state.bad_epochs > self.patience {
            // A rate that starts below the floor stays where it is.
            self.state.lr = (self.state.lr * self.factor).max(self.min_lr).min(self.state.lr);
            self.state.bad_epochs = 0;
        }
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
    use super::super::tests::*;
    use super::*;
    use crate::args::ArgValue;

    fn plateau(monitor: &'static str) -> Box<dyn Schedule> {
        schedule(
            "plateau",
            vec![
                ("factor", ArgValue::Float(0.5)),
                ("patience", ArgValue::Int(1)),
                ("monitor", ArgValue::Choice(monitor)),
                ("threshold", ArgValue::Float(0.1)),
                ("min_lr", ArgValue::Float(0.03)),
            ],
        )
    }

    fn rates(schedule: &mut dyn Schedule, figures: &[Option<f64>]) -> Vec<f64> {
        let step = |(epoch, &figure): (usize, &Option<f64>)| {
            schedule.observe(epoch, figure);
            schedule.lr(epoch + 1)
        };
        figures.iter().enumerate().map(step).collect()
    }

    #[test]
    fn the_rate_falls_after_more_bad_epochs_than_patience() {
        // 0.95 is not better than 1.0 by a tenth.
        let figures = [Some(1.0), Some(0.95), Some(0.8), Some(0.8), Some(0.8), Some(0.8), Some(0.8)];
        assert_eq!(rates(&mut *plateau("val_loss"), &figures), [0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.03]);
    }

    #[test]
    fn an_undefined_figure_never_lowers_the_rate() {
        let mut schedule = plateau("val_accuracy");
        assert_eq!(rates(&mut *schedule, &[None; 20]), [0.1; 20]);
        // Of two bad epochs in a row only those with a figure count.
        let figures = [Some(0.5), None, Some(0.5), None, Some(f64::NAN), Some(0.5)];
        assert_eq!(rates(&mut *schedule, &figures), [0.1, 0.1, 0.1, 0.1, 0.1, 0.05]);
    }

    #[test]
    fn a_score_is_better_when_higher() {
        let figures = [Some(0.5), Some(0.7), Some(0.6), Some(0.6)];
        assert_eq!(rates(&mut *plateau("val_accuracy"), &figures), [0.1, 0.1, 0.1, 0.05]);
    }

    #[test]
    fn a_restored_state_remembers_bad_epochs() {
        let mut first = plateau("val_loss");
        first.observe(0, Some(1.0));
        first.observe(1, Some(1.0));
        let mut second = plateau("val_loss");
        assert!(second.restore(&first.state()));
        second.observe(2, Some(1.0));
        assert_eq!(second.lr(3), 0.05);
        assert!(!second.restore(&Value::Null));
    }
}
