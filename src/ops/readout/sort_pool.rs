//! `sort_pool(k)`: the first `k` rows of each graph in sorted order.

use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::{Diagnostic, count};
use crate::ops::findings::{levels, shape, symmetry};
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Operator, Pyg, WidthRule};
use crate::program::composite::Composite;
use crate::types::{Dim, Entity, Size, Type};

/// Sorts the rows of each graph by their last feature, largest first, and keeps the first `k`. Rows that
/// tie are sorted by the feature before, and so on, so the result does not depend on the numbering.
/// Graphs with fewer rows are filled up with zeros.
///
/// Paper: Zhang et al. 2018, "An End-to-End Deep Learning Architecture for Graph Classification".
/// PyG: `torch_geometric.nn.SortAggregation`.
///
/// # Shapes
/// - `x`: nodes, clusters or slots, `F` features
/// - result: `slots[k, F]`
///
/// # Errors
/// `levels::needs_rows` if the value is one vector per graph.
#[derive(Debug)]
pub struct SortPool;

static ARGS: &[ArgSpec] = &[ArgSpec {
    name: "k",
    kind: ArgKind::Int { min: 1, max: 1 << 20 },
    default: Default::Required,
    positional: true,
    doc: "Number of rows of each graph to keep.",
}];

impl Operator for SortPool {
    fn name(&self) -> &'static str {
        "sort_pool"
    }
    fn family(&self) -> Family {
        Family::Readout
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Keeps the first k rows of each graph, sorted by their last feature.",
            formula: "sort(x, by = last feature, descending)[..k]",
            paper: "Zhang et al. 2018, \"An End-to-End Deep Learning Architecture for Graph Classification\"",
            example: "gcn(32) -> tanh -> sort_pool(10) -> flatten -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> std::result::Result<Type, Diagnostic> {
        if cx.inputs[0].entity == Entity::Graph {
            return Err(levels::needs_rows(cx));
        }
        let k = cx.args.int("k");
        let rows = shape::written_width(cx, "k").unwrap_or_else(|| {
            Dim::new(
                Size::Known(k as usize),
                Some(cx.span),
                format!("`sort_pool` keeps {}", count(k as usize, "row")),
            )
        });
        Ok(Type {
            entity: Entity::Slots,
            level: cx.new_level,
            rows,
            width: cx.inputs[0].width.clone(),
            symmetry: symmetry::of_entity(cx, Entity::Slots),
        })
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let k = cx.args.int("k") as usize;
        Some(Outcome::slots(cx.b.call(Composite::Sort { k: crate::types::Size::Known(k) }, &[cx.x()])))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.SortAggregation",
            weights: &[],
            arguments: &[],
            note: "PyG leaves the order of rows that tie in the last feature open",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Readout(Gather::Sorted)
    }
}
