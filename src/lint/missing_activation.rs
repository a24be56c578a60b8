//! `missing_activation`: two linear layers in a row, which are one.

use super::{Cx, Lint, NeedsData};
use crate::diagnostic::Diagnostic;
use crate::ir::Author;
use crate::ops::Action;
use petgraph::graph::NodeIndex;

/// A linear map behind a linear map is a linear map: `(x W_1) W_2 = x (W_1 W_2)`. Batch norm in between is one more
/// (in evaluation), and dropout none. A narrow layer in between is a factorisation, which is meant.
///
/// Paper: Wu et al. 2019, "Simplifying Graph Convolutional Networks", where the layers between convolutions are left
/// out on purpose, and with them their weights.
pub static LINT: Lint = Lint {
    code: "lint::missing_activation",
    summary: "two linear layers in a row, which amount to one",
    needs_data: NeedsData::Never,
    thresholds: &[],
    find,
};

/// What a stage is in a row of linear maps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Dense,
    Convolution,
}

fn find(cx: &Cx) -> Vec<Diagnostic> {
    cx.nodes().filter_map(|node| finding(cx, node)).collect()
}

fn finding(cx: &Cx, node: NodeIndex) -> Option<Diagnostic> {
    let kind = match cx.action(node) {
        Action::Dense { .. } => Kind::Dense,
        Action::Messages { is_linear: true, .. } => Kind::Convolution,
        _ => return None,
    };
    let (mut at, mut between) = (cx.input(node)?, None);
    loop {
        // What others read too has a use of its own.
        if cx.readers(at).len() != 1 {
            return None;
        }
        let before = match cx.action(at) {
            Action::Dense { .. } => Some(Kind::Dense),
            Action::Messages { is_linear: true, .. } => Some(Kind::Convolution),
            Action::BatchNorm | Action::Dropout { .. } | Action::Identity => None,
            _ => return None,
        };
        match before {
            Some(before) if before == kind => break,
            // A dense layer in front of a convolution, or behind it, is a projection.
            Some(_) => return None,
            None => {
                between.get_or_insert(at);
                at = cx.input(at)?;
            }
        }
    }
    let width = |node: NodeIndex| cx.node(node).ty.width.known();
    if let (Some(input), Some(middle), Some(output)) = (width(cx.input(at)?), width(at), width(node))
        && middle < input.min(output)
    {
        return None;
    }
    // What the file does not say cannot be changed in it.
    if [node, at].iter().any(|&node| cx.node(node).author != Author::File) {
        return None;
    }
    let (first, second) = (cx.name(at), cx.name(node));
    let stands = match between.map(|node| cx.action(node)) {
        Some(Action::BatchNorm) => ", with only batch norm between them",
        Some(_) => ", with only dropout between them",
        None => "",
    };
    let what = match (kind, cx.action(node)) {
        (Kind::Dense, Action::Dense { is_affine: false, .. }) => "the first layer of the MLP",
        (Kind::Dense, _) => "one linear layer",
        (Kind::Convolution, _) => "one linear map of the two-hop neighbourhood",
    };
    let message = format!("{first} and {second} are linear and follow one another{stands}");
    let mut finding = Diagnostic::warning(LINT.code, message);
    finding = if cx.node(at).span == cx.node(node).span {
        finding.label(cx.node(node).span, format!("two of these in a row amount to {what}"))
    } else {
        finding
            .label(cx.node(node).span, format!("with the layer before, this amounts to {what}"))
            .label(cx.node(at).span, "linear, with no activation after it")
    };
    let before = cx.text(cx.node(at).span);
    let norm = match between.map(|node| cx.action(node)) {
        Some(Action::BatchNorm) => " -> batch_norm",
        _ => "",
    };
    let behind = cx.node(between.unwrap_or(at)).span;
    let place = crate::source::Span { start: behind.end, ..behind };
    Some(
        finding
            .help(format!(
                "put an activation between them: `{before}{norm} -> relu`, or leave one of them out"
            ))
            .guess(place, " -> relu"),
    )
}

#[cfg(test)]
mod tests {
    use crate::lint::testing::lints;

    #[test]
    fn linear_layers_in_a_row_are_told() {
        for text in [
            "gin(8) -> sum -> linear(8) -> linear(8) -> relu -> linear",
            "gin(8) -> sum -> linear(8) -> mlp",
            "gin(8) -> sum -> linear(8) -> dropout(0.5) -> linear(8) -> relu -> linear",
            "gin(8) -> sum -> linear(8) -> batch_norm -> linear(8) -> relu -> linear",
            "gcn(8) -> gcn(8) -> relu -> mean -> linear",
            "repeat(3, gcn(8)) -> mean -> linear",
        ] {
            assert_eq!(lints(text), ["missing_activation"], "{text}");
        }
    }

    #[test]
    fn what_is_bent_or_narrow_or_read_elsewhere_is_not() {
        for text in [
            "gin(8) -> sum -> linear(8) -> relu -> linear",
            "gin(8) -> gin(8) -> sum -> linear",
            "gcn(8) -> mean -> mlp",
            "gcn(8) -> linear(8) -> relu -> mean -> linear",
            "linear(8) -> gcn(8) -> relu -> mean -> linear",
            "gin(64) -> sum -> linear(4) -> linear(64) -> relu -> linear",
            "gcn(8) as a -> gcn(8) -> concat(a, identity) -> mean -> mlp",
        ] {
            assert_eq!(lints(text), [""; 0], "{text}");
        }
    }
}
