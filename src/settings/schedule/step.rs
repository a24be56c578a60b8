//! A lower learning rate every so many epochs.

use super::{Formula, Schedule, ScheduleKind};
use crate::args::{ArgKind, ArgSpec, BoundCall, CallSpec, Default, Range};

pub static SPEC: CallSpec = CallSpec {
    name: "step",
    doc: "Multiplies the learning rate by `factor` every `every` epochs. torch.optim.lr_scheduler.StepLR",
    example: "step(50)",
    args: &[
        ArgSpec {
            name: "every",
            kind: ArgKind::Int { min: 1, max: 1_000_000 },
            default: Default::Required,
            positional: true,
            doc: "Epochs between two reductions.",
        },
        ArgSpec {
            name: "factor",
            kind: ArgKind::Float(Range::open(0.0, 1.0)),
            default: Default::Float(0.5),
            positional: false,
            doc: "What the learning rate is multiplied by, γ.",
        },
    ],
};

pub struct Step;

impl ScheduleKind for Step {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn build(&self, call: &BoundCall, lr: f64, _epochs: usize) -> Box<dyn Schedule> {
        let (every, factor) = (call.args.int("every") as usize, call.args.float("factor"));
        Box::new(Formula(move |epoch| lr * factor.powi((epoch / every) as i32)))
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
    fn the_rate_falls_every_so_many_epochs() {
        let args = vec![("every", ArgValue::Int(2)), ("factor", ArgValue::Float(0.5))];
        assert_rates(&*schedule("step", args), &[0.1, 0.1, 0.05, 0.05, 0.025]);
    }
}
