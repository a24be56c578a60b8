//! Sums over all pairs of rows of a graph, without a matrix of them.

use super::custom::{Kernel, Segments, apply2, dot, plain3, where_needed};
use super::float::Float;
use super::parallel::fill_rows;
use super::tape::Reads;
use candle_core::{Result, Shape, Tensor};
use std::sync::Arc;

/// `Σ_ij ln(1 + exp(a_i · b_j))` over all pairs of rows of each graph: `[G]`. With the edges' own terms this is the loss of a
/// network that says of every pair whether it is linked.
///
/// # Shapes
/// - `a`, `b`: `[N, q]`, `offsets`: `[G + 1]`
///
/// # Errors
/// Where the shapes do not fit.
pub fn pair_softplus(a: &Tensor, b: &Tensor, offsets: &Arc<Vec<u32>>) -> Result<Tensor> {
    apply2(Pairs(Segments::Ragged(offsets.clone())), [a, b])
}

/// Operations that one pair costs beside its product.
const PAIR: usize = 40;

/// The graph of each row, and how many numbers all pairs read.
fn graphs_of(of: &Segments) -> (Vec<u32>, usize) {
    let (mut graphs, mut n_pairs) = (Vec::with_capacity(of.n_rows()), 0);
    for graph in 0..of.n_graphs() {
        let n = of.range(graph).len();
        graphs.extend(std::iter::repeat_n(graph as u32, n));
        n_pairs += n * n;
    }
    (graphs, n_pairs)
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

struct Pairs(Segments);

impl Kernel<2> for Pairs {
    fn name(&self) -> &'static str {
        "pair_softplus"
    }
    fn forward<T: Float>(&self, [a, b]: [&[T]; 2], [shape, other]: [&Shape; 2]) -> Result<(Vec<T>, Shape)> {
        let (rows, q) = shape.dims2()?;
        self.0.expect_rows(self.name(), rows)?;
        if other.dims2()? != (rows, q) {
            candle_core::bail!("pair_softplus: rows of {shape:?} and of {other:?}");
        }
        let (graphs, n_pairs) = graphs_of(&self.0);
        // SAFETY: every row is written.
        let of_rows: Vec<f64> = unsafe {
            fill_rows(rows, 1, n_pairs * (q + PAIR), |range, out: &mut [f64]| {
                for (row, to) in range.zip(out) {
                    let own = &a[row * q..][..q];
                    let others = self.0.range(graphs[row] as usize);
                    *to = others.map(|other| softplus(dot(own, &b[other * q..][..q]).wide())).sum();
                }
            })
        };
        let sums = (0..self.0.n_graphs()).map(|graph| T::of(of_rows[self.0.range(graph)].iter().sum()));
        Ok((sums.collect(), self.0.n_graphs().into()))
    }
    fn reads(&self) -> Reads {
        Reads::ARGS
    }
    fn backward(&self, [a, b]: [&Tensor; 2], _: &Tensor, grad: &Tensor) -> Result<[Option<Tensor>; 2]> {
        let of = |one, other| plain3(PairsGrad(self.0.clone()), [one, other, grad]);
        Ok([where_needed(a, || of(a, b))?, where_needed(b, || of(b, a))?])
    }
}

/// `g_i Σ_j σ(a_i · b_j) b_j`
struct PairsGrad(Segments);

impl Kernel<3> for PairsGrad {
    fn name(&self) -> &'static str {
        "pair_softplus_grad"
    }
    fn forward<T: Float>(
        &self,
        [a, b, grad]: [&[T]; 3],
        [shape, ..]: [&Shape; 3],
    ) -> Result<(Vec<T>, Shape)> {
        let (rows, q) = shape.dims2()?;
        let (graphs, n_pairs) = graphs_of(&self.0);
        // SAFETY: every row is written.
        let out = unsafe {
            fill_rows(rows, q, n_pairs * (2 * q + PAIR), |range, out: &mut [T]| {
                let mut sums = vec![0.0; q];
                for (row, to) in range.zip(out.chunks_exact_mut(q.max(1))) {
                    let (own, graph) = (&a[row * q..][..q], graphs[row] as usize);
                    sums.fill(0.0);
                    for other in self.0.range(graph) {
                        let other = &b[other * q..][..q];
                        let share = 1.0 / (1.0 + (-dot(own, other).wide()).exp());
                        sums.iter_mut().zip(other).for_each(|(sum, x)| *sum += share * x.wide());
                    }
                    to.iter_mut().zip(&sums).for_each(|(to, sum)| *to = T::of(grad[graph].wide() * sum));
                }
            })
        };
        Ok((out, shape.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testkit::{assert_gradients, random};

    #[test]
    fn every_pair_of_a_graph_counts_once() {
        let (a, b) = (random(&[5, 2], 1), random(&[5, 2], 2));
        let offsets = Arc::new(vec![0u32, 2, 2, 5]);
        let ours: Vec<f64> = pair_softplus(&a, &b, &offsets).unwrap().to_vec1().unwrap();
        let products: Vec<Vec<f64>> = a.matmul(&b.t().unwrap()).unwrap().to_vec2().unwrap();
        let sum = |rows: std::ops::Range<usize>| -> f64 {
            let pairs = rows.clone().flat_map(|i| rows.clone().map(move |j| (i, j)));
            pairs.map(|(i, j)| (1.0 + products[i][j].exp()).ln()).sum()
        };
        for (ours, expected) in ours.iter().zip([sum(0..2), 0.0, sum(2..5)]) {
            assert!((ours - expected).abs() < 1e-12, "{ours}, not {expected}");
        }
        assert_gradients(|args| pair_softplus(&args[0], &args[1], &offsets), &[a, b]);
    }
}
