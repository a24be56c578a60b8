//! Values inside a trained network, a row for each graph or node: what it makes of them before it predicts.

use super::error::{Result, TrainError};
use super::measure::values;
use crate::diagnostic::count;
use crate::findings::names::did_you_mean;
use crate::ir::{Model, Node};
use crate::lower::Value;
use crate::ops::FactCx;
use crate::plan::Step;
use crate::types::{Entity, Type};
use petgraph::graph::NodeIndex;

/// Rows of a value of the network.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded {
    /// A row for each node of the data, else for each graph.
    pub of_nodes: bool,
    pub width: usize,
    /// Row-major.
    pub values: Vec<f32>,
    /// Which value it is: `` the value `fine` ``, `` what `mlp` reads ``.
    pub what: String,
}

/// The value to take out.
#[derive(Debug)]
pub(super) struct Wanted {
    pub node: NodeIndex,
    pub of_nodes: bool,
    pub what: String,
}

/// The value that a model calls `name`, else what its last stage with weights reads, or its decoder.
///
/// # Errors
/// Where there is no such value, or it has no row for each node or graph.
pub(super) fn find(model: &Model, name: Option<&str>) -> Result<Wanted> {
    let names: Vec<&str> = model.nodes().filter_map(|(_, node)| node.name.as_deref()).collect();
    let known = match names.as_slice() {
        [] => "give a value a name with `as NAME` in the model, and train it again".to_owned(),
        names => format!("the model names {}: `--embeddings={}`", crate::args::words_list(names), names[0]),
    };
    let refuse = |message: String, help: String| Err(TrainError::setup(message, help));
    let (node, what) = match name {
        Some(name) => {
            let called: Vec<NodeIndex> = model
                .nodes()
                .filter(|(_, node)| node.name.as_deref() == Some(name))
                .map(|(idx, _)| idx)
                .collect();
            match called.as_slice() {
                [node] => (*node, format!("the value `{name}`")),
                [] => {
                    let like = did_you_mean(name, names.iter().copied());
                    let like = like.map(|like| format!("did you mean `{like}`? ")).unwrap_or_default();
                    return refuse(format!("the model names no value `{name}`"), format!("{like}{known}"));
                }
                called => {
                    return refuse(
                        format!("the model has {} called `{name}`", count(called.len(), "value")),
                        "a block that is used several times names a value each time: name one outside of it"
                            .into(),
                    );
                }
            }
        }
        None => match last_reader(model) {
            Some((reader, node)) if node != model.input => {
                (node, format!("what `{}` reads", model.graph[reader].op.name()))
            }
            _ => {
                return refuse(
                    "the model has no single value in front of its last layer".into(),
                    format!("name one: {known}"),
                );
            }
        },
    };
    let ty = &model.graph[node].ty;
    match of_nodes(ty) {
        Some(of_nodes) => Ok(Wanted { node, of_nodes, what }),
        None => refuse(
            format!("{what} is {ty}: it has no row for each node or graph of the data"),
            format!("take a value in front of the pooling, or behind a readout: {known}"),
        ),
    }
}

/// Whether rows are those of the nodes of the data, or of its graphs; `None` where they are neither.
fn of_nodes(ty: &Type) -> Option<bool> {
    match ty.entity {
        Entity::Nodes if ty.level.0 == 0 => Some(true),
        Entity::Graph => Some(false),
        _ => None,
    }
}

/// The last stage with weights, or on pairs, with the value that it reads.
fn last_reader(model: &Model) -> Option<(NodeIndex, NodeIndex)> {
    let mut at = model.output;
    loop {
        let inputs = model.inputs(at);
        let node = &model.graph[at];
        let &first = inputs.first()?;
        let is_decoder = node.ty.entity == Entity::Pairs && model.graph[first].ty.entity != Entity::Pairs;
        if is_decoder || (node.ty.entity != Entity::Pairs && has_weights(model, node, &inputs)) {
            return Some((at, first));
        }
        // What joins several values has none in front of it.
        if inputs.len() > 1 {
            return None;
        }
        at = first;
    }
}

fn has_weights(model: &Model, node: &Node, inputs: &[NodeIndex]) -> bool {
    let inputs: Vec<&Type> = inputs.iter().map(|&input| &model.graph[input].ty).collect();
    !node.op.weights(&FactCx { args: &node.args, inputs: &inputs, output: &node.ty }).is_empty()
}

impl Wanted {
    /// Takes the value out of a step that makes it.
    pub(super) fn take(&self, step: &Step, value: &Value, taken: &mut Option<candle_core::Tensor>) {
        if step.result == self.node {
            *taken = Some(value.x.clone());
        }
    }

    /// The rows of what was taken.
    ///
    /// # Errors
    /// Where the value is computed inside of another step.
    pub(super) fn rows(&self, taken: Option<candle_core::Tensor>) -> Result<(Vec<f32>, usize)> {
        match taken {
            Some(taken) => Ok(values(&taken)?),
            None => Err(TrainError::setup(
                format!("{} is not kept: the activation behind it is computed in the same step", self.what),
                "name the value behind the activation",
            )),
        }
    }
}
