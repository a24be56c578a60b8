//! Reductions over runs of rows: the nodes of a graph to one row a graph.

use super::device;
use super::float::{Float, View, by_dtype, finish, values};
use super::parallel::{Output, each, segment_runs};
use super::summation::{self, Summation};
use super::tape::{Reads, Recorded};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use multiversion::multiversion;
use std::ops::Range;
use std::sync::Arc;

/// How the rows of a segment become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduce {
    Sum = 0,
    Mean = 1,
    /// Channel by channel. Rows that share the maximum share its gradient in equal parts, so that gradients
    /// too move with the numbering.
    Max = 2,
}

/// One row a segment: segment `g` is the rows `offsets[g] .. offsets[g + 1]` of `x`. An empty one gives zeros.
///
/// - `x`: `[N, F]`
/// - `offsets`: `[G + 1]`, ascending from 0 to `N`
/// - result: `[G, F]`
///
/// PyG: `global_add_pool`, `global_mean_pool`, `global_max_pool`.
///
/// # Errors
/// Where the offsets do not end at `N`, or the type is neither f32 nor f64.
pub fn segment_reduce(x: &Tensor, offsets: &Arc<Vec<u32>>, reduce: Reduce) -> Result<Tensor> {
    check_offsets("segment_reduce", x, offsets)?;
    if device::is_elsewhere(x) && Summation::current().is_reproducible() {
        return device::on_host([x], |[x]| segment_reduce(&x, offsets, reduce));
    }
    // A maximum is handed back to those that it came from.
    let reads = if reduce == Reduce::Max { Reads::ALL } else { Reads::NOTHING };
    x.contiguous()?.recorded1(SegmentReduce { offsets: offsets.clone(), reduce }, reads)
}

/// Offsets come from data sets that were checked, so only their ends are looked at.
pub(crate) fn check_offsets(name: &str, x: &Tensor, offsets: &[u32]) -> Result<()> {
    let n_rows = x.dims2()?.0;
    if offsets.first() != Some(&0) || offsets.last().map(|&end| end as usize) != Some(n_rows) {
        bail!("`{name}` got {n_rows} rows, but segments up to row {:?}", offsets.last())
    }
    Ok(())
}

struct SegmentReduce {
    offsets: Arc<Vec<u32>>,
    reduce: Reduce,
}

impl SegmentReduce {
    /// Calls `f` for each segment with its number and rows.
    fn each_segment(&self, work: usize, f: impl Fn(usize, Range<usize>) + Sync) {
        let runs = segment_runs(&self.offsets);
        each(runs.len(), work, |run| {
            for segment in runs[run].clone() {
                f(segment, self.offsets[segment] as usize..self.offsets[segment + 1] as usize);
            }
        });
    }
}

/// The backward pass of [`SegmentReduce`] as an operator, so that it has a CUDA version.
#[cfg(feature = "cuda")]
struct SegmentSpread {
    offsets: Arc<Vec<u32>>,
    reduce: Reduce,
}

#[cfg(feature = "cuda")]
impl candle_core::CustomOp3 for SegmentSpread {
    fn name(&self) -> &'static str {
        "segment_spread"
    }
    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        bail!("`segment_reduce` computes its gradient on the CPU without this operator")
    }
    fn cuda_fwd(
        &self,
        x: &candle_core::CudaStorage,
        xl: &Layout,
        y: &candle_core::CudaStorage,
        yl: &Layout,
        dy: &candle_core::CudaStorage,
        dyl: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        by_dtype!(x.dtype(), T => {
            let storages = [(x, xl), (y, yl), (dy, dyl)];
            let dx = device::cuda::segment_spread::<T>(storages, &self.offsets, self.reduce as u32)?;
            Ok((dx, xl.shape().clone()))
        })
    }
}

impl CustomOp1 for SegmentReduce {
    fn name(&self) -> &'static str {
        "segment_reduce"
    }
    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let n_segments = self.offsets.len() - 1;
        let width = layout.dims()[1];
        by_dtype!(x.dtype(), T => {
            let x = values::<T>(x, layout)?;
            let out = Output::new(n_segments, width);
            let summation = Summation::current();
            self.each_segment(x.len(), |segment, rows| {
                // SAFETY: each segment has its own row, which `reduce_rows` writes.
                let out = unsafe { out.rows(segment..segment + 1) };
                let scale = if self.reduce == Reduce::Mean { 1.0 / rows.len().max(1) as f64 } else { 1.0 };
                let x = &x[rows.start * width..rows.end * width];
                match (self.reduce, summation) {
                    (Reduce::Max, _) => max_rows(x, out),
                    (_, Summation::Sequential) => sum_rows(x, scale, out),
                    (_, Summation::Reproducible) => sum_rows_in_any_order(x, scale, out),
                }
            });
            // SAFETY: every segment was visited.
            Ok(finish(unsafe { out.finish() }, (n_segments, width)))
        })
    }
    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &candle_core::CudaStorage,
        layout: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        let shape = Shape::from((self.offsets.len() - 1, layout.dims()[1]));
        by_dtype!(x.dtype(), T => {
            Ok((device::cuda::segment_reduce::<T>(x, layout, &self.offsets, self.reduce as u32)?, shape))
        })
    }
    fn bwd(&self, x: &Tensor, res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (n_rows, width) = x.dims2()?;
        let grad = grad.contiguous()?;
        #[cfg(feature = "cuda")]
        if device::is_elsewhere(x) {
            let op = SegmentSpread { offsets: self.offsets.clone(), reduce: self.reduce };
            return Ok(Some(x.contiguous()?.apply_op3_no_bwd(&res.contiguous()?, &grad, &op)?));
        }
        by_dtype!(x.dtype(), T => {
            let is_read = self.reduce == Reduce::Max;
            let (x_values, y) = (View::<T>::where_read(x, is_read)?, View::<T>::where_read(res, is_read)?);
            let g = View::<T>::new(&grad)?;
            let dx = Output::new(n_rows, width);
            self.each_segment(n_rows * width, |segment, rows| {
                let g = &g[segment * width..(segment + 1) * width];
                // SAFETY: segments are disjoint, and both functions write all of their rows.
                let dx = unsafe { dx.rows(rows.clone()) };
                match self.reduce {
                    Reduce::Sum => spread_row(g, T::ONE, dx),
                    Reduce::Mean => spread_row(g, T::ONE / T::of(rows.len() as f64), dx),
                    Reduce::Max => {
                        let y = &y[segment * width..(segment + 1) * width];
                        spread_to_ties(&x_values[rows.start * width..rows.end * width], y, g, dx)
                    }
                }
            });
            // SAFETY: the segments cover all rows.
            Ok(Some(Tensor::from_vec(unsafe { dx.finish() }, x.shape(), x.device())?))
        })
    }
}

/// Rows whose sum is taken in the type of the numbers before it is added in f64.
const SUM_ROWS: usize = 32;

/// Sums of [`SUM_ROWS`] rows are added in f64, which keeps rounding small in long segments.
#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn sum_rows<T: Float>(x: &[T], scale: f64, out: &mut [T]) {
    let width = out.len().max(1);
    if x.len() <= SUM_ROWS * width {
        out.fill(T::ZERO);
        add_rows(x, out);
        for out in out {
            *out = T::of(out.wide() * scale);
        }
        return;
    }
    let mut sums = vec![0.0; width];
    for run in x.chunks(SUM_ROWS * width) {
        out.fill(T::ZERO);
        add_rows(run, out);
        for (sum, value) in sums.iter_mut().zip(&*out) {
            *sum += value.wide();
        }
    }
    for (out, sum) in out.iter_mut().zip(sums) {
        *out = T::of(sum * scale);
    }
}

/// [`sum_rows`] with the same bits in every order of the rows.
#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn sum_rows_in_any_order<T: Float>(x: &[T], scale: f64, out: &mut [T]) {
    let width = out.len().max(1);
    let (mut grids, mut sums) = (vec![0.0; width], vec![0.0; width]);
    let rows = x.chunks_exact(width).map(|row| (T::ONE, row));
    summation::sum_rows(x.len() / width, rows, &mut grids, &mut sums);
    for (out, sum) in out.iter_mut().zip(sums) {
        *out = T::of(sum * scale);
    }
}

#[inline(always)]
fn add_rows<T: Float>(rows: &[T], sums: &mut [T]) {
    for row in rows.chunks_exact(sums.len().max(1)) {
        for (sum, &value) in sums.iter_mut().zip(row) {
            *sum += value;
        }
    }
}

#[allow(clippy::eq_op)] // A NaN is what differs from itself.
#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn max_rows<T: Float>(x: &[T], out: &mut [T]) {
    let width = out.len().max(1);
    let Some((first, rest)) = x.split_at_checked(width) else {
        out.fill(T::ZERO);
        return;
    };
    out.copy_from_slice(&first[..out.len()]);
    for row in rest.chunks_exact(width) {
        for (out, &value) in out.iter_mut().zip(row) {
            // A NaN stays, wherever it stands.
            *out = if value <= *out || *out != *out { *out } else { value };
        }
    }
}

#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn spread_row<T: Float>(g: &[T], scale: T, dx: &mut [T]) {
    for row in dx.chunks_exact_mut(g.len().max(1)) {
        for (dx, &g) in row.iter_mut().zip(g) {
            *dx = g * scale;
        }
    }
}

#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn spread_to_ties<T: Float>(x: &[T], y: &[T], g: &[T], dx: &mut [T]) {
    let width = y.len().max(1);
    let mut share = vec![T::ZERO; y.len()];
    for row in x.chunks_exact(width) {
        for ((share, &x), &y) in share.iter_mut().zip(row).zip(y) {
            *share += if x == y { T::ONE } else { T::ZERO };
        }
    }
    for (share, &g) in share.iter_mut().zip(g) {
        *share = g / share.greater(T::ONE);
    }
    for (row, dx) in x.chunks_exact(width).zip(dx.chunks_exact_mut(width)) {
        for (((dx, &x), &y), &share) in dx.iter_mut().zip(row).zip(y).zip(&share) {
            *dx = if x == y { share } else { T::ZERO };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::reference;
    use crate::kernels::testing::{Case, random};

    const ALL: &[Reduce] = &[Reduce::Sum, Reduce::Mean, Reduce::Max];

    #[test]
    fn segments_reduce_and_empty_ones_give_zeros() {
        for offsets in [vec![0], vec![0, 0, 3, 3, 10], vec![0, 10]] {
            let n = *offsets.last().unwrap() as usize;
            let offsets = Arc::new(offsets);
            for (&reduce, width) in ALL.iter().zip([1, 5, 17]) {
                Case::new(&[random(&[n, width], 3)], |x| segment_reduce(&x[0], &offsets, reduce))
                    .equals(|x| reference::segment_reduce(&x[0], &offsets, reduce));
            }
        }
    }

    #[test]
    fn long_segments_have_the_same_bits_on_any_number_of_threads() {
        let offsets = Arc::new(vec![0, 1, 700, 700, 2000, 2300, 4000]);
        for &reduce in ALL {
            Case::new(&[random(&[4000, 48], 3)], |x| segment_reduce(&x[0], &offsets, reduce))
                .has_same_bits_on_any_number_of_threads();
        }
    }

    #[test]
    fn rows_that_share_the_maximum_share_its_gradient() {
        let x = candle_core::Var::new(&[[2f64], [1.0], [2.0]], &candle_core::Device::Cpu).unwrap();
        let y = segment_reduce(&x, &Arc::new(vec![0, 3]), Reduce::Max).unwrap();
        let gradients = y.sum_all().unwrap().backward().unwrap();
        assert_eq!(gradients.get(&x).unwrap().to_vec2::<f64>().unwrap(), [[0.5], [0.0], [0.5]]);
    }

    #[test]
    fn offsets_that_do_not_fit_are_refused() {
        let x = random(&[3, 2], 1).tensor(candle_core::DType::F32);
        assert!(segment_reduce(&x, &Arc::new(vec![0, 2]), Reduce::Sum).is_err());
    }
}
