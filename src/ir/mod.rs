//! The typed intermediate representation: a petgraph DAG of operators, each with bound arguments and
//! an inferred [`Type`]. Nothing here touches Candle or the file system.

mod build;
pub mod canonical;
mod combinators;
mod define;
#[cfg(test)]
mod edges;
pub mod fixed_point;
mod infer;
mod losses;
mod scope;
mod shared;

pub(crate) use build::{Builder, Built, Cursor, Made, Stop, Wanted, width_setters};
pub use canonical::Canonical;
pub(crate) use define::{Section, collect_definitions, collect_missing, main_items, own_definitions};
pub use fixed_point::FixedPoint;
pub(crate) use fixed_point::{NoBound, fixed_points, inside};
pub(crate) use infer::{infer_types, inputs_of, pooling_above};
pub(crate) use losses::read_losses;
pub(crate) use shared::{has_weights, misfit, misfits, own_weights, settle_shared};

use crate::args::{Args, BoundCall};
use crate::ops::{self, Action, Family, Loss, Operator};
use crate::source::Span;
use crate::types::{DataFacts, Dim, Entity, Size, SizesWithData, TargetKind, Task, Type};
use petgraph::graph::{DiGraph, NodeIndex};
pub use scope::Scope;

/// One operator in place.
#[derive(Debug, Clone)]
pub struct Node {
    pub op: &'static dyn Operator,
    pub args: Args,
    /// What comes out.
    pub ty: Type,
    /// `as NAME`
    pub name: Option<String>,
    /// The stage as written.
    pub span: Span,
    /// Blocks and repeats around it.
    pub scope: Scope,
    /// Who put the stage there.
    pub author: Author,
    /// The stage whose weights it uses: the same one of an earlier round, where a `repeat` shares them. That stage uses its
    /// own.
    pub shares: Option<NodeIndex>,
}

/// Who put a stage into the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Author {
    /// The file says it.
    #[default]
    File,
    /// It stands in the default of an argument that the file leaves out (`assign`).
    Default,
    /// The compiler added it: the linear layer of an assignment onto the clusters, the edges that a selection leaves.
    Compiler,
}

/// A term of the loss with its weight.
#[derive(Debug, Clone)]
pub struct LossTerm {
    pub loss: &'static dyn Loss,
    pub args: Args,
    pub weight: f64,
    pub span: Span,
}

impl LossTerm {
    /// What tells the term from the others: `entropy`, or `entropy(level = 1)`.
    pub fn label(&self) -> String {
        ops::loss::label(self.loss, &self.args)
    }

    /// Whether both are about the same loss of the same level, which then counts twice.
    pub(crate) fn overlaps(&self, other: &LossTerm) -> bool {
        self.loss.name() == other.loss.name() && ops::loss::share_a_level(self.loss, &self.args, &other.args)
    }
}

/// `published { accuracy = 0.7625, source = "…" }`
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// Metric name and value.
    pub figures: Vec<(String, f64)>,
    pub source: Option<String>,
    /// How far below them a figure still reproduces them, in units of the metric.
    pub tolerance: Option<f64>,
}

/// A whole file: the network, its task, and how it is trained.
///
/// Edges of `graph` carry the input port of their target: port 0 is the value a stage is applied to,
/// further ports are `concat`/`add` operands and arguments that are pipelines (`assign`) or values of the edges (`edge`).
#[derive(Debug, Clone)]
pub struct Model {
    pub graph: DiGraph<Node, usize>,
    /// The node of the `input` operator: features of the input graph's nodes.
    pub input: NodeIndex,
    pub output: NodeIndex,
    pub task: Task,
    /// Outputs of the task: the classes, or the number of values.
    pub outputs: Dim,
    pub losses: Vec<LossTerm>,
    /// `data = tu("PROTEINS")`
    pub data: Option<BoundCall>,
    /// The `train` section, every default filled in; specs in [`crate::settings::TRAIN_SECTION`].
    pub train: Args,
    /// The `evaluate` section; specs in [`crate::settings::EVALUATE_SECTION`].
    pub evaluate: Args,
    pub published: Option<Published>,
    /// What the file leaves open with `search`, a line each, as the canonical form has it. The model is then the one with the first of
    /// each list and the lower end of each range.
    pub search: Vec<String>,
}

/// The outputs that a task has by the data: its classes, or values; symbolic without data.
pub(crate) fn outputs_of(data: Option<&DataFacts>) -> Dim {
    match data.filter(|data| data.n_outputs > 0) {
        Some(data) => {
            let kind = data.task.map_or(TargetKind::Classification, |task| task.kind);
            let reason = format!("{} has {}", data.name, kind.outputs(data.n_outputs));
            Dim::new(Size::Known(data.n_outputs), None, reason)
        }
        None => Dim::new(Size::Symbol("C"), None, "the classes or values of the task"),
    }
}

impl Model {
    /// Whether a stage reports the loss of a term, and on a level that the term is about.
    pub fn reports(&self, node: NodeIndex, term: &LossTerm) -> bool {
        let node = &self.graph[node];
        let is_asked = |levels: &[i64]| levels.contains(&i64::from(node.ty.level.0));
        // Between clusters there is no pair without an edge, so a convolution has nothing to report there.
        let is_there = node.op.family() != Family::Convolution || node.ty.entity == Entity::Nodes;
        term.loss.reported_by().contains(&node.op.name())
            && is_there
            && ops::loss::levels(term.loss, &term.args).is_none_or(|(levels, _)| is_asked(levels))
    }

    /// The stages whose reports a term adds up; none for a loss of the task.
    pub fn reporters(&self, term: &LossTerm) -> Vec<NodeIndex> {
        self.graph.node_indices().filter(|&node| self.reports(node, term)).collect()
    }

    /// The losses that the terms ask a stage for.
    pub fn asked_of(&self, node: NodeIndex) -> Vec<&'static str> {
        let terms = self.losses.iter().filter(|term| self.reports(node, term));
        terms.map(|term| term.loss.name()).collect()
    }

    /// The inputs of a node in the order of their ports.
    pub fn inputs(&self, node: NodeIndex) -> Vec<NodeIndex> {
        use petgraph::visit::EdgeRef;
        let mut inputs: Vec<_> = self
            .graph
            .edges_directed(node, petgraph::Direction::Incoming)
            .map(|edge| (*edge.weight(), edge.source()))
            .collect();
        inputs.sort_by_key(|&(port, _)| port);
        inputs.into_iter().map(|(_, source)| source).collect()
    }

    /// The graph kernel and the machine of a model without a network: its only stages.
    pub fn machine(&self) -> Option<[NodeIndex; 2]> {
        let action = |node: NodeIndex| self.graph[node].op.action(&self.graph[node].args);
        if action(self.output) != Action::Machine {
            return None;
        }
        let [kernel] = self.inputs(self.output)[..] else { return None };
        matches!(action(kernel), Action::Kernel(_)).then_some([kernel, self.output])
    }

    /// The operators that set the width of `end` and have none of their own, as far back as `first`.
    pub(crate) fn width_setters(&self, end: NodeIndex, first: usize) -> Vec<NodeIndex> {
        width_setters(&self.graph, &[], end, first)
    }

    /// Puts the data's numbers in place of every symbol that it has one for.
    pub fn fill_in(&mut self, data: &DataFacts) {
        let mut sizes = SizesWithData::new(data);
        for node in self.graph.node_weights_mut() {
            node.ty.rows.size = sizes.of(&node.ty.rows.size);
            node.ty.width.size = sizes.of(&node.ty.width.size);
        }
    }

    /// Nodes in the order written, which is a topological one: the builder adds inputs first.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeIndex, &Node)> {
        self.graph.node_indices().map(|idx| (idx, &self.graph[idx]))
    }
}
