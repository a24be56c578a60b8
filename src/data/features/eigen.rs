//! The lowest eigenvalues of a normalised Laplacian with their vectors: by reduction to three diagonals where a part is
//! small, else by a filtered subspace, which never holds an N×N matrix.
//!
//! Both are deterministic, so that a graph has the same features each time.

use crate::kernels::eigen::symmetric;
use crate::rng;

/// Parts of up to as many nodes are solved as a whole.
const MAX_DENSE: usize = 192;

/// Vectors beside those that are asked for: they make the others converge, and show where an eigenvalue ends.
const GUARD: usize = 8;

/// `‖L v - λ v‖` of a vector that is found.
const TOLERANCE: f64 = 1e-9;

/// The same where the rounds end without it.
const ACCEPTED: f64 = 1e-5;

const MAX_ROUNDS: usize = 200;

/// `D^(-1/2) A D^(-1/2)` of a connected part, in rows.
pub(super) struct Links {
    /// `[n + 1]`
    pub offsets: Vec<usize>,
    pub entries: Vec<(u32, f64)>,
    /// The eigenvector of the eigenvalue 1, of any length.
    pub trivial: Vec<f64>,
}

/// Eigenvalues, ascending and without the trivial one, and vectors of length one.
pub(super) struct Pairs {
    pub values: Vec<f64>,
    pub vectors: Vec<Vec<f64>>,
    /// There are no others.
    pub is_all: bool,
}

impl Links {
    fn n(&self) -> usize {
        self.trivial.len()
    }

    /// `L v = v - D^(-1/2) A D^(-1/2) v`
    fn laplacian(&self, v: &[f64]) -> Vec<f64> {
        let row = |node: usize| {
            let entries = &self.entries[self.offsets[node]..self.offsets[node + 1]];
            v[node] - entries.iter().map(|&(other, weight)| weight * v[other as usize]).sum::<f64>()
        };
        (0..self.n()).map(row).collect()
    }
}

/// At least `wanted` of the lowest pairs, all of them where the part is small; `None` where they were not found.
///
/// `wanted` is below the number of nodes.
pub(super) fn lowest(links: &Links, wanted: usize) -> Option<Pairs> {
    let n = links.n();
    if n <= MAX_DENSE || wanted + GUARD >= n - 1 { Some(dense(links)) } else { subspace(links, wanted) }
}

fn dense(links: &Links) -> Pairs {
    let n = links.n();
    let mut matrix = vec![0.0; n * n];
    for row in 0..n {
        matrix[row * n + row] = 1.0;
        for &(other, weight) in &links.entries[links.offsets[row]..links.offsets[row + 1]] {
            matrix[row * n + other as usize] -= weight;
        }
    }
    let (values, vectors) = symmetric(n, matrix);
    // The part is connected, so the trivial eigenvalue is the lowest and alone.
    Pairs { values: values[1..].to_vec(), vectors: vectors[1..].to_vec(), is_all: true }
}

/// Subspace iteration with a Chebyshev filter.
///
/// Paper: Zhou, Saad, Tiago & Chelikowsky 2006, "Self-consistent-field calculations using Chebyshev-filtered subspace
/// iteration", algorithms 4.1 and 4.2.
fn subspace(links: &Links, wanted: usize) -> Option<Pairs> {
    let n = links.n();
    let size = (wanted + GUARD.max(wanted / 2)).min(n - 1);
    let mut trivial = links.trivial.clone();
    normalize(&mut trivial);
    let mut rng = rng::generator(0, 0);
    let mut random = move || (0..n).map(|_| rng::unit(&mut rng) - 0.5).collect::<Vec<f64>>();
    let mut basis: Vec<Vec<f64>> = (0..size).map(|_| random()).collect();
    orthonormalize(&mut basis, &trivial, &mut random);
    for round in 0..MAX_ROUNDS {
        // Rayleigh and Ritz: the best vectors in the span.
        let images: Vec<Vec<f64>> = basis.iter().map(|vector| links.laplacian(vector)).collect();
        let mut small = vec![0.0; size * size];
        for row in 0..size {
            for column in 0..=row {
                let value = dot(&basis[row], &images[column]);
                small[row * size + column] = value;
                small[column * size + row] = value;
            }
        }
        let (values, mixing) = symmetric(size, small);
        let mixed = |of: &[Vec<f64>], shares: &[f64]| {
            let mut sum = vec![0.0; n];
            for (vector, &share) in of.iter().zip(shares) {
                sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += share * value);
            }
            sum
        };
        let error = |idx: usize| {
            let (vector, image) = (mixed(&basis, &mixing[idx]), mixed(&images, &mixing[idx]));
            let squares = vector.iter().zip(&image).map(|(v, image)| (image - values[idx] * v).powi(2));
            squares.sum::<f64>().sqrt()
        };
        let worst = (0..wanted).map(error).fold(0.0, f64::max);
        let is_last = round + 1 == MAX_ROUNDS;
        let rotated: Vec<Vec<f64>> = mixing.iter().map(|shares| mixed(&basis, shares)).collect();
        if worst <= TOLERANCE || (is_last && worst <= ACCEPTED) {
            // Guards that have not converged say nothing of eigenvalues.
            let n_found = (wanted..size).find(|&idx| error(idx) > 1e-7).unwrap_or(size);
            return Some(Pairs {
                values: values[..n_found].to_vec(),
                vectors: rotated[..n_found].to_vec(),
                is_all: false,
            });
        }
        let from = values[size - 1].clamp(1e-9, 1.9);
        basis = rotated.iter().map(|vector| filtered(links, vector, from)).collect();
        orthonormalize(&mut basis, &trivial, &mut random);
    }
    None
}

/// A polynomial of the Laplacian that is small on `[from, 2]` and grows below.
fn filtered(links: &Links, vector: &[f64], from: f64) -> Vec<f64> {
    let (half, centre) = ((2.0 - from) / 2.0, (2.0 + from) / 2.0);
    // What is at 0 grows by e^8 against what is damped.
    let degree = (8.0 / (centre / half).acosh()).ceil().clamp(4.0, 4000.0) as usize;
    let mut sigma = -half / centre;
    let tau = 2.0 / sigma;
    let shifted = |v: &[f64]| -> Vec<f64> {
        links.laplacian(v).iter().zip(v).map(|(image, v)| image - centre * v).collect()
    };
    let mut before = vector.to_vec();
    let mut now: Vec<f64> = shifted(vector).iter().map(|value| value * sigma / half).collect();
    for _ in 1..degree {
        let next_sigma = 1.0 / (tau - sigma);
        let image = shifted(&now);
        let next = image.iter().zip(&before);
        let next = next.map(|(image, before)| 2.0 * next_sigma / half * image - sigma * next_sigma * before);
        before = std::mem::replace(&mut now, next.collect());
        sigma = next_sigma;
    }
    now
}

/// Gram and Schmidt, twice, against the trivial vector too.
fn orthonormalize(basis: &mut [Vec<f64>], trivial: &[f64], random: &mut impl FnMut() -> Vec<f64>) {
    for idx in 0..basis.len() {
        let (before, rest) = basis.split_at_mut(idx);
        let vector = &mut rest[0];
        loop {
            normalize(vector);
            for _ in 0..2 {
                for other in before.iter().map(Vec::as_slice).chain([trivial]) {
                    let share = dot(other, vector);
                    vector.iter_mut().zip(other).for_each(|(v, other)| *v -= share * other);
                }
            }
            if dot(vector, vector) > 1e-24 {
                break;
            }
            // Nothing of it is left: it lay in the span of the others.
            *vector = random();
        }
        normalize(vector);
    }
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

fn normalize(vector: &mut [f64]) {
    let length = dot(vector, vector).sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|value| *value /= length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ring of `n` nodes with a tail of `tail`, without weights.
    fn ring_with_tail(n: usize, tail: usize) -> Links {
        let mut neighbours: Vec<Vec<usize>> = vec![Vec::new(); n + tail];
        let mut link = |a: usize, b: usize| {
            neighbours[a].push(b);
            neighbours[b].push(a);
        };
        (0..n).for_each(|node| link(node, (node + 1) % n));
        (0..tail).for_each(|idx| link(if idx == 0 { 0 } else { n + idx - 1 }, n + idx));
        let degree = |node: usize| neighbours[node].len() as f64;
        let mut links = Links { offsets: vec![0], entries: Vec::new(), trivial: Vec::new() };
        for node in 0..n + tail {
            for &other in &neighbours[node] {
                links.entries.push((other as u32, 1.0 / (degree(node) * degree(other)).sqrt()));
            }
            links.offsets.push(links.entries.len());
            links.trivial.push(degree(node).sqrt());
        }
        links
    }

    fn assert_pairs(links: &Links, pairs: &Pairs, n_wanted: usize) {
        assert!(pairs.values.len() >= n_wanted);
        assert!(pairs.values.is_sorted());
        for (value, vector) in pairs.values.iter().zip(&pairs.vectors) {
            let image = links.laplacian(vector);
            let error = image.iter().zip(vector).map(|(image, v)| (image - value * v).abs());
            assert!(error.fold(0.0, f64::max) < 1e-6, "eigenvalue {value}");
            assert!((dot(vector, vector) - 1.0).abs() < 1e-9);
            assert!(dot(vector, &links.trivial).abs() < 1e-6);
        }
        for (idx, one) in pairs.vectors.iter().enumerate() {
            pairs.vectors[..idx].iter().for_each(|other| assert!(dot(one, other).abs() < 1e-6));
        }
    }

    #[test]
    fn a_ring_has_the_eigenvalues_of_its_formula() {
        for n in [2, 3, 5, 24] {
            let links = ring_with_tail(n, 0);
            let pairs = dense(&links);
            assert_pairs(&links, &pairs, n - 1);
            let mut expected: Vec<f64> =
                (0..n).map(|k| 1.0 - (std::f64::consts::TAU * k as f64 / n as f64).cos()).collect();
            expected.sort_by(f64::total_cmp);
            for (value, expected) in pairs.values.iter().zip(&expected[1..]) {
                assert!((value - expected).abs() < 1e-12, "{n}: {value} and {expected}");
            }
        }
    }

    #[test]
    fn both_solvers_agree() {
        let links = ring_with_tail(200, 60);
        let (all, some) = (dense(&links), subspace(&links, 6).expect("found"));
        assert_pairs(&links, &all, 259);
        assert_pairs(&links, &some, 6);
        for idx in 0..6 {
            assert!((all.values[idx] - some.values[idx]).abs() < 1e-10);
            let same = dot(&all.vectors[idx], &some.vectors[idx]).abs();
            assert!((same - 1.0).abs() < 1e-6, "vector {idx}: {same}");
        }
    }

    #[test]
    fn many_vectors_of_one_eigenvalue_are_found() {
        // A star: all eigenvalues but the trivial one and 2 are 1.
        let n = 300;
        let mut links = Links { offsets: vec![0], entries: Vec::new(), trivial: vec![1.0; n] };
        let weight = 1.0 / ((n - 1) as f64).sqrt();
        links.entries.extend((1..n as u32).map(|leaf| (leaf, weight)));
        links.trivial[0] = ((n - 1) as f64).sqrt();
        links.offsets.push(n - 1);
        for leaf in 1..n {
            links.entries.push((0, weight));
            links.offsets.push(n - 1 + leaf);
        }
        let pairs = subspace(&links, 4).expect("found");
        assert_pairs(&links, &pairs, 4);
        pairs.values.iter().for_each(|value| assert!((value - 1.0).abs() < 1e-9));
    }
}
