//! All graphs of one data set as flat arrays, prepared once.

use super::batch::Csr;
use super::columns::Vocabulary;
use crate::ir::{DataFacts, Task};
use sha2::{Digest, Sha256};
use std::ops::Range;
use std::sync::Arc;

/// Graphs one after another: graph `g` has the nodes `node_offsets[g] .. node_offsets[g + 1]`.
/// Made by [`Dataset::new`], which sorts the edges and computes what batches are cut from.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// As messages call it.
    pub name: String,
    pub task: Option<Task>,
    /// `[n_graphs + 1]`
    pub node_offsets: Vec<u32>,
    pub features: Features,
    /// Adjacency over all nodes: row `i` is a target, its entries the sources of its incoming edges, ascending.
    pub adjacency: Csr,
    /// The reverse edges; `None` where every edge has its reverse, so that the transpose is `adjacency` itself.
    pub reverse: Option<Csr>,
    pub targets: Targets,
    /// Names of the classes as the files give them, by class index.
    pub class_names: Vec<String>,
    /// Splits that come with the data (node classification): node indices.
    pub fixed_split: Option<Split>,
    /// Number of each graph as its source counts them (TU: from 1), for `predict` and messages.
    pub graph_ids: Vec<u32>,
    pub vocabulary: Vocabulary,
    /// What the source found and left out.
    pub unread: Vec<Unread>,
    pub dropped: DroppedEdges,
    /// SHA-256 of the content, in hex.
    pub fingerprint: String,
}

/// What a reader found; [`Dataset::new`] makes it ready for batches.
#[derive(Debug, Clone)]
pub struct DatasetParts {
    pub name: String,
    pub task: Option<Task>,
    /// `[n_graphs + 1]`
    pub node_offsets: Vec<u32>,
    /// Directed edges (source, target) as indices over all nodes, in any order; duplicates are dropped.
    pub edges: Vec<(u32, u32)>,
    pub features: Features,
    pub targets: Targets,
    pub class_names: Vec<String>,
    pub fixed_split: Option<Split>,
    pub graph_ids: Vec<u32>,
    pub vocabulary: Vocabulary,
}

/// Node features. One-hot features are kept as column numbers: D&D's 335,000 nodes of 89 columns would take
/// 119 MB written out, and a batch writes out only its own rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Features {
    /// Row-major `[n_nodes, width]`.
    Dense { values: Vec<f32>, width: usize },
    /// Node `i` has a one in column `columns[i]` and zeros elsewhere.
    OneHot { columns: Vec<u32>, width: usize },
}

impl Features {
    /// Columns a node; 0 where there are no features.
    pub fn width(&self) -> usize {
        match self {
            Features::Dense { width, .. } | Features::OneHot { width, .. } => *width,
        }
    }

    /// Appends the rows of `nodes` to `out`, row-major.
    pub fn write_rows(&self, nodes: Range<usize>, out: &mut Vec<f32>) {
        match self {
            Features::Dense { values, width } => {
                out.extend_from_slice(&values[nodes.start * width..nodes.end * width]);
            }
            Features::OneHot { columns, width } => {
                let start = out.len();
                out.resize(start + nodes.len() * width, 0.0);
                for (row, &column) in columns[nodes].iter().enumerate() {
                    out[start + row * width + column as usize] = 1.0;
                }
            }
        }
    }
}

/// What the data carries but a model never sees, named so that it is not dropped silently.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Unread {
    /// What it is: `edge labels`, `node attributes`.
    pub what: String,
    /// The file that holds it.
    pub file: String,
    /// Values a line; `None` where the file is not made of numbers.
    pub n_columns: Option<usize>,
    /// No setting of the source reads it; else the setting that does: `features = both`.
    pub setting: Option<&'static str>,
}

/// Lines of edges that are no edge of the graph.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct DroppedEdges {
    /// Lines that join a node to itself.
    pub self_loops: usize,
    /// Lines that repeat an earlier one (source and target the same).
    pub repeated: usize,
}

/// What is to be predicted.
#[derive(Debug, Clone, PartialEq)]
pub enum Targets {
    /// One class an item; -1 where there is no label.
    Classes(Vec<i64>),
    /// Row-major `[n_items, n_values]`.
    Values { values: Vec<f32>, n_values: usize },
    /// The data carries no labels: good for `predict` only.
    None,
}

/// Indices of graphs (graph tasks) or nodes (node tasks), ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Split {
    pub train: Vec<u32>,
    pub validation: Vec<u32>,
    pub test: Vec<u32>,
}

impl Split {
    /// Whether the split can be of a data set whose items have these classes ([`Dataset::strata`]).
    ///
    /// # Errors
    /// What is wrong with it: an item that the data does not have, that has no label, or that stands twice.
    pub fn check(&self, strata: &[i64]) -> Result<(), String> {
        let mut is_taken = vec![false; strata.len()];
        let parts = [("training", &self.train), ("validation", &self.validation), ("test", &self.test)];
        for (part, items) in parts {
            for &item in items {
                let what = format!("item {item} of the {part} part");
                match (strata.get(item as usize), is_taken.get_mut(item as usize)) {
                    (Some(&class), Some(is_taken)) => {
                        if class < 0 {
                            return Err(format!("{what} has no label"));
                        }
                        if std::mem::replace(is_taken, true) {
                            return Err(format!("{what} occurs twice in it"));
                        }
                    }
                    _ => {
                        let n_items = super::error::count(strata.len(), "item");
                        return Err(format!("{what} does not exist: the data has {n_items}"));
                    }
                }
            }
        }
        Ok(())
    }
}

impl Dataset {
    /// Sorts the edges into CSR, drops duplicates, computes the reverse edges where they differ, and the fingerprint.
    ///
    /// # Panics
    /// Where the parts contradict each other (an edge outside the nodes, features of another length): readers
    /// check what comes from files before.
    pub fn new(parts: DatasetParts) -> Self {
        let n_nodes = *parts.node_offsets.last().expect("node_offsets starts with 0") as usize;
        let n_rows = match &parts.features {
            Features::Dense { width: 0, .. } => n_nodes,
            Features::Dense { values, width } => values.len() / width,
            Features::OneHot { columns, .. } => columns.len(),
        };
        assert_eq!(n_rows, n_nodes, "features for every node");
        assert_eq!(parts.graph_ids.len() + 1, parts.node_offsets.len(), "an id for every graph");
        let adjacency = Csr::from_edges(n_nodes, &parts.edges);
        let dropped = DroppedEdges { self_loops: 0, repeated: parts.edges.len() - adjacency.n_entries() };
        drop(parts.edges);
        let transpose = adjacency.transpose();
        let reverse = (transpose != adjacency).then_some(transpose);
        let mut dataset = Self {
            name: parts.name,
            task: parts.task,
            node_offsets: parts.node_offsets,
            features: parts.features,
            adjacency,
            reverse,
            targets: parts.targets,
            class_names: parts.class_names,
            fixed_split: parts.fixed_split,
            graph_ids: parts.graph_ids,
            vocabulary: parts.vocabulary,
            unread: Vec::new(),
            dropped,
            fingerprint: String::new(),
        };
        dataset.fingerprint = dataset.hash_content();
        dataset
    }

    pub fn n_graphs(&self) -> usize {
        self.node_offsets.len() - 1
    }
    pub fn n_nodes(&self) -> usize {
        self.adjacency.n_rows()
    }
    /// Directed edges; an undirected edge counts as two.
    pub fn n_edges(&self) -> usize {
        self.adjacency.n_entries()
    }
    /// Edges as published sets count them: an edge and its reverse are one. Of a set in which some edge has no
    /// reverse, every directed edge.
    pub fn n_published_edges(&self) -> usize {
        self.published_edges(0..self.n_nodes())
    }
    /// The same of the edges into some nodes, those of one or more whole graphs.
    pub fn published_edges(&self, nodes: Range<usize>) -> usize {
        let offsets = &self.adjacency.offsets;
        let n_directed = (offsets[nodes.end] - offsets[nodes.start]) as usize;
        if !self.is_symmetric() {
            return n_directed;
        }
        let n_self_loops = nodes.filter(|&node| self.adjacency.row(node).contains(&(node as u32))).count();
        (n_directed + n_self_loops) / 2
    }
    /// Directed edges whose reverse is no edge.
    pub fn n_one_way_edges(&self) -> usize {
        let Some(reverse) = &self.reverse else { return 0 };
        let of_node = |node: usize| {
            let back = reverse.row(node);
            self.adjacency.row(node).iter().filter(|&&source| back.binary_search(&source).is_err()).count()
        };
        (0..self.n_nodes()).map(of_node).sum()
    }
    pub fn n_features(&self) -> usize {
        self.features.width()
    }
    pub fn is_symmetric(&self) -> bool {
        self.reverse.is_none()
    }
    pub fn graph_nodes(&self, graph: usize) -> Range<usize> {
        self.node_offsets[graph] as usize..self.node_offsets[graph + 1] as usize
    }
    /// Graphs of a graph task, nodes of a node task: what splits and targets count.
    pub fn n_items(&self) -> usize {
        match self.task {
            Some(Task { entity: crate::ir::Entity::Nodes, .. }) => self.n_nodes(),
            _ => self.n_graphs(),
        }
    }

    /// The class of each item for stratified splits; one class for all where targets are not classes.
    pub fn strata(&self) -> Vec<i64> {
        match &self.targets {
            Targets::Classes(classes) => classes.clone(),
            _ => vec![0; self.n_items()],
        }
    }

    /// What the compiler needs to know.
    pub fn facts(&self) -> DataFacts {
        let n_graphs = self.n_graphs();
        let sizes = (0..n_graphs).map(|g| self.graph_nodes(g).len());
        let offsets = &self.adjacency.offsets;
        let without_edges = (0..n_graphs).filter(|&g| {
            let nodes = self.graph_nodes(g);
            offsets[nodes.start] == offsets[nodes.end]
        });
        let (n_outputs, class_counts) = match &self.targets {
            Targets::Classes(classes) => {
                let mut counts = vec![0; self.class_names.len()];
                classes.iter().filter(|&&class| class >= 0).for_each(|&class| counts[class as usize] += 1);
                (self.class_names.len(), counts)
            }
            Targets::Values { n_values, .. } => (*n_values, Vec::new()),
            Targets::None => (0, Vec::new()),
        };
        DataFacts {
            name: self.name.clone(),
            n_graphs,
            n_features: self.n_features(),
            n_outputs,
            task: self.task,
            class_counts,
            max_nodes: sizes.max().unwrap_or(0),
            mean_nodes: self.n_nodes() as f64 / n_graphs.max(1) as f64,
            total_nodes: self.n_nodes(),
            total_edges: self.n_edges(),
            n_graphs_without_edges: without_edges.count(),
            has_split: self.fixed_split.is_some(),
        }
    }

    /// Everything that training reads goes in, each array with its length, so no two contents read alike.
    fn hash_content(&self) -> String {
        let mut hash = Hasher::new();
        hash.words(&self.node_offsets);
        hash.words(&self.adjacency.offsets);
        hash.words(&self.adjacency.indices);
        match &self.features {
            Features::Dense { values, width } => {
                hash.numbers(&[0, *width as u64]);
                hash.floats(values);
            }
            Features::OneHot { columns, width } => {
                hash.numbers(&[1, *width as u64]);
                hash.words(columns);
            }
        }
        match &self.targets {
            Targets::Classes(classes) => {
                hash.numbers(&[0]);
                hash.numbers(&classes.iter().map(|&class| class as u64).collect::<Vec<_>>());
            }
            Targets::Values { values, n_values } => {
                hash.numbers(&[1, *n_values as u64]);
                hash.floats(values);
            }
            Targets::None => hash.numbers(&[2]),
        }
        for name in &self.class_names {
            hash.numbers(&[name.len() as u64]);
            hash.0.update(name.as_bytes());
        }
        if let Some(split) = &self.fixed_split {
            hash.words(&split.train);
            hash.words(&split.validation);
            hash.words(&split.test);
        }
        hex(&hash.0.finalize())
    }
}

/// Numbers as little-endian bytes, through a buffer because SHA-256 is slow on calls of four bytes.
struct Hasher(Sha256);

impl Hasher {
    fn new() -> Self {
        Self(Sha256::new_with_prefix("hgnn data 1"))
    }
    fn blocks<T: Copy, const N: usize>(&mut self, values: &[T], to_bytes: impl Fn(T) -> [u8; N]) {
        self.0.update((values.len() as u64).to_le_bytes());
        let mut buffer = Vec::with_capacity(4096 * N);
        for block in values.chunks(4096) {
            buffer.clear();
            block.iter().for_each(|&value| buffer.extend_from_slice(&to_bytes(value)));
            self.0.update(&buffer);
        }
    }
    fn words(&mut self, values: &[u32]) {
        self.blocks(values, u32::to_le_bytes);
    }
    fn numbers(&mut self, values: &[u64]) {
        self.blocks(values, u64::to_le_bytes);
    }
    fn floats(&mut self, values: &[f32]) {
        self.blocks(values, |value| value.to_bits().to_le_bytes());
    }
}

/// Bytes in hex, as `sha256sum` prints them.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The share of a graph set that a batch is made of, ready to be sent to a device.
impl Dataset {
    /// Copies the graphs in the order given into one disjoint union: features as they are, edges with their
    /// node numbers moved. The transpose is the same array where the graphs are symmetric and copied from the
    /// data set's own otherwise, so nothing is sorted per batch.
    ///
    /// # Errors
    /// Where Candle cannot allocate on `device`.
    ///
    /// # Panics
    /// Where a graph index is not below [`Dataset::n_graphs`].
    pub fn batch(
        &self,
        graphs: &[u32],
        dtype: candle_core::DType,
        device: &candle_core::Device,
    ) -> candle_core::Result<super::GraphBatch> {
        let graph = Arc::new(self.union(graphs));
        let n_nodes = graph.n_nodes();
        let mut rows = Vec::with_capacity(n_nodes * self.n_features());
        for &g in graphs {
            self.features.write_rows(self.graph_nodes(g as usize), &mut rows);
        }
        let x = candle_core::Tensor::from_vec(rows, (n_nodes, self.n_features()), device)?.to_dtype(dtype)?;
        Ok(super::GraphBatch { graphs: graphs.to_vec(), x, graph })
    }

    /// The structure alone: see [`Dataset::batch`].
    pub fn union(&self, graphs: &[u32]) -> super::batch::SparseGraph {
        let mut graph_offsets = Vec::with_capacity(graphs.len() + 1);
        graph_offsets.push(0u32);
        let mut n_nodes = 0;
        for &g in graphs {
            n_nodes += self.graph_nodes(g as usize).len() as u32;
            graph_offsets.push(n_nodes);
        }
        let adjacency = Arc::new(self.union_of(&self.adjacency, graphs, n_nodes as usize));
        let transpose = match &self.reverse {
            None => Arc::clone(&adjacency),
            Some(reverse) => Arc::new(self.union_of(reverse, graphs, n_nodes as usize)),
        };
        super::batch::SparseGraph::new(adjacency, transpose, Arc::new(graph_offsets))
    }

    fn union_of(&self, csr: &Csr, graphs: &[u32], n_nodes: usize) -> Csr {
        let entries =
            |nodes: &Range<usize>| csr.offsets[nodes.start] as usize..csr.offsets[nodes.end] as usize;
        let n_entries = graphs.iter().map(|&g| entries(&self.graph_nodes(g as usize)).len()).sum();
        let mut offsets = Vec::with_capacity(n_nodes + 1);
        let mut indices = Vec::with_capacity(n_entries);
        offsets.push(0u32);
        for &g in graphs {
            let nodes = self.graph_nodes(g as usize);
            let node_base = (offsets.len() - 1) as u32;
            let entry_base = indices.len() as u32;
            let (first_node, first_entry) = (nodes.start as u32, csr.offsets[nodes.start]);
            // Every index of the graph is at least `first_node`, so the difference cannot wrap.
            indices.extend(csr.indices[entries(&nodes)].iter().map(|&col| col - first_node + node_base));
            offsets.extend(
                csr.offsets[nodes.start + 1..=nodes.end]
                    .iter()
                    .map(|&offset| offset - first_entry + entry_base),
            );
        }
        Csr { offsets, indices, n_cols: n_nodes }
    }

    /// The targets of some items as a tensor: classes as `i64` `[n]`, values in `dtype` `[n, n_values]`;
    /// `None` where the data carries no labels.
    ///
    /// # Errors
    /// Where Candle cannot allocate on `device`.
    pub fn target_tensor(
        &self,
        items: &[u32],
        dtype: candle_core::DType,
        device: &candle_core::Device,
    ) -> candle_core::Result<Option<candle_core::Tensor>> {
        use candle_core::Tensor;
        match &self.targets {
            Targets::Classes(classes) => {
                let picked: Vec<i64> = items.iter().map(|&item| classes[item as usize]).collect();
                Tensor::from_vec(picked, items.len(), device).map(Some)
            }
            Targets::Values { values, n_values } => {
                let picked: Vec<f32> = items
                    .iter()
                    .flat_map(|&item| &values[item as usize * n_values..][..*n_values])
                    .copied()
                    .collect();
                Tensor::from_vec(picked, (items.len(), *n_values), device)?.to_dtype(dtype).map(Some)
            }
            Targets::None => Ok(None),
        }
    }

    /// The classes of all items with -1 for those not in `items`: a node task computes its loss over these
    /// while the whole graph passes through the network.
    ///
    /// # Panics
    /// Where targets are not classes.
    pub fn masked_classes(&self, items: &[u32]) -> Vec<i64> {
        let Targets::Classes(classes) = &self.targets else { panic!("targets are not classes") };
        let mut masked = vec![-1; classes.len()];
        items.iter().for_each(|&item| masked[item as usize] = classes[item as usize]);
        masked
    }
}
