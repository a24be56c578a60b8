//! How a checked model is run: in which order, what is fused, what is dead, and when a value can go.

mod adjacency;
mod listing;
mod stages;
pub mod trace;
mod tracer;
pub mod words;

pub use listing::{Cost, Launch, Listed, Listing, listing};
pub use stages::{
    StageCost, StageRow, args_words, average_costs, bound_call_text, stage_costs, stages, value_text,
};
pub use tracer::Tracer;

use crate::check::Checked;
use crate::ir::Model;
use crate::kernels::Summation;
use crate::program::Fun;
use petgraph::Direction;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;

/// One operator to run, with the activation that follows it computed inside.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The operator.
    pub node: NodeIndex,
    /// The node whose value comes out: `node`, or the activation that was moved into it.
    pub result: NodeIndex,
    pub activation: Option<Fun>,
    /// The steps whose values come in, by port.
    pub inputs: Vec<usize>,
    /// Whether anything reads the edges of the graph that the result lives on. A pooling whose edges
    /// nothing reads does not make them.
    pub needs_adjacency: bool,
    /// Whether a lift undoes the pooling, which keeps for it how rows are shared out.
    pub needs_assignment: bool,
    /// The auxiliary losses that the model's loss asks of the step.
    pub losses: Vec<&'static str>,
    /// How the step sums over rows: a value that rows are sorted or selected by has the same bits in every numbering.
    pub summation: Summation,
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
    plan_of(model.get())
}

/// The plan of a model for what is reported about it, not for running it: that needs a checked one.
pub(crate) fn plan_of(model: &Model) -> Plan {
    let is_live = reaches_output(model);
    let needs_adjacency = adjacency::read_edges(model, &is_live);
    let needs_assignment = adjacency::are_undone(model, &is_live);
    let feeds_choice = feeds_choice(model);
    // Counted once, because one value may have as many readers as there are stages.
    let mut n_readers = vec![0usize; model.graph.node_count()];
    for edge in model.graph.edge_references().filter(|edge| is_live[edge.target().index()]) {
        n_readers[edge.source().index()] += 1;
    }

    let mut steps: Vec<Step> = Vec::new();
    // The step that makes the value of each node.
    let mut made_by = vec![usize::MAX; model.graph.node_count()];
    for (idx, node) in model.nodes().filter(|(idx, _)| is_live[idx.index()]) {
        let inputs: Vec<usize> = model.inputs(idx).into_iter().map(|input| made_by[input.index()]).collect();
        if let (Some(activation), &[before]) = (node.op.as_activation(&node.args), inputs.as_slice()) {
            let step = &mut steps[before];
            let is_only_reader = n_readers[step.result.index()] == 1;
            let is_free = step.activation.is_none() && step.node == step.result;
            let maker = &model.graph[step.node];
            if is_only_reader && is_free && maker.op.fuses_activation(&maker.args) {
                step.activation = Some(activation);
                step.result = idx;
                made_by[idx.index()] = before;
                continue;
            }
        }
        made_by[idx.index()] = steps.len();
        let needs_adjacency = needs_adjacency[idx.index()];
        let summation =
            if feeds_choice[idx.index()] { Summation::Reproducible } else { Summation::Sequential };
        steps.push(Step {
            node: idx,
            result: idx,
            activation: None,
            inputs,
            needs_adjacency,
            needs_assignment: needs_assignment[idx.index()],
            losses: model.asked_of(idx),
            summation,
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

/// Whether a model sorts or selects rows by their values.
pub fn chooses_by_value(model: &Model) -> bool {
    let is_live = reaches_output(model);
    model.nodes().any(|(idx, node)| is_live[idx.index()] && node.op.action(&node.args).chooses_by_value())
}

/// Which nodes make a choice by values, or are read where one is made.
fn feeds_choice(model: &Model) -> Vec<bool> {
    let mut feeds = vec![false; model.graph.node_count()];
    let chooses = |node: NodeIndex| model.graph[node].op.action(&model.graph[node].args).chooses_by_value();
    let mut open: Vec<NodeIndex> = model.graph.node_indices().filter(|&node| chooses(node)).collect();
    while let Some(node) = open.pop() {
        if !std::mem::replace(&mut feeds[node.index()], true) {
            open.extend(model.graph.neighbors_directed(node, Direction::Incoming));
        }
    }
    feeds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lower::testing::compile;
    use crate::ops::Family;

    /// Steps as `operator+activation`, in order.
    fn steps(text: &str) -> Vec<String> {
        let model = compile(text, None);
        let name = |node: NodeIndex| model.get().graph[node].op.name();
        let step = |step: &Step| match step.activation {
            None => name(step.node).to_owned(),
            Some(activation) => format!("{}+{activation:?}", name(step.node)),
        };
        plan(&model).steps.iter().map(step).collect()
    }

    #[test]
    fn an_activation_moves_into_the_operator_before() {
        assert_eq!(steps("linear(8) -> relu -> mean -> linear"), ["input", "linear+Relu", "mean", "linear"]);
        let slope = steps("linear(8) -> batch_norm -> leaky_relu(0.2) -> mean -> linear");
        assert_eq!(slope, ["input", "linear", "batch_norm+LeakyRelu(0.2)", "mean", "linear"]);
    }

    #[test]
    fn an_activation_stays_where_its_input_is_read_elsewhere() {
        let text = "model = linear(8) as raw -> relu -> concat(raw, identity) -> mean -> linear";
        assert_eq!(steps(text), ["input", "linear", "relu", "identity", "concat", "mean", "linear"]);
    }

    #[test]
    fn only_one_activation_moves() {
        let text = "linear(8) -> relu -> tanh -> mean -> linear";
        assert_eq!(steps(text), ["input", "linear+Relu", "tanh", "mean", "linear"]);
    }

    #[test]
    fn every_value_but_the_output_goes_after_its_last_reader() {
        let text = "model = linear(8) as raw -> relu -> concat(raw, identity) -> mean -> linear";
        let plan = plan(&compile(text, None));
        let mut freed = vec![0; plan.steps.len()];
        for (idx, step) in plan.steps.iter().enumerate() {
            step.frees.iter().for_each(|&dead| freed[dead] += 1);
            let later = plan.steps[idx + 1..].iter().flat_map(|step| &step.inputs);
            assert!(later.clone().all(|read| !step.frees.contains(read)), "freed while needed");
        }
        assert_eq!(freed, [1, 1, 1, 1, 1, 1, 0]);
    }

    #[test]
    fn what_a_choice_rests_on_is_summed_reproducibly() {
        let summed = |text: &str| -> Vec<bool> {
            let steps = plan(&compile(text, None)).steps;
            steps.iter().map(|step| step.summation == Summation::Reproducible).collect()
        };
        assert_eq!(summed("gcn(8) -> mean -> linear"), [false; 4]);
        assert_eq!(
            summed("gcn(8) -> relu -> sort_pool(3) -> flatten -> linear"),
            [true, true, true, false, false]
        );
        assert_eq!(
            summed("gcn(8) -> topk(k = 3) -> gcn(8) -> mean -> linear"),
            [true, true, true, false, false, false]
        );
    }

    /// Of each pooling in order, whether it makes the coarse adjacency.
    fn makes_adjacency(text: &str) -> Vec<bool> {
        let model = compile(text, None);
        let plan = plan(&model);
        let is_pooling = |step: &&Step| model.get().graph[step.node].op.family() == Family::Pooling;
        plan.steps.iter().filter(is_pooling).map(|step| step.needs_adjacency).collect()
    }

    #[test]
    fn a_coarse_adjacency_is_made_where_something_reads_it() {
        assert_eq!(makes_adjacency("diffpool(k = 4) -> mean -> linear"), [false]);
        assert_eq!(makes_adjacency("diffpool(k = 4) -> relu -> sage(8) -> mean -> linear"), [true]);
        assert_eq!(
            makes_adjacency("diffpool(k = 4) -> diffpool(k = 2, assign = linear) -> mean -> linear"),
            [false, false]
        );
        assert_eq!(makes_adjacency("diffpool(k = 4) -> diffpool(k = 2) -> mean -> linear"), [true, false]);
        let with_loss = "model = diffpool(k = 4) -> diffpool(k = 2, assign = linear) -> mean -> linear\n\
                         loss = cross_entropy + link_prediction";
        assert_eq!(makes_adjacency(with_loss), [true, false]);
    }
}
