//! `unused_allow`: an `allow` of something that does not occur.

use super::{Lint, NeedsData};
use crate::diagnostic::Diagnostic;
use crate::syntax::ast::Ident;

/// What `allow(…)` names and no lint reports. Found by [`super::lint`], which knows what was reported.
pub static LINT: Lint = Lint {
    code: "lint::unused_allow",
    summary: "`allow(…)` of something that does not occur",
    needs_data: NeedsData::Never,
    thresholds: &[],
    find: |_| Vec::new(),
};

pub fn finding(name: &Ident, has_data: bool) -> Diagnostic {
    let place = if has_data { "on this data" } else { "in this file" };
    Diagnostic::warning(LINT.code, format!("`allow({})` allows nothing: it does not occur", name.text))
        .label(name.span, format!("not reported {place}"))
        .help("leave it out")
        .fix(name.span, "")
}
