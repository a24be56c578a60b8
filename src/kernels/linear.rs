//! Dense layers: product, bias and activation in one pass over the rows.

use super::activation::{Activation, activate, mask_to};
use super::device;
use super::float::{Float, View, by_dtype, finish, values};
use super::parallel::{Output, fill_rows, map_chunks, sum_partials};
use super::product::{Start, product, product_at, product_of_rows, transposed};
use super::summation::Summation;
use super::tape::{Reads, Recorded};
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail};
use multiversion::multiversion;

/// `act(x w + bias)`.
///
/// - `x`: `[N, I]`
/// - `w`: `[I, O]`
/// - `bias`: `[O]`
/// - result: `[N, O]`
///
/// # Errors
/// Where the shapes do not fit, or the type is neither f32 nor f64.
pub fn linear(x: &Tensor, w: &Tensor, bias: Option<&Tensor>, act: Activation) -> Result<Tensor> {
    let ((_, width), (n_in, n_out)) = (x.dims2()?, w.dims2()?);
    if width != n_in {
        bail!("`linear` got {width} features for a weight of shape [{n_in}, {n_out}]")
    }
    check_bias("linear", bias, n_out)?;
    if device::is_elsewhere(x) {
        if Summation::current().is_reproducible() {
            return match bias {
                Some(bias) => device::on_host([x, w, bias], |[x, w, bias]| linear(&x, &w, Some(&bias), act)),
                None => device::on_host([x, w], |[x, w]| linear(&x, &w, None, act)),
            };
        }
        return device::composed::linear(x, w, bias, act);
    }
    let (inside, after) = act.split();
    let (x, w) = (x.contiguous()?, w.contiguous()?);
    let reads = Reads::ARGS.with_result(inside != Activation::Identity);
    let y = match bias {
        Some(bias) => x.recorded3(&w, &bias.contiguous()?, Linear(inside), reads)?,
        None => x.recorded2(&w, Linear(inside), reads)?,
    };
    activate(&y, after)
}

pub(crate) fn check_bias(name: &str, bias: Option<&Tensor>, n_out: usize) -> Result<()> {
    match bias {
        Some(bias) if bias.dims() != [n_out] => {
            bail!("`{name}` has {n_out} outputs, but a bias of shape {:?}", bias.dims())
        }
        _ => Ok(()),
    }
}

struct Linear(Activation);

impl Linear {
    fn forward<T: Float>(
        &self,
        x: &[T],
        x_layout: &Layout,
        w: &[T],
        n_out: usize,
        bias: Option<&[T]>,
    ) -> Vec<T> {
        let (n_rows, n_in) = (x_layout.dims()[0], x_layout.dims()[1]);
        let summation = Summation::current();
        // SAFETY: the product writes all of `out`.
        unsafe {
            fill_rows(n_rows, n_out, n_rows * n_in * n_out / 8, |rows, out| {
                let start = bias.map_or(Start::Zero, Start::Bias);
                product_of_rows(
                    summation,
                    rows.len(),
                    n_in,
                    n_out,
                    &x[rows.start * n_in..],
                    w,
                    out,
                    start,
                    self.0,
                )
            })
        }
    }

    fn backward(
        &self,
        x: &Tensor,
        w: &Tensor,
        bias: Option<&Tensor>,
        res: &Tensor,
        grad: &Tensor,
    ) -> Result<Gradients> {
        let needs = Needs::of(x, w, bias);
        by_dtype!(x.dtype(), T => self.backward_typed::<T>(x, w, needs, res, grad))
    }

    fn backward_typed<T: Float>(
        &self,
        x: &Tensor,
        w: &Tensor,
        needs: Needs,
        res: &Tensor,
        grad: &Tensor,
    ) -> Result<Gradients> {
        let (n_rows, n_in) = x.dims2()?;
        let n_out = w.dim(1)?;
        let grad = grad.contiguous()?;
        let (x_values, w_values) = (View::<T>::new(x)?, View::<T>::new(w)?);
        let y = View::<T>::where_read(res, self.0 != Activation::Identity)?;
        let g = View::<T>::new(&grad)?;
        let w_transposed = if needs.x { transposed(&w_values, n_in, n_out) } else { Vec::new() };
        let dx = Output::new(if needs.x { n_rows } else { 0 }, n_in);
        let work = n_rows * n_in * n_out / 4;
        let partials = map_chunks(n_rows, work, |rows| {
            let mut masked = Vec::new();
            let g_rows = &g[rows.start * n_out..rows.end * n_out];
            let g_rows = match self.0 {
                Activation::Identity => g_rows,
                act => {
                    masked.resize(g_rows.len(), T::ZERO);
                    mask_to(g_rows, &y[rows.start * n_out..rows.end * n_out], &mut masked, act);
                    &masked
                }
            };
            let n = rows.len();
            if needs.x {
                // SAFETY: chunks are disjoint and the product writes all of the rows.
                let dx = unsafe { dx.rows(rows.clone()) };
                product(n, n_out, n_in, g_rows, &w_transposed, dx, Start::Zero, Activation::Identity);
            }
            let mut dw = vec![T::ZERO; if needs.w { n_in * n_out } else { 0 }];
            if needs.w {
                product_at(
                    n_in,
                    n,
                    n_out,
                    &x_values[rows.start * n_in..rows.end * n_in],
                    g_rows,
                    &mut dw,
                    false,
                );
            }
            let mut db = vec![0.0; if needs.bias { n_out } else { 0 }];
            if needs.bias {
                add_column_sums(g_rows, &mut db);
            }
            (dw, db)
        });
        let (dw, db) = partials.into_iter().unzip();
        // SAFETY: the chunks cover all rows.
        let dx = needs.x.then(|| unsafe { dx.finish() });
        Gradients::new(
            dx.map(|dx| Tensor::from_vec(dx, x.shape(), x.device())),
            needs.w.then(|| Tensor::from_vec(sum_partials::<T>(dw, n_in * n_out), w.shape(), w.device())),
            needs.bias.then(|| Tensor::from_vec(rounded::<T>(&sum_partials(db, n_out)), n_out, w.device())),
        )
    }
}

/// Which of a dense layer's inputs a gradient is wanted for.
#[derive(Clone, Copy)]
pub(crate) struct Needs {
    pub x: bool,
    pub w: bool,
    pub bias: bool,
}

impl Needs {
    pub fn of(x: &Tensor, w: &Tensor, bias: Option<&Tensor>) -> Self {
        Self { x: x.track_op(), w: w.track_op(), bias: bias.is_some_and(Tensor::track_op) }
    }
}

/// Gradients of a dense layer's inputs.
pub(crate) struct Gradients {
    pub x: Option<Tensor>,
    pub w: Option<Tensor>,
    pub bias: Option<Tensor>,
}

impl Gradients {
    pub fn new(
        x: Option<Result<Tensor>>,
        w: Option<Result<Tensor>>,
        bias: Option<Result<Tensor>>,
    ) -> Result<Self> {
        Ok(Self { x: x.transpose()?, w: w.transpose()?, bias: bias.transpose()? })
    }
}

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }
    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        w: &CpuStorage,
        wl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let n_out = wl.dims()[1];
        by_dtype!(x.dtype(), T => {
            let out = self.forward::<T>(values(x, xl)?, xl, values(w, wl)?, n_out, None);
            Ok(finish(out, (xl.dims()[0], n_out)))
        })
    }
    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let gradients = self.backward(x, w, None, res, grad)?;
        Ok((gradients.x, gradients.w))
    }
}

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }
    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        w: &CpuStorage,
        wl: &Layout,
        bias: &CpuStorage,
        bl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let n_out = wl.dims()[1];
        by_dtype!(x.dtype(), T => {
            let out = self.forward::<T>(values(x, xl)?, xl, values(w, wl)?, n_out, Some(values(bias, bl)?));
            Ok(finish(out, (xl.dims()[0], n_out)))
        })
    }
    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        bias: &Tensor,
        res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let gradients = self.backward(x, w, Some(bias), res, grad)?;
        Ok((gradients.x, gradients.w, gradients.bias))
    }
}

/// Sums in the type of their terms.
pub(crate) fn rounded<T: Float>(sums: &[f64]) -> Vec<T> {
    sums.iter().map(|&sum| T::of(sum)).collect()
}

/// Rows whose sum is taken in the type of the numbers before it is added in f64.
const SUM_ROWS: usize = 32;

/// Adds the sum of all rows to `sums`.
#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
pub(crate) fn add_column_sums<T: Float>(rows: &[T], sums: &mut [f64]) {
    let width = sums.len().max(1);
    let mut of_run = vec![T::ZERO; width];
    for run in rows.chunks(SUM_ROWS * width) {
        of_run.fill(T::ZERO);
        for row in run.chunks_exact(width) {
            for (sum, &value) in of_run.iter_mut().zip(row) {
                *sum += value;
            }
        }
        for (sum, value) in sums.iter_mut().zip(&of_run) {
            *sum += value.wide();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::reference;
    use crate::kernels::testing::{Case, random};

    #[test]
    fn product_bias_and_activation_are_one_layer() {
        for (rows, n_in, n_out, act) in [
            (0, 3, 2, Activation::Relu),
            (1, 1, 1, Activation::Identity),
            (19, 5, 7, Activation::Relu),
            (6, 17, 3, Activation::Gelu),
            (6, 3, 33, Activation::Tanh),
        ] {
            let [x, w, b] = [random(&[rows, n_in], 1), random(&[n_in, n_out], 2), random(&[n_out], 3)];
            Case::new(&[x.clone(), w.clone(), b], |x| linear(&x[0], &x[1], Some(&x[2]), act))
                .equals(|x| reference::linear(&x[0], &x[1], Some(&x[2]), act));
            Case::new(&[x, w], |x| linear(&x[0], &x[1], None, act))
                .equals(|x| reference::linear(&x[0], &x[1], None, act));
        }
    }

    #[test]
    fn large_layers_have_the_same_bits_on_any_number_of_threads() {
        let inputs = [random(&[3000, 70], 1), random(&[70, 64], 2), random(&[64], 3)];
        Case::new(&inputs, |x| linear(&x[0], &x[1], Some(&x[2]), Activation::Relu))
            .has_same_bits_on_any_number_of_threads();
    }

    #[test]
    fn a_transposed_weight_is_laid_out_anew() {
        let inputs = [random(&[4, 3], 1), random(&[5, 3], 2)];
        Case::new(&inputs, |x| linear(&x[0], &x[1].t()?, None, Activation::Identity)).equals(|x| {
            let w = reference::Matrix::make(3, 5, |row, col| x[1].at(col, row));
            reference::linear(&x[0], &w, None, Activation::Identity)
        });
    }

    #[test]
    fn widths_that_do_not_fit_are_named() {
        let (x, w) = (random(&[4, 3], 1), random(&[5, 3], 2));
        let [x, w] = [x, w].map(|input| input.tensor(candle_core::DType::F32));
        let error = linear(&x, &w, None, Activation::Relu).unwrap_err().to_string();
        assert!(error.contains("3 features for a weight of shape [5, 3]"), "{error}");
    }
}
