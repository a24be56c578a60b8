//! Pipelines that are repeated until nothing changes any more, as a model has them: where they begin and end, what they read,
//! and what keeps their steps from going on for ever.

use super::infer::inputs_of;
use super::shared::weights;
use super::{Model, Node};
use crate::ops::{Action, FIXED_POINT};
use crate::program::Fun;
use crate::types::Entity;
use petgraph::graph::{DiGraph, NodeIndex};

/// A `fixed_point` of a model.
#[derive(Debug, Clone)]
pub struct FixedPoint {
    /// The stage that the pipeline is applied to.
    pub state: NodeIndex,
    /// The stage behind the pipeline, whose value is the fixed point.
    pub end: NodeIndex,
    pub tolerance: f64,
    pub max_steps: usize,
    /// What guarantees that the steps converge; `None` where nothing does.
    pub bound: Option<Bound>,
}

/// Sizes of weights with which every step brings two states closer together: in the largest difference of all numbers, which
/// means and maxima over neighbours do not enlarge.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    /// How much closer.
    pub contraction: f64,
    /// The largest sum of absolute values that leads to one feature of a result, in each matrix.
    pub largest_sum: f64,
    /// The matrices: the stage that has them, with their names.
    pub weights: Vec<(NodeIndex, &'static str)>,
}

/// Why no bound is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoBound {
    /// How much a stage takes two values apart is not known.
    Stage(NodeIndex),
    /// Nothing inside has weights that could be kept small enough.
    NoWeights,
}

impl Model {
    /// Every `fixed_point`, in the order of the stages.
    pub fn fixed_points(&self) -> Vec<FixedPoint> {
        fixed_points(&self.graph).into_iter().map(|(found, _)| found).collect()
    }
}

/// Every `fixed_point`, with the reason where a bound was asked for and none is known.
pub(crate) fn fixed_points(graph: &DiGraph<Node, usize>) -> Vec<(FixedPoint, Option<NoBound>)> {
    let is_end = |node: &NodeIndex| graph[*node].op.name() == FIXED_POINT.name();
    let found = graph.node_indices().filter(is_end).map(|end| {
        let args = &graph[end].args;
        let state = inputs_of(graph, end)[0];
        let (bound, missing) =
            match args.opt_float("contraction").map(|asked| bound(graph, state, end, asked)) {
                None => (None, None),
                Some(Ok(bound)) => (Some(bound), None),
                Some(Err(missing)) => (None, Some(missing)),
            };
        let (tolerance, max_steps) = (args.float("tolerance"), args.int("max_steps") as usize);
        (FixedPoint { state, end, tolerance, max_steps, bound }, missing)
    });
    found.collect()
}

/// What a pipeline between two stages consists of and reads.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inside {
    /// Its stages, in order, each with whether its value depends on the state.
    pub stages: Vec<(NodeIndex, bool)>,
    /// Whether the result depends on the state, and on any other value.
    pub reads_state: bool,
    pub reads_others: bool,
}

pub(crate) fn inside(graph: &DiGraph<Node, usize>, state: NodeIndex, end: NodeIndex) -> Inside {
    let first = state.index();
    let mut is_behind = vec![false; end.index() - first + 1];
    is_behind[end.index() - first] = true;
    let mut reads_others = false;
    // Inputs stand before what reads them.
    for node in (first + 1..=end.index()).rev().map(NodeIndex::new) {
        if is_behind[node.index() - first] {
            for input in inputs_of(graph, node) {
                match input.index().checked_sub(first) {
                    Some(place) => is_behind[place] = true,
                    None => reads_others = true,
                }
            }
        }
    }
    let mut depends = vec![false; is_behind.len()];
    depends[0] = true;
    let mut stages = Vec::new();
    for node in (first + 1..end.index()).map(NodeIndex::new) {
        if is_behind[node.index() - first] {
            let mut inputs = inputs_of(graph, node).into_iter();
            let reads = inputs.any(|input| input.index() >= first && depends[input.index() - first]);
            depends[node.index() - first] = reads;
            stages.push((node, reads));
        }
    }
    let result = inputs_of(graph, end)[1];
    let reads_state = result.index() >= first && depends[result.index() - first];
    Inside { stages, reads_state, reads_others }
}

/// How far a function of each number takes two numbers apart, at most; `None` where that is not bounded, or not known.
fn slope(fun: Fun) -> Option<f64> {
    match fun {
        Fun::Relu | Fun::Tanh | Fun::Softplus => Some(1.0),
        Fun::Sigmoid => Some(0.25),
        Fun::LeakyRelu(slope) => Some(slope.abs().max(1.0)),
        Fun::Elu(alpha) => Some(alpha.abs().max(1.0)),
        // The slope of `x Φ(x)` is largest at √2.
        Fun::Gelu => Some(1.13),
        _ => None,
    }
}

/// How far a step takes two states apart, at most, where every matrix has sums of at most `largest_sum`.
fn gain(
    graph: &DiGraph<Node, usize>,
    state: NodeIndex,
    end: NodeIndex,
    largest_sum: f64,
) -> Result<f64, NodeIndex> {
    let first = state.index();
    let mut gains = vec![0.0f64; end.index() - first];
    gains[0] = 1.0;
    for (node, _) in inside(graph, state, end).stages {
        let Node { op, args, ty, .. } = &graph[node];
        let inputs = inputs_of(graph, node);
        let of = |input: &NodeIndex| input.index().checked_sub(first).map_or(0.0, |place| gains[place]);
        let all: Vec<f64> = inputs.iter().map(of).collect();
        let largest = all.iter().copied().fold(0.0, f64::max);
        let is_weighed = inputs[1..].iter().any(|input| graph[*input].ty.entity.is_of_edges());
        let of_matrices = || matrices(graph, node).len() as f64 * largest_sum * all[0];
        gains[node.index() - first] = match op.action(args) {
            _ if largest == 0.0 => 0.0,
            Action::Concat => largest,
            Action::Add => all.iter().sum(),
            Action::Identity => all[0],
            Action::Activation => match op.as_activation(args).and_then(slope) {
                Some(slope) => slope * all[0],
                None => return Err(node),
            },
            Action::Dense { is_affine: true, has_batch_norm: false } => of_matrices(),
            Action::Messages { .. } if op.averages(args) && !is_weighed && ty.entity == Entity::Nodes => {
                of_matrices()
            }
            _ => return Err(node),
        };
    }
    let result = inputs_of(graph, end)[1];
    Ok(gains[result.index() - first])
}

/// The matrices that a stage maps its value by, with the stage whose they are.
fn matrices(graph: &DiGraph<Node, usize>, node: NodeIndex) -> Vec<(NodeIndex, &'static str)> {
    let owner = graph[node].shares.unwrap_or(node);
    let matrices = weights(graph, node).into_iter().filter(|spec| spec.is_trained && spec.shape.len() == 2);
    matrices.map(|spec| (owner, spec.name)).collect()
}

fn bound(
    graph: &DiGraph<Node, usize>,
    state: NodeIndex,
    end: NodeIndex,
    contraction: f64,
) -> Result<Bound, NoBound> {
    let gain = |largest_sum: f64| gain(graph, state, end, largest_sum).map_err(NoBound::Stage);
    let mut all = Vec::new();
    for (node, _) in inside(graph, state, end).stages.into_iter().filter(|(_, depends)| *depends) {
        all.extend(
            matrices(graph, node).into_iter().filter(|matrix| !all.contains(matrix)).collect::<Vec<_>>(),
        );
    }
    if gain(0.0)? > contraction || all.is_empty() {
        return Err(NoBound::NoWeights);
    }
    // The gain grows with the sums. Halving the distance so often leaves no other number between.
    let (mut low, mut high) = (0.0, 1.0);
    while gain(high)? <= contraction && high < 1e6 {
        high *= 2.0;
    }
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if gain(middle)? <= contraction { low = middle } else { high = middle }
    }
    Ok(Bound { contraction, largest_sum: low, weights: all })
}
