//! `constant(1.0)`

use crate::args::{ArgKind, ArgSpec, CallSpec, Default, Range};

pub static SPEC: CallSpec = CallSpec {
    name: "constant",
    doc: "The same number on every node. PyG: `Constant`.",
    example: "constant",
    args: &[ArgSpec {
        name: "value",
        kind: ArgKind::Float(Range::closed(-1e6, 1e6)),
        default: Default::Float(1.0),
        positional: true,
        doc: "The number.",
    }],
};
