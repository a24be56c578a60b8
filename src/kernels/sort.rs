//! Sorted places: the rows of each graph in an order that does not depend on their numbering.

use super::custom::{Kernel, apply1, blocks, plain1, values_f64, where_needed};
use super::float::Float;
use super::parallel::{Output, each};
use super::tape::Reads;
use candle_core::{Result, Shape, Tensor};
use std::sync::Arc;

/// The first `k` rows of each graph, sorted by the last channel, largest first. Ties are broken by the other
/// channels from the last to the first, so that the result does not depend on how the nodes are numbered, as long as
/// the rows do not: [`Summation::Reproducible`](super::Summation) makes equal rows equal to the last bit.
///
/// Paper: Zhang et al. 2018, "An End-to-End Deep Learning Architecture for Graph Classification", SortPooling.
/// PyG: `SortAggregation`, which breaks no ties.
///
/// # Shapes
/// - `x`: `[N, F]`, `offsets`: `[G + 1]`
/// - result: `[G · k, F]`; a graph with fewer rows is filled up with zeros
///
/// # Errors
/// Where the shapes do not fit.
pub fn sort_rows(x: &Tensor, offsets: &Arc<Vec<u32>>, k: usize) -> Result<Tensor> {
    let (n_rows, width) = x.dims2()?;
    if offsets.last().map_or(0, |&end| end as usize) != n_rows {
        candle_core::bail!("sort_rows: {n_rows} rows do not fit the graphs");
    }
    let values = values_f64(x)?;
    let row = |idx: u32| &values[idx as usize * width..(idx as usize + 1) * width];
    let mut places = Vec::with_capacity(offsets.len().saturating_sub(1) * k);
    let mut order: Vec<u32> = Vec::new();
    for bounds in offsets.windows(2) {
        order.clear();
        order.extend(bounds[0]..bounds[1]);
        order.sort_by(|&a, &b| {
            let by_channel = row(b).iter().rev().zip(row(a).iter().rev()).map(|(b, a)| b.total_cmp(a));
            by_channel.into_iter().find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
        });
        let kept = order.len().min(k);
        places.extend_from_slice(&order[..kept]);
        places.resize(places.len() + k - kept, EMPTY);
    }
    apply1(Places { places: Arc::new(places), n_rows }, x)
}

/// A place without a row.
const EMPTY: u32 = u32::MAX;

/// Row `places[i]` at place `i`, zeros where it is empty.
struct Places {
    places: Arc<Vec<u32>>,
    n_rows: usize,
}

impl Kernel<1> for Places {
    fn name(&self) -> &'static str {
        "sort_rows"
    }

    fn forward<T: Float>(&self, [x]: [&[T]; 1], [shape]: [&Shape; 1]) -> Result<(Vec<T>, Shape)> {
        let (_, width) = shape.dims2()?;
        let n_places = self.places.len();
        let out = Output::new(n_places * width, 1);
        let shared = out.shared();
        let tasks: Vec<_> = blocks(n_places, 256).collect();
        each(tasks.len(), n_places * width, |task| {
            for place in tasks[task].clone() {
                // SAFETY: every place is written once.
                let out = unsafe { shared.part(place * width..(place + 1) * width) };
                match self.places[place] {
                    EMPTY => out.fill(T::ZERO),
                    row => out.copy_from_slice(&x[row as usize * width..(row as usize + 1) * width]),
                }
            }
        });
        // SAFETY: the tasks cover all places, each of which is filled or copied into.
        Ok((unsafe { out.finish() }, (n_places, width).into()))
    }

    fn reads(&self) -> Reads {
        Reads::NOTHING
    }
    fn backward(&self, [x]: [&Tensor; 1], _: &Tensor, grad: &Tensor) -> Result<[Option<Tensor>; 1]> {
        Ok([where_needed(x, || {
            // A row has at most one place, so its gradient is gathered from there.
            let mut back = vec![EMPTY; self.n_rows];
            for (place, &row) in (0u32..).zip(self.places.iter()) {
                if row != EMPTY {
                    back[row as usize] = place;
                }
            }
            plain1(Places { places: Arc::new(back), n_rows: self.places.len() }, grad)
        })?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testkit::{Golden, assert_close, assert_gradients, random};
    use candle_core::Device;

    #[test]
    fn ties_are_broken_by_the_channels_before() {
        let x =
            Tensor::new(&[[1f32, 2.0, 5.0], [3.0, 1.0, 5.0], [2.0, 2.0, 5.0], [0.0, 0.0, 6.0]], &Device::Cpu);
        let sorted = sort_rows(&x.unwrap(), &Arc::new(vec![0, 4]), 3).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(sorted, [[0.0, 0.0, 6.0], [2.0, 2.0, 5.0], [1.0, 2.0, 5.0]]);
    }

    #[test]
    fn short_and_empty_graphs_are_filled_with_zeros() {
        let x = Tensor::new(&[[1f32], [2.0], [3.0]], &Device::Cpu).unwrap();
        let sorted = sort_rows(&x, &Arc::new(vec![0, 2, 2, 3]), 3).unwrap().flatten_all().unwrap();
        assert_eq!(sorted.to_vec1::<f32>().unwrap(), [2.0, 1.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0]);
    }

    #[test]
    fn gradients_match_finite_differences() {
        let offsets = Arc::new(vec![0u32, 4, 4, 9]);
        for k in [2, 7] {
            assert_gradients(|args| sort_rows(&args[0], &offsets, k), &[random(&[9, 3], 1)]);
        }
    }

    #[test]
    fn the_order_matches_pyg() {
        let golden = Golden::load("aggr_sort");
        let x = candle_core::Var::from_tensor(&golden.tensor("inputs/x")).unwrap();
        let sorted = sort_rows(&x, &Arc::new(vec![0, 5, 9]), 3).unwrap().reshape((2, 12)).unwrap();
        assert_close(&sorted, &golden.tensor("outputs/out"), 1e-8);
        let loss = (sorted * golden.tensor("cotangents/out")).unwrap().sum_all().unwrap();
        assert_close(loss.backward().unwrap().get(&x).unwrap(), &golden.tensor("grads/x"), 1e-8);
    }
}
