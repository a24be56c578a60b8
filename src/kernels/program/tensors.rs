//! Programs on tensors, as one operation of a step.

use super::{Backward, Compiled, Memory, Random, Topology, execute};
use crate::kernels::float::{Float, View, by_dtype, finish};
use crate::kernels::summation::Summation;
use crate::kernels::{device, tape};
use crate::program::{Id, Op};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use std::sync::{Arc, Mutex};

/// What a program is run with.
pub(crate) struct Arguments<'a> {
    pub compiled: &'a Arc<Compiled>,
    /// By port.
    pub inputs: &'a [Tensor],
    /// By weight.
    pub weights: &'a [Tensor],
    pub topology: &'a Topology,
    pub random: Random,
    /// What the results are like in type and device, where nothing comes in, as for degrees.
    pub like: &'a Tensor,
}

/// A run of a program whose gradients may be asked for.
struct Step {
    compiled: Arc<Compiled>,
    backward: Arc<Backward>,
    topology: Topology,
    random: Random,
    /// Values that the backward pass reads.
    kept: Mutex<Vec<(Id, Tensor)>>,
}

/// The results of a program, each `[rows, axes]`.
///
/// # Errors
/// Where a tensor is on another device and cannot be copied.
pub(crate) fn run(arguments: &Arguments) -> Result<Vec<Tensor>> {
    let args: Vec<Tensor> = arguments.inputs.iter().chain(arguments.weights).cloned().collect();
    let is_tracked = args.iter().any(Tensor::track_op);
    if args.iter().chain([arguments.like]).any(device::is_elsewhere) {
        return run_elsewhere(arguments, &args);
    }
    let args = args.iter().map(Tensor::contiguous).collect::<Result<Vec<_>>>()?;
    let (results, step) = forward(arguments, &args, is_tracked)?;
    let Some(step) = step else { return results.into_iter().map(plain).collect() };
    if tape::is_running() {
        let backward = step.backward.clone();
        let is_read = |arg: usize| backward.reads[arg];
        return tape::record_many(&args, results, is_read, |results| Arc::new(step.keeping(results)));
    }
    let results = results.into_iter().map(plain).collect::<Result<Vec<_>>>()?;
    let step = step.keeping(&results);
    through_candle(&args, results, step)
}

fn plain((storage, shape): (CpuStorage, Shape)) -> Result<Tensor> {
    match storage {
        CpuStorage::F32(values) => Tensor::from_vec(values, shape, &candle_core::Device::Cpu),
        CpuStorage::F64(values) => Tensor::from_vec(values, shape, &candle_core::Device::Cpu),
        _ => candle_core::bail!("programs compute in f32 or f64"),
    }
}

impl Step {
    /// With those results that the backward pass reads too.
    fn keeping(self, results: &[Tensor]) -> Self {
        let program = &self.compiled.whole.program;
        let mut kept = self.kept.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (&output, result) in program.outputs.iter().zip(results) {
            let from = super::phases::source(program, output);
            if self.backward.kept.binary_search(&from).is_ok() && kept.iter().all(|(id, _)| *id != from) {
                kept.push((from, result.detach()));
            }
        }
        Self { kept: Mutex::new(kept), ..self }
    }
}

type Results = Vec<(CpuStorage, Shape)>;

fn forward(arguments: &Arguments, args: &[Tensor], is_tracked: bool) -> Result<(Results, Option<Step>)> {
    let compiled = arguments.compiled;
    let dtype = arguments.like.dtype();
    by_dtype!(dtype, T => {
        let program = &compiled.whole.program;
        let views = args.iter().map(View::<T>::new).collect::<Result<Vec<_>>>()?;
        let mut memory = Memory::<T>::new(program.values.len());
        give(compiled, &mut memory, &views, arguments.inputs.len());
        let inputs = args[..arguments.inputs.len()].iter().zip(&compiled.wanted);
        let tracked: Vec<bool> = inputs.map(|(input, &is_wanted)| is_wanted && input.track_op()).collect();
        let backward = is_tracked.then(|| compiled.backward(&tracked));
        let keeps: &[Id] = backward.as_ref().map_or(&[], |backward| &backward.kept);
        let is_kept = |id: Id| keeps.binary_search(&id).is_ok();
        let (topology, random) = (arguments.topology, arguments.random);
        let pass = if is_tracked { &compiled.forward } else { compiled.alone() };
        execute(program, pass, Summation::current(), &mut memory, topology, random, &is_kept);
        let mut results = Vec::new();
        for (k, &output) in program.outputs.iter().enumerate() {
            let value = program.value(output);
            let from = super::phases::source(program, output);
            let rows = super::n_rows(arguments.topology, value.space);
            let mut shape = vec![rows];
            shape.extend(value.axes.iter().map(|size| size.known().expect("known where a program runs")));
            // The same value may be asked for twice, and an input may come out as it is.
            let is_last = program.outputs[k + 1..].iter().all(|&id| super::phases::source(program, id) != from);
            let values = match is_last.then(|| memory.take(from)).flatten() {
                Some(values) => values,
                None => memory.read(from).to_vec(),
            };
            results.push(finish(values, shape));
        }
        let mut kept = Vec::new();
        if is_tracked {
            for &id in keeps {
                if let Some(values) = memory.take(id) {
                    let len = values.len();
                    kept.push((id, Tensor::from_vec(values, len, &candle_core::Device::Cpu)?));
                }
            }
        }
        let step = backward.map(|backward| Step {
            compiled: compiled.clone(),
            backward,
            topology: arguments.topology.clone(),
            random: arguments.random,
            kept: Mutex::new(kept),
        });
        Ok((results, step))
    })
}

/// The memory of inputs, weights and constants.
fn give<'a, T: Float>(
    compiled: &Compiled,
    memory: &mut Memory<'a, T>,
    views: &'a [View<T>],
    n_inputs: usize,
) {
    for (idx, value) in compiled.whole.program.values.iter().enumerate() {
        let id = Id(idx as u32);
        match value.op {
            Op::Input(port) if port < n_inputs => memory.give(id, &views[port]),
            Op::Weight(weight) => memory.give(id, &views[n_inputs + weight]),
            Op::Constant(value) => memory.put(id, vec![T::of(value)]),
            Op::Iota => memory.put(id, (0..value.known_width()).map(|place| T::of(place as f64)).collect()),
            _ => {}
        }
    }
}

impl tape::ManyGradients for Step {
    fn gradients(&self, args: &[Tensor], results: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let compiled = &self.compiled;
        let program = &compiled.whole.program;
        let n_inputs = args.len() - program.weights.len();
        by_dtype!(args[0].dtype(), T => {
            let views = args
                .iter()
                .zip(&self.backward.reads)
                .map(|(arg, &is_read)| View::<T>::where_read(arg, is_read))
                .collect::<Result<Vec<_>>>()?;
            let results = results
                .iter()
                .map(|gradient| gradient.as_ref().map(Tensor::contiguous).transpose())
                .collect::<Result<Vec<_>>>()?;
            let cotangents = results
                .iter()
                .map(|gradient| gradient.as_ref().map(View::<T>::new).transpose())
                .collect::<Result<Vec<_>>>()?;
            // Gradients may be asked for again; what is kept goes with the step.
            let kept = self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
            let kept_views = kept
                .iter()
                .map(|(id, tensor)| Ok((*id, View::<T>::new(tensor)?)))
                .collect::<Result<Vec<_>>>()?;
            let mut memory = Memory::<T>::new(program.values.len());
            give(compiled, &mut memory, &views, n_inputs);
            for (id, view) in &kept_views {
                memory.give(*id, view);
            }
            let zeros: Vec<Vec<T>> = compiled
                .whole
                .cotangents
                .iter()
                .zip(&cotangents)
                .map(|(&id, gradient)| match gradient {
                    Some(_) => Vec::new(),
                    None => {
                        let value = program.value(id);
                        vec![T::ZERO; super::n_rows(&self.topology, value.space) * value.known_width()]
                    }
                })
                .collect();
            for ((&id, gradient), zeros) in compiled.whole.cotangents.iter().zip(&cotangents).zip(&zeros) {
                memory.give(id, gradient.as_deref().unwrap_or(zeros));
            }
            let (pass, topology) = (&self.backward.pass, &self.topology);
            execute(program, pass, Summation::Sequential, &mut memory, topology, self.random, &|_| false);
            let all = compiled.whole.of_inputs.iter().chain(&compiled.whole.of_weights);
            let mut gradients = Vec::with_capacity(args.len());
            let sources: Vec<Option<Id>> =
                all.map(|id| id.map(|id| super::phases::source(program, id))).collect();
            for (k, (arg, id)) in args.iter().zip(&sources).enumerate() {
                gradients.push(match id {
                    Some(from) if arg.track_op() => {
                        // One value may be the gradient of two arguments.
                        let is_last = sources[k + 1..].iter().all(|other| other != id);
                        let values = match is_last.then(|| memory.take(*from)).flatten() {
                            Some(values) => values,
                            None => memory.read(*from).to_vec(),
                        };
                        Some(Tensor::from_vec(values, arg.shape(), arg.device())?)
                    }
                    _ => None,
                });
            }
            Ok(gradients)
        })
    }
}

/// Where no tape runs, Candle's own backward pass reaches every argument through one flat tensor.
fn through_candle(args: &[Tensor], results: Vec<Tensor>, step: Step) -> Result<Vec<Tensor>> {
    let flat = args.iter().map(Tensor::flatten_all).collect::<Result<Vec<_>>>()?;
    let flat = Tensor::cat(&flat, 0)?;
    let shapes: Vec<Shape> = results.iter().map(|result| result.shape().clone()).collect();
    let whole = results.iter().map(Tensor::flatten_all).collect::<Result<Vec<_>>>()?;
    let whole = Tensor::cat(&whole, 0)?;
    let op = Flat { args: args.iter().map(Tensor::clone).collect(), whole, shapes: shapes.clone(), step };
    let result = flat.apply_op1(op)?;
    let mut start = 0;
    let part = |shape: &Shape| {
        let len = shape.elem_count();
        start += len;
        result.narrow(0, start - len, len)?.reshape(shape)
    };
    shapes.iter().map(part).collect()
}

struct Flat {
    args: Vec<Tensor>,
    whole: Tensor,
    shapes: Vec<Shape>,
    step: Step,
}

impl CustomOp1 for Flat {
    fn name(&self) -> &'static str {
        "program"
    }
    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        let (storage, _) = self.whole.storage_and_layout();
        let candle_core::Storage::Cpu(values) = &*storage else {
            candle_core::bail!("programs run on the CPU")
        };
        Ok((values.clone(), self.whole.shape().clone()))
    }
    fn bwd(&self, _: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let mut start = 0;
        let mut parts = Vec::new();
        for shape in &self.shapes {
            let len = shape.elem_count();
            parts.push(Some(gradient.narrow(0, start, len)?.reshape(shape)?));
            start += len;
        }
        let gradients = tape::ManyGradients::gradients(&self.step, &self.args, &parts)?;
        let flat = self
            .args
            .iter()
            .zip(gradients)
            .map(|(arg, gradient)| match gradient {
                Some(gradient) => gradient.flatten_all(),
                None => arg.zeros_like()?.flatten_all(),
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Some(Tensor::cat(&flat, 0)?))
    }
}

/// On the host, with copies that Candle follows.
fn run_elsewhere(arguments: &Arguments, args: &[Tensor]) -> Result<Vec<Tensor>> {
    let mut all = args.iter().chain([arguments.like]);
    let device = all.find(|arg| device::is_elsewhere(arg)).expect("one is elsewhere").device().clone();
    let host = args
        .iter()
        .map(|arg| arg.to_device(&candle_core::Device::Cpu)?.contiguous())
        .collect::<Result<Vec<_>>>()?;
    let is_tracked = args.iter().any(Tensor::track_op);
    let (results, step) = forward(arguments, &host, is_tracked)?;
    let results = results.into_iter().map(plain).collect::<Result<Vec<_>>>()?;
    let results = match step {
        Some(step) => {
            let step = step.keeping(&results);
            through_candle(&host, results, step)?
        }
        None => results,
    };
    results.iter().map(|result| result.to_device(&device)).collect()
}
