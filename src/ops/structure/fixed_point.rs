//! `fixed_point(pipeline, tolerance, max_steps)`: the two stages around a pipeline that is repeated until nothing changes
//! any more. [`crate::ir`] puts them in.

use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::findings::fixed_point;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Ports, Pyg, WidthRule};
use crate::types::Type;

/// The pipeline is repeated until no number of a graph changes by more than this.
pub const TOLERANCE: ArgSpec = ArgSpec {
    name: "tolerance",
    kind: ArgKind::Float(Range::open(0.0, 1.0)),
    default: Default::Float(1e-4),
    positional: true,
    doc: "A graph is done when none of its numbers changes by more than this in a step; the gradient is found to the same \
          share of its largest number.",
};

/// And at most so often.
pub const MAX_STEPS: ArgSpec = ArgSpec {
    name: "max_steps",
    kind: ArgKind::Int { min: 1, max: 10_000 },
    default: Default::Int(50),
    positional: true,
    doc: "Steps after which a graph that is not done is left as it is, which training reports.",
};

/// What is kept of the weights so that a fixed point is there and found.
pub const CONTRACTION: ArgSpec = ArgSpec {
    name: "contraction",
    kind: ArgKind::Float(Range::open(0.0, 1.0)),
    default: Default::Inferred("no bound: nothing guarantees that the steps converge"),
    positional: false,
    doc: "Weights are kept so small that a step brings any two states closer together by this factor, in their largest \
          difference: then there is one fixed point, and the steps converge to it.",
};

/// What the pipeline of a `fixed_point` is applied to: the value before at first, then its own result.
///
/// # Shapes
/// - result: as the input
#[derive(Debug)]
pub struct State;

/// What a pipeline gives back that is repeated until nothing changes any more: `h = f(h)`. The gradient is that of the
/// equation, `∂h/∂θ = (I − ∂f/∂h)⁻¹ ∂f/∂θ`, found by steps `v ← g + (∂f/∂h)ᵀ v` (Almeida 1987, Pineda 1987), so that memory does not
/// grow with the number of steps. Each graph takes as many steps as it needs, whatever stands beside it in its batch.
///
/// Paper: Scarselli et al. 2009, "The Graph Neural Network Model", eqs. 5 and 6 and table 1.
/// PyG: none.
///
/// # Shapes
/// - port 0: the [`State`]
/// - port 1: what the pipeline makes of it, of the same rows and width
/// - result: as both
///
/// # Errors
/// `fixed_point::changes_shape` if the pipeline makes other rows or another width.
#[derive(Debug)]
pub struct FixedPoint;

static FIXED_POINT_ARGS: &[ArgSpec] = &[TOLERANCE, MAX_STEPS, CONTRACTION];

impl Operator for State {
    fn name(&self) -> &'static str {
        "state"
    }
    fn family(&self) -> Family {
        Family::Structure
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "What the pipeline of a `fixed_point` is applied to.",
            formula: "h",
            paper: "",
            example: "",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        &[]
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        Ok(cx.inputs[0].clone())
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        Some(Outcome::rows(cx.x()))
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "", weights: &[], arguments: &[], note: "" }
    }
    fn action(&self, _: &Args) -> Action {
        Action::State
    }
}

impl Operator for FixedPoint {
    fn name(&self) -> &'static str {
        "fixed_point"
    }
    fn family(&self) -> Family {
        Family::Structure
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "What a pipeline gives back that is repeated until nothing changes any more.",
            formula: "h = f(h)",
            paper: "Scarselli et al. 2009, \"The Graph Neural Network Model\"",
            example: "",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        FIXED_POINT_ARGS
    }
    fn ports(&self) -> Ports {
        Ports::Many(2)
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        let (state, result) = (cx.inputs[0], cx.inputs[1]);
        let differs = |a: &Type, b: &Type| {
            a.entity != b.entity
                || a.level != b.level
                || crate::ops::findings::shape::differ(&a.width.size, &b.width.size)
        };
        if differs(state, result) {
            return Err(fixed_point::changes_shape(cx));
        }
        let width = if state.width.known().is_some() { &state.width } else { &result.width };
        Ok(Type { width: width.clone(), symmetry: crate::ops::findings::symmetry::kept(cx), ..state.clone() })
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let result = cx.all().into_iter().nth(1).expect("the pipeline comes in at port 1");
        Some(Outcome::rows(result))
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "", weights: &[], arguments: &[], note: "" }
    }
    fn action(&self, _: &Args) -> Action {
        Action::FixedPoint
    }
}
