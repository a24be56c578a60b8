//! A learning rate that shrinks by the same factor in every epoch.

use super::{Formula, Schedule, ScheduleKind};
use crate::args::{ArgKind, ArgSpec, BoundCall, CallSpec, Default, Range};

pub static SPEC: CallSpec = CallSpec {
    name: "exponential",
    doc: "Multiplies the learning rate by `factor` after every epoch. torch.optim.lr_scheduler.ExponentialLR",
    example: "exponential(0.99)",
    args: &[ArgSpec {
        name: "factor",
        kind: ArgKind::Float(Range::open(0.0, 1.0)),
        default: Default::Required,
        positional: true,
        doc: "What the learning rate is multiplied by, γ.",
    }],
};

pub struct Exponential;

impl ScheduleKind for Exponential {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn build(&self, call: &BoundCall, lr: f64, _epochs: usize) -> Box<dyn Schedule> {
        let factor = call.args.float("factor");
        Box::new(Formula(move |epoch| lr * factor.powi(epoch as i32)))
    }

    fn monitor(&self, _call: &BoundCall) -> Option<&'static str> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use crate::args::ArgValue;

    #[test]
    fn the_rate_falls_every_epoch() {
        let args = vec![("factor", ArgValue::Float(0.9))];
        assert_rates(&*schedule("exponential", args), &[0.1, 0.09, 0.081]);
    }
}
