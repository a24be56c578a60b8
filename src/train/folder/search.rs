//! The folder of the search of one fold.
//!
//! ```text
//! search/trials.json                  every trial: values, figure, how it ended; and the one that was chosen
//! search/trial-007/metrics.jsonl      one line per epoch
//! ```
//!
//! Folds and seeds have a subfolder each: `search/fold-03/trials.json`. A trial with several inner folds has a folder for each.

use super::names::{METRICS, OF_UNIT, STATE, is_number};
use super::{MAX_RECORD_BYTES, read_json, remove, write_json};
use crate::data::Split;
use crate::files::{aside, lines};
use crate::train::error::{AtPath, Result, TrainError};
use crate::train::folder::Folder;
use crate::train::record::EpochRecord;
use crate::train::resume::ResumeState;
use crate::train::search::Trials;
use std::fs;
use std::path::{Path, PathBuf};

const TRIALS: &str = "trials.json";

/// The folder of the search of one fold, open to be written.
#[derive(Debug)]
pub(in crate::train) struct SearchFolder {
    path: PathBuf,
}

impl SearchFolder {
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_path_buf() }
    }

    /// Makes the folder.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn open(path: PathBuf) -> Result<Self> {
        fs::create_dir_all(&path).at("create", &path)?;
        aside::remove_abandoned(&path);
        Ok(Self { path })
    }

    pub fn trials_path(&self) -> PathBuf {
        self.path.join(TRIALS)
    }

    /// The trials of an earlier process; `None` where there are none.
    ///
    /// # Errors
    /// Where the file is damaged.
    pub fn trials(&self) -> Result<Option<Trials>> {
        let path = self.trials_path();
        if !path.exists() {
            return Ok(None);
        }
        read_json::<Trials>(&path)?.sealed().map(Some).map_err(|error| TrainError::damaged(&path, &error))
    }

    pub fn write_trials(&self, trials: &Trials) -> Result<()> {
        write_json(&self.trials_path(), trials)
    }

    fn trial_path(&self, trial: usize, inner: Option<usize>) -> PathBuf {
        let path = self.path.join(format!("trial-{:03}", trial + 1));
        inner.map_or(path.clone(), |inner| path.join(format!("inner-{inner}")))
    }

    /// The folder of a trial, or of one inner fold of it, with the state of one that was interrupted or waits.
    ///
    /// # Errors
    /// Where it cannot be written, or what it holds is damaged or of another run.
    pub fn trial(
        &self,
        trial: usize,
        inner: Option<usize>,
        split: &Split,
    ) -> Result<(Folder, Option<ResumeState>)> {
        let path = self.trial_path(trial, inner);
        aside::remove_abandoned(&path);
        Folder::open(&path, true, split)
    }

    /// The epochs of a trial that was judged: of several inner folds those of the last.
    ///
    /// # Errors
    /// Where they are missing or damaged.
    pub fn records(&self, trial: usize, inner: Option<usize>) -> Result<Vec<EpochRecord>> {
        let path = self.trial_path(trial, inner).join(METRICS);
        lines::read(&path, MAX_RECORD_BYTES).map_err(|error| TrainError::damaged_lines(&path, error))
    }

    /// Removes what a trial that will not go on no longer needs: all but its figures.
    ///
    /// # Errors
    /// Where a file cannot be removed.
    pub fn end_trial(&self, trial: usize) -> Result<()> {
        for part in parts_of(&self.trial_path(trial, None))? {
            for name in OF_UNIT.iter().filter(|name| **name != METRICS) {
                remove(&part.join(name))?;
            }
        }
        Ok(())
    }

    /// The states of trials that were judged and not asked to go on, which nothing reads any more.
    ///
    /// # Errors
    /// Where a file cannot be removed.
    pub fn drop_states(&self, n_trials: usize) -> Result<()> {
        for trial in (0..n_trials).filter(|&trial| self.trial_path(trial, None).is_dir()) {
            let is_waiting =
                parts_of(&self.trial_path(trial, None))?.iter().any(|part| part.join(STATE).exists());
            if is_waiting {
                self.end_trial(trial)?;
            }
        }
        Ok(())
    }
}

/// A trial's folder and those of its inner folds.
fn parts_of(trial: &Path) -> Result<Vec<PathBuf>> {
    let mut parts = vec![trial.to_path_buf()];
    for entry in fs::read_dir(trial).at("read", trial)? {
        let entry = entry.at("read", trial)?;
        if entry.file_name().to_str().is_some_and(|name| is_number(name.strip_prefix("inner-"))) {
            parts.push(entry.path());
        }
    }
    Ok(parts)
}

/// Removes what searches have written below this folder, and nothing else that may lie there.
///
/// # Errors
/// Where a file cannot be removed.
pub(super) fn remove_all(path: &Path) -> Result<()> {
    if fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
        for entry in fs::read_dir(path).at("read", path)? {
            let entry = entry.at("read", path)?;
            let name = entry.file_name();
            let name = name.to_str().unwrap_or_default();
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let is_part = ["trial-", "inner-"].iter().any(|prefix| is_number(name.strip_prefix(prefix)));
            if is_folder && (is_part || super::names::is_unit_folder(name)) {
                remove_all(&entry.path())?;
            } else if !is_folder && (name == TRIALS || OF_UNIT.contains(&name)) {
                remove(&entry.path())?;
            }
        }
        // Files of the user's keep it.
        let _ = fs::remove_dir(path);
    }
    Ok(())
}
