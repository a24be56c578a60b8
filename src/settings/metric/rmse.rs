//! Root mean squared error.

use super::{Metric, Predictions};
use crate::types::TargetKind;

/// Root of the mean squared error.
pub struct Rmse;

impl Metric for Rmse {
    fn name(&self) -> &'static str {
        "rmse"
    }

    fn doc(&self) -> &'static str {
        "Root of the mean squared error."
    }

    fn applies_to(&self) -> TargetKind {
        TargetKind::Regression
    }

    fn higher_is_better(&self) -> bool {
        false
    }

    fn compute(&self, predictions: &Predictions) -> Option<f64> {
        let n_values = predictions.values.len();
        (n_values > 0)
            .then(|| (predictions.errors().map(|error| error * error).sum::<f64>() / n_values as f64).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use super::*;

    #[test]
    fn averages_squares() {
        assert!((Rmse.compute(&values()).unwrap() - (5.0f64 / 3.0).sqrt()).abs() < 1e-12);
    }
}
