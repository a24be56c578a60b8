//! `json_lines("graphs.jsonl")`: one graph a line.

use super::columns::{
    self, CATEGORIES, EDGE_FEATURES, GROUPS, IGNORE, KINDS, SPLIT, TARGET, TARGET_AS, TIME,
};
use super::edges::{LOOPS, PARALLEL, UNDIRECTED};
use super::{SourceFacts, features};
use crate::args::{ArgKind, ArgSpec, BoundCall, CallSpec, Default};
use crate::diagnostic::Diagnostic;

pub static SPEC: CallSpec = CallSpec {
    name: "json_lines",
    doc: "Graphs as JSON objects, one a line: nodes, edges, features, labels. Lines of NetworkX's node-link data are read too. \
          Classification or regression of graphs, or of nodes.",
    example: "json_lines(\"graphs.jsonl\")",
    args: &[
        ArgSpec {
            name: "path",
            kind: ArgKind::Text,
            default: Default::Required,
            positional: true,
            doc: "The file, plain or packed with gzip, in a file relative to that file; `-` is standard input.",
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

pub struct JsonLines;

impl SourceFacts for JsonLines {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn reference(&self) -> &'static str {
        include_str!("json_lines_layout.txt")
    }

    fn own_features(&self) -> &'static [&'static str] {
        columns::OWN
    }

    fn check(&self, call: &BoundCall) -> Vec<Diagnostic> {
        columns::check_edges(call)
    }
}
