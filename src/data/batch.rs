//! A batch: the disjoint union of its graphs. Nothing is padded.

use super::features::scaling::Scaling;
use crate::ir::Model;
use crate::kernels::graph::{Csr, SparseGraph};
use crate::kernels::sparse::{Constants, SparseMatrix};
use crate::ops::hetero::Lifted;
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
        let by_relation = |args| matches!(Lifted::of(args), Some(Lifted::Relations(_)));
        let is_by_relation = model.nodes().any(|(_, node)| by_relation(&node.args));
        Self { features: reads(ops::EDGES), kinds: reads(ops::EDGE_LABELS) || is_by_relation }
    }

    pub const NOTHING: Self = Self { features: false, kinds: false };
    pub const ALL: Self = Self { features: true, kinds: true };
}

/// How a batch is read: what of its edges, and what a run makes of its features.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    pub edges: EdgeReads,
    /// Means and deviations of the columns of the training part, where they are scaled by them.
    pub scaling: Option<&'a Scaling>,
    /// Draws the signs of the columns that have free ones; as they are stored where it is absent.
    pub sign_seed: Option<u64>,
}

impl Reading<'_> {
    /// Features as they are stored.
    pub fn of(edges: EdgeReads) -> Self {
        Self { edges, scaling: None, sign_seed: None }
    }
}

/// Graphs of one step, concatenated.
#[derive(Debug, Clone)]
pub struct GraphBatch {
    /// Which graphs of the data set, in this order.
    pub graphs: Vec<u32>,
    /// Node features `[N, F]`.
    pub x: candle_core::Tensor,
    /// The node features where most of them are zeros; `x` stands for them then.
    pub sparse: Option<SparseMatrix>,
    /// What does not change while the batch is run again and again; `None` for a batch that is run once.
    pub constants: Option<Arc<Constants>>,
    /// Edge features `[E, F_e]`, row `e` of entry `e` of `graph.adjacency`; `None` where the data has none or the batch
    /// was not asked for them.
    pub edge_x: Option<candle_core::Tensor>,
    pub graph: Arc<SparseGraph>,
    /// The pairs of nodes that a task on links asks about, each as an edge from its first end to its second.
    pub pairs: Option<Arc<SparseGraph>>,
    /// Of each of these pairs the entries of `graph.adjacency` that it is, where pairs are edges.
    pub pair_edges: Option<Arc<Csr>>,
}

impl GraphBatch {
    /// The same for many runs, with a place for what stays the same.
    #[must_use]
    pub fn kept(self) -> Self {
        let constants = Some(Arc::new(Constants::beginning_with(&[&self.x])));
        Self { constants, ..self }
    }
}
