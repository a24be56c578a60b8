//! Metrics: one file each, entered in [`METRICS`] and [`NAMES`].

mod accuracy;
mod average_precision;
mod balanced_accuracy;
mod labels;
mod macro_f1;
mod mae;
mod probes;
mod r2;
mod ranking;
mod rmse;
mod roc_auc;

use crate::types::TargetKind;
use std::collections::BTreeSet;

/// Every metric that `metrics = […]` can name.
pub static METRICS: &[&dyn Metric] = &[
    &accuracy::Accuracy,
    &macro_f1::MacroF1,
    &balanced_accuracy::BalancedAccuracy,
    &roc_auc::RocAuc,
    &mae::Mae,
    &rmse::Rmse,
    &r2::R2,
    &labels::MICRO_F1,
    &labels::MEAN_AVERAGE_PRECISION,
    &average_precision::AUC,
    &average_precision::AVERAGE_PRECISION,
    &ranking::MRR,
    &ranking::HITS_AT_1,
    &ranking::HITS_AT_3,
    &ranking::HITS_AT_10,
    &ranking::HITS_AT_20,
    &ranking::HITS_AT_50,
    &ranking::HITS_AT_100,
    &ranking::RECALL_AT_10,
    &ranking::RECALL_AT_20,
    &ranking::RECALL_AT_50,
    &ranking::NDCG_AT_10,
    &ranking::NDCG_AT_20,
    &ranking::NDCG_AT_50,
    &probes::LINEAR_PROBE,
    &probes::SVM_PROBE,
    &probes::NMI,
    &probes::ARI,
    &probes::CLUSTERING_ACCURACY,
];

/// Their names, in the same order.
pub static NAMES: &[&str] = &[
    "accuracy",
    "macro_f1",
    "balanced_accuracy",
    "roc_auc",
    "mae",
    "rmse",
    "r2",
    "micro_f1",
    "mean_average_precision",
    "auc",
    "average_precision",
    "mrr",
    "hits_at_1",
    "hits_at_3",
    "hits_at_10",
    "hits_at_20",
    "hits_at_50",
    "hits_at_100",
    "recall_at_10",
    "recall_at_20",
    "recall_at_50",
    "ndcg_at_10",
    "ndcg_at_20",
    "ndcg_at_50",
    "linear_probe",
    "svm_probe",
    "nmi",
    "ari",
    "clustering_accuracy",
];

pub fn find(name: &str) -> Option<&'static dyn Metric> {
    METRICS.iter().copied().find(|metric| metric.name() == name)
}

/// The metrics of a file that names none.
pub fn defaults(kind: TargetKind) -> &'static [&'static str] {
    match kind {
        TargetKind::Classification => &["accuracy"],
        TargetKind::Regression => &["mae", "rmse"],
        TargetKind::MultiLabel => &["micro_f1", "roc_auc"],
        TargetKind::Links => &["auc", "average_precision"],
        TargetKind::Embedding => &["linear_probe"],
    }
}

/// The facts of one metric.
pub trait Metric: Sync {
    fn name(&self) -> &'static str;
    /// One sentence.
    fn doc(&self) -> &'static str;
    /// The kind of target that it compares with; for the other kind the file is refused.
    fn applies_to(&self) -> TargetKind;
    /// A second kind of target that it compares with.
    fn also_of(&self) -> Option<TargetKind> {
        None
    }
    /// Whether it compares with such targets.
    fn fits(&self, kind: TargetKind) -> bool {
        self.applies_to() == kind || self.also_of() == Some(kind)
    }
    fn higher_is_better(&self) -> bool;
    /// Whether it asks where each link stands among all others that could be in its place, which is measured when a run has ended,
    /// and after each epoch only where it is watched.
    fn is_of_ranks(&self) -> bool {
        false
    }
    /// What of vectors it compares with the classes of the data, once a run has ended; `None` where it compares outputs.
    fn probe(&self) -> Option<Probe> {
        None
    }
    /// Whether it is a mean over classes, from which those that are not there are left out.
    fn is_over_classes(&self) -> bool {
        false
    }
    /// The figure; `None` where it is not defined for these predictions (no items, a constant target).
    fn compute(&self, predictions: &Predictions) -> Option<f64>;
}

/// Whether a metric has a value where these classes of `n_classes` are there and no others.
pub fn is_defined_on(metric: &dyn Metric, n_classes: usize, present: &BTreeSet<i64>) -> bool {
    let classes: Vec<u32> = present.iter().filter_map(|&class| u32::try_from(class).ok()).collect();
    let outputs = vec![0.0; n_classes * classes.len()];
    metric.compute(&Predictions { width: n_classes, outputs, classes, ..Predictions::default() }).is_some()
}

/// Outputs of a model beside what was to be predicted, for some items (graphs or nodes).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Predictions {
    /// Outputs an item: classes, or values.
    pub width: usize,
    /// Row-major `[n_items, width]`: logits, or values.
    pub outputs: Vec<f32>,
    /// The class of each item; empty but for classification.
    pub classes: Vec<u32>,
    /// Row-major `[n_items, width]`; empty for classification. Of several labels an item, 1 for those that it has, 0 for
    /// those that it has not, and no number for those that are unknown.
    pub values: Vec<f32>,
    /// Of tasks on links, where each link stands among others; empty where nothing asks for it.
    pub ranks: Vec<Rank>,
    /// Of vectors that were learned without targets, a class or cluster for each item, by how it was found.
    pub probed: Vec<(Probe, Vec<u32>)>,
}

/// What is made of vectors to measure them by the classes of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// A logistic regression.
    Linear,
    /// A support vector machine.
    Svm,
    /// Clusters, as many as classes.
    Clusters,
}

/// Where a link stands among the pairs that have another node in place of one of its ends. Pairs that are links themselves are left
/// out of the count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rank {
    /// The node that stays, with the kind and the end: links with an equal one are answers to one question.
    pub question: (u32, u32, bool),
    /// Pairs with a higher score.
    pub n_above: u32,
    /// Pairs with the same score.
    pub n_ties: u32,
    pub score: f32,
}

impl Rank {
    /// From 1 on; of pairs that tie, the mean of the places that they share.
    pub fn place(&self) -> f64 {
        1.0 + f64::from(self.n_above) + 0.5 * f64::from(self.n_ties)
    }
}

impl Predictions {
    pub fn n_items(&self) -> usize {
        self.outputs.len().checked_div(self.width).unwrap_or(0)
    }

    /// Whether there is something to compare the outputs with.
    pub fn is_labelled(&self) -> bool {
        !self.classes.is_empty() || !self.values.is_empty()
    }

    /// The class with the highest output for each item, the first of equal ones.
    pub fn predicted_classes(&self) -> impl Iterator<Item = u32> {
        self.outputs.chunks_exact(self.width.max(1)).map(|row| {
            let mut best = 0;
            for (class, output) in row.iter().enumerate() {
                if *output > row[best] {
                    best = class;
                }
            }
            best as u32
        })
    }

    /// Items by (true class, predicted class), row-major `[width, width]`.
    pub(crate) fn confusion(&self) -> Vec<u64> {
        let mut counts = vec![0; self.width * self.width];
        for (&class, predicted) in self.classes.iter().zip(self.predicted_classes()) {
            counts[class as usize * self.width + predicted as usize] += 1;
        }
        counts
    }

    /// Of several labels an item: the outputs of one of them where it is known, and whether the item has it.
    pub(crate) fn of_label(&self, label: usize) -> (Vec<f64>, Vec<bool>) {
        let column =
            |of: &'_ [f32]| of.iter().skip(label).step_by(self.width.max(1)).copied().collect::<Vec<f32>>();
        let pairs = column(&self.outputs).into_iter().zip(column(&self.values));
        pairs
            .filter(|(_, value)| !value.is_nan())
            .map(|(output, value)| (f64::from(output), value > 0.5))
            .unzip()
    }

    /// Whether items have several labels, and not one class each.
    pub(crate) fn is_of_labels(&self) -> bool {
        self.classes.is_empty()
    }

    /// Differences between outputs and values, in f64.
    pub(crate) fn errors(&self) -> impl Iterator<Item = f64> {
        self.outputs.iter().zip(&self.values).map(|(output, value)| f64::from(*output) - f64::from(*value))
    }

    /// Appends another batch of the same width.
    pub fn extend(&mut self, other: &Predictions) {
        self.width = other.width;
        self.outputs.extend_from_slice(&other.outputs);
        self.classes.extend_from_slice(&other.classes);
        self.values.extend_from_slice(&other.values);
        self.ranks.extend_from_slice(&other.ranks);
        self.probed.extend_from_slice(&other.probed);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_metrics() {
        let names: Vec<_> = METRICS.iter().map(|metric| metric.name()).collect();
        assert_eq!(names, NAMES);
    }

    /// Five items of three classes; the predicted classes are 0 0 1 1 2.
    pub(crate) fn three_classes() -> Predictions {
        Predictions {
            width: 3,
            outputs: vec![2., 1., 0., 3., 0., 0., 0., 2., 1., 0., 1., 0., 0., 0., 5.],
            classes: vec![0, 1, 1, 1, 2],
            ..Predictions::default()
        }
    }

    pub(crate) fn values() -> Predictions {
        Predictions {
            width: 1,
            outputs: vec![1.0, 2.0, 4.0],
            values: vec![1.0, 3.0, 2.0],
            ..Predictions::default()
        }
    }

    #[test]
    fn equal_outputs_predict_the_first_class() {
        let tied =
            Predictions { width: 2, outputs: vec![1.0, 1.0], classes: vec![0], ..Predictions::default() };
        assert_eq!(tied.predicted_classes().collect::<Vec<_>>(), [0]);
    }
}
