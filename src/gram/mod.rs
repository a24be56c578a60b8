//! Graph kernels and support vector machines: baselines that compare graphs by counts, without a network.
//!
//! A kernel counts features of each graph ([`counts`]); a Gram matrix holds how alike each two graphs are ([`matrix`]); a machine
//! tells classes apart by it ([`solver`], [`machine`]). Features are hashes of 64 bits of what they stand for, so a graph has the
//! same ones in every data set and every numbering, and counts are sorted by them: whatever is summed is summed in one order.

pub mod counts;
mod four;
mod graphlet;
pub mod machine;
pub mod matrix;
mod shortest_path;
mod solver;

pub use counts::{Counts, Kernel};
pub use machine::{Damaged, Machine, Trained, train};
pub use matrix::{Gram, grams};

use crate::data::Dataset;

/// How alike each of some graphs is to each of them, at every depth of the kernel one after another.
pub fn alike(kernel: &Kernel, dataset: &Dataset, graphs: &[u32]) -> Vec<Vec<f64>> {
    let grams = grams(kernel, &kernel.counts(dataset, graphs, kernel.depth()));
    (0..graphs.len() as u32)
        .map(|graph| grams.iter().flat_map(|gram| gram.row(graph).to_vec()).collect())
        .collect()
}
