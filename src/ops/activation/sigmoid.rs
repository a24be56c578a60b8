//! `sigmoid`: the logistic function.

use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ir::Type;
use crate::kernels::{self, Activation};
use crate::lower::{LowerCx, Module, map_rows};
use crate::ops::{
    Action, Doc, FactCx, Family, InferCx, Operator, Ports, Pyg, WeightSpec, WidthRule,
    trace::{self, Trace},
};
use candle_core::Result;

/// Logistic function, elementwise: `1 / (1 + exp(−x))`.
///
/// PyG: `torch.nn.Sigmoid`.
///
/// # Shapes
/// - result: as the input
#[derive(Debug)]
pub struct Sigmoid;

impl Operator for Sigmoid {
    fn name(&self) -> &'static str {
        "sigmoid"
    }
    fn family(&self) -> Family {
        Family::Activation
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "The logistic function, with results between 0 and 1.",
            formula: "1 / (1 + exp(−x))",
            paper: "",
            example: "gcn(32) -> sigmoid -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        &[]
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
    fn trace(&self, _: &FactCx, inputs: &[trace::Value], step: &mut Trace) -> trace::Value {
        inputs[0].with(step.activate(inputs[0].x, Activation::Sigmoid))
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "torch.nn.Sigmoid", weights: &[], note: "" }
    }
    fn fuses_activation(&self) -> bool {
        false
    }
    fn as_activation(&self, _: &Args) -> Option<Activation> {
        Some(Activation::Sigmoid)
    }
    fn action(&self, _: &Args) -> Action {
        Action::Activation
    }
    fn lower(&self, _: &mut LowerCx) -> Result<Box<dyn Module>> {
        Ok(map_rows(|value, _| kernels::activate(&value.x, Activation::Sigmoid)))
    }
}
