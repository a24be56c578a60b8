//! Structure that the builder expands: `repeat` and `residual`. They leave no operator of their own behind.

use super::{Builder, Cursor, Stop, Wanted};
use crate::args::{ArgKind, ArgSpec, Args, CallSpec, Default};
use crate::bind::{Bound, Env};
use crate::ops::{self, Doc};
use crate::source::Span;

/// A word of the language that takes pipelines and is expanded into operators.
pub struct Combinator {
    pub spec: CallSpec,
    pub doc: Doc,
    pub(crate) expand: for<'a, 'p> fn(&'a mut Builder<'p>, Bound<'p>, Cursor, Span) -> Result<Cursor, Stop>,
}

/// Every combinator, in the order of the reference.
pub static COMBINATORS: &[Combinator] = &[
    Combinator {
        spec: CallSpec {
            name: "repeat",
            doc: "Puts a pipeline `n` times in a row, each time with weights of its own.",
            example: "repeat(3, gcn(64) -> relu)",
            args: &[
                ArgSpec {
                    name: "n",
                    kind: ArgKind::Int { min: 1, max: 10_000 },
                    default: Default::Required,
                    positional: true,
                    doc: "Number of repetitions.",
                },
                ArgSpec {
                    name: "pipeline",
                    kind: ArgKind::Pipeline { port: 0 },
                    default: Default::Required,
                    positional: true,
                    doc: "The pipeline that is repeated.",
                },
            ],
        },
        doc: Doc {
            summary: "Puts a pipeline `n` times in a row, each time with weights of its own.",
            formula: "f_n(… f_1(x) …)",
            paper: "",
            example: "repeat(3, gcn(64) -> relu) -> mean -> mlp",
        },
        expand: expand_repeat,
    },
    Combinator {
        spec: CallSpec {
            name: "residual",
            doc: "Adds the input of a pipeline to its result: `add(identity, pipeline)`.",
            example: "residual(gcn(64) -> relu)",
            args: &[ArgSpec {
                name: "pipeline",
                kind: ArgKind::Pipeline { port: 0 },
                default: Default::Required,
                positional: true,
                doc: "The pipeline that the input bypasses; a width that its last stage leaves out is that of the input.",
            }],
        },
        doc: Doc {
            summary: "Adds the input of a pipeline to its result: `add(identity, pipeline)`.",
            formula: "x + f(x)",
            paper: "He et al. 2016, \"Deep Residual Learning for Image Recognition\"",
            example: "gcn(64) -> residual(gcn(64) -> relu) -> mean -> mlp",
        },
        expand: expand_residual,
    },
];

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
