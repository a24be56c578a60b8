//! From the canonical form back to a typed model: for a checkpoint whose file is not at hand, or is of a
//! version that is not read any more.

use super::Canonical;
use crate::args::ArgKind;
use crate::bind::Findings;
use crate::ir::build::SCORE;
use crate::ir::infer::infer_types;
use crate::ir::{Author, LossTerm, Model, Node, Scope, Wanted, misfits, outputs_of, width_setters};
use crate::ops::{Family, Operator, Ports, WidthRule};
use crate::source::Span;
use crate::types::{DataFacts, Dim, Entity, Level, Size, Symmetry, Type};
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::HashMap;

/// The port of a pooling at which the assignment to its clusters comes in.
const ASSIGNMENT: usize = 1;

/// The port of a pooling at which scores come in.
fn score_port(args: &crate::args::Args) -> Option<usize> {
    args.get(SCORE).and_then(|_| args.port(SCORE))
}

impl Canonical {
    /// The model, with all types inferred. Node `i` is stage `i`; names, blocks and places are not known.
    ///
    /// # Errors
    /// What is wrong with the first stage whose type does not come out: the text was not made of a sound model.
    pub fn model(&self, data: Option<&DataFacts>) -> Result<Model, String> {
        let mut graph: DiGraph<Node, usize> = DiGraph::new();
        let unknown = || Dim::new(Size::Symbol("?"), None, "not inferred yet");
        for stage in &self.stages {
            let node = graph.add_node(Node {
                op: stage.op,
                args: stage.args.clone(),
                ty: Type {
                    entity: Entity::Nodes,
                    level: Level(0),
                    rows: unknown(),
                    width: unknown(),
                    symmetry: Symmetry::Equivariant,
                },
                name: None,
                span: Span::default(),
                scope: Scope::default(),
                author: Author::File,
                shares: stage.shares.map(NodeIndex::new),
            });
            for (port, &input) in stage.inputs.iter().enumerate() {
                graph.add_edge(NodeIndex::new(input), node, port);
            }
        }
        let made = vec![Default::default(); graph.node_count()];
        let output = NodeIndex::new(self.output);
        let mut wanted: HashMap<NodeIndex, Wanted> = HashMap::new();
        let mut want = |end: usize, first: usize, from: Wanted| {
            for node in width_setters(&graph, &made, NodeIndex::new(end), first) {
                wanted.entry(node).or_insert(from);
            }
        };
        for (idx, stage) in self.stages.iter().enumerate() {
            if let (Family::Pooling, Some(port)) = (stage.op.family(), score_port(&stage.args)) {
                want(stage.inputs[port], stage.inputs[0] + 1, Wanted::One);
            }
            // A value beside the rows that a convolution reads.
            if stage.op.family() == Family::Convolution {
                for port in
                    stage.op.args().iter().filter(|spec| matches!(spec.kind, ArgKind::Pipeline { .. }))
                {
                    if let Some(port) = stage.args.port(port.name) {
                        let input = stage.inputs[0];
                        want(stage.inputs[port], input + 1, Wanted::WidthOf(NodeIndex::new(input)));
                    }
                }
            }
            let has_assignment = stage.args.get("assign").is_some();
            match stage.inputs.as_slice() {
                // The network that assigns was built after the value that is pooled.
                [pooled, assignment, ..] if has_assignment => {
                    debug_assert_eq!(stage.inputs[ASSIGNMENT], *assignment);
                    want(*assignment, pooled + 1, Wanted::RowsOf(NodeIndex::new(idx)));
                }
                // `residual`: what the pipeline around leaves out is as wide as its input.
                [input, end] if adds(stage.op) && input < end => {
                    want(*end, input + 1, Wanted::WidthOf(NodeIndex::new(*input)));
                }
                _ => {}
            }
        }
        want(self.output, 0, Wanted::Outputs);
        let outputs = outputs_of(data);
        let mut findings = Findings::default();
        infer_types(&mut graph, &wanted, &made, &outputs, output, data, &mut findings);
        if let Some(finding) = findings.list().iter().find(|finding| finding.is_error()) {
            return Err(finding.message.clone());
        }
        if let Some(misfit) = misfits(&graph).into_iter().next() {
            return Err(misfit.words(&graph));
        }
        let input = graph.node_indices().find(|&node| graph[node].op.name() == crate::ops::INPUT.name());
        let width = graph[output].ty.width.clone();
        let outputs = if outputs.known().is_none() && width.known().is_some() { width } else { outputs };
        let terms = self.losses.iter();
        Ok(Model {
            input: input.ok_or("it has no input")?,
            graph,
            output,
            task: self.task,
            outputs,
            losses: terms
                .map(|term| LossTerm {
                    loss: term.loss,
                    args: term.args.clone(),
                    weight: term.weight,
                    span: Span::default(),
                })
                .collect(),
            data: self.data.clone(),
            train: self.train.clone(),
            evaluate: self.evaluate.clone(),
            published: None,
            search: self.search.clone(),
        })
    }
}

fn adds(op: &dyn Operator) -> bool {
    matches!(op.ports(), Ports::Many(_)) && op.width_rule() == WidthRule::Kept
}
