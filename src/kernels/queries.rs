//! What pairs ask: the distinct first ends with their kinds, and the scores of pairs as products of a query's row with that of the
//! second end.

use super::custom::{Kernel, add_scaled, apply2, dot, plain2, plain3, where_needed};
use super::float::Float;
use super::graph::{Csr, EdgeKinds, SparseGraph};
use super::parallel::{fill_rows, map_chunks, sum_partials};
use super::product::{Start, product, product_at, product_of_rows, transposed};
use super::tape::Reads;
use super::{Activation, Summation};
use candle_core::{Result, Shape, Tensor};
use std::ops::Range;
use std::sync::Arc;

/// The queries `(h, r)` of pairs `(h, r, t)`: first ends with their kinds, each once however many pairs ask it, ascending.
#[derive(Debug, Clone)]
pub struct Queries {
    /// An edge for each query, from its node to itself, of the query's kind.
    pub graph: SparseGraph,
    of_pairs: Arc<OfPairs>,
}

/// Which query each pair asks.
#[derive(Debug)]
struct OfPairs {
    n_queries: usize,
    /// Pairs by their second end: those of row `t` are `offsets[t] .. offsets[t + 1]`.
    offsets: Vec<u32>,
    /// The query of each pair.
    queries: Vec<u32>,
    /// The second ends, where each of them is paired with every query and no other node with any.
    complete: Option<Range<usize>>,
}

impl Queries {
    /// Those of these pairs, which are the edges of a graph from the first end to the second.
    pub fn of(pairs: &SparseGraph) -> Self {
        let (csr, kinds) = (&pairs.adjacency, pairs.kinds.as_ref());
        let key = |pair: usize| {
            u64::from(csr.indices[pair]) << 32 | u64::from(kinds.map_or(0, |kinds| kinds.of_entry[pair]))
        };
        let mut keys: Vec<u64> = (0..csr.n_entries()).map(key).collect();
        keys.sort_unstable();
        keys.dedup();
        let place = |pair: usize| keys.partition_point(|&known| known < key(pair)) as u32;
        let queries: Vec<u32> = (0..csr.n_entries()).map(place).collect();
        let mut offsets = vec![0u32; csr.n_rows() + 1];
        keys.iter().for_each(|key| offsets[(key >> 32) as usize + 1] += 1);
        (0..csr.n_rows()).for_each(|row| offsets[row + 1] += offsets[row]);
        let indices = keys.iter().map(|key| (key >> 32) as u32).collect();
        let own = Arc::new(Csr { offsets, indices, n_cols: csr.n_cols });
        let kinds = kinds.map(|kinds| EdgeKinds {
            of_entry: Arc::new(keys.iter().map(|&key| key as u32).collect()),
            n_kinds: kinds.n_kinds,
        });
        let graph = SparseGraph::new(own.clone(), own, pairs.graph_offsets.clone()).with_kinds(kinds);
        let complete = complete(&csr.offsets, &queries, keys.len());
        let of_pairs = OfPairs { n_queries: keys.len(), offsets: csr.offsets.clone(), queries, complete };
        Self { graph, of_pairs: Arc::new(of_pairs) }
    }
}

/// The rows that have every query once, where all pairs are of such rows and these stand one after another.
fn complete(offsets: &[u32], queries: &[u32], n_queries: usize) -> Option<Range<usize>> {
    let row = |row: usize| &queries[offsets[row] as usize..offsets[row + 1] as usize];
    let n_rows = offsets.len() - 1;
    let first = (0..n_rows).find(|&at| !row(at).is_empty())?;
    let n = queries.len() / n_queries.max(1);
    let rows = first..first + n;
    let is_whole = |at: usize| (0..).zip(row(at)).all(|(place, &query)| place == query);
    let is_complete = rows.end <= n_rows
        && rows.clone().all(|at| row(at).len() == n_queries && is_whole(at))
        && offsets[rows.end] as usize == queries.len();
    is_complete.then_some(rows)
}

/// `s_p = φ_q · x_t` for each pair `p` of the query `q` and the second end `t`: `[P, 1]`. Where every query is paired with the same
/// nodes, as in 1-N scoring, this is a product of matrices.
///
/// # Shapes
/// - `phi`: `[Q, F]`, `x`: `[N, F]`
///
/// # Errors
/// Where the shapes do not fit.
pub fn answers(phi: &Tensor, x: &Tensor, queries: &Queries) -> Result<Tensor> {
    apply2(Answers(queries.of_pairs.clone()), [phi, x])
}

struct Answers(Arc<OfPairs>);

impl OfPairs {
    fn row(&self, row: usize) -> Range<usize> {
        self.offsets[row] as usize..self.offsets[row + 1] as usize
    }

    fn expect(&self, phi: &Shape, x: &Shape) -> Result<usize> {
        let ((n_queries, width), (n_rows, other)) = (phi.dims2()?, x.dims2()?);
        if n_queries != self.n_queries || n_rows + 1 != self.offsets.len() || width != other {
            candle_core::bail!(
                "answers: rows of {phi:?} and of {x:?} for {} queries and {} nodes",
                self.n_queries,
                self.offsets.len() - 1
            );
        }
        Ok(width)
    }
}

impl Kernel<2> for Answers {
    fn name(&self) -> &'static str {
        "answers"
    }
    fn forward<T: Float>(
        &self,
        [phi, x]: [&[T]; 2],
        [of_queries, of_rows]: [&Shape; 2],
    ) -> Result<(Vec<T>, Shape)> {
        let OfPairs { n_queries, offsets, queries, complete } = &*self.0;
        let width = self.0.expect(of_queries, of_rows)?;
        let n_pairs = queries.len();
        let work = n_pairs * width / 4;
        let scores = match complete {
            Some(rows) => {
                let turned = transposed(phi, *n_queries, width);
                let (x, summation) = (&x[rows.start * width..rows.end * width], Summation::current());
                // SAFETY: the product writes all of `out`.
                unsafe {
                    fill_rows(rows.len(), *n_queries, work, |rows, out| {
                        let x = &x[rows.start * width..];
                        let (n, start) = (rows.len(), Start::Zero);
                        product_of_rows(
                            summation,
                            n,
                            width,
                            *n_queries,
                            x,
                            &turned,
                            out,
                            start,
                            Activation::Identity,
                        );
                    })
                }
            }
            None => {
                let mut targets = vec![0u32; n_pairs];
                (0..offsets.len() - 1).for_each(|row| targets[self.0.row(row)].fill(row as u32));
                // SAFETY: every row is written.
                unsafe {
                    fill_rows(n_pairs, 1, work, |range, out: &mut [T]| {
                        for (pair, to) in range.zip(out) {
                            let own = &phi[queries[pair] as usize * width..][..width];
                            *to = dot(own, &x[targets[pair] as usize * width..][..width]);
                        }
                    })
                }
            }
        };
        Ok((scores, Shape::from((n_pairs, 1))))
    }
    fn reads(&self) -> Reads {
        Reads::ARGS
    }
    fn backward(&self, [phi, x]: [&Tensor; 2], _: &Tensor, grad: &Tensor) -> Result<[Option<Tensor>; 2]> {
        Ok([
            where_needed(phi, || plain2(OfQueries(self.0.clone(), phi.shape().clone()), [x, grad]))?,
            where_needed(x, || plain3(OfSecondEnds(self.0.clone()), [phi, x, grad]))?,
        ])
    }
}

/// `Σ_p g_p x_t` over the pairs of each query.
struct OfQueries(Arc<OfPairs>, Shape);

impl Kernel<2> for OfQueries {
    fn name(&self) -> &'static str {
        "answers_of_queries"
    }
    fn forward<T: Float>(&self, [x, grad]: [&[T]; 2], [shape, _]: [&Shape; 2]) -> Result<(Vec<T>, Shape)> {
        let OfPairs { n_queries, queries, complete, offsets } = &*self.0;
        let width = self.0.expect(&self.1, shape)?;
        let work = queries.len() * width / 4;
        let n_rows = complete.as_ref().map_or(offsets.len() - 1, ExactSizeIterator::len);
        let partials = map_chunks(n_rows, work, |rows| {
            let mut sums = vec![T::ZERO; n_queries * width];
            match complete {
                Some(all) => {
                    let (first, n) = (all.start + rows.start, rows.len());
                    let g = &grad[rows.start * n_queries..rows.end * n_queries];
                    product_at(*n_queries, n, width, g, &x[first * width..][..n * width], &mut sums, false);
                }
                None => {
                    for row in rows {
                        let x = &x[row * width..][..width];
                        for pair in self.0.row(row) {
                            add_scaled(&mut sums[queries[pair] as usize * width..][..width], grad[pair], x);
                        }
                    }
                }
            }
            sums
        });
        let sums = match partials.is_empty() {
            true => vec![T::ZERO; n_queries * width],
            false => sum_partials(partials, n_queries * width),
        };
        Ok((sums, self.1.clone()))
    }
}

/// `Σ_p g_p φ_q` over the pairs of each second end.
struct OfSecondEnds(Arc<OfPairs>);

impl Kernel<3> for OfSecondEnds {
    fn name(&self) -> &'static str {
        "answers_of_second_ends"
    }
    fn forward<T: Float>(
        &self,
        [phi, _, grad]: [&[T]; 3],
        [of_queries, shape, _]: [&Shape; 3],
    ) -> Result<(Vec<T>, Shape)> {
        let OfPairs { n_queries, queries, complete, offsets } = &*self.0;
        let width = self.0.expect(of_queries, shape)?;
        let work = queries.len() * width / 4;
        // SAFETY: every row is written.
        let sums = unsafe {
            fill_rows(offsets.len() - 1, width, work, |range, out: &mut [T]| {
                out.fill(T::ZERO);
                if let Some(all) = complete {
                    let rows = range.start.max(all.start)..range.end.min(all.end);
                    if !rows.is_empty() {
                        let g =
                            &grad[(rows.start - all.start) * n_queries..(rows.end - all.start) * n_queries];
                        let out = &mut out[(rows.start - range.start) * width..];
                        let (n, start) = (rows.len(), Start::Zero);
                        product(n, *n_queries, width, g, phi, out, start, Activation::Identity);
                    }
                    return;
                }
                for (row, to) in range.zip(out.chunks_exact_mut(width.max(1))) {
                    for pair in self.0.row(row) {
                        add_scaled(to, grad[pair], &phi[queries[pair] as usize * width..][..width]);
                    }
                }
            })
        };
        Ok((sums, shape.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testkit::{assert_gradients, random, values};

    /// Scores, by a loop over the pairs in the order of the graph, and gradients by differences.
    fn agree(n_nodes: usize, ends: &[[u32; 2]], kinds: &[u32], is_complete: bool) {
        let offsets = Arc::new(vec![0, n_nodes as u32]);
        let edges: Vec<(u32, u32)> = ends.iter().map(|&[first, second]| (first, second)).collect();
        let kinds_of = |of_entry: Vec<u32>| EdgeKinds { of_entry: Arc::new(of_entry), n_kinds: 3 };
        let (csr, order) = Csr::from_edges_with_order(n_nodes, &edges, Some(&kinds_of(kinds.to_vec())));
        let of_entries = order.iter().map(|&pair| kinds[pair as usize]).collect();
        let transpose = Arc::new(csr.transpose());
        let pairs =
            SparseGraph::new(Arc::new(csr), transpose, offsets).with_kinds(Some(kinds_of(of_entries)));
        let queries = Queries::of(&pairs);
        assert_eq!(queries.of_pairs.complete.is_some(), is_complete);
        let mut asked: Vec<(u32, u32)> =
            ends.iter().zip(kinds).map(|(ends, &kind)| (ends[0], kind)).collect();
        asked.sort_unstable();
        asked.dedup();
        let graph = &queries.graph;
        assert_eq!(graph.adjacency.indices, asked.iter().map(|query| query.0).collect::<Vec<_>>());
        let of_queries: Vec<u32> = asked.iter().map(|query| query.1).collect();
        assert_eq!(*graph.kinds.as_ref().unwrap().of_entry, of_queries);
        let (phi, x) = (random(&[asked.len(), 3], 1), random(&[n_nodes, 3], 2));
        let scores = values(&answers(&phi, &x, &queries).unwrap());
        let (of_phi, of_x) = (values(&phi), values(&x));
        for (&pair, score) in order.iter().zip(scores) {
            let ([first, second], kind) = (ends[pair as usize], kinds[pair as usize]);
            let query = asked.iter().position(|&query| query == (first, kind)).unwrap();
            let expected: f64 = (0..3).map(|k| of_phi[query * 3 + k] * of_x[second as usize * 3 + k]).sum();
            assert!((score - expected).abs() < 1e-12, "{score}, not {expected}");
        }
        assert_gradients(|args| answers(&args[0], &args[1], &queries), &[phi, x]);
    }

    #[test]
    fn scores_are_products_of_queries_and_second_ends() {
        // Two pairs ask the same, and one pair stands twice.
        agree(5, &[[0, 1], [3, 1], [0, 4], [0, 4], [2, 2]], &[1, 0, 1, 1, 2], false);
        agree(4, &[[0, 1]], &[0], true);
        // Each query with the last three of five nodes, and with all.
        for (first, is_complete) in [(2u32, true), (0, true)] {
            let asked = [(4u32, 2u32), (0, 0), (4, 0)];
            let ends: Vec<[u32; 2]> =
                asked.iter().flat_map(|query| (first..5).map(|node| [query.0, node])).collect();
            let kinds: Vec<u32> = asked.iter().flat_map(|query| (first..5).map(|_| query.1)).collect();
            agree(5, &ends, &kinds, is_complete);
        }
    }
}
