//! `node_link("graph.json")`: NetworkX's node-link data.

use super::graph_file::{self, GraphFile};
use crate::args::CallSpec;

pub static SPEC: CallSpec = CallSpec {
    name: "node_link",
    doc: "A graph as NetworkX's `node_link_data` writes it to JSON, or a list of graphs in one file. Classification or \
          regression of nodes, or of graphs.",
    example: "node_link(\"graph.json\")",
    args: &graph_file::ARGS,
};

pub static NODE_LINK: GraphFile = GraphFile { spec: &SPEC, layout: include_str!("node_link_layout.txt") };
