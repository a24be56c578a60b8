//! What a pooling's assignment is judged by: the link prediction loss and the entropy of DiffPool, and the
//! statistics that show whether clusters are in use.

use super::custom::{
    Kernel, Mat, Segments, add_scaled, apply1, apply2, blocks, dot, fold, plain1, plain2, plain3, product,
    values_f64, where_needed,
};
use super::float::Float;
use super::parallel::{Output, each};
use super::tape::Reads;
use crate::kernels::graph::SparseGraph;
use candle_core::{Result, Shape, Tensor};
use multiversion::multiversion;
use std::sync::Arc;

/// Link prediction loss: `‖A − S Sᵀ‖_F / n²` of each graph.
///
/// Computed as `√(‖A‖² − 2 tr(SᵀAS) + ‖SᵀS‖²)`: linear in the edges, summed in f64, clamped at 0. A graph has the
/// same loss alone and in a batch.
///
/// Paper: Ying et al. 2018, eq. 5. PyG: `link_loss` of `dense_diff_pool` with `normalize=True`, for one graph
/// (PyG takes one norm over a whole padded batch).
///
/// # Shapes
/// - `s`: `[N, k]`
/// - result: `[G]`
///
/// # Errors
/// Where the shapes do not fit.
pub fn link_loss(s: &Tensor, graph: &Arc<SparseGraph>) -> Result<Tensor> {
    apply1(LinkLoss(graph.clone()), s)
}

/// [`link_loss`] for clusters: `s`: `[G · k1, k2]`, `adjacency`: `[G, k1, k1]`, result `[G]`.
///
/// # Errors
/// Where the shapes do not fit.
pub fn dense_link_loss(s: &Tensor, adjacency: &Tensor) -> Result<Tensor> {
    apply2(DenseLinkLoss, [s, adjacency])
}

/// Entropy of the assignment: the mean over a graph's nodes of `−Σ_c S_ic ln(S_ic + 1e-15)`.
///
/// Paper: Ying et al. 2018, section 3.3, `L_E`. PyG: `ent_loss` of `dense_diff_pool`.
///
/// # Shapes
/// - `s`: `[N, k]`, `offsets`: `[G + 1]`
/// - result: `[G]`
///
/// # Errors
/// Where the shapes do not fit.
pub fn assignment_entropy(s: &Tensor, offsets: &Arc<Vec<u32>>) -> Result<Tensor> {
    apply1(Entropy(Segments::Ragged(offsets.clone())), s)
}

/// [`assignment_entropy`] for clusters: `s`: `[G · k1, k2]`.
///
/// # Errors
/// Where the shapes do not fit.
pub fn cluster_assignment_entropy(s: &Tensor, n_graphs: usize) -> Result<Tensor> {
    apply1(Entropy(Segments::Equal { n_graphs, rows: s.dim(0)? / n_graphs.max(1) }), s)
}

/// The sum of a value of each graph over `total`, as a kernel of our own so that the tape carries the whole step. With
/// the number of graphs for `total` it is their mean.
///
/// # Shapes
/// - `per_graph`: `[G]`
/// - result: a scalar
///
/// # Errors
/// Where Candle fails.
pub fn sum_over_graphs(per_graph: &Tensor, total: f64) -> Result<Tensor> {
    apply1(SumOverGraphs { total }, per_graph)
}

struct SumOverGraphs {
    total: f64,
}

impl Kernel<1> for SumOverGraphs {
    fn name(&self) -> &'static str {
        "sum_over_graphs"
    }

    fn forward<T: Float>(&self, [x]: [&[T]; 1], _: [&Shape; 1]) -> Result<(Vec<T>, Shape)> {
        let sum: f64 = x.iter().map(|value| value.wide()).sum();
        Ok((vec![T::of(sum / self.total)], ().into()))
    }

    fn reads(&self) -> Reads {
        Reads::NOTHING
    }
    fn backward(&self, [x]: [&Tensor; 1], _: &Tensor, grad: &Tensor) -> Result<[Option<Tensor>; 1]> {
        Ok([where_needed(x, || (grad / self.total)?.broadcast_as(x.shape())?.contiguous())?])
    }
}

/// How an assignment uses its clusters in one graph.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AssignmentStats {
    /// Effective number of clusters: exp of the entropy of the mean assignment.
    pub clusters_in_use: f64,
    /// Entropy of a row's assignment in nats, mean over the rows.
    pub assignment_entropy: f64,
}

/// Statistics of an assignment in each graph, outside the gradient. Graphs without rows are left out.
///
/// # Shapes
/// - `s`: `[N, k]`, rows sum to 1; `offsets`: `[G + 1]`
///
/// # Errors
/// Where the shapes do not fit.
pub fn pooling_stats(s: &Tensor, offsets: &Arc<Vec<u32>>) -> Result<Vec<AssignmentStats>> {
    stats(s, &Segments::Ragged(offsets.clone()))
}

/// [`pooling_stats`] for clusters: `s`: `[G · k1, k2]`.
///
/// # Errors
/// Where the shapes do not fit.
pub fn cluster_pooling_stats(s: &Tensor, n_graphs: usize) -> Result<Vec<AssignmentStats>> {
    stats(s, &Segments::Equal { n_graphs, rows: s.dim(0)? / n_graphs.max(1) })
}

fn stats(s: &Tensor, segments: &Segments) -> Result<Vec<AssignmentStats>> {
    let (rows, k) = s.dims2()?;
    segments.expect_rows("pooling_stats", rows)?;
    let per_graph = plain1(StatsPerGraph(segments.clone()), s)?;
    let per_graph = values_f64(&per_graph)?;
    if k == 0 {
        return Ok(Vec::new());
    }
    let filled = (0..segments.n_graphs()).filter(|&graph| !segments.range(graph).is_empty());
    let stats = |graph: usize| AssignmentStats {
        clusters_in_use: per_graph[graph * 2],
        // A share of 1 may be rounded up.
        assignment_entropy: per_graph[graph * 2 + 1].max(0.0),
    };
    Ok(filled.map(stats).collect())
}

/// Effective clusters and mean entropy of each graph: `[G, 2]`.
struct StatsPerGraph(Segments);

impl Kernel<1> for StatsPerGraph {
    fn name(&self) -> &'static str {
        "pooling_stats"
    }

    fn forward<T: Float>(&self, [s]: [&[T]; 1], [shape]: [&Shape; 1]) -> Result<(Vec<T>, Shape)> {
        let (_, k) = shape.dims2()?;
        let n_graphs = self.0.n_graphs();
        let out = Output::new(n_graphs * 2, 1);
        let shared = out.shared();
        each(n_graphs, s.len() * 8, |graph| {
            let range = self.0.range(graph);
            let n = range.len().max(1) as f64;
            let mut usage = vec![0.0; k];
            let s = &s[range.start * k..range.end * k];
            for row in s.chunks_exact(k.max(1)) {
                for (usage, value) in usage.iter_mut().zip(row) {
                    *usage += value.wide() / n;
                }
            }
            let spread: f64 = usage.iter().filter(|&&p| p > 0.0).map(|p| -p * p.ln()).sum();
            // SAFETY: one pair a graph.
            let out = unsafe { shared.part(graph * 2..graph * 2 + 2) };
            out[0] = T::of(spread.exp());
            out[1] = T::of(entropy_sum(s) / n);
        });
        // SAFETY: both numbers of every graph were written.
        Ok((unsafe { out.finish() }, (n_graphs, 2).into()))
    }
}

/// Keeps the logarithm finite where an assignment is exactly 0, as PyG does.
const TINY: f64 = 1e-15;
const CHUNK: usize = 16;

/// `Σ −s ln(s + 1e-15)`, summed in f64.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn entropy_sum<T: Float>(s: &[T]) -> f64 {
    let mut total = 0.0;
    // Short runs are summed in T, where the lanes stay SIMD, and the runs in f64.
    for run in s.chunks(CHUNK * 64) {
        let mut lanes = [T::ZERO; CHUNK];
        let chunks = run.chunks_exact(CHUNK);
        let rest = chunks.remainder();
        for chunk in chunks {
            for lane in 0..CHUNK {
                lanes[lane] -= chunk[lane] * (chunk[lane] + T::of(TINY)).ln_normal();
            }
        }
        for &value in rest {
            lanes[0] -= value * (value + T::of(TINY)).ln_normal();
        }
        total += fold(lanes).wide();
    }
    total
}

/// `out = factor · (ln(s + 1e-15) + s / (s + 1e-15))`
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn entropy_grad<T: Float>(s: &[T], factor: T, out: &mut [T]) {
    for (out, &value) in out.iter_mut().zip(s) {
        let shifted = value + T::of(TINY);
        *out = factor * (shifted.ln_normal() + value / shifted);
    }
}

/// The mean entropy of each graph: `[G]`.
struct Entropy(Segments);

impl Kernel<1> for Entropy {
    fn name(&self) -> &'static str {
        "assignment_entropy"
    }

    fn forward<T: Float>(&self, [s]: [&[T]; 1], [shape]: [&Shape; 1]) -> Result<(Vec<T>, Shape)> {
        let (rows, k) = shape.dims2()?;
        self.0.expect_rows("assignment_entropy", rows)?;
        let n_graphs = self.0.n_graphs();
        let out = Output::new(n_graphs, 1);
        let shared = out.shared();
        each(n_graphs, s.len() * 8, |graph| {
            let range = self.0.range(graph);
            let sum = entropy_sum(&s[range.start * k..range.end * k]);
            // SAFETY: one value a graph.
            let out = unsafe { shared.part(graph..graph + 1) };
            out[0] = T::of(sum / range.len().max(1) as f64);
        });
        // SAFETY: the number of every graph was written.
        Ok((unsafe { out.finish() }, n_graphs.into()))
    }

    fn backward(&self, [s]: [&Tensor; 1], _: &Tensor, grad: &Tensor) -> Result<[Option<Tensor>; 1]> {
        Ok([where_needed(s, || plain2(EntropyGrad(self.0.clone()), [s, grad]))?])
    }
}

struct EntropyGrad(Segments);

impl Kernel<2> for EntropyGrad {
    fn name(&self) -> &'static str {
        "assignment_entropy_grad"
    }

    fn forward<T: Float>(&self, [s, grad]: [&[T]; 2], [shape, _]: [&Shape; 2]) -> Result<(Vec<T>, Shape)> {
        let (rows, k) = shape.dims2()?;
        self.0.expect_rows(self.name(), rows)?;
        let out = Output::new(s.len(), 1);
        let shared = out.shared();
        each(self.0.n_graphs(), s.len() * 8, |graph| {
            let range = self.0.range(graph);
            let factor = T::of(-grad[graph].wide() / range.len().max(1) as f64);
            let range = range.start * k..range.end * k;
            // SAFETY: graphs do not overlap.
            entropy_grad(&s[range.clone()], factor, unsafe { shared.part(range) });
        });
        // SAFETY: the graphs have all rows between them, and `entropy_grad` writes every number of its rows.
        Ok((unsafe { out.finish() }, shape.clone()))
    }
}

/// Rows of a Gram matrix that are in memory at a time.
const GRAM_ROWS: usize = 64;

/// `‖SᵀS‖²_F = ‖SSᵀ‖²_F`, from the smaller of the two products, a block of its rows at a time.
fn gram_square<T: Float>(s: &[T], n: usize, k: usize) -> f64 {
    let all = Mat::new(s, n, k, k);
    let side = n.min(k);
    let mut scratch = vec![T::ZERO; GRAM_ROWS.min(side) * side];
    let mut total = 0.0;
    for rows in blocks(side, GRAM_ROWS) {
        let gram = &mut scratch[..rows.len() * side];
        if k <= n {
            let left = Mat::columns(s, n, rows.clone(), k);
            product(gram, side, left.transposed(), all, false);
        } else {
            let left = Mat::new(&s[rows.start * k..rows.end * k], rows.len(), k, k);
            product(gram, side, left, all.transposed(), false);
        }
        total += gram.chunks(1024).map(|run| square_sum(run).wide()).sum::<f64>();
    }
    total
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn square_sum<T: Float>(values: &[T]) -> T {
    dot(values, values)
}

/// `out += factor · S (SᵀS)`, through the smaller Gram matrix.
fn add_gram_product<T: Float>(s: &[T], n: usize, k: usize, factor: T, out: &mut [T]) {
    let all = Mat::new(s, n, k, k);
    let mut piece: Vec<T> = Vec::new();
    if k <= n {
        let mut gram = vec![T::ZERO; k * k];
        product(&mut gram, k, all.transposed(), all, false);
        gram.iter_mut().for_each(|value| *value *= factor);
        product(out, k, all, Mat::new(&gram, k, k, k), true);
    } else {
        for rows in blocks(n, GRAM_ROWS) {
            piece.resize(rows.len() * n, T::ZERO);
            let left = Mat::new(&s[rows.start * k..rows.end * k], rows.len(), k, k);
            product(&mut piece, n, left, all.transposed(), false);
            piece.iter_mut().for_each(|value| *value *= factor);
            product(&mut out[rows.start * k..rows.end * k], k, Mat::new(&piece, rows.len(), n, n), all, true);
        }
    }
}

/// The loss of each graph: `[G]`.
struct LinkLoss(Arc<SparseGraph>);

impl LinkLoss {
    fn work(&self, k: usize) -> usize {
        let graph = &self.0;
        let products: usize = (0..graph.n_graphs())
            .map(|g| {
                let n = (graph.graph_offsets[g + 1] - graph.graph_offsets[g]) as usize;
                2 * n * k * n.min(k)
            })
            .sum();
        products + 2 * graph.adjacency.n_entries() * k
    }
}

impl Kernel<1> for LinkLoss {
    fn name(&self) -> &'static str {
        "link_loss"
    }

    fn forward<T: Float>(&self, [s]: [&[T]; 1], [shape]: [&Shape; 1]) -> Result<(Vec<T>, Shape)> {
        let (rows, k) = shape.dims2()?;
        let graph = &self.0;
        let segments = Segments::Ragged(graph.graph_offsets.clone());
        segments.expect_rows("link_loss", rows)?;
        let n_graphs = segments.n_graphs();
        let out = Output::new(n_graphs, 1);
        let shared = out.shared();
        each(n_graphs, self.work(k), |g| {
            let range = segments.range(g);
            let n = range.len();
            let mut edges_square = 0.0;
            let mut trace = 0.0;
            for target in range.clone() {
                let sources = graph.adjacency.row(target);
                // Repeated edges stand beside each other; together they are one larger entry of A.
                for same in sources.chunk_by(|a, b| a == b) {
                    edges_square += (same.len() * same.len()) as f64;
                }
                trace += row_dots(s, k, target, sources);
            }
            let square = edges_square - 2.0 * trace + gram_square(&s[range.start * k..range.end * k], n, k);
            // SAFETY: one value a graph.
            let out = unsafe { shared.part(g..g + 1) };
            out[0] = T::of(clamped(square).sqrt() / (n * n).max(1) as f64);
        });
        // SAFETY: the number of every graph was written.
        Ok((unsafe { out.finish() }, n_graphs.into()))
    }

    fn reads(&self) -> Reads {
        Reads::ALL
    }
    fn backward(&self, [s]: [&Tensor; 1], loss: &Tensor, grad: &Tensor) -> Result<[Option<Tensor>; 1]> {
        Ok([where_needed(s, || plain3(LinkLossGrad(self.0.clone()), [s, loss, grad]))?])
    }
}

/// Rounding can leave a small negative number; a NaN stays one.
fn clamped(square: f64) -> f64 {
    if square < 0.0 { 0.0 } else { square }
}

/// `Σ_{j ∈ sources} s_j · s_target`, summed in f64.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn row_dots<T: Float>(s: &[T], k: usize, target: usize, sources: &[u32]) -> f64 {
    let row = &s[target * k..(target + 1) * k];
    sources.iter().map(|&source| dot(row, &s[source as usize * k..(source as usize + 1) * k]).wide()).sum()
}

/// With `q = ‖A − SSᵀ‖²`: `d√q/dS = (2 S SᵀS − (A + Aᵀ) S) / √q`, and 0 where `q` is 0.
struct LinkLossGrad(Arc<SparseGraph>);

impl Kernel<3> for LinkLossGrad {
    fn name(&self) -> &'static str {
        "link_loss_grad"
    }

    fn forward<T: Float>(
        &self,
        [s, loss, grad]: [&[T]; 3],
        [shape, ..]: [&Shape; 3],
    ) -> Result<(Vec<T>, Shape)> {
        let (rows, k) = shape.dims2()?;
        let graph = &self.0;
        let segments = Segments::Ragged(graph.graph_offsets.clone());
        segments.expect_rows(self.name(), rows)?;
        let is_symmetric = Arc::ptr_eq(&graph.adjacency, &graph.transpose);
        let out = Output::new(s.len(), 1);
        let shared = out.shared();
        each(segments.n_graphs(), 2 * LinkLoss(graph.clone()).work(k), |g| {
            let range = segments.range(g);
            let n = range.len();
            // SAFETY: graphs do not overlap.
            let out = unsafe { shared.part(range.start * k..range.end * k) };
            out.fill(T::ZERO);
            // loss = √q / n², so grad · d√q/dS / n² = grad / (loss · n⁴) · (2 S SᵀS − (A + Aᵀ) S).
            let n2 = (n * n) as f64;
            if loss[g] == T::ZERO || n == 0 {
                return;
            }
            let factor = grad[g].wide() / (loss[g].wide() * n2 * n2);
            let edges = T::of(if is_symmetric { -2.0 * factor } else { -factor });
            let sides = if is_symmetric { 1 } else { 2 };
            for csr in [&graph.adjacency, &graph.transpose].into_iter().take(sides) {
                for (row, out) in range.clone().zip(out.chunks_exact_mut(k.max(1))) {
                    for &col in csr.row(row) {
                        add_scaled(out, edges, &s[col as usize * k..(col as usize + 1) * k]);
                    }
                }
            }
            add_gram_product(&s[range.start * k..range.end * k], n, k, T::of(2.0 * factor), out);
        });
        // SAFETY: the graphs have all rows between them, and each begins by filling its own.
        Ok((unsafe { out.finish() }, shape.clone()))
    }
}

/// The loss of each graph: `[G]`.
struct DenseLinkLoss;

/// `R = A − S Sᵀ` of some rows of one graph.
fn residual<T: Float>(s: Mat<T>, s_rows: Mat<T>, adjacency: &[T], k1: usize, out: &mut [T]) {
    product(out, k1, s_rows, s.transposed(), false);
    for (out, &a) in out.iter_mut().zip(adjacency) {
        *out = a - *out;
    }
}

impl DenseLinkLoss {
    /// (graphs, k1, k2)
    fn sizes(s: &Shape, adjacency: &Shape) -> Result<(usize, usize, usize)> {
        let ((rows, k2), (n_graphs, k1, k1_again)) = (s.dims2()?, adjacency.dims3()?);
        if k1 != k1_again || n_graphs * k1 != rows {
            candle_core::bail!("dense_link_loss: s {s:?} does not fit the adjacency {adjacency:?}");
        }
        Ok((n_graphs, k1, k2))
    }
}

impl Kernel<2> for DenseLinkLoss {
    fn name(&self) -> &'static str {
        "dense_link_loss"
    }

    fn forward<T: Float>(
        &self,
        [s, adjacency]: [&[T]; 2],
        [s_shape, a_shape]: [&Shape; 2],
    ) -> Result<(Vec<T>, Shape)> {
        let (n_graphs, k1, k2) = Self::sizes(s_shape, a_shape)?;
        let out = Output::new(n_graphs, 1);
        let shared = out.shared();
        each(n_graphs, 2 * n_graphs * k1 * k1 * k2, |g| {
            let s = &s[g * k1 * k2..(g + 1) * k1 * k2];
            let a = &adjacency[g * k1 * k1..(g + 1) * k1 * k1];
            let mut scratch = vec![T::ZERO; GRAM_ROWS.min(k1) * k1];
            let mut square = 0.0;
            for rows in blocks(k1, GRAM_ROWS) {
                let part = &mut scratch[..rows.len() * k1];
                let s_rows = Mat::new(&s[rows.start * k2..rows.end * k2], rows.len(), k2, k2);
                residual(Mat::new(s, k1, k2, k2), s_rows, &a[rows.start * k1..rows.end * k1], k1, part);
                square += part.chunks(1024).map(|run| square_sum(run).wide()).sum::<f64>();
            }
            // SAFETY: one value a graph.
            let out = unsafe { shared.part(g..g + 1) };
            out[0] = T::of(square.sqrt() / (k1 * k1).max(1) as f64);
        });
        // SAFETY: the number of every graph was written.
        Ok((unsafe { out.finish() }, n_graphs.into()))
    }

    fn reads(&self) -> Reads {
        Reads::ALL
    }
    fn backward(
        &self,
        [s, adjacency]: [&Tensor; 2],
        loss: &Tensor,
        grad: &Tensor,
    ) -> Result<[Option<Tensor>; 2]> {
        // One factor a graph: grad / (k1² ‖R‖) = grad / (k1⁴ loss), and 0 where the loss is 0.
        let k1 = adjacency.dim(1)? as f64;
        let factor = grad.broadcast_div(&(loss * k1.powi(4))?)?;
        let factor = loss.detach().gt(0.0)?.where_cond(&factor, &factor.zeros_like()?)?;
        Ok([
            where_needed(s, || plain3(DenseLinkLossGrad { of_adjacency: false }, [s, adjacency, &factor]))?,
            where_needed(adjacency, || {
                plain3(DenseLinkLossGrad { of_adjacency: true }, [s, adjacency, &factor])
            })?,
        ])
    }
}

/// `dA = f R`, `dS = −f (R + Rᵀ) S`, with `f` of each graph as the third argument.
struct DenseLinkLossGrad {
    of_adjacency: bool,
}

impl Kernel<3> for DenseLinkLossGrad {
    fn name(&self) -> &'static str {
        "dense_link_loss_grad"
    }

    fn forward<T: Float>(
        &self,
        [s, adjacency, factor]: [&[T]; 3],
        [s_shape, a_shape, _]: [&Shape; 3],
    ) -> Result<(Vec<T>, Shape)> {
        let (n_graphs, k1, k2) = DenseLinkLoss::sizes(s_shape, a_shape)?;
        let width = if self.of_adjacency { k1 } else { k2 };
        let out = Output::new(n_graphs * k1 * width, 1);
        let shared = out.shared();
        each(n_graphs, 4 * n_graphs * k1 * k1 * k2, |g| {
            let s = &s[g * k1 * k2..(g + 1) * k1 * k2];
            let a = &adjacency[g * k1 * k1..(g + 1) * k1 * k1];
            // SAFETY: graphs do not overlap.
            let out = unsafe { shared.part(g * k1 * width..(g + 1) * k1 * width) };
            if !self.of_adjacency {
                out.fill(T::ZERO);
            }
            let all = Mat::new(s, k1, k2, k2);
            let mut scratch = vec![T::ZERO; GRAM_ROWS.min(k1) * k1];
            for rows in blocks(k1, GRAM_ROWS) {
                let part = &mut scratch[..rows.len() * k1];
                let s_rows = Mat::new(&s[rows.start * k2..rows.end * k2], rows.len(), k2, k2);
                residual(all, s_rows, &a[rows.start * k1..rows.end * k1], k1, part);
                if self.of_adjacency {
                    let out = &mut out[rows.start * k1..rows.end * k1];
                    for (out, &r) in out.iter_mut().zip(part.iter()) {
                        *out = factor[g] * r;
                    }
                } else {
                    part.iter_mut().for_each(|r| *r *= -factor[g]);
                    let part = Mat::new(part, rows.len(), k1, k1);
                    product(&mut out[rows.start * k2..rows.end * k2], k2, part, all, true);
                    product(out, k2, part.transposed(), s_rows, true);
                }
            }
        });
        let shape = if self.of_adjacency { a_shape } else { s_shape };
        // SAFETY: every graph fills its part, or writes it block by block of its rows.
        Ok((unsafe { out.finish() }, shape.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::softmax::softmax_rows;
    use crate::kernels::testkit::{
        Golden, assert_close, assert_gradients, dense_adjacency, graph, only, random, random_graph,
        same_bits_for_any_threads, values,
    };
    use candle_core::{DType, Device};

    fn assignment(rows: usize, k: usize, seed: u64) -> Tensor {
        softmax_rows(&random(&[rows, k], seed)).unwrap()
    }

    fn rows_of(x: &Tensor, graph: &SparseGraph, which: usize) -> Tensor {
        let (start, end) = (graph.graph_offsets[which] as usize, graph.graph_offsets[which + 1] as usize);
        x.narrow(0, start, end - start).unwrap()
    }

    fn norm(x: &Tensor) -> f64 {
        x.sqr().unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap().sqrt()
    }

    #[test]
    fn the_link_loss_is_the_dense_norm_of_each_graph() {
        // More clusters than nodes, fewer, graphs of one node, no edges, and a Gram matrix of several blocks.
        for (sizes, degree, k) in [
            (vec![6, 1, 9, 4], 2.0, 5),
            (vec![6, 3], 0.0, 5),
            (vec![7, 12], 3.0, 30),
            (vec![150, 90], 3.0, 100),
        ] {
            for symmetric in [true, false] {
                let graph = random_graph(&sizes, degree, symmetric, 1);
                let s = assignment(graph.n_nodes(), k, 2);
                let expected: Vec<f64> = (0..graph.n_graphs())
                    .map(|which| {
                        let (s, a) = (rows_of(&s, &graph, which), dense_adjacency(&graph, which));
                        norm(&(a - s.matmul(&s.t().unwrap()).unwrap()).unwrap())
                            / (s.dim(0).unwrap() as f64).powi(2)
                    })
                    .collect();
                let expected = Tensor::new(expected, &Device::Cpu).unwrap();
                assert_close(&link_loss(&s, &graph).unwrap(), &expected, 1e-12);
                assert_close(&link_loss(&s.to_dtype(DType::F32).unwrap(), &graph).unwrap(), &expected, 1e-6);
            }
        }
    }

    #[test]
    fn repeated_edges_are_one_larger_entry() {
        let graph = graph(&[3], &[(0, 1), (0, 1), (1, 2)]);
        let s = assignment(3, 2, 3);
        let residual = (dense_adjacency(&graph, 0) - s.matmul(&s.t().unwrap()).unwrap()).unwrap();
        let got = values(&link_loss(&s, &graph).unwrap())[0];
        assert!((got - norm(&residual) / 9.0).abs() < 1e-14);
    }

    #[test]
    fn a_perfect_assignment_costs_nothing_and_has_no_gradient() {
        // One node with a self-loop, wholly in one cluster: A = SSᵀ.
        let graph = graph(&[1], &[(0, 0)]);
        let s = candle_core::Var::new(&[[1f32, 0.0]], &Device::Cpu).unwrap();
        let loss = link_loss(&s, &graph).unwrap();
        assert_eq!(values(&loss), [0.0]);
        assert_eq!(values(loss.backward().unwrap().get(&s).unwrap()), [0.0, 0.0]);
        let dense = dense_link_loss(&s, &Tensor::new(&[[[1f32]]], &Device::Cpu).unwrap()).unwrap();
        assert_eq!(values(&dense), [0.0]);
        assert_eq!(values(dense.backward().unwrap().get(&s).unwrap()), [0.0, 0.0]);
    }

    #[test]
    fn the_dense_losses_match_plain_tensors() {
        for (k1, k2) in [(4, 3), (3, 8), (100, 6)] {
            let (s, a) = (assignment(2 * k1, k2, 4), random(&[2, k1, k1], 5).abs().unwrap());
            let expected: Vec<f64> = (0..2)
                .map(|g| {
                    let s = s.narrow(0, g * k1, k1).unwrap();
                    let residual = (a.get(g).unwrap() - s.matmul(&s.t().unwrap()).unwrap()).unwrap();
                    norm(&residual) / (k1 * k1) as f64
                })
                .collect();
            let expected = Tensor::new(expected, &Device::Cpu).unwrap();
            assert_close(&dense_link_loss(&s, &a).unwrap(), &expected, 1e-12);
            let ragged = Arc::new(vec![0, k1 as u32, 2 * k1 as u32]);
            let (ragged, equal) = (assignment_entropy(&s, &ragged), cluster_assignment_entropy(&s, 2));
            assert_eq!(values(&ragged.unwrap()), values(&equal.unwrap()));
        }
    }

    #[test]
    fn the_entropy_averages_over_the_nodes_of_each_graph() {
        let s = assignment(7, 4, 6);
        let offsets = Arc::new(vec![0u32, 2, 7]);
        let rows: Vec<f64> = s
            .to_vec2::<f64>()
            .unwrap()
            .iter()
            .map(|row| row.iter().map(|p| -p * (p + 1e-15).ln()).sum())
            .collect();
        let expected = [rows[..2].iter().sum::<f64>() / 2.0, rows[2..].iter().sum::<f64>() / 5.0];
        let expected = Tensor::new(&expected, &Device::Cpu).unwrap();
        assert_close(&assignment_entropy(&s, &offsets).unwrap(), &expected, 1e-13);
        let single = s.to_dtype(DType::F32).unwrap();
        assert_close(&assignment_entropy(&single, &offsets).unwrap(), &expected, 1e-6);
        let sum = sum_over_graphs(&assignment_entropy(&s, &offsets).unwrap(), 4.0).unwrap();
        assert_close(&sum, &(expected.sum_all().unwrap() / 4.0).unwrap(), 1e-13);
        // A certain assignment has no entropy, and its zeros do not make a NaN.
        let certain = Tensor::new(&[[1f32, 0.0], [0.0, 1.0]], &Device::Cpu).unwrap();
        assert_eq!(values(&assignment_entropy(&certain, &Arc::new(vec![0, 2])).unwrap()), [0.0]);
    }

    #[test]
    fn gradients_match_finite_differences() {
        for (symmetric, k) in [(true, 3), (false, 3), (true, 9), (false, 9)] {
            let graph = random_graph(&[4, 1, 5], 2.0, symmetric, 7);
            let s = assignment(10, k, 8);
            assert_gradients(|args| link_loss(&args[0], &graph), std::slice::from_ref(&s));
            assert_gradients(|args| assignment_entropy(&args[0], &graph.graph_offsets), &[s]);
        }
        let (s, a) = (assignment(8, 3, 9), random(&[2, 4, 4], 10));
        assert_gradients(|args| dense_link_loss(&args[0], &args[1]), &[s, a]);
        assert_gradients(|args| sum_over_graphs(&args[0], 2.5), &[random(&[4], 11)]);
    }

    #[test]
    fn losses_match_pyg() {
        let golden = Golden::load("dense_diff_pool");
        let logits = golden.tensor("inputs/s").squeeze(0).unwrap();
        let s = softmax_rows(&logits).unwrap();
        let adjacency = golden.tensor("inputs/adj");
        // The golden norm is not divided by n² = 25.
        let link = (dense_link_loss(&s, &adjacency).unwrap().squeeze(0).unwrap() * 25.0).unwrap();
        assert_close(&link, &golden.tensor("outputs/link_loss"), 1e-8);
        let entropy = cluster_assignment_entropy(&s, 1).unwrap().squeeze(0).unwrap();
        assert_close(&entropy, &golden.tensor("outputs/ent_loss"), 1e-8);
    }

    #[test]
    fn a_graph_costs_the_same_alone_and_in_a_batch() {
        let graph = random_graph(&[40, 7, 300], 3.0, true, 12);
        let s = assignment(347, 9, 13).to_dtype(DType::F32).unwrap();
        let batch = plain1(LinkLoss(graph.clone()), &s).unwrap();
        let entropies = plain1(Entropy(Segments::Ragged(graph.graph_offsets.clone())), &s).unwrap();
        for which in 0..3 {
            let (alone, s) = (only(&graph, which), rows_of(&s, &graph, which));
            assert_eq!(values(&link_loss(&s, &alone).unwrap())[0], values(&batch)[which]);
            let entropy = assignment_entropy(&s, &alone.graph_offsets).unwrap();
            assert_eq!(values(&entropy)[0], values(&entropies)[which]);
        }
    }

    #[test]
    fn one_and_two_threads_give_the_same_bits() {
        let graph = random_graph(&[900, 40, 90], 4.0, true, 14);
        let s = assignment(1030, 40, 15).to_dtype(DType::F32).unwrap();
        let s = candle_core::Var::from_tensor(&s).unwrap();
        same_bits_for_any_threads(|| {
            let loss = (link_loss(&s, &graph).unwrap()
                + assignment_entropy(&s, &graph.graph_offsets).unwrap())
            .unwrap();
            let loss = sum_over_graphs(&loss, 3.0).unwrap();
            loss.backward().unwrap().get(&s).unwrap().clone()
        });
    }

    #[test]
    fn statistics_count_the_clusters_in_use() {
        let offsets = Arc::new(vec![0u32, 2, 2, 4]);
        let rows = [[1f32, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]];
        let stats = pooling_stats(&Tensor::new(&rows, &Device::Cpu).unwrap(), &offsets).unwrap();
        // Two clusters in the first graph, one in the last; the empty graph does not count.
        assert_eq!(stats.len(), 2);
        for (stats, in_use) in stats.iter().zip([2.0, 1.0]) {
            assert!((stats.clusters_in_use - in_use).abs() < 1e-6 && stats.assignment_entropy.abs() < 1e-6);
        }
        let even = Tensor::full(0.25f32, (6, 4), &Device::Cpu).unwrap();
        for stats in cluster_pooling_stats(&even, 2).unwrap() {
            assert!((stats.clusters_in_use - 4.0).abs() < 1e-5);
            assert!((stats.assignment_entropy - 4f64.ln()).abs() < 1e-6);
        }
    }
}
