//! Every combination.

use super::{Ask, SearchCx, SearchKind, Tried, whole};
use crate::args::{Args, BoundCall, CallSpec};
use crate::diagnostic::Diagnostic;
use crate::search::{Domain, Space};

/// Most combinations that are tried.
pub(super) const MOST: usize = 10_000;

pub static SPEC: CallSpec = CallSpec {
    name: "grid",
    doc: "Every combination of the values that the file leaves open. A range needs `points`.",
    example: "grid",
    args: &[],
};

pub struct Grid;

impl SearchKind for Grid {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn check(&self, call: &BoundCall, space: &Space) -> Option<Diagnostic> {
        let endless = space.sites.iter().find(|site| site.domain.choices().is_none());
        if let Some(site) = endless {
            let end = match &site.domain {
                Domain::Range(range) if range.is_log => ", log, points = 5)",
                _ => ", points = 5)",
            };
            return Some(
                Diagnostic::error("search::endless", "a grid needs values that can be counted")
                    .label(site.span, "this range has as many as there are numbers")
                    .label(call.span, "all combinations are asked for")
                    .help(format!("write `search = tpe(20)`, or end the range in `{end}`"))
                    .guess(call.span, "tpe(20)"),
            );
        }
        let n = space.n_assignments();
        n.is_none_or(|n| n > MOST).then(|| {
            let message = match n {
                Some(n) => format!("a grid of {n} combinations is more than the {MOST} that are tried"),
                None => format!("a grid has more than the {MOST} combinations that are tried"),
            };
            Diagnostic::error("search::endless", message)
                .label(call.span, "all combinations are asked for")
                .help("write `search = tpe(20)` or `search = random(20)`")
                .guess(call.span, "tpe(20)")
        })
    }

    fn n_trials(&self, _: &Args, space: &Space) -> usize {
        space.n_assignments().unwrap_or(MOST)
    }

    fn next(&self, _: &Args, cx: &SearchCx, tried: &[Tried]) -> Option<Ask> {
        let assignment = cx.space.grid(MOST)?.into_iter().nth(tried.len())?;
        Some(whole(tried, assignment))
    }
}
