//! How the values that a file leaves open are searched: one file each, entered in [`SEARCHES`] and [`SPECS`].

mod grid;
mod halving;
mod random;
mod tpe;

use crate::args::{Args, BoundCall, CallSpec, default_args};
use crate::diagnostic::Diagnostic;
use crate::rng;
use crate::search::{Assignment, Space};
use crate::source::Span;

/// Every way to search that `search = …` can name.
pub static SEARCHES: &[&dyn SearchKind] = &[&grid::Grid, &random::Random, &tpe::Tpe, &halving::Halving];

/// Their specs, in the same order.
pub static SPECS: &[&CallSpec] = &[&grid::SPEC, &random::SPEC, &tpe::SPEC, &halving::SPEC];

/// Trials where the file does not say how many.
const USUAL_TRIALS: i64 = 20;

/// As many combinations are all tried, where the file does not say how it is searched.
const FEW: usize = 100;

/// A way to search that a file can name.
pub trait SearchKind: Sync {
    fn spec(&self) -> &'static CallSpec;
    /// What is wrong with a call for the values that the file leaves open.
    fn check(&self, call: &BoundCall, space: &Space) -> Option<Diagnostic>;
    /// How many trials there will be at most.
    fn n_trials(&self, args: &Args, space: &Space) -> usize;
    /// What to do next, after these trials; `None` where the search has ended. It is the same for the same trials, so that a search
    /// that was interrupted goes on as it would have.
    fn next(&self, args: &Args, cx: &SearchCx, tried: &[Tried]) -> Option<Ask>;
}

/// What a search knows of the run.
pub struct SearchCx<'a> {
    pub space: &'a Space,
    /// Of this search alone.
    pub seed: u64,
    /// Epochs of a whole trial, at most.
    pub epochs: usize,
}

/// A trial so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Tried {
    pub assignment: Assignment,
    /// What it came to each time that it was judged, the larger the better; `None` where the figure is not defined.
    pub scores: Vec<Option<f64>>,
    /// It cannot go on: it diverged, needs more memory than there is, or is no model.
    pub has_failed: bool,
}

/// A trial to begin or to go on with.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// Its number, counted from 0; as many as were tried for a new one.
    pub trial: usize,
    pub assignment: Assignment,
    /// The epoch after which it is judged, counted from 1; its end where absent.
    pub until: Option<usize>,
}

/// The kind that `call` names.
///
/// # Panics
/// Where `call` is not of [`SPECS`], which binding has excluded.
pub fn kind(call: &BoundCall) -> &'static dyn SearchKind {
    let kind = SEARCHES.iter().copied().find(|kind| kind.spec().name == call.name);
    kind.unwrap_or_else(|| panic!("no search `{}`", call.name))
}

/// How values are searched where the file does not say: all of them where they can be counted and are few, else by `tpe`.
pub fn usual(space: &Space) -> BoundCall {
    let can_be_counted = space.n_assignments().is_some_and(|n| n <= FEW);
    of_defaults(if can_be_counted { &grid::SPEC } else { &tpe::SPEC })
}

fn of_defaults(spec: &'static CallSpec) -> BoundCall {
    BoundCall { name: spec.name, args: default_args(spec.args), span: Span::default() }
}

/// An assignment drawn with equal chances, the `trial`th of a seed.
fn drawn(cx: &SearchCx, trial: usize) -> Assignment {
    let mut random = rng::generator(cx.seed, trial as u64);
    cx.space.sites.iter().map(|site| site.domain.at(rng::unit(&mut random))).collect()
}

/// A trial that runs to its end: the next one.
fn whole(tried: &[Tried], assignment: Assignment) -> Ask {
    Ask { trial: tried.len(), assignment, until: None }
}

#[cfg(test)]
mod tests;
