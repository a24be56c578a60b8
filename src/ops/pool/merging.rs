//! What poolings that make one node of several share: arguments, the shape rule, and the features of what became one.

use super::selection::nodes;
use crate::args::{ArgKind, ArgSpec, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::program::ProgramCx;
use crate::ops::{InferCx, findings};
use crate::program::V;
use crate::program::composite::Composite;
use crate::types::Type;

pub const REDUCE: ArgSpec = ArgSpec {
    name: "reduce",
    kind: ArgKind::Choice(&["sum", "mean", "max"]),
    default: Default::Choice("sum"),
    positional: false,
    doc: "What the features of the nodes that become one are put together by.",
};

pub const SELF_LOOPS: ArgSpec = ArgSpec::flag(
    "self_loops",
    false,
    "Whether what became one is joined to itself by the edges inside of it.",
);

/// The type of the nodes that others become: as many as before at most.
///
/// # Errors
/// `levels::needs_nodes` and `levels::needs_rows` on anything but nodes.
pub fn merged(cx: &InferCx) -> Result<Type, Diagnostic> {
    nodes(cx)?;
    Ok(Type { level: cx.new_level, symmetry: findings::symmetry::kept(cx), ..cx.inputs[0].clone() })
}

/// The features of `level`, by [`REDUCE`].
pub fn reduced<'b>(cx: &ProgramCx<'_, 'b>, x: V<'b>, level: V<'b>) -> V<'b> {
    match cx.args.choice("reduce") {
        "max" => cx.b.call(Composite::MergedMax, &[x, level]),
        "mean" => cx.b.call(Composite::Merged, &[x, level]) * size(x, level).reciprocal(),
        _ => cx.b.call(Composite::Merged, &[x, level]),
    }
}

/// How many nodes each of a level was: `[1]`.
pub fn size<'b>(x: V<'b>, level: V<'b>) -> V<'b> {
    let ones = x.b.constant(1.0).in_space(x.space()).view(&[crate::types::Size::Known(1)]);
    x.b.call(Composite::Merged, &[ones, level])
}
