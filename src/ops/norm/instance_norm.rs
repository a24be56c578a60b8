//! `instance_norm`: each feature normalised over the rows of each graph.

use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Init, Operator, Pyg, WeightMap, WidthRule};
use crate::program::{Index, V};
use crate::types::Type;

/// Normalises each feature over the rows of each graph: `(x_i − E[x]) / √(Var[x] + ε)`, with `affine` also `γ (…) + β`.
///
/// Paper: Ulyanov et al. 2016, "Instance Normalization: The Missing Ingredient for Fast Stylization".
/// PyG: `torch_geometric.nn.InstanceNorm`, in evaluation as in training; running statistics, which make a graph's result depend
/// on those that were trained on, are not kept.
///
/// # Shapes
/// - result: as the input
///
/// # Errors
/// `levels::needs_rows` if the value is one vector per graph, which would become 0.
#[derive(Debug)]
pub struct InstanceNorm;

/// Each feature by its statistics over the rows of its graph.
pub fn instance_norm(x: V, eps: f64) -> V {
    let centred = x - x.mean(Index::Graph).gather(Index::Graph);
    let variance = centred.square().mean(Index::Graph);
    centred * variance.offset(eps).sqrt().reciprocal().gather(Index::Graph)
}

static ARGS: &[ArgSpec] = &[
    ArgSpec::flag("affine", false, "Whether a scale and an offset are learned for each feature."),
    ArgSpec {
        name: "eps",
        kind: ArgKind::Float(Range::closed(1e-15, 1.0)),
        default: Default::Float(1e-5),
        positional: false,
        doc: "Added to the variance, so that a constant feature does not divide by zero.",
    },
];

impl Operator for InstanceNorm {
    fn name(&self) -> &'static str {
        "instance_norm"
    }
    fn family(&self) -> Family {
        Family::Normalization
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Normalises each feature over the rows of each graph.",
            formula: "(x_i − E[x]) / √(Var[x] + ε)",
            paper: "Ulyanov et al. 2016, \"Instance Normalization: The Missing Ingredient for Fast Stylization\"",
            example: "gcn(32) -> instance_norm -> relu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        super::has_rows(cx)?;
        Ok(cx.inputs[0].clone())
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let b = cx.b;
        let y = instance_norm(cx.x(), cx.args.float("eps"));
        let vector = |name, init| b.weight(name, std::slice::from_ref(&cx.output.width), init);
        let is_affine = cx.args.bool("affine");
        Some(Outcome::rows(if is_affine {
            y * vector("weight", Init::Ones) + vector("bias", Init::Zeros)
        } else {
            y
        }))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.InstanceNorm",
            weights: &[("weight", "weight", WeightMap::Same), ("bias", "bias", WeightMap::Same)],
            arguments: &[],
            note: "`track_running_stats` is not here: a graph is normalised by itself, also in evaluation",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::RowNorm
    }
}
