//! Dense layers out of Candle's own operators, for devices that have no fused kernels.

use crate::kernels::{Activation, Norm};
use candle_core::{D, Result, Tensor, Var};

/// `act(x w + bias)`.
pub(crate) fn linear(x: &Tensor, w: &Tensor, bias: Option<&Tensor>, act: Activation) -> Result<Tensor> {
    let y = x.matmul(w)?;
    let y = match bias {
        Some(bias) => y.broadcast_add(bias)?,
        None => y,
    };
    activate(&y, act)
}

/// The elementwise function.
pub(crate) fn activate(x: &Tensor, act: Activation) -> Result<Tensor> {
    match act {
        Activation::Identity => Ok(x.clone()),
        Activation::Relu => x.relu(),
        // max(x, 0) + slope · min(x, 0)
        Activation::LeakyRelu { slope } => x.relu()? - (x.neg()?.relu()? * slope)?,
        Activation::Elu { alpha } => x.elu(alpha),
        // Candle's own has a derivative of seven digits.
        Activation::Gelu => (((x * std::f64::consts::FRAC_1_SQRT_2)?.erf()? + 1.0)? * 0.5)? * x,
        Activation::Sigmoid => ((x.neg()?.exp()? + 1.0)?).recip(),
        Activation::Tanh => x.tanh(),
    }
}

/// Softmax over the last axis.
pub(crate) fn softmax_rows(x: &Tensor) -> Result<Tensor> {
    let exp = x.broadcast_sub(&x.max_keepdim(D::Minus1)?.detach())?.exp()?;
    exp.broadcast_div(&exp.sum_keepdim(D::Minus1)?)
}

/// Batch norm with its running statistics, as [`crate::kernels::batch_norm`].
#[allow(clippy::too_many_arguments)] // The layer's own list.
pub(crate) fn batch_norm(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    running: (&Var, &Var),
    momentum: f64,
    eps: f64,
    train: bool,
    act: Activation,
) -> Result<Tensor> {
    let n_rows = x.dim(0)?;
    let (centred, variance) = if train && n_rows > 0 {
        let mean = x.mean_keepdim(0)?;
        let centred = x.broadcast_sub(&mean)?;
        let variance = centred.sqr()?.mean_keepdim(0)?;
        let moved = |var: &Var, target: &Tensor, factor: f64| -> Result<()> {
            let target = target.detach().squeeze(0)?;
            var.set(&((var.as_tensor() * (1.0 - momentum))? + (target * (momentum * factor))?)?.detach())
        };
        moved(running.0, &mean, 1.0)?;
        if n_rows > 1 {
            moved(running.1, &variance, n_rows as f64 / (n_rows - 1) as f64)?;
        }
        (centred, variance)
    } else {
        (x.broadcast_sub(&running.0.as_detached_tensor())?, running.1.as_detached_tensor().unsqueeze(0)?)
    };
    let scaled = centred.broadcast_div(&(variance + eps)?.sqrt()?)?;
    activate(&scaled.broadcast_mul(gamma)?.broadcast_add(beta)?, act)
}

/// Layer norm of each row.
pub(crate) fn layer_norm(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    eps: f64,
    act: Activation,
) -> Result<Tensor> {
    let centred = x.broadcast_sub(&x.mean_keepdim(1)?)?;
    let deviation = (centred.sqr()?.mean_keepdim(1)? + eps)?.sqrt()?;
    activate(&centred.broadcast_div(&deviation)?.broadcast_mul(gamma)?.broadcast_add(beta)?, act)
}

/// `Σ w[class] · −log softmax(logits)[class] / total` over the labelled rows.
pub(crate) fn cross_entropy(logits: &Tensor, classes: &[i64], weights: &[f64], total: f64) -> Result<Tensor> {
    let device = logits.device();
    let n_rows = super::size("rows", classes.len())?;
    let labelled: Vec<u32> = (0..n_rows).filter(|&row| classes[row as usize] >= 0).collect();
    if labelled.is_empty() {
        return logits.sum_all()? * 0.0;
    }
    let picked: Vec<u32> = labelled.iter().map(|&row| classes[row as usize] as u32).collect();
    let n = labelled.len();
    let rows = logits.index_select(&Tensor::from_vec(labelled, n, device)?, 0)?;
    let shifted = rows.broadcast_sub(&rows.max_keepdim(D::Minus1)?.detach())?;
    let log_sum = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    let row_weights: Vec<f64> = picked.iter().map(|&class| weights[class as usize] / total).collect();
    let picked = Tensor::from_vec(picked, (n, 1), device)?;
    let losses = (log_sum - shifted.gather(&picked, 1)?)?;
    let row_weights = Tensor::from_vec(row_weights, (n, 1), device)?.to_dtype(losses.dtype())?;
    (losses * row_weights)?.sum_all()
}

/// The sum of squared differences over `total`.
pub(crate) fn mse(output: &Tensor, targets: &Tensor, total: f64) -> Result<Tensor> {
    (output - targets)?.sqr()?.sum_all()? / total
}

/// Dropout by a mask made on the host, the same one as on the CPU.
pub(crate) fn dropout(x: &Tensor, p: f64, seed: u64) -> Result<Tensor> {
    let ones = Tensor::ones(x.shape(), x.dtype(), &candle_core::Device::Cpu)?;
    x * crate::kernels::dropout(&ones, p, seed)?.to_device(x.device())?
}

/// `SᵀZ` of every segment, as one product a graph: `[G·k, F]`.
pub(crate) fn segment_product(s: &Tensor, z: &Tensor, offsets: &[u32]) -> Result<Tensor> {
    let mut parts = Vec::with_capacity(offsets.len().saturating_sub(1));
    for pair in offsets.windows(2) {
        let (start, len) = (pair[0] as usize, (pair[1] - pair[0]) as usize);
        parts.push(if len == 0 {
            Tensor::zeros((s.dim(1)?, z.dim(1)?), z.dtype(), z.device())?
        } else {
            s.narrow(0, start, len)?.t()?.contiguous()?.matmul(&z.narrow(0, start, len)?.contiguous()?)?
        });
    }
    Tensor::cat(&parts, 0)
}

/// `A X` of every graph's clusters, normalised: `[G, k, k] × [G·k, F]`. `None` for the norms that are left to the
/// host.
pub(crate) fn dense_propagate(adjacency: &Tensor, x: &Tensor, norm: Norm) -> Result<Option<Tensor>> {
    let (n_graphs, k, _) = adjacency.dims3()?;
    let width = x.dim(1)?;
    let product = || adjacency.matmul(&x.reshape((n_graphs, k, width))?)?.reshape((n_graphs * k, width));
    Ok(Some(match norm {
        Norm::Sum => product()?,
        Norm::SelfPlus { eps } => (product()? + (x * (1.0 + eps))?)?,
        Norm::Mean => {
            let degrees = adjacency.sum_keepdim(2)?.reshape((n_graphs * k, 1))?;
            product()?.broadcast_div(&degrees.maximum(&degrees.ones_like()?)?)?
        }
        Norm::Gcn { .. } => return Ok(None),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels;
    use candle_core::Device;
    use std::sync::Arc;

    fn random(shape: &[usize], seed: usize) -> Var {
        let n: usize = shape.iter().product();
        // A low-discrepancy sequence: deterministic, and without two equal values.
        let data: Vec<f64> =
            (0..n).map(|i| (((i + 1) * (2 * seed + 3)) as f64 * 0.618_034).fract() * 2.0 - 1.0).collect();
        Var::from_vec(data, shape, &Device::Cpu).unwrap()
    }

    /// Values and gradients of both versions agree.
    fn same(inputs: &[Var], fused: impl Fn() -> Result<Tensor>, composed: impl Fn() -> Result<Tensor>) {
        let run = |f: &dyn Fn() -> Result<Tensor>| -> Result<Vec<Vec<f64>>> {
            let y = f()?;
            let weights = random(&[y.elem_count()], 9).as_detached_tensor();
            let grads = (y.flatten_all()? * weights)?.sum_all()?.backward()?;
            let mut all = vec![y.flatten_all()?.to_vec1()?];
            for input in inputs {
                all.push(grads.get(input).expect("every input has a gradient").flatten_all()?.to_vec1()?);
            }
            Ok(all)
        };
        for (a, b) in run(&fused).unwrap().iter().zip(run(&composed).unwrap()) {
            assert_eq!(a.len(), b.len());
            for (a, b) in a.iter().zip(b) {
                // Candle differentiates GELU with constants of eight digits.
                assert!((a - b).abs() < 1e-6 * (1.0 + a.abs()), "{a} {b}");
            }
        }
    }

    const ACTIVATIONS: [Activation; 7] = [
        Activation::Identity,
        Activation::Relu,
        Activation::LeakyRelu { slope: 0.2 },
        Activation::Elu { alpha: 1.0 },
        Activation::Gelu,
        Activation::Sigmoid,
        Activation::Tanh,
    ];

    #[test]
    fn dense_layers_agree_with_the_fused_ones() {
        let [x, w, b] = [random(&[7, 5], 1), random(&[5, 3], 2), random(&[3], 3)];
        let all = [x.clone(), w.clone(), b.clone()];
        for act in ACTIVATIONS {
            same(&all, || kernels::linear(&x, &w, Some(&b), act), || linear(&x, &w, Some(&b), act));
            same(&all[..1], || kernels::activate(&x, act), || activate(&x, act));
        }
    }

    #[test]
    fn norms_agree_with_the_fused_ones_and_so_do_their_running_statistics() {
        let [x, gamma, beta] = [random(&[9, 4], 1), random(&[4], 2), random(&[4], 3)];
        let all = [x.clone(), gamma.clone(), beta.clone()];
        let act = Activation::Tanh;
        same(
            &all,
            || kernels::layer_norm(&x, &gamma, &beta, 1e-5, act),
            || layer_norm(&x, &gamma, &beta, 1e-5, act),
        );
        let stats =
            || (random(&[4], 5), Var::from_tensor(&random(&[4], 6).as_tensor().abs().unwrap()).unwrap());
        let (fused, composed) = (stats(), stats());
        for train in [true, false] {
            same(
                &all,
                || kernels::batch_norm(&x, &gamma, &beta, (&fused.0, &fused.1), 0.1, 1e-5, train, act),
                || batch_norm(&x, &gamma, &beta, (&composed.0, &composed.1), 0.1, 1e-5, train, act),
            );
            for (a, b) in [(&fused.0, &composed.0), (&fused.1, &composed.1)] {
                let gap = (a.as_tensor() - b.as_tensor()).unwrap().abs().unwrap().max_all().unwrap();
                assert!(gap.to_scalar::<f64>().unwrap() < 1e-12);
            }
        }
    }

    #[test]
    fn losses_agree_with_the_fused_ones() {
        let (x, target) = (random(&[6, 3], 1), random(&[6, 3], 2));
        let classes = vec![0i64, 2, -1, 1, 1, -1];
        let tensor = Tensor::from_vec(classes.clone(), 6, &Device::Cpu).unwrap();
        same(
            std::slice::from_ref(&x),
            || kernels::cross_entropy(&x, &tensor),
            || cross_entropy(&x, &classes, &[1.0; 3], 4.0),
        );
        let weights = [0.5, 2.0, 1.0];
        same(
            std::slice::from_ref(&x),
            || kernels::weighted_cross_entropy(&x, &tensor, Some(&weights), Some(7.0)),
            || cross_entropy(&x, &classes, &weights, 7.0),
        );
        same(std::slice::from_ref(&x), || kernels::mse(&x, &target, None), || mse(&x, &target, 18.0));
        assert_eq!(cross_entropy(&x, &[-1; 6], &[1.0; 3], 1.0).unwrap().to_scalar::<f64>().unwrap(), 0.0);
    }

    #[test]
    fn dropout_drops_the_same_elements() {
        let x = random(&[40, 5], 1);
        same(std::slice::from_ref(&x), || kernels::dropout(&x, 0.4, 11), || dropout(&x, 0.4, 11));
    }

    #[test]
    fn pooling_products_agree_with_the_fused_ones() {
        let (s, z) = (random(&[9, 3], 1), random(&[9, 4], 2));
        let offsets = Arc::new(vec![0u32, 4, 4, 9]);
        same(
            &[s.clone(), z.clone()],
            || kernels::assignment::segment_product(&s, &z, &offsets),
            || segment_product(&s, &z, &offsets),
        );
        same(std::slice::from_ref(&s), || kernels::softmax::softmax_rows(&s), || softmax_rows(&s));
    }

    #[test]
    fn dense_propagation_agrees_with_the_fused_one() {
        let (adjacency, x) = (random(&[2, 3, 3], 1), random(&[6, 4], 2));
        // Degrees on both sides of the lower bound 1, none on it.
        let adjacency = Var::from_tensor(&adjacency.as_tensor().abs().unwrap()).unwrap();
        for norm in [Norm::Sum, Norm::Mean, Norm::SelfPlus { eps: 0.3 }] {
            same(
                &[adjacency.clone(), x.clone()],
                || kernels::dense::dense_propagate(&adjacency, &x, norm),
                || Ok(dense_propagate(&adjacency, &x, norm)?.expect("has a composed version")),
            );
        }
    }
}
