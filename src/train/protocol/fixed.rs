//! The split that comes with the data.

use super::ProtocolKind;
use crate::args::{Args, BoundCall, CallSpec};
use crate::check::training;
use crate::data::{Dataset, Split};
use crate::diagnostic::Diagnostic;
use crate::ir::DataFacts;
use crate::train::error::{Result, TrainError};

pub static SPEC: CallSpec = CallSpec {
    name: "fixed",
    doc: "The split published with the data (the node classification sets).",
    example: "fixed",
    args: &[],
};

pub struct Fixed;

impl ProtocolKind for Fixed {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn check(&self, call: &BoundCall, data: Option<&DataFacts>) -> Option<Diagnostic> {
        let data = data.filter(|data| !data.has_split)?;
        Some(training::no_split(call, &data.name))
    }

    fn leaves_validation(&self, _: &Args) -> Option<bool> {
        None
    }

    fn deal(&self, _args: &Args, _classes: &[i64], _seed: u64) -> Option<Vec<Split>> {
        None
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
