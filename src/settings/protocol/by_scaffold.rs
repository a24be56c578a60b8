//! Molecules parted by their scaffolds.

use super::together::{self, Relatives};
use super::{Need, ProtocolKind, Refusal, Split, Strata, TEST, VALIDATION, grouped, holdout};
use crate::args::{Args, BoundCall, CallSpec};
use crate::diagnostic::Diagnostic;
use crate::types::DataFacts;

pub static SPEC: CallSpec = CallSpec {
    name: "by_scaffold",
    doc: "Molecules parted by their scaffolds, the rings and what links them: those of the most frequent scaffolds train, the \
          rest validates and tests, as MoleculeNet, DeepChem and OGB part molecules. Nothing is drawn. Bemis and Murcko 1996, \
          \"The Properties of Known Drugs\"",
    example: "by_scaffold(validation = 0.1, test = 0.1)",
    args: &[VALIDATION, TEST],
};

pub struct ByScaffold;

impl ProtocolKind for ByScaffold {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn check(&self, call: &BoundCall, data: Option<&DataFacts>) -> Option<Diagnostic> {
        holdout::takes_everything(call).or_else(|| together::check(call, Some(Relatives::Scaffolds), data))
    }

    fn leaves_validation(&self, args: &Args) -> Option<bool> {
        (args.float("validation") == 0.0).then_some(false)
    }

    fn deal(&self, _: &Args, _: &[i64], _: u64) -> Option<Vec<Split>> {
        None
    }

    fn needs(&self, _: &Args) -> Option<Need> {
        Some(Need::Groups(Relatives::Scaffolds))
    }

    fn cut(&self, args: &Args, strata: &Strata, _: u64) -> Result<Vec<Split>, Refusal> {
        let groups = together::groups(strata)?;
        let (validation, test) = (args.float("validation"), args.float("test"));
        Ok(vec![grouped::largest_first(strata.classes, groups, validation, test)])
    }

    fn has_folds(&self) -> bool {
        false
    }
}
