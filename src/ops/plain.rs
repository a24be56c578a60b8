//! Kernels made of Candle's own operators, for operators whose fused kernel is not there yet.

use crate::kernels::Activation;
use candle_core::{D, DType, IndexOp, Result, Tensor, Var};
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduce {
    Sum,
    Mean,
    Max,
}

pub fn linear(x: &Tensor, w: &Tensor, bias: Option<&Tensor>, activation: Activation) -> Result<Tensor> {
    let y = x.matmul(w)?;
    let y = match bias {
        Some(bias) => y.broadcast_add(bias)?,
        None => y,
    };
    activate(&y, activation)
}

pub fn activate(x: &Tensor, activation: Activation) -> Result<Tensor> {
    match activation {
        Activation::Identity => Ok(x.clone()),
        Activation::Relu => x.relu(),
        Activation::LeakyRelu { slope } => x.relu()? - (x.neg()?.relu()? * slope)?,
        Activation::Elu { alpha } => x.elu(alpha),
        Activation::Gelu => x.gelu_erf(),
        Activation::Sigmoid => x.neg()?.exp()?.affine(1.0, 1.0)?.recip(),
        Activation::Tanh => x.tanh(),
    }
}

pub fn dropout(x: &Tensor, p: f64, seed: u64) -> Result<Tensor> {
    use rand::{Rng, SeedableRng};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let scale = 1.0 / (1.0 - p);
    let mask: Vec<f64> =
        (0..x.elem_count()).map(|_| if rng.random::<f64>() < p { 0.0 } else { scale }).collect();
    x.mul(&Tensor::from_vec(mask, x.shape(), x.device())?.to_dtype(x.dtype())?)
}

#[expect(clippy::too_many_arguments, reason = "the arguments of the fused kernel")]
pub fn batch_norm(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    running: (&Var, &Var),
    momentum: f64,
    eps: f64,
    train: bool,
    activation: Activation,
) -> Result<Tensor> {
    let (mean, var) = if train {
        let n = x.dim(0)? as f64;
        let mean = x.mean(0)?;
        let var = x.broadcast_sub(&mean)?.sqr()?.mean(0)?;
        let unbiased = (var.detach() * (n / (n - 1.0).max(1.0)))?;
        running.0.set(&((running.0.as_tensor() * (1.0 - momentum))? + (mean.detach() * momentum)?)?)?;
        running.1.set(&((running.1.as_tensor() * (1.0 - momentum))? + (unbiased * momentum)?)?)?;
        (mean, var)
    } else {
        (running.0.as_detached_tensor(), running.1.as_detached_tensor())
    };
    let y = x.broadcast_sub(&mean)?.broadcast_div(&(var + eps)?.sqrt()?)?;
    activate(&y.broadcast_mul(gamma)?.broadcast_add(beta)?, activation)
}

pub fn layer_norm(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    eps: f64,
    activation: Activation,
) -> Result<Tensor> {
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let var = centred.sqr()?.mean_keepdim(D::Minus1)?;
    let y = centred.broadcast_div(&(var + eps)?.sqrt()?)?;
    activate(&y.broadcast_mul(gamma)?.broadcast_add(beta)?, activation)
}

pub fn graph_layer_norm(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    offsets: &Arc<Vec<u32>>,
    eps: f64,
) -> Result<Tensor> {
    let graphs = offsets.windows(2).map(|pair| {
        let rows = x.i(pair[0] as usize..pair[1] as usize)?;
        let centred = rows.broadcast_sub(&rows.mean_all()?)?;
        let std = centred.sqr()?.mean_all()?.sqrt()?;
        centred.broadcast_div(&(std + eps)?)
    });
    let y = Tensor::cat(&graphs.collect::<Result<Vec<_>>>()?, 0)?;
    y.broadcast_mul(gamma)?.broadcast_add(beta)
}

pub fn segment_reduce(x: &Tensor, offsets: &Arc<Vec<u32>>, reduce: Reduce) -> Result<Tensor> {
    let rows = offsets.windows(2).map(|pair| {
        let rows = x.i(pair[0] as usize..pair[1] as usize)?;
        if pair[0] == pair[1] {
            return Tensor::zeros((1, x.dim(1)?), x.dtype(), x.device());
        }
        match reduce {
            Reduce::Sum => rows.sum_keepdim(0),
            Reduce::Mean => rows.mean_keepdim(0),
            Reduce::Max => rows.max_keepdim(0),
        }
    });
    Tensor::cat(&rows.collect::<Result<Vec<_>>>()?, 0)
}

pub fn sort_rows(x: &Tensor, offsets: &Arc<Vec<u32>>, k: usize) -> Result<Tensor> {
    let values = x.to_dtype(DType::F64)?.to_vec2::<f64>()?;
    let graphs = offsets.windows(2).map(|pair| {
        let mut rows: Vec<u32> = (pair[0]..pair[1]).collect();
        let key = |&row: &u32| &values[row as usize];
        rows.sort_by(|a, b| {
            key(b)
                .iter()
                .rev()
                .zip(key(a).iter().rev())
                .map(|(b, a)| b.total_cmp(a))
                .find(|o| o.is_ne())
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        rows.truncate(k);
        let n_rows = rows.len();
        let rows = Tensor::from_vec(rows, n_rows, x.device())?;
        x.index_select(&rows, 0)?.pad_with_zeros(0, 0, k - n_rows)
    });
    Tensor::cat(&graphs.collect::<Result<Vec<_>>>()?, 0)
}

pub fn concat_columns(columns: &[Tensor]) -> Result<Tensor> {
    Tensor::cat(columns, 1)
}

pub fn add(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    a.add(b)
}
