//! What the pooling kernels are made of: matrices, blocks of work, and the bridge that turns one generic
//! function over slices into a Candle custom operator.

use super::device;
use super::float::{Float, by_dtype, finish, values};
use super::product::{Operands, Start, multiply};
use super::tape::{Reads, Recorded};
use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, DType, Layout, Result, Shape, Tensor};
use std::ops::Range;

/// A kernel of `N` tensors: one generic function over row-major slices, and its gradient as calls of kernels.
pub(crate) trait Kernel<const N: usize>: Send + Sync + 'static {
    fn name(&self) -> &'static str;
    fn forward<T: Float>(&self, args: [&[T]; N], shapes: [&Shape; N]) -> Result<(Vec<T>, Shape)>;
    /// What [`Kernel::backward`] reads the numbers of.
    fn reads(&self) -> Reads {
        Reads::ARGS
    }
    /// Gradients of the arguments, `None` for those that need none.
    fn backward(&self, _args: [&Tensor; N], _result: &Tensor, _grad: &Tensor) -> Result<[Option<Tensor>; N]> {
        Err(candle_core::Error::BackwardNotSupported { op: self.name() })
    }
}

struct Custom<K>(K);

fn run<const N: usize, K: Kernel<N>>(
    kernel: &K,
    storages: [&CpuStorage; N],
    layouts: [&Layout; N],
) -> Result<(CpuStorage, Shape)> {
    by_dtype!(storages[0].dtype(), T => {
        let mut args: [&[T]; N] = [&[]; N];
        for (arg, (storage, layout)) in args.iter_mut().zip(storages.iter().zip(layouts)) {
            *arg = values(storage, layout)?;
        }
        let (values, shape) = kernel.forward(args, layouts.map(Layout::shape))?;
        if values.len() != shape.elem_count() {
            candle_core::bail!("`{}` made {} numbers of shape {shape:?}", kernel.name(), values.len());
        }
        Ok(finish(values, shape))
    })
}

impl<K: Kernel<1>> CustomOp1 for Custom<K> {
    fn name(&self) -> &'static str {
        self.0.name()
    }
    fn cpu_fwd(&self, s: &CpuStorage, l: &Layout) -> Result<(CpuStorage, Shape)> {
        run(&self.0, [s], [l])
    }
    fn bwd(&self, arg: &Tensor, res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let [grad] = self.0.backward([arg], res, &grad.contiguous()?)?;
        Ok(grad)
    }
}

impl<K: Kernel<2>> CustomOp2 for Custom<K> {
    fn name(&self) -> &'static str {
        self.0.name()
    }
    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        run(&self.0, [s1, s2], [l1, l2])
    }
    fn bwd(
        &self,
        arg1: &Tensor,
        arg2: &Tensor,
        res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [first, second] = self.0.backward([arg1, arg2], res, &grad.contiguous()?)?;
        Ok((first, second))
    }
}

impl<K: Kernel<3>> CustomOp3 for Custom<K> {
    fn name(&self) -> &'static str {
        self.0.name()
    }
    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        run(&self.0, [s1, s2, s3], [l1, l2, l3])
    }
    fn bwd(
        &self,
        arg1: &Tensor,
        arg2: &Tensor,
        arg3: &Tensor,
        res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [first, second, third] = self.0.backward([arg1, arg2, arg3], res, &grad.contiguous()?)?;
        Ok((first, second, third))
    }
}

/// Applies a kernel and records it for the backward pass.
pub(crate) fn apply1<K: Kernel<1>>(kernel: K, arg: &Tensor) -> Result<Tensor> {
    if device::is_elsewhere(arg) {
        return device::on_host([arg], |[arg]| apply1(kernel, &arg));
    }
    let reads = kernel.reads();
    arg.contiguous()?.recorded1(Custom(kernel), reads)
}
pub(crate) fn apply2<K: Kernel<2>>(kernel: K, [a, b]: [&Tensor; 2]) -> Result<Tensor> {
    if device::is_elsewhere(a) {
        return device::on_host([a, b], |[a, b]| apply2(kernel, [&a, &b]));
    }
    let reads = kernel.reads();
    a.contiguous()?.recorded2(&b.contiguous()?, Custom(kernel), reads)
}
pub(crate) fn apply3<K: Kernel<3>>(kernel: K, [a, b, c]: [&Tensor; 3]) -> Result<Tensor> {
    if device::is_elsewhere(a) {
        return device::on_host([a, b, c], |[a, b, c]| apply3(kernel, [&a, &b, &c]));
    }
    let reads = kernel.reads();
    a.contiguous()?.recorded3(&b.contiguous()?, &c.contiguous()?, Custom(kernel), reads)
}
/// Applies a kernel inside a backward pass, where nothing is recorded.
pub(crate) fn plain1<K: Kernel<1>>(kernel: K, arg: &Tensor) -> Result<Tensor> {
    if device::is_elsewhere(arg) {
        return device::on_host([arg], |[arg]| plain1(kernel, &arg));
    }
    arg.contiguous()?.apply_op1_no_bwd(&Custom(kernel))
}
pub(crate) fn plain2<K: Kernel<2>>(kernel: K, [a, b]: [&Tensor; 2]) -> Result<Tensor> {
    a.contiguous()?.apply_op2_no_bwd(&b.contiguous()?, &Custom(kernel))
}
pub(crate) fn plain3<K: Kernel<3>>(kernel: K, [a, b, c]: [&Tensor; 3]) -> Result<Tensor> {
    a.contiguous()?.apply_op3_no_bwd(&b.contiguous()?, &c.contiguous()?, &Custom(kernel))
}

/// Computes a gradient only where something asks for it.
pub(crate) fn where_needed(
    arg: &Tensor,
    gradient: impl FnOnce() -> Result<Tensor>,
) -> Result<Option<Tensor>> {
    if arg.track_op() { gradient().map(Some) } else { Ok(None) }
}

/// The values of a tensor in f64, for decisions that are not differentiated (selection, sorting).
pub(crate) fn values_f64(x: &Tensor) -> Result<Vec<f64>> {
    x.detach().flatten_all()?.to_dtype(DType::F64)?.to_vec1()
}

/// Rows of each graph: ragged as nodes are, or the same number each, as clusters are.
#[derive(Debug, Clone)]
pub(crate) enum Segments {
    Ragged(std::sync::Arc<Vec<u32>>),
    Equal { n_graphs: usize, rows: usize },
}

impl Segments {
    pub(crate) fn n_graphs(&self) -> usize {
        match self {
            Segments::Ragged(offsets) => offsets.len().saturating_sub(1),
            Segments::Equal { n_graphs, .. } => *n_graphs,
        }
    }
    pub(crate) fn range(&self, graph: usize) -> Range<usize> {
        match self {
            Segments::Ragged(offsets) => offsets[graph] as usize..offsets[graph + 1] as usize,
            Segments::Equal { rows, .. } => graph * rows..(graph + 1) * rows,
        }
    }
    pub(crate) fn n_rows(&self) -> usize {
        match self {
            Segments::Ragged(offsets) => offsets.last().map_or(0, |&end| end as usize),
            Segments::Equal { n_graphs, rows } => n_graphs * rows,
        }
    }
    /// # Errors
    /// Where the boundaries do not fit a tensor of `rows` rows.
    pub(crate) fn expect_rows(&self, name: &'static str, rows: usize) -> Result<()> {
        if self.n_rows() == rows {
            Ok(())
        } else {
            candle_core::bail!("{name}: {rows} rows, but the graphs have {} together", self.n_rows())
        }
    }
}

/// Fixed ranges of about `per_block` items that cover `0..n`.
pub(crate) fn blocks(n: usize, per_block: usize) -> impl Iterator<Item = Range<usize>> {
    let per_block = per_block.max(1);
    (0..n).step_by(per_block).map(move |start| start..(start + per_block).min(n))
}

/// A result that several tasks write at once, each its own part: numbers, or the memory of an
/// [`Output`](super::parallel::Output).
pub(crate) struct Shared<T>(*mut T, usize);
// SAFETY: `part` is only called for disjoint ranges.
unsafe impl<T: Send> Send for Shared<T> {}
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub(crate) fn new(values: &mut [T]) -> Self {
        Self(values.as_mut_ptr(), values.len())
    }
    /// `len` places from `start` on, written or not.
    ///
    /// # Safety
    /// The memory is allocated, and outlives every use of its parts.
    pub(crate) unsafe fn from_raw(start: *mut T, len: usize) -> Self {
        Self(start, len)
    }
    /// # Safety
    /// The memory is still there, no two live parts overlap, and of memory that is not written yet nothing is read before
    /// it is.
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn part(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.1);
        // SAFETY: inside the allocation; disjoint by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(range.start), range.len()) }
    }
    pub(crate) fn at(&self, start: usize) -> *mut T {
        assert!(start <= self.1);
        // SAFETY: inside the allocation.
        unsafe { self.0.add(start) }
    }
}

/// A matrix in memory.
#[derive(Clone, Copy)]
pub(crate) struct Mat<'a, T> {
    values: &'a [T],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a, T> Mat<'a, T> {
    /// Row-major, rows `stride` apart.
    pub(crate) fn new(values: &'a [T], rows: usize, cols: usize, stride: usize) -> Self {
        assert!(rows == 0 || cols == 0 || (rows - 1) * stride + cols <= values.len());
        Self { values, rows, cols, row_stride: stride, col_stride: 1 }
    }
    /// (rows, columns)
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.rows, self.cols)
    }
    /// Some columns of a row-major matrix of `stride` columns.
    pub(crate) fn columns(values: &'a [T], rows: usize, cols: Range<usize>, stride: usize) -> Self {
        let start = cols.start.min(values.len());
        Self::new(&values[start..], rows, cols.len(), stride)
    }
    /// The values from a row on.
    pub(crate) fn values_from(&self, row: usize) -> &'a [T] {
        &self.values[(row * self.row_stride).min(self.values.len())..]
    }
    pub(crate) fn transposed(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }
}

/// `out = a · b`, or `out += a · b`; `out` is row-major with rows `stride` apart. On the calling thread.
///
/// # Safety
/// `out` points to a matrix of that size that nothing else uses.
pub(crate) unsafe fn product_to<T: Float>(
    out: *mut T,
    stride: usize,
    a: Mat<T>,
    b: Mat<T>,
    accumulate: bool,
) {
    assert_eq!(a.cols, b.rows, "inner sizes of a matrix product");
    let operands = Operands {
        sizes: [a.rows, a.cols, b.cols],
        a: a.values.as_ptr(),
        a_strides: [a.row_stride, a.col_stride],
        b: b.values.as_ptr(),
        b_strides: [b.row_stride, b.col_stride],
        out,
        out_stride: stride,
    };
    // SAFETY: the operands were checked by `Mat::new`, the result by the caller.
    unsafe { multiply(&operands, if accumulate { Start::Sum } else { Start::Zero }, false) }
}

/// [`product_to`] into a slice.
pub(crate) fn product<T: Float>(out: &mut [T], stride: usize, a: Mat<T>, b: Mat<T>, accumulate: bool) {
    assert!(a.rows == 0 || b.cols == 0 || (a.rows - 1) * stride + b.cols <= out.len());
    // SAFETY: the size was checked, and the slice is borrowed mutably.
    unsafe { product_to(out.as_mut_ptr(), stride, a, b, accumulate) }
}

/// `Σ a·b` in a fixed order that becomes SIMD code.
#[inline(always)]
pub(crate) fn dot<T: Float>(a: &[T], b: &[T]) -> T {
    const LANES: usize = 16;
    let n = a.len().min(b.len());
    let (a, b) = (&a[..n], &b[..n]);
    let mut lanes = [T::ZERO; LANES];
    let mut start = 0;
    while n - start >= LANES {
        // Arrays, whose length is known, so that their loop becomes vectors.
        let a: &[T; LANES] = a[start..][..LANES].try_into().expect("as many");
        let b: &[T; LANES] = b[start..][..LANES].try_into().expect("as many");
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
        start += LANES;
    }
    let mut rest = T::ZERO;
    for i in start..n {
        rest += a[i] * b[i];
    }
    fold(lanes) + rest
}

/// `Σ a` in a fixed order that becomes SIMD code.
#[inline(always)]
pub(crate) fn sum<T: Float>(a: &[T]) -> T {
    const LANES: usize = 16;
    let mut lanes = [T::ZERO; LANES];
    let mut start = 0;
    while a.len() - start >= LANES {
        let a: &[T; LANES] = a[start..][..LANES].try_into().expect("as many");
        for lane in 0..LANES {
            lanes[lane] += a[lane];
        }
        start += LANES;
    }
    let mut rest = T::ZERO;
    for i in start..a.len() {
        rest += a[i];
    }
    fold(lanes) + rest
}

/// The sum of the lanes, pairwise.
#[inline(always)]
pub(crate) fn fold<T: Float>(mut lanes: [T; 16]) -> T {
    halve::<T, 8>(&mut lanes);
    halve::<T, 4>(&mut lanes);
    halve::<T, 2>(&mut lanes);
    halve::<T, 1>(&mut lanes);
    lanes[0]
}

/// The upper of `2 · HALF` lanes are added to the lower. With a number of lanes that is not written in the code, they
/// would be added one at a time, and so would be what is summed up in them before.
#[inline(always)]
fn halve<T: Float, const HALF: usize>(lanes: &mut [T; 16]) {
    for lane in 0..HALF {
        let upper = lanes[lane + HALF];
        lanes[lane] += upper;
    }
}

/// `out += factor · x`
#[inline(always)]
pub(crate) fn add_scaled<T: Float>(out: &mut [T], factor: T, x: &[T]) {
    for (out, &x) in out.iter_mut().zip(x) {
        *out += factor * x;
    }
}

/// `out += x`
#[inline(always)]
pub(crate) fn add_to<T: Float>(out: &mut [T], x: &[T]) {
    for (out, &x) in out.iter_mut().zip(x) {
        *out += x;
    }
}
