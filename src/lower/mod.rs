//! From a checked model to Candle modules.

mod composite;
mod contrast;
mod fixed_point;
mod given;
mod hetero;
mod loss;
mod network;
mod parameters;
mod program;
pub mod single;
pub mod task_loss;
#[cfg(test)]
pub(crate) mod testing;
mod witness;

pub use contrast::weights_of_loss;
pub use fixed_point::FixedPointStats;
pub use loss::{AuxiliaryLosses, LossWeights, PartLoss, StepLoss};
pub use network::{BuildError, Encoded, Factors, Network, width_of_product};
pub use parameters::{Parameter, Parameters};
pub use task_loss::labelled_items;
pub use witness::{Change, ROUNDING, ROUNDING_F32, Witness, WitnessError, choice_witness, witness};

use crate::args::Args;
use crate::ir::Node;
use crate::kernels::AssignmentStats;
use crate::kernels::graph::{Csr, SparseGraph};
use crate::kernels::sparse::{Constants, StandIns};
use crate::program::{Fun, Norm};
use crate::types::Type;
use candle_core::{Result, Tensor, TensorId};
use petgraph::graph::NodeIndex;
use std::sync::Arc;

/// What flows between modules: rows of features and the structure they live on.
#[derive(Debug, Clone)]
pub struct Value {
    /// `[rows, width]`
    pub x: Tensor,
    pub structure: Structure,
}

#[derive(Debug, Clone)]
pub enum Structure {
    /// Nodes of a sparse graph.
    Sparse(Arc<SparseGraph>),
    /// Edges of a sparse graph: a row for each entry of its adjacency, in their order.
    Edges(Arc<SparseGraph>),
    /// `k` clusters a graph, rows `g · k ..`, with the coarse adjacency `[n_graphs, k, k]`: row the cluster that gathers,
    /// column the one it gathers from (`None` where the plan found that nothing reads it).
    /// `assignment`: the shares of the rows before in the clusters, `[N, k]`, where a lift undoes the pooling.
    Clusters { n_graphs: usize, k: usize, adjacency: Option<Tensor>, assignment: Option<Tensor> },
    /// `k` sorted rows a graph, without edges.
    Slots { n_graphs: usize, k: usize },
    /// One row a graph.
    Graphs { n_graphs: usize },
}

impl Structure {
    pub fn n_graphs(&self) -> usize {
        match self {
            Structure::Sparse(graph) | Structure::Edges(graph) => graph.n_graphs(),
            Structure::Clusters { n_graphs, .. }
            | Structure::Slots { n_graphs, .. }
            | Structure::Graphs { n_graphs } => *n_graphs,
        }
    }

    /// Graph `g` has the rows `offsets[g] .. offsets[g + 1]`: `[n_graphs + 1]`.
    pub fn offsets(&self) -> Arc<Vec<u32>> {
        let regular =
            |n_graphs: usize, k: usize| Arc::new((0..=n_graphs).map(|graph| (graph * k) as u32).collect());
        match self {
            Structure::Sparse(graph) => graph.graph_offsets.clone(),
            Structure::Edges(graph) => {
                let first_entry = |&node: &u32| graph.adjacency.offsets[node as usize];
                Arc::new(graph.graph_offsets.iter().map(first_entry).collect())
            }
            Structure::Clusters { n_graphs, k, .. } | Structure::Slots { n_graphs, k } => {
                regular(*n_graphs, *k)
            }
            Structure::Graphs { n_graphs } => regular(*n_graphs, 1),
        }
    }
}

/// An auxiliary loss that a stage has computed.
#[derive(Debug, Clone)]
pub struct Reported {
    pub loss: &'static str,
    pub stage: NodeIndex,
    /// One value for each graph, `[n_graphs]`.
    pub of_graphs: Tensor,
}

/// What a module sees of the step it runs in.
pub struct ForwardCx<'a> {
    /// Dropout drops, batch norm takes the batch's statistics.
    pub train: bool,
    /// Whether gradients may be asked for. Weights are variables, so Candle would follow a pass that nobody goes back.
    pub wants_gradients: bool,
    /// Whether a training pass is remembered by the tape of kernels; else gradients are Candle's own.
    pub is_taped: bool,
    /// Seed of this step's dropout: a function of the run's seed, epoch and batch.
    pub step_seed: u64,
    /// Names of auxiliary losses: a stage computes those of them that it is asked for.
    pub wanted_losses: &'a [&'static str],
    /// Auxiliary losses of this step, in the order of the stages.
    pub losses: Vec<Reported>,
    /// Whether pooling statistics are wanted in this step.
    pub wants_pooling_stats: bool,
    pub pooling: Vec<PoolingStats>,
    /// How the steps of each `fixed_point` went.
    pub fixed_points: Vec<FixedPointStats>,
    /// The sparse matrices that tensors of this step stand for.
    pub stand_ins: Arc<StandIns>,
    /// What does not change while the batch is run again, with the graph that it is of.
    pub constants: Option<(Arc<Constants>, Arc<SparseGraph>)>,
    /// The rows of the result that are read, where it is not all of them. Left to the stages while none comes behind.
    pub wanted_rows: Option<Arc<Vec<u32>>>,
    /// The result has those rows alone.
    pub has_picked: bool,
    /// The pairs of nodes that the task asks about, each as an edge from its first end to its second; `None` for other tasks.
    pub pairs: Option<Arc<SparseGraph>>,
    /// Of each of them the entries of the adjacency that it is, where pairs are edges.
    pub pair_edges: Option<Arc<Csr>>,
    /// What [`ForwardCx::shared`] has computed.
    pub computed: Vec<Computed>,
}

/// A propagation, and whether what is propagated stands beside it, with the tensors that it was computed of.
#[derive(Debug, Clone)]
pub struct Computed {
    what: (Norm, bool),
    of: Vec<TensorId>,
    result: Tensor,
}

impl<'a> ForwardCx<'a> {
    /// A training step: dropout drops, batch norm takes the batch's statistics, and the named auxiliary
    /// losses are computed.
    pub fn training(step_seed: u64, wanted_losses: &'a [&'static str]) -> Self {
        Self { train: true, wants_gradients: true, step_seed, wanted_losses, ..Self::evaluation() }
    }

    /// A forward pass alone.
    pub fn evaluation() -> Self {
        Self {
            train: false,
            wants_gradients: false,
            is_taped: true,
            step_seed: 0,
            wanted_losses: &[],
            losses: Vec::new(),
            wants_pooling_stats: false,
            pooling: Vec::new(),
            fixed_points: Vec::new(),
            stand_ins: Arc::default(),
            constants: None,
            wanted_rows: None,
            has_picked: false,
            pairs: None,
            pair_edges: None,
            computed: Vec::new(),
        }
    }

    /// `compute()`, unless a stage of this step has computed `what` of the same tensors before: the networks
    /// behind `assign` and `embed` begin with the same aggregation.
    ///
    /// # Errors
    /// Those of `compute`.
    pub fn shared(
        &mut self,
        what: (Norm, bool),
        of: &[&Tensor],
        compute: impl FnOnce() -> Result<Tensor>,
    ) -> Result<Tensor> {
        let of: Vec<TensorId> = of.iter().map(|tensor| tensor.id()).collect();
        if let Some(known) = self.computed.iter().find(|known| known.what == what && known.of == of) {
            return Ok(known.result.clone());
        }
        let result = compute()?;
        self.computed.push(Computed { what, of, result: result.clone() });
        Ok(result)
    }

    /// The seed of one random choice of this step: the `place`-th of a node.
    pub fn seed_of(&self, node: u64, place: u64) -> u64 {
        // SplitMix64 over the three numbers: near seeds give unrelated streams.
        let mut state = self.step_seed;
        for part in [node, place] {
            state = state
                .wrapping_add(part.wrapping_mul(0xbf58_476d_1ce4_e5b9))
                .wrapping_add(0x9e37_79b9_7f4a_7c15);
            state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            state ^= state >> 31;
        }
        state
    }
}

/// How a pooling uses its clusters in the graphs of one batch.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolingStats {
    pub node: NodeIndex,
    /// Clusters a graph.
    pub n_clusters: usize,
    /// Of each graph with nodes.
    pub graphs: Vec<AssignmentStats>,
}

/// A lowered operator.
pub(crate) trait Module: Send + Sync {
    /// # Errors
    /// Where Candle fails; shapes were proved before.
    fn forward(&self, inputs: &[&Value], cx: &mut ForwardCx) -> Result<Value>;
}

/// What a module is made of: the typed node, and its weights by the names of its `WeightSpec`s. Not for others: only what
/// was checked is lowered, as a [`Network`] or as a [`single::Single`].
pub(crate) struct LowerCx<'a> {
    idx: NodeIndex,
    node: &'a Node,
    args: &'a Args,
    inputs: &'a [&'a Type],
    output: &'a Type,
    /// The activation that the plan moved into this operator.
    activation: Option<Fun>,
    /// Whether anything reads the coarse adjacency that this pooling would make.
    needs_adjacency: bool,
    /// Whether a lift undoes this pooling.
    needs_assignment: bool,
    /// The auxiliary losses that the stage may be asked for.
    losses: &'a [&'static str],
    weights: &'a NodeWeights,
}

impl LowerCx<'_> {
    /// The module of one operator alone.
    ///
    /// # Errors
    /// Where an operator that has to have a program has none.
    fn module(&self) -> Result<Box<dyn Module>> {
        program::lower(self)
    }
}

/// Weights and buffers of one node. Buffers (running statistics) are `Var`s too, so a module can set them.
#[derive(Debug, Clone, Default)]
pub struct NodeWeights(pub Vec<(&'static str, candle_core::Var)>);

impl NodeWeights {
    /// # Panics
    /// Where the operator asks for a weight that its own `weights` did not name.
    pub fn get(&self, name: &str) -> &candle_core::Var {
        &self.0.iter().find(|(given, _)| *given == name).unwrap_or_else(|| panic!("no weight `{name}`")).1
    }
}
