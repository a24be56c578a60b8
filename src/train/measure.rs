//! Loss and metrics of a network on one part, without training.

use super::feed::{Feed, Step};
use super::metric::{Metric, Predictions};
use super::record::{Figures, PoolingRecord};
use crate::ir::Model;
use crate::lower::{ForwardCx, Network, PoolingStats, Value};
use candle_core::{DType, Result, Tensor};

/// What a pass over a part found.
pub struct Measured {
    /// Mean over the items; `None` where the data carries no labels.
    pub loss: Option<f64>,
    pub predictions: Predictions,
    pub pooling: PoolingMean,
    /// The first batch whose loss is not finite, counted from 0, with its loss.
    pub not_finite: Option<(usize, f64)>,
}

/// Runs the network over these steps. The loss includes the auxiliary terms of the model's loss.
///
/// # Errors
/// Where Candle fails.
pub fn measure<'s>(
    network: &Network,
    feed: &Feed,
    steps: impl Iterator<Item = Result<std::borrow::Cow<'s, Step>>>,
    wants_pooling_stats: bool,
) -> Result<Measured> {
    let (mut loss, mut predictions, mut pooling) =
        (Mean::default(), Predictions::default(), PoolingMean::default());
    let mut not_finite = None;
    let mut is_labelled = false;
    for (idx, step) in steps.enumerate() {
        let step = step?;
        let mut cx = ForwardCx {
            wanted_losses: network.wanted_losses(),
            wants_pooling_stats,
            ..ForwardCx::evaluation()
        };
        let output = network.forward(&step.batch, &mut cx)?;
        let picked = Value { x: step.pick(&output.x)?, structure: output.structure };
        if let Some(targets) = &step.targets {
            is_labelled = true;
            let value = scalar(&network.loss(&picked, targets, &cx)?.total)?;
            if !value.is_finite() && not_finite.is_none() {
                not_finite = Some((idx, value));
            }
            loss.add(value, step.items.len());
        }
        let (values, width) = values(&picked.x)?;
        predictions.extend(&feed.predictions(values, width, &step.items));
        pooling.add(&cx.pooling, step.batch.graphs.len());
    }
    Ok(Measured { loss: loss.value().filter(|_| is_labelled), predictions, pooling, not_finite })
}

/// A loss as a number.
pub fn scalar(tensor: &Tensor) -> Result<f64> {
    tensor.to_dtype(DType::F64)?.to_scalar()
}

/// The values of a matrix, row-major, and its width.
pub fn values(matrix: &Tensor) -> Result<(Vec<f32>, usize)> {
    Ok((matrix.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?, matrix.dim(1)?))
}

/// Loss and metrics by name.
pub fn figures(loss: Option<f64>, predictions: &Predictions, metrics: &[&'static dyn Metric]) -> Figures {
    let finite = |value: f64| value.is_finite().then_some(value);
    let mut figures = Figures::from([("loss".to_string(), loss.and_then(finite))]);
    for metric in metrics {
        figures.insert(metric.name().to_string(), metric.compute(predictions).and_then(finite));
    }
    figures
}

/// A mean of batches weighted by their sizes.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Mean {
    sum: f64,
    weight: f64,
}

impl Mean {
    pub fn add(&mut self, value: f64, weight: usize) {
        self.sum += value * weight as f64;
        self.weight += weight as f64;
    }

    pub fn value(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }
}

/// Pooling statistics of several batches, each pooling by the place of its node.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PoolingMean(Vec<(usize, usize, Mean, Mean)>);

impl PoolingMean {
    pub fn add(&mut self, stats: &[PoolingStats], n_graphs: usize) {
        for stats in stats {
            let node = stats.node.index();
            let place = self.0.iter().position(|&(known, ..)| known == node).unwrap_or_else(|| {
                self.0.push((node, stats.n_clusters, Mean::default(), Mean::default()));
                self.0.len() - 1
            });
            self.0[place].2.add(stats.clusters_in_use, n_graphs);
            self.0[place].3.add(stats.assignment_entropy, n_graphs);
        }
    }

    pub fn records(&self, model: &Model) -> Vec<PoolingRecord> {
        let record = |&(node, n_clusters, in_use, entropy): &(usize, usize, Mean, Mean)| {
            let operator = model.graph.node_weight(petgraph::graph::NodeIndex::new(node))?.op.name();
            Some(PoolingRecord {
                stage: format!("{node}.{operator}"),
                n_clusters,
                clusters_in_use: in_use.value()?,
                assignment_entropy: entropy.value()?,
            })
        };
        self.0.iter().filter_map(record).collect()
    }
}
