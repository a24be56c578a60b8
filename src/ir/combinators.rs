//! Structure that the builder expands: `repeat` and `residual`. They leave no operator of their own behind.

use super::{Builder, Cursor, Stop, Wanted};
use crate::args::Args;
use crate::bind::{Bound, Env};
use crate::ops;
use crate::ops::combinators::Expansion;
use crate::source::Span;

impl Expansion {
    /// Puts the stages that the call stands for behind `cursor`.
    pub(crate) fn expand<'p>(
        self,
        builder: &mut Builder<'p>,
        bound: Bound<'p>,
        cursor: Cursor,
        span: Span,
    ) -> Result<Cursor, Stop> {
        match self {
            Expansion::Repeat => expand_repeat(builder, bound, cursor, span),
            Expansion::Residual => expand_residual(builder, bound, cursor, span),
        }
    }
}

fn expand_repeat<'p>(
    builder: &mut Builder<'p>,
    bound: Bound<'p>,
    cursor: Cursor,
    span: Span,
) -> Result<Cursor, Stop> {
    let n = bound.args.int("n");
    let mut cursor = cursor;
    let Some(pipeline) = bound.pipelines.first() else { return Ok(cursor) };
    for round in 1..=n {
        let env = Env::child(&pipeline.value.env);
        builder.open_scope(format!("repeat {round}"), span);
        let result = builder.apply(pipeline.value.expr, &env, cursor);
        builder.close_scope();
        cursor = result?;
    }
    Ok(cursor)
}

fn expand_residual<'p>(
    builder: &mut Builder<'p>,
    bound: Bound<'p>,
    cursor: Cursor,
    span: Span,
) -> Result<Cursor, Stop> {
    let Some(pipeline) = bound.pipelines.first() else { return Ok(cursor) };
    let first_new = builder.graph.node_count();
    let env = Env::child(&pipeline.value.env);
    let start = Cursor { node: cursor.node, is_start: true };
    let end = builder.apply(pipeline.value.expr, &env, start)?;
    for node in builder.width_setters(end.node, first_new) {
        builder.wanted.entry(node).or_insert(Wanted::WidthOf(cursor.node));
    }
    let add = ops::find("add").expect("the catalogue has `add`");
    let node = builder.add_node(add, Args::default(), span, &[(0, cursor.node), (1, end.node)])?;
    Ok(Cursor { node, is_start: false })
}
