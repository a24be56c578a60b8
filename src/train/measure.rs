//! Loss and metrics of a network on one part, without training.

use super::feed::{Feed, Step};
use super::record::{Figures, FixedPointRecord, PoolingRecord};
use crate::ir::Model;
use crate::lower::task_loss::Items;
use crate::lower::{AuxiliaryLosses, FixedPointStats, ForwardCx, Network, PoolingStats};
use crate::settings::metric::{Metric, Predictions};
use candle_core::{DType, Result, Tensor};

/// What a pass over a part found.
pub struct Measured {
    /// `Σ w ℓ / Σ w` over the items, with auxiliary terms as means over the graphs; `None` where the data carries no
    /// labels.
    pub loss: Option<f64>,
    pub predictions: Predictions,
    pub pooling: PoolingMean,
    /// The first batch whose loss is not finite, counted from 0.
    pub not_finite: Option<usize>,
}

/// Runs the network over these steps. The loss includes the auxiliary terms of the model's loss. It is computed once all
/// outputs are there, so that it does not depend on how the part is cut into steps.
///
/// # Errors
/// Where Candle fails.
pub fn measure<'s>(
    network: &Network,
    feed: &Feed,
    steps: impl Iterator<Item = Result<std::borrow::Cow<'s, Step>>>,
    wants_pooling_stats: bool,
    wants_ranks: bool,
) -> Result<Measured> {
    let (mut predictions, mut pooling) = (Predictions::default(), PoolingMean::default());
    let mut auxiliary = AuxiliaryLosses::default();
    // Where the items of each batch end, and the first batch with an auxiliary loss that is no number.
    let (mut ends, mut not_finite) = (Vec::new(), None);
    for (idx, step) in steps.enumerate() {
        let step = step?;
        let mut cx = ForwardCx {
            wanted_losses: network.wanted_losses(),
            wants_pooling_stats,
            ..ForwardCx::evaluation()
        };
        let (values, width) = values(&step.run(network, &mut cx)?.x)?;
        predictions.extend(&feed.predictions(values, width, &step.items));
        ends.push(predictions.n_items());
        if !auxiliary.add(network, &cx)? {
            not_finite = not_finite.or(Some(idx));
        }
        pooling.add(&cx.pooling);
    }
    if let Some(links) = feed.links().filter(|_| wants_ranks) {
        let batch = feed.messages(links)?;
        predictions.ranks = links.ranks(network, &network.encode(&batch)?, &batch, &feed.graphs)?;
    }
    if !predictions.is_labelled() {
        feed.in_units(&mut predictions);
        return Ok(Measured { loss: None, predictions, pooling, not_finite: None });
    }
    // The loss is what training lowers; metrics are in the units of the data.
    let scaled = feed.scaled_values(&predictions);
    let loss = network.part_loss(&items(&predictions, scaled.as_deref()), &auxiliary)?;
    feed.in_units(&mut predictions);
    let bad_item = loss.bad_item.map(|item| ends.partition_point(|&end| end <= item));
    let not_finite = [not_finite, bad_item].into_iter().flatten().min();
    Ok(Measured { loss: Some(loss.total), predictions, pooling, not_finite })
}

/// Predictions as losses see them, with scaled targets where there are any.
pub fn items<'a>(predictions: &'a Predictions, scaled: Option<&'a [f32]>) -> Items<'a> {
    let Predictions { width, outputs, classes, values, .. } = predictions;
    Items { width: *width, outputs, classes, values: scaled.unwrap_or(values) }
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

/// A mean of numbers as they come.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Mean {
    sum: f64,
    n: usize,
}

impl Mean {
    pub fn add(&mut self, value: f64) {
        self.sum += value;
        self.n += 1;
    }

    pub fn value(&self) -> Option<f64> {
        (self.n > 0).then(|| self.sum / self.n as f64)
    }
}

/// How the steps of each `fixed_point` went in several batches, by the place of its node.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct FixedPointMean(Vec<(usize, Mean, usize, usize)>);

impl FixedPointMean {
    pub fn add(&mut self, stats: &[FixedPointStats]) {
        for stats in stats {
            let node = stats.node.index();
            let place = self.0.iter().position(|&(known, ..)| known == node).unwrap_or_else(|| {
                self.0.push((node, Mean::default(), 0, 0));
                self.0.len() - 1
            });
            let (_, steps, n_left, n_gradients_left) = &mut self.0[place];
            stats.steps.iter().for_each(|&n_steps| steps.add(f64::from(n_steps)));
            *n_left += stats.n_left;
            *n_gradients_left += stats.n_gradients_left.load(std::sync::atomic::Ordering::Relaxed);
        }
    }

    pub fn records(&self, model: &Model) -> Vec<FixedPointRecord> {
        let record = |(node, steps, n_left, n_gradients_left): &(usize, Mean, usize, usize)| {
            let place = model.graph.node_weight(petgraph::graph::NodeIndex::new(*node))?;
            Some(FixedPointRecord {
                stage: format!("{node}.{}", place.op.name()),
                steps: steps.value()?,
                max_steps: place.args.int("max_steps") as usize,
                n_graphs: steps.n,
                n_left: *n_left,
                n_gradients_left: *n_gradients_left,
            })
        };
        self.0.iter().filter_map(record).collect()
    }
}

/// Pooling statistics of several batches, each pooling by the place of its node: a mean over graphs.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PoolingMean(Vec<(usize, usize, Mean, Mean)>);

impl PoolingMean {
    pub fn add(&mut self, stats: &[PoolingStats]) {
        for stats in stats {
            let node = stats.node.index();
            let place = self.0.iter().position(|&(known, ..)| known == node).unwrap_or_else(|| {
                self.0.push((node, stats.n_clusters, Mean::default(), Mean::default()));
                self.0.len() - 1
            });
            for graph in &stats.graphs {
                self.0[place].2.add(graph.clusters_in_use);
                self.0[place].3.add(graph.assignment_entropy);
            }
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
