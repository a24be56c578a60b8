//! `variational(log_deviation)`: rows as the means of normal distributions, which are drawn from in training.

use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings::{levels, shape, symmetry};
use crate::ops::loss::PRIOR;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, WidthRule};
use crate::program::Index;
use crate::types::Type;

/// Logarithms of deviations are cut here, PyG's `MAX_LOGSTD`.
const MOST: f64 = 10.0;

/// A draw from the normal distribution that each row describes: in training `z_i = μ_i + exp(log σ_i) ⊙ ε`, `ε ~ N(0, I)` by the seed of
/// the step, and otherwise `z_i = μ_i`. `μ` is what comes in, and `log σ` an argument, at most 10. The loss `prior` keeps the distributions near
/// the standard normal one.
///
/// Paper: Kipf and Welling 2016, "Variational Graph Auto-Encoders", section 1. PyG: `torch_geometric.nn.VGAE`.
///
/// # Shapes
/// - `μ`, `log_deviation`: the same rows and the same width
/// - result: those rows
///
/// # Errors
/// `levels::mixed_levels` where `log_deviation` is not of the same rows, `shape::widths_differ` where it has another width.
#[derive(Debug)]
pub struct Variational;

static ARGS: &[ArgSpec] = &[ArgSpec {
    name: "log_deviation",
    kind: ArgKind::Pipeline { port: 1 },
    default: Default::Required,
    positional: true,
    doc: "The pipeline whose result is the logarithm of the deviations, as wide as the means.",
}];

impl Operator for Variational {
    fn name(&self) -> &'static str {
        "variational"
    }
    fn family(&self) -> Family {
        Family::Structure
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Draws rows from normal distributions in training, with the incoming rows as their means.",
            formula: "z_i = μ_i + exp(log σ_i) ⊙ ε,  ε ~ N(0, I)",
            paper: "Kipf and Welling 2016, \"Variational Graph Auto-Encoders\"",
            example: "model = gcn(32) -> relu as hidden -> gcn(16) -> variational(hidden -> gcn(16)) -> mean -> linear\n\
                      loss = cross_entropy + 0.01 * prior",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        let Some(other) = cx.inputs.get(1) else { return Ok(cx.inputs[0].clone()) };
        if (other.entity, other.level) != (cx.inputs[0].entity, cx.inputs[0].level) {
            return Err(levels::mixed_levels(cx, 1));
        }
        if shape::differ(&other.width.size, &cx.inputs[0].width.size) {
            return Err(shape::widths_differ(cx, 1));
        }
        Ok(Type { symmetry: symmetry::kept(cx), ..cx.inputs[0].clone() })
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (mean, log) = (cx.x(), cx.named("log_deviation")?.at_most(MOST));
        let deviation = log.exp();
        let apart = (mean.square() + deviation.square()).offset(-1.0) - log.scale(2.0);
        let prior = apart.fold_sum(0).mean(Index::Graph).scale(0.5);
        Some(Outcome { losses: vec![(PRIOR, prior)], ..Outcome::rows(mean + deviation * mean.noise()) })
    }
    fn losses(&self) -> &'static [&'static str] {
        &[PRIOR]
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.VGAE",
            weights: &[],
            arguments: &[],
            note: "its `reparametrize`; noise is a sum of twelve uniform numbers, which is normal to a percent.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::RowNorm
    }
}
