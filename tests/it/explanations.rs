//! The explanation pages: their models say what the page says, and no code lacks a page.

use crate::spec::{diagnose, facts};
use hgnn::data::{Dataset, DatasetParts, Features, Targets, Vocabulary};
use hgnn::findings::EXPLANATIONS;
use hgnn::kernels::graph::EdgeKinds;
use hgnn::lint::{Config, lint};
use hgnn::source::SourceMap;
use hgnn::types::{Entity, TargetKind, Task};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Pages about files and machines, which no model text can show.
fn needs_no_model(code: &str) -> bool {
    let of_text = [
        "no_features",
        "no_edge_features",
        "no_edge_kinds",
        "no_labels",
        "one_class",
        "class_weights",
        "empty",
        "no_edges",
        "more_clusters_than_nodes",
        "no_effect",
        "unknown_feature",
        "ends",
    ];
    match code.split_once("::") {
        Some(("data", name)) => !of_text.contains(&name),
        Some(("config", _)) => true,
        _ => ["syntax::encoding", "syntax::too_large", "names::too_deep", "names::out_of_reach"]
            .contains(&code),
    }
}

/// What the lints say of a model that `check` has nothing against.
pub fn lint_findings(text: &str, data: Option<&Dataset>) -> Vec<hgnn::diagnostic::Diagnostic> {
    let mut sources = SourceMap::default();
    let main = sources.add("model.hgnn", text);
    let (program, mut found) =
        hgnn::syntax::load_program(&mut sources, main, &|_| Err(std::io::ErrorKind::NotFound.into()));
    let outcome = hgnn::check::check(&program, data.map(Dataset::facts).as_ref());
    found.extend(outcome.diagnostics);
    if let Some(model) = outcome.model.filter(|_| found.is_empty()) {
        found = lint(&program, &sources, &model, data, &Config::default());
    }
    found
}

/// Data that a lint can be shown on: paths with three kinds of nodes, and what the name says is special.
pub fn small_data(name: &str) -> Dataset {
    let n_graphs = 40;
    let size = |graph: usize| if name == "sizes" && graph == 0 { 60 } else { 6 };
    let (mut node_offsets, mut edges) = (vec![0u32], Vec::new());
    for graph in 0..n_graphs {
        let (first, n_nodes) = (node_offsets[graph], size(graph));
        node_offsets.push(first + n_nodes);
        if name != "points" || graph % 2 == 0 {
            let both = (first + 1..first + n_nodes).flat_map(|node| [(node - 1, node), (node, node - 1)]);
            edges.extend(both.filter(|(from, to)| name != "one_way" || from < to));
        }
    }
    let class = |graph: usize| {
        i64::from(if name == "rare" { graph.is_multiple_of(10) } else { graph.is_multiple_of(2) })
    };
    let n_nodes = node_offsets[n_graphs];
    let mut dataset = Dataset::new(DatasetParts {
        name: "SMALL".into(),
        task: Some(Task { entity: Entity::Graph, kind: TargetKind::Classification }),
        node_offsets,
        edges,
        edge_features: None,
        edge_kinds: None,
        features: Features::OneHot { columns: (0..n_nodes).map(|node| node % 3).collect(), width: 3 },
        targets: Targets::Classes((0..n_graphs).map(class).collect()),
        class_names: vec!["0".into(), "1".into()],
        fixed_split: None,
        graph_ids: (1..=n_graphs as u32).collect(),
        vocabulary: Vocabulary::default(),
    });
    if name == "attributes" {
        dataset.features = Features::Dense {
            values: (0..n_nodes).map(|node| (0.7 * node as f32).sin()).collect(),
            width: 1,
        };
    }
    if name == "edge_labels" {
        let columns = (0..dataset.n_edges() as u32).map(|entry| entry % 2).collect();
        dataset.edge_features = Some(Features::OneHot { columns, width: 2 });
    }
    if name == "kinds" {
        let of_entry = (0..dataset.n_edges() as u32).map(|entry| entry % 2).collect();
        dataset.edge_kinds = Some(EdgeKinds { of_entry, n_kinds: 2 });
    }
    dataset
}

#[test]
fn wrong_models_show_their_code_and_right_ones_show_nothing() {
    let mut report = String::new();
    for (code, page) in EXPLANATIONS {
        let mut files = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for block in page.split("```hgnn").skip(1) {
            let (info, rest) = block.split_once('\n').expect("a fence has its line");
            let text = &rest[..rest.find("```").expect("a fence is closed")];
            let mut data = None;
            let mut is_wrong = None;
            for word in info.split_whitespace() {
                match (word, word.split_once('=')) {
                    ("wrong", _) => is_wrong = Some(true),
                    ("right", _) => is_wrong = Some(false),
                    (_, Some(("data", name))) => data = Some(name),
                    (_, Some(("file", name))) => {
                        files.insert(name.to_owned(), text.to_owned());
                    }
                    _ => panic!("{code}: `{word}` behind the fence is not known"),
                }
            }
            let Some(is_wrong) = is_wrong else { continue };
            seen.insert(is_wrong);
            let diagnostics = match code.starts_with("lint::") {
                true => lint_findings(text, data.map(small_data).as_ref()),
                false => diagnose("model.hgnn", text, &files, data.map(facts).as_ref()).1,
            };
            let codes: Vec<_> = diagnostics.iter().map(|finding| finding.code).collect();
            let expected = if is_wrong { vec![*code] } else { Vec::new() };
            if codes != expected {
                let messages: Vec<_> = diagnostics.iter().map(|finding| &finding.message).collect();
                report += &format!("{code}: expected {expected:?}, got {codes:?} {messages:#?}\n{text}\n");
            }
        }
        if seen.len() != 2 && !needs_no_model(code) {
            report += &format!("{code}: needs a wrong and a right model\n");
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

/// Codes written in the sources, without their tests.
fn codes_in(folder: &Path, codes: &mut BTreeMap<String, PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("src is there") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            codes_in(&path, codes);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("sources are text");
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            // Every other piece between quotes is a string.
            for piece in text.split('"') {
                let Some((family, name)) = piece.split_once("::") else { continue };
                let is_word = |word: &str| {
                    !word.is_empty() && word.chars().all(|char| char.is_ascii_lowercase() || char == '_')
                };
                if is_word(family) && is_word(name) {
                    codes.insert(piece.to_owned(), path.clone());
                }
            }
        }
    }
}

#[test]
fn no_code_lacks_its_page() {
    let mut codes = BTreeMap::new();
    codes_in(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src"), &mut codes);
    let known: BTreeSet<&str> = EXPLANATIONS.iter().map(|(code, _)| *code).collect();
    let lacking: Vec<_> = codes.iter().filter(|(code, _)| !known.contains(code.as_str())).collect();
    assert!(lacking.is_empty(), "no page in src/findings/explanations for {lacking:#?}");
    let without_code: Vec<_> = known.iter().filter(|code| !codes.contains_key(**code)).collect();
    assert!(without_code.is_empty(), "pages for codes that nothing says: {without_code:?}");
}

#[test]
fn pages_begin_with_a_title() {
    for (code, page) in EXPLANATIONS {
        assert!(page.starts_with("# "), "{code}");
    }
}
