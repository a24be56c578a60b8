//! `distances(4)`

use crate::args::{ArgKind, ArgSpec, CallSpec, Default};

pub static SPEC: CallSpec = CallSpec {
    name: "distances",
    doc: "How many other nodes are 1, 2, … edges away, on the shortest path along the edges to the node. Li et al. 2020, \
          \"Distance Encoding: Design Provably More Powerful Neural Networks for Graph Representation Learning\": \
          the distances from all nodes, put together by counting.",
    example: "distances(4)",
    args: &[ArgSpec {
        name: "max",
        kind: ArgKind::Int { min: 1, max: 4096 },
        default: Default::Required,
        positional: true,
        doc: "Columns: the largest distance that is counted.",
    }],
};
