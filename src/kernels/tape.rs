//! Backward passes over our own kernels without the detours of Candle's.
//!
//! Candle's `backward` makes a tensor of zeros for every gradient and adds the gradient to it, on one
//! thread. Measured on layers of 5,400 × 64 numbers, that took longer than the kernels. A tape remembers which
//! kernel made which tensor, so that the first gradient of a tensor is taken as it is.
//!
//! Candle's tensors also hold what they were made of until the last of them is gone, so that a step would keep
//! everything. A tensor that was made on a tape holds nothing: the tape does, and only what the gradients of the kernel
//! read ([`Reads`]). It lets go of that as soon as the backward pass has come past the kernel.
//!
//! A tape is for the CPU, where a training step has no operator of Candle's own; one in between is an error. What runs
//! without a tape, as on CUDA, is followed by Candle.

use candle_core::backprop::GradStore;
use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, DType, Device, Layout, Result, Shape, Storage, Tensor,
    TensorId, Var, bail,
};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

type Shared<T> = Arc<Box<T>>;

/// Which tensors the gradients of an operation read. The tape lets go of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reads {
    pub args: bool,
    pub result: bool,
}

impl Reads {
    /// Shapes at most.
    pub const NOTHING: Self = Self { args: false, result: false };
    pub const ARGS: Self = Self { args: true, result: false };
    pub const RESULT: Self = Self { args: false, result: true };
    pub const ALL: Self = Self { args: true, result: true };

    #[must_use]
    pub fn with_result(self, result: bool) -> Self {
        Self { result, ..self }
    }
}

/// A tensor of a step: itself where gradients read it, else a stand-in of its shape.
struct Held {
    tensor: Tensor,
    id: TensorId,
}

impl Held {
    fn new(tensor: &Tensor, is_read: bool) -> Result<Self> {
        // A gradient of a variable is handed out under the variable itself.
        let is_whole = is_read || tensor.is_variable();
        let held = if is_whole { tensor.clone() } else { stand_in(tensor)? };
        Ok(Self { tensor: held, id: tensor.id() })
    }
}

/// How tensors were made.
enum Operation {
    One(Shared<dyn CustomOp1 + Send + Sync>),
    Two(Shared<dyn CustomOp2 + Send + Sync>),
    Three(Shared<dyn CustomOp3 + Send + Sync>),
    Reshape,
    Many(Arc<dyn ManyGradients>),
}

struct Step {
    args: Vec<Held>,
    results: Vec<Held>,
    operation: Operation,
}

/// The gradients of an operation of any number of tensors and results.
pub(crate) trait ManyGradients: Send + Sync {
    /// Gradients of the arguments, given those of the results; `None` stands for zeros, and for what needs none. Only
    /// those arguments can be read that were recorded as read.
    ///
    /// # Errors
    /// Where memory is not to be had.
    fn gradients(&self, args: &[Tensor], results: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>>;
}

/// What was run, in its order.
#[derive(Default)]
struct Tape {
    steps: Vec<Step>,
    /// The step that made a tensor.
    made: HashMap<TensorId, usize>,
}

impl Tape {
    fn push(&mut self, step: Step) {
        for result in &step.results {
            self.made.insert(result.id, self.steps.len());
        }
        self.steps.push(step);
    }

    /// Which steps a tensor depends on.
    ///
    /// # Errors
    /// Where a tensor in between was not made on this tape.
    fn steps_behind(&self, loss: &Tensor) -> Result<Vec<bool>> {
        let mut is_behind = vec![false; self.steps.len()];
        let visit = |tensor: &Tensor, id: TensorId, is_behind: &mut Vec<bool>| {
            if tensor.is_variable() || !tensor.track_op() {
                return Ok(());
            }
            let Some(&step) = self.made.get(&id) else {
                bail!(
                    "a tensor of shape {:?} behind the loss was made beside the tape of this step: a training step on \
                     the CPU is made of kernels only; let the pass run without a tape to mix them with operators of \
                     Candle's",
                    tensor.shape()
                )
            };
            is_behind[step] = true;
            Ok(())
        };
        visit(loss, loss.id(), &mut is_behind)?;
        for idx in (0..self.steps.len()).rev() {
            if is_behind[idx] {
                for arg in &self.steps[idx].args {
                    visit(&arg.tensor, arg.id, &mut is_behind)?;
                }
            }
        }
        Ok(is_behind)
    }
}

/// What tensors of a tape depend on in Candle's eyes, and what stands for numbers that nobody reads.
struct Anchors {
    tracked: [Var; 2],
}

impl Anchors {
    fn new() -> Result<Self> {
        let nan = |dtype| Var::from_tensor(&Tensor::new(f64::NAN, &Device::Cpu)?.to_dtype(dtype)?);
        Ok(Self { tracked: [nan(DType::F32)?, nan(DType::F64)?] })
    }
}

thread_local! {
    /// The tape of the step that runs on this thread; `None` where nobody asked for one.
    static TAPE: RefCell<Option<Tape>> = const { RefCell::new(None) };
    static ANCHORS: RefCell<Option<Anchors>> = const { RefCell::new(None) };
}

fn with_anchors<T>(f: impl FnOnce(&Anchors) -> Result<T>) -> Result<T> {
    ANCHORS.with_borrow_mut(|anchors| {
        if anchors.is_none() {
            *anchors = Some(Anchors::new()?);
        }
        f(anchors.as_ref().expect("made above"))
    })
}

/// A tensor of the same shape and type, with a gradient where the other has one, and without memory: one number that
/// stands for all. It is no number, so that a kernel that reads it after all does not pass unnoticed.
fn stand_in(tensor: &Tensor) -> Result<Tensor> {
    with_anchors(|anchors| {
        let Some(anchor) = anchors.tracked.iter().find(|anchor| anchor.dtype() == tensor.dtype()) else {
            // Whole numbers, which are not worth it.
            return Ok(tensor.clone());
        };
        let anchor = if tensor.track_op() { anchor.as_tensor().clone() } else { anchor.as_detached_tensor() };
        anchor.broadcast_as(tensor.shape())
    })
}

/// Starts a new tape on this thread; what an older one remembered is dropped.
pub fn start() {
    TAPE.with_borrow_mut(|tape| *tape = Some(Tape::default()));
}

/// Forgets the tape of this thread: what runs next is not remembered.
pub fn stop() {
    TAPE.take();
}

/// Runs something beside the tape of this thread, which goes on afterwards: what is made is not remembered.
pub(crate) fn beside<T>(run: impl FnOnce() -> T) -> T {
    let tape = TAPE.take();
    let result = run();
    TAPE.set(tape);
    result
}

/// What was run on a tape of its own, for gradients that are asked for several times.
pub(crate) struct Recording(Tape);

/// Runs something on a tape of its own; the one of this thread goes on afterwards.
pub(crate) fn record<T>(run: impl FnOnce() -> Result<T>) -> Result<(T, Recording)> {
    let outer = TAPE.replace(Some(Tape::default()));
    let result = run();
    let own = TAPE.replace(outer);
    Ok((result?, Recording(own.unwrap_or_default())))
}

impl Recording {
    /// The gradient of a variable, given that of a result; `None` where the result does not depend on it.
    ///
    /// # Errors
    /// Where a kernel's backward pass fails, or something in between was not made on the tape.
    pub fn gradient(&self, result: &Tensor, gradient: &Tensor, of: &Var) -> Result<Option<Tensor>> {
        let is_behind = self.0.steps_behind(result)?;
        let mut gradients = Gradients::default();
        gradients.add(&Held::new(result, true)?, Some(gradient.clone()))?;
        for (step, _) in self.0.steps.iter().zip(is_behind).rev().filter(|(_, is_behind)| *is_behind) {
            step.backward(&mut gradients)?;
        }
        Ok(gradients.of_variables.remove(of.as_tensor()))
    }
}

/// Whether what runs on this thread is remembered.
pub(crate) fn is_running() -> bool {
    TAPE.with_borrow(Option::is_some)
}

/// Gradients of a scalar with respect to every variable behind it. Uses up the tape of this thread; without one, Candle
/// goes back.
///
/// # Errors
/// Where a kernel's backward pass fails, or something behind `loss` was not made on the tape.
pub fn backward(loss: &Tensor) -> Result<GradStore> {
    let Some(tape) = TAPE.take() else { return loss.backward() };
    tape.backward(loss, loss.ones_like()?.detach())
}

/// Gradients with respect to every variable behind `result`, given that of `result`, as `Tensor.backward(gradient)` of
/// PyTorch. Uses up the tape of this thread.
///
/// # Errors
/// As [`backward`], and where no tape runs or the shapes differ.
pub fn backward_from(result: &Tensor, gradient: &Tensor) -> Result<GradStore> {
    if result.shape() != gradient.shape() {
        bail!("a gradient of shape {:?} for a result of shape {:?}", gradient.shape(), result.shape())
    }
    let Some(tape) = TAPE.take() else {
        bail!(
            "no tape runs on this thread: none was started, or a backward pass has used it up; gradients of gradients \
             are not computed"
        )
    };
    tape.backward(result, gradient.detach())
}

/// Gradients on their way.
#[derive(Default)]
struct Gradients {
    waiting: HashMap<TensorId, Tensor>,
    of_variables: GradStore,
}

impl Gradients {
    fn add(&mut self, arg: &Held, gradient: Option<Tensor>) -> Result<()> {
        let Some(gradient) = gradient.filter(|_| arg.tensor.track_op()) else { return Ok(()) };
        // A kernel's backward pass may have been given tracked tensors; gradients of gradients are not kept.
        let gradient = gradient.detach();
        if arg.tensor.is_variable() {
            let sum = match self.of_variables.remove(&arg.tensor) {
                None => gradient,
                Some(sum) => super::add(&sum, &gradient)?,
            };
            self.of_variables.insert(&arg.tensor, sum);
            return Ok(());
        }
        let sum = match self.waiting.remove(&arg.id) {
            None => gradient,
            Some(sum) => super::add(&sum, &gradient)?,
        };
        self.waiting.insert(arg.id, sum);
        Ok(())
    }
}

impl Tape {
    fn backward(self, loss: &Tensor, gradient: Tensor) -> Result<GradStore> {
        let is_behind = self.steps_behind(loss)?;
        let mut gradients = Gradients::default();
        gradients.add(&Held::new(loss, true)?, Some(gradient))?;
        // From the loss down to the variables; what a step kept goes with it.
        for (step, _) in self.steps.into_iter().zip(is_behind).rev().filter(|(_, is_behind)| *is_behind) {
            step.backward(&mut gradients)?;
        }
        Ok(gradients.of_variables)
    }
}

impl Step {
    fn backward(&self, gradients: &mut Gradients) -> Result<()> {
        let args = &self.args;
        if let Operation::Many(op) = &self.operation {
            let of_results: Vec<Option<Tensor>> =
                self.results.iter().map(|result| gradients.waiting.remove(&result.id)).collect();
            if of_results.iter().any(Option::is_some) {
                let tensors: Vec<Tensor> = args.iter().map(|arg| arg.tensor.clone()).collect();
                for (arg, gradient) in args.iter().zip(op.gradients(&tensors, &of_results)?) {
                    gradients.add(arg, gradient)?;
                }
            }
            return Ok(());
        }
        let result = &self.results[0];
        let Some(gradient) = gradients.waiting.remove(&result.id) else { return Ok(()) };
        match &self.operation {
            Operation::One(op) => {
                let first = noted(|| op.name(), || op.bwd(&args[0].tensor, &result.tensor, &gradient))?;
                gradients.add(&args[0], first)
            }
            Operation::Two(op) => {
                let (first, second) = noted(
                    || op.name(),
                    || op.bwd(&args[0].tensor, &args[1].tensor, &result.tensor, &gradient),
                )?;
                gradients.add(&args[0], first)?;
                gradients.add(&args[1], second)
            }
            Operation::Three(op) => {
                let [a, b, c] = [0, 1, 2].map(|k: usize| &args[k].tensor);
                let (first, second, third) =
                    noted(|| op.name(), || op.bwd(a, b, c, &result.tensor, &gradient))?;
                gradients.add(&args[0], first)?;
                gradients.add(&args[1], second)?;
                gradients.add(&args[2], third)
            }
            Operation::Reshape => {
                let first = gradient.reshape(args[0].tensor.shape())?;
                gradients.add(&args[0], Some(first))
            }
            Operation::Many(_) => unreachable!("taken before"),
        }
    }
}

/// Tells tests which kernel goes back; those that it runs are parts of it.
fn noted<T>(name: impl FnOnce() -> &'static str, run: impl FnOnce() -> T) -> T {
    #[cfg(test)]
    let _inside = super::recorder::begin(name());
    #[cfg(not(test))]
    let _ = name;
    run()
}

/// Results of an operation of many tensors as tensors that depend on them. One of `args` is tracked; those that
/// gradients read are named by `is_read`.
///
/// # Errors
/// Where Candle cannot make a tensor.
pub(crate) fn record_many(
    args: &[Tensor],
    results: Vec<(CpuStorage, Shape)>,
    is_read: impl Fn(usize) -> bool,
    op: impl FnOnce(&[Tensor]) -> Arc<dyn ManyGradients>,
) -> Result<Vec<Tensor>> {
    let results =
        results.into_iter().map(|(storage, shape)| anchored(storage, shape)).collect::<Result<Vec<_>>>()?;
    let held = args.iter().enumerate().map(|(k, arg)| Held::new(arg, is_read(k))).collect::<Result<_>>()?;
    let of_results = results.iter().map(|result| Held::new(result, false)).collect::<Result<_>>()?;
    push(Step { args: held, results: of_results, operation: Operation::Many(op(&results)) });
    Ok(results)
}

fn push(step: Step) {
    TAPE.with_borrow_mut(|tape| {
        if let Some(tape) = tape {
            tape.push(step);
        }
    });
}

/// A tensor of the tape: Candle has to know that it depends on something; its gradients are the tape's.
fn anchored(storage: CpuStorage, shape: Shape) -> Result<Tensor> {
    with_anchors(|anchors| anchors.tracked[0].apply_op1(Made { storage: Mutex::new(Some(storage)), shape }))
}

/// A result that was computed already.
struct Made {
    storage: Mutex<Option<CpuStorage>>,
    shape: Shape,
}

impl CustomOp1 for Made {
    fn name(&self) -> &'static str {
        "taped"
    }
    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        let storage = self.storage.lock().unwrap_or_else(PoisonError::into_inner).take();
        let storage = storage.ok_or_else(|| candle_core::Error::Msg("a result is taken once".to_owned()))?;
        Ok((storage, self.shape.clone()))
    }
    fn bwd(&self, _: &Tensor, _: &Tensor, _: &Tensor) -> Result<Option<Tensor>> {
        bail!(
            "a tensor of shape {:?} was made on a tape, which knows its gradients: ask the loss of the step for them, \
             once and on the thread of the forward pass, or let the pass run without a tape",
            self.shape
        )
    }
}

/// What a tensor on the CPU holds.
fn on_cpu<T>(tensor: &Tensor, f: impl FnOnce(&CpuStorage, &Layout) -> Result<T>) -> Result<T> {
    let (storage, layout) = tensor.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else { bail!("a tape is for tensors on the CPU") };
    f(storage, layout)
}

/// The result of an operation on a tape.
fn taped(
    (storage, shape): (CpuStorage, Shape),
    args: &[&Tensor],
    reads: Reads,
    operation: Operation,
) -> Result<Tensor> {
    let result = anchored(storage, shape)?;
    let args = args.iter().map(|arg| Held::new(arg, reads.args)).collect::<Result<_>>()?;
    push(Step { args, results: vec![Held::new(&result, reads.result)?], operation });
    Ok(result)
}

/// Applying a custom operator so that the tape remembers it.
pub(crate) trait Recorded {
    fn recorded1(&self, op: impl CustomOp1 + Send + Sync + 'static, reads: Reads) -> Result<Tensor>;
    fn recorded2(
        &self,
        second: &Tensor,
        op: impl CustomOp2 + Send + Sync + 'static,
        reads: Reads,
    ) -> Result<Tensor>;
    fn recorded3(
        &self,
        second: &Tensor,
        third: &Tensor,
        op: impl CustomOp3 + Send + Sync + 'static,
        reads: Reads,
    ) -> Result<Tensor>;
}

/// Whether gradients will be asked of the tape.
pub(crate) fn is_taped(args: &[&Tensor]) -> bool {
    is_running() && args.iter().any(|arg| arg.track_op())
}

impl Recorded for Tensor {
    fn recorded1(&self, op: impl CustomOp1 + Send + Sync + 'static, reads: Reads) -> Result<Tensor> {
        let op: Shared<dyn CustomOp1 + Send + Sync> = Arc::new(Box::new(op));
        #[cfg(test)]
        super::recorder::note(|| op.name().to_owned());
        if !is_taped(&[self]) {
            return self.apply_op1_arc(op);
        }
        let made = on_cpu(self, |x, layout| op.cpu_fwd(x, layout))?;
        taped(made, &[self], reads, Operation::One(op))
    }

    fn recorded2(
        &self,
        second: &Tensor,
        op: impl CustomOp2 + Send + Sync + 'static,
        reads: Reads,
    ) -> Result<Tensor> {
        let op: Shared<dyn CustomOp2 + Send + Sync> = Arc::new(Box::new(op));
        #[cfg(test)]
        super::recorder::note(|| op.name().to_owned());
        if !is_taped(&[self, second]) {
            return self.apply_op2_arc(second, op);
        }
        let made =
            on_cpu(self, |a, a_layout| on_cpu(second, |b, b_layout| op.cpu_fwd(a, a_layout, b, b_layout)))?;
        taped(made, &[self, second], reads, Operation::Two(op))
    }

    fn recorded3(
        &self,
        second: &Tensor,
        third: &Tensor,
        op: impl CustomOp3 + Send + Sync + 'static,
        reads: Reads,
    ) -> Result<Tensor> {
        let op: Shared<dyn CustomOp3 + Send + Sync> = Arc::new(Box::new(op));
        #[cfg(test)]
        super::recorder::note(|| op.name().to_owned());
        if !is_taped(&[self, second, third]) {
            return self.apply_op3_arc(second, third, op);
        }
        let made = on_cpu(self, |a, a_layout| {
            on_cpu(second, |b, b_layout| {
                on_cpu(third, |c, c_layout| op.cpu_fwd(a, a_layout, b, b_layout, c, c_layout))
            })
        })?;
        taped(made, &[self, second, third], reads, Operation::Three(op))
    }
}

/// The same numbers in another shape.
///
/// # Errors
/// Where the shapes have different numbers of elements.
pub fn reshape(x: &Tensor, shape: impl Into<Shape>) -> Result<Tensor> {
    let result = x.reshape(shape.into())?;
    if is_taped(&[x]) {
        let [arg, made] = [Held::new(x, false)?, Held::new(&result, false)?];
        push(Step { args: vec![arg], results: vec![made], operation: Operation::Reshape });
    }
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
    fn gradients_of_gradients_are_refused() {
        let x = Var::from_vec(vec![1.0f64, 2.0], (1, 2), &Device::Cpu).unwrap();
        TAPE.take();
        start();
        let y = linear(&x, &x.t().unwrap().contiguous().unwrap().detach(), None, Activation::Tanh).unwrap();
        let gradient = backward_from(&y, &y.ones_like().unwrap()).unwrap().remove(&x).unwrap();
        let error = backward_from(&gradient, &gradient.ones_like().unwrap()).unwrap_err().to_string();
        assert!(error.contains("gradients of gradients are not computed"), "{error}");
    }

    #[test]
    fn gradients_are_those_of_candle() {
        assert_eq!(gradients(kernels_only, true), gradients(kernels_only, false));
    }

    #[test]
    fn an_operator_of_candle_in_between_is_an_error_and_needs_no_tape() {
        let mixed = |x: &Tensor, w: &Tensor| kernels_only(&x.sqr()?, w);
        let on_top = |x: &Tensor, w: &Tensor| kernels_only(x, w)?.affine(3.0, 1.0);
        let [x, w] = [(4, 3), (3, 3)].map(|shape| Var::ones(shape, DType::F64, &Device::Cpu).unwrap());
        for run in [&mixed as &dyn Fn(&Tensor, &Tensor) -> Result<Tensor>, &on_top] {
            start();
            let loss = run(&x, &w).unwrap();
            let error = backward(&loss).unwrap_err().to_string();
            assert!(error.contains("was made beside the tape"), "{error}");
            let untaped = run(&x, &w).unwrap().backward().unwrap();
            assert!(untaped.get(&x).is_some() && untaped.get(&w).is_some());
        }
    }

    #[test]
    fn a_taped_loss_is_not_asked_twice() {
        let [x, w] = [(4, 3), (3, 3)].map(|shape| Var::ones(shape, DType::F64, &Device::Cpu).unwrap());
        start();
        let loss = kernels_only(&x, &w).unwrap();
        backward(&loss).unwrap();
        let error = backward(&loss).unwrap_err().to_string();
        assert!(error.contains("was made on a tape"), "{error}");
    }

    #[test]
    fn a_gradient_can_be_given() {
        let x = Var::from_vec(vec![1.0, -2.0, 3.0], (1, 3), &Device::Cpu).unwrap();
        start();
        let y = activate(&x, Activation::Relu).unwrap();
        let given = Tensor::from_vec(vec![5.0, 7.0, 11.0], (1, 3), &Device::Cpu).unwrap();
        let gradients = backward_from(&y, &given).unwrap();
        assert_eq!(
            gradients.get(&x).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap(),
            [5.0, 0.0, 11.0]
        );
        start();
        let y = activate(&x, Activation::Relu).unwrap();
        let error = backward_from(&y, &x.detach().t().unwrap()).unwrap_err().to_string();
        assert!(error.contains("for a result of shape [1, 3]"), "{error}");
        stop();
    }

    #[test]
    fn what_no_gradient_reads_is_let_go() {
        let x = Var::ones((4, 3), DType::F64, &Device::Cpu).unwrap();
        start();
        let y = add(&x, &x).unwrap();
        let z = activate(&y, Activation::Relu).unwrap();
        TAPE.with_borrow(|tape| {
            let steps = &tape.as_ref().unwrap().steps;
            let is_held = |held: &Held, tensor: &Tensor| held.tensor.id() == tensor.id();
            assert!(!is_held(&steps[0].results[0], &y));
            assert!(!is_held(&steps[1].args[0], &y));
            assert!(is_held(&steps[1].results[0], &z));
            // What stands for it takes no memory, and a kernel that reads it fails.
            let stand_in = &steps[1].args[0].tensor;
            assert_eq!((stand_in.dims(), stand_in.track_op()), (&[4, 3][..], true));
            assert!(crate::kernels::float::View::<f64>::new(stand_in).is_err());
        });
        stop();
    }

    #[test]
    fn a_tape_is_used_up_by_one_backward_pass() {
        gradients(kernels_only, true);
        TAPE.with_borrow(|tape| assert!(tape.is_none()));
    }
}
