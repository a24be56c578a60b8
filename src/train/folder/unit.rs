//! The folder of one run: one seed, one fold.

use super::names::{CHECKPOINT, CURVES, METRICS, RESOURCES, SPLIT, STATE, SUMMARY, TIMES};
use super::record::Resources;
use super::{MAX_RECORD_BYTES, read_json, remove, write_json, write_text};
use crate::data::Split;
use crate::files::lines::Lines;
use crate::regular::ReadError;
use crate::train::checkpoint::{self, CheckpointFacts, Scalings};
use crate::train::curves;
use crate::train::error::{AtPath, Result, TrainError};
use crate::train::fit::Unit;
use crate::train::record::{EpochRecord, EpochTimes, UnitSummary};
use crate::train::resume::{Marks, ResumeState};
use crate::train::tensors::Named;
use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of one run, open to be written.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Whether it is a subfolder with a summary of its own.
    is_sub: bool,
    metrics: RefCell<Lines>,
    times: RefCell<Lines>,
}

impl Folder {
    /// Makes the folder, or opens it with the state of a run that was interrupted.
    ///
    /// # Errors
    /// Where it cannot be written, or what it holds is damaged or of another run.
    pub(super) fn open(path: &Path, is_sub: bool, split: &Split) -> Result<(Self, Option<ResumeState>)> {
        if is_sub && fs::symlink_metadata(path).is_ok_and(|found| !found.is_dir()) {
            let source = std::io::Error::from(std::io::ErrorKind::NotADirectory);
            return Err(source).at("open the folder", path);
        }
        fs::create_dir_all(path).at("create", path)?;
        let at = |name: &str| path.join(name);
        let mut state = if at(STATE).exists() { Some(ResumeState::read(&at(STATE))?) } else { None };
        let (metrics, times) = match &mut state {
            Some(state) => {
                check_split(&at(SPLIT), split)?;
                let Marks { n_records, metrics, times } = &state.state.marks;
                let damaged = |name| move |error| TrainError::damaged_lines(&at(name), error);
                let (metrics, records) =
                    Lines::reopen::<EpochRecord>(&at(METRICS), (*n_records, metrics), MAX_RECORD_BYTES)
                        .map_err(damaged(METRICS))?;
                let (times, seconds) =
                    Lines::reopen::<EpochTimes>(&at(TIMES), (*n_records, times), MAX_RECORD_BYTES)
                        .map_err(damaged(TIMES))?;
                let records = records.into_iter().zip(seconds);
                state.records = records.map(|(record, times)| times.beside(record)).collect();
                (metrics, times)
            }
            None => {
                let create = |name| {
                    Lines::create(&at(name)).map_err(|error| TrainError::damaged_lines(&at(name), error))
                };
                write_json(&at(SPLIT), split)?;
                (create(METRICS)?, create(TIMES)?)
            }
        };
        let (metrics, times) = (RefCell::new(metrics), RefCell::new(times));
        Ok((Self { path: path.to_path_buf(), is_sub, metrics, times }, state))
    }

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
        self.metrics.borrow_mut().append(record).at("write", &self.path.join(METRICS))?;
        let times = EpochTimes::of(record);
        self.times.borrow_mut().append(&times).at("write", &self.path.join(TIMES))
    }

    /// Where the files of records stand, after they have reached the disk.
    pub fn marks(&self, n_records: usize) -> Result<Marks> {
        self.metrics.borrow().sync().at("write", &self.path.join(METRICS))?;
        self.times.borrow().sync().at("write", &self.path.join(TIMES))?;
        let (metrics, times) = (self.metrics.borrow(), self.times.borrow());
        let (metrics, times) = (metrics.checksum().to_owned(), times.checksum().to_owned());
        Ok(Marks { n_records, metrics, times })
    }

    pub fn write_checkpoint(
        &self,
        facts: &CheckpointFacts,
        unit: &Unit,
        epoch: usize,
        scalings: Scalings,
        weights: &Named,
    ) -> Result<()> {
        checkpoint::write(&self.checkpoint_path(), facts, unit, epoch, scalings, weights)
    }

    pub fn write_curves(&self, title: &str, records: &[EpochRecord], metric: &str) -> Result<()> {
        write_text(&self.path.join(CURVES), &curves::draw(title, records, metric))
    }

    /// The summary of a run among several; a run alone has only the one on top.
    pub fn write_unit_summary(&self, summary: &UnitSummary) -> Result<()> {
        if !self.is_sub {
            return Ok(());
        }
        let (epoch_s, wall_s) = (summary.epoch_s, summary.wall_s);
        write_json(&self.path.join(RESOURCES), &Resources { epoch_s, wall_s, ..Resources::default() })?;
        write_json(&self.path.join(SUMMARY), summary)
    }

    pub fn drop_state(&self) -> Result<()> {
        remove(&self.state_path())
    }
}

/// Whether the split of a run that was interrupted is the one that its protocol makes.
fn check_split(path: &Path, split: &Split) -> Result<()> {
    if !path.exists() {
        return Err(TrainError::unreadable(path, &ReadError::NotFound));
    }
    let written = read_json::<Split>(path)?.sealed().map_err(|error| TrainError::damaged(path, &error))?;
    if written == *split {
        return Ok(());
    }
    let message = "it is not the split that this run makes of its data";
    Err(TrainError::unusable(path, message, "copy the folder of the run again, or train again"))
}
