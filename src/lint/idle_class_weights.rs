//! `idle_class_weights`: balanced weights where the classes are balanced already.

use super::{Cx, Lint, NeedsData};
use crate::diagnostic::Diagnostic;

/// `class_weights = balanced` weighs class `c` by `items / (classes · items of c)`. Where all classes have as many items,
/// that is 1 for each.
///
/// Paper: King and Zeng 2001, "Logistic Regression in Rare Events Data", for the weights.
pub static LINT: Lint = Lint {
    code: "lint::idle_class_weights",
    summary: "balanced class weights where every class has as many items",
    needs_data: NeedsData::Always,
    thresholds: &[],
    find,
};

fn find(cx: &Cx) -> Vec<Diagnostic> {
    let Some(data) = cx.data else { return Vec::new() };
    let counts: Vec<usize> = data.training_classes().into_iter().filter(|count| *count > 0).collect();
    let [first, others @ ..] = &counts[..] else { return Vec::new() };
    if others.is_empty() || others.iter().any(|count| count != first) {
        return Vec::new();
    }
    let Some(term) = cx.model.losses.iter().find(|term| term.loss.weighs_classes(&term.args)) else {
        return Vec::new();
    };
    let place = term.args.get("class_weights").and_then(|arg| arg.span).unwrap_or(term.span);
    vec![
        Diagnostic::warning(
            LINT.code,
            format!("balanced weights change nothing: every class of {} has {first} items", data.name()),
        )
        .label(place, "the weight of each class is 1")
        .help(format!("write `{}`", term.loss.name()))
        .fix(term.span, term.loss.name()),
    ]
}

#[cfg(test)]
mod tests {
    use crate::lint::testing::{dataset, lints_on};

    #[test]
    fn weights_of_one_are_told() {
        let pair: &[(u32, u32)] = &[(0, 1), (1, 0)];
        let features: Vec<u32> = (0..80).map(|idx| idx % 5).collect();
        let data = |n_rare: usize| {
            let classes: Vec<i64> = (0..40).map(|idx| i64::from(idx < n_rare)).collect();
            dataset(&vec![(2, pair); 40], &features, &classes)
        };
        let text = "model = gin(8) -> sum -> mlp\nloss = cross_entropy(class_weights = balanced)";
        assert_eq!(lints_on(text, &data(20)), ["idle_class_weights"]);
        assert_eq!(lints_on(text, &data(15)), [""; 0]);
        assert_eq!(lints_on("gin(8) -> sum -> mlp", &data(20)), [""; 0]);
    }
}
