//! `ndp(least)`: every second node, as far as a graph has such.

use super::selection::nodes;
use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, Select, WidthRule, conv, findings};
use crate::program::composite::{Composite, Connect, Keep};
use crate::types::Type;

/// Node decimation pooling: of the eigenvector of the largest eigenvalue of the normalised Laplacian `I − D^-½ A D^-½` the nodes with
/// an entry of 0 or more stay, so that neighbours rarely do both and about half of the nodes are left. They are joined by Kron
/// reduction, as they were through the nodes that are gone: a link of those to two nodes becomes one of these. Nothing is learned,
/// and features stay as they are.
///
/// Which way an eigenvector is turned, and which of several of one eigenvalue is taken, follows from the links alone, not from numbers of
/// nodes: those that the links do not tell apart all stay or all go. Every connected part of a graph has an eigenvector of its own;
/// a node without links stays.
///
/// Paper: Bianchi et al. 2020, "Hierarchical Representation Learning in Graph Neural Networks with Node Decimation Pooling",
/// section III. tgp: `tgp.poolers.NDPPooling`.
///
/// # Shapes
/// - `x`: `[N, F]`, nodes of a sparse graph; `weight`: `[E, 1]`, without gradient
/// - result: `[N', F]`, at most `N` nodes of each graph, in the order of the nodes, joined by an edge each way where their reduced link
///   weighs more than `least`. Edges count 1 there, and values of the edges end.
///
/// # Errors
/// `levels::needs_nodes` and `levels::needs_rows` on anything but nodes.
#[derive(Debug)]
pub struct Ndp;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "least",
        kind: ArgKind::Float(Range::closed(0.0, 1e6)),
        default: Default::Float(0.01),
        positional: false,
        doc: "Links of the reduced graph that weigh no more than this are left out, tgp's `sparse_threshold`.",
    },
    conv::WEIGHT,
];

impl Operator for Ndp {
    fn name(&self) -> &'static str {
        "ndp"
    }
    fn family(&self) -> Family {
        Family::Pooling
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Node decimation pooling: keeps one side of the largest cut, linked as before through the nodes that go.",
            formula: "X' = X[u ≥ 0],  u the top eigenvector of I − D^-½ A D^-½,  L' = L₊₊ − L₊₋ L₋₋⁻¹ L₋₊",
            paper: "Bianchi et al. 2020, \"Hierarchical Representation Learning in Graph Neural Networks with Node Decimation Pooling\"",
            example: "gcn(64) -> relu -> ndp -> gcn(64) -> relu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        nodes(cx)?;
        Ok(Type { level: cx.new_level, symmetry: findings::symmetry::kept(cx), ..cx.inputs[0].clone() })
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (b, weight) = (cx.b, cx.named("weight"));
        let with_weight = |first| [first].into_iter().chain(weight).collect::<Vec<_>>();
        let sides = b.call(Composite::CutSides, &with_weight(cx.x()));
        let connect = Connect::Through { least: cx.args.float("least") };
        let level = b.call(Composite::Select(Keep::MinScore(0.0), connect), &with_weight(sides));
        Some(Outcome::kept(b.call(Composite::Kept, &[cx.x(), level]), level))
    }
    fn joins_anew(&self, _: &Args) -> bool {
        true
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "tgp.poolers.NDPPooling",
            weights: &[],
            arguments: &[("sparse_threshold", "least")],
            note: "tgp takes either side, as its eigenvector comes out, and draws nodes where the cut is small. The edges it makes have \
                   weights, without gradients; here each counts 1.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Pooling(Select::Keep)
    }
}

#[cfg(test)]
mod tests {
    use crate::lower::testing::compile;
    use crate::lower::{ForwardCx, Network, Structure};
    use crate::ops::testing::{codes, nodes};
    use candle_core::{DType, Device};

    #[test]
    fn every_second_node_of_a_path_stays_linked_through_the_others() {
        let edges: Vec<(u32, u32)> = (0..6).flat_map(|node| [(node, node + 1), (node + 1, node)]).collect();
        let data = nodes(7, &edges);
        let text = "model = ndp -> sum -> linear(2)\ntask = graph_classification";
        let model = compile(text, None);
        let network = Network::build(&model, &data.facts(), DType::F64, &Device::Cpu, 1).unwrap();
        let batch = data.batch(&[0], DType::F64, &Device::Cpu).unwrap();
        let mut n_seen = 0;
        network
            .forward_observed(&batch, &mut ForwardCx::evaluation(), &mut |step, value| {
                if model.get().graph[step.node].op.name() == "ndp" {
                    let Structure::Sparse(graph) = &value.structure else { panic!("no nodes") };
                    // 0, 2, 4, 6, or 1, 3, 5.
                    let n = graph.n_nodes();
                    assert!([3, 4].contains(&n), "{n}");
                    assert_eq!(graph.n_edges(), 2 * (n - 1));
                    n_seen += 1;
                }
            })
            .unwrap();
        assert_eq!(n_seen, 1);
    }

    #[test]
    fn it_works_on_nodes_and_values_of_edges_end() {
        assert_eq!(codes("gcn(8) -> ndp(weight = edges -> linear(1)) -> gcn(8) -> mean -> linear"), [""; 0]);
        assert_eq!(codes("ndp -> gine(8, edge = edges) -> mean -> linear"), ["levels::edges_end"]);
        assert_eq!(codes("diffpool(k = 4) -> ndp -> mean -> linear"), ["levels::needs_nodes"]);
    }
}
