//! All graphs of one data set as flat arrays, prepared once.

use crate::ir::{DataFacts, Task};

/// Graphs one after another: graph `g` has the nodes `node_offsets[g] .. node_offsets[g + 1]`.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// As messages call it.
    pub name: String,
    pub task: Option<Task>,
    /// `[n_graphs + 1]`
    pub node_offsets: Vec<u32>,
    /// Node features, row-major `[n_nodes, n_features]`.
    pub features: Vec<f32>,
    pub n_features: usize,
    /// CSR over all nodes: row `i` (a target) has the sources `sources[row_offsets[i] .. row_offsets[i + 1]]`,
    /// ascending, as indices over all nodes. `row_offsets`: `[n_nodes + 1]`.
    pub row_offsets: Vec<u32>,
    pub sources: Vec<u32>,
    /// Every edge has its reverse, so the transpose is the same structure.
    pub is_symmetric: bool,
    pub targets: Targets,
    /// Names of the classes as the files give them, by class index.
    pub class_names: Vec<String>,
    /// Fixed splits that come with the data (node classification): node indices.
    pub fixed_split: Option<Split>,
    /// SHA-256 of the content, in hex.
    pub fingerprint: String,
}

/// What is to be predicted.
#[derive(Debug, Clone)]
pub enum Targets {
    /// One class an item; -1 where there is no label.
    Classes(Vec<i64>),
    /// Row-major `[n_items, n_values]`.
    Values { values: Vec<f32>, n_values: usize },
    /// The data carries no labels: good for `predict` only.
    None,
}

/// Indices of graphs (graph tasks) or nodes (node tasks), ascending.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Split {
    pub train: Vec<u32>,
    pub validation: Vec<u32>,
    pub test: Vec<u32>,
}

impl Dataset {
    pub fn n_graphs(&self) -> usize {
        self.node_offsets.len() - 1
    }
    pub fn n_nodes(&self) -> usize {
        self.row_offsets.len() - 1
    }
    pub fn n_edges(&self) -> usize {
        self.sources.len()
    }
    pub fn graph_nodes(&self, graph: usize) -> std::ops::Range<usize> {
        self.node_offsets[graph] as usize..self.node_offsets[graph + 1] as usize
    }

    /// What the compiler needs to know.
    pub fn facts(&self) -> DataFacts {
        let n_graphs = self.n_graphs();
        let sizes = (0..n_graphs).map(|g| self.graph_nodes(g).len());
        let without_edges = (0..n_graphs).filter(|&g| {
            let nodes = self.graph_nodes(g);
            self.row_offsets[nodes.start] == self.row_offsets[nodes.end]
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
            n_features: self.n_features,
            n_outputs,
            task: self.task,
            class_counts,
            max_nodes: sizes.max().unwrap_or(0),
            mean_nodes: self.n_nodes() as f64 / n_graphs.max(1) as f64,
            total_nodes: self.n_nodes(),
            total_edges: self.n_edges(),
            n_graphs_without_edges: without_edges.count(),
        }
    }
}
