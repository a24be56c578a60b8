//! One run: epochs over one training part, from the first step or from a saved state.

use super::checkpoint::{CheckpointFacts, Scalings};
use super::collapse::CollapseWatch;
use super::error::{Result, TrainError};
use super::feed::{Feed, Step, scaled_values};
use super::folder::Folder;
use super::initial;
use super::links::LinkPart;
use super::measure::{FixedPointMean, Mean, Measured, PoolingMean, figures, items, measure, scalar, values};
use super::optimizer::{self, Optimizer};
use super::presence::absent_classes;
use super::probe::{Probed, Vectors};
use super::progress::{Event, Progress};
use super::record::{EpochRecord, Figures, FixedPointRecord, Status, UnitSummary, median};
use super::resume::{Place, ResumeState, SavedState};
use super::seed;
use super::settings::Settings;
use super::tensors::Named;
use crate::check::Checked;
use crate::data::batch::EdgeReads;
use crate::data::features::scaling::Scaling;
use crate::data::{Dataset, Split, Targets};
use crate::ir::Model;
use crate::lower::{AuxiliaryLosses, LossWeights, Network, PartLoss, labelled_items};
use crate::rng;
use crate::settings::early_stop::{self, EarlyStop};
use crate::settings::metric::{Metric, Predictions};
use crate::settings::monitor;
use crate::settings::negatives::k_vs_all;
use crate::settings::optimizer::learning_rate;
use crate::settings::schedule::{self, Schedule};
use crate::types::{DataFacts, TargetKind};
use candle_core::{DType, Device, Tensor, Var};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How often the state is saved while nobody asks for it, so that a crash costs no more: as often as a hundredth of
/// the time allows, not more often than the first and not less often than the second.
const SAVE_SHARE: f64 = 0.01;
const SAVE_EVERY: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

/// Streams of the seed's generator.
const SHUFFLE: u64 = 11;
const DROPOUT: u64 = 12;
const WEIGHTS: u64 = 13;
const SIGNS: u64 = 14;
const DISJOINT: u64 = 15;

/// One run of a protocol.
pub(crate) struct Unit {
    /// "fold 3"; `None` where there is one run only.
    pub name: Option<String>,
    /// Its folder inside the run's; empty for the run's own.
    pub folder: String,
    pub seed: u64,
    /// Counted from 1.
    pub fold: Option<usize>,
    /// Which of several runs of the fold, counted from 1; `None` where there is one.
    pub run: Option<usize>,
    /// Whether all folds of a seed have one network, because it learns from all items and reads no classes.
    pub is_shared: bool,
    pub split: Split,
    /// What trials of a search are trained and judged on: parts of the training and validation part, without the test part.
    pub inner: Vec<Split>,
}

impl Unit {
    /// A seed for one purpose in this run.
    fn derived_seed(&self, purpose: u64, places: [u64; 2]) -> u64 {
        let fold = self.fold.filter(|_| !self.is_shared).unwrap_or(0) as u64;
        match self.run {
            // The first run is the one that there would be alone.
            None | Some(1) => seed::derive(self.seed, &[fold, purpose, places[0], places[1]]),
            Some(run) => seed::derive(self.seed, &[fold, purpose, places[0], places[1], run as u64]),
        }
    }

    /// What all runs of its fold are called: "fold 3"; `None` where there are no folds and seeds.
    pub(crate) fn group_name(&self) -> Option<String> {
        let name = self.name.as_deref()?;
        match (self.run, name.rsplit_once("run ")) {
            (Some(_), Some((group, _))) => {
                Some(group.trim_end_matches(", ").to_owned()).filter(|group| !group.is_empty())
            }
            _ => Some(name.to_owned()),
        }
    }

    /// The folder that all runs of its fold have in common; empty where there are no folds and seeds.
    pub(crate) fn group(&self) -> String {
        match (self.run, self.folder.rsplit_once("run-")) {
            (Some(_), Some((group, _))) => group.trim_end_matches('-').to_owned(),
            _ => self.folder.clone(),
        }
    }

    /// The items of the training part that are asked about: of links a share, where the file says so, by the seed.
    pub(crate) fn supervised(&self, settings: &Settings) -> Cow<'_, [u32]> {
        let fold = self.fold.filter(|_| !self.is_shared);
        supervised(&self.split.train, settings.disjoint, self.seed, fold)
    }

    /// The training graphs, ascending in `graphs`, in the order of an epoch (counted from 0). One batch that holds them
    /// all is not shuffled.
    pub(crate) fn order(&self, graphs: &[u32], batch_size: usize, epoch: usize) -> Vec<u32> {
        let mut order = graphs.to_vec();
        if graphs.len() > batch_size {
            let seed = self.derived_seed(SHUFFLE, [epoch as u64, 0]);
            rng::shuffle(&mut rng::generator(seed, SHUFFLE), &mut order);
        }
        order
    }
}

/// The items of a training part that are asked about, where a share of it is, by the seed and the fold of the run.
pub(super) fn supervised(
    train: &[u32],
    disjoint: Option<f64>,
    seed: u64,
    fold: Option<usize>,
) -> Cow<'_, [u32]> {
    let Some(share) = disjoint.filter(|_| train.len() > 1) else { return Cow::Borrowed(train) };
    let mut drawn = train.to_vec();
    let seed = seed::derive(seed, &[fold.unwrap_or(0) as u64, DISJOINT, 0, 0]);
    rng::shuffle(&mut rng::generator(seed, DISJOINT), &mut drawn);
    drawn.truncate(((share * train.len() as f64).round() as usize).clamp(1, train.len() - 1));
    drawn.sort_unstable();
    Cow::Owned(drawn)
}

/// What all runs of a protocol share.
pub(super) struct FitCx<'a> {
    pub model: &'a Checked<Model>,
    pub dataset: &'a Dataset,
    pub facts: &'a DataFacts,
    pub settings: &'a Settings,
    pub device: &'a Device,
    pub stop: &'a dyn Fn() -> bool,
    /// What the checkpoint says beside the weights.
    pub checkpoint: &'a CheckpointFacts,
    /// Stands above the curves.
    pub title: &'a str,
    /// The network of the fold before, where folds have one.
    pub shared: RefCell<Option<Shared>>,
    /// What was chosen by a search: names with texts.
    pub searched: &'a BTreeMap<String, String>,
    /// Where the run is a trial of a search: when it is judged. It is not measured then, and keeps no weights.
    pub trial: Option<Trial<'a>>,
}

/// When a trial ends.
#[derive(Clone, Copy)]
pub(super) struct Trial<'a> {
    /// The epoch, counted from 1, after which it waits to be judged; its end where absent.
    pub until: Option<usize>,
    /// Whether it ends after these epochs, because it is behind others.
    pub prunes: &'a dyn Fn(&[EpochRecord]) -> bool,
}

/// A run in progress.
struct Fit<'a> {
    cx: &'a FitCx<'a>,
    unit: &'a Unit,
    folder: Option<&'a Folder>,
    metrics: Vec<&'static dyn Metric>,
    network: Network,
    weights: Vec<Var>,
    /// What a step's loss is divided by.
    loss_weights: LossWeights,
    /// Of the training part, where features are scaled by it.
    scaling: Option<Scaling>,
    /// The same of values to be predicted.
    target_scaling: Option<Scaling>,
    optimizer: Box<dyn Optimizer>,
    schedule: Box<dyn Schedule>,
    early_stop: Box<dyn EarlyStop>,
    collapse: CollapseWatch,
    /// Where the run is: the next batch to be trained on.
    place: Place,
    epoch: PartialEpoch,
    records: Vec<EpochRecord>,
    kept: Option<Kept>,
    /// Watched figures that were not defined after some epoch, which was said.
    undefined: BTreeSet<&'static str>,
    is_paused: bool,
    is_pruned: bool,
    started: Instant,
    /// Seconds before the run was resumed.
    earlier_s: f64,
}

/// What an epoch has come to so far.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct PartialEpoch {
    auxiliary: AuxiliaryLosses,
    gradient_norm: Mean,
    pooling: PoolingMean,
    #[serde(default)]
    fixed_points: FixedPointMean,
    /// Of steps over queries the sum of their losses, and how many there were.
    #[serde(default)]
    of_queries: [f64; 2],
    train_s: f64,
    /// Kept as a tensor in a saved state.
    #[serde(skip)]
    pub(super) outputs: Vec<f32>,
    #[serde(skip)]
    items: Vec<u32>,
    #[serde(skip)]
    pub(super) width: usize,
}

/// The weights to keep so far: all parameters in their order.
pub(super) struct Kept {
    /// Counted from 1.
    pub epoch: usize,
    pub tensors: Vec<Tensor>,
}

/// A network that was trained for one fold, for the others of its seed.
pub(super) struct Shared {
    seed: u64,
    run: Option<usize>,
    kept: Kept,
    records: Vec<EpochRecord>,
}

/// How a run ended.
pub(super) struct Outcome {
    pub summary: UnitSummary,
    /// The loss or gradient that was not finite, where that ended the run.
    pub not_finite: Option<TrainError>,
    /// Every epoch so far.
    pub records: Vec<EpochRecord>,
    /// Of a trial: whether it waits to be judged, and whether it ended because it was behind others.
    pub is_paused: bool,
    pub is_pruned: bool,
}

/// Trains one run to its end, to a request to stop, or to a loss that is not finite.
///
/// # Errors
/// Where a file cannot be written or Candle fails.
pub(super) fn fit(
    cx: &FitCx,
    unit: &Unit,
    folder: Option<&Folder>,
    number: (usize, usize),
    resume: Option<ResumeState>,
    initial: Option<&Named>,
    progress: &mut dyn Progress,
) -> Result<Outcome> {
    let started = Instant::now();
    let settings = cx.settings;
    let network =
        Network::build(cx.model, cx.facts, DType::F32, cx.device, unit.derived_seed(WEIGHTS, [0, 0]))?;
    if let Some(weights) = initial {
        initial::set(network.parameters(), weights)?;
        network.keep_bounds()?;
    }
    let loss_weights = loss_weights(&network, cx, unit)?;
    let weights: Vec<Var> = network.parameters().trained().map(|parameter| parameter.var.clone()).collect();
    // Vectors are measured at the end of a run, so there is nothing to watch on the validation part either.
    let has_no_validation = unit.split.validation.is_empty() || is_of_vectors(cx);
    let early_stop = if settings.chooses_mean_epoch || has_no_validation && !settings.early_stop_is_written {
        early_stop::keep_last()
    } else {
        early_stop::kind(&settings.early_stop).build(&settings.early_stop)
    };
    let lr = learning_rate(&settings.optimizer);
    let mut fit = Fit {
        cx,
        unit,
        folder,
        metrics: settings.all_metrics(),
        optimizer: optimizer::build(
            &settings.optimizer,
            optimizer::Weights::of(network.parameters(), &settings.optimizer),
        )?,
        schedule: schedule::kind(&settings.schedule).build(&settings.schedule, lr, settings.epochs),
        early_stop,
        collapse: CollapseWatch::default(),
        place: Place::default(),
        epoch: PartialEpoch::default(),
        records: Vec::new(),
        kept: None,
        undefined: BTreeSet::new(),
        is_paused: false,
        is_pruned: false,
        started,
        earlier_s: 0.0,
        network,
        weights,
        loss_weights,
        scaling: cx.dataset.scales_columns.map(|scale| match is_of_vectors(cx) {
            // What is learned from is not the training part alone.
            true => Scaling::of(cx.dataset, &(0..cx.dataset.n_items() as u32).collect::<Vec<u32>>(), scale),
            false => Scaling::of(cx.dataset, &unit.split.train, scale),
        }),
        target_scaling: settings
            .scale_targets
            .and_then(|scale| Scaling::of_targets(cx.dataset, &unit.split.train, scale)),
    };
    if let Some(state) = resume {
        fit.restore(state)?;
    }
    let split = &unit.split;
    progress.on(Event::UnitStarted {
        name: unit.name.as_deref(),
        number: number.0,
        n_units: number.1,
        is_trial: cx.trial.is_some(),
        n_items: [split.train.len(), split.validation.len(), split.test.len()],
        n_parameters: fit.network.parameters().n_trained(),
        n_epochs: settings.epochs,
        n_done: fit.place.epoch,
        earlier_s: fit.earlier_s,
        dir: folder.map(Folder::path),
    });
    let known =
        cx.shared.take().filter(|known| unit.is_shared && (known.seed, known.run) == (unit.seed, unit.run));
    let ended = match &known {
        Some(known) => fit.take_over(known),
        None => fit.train(progress),
    };
    let (status, mut not_finite) = match ended {
        Ok(status) => (status, None),
        Err(error @ TrainError::NotFinite { .. }) => (Status::Diverged, Some(error)),
        Err(error) => return Err(error),
    };
    if let (Status::Finished, true, Some(kept)) = (status, unit.is_shared, &fit.kept) {
        let kept = Kept { epoch: kept.epoch, tensors: kept.tensors.clone() };
        *cx.shared.borrow_mut() =
            Some(Shared { seed: unit.seed, run: unit.run, kept, records: fit.records.clone() });
    }
    let summary = fit.conclude(status)?;
    if let (Some(TrainError::NotFinite { kept, .. }), Some(epoch)) = (&mut not_finite, summary.kept_epoch) {
        *kept = Some((epoch, folder.map(Folder::checkpoint_path)));
    }
    if cx.trial.is_none() {
        progress.on(Event::UnitFinished(&summary));
    }
    let Fit { records, is_paused, is_pruned, .. } = fit;
    Ok(Outcome { summary, not_finite, records, is_paused, is_pruned })
}

/// Whether vectors are learned without targets.
fn is_of_vectors(cx: &FitCx) -> bool {
    cx.model.get().task.kind == TargetKind::Embedding
}

/// Weighs the classes by how often they occur in the training part, counts the degrees there, and takes down what a step's loss is divided by.
fn loss_weights(network: &Network, cx: &FitCx, unit: &Unit) -> Result<LossWeights> {
    let task = cx.model.get().task;
    let supervised = unit.supervised(cx.settings);
    let train = Feed::new(cx.dataset, task, EdgeReads::NOTHING, &supervised, cx.device);
    let train =
        train.of_links(task, Some(&unit.split), cx.settings.negatives.as_ref()).of_views(cx.model.get());
    // Of a task on links the units are links, between the nodes of all graphs, and without targets all graphs are learned from.
    let is_of_links = task.kind == TargetKind::Links;
    let is_of_all = is_of_links || task.kind == TargetKind::Embedding;
    let n_queries = train.links().and_then(LinkPart::n_queries);
    let graphs = if is_of_all { (0..cx.dataset.n_graphs() as u32).collect() } else { train.graphs.clone() };
    let mut of_items = Vec::new();
    if let Targets::Classes(classes) = &cx.dataset.targets {
        let mut counts = vec![0; cx.facts.n_outputs.max(1)];
        of_items = supervised.iter().map(|&item| classes[item as usize] as u32).collect();
        of_items.iter().for_each(|&class| counts[class as usize] += 1);
        network.count_classes(&counts)?;
    }
    network.count_degrees(cx.dataset.degrees(graphs))?;
    let n_graphs = train.graphs.len();
    let n_items = match (&cx.dataset.targets, cx.model.get().task.kind) {
        (Targets::Values { values, n_values }, TargetKind::MultiLabel) => {
            let of_item =
                |&item: &u32| labelled_items(&values[item as usize * n_values..][..*n_values], *n_values);
            supervised.iter().map(of_item).sum()
        }
        _ if n_queries.is_some() => train.graphs.len() as f64,
        (_, TargetKind::Embedding) => train.items(&train.graphs).len() as f64,
        _ => supervised.len() as f64,
    };
    let of_part = network.loss_weights(n_items, &of_items, n_graphs)?;
    let of_step = of_part.share(cx.settings.batch_size, n_graphs);
    Ok(if is_of_links { of_step.over_graphs(network, cx.dataset.n_graphs()) } else { of_step })
}

impl Fit<'_> {
    fn feed<'f>(&'f self, items: &[u32]) -> Feed<'f> {
        let model = self.cx.model.get();
        let feed = Feed::new(self.cx.dataset, model.task, EdgeReads::of(model), items, self.cx.device);
        let feed = feed.scaled(self.scaling.as_ref()).with_targets(self.target_scaling.as_ref());
        // Queries are for training: a part is measured by its links.
        let negatives = self.cx.settings.negatives.as_ref().filter(|call| !k_vs_all::is_it(call));
        feed.of_links(model.task, Some(&self.unit.split), negatives)
    }

    /// Takes the network of another fold, with what is written of its epochs.
    fn take_over(&mut self, known: &Shared) -> Result<Status> {
        self.kept = Some(Kept { epoch: known.kept.epoch, tensors: known.kept.tensors.clone() });
        for record in &known.records[self.records.len().min(known.records.len())..] {
            if let Some(folder) = self.folder {
                folder.append_epoch(record)?;
            }
            self.records.push(record.clone());
        }
        Ok(Status::Finished)
    }

    fn train(&mut self, progress: &mut dyn Progress) -> Result<Status> {
        let (cx, unit) = (self.cx, self.unit);
        let task = cx.model.get().task;
        let reads = EdgeReads::of(cx.model.get());
        // Taken out, because the feeds live through changes of the rest.
        let (scaling, targets) = (self.scaling.clone(), self.target_scaling.clone());
        let feed = |items| {
            let feed = Feed::new(cx.dataset, task, reads, items, cx.device).scaled(scaling.as_ref());
            let feed = feed.with_targets(targets.as_ref());
            feed.of_links(task, Some(&unit.split), cx.settings.negatives.as_ref())
        };
        let supervised = unit.supervised(cx.settings);
        let train = feed(&*supervised).of_views(cx.model.get());
        let validation = feed(match () {
            () if is_of_vectors(cx) => &[],
            // What the epoch is chosen by is measured in every epoch.
            () if cx.settings.chooses_mean_epoch => &unit.split.test,
            () => &unit.split.validation,
        });
        // The validation part is the same in every epoch, so its batches are made once.
        let validation_steps =
            validation.graphs.chunks(cx.settings.batch_size).map(|graphs| validation.kept_step(graphs));
        let validation_steps = validation_steps.collect::<candle_core::Result<Vec<Step>>>()?;
        // So is the training part where one batch holds it all and nothing in it is drawn.
        let is_same = train.graphs.len() <= cx.settings.batch_size
            && cx.dataset.random_signs.is_empty()
            && !train.draws();
        let whole = if is_same { Some(train.kept_step(&train.graphs)?) } else { None };
        let (mut saved, mut save_every) = (Instant::now(), SAVE_EVERY[0]);
        let mut is_done = false;
        let until = cx.trial.and_then(|trial| trial.until).unwrap_or(cx.settings.epochs);
        while !is_done && self.place.epoch < cx.settings.epochs {
            if self.place.epoch >= until {
                self.is_paused = true;
                self.save_state()?;
                return Ok(Status::Interrupted);
            }
            if !self.train_epoch(&train, whole.as_ref(), validation.is_empty(), progress)? {
                self.save_state()?;
                return Ok(Status::Interrupted);
            }
            is_done = self.finish_epoch(&validation, &validation_steps, progress)?;
            let is_last = is_done || self.place.epoch >= cx.settings.epochs;
            if !is_last && cx.trial.is_some_and(|trial| (trial.prunes)(&self.records)) {
                self.is_pruned = true;
                return Ok(Status::Finished);
            }
            let goes_on = !is_done && self.place.epoch < cx.settings.epochs.min(until);
            if goes_on && (cx.stop)() {
                self.save_state()?;
                return Ok(Status::Interrupted);
            }
            if goes_on && saved.elapsed() > save_every {
                let begun = Instant::now();
                self.save_state()?;
                saved = Instant::now();
                let [least, most] = SAVE_EVERY;
                save_every = saved.duration_since(begun).div_f64(SAVE_SHARE).clamp(least, most);
            }
        }
        Ok(Status::Finished)
    }

    /// Trains on the batches that are left of this epoch; false where a stop was asked for before its end.
    fn train_epoch(
        &mut self,
        train: &Feed,
        whole: Option<&Step>,
        wants_pooling_stats: bool,
        progress: &mut dyn Progress,
    ) -> Result<bool> {
        let order = self.unit.order(&train.graphs, self.cx.settings.batch_size, self.place.epoch);
        let lr = self.schedule.lr(self.place.epoch);
        let n_batches = order.len().div_ceil(self.cx.settings.batch_size);
        let batches = order.chunks(self.cx.settings.batch_size).enumerate();
        let is_of_queries = train.links().is_some_and(|links| links.n_queries().is_some());
        if self.epoch.items.is_empty() && !is_of_queries {
            let done = (self.place.batch * self.cx.settings.batch_size).min(order.len());
            self.epoch.items = train.items(&order[..done]);
        }
        for (idx, graphs) in batches.skip(self.place.batch) {
            let begun = Instant::now();
            let step = match whole {
                Some(step) => Cow::Borrowed(step),
                None => {
                    let has_signs = !self.cx.dataset.random_signs.is_empty();
                    let places = [self.place.epoch as u64, idx as u64];
                    let seed = (has_signs || train.draws()).then(|| self.unit.derived_seed(SIGNS, places));
                    Cow::Owned(train.training_step(graphs, seed, &self.network)?)
                }
            };
            let loss = self.train_step(&step, lr, (idx, n_batches), order.len(), wants_pooling_stats)?;
            self.place.batch = idx + 1;
            self.epoch.train_s += begun.elapsed().as_secs_f64();
            progress.on(Event::Batch {
                epoch: self.place.epoch + 1,
                batch: idx + 1,
                n_batches,
                n_items: step.items.len(),
                loss,
            });
            if (self.cx.stop)() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Forward, backward, step. The loss before the step, as an estimate of that of the part.
    fn train_step(
        &mut self,
        step: &Step,
        lr: f64,
        (batch, n_batches): (usize, usize),
        train_graphs: usize,
        wants_pooling_stats: bool,
    ) -> Result<f64> {
        let not_finite = |what, value| TrainError::NotFinite {
            what,
            value,
            epoch: self.place.epoch + 1,
            part: "training",
            batch: batch + 1,
            n_batches,
            graphs: step.batch.graphs.clone(),
            kept: None,
        };
        let step_seed = self.unit.derived_seed(DROPOUT, [self.place.epoch as u64, batch as u64]);
        let mut cx = self.network.training_cx(step_seed);
        cx.wants_pooling_stats = wants_pooling_stats;
        let picked = step.run(&self.network, &mut cx)?;
        let targets = step.targets.as_ref().expect("a training part is labelled");
        let loss = self.network.loss(&picked, targets, &cx, Some(&self.loss_weights))?;
        let value = scalar(&loss.total)?;
        if !value.is_finite() {
            return Err(not_finite("loss", value));
        }
        let (outputs, width) = values(&picked.x)?;
        let gradients = loss.backward()?;
        let gradients: Vec<Option<Tensor>> =
            self.weights.iter().map(|weight| gradients.get(weight.as_tensor()).cloned()).collect();
        let norm = optimizer::global_norm(&gradients)?;
        if !norm.is_finite() {
            return Err(not_finite("gradient", norm));
        }
        let scale = self.cx.settings.clip_norm.map_or(1.0, |max| optimizer::clip_scale(norm, max));
        self.optimizer.step(&gradients, lr, scale)?;
        self.network.keep_bounds()?;

        let epoch = &mut self.epoch;
        epoch.auxiliary.add(&self.network, &cx)?;
        epoch.gradient_norm.add(norm);
        epoch.pooling.add(&cx.pooling);
        epoch.fixed_points.add(&cx.fixed_points);
        if step.is_of_queries {
            let [sum, n] = &mut epoch.of_queries;
            let full = train_graphs.min(self.cx.settings.batch_size);
            (*sum, *n) = (*sum + value * full as f64, *n + step.items.len() as f64);
        } else {
            epoch.outputs.extend(outputs);
            epoch.width = width;
            epoch.items.extend_from_slice(&step.items);
        }
        // A last, smaller batch makes a smaller step; its loss is shown on the scale of the others.
        let n_graphs = step.batch.graphs.len();
        let full = train_graphs.min(self.cx.settings.batch_size);
        Ok(value * full as f64 / n_graphs.max(1) as f64)
    }

    /// Validates, writes the epoch down, and moves on to the next one; true where the run ends here.
    fn finish_epoch(
        &mut self,
        validation: &Feed,
        steps: &[Step],
        progress: &mut dyn Progress,
    ) -> Result<bool> {
        let epoch_idx = self.place.epoch;
        let mut epoch = std::mem::take(&mut self.epoch);
        let begun = Instant::now();
        let (mut validation_figures, mut pooling) = (Figures::new(), std::mem::take(&mut epoch.pooling));
        if !validation.is_empty() {
            let watched = self.cx.settings.monitors().filter_map(monitor::metric_of);
            let watches_ranks = watched.into_iter().any(|metric| metric.is_of_ranks());
            let measured = measure(
                &self.network,
                validation,
                steps.iter().map(|step| Ok(Cow::Borrowed(step))),
                true,
                watches_ranks,
            )?;
            if let Some(batch) = measured.not_finite {
                return Err(TrainError::NotFinite {
                    what: "validation loss",
                    value: measured.loss.unwrap_or(f64::NAN),
                    epoch: epoch_idx + 1,
                    part: "validation",
                    batch: batch + 1,
                    n_batches: steps.len(),
                    graphs: steps[batch].batch.graphs.clone(),
                    kept: None,
                });
            }
            validation_figures = figures(measured.loss, &measured.predictions, &self.metrics);
            pooling = measured.pooling;
        }
        let mut trained = self.predictions(std::mem::take(&mut epoch.outputs), epoch.width, &epoch.items);
        let scaled = scaled_values(self.target_scaling.as_ref(), &trained);
        let mut loss = self.network.part_loss(&items(&trained, scaled.as_deref()), &epoch.auxiliary)?;
        let [sum_of_queries, n_queries] = epoch.of_queries;
        if n_queries > 0.0 {
            loss = PartLoss { total: sum_of_queries / n_queries, terms: Vec::new(), bad_item: None };
        }
        if let Some(scaling) = &self.target_scaling {
            scaling.undo(&mut trained.outputs);
        }
        let mut record = EpochRecord {
            epoch: epoch_idx + 1,
            lr: self.schedule.lr(epoch_idx),
            train: figures(
                Some(loss.total),
                &trained,
                if is_of_vectors(self.cx) || n_queries > 0.0 { &[] } else { &self.metrics },
            ),
            validation: validation_figures,
            loss_terms: match loss.terms.len() {
                0 | 1 => Default::default(),
                _ => loss.terms.into_iter().collect(),
            },
            pooling: pooling.records(self.cx.model.get()),
            fixed_points: epoch.fixed_points.records(self.cx.model.get()),
            gradient_norm: epoch.gradient_norm.value().unwrap_or(0.0),
            is_kept: false,
            train_s: epoch.train_s,
            validation_s: begun.elapsed().as_secs_f64(),
        };
        let settings = self.cx.settings;
        let watched = schedule::kind(&settings.schedule).monitor(&settings.schedule);
        self.schedule.observe(epoch_idx, watched.and_then(|monitor| record.monitored(monitor)));
        let watched = early_stop::kind(&settings.early_stop).monitor(&settings.early_stop);
        let verdict = self.early_stop.observe(watched.and_then(|monitor| record.monitored(monitor)));
        if verdict.keep {
            record.is_kept = true;
            let tensors = self
                .network
                .parameters()
                .iter()
                .map(|parameter| parameter.var.copy().map(|copy| copy.detach()));
            self.kept =
                Some(Kept { epoch: record.epoch, tensors: tensors.collect::<candle_core::Result<_>>()? });
        }
        for monitor in if validation.is_empty() { Vec::new() } else { settings.monitors().collect() } {
            if record.monitored(monitor).is_none() && self.undefined.insert(monitor) {
                progress.on(Event::Warning(&format!(
                    "`{monitor}` is not defined after epoch {}: such epochs count neither as better nor as worse",
                    record.epoch
                )));
            }
        }
        for found in record.fixed_points.iter().filter(|found| found.has_left()) {
            let is_same = |other: &FixedPointRecord| other.stage == found.stage && other.has_left();
            if !self.records.iter().flat_map(|record| &record.fixed_points).any(is_same) {
                progress.on(Event::Warning(&found.warning(record.epoch)));
            }
        }
        for warning in self.collapse.observe(record.epoch, &record.pooling) {
            progress.on(Event::Warning(&warning));
        }
        if let Some(folder) = self.folder {
            folder.append_epoch(&record)?;
        }
        progress.on(Event::Epoch(&record));
        self.records.push(record);
        self.place = Place { epoch: epoch_idx + 1, batch: 0 };
        Ok(verdict.stop)
    }

    fn predictions(&self, outputs: Vec<f32>, width: usize, items: &[u32]) -> Predictions {
        if is_of_vectors(self.cx) {
            // What items cost, which is compared with nothing.
            let values = vec![0.0; outputs.len()];
            return Predictions { width, outputs, values, ..Predictions::default() };
        }
        super::feed::predictions(self.cx.dataset, outputs, width, items)
    }

    /// Takes up a saved state.
    fn restore(&mut self, saved: ResumeState) -> Result<()> {
        saved.restore_weights(self.network.parameters())?;
        saved.restore_optimizer(&mut *self.optimizer)?;
        self.kept = saved.kept(self.network.parameters())?;
        self.epoch = saved.partial_epoch()?;
        let state = &saved.state;
        if !self.schedule.restore(&state.schedule) || !self.early_stop.restore(&state.early_stop) {
            return Err(saved.does_not_fit("the schedule or early stop differs"));
        }
        self.place = state.place;
        self.earlier_s = state.wall_s;
        self.collapse = saved.state.collapse;
        self.records = saved.records;
        Ok(())
    }

    /// Saves everything that the next step depends on, and the weights to keep so far.
    fn save_state(&self) -> Result<()> {
        let Some(folder) = self.folder else { return Ok(()) };
        let state = SavedState {
            place: self.place,
            schedule: self.schedule.state(),
            early_stop: self.early_stop.state(),
            collapse: self.collapse.clone(),
            partial: self.epoch.clone(),
            kept_epoch: self.kept.as_ref().map(|kept| kept.epoch),
            marks: folder.marks(self.records.len())?,
            wall_s: self.wall_s(),
            canonical_hash: self.cx.checkpoint.canonical_hash.clone(),
            data_fingerprint: self.cx.checkpoint.data_fingerprint.clone(),
        };
        state.write(&folder.state_path(), self.network.parameters(), &*self.optimizer, self.kept.as_ref())?;
        if self.cx.trial.is_some() { Ok(()) } else { self.write_kept() }
    }

    fn wall_s(&self) -> f64 {
        self.earlier_s + self.started.elapsed().as_secs_f64()
    }

    /// Writes the weights to keep into `checkpoint.safetensors`, where there are any yet.
    fn write_kept(&self) -> Result<()> {
        let (Some(folder), Some(kept)) = (self.folder, &self.kept) else { return Ok(()) };
        let names = self.network.parameters().iter().map(|parameter| parameter.name.clone());
        let tensors = names.zip(kept.tensors.iter().cloned()).collect();
        let scalings = Scalings { features: self.scaling.as_ref(), targets: self.target_scaling.as_ref() };
        folder.write_checkpoint(self.cx.checkpoint, self.unit, kept.epoch, scalings, &tensors)
    }

    fn summary(&self, status: Status) -> UnitSummary {
        UnitSummary {
            name: self.unit.name.clone(),
            folder: self.unit.folder.clone(),
            seed: self.unit.seed,
            fold: self.unit.fold,
            run: self.unit.run,
            status,
            epochs: self.records.len(),
            kept_epoch: self.kept.as_ref().map(|kept| kept.epoch),
            train: Figures::new(),
            validation: Figures::new(),
            test: Figures::new(),
            absent_classes: Default::default(),
            n_parameters: self.network.parameters().n_trained(),
            chosen: Default::default(),
            searched: self.cx.searched.clone(),
            n_support: None,
            epoch_s: median(self.records.iter().map(|record| record.train_s)),
            wall_s: self.wall_s(),
        }
    }

    /// Puts the kept weights back, measures every part with them and writes the results. A run that was interrupted
    /// keeps the weights that it goes on with, and is not measured.
    fn conclude(&mut self, status: Status) -> Result<UnitSummary> {
        let mut summary = self.summary(status);
        if self.cx.trial.is_some() {
            if let (Some(folder), true) = (self.folder, status != Status::Interrupted) {
                folder.drop_state()?;
            }
            return Ok(summary);
        }
        if let (true, Some(kept)) = (status != Status::Interrupted, &self.kept) {
            // Before anything is measured: a larger part may take more memory than there is.
            self.write_kept()?;
            for (parameter, tensor) in self.network.parameters().iter().zip(&kept.tensors) {
                parameter.var.set(tensor)?;
            }
            let split = &self.unit.split;
            // Links that were learned are not ranked: there are many, and their ranks say nothing of new ones.
            if is_of_vectors(self.cx) {
                [summary.train, summary.validation, summary.test] = self.measure_vectors()?;
                let kept = self.records.iter().find(|record| record.epoch == kept.epoch);
                let loss = kept.and_then(|record| record.train.get("loss").copied().flatten());
                summary.train.insert("loss".to_owned(), loss);
            } else {
                summary.train = self.measure_part(&self.unit.supervised(self.cx.settings), false)?;
                summary.validation = self.measure_part(&split.validation, true)?;
                summary.test = self.measure_part(&split.test, true)?;
            }
            let parts = [("train", &split.train), ("validation", &split.validation), ("test", &split.test)];
            let absent = parts.into_iter().filter(|(_, items)| !items.is_empty());
            summary.absent_classes = absent
                .map(|(part, items)| (part.to_owned(), absent_classes(self.cx.dataset, items)))
                .filter(|(_, absent)| !absent.is_empty())
                .collect();
            summary.wall_s = self.wall_s();
        }
        if let Some(folder) = self.folder {
            let metric = self.metrics.first().map_or("", |metric| metric.name());
            folder.write_curves(self.cx.title, &self.records, metric)?;
            folder.write_unit_summary(&summary)?;
            if status != Status::Interrupted {
                folder.drop_state()?;
            }
        }
        Ok(summary)
    }

    /// Figures of the vectors of the training, validation and test part; empty where the data has no classes.
    fn measure_vectors(&self) -> Result<[Figures; 3]> {
        let all: Vec<u32> = (0..self.cx.dataset.n_items() as u32).collect();
        let vectors = Vectors::of(&self.network, &self.feed(&all), self.cx.settings.batch_size)?;
        let split = &self.unit.split;
        let probed = Probed::new(self.cx.dataset, &vectors, Some(split), &self.metrics);
        let figures = |items: &[u32]| match &probed {
            Some(probed) if !items.is_empty() => probed.figures(items, &self.metrics),
            _ => Figures::new(),
        };
        Ok([figures(&split.train), figures(&split.validation), figures(&split.test)])
    }

    fn measure_part(&self, items: &[u32], wants_ranks: bool) -> Result<Figures> {
        if items.is_empty() {
            return Ok(Figures::new());
        }
        let feed = self.feed(items);
        let steps = feed.steps(self.cx.settings.batch_size).map(|step| step.map(Cow::Owned));
        let Measured { loss, predictions, .. } = measure(
            &self.network,
            &feed,
            steps,
            false,
            wants_ranks && self.metrics.iter().any(|metric| metric.is_of_ranks()),
        )?;
        Ok(figures(loss, &predictions, &self.metrics))
    }
}
