//! A learning rate that rises in the first epochs, then follows another schedule.

use crate::args::{ArgKind, ArgSpec, CallSpec, Default};

pub static SPEC: CallSpec = CallSpec {
    name: "warmup",
    doc: "Raises the learning rate linearly over the first `epochs`, then follows `then`.",
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
