//! Sums whose bits do not depend on the order of their terms, for the values that a choice rests on.
//!
//! A node's neighbours stand in the order of the numbering, and so do the rows of a graph; floating-point sums over
//! them differ by a rounding when nodes are renumbered. Where values only flow on, that is noise. Where rows are
//! sorted or selected by them, equal rows would stop being equal, and another choice is made.
//!
//! [`Summation::Reproducible`] rounds the terms of a sum to multiples of one power of two, chosen by the largest of
//! them and by their number so that f64 adds such multiples without another rounding: any order gives the same bits.
//! The method is that of Demmel and Nguyen 2013, "Fast Reproducible Floating-Point Summation", with one level, because
//! f64 has bits to spare for terms of f32.

use super::float::Float;
use std::cell::Cell;

/// How sums over rows that the numbering orders are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Summation {
    /// One after another, in the order of the rows.
    #[default]
    Sequential,
    /// With the same bits in any order.
    Reproducible,
}

thread_local! {
    static CURRENT: Cell<Summation> = const { Cell::new(Summation::Sequential) };
}

impl Summation {
    /// Runs `f`, whose forward kernels on this thread then sum in this way. Gradients choose nothing, so a backward
    /// pass is run outside of it.
    pub fn during<R>(self, f: impl FnOnce() -> R) -> R {
        struct Restore(Summation);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.set(self.0);
            }
        }
        let _restore = Restore(CURRENT.replace(self));
        f()
    }

    /// What the kernels that this thread starts have to do.
    pub(crate) fn current() -> Self {
        CURRENT.get()
    }

    pub(crate) fn is_reproducible(self) -> bool {
        self == Summation::Reproducible
    }
}

/// Adding and taking away this number rounds a term to the grid that `n_terms` of at most `largest` are added on
/// without rounding; 0, which rounds nothing, where that is not needed or `largest` is infinite.
///
/// With `2ᵐ ≥ 2 n_terms · largest`, a term plus `1.5 · 2ᵐ` lies in `[2ᵐ, 2ᵐ⁺¹)` and so is a multiple of `2ᵐ⁻⁵²`; sums
/// of all such terms stay below `2ᵐ`, where every multiple has a place.
#[inline(always)]
fn grid(largest: f64, n_terms: usize) -> f64 {
    const HIGHEST: i64 = 1022;
    // A sum of two is the same both ways.
    if n_terms <= 2 {
        return 0.0;
    }
    let exponent = ((largest.to_bits() >> 52) & 0x7ff) as i64 - 1023;
    let bits_of_count = i64::from(usize::BITS - (n_terms - 1).leading_zeros());
    let m = exponent + 2 + bits_of_count;
    if m > HIGHEST { 0.0 } else { 1.5 * f64::from_bits(((m.max(-HIGHEST) + 1023) as u64) << 52) }
}

/// `sums_c = Σ_i weight_i · row_ic` over `n_terms` rows, the same bits in any order of the rows.
///
/// Products of f32 are exact in f64. With terms near the largest f64, the sum is one in the given order.
#[inline(always)]
pub(crate) fn sum_rows<'a, T: Float>(
    n_terms: usize,
    rows: impl Iterator<Item = (T, &'a [T])> + Clone,
    grids: &mut [f64],
    sums: &mut [f64],
) {
    grids.fill(0.0);
    sums.fill(0.0);
    if n_terms > 2 {
        for (weight, row) in rows.clone() {
            for (largest, &x) in grids.iter_mut().zip(row) {
                let size = (weight.wide() * x.wide()).abs();
                *largest = if size > *largest { size } else { *largest };
            }
        }
        for largest in grids.iter_mut() {
            *largest = grid(*largest, n_terms);
        }
    }
    for (weight, row) in rows {
        for ((sum, &grid), &x) in sums.iter_mut().zip(grids.iter()).zip(row) {
            *sum += (weight.wide() * x.wide() + grid) - grid;
        }
    }
}

/// `Σ terms`, the same bits in any order.
#[inline(always)]
pub(crate) fn sum(terms: impl Iterator<Item = f64> + Clone) -> f64 {
    let (mut n_terms, mut largest) = (0, 0.0f64);
    for term in terms.clone() {
        n_terms += 1;
        largest = if term.abs() > largest { term.abs() } else { largest };
    }
    let grid = grid(largest, n_terms);
    terms.fold(0.0, |sum, term| sum + ((term + grid) - grid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::seq::SliceRandom;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Terms over many magnitudes, whose sequential sums differ with the order.
    fn terms(n: usize, seed: u64) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..n).map(|_| rng.random_range(-1.0..1.0f64) * 10f64.powi(rng.random_range(-12..3))).collect()
    }

    #[test]
    fn any_order_gives_the_same_bits() {
        for (n, seed) in [(3, 1), (4, 2), (5, 3), (64, 4), (65, 5), (5000, 6)] {
            let mut terms = terms(n, seed);
            let first = sum(terms.iter().copied());
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            for _ in 0..20 {
                terms.shuffle(&mut rng);
                assert_eq!(sum(terms.iter().copied()).to_bits(), first.to_bits(), "{n} terms");
            }
        }
        let mut terms = terms(5000, 6);
        let first: f64 = terms.iter().sum();
        terms.reverse();
        assert_ne!(terms.iter().sum::<f64>(), first, "the terms would not tell orders apart");
    }

    #[test]
    fn rows_are_summed_column_by_column_in_any_order() {
        let values: Vec<f32> = terms(7 * 40, 8).iter().map(|&x| x as f32).collect();
        let weights: Vec<f32> = terms(40, 9).iter().map(|&x| x as f32).collect();
        let run = |order: &[usize]| {
            let (mut grids, mut sums) = ([0.0; 7], [0.0; 7]);
            let rows = order.iter().map(|&i| (weights[i], &values[i * 7..][..7]));
            sum_rows(order.len(), rows, &mut grids, &mut sums);
            sums
        };
        let mut order: Vec<usize> = (0..40).collect();
        let first = run(&order);
        for c in 0..7 {
            let exact: f64 = order.iter().map(|&i| weights[i] as f64 * values[i * 7 + c] as f64).sum();
            assert!((first[c] - exact).abs() < 1e-12 * 5000.0, "{} for {exact}", first[c]);
        }
        order.reverse();
        assert_eq!(run(&order).map(f64::to_bits), first.map(f64::to_bits));
    }

    #[test]
    fn tiny_huge_and_infinite_terms_are_summed_as_f64_sums_them() {
        let tiny = 2f64.powi(-1000);
        assert_eq!(sum([tiny, tiny, tiny].into_iter()), 3.0 * tiny);
        assert_eq!(sum([1e308, -1e308, 1e300].into_iter()), 1e300);
        assert_eq!(sum([1.0, f64::INFINITY, 2.0].into_iter()), f64::INFINITY);
        assert!(sum([1.0, f64::NAN, 2.0].into_iter()).is_nan());
        assert!(sum([f64::INFINITY, 1.0, f64::NEG_INFINITY].into_iter()).is_nan());
        assert_eq!(sum(std::iter::empty()), 0.0);
    }

    #[test]
    fn a_summation_holds_as_long_as_it_runs() {
        assert_eq!(Summation::current(), Summation::Sequential);
        Summation::Reproducible.during(|| {
            assert!(Summation::current().is_reproducible());
            Summation::Sequential.during(|| assert!(!Summation::current().is_reproducible()));
            assert!(Summation::current().is_reproducible());
        });
        assert_eq!(Summation::current(), Summation::Sequential);
    }
}
