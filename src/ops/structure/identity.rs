//! `identity`: the value itself.

use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ir::Type;
use crate::kernels::Activation;
use crate::lower::{LowerCx, Module, map_value};
use crate::ops::{
    Action, Doc, FactCx, Family, InferCx, Operator, Ports, Pyg, WeightSpec, WidthRule,
    trace::{self, Trace},
};
use candle_core::Result;

/// The input itself: `x`. Useful as a branch: `concat(identity, gcn(64))`.
///
/// # Shapes
/// - result: as the input
#[derive(Debug)]
pub struct Identity;

impl Operator for Identity {
    fn name(&self) -> &'static str {
        "identity"
    }
    fn family(&self) -> Family {
        Family::Structure
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "The value itself; a branch that changes nothing.",
            formula: "x",
            paper: "",
            example: "concat(identity, gcn(16)) -> mean -> linear",
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
    fn trace(&self, _: &FactCx, inputs: &[trace::Value], _: &mut Trace) -> trace::Value {
        inputs[0].clone()
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "torch.nn.Identity", weights: &[], note: "" }
    }
    fn fuses_activation(&self) -> bool {
        false
    }
    fn as_activation(&self, _: &Args) -> Option<Activation> {
        None
    }
    fn action(&self, _: &Args) -> Action {
        Action::Identity
    }
    fn lower(&self, _: &mut LowerCx) -> Result<Box<dyn Module>> {
        Ok(map_value(|inputs, _| Ok(inputs[0].clone())))
    }
}
