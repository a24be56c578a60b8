//! What kernel tests share: random inputs, finite differences, comparisons.

use candle_core::{DType, Device, Result, Tensor, Var};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

use crate::kernels::graph::{Csr, SparseGraph};

/// Normal-ish values in f64, the same for the same seed.
pub(crate) fn random(shape: &[usize], seed: u64) -> Tensor {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let n: usize = shape.iter().product();
    let values: Vec<f64> =
        (0..n).map(|_| (0..4).map(|_| rng.random_range(-1.0..1.0)).sum::<f64>() * 0.87).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

pub(crate) fn values(x: &Tensor) -> Vec<f64> {
    x.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap()
}

/// Every value within `tolerance · max(1, |expected|)`.
#[track_caller]
pub(crate) fn assert_close(actual: &Tensor, expected: &Tensor, tolerance: f64) {
    assert_eq!(actual.dims(), expected.dims());
    for (idx, (a, e)) in values(actual).iter().zip(values(expected)).enumerate() {
        assert!((a - e).abs() <= tolerance * e.abs().max(1.0), "value {idx}: {a}, expected {e}");
    }
}

/// Gradients of `Σ f(inputs) ∘ c` (random `c`) against central differences in f64, for every input.
#[track_caller]
pub(crate) fn assert_gradients(f: impl Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor]) {
    let vars: Vec<Var> = inputs.iter().map(|input| Var::from_tensor(input).unwrap()).collect();
    let tensors: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
    let result = f(&tensors).unwrap();
    let cotangent = random(result.dims(), 99);
    let grads = (result * &cotangent).unwrap().sum_all().unwrap().backward().unwrap();
    let loss = |inputs: &[Tensor]| -> f64 {
        values(&f(inputs).unwrap()).iter().zip(values(&cotangent)).map(|(a, b)| a * b).sum()
    };
    for (which, input) in inputs.iter().enumerate() {
        let grad = match grads.get(&tensors[which]) {
            Some(grad) => values(grad),
            None => vec![0.0; input.elem_count()],
        };
        let plain = values(input);
        for idx in 0..plain.len() {
            let moved = |by: f64| {
                let mut moved = plain.clone();
                moved[idx] += by;
                let mut all = inputs.to_vec();
                all[which] = Tensor::from_vec(moved, input.dims(), &Device::Cpu).unwrap();
                loss(&all)
            };
            let h = 1e-5;
            let expected = (moved(h) - moved(-h)) / (2.0 * h);
            assert!(
                (grad[idx] - expected).abs() < 2e-6 * expected.abs().max(1.0),
                "input {which}, value {idx}: gradient {}, finite difference {expected}",
                grad[idx]
            );
        }
    }
}

/// Runs on one, two and three threads and compares bits.
#[track_caller]
pub(crate) fn same_bits_for_any_threads(f: impl Fn() -> Tensor + Send + Sync) {
    let on = |n_threads| {
        let result = super::threads::with_count(n_threads, &f);
        values(&result).iter().map(|value| value.to_bits()).collect::<Vec<_>>()
    };
    let one = on(1);
    assert!(one == on(2) && one == on(3), "the number of threads changes the result");
}

/// A graph from (source, target) edges; `sizes` are the numbers of nodes of its graphs.
pub(crate) fn graph(sizes: &[u32], edges: &[(u32, u32)]) -> Arc<SparseGraph> {
    let mut graph_offsets = vec![0];
    for size in sizes {
        graph_offsets.push(graph_offsets.last().unwrap() + size);
    }
    let n_nodes = *graph_offsets.last().unwrap() as usize;
    let mut rows = vec![Vec::new(); n_nodes];
    for &(source, target) in edges {
        rows[target as usize].push(source);
    }
    let mut offsets = vec![0];
    let mut indices = Vec::new();
    for row in &mut rows {
        row.sort_unstable();
        indices.extend_from_slice(row);
        offsets.push(indices.len() as u32);
    }
    let adjacency = Csr { offsets, indices, n_cols: n_nodes };
    let transpose = Arc::new(adjacency.transpose());
    let adjacency = Arc::new(adjacency);
    let transpose = if *adjacency == *transpose { Arc::clone(&adjacency) } else { transpose };
    Arc::new(SparseGraph::new(adjacency, transpose, Arc::new(graph_offsets)))
}

/// Random directed edges inside each graph, about `degree` a node, some nodes isolated, no self-loops.
pub(crate) fn random_graph(sizes: &[u32], degree: f64, symmetric: bool, seed: u64) -> Arc<SparseGraph> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut edges = Vec::new();
    let mut start = 0;
    for &size in sizes {
        for a in 0..size {
            for b in 0..size {
                if a != b && (!symmetric || a < b) && rng.random::<f64>() < degree / f64::from(size) {
                    edges.push((start + a, start + b));
                    if symmetric {
                        edges.push((start + b, start + a));
                    }
                }
            }
        }
        start += size;
    }
    graph(sizes, &edges)
}

/// `A[i ← j]` of one graph of the batch, dense: row the target, column the source.
pub(crate) fn dense_adjacency(graph: &SparseGraph, which: usize) -> Tensor {
    let (start, end) = (graph.graph_offsets[which] as usize, graph.graph_offsets[which + 1] as usize);
    let n = end - start;
    let mut adjacency = vec![0.0; n * n];
    for target in start..end {
        for &source in graph.adjacency.row(target) {
            adjacency[(target - start) * n + source as usize - start] += 1.0;
        }
    }
    Tensor::from_vec(adjacency, (n, n), &Device::Cpu).unwrap()
}

/// The part of a batch that is one graph of it.
pub(crate) fn only(graph: &SparseGraph, which: usize) -> Arc<SparseGraph> {
    let (start, end) = (graph.graph_offsets[which], graph.graph_offsets[which + 1]);
    let edges: Vec<_> = (start..end)
        .flat_map(|target| {
            graph.adjacency.row(target as usize).iter().map(move |source| (source - start, target - start))
        })
        .collect();
    self::graph(&[end - start], &edges)
}

/// A case of `tests/golden`: values computed with PyTorch Geometric in f64.
pub(crate) struct Golden(serde_json::Value);

impl Golden {
    pub(crate) fn load(name: &str) -> Self {
        let path = format!("{}/tests/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        Self(serde_json::from_str(&text).unwrap())
    }
    /// A floating tensor by its path (`inputs/x`).
    pub(crate) fn tensor(&self, path: &str) -> Tensor {
        let (data, shape) = self.parts(path);
        let data: Vec<f64> = data.iter().map(|value| value.as_f64().unwrap()).collect();
        Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
    }
    pub(crate) fn integers(&self, path: &str) -> Vec<u32> {
        self.parts(path).0.iter().map(|value| value.as_u64().unwrap() as u32).collect()
    }
    fn parts(&self, path: &str) -> (&Vec<serde_json::Value>, Vec<usize>) {
        let at = path.split('/').fold(&self.0, |value, key| &value[key]);
        let shape = at["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
        (at["data"].as_array().unwrap(), shape)
    }
    /// The (source, target) edges.
    pub(crate) fn edges(&self) -> Vec<(u32, u32)> {
        let flat = self.integers("inputs/edge_index");
        let (sources, targets) = flat.split_at(flat.len() / 2);
        sources.iter().copied().zip(targets.iter().copied()).collect()
    }
}
