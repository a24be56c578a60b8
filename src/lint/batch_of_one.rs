//! `batch_of_one`: batch statistics of a single row.

use super::cx::counted;
use super::{Cx, Lint, NeedsData};
use crate::diagnostic::Diagnostic;
use crate::ops::Action;
use crate::source::Span;
use crate::types::Entity;

/// Batch normalisation of one row subtracts the row from itself and gives its bias, whatever came in. A graph vector
/// has one row per graph, so a batch of one graph is such a row; so is the last batch of an epoch if a single graph is
/// left.
///
/// Paper: Ioffe and Szegedy 2015, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal
/// Covariate Shift", section 3.
pub static LINT: Lint = Lint {
    code: "lint::batch_of_one",
    summary: "batch statistics of a single row: a batch size of 1, or one graph left over at the end of an epoch",
    needs_data: NeedsData::Sometimes,
    thresholds: &[],
    find,
};

fn find(cx: &Cx) -> Vec<Diagnostic> {
    let batch_size = cx.model.train.int("batch_size") as usize;
    let place = cx.model.train.get("batch_size").and_then(|arg| arg.span);
    let left_over = |n_train: &usize| *n_train > batch_size && n_train % batch_size == 1;
    let n_train = cx.data.and_then(|data| data.training_sizes().into_iter().find(left_over));
    let cause = match (batch_size, n_train) {
        (1, _) => Cause::Always,
        (_, Some(n_train)) => Cause::LastBatch { n_train },
        _ => return Vec::new(),
    };
    let takes_statistics = |action| match action {
        Action::BatchNorm => true,
        Action::Dense { has_batch_norm, .. } => has_batch_norm,
        _ => false,
    };
    let one_a_graph = |entity, rows: Option<usize>| entity == Entity::Graph || rows == Some(1);
    cx.nodes()
        .filter(|&node| takes_statistics(cx.action(node)))
        .filter(|&node| {
            let ty = &cx.node(node).ty;
            one_a_graph(ty.entity, ty.rows.known().filter(|_| ty.entity != Entity::Nodes))
        })
        .map(|node| finding(cx, cx.node(node).span, cx.name(node), batch_size, place, cause))
        .collect()
}

#[derive(Clone, Copy)]
enum Cause {
    Always,
    LastBatch { n_train: usize },
}

fn finding(
    cx: &Cx,
    span: Span,
    name: String,
    batch_size: usize,
    place: Option<Span>,
    cause: Cause,
) -> Diagnostic {
    let (message, label) = match cause {
        Cause::Always => (
            format!("{name} normalises a single row in every batch: nothing of its input is left"),
            "one row per graph".to_owned(),
        ),
        Cause::LastBatch { n_train } => (
            format!(
                "{name} normalises a single row in the last batch: {n_train} = {} · {batch_size} + 1",
                n_train / batch_size
            ),
            format!("one row per graph, and {n_train} graphs to train on"),
        ),
    };
    let mut finding = Diagnostic::warning(LINT.code, message).label(span, label);
    if let Some(place) = place {
        finding = finding.label(place, format!("{} per batch", counted(batch_size, "graph")));
    }
    let other = match (cause, cx.data) {
        (Cause::LastBatch { .. }, Some(data)) => {
            let sizes = data.training_sizes();
            (1..)
                .find(|step| sizes.iter().all(|n| n % (batch_size + step) != 1))
                .map_or(32, |step| batch_size + step)
        }
        _ => 32,
    };
    let finding = finding.help(format!(
        "write `train {{ batch_size = {other} }}`, or `layer_norm`, which normalises each row by itself"
    ));
    match place {
        Some(place) => finding.guess(place, format!("batch_size = {other}")),
        None => finding,
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::testing::{lints, lints_on, paths};

    #[test]
    fn one_graph_a_batch_is_one_row_behind_a_readout_only() {
        let train = "\ntrain { batch_size = 1 }";
        let of = |model: &str| lints(&format!("model = {model}{train}"));
        assert_eq!(of("gin(8) -> sum -> linear(8) -> batch_norm -> relu -> linear"), ["batch_of_one"]);
        assert_eq!(of("gin(8) -> sum -> mlp(norm = batch_norm)"), ["batch_of_one"]);
        assert_eq!(of("gin(8) -> batch_norm -> relu -> sum -> linear"), [""; 0]);
        assert_eq!(of("gin(8) -> sum -> linear(8) -> layer_norm -> relu -> linear"), [""; 0]);
    }

    #[test]
    fn one_graph_left_over_is_told() {
        // A tenth each for validation and test leaves 33 of 41.
        let data = paths(&(3..44).collect::<Vec<_>>());
        let of = |batch: usize| {
            let text =
                format!("model = gin(8) -> sum -> mlp(norm = batch_norm)\ntrain {{ batch_size = {batch} }}");
            lints_on(&text, &data)
        };
        assert_eq!(of(32), ["batch_of_one"]);
        assert_eq!(of(31), [""; 0]);
    }
}
