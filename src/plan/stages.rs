//! The stages of a model as a table: what `hgnnc show` prints.

use super::Tracer;
use super::words;
use crate::args::{ArgKind, ArgValue, Args, BoundCall};
use crate::ir::{Model, Node, Scope};
use crate::ops::{FactCx, WidthRule, hetero};
use crate::plan::trace::{Graphs, Kernel, last_backward_readers};
use crate::types::{DataFacts, Dim, SizesWithData, Type};
use petgraph::graph::NodeIndex;

/// One operator with its facts.
#[derive(Debug, Clone)]
pub struct StageRow {
    pub node: NodeIndex,
    /// Place in the model, from 0 (the input); inputs of other stages are named by it.
    pub index: usize,
    /// The operator with every argument filled in: `sage(out = 64, aggregate = mean, …)`.
    pub text: String,
    /// `as NAME`
    pub name: Option<String>,
    /// Blocks and repeats around it.
    pub scope: Scope,
    /// Stages whose values come in, by port.
    pub inputs: Vec<usize>,
    pub ty: Type,
    /// Trained numbers; `None` while a width is symbolic.
    pub parameters: Option<usize>,
    /// Bytes kept for the backward pass, for an average graph; `None` without data.
    pub memory_bytes: Option<f64>,
    /// Floating-point operations of a forward pass over an average graph; `None` without data.
    pub flops: Option<f64>,
}

/// The stages of a model in order. With `data`, symbolic sizes are filled in and costs are computed.
pub fn stages(model: &Model, data: Option<&DataFacts>) -> Vec<StageRow> {
    let mut sizes = data.map(SizesWithData::new);
    let types: Vec<Type> = model.nodes().map(|(_, node)| filled_in(&node.ty, sizes.as_mut())).collect();
    let costs = data.and_then(|data| average_costs(model, data));
    model
        .nodes()
        .map(|(idx, node)| {
            let inputs: Vec<usize> = model.inputs(idx).into_iter().map(NodeIndex::index).collect();
            let input_types: Vec<&Type> = inputs.iter().map(|&input| &types[input]).collect();
            let output = &types[idx.index()];
            let cx = FactCx { args: &node.args, inputs: &input_types, output };
            let cost = costs.as_ref().map(|costs| costs[idx.index()]);
            let own = if node.shares.is_some() { Vec::new() } else { node.op.weights(&cx) };
            let parameters = own
                .iter()
                .filter(|weight| weight.is_trained)
                .map(|weight| {
                    let shape = weight.shape.iter().map(|dim| Dim {
                        size: sizes.as_mut().map_or_else(|| dim.size.clone(), |sizes| sizes.of(&dim.size)),
                        ..dim.clone()
                    });
                    words::numbers(&shape.collect::<Vec<_>>())
                })
                .try_fold(0usize, |sum, numbers| Some(sum.saturating_add(numbers?)));
            StageRow {
                node: idx,
                index: idx.index(),
                text: stage_text(node, output, &inputs),
                name: node.name.clone(),
                scope: node.scope.clone(),
                inputs,
                ty: output.clone(),
                parameters,
                memory_bytes: cost.map(|cost| cost.kept_bytes),
                flops: cost.map(|cost| cost.flops),
            }
        })
        .collect()
}

/// Work and memory of one stage in a step over one batch. An activation that the plan moved into the stage before has
/// none of its own, and neither has a stage that nothing reads.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StageCost {
    /// Of the forward pass; multiply and add count as two.
    pub flops: f64,
    pub backward_flops: f64,
    /// Bytes of its results that the backward pass reads, and of what its kernels keep beside them.
    pub kept_bytes: f64,
}

/// Costs of every stage of these kernels, by the place of its node; the loss is no stage.
pub fn stage_costs(n_stages: usize, kernels: &[Kernel]) -> Vec<StageCost> {
    let mut costs = vec![StageCost::default(); n_stages];
    let n_matrices = kernels.iter().map(|kernel| kernel.result.id + 1).max().unwrap_or(0);
    let readers = last_backward_readers(kernels, n_matrices);
    for kernel in kernels {
        let Some(stage) = kernel.stage else { continue };
        let cost = &mut costs[stage];
        cost.flops += kernel.forward.flops;
        cost.backward_flops += kernel.backward.flops;
        let result = if readers[kernel.result.id].is_some() { kernel.result_bytes() } else { 0.0 };
        cost.kept_bytes += result + kernel.kept_bytes;
    }
    costs
}

/// Costs of every stage for one average graph; `None` where a size stays symbolic.
pub fn average_costs(model: &Model, data: &DataFacts) -> Option<Vec<StageCost>> {
    let edges = data.total_edges as f64 / data.n_graphs.max(1) as f64;
    let pairs = data.n_edge_items as f64 / data.n_graphs.max(1) as f64;
    let trace = Tracer::new(model, data, true)?
        .step(Graphs { nodes: vec![data.mean_nodes], edges: vec![edges], pairs, ..Graphs::default() }, None);
    Some(stage_costs(model.graph.node_count(), trace.kernels()))
}

/// `ty` with the widths, and the numbers of clusters and slots, that the data gives. The rows of nodes
/// stay symbolic: they differ from graph to graph.
fn filled_in(ty: &Type, sizes: Option<&mut SizesWithData>) -> Type {
    let mut ty = ty.clone();
    let Some(sizes) = sizes else { return ty };
    ty.width.size = sizes.of(&ty.width.size);
    if !ty.entity.is_ragged() {
        ty.rows.size = sizes.of(&ty.rows.size);
    }
    ty
}

/// The call with every argument. What the operator inferred is printed where it is a width; a pipeline
/// argument names the stage that it ends in.
fn stage_text(node: &Node, output: &Type, inputs: &[usize]) -> String {
    let mut words = Vec::new();
    for (bound, spec) in node.args.0.iter().zip(node.op.args()) {
        let value = match (&bound.value, spec.kind) {
            (_, ArgKind::Pipeline { .. } | ArgKind::Edges(_)) => {
                match node.args.port(spec.name).and_then(|port| inputs.get(port)) {
                    Some(input) => format!("#{input}"),
                    None => continue,
                }
            }
            (ArgValue::Absent, _) if node.op.width_rule() == WidthRule::Argument(spec.name) => {
                output.width.size.to_string()
            }
            (ArgValue::Absent, _) => continue,
            (value, _) => value_text(value),
        };
        words.push(format!("{} = {value}", spec.name));
    }
    hetero::written(&node.args, call_text(node.op.name(), &words))
}

fn call_text(name: &str, words: &[String]) -> String {
    if words.is_empty() { name.to_owned() } else { format!("{name}({})", words.join(", ")) }
}

/// A bound value as a user would write it.
pub fn value_text(value: &ArgValue) -> String {
    let list = |items: Vec<String>| format!("[{}]", items.join(", "));
    match value {
        ArgValue::Int(value) => value.to_string(),
        ArgValue::Float(value) => format!("{value:?}"),
        ArgValue::Bool(value) => value.to_string(),
        ArgValue::Text(text) => format!("{text:?}"),
        ArgValue::Choice(word) => (*word).to_owned(),
        ArgValue::IntList(items) => list(items.iter().map(i64::to_string).collect()),
        ArgValue::FloatList(items) => list(items.iter().map(|number| format!("{number:?}")).collect()),
        ArgValue::ChoiceList(items) => list(items.iter().map(|&word| word.to_owned()).collect()),
        ArgValue::Call(call) => bound_call_text(call),
        ArgValue::Calls(calls) => list(calls.iter().map(bound_call_text).collect()),
        ArgValue::Pipeline => "…".to_owned(),
        ArgValue::Absent => String::new(),
    }
}

/// A bound call with every argument that has a value: `adam(lr = 0.001, …)`.
pub fn bound_call_text(call: &BoundCall) -> String {
    call_text(call.name, &args_words(&call.args))
}

/// `name = value` of every argument that has a value.
pub fn args_words(args: &Args) -> Vec<String> {
    let given = args.0.iter().filter(|arg| arg.value != ArgValue::Absent);
    given.map(|arg| format!("{} = {}", arg.name, value_text(&arg.value))).collect()
}
