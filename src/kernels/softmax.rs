//! Softmax of each row: the assignment `S` of a pooling.

use super::custom::{Kernel, apply1, blocks, fold, plain2, where_needed};
use super::device;
use super::float::Float;
use super::parallel::{Output, block_elements, each};
use super::tape::Reads;
use candle_core::{Result, Shape, Tensor};
use multiversion::multiversion;

/// `y_ij = exp(x_ij − max_j x_ij) / Σ_j exp(x_ij − max_j x_ij)`
///
/// PyG: `torch.softmax(s, dim=-1)` at the start of `dense_diff_pool`.
///
/// # Shapes
/// - `x`: `[N, k]`
/// - result: `[N, k]`; each row sums to 1
///
/// # Errors
/// Where `x` is not a matrix of floats.
pub fn softmax_rows(x: &Tensor) -> Result<Tensor> {
    x.dims2()?;
    if device::is_elsewhere(x) {
        return device::composed::softmax_rows(x);
    }
    apply1(SoftmaxRows, x)
}

/// An exponential costs about as much as this many additions.
const EXP_WORK: usize = 8;

struct SoftmaxRows;

impl Kernel<1> for SoftmaxRows {
    fn name(&self) -> &'static str {
        "softmax_rows"
    }

    fn forward<T: Float>(&self, [x]: [&[T]; 1], [shape]: [&Shape; 1]) -> Result<(Vec<T>, Shape)> {
        let (n_rows, width) = shape.dims2()?;
        let out = Output::new(x.len(), 1);
        let shared = out.shared();
        let tasks: Vec<_> = blocks(n_rows, block_elements(n_rows * width) / width.max(1)).collect();
        each(tasks.len(), x.len() * EXP_WORK, |task| {
            let range = tasks[task].start * width..tasks[task].end * width;
            // SAFETY: blocks of rows do not overlap.
            softmax_block(&x[range.clone()], unsafe { shared.part(range) }, width);
        });
        // SAFETY: the tasks cover all rows, and `softmax_block` writes every number of its rows.
        Ok((unsafe { out.finish() }, shape.clone()))
    }

    fn reads(&self) -> Reads {
        Reads::RESULT
    }
    fn backward(&self, [x]: [&Tensor; 1], y: &Tensor, grad: &Tensor) -> Result<[Option<Tensor>; 1]> {
        Ok([where_needed(x, || plain2(SoftmaxRowsGrad, [y, grad]))?])
    }
}

/// `dx = y ∘ (dy − Σ_j y_j dy_j)`
struct SoftmaxRowsGrad;

impl Kernel<2> for SoftmaxRowsGrad {
    fn name(&self) -> &'static str {
        "softmax_rows_grad"
    }

    fn forward<T: Float>(&self, [y, dy]: [&[T]; 2], [shape, _]: [&Shape; 2]) -> Result<(Vec<T>, Shape)> {
        let (n_rows, width) = shape.dims2()?;
        let out = Output::new(y.len(), 1);
        let shared = out.shared();
        let tasks: Vec<_> = blocks(n_rows, block_elements(n_rows * width) / width.max(1)).collect();
        each(tasks.len(), y.len() * 2, |task| {
            let range = tasks[task].start * width..tasks[task].end * width;
            // SAFETY: blocks of rows do not overlap.
            softmax_grad_block(&y[range.clone()], &dy[range.clone()], unsafe { shared.part(range) }, width);
        });
        // SAFETY: the tasks cover all rows, and `softmax_grad_block` writes every number of its rows.
        Ok((unsafe { out.finish() }, shape.clone()))
    }
}

const LANES: usize = 16;

/// The last, shorter chunk of a row, filled up.
#[inline(always)]
fn padded<T: Float>(rest: &[T], filler: T) -> [T; LANES] {
    let mut lanes = [filler; LANES];
    for (lane, &value) in lanes.iter_mut().zip(rest) {
        *lane = value;
    }
    lanes
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn softmax_block<T: Float>(x: &[T], out: &mut [T], width: usize) {
    if width == 0 {
        return;
    }
    for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        let mut top = [T::NEG_INFINITY; LANES];
        let chunks = x.chunks_exact(LANES);
        let rest = padded(chunks.remainder(), T::NEG_INFINITY);
        for chunk in chunks.chain(std::iter::once(&rest[..])) {
            for lane in 0..LANES {
                // A NaN is never replaced, so it reaches the loss.
                top[lane] = if top[lane] > chunk[lane] { top[lane] } else { chunk[lane] };
            }
        }
        let mut max = top[0];
        for &value in &top[1..] {
            max = if max > value { max } else { value };
        }
        let mut sums = [T::ZERO; LANES];
        let chunks = x.chunks_exact(LANES);
        let mut out_chunks = out.chunks_exact_mut(LANES);
        for (chunk, out) in chunks.zip(&mut out_chunks) {
            for lane in 0..LANES {
                out[lane] = (chunk[lane] - max).exp();
                sums[lane] += out[lane];
            }
        }
        let mut last = [T::ZERO; LANES];
        for lane in 0..LANES {
            last[lane] = (rest[lane] - max).exp();
            sums[lane] += last[lane];
        }
        for (out, &value) in out_chunks.into_remainder().iter_mut().zip(&last) {
            *out = value;
        }
        let scale = T::ONE / fold(sums);
        for value in out.iter_mut() {
            *value *= scale;
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn softmax_grad_block<T: Float>(y: &[T], dy: &[T], out: &mut [T], width: usize) {
    if width == 0 {
        return;
    }
    for ((y, dy), out) in y.chunks_exact(width).zip(dy.chunks_exact(width)).zip(out.chunks_exact_mut(width)) {
        let mean = super::custom::dot(y, dy);
        for ((out, &y), &dy) in out.iter_mut().zip(y).zip(dy) {
            *out = y * (dy - mean);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testkit::{assert_close, assert_gradients, random, same_bits_for_any_threads};
    use candle_core::{DType, Device};

    #[test]
    fn rows_sum_to_one_and_match_the_plain_formula() {
        for (rows, width) in [(1, 1), (7, 5), (40, 16), (33, 38), (3, 0), (5, 100)] {
            let x = random(&[rows, width], 1);
            let x32 = x.to_dtype(DType::F32).unwrap();
            if width > 0 {
                let plain = x.broadcast_sub(&x.max_keepdim(1).unwrap()).unwrap().exp().unwrap();
                let plain = plain.broadcast_div(&plain.sum_keepdim(1).unwrap()).unwrap();
                assert_close(&softmax_rows(&x).unwrap(), &plain, 1e-14);
                assert_close(&softmax_rows(&x32).unwrap(), &plain, 4e-7);
            } else {
                assert_eq!(softmax_rows(&x32).unwrap().dims(), [rows, 0]);
            }
        }
    }

    #[test]
    fn gradients_match_finite_differences() {
        assert_gradients(|args| softmax_rows(&args[0]), &[random(&[5, 19], 2)]);
    }

    #[test]
    fn large_logits_do_not_overflow_and_a_nan_stays_visible() {
        let x = Tensor::new(&[[1000f32, -1000.0, 999.0], [f32::NAN, 0.0, 1.0]], &Device::Cpu).unwrap();
        let y = softmax_rows(&x).unwrap().to_vec2::<f32>().unwrap();
        assert!((y[0][0] - 0.731_058_6).abs() < 1e-6 && y[0][1] == 0.0);
        assert!(y[1].iter().all(|value| value.is_nan()));
    }

    #[test]
    fn one_and_two_threads_give_the_same_bits() {
        let x = random(&[3000, 38], 3).to_dtype(DType::F32).unwrap();
        same_bits_for_any_threads(|| softmax_rows(&x).unwrap());
    }
}
