//! The numbers that are trained or kept: each with a name, initialised from a seed and that name alone.

use crate::ops::Init;
use crate::types::Degrees;
use candle_core::{DType, Device, Result, Tensor, Var};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// A weight or buffer of the network.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Stage, operator, weight: `3.sage.weight`. The stage is the node's place in the model.
    pub name: String,
    pub var: Var,
    /// A buffer (running mean) is saved but not trained.
    pub is_trained: bool,
}

/// All parameters of a network, in the order of its stages.
#[derive(Debug, Clone, Default)]
pub struct Parameters(Vec<Parameter>);

impl Parameters {
    pub(super) fn push(&mut self, parameter: Parameter) {
        self.0.push(parameter);
    }

    pub fn iter(&self) -> impl Iterator<Item = &Parameter> {
        self.0.iter()
    }

    /// The trained ones, in order.
    pub fn trained(&self) -> impl Iterator<Item = &Parameter> {
        self.0.iter().filter(|parameter| parameter.is_trained)
    }

    pub fn get(&self, name: &str) -> Option<&Parameter> {
        self.0.iter().find(|parameter| parameter.name == name)
    }

    /// How many numbers are trained.
    pub fn n_trained(&self) -> usize {
        self.trained().map(|parameter| parameter.var.elem_count()).sum()
    }
}

/// A new variable. `degrees` are those of the data. The stream of random numbers depends on `seed` and `name` only, so a stage that is
/// added further down leaves the others' beginnings as they were.
pub(super) fn initialise(
    init: Init,
    degrees: Degrees,
    shape: &[usize],
    dtype: DType,
    device: &Device,
    seed: u64,
    name: &str,
) -> Result<Var> {
    let constant = |value: f64| Tensor::full(value, shape, device)?.to_dtype(dtype);
    let tensor = match init {
        Init::Zeros => constant(0.0)?,
        Init::Ones => constant(1.0)?,
        Init::Constant(value) => constant(value)?,
        Init::MeanDegree => constant(degrees.mean())?,
        Init::MeanLogDegree => constant(degrees.mean_log())?,
        Init::MeanSize => constant(degrees.mean_size())?,
        Init::MeanLogSize => constant(degrees.mean_log_size())?,
        Init::Glorot { fan_in, fan_out } => {
            let bound = (6.0 / (fan_in + fan_out).max(1) as f64).sqrt();
            uniform(bound, shape, dtype, device, seed, name)?
        }
        Init::KaimingUniform { fan_in } => {
            let bound = 1.0 / (fan_in.max(1) as f64).sqrt();
            uniform(bound, shape, dtype, device, seed, name)?
        }
        Init::OrthogonalRows => {
            let width = shape.last().copied().unwrap_or(0);
            // A normal number is about the sum of twelve uniform ones, and its direction matters alone.
            let n_rows = shape.iter().product::<usize>() / width.max(1);
            let terms = uniform(1.0, &[n_rows, width, 12], DType::F64, &Device::Cpu, seed, name)?.sum(2)?;
            let mut rows = terms.to_vec2::<f64>()?;
            for block in rows.chunks_mut(width.max(1)) {
                orthogonalise(block);
            }
            Tensor::from_vec(rows.concat(), shape, device)?.to_dtype(dtype)?
        }
    };
    Var::from_tensor(&tensor)
}

/// Takes from each row what it has of those before, and scales it to length 1: Gram and Schmidt.
fn orthogonalise(rows: &mut [Vec<f64>]) {
    for at in 0..rows.len() {
        let (before, from) = rows.split_at_mut(at);
        let row = &mut from[0];
        // A second round takes away what rounding left.
        for other in before.iter().chain(before.iter()) {
            let share: f64 = row.iter().zip(other).map(|(a, b)| a * b).sum();
            row.iter_mut().zip(other).for_each(|(a, b)| *a -= share * b);
        }
        let length = row.iter().map(|a| a * a).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
        row.iter_mut().for_each(|a| *a /= length);
    }
}

/// Uniform in ±bound. Drawn as f64 for either type, so that f32 and f64 networks begin alike.
fn uniform(
    bound: f64,
    shape: &[usize],
    dtype: DType,
    device: &Device,
    seed: u64,
    name: &str,
) -> Result<Tensor> {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(name.as_bytes());
    let mut rng = ChaCha8Rng::from_seed(hash.finalize().into());
    let values: Vec<f64> =
        (0..shape.iter().product()).map(|_| (2.0 * rng.random::<f64>() - 1.0) * bound).collect();
    Tensor::from_vec(values, shape, device)?.to_dtype(dtype)
}
