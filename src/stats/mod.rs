//! What figures of several runs say: intervals for a mean, and tests for paired differences that fit folds, whose training parts overlap.

mod signs;
mod wilcoxon;

pub use signs::{SignPosterior, sign_posterior};
pub use wilcoxon::{Wilcoxon, wilcoxon};

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// Mean and sample standard deviation; no deviation of one value.
///
/// # Panics
/// Without values.
pub fn mean_and_deviation(values: &[f64]) -> (f64, Option<f64>) {
    assert!(!values.is_empty(), "there is no mean of nothing");
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt()))
}

/// The mean of paired differences over folds, with Nadeau and Bengio's correction.
///
/// Differences of folds are not independent, because their training parts overlap, and the plain t test finds differences that are
/// none. The variance of the mean is taken as `(1/n + n_test/n_train) s²` in place of `s²/n`. Nadeau and Bengio 2003, "Inference for the
/// Generalization Error"; Bouckaert and Frank 2004 recommend it for repeated cross-validation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CorrectedT {
    pub mean: f64,
    /// Sample standard deviation of the differences.
    pub deviation: f64,
    /// Of the mean, 95 %.
    pub interval: [f64; 2],
    pub t: f64,
    pub degrees_of_freedom: usize,
    /// Of a mean as far from 0 or farther, on both sides.
    pub p: f64,
}

/// `test_share` is the number of test items by that of training items, a mean over folds. `None` of fewer than two values.
pub fn corrected_t(values: &[f64], test_share: f64) -> Option<CorrectedT> {
    let (mean, deviation) = if values.is_empty() { return None } else { mean_and_deviation(values) };
    let deviation = deviation?;
    let n = values.len();
    let error = ((1.0 / n as f64 + test_share).max(0.0)).sqrt() * deviation;
    let distribution = StudentsT::new(0.0, 1.0, (n - 1) as f64).ok()?;
    let half = distribution.inverse_cdf(0.975) * error;
    // Differences that are all alike: either none, or one that nothing speaks against.
    let t = match error == 0.0 {
        true if mean == 0.0 => 0.0,
        true => mean.signum() * f64::INFINITY,
        false => mean / error,
    };
    let p = if t.is_infinite() { 0.0 } else { 2.0 * distribution.cdf(-t.abs()) };
    Some(CorrectedT {
        mean,
        deviation,
        interval: [mean - half, mean + half],
        t,
        degrees_of_freedom: n - 1,
        p,
    })
}

/// Wilson's 95 % interval of a share of `n` items, as accuracy is one. Wilson 1927.
pub fn wilson(share: f64, n: usize) -> [f64; 2] {
    let z = standard_normal().inverse_cdf(0.975);
    let n = n as f64;
    let middle = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    // At the ends rounding would lead beyond them.
    [(middle - half).clamp(0.0, 1.0), (middle + half).clamp(0.0, 1.0)]
}

/// Holm's adjustment of several p values, which may then each be held against the level. Holm 1979.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![0.0; p.len()];
    let mut largest: f64 = 0.0;
    for (rank, &idx) in order.iter().enumerate() {
        largest = largest.max((p.len() - rank) as f64 * p[idx]).min(1.0);
        adjusted[idx] = largest;
    }
    adjusted
}

fn standard_normal() -> Normal {
    Normal::new(0.0, 1.0).expect("a deviation of 1")
}

#[cfg(test)]
mod tests;
