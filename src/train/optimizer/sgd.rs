//! Stochastic gradient descent.

use super::{Optimizer, OptimizerKind, Real, Weights, restore_var, runs_in_place, slice, slice_mut};
use crate::args::{BoundCall, CallSpec};
use crate::settings::optimizer::sgd::SPEC;
use candle_core::{CpuStorage, InplaceOp3, Layout, Result, Tensor, Var, bail};
use multiversion::multiversion;

pub struct Sgd;

impl OptimizerKind for Sgd {
    fn state_numbers(&self) -> usize {
        1
    }
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn build(&self, call: &BoundCall, weights: Weights) -> Result<Box<dyn Optimizer>> {
        let in_place = runs_in_place(&weights.vars);
        Ok(Box::new(SgdState::new(Settings::new(call), weights, in_place)?))
    }
}

#[derive(Debug, Clone, Copy)]
struct Settings {
    momentum: f64,
    nesterov: bool,
    weight_decay: f64,
}

impl Settings {
    fn new(call: &BoundCall) -> Self {
        let args = &call.args;
        Self {
            momentum: args.float("momentum"),
            nesterov: args.bool("nesterov"),
            weight_decay: args.float("weight_decay"),
        }
    }
}

struct SgdState {
    settings: Settings,
    weights: Vec<Var>,
    /// How strongly weight decay pulls on each.
    strengths: Vec<f64>,
    /// The running step of each weight. From zero its first value is the gradient, as PyTorch starts it.
    velocities: Vec<Var>,
    in_place: bool,
}

impl SgdState {
    fn new(settings: Settings, weights: Weights, in_place: bool) -> Result<Self> {
        let (strengths, weights) = (weights.strengths(settings.weight_decay), weights.vars);
        let velocities = weights
            .iter()
            .map(|weight| Var::zeros(weight.shape(), weight.dtype(), weight.device()))
            .collect::<Result<_>>()?;
        Ok(Self { settings, weights, strengths, velocities, in_place })
    }
}

impl Optimizer for SgdState {
    fn step(&mut self, gradients: &[Option<Tensor>], lr: f64, scale: f64) -> Result<()> {
        let Settings { momentum, nesterov, .. } = self.settings;
        for (idx, gradient) in gradients.iter().enumerate() {
            let Some(gradient) = gradient else { continue };
            let weight_decay = self.strengths[idx];
            let update = UpdateVelocity { momentum, weight_decay, scale };
            let apply = if nesterov {
                ApplyVelocity { weight_decay, scale, of_gradient: lr, of_velocity: lr * momentum }
            } else {
                ApplyVelocity { weight_decay, scale, of_gradient: 0.0, of_velocity: lr }
            };
            let (weight, velocity) = (&self.weights[idx], &self.velocities[idx]);
            if self.in_place {
                let gradient = gradient.contiguous()?;
                velocity.inplace_op3(&gradient, weight, &update)?;
                weight.inplace_op3(&gradient, velocity, &apply)?;
            } else {
                let decayed = ((gradient * scale)? + (weight.detach() * weight_decay)?)?;
                velocity.set(&((velocity.detach() * momentum)? + &decayed)?)?;
                let step = ((decayed * apply.of_gradient)? + (velocity.detach() * apply.of_velocity)?)?;
                weight.set(&(weight.detach() - step)?)?;
            }
        }
        Ok(())
    }

    fn state(&self) -> Result<Vec<(String, Tensor)>> {
        let named =
            |(idx, velocity): (usize, &Var)| (format!("velocity.{idx}"), velocity.as_detached_tensor());
        Ok(self.velocities.iter().enumerate().map(named).collect())
    }

    fn restore(&mut self, find: &dyn Fn(&str) -> Option<Tensor>) -> Result<()> {
        for (idx, velocity) in self.velocities.iter().enumerate() {
            restore_var(velocity, &format!("velocity.{idx}"), find)?;
        }
        Ok(())
    }
}

/// `v ← μ v + g` with `g = scale · gradient + λ w`.
struct UpdateVelocity {
    momentum: f64,
    weight_decay: f64,
    scale: f64,
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn update_velocity<T: Real>(
    velocity: &mut [T],
    gradient: &[T],
    weight: &[T],
    [momentum, weight_decay, scale]: [T; 3],
) {
    for ((velocity, &gradient), &weight) in velocity.iter_mut().zip(gradient).zip(weight) {
        *velocity = momentum * *velocity + (gradient * scale + weight_decay * weight);
    }
}

impl InplaceOp3 for UpdateVelocity {
    fn name(&self) -> &'static str {
        "sgd-velocity"
    }

    fn cpu_fwd(
        &self,
        velocity: &mut CpuStorage,
        velocity_layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<()> {
        let scalars = [self.momentum, self.weight_decay, self.scale];
        match velocity {
            CpuStorage::F32(_) => update_velocity::<f32>(
                slice_mut(velocity, velocity_layout)?,
                slice(gradient, gradient_layout)?,
                slice(weight, weight_layout)?,
                scalars.map(|scalar| scalar as f32),
            ),
            CpuStorage::F64(_) => update_velocity::<f64>(
                slice_mut(velocity, velocity_layout)?,
                slice(gradient, gradient_layout)?,
                slice(weight, weight_layout)?,
                scalars,
            ),
            _ => bail!("SGD runs on f32 and f64"),
        }
        Ok(())
    }
}

/// `w ← w − (of_gradient · g + of_velocity · v)` with `g = scale · gradient + λ w`. Nesterov's form steps along
/// `g + μ v`, the plain one along `v`.
struct ApplyVelocity {
    weight_decay: f64,
    scale: f64,
    of_gradient: f64,
    of_velocity: f64,
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn apply_velocity<T: Real>(
    weight: &mut [T],
    gradient: &[T],
    velocity: &[T],
    [weight_decay, scale, of_gradient, of_velocity]: [T; 4],
) {
    for ((weight, &gradient), &velocity) in weight.iter_mut().zip(gradient).zip(velocity) {
        let gradient = gradient * scale + weight_decay * *weight;
        *weight -= of_gradient * gradient + of_velocity * velocity;
    }
}

impl InplaceOp3 for ApplyVelocity {
    fn name(&self) -> &'static str {
        "sgd-step"
    }

    fn cpu_fwd(
        &self,
        weight: &mut CpuStorage,
        weight_layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
        velocity: &CpuStorage,
        velocity_layout: &Layout,
    ) -> Result<()> {
        let scalars = [self.weight_decay, self.scale, self.of_gradient, self.of_velocity];
        match weight {
            CpuStorage::F32(_) => apply_velocity::<f32>(
                slice_mut(weight, weight_layout)?,
                slice(gradient, gradient_layout)?,
                slice(velocity, velocity_layout)?,
                scalars.map(|scalar| scalar as f32),
            ),
            CpuStorage::F64(_) => apply_velocity::<f64>(
                slice_mut(weight, weight_layout)?,
                slice(gradient, gradient_layout)?,
                slice(velocity, velocity_layout)?,
                scalars,
            ),
            _ => bail!("SGD runs on f32 and f64"),
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

    // Expected numbers: the algorithm of PyTorch's documentation, written out in Python and run in double precision.

    #[track_caller]
    fn check(changes: &[(&str, ArgValue)], expected: [f64; 3]) {
        for in_place in [true, false] {
            let settings = Settings::new(&call(&SPEC, changes));
            let build = |weights: Vec<Var>| {
                Box::new(SgdState::new(settings, weights.into(), in_place).unwrap()) as Box<dyn Optimizer>
            };
            assert_close(&three_steps(DType::F64, build), &expected, 1e-14);
            assert_close(&three_steps(DType::F32, build), &expected, 5e-7);
        }
    }

    #[test]
    fn plain_steps_follow_the_gradient() {
        check(&[], [0.82885, -1.6577, 2.48655]);
    }

    #[test]
    fn momentum_keeps_a_share_of_the_last_step() {
        let changes = [("momentum", ArgValue::Float(0.9)), ("weight_decay", ArgValue::Float(0.1))];
        check(&changes, [0.627208, -1.254416, 1.881624]);
    }

    #[test]
    fn nesterov_looks_ahead() {
        let changes = [
            ("momentum", ArgValue::Float(0.9)),
            ("nesterov", ArgValue::Bool(true)),
            ("weight_decay", ArgValue::Float(0.1)),
        ];
        check(&changes, [0.493255132, -0.986510264, 1.4797653959999995]);
    }
}
