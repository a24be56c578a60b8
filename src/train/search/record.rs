//! What is written down of the trials of one fold.

use crate::search::Assignment;
use crate::settings::search::Tried;
use crate::train::record::Figures;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `trials.json`: every trial of one fold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Trials {
    pub trials: Vec<TrialRecord>,
    /// The place of the one that was chosen, where the search has ended.
    pub chosen: Option<usize>,
}

/// One trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialRecord {
    /// Counted from 0.
    pub trial: usize,
    /// What was chosen for each open value: the place in its list, or a number.
    pub choices: Assignment,
    /// The same for readers: names with texts.
    pub values: BTreeMap<String, String>,
    pub status: TrialStatus,
    /// Why there is no figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The figure that decides, in the epoch that was kept: of several inner folds their mean.
    pub figure: Option<f64>,
    /// At each judgement, the larger the better.
    pub scores: Vec<Option<f64>>,
    /// Figures of the validation part in that epoch; empty where there are several inner folds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub validation: Figures,
    pub epochs: usize,
    /// Counted from 1.
    pub kept_epoch: Option<usize>,
    pub n_parameters: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrialStatus {
    Finished,
    /// Judged, and not asked to go on.
    Paused,
    /// Stopped, because it was behind others.
    Pruned,
    /// A loss or gradient was not finite.
    Diverged,
    /// It needs more memory than there is.
    OutOfMemory,
    /// The values make no model.
    Refused,
    /// Another failure of the computation.
    Failed,
}

impl TrialStatus {
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Paused => "stopped early",
            Self::Pruned => "pruned",
            Self::Diverged => "diverged",
            Self::OutOfMemory => "out of memory",
            Self::Refused => "no model",
            Self::Failed => "failed",
        }
    }
}

impl TrialRecord {
    pub fn new(trial: usize, choices: Assignment, values: BTreeMap<String, String>) -> Self {
        Self {
            trial,
            choices,
            values,
            status: TrialStatus::Finished,
            reason: None,
            figure: None,
            scores: Vec::new(),
            validation: Figures::new(),
            epochs: 0,
            kept_epoch: None,
            n_parameters: 0,
        }
    }

    /// Whether it was trained for as long as the search lets a trial train.
    pub fn is_whole(&self) -> bool {
        matches!(self.status, TrialStatus::Finished | TrialStatus::Paused)
    }

    /// What a search knows of it.
    pub fn tried(&self) -> Tried {
        let has_failed = !self.is_whole();
        Tried { assignment: self.choices.clone(), scores: self.scores.clone(), has_failed }
    }
}
