//! A learning rate that shrinks by the same factor in every epoch.

use crate::args::{ArgKind, ArgSpec, CallSpec, Default, Range};

pub static SPEC: CallSpec = CallSpec {
    name: "exponential",
    doc: "Multiplies the learning rate by `factor` after every epoch. torch.optim.lr_scheduler.ExponentialLR",
    args: &[ArgSpec {
        name: "factor",
        kind: ArgKind::Float(Range::open(0.0, 1.0)),
        default: Default::Required,
        positional: true,
        doc: "What the learning rate is multiplied with, γ.",
    }],
};
