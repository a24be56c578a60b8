//! A lower learning rate every so many epochs.

use crate::args::{ArgKind, ArgSpec, CallSpec, Default, Range};

pub static SPEC: CallSpec = CallSpec {
    name: "step",
    doc: "Multiplies the learning rate by `factor` every `every` epochs. torch.optim.lr_scheduler.StepLR",
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
            doc: "What the learning rate is multiplied with, γ.",
        },
    ],
};
