//! Attention of the rows of a graph to each other: scores of all pairs, a block of rows at a time, so that no matrix of all
//! pairs is ever there.

use super::custom::{Kernel, Mat, Shared, apply1, dot, fold, plain2, product, where_needed};
use super::dropout::EdgeDropout;
use super::float::Float;
use super::parallel::{Output, each};
use super::segment::check_offsets;
use super::summation::{self, Summation};
use candle_core::{Result, Shape, Tensor};
use multiversion::multiversion;
use std::ops::Range;
use std::sync::Arc;

/// What attention inside of graphs does beside its numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SelfAttentionOptions {
    pub heads: usize,
    /// Drops shares after the softmax, one for each pair of rows and head; `None` outside training.
    pub dropout: Option<EdgeDropout>,
}

/// `y_i = Σ_j softmax_j(q_i · k_j / √d) v_j` over the rows `j` of the graph of `i`, head by head, each of width `d`.
///
/// Paper: Vaswani et al. 2017, "Attention Is All You Need", eq. 1. PyTorch: `torch.nn.MultiheadAttention` between its two
/// linear maps, of graphs without padding.
///
/// # Shapes
/// - `x`: `[N, 3 · H · d]`, queries, keys and values beside each other
/// - `offsets`: graph `g` has the rows `offsets[g] .. offsets[g + 1]`
/// - result: `[N, H · d]`
///
/// # Errors
/// Where the shapes do not fit.
pub fn self_attention(x: &Tensor, offsets: &Arc<Vec<u32>>, options: SelfAttentionOptions) -> Result<Tensor> {
    check_offsets("self_attention", x, offsets)?;
    apply1(SelfAttention { offsets: offsets.clone(), options, summation: Summation::current() }, x)
}

/// Rows of a graph that one task works on as a whole, which has the gradients of its keys at once.
const WHOLE: usize = 128;

/// Rows of a block of a larger graph, and scores that a block has about.
const BLOCK: usize = 64;
const BLOCK_SCORES: usize = 1 << 18;

/// Rows that the scores of a graph of `n` rows are computed for at a time: by its size alone, so that a graph is the same
/// in any batch.
pub(crate) fn rows_at_a_time(n: usize) -> usize {
    if n <= WHOLE { n } else { (BLOCK_SCORES / n).clamp(BLOCK / 8, BLOCK) }
}

#[derive(Clone)]
struct SelfAttention {
    offsets: Arc<Vec<u32>>,
    options: SelfAttentionOptions,
    summation: Summation,
}

/// Some rows of a graph.
struct Task {
    graph: Range<usize>,
    rows: Range<usize>,
}

impl Task {
    fn is_whole(&self) -> bool {
        self.graph == self.rows
    }
}

/// Numbers of `[N, 3 · H · d]`.
#[derive(Clone, Copy)]
struct Packed<'a, T> {
    x: &'a [T],
    heads: usize,
    each: usize,
}

/// Places of queries, keys and values.
const QUERY: usize = 0;
const KEY: usize = 1;
const VALUE: usize = 2;

impl<'a, T: Float> Packed<'a, T> {
    fn width(&self) -> usize {
        self.heads * self.each
    }
    fn stride(&self) -> usize {
        3 * self.width()
    }
    /// Where a head begins in a row.
    fn start(&self, kind: usize, head: usize) -> usize {
        kind * self.width() + head * self.each
    }
    fn rows(&self, rows: &Range<usize>, kind: usize, head: usize) -> Mat<'a, T> {
        let (start, stride) = (self.start(kind, head), self.stride());
        let x = &self.x[rows.start * stride..rows.end * stride];
        Mat::columns(x, rows.len(), start..start + self.each, stride)
    }
    fn row(&self, row: usize, kind: usize, head: usize) -> &'a [T] {
        &self.x[row * self.stride() + self.start(kind, head)..][..self.each]
    }
    fn scale(&self) -> T {
        T::of(1.0 / (self.each as f64).sqrt())
    }
}

impl SelfAttention {
    fn packed<'a, T: Float>(&self, x: &'a [T], shape: &Shape) -> Result<Packed<'a, T>> {
        let (_, width) = shape.dims2()?;
        let heads = self.options.heads;
        if heads == 0 || width % (3 * heads) != 0 {
            candle_core::bail!(
                "self_attention: rows of {width} are no queries, keys and values of {heads} heads"
            );
        }
        Ok(Packed { x, heads, each: width / 3 / heads })
    }

    fn tasks(&self) -> Vec<Task> {
        let mut tasks = Vec::new();
        for pair in self.offsets.windows(2) {
            let graph = pair[0] as usize..pair[1] as usize;
            let step = rows_at_a_time(graph.len()).max(1);
            tasks.extend(
                graph
                    .clone()
                    .step_by(step)
                    .map(|start| Task { graph: graph.clone(), rows: start..(start + step).min(graph.end) }),
            );
        }
        tasks
    }

    /// Multiplications and additions for each feature of a row.
    fn work(&self) -> usize {
        let squares = self.offsets.windows(2).map(|pair| ((pair[1] - pair[0]) as usize).pow(2));
        squares.sum::<usize>().saturating_mul(4)
    }

    /// Multiplies shares of `rows` in `cols` by the factors of dropout.
    fn drop<T: Float>(&self, values: &mut [T], rows: &Range<usize>, cols: &Range<usize>, head: usize) {
        let Some(dropout) = self.options.dropout else { return };
        for (row, values) in rows.clone().zip(values.chunks_exact_mut(cols.len().max(1))) {
            for (col, value) in cols.clone().zip(values) {
                *value *= dropout.factor(row, col, 0, head);
            }
        }
    }
}

impl Kernel<1> for SelfAttention {
    fn name(&self) -> &'static str {
        "self_attention"
    }

    fn forward<T: Float>(&self, [x]: [&[T]; 1], [shape]: [&Shape; 1]) -> Result<(Vec<T>, Shape)> {
        let packed = self.packed(x, shape)?;
        let (n, width) = (shape.dims2()?.0, packed.width());
        let out = Output::new(n, width);
        let shared = out.shared();
        let tasks = self.tasks();
        each(tasks.len(), self.work().saturating_mul(width), |at| {
            let task = &tasks[at];
            // SAFETY: the rows of tasks do not overlap.
            let out = unsafe { shared.part(task.rows.start * width..task.rows.end * width) };
            match self.summation {
                Summation::Sequential => attend(self, task, &packed, out),
                Summation::Reproducible => attend_in_any_order(self, task, &packed, out),
            }
        });
        // SAFETY: the tasks have all rows of all graphs, and both ways write every number of them.
        Ok((unsafe { out.finish() }, Shape::from((n, width))))
    }

    fn backward(&self, [x]: [&Tensor; 1], _: &Tensor, grad: &Tensor) -> Result<[Option<Tensor>; 1]> {
        Ok([where_needed(x, || plain2(SelfAttentionGrad(self.clone()), [x, grad]))?])
    }
}

fn attend<T: Float>(cx: &SelfAttention, task: &Task, x: &Packed<T>, out: &mut [T]) {
    let (n, width) = (task.graph.len(), x.width());
    let mut shares = vec![T::ZERO; task.rows.len() * n];
    let mut terms = vec![Terms::default(); task.rows.len()];
    for head in 0..x.heads {
        let keys = x.rows(&task.graph, KEY, head).transposed();
        product(&mut shares, n, x.rows(&task.rows, QUERY, head), keys, false);
        softmax(&mut shares, n, x.scale(), &mut terms);
        cx.drop(&mut shares, &task.rows, &task.graph, head);
        let shares = Mat::new(&shares, task.rows.len(), n, n);
        product(&mut out[head * x.each..], width, shares, x.rows(&task.graph, VALUE, head), false);
    }
}

/// [`attend`] with the same bits in every numbering.
fn attend_in_any_order<T: Float>(cx: &SelfAttention, task: &Task, x: &Packed<T>, out: &mut [T]) {
    let width = x.width();
    let (mut grids, mut sums) = (vec![0.0; x.each], vec![0.0; x.each]);
    let mut shares = vec![T::ZERO; task.graph.len()];
    for (row, out) in task.rows.clone().zip(out.chunks_exact_mut(width.max(1))) {
        for (head, out) in out.chunks_exact_mut(x.each.max(1)).enumerate() {
            let query = x.row(row, QUERY, head);
            let mut largest = T::NEG_INFINITY;
            for (col, share) in task.graph.clone().zip(&mut shares) {
                *share = dot(query, x.row(col, KEY, head)) * x.scale();
                largest = if largest > *share { largest } else { *share };
            }
            shares.iter_mut().for_each(|share| *share = (*share - largest).exp());
            let total = summation::sum(shares.iter().map(|share| share.wide()));
            cx.drop(&mut shares, &(row..row + 1), &task.graph, head);
            let rows = task.graph.clone().zip(&shares).map(|(col, &share)| (share, x.row(col, VALUE, head)));
            summation::sum_rows(shares.len(), rows, &mut grids, &mut sums);
            for (out, &sum) in out.iter_mut().zip(&sums) {
                *out = T::of(sum / total);
            }
        }
    }
}

/// What gives the shares of a row again from its scores, and its part in their gradients.
#[derive(Debug, Clone, Copy, Default)]
struct Terms<T> {
    /// The largest score.
    largest: T,
    /// 1 over the sum of the exponentials.
    scale: T,
    /// `Σ_j p_ij dp_ij`
    mean: T,
}

const LANES: usize = 16;

/// Scores times `scale` become shares, row by row.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn softmax<T: Float>(scores: &mut [T], n: usize, scale: T, terms: &mut [Terms<T>]) {
    for (row, terms) in scores.chunks_exact_mut(n.max(1)).zip(terms) {
        let mut lanes = [T::NEG_INFINITY; LANES];
        let mut chunks = row.chunks_exact_mut(LANES);
        for chunk in &mut chunks {
            for lane in 0..LANES {
                chunk[lane] *= scale;
                lanes[lane] = if lanes[lane] > chunk[lane] { lanes[lane] } else { chunk[lane] };
            }
        }
        let mut largest = lanes[0];
        for &value in &lanes[1..] {
            largest = if largest > value { largest } else { value };
        }
        for value in chunks.into_remainder() {
            *value *= scale;
            largest = if largest > *value { largest } else { *value };
        }
        let mut sums = [T::ZERO; LANES];
        let mut chunks = row.chunks_exact_mut(LANES);
        for chunk in &mut chunks {
            for lane in 0..LANES {
                chunk[lane] = (chunk[lane] - largest).exp();
                sums[lane] += chunk[lane];
            }
        }
        let mut sum = fold(sums);
        for value in chunks.into_remainder() {
            *value = (*value - largest).exp();
            sum += *value;
        }
        let scale = T::ONE / sum;
        for value in row.iter_mut() {
            *value *= scale;
        }
        *terms = Terms { largest, scale, mean: T::ZERO };
    }
}

/// Scores times `scale` become the shares that [`softmax`] gave rows of these terms.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn softmax_again<T: Float>(scores: &mut [T], n: usize, scale: T, terms: &[Terms<T>]) {
    for (row, terms) in scores.chunks_exact_mut(n.max(1)).zip(terms) {
        for value in row.iter_mut() {
            *value = (*value * scale - terms.largest).exp() * terms.scale;
        }
    }
}

/// `Σ_j p_ij dp_ij` of each row.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn means<T: Float>(shares: &[T], slopes: &[T], n: usize, terms: &mut [Terms<T>]) {
    let rows = shares.chunks_exact(n.max(1)).zip(slopes.chunks_exact(n.max(1)));
    for ((shares, slopes), terms) in rows.zip(terms) {
        terms.mean = dot(shares, slopes);
    }
}

/// `dp` becomes the gradient of the scores: `p (dp − Σ p dp) · scale`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn of_scores<T: Float>(shares: &[T], slopes: &mut [T], n: usize, scale: T, terms: &[Terms<T>]) {
    let rows = shares.chunks_exact(n.max(1)).zip(slopes.chunks_exact_mut(n.max(1)));
    for ((shares, slopes), terms) in rows.zip(terms) {
        for (slope, &share) in slopes.iter_mut().zip(shares) {
            *slope = share * (*slope - terms.mean) * scale;
        }
    }
}

/// `[N, 3 · H · d]`, the gradients of queries, keys and values. With `g = dy` and the factors `m` of dropout:
/// `dp_ij = m_ij g_i · v_j`, `ds_ij = p_ij (dp_ij − Σ_l p_il dp_il)`. Of a graph in several blocks once over the rows that
/// attend and once over those that are attended to, so that no two tasks add to the same place.
struct SelfAttentionGrad(SelfAttention);

impl Kernel<2> for SelfAttentionGrad {
    fn name(&self) -> &'static str {
        "self_attention_grad"
    }

    fn forward<T: Float>(&self, [x, grad]: [&[T]; 2], [shape, _]: [&Shape; 2]) -> Result<(Vec<T>, Shape)> {
        let cx = &self.0;
        let packed = cx.packed(x, shape)?;
        let (n, stride, heads) = (shape.dims2()?.0, packed.stride(), packed.heads);
        let out = Output::new(n, stride);
        let shared = out.shared();
        let tasks = cx.tasks();
        let work = cx.work().saturating_mul(2 * packed.width());
        // Those of the rows of a graph that is one task are not read.
        let mut terms = vec![Terms::default(); n * heads];
        let shared_terms = Shared::new(&mut terms);
        each(tasks.len(), work, |at| {
            let task = &tasks[at];
            // SAFETY: the rows of tasks do not overlap.
            let (out, terms) = unsafe {
                (
                    shared.part(task.rows.start * stride..task.rows.end * stride),
                    shared_terms.part(task.rows.start * heads..task.rows.end * heads),
                )
            };
            of_queries(cx, task, &packed, grad, terms, out);
        });
        each(tasks.len(), work, |at| {
            let task = &tasks[at];
            if !task.is_whole() {
                // SAFETY: the rows of tasks do not overlap.
                let out = unsafe { shared.part(task.rows.start * stride..task.rows.end * stride) };
                of_keys(cx, task, &packed, grad, &terms, out);
            }
        });
        // SAFETY: the tasks have all rows; the first pass wrote the gradients of their queries and, of whole graphs, the
        // others, which the second wrote for all other graphs.
        Ok((unsafe { out.finish() }, shape.clone()))
    }
}

/// The part of a head of `[N, H · d]`.
fn of_head<'a, T: Float>(grad: &'a [T], rows: &Range<usize>, head: usize, x: &Packed<T>) -> Mat<'a, T> {
    let width = x.width();
    let start = head * x.each;
    Mat::columns(&grad[rows.start * width..rows.end * width], rows.len(), start..start + x.each, width)
}

fn of_queries<T: Float>(
    cx: &SelfAttention,
    task: &Task,
    x: &Packed<T>,
    grad: &[T],
    kept: &mut [Terms<T>],
    out: &mut [T],
) {
    let (b, n, stride, scale) = (task.rows.len(), task.graph.len(), x.stride(), x.scale());
    let mut terms = vec![Terms::default(); b];
    let (mut shares, mut slopes) = (vec![T::ZERO; b * n], vec![T::ZERO; b * n]);
    for head in 0..x.heads {
        let (query, key) = (x.rows(&task.rows, QUERY, head), x.rows(&task.graph, KEY, head));
        let g = of_head(grad, &task.rows, head, x);
        product(&mut shares, n, query, key.transposed(), false);
        softmax(&mut shares, n, scale, &mut terms);
        product(&mut slopes, n, g, x.rows(&task.graph, VALUE, head).transposed(), false);
        cx.drop(&mut slopes, &task.rows, &task.graph, head);
        means(&shares, &slopes, n, &mut terms);
        of_scores(&shares, &mut slopes, n, scale, &terms);
        let of_scores = Mat::new(&slopes, b, n, n);
        product(&mut out[x.start(QUERY, head)..], stride, of_scores, key, false);
        if task.is_whole() {
            product(&mut out[x.start(KEY, head)..], stride, of_scores.transposed(), query, false);
            cx.drop(&mut shares, &task.rows, &task.graph, head);
            let dropped = Mat::new(&shares, b, n, n).transposed();
            product(&mut out[x.start(VALUE, head)..], stride, dropped, g, false);
        }
        for (kept, terms) in kept.chunks_exact_mut(x.heads).zip(&terms) {
            kept[head] = *terms;
        }
    }
}

fn of_keys<T: Float>(
    cx: &SelfAttention,
    task: &Task,
    x: &Packed<T>,
    grad: &[T],
    kept: &[Terms<T>],
    out: &mut [T],
) {
    let (cols, stride, scale) = (&task.rows, x.stride(), x.scale());
    let (b, n) = (rows_at_a_time(task.graph.len()), cols.len());
    let (mut shares, mut slopes) = (vec![T::ZERO; b * n], vec![T::ZERO; b * n]);
    for head in 0..x.heads {
        let (key, value) = (x.rows(cols, KEY, head), x.rows(cols, VALUE, head));
        for start in task.graph.clone().step_by(b) {
            let rows = start..(start + b).min(task.graph.end);
            let is_first = start == task.graph.start;
            let numbers = rows.len() * n;
            let (shares, slopes) = (&mut shares[..numbers], &mut slopes[..numbers]);
            let terms: Vec<Terms<T>> = rows.clone().map(|row| kept[row * x.heads + head]).collect();
            let (query, g) = (x.rows(&rows, QUERY, head), of_head(grad, &rows, head, x));
            product(shares, n, query, key.transposed(), false);
            softmax_again(shares, n, scale, &terms);
            product(slopes, n, g, value.transposed(), false);
            cx.drop(slopes, &rows, cols, head);
            of_scores(shares, slopes, n, scale, &terms);
            let of_scores = Mat::new(slopes, rows.len(), n, n).transposed();
            product(&mut out[x.start(KEY, head)..], stride, of_scores, query, !is_first);
            cx.drop(shares, &rows, cols, head);
            let dropped = Mat::new(shares, rows.len(), n, n).transposed();
            product(&mut out[x.start(VALUE, head)..], stride, dropped, g, !is_first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testkit::{
        assert_close, assert_gradients, random, same_bits_for_any_threads, values,
    };
    use candle_core::{DType, Device, Var};

    fn offsets(sizes: &[usize]) -> Arc<Vec<u32>> {
        let ends = sizes.iter().scan(0, |end, &n| {
            *end += n as u32;
            Some(*end)
        });
        Arc::new(std::iter::once(0).chain(ends).collect())
    }

    fn options(heads: usize) -> SelfAttentionOptions {
        SelfAttentionOptions { heads, dropout: None }
    }

    /// The formula in plain loops.
    fn plain(x: &Tensor, sizes: &[usize], heads: usize) -> Tensor {
        let x = x.to_vec2::<f64>().unwrap();
        let width = x[0].len() / 3;
        let each = width / heads;
        let mut out = vec![0.0; x.len() * width];
        let mut start = 0;
        for &n in sizes {
            for row in start..start + n {
                for head in 0..heads {
                    let at = |row: usize, kind: usize, d: usize| x[row][kind * width + head * each + d];
                    let score = |col: usize| -> f64 {
                        (0..each).map(|d| at(row, 0, d) * at(col, 1, d)).sum::<f64>() / (each as f64).sqrt()
                    };
                    let total: f64 = (start..start + n).map(|col| score(col).exp()).sum();
                    for col in start..start + n {
                        for d in 0..each {
                            out[row * width + head * each + d] += score(col).exp() / total * at(col, 2, d);
                        }
                    }
                }
            }
            start += n;
        }
        Tensor::from_vec(out, (x.len(), width), &Device::Cpu).unwrap()
    }

    /// Graphs of one block and of several, one without rows.
    const SIZES: [usize; 5] = [5, 0, 1, 140, 17];

    #[test]
    fn rows_attend_to_the_rows_of_their_graph() {
        let x = random(&[163, 18], 1);
        for heads in [1, 2, 3] {
            let expected = plain(&x, &SIZES, heads);
            for summation in [Summation::Sequential, Summation::Reproducible] {
                let ours = summation.during(|| self_attention(&x, &offsets(&SIZES), options(heads)).unwrap());
                assert_close(&ours, &expected, 1e-12);
            }
            let single = x.to_dtype(DType::F32).unwrap();
            let ours = self_attention(&single, &offsets(&SIZES), options(heads)).unwrap();
            assert_close(&ours, &expected, 1e-6);
        }
        let none = Tensor::zeros((0, 6), DType::F32, &Device::Cpu).unwrap();
        assert_eq!(self_attention(&none, &offsets(&[0]), options(1)).unwrap().dims(), [0, 2]);
        assert!(self_attention(&x, &offsets(&SIZES), options(4)).is_err());
        assert!(self_attention(&x, &offsets(&[5]), options(1)).is_err());
    }

    #[test]
    fn gradients_match_finite_differences() {
        for dropout in [None, Some(EdgeDropout { p: 0.4, seed: 3 })] {
            let options = SelfAttentionOptions { dropout, ..options(2) };
            let run = |x: &Tensor, sizes: &[usize]| self_attention(x, &offsets(sizes), options);
            assert_gradients(|args| run(&args[0], &[4, 1, 6]), &[random(&[11, 12], 2)]);
            // Of several blocks, along one direction.
            let (x, step) =
                (Var::from_tensor(&random(&[WHOLE + 70, 6], 7)).unwrap(), random(&[WHOLE + 70, 6], 8));
            let value = |x: &Tensor| run(x, &[WHOLE + 70]).unwrap().sqr().unwrap().sum_all().unwrap();
            let gradient = value(&x).backward().unwrap().get(&x).unwrap().clone();
            let slope: f64 = values(&gradient).iter().zip(values(&step)).map(|(g, step)| g * step).sum();
            let at = |by: f64| values(&value(&(x.as_tensor() + (&step * by).unwrap()).unwrap()))[0];
            let expected = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!((slope - expected).abs() < 1e-6 * expected.abs().max(1.0), "{slope}, not {expected}");
        }
    }

    #[test]
    fn dropout_drops_shares_and_keeps_their_mean() {
        let x = random(&[12, 12], 5);
        let run = |dropout| {
            let options = SelfAttentionOptions { dropout, ..options(2) };
            values(&self_attention(&x, &offsets(&[12]), options).unwrap())
        };
        let whole = run(None);
        let n_seeds = 4000;
        let mut mean = vec![0.0; whole.len()];
        for seed in 0..n_seeds {
            let dropped = run(Some(EdgeDropout { p: 0.4, seed }));
            mean.iter_mut().zip(dropped).for_each(|(mean, value)| *mean += value / n_seeds as f64);
        }
        let worst = mean.iter().zip(&whole).map(|(mean, whole)| (mean - whole).abs()).fold(0.0, f64::max);
        assert!(worst < 0.05, "{worst}");
    }

    #[test]
    fn one_and_two_threads_give_the_same_bits_and_so_does_a_graph_alone() {
        let x = random(&[420, 24], 6).to_dtype(DType::F32).unwrap();
        let x = Var::from_tensor(&x).unwrap();
        let sizes = [30, 300, 90];
        let run = |x: &Tensor, sizes: &[usize]| self_attention(x, &offsets(sizes), options(2)).unwrap();
        same_bits_for_any_threads(|| {
            let loss = run(&x, &sizes).sqr().unwrap().sum_all().unwrap();
            loss.backward().unwrap().get(&x).unwrap().clone()
        });
        let alone = run(&x.narrow(0, 30, 300).unwrap(), &[300]);
        assert_eq!(values(&alone), values(&run(&x, &sizes).narrow(0, 30, 300).unwrap()));
    }
}
