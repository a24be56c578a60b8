//! What the `train` and `evaluate` sections say, with what the command line says over it.

use super::error::{Result, TrainError};
use crate::args::{ArgValue, Args, BoundCall};
use crate::data::Dataset;
use crate::data::features::scaling::Scale;
use crate::ir::Model;
use crate::ops::loss::Contrast;
use crate::settings::metric::{self, Metric};
use crate::settings::{early_stop, monitor, negatives, protocol, schedule};
use crate::types::TargetKind;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A batch of everything.
const ALL: usize = 1 << 40;

/// Nodes whose walks are learned from at a time, where nothing is written: as many as in PyG's example.
const NODES_OF_WALKS: usize = 128;

/// Whether steps are over nodes that walks begin at, and not over graphs.
pub fn is_of_walks(model: &Model) -> bool {
    super::views::contrast_of(model).is_some_and(|(contrast, _)| contrast == Contrast::Walks)
}

/// What the command line says over the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overrides {
    pub seed: Option<u64>,
    pub epochs: Option<usize>,
}

/// How to train and measure: every default filled in.
#[derive(Clone)]
pub struct Settings {
    pub optimizer: BoundCall,
    pub schedule: BoundCall,
    pub epochs: usize,
    pub batch_size: usize,
    /// How pairs are drawn, of tasks on links.
    pub negatives: Option<BoundCall>,
    /// The share of the training links that are asked about and pass no messages.
    pub disjoint: Option<f64>,
    pub clip_norm: Option<f64>,
    pub scale_targets: Option<Scale>,
    pub early_stop: BoundCall,
    /// Whether the file names it; a default gives way where there is nothing to watch.
    pub early_stop_is_written: bool,
    pub seed: u64,
    /// `None` for the split that comes with the data, else `holdout`.
    pub protocol: Option<BoundCall>,
    pub seeds: usize,
    /// Whether nothing is trained by steps: all but the seed has no effect in `train`.
    pub is_solved: bool,
    /// The figure by which a search chooses.
    pub choose_by: &'static str,
    /// Whether the result is of the epoch with the best mean over the test parts, so that runs go on to their end.
    pub chooses_mean_epoch: bool,
    /// Runs of each fold with other initial weights.
    pub final_runs: usize,
    /// The first one is the most important.
    pub metrics: Vec<&'static dyn Metric>,
}

impl Settings {
    /// # Panics
    /// Where the model's sections were not bound against their specs.
    pub fn new(model: &Model, overrides: Overrides) -> Self {
        let (train, evaluate) = (&model.train, &model.evaluate);
        let call = |name| train.call(name).unwrap_or_else(|| panic!("`{name}` has a default")).clone();
        let mut names = evaluate.choice_list("metrics");
        if names.is_empty() {
            names = metric::defaults(model.task.kind);
        }
        let first = names.first().map(|name| format!("val_{name}"));
        let first = monitor::NAMES.iter().copied().find(|known| first.as_deref() == Some(known));
        let choose_by = match evaluate.get("choose_by").map(|arg| &arg.value) {
            Some(ArgValue::Choice(word)) => word,
            _ => first.unwrap_or("val_loss"),
        };
        Self {
            optimizer: call("optimizer"),
            schedule: call("schedule"),
            epochs: overrides.epochs.unwrap_or(train.int("epochs") as usize),
            // All links where nothing is written: most networks pass messages over the whole graph for each step.
            batch_size: match model.task.kind {
                _ if train.is_written("batch_size") => train.int("batch_size") as usize,
                TargetKind::Links => ALL,
                _ if is_of_walks(model) => NODES_OF_WALKS,
                _ => train.int("batch_size") as usize,
            },
            negatives: (model.task.kind == TargetKind::Links)
                .then(|| train.call("negatives").cloned().unwrap_or_else(negatives::usual)),
            disjoint: train.opt_float("disjoint"),
            clip_norm: train.opt_float("clip_norm"),
            scale_targets: match train.get("scale_targets").map(|arg| &arg.value) {
                Some(ArgValue::Choice("standard")) => Some(Scale::Standard),
                Some(ArgValue::Choice("minmax")) => Some(Scale::MinMax),
                _ => None,
            },
            early_stop: call("early_stop"),
            early_stop_is_written: train.is_written("early_stop"),
            seed: overrides.seed.unwrap_or(train.int("seed") as u64),
            protocol: evaluate.call("protocol").cloned(),
            seeds: evaluate.int("seeds") as usize,
            is_solved: model.machine().is_some(),
            choose_by,
            chooses_mean_epoch: evaluate
                .call("protocol")
                .is_some_and(|call| protocol::kind(call).chooses_mean_epoch()),
            final_runs: evaluate.int("final_runs") as usize,
            metrics: names.iter().filter_map(|name| metric::find(name)).collect(),
        }
    }

    /// Figures that schedule and early stop watch.
    pub fn monitors(&self) -> impl Iterator<Item = &'static str> {
        let of_schedule = schedule::kind(&self.schedule).monitor(&self.schedule);
        let of_stop = early_stop::kind(&self.early_stop).monitor(&self.early_stop);
        [of_schedule, of_stop].into_iter().flatten()
    }

    /// The settings that watch a figure: `early_stop`, `schedule`.
    pub fn watching(&self, monitor: &str) -> impl Iterator<Item = &'static str> {
        let of_schedule = schedule::kind(&self.schedule).monitor(&self.schedule) == Some(monitor);
        let of_stop = early_stop::kind(&self.early_stop).monitor(&self.early_stop) == Some(monitor);
        [("early_stop", of_stop), ("schedule", of_schedule)]
            .into_iter()
            .filter(|(_, watches)| *watches)
            .map(|(name, _)| name)
    }

    /// The metrics to compute in every epoch: those asked for and those watched.
    pub fn all_metrics(&self) -> Vec<&'static dyn Metric> {
        let mut all = self.metrics.clone();
        for watched in self.monitors().chain([self.choose_by]).filter_map(monitor::metric_of) {
            if !all.iter().any(|metric| metric.name() == watched.name()) {
                all.push(watched);
            }
        }
        all
    }

    /// Whether the settings fit the data.
    ///
    /// # Errors
    /// Where something watches a validation part that is empty, or a metric is of the other kind.
    pub fn check(&self, model: &Model, has_validation: bool) -> Result<()> {
        let kind = model.task.kind;
        for metric in self.all_metrics() {
            if !metric.fits(kind) {
                return Err(TrainError::setup(
                    format!("`{}` does not measure {}", metric.name(), model.task.name().replace('_', " ")),
                    format!("write `metrics = [{}]`", metric::defaults(kind).join(", ")),
                ));
            }
        }
        if !has_validation {
            let is_absent = |monitor: &&str| *monitor != monitor::TRAIN_LOSS;
            let schedule = schedule::kind(&self.schedule).monitor(&self.schedule);
            let schedule = schedule.filter(is_absent).map(|_| self.schedule.name);
            let stop = early_stop::kind(&self.early_stop).monitor(&self.early_stop);
            let stop = stop.filter(is_absent).map(|_| self.early_stop.name);
            if let Some(name) = schedule.or(stop.filter(|_| self.early_stop_is_written)) {
                return Err(TrainError::setup(
                    format!("`{name}` watches the validation part, but the protocol leaves none"),
                    "keep some: `protocol = holdout(validation = 0.1)` or `k_fold(10, inner_holdout = 0.1)`",
                ));
            }
        }
        Ok(())
    }

    /// Everything as JSON, for the run's record.
    pub fn to_json(&self, dataset: &Dataset) -> Value {
        let metrics: Vec<&str> = self.metrics.iter().map(|metric| metric.name()).collect();
        let protocol = match &self.protocol {
            Some(call) => call_json(call),
            None if dataset.fixed_split.is_some() => "fixed".into(),
            None => "holdout(validation = 0.1, test = 0.1)".into(),
        };
        if self.is_solved {
            return serde_json::json!({
                "train": { "seed": self.seed },
                "evaluate": { "protocol": protocol, "seeds": self.seeds, "metrics": metrics },
            });
        }
        serde_json::json!({
            "train": {
                "optimizer": call_json(&self.optimizer),
                "schedule": call_json(&self.schedule),
                "epochs": self.epochs,
                "batch_size": if self.batch_size == ALL { "all".into() } else { Value::from(self.batch_size) },
                "clip_norm": self.clip_norm,
                "scale_targets": self.scale_targets,
                "early_stop": call_json(&self.early_stop),
                "seed": self.seed,
            },
            "evaluate": { "protocol": protocol, "seeds": self.seeds, "final_runs": self.final_runs, "metrics": metrics },
        })
    }
}

/// `{"call": "adam", "lr": 0.001, …}`
pub(crate) fn call_json(call: &BoundCall) -> Value {
    let mut object = Map::new();
    object.insert("call".into(), call.name.into());
    object.extend(args_json(&call.args));
    Value::Object(object)
}

pub(crate) fn args_json(args: &Args) -> Map<String, Value> {
    let value = |value: &ArgValue| match value {
        ArgValue::Int(value) => (*value).into(),
        ArgValue::Float(value) => (*value).into(),
        ArgValue::Bool(value) => (*value).into(),
        ArgValue::Text(text) => text.clone().into(),
        ArgValue::Choice(word) => (*word).into(),
        ArgValue::IntList(list) => list.clone().into(),
        ArgValue::FloatList(list) => list.clone().into(),
        ArgValue::ChoiceList(list) => list.clone().into(),
        ArgValue::Call(call) => call_json(call),
        ArgValue::Calls(calls) => calls.iter().map(call_json).collect(),
        ArgValue::Pipeline | ArgValue::Absent => Value::Null,
    };
    args.0.iter().map(|arg| (arg.name.to_string(), value(&arg.value))).collect()
}
