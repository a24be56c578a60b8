//! `idle_stage`: a stage that changes nothing.

use super::{Cx, Lint, NeedsData};
use crate::diagnostic::Diagnostic;
use crate::ir::Author;
use crate::ops::{Action, Gather, Select};
use crate::program::Fun;
use petgraph::graph::NodeIndex;

/// An activation of values that it leaves as they are (`relu` behind `relu`), a normalisation of what the same one has
/// normalised, an `identity` in the middle of a pipeline, a pooling that keeps every node. Often another stage was meant.
///
/// Paper: Glorot et al. 2011, "Deep Sparse Rectifier Neural Networks", for what a rectifier does to values.
pub static LINT: Lint = Lint {
    code: "lint::idle_stage",
    summary: "a stage that changes nothing: `relu -> relu`, `identity` between stages, `topk(ratio = 1)`",
    needs_data: NeedsData::Never,
    thresholds: &[],
    find,
};

fn find(cx: &Cx) -> Vec<Diagnostic> {
    let of_file = |node: &NodeIndex| cx.node(*node).author == Author::File;
    cx.nodes().filter(of_file).filter_map(|node| finding(cx, node)).collect()
}

fn finding(cx: &Cx, node: NodeIndex) -> Option<Diagnostic> {
    let stage = cx.node(node);
    let (span, text) = (stage.span, cx.text(stage.span));
    let leave_out = || format!("leave `{text}` out");
    let idle = |message: String, label: &str| Diagnostic::warning(LINT.code, message).label(span, label);
    match cx.action(node) {
        Action::Identity => {
            // As a branch, an assignment, an argument or the name of a value it has its use.
            (stands_in_a_row(cx, span) && stage.name.is_none()).then(|| {
                idle("`identity` changes nothing here".to_owned(), "gives on what it gets")
                    .help(leave_out())
                    .fix(span, "")
            })
        }
        Action::Activation => {
            let own = stage.op.as_activation(&stage.args)?;
            if let Fun::LeakyRelu(1.0) = own {
                return Some(
                    idle(format!("`{text}` changes nothing"), "a slope of 1 is a straight line")
                        .help(leave_out()),
                );
            }
            let keeps_positive = matches!(own, Fun::Relu | Fun::LeakyRelu(_) | Fun::Elu(_));
            let before = positive_source(cx, cx.input(node)?).filter(|_| keeps_positive)?;
            let name = cx.name(before);
            Some(
                idle(format!("`{text}` changes nothing behind {name}"), "no value is below zero here")
                    .label(cx.node(before).span, "makes all values zero or more")
                    .help(format!(
                        "{}, or write the stage that was meant to stand between them",
                        leave_out()
                    )),
            )
        }
        action @ (Action::BatchNorm | Action::RowNorm) => {
            let before = cx.input(node)?;
            let other = cx.node(before);
            let is_same = cx.action(before) == action
                && other.op.name() == stage.op.name()
                && other.args.0.iter().zip(&stage.args.0).all(|(a, b)| a.value == b.value);
            (is_same && cx.readers(before).len() == 1).then(|| {
                idle(
                    format!("`{text}` normalises what is normalised already"),
                    "nothing is left to normalise",
                )
                .label(other.span, "normalised here")
                .help("leave one of them out, or write the stage that was meant to stand between them")
            })
        }
        Action::Pooling(Select::Keep) => (stage.args.opt_float("ratio") == Some(1.0)).then(|| {
            idle(format!("`{text}` keeps every node"), "a share of 1 is all of them")
                .help("write a smaller share, such as `topk(ratio = 0.5)`, or leave it out")
                .guess(span, "topk(ratio = 0.5)")
        }),
        _ => None,
    }
}

/// Whether a stage is written with an arrow before or behind it, and not as an argument that stands for a stage.
fn stands_in_a_row(cx: &Cx, span: crate::source::Span) -> bool {
    let text = &*cx.sources.file(span.file).text;
    let before = text[..span.start as usize].trim_end();
    let after = text[span.end as usize..].trim_start();
    before.ends_with("->") || after.starts_with("->")
}

/// The stage behind which a value is zero or more for certain.
fn positive_source(cx: &Cx, node: NodeIndex) -> Option<NodeIndex> {
    let mut at = node;
    loop {
        match cx.action(at) {
            Action::Activation => {
                let stage = cx.node(at);
                return match stage.op.as_activation(&stage.args)? {
                    Fun::Relu | Fun::Sigmoid => Some(at),
                    _ => None,
                };
            }
            Action::Identity | Action::Dropout { .. } => at = cx.input(at)?,
            Action::Readout(Gather::Sum | Gather::Mean | Gather::Max) => at = cx.input(at)?,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::testing::lints;

    #[test]
    fn stages_that_change_nothing_are_told() {
        for text in [
            "gin(8) -> relu -> relu -> sum -> linear",
            "gin(8) -> relu -> mean -> relu -> linear",
            "gin(8) -> sigmoid -> relu -> sum -> linear",
            "gin(8) -> relu -> leaky_relu(0.1) -> sum -> linear",
            "gin(8) -> relu -> identity -> sum -> linear",
            "gin(8) -> relu -> sum -> linear -> identity",
            "gin(8) -> batch_norm -> batch_norm -> relu -> sum -> linear",
            "gin(8) -> layer_norm -> layer_norm -> relu -> sum -> linear",
            "block layer(act) = gin(8) -> act\nmodel = layer(relu) -> relu -> sum -> linear",
        ] {
            assert_eq!(lints(text), ["idle_stage"], "{text}");
        }
        assert!(
            lints("gin(8) -> relu -> topk(ratio = 1) -> gin(8) -> relu -> sum -> mlp")
                .contains(&"idle_stage")
        );
    }

    #[test]
    fn stages_with_an_effect_are_not() {
        for text in [
            "gin(8) -> relu -> gin(8) -> relu -> sum -> linear",
            "gin(8) -> tanh -> relu -> sum -> linear",
            "gin(8) -> relu -> tanh -> sum -> linear",
            "gin(8) -> relu -> sigmoid -> sum -> linear",
            "gin(8) -> elu -> relu -> sum -> linear",
            "gin(8) -> relu -> concat(identity, gin(8) -> relu) -> sum -> linear",
            "gin(8) -> relu -> add(identity, gin(8) -> relu) -> sum -> linear",
            "gin(8) -> relu -> diffpool(k = 4, assign = identity) -> gin(8) -> relu -> max -> linear",
            "block layer(norm) = gin(8) -> norm -> relu\nmodel = layer(identity) -> layer(batch_norm) -> sum -> linear",
            "gin(8) -> batch_norm -> layer_norm -> relu -> sum -> linear",
        ] {
            assert!(!lints(text).contains(&"idle_stage"), "{text}: {:?}", lints(text));
        }
    }
}
