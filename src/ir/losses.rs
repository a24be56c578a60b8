//! The `loss` setting: a sum of losses with weights.

use super::LossTerm;
use crate::bind::{Callee, DefinitionKind, Env, Evaluator, Value, bind};
use crate::findings::elsewhere::Found;
use crate::findings::{args as args_check, names, task, unused};
use crate::ops;
use crate::source::Span;
use crate::syntax::ast::{Arg, BinaryOp, Expr, ExprKind, Given};
use std::rc::Rc;

/// A sum may have this many terms, which is far more than there are losses.
const MAX_TERMS: usize = 64;

/// A part of the expression: a number, or a weighted sum of losses.
enum Part {
    Number(f64),
    Sum(Vec<LossTerm>),
    /// Reported.
    Bad,
}

/// The terms of `loss = …`, in the order written. Mistakes go to the evaluator.
pub(crate) fn read_losses<'p>(ev: &mut Evaluator<'p>, expr: &'p Expr, env: &Rc<Env<'p>>) -> Vec<LossTerm> {
    let terms = match read(ev, expr, env) {
        Part::Sum(terms) => terms,
        Part::Number(_) => {
            ev.report(args_check::wrong_kind("`loss`", "a sum of losses", "a number", expr.span));
            Vec::new()
        }
        Part::Bad => Vec::new(),
    };
    for (idx, term) in terms.iter().enumerate() {
        if let Some(first) = terms[..idx].iter().find(|other| other.overlaps(term)) {
            let of_levels = [term, first].map(|term| ops::loss::levels(term.loss, &term.args));
            ev.report(match of_levels {
                [None, None] => names::loss_twice(term.loss.name(), term.span, first.span),
                levels => names::loss_of_level_twice(term.loss.name(), levels, [term.span, first.span]),
            });
        }
        if term.weight == 0.0 {
            ev.report(unused::loss_without_weight(term.loss.name(), term.span));
        } else if term.weight < 0.0 && matches!(term.loss.kind(), ops::LossKind::Task(_)) {
            ev.report(task::negative_loss(term.loss.name(), term.weight, term.span));
        }
    }
    terms
}

fn read<'p>(ev: &mut Evaluator<'p>, expr: &'p Expr, env: &Rc<Env<'p>>) -> Part {
    if !ev.enter(expr.span) {
        return Part::Bad;
    }
    let part = read_inner(ev, expr, env);
    ev.leave();
    part
}

fn read_inner<'p>(ev: &mut Evaluator<'p>, expr: &'p Expr, env: &Rc<Env<'p>>) -> Part {
    match &expr.kind {
        ExprKind::Name(name) => read_name(ev, name, expr.span, &[], env),
        ExprKind::Call(call) => read_name(ev, &call.callee.text, expr.span, &call.args, env),
        ExprKind::Neg(inner) => match read(ev, inner, env) {
            Part::Number(value) => Part::Number(-value),
            part => scaled(part, expr.span, |weight| -weight).unwrap_or(Part::Bad),
        },
        ExprKind::Binary { .. } => {
            let mut spine = Vec::new();
            let mut first = expr;
            while let ExprKind::Binary { op, op_span, lhs, rhs } = &first.kind {
                spine.push((*op, *op_span, first.span, rhs));
                first = lhs;
            }
            let mut part = read(ev, first, env);
            for (op, op_span, span, rhs) in spine.into_iter().rev() {
                let rhs_part = read(ev, rhs, env);
                part = combine(ev, op, op_span, part, rhs_part, span);
            }
            part
        }
        _ => match ev.eval(expr, env) {
            Value::Int(value) => Part::Number(value as f64),
            Value::Float(value) => Part::Number(value),
            Value::Bad | Value::Unknown => Part::Bad,
            other => {
                ev.report(args_check::wrong_kind("`loss`", "a sum of losses", &other.describe(), expr.span));
                ev.touch(expr, env);
                Part::Bad
            }
        },
    }
}

/// A loss, or a `let` that holds one; `given` are the arguments behind the name.
fn read_name<'p>(
    ev: &mut Evaluator<'p>,
    name: &'p str,
    span: Span,
    given: &'p [Arg],
    env: &Rc<Env<'p>>,
) -> Part {
    if let Some(definition) = ev.definition(env.file, name) {
        if let Some(arg) = given.first() {
            ev.report(args_check::takes_none(name, "a loss", arg.value.span));
            given.iter().for_each(|arg| ev.touch(&arg.value, env));
        }
        ev.mark_definition(&definition);
        return match definition.kind {
            DefinitionKind::Let { value } => {
                let chain = env.instances();
                if let Some(idx) = chain.iter().position(|open| open.span == definition.name.span) {
                    let circle: Vec<_> = chain[..=idx].iter().rev().copied().collect();
                    ev.report(names::recursive(&circle));
                    return Part::Bad;
                }
                read(ev, value, &Env::instance(definition.file, definition.name, env))
            }
            DefinitionKind::Block { .. } | DefinitionKind::Conv { .. } | DefinitionKind::Edges { .. } => {
                ev.report(names::unknown_loss(found(name, span, &[])));
                Part::Bad
            }
        };
    }
    match ops::find_loss(name) {
        Some(loss) => {
            let given: Vec<Given> = given.iter().map(Given::from).collect();
            let callee = Callee {
                name: loss.name(),
                place: span,
                noun: "argument",
                takes_branches: false,
                example: None,
                call: Some(span),
            };
            let args = bind(ev, callee, loss.args(), &given, env).args;
            Part::Sum(vec![LossTerm { loss, args, weight: 1.0, span }])
        }
        None => {
            given.iter().for_each(|arg| ev.touch(&arg.value, env));
            if !ev.is_missing(env.file, name) {
                let given: Vec<Given> = given.iter().map(Given::from).collect();
                ev.report(names::unknown_loss(found(name, span, &given)));
            }
            Part::Bad
        }
    }
}

fn found<'a, 'p>(name: &'a str, span: Span, given: &'a [Given<'p>]) -> Found<'a, 'p> {
    Found { name, place: span, call: Some((span, given)), cut: None }
}

/// A part whose numbers are changed; `None` where one of them is not finite any more.
fn scaled(part: Part, span: Span, by: impl Fn(f64) -> f64) -> Option<Part> {
    let finite = |value: f64| Some(by(value)).filter(|value| value.is_finite());
    match part {
        Part::Sum(mut terms) => {
            // Where one loss is scaled, the weight belongs to its place.
            let is_single = terms.len() == 1;
            for term in &mut terms {
                term.weight = finite(term.weight)?;
                if is_single {
                    term.span = span;
                }
            }
            Some(Part::Sum(terms))
        }
        Part::Number(value) => finite(value).map(Part::Number),
        Part::Bad => Some(Part::Bad),
    }
}

fn combine(ev: &mut Evaluator, op: BinaryOp, op_span: Span, lhs: Part, rhs: Part, span: Span) -> Part {
    let mut refuse = |text: &str| {
        ev.report(args_check::arithmetic(text, op_span));
        Part::Bad
    };
    let finite = |value: f64| if value.is_finite() { Some(Part::Number(value)) } else { None };
    match (op, lhs, rhs) {
        (BinaryOp::Add | BinaryOp::Sub, Part::Sum(mut terms), rhs @ (Part::Sum(_) | Part::Bad)) => {
            let sign = if op == BinaryOp::Sub { -1.0 } else { 1.0 };
            if let Part::Sum(others) = rhs {
                terms.extend(others.into_iter().map(|term| LossTerm { weight: sign * term.weight, ..term }));
            }
            if terms.len() > MAX_TERMS {
                return refuse("the loss has too many terms");
            }
            Part::Sum(terms)
        }
        // What was reported is left out, the rest is still checked.
        (BinaryOp::Add | BinaryOp::Sub, Part::Bad, Part::Sum(terms)) => Part::Sum(terms),
        (_, Part::Bad, _) | (_, _, Part::Bad) => Part::Bad,
        (BinaryOp::Add, Part::Number(a), Part::Number(b)) => {
            finite(a + b).unwrap_or_else(|| refuse("the result is too large"))
        }
        (BinaryOp::Sub, Part::Number(a), Part::Number(b)) => {
            finite(a - b).unwrap_or_else(|| refuse("the result is too large"))
        }
        (BinaryOp::Add | BinaryOp::Sub, _, _) => refuse("a loss and a number cannot be added"),
        (BinaryOp::Mul, Part::Number(by), part) | (BinaryOp::Mul, part, Part::Number(by)) => {
            scaled(part, span, |value| value * by).unwrap_or_else(|| refuse("the result is too large"))
        }
        (BinaryOp::Mul, _, _) => refuse("two losses cannot be multiplied"),
        (BinaryOp::Div, _, Part::Number(0.0)) => refuse("division by zero"),
        (BinaryOp::Div, part, Part::Number(by)) => {
            scaled(part, span, |value| value / by).unwrap_or_else(|| refuse("the result is too large"))
        }
        (BinaryOp::Div, _, _) => refuse("only a number can stand behind `/` in a loss"),
        (BinaryOp::Range, _, _) => refuse("a range is no part of a loss"),
    }
}
