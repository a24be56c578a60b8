//! What sources of one file with a graph or several, and columns of nodes and edges, have in common.

use super::columns::{
    self, CATEGORIES, EDGE_FEATURES, GROUPS, IGNORE, KINDS, SPLIT, TARGET, TARGET_AS, TIME,
};
use super::edges::{LOOPS, PARALLEL, UNDIRECTED};
use super::{SourceFacts, features};
use crate::args::{ArgKind, ArgSpec, BoundCall, CallSpec, Default};
use crate::diagnostic::Diagnostic;

/// The file.
pub(super) const PATH: ArgSpec = ArgSpec {
    name: "path",
    kind: ArgKind::Text,
    default: Default::Required,
    positional: true,
    doc: "The file, plain or packed with gzip, in a file relative to that file.",
};

/// The arguments of a source that takes a file and nothing of its own.
pub(super) static ARGS: [ArgSpec; 15] = [
    PATH,
    columns::FEATURES,
    features::NORMALIZE,
    EDGE_FEATURES,
    KINDS,
    TARGET,
    TARGET_AS,
    SPLIT,
    TIME,
    GROUPS,
    CATEGORIES,
    IGNORE,
    UNDIRECTED,
    LOOPS,
    PARALLEL,
];

/// A source with these arguments: what it is called, and the page about its files.
pub struct GraphFile {
    pub(super) spec: &'static CallSpec,
    pub(super) layout: &'static str,
}

impl SourceFacts for GraphFile {
    fn spec(&self) -> &'static CallSpec {
        self.spec
    }

    fn reference(&self) -> &'static str {
        self.layout
    }

    fn own_features(&self) -> &'static [&'static str] {
        columns::OWN
    }

    fn check(&self, call: &BoundCall) -> Vec<Diagnostic> {
        columns::check_edges(call)
    }
}
