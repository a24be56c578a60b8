//! Graph attention: softmax over the edges of a node and the weighted sum, without storing anything an edge.

use super::custom::{Kernel, add_scaled, apply3, blocks, dot, plain3, values_f64, where_needed};
use super::dropout::EdgeDropout;
use super::float::Float;
use super::parallel::{Output, each};
use super::summation::{self, Summation};
use crate::kernels::graph::{Csr, SparseGraph};
use candle_core::{Result, Shape, Tensor};
use multiversion::multiversion;
use std::ops::Range;
use std::sync::Arc;

/// What attention does beside its weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionOptions {
    pub heads: usize,
    /// Slope of the leaky ReLU below 0.
    pub slope: f64,
    /// Self-loops of the graph are replaced by one a node.
    pub self_loops: bool,
    /// Drops weights `α_ij` after the softmax, one for each edge and head; `None` outside training.
    pub dropout: Option<EdgeDropout>,
}

/// Attention of each node over its incoming edges, `H` heads side by side:
/// `y_i = Σ_j α_ij h_j` with `α_ij = softmax_j(leaky_relu(a_src · h_j + a_dst · h_i))`.
///
/// Paper: Veličković et al. 2018, "Graph Attention Networks", eq. 1 to 5. PyG: `GATConv` after its linear layer
/// and before its bias, with its dropout of attention weights. As there, `self_loops` replaces the self-loops of the
/// graph by one a node.
///
/// # Shapes
/// - `h`: `[N, H · D]`, transformed features
/// - `a_src`, `a_dst`: `[H, D]`
/// - result: `[N, H · D]`; a node without incoming edges and self-loop gets zeros
///
/// # Errors
/// Where the shapes do not fit.
pub fn gat_attention(
    h: &Tensor,
    a_src: &Tensor,
    a_dst: &Tensor,
    graph: &Arc<SparseGraph>,
    options: AttentionOptions,
) -> Result<Tensor> {
    let summation = Summation::current();
    let (adjacency, transpose) = (graph.adjacency.clone(), graph.transpose.clone());
    let attention = Attention { adjacency, transpose, options, summation };
    apply3(attention, [h, a_src, a_dst])
}

/// [`gat_attention`] between clusters. As in PyG's `DenseGATConv` the adjacency only says who is attended to:
/// row `i` over the columns that are not 0.
///
/// # Shapes
/// - `h`: `[G · k, H · D]`, `adjacency`: `[G, k, k]`, result `[G · k, H · D]`
///
/// # Errors
/// Where the shapes do not fit.
pub fn dense_gat_attention(
    h: &Tensor,
    a_src: &Tensor,
    a_dst: &Tensor,
    adjacency: &Tensor,
    options: AttentionOptions,
) -> Result<Tensor> {
    let (n_graphs, k, _) = adjacency.dims3()?;
    if h.dim(0)? != n_graphs * k {
        candle_core::bail!("dense_gat_attention: {} rows, but {n_graphs} graphs of {k} clusters", h.dim(0)?);
    }
    let values = values_f64(adjacency)?;
    let mut csr = Csr { offsets: vec![0], indices: Vec::new(), n_cols: n_graphs * k };
    for (row, values) in values.chunks_exact(k.max(1)).enumerate() {
        let first = (row / k * k) as u32;
        let present = values.iter().zip(first..).filter(|&(&value, _)| value != 0.0);
        csr.indices.extend(present.map(|(_, col)| col));
        csr.offsets.push(csr.indices.len() as u32);
    }
    let transpose = Arc::new(csr.transpose());
    // Clusters stand in the same order whatever the numbering.
    let summation = Summation::Sequential;
    apply3(Attention { adjacency: Arc::new(csr), transpose, options, summation }, [h, a_src, a_dst])
}

#[derive(Clone)]
struct Attention {
    /// Rows are targets.
    adjacency: Arc<Csr>,
    transpose: Arc<Csr>,
    options: AttentionOptions,
    summation: Summation,
}

/// Nodes that one task works on.
const BLOCK: usize = 64;

impl Attention {
    /// (nodes, width of a head)
    fn sizes(&self, h: &Shape, a_len: usize) -> Result<(usize, usize)> {
        let (n, width) = h.dims2()?;
        if self.options.heads == 0
            || width % self.options.heads != 0
            || a_len != width
            || n != self.adjacency.n_rows()
        {
            candle_core::bail!(
                "gat_attention: features {h:?} and {a_len} attention weights do not fit {} heads over {} nodes",
                self.options.heads,
                self.adjacency.n_rows()
            );
        }
        Ok((n, width / self.options.heads))
    }

    /// What the weight of an edge is multiplied with: 1, or 0 and `1 / (1 − p)` under dropout.
    #[inline(always)]
    fn mask<T: Float>(&self, target: usize, source: usize, nth: u32, head: usize) -> T {
        self.options.dropout.map_or(T::ONE, |dropout| dropout.factor(target, source, nth, head))
    }

    fn work(&self, width: usize) -> usize {
        4 * (self.adjacency.n_entries() + self.adjacency.n_rows()) * width
    }

    /// The neighbours of a node, with its own self-loop last where one is added.
    fn neighbours<'a>(&'a self, csr: &'a Csr, node: usize) -> impl Iterator<Item = usize> + Clone + 'a {
        let skipped = if self.options.self_loops { node } else { usize::MAX };
        let stored = csr.row(node).iter().map(|&other| other as usize).filter(move |&other| other != skipped);
        stored.chain(self.options.self_loops.then_some(node))
    }
}

/// Counts parallel edges, which stand beside each other: the place of each among those that it is parallel to.
struct Places {
    last: usize,
    nth: u32,
}

impl Places {
    fn new() -> Self {
        Self { last: usize::MAX, nth: 0 }
    }
    #[inline(always)]
    fn of(&mut self, other: usize) -> u32 {
        self.nth = if other == self.last { self.nth + 1 } else { 0 };
        self.last = other;
        self.nth
    }
}

/// `a · h_i` of every node and head: `[N, H]`.
fn node_scores<T: Float>(h: &[T], a: &[T], heads: usize, width: usize) -> Vec<T> {
    let mut scores = Vec::with_capacity(h.len() / width.max(1));
    for row in h.chunks_exact((heads * width).max(1)) {
        for (part, a) in row.chunks_exact(width).zip(a.chunks_exact(width)) {
            scores.push(dot(part, a));
        }
    }
    scores
}

#[inline(always)]
fn leaky<T: Float>(x: T, slope: T) -> T {
    if x < T::ZERO { slope * x } else { x }
}

/// The terms of softmax that belong to the target: (largest score, 1 / Σ exp).
#[inline(always)]
fn softmax_terms<T: Float>(scores: impl Iterator<Item = T> + Clone) -> (T, T) {
    let max = scores.clone().fold(T::NEG_INFINITY, |max, e| if max > e { max } else { e });
    let sum = scores.fold(T::ZERO, |sum, e| sum + (e - max).exp());
    (max, T::ONE / sum)
}

impl Kernel<3> for Attention {
    fn name(&self) -> &'static str {
        "gat_attention"
    }

    fn forward<T: Float>(
        &self,
        [h, a_src, a_dst]: [&[T]; 3],
        [shape, ..]: [&Shape; 3],
    ) -> Result<(Vec<T>, Shape)> {
        let (n, width) = self.sizes(shape, a_src.len())?;
        let (src, dst) = (
            node_scores(h, a_src, self.options.heads, width),
            node_scores(h, a_dst, self.options.heads, width),
        );
        let out = Output::new(h.len(), 1);
        let shared = out.shared();
        let row_len = self.options.heads * width;
        let tasks: Vec<_> = blocks(n, BLOCK).collect();
        each(tasks.len(), self.work(row_len), |task| {
            let rows = tasks[task].clone();
            // SAFETY: blocks of rows do not overlap.
            let out = unsafe { shared.part(rows.start * row_len..rows.end * row_len) };
            match self.summation {
                Summation::Sequential => attend(self, rows, h, &src, &dst, width, out),
                Summation::Reproducible => attend_in_any_order(self, rows, h, &src, &dst, width, out),
            }
        });
        // SAFETY: the blocks cover all nodes, and both ways of attending write every number of their rows.
        Ok((unsafe { out.finish() }, shape.clone()))
    }

    fn backward(
        &self,
        [h, a_src, a_dst]: [&Tensor; 3],
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<[Option<Tensor>; 3]> {
        if ![h, a_src, a_dst].iter().any(|arg| arg.track_op()) {
            return Ok([None, None, None]);
        }
        let weights = Tensor::cat(&[&a_src.detach().flatten_all()?, &a_dst.detach().flatten_all()?], 0)?;
        let packed = plain3(AttentionGrad(self.clone()), [h, &weights, grad])?;
        let (n, n_weights) = (h.elem_count(), a_src.elem_count());
        Ok([
            where_needed(h, || packed.narrow(0, 0, n)?.reshape(h.shape()))?,
            where_needed(a_src, || packed.narrow(0, n, n_weights)?.reshape(a_src.shape()))?,
            where_needed(a_dst, || packed.narrow(0, n + n_weights, n_weights)?.reshape(a_dst.shape()))?,
        ])
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn attend<T: Float>(
    cx: &Attention,
    rows: Range<usize>,
    h: &[T],
    src: &[T],
    dst: &[T],
    width: usize,
    out: &mut [T],
) {
    let (heads, slope) = (cx.options.heads, T::of(cx.options.slope));
    out.fill(T::ZERO);
    for (i, out) in rows.zip(out.chunks_exact_mut((heads * width).max(1))) {
        for (head, out) in out.chunks_exact_mut(width).enumerate() {
            let score = |j: usize| leaky(src[j * heads + head] + dst[i * heads + head], slope);
            let neighbours = cx.neighbours(&cx.adjacency, i);
            let (max, scale) = softmax_terms(neighbours.clone().map(score));
            let mut places = Places::new();
            for j in neighbours {
                let alpha = (score(j) - max).exp() * scale * cx.mask(i, j, places.of(j), head);
                let start = (j * heads + head) * width;
                add_scaled(out, alpha, &h[start..start + width]);
            }
        }
    }
}

/// [`attend`] with the same bits in every numbering.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn attend_in_any_order<T: Float>(
    cx: &Attention,
    rows: Range<usize>,
    h: &[T],
    src: &[T],
    dst: &[T],
    width: usize,
    out: &mut [T],
) {
    let (heads, slope) = (cx.options.heads, T::of(cx.options.slope));
    let (mut grids, mut sums) = (vec![0.0; width], vec![0.0; width]);
    let mut terms: Vec<(T, usize)> = Vec::new();
    for (i, out) in rows.zip(out.chunks_exact_mut((heads * width).max(1))) {
        for (head, out) in out.chunks_exact_mut(width).enumerate() {
            let score = |j: usize| leaky(src[j * heads + head] + dst[i * heads + head], slope);
            let neighbours = cx.neighbours(&cx.adjacency, i);
            let max =
                neighbours.clone().map(score).fold(T::NEG_INFINITY, |max, e| if max > e { max } else { e });
            terms.clear();
            terms.extend(neighbours.map(|j| ((score(j) - max).exp(), j)));
            let total = summation::sum(terms.iter().map(|&(term, _)| term.wide()));
            let mut places = Places::new();
            for (term, j) in &mut terms {
                *term *= cx.mask(i, *j, places.of(*j), head);
            }
            let rows = terms.iter().map(|&(term, j)| (term, &h[(j * heads + head) * width..][..width]));
            summation::sum_rows(terms.len(), rows, &mut grids, &mut sums);
            for (out, &sum) in out.iter_mut().zip(&sums) {
                *out = if terms.is_empty() { T::ZERO } else { T::of(sum / total) };
            }
        }
    }
}

/// `[dh | da_src | da_dst]`, flat. With `g = dy` and the mask `m` of dropout: `dα_ij = m_ij g_i · h_j`, `de_ij = α_ij (dα_ij − Σ_l α_il dα_il)`
/// times the slope of the leaky ReLU; one pass over targets, one over sources, so that no two threads add to
/// the same place.
struct AttentionGrad(Attention);

impl Kernel<3> for AttentionGrad {
    fn name(&self) -> &'static str {
        "gat_attention_grad"
    }

    fn forward<T: Float>(
        &self,
        [h, weights, grad]: [&[T]; 3],
        [shape, ..]: [&Shape; 3],
    ) -> Result<(Vec<T>, Shape)> {
        let cx = &self.0;
        let (a_src, a_dst) = weights.split_at(weights.len() / 2);
        let (n, width) = cx.sizes(shape, a_src.len())?;
        let (heads, row_len) = (cx.options.heads, cx.options.heads * width);
        let (src, dst) = (node_scores(h, a_src, heads, width), node_scores(h, a_dst, heads, width));
        let tasks: Vec<_> = blocks(n, BLOCK).collect();
        let work = 2 * cx.work(row_len);

        let targets = Output::new(n * heads * TERMS, 1);
        let shared = targets.shared();
        each(tasks.len(), work, |task| {
            let rows = tasks[task].clone();
            // SAFETY: blocks of rows do not overlap.
            let out = unsafe { shared.part(rows.start * heads * TERMS..rows.end * heads * TERMS) };
            target_terms(cx, rows, h, grad, &src, &dst, width, out);
        });
        // SAFETY: the blocks cover all nodes, and the terms of every head of a node were copied in.
        let targets = unsafe { targets.finish() };

        let n_weights = row_len;
        let (out, source_scores) = (Output::new(h.len() + 2 * n_weights, 1), Output::new(n * heads, 1));
        let (shared, shared_scores) = (out.shared(), source_scores.shared());
        each(tasks.len(), work, |task| {
            let rows = tasks[task].clone();
            // SAFETY: blocks of rows do not overlap.
            let (out, scores) = unsafe {
                (
                    shared.part(rows.start * row_len..rows.end * row_len),
                    shared_scores.part(rows.start * heads..rows.end * heads),
                )
            };
            source_gradients(cx, rows, [h, grad, &src, &dst, a_src, a_dst], &targets, width, out, scores);
        });

        // SAFETY: the blocks cover all nodes, and the score of every head of a node was written.
        let source_scores = unsafe { source_scores.finish() };
        let len = h.len() + 2 * n_weights;
        // SAFETY: the tasks are over, and their parts end before this one.
        let of_weights = unsafe { shared.part(h.len()..len) };
        of_weights.copy_from_slice(&weight_gradients(h, &source_scores, &targets, heads, width));
        // SAFETY: the blocks filled the rows of all nodes, and the weights' gradients were copied behind them.
        Ok((unsafe { out.finish() }, len.into()))
    }
}

/// Nodes whose part of a weight's gradient is summed in the type of the numbers before it is added in f64.
const SUM_NODES: usize = 32;

/// `[da_src | da_dst]`: `Σ_i` of the gradients of a node's two scores times its features.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn weight_gradients<T: Float>(h: &[T], of_source: &[T], targets: &[T], heads: usize, width: usize) -> Vec<T> {
    let row_len = heads * width;
    let mut totals = vec![0.0; 2 * row_len];
    let mut sums = vec![T::ZERO; 2 * row_len];
    for (run, rows) in h.chunks(SUM_NODES * row_len.max(1)).enumerate() {
        sums.fill(T::ZERO);
        let (of_src, of_dst) = sums.split_at_mut(row_len);
        for (row, node) in rows.chunks_exact(row_len.max(1)).zip(run * SUM_NODES..) {
            for (head, part) in row.chunks_exact(width).enumerate() {
                let (range, place) = (head * width..(head + 1) * width, node * heads + head);
                add_scaled(&mut of_src[range.clone()], of_source[place], part);
                add_scaled(&mut of_dst[range], targets[place * TERMS + 3], part);
            }
        }
        for (total, sum) in totals.iter_mut().zip(&sums) {
            *total += sum.wide();
        }
    }
    totals.into_iter().map(T::of).collect()
}

/// A target's numbers, a head: largest score, 1 / Σ exp, `Σ α dα`, gradient of its own score.
const TERMS: usize = 4;

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
#[allow(clippy::too_many_arguments)]
fn target_terms<T: Float>(
    cx: &Attention,
    rows: Range<usize>,
    h: &[T],
    grad: &[T],
    src: &[T],
    dst: &[T],
    width: usize,
    out: &mut [T],
) {
    let (heads, slope) = (cx.options.heads, T::of(cx.options.slope));
    let mut edges: Vec<(T, T, T)> = Vec::new();
    for (place, out) in (rows.start * heads..rows.end * heads).zip(out.chunks_exact_mut(TERMS)) {
        let (i, head) = (place / heads, place % heads);
        let raw = |j: usize| src[j * heads + head] + dst[place];
        let neighbours = cx.neighbours(&cx.adjacency, i);
        let (max, scale) = softmax_terms(neighbours.clone().map(|j| leaky(raw(j), slope)));
        let g = &grad[place * width..(place + 1) * width];
        edges.clear();
        let mut mean = T::ZERO;
        let mut places = Places::new();
        for j in neighbours {
            let start = (j * heads + head) * width;
            let e = raw(j);
            let alpha = (leaky(e, slope) - max).exp() * scale;
            let of_alpha = cx.mask::<T>(i, j, places.of(j), head) * dot(g, &h[start..start + width]);
            mean += alpha * of_alpha;
            edges.push((alpha, of_alpha, if e < T::ZERO { slope } else { T::ONE }));
        }
        let own = edges
            .iter()
            .fold(T::ZERO, |sum, &(alpha, of_alpha, side)| sum + alpha * (of_alpha - mean) * side);
        out.copy_from_slice(&[max, scale, mean, own]);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn source_gradients<T: Float>(
    cx: &Attention,
    rows: Range<usize>,
    [h, grad, src, dst, a_src, a_dst]: [&[T]; 6],
    targets: &[T],
    width: usize,
    out: &mut [T],
    scores: &mut [T],
) {
    let (heads, slope) = (cx.options.heads, T::of(cx.options.slope));
    out.fill(T::ZERO);
    let places = rows.start * heads..rows.end * heads;
    for ((place, out), score) in places.zip(out.chunks_exact_mut(width.max(1))).zip(scores) {
        let (j, head) = (place / heads, place % heads);
        let own = &h[place * width..(place + 1) * width];
        *score = T::ZERO;
        let mut places = Places::new();
        for i in cx.neighbours(&cx.transpose, j) {
            let target = i * heads + head;
            let terms = &targets[target * TERMS..(target + 1) * TERMS];
            let e = src[place] + dst[target];
            let alpha = (leaky(e, slope) - terms[0]).exp() * terms[1];
            let g = &grad[target * width..(target + 1) * width];
            let side = if e < T::ZERO { slope } else { T::ONE };
            let mask: T = cx.mask(i, j, places.of(i), head);
            *score += alpha * (mask * dot(g, own) - terms[2]) * side;
            add_scaled(out, alpha * mask, g);
        }
        add_scaled(out, *score, &a_src[head * width..(head + 1) * width]);
        add_scaled(out, targets[place * TERMS + 3], &a_dst[head * width..(head + 1) * width]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testkit::{
        Golden, assert_close, assert_gradients, graph, only, random, random_graph, same_bits_for_any_threads,
        values,
    };
    use candle_core::DType;

    fn options(heads: usize, self_loops: bool) -> AttentionOptions {
        AttentionOptions { heads, slope: 0.2, self_loops, dropout: None }
    }

    /// The formula, one number at a time.
    fn plain(h: &Tensor, a: [&Tensor; 2], graph: &SparseGraph, heads: usize, self_loops: bool) -> Vec<f64> {
        let (n, row_len) = h.dims2().unwrap();
        let width = row_len / heads;
        let (h, a_src, a_dst) = (values(h), values(a[0]), values(a[1]));
        let score = |a: &[f64], i: usize, head: usize| -> f64 {
            (0..width).map(|d| a[head * width + d] * h[i * row_len + head * width + d]).sum()
        };
        let mut out = vec![0.0; n * row_len];
        for i in 0..n {
            let mut sources: Vec<usize> = graph.adjacency.row(i).iter().map(|&j| j as usize).collect();
            if self_loops {
                sources.retain(|&j| j != i);
                sources.push(i);
            }
            for head in 0..heads {
                let weight = |j: usize| {
                    let e = score(&a_src, j, head) + score(&a_dst, i, head);
                    (if e < 0.0 { 0.2 * e } else { e }).exp()
                };
                let total: f64 = sources.iter().map(|&j| weight(j)).sum();
                for &j in &sources {
                    for d in head * width..(head + 1) * width {
                        out[i * row_len + d] += weight(j) / total * h[j * row_len + d];
                    }
                }
            }
        }
        out
    }

    #[test]
    fn attention_matches_the_plain_formula() {
        for (sizes, degree) in [(vec![6, 1, 5], 2.0), (vec![4, 3], 0.0)] {
            let mut edges = vec![(0, 0), (1, 0), (1, 0)]; // a self-loop and a repeated edge
            let random_part = random_graph(&sizes, degree, false, 1);
            for target in 0..random_part.n_nodes() {
                edges.extend(random_part.adjacency.row(target).iter().map(|&source| (source, target as u32)));
            }
            let graph = graph(&sizes, &edges);
            for heads in [1, 3] {
                let h = random(&[graph.n_nodes(), heads * 4], 2);
                let (a_src, a_dst) = (random(&[heads, 4], 3), random(&[heads, 4], 4));
                for self_loops in [true, false] {
                    let got = gat_attention(&h, &a_src, &a_dst, &graph, options(heads, self_loops)).unwrap();
                    let expected = plain(&h, [&a_src, &a_dst], &graph, heads, self_loops);
                    let expected = Tensor::from_vec(expected, got.dims(), h.device()).unwrap();
                    assert_close(&got, &expected, 1e-12);
                }
            }
        }
    }

    #[test]
    fn gradients_match_finite_differences() {
        let mut edges = vec![(0, 0), (0, 0), (1, 0), (1, 0), (1, 0)];
        let random_part = random_graph(&[5, 1, 4], 2.0, false, 5);
        for target in 0..random_part.n_nodes() {
            edges.extend(random_part.adjacency.row(target).iter().map(|&source| (source, target as u32)));
        }
        let graph = graph(&[5, 1, 4], &edges);
        let args = [random(&[10, 6], 6), random(&[2, 3], 7), random(&[2, 3], 8)];
        for self_loops in [true, false] {
            let dropout = Some(EdgeDropout { p: 0.4, seed: 3 });
            let options = AttentionOptions { dropout, ..options(2, self_loops) };
            assert_gradients(|a| gat_attention(&a[0], &a[1], &a[2], &graph, options), &args);
        }
        for self_loops in [true, false] {
            assert_gradients(|a| gat_attention(&a[0], &a[1], &a[2], &graph, options(2, self_loops)), &args);
        }
        let adjacency = (random(&[2, 5, 5], 9).relu().unwrap() * 1.0).unwrap();
        assert_gradients(|a| dense_gat_attention(&a[0], &a[1], &a[2], &adjacency, options(2, true)), &args);
    }

    #[test]
    fn dropout_drops_the_weights_of_edges_and_keeps_their_mean() {
        let graph = random_graph(&[40], 6.0, false, 13);
        let args = [random(&[40, 6], 14), random(&[2, 3], 15), random(&[2, 3], 16)];
        let with =
            |seed| AttentionOptions { dropout: Some(EdgeDropout { p: 0.4, seed }), ..options(2, true) };
        assert_gradients(|a| gat_attention(&a[0], &a[1], &a[2], &graph, with(3)), &args);
        let run = |options| values(&gat_attention(&args[0], &args[1], &args[2], &graph, options).unwrap());
        let whole = run(options(2, true));
        assert_ne!(run(with(1)), whole);
        let n_seeds = 4000;
        let mut mean = vec![0.0; whole.len()];
        for seed in 0..n_seeds {
            mean.iter_mut().zip(run(with(seed))).for_each(|(mean, value)| *mean += value / n_seeds as f64);
        }
        // The deviation of one run is about that of the result itself, of 4,000 a sixtieth; four of them here.
        let worst = mean.iter().zip(&whole).map(|(mean, whole)| (mean - whole).abs()).fold(0.0, f64::max);
        assert!(worst < 0.1, "{worst}");
    }

    #[test]
    fn parallel_edges_are_dropped_one_by_one() {
        // 64 edges between the same nodes: all have the same weight, about 0.6 of them stay.
        let graph = graph(&[2], &[(0, 1); 64]);
        let args = [random(&[2, 1], 14), random(&[1, 1], 15), random(&[1, 1], 16)];
        let dropout = Some(EdgeDropout { p: 0.4, seed: 5 });
        let dropped = AttentionOptions { dropout, ..options(1, false) };
        let run = |options| values(&gat_attention(&args[0], &args[1], &args[2], &graph, options).unwrap())[1];
        let n_kept = run(dropped) / run(options(1, false)) * 0.6 * 64.0;
        assert!((n_kept - n_kept.round()).abs() < 1e-9 && (24.0..54.0).contains(&n_kept), "{n_kept}");
    }

    #[test]
    fn attention_matches_pyg() {
        let golden = Golden::load("gat_conv");
        let graph = graph(&[9], &golden.edges());
        let h = golden.tensor("inputs/x").matmul(&golden.tensor("params/lin.weight").t().unwrap()).unwrap();
        let weights = |name: &str| golden.tensor(name).reshape((2, 6)).unwrap();
        let (a_src, a_dst) = (weights("params/att_src"), weights("params/att_dst"));
        let out = gat_attention(&h, &a_src, &a_dst, &graph, options(2, true)).unwrap();
        let out = out.broadcast_add(&golden.tensor("params/bias")).unwrap();
        assert_close(&out, &golden.tensor("outputs/out"), 1e-8);
    }

    #[test]
    fn dense_attention_matches_pyg() {
        let golden = Golden::load("dense_gat_conv");
        let x = golden.tensor("inputs/x").squeeze(0).unwrap();
        let h = x.matmul(&golden.tensor("params/lin.weight").t().unwrap()).unwrap();
        let weights = |name: &str| golden.tensor(name).reshape((2, 6)).unwrap();
        let (a_src, a_dst) = (weights("params/att_src"), weights("params/att_dst"));
        let out =
            dense_gat_attention(&h, &a_src, &a_dst, &golden.tensor("inputs/adj"), options(2, true)).unwrap();
        let out = out.broadcast_add(&golden.tensor("params/bias")).unwrap();
        assert_close(&out.unsqueeze(0).unwrap(), &golden.tensor("outputs/out"), 1e-8);
    }

    #[test]
    fn one_and_two_threads_give_the_same_bits_and_so_does_a_graph_alone() {
        let graph = random_graph(&[200, 30, 400], 5.0, false, 10);
        let h = random(&[630, 32], 11).to_dtype(DType::F32).unwrap();
        let h = candle_core::Var::from_tensor(&h).unwrap();
        let a = random(&[4, 8], 12).to_dtype(DType::F32).unwrap();
        let run =
            |h: &Tensor, graph: &Arc<SparseGraph>| gat_attention(h, &a, &a, graph, options(4, true)).unwrap();
        same_bits_for_any_threads(|| {
            let loss = run(&h, &graph).sqr().unwrap().sum_all().unwrap();
            loss.backward().unwrap().get(&h).unwrap().clone()
        });
        let alone = run(&h.narrow(0, 200, 30).unwrap(), &only(&graph, 1));
        assert_eq!(values(&alone), values(&run(&h, &graph).narrow(0, 200, 30).unwrap()));
    }
}
