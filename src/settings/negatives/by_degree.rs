//! Nodes with many links more often.

use super::{COUNT, END};
use crate::args::{ArgKind, ArgSpec, CallSpec, Default, Range};

pub static SPEC: CallSpec = CallSpec {
    name: "by_degree",
    doc: "As `uniform`, with nodes drawn by how many links of the training part they have, raised to a power: those that many are linked to are harder to tell from a true end (Mikolov et al. 2013).",
    example: "by_degree(4, power = 0.75)",
    args: &[
        COUNT,
        ArgSpec {
            name: "power",
            kind: ArgKind::Float(Range::closed(0.0, 4.0)),
            default: Default::Float(0.75),
            positional: false,
            doc: "How much the number of links counts: 0 is `uniform`.",
        },
        END,
    ],
};
