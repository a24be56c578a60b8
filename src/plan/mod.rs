//! How a checked model is run: in which order, what is fused, what is dead, and when a value can go.

mod adjacency;
mod stages;

pub use stages::{StageRow, args_words, bound_call_text, stages, value_text};

use crate::check::Checked;
use crate::ir::Model;
use crate::kernels::Activation;
use petgraph::Direction;
use petgraph::graph::NodeIndex;

/// One operator to run, with the activation that follows it computed inside.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The operator.
    pub node: NodeIndex,
    /// The node whose value comes out: `node`, or the activation that was moved into it.
    pub result: NodeIndex,
    pub activation: Activation,
    /// The steps whose values come in, by port.
    pub inputs: Vec<usize>,
    /// Whether anything reads the edges of the graph that the result lives on. A pooling whose edges
    /// nothing reads does not make them.
    pub needs_adjacency: bool,
    /// Steps whose values nothing reads after this one.
    pub frees: Vec<usize>,
}

/// The steps of one forward pass, in order; the last makes the output.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub steps: Vec<Step>,
}

/// Plans a forward pass. Nodes that do not reach the output are left out.
pub fn plan(model: &Checked<Model>) -> Plan {
    let model = model.get();
    let is_live = reaches_output(model);
    let needs_adjacency = adjacency::read_edges(model, &is_live);
    let readers = |node| {
        model.graph.neighbors_directed(node, Direction::Outgoing).filter(|reader| is_live[reader.index()])
    };

    let mut steps: Vec<Step> = Vec::new();
    // The step that makes the value of each node.
    let mut made_by = vec![usize::MAX; model.graph.node_count()];
    for (idx, node) in model.nodes().filter(|(idx, _)| is_live[idx.index()]) {
        let inputs: Vec<usize> = model.inputs(idx).into_iter().map(|input| made_by[input.index()]).collect();
        if let (Some(activation), &[before]) = (node.op.as_activation(&node.args), inputs.as_slice()) {
            let step = &mut steps[before];
            let is_only_reader = readers(step.result).count() == 1;
            let is_free = step.activation == Activation::Identity && step.node == step.result;
            if is_only_reader && is_free && model.graph[step.node].op.fuses_activation() {
                step.activation = activation;
                step.result = idx;
                made_by[idx.index()] = before;
                continue;
            }
        }
        made_by[idx.index()] = steps.len();
        let needs_adjacency = needs_adjacency[idx.index()];
        steps.push(Step {
            node: idx,
            result: idx,
            activation: Activation::Identity,
            inputs,
            needs_adjacency,
            frees: Vec::new(),
        });
    }

    let mut last_reader: Vec<usize> = (0..steps.len()).collect();
    for (reader, step) in steps.iter().enumerate() {
        step.inputs.iter().for_each(|&input| last_reader[input] = reader);
    }
    let output = made_by[model.output.index()];
    for (step, &reader) in last_reader.iter().enumerate().filter(|&(step, _)| step != output) {
        steps[reader].frees.push(step);
    }
    Plan { steps }
}

/// Which nodes the output depends on.
fn reaches_output(model: &Model) -> Vec<bool> {
    let mut is_live = vec![false; model.graph.node_count()];
    let mut open = vec![model.output];
    while let Some(node) = open.pop() {
        if !std::mem::replace(&mut is_live[node.index()], true) {
            open.extend(model.graph.neighbors_directed(node, Direction::Incoming));
        }
    }
    is_live
}
