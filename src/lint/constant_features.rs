//! `constant_features`: averages of values that are the same on every node.

use super::{Cx, Lint, NeedsData};
use crate::args::ArgValue;
use crate::diagnostic::Diagnostic;
use crate::ops::{Action, Gather, Own};
use crate::types::Entity;
use petgraph::graph::NodeIndex;

/// Nodes without distinguishing features: a mean or maximum of equal rows is that row again, so every node of
/// every graph keeps the same value. Sums count, and the weights of `gcn` distinguish degrees.
///
/// Paper: Xu et al. 2019, "How Powerful are Graph Neural Networks?", section 5.2.
pub static LINT: Lint = Lint {
    code: "lint::constant_features",
    summary: "a mean or maximum over nodes that all have the same features",
    needs_data: NeedsData::Sometimes,
    thresholds: &[],
    find,
};

fn find(cx: &Cx) -> Vec<Diagnostic> {
    let Some(reason) = equal_features(cx) else { return Vec::new() };
    // Whether all rows of a value are the same, in all graphs.
    let mut is_equal = vec![false; cx.model.graph.node_count()];
    let mut first: Option<NodeIndex> = None;
    for node in cx.nodes() {
        let inputs = cx.model.inputs(node);
        let input_is_equal = inputs.iter().all(|input| is_equal[input.index()]);
        is_equal[node.index()] = input_is_equal
            && match cx.action(node) {
                Action::Input
                | Action::Identity
                | Action::Dense { .. }
                | Action::Activation
                | Action::RowNorm
                | Action::BatchNorm
                | Action::Dropout { .. }
                | Action::Concat
                | Action::Add
                | Action::DropEdge { .. }
                | Action::State
                | Action::FixedPoint => true,
                Action::Messages { gather, own, .. } => {
                    let stays = stays_equal(cx, inputs[0], gather, own);
                    if stays && gather != Gather::DegreeWeighted {
                        first.get_or_insert(node);
                    }
                    stays
                }
                Action::Readout(gather) => {
                    let stays = matches!(gather, Gather::Mean | Gather::Max);
                    if stays {
                        first.get_or_insert(node);
                    }
                    stays
                }
                // Clusters sum up the nodes, so they count them.
                Action::Pooling(_) | Action::Exchange | Action::Nearest | Action::Table | Action::Decoder => {
                    false
                }
                // Neighbours are counted.
                Action::Colours { .. } | Action::Kernel(_) | Action::Machine => false,
                // Edges may differ in what they carry.
                Action::RemainingEdges | Action::EdgesOfPairs => false,
                // What was dropped is told apart.
                Action::Lift => false,
            }
            && !cx.node(node).ty.entity.is_of_edges();
    }
    let Some(node) = first else { return Vec::new() };
    let what = if cx.model.task.entity == Entity::Nodes { "node" } else { "graph" };
    let (message, consequence) = if is_equal[cx.model.output.index()] {
        (
            format!("the result is the same for every {what}: {reason}"),
            format!("{}, here and in all that follows", gathered(cx, node)),
        )
    } else {
        (format!("{} carries no information here: {reason}", cx.name(node)), gathered(cx, node).to_owned())
    };
    let mut finding = Diagnostic::warning(LINT.code, message).label(cx.node(node).span, consequence);
    let written = cx.model.data.as_ref().and_then(|data| data.args.get("features")).and_then(|arg| arg.span);
    if let Some(span) = written {
        finding = finding.label(span, "the features come from here");
    }
    let help = match cx.action(node) {
        Action::Readout(_) => "count the nodes: read out with `sum`",
        _ => {
            "sum the neighbours, which counts them: `gin(64)` or `sage(64, aggregate = sum)`, then read out with `sum`"
        }
    };
    vec![finding.help(format!("{help}; or let nodes differ by their degree: `features = degree` in `data`"))]
}

/// Why equal rows stay equal here.
fn gathered(cx: &Cx, node: NodeIndex) -> &'static str {
    match cx.action(node) {
        Action::Messages { gather: Gather::Max, .. } | Action::Readout(Gather::Max) => {
            "a maximum of equal rows is that row again"
        }
        Action::Messages {
            gather: Gather::Sum | Gather::Other | Gather::Ordered | Gather::Sorted | Gather::DegreeWeighted,
            ..
        } => "all nodes have the same number of neighbours, so equal rows stay equal",
        _ => "a mean of equal rows is that row again",
    }
}

/// Why all nodes have the same features, where they have.
fn equal_features(cx: &Cx) -> Option<String> {
    if let Some(data) = cx.data {
        return data
            .has_equal_features()
            .then(|| format!("all nodes of {} have the same features", data.name()));
    }
    let features = cx.model.data.as_ref()?.args.get("features")?;
    let calls = features.value.calls();
    let are_constant = features.value == ArgValue::Choice("constant")
        || (!calls.is_empty() && calls.iter().all(|feature| feature.name == "constant"));
    are_constant.then(|| "all nodes have the same features".to_owned())
}

/// Whether equal rows stay equal under a convolution.
fn stays_equal(cx: &Cx, input: NodeIndex, gather: Gather, own: Own) -> bool {
    let ty = &cx.node(input).ty;
    if ty.entity != Entity::Nodes {
        return false;
    }
    // Which edges a selection leaves is not known.
    let degrees = cx.data.filter(|_| ty.level.0 == 0).map(|data| data.degrees());
    let are_degrees_equal = degrees.is_some_and(|degrees| degrees.are_equal);
    match gather {
        Gather::Mean | Gather::Max | Gather::Attention => {
            // A node without neighbours gets nothing where others get the common row.
            let all_have_some = match (own, cx.data, degrees) {
                (Own::SelfLoop, ..) => true,
                (_, Some(_), Some(degrees)) => degrees.n_without == 0,
                (_, Some(_), None) => false,
                (_, None, _) => ty.level.0 == 0,
            };
            all_have_some || are_degrees_equal
        }
        Gather::Sum | Gather::Other | Gather::DegreeWeighted | Gather::Ordered | Gather::Sorted => {
            are_degrees_equal
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::data::Dataset;
    use crate::lint::testing::{dataset, lints, lints_on};

    /// Two graphs with equal features: a path and a star of four nodes.
    fn equal() -> Dataset {
        let path: &[_] = &[(0, 1), (1, 0), (1, 2), (2, 1), (2, 3), (3, 2)];
        let star: &[_] = &[(0, 1), (1, 0), (0, 2), (2, 0), (0, 3), (3, 0)];
        dataset(&[(4, path), (4, star)], &[7; 8], &[0, 1])
    }

    fn has(text: &str, data: &Dataset) -> bool {
        lints_on(text, data).contains(&"constant_features")
    }

    #[test]
    fn averages_of_equal_rows_say_nothing() {
        for text in [
            "sage(8) -> relu -> mean -> linear",
            "sage(8, aggregate = max) -> relu -> sum -> linear",
            "gat(8) -> relu -> max -> linear",
            "linear(8) -> relu -> mean -> linear",
        ] {
            assert!(has(text, &equal()), "{text}");
        }
    }

    #[test]
    fn sums_and_degree_weights_tell_nodes_apart() {
        for text in [
            "gin(8) -> relu -> mean -> linear",
            "gcn(8) -> relu -> mean -> linear",
            "sage(8, aggregate = sum) -> relu -> max -> linear",
            "linear(8) -> relu -> sum -> linear",
        ] {
            assert!(!has(text, &equal()), "{text}");
        }
    }

    #[test]
    fn a_degree_weight_says_nothing_where_all_degrees_are_equal() {
        let ring: &[_] = &[(0, 1), (1, 0), (1, 2), (2, 1), (2, 0), (0, 2)];
        let rings = dataset(&[(3, ring), (3, ring)], &[1; 6], &[0, 1]);
        assert!(has("gcn(8) -> relu -> mean -> linear", &rings));
    }

    #[test]
    fn a_node_without_neighbours_differs_from_the_others() {
        let with_lone = dataset(&[(3, &[(0, 1), (1, 0)])], &[1; 3], &[0]);
        assert!(!has("sage(8) -> relu -> sum -> linear", &with_lone));
        assert!(has("gat(8) -> relu -> sum -> linear", &with_lone));
    }

    #[test]
    fn features_that_the_file_makes_constant_need_no_data() {
        let text = "data = tu(\"X\", features = constant)\nmodel = sage(8) -> relu -> mean -> linear";
        assert_eq!(lints(text), ["constant_features"]);
        assert_eq!(lints(&text.replace("constant", "degree")), [""; 0]);
    }
}
