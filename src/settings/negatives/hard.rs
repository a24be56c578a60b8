//! Pairs that the model takes for links.

use super::{COUNT, END};
use crate::args::{ArgKind, ArgSpec, BoundCall, CallSpec, Default};
use crate::diagnostic::Diagnostic;

/// How many pairs are drawn, of which the hardest stay.
pub const OF: &str = "of";

pub static SPEC: CallSpec = CallSpec {
    name: "hard",
    doc: "As `uniform`, and of the pairs that are drawn those that the model scores highest, as it is before the step (Zhang et al. 2013, \
          dynamic negative sampling). They are scored as in evaluation, which costs a pass more in each step.",
    example: "hard(1, of = 10)",
    args: &[
        COUNT,
        ArgSpec {
            name: OF,
            kind: ArgKind::Int { min: 2, max: 4096 },
            default: Default::Int(10),
            positional: false,
            doc: "Pairs drawn for each link, more than stay.",
        },
        END,
    ],
};

/// As many stay as are drawn, or more.
pub(super) fn check(call: &BoundCall) -> Option<Diagnostic> {
    let (count, of) = (call.args.int(COUNT.name), call.args.int(OF));
    let place = [OF, COUNT.name].into_iter().find_map(|name| call.args.get(name)?.span).unwrap_or(call.span);
    (count >= of).then(|| {
        Diagnostic::error(
            "args::no_effect",
            format!("`hard` chooses {count} of {of} pairs, which is no choice"),
        )
        .label(place, "as many stay as are drawn")
        .help(format!("draw more, as in `of = {}`, or write `uniform({count})`", 10 * count))
    })
}
