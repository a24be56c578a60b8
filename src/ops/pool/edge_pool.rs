//! `edge_pool`: edge contraction pooling.

use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{
    Action, Doc, Family, InferCx, Init, Operator, Pyg, Select, WeightMap, WidthRule, conv, facts,
};
use crate::program::composite::Composite;
use crate::types::{Entity, Size, Type};

/// Edge contraction pooling: each edge gets a score by a linear map of both its ends, `s_ij = f(w · [x_j ∥ x_i] + b) + a`
/// of an edge from `j` to `i`, with `f` a sigmoid, tanh, or a softmax over the edges that lead to `i`, which has no `b` because
/// it would change nothing. Edges are contracted by falling score where both ends are still free: `x_c = s_ij (x_i + x_j)`.
/// Nodes that stay alone keep their features.
///
/// Where scores are equal, as a softmax is 1 for each node that one edge leads to, the linear map itself decides. Edges that
/// tie in it too, to the last bit, and share a node are contracted together, so that the choice is the same in every
/// numbering; a cluster then has more than two nodes, which share the score. Where all features are equal, that makes one node
/// of each connected part.
///
/// Paper: Diehl 2019, "Edge Contraction Pooling for Graph Neural Networks", section 3.
/// PyG: `torch_geometric.nn.EdgePooling`.
///
/// # Shapes
/// - `x`: `[N, F]`, nodes of a sparse graph
/// - result: `[N', F]`, at most `N` nodes of each graph, in the order of the first node of each cluster, joined by one edge
///   where edges lead from cluster to cluster, and by a loop where edges lie inside of one. Values of the edges go on as the
///   sums over the edges that became one.
///
/// # Errors
/// `levels::needs_nodes` and `levels::needs_rows` on anything but nodes.
#[derive(Debug)]
pub struct EdgePool;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "score",
        kind: ArgKind::Choice(&["softmax", "sigmoid", "tanh"]),
        default: Default::Choice("softmax"),
        positional: false,
        doc: "Function that makes a score of the linear map, `f`; `softmax` is over the edges that lead to a node.",
    },
    ArgSpec {
        name: "add",
        kind: ArgKind::Float(Range::closed(-10.0, 10.0)),
        default: Default::Float(0.5),
        positional: false,
        doc: "Number that is added to each score, `a`, so that the features of a cluster keep their size.",
    },
    ArgSpec {
        doc: "Probability with which the linear map of an edge is dropped in training.",
        ..conv::gat::DROPOUT
    },
];

impl Operator for EdgePool {
    fn name(&self) -> &'static str {
        "edge_pool"
    }
    fn family(&self) -> Family {
        Family::Pooling
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Edge contraction pooling: joins the nodes at both ends of the edges with the best learned scores.",
            formula: "s_ij = softmax_j(w · [x_j ∥ x_i]) + a,  x_c = s_ij (x_i + x_j) along the best edges with free ends",
            paper: "Diehl 2019, \"Edge Contraction Pooling for Graph Neural Networks\"",
            example: "gcn(64) -> relu -> edge_pool -> gcn(64) -> relu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        let input = cx.inputs[0];
        match input.entity {
            Entity::Nodes => {}
            Entity::Graph => return Err(findings::levels::needs_rows(cx)),
            Entity::Edges | Entity::EdgeKinds | Entity::Pairs | Entity::Clusters | Entity::Slots => {
                return Err(findings::levels::needs_nodes(cx));
            }
        }
        Ok(Type { level: cx.new_level, symmetry: findings::symmetry::kept(cx), ..input.clone() })
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b, e) = (cx.x(), cx.args, cx.b, cx.edges());
        let width = &cx.inputs[0].width.size;
        let both = conv::times(2, &cx.inputs[0].width);
        let uniform = Init::KaimingUniform { fan_in: facts::known(&both) };
        let w = b.weight("weight", &[both, conv::fixed(1)], uniform);
        let of_end = |start: Size| x.linear(w.slice(0, start, width.clone()));
        let (source, target) = (of_end(Size::Known(0)), of_end(width.clone()));
        let raw = e.source(source) + e.target(target);
        let raw = match a.choice("score") {
            "softmax" => raw,
            _ => raw + b.weight("bias", &[conv::fixed(1)], uniform),
        };
        let raw = raw.dropout(a.float("dropout"));
        let score = match a.choice("score") {
            "sigmoid" => raw.sigmoid(),
            "tanh" => raw.tanh(),
            _ => e.softmax(raw),
        };
        // A sigmoid and tanh rise with the linear map, and a softmax is 1 wherever one edge leads to a node: the map still
        // tells edges apart whose scores are one number.
        let clusters = match a.choice("score") {
            "softmax" => b.call(Composite::Contract { self_loops: true }, &[score, raw]),
            _ => b.call(Composite::Contract { self_loops: true }, &[raw]),
        };
        let score = score.offset(a.float("add"));
        let merged = b.call(Composite::Merged, &[x, clusters]);
        Some(Outcome::kept(merged * b.call(Composite::OfContracted, &[score, clusters]), clusters))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.EdgePooling",
            weights: &[
                ("lin.weight", "weight", WeightMap::Transposed),
                ("lin.bias", "bias", WeightMap::Same),
            ],
            arguments: &[("edge_score_method", "score"), ("add_to_edge_score", "add")],
            note: "Without the bias where the score is a softmax, which it does not change. PyG orders clusters by falling \
                   score and lets the order of the edges break ties; here they stand in the order of their first nodes, \
                   the linear map breaks ties, and edges that tie in it and share a node are contracted together.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Pooling(Select::Merge)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{codes, types};

    #[test]
    fn the_nodes_are_nodes_of_a_new_level() {
        let text =
            "gcn(8) -> edge_pool -> gcn(8) -> topk(ratio = 0.5) -> edge_pool(score = tanh) -> mean -> linear";
        assert_eq!(types(text, None)[2], "nodes[N, 8]");
        let mixed = "gcn(8) as fine -> edge_pool -> add(fine, identity) -> mean -> linear";
        assert_eq!(codes(mixed), ["levels::mixed_levels"]);
    }

    #[test]
    fn only_nodes_can_be_merged() {
        assert_eq!(codes("diffpool(k = 4) -> edge_pool -> mean -> linear"), ["levels::needs_nodes"]);
        assert_eq!(codes("mean -> edge_pool -> linear"), ["levels::needs_rows"]);
    }

    #[test]
    fn features_of_edges_go_on_and_their_kinds_end() {
        let text =
            "edge_pool -> gine(8, edge = edges) -> topk(k = 3) -> gine(8, edge = edges) -> sum -> linear";
        assert_eq!(codes(text), [""; 0]);
        assert_eq!(
            codes("edge_pool -> rgcn(8, relation = edge_labels) -> sum -> linear"),
            ["levels::edges_end"]
        );
    }
}
