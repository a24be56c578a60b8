//! What a kernel counts in each graph.

use super::{graphlet, shortest_path};
use crate::args::Args;
use crate::data::{Dataset, Features};
use crate::ir::Node;
use crate::kernels::{map_each, mixed, refined};
use crate::ops::Action;
use crate::ops::kernel::{GraphKernel, NodeLabels};
use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Range;

/// A graph kernel with its arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel {
    pub kind: GraphKernel,
    pub labels: NodeLabels,
    pub normalize: bool,
    /// Steps of refinement to choose from, in the order of the file; 0 alone for kernels that do not refine.
    pub depths: Vec<usize>,
}

/// The counts of some graphs at one step of a kernel: entries of a graph are sorted by their feature.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts {
    /// `[n_graphs + 1]`
    pub offsets: Vec<usize>,
    pub features: Vec<u64>,
    pub counts: Vec<u64>,
}

impl Counts {
    pub fn n_graphs(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    pub fn graph(&self, graph: usize) -> (&[u64], &[u64]) {
        let range = self.offsets[graph]..self.offsets[graph + 1];
        (&self.features[range.clone()], &self.counts[range])
    }

    /// Those of some of the graphs, in this order.
    #[must_use]
    pub fn picked(&self, graphs: &[u32]) -> Self {
        let mut picked = Self { offsets: vec![0], ..Self::default() };
        for &graph in graphs {
            let (features, counts) = self.graph(graph as usize);
            picked.push(features.iter().copied().zip(counts.iter().copied()));
        }
        picked
    }

    /// One more graph, whose entries are sorted.
    fn push(&mut self, entries: impl Iterator<Item = (u64, u64)>) {
        for (feature, count) in entries {
            self.features.push(feature);
            self.counts.push(count);
        }
        self.offsets.push(self.features.len());
    }
}

/// The nodes of one graph: what they gather along edges, and what tells them apart at first.
pub(super) struct Graph<'a> {
    dataset: &'a Dataset,
    nodes: Range<usize>,
    pub labels: Vec<u64>,
}

impl Graph<'_> {
    pub fn n_nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Sources of the edges that lead to a node, ascending; of parallel edges each.
    pub fn sources(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        let first = self.nodes.start;
        self.dataset.adjacency.row(first + node).iter().map(move |&source| source as usize - first)
    }

    /// Labels as numbers from 0, in the order of their hashes.
    pub fn ranked_labels(&self) -> (Vec<u64>, Vec<u32>) {
        let mut known = self.labels.clone();
        known.sort_unstable();
        known.dedup();
        let rank = |label: &u64| known.partition_point(|other| other < label) as u32;
        let ranks = self.labels.iter().map(rank).collect();
        (known, ranks)
    }
}

impl Kernel {
    /// The kernel of a stage; `None` where the stage is none.
    pub fn of(node: &Node) -> Option<Self> {
        let Action::Kernel(kind) = node.op.action(&node.args) else { return None };
        Some(Self::with(kind, &node.args))
    }

    fn with(kind: GraphKernel, args: &Args) -> Self {
        let refines = matches!(kind, GraphKernel::Subtree | GraphKernel::Assignment);
        Self {
            kind,
            labels: NodeLabels::named(args.choice("labels")),
            normalize: args.bool("normalize"),
            depths: if refines { args.ints("h").iter().map(|&h| h as usize).collect() } else { vec![0] },
        }
    }

    /// The most steps that are asked for.
    pub fn depth(&self) -> usize {
        self.depths.iter().copied().max().unwrap_or(0)
    }

    /// The counts of some graphs at each step, from 0 to `depth`.
    pub fn counts(&self, dataset: &Dataset, graphs: &[u32], depth: usize) -> Vec<Counts> {
        let work = |graph: u32| {
            let nodes = dataset.graph_nodes(graph as usize);
            (nodes.len() + dataset.graph_edges(graph as usize).len()) * (depth + 1) * 16
        };
        let work = graphs.iter().map(|&graph| work(graph)).sum();
        let of_graphs =
            map_each(graphs.len(), work, |idx| self.of_graph(dataset, graphs[idx] as usize, depth));
        let mut steps = vec![Counts { offsets: vec![0], ..Counts::default() }; depth + 1];
        for of_graph in of_graphs {
            for (step, entries) in steps.iter_mut().zip(of_graph) {
                step.push(entries.into_iter());
            }
        }
        steps
    }

    /// Features with their counts, ascending, at each step.
    fn of_graph(&self, dataset: &Dataset, graph: usize, depth: usize) -> Vec<Vec<(u64, u64)>> {
        let nodes = dataset.graph_nodes(graph);
        let labels = nodes.clone().map(|node| self.label(dataset, node)).collect();
        let graph = Graph { dataset, nodes, labels };
        match self.kind {
            GraphKernel::Subtree | GraphKernel::Assignment => colours(&graph, depth),
            GraphKernel::ShortestPath => vec![shortest_path::counts(&graph)],
            GraphKernel::Graphlet { k } => vec![graphlet::counts(&graph, k)],
        }
    }

    /// Nodes with a label that no other node of the data has.
    pub fn n_alone(&self, dataset: &Dataset) -> usize {
        let mut labels: Vec<u64> = (0..dataset.n_nodes()).map(|node| self.label(dataset, node)).collect();
        labels.sort_unstable();
        labels.chunk_by(|a, b| a == b).filter(|equal| equal.len() == 1).count()
    }

    fn label(&self, dataset: &Dataset, node: usize) -> u64 {
        match self.labels {
            NodeLabels::None => 0,
            NodeLabels::Degree => mixed(1, dataset.adjacency.row(node).len() as u64),
            NodeLabels::Features => row_label(&dataset.features, node),
        }
    }
}

/// A hash of a row: of its width and of what is not zero, so that a one-hot row has the same one however it is kept.
fn row_label(features: &Features, node: usize) -> u64 {
    let with =
        |hash: u64, column: usize, value: f32| mixed(mixed(hash, column as u64), u64::from(value.to_bits()));
    let first = mixed(2, features.width() as u64);
    let mut hash = first;
    features.each_of_row(node, |column, value| hash = with(hash, column as usize, value));
    hash
}

/// The colours of each step.
fn colours(graph: &Graph, depth: usize) -> Vec<Vec<(u64, u64)>> {
    let mut colours = graph.labels.clone();
    let mut near = Vec::new();
    let mut steps = vec![counted(colours.clone())];
    for step in 1..=depth {
        let next = (0..graph.n_nodes()).map(|node| {
            near.clear();
            near.extend(graph.sources(node).map(|source| colours[source]));
            refined(step, colours[node], &mut near)
        });
        colours = next.collect();
        steps.push(counted(colours.clone()));
    }
    steps
}

/// How often each value is there, by value.
fn counted(mut values: Vec<u64>) -> Vec<(u64, u64)> {
    values.sort_unstable();
    values.chunk_by(|a, b| a == b).map(|equal| (equal[0], equal.len() as u64)).collect()
}

/// Counts by the hash of their key, ascending.
pub(super) fn hashed<K: Hash + Eq>(counts: HashMap<K, u64>, hash: impl Fn(&K) -> u64) -> Vec<(u64, u64)> {
    let mut hashed: Vec<(u64, u64)> = counts.iter().map(|(key, &count)| (hash(key), count)).collect();
    hashed.sort_unstable();
    // Two keys of one hash, however improbable, are one feature.
    hashed.dedup_by(|next, kept| {
        let is_same = next.0 == kept.0;
        kept.1 += if is_same { next.1 } else { 0 };
        is_same
    });
    hashed
}
