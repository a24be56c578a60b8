//! Products with an assignment `S` that coarsen a graph: features `SᵀZ`, adjacency `SᵀAS`. Each graph of the
//! batch is multiplied on its own, so nothing is padded and no `N × N` matrix is built.

use super::custom::{
    Kernel, Mat, Segments, add_to, apply1, apply2, blocks, plain2, product, product_to, where_needed,
};
use super::device;
use super::float::Float;
use super::parallel::{Output, each};
use super::summation::{self, Summation};
use crate::kernels::graph::{Csr, SparseGraph};
use candle_core::{Result, Shape, Tensor};
use multiversion::multiversion;
use std::ops::Range;
use std::sync::Arc;

/// Features of the clusters: `SᵀZ` of each graph.
///
/// Paper: Ying et al. 2018, "Hierarchical Graph Representation Learning with Differentiable Pooling", eq. 3.
/// PyG: `out = matmul(s.transpose(1, 2), x)` in `dense_diff_pool`.
///
/// # Shapes
/// - `s`: `[N, k]`, `z`: `[N, F]`
/// - `offsets`: `[G + 1]`, graph `g` has the rows `offsets[g] .. offsets[g + 1]`
/// - result: `[G · k, F]`; a graph without nodes gives zeros
///
/// # Errors
/// Where the shapes do not fit.
pub fn segment_product(s: &Tensor, z: &Tensor, offsets: &Arc<Vec<u32>>) -> Result<Tensor> {
    // Elsewhere too, a kernel without a composed version runs on the host.
    if device::is_elsewhere(s) && !Summation::current().is_reproducible() {
        return device::composed::segment_product(s, z, offsets);
    }
    apply2(TransposedProduct(Segments::Ragged(offsets.clone())), [s, z])
}

/// [`segment_product`] for clusters: `s`: `[G · k1, k2]`, `z`: `[G · k1, F]`, result `[G · k2, F]`.
///
/// # Errors
/// Where the shapes do not fit.
pub fn cluster_segment_product(s: &Tensor, z: &Tensor, n_graphs: usize) -> Result<Tensor> {
    let rows = s.dim(0)? / n_graphs.max(1);
    apply2(TransposedProduct(Segments::Equal { n_graphs, rows }), [s, z])
}

/// Adjacency between the clusters: `A' = SᵀAS` of each graph, so `A'[c, d] = Σ_ij S_ic A[i ← j] S_jd`. Row `i` of `A`
/// holds the edges that come in at node `i`, and row `c` of `A'` what comes in at cluster `c`: clusters gather from
/// the side that nodes gather from.
///
/// Paper: Ying et al. 2018, eq. 4. PyG: `out_adj` of `dense_diff_pool`, given an adjacency of this orientation.
/// (`torch_geometric.utils.to_dense_adj` makes the transpose of it where edges have one direction.)
///
/// # Shapes
/// - `s`: `[N, k]`
/// - result: `[G, k, k]`, row the target, column the source
///
/// # Errors
/// Where the shapes do not fit.
pub fn assignment_adjacency(s: &Tensor, graph: &Arc<SparseGraph>) -> Result<Tensor> {
    apply1(AssignmentAdjacency(graph.clone()), s)
}

/// [`assignment_adjacency`] for clusters: `s`: `[G · k1, k2]`, `adjacency`: `[G, k1, k1]`, result `[G, k2, k2]`.
///
/// # Errors
/// Where the shapes do not fit.
pub fn cluster_assignment_adjacency(s: &Tensor, adjacency: &Tensor) -> Result<Tensor> {
    apply2(ClusterAdjacency, [s, adjacency])
}

/// Rows whose neighbours are summed at a time: `block × k` numbers stay in the second cache level.
const ROW_BLOCK: usize = 256;
/// Columns of a result that one task computes.
const COL_TILE: usize = 256;

/// Where the right side of `Aᵀ B` comes from.
trait Rows<T>: Sync {
    fn n_cols(&self) -> usize;
    /// The given part of `B`, in memory already or computed into `scratch`.
    fn part<'a>(&'a self, rows: Range<usize>, cols: Range<usize>, scratch: &'a mut Vec<T>) -> Mat<'a, T>;
}

struct InMemory<'a, T> {
    values: &'a [T],
    width: usize,
}

impl<T: Float> Rows<T> for InMemory<'_, T> {
    fn n_cols(&self) -> usize {
        self.width
    }
    fn part<'a>(&'a self, rows: Range<usize>, cols: Range<usize>, _: &'a mut Vec<T>) -> Mat<'a, T> {
        if rows.is_empty() || cols.is_empty() {
            return Mat::new(&[], rows.len(), cols.len(), self.width);
        }
        let start = rows.start * self.width + cols.start;
        Mat::new(&self.values[start..], rows.len(), cols.len(), self.width)
    }
}

/// `A S`, computed a block of rows at a time.
struct Neighbours<'a, T> {
    adjacency: &'a Csr,
    values: &'a [T],
    width: usize,
    summation: Summation,
}

impl<T: Float> Rows<T> for Neighbours<'_, T> {
    fn n_cols(&self) -> usize {
        self.width
    }
    fn part<'a>(&'a self, rows: Range<usize>, cols: Range<usize>, scratch: &'a mut Vec<T>) -> Mat<'a, T> {
        let (n_rows, n_cols) = (rows.len(), cols.len());
        scratch.resize(n_rows * n_cols, T::ZERO);
        match self.summation {
            Summation::Sequential => {
                sum_neighbours(self.adjacency, rows, self.values, self.width, cols, scratch)
            }
            Summation::Reproducible => {
                sum_neighbours_in_any_order(self.adjacency, rows, self.values, self.width, cols, scratch)
            }
        }
        Mat::new(scratch, n_rows, n_cols, n_cols)
    }
}

/// `out_i = Σ_{j ∈ row i} values_j`, for some rows and columns.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn sum_neighbours<T: Float>(
    adjacency: &Csr,
    rows: Range<usize>,
    values: &[T],
    width: usize,
    cols: Range<usize>,
    out: &mut [T],
) {
    if cols.is_empty() {
        return;
    }
    for (row, out) in rows.zip(out.chunks_exact_mut(cols.len())) {
        let part = |col: u32| {
            let start = col as usize * width;
            &values[start + cols.start..start + cols.end]
        };
        match adjacency.row(row) {
            [] => out.fill(T::ZERO),
            [first, rest @ ..] => {
                out.copy_from_slice(part(*first));
                for &col in rest {
                    add_to(out, part(col));
                }
            }
        }
    }
}

/// [`sum_neighbours`] with the same bits in every numbering.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn sum_neighbours_in_any_order<T: Float>(
    adjacency: &Csr,
    rows: Range<usize>,
    values: &[T],
    width: usize,
    cols: Range<usize>,
    out: &mut [T],
) {
    let (mut grids, mut sums) = (vec![0.0; cols.len()], vec![0.0; cols.len()]);
    for (row, out) in rows.zip(out.chunks_exact_mut(cols.len().max(1))) {
        let sources = adjacency.row(row);
        let rows = sources.iter().map(|&source| (T::ONE, &values[source as usize * width..][cols.clone()]));
        summation::sum_rows(sources.len(), rows, &mut grids, &mut sums);
        for (out, &sum) in out.iter_mut().zip(&sums) {
            *out = T::of(sum);
        }
    }
}

/// `A_gᵀ B_g` of each graph with the same bits in every numbering of its rows.
fn transposed_product_in_any_order<T: Float>(
    segments: &Segments,
    a: &[T],
    p: usize,
    b: &impl Rows<T>,
) -> Vec<T> {
    let q = b.n_cols();
    let out = Output::new(segments.n_graphs() * p * q, 1);
    let shared = out.shared();
    each(segments.n_graphs(), 4 * segments.n_rows() * p * q, |graph| {
        let rows = segments.range(graph);
        let mut scratch = Vec::new();
        let right = b.part(rows.clone(), 0..q, &mut scratch);
        // SAFETY: each graph has a result of its own.
        let out = unsafe { shared.part(graph * p * q..(graph + 1) * p * q) };
        sum_products(&a[rows.start * p..rows.end * p], right.values_from(0), rows.len(), p, out);
    });
    // SAFETY: `sum_products` writes the whole result of every graph.
    unsafe { out.finish() }
}

/// `out [p, q] = aᵀ b` over `n` rows.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
pub(crate) fn sum_products<T: Float>(a: &[T], b: &[T], n: usize, p: usize, out: &mut [T]) {
    let q = out.len() / p.max(1);
    let (mut grids, mut sums) = (vec![0.0; q], vec![0.0; q]);
    for (col, out) in out.chunks_exact_mut(q.max(1)).enumerate() {
        let rows = (0..n).map(|row| (a[row * p + col], &b[row * q..][..q]));
        summation::sum_rows(n, rows, &mut grids, &mut sums);
        for (out, &sum) in out.iter_mut().zip(&sums) {
            *out = T::of(sum);
        }
    }
}

/// `A_gᵀ B_g` of each graph: `a` is `[N, p]`, `b` has as many rows and `q` columns, the result is `[G · p, q]`.
///
/// A task computes all rows and one tile of columns of one graph's result. Graphs with very many nodes are cut
/// into chunks of rows as well, whose partial results are added in order.
fn transposed_product<T: Float>(segments: &Segments, a: &[T], p: usize, b: &impl Rows<T>) -> Vec<T> {
    struct Task {
        graph: usize,
        rows: Range<usize>,
        cols: Range<usize>,
        /// Where a partial result goes; `None` for the only chunk of a graph.
        partial: Option<usize>,
    }
    if Summation::current().is_reproducible() {
        return transposed_product_in_any_order(segments, a, p, b);
    }
    let q = b.n_cols();
    let mut tasks = Vec::new();
    let mut n_partials = 0;
    // Partial results of a wide product are large, so its chunks are longer.
    let chunk = if p * q <= COL_TILE * COL_TILE { 4 * ROW_BLOCK } else { 16 * ROW_BLOCK };
    let mut merges: Vec<(usize, Range<usize>)> = Vec::new();
    for graph in 0..segments.n_graphs() {
        let range = segments.range(graph);
        let chunks: Vec<_> = if range.is_empty() {
            vec![range]
        } else {
            blocks(range.len(), chunk).map(|r| r.start + range.start..r.end + range.start).collect()
        };
        let is_split = chunks.len() > 1;
        if is_split {
            merges.push((graph, n_partials..n_partials + chunks.len()));
        }
        for rows in chunks {
            let partial = is_split.then_some(n_partials);
            n_partials += usize::from(is_split);
            for cols in blocks(q, COL_TILE) {
                tasks.push(Task { graph, rows: rows.clone(), cols, partial });
            }
        }
    }
    let (out, partials) = (Output::new(segments.n_graphs() * p * q, 1), Output::new(n_partials * p * q, 1));
    let (shared, shared_partials) = (out.shared(), partials.shared());
    let work = 2 * segments.n_rows() * p * q;
    each(tasks.len(), work, |task| {
        let Task { graph, rows, cols, partial } = &tasks[task];
        let target = match partial {
            Some(idx) => shared_partials.at(idx * p * q + cols.start),
            None => shared.at(graph * p * q + cols.start),
        };
        let mut scratch = Vec::new();
        if rows.is_empty() {
            let (left, right) = (Mat::new(&[], 0, p, p), Mat::new(&[], 0, cols.len(), q));
            // SAFETY: this task's tile of columns of its own matrix.
            unsafe { product_to(target, q, left.transposed(), right, false) };
        }
        for (step, block) in blocks(rows.len(), ROW_BLOCK).enumerate() {
            let block = rows.start + block.start..rows.start + block.end;
            let left = Mat::new(&a[block.start * p..block.end * p], block.len(), p, p);
            let right = b.part(block, cols.clone(), &mut scratch);
            // SAFETY: as above.
            unsafe { product_to(target, q, left.transposed(), right, step > 0) };
        }
    });
    // SAFETY: the tasks of a chunk cover the columns of its partial result, which their first product writes.
    let partials = unsafe { partials.finish() };
    for (graph, parts) in merges {
        let lines: Vec<_> = blocks(p * q, 1 << 14).collect();
        each(lines.len(), p * q * parts.len(), |line| {
            let range = lines[line].clone();
            // SAFETY: ranges of different lines do not overlap.
            let out = unsafe { shared.part(graph * p * q + range.start..graph * p * q + range.end) };
            for (step, part) in parts.clone().enumerate() {
                let part = &partials[part * p * q + range.start..part * p * q + range.end];
                if step == 0 { out.copy_from_slice(part) } else { add_to(out, part) }
            }
        });
    }
    // SAFETY: the tasks of a graph with one chunk cover its columns, and into that of one with several its parts were copied.
    unsafe { out.finish() }
}

/// Blocks of rows that stay inside one graph: (graph, rows).
fn row_blocks(segments: &Segments) -> Vec<(usize, Range<usize>)> {
    (0..segments.n_graphs())
        .flat_map(|graph| {
            let range = segments.range(graph);
            blocks(range.len(), ROW_BLOCK).map(move |r| (graph, r.start + range.start..r.end + range.start))
        })
        .collect()
}

/// `[N, p]` and `[N, q]` give `[G · p, q]`.
pub(super) struct TransposedProduct(pub(super) Segments);

impl Kernel<2> for TransposedProduct {
    fn name(&self) -> &'static str {
        "segment_product"
    }

    fn forward<T: Float>(
        &self,
        [s, z]: [&[T]; 2],
        [s_shape, z_shape]: [&Shape; 2],
    ) -> Result<(Vec<T>, Shape)> {
        let ((rows, k), (z_rows, width)) = (s_shape.dims2()?, z_shape.dims2()?);
        self.0.expect_rows("segment_product", rows)?;
        self.0.expect_rows("segment_product", z_rows)?;
        let out = transposed_product(&self.0, s, k, &InMemory { values: z, width });
        Ok((out, (self.0.n_graphs() * k, width).into()))
    }

    fn backward(&self, [s, z]: [&Tensor; 2], _: &Tensor, grad: &Tensor) -> Result<[Option<Tensor>; 2]> {
        let segments = &self.0;
        Ok([
            where_needed(s, || {
                plain2(RowProduct { segments: segments.clone(), transposed: true }, [z, grad])
            })?,
            where_needed(z, || {
                plain2(RowProduct { segments: segments.clone(), transposed: false }, [s, grad])
            })?,
        ])
    }
}

/// `A_g M_g` of each graph: `[N, p]` and `[G · p, q]` give `[N, q]`; transposed, `m` is `[G · q, p]`.
pub(super) struct RowProduct {
    pub(super) segments: Segments,
    pub(super) transposed: bool,
}

impl Kernel<2> for RowProduct {
    fn name(&self) -> &'static str {
        "segment_row_product"
    }

    fn forward<T: Float>(
        &self,
        [a, m]: [&[T]; 2],
        [a_shape, m_shape]: [&Shape; 2],
    ) -> Result<(Vec<T>, Shape)> {
        let ((rows, p), (m_rows, m_cols)) = (a_shape.dims2()?, m_shape.dims2()?);
        self.segments.expect_rows("segment_row_product", rows)?;
        let m_rows = m_rows / self.segments.n_graphs().max(1);
        let q = if self.transposed { m_rows } else { m_cols };
        let out = Output::new(rows * q, 1);
        let shared = out.shared();
        let tasks = row_blocks(&self.segments);
        each(tasks.len(), 2 * rows * p * q, |task| {
            let (graph, range) = tasks[task].clone();
            let left = Mat::new(&a[range.start * p..range.end * p], range.len(), p, p);
            let m = Mat::new(&m[graph * p * q..(graph + 1) * p * q], m_rows, m_cols, m_cols);
            // SAFETY: blocks of rows do not overlap.
            let out = unsafe { shared.part(range.start * q..range.end * q) };
            product(out, q, left, if self.transposed { m.transposed() } else { m }, false);
        });
        // SAFETY: the blocks cover all rows of all graphs, which are all rows; a product writes every number of its block.
        Ok((unsafe { out.finish() }, (rows, q).into()))
    }
}

struct AssignmentAdjacency(Arc<SparseGraph>);

impl Kernel<1> for AssignmentAdjacency {
    fn name(&self) -> &'static str {
        "assignment_adjacency"
    }

    fn forward<T: Float>(&self, [s]: [&[T]; 1], [shape]: [&Shape; 1]) -> Result<(Vec<T>, Shape)> {
        let (rows, width) = shape.dims2()?;
        let segments = Segments::Ragged(self.0.graph_offsets.clone());
        segments.expect_rows("assignment_adjacency", rows)?;
        let sums =
            Neighbours { adjacency: &self.0.adjacency, values: s, width, summation: Summation::current() };
        Ok((transposed_product(&segments, s, width, &sums), (segments.n_graphs(), width, width).into()))
    }

    fn backward(&self, [s]: [&Tensor; 1], _: &Tensor, grad: &Tensor) -> Result<[Option<Tensor>; 1]> {
        Ok([where_needed(s, || plain2(AssignmentAdjacencyGrad(self.0.clone()), [s, grad]))?])
    }
}

/// `dS = A S Dᵀ + Aᵀ S D`, and `A S (D + Dᵀ)` where `A` is symmetric.
struct AssignmentAdjacencyGrad(Arc<SparseGraph>);

impl Kernel<2> for AssignmentAdjacencyGrad {
    fn name(&self) -> &'static str {
        "assignment_adjacency_grad"
    }

    fn forward<T: Float>(&self, [s, d]: [&[T]; 2], [shape, _]: [&Shape; 2]) -> Result<(Vec<T>, Shape)> {
        let (rows, width) = shape.dims2()?;
        let segments = Segments::Ragged(self.0.graph_offsets.clone());
        segments.expect_rows(self.name(), rows)?;
        let is_symmetric = Arc::ptr_eq(&self.0.adjacency, &self.0.transpose);
        let both;
        let d = if is_symmetric {
            both = plus_transposed(d, width);
            &both
        } else {
            d
        };
        let out = Output::new(rows * width, 1);
        let shared = out.shared();
        let tasks = row_blocks(&segments);
        each(tasks.len(), 2 * rows * width * width, |task| {
            let (graph, range) = tasks[task].clone();
            let d = Mat::new(&d[graph * width * width..(graph + 1) * width * width], width, width, width);
            // SAFETY: blocks of rows do not overlap.
            let out = unsafe { shared.part(range.start * width..range.end * width) };
            let mut scratch = Vec::new();
            let incoming = Neighbours {
                adjacency: &self.0.adjacency,
                values: s,
                width,
                summation: Summation::current(),
            };
            let sums = incoming.part(range.clone(), 0..width, &mut scratch);
            product(out, width, sums, d.transposed(), false);
            if !is_symmetric {
                let outgoing = Neighbours {
                    adjacency: &self.0.transpose,
                    values: s,
                    width,
                    summation: Summation::current(),
                };
                let sums = outgoing.part(range, 0..width, &mut scratch);
                product(out, width, sums, d, true);
            }
        });
        // SAFETY: the blocks cover all rows, and the first product writes every number of its block.
        Ok((unsafe { out.finish() }, shape.clone()))
    }
}

/// `D + Dᵀ` of each `[k, k]` matrix.
fn plus_transposed<T: Float>(d: &[T], k: usize) -> Vec<T> {
    if k == 0 {
        return Vec::new();
    }
    let n_matrices = d.len() / (k * k);
    let out = Output::new(n_matrices * k * k, 1);
    let shared = out.shared();
    each(n_matrices, 4 * d.len(), |matrix| {
        let range = matrix * k * k..(matrix + 1) * k * k;
        let d = &d[range.clone()];
        // SAFETY: matrices do not overlap.
        let out = unsafe { shared.part(range) };
        // Tiles, so that neither side jumps through memory.
        for rows in blocks(k, 32) {
            for cols in blocks(k, 32) {
                for row in rows.clone() {
                    for col in cols.clone() {
                        out[row * k + col] = d[row * k + col] + d[col * k + row];
                    }
                }
            }
        }
    });
    // SAFETY: the tiles cover every matrix.
    unsafe { out.finish() }
}

struct ClusterAdjacency;

impl ClusterAdjacency {
    /// (graphs, k1, k2)
    fn sizes(s: &Shape, adjacency: &Shape) -> Result<(usize, usize, usize)> {
        let ((rows, k2), (n_graphs, k1, k1_again)) = (s.dims2()?, adjacency.dims3()?);
        if k1 != k1_again || n_graphs * k1 != rows {
            candle_core::bail!(
                "cluster_assignment_adjacency: s {s:?} does not fit the adjacency {adjacency:?}"
            );
        }
        Ok((n_graphs, k1, k2))
    }
}

impl Kernel<2> for ClusterAdjacency {
    fn name(&self) -> &'static str {
        "cluster_assignment_adjacency"
    }

    fn forward<T: Float>(
        &self,
        [s, adjacency]: [&[T]; 2],
        [s_shape, adjacency_shape]: [&Shape; 2],
    ) -> Result<(Vec<T>, Shape)> {
        let (n_graphs, k1, k2) = Self::sizes(s_shape, adjacency_shape)?;
        let out = Output::new(n_graphs * k2 * k2, 1);
        let shared = out.shared();
        each(n_graphs, 2 * n_graphs * k1 * k2 * (k1 + k2), |graph| {
            let s = Mat::new(&s[graph * k1 * k2..(graph + 1) * k1 * k2], k1, k2, k2);
            // SAFETY: one matrix a graph.
            let out = unsafe { shared.part(graph * k2 * k2..(graph + 1) * k2 * k2) };
            let mut scratch = vec![T::ZERO; ROW_BLOCK.min(k1) * k2];
            if k1 == 0 {
                out.fill(T::ZERO);
            }
            for (step, rows) in blocks(k1, ROW_BLOCK).enumerate() {
                let start = graph * k1 + rows.start;
                let part = Mat::new(&adjacency[start * k1..(start + rows.len()) * k1], rows.len(), k1, k1);
                product(&mut scratch, k2, part, s, false);
                let left = Mat::new(s.values_from(rows.start), rows.len(), k2, k2);
                let right = Mat::new(&scratch, rows.len(), k2, k2);
                product(out, k2, left.transposed(), right, step > 0);
            }
        });
        // SAFETY: the first product of every graph writes its whole matrix; without rows it was filled.
        Ok((unsafe { out.finish() }, (n_graphs, k2, k2).into()))
    }

    fn backward(
        &self,
        [s, adjacency]: [&Tensor; 2],
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<[Option<Tensor>; 2]> {
        let both = || super::custom::plain3(ClusterAdjacencyGradS, [s, adjacency, grad]);
        Ok([where_needed(s, both)?, where_needed(adjacency, || plain2(ClusterAdjacencyGradA, [s, grad]))?])
    }
}

/// `dS = A S Dᵀ + Aᵀ S D`, as `A (S Dᵀ) + Aᵀ (S D)`: the narrow products come first.
struct ClusterAdjacencyGradS;

impl Kernel<3> for ClusterAdjacencyGradS {
    fn name(&self) -> &'static str {
        "cluster_assignment_adjacency_grad_s"
    }

    fn forward<T: Float>(
        &self,
        [s, adjacency, d]: [&[T]; 3],
        [s_shape, adjacency_shape, _]: [&Shape; 3],
    ) -> Result<(Vec<T>, Shape)> {
        let (n_graphs, k1, k2) = ClusterAdjacency::sizes(s_shape, adjacency_shape)?;
        let out = Output::new(n_graphs * k1 * k2, 1);
        let shared = out.shared();
        each(n_graphs, 4 * n_graphs * k1 * k2 * (k1 + k2), |graph| {
            let s = Mat::new(&s[graph * k1 * k2..(graph + 1) * k1 * k2], k1, k2, k2);
            let d = Mat::new(&d[graph * k2 * k2..(graph + 1) * k2 * k2], k2, k2, k2);
            let a = Mat::new(&adjacency[graph * k1 * k1..(graph + 1) * k1 * k1], k1, k1, k1);
            // SAFETY: one block of rows a graph.
            let out = unsafe { shared.part(graph * k1 * k2..(graph + 1) * k1 * k2) };
            let mut scratch = vec![T::ZERO; k1 * k2];
            product(&mut scratch, k2, s, d.transposed(), false);
            product(out, k2, a, Mat::new(&scratch, k1, k2, k2), false);
            product(&mut scratch, k2, s, d, false);
            product(out, k2, a.transposed(), Mat::new(&scratch, k1, k2, k2), true);
        });
        // SAFETY: the first product into the rows of every graph writes them all.
        Ok((unsafe { out.finish() }, s_shape.clone()))
    }
}

/// `dA = S D Sᵀ`
struct ClusterAdjacencyGradA;

impl Kernel<2> for ClusterAdjacencyGradA {
    fn name(&self) -> &'static str {
        "cluster_assignment_adjacency_grad_a"
    }

    fn forward<T: Float>(
        &self,
        [s, d]: [&[T]; 2],
        [s_shape, d_shape]: [&Shape; 2],
    ) -> Result<(Vec<T>, Shape)> {
        let ((rows, k2), (n_graphs, _, _)) = (s_shape.dims2()?, d_shape.dims3()?);
        let k1 = rows / n_graphs.max(1);
        let out = Output::new(n_graphs * k1 * k1, 1);
        let shared = out.shared();
        each(n_graphs, 2 * n_graphs * k1 * k2 * (k1 + k2), |graph| {
            let s = Mat::new(&s[graph * k1 * k2..(graph + 1) * k1 * k2], k1, k2, k2);
            let d = Mat::new(&d[graph * k2 * k2..(graph + 1) * k2 * k2], k2, k2, k2);
            let mut scratch = vec![T::ZERO; k1 * k2];
            product(&mut scratch, k2, s, d, false);
            // SAFETY: one matrix a graph.
            let out = unsafe { shared.part(graph * k1 * k1..(graph + 1) * k1 * k1) };
            product(out, k1, Mat::new(&scratch, k1, k2, k2), s.transposed(), false);
        });
        // SAFETY: the last product of every graph writes its whole matrix.
        Ok((unsafe { out.finish() }, (n_graphs, k1, k1).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testkit::{
        Golden, assert_close, assert_gradients, dense_adjacency, only, random, random_graph,
        same_bits_for_any_threads, values,
    };
    use candle_core::DType;

    /// Ragged sizes: a graph without nodes, single nodes, more clusters than nodes.
    const SIZES: [u32; 5] = [6, 0, 1, 9, 4];

    fn rows_of(x: &Tensor, graph: &SparseGraph, which: usize) -> Tensor {
        let (start, end) = (graph.graph_offsets[which] as usize, graph.graph_offsets[which + 1] as usize);
        x.narrow(0, start, end - start).unwrap()
    }

    /// Plain dense products, one graph at a time.
    fn check(graph: &Arc<SparseGraph>, k: usize, tolerance: f64, dtype: DType) {
        let (s, z) = (random(&[graph.n_nodes(), k], 1), random(&[graph.n_nodes(), 3], 2));
        let (s32, z32) = (s.to_dtype(dtype).unwrap(), z.to_dtype(dtype).unwrap());
        let features = segment_product(&s32, &z32, &graph.graph_offsets).unwrap();
        let coarse = assignment_adjacency(&s32, graph).unwrap();
        assert_eq!(coarse.dims(), [graph.n_graphs(), k, k]);
        for which in 0..graph.n_graphs() {
            let (s, z) = (rows_of(&s, graph, which), rows_of(&z, graph, which));
            let got = coarse.get(which).unwrap();
            if s.dim(0).unwrap() == 0 {
                assert!(values(&got).iter().all(|&value| value == 0.0));
                continue;
            }
            let st = s.t().unwrap().contiguous().unwrap();
            assert_close(&features.narrow(0, which * k, k).unwrap(), &st.matmul(&z).unwrap(), tolerance);
            let a = dense_adjacency(graph, which);
            assert_close(&got, &st.matmul(&a.matmul(&s).unwrap()).unwrap(), tolerance);
        }
    }

    #[test]
    fn ragged_products_match_dense_ones() {
        for symmetric in [true, false] {
            for k in [1, 5, 12] {
                check(&random_graph(&SIZES, 2.0, symmetric, 3), k, 1e-12, DType::F64);
                check(&random_graph(&SIZES, 2.0, symmetric, 3), k, 2e-5, DType::F32);
            }
            check(&random_graph(&[5, 3], 0.0, symmetric, 3), 4, 1e-12, DType::F64);
        }
    }

    #[test]
    fn large_graphs_are_cut_into_chunks_and_tiles() {
        // More rows than a chunk, and more columns than a tile.
        check(&random_graph(&[1100, 30], 3.0, true, 4), 7, 1e-10, DType::F64);
        check(&random_graph(&[300, 20], 3.0, false, 5), 270, 1e-10, DType::F64);
    }

    #[test]
    fn gradients_match_finite_differences() {
        for symmetric in [true, false] {
            let graph = random_graph(&[4, 0, 1, 5], 2.0, symmetric, 6);
            let (s, z) = (random(&[10, 3], 7), random(&[10, 2], 8));
            assert_gradients(|args| assignment_adjacency(&args[0], &graph), std::slice::from_ref(&s));
            assert_gradients(|args| segment_product(&args[0], &args[1], &graph.graph_offsets), &[s, z]);
        }
        let (s, adjacency) = (random(&[8, 3], 9), random(&[2, 4, 4], 10));
        assert_gradients(|args| cluster_assignment_adjacency(&args[0], &args[1]), &[s.clone(), adjacency]);
        assert_gradients(|args| cluster_segment_product(&args[0], &args[1], 2), &[s, random(&[8, 2], 11)]);
    }

    #[test]
    fn coarse_products_match_dense_ones() {
        for (k1, k2) in [(4, 3), (3, 7), (1, 1), (300, 5)] {
            let (s, a, z) = (random(&[2 * k1, k2], 1), random(&[2, k1, k1], 2), random(&[2 * k1, 3], 3));
            let s3 = s.reshape((2, k1, k2)).unwrap();
            let st = s3.transpose(1, 2).unwrap().contiguous().unwrap();
            let expected = st.matmul(&a.matmul(&s3).unwrap()).unwrap();
            assert_close(&cluster_assignment_adjacency(&s, &a).unwrap(), &expected, 1e-11);
            let expected = st.matmul(&z.reshape((2, k1, 3)).unwrap()).unwrap().reshape((2 * k2, 3)).unwrap();
            assert_close(&cluster_segment_product(&s, &z, 2).unwrap(), &expected, 1e-11);
        }
    }

    #[test]
    fn a_graph_alone_and_in_a_batch_has_the_same_bits() {
        let graph = random_graph(&[40, 7, 300], 3.0, true, 12);
        let s = random(&[347, 9], 13).to_dtype(DType::F32).unwrap();
        let batch = assignment_adjacency(&s, &graph).unwrap();
        let features = segment_product(&s, &s, &graph.graph_offsets).unwrap();
        for which in 0..3 {
            let (alone, s) = (only(&graph, which), rows_of(&s, &graph, which));
            let adjacency = assignment_adjacency(&s, &alone).unwrap();
            assert_eq!(values(&batch.get(which).unwrap()), values(&adjacency));
            let alone = segment_product(&s, &s, &alone.graph_offsets).unwrap();
            assert_eq!(values(&features.narrow(0, which * 9, 9).unwrap()), values(&alone));
        }
    }

    #[test]
    fn one_and_two_threads_give_the_same_bits() {
        let graph = random_graph(&[1500, 40, 90], 4.0, true, 14);
        let s =
            candle_core::Var::from_tensor(&random(&[1630, 20], 15).to_dtype(DType::F32).unwrap()).unwrap();
        same_bits_for_any_threads(|| {
            let coarse = assignment_adjacency(&s, &graph).unwrap();
            let features = segment_product(&s, &s, &graph.graph_offsets).unwrap();
            let loss = (coarse.sqr().unwrap().sum_all().unwrap()
                + features.sqr().unwrap().sum_all().unwrap())
            .unwrap();
            loss.backward().unwrap().get(&s).unwrap().clone()
        });
    }

    #[test]
    fn coarsening_matches_pyg() {
        let golden = Golden::load("dense_diff_pool");
        let a = golden.tensor("inputs/adj").squeeze(0).unwrap().to_vec2::<f64>().unwrap();
        let edges: Vec<_> = (0..5u32)
            .flat_map(|source| (0..5u32).map(move |target| (source, target)))
            .filter(|&(source, target)| a[source as usize][target as usize] != 0.0)
            .collect();
        let graph = crate::kernels::testkit::graph(&[5], &edges);
        let logits = golden.tensor("inputs/s").squeeze(0).unwrap();
        let s = crate::kernels::softmax::softmax_rows(&logits).unwrap();
        let x = golden.tensor("inputs/x").squeeze(0).unwrap();
        let features = segment_product(&s, &x, &graph.graph_offsets).unwrap();
        assert_close(&features.unsqueeze(0).unwrap(), &golden.tensor("outputs/x"), 1e-8);
        assert_close(&assignment_adjacency(&s, &graph).unwrap(), &golden.tensor("outputs/adj"), 1e-8);
    }
}
