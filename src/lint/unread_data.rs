//! `unread_data`: what the data carry and no stage reads.

use super::{Cx, Lint, NeedsData};
use crate::args::EdgeValue;
use crate::data::{Columns, Dataset, Vocabulary};
use crate::diagnostic::Diagnostic;
use crate::ops::{self, Operator};

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
    let of_edges = unread_of_edges(cx, data.dataset);
    if unread.is_empty() && of_edges.is_none() {
        return Vec::new();
    }
    // Data of the command line stands nowhere in the file.
    let place = match &cx.model.data {
        Some(call) => call.span,
        None => cx.node(cx.model.output).span,
    };
    let names: Vec<&str> =
        of_edges.as_deref().into_iter().chain(unread.iter().map(|unread| unread.what.as_str())).collect();
    let files: Vec<&str> = unread.iter().map(|unread| unread.file.as_str()).collect();
    let mut places = Vec::new();
    if of_edges.is_some() {
        places.push("on its edges".to_owned());
    }
    if !files.is_empty() {
        places.push(format!("in {}", listed(&files)));
    }
    let given = of_edges.as_ref().map(|_| match ops::takes_edges(EdgeValue::Features) {
        Some((op, arg)) => {
            format!("give what the edges carry to a convolution, for example `{}({arg} = edges)`", op.name())
        }
        None => "give what the edges carry to a convolution, as `edge = edges`".to_owned(),
    });
    let settings: Vec<String> = given
        .into_iter()
        .chain(
            unread
                .iter()
                .filter_map(|unread| Some(format!("read the {} with `{}`", unread.what, unread.setting?))),
        )
        .collect();
    let keep = format!("keep it so with `allow({})`", LINT.name());
    let help = match settings.is_empty() {
        true => format!("nothing reads them yet; {keep}"),
        false => format!("{}, or {keep}", settings.join(", ")),
    };
    vec![
        Diagnostic::warning(
            LINT.code,
            format!("{} carries {} that no stage reads", data.name(), listed(&names)),
        )
        .label(place, places.join(", "))
        .help(help),
    ]
}

/// What the edges carry, in words, where no stage reads it. Their kinds are the labels once more: a stage that reads these
/// needs no columns of them, but has not seen their attributes.
fn unread_of_edges(cx: &Cx, dataset: &Dataset) -> Option<String> {
    let reads = |op: &dyn Operator| cx.nodes().any(|node| cx.node(node).op.name() == op.name());
    let facts = dataset.facts();
    if facts.edge_features == 0 || reads(ops::EDGES) {
        return None;
    }
    if facts.edge_kinds == 0 || !reads(ops::EDGE_LABELS) {
        return Some(facts.edge_columns);
    }
    let attributes = dataset.vocabulary.edge_columns.iter();
    let attributes = attributes.filter(|columns| matches!(columns, Columns::Attributes { .. }));
    let unread = Vocabulary { edge_columns: attributes.cloned().collect(), ..Vocabulary::default() };
    (!unread.edge_columns.is_empty()).then(|| unread.edges_in_words())
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

    #[test]
    fn what_edges_carry_is_named_until_a_stage_reads_it() {
        use crate::data::synthetic::{RandomGraphs, random_graphs};
        let wanted = RandomGraphs { n_graphs: 40, n_edge_features: 2, n_edge_kinds: 3, ..Default::default() };
        let data = random_graphs(&wanted);
        let model = |stage: &str| format!("{stage} -> linear(8) -> relu -> sum -> linear");
        assert_eq!(lints_on(&model("gin(8)"), &data), ["unread_data"]);
        assert_eq!(lints_on(&model("edge_sum(edge = edges)"), &data), [""; 0]);
        assert_eq!(lints_on(&model("edge_sum(relation = edge_labels)"), &data), [""; 0]);
        // Attributes are not the labels once more.
        let mut attributes = data;
        attributes.vocabulary.edge_columns = vec![crate::data::Columns::Attributes { count: 2 }];
        assert_eq!(lints_on(&model("edge_sum(relation = edge_labels)"), &attributes), ["unread_data"]);
        assert_eq!(lints_on(&model("edge_sum(edge = edges)"), &attributes), [""; 0]);
    }
}
