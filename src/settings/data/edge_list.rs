//! `edge_list("karate.edgelist")`: a list of edges without a header.

use super::columns::{
    self, CATEGORIES, EDGE_FEATURES, GROUPS, IGNORE, KINDS, SPLIT, TARGET, TARGET_AS, TIME,
};
use super::edges::{LOOPS, PARALLEL, UNDIRECTED};
use super::{SourceFacts, features, graph_file};
use crate::args::{ArgKind, ArgSpec, BoundCall, CallSpec, Default};
use crate::diagnostic::Diagnostic;

pub static SPEC: CallSpec = CallSpec {
    name: "edge_list",
    doc: "A text with an edge a line, as SNAP and NetworkX publish graphs, or with a node and its neighbours a line; a table of nodes \
          beside it has their columns. Classification or regression of nodes.",
    example: "edge_list(\"karate.edgelist\")",
    args: &[
        graph_file::PATH,
        ArgSpec {
            name: "layout",
            kind: ArgKind::Choice(&["auto", "edges", "adjacency"]),
            default: Default::Choice("auto"),
            positional: false,
            doc: "What a line is: `edges`, two ends of an edge and what it carries; `adjacency`, a node and all that edges lead to; \
                  `auto` takes `adjacency` for files that end in .adjlist.",
        },
        ArgSpec {
            name: "nodes",
            kind: ArgKind::Text,
            default: Default::Inferred("the nodes that edges name"),
            positional: false,
            doc: "A table of nodes (CSV with a header line), as `tables` reads it.",
        },
        ArgSpec {
            name: "id",
            kind: ArgKind::Text,
            default: Default::Inferred("`id`, `node_id` or `node`"),
            positional: false,
            doc: "The column of that table that the list names nodes by.",
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

pub struct EdgeList;

impl SourceFacts for EdgeList {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn reference(&self) -> &'static str {
        include_str!("edge_list_layout.txt")
    }

    fn own_features(&self) -> &'static [&'static str] {
        columns::OWN
    }

    fn check(&self, call: &BoundCall) -> Vec<Diagnostic> {
        columns::check_edges(call)
    }
}
