//! What a run reports while it goes on.

use super::initial::InitialRecord;
use super::record::{EpochRecord, UnitSummary};
use super::search::TrialRecord;
use std::path::Path;

/// Listens to a run.
pub trait Progress {
    fn on(&mut self, event: Event);
}

/// Something happened. Epochs and batches count from 1.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The protocol begins: every fold of every seed, each of them a unit.
    RunStarted {
        /// Units that an earlier process has finished, where the run is resumed.
        finished: &'a [UnitSummary],
        n_units: usize,
        /// Of each unit, at most.
        n_epochs: usize,
    },
    /// One of the runs that the protocol asks for begins (or goes on).
    UnitStarted {
        /// "fold 3", "seed 7, fold 3"; `None` where there is one run only.
        name: Option<&'a str>,
        /// Counted from 1.
        number: usize,
        n_units: usize,
        /// Whether it is a trial of a search, whose end is told by [`Event::TrialFinished`].
        is_trial: bool,
        /// Items in the training, validation and test part.
        n_items: [usize; 3],
        n_parameters: usize,
        n_epochs: usize,
        /// Epochs that are already done, where a run is resumed.
        n_done: usize,
        /// Seconds that these took.
        earlier_s: f64,
        dir: Option<&'a Path>,
    },
    /// The runs begin with the weights of another one, as far as they fit.
    Initial(&'a InitialRecord),
    Batch {
        epoch: usize,
        batch: usize,
        n_batches: usize,
        n_items: usize,
        loss: f64,
    },
    Epoch(&'a EpochRecord),
    /// The run goes on, but a user will want to know.
    Warning(&'a str),
    UnitFinished(&'a UnitSummary),
    /// A trial of a search was judged.
    TrialFinished {
        /// "fold 3"; `None` where there is one run only.
        of: Option<&'a str>,
        trial: &'a TrialRecord,
        /// The figure that decides.
        choose_by: &'a str,
    },
}

/// Reports to nobody.
pub struct Silent;

impl Progress for Silent {
    fn on(&mut self, _event: Event) {}
}
