//! Where a model and its pipelines on edges begin, and what leads their values on.

pub mod edge_labels;
pub mod edges;
pub mod edges_of_pairs;
pub mod features;
pub mod node_types;
pub mod remaining_edges;
