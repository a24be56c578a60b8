//! What follows from how a graph is linked as a whole: the two sides of its largest cut, links through nodes that are gone, and
//! factors of its adjacency. Worked out graph by graph, on the host, without gradients.

use super::custom::{Kernel, apply1, values_f64};
use super::float::Float;
use super::summation;
use super::tape::Reads;
use crate::kernels::graph::{Csr, SparseGraph};
use candle_core::{Result, Shape, Tensor};
use std::collections::BTreeMap;

/// Undirected links: of each node, what it is linked to and how strongly, by the stronger of both directions. Parallel edges add
/// up; loops and what counts less than nothing are left out.
pub(super) type Links = Vec<BTreeMap<u32, f64>>;

/// # Errors
/// Where the weights are not one an edge.
pub(super) fn links(graph: &SparseGraph, weights: Option<&Tensor>) -> Result<Links> {
    let csr = &graph.adjacency;
    let weights = weights.map(values_f64).transpose()?;
    if let Some(weights) = weights.as_ref().filter(|weights| weights.len() != csr.n_entries()) {
        candle_core::bail!("{} weights for {} edges", weights.len(), csr.n_entries());
    }
    let mut along: Links = vec![BTreeMap::new(); graph.n_nodes()];
    for (target, to) in along.iter_mut().enumerate() {
        let entries = csr.offsets[target] as usize..csr.offsets[target + 1] as usize;
        let entries: Vec<usize> = entries.filter(|&entry| csr.indices[entry] as usize != target).collect();
        for parallel in entries.chunk_by(|&a, &b| csr.indices[a] == csr.indices[b]) {
            let weight = |&entry: &usize| weights.as_ref().map_or(1.0, |of| of[entry]);
            to.insert(csr.indices[parallel[0]], summation::sum(parallel.iter().map(weight)));
        }
    }
    let mut both = along.clone();
    for (target, from) in along.iter().enumerate() {
        for (&source, &weight) in from {
            let back = both[source as usize].entry(target as u32).or_insert(0.0);
            *back = back.max(weight);
        }
    }
    both.iter_mut().for_each(|links| links.retain(|_, weight| *weight > 0.0));
    Ok(both)
}

/// The finaliser of SplitMix64.
fn mix(value: u64) -> u64 {
    super::dropout::mix_64(value.wrapping_add(0x9e37_79b9_7f4a_7c15))
}

/// Rounds of refinement after which a colour tells apart what is this many edges away.
const ROUNDS: usize = 8;

/// A colour of each node, which nodes share that no links within some edges tell apart, whatever their numbers and what links
/// weigh: weights that are learned change at every step, and a colour would change with them.
///
/// Paper: Weisfeiler and Leman 1968; Shervashidze et al. 2011, "Weisfeiler-Lehman Graph Kernels", algorithm 1.
fn colours(links: &Links) -> Vec<u64> {
    let mut colours = vec![1u64; links.len()];
    for _ in 0..ROUNDS {
        colours = (0..links.len())
            .map(|node| {
                // A sum has no order.
                let around = links[node].keys().map(|&other| mix(colours[other as usize]));
                mix(colours[node] ^ mix(around.fold(0, u64::wrapping_add)))
            })
            .collect();
    }
    colours
}

/// In (−1, 1), by a colour.
fn number_of(colour: u64) -> f64 {
    ((colour >> 11) as f64 + 0.5) / (1u64 << 52) as f64 - 1.0
}

/// Steps of Lanczos's method; a graph of no more nodes is solved as it is.
const STEPS: usize = 160;

/// What a number counts as 0 at, beside the largest.
const NEAR: f64 = 1e-7;

/// For each node 1 or −1, the sign of its entry in the eigenvector of the largest eigenvalue of the normalised Laplacian of what it
/// is linked to: most of what edges weigh leads from one side to the other. 1 for nodes without links and for entries of 0.
///
/// An eigenvector may be turned round, and of several with one eigenvalue each mixture is one. Taken is the one next to a vector that
/// follows from the links alone, so that the sides are the same in every numbering; nodes that the links do not tell apart are on
/// one side, with the largest eigenvalue that such a vector has.
///
/// Paper: Bianchi et al. 2020, "Hierarchical Representation Learning in Graph Neural Networks with Node Decimation Pooling",
/// section III-A; Lanczos 1950 for the method.
///
/// # Shapes
/// - `rows`: any value of the nodes, whose type and place the result has; `weights`: `[E, 1]`, each 1 without; result: `[N, 1]`
///
/// # Errors
/// Where the weights are not one an edge.
pub fn cut_sides(rows: &Tensor, weights: Option<&Tensor>, graph: &SparseGraph) -> Result<Tensor> {
    let links = links(graph, weights)?;
    let (n, colours) = (links.len(), colours(&links));
    let mut sides = vec![1.0; n];
    let mut is_seen = vec![false; n];
    for first in 0..n {
        if std::mem::replace(&mut is_seen[first], true) {
            continue;
        }
        let mut part = vec![first];
        let mut at = 0;
        while let Some(&node) = part.get(at) {
            for &other in links[node].keys() {
                if !std::mem::replace(&mut is_seen[other as usize], true) {
                    part.push(other as usize);
                }
            }
            at += 1;
        }
        if part.len() == 1 {
            continue;
        }
        let entries = top_entries(&part, &links, &colours);
        let largest = entries.iter().fold(0.0, |most: f64, entry| most.max(entry.abs()));
        for (&node, &entry) in part.iter().zip(&entries) {
            sides[node] = if entry < -NEAR * largest { -1.0 } else { 1.0 };
        }
    }
    apply1(Found { name: "cut_sides", values: sides, width: 1 }, &rows.detach())
}

/// Numbers that were found, beside a tensor of their rows.
pub(super) struct Found {
    pub name: &'static str,
    pub values: Vec<f64>,
    pub width: usize,
}

impl Kernel<1> for Found {
    fn name(&self) -> &'static str {
        self.name
    }
    fn forward<T: Float>(&self, _: [&[T]; 1], _: [&Shape; 1]) -> Result<(Vec<T>, Shape)> {
        let values: Vec<T> = self.values.iter().map(|&value| T::of(value)).collect();
        let rows = values.len() / self.width.max(1);
        Ok((values, (rows, self.width).into()))
    }
    fn reads(&self) -> Reads {
        Reads::NOTHING
    }
    fn backward(&self, _: [&Tensor; 1], _: &Tensor, _: &Tensor) -> Result<[Option<Tensor>; 1]> {
        Ok([None])
    }
}

/// The eigenvector of a connected part, in the order of its nodes.
fn top_entries(part: &[usize], links: &Links, colours: &[u64]) -> Vec<f64> {
    let n = part.len();
    let place: BTreeMap<usize, usize> = part.iter().enumerate().map(|(at, &node)| (node, at)).collect();
    let degree = |node: usize| summation::sum(links[node].values().copied());
    let root: Vec<f64> = part.iter().map(|&node| degree(node).sqrt()).collect();
    let rows: Vec<Vec<(usize, f64)>> = part
        .iter()
        .enumerate()
        .map(|(at, &node)| {
            let of = |(&other, &weight): (&u32, &f64)| {
                let other = place[&(other as usize)];
                (other, weight / (root[at] * root[other]))
            };
            links[node].iter().map(of).collect()
        })
        .collect();
    // (I − D^-½ A D^-½) v
    let applied = |v: &[f64]| -> Vec<f64> {
        (0..n)
            .map(|at| v[at] - rows[at].iter().map(|&(other, weight)| weight * v[other]).sum::<f64>())
            .collect()
    };
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let start: Vec<f64> = part.iter().map(|&node| number_of(colours[node])).collect();
    let norm = dot(&start, &start).sqrt();
    let mut basis = vec![start.iter().map(|entry| entry / norm).collect::<Vec<f64>>()];
    let (mut diagonal, mut beside) = (Vec::new(), Vec::new());
    while diagonal.len() < n.min(STEPS) {
        let mut next = applied(&basis[basis.len() - 1]);
        diagonal.push(dot(&next, &basis[basis.len() - 1]));
        // Twice, so that rounding leaves nothing of the vectors before.
        for _ in 0..2 {
            for known in &basis {
                let along = dot(&next, known);
                next.iter_mut().zip(known).for_each(|(entry, &known)| *entry -= along * known);
            }
        }
        let length = dot(&next, &next).sqrt();
        if length < 1e-9 || diagonal.len() == n.min(STEPS) {
            break;
        }
        beside.push(length);
        basis.push(next.iter().map(|entry| entry / length).collect());
    }
    let shares = top_of_tridiagonal(&diagonal, &beside);
    (0..n).map(|at| basis.iter().zip(&shares).map(|(vector, share)| share * vector[at]).sum()).collect()
}

/// The eigenvector of the largest eigenvalue of a symmetric tridiagonal matrix, its first entry above 0.
fn top_of_tridiagonal(diagonal: &[f64], beside: &[f64]) -> Vec<f64> {
    let n = diagonal.len();
    let off = |at: usize| beside.get(at).copied().unwrap_or(0.0);
    // All eigenvalues are below a bound where no pivot of the matrix less the bound is above 0.
    let is_above_all = |bound: f64| {
        let mut pivot = diagonal[0] - bound;
        (1..n).all(|at| {
            let is_below = pivot < 0.0;
            pivot = diagonal[at] - bound - off(at - 1).powi(2) / pivot;
            is_below
        }) && pivot < 0.0
    };
    let reach = |at: usize| diagonal[at] + off(at) + if at > 0 { off(at - 1) } else { 0.0 };
    let mut high = (0..n).map(reach).fold(f64::NEG_INFINITY, f64::max) + 1e-3;
    let mut low = diagonal.iter().copied().fold(f64::NEG_INFINITY, f64::max) - 1e-3;
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if is_above_all(middle) { high = middle } else { low = middle }
    }
    let bound = high + 1e-12 * high.abs().max(1.0);
    let mut vector = vec![0.0; n];
    vector[0] = 1.0;
    for _ in 0..4 {
        // (bound I − T) y = v, whose pivots are all above 0.
        let mut pivots = vec![bound - diagonal[0]];
        for at in 1..n {
            let factor = off(at - 1) / pivots[at - 1];
            pivots.push((bound - diagonal[at] - off(at - 1) * factor).max(1e-300));
            vector[at] += factor * vector[at - 1];
        }
        for at in (0..n).rev() {
            let behind = if at + 1 < n { off(at) * vector[at + 1] } else { 0.0 };
            vector[at] = (vector[at] + behind) / pivots[at];
        }
        let length = vector.iter().map(|entry| entry * entry).sum::<f64>().sqrt();
        vector.iter_mut().for_each(|entry| *entry /= length);
    }
    vector
}

/// The kept nodes linked as they were through the others, which are taken out one by one: what leads to one leads on to all that it
/// is linked to, by their shares of its links (Kron reduction). Links that weigh no more than `least` go.
///
/// Rows name the kept node of each link, ascending, and what it weighs.
///
/// Paper: Dörfler and Bullo 2013, "Kron Reduction of Graphs with Applications to Electrical Networks", eq. 3.
///
/// # Errors
/// Where the weights are not one an edge.
pub fn kron(
    graph: &SparseGraph,
    weights: Option<&Tensor>,
    kept: &[u32],
    least: f64,
) -> Result<(Csr, Vec<f64>)> {
    let mut links = links(graph, weights)?;
    let mut new = vec![u32::MAX; links.len()];
    for (at, &node) in (0u32..).zip(kept) {
        new[node as usize] = at;
    }
    for node in (0..links.len() as u32).filter(|&node| new[node as usize] == u32::MAX) {
        let gone = std::mem::take(&mut links[node as usize]);
        let total: f64 = gone.values().sum();
        for (&from, &first) in &gone {
            links[from as usize].remove(&node);
            for (&to, &second) in gone.iter().filter(|&(&to, _)| to != from) {
                *links[from as usize].entry(to).or_insert(0.0) += first * second / total;
            }
        }
    }
    let (mut offsets, mut indices, mut weights) = (vec![0], Vec::new(), Vec::new());
    for &node in kept {
        for (&other, &weight) in links[node as usize].iter().filter(|&(_, &weight)| weight > least) {
            indices.push(new[other as usize]);
            weights.push(weight);
        }
        offsets.push(indices.len() as u32);
    }
    Ok((Csr { offsets, indices, n_cols: kept.len() }, weights))
}

/// Rounds of the factorisation.
const FACTOR_ROUNDS: usize = 100;

/// `k` numbers of each node, none below 0, with which the links of its graph are nearly products of two such: the rows of `Hᵀ` where
/// `A ≈ W H`. Both begin with numbers that follow from how a node is linked, so that the factors are the same in every numbering.
///
/// Paper: Lee and Seung 2000, "Algorithms for Non-negative Matrix Factorization", theorem 1; for pooling Bacciu and Di Sotto
/// 2019, "A Non-Negative Factorization approach to node pooling in Graph Convolutional Neural Networks".
///
/// # Shapes
/// - `rows`: any value of the nodes, whose type and place the result has; result: `[N, k]`
///
/// # Errors
/// Where Candle fails.
pub fn factors(rows: &Tensor, graph: &SparseGraph, k: usize) -> Result<Tensor> {
    let links = links(graph, None)?;
    let (n, colours) = (links.len(), colours(&links));
    // In (0.1, 1.1): of a factor of 0 nothing would become another.
    let begin = |salt: u64| -> Vec<f64> {
        let of = |at: usize| number_of(mix(colours[at / k] ^ mix(salt + (at % k) as u64)));
        (0..n * k).map(|at| 0.6 + 0.5 * of(at)).collect()
    };
    let [mut left, mut right] = [begin(0), begin(1 << 20)];
    for bounds in graph.graph_offsets.windows(2) {
        let range = bounds[0] as usize..bounds[1] as usize;
        for _ in 0..FACTOR_ROUNDS {
            // Both sides of an undirected graph are alike.
            improve(&links, range.clone(), k, &left, &mut right);
            improve(&links, range.clone(), k, &right, &mut left);
        }
    }
    apply1(Found { name: "factors", values: right, width: k }, &rows.detach())
}

/// `H ← H ∘ (A W) / (H WᵀW)`, row by row. Sums over nodes have the same bits in any order of them: over many rounds a rounding would
/// grow.
fn improve(links: &Links, range: std::ops::Range<usize>, k: usize, by: &[f64], of: &mut [f64]) {
    let column = |c: usize| range.clone().map(move |node| by[node * k + c]);
    let mut gram = vec![0.0; k * k];
    for a in 0..k {
        for c in a..k {
            let sum = summation::sum(column(a).zip(column(c)).map(|(x, y)| x * y));
            (gram[a * k + c], gram[c * k + a]) = (sum, sum);
        }
    }
    let mut old = vec![0.0; k];
    for node in range.clone() {
        let row = &mut of[node * k..][..k];
        old.copy_from_slice(row);
        for (c, to) in row.iter_mut().enumerate() {
            let wanted = links[node].iter().map(|(&other, &weight)| weight * by[other as usize * k + c]);
            let now: f64 = old.iter().enumerate().map(|(a, x)| x * gram[a * k + c]).sum();
            *to = old[c] * summation::sum(wanted) / now.max(1e-12);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testkit::{Golden, graph};
    use candle_core::Device;

    fn undirected(sizes: &[u32], pairs: &[(u32, u32)]) -> std::sync::Arc<SparseGraph> {
        let edges: Vec<(u32, u32)> = pairs.iter().flat_map(|&(a, b)| [(a, b), (b, a)]).collect();
        graph(sizes, &edges)
    }

    #[test]
    fn neighbours_of_a_graph_of_two_colours_are_on_two_sides() {
        // A path of five, a node alone, and a ring of four.
        let links = [(0, 1), (1, 2), (2, 3), (3, 4), (6, 7), (7, 8), (8, 9), (9, 6)];
        let graph = undirected(&[5, 1, 4], &links);
        let rows = Tensor::zeros((10, 1), candle_core::DType::F64, &Device::Cpu).unwrap();
        let sides = cut_sides(&rows, None, &graph).unwrap();
        let sides: Vec<f64> = sides.flatten_all().unwrap().to_vec1().unwrap();
        for (a, b) in &links[..4] {
            assert_eq!(sides[*a as usize], -sides[*b as usize], "{sides:?}");
        }
        assert_eq!(sides[5], 1.0);
        // Nothing tells the nodes of a ring apart.
        assert_eq!(sides[6..], [sides[6]; 4]);
    }

    #[test]
    fn tgp_cuts_and_joins_alike() {
        let golden = Golden::load("tgp_ndp");
        let (edges, n) = (golden.edges(), 7u32);
        let (_, order) = Csr::from_edges_with_order(n as usize, &edges, None);
        let weights: Vec<f64> = golden.tensor("inputs/edge_weight").to_vec1().unwrap();
        let weights: Vec<f64> = order.iter().map(|&edge| weights[edge as usize]).collect();
        let weights = Tensor::from_slice(&weights, (weights.len(), 1), &Device::Cpu).unwrap();
        let graph = graph(&[n], &edges);
        let kept = [1u32, 3, 5, 6];
        let rows = golden.tensor("inputs/x");
        let sides = cut_sides(&rows, Some(&weights), &graph).unwrap();
        let sides: Vec<f64> = sides.flatten_all().unwrap().to_vec1().unwrap();
        let of_kept = sides[kept[0] as usize];
        for node in 0..n {
            assert_eq!(sides[node as usize] == of_kept, kept.contains(&node), "{sides:?}");
        }
        let (joined, weighed) = kron(&graph, Some(&weights), &kept, 0.01).unwrap();
        let ours: Vec<(u32, u32)> =
            (0..4).flat_map(|row| joined.row(row).iter().map(move |&from| (from, row as u32))).collect();
        let theirs = golden.integers("outputs/edge_index");
        let theirs: Vec<(u32, u32)> = (0..8).map(|at| (theirs[at], theirs[8 + at])).collect();
        let expected: Vec<f64> = golden.tensor("outputs/edge_weight").to_vec1().unwrap();
        assert_eq!(ours.len(), theirs.len());
        for (edge, weight) in theirs.iter().zip(expected) {
            let at =
                ours.iter().position(|own| own == edge).unwrap_or_else(|| panic!("{edge:?} in {ours:?}"));
            // tgp reduces in single precision.
            assert!((weighed[at] - weight).abs() < 1e-6, "{edge:?}: {}, not {weight}", weighed[at]);
        }
    }

    #[test]
    fn links_through_a_node_that_is_gone_are_shared_out() {
        // A star of three: each pair of leaves is linked by 1 · 1 / 3.
        let star = undirected(&[4], &[(0, 1), (0, 2), (0, 3)]);
        let (joined, weights) = kron(&star, None, &[1, 2, 3], 0.0).unwrap();
        assert_eq!(joined.indices, [1, 2, 0, 2, 0, 1]);
        assert!(weights.iter().all(|weight| (weight - 1.0 / 3.0).abs() < 1e-15));
        assert_eq!(kron(&star, None, &[1, 2, 3], 0.5).unwrap().0.indices, [0u32; 0]);
    }

    #[test]
    fn factors_tell_two_dense_parts_apart_and_do_not_depend_on_numbers() {
        // Cliques of four and of six nodes that one edge joins.
        let inside = |first: u32, end: u32| (first..end).flat_map(move |a| (a + 1..end).map(move |b| (a, b)));
        let pairs: Vec<(u32, u32)> = inside(0, 4).chain(inside(4, 10)).chain([(3, 4)]).collect();
        let of = |pairs: &[(u32, u32)]| -> Vec<Vec<f64>> {
            let rows = Tensor::zeros((10, 1), candle_core::DType::F64, &Device::Cpu).unwrap();
            factors(&rows, &undirected(&[10], pairs), 2).unwrap().to_vec2().unwrap()
        };
        let found = of(&pairs);
        let best = |row: &[f64]| usize::from(row[1] > row[0]);
        let [first, second] = [best(&found[0]), best(&found[9])];
        assert_ne!(first, second, "{found:?}");
        assert!(found[..4].iter().all(|row| best(row) == first), "{found:?}");
        assert!(found[4..].iter().all(|row| best(row) == second), "{found:?}");
        let turned: Vec<(u32, u32)> = pairs.iter().map(|&(a, b)| (9 - a, 9 - b)).collect();
        for (row, other) in found.iter().zip(of(&turned).iter().rev()) {
            assert!(row.iter().zip(other).all(|(a, b)| (a - b).abs() < 1e-9), "{row:?}, not {other:?}");
        }
    }
}
