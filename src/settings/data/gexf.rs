//! `gexf("graph.gexf")`: a graph in GEXF.

use super::graph_file::{self, GraphFile};
use crate::args::CallSpec;

pub static SPEC: CallSpec = CallSpec {
    name: "gexf",
    doc: "A graph in GEXF, as Gephi and NetworkX write it. Classification or regression of nodes.",
    example: "gexf(\"graph.gexf\")",
    args: &graph_file::ARGS,
};

pub static GEXF: GraphFile = GraphFile { spec: &SPEC, layout: include_str!("gexf_layout.txt") };
