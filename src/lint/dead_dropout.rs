//! `dead_dropout`: dropout that has no effect, or does harm.

use super::{Cx, Lint, NeedsData};
use crate::diagnostic::Diagnostic;
use crate::ops::Action;
use petgraph::graph::NodeIndex;

/// Dropout with probability 0; of the result itself; of what was dropped already; and in front of batch norm, whose
/// running variance is that of training, with its zeros and larger numbers, and not that of evaluation.
///
/// Papers: Srivastava et al. 2014, "Dropout: A Simple Way to Prevent Neural Networks from Overfitting"; Li et al. 2019,
/// "Understanding the Disharmony between Dropout and Batch Normalization by Variance Shift".
pub static LINT: Lint = Lint {
    code: "lint::dead_dropout",
    summary: "dropout with probability 0, of the result, twice in a row, or in front of batch norm",
    needs_data: NeedsData::Never,
    thresholds: &[],
    find,
};

fn find(cx: &Cx) -> Vec<Diagnostic> {
    let dropout = |node| match cx.action(node) {
        Action::Dropout { p } => Some((node, p)),
        _ => None,
    };
    cx.nodes().filter_map(dropout).filter_map(|(node, p)| finding(cx, node, p)).collect()
}

fn finding(cx: &Cx, node: NodeIndex, p: f64) -> Option<Diagnostic> {
    let (span, text) = (cx.node(node).span, cx.text(cx.node(node).span));
    let warning = |message: String| Diagnostic::warning(LINT.code, message);
    if p == 0.0 {
        return Some(
            warning(format!("`{text}` drops nothing"))
                .label(span, "with probability 0")
                .help("leave it out, or write `dropout(0.5)`")
                .fix(span, ""),
        );
    }
    let mut at = node;
    loop {
        if at == cx.model.output {
            return Some(
                warning(format!("`{text}` drops values of the result itself"))
                    .label(span, "the loss compares what comes out here")
                    .help("put it in front of the last layer: `-> dropout(0.5) -> linear`"),
            );
        }
        // Followed by one stage alone, else the others may need it.
        let &[(reader, _)] = cx.readers(at) else { return None };
        match cx.action(reader) {
            Action::Dropout { p: again } if again > 0.0 => {
                let both = 1.0 - (1.0 - p) * (1.0 - again);
                return Some(
                    warning(format!("dropout twice in a row drops {} %", (100.0 * both).round()))
                        .label(cx.node(reader).span, "drops from what is left")
                        .label(span, "dropped here already")
                        .help(format!("write one of them: `dropout({})`", (100.0 * both).round() / 100.0))
                        .guess(cx.node(reader).span, ""),
                );
            }
            Action::BatchNorm => {
                return Some(
                    warning(format!("`{text}` in front of `batch_norm` shifts the variance that it learns"))
                        .label(span, "larger variance in training than in evaluation")
                        .label(cx.node(reader).span, "uses the variance of training in evaluation")
                        .help(format!("put it after: `batch_norm -> relu -> {text}`")),
                );
            }
            Action::Activation | Action::Identity => at = reader,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::testing::lints;

    #[test]
    fn dropout_without_use_is_told() {
        for text in [
            "gin(8) -> sum -> dropout(0) -> linear",
            "gin(8) -> sum -> linear -> dropout(0.5)",
            "gin(8) -> sum -> dropout -> relu -> dropout(0.2) -> linear",
            "gin(8) -> dropout(0.5) -> batch_norm -> relu -> sum -> linear",
            "gin(8) -> dropout(0.5) -> relu -> batch_norm -> sum -> linear",
        ] {
            assert_eq!(lints(text), ["dead_dropout"], "{text}");
        }
    }

    #[test]
    fn dropout_in_its_place_is_not() {
        for text in [
            "gin(8) -> sum -> dropout(0.5) -> linear",
            "gin(8) -> batch_norm -> relu -> dropout(0.5) -> sum -> mlp(dropout = 0.5)",
            "gin(8) -> dropout(0.2) -> gin(8) -> relu -> dropout(0.2) -> sum -> linear",
            "gin(8) -> dropout(0.2) -> concat(sum, max) -> linear",
        ] {
            assert_eq!(lints(text), [""; 0], "{text}");
        }
    }
}
