//! From the syntax tree to a flat DAG: blocks, `repeat` and `residual` are expanded, names become edges.
//! Types come afterwards, in [`super::infer`].

use super::define::{has_faulty_names, reserved};
use super::infer::Provisional;
use super::{Author, Node, Scope, inputs_of};
use crate::args::{Args, BoundArg};
use crate::bind::{
    self, Binding, Bound, Callee, Definition, DefinitionKind, Env, Evaluator, Pipeline, Thunk,
};
use crate::conv::operator::{self, Defined};
use crate::conv::{Default as Preset, Parameter, Takes, analyse::analyse};
use crate::diagnostic::Diagnostic;
use crate::findings::{args as args_check, elsewhere, names};
use crate::ops::combinators::COMBINATORS;
use crate::ops::{self, Action, Family, Operator, Ports, Select, WidthRule};
use crate::source::{FileId, Span};
use crate::syntax::ast::{Arg, BinaryOp, Conv, Expr, ExprKind, Given, Ident, Param, Stage};
use crate::syntax::cut::stage_cut;
use crate::types::{Dim, Entity, Level, Size, Symmetry, Type};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

/// A model may have this many stages after expansion.
const MAX_STAGES: usize = 100_000;

/// The argument of a pooling whose result is the assignment to its clusters.
const ASSIGN: &str = "assign";

/// The argument of a pooling whose result is one number for each node.
pub(crate) const SCORE: &str = "score";

/// Building cannot go on: the model is too large or too deep, which was reported.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stop;

/// Where a pipeline stands while it is built.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor {
    pub node: NodeIndex,
    /// Nothing of this pipeline has been built, so it may begin with a named value.
    pub is_start: bool,
}

/// Who asks an operator without a width for one.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted {
    /// The task: classes, or values.
    Outputs,
    /// A pooling: its clusters.
    RowsOf(NodeIndex),
    /// `residual`, and a convolution of a value beside the rows: the width of its input.
    WidthOf(NodeIndex),
    /// A pooling that chooses: a score.
    One,
}

/// Where a node was made, for messages.
#[derive(Debug, Clone, Default)]
pub(crate) struct Made {
    /// The outermost block or combinator call around it, if it is in another place than the node.
    pub call: Option<(Arc<str>, Span)>,
    /// Arguments that stand in for ones that were reported.
    pub broken_args: Vec<&'static str>,
    /// Where the convolution is defined that it applies.
    pub definition: Option<Span>,
    /// It stands for a stage that is not known: whatever follows from it is not known either.
    pub is_unknown: bool,
    /// The input or pooling whose graph the rows of the value belong to; `None` for rows without edges.
    pub home: Option<NodeIndex>,
    /// It stands in a pipeline whose value is to be one of the edges.
    pub is_for_edges: bool,
    /// It belongs to no place of the model but to the whole file, and stands right behind this stage.
    pub stands_behind: Option<NodeIndex>,
    /// It stands in a `repeat` whose rounds share their weights, which is said here.
    pub shared_by: Option<Span>,
}

/// A value of the edges that is built once, however many stages read it.
#[derive(Debug, Clone, Copy)]
enum EdgeItem {
    Building,
    Built(NodeIndex),
}

pub(crate) struct Builder<'p> {
    pub ev: Evaluator<'p>,
    pub graph: DiGraph<Node, usize>,
    pub input: NodeIndex,
    pub wanted: HashMap<NodeIndex, Wanted>,
    /// By node index.
    pub made: Vec<Made>,
    /// `as` names, in the order they are first built.
    pub stage_names: Vec<&'p Ident>,
    /// Where they stand.
    named_places: HashSet<Span>,
    /// Names of the blocks that were expanded.
    pub expanded: HashSet<Span>,
    /// Open blocks and repeats, outermost first, each with the place of its call.
    scope: Vec<(Scope, Span)>,
    n_opened: u32,
    /// The `as` name of the stage being built, for the scope of a block.
    stage_name: Option<&'p str>,
    /// What to delete so that the stage being built is gone, with its arrow.
    cut: Option<Span>,
    is_too_large: bool,
    /// Words for what the edges carry, by operator, and named pipelines on edges, by the place of their name.
    edge_words: HashMap<&'static str, NodeIndex>,
    edge_items: HashMap<Span, EdgeItem>,
    /// Values of the edges below each selection.
    remaining: HashMap<(NodeIndex, NodeIndex), NodeIndex>,
    /// Convolutions that files define, by the place of their name; `None` for those that could not be read.
    convolutions: HashMap<Span, Option<&'static Defined>>,
    conv_items: HashMap<Span, (&'p Conv, FileId)>,
    /// While a pipeline on edges that belongs to the whole file is built: the stage that its stages stand behind.
    stands_behind: Option<NodeIndex>,
    /// While a pipeline is built whose value is to be one of the edges.
    is_for_edges: bool,
    /// Of the stages that are built now.
    author: Author,
    provisional: Provisional,
}

impl<'p> Builder<'p> {
    pub fn new(ev: Evaluator<'p>, input_place: Span) -> Self {
        let mut builder = Self {
            ev,
            graph: DiGraph::new(),
            input: NodeIndex::new(0),
            wanted: HashMap::new(),
            made: Vec::new(),
            stage_names: Vec::new(),
            named_places: HashSet::new(),
            expanded: HashSet::new(),
            scope: Vec::new(),
            n_opened: 0,
            stage_name: None,
            cut: None,
            is_too_large: false,
            edge_words: HashMap::new(),
            edge_items: HashMap::new(),
            remaining: HashMap::new(),
            convolutions: HashMap::new(),
            conv_items: HashMap::new(),
            stands_behind: None,
            is_for_edges: false,
            author: Author::File,
            provisional: Provisional::default(),
        };
        builder.start_over(input_place);
        builder
    }

    /// An empty graph with its input; used names are kept.
    pub fn start_over(&mut self, input_place: Span) {
        self.graph = DiGraph::new();
        self.wanted.clear();
        self.made.clear();
        self.scope.clear();
        self.n_opened = 0;
        self.edge_words.clear();
        self.edge_items.clear();
        self.remaining.clear();
        self.provisional = Provisional::default();
        self.input = self.push_node(ops::INPUT, Args::default(), input_place, &[]);
    }

    /// The cursor in front of the first stage.
    pub fn start(&self) -> Cursor {
        Cursor { node: self.input, is_start: true }
    }

    pub fn open_scope(&mut self, text: impl Into<Arc<str>>, place: Span) {
        let inner = self.scope_here().opened(text.into(), self.n_opened);
        self.scope.push((inner, place));
        self.n_opened += 1;
    }

    pub fn close_scope(&mut self) {
        self.scope.pop();
    }

    fn scope_here(&self) -> Scope {
        self.scope.last().map(|(scope, _)| scope.clone()).unwrap_or_default()
    }

    /// Adds a stage.
    ///
    /// # Errors
    /// Where the model has as many as it may have.
    pub fn add_node(
        &mut self,
        op: &'static dyn Operator,
        args: Args,
        span: Span,
        inputs: &[(usize, NodeIndex)],
    ) -> Result<NodeIndex, Stop> {
        // The input is no stage.
        if self.graph.node_count() > MAX_STAGES {
            let place = self.scope.first().map_or_else(|| self.ev.at(span), |(_, place)| *place);
            self.ev.report(names::too_many_stages(place, MAX_STAGES));
            self.is_too_large = true;
            return Err(Stop);
        }
        Ok(self.push_node(op, args, span, inputs))
    }

    fn push_node(
        &mut self,
        op: &'static dyn Operator,
        args: Args,
        span: Span,
        inputs: &[(usize, NodeIndex)],
    ) -> NodeIndex {
        let span = self.ev.at(span);
        let unknown = |reason: &str| Dim::new(Size::Symbol("?"), None, reason);
        let node = self.graph.add_node(Node {
            op,
            args,
            // Replaced when types are inferred.
            ty: Type {
                entity: Entity::Nodes,
                level: Level(0),
                rows: unknown("not inferred yet"),
                width: unknown("not inferred yet"),
                symmetry: Symmetry::Equivariant,
            },
            name: None,
            span,
            scope: self.scope_here(),
            author: self.author,
            shares: None,
        });
        for &(port, source) in inputs {
            self.graph.add_edge(source, node, port);
        }
        let call = self.scope.iter().find_map(|(scope, place)| {
            let lies_within = place.file == span.file && place.start <= span.start && span.end <= place.end;
            let text = scope.text().filter(|text| !lies_within && !text.starts_with("repeat "))?;
            Some((text.clone(), *place))
        });
        let first_input = inputs.iter().find(|(port, _)| *port == 0).map(|(_, source)| *source);
        let home = match op.family() {
            Family::Input => Some(NodeIndex::new(0)),
            Family::Pooling => Some(node),
            Family::Readout => None,
            _ if matches!(self.graph[node].op.action(&self.graph[node].args), Action::DropEdge { .. }) => {
                Some(node)
            }
            _ if self.graph[node].op.action(&self.graph[node].args) == Action::Lift => {
                let to = inputs.iter().find(|(port, _)| *port == 1);
                to.and_then(|(_, source)| self.made[source.index()].home)
            }
            _ => first_input.and_then(|source| self.made[source.index()].home),
        };
        let (stands_behind, is_for_edges) = (self.stands_behind, self.is_for_edges);
        self.made.push(Made { call, home, stands_behind, is_for_edges, ..Made::default() });
        node
    }

    /// Builds what belongs to the whole file: its stages lie in no block and stand behind `behind`.
    fn for_whole_file<T>(&mut self, behind: NodeIndex, build: impl FnOnce(&mut Self) -> T) -> T {
        let scope = std::mem::take(&mut self.scope);
        let author = std::mem::replace(&mut self.author, Author::File);
        let (place, cut) = (self.ev.place.take(), self.cut.take());
        let outer_name = self.stage_name.take();
        let is_for_edges = std::mem::replace(&mut self.is_for_edges, true);
        let stands_behind = self.stands_behind.replace(behind);
        let result = build(self);
        (self.scope, self.author, self.stands_behind) = (scope, author, stands_behind);
        self.is_for_edges = is_for_edges;
        (self.ev.place, self.cut, self.stage_name) = (place, cut, outer_name);
        result
    }

    /// The value of a word for what the edges carry, the same wherever it is read.
    fn edge_word(&mut self, op: &'static dyn Operator, span: Span) -> Result<NodeIndex, Stop> {
        if let Some(&known) = self.edge_words.get(op.name()) {
            return Ok(known);
        }
        let node =
            self.for_whole_file(self.input, |builder| builder.add_node(op, Args::default(), span, &[]))?;
        self.edge_words.insert(op.name(), node);
        Ok(node)
    }

    /// The value of `edges -> … as bonds`, built where it is first read; `None` where it needs itself.
    fn edge_item(
        &mut self,
        definition: &Definition<'p>,
        stages: &'p [Stage],
        reader: &Rc<Env<'p>>,
    ) -> Result<Option<NodeIndex>, Stop> {
        match self.edge_items.get(&definition.name.span) {
            Some(EdgeItem::Built(node)) => return Ok(Some(*node)),
            Some(EdgeItem::Building) => return Ok(None),
            None => {}
        }
        self.edge_items.insert(definition.name.span, EdgeItem::Building);
        let env = Env::instance(definition.file, definition.name, reader);
        let end = self.for_whole_file(self.input, |builder| {
            let start = builder.start();
            builder.stages(stages, &env, start)
        })?;
        self.edge_items.insert(definition.name.span, EdgeItem::Built(end.node));
        Ok(Some(end.node))
    }

    /// Features of the edges as a decoder takes them: of the pairs that are asked about.
    fn at_pairs_of(
        &mut self,
        value: NodeIndex,
        stage_input: NodeIndex,
        span: Span,
    ) -> Result<NodeIndex, Stop> {
        self.provisional.catch_up(&mut self.graph, &self.wanted);
        if self.graph[value].ty.entity != Entity::Edges {
            return Ok(value);
        }
        let author = std::mem::replace(&mut self.author, Author::Compiler);
        let node = self.add_node(ops::EDGES_OF_PAIRS, Args::default(), span, &[(0, value), (1, stage_input)]);
        self.author = author;
        node
    }

    /// A value of the edges as far as it belongs to the graph that a stage works on: below a selection the rows of the
    /// edges that remain. Where the value ends on the way (a dense assignment), it stays as it is, which is found when the types are inferred.
    fn at_graph_of(
        &mut self,
        value: NodeIndex,
        stage_input: NodeIndex,
        span: Span,
    ) -> Result<NodeIndex, Stop> {
        self.provisional.catch_up(&mut self.graph, &self.wanted);
        let homes = (self.made[value.index()].home, self.made[stage_input.index()].home);
        let (Some(home), Some(mut at)) = homes else { return Ok(value) };
        if !self.graph[value].ty.entity.is_of_edges() {
            return Ok(value);
        }
        // The selections on the way up, the last one first.
        let mut selections = Vec::new();
        let mut found = value;
        while at != home {
            if let Some(&known) = self.remaining.get(&(value, at)) {
                found = known;
                break;
            }
            let Node { op, args, .. } = &self.graph[at];
            let before = inputs_of(&self.graph, at).first().and_then(|input| self.made[input.index()].home);
            let goes_on = match op.action(args) {
                Action::Pooling(_) if op.joins_anew(args) => false,
                Action::Pooling(Select::Keep) | Action::DropEdge { .. } => true,
                // Edges that become one may differ in kind.
                Action::Pooling(Select::Merge) => self.graph[value].ty.entity == Entity::Edges,
                _ => false,
            };
            let (true, Some(before)) = (goes_on, before) else { return Ok(value) };
            selections.push(at);
            at = before;
        }
        for selection in selections.into_iter().rev() {
            let inputs = [(0, found), (1, selection)];
            let add = |builder: &mut Self| {
                builder.author = Author::Compiler;
                builder.add_node(ops::REMAINING_EDGES, Args::default(), span, &inputs)
            };
            let author = self.author;
            let node = match self.made[value.index()].stands_behind {
                Some(_) => self.for_whole_file(selection, add),
                None => add(self),
            };
            self.author = author;
            found = node?;
            self.made[found.index()].home = Some(selection);
            self.remaining.insert((value, selection), found);
        }
        Ok(found)
    }

    /// Builds a pipeline onto the cursor.
    pub fn apply(&mut self, expr: &'p Expr, env: &Rc<Env<'p>>, cursor: Cursor) -> Result<Cursor, Stop> {
        if !self.ev.enter(expr.span) {
            return Err(Stop);
        }
        let result = self.apply_inner(expr, env, cursor);
        self.ev.leave();
        result
    }

    fn apply_inner(&mut self, expr: &'p Expr, env: &Rc<Env<'p>>, cursor: Cursor) -> Result<Cursor, Stop> {
        let got = match &expr.kind {
            ExprKind::Pipeline(stages) => return self.stages(stages, env, cursor),
            ExprKind::Name(name) => {
                let callee = Thunk { expr, env: env.clone() };
                return self.call(name, expr.span, callee, &[], env, expr.span, cursor);
            }
            ExprKind::Call(call) => {
                let name = call.callee.text.as_str();
                let callee = Thunk { expr, env: env.clone() };
                return self.call(name, call.callee.span, callee, &call.args, env, expr.span, cursor);
            }
            ExprKind::Number { value, .. } => format!("the number {value}"),
            ExprKind::String(text) => format!("the text \"{text}\""),
            ExprKind::Bool(value) => format!("`{value}`"),
            ExprKind::List(_) => "a list".into(),
            ExprKind::Neg(_) => "a number".into(),
            ExprKind::Binary { .. } => "arithmetic".into(),
        };
        let place = self.ev.at(expr.span);
        let mut finding = args_check::not_a_stage(&got, place);
        if let ExprKind::Binary { op: BinaryOp::Add, .. } = expr.kind {
            finding = finding.help("`add(a, b)` adds the values of two pipelines");
        }
        self.ev.report(finding);
        self.ev.touch(expr, env);
        self.unknown_stage(expr.span, cursor)
    }

    fn stages(&mut self, stages: &'p [Stage], env: &Rc<Env<'p>>, cursor: Cursor) -> Result<Cursor, Stop> {
        let mut cursor = cursor;
        for (idx, stage) in stages.iter().enumerate() {
            self.cut = Some(stage_cut(stages, idx));
            self.stage_name = stage.name.as_ref().map(|name| name.text.as_str());
            let before = self.graph.node_count();
            let next = self.apply(&stage.value, env, cursor)?;
            self.stage_name = None;
            if let Some(name) = &stage.name {
                self.name_value(name, next.node, next.node.index() >= before, env);
            }
            cursor = next;
        }
        Ok(cursor)
    }

    /// `as NAME`
    fn name_value(&mut self, name: &'p Ident, node: NodeIndex, is_new: bool, env: &Rc<Env<'p>>) {
        let taken = match env.get(&name.text) {
            Some(
                Binding::Param { name: first, .. }
                | Binding::UnknownParam { name: first }
                | Binding::Stage { name: first, .. },
            ) => Some(first.span),
            None => self.ev.definition(env.file, &name.text).map(|definition| definition.name.span),
        };
        if let Some(is_operator) = reserved(&name.text) {
            self.ev.report(names::reserved(&name.text, name.span, is_operator));
            return;
        }
        if taken == Some(name.span) {
            // The name of a pipeline on edges, which the whole file knows.
            if is_new {
                self.graph[node].name.get_or_insert_with(|| name.text.clone());
            }
            return;
        }
        if let Some(first) = taken {
            self.ev.report(names::duplicate("the name", &name.text, name.span, first));
            self.ev.used.insert(first);
            return;
        }
        if self.named_places.insert(name.span) {
            self.stage_names.push(name);
        }
        env.bind(&name.text, Binding::Stage { node, name });
        if is_new {
            self.graph[node].name.get_or_insert_with(|| name.text.clone());
        }
    }

    /// A name or call in a pipeline. The name is looked up where `callee` was written, arguments in `args_env`.
    #[allow(clippy::too_many_arguments)]
    fn call(
        &mut self,
        name: &'p str,
        name_span: Span,
        callee: Thunk<'p>,
        args: &'p [Arg],
        args_env: &Rc<Env<'p>>,
        span: Span,
        cursor: Cursor,
    ) -> Result<Cursor, Stop> {
        let place = self.ev.at(name_span);
        match callee.env.get(name) {
            Some(Binding::Param { value, name: param }) => {
                self.ev.used.insert(param.span);
                return self.call_value(name, place, value, args, args_env, span, cursor);
            }
            Some(Binding::UnknownParam { name: param }) => {
                self.ev.used.insert(param.span);
                args.iter().for_each(|arg| self.ev.touch(&arg.value, args_env));
                return self.unknown_stage(span, cursor);
            }
            Some(Binding::Stage { node, name: defined }) => {
                self.ev.used.insert(defined.span);
                if let Some(arg) = args.first() {
                    let place = self.ev.at(arg.value.span);
                    self.ev.report(args_check::takes_none(name, "a value", place));
                    args.iter().for_each(|arg| self.ev.touch(&arg.value, args_env));
                } else if !cursor.is_start {
                    self.ev.report(names::not_first(name, place, defined.span));
                }
                return Ok(Cursor { node, is_start: false });
            }
            None => {}
        }
        if let Some(definition) = self.ev.definition(callee.env.file, name) {
            self.ev.mark_definition(&definition);
            let chain = args_env.instances();
            if let Some(idx) = chain.iter().position(|open| open.span == definition.name.span) {
                let circle: Vec<_> = chain[..=idx].iter().rev().copied().collect();
                self.ev.report(names::recursive(&circle));
                args.iter().for_each(|arg| self.ev.touch(&arg.value, args_env));
                return self.unknown_stage(span, cursor);
            }
            return match definition.kind {
                DefinitionKind::Let { value } => {
                    let is_value = matches!(
                        value.kind,
                        ExprKind::Number { .. }
                            | ExprKind::String(_)
                            | ExprKind::Bool(_)
                            | ExprKind::List(_)
                            | ExprKind::Neg(_)
                            | ExprKind::Binary { .. }
                    );
                    if is_value {
                        let finding = args_check::not_a_stage(&format!("the value `{name}`"), place)
                            .label(definition.name.span, format!("`{name}` is defined here"));
                        self.ev.report(finding);
                        args.iter().for_each(|arg| self.ev.touch(&arg.value, args_env));
                        return self.unknown_stage(span, cursor);
                    }
                    let env = Env::instance(definition.file, definition.name, args_env);
                    self.call_value(name, place, Thunk { expr: value, env }, args, args_env, span, cursor)
                }
                DefinitionKind::Block { params, body } => {
                    self.block(&definition, params, body, args, args_env, span, place, cursor)
                }
                DefinitionKind::Conv { conv } => {
                    let given: Vec<Given> = args.iter().map(Given::from).collect();
                    match self.convolution(conv, definition.file) {
                        Some(op) => {
                            let cursor = self.operator(op, &given, args_env, span, place, cursor)?;
                            self.made[cursor.node.index()].definition = Some(conv.span);
                            Ok(cursor)
                        }
                        None => {
                            args.iter().for_each(|arg| self.ev.touch(&arg.value, args_env));
                            self.unknown_stage(span, cursor)
                        }
                    }
                }
                DefinitionKind::Edges { stages } => {
                    if let Some(arg) = args.first() {
                        let place = self.ev.at(arg.value.span);
                        self.ev.report(args_check::takes_none(name, "a value", place));
                        args.iter().for_each(|arg| self.ev.touch(&arg.value, args_env));
                    } else if !cursor.is_start {
                        // The stages after it are meant for the nodes.
                        self.ev.report(names::edges_not_first(name, place));
                        return Ok(cursor);
                    }
                    match self.edge_item(&definition, stages, args_env)? {
                        Some(node) => Ok(Cursor { node, is_start: false }),
                        None => {
                            self.ev.report(names::recursive(&[definition.name]));
                            self.unknown_stage(span, cursor)
                        }
                    }
                }
            };
        }
        if let Some(word) = ops::find_input(name) {
            if let Some(arg) = args.first() {
                let place = self.ev.at(arg.value.span);
                let what = if word.name() == ops::INPUT.name() { "the model's input" } else { "a value" };
                self.ev.report(args_check::takes_none(name, what, place));
                args.iter().for_each(|arg| self.ev.touch(&arg.value, args_env));
            }
            let is_input = word.name() == ops::INPUT.name();
            if !cursor.is_start && !is_input {
                // The stages after it are meant for the nodes.
                self.ev.report(names::edges_not_first(name, place));
                return Ok(cursor);
            }
            if !cursor.is_start {
                self.ev.report(names::not_first(name, place, place));
            }
            let node = if is_input { self.input } else { self.edge_word(word, span)? };
            return Ok(Cursor { node, is_start: false });
        }
        let given: Vec<Given> = args.iter().map(Given::from).collect();
        if let Some(combinator) = COMBINATORS.iter().find(|combinator| combinator.spec.name == name) {
            let example = Some(combinator.spec.example);
            let callee = Callee { name, place, noun: "argument", takes_branches: false, example, call: None };
            let bound = bind::bind(&mut self.ev, callee, combinator.spec.args, &given, args_env);
            let span = self.ev.at(span);
            // A number that comes through a name may be another one elsewhere.
            let is_once = |arg: &Given| matches!(arg.value.kind, ExprKind::Number { value: 1.0, .. });
            if let ("repeat", [times, stages]) = (name, &given[..])
                && is_once(times)
                && self.ev.place.is_none()
            {
                self.ev.report(args_check::repeat_once(span, times.span(), stages.value.span));
            }
            return combinator.expansion.expand(self, bound, cursor, span);
        }
        if let Some(op) = ops::find(name) {
            return self.operator(op, &given, args_env, span, place, cursor);
        }
        if !self.ev.is_missing(callee.env.file, name) {
            let mut visible = callee.env.names();
            visible.extend(self.ev.definition_names(callee.env.file));
            if let Some(meant) = names::did_you_mean(name, visible.iter().copied()) {
                self.ev.touch_name(meant, &callee.env);
            }
            let given: Vec<Given> = args.iter().map(Given::from).collect();
            let whole = self.ev.at(span);
            let is_here = whole.file == place.file && whole.start <= place.start && place.end <= whole.end;
            let cut = self.cut.filter(|cut| is_here && cut.start <= whole.start && whole.end <= cut.end);
            let call = is_here.then_some((whole, &given[..]));
            self.ev.report(names::unknown_stage(elsewhere::Found { name, place, call, cut }, &visible));
        }
        args.iter().for_each(|arg| self.ev.touch(&arg.value, args_env));
        self.unknown_stage(span, cursor)
    }

    /// A stage that was reported, and of whose result nothing is known.
    fn unknown_stage(&mut self, span: Span, cursor: Cursor) -> Result<Cursor, Stop> {
        let identity = ops::find("identity").expect("the catalogue has `identity`");
        let node = self.add_node(identity, Args::default(), span, &[(0, cursor.node)])?;
        self.made[node.index()].is_unknown = true;
        Ok(Cursor { node, is_start: false })
    }

    /// A name that stands for a pipeline, or for an operator or block that takes the arguments (`conv(64)`
    /// where `conv` is a parameter).
    #[allow(clippy::too_many_arguments)]
    fn call_value(
        &mut self,
        name: &'p str,
        place: Span,
        value: Thunk<'p>,
        args: &'p [Arg],
        args_env: &Rc<Env<'p>>,
        span: Span,
        cursor: Cursor,
    ) -> Result<Cursor, Stop> {
        let Some(first) = args.first() else { return self.apply(value.expr, &value.env, cursor) };
        if let ExprKind::Name(target) = &value.expr.kind {
            if !self.ev.enter(span) {
                return Err(Stop);
            }
            let result = self.call(target, place, value.clone(), args, args_env, span, cursor);
            self.ev.leave();
            return result;
        }
        let arg_place = self.ev.at(first.value.span);
        self.ev.report(args_check::takes_none(name, "a pipeline", arg_place));
        args.iter().for_each(|arg| self.ev.touch(&arg.value, args_env));
        self.apply(value.expr, &value.env, cursor)
    }

    #[allow(clippy::too_many_arguments)]
    fn block(
        &mut self,
        definition: &Definition<'p>,
        params: &'p [Param],
        body: &'p Expr,
        args: &'p [Arg],
        args_env: &Rc<Env<'p>>,
        span: Span,
        place: Span,
        cursor: Cursor,
    ) -> Result<Cursor, Stop> {
        self.expanded.insert(definition.name.span);
        let values = self.bind_params(&definition.name.text, params, args, args_env, place);
        let env = self.instance_env(definition, params, &values, args_env);
        let text = match self.stage_name.take() {
            Some(name) => format!("{} as {name}", definition.name.text),
            None => definition.name.text.clone(),
        };
        let span = self.ev.at(span);
        self.open_scope(text, span);
        let result = self.apply(body, &env, cursor);
        self.close_scope();
        Ok(Cursor { is_start: false, ..result? })
    }

    /// A block's names: each default sees the parameters before it.
    fn instance_env(
        &mut self,
        definition: &Definition<'p>,
        params: &'p [Param],
        values: &[Option<Thunk<'p>>],
        caller: &Rc<Env<'p>>,
    ) -> Rc<Env<'p>> {
        let env = Env::instance(definition.file, definition.name, caller);
        for (param, value) in params.iter().zip(values) {
            if let Some(default) = &param.default {
                self.ev.touch(default, &env);
            }
            let default = || param.default.as_ref().map(|expr| Thunk { expr, env: env.so_far() });
            let value = value.clone().or_else(default);
            let binding = match value {
                Some(value) => Binding::Param { value, name: &param.name },
                None => Binding::UnknownParam { name: &param.name },
            };
            env.bind(&param.name.text, binding);
        }
        env
    }

    fn bind_params(
        &mut self,
        block: &str,
        params: &'p [Param],
        args: &'p [Arg],
        env: &Rc<Env<'p>>,
        place: Span,
    ) -> Vec<Option<Thunk<'p>>> {
        let known: Vec<&str> = params.iter().map(|param| param.name.text.as_str()).collect();
        let mut places: HashMap<&str, usize> = HashMap::with_capacity(known.len());
        for (idx, name) in known.iter().enumerate() {
            places.entry(name).or_insert(idx);
        }
        let mut slots: Vec<Option<(Thunk<'p>, Span)>> = vec![None; params.len()];
        // All before it are given.
        let mut first_open = 0;
        let mut after_name: Option<&Ident> = None;
        let mut is_certain = true;
        for arg in args {
            // Whether the block reads its parameters is said of the parameters.
            self.ev.touch(&arg.value, env);
            let arg_place =
                self.ev.at(arg.name.as_ref().map_or(arg.value.span, |n| n.span.to(arg.value.span)));
            let idx = match (&arg.name, after_name) {
                (Some(name), _) => {
                    after_name.get_or_insert(name);
                    let idx = places.get(name.text.as_str()).copied();
                    if idx.is_none() {
                        let name_place = self.ev.at(name.span);
                        self.ev.report(args_check::unknown(
                            block,
                            "parameter",
                            &name.text,
                            name_place,
                            &known,
                        ));
                    }
                    idx
                }
                (None, Some(name)) => {
                    let name_place = self.ev.at(name.span);
                    self.ev.report(args_check::positional_after_named(
                        block,
                        (arg_place, &arg.value),
                        &name.text,
                        name_place,
                    ));
                    None
                }
                (None, None) => {
                    while slots.get(first_open).is_some_and(Option::is_some) {
                        first_open += 1;
                    }
                    let idx = first_open;
                    if idx == params.len() && is_certain {
                        self.ev.report(args_check::too_many(block, &[arg_place], &known, &[]));
                    }
                    (idx < params.len()).then_some(idx)
                }
            };
            match idx {
                Some(idx) => match &slots[idx] {
                    Some((_, first)) => {
                        let first = *first;
                        self.ev.report(args_check::duplicate(
                            block,
                            "parameter",
                            known[idx],
                            arg_place,
                            first,
                        ));
                        self.ev.touch(&arg.value, env);
                    }
                    None => slots[idx] = Some((Thunk { expr: &arg.value, env: env.clone() }, arg_place)),
                },
                None => is_certain = false,
            }
        }
        // Which parameter is meant is anyone's guess where two have one name, or one a name that is taken.
        is_certain &= !has_faulty_names(params, &reserved);
        for (param, slot) in params.iter().zip(&slots) {
            if slot.is_none() && param.default.is_none() && is_certain {
                let name = &param.name.text;
                let given: Vec<Given> = args.iter().map(Given::from).collect();
                let call = args_check::completed(block, &given, &[]);
                let comma = if given.is_empty() { "" } else { ", " };
                let written = format!("{}{comma}{name} = …)", call.strip_suffix(')').unwrap_or(&call));
                self.ev.report(args_check::missing_value(block, "parameter", name, place, &written));
                break;
            }
        }
        slots.into_iter().map(|slot| slot.map(|(thunk, _)| thunk)).collect()
    }

    fn operator(
        &mut self,
        op: &'static dyn Operator,
        given: &[Given<'p>],
        env: &Rc<Env<'p>>,
        span: Span,
        place: Span,
        cursor: Cursor,
    ) -> Result<Cursor, Stop> {
        let takes_branches = matches!(op.ports(), Ports::Many(_));
        let call = Some(self.ev.at(span)).filter(|call| call.start <= place.start && place.end <= call.end);
        let callee = Callee { name: op.name(), place, noun: "argument", takes_branches, example: None, call };
        let mut bound = bind::bind(&mut self.ev, callee, op.args(), given, env);
        let mut broken_args = std::mem::take(&mut bound.broken);
        if let Some(defined) = Defined::of(op) {
            self.compute_defaults(defined, &mut bound, given, env, &mut broken_args);
        }
        let mut inputs = Vec::new();
        let mut assignment = None;
        let mut score = Vec::new();
        let mut beside = Vec::new();
        if let Ports::Many(least) = op.ports() {
            if bound.branches.len() < least {
                let span = self.ev.at(span);
                let branches: Vec<Span> = bound.branches.iter().map(|branch| branch.expr.span).collect();
                self.ev.report(args_check::too_few_branches(op.name(), &branches, least, span));
                broken_args.push("branches");
            }
            for (port, branch) in bound.branches.iter().enumerate() {
                let end = self.branch(branch, cursor)?;
                inputs.push((port, end.node));
            }
            if inputs.is_empty() {
                inputs.push((0, cursor.node));
            }
        } else {
            inputs.push((0, cursor.node));
        }
        for pipeline in &bound.pipelines {
            if let Some(finding) = self.plain_value(op, pipeline) {
                self.ev.report(finding);
                broken_args.push(pipeline.arg);
                inputs.push((pipeline.port, cursor.node));
                continue;
            }
            let first_new = self.graph.node_count();
            let outer = std::mem::replace(&mut self.is_for_edges, pipeline.of_edges.is_some());
            let end = self.pipeline_argument(pipeline, cursor, span);
            self.is_for_edges = outer;
            let mut end = end?.node;
            if pipeline.arg == ASSIGN {
                let mut setters = self.width_setters(end, first_new);
                if setters.is_empty() && !self.is_as_wide_as_rows(end, op, &bound.args, cursor.node) {
                    end = self.add_projection(end, span)?;
                    setters = vec![end];
                }
                assignment = Some(setters);
            }
            if pipeline.arg == SCORE && op.family() == Family::Pooling {
                score = self.width_setters(end, first_new);
            }
            if op.family() == Family::Convolution && pipeline.of_edges.is_none() {
                beside.extend(self.width_setters(end, first_new));
            }
            if pipeline.of_edges.is_some() {
                end = match op.family() {
                    Family::Decoder => self.at_pairs_of(end, cursor.node, span)?,
                    _ => self.at_graph_of(end, cursor.node, span)?,
                };
            }
            inputs.push((pipeline.port, end));
        }
        let node = self.add_node(op, bound.args, span, &inputs)?;
        self.made[node.index()].broken_args = broken_args;
        for setter in beside {
            self.wanted.entry(setter).or_insert(Wanted::WidthOf(cursor.node));
        }
        for setter in score {
            self.wanted.entry(setter).or_insert(Wanted::One);
        }
        for setter in assignment.into_iter().flatten() {
            self.wanted.entry(setter).or_insert(Wanted::RowsOf(node));
        }
        Ok(Cursor { node, is_start: false })
    }

    /// A number, a text or a list that is written where a pipeline is expected; `None` for what may be one.
    fn plain_value(&self, op: &'static dyn Operator, pipeline: &Pipeline<'p>) -> Option<Diagnostic> {
        let expr = pipeline.value.expr;
        let got = match &expr.kind {
            ExprKind::Number { .. } | ExprKind::Neg(_) => args_check::text_of(expr),
            ExprKind::String(text) => format!("the text \"{text}\""),
            ExprKind::Bool(value) => format!("`{value}`"),
            ExprKind::List(_) => "a list".to_owned(),
            _ => return None,
        };
        let spec = op.args().iter().find(|spec| spec.name == pipeline.arg)?;
        let (what, place) = (format!("`{}` of `{}`", spec.name, op.name()), self.ev.at(expr.span));
        let example = args_check::example(spec);
        Some(
            args_check::wrong_kind(&what, &spec.kind.expects(), &got, place)
                .help(format!("for example `{} = {example}`", spec.name))
                .guess(place, example),
        )
    }

    /// The operator of a convolution that a file defines, read once; `None` where it could not be read.
    fn convolution(&mut self, conv: &'p Conv, file: FileId) -> Option<&'static Defined> {
        if let Some(known) = self.convolutions.get(&conv.name.span) {
            return *known;
        }
        self.expanded.insert(conv.name.span);
        let op = analyse(&mut self.ev, conv, file).map(operator::operator);
        self.convolutions.insert(conv.name.span, op);
        self.conv_items.insert(conv.name.span, (conv, file));
        op
    }

    /// Values of the parameters that a call leaves out and whose defaults read the parameters before them.
    fn compute_defaults(
        &mut self,
        op: &'static Defined,
        bound: &mut Bound<'p>,
        given: &[Given<'p>],
        env: &Rc<Env<'p>>,
        broken: &mut Vec<&'static str>,
    ) {
        let params = &op.definition().params;
        let is_left_out = |param: &Parameter, arg: &BoundArg| {
            param.default == Some(Preset::Computed) && param.takes != Takes::Nothing && arg.span.is_none()
        };
        if !params.iter().zip(&bound.args.0).any(|(param, arg)| is_left_out(param, arg)) {
            return;
        }
        let Some((conv, file)) = self.conv_items.values().find(|(conv, _)| {
            self.convolutions
                .get(&conv.name.span)
                .copied()
                .flatten()
                .is_some_and(|known| std::ptr::eq(known, op))
        }) else {
            return;
        };
        let (conv, inner) = (*conv, Env::instance(*file, &conv.name, env));
        for (idx, param) in conv.params.iter().enumerate() {
            let written = bound.args.0[idx].span;
            let value = match written {
                Some(span) => {
                    let arg = given.iter().find(|arg| self.ev.at(arg.span()) == span);
                    arg.map(|arg| Thunk { expr: arg.value, env: env.clone() })
                }
                None => param.default.as_ref().map(|expr| Thunk { expr, env: inner.so_far() }),
            };
            if is_left_out(&params[idx], &bound.args.0[idx])
                && let Some(value) = &value
            {
                let place = self.ev.at(value.expr.span);
                let name = op.name();
                let callee = Callee {
                    name,
                    place,
                    noun: "parameter",
                    takes_branches: false,
                    example: None,
                    call: None,
                };
                match bind::convert(&mut self.ev, callee, &op.args()[idx], value.expr, &value.env) {
                    Some(value) => bound.args.0[idx].value = value,
                    None => broken.push(op.args()[idx].name),
                }
            }
            let binding = match value {
                Some(value) => Binding::Param { value, name: &param.name },
                None => Binding::UnknownParam { name: &param.name },
            };
            inner.bind(&param.name.text, binding);
        }
    }

    /// Looks at a convolution that nothing calls.
    pub fn look_at_conv(&mut self, definition: &Definition<'p>) {
        if let DefinitionKind::Conv { conv } = definition.kind {
            self.convolution(conv, definition.file);
        }
    }

    fn branch(&mut self, branch: &Thunk<'p>, cursor: Cursor) -> Result<Cursor, Stop> {
        let env = Env::child(&branch.env);
        self.apply(branch.expr, &env, Cursor { node: cursor.node, is_start: true })
    }

    fn pipeline_argument(
        &mut self,
        pipeline: &Pipeline<'p>,
        cursor: Cursor,
        span: Span,
    ) -> Result<Cursor, Stop> {
        if !pipeline.is_default {
            return self.branch(&pipeline.value, cursor);
        }
        // What the default consists of is nowhere in the file: messages point at the stage that has it.
        let (place, author) = (self.ev.place, self.author);
        self.ev.place = Some(self.ev.at(span));
        self.author = Author::Default;
        let env = Env::root(crate::source::FileId(u32::MAX));
        let result = self.branch(&Thunk { expr: pipeline.value.expr, env }, cursor);
        (self.ev.place, self.author) = (place, author);
        result
    }

    /// The linear layer onto the clusters, which the file leaves out.
    fn add_projection(&mut self, from: NodeIndex, span: Span) -> Result<NodeIndex, Stop> {
        let linear = ops::find("linear").expect("the catalogue has `linear`");
        let env = Env::root(crate::source::FileId(u32::MAX));
        let callee = Callee {
            name: "linear",
            place: span,
            noun: "argument",
            takes_branches: false,
            example: None,
            call: None,
        };
        let bound = bind::bind(&mut self.ev, callee, linear.args(), &[], &env);
        let author = std::mem::replace(&mut self.author, Author::Compiler);
        let node = self.add_node(linear, bound.args, span, &[(0, from)]);
        self.author = author;
        node
    }

    /// Whether a value has one column for each row that `op` makes of `pooled`. It counts only what the file says
    /// without data, so that a file means the same network on every data set.
    fn is_as_wide_as_rows(
        &mut self,
        value: NodeIndex,
        op: &'static dyn Operator,
        args: &Args,
        pooled: NodeIndex,
    ) -> bool {
        self.provisional.catch_up(&mut self.graph, &self.wanted);
        let width = self.graph[value].ty.width.known();
        width.is_some() && width == self.provisional.rows(&self.graph, op, args, pooled)
    }

    /// See [`width_setters`].
    pub fn width_setters(&self, end: NodeIndex, first_new: usize) -> Vec<NodeIndex> {
        width_setters(&self.graph, &self.made, end, first_new)
    }

    /// Looks at a block that nothing calls: names and arguments are checked, sizes are not known.
    pub fn look_at_block(&mut self, definition: &Definition<'p>) -> Result<(), Stop> {
        let DefinitionKind::Block { params, body } = definition.kind else { return Ok(()) };
        if !self.expanded.insert(definition.name.span) {
            return Ok(());
        }
        let root = Env::root(definition.file);
        let env = self.instance_env(definition, params, &vec![None; params.len()], &root);
        let start = self.start();
        self.apply(body, &env, start).map(|_| ())
    }

    /// Looks at a named pipeline on edges that nothing reads.
    pub fn look_at_edges(&mut self, definition: &Definition<'p>) -> Result<(), Stop> {
        let DefinitionKind::Edges { stages } = definition.kind else { return Ok(()) };
        let root = Env::root(definition.file);
        self.edge_item(definition, stages, &root).map(|_| ())
    }

    /// Looks at a `let` that nothing reads.
    pub fn look_at_let(&mut self, definition: &Definition<'p>) -> Result<(), Stop> {
        let DefinitionKind::Let { value } = definition.kind else { return Ok(()) };
        match &value.kind {
            ExprKind::Pipeline(_) => {
                let root = Env::root(definition.file);
                let env = Env::instance(definition.file, definition.name, &root);
                let start = self.start();
                self.apply(value, &env, start).map(|_| ())
            }
            // Numbers were worked out before. A name, call or sum may belong to any catalogue; it is checked
            // where it is used.
            _ => {
                self.ev.touch(value, &Env::root(definition.file));
                Ok(())
            }
        }
    }

    pub fn is_too_large(&self) -> bool {
        self.is_too_large || self.ev.is_exhausted()
    }
}

/// A finished graph with what is known of its nodes, in an order in which what belongs to the whole file stands at its
/// place.
pub(crate) struct Built {
    pub graph: DiGraph<Node, usize>,
    pub wanted: HashMap<NodeIndex, Wanted>,
    /// By node index.
    pub made: Vec<Made>,
    pub output: NodeIndex,
}

impl Builder<'_> {
    /// The model that ends in `output`; the builder begins anew.
    ///
    /// A value of the edges is built where it is first read, which may be in the middle of a block. Its stages move to
    /// the front, or behind the selection that they follow, so that rounds of a `repeat` stay alike.
    pub fn finish(&mut self, output: NodeIndex, input_place: Span) -> Built {
        let graph = std::mem::take(&mut self.graph);
        let (wanted, made) = (std::mem::take(&mut self.wanted), std::mem::take(&mut self.made));
        self.start_over(input_place);
        let built = Built { graph, wanted, made, output };
        if built.made.iter().any(|made| made.stands_behind.is_some()) { built.in_order() } else { built }
    }
}

impl Built {
    fn in_order(self) -> Self {
        let place = |node: &NodeIndex| match self.made[node.index()].stands_behind {
            Some(behind) => (behind, true, *node),
            None => (*node, false, *node),
        };
        let mut order: Vec<NodeIndex> = self.graph.node_indices().collect();
        order.sort_by_key(place);
        let mut moved = vec![NodeIndex::new(0); order.len()];
        for (new, old) in order.iter().enumerate() {
            moved[old.index()] = NodeIndex::new(new);
        }
        let to = |node: NodeIndex| moved[node.index()];
        let (nodes, edges) = self.graph.into_nodes_edges();
        let mut nodes: Vec<Option<Node>> = nodes.into_iter().map(|node| Some(node.weight)).collect();
        let mut made: Vec<Option<Made>> = self.made.into_iter().map(Some).collect();
        let mut graph = DiGraph::with_capacity(nodes.len(), edges.len());
        let mut made_in_order = Vec::with_capacity(nodes.len());
        for old in order {
            let both = (nodes[old.index()].take(), made[old.index()].take());
            if let (Some(node), Some(made)) = both {
                graph.add_node(Node { shares: node.shares.map(to), ..node });
                made_in_order.push(Made { home: made.home.map(to), ..made });
            }
        }
        for edge in edges {
            graph.add_edge(to(edge.source()), to(edge.target()), edge.weight);
        }
        let of = |wanted| match wanted {
            Wanted::Outputs => Wanted::Outputs,
            Wanted::RowsOf(node) => Wanted::RowsOf(to(node)),
            Wanted::WidthOf(node) => Wanted::WidthOf(to(node)),
            Wanted::One => Wanted::One,
        };
        let wanted = self.wanted.into_iter().map(|(node, wanted)| (to(node), of(wanted))).collect();
        Self { graph, wanted, made: made_in_order, output: to(self.output) }
    }
}

/// The operators without a width that set the width of `end`, walking back through those that keep it,
/// as far as nodes are not older than `first_new`. Nodes that are not in `made` have no broken arguments.
pub(crate) fn width_setters(
    graph: &DiGraph<Node, usize>,
    made: &[Made],
    end: NodeIndex,
    first_new: usize,
) -> Vec<NodeIndex> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut queue = vec![end];
    while let Some(node) = queue.pop() {
        if node.index() < first_new || !seen.insert(node) {
            continue;
        }
        let Node { op, args, .. } = &graph[node];
        match op.width_rule() {
            WidthRule::Argument(name) => {
                let is_broken = made.get(node.index()).is_some_and(|made| made.broken_args.contains(&name));
                if args.opt_int(name).is_none() && !is_broken {
                    found.push(node);
                }
            }
            WidthRule::Kept => {
                let is_many = matches!(op.ports(), Ports::Many(_));
                let edges = graph.edges_directed(node, petgraph::Direction::Incoming);
                queue.extend(edges.filter(|edge| is_many || *edge.weight() == 0).map(|edge| edge.source()));
            }
            WidthRule::Computed => {}
        }
    }
    found.sort_unstable();
    found
}
