//! `topk(ratio | k | min_score)`: top-k pooling.

use super::selection::{CONNECT, COUNT, MIN_SCORE, MULTIPLIER, NONLINEARITY, SHARE, kept, selected};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{
    Action, Doc, Family, InferCx, Init, Operator, Pyg, Select, WeightMap, WidthRule, conv, facts,
};
use crate::types::Type;

/// Top-k pooling: each node gets a score by a learned direction `p`, the best nodes of each graph are kept and
/// weighted by it: `y = x p / ‖p‖`, `X' = (x ⊙ tanh(y))[best]`, `A' = A[best, best]`. With `min_score` the score is
/// `y = softmax(x p)` over the nodes of a graph, and those above it are the best.
///
/// Paper: Gao and Ji 2019, "Graph U-Nets", eq. 2; with `min_score` Knyazev et al. 2019, "Understanding Attention and
/// Generalization in Graph Neural Networks", eq. 3. PyG: `torch_geometric.nn.TopKPooling`.
///
/// # Shapes
/// - `x`: `[N, F]`, nodes of a sparse graph
/// - `attn`: `[N, F_a]`, what the scores are made of; without it `x`
/// - result: `[⌈ratio · N⌉, F]` or `[min(k, N), F]` of each graph, in the order of the nodes; nodes with the
///   same score as the last one kept stay too, so that the choice does not depend on the numbering
///
/// # Errors
/// `args::missing` and `args::conflict` for `ratio`, `k` and `min_score`, `args::no_effect` for `nonlinearity` beside
/// `min_score`, `levels::needs_nodes` on anything but nodes, `levels::mixed_levels` where `attn` leaves the level.
#[derive(Debug)]
pub struct TopK;

static ARGS: &[ArgSpec] = &[
    SHARE,
    COUNT,
    MIN_SCORE,
    ArgSpec {
        name: "attn",
        kind: ArgKind::Pipeline { port: 1 },
        default: Default::Inferred("the value that is pooled"),
        positional: false,
        doc: "The network whose result the scores are made of.",
    },
    NONLINEARITY,
    MULTIPLIER,
    CONNECT,
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
        let ty = kept(cx)?;
        if let Some(of) = cx.port("attn").map(|port| cx.inputs[port])
            && (of.entity, of.level) != (cx.inputs[0].entity, cx.inputs[0].level)
        {
            return Err(findings::levels::mixed_levels(cx, 1));
        }
        Ok(ty)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, width) = cx.named_with_width("attn").unwrap_or((cx.x(), &cx.inputs[0].width));
        let uniform = Init::KaimingUniform { fan_in: facts::known(width) };
        let direction = cx.b.weight("direction", &[width.clone(), conv::fixed(1)], uniform);
        // A softmax of scores tells how much better one is, so that the length of the direction matters.
        let direction = match cx.args.opt_float("min_score") {
            Some(_) => direction,
            None => direction.div_rows(direction.flat().dot(direction.flat()).sqrt()),
        };
        Some(selected(cx, x.linear(direction)))
    }
    fn joins_anew(&self, args: &Args) -> bool {
        super::selection::joins_anew(args)
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

    #[test]
    fn scores_may_be_made_of_another_value_of_the_same_nodes() {
        let text = "gcn(8) as fine -> gcn(4) -> topk(ratio = 0.5, attn = fine) -> mean -> linear";
        assert_eq!(codes(text), [""; 0]);
        assert_eq!(codes("topk(k = 2, attn = gcn(8) -> mean) -> mean -> linear"), ["levels::mixed_levels"]);
        assert_eq!(codes("topk(min_score = 0.1, ratio = 0.5) -> mean -> linear"), ["args::conflict"]);
        assert_eq!(
            codes("topk(min_score = 0.1, nonlinearity = tanh) -> mean -> linear"),
            ["args::no_effect"]
        );
    }

    #[test]
    fn values_of_edges_end_where_walks_join_the_nodes() {
        let of = |args: &str| codes(&format!("topk(k = 4{args}) -> gine(8, edge = edges) -> mean -> linear"));
        assert_eq!(of(""), [""; 0]);
        assert_eq!(of(", connect = walks"), ["levels::edges_end"]);
    }
}
