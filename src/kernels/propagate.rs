//! Message passing without edge weights: `y_i = r_i (Σ_{j→i} c_j x_j + l_i c_i x_i)`, with scales a node that
//! the degrees give. Self loops are a term, not entries.

use super::device;
use super::float::{Float, View, by_dtype, finish, values};
use super::parallel::fill_rows;
use super::summation::{self, Summation};
use super::tape::{Reads, Recorded};
use crate::kernels::graph::{Csr, SparseGraph};
use crate::program::Norm;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use multiversion::multiversion;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Functions of the degrees that several kernels of one batch share.
#[derive(Debug, Clone, Default)]
pub struct DegreeCache {
    pub(crate) single: DegreeScales<f32>,
    pub(crate) double: DegreeScales<f64>,
}

/// Scales a node, by the norm that needs them.
#[derive(Debug, Clone, Default)]
pub struct DegreeScales<T> {
    mean: OnceLock<Vec<T>>,
    gcn: OnceLock<Vec<T>>,
    gcn_loops: OnceLock<(Vec<T>, Vec<T>)>,
}

/// The scales of one kernel: `y_i = row_i (Σ_j col_j x_j + own_i col_i x_i)`; absent ones count as 1.
#[derive(Clone, Copy)]
pub(crate) struct Scales<'a, T> {
    pub row: Option<&'a [T]>,
    pub col: Option<&'a [T]>,
    pub own: Own<'a, T>,
    pub summation: Summation,
}

/// The weight of a node's own features.
#[derive(Clone, Copy)]
pub(crate) enum Own<'a, T> {
    None,
    All(T),
    Each(&'a [T]),
}

impl<'a, T: Float> Scales<'a, T> {
    pub fn new(graph: &'a SparseGraph, norm: Norm) -> Self {
        let cache = T::scales(&graph.degrees);
        let adjacency = &*graph.adjacency;
        let (row, col, own) = match norm {
            Norm::Sum => (None, None, Own::None),
            Norm::Mean => {
                let scale =
                    cache.mean.get_or_init(|| degrees(adjacency).map(|d| inverse(T::of(d))).collect());
                (Some(&scale[..]), None, Own::None)
            }
            Norm::Gcn { self_loops: false } => {
                let scale =
                    cache.gcn.get_or_init(|| degrees(adjacency).map(|d| inverse(T::of(d).sqrt())).collect());
                (Some(&scale[..]), Some(&scale[..]), Own::None)
            }
            Norm::Gcn { self_loops: true } => {
                let (scale, own) = cache.gcn_loops.get_or_init(|| {
                    let own: Vec<T> = (0..adjacency.n_rows())
                        .map(|node| T::of(1.0 - adjacency.loops_of(node) as f64))
                        .collect();
                    let degree = degrees(adjacency).zip(&own).map(|(d, &own)| T::of(d) + own);
                    (degree.map(|d| inverse(d.sqrt())).collect(), own)
                });
                (Some(&scale[..]), Some(&scale[..]), Own::Each(own))
            }
            Norm::SelfPlus { eps } => (None, None, Own::All(T::of(1.0 + eps))),
        };
        Self { row, col, own, summation: Summation::current() }
    }

    /// What a node's own features are multiplied with before `row`: `own_i col_i`, or 0.
    #[inline(always)]
    fn own_weight(&self, row: usize) -> T {
        let own = match self.own {
            Own::None => return T::ZERO,
            Own::All(own) => own,
            Own::Each(own) => own[row],
        };
        self.col.map_or(own, |scale| own * scale[row])
    }

    /// Of the transposed propagation.
    pub fn transposed(self) -> Self {
        Self { row: self.col, col: self.row, ..self }
    }
}

fn degrees(adjacency: &Csr) -> impl Iterator<Item = f64> + '_ {
    adjacency.offsets.windows(2).map(|pair| (pair[1] - pair[0]) as f64)
}

fn inverse<T: Float>(value: T) -> T {
    if value == T::ZERO { T::ZERO } else { T::ONE / value }
}

/// `y = P x`: one step of message passing.
///
/// - `x`: `[N, F]`
/// - result: `[N, F]`
///
/// The backward pass is the same on the transposed graph.
///
/// # Errors
/// Where `x` has not one row a node, or is neither f32 nor f64.
pub fn propagate(x: &Tensor, graph: &Arc<SparseGraph>, norm: Norm) -> Result<Tensor> {
    check_rows("propagate", x, graph)?;
    if device::is_elsewhere(x) && Summation::current().is_reproducible() {
        return device::on_host([x], |[x]| propagate(&x, graph, norm));
    }
    x.contiguous()?.recorded1(Propagate { graph: graph.clone(), norm, is_transposed: false }, Reads::NOTHING)
}

pub(crate) fn check_rows(name: &str, x: &Tensor, graph: &SparseGraph) -> Result<(usize, usize)> {
    let (n_rows, width) = x.dims2()?;
    if n_rows != graph.n_nodes() {
        bail!("`{name}` got {n_rows} rows for a graph of {} nodes", graph.n_nodes())
    }
    Ok((n_rows, width))
}

struct Propagate {
    graph: Arc<SparseGraph>,
    norm: Norm,
    is_transposed: bool,
}

impl CustomOp1 for Propagate {
    fn name(&self) -> &'static str {
        "propagate"
    }
    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_dtype!(x.dtype(), T => {
            let x = values::<T>(x, layout)?;
            let width = layout.dims()[1];
            let scales = Scales::<T>::new(&self.graph, self.norm);
            let (csr, scales) = match self.is_transposed {
                false => (&*self.graph.adjacency, scales),
                true => (&*self.graph.transpose, scales.transposed()),
            };
            Ok(finish(aggregate(csr, scales, x, width), layout.shape()))
        })
    }
    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &candle_core::CudaStorage,
        layout: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        by_dtype!(x.dtype(), T => {
            let scales = Scales::<T>::new(&self.graph, self.norm);
            let (csr, cache, scales) = match self.is_transposed {
                false => (&*self.graph.adjacency, &self.graph.on_device[0], scales),
                true => (&*self.graph.transpose, &self.graph.on_device[1], scales.transposed()),
            };
            let n_rows = csr.n_rows();
            let or_ones = |scale: Option<&[T]>| scale.map_or_else(|| vec![T::ONE; n_rows], <[T]>::to_vec);
            let host = device::cuda::HostScales {
                row: or_ones(scales.row),
                col: or_ones(scales.col),
                own: match scales.own {
                    Own::None => vec![T::ZERO; n_rows],
                    Own::All(own) => vec![own; n_rows],
                    Own::Each(own) => own.to_vec(),
                },
            };
            Ok((device::cuda::propagate::<T>(x, layout, csr, cache, &host)?, layout.shape().clone()))
        })
    }
    fn bwd(&self, _x: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let back =
            Propagate { graph: self.graph.clone(), norm: self.norm, is_transposed: !self.is_transposed };
        Ok(Some(grad.contiguous()?.apply_op1_no_bwd(&back)?))
    }
}

/// All rows of `P x`.
pub(crate) fn aggregate<T: Float>(csr: &Csr, scales: Scales<T>, x: &[T], width: usize) -> Vec<T> {
    let work = (csr.n_entries() + csr.n_rows()) * width;
    // SAFETY: `aggregate_rows` writes all of `out`.
    unsafe {
        fill_rows(csr.n_rows(), width, work, |rows, out| aggregate_rows(csr, scales, x, width, rows, out))
    }
}

/// Some rows of `P x`, into `out`, which may be uninitialised.
pub(crate) fn aggregate_rows<T: Float>(
    csr: &Csr,
    scales: Scales<T>,
    x: &[T],
    width: usize,
    rows: Range<usize>,
    out: &mut [T],
) {
    assert!(out.len() == rows.len() * width && x.len() >= csr.n_cols * width);
    match scales.summation {
        Summation::Sequential => sum_neighbours(csr, scales, x, width, rows, out),
        Summation::Reproducible => sum_neighbours_in_any_order(csr, scales, x, width, rows, out),
    }
}

/// [`sum_neighbours`] with the same bits in every numbering.
#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn sum_neighbours_in_any_order<T: Float>(
    csr: &Csr,
    scales: Scales<T>,
    x: &[T],
    width: usize,
    rows: Range<usize>,
    out: &mut [T],
) {
    let (mut grids, mut sums) = (vec![0.0; width], vec![0.0; width]);
    for (row, out) in rows.zip(out.chunks_exact_mut(width.max(1))) {
        let own = scales.own_weight(row);
        let own = (own != T::ZERO).then_some((own, row));
        let weight = |source: usize| scales.col.map_or(T::ONE, |scale| scale[source]);
        let neighbours = csr.row(row).iter().map(|&source| (weight(source as usize), source as usize));
        let n_terms = csr.row(row).len() + usize::from(own.is_some());
        let terms = neighbours.chain(own).map(|(weight, source)| (weight, &x[source * width..][..width]));
        summation::sum_rows(n_terms, terms, &mut grids, &mut sums);
        let scale = scales.row.map_or(1.0, |scale| scale[row].wide());
        for (out, &sum) in out.iter_mut().zip(&sums) {
            *out = T::of(scale * sum);
        }
    }
}

#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn sum_neighbours<T: Float>(
    csr: &Csr,
    scales: Scales<T>,
    x: &[T],
    width: usize,
    rows: Range<usize>,
    out: &mut [T],
) {
    for row in rows.clone().filter(|&row| csr.row(row).len() > SUM_NEIGHBOURS) {
        sum_many_neighbours(csr, scales, x, width, row, &mut out[(row - rows.start) * width..][..width]);
    }
    let mut col = 0;
    while width - col >= 64 {
        sum_columns::<T, 64>(csr, scales, x, width, col, rows.clone(), out);
        col += 64;
    }
    while width - col >= 16 {
        sum_columns::<T, 16>(csr, scales, x, width, col, rows.clone(), out);
        col += 16;
    }
    while width - col >= 4 {
        sum_columns::<T, 4>(csr, scales, x, width, col, rows.clone(), out);
        col += 4;
    }
    match width - col {
        1 => sum_columns::<T, 1>(csr, scales, x, width, col, rows, out),
        2 => sum_columns::<T, 2>(csr, scales, x, width, col, rows, out),
        3 => sum_columns::<T, 3>(csr, scales, x, width, col, rows, out),
        _ => {}
    }
}

/// Neighbours whose sum is taken in the type of the numbers; those of more are put together in f64.
const SUM_NEIGHBOURS: usize = 128;

/// A row of [`aggregate_rows`] with more than [`SUM_NEIGHBOURS`] neighbours.
#[inline(always)]
fn sum_many_neighbours<T: Float>(
    csr: &Csr,
    scales: Scales<T>,
    x: &[T],
    width: usize,
    row: usize,
    out: &mut [T],
) {
    let own = scales.own_weight(row);
    let mut total = vec![0.0; width];
    if own != T::ZERO {
        let own = own.wide();
        total.iter_mut().zip(&x[row * width..][..width]).for_each(|(total, x)| *total = own * x.wide());
    }
    for run in csr.row(row).chunks(SUM_NEIGHBOURS) {
        out.fill(T::ZERO);
        for &source in run {
            let weight = scales.col.map_or(T::ONE, |scale| scale[source as usize]);
            for (sum, &x) in out.iter_mut().zip(&x[source as usize * width..][..width]) {
                *sum += weight * x;
            }
        }
        for (total, sum) in total.iter_mut().zip(&*out) {
            *total += sum.wide();
        }
    }
    let scale = scales.row.map_or(1.0, |scale| scale[row].wide());
    for (out, total) in out.iter_mut().zip(total) {
        *out = T::of(scale * total);
    }
}

/// Columns `col .. col + WIDTH` of the rows of [`aggregate_rows`] with few neighbours, with the sums in registers.
#[inline(always)]
fn sum_columns<T: Float, const WIDTH: usize>(
    csr: &Csr,
    scales: Scales<T>,
    x: &[T],
    width: usize,
    col: usize,
    rows: Range<usize>,
    out: &mut [T],
) {
    let first = rows.start;
    for row in rows {
        if csr.row(row).len() > SUM_NEIGHBOURS {
            continue;
        }
        let mut sum = [T::ZERO; WIDTH];
        let own = scales.own_weight(row);
        if own != T::ZERO {
            let from = &x[row * width + col..][..WIDTH];
            for k in 0..WIDTH {
                sum[k] = own * from[k];
            }
        }
        match scales.col {
            Some(scale) => {
                for &source in csr.row(row) {
                    let weight = scale[source as usize];
                    let from = &x[source as usize * width + col..][..WIDTH];
                    for k in 0..WIDTH {
                        sum[k] += weight * from[k];
                    }
                }
            }
            None => {
                for &source in csr.row(row) {
                    let from = &x[source as usize * width + col..][..WIDTH];
                    for k in 0..WIDTH {
                        sum[k] += from[k];
                    }
                }
            }
        }
        let to = &mut out[(row - first) * width + col..][..WIDTH];
        match scales.row {
            Some(scale) => {
                for k in 0..WIDTH {
                    to[k] = scale[row] * sum[k];
                }
            }
            None => to.copy_from_slice(&sum),
        }
    }
}

/// `y_i = max_{j→i} x_j`, channel by channel; 0 where nothing comes in.
///
/// Sources that share the maximum share its gradient in equal parts, so that gradients too move with the numbering.
///
/// # Errors
/// Where `x` has not one row a node, or is neither f32 nor f64.
pub fn propagate_max(x: &Tensor, graph: &Arc<SparseGraph>) -> Result<Tensor> {
    check_rows("propagate_max", x, graph)?;
    if device::is_elsewhere(x) {
        return device::on_host([x], |[x]| propagate_max(&x, graph));
    }
    x.contiguous()?.recorded1(PropagateMax { graph: graph.clone() }, Reads::ALL)
}

struct PropagateMax {
    graph: Arc<SparseGraph>,
}

impl CustomOp1 for PropagateMax {
    fn name(&self) -> &'static str {
        "propagate_max"
    }
    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_dtype!(x.dtype(), T => {
            let x = values::<T>(x, layout)?;
            let width = layout.dims()[1];
            let csr = &*self.graph.adjacency;
            // SAFETY: `max_neighbours` writes all of `out`.
            let out = unsafe {
                fill_rows(csr.n_rows(), width, csr.n_entries() * width, |rows, out| {
                    max_neighbours(csr, x, width, rows, out)
                })
            };
            Ok(finish(out, layout.shape()))
        })
    }
    fn bwd(&self, x: &Tensor, res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        let width = x.dim(1)?;
        by_dtype!(x.dtype(), T => {
            let (x_values, y, g) = (View::<T>::new(x)?, View::<T>::new(res)?, View::<T>::new(&grad)?);
            let (csr, transpose) = (&*self.graph.adjacency, &*self.graph.transpose);
            let work = csr.n_entries() * width;
            // SAFETY: both functions write all of `out`.
            let dx = unsafe {
                let shares = fill_rows(csr.n_rows(), width, work, |rows, out| {
                    share_among_ties(csr, &x_values, &y, &g, width, rows, out)
                });
                fill_rows(csr.n_rows(), width, work, |rows, out| {
                    collect_shares(transpose, &x_values, &y, &shares, width, rows, out)
                })
            };
            Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
        })
    }
}

#[allow(clippy::eq_op)] // A NaN is what differs from itself.
#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn max_neighbours<T: Float>(csr: &Csr, x: &[T], width: usize, rows: Range<usize>, out: &mut [T]) {
    for (row, to) in rows.zip(out.chunks_exact_mut(width.max(1))) {
        let Some((&first, rest)) = csr.row(row).split_first() else {
            to.fill(T::ZERO);
            continue;
        };
        to.copy_from_slice(&x[first as usize * width..][..width]);
        for &source in rest {
            for (to, &from) in to.iter_mut().zip(&x[source as usize * width..][..width]) {
                // A NaN stays, wherever it stands.
                *to = if from <= *to || *to != *to { *to } else { from };
            }
        }
    }
}

/// `out_i = g_i / (number of sources that have the maximum)`.
#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn share_among_ties<T: Float>(
    csr: &Csr,
    x: &[T],
    y: &[T],
    g: &[T],
    width: usize,
    rows: Range<usize>,
    out: &mut [T],
) {
    for (row, to) in rows.zip(out.chunks_exact_mut(width.max(1))) {
        let y = &y[row * width..][..width];
        to.fill(T::ZERO);
        for &source in csr.row(row) {
            for ((to, &from), &y) in to.iter_mut().zip(&x[source as usize * width..][..width]).zip(y) {
                *to += if from == y { T::ONE } else { T::ZERO };
            }
        }
        for (to, &g) in to.iter_mut().zip(&g[row * width..][..width]) {
            *to = if *to > T::ZERO { g / *to } else { T::ZERO };
        }
    }
}

#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn collect_shares<T: Float>(
    transpose: &Csr,
    x: &[T],
    y: &[T],
    shares: &[T],
    width: usize,
    rows: Range<usize>,
    out: &mut [T],
) {
    for (row, to) in rows.zip(out.chunks_exact_mut(width.max(1))) {
        let x = &x[row * width..][..width];
        to.fill(T::ZERO);
        for &target in transpose.row(row) {
            let (y, share) =
                (&y[target as usize * width..][..width], &shares[target as usize * width..][..width]);
            for (((to, &x), &y), &share) in to.iter_mut().zip(x).zip(y).zip(share) {
                *to += if x == y { share } else { T::ZERO };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::reference;
    use crate::kernels::testing::{Case, graph, random, random_graph};

    const NORMS: &[Norm] = &[
        Norm::Sum,
        Norm::Mean,
        Norm::Gcn { self_loops: true },
        Norm::Gcn { self_loops: false },
        Norm::SelfPlus { eps: 0.25 },
    ];

    fn check_propagate(graph: &Arc<SparseGraph>, width: usize) {
        for &norm in NORMS {
            Case::new(&[random(&[graph.n_nodes(), width], 5)], |x| propagate(&x[0], graph, norm))
                .equals(|x| reference::propagate(&x[0], graph, norm));
        }
        Case::new(&[random(&[graph.n_nodes(), width], 5)], |x| propagate_max(&x[0], graph))
            .equals(|x| reference::propagate_max(&x[0], graph));
    }

    #[test]
    fn directed_and_symmetric_graphs_of_odd_widths_propagate_as_the_dense_matrix() {
        for (is_symmetric, width) in [(true, 1), (false, 3), (true, 23)] {
            check_propagate(&random_graph(&[4, 1, 7], 2.0, is_symmetric, 9), width);
        }
    }

    #[test]
    fn wide_features_propagate_as_the_dense_matrix() {
        check_propagate(&random_graph(&[5], 2.0, false, 4), 87);
    }

    #[test]
    fn empty_graphs_isolated_nodes_and_stored_self_loops_are_fine() {
        check_propagate(&graph(0, &[], vec![0]), 3);
        check_propagate(&graph(3, &[], vec![0, 1, 3]), 2);
        // Node 1 has its own loop, node 0 only an outgoing edge.
        check_propagate(&graph(3, &[(1, 0), (1, 1), (2, 1)], vec![0, 3, 3]), 2);
        // Parallel edges, parallel loops, and both in one row.
        check_propagate(&graph(3, &[(0, 1), (0, 1), (1, 0), (2, 0), (2, 2), (2, 2)], vec![0, 3]), 5);
    }

    #[test]
    fn large_graphs_have_the_same_bits_on_any_number_of_threads() {
        let graph = random_graph(&[3000], 4.0, false, 1);
        for &norm in NORMS {
            Case::new(&[random(&[3000, 64], 2)], |x| propagate(&x[0], &graph, norm))
                .has_same_bits_on_any_number_of_threads();
        }
        Case::new(&[random(&[3000, 64], 2)], |x| propagate_max(&x[0], &graph))
            .has_same_bits_on_any_number_of_threads();
    }

    #[test]
    fn sums_over_many_neighbours_lose_no_digits() {
        let n = 30_000;
        let edges: Vec<(u32, u32)> = (1..n).map(|leaf| (leaf, 0)).collect();
        let star = graph(n as usize, &edges, vec![0, n]);
        let x = random(&[n as usize, 5], 3).map(|x| x + 0.3);
        let sums = |dtype| {
            let y = propagate(&x.tensor(dtype), &star, Norm::Sum).unwrap().narrow(0, 0, 1).unwrap();
            y.to_dtype(candle_core::DType::F64).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap()
        };
        let (narrow, wide) = (sums(candle_core::DType::F32), sums(candle_core::DType::F64));
        for (narrow, wide) in narrow.iter().zip(&wide) {
            assert!((narrow - wide).abs() <= 3e-7 * wide.abs(), "{narrow} for {wide}");
        }
    }

    #[test]
    fn sources_that_share_the_maximum_share_its_gradient() {
        let graph = graph(3, &[(0, 1), (0, 2)], vec![0, 3]);
        let x = candle_core::Var::new(&[[0f64], [2.0], [2.0]], &candle_core::Device::Cpu).unwrap();
        let gradients = propagate_max(&x, &graph).unwrap().sum_all().unwrap().backward().unwrap();
        assert_eq!(gradients.get(&x).unwrap().to_vec2::<f64>().unwrap(), [[0.0], [0.5], [0.5]]);
    }
}
