//! A definition as the canonical form writes it: one call, with the values of a stage in place of the parameters. So
//! neither the names that a file gives nor its layout change it.
//!
//! ```text
//! message_passing(message = sigmoid(linear(64, x_j, bias = true, init = kaiming)), aggregate = [mean], self_loops = false)
//! ```

use super::functions::Function;
use super::{Aggregate, Definition, Expr, ExprKind, Flag, Number, Sign, Word};
use crate::args::{ArgValue, Args, float_text};
use std::fmt::Write;

/// What stands for the name of a definition.
pub const NAME: &str = "message_passing";

/// The parameter that stands for the width where a stage leaves it out.
pub const OUT: &str = "out";

/// The call that says all of a stage.
pub fn call(definition: &Definition, args: &Args) -> String {
    format!("{NAME}({})", entries(definition, args).join(", "))
}

/// The parts with their values, `update` where it is more than what was aggregated. A parameter that `args` do not have
/// stands there by its name.
pub fn entries(definition: &Definition, args: &Args) -> Vec<String> {
    let writer = Writer { definition, args };
    let nodes = definition.nodes.iter().enumerate();
    let mut entries: Vec<_> =
        nodes.map(|(idx, node)| format!("{} = {}", node_name(idx), writer.expr(node, Place::Free))).collect();
    entries.push(format!("message = {}", writer.expr(&definition.message, Place::Free)));
    let words: Vec<&str> = definition.aggregates.iter().map(|word| writer.aggregate(*word)).collect();
    entries.push(format!("aggregate = [{}]", words.join(", ")));
    match &definition.update {
        Some(Expr { kind: ExprKind::Input(super::Input::Aggregated), .. }) | None => {}
        Some(update) => entries.push(format!("update = {}", writer.expr(update, Place::Free))),
    }
    entries.push(format!("self_loops = {}", writer.flag(definition.self_loops)));
    entries
}

/// What a value of each node is called, and what the names of its weights begin with.
pub fn node_name(idx: usize) -> String {
    format!("node{}", idx + 1)
}

/// Where an expression stands: what needs parentheses there.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
enum Place {
    Free,
    /// On the left of `+`.
    Sum,
    /// On the right of `+` or the left of `*`.
    Product,
    /// On the right of `*` or behind a minus.
    Operand,
}

struct Writer<'a> {
    definition: &'a Definition,
    args: &'a Args,
}

impl Writer<'_> {
    fn arg(&self, idx: usize) -> Option<&ArgValue> {
        Some(&self.args.get(&self.definition.params[idx].name)?.value)
    }

    fn flag(&self, flag: Flag) -> &str {
        match flag {
            Flag::Fixed(true) => "true",
            Flag::Fixed(false) => "false",
            Flag::Param(idx) => match self.arg(idx) {
                Some(ArgValue::Bool(true)) => "true",
                Some(_) => "false",
                None => &self.definition.params[idx].name,
            },
        }
    }

    fn word(&self, idx: usize) -> &str {
        match self.arg(idx) {
            Some(ArgValue::Choice(word)) => word,
            _ => &self.definition.params[idx].name,
        }
    }

    fn function(&self, word: &Word<&'static Function>) -> &str {
        match word {
            Word::Fixed(function) => function.name,
            Word::Param(idx) => self.word(*idx),
        }
    }

    fn aggregate(&self, word: Word<Aggregate>) -> &str {
        match word {
            Word::Fixed(aggregate) => aggregate.name(),
            Word::Param(idx) => self.word(idx),
        }
    }

    /// The value of a number, where all of it is known.
    fn value(&self, number: &Number) -> Option<f64> {
        Some(match number {
            Number::Fixed(value) => *value,
            Number::Param(idx) => match self.arg(*idx)? {
                ArgValue::Int(value) => *value as f64,
                ArgValue::Float(value) => *value,
                _ => return None,
            },
            Number::WidthOf(_) => return None,
            Number::Neg(inner) => -self.value(inner)?,
            Number::Binary(sign, a, b) => sign.of(self.value(a)?, self.value(b)?),
        })
    }

    fn number(&self, number: &Number, place: Place, is_count: bool) -> String {
        if let Some(value) = self.value(number) {
            let value = if value.is_finite() { value } else { 0.0 };
            let is_whole = is_count && value.fract() == 0.0 && value.abs() < 9e15;
            let text = if is_whole { (value as i64).to_string() } else { float_text(value) };
            return if value < 0.0 && place >= Place::Product { format!("({text})") } else { text };
        }
        match number {
            Number::Fixed(value) => float_text(*value),
            // In a stage only the width that is inferred has no value.
            Number::Param(idx) => self.definition.params[*idx].name.clone(),
            Number::WidthOf(input) => format!("width({})", input.name()),
            Number::Neg(inner) => {
                let text = format!("-{}", self.number(inner, Place::Operand, is_count));
                if place >= Place::Product { format!("({text})") } else { text }
            }
            Number::Binary(sign, a, b) => self.binary(
                *sign,
                place,
                |place| self.number(a, place, is_count),
                |place| self.number(b, place, is_count),
            ),
        }
    }

    fn binary(
        &self,
        sign: Sign,
        place: Place,
        lhs: impl Fn(Place) -> String,
        rhs: impl Fn(Place) -> String,
    ) -> String {
        let is_sum = matches!(sign, Sign::Add | Sign::Sub);
        let (left, right) =
            if is_sum { (Place::Sum, Place::Product) } else { (Place::Product, Place::Operand) };
        let text = format!("{} {} {}", lhs(left), sign.text(), rhs(right));
        let limit = if is_sum { Place::Sum } else { Place::Product };
        if place > limit { format!("({text})") } else { text }
    }

    fn expr(&self, expr: &Expr, place: Place) -> String {
        let inner = |expr: &Expr| self.expr(expr, Place::Free);
        let list = |values: &[Expr]| values.iter().map(inner).collect::<Vec<_>>().join(", ");
        let count = |number: &Number| self.number(number, Place::Free, true);
        match &expr.kind {
            ExprKind::Input(input) => input.name().to_owned(),
            ExprKind::Node { idx, end } => node_name(*idx) + end.suffix(),
            ExprKind::Number(number) => self.number(number, place, false),
            ExprKind::Map { function, value, numbers } => {
                let name = self.function(function);
                let mut text = format!("{name}({}", inner(value));
                for number in numbers.iter().chain(self.implied(function, name)) {
                    let _ = write!(text, ", {}", self.number(number, Place::Free, false));
                }
                text + ")"
            }
            ExprKind::Neg(value) => {
                let text = format!("-{}", self.expr(value, Place::Operand));
                if place >= Place::Product { format!("({text})") } else { text }
            }
            ExprKind::Binary { sign, lhs, rhs } => {
                self.binary(*sign, place, |place| self.expr(lhs, place), |place| self.expr(rhs, place))
            }
            ExprKind::Extreme { is_max, lhs, rhs } => {
                format!("{}({}, {})", if *is_max { "max" } else { "min" }, inner(lhs), inner(rhs))
            }
            ExprKind::Linear { width, values, bias, start, .. } => format!(
                "linear({}, {}, bias = {}, init = {})",
                count(width),
                list(values),
                self.flag(*bias),
                start.name()
            ),
            ExprKind::Mlp { width, values, hidden, activation, dropout, .. } => {
                let mut text = format!("mlp({}, {}", count(width), list(values));
                if let Some(hidden) = hidden {
                    let widths: Vec<_> = hidden.iter().map(count).collect();
                    let _ = write!(text, ", hidden = [{}]", widths.join(", "));
                }
                // Without a hidden layer there is nothing between layers.
                if hidden.as_ref().is_none_or(|hidden| !hidden.is_empty()) {
                    let name = self.function(activation);
                    let dropout = self.number(dropout, Place::Free, false);
                    let _ = write!(text, ", activation = {name}, dropout = {dropout}");
                }
                text + ")"
            }
            ExprKind::Weight { shape, start, .. } => {
                let sizes: Vec<_> = shape.iter().map(count).collect();
                format!("weight({}, init = {})", sizes.join(", "), start.name())
            }
            ExprKind::Concat(values) => format!("concat({})", list(values)),
            ExprKind::Dot(a, b) => format!("dot({}, {})", inner(a), inner(b)),
            ExprKind::Matvec { matrix, vector } => format!("matvec({}, {})", inner(matrix), inner(vector)),
            ExprKind::Softmax(score) => format!("softmax({})", inner(score)),
            ExprKind::Heads { value, n } => format!("heads({}, {})", inner(value), count(n)),
            ExprKind::Flat(value) => format!("flat({})", inner(value)),
            ExprKind::MeanHeads(value) => format!("mean_heads({})", inner(value)),
            ExprKind::Dropout { value, p, .. } => {
                format!("dropout({}, {})", inner(value), self.number(p, Place::Free, false))
            }
        }
    }

    /// The options of a function that a parameter stands for, at their defaults.
    fn implied(&self, function: &Word<&'static Function>, name: &str) -> &'static [Number] {
        static SLOPE: [Number; 1] = [Number::Fixed(0.01)];
        static ALPHA: [Number; 1] = [Number::Fixed(1.0)];
        match (function, name) {
            (Word::Param(_), "leaky_relu") => &SLOPE,
            (Word::Param(_), "elu") => &ALPHA,
            _ => &[],
        }
    }
}
