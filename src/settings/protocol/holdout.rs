//! One split, drawn by the seed.

use super::together::{self, Relatives};
use super::{
    BY, Need, ProtocolKind, Refusal, Split, Strata, TEST, TOGETHER, VALIDATION, grouped, idle_choice, split,
};
use crate::args::{Args, BoundCall, CallSpec};
use crate::diagnostic::Diagnostic;
use crate::types::DataFacts;

pub static SPEC: CallSpec = CallSpec {
    name: "holdout",
    doc: "One stratified split, drawn by the seed: a part for validation, a part for the test, the rest to train on.",
    example: "holdout(validation = 0.1, test = 0.1)",
    args: &[VALIDATION, TEST, BY, TOGETHER],
};

pub struct Holdout;

impl ProtocolKind for Holdout {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn check(&self, call: &BoundCall, data: Option<&DataFacts>) -> Option<Diagnostic> {
        takes_everything(call)
            .or_else(|| idle_choice(call, data))
            .or_else(|| together::check(call, Relatives::of(&call.args), data))
    }

    fn leaves_validation(&self, args: &Args) -> Option<bool> {
        Some(args.float("validation") > 0.0)
    }

    fn deal(&self, args: &Args, classes: &[i64], seed: u64) -> Option<Vec<Split>> {
        let (validation, test) = (args.float("validation"), args.float("test"));
        // Which classes a group brings, only the data says.
        let is_by_item = Relatives::of(args).is_none();
        (is_by_item && validation + test < 1.0).then(|| vec![deal(classes, validation, test, seed)])
    }

    fn needs(&self, args: &Args) -> Option<Need> {
        Relatives::of(args).map(Need::Groups)
    }

    fn cut(&self, args: &Args, strata: &Strata, seed: u64) -> Result<Vec<Split>, Refusal> {
        if Relatives::of(args).is_some() {
            let (validation, test) = (args.float("validation"), args.float("test"));
            let groups = together::groups(strata)?;
            return Ok(vec![grouped::holdout(strata.classes, groups, validation, test, seed)]);
        }
        Ok(vec![deal(strata.classes, args.float("validation"), args.float("test"), seed)])
    }

    fn has_folds(&self) -> bool {
        false
    }
}

pub(super) fn deal(classes: &[i64], validation: f64, test: f64, seed: u64) -> Split {
    split::stratified_holdout(classes, validation, test, seed)
}

/// Validation and test take everything.
pub(super) fn takes_everything(call: &BoundCall) -> Option<Diagnostic> {
    let (name, validation, test) = (call.name, call.args.float("validation"), call.args.float("test"));
    let right = format!("{name}(validation = 0.1, test = 0.1)");
    (validation + test >= 1.0).then(|| {
        Diagnostic::error(
            "training::nothing_to_train_on",
            format!(
                "`{name}` keeps {validation} for validation and {test} for the test, which is everything"
            ),
        )
        .label(call.span, "leaves nothing to train on")
        .help(format!("leave some: `{right}`"))
        .guess(call.span, right)
    })
}
