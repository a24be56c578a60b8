//! From the syntax tree of a `conv` to its [`Definition`]: every name gets its meaning, or a message.

mod aggregates;
mod arguments;
mod calls;
mod values;

use crate::args::ArgValue;
use crate::bind::{Callee, Env, Evaluator, convert};
use crate::conv::findings as report;
use crate::conv::operator::{EDGE, spec_of};
use crate::conv::{BODY, Default, Definition, Expr, Flag, Input, Number, Parameter, Part, Takes};
use crate::findings::{names, unused};
use crate::source::{FileId, Span};
use crate::syntax::ast::{self, ExprKind as Syntax, Ident};
use std::collections::HashMap;

/// What can stand before `=` in a body.
pub const PARTS: &[&str] = &["message", "aggregate", "update", "self_loops"];

/// Reads a convolution that `file` defines. `None` where a mistake was reported, or nothing could be made of what the
/// parser refused.
pub fn analyse<'p>(ev: &mut Evaluator<'p>, conv: &'p ast::Conv, file: FileId) -> Option<Definition> {
    let mut analyzer = Analyzer {
        ev,
        conv,
        file,
        uses: vec![None; conv.params.len()],
        places: HashMap::new(),
        part: Part::Message,
        nodes: Vec::new(),
        counts: HashMap::new(),
        reads_width_of_edges: false,
        is_sound: !conv.is_broken,
    };
    for (idx, param) in conv.params.iter().enumerate() {
        analyzer.places.entry(&param.name.text).or_insert(idx);
    }
    analyzer.definition()
}

/// An operand: a number that is known at the call, or a value of each edge or node.
enum Operand {
    Number(Number, Span),
    Value(Expr),
}

struct Analyzer<'a, 'p> {
    ev: &'a mut Evaluator<'p>,
    conv: &'p ast::Conv,
    file: FileId,
    /// What each parameter is used as, and where first.
    uses: Vec<Option<(Takes, Span)>>,
    places: HashMap<&'p str, usize>,
    part: Part,
    /// The values of each node so far, and whether something reads them.
    nodes: Vec<(&'p Ident, bool)>,
    /// How many weights of each kind the part has so far.
    counts: HashMap<&'static str, usize>,
    /// `width(e_ij)`, which needs the edges' values as much as these do.
    reads_width_of_edges: bool,
    is_sound: bool,
}

/// What came out of an expression; `None` where its mistake was reported.
type Read<T> = Option<T>;

impl<'p> Analyzer<'_, 'p> {
    fn refuse<T>(&mut self, finding: crate::diagnostic::Diagnostic) -> Option<T> {
        self.ev.report(finding);
        self.is_sound = false;
        None
    }

    /// A place of the file as one of the definition's text.
    fn within(&self, span: Span) -> Span {
        let start = self.conv.span.start;
        Span { file: BODY, start: span.start.saturating_sub(start), end: span.end.saturating_sub(start) }
    }

    fn definition(mut self) -> Option<Definition> {
        let name = &self.conv.name;
        let mut parts: HashMap<&str, &'p ast::Entry> = HashMap::new();
        for entry in &self.conv.entries {
            let key = entry.key.text.as_str();
            if !PARTS.contains(&key) && report::meant_part(key, PARTS).is_some() {
                self.refuse::<()>(report::unknown_part(&name.text, &entry.key, PARTS));
                self.ev.touch(&entry.value, &Env::root(self.file));
                self.touch_params(&entry.value);
            } else if let Some(first) = parts.get(key) {
                let what = format!("`{key}` of the convolution");
                let first = first.key.span;
                self.refuse::<()>(names::duplicate(&what, &name.text, entry.key.span, first));
            } else {
                parts.insert(key, entry);
            }
        }
        for (part, example) in [("message", "linear(out, x_j)"), ("aggregate", "mean")] {
            // What is missing may stand in an entry that could not be read, or under a misspelt key.
            let is_misspelt = self.conv.entries.iter().any(|entry| {
                let key = entry.key.text.as_str();
                !PARTS.contains(&key) && report::meant_part(key, PARTS) == Some(part)
            });
            if !parts.contains_key(part) && !self.conv.is_broken && !is_misspelt {
                let finding = report::missing_part(name, part, example, self.conv.span, &self.conv.entries);
                self.refuse::<()>(finding);
            }
        }
        // In the order that values flow, whatever the file's: the names of weights follow it.
        let nodes = self.nodes();
        let message = parts.get("message").and_then(|entry| self.whole(Part::Message, &entry.value));
        let aggregates = parts.get("aggregate").and_then(|entry| self.aggregates(&entry.value));
        let update = match parts.get("update") {
            Some(entry) => self.whole(Part::Update, &entry.value).map(Some),
            None => Some(None),
        };
        let self_loops = match parts.get("self_loops") {
            Some(entry) => self.flag("`self_loops`", &entry.value),
            None => Some(Flag::Fixed(false)),
        };
        for (name, is_used) in std::mem::take(&mut self.nodes) {
            // A part that could not be read may be what reads it.
            if !is_used && self.is_sound {
                self.ev.report(unused::definition("let", &name.text, name.span));
            }
        }
        let message_place = parts.get("message").map_or(name.span, |entry| entry.value.span);
        let params = self.params();
        if !self.is_sound {
            return None;
        }
        let (message, update) = (message?, update?);
        if let (Some(update), Some(entry)) = (&update, parts.get("update"))
            && !update.reads(Input::Aggregated)
        {
            return self.refuse(unused::messages(&name.text, entry.value.span, message_place));
        }
        Some(Definition {
            name: name.text.clone(),
            params: params?,
            reads_edges: message.reads(Input::Edge) || self.reads_width_of_edges,
            nodes,
            aggregates: aggregates?,
            self_loops: self_loops?,
            message,
            update,
        })
    }

    /// Values of each node, each of which those behind it can read.
    fn nodes(&mut self) -> Vec<Expr> {
        let mut list = Vec::new();
        for entry in &self.conv.entries {
            let key = entry.key.text.as_str();
            if PARTS.contains(&key) || report::meant_part(key, PARTS).is_some() {
                continue;
            }
            let taken = self.places.get(key).map(|&idx| self.conv.params[idx].name.span);
            let first = taken
                .or_else(|| self.nodes.iter().find(|(name, _)| name.text == key).map(|(name, _)| name.span));
            if let Some(first) = first {
                self.refuse::<()>(names::duplicate("the name", key, entry.key.span, first));
            } else if is_taken(key) {
                self.refuse::<()>(names::reserved(key, entry.key.span, false));
            }
            match self.whole(Part::Node, &entry.value) {
                Some(value) => list.push(value),
                None => self.is_sound = false,
            }
            self.nodes.push((&entry.key, false));
        }
        list
    }

    /// The parameters with what the body uses them as.
    fn params(&mut self) -> Option<Vec<Parameter>> {
        let mut list: Vec<Parameter> = Vec::new();
        let root = Env::root(self.file);
        for (idx, param) in self.conv.params.iter().enumerate() {
            let takes = self.uses[idx].map_or(Takes::Nothing, |(takes, _)| takes);
            let mut parameter = Parameter { name: param.name.text.clone(), takes, default: None };
            if let Some(expr) = &param.default {
                let earlier: Vec<&str> = list.iter().map(|param| param.name.as_str()).collect();
                parameter.default = Some(if reads_any(expr, &earlier) {
                    for name in &earlier {
                        if reads_any(expr, &[name]) {
                            self.mark_param(self.places[name]);
                        }
                    }
                    Default::Computed
                } else {
                    self.default(&parameter, expr, &root)?
                });
            }
            list.push(parameter);
        }
        Some(list)
    }

    fn default(
        &mut self,
        parameter: &Parameter,
        expr: &'p ast::Expr,
        root: &std::rc::Rc<Env<'p>>,
    ) -> Option<Default> {
        if parameter.takes == Takes::Nothing {
            self.ev.touch(expr, root);
            return Some(Default::Computed);
        }
        let spec = spec_of(parameter);
        let callee = Callee {
            name: &self.conv.name.text,
            place: expr.span,
            noun: "parameter",
            takes_branches: false,
            example: None,
            call: None,
        };
        match convert(self.ev, callee, &spec, expr, root) {
            Some(ArgValue::Int(value)) => Some(Default::Number(value as f64)),
            Some(ArgValue::Float(value)) => Some(Default::Number(value)),
            Some(ArgValue::Bool(value)) => Some(Default::Flag(value)),
            Some(ArgValue::Choice(word)) => Some(Default::Word(word)),
            _ => {
                self.is_sound = false;
                None
            }
        }
    }

    fn mark_param(&mut self, idx: usize) {
        self.ev.used.insert(self.conv.params[idx].name.span);
    }

    /// Marks what an expression reads that is not looked at for another mistake.
    fn touch_params(&mut self, expr: &ast::Expr) {
        for (idx, param) in self.conv.params.iter().enumerate() {
            if reads_any(expr, &[&param.name.text]) {
                self.ev.used.insert(self.conv.params[idx].name.span);
            }
        }
    }

    /// Notes that a parameter is used as something.
    fn use_param(&mut self, idx: usize, takes: Takes, place: Span) -> Read<()> {
        self.mark_param(idx);
        let (known, first) = *self.uses[idx].get_or_insert((takes, place));
        let both = match (known, takes) {
            (a, b) if a == b => a,
            (Takes::Count, Takes::Number) | (Takes::Number, Takes::Count) => Takes::Count,
            (Takes::Probability, Takes::Number) | (Takes::Number, Takes::Probability) => Takes::Probability,
            _ => {
                let name = &self.conv.params[idx].name.text;
                return self.refuse(report::used_as_two(name, (known, first), (takes, place)));
            }
        };
        self.uses[idx] = Some((both, first));
        Some(())
    }

    /// The value of `message` or `update`.
    fn whole(&mut self, part: Part, expr: &'p ast::Expr) -> Read<Expr> {
        self.part = part;
        self.counts.clear();
        match self.operand(expr)? {
            Operand::Value(value) => Some(value),
            Operand::Number(number, span) => self.number_value(number, span),
        }
    }
}

/// What a part has one value of.
fn row(part: Part) -> &'static str {
    match part {
        Part::Message => "edge",
        Part::Node | Part::Update => "node",
    }
}

/// Whether an expression reads one of the names.
pub(crate) fn reads_any(expr: &ast::Expr, names: &[&str]) -> bool {
    let mut open = vec![expr];
    while let Some(expr) = open.pop() {
        match &expr.kind {
            Syntax::Name(name) if names.contains(&name.as_str()) => return true,
            Syntax::Call(call) if names.contains(&call.callee.text.as_str()) => return true,
            Syntax::Call(call) => open.extend(call.args.iter().map(|arg| &arg.value)),
            Syntax::List(items) => open.extend(items),
            Syntax::Neg(inner) => open.push(inner),
            Syntax::Binary { lhs, rhs, .. } => open.extend([&**lhs, &**rhs]),
            Syntax::Pipeline(stages) => open.extend(stages.iter().map(|stage| &stage.value)),
            _ => {}
        }
    }
    false
}

/// The names that a body gives a meaning itself, so that no parameter can have them.
pub fn is_taken(name: &str) -> bool {
    Input::find(name).is_some() || name == EDGE || PARTS.contains(&name)
}
