//! Draws from gamma distributions with gradients through the draw.

use super::custom::{Kernel, apply1, plain2, where_needed};
use super::float::Float;
use super::parallel::fill_elements;
use super::tape::Reads;
use crate::program::special::{ln_gamma, polygamma};
use candle_core::{Result, Shape, Tensor};

/// Of each number `a > 0` the logarithm of a draw from the gamma distribution of shape `a` and rate 1, or `ln a`, the logarithm
/// of its mean, without a seed. Quotients of such draws are draws from beta and Dirichlet distributions.
///
/// A draw is where the distribution function has a random value, which depends on `seed` and the place alone; so it has a
/// derivative by `a`, and the gradient of a mean over draws is the mean of their gradients.
///
/// Paper: Figurnov et al. 2018, "Implicit Reparameterization Gradients", eq. 6.
///
/// # Errors
/// Where the type is neither f32 nor f64.
pub fn ln_gamma_draws(a: &Tensor, seed: Option<u64>) -> Result<Tensor> {
    apply1(Draws { seed }, a)
}

struct Draws {
    seed: Option<u64>,
}

impl Kernel<1> for Draws {
    fn name(&self) -> &'static str {
        "gamma_draws"
    }
    fn forward<T: Float>(&self, [a]: [&[T]; 1], [shape]: [&Shape; 1]) -> Result<(Vec<T>, Shape)> {
        // SAFETY: every number is written.
        let out = unsafe {
            fill_elements(a.len(), a.len() * COST, |range, out: &mut [T]| {
                for (place, to) in range.zip(out) {
                    let a = a[place].wide();
                    *to = T::of(match self.seed {
                        Some(seed) => ln_quantile(a, uniform(seed, place as u64)),
                        None => a.ln(),
                    });
                }
            })
        };
        Ok((out, shape.clone()))
    }
    fn reads(&self) -> Reads {
        Reads::ALL
    }
    fn backward(&self, [a]: [&Tensor; 1], result: &Tensor, grad: &Tensor) -> Result<[Option<Tensor>; 1]> {
        Ok([where_needed(a, || {
            let slope = plain2(Slope { is_drawn: self.seed.is_some() }, [a, result])?;
            plain2(Product, [&slope, grad])
        })?])
    }
}

/// How the logarithm of a draw changes with the shape.
struct Slope {
    is_drawn: bool,
}

impl Kernel<2> for Slope {
    fn name(&self) -> &'static str {
        "gamma_slopes"
    }
    fn forward<T: Float>(&self, [a, t]: [&[T]; 2], [shape, _]: [&Shape; 2]) -> Result<(Vec<T>, Shape)> {
        // SAFETY: every number is written.
        let out = unsafe {
            fill_elements(a.len(), a.len() * COST, |range, out: &mut [T]| {
                for (place, to) in range.zip(out) {
                    let a = a[place].wide();
                    *to = T::of(if self.is_drawn { ln_slope(a, t[place].wide()) } else { 1.0 / a });
                }
            })
        };
        Ok((out, shape.clone()))
    }
}

struct Product;

impl Kernel<2> for Product {
    fn name(&self) -> &'static str {
        "product"
    }
    fn forward<T: Float>(&self, [a, b]: [&[T]; 2], [shape, _]: [&Shape; 2]) -> Result<(Vec<T>, Shape)> {
        Ok((a.iter().zip(b).map(|(&a, &b)| a * b).collect(), shape.clone()))
    }
}

/// About how many numbers as cheap as a product one draw costs.
const COST: usize = 2000;

/// In (0, 1), away from both ends by 2⁻³³.
fn uniform(seed: u64, place: u64) -> f64 {
    let mix = super::dropout::mix_64;
    let random = mix(seed ^ mix(place.wrapping_add(0x9e37_79b9_7f4a_7c15)));
    ((random >> 32) as f64 + 0.5) / (1u64 << 32) as f64
}

/// `M = Σ_n xⁿ / ((a + 1) … (a + n))`, with which `P(a, x) = xᵃ e⁻ˣ M / Γ(a + 1)`, and its derivative by `a`.
fn series(a: f64, x: f64) -> [f64; 2] {
    let (mut term, mut sum, mut slope, mut harmonic) = (1.0, 1.0, 0.0, 0.0);
    let mut n = 1.0;
    loop {
        term *= x / (a + n);
        harmonic += 1.0 / (a + n);
        sum += term;
        slope -= term * harmonic;
        // Terms fall by more and more from where `a + n` is above `x`.
        if a + n > x && term < 1e-17 * sum {
            return [sum, slope];
        }
        n += 1.0;
    }
}

/// `ln x` where `P(a, x) = u`: a concave function of `ln x`, so that Newton's steps from below stay below.
fn ln_quantile(a: f64, u: f64) -> f64 {
    let (whole, wanted) = (ln_gamma(a + 1.0), u.ln());
    // Here `e⁻ˣ M ≤ 1` puts the value below.
    let mut t = (wanted + whole) / a;
    for _ in 0..100 {
        let x = t.exp();
        let [m, _] = series(a, x);
        let value = a * t - x - whole + m.ln() - wanted;
        let step = -value * m / a;
        t += step;
        if step.abs() <= 1e-14 * t.abs().max(1.0) {
            break;
        }
    }
    t
}

/// `d ln x / d a` where `P(a, x)` stays the same.
fn ln_slope(a: f64, t: f64) -> f64 {
    let [m, by_a] = series(a, t.exp());
    -(m * (t - polygamma(0, a + 1.0)) + by_a) / a
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testkit::assert_gradients;
    use candle_core::Device;

    #[test]
    fn draws_have_the_mean_and_the_variance_of_their_distribution() {
        for a in [0.05, 0.7, 1.0, 4.0, 90.0, 800.0] {
            let n = 20_000;
            let shapes = Tensor::from_vec(vec![a; n], n, &Device::Cpu).unwrap();
            let draws: Vec<f64> = ln_gamma_draws(&shapes, Some(3)).unwrap().to_vec1().unwrap();
            let draws: Vec<f64> = draws.into_iter().map(f64::exp).collect();
            let mean = draws.iter().sum::<f64>() / n as f64;
            let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
            // Five deviations of the mean; of the variance, whose own spread grows as `a` falls.
            assert!((mean - a).abs() < 5.0 * (a / n as f64).sqrt(), "{a}: {mean}");
            let spread = ((2.0 * a * a + 6.0 * a) / n as f64).sqrt();
            assert!((variance - a).abs() < 6.0 * spread, "{a}: {variance}");
        }
    }

    #[test]
    fn values_of_the_distribution_function_are_met() {
        // P(1, x) = 1 − e⁻ˣ, P(2, x) = 1 − (1 + x) e⁻ˣ.
        for u in [1e-9, 0.01, 0.5, 0.99, 1.0 - 1e-9] {
            let x = ln_quantile(1.0, u).exp();
            assert!((1.0 - (-x).exp() - u).abs() < 1e-12, "{u}");
            let x = ln_quantile(2.0, u).exp();
            assert!((1.0 - (1.0 + x) * (-x).exp() - u).abs() < 1e-12, "{u}");
        }
        // Of a small shape nearly all mass is near 0, beyond what `x` itself could hold.
        assert!((ln_quantile(1e-3, 0.5) - (0.5f64.ln() + ln_gamma(1.001)) / 1e-3).abs() < 1e-9);
    }

    #[test]
    fn gradients_match_finite_differences() {
        let shapes = Tensor::new(&[[0.3f64, 1.0, 2.5], [7.0, 0.8, 30.0]], &Device::Cpu).unwrap();
        for seed in [None, Some(1), Some(2)] {
            assert_gradients(|args| ln_gamma_draws(&args[0], seed), std::slice::from_ref(&shapes));
        }
    }

    /// The mean of a beta distribution of `a` and `b` is `a / (a + b)`, its slope by `a` is `b / (a + b)²`.
    #[test]
    fn the_mean_of_gradients_is_the_gradient_of_the_mean() {
        let (a, b, n) = (0.9, 2.3, 40_000);
        let draw = |shape: f64, place: u64| ln_quantile(shape, uniform(17, place));
        let mut sum = 0.0;
        for place in 0..n {
            let (ga, gb) = (draw(a, 2 * place), draw(b, 2 * place + 1));
            let z = 1.0 / (1.0 + (gb - ga).exp());
            sum += z * (1.0 - z) * ln_slope(a, ga);
        }
        let (mean, expected) = (sum / n as f64, b / (a + b).powi(2));
        assert!((mean - expected).abs() < 0.01 * expected, "{mean}, not {expected}");
    }
}
