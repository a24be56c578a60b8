//! Sequential minimal optimisation for support vector machines on a Gram matrix.
//!
//! It is written here because no crate of the registry has it so: `linfa-svm` and `smartcore` take rows of features and kernels of
//! their own alone, and what binds to LIBSVM or ports it takes a matrix as lists of numbered entries, copied anew for each part,
//! pair of classes and `C`. Here all of these read one matrix in place.

use super::matrix::Gram;

/// Two classes of graphs to be told apart.
pub(super) struct Problem<'a> {
    pub gram: &'a Gram,
    /// Rows of the matrix.
    pub items: &'a [u32],
    /// 1 or -1 of each item.
    pub signs: &'a [f64],
    pub c: f64,
    pub tolerance: f64,
}

/// `Σ_i coefficients_i k(x_i, x) + bias` is positive for items of sign 1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Solution {
    /// `α_i y_i` of each item.
    pub coefficients: Vec<f64>,
    pub bias: f64,
    /// Whether the conditions of the optimum hold up to the tolerance.
    pub is_optimal: bool,
}

/// What a curvature that is not positive counts as: rounding makes some of equal rows negative.
const FLAT: f64 = 1e-12;

/// Steps after which a problem is given up as it is, for each item and at least.
const STEPS_PER_ITEM: usize = 1_000;
const LEAST_STEPS: usize = 1_000_000;

impl Problem<'_> {
    /// Working sets by second order (Fan et al. 2005, WSS 2): the pair that misses its condition most, then the partner that lowers
    /// the objective most; of equal ones the last, as in LIBSVM.
    pub fn solve(&self) -> Solution {
        let n = self.items.len();
        let (y, c) = (self.signs, self.c);
        let row = |i: usize| self.gram.row(self.items[i]);
        let square = |i: usize| row(i)[self.items[i] as usize];
        let squares: Vec<f64> = (0..n).map(square).collect();
        let mut alphas = vec![0.0; n];
        // Of ½ αᵀQα - Σα, with Q_ij = y_i y_j k_ij.
        let mut gradient = vec![-1.0; n];
        let mut is_optimal = false;
        for _ in 0..LEAST_STEPS.max(n.saturating_mul(STEPS_PER_ITEM)) {
            let Some((i, j)) = self.working_set(&alphas, &gradient, &squares) else {
                is_optimal = true;
                break;
            };
            let (of_i, of_j) = (row(i), row(j));
            let k_ij = of_i[self.items[j] as usize];
            let mut curvature = squares[i] + squares[j] - 2.0 * k_ij;
            if curvature <= 0.0 {
                curvature = FLAT;
            }
            let (old_i, old_j) = (alphas[i], alphas[j]);
            let (mut new_i, mut new_j);
            if y[i] == y[j] {
                let step = (gradient[i] - gradient[j]) / curvature;
                let sum = old_i + old_j;
                (new_i, new_j) = (old_i - step, old_j + step);
                if sum > c {
                    if new_i > c {
                        (new_i, new_j) = (c, sum - c);
                    }
                    if new_j > c {
                        (new_i, new_j) = (sum - c, c);
                    }
                } else {
                    if new_j < 0.0 {
                        (new_i, new_j) = (sum, 0.0);
                    }
                    if new_i < 0.0 {
                        (new_i, new_j) = (0.0, sum);
                    }
                }
            } else {
                let step = (-gradient[i] - gradient[j]) / curvature;
                let difference = old_i - old_j;
                (new_i, new_j) = (old_i + step, old_j + step);
                if difference > 0.0 {
                    if new_j < 0.0 {
                        (new_i, new_j) = (difference, 0.0);
                    }
                    if new_i > c {
                        (new_i, new_j) = (c, c - difference);
                    }
                } else {
                    if new_i < 0.0 {
                        (new_i, new_j) = (0.0, -difference);
                    }
                    if new_j > c {
                        (new_i, new_j) = (c + difference, c);
                    }
                }
            }
            (alphas[i], alphas[j]) = (new_i, new_j);
            let (moved_i, moved_j) = ((new_i - old_i) * y[i], (new_j - old_j) * y[j]);
            for ((gradient, &sign), &item) in gradient.iter_mut().zip(y).zip(self.items) {
                *gradient += sign * (of_i[item as usize] * moved_i + of_j[item as usize] * moved_j);
            }
        }
        let bias = -self.offset(&alphas, &gradient);
        let coefficients = alphas.iter().zip(y).map(|(alpha, sign)| alpha * sign).collect();
        Solution { coefficients, bias, is_optimal }
    }

    /// The two items to move; `None` at the optimum.
    fn working_set(&self, alphas: &[f64], gradient: &[f64], squares: &[f64]) -> Option<(usize, usize)> {
        let (y, c) = (self.signs, self.c);
        let can_rise = |t: usize| if y[t] > 0.0 { alphas[t] < c } else { alphas[t] > 0.0 };
        let can_fall = |t: usize| if y[t] > 0.0 { alphas[t] > 0.0 } else { alphas[t] < c };
        let (mut most, mut first) = (f64::NEG_INFINITY, None);
        for t in 0..self.items.len() {
            let value = -y[t] * gradient[t];
            if can_rise(t) && value >= most {
                (most, first) = (value, Some(t));
            }
        }
        let i = first?;
        let of_i = self.gram.row(self.items[i]);
        let (mut least, mut best, mut second) = (f64::INFINITY, f64::INFINITY, None);
        for t in 0..self.items.len() {
            if !can_fall(t) {
                continue;
            }
            let value = -y[t] * gradient[t];
            least = least.min(value);
            let gap = most - value;
            if gap > 0.0 {
                let curvature = squares[i] + squares[t] - 2.0 * of_i[self.items[t] as usize];
                let gain = -(gap * gap) / if curvature > 0.0 { curvature } else { FLAT };
                if gain <= best {
                    (best, second) = (gain, Some(t));
                }
            }
        }
        if most - least < self.tolerance { None } else { Some((i, second?)) }
    }

    /// What the decision of items inside the bounds is without its bias, beyond their sign.
    fn offset(&self, alphas: &[f64], gradient: &[f64]) -> f64 {
        let (mut upper, mut lower) = (f64::INFINITY, f64::NEG_INFINITY);
        let (mut n_free, mut sum) = (0usize, 0.0);
        for ((&alpha, &gradient), &sign) in alphas.iter().zip(gradient).zip(self.signs) {
            let value = sign * gradient;
            if alpha > 0.0 && alpha < self.c {
                n_free += 1;
                sum += value;
            } else if (alpha >= self.c) == (sign > 0.0) {
                lower = lower.max(value);
            } else {
                upper = upper.min(value);
            }
        }
        if n_free > 0 { sum / n_free as f64 } else { (upper + lower) / 2.0 }
    }
}
