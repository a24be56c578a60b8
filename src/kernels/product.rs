//! Matrix products of a few rows, on one thread: what row-blocked kernels call for each block.
//! All matrices are row-major.

use super::float::Float;

/// `out [m, n] (+)= a [m, k] · b [k, n]`; with `add` the product is added to what `out` holds, else `out` may be
/// uninitialised.
pub(crate) fn product<T: Float>(m: usize, k: usize, n: usize, a: &[T], b: &[T], out: &mut [T], add: bool) {
    assert!(a.len() >= m * k && b.len() >= k * n && out.len() >= m * n);
    general(m, k, n, a, (k, 1), b, (n, 1), out, add);
}

/// `out [m, n] (+)= a [m, k] · bᵀ`, with `b [n, k]`.
pub(crate) fn product_bt<T: Float>(m: usize, k: usize, n: usize, a: &[T], b: &[T], out: &mut [T], add: bool) {
    assert!(a.len() >= m * k && b.len() >= n * k && out.len() >= m * n);
    general(m, k, n, a, (k, 1), b, (1, k), out, add);
}

/// `out [m, n] (+)= aᵀ · b`, with `a [k, m]` and `b [k, n]`.
pub(crate) fn product_at<T: Float>(m: usize, k: usize, n: usize, a: &[T], b: &[T], out: &mut [T], add: bool) {
    assert!(a.len() >= k * m && b.len() >= k * n && out.len() >= m * n);
    general(m, k, n, a, (1, m), b, (n, 1), out, add);
}

/// Strides are (row, column). Callers have checked the lengths.
#[allow(clippy::too_many_arguments)] // The same list as every BLAS.
fn general<T: Float>(
    m: usize,
    k: usize,
    n: usize,
    a: &[T],
    a_strides: (usize, usize),
    b: &[T],
    b_strides: (usize, usize),
    out: &mut [T],
    add: bool,
) {
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        if !add {
            out[..m * n].fill(T::ZERO);
        }
        return;
    }
    // SAFETY: the callers' assertions bound every index; f32 and f64 are supported by `gemm`.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            add,
            a.as_ptr(),
            a_strides.1 as isize,
            a_strides.0 as isize,
            b.as_ptr(),
            b_strides.1 as isize,
            b_strides.0 as isize,
            T::ONE,
            T::ONE,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
