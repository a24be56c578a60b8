//! Formulas: operands, arithmetic, and what each name stands for in the part that reads it.

use super::arguments::fixed;
use super::{Analyzer, Operand, Read, row};
use crate::bind::{Definition as Known, DefinitionKind, Env, Value};
use crate::conv::findings as report;
use crate::conv::functions::Function;
use crate::conv::{End, Expr, ExprKind, Input, Number, Part, Sign, Takes};
use crate::findings::elsewhere::written;
use crate::findings::{args as args_check, names};
use crate::ops;
use crate::source::Span;
use crate::syntax::ast::{self, BinaryOp, ExprKind as Syntax};

impl<'p> Analyzer<'_, 'p> {
    /// A number as a value that every edge or node has.
    pub(super) fn number_value(&mut self, number: Number, span: Span) -> Read<Expr> {
        self.note_number(&number, Takes::Number, span)?;
        if let Some(value) = fixed(&number).filter(|value| !(*value as f32).is_finite()) {
            let why = format!("{value:e} is beyond what a number of 32 bits holds, 3.4e38");
            return self.refuse(args_check::arithmetic(&why, span));
        }
        Some(Expr { kind: ExprKind::Number(number), span: self.within(span) })
    }

    /// Notes what the parameters in a number are used as.
    pub(super) fn note_number(&mut self, number: &Number, takes: Takes, place: Span) -> Read<()> {
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

    pub(super) fn operand(&mut self, expr: &'p ast::Expr) -> Read<Operand> {
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
                let Some(sign) = sign_of(*op) else {
                    return self.refuse(args_check::arithmetic("a range is no number", place));
                };
                return self.binary(sign, lhs?, rhs?, place);
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
        let finding = args_check::wrong_kind(self.part.quoted(), &expects, &what, place);
        self.refuse(match &expr.kind {
            Syntax::List(items) if items.len() > 1 => {
                let items: Vec<String> = items.iter().map(written).collect();
                let meant = format!("concat({})", items.join(", "));
                finding.help(format!("to put values side by side write `{meant}`")).guess(place, meant)
            }
            _ => finding,
        })
    }

    pub(super) fn binary(&mut self, sign: Sign, lhs: Operand, rhs: Operand, place: Span) -> Read<Operand> {
        if let (Operand::Number(a, _), Operand::Number(b, _)) = (&lhs, &rhs) {
            if sign == Sign::Div && *b == Number::Fixed(0.0) {
                return self.refuse(args_check::arithmetic("division by zero", place));
            }
            let number = Number::Binary(sign, Box::new(a.clone()), Box::new(b.clone()));
            return Some(Operand::Number(number, place));
        }
        if let (Sign::Div, Operand::Number(by, _)) = (sign, &rhs)
            && fixed(by) == Some(0.0)
        {
            return self.refuse(args_check::arithmetic("division by zero", place));
        }
        let (lhs, rhs) = (self.as_value(lhs), self.as_value(rhs));
        let (lhs, rhs) = (Box::new(lhs?), Box::new(rhs?));
        Some(Operand::Value(Expr { kind: ExprKind::Binary { sign, lhs, rhs }, span: self.within(place) }))
    }

    pub(super) fn as_value(&mut self, operand: Operand) -> Read<Expr> {
        match operand {
            Operand::Value(value) => Some(value),
            Operand::Number(number, span) => self.number_value(number, span),
        }
    }

    pub(super) fn input(&mut self, input: Input, place: Span) -> Read<Expr> {
        if !input.is_read_by(self.part) {
            return self.refuse(report::wrong_space(self.part, input, place));
        }
        Some(Expr { kind: ExprKind::Input(input), span: self.within(place) })
    }

    pub(super) fn name(&mut self, name: &'p str, place: Span) -> Read<Operand> {
        if let Some(input) = Input::find(name) {
            if let Some(known) = self.ev.definition(self.file, name) {
                self.ev.mark_definition(&known);
                if self.shadowed.insert(name) {
                    self.refuse::<()>(report::input_of_file(name, place, known.name.span));
                }
            }
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
            let example = report::example(function.example, self.part, self.has_out());
            return self.refuse(report::not_called(function, place, &example));
        }
        self.unknown(name, place, false)
    }

    /// `h` in a value of each node, `h_i` and `h_j` elsewhere; `None` where the name is not one of theirs.
    pub(super) fn node_value(&mut self, name: &str, place: Span) -> Option<Read<Expr>> {
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
    pub(super) fn constant(&mut self, name: &str, known: &Known<'p>, place: Span) -> Read<Operand> {
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

    pub(super) fn unknown<T>(&mut self, name: &str, place: Span, is_call: bool) -> Read<T> {
        if self.ev.is_missing(self.file, name) {
            self.is_sound = false;
            return None;
        }
        if ops::find(name).is_some() || name == ops::INPUT.name() {
            return self.refuse(report::stage_in_body(self.part, name, "an operator", place));
        }
        if report::reads_order(name) {
            return self.refuse(report::order(name, place, Some(self.part)));
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
    pub(super) fn names_of(&self, node: &str) -> Vec<String> {
        match self.part {
            Part::Node => vec![node.to_owned()],
            Part::Message => vec![format!("{node}_i"), format!("{node}_j")],
            Part::Update => vec![format!("{node}_i")],
        }
    }
}

fn sign_of(op: BinaryOp) -> Option<Sign> {
    match op {
        BinaryOp::Add => Some(Sign::Add),
        BinaryOp::Sub => Some(Sign::Sub),
        BinaryOp::Mul => Some(Sign::Mul),
        BinaryOp::Div => Some(Sign::Div),
        BinaryOp::Range => None,
    }
}
