//! The split that comes with the data.

use super::ProtocolKind;
use crate::args::{Args, CallSpec};
use crate::data::{Dataset, Split};
use crate::train::error::{Result, TrainError};

pub static SPEC: CallSpec = CallSpec {
    name: "fixed",
    doc: "The split published with the data (the node classification sets).",
    args: &[],
};

pub struct Fixed;

impl ProtocolKind for Fixed {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn cut(&self, _args: &Args, dataset: &Dataset, _seed: u64) -> Result<Vec<Split>> {
        match &dataset.fixed_split {
            Some(split) => Ok(vec![split.clone()]),
            None => Err(TrainError::setup(
                format!("{} comes without a split of its own", dataset.name),
                "write `protocol = holdout(validation = 0.1, test = 0.1)` or `protocol = k_fold(10)`",
            )),
        }
    }

    fn has_folds(&self) -> bool {
        false
    }
}
