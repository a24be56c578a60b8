//! Levels of the hierarchy: what has edges, what has rows, and which values live on the same graph.

use super::shape;
use crate::args::{ArgKind, ArgSpec, Args, Default, EdgeValue};
use crate::diagnostic::Diagnostic;
use crate::ops::{self, Action, Family, InferCx, Ports};
use crate::source::Span;
use crate::types::{Entity, Type};

/// An operator that sends messages gets a value without edges: a graph vector or sorted slots.
pub fn needs_edges(cx: &InferCx) -> Diagnostic {
    let name = cx.op.name();
    let why = match cx.inputs[0].entity {
        Entity::Graph => "one vector per graph has no edges",
        Entity::Slots => "sorted slots have no edges",
        Entity::Edges | Entity::EdgeKinds => "there are no edges between edges",
        Entity::Pairs => "there are no edges between pairs",
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

/// A stage inside `hetero` is where there is one relation, or one type of nodes.
pub fn needs_relations(cx: &InferCx, why: &str) -> Diagnostic {
    let name = cx.op.name();
    let message = format!("`hetero` gives `{name}` weights for each relation or type of nodes, but {why}");
    Diagnostic::error("levels::needs_relations", message).label(cx.span, "inside `hetero`").help(
        "leave `hetero` out, or take data with several types of nodes and have the stage before any pooling",
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

/// An operator that goes over rows one after another gets rows without an order of their own.
pub fn needs_slots(cx: &InferCx) -> Diagnostic {
    let name = cx.op.name();
    made_here(
        cx,
        Diagnostic::error(
            "levels::needs_slots",
            format!("`{name}` goes over slots in their order, but gets {}", cx.inputs[0]),
        )
        .label(cx.span, "slots are needed here"),
        "these are not slots",
    )
    .help(format!("put `sort_pool(30)` before `{name}`, which sorts the nodes by their values"))
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

/// An operator that learns something for each node gets data of several graphs.
pub fn needs_one_graph(cx: &InferCx, data: &crate::types::DataFacts) -> Diagnostic {
    let name = cx.op.name();
    Diagnostic::error(
        "levels::needs_one_graph",
        format!("`{name}` learns a row for each node, but {} has {} graphs", data.name, data.n_graphs),
    )
    .label(cx.span, "nodes of one graph only have places in a table")
    .help("map features of the nodes instead, `linear(16)`, or use data of one graph")
    .guess(
        cx.span,
        match cx.args.opt_int("width") {
            Some(width) => format!("linear({width})"),
            None => "linear".to_owned(),
        },
    )
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
            Entity::Edges | Entity::EdgeKinds => "a row for each edge".to_owned(),
            Entity::Pairs => "a row for each pair".to_owned(),
            _ if ty.level.0 == 0 => "the input graph".to_owned(),
            _ => format!("level {} of the hierarchy", ty.level.0),
        };
        if cx.input_spans[port] != cx.span {
            finding = finding.label(cx.input_spans[port], format!("this is {ty}: {level}"));
        }
    }
    if first.entity.is_of_edges() || other.entity.is_of_edges() {
        return finding.help(
            "values of the edges are given to a convolution as an argument, for example `edge = edges`",
        );
    }
    // A pooling's network computes for each row that comes in.
    let is_of_port = |spec: &&ArgSpec| matches!(spec.kind, ArgKind::Pipeline { port: own } if own == port);
    match cx.op.args().iter().find(is_of_port) {
        Some(spec) => {
            let (arg, row) = (spec.name, if first.entity == Entity::Clusters { "cluster" } else { "node" });
            let finding = finding.help(format!(
                "`{arg}` needs a row for each {row}: leave out of it what gathers them, for example `{arg} = linear`"
            ));
            match cx.args.get(arg).and_then(|given| given.span) {
                Some(place) => finding.guess(place, format!("{arg} = linear")),
                None => finding,
            }
        }
        None => finding.help("end each branch in a readout, for example `concat(fine -> mean, mean)`"),
    }
}

/// A lift whose value was not made by a pooling of the level that it names.
pub fn no_way_back(cx: &InferCx) -> Diagnostic {
    let name = cx.op.name();
    let mut finding = Diagnostic::error(
        "levels::no_way_back",
        format!("`{name}` undoes one pooling, but none led from {} to {}", cx.inputs[1], cx.inputs[0]),
    )
    .label(cx.span, "nothing to undo");
    for (port, what) in [(1, "to these rows"), (0, "of this value")] {
        if cx.input_spans[port] != cx.span {
            finding = finding.label(cx.input_spans[port], what);
        }
    }
    finding.help(
        "name the value that the pooling is applied to, and undo several poolings one by one, the last first: \
         `a -> topk(ratio = 0.5) -> … -> lift(a)`",
    )
}

/// Whether a finding says that a stage cannot take a value of the edges.
pub fn is_about_edges(finding: &Diagnostic) -> bool {
    ["levels::not_for_edges", "levels::kinds"].contains(&finding.code)
}

/// An operator that works on nodes, clusters or places gets a value of the edges.
///
/// # Errors
/// `levels::not_for_edges`; `levels::kinds` where the rows are kinds, which nothing computes with.
pub fn takes_edges(cx: &InferCx) -> Result<(), Diagnostic> {
    let action = cx.op.action(cx.args);
    if matches!(action, Action::RemainingEdges | Action::EdgesOfPairs | Action::Identity) {
        return Ok(());
    }
    let n_applied_to = if matches!(cx.op.ports(), Ports::Many(_)) { cx.inputs.len() } else { 1 };
    let kinds = cx.inputs.iter().take(n_applied_to).position(|ty| ty.entity == Entity::EdgeKinds);
    if let Some(port) = kinds {
        return Err(kinds_are_no_numbers(cx, port));
    }
    match cx.inputs.first() {
        Some(ty) if ty.entity == Entity::Edges && !action.is_by_rows() => Err(not_for_edges(cx)),
        _ => Ok(()),
    }
}

fn not_for_edges(cx: &InferCx) -> Diagnostic {
    let name = cx.op.name();
    let finding = Diagnostic::error(
        "levels::not_for_edges",
        format!("`{name}` works on nodes, but gets a value of the edges: {}", cx.inputs[0]),
    )
    .label(cx.span, format!("`{name}` cannot take values of the edges"));
    let finding = made_here(cx, finding, "a row for each edge");
    let given = match ops::takes_edges(EdgeValue::Features) {
        Some((op, arg)) => {
            format!("a convolution takes the value as an argument, `{}({arg} = edges)`", op.name())
        }
        None => "a convolution takes the value as an argument".to_owned(),
    };
    let finding = finding.help(format!(
        "on edges stand stages that work row by row (`linear`, `mlp`, activations, norms, `dropout`, `concat`, `add`); {given}"
    ));
    let is_layer = cx.op.family() == Family::Convolution && cx.args.is_written("out");
    finding.guess(cx.span, if is_layer { linear(cx.args) } else { String::new() })
}

fn kinds_are_no_numbers(cx: &InferCx, port: usize) -> Diagnostic {
    let name = cx.op.name();
    let finding = Diagnostic::error(
        "levels::kinds",
        format!(
            "`{name}` computes with numbers, but `edge_labels` names the kinds of edges: {}",
            cx.inputs[port]
        ),
    )
    .label(cx.input_spans[port], "a kind is no number to compute with");
    let finding = match ops::takes_edges(EdgeValue::Kind) {
        Some((op, arg)) => finding.help(format!(
            "give it to a convolution with relations, `{}({arg} = edge_labels)`; `edges` has the columns of the data",
            op.name()
        )),
        None => finding.help("`edges` has the columns of the data, among them a column for each kind"),
    };
    finding.guess(cx.input_spans[port], "edges")
}

/// Values of the edges that are given as arguments: of the right kind, and of the graph that the stage works on.
/// `ended_by` is the pooling that made this graph, where it is known.
///
/// # Errors
/// `levels::edges_needed`, `levels::edges_end`, `levels::mixed_levels`, and `shape::width_mismatch` for a weight of more
/// than one column.
pub fn edge_arguments(cx: &InferCx, ended_by: Option<Span>) -> Result<(), Diagnostic> {
    for spec in cx.op.args() {
        let (ArgKind::Edges(wanted), Some(port)) = (spec.kind, cx.port(spec.name)) else { continue };
        let (given, nodes) = (cx.inputs[port], cx.inputs[0]);
        let place = cx.args.get(spec.name).and_then(|arg| arg.span).unwrap_or(cx.span);
        let is_right = match wanted {
            // What the compiler put before a decoder.
            EdgeValue::Features if cx.op.family() == Family::Decoder => given.entity == Entity::Pairs,
            EdgeValue::Features | EdgeValue::Weight => given.entity == Entity::Edges,
            EdgeValue::Kind => given.entity == Entity::EdgeKinds,
        };
        if !is_right {
            return Err(edges_needed(cx, spec, wanted, given, place));
        }
        if nodes.entity == Entity::Clusters {
            return Err(edges_end(cx, spec, place, ended_by));
        }
        if given.level != nodes.level {
            return Err(match given.entity {
                // Kinds follow selections, so edges have become one on the way.
                Entity::EdgeKinds => kinds_end(cx, spec, place, ended_by),
                Entity::Edges if nodes.level > given.level => edges_end(cx, spec, place, ended_by),
                _ => mixed_levels(cx, port),
            });
        }
        // Of edges without columns the data is reported.
        if wanted == EdgeValue::Weight && given.width.known().is_some_and(|width| width > 1) {
            return Err(shape::one_column(cx, spec.name, port, place));
        }
    }
    Ok(())
}

/// One number for each edge, made of all that it carries.
const ONE_COLUMN: &str = "edges -> linear(1) -> sigmoid";

fn edges_needed(cx: &InferCx, spec: &ArgSpec, wanted: EdgeValue, given: &Type, place: Span) -> Diagnostic {
    let (name, op) = (spec.name, cx.op.name());
    // However many columns the edges have.
    let example = if wanted == EdgeValue::Weight { ONE_COLUMN } else { wanted.example() };
    let help = match (wanted, given.entity) {
        (EdgeValue::Kind, _) => {
            format!("the kinds of the data's edges are `{example}`: write `{name} = {example}`")
        }
        (_, Entity::EdgeKinds) => {
            format!("`edges` has the columns of the data: write `{name} = {example}`")
        }
        (EdgeValue::Weight, _) => format!("a pipeline on edges begins with `edges`: `{name} = {example}`"),
        _ => format!(
            "a pipeline on edges begins with `edges`: `{name} = edges -> linear(64)`, or `{name} = {example}`"
        ),
    };
    Diagnostic::error(
        "levels::edges_needed",
        format!("`{name}` of `{op}` expects {}, but gets {given}", spec.kind.expects()),
    )
    .label(place, format!("this has to be {}", spec.kind.expects()))
    .help(help)
    .guess(place, format!("{name} = {example}"))
}

fn edges_end(cx: &InferCx, spec: &ArgSpec, place: Span, ended_by: Option<Span>) -> Diagnostic {
    let (name, op) = (spec.name, cx.op.name());
    let finding = Diagnostic::error(
        "levels::edges_end",
        format!("`{op}` works on {}, which have no edges of the data to take `{name}` from", cx.inputs[0]),
    )
    .label(place, "asks for values of the input graph's edges");
    let finding = match ended_by {
        Some(pooling) => {
            finding.label(pooling, "the edges of the data end here: what it makes is joined by new ones")
        }
        None => finding,
    };
    if spec.default == Default::Required {
        let finding = finding
            .help(format!("put `{op}` before the pooling, or use a convolution without `{name}` here"));
        return finding.guess(cx.span, linear(cx.args));
    }
    finding.help(format!("leave `{name}` out here, or put `{op}` before the pooling")).guess(place, "")
}

fn kinds_end(cx: &InferCx, spec: &ArgSpec, place: Span, ended_by: Option<Span>) -> Diagnostic {
    let (name, op) = (spec.name, cx.op.name());
    let finding = Diagnostic::error(
        "levels::edges_end",
        format!("`{op}` works on {}, whose edges have no kinds to take `{name}` from", cx.inputs[0]),
    )
    .label(place, "asks for the kinds of the input graph's edges");
    let finding = match ended_by {
        Some(pooling) => finding.label(pooling, "edges become one here, and may differ in kind"),
        None => finding,
    };
    finding
        .help(format!("put `{op}` before the pooling, or use a convolution without `{name}` here"))
        .guess(cx.span, linear(cx.args))
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
