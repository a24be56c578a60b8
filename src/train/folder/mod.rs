//! The folder of a run.
//!
//! ```text
//! run.json                  settings with every default, seed, data, and who ran it: commit, command, host, versions
//! model.hgnn                the model's file as given, beside copies of those that it uses
//! model.canonical.txt       its canonical form
//! split.json                indices of the training, validation and test items
//! metrics.jsonl             one line per epoch
//! times.jsonl               seconds of each epoch
//! checkpoint.safetensors    the kept weights
//! curves.svg                loss and metric by epoch
//! summary.json              the results
//! resources.json            seconds and memory of the whole
//! search/                   of a file that leaves values open: the trials of each fold
//! initial.safetensors       with `--init-from`: the weights that it began with
//! state.safetensors         only while the run is not finished: what `--resume` goes on from
//! run.lock                  only while a process works on it, or where one was killed
//! ```
//!
//! Several seeds or folds have a subfolder each, with those from `split.json` to `resources.json`; summary, resources
//! and curves on top are of all.
//!
//! The same file, data and seed give the same bytes on one machine, except for `run.json`, `times.jsonl` and
//! `resources.json`. All that is read again carries a checksum.

mod names;
mod record;
mod search;
mod unit;

pub use record::{RECORD_FORMAT, RunRecord};
pub(super) use search::SearchFolder;
pub(super) use unit::Folder;

use super::checkpoint::CheckpointFacts;
use super::curves;
use super::error::{AtPath, Result, TrainError};
use super::fit::Unit;
use super::record::{EpochRecord, RunSummary, Status};
use super::resume::ResumeState;
use super::search::Trials;
use super::session::Session;
use super::source::{MODEL, ModelSource, SourceText};
use super::time;
use crate::data::Split;
use crate::files::lock::{self, FolderLock, Holder, LockError};
use crate::files::sealed::{self, Opened, SealError};
use crate::files::{aside, lines};
use crate::ir::{Canonical, canonical::Part};
use crate::regular::{self, ReadError};
use names::{CANONICAL, CHECKPOINT, CURVES, METRICS, RECORD, RESOURCES, SPLIT, STATE, SUMMARY};
use record::Resources;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Records, texts and lists of indices have at most as many bytes.
const MAX_RECORD_BYTES: u64 = 1 << 30;

/// The folder of a whole run.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// Held by the process that writes into it.
    lock: Option<FolderLock>,
}

/// The checkpoints that a path stands for.
#[derive(Debug, Clone, Default)]
pub struct Found {
    pub checkpoints: Vec<PathBuf>,
    /// What a reader has to know: a run that is not finished.
    pub notes: Vec<String>,
}

impl RunFolder {
    /// A new folder `parent/NAME-TIMESTAMP`, which cannot exist yet.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub(super) fn create_in(parent: &Path, name: &str, session: &Session) -> Result<Self> {
        fs::create_dir_all(parent).at("create", parent)?;
        let stem = format!("{name}-{}", time::compact(SystemTime::now()));
        for attempt in 1.. {
            let path = parent.join(if attempt == 1 { stem.clone() } else { format!("{stem}-{attempt}") });
            match fs::create_dir(&path) {
                Ok(()) => return Self::locked(&path, session),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).at("create", &path),
            }
        }
        unreachable!("there are always more numbers")
    }

    /// A folder of the user's choice. A run that is already there is an error, or with `force` is removed; what is
    /// left of one that was killed before it began is removed in any case.
    ///
    /// # Errors
    /// Where a run occupies it, or something that is none, or another process works on it, or it cannot be made.
    pub(super) fn create(path: &Path, force: bool, session: &Session) -> Result<Self> {
        let is_empty = match fs::read_dir(path) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                fs::create_dir_all(path).at("create", path)?;
                true
            }
            Err(error) => return Err(error).at("open the folder", path),
        };
        if !is_empty && !Self::is_run(path) && !is_left_over(path)? {
            return Err(TrainError::Occupied {
                path: path.to_path_buf(),
                reason: "holds other files, but no run".into(),
                help: "name a folder that is empty or does not exist yet".into(),
            });
        }
        let folder = Self::locked(path, session)?;
        if Self::is_run(path) && !force {
            let is_open = folder.is_open();
            let resume = format!("resume it with `hgnnc train --resume {}`, ", path.display());
            return Err(TrainError::Occupied {
                path: path.to_path_buf(),
                reason: if is_open { "holds a run that is not finished" } else { "already holds a run" }
                    .into(),
                help: format!(
                    "{}name another folder, or replace it with `--force`",
                    if is_open { &resume } else { "" }
                ),
            });
        }
        folder.remove_run()?;
        Ok(folder)
    }

    /// The folder of a run to resume.
    ///
    /// # Errors
    /// Where it is none, or another process works on it.
    pub(super) fn reopen(path: &Path, session: &Session) -> Result<Self> {
        Self::open(path)?;
        Self::locked(path, session)
    }

    /// Locks the folder and removes what writers before left half written.
    fn locked(path: &Path, session: &Session) -> Result<Self> {
        let holder = Holder {
            process: std::process::id(),
            host: session.host.clone(),
            since: session.started.clone(),
            command: session.command.clone(),
        };
        let lock = FolderLock::take(path, &holder).map_err(|error| match error {
            LockError::Held(holder) => TrainError::Busy { path: path.to_path_buf(), holder },
            LockError::System(source) => {
                TrainError::Io { action: "lock", path: path.join(lock::NAME), source }
            }
        })?;
        aside::remove_abandoned(path);
        unit_folders(path)?.iter().for_each(|folder| aside::remove_abandoned(folder));
        Ok(Self { path: path.to_path_buf(), lock: Some(lock) })
    }

    /// Whether other processes are kept from writing here: not every file system has locks.
    pub(super) fn is_locked(&self) -> bool {
        self.lock.as_ref().is_some_and(FolderLock::keeps_out)
    }

    /// Takes back what was written of a run that could not start, and the folder if nothing else is in it.
    pub(super) fn clear(mut self) {
        let _ = self.remove_run();
        self.lock = None;
        let _ = fs::remove_dir(&self.path);
    }

    /// Removes what a run writes, and nothing else that may lie there.
    fn remove_run(&self) -> Result<()> {
        // The record goes last: while it is there, the folder is known to be a run's.
        for folder in unit_folders(&self.path)? {
            for name in names::OF_UNIT {
                remove(&folder.join(name))?;
            }
            // Files of the user's keep it.
            let _ = fs::remove_dir(&folder);
        }
        search::remove_all(&self.path.join(names::SEARCH))?;
        for entry in fs::read_dir(&self.path).at("read", &self.path)? {
            let name = entry.at("read", &self.path)?.file_name();
            if name.to_str().is_some_and(|name| {
                ![RECORD, names::SEARCH, lock::NAME].contains(&name) && is_file_of_run(name)
            }) {
                remove(&self.path.join(name))?;
            }
        }
        remove(&self.path.join(RECORD))
    }

    /// Whether a folder is that of a run, whole or not.
    pub fn is_run(path: &Path) -> bool {
        path.join(RECORD).is_file()
    }

    /// The folder of a run, to be read.
    ///
    /// # Errors
    /// Where it is none.
    pub fn open(path: &Path) -> Result<Self> {
        if Self::is_run(path) {
            return Ok(Self { path: path.to_path_buf(), lock: None });
        }
        let begin = format!("start it again: `hgnnc train FILE --out {}`", path.display());
        let name = "give the folder that `hgnnc train` named at its end, like runs/NAME-DATE-TIME".to_owned();
        let (reason, help) = if !path.exists() {
            ("does not exist", name)
        } else if !path.is_dir() {
            ("is not the folder of a run", name)
        } else if is_left_over(path)? {
            ("holds what is left of a run that was killed before it began", begin)
        } else if path.join(CHECKPOINT).is_file() {
            let checkpoint = path.join(CHECKPOINT);
            (
                "holds a checkpoint but no run.json, so it is not a complete run",
                format!(
                    "copy the whole folder of the run, or name the checkpoint alone: {}",
                    checkpoint.display()
                ),
            )
        } else {
            ("holds no run.json, so it is not the folder of a run", name)
        };
        Err(TrainError::Occupied { path: path.to_path_buf(), reason: reason.into(), help })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes what a run was asked to do. The record goes last: a folder that has one can be resumed.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub(super) fn write_start(&self, mut record: RunRecord, facts: &CheckpointFacts) -> Result<()> {
        let canonical = SourceText { name: CANONICAL.into(), text: facts.canonical.clone() };
        for file in facts.source.files().iter().chain([&canonical]) {
            write_text(&self.path.join(&file.name), &file.text)?;
            record.files.insert(file.name.clone(), digest_of(&file.text));
        }
        write_json(&self.path.join(RECORD), &record)
    }

    /// Records that another process goes on with the run.
    ///
    /// # Errors
    /// Where the record is damaged or cannot be written.
    pub(super) fn add_session(&self, session: Session) -> Result<()> {
        let mut record = self.record()?;
        record.sessions.push(session);
        write_json(&self.path.join(RECORD), &record)
    }

    /// # Errors
    /// Where it is missing or damaged.
    pub fn record(&self) -> Result<RunRecord> {
        let path = self.path.join(RECORD);
        let Opened { value: record, is_sealed } = read_json::<RunRecord>(&path)?;
        let is_unit = |name: &String| name.is_empty() || names::is_unit_folder(name);
        // The names of others' records lead nowhere else.
        if !record.files.keys().all(|name| is_file_of_run(name)) || !record.units.iter().all(is_unit) {
            return Err(TrainError::unusable(
                &path,
                "it names files that do not belong to a run",
                "train again",
            ));
        }
        match record.format {
            RECORD_FORMAT if is_sealed => Ok(record),
            RECORD_FORMAT => Err(TrainError::damaged(&path, &SealError::Unsealed)),
            // The first format had no checksum.
            1 => Ok(record),
            _ => Err(TrainError::unusable(
                &path,
                format!("it was written by hgnnc {} in another format", sealed::shown(&record.hgnnc)),
                "use that version, or train again",
            )),
        }
    }

    /// The model's texts as they are now.
    ///
    /// # Errors
    /// Where one cannot be read.
    pub fn source(&self) -> Result<ModelSource> {
        let mut files = Vec::new();
        for name in std::iter::once(MODEL.to_string()).chain(self.used_files()?) {
            let path = self.path.join(&name);
            files.push(SourceText { text: read_text(&path)?, name });
        }
        let source = ModelSource::from_files(files).brought_forward();
        // A run that was interrupted very early has no form.
        Ok(match self.form() {
            Some(form) => source.as_trained(&form),
            None => source,
        })
    }

    /// Names of the model's texts that are not as they were when the run began. The first format of a record does not
    /// say.
    ///
    /// # Errors
    /// Where one cannot be read.
    pub fn changed_texts(&self, record: &RunRecord) -> Result<Vec<String>> {
        let mut changed = Vec::new();
        for (name, digest) in &record.files {
            if digest_of(&read_text(&self.path.join(name))?) != *digest {
                changed.push(name.clone());
            }
        }
        Ok(changed)
    }

    /// `initial.safetensors`, `initial-2.safetensors`, …: the weights of each checkpoint that the run began with.
    pub(super) fn initial_path(&self, idx: usize) -> PathBuf {
        let number = if idx == 0 { String::new() } else { format!("-{}", idx + 1) };
        self.path.join(format!("{}{number}.safetensors", names::INITIAL))
    }

    /// The text of the canonical form that the run began with; `None` where it cannot be read.
    fn form(&self) -> Option<String> {
        read_text(&self.path.join(CANONICAL)).ok()
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
            names.extend(name.to_str().filter(|name| names::is_used_file(name)).map(str::to_string));
        }
        names.sort();
        Ok(names)
    }

    /// # Errors
    /// Where it cannot be written.
    pub(super) fn write_summary(&self, summary: &RunSummary) -> Result<()> {
        write_json(&self.path.join(RESOURCES), &Resources::of(summary))?;
        write_json(&self.path.join(SUMMARY), summary)
    }

    /// Results so far; `None` where nothing is finished.
    ///
    /// # Errors
    /// Where a file is missing or damaged.
    pub fn summary(&self) -> Result<Option<RunSummary>> {
        let path = self.path.join(SUMMARY);
        if !path.exists() {
            return Ok(None);
        }
        let is_first_format = self.record()?.format == 1;
        let summary = read_json::<RunSummary>(&path)?;
        if is_first_format {
            return Ok(Some(summary.value));
        }
        let mut summary = summary.sealed().map_err(|error| TrainError::damaged(&path, &error))?;
        let path = self.path.join(RESOURCES);
        let resources = read_json::<Resources>(&path)?;
        resources.sealed().map_err(|error| TrainError::damaged(&path, &error))?.give(&mut summary);
        Ok(Some(summary))
    }

    /// Makes the folder of one run, new or to be resumed. The state is there where it was interrupted.
    ///
    /// # Errors
    /// Where it cannot be written, or what it holds is damaged or of another run.
    pub(super) fn unit(&self, unit: &Unit) -> Result<(Folder, Option<ResumeState>)> {
        Folder::open(&self.unit_path(&unit.folder), !unit.folder.is_empty(), &unit.split)
    }

    /// The folder of the search of a fold, by the folder of its runs.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub(super) fn search(&self, group: &str) -> Result<SearchFolder> {
        let path = self.path.join(names::SEARCH);
        SearchFolder::open(if group.is_empty() { path } else { path.join(group) })
    }

    /// Trials of the search of a fold, by the folder of its runs; `None` where there was no search.
    ///
    /// # Errors
    /// Where their file is damaged.
    pub fn trials(&self, group: &str) -> Result<Option<Trials>> {
        let path = self.path.join(names::SEARCH);
        SearchFolder::at(&if group.is_empty() { path } else { path.join(group) }).trials()
    }

    fn unit_path(&self, folder: &str) -> PathBuf {
        if folder.is_empty() { self.path.clone() } else { self.path.join(folder) }
    }

    /// Whether one of its runs was interrupted.
    fn is_open(&self) -> bool {
        let units = unit_folders(&self.path).unwrap_or_default();
        let is_begun = units.iter().chain([&self.path]).any(|folder| folder.join(STATE).is_file());
        is_begun || self.path.join(names::SEARCH).is_dir() && !self.is_finished()
    }

    fn is_finished(&self) -> bool {
        let (Ok(record), Ok(Some(summary))) = (self.record(), self.summary()) else { return false };
        summary.units.iter().filter(|unit| unit.status == Status::Finished).count() >= record.units.len()
    }

    /// The epochs of one run, by its folder.
    ///
    /// # Errors
    /// Where they are missing or damaged.
    pub fn records(&self, folder: &str) -> Result<Vec<EpochRecord>> {
        let path = self.unit_path(folder).join(METRICS);
        lines::read(&path, MAX_RECORD_BYTES).map_err(|error| TrainError::damaged_lines(&path, error))
    }

    /// The split of one run, by its folder.
    ///
    /// # Errors
    /// Where it is missing or damaged.
    pub fn split(&self, folder: &str) -> Result<Split> {
        let path = self.unit_path(folder).join(SPLIT);
        read_json::<Split>(&path)?.sealed().map_err(|error| TrainError::damaged(&path, &error))
    }

    /// Draws the validation curves of all runs that have subfolders, beside their mean.
    ///
    /// # Errors
    /// Where a file cannot be read or written.
    pub(super) fn write_curves_of_runs(&self, title: &str, folders: &[&str], metric: &str) -> Result<()> {
        let runs: Result<Vec<Vec<EpochRecord>>> = folders.iter().map(|folder| self.records(folder)).collect();
        let runs = runs?;
        write_text(&self.path.join(CURVES), &curves::draw_runs(title, &runs, metric))
    }

    /// Checkpoints of the run: its own, or one per subfolder of those that are finished.
    ///
    /// # Errors
    /// Where the record or the summary is damaged, a finished run has lost its files, or there is no checkpoint yet.
    pub fn checkpoints(&self) -> Result<Found> {
        let record = self.record()?;
        let summary = self.summary()?;
        let done = |folder: &str| {
            let units = summary.iter().flat_map(|summary| &summary.units);
            units.clone().any(|unit| unit.folder == folder && unit.status != Status::Interrupted)
        };
        let mut found = Found::default();
        for folder in self.units_of(&record)? {
            let (path, is_done) = (self.unit_path(&folder), done(&folder));
            if is_done {
                for name in [CHECKPOINT, SPLIT] {
                    // A run that diverged in its first epoch has kept nothing.
                    let is_needed = name != CHECKPOINT || kept_any(&summary, &folder);
                    if is_needed && !path.join(name).is_file() {
                        return Err(TrainError::unreadable(&path.join(name), &ReadError::NotFound));
                    }
                }
            }
            let checkpoint = path.join(CHECKPOINT);
            if checkpoint.is_file() && (is_done || folder.is_empty()) {
                found.checkpoints.push(checkpoint);
            }
            if !is_done && folder.is_empty() {
                found.notes.push(format!(
                    "the run in {} is not finished: these are the weights that it has kept so far",
                    self.path.display()
                ));
            }
        }
        let (n_found, n_units) = (found.checkpoints.len(), self.units_of(&record)?.len());
        if n_units > 1 && n_found < n_units {
            let verbs = if n_found == 1 {
                "is finished, and only this one is"
            } else {
                "are finished, and only these are"
            };
            found
                .notes
                .push(format!("{n_found} of the {n_units} runs in {} {verbs} read", self.path.display()));
        }
        if found.checkpoints.is_empty() {
            return Err(TrainError::Occupied {
                path: self.path.clone(),
                reason: if n_units > 1 {
                    format!("has finished none of its {n_units} runs yet")
                } else {
                    "holds no checkpoint yet: the run was stopped before the end of its first epoch".into()
                },
                help: format!("resume it with `hgnnc train --resume {}`", self.path.display()),
            });
        }
        Ok(found)
    }

    /// Whether any of its runs has kept weights.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn has_checkpoint(&self, record: &RunRecord) -> Result<bool> {
        Ok(self.units_of(record)?.iter().any(|folder| self.unit_path(folder).join(CHECKPOINT).is_file()))
    }

    /// Folders of the protocol's runs; one without a name where there is one run only.
    fn units_of(&self, record: &RunRecord) -> Result<Vec<String>> {
        if record.format != 1 {
            return Ok(record.units.clone());
        }
        // The first format does not list them.
        let folders = unit_folders(&self.path)?;
        let names = folders.iter().filter(|folder| folder.join(CHECKPOINT).is_file());
        let names: Vec<String> =
            names.filter_map(|folder| folder.file_name()?.to_str().map(str::to_owned)).collect();
        Ok(if names.is_empty() { vec![String::new()] } else { names })
    }
}

/// Whether a run has kept the weights of an epoch.
fn kept_any(summary: &Option<RunSummary>, folder: &str) -> bool {
    let mut units = summary.iter().flat_map(|summary| &summary.units);
    units.any(|unit| unit.folder == folder && unit.kept_epoch.is_some())
}

/// The checkpoints that a path stands for: a file, the folder of one run, or one of several folds and seeds.
///
/// # Errors
/// Where there is none, or the run that they belong to is not whole.
pub fn find(path: &Path) -> Result<Found> {
    if path.is_file() {
        no_checkpoint(path)?;
        return Ok(Found { checkpoints: vec![path.to_path_buf()], notes: Vec::new() });
    }
    if !RunFolder::is_run(path)
        && let Some(run) = run_above(path)
    {
        let checkpoint = path.join(CHECKPOINT);
        run.record()?;
        if !checkpoint.is_file() {
            return Err(TrainError::unreadable(&checkpoint, &ReadError::NotFound));
        }
        return Ok(Found { checkpoints: vec![checkpoint], notes: Vec::new() });
    }
    RunFolder::open(path)?.checkpoints()
}

/// Refuses a file that is something else than a checkpoint: a model, a table, another file of a run. One that calls
/// itself a checkpoint is read, so that what is wrong with it is said.
fn no_checkpoint(path: &Path) -> Result<()> {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    if extension == "safetensors" {
        return Ok(());
    }
    let mut first = [0; 9];
    let is_read = regular::open(path).is_ok_and(|mut file| file.read_exact(&mut first).is_ok());
    if is_read && first[8] == b'{' && first[..8].iter().rev().take(3).all(|byte| *byte == 0) {
        return Ok(());
    }
    let given = "a run is expected: the folder that `hgnnc train` named at its end, like runs/NAME-DATE-TIME";
    Err(match extension.as_str() {
        "hgnn" => TrainError::unusable(
            path,
            "this is a model, and a run is expected",
            format!(
                "train it with `hgnnc train {}`, then give the folder that the command names at its end",
                path.display()
            ),
        ),
        _ => TrainError::unusable(path, "this is no checkpoint", given),
    })
}

/// The run that a fold's or seed's folder belongs to.
fn run_above(unit: &Path) -> Option<RunFolder> {
    let name = fs::canonicalize(unit).ok()?;
    let is_unit = name.file_name()?.to_str().is_some_and(names::is_unit_folder);
    RunFolder::open(&unit.join("..")).ok().filter(|_| is_unit)
}

/// The folder of the run that a checkpoint lies in, or below.
pub fn run_of(checkpoint: &Path) -> Option<RunFolder> {
    let own = checkpoint.parent()?;
    let own = if own.as_os_str().is_empty() { Path::new(".") } else { own };
    RunFolder::open(own).ok().or_else(|| run_above(own))
}

fn is_file_of_run(name: &str) -> bool {
    names::is_of_run(name) && !names::is_unit_folder(name)
}

/// Whether a folder holds what is left of a run that was killed before its record was written: the mark of a writer,
/// and nothing that is not a run's.
fn is_left_over(path: &Path) -> Result<bool> {
    if !lock::is_marked(path) || RunFolder::is_run(path) {
        return Ok(false);
    }
    for entry in fs::read_dir(path).at("read", path)? {
        let name = entry.at("read", path)?.file_name();
        if !name.to_str().is_some_and(names::is_of_run) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The subfolders of runs, in order. A link to a folder elsewhere is none.
fn unit_folders(path: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(path).at("read", path)? {
        let entry = entry.at("read", path)?;
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && entry.file_name().to_str().is_some_and(names::is_unit_folder) {
            folders.push(entry.path());
        }
    }
    folders.sort();
    Ok(folders)
}

/// The weights that one run of a protocol has kept so far, by its folder; `None` where there are none yet.
pub fn kept_weights(unit: &Path) -> Option<PathBuf> {
    Some(unit.join(CHECKPOINT)).filter(|path| path.is_file())
}

/// The split that lies beside a checkpoint; `None` where there is none.
///
/// # Errors
/// Where it is damaged, or must have a checksum and has none.
pub(super) fn split_beside(checkpoint: &Path, must_be_sealed: bool) -> Result<Option<Split>> {
    let path = checkpoint.with_file_name(SPLIT);
    if !path.exists() {
        return Ok(None);
    }
    let split = read_json::<Split>(&path)?;
    if must_be_sealed {
        return split.sealed().map(Some).map_err(|error| TrainError::damaged(&path, &error));
    }
    Ok(Some(split.value))
}

/// The path of the split beside a checkpoint.
pub(super) fn split_path(checkpoint: &Path) -> PathBuf {
    checkpoint.with_file_name(SPLIT)
}

fn digest_of(text: &str) -> String {
    format!("sha256:{}", sealed::digest(&[text.as_bytes()]))
}

fn remove(path: &Path) -> Result<()> {
    aside::remove(path).at("remove", path)
}

fn write_text(path: &Path, text: &str) -> Result<()> {
    aside::replace(path, |out| out.write_all(text.as_bytes())).at("write", path)
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    write_text(path, &sealed::seal(value))
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Opened<T>> {
    let text = regular::read(path, MAX_RECORD_BYTES);
    let text = text.map_err(|error| TrainError::unreadable(path, &error))?;
    sealed::open(&text).map_err(|error| TrainError::damaged(path, &error))
}

fn read_text(path: &Path) -> Result<String> {
    regular::read_text(path, MAX_RECORD_BYTES).map_err(|error| TrainError::unreadable(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::session::Origin;
    use candle_core::Device;

    fn session() -> Session {
        Session::here(&Origin::default(), &Device::Cpu)
    }

    fn create(path: &Path, force: bool) -> Result<RunFolder> {
        RunFolder::create(path, force, &session())
    }

    #[test]
    fn two_runs_of_one_second_have_their_own_folders() {
        let parent = tempfile::tempdir().unwrap();
        let first = RunFolder::create_in(parent.path(), "gcn", &session()).unwrap();
        let second = RunFolder::create_in(parent.path(), "gcn", &session()).unwrap();
        assert_ne!(first.path(), second.path());
    }

    #[test]
    fn a_run_is_replaced_only_when_forced_and_foreign_files_never() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        create(&path, false).unwrap();
        fs::write(path.join("notes.txt"), "mine").unwrap();
        let error = create(&path, true).unwrap_err();
        assert!(error.to_string().contains("but no run"), "{error}");
        fs::write(path.join(RECORD), "{}").unwrap();
        fs::write(path.join(METRICS), "1\n").unwrap();
        for folder in ["fold-1", "mine"] {
            fs::create_dir(path.join(folder)).unwrap();
            fs::write(path.join(folder).join(SPLIT), "{}").unwrap();
        }
        let error = create(&path, false).unwrap_err();
        assert!(error.help().unwrap().contains("--force"));
        create(&path, true).unwrap();
        assert!(!path.join(METRICS).exists() && !path.join("fold-1").exists());
        assert_eq!(fs::read_to_string(path.join("notes.txt")).unwrap(), "mine");
        assert!(path.join("mine").join(SPLIT).is_file());
    }

    #[test]
    fn what_a_run_left_that_was_killed_before_it_began_is_no_obstacle() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        let mark = || fs::write(path.join(lock::NAME), "").unwrap();
        create(&path, false).unwrap();
        mark();
        fs::write(path.join(MODEL), "gcn(8)").unwrap();
        fs::write(path.join(".hgnnc-abc.part"), "half").unwrap();
        let error = RunFolder::open(&path).unwrap_err();
        assert!(error.to_string().contains("killed before it began"), "{error}");
        let folder = create(&path, false).unwrap();
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1, "the lock alone");
        drop(folder);
        // A model that no writer's mark stands beside is the user's.
        fs::write(path.join(MODEL), "gcn(8)").unwrap();
        assert!(create(&path, true).is_err());
        mark();
        fs::write(path.join("notes.txt"), "mine").unwrap();
        assert!(create(&path, true).is_err());
        assert!(path.join(MODEL).is_file());
    }

    #[test]
    fn a_folder_has_one_writer_and_the_second_learns_who() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        let mut session = session();
        session.command = ["hgnnc", "train", "m.hgnn"].map(String::from).into();
        let first = RunFolder::create(&path, false, &session).unwrap();
        fs::write(path.join(RECORD), "{}").unwrap();
        for error in [create(&path, true).unwrap_err(), RunFolder::reopen(&path, &session).unwrap_err()] {
            let (message, process) = (error.to_string(), format!("process {}", std::process::id()));
            assert!(message.contains(&process) && message.contains("`hgnnc train m.hgnn`"), "{message}");
            assert!(error.help().unwrap().contains("--out"));
        }
        drop(first);
        assert!(RunFolder::reopen(&path, &session).unwrap().is_locked());
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("file");
        fs::write(&path, "").unwrap();
        let error = create(&path, false).unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
    }

    #[test]
    fn a_checkpoint_without_its_record_is_not_a_run() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(CHECKPOINT), "").unwrap();
        let error = find(folder.path()).unwrap_err();
        assert!(error.to_string().contains("not a complete run"), "{error}");
    }
}
