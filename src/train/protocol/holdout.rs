//! One split, drawn by the seed.

use crate::args::{ArgKind, ArgSpec, CallSpec, Default, Range};

pub static SPEC: CallSpec = CallSpec {
    name: "holdout",
    doc: "One stratified split, drawn by the seed: a part for validation, a part for the test, the rest to train on.",
    args: &[
        ArgSpec {
            name: "validation",
            kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
            default: Default::Float(0.1),
            positional: false,
            doc: "Share kept for validation.",
        },
        ArgSpec {
            name: "test",
            kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
            default: Default::Float(0.1),
            positional: false,
            doc: "Share kept for the test.",
        },
    ],
};
