//! Normalisation over the rows of a batch, with the activation that follows.

use super::activation::{Activation, activate, apply, mask_to};
use super::device;
use super::float::{Float, View, by_dtype, finish, values};
use super::parallel::{Output, block_rows, each_block, fill_rows, map_chunks, map_each};
use super::summation::{self, Summation};
use super::tape::{Reads, Recorded};
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, Var, bail};
use multiversion::multiversion;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Rows that are worked on at a time, and whose sums are taken in the type of the numbers before they are put together
/// in f64: longer sums in f32 lose digits that the gradients of the layers below need.
const TILE_ROWS: usize = 32;

/// Columns of one job of a sum over all rows: a vector of f32.
const JOB_COLS: usize = 16;

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
    let reads = Reads::ARGS.with_result(inside != Activation::Identity);
    let op = BatchNorm { moments: moments.clone(), eps, act: inside, is_train: train };
    let y = x.contiguous()?.recorded3(&gamma.contiguous()?, &beta.contiguous()?, op, reads)?;
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
    /// The rounded mean, and by how much the mean exceeds it: what a subtraction of numbers of type `T` leaves out.
    fn split_mean<T: Float>(&self, moments: &Moments) -> (Vec<T>, Vec<f64>) {
        let rounded: Vec<T> = moments.mean.iter().map(|&mean| T::of(mean)).collect();
        let left = moments.mean.iter().zip(&rounded).map(|(&mean, rounded)| mean - rounded.wide()).collect();
        (rounded, left)
    }

    /// `1 / √(variance + eps)`
    fn inverse(&self, moments: &Moments) -> Vec<f64> {
        moments.variance.iter().map(|&variance| (variance + self.eps).sqrt().recip()).collect()
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
            let (mean, left) = self.split_mean::<T>(moments);
            let scale: Vec<f64> =
                gamma.iter().zip(self.inverse(moments)).map(|(gamma, inverse)| gamma.wide() * inverse).collect();
            let shift: Vec<T> = (0..width).map(|k| T::of(beta[k].wide() - left[k] * scale[k])).collect();
            let scale: Vec<T> = scale.into_iter().map(T::of).collect();
            // SAFETY: `scale_rows` writes all of `out`.
            let out = unsafe {
                fill_rows(n_rows, width, 2 * x.len(), |rows, out| {
                    let x = &x[rows.start * width..rows.end * width];
                    let tile = (TILE_ROWS * width).max(1);
                    for (x, out) in x.chunks(tile).zip(out.chunks_mut(tile)) {
                        scale_rows(x, &mean, &scale, &shift, out);
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
            let y = View::<T>::where_read(res, self.act != Activation::Identity)?;
            let g = View::<T>::new(&grad)?;
            let (mean, left) = self.split_mean::<T>(moments);
            let inverse = self.inverse(moments);
            let partials = map_chunks(n_rows, 3 * x_values.len(), |rows| {
                let mut sums = [vec![0.0; width], vec![0.0; width]];
                let mut of_tile = [vec![T::ZERO; width], vec![T::ZERO; width]];
                each_tile(rows, width, &g, &y, self.act, |tile, g| {
                    add_moments(g, &x_values[tile.start * width..], &mean, &mut of_tile, &mut sums)
                });
                sums
            });
            let mut dbeta = vec![0.0; width];
            let mut dgamma = vec![0.0; width];
            for [sum, sum_centred] in &partials {
                for k in 0..width {
                    dbeta[k] += sum[k];
                    dgamma[k] += (sum_centred[k] - left[k] * sum[k]) * inverse[k];
                }
            }
            let dx = if x.track_op() {
                // dx = scale · g − (shift + slope · (x − mean))
                let n = if self.is_train { n_rows.max(1) as f64 } else { f64::INFINITY };
                let scale: Vec<f64> = gamma_values.iter().zip(&inverse).map(|(gamma, inverse)| gamma.wide() * inverse).collect();
                let slope: Vec<f64> = (0..width).map(|k| scale[k] * inverse[k] * dgamma[k] / n).collect();
                // With the mean's part that `x − mean` leaves out.
                let shift: Vec<f64> = (0..width).map(|k| scale[k] * dbeta[k] / n - slope[k] * left[k]).collect();
                let [scale, shift, slope] =
                    [scale, shift, slope].map(|values| values.into_iter().map(T::of).collect::<Vec<T>>());
                let dx = Output::new(n_rows, width);
                each_block(n_rows, block_rows(n_rows), 4 * x_values.len(), |rows| {
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
    if Summation::current().is_reproducible() {
        return column_moments_in_any_order(x, n_rows, width);
    }
    let partials = map_chunks(n_rows, 2 * x.len(), |rows| {
        let n_block = rows.len() as f64;
        let x = &x[rows.start * width..rows.end * width];
        let (mut mean, mut squares) = (vec![0.0; width], vec![0.0; width]);
        block_moments(x, n_block, &mut mean, &mut squares);
        (n_block, mean, squares)
    });
    let (mut n, mut mean, mut squares) = (0.0, vec![0.0; width], vec![0.0; width]);
    for (n_block, block_mean, block_squares) in partials {
        let total: f64 = n + n_block;
        for k in 0..width {
            // Chan et al. 1979: moments of the union of two sets.
            let delta = block_mean[k] - mean[k];
            mean[k] += delta * n_block / total;
            squares[k] += block_squares[k] + delta * delta * n * n_block / total;
        }
        n = total;
    }
    Moments { mean, variance: squares.into_iter().map(|square| square / n.max(1.0)).collect() }
}

#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn block_moments<T: Float>(x: &[T], n: f64, mean: &mut [f64], squares: &mut [f64]) {
    let width = mean.len().max(1);
    let mut of_tile = vec![T::ZERO; width];
    for tile in x.chunks(TILE_ROWS * width) {
        of_tile.fill(T::ZERO);
        for row in tile.chunks_exact(width) {
            for (sum, &x) in of_tile.iter_mut().zip(row) {
                *sum += x;
            }
        }
        add_wide(&of_tile, mean);
    }
    for mean in mean.iter_mut() {
        *mean /= n;
    }
    let rounded: Vec<T> = mean.iter().map(|&mean| T::of(mean)).collect();
    for tile in x.chunks(TILE_ROWS * width) {
        of_tile.fill(T::ZERO);
        for row in tile.chunks_exact(width) {
            for ((square, &mean), &x) in of_tile.iter_mut().zip(&rounded).zip(row) {
                let centred = x - mean;
                *square += centred * centred;
            }
        }
        add_wide(&of_tile, squares);
    }
    for ((square, &mean), rounded) in squares.iter_mut().zip(&*mean).zip(&rounded) {
        let left = mean - rounded.wide();
        *square = (*square - n * left * left).max(0.0);
    }
}

#[inline(always)]
fn add_wide<T: Float>(values: &[T], sums: &mut [f64]) {
    for (sum, &value) in sums.iter_mut().zip(values) {
        *sum += value.wide();
    }
}

/// [`column_moments`] with the same bits in every numbering of the rows.
fn column_moments_in_any_order<T: Float>(x: &[T], n_rows: usize, width: usize) -> Moments {
    let jobs = map_each(width.div_ceil(JOB_COLS), 4 * x.len(), |job| {
        let cols = job * JOB_COLS..((job + 1) * JOB_COLS).min(width);
        let n = n_rows.max(1) as f64;
        let mut grids = vec![0.0; cols.len()];
        let (mut mean, mut variance) = (grids.clone(), grids.clone());
        let rows = (0..n_rows).map(|row| (T::ONE, &x[row * width..][cols.clone()]));
        summation::sum_rows(n_rows, rows.clone(), &mut grids, &mut mean);
        mean.iter_mut().for_each(|mean| *mean /= n);
        let square = |(x, mean): (&T, &f64)| (x.wide() - mean) * (x.wide() - mean);
        let squares: Vec<f64> = rows.flat_map(|(_, row)| row.iter().zip(&mean).map(square)).collect();
        let squares = squares.chunks_exact(cols.len().max(1)).map(|row| (1.0, row));
        summation::sum_rows(n_rows, squares, &mut grids, &mut variance);
        variance.iter_mut().for_each(|variance| *variance /= n);
        (mean, variance)
    });
    let (mean, variance): (Vec<_>, Vec<_>) = jobs.into_iter().unzip();
    Moments { mean: mean.concat(), variance: variance.concat() }
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

/// Adds `Σ g` and `Σ g (x − mean)` of a tile, in whose room they are summed first.
#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn add_moments<T: Float>(
    g: &[T],
    x: &[T],
    mean: &[T],
    [of_tile, of_tile_centred]: &mut [Vec<T>; 2],
    [total, total_centred]: &mut [Vec<f64>; 2],
) {
    let width = mean.len().max(1);
    of_tile.fill(T::ZERO);
    of_tile_centred.fill(T::ZERO);
    for (g, x) in g.chunks_exact(width).zip(x.chunks_exact(width)) {
        let sums = of_tile.iter_mut().zip(&mut *of_tile_centred);
        for (((sum, sum_centred), (&g, &x)), &mean) in sums.zip(g.iter().zip(x)).zip(mean) {
            *sum += g;
            *sum_centred += g * (x - mean);
        }
    }
    add_wide(of_tile, total);
    add_wide(of_tile_centred, total_centred);
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
    fn reproducible_moments_are_the_same_in_every_order_of_the_rows() {
        let x = random(&[500, 19], 5).tensor(DType::F32);
        let order: Vec<u32> = (0..500).map(|row| row * 77 % 500).collect();
        let moved = x.index_select(&Tensor::new(order, &Device::Cpu).unwrap(), 0).unwrap();
        let moments = |x: &Tensor| {
            let values = View::<f32>::new(x).unwrap();
            let found = column_moments(&values, 500, 19);
            (found.mean, found.variance)
        };
        assert_ne!(moments(&x), moments(&moved));
        Summation::Reproducible.during(|| assert_eq!(moments(&x), moments(&moved)));
        let (mean, variance) = Summation::Reproducible.during(|| moments(&x));
        let (other_mean, other_variance) = moments(&x);
        for k in 0..19 {
            assert!((mean[k] - other_mean[k]).abs() < 1e-6 && (variance[k] - other_variance[k]).abs() < 1e-6);
        }
    }

    #[test]
    fn many_rows_have_the_same_bits_on_any_number_of_threads() {
        let inputs = [random(&[3000, 64], 1), random(&[64], 2), random(&[64], 3)];
        Case::new(&inputs, |x| run_batch_norm(x, true, Activation::Relu))
            .has_same_bits_on_any_number_of_threads();
    }
}
