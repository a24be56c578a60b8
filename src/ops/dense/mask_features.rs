//! `mask_features(p)`: whole features hidden while training.

use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, WidthRule};
use crate::program::{Index, Space};
use crate::types::{Size, Type};

/// While training, features are set to zero with probability `p`: a feature for all rows of a graph (`mode = column`), all features of
/// a row (`row`), or each number alone (`all`). The others stay as they are, and in evaluation nothing happens. Which ones follow from the
/// seed of the step.
///
/// Paper: Zhu et al. 2020, "Deep Graph Contrastive Representation Learning", section 3.2 (feature masking).
/// PyG: `torch_geometric.utils.mask_feature`, whose `col` is the same for the whole batch.
///
/// # Shapes
/// - result: as the input
#[derive(Debug)]
pub struct MaskFeatures;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "p",
        kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
        default: Default::Float(0.5),
        positional: true,
        doc: "Probability that a feature is hidden.",
    },
    ArgSpec {
        name: "mode",
        kind: ArgKind::Choice(&["column", "row", "all"]),
        default: Default::Choice("column"),
        positional: false,
        doc: "What is hidden together.",
    },
];

impl Operator for MaskFeatures {
    fn name(&self) -> &'static str {
        "mask_features"
    }
    fn family(&self) -> Family {
        Family::Dense
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "While training, hides random features.",
            formula: "x ∘ m, m = 0 with probability p, else 1",
            paper: "Zhu et al. 2020, \"Deep Graph Contrastive Representation Learning\"",
            example: "linear(32) -> relu -> mask_features(0.2) -> gcn(32) -> relu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        Ok(cx.inputs[0].clone())
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, p) = (cx.x(), cx.args.float("p"));
        let one = |space| cx.b.constant(1.0).in_space(space).view(&[Size::Known(1)]);
        let width = [cx.output.width.size.clone()];
        let mask = match cx.args.choice("mode") {
            "column" => one(Space::Graphs).expand(&width).dropout(p).gather(Index::Graph),
            "row" => one(Space::Rows).dropout(p),
            _ => one(Space::Rows).expand(&width).dropout(p),
        };
        // What is left is not scaled up.
        Some(Outcome::rows(x * mask.above(0.0)))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.utils.mask_feature",
            weights: &[],
            arguments: &[],
            note: "PyG's modes are `col`, `row` and `all`.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        Action::Dropout { p: args.float("p") }
    }
}
