//! `inexpressive_pooling`: a pooling that loses what the layers before could distinguish.

use super::{Cx, Lint, NeedsData};
use crate::diagnostic::Diagnostic;
use crate::ops::{Action, Gather, Select};
use petgraph::graph::NodeIndex;
use std::collections::BTreeSet;

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
    cx.nodes().filter(drops).filter_map(|node| finding(cx, node)).collect()
}

fn finding(cx: &Cx, node: NodeIndex) -> Option<Diagnostic> {
    let before = cx.input(node)?;
    // A share of 1 keeps every node.
    if cx.node(node).args.opt_float("ratio") == Some(1.0) || is_summed_up(cx, before) {
        return None;
    }
    let (mut strong, mut weak) = (None, None);
    let mut at = before;
    while let Some(input) = cx.input(at) {
        match cx.action(at) {
            Action::Messages { gather: Gather::Sum, .. } => strong = strong.or(Some(at)),
            Action::Messages { .. } => weak = weak.or(Some(at)),
            Action::Pooling(_) => break,
            _ => {}
        }
        at = input;
    }
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
    Some(finding.help(format!(
        "write {pooling}{layers}; or read the level before the pooling out too: name it with `as before` and end in \
         `concat(before -> sum, …)`"
    )))
}

/// Whether a `sum` over the rows reaches the output beside the pooling.
fn is_summed_up(cx: &Cx, value: NodeIndex) -> bool {
    // The value may get a name in front of what is done to each of its rows.
    let mut same_rows = BTreeSet::from([value]);
    let mut at = value;
    while matches!(
        cx.action(at),
        Action::Activation | Action::Dropout { .. } | Action::BatchNorm | Action::RowNorm
    ) {
        let Some(input) = cx.input(at) else { break };
        same_rows.insert(input);
        at = input;
    }
    let mut open: Vec<NodeIndex> = same_rows.into_iter().collect();
    let mut seen: BTreeSet<NodeIndex> = open.iter().copied().collect();
    while let Some(node) = open.pop() {
        for (reader, _) in cx.readers(node) {
            match cx.action(reader) {
                Action::Readout(Gather::Sum) => return true,
                Action::Pooling(_) | Action::Readout(_) => {}
                _ => {
                    if seen.insert(reader) {
                        open.push(reader);
                    }
                }
            }
        }
    }
    false
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
