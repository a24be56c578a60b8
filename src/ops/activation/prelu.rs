//! `prelu`: the rectifier with a learned slope below zero.

use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::conv::fixed;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Init, Operator, Pyg, WeightMap, WidthRule};
use crate::types::Type;

/// Parametric rectifier: `max(0, x) + a min(0, x)` with a learned slope `a`, one for all features or one for each.
///
/// Paper: He et al. 2015, "Delving Deep into Rectifiers", eq. 1.
/// PyG: `torch.nn.PReLU`; `num_parameters` is `per_channel`.
///
/// # Shapes
/// - result: as the input
#[derive(Debug)]
pub struct PRelu;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "init",
        kind: ArgKind::Float(Range::closed(-10.0, 10.0)),
        default: Default::Float(0.25),
        positional: true,
        doc: "What the slope begins at.",
    },
    ArgSpec::flag("per_channel", false, "Whether each feature has a slope of its own."),
];

impl Operator for PRelu {
    fn name(&self) -> &'static str {
        "prelu"
    }
    fn family(&self) -> Family {
        Family::Activation
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "The rectifier with a learned slope below zero.",
            formula: "max(0, x) + a min(0, x)",
            paper: "He et al. 2015, \"Delving Deep into Rectifiers: Surpassing Human-Level Performance on ImageNet Classification\"",
            example: "gcn(32) -> prelu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        Ok(cx.inputs[0].clone())
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let width = if cx.args.bool("per_channel") { cx.output.width.clone() } else { fixed(1) };
        let slope = cx.b.weight("weight", &[width], Init::Constant(cx.args.float("init")));
        Some(Outcome::rows(cx.x().relu() + cx.x().at_most(0.0) * slope))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch.nn.PReLU",
            weights: &[("weight", "weight", WeightMap::Same)],
            arguments: &[],
            note: "",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Activation
    }
}
