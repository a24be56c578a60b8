//! The same learning rate in every epoch.

use super::{Formula, Schedule, ScheduleKind};
use crate::args::{BoundCall, CallSpec};

pub static SPEC: CallSpec =
    CallSpec { name: "constant", doc: "The learning rate stays as it is.", example: "constant", args: &[] };

pub struct Constant;

impl ScheduleKind for Constant {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn build(&self, _call: &BoundCall, lr: f64, _epochs: usize) -> Box<dyn Schedule> {
        Box::new(Formula(move |_| lr))
    }

    fn monitor(&self, _call: &BoundCall) -> Option<&'static str> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;

    #[test]
    fn the_rate_stays() {
        assert_rates(&*schedule("constant", vec![]), &[0.1, 0.1, 0.1]);
    }
}
