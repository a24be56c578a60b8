//! `dropout(p)`: features set to zero at random while training.

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

/// While training, each number becomes 0 with probability `p` and is divided by `1 - p` otherwise;
/// in evaluation nothing happens.
///
/// Paper: Srivastava et al. 2014, "Dropout: A Simple Way to Prevent Neural Networks from Overfitting".
/// PyG: `torch.nn.Dropout`.
///
/// # Shapes
/// - result: as the input
#[derive(Debug)]
pub struct Dropout;

static ARGS: &[ArgSpec] = &[ArgSpec {
    name: "p",
    kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
    default: Default::Float(0.5),
    positional: true,
    doc: "Probability that a number is set to zero.",
}];

impl Operator for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }
    fn family(&self) -> Family {
        Family::Dense
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Sets numbers to zero at random while training.",
            formula: "x ⊙ m / (1 − p), m ~ Bernoulli(1 − p)",
            paper: "Srivastava et al. 2014, \"Dropout: A Simple Way to Prevent Neural Networks from Overfitting\"",
            example: "gcn(32) -> relu -> mean -> dropout(0.5) -> linear",
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
        if cx.args.float("p") == 0.0 {
            return inputs[0].clone();
        }
        inputs[0].with(step.dropout(inputs[0].x))
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "torch.nn.Dropout", weights: &[], note: "the stream of random numbers is our own" }
    }
    fn fuses_activation(&self) -> bool {
        false
    }
    fn as_activation(&self, _: &Args) -> Option<Activation> {
        None
    }

    fn action(&self, args: &Args) -> Action {
        Action::Dropout { p: args.float("p") }
    }
    fn lower(&self, cx: &mut LowerCx) -> Result<Box<dyn Module>> {
        let p = cx.args.float("p");
        let node = cx.idx.index() as u64;
        Ok(map_rows(move |value, step| {
            if !step.train || p == 0.0 {
                return Ok(value.x.clone());
            }
            kernels::dropout(&value.x, p, step.seed_of(node, 0))
        }))
    }
}
