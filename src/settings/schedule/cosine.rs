//! Half a cosine from the full learning rate down to its end.

use super::{Formula, Schedule, ScheduleKind};
use crate::args::{ArgKind, ArgSpec, BoundCall, CallSpec, Default, Range};

pub static SPEC: CallSpec = CallSpec {
    name: "cosine",
    doc: "Lowers the learning rate along half a cosine over all epochs. Loshchilov and Hutter 2017, \"SGDR\", without \
          restarts; torch.optim.lr_scheduler.CosineAnnealingLR",
    example: "cosine",
    args: &[ArgSpec {
        name: "end",
        kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
        default: Default::Float(0.0),
        positional: false,
        doc: "Share of the learning rate that is left at the end.",
    }],
};

pub struct Cosine;

impl ScheduleKind for Cosine {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn build(&self, call: &BoundCall, lr: f64, epochs: usize) -> Box<dyn Schedule> {
        let end = call.args.float("end");
        Box::new(Formula(move |epoch| {
            let done = (epoch as f64 / epochs.max(1) as f64).min(1.0);
            lr * (end + (1.0 - end) * (1.0 + (std::f64::consts::PI * done).cos()) / 2.0)
        }))
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
    fn the_rate_is_half_way_down_in_the_middle() {
        let schedule = schedule("cosine", vec![("end", ArgValue::Float(0.2))]);
        assert_rates(&*schedule, &[0.1]);
        assert!((schedule.lr(5) - 0.06).abs() < 1e-12);
        assert!((schedule.lr(10) - 0.02).abs() < 1e-12);
    }
}
