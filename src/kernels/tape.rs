//! Backward passes over our own kernels without the detours of Candle's.
//!
//! Candle's `backward` makes a tensor of zeros for every gradient and adds the gradient to it, on one
//! thread. Measured on layers of 5,400 × 64 numbers, that took longer than the kernels. A tape remembers which
//! kernel made which tensor, so that the first gradient of a tensor is taken as it is.
//!
//! On the CPU a training step has no operator of Candle's own. A pass that contains one, as on CUDA, goes back Candle's
//! way, so that gradients are complete; a program in it is then an error, because it has no way but the tape.

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, TensorId};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

type Shared<T> = Arc<Box<T>>;

/// How tensors were made.
enum Record {
    One(Tensor, Shared<dyn CustomOp1 + Send + Sync>),
    Two([Tensor; 2], Shared<dyn CustomOp2 + Send + Sync>),
    Three([Tensor; 3], Shared<dyn CustomOp3 + Send + Sync>),
    Reshape(Tensor),
    Many(Vec<Tensor>, Arc<dyn ManyGradients>),
}

impl Record {
    fn args(&self) -> &[Tensor] {
        match self {
            Record::One(arg, _) | Record::Reshape(arg) => std::slice::from_ref(arg),
            Record::Two(args, _) => args,
            Record::Three(args, _) => args,
            Record::Many(args, _) => args,
        }
    }
}

/// The gradients of an operation of any number of tensors and results.
pub(crate) trait ManyGradients {
    /// Gradients of the arguments, given those of the results; `None` stands for zeros, and for what needs none.
    ///
    /// # Errors
    /// Where memory is not to be had.
    fn gradients(&self, args: &[Tensor], results: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>>;
}

/// What was run, in its order.
#[derive(Default)]
struct Tape {
    steps: Vec<(Vec<Tensor>, Record)>,
    /// The step that made a tensor.
    made: HashMap<TensorId, usize>,
}

impl Tape {
    fn push(&mut self, results: Vec<Tensor>, record: Record) {
        for result in &results {
            self.made.insert(result.id(), self.steps.len());
        }
        self.steps.push((results, record));
    }

    /// Which steps a tensor depends on; `None` where one was not recorded.
    fn steps_behind(&self, tensor: &Tensor) -> Option<Vec<bool>> {
        let mut is_behind = vec![false; self.steps.len()];
        let visit = |tensor: &Tensor, is_behind: &mut Vec<bool>| {
            if tensor.is_variable() || !tensor.track_op() {
                return Some(());
            }
            is_behind[*self.made.get(&tensor.id())?] = true;
            Some(())
        };
        visit(tensor, &mut is_behind)?;
        for idx in (0..self.steps.len()).rev() {
            if is_behind[idx] {
                for arg in self.steps[idx].1.args() {
                    visit(arg, &mut is_behind)?;
                }
            }
        }
        Some(is_behind)
    }
}

thread_local! {
    /// The tape of the step that runs on this thread; `None` where nobody asked for one.
    static TAPE: RefCell<Option<Tape>> = const { RefCell::new(None) };
}

/// Starts a new tape on this thread; what an older one remembered is dropped.
pub fn start() {
    TAPE.with_borrow_mut(|tape| *tape = Some(Tape::default()));
}

/// Forgets the tape of this thread: what runs next is not remembered.
pub fn stop() {
    TAPE.take();
}

/// Whether what runs on this thread is remembered.
pub(crate) fn is_running() -> bool {
    TAPE.with_borrow(Option::is_some)
}

/// Gradients of a scalar with respect to every variable behind it. Uses up the tape of this thread.
///
/// # Errors
/// Where a kernel's backward pass fails.
pub fn backward(loss: &Tensor) -> Result<GradStore> {
    let Some(tape) = TAPE.take() else { return loss.backward() };
    let Some(is_behind) = tape.steps_behind(loss) else { return loss.backward() };
    let mut gradients = GradStore::default();
    gradients.insert(loss, loss.ones_like()?.detach());
    // From the loss down to the variables; what a step kept goes with it.
    for ((results, record), _) in
        tape.steps.into_iter().zip(is_behind).rev().filter(|(_, is_behind)| *is_behind)
    {
        if let Record::Many(args, op) = record {
            let of_results: Vec<Option<Tensor>> =
                results.iter().map(|result| gradients.remove(result)).collect();
            if of_results.iter().any(Option::is_some) {
                for (arg, gradient) in args.iter().zip(op.gradients(&args, &of_results)?) {
                    add_to(&mut gradients, arg, gradient)?;
                }
            }
            continue;
        }
        let node = &results[0];
        let Some(gradient) = gradients.remove(node) else { continue };
        match record {
            Record::One(arg, op) => {
                #[cfg(test)]
                let inside = super::recorder::begin(op.name());
                let first = op.bwd(&arg, node, &gradient)?;
                #[cfg(test)]
                drop(inside);
                add_to(&mut gradients, &arg, first)?;
            }
            Record::Two([a, b], op) => {
                #[cfg(test)]
                let inside = super::recorder::begin(op.name());
                let (first, second) = op.bwd(&a, &b, node, &gradient)?;
                #[cfg(test)]
                drop(inside);
                add_to(&mut gradients, &a, first)?;
                add_to(&mut gradients, &b, second)?;
            }
            Record::Three([a, b, c], op) => {
                #[cfg(test)]
                let inside = super::recorder::begin(op.name());
                let (first, second, third) = op.bwd(&a, &b, &c, node, &gradient)?;
                #[cfg(test)]
                drop(inside);
                add_to(&mut gradients, &a, first)?;
                add_to(&mut gradients, &b, second)?;
                add_to(&mut gradients, &c, third)?;
            }
            Record::Reshape(arg) => {
                let first = gradient.reshape(arg.shape())?;
                add_to(&mut gradients, &arg, Some(first))?;
            }
            Record::Many(..) => unreachable!("taken before"),
        }
    }
    Ok(gradients)
}

/// Results of an operation of many tensors as tensors that depend on them. One of `args` is tracked.
///
/// # Errors
/// Where Candle cannot make a tensor.
pub(crate) fn record_many(
    args: &[Tensor],
    results: Vec<(CpuStorage, Shape)>,
    op: impl FnOnce(&[Tensor]) -> Arc<dyn ManyGradients>,
) -> Result<Vec<Tensor>> {
    let anchor = args.iter().find(|arg| arg.track_op()).expect("one of the arguments is tracked");
    let results = results
        .into_iter()
        .map(|(storage, shape)| anchor.apply_op1(Made { storage: Mutex::new(Some(storage)), shape }))
        .collect::<Result<Vec<_>>>()?;
    let op = op(&results);
    TAPE.with_borrow_mut(|tape| {
        if let Some(tape) = tape {
            tape.push(results.clone(), Record::Many(args.to_vec(), op));
        }
    });
    Ok(results)
}

/// A result that was computed already. Candle has to know that it depends on something; its gradients are the tape's.
struct Made {
    storage: Mutex<Option<CpuStorage>>,
    shape: Shape,
}

impl CustomOp1 for Made {
    fn name(&self) -> &'static str {
        "program"
    }
    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        let storage = self.storage.lock().unwrap_or_else(PoisonError::into_inner).take();
        let storage = storage.ok_or_else(|| candle_core::Error::Msg("a result is taken once".to_owned()))?;
        Ok((storage, self.shape.clone()))
    }
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
                tape.push(vec![tensor.clone()], record());
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
        #[cfg(test)]
        super::recorder::note(|| op.name().to_owned());
        let result = self.apply_op1_arc(op.clone())?;
        remember(&result, || Record::One(self.clone(), op));
        Ok(result)
    }

    fn recorded2(&self, second: &Tensor, op: impl CustomOp2 + Send + Sync + 'static) -> Result<Tensor> {
        let op: Shared<dyn CustomOp2 + Send + Sync> = Arc::new(Box::new(op));
        #[cfg(test)]
        super::recorder::note(|| op.name().to_owned());
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
        #[cfg(test)]
        super::recorder::note(|| op.name().to_owned());
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
