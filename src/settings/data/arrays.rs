//! `arrays(edges = "edge_index.npy", …)`: a graph in single arrays of NumPy.

use super::columns::{self, TARGET_AS};
use super::edges::{LOOPS, PARALLEL, UNDIRECTED};
use super::npz::EDGE_FEATURES;
use super::{SourceFacts, features};
use crate::args::{ArgKind, ArgSpec, BoundCall, CallSpec, Default};
use crate::diagnostic::Diagnostic;

const fn array(name: &'static str, default: Default, doc: &'static str) -> ArgSpec {
    ArgSpec { name, kind: ArgKind::Text, default, positional: false, doc }
}

pub static SPEC: CallSpec = CallSpec {
    name: "arrays",
    doc: "A graph, or several, in single arrays of NumPy: edges, features of nodes, labels. Classification or regression of \
          nodes, or of graphs.",
    example: "arrays(edges = \"edge_index.npy\", nodes = \"x.npy\", labels = \"y.npy\")",
    args: &[
        array(
            "edges",
            Default::Required,
            "Source and target of each edge, of shape (2, n) or (n, 2), in a file relative to that file.",
        ),
        array("nodes", Default::Inferred("none"), "Features, a row for each node."),
        array(
            "labels",
            Default::Inferred("none"),
            "A class or values for each node, or for each graph; -1 is no class.",
        ),
        array("edge_values", Default::Inferred("none"), "A row of numbers for each edge."),
        array(
            "graph_of",
            Default::Inferred("all is one graph"),
            "The graph of each node, from 0, ascending. PyG: `batch`.",
        ),
        columns::FEATURES,
        features::NORMALIZE,
        EDGE_FEATURES,
        TARGET_AS,
        UNDIRECTED,
        LOOPS,
        PARALLEL,
    ],
};

pub struct Arrays;

impl SourceFacts for Arrays {
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
