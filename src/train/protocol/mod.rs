//! How data is cut into training, validation and test parts: one file each, entered in [`PROTOCOLS`] and [`SPECS`].

mod fixed;
mod holdout;
mod k_fold;

use super::error::{Result, TrainError};
use crate::args::{Args, BoundCall, CallSpec};
use crate::data::{Dataset, Split};
use crate::diagnostic::Diagnostic;
use crate::ir::DataFacts;

/// Every protocol that `protocol = …` can name.
pub static PROTOCOLS: &[&dyn ProtocolKind] = &[&holdout::Holdout, &k_fold::KFold, &fixed::Fixed];

/// Their specs, in the same order.
pub static SPECS: &[&CallSpec] = &[&holdout::SPEC, &k_fold::SPEC, &fixed::SPEC];

/// A protocol that a file can name.
pub trait ProtocolKind: Sync {
    fn spec(&self) -> &'static CallSpec;
    /// What is wrong with a call and can be found before anything is cut, with the data as far as it is known.
    fn check(&self, call: &BoundCall, data: Option<&DataFacts>) -> Option<Diagnostic>;
    /// Whether it leaves a part for validation; `None` where that depends on the data.
    fn leaves_validation(&self, args: &Args) -> Option<bool>;
    /// One split per run, drawn by `seed`. Items without a label are in no part.
    ///
    /// # Errors
    /// Where the data cannot be cut so.
    fn cut(&self, args: &Args, dataset: &Dataset, seed: u64) -> Result<Vec<Split>>;
    /// Whether it makes folds, which get names and a summary, or one split.
    fn has_folds(&self) -> bool;
}

/// The kind that `call` names.
///
/// # Panics
/// Where `call` is not of [`SPECS`], which binding has excluded.
pub fn kind(call: &BoundCall) -> &'static dyn ProtocolKind {
    let kind = PROTOCOLS.iter().copied().find(|kind| kind.spec().name == call.name);
    kind.unwrap_or_else(|| panic!("no protocol `{}`", call.name))
}

/// The splits of one seed, and whether they are folds. Without a protocol the split that comes with the data is taken,
/// and where there is none a tenth is held out for validation and for the test.
///
/// # Errors
/// Where the data cannot be cut so, or nothing is left to train on.
pub fn splits(call: Option<&BoundCall>, dataset: &Dataset, seed: u64) -> Result<(Vec<Split>, bool)> {
    let (splits, has_folds) = match call {
        Some(call) => {
            let kind = kind(call);
            (kind.cut(&call.args, dataset, seed)?, kind.has_folds())
        }
        None => match &dataset.fixed_split {
            Some(split) => (vec![split.clone()], false),
            None => (vec![holdout::cut(dataset, 0.1, 0.1, seed)], false),
        },
    };
    for split in &splits {
        if split.train.is_empty() {
            return Err(TrainError::setup(
                format!("the protocol leaves nothing of {} to train on", dataset.name),
                format!(
                    "it has {}: hold out a smaller share",
                    crate::data::error::count(n_labelled(dataset), "labelled item")
                ),
            ));
        }
    }
    Ok((splits, has_folds))
}

fn n_labelled(dataset: &Dataset) -> usize {
    dataset.strata().iter().filter(|&&class| class >= 0).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_are_those_of_the_protocols() {
        let names: Vec<_> = PROTOCOLS.iter().map(|kind| kind.spec().name).collect();
        assert_eq!(names, SPECS.iter().map(|spec| spec.name).collect::<Vec<_>>());
    }
}
