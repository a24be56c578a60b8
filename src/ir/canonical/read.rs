//! Canonical text back to data. Calls and values are expressions of the language, so its parser and the binder
//! read them: names, kinds, ranges and defaults are those of the catalogue.

use super::{Canonical, HEAD, IDENTITY, LIFTED, Loss, SHARES, Stage, VERSION};
use crate::args::{ArgKind, ArgSpec, ArgValue, Args, BoundCall};
use crate::bind::{Callee, Env, Evaluator, Findings, bind, bind_call};
use crate::conv::{analyse, operator, text};
use crate::diagnostic::Diagnostic;
use crate::migrate;
use crate::ops::hetero::Lifted;
use crate::ops::{self, Operator, Ports};
use crate::source::{FileId, SourceMap, Span};
use crate::syntax::ast::{Arg, Conv, Entry, Expr, ExprKind, Given, Ident, ItemKind, Param};
use crate::types::Task;
use std::collections::HashMap;

/// What is wrong with a canonical text, and in which line, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct CanonicalError {
    pub line: usize,
    pub message: String,
}

type Result<T> = std::result::Result<T, CanonicalError>;

fn wrong(line: usize, message: impl Into<String>) -> CanonicalError {
    CanonicalError { line, message: message.into() }
}

/// A line with its expression parsed.
enum Line {
    Stage {
        /// With the arguments that stand among the inputs (`edge = 3`) as if the call had them.
        call: Expr,
        inputs: Vec<usize>,
        shares: Option<usize>,
        lifted: Option<Lifted>,
        /// Names of these arguments: the last inputs.
        of_edges: Vec<String>,
        /// Of a convolution that a file defined: its parts.
        body: Option<Conv>,
    },
    Output(usize),
    Task(Task),
    Loss(f64, Expr),
    Data(Expr),
    /// What the file leaves open, as it is written.
    Search(String),
    /// `train` or `evaluate`, with a key and its value; `None` where version 1 says that it is inferred.
    Setting {
        section: &'static str,
        key: Ident,
        value: Option<Expr>,
    },
}

pub(super) fn parse(text: &str) -> Result<Canonical> {
    let mut texts = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    read_version(texts.next().unwrap_or(""))?;
    let mut lines = Vec::new();
    for (idx, text) in texts.enumerate() {
        if !text.trim().is_empty() {
            // Names that were given up since have their present form.
            lines.push((idx + 2, read_line(idx + 2, &migrate::canonical_line(text))?));
        }
    }
    let n_lines = text.lines().count();
    Reader::new().read(&lines, n_lines)
}

fn read_version(first: &str) -> Result<()> {
    let number = first.strip_prefix(HEAD).and_then(|number| number.trim().parse::<u32>().ok());
    match number {
        Some(1..=VERSION) => Ok(()),
        Some(later) => Err(wrong(
            1,
            format!(
                "this is version {later} of the canonical form, and this hgnnc reads versions 1 to {VERSION}: a \
                 later hgnnc wrote it"
            ),
        )),
        None => {
            let shown: String = first.chars().take(40).collect();
            Err(wrong(1, format!("a canonical form begins with `{HEAD}{VERSION}`, not with `{shown}`")))
        }
    }
}

fn read_line(number: usize, text: &str) -> Result<Line> {
    let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
    let expr = |text: &str| expression(number, text);
    match kind {
        "stage" => {
            let (_, call) = rest
                .split_once(" = ")
                .ok_or_else(|| wrong(number, "a stage reads `stage 3 = relu() of 2`"))?;
            let close = call.rfind(')').map_or(call.len(), |close| close + 1);
            let (call, inputs) = call.split_at(close);
            let (inputs, shares) = match inputs.split_once(SHARES) {
                Some((inputs, owner)) => {
                    let number = owner
                        .parse()
                        .map_err(|_| wrong(number, format!("`{owner}` is not a stage number")))?;
                    (inputs, Some(number))
                }
                None => (inputs, None),
            };
            let (inputs, lifted) = match inputs.split_once(LIFTED) {
                Some((inputs, word)) => {
                    let lifted = Lifted::from_word(word);
                    let unknown = || wrong(number, format!("`{word}` is no way to put relations together"));
                    (inputs, Some(lifted.ok_or_else(unknown)?))
                }
                None => (inputs, None),
            };
            let listed: Vec<&str> = match inputs.strip_prefix(" of ") {
                Some(list) => list.split(", ").collect(),
                None if inputs.is_empty() => Vec::new(),
                None => {
                    return Err(wrong(number, format!("`{}` cannot stand behind the call", inputs.trim())));
                }
            };
            let mut call = expr(call)?;
            let (mut inputs, mut of_edges) = (Vec::new(), Vec::new());
            for input in listed {
                let (arg, stage) = input.split_once(" = ").map_or((None, input), |(arg, of)| (Some(arg), of));
                let stage = stage.parse();
                inputs.push(stage.map_err(|_| wrong(number, format!("`{input}` is not a stage number")))?);
                match (arg, &mut call.kind) {
                    (None, _) if of_edges.is_empty() => {}
                    (Some(arg), ExprKind::Call(call)) => {
                        of_edges.push(arg.to_owned());
                        let name = Some(Ident { text: arg.to_owned(), span: place(number) });
                        let value = ExprKind::Name(ops::EDGES.name().to_owned());
                        call.args.push(Arg { name, value: Expr { kind: value, span: place(number) } });
                    }
                    _ => return Err(wrong(number, "inputs with the name of an argument come last")),
                }
            }
            let body = body_of(number, &mut call, &of_edges);
            Ok(Line::Stage { call, inputs, shares, lifted, of_edges, body })
        }
        "output" => match rest.parse() {
            Ok(output) => Ok(Line::Output(output)),
            Err(_) => Err(wrong(number, format!("`{rest}` is not a stage number"))),
        },
        "task" => match Task::from_name(rest) {
            Some(task) => Ok(Line::Task(task)),
            None => Err(wrong(number, format!("there is no task `{rest}`"))),
        },
        "loss" => {
            let (weight, call) = rest.split_once(' ').unwrap_or(("", rest));
            let weight: Option<f64> = weight.parse().ok().filter(|weight: &f64| weight.is_finite());
            let weight = weight.ok_or_else(|| wrong(number, "a loss reads `loss 1.0 cross_entropy()`"))?;
            Ok(Line::Loss(weight, expr(call)?))
        }
        "data" => Ok(Line::Data(expr(rest)?)),
        "search" if rest.starts_with("one of ") || rest.starts_with("range ") => {
            Ok(Line::Search(rest.to_owned()))
        }
        "search" => Err(wrong(number, "an open value reads `search one of …` or `search range …`")),
        "train" | "evaluate" => {
            let section = if kind == "train" { "train" } else { "evaluate" };
            let (key, value) = rest
                .split_once(" = ")
                .ok_or_else(|| wrong(number, format!("a setting reads `{section} KEY = VALUE`")))?;
            let key = Ident { text: key.to_owned(), span: place(number) };
            let value = if value == "inferred" { None } else { Some(expr(value)?) };
            Ok(Line::Setting { section, key, value })
        }
        _ => {
            let shown: String = kind.chars().take(40).collect();
            Err(wrong(number, format!("`{shown}` is not a line of the canonical form")))
        }
    }
}

/// The parts of a convolution that is written out, which are taken out of its call.
fn body_of(number: usize, call: &mut Expr, of_edges: &[String]) -> Option<Conv> {
    let ExprKind::Call(call) = &mut call.kind else { return None };
    if call.callee.text != text::NAME {
        return None;
    }
    let is_part = |arg: &Arg| arg.name.as_ref().is_some_and(|name| !of_edges.contains(&name.text));
    let (parts, others) = std::mem::take(&mut call.args).into_iter().partition(is_part);
    call.args = others;
    let parts: Vec<Arg> = parts;
    let reads_out = parts.iter().any(|arg| analyse::reads_any(&arg.value, &[text::OUT]));
    let entries = parts.into_iter().filter_map(|arg| Some(Entry { key: arg.name?, value: arg.value }));
    let ident = |text: &str| Ident { text: text.to_owned(), span: place(number) };
    Some(Conv {
        name: ident(text::NAME),
        params: if reads_out { vec![Param { name: ident(text::OUT), default: None }] } else { Vec::new() },
        entries: entries.collect(),
        span: place(number),
        is_broken: false,
    })
}

/// The place that stands for a line in findings: a file of its own.
fn place(line: usize) -> Span {
    Span::new(FileId(line as u32), 0, 0)
}

/// One expression of the language.
fn expression(line: usize, text: &str) -> Result<Expr> {
    let mut sources = SourceMap::default();
    let id = sources.add("line", text);
    let (file, findings) = crate::syntax::parse(&sources, id);
    if let Some(finding) = findings.iter().find(|finding| finding.is_error()) {
        return Err(wrong(line, &finding.message));
    }
    let mut items = file.items.into_iter();
    match (items.next().map(|item| item.kind), items.next()) {
        (Some(ItemKind::Bare { mut value }), None) => {
            set_place(&mut value, place(line));
            Ok(value)
        }
        _ => Err(wrong(line, format!("`{text}` is not one value"))),
    }
}

/// Puts an expression at one place, so that findings name its line.
fn set_place(expr: &mut Expr, place: Span) {
    expr.span = place;
    match &mut expr.kind {
        ExprKind::Call(call) => {
            (call.callee.span, call.args_span) = (place, place);
            for arg in &mut call.args {
                if let Some(name) = &mut arg.name {
                    name.span = place;
                }
                set_place(&mut arg.value, place);
            }
        }
        ExprKind::List(items) => items.iter_mut().for_each(|item| set_place(item, place)),
        ExprKind::Neg(inner) => set_place(inner, place),
        ExprKind::Binary { op_span, lhs, rhs, .. } => {
            *op_span = place;
            set_place(lhs, place);
            set_place(rhs, place);
        }
        ExprKind::Pipeline(stages) => stages.iter_mut().for_each(|stage| set_place(&mut stage.value, place)),
        ExprKind::Number { .. } | ExprKind::String(_) | ExprKind::Bool(_) | ExprKind::Name(_) => {}
    }
}

struct Reader<'p> {
    ev: Evaluator<'p>,
    env: std::rc::Rc<Env<'p>>,
}

impl<'p> Reader<'p> {
    fn new() -> Self {
        let ev = Evaluator::new(HashMap::new(), HashMap::new(), Findings::default());
        Self { ev, env: Env::root(FileId(u32::MAX)) }
    }

    /// The findings so far as an error of their line.
    fn checked(&mut self) -> Result<()> {
        match self.ev.findings.list().iter().find(|finding| finding.is_error()) {
            Some(Diagnostic { message, labels, .. }) => {
                let line = labels.first().map_or(1, |label| label.span.file.0 as usize);
                Err(wrong(line, message))
            }
            None => Ok(()),
        }
    }

    fn read(mut self, lines: &'p [(usize, Line)], n_lines: usize) -> Result<Canonical> {
        let mut stages: Vec<Stage> = Vec::new();
        // Which stage stands for the one of each number: others than itself where a value is only passed on.
        let mut number: Vec<usize> = Vec::new();
        let (mut output, mut task, mut losses) = (None, None, Vec::new());
        let (mut data, mut data_line) = (None, 0);
        let mut sections: [Vec<Given>; 2] = [Vec::new(), Vec::new()];
        let mut search = Vec::new();
        for (line, content) in lines {
            let line = *line;
            match content {
                Line::Stage { call, inputs, shares, lifted, of_edges, body } => {
                    let inputs: Option<Vec<usize>> =
                        inputs.iter().map(|&input| number.get(input).copied()).collect();
                    let inputs = inputs
                        .ok_or_else(|| wrong(line, "a stage reads only the values of stages above it"))?;
                    let mut stage = self.stage(line, call, inputs, of_edges, body.as_ref())?;
                    if let Some(lifted) = lifted {
                        lifted.mark(&mut stage.args);
                    }
                    if let Some(owner) = shares {
                        let owner = number.get(*owner).copied();
                        let is_owner = |owner: &usize| {
                            let owner = &stages[*owner];
                            owner.shares.is_none() && owner.call() == stage.call()
                        };
                        stage.shares = Some(owner.filter(is_owner).ok_or_else(|| {
                            wrong(
                                line,
                                "a stage shares the weights of an equal one above it, which has its own",
                            )
                        })?);
                    }
                    if let (IDENTITY, [input]) = (stage.op.name(), stage.inputs.as_slice()) {
                        number.push(*input);
                        continue;
                    }
                    number.push(stages.len());
                    stages.push(stage);
                }
                Line::Output(of) => {
                    let of = number.get(*of).ok_or_else(|| wrong(line, format!("there is no stage {of}")))?;
                    once(line, "output", &mut output, *of)?;
                }
                Line::Task(of) => once(line, "task", &mut task, *of)?,
                Line::Loss(weight, call) => {
                    let term = self.loss(line, *weight, call)?;
                    if losses.iter().any(|other: &Loss| other.overlaps(&term)) {
                        let name = ops::loss::label(term.loss, &term.args);
                        return Err(wrong(line, format!("the loss `{name}` appears twice")));
                    }
                    losses.push(term);
                }
                Line::Data(expr) => {
                    once(line, "data", &mut data, expr)?;
                    data_line = line;
                }
                Line::Search(open) => search.push(open.clone()),
                Line::Setting { section, key, value } => {
                    if let Some(value) = value {
                        sections[usize::from(*section == "evaluate")].push(Given { name: Some(key), value });
                    }
                }
            }
        }
        let missing = |what: &str| wrong(n_lines, format!("the text ends without a line `{what} …`"));
        let output = output.ok_or_else(|| missing("output"))?;
        let task = task.ok_or_else(|| missing("task"))?;
        let data = match data {
            Some(expr) => Some(self.data(data_line, expr)?),
            None => None,
        };
        let [train, evaluate] = sections;
        let train = self.section("train", crate::settings::TRAIN_SECTION, &train)?;
        let evaluate = self.section("evaluate", crate::settings::EVALUATE_SECTION, &evaluate)?;
        let canonical = Canonical { stages, output, task, losses, data, train, evaluate, search };
        Ok(canonical.settled())
    }

    fn stage(
        &mut self,
        line: usize,
        expr: &'p Expr,
        inputs: Vec<usize>,
        of_edges: &[String],
        body: Option<&'p Conv>,
    ) -> Result<Stage> {
        let (name, given) =
            name_and_args(expr).ok_or_else(|| wrong(line, "a stage reads `stage 3 = relu() of 2`"))?;
        let op: &'static dyn Operator = match (body, ops::find_stage(name)) {
            (Some(conv), _) => {
                let definition = analyse::analyse(&mut self.ev, conv, place(line).file);
                self.checked()?;
                operator::operator(definition.ok_or_else(|| wrong(line, "the convolution cannot be read"))?)
            }
            (None, Some(op)) => op,
            (None, None) => {
                return Err(wrong(line, format!("there is no operator `{name}` in this version of hgnnc")));
            }
        };
        let callee = Callee {
            name: op.name(),
            place: place(line),
            noun: "argument",
            takes_branches: false,
            example: None,
            call: None,
        };
        let mut args = bind(&mut self.ev, callee, op.args(), &given, &self.env).args;
        self.checked()?;
        let given = args.0.iter().zip(op.args()).filter(|(arg, _)| arg.value == ArgValue::Pipeline);
        let given = given.filter(|(_, spec)| matches!(spec.kind, ArgKind::Edges(_)));
        if !given.map(|(arg, _)| arg.name).eq(of_edges.iter().map(String::as_str)) {
            let text =
                format!("the values of edges of `{}` are not in the order of its arguments", op.name());
            return Err(wrong(line, text));
        }
        let n_others = inputs.len() - of_edges.len();
        let n_pipelines = args_of_pipelines(op.args()).count();
        let is_right = match op.ports() {
            Ports::None => inputs.is_empty(),
            Ports::One => (1..=1 + n_pipelines).contains(&n_others),
            Ports::Many(least) => inputs.len() >= least,
        };
        if !is_right {
            return Err(wrong(line, format!("`{}` cannot have {} inputs", op.name(), inputs.len())));
        }
        // A pipeline argument that is there is an input at its port.
        for (spec, port) in args_of_pipelines(op.args()) {
            for arg in args.0.iter_mut().filter(|arg| arg.name == spec.name) {
                arg.value = if port < n_others { ArgValue::Pipeline } else { ArgValue::Absent };
            }
        }
        without_places(&mut args);
        Ok(Stage { op, args, inputs, shares: None })
    }

    fn loss(&mut self, line: usize, weight: f64, expr: &'p Expr) -> Result<Loss> {
        let (name, given) =
            name_and_args(expr).ok_or_else(|| wrong(line, "a loss reads `loss 1.0 cross_entropy()`"))?;
        let loss = ops::find_loss(name).ok_or_else(|| wrong(line, format!("there is no loss `{name}`")))?;
        let callee = Callee {
            name: loss.name(),
            place: place(line),
            noun: "argument",
            takes_branches: false,
            example: None,
            call: None,
        };
        let mut args = bind(&mut self.ev, callee, loss.args(), &given, &self.env).args;
        self.checked()?;
        without_places(&mut args);
        Ok(Loss { weight, loss, args })
    }

    fn data(&mut self, line: usize, expr: &'p Expr) -> Result<BoundCall> {
        let call = bind_call(&mut self.ev, "data", expr, &self.env.clone());
        self.checked()?;
        let mut call = call.ok_or_else(|| wrong(line, "`data` reads `data tu(name = \"PROTEINS\")`"))?;
        without_places(&mut call.args);
        call.span = Span::default();
        Ok(call)
    }

    fn section(
        &mut self,
        name: &'static str,
        specs: &'static [ArgSpec],
        given: &[Given<'p>],
    ) -> Result<Args> {
        let callee =
            Callee { name, place: place(1), noun: "key", takes_branches: false, example: None, call: None };
        let mut args = bind(&mut self.ev, callee, specs, given, &self.env.clone()).args;
        self.checked()?;
        without_places(&mut args);
        Ok(args)
    }
}

/// `relu`, or `gcn(out = 64)`
fn name_and_args(expr: &Expr) -> Option<(&str, Vec<Given<'_>>)> {
    match &expr.kind {
        ExprKind::Name(name) => Some((name, Vec::new())),
        ExprKind::Call(call) => Some((&call.callee.text, call.args.iter().map(Given::from).collect())),
        _ => None,
    }
}

fn args_of_pipelines(specs: &'static [ArgSpec]) -> impl Iterator<Item = (&'static ArgSpec, usize)> {
    specs.iter().filter_map(|spec| match spec.kind {
        ArgKind::Pipeline { port } => Some((spec, port)),
        _ => None,
    })
}

fn once<T>(line: usize, what: &str, slot: &mut Option<T>, value: T) -> Result<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(wrong(line, format!("`{what}` appears twice"))),
    }
}

/// In the canonical form every argument counts as a default: whether a file wrote it is not known.
fn without_places(args: &mut Args) {
    for arg in &mut args.0 {
        arg.span = None;
        let calls = match &mut arg.value {
            ArgValue::Call(call) => std::slice::from_mut(call),
            ArgValue::Calls(calls) => calls.as_mut_slice(),
            _ => &mut [],
        };
        for call in calls {
            call.span = Span::default();
            without_places(&mut call.args);
        }
    }
}
