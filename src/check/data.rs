//! The file against the data it names.

use crate::diagnostic::{Diagnostic, count};
use crate::ir::Model;
use crate::ops;
use crate::ops::findings::levels;
use crate::ops::loss::given_weights;
use crate::settings::data::edges::PARALLEL;
use crate::source::Span;
use crate::types::{DataFacts, Entity, NoKinds, TargetKind};

/// What the data lacks, whatever the model is. `place` is the `data` setting, or the model.
pub fn is_usable(data: &DataFacts, place: Span) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let name = &data.name;
    if data.n_graphs == 0 || data.total_nodes == 0 {
        findings.push(
            Diagnostic::error("data::empty", format!("{name} has no graphs"))
                .label(place, "this data is empty")
                .help("check its files: nothing to train on was found in them"),
        );
        return findings;
    }
    if data.n_features == 0 {
        // The call that stands there, whatever source it names.
        let example = match place.start < place.end {
            true => String::new(),
            false => ", for example `tu(\"NAME\", features = degree)`".to_owned(),
        };
        let table = match data
            .task
            .is_some_and(|task| matches!(task.kind, TargetKind::Links | TargetKind::Embedding))
        {
            true => "; or begin the model with `embedding(64)`, which learns a row for each node",
            false => "",
        };
        let finding =
            Diagnostic::error("data::no_features", format!("the graphs of {name} have no node features"))
                .label(place, "every node would look the same: nothing to compute with")
                .help(format!(
                    "use node degrees as features: add `features = degree` to the call{example}{table}"
                ));
        findings.push(match place.end.checked_sub(1).filter(|_| place.start < place.end) {
            // Before the bracket that closes the call.
            Some(close) => finding.guess(Span { start: close, end: close, ..place }, ", features = degree"),
            None => finding,
        });
    }
    match data.task {
        None => findings.push(
            Diagnostic::error("data::no_labels", format!("{name} has no labels to learn from"))
                .label(place, "this data carries no labels")
                .help("train on labelled data; a trained model runs on this with `hgnnc predict`"),
        ),
        Some(task) if task.kind == TargetKind::Classification && data.n_outputs < 2 => findings.push(
            Diagnostic::error("data::one_class", format!("all labels of {name} are the same"))
                .label(place, "with one class there is nothing to learn")
                .help("check the label file"),
        ),
        Some(_) => {}
    }
    findings
}

/// Losses that weigh other classes than the data has.
fn classes_are_weighed(model: &Model, data: &DataFacts) -> Vec<Diagnostic> {
    let is_of_classes = data.task.is_some_and(|task| task.kind == TargetKind::Classification);
    let terms = model.losses.iter().filter(|_| is_of_classes);
    let wrong = terms.filter_map(|term| {
        let weights = given_weights(&term.args).filter(|weights| weights.len() != data.n_outputs)?;
        let place = term.args.get("class_weights").and_then(|arg| arg.span).unwrap_or(term.span);
        let (given, classes) = (count(weights.len(), "class weight"), data.n_outputs);
        let message = format!("the loss has {given}, but {} has {classes} classes", data.name);
        let even = vec!["1.0"; classes.min(16)].join(", ");
        Some(
            Diagnostic::error("data::class_weights", message)
                .label(place, "a number for each class is asked for")
                .help(format!(
                    "write one for each class, in the order in which `hgnnc data` has them: `class_weights = [{even}{}]`",
                    if classes > 16 { ", …" } else { "" }
                )),
        )
    });
    wrong.collect()
}

/// Stages that ask for what the edges of the data do not carry.
fn edges_carry(model: &Model, data: &DataFacts) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for (_, node) in model.nodes() {
        let name = node.op.name();
        let (code, lacks, help) = if name == ops::EDGES.name() && data.edge_features == 0 {
            let help = match data.edge_kinds {
                0 => "do without the argument, or use data whose edges carry something",
                _ => {
                    "read the edge labels as columns (`edge_features = labels` in `data`), or do without the argument"
                }
            };
            ("data::no_edge_features", "have no columns", help)
        } else if name == ops::EDGE_LABELS.name() && data.edge_kinds == 0 {
            let help = match data.edge_features {
                0 => "do without the argument, or use data whose edges have labels",
                _ => "what the edges carry are numbers: `edges` stands for them",
            };
            match data.no_kinds {
                Some(NoKinds::Merged) => (
                    "data::no_edge_kinds",
                    "have lost their labels where several became one",
                    "write `parallel = drop` or `parallel = keep` in `data`, which leave each edge its label",
                ),
                Some(NoKinds::Columns(_)) => (
                    "data::no_edge_kinds",
                    "have several columns of labels and so no single kind",
                    "keep the column that is meant in the set's file of edge labels; `edges` stands for all columns",
                ),
                Some(NoKinds::Target) => (
                    "data::no_edge_kinds",
                    "have labels that are to be predicted, and so no kinds that may be read",
                    "do without the argument; what edges carry besides the target is `edges`",
                ),
                None => ("data::no_edge_kinds", "have no labels", help),
            }
        } else {
            continue;
        };
        let finding = Diagnostic::error(
            code,
            format!("the edges of {} {lacks}, but `{name}` asks for them", data.name),
        )
        .label(node.span, "there is nothing to read here")
        .help(format!("{help}; `hgnnc data` says what a set carries"));
        let call = model.data.as_ref().filter(|_| data.no_kinds == Some(NoKinds::Merged));
        let written = call.and_then(|call| call.args.get(PARALLEL.name)?.span);
        findings.push(match written {
            Some(place) if code == "data::no_edge_kinds" => finding
                .label(place, "edges of different labels become one here")
                .guess(place, "parallel = drop"),
            _ => finding,
        });
    }
    findings
}

/// What is strange about this model on this data, though it runs, and what it lacks of what the model reads.
pub fn suits(model: &Model, data: &DataFacts) -> Vec<Diagnostic> {
    let mut findings = edges_carry(model, data);
    findings.extend(classes_are_weighed(model, data));
    for (idx, node) in model.nodes() {
        if node.ty.entity == Entity::Clusters
            && let Some(k) = node.ty.rows.known()
            && model.inputs(idx).first().is_some_and(|&input| model.graph[input].ty.entity == Entity::Nodes)
            && k > data.max_nodes
        {
            let place = node.ty.rows.origin.span.unwrap_or(node.span);
            findings.push(
                Diagnostic::warning(
                    "data::more_clusters_than_nodes",
                    format!("{k} clusters, but the largest graph has {}", count(data.max_nodes, "node")),
                )
                .label(place, format!("graphs of {} have {:.1} nodes on average", data.name, data.mean_nodes))
                .help(format!(
                    "use fewer clusters: `k = {}` is a quarter of the nodes of an average graph",
                    ((data.mean_nodes / 4.0).ceil() as usize).max(2)
                )),
            );
        }
    }
    let goes_along_edges = |node: &crate::ir::Node| node.op.action(&node.args).goes_along_edges();
    let convolutions = || {
        let layers = model.nodes().filter(|(_, node)| node.op.family() == crate::ops::Family::Convolution);
        layers.filter(|(_, node)| goes_along_edges(node))
    };
    if data.total_edges == 0
        && let Some((_, node)) = convolutions().next()
    {
        let finding =
            Diagnostic::warning("data::no_edges", format!("the graphs of {} have no edges", data.name))
                .label(node.span, "no messages are sent here")
                .help("use `linear` in place of convolutions, or data with edges");
        let mut places = std::collections::BTreeMap::new();
        for (_, node) in convolutions().filter(|(_, node)| node.author == crate::ir::Author::File) {
            places.entry(node.span).or_insert_with(|| levels::linear(&node.args));
        }
        findings.push(places.into_iter().fold(finding, |finding, (span, text)| finding.guess(span, text)));
    }
    findings
}
