//! `asap(ratio | k)`: the best neighbourhoods of a graph.

use super::selection::{COUNT, SHARE};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{
    Action, Doc, Family, InferCx, Init, Operator, Pyg, Select, WeightMap, WidthRule, conv, facts, findings,
};
use crate::program::V;
use crate::program::composite::{Composite, Connect, Keep};
use crate::types::{Entity, Size, Type};

/// Adaptive structure aware pooling: each node and those that it gathers from are a cluster; attention by the largest features
/// of the cluster makes one vector of it, `x_c = Σ_j α_cj x_j`; a local extremum layer gives it a fitness `φ`, and the best
/// clusters of each graph are kept and weighted by it: `X' = (x_c ⊙ sigmoid(φ))[best]`. Two of them are joined where they
/// share a node or an edge leads between their nodes.
///
/// Paper: Ranjan et al. 2020, "ASAP: Adaptive Structure Aware Pooling for Learning Hierarchical Graph Representations",
/// eqs. 4 to 10. PyG: `torch_geometric.nn.ASAPooling`.
///
/// # Shapes
/// - port 0, `x`: `[N, F]`, nodes of a sparse graph
/// - port 1, `gnn`: `[N, F]`, what attention reads; without it `x`
/// - result: `[⌈ratio · N⌉, F]` or `[min(k, N), F]` of each graph, in the order of the nodes; clusters with the same fitness as the
///   last one kept stay too, so that the choice does not depend on the numbering. Every edge between clusters counts 1.
///
/// # Errors
/// `args::missing` and `args::conflict` for `ratio` and `k`, `levels::needs_nodes` on anything but nodes, `levels::mixed_levels`
/// and `shape::width_mismatch` where `gnn` leaves the level or changes the width. Values of the edges end here.
#[derive(Debug)]
pub struct Asap;

static ARGS: &[ArgSpec] = &[
    SHARE,
    COUNT,
    ArgSpec {
        name: "gnn",
        kind: ArgKind::Pipeline { port: 1 },
        default: Default::Inferred("the value that is pooled"),
        positional: false,
        doc: "The network whose result, as wide as what is pooled, attention reads.",
    },
    ArgSpec { doc: "Probability with which a share `α_cj` is dropped in training.", ..conv::gat::DROPOUT },
    ArgSpec { doc: "Slope of the leaky ReLU of scores below 0.", ..conv::gat::SLOPE },
    ArgSpec::flag("self_loops", false, "Whether each kept cluster is joined to itself."),
];

impl Operator for Asap {
    fn name(&self) -> &'static str {
        "asap"
    }
    fn family(&self) -> Family {
        Family::Pooling
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Adaptive structure aware pooling: keeps the neighbourhoods of the best fitness, put together by attention.",
            formula: "x_c = Σ_{j ∈ N(c) ∪ c} α_cj x_j,  φ = le(x_c),  X' = (x_c ⊙ sigmoid(φ))[best]",
            paper: "Ranjan et al. 2020, \"ASAP: Adaptive Structure Aware Pooling for Learning Hierarchical Graph Representations\"",
            example: "gcn(64) -> relu -> asap(ratio = 0.5) -> gcn(64) -> relu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        super::selection::nodes(cx)?;
        let input = cx.inputs[0];
        if let Some(port) = cx.port("gnn") {
            let of = cx.inputs[port];
            if (of.entity, of.level) != (input.entity, input.level) {
                return Err(findings::levels::mixed_levels(cx, port));
            }
            if findings::shape::differ(&of.width.size, &input.width.size) {
                let help = format!("attention compares both: end `gnn` in {} features", input.width.size);
                return Err(findings::shape::width_mismatch(cx, port, &input.width, help));
            }
        }
        Ok(Type {
            entity: Entity::Nodes,
            level: cx.new_level,
            rows: super::kept_rows(cx, &input.rows, "ratio = 0.5")?,
            width: input.width.clone(),
            symmetry: findings::symmetry::kept(cx),
        })
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b) = (cx.x(), cx.args, cx.b);
        let e = cx.edges_without_loops();
        let read = cx.named("gnn").unwrap_or(x);
        let width = &cx.inputs[0].width;
        let uniform = |from: &crate::types::Dim| Init::KaimingUniform { fan_in: facts::known(from) };

        // The largest of a node and those that it gathers from; the largest of no edges is 0.
        let has_edges = e.degree().above(0.0).view(&[Size::Known(1)]);
        let largest = has_edges.choose(e.largest(e.source(read)).max(read), read);
        let query = cx.linear(largest, ["query", "query_bias"], width, width);
        let both = conv::times(2, width);
        let w = b.weight("attention", &[both.clone(), conv::fixed(1)], uniform(&both));
        let bias = b.weight("attention_bias", &[conv::fixed(1)], uniform(&both));
        let half = |v: V<'b>, start: Size| v.linear(w.slice(0, start, width.size.clone()));
        let (asked, offered) = (half(query, Size::Known(0)), half(read, width.size.clone()));
        let act = |score: V<'b>| (score + bias).leaky_relu(a.float("negative_slope"));
        let (shares, own) = e.softmax_beside(act(e.target(asked) + e.source(offered)), act(asked + offered));
        let p = a.float("dropout");
        let cluster = e.sum_of_shares(e.source(x) * shares.dropout(p)) + x * own.dropout(p);

        let one = conv::fixed(1);
        let near = cx.linear(cluster, ["neighbour", "neighbour_bias"], width, &one);
        let less = cx.map(cluster, "own", width, &one);
        let root = cx.linear(cluster, ["root", "root_bias"], width, &one);
        let around = e.sum(e.source(near)) + near - less.mul_rows(e.degree().offset(1.0));
        let fitness = around + root;
        let keep = match (a.opt_float("ratio"), a.opt_int("k")) {
            (Some(ratio), _) => Keep::Ratio(ratio),
            (None, k) => Keep::Count(k.unwrap_or(1) as usize),
        };
        let connect = Connect::Neighbourhoods { self_loops: a.bool("self_loops") };
        let level = b.call(Composite::Select(keep, connect), &[fitness]);
        let kept = |v: V<'b>| b.call(Composite::Kept, &[v, level]);
        Some(Outcome::kept(kept(cluster) * kept(fitness).sigmoid(), level))
    }
    fn joins_anew(&self, _: &Args) -> bool {
        true
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.ASAPooling",
            weights: &[
                ("lin.weight", "query", WeightMap::Transposed),
                ("lin.bias", "query_bias", WeightMap::Same),
                ("att.weight", "attention", WeightMap::Transposed),
                ("att.bias", "attention_bias", WeightMap::Same),
                ("gnn_score.lin1.weight", "neighbour", WeightMap::Transposed),
                ("gnn_score.lin1.bias", "neighbour_bias", WeightMap::Same),
                ("gnn_score.lin2.weight", "own", WeightMap::Transposed),
                ("gnn_score.lin3.weight", "root", WeightMap::Transposed),
                ("gnn_score.lin3.bias", "root_bias", WeightMap::Same),
            ],
            arguments: &[("GNN", "gnn"), ("add_self_loops", "self_loops")],
            note: "PyG gives the edges between clusters the weights `Sᵀ A S`, without gradients; here each counts 1. It orders the kept \
                   nodes by falling fitness and lets the numbering break ties, and has one more weight, which never learns.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Pooling(Select::Keep)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{codes, types};

    #[test]
    fn what_attention_reads_is_as_wide_as_what_is_pooled() {
        let of = |args: &str| codes(&format!("gcn(8) -> asap({args}) -> gcn(8) -> mean -> linear"));
        assert_eq!(of("ratio = 0.5, gnn = gcn(8) -> relu"), [""; 0]);
        assert_eq!(of("ratio = 0.5, gnn = gcn(4)"), ["shape::width_mismatch"]);
        assert_eq!(of("ratio = 0.5, gnn = mean"), ["levels::mixed_levels"]);
        assert_eq!(of(""), ["args::missing"]);
        assert_eq!(types("gcn(8) -> asap(k = 4) -> mean -> linear", None)[2], "nodes[4, 8]");
    }

    #[test]
    fn values_of_edges_end_where_clusters_are_joined_anew() {
        let text = "gine(8, edge = edges) -> asap(k = 4) -> gine(8, edge = edges) -> mean -> linear";
        assert_eq!(codes(text), ["levels::edges_end"]);
    }
}
