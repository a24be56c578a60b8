//! `random_walk(16)`

use crate::args::{ArgKind, ArgSpec, CallSpec, Default};

pub static SPEC: CallSpec = CallSpec {
    name: "random_walk",
    doc: "How probably a random walk along the edges from a node is back after 1, 2, … steps: the diagonals of \
          (D^-1 A)^t. Parallel edges count each; a walk ends where no edge leads on. Dwivedi et al. 2022, \"Graph Neural \
          Networks with Learnable Structural and Positional Representations\", section 3.2. PyG: `AddRandomWalkPE`, \
          which takes parallel edges for one in graphs of up to 2,000 nodes.",
    example: "random_walk(16)",
    args: &[ArgSpec {
        name: "steps",
        kind: ArgKind::Int { min: 1, max: 512 },
        default: Default::Required,
        positional: true,
        doc: "Columns: walks of 1 to this many steps.",
    }],
};
