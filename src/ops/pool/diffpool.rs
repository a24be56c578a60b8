//! `diffpool(ratio | k, assign, embed)`: differentiable pooling.

use super::assignment::{CONNECT, SELF_LOOPS, connected};
use super::{K, RATIO, kept_rows, largest_rows};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::loss::{ENTROPY, LINK_PREDICTION};
use crate::ops::program::{On, Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, Select, WidthRule, conv};
use crate::program::composite::Composite;
use crate::types::{Dim, Entity, Type};

/// Differentiable pooling: a network assigns every node softly to `k` clusters, `S = softmax(assign(x))`;
/// the clusters get the features `X' = Sᵀ Z` and the adjacency `A' = Sᵀ A S`, `A'[c, d] = Σ_ij S_ic A[i ← j] S_jd`, so that
/// clusters gather in the direction in which nodes do.
///
/// Paper: Ying et al. 2018, "Hierarchical Graph Representation Learning with Differentiable Pooling", eqs. 3 to 6;
/// its auxiliary objectives (section 3.3) are the losses `link_prediction` and `entropy`.
/// PyG: `torch_geometric.nn.dense_diff_pool`, here without padding and, at the input graph, on sparse edges.
///
/// # Shapes
/// - port 0, `x`: `[N, F]`, nodes or clusters
/// - port 1, assignment logits: `[N, k]`
/// - port 2, embedding `Z`: `[N, F_out]`; without `embed`, `Z` is `x`
/// - result: `k` clusters per graph, `[G · k, F_out]`, with the coarse adjacency `[G, k, k]`
///
/// # Errors
/// `args::missing` and `args::conflict` for `ratio` and `k`, `levels::needs_edges` on slots or graph vectors,
/// `levels::mixed_levels` where a network leaves the level, `shape::width_mismatch` where the assignment is
/// not `k` wide.
#[derive(Debug)]
pub struct DiffPool;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        doc: "Clusters per graph, as a share of the largest graph of the data (of the clusters, at a pooled level), rounded up.",
        ..RATIO
    },
    ArgSpec { doc: "Clusters per graph.", ..K },
    ArgSpec {
        name: "assign",
        kind: ArgKind::Pipeline { port: 1 },
        default: Default::Source("sage"),
        positional: false,
        doc: "The network whose result, `k` wide, becomes the assignment by a softmax over the clusters. \
              Where its last stage leaves its width out, it gets `k`. A linear layer to `k` is added where it ends in another width, and \
              where only the data gives `k`; `hgnnc show` marks it.",
    },
    ArgSpec {
        name: "embed",
        kind: ArgKind::Pipeline { port: 2 },
        default: Default::Inferred("the value that is pooled"),
        positional: false,
        doc: "The network whose result `Z` is gathered into the clusters.",
    },
    ArgSpec { default: Default::Choice("sum"), ..CONNECT },
    ArgSpec { default: Default::Bool(true), ..SELF_LOOPS },
];

/// The number of clusters per graph.
fn clusters(cx: &InferCx) -> std::result::Result<Dim, Diagnostic> {
    kept_rows(cx, &largest_rows(cx, &cx.inputs[0].rows), "ratio = 0.25")
}

impl Operator for DiffPool {
    fn name(&self) -> &'static str {
        "diffpool"
    }
    fn family(&self) -> Family {
        Family::Pooling
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Differentiable pooling: a network assigns the nodes softly to clusters, which form a smaller graph.",
            formula: "S = softmax(assign(x)),  X' = Sᵀ embed(x),  A' = Sᵀ A S",
            paper: "Ying et al. 2018, \"Hierarchical Graph Representation Learning with Differentiable Pooling\"",
            example: "sage(64) -> relu -> diffpool(ratio = 0.25) -> sage(64) -> relu -> mean -> mlp",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Computed
    }
    /// The rows of the result are the width that is asked of `assign`. They follow from port 0 alone, so this
    /// can be asked before the other ports are built.
    fn infer(&self, cx: &InferCx) -> std::result::Result<Type, Diagnostic> {
        conv::has_edges(cx)?;
        let rows = clusters(cx)?;
        super::assigned(cx, &rows)?;
        let embedding = cx.inputs.get(2).unwrap_or(&cx.inputs[0]);
        Ok(Type {
            entity: Entity::Clusters,
            level: cx.new_level,
            rows,
            width: embedding.width.clone(),
            symmetry: findings::symmetry::of_entity(cx, Entity::Clusters),
        })
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let z = cx.input(2).unwrap_or(cx.x());
        let s = cx.b.call(Composite::SoftmaxRows, &[cx.input(1).expect("the assignment comes in")]);
        Some(Outcome {
            x: cx.b.call(Composite::Pool, &[s, z]),
            on: On::Clusters { adjacency: connected(cx, cx.edges().coarse_adjacency(s)) },
            losses: vec![
                (LINK_PREDICTION, cx.edges().link_loss(s)),
                (ENTROPY, cx.b.call(Composite::Entropy, &[s])),
            ],
            assignment: Some(s),
        })
    }
    fn losses(&self) -> &'static [&'static str] {
        &[LINK_PREDICTION, ENTROPY]
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.dense_diff_pool",
            weights: &[],
            arguments: &[],
            note: "Where edges have one direction, PyG has to be given the transpose of what `to_dense_adj` makes: here \
                   clusters gather in the direction of the edges, as nodes do. The link loss is divided by the squared number of nodes of each graph (`normalize = True` on one \
                   graph alone) and averaged over graphs, so it is the same in any batch.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Pooling(Select::Assign)
    }
}

#[cfg(test)]
mod tests {
    use crate::lower::testing::{compile, graphs};
    use crate::lower::{ForwardCx, Network, Structure};
    use crate::ops::testing::{codes, types};
    use candle_core::{DType, Device};

    #[test]
    fn clusters_are_a_share_of_the_largest_graph_then_of_the_clusters() {
        let text = "sage(8) -> diffpool(ratio = 0.25) -> sage(8) -> diffpool(ratio = 0.5) -> mean -> linear";
        let clusters = |data: Option<usize>| {
            let facts = data.map(|max_nodes| crate::types::DataFacts { max_nodes, ..graphs().facts() });
            let mut types = types(text, facts.as_ref());
            types.retain(|ty| ty.starts_with("clusters"));
            types.dedup();
            types
        };
        assert_eq!(clusters(None)[0], "clusters[⌈N/4⌉, 8]");
        let known = clusters(Some(620));
        assert_eq!(known[0], "clusters[155, 8]");
        assert_eq!(known[known.len() - 1], "clusters[78, 8]");
    }

    /// The stages, and which of them the compiler added.
    fn stages(text: &str, data: Option<&crate::types::DataFacts>) -> Vec<(&'static str, bool)> {
        let model = compile(text, data);
        let nodes = model.get().nodes();
        nodes.map(|(_, node)| (node.op.name(), node.author == crate::ir::Author::Compiler)).collect()
    }

    #[test]
    fn a_projection_is_added_only_where_the_clusters_ask_for_another_width() {
        for (pooling, is_added) in [
            ("diffpool(k = 4, assign = gcn(5) -> relu -> linear(4))", false),
            ("diffpool(k = 4, assign = gcn(4) -> relu -> dropout(0.5))", false),
            ("diffpool(k = 4, assign = concat(gcn(1), sage(3)))", false),
            ("diffpool(k = 4, assign = gat(2, heads = 2))", false),
            ("diffpool(k = 4, assign = gcn(5) -> relu -> linear)", false),
            ("diffpool(k = 4, assign = gcn(5) -> relu)", true),
            ("diffpool(k = 4, assign = relu)", true),
            ("diffpool(k = 4, assign = concat(gcn(1), sage(4)))", true),
            // Of 16 clusters a quarter are 4; of the nodes of the input graph, the file does not say.
            ("diffpool(k = 16) -> diffpool(ratio = 0.25, assign = sage(4))", false),
            ("diffpool(ratio = 0.25, assign = sage(4))", true),
            ("diffpool(ratio = 0.25, assign = sage(4)) -> diffpool(ratio = 0.5, assign = sage)", true),
        ] {
            let facts = crate::types::DataFacts { max_nodes: 16, ..graphs().facts() };
            let text = format!("model = {pooling} -> mean -> linear");
            for data in [None, Some(&facts)] {
                let stages = stages(&text, data);
                assert_eq!(stages.contains(&("linear", true)), is_added, "{pooling}: {stages:?}");
            }
        }
    }

    #[test]
    fn ratio_and_k_say_the_same_thing_and_one_has_to() {
        assert_eq!(codes("diffpool(ratio = 0.5, k = 3) -> mean -> linear"), ["args::conflict"]);
        assert_eq!(codes("diffpool() -> mean -> linear"), ["args::missing"]);
        assert_eq!(codes("mean -> diffpool(k = 3) -> linear"), ["levels::needs_edges"]);
    }

    #[test]
    fn only_losses_that_are_asked_for_are_computed() {
        let data = graphs();
        let facts = data.facts();
        let text = "model = diffpool(k = 3) -> sage(8) -> diffpool(k = 2) -> mean -> linear";
        let both = format!("{text}\nloss = cross_entropy + link_prediction + entropy");
        let network = |text: &str| {
            Network::build(&compile(text, Some(&facts)), &facts, DType::F64, &Device::Cpu, 1).unwrap()
        };
        let [model, without] = [network(&both), network(text)];
        let batch = data.batch(&[0, 1, 2], DType::F64, &Device::Cpu).unwrap();
        for wanted in [&[][..], &["entropy"], &["link_prediction", "entropy"]] {
            let mut cx = ForwardCx::training(0, wanted);
            model.forward(&batch, &mut cx).unwrap();
            let names: Vec<_> = cx.losses.iter().map(|found| found.loss).collect();
            assert_eq!(names, [wanted, wanted].concat());
            let mut cx = ForwardCx::training(0, wanted);
            without.forward(&batch, &mut cx).unwrap();
            assert!(cx.losses.is_empty(), "what the loss of the model does not have is not computed");
        }
    }

    #[test]
    fn an_adjacency_that_nothing_reads_is_not_made() {
        let data = graphs();
        let facts = data.facts();
        for (text, is_made) in [("diffpool(k = 3)", false), ("diffpool(k = 3) -> sage(8)", true)] {
            let model = compile(&format!("{text} -> mean -> linear"), Some(&facts));
            let plan = crate::plan::plan(&model);
            let pooling = plan.steps.iter().find(|step| model.get().graph[step.node].op.name() == "diffpool");
            assert_eq!(pooling.unwrap().needs_adjacency, is_made, "{text}");
        }
        let model = compile("diffpool(k = 3) -> flatten -> linear", Some(&facts));
        let network = Network::build(&model, &facts, DType::F64, &Device::Cpu, 1).unwrap();
        let batch = data.batch(&[0, 1], DType::F64, &Device::Cpu).unwrap();
        let value = network.forward(&batch, &mut ForwardCx::evaluation()).unwrap();
        assert!(matches!(value.structure, Structure::Graphs { n_graphs: 2 }), "{:?}", value.structure);
    }
}
