//! All graphs of one data set as flat arrays, prepared once.

use super::columns::Vocabulary;
use super::features::scaling::Scale;
pub use super::rows::{Features, SparseRows};
use crate::diagnostic::count;
use crate::files::Array;
use crate::kernels::graph::{Csr, EdgeKinds};
use crate::kernels::per_graph::KeptOfGraphs;
use crate::settings::protocol::Split;
use crate::types::{DataFacts, Degrees, NoKinds, Schema, Task};
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
            lacks_reverse_kinds: self.n_own_kinds.is_some_and(|n_own| n_own == self.n_edge_kinds()),
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
