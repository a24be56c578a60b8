//! What a data set holds, in numbers.

use super::columns::KindLabels;
use super::dataset::{Dataset, EdgeEdits, Targets, Unread};
use crate::types::{DataFacts, Schema, TargetKind};
use serde::Serialize;

/// The edges that a task is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct EdgeItemCount {
    pub n_items: usize,
    /// Whether each directed edge is one, or an edge and its reverse are.
    pub are_directed: bool,
}

/// The numbers that `hgnnc data` prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    pub name: String,
    /// `graph_classification`, …; `None` where there are no labels.
    pub task: Option<&'static str>,
    pub n_graphs: usize,
    pub n_nodes: usize,
    /// As published sets count them: an edge and its reverse are one where every edge has one, else directed edges.
    pub n_edges: usize,
    /// An edge and its reverse are two.
    pub n_directed_edges: usize,
    /// Of data for a task on links, how many there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_links: Option<usize>,
    /// Of data for a task on edges, what is predicted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edge_items: Option<EdgeItemCount>,
    /// Directed edges without their reverse.
    pub n_one_way_edges: usize,
    pub n_features: usize,
    /// What the columns of the features are, in words.
    pub features: String,
    /// Every edge has its reverse.
    pub is_symmetric: bool,
    /// Columns of the edge features.
    pub n_edge_features: usize,
    /// What they are, in words.
    pub edge_features: String,
    /// Kinds of edges, 0 where the data names none.
    pub n_edge_kinds: usize,
    /// What they are, in words; empty where there are none.
    pub edge_kinds: String,
    /// Types of nodes and relations between them; absent where all nodes are of one type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Schema>,
    /// What the options of the source did to the edges of its files.
    pub edits: EdgeEdits,
    /// What the data carries but no model sees.
    pub unread: Vec<Unread>,
    /// Directed edges that join a node to itself.
    pub n_self_loops: usize,
    /// Directed edges beyond the first between the same two nodes in the same direction.
    pub n_parallel_edges: usize,
    /// Nodes without any incoming or outgoing edge.
    pub n_isolated_nodes: usize,
    pub nodes_per_graph: Quantiles,
    /// Counted as `n_edges`.
    pub edges_per_graph: Quantiles,
    /// Incoming edges.
    pub degree: Quantiles,
    /// Empty for values.
    pub classes: Vec<ClassCount>,
    /// Items (graphs, or nodes of a node task) without a class.
    pub n_unlabelled: usize,
    /// One entry per value that is predicted; empty for classes.
    pub values: Vec<Quantiles>,
    /// Sizes of the split that comes with the data.
    pub fixed_split: Option<SplitSizes>,
    pub fingerprint: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassCount {
    pub name: String,
    /// Items that have it.
    pub count: usize,
    /// Of labels of which an item can have several, the items of which it is known whether they have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_known: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SplitSizes {
    pub train: usize,
    pub validation: usize,
    pub test: usize,
}

/// Order statistics; a quartile between two values is the lower one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quantiles {
    pub min: f64,
    pub lower_quartile: f64,
    pub median: f64,
    pub upper_quartile: f64,
    pub max: f64,
    pub mean: f64,
}

impl Quantiles {
    /// All zero where there are no values.
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| {
            sorted.get((share * (sorted.len().max(1) - 1) as f64) as usize).copied().unwrap_or(0.0)
        };
        Self {
            min: at(0.0),
            lower_quartile: at(0.25),
            median: at(0.5),
            upper_quartile: at(0.75),
            max: at(1.0),
            mean: sorted.iter().sum::<f64>() / sorted.len().max(1) as f64,
        }
    }
}

impl Summary {
    pub fn of(data: &Dataset) -> Self {
        Self::with_facts(data, &data.facts())
    }

    /// The same with the set's facts, which are known of data that was read before.
    pub fn with_facts(data: &Dataset, facts: &DataFacts) -> Self {
        let adjacency = &data.adjacency;
        let mut has_edge: Vec<bool> = adjacency.offsets.windows(2).map(|pair| pair[0] < pair[1]).collect();
        if !data.is_symmetric() {
            adjacency.indices.iter().for_each(|&source| has_edge[source as usize] = true);
        }
        let graphs = || (0..data.n_graphs()).map(|graph| data.graph_nodes(graph));
        let mut classes: Vec<ClassCount> = data
            .class_names
            .iter()
            .zip(&facts.class_counts)
            .map(|(name, &count)| ClassCount { name: name.clone(), count, n_known: None })
            .collect();
        let is_of_labels = data.task.is_some_and(|task| task.kind == TargetKind::MultiLabel);
        let mut n_unlabelled = 0;
        if let (true, Targets::Values { values, n_values }) = (is_of_labels, &data.targets) {
            let count = |label: usize, is_it: &dyn Fn(f32) -> bool| {
                values.iter().skip(label).step_by(*n_values).filter(|value| is_it(**value)).count()
            };
            classes.extend(data.class_names.iter().enumerate().map(|(label, name)| ClassCount {
                name: name.clone(),
                count: count(label, &|value| value > 0.5),
                n_known: Some(count(label, &|value| !value.is_nan())),
            }));
            n_unlabelled =
                values.chunks(*n_values).filter(|row| row.iter().all(|value| value.is_nan())).count();
        }
        let values = match &data.targets {
            Targets::Values { values, n_values } if !is_of_labels => (0..*n_values)
                .map(|value| {
                    Quantiles::of(values.iter().skip(value).step_by(*n_values).map(|&value| f64::from(value)))
                })
                .collect(),
            _ => Vec::new(),
        };
        Self {
            name: data.name.clone(),
            task: data.task.map(crate::types::Task::name),
            n_graphs: data.n_graphs(),
            n_nodes: data.n_nodes(),
            n_edges: data.n_published_edges(),
            n_links: data.links.as_ref().map(|links| links.len()),
            edge_items: data
                .edge_items
                .as_ref()
                .map(|items| EdgeItemCount { n_items: items.len(), are_directed: items.is_directed }),
            n_directed_edges: data.n_edges(),
            n_one_way_edges: facts.n_one_way_edges,
            n_features: data.n_features(),
            features: data.vocabulary.features_in_words(),
            n_edge_features: data.n_edge_features(),
            edge_features: facts.edge_columns.clone(),
            n_edge_kinds: data.n_edge_kinds(),
            edge_kinds: data.vocabulary.edge_kinds.as_ref().map(KindLabels::words).unwrap_or_default(),
            schema: data.types.as_ref().map(|types| types.schema.clone()),
            edits: data.edits,
            unread: data.unread.clone(),
            is_symmetric: data.is_symmetric(),
            n_self_loops: facts.n_loops,
            n_parallel_edges: facts.n_parallel_edges,
            n_isolated_nodes: has_edge.iter().filter(|&&has_edge| !has_edge).count(),
            nodes_per_graph: Quantiles::of(graphs().map(|nodes| nodes.len() as f64)),
            edges_per_graph: Quantiles::of(graphs().map(|nodes| data.published_edges(nodes) as f64)),
            degree: Quantiles::of(adjacency.offsets.windows(2).map(|pair| f64::from(pair[1] - pair[0]))),
            classes,
            n_unlabelled: match &data.targets {
                Targets::Classes(classes) => classes.iter().filter(|&&class| class < 0).count(),
                Targets::Values { .. } => n_unlabelled,
                Targets::None => data.n_items(),
            },
            values,
            fixed_split: data.fixed_split.as_ref().map(|split| SplitSizes {
                train: split.train.len(),
                validation: split.validation.len(),
                test: split.test.len(),
            }),
            fingerprint: data.fingerprint.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DataOptions, call, load};

    #[test]
    fn the_karate_club_in_numbers() {
        let club = Summary::of(&load(&call("karate", &[]), &DataOptions::folder("")).expect("built in"));
        assert_eq!((club.n_self_loops, club.n_isolated_nodes, club.n_unlabelled), (0, 0, 0));
        assert_eq!((club.degree.min, club.degree.max), (1.0, 17.0));
        assert!((club.degree.mean - 156.0 / 34.0).abs() < 1e-12);
        // Zachary's 78 friendships, each an edge in both directions.
        assert_eq!((club.n_edges, club.n_directed_edges, club.n_one_way_edges), (78, 156, 0));
        assert_eq!(club.edges_per_graph.median, 78.0);
        assert_eq!(club.fixed_split, Some(SplitSizes { train: 6, validation: 4, test: 24 }));
    }

    #[test]
    fn quartiles_are_values_that_occur() {
        let of = Quantiles::of([5.0, 1.0, 4.0, 2.0].into_iter());
        assert_eq!(
            (of.min, of.lower_quartile, of.median, of.upper_quartile, of.max),
            (1.0, 1.0, 2.0, 4.0, 5.0)
        );
        assert_eq!(of.mean, 3.0);
        assert_eq!(Quantiles::of(std::iter::empty()).max, 0.0);
    }
}
