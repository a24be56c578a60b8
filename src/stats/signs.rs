//! The Bayesian sign test.

use crate::rng;
use rand_chacha::ChaCha8Rng;

/// How likely one of two models is better, worse, or as good for practical purposes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignPosterior {
    pub worse: f64,
    /// Within the region of practical equivalence.
    pub equal: f64,
    pub better: f64,
}

/// Draws from the posterior; their error is below 0.002.
const DRAWS: usize = 100_000;

/// The Bayesian sign test of paired differences: the chance that most differences on new data lie below, within, or above
/// `[-rope, rope]`, by a Dirichlet posterior whose prior is one observation within. Benavoli, Corani, Demšar and Zaffalon 2017, "Time for a
/// Change: a Tutorial for Comparing Multiple Classifiers Through Bayesian Analysis", section 4.2.1. The draws are the same every time.
pub fn sign_posterior(differences: &[f64], rope: f64) -> SignPosterior {
    let worse = differences.iter().filter(|difference| **difference < -rope).count() as f64;
    let better = differences.iter().filter(|difference| **difference > rope).count() as f64;
    let equal = differences.len() as f64 - worse - better + 1.0;
    let mut random = rng::generator(0, 0);
    let mut counts = [0usize; 3];
    for _ in 0..DRAWS {
        // A Dirichlet draw is a draw of gamma numbers by their sum, which the largest does not ask for.
        let draws = [worse, equal, better].map(|shape| gamma(&mut random, shape));
        let largest = (1..3).fold(0, |best, idx| if draws[idx] > draws[best] { idx } else { best });
        counts[largest] += 1;
    }
    let [worse, equal, better] = counts.map(|count| count as f64 / DRAWS as f64);
    SignPosterior { worse, equal, better }
}

/// A gamma number of a whole shape: the sum of so many exponential ones.
fn gamma(random: &mut ChaCha8Rng, shape: f64) -> f64 {
    // Logarithms of a few factors at a time.
    let mut product = 1.0f64;
    let mut sum = 0.0;
    for _ in 0..shape as usize {
        product *= 1.0 - rng::unit(random);
        if product < 1e-200 {
            sum -= product.ln();
            product = 1.0;
        }
    }
    sum - product.ln()
}
