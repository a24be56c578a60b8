//! `idle_bases`: as many basis matrices as kinds of edges, or more.

use super::{Cx, Lint, NeedsData};
use crate::args::{ArgKind, EdgeValue};
use crate::diagnostic::{Diagnostic, count};
use petgraph::graph::NodeIndex;

/// With `bases = b` the matrices of all kinds of edges are sums of `b` shared ones, so that few weights tell many kinds apart. From as
/// many bases as kinds on, a sum can be any matrix, and there are more weights than without.
///
/// Paper: Schlichtkrull et al. 2018, "Modeling Relational Data with Graph Convolutional Networks", eq. 3.
pub static LINT: Lint = Lint {
    code: "lint::idle_bases",
    summary: "`bases` of as many matrices as there are kinds of edges, or more",
    needs_data: NeedsData::Sometimes,
    thresholds: &[],
    find,
};

fn find(cx: &Cx) -> Vec<Diagnostic> {
    cx.nodes().filter_map(|node| of_stage(cx, node)).collect()
}

fn of_stage(cx: &Cx, idx: NodeIndex) -> Option<Diagnostic> {
    let node = cx.node(idx);
    let has_bases = node.op.args().iter().any(|spec| spec.name == "bases");
    let bases = has_bases.then(|| node.args.opt_int("bases"))?? as usize;
    let kinds = node.op.args().iter().find(|spec| spec.kind == ArgKind::Edges(EdgeValue::Kind))?;
    let input = cx.model.inputs(idx).into_iter().nth(node.args.port(kinds.name)?)?;
    let n_kinds = cx.node(input).ty.width.known().filter(|&n| n <= bases)?;
    let place = node.args.get("bases").and_then(|arg| arg.span)?;
    let name = node.op.name();
    Some(
        Diagnostic::warning(
            LINT.code,
            format!(
                "`{}` of `{name}` saves no weights: there are {} of edges",
                cx.text(place),
                count(n_kinds, "kind")
            ),
        )
        .label(place, "a matrix of its own for each kind has fewer weights")
        .help("leave `bases` out, or write fewer than there are kinds")
        .guess(place, ""),
    )
}

#[cfg(test)]
mod tests {
    use crate::data::synthetic::{RandomGraphs, random_graphs};
    use crate::lint::testing::lints_on;

    #[test]
    fn fewer_bases_than_kinds_are_right() {
        let data = random_graphs(&RandomGraphs { n_edge_kinds: 3, ..RandomGraphs::default() });
        for op in ["rgcn", "rgat"] {
            let of = |bases: usize| {
                let text = format!(
                    "model = {op}(8, relation = edge_labels, bases = {bases}) -> relu -> mean -> mlp"
                );
                lints_on(&text, &data).contains(&"idle_bases")
            };
            assert_eq!([2, 3, 9].map(of), [false, true, true], "{op}");
        }
    }
}
