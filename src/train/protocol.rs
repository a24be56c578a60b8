//! Protocols on data that was read.

use super::error::{Result, TrainError};
use crate::args::BoundCall;
use crate::data::{self, Dataset, Split, relatives};
use crate::settings::protocol::{self, Need, Relatives, Strata, split};
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

/// The parts that trials of a search are trained and judged on, for one split of a seed.
pub fn inner(call: Option<&BoundCall>, dataset: &Dataset, split: &Split, seed: u64) -> Vec<Split> {
    let Some((call, n)) = call.and_then(|call| Some((call, protocol::kind(call).n_inner(&call.args)?)))
    else {
        // Trials never see the test part.
        return vec![Split { test: Vec::new(), ..split.clone() }];
    };
    debug_assert!(n >= 2, "`{}` checks its arguments", call.name);
    let strata = dataset.strata();
    let mut classes = vec![-1; strata.len()];
    split
        .train
        .iter()
        .chain(&split.validation)
        .for_each(|&item| classes[item as usize] = strata[item as usize]);
    let n = n.min(classes.iter().filter(|&&class| class >= 0).count()).max(2);
    let parts = split::k_fold(&classes, n, 0.0, seed);
    parts
        .into_iter()
        .map(|part| Split { train: part.train, validation: part.test, test: Vec::new() })
        .collect()
}
