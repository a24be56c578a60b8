//! Data sets in memory, readers (one file each), splits and batches.

pub mod batch;
pub mod dataset;

pub use batch::GraphBatch;
pub use dataset::{Dataset, Targets};
