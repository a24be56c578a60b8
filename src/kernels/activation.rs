//! Elementwise functions, alone and on the way out of other kernels.

use super::device;
use super::float::{Float, View, by_dtype, finish, values};
use super::parallel::fill_elements;
use super::tape::{Reads, Recorded};
use crate::program::Fun;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use multiversion::multiversion;

/// An elementwise function that other kernels can compute on their way out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    Identity,
    Relu,
    LeakyRelu {
        slope: f64,
    },
    Elu {
        alpha: f64,
    },
    /// `x Φ(x)`, with the exact error function as `torch.nn.functional.gelu`.
    Gelu,
    Sigmoid,
    Tanh,
}

impl Activation {
    /// The function that follows a step of a program.
    ///
    /// # Panics
    /// Where it is none of those that stages are named after.
    pub(crate) fn of(f: Option<Fun>) -> Self {
        match f {
            None => Activation::Identity,
            Some(Fun::Relu) => Activation::Relu,
            Some(Fun::LeakyRelu(slope)) => Activation::LeakyRelu { slope },
            Some(Fun::Elu(alpha)) => Activation::Elu { alpha },
            Some(Fun::Gelu) => Activation::Gelu,
            Some(Fun::Sigmoid) => Activation::Sigmoid,
            Some(Fun::Tanh) => Activation::Tanh,
            Some(f) => unreachable!("`{}` is no activation", f.name()),
        }
    }

    /// Whether the derivative is a function of the result, so that a fused kernel need not keep what came in.
    pub(crate) fn is_known_by_result(self) -> bool {
        match self {
            Activation::Identity | Activation::Relu | Activation::Sigmoid | Activation::Tanh => true,
            Activation::LeakyRelu { slope } => slope >= 0.0,
            Activation::Elu { alpha } => alpha > 0.0,
            Activation::Gelu => false,
        }
    }

    /// What a kernel computes itself, and what has to be applied to its result.
    pub(crate) fn split(self) -> (Activation, Activation) {
        if self.is_known_by_result() { (self, Activation::Identity) } else { (Activation::Identity, self) }
    }
}

/// `act(x)`, elementwise.
///
/// # Errors
/// Where the type is not f32 or f64.
pub fn activate(x: &Tensor, act: Activation) -> Result<Tensor> {
    if act == Activation::Identity {
        return Ok(x.clone());
    }
    if device::is_elsewhere(x) {
        return device::composed::activate(x, act);
    }
    let reads = if act.is_known_by_result() { Reads::RESULT } else { Reads::ARGS };
    x.contiguous()?.recorded1(Activate(act), reads)
}

struct Activate(Activation);

impl CustomOp1 for Activate {
    fn name(&self) -> &'static str {
        "activate"
    }
    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_dtype!(x.dtype(), T => {
            let x = values::<T>(x, layout)?;
            // SAFETY: `apply_to` writes all of `out`.
            let out = unsafe {
                fill_elements(x.len(), x.len() * cost(self.0), |rows, out| apply_to(&x[rows], out, self.0))
            };
            Ok(finish(out, layout.shape()))
        })
    }
    fn bwd(&self, x: &Tensor, res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        by_dtype!(x.dtype(), T => {
            let g = View::<T>::new(&grad)?;
            let by_result = self.0.is_known_by_result();
            let (x_values, y) = (View::<T>::where_read(x, !by_result)?, View::<T>::where_read(res, by_result)?);
            // SAFETY: both functions write all of `out`.
            let dx = unsafe {
                fill_elements(g.len(), g.len() * cost(self.0), |rows, out| match self.0 {
                    act if act.is_known_by_result() => mask_to(&g[rows.clone()], &y[rows], out, act),
                    act => mask_by_input(&g[rows.clone()], &x_values[rows], out, act),
                })
            };
            Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
        })
    }
}

/// Elementary operations an element.
fn cost(act: Activation) -> usize {
    match act {
        Activation::Identity | Activation::Relu | Activation::LeakyRelu { .. } => 1,
        _ => 16,
    }
}

/// `out = act(x)`.
#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn apply_to<T: Float>(x: &[T], out: &mut [T], act: Activation) {
    let each = x.iter().zip(out);
    match act {
        Activation::Identity => each.for_each(|(&x, y)| *y = x),
        Activation::Relu => each.for_each(|(&x, y)| *y = relu(x)),
        Activation::LeakyRelu { slope } => {
            let slope = T::of(slope);
            each.for_each(|(&x, y)| *y = if x > T::ZERO { x } else { slope * x });
        }
        Activation::Elu { alpha } => {
            let alpha = T::of(alpha);
            each.for_each(|(&x, y)| *y = if x > T::ZERO { x } else { alpha * (x.exp() - T::ONE) });
        }
        Activation::Gelu => each.for_each(|(&x, y)| *y = x * normal_cdf(x)),
        Activation::Sigmoid => each.for_each(|(&x, y)| *y = T::ONE / (T::ONE + (-x).exp())),
        Activation::Tanh => each.for_each(|(&x, y)| *y = x.tanh()),
    }
}

/// A NaN stays NaN, so that a broken run is seen.
#[inline(always)]
fn relu<T: Float>(x: T) -> T {
    if x < T::ZERO { T::ZERO } else { x }
}

#[inline(always)]
fn normal_cdf<T: Float>(x: T) -> T {
    T::of(0.5) * (T::ONE + (x * T::of(std::f64::consts::FRAC_1_SQRT_2)).erf())
}

/// `values = act(values)`.
pub(crate) fn apply<T: Float>(values: &mut [T], act: Activation) {
    if act == Activation::Identity {
        return;
    }
    apply_in_place(values, act);
}

#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn apply_in_place<T: Float>(values: &mut [T], act: Activation) {
    let each = values.iter_mut();
    match act {
        Activation::Identity => {}
        Activation::Relu => each.for_each(|y| *y = relu(*y)),
        Activation::LeakyRelu { slope } => {
            let slope = T::of(slope);
            each.for_each(|y| *y = if *y > T::ZERO { *y } else { slope * *y });
        }
        Activation::Elu { alpha } => {
            let alpha = T::of(alpha);
            each.for_each(|y| *y = if *y > T::ZERO { *y } else { alpha * (y.exp() - T::ONE) });
        }
        Activation::Gelu => each.for_each(|y| *y = *y * normal_cdf(*y)),
        Activation::Sigmoid => each.for_each(|y| *y = T::ONE / (T::ONE + (-*y).exp())),
        Activation::Tanh => each.for_each(|y| *y = y.tanh()),
    }
}

/// `out = g · act′`, with the derivative taken from the result `y`.
#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
pub(crate) fn mask_to<T: Float>(g: &[T], y: &[T], out: &mut [T], act: Activation) {
    let each = g.iter().zip(y).zip(out);
    match act {
        Activation::Identity | Activation::Gelu => each.for_each(|((&g, _), out)| *out = g),
        Activation::Relu => {
            each.for_each(|((&g, &y), out)| *out = if y > T::ZERO { g } else { T::ZERO });
        }
        Activation::LeakyRelu { slope } => {
            let slope = T::of(slope);
            each.for_each(|((&g, &y), out)| *out = if y > T::ZERO { g } else { slope * g });
        }
        Activation::Elu { alpha } => {
            let alpha = T::of(alpha);
            each.for_each(|((&g, &y), out)| *out = if y > T::ZERO { g } else { g * (y + alpha) });
        }
        Activation::Sigmoid => each.for_each(|((&g, &y), out)| *out = g * y * (T::ONE - y)),
        Activation::Tanh => each.for_each(|((&g, &y), out)| *out = g * (T::ONE - y * y)),
    }
}

/// `out = g · act′(x)`, for the functions whose derivative the result does not tell.
fn mask_by_input<T: Float>(g: &[T], x: &[T], out: &mut [T], act: Activation) {
    let each = g.iter().zip(x).zip(out);
    match act {
        Activation::Gelu => {
            let scale = T::of((2.0 * std::f64::consts::PI).sqrt().recip());
            each.for_each(|((&g, &x), out)| {
                let density = scale * (T::of(-0.5) * x * x).exp();
                *out = g * (normal_cdf(x) + x * density);
            });
        }
        Activation::LeakyRelu { slope } => {
            let slope = T::of(slope);
            each.for_each(|((&g, &x), out)| *out = if x > T::ZERO { g } else { slope * g });
        }
        Activation::Elu { alpha } => {
            let alpha = T::of(alpha);
            each.for_each(|((&g, &x), out)| *out = if x > T::ZERO { g } else { g * alpha * x.exp() });
        }
        Activation::Identity | Activation::Relu | Activation::Sigmoid | Activation::Tanh => {
            unreachable!("the result tells these derivatives")
        }
    }
}

/// `g · act′` of a whole result, or `None` where that is `g` itself.
pub(crate) fn masked<T: Float>(g: &[T], y: &[T], act: Activation) -> Option<Vec<T>> {
    (act != Activation::Identity).then(|| {
        // SAFETY: `mask_to` writes all of `out`.
        unsafe { fill_elements(g.len(), g.len(), |rows, out| mask_to(&g[rows.clone()], &y[rows], out, act)) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::{Case, random};

    const ALL: &[Activation] = &[
        Activation::Identity,
        Activation::Relu,
        Activation::LeakyRelu { slope: 0.2 },
        Activation::LeakyRelu { slope: -0.5 },
        Activation::Elu { alpha: 1.5 },
        Activation::Elu { alpha: -1.0 },
        Activation::Gelu,
        Activation::Sigmoid,
        Activation::Tanh,
    ];

    #[test]
    fn every_function_has_its_values_and_gradient() {
        for &act in ALL {
            for shape in [[0, 3], [1, 1], [37, 5]] {
                Case::new(&[random(&shape, 3)], |x| activate(&x[0], act))
                    .equals(|x| x[0].map(|x| crate::kernels::reference::activation(x, act)));
            }
        }
    }

    #[test]
    fn a_broken_value_stays_visible() {
        for &act in ALL {
            let mut values = [f32::NAN];
            apply(&mut values, act);
            assert!(values[0].is_nan(), "{act:?}");
        }
    }
}
