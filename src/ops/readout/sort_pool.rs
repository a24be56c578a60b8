//! `sort_pool(k)`: the first `k` rows of each graph in sorted order.

use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::check::{levels, shape, symmetry};
use crate::data::error::count;
use crate::diagnostic::Diagnostic;
use crate::ir::{Dim, Entity, Size, Type};
use crate::kernels::{self, Activation};
use crate::lower::{LowerCx, Module, Structure, Value, map_value};
use crate::ops::{
    Action, Doc, FactCx, Family, Gather, InferCx, Operator, Ports, Pyg, WeightSpec, WidthRule,
    trace::{self, Trace},
};
use candle_core::Result;

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
    fn ports(&self) -> Ports {
        Ports::One
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
    fn weights(&self, _: &FactCx) -> Vec<WeightSpec> {
        Vec::new()
    }
    fn trace(&self, cx: &FactCx, inputs: &[trace::Value], step: &mut Trace) -> trace::Value {
        let (k, n_graphs) = (cx.args.int("k") as f64, inputs[0].structure.n_graphs());
        let x = step.sort_rows(inputs[0].x, &inputs[0].structure, k);
        trace::Value { x, structure: trace::Structure::Slots { n_graphs, k } }
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.SortAggregation",
            weights: &[],
            note: "PyG leaves the order of rows that tie in the last feature open",
        }
    }
    fn fuses_activation(&self) -> bool {
        false
    }
    fn as_activation(&self, _: &Args) -> Option<Activation> {
        None
    }
    fn action(&self, _: &Args) -> Action {
        Action::Readout(Gather::Sorted)
    }
    fn lower(&self, cx: &mut LowerCx) -> Result<Box<dyn Module>> {
        let k = cx.args.int("k") as usize;
        Ok(map_value(move |inputs, _| {
            let value = inputs[0];
            let x = kernels::sort_rows(&value.x, &value.structure.offsets(), k)?;
            Ok(Value { x, structure: Structure::Slots { n_graphs: value.structure.n_graphs(), k } })
        }))
    }
}
