//! What is known of the data before a model is built.

use super::{Schema, TargetKind, Task};

/// What the compiler knows of the data. Without it, sizes stay symbolic.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct DataFacts {
    /// As messages call it: `PROTEINS`, `karate()`.
    pub name: String,
    pub n_graphs: usize,
    /// Width of the node features after the reader's `features` choice; 0 where there are none.
    pub n_features: usize,
    /// Numbers of the node features that are not zero, where zeros are left out; 0 where all are written out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub n_feature_entries: usize,
    /// What they are, where they are of several kinds: `3 node labels (0, 1, 2) and 8 Laplacian eigenvectors`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub feature_columns: String,
    /// Classes, or values per target.
    pub n_outputs: usize,
    /// `None` where the data carries no labels.
    pub task: Option<Task>,
    pub class_counts: Vec<usize>,
    pub max_nodes: usize,
    pub mean_nodes: f64,
    pub total_nodes: usize,
    /// Directed entries.
    pub total_edges: usize,
    pub n_graphs_without_edges: usize,
    /// The data comes with a split into training, validation and test parts.
    #[serde(default)]
    pub has_split: bool,
    /// Its items have times, to be parted by.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_times: bool,
    /// Its items have groups that can be kept together.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_groups: bool,
    /// Columns of the edge features after the reader's `edge_features` choice; 0 where edges carry none.
    #[serde(default)]
    pub edge_features: usize,
    /// What those columns are, for messages: `4 edge labels (0, 1, 2, 3)`.
    #[serde(default)]
    pub edge_columns: String,
    /// Kinds of edges, which are the edge labels; 0 where the data names none.
    #[serde(default)]
    pub edge_kinds: usize,
    /// Whether these are relations that could have reverses of their own and have none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lacks_reverse_kinds: bool,
    /// Why the edges have no kinds, where they have labels all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_kinds: Option<NoKinds>,
    /// Directed edges that join a node to itself.
    #[serde(default)]
    pub n_loops: usize,
    /// Directed edges beyond the first between the same two nodes in the same direction.
    #[serde(default)]
    pub n_parallel_edges: usize,
    /// Directed edges without their reverse.
    #[serde(default)]
    pub n_one_way_edges: usize,
    #[serde(default)]
    pub degrees: Degrees,
    /// Links that can be predicted: an edge and its reverse are one, and so are parallel edges of one kind.
    #[serde(default)]
    pub n_links: usize,
    /// Whether a link leads from one end to the other, or joins both alike.
    #[serde(default)]
    pub has_directed_links: bool,
    /// Nodes of the first of two parts, between which all links are; 0 where the data names no parts.
    #[serde(default)]
    pub n_left: usize,
    /// Of a task on edges, how many there are to be predicted.
    #[serde(default)]
    pub n_edge_items: usize,
    /// Of a task on edges, whether an edge leads from one end to the other, or stands for its reverse too.
    #[serde(default)]
    pub has_directed_items: bool,
    /// Types of nodes and of edges; `None` where all nodes are of one type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Schema>,
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl DataFacts {
    /// How many types of nodes there are.
    pub fn n_node_types(&self) -> usize {
        self.schema.as_ref().map_or(1, |schema| schema.nodes.len())
    }

    /// The same as a task sees it that need not be the data's own: links are there wherever there are edges, and vectors are learned of
    /// any data.
    #[must_use]
    pub fn for_task(&self, task: Option<Task>) -> std::borrow::Cow<'_, Self> {
        match task {
            Some(task) if task.kind == TargetKind::Links && self.task != Some(task) && self.n_links > 0 => {
                std::borrow::Cow::Owned(Self {
                    task: Some(task),
                    n_outputs: 1,
                    class_counts: Vec::new(),
                    has_split: false,
                    has_times: false,
                    has_groups: false,
                    ..self.clone()
                })
            }
            Some(task) if task.kind == TargetKind::Embedding && self.task != Some(task) => {
                let is_of_same_items = self.task.is_some_and(|own| own.entity == task.entity);
                std::borrow::Cow::Owned(Self {
                    task: Some(task),
                    n_outputs: 0,
                    class_counts: Vec::new(),
                    has_split: self.has_split && is_of_same_items,
                    ..self.clone()
                })
            }
            _ => std::borrow::Cow::Borrowed(self),
        }
    }
}

/// Why edges with labels have no kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoKinds {
    /// Parallel edges of different labels became one.
    Merged,
    /// Their labels stand in this many columns.
    Columns(usize),
    /// Their labels are to be predicted.
    Target,
}

/// How many edges lead to the nodes of some graphs, and how many nodes these have.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Degrees {
    pub n_nodes: usize,
    /// `Σ_i d_i`
    pub sum: f64,
    /// `Σ_i ln(d_i + 1)`
    pub sum_log: f64,
    #[serde(default)]
    pub n_graphs: usize,
    /// `Σ_g ln(n_g + 1)` of the numbers of nodes `n_g`.
    #[serde(default)]
    pub sum_log_sizes: f64,
}

impl Degrees {
    /// Of nodes with these numbers of edges.
    pub fn of(degrees: impl Iterator<Item = usize>) -> Self {
        degrees.fold(Self::default(), |all, degree| Self {
            n_nodes: all.n_nodes + 1,
            sum: all.sum + degree as f64,
            sum_log: all.sum_log + (degree as f64).ln_1p(),
            ..all
        })
    }
    /// With graphs of these numbers of nodes.
    #[must_use]
    pub fn with_sizes(self, sizes: impl Iterator<Item = usize>) -> Self {
        sizes.fold(self, |all, size| Self {
            n_graphs: all.n_graphs + 1,
            sum_log_sizes: all.sum_log_sizes + (size as f64).ln_1p(),
            ..all
        })
    }
    /// `d̄`; 1 where there are no edges, so that it can be divided by.
    pub fn mean(&self) -> f64 {
        if self.sum > 0.0 { self.sum / self.n_nodes as f64 } else { 1.0 }
    }
    /// The mean number of nodes of a graph; 1 where there are none.
    pub fn mean_size(&self) -> f64 {
        if self.n_graphs * self.n_nodes > 0 { self.n_nodes as f64 / self.n_graphs as f64 } else { 1.0 }
    }
    /// The mean of `ln(n + 1)` over the graphs; 1 where there are no nodes.
    pub fn mean_log_size(&self) -> f64 {
        if self.sum_log_sizes > 0.0 { self.sum_log_sizes / self.n_graphs as f64 } else { 1.0 }
    }
    /// The mean of `ln(d + 1)`; 1 where there are no edges.
    pub fn mean_log(&self) -> f64 {
        if self.sum > 0.0 { self.sum_log / self.n_nodes as f64 } else { 1.0 }
    }
}
