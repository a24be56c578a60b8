//! What a lint sees: the model with its readers, the text, the data and the configuration.

use super::{Config, Lint, Statistics};
use crate::ir::{Entity, Model, Node, Size};
use crate::ops::{Action, Select};
use crate::source::{SourceMap, Span};
use petgraph::Direction;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;

/// The model and everything around it.
pub struct Cx<'a> {
    pub model: &'a Model,
    pub sources: &'a SourceMap,
    /// `None` without data.
    pub data: Option<&'a Statistics<'a>>,
    pub config: &'a Config,
    /// Whether the output depends on a node.
    is_live: Vec<bool>,
}

impl<'a> Cx<'a> {
    pub fn new(
        model: &'a Model,
        sources: &'a SourceMap,
        data: Option<&'a Statistics<'a>>,
        config: &'a Config,
    ) -> Self {
        let mut is_live = vec![false; model.graph.node_count()];
        let mut open = vec![model.output];
        while let Some(node) = open.pop() {
            if !std::mem::replace(&mut is_live[node.index()], true) {
                open.extend(model.inputs(node));
            }
        }
        Self { model, sources, data, config, is_live }
    }

    /// The stages that the output depends on, inputs first. What nothing reads has its own warning.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = NodeIndex> + '_ {
        self.model.graph.node_indices().filter(|node| self.is_live[node.index()])
    }

    pub fn node(&self, node: NodeIndex) -> &'a Node {
        &self.model.graph[node]
    }

    pub fn action(&self, node: NodeIndex) -> Action {
        let node = self.node(node);
        node.op.action(&node.args)
    }

    /// The value that a stage is applied to.
    pub fn input(&self, node: NodeIndex) -> Option<NodeIndex> {
        self.model.inputs(node).into_iter().next()
    }

    /// The stages that read a value, with the port where it comes in.
    pub fn readers(&self, node: NodeIndex) -> Vec<(NodeIndex, usize)> {
        let edges = self.model.graph.edges_directed(node, Direction::Outgoing);
        let mut readers: Vec<_> = edges
            .map(|edge| (edge.target(), *edge.weight()))
            .filter(|(reader, _)| self.is_live[reader.index()])
            .collect();
        readers.sort_unstable();
        readers
    }

    /// A stage as the file has it, on one line; shortened where it is long.
    pub fn text(&self, span: Span) -> String {
        let text: Vec<&str> = self.sources.text(span).split_whitespace().collect();
        let text = text.join(" ");
        if text.chars().count() > 60 { text.chars().take(59).chain(['…']).collect() } else { text }
    }

    /// A stage by its operator's name, in backquotes.
    pub fn name(&self, node: NodeIndex) -> String {
        format!("`{}`", self.node(node).op.name())
    }

    /// The threshold from which a lint reports.
    ///
    /// # Panics
    /// Where the lint has no such threshold.
    pub fn threshold(&self, lint: &Lint, name: &str) -> f64 {
        self.config.threshold(lint, name)
    }

    /// The row count of a value for an input graph of `n_nodes`: poolings that keep a share take it of each graph.
    /// `None` where it is not known without data.
    pub fn rows_of_graph(&self, node: NodeIndex, n_nodes: usize) -> Option<usize> {
        let mut kept = Vec::new();
        let mut at = node;
        let mut rows = loop {
            let ty = &self.node(at).ty;
            match ty.entity {
                Entity::Graph => break 1,
                Entity::Clusters | Entity::Slots => break ty.rows.known()?,
                Entity::Nodes | Entity::Edges => {}
            }
            if ty.level.0 == 0 {
                break n_nodes;
            }
            if let Action::Pooling(Select::Keep) = self.action(at) {
                kept.push(at);
            }
            at = self.input(at)?;
        };
        for pooling in kept.into_iter().rev() {
            let args = &self.node(pooling).args;
            rows = match (args.opt_float("ratio"), args.opt_int("k")) {
                (Some(ratio), _) => Size::ratio(ratio, Size::Known(rows)).known()?,
                (None, Some(k)) => rows.min(k as usize),
                (None, None) => rows,
            };
        }
        Some(rows)
    }
}

/// `1 layer`, `3 layers`
pub fn counted(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// A share in per cent, without turning a part into none or all of it.
pub fn percent(part: usize, of: usize) -> String {
    let share = 100.0 * part as f64 / of.max(1) as f64;
    if part == of {
        "all".to_owned()
    } else if share > 99.0 {
        "over 99 %".to_owned()
    } else if share < 1.0 {
        "under 1 %".to_owned()
    } else {
        format!("{share:.0} %")
    }
}
