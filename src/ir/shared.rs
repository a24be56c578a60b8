//! Weights that the rounds of a `repeat` share.

use super::infer::inputs_of;
use super::{Model, Node};
use crate::ops::FactCx;
use crate::program::WeightSpec;
use crate::types::{Size, Type};
use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::HashMap;

/// A stage that needs other weights than the one it takes them from.
#[derive(Debug, Clone)]
pub(crate) struct Misfit {
    pub node: NodeIndex,
    pub shares: NodeIndex,
    pub weight: &'static str,
    /// The sizes of the weight in both stages; `None` where one has no such weight.
    pub shapes: [Option<Vec<Size>>; 2],
}

impl Misfit {
    /// "`gcn` (stage 2) needs a `weight` of [64, 64], and shares that of stage 1, of [5, 64]"
    pub fn words(&self, graph: &DiGraph<Node, usize>) -> String {
        let (name, [own, other]) = (graph[self.node].op.name(), self.sizes());
        let (node, shares, weight) = (self.node.index(), self.shares.index(), self.weight);
        format!(
            "`{name}` (stage {node}) needs a `{weight}` of {own}, and shares that of stage {shares}, of {other}"
        )
    }

    /// The sizes of the weight in both stages: `[64, 64]`.
    pub fn sizes(&self) -> [String; 2] {
        let text = |shape: &Option<Vec<Size>>| match shape {
            None => "none".to_owned(),
            Some(sizes) => {
                let sizes: Vec<String> = sizes.iter().map(Size::to_string).collect();
                format!("[{}]", sizes.join(", "))
            }
        };
        self.shapes.each_ref().map(text)
    }
}

/// The weights that a stage computes with, whether its own or shared.
pub(super) fn weights(graph: &DiGraph<Node, usize>, idx: NodeIndex) -> Vec<WeightSpec> {
    let node = &graph[idx];
    let inputs: Vec<&Type> = inputs_of(graph, idx).into_iter().map(|input| &graph[input].ty).collect();
    node.op.weights(&FactCx { args: &node.args, inputs: &inputs, output: &node.ty })
}

/// Whether a stage computes with weights, its own or shared ones.
pub(crate) fn has_weights(graph: &DiGraph<Node, usize>, idx: NodeIndex) -> bool {
    !weights(graph, idx).is_empty()
}

/// Stages whose weights have other sizes for certain than those that they share. All types are inferred.
pub(crate) fn misfits(graph: &DiGraph<Node, usize>) -> Vec<Misfit> {
    graph.node_indices().filter_map(|node| misfit(graph, node)).collect()
}

/// Whether a stage cannot use the weights that it is to share.
pub(crate) fn misfit(graph: &DiGraph<Node, usize>, node: NodeIndex) -> Option<Misfit> {
    let shares = graph[node].shares?;
    let (own, others) = (weights(graph, node), weights(graph, shares));
    let sizes = |spec: &WeightSpec| -> Vec<Size> { spec.shape.iter().map(|dim| dim.size.clone()).collect() };
    let differs = |a: &WeightSpec, b: &WeightSpec| {
        let mut pairs = a.shape.iter().zip(&b.shape);
        a.name != b.name
            || a.shape.len() != b.shape.len()
            || pairs.any(|(a, b)| crate::ops::findings::shape::differ(&a.size, &b.size))
    };
    (0..own.len().max(others.len())).find_map(|place| {
        let pair = [own.get(place), others.get(place)];
        let is_fit = matches!(pair, [Some(a), Some(b)] if !differs(a, b));
        let weight = pair.iter().flatten().next().filter(|_| !is_fit)?;
        let (weight, shapes) = (weight.name, pair.map(|spec| spec.map(sizes)));
        Some(Misfit { node, shares, weight, shapes })
    })
}

/// Keeps what is shared where there are weights to share, and makes the first stage that the output needs the one whose
/// weights they are. All types are inferred, and nothing is wrong with them.
pub(crate) fn settle_shared(graph: &mut DiGraph<Node, usize>, output: NodeIndex) {
    let shared: Vec<NodeIndex> = graph.node_indices().filter(|&node| graph[node].shares.is_some()).collect();
    if shared.is_empty() {
        return;
    }
    let mut is_live = vec![false; graph.node_count()];
    let mut open = vec![output];
    while let Some(node) = open.pop() {
        if !std::mem::replace(&mut is_live[node.index()], true) {
            open.extend(graph.neighbors_directed(node, Direction::Incoming));
        }
    }
    // By the stage whose weights they are now.
    let mut owners: HashMap<NodeIndex, NodeIndex> = HashMap::new();
    for node in shared {
        let Some(first) = graph[node].shares else { continue };
        let owner = if is_live[first.index()] || !is_live[node.index()] {
            first
        } else {
            *owners.entry(first).or_insert(node)
        };
        graph[node].shares = Some(owner).filter(|&owner| owner != node && !weights(graph, node).is_empty());
    }
}

impl Model {
    /// The weights that belong to a stage: none where it takes those of another.
    pub fn own_weights(&self, idx: NodeIndex) -> Vec<WeightSpec> {
        own_weights(&self.graph, idx)
    }
}

/// [`Model::own_weights`] of a model that is not finished.
pub(crate) fn own_weights(graph: &DiGraph<Node, usize>, idx: NodeIndex) -> Vec<WeightSpec> {
    match graph[idx].shares {
        Some(_) => Vec::new(),
        None => weights(graph, idx),
    }
}
