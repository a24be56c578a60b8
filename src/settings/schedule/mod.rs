//! Learning-rate schedules: one file each, entered in [`SCHEDULES`] and [`SPECS`].

mod constant;
mod cosine;
mod exponential;
mod plateau;
mod step;
mod warmup;

use crate::args::{BoundCall, CallSpec};
use serde_json::Value;

/// Every schedule that `schedule = …` can name.
pub static SCHEDULES: &[&dyn ScheduleKind] = &[
    &constant::Constant,
    &plateau::Plateau,
    &step::Step,
    &exponential::Exponential,
    &cosine::Cosine,
    &warmup::Warmup,
];

/// Their specs, in the same order.
pub static SPECS: &[&CallSpec] =
    &[&constant::SPEC, &plateau::SPEC, &step::SPEC, &exponential::SPEC, &cosine::SPEC, &warmup::SPEC];

/// A schedule that a file can name.
pub trait ScheduleKind: Sync {
    fn spec(&self) -> &'static CallSpec;
    /// The schedule at its start. `lr` is the optimiser's rate, `epochs` the length of the run.
    fn build(&self, call: &BoundCall, lr: f64, epochs: usize) -> Box<dyn Schedule>;
    /// The figure that it watches: `val_loss`, `val_accuracy`.
    fn monitor(&self, call: &BoundCall) -> Option<&'static str>;
}

/// A schedule in a run.
pub trait Schedule: Send {
    /// The learning rate of an epoch, counted from 0.
    fn lr(&self, epoch: usize) -> f64;
    /// Takes note of the watched figure after an epoch; `None` where it is not defined, which changes nothing.
    fn observe(&mut self, epoch: usize, monitored: Option<f64>);
    /// What it has taken note of; `Null` where nothing.
    fn state(&self) -> Value;
    /// Takes up a state that [`Schedule::state`] gave; false where it is not one.
    fn restore(&mut self, state: &Value) -> bool;
}

/// The kind that `call` names.
///
/// # Panics
/// Where `call` is not of [`SPECS`], which binding has excluded.
pub fn kind(call: &BoundCall) -> &'static dyn ScheduleKind {
    let kind = SCHEDULES.iter().copied().find(|kind| kind.spec().name == call.name);
    kind.unwrap_or_else(|| panic!("no schedule `{}`", call.name))
}

/// A schedule without memory: the rate is a function of the epoch.
struct Formula<F>(F);

impl<F: Fn(usize) -> f64 + Send> Schedule for Formula<F> {
    fn lr(&self, epoch: usize) -> f64 {
        (self.0)(epoch)
    }
    fn observe(&mut self, _epoch: usize, _monitored: Option<f64>) {}
    fn state(&self) -> Value {
        Value::Null
    }
    fn restore(&mut self, state: &Value) -> bool {
        state.is_null()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{ArgValue, Args, BoundArg};
    use crate::source::Span;

    /// The schedule `name` with these arguments, at a rate of 0.1 over 10 epochs.
    pub(super) fn schedule(name: &str, args: Vec<(&'static str, ArgValue)>) -> Box<dyn Schedule> {
        let call = call(name, args);
        kind(&call).build(&call, 0.1, 10)
    }

    pub(super) fn call(name: &str, args: Vec<(&'static str, ArgValue)>) -> BoundCall {
        let spec = SPECS.iter().find(|spec| spec.name == name).unwrap();
        let args = args.into_iter().map(|(name, value)| BoundArg { name, value, span: None }).collect();
        BoundCall { name: spec.name, args: Args(args), span: Span::default() }
    }

    #[track_caller]
    pub(super) fn assert_rates(schedule: &dyn Schedule, expected: &[f64]) {
        for (epoch, expected) in expected.iter().enumerate() {
            let lr = schedule.lr(epoch);
            assert!((lr - expected).abs() < 1e-12, "epoch {epoch}: {lr} is not {expected}");
        }
    }

    #[test]
    fn specs_are_those_of_the_schedules() {
        let names: Vec<_> = SCHEDULES.iter().map(|kind| kind.spec().name).collect();
        assert_eq!(names, SPECS.iter().map(|spec| spec.name).collect::<Vec<_>>());
    }
}
