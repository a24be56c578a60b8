//! `mincut(ratio | k, assign)`: pooling into clusters that cut few edges.

use super::assignment::{ASSIGN, Assigned, CLUSTERS, CONNECT, SELF_LOOPS, SHARE, TEMPERATURE, clusters};
use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::loss::{MINCUT, ORTHOGONALITY};
use crate::ops::program::{On, Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, Select, WidthRule, conv};
use crate::program::Index;
use crate::types::Type;

/// MinCut pooling: a network assigns every node softly to `k` clusters, `S = softmax(assign(x) / temperature)`; the
/// clusters get the features `X' = Sᵀ X` and the adjacency `Â = Sᵀ A S` without its diagonal, normalised to
/// `A' = D̂^-½ Â D̂^-½` with the row sums `D̂` of `Â`, which `connect` and `self_loops` change. The losses `mincut` and `orthogonality` make the clusters such
/// that few edges lead from one to another, and none takes all nodes.
///
/// Paper: Bianchi et al. 2020, "Spectral Clustering with Graph Neural Networks for Graph Pooling", eqs. 6 to 9.
/// PyG: `torch_geometric.nn.dense_mincut_pool`, here without padding and, at the input graph, on sparse edges.
///
/// # Shapes
/// - port 0, `x`: `[N, F]`, nodes or clusters
/// - port 1, assignment logits: `[N, k]`
/// - `weight`: `[E, 1]`, the entries `A_ij` of the edges, which are 1 without it
/// - result: `k` clusters per graph, `[G · k, F]`, with the coarse adjacency `[G, k, k]`
///
/// # Errors
/// Those of `diffpool`.
#[derive(Debug)]
pub struct MinCut;

static ARGS: &[ArgSpec] = &[SHARE, CLUSTERS, ASSIGN, TEMPERATURE, conv::WEIGHT, CONNECT, SELF_LOOPS];

impl Operator for MinCut {
    fn name(&self) -> &'static str {
        "mincut"
    }
    fn family(&self) -> Family {
        Family::Pooling
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Pools into clusters that few edges lead out of, found by a network and two losses.",
            formula: "S = softmax(assign(x)),  X' = Sᵀ X,  Â = Sᵀ A S without its diagonal,  A' = D̂^-½ Â D̂^-½",
            paper: "Bianchi et al. 2020, \"Spectral Clustering with Graph Neural Networks for Graph Pooling\"",
            example: "gcn(64) -> relu -> mincut(k = 8) -> gcn(64) -> relu -> mean -> mlp",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Computed
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        clusters(cx)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let of = Assigned::of(cx, cx.input(1)?.scale(1.0 / cx.args.float("temperature")));
        Some(Outcome {
            x: of.s.outer(cx.x(), Index::Graph),
            on: On::Clusters { adjacency: of.adjacency(cx) },
            losses: vec![(MINCUT, -of.kept()), (ORTHOGONALITY, of.orthogonality())],
            assignment: Some(of.s),
        })
    }
    fn losses(&self) -> &'static [&'static str] {
        &[MINCUT, ORTHOGONALITY]
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.dense_mincut_pool",
            weights: &[],
            arguments: &[("temp", "temperature")],
            note: "Where edges have one direction, PyG has to be given the transpose of what `to_dense_adj` makes. A graph \
                   without edges has the cut 0 here; PyG divides by 0.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Pooling(Select::Assign)
    }
}

#[cfg(test)]
mod tests {
    use crate::lower::testing::{compile, graphs};
    use crate::lower::{ForwardCx, Network};
    use crate::ops::loss::{MINCUT, ORTHOGONALITY};
    use crate::ops::testing::{codes, nodes, types};
    use crate::types::Entity;
    use candle_core::{DType, Device};

    #[test]
    fn its_arguments_are_those_of_an_assignment() {
        assert_eq!(codes("mincut -> mean -> linear"), ["args::missing"]);
        assert_eq!(codes("mincut(k = 3, ratio = 0.5) -> mean -> linear"), ["args::conflict"]);
        assert_eq!(codes("mean -> mincut(k = 3) -> linear"), ["levels::needs_edges"]);
        assert_eq!(
            codes("mincut(k = 3, assign = gcn(8) -> mean) -> mean -> linear"),
            ["levels::mixed_levels"]
        );
        assert_eq!(types("gcn(8) -> mincut(k = 3) -> gcn(5) -> mean -> linear", None)[3], "clusters[3, 8]");
        assert_eq!(codes("model = mincut(k = 3) -> mean -> linear\nloss = cross_entropy + entropy").len(), 1);
    }

    #[test]
    fn weights_of_edges_come_in_beside_an_assignment_that_is_written_or_not() {
        for assign in ["", ", assign = gcn(3)", ", assign = gcn(8) -> relu -> linear"] {
            for weight in ["edges", "edges -> linear(1)"] {
                let text = format!("mincut(k = 3{assign}, weight = {weight}) -> mean -> linear");
                assert_eq!(codes(&text), [""; 0], "{text}");
                let model = compile(&text, None);
                let pooling = model.get().nodes().find(|(_, node)| node.op.name() == "mincut");
                let (idx, node) = pooling.expect("a pooling");
                let entity = |name| {
                    model.get().graph[model.get().inputs(idx)[node.args.port(name).unwrap()]].ty.entity
                };
                assert_eq!([entity("assign"), entity("weight")], [Entity::Nodes, Entity::Edges], "{text}");
            }
        }
        assert_eq!(
            codes("mincut(k = 3) -> mincut(k = 2, weight = edges) -> mean -> linear"),
            ["levels::edges_end"]
        );
        assert_eq!(
            codes("mincut(k = 3, assign = edges -> linear(3)) -> mean -> linear"),
            ["levels::mixed_levels"]
        );
    }

    #[test]
    fn the_coarse_graph_is_made_only_where_it_is_read() {
        let made = |text: &str| -> Vec<bool> {
            let model = compile(text, None);
            let is_pooling = |step: &&crate::plan::Step| model.get().graph[step.node].op.name() == "mincut";
            crate::plan::plan(&model)
                .steps
                .iter()
                .filter(is_pooling)
                .map(|step| step.needs_adjacency)
                .collect()
        };
        let two = "model = mincut(k = 4) -> mincut(k = 2) -> mean -> linear";
        assert_eq!(made("mincut(k = 4) -> gcn(8) -> mean -> linear"), [true]);
        assert_eq!(made(two), [false, false]);
        assert_eq!(made(&format!("{two}\nloss = cross_entropy + mincut")), [true, false]);

        // Without it the module makes none.
        let data = graphs();
        let facts = data.facts();
        let network =
            Network::build(&compile(two, Some(&facts)), &facts, DType::F64, &Device::Cpu, 1).unwrap();
        let batch = data.batch(&[0, 1], DType::F64, &Device::Cpu).unwrap();
        let value = network.forward(&batch, &mut ForwardCx::evaluation()).unwrap();
        assert_eq!(value.x.dims(), [2, 3]);
    }

    #[test]
    fn a_graph_without_edges_is_cut_nowhere_and_has_gradients() {
        let data = nodes(3, &[]);
        let facts = data.facts();
        let text = "model = mincut(k = 2) -> gcn(4) -> mincut(k = 1) -> gcn(4) -> sum -> linear(2)\n\
                    task = graph_classification\nloss = cross_entropy + mincut + orthogonality";
        let network = Network::build(&compile(text, None), &facts, DType::F32, &Device::Cpu, 1).unwrap();
        let batch = data.batch(&[0], DType::F32, &Device::Cpu).unwrap();
        let mut cx = ForwardCx { is_taped: false, ..ForwardCx::training(1, &[MINCUT, ORTHOGONALITY]) };
        let mut sum = network.forward(&batch, &mut cx).unwrap().x.sum_all().unwrap();
        assert_eq!(cx.losses.len(), 4);
        for crate::lower::Reported { loss: name, of_graphs: loss, .. } in &cx.losses {
            let value = f64::from(loss.to_vec1::<f32>().unwrap()[0]);
            assert!(*name == ORTHOGONALITY || value == 0.0, "{name}: {value}");
            sum = (sum + loss.sum_all().unwrap()).unwrap();
        }
        let gradients = sum.backward().unwrap();
        for parameter in network.parameters().iter() {
            let Some(gradient) = gradients.get(&parameter.var) else { continue };
            let values: Vec<f32> = gradient.flatten_all().unwrap().to_vec1().unwrap();
            assert!(values.iter().all(|value| value.is_finite()), "{}: {values:?}", parameter.name);
        }
    }
}
