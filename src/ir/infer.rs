//! Types of all nodes, in the order of the graph. After a mistake, the best guess goes on, so that one
//! mistake costs one message.

use super::Node;
use super::build::{Made, Wanted};
use crate::args::{ArgKind, Args, EdgeValue};
use crate::bind::Findings;
use crate::ops::findings::{levels, shape, symmetry};
use crate::ops::hetero;
use crate::ops::{Action, Family, InferCx, Operator, Ports, WidthRule};
use crate::source::Span;
use crate::types::{DataFacts, Dim, Entity, Level, MAX_TERMS, Size, SizesWithData, Type};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

/// Widths beyond this are a slip, and no machine holds them.
const MAX_WIDTH: usize = 1 << 24;

/// Families of mistakes (`shape`, `levels`, …) whose guess a node's type rests on.
pub(crate) type Doubts = BTreeSet<&'static str>;

/// All of these families, behind a stage that is not known.
const ALL_FAMILIES: [&str; 4] = ["shape", "levels", "args", "symmetry"];

/// Fills in `ty` of every node. Returns the doubts about the type of `output`.
pub(crate) fn infer_types(
    graph: &mut DiGraph<Node, usize>,
    wanted: &HashMap<NodeIndex, Wanted>,
    made: &[Made],
    outputs: &Dim,
    output: NodeIndex,
    data: Option<&DataFacts>,
    findings: &mut Findings,
) -> Doubts {
    let mut doubts: Vec<Doubts> = vec![Doubts::new(); graph.node_count()];
    let mut next_level = 1;
    let sizes = data.map(|data| RefCell::new(SizesWithData::new(data)));
    for idx in graph.node_indices() {
        let inputs = inputs_of(graph, idx);
        let target = match wanted.get(&idx) {
            Some(Wanted::Outputs) => Some(outputs.clone()),
            Some(Wanted::WidthOf(node)) => Some(graph[*node].ty.width.clone()),
            Some(Wanted::One) => Some(one_number()),
            Some(Wanted::RowsOf(pooling)) => Some(rows_of(graph, *pooling, data, sizes.as_ref(), next_level)),
            None => None,
        };
        let node = &graph[idx];
        let input_types: Vec<&Type> = inputs.iter().map(|&input| &graph[input].ty).collect();
        let input_spans: Vec<Span> = inputs.iter().map(|&input| graph[input].span).collect();
        let mut doubt: Doubts =
            inputs.iter().flat_map(|input| doubts[input.index()].iter().copied()).collect();
        let cx = InferCx {
            op: node.op,
            args: &node.args,
            inputs: &input_types,
            input_spans: &input_spans,
            span: node.span,
            target: target.as_ref(),
            new_level: Level(next_level),
            data,
            sizes: sizes.as_ref(),
            definition: made[idx.index()].definition,
        };
        let Made { broken_args: broken, is_unknown, .. } = &made[idx.index()];
        if *is_unknown {
            doubt.extend(ALL_FAMILIES);
        }
        let ended_by = made[idx.index()].home.map(|pooling| graph[pooling].span);
        let inferred = levels::takes_edges(&cx).and_then(|()| {
            let ty = node.op.infer(&cx)?;
            hetero::fits(&cx)?;
            levels::edge_arguments(&cx, ended_by)?;
            match node.op.action(&node.args) == Action::Lift && !undoes_one(graph, &inputs) {
                true => Err(levels::no_way_back(&cx)),
                false => Ok(ty),
            }
        });
        let mut ty = match inferred {
            Ok(ty) => ty,
            Err(mut finding) => {
                if finding.code == "shape::no_width" && made[idx.index()].is_for_edges && target.is_none() {
                    finding = shape::no_width_on_edges(&cx, read_by(graph, idx));
                }
                let family = finding.code.split("::").next().unwrap_or_default();
                // A guess may be what is wrong now; its mistake was reported.
                if broken.is_empty() && !doubt.contains(family) {
                    // Among the nodes, no other stage makes a value of the edges right.
                    if !made[idx.index()].is_for_edges && levels::is_about_edges(&finding) {
                        finding.fix = None;
                    }
                    if let Some((text, place)) = &made[idx.index()].call
                        && !finding.labels.iter().any(|label| label.span == *place)
                    {
                        finding = finding.label(*place, format!("in this {}", call_name(text)));
                    }
                    findings.push(finding);
                }
                doubt.insert(family);
                guess(&cx)
            }
        };
        if *is_unknown {
            ty.rows.size = Size::Symbol("?");
            ty.width.size = Size::Symbol("?");
        }
        if !broken.is_empty() && node.op.width_rule() != WidthRule::Kept {
            ty.width.size = Size::Symbol("?");
            doubt.insert("shape");
        }
        let n_terms = ty.width.size.n_terms();
        if n_terms > MAX_TERMS || ty.width.size.exceeds(MAX_WIDTH) {
            if !doubt.contains("shape") {
                findings.push(if n_terms > MAX_TERMS {
                    shape::too_many_terms(node.span, &ty.width, n_terms, MAX_TERMS)
                } else {
                    shape::too_wide(node.span, &ty.width, MAX_WIDTH)
                });
            }
            doubt.insert("shape");
            ty.width.size = Size::Symbol("?");
        }
        // These say for certain what comes out, whatever comes in.
        let is_on_edges = input_types.first().is_some_and(|ty| ty.entity.is_of_edges());
        if node.op.family() == Family::Readout && ty.entity == Entity::Graph && !is_on_edges {
            doubt.remove("levels");
        }
        if let WidthRule::Argument(name) = node.op.width_rule()
            && node.args.is_written(name)
            && !broken.contains(&name)
        {
            doubt.remove("shape");
        }
        if ty.level == Level(next_level) {
            next_level += 1;
        }
        doubts[idx.index()] = doubt;
        graph[idx].ty = ty;
    }
    std::mem::take(&mut doubts[output.index()])
}

/// Whether the value at the first port was made by one pooling of the level of the second.
fn undoes_one(graph: &DiGraph<Node, usize>, inputs: &[NodeIndex]) -> bool {
    let [x, to] = inputs else { return false };
    let before = pooling_above(graph, *x).and_then(|pooling| inputs_of(graph, pooling).first().copied());
    before.is_some_and(|before| graph[before].ty.level == graph[*to].ty.level)
}

/// The pooling that made the level of a value; `None` where the data did.
pub(crate) fn pooling_above(graph: &DiGraph<Node, usize>, value: NodeIndex) -> Option<NodeIndex> {
    let mut at = value;
    loop {
        let node = &graph[at];
        let port = match node.op.action(&node.args) {
            Action::Pooling(_) => return Some(at),
            // The level is that of the value it leads back to.
            Action::Lift => 1,
            _ => 0,
        };
        at = *inputs_of(graph, at).get(port)?;
    }
}

/// The width of a score.
fn one_number() -> Dim {
    Dim::new(Size::Known(1), None, "a score is one number")
}

/// The argument that a value of the edges is given for, through whatever stages: its name, and whether it takes one number
/// for each edge.
fn read_by(graph: &DiGraph<Node, usize>, value: NodeIndex) -> Option<(&'static str, bool)> {
    let (mut open, mut known) = (vec![value], BTreeSet::from([value]));
    while let Some(idx) = open.pop() {
        for edge in graph.edges(idx) {
            let (reader, port) = (&graph[edge.target()], *edge.weight());
            for spec in reader.op.args() {
                if let ArgKind::Edges(of) = spec.kind
                    && reader.args.port(spec.name) == Some(port)
                {
                    return Some((spec.name, of == EdgeValue::Weight));
                }
            }
            if known.insert(edge.target()) {
                open.push(edge.target());
            }
        }
    }
    None
}

/// Types as far as they are known while a model is built: without data, and without the widths that stages built later
/// will ask for. [`infer_types`] replaces them.
#[derive(Debug, Default)]
pub(crate) struct Provisional {
    /// Nodes below this index have their types.
    n_typed: usize,
    n_levels: u32,
}

impl Provisional {
    /// Types of the nodes that were added since the last call, so that each is looked at once.
    pub fn catch_up(&mut self, graph: &mut DiGraph<Node, usize>, wanted: &HashMap<NodeIndex, Wanted>) {
        for idx in (self.n_typed..graph.node_count()).map(NodeIndex::new) {
            let target = match wanted.get(&idx) {
                Some(Wanted::WidthOf(node)) => Some(graph[*node].ty.width.clone()),
                Some(Wanted::One) => Some(one_number()),
                _ => None,
            };
            let node = &graph[idx];
            let inputs = inputs_of(graph, idx);
            let mut ty = self.infer(graph, node.op, &node.args, &inputs, target.as_ref());
            if ty.width.size.n_terms() > MAX_TERMS {
                ty.width.size = Size::Symbol("?");
            }
            self.n_levels = self.n_levels.max(ty.level.0);
            graph[idx].ty = ty;
        }
        self.n_typed = graph.node_count();
    }

    /// The rows that a pooling would make of a value, where the file alone says how many.
    pub fn rows(
        &self,
        graph: &DiGraph<Node, usize>,
        op: &'static dyn Operator,
        args: &Args,
        input: NodeIndex,
    ) -> Option<usize> {
        self.infer(graph, op, args, &[input], None).rows.known()
    }

    fn infer(
        &self,
        graph: &DiGraph<Node, usize>,
        op: &'static dyn Operator,
        args: &Args,
        inputs: &[NodeIndex],
        target: Option<&Dim>,
    ) -> Type {
        let types: Vec<&Type> = inputs.iter().map(|&input| &graph[input].ty).collect();
        let spans: Vec<Span> = inputs.iter().map(|&input| graph[input].span).collect();
        let cx = InferCx {
            op,
            args,
            inputs: &types,
            input_spans: &spans,
            span: Span::default(),
            target,
            new_level: Level(self.n_levels + 1),
            data: None,
            sizes: None,
            definition: None,
        };
        // What is wrong is reported when the types are inferred for good.
        op.infer(&cx).unwrap_or_else(|_| guess(&cx))
    }
}

/// "`encoder`", "`repeat`"
fn call_name(scope: &str) -> String {
    format!("`{}`", scope.split(' ').next().unwrap_or(scope))
}

/// The inputs of a node by port.
pub(crate) fn inputs_of(graph: &DiGraph<Node, usize>, node: NodeIndex) -> Vec<NodeIndex> {
    let edges = graph.edges_directed(node, petgraph::Direction::Incoming);
    let mut inputs: Vec<_> = edges.map(|edge| (*edge.weight(), edge.source())).collect();
    inputs.sort_by_key(|&(port, _)| port);
    inputs.into_iter().map(|(_, source)| source).collect()
}

/// The clusters of a pooling whose assignment is not built yet: they follow from its port 0 alone.
fn rows_of(
    graph: &DiGraph<Node, usize>,
    pooling: NodeIndex,
    data: Option<&DataFacts>,
    sizes: Option<&RefCell<SizesWithData>>,
    next_level: u32,
) -> Dim {
    let node = &graph[pooling];
    let inputs = inputs_of(graph, pooling);
    let source = inputs[0];
    let cx = InferCx {
        op: node.op,
        args: &node.args,
        inputs: &[&graph[source].ty],
        input_spans: &[graph[source].span],
        span: node.span,
        target: None,
        new_level: Level(next_level),
        data,
        sizes,
        definition: None,
    };
    // What is wrong with the pooling itself is reported when its own turn comes.
    node.op.infer(&cx).map_or_else(|_| Dim::new(Size::Symbol("?"), None, "not known"), |ty| ty.rows)
}

/// The type that an operator was most likely meant to have.
fn guess(cx: &InferCx) -> Type {
    let unknown = || Dim::new(Size::Symbol("?"), Some(cx.span), "not known because of another mistake");
    let Some(first) = cx.inputs.first() else {
        let symmetry = symmetry::of_entity(cx, Entity::Nodes);
        return Type { entity: Entity::Nodes, level: Level(0), rows: unknown(), width: unknown(), symmetry };
    };
    let width = match cx.op.width_rule() {
        WidthRule::Argument(name) => {
            shape::written_width(cx, name).or_else(|| cx.target.cloned()).unwrap_or_else(unknown)
        }
        WidthRule::Kept if cx.op.ports() == Ports::One => first.width.clone(),
        WidthRule::Kept | WidthRule::Computed => unknown(),
    };
    let (entity, level, rows) = match cx.op.family() {
        // A number of places for each graph.
        Family::Readout if cx.op.args().iter().any(|spec| spec.name == "k") => {
            (Entity::Slots, cx.new_level, unknown())
        }
        Family::Readout => (Entity::Graph, first.level, Dim::new(Size::Known(1), None, "one row per graph")),
        Family::Pooling => (Entity::Clusters, cx.new_level, unknown()),
        Family::Decoder => (Entity::Pairs, first.level, unknown()),
        _ => (first.entity, first.level, first.rows.clone()),
    };
    Type { entity, level, rows, width, symmetry: symmetry::of_entity(cx, entity) }
}
