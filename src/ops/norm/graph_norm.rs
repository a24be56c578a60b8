//! `graph_norm`: each feature normalised over the rows of each graph, with a learned share of the mean.

use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Init, Operator, Pyg, WeightMap, WidthRule};
use crate::program::{Index, V};
use crate::types::{Dim, Type};

/// Normalises each feature over the rows of each graph, where a learned share `α` of the mean is taken away:
/// `γ (x_i − α E[x]) / √(E[(x − α E[x])²] + ε) + β`. With all of it, a graph of equal rows would lose what tells it from others.
///
/// Paper: Cai et al. 2021, "GraphNorm: A Principled Approach to Accelerating Graph Neural Network Training", eq. 6.
/// PyG: `torch_geometric.nn.GraphNorm`.
///
/// # Shapes
/// - result: as the input
///
/// # Errors
/// `levels::needs_rows` if the value is one vector per graph.
#[derive(Debug)]
pub struct GraphNorm;

/// Graph norm with weights of these names: scale, offset, share of the mean.
pub fn graph_norm<'b>(
    cx: &ProgramCx<'_, 'b>,
    x: V<'b>,
    [scale, offset, share]: [&'static str; 3],
    width: &Dim,
    eps: f64,
) -> V<'b> {
    let vector = |name, init| cx.b.weight(name, std::slice::from_ref(width), init);
    let (scale, offset) = (vector(scale, Init::Ones), vector(offset, Init::Zeros));
    let left = x - x.mean(Index::Graph).gather(Index::Graph) * vector(share, Init::Ones);
    let root = left.square().mean(Index::Graph).offset(eps).sqrt().reciprocal();
    left * root.gather(Index::Graph) * scale + offset
}

static ARGS: &[ArgSpec] = &[ArgSpec {
    name: "eps",
    kind: ArgKind::Float(Range::closed(1e-15, 1.0)),
    default: Default::Float(1e-5),
    positional: false,
    doc: "Added to the mean of the squares, so that a constant feature does not divide by zero.",
}];

impl Operator for GraphNorm {
    fn name(&self) -> &'static str {
        "graph_norm"
    }
    fn family(&self) -> Family {
        Family::Normalization
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Normalises each feature over the rows of each graph, with a learned share of the mean.",
            formula: "γ (x_i − α E[x]) / √(E[(x − α E[x])²] + ε) + β",
            paper: "Cai et al. 2021, \"GraphNorm: A Principled Approach to Accelerating Graph Neural Network Training\"",
            example: "gin(32) -> graph_norm -> relu -> mean -> linear",
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
        let eps = cx.args.float("eps");
        Some(Outcome::rows(graph_norm(cx, cx.x(), ["weight", "bias", "mean_scale"], &cx.output.width, eps)))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.GraphNorm",
            weights: &[
                ("weight", "weight", WeightMap::Same),
                ("bias", "bias", WeightMap::Same),
                ("mean_scale", "mean_scale", WeightMap::Same),
            ],
            arguments: &[],
            note: "",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::RowNorm
    }
}
