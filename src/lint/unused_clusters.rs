//! `unused_clusters`: more clusters than most graphs have nodes.

use super::cx::{counted, percent};
use super::{Cx, Lint, NeedsData, Threshold};
use crate::args::Range;
use crate::diagnostic::Diagnostic;
use crate::ops::{Action, Select};
use crate::types::Entity;
use petgraph::graph::NodeIndex;

/// Clusters are counted for the largest graph and are the same for all. Where most graphs have fewer nodes, most
/// clusters hold nothing, and the coarse graph is larger than the fine one.
///
/// Paper: Ying et al. 2018, "Hierarchical Graph Representation Learning with Differentiable Pooling", section 4.1.
pub static LINT: Lint = Lint {
    code: "lint::unused_clusters",
    summary: "more clusters, or nodes to keep, than most graphs have nodes",
    needs_data: NeedsData::Always,
    thresholds: &[Threshold {
        name: "share",
        default: 0.5,
        range: Range::open_closed(0.0, 1.0),
        doc: "Minimum share of graphs with fewer nodes to report.",
    }],
    find,
};

fn find(cx: &Cx) -> Vec<Diagnostic> {
    cx.nodes().filter_map(|node| finding(cx, node)).collect()
}

fn finding(cx: &Cx, node: NodeIndex) -> Option<Diagnostic> {
    let Action::Pooling(select) = cx.action(node) else { return None };
    let (data, input) = (cx.data?, cx.input(node)?);
    let pooling = cx.node(node);
    if cx.node(input).ty.entity != Entity::Nodes {
        return None;
    }
    let k = match select {
        Select::Assign | Select::Lead => pooling.ty.rows.known()?,
        Select::Keep => usize::try_from(pooling.args.opt_int("k")?).ok()?,
        Select::Merge => return None,
    };
    let has_clusters = matches!(select, Select::Assign | Select::Lead);
    // Where no graph has as many nodes, `check` says so.
    if has_clusters && k > data.facts.max_nodes {
        return None;
    }
    let sizes = data.sizes();
    let before = cx.rows_of_graphs(input)?;
    let is_smaller = |rows: usize| if has_clusters { rows < k } else { rows <= k };
    let n_smaller = before.count(|found| is_smaller(found.rows));
    if n_smaller == 0 || (n_smaller as f64) < cx.threshold(&LINT, "share") * sizes.len() as f64 {
        return None;
    }
    // Larger graphs have no fewer rows.
    let mut n_before = 0;
    let median = before.iter().find(|found| {
        n_before += found.n_graphs;
        n_before > sizes.len() / 2
    });
    let median = median?.rows;
    let (name, share) = (data.name(), percent(n_smaller, sizes.len()));
    let quarter = median.div_ceil(4).max(2);
    let place = pooling.ty.rows.origin.span.unwrap_or(pooling.span);
    let (message, label, help) = match select {
        Select::Assign | Select::Lead => (
            format!("{share} of the graphs of {name} have fewer nodes than their {k} clusters"),
            format!("the median graph has {}", counted(median, "node")),
            format!(
                "choose them for a typical graph, not for the largest: `k = {quarter}`, about a quarter of the median"
            ),
        ),
        Select::Keep | Select::Merge => (
            format!("{} keeps {share} of the graphs of {name} whole", cx.name(node)),
            format!("the median graph has {}, and {k} may stay", counted(median, "node")),
            "take a share of each graph: `ratio = 0.5`".to_owned(),
        ),
    };
    let text = match select {
        Select::Assign | Select::Lead => format!("k = {quarter}"),
        Select::Keep | Select::Merge => "ratio = 0.5".to_owned(),
    };
    let finding = Diagnostic::warning(LINT.code, message).label(place, label).help(help);
    Some(if place == pooling.span { finding } else { finding.guess(place, text) })
}

#[cfg(test)]
mod tests {
    use crate::lint::testing::{lints, lints_on, paths};

    #[test]
    fn clusters_are_compared_with_graphs_of_every_size() {
        let text = "gin(8) -> diffpool(ratio = 0.25) -> gin(8) -> relu -> max -> linear";
        // A quarter of the largest graph is 25.
        assert_eq!(lints_on(text, &paths(&[100, 20, 24])), ["unused_clusters"]);
        assert_eq!(lints_on(text, &paths(&[100, 30, 26])), [""; 0]);
        assert_eq!(lints(text), [""; 0]);
    }

    #[test]
    fn keeping_more_nodes_than_there_are_keeps_them_all() {
        let text = "gin(8) -> relu as all -> topk(k = 20) -> gin(8) -> concat(all -> sum, sum) -> mlp";
        assert_eq!(lints_on(text, &paths(&[100, 20, 20])), ["unused_clusters"]);
        assert_eq!(lints_on(text, &paths(&[100, 21, 21])), [""; 0]);
    }
}
