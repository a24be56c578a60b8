//! `gexf("graph.gexf")`: a graph in GEXF.

use super::columns::{
    self, CATEGORIES, EDGE_FEATURES, GROUPS, IGNORE, KINDS, SPLIT, TARGET, TARGET_AS, TIME,
};
use super::edges::{LOOPS, PARALLEL, UNDIRECTED};
use super::{SourceFacts, features};
use crate::args::{ArgKind, ArgSpec, BoundCall, CallSpec, Default};
use crate::diagnostic::Diagnostic;

pub static SPEC: CallSpec = CallSpec {
    name: "gexf",
    doc: "A graph in GEXF, as Gephi and NetworkX write it. Classification or regression of nodes.",
    example: "gexf(\"graph.gexf\")",
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

pub struct Gexf;

impl SourceFacts for Gexf {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn reference(&self) -> &'static str {
        include_str!("gexf_layout.txt")
    }

    fn own_features(&self) -> &'static [&'static str] {
        columns::OWN
    }

    fn check(&self, call: &BoundCall) -> Vec<Diagnostic> {
        columns::check_edges(call)
    }
}
