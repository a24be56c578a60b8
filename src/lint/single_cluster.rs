//! `single_cluster`: a pooling that leaves one cluster, or one node of most graphs.

use super::cx::{counted, percent};
use super::{Cx, Lint, NeedsData, Threshold};
use crate::args::Range;
use crate::diagnostic::Diagnostic;
use crate::ops::{Action, Select};
use petgraph::graph::NodeIndex;

/// One cluster has no neighbours and no shape: convolutions on it are dense layers, and its features are a sum over
/// the nodes.
///
/// Paper: Ying et al. 2018, "Hierarchical Graph Representation Learning with Differentiable Pooling", section 3.2,
/// where the last level alone has one cluster, as the readout.
pub static LINT: Lint = Lint {
    code: "lint::single_cluster",
    summary: "a pooling that leaves one cluster, or one node of most graphs",
    needs_data: NeedsData::Sometimes,
    thresholds: &[Threshold {
        name: "share",
        default: 0.5,
        range: Range::open_closed(0.0, 1.0),
        doc: "Minimum share of graphs that keep a single node to report.",
    }],
    find,
};

fn find(cx: &Cx) -> Vec<Diagnostic> {
    let find = |node| match cx.action(node) {
        Action::Pooling(Select::Assign | Select::Lead) => clusters(cx, node),
        Action::Pooling(Select::Keep) => kept(cx, node),
        _ => None,
    };
    cx.nodes().filter_map(find).collect()
}

fn clusters(cx: &Cx, node: NodeIndex) -> Option<Diagnostic> {
    let rows = &cx.node(node).ty.rows;
    if rows.known() != Some(1) {
        return None;
    }
    let name = cx.name(node);
    let place = rows.origin.span.unwrap_or(cx.node(node).span);
    let label = if cx.node(node).args.is_written("k") {
        "one cluster".to_owned()
    } else {
        rows.origin.reason.to_string()
    };
    Some(
        Diagnostic::warning(
            LINT.code,
            format!("{name} puts every graph into one cluster: its assignment has no effect"),
        )
        .label(place, label)
        .help("one cluster is the sum of its nodes: write `sum` in place of the pooling, or make more clusters, for example `k = 8`"),
    )
}

fn kept(cx: &Cx, node: NodeIndex) -> Option<Diagnostic> {
    let args = &cx.node(node).args;
    let (name, place) = (cx.name(node), cx.node(node).ty.rows.origin.span.unwrap_or(cx.node(node).span));
    if args.opt_int("k") == Some(1) {
        return Some(
            Diagnostic::warning(LINT.code, format!("{name} keeps one node of every graph"))
                .label(place, "one node has no neighbours left")
                .help("keep more, for example `ratio = 0.5`")
                .guess(place, "ratio = 0.5"),
        );
    }
    let data = cx.data?;
    let sizes = data.sizes();
    let rows = cx.rows_of_graphs(node)?;
    let one = rows.count(|found| found.n_nodes > 1 && found.rows == 1);
    let largest = rows.iter().next_back()?.rows;
    ((one as f64) >= cx.threshold(&LINT, "share") * sizes.len() as f64 && one > 0).then(|| {
        Diagnostic::warning(
            LINT.code,
            format!(
                "{name} leaves a single node in {} of the graphs of {}",
                percent(one, sizes.len()),
                data.name()
            ),
        )
        .label(
            place,
            format!(
                "the median graph has {}; the largest keeps {largest}",
                counted(data.median_nodes(), "node")
            ),
        )
        .help("keep a larger share, for example `ratio = 0.8`, or pool less often")
    })
}

#[cfg(test)]
mod tests {
    use crate::lint::testing::{lints, lints_on, paths};

    #[test]
    fn one_cluster_is_told_with_and_without_data() {
        assert_eq!(
            lints("gin(8) -> diffpool(k = 1) -> sum -> linear"),
            ["single_cluster", "dead_assignment"]
        );
        let text = "gin(8) -> diffpool(ratio = 0.1) -> gin(8) -> relu -> max -> linear";
        assert_eq!(lints(text), [""; 0]);
        assert_eq!(lints_on(text, &paths(&[10, 4, 7])), ["single_cluster"]);
        assert_eq!(lints_on(text, &paths(&[11, 14, 17])), [""; 0]);
    }

    #[test]
    fn a_selection_is_followed_graph_by_graph() {
        let text = "gin(8) -> relu as all -> topk(ratio = 0.5) -> topk(ratio = 0.2) -> gin(8) -> concat(all -> sum, sum) -> mlp";
        // ⌈0.5 · 10⌉ = 5 and ⌈0.2 · 5⌉ = 1, but ⌈0.2 · 6⌉ = 2.
        let single = |sizes: &[usize]| lints_on(text, &paths(sizes)).contains(&"single_cluster");
        assert!(single(&[10, 10, 40]));
        assert!(!single(&[12, 12, 10]));
    }
}
