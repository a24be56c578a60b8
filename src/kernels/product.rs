//! Matrix products of some rows, on one thread: what row-blocked kernels call for each block.
//! All matrices are row-major.
//!
//! The weights of a layer fit in the first-level cache, so with AVX-512 the products of f32 run without packing
//! on tiles that live in registers; all else goes through the `gemm` crate.

use super::activation::{Activation, apply};
use super::float::Float;
use multiversion::multiversion;

/// What a product is added to.
#[derive(Clone, Copy)]
pub(crate) enum Start<'a, T> {
    /// Nothing; the result may be uninitialised.
    Zero,
    /// The same row for each row; the result may be uninitialised.
    Bias(&'a [T]),
    /// What the result holds.
    Sum,
}

/// `out [m, n] = act(start + a [m, k] · b [k, n])`.
#[allow(clippy::too_many_arguments)] // The same list as every BLAS.
pub(crate) fn product<T: Float>(
    m: usize,
    k: usize,
    n: usize,
    a: &[T],
    b: &[T],
    out: &mut [T],
    start: Start<T>,
    act: Activation,
) {
    assert!(a.len() >= m * k && b.len() >= k * n && out.len() >= m * n);
    general((m, k, n), a, (k, 1), b, out, start, act);
}

/// `out [m, n] (+)= aᵀ · b`, with `a [k, m]` and `b [k, n]`; with `add` it is added to what `out` holds, else `out`
/// may be uninitialised.
pub(crate) fn product_at<T: Float>(m: usize, k: usize, n: usize, a: &[T], b: &[T], out: &mut [T], add: bool) {
    /// Rows of `b` that stay in the first-level cache while all tiles of the result use them.
    const DEPTH: usize = 64;
    assert!(a.len() >= k * m && b.len() >= k * n && out.len() >= m * n);
    let mut start = if add { Start::Sum } else { Start::Zero };
    if k == 0 {
        general((m, 0, n), a, (1, m), b, out, start, Activation::Identity);
    }
    for first in (0..k).step_by(DEPTH) {
        let depth = DEPTH.min(k - first);
        general((m, depth, n), &a[first * m..], (1, m), &b[first * n..], out, start, Activation::Identity);
        start = Start::Sum;
    }
}

/// `[n, m]` of `[m, n]`.
pub(crate) fn transposed<T: Float>(matrix: &[T], m: usize, n: usize) -> Vec<T> {
    assert!(matrix.len() >= m * n);
    let mut out = Vec::with_capacity(m * n);
    for col in 0..n {
        out.extend((0..m).map(|row| matrix[row * n + col]));
    }
    out
}

/// `a` has the strides (row, column). Callers have checked the lengths.
fn general<T: Float>(
    (m, k, n): (usize, usize, usize),
    a: &[T],
    a_strides: (usize, usize),
    b: &[T],
    out: &mut [T],
    start: Start<T>,
    act: Activation,
) {
    if m == 0 || n == 0 {
        return;
    }
    if let Start::Bias(bias) = start {
        assert_eq!(bias.len(), n);
    }
    #[cfg(target_arch = "x86_64")]
    if T::DTYPE == candle_core::DType::F32 && is_x86_feature_detected!("avx512f") {
        let is_relu = act == Activation::Relu;
        let task = avx512::Task {
            a: a.as_ptr().cast(),
            a_row: a_strides.0,
            a_col: a_strides.1,
            b: b.as_ptr().cast(),
            n,
            k,
            out: out.as_mut_ptr().cast(),
            start: match start {
                Start::Zero => avx512::Start::Zero,
                Start::Bias(bias) => avx512::Start::Bias(bias.as_ptr().cast()),
                Start::Sum => avx512::Start::Sum,
            },
            is_relu,
        };
        // SAFETY: the type is f32, the instructions are there, and the callers have checked the lengths.
        unsafe { avx512::product(&task, m) };
        if !is_relu {
            apply(&mut out[..m * n], act);
        }
        return;
    }
    let adds = matches!(start, Start::Sum);
    if k == 0 {
        if !adds {
            out[..m * n].fill(T::ZERO);
        }
    } else {
        // SAFETY: the callers have checked the lengths; f32 and f64 are supported by `gemm`.
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                out.as_mut_ptr(),
                1,
                n as isize,
                adds,
                a.as_ptr(),
                a_strides.1 as isize,
                a_strides.0 as isize,
                b.as_ptr(),
                1,
                n as isize,
                T::ONE,
                T::ONE,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
    }
    finish_rows(&mut out[..m * n], start, act);
}

/// `out = act(out + bias)`, where `start` is a bias.
pub(crate) fn finish_rows<T: Float>(out: &mut [T], start: Start<T>, act: Activation) {
    if let Start::Bias(bias) = start {
        add_to_rows(out, bias);
    }
    apply(out, act);
}

#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn add_to_rows<T: Float>(out: &mut [T], bias: &[T]) {
    for row in out.chunks_exact_mut(bias.len().max(1)) {
        for (out, &bias) in row.iter_mut().zip(bias) {
            *out += bias;
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::*;

    /// [`super::Start`] with pointers.
    #[derive(Clone, Copy)]
    pub enum Start {
        Zero,
        Bias(*const f32),
        Sum,
    }

    /// `out [_, n] = start + a · b [k, n]`, then the larger of it and 0 where `is_relu`.
    pub struct Task {
        pub a: *const f32,
        pub a_row: usize,
        pub a_col: usize,
        pub b: *const f32,
        pub n: usize,
        pub k: usize,
        pub out: *mut f32,
        pub start: Start,
        pub is_relu: bool,
    }

    /// # Safety
    /// The processor has AVX-512, and the task's pointers cover `m` rows.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn product(task: &Task, m: usize) {
        // SAFETY: passed on.
        unsafe {
            let mut col = 0;
            while col < task.n {
                let left = task.n - col;
                // 24 sums in registers leave room for a row of `b` and a value of `a`.
                let wide = match left {
                    0..=16 => panel::<12, 1>(task, m, col, left),
                    17..=32 => panel::<12, 2>(task, m, col, left),
                    33..=48 => panel::<8, 3>(task, m, col, left),
                    _ => panel::<6, 4>(task, m, col, left.min(64)),
                };
                col += wide;
            }
        }
    }

    /// `width` columns from `col`, in `V` vectors, for all rows; returns `width`.
    #[target_feature(enable = "avx512f")]
    unsafe fn panel<const R: usize, const V: usize>(
        task: &Task,
        m: usize,
        col: usize,
        width: usize,
    ) -> usize {
        let tail = width - (V - 1) * 16;
        let mask = (((1u32 << tail) - 1) & 0xffff) as __mmask16;
        let mut row = 0;
        // SAFETY: rows and columns are within the matrices.
        unsafe {
            while row + R <= m {
                tile::<R, V>(task, row, col, mask);
                row += R;
            }
            while row + 4 <= m {
                tile::<4, V>(task, row, col, mask);
                row += 4;
            }
            while row < m {
                tile::<1, V>(task, row, col, mask);
                row += 1;
            }
        }
        width
    }

    /// `R` rows of `V` vectors, the last of them masked, summed in registers.
    #[target_feature(enable = "avx512f")]
    unsafe fn tile<const R: usize, const V: usize>(task: &Task, row: usize, col: usize, mask: __mmask16) {
        // SAFETY: within the matrices; what is beyond a row is masked out.
        unsafe {
            let lane = |vector: usize| if vector + 1 == V { mask } else { 0xffff };
            let out = task.out.add(row * task.n + col);
            let mut sums = [[_mm512_setzero_ps(); V]; R];
            match task.start {
                Start::Zero => {}
                Start::Bias(bias) => {
                    for v in 0..V {
                        let bias = _mm512_maskz_loadu_ps(lane(v), bias.add(col + v * 16));
                        for sums in &mut sums {
                            sums[v] = bias;
                        }
                    }
                }
                Start::Sum => {
                    for r in 0..R {
                        for v in 0..V {
                            sums[r][v] = _mm512_maskz_loadu_ps(lane(v), out.add(r * task.n + v * 16));
                        }
                    }
                }
            }
            let a = task.a.add(row * task.a_row);
            let b = task.b.add(col);
            for k in 0..task.k {
                let mut values = [_mm512_setzero_ps(); V];
                for v in 0..V {
                    values[v] = _mm512_maskz_loadu_ps(lane(v), b.add(k * task.n + v * 16));
                }
                for r in 0..R {
                    let factor = _mm512_set1_ps(*a.add(r * task.a_row + k * task.a_col));
                    for v in 0..V {
                        sums[r][v] = _mm512_fmadd_ps(factor, values[v], sums[r][v]);
                    }
                }
            }
            for r in 0..R {
                for v in 0..V {
                    let mut sum = sums[r][v];
                    if task.is_relu {
                        // In this order a NaN stays.
                        sum = _mm512_max_ps(_mm512_setzero_ps(), sum);
                    }
                    _mm512_mask_storeu_ps(out.add(r * task.n + v * 16), lane(v), sum);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::reference::{self, Matrix};
    use crate::kernels::testing::{assert_near, random};

    fn check<T: Float>(m: usize, k: usize, n: usize, tolerance: f64) {
        let [a, b, bias, old] = [(m, k), (k, n), (1, n), (m, n)].map(|(rows, cols)| random(&[rows, cols], 7));
        let typed = |matrix: &Matrix| matrix.data.iter().map(|&value| T::of(value)).collect::<Vec<T>>();
        let wide =
            |values: &[T]| Matrix { shape: vec![m, n], data: values.iter().map(|v| v.wide()).collect() };
        let bias_row = Matrix { shape: vec![n], data: bias.data.clone() };
        let what = format!("{m} × {k} × {n}");

        let mut out = typed(&old);
        let bias = typed(&bias);
        product(m, k, n, &typed(&a), &typed(&b), &mut out, Start::Bias(&bias), Activation::Relu);
        assert_near(
            &wide(&out),
            &reference::linear(&a, &b, Some(&bias_row), Activation::Relu),
            tolerance,
            &what,
        );

        let mut out = typed(&old);
        product(m, k, n, &typed(&a), &typed(&b), &mut out, Start::Sum, Activation::Identity);
        let plain = reference::linear(&a, &b, None, Activation::Identity);
        let sum = Matrix::make(m, n, |row, col| plain.at(row, col) + old.at(row, col));
        assert_near(&wide(&out), &sum, tolerance, &what);

        let a_transposed = transposed(&typed(&a), m, k);
        product_at(m, k, n, &a_transposed, &typed(&b), &mut out, false);
        assert_near(&wide(&out), &plain, tolerance, &what);
    }

    #[test]
    fn tiles_of_every_shape_give_the_product() {
        for m in [0, 1, 5, 12, 31] {
            for n in [1, 3, 16, 17, 33, 48, 64, 65, 130] {
                for k in [0, 1, 7, 130] {
                    check::<f32>(m, k, n, 1e-4);
                }
            }
        }
        check::<f64>(31, 70, 33, 1e-10);
    }

    #[test]
    fn a_broken_value_passes_through_relu() {
        let mut out = [0f32; 2];
        product(1, 1, 2, &[f32::NAN], &[1.0, 2.0], &mut out, Start::Zero, Activation::Relu);
        assert!(out.iter().all(|value| value.is_nan()));
    }
}
