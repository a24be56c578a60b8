//! Whether a pipeline can be repeated until nothing changes any more.

use crate::diagnostic::Diagnostic;
use crate::ir::{self, NoBound, Node};
use crate::ops::findings::fixed_point;
use crate::ops::{Action, STATE};
use petgraph::graph::{DiGraph, NodeIndex};

/// What is wrong with the `fixed_point`s of a model whose types are inferred.
pub fn can_be_found(graph: &DiGraph<Node, usize>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for (found, missing) in ir::fixed_points(graph) {
        let (state, end) = (found.state, found.end);
        let place = graph[end].span;
        let inside = ir::inside(graph, state, end);
        if !inside.reads_state {
            findings.push(fixed_point::no_state(place));
            continue;
        }
        if !inside.reads_others {
            findings.push(fixed_point::reads_nothing(place));
        }
        let mut stages = inside.stages.iter().map(|(node, _)| *node);
        if let Some(finding) = stages.find_map(|node| not_inside(graph, node, end)) {
            findings.push(finding);
            continue;
        }
        let asked = || graph[end].args.get("contraction").and_then(|arg| arg.span).unwrap_or(place);
        findings.extend(missing.map(|missing| match missing {
            NoBound::Stage(node) => fixed_point::no_bound(graph[node].op.name(), graph[node].span, asked()),
            NoBound::NoWeights => fixed_point::no_weights(asked()),
        }));
    }
    findings
}

fn not_inside(graph: &DiGraph<Node, usize>, node: NodeIndex, end: NodeIndex) -> Option<Diagnostic> {
    let Node { op, args, span, .. } = &graph[node];
    let (reason, help) = match op.action(args) {
        Action::Pooling(_) => (
            "which rows or clusters there are would jump from step to step",
            "pool before or behind `fixed_point`",
        ),
        Action::BatchNorm | Action::Dense { has_batch_norm: true, .. } => (
            "its statistics are those of the batch, so that graphs would decide where others come to rest",
            "use `layer_norm` or `graph_norm`, which look at a row or a graph alone",
        ),
        _ if op.name() == STATE.name() => {
            ("one would have to come to rest in every step of the other", "write one of them")
        }
        _ => {
            // Statistics that are kept change with every step.
            let keeps = ir::own_weights(graph, node)
                .into_iter()
                .any(|spec| !spec.is_trained && !spec.init.is_counted());
            return keeps.then(|| {
                let help = "use one that looks at a row or a graph alone, as `layer_norm` or `graph_norm`";
                fixed_point::not_inside(
                    op.name(),
                    "it keeps statistics of the steps",
                    help,
                    *span,
                    graph[end].span,
                )
            });
        }
    };
    Some(fixed_point::not_inside(op.name(), reason, help, *span, graph[end].span))
}
