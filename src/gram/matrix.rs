//! How alike graphs are: Gram matrices from sparse counts.

use super::counts::{Counts, Kernel};
use crate::kernels::{each, map_each};
use crate::ops::kernel::GraphKernel;
use std::sync::Mutex;

/// How alike each two of some graphs are.
#[derive(Debug, Clone, PartialEq)]
pub struct Gram {
    n: usize,
    /// Row-major `[n, n]`, symmetric.
    values: Vec<f64>,
}

impl Gram {
    pub fn n_graphs(&self) -> usize {
        self.n
    }

    pub fn row(&self, graph: u32) -> &[f64] {
        &self.values[graph as usize * self.n..][..self.n]
    }

    /// Of `n` graphs, row-major.
    ///
    /// # Panics
    /// Where there are not `n²` values.
    pub fn new(n: usize, values: Vec<f64>) -> Self {
        assert_eq!(values.len(), n * n, "a value for each two graphs");
        Self { n, values }
    }
}

/// The graphs that have each feature, and how often, of one step of a kernel.
pub(super) struct Postings {
    /// Ascending.
    features: Vec<u64>,
    offsets: Vec<usize>,
    /// Graphs ascending, with their counts.
    entries: Vec<(u32, u64)>,
}

impl Postings {
    pub fn of(counts: &Counts) -> Self {
        let mut all: Vec<(u64, u32, u64)> = Vec::with_capacity(counts.features.len());
        for graph in 0..counts.n_graphs() {
            let (features, counts) = counts.graph(graph);
            all.extend(features.iter().zip(counts).map(|(&feature, &count)| (feature, graph as u32, count)));
        }
        all.sort_unstable();
        let mut postings = Self { features: Vec::new(), offsets: vec![0], entries: Vec::new() };
        for equal in all.chunk_by(|a, b| a.0 == b.0) {
            postings.features.push(equal[0].0);
            postings.entries.extend(equal.iter().map(|&(_, graph, count)| (graph, count)));
            postings.offsets.push(postings.entries.len());
        }
        postings
    }

    fn get(&self, feature: u64) -> &[(u32, u64)] {
        match self.features.binary_search(&feature) {
            Ok(place) => &self.entries[self.offsets[place]..self.offsets[place + 1]],
            Err(_) => &[],
        }
    }

    /// Adds to `sums`, one for each graph up to the last, what a graph with these counts has in common with each.
    fn add(&self, kind: GraphKernel, (features, counts): (&[u64], &[u64]), last: u32, sums: &mut [f64]) {
        for (&feature, &count) in features.iter().zip(counts) {
            for &(graph, other) in self.get(feature).iter().take_while(|(graph, _)| *graph <= last) {
                sums[graph as usize] += in_common(kind, count, other);
            }
        }
    }
}

/// What two counts of a feature add to a kernel.
fn in_common(kind: GraphKernel, count: u64, other: u64) -> f64 {
    match kind {
        GraphKernel::Assignment => count.min(other) as f64,
        GraphKernel::Subtree | GraphKernel::ShortestPath | GraphKernel::Graphlet { .. } => {
            count as f64 * other as f64
        }
    }
}

/// What each graph has in common with itself, over the steps.
pub(super) fn squares(kind: GraphKernel, steps: &[Counts]) -> Vec<f64> {
    let n = steps.first().map_or(0, Counts::n_graphs);
    let of_step = |step: &Counts, graph: usize| {
        let (_, counts) = step.graph(graph);
        counts.iter().fold(0.0, |sum, &count| sum + in_common(kind, count, count))
    };
    (0..n).map(|graph| steps.iter().fold(0.0, |sum, step| sum + of_step(step, graph))).collect()
}

/// A value of the kernel as it is used. A graph that has nothing in common even with itself is like none.
fn scaled(normalize: bool, value: f64, square: f64, other: f64) -> f64 {
    if !normalize {
        value
    } else if square > 0.0 && other > 0.0 {
        value / (square * other).sqrt()
    } else {
        0.0
    }
}

/// The Gram matrix of all graphs for each of the kernel's depths, in their order.
pub fn grams(kernel: &Kernel, steps: &[Counts]) -> Vec<Gram> {
    let n = steps.first().map_or(0, Counts::n_graphs);
    let mut sums = vec![0.0; n * n];
    let mut of_depth: Vec<Option<Gram>> = vec![None; steps.len()];
    for (depth, step) in steps.iter().enumerate() {
        let postings = Postings::of(step);
        let work = step.features.len() * n;
        let rows: Vec<Mutex<&mut [f64]>> = sums.chunks_mut(n.max(1)).map(Mutex::new).collect();
        each(n, work, |graph| {
            let mut of_step = vec![0.0; graph + 1];
            postings.add(kernel.kind, step.graph(graph), graph as u32, &mut of_step);
            let mut row = rows[graph].lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            row.iter_mut().zip(of_step).for_each(|(sum, of_step)| *sum += of_step);
        });
        drop(rows);
        if kernel.depths.contains(&depth) {
            let square = |graph: usize| sums[graph * n + graph];
            let value = |i: usize, j: usize| {
                let (row, column) = (i.max(j), i.min(j));
                scaled(kernel.normalize, sums[row * n + column], square(row), square(column))
            };
            let values = (0..n * n).map(|place| value(place / n, place % n)).collect();
            of_depth[depth] = Some(Gram { n, values });
        }
    }
    // A list of depths names each once.
    kernel.depths.iter().filter_map(|&depth| of_depth.get_mut(depth).and_then(Option::take)).collect()
}

/// How alike each of some graphs is to each of others, `[n, n_others]`, at the last of the steps. `others_squares` are what the
/// others have in common with themselves.
pub(super) fn similarities(
    kernel: &Kernel,
    steps: &[Counts],
    others: &[Postings],
    others_squares: &[f64],
) -> Vec<f64> {
    let (n, n_others) = (steps.first().map_or(0, Counts::n_graphs), others_squares.len());
    let own = squares(kernel.kind, steps);
    let work = steps.iter().map(|step| step.features.len()).sum::<usize>() * n_others;
    let rows = map_each(n, work, |graph| {
        let mut sums = vec![0.0; n_others];
        for (step, postings) in steps.iter().zip(others) {
            let mut of_step = vec![0.0; n_others];
            postings.add(kernel.kind, step.graph(graph), u32::MAX, &mut of_step);
            sums.iter_mut().zip(of_step).for_each(|(sum, of_step)| *sum += of_step);
        }
        let values = sums.iter().zip(others_squares);
        values.map(|(&sum, &square)| scaled(kernel.normalize, sum, own[graph], square)).collect::<Vec<f64>>()
    });
    rows.concat()
}
