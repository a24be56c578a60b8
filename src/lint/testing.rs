//! Models and small data for the tests of the lints.

use super::{Config, lint};
use crate::check::Checked;
use crate::data::{DataOptions, Dataset, DatasetParts, Features, Targets, Vocabulary, call, load};
use crate::diagnostic::Diagnostic;
use crate::ir::Model;
use crate::source::SourceMap;
use crate::syntax::Program;
use crate::types::{Entity, TargetKind, Task};

/// A checked model with its text.
pub fn compiled(text: &str, data: Option<&Dataset>) -> (Checked<Model>, Program, SourceMap) {
    let mut sources = SourceMap::default();
    let main = sources.add("model.hgnn", text);
    let none = |_: &str| Err(std::io::ErrorKind::NotFound.into());
    let (program, broken) = crate::syntax::load_program(&mut sources, main, &none);
    let outcome = crate::check::check(&program, data.map(Dataset::facts).as_ref());
    assert!(broken.is_empty() && !outcome.has_errors(), "{text}: {broken:#?} {:#?}", outcome.diagnostics);
    (outcome.model.expect("no errors"), program, sources)
}

fn findings(text: &str, data: Option<&Dataset>, config: &Config) -> Vec<Diagnostic> {
    let (model, program, sources) = compiled(text, data);
    let found = lint(&program, &sources, &model, data, config);
    for finding in &found {
        assert!(finding.help.is_some() && !finding.labels.is_empty(), "{finding:?}");
    }
    found
}

/// Names of what is said with an `hgnn.toml`, in the order of [`super::LINTS`].
pub fn lints_with(text: &str, data: Option<&Dataset>, config: &str) -> Vec<&'static str> {
    let mut sources = SourceMap::default();
    let file = sources.add("hgnn.toml", config);
    let config = Config::parse(&sources, file).expect("a right configuration");
    let found = findings(text, data, &config);
    super::names()
        .filter(|name| found.iter().any(|finding| finding.code.ends_with(&format!("::{name}"))))
        .collect()
}

/// Names of what is said without data.
pub fn lints(text: &str) -> Vec<&'static str> {
    lints_with(text, None, "")
}

/// Names of what is said on data.
pub fn lints_on(text: &str, data: &Dataset) -> Vec<&'static str> {
    lints_with(text, Some(data), "")
}

pub fn karate() -> Dataset {
    load(&call("karate", &[]), &DataOptions::folder("")).expect("built in")
}

/// Graphs by their number of nodes and directed edges, with one-hot features and a class each (0 and 1 in turn
/// where fewer are given).
pub fn dataset(graphs: &[(u32, &[(u32, u32)])], features: &[u32], classes: &[i64]) -> Dataset {
    let mut node_offsets = vec![0u32];
    let mut edges = Vec::new();
    for &(n_nodes, own) in graphs {
        let first = *node_offsets.last().expect("begins with 0");
        edges.extend(own.iter().map(|(source, target)| (first + source, first + target)));
        node_offsets.push(first + n_nodes);
    }
    let class = |graph: usize| classes.get(graph).copied().unwrap_or((graph % 2) as i64);
    let n_classes = 2;
    Dataset::new(DatasetParts {
        name: "SMALL".into(),
        task: Some(Task { entity: Entity::Graph, kind: TargetKind::Classification }),
        node_offsets,
        edges,
        edge_features: None,
        edge_kinds: None,
        features: Features::OneHot {
            columns: features.to_vec().into(),
            width: features.iter().max().map_or(1, |&column| column as usize + 1),
        },
        targets: Targets::Classes((0..graphs.len()).map(class).collect()),
        class_names: (0..n_classes).map(|class: i64| class.to_string()).collect(),
        fixed_split: None,
        graph_ids: (1..=graphs.len() as u32).collect(),
        vocabulary: Vocabulary::default(),
    })
}

/// Paths of these lengths in nodes.
pub fn paths(sizes: &[usize]) -> Dataset {
    let edges: Vec<Vec<(u32, u32)>> = sizes
        .iter()
        .map(|&n_nodes| (1..n_nodes as u32).flat_map(|node| [(node - 1, node), (node, node - 1)]).collect())
        .collect();
    let graphs: Vec<_> =
        sizes.iter().zip(&edges).map(|(&size, edges)| (size as u32, edges.as_slice())).collect();
    let n_nodes: usize = sizes.iter().sum();
    let features: Vec<u32> = (0..n_nodes as u32).map(|node| node % 3).collect();
    dataset(&graphs, &features, &[])
}
