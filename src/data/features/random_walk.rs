//! Return probabilities of random walks, node by node: what a walk has reached is kept sparse, so a graph of `n` nodes takes
//! memory for `n` numbers and no matrix. Time is the nodes times the edges within reach times the steps.

use super::{Block, Graphs};
use crate::args::BoundCall;
use crate::data::DataError;
use crate::data::columns::Vocabulary;

pub(super) fn compute(call: &BoundCall, graphs: &Graphs, _: Option<&Vocabulary>) -> Result<Block, DataError> {
    let steps = call.args.int("steps") as usize;
    let values = graphs.by_rows(steps, |graph, nodes| {
        let mut walk = Walk::new(graph.len());
        let mut rows = Vec::with_capacity(nodes.len() * steps);
        for node in nodes {
            walk.start(node - graph.start);
            for _ in 0..steps {
                walk.step(graphs, graph.start);
                rows.push(walk.probability[node - graph.start] as f32);
            }
        }
        rows
    });
    Ok(Block::computed(
        values,
        steps,
        ["return probability of random walks", "return probabilities of random walks"],
    ))
}

/// Where a walk is, with which probability.
struct Walk {
    probability: Vec<f64>,
    next: Vec<f64>,
    /// The nodes whose probability is not zero, ascending, so that sums have one order.
    reached: Vec<u32>,
    is_next: Vec<bool>,
}

impl Walk {
    fn new(n_nodes: usize) -> Self {
        Self {
            probability: vec![0.0; n_nodes],
            next: vec![0.0; n_nodes],
            reached: Vec::new(),
            is_next: vec![false; n_nodes],
        }
    }

    fn start(&mut self, node: usize) {
        for &old in &self.reached {
            self.probability[old as usize] = 0.0;
        }
        self.probability[node] = 1.0;
        self.reached = vec![node as u32];
    }

    fn step(&mut self, graphs: &Graphs, first: usize) {
        let mut reached = Vec::new();
        for &node in &self.reached {
            let targets = graphs.outgoing.row(first + node as usize);
            let share = self.probability[node as usize] / targets.len().max(1) as f64;
            for &target in targets {
                let target = target as usize - first;
                self.next[target] += share;
                if !std::mem::replace(&mut self.is_next[target], true) {
                    reached.push(target as u32);
                }
            }
            self.probability[node as usize] = 0.0;
        }
        reached.sort_unstable();
        reached.iter().for_each(|&node| self.is_next[node as usize] = false);
        self.reached = reached;
        std::mem::swap(&mut self.probability, &mut self.next);
    }
}
