//! `dropout(p)`: features set to zero at random while training.

use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, WidthRule};
use crate::program::composite::Composite;
use crate::types::Type;

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
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> std::result::Result<Type, Diagnostic> {
        Ok(cx.inputs[0].clone())
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let p = cx.args.float("p");
        Some(Outcome::rows(cx.b.call(Composite::Dropout { p, place: 0 }, &[cx.x()])))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch.nn.Dropout",
            weights: &[],
            arguments: &[],
            note: "the stream of random numbers is our own",
        }
    }

    fn action(&self, args: &Args) -> Action {
        Action::Dropout { p: args.float("p") }
    }
}
