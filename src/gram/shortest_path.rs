//! Pairs of nodes by their labels and their distance.

use super::counts::{Graph, hashed};
use crate::kernels::mixed;
use std::collections::HashMap;

/// How many ordered pairs of different nodes there are by the label of the first, that of the second, and the fewest edges that lead
/// from the first to the second.
pub(super) fn counts(graph: &Graph) -> Vec<(u64, u64)> {
    const FAR: u32 = u32::MAX;
    let n = graph.n_nodes();
    let (labels, ranks) = graph.ranked_labels();
    let mut counts: HashMap<(u32, u32, u32), u64> = HashMap::new();
    let (mut distance, mut reached) = (vec![FAR; n], Vec::with_capacity(n));
    // Of one node, by label and distance: most pairs are counted here, and each kind of pair once in the table.
    let mut of_node: Vec<u64> = Vec::new();
    for end in 0..n {
        reached.push(end);
        distance[end] = 0;
        let mut at = 0;
        while let Some(&node) = reached.get(at) {
            for source in graph.sources(node) {
                if distance[source] == FAR {
                    distance[source] = distance[node] + 1;
                    reached.push(source);
                }
            }
            at += 1;
        }
        // A breadth-first search reaches nodes by their distance, so those of one distance are next to each other.
        for ring in reached[1..].chunk_by(|&a, &b| distance[a] == distance[b]) {
            of_node.clear();
            of_node.extend(ring.iter().map(|&node| u64::from(ranks[node])));
            of_node.sort_unstable();
            for equal in of_node.chunk_by(|a, b| a == b) {
                *counts.entry((equal[0] as u32, ranks[end], distance[ring[0]])).or_insert(0) +=
                    equal.len() as u64;
            }
        }
        reached.drain(..).for_each(|node| distance[node] = FAR);
    }
    hashed(counts, |&(from, to, steps)| {
        mixed(mixed(mixed(3, labels[from as usize]), labels[to as usize]), u64::from(steps))
    })
}
