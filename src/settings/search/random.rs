//! Combinations drawn at random.

use super::{Ask, SearchCx, SearchKind, Tried, drawn, whole};
use crate::args::{ArgKind, ArgSpec, Args, BoundCall, CallSpec, Default};
use crate::diagnostic::Diagnostic;
use crate::search::Space;

/// How many trials there are.
pub(super) const TRIALS: ArgSpec = ArgSpec {
    name: "trials",
    kind: ArgKind::Int { min: 1, max: 10_000 },
    default: Default::Int(super::USUAL_TRIALS),
    positional: true,
    doc: "Combinations that are tried.",
};

pub static SPEC: CallSpec = CallSpec {
    name: "random",
    doc: "Combinations drawn by the seed, each value with equal chances: of a range by `log`, each ratio. Bergstra and Bengio 2012, \
          \"Random Search for Hyper-Parameter Optimization\"",
    example: "random(20)",
    args: &[TRIALS],
};

pub struct Random;

impl SearchKind for Random {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn check(&self, _: &BoundCall, _: &Space) -> Option<Diagnostic> {
        None
    }

    fn n_trials(&self, args: &Args, _: &Space) -> usize {
        args.int("trials") as usize
    }

    fn next(&self, args: &Args, cx: &SearchCx, tried: &[Tried]) -> Option<Ask> {
        (tried.len() < args.int("trials") as usize).then(|| whole(tried, drawn(cx, tried.len())))
    }
}
