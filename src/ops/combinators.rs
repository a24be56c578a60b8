//! Words that stand among the operators and leave none behind: `repeat`, `residual`, `fixed_point` and `hetero`, which the builder of
//! models expands ([`crate::ir`]).

use super::Doc;
use super::hetero::Combine;
use super::structure::fixed_point::{CONTRACTION, MAX_STEPS, TOLERANCE};
use crate::args::{ArgKind, ArgSpec, CallSpec, Default};

/// A word of the language that takes pipelines and is expanded into operators.
pub struct Combinator {
    pub spec: CallSpec,
    pub doc: Doc,
    pub expansion: Expansion,
}

/// What becomes of the pipelines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expansion {
    Repeat,
    Residual,
    FixedPoint,
    Hetero,
}

/// Every combinator, in the order of the reference.
pub static COMBINATORS: &[Combinator] = &[
    Combinator {
        spec: CallSpec {
            name: "repeat",
            doc: "Puts a pipeline `n` times in a row, each time with weights of its own or all with the same.",
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
                ArgSpec::flag(
                    "share",
                    false,
                    "Every repetition has the same weights, of the first one, so that `n` is a depth and no number of weights.",
                ),
            ],
        },
        doc: Doc {
            summary: "Puts a pipeline `n` times in a row, each time with weights of its own or all with the same.",
            formula: "f_n(… f_1(x) …), or f(… f(x) …)",
            paper: "",
            example: "repeat(3, gcn(64) -> relu) -> mean -> mlp",
        },
        expansion: Expansion::Repeat,
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
        expansion: Expansion::Residual,
    },
    Combinator {
        spec: CallSpec {
            name: "fixed_point",
            doc: "Repeats a pipeline with the same weights until its result no longer changes.",
            example: "fixed_point(add(gcn(64), first) -> tanh)",
            args: &[
                ArgSpec {
                    name: "pipeline",
                    kind: ArgKind::Pipeline { port: 0 },
                    default: Default::Required,
                    positional: true,
                    doc: "The pipeline that is repeated: it keeps the width, and reads some value besides its own result.",
                },
                TOLERANCE,
                MAX_STEPS,
                CONTRACTION,
            ],
        },
        doc: Doc {
            summary: "Repeats a pipeline with the same weights until its result no longer changes, and goes back through the equation.",
            formula: "h = f(h),  ∂L/∂θ = vᵀ ∂f/∂θ with v = ∂L/∂h + (∂f/∂h)ᵀ v",
            paper: "Scarselli et al. 2009, \"The Graph Neural Network Model\"; Almeida 1987 and Pineda 1987 for the gradient",
            example: "linear(32) as first -> fixed_point(add(sage(32), first) -> tanh, contraction = 0.9) -> sum -> mlp",
        },
        expansion: Expansion::FixedPoint,
    },
    Combinator {
        spec: CallSpec {
            name: "hetero",
            doc: "Gives convolutions weights of their own for each relation, and dense layers and norms for each type of nodes.",
            example: "hetero(sage(64) -> relu -> sage(64))",
            args: &[
                ArgSpec {
                    name: "pipeline",
                    kind: ArgKind::Pipeline { port: 0 },
                    default: Default::Required,
                    positional: true,
                    doc: "The pipeline that is lifted.",
                },
                ArgSpec {
                    name: "aggregate",
                    kind: ArgKind::Choice(Combine::NAMES),
                    default: Default::Choice("sum"),
                    positional: false,
                    doc: "What becomes of the results of the relations that lead to one type of nodes.",
                },
            ],
        },
        doc: Doc {
            summary: "Gives convolutions weights of their own for each relation, and dense layers and norms for each type of nodes.",
            formula: "h_i = Σ_r f_r(x, E_r)_i over the relations r that lead to the type of i",
            paper: "Schlichtkrull et al. 2018, \"Modeling Relational Data with Graph Convolutional Networks\"",
            example: "linear(64) -> hetero(sage(64) -> relu -> sage(64)) -> mean -> linear",
        },
        expansion: Expansion::Hetero,
    },
];
