//! The kernels once more, in plain loops over f64, for tests to compare with.

use super::Activation;
use super::segment::Reduce;
use crate::kernels::graph::SparseGraph;
use crate::program::Norm;

/// A dense row-major array.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Matrix {
    pub shape: Vec<usize>,
    pub data: Vec<f64>,
}

impl Matrix {
    pub fn zeros(shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), data: vec![0.0; shape.iter().product()] }
    }
    pub fn scalar(value: f64) -> Self {
        Self { shape: vec![], data: vec![value] }
    }
    pub fn rows(&self) -> usize {
        self.shape[0]
    }
    pub fn cols(&self) -> usize {
        self.shape[1]
    }
    pub fn at(&self, row: usize, col: usize) -> f64 {
        self.data[row * self.cols() + col]
    }
    pub fn at_mut(&mut self, row: usize, col: usize) -> &mut f64 {
        let place = row * self.cols() + col;
        &mut self.data[place]
    }
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self { shape: self.shape.clone(), data: self.data.iter().map(|&value| f(value)).collect() }
    }
    /// `f(row, col)` everywhere.
    pub fn make(rows: usize, cols: usize, f: impl Fn(usize, usize) -> f64) -> Self {
        let data = (0..rows * cols).map(|place| f(place / cols, place % cols)).collect();
        Self { shape: vec![rows, cols], data }
    }
}

pub(crate) fn activation(x: f64, act: Activation) -> f64 {
    match act {
        Activation::Identity => x,
        Activation::Relu => x.max(0.0),
        Activation::LeakyRelu { slope } => x.max(0.0) + slope * x.min(0.0),
        Activation::Elu { alpha } => x.max(0.0) + alpha * (x.min(0.0).exp() - 1.0),
        Activation::Gelu => 0.5 * x * (1.0 + candle_core::cpu::erf::erf_f64(x / 2f64.sqrt())),
        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Activation::Tanh => x.tanh(),
    }
}

pub(crate) fn linear(x: &Matrix, w: &Matrix, bias: Option<&Matrix>, act: Activation) -> Matrix {
    Matrix::make(x.rows(), w.cols(), |row, col| {
        let sum: f64 = (0..x.cols()).map(|k| x.at(row, k) * w.at(k, col)).sum();
        activation(sum + bias.map_or(0.0, |bias| bias.data[col]), act)
    })
}

/// The dense matrix `P` with `propagate(x) = P x`.
pub(crate) fn propagation(graph: &SparseGraph, norm: Norm) -> Matrix {
    let n = graph.n_nodes();
    let mut p = Matrix::zeros(&[n, n]);
    for target in 0..n {
        for &source in graph.adjacency.row(target) {
            *p.at_mut(target, source as usize) += 1.0;
        }
    }
    if norm == (Norm::Gcn { self_loops: true }) {
        (0..n).for_each(|node| *p.at_mut(node, node) = 1.0);
    }
    let degrees: Vec<f64> = (0..n).map(|row| (0..n).map(|col| p.at(row, col)).sum()).collect();
    let inverse = |degree: f64, power: f64| if degree == 0.0 { 0.0 } else { degree.powf(-power) };
    match norm {
        Norm::Sum => p,
        Norm::Mean => Matrix::make(n, n, |row, col| p.at(row, col) * inverse(degrees[row], 1.0)),
        Norm::Gcn { .. } => Matrix::make(n, n, |row, col| {
            p.at(row, col) * inverse(degrees[row], 0.5) * inverse(degrees[col], 0.5)
        }),
        Norm::SelfPlus { eps } => {
            Matrix::make(n, n, |row, col| p.at(row, col) + if row == col { 1.0 + eps } else { 0.0 })
        }
    }
}

pub(crate) fn propagate(x: &Matrix, graph: &SparseGraph, norm: Norm) -> Matrix {
    linear(&propagation(graph, norm), x, None, Activation::Identity)
}

pub(crate) fn propagate_max(x: &Matrix, graph: &SparseGraph) -> Matrix {
    Matrix::make(x.rows(), x.cols(), |row, col| {
        let values = graph.adjacency.row(row).iter().map(|&source| x.at(source as usize, col));
        values.reduce(f64::max).unwrap_or(0.0)
    })
}

pub(crate) fn gcn_layer(
    x: &Matrix,
    graph: &SparseGraph,
    norm: Norm,
    w: &Matrix,
    bias: Option<&Matrix>,
    act: Activation,
) -> Matrix {
    linear(&propagate(x, graph, norm), w, bias, act)
}

pub(crate) fn sage_layer(
    x: &Matrix,
    graph: &SparseGraph,
    norm: Norm,
    w: &Matrix,
    bias: Option<&Matrix>,
    act: Activation,
) -> Matrix {
    linear(&concat_columns(&[propagate(x, graph, norm), x.clone()]), w, bias, act)
}

pub(crate) fn concat_columns(parts: &[Matrix]) -> Matrix {
    let rows = parts[0].rows();
    let mut data = Vec::new();
    for row in 0..rows {
        for part in parts {
            data.extend((0..part.cols()).map(|col| part.at(row, col)));
        }
    }
    Matrix { shape: vec![rows, parts.iter().map(Matrix::cols).sum()], data }
}

pub(crate) fn gather_rows(x: &Matrix, idx: &[u32]) -> Matrix {
    Matrix::make(idx.len(), x.cols(), |row, col| x.at(idx[row] as usize, col))
}

pub(crate) fn segment_reduce(x: &Matrix, offsets: &[u32], reduce: Reduce) -> Matrix {
    Matrix::make(offsets.len() - 1, x.cols(), |segment, col| {
        let rows = offsets[segment] as usize..offsets[segment + 1] as usize;
        let n = rows.len().max(1) as f64;
        let values = rows.map(|row| x.at(row, col));
        match reduce {
            Reduce::Sum => values.sum(),
            Reduce::Mean => values.sum::<f64>() / n,
            Reduce::Max => values.reduce(f64::max).unwrap_or(0.0),
        }
    })
}

/// Mean and biased variance.
pub(crate) fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n)
}

pub(crate) fn batch_norm(x: &Matrix, gamma: &Matrix, beta: &Matrix, eps: f64, act: Activation) -> Matrix {
    let columns: Vec<_> = (0..x.cols())
        .map(|col| moments(&(0..x.rows()).map(|row| x.at(row, col)).collect::<Vec<_>>()))
        .collect();
    Matrix::make(x.rows(), x.cols(), |row, col| {
        let (mean, variance) = columns[col];
        let unit = (x.at(row, col) - mean) / (variance + eps).sqrt();
        activation(unit * gamma.data[col] + beta.data[col], act)
    })
}

pub(crate) fn layer_norm(x: &Matrix, gamma: &Matrix, beta: &Matrix, eps: f64, act: Activation) -> Matrix {
    Matrix::make(x.rows(), x.cols(), |row, col| {
        let (mean, variance) = moments(&x.data[row * x.cols()..(row + 1) * x.cols()]);
        let unit = (x.at(row, col) - mean) / (variance + eps).sqrt();
        activation(unit * gamma.data[col] + beta.data[col], act)
    })
}

pub(crate) fn graph_layer_norm(
    x: &Matrix,
    gamma: &Matrix,
    beta: &Matrix,
    offsets: &[u32],
    eps: f64,
) -> Matrix {
    let width = x.cols();
    Matrix::make(x.rows(), width, |row, col| {
        let segment = offsets.partition_point(|&offset| offset as usize <= row) - 1;
        let rows = offsets[segment] as usize * width..offsets[segment + 1] as usize * width;
        let (mean, variance) = moments(&x.data[rows]);
        (x.at(row, col) - mean) / (variance + eps).sqrt() * gamma.data[col] + beta.data[col]
    })
}

pub(crate) fn cross_entropy(logits: &Matrix, classes: &[i64], weights: &[f64]) -> f64 {
    let labelled = || (0..logits.rows()).filter(|&row| classes[row] >= 0);
    let loss = |row: usize| {
        let sum: f64 = (0..logits.cols()).map(|col| logits.at(row, col).exp()).sum();
        weights[classes[row] as usize] * (sum.ln() - logits.at(row, classes[row] as usize))
    };
    let total: f64 = labelled().map(|row| weights[classes[row] as usize]).sum();
    labelled().map(loss).sum::<f64>() / if total > 0.0 { total } else { 1.0 }
}

pub(crate) fn mse(output: &Matrix, targets: &Matrix) -> f64 {
    let squares = output.data.iter().zip(&targets.data).map(|(a, b)| (a - b).powi(2));
    squares.sum::<f64>() / output.data.len().max(1) as f64
}
