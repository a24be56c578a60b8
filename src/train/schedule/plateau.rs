//! A lower learning rate when a figure stops getting better.

use crate::args::{ArgKind, ArgSpec, CallSpec, Default, Range};
use crate::train::monitor;

pub static SPEC: CallSpec = CallSpec {
    name: "plateau",
    doc: "Multiplies the learning rate by `factor` when the monitored figure has not become better for more than \
          `patience` epochs. torch.optim.lr_scheduler.ReduceLROnPlateau",
    args: &[
        ArgSpec {
            name: "factor",
            kind: ArgKind::Float(Range::open(0.0, 1.0)),
            default: Default::Float(0.5),
            positional: false,
            doc: "What the learning rate is multiplied with.",
        },
        ArgSpec {
            name: "patience",
            kind: ArgKind::Int { min: 0, max: 1_000_000 },
            default: Default::Int(10),
            positional: false,
            doc: "Epochs without improvement that are borne.",
        },
        monitor::ARG,
        ArgSpec {
            name: "threshold",
            kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
            default: Default::Float(1e-4),
            positional: false,
            doc: "Relative change below which a figure counts as no better.",
        },
        ArgSpec {
            name: "min_lr",
            kind: ArgKind::Float(Range::closed_open(0.0, f64::INFINITY)),
            default: Default::Float(0.0),
            positional: false,
            doc: "Learning rate below which it is not lowered.",
        },
    ],
};
