//! Protocols on data that was read.

use super::error::{Result, TrainError};
use crate::args::BoundCall;
use crate::data::{self, Dataset, Split, relatives};
use crate::settings::protocol::{self, Need, Relatives, Strata};
use crate::types::Entity;

/// The splits of one seed, and whether they are folds: [`protocol::splits`].
///
/// # Errors
/// Where the data cannot be cut so, or nothing is left to train on.
pub fn splits(call: Option<&BoundCall>, dataset: &Dataset, seed: u64) -> Result<(Vec<Split>, bool)> {
    let offsets = dataset.task.and_then(|task| dataset.item_offsets(task));
    let of_graphs = dataset.task.is_some_and(|task| task.entity == Entity::Graph);
    let need = call.and_then(|call| protocol::kind(call).needs(&call.args));
    let (mut groups, mut folds) = (None, None);
    match need {
        Some(Need::Groups(Relatives::Copies)) if of_graphs => groups = Some(relatives::copies(dataset)),
        Some(Need::Groups(Relatives::Scaffolds)) if of_graphs => groups = Some(relatives::scaffolds(dataset)),
        Some(Need::Groups(Relatives::Groups)) if !dataset.parted_by.groups.is_empty() => {
            groups = Some(dataset.parted_by.groups.clone());
        }
        Some(Need::Folds { path, set }) => {
            let path = dataset.file_folder.clone().unwrap_or_default().join(path);
            let read = data::folds::read(&path, set.as_deref(), dataset);
            folds = Some(read.map_err(|error| {
                let help = error.help.clone().unwrap_or_default();
                TrainError::setup(error.to_string(), help)
            })?);
        }
        _ => {}
    }
    let strata = Strata {
        data: &dataset.name,
        classes: &dataset.strata(),
        own_split: dataset.fixed_split.as_ref(),
        item_offsets: offsets.filter(|_| dataset.n_graphs() > 1),
        groups,
        times: Some(dataset.parted_by.times.as_slice()).filter(|times| !times.is_empty()),
        folds,
    };
    protocol::splits(call, &strata, seed).map_err(|refusal| TrainError::setup(refusal.message, refusal.help))
}
