//! Weights that a run begins with instead of random ones: those of another run, as far as they fit.
//!
//! What fits is copied into the run's folder (`initial.safetensors`, one per fold where the folds have their own), so
//! that a run goes on after a break without the one that it came from.

use super::checkpoint::Checkpoint;
use super::error::{Result, TrainError};
use super::fit::Unit;
use super::folder::{self, Found, RunFolder};
use super::settings::Settings;
use super::tensors::{self, Named};
use crate::check::Checked;
use crate::data::features::scaling::Scaling;
use crate::data::{Dataset, Split};
use crate::diff::{self, Class, Side, WeightState};
use crate::files::sealed::SealError;
use crate::ir::Model;
use crate::lower::Parameters;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const FORMAT: &str = "hgnnc initial weights 1";

/// What a run took over, for its record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InitialRecord {
    /// The run or checkpoint as given.
    pub from: PathBuf,
    /// How far the two models differ: `weight-compatible`.
    pub class: String,
    /// The checkpoints that weights were taken from.
    pub checkpoints: Vec<PathBuf>,
    /// For each run of the protocol, which of them.
    pub of_run: Vec<usize>,
    /// Weights that were taken over, by their names there and here.
    pub loaded: Vec<(String, String)>,
    /// Weights of this model that begin at random, with their shapes.
    pub new: Vec<(String, String)>,
    /// Weights of the other model that have no place here.
    pub dropped: Vec<(String, String)>,
    /// Weights that begin at random because their shape is another one: name, shape there, shape here.
    pub reshaped: Vec<(String, String, String)>,
    /// Numbers that were taken over, and numbers of the model, buffers included.
    pub n_loaded: usize,
    pub n_numbers: usize,
    /// What a user has to know.
    pub notes: Vec<String>,
}

/// Initial weights of all runs of a protocol.
pub(super) struct Initial {
    pub record: InitialRecord,
    /// By checkpoint, under their names in this model.
    weights: Vec<Named>,
}

impl Initial {
    /// Reads the checkpoints of a run, or one checkpoint, and matches their weights with a model.
    ///
    /// # Errors
    /// Where one cannot be read, or no weight fits; then the message says how the models differ.
    pub fn read(
        from: &Path,
        model: &Checked<Model>,
        dataset: &Dataset,
        settings: &Settings,
        units: &[Unit],
    ) -> Result<Self> {
        let Found { checkpoints: paths, mut notes } = folder::find(from)?;
        let all: Vec<Checkpoint> = paths.iter().map(|path| Checkpoint::read(path)).collect::<Result<_>>()?;
        notes.extend(all.iter().filter_map(Checkpoint::note));
        let splits: Vec<Option<Split>> = all.iter().map(Checkpoint::split).collect::<Result<_>>()?;
        let is_same_data = |idx: usize| dataset.has_fingerprint(&all[idx].facts.data_fingerprint);
        let own = |unit: &Unit| {
            (0..all.len()).find(|&idx| {
                is_same_data(idx) && splits[idx].as_ref() == Some(&unit.split) && all[idx].seed == unit.seed
            })
        };
        let matched: Option<Vec<usize>> = units.iter().map(own).collect();
        let of_run = match matched {
            Some(matched) => matched,
            None => {
                if all.len() > 1 {
                    notes.push(format!(
                        "{} holds {} checkpoints and was split differently: every run begins with {}",
                        from.display(),
                        all.len(),
                        paths[0].display()
                    ));
                }
                vec![0; units.len()]
            }
        };
        for (unit, &idx) in units.iter().zip(&of_run) {
            let Some(split) = splits[idx].as_ref().filter(|_| is_same_data(idx)) else { continue };
            let seen: BTreeSet<u32> = split.train.iter().chain(&split.validation).copied().collect();
            let n_seen = unit.split.test.iter().filter(|item| seen.contains(item)).count();
            if n_seen > 0 {
                let name = unit.name.as_ref().map_or_else(String::new, |name| format!("{name}: "));
                let was = if n_seen == 1 { "was" } else { "were" };
                notes.push(format!(
                    "{name}{n_seen} of {} test items {was} trained or validated on before: the figures of the test \
                     part will be too good",
                    unit.split.test.len()
                ));
            }
        }
        let used: BTreeSet<usize> = of_run.iter().copied().collect();
        for &idx in &used {
            notes.extend(other_meaning(&all[idx], dataset));
        }
        notes.dedup();
        notes.extend(units.iter().zip(&of_run).find_map(|(unit, &idx)| {
            let now = settings
                .scale_targets
                .and_then(|scale| Scaling::of_targets(dataset, &unit.split.train, scale));
            other_scale(&all[idx], now.as_ref(), dataset)
        }));
        let after = Side {
            name: "this model".into(),
            model: model.get().clone(),
            facts: Some(dataset.facts()),
            text: None,
        };
        let before = all[of_run[0]].side()?;
        let found = diff::compare(&before, &after);
        let mut record = InitialRecord {
            from: from.to_path_buf(),
            class: found.class.name().to_owned(),
            checkpoints: Vec::new(),
            of_run: Vec::new(),
            loaded: Vec::new(),
            new: Vec::new(),
            dropped: Vec::new(),
            reshaped: Vec::new(),
            n_loaded: 0,
            n_numbers: 0,
            notes,
        };
        let shape = diff::shape_text;
        for weight in &found.weights {
            let numbers = |sizes: &[crate::types::Size]| {
                sizes.iter().filter_map(|size| size.known()).product::<usize>()
            };
            if let Some((_, sizes)) = &weight.after {
                record.n_numbers += numbers(sizes);
            }
            match (&weight.before, &weight.after, weight.state) {
                (Some((from, _)), Some((to, sizes)), WeightState::Kept) => {
                    record.n_loaded += numbers(sizes);
                    record.loaded.push((from.clone(), to.clone()));
                }
                (Some((_, old)), Some((to, new)), _) => {
                    record.reshaped.push((to.clone(), shape(old), shape(new)));
                }
                (Some((from, old)), None, _) => record.dropped.push((from.clone(), shape(old))),
                (None, Some((to, new)), _) => record.new.push((to.clone(), shape(new))),
                (None, None, _) => {}
            }
        }
        if record.loaded.is_empty() {
            return Err(TrainError::setup(
                format!(
                    "no weight of {} fits this model:\n\n{}",
                    from.display(),
                    diff::text(&found, false).trim_end()
                ),
                "train without `--init-from`, or name a run of a more similar model",
            ));
        }
        // The checkpoints that are used, each once, in their order.
        let used: BTreeSet<usize> = of_run.iter().copied().collect();
        let used: Vec<usize> = used.into_iter().collect();
        record.of_run =
            of_run.iter().map(|idx| used.iter().position(|one| one == idx).unwrap_or(0)).collect();
        record.checkpoints = used.iter().map(|&idx| paths[idx].clone()).collect();
        let mut weights = Vec::new();
        for &idx in &used {
            let checkpoint = &all[idx];
            // Folds of one run have one model, but the files could be of several.
            if !checkpoint
                .canonical()?
                .agrees_with(&all[of_run[0]].canonical()?, crate::ir::canonical::Part::Architecture)
            {
                return Err(TrainError::unusable(
                    &checkpoint.path,
                    format!("its model is not that of {}", paths[of_run[0]].display()),
                    "name one of them",
                ));
            }
            let named = record.loaded.iter().map(|(from, to)| {
                let tensor = checkpoint.tensors.get(from).ok_or_else(|| {
                    TrainError::unusable(&checkpoint.path, format!("it has no `{from}`"), "train again")
                })?;
                Ok((to.clone(), tensor.clone()))
            });
            weights.push(named.collect::<Result<Named>>()?);
        }
        Ok(Self { record, weights })
    }

    /// Those of one run of the protocol.
    pub fn of(&self, unit_idx: usize) -> &Named {
        &self.weights[self.record.of_run[unit_idx]]
    }

    /// Copies them into the folder of a run.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn write(&self, folder: &RunFolder) -> Result<()> {
        for (idx, (weights, from)) in self.weights.iter().zip(&self.record.checkpoints).enumerate() {
            let metadata = [("format", FORMAT.to_owned()), ("from", from.display().to_string())];
            tensors::write(&folder.initial_path(idx), &metadata, weights)?;
        }
        Ok(())
    }

    /// Reads back what [`Self::write`] wrote.
    ///
    /// # Errors
    /// Where a file is missing or damaged.
    pub fn reopen(folder: &RunFolder, record: InitialRecord) -> Result<Self> {
        let weights = (0..record.checkpoints.len()).map(|idx| {
            let path = folder.initial_path(idx);
            let contents = tensors::read(&path)?;
            if contents.metadata.get("format").map(String::as_str) != Some(FORMAT) {
                let message = "it does not hold the initial weights of a run";
                return Err(TrainError::unusable(&path, message, "train again with `--init-from`"));
            }
            if !contents.is_sealed {
                return Err(TrainError::damaged(&path, &SealError::Unsealed));
            }
            contents.check_finite(&path, "")?;
            Ok(contents.tensors.into_iter().collect())
        });
        let weights = weights.collect::<Result<Vec<Named>>>()?;
        Ok(Self { record, weights })
    }
}

/// What the features and outputs of a checkpoint's data mean, where this data's mean something else.
fn other_meaning(checkpoint: &Checkpoint, dataset: &Dataset) -> Vec<String> {
    let (then, now) = (&checkpoint.facts.vocabulary, &dataset.vocabulary);
    let from = &checkpoint.facts.data.name;
    let mut notes = Vec::new();
    if !then.has_columns_of(now) {
        notes.push(format!(
            "features mean something else: {from} has {}, {} has {}; weights that read them are taken over as far as \
             their shapes fit, and have to be learned anew",
            then.features_in_words(),
            dataset.name,
            now.features_in_words()
        ));
    }
    if !then.has_edges_of(now) {
        notes.push(format!(
            "edges carry something else: {from} has {}, {} has {}; weights that read them are taken over as far as their \
             shapes fit, and have to be learned anew",
            then.edges_in_words(),
            dataset.name,
            now.edges_in_words()
        ));
    }
    if !then.has_target_of(now) {
        notes.push(format!(
            "what is predicted means something else: {from} has {}, {} has {}; weights of the last layer are taken \
             over as far as their shapes fit, and have to be learned anew",
            then.target_in_words(),
            dataset.name,
            now.target_in_words()
        ));
    }
    notes
}

/// How the values to be predicted were scaled for a checkpoint, where they are scaled otherwise now.
fn other_scale(checkpoint: &Checkpoint, now: Option<&Scaling>, dataset: &Dataset) -> Option<String> {
    let then = checkpoint.target_scaling.as_ref();
    let column = Scaling::first_apart(then, now)?;
    let n_values = [then, now].into_iter().flatten().map(Scaling::width).max().unwrap_or(1);
    let which =
        if n_values > 1 { format!("value {} of {n_values}", column + 1) } else { "the value y".into() };
    Some(format!(
        "targets are scaled otherwise (`scale_targets`): {which} was learned as {} on {}, and is learned as {} on {}; the last layer \
         begins with outputs of the other scale",
        Scaling::formula(then, column),
        checkpoint.facts.data.name,
        Scaling::formula(now, column),
        dataset.name
    ))
}

/// Sets the weights that are given; the others stay as they were initialised.
///
/// # Errors
/// Where one has another shape.
pub(super) fn set(parameters: &Parameters, weights: &Named) -> Result<()> {
    for (name, tensor) in weights {
        let Some(parameter) = parameters.get(name).filter(|parameter| parameter.var.dims() == tensor.dims())
        else {
            return Err(TrainError::setup(
                format!("the initial weight `{name}` {:?} does not fit the model", tensor.dims()),
                "train again with `--init-from`",
            ));
        };
        let tensor = tensor.to_dtype(parameter.var.dtype())?.to_device(parameter.var.device())?;
        parameter.var.set(&tensor)?;
    }
    Ok(())
}

/// How a checkpoint's model and another one differ, for a refusal: an indented text.
pub(super) fn difference(before: &Side, after: &Side) -> (Class, String) {
    let found = diff::compare(before, after);
    let text = diff::text(&found, false);
    let lines =
        text.trim_end().lines().map(|line| if line.is_empty() { String::new() } else { format!("  {line}") });
    (found.class, lines.collect::<Vec<_>>().join("\n"))
}
