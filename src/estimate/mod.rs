//! What a training run will take, before it begins: parameters, FLOPs, memory and time.
//!
//! Nothing is trained. The seed decides the shuffles, so the very batches of the run are known; each is traced on sizes
//! alone ([`crate::plan::trace`]), its memory is replayed in the order of the kernels ([`replay`]), and its time follows
//! from rates that were measured on kernels of this machine ([`machine`]).

pub mod batches;
#[cfg(test)]
mod counting;
pub mod fits;
pub mod kernels;
pub mod limit;
pub mod machine;
pub mod pages;
pub mod ranking;
pub mod replay;

use crate::data::{Dataset, EdgeReads};
use crate::ir::Model;
use crate::ops::hetero::Lifted;
use crate::plan::trace::{FLOAT_BYTES, Graphs, Trace, Work};
use crate::plan::words;
use crate::plan::{StageCost, Tracer, stage_costs};
use crate::train::{Settings, TrainError, optimizer};
use batches::{Parts, batch_bytes, dataset_bytes};
use machine::Machine;
use serde::Serialize;

/// Places in shuffles that are looked at for the largest batch. A longer run is taken to be like its first epochs.
const MAX_PLACES: usize = 4_000_000;

/// Kernels that are traced for each figure. Where a model has so many stages that all graphs or batches would take more,
/// some stand for the others.
const MAX_TRACED: usize = 2_000_000;

/// Operations on tensors of a few numbers that a step does beside its kernels, each about a call: features, targets and
/// edge values become tensors; the loss, its parts and the outputs are read; the first gradient is made and let go.
const STEP_CALLS: f64 = 8.0;

/// Roots and quotients of an optimiser's step for each number of a weight that has a state of two numbers: each takes as
/// long as an exponential.
const UPDATE_ROOTS: f64 = 2.0;

/// What is estimated, and what is known of this process.
#[derive(Clone)]
pub struct Request<'a> {
    pub model: &'a Model,
    pub dataset: &'a Dataset,
    pub settings: &'a Settings,
    pub process: ProcessMemory,
    /// `None` where no time is asked for.
    pub machine: Option<Machine>,
}

/// Memory of a process that has read its data and done nothing else. Training begins as the same process, so this is
/// measured, not estimated.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ProcessMemory {
    /// Before the data was read.
    pub base_bytes: f64,
    /// After it was read, with the pages that reading has used and the allocator keeps.
    pub read_bytes: f64,
    /// Pages of the program that it touches only once it trains.
    pub code_bytes: f64,
}

impl ProcessMemory {
    /// As the system says; a typical process where it does not.
    pub fn new(base: Option<u64>, read: Option<u64>) -> Self {
        let base_bytes = base.map_or(16e6, |bytes| bytes as f64);
        let read_bytes = read.map_or(base_bytes, |bytes| bytes as f64);
        Self { base_bytes, read_bytes, code_bytes: pages::TYPICAL_BYTES }
    }

    /// With the pages of a process that has trained on this machine, where both are known; `before` were in memory before
    /// the data was read.
    #[must_use]
    pub fn with_pages(self, before: Option<u64>, machine: Option<&Machine>) -> Self {
        match (before, machine.and_then(|machine| machine.trained_file_bytes)) {
            (Some(before), Some(trained)) => Self { code_bytes: (trained - before as f64).max(0.0), ..self },
            _ => self,
        }
    }
}

/// Why nothing can be estimated.
#[derive(Debug, thiserror::Error)]
pub enum EstimateError {
    #[error(transparent)]
    Train(Box<TrainError>),
    #[error("a width of the model is not known even with {data}")]
    Symbolic { data: String },
}

impl From<TrainError> for EstimateError {
    fn from(error: TrainError) -> Self {
        EstimateError::Train(Box::new(error))
    }
}

/// A training run in numbers.
#[derive(Debug, Clone, Serialize)]
pub struct Estimate {
    pub n_parameters: usize,
    /// Graphs of the training part, of the first of `n_runs` runs.
    pub n_train_graphs: usize,
    pub n_runs: usize,
    pub epochs: usize,
    pub stages: Vec<Stage>,
    pub batches: Batches,
    pub flops: Flops,
    pub memory: Memory,
    pub time: Option<Time>,
}

/// One stage of the model.
#[derive(Debug, Clone, Serialize)]
pub struct Stage {
    /// Place in the model, from 0 (the input).
    pub index: usize,
    pub operator: &'static str,
    pub result: String,
    pub parameters: usize,
    /// Mean over the training graphs, forward and backward.
    pub forward_flops: f64,
    pub backward_flops: f64,
    /// Kept for the backward pass of the largest batch.
    pub kept_bytes: f64,
    /// Seconds of an epoch.
    pub epoch_s: Option<f64>,
}

/// The batches that the run makes.
#[derive(Debug, Clone, Serialize)]
pub struct Batches {
    /// Graphs in one.
    pub size: usize,
    pub per_epoch: usize,
    /// Mean over the first epoch.
    pub mean_nodes: f64,
    pub mean_edges: f64,
    /// Epochs of each run that were looked at for the largest.
    pub epochs_seen: usize,
    /// The one that takes most memory, of all that this seed's shuffles make.
    pub largest_nodes: f64,
    pub largest_edges: f64,
    /// The largest graphs of the data in one batch: no seed makes a larger one.
    pub bound_nodes: f64,
    pub bound_edges: f64,
    /// Peak memory of the run if they met.
    pub bound_peak_bytes: f64,
}

/// Floating-point operations; multiply and add count as two.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Flops {
    /// Mean over the training graphs.
    pub forward_per_graph: f64,
    /// Forward and backward.
    pub step_per_graph: f64,
    pub forward_per_epoch: f64,
    pub epoch: f64,
}

/// Bytes, by what they are for.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Memory {
    /// The process before it has read anything.
    pub process_bytes: f64,
    pub dataset_bytes: f64,
    /// Trained and kept numbers, their gradients, the optimiser's state, and the copy of the best epoch's.
    pub weights_bytes: f64,
    pub gradients_bytes: f64,
    pub optimizer_bytes: f64,
    pub kept_weights_bytes: f64,
    /// Batches of the validation part, which are made once.
    pub validation_bytes: f64,
    /// The largest batch itself, and its results that are kept for the backward pass.
    pub batch_bytes: f64,
    pub activations_bytes: f64,
    /// Gradients on their way and scratch at the fullest moment.
    pub temporary_bytes: f64,
    /// Pages that the allocator holds beyond what is in use.
    pub allocator_bytes: f64,
    /// Those of them that lie between blocks in use.
    #[serde(skip)]
    gaps_bytes: f64,
    /// What it takes beyond that to measure the largest batch of any part: a graph of the test part may be larger than
    /// all that are trained on.
    pub evaluation_bytes: f64,
    pub peak_bytes: f64,
}

/// Seconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Time {
    /// A training epoch, validation not counted.
    pub epoch_s: f64,
    pub validation_s: f64,
    /// Every epoch of every run, with validation and without early stopping.
    pub total_s: f64,
}

/// What does not depend on the size of batches.
pub struct Estimator<'a> {
    request: Request<'a>,
    tracer: Tracer,
    parts: Parts,
    /// What a step keeps and needs for each graph of the data alone, to find the largest batch by.
    graph_bytes: Vec<f64>,
    numbers: Numbers,
}

/// What a step of walks is over.
pub const OF_WALKS: &str = "walks";

/// What steps are over that score every node for a query.
pub const OF_QUERIES: &str = "queries";

/// How many numbers the weights are.
#[derive(Debug, Clone, Copy, Default)]
struct Numbers {
    trained: usize,
    /// With buffers.
    all: usize,
    /// Of the optimiser's state.
    state: usize,
    /// Tensors that are trained.
    n_trained: usize,
}

impl<'a> Estimator<'a> {
    /// # Errors
    /// Where the data cannot be cut as the protocol asks, or a width is not known.
    pub fn new(request: Request<'a>) -> Result<Self, EstimateError> {
        let (model, dataset, settings) = (request.model, request.dataset, request.settings);
        let parts = Parts::new(model, dataset, settings)?;
        let tracer = Tracer::new(model, &dataset.facts(), dataset.is_symmetric())
            .ok_or_else(|| EstimateError::Symbolic { data: dataset.name.clone() })?;
        let graph_bytes = graph_bytes(dataset, EdgeReads::of(model), &parts, &tracer);
        let mut numbers = Numbers::default();
        for step in &tracer.plan().steps {
            for (count, is_trained) in weight_counts(&tracer, step.node) {
                numbers.all = numbers.all.saturating_add(count);
                if is_trained {
                    numbers.trained = numbers.trained.saturating_add(count);
                    numbers.n_trained += 1;
                }
            }
        }
        let of_loss = crate::lower::weights_of_loss(tracer.model());
        numbers.all += of_loss.iter().sum::<usize>();
        numbers.trained += of_loss.iter().sum::<usize>();
        numbers.n_trained += of_loss.len();
        numbers.state = numbers.trained.saturating_mul(optimizer::state_numbers(&settings.optimizer));
        Ok(Self { request, tracer, parts, graph_bytes, numbers })
    }

    /// What the run takes with the batch size of its settings.
    pub fn estimate(&self) -> Estimate {
        let settings = self.request.settings;
        let batch_size = settings.batch_size;
        let model = self.tracer.model();
        let [train, validation, _] = self.parts.first();
        let (largest, memory) = self.run_memory(batch_size);
        let picked = self.parts.picked(train);
        let trace = self.tracer.step(largest.clone(), picked);
        let bound = self.parts.sizes(&self.parts.heaviest(batch_size, &self.graph_bytes));
        let bound_peak_bytes = self.memory(&bound, &self.tracer.step(bound.clone(), picked)).peak_bytes;

        let machine = self.request.machine.as_ref();
        let epoch: Vec<Graphs> =
            self.parts.first_epoch(batch_size).iter().map(|graphs| self.parts.sizes(graphs)).collect();
        let n_stages = model.graph.node_count();
        let mut costs = vec![StageCost::default(); n_stages];
        let mut seconds = vec![0.0; n_stages];
        let mut flops = [0.0; 2];
        let mut epoch_s = 0.0;
        // Each traced batch stands for so many.
        let (traced, weight) = some_of(&epoch, self.tracer.plan().steps.len());
        for graphs in traced {
            let trace = self.tracer.step(graphs.clone(), picked);
            for (sum, cost) in costs.iter_mut().zip(stage_costs(n_stages, trace.kernels())) {
                sum.flops += weight * cost.flops;
                sum.backward_flops += weight * cost.backward_flops;
            }
            for kernel in trace.kernels() {
                flops[0] += weight * kernel.forward.flops;
                flops[1] += weight * kernel.backward.flops;
            }
            if let Some(machine) = machine {
                add_stage_seconds(&mut seconds, weight, machine, &trace);
                epoch_s += weight * self.step_s(machine, graphs, &trace);
            }
        }
        let kept = stage_costs(n_stages, trace.kernels());
        let n_graphs = train.graphs.len().max(1) as f64;
        let written = self.request.model;
        let stages = model.nodes().map(|(idx, node)| Stage {
            index: idx.index(),
            operator: node.op.name(),
            // With the sizes as they were written: the number of nodes differs from graph to graph.
            result: written.graph[idx].ty.to_string(),
            parameters: weight_counts(&self.tracer, idx)
                .filter(|(_, is_trained)| *is_trained)
                .map(|(n, _)| n)
                .sum(),
            forward_flops: costs[idx.index()].flops / n_graphs,
            backward_flops: costs[idx.index()].backward_flops / n_graphs,
            kept_bytes: kept[idx.index()].kept_bytes,
            epoch_s: machine.map(|_| seconds[idx.index()]),
        });
        let n_batches = epoch.len().max(1) as f64;
        let mean = |of: fn(&Graphs) -> f64| epoch.iter().map(of).sum::<f64>() / n_batches;
        Estimate {
            n_parameters: self.numbers.trained,
            n_train_graphs: train.graphs.len(),
            n_runs: self.parts.n_runs(),
            epochs: settings.epochs,
            stages: stages.collect(),
            batches: Batches {
                size: batch_size,
                per_epoch: epoch.len(),
                mean_nodes: mean(Graphs::n_nodes),
                mean_edges: mean(Graphs::n_edges),
                epochs_seen: self.n_epochs_seen(),
                largest_nodes: largest.n_nodes(),
                largest_edges: largest.n_edges(),
                bound_nodes: bound.n_nodes(),
                bound_edges: bound.n_edges(),
                bound_peak_bytes,
            },
            flops: Flops {
                forward_per_graph: flops[0] / n_graphs,
                step_per_graph: (flops[0] + flops[1]) / n_graphs,
                forward_per_epoch: flops[0],
                epoch: flops[0] + flops[1],
            },
            memory,
            time: machine.map(|machine| self.time(machine, epoch_s, validation, batch_size)),
        }
    }

    /// Epochs of each run whose batches are looked at.
    fn n_epochs_seen(&self) -> usize {
        let [train, ..] = self.parts.first();
        let places = (train.graphs.len() * self.parts.n_runs()).max(1);
        self.request.settings.epochs.min((MAX_PLACES / places).max(1))
    }

    /// The batch of the run that takes most memory.
    fn largest(&self, batch_size: usize) -> Graphs {
        let n_epochs = self.n_epochs_seen();
        let mut largest: (f64, Vec<u32>) = (-1.0, Vec::new());
        self.parts.each_batch(batch_size, n_epochs, |graphs| {
            let bytes: f64 = graphs.iter().map(|&graph| self.graph_bytes[graph as usize]).sum();
            if bytes > largest.0 {
                largest = (bytes, graphs.to_vec());
            }
        });
        self.parts.sizes(&largest.1)
    }

    /// How many graphs, or links, a batch holds.
    fn n_units(&self, graphs: &Graphs) -> usize {
        match graphs.pairs > 0.0 {
            true => self.request.settings.batch_size,
            false => graphs.nodes.len(),
        }
    }

    /// A step over the first batch of so many graphs: what the largest one has before and after it.
    fn usual(&self, batch_size: usize) -> Trace {
        let [train, ..] = self.parts.first();
        let graphs = self.parts.first_epoch(batch_size.max(1)).into_iter().next().unwrap_or_default();
        self.tracer.step(self.parts.sizes(&graphs), self.parts.picked(train))
    }

    /// What the model reads of the edges of a batch.
    fn reads(&self) -> EdgeReads {
        EdgeReads::of(self.request.model)
    }

    /// Memory of the run if its largest batch is this one.
    fn memory(&self, graphs: &Graphs, trace: &Trace) -> Memory {
        let reads = self.reads();
        let (dataset, numbers, process) = (self.request.dataset, self.numbers, self.request.process);
        let [_, validation, _] = self.parts.first();
        let step = replay::training(trace);
        let bytes = |numbers: usize| FLOAT_BYTES * numbers as f64;
        let mut memory = Memory {
            process_bytes: process.base_bytes + process.code_bytes,
            dataset_bytes: dataset_bytes(dataset),
            weights_bytes: bytes(numbers.all),
            gradients_bytes: bytes(numbers.trained),
            optimizer_bytes: bytes(numbers.state),
            kept_weights_bytes: bytes(numbers.all),
            validation_bytes: batch_bytes(dataset, reads, &self.parts.sizes(&validation.graphs)),
            batch_bytes: batch_bytes(dataset, reads, graphs),
            activations_bytes: step.kept_bytes,
            temporary_bytes: (step.temporary_bytes() - bytes(numbers.trained)).max(0.0),
            allocator_bytes: 0.0,
            gaps_bytes: 0.0,
            evaluation_bytes: 0.0,
            peak_bytes: 0.0,
        };
        let in_use = memory.in_use_bytes();
        // Reading has freed pages that training takes up first.
        let unused = (process.read_bytes - process.base_bytes - memory.dataset_bytes).max(0.0);
        let training = in_use - memory.process_bytes - memory.dataset_bytes;
        memory.gaps_bytes = replay::gaps(&[trace, &self.usual(self.n_units(graphs)), trace]);
        memory.allocator_bytes = (unused - training).max(memory.gaps_bytes);
        memory.peak_bytes = in_use + memory.allocator_bytes;
        memory
    }

    /// Memory of the run with this batch size: a training step over the largest batch, or the largest batch of any part
    /// where measuring it takes more.
    fn run_memory(&self, batch_size: usize) -> (Graphs, Memory) {
        let [train, ..] = self.parts.first();
        let largest = self.largest(batch_size);
        let mut memory = self.memory(&largest, &self.tracer.step(largest.clone(), self.parts.picked(train)));
        let (_, peak_bytes) = self.evaluation(batch_size, &memory);
        memory.evaluation_bytes = (peak_bytes - memory.peak_bytes).max(0.0);
        memory.peak_bytes += memory.evaluation_bytes;
        (largest, memory)
    }

    /// The most that the run can take, whichever graphs meet in a batch.
    fn most(&self, batch_size: usize) -> f64 {
        let [train, ..] = self.parts.first();
        let graphs = self.parts.sizes(&self.parts.heaviest(batch_size, &self.graph_bytes));
        let memory = self.memory(&graphs, &self.tracer.step(graphs.clone(), self.parts.picked(train)));
        memory.peak_bytes.max(self.evaluation(batch_size, &memory).1)
    }

    /// The heaviest batch of those that are measured, and the peak of the run while that happens.
    fn evaluation(&self, batch_size: usize, training: &Memory) -> (Graphs, f64) {
        let weight =
            |graphs: &[u32]| graphs.iter().map(|&graph| self.graph_bytes[graph as usize]).sum::<f64>();
        let (mut heaviest, mut most): (&[u32], f64) = (&[], -1.0);
        for graphs in self.parts.measured().flat_map(|part| part.graphs.chunks(batch_size)) {
            let bytes = weight(graphs);
            if bytes > most {
                (heaviest, most) = (graphs, bytes);
            }
        }
        let graphs = self.parts.sizes(heaviest);
        let (forward, gaps) = forward_bytes(&self.tracer, &graphs);
        let step = forward + batch_bytes(self.request.dataset, self.reads(), &graphs);
        let lasting = training.weights_bytes
            + training.optimizer_bytes
            + training.kept_weights_bytes
            + training.validation_bytes;
        let gaps = gaps.max(training.gaps_bytes);
        let peak =
            training.process_bytes + training.dataset_bytes + lasting + step.max(self.ranking()) + gaps;
        (graphs, peak)
    }

    /// What ranking the links of a part takes, the messages with it; 0 where no metric asks for ranks.
    fn ranking(&self) -> f64 {
        let (dataset, settings) = (self.request.dataset, self.request.settings);
        if dataset.links.is_none() || !settings.all_metrics().iter().any(|metric| metric.is_of_ranks()) {
            return 0.0;
        }
        let messages = self.parts.sizes(&[]);
        let of_parts =
            self.parts.ranked().map(|part| ranking::bytes(&self.tracer, dataset, &messages, &part.graphs));
        of_parts.fold(0.0, f64::max) + batch_bytes(dataset, self.reads(), &messages)
    }

    /// Seconds of one training step with its update.
    fn step_s(&self, machine: &Machine, graphs: &Graphs, trace: &Trace) -> f64 {
        // A batch is written from the data set on one thread: features row by row, offsets node by node, neighbours one by
        // one with another number.
        let batch = Work {
            streamed: 2.0 * batch_bytes(self.request.dataset, self.reads(), graphs) / FLOAT_BYTES,
            copies: 2.0 * graphs.n_nodes(),
            elements: graphs.n_edges(),
            row_visits: 3.0 * graphs.n_graphs(),
            ..Work::default()
        };
        // The optimiser reads and writes weights and its state and reads gradients; their norm is one more pass.
        let (trained, state) = (self.numbers.trained as f64, self.numbers.state as f64);
        let update = Work {
            streamed: 4.0 * trained + 2.0 * state,
            exponentials: if state > trained { UPDATE_ROOTS * trained } else { 0.0 },
            ..Work::default()
        };
        let reused = if self.is_whole(graphs) { Work::default() } else { batch };
        machine.step_s(trace)
            + machine.alone_s(&reused)
            + machine.alone_s(&update)
            + machine.call_s * (self.numbers.n_trained as f64 + STEP_CALLS)
    }

    /// Whether one batch holds the whole training part, so that it is made once.
    fn is_whole(&self, graphs: &Graphs) -> bool {
        let [train, ..] = self.parts.first();
        train.graphs.len() <= self.request.settings.batch_size && graphs.nodes.len() == train.graphs.len()
    }

    fn time(&self, machine: &Machine, epoch_s: f64, validation: &batches::Part, batch_size: usize) -> Time {
        let settings = self.request.settings;
        let batches: Vec<&[u32]> = validation.graphs.chunks(batch_size).collect();
        let (traced, weight) = some_of(&batches, self.tracer.plan().steps.len());
        let seconds = traced.map(|graphs| {
            let trace = self.tracer.step(self.parts.sizes(graphs), None);
            weight * trace.kernels().iter().map(|kernel| machine.forward_s(kernel)).sum::<f64>()
        });
        let validation_s = seconds.fold(0.0, |sum, batch_s| sum + batch_s);
        Time {
            epoch_s,
            validation_s,
            total_s: (epoch_s + validation_s) * (settings.epochs * self.parts.n_runs()) as f64,
        }
    }

    pub fn machine(&self) -> Option<&Machine> {
        self.request.machine.as_ref()
    }

    /// What a step is over: "graphs", "nodes", "links", [`OF_QUERIES`], [`OF_WALKS`].
    pub fn items(&self) -> &'static str {
        if self.parts.is_of_walks() {
            return OF_WALKS;
        }
        if self.parts.has_queries() {
            return OF_QUERIES;
        }
        self.tracer.model().task.ends_on().items
    }
}

impl Memory {
    /// All but what the allocator holds beyond it.
    pub fn in_use_bytes(&self) -> f64 {
        self.process_bytes
            + self.dataset_bytes
            + self.weights_bytes
            + self.gradients_bytes
            + self.optimizer_bytes
            + self.kept_weights_bytes
            + self.validation_bytes
            + self.batch_bytes
            + self.activations_bytes
            + self.temporary_bytes
    }
}

/// Bytes of a forward pass without a backward one, the batch itself not counted, and those that the allocator holds beyond
/// them.
fn forward_bytes(tracer: &Tracer, graphs: &Graphs) -> (f64, f64) {
    let n_stages = tracer.model().graph.node_count();
    replay::evaluation(&tracer.step(graphs.clone(), None), n_stages)
}

/// Numbers of each weight that belongs to a stage, and whether it is trained.
fn weight_counts(tracer: &Tracer, idx: petgraph::graph::NodeIndex) -> impl Iterator<Item = (usize, bool)> {
    let model = tracer.model();
    let weights = model.own_weights(idx);
    // Those of each relation or type have an axis for these.
    let n_parts = Lifted::of(&model.graph[idx].args).map(|by| tracer.n_parts(by));
    weights.into_iter().map(move |weight| {
        let numbers = match n_parts {
            Some(n_parts) => n_parts * words::numbers(&weight.shape[1..]).unwrap_or(0),
            None => words::numbers(&weight.shape).unwrap_or(0),
        };
        (numbers, weight.is_trained)
    })
}

/// As many of a list as can be traced, evenly over it, and how many each of them stands for.
fn some_of<T>(all: &[T], n_steps: usize) -> (impl Iterator<Item = &T>, f64) {
    let n = (MAX_TRACED / n_steps.max(1)).clamp(1, all.len().max(1));
    let chosen = (0..n.min(all.len())).map(move |idx| &all[idx * all.len() / n]);
    (chosen, all.len() as f64 / n as f64)
}

/// What each graph alone keeps and needs in a step. Of many graphs and stages some are traced; the others lie between
/// those that have fewer nodes and those that have more.
fn graph_bytes(dataset: &Dataset, reads: EdgeReads, parts: &Parts, tracer: &Tracer) -> Vec<f64> {
    let bytes = |graph: u32| {
        let graphs = parts.sizes(&[graph]);
        let batch = batch_bytes(dataset, reads, &graphs);
        batch + replay::training(&tracer.step(graphs, None)).kept_bytes
    };
    if parts.is_of_walks() {
        // So are nodes that walks begin at.
        return vec![bytes(0); dataset.n_nodes()];
    }
    if dataset.links.is_some() {
        // Links are alike.
        // Queries are two a link at most, one for each end.
        return vec![bytes(0); dataset.n_items() * if parts.has_queries() { 2 } else { 1 }];
    }
    let n_graphs = dataset.n_graphs();
    let n_steps = tracer.plan().steps.len();
    if n_graphs.saturating_mul(n_steps) <= MAX_TRACED {
        return (0..n_graphs as u32).map(bytes).collect();
    }
    let n_nodes = |graph: usize| dataset.graph_nodes(graph).len();
    let mut sorted: Vec<usize> = (0..n_graphs).collect();
    sorted.sort_by_key(|&graph| n_nodes(graph));
    let n = (MAX_TRACED / n_steps).clamp(2, n_graphs);
    // The smallest and the largest are among them.
    let known: Vec<(f64, f64)> = (0..n)
        .map(|idx| sorted[idx * (n_graphs - 1) / (n - 1).max(1)])
        .map(|graph| (n_nodes(graph) as f64, bytes(graph as u32)))
        .collect();
    let between = |graph: usize| {
        let nodes = n_nodes(graph) as f64;
        let above = known.partition_point(|&(other, _)| other < nodes).min(known.len() - 1);
        let ((x0, y0), (x1, y1)) = (known[above.saturating_sub(1)], known[above]);
        if x1 > x0 { y0 + (y1 - y0) * (nodes - x0) / (x1 - x0) } else { y1 }
    };
    (0..n_graphs).map(between).collect()
}

/// Adds the seconds of a step to each stage.
fn add_stage_seconds(seconds: &mut [f64], weight: f64, machine: &Machine, trace: &Trace) {
    for kernel in trace.kernels() {
        if let Some(stage) = kernel.stage {
            seconds[stage] += weight * (machine.forward_s(kernel) + machine.backward_s(kernel));
        }
    }
}
