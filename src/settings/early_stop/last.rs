//! Run every epoch, keep the last.

use super::{EarlyStop, EarlyStopKind, Verdict};
use crate::args::{BoundCall, CallSpec};
use serde_json::Value;

pub static SPEC: CallSpec = CallSpec {
    name: "last",
    doc: "Runs every epoch and keeps the weights of the last one.",
    example: "last",
    args: &[],
};

pub struct Last;

impl EarlyStopKind for Last {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn build(&self, _call: &BoundCall) -> Box<dyn EarlyStop> {
        Box::new(KeepLast)
    }

    fn monitor(&self, _call: &BoundCall) -> Option<&'static str> {
        None
    }
}

pub(super) struct KeepLast;

impl EarlyStop for KeepLast {
    fn observe(&mut self, _monitored: Option<f64>) -> Verdict {
        Verdict { keep: true, stop: false }
    }
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

    #[test]
    fn every_epoch_is_kept_whatever_its_figure() {
        let mut rule = KeepLast;
        for figure in [Some(1.0), Some(2.0), None] {
            assert_eq!(rule.observe(figure), Verdict { keep: true, stop: false });
        }
    }
}
