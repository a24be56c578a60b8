//! Macro F1.

use super::{Metric, Predictions};
use crate::types::TargetKind;

/// Mean over the classes of F1, the harmonic mean of precision and recall.
pub struct MacroF1;

impl Metric for MacroF1 {
    fn name(&self) -> &'static str {
        "macro_f1"
    }

    fn doc(&self) -> &'static str {
        "Mean over the classes, or the labels of which an item can have several, of F1, the harmonic mean of precision and recall."
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
            return super::labels::macro_f1(predictions);
        }
        let (width, counts) = (predictions.width, predictions.confusion());
        // As in scikit-learn, a class that is neither present nor predicted has no part in the mean.
        let scores: Vec<f64> = (0..width)
            .filter_map(|class| {
                let hits = counts[class * width + class];
                let present: u64 = counts[class * width..][..width].iter().sum();
                let predicted: u64 = (0..width).map(|row| counts[row * width + class]).sum();
                (present + predicted > 0).then(|| 2.0 * hits as f64 / (present + predicted) as f64)
            })
            .collect();
        (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use super::*;

    #[test]
    fn averages_over_classes() {
        // F1 of the classes: 2·1/(1+2), 2·2/(3+2), 2·1/(1+1).
        let expected = (2.0 / 3.0 + 0.8 + 1.0) / 3.0;
        assert!((MacroF1.compute(&three_classes()).unwrap() - expected).abs() < 1e-12);
    }
}
