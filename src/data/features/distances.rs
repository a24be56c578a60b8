//! How many nodes are at each distance, by a search from each node against the edges.

use super::{Block, Graphs};
use crate::args::BoundCall;
use crate::data::DataError;
use crate::data::columns::Vocabulary;
use crate::diagnostic::count;

pub(super) fn compute(
    call: &BoundCall,
    graphs: &Graphs,
    known: Option<&Vocabulary>,
) -> Result<Block, DataError> {
    let max = call.args.int("max") as usize;
    let values = graphs.by_rows(max, |graph, nodes| {
        // The search that has seen a node last: numbers of nodes, so that nothing is cleared between searches.
        let mut seen_by = vec![usize::MAX; graph.len()];
        let mut rows = vec![0.0; nodes.len() * max];
        for (row, node) in rows.chunks_exact_mut(max).zip(nodes) {
            seen_by[node - graph.start] = node;
            let mut front = vec![node];
            for count in row {
                let mut next = Vec::new();
                for &reached in &front {
                    for &source in graphs.incoming.row(reached) {
                        let seen = &mut seen_by[source as usize - graph.start];
                        if *seen != node {
                            *seen = node;
                            next.push(source as usize);
                        }
                    }
                }
                *count = next.len() as f32;
                if next.is_empty() {
                    break;
                }
                front = next;
            }
        }
        rows
    });
    if known.is_none() {
        let is_used = |column: &usize| values.iter().skip(*column).step_by(max).any(|&value| value > 0.0);
        let used = (0..max).rev().find(is_used).map_or(0, |column| column + 1);
        let why = format!("no node is more than {} away from one that it reaches", count(used, "edge"));
        graphs.expect_used(call, max, used, &why)?;
    }
    Ok(Block::computed(values, max, ["number of nodes by distance", "numbers of nodes by distance"]))
}
