//! Structure that the builder expands: `repeat`, `residual`, `fixed_point` and `hetero`.

use super::{Builder, Cursor, Node, Stop, Wanted};
use crate::args::{ArgValue, Args};
use crate::bind::{Bound, Env};
use crate::ops;
use crate::ops::combinators::Expansion;
use crate::ops::findings::shape;
use crate::ops::hetero::{Combine, Lifted};
use crate::source::Span;
use petgraph::graph::NodeIndex;

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
            Expansion::FixedPoint => expand_fixed_point(builder, bound, cursor, span),
            Expansion::Hetero => expand_hetero(builder, bound, cursor, span),
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
    let shared_by =
        bound.args.bool("share").then(|| bound.args.get("share").and_then(|arg| arg.span)).flatten();
    let mut first_round: Option<Vec<NodeIndex>> = None;
    for round in 1..=n {
        let env = Env::child(&pipeline.value.env);
        let first_new = builder.graph.node_count();
        builder.open_scope(format!("repeat {round}"), span);
        let result = builder.apply(pipeline.value.expr, &env, cursor);
        builder.close_scope();
        cursor = result?;
        if let Some(place) = shared_by {
            let stages = builder.stages_of_round(first_new, place);
            match &first_round {
                None => first_round = Some(stages),
                Some(first) => builder.share(first, &stages, place),
            }
        }
    }
    Ok(cursor)
}

impl Builder<'_> {
    /// The stages that were built since, but for those that belong to the whole file and may have been built in any round.
    fn stages_of_round(&mut self, first_new: usize, shared_by: Span) -> Vec<NodeIndex> {
        let is_of_round = |builder: &Self, node: NodeIndex| {
            builder.made[node.index()].stands_behind.is_none()
                && ![ops::REMAINING_EDGES, ops::EDGES_OF_PAIRS]
                    .iter()
                    .any(|added| ops::is_same(*added, builder.graph[node].op))
        };
        let new = (first_new..self.graph.node_count()).map(NodeIndex::new);
        let stages: Vec<NodeIndex> = new.filter(|&node| is_of_round(self, node)).collect();
        for &node in &stages {
            self.made[node.index()].shared_by = Some(shared_by);
        }
        stages
    }

    /// Stages of a round take the weights of the first one.
    fn share(&mut self, first: &[NodeIndex], stages: &[NodeIndex], place: Span) {
        let is_same = |(&a, &b): (&NodeIndex, &NodeIndex)| ops::is_same(self.graph[a].op, self.graph[b].op);
        if first.len() != stages.len() || !first.iter().zip(stages).all(is_same) {
            // An assignment may be as wide as its clusters in one round alone.
            self.ev.report(shape::rounds_differ(place));
            return;
        }
        for (&from, &to) in first.iter().zip(stages) {
            self.graph[to].shares = Some(self.graph[from].shares.unwrap_or(from));
        }
    }
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

fn expand_fixed_point<'p>(
    builder: &mut Builder<'p>,
    bound: Bound<'p>,
    cursor: Cursor,
    span: Span,
) -> Result<Cursor, Stop> {
    let Some(pipeline) = bound.pipelines.first() else { return Ok(cursor) };
    let state = builder.add_node(ops::STATE, Args::default(), span, &[(0, cursor.node)])?;
    let env = Env::child(&pipeline.value.env);
    builder.open_scope("fixed_point", span);
    let result = builder.apply(pipeline.value.expr, &env, Cursor { node: state, is_start: true });
    builder.close_scope();
    let end = result?;
    for node in builder.width_setters(end.node, state.index() + 1) {
        builder.wanted.entry(node).or_insert(Wanted::WidthOf(state));
    }
    let args = bound.args.0.into_iter().filter(|arg| arg.value != ArgValue::Pipeline).collect();
    let node = builder.add_node(ops::FIXED_POINT, Args(args), span, &[(0, state), (1, end.node)])?;
    Ok(Cursor { node, is_start: false })
}

fn expand_hetero<'p>(
    builder: &mut Builder<'p>,
    bound: Bound<'p>,
    cursor: Cursor,
    span: Span,
) -> Result<Cursor, Stop> {
    let Some(pipeline) = bound.pipelines.first() else { return Ok(cursor) };
    let combine = Combine::from_name(bound.args.choice("aggregate")).unwrap_or(Combine::Sum);
    let first_new = builder.graph.node_count();
    let env = Env::child(&pipeline.value.env);
    builder.open_scope("hetero", span);
    let result = builder.apply(pipeline.value.expr, &env, cursor);
    builder.close_scope();
    let cursor = result?;
    for node in (first_new..builder.graph.node_count()).map(NodeIndex::new) {
        let made = &builder.made[node.index()];
        // Values of the edges are those of the whole graph.
        if made.stands_behind.is_some() || made.is_for_edges {
            continue;
        }
        let Node { op, args, .. } = &mut builder.graph[node];
        if Lifted::of(args).is_none()
            && let Some(lifted) = Lifted::for_operator(*op, args, combine)
        {
            lifted.mark(args);
        }
    }
    Ok(cursor)
}
