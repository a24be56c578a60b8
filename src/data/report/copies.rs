//! Graphs of a set that are copies of each other: a model that has seen one in training knows the other.

use crate::data::dataset::{Dataset, Targets};
use crate::settings::protocol::split::k_fold;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Rounds of colour refinement.
const N_ROUNDS: usize = 6;

/// Two graphs up to this size are compared node by node, where their colours agree.
const EXACT_NODES: usize = 64;

/// Steps of one comparison, behind which two graphs count as alike by their colours.
const MAX_STEPS: usize = 20_000;

/// Comparisons of two graphs, over the whole set.
const MAX_COMPARISONS: usize = 200_000;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Copies {
    /// Groups of graphs that are the same, with features and what edges carry.
    pub n_groups: usize,
    /// Graphs that have a copy.
    pub n_graphs: usize,
    pub largest_group: usize,
    /// Groups whose graphs have different targets: nobody can predict both.
    pub n_contradictions: usize,
    /// Graphs of the test part that have a copy in the training part: of the data's own split, else the mean over the ten
    /// folds of `k_fold(10)` with seed 0.
    pub in_test_and_training: f64,
    /// The size of the test part.
    pub n_test: f64,
    /// It is the split that comes with the data.
    pub is_own_split: bool,
    /// All were compared node by node; else some are alike by colour refinement alone.
    pub is_exact: bool,
}

/// Which graphs are copies of each other.
#[derive(Debug, Clone)]
pub struct Alike {
    /// The first of its copies for each graph, itself where it has none before it.
    pub first_of: Vec<u32>,
    /// Those of more than one graph.
    pub groups: Vec<Vec<u32>>,
    /// All were compared node by node.
    pub is_exact: bool,
}

impl Alike {
    pub fn of(data: &Dataset) -> Self {
        let colours = Colours::of(data);
        let mut by_hash: BTreeMap<[u8; 32], Vec<u32>> = BTreeMap::new();
        for graph in 0..data.n_graphs() {
            by_hash.entry(colours.hash(data, graph)).or_default().push(graph as u32);
        }
        let (mut is_exact, mut n_comparisons) = (true, 0);
        // The first graph of the group of each.
        let mut first_of: Vec<u32> = (0..data.n_graphs() as u32).collect();
        let mut groups: Vec<Vec<u32>> = Vec::new();
        for alike in by_hash.into_values().filter(|alike| alike.len() > 1) {
            let mut parts: Vec<Vec<u32>> = Vec::new();
            for graph in alike {
                let mut place = None;
                for (idx, part) in parts.iter().enumerate() {
                    n_comparisons += 1;
                    let is_small = data.graph_nodes(graph as usize).len() <= EXACT_NODES;
                    let same = match is_small && n_comparisons <= MAX_COMPARISONS {
                        true => colours.are_same(data, part[0] as usize, graph as usize),
                        false => None,
                    };
                    is_exact &= same.is_some();
                    if same.unwrap_or(true) {
                        place = Some(idx);
                        break;
                    }
                }
                match place {
                    Some(idx) => parts[idx].push(graph),
                    None => parts.push(vec![graph]),
                }
            }
            for part in parts.into_iter().filter(|part| part.len() > 1) {
                part.iter().for_each(|&graph| first_of[graph as usize] = part[0]);
                groups.push(part);
            }
        }
        Self { first_of, groups, is_exact }
    }
}

impl Copies {
    pub fn of(data: &Dataset) -> Self {
        let Alike { first_of, groups, is_exact } = Alike::of(data);
        let target = |graph: u32| match &data.targets {
            Targets::Classes(classes) if classes.len() == data.n_graphs() => {
                vec![classes[graph as usize] as u64]
            }
            Targets::Values { values, n_values } if values.len() == data.n_graphs() * n_values => values
                [graph as usize * n_values..][..*n_values]
                .iter()
                .map(|value| u64::from(value.to_bits()))
                .collect(),
            _ => Vec::new(),
        };
        let is_of_graphs = data.n_items() == data.n_graphs();
        let splits = match &data.fixed_split {
            Some(split) if is_of_graphs => vec![split.clone()],
            _ if is_of_graphs && data.n_graphs() >= 10 => k_fold(&data.strata(), 10, 0.0, 0),
            _ => Vec::new(),
        };
        let mut n_both = 0;
        for split in &splits {
            let mut is_in_training = vec![false; data.n_graphs()];
            split.train.iter().for_each(|&graph| is_in_training[first_of[graph as usize] as usize] = true);
            n_both +=
                split.test.iter().filter(|&&graph| is_in_training[first_of[graph as usize] as usize]).count();
        }
        let n_splits = splits.len().max(1) as f64;
        Self {
            n_groups: groups.len(),
            n_graphs: groups.iter().map(Vec::len).sum(),
            largest_group: groups.iter().map(Vec::len).max().unwrap_or(0),
            n_contradictions: groups
                .iter()
                .filter(|group| group.iter().any(|&graph| target(graph) != target(group[0])))
                .count(),
            in_test_and_training: n_both as f64 / n_splits,
            n_test: splits.iter().map(|split| split.test.len()).sum::<usize>() as f64 / n_splits,
            is_own_split: data.fixed_split.is_some() && is_of_graphs,
            is_exact,
        }
    }
}

/// Colours of all nodes: what colour refinement tells of each.
struct Colours {
    of_node: Vec<u64>,
    /// What each entry of the adjacency carries.
    of_edge: Vec<u64>,
}

impl Colours {
    fn of(data: &Dataset) -> Self {
        let mut row = Vec::new();
        let mut of_row = |features: &crate::data::Features, idx: usize| {
            row.clear();
            features.write_rows(idx..idx + 1, &mut row);
            row.iter().fold(1, |colour, value| mix(colour, u64::from((value + 0.0).to_bits())))
        };
        let mut of_node: Vec<u64> = (0..data.n_nodes())
            .map(|node| if data.n_features() == 0 { 1 } else { of_row(&data.features, node) })
            .collect();
        let of_edge: Vec<u64> = (0..data.n_edges())
            .map(|entry| {
                let features = data.edge_features.as_ref().map_or(0, |features| of_row(features, entry));
                let kind = data.edge_kinds.as_ref().map_or(0, |kinds| u64::from(kinds.of_entry[entry]) + 1);
                mix(features, kind)
            })
            .collect();
        for _ in 0..N_ROUNDS {
            let next = |node: usize| {
                let first = data.adjacency.offsets[node] as usize;
                // A sum does not depend on the order of the neighbours.
                let incoming =
                    data.adjacency.row(node).iter().enumerate().fold(0u64, |sum, (idx, &other)| {
                        sum.wrapping_add(mix(of_edge[first + idx], of_node[other as usize]))
                    });
                let outgoing = data.reverse.as_ref().map_or(0, |reverse| {
                    reverse
                        .row(node)
                        .iter()
                        .fold(0u64, |sum, &other| sum.wrapping_add(mix(7, of_node[other as usize])))
                });
                mix(mix(of_node[node], incoming), outgoing)
            };
            of_node = (0..data.n_nodes()).map(next).collect();
        }
        Self { of_node, of_edge }
    }

    /// The same for graphs that are alike.
    fn hash(&self, data: &Dataset, graph: usize) -> [u8; 32] {
        let mut colours = self.of_node[data.graph_nodes(graph)].to_vec();
        colours.sort_unstable();
        let mut hash = Sha256::new();
        hash.update((data.graph_edges(graph).len() as u64).to_le_bytes());
        colours.iter().for_each(|colour| hash.update(colour.to_le_bytes()));
        hash.finalize().into()
    }

    /// Whether two graphs are the same, numbering aside; `None` where that was not found out.
    fn are_same(&self, data: &Dataset, one: usize, other: usize) -> Option<bool> {
        let (ours, theirs) = (data.graph_nodes(one), data.graph_nodes(other));
        if ours.len() != theirs.len() {
            return Some(false);
        }
        // Nodes whose colour few others have come first, and those beside placed ones.
        let mut order: Vec<usize> = ours.clone().collect();
        let n_alike = |node: usize| ours.clone().filter(|&of| self.of_node[of] == self.of_node[node]).count();
        order.sort_by_key(|&node| (n_alike(node), node));
        let mut placed: Vec<Option<usize>> = vec![None; ours.len()];
        let mut is_taken = vec![false; ours.len()];
        let mut n_steps = 0;
        let found =
            self.place(data, &order, 0, (ours.start, theirs.start), &mut placed, &mut is_taken, &mut n_steps);
        if n_steps > MAX_STEPS { None } else { Some(found) }
    }

    #[allow(clippy::too_many_arguments)]
    fn place(
        &self,
        data: &Dataset,
        order: &[usize],
        depth: usize,
        (start, other_start): (usize, usize),
        placed: &mut Vec<Option<usize>>,
        is_taken: &mut Vec<bool>,
        n_steps: &mut usize,
    ) -> bool {
        let Some(&node) = order.get(depth) else { return true };
        for candidate in 0..is_taken.len() {
            let other = other_start + candidate;
            if is_taken[candidate] || self.of_node[node] != self.of_node[other] {
                continue;
            }
            *n_steps += 1;
            if *n_steps > MAX_STEPS {
                return false;
            }
            placed[node - start] = Some(other);
            let fits = order[..=depth].iter().all(|&before| {
                let beside = placed[before - start].expect("placed before");
                self.edges(data, before, node) == self.edges(data, beside, other)
                    && self.edges(data, node, before) == self.edges(data, other, beside)
            });
            if fits {
                is_taken[candidate] = true;
                if self.place(data, order, depth + 1, (start, other_start), placed, is_taken, n_steps) {
                    return true;
                }
                is_taken[candidate] = false;
            }
            placed[node - start] = None;
        }
        false
    }

    /// What the edges from one node to another carry, in any order.
    fn edges(&self, data: &Dataset, source: usize, target: usize) -> (usize, u64) {
        let first = data.adjacency.offsets[target] as usize;
        let row = data.adjacency.row(target);
        let from = row.partition_point(|&other| (other as usize) < source);
        let all = row[from..].iter().take_while(|&&other| other as usize == source).count();
        let carried = self.of_edge[first + from..][..all]
            .iter()
            .fold(0u64, |sum, &edge| sum.wrapping_add(mix(3, edge)));
        (all, carried)
    }
}

/// One number of two, spread over all bits.
fn mix(a: u64, b: u64) -> u64 {
    let mut x = a.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23) ^ b.wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    x ^= x >> 29;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^ (x >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::report::tests_support::dataset;

    #[test]
    fn renumbered_graphs_are_copies_and_others_are_not() {
        // Two paths with their nodes in another order, and a star.
        let mut data =
            dataset(&[4, 4, 4], &[(0, 1), (1, 2), (2, 3), (5, 4), (4, 7), (7, 6), (8, 9), (8, 10), (8, 11)]);
        let copies = Copies::of(&data);
        assert_eq!(
            (copies.n_groups, copies.n_graphs, copies.n_contradictions, copies.is_exact),
            (1, 2, 0, true)
        );
        data.targets = Targets::Classes(vec![0, 1, 1]);
        assert_eq!(Copies::of(&data).n_contradictions, 1);
    }

    #[test]
    fn what_colours_cannot_tell_apart_is_compared_node_by_node() {
        // A ring of six and two triangles: colour refinement sees the same.
        let ring = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 0)];
        let triangles = [(6, 7), (7, 8), (8, 6), (9, 10), (10, 11), (11, 9)];
        let copies = Copies::of(&dataset(&[6, 6], &[ring, triangles].concat()));
        assert_eq!((copies.n_groups, copies.is_exact), (0, true));
    }

    #[test]
    fn copies_on_both_sides_of_a_split_are_counted() {
        // Twenty graphs of one edge: every test graph has a copy in training.
        let edges: Vec<(u32, u32)> = (0..20).map(|graph| (2 * graph, 2 * graph + 1)).collect();
        let copies = Copies::of(&dataset(&[2; 20], &edges));
        assert_eq!(
            (copies.n_graphs, copies.largest_group, copies.in_test_and_training, copies.n_test),
            (20, 20, 2.0, 2.0)
        );
    }
}
