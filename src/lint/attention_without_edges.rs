//! `attention_without_edges`: attention where there are no neighbours to attend to.

use super::cx::percent;
use super::{Cx, Lint, NeedsData, Threshold};
use crate::args::Range;
use crate::diagnostic::Diagnostic;
use crate::ops::{Action, Gather, Own};
use crate::types::Entity;

/// On a graph without edges, attention is over the node itself alone: its weight is 1 and the layer is linear.
///
/// Paper: Veličković et al. 2018, "Graph Attention Networks", eq. 3.
pub static LINT: Lint = Lint {
    code: "lint::attention_without_edges",
    summary: "attention on data with many graphs without edges, where it is a linear layer",
    needs_data: NeedsData::Always,
    thresholds: &[Threshold {
        name: "share",
        default: 0.1,
        range: Range::open_closed(0.0, 1.0),
        doc: "Minimum share of graphs without edges to report.",
    }],
    find,
};

fn find(cx: &Cx) -> Vec<Diagnostic> {
    let Some(data) = cx.data else { return Vec::new() };
    let (n_without, n_graphs) = (data.n_graphs_without_edges(), data.facts.n_graphs);
    // Where no graph has any, every convolution is beside the point, and `check` says so.
    let is_told = n_without > 0
        && n_without < n_graphs
        && n_without as f64 >= cx.threshold(&LINT, "share") * n_graphs as f64;
    if !is_told {
        return Vec::new();
    }
    let attends = cx.nodes().find_map(|node| match cx.action(node) {
        Action::Messages { gather: Gather::Attention, own, .. }
            if cx.node(node).ty.entity == Entity::Nodes =>
        {
            Some((node, own))
        }
        _ => None,
    });
    let Some((node, own)) = attends else { return Vec::new() };
    let name = cx.name(node);
    let effect = match own {
        Own::Absent => "on those it gives zeros",
        _ => "on those every weight is 1 and this is a linear layer",
    };
    vec![
        Diagnostic::warning(
            LINT.code,
            format!(
                "{name} has no neighbours to attend to in {} of the graphs of {}: they have no edges",
                percent(n_without, n_graphs),
                data.name()
            ),
        )
        .label(cx.node(node).span, effect)
        .help("check how the edges were made; if the graphs are correct, `sage(64)` in its place gives such nodes a weight of their own"),
    ]
}

#[cfg(test)]
mod tests {
    use crate::lint::testing::{dataset, lints_on};

    #[test]
    fn a_share_of_graphs_without_edges_is_told() {
        let pair: &[_] = &[(0, 1), (1, 0)];
        let features = [1, 2, 3, 4];
        let half = dataset(&[(2, pair), (2, &[])], &features, &[0, 1]);
        let none = dataset(&[(2, pair), (2, pair)], &features, &[0, 1]);
        assert_eq!(lints_on("gat(8) -> elu -> mean -> linear", &half), ["attention_without_edges"]);
        assert_eq!(lints_on("gcn(8) -> relu -> mean -> linear", &half), [""; 0]);
        assert_eq!(lints_on("gat(8) -> elu -> mean -> linear", &none), [""; 0]);
    }
}
