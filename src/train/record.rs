//! What is written down of a run: an epoch's figures, and the summary.

use crate::settings::monitor::TRAIN_LOSS;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Loss and metrics of one part by name; `None` where a figure is not defined.
pub type Figures = BTreeMap<String, Option<f64>>;

/// One line of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Counted from 1.
    pub epoch: usize,
    pub lr: f64,
    /// Of all items of the part, each as it was trained on: with dropout, before its step.
    pub train: Figures,
    /// After the epoch; empty where there is no validation part.
    pub validation: Figures,
    /// Terms of the training loss before their weights, where there are several: means over items or graphs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub loss_terms: BTreeMap<String, f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pooling: Vec<PoolingRecord>,
    /// Of the steps of training.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixed_points: Vec<FixedPointRecord>,
    /// Mean norm of the gradient over the epoch's steps, before clipping.
    pub gradient_norm: f64,
    /// Whether these weights are the ones to keep so far.
    pub is_kept: bool,
    /// Seconds, kept apart in `times.jsonl`: they are not the same each time.
    #[serde(skip)]
    pub train_s: f64,
    #[serde(skip)]
    pub validation_s: f64,
}

/// One line of `times.jsonl`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct EpochTimes {
    /// Counted from 1.
    epoch: usize,
    train_s: f64,
    validation_s: f64,
}

impl EpochTimes {
    pub fn of(record: &EpochRecord) -> Self {
        let &EpochRecord { epoch, train_s, validation_s, .. } = record;
        Self { epoch, train_s, validation_s }
    }

    /// The record of the same epoch with these times.
    pub fn beside(self, record: EpochRecord) -> EpochRecord {
        EpochRecord { train_s: self.train_s, validation_s: self.validation_s, ..record }
    }
}

impl EpochRecord {
    /// The figure that a monitor names: `val_loss`, `val_accuracy`, `train_loss`.
    pub fn monitored(&self, monitor: &str) -> Option<f64> {
        if monitor == TRAIN_LOSS {
            return self.train.get("loss").copied().flatten();
        }
        self.validation.get(monitor.strip_prefix("val_")?).copied().flatten()
    }
}

/// How a pooling uses its clusters, mean over the graphs of a part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PoolingRecord {
    /// Place and operator: `5.diffpool`.
    pub stage: String,
    pub n_clusters: usize,
    /// Effective number: exp of the entropy of the mean assignment.
    pub clusters_in_use: f64,
    /// Mean over the nodes, in nats.
    pub assignment_entropy: f64,
}

/// How the steps of a `fixed_point` went, over the graphs of an epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FixedPointRecord {
    /// Place and operator: `7.fixed_point`.
    pub stage: String,
    /// Steps of a graph, on average.
    pub steps: f64,
    pub max_steps: usize,
    pub n_graphs: usize,
    /// Graphs that were not done after the last step, and those whose gradient was not.
    pub n_left: usize,
    pub n_gradients_left: usize,
}

impl FixedPointRecord {
    /// Whether something was not found.
    pub fn has_left(&self) -> bool {
        self.n_left + self.n_gradients_left > 0
    }

    /// What is said of it, once per run.
    pub fn warning(&self, epoch: usize) -> String {
        let Self { stage, max_steps, n_graphs, n_left, n_gradients_left, .. } = self;
        format!(
            "`{stage}` was not found with `max_steps = {max_steps}` for {n_left} of {n_graphs} graphs in epoch {epoch}, and the gradient \
             for {n_gradients_left}: their results are those of the last step. Try `contraction = 0.9`, more steps, a larger \
             tolerance or a lower learning rate"
        )
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Finished,
    /// Stopped on request; it can be resumed.
    Interrupted,
    /// A loss or gradient was not finite.
    Diverged,
}

/// The result of one run: one seed, one fold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnitSummary {
    /// "fold 3"; `None` where there is one run only.
    pub name: Option<String>,
    /// Its folder inside the run's; empty for the run's own.
    pub folder: String,
    pub seed: u64,
    /// Counted from 1.
    pub fold: Option<usize>,
    /// Which of several runs of the fold, counted from 1; `None` where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<usize>,
    pub status: Status,
    pub epochs: usize,
    /// The epoch, counted from 1, whose weights were kept.
    pub kept_epoch: Option<usize>,
    /// Measured with the kept weights, without dropout.
    pub train: Figures,
    pub validation: Figures,
    pub test: Figures,
    /// Classes that a part (`train`, `validation`, `test`) does not hold: its means over classes leave them out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub absent_classes: BTreeMap<String, Vec<String>>,
    pub n_parameters: usize,
    /// Of a model without a network: what was chosen on the validation part, by the argument's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub chosen: BTreeMap<String, f64>,
    /// What a search chose for this fold: the names of the open values with texts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub searched: BTreeMap<String, String>,
    /// Of a support vector machine: the graphs that it rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_support: Option<usize>,
    /// Median seconds of a training epoch, validation not counted. Times and memory are kept apart, in
    /// `resources.json`: they are not the same each time.
    #[serde(skip)]
    pub epoch_s: Option<f64>,
    /// Seconds of the whole run.
    #[serde(skip)]
    pub wall_s: f64,
}

impl UnitSummary {
    /// Of a run that has not begun.
    #[cfg(test)]
    pub(crate) fn empty(folder: &str) -> Self {
        Self {
            name: None,
            folder: folder.into(),
            seed: 0,
            fold: None,
            run: None,
            status: Status::Finished,
            epochs: 0,
            kept_epoch: None,
            train: Figures::new(),
            validation: Figures::new(),
            test: Figures::new(),
            absent_classes: BTreeMap::new(),
            n_parameters: 0,
            chosen: BTreeMap::new(),
            searched: BTreeMap::new(),
            n_support: None,
            epoch_s: None,
            wall_s: 0.0,
        }
    }
}

/// Mean and sample standard deviation over runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    pub mean: f64,
    /// `None` for a single run.
    pub std: Option<f64>,
    pub n_runs: usize,
}

/// What a whole protocol came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    pub name: String,
    pub status: Status,
    /// Metrics as the file orders them; the loss is in the figures too.
    pub metrics: Vec<String>,
    pub train: BTreeMap<String, Spread>,
    pub validation: BTreeMap<String, Spread>,
    pub test: BTreeMap<String, Spread>,
    /// Figures of the `published` block.
    pub published: BTreeMap<String, f64>,
    pub published_source: Option<String>,
    /// How far below them a figure still reproduces them, where the file says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_tolerance: Option<f64>,
    #[serde(skip)]
    pub epoch_s: Option<f64>,
    #[serde(skip)]
    pub wall_s: f64,
    pub n_parameters: usize,
    /// Largest resident size of the process until the last run of these ended; `None` where the system does not say.
    #[serde(skip)]
    pub peak_memory_bytes: Option<u64>,
    /// 95 % intervals of the means of the test part, by metric.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub test_intervals: BTreeMap<String, [f64; 2]>,
    /// The epoch, counted from 1, that the test parts chose, where the protocol lets them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_mean_epoch: Option<usize>,
    pub n_units: usize,
    /// Runs that are done or were interrupted, in their order.
    pub units: Vec<UnitSummary>,
    /// Where it was written; `None` where nothing was.
    #[serde(skip)]
    pub dir: Option<PathBuf>,
}

impl RunSummary {
    /// Everything, with times, memory and folder, which the written summary leaves out.
    ///
    /// # Panics
    /// Never: names and numbers become JSON.
    pub fn to_json(&self) -> serde_json::Value {
        let mut value = serde_json::to_value(self).expect("names and numbers become JSON");
        let dir = self.dir.as_ref().map(|dir| dir.display().to_string());
        value["dir"] = dir.unwrap_or_default().into();
        value["epoch_s"] = self.epoch_s.into();
        value["wall_s"] = self.wall_s.into();
        value["peak_memory_bytes"] = self.peak_memory_bytes.into();
        for (idx, unit) in self.units.iter().enumerate() {
            value["units"][idx]["epoch_s"] = unit.epoch_s.into();
            value["units"][idx]["wall_s"] = unit.wall_s.into();
        }
        value
    }
}

/// The figures of each fold: of several runs of one their means, where all of them have the figure.
pub(super) fn of_folds(units: &[UnitSummary], part: impl Fn(&UnitSummary) -> &Figures) -> Vec<Figures> {
    let folds = units.chunk_by(|a, b| a.run.is_some() && (a.seed, a.fold) == (b.seed, b.fold));
    let mean = |runs: &[UnitSummary]| {
        let names = part(&runs[0]).keys();
        let of = |name: &String| {
            let values: Option<Vec<f64>> =
                runs.iter().map(|run| part(run).get(name).copied().flatten()).collect();
            let mean = values.map(|values| values.iter().sum::<f64>() / values.len() as f64);
            (name.clone(), mean)
        };
        names.map(of).collect()
    };
    folds.map(mean).collect()
}

/// Mean and deviation of every figure over runs; those undefined in a run are left out of its mean.
pub(super) fn spreads<'a>(figures: impl Iterator<Item = &'a Figures>) -> BTreeMap<String, Spread> {
    let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for figures in figures {
        for (name, value) in figures {
            values.entry(name).or_default().extend(value);
        }
    }
    let named = values.into_iter().filter_map(|(name, values)| Some((name.to_string(), Spread::of(values)?)));
    named.collect()
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.std {
            Some(std) => write!(f, "{:.4} ± {std:.4}", self.mean),
            None => write!(f, "{:.4}", self.mean),
        }
    }
}

impl Spread {
    /// Of these values; `None` where there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.into_iter().collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let std = (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt());
        (!values.is_empty()).then_some(Self { mean, std, n_runs: values.len() })
    }
}

/// The middle value; of an even number the lower of the two in the middle.
pub(super) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviations_are_those_of_a_sample() {
        let spread = Spread::of([1.0, 2.0, 3.0, 4.0]).unwrap();
        assert_eq!(spread.mean, 2.5);
        assert!((spread.std.unwrap() - (5.0f64 / 3.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn undefined_figures_are_left_out() {
        let figures = |auc| Figures::from([("roc_auc".to_string(), auc)]);
        let (first, second) = (figures(Some(0.5)), figures(None));
        let spreads = spreads([&first, &second].into_iter());
        assert_eq!(spreads["roc_auc"], Spread { mean: 0.5, std: None, n_runs: 1 });
    }
}
