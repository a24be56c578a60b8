//! How many edges away rows are.

use super::custom::{apply1, values_f64};
use super::graph::SparseGraph;
use super::parallel::map_each;
use super::spectral::Found;
use candle_core::{Result, Tensor};
use std::collections::VecDeque;

/// What is linked to each row, either way.
pub struct Near(Vec<Vec<u32>>);

impl Near {
    pub fn of_graph(graph: &SparseGraph) -> Self {
        let both = [&graph.adjacency, &graph.transpose];
        let of = |row: usize| {
            let mut near: Vec<u32> = both.iter().flat_map(|csr| csr.row(row)).copied().collect();
            near.sort_unstable();
            near.dedup();
            near
        };
        Self((0..graph.n_nodes()).map(of).collect())
    }

    /// Clusters are linked where the adjacency `[G, k, k]` is not 0.
    ///
    /// # Errors
    /// Where it has another shape.
    pub fn of_clusters(adjacency: &Tensor) -> Result<Self> {
        let (n_graphs, k, _) = adjacency.dims3()?;
        let values = values_f64(adjacency)?;
        let of = |row: usize| {
            let (graph, at) = (row / k, row % k);
            let of_pair = |a: usize, b: usize| values[(graph * k + a) * k + b];
            let is_near = |&other: &usize| of_pair(at, other) != 0.0 || of_pair(other, at) != 0.0;
            (0..k).filter(is_near).map(|other| (graph * k + other) as u32).collect()
        };
        Ok(Self((0..n_graphs * k).map(of).collect()))
    }
}

/// `1 / d` for each row and column, with `d` edges to the nearest row that the column marks with a number above 0, 1 at least; 0 where
/// no such row can be reached. Edges lead both ways. Not differentiable.
///
/// # Shapes
/// - `marks`: `[N, k]`; result: `[N, k]`
///
/// # Errors
/// Where the marks are not of these rows.
pub fn nearness(marks: &Tensor, near: &Near) -> Result<Tensor> {
    let (n, k) = marks.dims2()?;
    if n != near.0.len() {
        candle_core::bail!("nearness: marks of {n} rows, and {} rows", near.0.len())
    }
    let values = values_f64(marks)?;
    let n_links: usize = near.0.iter().map(Vec::len).sum();
    let columns: Vec<Vec<f64>> = map_each(k, k * (n + n_links), |column| {
        let mut hops = vec![u32::MAX; n];
        let mut open: VecDeque<u32> =
            (0..n as u32).filter(|&row| values[row as usize * k + column] > 0.0).collect();
        open.iter().for_each(|&row| hops[row as usize] = 0);
        while let Some(row) = open.pop_front() {
            for &other in &near.0[row as usize] {
                if hops[other as usize] == u32::MAX {
                    hops[other as usize] = hops[row as usize] + 1;
                    open.push_back(other);
                }
            }
        }
        let of = |hops: u32| if hops == u32::MAX { 0.0 } else { 1.0 / f64::from(hops.max(1)) };
        hops.into_iter().map(of).collect()
    });
    let values = (0..n).flat_map(|row| columns.iter().map(move |column| column[row])).collect();
    apply1(Found { name: "nearness", values, width: k }, &marks.detach())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testkit::graph;
    use candle_core::Device;

    #[test]
    fn edges_to_the_nearest_marked_row_are_counted() {
        // A path along edges of both directions, and a node alone in another graph.
        let path = graph(&[4, 1], &[(0, 1), (2, 1), (2, 3), (3, 3)]);
        let marks = [1.0f64, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0];
        let marks = Tensor::from_slice(&marks, (5, 2), &Device::Cpu).unwrap();
        let found: Vec<Vec<f64>> = nearness(&marks, &Near::of_graph(&path)).unwrap().to_vec2().unwrap();
        let expected = [[1.0, 1.0 / 3.0], [1.0, 0.5], [0.5, 1.0], [1.0 / 3.0, 1.0], [0.0, 0.0]];
        assert_eq!(found, expected);
        let adjacency = [[[0.5f64, 0.2], [0.0, 0.0]], [[0.0, 0.0], [0.0, 1.0]]];
        let adjacency = Tensor::new(&adjacency, &Device::Cpu).unwrap();
        let marks = Tensor::new(&[[1.0f64], [0.0], [1.0], [0.0]], &Device::Cpu).unwrap();
        let near = Near::of_clusters(&adjacency).unwrap();
        let found: Vec<Vec<f64>> = nearness(&marks, &near).unwrap().to_vec2().unwrap();
        assert_eq!(found, [[1.0], [1.0], [1.0], [0.0]]);
    }
}
