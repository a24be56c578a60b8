//! `drop_edge(p)`: random edges left out while training.

use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::findings::levels;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, WidthRule};
use crate::types::{Entity, Type};

/// While training, every edge is left out with probability `p`, for the stages that follow; in evaluation all edges are there. An edge
/// and its reverse stay or go together, parallel edges too, and degrees are those of the edges that are left. Which edges go
/// follows from the seed of the step.
///
/// The rows stay as they are: a value before it still has all edges, so `drop_edge` stands in front of each convolution that is
/// to have edges of its own left out, or once in front of several.
///
/// Paper: Rong et al. 2020, "DropEdge: Towards Deep Graph Convolutional Networks on Node Classification", section 4.1.
/// PyG: `torch_geometric.utils.dropout_edge(force_undirected = True)`.
///
/// # Shapes
/// - result: as the input
///
/// # Errors
/// `levels::needs_nodes` on clusters, whose edges are a dense matrix, and on what has no edges.
#[derive(Debug)]
pub struct DropEdge;

static ARGS: &[ArgSpec] = &[ArgSpec {
    name: "p",
    kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
    default: Default::Float(0.5),
    positional: true,
    doc: "Probability that an edge is left out.",
}];

impl Operator for DropEdge {
    fn name(&self) -> &'static str {
        "drop_edge"
    }
    fn family(&self) -> Family {
        Family::Structure
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "While training, leaves random edges out for the stages that follow.",
            formula: "E' = {e ∈ E with probability 1 − p}",
            paper: "Rong et al. 2020, \"DropEdge: Towards Deep Graph Convolutional Networks on Node Classification\"",
            example: "linear(32) -> relu -> drop_edge(0.2) -> gcn(32) -> relu -> gcn(32) -> relu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        if cx.inputs[0].entity != Entity::Nodes {
            return Err(levels::needs_nodes(cx));
        }
        Ok(cx.inputs[0].clone())
    }
    fn program<'b>(&self, _: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        None
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.utils.dropout_edge",
            weights: &[],
            arguments: &[],
            note: "With `force_undirected = True`; here the result stands for what follows, until the next pooling.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        Action::DropEdge { p: args.float("p") }
    }
}

#[cfg(test)]
mod tests {
    use crate::lower::{ForwardCx, Network};
    use crate::ops::testing::{codes, forward, nodes};
    use candle_core::{DType, Device};

    /// A ring of 40 nodes with chords of one direction, two parallel edges and a loop.
    fn edges() -> Vec<(u32, u32)> {
        let ring = (0..40).flat_map(|node| [(node, (node + 1) % 40), ((node + 1) % 40, node)]);
        ring.chain((0..10).map(|node| (node, node + 20))).chain([(0, 20), (7, 7)]).collect()
    }

    fn rows(text: &str, cx: ForwardCx) -> Vec<Vec<f64>> {
        let data = nodes(40, &edges());
        let text = format!("model = {text}\ntask = node_regression");
        let model = crate::lower::testing::compile(&text, None);
        let network = Network::build(&model, &data.facts(), DType::F64, &Device::Cpu, 1).unwrap();
        forward(&network, &data, cx)
    }

    #[test]
    fn edges_go_in_training_alone_and_both_ways_at_once() {
        let of = |p: f64, direction: &str, cx| {
            let text = format!("identity as x -> drop_edge({p}) -> simple(direction = {direction})");
            rows(&text, cx)
        };
        let all = of(0.0, "along", ForwardCx::training(3, &[]));
        assert_eq!(of(0.5, "along", ForwardCx::evaluation()), all);
        let dropped = of(0.5, "along", ForwardCx::training(3, &[]));
        assert_eq!(dropped, of(0.5, "along", ForwardCx::training(3, &[])), "the same seed");
        assert_ne!(dropped, of(0.5, "along", ForwardCx::training(4, &[])));
        assert_ne!(dropped, all);
    }

    #[test]
    fn what_is_left_is_a_part_of_the_graph_with_its_values() {
        use crate::kernels::graph::{Csr, SparseGraph};
        use std::sync::Arc;
        let csr = Csr::from_edges(40, &edges());
        let (adjacency, transpose) = (Arc::new(csr.clone()), Arc::new(csr.transpose()));
        let graph = SparseGraph::new(adjacency, transpose, Arc::new(vec![0, 40]));
        let (mut n_left, rounds) = (0, 50);
        for seed in 0..rounds {
            let left = graph.without_edges(0.3, seed);
            assert_eq!(*left.transpose, left.adjacency.transpose());
            let entries = left.entries_before().expect("entries of the graph before");
            assert_eq!(entries.len(), left.n_edges());
            n_left += entries.len();
            let row_of = |entry: u32| csr.offsets.partition_point(|&start| start <= entry) - 1;
            let mut at = 0;
            for row in 0..40 {
                for &source in left.adjacency.row(row) {
                    assert_eq!((row_of(entries[at]), csr.indices[entries[at] as usize]), (row, source));
                    at += 1;
                }
            }
            // The ring is symmetric, so what is left of it is too.
            for node in 0..40usize {
                let next = (node + 1) % 40;
                let has = |row: usize, source: usize| left.adjacency.row(row).contains(&(source as u32));
                assert_eq!(has(node, next), has(next, node));
            }
            let parallel = left.adjacency.row(20).iter().filter(|&&source| source == 0).count();
            assert!(parallel == 0 || parallel == 2);
        }
        let share = n_left as f64 / (rounds as usize * csr.n_entries()) as f64;
        assert!((share - 0.7).abs() < 0.03, "{share}");
        let again = graph.without_edges(0.3, 0).without_edges(0.3, 1);
        assert!(again.n_edges() < graph.without_edges(0.3, 0).n_edges());
    }

    #[test]
    fn values_of_edges_follow_those_that_are_left() {
        let text = "linear(8) -> drop_edge(0.4) -> gine(8, edge = edges -> linear(4)) -> relu -> topk(ratio = 0.5) \
                    -> drop_edge(0.4) -> gine(8, edge = edges) -> mean -> linear";
        assert_eq!(codes(text), [""; 0]);
        assert_eq!(
            codes("gcn(8) -> diffpool(k = 4) -> drop_edge(0.4) -> gcn(8) -> mean -> linear"),
            ["levels::needs_nodes"]
        );
        use crate::data::synthetic::{RandomGraphs, random_graphs};
        let data = random_graphs(&RandomGraphs {
            n_graphs: 9,
            n_edge_features: 3,
            n_edge_kinds: 2,
            ..RandomGraphs::default()
        });
        let text = "linear(8) as x -> drop_edge(0.4) -> rgcn(8, relation = edge_labels) -> gine(8, edge = edges) -> concat(x, identity) \
                    -> topk(ratio = 0.5) -> drop_edge(0.4) -> gine(8, edge = edges) -> mean -> linear";
        let model = crate::lower::testing::compile(text, Some(&data.facts()));
        let network = Network::build(&model, &data.facts(), DType::F64, &Device::Cpu, 1).unwrap();
        let graphs: Vec<u32> = (0..9).collect();
        let batch = data.batch(&graphs, DType::F64, &Device::Cpu).unwrap();
        let targets = data.target_tensor(&graphs, DType::F64, &Device::Cpu).unwrap().unwrap();
        let mut cx = network.training_cx(2);
        let output = network.forward(&batch, &mut cx).unwrap();
        let gradients = network.loss(&output, &targets, &cx, None).unwrap().backward().unwrap();
        for parameter in network.parameters().trained() {
            let gradient: Vec<f64> =
                gradients.get(&parameter.var).unwrap().flatten_all().unwrap().to_vec1().unwrap();
            assert!(gradient.iter().all(|number| number.is_finite()), "{}", parameter.name);
        }
        network.forward(&batch, &mut ForwardCx::evaluation()).unwrap();
    }
}
