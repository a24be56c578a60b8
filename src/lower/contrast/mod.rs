//! What losses without targets compute: for each item what it costs, from what the network makes of a step's views. One file a loss, entered
//! in [`CONTRASTS`]; weights follow from their programs and are the loss's own.

mod corruption;
mod readout;
mod views;
mod walks;

use super::network::{BuildError, Network};
use super::parameters::{Parameter, Parameters, initialise};
use super::{ForwardCx, Structure, Value};
use crate::args::Args;
use crate::data::GraphBatch;
use crate::data::views::Views;
use crate::ir::Model;
use crate::kernels::program::{Arguments, Compiled, Random, Topology, run};
use crate::ops::loss::Contrast;
use crate::program::{Build, Program};
use crate::types::{DataFacts, Degrees, Dim, Size};
use candle_core::{DType, Device, Result, Tensor, Var, bail};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A loss without targets: its programs, and how they are put together.
struct ContrastEntry {
    what: Contrast,
    /// Each with the prefix of its weights, for rows of this width.
    heads: fn(width: usize) -> Vec<(&'static str, Program)>,
    /// The value of each item, `[M, 1]`.
    of_items: fn(&mut Step) -> Result<Tensor>,
}

static CONTRASTS: &[ContrastEntry] = &[walks::ENTRY, corruption::ENTRY, readout::ENTRY, views::ENTRY];

/// What the value of each item is made of.
struct Step<'a, 'c> {
    network: &'a Network,
    own: &'a Contrasting,
    batch: &'a GraphBatch,
    views: &'a Views,
    cx: &'a mut ForwardCx<'c>,
}

/// The loss without targets of a network, with its weights.
pub(super) struct Contrasting {
    entry: &'static ContrastEntry,
    args: Args,
    heads: Vec<Head>,
    /// Programs for as many columns as a batch has graphs.
    of_widths: Mutex<HashMap<usize, Arc<Compiled>>>,
}

/// How many numbers each weight of a model's loss has: those of losses without targets.
pub fn weights_of_loss(model: &Model) -> Vec<usize> {
    let what = model.losses.iter().find_map(|term| term.loss.contrast());
    let width = model.graph[model.output].ty.width.known();
    let entry = CONTRASTS.iter().find(|entry| Some(entry.what) == what);
    let (Some(entry), Some(width)) = (entry, width) else { return Vec::new() };
    let weights = (entry.heads)(width).into_iter().flat_map(|(_, program)| program.weights);
    weights.map(|spec| spec.shape.iter().filter_map(Dim::known).product()).collect()
}

/// A program with its weights.
struct Head {
    compiled: Arc<Compiled>,
    weights: Vec<Var>,
}

/// `[n]`
fn axes(n: usize) -> [Size; 1] {
    [Size::Known(n)]
}

/// `[n]` of a weight.
fn dim(n: usize) -> Dim {
    Dim::new(Size::Known(n), None, "")
}

/// A program that is ready to run, with gradients for all that comes in.
fn compile(program: &Program) -> Arc<Compiled> {
    Arc::new(Compiled::new(program, &vec![true; program.inputs.len()]))
}

impl Contrasting {
    /// That of a model, with its weights put to the others; `None` where its loss compares with targets.
    ///
    /// # Errors
    /// Where the model's result has an unknown width, or Candle cannot allocate.
    pub fn new(
        model: &Model,
        data: &DataFacts,
        dtype: DType,
        device: &Device,
        seed: u64,
        parameters: &mut Parameters,
    ) -> std::result::Result<Option<Self>, BuildError> {
        let found = model.losses.iter().find_map(|term| Some((term, term.loss.contrast()?)));
        let Some((term, what)) = found else { return Ok(None) };
        let end = &model.graph[model.output];
        let Some(width) = end.ty.width.known() else {
            return Err(BuildError::SymbolicSize {
                stage: model.output.index(),
                operator: end.op.name(),
                weight: "result",
                size: end.ty.width.size.to_string(),
                data: data.name.clone(),
            });
        };
        let entry = CONTRASTS.iter().find(|entry| entry.what == what).expect("every contrast is entered");
        let mut heads = Vec::new();
        for (prefix, program) in (entry.heads)(width) {
            let mut weights = Vec::new();
            for spec in &program.weights {
                let shape: Vec<usize> = spec.shape.iter().filter_map(Dim::known).collect();
                let dot = if prefix.is_empty() { "" } else { "." };
                let name = format!("loss.{}.{prefix}{dot}{}", term.loss.name(), spec.name);
                let var = initialise(spec.init, Degrees::default(), &shape, dtype, device, seed, &name)?;
                weights.push(var.clone());
                parameters.push(Parameter { name, var, is_trained: true });
            }
            heads.push(Head { compiled: compile(&program), weights });
        }
        Ok(Some(Self { entry, args: term.args.clone(), heads, of_widths: Mutex::default() }))
    }

    /// The results of a head.
    fn run(&self, head: usize, inputs: &[Tensor], topology: &Topology) -> Result<Tensor> {
        let head = &self.heads[head];
        let weights: Vec<Tensor> = head.weights.iter().map(|weight| weight.as_tensor().clone()).collect();
        first(run(&Arguments {
            compiled: &head.compiled,
            inputs,
            weights: &weights,
            topology,
            random: Random { seed: None },
            like: &inputs[0],
        })?)
    }

    /// The result of a program without weights that depends on how many graphs the batch has.
    fn run_for(&self, n: usize, make: impl FnOnce(&Build) -> Program, inputs: &[Tensor]) -> Result<Tensor> {
        let compiled = {
            let mut known = self.of_widths.lock().unwrap_or_else(PoisonError::into_inner);
            known.entry(n).or_insert_with(|| compile(&make(&Build::new()))).clone()
        };
        let topology = rows(inputs[0].dim(0)?);
        first(run(&Arguments {
            compiled: &compiled,
            inputs,
            weights: &[],
            topology: &topology,
            random: Random { seed: None },
            like: &inputs[0],
        })?)
    }
}

fn first(results: Vec<Tensor>) -> Result<Tensor> {
    results.into_iter().next().ok_or_else(|| candle_core::Error::Msg("a program of no result".to_owned()))
}

/// Rows of one graph.
fn rows(n: usize) -> Topology {
    Topology::rows(Arc::new(vec![0, n as u32]))
}

impl Step<'_, '_> {
    /// What the network makes of the batch, with the value that its last stage reads.
    fn first(&mut self) -> Result<(Value, Value)> {
        let read = self.network.read_by_last();
        let mut last_read: Option<Value> = None;
        let output = self.network.forward_observed(self.batch, self.cx, &mut |step, value| {
            if Some(step.node) == read {
                last_read = Some(value.clone());
            }
        })?;
        // A model of one stage reads the features themselves.
        let last_read = match last_read {
            Some(value) => value,
            None => Value {
                x: self.cx.stand_ins.written_out(self.batch.x.clone())?,
                structure: Structure::Sparse(self.batch.graph.clone()),
            },
        };
        Ok((output, last_read))
    }

    /// What it makes of the second batch, on the tape of the first, with dropout of its own. Auxiliary losses are those of the first.
    fn second(&self) -> Result<Value> {
        let Views::Second(batch) = self.views else { bail!("the step has no second batch") };
        let mut cx = ForwardCx {
            train: self.cx.train,
            wants_gradients: self.cx.wants_gradients,
            is_taped: self.cx.is_taped,
            step_seed: self.cx.seed_of(u64::MAX, 1),
            ..ForwardCx::evaluation()
        };
        self.network.forward_on(batch, &mut cx)
    }
}

impl Network {
    /// Of a loss without targets what each item costs, `[M, 1]`: the output that [`Network::loss`] takes.
    ///
    /// # Errors
    /// Where the loss compares with targets, the views are of another loss, or Candle fails.
    pub fn contrast(&self, batch: &GraphBatch, views: &Views, cx: &mut ForwardCx) -> Result<Value> {
        let Some(own) = &self.contrasting else { bail!("the loss of the model compares with targets") };
        let mut step = Step { network: self, own, batch, views, cx };
        let x = (own.entry.of_items)(&mut step)?;
        let n_graphs = x.dim(0)?;
        Ok(Value { x, structure: Structure::Graphs { n_graphs } })
    }
}
