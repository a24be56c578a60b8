//! `run.json` and `resources.json`.

use crate::data::Vocabulary;
use crate::train::initial::InitialRecord;
use crate::train::record::RunSummary;
use crate::train::session::Session;
use crate::train::settings::Overrides;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The version of `run.json` that is written; the first one is read too.
pub const RECORD_FORMAT: u32 = 2;

/// `run.json`: what the run was asked to do, and who worked on it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunRecord {
    pub format: u32,
    /// The version that began the run.
    pub hgnnc: String,
    pub name: String,
    /// Path of the model file as given.
    pub file: String,
    pub task: String,
    /// The data's name, and the SHA-256 of its content.
    pub data: String,
    pub data_fingerprint: String,
    /// The folder that a path of the data starts from, on the machine that began the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_folder: Option<PathBuf>,
    /// The folder that paths of the model's other settings start from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_folder: Option<PathBuf>,
    /// What the columns of its features and its targets mean; empty in records of earlier versions.
    #[serde(default)]
    pub columns: Vocabulary,
    pub overrides: Overrides,
    /// The `train` and `evaluate` sections, every default filled in.
    pub settings: serde_json::Value,
    pub canonical_hash: String,
    /// Checksums of the model's texts, by name.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// Folders of the protocol's runs; one without a name where there is one run only.
    #[serde(default)]
    pub units: Vec<String>,
    /// The weights that it began with, where they are those of another run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_from: Option<InitialRecord>,
    /// The process that began it, and each that went on with it.
    #[serde(default)]
    pub sessions: Vec<Session>,
}

impl RunRecord {
    /// The folder that a path of the data starts from, where it is there: a run may have been copied elsewhere.
    pub fn data_folder(&self) -> Option<PathBuf> {
        self.data_folder.clone().filter(|folder| folder.is_dir())
    }
}

/// `resources.json`: what the run took. It differs from time to time, so it is kept apart from the results.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Resources {
    /// Median seconds of a training epoch, validation not counted.
    pub epoch_s: Option<f64>,
    /// Seconds of the whole run.
    pub wall_s: f64,
    /// Largest resident size of the process; `None` where the system does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
    /// Of each run, by its folder, where there are several.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub units: BTreeMap<String, Resources>,
}

impl Resources {
    pub fn of(summary: &RunSummary) -> Self {
        let several = summary.units.iter().filter(|unit| !unit.folder.is_empty());
        let units = several.map(|unit| {
            let (epoch_s, wall_s) = (unit.epoch_s, unit.wall_s);
            (unit.folder.clone(), Self { epoch_s, wall_s, ..Self::default() })
        });
        Self {
            epoch_s: summary.epoch_s,
            wall_s: summary.wall_s,
            peak_memory_bytes: summary.peak_memory_bytes,
            units: units.collect(),
        }
    }

    /// Puts them back into a summary that was read.
    pub fn give(self, summary: &mut RunSummary) {
        (summary.epoch_s, summary.wall_s) = (self.epoch_s, self.wall_s);
        summary.peak_memory_bytes = self.peak_memory_bytes;
        for unit in &mut summary.units {
            // A run alone took what the whole took.
            let own = self.units.get(&unit.folder);
            (unit.epoch_s, unit.wall_s) =
                own.map_or((self.epoch_s, self.wall_s), |own| (own.epoch_s, own.wall_s));
        }
    }
}
