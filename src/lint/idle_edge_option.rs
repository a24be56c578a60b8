//! `idle_edge_option`: an option of `data` for edges that changes none of them.

use super::{Cx, Lint, NeedsData};
use crate::args::{ArgSpec, ArgValue};
use crate::data::EdgeEdits;
use crate::diagnostic::Diagnostic;
use crate::settings::data::edges::{LOOPS, PARALLEL, UNDIRECTED};

/// `loops`, `parallel` and `undirected` of a data source that find nothing to do in this set: the file says something of
/// the data that does not hold.
pub static LINT: Lint = Lint {
    code: "lint::idle_edge_option",
    summary: "`loops`, `parallel` or `undirected` in `data` where the set has no such edges",
    needs_data: NeedsData::Always,
    thresholds: &[],
    find,
};

/// Why an option that was written has changed nothing; `None` where it has.
fn idle(option: &ArgSpec, value: &ArgValue, edits: EdgeEdits) -> Option<&'static str> {
    match (option.name, value) {
        ("loops", ArgValue::Choice("drop")) if edits.dropped_loops == 0 => Some("has no self-loops"),
        ("loops", ArgValue::Choice("add")) if edits.added_loops == 0 => Some("has a self-loop at every node"),
        ("parallel", ArgValue::Choice(word)) if *word != "keep" && edits.merged == 0 => {
            Some("has no parallel edges")
        }
        ("undirected", ArgValue::Bool(true)) if edits.added_reverses == 0 => {
            Some("has the reverse of every edge already")
        }
        _ => None,
    }
}

fn find(cx: &Cx) -> Vec<Diagnostic> {
    let (Some(data), Some(call)) = (cx.data, &cx.model.data) else { return Vec::new() };
    let mut findings = Vec::new();
    for option in [&LOOPS, &PARALLEL, &UNDIRECTED] {
        let Some(arg) = call.args.get(option.name) else { continue };
        let (Some(place), Some(why)) = (arg.span, idle(option, &arg.value, data.dataset.edits)) else {
            continue;
        };
        findings.push(
            Diagnostic::warning(
                LINT.code,
                format!("`{}` changes nothing: {} {why}", cx.text(place), data.name()),
            )
            .label(place, "no edge is dropped, merged or added")
            .help(format!("leave `{}` out", option.name))
            .guess(place, ""),
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use crate::data::EdgeEdits;
    use crate::lint::testing::{lints_on, paths};

    #[test]
    fn options_that_change_no_edge_are_told() {
        let mut data = paths(&[6, 7, 8]);
        let model =
            |options: &str| format!("data = tu(\"SMALL\"{options})\nmodel = gin(8) -> relu -> sum -> linear");
        let options = [", loops = drop", ", loops = add", ", parallel = drop", ", undirected = true"];
        for option in options {
            assert_eq!(lints_on(&model(option), &data), ["idle_edge_option"], "{option}");
        }
        for option in ["", ", loops = keep", ", parallel = keep", ", undirected = false"] {
            assert_eq!(lints_on(&model(option), &data), [""; 0], "{option}");
        }
        data.edits = EdgeEdits { dropped_loops: 1, merged: 1, added_reverses: 1, added_loops: 1 };
        for option in options {
            assert_eq!(lints_on(&model(option), &data), [""; 0], "{option}");
        }
    }
}
