//! From the syntax tree of a `conv` to its [`Definition`]: every name gets its meaning, or a message.

use super::findings as report;
use super::functions::{Function, Kind, Slot, SlotKind};
use super::operator::{EDGE, MAX_COUNT, spec_of};
use super::{
    Aggregate, BODY, Default, Definition, End, Expr, ExprKind, Flag, Input, Number, Parameter, Part, Sign,
    Start, Takes, Word, text,
};
use crate::args::ArgValue;
use crate::bind::{Callee, Definition as Known, DefinitionKind, Env, Evaluator, Value, convert};
use crate::findings::{args as args_check, names, unused};
use crate::ops;
use crate::source::{FileId, Span};
use crate::syntax::ast::{self, BinaryOp, ExprKind as Syntax, Ident};
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
            reads_edges: message.reads(Input::Edge),
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

    /// A number as a value that every edge or node has.
    fn number_value(&mut self, number: Number, span: Span) -> Read<Expr> {
        self.note_number(&number, Takes::Number, span)?;
        Some(Expr { kind: ExprKind::Number(number), span: self.within(span) })
    }

    /// Notes what the parameters in a number are used as.
    fn note_number(&mut self, number: &Number, takes: Takes, place: Span) -> Read<()> {
        match number {
            Number::Fixed(_) | Number::WidthOf(_) => Some(()),
            Number::Param(idx) => self.use_param(*idx, takes, place),
            Number::Neg(inner) => self.note_number(inner, takes, place),
            Number::Binary(_, a, b) => {
                let a = self.note_number(a, takes, place);
                self.note_number(b, takes, place).and(a)
            }
        }
    }

    fn operand(&mut self, expr: &'p ast::Expr) -> Read<Operand> {
        let place = expr.span;
        let what = match &expr.kind {
            Syntax::Number { value, .. } => return Some(Operand::Number(Number::Fixed(*value), place)),
            Syntax::Name(name) => return self.name(name, place),
            Syntax::Call(call) => return self.call(call, place),
            Syntax::Neg(inner) => {
                return Some(match self.operand(inner)? {
                    Operand::Number(number, _) => Operand::Number(Number::Neg(Box::new(number)), place),
                    Operand::Value(value) => Operand::Value(Expr {
                        kind: ExprKind::Neg(Box::new(value)),
                        span: self.within(place),
                    }),
                });
            }
            Syntax::Binary { op, lhs, rhs, .. } => {
                let (lhs, rhs) = (self.operand(lhs), self.operand(rhs));
                return self.binary(sign_of(*op), lhs?, rhs?, place);
            }
            Syntax::String(text) => format!("the text \"{text}\""),
            Syntax::Bool(value) => format!("`{value}`"),
            Syntax::List(_) => "a list".into(),
            Syntax::Pipeline(stages) => {
                self.touch_params(expr);
                self.ev.touch(expr, &Env::root(self.file));
                return self.refuse(report::pipeline(self.part, place, stages));
            }
        };
        self.touch_params(expr);
        let expects = format!("a value of each {}", row(self.part));
        self.refuse(args_check::wrong_kind(self.part.quoted(), &expects, &what, place))
    }

    fn binary(&mut self, sign: Sign, lhs: Operand, rhs: Operand, place: Span) -> Read<Operand> {
        if let (Operand::Number(a, _), Operand::Number(b, _)) = (&lhs, &rhs) {
            if sign == Sign::Div && *b == Number::Fixed(0.0) {
                return self.refuse(args_check::arithmetic("division by zero", place));
            }
            let number = Number::Binary(sign, Box::new(a.clone()), Box::new(b.clone()));
            return Some(Operand::Number(number, place));
        }
        let (lhs, rhs) = (self.as_value(lhs), self.as_value(rhs));
        let (lhs, rhs) = (Box::new(lhs?), Box::new(rhs?));
        Some(Operand::Value(Expr { kind: ExprKind::Binary { sign, lhs, rhs }, span: self.within(place) }))
    }

    fn as_value(&mut self, operand: Operand) -> Read<Expr> {
        match operand {
            Operand::Value(value) => Some(value),
            Operand::Number(number, span) => self.number_value(number, span),
        }
    }

    fn input(&mut self, input: Input, place: Span) -> Read<Expr> {
        if !input.is_read_by(self.part) {
            return self.refuse(report::wrong_space(self.part, input, place));
        }
        Some(Expr { kind: ExprKind::Input(input), span: self.within(place) })
    }

    fn name(&mut self, name: &'p str, place: Span) -> Read<Operand> {
        if let Some(input) = Input::find(name) {
            return self.input(input, place).map(Operand::Value);
        }
        if let Some(&idx) = self.places.get(name) {
            self.mark_param(idx);
            return Some(Operand::Number(Number::Param(idx), place));
        }
        if let Some(value) = self.node_value(name, place) {
            return value.map(Operand::Value);
        }
        if let Some(known) = self.ev.definition(self.file, name) {
            return self.constant(name, &known, place);
        }
        if let Some(function) = Function::find(name) {
            return self.refuse(report::not_called(function, place));
        }
        self.unknown(name, place, false)
    }

    /// `h` in a value of each node, `h_i` and `h_j` elsewhere; `None` where the name is not one of theirs.
    fn node_value(&mut self, name: &str, place: Span) -> Option<Read<Expr>> {
        let (base, end) = match (name.strip_suffix("_i"), name.strip_suffix("_j")) {
            (Some(base), _) => (base, End::Target),
            (_, Some(base)) => (base, End::Source),
            _ => (name, End::Own),
        };
        let find = |name: &str| self.nodes.iter().position(|(known, _)| known.text == name);
        // A value may have such a name itself.
        let (idx, end) = match find(name) {
            Some(idx) => (idx, End::Own),
            None => (find(base)?, end),
        };
        self.nodes[idx].1 = true;
        let base = &self.nodes[idx].0.text;
        let is_right = match self.part {
            Part::Node => end == End::Own,
            Part::Message => end != End::Own,
            Part::Update => end == End::Target,
        };
        if !is_right {
            return Some(self.refuse(report::wrong_end(self.part, &base.clone(), name, place)));
        }
        Some(Some(Expr { kind: ExprKind::Node { idx, end }, span: self.within(place) }))
    }

    /// A `let` of the file.
    fn constant(&mut self, name: &str, known: &Known<'p>, place: Span) -> Read<Operand> {
        self.ev.mark_definition(known);
        let what = match known.kind {
            DefinitionKind::Let { .. } => match self.ev.eval_let(known) {
                Value::Int(value) => return Some(Operand::Number(Number::Fixed(value as f64), place)),
                Value::Float(value) => return Some(Operand::Number(Number::Fixed(value), place)),
                Value::Bad | Value::Unknown => {
                    self.is_sound = false;
                    return None;
                }
                Value::Pipeline(_) => "a `let` that names a pipeline",
                _ => {
                    let finding = args_check::wrong_kind(
                        self.part.quoted(),
                        "numbers and values",
                        &format!("`{name}`"),
                        place,
                    );
                    return self.refuse(finding.label(known.name.span, format!("`{name}` is defined here")));
                }
            },
            DefinitionKind::Block { .. } => "a block",
            DefinitionKind::Edges { .. } => {
                "a value of the edges, which a call gives as `edge = …` and a body reads as `e_ij`"
            }
            DefinitionKind::Conv { conv } if conv.name.span == self.conv.name.span => "this convolution",
            DefinitionKind::Conv { .. } => "a convolution",
        };
        self.refuse(
            report::stage_in_body(self.part, name, what, place).label(known.name.span, "defined here"),
        )
    }

    fn unknown<T>(&mut self, name: &str, place: Span, is_call: bool) -> Read<T> {
        if self.ev.is_missing(self.file, name) {
            self.is_sound = false;
            return None;
        }
        if ops::find(name).is_some() || name == ops::INPUT.name() {
            return self.refuse(report::stage_in_body(self.part, name, "an operator", place));
        }
        if report::reads_order(name) {
            return self.refuse(report::order(name, place));
        }
        let mut visible: Vec<&str> = self.conv.params.iter().map(|param| param.name.text.as_str()).collect();
        visible.extend(self.ev.definition_names(self.file));
        let nodes: Vec<String> = self.nodes.iter().flat_map(|(name, _)| self.names_of(&name.text)).collect();
        visible.extend(nodes.iter().map(String::as_str));
        let inputs = Input::ALL.iter().filter(|input| input.is_read_by(self.part)).map(|input| input.name());
        let inputs: Vec<&str> = inputs.collect();
        if let Some(meant) = names::did_you_mean(name, visible.iter().copied()) {
            match self.places.get(meant) {
                Some(&idx) => self.mark_param(idx),
                None => self.ev.touch_name(meant, &Env::root(self.file)),
            }
        }
        let head = self.conv.name.span;
        self.refuse(report::unknown_name(self.part, name, place, is_call, &inputs, &visible, head))
    }

    /// As what the part reads a value of each node.
    fn names_of(&self, node: &str) -> Vec<String> {
        match self.part {
            Part::Node => vec![node.to_owned()],
            Part::Message => vec![format!("{node}_i"), format!("{node}_j")],
            Part::Update => vec![format!("{node}_i")],
        }
    }

    fn call(&mut self, call: &'p ast::Call, place: Span) -> Read<Operand> {
        let (name, name_place) = (call.callee.text.as_str(), call.callee.span);
        if let Some(function) = Function::find(name) {
            return self.function(function, call, place);
        }
        if let Some(&idx) = self.places.get(name) {
            // A parameter that stands for a function of one value.
            self.use_param(idx, Takes::Function, name_place)?;
            return match &call.args[..] {
                [ast::Arg { name: None, value }] => {
                    let value = self.operand(value)?;
                    let value = Box::new(self.as_value(value)?);
                    let kind = ExprKind::Map { function: Word::Param(idx), value, numbers: Vec::new() };
                    Some(Operand::Value(Expr { kind, span: self.within(place) }))
                }
                _ => self.refuse(report::one_value(name, call.args_span)),
            };
        }
        for arg in &call.args {
            self.touch_params(&arg.value);
            self.ev.touch(&arg.value, &Env::root(self.file));
        }
        if let Some(input) = Input::find(name) {
            return self.refuse(args_check::takes_none(input.name(), "a value", call.args_span));
        }
        match self.ev.definition(self.file, name) {
            Some(known) if !matches!(known.kind, DefinitionKind::Let { .. }) => {
                self.constant(name, &known, name_place)
            }
            Some(known) => {
                self.ev.mark_definition(&known);
                self.refuse(args_check::takes_none(name, "a value", call.args_span))
            }
            None => self.unknown(name, name_place, true),
        }
    }

    /// The arguments of a function by slot, and the values beyond them. Mistakes are reported.
    fn arguments(
        &mut self,
        function: &'static Function,
        call: &'p ast::Call,
        place: Span,
    ) -> Read<(Vec<Option<&'p ast::Expr>>, Vec<&'p ast::Expr>)> {
        let mut slots: Vec<Option<&'p ast::Expr>> = vec![None; function.slots.len()];
        let mut values = Vec::new();
        let mut is_fine = true;
        let mut after_name: Option<&Ident> = None;
        let mut excess = Vec::new();
        for arg in &call.args {
            let Some(name) = &arg.name else {
                if let Some(first) = after_name {
                    let finding = args_check::positional_after_named(
                        function.name,
                        (arg.value.span, &arg.value),
                        &first.text,
                        first.span,
                    );
                    self.refuse::<()>(finding);
                    is_fine = false;
                    continue;
                }
                let free =
                    function.slots.iter().zip(&slots).position(|(slot, at)| slot.positional && at.is_none());
                match free {
                    Some(idx) => slots[idx] = Some(&arg.value),
                    None if function.many.is_some() => values.push(&arg.value),
                    None => excess.push(arg.value.span),
                }
                continue;
            };
            after_name.get_or_insert(name);
            let span = name.span.to(arg.value.span);
            match function.slots.iter().position(|slot| slot.name == name.text) {
                Some(idx) => match slots[idx] {
                    Some(first) => {
                        let finding =
                            args_check::duplicate(function.name, "argument", &name.text, span, first.span);
                        self.refuse::<()>(finding);
                        is_fine = false;
                    }
                    None => slots[idx] = Some(&arg.value),
                },
                None => {
                    let known: Vec<_> = function.slots.iter().map(|slot| slot.name).collect();
                    let finding =
                        args_check::unknown(function.name, "argument", &name.text, name.span, &known);
                    self.refuse::<()>(finding);
                    is_fine = false;
                }
            }
        }
        if let Some(first) = excess.first() {
            self.refuse::<()>(report::too_many_values(function, *first));
            is_fine = false;
        }
        let is_missing = |slot: &Slot, at: &Option<&ast::Expr>| {
            at.is_none()
                && !matches!(
                    slot.takes,
                    SlotKind::Number(_)
                        | SlotKind::MaybeCount
                        | SlotKind::MaybeProbability(_)
                        | SlotKind::Counts
                        | SlotKind::Map(_)
                        | SlotKind::Flag(_)
                        | SlotKind::Start(_)
                )
        };
        let missing = function.slots.iter().zip(&slots).find(|(slot, at)| is_missing(slot, at));
        let lacks_values = function.many.is_some_and(|least| values.len() < least);
        if is_fine && (missing.is_some() || lacks_values) {
            let missing = missing.map(|(slot, _)| slot.name);
            self.refuse::<()>(report::too_few_values(function, missing, place));
            is_fine = false;
        }
        if !is_fine {
            for arg in &call.args {
                self.touch_params(&arg.value);
                self.ev.touch(&arg.value, &Env::root(self.file));
            }
            return None;
        }
        Some((slots, values))
    }

    fn function(&mut self, function: &'static Function, call: &'p ast::Call, place: Span) -> Read<Operand> {
        let (slots, rest) = self.arguments(function, call, place)?;
        if function.kind == Kind::Width {
            let argument = slots[0]?;
            let input = match &argument.kind {
                Syntax::Name(name) => Input::find(name),
                _ => None,
            };
            return match input {
                Some(input @ (Input::Own | Input::Target | Input::Source | Input::Edge)) => {
                    if input == Input::Edge && self.part != Part::Message {
                        return self.refuse(report::wrong_space(self.part, input, argument.span));
                    }
                    Some(Operand::Number(Number::WidthOf(input), place))
                }
                _ => self.refuse(report::width_of(argument.span)),
            };
        }
        // All arguments are read, so that each mistake has its message.
        let mut numbers: Vec<Option<Number>> = Vec::new();
        let mut values: Vec<Expr> = Vec::new();
        let mut flags = Vec::new();
        let mut start = Start::Kaiming;
        let mut hidden: Option<Vec<Number>> = None;
        let mut activation: Option<Word<&'static Function>> = None;
        let mut is_fine = true;
        // Names of weights count from the outside in, as the text is read.
        let weight_name = match function.kind {
            Kind::Linear | Kind::Mlp | Kind::Weight => {
                let count = self.counts.entry(function.name).or_insert(0);
                *count += 1;
                let (count, name) = (*count, function.name);
                match self.part {
                    Part::Node => format!("{}.{name}{count}", text::node_name(self.nodes.len())),
                    part => format!("{}.{name}{count}", part.name()),
                }
            }
            _ => String::new(),
        };
        for (slot, argument) in function.slots.iter().zip(&slots) {
            let what = format!("`{}` of `{}`", slot.name, function.name);
            let fine = match (slot.takes, argument) {
                (SlotKind::Value | SlotKind::Input, Some(expr)) => self.value_argument(expr, &mut values),
                (SlotKind::Count, Some(expr)) => {
                    self.number_argument(&what, expr, Takes::Count).map(|n| numbers.push(Some(n)))
                }
                (SlotKind::MaybeCount, Some(expr)) => {
                    self.number_argument(&what, expr, Takes::Count).map(|n| numbers.push(Some(n)))
                }
                (SlotKind::Number(_), Some(expr)) => {
                    self.number_argument(&what, expr, Takes::Number).map(|n| numbers.push(Some(n)))
                }
                (SlotKind::Probability | SlotKind::MaybeProbability(_), Some(expr)) => {
                    self.number_argument(&what, expr, Takes::Probability).map(|n| numbers.push(Some(n)))
                }
                (SlotKind::Counts, Some(expr)) => {
                    self.counts_argument(&what, expr).map(|list| hidden = Some(list))
                }
                (SlotKind::Counts, None) => Some(()),
                (SlotKind::Map(_), Some(expr)) => {
                    self.map_argument(&what, expr).map(|word| activation = Some(word))
                }
                (SlotKind::Map(default), None) => {
                    activation = Function::find(default).map(Word::Fixed);
                    Some(())
                }
                (SlotKind::Number(default) | SlotKind::MaybeProbability(default), None) => {
                    numbers.push(Some(Number::Fixed(default)));
                    Some(())
                }
                (SlotKind::MaybeCount, None) => {
                    numbers.push(None);
                    Some(())
                }
                (SlotKind::Flag(_), Some(expr)) => self.flag(&what, expr).map(|flag| flags.push(flag)),
                (SlotKind::Flag(default), None) => {
                    flags.push(Flag::Fixed(default));
                    Some(())
                }
                (SlotKind::Start(_), Some(expr)) => self.start(&what, expr).map(|word| start = word),
                (SlotKind::Start(default), None) => {
                    start = default;
                    Some(())
                }
                (SlotKind::Value | SlotKind::Input | SlotKind::Count | SlotKind::Probability, None) => None,
            };
            is_fine &= fine.is_some();
        }
        for expr in rest {
            is_fine &= self.value_argument(expr, &mut values).is_some();
        }
        if !is_fine {
            return None;
        }
        if function.kind == Kind::Softmax && self.part != Part::Message {
            return self.refuse(report::softmax_outside(self.part, place));
        }
        if function.kind == Kind::Mlp && hidden.as_ref().is_some_and(Vec::is_empty) {
            // What stands between layers, where there is one layer.
            let is_between =
                |slot: &Slot| matches!(slot.takes, SlotKind::Map(_) | SlotKind::MaybeProbability(_));
            let between = call.args.iter().find_map(|arg| {
                let name = arg.name.as_ref()?;
                let slot = function.slots.iter().find(|slot| slot.name == name.text)?;
                is_between(slot).then(|| (slot.name, name.span.to(arg.value.span)))
            });
            if let Some((name, place)) = between {
                return self.refuse(report::no_hidden_layer(name, place));
            }
        }
        let mut values = values.into_iter();
        let mut value = || values.next().map(Box::new);
        let mut numbers = numbers.into_iter();
        let kind = match function.kind {
            Kind::Map => ExprKind::Map {
                function: Word::Fixed(function),
                value: value()?,
                numbers: numbers.flatten().collect(),
            },
            Kind::Max | Kind::Min => {
                ExprKind::Extreme { is_max: function.kind == Kind::Max, lhs: value()?, rhs: value()? }
            }
            Kind::Linear => ExprKind::Linear {
                name: weight_name.into(),
                width: numbers.next()??,
                values: values.collect(),
                bias: flags[0],
                start,
            },
            Kind::Mlp => ExprKind::Mlp {
                name: weight_name.into(),
                width: numbers.next()??,
                values: values.collect(),
                hidden,
                activation: activation?,
                dropout: numbers.next()??,
            },
            Kind::Weight => {
                ExprKind::Weight { name: weight_name.into(), shape: numbers.flatten().collect(), start }
            }
            Kind::Concat => ExprKind::Concat(values.collect()),
            Kind::Dot => ExprKind::Dot(value()?, value()?),
            Kind::Matvec => ExprKind::Matvec { matrix: value()?, vector: value()? },
            Kind::Softmax => ExprKind::Softmax(value()?),
            Kind::Heads => ExprKind::Heads { value: value()?, n: numbers.next()?? },
            Kind::Flat => ExprKind::Flat(value()?),
            Kind::MeanHeads => ExprKind::MeanHeads(value()?),
            Kind::Dropout => ExprKind::Dropout { value: value()?, p: numbers.next()?? },
            Kind::Width => return None,
        };
        Some(Operand::Value(Expr { kind, span: self.within(place) }))
    }

    fn value_argument(&mut self, expr: &'p ast::Expr, values: &mut Vec<Expr>) -> Read<()> {
        let operand = self.operand(expr)?;
        values.push(self.as_value(operand)?);
        Some(())
    }

    /// A number that is known at the call, with its parameters used as `takes`.
    fn number_argument(&mut self, what: &str, expr: &'p ast::Expr, takes: Takes) -> Read<Number> {
        let number = match self.operand(expr)? {
            Operand::Number(number, _) => number,
            Operand::Value(_) => {
                return self.refuse(report::not_a_number(what, row(self.part), expr.span));
            }
        };
        self.note_number(&number, takes, expr.span)?;
        if let Some(value) = fixed(&number) {
            let fits = match takes {
                Takes::Count => value.fract() == 0.0 && (1.0..=MAX_COUNT as f64).contains(&value),
                Takes::Probability => (0.0..1.0).contains(&value),
                _ => value.is_finite(),
            };
            if !fits {
                let spec = spec_of(&Parameter {
                    name: what.split('`').nth(1).unwrap_or("width").to_owned(),
                    takes,
                    default: None,
                });
                let finding = if takes == Takes::Count && value.fract() != 0.0 {
                    args_check::wrong_kind(what, "a whole number", &value.to_string(), expr.span)
                } else {
                    args_check::out_of_range(what, value, &spec, expr.span)
                };
                return self.refuse(finding);
            }
        }
        Some(number)
    }

    /// `hidden = [64, 2 * out]`
    fn counts_argument(&mut self, what: &str, expr: &'p ast::Expr) -> Read<Vec<Number>> {
        match &expr.kind {
            Syntax::List(items) => {
                let list: Vec<_> =
                    items.iter().map(|item| self.number_argument(what, item, Takes::Count)).collect();
                list.into_iter().collect()
            }
            Syntax::Name(name) if self.places.contains_key(name.as_str()) => {
                self.touch_params(expr);
                self.refuse(report::not_a_list(what, &format!("`{name}`"), Some(name), expr.span))
            }
            _ => match self.ev.eval(expr, &Env::root(self.file)) {
                // A `let` that holds a list.
                Value::List(items) => {
                    let mut list = Vec::new();
                    for (item, span) in items.iter() {
                        match item {
                            Value::Int(value) if (1..=MAX_COUNT).contains(value) => {
                                list.push(Number::Fixed(*value as f64));
                            }
                            Value::Bad | Value::Unknown => self.is_sound = false,
                            other => {
                                let expects = format!("whole numbers from 1 to {MAX_COUNT}");
                                let finding =
                                    args_check::wrong_kind(what, &expects, &other.describe(), *span);
                                self.refuse::<()>(finding);
                            }
                        }
                    }
                    (list.len() == items.len()).then_some(list)
                }
                Value::Int(value) => {
                    let text = value.to_string();
                    self.refuse(report::not_a_list(what, &text, Some(&text), expr.span))
                }
                Value::Bad | Value::Unknown => {
                    self.is_sound = false;
                    None
                }
                other => self.wrong_value(what, "a list of widths", other, expr),
            },
        }
    }

    /// `activation = elu`: the name of a function of one value, or a parameter that stands for one.
    fn map_argument(&mut self, what: &str, expr: &'p ast::Expr) -> Read<Word<&'static Function>> {
        if let Syntax::Name(name) = &expr.kind {
            if let Some(&idx) = self.places.get(name.as_str()) {
                self.use_param(idx, Takes::Function, expr.span)?;
                return Some(Word::Param(idx));
            }
            return match Function::find(name).filter(|function| function.kind == Kind::Map) {
                Some(function) => Some(Word::Fixed(function)),
                None => self.refuse(args_check::wrong_word(what, name, expr.span, Function::map_names())),
            };
        }
        self.touch_params(expr);
        let value = self.ev.eval(expr, &Env::root(self.file));
        let expects = format!("one of {}", crate::args::words_list(Function::map_names()));
        self.wrong_value(what, &expects, value, expr)
    }

    fn flag(&mut self, what: &str, expr: &'p ast::Expr) -> Read<Flag> {
        match &expr.kind {
            Syntax::Bool(value) => Some(Flag::Fixed(*value)),
            Syntax::Name(name) if self.places.contains_key(name.as_str()) => {
                let idx = self.places[name.as_str()];
                self.use_param(idx, Takes::Flag, expr.span)?;
                Some(Flag::Param(idx))
            }
            _ => match self.ev.eval(expr, &Env::root(self.file)) {
                Value::Bool(value) => Some(Flag::Fixed(value)),
                other => self.wrong_value(what, "`true` or `false`", other, expr),
            },
        }
    }

    fn wrong_value<T>(
        &mut self,
        what: &str,
        expects: &str,
        value: Value<'p>,
        expr: &'p ast::Expr,
    ) -> Read<T> {
        self.is_sound = false;
        self.touch_params(expr);
        match value {
            Value::Bad | Value::Unknown => None,
            Value::Word { text, thunk } => {
                self.ev.report_word(text, &thunk, expects, what);
                None
            }
            other => self.refuse(args_check::wrong_kind(what, expects, &other.describe(), expr.span)),
        }
    }

    fn start(&mut self, what: &str, expr: &'p ast::Expr) -> Read<Start> {
        const ALL: [Start; 4] = [Start::Kaiming, Start::Glorot, Start::Zeros, Start::Ones];
        match &expr.kind {
            Syntax::Name(name) => match Start::NAMES.iter().position(|known| known == name) {
                Some(idx) => Some(ALL[idx]),
                None => self.refuse(args_check::wrong_word(what, name, expr.span, Start::NAMES)),
            },
            _ => {
                let value = self.ev.eval(expr, &Env::root(self.file));
                let expects = format!("one of {}", crate::args::words_list(Start::NAMES));
                self.wrong_value(what, &expects, value, expr)
            }
        }
    }

    fn aggregates(&mut self, expr: &'p ast::Expr) -> Read<Vec<Word<Aggregate>>> {
        let list: Vec<&'p ast::Expr> = match &expr.kind {
            Syntax::List(items) => items.iter().collect(),
            _ => vec![expr],
        };
        if list.is_empty() {
            return self.refuse(report::no_aggregate(expr.span));
        }
        let mut words: Vec<(Word<Aggregate>, Span)> = Vec::new();
        let mut is_fine = true;
        for item in list {
            match self.aggregate(item) {
                Some(Word::Fixed(word)) if words.iter().any(|(known, _)| *known == Word::Fixed(word)) => {
                    let finding = args_check::twice_in_list("`aggregate`", word.name(), item.span);
                    self.refuse::<()>(finding);
                    is_fine = false;
                }
                Some(word) => words.push((word, item.span)),
                None => is_fine = false,
            }
        }
        is_fine.then(|| words.into_iter().map(|(word, _)| word).collect())
    }

    fn aggregate(&mut self, expr: &'p ast::Expr) -> Read<Word<Aggregate>> {
        let name = match &expr.kind {
            Syntax::Name(name) => name.as_str(),
            Syntax::Call(call) if Aggregate::find(&call.callee.text).is_some() => {
                return self.refuse(report::called_aggregate(&call.callee.text, expr.span));
            }
            Syntax::Call(call) => call.callee.text.as_str(),
            _ => {
                let value = self.ev.eval(expr, &Env::root(self.file));
                let expects = format!("one of {}", crate::args::words_list(Aggregate::NAMES));
                return self.wrong_value("`aggregate`", &expects, value, expr);
            }
        };
        if let Some(&idx) = self.places.get(name) {
            self.use_param(idx, Takes::Aggregate, expr.span)?;
            return Some(Word::Param(idx));
        }
        if let Some(word) = Aggregate::find(name) {
            return Some(Word::Fixed(word));
        }
        // A `let` that holds a word.
        if let Some(known) = self.ev.definition(self.file, name)
            && matches!(known.kind, DefinitionKind::Let { .. })
        {
            self.ev.mark_definition(&known);
            match self.ev.eval_let(&known) {
                Value::Word { text, .. } if Aggregate::find(text).is_some() => {
                    return Aggregate::find(text).map(Word::Fixed);
                }
                Value::Bad | Value::Unknown => {
                    self.is_sound = false;
                    return None;
                }
                _ => {}
            }
        }
        if self.ev.is_missing(self.file, name) {
            self.is_sound = false;
            return None;
        }
        self.refuse(report::unknown_aggregate(name, expr.span))
    }
}

/// What a part has one value of.
fn row(part: Part) -> &'static str {
    match part {
        Part::Message => "edge",
        Part::Node | Part::Update => "node",
    }
}

fn sign_of(op: BinaryOp) -> Sign {
    match op {
        BinaryOp::Add => Sign::Add,
        BinaryOp::Sub => Sign::Sub,
        BinaryOp::Mul => Sign::Mul,
        BinaryOp::Div => Sign::Div,
    }
}

/// The value of a number without parameters.
fn fixed(number: &Number) -> Option<f64> {
    match number {
        Number::Fixed(value) => Some(*value),
        Number::Param(_) | Number::WidthOf(_) => None,
        Number::Neg(inner) => Some(-fixed(inner)?),
        Number::Binary(sign, a, b) => Some(sign.of(fixed(a)?, fixed(b)?)),
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
