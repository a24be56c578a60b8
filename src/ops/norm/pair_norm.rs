//! `pair_norm(scale)`: the distances between the rows of a graph kept as they are in the mean.

use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, WidthRule};
use crate::program::Index;
use crate::types::{Size, Type};

/// Centres the rows of each graph and scales them such that their mean squared length is `scale²`:
/// `scale · x̃_i / √(1/n Σ_j ‖x̃_j‖² + ε)`, `x̃_i = x_i − E[x]`. So the distances between pairs of rows do not shrink from layer to
/// layer. With `scale_individually` each row gets that length: `scale · x̃_i / (‖x̃_i‖ + ε)`.
///
/// Paper: Zhao and Akoglu 2020, "PairNorm: Tackling Oversmoothing in GNNs", eqs. 10 and 11.
/// PyG: `torch_geometric.nn.PairNorm`.
///
/// # Shapes
/// - result: as the input
///
/// # Errors
/// `levels::needs_rows` if the value is one vector per graph, which would become 0.
#[derive(Debug)]
pub struct PairNorm;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "scale",
        kind: ArgKind::Float(Range::closed(1e-6, 1e6)),
        default: Default::Float(1.0),
        positional: true,
        doc: "Length of the rows in the mean, `s`.",
    },
    ArgSpec::flag("scale_individually", false, "Whether each row is scaled by its own length (PairNorm-SI)."),
    ArgSpec {
        name: "eps",
        kind: ArgKind::Float(Range::closed(1e-15, 1.0)),
        default: Default::Float(1e-5),
        positional: false,
        doc: "Added to what is divided by, so that equal rows do not divide by zero.",
    },
];

impl Operator for PairNorm {
    fn name(&self) -> &'static str {
        "pair_norm"
    }
    fn family(&self) -> Family {
        Family::Normalization
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Centres the rows of each graph and keeps their mean length.",
            formula: "s · x̃_i / √(1/n Σ_j ‖x̃_j‖² + ε),  x̃_i = x_i − E[x]",
            paper: "Zhao and Akoglu 2020, \"PairNorm: Tackling Oversmoothing in GNNs\"",
            example: "gcn(32) -> pair_norm -> relu -> mean -> linear",
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
        let (x, a) = (cx.x(), cx.args);
        let (scale, eps) = (a.float("scale"), a.float("eps"));
        let centred = x - x.mean(Index::Graph).gather(Index::Graph);
        let square = centred.square().fold_sum(0).view(&[Size::Known(1)]);
        let by = if a.bool("scale_individually") {
            // The floor lies under the root, because the root's slope at 0 is infinite.
            square.at_least(1e-30).sqrt().offset(eps).reciprocal()
        } else {
            square.mean(Index::Graph).offset(eps).sqrt().reciprocal().gather(Index::Graph)
        };
        Some(Outcome::rows((centred * by).scale(scale)))
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "torch_geometric.nn.PairNorm", weights: &[], arguments: &[], note: "" }
    }
    fn action(&self, _: &Args) -> Action {
        Action::RowNorm
    }
}
