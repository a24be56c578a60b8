//! `inexpressive_pooling`: a pooling that loses what the layers before could distinguish.

use super::{Cx, Lint, NeedsData};
use crate::diagnostic::Diagnostic;
use crate::ops::{Action, Gather, Select};
use petgraph::graph::NodeIndex;

/// A pooling keeps the power of the layers before (that of the 1-WL test at most) if those layers are as strong as
/// the test, if every node is distributed fully (the rows of `S` add up to the same number), and if clusters sum
/// what they get. One that drops nodes breaks the second condition.
///
/// Paper: Bianchi and Lachi 2023, "The Expressive Power of Pooling in Graph Neural Networks", theorem 1.
pub static LINT: Lint = Lint {
    code: "lint::inexpressive_pooling",
    summary: "a pooling that drops nodes, and with them what distinguishes graphs (1-WL)",
    needs_data: NeedsData::Never,
    thresholds: &[],
    find,
};

fn find(cx: &Cx) -> Vec<Diagnostic> {
    let drops = |&node: &NodeIndex| cx.action(node) == Action::Pooling(Select::Keep);
    if !cx.nodes().any(|node| drops(&node)) {
        return Vec::new();
    }
    let is_summed_up = summed_up(cx);
    let layers = layers(cx);
    let find = |node: NodeIndex| {
        let before = cx.input(node)?;
        // A share of 1 keeps every node.
        let keeps_all = cx.node(node).args.opt_float("ratio") == Some(1.0);
        let is_told = !keeps_all && !is_summed_up[before.index()];
        is_told.then(|| finding(cx, node, layers[before.index()]))
    };
    cx.nodes().filter(drops).filter_map(find).collect()
}

/// The nearest layers of one level that lead to a value: one that sums, and one that does not.
#[derive(Debug, Clone, Copy, Default)]
struct Layers {
    strong: Option<NodeIndex>,
    weak: Option<NodeIndex>,
}

/// Those of every stage, each from its input's.
fn layers(cx: &Cx) -> Vec<Layers> {
    let mut layers = vec![Layers::default(); cx.model.graph.node_count()];
    for node in cx.nodes() {
        let Some(input) = cx.input(node) else { continue };
        let before = layers[input.index()];
        layers[node.index()] = match cx.action(node) {
            Action::Messages { gather: Gather::Sum, .. } => Layers { strong: Some(node), ..before },
            Action::Messages { gather: Gather::Other, .. } => before,
            Action::Messages { .. } => Layers { weak: Some(node), ..before },
            Action::Pooling(_) => Layers::default(),
            _ => before,
        };
    }
    layers
}

fn finding(cx: &Cx, node: NodeIndex, Layers { strong, weak }: Layers) -> Diagnostic {
    let name = cx.name(node);
    let mut finding = Diagnostic::warning(
        LINT.code,
        format!(
            "{name} drops nodes, so graphs that differ only in them become equal: the 1-WL power is lost"
        ),
    )
    .label(cx.node(node).span, "nothing else reads the dropped nodes");
    finding = match (strong, weak) {
        (Some(strong), None) => {
            finding.label(cx.node(strong).span, format!("{} could distinguish these graphs", cx.name(strong)))
        }
        (_, Some(weak)) => finding.label(
            cx.node(weak).span,
            format!("{} averages, which is weaker than 1-WL already", cx.name(weak)),
        ),
        (None, None) => finding,
    };
    let pooling = "`diffpool(ratio = 0.25)`, which distributes every node over the clusters and sums";
    let layers = if weak.is_some() { ", behind layers that sum, such as `gin(64)`" } else { "" };
    finding.help(format!(
        "write {pooling}{layers}; or read the level before the pooling out too: name it with `as before` and end in \
         `concat(before -> sum, …)`"
    ))
}

/// Of every value, whether a `sum` over its rows reaches the output beside the poolings that read it.
fn summed_up(cx: &Cx) -> Vec<bool> {
    // Readers come after what they read, so going backwards each is known before.
    let mut is_summed = vec![false; cx.model.graph.node_count()];
    for node in cx.nodes().rev() {
        is_summed[node.index()] = cx.readers(node).iter().any(|&(reader, _)| match cx.action(reader) {
            Action::Readout(Gather::Sum) => true,
            Action::Pooling(_) | Action::Readout(_) => false,
            _ => is_summed[reader.index()],
        });
    }
    // The value may get a name in front of what is done to each of its rows.
    for node in cx.nodes() {
        let is_of_rows = matches!(
            cx.action(node),
            Action::Activation | Action::Dropout { .. } | Action::BatchNorm | Action::RowNorm
        );
        if let Some(input) = cx.input(node).filter(|_| is_of_rows) {
            is_summed[node.index()] |= is_summed[input.index()];
        }
    }
    is_summed
}

#[cfg(test)]
mod tests {
    use crate::lint::testing::lints;

    #[test]
    fn dropping_nodes_is_told_and_sharing_them_out_is_not() {
        assert_eq!(
            lints("gin(16) -> relu -> topk(ratio = 0.5) -> gin(16) -> relu -> sum -> mlp"),
            ["inexpressive_pooling"]
        );
        assert_eq!(
            lints("gcn(16) -> relu -> topk(k = 5) -> gin(16) -> relu -> sum -> mlp"),
            ["inexpressive_pooling"]
        );
        assert_eq!(lints("gin(16) -> relu -> diffpool(k = 5) -> gin(16) -> relu -> sum -> mlp"), [""; 0]);
    }

    #[test]
    fn a_sum_of_the_level_before_keeps_what_was_dropped() {
        for before in ["gin(16) -> relu as all", "gin(16) as all -> relu"] {
            let text = format!("{before} -> topk(ratio = 0.5) -> gin(16) -> concat(all -> sum, sum) -> mlp");
            assert_eq!(lints(&text), [""; 0], "{text}");
        }
        let mean =
            "gin(16) -> relu as all -> topk(ratio = 0.5) -> gin(16) -> concat(all -> mean, sum) -> mlp";
        assert_eq!(lints(mean), ["inexpressive_pooling"]);
    }
}
