//! `attentional(gate, value)`: a sum that a network weighs.

use super::one_row;
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings::{levels, shape};
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Operator, Pyg, WidthRule};
use crate::program::Index;
use crate::types::{Dim, Entity, Size, Type};

/// Soft attention over the rows of each graph: a network `gate` scores each row, a softmax over the graph makes shares of the
/// scores, and the rows, or what a network `value` makes of them, are summed by these: `Σ_i softmax_i(gate(x_i)) · value(x_i)`.
/// With a score for each feature of the result, each has shares of its own.
///
/// Paper: Li et al. 2016, "Gated Graph Sequence Neural Networks", eq. 7.
/// PyG: `torch_geometric.nn.AttentionalAggregation`; `gate` is `gate_nn`, `value` is `nn`.
///
/// # Shapes
/// - port 0, `x`: nodes, clusters or slots, `F` features
/// - `gate`: the same rows, one score or one for each feature of the result; `value`: the same rows, `F_out` features
/// - result: one vector per graph, `F` or `F_out` features; a graph without rows gives 0
///
/// # Errors
/// `levels::needs_rows` if the value is already one vector per graph, `levels::mixed_levels` where a network leaves its rows,
/// `shape::width_mismatch` for another number of scores.
#[derive(Debug)]
pub struct Attentional;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "gate",
        kind: ArgKind::Pipeline { port: 1 },
        default: Default::Source("linear(1)"),
        positional: false,
        doc: "The network that scores the rows, for example `mlp(1, hidden = [16])` or `gcn(1)`.",
    },
    ArgSpec {
        name: "value",
        kind: ArgKind::Pipeline { port: 2 },
        default: Default::Inferred("the rows as they are"),
        positional: false,
        doc: "The network that makes what is summed, for example `linear(64)`.",
    },
];

impl Operator for Attentional {
    fn name(&self) -> &'static str {
        "attentional"
    }
    fn family(&self) -> Family {
        Family::Readout
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Sums the rows of each graph, weighed by a softmax over the scores of a network.",
            formula: "Σ_i softmax_i(gate(x_i)) · value(x_i)",
            paper: "Li et al. 2016, \"Gated Graph Sequence Neural Networks\"",
            example: "gcn(32) -> relu -> attentional(gate = mlp(1)) -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Computed
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        if cx.inputs[0].entity == Entity::Graph {
            return Err(levels::needs_rows(cx));
        }
        for port in 1..cx.inputs.len() {
            if (cx.inputs[port].entity, cx.inputs[port].level) != (cx.inputs[0].entity, cx.inputs[0].level) {
                return Err(levels::mixed_levels(cx, port));
            }
        }
        let value = &cx.inputs[cx.port("value").unwrap_or(0)].width;
        if let Some(port) = cx.port("gate") {
            let scores = &cx.inputs[port].width.size;
            if scores.known() != Some(1) && shape::differ(scores, &value.size) {
                let one = Dim::new(Size::Known(1), None, "one score for each row");
                let help = format!(
                    "end `gate` in one feature, or in {} for a score of each feature, for example `gate = mlp(1)`",
                    value.size
                );
                return Err(shape::width_mismatch(cx, port, &one, help));
            }
        }
        Ok(Type { width: value.clone(), ..one_row(cx) })
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let shares = cx.named("gate")?.softmax(Index::Graph);
        let value = cx.named("value").unwrap_or(cx.x());
        Some(Outcome::graphs((value * shares).sum(Index::Graph)))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.AttentionalAggregation",
            weights: &[],
            arguments: &[("gate_nn", "gate"), ("nn", "value")],
            note: "The networks are pipelines with weights of their own.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Readout(Gather::Attention)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{codes, types};

    #[test]
    fn scores_are_one_for_each_row_or_each_feature() {
        assert_eq!(types("gcn(8) -> attentional -> linear", None)[3], "graph[8]");
        let model = "gcn(8) -> attentional(gate = mlp(6, hidden = [4]), value = linear(6)) -> linear";
        assert_eq!(types(model, None)[4], "graph[6]");
        assert_eq!(codes("gcn(8) -> attentional(gate = linear(8)) -> linear"), [""; 0]);
        assert_eq!(codes("gcn(8) -> attentional(gate = gcn(1)) -> linear"), [""; 0]);
        assert_eq!(codes("gcn(8) -> attentional(gate = linear(3)) -> linear"), ["shape::width_mismatch"]);
        assert_eq!(
            codes("gcn(8) -> attentional(gate = mean -> linear(1)) -> linear"),
            ["levels::mixed_levels"]
        );
        assert_eq!(codes("gcn(8) -> mean -> attentional -> linear"), ["levels::needs_rows"]);
        assert_eq!(codes("gcn(8) -> diffpool(k = 3) -> attentional -> linear"), [""; 0]);
    }
}
