//! Message passing between the clusters of pooled graphs, whose adjacency is a small dense matrix a graph. Row `i` of it
//! says what cluster `i` gathers from the others, as a row of the sparse adjacency does for a node.

use super::custom::{Kernel, Mat, apply2, dot, plain2, plain3, product, where_needed};
use super::device;
use super::float::Float;
use super::parallel::{Output, each};
use crate::program::Norm;
use candle_core::{Result, Shape, Tensor};

/// `y_i = Σ_j A_ij x_j` in each graph.
///
/// PyG: `torch.matmul(adj, x)` in its dense layers.
///
/// # Shapes
/// - `adjacency`: `[G, k, k]`, `x`: `[G · k, F]`
/// - result: `[G · k, F]`
///
/// # Errors
/// Where the shapes do not fit.
pub fn dense_product(adjacency: &Tensor, x: &Tensor) -> Result<Tensor> {
    dense_propagate(adjacency, x, Norm::Sum)
}

/// [`dense_product`], normalised; differentiable in both, and in the degrees `d_i = max(1, Σ_j A_ij)`.
///
/// - `Sum`: `Σ_j A_ij x_j`
/// - `Mean`: `Σ_j A_ij x_j / d_i` (PyG: `DenseSAGEConv`)
/// - `Gcn`: `Σ_j A_ij x_j / √(d_i d_j)`; with `self_loops` the diagonal is set to 1 first (PyG: `DenseGCNConv`)
/// - `SelfPlus`: `(1 + eps) x_i + Σ_j A_ij x_j` (PyG: `DenseGINConv`)
///
/// # Shapes
/// - `adjacency`: `[G, k, k]`, `x`: `[G · k, F]`
/// - result: `[G · k, F]`
///
/// # Errors
/// Where the shapes do not fit.
pub fn dense_propagate(adjacency: &Tensor, x: &Tensor, norm: Norm) -> Result<Tensor> {
    if device::is_elsewhere(x)
        && let Some(y) = device::composed::dense_propagate(adjacency, x, norm)?
    {
        return Ok(y);
    }
    apply2(Propagate { norm, beside: false }, [adjacency, x])
}

/// `[propagated | x]`: what a GraphSAGE layer multiplies with one weight matrix, without a copy in between.
///
/// # Shapes
/// As [`dense_propagate`]; the result is `[G · k, 2 · F]`.
///
/// # Errors
/// Where the shapes do not fit.
pub fn dense_propagate_beside(adjacency: &Tensor, x: &Tensor, norm: Norm) -> Result<Tensor> {
    if device::is_elsewhere(x) {
        return Tensor::cat(&[dense_propagate(adjacency, x, norm)?, x.clone()], 1);
    }
    apply2(Propagate { norm, beside: true }, [adjacency, x])
}

#[derive(Clone, Copy)]
struct Propagate {
    norm: Norm,
    /// Whether `x` is written beside the sums.
    beside: bool,
}

/// (graphs, k, width)
fn sizes(adjacency: &Shape, x: &Shape) -> Result<(usize, usize, usize)> {
    let ((n_graphs, k, k_again), (rows, width)) = (adjacency.dims3()?, x.dims2()?);
    if k != k_again || n_graphs * k != rows {
        candle_core::bail!("dense_propagate: features {x:?} do not fit the adjacency {adjacency:?}");
    }
    Ok((n_graphs, k, width))
}

/// The diagonal entry as the norm sees it.
fn diagonal<T: Float>(norm: Norm, a: &[T], k: usize, i: usize) -> T {
    if matches!(norm, Norm::Gcn { self_loops: true }) { T::ONE } else { a[i * k + i] }
}

/// `Σ_j A_ij` of each row as the norm sees it.
fn row_sums<T: Float>(norm: Norm, a: &[T], k: usize, out: &mut Vec<T>) {
    out.clear();
    for i in 0..k {
        let sum = a[i * k..(i + 1) * k].iter().fold(T::ZERO, |sum, &value| sum + value);
        out.push(sum - a[i * k + i] + diagonal(norm, a, k, i));
    }
}

/// The scale of each row: `1/d`, `1/√d` or 1.
fn row_scales<T: Float>(norm: Norm, a: &[T], k: usize) -> Vec<T> {
    let mut scales = Vec::new();
    if matches!(norm, Norm::Mean | Norm::Gcn { .. }) {
        row_sums(norm, a, k, &mut scales);
        for value in &mut scales {
            let degree = if *value < T::ONE { T::ONE } else { *value };
            *value = if norm == Norm::Mean { T::ONE / degree } else { T::ONE / degree.sqrt() };
        }
    } else {
        scales.resize(k, T::ONE);
    }
    scales
}

impl Kernel<2> for Propagate {
    fn name(&self) -> &'static str {
        "dense_propagate"
    }

    fn forward<T: Float>(
        &self,
        [adjacency, x]: [&[T]; 2],
        [a_shape, x_shape]: [&Shape; 2],
    ) -> Result<(Vec<T>, Shape)> {
        let (n_graphs, k, width) = sizes(a_shape, x_shape)?;
        let stride = if self.beside { 2 * width } else { width };
        let out = Output::new(n_graphs * k * stride, 1);
        let shared = out.shared();
        each(n_graphs, 2 * n_graphs * k * k * width, |g| {
            let a = &adjacency[g * k * k..(g + 1) * k * k];
            let x = &x[g * k * width..(g + 1) * k * width];
            // SAFETY: graphs do not overlap.
            let out = unsafe { shared.part(g * k * stride..(g + 1) * k * stride) };
            let scales = row_scales(self.norm, a, k);
            let scaled;
            let source = if matches!(self.norm, Norm::Gcn { .. }) {
                scaled = scaled_rows(Mat::new(x, k, width, width), &scales);
                &scaled[..]
            } else {
                x
            };
            product(out, stride, Mat::new(a, k, k, k), Mat::new(source, k, width, width), false);
            if width == 0 {
                return;
            }
            for (i, row) in out.chunks_exact_mut(stride).enumerate() {
                let own = &x[i * width..(i + 1) * width];
                let (sums, beside) = row.split_at_mut(width);
                match self.norm {
                    Norm::Sum => {}
                    Norm::SelfPlus { eps } => super::custom::add_scaled(sums, T::of(1.0 + eps), own),
                    Norm::Mean | Norm::Gcn { .. } => {
                        let missing = diagonal(self.norm, a, k, i) - a[i * k + i];
                        if missing != T::ZERO {
                            super::custom::add_scaled(sums, missing, &source[i * width..(i + 1) * width]);
                        }
                        sums.iter_mut().for_each(|value| *value *= scales[i]);
                    }
                }
                beside.copy_from_slice(&own[..beside.len()]);
            }
        });
        // SAFETY: of every row of every graph the product writes the first `width` numbers, and `beside` the others.
        Ok((unsafe { out.finish() }, (n_graphs * k, stride).into()))
    }

    fn backward(&self, [a, x]: [&Tensor; 2], _: &Tensor, grad: &Tensor) -> Result<[Option<Tensor>; 2]> {
        Ok([
            where_needed(a, || plain3(PropagateGradA(*self), [a, x, grad]))?,
            where_needed(x, || plain2(PropagateGradX(*self), [a, grad]))?,
        ])
    }
}

/// Rows times their scales, in a new matrix.
fn scaled_rows<T: Float>(x: Mat<T>, scales: &[T]) -> Vec<T> {
    let (rows, width) = x.size();
    let mut out = Vec::with_capacity(rows * width);
    for (i, &scale) in scales.iter().enumerate().take(rows) {
        out.extend(x.values_from(i)[..width].iter().map(|&value| scale * value));
    }
    out
}

/// `dx = Aᵀ dy`, with the scales of the norm on both sides.
struct PropagateGradX(Propagate);

impl Kernel<2> for PropagateGradX {
    fn name(&self) -> &'static str {
        "dense_propagate_grad_x"
    }

    fn forward<T: Float>(
        &self,
        [adjacency, grad]: [&[T]; 2],
        [a_shape, grad_shape]: [&Shape; 2],
    ) -> Result<(Vec<T>, Shape)> {
        let Propagate { norm, beside } = self.0;
        let (n_graphs, k, stride) = sizes(a_shape, grad_shape)?;
        let width = if beside { stride / 2 } else { stride };
        let out = Output::new(n_graphs * k * width, 1);
        let shared = out.shared();
        each(n_graphs, 2 * n_graphs * k * k * width, |g| {
            let a = &adjacency[g * k * k..(g + 1) * k * k];
            let grad = &grad[g * k * stride..(g + 1) * k * stride];
            // SAFETY: graphs do not overlap.
            let out = unsafe { shared.part(g * k * width..(g + 1) * k * width) };
            let sums = Mat::new(grad, k, width, stride);
            let scales = row_scales(norm, a, k);
            let scaled;
            let source = if matches!(norm, Norm::Mean | Norm::Gcn { .. }) {
                scaled = scaled_rows(sums, &scales);
                Mat::new(&scaled, k, width, width)
            } else {
                sums
            };
            product(out, width, Mat::new(a, k, k, k).transposed(), source, false);
            for (i, out) in out.chunks_exact_mut(width.max(1)).enumerate() {
                let own = &grad[i * stride..(i + 1) * stride];
                match norm {
                    Norm::Sum | Norm::Mean => {}
                    Norm::SelfPlus { eps } => super::custom::add_scaled(out, T::of(1.0 + eps), own),
                    Norm::Gcn { .. } => {
                        let missing = diagonal(norm, a, k, i) - a[i * k + i];
                        super::custom::add_scaled(out, missing, source.values_from(i));
                        out.iter_mut().for_each(|value| *value *= scales[i]);
                    }
                }
                if beside {
                    super::custom::add_to(out, &own[width..]);
                }
            }
        });
        // SAFETY: the product of every graph writes all of its rows.
        Ok((unsafe { out.finish() }, (n_graphs * k, width).into()))
    }
}

/// `dA_ij = dy_i · x_j`, scaled, and through the degrees.
struct PropagateGradA(Propagate);

impl Kernel<3> for PropagateGradA {
    fn name(&self) -> &'static str {
        "dense_propagate_grad_a"
    }

    fn forward<T: Float>(
        &self,
        [adjacency, x, grad]: [&[T]; 3],
        [a_shape, x_shape, _]: [&Shape; 3],
    ) -> Result<(Vec<T>, Shape)> {
        let Propagate { norm, beside } = self.0;
        let (n_graphs, k, width) = sizes(a_shape, x_shape)?;
        let stride = if beside { 2 * width } else { width };
        let out = Output::new(n_graphs * k * k, 1);
        let shared = out.shared();
        each(n_graphs, 2 * n_graphs * k * k * width, |g| {
            let a = &adjacency[g * k * k..(g + 1) * k * k];
            let x = Mat::new(&x[g * k * width..(g + 1) * k * width], k, width, width);
            let grad = Mat::new(&grad[g * k * stride..(g + 1) * k * stride], k, width, stride);
            // SAFETY: graphs do not overlap.
            let out = unsafe { shared.part(g * k * k..(g + 1) * k * k) };
            product(out, k, grad, x.transposed(), false);
            match norm {
                Norm::Sum | Norm::SelfPlus { .. } => {}
                Norm::Mean => through_mean(a, k, out),
                Norm::Gcn { self_loops } => through_gcn(norm, self_loops, a, k, out),
            }
        });
        // SAFETY: the product of every graph writes its whole matrix.
        Ok((unsafe { out.finish() }, a_shape.clone()))
    }
}

/// With `T_ij = dy_i · x_j / d_i`: `dA_ij = T_ij − Σ_j A_ij T_ij / d_i`, the last only where `d_i` is the row sum.
fn through_mean<T: Float>(a: &[T], k: usize, out: &mut [T]) {
    let mut sums = Vec::new();
    row_sums(Norm::Mean, a, k, &mut sums);
    for (i, out) in out.chunks_exact_mut(k.max(1)).enumerate() {
        // At 1 itself the clamped degree is flat, as in PyG: a cluster that sees only itself is there.
        let is_sum = sums[i] > T::ONE;
        let scale = if is_sum { T::ONE / sums[i] } else { T::ONE };
        out.iter_mut().for_each(|value| *value *= scale);
        if is_sum {
            let through_degree = dot(&a[i * k..(i + 1) * k], out) * scale;
            out.iter_mut().for_each(|value| *value -= through_degree);
        }
    }
}

/// With `T_ij = dy_i · x_j` and `s = d^-1/2`: `dA_ij = s_i s_j T_ij + dd_i`, where
/// `dd_i = −½ s_i³ (Σ_j A_ij s_j T_ij + Σ_j A_ji s_j T_ji)` reaches the whole row through its sum.
fn through_gcn<T: Float>(norm: Norm, self_loops: bool, a: &[T], k: usize, out: &mut [T]) {
    let mut sums = Vec::new();
    row_sums(norm, a, k, &mut sums);
    let scales = row_scales(norm, a, k);
    let mut of_scales = vec![T::ZERO; k];
    for i in 0..k {
        for j in 0..k {
            let entry = if i == j { diagonal(norm, a, k, i) } else { a[i * k + j] };
            of_scales[i] += entry * scales[j] * out[i * k + j];
            of_scales[j] += entry * scales[i] * out[i * k + j];
        }
    }
    for i in 0..k {
        // At 1 itself the clamped degree is flat, as in PyG: a cluster that sees only itself is there.
        let is_sum = sums[i] > T::ONE;
        let through_degree = T::of(-0.5) * scales[i] * scales[i] * scales[i] * of_scales[i];
        for j in 0..k {
            let value = &mut out[i * k + j];
            *value = scales[i] * scales[j] * *value + if is_sum { through_degree } else { T::ZERO };
        }
        if self_loops {
            // The diagonal was replaced.
            out[i * k + i] = T::ZERO;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testkit::{
        Golden, assert_close, assert_gradients, random, same_bits_for_any_threads, values,
    };
    use candle_core::{D, DType};

    const NORMS: [Norm; 5] = [
        Norm::Sum,
        Norm::Mean,
        Norm::Gcn { self_loops: true },
        Norm::Gcn { self_loops: false },
        Norm::SelfPlus { eps: 0.3 },
    ];

    /// The formulas with plain tensors, `[G, k, k]` and `[G, k, F]`.
    fn plain(a: &Tensor, x: &Tensor, norm: Norm) -> Tensor {
        let eye = Tensor::eye(a.dim(1).unwrap(), a.dtype(), a.device()).unwrap();
        let a = if norm == (Norm::Gcn { self_loops: true }) {
            let off = (1.0 - &eye).unwrap();
            a.broadcast_mul(&off).unwrap().broadcast_add(&eye).unwrap()
        } else {
            a.clone()
        };
        let degree = a.sum_keepdim(D::Minus1).unwrap().maximum(1.0).unwrap();
        match norm {
            Norm::Sum => a.matmul(x).unwrap(),
            Norm::Mean => a.matmul(x).unwrap().broadcast_div(&degree).unwrap(),
            Norm::SelfPlus { eps } => (a.matmul(x).unwrap() + (x * (1.0 + eps)).unwrap()).unwrap(),
            Norm::Gcn { .. } => {
                let scale = degree.powf(-0.5).unwrap();
                a.matmul(&x.broadcast_mul(&scale).unwrap()).unwrap().broadcast_mul(&scale).unwrap()
            }
        }
    }

    #[test]
    fn every_norm_matches_plain_tensors() {
        for (k, width) in [(1, 1), (7, 5), (38, 64), (3, 0)] {
            let (a, x) = (random(&[3, k, k], 1).abs().unwrap(), random(&[3 * k, width], 2));
            for norm in NORMS {
                let got = dense_propagate(&a, &x, norm).unwrap();
                assert_eq!(got.dims(), [3 * k, width]);
                if width == 0 {
                    continue;
                }
                let expected = plain(&a, &x.reshape((3, k, width)).unwrap(), norm);
                assert_close(&got, &expected.reshape((3 * k, width)).unwrap(), 1e-12);
                let beside = dense_propagate_beside(&a, &x, norm).unwrap();
                assert_close(&beside, &Tensor::cat(&[&got, &x], 1).unwrap(), 0.0);
            }
        }
    }

    #[test]
    fn gradients_match_finite_differences() {
        let (a, x) = (random(&[2, 4, 4], 3).abs().unwrap(), random(&[8, 3], 4));
        for norm in NORMS {
            assert_gradients(|args| dense_propagate(&args[0], &args[1], norm), &[a.clone(), x.clone()]);
            assert_gradients(
                |args| dense_propagate_beside(&args[0], &args[1], norm),
                &[a.clone(), x.clone()],
            );
        }
        // Row sums below 1, where the degree is cut off at 1.
        let faint = (a * 0.1).unwrap();
        for norm in NORMS {
            assert_gradients(|args| dense_propagate(&args[0], &args[1], norm), &[faint.clone(), x.clone()]);
        }
    }

    #[test]
    fn dense_layers_match_pyg() {
        for (case, norm, weight) in [
            ("dense_gcn_conv", Norm::Gcn { self_loops: true }, "params/lin.weight"),
            ("dense_sage_conv", Norm::Mean, "params/lin_rel.weight"),
        ] {
            let golden = Golden::load(case);
            let x = golden.tensor("inputs/x").squeeze(0).unwrap();
            let weight = golden.tensor(weight).t().unwrap();
            let mut out =
                dense_propagate(&golden.tensor("inputs/adj"), &x.matmul(&weight).unwrap(), norm).unwrap();
            if norm == Norm::Mean {
                let root = golden.tensor("params/lin_root.weight").t().unwrap();
                out = (out + x.matmul(&root).unwrap()).unwrap();
            }
            let bias = if norm == Norm::Mean { "params/lin_root.bias" } else { "params/bias" };
            let out = out.broadcast_add(&golden.tensor(bias)).unwrap();
            assert_close(&out.unsqueeze(0).unwrap(), &golden.tensor("outputs/out"), 1e-8);
        }
    }

    #[test]
    fn one_and_two_threads_give_the_same_bits_and_so_does_a_graph_alone() {
        let (a, x) = (random(&[30, 20, 20], 5).abs().unwrap(), random(&[600, 16], 6));
        let (a, x) = (a.to_dtype(DType::F32).unwrap(), x.to_dtype(DType::F32).unwrap());
        for norm in NORMS {
            same_bits_for_any_threads(|| dense_propagate(&a, &x, norm).unwrap());
            let alone =
                dense_propagate(&a.narrow(0, 7, 1).unwrap(), &x.narrow(0, 140, 20).unwrap(), norm).unwrap();
            let batch = dense_propagate(&a, &x, norm).unwrap().narrow(0, 140, 20).unwrap();
            assert_eq!(values(&alone), values(&batch));
        }
    }
}
