//! `degree`

use crate::args::{ArgKind, ArgSpec, CallSpec, Default};

pub static SPEC: CallSpec = CallSpec {
    name: "degree",
    doc: "How many edges lead to each node, parallel ones each and a self-loop once, one-hot or as a number. \
          PyG: `OneHotDegree`, which counts the edges from a node unless `in_degree` is set, and fails on larger degrees.",
    example: "degree(kind = one_hot, max = 64)",
    args: &[
        ArgSpec {
            name: "kind",
            kind: ArgKind::Choice(&["one_hot", "raw"]),
            default: Default::Choice("one_hot"),
            positional: true,
            doc: "`one_hot` has a column for each degree from 0, `raw` one column with the number.",
        },
        ArgSpec {
            name: "max",
            kind: ArgKind::Int { min: 1, max: 65_535 },
            default: Default::Inferred("the largest degree of the data, at most 500"),
            positional: false,
            doc: "The last degree with a column of its own, which all larger degrees share.",
        },
    ],
};
