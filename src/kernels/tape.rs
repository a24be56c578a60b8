//! Backward passes over our own kernels without the detours of Candle's.
//!
//! Candle's `backward` makes a tensor of zeros for every gradient and adds the gradient to it, on one
//! thread. Measured on layers of 5,400 × 64 numbers, that took longer than the kernels. A tape remembers which
//! kernel made which tensor, so that the first gradient of a tensor is taken as it is.
//!
//! A pass that contains any operator of Candle's own (which no tape remembers) falls back to Candle's `backward`,
//! so the gradients are always complete.

use candle_core::backprop::GradStore;
use candle_core::{CustomOp1, CustomOp2, CustomOp3, Result, Shape, Tensor, TensorId};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

type Shared<T> = Arc<Box<T>>;

/// How a tensor was made.
enum Record {
    One(Tensor, Shared<dyn CustomOp1 + Send + Sync>),
    Two([Tensor; 2], Shared<dyn CustomOp2 + Send + Sync>),
    Three([Tensor; 3], Shared<dyn CustomOp3 + Send + Sync>),
    Reshape(Tensor),
}

thread_local! {
    /// The tape of the step that runs on this thread; `None` where nobody asked for one.
    static TAPE: RefCell<Option<HashMap<TensorId, Record>>> = const { RefCell::new(None) };
}

/// Starts a new tape on this thread; what an older one remembered is dropped.
pub fn start() {
    TAPE.with_borrow_mut(|tape| *tape = Some(HashMap::new()));
}

/// Gradients of a scalar with respect to every variable behind it. Uses up the tape of this thread.
///
/// # Errors
/// Where a kernel's backward pass fails.
pub fn backward(loss: &Tensor) -> Result<GradStore> {
    let Some(mut tape) = TAPE.take() else { return loss.backward() };
    // From the loss down to the variables.
    let nodes = loss.sorted_nodes();
    let is_remembered = |node: &&Tensor| node.is_variable() || tape.contains_key(&node.id());
    if !nodes.iter().all(is_remembered) {
        return loss.backward();
    }
    let mut gradients = GradStore::default();
    gradients.insert(loss, loss.ones_like()?.detach());
    for node in nodes {
        if node.is_variable() {
            continue;
        }
        let Some(gradient) = gradients.remove(node) else { continue };
        match tape.remove(&node.id()) {
            None => {}
            Some(Record::One(arg, op)) => {
                let first = op.bwd(&arg, node, &gradient)?;
                add_to(&mut gradients, &arg, first)?;
            }
            Some(Record::Two([a, b], op)) => {
                let (first, second) = op.bwd(&a, &b, node, &gradient)?;
                add_to(&mut gradients, &a, first)?;
                add_to(&mut gradients, &b, second)?;
            }
            Some(Record::Three([a, b, c], op)) => {
                let (first, second, third) = op.bwd(&a, &b, &c, node, &gradient)?;
                add_to(&mut gradients, &a, first)?;
                add_to(&mut gradients, &b, second)?;
                add_to(&mut gradients, &c, third)?;
            }
            Some(Record::Reshape(arg)) => {
                let first = gradient.reshape(arg.shape())?;
                add_to(&mut gradients, &arg, Some(first))?;
            }
        }
    }
    Ok(gradients)
}

fn add_to(gradients: &mut GradStore, tensor: &Tensor, gradient: Option<Tensor>) -> Result<()> {
    let Some(gradient) = gradient.filter(|_| tensor.track_op()) else { return Ok(()) };
    // A kernel's backward pass may have been given tracked tensors; gradients of gradients are not kept.
    let gradient = gradient.detach();
    let sum = match gradients.remove(tensor) {
        None => gradient,
        Some(sum) => super::add(&sum, &gradient)?,
    };
    gradients.insert(tensor, sum);
    Ok(())
}

fn remember(tensor: &Tensor, record: impl FnOnce() -> Record) {
    if tensor.track_op() {
        TAPE.with_borrow_mut(|tape| {
            if let Some(tape) = tape {
                tape.insert(tensor.id(), record());
            }
        });
    }
}

/// Applying a custom operator so that the tape remembers it.
pub(crate) trait Recorded {
    fn recorded1(&self, op: impl CustomOp1 + Send + Sync + 'static) -> Result<Tensor>;
    fn recorded2(&self, second: &Tensor, op: impl CustomOp2 + Send + Sync + 'static) -> Result<Tensor>;
    fn recorded3(
        &self,
        second: &Tensor,
        third: &Tensor,
        op: impl CustomOp3 + Send + Sync + 'static,
    ) -> Result<Tensor>;
}

impl Recorded for Tensor {
    fn recorded1(&self, op: impl CustomOp1 + Send + Sync + 'static) -> Result<Tensor> {
        let op: Shared<dyn CustomOp1 + Send + Sync> = Arc::new(Box::new(op));
        let result = self.apply_op1_arc(op.clone())?;
        remember(&result, || Record::One(self.clone(), op));
        Ok(result)
    }

    fn recorded2(&self, second: &Tensor, op: impl CustomOp2 + Send + Sync + 'static) -> Result<Tensor> {
        let op: Shared<dyn CustomOp2 + Send + Sync> = Arc::new(Box::new(op));
        let result = self.apply_op2_arc(second, op.clone())?;
        remember(&result, || Record::Two([self.clone(), second.clone()], op));
        Ok(result)
    }

    fn recorded3(
        &self,
        second: &Tensor,
        third: &Tensor,
        op: impl CustomOp3 + Send + Sync + 'static,
    ) -> Result<Tensor> {
        let op: Shared<dyn CustomOp3 + Send + Sync> = Arc::new(Box::new(op));
        let result = self.apply_op3_arc(second, third, op.clone())?;
        remember(&result, || Record::Three([self.clone(), second.clone(), third.clone()], op));
        Ok(result)
    }
}

/// The same numbers in another shape.
///
/// # Errors
/// Where the shapes have different numbers of elements.
pub fn reshape(x: &Tensor, shape: impl Into<Shape>) -> Result<Tensor> {
    let result = x.reshape(shape.into())?;
    remember(&result, || Record::Reshape(x.clone()));
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Activation, activate, add, concat_columns, linear};
    use candle_core::{DType, Device, Var};

    fn gradients(run: impl Fn(&Tensor, &Tensor) -> Result<Tensor>, taped: bool) -> Vec<Vec<f64>> {
        let values: Vec<f64> = (0..24).map(|i| f64::from(i * 7 % 11) - 5.0).collect();
        let x = Var::from_vec(values[..12].to_vec(), (4, 3), &Device::Cpu).unwrap();
        let w = Var::from_vec(values[12..21].to_vec(), (3, 3), &Device::Cpu).unwrap();
        TAPE.take();
        if taped {
            start();
        }
        let loss = run(&x, &w).unwrap();
        let gradients = if taped { backward(&loss) } else { loss.backward() }.unwrap();
        let flat = |var: &Var| gradients.get(var).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        vec![flat(&x), flat(&w)]
    }

    fn kernels_only(x: &Tensor, w: &Tensor) -> Result<Tensor> {
        let y = linear(x, w, None, Activation::Tanh)?;
        let joined = concat_columns(&[y.clone(), add(&y, x)?])?;
        let wide = reshape(&activate(&joined, Activation::Elu { alpha: 1.0 })?, (1, 24))?;
        crate::kernels::mse(&wide, &Tensor::ones((1, 24), DType::F64, &Device::Cpu)?, None)
    }

    #[test]
    fn gradients_are_those_of_candle() {
        assert_eq!(gradients(kernels_only, true), gradients(kernels_only, false));
    }

    #[test]
    fn a_pass_with_an_operator_of_candle_is_complete() {
        let mixed = |x: &Tensor, w: &Tensor| kernels_only(&x.sqr()?, w);
        assert_eq!(gradients(mixed, true), gradients(mixed, false));
        let on_top = |x: &Tensor, w: &Tensor| kernels_only(x, w)?.affine(3.0, 1.0);
        assert_eq!(gradients(on_top, true), gradients(on_top, false));
    }

    #[test]
    fn a_tape_is_used_up_by_one_backward_pass() {
        gradients(kernels_only, true);
        TAPE.with_borrow(|tape| assert!(tape.is_none()));
    }
}
