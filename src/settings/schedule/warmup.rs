//! A learning rate that rises in the first epochs, then follows another schedule.

use super::{Schedule, ScheduleKind, kind};
use crate::args::{ArgKind, ArgSpec, BoundCall, CallSpec, Default};
use serde_json::Value;

pub static SPEC: CallSpec = CallSpec {
    name: "warmup",
    doc: "Raises the learning rate linearly over the first `epochs`, then follows `then`.",
    example: "warmup(10, then = cosine)",
    args: &[
        ArgSpec {
            name: "epochs",
            kind: ArgKind::Int { min: 1, max: 1_000_000 },
            default: Default::Required,
            positional: true,
            doc: "Epochs until the full learning rate; the first epoch trains with 1/epochs of it.",
        },
        ArgSpec {
            name: "then",
            kind: ArgKind::Call("schedule"),
            default: Default::Source("constant"),
            positional: false,
            doc: "The schedule that follows; it counts its epochs from the end of the warm-up.",
        },
    ],
};

pub struct Warmup;

impl ScheduleKind for Warmup {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn build(&self, call: &BoundCall, lr: f64, epochs: usize) -> Box<dyn Schedule> {
        let warmup_epochs = call.args.int("epochs") as usize;
        let then = then(call);
        let then = kind(then).build(then, lr, epochs.saturating_sub(warmup_epochs));
        Box::new(Rising { lr, warmup_epochs, then })
    }

    fn monitor(&self, call: &BoundCall) -> Option<&'static str> {
        let then = then(call);
        kind(then).monitor(then)
    }
}

fn then(call: &BoundCall) -> &BoundCall {
    call.args.call("then").expect("`then` has a default")
}

struct Rising {
    lr: f64,
    warmup_epochs: usize,
    then: Box<dyn Schedule>,
}

impl Schedule for Rising {
    fn lr(&self, epoch: usize) -> f64 {
        match epoch.checked_sub(self.warmup_epochs) {
            None => self.lr * (epoch + 1) as f64 / self.warmup_epochs as f64,
            Some(epoch) => self.then.lr(epoch),
        }
    }

    fn observe(&mut self, epoch: usize, monitored: Option<f64>) {
        if let Some(epoch) = epoch.checked_sub(self.warmup_epochs) {
            self.then.observe(epoch, monitored);
        }
    }

    fn state(&self) -> Value {
        self.then.state()
    }

    fn restore(&mut self, state: &Value) -> bool {
        self.then.restore(state)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use crate::args::ArgValue;

    #[test]
    fn the_rate_rises_then_follows_the_other_schedule() {
        let then = ArgValue::Call(call("exponential", vec![("factor", ArgValue::Float(0.5))]));
        let args = vec![("epochs", ArgValue::Int(4)), ("then", then)];
        assert_rates(&*schedule("warmup", args), &[0.025, 0.05, 0.075, 0.1, 0.1, 0.05]);
    }
}
