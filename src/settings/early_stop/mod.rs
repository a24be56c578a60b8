//! When a run ends and which epoch's weights it keeps: one file each, entered in [`EARLY_STOPS`] and [`SPECS`].

mod best;
mod last;
mod patience;

use crate::args::{BoundCall, CallSpec};
use serde_json::Value;

/// Everything that `early_stop = …` can name.
pub static EARLY_STOPS: &[&dyn EarlyStopKind] = &[&patience::Patience, &best::Best, &last::Last];

/// Their specs, in the same order.
pub static SPECS: &[&CallSpec] = &[&patience::SPEC, &best::SPEC, &last::SPEC];

/// A rule that a file can name.
pub trait EarlyStopKind: Sync {
    fn spec(&self) -> &'static CallSpec;
    fn build(&self, call: &BoundCall) -> Box<dyn EarlyStop>;
    /// The figure that it watches; `None` where none.
    fn monitor(&self, call: &BoundCall) -> Option<&'static str>;
}

/// What follows from an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// The weights of this epoch are to be kept in place of those kept so far.
    pub keep: bool,
    /// The run ends here.
    pub stop: bool,
}

/// A rule in a run.
pub trait EarlyStop: Send {
    /// Takes note of the watched figure after an epoch; `None` where it is not defined, which never ends a run.
    fn observe(&mut self, monitored: Option<f64>) -> Verdict;
    /// What it has taken note of; `Null` where nothing.
    fn state(&self) -> Value;
    /// Takes up a state that [`EarlyStop::state`] gave; false where it is not one.
    fn restore(&mut self, state: &Value) -> bool;
}

/// The kind that `call` names.
///
/// # Panics
/// Where `call` is not of [`SPECS`], which binding has excluded.
pub fn kind(call: &BoundCall) -> &'static dyn EarlyStopKind {
    let kind = EARLY_STOPS.iter().copied().find(|kind| kind.spec().name == call.name);
    kind.unwrap_or_else(|| panic!("no early stop `{}`", call.name))
}

/// The rule that keeps the last epoch's weights, where there is nothing to watch.
pub fn keep_last() -> Box<dyn EarlyStop> {
    Box::new(last::KeepLast)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_are_those_of_the_rules() {
        let names: Vec<_> = EARLY_STOPS.iter().map(|kind| kind.spec().name).collect();
        assert_eq!(names, SPECS.iter().map(|spec| spec.name).collect::<Vec<_>>());
    }
}
