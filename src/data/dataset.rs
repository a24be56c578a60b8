//! All graphs of one data set as flat arrays, prepared once.

use super::batch::{EdgeReads, Reading};
use super::columns::Vocabulary;
use super::features::parts;
use super::features::scaling::{Scale, Scaling};
use crate::diagnostic::count;
use crate::files::Array;
use crate::kernels::graph::{Csr, EdgeKinds, NodeTypes, SparseGraph};
use crate::kernels::per_graph::KeptOfGraphs;
use crate::kernels::sparse::SparseMatrix;
use crate::rng::{below, generator};
use crate::settings::protocol::Split;
use crate::types::{DataFacts, Degrees, NoKinds, Schema, Task};
use sha2::{Digest, Sha256};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// Graphs one after another: graph `g` has the nodes `node_offsets[g] .. node_offsets[g + 1]`.
/// Made by [`Dataset::new`], which sorts the edges and computes what batches are cut from.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// As messages call it.
    pub name: String,
    pub task: Option<Task>,
    /// `[n_graphs + 1]`
    pub node_offsets: Array<u32>,
    pub features: Features,
    /// Adjacency over all nodes: row `i` is a target, its entries the sources of its incoming edges, ascending.
    pub adjacency: Csr<Array<u32>>,
    /// Rows in the order of the entries of `adjacency`; `None` where edges have no features.
    pub edge_features: Option<Features>,
    /// Of each entry of `adjacency`; `None` where the data names no kinds of edges.
    pub edge_kinds: Option<EdgeKinds<Array<u32>>>,
    /// The reverse edges; `None` where every edge has its reverse, so that the transpose is `adjacency` itself.
    pub reverse: Option<Csr<Array<u32>>>,
    pub targets: Targets,
    /// Of a task without targets, the classes that its vectors are measured by, one an item, −1 where there is none. Training reads none of
    /// them.
    pub labels: Option<Vec<i64>>,
    /// Names of the classes as the files give them, by class index.
    pub class_names: Vec<String>,
    /// Splits that come with the data (node classification): node indices.
    pub fixed_split: Option<Split>,
    /// Number of each graph as its source counts them (TU: from 1), for `predict` and messages.
    pub graph_ids: Array<u32>,
    pub vocabulary: Vocabulary,
    /// What its source calls its nodes and graphs, where it names them.
    pub names: Names,
    /// What the source found and left out.
    pub unread: Vec<Unread>,
    /// What its options did to the edges.
    pub edits: EdgeEdits,
    /// Why its edges have no kinds, where they have labels.
    pub no_kinds: Option<NoKinds>,
    /// Columns of features whose signs are drawn anew for each training batch: see [`Dataset::draw_signs`].
    pub random_signs: Vec<Range<usize>>,
    /// Columns of features are scaled by the training part: see [`Scaling`](super::features::scaling::Scaling).
    pub scales_columns: Option<Scale>,
    /// Nodes of the first of two parts, between which all edges are; 0 where the data names no parts.
    pub n_left: usize,
    /// Kinds of edges that were read; further ones are those of their reverses, which were added.
    pub n_own_kinds: Option<usize>,
    /// Types of its nodes and its relations; `None` where all nodes are of one type.
    pub types: Option<Types>,
    /// What a task on links is about; `None` for other tasks.
    pub links: Option<Arc<super::Links>>,
    /// What a task on edges is about; `None` for other tasks.
    pub edge_items: Option<Arc<super::EdgeItems>>,
    /// What its items can be parted by.
    pub parted_by: PartedBy,
    /// The folder of the model file, from which the paths of its protocol start; the current one where absent.
    pub file_folder: Option<PathBuf>,
    /// What follows from its graphs alone, found in training; nothing of it is stored.
    pub kept: KeptOfGraphs,
    /// SHA-256 of the content, in hex.
    pub fingerprint: String,
    /// The same without what edges carry: the fingerprint that versions gave which did not read it.
    pub structure_fingerprint: String,
}

/// Types of the nodes of heterogeneous data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Types {
    pub schema: Schema,
    /// Of each node, its place in the schema.
    pub of_node: Array<u32>,
}

/// Names out of files, for predictions: models see none of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Names {
    /// One a node, or empty.
    pub nodes: Vec<String>,
    /// One a graph, or empty.
    pub graphs: Vec<String>,
}

/// What the items to be predicted can be parted by, out of columns that are no features.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PartedBy {
    /// The time of each item, or empty.
    pub times: Vec<f64>,
    /// The group of each item, or empty.
    pub groups: Vec<u32>,
}

/// What a reader found; [`Dataset::new`] makes it ready for batches.
#[derive(Debug, Clone)]
pub struct DatasetParts {
    pub name: String,
    pub task: Option<Task>,
    /// `[n_graphs + 1]`
    pub node_offsets: Vec<u32>,
    /// Directed edges (source, target) as indices over all nodes, in any order. Parallel edges and self-loops stay.
    pub edges: Vec<(u32, u32)>,
    /// A row for each of `edges`, in their order.
    pub edge_features: Option<Features>,
    /// Of each of `edges`, in their order.
    pub edge_kinds: Option<EdgeKinds>,
    pub features: Features,
    pub targets: Targets,
    pub class_names: Vec<String>,
    pub fixed_split: Option<Split>,
    pub graph_ids: Vec<u32>,
    pub vocabulary: Vocabulary,
}

/// Features of nodes or edges. One-hot features are kept as column numbers: D&D's 335,000 nodes of 89 columns would
/// take 119 MB written out, and a batch writes out only its own rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Features {
    /// Row-major `[n_rows, width]`.
    Dense { values: Array<f32>, width: usize },
    /// Row `i` has a one in column `columns[i]` and zeros elsewhere.
    OneHot { columns: Array<u32>, width: usize },
    /// What is not zero: words of a text, of which each text has few. Written out, the 18,333 authors of the set
    /// Coauthor CS with their 6,805 words would take 499 MB in place of 9 MB.
    Sparse(SparseRows),
}

/// Rows of which most numbers are zero: row `i` has `values[e]` in column `columns[e]` for each `e` in
/// `offsets[i] .. offsets[i + 1]`, columns ascending, each once.
#[derive(Debug, Clone, PartialEq)]
pub struct SparseRows {
    /// `[n_rows + 1]`
    pub offsets: Array<u32>,
    pub columns: Array<u32>,
    pub values: Array<f32>,
    pub width: usize,
}

impl SparseRows {
    /// No rows yet.
    pub fn new(width: usize) -> Self {
        Self { offsets: vec![0].into(), columns: Array::default(), values: Array::default(), width }
    }

    pub fn n_rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Columns and values of a row.
    pub fn row(&self, row: usize) -> impl Iterator<Item = (u32, f32)> + '_ {
        let entries = self.offsets[row] as usize..self.offsets[row + 1] as usize;
        self.columns[entries.clone()].iter().copied().zip(self.values[entries].iter().copied())
    }

    /// Appends a row; columns ascend, and zeros are left out.
    pub fn push_row(&mut self, entries: impl Iterator<Item = (u32, f32)>) {
        let (columns, values) = (self.columns.make_mut(), self.values.make_mut());
        for (column, value) in entries.filter(|(_, value)| *value != 0.0) {
            columns.push(column);
            values.push(value);
        }
        self.offsets.make_mut().push(columns.len() as u32);
    }
}

impl Features {
    /// Columns a row; 0 where there are no features.
    pub fn width(&self) -> usize {
        match self {
            Features::Dense { width, .. } | Features::OneHot { width, .. } => *width,
            Features::Sparse(rows) => rows.width,
        }
    }

    /// Bytes in memory.
    pub fn n_bytes(&self) -> usize {
        match self {
            Features::Dense { values, .. } => 4 * values.len(),
            Features::OneHot { columns, .. } => 4 * columns.len(),
            Features::Sparse(rows) => 4 * (rows.offsets.len() + 2 * rows.columns.len()),
        }
    }

    /// Numbers that are not zero, of all rows, as far as the form shows them.
    pub fn n_stored(&self) -> usize {
        match self {
            Features::Dense { values, .. } => values.len(),
            Features::OneHot { columns, .. } => columns.len(),
            Features::Sparse(rows) => rows.columns.len(),
        }
    }

    /// Gives the columns of a row that are not zero to `each`, ascending.
    pub fn each_of_row(&self, row: usize, mut each: impl FnMut(u32, f32)) {
        match self {
            Features::Dense { values, width } => (0..)
                .zip(&values[row * width..(row + 1) * width])
                .filter(|(_, value)| **value != 0.0)
                .for_each(|(column, &value)| each(column, value)),
            Features::OneHot { columns, .. } => each(columns[row], 1.0),
            Features::Sparse(rows) => {
                rows.row(row)
                    .filter(|(_, value)| *value != 0.0)
                    .for_each(|(column, value)| each(column, value));
            }
        }
    }

    /// How many rows there are; `None` where they have no columns and cannot be counted.
    fn n_rows(&self) -> Option<usize> {
        match self {
            Features::Dense { width: 0, .. } => None,
            Features::Dense { values, width } => Some(values.len() / width),
            Features::OneHot { columns, .. } => Some(columns.len()),
            Features::Sparse(rows) => Some(rows.n_rows()),
        }
    }

    /// The rows of these numbers, in this order.
    ///
    /// # Panics
    /// Where there is no such row.
    #[must_use]
    pub fn picked(&self, rows: &[u32]) -> Self {
        match self {
            Features::Dense { values, width } => {
                let mut picked = Vec::with_capacity(rows.len() * width);
                for &row in rows {
                    picked.extend_from_slice(&values[row as usize * width..][..*width]);
                }
                Features::Dense { values: picked.into(), width: *width }
            }
            Features::OneHot { columns, width } => Features::OneHot {
                columns: rows.iter().map(|&row| columns[row as usize]).collect(),
                width: *width,
            },
            Features::Sparse(all) => {
                let mut picked = SparseRows::new(all.width);
                rows.iter().for_each(|&row| picked.push_row(all.row(row as usize)));
                Features::Sparse(picked)
            }
        }
    }

    /// Appends some rows to `out`, row-major.
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
            Features::Sparse(rows) => {
                let start = out.len();
                out.resize(start + nodes.len() * rows.width, 0.0);
                for (at, node) in nodes.enumerate() {
                    let row = &mut out[start + at * rows.width..][..rows.width];
                    rows.row(node).for_each(|(column, value)| row[column as usize] = value);
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

/// Directed edges that the options of a source dropped and added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct EdgeEdits {
    /// Edges that join a node to itself, left out.
    pub dropped_loops: usize,
    /// Parallel edges beyond the first, merged into it or left out.
    pub merged: usize,
    /// Reverses of edges that had none.
    pub added_reverses: usize,
    /// Self-loops of nodes that had none.
    pub added_loops: usize,
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

impl Targets {
    /// How many items have a row; 0 where there are no labels.
    pub fn n_rows(&self) -> usize {
        match self {
            Targets::Classes(classes) => classes.len(),
            Targets::Values { values, n_values } => values.len() / (*n_values).max(1),
            Targets::None => 0,
        }
    }
}

impl Dataset {
    /// Sorts the edges into CSR, computes the reverse edges where they differ, and the fingerprint.
    ///
    /// # Panics
    /// Where the parts contradict each other (an edge outside the nodes, features of another length): readers
    /// check what comes from files before.
    pub fn new(parts: DatasetParts) -> Self {
        Self::unfinished(parts).sealed()
    }

    /// The same without its fingerprint.
    pub(super) fn unfinished(parts: DatasetParts) -> Self {
        let n_nodes = *parts.node_offsets.last().expect("node_offsets starts with 0") as usize;
        let n_edges = parts.edges.len();
        assert_eq!(parts.features.n_rows().unwrap_or(n_nodes), n_nodes, "features for every node");
        assert_eq!(parts.graph_ids.len() + 1, parts.node_offsets.len(), "an id for every graph");
        let (mut edge_features, mut edge_kinds) = (parts.edge_features, parts.edge_kinds);
        let adjacency = if edge_features.is_none() && edge_kinds.is_none() {
            Csr::from_edges(n_nodes, &parts.edges)
        } else {
            let (adjacency, order) = Csr::from_edges_with_order(n_nodes, &parts.edges, edge_kinds.as_ref());
            edge_features = edge_features.map(|features| {
                assert_eq!(features.n_rows(), Some(n_edges), "features for every edge");
                features.picked(&order)
            });
            edge_kinds = edge_kinds.map(|EdgeKinds { of_entry, n_kinds }| EdgeKinds {
                of_entry: Arc::new(order.iter().map(|&edge| of_entry[edge as usize]).collect()),
                n_kinds,
            });
            adjacency
        };
        drop(parts.edges);
        let transpose = adjacency.transpose();
        let reverse = (transpose != adjacency).then_some(transpose);
        Self {
            name: parts.name,
            task: parts.task,
            node_offsets: parts.node_offsets.into(),
            features: parts.features,
            adjacency: adjacency.held_as(),
            edge_features,
            edge_kinds: edge_kinds.map(EdgeKinds::held_as),
            reverse: reverse.map(Csr::held_as),
            targets: parts.targets,
            labels: None,
            class_names: parts.class_names,
            fixed_split: parts.fixed_split,
            graph_ids: parts.graph_ids.into(),
            vocabulary: parts.vocabulary,
            names: Names::default(),
            unread: Vec::new(),
            edits: EdgeEdits::default(),
            no_kinds: None,
            random_signs: Vec::new(),
            scales_columns: None,
            n_left: 0,
            n_own_kinds: None,
            types: None,
            links: None,
            edge_items: None,
            parted_by: PartedBy::default(),
            file_folder: None,
            kept: KeptOfGraphs::default(),
            fingerprint: String::new(),
            structure_fingerprint: String::new(),
        }
    }

    /// With the fingerprint of what it holds.
    pub(super) fn sealed(mut self) -> Self {
        (self.fingerprint, self.structure_fingerprint) = self.hash_content();
        self
    }

    /// With types of its nodes, whose relations are the kinds of its edges.
    ///
    /// # Panics
    /// Where there is not one type for every node and one relation for every kind of edges, or an edge joins other types than its
    /// relation says: readers make them together.
    pub fn set_types(&mut self, types: Types) {
        assert_eq!(types.of_node.len(), self.n_nodes(), "a type for every node");
        assert_eq!(types.schema.relations.len(), self.n_edge_kinds(), "a relation for every kind of edges");
        if let Some(kinds) = &self.edge_kinds {
            for target in 0..self.n_nodes() {
                let entries = self.adjacency.offsets[target]..self.adjacency.offsets[target + 1];
                for (entry, &source) in entries.zip(self.adjacency.row(target)) {
                    let relation = &types.schema.relations[kinds.of_entry[entry as usize] as usize];
                    let ends = [source as usize, target].map(|node| types.of_node[node] as usize);
                    assert_eq!(ends, [relation.source, relation.target], "an edge of its relation");
                }
            }
        }
        self.types = Some(types);
        (self.fingerprint, self.structure_fingerprint) = self.hash_content();
    }

    /// Has the signs of these columns of features drawn for each training batch, of each connected part of a graph and each
    /// column by itself: eigenvectors are eigenvectors with either sign.
    pub fn draw_signs(&mut self, columns: Vec<Range<usize>>) {
        self.random_signs = columns;
    }

    pub fn n_graphs(&self) -> usize {
        self.node_offsets.len() - 1
    }
    pub fn n_nodes(&self) -> usize {
        self.adjacency.n_rows()
    }
    /// Directed edges; an undirected edge counts as two, a self-loop as one, and of parallel edges each.
    pub fn n_edges(&self) -> usize {
        self.adjacency.n_entries()
    }
    /// Edges as published sets count them: an edge and its reverse are one, a self-loop is one. Of a set in which some
    /// edge has no reverse, every directed edge.
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
        (n_directed + self.loops(nodes)) / 2
    }
    /// Edges that join a node to itself, parallel ones counted each.
    pub fn n_loops(&self) -> usize {
        self.loops(0..self.n_nodes())
    }
    fn loops(&self, nodes: Range<usize>) -> usize {
        nodes.map(|node| self.adjacency.loops_of(node)).sum()
    }
    /// Directed edges beyond the first between the same two nodes in the same direction.
    pub fn n_parallel_edges(&self) -> usize {
        let of_node = |node: usize| {
            let sources = self.adjacency.row(node);
            sources.windows(2).filter(|pair| pair[0] == pair[1]).count()
        };
        (0..self.n_nodes()).map(of_node).sum()
    }
    /// Directed edges without their reverse; of parallel edges each needs one of its own.
    pub fn n_one_way_edges(&self) -> usize {
        let Some(reverse) = &self.reverse else { return 0 };
        let of_node = |node: usize| unpaired(self.adjacency.row(node), reverse.row(node)).count();
        (0..self.n_nodes()).map(of_node).sum()
    }
    /// Columns of the edge features, 0 where there are none.
    pub fn n_edge_features(&self) -> usize {
        self.edge_features.as_ref().map_or(0, Features::width)
    }
    /// Kinds of edges, 0 where the data names none.
    pub fn n_edge_kinds(&self) -> usize {
        self.edge_kinds.as_ref().map_or(0, |kinds| kinds.n_kinds)
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
    /// The entries of `adjacency` that are edges of a graph.
    pub fn graph_edges(&self, graph: usize) -> Range<usize> {
        let nodes = self.graph_nodes(graph);
        let offsets = &self.adjacency.offsets;
        offsets[nodes.start] as usize..offsets[nodes.end] as usize
    }
    /// Graphs of a graph task, nodes of a node task, links, edges: what splits and targets count.
    pub fn n_items(&self) -> usize {
        match self.task {
            Some(Task { entity: crate::types::Entity::Nodes, .. }) => self.n_nodes(),
            Some(Task { entity: crate::types::Entity::Pairs, .. }) => {
                let of_edges = self.edge_items.as_ref().map_or(0, |items| items.len());
                self.links.as_ref().map_or(of_edges, |links| links.len())
            }
            _ => self.n_graphs(),
        }
    }

    /// The nodes of the types whose nodes have targets; all nodes where none has one, or all are of one type.
    pub fn nodes_of_target(&self) -> Vec<u32> {
        let all = || (0..self.n_nodes() as u32).collect();
        let Some(Types { schema, of_node }) = &self.types else { return all() };
        let has_target = |node: usize| match &self.targets {
            Targets::Classes(classes) => classes[node] >= 0,
            Targets::Values { values, n_values } => !values[node * n_values].is_nan(),
            Targets::None => false,
        };
        let mut is_asked = vec![false; schema.nodes.len()];
        (0..self.n_nodes())
            .filter(|&node| has_target(node))
            .for_each(|node| is_asked[of_node[node] as usize] = true);
        if !is_asked.contains(&true) {
            return all();
        }
        (0u32..).zip(of_node).filter(|(_, of)| is_asked[**of as usize]).map(|(node, _)| node).collect()
    }

    /// The class of each item for stratified splits; one class for all where targets are not classes.
    pub fn strata(&self) -> Vec<i64> {
        match (&self.targets, &self.labels) {
            (Targets::Classes(classes), _) | (_, Some(classes)) => classes.clone(),
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
            Targets::Classes(_) if self.links.is_some() => (1, Vec::new()),
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
            n_feature_entries: match &self.features {
                Features::Sparse(rows) => rows.columns.len(),
                Features::Dense { .. } | Features::OneHot { .. } => 0,
            },
            n_outputs,
            task: self.task,
            class_counts,
            max_nodes: sizes.max().unwrap_or(0),
            mean_nodes: self.n_nodes() as f64 / n_graphs.max(1) as f64,
            total_nodes: self.n_nodes(),
            total_edges: self.n_edges(),
            n_graphs_without_edges: without_edges.count(),
            has_split: self.fixed_split.is_some(),
            has_times: !self.parted_by.times.is_empty(),
            has_groups: !self.parted_by.groups.is_empty(),
            edge_features: self.n_edge_features(),
            edge_columns: match self.vocabulary.edge_columns.as_slice() {
                [] if self.n_edge_features() > 0 => count(self.n_edge_features(), "edge feature"),
                _ => self.vocabulary.edges_in_words(),
            },
            edge_kinds: self.n_edge_kinds(),
            feature_columns: match self.vocabulary.columns.len() {
                0 | 1 => String::new(),
                _ => self.vocabulary.features_in_words(),
            },
            no_kinds: self.no_kinds,
            n_loops: self.n_loops(),
            n_parallel_edges: self.n_parallel_edges(),
            n_one_way_edges: self.n_one_way_edges(),
            degrees: self.degrees(0..n_graphs as u32),
            n_links: super::links::count(self),
            has_directed_links: super::links::are_directed(self),
            n_left: self.n_left,
            n_edge_items: self.edge_items.as_ref().map_or(0, |items| items.len()),
            has_directed_items: self.edge_items.as_ref().is_some_and(|items| items.is_directed),
            schema: self.types.as_ref().map(|types| types.schema.clone()),
        }
    }

    /// How many edges lead to the nodes of these graphs, and how many nodes they have.
    pub fn degrees(&self, graphs: impl IntoIterator<Item = u32>) -> Degrees {
        let graphs: Vec<u32> = graphs.into_iter().collect();
        let nodes = graphs.iter().flat_map(|&graph| self.graph_nodes(graph as usize));
        let offsets = &self.adjacency.offsets;
        let degrees = Degrees::of(nodes.map(|node| (offsets[node + 1] - offsets[node]) as usize));
        degrees.with_sizes(graphs.iter().map(|&graph| self.graph_nodes(graph as usize).len()))
    }

    /// Whether this is the data that a run or checkpoint names, which may be of a version that did not read what edges
    /// carry.
    pub fn has_fingerprint(&self, known: &str) -> bool {
        known == self.fingerprint || known == self.structure_fingerprint
    }

    /// Everything that training reads goes in, each array with its length, so no two contents read alike. The fingerprint
    /// and that without what edges carry.
    fn hash_content(&self) -> (String, String) {
        let mut hash = Hasher::new();
        hash.words(&self.node_offsets);
        hash.words(&self.adjacency.offsets);
        hash.words(&self.adjacency.indices);
        hash.features(&self.features);
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
        if let Some(Types { schema, of_node }) = &self.types {
            hash.0.update(b"types of nodes");
            hash.words(of_node);
            let names =
                schema.nodes.iter().map(|of| &of.name).chain(schema.relations.iter().map(|of| &of.name));
            for name in names {
                hash.numbers(&[name.len() as u64]);
                hash.0.update(name.as_bytes());
            }
        }
        // What edges carry comes last and with marks of its own, so that data without it reads as it always did.
        let structure = hex(&hash.0.clone().finalize());
        if let Some(features) = &self.edge_features {
            hash.0.update(b"edge features");
            hash.features(features);
        }
        if let Some(kinds) = &self.edge_kinds {
            hash.0.update(b"edge kinds");
            hash.numbers(&[kinds.n_kinds as u64]);
            hash.words(&kinds.of_entry);
        }
        if let Some(items) = &self.edge_items {
            hash.0.update(b"edge items");
            items.entries.iter().for_each(|entries| hash.words(entries));
        }
        (hex(&hash.0.finalize()), structure)
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
    fn features(&mut self, features: &Features) {
        match features {
            Features::Dense { values, width } => {
                self.numbers(&[0, *width as u64]);
                self.floats(values);
            }
            Features::OneHot { columns, width } => {
                self.numbers(&[1, *width as u64]);
                self.words(columns);
            }
            Features::Sparse(rows) => {
                self.numbers(&[2, rows.width as u64]);
                self.words(&rows.offsets);
                self.words(&rows.columns);
                self.floats(&rows.values);
            }
        }
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

/// The places in `sources`, from which edges lead to a node, of the edges without their reverse, where `targets` are the
/// nodes that the node's own edges lead to. Both ascend, and of parallel edges the first are paired first.
pub(super) fn unpaired(sources: &[u32], targets: &[u32]) -> impl Iterator<Item = usize> {
    let mut next = 0;
    (0..sources.len()).filter(move |&place| {
        let source = sources[place];
        while targets.get(next).is_some_and(|&target| target < source) {
            next += 1;
        }
        let is_paired = targets.get(next) == Some(&source);
        next += usize::from(is_paired);
        !is_paired
    })
}

/// The share of a graph set that a batch is made of, ready to be sent to a device.
impl Dataset {
    /// Copies the graphs in the order given into one disjoint union: features as they are, edges with their
    /// node numbers moved and all that they carry. The transpose is the same array where the graphs are symmetric and
    /// copied from the data set's own otherwise, so nothing is sorted per batch.
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
        self.batch_for(EdgeReads::ALL, graphs, dtype, device)
    }

    /// [`Dataset::batch`] with what a model reads of its edges and nothing else.
    ///
    /// # Errors
    /// Where Candle cannot allocate on `device`.
    ///
    /// # Panics
    /// Where a graph index is not below [`Dataset::n_graphs`].
    pub fn batch_for(
        &self,
        reads: EdgeReads,
        graphs: &[u32],
        dtype: candle_core::DType,
        device: &candle_core::Device,
    ) -> candle_core::Result<super::GraphBatch> {
        self.batch_with(&Reading::of(reads), graphs, dtype, device)
    }

    /// [`Dataset::batch_for`] with features as a run reads them: scaled by its training part, with signs drawn.
    ///
    /// # Errors
    /// Where Candle cannot allocate on `device`.
    ///
    /// # Panics
    /// Where a graph index is not below [`Dataset::n_graphs`].
    pub fn batch_with(
        &self,
        &Reading { edges: reads, scaling, sign_seed }: &Reading,
        graphs: &[u32],
        dtype: candle_core::DType,
        device: &candle_core::Device,
    ) -> candle_core::Result<super::GraphBatch> {
        let mut graph = self.union(graphs);
        let n_nodes = graph.n_nodes();
        let is_plain = scaling.is_none() && sign_seed.is_none() && device.is_cpu();
        let (x, sparse) = match &self.features {
            Features::Sparse(rows) if is_plain => {
                let matrix = self.sparse_union(rows, graphs);
                (matrix.stand_in(dtype)?, Some(matrix))
            }
            features => {
                let mut rows = Vec::with_capacity(n_nodes * self.n_features());
                for &g in graphs {
                    features.write_rows(self.graph_nodes(g as usize), &mut rows);
                }
                if let Some(seed) = sign_seed {
                    self.flip(&mut rows, graphs, seed);
                }
                if let Some(scaling) = scaling {
                    scaling.apply(&mut rows);
                }
                let shape = (n_nodes, self.n_features());
                (candle_core::Tensor::from_vec(rows, shape, device)?.to_dtype(dtype)?, None)
            }
        };
        let mut edge_x = None;
        if let Some(features) = self.edge_features.as_ref().filter(|_| reads.features) {
            let shape = (graph.n_edges(), features.width());
            let mut rows = Vec::with_capacity(shape.0 * shape.1);
            graphs.iter().for_each(|&g| features.write_rows(self.graph_edges(g as usize), &mut rows));
            edge_x = Some(candle_core::Tensor::from_vec(rows, shape, device)?.to_dtype(dtype)?);
        }
        if let Some(kinds) = self.edge_kinds.as_ref().filter(|_| reads.kinds) {
            let mut of_entry = Vec::with_capacity(graph.n_edges());
            for &g in graphs {
                of_entry.extend_from_slice(&kinds.of_entry[self.graph_edges(g as usize)]);
            }
            let of_entry = Arc::new(of_entry);
            graph = graph.with_kinds(Some(EdgeKinds { of_entry, n_kinds: kinds.n_kinds }));
        }
        let graph = Arc::new(graph.with_types(self.types_of(graphs)));
        Ok(super::GraphBatch {
            graphs: graphs.to_vec(),
            x,
            sparse,
            constants: None,
            edge_x,
            graph,
            pairs: None,
            pair_edges: None,
        })
    }

    /// The types of the nodes of these graphs.
    fn types_of(&self, graphs: &[u32]) -> Option<NodeTypes> {
        let Types { schema, of_node } = self.types.as_ref()?;
        let nodes = graphs.iter().flat_map(|&graph| &of_node[self.graph_nodes(graph as usize)]);
        let ends = schema.relations.iter().map(|relation| [relation.source as u32, relation.target as u32]);
        Some(NodeTypes {
            of_node: Arc::new(nodes.copied().collect()),
            n_types: schema.nodes.len(),
            relations: Arc::new(ends.collect()),
        })
    }

    /// The features of these graphs, without their zeros.
    fn sparse_union(&self, rows: &SparseRows, graphs: &[u32]) -> SparseMatrix {
        let (mut offsets, mut indices, mut values) = (vec![0u32], Vec::new(), Vec::new());
        for &g in graphs {
            let nodes = self.graph_nodes(g as usize);
            let entries = rows.offsets[nodes.start] as usize..rows.offsets[nodes.end] as usize;
            let moved = offsets[offsets.len() - 1];
            let ends = &rows.offsets[nodes.start + 1..=nodes.end];
            offsets.extend(ends.iter().map(|&end| end - entries.start as u32 + moved));
            indices.extend_from_slice(&rows.columns[entries.clone()]);
            values.extend_from_slice(&rows.values[entries]);
        }
        SparseMatrix::new(Csr { offsets, indices, n_cols: rows.width }, values)
    }

    /// Draws the signs of [`Dataset::random_signs`] in the rows of these graphs.
    fn flip(&self, rows: &mut [f32], graphs: &[u32], seed: u64) {
        let width = self.n_features();
        let mut rng = generator(seed, 0);
        let mut row = 0;
        for &g in graphs {
            let nodes = self.graph_nodes(g as usize);
            let (part_of, n_parts) = parts::of_graph(&nodes, &self.adjacency, self.reverse.as_ref());
            for columns in &self.random_signs {
                let n_drawn = n_parts * columns.len();
                let is_flipped: Vec<bool> = (0..n_drawn).map(|_| below(&mut rng, 2) == 1).collect();
                for (at, &part) in part_of.iter().enumerate() {
                    let values = &mut rows[(row + at) * width..][columns.clone()];
                    let drawn = &is_flipped[part as usize * columns.len()..];
                    values.iter_mut().zip(drawn).filter(|(_, flipped)| **flipped).for_each(|(v, _)| *v = -*v);
                }
            }
            row += nodes.len();
        }
    }

    /// The structure alone, without what edges carry: see [`Dataset::batch`].
    pub fn union(&self, graphs: &[u32]) -> SparseGraph {
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
        let union = SparseGraph::new(adjacency, transpose, Arc::new(graph_offsets));
        SparseGraph { of_data: Some(self.kept.of(graphs)), ..union }
    }

    fn union_of(&self, csr: &Csr<Array<u32>>, graphs: &[u32], n_nodes: usize) -> Csr {
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
        self.scaled_targets(items, None, dtype, device)
    }

    /// The same with values scaled.
    ///
    /// # Errors
    /// Where Candle cannot allocate on `device`.
    pub fn scaled_targets(
        &self,
        items: &[u32],
        scaling: Option<&Scaling>,
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
                let mut picked: Vec<f32> = items
                    .iter()
                    .flat_map(|&item| &values[item as usize * n_values..][..*n_values])
                    .copied()
                    .collect();
                if let Some(scaling) = scaling {
                    scaling.apply(&mut picked);
                }
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
