//! Stages whose result nothing reads.

use crate::diagnostic::Diagnostic;
use crate::ir::{Model, inputs_of};
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
