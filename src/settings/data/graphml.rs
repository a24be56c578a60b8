//! `graphml("graph.graphml")`: graphs in GraphML.

use super::graph_file::{self, GraphFile};
use crate::args::CallSpec;

pub static SPEC: CallSpec = CallSpec {
    name: "graphml",
    doc: "Graphs in GraphML, as NetworkX, igraph, yEd and Gephi write them. Classification or regression of nodes, or of graphs. \
          Brandes et al. 2001.",
    example: "graphml(\"graph.graphml\")",
    args: &graph_file::ARGS,
};

pub static GRAPHML: GraphFile = GraphFile { spec: &SPEC, layout: include_str!("graphml_layout.txt") };
