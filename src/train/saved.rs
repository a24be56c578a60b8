//! A trained model, read back to be measured or to predict.

use super::checkpoint::Checkpoint;
use super::earlier;
use super::embed::{self, Embedded};
use super::error::{Result, TrainError};
use super::feed::{Feed, predictions};
use super::fit::supervised;
use super::folder;
use super::initial;
use super::links::{LinkPart, Suggested};
use super::measure::{Measured, figures, measure, values};
use super::probe::{Probed, Vectors};
use super::record::Figures;
use super::settings::Settings;
use super::source::ModelSource;
use crate::args::BoundCall;
use crate::check::Checked;
use crate::data::batch::Reading;
use crate::data::features::scaling::Scaling;
use crate::data::{Dataset, EdgeReads, GraphBatch, Split, Targets, Vocabulary};
use crate::diagnostic::Diagnostic;
use crate::diff::Side;
use crate::gram::{Kernel, Machine};
use crate::ir::canonical::Part;
use crate::ir::{Canonical, Model, Node};
use crate::lower::{Encoded, ForwardCx, Network, Value};
use crate::ops::Action;
use crate::plan::Step;
use crate::settings::metric::Metric;
use crate::settings::negatives::k_vs_all;
use crate::types::{DataFacts, Entity, TargetKind};
use candle_core::{DType, Device};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// A checkpoint with the network that it was made for.
#[derive(Debug)]
pub struct SavedModel {
    pub checkpoint: Checkpoint,
    pub model: Checked<Model>,
    /// What a user has to know.
    pub notes: Vec<String>,
    fitted: Fitted,
    /// How many graphs pass through the network at once.
    batch_size: usize,
    metrics: Vec<&'static dyn Metric>,
    /// Of links, the share of the training part that training asked about.
    disjoint: Option<f64>,
    /// Of links, the pairs that training told them from.
    negatives: Option<BoundCall>,
}

/// What a checkpoint's tensors are.
#[derive(Debug)]
enum Fitted {
    Network(Box<Network>),
    /// A support vector machine, on the CPU.
    Machine(Kernel, Box<Machine>),
}

impl std::fmt::Debug for dyn Metric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What a model says of some items.
#[derive(Debug, Clone, PartialEq)]
pub struct Outputs {
    /// Classes, or values per item.
    pub width: usize,
    /// Row-major `[n_items, width]`: probabilities, scores without a scale, or values.
    pub values: Vec<f32>,
    /// Whether they are probabilities of classes that add up to 1.
    pub are_probabilities: bool,
    /// Graphs, nodes or edges, ascending.
    pub items: Vec<u32>,
}

impl Outputs {
    /// Item with its row.
    pub fn rows(&self) -> impl Iterator<Item = (u32, &[f32])> {
        self.items.iter().copied().zip(self.values.chunks_exact(self.width.max(1)))
    }

    /// Leaves out the rows of other items than these, which ascend.
    fn keep(&mut self, items: &[u32]) {
        let width = self.width.max(1);
        let kept = |item: &u32| items.binary_search(item).is_ok();
        let mut rows = self.items.iter().map(kept).flat_map(|is_kept| std::iter::repeat_n(is_kept, width));
        self.values.retain(|_| rows.next().unwrap_or(false));
        self.items.retain(kept);
    }
}

/// The checkpoints that a path stands for: [`folder::find`] without its notes.
///
/// # Errors
/// Where there is none, or the run that they belong to is not whole.
pub fn checkpoints(path: &Path) -> Result<Vec<PathBuf>> {
    folder::find(path).map(|found| found.checkpoints)
}

impl SavedModel {
    /// Reads a checkpoint and builds its network. Where the run's `model.hgnn` lies beside it and
    /// leaves no value open, the two are compared.
    ///
    /// # Errors
    /// Where the file is damaged, or was made for another model; the message says what differs.
    pub fn open(path: &Path, device: &Device) -> Result<Self> {
        let checkpoint = Checkpoint::read(path)?;
        let mut notes = checkpoint.notes();
        // A file that leaves values open is not the model of any of its checkpoints.
        if let Some(folder) = folder::run_of(path)
            && let source = folder.source()?
            && !source.leaves_open()
        {
            let form = compare(&checkpoint, &source)?;
            if !checkpoint.canonical()?.agrees_with(&form, Part::All) {
                notes.push(format!(
                    "{} has changed since training; the model in the checkpoint is used",
                    folder.model_path().display()
                ));
            }
        }
        Ok(Self { notes, ..Self::new(checkpoint, device)? })
    }

    /// The network of a checkpoint, from the texts that it carries.
    ///
    /// # Errors
    /// Where they do not compile or the weights do not fit them.
    pub fn new(checkpoint: Checkpoint, device: &Device) -> Result<Self> {
        let source = checkpoint.facts.source.clone();
        compare(&checkpoint, &source)?;
        let Some(model) = source.compile(Some(&checkpoint.facts.data)).outcome.model else {
            return Err(does_not_compile(&checkpoint, &source));
        };
        let fitted = match model.get().machine() {
            Some([kernel, _]) => machine(&checkpoint, &model.get().graph[kernel])?,
            None => {
                let network = Network::build(&model, &checkpoint.facts.data, DType::F32, device, 0)?;
                checkpoint.load_into(network.parameters())?;
                Fitted::Network(Box::new(network))
            }
        };
        let settings = Settings::new(model.get(), checkpoint.facts.overrides);
        Ok(Self {
            checkpoint,
            model,
            notes: Vec::new(),
            fitted,
            batch_size: settings.batch_size,
            metrics: settings.all_metrics(),
            disjoint: settings.disjoint,
            // Queries are for training: a part is measured by its links.
            negatives: settings.negatives.filter(|call| !k_vs_all::is_it(call)),
        })
    }

    /// Whether it computes in the memory of the machine, not in that of a GPU.
    pub fn is_on_cpu(&self) -> bool {
        self.device().is_cpu()
    }

    fn device(&self) -> &Device {
        match &self.fitted {
            Fitted::Network(network) => network.device(),
            Fitted::Machine(..) => &Device::Cpu,
        }
    }

    /// The graphs that hold these items (graphs or nodes), in the order in which they are measured.
    pub fn graphs_of(&self, dataset: &Dataset, items: &[u32]) -> Vec<u32> {
        Feed::new(dataset, self.model.get().task, EdgeReads::NOTHING, items, self.device()).graphs
    }

    /// How many graphs pass through the network at once.
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// The model's metrics, the most important first.
    pub fn metrics(&self) -> impl Iterator<Item = &'static str> {
        self.metrics.iter().map(|metric| metric.name())
    }

    /// The split that the model was trained with, where it lies beside the checkpoint and this is the same data.
    ///
    /// # Errors
    /// Where it is damaged, is not that of the checkpoint or of this data, or a run has lost it.
    pub fn split(&self, dataset: &Dataset) -> Result<Option<Split>> {
        if !dataset.has_fingerprint(&self.checkpoint.facts.data_fingerprint) {
            return Ok(None);
        }
        let Some(split) = self.checkpoint.split()? else { return Ok(None) };
        match split.check(&dataset.strata()) {
            Ok(()) => Ok(Some(split)),
            Err(reason) => Err(TrainError::unusable(
                &folder::split_path(&self.checkpoint.path),
                format!("it is damaged: {reason}"),
                "restore it from an intact copy, or train again",
            )),
        }
    }

    /// Whether the network can read this data, and with `is_scored` whether its labels are those it was trained for.
    ///
    /// # Errors
    /// Where the features mean something else or are not as many, or the task, the classes or the values differ.
    pub fn check_data(&self, dataset: &Dataset, is_scored: bool) -> Result<()> {
        let trained = &self.checkpoint.facts.data;
        let refuse =
            |message: String, help: &str| Err(TrainError::unusable(&self.checkpoint.path, message, help));
        let (known, now) = (&self.checkpoint.facts.vocabulary, &dataset.vocabulary);
        if !known.has_columns_of(now) {
            return refuse(
                format!(
                    "it was trained on {} with {}, {} has {}",
                    trained.name,
                    known.features_in_words(),
                    dataset.name,
                    now.features_in_words()
                ),
                "name data with the same features, or train a model on these",
            );
        }
        if dataset.scales_columns.is_some() && self.checkpoint.scaling.is_none() {
            return refuse(
                format!("its columns were not scaled in training, and those of {} are to be", dataset.name),
                "leave `normalize = columns` out: the data is then read as in training",
            );
        }
        if dataset.n_features() != trained.n_features {
            return refuse(
                format!(
                    "it was trained on {} with {}, but {} has {}",
                    trained.name,
                    crate::diagnostic::count(trained.n_features, "node feature"),
                    dataset.name,
                    dataset.n_features()
                ),
                "name data with the same features, or choose them with `features = …`",
            );
        }
        if self.model.get().task.kind == TargetKind::Links && dataset.links.is_none() {
            return refuse(
                format!("it predicts links, and those of {} were not made", dataset.name),
                "call `Dataset::for_task` with the task of the model",
            );
        }
        if self.model.get().task.is_of_edges() && dataset.edge_items.is_none() {
            return refuse(
                format!("it predicts edges, and those of {} were not made", dataset.name),
                "call `Dataset::for_task` with the task of the model",
            );
        }
        let is_of_nodes =
            self.model.get().nodes().any(|(_, node)| node.op.action(&node.args) == Action::Table);
        if is_of_nodes && dataset.n_nodes() != trained.total_nodes {
            return refuse(
                format!(
                    "it learned a row for each of the {} nodes of {}, but {} has {}",
                    trained.total_nodes,
                    trained.name,
                    dataset.name,
                    dataset.n_nodes()
                ),
                "name the data that it was trained on, or train a model on these nodes",
            );
        }
        let reads = EdgeReads::of(self.model.get());
        let now = now.clone().reading(reads);
        let (edges_then, edges_now) =
            (edges_in_words(trained, known), edges_in_words(&dataset.facts(), &now));
        let differs = !known.has_edges_of(&now)
            || (reads.features && dataset.n_edge_features() != trained.edge_features)
            || (reads.kinds && dataset.n_edge_kinds() != trained.edge_kinds);
        if differs {
            return refuse(
                format!(
                    "it reads edges and was trained on {} with {edges_then}, but {} has {edges_now}",
                    trained.name, dataset.name
                ),
                match (&known.edge_kinds, &now.edge_kinds) {
                    (Some(then), Some(now)) if then.has_added_loops && !now.has_added_loops => {
                        "write `loops = add`, which gives self-loops the kind that they had in training"
                    }
                    (Some(then), Some(now)) if now.has_added_loops && !then.has_added_loops => {
                        "leave `loops = add` out: in training no self-loops were added"
                    }
                    _ => {
                        "name data whose edges carry the same, or choose the columns with `edge_features = …`"
                    }
                },
            );
        }
        if let Some(obstacle) = earlier::obstacle(&self.checkpoint.facts.canonical, &self.model, dataset) {
            return refuse(obstacle.message, obstacle.help);
        }
        if !is_scored {
            return Ok(());
        }
        if self.model.get().task.kind == TargetKind::Embedding && dataset.labels.is_none() {
            return refuse(
                format!("{} carries no classes to measure vectors by", dataset.name),
                "use `hgnnc embed` to write the vectors",
            );
        }
        if matches!(dataset.targets, Targets::None) && self.model.get().task.kind != TargetKind::Embedding {
            return refuse(
                format!("{} carries no labels to compare with", dataset.name),
                "use `hgnnc predict` for data without labels",
            );
        }
        let task = self.model.get().task;
        if let Some(other) = dataset.task.filter(|other| *other != task) {
            return refuse(
                format!(
                    "it was trained for {}, but {} is for {}",
                    task.name().replace('_', " "),
                    dataset.name,
                    other.name().replace('_', " ")
                ),
                "name data for the same task",
            );
        }
        let facts = dataset.facts();
        if facts.n_outputs != trained.n_outputs || dataset.class_names != self.checkpoint.facts.class_names {
            return refuse(
                format!(
                    "it was trained on {}, but {} has {}",
                    outputs_in_words(task.kind, trained.n_outputs, &self.checkpoint.facts.class_names),
                    dataset.name,
                    outputs_in_words(task.kind, facts.n_outputs, &dataset.class_names)
                ),
                "name data with the same classes",
            );
        }
        Ok(())
    }

    /// What the columns of the training part were scaled by, where this data asks for that.
    fn scaling_for(&self, dataset: &Dataset) -> Option<&Scaling> {
        self.checkpoint.scaling.as_ref().filter(|_| dataset.scales_columns.is_some())
    }

    /// Loss and metrics over some items (graphs or nodes) with labels.
    ///
    /// # Errors
    /// Where Candle fails.
    pub fn score(&self, dataset: &Dataset, items: &[u32]) -> Result<Figures> {
        self.score_part(dataset, items, true)
    }

    /// Whether a metric asks where links stand among all others.
    pub fn ranks_links(&self) -> bool {
        self.model.get().task.kind == TargetKind::Links
            && self.metrics.iter().any(|metric| metric.is_of_ranks())
    }

    /// The items of a training part that are measured as training did: of links those that it asked about, which are a share of the
    /// part where the file says so (`disjoint`); the others pass messages.
    pub fn supervised<'s>(&self, split: &'s Split) -> Cow<'s, [u32]> {
        let Checkpoint { seed, fold, .. } = self.checkpoint;
        supervised(&split.train, self.disjoint, seed, fold)
    }

    /// [`SavedModel::score`] of [`SavedModel::supervised`] items, as training measured them: links that were learned are not ranked.
    ///
    /// # Errors
    /// As [`SavedModel::score`].
    pub fn score_training(&self, dataset: &Dataset, items: &[u32]) -> Result<Figures> {
        self.score_part(dataset, items, self.model.get().task.kind != TargetKind::Links)
    }

    fn score_part(&self, dataset: &Dataset, items: &[u32], wants_ranks: bool) -> Result<Figures> {
        let model = self.model.get();
        let network = match &self.fitted {
            Fitted::Network(network) => network,
            Fitted::Machine(kernel, machine) => {
                let outputs = machine.outputs(kernel, dataset, items);
                let width = self.checkpoint.facts.data.n_outputs;
                let mut figures = figures(None, &predictions(dataset, outputs, width, items), &self.metrics);
                figures.remove("loss");
                return Ok(figures);
            }
        };
        let reads = EdgeReads::of(model);
        let split = self.split(dataset)?;
        if model.task.kind == TargetKind::Embedding {
            let probed = Probed::new(dataset, &self.vectors(dataset)?, split.as_ref(), &self.metrics);
            return Ok(probed.map_or_else(Figures::new, |probed| probed.figures(items, &self.metrics)));
        }
        let feed = Feed::new(dataset, model.task, reads, items, self.device());
        let feed =
            feed.scaled(self.scaling_for(dataset)).with_targets(self.checkpoint.target_scaling.as_ref());
        let feed = feed.of_links(model.task, split.as_ref(), self.negatives.as_ref());
        let steps = feed.steps(self.batch_size).map(|step| step.map(Cow::Owned));
        let Measured { loss, predictions, .. } = measure(
            network,
            &feed,
            steps,
            false,
            wants_ranks && self.metrics.iter().any(|metric| metric.is_of_ranks()),
        )?;
        Ok(figures(loss, &predictions, &self.metrics))
    }

    /// What a task on links is asked with, after its training: all links of the data pass messages.
    ///
    /// # Errors
    /// Where Candle fails.
    fn of_links<T>(
        &self,
        dataset: &Dataset,
        ask: impl FnOnce(&LinkPart, &Network, &Encoded, &GraphBatch) -> candle_core::Result<T>,
    ) -> Result<T> {
        let Fitted::Network(network) = &self.fitted else { unreachable!("machines learn of graphs") };
        let task = self.model.get().task;
        let feed = Feed::new(dataset, task, EdgeReads::of(self.model.get()), &[], self.device());
        let feed = feed.scaled(self.scaling_for(dataset)).of_links(task, None, None);
        let links = feed.links().expect("a task on links");
        let batch = feed.messages(links)?;
        Ok(ask(links, network, &network.encode(&batch)?, &batch)?)
    }

    /// The pairs with the highest scores that are no links yet: [`LinkPart::best`].
    ///
    /// # Errors
    /// Where Candle fails.
    pub fn suggest(&self, dataset: &Dataset, top: usize, each: impl FnMut(&Suggested)) -> Result<()> {
        self.of_links(dataset, |links, network, encoded, batch| {
            links.best(network, encoded, batch, top, each)
        })
    }

    /// The scores of some pairs of nodes, in their order; `kinds` is empty where links have none.
    ///
    /// # Errors
    /// Where Candle fails.
    pub fn score_pairs(&self, dataset: &Dataset, ends: &[[u32; 2]], kinds: &[u32]) -> Result<Vec<f32>> {
        self.of_links(dataset, |links, network, encoded, batch| {
            links.scores(network, encoded, batch, ends, kinds)
        })
    }

    /// The vector of each node or graph, of a model that learned such.
    ///
    /// # Errors
    /// Where Candle fails.
    fn vectors(&self, dataset: &Dataset) -> Result<Vectors> {
        let Fitted::Network(network) = &self.fitted else { unreachable!("machines learn classes") };
        let model = self.model.get();
        let all: Vec<u32> = (0..dataset.n_items() as u32).collect();
        let feed = Feed::new(dataset, model.task, EdgeReads::of(model), &all, self.device());
        Ok(Vectors::of(network, &feed.scaled(self.scaling_for(dataset)), self.batch_size)?)
    }

    /// Every item that has a label.
    pub fn labelled(&self, dataset: &Dataset) -> Vec<u32> {
        let strata = dataset.strata();
        (0..strata.len() as u32).filter(|&item| strata[item as usize] >= 0).collect()
    }

    /// Probabilities or scores of the classes, or values, for every graph, node or edge, labelled or not.
    ///
    /// # Errors
    /// Where Candle fails.
    pub fn predict(&self, dataset: &Dataset) -> Result<Outputs> {
        let task = self.model.get().task;
        let offsets = dataset.item_offsets(task);
        let n_items = offsets.map_or(dataset.n_graphs(), |offsets| offsets[offsets.len() - 1] as usize);
        let graphs: Vec<u32> = (0..dataset.n_graphs() as u32).collect();
        let reads = EdgeReads::of(self.model.get());
        let are_probabilities = !matches!(task.kind, TargetKind::Regression | TargetKind::Embedding);
        let items = (0..n_items as u32).collect();
        let network = match &self.fitted {
            Fitted::Network(network) => network,
            Fitted::Machine(kernel, machine) => {
                let values = machine.outputs(kernel, dataset, &graphs);
                let width = self.checkpoint.facts.data.n_outputs;
                return Ok(Outputs { width, values, are_probabilities: false, items });
            }
        };
        let mut outputs = Outputs { width: 0, values: Vec::new(), are_probabilities, items };
        for graphs in graphs.chunks(self.batch_size) {
            let reading = Reading { scaling: self.scaling_for(dataset), ..Reading::of(reads) };
            let mut batch = dataset.batch_with(&reading, graphs, DType::F32, self.device())?;
            if let Some(offsets) = offsets.filter(|_| task.is_of_edges()) {
                let of_graph = |graph: u32| offsets[graph as usize]..offsets[graph as usize + 1];
                let items: Vec<u32> = graphs.iter().flat_map(|&graph| of_graph(graph)).collect();
                if items.is_empty() {
                    continue;
                }
                dataset.ask_about_edges(&items, graphs, &mut batch);
            }
            let output = network.forward(&batch, &mut ForwardCx::evaluation())?;
            let (batch_values, width) = values(&output.x)?;
            outputs.width = width;
            outputs.values.extend(batch_values);
        }
        if let Some(scaling) = &self.checkpoint.target_scaling {
            scaling.undo(&mut outputs.values);
        }
        if task.kind == TargetKind::MultiLabel {
            outputs.values.iter_mut().for_each(|logit| *logit = sigmoid(*logit));
        } else if are_probabilities {
            outputs.values.chunks_exact_mut(outputs.width.max(1)).for_each(softmax);
        }
        if task.entity == Entity::Nodes {
            outputs.keep(&dataset.nodes_of_target());
        }
        Ok(outputs)
    }
}

impl SavedModel {
    /// A value inside the network for every graph or node: the one of that name, else what the last layer reads.
    ///
    /// # Errors
    /// Where there is no such value, or Candle fails.
    pub fn embed(&self, dataset: &Dataset, name: Option<&str>) -> Result<Embedded> {
        let Fitted::Network(network) = &self.fitted else {
            return Err(TrainError::setup(
                "a graph kernel with its machine has no values inside",
                "leave `--embeddings` out",
            ));
        };
        let model = self.model.get();
        let wanted = embed::find(model, name)?;
        let task = model.task;
        let mut embedded =
            Embedded { of_nodes: wanted.of_nodes, width: 0, values: Vec::new(), what: wanted.what.clone() };
        let mut taken = None;
        if task.kind == TargetKind::Links {
            let feed = Feed::new(dataset, task, EdgeReads::of(model), &[], self.device());
            let feed = feed.scaled(self.scaling_for(dataset)).of_links(task, None, None);
            let batch = feed.messages(feed.links().expect("a task on links"))?;
            network.encode_observed(&batch, &mut |step, value| wanted.take(step, value, &mut taken))?;
            (embedded.values, embedded.width) = wanted.rows(taken)?;
            return Ok(embedded);
        }
        let graphs: Vec<u32> = (0..dataset.n_graphs() as u32).collect();
        for graphs in graphs.chunks(self.batch_size) {
            let reading = Reading { scaling: self.scaling_for(dataset), ..Reading::of(EdgeReads::of(model)) };
            let batch = dataset.batch_with(&reading, graphs, DType::F32, self.device())?;
            let mut observe = |step: &Step, value: &Value| wanted.take(step, value, &mut taken);
            // What is asked about edges comes behind the values of nodes and graphs.
            if task.is_of_edges() {
                network.encode_observed(&batch, &mut observe)?;
            } else {
                network.forward_observed(&batch, &mut ForwardCx::evaluation(), &mut observe)?;
            }
            let (rows, width) = wanted.rows(taken.take())?;
            embedded.width = width;
            embedded.values.extend(rows);
        }
        Ok(embedded)
    }
}

/// The machine of a checkpoint.
///
/// # Errors
/// Where its tensors are none.
fn machine(checkpoint: &Checkpoint, kernel: &Node) -> Result<Fitted> {
    let damaged = |message: String| TrainError::unusable(&checkpoint.path, message, "train again");
    let kernel = Kernel::of(kernel).ok_or_else(|| damaged("its model has no kernel".into()))?;
    let machine = Machine::of_tensors(&kernel, checkpoint.facts.data.n_outputs, &checkpoint.tensors)
        .map_err(|error| {
            damaged(format!("its tensors are not those of a support vector machine: {}", error.0))
        })?;
    Ok(Fitted::Machine(kernel, Box::new(machine)))
}

/// The canonical form of a source that a checkpoint is to be used with.
///
/// # Errors
/// Where it does not compile, or has another architecture; the message says what differs.
fn compare(checkpoint: &Checkpoint, source: &ModelSource) -> Result<Canonical> {
    let compiled = source.compile(Some(&checkpoint.facts.data)).outcome.model;
    let Some(model) = compiled else { return Err(does_not_compile(checkpoint, source)) };
    let form = Canonical::of(model.get());
    if checkpoint.canonical()?.agrees_with(&form, Part::Architecture) {
        return Ok(form);
    }
    let now = Side {
        name: "the model file".into(),
        model: model.get().clone(),
        facts: Some(checkpoint.facts.data.clone()),
        text: None,
    };
    let then = Side { name: "the checkpoint".into(), ..checkpoint.side()? };
    let (_, difference) = initial::difference(&then, &now);
    Err(TrainError::unusable(
        &checkpoint.path,
        format!("it was trained for another model\n\n{difference}\n"),
        format!(
            "restore the model file, or train the new one from these weights:\n\
             `hgnnc train FILE --init-from {}`",
            checkpoint.path.display()
        ),
    ))
}

fn does_not_compile(checkpoint: &Checkpoint, source: &ModelSource) -> TrainError {
    let outcome = source.compile(Some(&checkpoint.facts.data)).outcome;
    let first = outcome.diagnostics.iter().find(|found| found.is_error());
    let first = first.map_or_else(String::new, |found: &Diagnostic| format!(": {}", found.message));
    TrainError::unusable(
        &checkpoint.path,
        format!("the model that belongs to it does not compile{first}"),
        "run `hgnnc check` on the run's model.hgnn",
    )
}

/// What edges carry: `4 edge labels (0, 1, 2, 3) as features and 4 kinds of edges`.
fn edges_in_words(facts: &DataFacts, vocabulary: &Vocabulary) -> String {
    let kinds = match &vocabulary.edge_kinds {
        Some(labels) => format!("kinds that are {}", labels.words()),
        None => crate::diagnostic::count(facts.edge_kinds, "kind"),
    };
    format!("{} as features and {kinds}", facts.edge_columns)
}

fn sigmoid(logit: f32) -> f32 {
    (1.0 / (1.0 + (-f64::from(logit)).exp())) as f32
}

fn softmax(row: &mut [f32]) {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = row.iter().map(|&value| f64::from(value - max).exp()).sum();
    row.iter_mut().for_each(|value| *value = (f64::from(*value - max).exp() / sum) as f32);
}

/// "3 classes (1, 2, 3)"
fn outputs_in_words(kind: TargetKind, n_outputs: usize, class_names: &[String]) -> String {
    const N_SHOWN: usize = 10;
    if class_names.is_empty() {
        return crate::diagnostic::count(n_outputs, "value");
    }
    let shown: Vec<&str> = class_names.iter().take(N_SHOWN).map(String::as_str).collect();
    let more = if class_names.len() > N_SHOWN { ", …" } else { "" };
    let noun = if kind == TargetKind::MultiLabel { "labels" } else { "classes" };
    format!("{n_outputs} {noun} ({}{more})", shown.join(", "))
}
