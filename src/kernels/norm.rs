//! Normalisation over the rows of a batch, with the activation that follows.

use super::activation::{Activation, activate, apply, mask_to};
use super::device;
use super::float::{Float, View, by_dtype, finish, values};
use super::parallel::{BLOCK_ROWS, Output, each_block, fill_rows, map_chunks};
use super::tape::Recorded;
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, Var, bail};
use multiversion::multiversion;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Rows that are worked on at a time where a masked gradient is only needed in passing.
const TILE_ROWS: usize = 32;

/// `act((x − mean) / √(variance + eps) · gamma + beta)`, channel by channel.
///
/// In training the moments are those of the rows, with the biased variance; `running` (mean, variance) moves
/// towards them by `momentum`, with the unbiased variance, as in torch. A single row leaves the running variance
/// alone, because it has no unbiased variance. Otherwise `running` takes the moments' place.
///
/// - `x`: `[N, F]`
/// - `gamma`, `beta`, `running`: `[F]`
/// - result: `[N, F]`
///
/// PyG: `torch_geometric.nn.BatchNorm`.
///
/// # Errors
/// Where the shapes do not fit, or the type is neither f32 nor f64.
#[allow(clippy::too_many_arguments)] // The layer's own list.
pub fn batch_norm(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    running: (&Var, &Var),
    momentum: f64,
    eps: f64,
    train: bool,
    act: Activation,
) -> Result<Tensor> {
    let (n_rows, width) = x.dims2()?;
    check_widths("batch_norm", width, &[gamma, beta, running.0.as_tensor(), running.1.as_tensor()])?;
    if device::is_elsewhere(x) {
        return device::composed::batch_norm(x, gamma, beta, running, momentum, eps, train, act);
    }
    let moments = Arc::new(OnceLock::new());
    if !train {
        // A value was just made, so it is not set yet.
        let _ = moments.set(Moments { mean: to_f64(running.0)?, variance: to_f64(running.1)? });
    }
    let (inside, after) = act.split();
    let op = BatchNorm { moments: moments.clone(), eps, act: inside, is_train: train };
    let y = x.contiguous()?.recorded3(&gamma.contiguous()?, &beta.contiguous()?, op)?;
    if let (true, 1.., Some(moments)) = (train, n_rows, moments.get()) {
        let move_to = |var: &Var, target: &dyn Fn(usize) -> f64| -> Result<()> {
            let old = to_f64(var)?;
            let new = old.iter().enumerate().map(|(k, &old)| (1.0 - momentum) * old + momentum * target(k));
            let new = Tensor::from_vec(new.collect::<Vec<f64>>(), width, var.device())?;
            var.set(&new.to_dtype(var.dtype())?)
        };
        move_to(running.0, &|k| moments.mean[k])?;
        if n_rows > 1 {
            let unbias = n_rows as f64 / (n_rows - 1) as f64;
            move_to(running.1, &|k| unbias * moments.variance[k])?;
        }
    }
    activate(&y, after)
}

pub(crate) fn check_widths(name: &str, width: usize, weights: &[&Tensor]) -> Result<()> {
    for weight in weights {
        if weight.dims() != [width] {
            bail!("`{name}` got {width} features, but a weight of shape {:?}", weight.dims())
        }
    }
    Ok(())
}

fn to_f64(tensor: &Tensor) -> Result<Vec<f64>> {
    tensor.to_dtype(candle_core::DType::F64)?.to_vec1()
}

/// Mean and biased variance of each column.
struct Moments {
    mean: Vec<f64>,
    variance: Vec<f64>,
}

struct BatchNorm {
    /// Set by the forward pass, read by the backward pass.
    moments: Arc<OnceLock<Moments>>,
    eps: f64,
    act: Activation,
    is_train: bool,
}

impl BatchNorm {
    /// Mean and `1 / √(variance + eps)`.
    fn scales<T: Float>(&self, moments: &Moments) -> (Vec<T>, Vec<T>) {
        let mean = moments.mean.iter().map(|&mean| T::of(mean)).collect();
        let scale = moments.variance.iter().map(|&variance| T::of((variance + self.eps).sqrt().recip()));
        (mean, scale.collect())
    }
}

impl CustomOp3 for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }
    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        gamma: &CpuStorage,
        gl: &Layout,
        beta: &CpuStorage,
        bl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n_rows, width) = (xl.dims()[0], xl.dims()[1]);
        by_dtype!(x.dtype(), T => {
            let (x, gamma, beta) = (values::<T>(x, xl)?, values::<T>(gamma, gl)?, values::<T>(beta, bl)?);
            let moments = self.moments.get_or_init(|| column_moments(x, n_rows, width));
            let (mean, inverse) = self.scales::<T>(moments);
            let scale: Vec<T> = gamma.iter().zip(&inverse).map(|(&gamma, &inverse)| gamma * inverse).collect();
            // SAFETY: `scale_rows` writes all of `out`.
            let out = unsafe {
                fill_rows(n_rows, width, 2 * x.len(), |rows, out| {
                    let x = &x[rows.start * width..rows.end * width];
                    let tile = (TILE_ROWS * width).max(1);
                    for (x, out) in x.chunks(tile).zip(out.chunks_mut(tile)) {
                        scale_rows(x, &mean, &scale, beta, out);
                        apply(out, self.act);
                    }
                })
            };
            Ok(finish(out, xl.shape()))
        })
    }

    /// With `x̂ = (x − mean) / σ` and `g` the gradient before the activation: `dbeta = Σ g`, `dgamma = Σ g x̂`, and
    /// `dx = gamma / σ · (g − dbeta / N − x̂ dgamma / N)`, where with fixed moments only the first term stays.
    fn bwd(
        &self,
        x: &Tensor,
        gamma: &Tensor,
        beta: &Tensor,
        res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (n_rows, width) = x.dims2()?;
        let grad = grad.contiguous()?;
        let Some(moments) = self.moments.get() else {
            bail!("`batch_norm` has no forward pass to go back from")
        };
        by_dtype!(x.dtype(), T => {
            let (x_values, gamma_values) = (View::<T>::new(x)?, View::<T>::new(gamma)?);
            let (y, g) = (View::<T>::new(res)?, View::<T>::new(&grad)?);
            let (mean, inverse) = self.scales::<T>(moments);
            let partials = map_chunks(n_rows, 3 * x_values.len(), |rows| {
                let mut sums = (vec![T::ZERO; width], vec![T::ZERO; width]);
                each_tile(rows, width, &g, &y, self.act, |tile, g| {
                    add_moments(g, &x_values[tile.start * width..], &mean, &mut sums.0, &mut sums.1)
                });
                sums
            });
            let mut dbeta = vec![0.0; width];
            let mut dgamma = vec![0.0; width];
            for (sum, sum_unit) in &partials {
                for k in 0..width {
                    dbeta[k] += sum[k].wide();
                    dgamma[k] += sum_unit[k].wide() * inverse[k].wide();
                }
            }
            let dx = if x.track_op() {
                // dx = scale · g − (shift + slope · (x − mean))
                let n = if self.is_train { n_rows.max(1) as f64 } else { f64::INFINITY };
                let scale: Vec<T> = gamma_values.iter().zip(&inverse).map(|(&gamma, &inverse)| gamma * inverse).collect();
                let shift: Vec<T> = (0..width).map(|k| T::of(scale[k].wide() * dbeta[k] / n)).collect();
                let slope: Vec<T> =
                    (0..width).map(|k| T::of(scale[k].wide() * inverse[k].wide() * dgamma[k] / n)).collect();
                let dx = Output::new(n_rows, width);
                each_block(n_rows, BLOCK_ROWS, 4 * x_values.len(), |rows| {
                    each_tile(rows, width, &g, &y, self.act, |tile, g| {
                        // SAFETY: tiles are disjoint, and `unscale_rows` writes all of them.
                        let out = unsafe { dx.rows(tile.clone()) };
                        unscale_rows(g, &x_values[tile.start * width..], &mean, [&scale, &shift, &slope], out);
                    });
                });
                // SAFETY: the tiles cover all rows.
                Some(Tensor::from_vec(unsafe { dx.finish() }, x.shape(), x.device())?)
            } else {
                None
            };
            let weight = |of: &Tensor, values: &[f64]| -> Result<Option<Tensor>> {
                let values: Vec<T> = values.iter().map(|&value| T::of(value)).collect();
                of.track_op().then(|| Tensor::from_vec(values, width, of.device())).transpose()
            };
            Ok((dx, weight(gamma, &dgamma)?, weight(beta, &dbeta)?))
        })
    }
}

/// Calls `f` with [`TILE_ROWS`] rows at a time and their gradient before the activation.
fn each_tile<T: Float>(
    rows: Range<usize>,
    width: usize,
    g: &[T],
    y: &[T],
    act: Activation,
    mut f: impl FnMut(Range<usize>, &[T]),
) {
    let mut masked = vec![T::ZERO; if act == Activation::Identity { 0 } else { TILE_ROWS * width }];
    for first in rows.clone().step_by(TILE_ROWS) {
        let tile = first..(first + TILE_ROWS).min(rows.end);
        let place = tile.start * width..tile.end * width;
        if act == Activation::Identity {
            f(tile, &g[place]);
        } else {
            let masked = &mut masked[..place.len()];
            mask_to(&g[place.clone()], &y[place], masked, act);
            f(tile, masked);
        }
    }
}

/// One pass over memory: each block gives its mean and the squares around it, which are put together in f64.
fn column_moments<T: Float>(x: &[T], n_rows: usize, width: usize) -> Moments {
    let partials = map_chunks(n_rows, 2 * x.len(), |rows| {
        let n = T::of(rows.len() as f64);
        let x = &x[rows.start * width..rows.end * width];
        let mut mean = vec![T::ZERO; width];
        let mut squares = vec![T::ZERO; width];
        block_moments(x, n, &mut mean, &mut squares);
        (rows.len() as f64, mean, squares)
    });
    let (mut n, mut mean, mut squares) = (0.0, vec![0.0; width], vec![0.0; width]);
    for (n_block, block_mean, block_squares) in partials {
        let total: f64 = n + n_block;
        for k in 0..width {
            // Chan et al. 1979: moments of the union of two sets.
            let delta = block_mean[k].wide() - mean[k];
            mean[k] += delta * n_block / total;
            squares[k] += block_squares[k].wide() + delta * delta * n * n_block / total;
        }
        n = total;
    }
    Moments { mean, variance: squares.into_iter().map(|square| square / n.max(1.0)).collect() }
}

#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn block_moments<T: Float>(x: &[T], n: T, mean: &mut [T], squares: &mut [T]) {
    let width = mean.len().max(1);
    for row in x.chunks_exact(width) {
        for (mean, &x) in mean.iter_mut().zip(row) {
            *mean += x;
        }
    }
    for mean in mean.iter_mut() {
        *mean /= n;
    }
    for row in x.chunks_exact(width) {
        for ((square, &mean), &x) in squares.iter_mut().zip(&*mean).zip(row) {
            let centred = x - mean;
            *square += centred * centred;
        }
    }
}

#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn scale_rows<T: Float>(x: &[T], mean: &[T], scale: &[T], beta: &[T], out: &mut [T]) {
    let width = mean.len().max(1);
    for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        let weights = mean.iter().zip(scale).zip(beta);
        for ((out, &x), ((&mean, &scale), &beta)) in out.iter_mut().zip(x).zip(weights) {
            *out = (x - mean) * scale + beta;
        }
    }
}

/// Adds `Σ g` and `Σ g (x − mean)`.
#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn add_moments<T: Float>(g: &[T], x: &[T], mean: &[T], sum: &mut [T], sum_centred: &mut [T]) {
    let width = mean.len().max(1);
    for (g, x) in g.chunks_exact(width).zip(x.chunks_exact(width)) {
        let sums = sum.iter_mut().zip(&mut *sum_centred);
        for (((sum, sum_centred), (&g, &x)), &mean) in sums.zip(g.iter().zip(x)).zip(mean) {
            *sum += g;
            *sum_centred += g * (x - mean);
        }
    }
}

/// `out = scale · g − (shift + slope · (x − mean))`
#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn unscale_rows<T: Float>(g: &[T], x: &[T], mean: &[T], [scale, shift, slope]: [&[T]; 3], out: &mut [T]) {
    let width = mean.len().max(1);
    for ((g, x), out) in g.chunks_exact(width).zip(x.chunks_exact(width)).zip(out.chunks_exact_mut(width)) {
        let weights = mean.iter().zip(scale).zip(shift.iter().zip(slope));
        for ((out, (&g, &x)), ((&mean, &scale), (&shift, &slope))) in
            out.iter_mut().zip(g.iter().zip(x)).zip(weights)
        {
            *out = scale * g - (shift + slope * (x - mean));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::reference;
    use crate::kernels::testing::{Case, assert_near, random};
    use candle_core::{DType, Device};

    fn running(width: usize, dtype: DType) -> (Var, Var) {
        let [mean, variance] = [0.3, 1.7].map(|value| {
            let tensor = Tensor::full(value, width, &Device::Cpu).unwrap().to_dtype(dtype).unwrap();
            Var::from_tensor(&tensor).unwrap()
        });
        (mean, variance)
    }

    fn run_batch_norm(x: &[Tensor], train: bool, act: Activation) -> Result<Tensor> {
        let running = running(x[0].dim(1)?, x[0].dtype());
        batch_norm(&x[0], &x[1], &x[2], (&running.0, &running.1), 0.1, 1e-5, train, act)
    }

    #[test]
    fn batch_norm_normalises_columns_and_its_gradient_knows() {
        for (n, width, act) in [
            (2, 1, Activation::Identity),
            (40, 5, Activation::Relu),
            (9, 17, Activation::Gelu),
            (35, 3, Activation::Elu { alpha: 1.0 }),
        ] {
            let inputs = [random(&[n, width], 1), random(&[width], 2), random(&[width], 3)];
            Case::new(&inputs, |x| run_batch_norm(x, true, act))
                .equals(|x| reference::batch_norm(&x[0], &x[1], &x[2], 1e-5, act));
        }
    }

    #[test]
    fn batch_norm_outside_training_takes_the_running_moments() {
        let inputs = [random(&[7, 5], 1), random(&[5], 2), random(&[5], 3)];
        Case::new(&inputs, |x| run_batch_norm(x, false, Activation::Relu)).equals(|x| {
            reference::Matrix::make(7, 5, |row, col| {
                let unit = (x[0].at(row, col) - 0.3) / (1.7f64 + 1e-5).sqrt();
                (unit * x[1].data[col] + x[2].data[col]).max(0.0)
            })
        });
    }

    #[test]
    fn running_moments_move_as_in_torch() {
        let x = random(&[700, 3], 5);
        let ones = Tensor::ones(3, DType::F64, &Device::Cpu).unwrap();
        let running = running(3, DType::F64);
        let step = |x: &Tensor, train| {
            batch_norm(x, &ones, &ones, (&running.0, &running.1), 0.1, 1e-5, train, Activation::Identity)
                .unwrap()
        };
        step(&x.tensor(DType::F64), true);
        let column: Vec<f64> = (0..700).map(|row| x.at(row, 1)).collect();
        let (mean, variance) = reference::moments(&column);
        let got = [&running.0, &running.1].map(|var| to_f64(var).unwrap()[1]);
        assert!((got[0] - (0.9 * 0.3 + 0.1 * mean)).abs() < 1e-12);
        assert!((got[1] - (0.9 * 1.7 + 0.1 * variance * 700.0 / 699.0)).abs() < 1e-12);
        step(&x.tensor(DType::F64), false);
        assert_eq!(got, [&running.0, &running.1].map(|var| to_f64(var).unwrap()[1]));
        // One row has no unbiased variance, and no row has no moments.
        step(&Tensor::ones((1, 3), DType::F64, &Device::Cpu).unwrap(), true);
        step(&Tensor::ones((0, 3), DType::F64, &Device::Cpu).unwrap(), true);
        assert_eq!(to_f64(&running.1).unwrap()[1], got[1]);
    }

    #[test]
    fn a_large_mean_does_not_spoil_the_variance() {
        let x = random(&[2000, 2], 5).map(|x| 1000.0 + x);
        let ones = random(&[2], 1).map(|_| 1.0);
        let tensors = [&x, &ones, &ones].map(|input| input.tensor(DType::F32));
        let got = reference::Matrix::of(&run_batch_norm(&tensors, true, Activation::Identity).unwrap());
        assert_near(
            &got,
            &reference::batch_norm(&x, &ones, &ones, 1e-5, Activation::Identity),
            1e-3,
            "value",
        );
    }

    #[test]
    fn many_rows_have_the_same_bits_on_any_number_of_threads() {
        let inputs = [random(&[3000, 64], 1), random(&[64], 2), random(&[64], 3)];
        Case::new(&inputs, |x| run_batch_norm(x, true, Activation::Relu))
            .has_same_bits_on_any_number_of_threads();
    }
}
