//! Runs in the layouts of other tools, written while they go on: a listener beside the one that shows the run.

mod csv;
mod mlflow;
mod tensorboard;

use crate::train::{EpochRecord, Event, Figures, Progress, UnitSummary};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

/// Where a run is written beside its own folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// A folder of event files, as TensorBoard reads it.
    pub tensorboard: Option<PathBuf>,
    /// A folder of experiments, `mlruns`, as MLflow's file store has it.
    pub mlflow: Option<PathBuf>,
    /// A table of epochs.
    pub csv: Option<PathBuf>,
}

/// What a run is called and what it was asked, for tools that keep it.
#[derive(Debug, Clone, PartialEq)]
pub struct About {
    /// The name of the run's folder: it tells runs of one model apart.
    pub run: String,
    pub data: String,
    /// Settings with every default, flat: `train.optimizer.lr` and its text.
    pub params: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
}

/// One tool. A unit is one fold of one seed; its folder is empty where there is one alone.
trait Track {
    /// As messages call it.
    fn name(&self) -> &'static str;
    fn begin(&mut self, unit: &str) -> io::Result<()>;
    fn epoch(&mut self, record: &EpochRecord) -> io::Result<()>;
    fn end(&mut self, summary: &UnitSummary) -> io::Result<()>;
}

/// Hands every event on, and writes what tools keep. A tool that cannot be written to is named once and left out: the run itself goes on.
pub struct Tracked<'a> {
    to: &'a mut dyn Progress,
    tracks: Vec<Box<dyn Track>>,
    is_trial: bool,
}

impl<'a> Tracked<'a> {
    /// # Errors
    /// Where a folder or file cannot be made.
    pub fn new(to: &'a mut dyn Progress, places: &Places, about: &About) -> io::Result<Self> {
        let mut tracks: Vec<Box<dyn Track>> = Vec::new();
        if let Some(folder) = &places.tensorboard {
            tracks.push(Box::new(tensorboard::Events::new(folder, about)?));
        }
        if let Some(folder) = &places.mlflow {
            tracks.push(Box::new(mlflow::Store::new(folder, about)?));
        }
        if let Some(path) = &places.csv {
            tracks.push(Box::new(csv::Table::new(path)?));
        }
        Ok(Self { to, tracks, is_trial: false })
    }

    fn each(&mut self, write: impl Fn(&mut dyn Track) -> io::Result<()>) {
        let mut broken = Vec::new();
        self.tracks.retain_mut(|track| match write(track.as_mut()) {
            Ok(()) => true,
            Err(error) => {
                broken.push(format!("{} gets no more of this run: {error}", track.name()));
                false
            }
        });
        broken.iter().for_each(|text| self.to.on(Event::Warning(text)));
    }
}

impl Progress for Tracked<'_> {
    fn on(&mut self, event: Event) {
        match event {
            Event::UnitStarted { is_trial, name, .. } => {
                self.is_trial = is_trial;
                if !is_trial {
                    let unit = name.unwrap_or_default().replace(", ", "-").replace(' ', "-");
                    self.each(|track| track.begin(&unit));
                }
            }
            Event::Epoch(record) if !self.is_trial => self.each(|track| track.epoch(record)),
            Event::UnitFinished(summary) => self.each(|track| track.end(summary)),
            _ => {}
        }
        self.to.on(event);
    }
}

/// What an epoch has, by the names that tools show: `loss/train`, `accuracy/validation`, `learning_rate`.
fn scalars(record: &EpochRecord) -> Vec<(String, f64)> {
    let mut all = Vec::new();
    let of_part = |part: &str, figures: &Figures| -> Vec<(String, f64)> {
        figures.iter().filter_map(|(name, value)| Some((format!("{name}/{part}"), (*value)?))).collect()
    };
    all.extend(of_part("train", &record.train));
    all.extend(of_part("validation", &record.validation));
    all.extend(record.loss_terms.iter().map(|(name, value)| (format!("loss_terms/{name}"), *value)));
    all.push(("learning_rate".into(), record.lr));
    all.push(("gradient_norm".into(), record.gradient_norm));
    all.push(("seconds/train".into(), record.train_s));
    all
}

/// What the kept weights came to: `accuracy/test`.
fn results(summary: &UnitSummary) -> Vec<(String, f64)> {
    let figures = summary.test.iter();
    figures.filter_map(|(name, value)| Some((format!("{name}/test"), (*value)?))).collect()
}

#[cfg(test)]
mod tests;
