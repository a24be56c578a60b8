//! Stop when a figure has not become better for some epochs.

use crate::args::{ArgKind, ArgSpec, CallSpec, Default, Range};
use crate::train::monitor;

pub static SPEC: CallSpec = CallSpec {
    name: "patience",
    doc: "Stops when the monitored figure has not become better for `epochs` epochs, and keeps the weights of the \
          best one.",
    args: &[
        ArgSpec {
            name: "epochs",
            kind: ArgKind::Int { min: 1, max: 1_000_000 },
            default: Default::Required,
            positional: true,
            doc: "Epochs without improvement after which the run ends.",
        },
        monitor::ARG,
        ArgSpec {
            name: "min_delta",
            kind: ArgKind::Float(Range::closed_open(0.0, f64::INFINITY)),
            default: Default::Float(0.0),
            positional: false,
            doc: "Change that a figure has to exceed to count as better.",
        },
    ],
};
