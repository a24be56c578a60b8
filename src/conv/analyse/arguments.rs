//! Arguments of functions, by what a slot takes: values, numbers, lists of widths, words.

use super::{Analyzer, Operand, Read, row};
use crate::bind::{Env, Value};
use crate::conv::findings as report;
use crate::conv::functions::{Function, Kind};
use crate::conv::operator::{MAX_COUNT, spec_of};
use crate::conv::{Expr, Flag, Number, Parameter, Start, Takes, Word};
use crate::findings::args as args_check;
use crate::syntax::ast::{self, ExprKind as Syntax};

impl<'p> Analyzer<'_, 'p> {
    pub(super) fn value_argument(&mut self, expr: &'p ast::Expr, values: &mut Vec<Expr>) -> Read<()> {
        let operand = self.operand(expr)?;
        values.push(self.as_value(operand)?);
        Some(())
    }

    /// A number that is known at the call, with its parameters used as `takes`.
    pub(super) fn number_argument(&mut self, what: &str, expr: &'p ast::Expr, takes: Takes) -> Read<Number> {
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
    pub(super) fn counts_argument(&mut self, what: &str, expr: &'p ast::Expr) -> Read<Vec<Number>> {
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
    pub(super) fn map_argument(&mut self, what: &str, expr: &'p ast::Expr) -> Read<Word<&'static Function>> {
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

    pub(super) fn flag(&mut self, what: &str, expr: &'p ast::Expr) -> Read<Flag> {
        match &expr.kind {
            Syntax::Bool(value) => Some(Flag::Fixed(*value)),
            Syntax::Name(name) if self.places.contains_key(name.as_str()) => {
                let idx = self.places[name.as_str()];
                self.use_param(idx, Takes::Flag, expr.span)?;
                Some(Flag::Param(idx))
            }
            _ => match self.ev.eval(expr, &Env::root(self.file)) {
                Value::Bool(value) => Some(Flag::Fixed(value)),
                Value::Int(value) => {
                    let meant = (value != 0).to_string();
                    let finding =
                        args_check::wrong_kind(what, "`true` or `false`", &value.to_string(), expr.span);
                    self.refuse(finding.help(format!("write `{meant}`")).guess(expr.span, meant))
                }
                other => self.wrong_value(what, "`true` or `false`", other, expr),
            },
        }
    }

    pub(super) fn wrong_value<T>(
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

    pub(super) fn start(&mut self, what: &str, expr: &'p ast::Expr) -> Read<Start> {
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
}

/// The value of a number without parameters.
/// The value of a number without parameters.
pub(super) fn fixed(number: &Number) -> Option<f64> {
    match number {
        Number::Fixed(value) => Some(*value),
        Number::Param(_) | Number::WidthOf(_) => None,
        Number::Neg(inner) => Some(-fixed(inner)?),
        Number::Binary(sign, a, b) => Some(sign.of(fixed(a)?, fixed(b)?)),
    }
}
