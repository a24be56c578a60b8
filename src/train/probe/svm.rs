//! A support vector machine on vectors.

use super::Vectors;
use crate::gram::machine::Task;
use crate::gram::{self, Gram};
use crate::kernels::map_each;

/// Values of `C` that are compared on the validation part: those of InfoGraph's evaluation.
const CS: [f64; 7] = [1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3];
const TOLERANCE: f64 = 1e-3;

/// The class that a machine gives each vector, which is fitted to some of them with the kernel `exp(−γ ‖x − y‖²)`, `γ = 1 / (width · variance)`
/// of the training part, scikit-learn's `scale`. Its `C` is the one with the highest accuracy on the validation part, of equal ones the
/// first, and 1 without such a part. `None` where fewer than two classes are fitted to.
pub fn fitted(
    vectors: &Vectors,
    classes: &[i64],
    n_classes: usize,
    train: &[u32],
    validation: &[u32],
) -> Option<Vec<u32>> {
    let first = train.first().map(|&item| classes[item as usize])?;
    if train.iter().all(|&item| classes[item as usize] == first) {
        return None;
    }
    let n = vectors.n_items();
    let gamma = gamma(vectors, train);
    let rows = map_each(n, n * n * vectors.width, |i| {
        let row = vectors.row(i as u32);
        let distance = |j: usize| {
            let other = vectors.row(j as u32);
            row.iter().zip(other).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum::<f64>()
        };
        (0..n).map(|j| (-gamma * distance(j)).exp()).collect::<Vec<f64>>()
    });
    let grams = [Gram::new(n, rows.concat())];
    let cs = if validation.is_empty() { &[1.0][..] } else { &CS };
    let task = Task { grams: &grams, classes, n_classes, train, cs, tolerance: TOLERANCE };
    let predicted = |outputs: &[f32]| -> Vec<u32> {
        let highest = |row: &[f32]| {
            (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best }) as u32
        };
        outputs.chunks_exact(n_classes).map(highest).collect()
    };
    let trained = gram::train(&task, validation, |outputs| {
        let right = predicted(&outputs);
        let n_right = right
            .iter()
            .zip(validation)
            .filter(|(class, item)| i64::from(**class) == classes[**item as usize]);
        Some(n_right.count() as f64)
    });
    let items: Vec<u32> = (0..n as u32).collect();
    Some(predicted(&trained.outputs(&grams[0], &items)))
}

/// `1 / (width · variance)` over all numbers of these vectors; 1 where they are all the same.
fn gamma(vectors: &Vectors, items: &[u32]) -> f64 {
    let numbers = || items.iter().flat_map(|&item| vectors.row(item)).map(|&x| f64::from(x));
    let n = (items.len() * vectors.width).max(1) as f64;
    let mean = numbers().sum::<f64>() / n;
    let variance = numbers().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    if variance > 0.0 { 1.0 / (vectors.width as f64 * variance) } else { 1.0 }
}
