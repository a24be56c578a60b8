//! Mean absolute error.

use super::{Metric, Predictions};
use crate::types::TargetKind;

/// Mean absolute error.
pub struct Mae;

impl Metric for Mae {
    fn name(&self) -> &'static str {
        "mae"
    }

    fn doc(&self) -> &'static str {
        "Mean absolute error."
    }

    fn applies_to(&self) -> TargetKind {
        TargetKind::Regression
    }

    fn higher_is_better(&self) -> bool {
        false
    }

    fn compute(&self, predictions: &Predictions) -> Option<f64> {
        let n_values = predictions.values.len();
        (n_values > 0).then(|| predictions.errors().map(f64::abs).sum::<f64>() / n_values as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use super::*;

    #[test]
    fn averages_distances() {
        assert_eq!(Mae.compute(&values()), Some(1.0));
        assert_eq!(Mae.compute(&Predictions::default()), None);
    }
}
