//! `npz("graph.npz")`: a sparse matrix of SciPy, or a graph in arrays of NumPy.

use super::columns::{self, TARGET_AS};
use super::edges::{LOOPS, PARALLEL, UNDIRECTED};
use super::{SourceFacts, features};
use crate::args::{ArgKind, ArgSpec, BoundCall, CallSpec, Default};
use crate::diagnostic::Diagnostic;

pub static SPEC: CallSpec = CallSpec {
    name: "npz",
    doc: "A graph as a sparse matrix that SciPy's `save_npz` wrote, or in arrays of NumPy: the Coauthor and Amazon sets, sets of \
          heterophily, arrays with the names of PyTorch Geometric. Shchur et al. 2018; Platonov et al. 2023.",
    example: "npz(\"coauthor_cs.npz\", undirected = true)",
    args: &[
        ArgSpec {
            name: "path",
            kind: ArgKind::Text,
            default: Default::Required,
            positional: true,
            doc: "The file, in a file relative to that file.",
        },
        columns::FEATURES,
        features::NORMALIZE,
        EDGE_FEATURES,
        TARGET_AS,
        ArgSpec {
            name: "fold",
            kind: ArgKind::Int { min: 0, max: 1_000_000 },
            default: Default::Inferred("the first"),
            positional: false,
            doc: "Which of several splits that come with the data `protocol = fixed` takes, from 0.",
        },
        UNDIRECTED,
        LOOPS,
        PARALLEL,
    ],
};

/// Arrays have no names of columns and no texts.
pub(super) const EDGE_FEATURES: ArgSpec = ArgSpec {
    name: "edge_features",
    kind: ArgKind::Choice(&["auto", "none"]),
    default: Default::Choice("auto"),
    positional: false,
    doc: "Edge features: `auto` the values of the edges, where they are not all 1; `none`.",
};

pub struct Npz;

impl SourceFacts for Npz {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn reference(&self) -> &'static str {
        include_str!("npz_layout.txt")
    }

    fn own_features(&self) -> &'static [&'static str] {
        columns::OWN
    }

    fn check(&self, call: &BoundCall) -> Vec<Diagnostic> {
        columns::check_edges(call)
    }
}
