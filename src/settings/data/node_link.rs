//! `node_link("graph.json")`: NetworkX's node-link data.

use super::columns::{
    self, CATEGORIES, EDGE_FEATURES, GROUPS, IGNORE, KINDS, SPLIT, TARGET, TARGET_AS, TIME,
};
use super::edges::{LOOPS, PARALLEL, UNDIRECTED};
use super::{SourceFacts, features};
use crate::args::{ArgKind, ArgSpec, BoundCall, CallSpec, Default};
use crate::diagnostic::Diagnostic;

pub static SPEC: CallSpec = CallSpec {
    name: "node_link",
    doc: "A graph as NetworkX's `node_link_data` writes it to JSON, or a list of graphs in one file. Classification or \
          regression of nodes, or of graphs.",
    example: "node_link(\"graph.json\")",
    args: &[
        ArgSpec {
            name: "path",
            kind: ArgKind::Text,
            default: Default::Required,
            positional: true,
            doc: "The file, plain or packed with gzip, in a file relative to that file.",
        },
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
    ],
};

pub struct NodeLink;

impl SourceFacts for NodeLink {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn reference(&self) -> &'static str {
        include_str!("node_link_layout.txt")
    }

    fn own_features(&self) -> &'static [&'static str] {
        columns::OWN
    }

    fn check(&self, call: &BoundCall) -> Vec<Diagnostic> {
        columns::check_edges(call)
    }
}
