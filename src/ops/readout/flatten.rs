//! `flatten`: the rows of each graph one after another.

use crate::args::{ArgSpec, Args};
use crate::check::{levels, shape, symmetry};
use crate::diagnostic::Diagnostic;
use crate::ir::{Dim, Entity, Level, Size, Type};
use crate::kernels::{Activation, tape};
use crate::lower::{LowerCx, Module, Structure, Value, map_value};
use crate::ops::{
    Action, Doc, FactCx, Family, Gather, InferCx, Operator, Ports, Pyg, WeightSpec, WidthRule, facts,
    trace::{self, Trace},
};
use candle_core::{Result, Tensor};

/// Lays the rows of each graph one after another into one vector: `[x_1 ∥ x_2 ∥ … ∥ x_k]`. Clusters and
/// slots stand in a fixed order, so nothing depends on the numbering; nodes do not, so their result is
/// poisoned and only the witness runs it, with zeros up to the largest graph.
///
/// PyG: `x.view(batch_size, -1)`.
///
/// # Shapes
/// - `x`: `clusters[k, F]` or `slots[k, F]`; `nodes[N, F]` makes a result that depends on the numbering
/// - result: `graph[k·F]`
///
/// # Errors
/// `levels::needs_rows` if the value is one vector per graph; `symmetry::…` where the result of flattened
/// nodes reaches the model's output.
#[derive(Debug)]
pub struct Flatten;

impl Operator for Flatten {
    fn name(&self) -> &'static str {
        "flatten"
    }
    fn family(&self) -> Family {
        Family::Readout
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Lays clusters or sorted rows of each graph one after another into one vector.",
            formula: "[x_1 ∥ x_2 ∥ … ∥ x_k]",
            paper: "",
            example: "gcn(32) -> relu -> sort_pool(8) -> flatten -> mlp",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        &[]
    }
    fn ports(&self) -> Ports {
        Ports::One
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Computed
    }

    fn infer(&self, cx: &InferCx) -> std::result::Result<Type, Diagnostic> {
        let input = cx.inputs[0];
        let rows = cx.with_data(&input.rows.size);
        let symmetry = match input.entity {
            Entity::Graph => return Err(levels::needs_rows(cx)),
            Entity::Clusters | Entity::Slots => symmetry::of_entity(cx, Entity::Graph),
            Entity::Nodes | Entity::Edges | Entity::EdgeKinds => {
                let rows = if input.entity == Entity::Nodes { "nodes" } else { "edges" };
                symmetry::reads_order(
                    cx,
                    format!("`flatten` lays the {rows} out in the order they are numbered"),
                )
            }
        };
        let reason = format!(
            "`flatten` lays out {} of {}",
            shape::counted(&rows, "row"),
            shape::counted(&input.width.size, "feature")
        );
        Ok(Type {
            entity: Entity::Graph,
            level: Level(0),
            rows: Dim::new(Size::Known(1), Some(cx.span), "one vector per graph"),
            width: Dim::new(Size::product([rows, input.width.size.clone()]), Some(cx.span), reason),
            symmetry,
        })
    }

    fn weights(&self, _: &FactCx) -> Vec<WeightSpec> {
        Vec::new()
    }
    fn trace(&self, cx: &FactCx, inputs: &[trace::Value], step: &mut Trace) -> trace::Value {
        // The rows lie one after another already.
        let n_graphs = inputs[0].structure.n_graphs();
        let x = step.reshape(inputs[0].x, n_graphs, facts::width(cx.output));
        trace::Value { x, structure: trace::Structure::Graphs { n_graphs } }
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "torch.Tensor.view", weights: &[], note: "`x.view(batch_size, -1)`" }
    }
    fn fuses_activation(&self) -> bool {
        false
    }
    fn as_activation(&self, _: &Args) -> Option<Activation> {
        None
    }

    fn action(&self, _: &Args) -> Action {
        Action::Readout(Gather::Ordered)
    }
    fn lower(&self, cx: &mut LowerCx) -> Result<Box<dyn Module>> {
        let width = facts::known(&cx.output.width);
        Ok(map_value(move |inputs, _| {
            let value = inputs[0];
            let n_graphs = value.structure.n_graphs();
            let x = match &value.structure {
                Structure::Sparse(graph) => lay_out_nodes(&value.x, &graph.graph_offsets, width)?,
                _ => tape::reshape(&value.x, (n_graphs, width))?,
            };
            Ok(Value { x, structure: Structure::Graphs { n_graphs } })
        }))
    }
}

/// Rows of each graph in numbering order, zeros up to `width`. A graph larger than the data that the
/// model was checked with is cut off; this is for the witness, never for training.
fn lay_out_nodes(x: &Tensor, offsets: &[u32], width: usize) -> Result<Tensor> {
    let n_features = x.dim(1)?;
    let n_rows = width / n_features.max(1);
    let mut graphs = Vec::with_capacity(offsets.len() - 1);
    for pair in offsets.windows(2) {
        let (start, n_nodes) = (pair[0] as usize, ((pair[1] - pair[0]) as usize).min(n_rows));
        let rows = x.narrow(0, start, n_nodes)?.pad_with_zeros(0, 0, n_rows - n_nodes)?;
        graphs.push(rows.reshape((1, n_rows * n_features))?);
    }
    Tensor::cat(&graphs, 0)
}
