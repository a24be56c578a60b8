//! Area under the receiver operating characteristic.

use super::{Metric, Predictions};
use crate::types::TargetKind;

/// Area under the ROC curve; for more than two classes the mean over the classes, each against the rest.
pub struct RocAuc;

impl Metric for RocAuc {
    fn name(&self) -> &'static str {
        "roc_auc"
    }

    fn doc(&self) -> &'static str {
        "Area under the ROC curve; for more than two classes the mean over the classes, each against the rest, and for labels of \
         which an item can have several the mean over those that some known items have and some have not."
    }

    fn applies_to(&self) -> TargetKind {
        TargetKind::Classification
    }

    fn higher_is_better(&self) -> bool {
        true
    }

    fn is_over_classes(&self) -> bool {
        true
    }

    fn also_of(&self) -> Option<TargetKind> {
        Some(TargetKind::MultiLabel)
    }

    fn compute(&self, predictions: &Predictions) -> Option<f64> {
        if predictions.is_of_labels() {
            return super::labels::mean_over_labels(predictions, |outputs, is_there| {
                area(outputs, |item| is_there[item])
            });
        }
        let width = predictions.width;
        if width < 2 {
            return None;
        }
        let scores = probabilities(predictions);
        // Of two classes, the second one is the positive one.
        let positives = if width == 2 { 1..2 } else { 0..width };
        let areas: Vec<f64> = positives
            .filter_map(|class| {
                let column: Vec<f64> = scores.iter().skip(class).step_by(width).copied().collect();
                area(&column, |item| predictions.classes[item] as usize == class)
            })
            .collect();
        (!areas.is_empty()).then(|| areas.iter().sum::<f64>() / areas.len() as f64)
    }
}

/// Softmax of each row, so that items compare by how sure the model is and not by the height of a logit.
fn probabilities(predictions: &Predictions) -> Vec<f64> {
    let mut result = Vec::with_capacity(predictions.outputs.len());
    for row in predictions.outputs.chunks_exact(predictions.width) {
        let max = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let sum: f64 = row.iter().map(|output| (f64::from(*output) - max).exp()).sum();
        result.extend(row.iter().map(|output| (f64::from(*output) - max).exp() / sum));
    }
    result
}

/// The chance that a positive item scores above a negative one, ties counted half (Mann and Whitney);
/// `None` where one side is empty.
pub(super) fn area(scores: &[f64], is_positive: impl Fn(usize) -> bool) -> Option<f64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let (mut n_positive, mut rank_sum, mut start) = (0usize, 0.0, 0);
    while start < order.len() {
        let mut end = start + 1;
        while end < order.len() && scores[order[end]] == scores[order[start]] {
            end += 1;
        }
        // Equal scores share the mean of their ranks start+1 ..= end.
        let rank = (start + 1 + end) as f64 / 2.0;
        let tied = order[start..end].iter().filter(|&&item| is_positive(item)).count();
        n_positive += tied;
        rank_sum += rank * tied as f64;
        start = end;
    }
    let (positives, negatives) = (n_positive as f64, (scores.len() - n_positive) as f64);
    if positives == 0.0 || negatives == 0.0 {
        return None;
    }
    Some((rank_sum - positives * (positives + 1.0) / 2.0) / (positives * negatives))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_pairs_in_the_right_order() {
        // Scores of class 1: 0, 1, 1, 2 with classes 0, 0, 1, 1: of four pairs three are right and one is tied.
        let binary = Predictions {
            width: 2,
            outputs: vec![0., 0., 0., 1., 0., 1., 0., 2.],
            classes: vec![0, 0, 1, 1],
            ..Predictions::default()
        };
        assert_eq!(RocAuc.compute(&binary), Some(3.5 / 4.0));
    }

    #[test]
    fn one_class_alone_has_no_area() {
        let only =
            Predictions { width: 2, outputs: vec![0., 1.], classes: vec![1], ..Predictions::default() };
        assert_eq!(RocAuc.compute(&only), None);
    }
}
