//! Columns with mean 0 and standard deviation 1, by the nodes of the training part alone: figures of the other parts are then
//! those of data that was not seen.

use crate::data::Dataset;
use crate::types::Entity;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What is taken off each column, and what it is divided by. A checkpoint keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    mean: Vec<f64>,
    /// 0 for a column that is the same on all nodes, which becomes zeros.
    deviation: Vec<f64>,
}

impl Scaling {
    /// Of the nodes of some items, graphs, nodes, edges or links as the task has them. Columns whose signs are drawn have no mean.
    pub fn of(data: &Dataset, items: &[u32]) -> Self {
        let width = data.n_features();
        let of_nodes = data.task.is_some_and(|task| task.entity == Entity::Nodes);
        // Of edges those of their graphs, and of links all, which pass messages to each other.
        let graphs: Option<Vec<u32>> = match &data.edge_items {
            Some(edges) => {
                let graphs: BTreeSet<u32> = items.iter().map(|&item| edges.graph_of(item) as u32).collect();
                Some(graphs.into_iter().collect())
            }
            None => data.links.is_some().then(|| (0..data.n_graphs() as u32).collect()),
        };
        let items = graphs.as_deref().unwrap_or(items);
        let nodes = |item: u32| match of_nodes {
            true => item as usize..item as usize + 1,
            false => data.graph_nodes(item as usize),
        };
        let is_signed = |column: usize| data.random_signs.iter().any(|columns| columns.contains(&column));
        let mut rows = Vec::new();
        // Twice over the nodes: the squares of what is left are small where numbers are large and alike.
        let mut sums = |of: &dyn Fn(usize, f64) -> f64| {
            let (mut sums, mut n_nodes) = (vec![0.0; width], 0.0);
            for &item in items {
                rows.clear();
                data.features.write_rows(nodes(item), &mut rows);
                for row in rows.chunks_exact(width.max(1)) {
                    n_nodes += 1.0;
                    for (column, (sum, &value)) in sums.iter_mut().zip(row).enumerate() {
                        *sum += of(column, f64::from(value));
                    }
                }
            }
            sums.iter_mut().for_each(|sum: &mut f64| *sum /= f64::max(n_nodes, 1.0));
            sums
        };
        let mean = sums(&|column, value| if is_signed(column) { 0.0 } else { value });
        let squares = sums(&|column, value| (value - mean[column]).powi(2));
        let deviation = squares.iter().zip(&mean).map(|(square, mean)| {
            let deviation = square.sqrt();
            // What rounding leaves of equal numbers is no deviation.
            if deviation > 1e-7 * mean.abs() { deviation } else { 0.0 }
        });
        Self { deviation: deviation.collect(), mean }
    }

    /// Columns that it was made for.
    pub fn width(&self) -> usize {
        self.mean.len()
    }

    /// Scales rows in place.
    pub fn apply(&self, rows: &mut [f32]) {
        for row in rows.chunks_exact_mut(self.width().max(1)) {
            for (value, (mean, deviation)) in row.iter_mut().zip(self.mean.iter().zip(&self.deviation)) {
                *value = match *deviation {
                    0.0 => 0.0,
                    deviation => ((f64::from(*value) - mean) / deviation) as f32,
                };
            }
        }
    }
}
