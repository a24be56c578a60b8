//! k-means.

use super::Vectors;
use crate::kernels::map_each;
use crate::rng::{below, generator, unit};

/// Starts, of which the one with the smallest sum of squares is kept.
const STARTS: u64 = 10;
const MAX_ROUNDS: usize = 300;

/// Always the same, so that a trained model has the same clusters whenever it is measured.
const SEED: u64 = 0x6b6d_6561_6e73;

const BLOCK: usize = 256;

/// The cluster of each vector, of `k`: Lloyd's rounds from beginnings that are drawn as k-means++ does (Arthur and Vassilvitskii 2007).
pub fn found(vectors: &Vectors, k: usize) -> Vec<u32> {
    let k = k.min(vectors.n_items()).max(1);
    let starts = (0..STARTS).map(|start| one(vectors, k, start));
    let best = starts.reduce(|best, other| if other.0 < best.0 { other } else { best });
    best.map(|(_, clusters)| clusters).unwrap_or_default()
}

fn square_distance(row: &[f32], centre: &[f64]) -> f64 {
    row.iter().zip(centre).map(|(&x, c)| (f64::from(x) - c).powi(2)).sum()
}

/// The nearest centre of each vector, the first of equal ones, with its squared distance.
fn nearest(vectors: &Vectors, centres: &[Vec<f64>]) -> Vec<(u32, f64)> {
    let n = vectors.n_items();
    let blocks = map_each(n.div_ceil(BLOCK), n * vectors.width * centres.len(), |block| {
        let of_item = |item: usize| {
            let row = vectors.row(item as u32);
            let distances = centres.iter().map(|centre| square_distance(row, centre));
            let mut best = (0, f64::INFINITY);
            for (cluster, distance) in (0u32..).zip(distances) {
                if distance < best.1 {
                    best = (cluster, distance);
                }
            }
            best
        };
        (block * BLOCK..((block + 1) * BLOCK).min(n)).map(of_item).collect::<Vec<_>>()
    });
    blocks.concat()
}

/// Sum of squares and clusters of one start.
fn one(vectors: &Vectors, k: usize, start: u64) -> (f64, Vec<u32>) {
    let n = vectors.n_items();
    let mut rng = generator(SEED, start);
    let wide = |item: usize| vectors.row(item as u32).iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
    let mut centres = vec![wide(below(&mut rng, n))];
    let mut distances: Vec<f64> = nearest(vectors, &centres).into_iter().map(|(_, d)| d).collect();
    while centres.len() < k {
        let mut left = unit(&mut rng) * distances.iter().sum::<f64>();
        // Where all distances are 0, vectors are equal and any will do.
        let next = distances.iter().position(|distance| {
            left -= distance;
            left < 0.0
        });
        let centre = wide(next.unwrap_or_else(|| below(&mut rng, n)));
        for (item, distance) in distances.iter_mut().enumerate() {
            *distance = distance.min(square_distance(vectors.row(item as u32), &centre));
        }
        centres.push(centre);
    }
    let mut clusters: Vec<(u32, f64)> = nearest(vectors, &centres);
    for _ in 0..MAX_ROUNDS {
        let mut counts = vec![0usize; k];
        let mut sums = vec![vec![0.0; vectors.width]; k];
        for (item, &(cluster, _)) in clusters.iter().enumerate() {
            counts[cluster as usize] += 1;
            let row = vectors.row(item as u32);
            sums[cluster as usize].iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        for ((centre, sum), &count) in centres.iter_mut().zip(sums).zip(&counts) {
            // A cluster without members stays where it is.
            if count > 0 {
                *centre = sum.into_iter().map(|sum| sum / count as f64).collect();
            }
        }
        let next = nearest(vectors, &centres);
        let is_settled = next.iter().zip(&clusters).all(|(a, b)| a.0 == b.0);
        clusters = next;
        if is_settled {
            break;
        }
    }
    let sum = clusters.iter().map(|(_, distance)| distance).sum();
    (sum, clusters.into_iter().map(|(cluster, _)| cluster).collect())
}
