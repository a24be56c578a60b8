//! `quantile(q)`: a place between the smallest and the largest row, feature by feature.

use super::one_row;
use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::aggregate::{Between, Rows, quantile};
use crate::ops::findings::levels;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Operator, Pyg, WidthRule};
use crate::types::{Entity, Type};

/// The value of each feature at the share `q` of the sorted rows of each graph: the place `q (n − 1)`, counted from 0, and
/// between two places what `interpolation` says. Rows that are equal share its gradient. Several stand side by side as
/// `concat(quantile(0.25), quantile(0.75))`.
///
/// Paper: Hyndman and Fan 1996, "Sample Quantiles in Statistical Packages", definition 7.
/// PyG: `torch_geometric.nn.QuantileAggregation`.
///
/// # Shapes
/// - `x`: nodes, clusters or slots, `F` features
/// - result: one vector per graph, `F` features; a graph without rows gives 0
///
/// # Errors
/// `levels::needs_rows` if the value is already one vector per graph.
#[derive(Debug)]
pub struct Quantile;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "q",
        kind: ArgKind::Float(Range::closed(0.0, 1.0)),
        default: Default::Required,
        positional: true,
        doc: "Share of the rows that are below: 0 is `min`, 0.5 the middle, 1 is `max`.",
    },
    ArgSpec {
        name: "interpolation",
        kind: ArgKind::Choice(Between::NAMES),
        default: Default::Choice("linear"),
        positional: false,
        doc: "What lies between two rows: a number in proportion, the lower or the higher of both, the nearer one, or the middle.",
    },
];

impl Operator for Quantile {
    fn name(&self) -> &'static str {
        "quantile"
    }
    fn family(&self) -> Family {
        Family::Readout
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Takes a quantile of each feature over the rows of each graph.",
            formula: "x_(q (n − 1)), sorted feature by feature",
            paper: "Hyndman and Fan 1996, \"Sample Quantiles in Statistical Packages\"",
            example: "gcn(32) -> relu -> concat(quantile(0.25), quantile(0.75)) -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        if cx.inputs[0].entity == Entity::Graph {
            return Err(levels::needs_rows(cx));
        }
        Ok(one_row(cx))
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, word) = (cx.x(), cx.args.choice("interpolation"));
        let between = Between::NAMES.iter().position(|name| *name == word).map(|idx| Between::ALL[idx])?;
        Some(Outcome::graphs(quantile(&Rows(x), x, cx.args.float("q"), between)))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.QuantileAggregation",
            weights: &[],
            arguments: &[],
            note: "PyG takes several `q` and puts the results beside each other, `q` by `q`: here `concat`. With \
                   `interpolation = nearest` PyG rounds a place in the middle by its number in the batch, so that a \
                   graph's result depends on those before it; here to the even place of the graph.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Readout(Gather::Max)
    }
}
