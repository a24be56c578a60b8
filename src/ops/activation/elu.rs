//! `elu`: the exponential linear unit.

use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ir::Type;
use crate::kernels::{self, Activation};
use crate::lower::{LowerCx, Module, map_rows};
use crate::ops::{
    Action, Doc, FactCx, Family, InferCx, Operator, Ports, Pyg, WeightSpec, WidthRule,
    trace::{self, Trace},
};
use candle_core::Result;

/// Exponential linear unit, elementwise: `x` where `x > 0`, else `α (exp(x) − 1)`.
///
/// Paper: Clevert et al. 2016, "Fast and Accurate Deep Network Learning by Exponential Linear Units (ELUs)".
/// PyG: `torch.nn.ELU`.
///
/// # Shapes
/// - result: as the input
#[derive(Debug)]
pub struct Elu;

static ARGS: &[ArgSpec] = &[ArgSpec {
    name: "alpha",
    kind: ArgKind::Float(Range::open_closed(0.0, 100.0)),
    default: Default::Float(1.0),
    positional: true,
    doc: "α: the result approaches −α far below zero.",
}];

impl Operator for Elu {
    fn name(&self) -> &'static str {
        "elu"
    }
    fn family(&self) -> Family {
        Family::Activation
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "The exponential linear unit.",
            formula: "x if x > 0, else α (exp(x) − 1)",
            paper: "Clevert et al. 2016, \"Fast and Accurate Deep Network Learning by Exponential Linear Units (ELUs)\"",
            example: "gcn(32) -> elu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn ports(&self) -> Ports {
        Ports::One
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> std::result::Result<Type, Diagnostic> {
        Ok(cx.inputs[0].clone())
    }
    fn weights(&self, _: &FactCx) -> Vec<WeightSpec> {
        Vec::new()
    }
    fn trace(&self, cx: &FactCx, inputs: &[trace::Value], step: &mut Trace) -> trace::Value {
        let activation = Activation::Elu { alpha: cx.args.float("alpha") };
        inputs[0].with(step.activate(inputs[0].x, activation))
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "torch.nn.ELU", weights: &[], note: "" }
    }
    fn fuses_activation(&self) -> bool {
        false
    }
    fn as_activation(&self, args: &Args) -> Option<Activation> {
        Some(Activation::Elu { alpha: args.float("alpha") })
    }
    fn action(&self, _: &Args) -> Action {
        Action::Activation
    }
    fn lower(&self, cx: &mut LowerCx) -> Result<Box<dyn Module>> {
        let activation = Activation::Elu { alpha: cx.args.float("alpha") };
        Ok(map_rows(move |value, _| kernels::activate(&value.x, activation)))
    }
}
