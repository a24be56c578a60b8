//! Which batches a run makes: its seed decides the shuffles, so they are known before it begins.

use crate::data::views::walks::Walks;
use crate::data::{Dataset, EdgeReads, Features};
use crate::ir::Model;
use crate::ops::loss::Contrast;
use crate::plan::trace::Graphs;
use crate::settings::negatives::k_vs_all;
use crate::train::{Feed, Settings, TrainError, Unit, contrast_of, units};
use crate::types::Entity;
use candle_core::Device;

/// The parts of every run of a protocol.
pub struct Parts {
    units: Vec<(Unit, Part, Part, Part)>,
    /// Size of one graph, and what its place in a batch takes.
    nodes: Vec<f64>,
    edges: Vec<f64>,
    is_node_task: bool,
    /// Of a task on edges, how many of them each graph has.
    edge_items: Option<Vec<f64>>,
    /// Of a task on links, pairs that are scored for each.
    pairs_a_link: Option<usize>,
    /// Whether every node is scored for each query, and no pair is drawn.
    has_queries: bool,
    /// Of a loss without targets, pairs of nodes that are compared for each node.
    pairs_a_node: Option<usize>,
    /// Batches that pass through the network in a step.
    n_passes: usize,
    is_of_vectors: bool,
}

/// Graphs of one part, ascending, and its items.
#[derive(Debug, Clone, Default)]
pub struct Part {
    pub graphs: Vec<u32>,
    pub n_items: usize,
}

impl Parts {
    /// # Errors
    /// Where the data cannot be cut as the protocol asks.
    pub fn new(model: &Model, dataset: &Dataset, settings: &Settings) -> Result<Self, TrainError> {
        let part = |items: &[u32]| Part {
            graphs: Feed::new(dataset, model.task, EdgeReads::NOTHING, items, &Device::Cpu).graphs,
            n_items: items.len(),
        };
        let asked = settings.negatives.as_ref().filter(|call| k_vs_all::is_it(call));
        let trained = |unit: &Unit| {
            let items = unit.supervised(settings);
            let feed = Feed::new(dataset, model.task, EdgeReads::NOTHING, &items, &Device::Cpu);
            match asked {
                Some(_) => Part {
                    graphs: feed.of_links(model.task, Some(&unit.split), asked).graphs,
                    n_items: items.len(),
                },
                None => part(&items),
            }
        };
        // All is learned from, and nothing is measured before the end.
        let contrast = contrast_of(model);
        let of_views = contrast.map(|_| {
            let feed = Feed::new(dataset, model.task, EdgeReads::NOTHING, &[], &Device::Cpu).of_views(model);
            Part { n_items: feed.items(&feed.graphs).len(), graphs: feed.graphs }
        });
        let units = units(settings, dataset)?
            .into_iter()
            .map(|unit| {
                let split = &unit.split;
                let parts = (trained(&unit), part(&split.validation), part(&split.test));
                match &of_views {
                    Some(all) => (unit, all.clone(), Part::default(), Part::default()),
                    None => (unit, parts.0, parts.1, parts.2),
                }
            })
            .collect();
        let offsets = &dataset.adjacency.offsets;
        let graphs = 0..dataset.n_graphs();
        Ok(Self {
            units,
            nodes: graphs.clone().map(|graph| dataset.graph_nodes(graph).len() as f64).collect(),
            edges: graphs
                .map(|graph| {
                    let nodes = dataset.graph_nodes(graph);
                    f64::from(offsets[nodes.end] - offsets[nodes.start])
                })
                .collect(),
            is_node_task: model.task.entity == Entity::Nodes,
            edge_items: dataset
                .edge_items
                .as_ref()
                .map(|items| items.offsets.windows(2).map(|range| f64::from(range[1] - range[0])).collect()),
            pairs_a_node: contrast.filter(|(what, _)| *what == Contrast::Walks).map(|(_, args)| {
                let walks = Walks::of(args);
                walks.n_pairs() * (1 + walks.negatives)
            }),
            n_passes: match contrast {
                Some((Contrast::Corruption | Contrast::Views, _)) => 2,
                _ => 1,
            },
            is_of_vectors: contrast.is_some(),
            // Of a query all nodes are scored.
            pairs_a_link: settings.negatives.as_ref().map(|call| match asked {
                Some(_) => dataset.n_nodes() - dataset.n_left,
                None => 1 + call.args.int("count") as usize,
            }),
            has_queries: asked.is_some(),
        })
    }

    pub fn n_runs(&self) -> usize {
        self.units.len()
    }

    /// Whether steps are over nodes that walks begin at.
    pub fn is_of_walks(&self) -> bool {
        self.pairs_a_node.is_some()
    }

    /// Whether steps are over queries, each with every node.
    pub fn has_queries(&self) -> bool {
        self.has_queries
    }

    /// Training, validation and test part of the first run.
    pub fn first(&self) -> [&Part; 3] {
        let (_, train, validation, test) = &self.units[0];
        [train, validation, test]
    }

    /// Every part of every run: each is measured, at the latest at the end.
    pub fn measured(&self) -> impl Iterator<Item = &Part> {
        self.units.iter().flat_map(|(_, train, validation, test)| [train, validation, test])
    }

    /// Those of the first run whose links are ranked, where links are: what was learned is not. Other runs cut parts of the same sizes.
    pub fn ranked(&self) -> impl Iterator<Item = &Part> {
        self.units.iter().take(1).flat_map(|(_, _, validation, test)| [validation, test])
    }

    /// Sizes of these graphs.
    pub fn sizes(&self, graphs: &[u32]) -> Graphs {
        if let Some(pairs) = self.pairs_a_link.or(self.pairs_a_node) {
            let sizes = around_links(&self.nodes, &self.edges, graphs.len() * pairs);
            return Graphs { queries: if self.has_queries { graphs.len() as f64 } else { 0.0 }, ..sizes };
        }
        let passes = || (0..self.n_passes).flat_map(|_| graphs);
        Graphs {
            nodes: passes().map(|&graph| self.nodes[graph as usize]).collect(),
            edges: passes().map(|&graph| self.edges[graph as usize]).collect(),
            pairs: self
                .edge_items
                .as_ref()
                .map_or(0.0, |of_graph| graphs.iter().map(|&graph| of_graph[graph as usize]).sum()),
            ..Graphs::default()
        }
    }

    /// Rows of the output that are compared with targets, where it is not all of them.
    pub fn picked(&self, part: &Part) -> Option<f64> {
        if self.pairs_a_link.is_some() || self.is_of_vectors {
            return None;
        }
        let nodes: f64 = part.graphs.iter().map(|&graph| self.nodes[graph as usize]).sum();
        (self.is_node_task && (part.n_items as f64) < nodes).then_some(part.n_items as f64)
    }

    /// Calls `f` with every batch that training makes in the first `n_epochs` of every run.
    pub fn each_batch(&self, batch_size: usize, n_epochs: usize, mut f: impl FnMut(&[u32])) {
        for (unit, train, ..) in &self.units {
            // A batch that holds the whole part is the same in every epoch.
            let n_epochs = if train.graphs.len() <= batch_size { n_epochs.min(1) } else { n_epochs };
            for epoch in 0..n_epochs {
                let order = unit.order(&train.graphs, batch_size, epoch);
                order.chunks(batch_size).for_each(&mut f);
            }
        }
    }

    /// Batches of the first epoch of the first run.
    pub fn first_epoch(&self, batch_size: usize) -> Vec<Vec<u32>> {
        let (unit, train, ..) = &self.units[0];
        let order = unit.order(&train.graphs, batch_size, 0);
        order.chunks(batch_size).map(<[u32]>::to_vec).collect()
    }

    /// The `batch_size` graphs of the data that weigh most: the largest batch that any seed can make.
    pub fn heaviest(&self, batch_size: usize, weights: &[f64]) -> Vec<u32> {
        let mut graphs: Vec<u32> = (0..weights.len() as u32).collect();
        graphs.sort_by(|&a, &b| weights[b as usize].total_cmp(&weights[a as usize]).then(a.cmp(&b)));
        graphs.truncate(batch_size);
        graphs
    }
}

/// A step over links: messages pass between all nodes, whatever links are asked about.
pub fn around_links(nodes: &[f64], edges: &[f64], n_pairs: usize) -> Graphs {
    Graphs { nodes: nodes.to_vec(), edges: edges.to_vec(), pairs: n_pairs as f64, ..Graphs::default() }
}

/// Bytes of a batch itself: features, adjacency, what its edges carry and the model reads, boundaries, targets.
pub fn batch_bytes(dataset: &Dataset, reads: EdgeReads, graphs: &Graphs) -> f64 {
    let (nodes, edges, n_graphs) = (graphs.n_nodes(), graphs.n_edges(), graphs.n_graphs());
    let adjacency = 4.0 * (nodes + 1.0) + 4.0 * edges;
    let copies = if dataset.is_symmetric() { 1.0 } else { 2.0 };
    let of_edge = if reads.features { dataset.n_edge_features() } else { 0 }
        + usize::from(reads.kinds && dataset.edge_kinds.is_some());
    let carried = 4.0 * edges * of_edge as f64;
    // Pairs are a graph of their own, with its transpose.
    let pairs = if graphs.pairs > 0.0 { 8.0 * (nodes + 1.0) + 16.0 * graphs.pairs } else { 0.0 };
    let features = match &dataset.features {
        // A column and a value for each number, and where each row begins.
        Features::Sparse(rows) if dataset.n_nodes() > 0 => {
            nodes * (4.0 + 8.0 * rows.columns.len() as f64 / dataset.n_nodes() as f64)
        }
        features => 4.0 * nodes * features.width() as f64,
    };
    features + copies * adjacency + carried + pairs + 20.0 * n_graphs
}

/// Bytes of the data set as it is held in memory.
pub fn dataset_bytes(dataset: &Dataset) -> f64 {
    let csr = |csr: &crate::kernels::graph::Csr<crate::files::Array<u32>>| {
        4 * (csr.offsets.len() + csr.indices.len())
    };
    let carried = dataset.edge_features.as_ref().map_or(0, Features::n_bytes)
        + dataset.edge_kinds.as_ref().map_or(0, |kinds| 4 * kinds.of_entry.len());
    let features = dataset.features.n_bytes();
    let edges = csr(&dataset.adjacency) + dataset.reverse.as_ref().map_or(0, csr) + carried;
    let items = 8 * dataset.n_items() + 4 * (dataset.node_offsets.len() + dataset.graph_ids.len());
    (features + edges + items) as f64
}
