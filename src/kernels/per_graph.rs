//! What follows from the graphs of a data set alone: worked out for a graph when a batch first asks for it, and read by every later batch
//! that the graph is in.

use super::graph::SparseGraph;
use crate::program::composite::{Keep, Order};
use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What is worked out, with all that it depends on beside the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Wanted {
    /// The fields around nodes in a canonical order.
    Fields { w: usize, k: usize, stride: usize, order: Order },
    /// The eigenspaces of the parts that a graph is in; another way to part it takes their place.
    Spaces { modes: usize, normalized: bool },
    /// The balanced parts of a graph whose edges all weigh 1.
    Balanced(KeepBits),
}

/// [`Keep`] as a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum KeepBits {
    Ratio(u64),
    Count(usize),
    MinScore(u64),
}

impl From<Keep> for KeepBits {
    fn from(keep: Keep) -> Self {
        match keep {
            Keep::Ratio(ratio) => Self::Ratio(ratio.to_bits()),
            Keep::Count(k) => Self::Count(k),
            Keep::MinScore(least) => Self::MinScore(least.to_bits()),
        }
    }
}

type Found = Arc<dyn Any + Send + Sync>;

/// Of the graphs of one level: of a data set, or of what a pooling that reads nothing but the graph makes of them.
#[derive(Debug, Default)]
pub(crate) struct PerGraph {
    found: Mutex<HashMap<(Wanted, u32), Found>>,
    /// The levels of poolings, and whether these keep self-loops.
    levels: Mutex<HashMap<(Wanted, bool), Arc<PerGraph>>>,
}

/// The graphs of a batch that are those of a data set as they are, or a level that they determine.
#[derive(Debug, Clone)]
pub(crate) struct OfData {
    kept: Arc<PerGraph>,
    /// By graph of the batch, which one it is in the data set.
    graphs: Arc<Vec<u32>>,
}

impl OfData {
    pub fn new(kept: &Arc<PerGraph>, graphs: &[u32]) -> Self {
        Self { kept: kept.clone(), graphs: Arc::new(graphs.to_vec()) }
    }

    /// What was found of a graph of the batch; `None` where nothing was yet.
    pub fn get<T: Send + Sync + 'static>(&self, wanted: Wanted, graph: usize) -> Option<Arc<T>> {
        let found = self.kept.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.get(&(wanted, self.graphs[graph])).cloned()?.downcast().ok()
    }

    pub fn set<T: Send + Sync + 'static>(&self, wanted: Wanted, graph: usize, value: Arc<T>) {
        let mut found = self.kept.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.insert((wanted, self.graphs[graph]), value);
    }

    /// The level that a pooling makes of these graphs, where nothing else decides it.
    pub fn level(&self, wanted: Wanted, self_loops: bool) -> Self {
        let mut levels = self.kept.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = levels.entry((wanted, self_loops)).or_default().clone();
        Self { kept, graphs: self.graphs.clone() }
    }
}

impl SparseGraph {
    /// What is wanted of a graph of the batch: found before, or worked out now and kept where the graph is one of a data set.
    pub(crate) fn known<T: Send + Sync + 'static>(
        &self,
        wanted: Wanted,
        graph: usize,
        make: impl FnOnce() -> T,
    ) -> Arc<T> {
        let Some(of_data) = &self.of_data else { return Arc::new(make()) };
        of_data.get(wanted, graph).unwrap_or_else(|| {
            let value = Arc::new(make());
            of_data.set(wanted, graph, value.clone());
            value
        })
    }
}

/// The place of [`PerGraph`] in a data set. A copy of the data set may get other edges, so it begins with nothing.
#[derive(Debug, Default)]
pub struct KeptOfGraphs(Arc<PerGraph>);

impl KeptOfGraphs {
    pub(crate) fn of(&self, graphs: &[u32]) -> OfData {
        OfData::new(&self.0, graphs)
    }
}

impl Clone for KeptOfGraphs {
    fn clone(&self) -> Self {
        Self::default()
    }
}
