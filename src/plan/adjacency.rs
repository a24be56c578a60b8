//! Which graphs of the hierarchy need their edges.

use crate::ir::Model;
use crate::ops::{Action, Family, LossKind};
use petgraph::Direction;
use petgraph::visit::EdgeRef;

/// For each node, whether a live reader of its value reads the edges of the graph that it lives on:
/// a convolution does; a pooling does where its own result's edges are read or a wanted loss compares
/// them; anything that keeps the rows passes the question on.
pub(super) fn read_edges(model: &Model, is_live: &[bool]) -> Vec<bool> {
    let wants_loss = |op: &str| {
        let mut losses = model.losses.iter().map(|term| term.loss);
        losses.any(|loss| loss.kind() == LossKind::Auxiliary && loss.reported_by().contains(&op))
    };
    let mut is_read = vec![false; model.graph.node_count()];
    // Readers stand after what they read, so each answer is there when it is asked for.
    for idx in model.graph.node_indices().rev() {
        is_read[idx.index()] = model.graph.edges_directed(idx, Direction::Outgoing).any(|edge| {
            let (port, reader) = (*edge.weight(), edge.target());
            let node = &model.graph[reader];
            if node.op.action(&node.args) == Action::RemainingEdges {
                return is_live[reader.index()];
            }
            // Only the first input brings its structure with it.
            if port != 0 || !is_live[reader.index()] {
                return false;
            }
            match node.op.family() {
                Family::Convolution => true,
                Family::Pooling => is_read[reader.index()] || wants_loss(node.op.name()),
                Family::Readout => false,
                Family::Input
                | Family::Normalization
                | Family::Activation
                | Family::Dense
                | Family::Structure => is_read[reader.index()],
            }
        });
    }
    is_read
}
