//! How many edges lie between the two nodes of a graph that are farthest apart.

use crate::data::dataset::Dataset;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Searches from one node are made from every node of graphs up to this size.
const EXACT_NODES: usize = 200;

/// Searches in a larger graph, each from the node that the one before found farthest.
const N_SWEEPS: usize = 4;

/// Edges that are followed for the estimate, over all graphs; those behind are left out.
const MAX_STEPS: usize = 400_000_000;

/// Over all graphs, along edges in either direction; parts that no path joins are looked at each by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Diameter {
    pub largest: usize,
    pub mean: f64,
    /// Every graph was searched from every node; else the figures are at most those of the data.
    pub is_exact: bool,
    /// Graphs that were looked at.
    pub n_graphs: usize,
    /// Graphs that are of several parts.
    pub n_disconnected: usize,
}

impl Diameter {
    pub fn of(data: &Dataset) -> Self {
        let mut search = Search::new(data);
        let (mut largest, mut sum, mut n_seen, mut is_exact, mut n_disconnected) = (0, 0usize, 0, true, 0);
        for graph in 0..data.n_graphs() {
            let nodes = data.graph_nodes(graph);
            if search.n_steps > MAX_STEPS {
                is_exact = false;
                break;
            }
            let (mut diameter, mut n_parts) = (0, 0);
            if nodes.len() <= EXACT_NODES {
                let mut seen = vec![false; nodes.len()];
                for start in nodes.clone() {
                    let (distance, _) = search.farthest(start);
                    diameter = diameter.max(distance);
                    if !seen[start - nodes.start] {
                        n_parts += 1;
                        search.reached.iter().for_each(|&node| seen[node as usize - nodes.start] = true);
                    }
                }
            } else {
                is_exact = false;
                let mut seen = vec![false; nodes.len()];
                for start in nodes.clone() {
                    if seen[start - nodes.start] {
                        continue;
                    }
                    n_parts += 1;
                    let (mut distance, mut next) = search.farthest(start);
                    search.reached.iter().for_each(|&node| seen[node as usize - nodes.start] = true);
                    if search.reached.len() > 1 {
                        for _ in 1..N_SWEEPS {
                            let (farther, other) = search.farthest(next);
                            (distance, next) = (distance.max(farther), other);
                        }
                    }
                    diameter = diameter.max(distance);
                }
            }
            n_disconnected += usize::from(n_parts > 1);
            largest = largest.max(diameter);
            sum += diameter;
            n_seen += 1;
        }
        Self { largest, mean: sum as f64 / n_seen.max(1) as f64, is_exact, n_graphs: n_seen, n_disconnected }
    }
}

/// Breadth-first searches over one data set.
struct Search<'a> {
    data: &'a Dataset,
    /// The search that reached each node last.
    mark: Vec<u32>,
    distance: Vec<u32>,
    n_searches: u32,
    queue: VecDeque<u32>,
    reached: Vec<u32>,
    n_steps: usize,
}

impl<'a> Search<'a> {
    fn new(data: &'a Dataset) -> Self {
        let n = data.n_nodes();
        Self {
            data,
            mark: vec![0; n],
            distance: vec![0; n],
            n_searches: 0,
            queue: VecDeque::new(),
            reached: Vec::new(),
            n_steps: 0,
        }
    }

    /// The node farthest from `start`, and how far it is.
    fn farthest(&mut self, start: usize) -> (usize, usize) {
        self.n_searches += 1;
        self.reached.clear();
        self.mark[start] = self.n_searches;
        self.distance[start] = 0;
        self.queue.push_back(start as u32);
        let mut last = start as u32;
        while let Some(node) = self.queue.pop_front() {
            last = node;
            self.reached.push(node);
            let further = self.data.reverse.as_ref().map_or(&[][..], |reverse| reverse.row(node as usize));
            for &other in self.data.adjacency.row(node as usize).iter().chain(further) {
                self.n_steps += 1;
                if self.mark[other as usize] != self.n_searches {
                    self.mark[other as usize] = self.n_searches;
                    self.distance[other as usize] = self.distance[node as usize] + 1;
                    self.queue.push_back(other);
                }
            }
        }
        (self.distance[last as usize] as usize, last as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::report::tests_support::dataset;

    #[test]
    fn paths_are_as_long_as_they_are() {
        let path = |n: u32| (1..n).map(|node| (node - 1, node)).collect::<Vec<_>>();
        let short = Diameter::of(&dataset(&[5], &path(5)));
        assert_eq!((short.largest, short.is_exact, short.n_disconnected), (4, true, 0));
        let long = Diameter::of(&dataset(&[1000], &path(1000)));
        assert_eq!((long.largest, long.is_exact), (999, false));
        let two = Diameter::of(&dataset(&[3, 2], &[(0, 1), (1, 2)]));
        assert_eq!((two.largest, two.mean, two.n_disconnected), (2, 1.0, 1));
    }
}
