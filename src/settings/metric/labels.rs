//! Metrics of several labels an item. One table. A label is predicted where its output is above 0: where it is more likely
//! there than not. Labels that are unknown do not count.

use super::{Metric, Predictions};
use crate::types::TargetKind;

#[derive(Debug)]
pub struct OfLabels {
    name: &'static str,
    doc: &'static str,
    is_over_labels: bool,
    compute: fn(&Predictions) -> Option<f64>,
}

/// F1 of all labels of all items together, as `f1_score(average = "micro")` of scikit-learn: that of PPI's tables.
pub static MICRO_F1: OfLabels = OfLabels {
    name: "micro_f1",
    doc: "F1 over all labels of all items together: twice those that are predicted and there, divided by how many are predicted \
          and how many are there.",
    is_over_labels: false,
    compute: |predictions| {
        let counts = (0..predictions.width).map(|label| counts_of(predictions, label));
        f1(counts.fold([0; 3], |sum, counts| [0, 1, 2].map(|k| sum[k] + counts[k])))
    },
};

/// The mean over the labels of their average precision, as the evaluator of OGB's `ogbg-molpcba` has it.
pub static MEAN_AVERAGE_PRECISION: OfLabels = OfLabels {
    name: "mean_average_precision",
    doc: "Average precision of each label, the area under its curve of precision and recall, and the mean over the labels that \
          some known items have and some have not.",
    is_over_labels: true,
    compute: |predictions| mean_over_labels(predictions, average_precision),
};

impl Metric for OfLabels {
    fn name(&self) -> &'static str {
        self.name
    }
    fn doc(&self) -> &'static str {
        self.doc
    }
    fn applies_to(&self) -> TargetKind {
        TargetKind::MultiLabel
    }
    fn higher_is_better(&self) -> bool {
        true
    }
    fn is_over_classes(&self) -> bool {
        self.is_over_labels
    }
    fn compute(&self, predictions: &Predictions) -> Option<f64> {
        (self.compute)(predictions)
    }
}

/// Of a label: predicted and there, predicted, there.
fn counts_of(predictions: &Predictions, label: usize) -> [u64; 3] {
    let (outputs, is_there) = predictions.of_label(label);
    outputs.iter().zip(is_there).fold([0; 3], |[hits, predicted, there], (&output, is_there)| {
        let is_predicted = output > 0.0;
        [
            hits + u64::from(is_predicted && is_there),
            predicted + u64::from(is_predicted),
            there + u64::from(is_there),
        ]
    })
}

/// `None` where nothing is predicted nor there.
fn f1([hits, predicted, there]: [u64; 3]) -> Option<f64> {
    (predicted + there > 0).then(|| 2.0 * hits as f64 / (predicted + there) as f64)
}

/// The mean over the labels of their F1; one that is neither predicted nor there has no part in it.
pub(super) fn macro_f1(predictions: &Predictions) -> Option<f64> {
    let scores = (0..predictions.width).filter_map(|label| f1(counts_of(predictions, label)));
    mean(&scores.collect::<Vec<_>>())
}

/// The mean of a figure over the labels that some items have and some have not.
pub(super) fn mean_over_labels(
    predictions: &Predictions,
    of_label: impl Fn(&[f64], &[bool]) -> Option<f64>,
) -> Option<f64> {
    let of_labels = (0..predictions.width).filter_map(|label| {
        let (outputs, is_there) = predictions.of_label(label);
        let is_both = is_there.contains(&true) && is_there.contains(&false);
        of_label(&outputs, &is_there).filter(|_| is_both)
    });
    mean(&of_labels.collect::<Vec<_>>())
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// `Σ (R_n − R_{n−1}) P_n` over the thresholds, as `average_precision_score` of scikit-learn: equal outputs are one step.
fn average_precision(outputs: &[f64], is_there: &[bool]) -> Option<f64> {
    let n_there = is_there.iter().filter(|is_there| **is_there).count();
    let mut order: Vec<usize> = (0..outputs.len()).collect();
    order.sort_by(|&a, &b| outputs[b].total_cmp(&outputs[a]));
    let (mut seen, mut hits, mut sum) = (0usize, 0usize, 0.0);
    for tied in order.chunk_by(|&a, &b| outputs[a] == outputs[b]) {
        let found = tied.iter().filter(|&&item| is_there[item]).count();
        (seen, hits) = (seen + tied.len(), hits + found);
        sum += found as f64 * hits as f64 / seen as f64;
    }
    (n_there > 0).then(|| sum / n_there as f64)
}

#[cfg(test)]
mod tests {
    use super::super::{Metric, find};
    use super::*;

    /// Three labels of four items: of the second one is unknown, the third is there for all.
    fn predictions() -> Predictions {
        let unknown = f32::NAN;
        Predictions {
            width: 3,
            outputs: vec![2.0, -1.0, 1.0, 1.0, 3.0, 1.0, -1.0, 0.5, -1.0, -2.0, 0.5, 1.0],
            values: vec![1.0, 0.0, 1.0, 0.0, unknown, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0],
            ..Predictions::default()
        }
    }

    #[test]
    fn figures_of_labels_are_worked_out_by_hand() {
        let figure = |name: &str| find(name).unwrap().compute(&predictions());
        // Label 1: predicted by items 1 and 2, there for 1 and 3: one hit. Label 2: predicted by 3 and 4, there for 3.
        // Label 3: predicted by three, there for four.
        assert_eq!(figure("micro_f1"), Some(2.0 * 5.0 / (7.0 + 7.0)));
        let of_labels = [2.0 / 4.0, 2.0 / 3.0, 6.0 / 7.0];
        assert!((figure("macro_f1").unwrap() - of_labels.iter().sum::<f64>() / 3.0).abs() < 1e-12);
        // Label 1: outputs 2 (there), 1, −1 (there), −2: of four pairs three are right. Label 2: 0.5 (there), 0.5, −1: one
        // right, one tied. Label 3 has no item without it.
        assert_eq!(figure("roc_auc"), Some((3.0 / 4.0 + 1.5 / 2.0) / 2.0));
        // Label 1: precision 1 at the first, 2/3 at the third. Label 2: one of two at the first step.
        let expected = ((1.0 + 2.0 / 3.0) / 2.0 + 0.5) / 2.0;
        assert!((figure("mean_average_precision").unwrap() - expected).abs() < 1e-12);
    }

    #[test]
    fn without_known_labels_nothing_is_defined() {
        let unknown = Predictions { values: vec![f32::NAN; 12], ..predictions() };
        for name in ["micro_f1", "macro_f1", "roc_auc", "mean_average_precision"] {
            assert_eq!(find(name).unwrap().compute(&unknown), None, "{name}");
        }
    }

    #[test]
    fn two_of_them_compare_classes_too() {
        for (name, fits) in [("roc_auc", true), ("macro_f1", true), ("micro_f1", false), ("accuracy", true)] {
            let metric: &dyn Metric = find(name).unwrap();
            assert_eq!(metric.fits(TargetKind::Classification), fits, "{name}");
            assert_eq!(metric.fits(TargetKind::MultiLabel), name != "accuracy", "{name}");
        }
    }
}
