//! `class_balance`: a loss that weights all items equally where one class is rare.

use super::{Cx, Lint, NeedsData, Threshold};
use crate::args::Range;
use crate::diagnostic::Diagnostic;
use crate::ops::LossKind;
use crate::ops::loss::given_weights;
use crate::types::TargetKind;

/// The mean over items is dominated by the frequent class: a network that always predicts it has a low loss and a
/// high accuracy. Weights by frequency let every class count the same.
///
/// Papers: He and Garcia 2009, "Learning from Imbalanced Data"; King and Zeng 2001, "Logistic Regression in Rare
/// Events Data", for the weights.
pub static LINT: Lint = Lint {
    code: "lint::class_balance",
    summary: "an unweighted loss where one class is several times as frequent as another",
    needs_data: NeedsData::Always,
    // Beyond three to one, always predicting the frequent class of two is right three times in four.
    thresholds: &[Threshold {
        name: "ratio",
        default: 3.0,
        range: Range::closed(1.0, 1e9),
        doc: "Minimum ratio of the most frequent class to the rarest to report.",
    }],
    find,
};

fn find(cx: &Cx) -> Vec<Diagnostic> {
    let (Some(data), TargetKind::Classification) = (cx.data, cx.model.task.kind) else { return Vec::new() };
    let counts = data.training_classes();
    let classes =
        || counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(idx, count)| (*count, idx));
    let (Some((most, frequent)), Some((least, rare))) = (classes().max(), classes().min()) else {
        return Vec::new();
    };
    let limit = cx.threshold(&LINT, "ratio");
    if frequent == rare || (most as f64) < limit * least as f64 {
        return Vec::new();
    }
    let of_task = |term: &&crate::ir::LossTerm| matches!(term.loss.kind(), LossKind::Task(_));
    let Some(term) = cx.model.losses.iter().find(of_task) else { return Vec::new() };
    // A loss without such weights has no argument for them.
    let is_weighted = term.loss.weighs_classes(&term.args) || given_weights(&term.args).is_some();
    if is_weighted || term.args.get("class_weights").is_none() {
        return Vec::new();
    }
    let names = &data.dataset.class_names;
    let name = |idx: usize| names.get(idx).map_or_else(|| idx.to_string(), Clone::clone);
    let balanced = "cross_entropy(class_weights = balanced)";
    // A loss that is not written has the place of the model.
    let is_written = cx.sources.text(term.span).contains(term.loss.name());
    let help = if is_written {
        format!("write `{balanced}` in its place")
    } else {
        format!("add `loss = {balanced}`")
    };
    let metrics = ["balanced_accuracy", "macro_f1"];
    let has_metric = cx.model.evaluate.choice_list("metrics").iter().any(|name| metrics.contains(name));
    let measure = if has_metric {
        ""
    } else {
        "; and measure all classes equally: `evaluate { metrics = [accuracy, macro_f1] }`"
    };
    let finding = Diagnostic::warning(
        LINT.code,
        format!(
            "`{}` weights all items equally, but class {} of {} is {:.1} times as frequent as class {}",
            term.loss.name(),
            name(frequent),
            data.name(),
            most as f64 / least as f64,
            name(rare),
        ),
    )
    .label(
        term.span,
        format!(
            "the training part has {most} items of class {} and {least} of class {}",
            name(frequent),
            name(rare)
        ),
    )
    .help(format!("{help}{measure}"));
    vec![if is_written { finding.guess(term.span, balanced) } else { finding }]
}

#[cfg(test)]
mod tests {
    use crate::lint::testing::{dataset, lints_on, lints_with};

    #[test]
    fn a_rare_class_is_told_where_the_loss_is_not_weighted() {
        let pair: &[(u32, u32)] = &[(0, 1), (1, 0)];
        let data = |n_rare: usize| {
            let classes: Vec<i64> = (0..40).map(|idx| i64::from(idx < n_rare)).collect();
            let features: Vec<u32> = (0..80).map(|idx| idx % 5).collect();
            dataset(&vec![(2, pair); 40], &features, &classes)
        };
        let text = "model = gin(8) -> sum -> mlp\nloss = cross_entropy";
        assert_eq!(lints_on(text, &data(8)), ["class_balance"]);
        assert_eq!(lints_on("gin(8) -> sum -> mlp", &data(8)), ["class_balance"]);
        assert_eq!(lints_on(text, &data(16)), [""; 0]);
        assert_eq!(
            lints_on(
                "model = gin(8) -> sum -> mlp\nloss = cross_entropy(class_weights = balanced)",
                &data(8)
            ),
            [""; 0]
        );
        assert_eq!(lints_with(text, Some(&data(8)), "[lint.class_balance]\nratio = 5"), [""; 0]);
        assert_eq!(lints_with(text, Some(&data(16)), "[lint.class_balance]\nratio = 1.5"), ["class_balance"]);
    }
}
