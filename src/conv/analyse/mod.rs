//! From the syntax tree of a `conv` to its [`Definition`]: every name gets its meaning, or a message.

mod aggregates;
mod arguments;
mod calls;
mod values;

use crate::args::ArgValue;
use crate::bind::{Callee, Env, Evaluator, convert};
use crate::conv::findings as report;
use crate::conv::operator::{EDGE, spec_of};
use crate::conv::{BODY, Default, Definition, End, Expr, Flag, Input, Number, Parameter, Part, Takes, text};
use crate::findings::{names, unused};
use crate::source::{FileId, Span};
use crate::syntax::ast::{self, ExprKind as Syntax, Ident};
use std::collections::{HashMap, HashSet};

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
        shadowed: HashSet::new(),
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
    /// Values of a body that the file has a `let` for as well, which was reported.
    shadowed: HashSet<&'p str>,
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
            if let Some(meant) = self.meant_part(key) {
                self.refuse::<()>(report::unknown_part(&name.text, &entry.key, PARTS, meant));
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
        // What parameters the names of the body mean is anyone's guess where two have the same or one that is taken.
        let param_names = || self.conv.params.iter().map(|param| param.name.text.as_str());
        if self.places.len() < self.conv.params.len() || param_names().any(is_no_parameter) {
            self.is_sound = false;
        }
        let message = report::example("linear(out, x_j)", Part::Message, self.has_out());
        for (part, example) in [("message", message.as_str()), ("aggregate", "mean")] {
            // What is missing may stand in an entry that could not be read, or under a misspelt key.
            let mut keys = self.conv.entries.iter().map(|entry| entry.key.text.as_str());
            let is_misspelt = keys.any(|key| self.meant_part(key) == Some(part));
            if !parts.contains_key(part) && !self.conv.is_broken && !is_misspelt {
                let finding = report::missing_part(name, part, example, self.conv.span, &self.conv.entries);
                self.refuse::<()>(finding);
            }
        }
        // In the order that values flow, whatever the file's: the names of weights follow it.
        let nodes = self.nodes();
        let message = parts.get("message").and_then(|entry| self.whole(Part::Message, &entry.value));
        let message_text = parts.get("message").map(|entry| &entry.value);
        let aggregates = parts.get("aggregate").and_then(|entry| self.aggregates(&entry.value, message_text));
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
            // What is missing or could not be read may be what reads them.
            (0..self.conv.params.len()).for_each(|idx| self.mark_param(idx));
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
            if PARTS.contains(&key) || self.meant_part(key).is_some() {
                continue;
            }
            let params = self.conv.params.iter().map(|param| &param.name);
            let known: Vec<&Ident> = params.chain(self.nodes.iter().map(|(name, _)| *name)).collect();
            let is_operator = crate::ops::find(key).is_some() || crate::ops::find_input(key).is_some();
            if let Some(first) = known.iter().find(|name| name.text == key) {
                self.refuse::<()>(names::duplicate("the name", key, entry.key.span, first.span));
            } else if is_taken(key) || is_operator {
                let finding = names::reserved(key, entry.key.span, is_operator);
                let finding = self.reads_of(key).into_iter().fold(finding, |finding, (place, end)| {
                    finding.guess(place, format!("my_{key}{}", end.suffix()))
                });
                self.refuse::<()>(finding);
                // Whatever reads it has its message.
                self.touch_params(&entry.value);
                self.ev.touch(&entry.value, &Env::root(self.file));
                self.nodes.push((&entry.key, true));
                continue;
            } else if let Some(other) = known.iter().find(|name| is_end_of(key, &name.text)) {
                self.refuse::<()>(report::end_is_taken(&entry.key, other, &entry.key));
                // What reads it reads the other one.
                self.touch_params(&entry.value);
                self.ev.touch(&entry.value, &Env::root(self.file));
                continue;
            } else if let Some(other) = known.iter().find(|name| is_end_of(&name.text, key)) {
                self.refuse::<()>(report::end_is_taken(other, &entry.key, &entry.key));
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

    /// The part that an entry means whose name is that of none. A value of each node may have such a name too: where
    /// something reads it, or where it is one that nothing can have and the part is there.
    fn meant_part(&self, key: &str) -> Option<&'static str> {
        if PARTS.contains(&key) {
            return None;
        }
        let meant = report::meant_part(key, PARTS)?;
        let mut entries = self.conv.entries.iter();
        let names = [key, &format!("{key}_i"), &format!("{key}_j")];
        let is_value = entries.any(|entry| reads_any(&entry.value, &names))
            || is_taken(key) && self.conv.entries.iter().any(|entry| entry.key.text == meant);
        (!is_value).then_some(meant)
    }

    /// Where the body reads a value of each node of this name at an end of an edge.
    fn reads_of(&self, key: &str) -> Vec<(Span, End)> {
        let mut found = Vec::new();
        for end in [End::Target, End::Source] {
            let name = format!("{key}{}", end.suffix());
            let mut open: Vec<&ast::Expr> = self.conv.entries.iter().map(|entry| &entry.value).collect();
            while let Some(expr) = open.pop() {
                match &expr.kind {
                    Syntax::Name(read) if *read == name => found.push((expr.span, end)),
                    Syntax::Call(call) => open.extend(call.args.iter().map(|arg| &arg.value)),
                    Syntax::List(items) => open.extend(items),
                    Syntax::Neg(inner) => open.push(inner),
                    Syntax::Binary { lhs, rhs, .. } => open.extend([&**lhs, &**rhs]),
                    _ => {}
                }
            }
        }
        found
    }

    /// Whether `out` is a parameter.
    fn has_out(&self) -> bool {
        self.places.contains_key(text::OUT)
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

/// Whether a name is what another value of each node is called at an end of an edge.
fn is_end_of(name: &str, base: &str) -> bool {
    [End::Target, End::Source].iter().any(|end| name.strip_suffix(end.suffix()) == Some(base))
}

/// Names that were reported where the parameter stands.
fn is_no_parameter(name: &str) -> bool {
    is_taken(name) || crate::ops::find(name).is_some() || crate::ops::find_input(name).is_some()
}

/// The names that a body gives a meaning itself, so that no parameter can have them.
pub fn is_taken(name: &str) -> bool {
    Input::find(name).is_some() || name == EDGE || PARTS.contains(&name)
}
