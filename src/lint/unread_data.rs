//! `unread_data`: what the data carry and no stage reads.

use super::{Cx, Lint, NeedsData};
use crate::diagnostic::Diagnostic;

/// Edge labels, edge attributes, weights and further columns that are in the files of a set and not in its graphs, so
/// that a model never sees them. Often they carry what the labels are about, as bonds do in molecules.
///
/// Paper: Hu et al. 2020, "Strategies for Pre-training Graph Neural Networks", which reads bonds as edge features.
pub static LINT: Lint = Lint {
    code: "lint::unread_data",
    summary: "edge labels, attributes or further columns of the data that no stage reads",
    needs_data: NeedsData::Always,
    thresholds: &[],
    find,
};

fn find(cx: &Cx) -> Vec<Diagnostic> {
    let Some(data) = cx.data else { return Vec::new() };
    let unread = &data.dataset.unread;
    if unread.is_empty() {
        return Vec::new();
    }
    // Data of the command line stands nowhere in the file.
    let place = match &cx.model.data {
        Some(call) => call.span,
        None => cx.node(cx.model.output).span,
    };
    let names: Vec<&str> = unread.iter().map(|unread| unread.what.as_str()).collect();
    let files: Vec<&str> = unread.iter().map(|unread| unread.file.as_str()).collect();
    let settings: Vec<String> = unread
        .iter()
        .filter_map(|unread| Some(format!("read the {} with `{}`", unread.what, unread.setting?)))
        .collect();
    let keep = format!("keep it so with `allow({})`", LINT.name());
    let help = match settings.is_empty() {
        true => format!("no stage reads them yet; {keep}"),
        false => format!("{}, or {keep}", settings.join(", ")),
    };
    vec![
        Diagnostic::warning(
            LINT.code,
            format!("{} carries {} that no stage reads", data.name(), listed(&names)),
        )
        .label(place, format!("in {}", listed(&files)))
        .help(help),
    ]
}

/// "edge labels, node attributes and weights"
fn listed(words: &[&str]) -> String {
    match words.split_last() {
        None => String::new(),
        Some((only, [])) => (*only).to_owned(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use crate::data::Unread;
    use crate::lint::testing::{lints, lints_on, paths};

    #[test]
    fn what_no_stage_reads_is_named() {
        let text = "gin(8) -> relu -> sum -> linear";
        let mut data = paths(&[6, 7, 8]);
        assert_eq!(lints_on(text, &data), [""; 0]);
        data.unread = vec![Unread {
            what: "edge labels".into(),
            file: "SMALL_edge_labels.txt".into(),
            n_columns: Some(1),
            setting: None,
        }];
        assert_eq!(lints_on(text, &data), ["unread_data"]);
        assert_eq!(lints_on(&format!("allow(unread_data)\nmodel = {text}"), &data), [""; 0]);
        assert_eq!(lints(text), [""; 0]);
    }
}
