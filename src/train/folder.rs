//! The folder of a run.
//!
//! ```text
//! run.json                  settings with every default, seed, data and where it came from
//! model.hgnn                the model's file as given, beside copies of those that it uses
//! model.canonical.txt       its canonical form
//! split.json                indices of the training, validation and test items
//! metrics.jsonl             one line an epoch
//! checkpoint.safetensors    the kept weights
//! curves.svg                loss and metric by epoch
//! summary.json              the results
//! initial.safetensors       with `--init-from`: the weights that it began with
//! state.safetensors         only while the run is not finished: what `--resume` goes on from
//! ```
//!
//! Several seeds or folds have a subfolder each, with the last six; the summary and the curves on top are of all.

use super::atomic::{self, Lines};
use super::checkpoint::{self, CheckpointFacts};
use super::curves;
use super::error::{AtPath, Result, TrainError};
use super::fit::Unit;
use super::initial::InitialRecord;
use super::record::{EpochRecord, RunSummary, UnitSummary};
use super::resume::ResumeState;
use super::settings::Overrides;
use super::source::{MODEL, ModelSource, SourceText};
use super::tensors::Named;
use crate::ir::{Canonical, canonical::Part};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const RECORD: &str = "run.json";
const CANONICAL: &str = "model.canonical.txt";
const SPLIT: &str = "split.json";
const METRICS: &str = "metrics.jsonl";
const CHECKPOINT: &str = "checkpoint.safetensors";
const CURVES: &str = "curves.svg";
const SUMMARY: &str = "summary.json";
const STATE: &str = "state.safetensors";
const INITIAL: &str = "initial";

/// `run.json`: what the run was asked to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunRecord {
    pub format: u32,
    pub hgnnc: String,
    pub name: String,
    /// UTC.
    pub started: String,
    /// Path of the model file as given.
    pub file: String,
    pub task: String,
    /// The data's name, and the SHA-256 of its content.
    pub data: String,
    pub data_fingerprint: String,
    pub overrides: Overrides,
    pub device: String,
    /// The `train` and `evaluate` sections, every default filled in.
    pub settings: serde_json::Value,
    pub canonical_hash: String,
    /// The weights that it began with, where they are those of another run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_from: Option<InitialRecord>,
}

/// The only version of `run.json` so far.
pub const RECORD_FORMAT: u32 = 1;

/// The folder of a whole run.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
}

/// The folder of one of its runs.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Whether it is a subfolder with a summary of its own.
    is_sub: bool,
    metrics: RefCell<Lines>,
}

/// `20260131-235959`, UTC.
pub fn timestamp(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Civil date of a day number: Howard Hinnant, "chrono-compatible low-level date algorithms".
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (second / 3600, second % 3600 / 60);
    format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{:02}", second % 60)
}

impl RunFolder {
    /// A new folder `parent/NAME-TIMESTAMP`, which cannot be there yet.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn create_in(parent: &Path, name: &str) -> Result<Self> {
        fs::create_dir_all(parent).at("create", parent)?;
        let stem = format!("{name}-{}", timestamp(SystemTime::now()));
        for attempt in 1.. {
            let path = parent.join(if attempt == 1 { stem.clone() } else { format!("{stem}-{attempt}") });
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path }),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).at("create", &path),
            }
        }
        unreachable!("there are always more numbers")
    }

    /// A folder of the user's choice. A run that is already there is an error, or with `force` is removed.
    ///
    /// # Errors
    /// Where it is taken by a run, or by something that is none, or cannot be made.
    pub fn create(path: &Path, force: bool) -> Result<Self> {
        let folder = Self { path: path.to_path_buf() };
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries.collect::<std::io::Result<Vec<_>>>().at("read", path)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                fs::create_dir_all(path).at("create", path)?;
                return Ok(folder);
            }
            Err(error) => return Err(error).at("open the folder", path),
        };
        if entries.is_empty() {
            return Ok(folder);
        }
        if !path.join(RECORD).is_file() {
            return Err(TrainError::Occupied {
                path: path.to_path_buf(),
                reason: "holds other files and no run of hgnnc".into(),
                help: "name a folder that is empty or not there yet".into(),
            });
        }
        if !force {
            let resumed = path.join(STATE).is_file() || has_open_sub_run(path);
            let resume = format!("go on with it by `hgnnc train --resume {}`, ", path.display());
            return Err(TrainError::Occupied {
                path: path.to_path_buf(),
                reason: if resumed { "holds a run that is not finished" } else { "holds a run already" }
                    .into(),
                help: format!(
                    "{}name another folder, or replace it with `--force`",
                    if resumed { &resume } else { "" }
                ),
            });
        }
        folder.remove_run()?;
        Ok(folder)
    }

    /// Takes back what was written of a run that could not start, and the folder if nothing else is in it.
    pub fn clear(&self) {
        let _ = self.remove_run();
        let _ = fs::remove_dir(&self.path);
    }

    /// Removes what a run writes, and nothing else that may lie there.
    fn remove_run(&self) -> Result<()> {
        // The record goes last: while it is there, the folder is known to be a run's.
        for name in [MODEL, CANONICAL, SPLIT, METRICS, CHECKPOINT, CURVES, SUMMARY, STATE] {
            atomic::remove(&self.path.join(name))?;
        }
        for name in self.used_files()? {
            atomic::remove(&self.path.join(name))?;
        }
        for idx in 0.. {
            let path = self.initial_path(idx);
            if !path.is_file() {
                break;
            }
            atomic::remove(&path)?;
        }
        for entry in fs::read_dir(&self.path).at("read", &self.path)? {
            let entry = entry.at("read", &self.path)?.path();
            if entry.is_dir() && entry.join(SPLIT).is_file() {
                fs::remove_dir_all(&entry).at("remove", &entry)?;
            }
        }
        atomic::remove(&self.path.join(RECORD))
    }

    /// The folder of a run that is there.
    ///
    /// # Errors
    /// Where it is none.
    pub fn open(path: &Path) -> Result<Self> {
        if path.join(RECORD).is_file() {
            return Ok(Self { path: path.to_path_buf() });
        }
        let what = if path.is_dir() {
            "holds no run.json, so it is not the folder of a run"
        } else {
            "is not there"
        };
        Err(TrainError::Occupied {
            path: path.to_path_buf(),
            reason: what.into(),
            help: "give the folder that `hgnnc train` named at its end, like runs/NAME-DATE-TIME".into(),
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// # Errors
    /// Where a file cannot be written.
    pub fn write_start(&self, record: &RunRecord, facts: &CheckpointFacts) -> Result<()> {
        for file in facts.source.files() {
            atomic::write(&self.path.join(&file.name), |out| out.write_all(file.text.as_bytes()))?;
        }
        atomic::write(&self.path.join(CANONICAL), |out| out.write_all(facts.canonical.as_bytes()))?;
        write_json(&self.path.join(RECORD), record)
    }

    /// # Errors
    /// Where it is missing or damaged.
    pub fn record(&self) -> Result<RunRecord> {
        let path = self.path.join(RECORD);
        let record: RunRecord = read_json(&path)?;
        if record.format != RECORD_FORMAT {
            return Err(TrainError::unusable(
                &path,
                format!("it was written by hgnnc {} in another format", record.hgnnc),
                "use that version, or train again",
            ));
        }
        Ok(record)
    }

    /// The model's texts.
    ///
    /// # Errors
    /// Where one cannot be read.
    pub fn source(&self) -> Result<ModelSource> {
        let mut files = Vec::new();
        for name in std::iter::once(MODEL.to_string()).chain(self.used_files()?) {
            let path = self.path.join(&name);
            files.push(SourceText { text: fs::read_to_string(&path).at("read", &path)?, name });
        }
        let source = ModelSource::from_files(files).brought_forward();
        // A run that was broken off very early has no form.
        Ok(match self.form() {
            Some(form) => source.as_trained(&form),
            None => source,
        })
    }

    /// `initial.safetensors`, `initial-2.safetensors`, …: the weights of each checkpoint that the run began with.
    pub(super) fn initial_path(&self, idx: usize) -> PathBuf {
        let number = if idx == 0 { String::new() } else { format!("-{}", idx + 1) };
        self.path.join(format!("{INITIAL}{number}.safetensors"))
    }

    /// The text of the canonical form that the run began with; `None` where it cannot be read.
    pub(super) fn form(&self) -> Option<String> {
        fs::read_to_string(self.path.join(CANONICAL)).ok()
    }

    /// The canonical form that the run began with; `None` where its text cannot be read.
    pub fn began_as(&self) -> Option<Canonical> {
        Canonical::parse(&self.form()?).ok()
    }

    /// Whether the run began with this canonical form, in the words of whatever version wrote it.
    pub fn began_with(&self, form: &Canonical) -> bool {
        self.began_as().is_some_and(|began| began.agrees_with(form, Part::All))
    }

    pub fn model_path(&self) -> PathBuf {
        self.path.join(MODEL)
    }

    /// Names of the copies of used files, in order.
    fn used_files(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).at("read", &self.path)? {
            let name = entry.at("read", &self.path)?.file_name();
            names.extend(name.to_str().filter(|name| is_used_file(name)).map(str::to_string));
        }
        names.sort();
        Ok(names)
    }

    /// # Errors
    /// Where it cannot be written.
    pub fn write_summary(&self, summary: &RunSummary) -> Result<()> {
        write_json(&self.path.join(SUMMARY), summary)
    }

    /// Results so far; `None` where nothing is finished.
    ///
    /// # Errors
    /// Where the file is damaged.
    pub fn summary(&self) -> Result<Option<RunSummary>> {
        let path = self.path.join(SUMMARY);
        if path.is_file() { read_json(&path).map(Some) } else { Ok(None) }
    }

    /// Makes the folder of one run, new or to be resumed. The state is there where it was broken off.
    ///
    /// # Errors
    /// Where it cannot be written, or a state cannot be read.
    pub(super) fn unit(&self, unit: &Unit) -> Result<(Folder, Option<ResumeState>)> {
        let path = self.unit_path(&unit.folder);
        fs::create_dir_all(&path).at("create", &path)?;
        let state_path = path.join(STATE);
        let mut state = if state_path.is_file() { Some(ResumeState::read(&state_path)?) } else { None };
        write_json(&path.join(SPLIT), &unit.split)?;
        let metrics_path = path.join(METRICS);
        let n_records = state.as_ref().map_or(0, |state| state.state.n_records);
        let (metrics, lines) = Lines::open(&metrics_path, n_records)?;
        if let Some(state) = &mut state {
            for (idx, line) in lines.iter().enumerate() {
                let record = serde_json::from_str(line).map_err(|error| {
                    TrainError::unusable(
                        &metrics_path,
                        format!("line {} is damaged ({error})", idx + 1),
                        "train again",
                    )
                })?;
                state.records.push(record);
            }
        }
        Ok((Folder { path, is_sub: !unit.folder.is_empty(), metrics: RefCell::new(metrics) }, state))
    }

    fn unit_path(&self, folder: &str) -> PathBuf {
        if folder.is_empty() { self.path.clone() } else { self.path.join(folder) }
    }

    /// Draws the validation curves of all runs that have subfolders, beside their mean.
    ///
    /// # Errors
    /// Where a file cannot be read or written.
    pub(super) fn write_curves_of_runs(&self, title: &str, folders: &[&str], metric: &str) -> Result<()> {
        let mut runs = Vec::new();
        for folder in folders {
            let path = self.unit_path(folder).join(METRICS);
            let text = fs::read_to_string(&path).at("read", &path)?;
            // A damaged line costs its point of the curve, and not the run's result.
            runs.push(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect());
        }
        let svg = curves::draw_runs(title, &runs, metric);
        atomic::write(&self.path.join(CURVES), |out| out.write_all(svg.as_bytes()))
    }

    /// Checkpoints of the run: its own, or one a subfolder.
    ///
    /// # Errors
    /// Where there is none.
    pub fn checkpoints(&self) -> Result<Vec<PathBuf>> {
        let own = self.path.join(CHECKPOINT);
        if own.is_file() {
            return Ok(vec![own]);
        }
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.path).at("read", &self.path)? {
            let path = entry.at("read", &self.path)?.path().join(CHECKPOINT);
            if path.is_file() {
                found.push(path);
            }
        }
        found.sort();
        if found.is_empty() {
            return Err(TrainError::Occupied {
                path: self.path.clone(),
                reason: "holds no checkpoint yet: the run was broken off before its first epoch was done"
                    .into(),
                help: format!("go on with it by `hgnnc train --resume {}`", self.path.display()),
            });
        }
        Ok(found)
    }
}

/// Whether this is the copy of a file that the model uses.
fn is_used_file(name: &str) -> bool {
    name.starts_with("used-") && name.ends_with(".hgnn")
}

/// Whether one of several runs in a folder was broken off.
fn has_open_sub_run(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|mut entries| {
        entries.any(|entry| entry.is_ok_and(|entry| entry.path().join(STATE).is_file()))
    })
}

/// The split that lies beside a checkpoint.
///
/// # Errors
/// Where it is missing or damaged.
pub fn split_beside(checkpoint: &Path) -> Result<crate::data::Split> {
    read_json(&checkpoint.with_file_name(SPLIT))
}

/// The checkpoint inside a folder of one run.
pub fn checkpoint_in(folder: &Path) -> PathBuf {
    folder.join(CHECKPOINT)
}

impl Folder {
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn checkpoint_path(&self) -> PathBuf {
        self.path.join(CHECKPOINT)
    }

    pub fn state_path(&self) -> PathBuf {
        self.path.join(STATE)
    }

    pub fn append_epoch(&self, record: &EpochRecord) -> Result<()> {
        let line = serde_json::to_string(record).expect("numbers become JSON");
        self.metrics.borrow_mut().append(&self.path.join(METRICS), &line)
    }

    pub(super) fn write_checkpoint(
        &self,
        facts: &CheckpointFacts,
        unit: &Unit,
        epoch: usize,
        weights: &Named,
    ) -> Result<()> {
        checkpoint::write(&self.checkpoint_path(), facts, unit, epoch, weights)
    }

    pub fn write_curves(&self, title: &str, records: &[EpochRecord], metric: &str) -> Result<()> {
        let svg = curves::draw(title, records, metric);
        atomic::write(&self.path.join(CURVES), |out| out.write_all(svg.as_bytes()))
    }

    /// The summary of a run among several; a run alone has only the one on top.
    pub fn write_unit_summary(&self, summary: &UnitSummary) -> Result<()> {
        if self.is_sub { write_json(&self.path.join(SUMMARY), summary) } else { Ok(()) }
    }

    pub fn drop_state(&self) -> Result<()> {
        atomic::remove(&self.state_path())
    }
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value).expect("names and numbers become JSON");
    text.push('\n');
    atomic::write(path, |out| out.write_all(text.as_bytes()))
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).at("read", path)?;
    serde_json::from_str(&text)
        .map_err(|error| TrainError::unusable(path, format!("it is damaged ({error})"), "train again"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn timestamps_are_civil_dates() {
        let at = |seconds| timestamp(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "19700101-000000");
        assert_eq!(at(951_827_696), "20000229-123456");
        assert_eq!(at(1_767_225_599), "20251231-235959");
    }

    #[test]
    fn two_runs_of_one_second_have_their_own_folders() {
        let parent = tempfile::tempdir().unwrap();
        let first = RunFolder::create_in(parent.path(), "gcn").unwrap();
        let second = RunFolder::create_in(parent.path(), "gcn").unwrap();
        assert_ne!(first.path(), second.path());
    }

    #[test]
    fn a_run_is_replaced_only_when_forced_and_foreign_files_never() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        RunFolder::create(&path, false).unwrap();
        fs::write(path.join("notes.txt"), "mine").unwrap();
        let error = RunFolder::create(&path, true).unwrap_err();
        assert!(error.to_string().contains("no run of hgnnc"), "{error}");
        fs::write(path.join(RECORD), "{}").unwrap();
        fs::write(path.join(METRICS), "1\n").unwrap();
        let error = RunFolder::create(&path, false).unwrap_err();
        assert!(error.help().unwrap().contains("--force"));
        RunFolder::create(&path, true).unwrap();
        assert!(!path.join(METRICS).exists());
        assert_eq!(fs::read_to_string(path.join("notes.txt")).unwrap(), "mine");
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("file");
        fs::write(&path, "").unwrap();
        let error = RunFolder::create(&path, false).unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
    }
}
