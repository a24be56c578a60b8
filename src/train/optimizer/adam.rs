//! Adam with weight decay as true L2 regularisation, and the step that it shares with AdamW.

use super::{
    Optimizer, OptimizerKind, Real, Weights, counts_tensor, restore_counts, restore_var, runs_in_place,
    slice, slice_mut,
};
use crate::args::{BoundCall, CallSpec};
use crate::settings::optimizer::adam::SPEC;
use candle_core::{CpuStorage, InplaceOp2, InplaceOp3, Layout, Result, Tensor, Var, bail};
use multiversion::multiversion;

pub struct Adam;

impl OptimizerKind for Adam {
    fn state_numbers(&self) -> usize {
        2
    }
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn build(&self, call: &BoundCall, weights: Weights) -> Result<Box<dyn Optimizer>> {
        let in_place = runs_in_place(&weights.vars);
        Ok(Box::new(AdamState::new(Settings::new(call, Decay::L2), weights, in_place)?))
    }
}

/// What weight decay is added to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decay {
    /// To the gradient, so it passes through the moments.
    L2,
    /// To the weights, past the moments.
    Decoupled,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    beta1: f64,
    beta2: f64,
    eps: f64,
    weight_decay: f64,
    decay: Decay,
}

impl Settings {
    pub(super) fn new(call: &BoundCall, decay: Decay) -> Self {
        let args = &call.args;
        Self {
            beta1: args.float("beta1"),
            beta2: args.float("beta2"),
            eps: args.float("eps"),
            weight_decay: args.float("weight_decay"),
            decay,
        }
    }
}

/// Weights with their moments.
pub(super) struct AdamState {
    settings: Settings,
    weights: Vec<Var>,
    /// How strongly weight decay pulls on each.
    strengths: Vec<f64>,
    /// `[2, …]` a weight: the mean of the gradient, then the mean of its square.
    moments: Vec<Var>,
    /// Steps a weight has had; one without a gradient is left out of a step.
    steps: Vec<u64>,
    in_place: bool,
}

impl AdamState {
    pub(super) fn new(settings: Settings, weights: Weights, in_place: bool) -> Result<Self> {
        let (strengths, weights) = (weights.strengths(settings.weight_decay), weights.vars);
        let moments = weights
            .iter()
            .map(|weight| {
                let shape: Vec<usize> = std::iter::once(2).chain(weight.dims().iter().copied()).collect();
                Var::zeros(shape, weight.dtype(), weight.device())
            })
            .collect::<Result<_>>()?;
        let steps = vec![0; weights.len()];
        Ok(Self { settings, weights, strengths, moments, steps, in_place })
    }
}

impl Optimizer for AdamState {
    fn step(&mut self, gradients: &[Option<Tensor>], lr: f64, scale: f64) -> Result<()> {
        let Settings { beta1, beta2, eps, decay, .. } = self.settings;
        for (idx, gradient) in gradients.iter().enumerate() {
            let Some(gradient) = gradient else { continue };
            let (l2, shrink) = match decay {
                Decay::L2 => (self.strengths[idx], 1.0),
                Decay::Decoupled => (0.0, 1.0 - lr * self.strengths[idx]),
            };
            let (weight, moments) = (&self.weights[idx], &self.moments[idx]);
            self.steps[idx] += 1;
            let steps = self.steps[idx] as f64;
            // The bias corrections are folded into two scalars, as PyTorch does.
            let update = UpdateMoments { beta1, beta2, l2, scale };
            let apply = ApplyMoments {
                step_size: lr / (1.0 - beta1.powf(steps)),
                root_correction: (1.0 - beta2.powf(steps)).sqrt(),
                eps,
                shrink,
            };
            if self.in_place {
                moments.inplace_op3(&gradient.contiguous()?, weight, &update)?;
                weight.inplace_op2(moments, &apply)?;
            } else {
                let next = update.as_tensors(moments, gradient, weight)?;
                moments.set(&next)?;
                weight.set(&apply.as_tensors(weight, moments)?)?;
            }
        }
        Ok(())
    }

    fn state(&self) -> Result<Vec<(String, Tensor)>> {
        let mut state = vec![("steps".to_string(), counts_tensor(&self.steps)?)];
        for (idx, moments) in self.moments.iter().enumerate() {
            state.push((format!("moments.{idx}"), moments.as_detached_tensor()));
        }
        Ok(state)
    }

    fn restore(&mut self, find: &dyn Fn(&str) -> Option<Tensor>) -> Result<()> {
        restore_counts(&mut self.steps, "steps", find)?;
        for (idx, moments) in self.moments.iter().enumerate() {
            restore_var(moments, &format!("moments.{idx}"), find)?;
        }
        Ok(())
    }
}

/// `m ← m + (1 − β₁)(g − m)`, `v ← β₂ v + (1 − β₂) g²` with `g = scale · gradient + l2 · w`.
struct UpdateMoments {
    beta1: f64,
    beta2: f64,
    l2: f64,
    scale: f64,
}

impl UpdateMoments {
    fn as_tensors(&self, moments: &Tensor, gradient: &Tensor, weight: &Tensor) -> Result<Tensor> {
        let gradient = ((gradient * self.scale)? + (weight.detach() * self.l2)?)?;
        let (mean, square) = (moments.get(0)?, moments.get(1)?);
        let mean = (&mean + ((&gradient - &mean)? * (1.0 - self.beta1))?)?;
        let square = ((square * self.beta2)? + (gradient.sqr()? * (1.0 - self.beta2))?)?;
        Tensor::stack(&[mean, square], 0)
    }

    fn run<T: Real>(&self, moments: &mut [T], gradient: &[T], weight: &[T]) {
        let (mean, square) = moments.split_at_mut(gradient.len());
        let scalars = [1.0 - self.beta1, self.beta2, 1.0 - self.beta2, self.l2, self.scale].map(T::from_f64);
        update_moments(mean, square, gradient, weight, scalars);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn update_moments<T: Real>(
    mean: &mut [T],
    square: &mut [T],
    gradient: &[T],
    weight: &[T],
    [rest1, beta2, rest2, l2, scale]: [T; 5],
) {
    for (((mean, square), &gradient), &weight) in mean.iter_mut().zip(square).zip(gradient).zip(weight) {
        let gradient = gradient * scale + l2 * weight;
        *mean = *mean + rest1 * (gradient - *mean);
        *square = *square * beta2 + rest2 * gradient * gradient;
    }
}

impl InplaceOp3 for UpdateMoments {
    fn name(&self) -> &'static str {
        "adam-moments"
    }

    fn cpu_fwd(
        &self,
        moments: &mut CpuStorage,
        moments_layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<()> {
        match moments {
            CpuStorage::F32(_) => self.run::<f32>(
                slice_mut(moments, moments_layout)?,
                slice(gradient, gradient_layout)?,
                slice(weight, weight_layout)?,
            ),
            CpuStorage::F64(_) => self.run::<f64>(
                slice_mut(moments, moments_layout)?,
                slice(gradient, gradient_layout)?,
                slice(weight, weight_layout)?,
            ),
            _ => bail!("Adam runs on f32 and f64"),
        }
        Ok(())
    }
}

/// `w ← shrink · w − step_size · m / (√v / root_correction + ε)`.
struct ApplyMoments {
    step_size: f64,
    root_correction: f64,
    eps: f64,
    shrink: f64,
}

impl ApplyMoments {
    fn as_tensors(&self, weight: &Tensor, moments: &Tensor) -> Result<Tensor> {
        let denominator = ((moments.get(1)?.sqrt()? / self.root_correction)? + self.eps)?;
        (weight.detach() * self.shrink)? - (moments.get(0)? * self.step_size)?.div(&denominator)?
    }

    fn run<T: Real>(&self, weight: &mut [T], moments: &[T]) {
        let (mean, square) = moments.split_at(weight.len());
        let scalars = [self.step_size, self.root_correction, self.eps, self.shrink].map(T::from_f64);
        apply_moments(weight, mean, square, scalars);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn apply_moments<T: Real>(
    weight: &mut [T],
    mean: &[T],
    square: &[T],
    [step_size, root_correction, eps, shrink]: [T; 4],
) {
    for ((weight, &mean), &square) in weight.iter_mut().zip(mean).zip(square) {
        *weight = *weight * shrink - step_size * mean / (square.root() / root_correction + eps);
    }
}

impl InplaceOp2 for ApplyMoments {
    fn name(&self) -> &'static str {
        "adam-step"
    }

    fn cpu_fwd(
        &self,
        weight: &mut CpuStorage,
        weight_layout: &Layout,
        moments: &CpuStorage,
        moments_layout: &Layout,
    ) -> Result<()> {
        match weight {
            CpuStorage::F32(_) => {
                self.run::<f32>(slice_mut(weight, weight_layout)?, slice(moments, moments_layout)?);
            }
            CpuStorage::F64(_) => {
                self.run::<f64>(slice_mut(weight, weight_layout)?, slice(moments, moments_layout)?);
            }
            _ => bail!("Adam runs on f32 and f64"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use super::*;
    use crate::args::ArgValue;
    use candle_core::DType;

    // Expected numbers: algorithm 1 of the paper, written out in Python and run in double precision.

    fn weights_after(changes: &[(&str, ArgValue)], dtype: DType, in_place: bool) -> Vec<f64> {
        let settings = Settings::new(&call(&SPEC, changes), Decay::L2);
        three_steps(dtype, |weights| Box::new(AdamState::new(settings, weights.into(), in_place).unwrap()))
    }

    #[test]
    fn l2_decay_passes_through_the_moments() {
        let expected = [0.7012720091147557, -1.7005152912234738, 2.7003189458740198];
        let changes = [("weight_decay", ArgValue::Float(0.1))];
        assert_close(&weights_after(&changes, DType::F64, true), &expected, 1e-14);
        assert_close(&weights_after(&changes, DType::F64, false), &expected, 1e-14);
        assert_close(&weights_after(&changes, DType::F32, true), &expected, 5e-7);
    }

    #[test]
    fn betas_and_eps_have_their_effect() {
        let expected = [0.8384963055134096, -1.789472801125111, 2.7660141956565614];
        let changes =
            [("eps", ArgValue::Float(0.5)), ("beta1", ArgValue::Float(0.8)), ("beta2", ArgValue::Float(0.9))];
        assert_close(&weights_after(&changes, DType::F64, true), &expected, 1e-14);
        assert_close(&weights_after(&changes, DType::F64, false), &expected, 1e-14);
    }
}
