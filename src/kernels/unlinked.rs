//! Sums over pairs of rows that no edge links: what a network that tells edges from other pairs is trained with.

use super::custom::{Kernel, Segments, apply2, dot, plain3, where_needed};
use super::dropout::mix_64;
use super::float::Float;
use super::graph::SparseGraph;
use super::parallel::{fill_rows, map_each};
use super::tape::Reads;
use candle_core::{Result, Shape, Tensor};
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

/// Which pairs are read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Draw {
    /// Pairs for each edge of a graph, rounded down.
    pub per_edge: f64,
    /// Whether every row counts as one edge more, to itself, in place of those that it has.
    pub own_loops: bool,
    /// Without one nothing is drawn.
    pub seed: Option<u64>,
}

/// Of each graph `Σ ln(1 + exp(a_i · b_j))` over pairs `(i, j)` of two rows that no edge links either way, drawn without
/// repetition, and how many they are: `[G, 2]`. Where a graph has fewer than are asked for, all are taken. Without a seed the sum
/// is the mean over all such pairs, times how many would be drawn, which no numbering of the rows changes.
///
/// Drawing takes time in the edges; the mean over all pairs takes time in the square of the rows, and no memory.
///
/// # Shapes
/// - `a`, `b`: `[N, q]`
///
/// # Errors
/// Where the shapes do not fit the graph.
pub fn unlinked_softplus(a: &Tensor, b: &Tensor, graph: &Arc<SparseGraph>, draw: Draw) -> Result<Tensor> {
    apply2(Unlinked(Arc::new(Pairs::of(graph, draw))), [a, b])
}

/// Operations that one pair costs beside its product.
const PAIR: usize = 40;

/// The pairs of a batch.
struct Pairs {
    graphs: Segments,
    graph_of: Vec<u32>,
    /// Of each graph how many pairs count, and what each that is read counts.
    counts: Vec<(f64, f64)>,
    /// Of each graph whether every pair that no edge links is read.
    takes_all: Vec<bool>,
    /// The rows that edges link to each, either way: ascending, without the row itself.
    linked: Lists,
    /// Of graphs where pairs are drawn, the second row of each pair by the first, and the first by the second.
    drawn: [Lists; 2],
    work: usize,
}

#[derive(Default)]
struct Lists {
    offsets: Vec<u32>,
    items: Vec<u32>,
}

impl Lists {
    fn row(&self, row: usize) -> &[u32] {
        &self.items[self.offsets[row] as usize..self.offsets[row + 1] as usize]
    }
    fn of(rows: impl Iterator<Item = Vec<u32>>) -> Self {
        let mut lists = Lists { offsets: vec![0], items: Vec::new() };
        for row in rows {
            lists.items.extend(row);
            lists.offsets.push(lists.items.len() as u32);
        }
        lists
    }
    /// Pairs that are sorted by their first row.
    fn of_pairs(n_rows: usize, pairs: impl Iterator<Item = (u32, u32)>) -> Self {
        let mut lists = Lists { offsets: vec![0; n_rows + 1], items: Vec::new() };
        for (first, second) in pairs {
            lists.offsets[first as usize + 1] += 1;
            lists.items.push(second);
        }
        for row in 0..n_rows {
            lists.offsets[row + 1] += lists.offsets[row];
        }
        lists
    }
}

impl Pairs {
    fn of(graph: &SparseGraph, draw: Draw) -> Self {
        let n_rows = graph.n_nodes();
        let graphs = Segments::Ragged(graph.graph_offsets.clone());
        let n_graphs = graphs.n_graphs();
        let linked = Lists::of((0..n_rows).map(|row| {
            let mut near: Vec<u32> = [&graph.adjacency, &graph.transpose]
                .into_iter()
                .flat_map(|csr| csr.row(row))
                .copied()
                .collect();
            near.sort_unstable();
            near.dedup();
            near.retain(|&other| other as usize != row);
            near
        }));
        let mut graph_of = Vec::with_capacity(n_rows);
        let (mut counts, mut takes_all, mut wanted) = (Vec::new(), Vec::new(), Vec::new());
        for idx in 0..n_graphs {
            let rows = graphs.range(idx);
            graph_of.extend(std::iter::repeat_n(idx as u32, rows.len()));
            let edges = rows.clone().map(|row| {
                let all = graph.adjacency.row(row).len();
                if draw.own_loops { all - graph.adjacency.loops_of(row) + 1 } else { all }
            });
            let edges: usize = edges.sum();
            let near: usize = rows.clone().map(|row| linked.row(row).len()).sum();
            let there = rows.len() * rows.len().saturating_sub(1) - near;
            // A share such as 0.1 of 30 edges is 3, whatever its rounding.
            let n = ((draw.per_edge * edges as f64 + 1e-9) as usize).min(there);
            let all = draw.seed.is_none() || n == there;
            counts.push((n as f64, if all && there > 0 { n as f64 / there as f64 } else { 1.0 }));
            takes_all.push(all);
            wanted.push(if all { 0 } else { n });
        }
        let seed = draw.seed.unwrap_or_default();
        let pairs: Vec<(u32, u32)> = map_each(n_graphs, wanted.iter().sum::<usize>() * PAIR, |idx| {
            let seed = mix_64(seed ^ mix_64(idx as u64 + 1));
            drawn(graphs.range(idx), &linked, wanted[idx], seed)
        })
        .into_iter()
        .flatten()
        .collect();
        let mut turned: Vec<(u32, u32)> = pairs.iter().map(|&(first, second)| (second, first)).collect();
        turned.sort_unstable();
        let drawn = [pairs, turned].map(|pairs| Lists::of_pairs(n_rows, pairs.into_iter()));
        let all_pairs = (0..n_graphs).filter(|&idx| takes_all[idx]).map(|idx| graphs.range(idx).len().pow(2));
        let work = all_pairs.sum::<usize>() + drawn[0].items.len();
        Self { graphs, graph_of, counts, takes_all, linked, drawn, work }
    }

    /// The rows that make a pair with this one, as its first row or, on side 1, as its second.
    fn each_partner(&self, row: usize, side: usize, mut f: impl FnMut(usize)) {
        let graph = self.graph_of[row] as usize;
        if !self.takes_all[graph] {
            return self.drawn[side].row(row).iter().for_each(|&other| f(other as usize));
        }
        let mut near = self.linked.row(row).iter().peekable();
        for other in self.graphs.range(graph) {
            if near.next_if(|&&near| near as usize == other).is_none() && other != row {
                f(other);
            }
        }
    }
}

/// So many pairs of rows that are not linked, in the order of their rows. There are more than that.
fn drawn(rows: Range<usize>, linked: &Lists, n: usize, seed: u64) -> Vec<(u32, u32)> {
    let (first, width) = (rows.start, rows.len());
    if n == 0 {
        return Vec::new();
    }
    let mut state = seed;
    let mut below = |limit: u64| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        ((u128::from(mix_64(state)) * u128::from(limit)) >> 64) as u64
    };
    let near: usize = rows.clone().map(|row| linked.row(row).len()).sum();
    let places = width * (width - 1);
    let mut pairs: Vec<(u32, u32)> = if 2 * (near + n) > places {
        // Most pairs are linked or taken, so all others are listed: about as many as there are edges.
        let mut others: Vec<(u32, u32)> = Vec::with_capacity(places - near);
        for row in rows.clone() {
            let mut near = linked.row(row).iter().peekable();
            for other in rows.clone() {
                if near.next_if(|&&near| near as usize == other).is_none() && other != row {
                    others.push((row as u32, other as u32));
                }
            }
        }
        for place in 0..n {
            let from = place + below((others.len() - place) as u64) as usize;
            others.swap(place, from);
        }
        others.truncate(n);
        others
    } else {
        let mut taken = HashSet::with_capacity(n);
        while taken.len() < n {
            let place = below(places as u64) as usize;
            let (row, other) = (place / (width - 1), place % (width - 1));
            let other = other + usize::from(other >= row);
            let pair = ((first + row) as u32, (first + other) as u32);
            if linked.row(first + row).binary_search(&pair.1).is_err() {
                taken.insert(pair);
            }
        }
        taken.into_iter().collect()
    };
    pairs.sort_unstable();
    pairs
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

struct Unlinked(Arc<Pairs>);

impl Kernel<2> for Unlinked {
    fn name(&self) -> &'static str {
        "unlinked_softplus"
    }
    fn forward<T: Float>(&self, [a, b]: [&[T]; 2], [shape, other]: [&Shape; 2]) -> Result<(Vec<T>, Shape)> {
        let (rows, q) = shape.dims2()?;
        self.0.graphs.expect_rows(self.name(), rows)?;
        if other.dims2()? != (rows, q) {
            candle_core::bail!("unlinked_softplus: rows of {shape:?} and of {other:?}");
        }
        // SAFETY: every row is written.
        let of_rows: Vec<f64> = unsafe {
            fill_rows(rows, 1, self.0.work * (q + PAIR), |range, out: &mut [f64]| {
                for (row, to) in range.zip(out) {
                    let (own, mut sum) = (&a[row * q..][..q], 0.0);
                    self.0
                        .each_partner(row, 0, |other| sum += softplus(dot(own, &b[other * q..][..q]).wide()));
                    *to = sum;
                }
            })
        };
        let n_graphs = self.0.graphs.n_graphs();
        let values = (0..n_graphs).flat_map(|graph| {
            let (n, share) = self.0.counts[graph];
            let sum: f64 = of_rows[self.0.graphs.range(graph)].iter().sum();
            [T::of(share * sum), T::of(n)]
        });
        Ok((values.collect(), (n_graphs, 2).into()))
    }
    fn reads(&self) -> Reads {
        Reads::ARGS
    }
    fn backward(&self, [a, b]: [&Tensor; 2], _: &Tensor, grad: &Tensor) -> Result<[Option<Tensor>; 2]> {
        let of = |side, one, other| plain3(Gradient { pairs: self.0.clone(), side }, [one, other, grad]);
        Ok([where_needed(a, || of(0, a, b))?, where_needed(b, || of(1, b, a))?])
    }
}

/// `g_i Σ_j σ(a_i · b_j) b_j`, of the first rows of pairs or of the second.
struct Gradient {
    pairs: Arc<Pairs>,
    side: usize,
}

impl Kernel<3> for Gradient {
    fn name(&self) -> &'static str {
        "unlinked_softplus_grad"
    }
    fn forward<T: Float>(
        &self,
        [a, b, grad]: [&[T]; 3],
        [shape, ..]: [&Shape; 3],
    ) -> Result<(Vec<T>, Shape)> {
        let (rows, q) = shape.dims2()?;
        let pairs = &self.pairs;
        // SAFETY: every row is written.
        let out = unsafe {
            fill_rows(rows, q, pairs.work * (2 * q + PAIR), |range, out: &mut [T]| {
                let mut sums = vec![0.0; q];
                for (row, to) in range.zip(out.chunks_exact_mut(q.max(1))) {
                    let (own, graph) = (&a[row * q..][..q], pairs.graph_of[row] as usize);
                    sums.fill(0.0);
                    pairs.each_partner(row, self.side, |other| {
                        let other = &b[other * q..][..q];
                        let share = 1.0 / (1.0 + (-dot(own, other).wide()).exp());
                        sums.iter_mut().zip(other).for_each(|(sum, x)| *sum += share * x.wide());
                    });
                    let slope = grad[2 * graph].wide() * pairs.counts[graph].1;
                    to.iter_mut().zip(&sums).for_each(|(to, sum)| *to = T::of(slope * sum));
                }
            })
        };
        Ok((out, shape.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::graph::Csr;
    use crate::kernels::testkit::{assert_gradients, random};

    fn graph(edges: &[(u32, u32)], offsets: &[u32]) -> Arc<SparseGraph> {
        let csr = Csr::from_edges(offsets[offsets.len() - 1] as usize, edges);
        let transpose = Arc::new(csr.transpose());
        Arc::new(SparseGraph::new(Arc::new(csr), transpose, Arc::new(offsets.to_vec())))
    }

    fn pairs_of(pairs: &Pairs) -> Vec<(usize, usize)> {
        let mut all = Vec::new();
        for row in 0..pairs.graph_of.len() {
            pairs.each_partner(row, 0, |other| all.push((row, other)));
        }
        let mut turned = Vec::new();
        for row in 0..pairs.graph_of.len() {
            pairs.each_partner(row, 1, |other| turned.push((other, row)));
        }
        turned.sort_unstable();
        assert_eq!(all, turned);
        all
    }

    const EDGES: [(u32, u32); 5] = [(0, 1), (1, 2), (2, 2), (5, 4), (5, 4)];
    const OFFSETS: [u32; 5] = [0, 4, 4, 7, 8];

    #[test]
    fn without_a_seed_all_pairs_without_an_edge_count() {
        let graph = graph(&EDGES, &OFFSETS);
        let draw = Draw { per_edge: 1.0, own_loops: true, seed: None };
        let pairs = Pairs::of(&graph, draw);
        let expected =
            [(0, 2), (0, 3), (1, 3), (2, 0), (2, 3), (3, 0), (3, 1), (3, 2), (4, 6), (5, 6), (6, 4), (6, 5)];
        assert_eq!(pairs_of(&pairs), expected);
        // Two edges and four rows; no row; two edges and three rows, and four pairs; one row, and no pair.
        assert_eq!(pairs.counts, [(6.0, 6.0 / 8.0), (0.0, 1.0), (4.0, 1.0), (0.0, 1.0)]);
        let (a, b) = (random(&[8, 3], 1), random(&[8, 3], 2));
        let ours: Vec<Vec<f64>> = unlinked_softplus(&a, &b, &graph, draw).unwrap().to_vec2().unwrap();
        let products: Vec<Vec<f64>> = a.matmul(&b.t().unwrap()).unwrap().to_vec2().unwrap();
        let sum = |range: Range<usize>| -> f64 {
            expected[range].iter().map(|&(i, j)| (1.0 + products[i][j].exp()).ln()).sum()
        };
        for (ours, expected) in
            ours.iter().zip([[0.75 * sum(0..8), 6.0], [0.0; 2], [sum(8..12), 4.0], [0.0; 2]])
        {
            assert!(
                (ours[0] - expected[0]).abs() < 1e-12 && ours[1] == expected[1],
                "{ours:?}, not {expected:?}"
            );
        }
        for seed in [None, Some(3)] {
            let draw = Draw { per_edge: 0.5, own_loops: true, seed };
            assert_gradients(
                |args| unlinked_softplus(&args[0], &args[1], &graph, draw),
                &[a.clone(), b.clone()],
            );
        }
    }

    /// In a sparse graph, where pairs are tried, and in a dense one, where they are listed.
    #[test]
    fn every_pair_is_drawn_as_often_and_none_twice() {
        let all = |n: u32| (0..n).flat_map(move |i| (0..n).map(move |j| (i, j)));
        let ring: Vec<(u32, u32)> = (0..10).map(|i| (i, (i + 1) % 10)).collect();
        let dense: Vec<(u32, u32)> = all(8).filter(|&(i, j)| i < j && (i + j) % 4 != 0).collect();
        for (edges, n, per_edge) in [(ring, 10, 1.0), (dense, 8, 0.2)] {
            let graph = graph(&edges, &[0, n]);
            let is_linked = |i: u32, j: u32| edges.contains(&(i, j)) || edges.contains(&(j, i));
            let others: Vec<(usize, usize)> = all(n)
                .filter(|&(i, j)| i != j && !is_linked(i, j))
                .map(|(i, j)| (i as usize, j as usize))
                .collect();
            let (rounds, mut seen) = (4000, std::collections::BTreeMap::new());
            let n_drawn = (per_edge * edges.len() as f64) as usize;
            for seed in 0..rounds {
                let draw = Draw { per_edge, own_loops: false, seed: Some(seed) };
                let pairs = pairs_of(&Pairs::of(&graph, draw));
                assert!(pairs.is_sorted_by(|a, b| a < b) && pairs.len() == n_drawn);
                pairs.into_iter().for_each(|pair| *seen.entry(pair).or_insert(0.0) += 1.0);
            }
            let expected = (rounds as usize * n_drawn) as f64 / others.len() as f64;
            assert_eq!(seen.keys().copied().collect::<Vec<_>>(), others);
            // Six deviations.
            assert!(seen.values().all(|count| (count - expected).abs() < 6.0 * expected.sqrt()), "{seen:?}");
        }
    }
}
