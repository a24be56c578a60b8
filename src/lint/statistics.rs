//! What the lints count in the data, each when it is first asked for. Everything is exact for small data and
//! sampled at fixed places for large data, so that it is the same in every run.

use crate::data::{Dataset, Features, Split, Targets};
use crate::ir::Model;
use crate::train::{Overrides, Settings, protocol};
use crate::types::{DataFacts, Entity};
use std::cell::OnceCell;

/// How many graphs are looked at for their diameter.
const MAX_GRAPHS: usize = 512;

/// How many edges may be followed for the diameters of all graphs together: some tenths of a second.
const MAX_STEPS: usize = 60_000_000;

/// Numbers of a data set.
#[derive(Debug)]
pub struct Statistics<'a> {
    pub dataset: &'a Dataset,
    pub facts: DataFacts,
    model: &'a Model,
    sizes: OnceCell<Vec<usize>>,
    depth: OnceCell<Depth>,
    has_equal_features: OnceCell<bool>,
    degrees: OnceCell<Degrees>,
    splits: OnceCell<Vec<Split>>,
}

/// How many layers a message needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Depth {
    /// Mean over the graphs of the longest shortest path: after as many layers every node has received information
    /// from every node that can reach it.
    pub diameter: f64,
    /// Mean over nodes of the layers that it takes for one node to receive information from all.
    pub eccentricity: f64,
    /// Not every node was looked at.
    pub is_sampled: bool,
}

/// Incoming edges per node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Degrees {
    /// Nodes that nothing is sent to.
    pub n_without: usize,
    /// All nodes have the same number.
    pub are_equal: bool,
}

impl<'a> Statistics<'a> {
    pub fn new(dataset: &'a Dataset, model: &'a Model) -> Self {
        Self {
            dataset,
            facts: dataset.facts(),
            model,
            sizes: OnceCell::new(),
            depth: OnceCell::new(),
            has_equal_features: OnceCell::new(),
            degrees: OnceCell::new(),
            splits: OnceCell::new(),
        }
    }

    pub fn name(&self) -> &str {
        &self.facts.name
    }

    /// Nodes of each graph, ascending.
    pub fn sizes(&self) -> &[usize] {
        self.sizes.get_or_init(|| {
            let mut sizes: Vec<usize> =
                (0..self.dataset.n_graphs()).map(|graph| self.dataset.graph_nodes(graph).len()).collect();
            sizes.sort_unstable();
            sizes
        })
    }

    /// Nodes of the median graph.
    pub fn median_nodes(&self) -> usize {
        let sizes = self.sizes();
        sizes.get(sizes.len() / 2).copied().unwrap_or(0)
    }

    /// Whether every node of every graph has the same features.
    pub fn has_equal_features(&self) -> bool {
        *self.has_equal_features.get_or_init(|| match &self.dataset.features {
            Features::OneHot { columns, .. } => columns.windows(2).all(|pair| pair[0] == pair[1]),
            Features::Sparse(rows) => (1..rows.n_rows()).all(|row| rows.row(row).eq(rows.row(row - 1))),
            Features::Dense { width: 0, .. } => true,
            Features::Dense { values, width } => {
                values.chunks_exact(*width).skip(1).all(|row| row == &values[..*width])
            }
        })
    }

    pub fn degrees(&self) -> Degrees {
        *self.degrees.get_or_init(|| {
            let mut degrees = self.dataset.adjacency.offsets.windows(2).map(|pair| pair[1] - pair[0]);
            let first = degrees.clone().next().unwrap_or(0);
            Degrees {
                n_without: degrees.clone().filter(|&degree| degree == 0).count(),
                are_equal: degrees.all(|degree| degree == first),
            }
        })
    }

    /// Edges per graph, and how many graphs have none.
    pub fn n_graphs_without_edges(&self) -> usize {
        self.facts.n_graphs_without_edges
    }

    /// The splits that training would make; none where it would refuse to.
    pub fn splits(&self) -> &[Split] {
        self.splits.get_or_init(|| {
            if matches!(self.dataset.targets, Targets::None) {
                return Vec::new();
            }
            let settings = Settings::new(self.model, Overrides::default());
            protocol::splits(settings.protocol.as_ref(), self.dataset, settings.seed)
                .map_or_else(|_| Vec::new(), |(splits, _)| splits)
        })
    }

    /// Training items of each class in the first split.
    pub fn training_classes(&self) -> Vec<usize> {
        let (Targets::Classes(classes), Some(split)) = (&self.dataset.targets, self.splits().first()) else {
            return Vec::new();
        };
        let mut counts = vec![0; self.dataset.class_names.len()];
        for &item in &split.train {
            if let Ok(class) = usize::try_from(classes[item as usize]) {
                counts[class] += 1;
            }
        }
        counts
    }

    /// Graphs in the training part of each split, for tasks about graphs.
    pub fn training_sizes(&self) -> Vec<usize> {
        if self.model.task.entity != Entity::Graph {
            return Vec::new();
        }
        self.splits().iter().map(|split| split.train.len()).collect()
    }

    pub fn depth(&self) -> Depth {
        *self.depth.get_or_init(|| depth(self.dataset))
    }
}

/// Breadth-first searches against the edges, since a layer takes what comes in. Nodes to begin at are spread
/// evenly over a graph; the farthest node found by the first search is one of them, which finds the diameter of
/// trees and nearly that of most graphs (double sweep).
fn depth(dataset: &Dataset) -> Depth {
    let n_graphs = dataset.n_graphs();
    let every = n_graphs.div_ceil(MAX_GRAPHS).max(1);
    let looked_at: Vec<usize> = (0..n_graphs).step_by(every).collect();
    let share = MAX_STEPS / looked_at.len().max(1);
    let mut search = Search::default();
    let (mut diameters, mut eccentricities, mut n_nodes) = (0.0, 0.0, 0);
    let mut is_sampled = every > 1;
    for &graph in &looked_at {
        let nodes = dataset.graph_nodes(graph);
        let offsets = &dataset.adjacency.offsets;
        let n_steps = (offsets[nodes.end] - offsets[nodes.start]) as usize + nodes.len();
        let n_starts = (share / n_steps.max(1)).clamp(2, nodes.len().max(2));
        is_sampled |= n_starts < nodes.len();
        let stride = nodes.len().div_ceil(n_starts).max(1);
        let mut diameter = 0;
        let mut farthest = None;
        for start in nodes.clone().step_by(stride) {
            let (eccentricity, last) = search.run(dataset, nodes.start, nodes.len(), start);
            diameter = diameter.max(eccentricity);
            eccentricities += eccentricity as f64;
            n_nodes += 1;
            farthest.get_or_insert(last);
        }
        if let (true, Some(start)) = (stride > 1, farthest) {
            diameter = diameter.max(search.run(dataset, nodes.start, nodes.len(), start).0);
        }
        diameters += diameter as f64;
    }
    Depth {
        diameter: diameters / looked_at.len().max(1) as f64,
        eccentricity: eccentricities / n_nodes.max(1) as f64,
        is_sampled,
    }
}

/// Breadth-first search that keeps its memory.
#[derive(Debug, Default)]
struct Search {
    /// The search in which a node was last seen.
    seen: Vec<u32>,
    round: u32,
    queue: Vec<u32>,
}

impl Search {
    /// Steps from `start` to the node farthest from it, and that node.
    fn run(&mut self, dataset: &Dataset, first: usize, n_nodes: usize, start: usize) -> (usize, usize) {
        if self.seen.len() < n_nodes {
            self.seen.resize(n_nodes, 0);
        }
        self.round += 1;
        self.queue.clear();
        self.queue.push(start as u32);
        self.seen[start - first] = self.round;
        let (mut begin, mut steps) = (0, 0);
        loop {
            let end = self.queue.len();
            for at in begin..end {
                let node = self.queue[at] as usize;
                for &source in dataset.adjacency.row(node) {
                    let seen = &mut self.seen[source as usize - first];
                    if *seen != self.round {
                        *seen = self.round;
                        self.queue.push(source);
                    }
                }
            }
            if self.queue.len() == end {
                return (steps, self.queue[end - 1] as usize);
            }
            (begin, steps) = (end, steps + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::testing::{dataset, karate};

    #[test]
    fn the_karate_club_is_five_steps_wide() {
        let depth = depth(&karate());
        assert_eq!((depth.diameter, depth.is_sampled), (5.0, false));
        // The mean of the eccentricities that networkx gives.
        assert!((depth.eccentricity - 137.0 / 34.0).abs() < 1e-12, "{}", depth.eccentricity);
    }

    #[test]
    fn a_search_goes_against_the_edges_and_stays_in_its_part() {
        // 0 → 1 → 2 and 3 alone: node 2 is reached by 0 after two layers, node 0 by none.
        let data = dataset(&[(4, &[(0, 1), (1, 2)])], &[0, 0, 0, 0], &[0]);
        let depth = depth(&data);
        assert_eq!(depth.diameter, 2.0);
        assert_eq!(depth.eccentricity, 3.0 / 4.0);
    }
}
