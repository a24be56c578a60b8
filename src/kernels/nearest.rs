//! The rows nearest to each row of its graph, as a graph of its own.

use super::custom::values_f64;
use super::parallel::map_each;
use super::segment::check_offsets;
use crate::kernels::graph::{Csr, SparseGraph};
use candle_core::{Result, Tensor};
use std::ops::Range;
use std::sync::Arc;

/// An edge from each of the `k` rows nearest to a row, itself among them, in Euclidean distance, to that row; from all rows of a
/// smaller graph. Rows as near as the last of them are among them too, because choosing would depend on how rows are numbered.
/// Distances tie where they are equal to the last bit. Not differentiable.
///
/// PyG: `knn_graph(loop=True)`, where the search decides between rows that are as near.
///
/// # Shapes
/// - `x`: `[N, D]`, where rows lie; `offsets`: graph `g` has the rows `offsets[g] .. offsets[g + 1]`
///
/// # Errors
/// Where the offsets do not end at `N`.
pub fn nearest(x: &Tensor, offsets: &Arc<Vec<u32>>, k: usize) -> Result<Arc<SparseGraph>> {
    check_offsets("nearest", x, offsets)?;
    let (n, width) = x.dims2()?;
    let places = values_f64(x)?;
    let graphs: Vec<Range<usize>> =
        offsets.windows(2).map(|pair| pair[0] as usize..pair[1] as usize).collect();
    let mut tasks = Vec::new();
    for graph in &graphs {
        tasks.extend(graph.clone().step_by(ROWS).map(|start| (graph, start..(start + ROWS).min(graph.end))));
    }
    let work =
        graphs.iter().map(|graph| graph.len().pow(2)).sum::<usize>().saturating_mul(width + SELECT_WORK);
    let parts = map_each(tasks.len(), work, |task| {
        let (graph, rows) = &tasks[task];
        of_rows(&places, width, graph, rows.clone(), k)
    });
    let (mut ends, mut indices) = (vec![0u32], Vec::new());
    for (counts, sources) in parts {
        for count in counts {
            ends.push(ends[ends.len() - 1] + count);
        }
        indices.extend(sources);
    }
    let adjacency = Csr { offsets: ends, indices, n_cols: n };
    let transpose = Arc::new(adjacency.transpose());
    Ok(Arc::new(SparseGraph::new(Arc::new(adjacency), transpose, offsets.clone())))
}

/// Rows of one task.
const ROWS: usize = 32;

/// Finding the k-th smallest costs about as much as this many additions for each number.
const SELECT_WORK: usize = 8;

/// For each row how many are near, and which, ascending.
fn of_rows(
    places: &[f64],
    width: usize,
    graph: &Range<usize>,
    rows: Range<usize>,
    k: usize,
) -> (Vec<u32>, Vec<u32>) {
    let at = |row: usize| &places[row * width..(row + 1) * width];
    let (mut counts, mut sources) = (Vec::with_capacity(rows.len()), Vec::new());
    let mut sorted = Vec::new();
    for row in rows {
        let apart = |other: usize| at(row).iter().zip(at(other)).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
        let distances: Vec<f64> = graph.clone().map(apart).collect();
        sorted.clone_from(&distances);
        let last = k.min(sorted.len()).saturating_sub(1);
        let (_, farthest, _) = sorted.select_nth_unstable_by(last, f64::total_cmp);
        let before = sources.len();
        let near = graph.clone().zip(&distances).filter(|(_, distance)| distance.total_cmp(farthest).is_le());
        sources.extend(near.map(|(other, _)| other as u32));
        counts.push((sources.len() - before) as u32);
    }
    (counts, sources)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testkit::random;
    use candle_core::Device;

    fn rows(x: &[f64], width: usize, offsets: &[u32], k: usize) -> Vec<Vec<u32>> {
        let x = Tensor::from_slice(x, (x.len() / width, width), &Device::Cpu).unwrap();
        let graph = nearest(&x, &Arc::new(offsets.to_vec()), k).unwrap();
        assert_eq!(*graph.transpose, graph.adjacency.transpose());
        (0..graph.n_nodes()).map(|row| graph.adjacency.row(row).to_vec()).collect()
    }

    #[test]
    fn the_nearest_of_the_graph_and_those_that_tie_are_linked() {
        // On a line at 0, 1, 3, 4 in one graph, and two rows in another; one graph has none.
        let x = [0.0, 1.0, 3.0, 4.0, 0.0, 9.0];
        let offsets = [0, 4, 4, 6];
        assert_eq!(
            rows(&x, 1, &offsets, 2),
            [vec![0, 1], vec![0, 1], vec![2, 3], vec![2, 3], vec![4, 5], vec![4, 5]]
        );
        assert_eq!(rows(&x, 1, &offsets, 1), (0..6).map(|row| vec![row]).collect::<Vec<_>>());
        // 0 and 2 are as near to 1.
        assert_eq!(rows(&[0.0, 1.0, 2.0], 1, &[0, 3], 2), [vec![0, 1], vec![0, 1, 2], vec![1, 2]]);
        // Equal rows are all as near.
        assert_eq!(rows(&[5.0; 6], 2, &[0, 3], 1), vec![vec![0, 1, 2]; 3]);
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let x = random(&[500, 3], 1);
        let offsets = Arc::new(vec![0, 20, 470, 500]);
        let run = |n| {
            crate::kernels::threads::with_count(n, || nearest(&x, &offsets, 7).unwrap().adjacency.clone())
        };
        assert_eq!(run(1), run(2));
        assert_eq!(run(1).n_entries(), 3500);
    }
}
