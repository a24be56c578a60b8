//! `activation_before_loss`: a result that cannot take every value that the loss asks for.

use super::{Cx, Lint, NeedsData};
use crate::data::Targets;
use crate::diagnostic::Diagnostic;
use crate::ops::Action;
use crate::program::Fun;
use crate::types::TargetKind;

/// Cross-entropy takes logits, any real number: behind a `relu` no class can be ruled out, and where all are zero no
/// gradient comes back; behind a `sigmoid` or `tanh` no answer can be certain. Values are only reported where the data
/// has some that the activation cannot produce.
///
/// Paper: Goodfellow, Bengio and Courville 2016, "Deep Learning", section 6.2.2.
pub static LINT: Lint = Lint {
    code: "lint::activation_before_loss",
    summary: "an activation as the last stage, so that the result cannot take every value",
    needs_data: NeedsData::Sometimes,
    thresholds: &[],
    find,
};

/// What comes out of an activation: at least, at most. `None` where it is every number.
fn range(activation: Fun) -> Option<(f64, f64)> {
    match activation {
        Fun::Relu => Some((0.0, f64::INFINITY)),
        Fun::Sigmoid => Some((0.0, 1.0)),
        Fun::Tanh => Some((-1.0, 1.0)),
        Fun::Elu(alpha) => Some((-alpha, f64::INFINITY)),
        // The least value of x Φ(x).
        Fun::Gelu => Some((-0.17, f64::INFINITY)),
        _ => None,
    }
}

fn find(cx: &Cx) -> Vec<Diagnostic> {
    let mut at = cx.model.output;
    while let (Action::Dropout { .. } | Action::Identity, Some(input)) = (cx.action(at), cx.input(at)) {
        at = input;
    }
    let node = cx.node(at);
    let Some((least, most)) = node.op.as_activation(&node.args).and_then(range) else { return Vec::new() };
    let loss = cx.model.losses.first().map_or("the loss", |term| term.loss.name());
    let name = cx.name(at);
    let what = if cx.model.task.kind == TargetKind::MultiLabel { "label" } else { "class" };
    let (message, label) = match cx.model.task.kind {
        TargetKind::Classification | TargetKind::MultiLabel | TargetKind::Links => (
            format!("{name} stands before `{loss}`, which takes any number as a logit"),
            if most.is_finite() {
                format!("only from {least} to {most}: no {what} can be certain")
            } else {
                format!("nothing below {least}: no {what} can be ruled out")
            },
        ),
        // Any numbers make a vector.
        TargetKind::Embedding => return Vec::new(),
        TargetKind::Regression => {
            let Some(data) = cx.data else { return Vec::new() };
            let Targets::Values { values, .. } = &data.dataset.targets else { return Vec::new() };
            let outside = |value: &&f32| f64::from(**value) < least || f64::from(**value) > most;
            let n_outside = values.iter().filter(outside).count();
            if n_outside == 0 {
                return Vec::new();
            }
            let share = super::cx::percent(n_outside, values.len());
            (
                format!("{name} cannot produce {share} of the values of {}", data.name()),
                match most.is_finite() {
                    true => format!("only from {least} to {most}"),
                    false => format!("nothing below {least}"),
                },
            )
        }
    };
    vec![
        Diagnostic::warning(LINT.code, message)
            .label(node.span, label)
            .help(format!("leave {name} out, so that the last layer is linear"))
            .guess(node.span, ""),
    ]
}

#[cfg(test)]
mod tests {
    use crate::lint::testing::lints;

    #[test]
    fn logits_are_not_bent() {
        for activation in ["relu", "sigmoid", "tanh", "elu", "gelu"] {
            assert_eq!(
                lints(&format!("gin(8) -> sum -> linear -> {activation}")),
                ["activation_before_loss"]
            );
        }
        assert_eq!(lints("gin(8) -> sum -> linear -> leaky_relu"), [""; 0]);
        assert_eq!(lints("task = graph_regression\nmodel = gin(8) -> sum -> linear -> relu"), [""; 0]);
    }
}
