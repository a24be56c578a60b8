//! `message_norm(messages)`: messages as long as the row itself.

use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::conv::{fixed, unit_rows};
use crate::ops::findings::{levels, symmetry};
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Init, Operator, Pyg, WeightMap, WeightSpec, WidthRule};
use crate::program::V;
use crate::types::Type;

/// Gives what a convolution gathers the length of the row itself, times a scale: `s · ‖x_i‖ · m_i / ‖m_i‖`. The convolution stands
/// as the argument `messages`; `add(identity, message_norm(…))` updates rows as DeeperGCN does.
///
/// Paper: Li et al. 2020, "DeeperGCN: All You Need to Train Deeper GCNs", section 3.3.
/// PyG: `torch_geometric.nn.MessageNorm`.
///
/// # Shapes
/// - port 0, `x`: any rows, `F` features; `messages`: the same rows, `F_m` features
/// - result: as `messages`
///
/// # Errors
/// `levels::mixed_levels` where the messages are not of the same rows.
#[derive(Debug)]
pub struct MessageNorm;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "messages",
        kind: ArgKind::Pipeline { port: 1 },
        default: Default::Required,
        positional: true,
        doc: "The pipeline whose result is scaled, for example `gcn(64)`.",
    },
    ArgSpec::flag(
        "learn_scale",
        false,
        "Whether the scale `s` is learned; otherwise it is 1, and kept beside the weights.",
    ),
];

impl Operator for MessageNorm {
    fn name(&self) -> &'static str {
        "message_norm"
    }
    fn family(&self) -> Family {
        Family::Normalization
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Gives the result of a pipeline the length of the row that comes in.",
            formula: "s · ‖x_i‖ · m_i / ‖m_i‖",
            paper: "Li et al. 2020, \"DeeperGCN: All You Need to Train Deeper GCNs\"",
            example: "gcn(32) -> add(identity, message_norm(gcn(32), learn_scale = true)) -> relu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Computed
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        let Some(messages) = cx.inputs.get(1) else { return Ok(cx.inputs[0].clone()) };
        if (messages.entity, messages.level) != (cx.inputs[0].entity, cx.inputs[0].level) {
            return Err(levels::mixed_levels(cx, 1));
        }
        Ok(Type { symmetry: symmetry::kept(cx), ..(*messages).clone() })
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, messages) = (cx.x(), cx.named("messages")?);
        let is_trained = cx.args.bool("learn_scale");
        let scale = WeightSpec { name: "scale", shape: vec![fixed(1)], init: Init::Ones, is_trained };
        Some(Outcome::rows(unit_rows(messages).mul_rows(length(x)) * cx.b.any_weight(scale)))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.MessageNorm",
            weights: &[("scale", "scale", WeightMap::Same)],
            arguments: &[],
            note: "",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::RowNorm
    }
}

/// `‖x_i‖`; the floor lies under the root, because the root's slope at 0 is infinite.
fn length(x: V) -> V {
    x.square().fold_sum(0).at_least(1e-24).sqrt()
}
