//! Columns of features, and targets, brought to a common scale by the training part alone: figures of the other parts are then
//! those of data that was not seen.

use crate::data::{Dataset, Targets};
use crate::types::Entity;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Which scale columns are brought to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Mean 0 and standard deviation 1.
    Standard,
    /// From 0 to 1.
    MinMax,
}

/// What is taken off each column, and what it is divided by. A checkpoint keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    mean: Vec<f64>,
    /// 0 for a column that is the same on all nodes, which becomes zeros.
    deviation: Vec<f64>,
}

impl Scaling {
    /// Of the nodes of some items, graphs, nodes, edges or links as the task has them. Columns whose signs are drawn have no mean.
    pub fn of(data: &Dataset, items: &[u32], scale: Scale) -> Self {
        match scale {
            Scale::Standard => Self::standard(data, items),
            Scale::MinMax => Self::min_max(data, items),
        }
    }

    /// Of the values to be predicted of some items; `None` where these are no values.
    pub fn of_targets(data: &Dataset, items: &[u32], scale: Scale) -> Option<Self> {
        let Targets::Values { values, n_values } = &data.targets else { return None };
        let rows = || items.iter().map(|&item| &values[item as usize * n_values..][..*n_values]);
        Some(match scale {
            Scale::Standard => {
                let n = f64::max(items.len() as f64, 1.0);
                let mut mean = vec![0.0; *n_values];
                rows().for_each(|row| {
                    mean.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value))
                });
                mean.iter_mut().for_each(|sum| *sum /= n);
                let mut squares = vec![0.0; *n_values];
                for row in rows() {
                    let parts = squares.iter_mut().zip(&mean).zip(row);
                    parts.for_each(|((sum, mean), &value)| *sum += (f64::from(value) - mean).powi(2));
                }
                let deviation =
                    squares.iter().zip(&mean).map(|(sum, mean)| deviation((sum / n).sqrt(), *mean));
                Self { deviation: deviation.collect(), mean }
            }
            Scale::MinMax => {
                let mut ranges = vec![Range::EMPTY; *n_values];
                rows()
                    .for_each(|row| ranges.iter_mut().zip(row).for_each(|(range, &value)| range.add(value)));
                Self::of_ranges(&ranges)
            }
        })
    }

    fn min_max(data: &Dataset, items: &[u32]) -> Self {
        let width = data.n_features();
        let mut ranges = vec![Range::EMPTY; width];
        let mut rows = Vec::new();
        for nodes in nodes_of(data, items) {
            rows.clear();
            data.features.write_rows(nodes, &mut rows);
            for row in rows.chunks_exact(width.max(1)) {
                ranges.iter_mut().zip(row).for_each(|(range, &value)| range.add(value));
            }
        }
        for columns in &data.random_signs {
            // With either sign a value is as far from zero.
            for range in &mut ranges[columns.clone()] {
                *range = Range { low: 0.0, high: f64::max(range.high, -range.low) };
            }
        }
        Self::of_ranges(&ranges)
    }

    fn of_ranges(ranges: &[Range]) -> Self {
        let finite = |value: f64| if value.is_finite() { value } else { 0.0 };
        Self {
            mean: ranges.iter().map(|range| finite(range.low)).collect(),
            deviation: ranges.iter().map(|range| finite(range.high - range.low).max(0.0)).collect(),
        }
    }

    fn standard(data: &Dataset, items: &[u32]) -> Self {
        let width = data.n_features();
        let all = nodes_of(data, items);
        let is_signed = |column: usize| data.random_signs.iter().any(|columns| columns.contains(&column));
        let mut rows = Vec::new();
        // Twice over the nodes: the squares of what is left are small where numbers are large and alike.
        let mut sums = |of: &dyn Fn(usize, f64) -> f64| {
            let (mut sums, mut n_nodes) = (vec![0.0; width], 0.0);
            for nodes in &all {
                rows.clear();
                data.features.write_rows(nodes.clone(), &mut rows);
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
        let deviation = squares.iter().zip(&mean).map(|(square, mean)| deviation(square.sqrt(), *mean));
        Self { deviation: deviation.collect(), mean }
    }

    /// The first column that two runs scale so differently that what one has learned is wrong for the other, by more than a tenth of
    /// the deviation; columns that are not scaled have the mean 0 and the deviation 1. Parts of one set, as the folds of a protocol, are
    /// scaled almost alike.
    pub fn first_apart(one: Option<&Self>, other: Option<&Self>) -> Option<usize> {
        const SHARE: f64 = 0.1;
        let width = [one, other].into_iter().flatten().map(Self::width).min()?;
        let of = |scaling: Option<&Self>, column: usize| {
            scaling.map_or((0.0, 1.0), |scaling| (scaling.mean[column], scaling.deviation[column]))
        };
        (0..width).find(|&column| {
            let ((mean, deviation), (other_mean, other_deviation)) = (of(one, column), of(other, column));
            let most = SHARE * f64::min(deviation, other_deviation);
            (mean - other_mean).abs() > most || (deviation - other_deviation).abs() > most
        })
    }

    /// What becomes of a column, as a formula: `(y - 2.31) / 0.814`.
    pub fn formula(scaling: Option<&Self>, column: usize) -> String {
        let text = |value: f64| {
            format!("{:.3e}", value)
                .parse::<f64>()
                .map_or_else(|_| value.to_string(), |value| value.to_string())
        };
        match scaling {
            None => "y".to_owned(),
            Some(scaling) => {
                let (mean, deviation) = (scaling.mean[column], scaling.deviation[column]);
                let sign = if mean < 0.0 { '+' } else { '-' };
                format!("(y {sign} {}) / {}", text(mean.abs()), text(deviation))
            }
        }
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

    /// Brings scaled rows back to the units of the data, in place. A column that was the same everywhere becomes that number.
    pub fn undo(&self, rows: &mut [f32]) {
        for row in rows.chunks_exact_mut(self.width().max(1)) {
            for (value, (mean, deviation)) in row.iter_mut().zip(self.mean.iter().zip(&self.deviation)) {
                *value = (f64::from(*value) * deviation + mean) as f32;
            }
        }
    }
}

/// The nodes of some items: of edges those of their graphs, and of links all, which pass messages to each other.
fn nodes_of(data: &Dataset, items: &[u32]) -> Vec<std::ops::Range<usize>> {
    let of_nodes = data.task.is_some_and(|task| task.entity == Entity::Nodes);
    let graphs: Option<Vec<u32>> = match &data.edge_items {
        Some(edges) => {
            let graphs: BTreeSet<u32> = items.iter().map(|&item| edges.graph_of(item) as u32).collect();
            Some(graphs.into_iter().collect())
        }
        None => data.links.is_some().then(|| (0..data.n_graphs() as u32).collect()),
    };
    let items = graphs.as_deref().unwrap_or(items);
    let nodes = |&item: &u32| match of_nodes {
        true => item as usize..item as usize + 1,
        false => data.graph_nodes(item as usize),
    };
    items.iter().map(nodes).collect()
}

/// What rounding leaves of equal numbers is no deviation.
fn deviation(deviation: f64, mean: f64) -> f64 {
    if deviation > 1e-7 * mean.abs() { deviation } else { 0.0 }
}

/// From the smallest to the largest number.
#[derive(Debug, Clone, Copy)]
struct Range {
    low: f64,
    high: f64,
}

impl Range {
    const EMPTY: Self = Self { low: f64::INFINITY, high: f64::NEG_INFINITY };

    fn add(&mut self, value: f32) {
        self.low = self.low.min(f64::from(value));
        self.high = self.high.max(f64::from(value));
    }
}
