//! A batch: the disjoint union of its graphs. Nothing is padded.

use crate::ir::Model;
use crate::kernels::graph::SparseGraph;
use crate::ops::{self, Operator};
use std::sync::Arc;

/// What a batch carries of the values of its edges: they are copied only for a model that reads them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgeReads {
    pub features: bool,
    pub kinds: bool,
}

impl EdgeReads {
    /// What the stages of a model read.
    pub fn of(model: &Model) -> Self {
        let reads = |op: &dyn Operator| model.nodes().any(|(_, node)| node.op.name() == op.name());
        Self { features: reads(ops::EDGES), kinds: reads(ops::EDGE_LABELS) }
    }

    pub const NOTHING: Self = Self { features: false, kinds: false };
    pub const ALL: Self = Self { features: true, kinds: true };
}

/// Graphs of one step, concatenated.
#[derive(Debug, Clone)]
pub struct GraphBatch {
    /// Which graphs of the data set, in this order.
    pub graphs: Vec<u32>,
    /// Node features `[N, F]`.
    pub x: candle_core::Tensor,
    /// Edge features `[E, F_e]`, row `e` of entry `e` of `graph.adjacency`; `None` where the data has none or the batch
    /// was not asked for them.
    pub edge_x: Option<candle_core::Tensor>,
    pub graph: Arc<SparseGraph>,
}
