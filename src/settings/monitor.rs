//! The figure that a schedule or an early stop watches.

use crate::args::{ArgKind, ArgSpec, Default};
use crate::settings::metric;
use crate::types::TargetKind;

/// What `monitor = …` can name: the loss on the validation or the training part, or a metric on the validation part.
pub static NAMES: &[&str] = &[
    "val_loss",
    TRAIN_LOSS,
    "val_accuracy",
    "val_macro_f1",
    "val_balanced_accuracy",
    "val_roc_auc",
    "val_mae",
    "val_rmse",
    "val_r2",
    "val_micro_f1",
    "val_mean_average_precision",
    "val_auc",
    "val_average_precision",
    "val_mrr",
    "val_hits_at_1",
    "val_hits_at_3",
    "val_hits_at_10",
    "val_hits_at_20",
    "val_hits_at_50",
    "val_hits_at_100",
    "val_recall_at_10",
    "val_recall_at_20",
    "val_recall_at_50",
    "val_ndcg_at_10",
    "val_ndcg_at_20",
    "val_ndcg_at_50",
];

/// What can be watched where nothing is kept for validation.
pub const TRAIN_LOSS: &str = "train_loss";

pub(crate) const ARG: ArgSpec = ArgSpec {
    name: "monitor",
    kind: ArgKind::Choice(NAMES),
    default: Default::Choice("val_loss"),
    positional: false,
    doc: "The figure that is watched, on the validation part; `train_loss` is the loss of the training part.",
};

/// The metric that a monitor names; `None` for the loss.
pub fn metric_of(monitor: &str) -> Option<&'static dyn metric::Metric> {
    metric::find(monitor.strip_prefix("val_")?)
}

/// The kind of target that a monitor needs; `None` where any will do.
pub fn applies_to(monitor: &str) -> Option<TargetKind> {
    metric_of(monitor).map(|metric| metric.applies_to())
}

/// Whether a higher figure is a better one.
pub fn higher_is_better(monitor: &str) -> bool {
    metric_of(monitor).is_some_and(|metric| metric.higher_is_better())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_of_outputs_can_be_monitored() {
        // Vectors are measured at the end of a run.
        let metrics = metric::METRICS.iter().filter(|metric| metric.probe().is_none());
        let expected: Vec<String> = ["val_loss".to_string(), TRAIN_LOSS.to_string()]
            .into_iter()
            .chain(metrics.map(|metric| format!("val_{}", metric.name())))
            .collect();
        assert_eq!(NAMES, expected);
    }
}
