//! Coefficient of determination.

use super::{Metric, Predictions};
use crate::types::TargetKind;

/// Share of the variance that is explained, R²; the mean over the values of a target.
pub struct R2;

impl Metric for R2 {
    fn name(&self) -> &'static str {
        "r2"
    }

    fn doc(&self) -> &'static str {
        "Share of the variance that is explained, R²; the mean over the values of a target."
    }

    fn applies_to(&self) -> TargetKind {
        TargetKind::Regression
    }

    fn higher_is_better(&self) -> bool {
        true
    }

    fn compute(&self, predictions: &Predictions) -> Option<f64> {
        let width = predictions.width;
        let scores: Vec<f64> = (0..width)
            .filter_map(|column| {
                let values: Vec<f64> = predictions
                    .values
                    .iter()
                    .skip(column)
                    .step_by(width)
                    .map(|value| f64::from(*value))
                    .collect();
                let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
                let spread: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
                let residual: f64 =
                    predictions.errors().skip(column).step_by(width).map(|error| error * error).sum();
                // A constant target has no variance to explain.
                (spread > 0.0).then(|| 1.0 - residual / spread)
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
    fn compares_with_the_mean() {
        // Residuals 0, 1, 4 against the spread 1, 1, 0 of the values 1, 3, 2.
        assert_eq!(R2.compute(&values()), Some(1.0 - 5.0 / 2.0));
    }
}
