//! `sag(ratio | k | min_score, score)`: self-attention graph pooling.

use super::selection::{CONNECT, COUNT, MIN_SCORE, MULTIPLIER, NONLINEARITY, SHARE, kept, selected};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, Select, WidthRule, conv};
use crate::types::Type;

/// Self-attention graph pooling: a convolution gives each node a score, the best nodes of each graph are kept and weighted by
/// it: `y = score(x)`, `X' = (x ⊙ tanh(y))[best]`, `A' = A[best, best]`.
///
/// Paper: Lee et al. 2019, "Self-Attention Graph Pooling", eqs. 3 to 5. PyG: `torch_geometric.nn.SAGPooling`.
///
/// # Shapes
/// - port 0, `x`: `[N, F]`, nodes of a sparse graph
/// - port 1, scores: `[N, 1]`
/// - result: `[⌈ratio · N⌉, F]` or `[min(k, N), F]` of each graph, in the order of the nodes; nodes with the
///   same score as the last one kept stay too, so that the choice does not depend on the numbering
///
/// # Errors
/// Those of `topk`, `levels::mixed_levels` where `score` leaves the level, `shape::width_mismatch` where it is not one number.
#[derive(Debug)]
pub struct Sag;

static ARGS: &[ArgSpec] = &[
    SHARE,
    COUNT,
    MIN_SCORE,
    ArgSpec {
        name: "score",
        kind: ArgKind::Pipeline { port: 1 },
        default: Default::Source("graph_conv(1)"),
        positional: false,
        doc: "The network whose result, one number a node, is the score. Where its last stage leaves its width out, it gets 1.",
    },
    NONLINEARITY,
    MULTIPLIER,
    CONNECT,
];

impl Operator for Sag {
    fn name(&self) -> &'static str {
        "sag"
    }
    fn family(&self) -> Family {
        Family::Pooling
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Self-attention graph pooling: keeps the nodes with the best scores of a convolution and the edges between them.",
            formula: "y = score(x),  X' = (x ⊙ tanh(y))[best],  A' = A[best, best]",
            paper: "Lee et al. 2019, \"Self-Attention Graph Pooling\"",
            example: "gcn(64) -> relu -> sag(ratio = 0.5, score = gcn) -> gcn(64) -> relu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        let ty = kept(cx)?;
        if let Some(score) = cx.inputs.get(1) {
            if (score.entity, score.level) != (cx.inputs[0].entity, cx.inputs[0].level) {
                return Err(findings::levels::mixed_levels(cx, 1));
            }
            if findings::shape::differ(&score.width.size, &crate::types::Size::Known(1)) {
                let help =
                    "a score is one number a node: end `score` in one feature, or leave its last width out";
                return Err(findings::shape::width_mismatch(cx, 1, &conv::fixed(1), help));
            }
        }
        Ok(ty)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        Some(selected(cx, cx.input(1)?))
    }
    fn joins_anew(&self, args: &Args) -> bool {
        super::selection::joins_anew(args)
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.SAGPooling",
            weights: &[],
            arguments: &[("GNN", "score")],
            note: "Its `GNN` is `score`. PyG multiplies the score by the sign of one more weight, which never learns and is \
                   left out here; it orders the kept nodes by falling score and lets the numbering break ties.",
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
    fn a_score_is_one_number_of_any_network_on_the_nodes() {
        for score in ["", ", score = gcn", ", score = gat(8) -> relu -> linear", ", score = gcn(1)"] {
            let text = format!("gcn(8) -> sag(ratio = 0.5{score}) -> gcn(8) -> mean -> linear");
            assert_eq!(codes(&text), [""; 0], "{text}");
            let types = types(&text, None);
            assert!(types.contains(&"nodes[⌈N/2⌉, 8]".to_owned()), "{types:?}");
            assert!(types.contains(&"nodes[N, 1]".to_owned()), "{types:?}");
        }
        let of = |args: &str| codes(&format!("gcn(8) -> sag({args}) -> mean -> linear"));
        assert_eq!(of("ratio = 0.5, score = gcn(2)"), ["shape::width_mismatch"]);
        assert_eq!(of("ratio = 0.5, score = gcn(8) -> mean"), ["levels::mixed_levels"]);
        assert_eq!(of(""), ["args::missing"]);
        assert_eq!(of("min_score = 0.2"), [""; 0]);
        assert_eq!(of("min_score = 0.2, k = 3"), ["args::conflict"]);
        assert_eq!(of("min_score = 0.2, nonlinearity = sigmoid"), ["args::no_effect"]);
        assert_eq!(codes("diffpool(k = 4) -> sag(k = 2) -> mean -> linear"), ["levels::needs_nodes"]);
    }
}
