//! The split that comes with the data.

use super::{ProtocolKind, Refusal, Split, Strata};
use crate::args::{Args, BoundCall, CallSpec};
use crate::diagnostic::Diagnostic;
use crate::types::DataFacts;

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
        Some(no_split(call, &data.name))
    }

    fn leaves_validation(&self, _: &Args) -> Option<bool> {
        None
    }

    fn deal(&self, _args: &Args, _classes: &[i64], _seed: u64) -> Option<Vec<Split>> {
        None
    }

    fn cut(&self, _args: &Args, strata: &Strata, _seed: u64) -> Result<Vec<Split>, Refusal> {
        match strata.own_split {
            Some(split) => Ok(vec![split.clone()]),
            None => Err(Refusal {
                message: format!("{} comes without a split of its own", strata.data),
                help: "write `protocol = holdout(validation = 0.1, test = 0.1)` or `protocol = k_fold(10)`"
                    .into(),
            }),
        }
    }

    fn has_folds(&self) -> bool {
        false
    }
}

/// The data has no split of its own.
fn no_split(call: &BoundCall, data: &str) -> Diagnostic {
    Diagnostic::error("training::no_split", format!("{data} comes without a split of its own"))
        .label(call.span, "this data has no split to use")
        .help("write `protocol = holdout(validation = 0.1, test = 0.1)` or `protocol = k_fold(10)`")
        .guess(call.span, "holdout(validation = 0.1, test = 0.1)")
}
