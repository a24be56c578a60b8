//! `laplacian(8)`

use crate::args::{ArgKind, ArgSpec, CallSpec, Default};

pub static SPEC: CallSpec = CallSpec {
    name: "laplacian",
    doc: "Eigenvectors of the symmetric normalised Laplacian I - D^(-1/2) A D^(-1/2), those of the smallest eigenvalues \
          without the trivial one, each of length one; of each connected part of a graph by itself, zeros where a part \
          has fewer. Loops are left out, parallel edges add up, and an edge without its reverse counts both ways. \
          Dwivedi et al. 2020, \"Benchmarking Graph Neural Networks\". PyG: `AddLaplacianEigenvectorPE`.",
    example: "laplacian(8)",
    args: &[
        ArgSpec {
            name: "k",
            kind: ArgKind::Int { min: 1, max: 512 },
            default: Default::Required,
            positional: true,
            doc: "Columns: how many eigenvectors.",
        },
        ArgSpec {
            name: "signs",
            kind: ArgKind::Choice(&["random", "absolute", "fixed"]),
            default: Default::Choice("random"),
            positional: false,
            doc: "An eigenvector is one with either sign. `random` draws the signs anew for each training batch, so that a \
                  model learns to do without them; outside of training they are fixed. `absolute` takes what no choice \
                  changes: the absolute value, and of several vectors with one eigenvalue the root of their mean square; \
                  the result is then invariant. `fixed` makes the largest entry positive, which `check` warns of.",
        },
    ],
};
