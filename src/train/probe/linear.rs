//! A logistic regression on vectors.
//!
//! It is written here because the crates that have one bring a whole algebra of arrays along and add up in an order that depends on it; the
//! minimum is the same, as the problem is convex.

use super::Vectors;
use crate::kernels::map_each;

/// Weights are penalised by `½ ‖W‖²` beside the sum of the losses: `C = 1`, the default of scikit-learn's `LogisticRegression`. Biases are not.
const C: f64 = 1.0;

/// The largest slope of the mean loss at the minimum.
const TOLERANCE: f64 = 1e-7;
const MAX_STEPS: usize = 2000;

/// Differences that the curvature is estimated from.
const MEMORY: usize = 10;

/// Rows of a block: the order in which sums are taken depends on nothing else.
const BLOCK: usize = 256;

/// The class that is likeliest for each vector, by a model that is fitted to some of them; `None` where these are of fewer than two classes.
pub fn fitted(vectors: &Vectors, classes: &[i64], n_classes: usize, train: &[u32]) -> Option<Vec<u32>> {
    let mut present = vec![false; n_classes];
    train.iter().for_each(|&item| present[classes[item as usize] as usize] = true);
    let present: Vec<usize> = (0..n_classes).filter(|&class| present[class]).collect();
    if present.len() < 2 {
        return None;
    }
    let place = |item: u32| {
        let class = classes[item as usize] as usize;
        present.binary_search(&class).expect("a class of the training part")
    };
    let targets: Vec<usize> = train.iter().map(|&item| place(item)).collect();
    let problem = Problem { vectors, train, targets: &targets, n_classes: present.len() };
    let weights = minimum(&problem);
    let n_items = vectors.n_items();
    let blocks = map_each(n_items.div_ceil(BLOCK), n_items * weights.len(), |block| {
        let items = block * BLOCK..((block + 1) * BLOCK).min(n_items);
        let likeliest = |item: usize| {
            let scores = problem.scores(&weights, vectors.row(item as u32));
            let best = (1..scores.len())
                .fold(0, |best, class| if scores[class] > scores[best] { class } else { best });
            present[best] as u32
        };
        items.map(likeliest).collect::<Vec<u32>>()
    });
    Some(blocks.concat())
}

struct Problem<'a> {
    vectors: &'a Vectors,
    train: &'a [u32],
    /// By training item.
    targets: &'a [usize],
    n_classes: usize,
}

impl Problem<'_> {
    /// The score of each class. Weights are `[classes, width]`, and the biases stand behind them.
    fn scores(&self, weights: &[f64], row: &[f32]) -> Vec<f64> {
        let (of_columns, biases) = weights.split_at(self.n_classes * row.len());
        let score = |(weights, bias): (&[f64], &f64)| {
            weights.iter().zip(row).fold(*bias, |sum, (weight, &x)| sum + weight * f64::from(x))
        };
        match row.len() {
            0 => biases.to_vec(),
            width => of_columns.chunks_exact(width).zip(biases).map(score).collect(),
        }
    }

    /// The mean loss with its penalty, and its gradient.
    fn value(&self, weights: &[f64]) -> (f64, Vec<f64>) {
        let (n, width) = (self.train.len(), self.vectors.width);
        let blocks = map_each(n.div_ceil(BLOCK), n * weights.len(), |block| {
            let (mut loss, mut gradient) = (0.0, vec![0.0; weights.len()]);
            for place in block * BLOCK..((block + 1) * BLOCK).min(n) {
                let row = self.vectors.row(self.train[place]);
                let scores = self.scores(weights, row);
                let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = scores.iter().map(|score| (score - most).exp()).sum();
                loss += sum.ln() + most - scores[self.targets[place]];
                for (class, score) in scores.iter().enumerate() {
                    let share =
                        (score - most).exp() / sum - f64::from(u8::from(class == self.targets[place]));
                    let slopes = &mut gradient[class * width..][..width];
                    slopes.iter_mut().zip(row).for_each(|(slope, &x)| *slope += share * f64::from(x));
                    gradient[self.n_classes * width + class] += share;
                }
            }
            (loss, gradient)
        });
        let (mut loss, mut gradient) = (0.0, vec![0.0; weights.len()]);
        for (of_block, slopes) in blocks {
            loss += of_block;
            gradient.iter_mut().zip(slopes).for_each(|(sum, slope)| *sum += slope);
        }
        // Of two classes, the usual model has the difference of both rows alone, each of which is half of it.
        let penalty = if self.n_classes == 2 { 2.0 / C } else { 1.0 / C };
        for (slope, weight) in gradient.iter_mut().zip(&weights[..self.n_classes * width]) {
            loss += 0.5 * penalty * weight * weight;
            *slope += penalty * weight;
        }
        let share = 1.0 / n as f64;
        gradient.iter_mut().for_each(|slope| *slope *= share);
        (loss * share, gradient)
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// L-BFGS (Liu and Nocedal 1989) with steps that are halved until they lower the loss enough.
fn minimum(problem: &Problem) -> Vec<f64> {
    let mut weights = vec![0.0; problem.n_classes * (problem.vectors.width + 1)];
    let (mut loss, mut gradient) = problem.value(&weights);
    let mut memory: Vec<(Vec<f64>, Vec<f64>, f64)> = Vec::new();
    for _ in 0..MAX_STEPS {
        if gradient.iter().all(|slope| slope.abs() <= TOLERANCE) {
            break;
        }
        let mut direction: Vec<f64> = gradient.iter().map(|slope| -slope).collect();
        let mut shares = Vec::with_capacity(memory.len());
        for (step, change, curvature) in memory.iter().rev() {
            let share = dot(step, &direction) / curvature;
            direction.iter_mut().zip(change).for_each(|(d, c)| *d -= share * c);
            shares.push(share);
        }
        if let Some((_, change, curvature)) = memory.last() {
            let scale = curvature / dot(change, change);
            direction.iter_mut().for_each(|d| *d *= scale);
        }
        for ((step, change, curvature), share) in memory.iter().zip(shares.into_iter().rev()) {
            let back = dot(change, &direction) / curvature;
            direction.iter_mut().zip(step).for_each(|(d, s)| *d += (share - back) * s);
        }
        let slope = dot(&gradient, &direction);
        let mut length =
            if memory.is_empty() { 1.0 / dot(&gradient, &gradient).sqrt().max(1.0) } else { 1.0 };
        let found = loop {
            let next: Vec<f64> = weights.iter().zip(&direction).map(|(w, d)| w + length * d).collect();
            let (next_loss, next_gradient) = problem.value(&next);
            if next_loss <= loss + 1e-4 * length * slope {
                break Some((next, next_loss, next_gradient));
            }
            length *= 0.5;
            // Nothing lower is found where rounding is all that is left.
            if length < 1e-12 {
                break None;
            }
        };
        let Some((next, next_loss, next_gradient)) = found else { break };
        let step: Vec<f64> = next.iter().zip(&weights).map(|(a, b)| a - b).collect();
        let change: Vec<f64> = next_gradient.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        let curvature = dot(&step, &change);
        if curvature > 1e-300 {
            memory.push((step, change, curvature));
            if memory.len() > MEMORY {
                memory.remove(0);
            }
        }
        (weights, loss, gradient) = (next, next_loss, next_gradient);
    }
    weights
}
