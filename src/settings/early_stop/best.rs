//! Run every epoch, keep the best.

use super::patience::Watch;
use super::{EarlyStop, EarlyStopKind};
use crate::args::{BoundCall, CallSpec};
use crate::settings::monitor;

pub static SPEC: CallSpec = CallSpec {
    name: "best",
    doc: "Runs every epoch and keeps the weights of the one whose monitored figure is best; the last one's if the \
          protocol leaves no graphs for validation.",
    example: "best",
    args: &[monitor::ARG],
};

pub struct Best;

impl EarlyStopKind for Best {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn build(&self, call: &BoundCall) -> Box<dyn EarlyStop> {
        Box::new(Watch::new(call.args.choice("monitor"), 0.0, None))
    }

    fn monitor(&self, call: &BoundCall) -> Option<&'static str> {
        Some(call.args.choice("monitor"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn only_better_epochs_are_kept_and_none_stops() {
        let mut rule = Watch::new("val_accuracy", 0.0, None);
        let figures = [Some(0.5), Some(0.5), Some(0.6), None, Some(0.4)];
        let verdicts: Vec<_> = figures.into_iter().map(|figure| rule.observe(figure)).collect();
        let keep = |keep| Verdict { keep, stop: false };
        assert_eq!(verdicts, [keep(true), keep(false), keep(true), keep(false), keep(false)]);
    }
}
