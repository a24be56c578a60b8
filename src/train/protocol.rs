//! Protocols on data that was read.

use super::error::{Result, TrainError};
use crate::args::BoundCall;
use crate::data::{Dataset, Split};
use crate::settings::protocol::{self, Strata};

/// The splits of one seed, and whether they are folds: [`protocol::splits`].
///
/// # Errors
/// Where the data cannot be cut so, or nothing is left to train on.
pub fn splits(call: Option<&BoundCall>, dataset: &Dataset, seed: u64) -> Result<(Vec<Split>, bool)> {
    let offsets = dataset.task.and_then(|task| dataset.item_offsets(task));
    let strata = Strata {
        data: &dataset.name,
        classes: &dataset.strata(),
        own_split: dataset.fixed_split.as_ref(),
        item_offsets: offsets.filter(|_| dataset.n_graphs() > 1),
    };
    protocol::splits(call, &strata, seed).map_err(|refusal| TrainError::setup(refusal.message, refusal.help))
}
