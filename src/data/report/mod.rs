//! What one wants to know of a data set before a model is made for it, beyond its counts: how far nodes lie apart, what the
//! columns hold, whether neighbours are alike, which graphs are copies of each other.

pub(super) mod copies;
mod diameter;
mod homophily;
pub mod page;

use super::columns::Columns;
use super::dataset::{Dataset, Features};
use super::{DataOptions, cache};
use crate::args::BoundCall;
use serde::{Deserialize, Serialize};

pub use copies::Copies;
pub use diameter::Diameter;
pub use homophily::Homophily;

/// Columns that are described one by one.
const MAX_COLUMNS: usize = 2_000;

/// The figures of `hgnnc data` that take more than one look at the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub diameter: Diameter,
    /// Columns of the node features, the first of many.
    pub feature_columns: Vec<ColumnFacts>,
    /// Columns of the edge features.
    pub edge_feature_columns: Vec<ColumnFacts>,
    /// Of classes of nodes.
    pub homophily: Option<Homophily>,
    /// Of sets of several graphs.
    pub copies: Option<Copies>,
    /// Of sets of several graphs: the one with most nodes.
    pub largest: Option<Largest>,
}

/// One column of features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnFacts {
    /// What the data calls it, else its place from 1.
    pub name: String,
    pub min: f64,
    pub mean: f64,
    pub max: f64,
    /// Share of the rows that are not zero.
    pub share_nonzero: f64,
}

/// The graph with most nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Largest {
    /// Its number as its source counts, and its name where it has one.
    pub id: u32,
    pub name: Option<String>,
    pub n_nodes: usize,
    /// Directed edges.
    pub n_edges: usize,
}

impl Report {
    /// Of the set that a call has made: the figures of a large one are kept with it, and computed once.
    pub fn of_call(call: &BoundCall, options: &DataOptions, data: &Dataset) -> Self {
        cache::Entry::of(call, options)
            .map_or_else(|| Self::of(data), |entry| entry.report(data, || Self::of(data)))
    }

    pub fn of(data: &Dataset) -> Self {
        let largest = (0..data.n_graphs()).rev().max_by_key(|&graph| data.graph_nodes(graph).len());
        Self {
            diameter: Diameter::of(data),
            feature_columns: columns(&data.features, data.n_nodes(), &data.vocabulary.columns),
            edge_feature_columns: data.edge_features.as_ref().map_or_else(Vec::new, |features| {
                columns(features, data.n_edges(), &data.vocabulary.edge_columns)
            }),
            homophily: Homophily::of(data),
            copies: (data.n_graphs() > 1).then(|| Copies::of(data)),
            largest: largest.filter(|_| data.n_graphs() > 1).map(|graph| Largest {
                id: data.graph_ids[graph],
                name: data.names.graphs.get(graph).cloned(),
                n_nodes: data.graph_nodes(graph).len(),
                n_edges: data.graph_edges(graph).len(),
            }),
        }
    }
}

impl Report {
    /// The figures in words, each with what it is called.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = Vec::new();
        let Diameter { largest, mean, is_exact, n_disconnected, .. } = self.diameter;
        let at_least = if is_exact { "" } else { "at least " };
        let how = if is_exact { "" } else { ", estimated from a few nodes" };
        let parts = match n_disconnected {
            0 => String::new(),
            1 => "; 1 graph is of several parts".to_owned(),
            n => format!("; {n} graphs are of several parts"),
        };
        lines.push((
            "diameter",
            match self.largest {
                Some(_) => format!("{at_least}{largest}, {mean:.1} on average{how}{parts}"),
                None => format!(
                    "{at_least}{largest}{how}{}",
                    if n_disconnected > 0 { "; the graph is of several parts" } else { "" }
                ),
            },
        ));
        if let Some(Homophily { edge, class_adjusted, .. }) = self.homophily {
            lines.push((
                "homophily",
                format!("{:.1} % of the edges join nodes of one class; {class_adjusted:.3} with classes counted alike (Lim et al. 2021)", 100.0 * edge),
            ));
        }
        if let Some(Largest { id, name, n_nodes, n_edges }) = &self.largest {
            let name = name.as_ref().map_or_else(
                || id.to_string(),
                |name| format!("{id}, {}", super::columns::names_in_words(std::slice::from_ref(name))),
            );
            lines.push(("largest graph", format!("{name}: {n_nodes} nodes, {n_edges} directed edges")));
        }
        if let Some(copies) = self.copies.as_ref().filter(|copies| copies.n_graphs > 0) {
            let how = if copies.is_exact { "" } else { " (some by colour refinement alone)" };
            let mut text =
                format!("{} graphs have a copy{how}, in {} groups", copies.n_graphs, copies.n_groups);
            if copies.n_contradictions > 0 {
                text += &format!(", {} of them with different targets", copies.n_contradictions);
            }
            if copies.n_test > 0.0 {
                let of = if copies.is_own_split { "the data's own split" } else { "k_fold(10)" };
                text += &format!(
                    "; of {:.0} test graphs of {of}, {:.1} have one in training",
                    copies.n_test, copies.in_test_and_training
                );
            }
            lines.push(("copies", text));
        }
        lines
    }
}

/// Each column in numbers.
fn columns(features: &Features, n_rows: usize, blocks: &[Columns]) -> Vec<ColumnFacts> {
    let width = features.width();
    let n_shown = width.min(MAX_COLUMNS);
    if n_rows == 0 {
        return Vec::new();
    }
    let (mut min, mut max) = (vec![f64::INFINITY; n_shown], vec![f64::NEG_INFINITY; n_shown]);
    let (mut sum, mut n_nonzero) = (vec![0f64; n_shown], vec![0usize; n_shown]);
    let mut see = |column: usize, value: f32| {
        let value = f64::from(value);
        min[column] = min[column].min(value);
        max[column] = max[column].max(value);
        sum[column] += value;
        n_nonzero[column] += usize::from(value != 0.0);
    };
    match features {
        Features::Dense { values, .. } => {
            for row in values.chunks_exact(width.max(1)) {
                row.iter().take(n_shown).enumerate().for_each(|(column, &value)| see(column, value));
            }
        }
        Features::OneHot { columns, .. } => {
            columns
                .iter()
                .filter(|&&column| (column as usize) < n_shown)
                .for_each(|&column| see(column as usize, 1.0));
        }
        Features::Sparse(rows) => {
            let entries =
                rows.columns.iter().zip(&rows.values).filter(|(column, _)| (**column as usize) < n_shown);
            entries.for_each(|(&column, &value)| see(column as usize, value));
        }
    }
    let names = names(blocks);
    (0..n_shown)
        .map(|column| {
            // Rows that were not seen hold a zero.
            let has_zero = n_nonzero[column] < n_rows;
            let bound = |seen: f64, with_zero: f64| if has_zero { with_zero } else { seen };
            ColumnFacts {
                name: names.get(column).cloned().unwrap_or_else(|| (column + 1).to_string()),
                min: bound(min[column], min[column].min(0.0)),
                mean: sum[column] / n_rows as f64,
                max: bound(max[column], max[column].max(0.0)),
                share_nonzero: n_nonzero[column] as f64 / n_rows as f64,
            }
        })
        .collect()
}

/// What the columns are called, one by one.
fn names(blocks: &[Columns]) -> Vec<String> {
    let mut names = Vec::new();
    for block in blocks {
        match block {
            Columns::Numbers { names: own } => names.extend(own.iter().cloned()),
            Columns::Categories { column, values } if column.is_empty() => {
                names.extend(values.iter().map(|value| format!("label {value}")));
            }
            Columns::Categories { column, values } => {
                names.extend(values.iter().map(|value| format!("{column} = {value}")));
            }
            Columns::Labels { values, .. } => {
                names.extend(values.iter().map(|value| format!("label {value}")))
            }
            Columns::Degrees { max } => {
                names.extend((0..*max).map(|degree| format!("degree {degree}")));
                names.push(format!("degree {max} or more"));
            }
            Columns::Constant => names.push("constant".into()),
            Columns::Attributes { count } => names.extend((1..=*count).map(|idx| format!("attribute {idx}"))),
            Columns::Named { what, count } => names.extend((1..=*count).map(|idx| format!("{what} {idx}"))),
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DataOptions, call, load};

    #[test]
    fn the_karate_club_is_described() {
        let club = load(&call("karate", &[]), &DataOptions::folder("")).expect("built in");
        let report = Report::of(&club);
        assert_eq!((report.diameter.largest, report.diameter.is_exact), (5, true));
        let homophily = report.homophily.expect("two clubs");
        // Eleven of the 78 friendships cross between the clubs, each counted in both directions.
        assert!((homophily.edge - 67.0 / 78.0).abs() < 1e-12, "{homophily:?}");
        assert_eq!((report.copies, report.largest), (None, None));
        assert_eq!(report.feature_columns.len(), 34);
        let first = &report.feature_columns[0];
        assert_eq!((first.min, first.max, first.share_nonzero), (0.0, 1.0, 1.0 / 34.0));
    }

    #[test]
    fn columns_are_described_alike_however_they_are_kept() {
        use crate::data::SparseRows;
        let dense = Features::Dense { values: vec![1.0, 0.0, -2.0, 0.0, 0.5, 0.0].into(), width: 2 };
        let mut rows = SparseRows::new(2);
        for value in [1.0, -2.0, 0.5] {
            rows.push_row(std::iter::once((0, value)));
        }
        let (dense, sparse) = (columns(&dense, 3, &[]), columns(&Features::Sparse(rows), 3, &[]));
        assert_eq!(dense, sparse);
        assert_eq!((dense[0].min, dense[0].max, dense[1].max, dense[1].share_nonzero), (-2.0, 1.0, 0.0, 0.0));
        assert!((dense[0].mean + 0.5 / 3.0).abs() < 1e-12);
    }
}

/// Small data sets for the tests of this folder.
#[cfg(test)]
mod tests_support {
    use crate::data::{Dataset, DatasetParts, Features, Targets, Vocabulary};

    /// Graphs of these sizes with these edges in both directions, without features.
    pub fn dataset(sizes: &[u32], edges: &[(u32, u32)]) -> Dataset {
        let mut node_offsets = vec![0];
        sizes.iter().for_each(|size| node_offsets.push(node_offsets[node_offsets.len() - 1] + size));
        Dataset::new(DatasetParts {
            name: "X".into(),
            task: None,
            node_offsets,
            edges: edges
                .iter()
                .flat_map(|&(a, b)| if a == b { vec![(a, b)] } else { vec![(a, b), (b, a)] })
                .collect(),
            edge_features: None,
            edge_kinds: None,
            features: Features::Dense { values: Vec::new().into(), width: 0 },
            targets: Targets::None,
            class_names: Vec::new(),
            fixed_split: None,
            graph_ids: (1..=sizes.len() as u32).collect(),
            vocabulary: Vocabulary::default(),
        })
    }
}
