//! Wilcoxon's signed-rank test.

use super::standard_normal;
use statrs::distribution::ContinuousCDF;

/// Most differences whose distribution is counted out.
const EXACT: usize = 50;

/// Wilcoxon's signed-rank test of paired differences: whether they lie around 0. Wilcoxon 1945; Demšar 2006 recommends it for two
/// classifiers on several data sets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wilcoxon {
    /// Differences that are not 0.
    pub n: usize,
    /// Sum of the ranks of positive differences.
    pub rank_sum: f64,
    /// On both sides; exact up to 50 differences without ties, else by the normal distribution with the correction for ties.
    pub p: f64,
    /// The matched-pairs rank-biserial correlation, from -1 to 1: the share of ranks that speak for, less those against.
    pub effect: f64,
}

/// `None` where no difference is other than 0.
pub fn wilcoxon(differences: &[f64]) -> Option<Wilcoxon> {
    let mut other: Vec<f64> = differences.iter().copied().filter(|difference| *difference != 0.0).collect();
    other.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let n = other.len();
    if n == 0 {
        return None;
    }
    let (mut rank_sum, mut ties, mut first) = (0.0, 0.0, 0);
    for equal in other.chunk_by(|a, b| a.abs() == b.abs()) {
        // Equal differences share the mean of their ranks, which are counted from 1.
        let rank = first as f64 + (equal.len() + 1) as f64 / 2.0;
        rank_sum += rank * equal.iter().filter(|difference| **difference > 0.0).count() as f64;
        let size = equal.len() as f64;
        ties += size * size * size - size;
        first += equal.len();
    }
    let total = (n * (n + 1)) as f64 / 2.0;
    let p = if n <= EXACT && ties == 0.0 { exact(n, rank_sum) } else { by_normal(n, rank_sum, ties) };
    Some(Wilcoxon { n, rank_sum, p, effect: (2.0 * rank_sum - total) / total })
}

/// The chance of a sum as far from the middle, when each rank is positive or negative with equal chances.
fn exact(n: usize, rank_sum: f64) -> f64 {
    let total = n * (n + 1) / 2;
    // How many of the choices of signs have each sum, as shares.
    let mut shares = vec![0.0f64; total + 1];
    shares[0] = 1.0;
    for rank in 1..=n {
        for sum in (0..=total).rev() {
            let with = if sum >= rank { shares[sum - rank] } else { 0.0 };
            shares[sum] = (shares[sum] + with) / 2.0;
        }
    }
    let least = (rank_sum as usize).min(total - rank_sum as usize);
    (2.0 * shares[..=least].iter().sum::<f64>()).min(1.0)
}

fn by_normal(n: usize, rank_sum: f64, ties: f64) -> f64 {
    let n = n as f64;
    let middle = n * (n + 1.0) / 4.0;
    let variance = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - ties / 48.0;
    // Half a rank nearer: sums are whole or half numbers.
    let z = ((rank_sum - middle).abs() - 0.5).max(0.0) / variance.sqrt();
    (2.0 * standard_normal().cdf(-z)).min(1.0)
}
