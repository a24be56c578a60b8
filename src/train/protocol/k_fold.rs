//! Cross-validation.

use crate::args::{ArgKind, ArgSpec, CallSpec, Default, Range};

pub static SPEC: CallSpec = CallSpec {
    name: "k_fold",
    doc: "Stratified cross-validation: `k` runs, each tested on another of `k` parts; a share of the other parts is \
          kept for validation. Errica et al. 2020, \"A Fair Comparison of Graph Neural Networks for Graph \
          Classification\"",
    args: &[
        ArgSpec {
            name: "k",
            kind: ArgKind::Int { min: 2, max: 1000 },
            default: Default::Int(10),
            positional: true,
            doc: "Parts, and runs.",
        },
        ArgSpec {
            name: "inner_holdout",
            kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
            default: Default::Float(0.1),
            positional: false,
            doc: "Share of the training parts kept for validation.",
        },
    ],
};
