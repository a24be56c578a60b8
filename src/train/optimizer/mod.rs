//! The steps of the optimisers in [`crate::settings::optimizer`]: one file each, entered in [`OPTIMIZERS`].
//!
//! On the CPU a step is one pass over each weight and its state, in place. On other devices the same formulas run
//! as Candle operators.

mod adam;
mod adamw;
mod sgd;

use crate::args::{BoundCall, CallSpec};
use crate::lower::{Parameter, Parameters};
use crate::settings::optimizer::decays_first_layer;
use candle_core::{CpuStorage, DType, Layout, Result, Tensor, Var, bail};

/// Every optimiser that `optimizer = …` can name, in the order of [`crate::settings::optimizer::SPECS`].
pub static OPTIMIZERS: &[&dyn OptimizerKind] = &[&adam::Adam, &adamw::AdamW, &sgd::Sgd];

/// An optimiser that a file can name.
pub trait OptimizerKind: Sync {
    fn spec(&self) -> &'static CallSpec;
    /// Its state for these weights, before the first step.
    ///
    /// # Errors
    /// Where Candle cannot allocate the state.
    fn build(&self, call: &BoundCall, weights: Weights) -> Result<Box<dyn Optimizer>>;
    /// Numbers of state that each number of a weight has.
    fn state_numbers(&self) -> usize;
}

/// Numbers of state that the optimiser keeps for each number of a weight.
pub fn state_numbers(call: &BoundCall) -> usize {
    let kind = OPTIMIZERS.iter().find(|kind| kind.spec().name == call.name);
    kind.map_or(0, |kind| kind.state_numbers())
}

/// The optimiser that `call` names, for these weights.
///
/// # Errors
/// Where Candle cannot allocate the state.
///
/// # Panics
/// Where `call` names none, which binding has excluded.
pub fn build(call: &BoundCall, weights: Weights) -> Result<Box<dyn Optimizer>> {
    let kind = OPTIMIZERS.iter().find(|kind| kind.spec().name == call.name);
    kind.unwrap_or_else(|| panic!("no optimiser `{}`", call.name)).build(call, weights)
}

/// What an optimiser trains.
pub struct Weights {
    pub vars: Vec<Var>,
    /// Whether weight decay pulls on each.
    pub decays: Vec<bool>,
}

impl Weights {
    /// Those of a network, of which an optimiser lets all decay or the first stage's alone.
    pub fn of(parameters: &Parameters, call: &BoundCall) -> Self {
        let stage = |parameter: &Parameter| parameter.name.split('.').next().map(str::to_owned);
        let first = parameters.trained().next().and_then(stage);
        let first_alone = decays_first_layer(call);
        Self {
            vars: parameters.trained().map(|parameter| parameter.var.clone()).collect(),
            decays: parameters.trained().map(|parameter| !first_alone || stage(parameter) == first).collect(),
        }
    }

    /// How strongly weight decay of `strength` pulls on each.
    fn strengths(&self, strength: f64) -> Vec<f64> {
        self.decays.iter().map(|&decays| if decays { strength } else { 0.0 }).collect()
    }
}

impl From<Vec<Var>> for Weights {
    fn from(vars: Vec<Var>) -> Self {
        Self { decays: vec![true; vars.len()], vars }
    }
}

/// An optimiser with its state.
pub trait Optimizer: Send {
    /// One step. `gradients` stand in the order of the weights; a weight without one is left as it is.
    /// Each gradient is multiplied by `scale` first (clipping); `lr` is the learning rate of this step.
    ///
    /// # Errors
    /// Where Candle fails.
    fn step(&mut self, gradients: &[Option<Tensor>], lr: f64, scale: f64) -> Result<()>;

    /// Everything that the next step depends on beside weights and gradients: names and tensors, always in the same order.
    ///
    /// # Errors
    /// Where Candle fails.
    fn state(&self) -> Result<Vec<(String, Tensor)>>;

    /// Takes up a state that [`Optimizer::state`] gave.
    ///
    /// # Errors
    /// Where a tensor is missing or has another shape.
    fn restore(&mut self, find: &dyn Fn(&str) -> Option<Tensor>) -> Result<()>;
}

/// Sets `var` to the tensor named `name` of a saved state.
fn restore_var(var: &Var, name: &str, find: &dyn Fn(&str) -> Option<Tensor>) -> Result<()> {
    let Some(saved) = find(name) else { bail!("the saved optimiser state has no `{name}`") };
    if saved.shape() != var.shape() || saved.dtype() != var.dtype() {
        bail!(
            "`{name}` of the saved optimiser state is {:?} {:?}, this optimiser needs {:?} {:?}",
            saved.dtype(),
            saved.dims(),
            var.dtype(),
            var.dims()
        );
    }
    var.set(&saved.to_device(var.device())?)
}

/// Counts as a tensor, so that a state is nothing but tensors.
fn counts_tensor(counts: &[u64]) -> Result<Tensor> {
    let counts: Vec<i64> = counts.iter().map(|&count| count as i64).collect();
    Tensor::new(counts.as_slice(), &candle_core::Device::Cpu)
}

fn restore_counts(counts: &mut [u64], name: &str, find: &dyn Fn(&str) -> Option<Tensor>) -> Result<()> {
    let Some(saved) = find(name) else { bail!("the saved optimiser state has no `{name}`") };
    let saved = saved.to_vec1::<i64>()?;
    if saved.len() != counts.len() {
        bail!("the saved optimiser state is of {} weights, the model has {}", saved.len(), counts.len());
    }
    counts.iter_mut().zip(saved).for_each(|(count, saved)| *count = saved as u64);
    Ok(())
}

/// The float types of weights, so that each formula stands once.
trait Real:
    candle_core::WithDType
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
{
    fn root(self) -> Self;
    fn values_mut(storage: &mut CpuStorage) -> Result<&mut [Self]>;
}

macro_rules! real {
    ($type:ty, $storage:ident) => {
        impl Real for $type {
            #[inline(always)]
            fn root(self) -> Self {
                self.sqrt()
            }
            fn values_mut(storage: &mut CpuStorage) -> Result<&mut [Self]> {
                let CpuStorage::$storage(values) = storage else {
                    bail!("weights and state differ in their type")
                };
                Ok(values)
            }
        }
    };
}
real!(f32, F32);
real!(f64, F64);

/// The values of a contiguous CPU tensor.
fn slice<'a, T: candle_core::WithDType>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    let values = T::cpu_storage_as_slice(storage)?;
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&values[start..end]),
        None => bail!("the optimiser needs contiguous gradients"),
    }
}

/// The values of a contiguous CPU tensor, to be written.
fn slice_mut<'a, T: Real>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [T]> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("the optimiser needs contiguous weights")
    };
    Ok(&mut T::values_mut(storage)?[start..end])
}

/// Whether the in-place kernels cover these weights.
fn runs_in_place(weights: &[Var]) -> bool {
    weights.iter().all(|weight| weight.device().is_cpu() && matches!(weight.dtype(), DType::F32 | DType::F64))
}

/// Norm of all gradients together: the square root of the sum of all squares, in f64.
///
/// # Errors
/// Where Candle fails.
pub fn global_norm(gradients: &[Option<Tensor>]) -> Result<f64> {
    let mut sum = 0.0;
    for gradient in gradients.iter().flatten() {
        sum += if gradient.device().is_cpu() {
            let gradient = gradient.contiguous()?;
            let (storage, layout) = gradient.storage_and_layout();
            let candle_core::Storage::Cpu(storage) = &*storage else {
                bail!("a CPU tensor without CPU storage")
            };
            match storage {
                CpuStorage::F32(_) => sum_of_squares(slice::<f32>(storage, layout)?, f64::from),
                CpuStorage::F64(_) => sum_of_squares(slice::<f64>(storage, layout)?, |value| value),
                _ => bail!("gradients are f32 or f64"),
            }
        } else {
            gradient.to_dtype(DType::F64)?.sqr()?.sum_all()?.to_scalar::<f64>()?
        };
    }
    Ok(sum.sqrt())
}

/// Eight partial sums, so that the additions do not wait for each other; their number is fixed, so the result is too.
fn sum_of_squares<T: Copy>(values: &[T], wide: impl Fn(T) -> f64) -> f64 {
    let mut partial = [0.0f64; 8];
    let mut chunks = values.chunks_exact(8);
    for chunk in &mut chunks {
        for (sum, &value) in partial.iter_mut().zip(chunk) {
            let value = wide(value);
            *sum += value * value;
        }
    }
    let rest: f64 = chunks.remainder().iter().map(|&value| wide(value).powi(2)).sum();
    partial.iter().sum::<f64>() + rest
}

/// What gradients of this norm are multiplied by so that their norm is at most `max_norm`.
/// PyTorch: `torch.nn.utils.clip_grad_norm_`, with its 1e-6.
pub fn clip_scale(norm: f64, max_norm: f64) -> f64 {
    (max_norm / (norm + 1e-6)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{ArgValue, Args, BoundArg, Default};
    use crate::settings::optimizer::SPECS;
    use candle_core::Device;

    /// A call of `name` with its defaults and these changes.
    pub(super) fn call(spec: &'static CallSpec, changes: &[(&str, ArgValue)]) -> BoundCall {
        let args = spec
            .args
            .iter()
            .map(|arg| {
                let changed = changes.iter().find(|(name, _)| *name == arg.name);
                let value = match (changed, arg.default) {
                    (Some((_, value)), _) => value.clone(),
                    (None, Default::Float(value)) => ArgValue::Float(value),
                    (None, Default::Bool(value)) => ArgValue::Bool(value),
                    (None, Default::Choice(word)) => ArgValue::Choice(word),
                    (None, other) => panic!("no default to take from {other:?}"),
                };
                BoundArg { name: arg.name, value, span: None }
            })
            .collect();
        BoundCall { name: spec.name, args: Args(args), span: crate::source::Span::default() }
    }

    /// Three steps of rate 0.1 with gradients 0.5 w + (0.1, -0.2, 0.3), from w = (1, -2, 3); the weights afterwards.
    pub(super) fn three_steps(dtype: DType, build: impl Fn(Vec<Var>) -> Box<dyn Optimizer>) -> Vec<f64> {
        let start = Tensor::new(&[1.0f64, -2.0, 3.0], &Device::Cpu).unwrap().to_dtype(dtype).unwrap();
        let shift = Tensor::new(&[0.1f64, -0.2, 0.3], &Device::Cpu).unwrap().to_dtype(dtype).unwrap();
        let weight = Var::from_tensor(&start).unwrap();
        let mut optimizer = build(vec![weight.clone()]);
        for _ in 0..3 {
            let gradient = ((weight.as_tensor() * 0.5).unwrap() + &shift).unwrap().detach();
            optimizer.step(&[Some(gradient)], 0.1, 1.0).unwrap();
        }
        weight.to_dtype(DType::F64).unwrap().to_vec1().unwrap()
    }

    pub(super) fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= tolerance, "{found:?} is not {expected:?}");
        }
    }

    #[test]
    fn specs_are_those_of_the_optimizers() {
        let names: Vec<_> = OPTIMIZERS.iter().map(|kind| kind.spec().name).collect();
        assert_eq!(names, SPECS.iter().map(|spec| spec.name).collect::<Vec<_>>());
    }

    #[test]
    fn the_norm_is_over_all_gradients_and_clipping_scales_to_it() {
        let a = Tensor::new(&[3.0f32; 9], &Device::Cpu).unwrap();
        let b = Tensor::new(&[[4.0f64, 0.0], [0.0, 0.0]], &Device::Cpu).unwrap();
        let norm = global_norm(&[Some(a), None, Some(b)]).unwrap();
        assert_eq!(norm, (81.0f64 + 16.0).sqrt());
        assert!((clip_scale(norm, 2.0) * norm - 2.0).abs() < 1e-6);
        assert_eq!(clip_scale(1.0, 2.0), 1.0);
    }

    #[test]
    fn a_weight_without_gradient_stays() {
        for spec in SPECS {
            let weight = Var::new(&[1.0f32, 2.0], &Device::Cpu).unwrap();
            let mut optimizer = build(&call(spec, &[]), vec![weight.clone()].into()).unwrap();
            optimizer.step(&[None], 0.1, 1.0).unwrap();
            assert_eq!(weight.to_vec1::<f32>().unwrap(), [1.0, 2.0]);
        }
    }

    #[test]
    fn decay_may_be_of_the_first_layer_alone() {
        for spec in SPECS {
            let changes = [("weight_decay", ArgValue::Float(0.1))];
            let [first, second] = [0, 1].map(|_| Var::new(&[1.0f32, 2.0], &Device::Cpu).unwrap());
            let weights = Weights { vars: vec![first.clone(), second.clone()], decays: vec![true, false] };
            let mut optimizer = build(&call(spec, &changes), weights).unwrap();
            let zeros = Tensor::zeros(2, DType::F32, &Device::Cpu).unwrap();
            optimizer.step(&[Some(zeros.clone()), Some(zeros)], 0.1, 1.0).unwrap();
            assert_eq!(second.to_vec1::<f32>().unwrap(), [1.0, 2.0], "{}", spec.name);
            assert!(
                first.to_vec1::<f32>().unwrap().iter().zip([1.0, 2.0]).all(|(w, then)| *w < then),
                "{}",
                spec.name
            );
        }
    }

    #[test]
    fn a_restored_state_goes_on_with_the_same_bits() {
        for spec in SPECS {
            let mut changes = vec![("weight_decay", ArgValue::Float(0.01))];
            if spec.name == "sgd" {
                changes.push(("momentum", ArgValue::Float(0.9)));
            }
            let call = call(spec, &changes);
            let gradients: Vec<_> = (0..4)
                .map(|step| Tensor::new(&[0.3f32 * step as f32 - 0.5, 0.7], &Device::Cpu).unwrap())
                .collect();
            let straight = Var::new(&[1.0f32, 2.0], &Device::Cpu).unwrap();
            let mut optimizer = build(&call, vec![straight.clone()].into()).unwrap();
            for gradient in &gradients {
                optimizer.step(&[Some(gradient.clone())], 0.1, 0.5).unwrap();
            }

            let resumed = Var::new(&[1.0f32, 2.0], &Device::Cpu).unwrap();
            let mut first = build(&call, vec![resumed.clone()].into()).unwrap();
            first.step(&[Some(gradients[0].clone())], 0.1, 0.5).unwrap();
            first.step(&[Some(gradients[1].clone())], 0.1, 0.5).unwrap();
            let state = first.state().unwrap();
            let mut second = build(&call, vec![resumed.clone()].into()).unwrap();
            let find =
                |name: &str| state.iter().find(|(given, _)| given == name).map(|(_, tensor)| tensor.clone());
            second.restore(&find).unwrap();
            second.step(&[Some(gradients[2].clone())], 0.1, 0.5).unwrap();
            second.step(&[Some(gradients[3].clone())], 0.1, 0.5).unwrap();
            assert_eq!(
                straight.to_vec1::<f32>().unwrap(),
                resumed.to_vec1::<f32>().unwrap(),
                "{}",
                spec.name
            );
            assert!(second.restore(&|_| None).is_err());
        }
    }
}
