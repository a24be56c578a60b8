//! What the tests of all kernels check: values against a plain reference, gradients against finite differences,
//! f32 against f64, and one thread against several, bit for bit.

use super::reference::Matrix;
use crate::kernels::graph::{Csr, SparseGraph};
use candle_core::{DType, Device, Result, Tensor, Var};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// Values in ±1 of the given shape.
pub(crate) fn random(shape: &[usize], seed: u64) -> Matrix {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let data = (0..shape.iter().product::<usize>()).map(|_| rng.random_range(-1.0..1.0)).collect();
    Matrix { shape: shape.to_vec(), data }
}

/// A batch with graphs of the given sizes and about `degree` incoming edges a node, within the graphs.
pub(crate) fn random_graph(sizes: &[usize], degree: f64, is_symmetric: bool, seed: u64) -> Arc<SparseGraph> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut edges = Vec::new();
    let mut graph_offsets = vec![0u32];
    let mut first = 0;
    for &size in sizes {
        for _ in 0..(size as f64 * degree / if is_symmetric { 2.0 } else { 1.0 }) as usize {
            let (source, target) = (rng.random_range(0..size) + first, rng.random_range(0..size) + first);
            edges.push((target as u32, source as u32));
            if is_symmetric {
                edges.push((source as u32, target as u32));
            }
        }
        first += size;
        graph_offsets.push(first as u32);
    }
    edges.sort();
    edges.dedup();
    graph(first, &edges, graph_offsets)
}

/// A batch from (target, source) pairs, ascending.
pub(crate) fn graph(n_nodes: usize, edges: &[(u32, u32)], graph_offsets: Vec<u32>) -> Arc<SparseGraph> {
    let mut offsets = vec![0u32; n_nodes + 1];
    for &(target, _) in edges {
        offsets[target as usize + 1] += 1;
    }
    for node in 0..n_nodes {
        offsets[node + 1] += offsets[node];
    }
    let indices = edges.iter().map(|&(_, source)| source).collect();
    let adjacency = Arc::new(Csr { offsets, indices, n_cols: n_nodes });
    let transpose = Arc::new(adjacency.transpose());
    let transpose = if transpose == adjacency { adjacency.clone() } else { transpose };
    Arc::new(SparseGraph::new(adjacency, transpose, Arc::new(graph_offsets)))
}

/// A kernel on given inputs.
pub(crate) struct Case<F> {
    inputs: Vec<Matrix>,
    kernel: F,
}

impl<F: Fn(&[Tensor]) -> Result<Tensor> + Sync> Case<F> {
    pub fn new(inputs: &[Matrix], kernel: F) -> Self {
        Self { inputs: inputs.to_vec(), kernel }
    }

    /// Checks everything, with the values that `reference` gives.
    pub fn equals(&self, reference: impl Fn(&[Matrix]) -> Matrix) {
        let want = reference(&self.inputs);
        let (value, gradients) = self.run(DType::F64);
        assert_eq!(value.shape, want.shape, "shape");
        assert_near(&value, &want, 1e-10, "value in f64");
        for (idx, gradient) in gradients.iter().enumerate() {
            let want = self.finite_differences(idx);
            assert_near(gradient, &want, 1e-6, &format!("gradient of input {idx}"));
        }

        let (value_f32, gradients_f32) = self.run(DType::F32);
        assert_near(&value_f32, &value, 2e-5, "value in f32");
        for (idx, (got, want)) in gradients_f32.iter().zip(&gradients).enumerate() {
            assert_near(got, want, 2e-4, &format!("gradient of input {idx} in f32"));
        }
        self.has_same_bits_on_any_number_of_threads();
    }

    /// Compares values and gradients of f32 on one thread and on three.
    pub fn has_same_bits_on_any_number_of_threads(&self) {
        let [one, three] =
            [1, 3].map(|n_threads| super::threads::with_count(n_threads, || self.run(DType::F32)));
        let bits = |(value, gradients): &(Matrix, Vec<Matrix>)| -> Vec<u64> {
            let data = gradients.iter().flat_map(|gradient| &gradient.data);
            value.data.iter().chain(data).map(|value| value.to_bits()).collect()
        };
        assert!(bits(&one) == bits(&three), "results depend on the number of threads");
    }

    /// The value, and the gradients of its sum with fixed weights.
    fn run(&self, dtype: DType) -> (Matrix, Vec<Matrix>) {
        let vars: Vec<Var> =
            self.inputs.iter().map(|input| Var::from_tensor(&input.tensor(dtype)).unwrap()).collect();
        let tensors: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
        let value = (self.kernel)(&tensors).unwrap();
        let weights = random(value.dims(), 77).tensor(dtype);
        let loss = (&value * &weights).unwrap().sum_all().unwrap();
        let store = loss.backward().unwrap();
        let gradients = vars
            .iter()
            .map(|var| match store.get(var) {
                Some(gradient) => Matrix::of(gradient),
                None => panic!("an input has no gradient"),
            })
            .collect();
        (Matrix::of(&value), gradients)
    }

    /// Central differences of the kernel itself in f64.
    fn finite_differences(&self, idx: usize) -> Matrix {
        let step = 1e-5;
        let mut inputs = self.inputs.clone();
        let mut gradient = Matrix { shape: inputs[idx].shape.clone(), data: Vec::new() };
        let loss = |inputs: &[Matrix]| -> f64 {
            let tensors: Vec<_> = inputs.iter().map(|input| input.tensor(DType::F64)).collect();
            let value = Matrix::of(&(self.kernel)(&tensors).unwrap());
            let weights = random(&value.shape, 77);
            value.data.iter().zip(&weights.data).map(|(value, weight)| value * weight).sum()
        };
        for place in 0..inputs[idx].data.len() {
            let centre = inputs[idx].data[place];
            let [above, below] = [step, -step].map(|by| {
                inputs[idx].data[place] = centre + by;
                loss(&inputs)
            });
            inputs[idx].data[place] = centre;
            gradient.data.push((above - below) / (2.0 * step));
        }
        gradient
    }
}

/// Equal up to `tolerance` of the larger of 1 and the largest value.
pub(crate) fn assert_near(got: &Matrix, want: &Matrix, tolerance: f64, what: &str) {
    assert_eq!(got.shape, want.shape, "{what}: shape");
    let scale = want.data.iter().fold(1.0f64, |scale, value| scale.max(value.abs()));
    for (place, (got, want)) in got.data.iter().zip(&want.data).enumerate() {
        assert!((got - want).abs() <= tolerance * scale, "{what}: {got} at {place}, expected {want}");
    }
}

impl Matrix {
    pub fn tensor(&self, dtype: DType) -> Tensor {
        let shape = self.shape.as_slice();
        Tensor::from_vec(self.data.clone(), shape, &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
    }
    pub fn of(tensor: &Tensor) -> Matrix {
        let data = tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        Matrix { shape: tensor.dims().to_vec(), data }
    }
}
