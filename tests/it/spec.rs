//! The specification under `tests/spec`: each model in it is checked, and what the checker says has to be
//! what is marked on its lines, no more and no less. `tests/spec/README.md` says how it is written.

use hgnn::diagnostic::{Diagnostic, Severity};
use hgnn::source::SourceMap;
use hgnn::types::{DataFacts, Entity, TargetKind, Task};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

/// Data that a model can be checked against: `data=NAME` behind the fence.
pub fn facts(name: &str) -> DataFacts {
    let task = |entity, kind| Some(Task { entity, kind });
    let proteins = DataFacts {
        name: "PROTEINS".into(),
        n_graphs: 1113,
        n_features: 3,
        n_outputs: 2,
        task: task(Entity::Graph, TargetKind::Classification),
        class_counts: vec![663, 450],
        max_nodes: 620,
        mean_nodes: 39.1,
        total_nodes: 43471,
        total_edges: 162_088,
        n_graphs_without_edges: 0,
        has_split: false,
        ..DataFacts::default()
    };
    let with = |name: &str| DataFacts { name: name.into(), ..proteins.clone() };
    match name {
        "proteins" => proteins,
        "karate" => DataFacts {
            n_graphs: 1,
            n_features: 34,
            n_outputs: 2,
            task: task(Entity::Nodes, TargetKind::Classification),
            class_counts: vec![17, 17],
            max_nodes: 34,
            mean_nodes: 34.0,
            total_nodes: 34,
            total_edges: 156,
            has_split: true,
            ..with("karate()")
        },
        "solubility" => DataFacts {
            n_outputs: 1,
            task: task(Entity::Graph, TargetKind::Regression),
            class_counts: Vec::new(),
            ..with("SOLUBILITY")
        },
        "toxicity" => DataFacts {
            n_outputs: 12,
            task: task(Entity::Graph, TargetKind::MultiLabel),
            class_counts: Vec::new(),
            ..with("TOXICITY")
        },
        // Bonds of four kinds, with a column each.
        "molecules" => DataFacts {
            n_graphs: 188,
            n_features: 7,
            max_nodes: 28,
            mean_nodes: 17.9,
            total_nodes: 3371,
            total_edges: 7442,
            edge_features: 4,
            edge_columns: "4 edge labels (0, 1, 2, 3)".into(),
            edge_kinds: 4,
            ..with("MUTAG")
        },
        "featureless" => DataFacts { n_features: 0, ..with("IMDB") },
        "unlabelled" => DataFacts { task: None, n_outputs: 0, class_counts: Vec::new(), ..with("NEW") },
        "one_class" => DataFacts { n_outputs: 1, class_counts: vec![1113], ..with("SAME") },
        // Three of 22 are of one class: a tenth of them rounds to none.
        "rare" => DataFacts { n_graphs: 22, class_counts: vec![19, 3], ..with("RARE") },
        "empty" => DataFacts { n_graphs: 0, total_nodes: 0, total_edges: 0, max_nodes: 0, ..with("NOTHING") },
        "edgeless" => DataFacts { total_edges: 0, n_graphs_without_edges: 1113, ..with("POINTS") },
        _ => panic!("no data `{name}` in tests/it/spec.rs"),
    }
}

/// One model of the specification with the files it may use.
pub struct Case {
    /// `levels.md:12`
    pub place: String,
    pub text: String,
    pub files: BTreeMap<String, String>,
    pub data: Option<DataFacts>,
}

/// Models are fenced with `hgnn`; `file=NAME` makes one a file that the models below it, up to the next
/// heading, can use.
fn cases(name: &str, page: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut files = BTreeMap::new();
    let mut fence: Option<(usize, String, String)> = None;
    for (idx, line) in page.lines().enumerate() {
        match &mut fence {
            None if line.starts_with('#') => files.clear(),
            None => {
                if let Some(info) = line.strip_prefix("```") {
                    fence = Some((idx + 2, info.to_owned(), String::new()));
                }
            }
            Some((start, info, text)) if line.starts_with("```") => {
                let mut words = info.split_whitespace();
                if words.next() == Some("hgnn") {
                    let (mut file, mut data) = (None, None);
                    for word in words {
                        match word.split_once('=') {
                            Some(("file", name)) => file = Some(name.to_owned()),
                            Some(("data", name)) => data = Some(facts(name)),
                            _ => panic!("{name}:{start}: `{word}` behind the fence is not known"),
                        }
                    }
                    match file {
                        Some(file) => {
                            files.insert(file, text.clone());
                        }
                        None => cases.push(Case {
                            place: format!("{name}:{start}"),
                            text: text.clone(),
                            files: files.clone(),
                            data,
                        }),
                    }
                }
                fence = None;
            }
            Some((_, _, text)) => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    assert!(fence.is_none(), "{name}: a fence is not closed");
    cases
}

/// `(file, line, severity, code)` of every mark `// error: CODE` or `// warning: CODE`.
fn marks(file: &str, text: &str) -> Vec<(String, usize, Severity, String)> {
    let mut marks = Vec::new();
    for (idx, line) in text.lines().enumerate() {
        for (word, severity) in [("// error: ", Severity::Error), ("// warning: ", Severity::Warning)] {
            if let Some((_, codes)) = line.split_once(word) {
                let codes = codes.split("//").next().unwrap_or_default().split(',').map(str::trim);
                marks.extend(codes.map(|code| (file.to_owned(), idx + 1, severity, code.to_owned())));
            }
        }
    }
    marks
}

pub fn diagnose(
    name: &str,
    text: &str,
    files: &BTreeMap<String, String>,
    data: Option<&DataFacts>,
) -> (SourceMap, Vec<Diagnostic>, hgnn::check::Outcome) {
    let mut sources = SourceMap::default();
    let main = sources.add(name, text);
    let read = |path: &str| {
        let missing = || std::io::Error::new(std::io::ErrorKind::NotFound, "no such file");
        files.get(path).cloned().ok_or_else(missing)
    };
    let (program, mut diagnostics) = hgnn::syntax::load_program(&mut sources, main, &read);
    let outcome = hgnn::check::check(&program, data);
    diagnostics.extend(outcome.diagnostics.iter().cloned());
    (sources, diagnostics, outcome)
}

fn run(case: &Case, report: &mut String) {
    let (sources, diagnostics, outcome) = diagnose("model.hgnn", &case.text, &case.files, case.data.as_ref());
    let mut expected = marks("model.hgnn", &case.text);
    for (name, text) in &case.files {
        expected.extend(marks(name, text));
    }
    let mut found: Vec<_> = diagnostics
        .iter()
        .map(|finding| {
            let (file, line) = finding.labels.first().map_or(("model.hgnn".to_owned(), 1), |label| {
                let line = sources.line_column(label.span.file, label.span.start).0;
                (sources.file(label.span.file).name.clone(), line)
            });
            (file, line, finding.severity, finding.code.to_owned())
        })
        .collect();
    // Only files that the model uses are read.
    let read: Vec<_> = sources.files().map(|(_, file)| file.name.clone()).collect();
    expected.retain(|(file, ..)| read.contains(file));
    expected.sort();
    found.sort();
    if expected != found {
        let _ = writeln!(report, "── {}\n{}", case.place, case.text);
        for (file, line, _, code) in expected.iter().filter(|mark| !found.contains(mark)) {
            let _ = writeln!(report, "  expected, but not said: {file}:{line} {code}");
        }
        for (idx, (file, line, _, code)) in found.iter().enumerate() {
            if !expected.contains(&found[idx]) || found[..idx].contains(&found[idx]) {
                let message = diagnostics.iter().find(|finding| finding.code == code);
                let _ = writeln!(
                    report,
                    "  said, but not expected: {file}:{line} {code}: {}",
                    message.map_or("", |finding| &finding.message)
                );
            }
        }
    }
    let has_errors = diagnostics.iter().any(Diagnostic::is_error);
    if has_errors != outcome.model.is_none() && !outcome.is_library {
        let _ =
            writeln!(report, "── {}: errors {has_errors}, but model {}", case.place, outcome.model.is_some());
    }
}

pub fn all_cases() -> Vec<Case> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/spec");
    let mut pages: Vec<_> = std::fs::read_dir(&folder)
        .expect("tests/spec is there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.sort();
    let mut all = Vec::new();
    for page in pages {
        let name = page.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&page).expect("a page is text");
        all.extend(cases(&name, &text));
    }
    all
}

/// Every model of the specification.
pub fn snippets() -> Vec<String> {
    all_cases().into_iter().map(|case| case.text).collect()
}

#[test]
fn the_checker_says_what_the_specification_says() {
    let cases = all_cases();
    let mut report = String::new();
    cases.iter().for_each(|case| run(case, &mut report));
    assert!(report.is_empty(), "\n{report}");
    assert!(cases.len() > 200, "only {} models were found", cases.len());
}
