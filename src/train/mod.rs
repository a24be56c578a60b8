//! Training, evaluation, checkpoints and run directories.

mod checkpoint;
mod collapse;
mod curves;
mod earlier;
pub mod early_stop;
mod error;
mod feed;
mod fit;
mod folder;
mod initial;
mod measure;
pub mod metric;
pub mod monitor;
pub mod optimizer;
mod presence;
mod progress;
pub mod protocol;
mod record;
mod resume;
mod run;
mod saved;
pub mod schedule;
mod seed;
mod session;
mod settings;
mod source;
mod tensors;
mod time;

pub use checkpoint::{Checkpoint, CheckpointFacts};
pub use error::TrainError;
pub(crate) use feed::Feed;
pub(crate) use fit::Unit;
pub use folder::{Found, RunFolder, RunRecord, find as find_run, kept_weights, run_of};
pub use initial::InitialRecord;
pub use presence::absent_classes;
pub use progress::{Event, Progress, Silent};
pub use record::{EpochRecord, Figures, PoolingRecord, RunSummary, Spread, Status, UnitSummary};
pub(crate) use run::units;
pub use run::{Output, TrainRequest, run};
pub use saved::{Outputs, SavedModel, checkpoints};
pub use session::{GitState, ModelState, Origin, Session};
pub use settings::{Overrides, Settings};
pub use source::{ModelSource, SourceText};

use crate::args::{ArgKind, ArgSpec, Default, Range};
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

/// The keys of `train { … }`.
pub static TRAIN_SECTION: &[ArgSpec] = &[
    ArgSpec {
        name: "optimizer",
        kind: ArgKind::Call("optimizer"),
        default: Default::Source("adam"),
        positional: false,
        doc: "How the gradient becomes a step.",
    },
    ArgSpec {
        name: "schedule",
        kind: ArgKind::Call("schedule"),
        default: Default::Source("constant"),
        positional: false,
        doc: "How the learning rate changes from epoch to epoch.",
    },
    ArgSpec {
        name: "epochs",
        kind: ArgKind::Int { min: 1, max: 1_000_000 },
        default: Default::Int(100),
        positional: false,
        doc: "Passes over the training part, at most.",
    },
    ArgSpec {
        name: "batch_size",
        kind: ArgKind::Int { min: 1, max: 10_000_000 },
        default: Default::Int(32),
        positional: false,
        doc: "Graphs per step; the last batch of an epoch may be smaller, and its step is smaller with it.",
    },
    ArgSpec {
        name: "clip_norm",
        kind: ArgKind::Float(Range::open(0.0, f64::INFINITY)),
        default: Default::Inferred("no clipping"),
        positional: false,
        doc: "Largest norm of the gradient, over all weights together; a larger gradient is scaled down to it.",
    },
    ArgSpec {
        name: "early_stop",
        kind: ArgKind::Call("early_stop"),
        default: Default::Source("best"),
        positional: false,
        doc: "When the run ends and which epoch's weights it keeps.",
    },
    ArgSpec {
        name: "seed",
        // Larger numbers are not exact as written.
        kind: ArgKind::Int { min: 0, max: 1 << 53 },
        default: Default::Int(0),
        positional: false,
        doc: "Seed of splits, initial weights, shuffling and dropout.",
    },
];

/// The keys of `evaluate { … }`.
pub static EVALUATE_SECTION: &[ArgSpec] = &[
    ArgSpec {
        name: "protocol",
        kind: ArgKind::Call("protocol"),
        default: Default::Inferred("the split that comes with the data, else holdout"),
        positional: false,
        doc: "How the data is cut into training, validation and test parts.",
    },
    ArgSpec {
        name: "seeds",
        kind: ArgKind::Int { min: 1, max: 10_000 },
        default: Default::Int(1),
        positional: false,
        doc: "Runs with different seeds, counted up from `seed`; results are their mean and deviation.",
    },
    ArgSpec {
        name: "metrics",
        kind: ArgKind::ChoiceList(metric::NAMES),
        default: Default::Inferred("accuracy for classes, mae and rmse for values"),
        positional: false,
        doc: "What is measured, the most important first.",
    },
];
