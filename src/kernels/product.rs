//! Matrix products of some rows, on one thread: what row-blocked kernels call for each block.
//! All matrices are row-major.
//!
//! The weights of a layer fit in the first-level cache, so with AVX-512 the products of f32 run without packing
//! on tiles that live in registers; all else goes through the `gemm` crate.

use super::activation::{Activation, apply};
use super::float::Float;
use super::summation::Summation;
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
    let out = &mut out[..m * n];
    let operands = Operands {
        sizes: [m, k, n],
        a: a.as_ptr(),
        a_strides: [k, 1],
        b: b.as_ptr(),
        b_strides: [n, 1],
        out: out.as_mut_ptr(),
        out_stride: n,
    };
    // Only `relu` is worth a place in the innermost loop.
    let is_relu = act == Activation::Relu;
    // SAFETY: the lengths were checked, and `out` is borrowed mutably.
    unsafe { multiply(&operands, start, is_relu) };
    if !is_relu {
        apply(out, act);
    }
}

/// [`product`] where, with [`Summation::Reproducible`], a row of the result depends on its row of `a` alone and not on
/// where in the matrix it stands, as in the `gemm` crate, which computes the last rows in another order.
#[allow(clippy::too_many_arguments)] // As above.
pub(crate) fn product_of_rows<T: Float>(
    summation: Summation,
    m: usize,
    k: usize,
    n: usize,
    a: &[T],
    b: &[T],
    out: &mut [T],
    start: Start<T>,
    act: Activation,
) {
    if !summation.is_reproducible() || has_tiles::<T>() {
        return product(m, k, n, a, b, out, start, act);
    }
    assert!(a.len() >= m * k && b.len() >= k * n && out.len() >= m * n);
    let out = &mut out[..m * n];
    if !matches!(start, Start::Sum) {
        out.fill(T::ZERO);
    }
    add_products_of_rows(k, n, a, b, out);
    finish_rows(out, start, act);
}

#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn add_products_of_rows<T: Float>(k: usize, n: usize, a: &[T], b: &[T], out: &mut [T]) {
    for (row, out) in out.chunks_exact_mut(n.max(1)).enumerate() {
        for (&a, b) in a[row * k..][..k].iter().zip(b.chunks_exact(n.max(1))) {
            for (out, &b) in out.iter_mut().zip(b) {
                *out += a * b;
            }
        }
    }
}

/// Whether products run on tiles of our own, which treat every row alike.
fn has_tiles<T: Float>() -> bool {
    #[cfg(target_arch = "x86_64")]
    if T::DTYPE == candle_core::DType::F32 && is_x86_feature_detected!("avx512f") {
        return true;
    }
    false
}

/// `out [m, n] (+)= aᵀ · b`, with `a [k, m]` and `b [k, n]`; with `add` it is added to what `out` holds, else `out`
/// may be uninitialised.
pub(crate) fn product_at<T: Float>(m: usize, k: usize, n: usize, a: &[T], b: &[T], out: &mut [T], add: bool) {
    assert!(a.len() >= k * m && b.len() >= k * n && out.len() >= m * n);
    let operands = Operands {
        sizes: [m, k, n],
        a: a.as_ptr(),
        a_strides: [1, m],
        b: b.as_ptr(),
        b_strides: [n, 1],
        out: out.as_mut_ptr(),
        out_stride: n,
    };
    // SAFETY: the lengths were checked, and `out` is borrowed mutably.
    unsafe { multiply(&operands, if add { Start::Sum } else { Start::Zero }, false) };
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

/// A product `out [m, n] = a [m, k] · b [k, n]` anywhere in memory. Strides are [row, column].
pub(crate) struct Operands<T> {
    /// `[m, k, n]`
    pub sizes: [usize; 3],
    pub a: *const T,
    pub a_strides: [usize; 2],
    pub b: *const T,
    pub b_strides: [usize; 2],
    pub out: *mut T,
    pub out_stride: usize,
}

/// `out = start + a · b`, and with `is_relu` the larger of that and 0. On the calling thread.
///
/// # Safety
/// The pointers cover matrices of the sizes, and nothing else uses `out`.
///
/// # Panics
/// Where a bias is not as long as a row.
pub(crate) unsafe fn multiply<T: Float>(operands: &Operands<T>, start: Start<T>, is_relu: bool) {
    let Operands { sizes: [m, k, n], a, a_strides, b, b_strides, out, out_stride } = *operands;
    if m == 0 || n == 0 {
        return;
    }
    if let Start::Bias(bias) = start {
        assert_eq!(bias.len(), n);
    }
    #[cfg(target_arch = "x86_64")]
    if has_tiles::<T>() {
        let packed;
        let (mut b, mut b_row) = (b, b_strides[0]);
        if b_strides[1] != 1 {
            // The tiles read rows of `b`.
            // SAFETY: as the caller promises.
            packed = unsafe { laid_out_in_rows(b, b_strides, k, n) };
            (b, b_row) = (packed.as_ptr(), n);
        }
        let task = avx512::Task {
            a: a.cast(),
            a_row: a_strides[0],
            a_col: a_strides[1],
            b: b.cast(),
            b_row,
            n,
            k,
            out: out.cast(),
            out_row: out_stride,
            start: match start {
                Start::Zero => avx512::Start::Zero,
                Start::Bias(bias) => avx512::Start::Bias(bias.as_ptr().cast()),
                Start::Sum => avx512::Start::Sum,
            },
            is_relu,
        };
        // SAFETY: the type is f32, the instructions are there, and the matrices are as the caller promises.
        unsafe { avx512::product(&task, m) };
        return;
    }
    let adds = matches!(start, Start::Sum);
    if k > 0 {
        // SAFETY: as the caller promises; f32 and f64 are supported by `gemm`.
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                out,
                1,
                out_stride as isize,
                adds,
                a,
                a_strides[1] as isize,
                a_strides[0] as isize,
                b,
                b_strides[1] as isize,
                b_strides[0] as isize,
                T::ONE,
                T::ONE,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
    }
    for row in 0..m {
        // SAFETY: a row of `out`.
        let row = unsafe { std::slice::from_raw_parts_mut(out.add(row * out_stride), n) };
        if k == 0 && !adds {
            row.fill(T::ZERO);
        }
        finish_rows(row, start, if is_relu { Activation::Relu } else { Activation::Identity });
    }
}

/// A copy `[k, n]` without gaps, row by row.
///
/// # Safety
/// `b` points to a matrix of that size.
#[cfg(target_arch = "x86_64")]
unsafe fn laid_out_in_rows<T: Float>(b: *const T, [row, col]: [usize; 2], k: usize, n: usize) -> Vec<T> {
    /// Columns, which lie far apart, that are read side by side.
    const COLS: usize = 16;
    let mut rows = Vec::with_capacity(k * n);
    let out: *mut T = rows.as_mut_ptr();
    for first in (0..n).step_by(COLS) {
        let cols = COLS.min(n - first);
        for at in 0..k {
            for c in first..first + cols {
                // SAFETY: within both matrices.
                unsafe { *out.add(at * n + c) = *b.add(at * row + c * col) };
            }
        }
    }
    // SAFETY: every element was written.
    unsafe { rows.set_len(k * n) };
    rows
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
    #[derive(Clone, Copy)]
    pub struct Task {
        pub a: *const f32,
        pub a_row: usize,
        pub a_col: usize,
        pub b: *const f32,
        pub b_row: usize,
        pub n: usize,
        pub k: usize,
        pub out: *mut f32,
        pub out_row: usize,
        pub start: Start,
        pub is_relu: bool,
    }

    /// Rows of `b` that stay in the first-level cache while all rows of the result use them: 128 × 64 floats.
    const DEPTH: usize = 128;

    /// # Safety
    /// The processor has AVX-512, and the task's pointers cover `m` rows.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn product(task: &Task, m: usize) {
        let mut done = 0;
        loop {
            let k = DEPTH.min(task.k - done);
            let is_last = done + k == task.k;
            // SAFETY: rows of `b` and columns of `a` that the task has.
            unsafe {
                let step = Task {
                    a: task.a.add(done * task.a_col),
                    b: task.b.add(done * task.b_row),
                    k,
                    start: if done == 0 { task.start } else { Start::Sum },
                    is_relu: task.is_relu && is_last,
                    ..*task
                };
                panels(&step, m);
            }
            if is_last {
                return;
            }
            done += k;
        }
    }

    #[target_feature(enable = "avx512f")]
    unsafe fn panels(task: &Task, m: usize) {
        let mut col = 0;
        while col < task.n {
            let left = task.n - col;
            // SAFETY: columns that the task has.
            unsafe {
                // 24 sums in registers leave room for a row of `b` and a value of `a`.
                col += match left {
                    0..=16 => panel::<12, 1>(task, m, col, left),
                    17..=32 => panel::<12, 2>(task, m, col, left),
                    33..=48 => panel::<8, 3>(task, m, col, left),
                    _ => panel::<6, 4>(task, m, col, left.min(64)),
                };
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
            let out = task.out.add(row * task.out_row + col);
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
                            sums[r][v] = _mm512_maskz_loadu_ps(lane(v), out.add(r * task.out_row + v * 16));
                        }
                    }
                }
            }
            let a = task.a.add(row * task.a_row);
            let b = task.b.add(col);
            for k in 0..task.k {
                let mut values = [_mm512_setzero_ps(); V];
                for v in 0..V {
                    values[v] = _mm512_maskz_loadu_ps(lane(v), b.add(k * task.b_row + v * 16));
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
                    _mm512_mask_storeu_ps(out.add(r * task.out_row + v * 16), lane(v), sum);
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

        let (a, b_transposed) = (typed(&a), transposed(&typed(&b), k, n));
        let mut apart = vec![T::ONE; m * (n + 3)];
        let operands = Operands {
            sizes: [m, k, n],
            a: a.as_ptr(),
            a_strides: [k, 1],
            b: b_transposed.as_ptr(),
            b_strides: [1, k],
            out: apart.as_mut_ptr(),
            out_stride: n + 3,
        };
        // SAFETY: the vectors are as long as the sizes say.
        unsafe { multiply(&operands, Start::Zero, false) };
        let rows: Vec<T> = apart.chunks(n + 3).flat_map(|row| &row[..n]).copied().collect();
        assert_near(&wide(&rows), &plain, tolerance, &what);
        assert!(apart.chunks(n + 3).all(|row| row[n..] == [T::ONE; 3]), "{what}: wrote between rows");
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
