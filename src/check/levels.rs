//! Levels of the hierarchy: what has edges, what has rows, and which values live on the same graph.

use crate::args::Args;
use crate::diagnostic::Diagnostic;
use crate::ir::Entity;
use crate::ops::InferCx;

/// An operator that sends messages gets a value without edges: a graph vector or sorted slots.
pub fn needs_edges(cx: &InferCx) -> Diagnostic {
    let name = cx.op.name();
    let why = match cx.inputs[0].entity {
        Entity::Graph => "one vector per graph has no edges",
        Entity::Slots => "sorted slots have no edges",
        Entity::Edges => "there are no edges between edges",
        Entity::Nodes | Entity::Clusters => "it has no edges",
    };
    made_here(
        cx,
        Diagnostic::error("levels::needs_edges", format!("`{name}` needs edges, but gets {}", cx.inputs[0]))
            .label(cx.span, format!("`{name}` works along edges")),
        why,
    )
    .help(format!("put `{name}` before the stage that drops the edges, or use `linear` here"))
    // A convolution that the file does not write stands inside a pooling.
    .guess(
        cx.span,
        if cx.args.0.iter().any(|arg| arg.span.is_some()) { linear(cx.args) } else { String::new() },
    )
}

/// A readout or pooling gets a graph vector, which has nothing left to gather.
pub fn needs_rows(cx: &InferCx) -> Diagnostic {
    let name = cx.op.name();
    made_here(
        cx,
        Diagnostic::error(
            "levels::needs_rows",
            format!("`{name}` gathers nodes or clusters, but gets {}", cx.inputs[0]),
        )
        .label(cx.span, "nothing is left to gather"),
        "already one vector per graph",
    )
    .help(format!("leave `{name}` out: the value is already one vector per graph"))
    .guess(cx.span, "")
}

/// An operator that works on the nodes of a sparse graph alone (`topk`) gets something else.
pub fn needs_nodes(cx: &InferCx) -> Diagnostic {
    let name = cx.op.name();
    made_here(
        cx,
        Diagnostic::error(
            "levels::needs_nodes",
            format!("`{name}` works on nodes of a sparse graph, but gets {}", cx.inputs[0]),
        )
        .label(cx.span, "nodes are needed here"),
        "these are not nodes",
    )
    .help(format!("put `{name}` before the pooling or readout, or leave it out"))
    .guess(cx.span, "")
}

/// Values that live on different graphs of the hierarchy are combined row by row.
/// `port` is the first that does not match port 0.
pub fn mixed_levels(cx: &InferCx, port: usize) -> Diagnostic {
    let name = cx.op.name();
    let (first, other) = (cx.inputs[0], cx.inputs[port]);
    let mut finding = Diagnostic::error(
        "levels::mixed_levels",
        format!("`{name}` combines {first} with {other}, which live on different levels"),
    )
    .label(cx.span, "every branch has to end on the same level");
    for port in [0, port] {
        let ty = cx.inputs[port];
        let level = match ty.entity {
            Entity::Graph => "one row per graph".to_owned(),
            _ if ty.level.0 == 0 => "the input graph".to_owned(),
            _ => format!("level {} of the hierarchy", ty.level.0),
        };
        if cx.input_spans[port] != cx.span {
            finding = finding.label(cx.input_spans[port], format!("this is {ty}: {level}"));
        }
    }
    finding.help("end each branch in a readout, for example `concat(fine -> mean, mean)`")
}

/// The dense layer with the width of a convolution.
pub fn linear(args: &Args) -> String {
    let width = args.get("out").and_then(|_| args.opt_int("out"));
    width.map_or_else(|| "linear".to_owned(), |width| format!("linear({width})"))
}

fn made_here(cx: &InferCx, finding: Diagnostic, why: &str) -> Diagnostic {
    match cx.input_spans.first() {
        Some(&span) if span != cx.span => {
            finding.label(span, format!("{} is made here: {why}", cx.inputs[0]))
        }
        _ => finding,
    }
}
