//! What poolings that keep the best nodes share: arguments, the shape rule, and the choice.

use super::{K, RATIO, kept_rows};
use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::InferCx;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::program::composite::{Composite, Connect, Keep};
use crate::program::{Index, V};
use crate::types::{Entity, Type};

/// [`RATIO`] of a selection.
pub const SHARE: ArgSpec = ArgSpec { doc: "Share of the nodes of each graph to keep, rounded up.", ..RATIO };

/// [`K`] of a selection.
pub const COUNT: ArgSpec =
    ArgSpec { doc: "Number of nodes of each graph to keep; a graph with fewer keeps them all.", ..K };

pub const MIN_SCORE: ArgSpec = ArgSpec {
    name: "min_score",
    kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
    default: Default::Inferred("given by `ratio` or `k`"),
    positional: false,
    doc: "Keeps the nodes with a score above this, where scores are a softmax over the nodes of a graph; where none is, the \
          best node stays.",
};

pub const NONLINEARITY: ArgSpec = ArgSpec {
    name: "nonlinearity",
    kind: ArgKind::Choice(&["tanh", "sigmoid"]),
    default: Default::Choice("tanh"),
    positional: false,
    doc: "Function that maps the score of a node to its weight; with `min_score` the softmax is all there is.",
};

pub const MULTIPLIER: ArgSpec = ArgSpec {
    name: "multiplier",
    kind: ArgKind::Float(Range::closed(1e-6, 1e6)),
    default: Default::Float(1.0),
    positional: false,
    doc: "What the features of the kept nodes are multiplied by at the end, so that they keep their size.",
};

pub const CONNECT: ArgSpec = ArgSpec {
    name: "connect",
    kind: ArgKind::Choice(&["edges", "walks"]),
    default: Default::Choice("edges"),
    positional: false,
    doc: "How kept nodes are joined: by the edges between them, or with `walks` as Graph U-Nets do, by an edge for each walk of one \
          or two edges, own loops included: `(A + I)²` without its diagonal. Values of the edges end with `walks`.",
};

/// Whether [`CONNECT`] makes other edges.
pub fn joins_anew(args: &Args) -> bool {
    args.choice("connect") == "walks"
}

/// The type of the kept nodes.
///
/// # Errors
/// `args::missing` and `args::conflict` for `ratio`, `k` and `min_score`, `args::no_effect` for `nonlinearity` beside
/// `min_score`, `levels::needs_nodes` and `levels::needs_rows` on anything but nodes.
pub fn kept(cx: &InferCx) -> Result<Type, Diagnostic> {
    let input = cx.inputs[0];
    nodes(cx)?;
    let rows = match cx.args.opt_float("min_score") {
        None => kept_rows(cx, &input.rows, "ratio = 0.5")?,
        Some(_) => {
            if let Some(other) = ["ratio", "k"].into_iter().find(|name| cx.args.is_written(name)) {
                return Err(findings::args::conflict(cx, "min_score", other));
            }
            if cx.args.is_written("nonlinearity") {
                let why = "with `min_score` the weight of a node is its softmax";
                return Err(findings::args::no_effect(cx, "nonlinearity", why));
            }
            input.rows.clone()
        }
    };
    Ok(Type {
        entity: Entity::Nodes,
        level: cx.new_level,
        rows,
        width: input.width.clone(),
        symmetry: findings::symmetry::kept(cx),
    })
}

/// # Errors
/// `levels::needs_nodes` and `levels::needs_rows` on anything but nodes.
pub fn nodes(cx: &InferCx) -> Result<(), Diagnostic> {
    match cx.inputs[0].entity {
        Entity::Nodes => Ok(()),
        Entity::Graph => Err(findings::levels::needs_rows(cx)),
        Entity::Edges | Entity::EdgeKinds | Entity::Pairs | Entity::Clusters | Entity::Slots => {
            Err(findings::levels::needs_nodes(cx))
        }
    }
}

/// Which nodes stay.
pub fn kept_nodes(args: &Args) -> Keep {
    let least = args.get("min_score").and_then(|_| args.opt_float("min_score"));
    match (least, args.opt_float("ratio"), args.opt_int("k")) {
        (Some(least), ..) => Keep::MinScore(least),
        (_, Some(ratio), _) => Keep::Ratio(ratio),
        (.., k) => Keep::Count(k.unwrap_or(1) as usize),
    }
}

/// The nodes with the best scores `[N, 1]`, weighted by them.
pub fn selected<'b>(cx: &ProgramCx<'_, 'b>, score: V<'b>) -> Outcome<'b> {
    let (a, b) = (cx.args, cx.b);
    let keep = kept_nodes(a);
    let is_softmax = matches!(keep, Keep::MinScore(_));
    let score = if is_softmax { score.softmax(Index::Graph) } else { score };
    // Nodes are chosen by the score before the nonlinearity, which rises with it: the choice is the same,
    // but scores that the nonlinearity rounds to one value are still distinguished.
    let has_walks = a.get("connect").is_some() && joins_anew(a);
    let connect = if has_walks { Connect::Walks } else { Connect::Edges };
    let selection = b.call(Composite::Select(keep, connect), &[score]);
    let kept = |v: V<'b>| b.call(Composite::Kept, &[v, selection]);
    let (x, score) = (kept(cx.x()), kept(score));
    let weight = match a.choice("nonlinearity") {
        _ if is_softmax => score,
        "sigmoid" => score.sigmoid(),
        _ => score.tanh(),
    };
    Outcome::kept((x * weight).scale(a.float("multiplier")), selection)
}
