//! Stages whose result nothing reads.

use crate::diagnostic::Diagnostic;
use crate::ir::{Model, has_weights, inputs_of};
use crate::ops::Action;
use petgraph::graph::NodeIndex;
use std::collections::HashSet;

/// Stages whose result goes nowhere: the last ones of each such chain. Where such a stage has a name that
/// nothing reads, that was reported.
pub fn stages(model: &Model, unused_names: &HashSet<&str>) -> Vec<Diagnostic> {
    let n_nodes = model.graph.node_count();
    let mut is_live = vec![false; n_nodes];
    let mut queue = vec![model.output];
    while let Some(node) = queue.pop() {
        if !std::mem::replace(&mut is_live[node.index()], true) {
            queue.extend(inputs_of(&model.graph, node));
        }
    }
    model
        .nodes()
        .filter(|(idx, node)| {
            let is_last = model.graph.neighbors(*idx).next().is_none();
            let is_told = node.name.as_deref().is_some_and(|name| unused_names.contains(name));
            !is_live[idx.index()] && is_last && *idx != model.input && !is_told
        })
        .map(|(_, node)| {
            Diagnostic::error("unused::stage", format!("the result of `{}` is never used", node.op.name()))
                .label(node.span, "what this computes is dropped")
                .help("leave the stage out, or name its value with `as` and use it")
                .guess(node.span, "")
        })
        .collect()
}

/// Stages with weights of which no gradient arrives, because all that reads them compares values and counts.
pub fn weights(model: &Model) -> Vec<Diagnostic> {
    let compares = |node: NodeIndex| {
        let node = &model.graph[node];
        matches!(node.op.action(&node.args), Action::Colours { .. })
    };
    let Some(first) = model.graph.node_indices().find(|&node| compares(node)) else { return Vec::new() };
    // Whether a gradient arrives at each value, from the output down.
    let mut learns = vec![false; model.graph.node_count()];
    let mut open = vec![model.output];
    while let Some(node) = open.pop() {
        if !std::mem::replace(&mut learns[node.index()], true) && !compares(node) {
            open.extend(inputs_of(&model.graph, node));
        }
    }
    let idle = |&node: &NodeIndex| !learns[node.index()] && has_weights(&model.graph, node);
    let found = model.graph.node_indices().find(idle);
    let report = |node: NodeIndex| {
        let (name, by) = (model.graph[node].op.name(), model.graph[first].op.name());
        Diagnostic::error(
            "unused::weights",
            format!("the weights of `{name}` never learn: `{by}` passes no gradient on"),
        )
        .label(model.graph[node].span, "stays as it begins")
        .label(model.graph[first].span, "compares rows and counts")
        .help(format!("put `{by}` first, or leave `{name}` out"))
    };
    found.map(report).into_iter().collect()
}
