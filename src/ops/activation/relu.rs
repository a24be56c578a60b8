//! `relu`: the rectifier.

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

/// Rectifier, elementwise: `max(0, x)`.
///
/// Paper: Nair and Hinton 2010, "Rectified Linear Units Improve Restricted Boltzmann Machines".
/// PyG: `torch.nn.ReLU`.
///
/// # Shapes
/// - result: as the input
#[derive(Debug)]
pub struct Relu;

impl Operator for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }
    fn family(&self) -> Family {
        Family::Activation
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "The rectified linear unit, element by element.",
            formula: "max(0, x)",
            paper: "Nair and Hinton 2010, \"Rectified Linear Units Improve Restricted Boltzmann Machines\"",
            example: "gcn(32) -> relu -> mean -> linear",
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
        inputs[0].with(step.activate(inputs[0].x, Activation::Relu))
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "torch.nn.ReLU", weights: &[], note: "" }
    }
    fn fuses_activation(&self) -> bool {
        false
    }
    fn as_activation(&self, _: &Args) -> Option<Activation> {
        Some(Activation::Relu)
    }
    fn action(&self, _: &Args) -> Action {
        Action::Activation
    }
    fn lower(&self, _: &mut LowerCx) -> Result<Box<dyn Module>> {
        Ok(map_rows(|value, _| kernels::activate(&value.x, Activation::Relu)))
    }
}
