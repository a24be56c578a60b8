//! `graclus`: nodes in pairs along the heaviest edges.

use super::merging::{REDUCE, merged, reduced};
use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, Select, WidthRule, conv};
use crate::program::composite::Composite;
use crate::program::{Index, V};
use crate::types::Type;

/// Graclus coarsening: pairs of linked nodes become one, those first whose edge has most of what edges at its ends weigh,
/// `w_ij (1/d_i + 1/d_j)`. No weight is learned, so a graph is always coarsened in one way.
///
/// Which of several edges comes first that weigh the same is told by how many walks of two, four and eight edges lead to their
/// ends: fewer come first. Edges that are alike in all that, as those of a ring are, and share a node are contracted together,
/// so that the choice is the same in every numbering; then more than two nodes become one.
///
/// Paper: Dhillon et al. 2007, "Weighted Graph Cuts without Eigenvectors: A Multilevel Approach", section 5.1; for pooling
/// Defferrard et al. 2016, "Convolutional Neural Networks on Graphs with Fast Localized Spectral Filtering", section 2.2.
/// PyG: `torch_geometric.nn.graclus` and `max_pool`.
///
/// # Shapes
/// - `x`: `[N, F]`, nodes of a sparse graph; `weight`: `[E, 1]`, without gradient
/// - result: `[N', F]`, at most `N` nodes of each graph, in the order of the first node of each, joined by one edge where edges
///   lead from one to another, and by a loop where edges lie inside. Values of the edges go on as the sums over the edges that
///   became one.
///
/// # Errors
/// `levels::needs_nodes` and `levels::needs_rows` on anything but nodes.
#[derive(Debug)]
pub struct Graclus;

static ARGS: &[ArgSpec] = &[REDUCE, conv::WEIGHT];

impl Operator for Graclus {
    fn name(&self) -> &'static str {
        "graclus"
    }
    fn family(&self) -> Family {
        Family::Pooling
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Graclus coarsening: makes one node of pairs along the heaviest edges, without anything learned.",
            formula: "x_c = x_i + x_j along the edges of most w_ij (1/d_i + 1/d_j) with free ends",
            paper: "Dhillon et al. 2007, \"Weighted Graph Cuts without Eigenvectors: A Multilevel Approach\"",
            example: "gcn(64) -> relu -> graclus -> gcn(64) -> relu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        merged(cx)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let level = pairs(cx, true);
        Some(Outcome::kept(reduced(cx, cx.x(), level), level))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.graclus",
            weights: &[],
            arguments: &[("edge_weight", "weight")],
            note: "PyG visits the nodes at random and matches each with its heaviest free neighbour; here the heaviest edge of the \
                   graph comes first.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Pooling(Select::Merge)
    }
}

/// The level of the pairs along the heaviest edges.
pub fn pairs<'b>(cx: &ProgramCx<'_, 'b>, self_loops: bool) -> V<'b> {
    let (b, e) = (cx.b, cx.edges());
    let one = [crate::types::Size::Known(1)];
    let weight =
        cx.named("weight").unwrap_or(b.constant(1.0).in_space(crate::program::Space::Edges).view(&one));
    let degree = weight.sum(Index::Target);
    let share = degree.above(0.0).choose(degree.at_least(TINY).reciprocal(), b.constant(0.0));
    let score = weight * (e.source(share) + e.target(share));
    // Walks that begin at a node, each count divided by the mean of the graph so that it stays small.
    let more = |x: V<'b>| {
        let x = e.sum(e.source(x));
        x * x.mean(Index::Graph).at_least(TINY).reciprocal().gather(Index::Graph)
    };
    let ends = |x: V<'b>| -(e.source(x) + e.target(x));
    let two = more(more(degree));
    let four = more(more(two));
    let eight = more(more(more(more(four))));
    b.call(
        Composite::Contract { self_loops },
        &[score.stop(), ends(two).stop(), ends(four).stop(), ends(eight).stop()],
    )
}

/// What a degree counts as at least where something is divided by it.
const TINY: f64 = 1e-30;

#[cfg(test)]
mod tests {
    use crate::lower::testing::compile;
    use crate::lower::{ForwardCx, Network, Structure};
    use crate::ops::testing::{codes, nodes};
    use candle_core::{DType, Device};

    #[test]
    fn a_path_is_coarsened_from_its_ends() {
        // Ends have one edge, which is all of what their node weighs.
        let edges: Vec<(u32, u32)> = (0..5).flat_map(|node| [(node, node + 1), (node + 1, node)]).collect();
        let data = nodes(6, &edges);
        let text = "model = graclus -> sum -> linear(2)\ntask = graph_classification";
        let model = compile(text, None);
        let network = Network::build(&model, &data.facts(), DType::F64, &Device::Cpu, 1).unwrap();
        let batch = data.batch(&[0], DType::F64, &Device::Cpu).unwrap();
        let mut n_seen = 0;
        network
            .forward_observed(&batch, &mut ForwardCx::evaluation(), &mut |step, value| {
                if model.get().graph[step.node].op.name() == "graclus" {
                    let Structure::Sparse(graph) = &value.structure else { panic!("no nodes") };
                    assert_eq!(graph.n_nodes(), 3);
                    // 0 1 | 2 3 | 4 5, each with a loop.
                    assert_eq!(graph.adjacency.indices, [0, 1, 0, 1, 2, 1, 2]);
                    n_seen += 1;
                }
            })
            .unwrap();
        assert_eq!(n_seen, 1);
    }

    #[test]
    fn it_works_on_nodes_with_weights_or_without() {
        assert_eq!(
            codes("gcn(8) -> graclus(reduce = max, weight = edges -> linear(1)) -> mean -> linear"),
            [""; 0]
        );
        assert_eq!(codes("diffpool(k = 4) -> graclus -> mean -> linear"), ["levels::needs_nodes"]);
    }
}
