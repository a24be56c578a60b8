//! What vectors that were learned without targets are good for: classes told apart by them, and clusters of them beside the classes.

mod clusters;
mod linear;
mod svm;
#[cfg(test)]
mod tests;

use super::error::{Result, TrainError};
use super::feed::Feed;
use super::measure::values;
use super::record::Figures;
use crate::data::{Dataset, Split};
use crate::lower::{ForwardCx, Network};
use crate::settings::metric::{Metric, Predictions, Probe};

/// Vectors that a support vector machine is fitted to, at most: it compares each two.
pub const MAX_COMPARED: usize = 10_000;

/// A vector for each item, node or graph, of a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Vectors {
    pub width: usize,
    /// Row-major `[n_items, width]`.
    pub values: Vec<f32>,
}

impl Vectors {
    /// What a network makes of all graphs of a feed.
    ///
    /// # Errors
    /// Where Candle fails.
    pub fn of(network: &Network, feed: &Feed, batch_size: usize) -> candle_core::Result<Self> {
        let mut vectors = Self { width: 0, values: Vec::new() };
        for step in feed.steps(batch_size) {
            let output = network.forward(&step?.batch, &mut ForwardCx::evaluation())?;
            let (rows, width) = values(&output.x)?;
            vectors.width = width;
            vectors.values.extend(rows);
        }
        Ok(vectors)
    }

    pub fn n_items(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    pub fn row(&self, item: u32) -> &[f32] {
        &self.values[item as usize * self.width..][..self.width]
    }
}

/// What was made of the vectors of a data set with classes.
pub struct Probed {
    /// Of each item, by what was asked for.
    found: Vec<(Probe, Vec<u32>)>,
    classes: Vec<i64>,
}

impl Probed {
    /// Does what the metrics ask for: fits to the training part of the split, chooses on its validation part. Without a split, only clusters are
    /// found. `None` where the data has no classes.
    pub fn new(
        dataset: &Dataset,
        vectors: &Vectors,
        split: Option<&Split>,
        metrics: &[&'static dyn Metric],
    ) -> Option<Self> {
        let classes = dataset.labels.clone()?;
        let mut found: Vec<(Probe, Vec<u32>)> = Vec::new();
        let n_classes = dataset.class_names.len();
        let labelled = |items: &[u32]| -> Vec<u32> {
            items.iter().copied().filter(|&item| classes[item as usize] >= 0).collect()
        };
        for probe in metrics.iter().filter_map(|metric| metric.probe()) {
            if found.iter().any(|(known, _)| *known == probe) {
                continue;
            }
            let parts = split.map(|split| (labelled(&split.train), labelled(&split.validation)));
            let of_items = match (probe, parts) {
                (Probe::Clusters, _) => Some(clusters::found(vectors, n_classes)),
                (Probe::Linear, Some((train, _))) => linear::fitted(vectors, &classes, n_classes, &train),
                (Probe::Svm, Some((train, validation))) => {
                    svm::fitted(vectors, &classes, n_classes, &train, &validation)
                }
                (_, None) => None,
            };
            found.extend(of_items.map(|of_items| (probe, of_items)));
        }
        Some(Self { found, classes })
    }

    /// The figures of some items, those without a class left out.
    pub fn figures(&self, items: &[u32], metrics: &[&'static dyn Metric]) -> Figures {
        let items: Vec<u32> =
            items.iter().copied().filter(|&item| self.classes[item as usize] >= 0).collect();
        let classes = items.iter().map(|&item| self.classes[item as usize] as u32).collect();
        let pick = |of: &Vec<u32>| items.iter().map(|&item| of[item as usize]).collect();
        let probed = self.found.iter().map(|(probe, of_items)| (*probe, pick(of_items))).collect();
        let predictions = Predictions { classes, probed, ..Predictions::default() };
        let figure = |metric: &&dyn Metric| (metric.name().to_owned(), metric.compute(&predictions));
        metrics.iter().map(figure).collect()
    }
}

/// Whether the vectors of a data set can be measured as the metrics ask.
///
/// # Errors
/// Where a support vector machine would compare too many of them.
pub fn check(dataset: &Dataset, metrics: &[&'static dyn Metric]) -> Result<()> {
    let n_items = dataset.n_items();
    let metric = metrics.iter().find(|metric| metric.probe() == Some(Probe::Svm));
    match metric.filter(|_| n_items > MAX_COMPARED) {
        Some(metric) => Err(TrainError::setup(
            format!(
                "`{}` compares each two vectors, and {} has {n_items}, more than {MAX_COMPARED}",
                metric.name(),
                dataset.name
            ),
            "measure with `linear_probe`",
        )),
        None => Ok(()),
    }
}
