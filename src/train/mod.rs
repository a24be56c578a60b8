//! Training, evaluation, checkpoints and run directories.

use crate::args::ArgSpec;

/// The keys of `train { … }`.
pub static TRAIN_SECTION: &[ArgSpec] = &[];

/// The keys of `evaluate { … }`.
pub static EVALUATE_SECTION: &[ArgSpec] = &[];
