//! Normalisation over the channels of a row or over all of a graph, with the activation that follows.

use super::activation::{Activation, activate, apply, mask_to};
use super::device;
use super::float::{Float, View, by_dtype, finish, values};
use super::norm::check_widths;
use super::parallel::{Output, map_chunks, map_each, segment_runs};
use super::segment::check_offsets;
use super::summation::{self, Summation};
use super::tape::{Reads, Recorded};
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use multiversion::multiversion;
use std::ops::Range;
use std::sync::Arc;

/// `act((x − mean) / √(variance + eps) · gamma + beta)`, with mean and variance of each row.
///
/// - `x`: `[N, F]`
/// - `gamma`, `beta`: `[F]`
/// - result: `[N, F]`
///
/// PyG: `torch_geometric.nn.LayerNorm(mode='node')`.
///
/// # Errors
/// Where the shapes do not fit, or the type is neither f32 nor f64.
pub fn layer_norm(x: &Tensor, gamma: &Tensor, beta: &Tensor, eps: f64, act: Activation) -> Result<Tensor> {
    check_widths("layer_norm", x.dims2()?.1, &[gamma, beta])?;
    if device::is_elsewhere(x) {
        return device::composed::layer_norm(x, gamma, beta, eps, act);
    }
    let (inside, after) = act.split();
    let reads = Reads::ARGS.with_result(inside != Activation::Identity);
    let op = GroupNorm { offsets: None, eps, act: inside };
    let y = x.contiguous()?.recorded3(&gamma.contiguous()?, &beta.contiguous()?, op, reads)?;
    activate(&y, after)
}

/// `(x − mean) / √(variance + eps) · gamma + beta`, with mean and variance over all nodes and channels of a graph.
///
/// - `x`: `[N, F]`
/// - `gamma`, `beta`: `[F]`
/// - `offsets`: `[G + 1]`
/// - result: `[N, F]`
///
/// PyG: `torch_geometric.nn.LayerNorm(mode='graph')` called with `batch` (without it PyG adds `eps` to the
/// deviation instead; here a graph gives the same alone and in a batch).
///
/// # Errors
/// Where the shapes do not fit, or the type is neither f32 nor f64.
pub fn graph_layer_norm(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    offsets: &Arc<Vec<u32>>,
    eps: f64,
) -> Result<Tensor> {
    check_widths("graph_layer_norm", x.dims2()?.1, &[gamma, beta])?;
    check_offsets("graph_layer_norm", x, offsets)?;
    if device::is_elsewhere(x) {
        return device::on_host([x, gamma, beta], |[x, gamma, beta]| {
            graph_layer_norm(&x, &gamma, &beta, offsets, eps)
        });
    }
    let op = GroupNorm { offsets: Some(offsets.clone()), eps, act: Activation::Identity };
    x.contiguous()?.recorded3(&gamma.contiguous()?, &beta.contiguous()?, op, Reads::ARGS)
}

/// Normalises groups of rows: single ones, or those of a graph.
struct GroupNorm {
    offsets: Option<Arc<Vec<u32>>>,
    eps: f64,
    act: Activation,
}

/// Groups that lie one after another.
struct Run<'a> {
    rows: Range<usize>,
    /// Boundaries of the groups; absent where each row is one.
    offsets: Option<&'a [u32]>,
}

impl Run<'_> {
    /// Rows of each group, counted from the first of the run.
    #[inline(always)]
    fn groups(&self) -> impl Iterator<Item = Range<usize>> {
        let n_groups = self.offsets.map_or(self.rows.len(), |offsets| offsets.len() - 1);
        (0..n_groups).map(|group| match self.offsets {
            None => group..group + 1,
            Some(offsets) => {
                offsets[group] as usize - self.rows.start..offsets[group + 1] as usize - self.rows.start
            }
        })
    }
}

impl GroupNorm {
    /// Results of `f` for runs of groups, in order.
    fn map_runs<R: Send + Sync>(&self, n_rows: usize, work: usize, f: impl Fn(Run) -> R + Sync) -> Vec<R> {
        match &self.offsets {
            None => map_chunks(n_rows, work, |rows| f(Run { rows, offsets: None })),
            Some(offsets) => {
                let runs = segment_runs(offsets);
                map_each(runs.len(), work, |run| {
                    let offsets = &offsets[runs[run].start..runs[run].end + 1];
                    let rows = offsets[0] as usize..offsets[offsets.len() - 1] as usize;
                    f(Run { rows, offsets: Some(offsets) })
                })
            }
        }
    }
}

impl CustomOp3 for GroupNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
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
            let out = Output::new(n_rows, width);
            // The numbers of a row stand in the same order in every numbering.
            let summation = if self.offsets.is_some() { Summation::current() } else { Summation::Sequential };
            self.map_runs(n_rows, 4 * x.len(), |run| {
                // SAFETY: runs are disjoint, and `normalise` writes all of their rows.
                let out = unsafe { out.rows(run.rows.clone()) };
                let x = &x[run.rows.start * width..run.rows.end * width];
                normalise(x, &run, self.eps, summation, gamma, beta, out);
                apply(out, self.act);
            });
            // SAFETY: the runs cover all rows.
            Ok(finish(unsafe { out.finish() }, xl.shape()))
        })
    }

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
        by_dtype!(x.dtype(), T => {
            let (x_values, gamma_values) = (View::<T>::new(x)?, View::<T>::new(gamma)?);
            let y = View::<T>::where_read(res, self.act != Activation::Identity)?;
            let g = View::<T>::new(&grad)?;
            let dx = Output::new(n_rows, width);
            let partials = self.map_runs(n_rows, 8 * x_values.len(), |run| {
                let place = run.rows.start * width..run.rows.end * width;
                let mut masked = Vec::new();
                let g = match self.act {
                    Activation::Identity => &g[place.clone()],
                    act => {
                        masked.resize(place.len(), T::ZERO);
                        mask_to(&g[place.clone()], &y[place.clone()], &mut masked, act);
                        &masked
                    }
                };
                let mut sums = [vec![T::ZERO; width], vec![T::ZERO; width]];
                // SAFETY: runs are disjoint, and `normalise_back` writes all of their rows.
                let dx = unsafe { dx.rows(run.rows.clone()) };
                normalise_back(g, &x_values[place], &run, self.eps, &gamma_values, &mut sums, dx);
                sums
            });
            let mut totals = [vec![0.0; width], vec![0.0; width]];
            for sums in &partials {
                for (totals, sums) in totals.iter_mut().zip(sums) {
                    for (total, sum) in totals.iter_mut().zip(sums) {
                        *total += sum.wide();
                    }
                }
            }
            // SAFETY: the runs cover all rows.
            let dx = unsafe { dx.finish() };
            let dx = x.track_op().then(|| Tensor::from_vec(dx, x.shape(), x.device())).transpose()?;
            let [dbeta, dgamma] = totals.map(|total| total.iter().map(|&value| T::of(value)).collect::<Vec<T>>());
            let weight = |of: &Tensor, values| {
                of.track_op().then(|| Tensor::from_vec(values, width, of.device())).transpose()
            };
            Ok((dx, weight(gamma, dgamma)?, weight(beta, dbeta)?))
        })
    }
}

const LANES: usize = 16;

/// Elements whose sum is taken in `T`; longer sums are put together in f64.
const SUM_ELEMENTS: usize = 4096;

/// The sum of the lanes, in pairs.
#[inline(always)]
fn fold<T: Float>(mut lanes: [T; LANES]) -> T {
    let mut half = LANES / 2;
    while half > 0 {
        for k in 0..half {
            let upper = lanes[k + half];
            lanes[k] += upper;
        }
        half /= 2;
    }
    lanes[0]
}

/// `Σ f(x)`
#[inline(always)]
fn sum_of<T: Float>(x: &[T], f: impl Fn(T) -> T) -> f64 {
    let mut total = 0.0;
    for run in x.chunks(SUM_ELEMENTS) {
        let mut lanes = [T::ZERO; LANES];
        let chunks = run.chunks_exact(LANES);
        let rest = chunks.remainder();
        for chunk in chunks {
            for k in 0..LANES {
                lanes[k] += f(chunk[k]);
            }
        }
        for (lane, &x) in lanes.iter_mut().zip(rest) {
            *lane += f(x);
        }
        total += fold(lanes).wide();
    }
    total
}

/// Mean and `1 / √(variance + eps)`.
#[inline(always)]
fn moments<T: Float>(x: &[T], eps: f64) -> (T, T) {
    let n = x.len().max(1) as f64;
    let mean = T::of(sum_of(x, |x| x) / n);
    let variance = sum_of(x, |x| (x - mean) * (x - mean)) / n;
    (mean, T::of((variance + eps).sqrt().recip()))
}

/// [`moments`] with the same bits in every order of the numbers.
#[inline(always)]
fn moments_in_any_order<T: Float>(x: &[T], eps: f64) -> (T, T) {
    let n = x.len().max(1) as f64;
    let mean = T::of(summation::sum(x.iter().map(|x| x.wide())) / n);
    let squares = x.iter().map(|x| (x.wide() - mean.wide()) * (x.wide() - mean.wide()));
    let variance = summation::sum(squares) / n;
    (mean, T::of((variance + eps).sqrt().recip()))
}

#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn normalise<T: Float>(
    x: &[T],
    run: &Run,
    eps: f64,
    summation: Summation,
    gamma: &[T],
    beta: &[T],
    out: &mut [T],
) {
    let width = gamma.len();
    if width == 0 {
        return;
    }
    for group in run.groups() {
        let place = group.start * width..group.end * width;
        let (mean, inverse) = match summation {
            Summation::Sequential => moments(&x[place.clone()], eps),
            Summation::Reproducible => moments_in_any_order(&x[place.clone()], eps),
        };
        for (x, out) in x[place.clone()].chunks_exact(width).zip(out[place].chunks_exact_mut(width)) {
            for (((out, &x), &gamma), &beta) in out.iter_mut().zip(x).zip(gamma).zip(beta) {
                *out = (x - mean) * inverse * gamma + beta;
            }
        }
    }
}

/// With `h = g · gamma`: `dx = (h − mean(h) − x̂ mean(h x̂)) / σ` over each group; adds `g` and `g x̂` to the sums a
/// channel.
#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn normalise_back<T: Float>(
    g: &[T],
    x: &[T],
    run: &Run,
    eps: f64,
    gamma: &[T],
    [sums, sums_unit]: &mut [Vec<T>; 2],
    dx: &mut [T],
) {
    let width = gamma.len();
    if width == 0 {
        return;
    }
    for group in run.groups() {
        let place = group.start * width..group.end * width;
        let (g, x, dx) = (&g[place.clone()], &x[place.clone()], &mut dx[place]);
        let (mean, inverse) = moments(x, eps);
        let n = x.len().max(1) as f64;
        // Lanes hold `h` and `h x̂` until a run of rows is long enough to be put together in f64.
        let (mut sum, mut sum_unit) = (0.0, 0.0);
        let rows = (SUM_ELEMENTS / width).max(1) * width;
        for (g, x) in g.chunks(rows).zip(x.chunks(rows)) {
            let (mut lanes, mut lanes_unit) = ([T::ZERO; LANES], [T::ZERO; LANES]);
            for (g, x) in g.chunks_exact(width).zip(x.chunks_exact(width)) {
                for first in (0..width).step_by(LANES) {
                    if first + LANES <= width {
                        let g: &[T] = &g[first..first + LANES];
                        let x: &[T] = &x[first..first + LANES];
                        let gamma: &[T] = &gamma[first..first + LANES];
                        let (sums, sums_unit) =
                            (&mut sums[first..first + LANES], &mut sums_unit[first..first + LANES]);
                        for k in 0..LANES {
                            let unit = (x[k] - mean) * inverse;
                            sums[k] += g[k];
                            sums_unit[k] += g[k] * unit;
                            lanes[k] += g[k] * gamma[k];
                            lanes_unit[k] += g[k] * gamma[k] * unit;
                        }
                    } else {
                        for k in first..width {
                            let unit = (x[k] - mean) * inverse;
                            sums[k] += g[k];
                            sums_unit[k] += g[k] * unit;
                            lanes[k - first] += g[k] * gamma[k];
                            lanes_unit[k - first] += g[k] * gamma[k] * unit;
                        }
                    }
                }
            }
            sum += fold(lanes).wide();
            sum_unit += fold(lanes_unit).wide();
        }
        let (shift, slope) = (T::of(sum / n), T::of(sum_unit / n));
        for ((g, x), dx) in g.chunks_exact(width).zip(x.chunks_exact(width)).zip(dx.chunks_exact_mut(width)) {
            for (((dx, &g), &x), &gamma) in dx.iter_mut().zip(g).zip(x).zip(gamma) {
                let unit = (x - mean) * inverse;
                *dx = inverse * (g * gamma - shift - unit * slope);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::reference;
    use crate::kernels::testing::{Case, random};

    #[test]
    fn layer_norm_normalises_rows() {
        for (n, width, act) in [
            (0, 3, Activation::Relu),
            (1, 2, Activation::Identity),
            (40, 37, Activation::Relu),
            (3, 16, Activation::Gelu),
        ] {
            let inputs = [random(&[n, width], 1), random(&[width], 2), random(&[width], 3)];
            Case::new(&inputs, |x| layer_norm(&x[0], &x[1], &x[2], 1e-5, act))
                .equals(|x| reference::layer_norm(&x[0], &x[1], &x[2], 1e-5, act));
        }
    }

    #[test]
    fn graph_layer_norm_normalises_graphs_and_skips_empty_ones() {
        for offsets in [vec![0], vec![0, 0, 4, 4, 40]] {
            let n = *offsets.last().unwrap() as usize;
            let offsets = Arc::new(offsets);
            let inputs = [random(&[n, 5], 1), random(&[5], 2), random(&[5], 3)];
            Case::new(&inputs, |x| graph_layer_norm(&x[0], &x[1], &x[2], &offsets, 1e-5))
                .equals(|x| reference::graph_layer_norm(&x[0], &x[1], &x[2], &offsets, 1e-5));
        }
    }

    #[test]
    fn many_rows_have_the_same_bits_on_any_number_of_threads() {
        let inputs = [random(&[3000, 64], 1), random(&[64], 2), random(&[64], 3)];
        Case::new(&inputs, |x| layer_norm(&x[0], &x[1], &x[2], 1e-5, Activation::Relu))
            .has_same_bits_on_any_number_of_threads();
        let offsets = Arc::new(vec![0, 100, 1000, 1400, 3000]);
        Case::new(&inputs, |x| graph_layer_norm(&x[0], &x[1], &x[2], &offsets, 1e-5))
            .has_same_bits_on_any_number_of_threads();
    }
}
