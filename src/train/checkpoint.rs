//! `checkpoint.safetensors`: weights and buffers, and in its metadata everything needed to use them again.

use super::error::{Result, TrainError};
use super::fit::Unit;
use super::folder;
use super::settings::Overrides;
use super::source::ModelSource;
use super::tensors::{self, Named};
use crate::data::features::scaling::Scaling;
use crate::data::{Dataset, EdgeReads, Split, Vocabulary};
use crate::diagnostic::count;
use crate::diff::Side;
use crate::files::sealed::{self, SealError};
use crate::ir::canonical::Part;
use crate::ir::{Canonical, Model};
use crate::lower::Parameters;
use crate::regular::ReadError;
use crate::types::DataFacts;
use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What is written, and what is read too: the first format had no checksum.
const FORMAT: &str = "hgnnc checkpoint 2";
const UNSEALED_FORMAT: &str = "hgnnc checkpoint 1";

/// What a checkpoint says beside the weights.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckpointFacts {
    pub source: ModelSource,
    /// Canonical text of the model.
    pub canonical: String,
    /// Hash of that text, and of its part that says which weights there are and what they compute. Checkpoints of
    /// an earlier version of the text have its hashes, so a comparison goes by the text.
    pub canonical_hash: String,
    pub network_hash: String,
    /// The data that sizes were taken from.
    pub data: DataFacts,
    pub data_fingerprint: String,
    /// What the command line said over the file.
    pub overrides: Overrides,
    pub class_names: Vec<String>,
    pub vocabulary: Vocabulary,
}

impl CheckpointFacts {
    pub fn new(source: ModelSource, model: &Model, dataset: &Dataset, overrides: Overrides) -> Self {
        let canonical = Canonical::of(model);
        Self {
            source,
            canonical: canonical.to_string(),
            canonical_hash: canonical.hash(Part::All),
            network_hash: canonical.hash(Part::Architecture),
            data: dataset.facts(),
            data_fingerprint: dataset.fingerprint.clone(),
            overrides,
            class_names: dataset.class_names.clone(),
            vocabulary: dataset.vocabulary.clone().reading(EdgeReads::of(model)),
        }
    }
}

/// [`DataFacts`] as saved; the task by its name.
#[derive(Serialize, Deserialize)]
struct SavedFacts {
    #[serde(flatten)]
    facts: DataFacts,
    fingerprint: String,
}

/// A checkpoint as read.
#[derive(Debug)]
pub struct Checkpoint {
    pub path: PathBuf,
    pub facts: CheckpointFacts,
    /// Seed of the run.
    pub seed: u64,
    /// The fold of the run, counted from 1, where it has several.
    pub fold: Option<usize>,
    /// The epoch, counted from 1, whose weights these are.
    pub epoch: usize,
    pub tensors: BTreeMap<String, Tensor>,
    /// What the columns of features are scaled by, where they are.
    pub scaling: Option<Scaling>,
    /// What the values to be predicted are scaled by, where they are.
    pub target_scaling: Option<Scaling>,
    /// Whether a checksum confirms its content; the first format had none.
    pub is_sealed: bool,
    /// Checksum of the split that it was trained with; the first format does not have it.
    split: Option<String>,
}

/// Checksum of a split: of its indices, whatever the layout of the file that holds them.
fn digest_of(split: &Split) -> String {
    let text = serde_json::to_vec(split).expect("indices become JSON");
    format!("sha256:{}", sealed::digest(&[&text]))
}

/// What features and targets were scaled by.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Scalings<'a> {
    pub features: Option<&'a Scaling>,
    pub targets: Option<&'a Scaling>,
}

/// Writes a checkpoint; the same run gives the same bytes.
///
/// # Errors
/// Where the file cannot be written.
pub(super) fn write(
    path: &Path,
    facts: &CheckpointFacts,
    unit: &Unit,
    epoch: usize,
    scalings: Scalings,
    weights: &Named,
) -> Result<()> {
    let data = &facts.data;
    let saved = SavedFacts { facts: data.clone(), fingerprint: facts.data_fingerprint.clone() };
    let json = |value: serde_json::Result<String>| value.expect("names and numbers become JSON");
    let mut metadata = vec![
        ("format", FORMAT.to_string()),
        ("hgnnc", env!("CARGO_PKG_VERSION").to_string()),
        ("canonical", facts.canonical.clone()),
        ("canonical_hash", facts.canonical_hash.clone()),
        ("network_hash", facts.network_hash.clone()),
        ("source", json(serde_json::to_string(&facts.source))),
        ("overrides", json(serde_json::to_string(&facts.overrides))),
        ("split", digest_of(&unit.split)),
        ("data", json(serde_json::to_string(&saved))),
        ("class_names", json(serde_json::to_string(&facts.class_names))),
        ("vocabulary", json(serde_json::to_string(&facts.vocabulary))),
        ("seed", unit.seed.to_string()),
        ("epoch", epoch.to_string()),
    ];
    for (key, scaling) in [("scaling", scalings.features), ("target_scaling", scalings.targets)] {
        metadata.extend(scaling.map(|scaling| (key, json(serde_json::to_string(scaling)))));
    }
    if let Some(fold) = unit.fold {
        metadata.push(("fold", fold.to_string()));
    }
    tensors::write(path, &metadata, weights)
}

impl Checkpoint {
    /// Reads a checkpoint.
    ///
    /// # Errors
    /// Where the file is missing, damaged, not of hgnnc, or of a later version.
    pub fn read(path: &Path) -> Result<Self> {
        let contents = tensors::read(path)?;
        let metadata = &contents.metadata;
        let text = |key: &str| {
            metadata.get(key).cloned().ok_or_else(|| {
                TrainError::unusable(
                    path,
                    format!("its metadata has no `{key}`: hgnnc did not write it"),
                    "give a run that `hgnnc train` wrote, or its checkpoint.safetensors",
                )
            })
        };
        let format = text("format")?;
        let is_first = format == UNSEALED_FORMAT;
        if format != FORMAT && !is_first {
            let version = metadata.get("hgnnc").map_or("another version", String::as_str);
            return Err(TrainError::unusable(
                path,
                format!(
                    "its format is `{}`, written by hgnnc {}; this one reads `{FORMAT}`",
                    tensors::shown(&format),
                    tensors::shown(version)
                ),
                "use the hgnnc that wrote it, or train again",
            ));
        }
        if !contents.is_sealed && !is_first {
            return Err(TrainError::damaged(path, &SealError::Unsealed));
        }
        contents.check_finite(path, "")?;
        let damaged = |key: &str| {
            TrainError::unusable(path, format!("`{key}` in its metadata is damaged"), "train again")
        };
        let overrides = if is_first { None } else { Some(text("overrides")?) };
        let overrides = overrides.map(|text| serde_json::from_str(&text)).transpose();
        let data: SavedFacts = serde_json::from_str(&text("data")?).map_err(|_| damaged("data"))?;
        let n_features = data.facts.n_features;
        Ok(Self {
            path: path.to_path_buf(),
            facts: CheckpointFacts {
                source: serde_json::from_str::<ModelSource>(&text("source")?)
                    .map_err(|_| damaged("source"))?
                    .brought_forward()
                    .as_trained(&text("canonical")?),
                canonical: text("canonical")?,
                canonical_hash: text("canonical_hash")?,
                network_hash: text("network_hash")?,
                data: data.facts,
                data_fingerprint: data.fingerprint,
                overrides: overrides.map_err(|_| damaged("overrides"))?.unwrap_or_default(),
                class_names: serde_json::from_str(&text("class_names")?)
                    .map_err(|_| damaged("class_names"))?,
                vocabulary: serde_json::from_str::<Vocabulary>(&text("vocabulary")?)
                    .map_err(|_| damaged("vocabulary"))?
                    .completed(n_features),
            },
            seed: text("seed")?.parse().map_err(|_| damaged("seed"))?,
            fold: match metadata.get("fold") {
                Some(fold) => Some(fold.parse().map_err(|_| damaged("fold"))?),
                None => None,
            },
            epoch: text("epoch")?.parse().map_err(|_| damaged("epoch"))?,
            split: if is_first { None } else { Some(text("split")?) },
            scaling: match metadata.get("scaling") {
                Some(text) => Some(serde_json::from_str(text).map_err(|_| damaged("scaling"))?),
                None => None,
            },
            target_scaling: match metadata.get("target_scaling") {
                Some(text) => Some(serde_json::from_str(text).map_err(|_| damaged("target_scaling"))?),
                None => None,
            },
            is_sealed: contents.is_sealed,
            tensors: contents.tensors,
        })
    }

    /// What a reader has to know of it.
    pub fn note(&self) -> Option<String> {
        let path = self.path.display();
        (!self.is_sealed).then(|| {
            format!("{path} was written without a checksum, so damage to its numbers cannot be found")
        })
    }

    /// The same, and what one has to know who gives it other data.
    pub fn notes(&self) -> Vec<String> {
        let path = self.path.display();
        let mut notes: Vec<String> = self.note().into_iter().collect();
        if self.facts.vocabulary.columns.is_empty() && self.facts.data.n_features > 0 {
            notes.push(format!(
                "{path} does not say what its {} mean: of other data only the number of features is compared",
                count(self.facts.data.n_features, "feature column")
            ));
        }
        notes
    }

    /// The split that it was trained with, where it lies beside it.
    ///
    /// # Errors
    /// Where it is damaged or another one, or the checkpoint lies in a run that has lost it.
    pub fn split(&self) -> Result<Option<Split>> {
        let path = folder::split_path(&self.path);
        let Some(split) = folder::split_beside(&self.path, self.is_sealed)? else {
            if folder::run_of(&self.path).is_some() {
                return Err(TrainError::unreadable(&path, &ReadError::NotFound));
            }
            return Ok(None);
        };
        if self.split.as_ref().is_some_and(|digest| *digest != digest_of(&split)) {
            return Err(TrainError::unusable(
                &path,
                format!("it is not the split that {} was trained with", self.path.display()),
                "copy the whole folder of the run again, or copy the checkpoint elsewhere and name it alone",
            ));
        }
        Ok(Some(split))
    }

    /// The canonical form of the model that it was trained for.
    ///
    /// # Errors
    /// Where its text is damaged or of a later version.
    pub fn canonical(&self) -> Result<Canonical> {
        Canonical::parse(&self.facts.canonical).map_err(|error| {
            TrainError::unusable(
                &self.path,
                format!("the canonical form in its metadata cannot be read: {error}"),
                "use the hgnnc that wrote it, or train again",
            )
        })
    }

    /// Its model as one side of a comparison, with the sizes of the data that it was trained on.
    ///
    /// # Errors
    /// Where neither its text nor its canonical form gives a model.
    pub fn side(&self) -> Result<Side> {
        let facts = &self.facts.data;
        let name = self.path.display().to_string();
        let model = match self.facts.source.compile(Some(facts)).outcome.model {
            Some(model) => model.get().clone(),
            None => self.canonical()?.model(Some(facts)).map_err(|message| {
                let message = format!("neither its text nor its canonical form gives a model: {message}");
                TrainError::unusable(&self.path, message, "use the hgnnc that wrote it")
            })?,
        };
        Ok(Side { name, model, facts: Some(facts.clone()), text: None })
    }

    /// Sets every weight and buffer of a network.
    ///
    /// # Errors
    /// Where the network has other weights; the message lists what differs.
    pub fn load_into(&self, parameters: &Parameters) -> Result<()> {
        let mut differences = Vec::new();
        for parameter in parameters.iter() {
            let shape = parameter.var.dims();
            match self.tensors.get(&parameter.name) {
                None => differences
                    .push(format!("the model has `{}` {shape:?}, the checkpoint does not", parameter.name)),
                Some(saved) if saved.dims() != shape => differences.push(format!(
                    "`{}` is {shape:?} in the model and {:?} in the checkpoint",
                    parameter.name,
                    saved.dims()
                )),
                Some(_) => {}
            }
        }
        for (name, saved) in &self.tensors {
            if parameters.get(name).is_none() {
                differences
                    .push(format!("the checkpoint has `{name}` {:?}, the model does not", saved.dims()));
            }
        }
        if !differences.is_empty() {
            const N_SHOWN: usize = 12;
            let more = differences.len().saturating_sub(N_SHOWN);
            differences.truncate(N_SHOWN);
            if more > 0 {
                differences.push(format!("and {more} more"));
            }
            let message = format!("its weights are not those of the model:\n  {}", differences.join("\n  "));
            return Err(TrainError::unusable(
                &self.path,
                message,
                "use the model file that it was trained with",
            ));
        }
        for parameter in parameters.iter() {
            let saved = &self.tensors[&parameter.name];
            let saved = saved.to_dtype(parameter.var.dtype())?.to_device(parameter.var.device())?;
            parameter.var.set(&saved)?;
        }
        Ok(())
    }
}
