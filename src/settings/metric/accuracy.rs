//! Accuracy.

use super::{Metric, Predictions};
use crate::types::TargetKind;

/// Share of items whose class has the highest output.
pub struct Accuracy;

impl Metric for Accuracy {
    fn name(&self) -> &'static str {
        "accuracy"
    }

    fn doc(&self) -> &'static str {
        "Share of items whose class has the highest output."
    }

    fn applies_to(&self) -> TargetKind {
        TargetKind::Classification
    }

    fn higher_is_better(&self) -> bool {
        true
    }

    fn compute(&self, predictions: &Predictions) -> Option<f64> {
        let n_items = predictions.classes.len();
        let right =
            predictions.classes.iter().zip(predictions.predicted_classes()).filter(|(a, b)| *a == b).count();
        (n_items > 0).then(|| right as f64 / n_items as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use super::*;

    #[test]
    fn counts_right_classes() {
        assert_eq!(Accuracy.compute(&three_classes()), Some(4.0 / 5.0));
        assert_eq!(Accuracy.compute(&Predictions::default()), None);
    }
}
