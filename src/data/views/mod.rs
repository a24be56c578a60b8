//! What losses without targets draw for a step: walks, shuffled features, changed copies of graphs. Every draw follows from a seed and
//! the number of a node or graph alone, so that it is the same on any number of threads.

pub mod changes;
pub mod corruption;
pub mod walks;

#[cfg(test)]
mod tests;

use super::{Dataset, GraphBatch, Targets};
use crate::kernels::graph::SparseGraph;
use crate::types::Task;
use candle_core::Tensor;
use std::sync::Arc;

/// What stands beside the batch of a step.
#[derive(Debug, Clone)]
pub enum Views {
    /// Pairs of nodes that are compared.
    Walks(Pairs),
    /// A second batch: the same graphs with shuffled features, or another copy of each.
    Second(Box<GraphBatch>),
    /// Nothing is drawn.
    Nothing,
}

/// Pairs of nodes that walks met or that were drawn, for some items one after another, of each as many.
#[derive(Debug, Clone)]
pub struct Pairs {
    /// An edge for each pair.
    pub graph: Arc<SparseGraph>,
    /// `[n_edges, 2]` of each edge: 1 for a pair of a walk and −1 for one that was drawn, and what it counts.
    pub signs: Tensor,
    /// The edge of each pair, those of an item beside each other.
    pub edges: Arc<Vec<u32>>,
    pub n_items: usize,
}

/// A seed of one item's own draws.
pub(crate) fn seed_of(seed: u64, item: u64) -> u64 {
    // SplitMix64, so that near numbers give unrelated streams.
    let mut state = seed ^ item.wrapping_mul(0xbf58_476d_1ce4_e5b9).wrapping_add(0x9e37_79b9_7f4a_7c15);
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

impl Dataset {
    /// Has its targets put aside, for a task that learns vectors without them: where they are classes of the same items, vectors are measured
    /// by them.
    pub fn put_targets_aside(&mut self, task: Task) {
        if self.task == Some(task) {
            return;
        }
        let is_of_same_items = self.task.is_some_and(|own| own.entity == task.entity);
        let targets = std::mem::replace(&mut self.targets, Targets::None);
        self.labels = match targets {
            Targets::Classes(classes) if is_of_same_items => Some(classes),
            _ => None,
        };
        if self.labels.is_none() {
            self.class_names.clear();
        }
        if !is_of_same_items {
            self.fixed_split = None;
        }
        self.task = Some(task);
    }
}
