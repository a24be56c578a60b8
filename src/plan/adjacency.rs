//! Which graphs of the hierarchy need their edges.

use crate::ir::{Model, pooling_above};
use crate::ops::{Action, Family};
use petgraph::Direction;
use petgraph::visit::EdgeRef;

/// For each node, whether it is a pooling that a live lift undoes.
pub(super) fn are_undone(model: &Model, is_live: &[bool]) -> Vec<bool> {
    let mut is_undone = vec![false; model.graph.node_count()];
    for (idx, node) in model.nodes().filter(|(idx, _)| is_live[idx.index()]) {
        if node.op.action(&node.args) == Action::Lift
            && let Some(pooling) = pooling_above(&model.graph, model.inputs(idx)[0])
        {
            is_undone[pooling.index()] = true;
        }
    }
    is_undone
}

/// For each node, whether a live reader of its value reads the edges of the graph that it lives on:
/// a convolution does; a pooling does where its own result's edges are read or a wanted loss compares
/// them; anything that keeps the rows passes the question on.
pub(super) fn read_edges(model: &Model, is_live: &[bool]) -> Vec<bool> {
    let mut is_read = vec![false; model.graph.node_count()];
    // Readers stand after what they read, so each answer is there when it is asked for.
    for idx in model.graph.node_indices().rev() {
        is_read[idx.index()] = model.graph.edges_directed(idx, Direction::Outgoing).any(|edge| {
            let (port, reader) = (*edge.weight(), edge.target());
            let node = &model.graph[reader];
            if node.op.action(&node.args) == Action::RemainingEdges {
                return is_live[reader.index()];
            }
            if node.op.action(&node.args) == Action::EdgesOfPairs {
                return false;
            }
            // Only the first input brings its structure with it; of a lift it is the one that it leads back to.
            let brings = if node.op.action(&node.args) == Action::Lift { 1 } else { 0 };
            if port != brings || !is_live[reader.index()] {
                return false;
            }
            match node.op.family() {
                Family::Convolution if node.op.action(&node.args).goes_along_edges() => true,
                Family::Pooling => is_read[reader.index()] || !model.asked_of(reader).is_empty(),
                Family::Readout | Family::Decoder | Family::Kernel => false,
                Family::Input
                | Family::Convolution
                | Family::Normalization
                | Family::Activation
                | Family::Dense
                | Family::Structure => is_read[reader.index()],
            }
        });
    }
    is_read
}
