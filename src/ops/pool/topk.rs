//! `topk(ratio | k)`: top-k pooling.

use super::{K, RATIO, kept_rows};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{
    Action, Doc, Family, InferCx, Init, Operator, Pyg, Select, WeightMap, WidthRule, conv, facts,
};
use crate::program::V;
use crate::program::composite::{Composite, Keep};
use crate::types::{Entity, Type};

/// Top-k pooling: each node gets a score by a learned direction `p`, the best nodes of each graph are kept and
/// weighted by it: `y = x p / ‖p‖`, `X' = (x ⊙ tanh(y))[best]`, `A' = A[best, best]`.
///
/// Paper: Gao and Ji 2019, "Graph U-Nets", eq. 2. PyG: `torch_geometric.nn.TopKPooling`.
///
/// # Shapes
/// - `x`: `[N, F]`, nodes of a sparse graph
/// - result: `[⌈ratio · N⌉, F]` or `[min(k, N), F]` of each graph, in the order of the nodes; nodes with the
///   same score as the last one kept stay too, so that the choice does not depend on the numbering
///
/// # Errors
/// `args::missing` and `args::conflict` for `ratio` and `k`, `levels::needs_nodes` on anything but nodes.
#[derive(Debug)]
pub struct TopK;

static ARGS: &[ArgSpec] = &[
    ArgSpec { doc: "Share of the nodes of each graph to keep, rounded up.", ..RATIO },
    ArgSpec { doc: "Number of nodes of each graph to keep; a graph with fewer keeps them all.", ..K },
    ArgSpec {
        name: "nonlinearity",
        kind: ArgKind::Choice(&["tanh", "sigmoid"]),
        default: Default::Choice("tanh"),
        positional: false,
        doc: "Function that maps the score of a node to its weight.",
    },
];

impl Operator for TopK {
    fn name(&self) -> &'static str {
        "topk"
    }
    fn family(&self) -> Family {
        Family::Pooling
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Top-k pooling: keeps the nodes with the best learned scores and the edges between them.",
            formula: "y = x p / ‖p‖,  X' = (x ⊙ tanh(y))[best],  A' = A[best, best]",
            paper: "Gao and Ji 2019, \"Graph U-Nets\"",
            example: "gcn(64) -> relu -> topk(ratio = 0.5) -> gcn(64) -> relu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> std::result::Result<Type, Diagnostic> {
        let input = cx.inputs[0];
        match input.entity {
            Entity::Nodes => {}
            Entity::Graph => return Err(findings::levels::needs_rows(cx)),
            Entity::Edges | Entity::EdgeKinds | Entity::Clusters | Entity::Slots => {
                return Err(findings::levels::needs_nodes(cx));
            }
        }
        Ok(Type {
            entity: Entity::Nodes,
            level: cx.new_level,
            rows: kept_rows(cx, &input.rows, "ratio = 0.5")?,
            width: input.width.clone(),
            symmetry: findings::symmetry::kept(cx),
        })
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b) = (cx.x(), cx.args, cx.b);
        let width = &cx.inputs[0].width;
        let uniform = Init::KaimingUniform { fan_in: facts::known(width) };
        let direction = b.weight("direction", &[width.clone(), conv::fixed(1)], uniform);
        let length = direction.flat().dot(direction.flat()).sqrt();
        let score = x.linear(direction.div_rows(length));
        let keep = match (a.opt_float("ratio"), a.opt_int("k")) {
            (Some(ratio), _) => Keep::Ratio(ratio),
            (None, k) => Keep::Count(k.unwrap_or(1) as usize),
        };
        // Nodes are chosen by the score before the nonlinearity, which rises with it: the choice is the same,
        // but scores that the nonlinearity rounds to one value are still distinguished.
        let selection = b.call(Composite::Select(keep), &[score]);
        let kept = |v: V<'b>| b.call(Composite::Kept, &[v, selection]);
        let (x, score) = (kept(x), kept(score));
        let weight = if a.choice("nonlinearity") == "sigmoid" { score.sigmoid() } else { score.tanh() };
        Some(Outcome::kept(x * weight, selection))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.TopKPooling",
            weights: &[("select.weight", "direction", WeightMap::Transposed)],
            arguments: &[],
            note: "PyG orders the kept nodes by falling score and lets the numbering break ties; here they keep the order of the nodes, and nodes that tie with the last one kept stay too.",
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
    fn the_kept_nodes_are_nodes_of_a_new_level() {
        let text = "gcn(8) -> topk(ratio = 0.5) -> gcn(8) -> topk(k = 4) -> mean -> linear";
        let types = types(text, None);
        assert_eq!(types[2], "nodes[⌈N/2⌉, 8]");
        assert_eq!(types[4], "nodes[4, 8]");
        let mixed = "gcn(8) as fine -> topk(ratio = 0.5) -> add(fine, identity) -> mean -> linear";
        assert_eq!(codes(mixed), ["levels::mixed_levels"]);
    }

    #[test]
    fn only_nodes_can_be_selected() {
        assert_eq!(codes("diffpool(k = 4) -> topk(k = 2) -> mean -> linear"), ["levels::needs_nodes"]);
        assert_eq!(codes("mean -> topk(k = 2) -> linear"), ["levels::needs_rows"]);
    }
}
