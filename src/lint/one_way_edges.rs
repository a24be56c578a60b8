//! `one_way_edges`: degree-weighted sums over edges that have a direction.

use super::cx::counted;
use super::{Cx, Lint, NeedsData};
use crate::diagnostic::Diagnostic;
use crate::ops::{Action, Gather};
use crate::types::Entity;

/// `gcn` weighs an edge by `1/√(d_i d_j)`, which belongs to undirected graphs, where both ends count the same edges. Where
/// edges run one way, a node gathers along them only, and the degree of its neighbour counts other edges than those that it
/// is weighed for.
///
/// Papers: Kipf and Welling 2017, "Semi-Supervised Classification with Graph Convolutional Networks", section 2, for
/// undirected graphs; Rossi et al. 2023, "Edge Directionality Improves Learning on Heterophilic Graphs".
pub static LINT: Lint = Lint {
    code: "lint::one_way_edges",
    summary: "`gcn` on data whose edges run one way, where its weights are made for undirected graphs",
    needs_data: NeedsData::Always,
    thresholds: &[],
    find,
};

fn find(cx: &Cx) -> Vec<Diagnostic> {
    let Some(data) = cx.data else { return Vec::new() };
    let n_one_way = data.dataset.n_one_way_edges();
    if n_one_way == 0 {
        return Vec::new();
    }
    let weighs = |&node: &_| {
        let is_weighted = matches!(cx.action(node), Action::Messages { gather: Gather::DegreeWeighted, .. });
        is_weighted && cx.node(node).ty.entity == Entity::Nodes
    };
    let Some(node) = cx.nodes().find(weighs) else { return Vec::new() };
    let name = cx.name(node);
    let width = cx.node(node).args.opt_int("out").map_or_else(String::new, |out| out.to_string());
    let convolutions = cx.nodes().filter(weighs).map(|node| cx.node(node).span);
    let places: std::collections::BTreeSet<_> = convolutions.collect();
    let finding = Diagnostic::warning(
        LINT.code,
        format!(
            "{name} is made for undirected graphs, and {} of {} run one way",
            counted(n_one_way, "edge"),
            data.name()
        ),
    )
    .label(cx.node(node).span, "weighs by the degrees of both ends, and gathers along the edges only")
    .help(
        "use a convolution without such weights, for example `sage(64)`; or, where the direction means nothing, read the \
         edges in both directions: `undirected = true` in `data`",
    );
    // One convolution can be written anew; several may have widths of their own.
    vec![if places.len() == 1 {
        finding.guess(cx.node(node).span, format!("sage({width})"))
    } else {
        finding
    }]
}

#[cfg(test)]
mod tests {
    use crate::lint::testing::{dataset, lints_on, paths};

    #[test]
    fn degree_weights_on_one_way_edges_are_told() {
        let one_way: &[(u32, u32)] = &[(0, 1), (1, 2), (2, 3)];
        let features: Vec<u32> = (0..160).map(|idx| idx % 5).collect();
        let data = dataset(&vec![(4, one_way); 40], &features, &[]);
        assert_eq!(lints_on("gcn(8) -> relu -> sum -> mlp", &data), ["one_way_edges"]);
        assert_eq!(lints_on("sage(8) -> relu -> sum -> mlp", &data), [""; 0]);
        assert_eq!(lints_on("gcn(8) -> relu -> sum -> mlp", &paths(&[6, 7, 8])), [""; 0]);
    }
}
