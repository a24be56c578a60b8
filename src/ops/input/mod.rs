//! Where a model and its pipelines on edges begin, and what leads their values on.

pub mod edge_labels;
pub mod edges;
pub mod features;
pub mod remaining_edges;
