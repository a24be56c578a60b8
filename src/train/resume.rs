//! The saved state of a run that is not finished: `state.safetensors`.

use super::collapse::CollapseWatch;
use super::error::{Result, TrainError};
use super::fit::{Kept, PartialEpoch};
use super::optimizer::Optimizer;
use super::record::EpochRecord;
use super::tensors::{self, Named};
use crate::files::sealed::SealError;
use crate::lower::Parameters;
use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const FORMAT: &str = "hgnnc state 2";

/// Where a run is: the next batch to be trained on, both counted from 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub epoch: usize,
    /// As many as the epoch has where only its validation is left.
    pub batch: usize,
}

/// Where the files of records stood when the state was saved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// Lines of `metrics.jsonl` and of `times.jsonl` that belong to the state.
    pub n_records: usize,
    /// The checksums that these lines end in.
    pub metrics: String,
    pub times: String,
}

/// Everything but the tensors.
#[derive(Debug, Serialize, Deserialize)]
pub struct SavedState {
    pub place: Place,
    pub schedule: Value,
    pub early_stop: Value,
    pub collapse: CollapseWatch,
    pub partial: PartialEpoch,
    pub kept_epoch: Option<usize>,
    pub marks: Marks,
    pub wall_s: f64,
    pub canonical_hash: String,
    pub data_fingerprint: String,
}

impl SavedState {
    /// Writes the state with its tensors.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write(
        &self,
        path: &Path,
        parameters: &Parameters,
        optimizer: &dyn Optimizer,
        kept: Option<&Kept>,
    ) -> Result<()> {
        let mut tensors: Named = Vec::new();
        for (idx, parameter) in parameters.iter().enumerate() {
            tensors.push((format!("weights.{}", parameter.name), parameter.var.as_detached_tensor()));
            if let Some(kept) = kept {
                tensors.push((format!("kept.{}", parameter.name), kept.tensors[idx].clone()));
            }
        }
        for (name, tensor) in optimizer.state()? {
            tensors.push((format!("optimizer.{name}"), tensor));
        }
        let PartialEpoch { outputs, width, .. } = &self.partial;
        let shape = (outputs.len() / (*width).max(1), *width);
        tensors.push(("epoch.outputs".into(), Tensor::from_slice(outputs, shape, &Device::Cpu)?));
        let state = serde_json::to_string(self).expect("numbers and text become JSON");
        tensors::write(path, &[("format", FORMAT.into()), ("state", state)], &tensors)
    }
}

/// A state as read, with the lines of the epochs before it.
pub struct ResumeState {
    path: PathBuf,
    pub state: SavedState,
    pub records: Vec<EpochRecord>,
    tensors: BTreeMap<String, Tensor>,
}

impl ResumeState {
    /// Reads a state.
    ///
    /// # Errors
    /// Where the file is missing, damaged or of another version.
    pub fn read(path: &Path) -> Result<Self> {
        let contents = tensors::read(path)?;
        let advice = "train again from the start: `hgnnc train FILE --out DIR --force`";
        let metadata = &contents.metadata;
        if metadata.get("format").map(String::as_str) != Some(FORMAT) {
            return Err(TrainError::unusable(
                path,
                "it is not the state of a run of this version of hgnnc",
                advice,
            ));
        }
        if !contents.is_sealed {
            return Err(TrainError::damaged(path, &SealError::Unsealed));
        }
        contents.check_finite(path, "weights.")?;
        contents.check_finite(path, "kept.")?;
        let state = metadata.get("state").and_then(|text| serde_json::from_str(text).ok());
        let Some(state) = state else {
            return Err(TrainError::unusable(path, "its description of the run is damaged", advice));
        };
        Ok(Self { path: path.to_path_buf(), state, records: Vec::new(), tensors: contents.tensors })
    }

    pub fn does_not_fit(&self, what: &str) -> TrainError {
        TrainError::unusable(
            &self.path,
            format!("it does not fit this run: {what}"),
            "the run's files were changed; train again with `hgnnc train FILE`",
        )
    }

    fn find(&self, name: &str) -> Result<&Tensor> {
        self.tensors.get(name).ok_or_else(|| self.does_not_fit(&format!("it has no `{name}`")))
    }

    /// Sets every weight and buffer.
    ///
    /// # Errors
    /// Where one is missing or has another shape.
    pub fn restore_weights(&self, parameters: &Parameters) -> Result<()> {
        for parameter in parameters.iter() {
            let saved = self.find(&format!("weights.{}", parameter.name))?;
            if saved.shape() != parameter.var.shape() {
                return Err(self.does_not_fit(&format!(
                    "`{}` is {:?} in the state and {:?} in the model",
                    parameter.name,
                    saved.dims(),
                    parameter.var.dims()
                )));
            }
            parameter.var.set(&saved.to_device(parameter.var.device())?)?;
        }
        Ok(())
    }

    /// Sets the optimiser's state.
    ///
    /// # Errors
    /// Where something is missing or has another shape.
    pub fn restore_optimizer(&self, optimizer: &mut dyn Optimizer) -> Result<()> {
        optimizer
            .restore(&|name| self.tensors.get(&format!("optimizer.{name}")).cloned())
            .map_err(|error| self.does_not_fit(&error.to_string()))
    }

    /// The weights to keep so far.
    ///
    /// # Errors
    /// Where one is missing.
    pub fn kept(&self, parameters: &Parameters) -> Result<Option<Kept>> {
        let Some(epoch) = self.state.kept_epoch else { return Ok(None) };
        let tensors = parameters.iter().map(|parameter| {
            let saved = self.find(&format!("kept.{}", parameter.name))?;
            Ok(saved.to_device(parameter.var.device())?)
        });
        Ok(Some(Kept { epoch, tensors: tensors.collect::<Result<_>>()? }))
    }

    /// What the interrupted epoch had come to.
    ///
    /// # Errors
    /// Where its outputs are missing.
    pub fn partial_epoch(&self) -> Result<PartialEpoch> {
        let outputs = self.find("epoch.outputs")?;
        let width = outputs.dim(1)?;
        let outputs = outputs.flatten_all()?.to_vec1::<f32>()?;
        let mut partial = self.state.partial.clone();
        (partial.outputs, partial.width) = (outputs, width);
        Ok(partial)
    }
}
