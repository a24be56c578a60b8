//! What a lint sees: the model with its readers, the text, the data and the configuration.

use super::{Config, Lint, Statistics};
use crate::ir::{Model, Node};
use crate::ops::{Action, Select};
use crate::source::{SourceMap, Span};
use crate::types::{Entity, Level, Size};
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::rc::Rc;

/// The model and everything around it.
pub struct Cx<'a> {
    pub model: &'a Model,
    pub sources: &'a SourceMap,
    /// `None` without data.
    pub data: Option<&'a Statistics<'a>>,
    pub config: &'a Config,
    /// Whether the output depends on a node.
    is_live: Vec<bool>,
    /// The stages that read each value and that the output depends on, with the port where it comes in.
    readers: Vec<Vec<(NodeIndex, usize)>>,
    /// Rows in each graph of the data, by the level that poolings make: see [`Cx::rows_of_graphs`].
    rows: OnceCell<HashMap<Level, Option<GraphRows>>>,
}

/// How many rows a value has in graphs of each size of the data.
#[derive(Debug, Clone, PartialEq)]
pub struct GraphRows(Rc<Vec<RowsOf>>);

/// Rows in all graphs of one size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowsOf {
    pub rows: usize,
    /// Nodes of the graphs, and how many of these there are.
    pub n_nodes: usize,
    pub n_graphs: usize,
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
        let mut readers = vec![Vec::new(); model.graph.node_count()];
        for edge in model.graph.edge_references().filter(|edge| is_live[edge.target().index()]) {
            readers[edge.source().index()].push((edge.target(), *edge.weight()));
        }
        readers.iter_mut().for_each(|readers| readers.sort_unstable());
        Self { model, sources, data, config, is_live, readers, rows: OnceCell::new() }
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
    pub fn readers(&self, node: NodeIndex) -> &[(NodeIndex, usize)] {
        &self.readers[node.index()]
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

    /// The row count of a value in every graph of the data, the smallest graphs first: poolings that keep a share take
    /// it of each graph. `None` where it is not known.
    pub fn rows_of_graphs(&self, node: NodeIndex) -> Option<GraphRows> {
        let rows = self.rows.get_or_init(|| self.rows_by_level());
        self.rows_in(rows, node)
    }

    fn rows_in(&self, rows: &HashMap<Level, Option<GraphRows>>, node: NodeIndex) -> Option<GraphRows> {
        let ty = &self.node(node).ty;
        let input = || rows.get(&Level(0)).cloned().flatten();
        match ty.entity {
            Entity::Graph => Some(input()?.with(|_| 1)),
            Entity::Clusters | Entity::Slots => {
                let known = ty.rows.known()?;
                Some(input()?.with(|_| known))
            }
            Entity::Nodes => rows.get(&ty.level).cloned().flatten(),
            Entity::Edges | Entity::EdgeKinds | Entity::Pairs => None,
        }
    }

    /// Each pooling that keeps nodes makes a level of its own, and takes its rows from the level before.
    fn rows_by_level(&self) -> HashMap<Level, Option<GraphRows>> {
        let sizes = self.data.map(|data| data.sizes().to_vec()).unwrap_or_default();
        let of_input = sizes.chunk_by(|a, b| a == b).map(|equal| RowsOf {
            rows: equal[0],
            n_nodes: equal[0],
            n_graphs: equal.len(),
        });
        let mut rows = HashMap::from([(Level(0), Some(GraphRows(Rc::new(of_input.collect()))))]);
        for node in self.model.graph.node_indices() {
            let place = self.node(node);
            if self.action(node) != Action::Pooling(Select::Keep) || place.ty.entity != Entity::Nodes {
                continue;
            }
            let before = self.input(node).and_then(|input| self.rows_in(&rows, input));
            let kept = |n: usize| match (place.args.opt_float("ratio"), place.args.opt_int("k")) {
                (Some(ratio), _) => Size::ratio(ratio, Size::Known(n)).known().unwrap_or(n),
                (None, Some(k)) => usize::try_from(k).map_or(n, |k| n.min(k)),
                (None, None) => n,
            };
            rows.insert(place.ty.level, before.map(|before| before.with(kept)));
        }
        rows
    }
}

impl GraphRows {
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = RowsOf> + '_ {
        self.0.iter().copied()
    }

    /// Other rows in the same graphs. Where they are the same, as those of graphs that cannot become smaller are, both
    /// share them.
    fn with(&self, of: impl Fn(usize) -> usize) -> Self {
        let with: Vec<RowsOf> = self.iter().map(|found| RowsOf { rows: of(found.rows), ..found }).collect();
        if with == *self.0 { self.clone() } else { Self(Rc::new(with)) }
    }

    /// How many graphs there are for which this holds.
    pub fn count(&self, holds: impl Fn(RowsOf) -> bool) -> usize {
        self.iter().filter(|&found| holds(found)).map(|found| found.n_graphs).sum()
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
