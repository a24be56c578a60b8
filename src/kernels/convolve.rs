//! Graph convolutions: aggregation and product fused, on blocks of rows that stay in the cache.

use super::activation::{Activation, activate, masked};
use super::device;
use super::float::{Float, View, by_dtype, finish, values};
use super::linear::{Gradients, Needs, add_column_sums, check_bias, rounded};
use super::parallel::{Output, fill_rows, map_chunks, sum_partials};
use super::product::{Start, finish_rows, product, product_at, product_of_rows, transposed};
use super::propagate::{Scales, aggregate_rows, check_rows, propagate};
use super::summation::Summation;
use super::tape::{Reads, Recorded};
use crate::kernels::graph::SparseGraph;
use crate::program::Norm;
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail};
use std::ops::Range;
use std::sync::Arc;

/// `act(P x w + bias)`, with `P` the propagation of `norm`.
///
/// - `x`: `[N, I]`
/// - `w`: `[I, O]`
/// - `bias`: `[O]`
/// - result: `[N, O]`
///
/// Aggregates first where that is the narrower (`I ≤ O`), else transforms first.
/// PyG: `GCNConv` (`Norm::Gcn`), `GINConv` with one linear layer (`Norm::SelfPlus`).
///
/// # Errors
/// Where the shapes do not fit, or the type is neither f32 nor f64.
pub fn gcn_layer(
    x: &Tensor,
    graph: &Arc<SparseGraph>,
    norm: Norm,
    w: &Tensor,
    bias: Option<&Tensor>,
    act: Activation,
) -> Result<Tensor> {
    let (_, width) = check_rows("gcn_layer", x, graph)?;
    let (n_in, n_out) = w.dims2()?;
    if n_in != width {
        bail!("`gcn_layer` got {width} features for a weight of shape [{n_in}, {n_out}]")
    }
    convolve("gcn_layer", x, graph, norm, w, bias, act, false)
}

/// `act([P x | x] w + bias)`: rows `0..I` of `w` are for the aggregate, rows `I..2I` for the node itself.
/// With a `w` of `I` rows the node itself is left out.
///
/// - `x`: `[N, I]`
/// - `w`: `[2I, O]` or `[I, O]`
/// - `bias`: `[O]`
/// - result: `[N, O]`
///
/// PyG: `SAGEConv` (`lin_l` over `lin_r`), `GraphConv`.
///
/// # Errors
/// Where the shapes do not fit, or the type is neither f32 nor f64.
pub fn sage_layer(
    x: &Tensor,
    graph: &Arc<SparseGraph>,
    norm: Norm,
    w: &Tensor,
    bias: Option<&Tensor>,
    act: Activation,
) -> Result<Tensor> {
    let (_, width) = check_rows("sage_layer", x, graph)?;
    let (n_in, n_out) = w.dims2()?;
    if n_in != width && n_in != 2 * width {
        bail!("`sage_layer` got {width} features for a weight of shape [{n_in}, {n_out}]")
    }
    convolve("sage_layer", x, graph, norm, w, bias, act, n_in == 2 * width)
}

#[allow(clippy::too_many_arguments)] // The two layers above with what tells them apart.
fn convolve(
    name: &'static str,
    x: &Tensor,
    graph: &Arc<SparseGraph>,
    norm: Norm,
    w: &Tensor,
    bias: Option<&Tensor>,
    act: Activation,
    has_root: bool,
) -> Result<Tensor> {
    check_bias(name, bias, w.dim(1)?)?;
    if device::is_elsewhere(x) && Summation::current().is_reproducible() {
        let on_cpu = |x: &Tensor, w: &Tensor, bias: Option<&Tensor>| {
            convolve(name, x, graph, norm, w, bias, act, has_root)
        };
        return match bias {
            Some(bias) => device::on_host([x, w, bias], |[x, w, bias]| on_cpu(&x, &w, Some(&bias))),
            None => device::on_host([x, w], |[x, w]| on_cpu(&x, &w, None)),
        };
    }
    if device::is_elsewhere(x) {
        let (aggregate, width) = (propagate(x, graph, norm)?, x.dim(1)?);
        if !has_root {
            return device::composed::linear(&aggregate, w, bias, act);
        }
        let aggregate = aggregate.matmul(&w.narrow(0, 0, width)?)?;
        let own = device::composed::linear(x, &w.narrow(0, width, width)?, bias, Activation::Identity)?;
        return device::composed::activate(&(aggregate + own)?, act);
    }
    let (inside, after) = act.split();
    let op = Convolution { graph: graph.clone(), norm, act: inside, has_root };
    let (x, w) = (x.contiguous()?, w.contiguous()?);
    let reads = Reads::ARGS.with_result(inside != Activation::Identity);
    let y = match bias {
        Some(bias) => x.recorded3(&w, &bias.contiguous()?, op, reads)?,
        None => x.recorded2(&w, op, reads)?,
    };
    activate(&y, after)
}

/// Rows whose aggregate stays in the first-level cache until the product has used it.
const TILE_ROWS: usize = 64;

fn tiles(rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    rows.clone().step_by(TILE_ROWS).map(move |first| first..(first + TILE_ROWS).min(rows.end))
}

struct Convolution {
    graph: Arc<SparseGraph>,
    norm: Norm,
    act: Activation,
    has_root: bool,
}

impl Convolution {
    fn forward<T: Float>(&self, x: &[T], n_in: usize, w: &[T], n_out: usize, bias: Option<&[T]>) -> Vec<T> {
        let csr = &*self.graph.adjacency;
        let summation = Summation::current();
        let n_rows = csr.n_rows();
        let scales = Scales::<T>::new(&self.graph, self.norm);
        let (w_neighbours, w_root) = w.split_at(n_in * n_out);
        let work = n_rows * n_in * n_out / 8 + csr.n_entries() * n_in.min(n_out);
        let bias = bias.map_or(Start::Zero, Start::Bias);
        // The part of the node itself is added last, and with it the activation.
        let (act, root_act) =
            if self.has_root { (Activation::Identity, self.act) } else { (self.act, self.act) };
        let add_root = |rows: Range<usize>, out: &mut [T]| {
            if self.has_root {
                let x = &x[rows.start * n_in..];
                product_of_rows(summation, rows.len(), n_in, n_out, x, w_root, out, Start::Sum, root_act);
            }
        };
        if n_in <= n_out {
            // SAFETY: the product writes all of `out`.
            unsafe {
                fill_rows(n_rows, n_out, work, |rows, out| {
                    let mut aggregated = vec![T::ZERO; TILE_ROWS.min(rows.len()) * n_in];
                    for tile in tiles(rows.clone()) {
                        let n = tile.len();
                        let out = &mut out[(tile.start - rows.start) * n_out..][..n * n_out];
                        let aggregated = &mut aggregated[..n * n_in];
                        aggregate_rows(csr, scales, x, n_in, tile.clone(), aggregated);
                        product_of_rows(summation, n, n_in, n_out, aggregated, w_neighbours, out, bias, act);
                        add_root(tile, out);
                    }
                })
            }
        } else {
            // SAFETY: the product, and then the aggregation, write all of `out`.
            unsafe {
                let transformed = fill_rows(n_rows, n_out, n_rows * n_in * n_out / 8, |rows, out| {
                    let x = &x[rows.start * n_in..];
                    product_of_rows(
                        summation,
                        rows.len(),
                        n_in,
                        n_out,
                        x,
                        w_neighbours,
                        out,
                        Start::Zero,
                        Activation::Identity,
                    );
                });
                fill_rows(n_rows, n_out, work, |rows, out| {
                    aggregate_rows(csr, scales, &transformed, n_out, rows.clone(), out);
                    finish_rows(out, bias, act);
                    add_root(rows, out);
                })
            }
        }
    }

    fn backward(
        &self,
        x: &Tensor,
        w: &Tensor,
        bias: Option<&Tensor>,
        res: &Tensor,
        grad: &Tensor,
    ) -> Result<Gradients> {
        let needs = Needs::of(x, w, bias);
        by_dtype!(x.dtype(), T => self.backward_typed::<T>(x, w, needs, res, grad))
    }

    /// With `G` the gradient before the activation and `H = Pᵀ G`: `dx = H Wₐᵀ + G Wᵣᵀ`, `dWₐ = xᵀ H`, `dWᵣ = xᵀ G`.
    /// Where no `dx` is wanted and the input is narrow, `dWₐ = (P x)ᵀ G` is less work.
    fn backward_typed<T: Float>(
        &self,
        x: &Tensor,
        w: &Tensor,
        needs: Needs,
        res: &Tensor,
        grad: &Tensor,
    ) -> Result<Gradients> {
        let (n_rows, n_in) = x.dims2()?;
        let n_out = w.dim(1)?;
        let grad = grad.contiguous()?;
        let (x_values, w_values) = (View::<T>::new(x)?, View::<T>::new(w)?);
        let y = View::<T>::where_read(res, self.act != Activation::Identity)?;
        let g = View::<T>::new(&grad)?;
        let masked = masked(&g, &y, self.act);
        let g: &[T] = masked.as_deref().unwrap_or(&g);
        let (w_neighbours, w_root) = w_values.split_at(n_in * n_out);
        let scales = Scales::<T>::new(&self.graph, self.norm);
        let aggregates_input = !needs.x && n_in <= n_out;

        let w_transposed = |w: &[T]| if needs.x { transposed(w, n_in, n_out) } else { Vec::new() };
        let w_neighbours = w_transposed(w_neighbours);
        let w_root = if self.has_root { w_transposed(w_root) } else { Vec::new() };
        let dx = Output::new(if needs.x { n_rows } else { 0 }, n_in);
        let work = n_rows * n_in * n_out / 4 + self.graph.adjacency.n_entries() * n_out;
        let partials = map_chunks(n_rows, work, |rows| {
            let mut dw = vec![T::ZERO; if needs.w { w_values.len() } else { 0 }];
            let mut db = vec![0.0; if needs.bias { n_out } else { 0 }];
            let mut scratch = vec![T::ZERO; TILE_ROWS.min(rows.len()) * n_in.max(n_out)];
            for tile in tiles(rows) {
                let n = tile.len();
                let x_rows = &x_values[tile.start * n_in..tile.end * n_in];
                let g_rows = &g[tile.start * n_out..tile.end * n_out];
                if needs.w && self.has_root {
                    product_at(n_in, n, n_out, x_rows, g_rows, &mut dw[n_in * n_out..], true);
                }
                if aggregates_input {
                    if needs.w {
                        let aggregated = &mut scratch[..n * n_in];
                        aggregate_rows(&self.graph.adjacency, scales, &x_values, n_in, tile, aggregated);
                        product_at(n_in, n, n_out, aggregated, g_rows, &mut dw, true);
                    }
                } else {
                    let h = &mut scratch[..n * n_out];
                    aggregate_rows(&self.graph.transpose, scales.transposed(), g, n_out, tile.clone(), h);
                    if needs.w {
                        product_at(n_in, n, n_out, x_rows, h, &mut dw, true);
                    }
                    if needs.x {
                        // SAFETY: tiles are disjoint and the product writes all of the rows.
                        let dx = unsafe { dx.rows(tile) };
                        product(n, n_out, n_in, h, &w_neighbours, dx, Start::Zero, Activation::Identity);
                        if self.has_root {
                            product(n, n_out, n_in, g_rows, &w_root, dx, Start::Sum, Activation::Identity);
                        }
                    }
                }
                if needs.bias {
                    add_column_sums(g_rows, &mut db);
                }
            }
            (dw, db)
        });
        let (dw, db) = partials.into_iter().unzip();
        // SAFETY: the chunks cover all rows.
        let dx = needs.x.then(|| unsafe { dx.finish() });
        Gradients::new(
            dx.map(|dx| Tensor::from_vec(dx, x.shape(), x.device())),
            needs.w.then(|| Tensor::from_vec(sum_partials::<T>(dw, w_values.len()), w.shape(), w.device())),
            needs.bias.then(|| Tensor::from_vec(rounded::<T>(&sum_partials(db, n_out)), n_out, w.device())),
        )
    }
}

impl CustomOp2 for Convolution {
    fn name(&self) -> &'static str {
        "convolution"
    }
    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        w: &CpuStorage,
        wl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n_rows, n_in, n_out) = (xl.dims()[0], xl.dims()[1], wl.dims()[1]);
        by_dtype!(x.dtype(), T => {
            let out = self.forward::<T>(values(x, xl)?, n_in, values(w, wl)?, n_out, None);
            Ok(finish(out, (n_rows, n_out)))
        })
    }
    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let gradients = self.backward(x, w, None, res, grad)?;
        Ok((gradients.x, gradients.w))
    }
}

impl CustomOp3 for Convolution {
    fn name(&self) -> &'static str {
        "convolution"
    }
    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        w: &CpuStorage,
        wl: &Layout,
        bias: &CpuStorage,
        bl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n_rows, n_in, n_out) = (xl.dims()[0], xl.dims()[1], wl.dims()[1]);
        by_dtype!(x.dtype(), T => {
            let out = self.forward::<T>(values(x, xl)?, n_in, values(w, wl)?, n_out, Some(values(bias, bl)?));
            Ok(finish(out, (n_rows, n_out)))
        })
    }
    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        bias: &Tensor,
        res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let gradients = self.backward(x, w, Some(bias), res, grad)?;
        Ok((gradients.x, gradients.w, gradients.bias))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::reference;
    use crate::kernels::testing::{Case, graph, random, random_graph};

    const GCN: Norm = Norm::Gcn { self_loops: true };

    fn check_layers(graph: &Arc<SparseGraph>, norm: Norm, n_in: usize, n_out: usize, act: Activation) {
        let [x, b] = [random(&[graph.n_nodes(), n_in], 1), random(&[n_out], 3)];
        let [w, w_both] = [random(&[n_in, n_out], 2), random(&[2 * n_in, n_out], 4)];
        Case::new(&[x.clone(), w.clone(), b.clone()], |x| {
            gcn_layer(&x[0], graph, norm, &x[1], Some(&x[2]), act)
        })
        .equals(|x| reference::gcn_layer(&x[0], graph, norm, &x[1], Some(&x[2]), act));
        Case::new(&[x.clone(), w_both.clone(), b], |x| {
            sage_layer(&x[0], graph, norm, &x[1], Some(&x[2]), act)
        })
        .equals(|x| reference::sage_layer(&x[0], graph, norm, &x[1], Some(&x[2]), act));
        Case::new(&[x.clone(), w_both], |x| sage_layer(&x[0], graph, norm, &x[1], None, act))
            .equals(|x| reference::sage_layer(&x[0], graph, norm, &x[1], None, act));
        Case::new(&[x, w], |x| sage_layer(&x[0], graph, norm, &x[1], None, act))
            .equals(|x| reference::gcn_layer(&x[0], graph, norm, &x[1], None, act));
    }

    #[test]
    fn layers_are_propagation_then_product_for_any_widths() {
        let directed = random_graph(&[4, 1, 7], 2.0, false, 9);
        for (n_in, n_out, norm, act) in [
            (3, 5, GCN, Activation::Relu),
            (5, 3, GCN, Activation::Relu),
            (1, 1, Norm::Mean, Activation::Identity),
            (4, 17, Norm::Mean, Activation::Sigmoid),
            (17, 2, Norm::Sum, Activation::Gelu),
            (2, 3, Norm::SelfPlus { eps: 0.5 }, Activation::Relu),
        ] {
            check_layers(&directed, norm, n_in, n_out, act);
        }
    }

    #[test]
    fn empty_graphs_and_isolated_nodes_are_fine() {
        check_layers(&graph(0, &[], vec![0]), GCN, 3, 4, Activation::Relu);
        check_layers(&graph(3, &[], vec![0, 0, 3]), GCN, 3, 4, Activation::Relu);
        check_layers(&graph(3, &[], vec![0, 0, 3]), Norm::Mean, 4, 3, Activation::Relu);
    }

    #[test]
    fn the_gradient_of_a_weight_is_the_same_where_the_input_needs_none() {
        let graph = random_graph(&[4, 7], 2.0, false, 9);
        let x = random(&[11, 3], 1).tensor(candle_core::DType::F64);
        let w = candle_core::Var::from_tensor(&random(&[6, 5], 2).tensor(candle_core::DType::F64)).unwrap();
        let x_var = candle_core::Var::from_tensor(&x).unwrap();
        let [narrow, general] = [&x, x_var.as_tensor()].map(|x| {
            let y = sage_layer(x, &graph, GCN, &w, None, Activation::Tanh).unwrap();
            let gradients = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            assert_eq!(gradients.get(x).is_some(), x.is_variable());
            reference::Matrix::of(gradients.get(&w).unwrap())
        });
        crate::kernels::testing::assert_near(&narrow, &general, 1e-12, "weight gradient");
    }

    #[test]
    fn large_layers_have_the_same_bits_on_any_number_of_threads() {
        let graph = random_graph(&[1500, 1500], 4.0, false, 1);
        for (n_in, n_out) in [(64, 64), (96, 32)] {
            let inputs = [random(&[3000, n_in], 1), random(&[2 * n_in, n_out], 2), random(&[n_out], 3)];
            Case::new(&inputs, |x| sage_layer(&x[0], &graph, GCN, &x[1], Some(&x[2]), Activation::Relu))
                .has_same_bits_on_any_number_of_threads();
        }
    }
}
