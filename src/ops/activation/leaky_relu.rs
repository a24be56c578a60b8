//! `leaky_relu`: the rectifier with a slope below zero.

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

/// Rectifier with a slope below zero, elementwise: `x` where `x > 0`, else `slope · x`.
///
/// Paper: Maas et al. 2013, "Rectifier Nonlinearities Improve Neural Network Acoustic Models".
/// PyG: `torch.nn.LeakyReLU`.
///
/// # Shapes
/// - result: as the input
#[derive(Debug)]
pub struct LeakyRelu;

static ARGS: &[ArgSpec] = &[ArgSpec {
    name: "slope",
    kind: ArgKind::Float(Range::closed(0.0, 1.0)),
    default: Default::Float(0.01),
    positional: true,
    doc: "Slope below zero; PyTorch calls it `negative_slope`.",
}];

impl Operator for LeakyRelu {
    fn name(&self) -> &'static str {
        "leaky_relu"
    }
    fn family(&self) -> Family {
        Family::Activation
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "The rectifier with a small slope below zero.",
            formula: "max(0, x) + slope · min(0, x)",
            paper: "Maas et al. 2013, \"Rectifier Nonlinearities Improve Neural Network Acoustic Models\"",
            example: "gcn(32) -> leaky_relu(0.2) -> mean -> linear",
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
        let activation = Activation::LeakyRelu { slope: cx.args.float("slope") };
        inputs[0].with(step.activate(inputs[0].x, activation))
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "torch.nn.LeakyReLU", weights: &[], note: "" }
    }
    fn fuses_activation(&self) -> bool {
        false
    }
    fn as_activation(&self, args: &Args) -> Option<Activation> {
        Some(Activation::LeakyRelu { slope: args.float("slope") })
    }
    fn action(&self, _: &Args) -> Action {
        Action::Activation
    }
    fn lower(&self, cx: &mut LowerCx) -> Result<Box<dyn Module>> {
        let activation = Activation::LeakyRelu { slope: cx.args.float("slope") };
        Ok(map_rows(move |value, _| kernels::activate(&value.x, activation)))
    }
}
