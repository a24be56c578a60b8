//! Balanced accuracy: the mean recall.

use super::{Metric, Predictions};
use crate::types::TargetKind;

/// Balanced accuracy: the mean recall of the classes that occur.
pub struct BalancedAccuracy;

impl Metric for BalancedAccuracy {
    fn name(&self) -> &'static str {
        "balanced_accuracy"
    }

    fn doc(&self) -> &'static str {
        "Balanced accuracy: the mean recall of the classes that occur."
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

    fn compute(&self, predictions: &Predictions) -> Option<f64> {
        let (width, counts) = (predictions.width, predictions.confusion());
        let recalls: Vec<f64> = (0..width)
            .filter_map(|class| {
                let present: u64 = counts[class * width..][..width].iter().sum();
                (present > 0).then(|| counts[class * width + class] as f64 / present as f64)
            })
            .collect();
        (!recalls.is_empty()).then(|| recalls.iter().sum::<f64>() / recalls.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use super::*;

    #[test]
    fn a_small_class_weighs_as_much_as_a_large_one() {
        let expected = (1.0 + 2.0 / 3.0 + 1.0) / 3.0;
        assert!((BalancedAccuracy.compute(&three_classes()).unwrap() - expected).abs() < 1e-12);
    }
}
