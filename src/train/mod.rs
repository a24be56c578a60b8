//! Training, evaluation, checkpoints and run directories.

mod checkpoint;
mod collapse;
mod curves;
mod earlier;
mod embed;
mod error;
mod feed;
mod fit;
mod folder;
mod initial;
mod links;
mod measure;
pub mod optimizer;
mod paired;
mod presence;
mod probe;
mod progress;
pub mod protocol;
mod queries;
mod record;
mod resume;
mod run;
mod saved;
mod search;
mod seed;
mod session;
mod settings;
mod solve;
mod source;
mod tensors;
mod time;
mod views;

pub use checkpoint::{Checkpoint, CheckpointFacts};
pub use embed::Embedded;
pub use error::TrainError;
pub(crate) use feed::Feed;
pub(crate) use fit::Unit;
pub use folder::{Found, RunFolder, RunRecord, find as find_run, kept_weights, run_of};
pub use initial::InitialRecord;
pub use links::Suggested;
pub(crate) use links::{questions_at_once, ranked_ends};
pub use paired::{FinishedFold, FinishedRun, Pairs, pairs};
pub use presence::absent_classes;
pub use progress::{Event, Progress, Silent};
pub use record::{
    EpochRecord, Figures, FixedPointRecord, PoolingRecord, RunSummary, Spread, Status, UnitSummary,
};
pub(crate) use run::units;
pub use run::{Output, TrainRequest, run};
pub use saved::{Outputs, SavedModel, checkpoints};
pub use search::{Room, TrialRecord, TrialStatus};
pub use session::{GitState, ModelState, Origin, Session};
pub use settings::{Overrides, Settings};
pub use source::{ModelSource, OtherData, SourceText};
pub(crate) use views::contrast_of;

/// This moment, as names of folders have it: `20260131-235959`.
pub fn stamp() -> String {
    time::compact(std::time::SystemTime::now())
}

use error::AtPath;
use std::io::{self, Write};
use std::path::Path;

/// Writes a file whole or not at all: [`crate::files::write`], with the file's name in its error.
///
/// # Errors
/// Where the folder cannot be written or the disk is full.
pub fn write_file(path: &Path, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> error::Result<()> {
    crate::files::write(path, content).at("write", path)
}
