//! From a checked model to Candle modules.

use crate::args::Args;
use crate::data::batch::SparseGraph;
use crate::ir::{Node, Type};
use crate::kernels::Activation;
use candle_core::{Device, Result, Tensor};
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
    /// `k` clusters a graph, rows `g · k ..`, with the coarse adjacency `[n_graphs, k, k]`
    /// (`None` where the plan found that nothing reads it).
    Clusters { n_graphs: usize, k: usize, adjacency: Option<Tensor> },
    /// `k` sorted rows a graph, without edges.
    Slots { n_graphs: usize, k: usize },
    /// One row a graph.
    Graphs { n_graphs: usize },
}

/// What a module sees of the step it runs in.
pub struct ForwardCx<'a> {
    /// Dropout drops, batch norm takes the batch's statistics.
    pub train: bool,
    /// Seed of this step's dropout: a function of the run's seed, epoch and batch.
    pub step_seed: u64,
    /// Names of the auxiliary losses that the model's loss asks for; no other is computed.
    pub wanted_losses: &'a [&'static str],
    /// Auxiliary losses of this step: name and scalar, in the order of the poolings.
    pub losses: Vec<(&'static str, Tensor)>,
    /// Whether pooling statistics are wanted in this step.
    pub wants_pooling_stats: bool,
    pub pooling: Vec<PoolingStats>,
}

/// How a pooling uses its clusters, over one batch.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolingStats {
    pub node: NodeIndex,
    /// Clusters a graph.
    pub n_clusters: usize,
    /// Effective number of clusters in use: exp of the entropy of the mean assignment, mean over graphs.
    pub clusters_in_use: f64,
    /// Mean entropy of a node's assignment, in nats.
    pub assignment_entropy: f64,
}

/// A lowered operator.
pub trait Module: Send + Sync {
    /// # Errors
    /// Where Candle fails; shapes were proved before.
    fn forward(&self, inputs: &[&Value], cx: &mut ForwardCx) -> Result<Value>;
}

/// What [`crate::ops::Operator::lower`] sees: the typed node, and its weights by the names of its `WeightSpec`s.
pub struct LowerCx<'a> {
    pub idx: NodeIndex,
    pub node: &'a Node,
    pub args: &'a Args,
    pub inputs: &'a [&'a Type],
    pub output: &'a Type,
    /// The activation that the plan moved into this operator.
    pub activation: Activation,
    /// Whether anything reads the coarse adjacency that this pooling would make.
    pub needs_adjacency: bool,
    pub weights: &'a crate::lower::NodeWeights,
    pub device: &'a Device,
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
