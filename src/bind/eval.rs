//! Values of expressions: numbers, texts, lists and `let`s.

use super::scope::{Binding, Definition, DefinitionKind, Env, FileScope, Thunk};
use crate::diagnostic::{self, Diagnostic, MORE};
use crate::findings::{args as args_check, names};
use crate::source::{FileId, Span};
use crate::syntax::ast::{BinaryOp, Expr, ExprKind, Ident};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// Expressions and blocks may lie this deep inside each other; it keeps the stack small.
pub const MAX_DEPTH: usize = 200;

/// Expressions may be evaluated this often; parameters that double each other would go on for ever.
const MAX_EVALS: usize = 5_000_000;

/// Whole numbers up to here are exact as written.
const MAX_INT: i64 = 1 << 53;

/// What an expression means outside a pipeline.
#[derive(Debug, Clone)]
pub enum Value<'p> {
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(&'p str),
    List(Rc<Vec<(Value<'p>, Span)>>),
    /// A name that no `let` or parameter gives a value: an operator, a block, or an option word.
    Word {
        text: &'p str,
        thunk: Thunk<'p>,
    },
    /// A call, a pipeline, or the name of a stage.
    Pipeline(Thunk<'p>),
    /// Depends on a parameter of a block that is looked at without being called.
    Unknown,
    /// A mistake in it was reported.
    Bad,
}

impl Value<'_> {
    /// As messages call it: "the text \"abc\"".
    pub fn describe(&self) -> String {
        match self {
            Value::Int(value) => format!("{value}"),
            Value::Float(value) => format!("{value}"),
            Value::Bool(value) => format!("`{value}`"),
            Value::Text(text) => format!("the text \"{text}\""),
            Value::List(_) => "a list".into(),
            Value::Word { text, .. } => format!("`{text}`"),
            Value::Pipeline(_) => "a pipeline".into(),
            Value::Unknown | Value::Bad => "an unknown value".into(),
        }
    }
}

/// Collects findings; the same one at the same place (a block used twice) counts once.
#[derive(Debug, Default)]
pub struct Findings {
    list: diagnostic::Findings,
    seen: HashSet<(&'static str, Span)>,
    /// Places of all labels.
    places: HashSet<Span>,
}

impl Findings {
    pub fn push(&mut self, finding: Diagnostic) {
        let is_new = match finding.labels.first() {
            Some(label) => self.seen.insert((finding.code, label.span)),
            None => !self.list.kept().contains(&finding),
        };
        if is_new {
            self.places.extend(finding.labels.iter().map(|label| label.span));
            self.list.push(finding);
        }
    }
    /// Puts others in the place of all findings so far.
    pub fn replace(&mut self, with: impl FnOnce(Vec<Diagnostic>) -> Vec<Diagnostic>) {
        self.list.replace(with);
        self.places =
            self.list.kept().iter().flat_map(|found| &found.labels).map(|label| label.span).collect();
    }
    pub fn has_errors(&self) -> bool {
        self.list.kept().iter().any(Diagnostic::is_error)
    }
    pub fn list(&self) -> &[Diagnostic] {
        self.list.kept()
    }
    /// Whether a finding points at this place.
    pub fn points_at(&self, span: Span) -> bool {
        self.places.contains(&span)
    }
    /// In the order of the files and of the places in them.
    pub fn into_sorted(self) -> Vec<Diagnostic> {
        let mut list = self.list.into_list();
        list.sort_by_key(|finding| (finding.code == MORE, finding.labels.first().map(|label| label.span)));
        list
    }
}

/// What may be missing from a file because an item of it, or of a file it uses, could not be read.
#[derive(Debug, Clone, Default)]
pub struct Missing<'p> {
    pub names: HashSet<&'p str>,
    /// Any name may be missing.
    pub any: bool,
}

#[derive(Debug, Clone)]
enum Memo<'p> {
    Running,
    Done(Value<'p>),
}

/// Evaluates expressions of one program, and remembers which definitions were used.
#[derive(Debug)]
pub struct Evaluator<'p> {
    pub files: HashMap<FileId, FileScope<'p>>,
    /// Names that broken items would have defined; whatever misses one stays silent.
    pub missing: HashMap<FileId, Missing<'p>>,
    pub findings: Findings,
    /// Places of the names (definitions, parameters, stages) and `use`s that something reads.
    pub used: HashSet<Span>,
    /// While a default written as source text is expanded: the place that stands for it in messages.
    pub place: Option<Span>,
    memo: HashMap<Span, Memo<'p>>,
    running: Vec<&'p Ident>,
    depth: usize,
    n_evals: usize,
    is_too_deep: bool,
}

impl<'p> Evaluator<'p> {
    pub fn new(
        files: HashMap<FileId, FileScope<'p>>,
        missing: HashMap<FileId, Missing<'p>>,
        findings: Findings,
    ) -> Self {
        Self {
            files,
            missing,
            findings,
            used: HashSet::new(),
            place: None,
            memo: HashMap::new(),
            running: Vec::new(),
            depth: 0,
            n_evals: 0,
            is_too_deep: false,
        }
    }

    pub fn report(&mut self, finding: Diagnostic) {
        self.findings.push(finding);
    }

    /// Whether a mistake reported elsewhere may be why `file` does not know `name`.
    pub fn is_missing(&self, file: FileId, name: &str) -> bool {
        self.missing.get(&file).is_some_and(|missing| missing.any || missing.names.contains(name))
    }

    /// Where to point for something written at `span`.
    pub fn at(&self, span: Span) -> Span {
        self.place.unwrap_or(span)
    }

    /// One level deeper; `false`, with a finding, where that is too deep. Pair with [`Self::leave`].
    pub fn enter(&mut self, span: Span) -> bool {
        if self.depth >= MAX_DEPTH {
            // A long chain is too deep from many places; one is reported.
            if !std::mem::replace(&mut self.is_too_deep, true) {
                let place = self.at(span);
                self.report(names::too_deep(place, MAX_DEPTH));
            }
            return false;
        }
        self.n_evals += 1;
        if self.n_evals > MAX_EVALS {
            // One message: what follows stays silent.
            if self.n_evals == MAX_EVALS + 1 {
                let place = self.at(span);
                self.report(names::too_much(place));
            }
            return false;
        }
        self.depth += 1;
        true
    }

    /// Whether something was given up, so that what it would have used is not known.
    pub fn is_exhausted(&self) -> bool {
        self.is_too_deep || self.n_evals > MAX_EVALS
    }

    pub fn leave(&mut self) {
        self.depth -= 1;
    }

    /// The `let` or block `name` that `file` sees.
    pub fn definition(&self, file: FileId, name: &str) -> Option<Definition<'p>> {
        self.files.get(&file)?.definitions.get(name).copied()
    }

    pub fn mark_definition(&mut self, definition: &Definition<'p>) {
        self.used.insert(definition.name.span);
        self.used.extend(definition.import);
    }

    /// Names of the `let`s and blocks that `file` sees, alphabetical.
    pub fn definition_names(&self, file: FileId) -> Vec<&'p str> {
        let mut list: Vec<_> = self
            .files
            .get(&file)
            .map(|scope| scope.definitions.keys().copied().collect())
            .unwrap_or_default();
        list.sort_unstable();
        list
    }

    /// Marks every name in an expression as used, where a mistake keeps it from being evaluated.
    pub fn touch(&mut self, expr: &'p Expr, env: &Rc<Env<'p>>) {
        let mut queue = vec![expr];
        while let Some(expr) = queue.pop() {
            match &expr.kind {
                ExprKind::Name(name) => self.touch_name(name, env),
                ExprKind::Call(call) => {
                    self.touch_name(&call.callee.text, env);
                    queue.extend(call.args.iter().map(|arg| &arg.value));
                }
                ExprKind::List(items) => queue.extend(items),
                ExprKind::Neg(inner) => queue.push(inner),
                ExprKind::Binary { lhs, rhs, .. } => queue.extend([&**lhs, &**rhs]),
                ExprKind::Pipeline(stages) => {
                    // A later stage may read a name that this pipeline would have bound.
                    self.used
                        .extend(stages.iter().filter_map(|stage| stage.name.as_ref()).map(|name| name.span));
                    queue.extend(stages.iter().map(|stage| &stage.value));
                }
                ExprKind::Number { .. } | ExprKind::String(_) | ExprKind::Bool(_) => {}
            }
        }
    }

    pub fn touch_name(&mut self, name: &str, env: &Rc<Env<'p>>) {
        match env.get(name) {
            Some(
                Binding::Param { name, .. } | Binding::UnknownParam { name } | Binding::Stage { name, .. },
            ) => {
                self.used.insert(name.span);
            }
            None => {
                if let Some(definition) = self.definition(env.file, name) {
                    self.mark_definition(&definition);
                }
            }
        }
    }

    /// Where the value of an expression is written: names lead to their parameter or `let`.
    pub fn source_of(&self, expr: &'p Expr, env: &Rc<Env<'p>>) -> Span {
        let (mut expr, mut env) = (expr, env.clone());
        // A circle of names has been reported; this bounds the walk.
        for _ in 0..MAX_DEPTH {
            let ExprKind::Name(name) = &expr.kind else { break };
            match env.get(name) {
                Some(Binding::Param { value, .. }) => (expr, env) = (value.expr, value.env),
                Some(_) => break,
                None => match self.definition(env.file, name) {
                    Some(Definition { kind: DefinitionKind::Let { value }, file, .. }) => {
                        (expr, env) = (value, Env::root(file));
                    }
                    _ => break,
                },
            }
        }
        self.at(expr.span)
    }

    pub fn eval(&mut self, expr: &'p Expr, env: &Rc<Env<'p>>) -> Value<'p> {
        if !self.enter(expr.span) {
            return Value::Bad;
        }
        let value = self.eval_inner(expr, env);
        self.leave();
        value
    }

    fn eval_inner(&mut self, expr: &'p Expr, env: &Rc<Env<'p>>) -> Value<'p> {
        match &expr.kind {
            ExprKind::Number { value, is_integer: true } => {
                if value.abs() <= MAX_INT as f64 {
                    Value::Int(*value as i64)
                } else {
                    let place = self.at(expr.span);
                    self.report(args_check::too_large(place));
                    Value::Bad
                }
            }
            ExprKind::Number { value, .. } => {
                if value.is_finite() {
                    Value::Float(*value)
                } else {
                    let place = self.at(expr.span);
                    self.report(args_check::too_large(place));
                    Value::Bad
                }
            }
            ExprKind::String(text) => Value::Text(text),
            ExprKind::Bool(value) => Value::Bool(*value),
            ExprKind::List(items) => {
                let items = items.iter().map(|item| (self.eval(item, env), self.at(item.span))).collect();
                Value::List(Rc::new(items))
            }
            ExprKind::Name(name) => self.eval_name(name, expr, env),
            ExprKind::Call(_) | ExprKind::Pipeline(_) => Value::Pipeline(Thunk { expr, env: env.clone() }),
            ExprKind::Neg(inner) => match self.eval(inner, env) {
                Value::Int(value) => Value::Int(-value),
                Value::Float(value) => Value::Float(-value),
                value => self.not_a_number("-", value, inner.span),
            },
            ExprKind::Binary { .. } => {
                // A sum of many terms leans to the left; its spine is walked without recursion.
                let mut spine = Vec::new();
                let mut first = expr;
                while let ExprKind::Binary { op, lhs, rhs, .. } = &first.kind {
                    spine.push((*op, first.span, lhs.span, rhs));
                    first = lhs;
                }
                let mut value = self.eval(first, env);
                for (op, span, lhs_span, rhs) in spine.into_iter().rev() {
                    let rhs_value = self.eval(rhs, env);
                    value = self.arithmetic(op, (value, lhs_span), (rhs_value, rhs.span), span);
                }
                value
            }
        }
    }

    fn eval_name(&mut self, text: &'p str, expr: &'p Expr, env: &Rc<Env<'p>>) -> Value<'p> {
        match env.get(text) {
            Some(Binding::Param { value, name }) => {
                self.used.insert(name.span);
                return self.eval(value.expr, &value.env);
            }
            Some(Binding::UnknownParam { name }) => {
                self.used.insert(name.span);
                return Value::Unknown;
            }
            Some(Binding::Stage { .. }) => return Value::Pipeline(Thunk { expr, env: env.clone() }),
            None => {}
        }
        let word = Value::Word { text, thunk: Thunk { expr, env: env.clone() } };
        match self.definition(env.file, text) {
            Some(definition) => match definition.kind {
                DefinitionKind::Let { .. } => self.eval_let(&definition),
                DefinitionKind::Block { .. } | DefinitionKind::Conv { .. } => word,
                DefinitionKind::Edges { .. } => Value::Pipeline(Thunk { expr, env: env.clone() }),
            },
            None => word,
        }
    }

    /// The value of a `let`, computed once.
    pub fn eval_let(&mut self, definition: &Definition<'p>) -> Value<'p> {
        let DefinitionKind::Let { value } = definition.kind else { return Value::Bad };
        self.mark_definition(definition);
        match self.memo.get(&definition.name.span) {
            Some(Memo::Done(value)) => return value.clone(),
            Some(Memo::Running) => {
                let start =
                    self.running.iter().position(|name| name.span == definition.name.span).unwrap_or(0);
                let chain = self.running[start..].to_vec();
                self.report(names::recursive(&chain));
                return Value::Bad;
            }
            None => {}
        }
        self.memo.insert(definition.name.span, Memo::Running);
        self.running.push(definition.name);
        let result = self.eval(value, &Env::root(definition.file));
        self.running.pop();
        self.memo.insert(definition.name.span, Memo::Done(result.clone()));
        result
    }

    fn not_a_number(&mut self, sign: &str, value: Value<'p>, span: Span) -> Value<'p> {
        match &value {
            Value::Unknown | Value::Bad => return value,
            Value::Word { text, thunk } => self.report_word(text, thunk, "a number", &format!("`{sign}`")),
            _ => {
                let place = self.at(span);
                self.report(args_check::wrong_kind(
                    &format!("`{sign}`"),
                    "a number",
                    &value.describe(),
                    place,
                ));
            }
        }
        Value::Bad
    }

    /// A word where a value of another kind is expected: a name that is not defined, or an operator.
    pub fn report_word(&mut self, text: &str, thunk: &Thunk<'p>, expected: &str, callee: &str) {
        let place = self.at(thunk.expr.span);
        let env = &thunk.env;
        let is_known = crate::ops::find(text).is_some()
            || crate::ops::find_input(text).is_some()
            || self.definition(env.file, text).is_some();
        if self.is_missing(env.file, text) {
            // The definition is there, but it could not be read, which was reported.
        } else if is_known {
            self.report(args_check::wrong_kind(callee, expected, &format!("`{text}`"), place));
        } else {
            let mut candidates = env.names();
            candidates.extend(self.definition_names(env.file));
            if let Some(meant) = names::did_you_mean(text, candidates.iter().copied()) {
                self.touch_name(meant, env);
            }
            self.report(names::unknown_value(text, place, expected, &candidates));
        }
    }

    fn arithmetic(
        &mut self,
        op: BinaryOp,
        (lhs, lhs_span): (Value<'p>, Span),
        (rhs, rhs_span): (Value<'p>, Span),
        span: Span,
    ) -> Value<'p> {
        let sign = op.sign();
        let is_number = |value: &Value| matches!(value, Value::Int(_) | Value::Float(_));
        if !is_number(&lhs) || !is_number(&rhs) {
            let mut result = Value::Unknown;
            for (value, span) in [(lhs, lhs_span), (rhs, rhs_span)] {
                if !is_number(&value)
                    && let Value::Bad = self.not_a_number(sign, value, span)
                {
                    result = Value::Bad;
                }
            }
            return result;
        }
        let outcome = match (&lhs, &rhs) {
            (Value::Int(a), Value::Int(b)) => int_arithmetic(op, *a, *b),
            _ => float_arithmetic(op, as_float(&lhs), as_float(&rhs)),
        };
        outcome.unwrap_or_else(|message| {
            let place = self.at(span);
            self.report(args_check::arithmetic(message, place));
            Value::Bad
        })
    }
}

fn as_float(value: &Value) -> f64 {
    match value {
        Value::Int(value) => *value as f64,
        Value::Float(value) => *value,
        _ => f64::NAN,
    }
}

/// Ranges outside of `search` are refused before anything is evaluated; this is for texts that are read piece by piece.
const NO_NUMBER: &str = "a range is no number";

fn int_arithmetic<'p>(op: BinaryOp, a: i64, b: i64) -> Result<Value<'p>, &'static str> {
    let result = match op {
        BinaryOp::Add => a.checked_add(b),
        BinaryOp::Sub => a.checked_sub(b),
        BinaryOp::Mul => a.checked_mul(b),
        BinaryOp::Div if b == 0 => return Err("division by zero"),
        BinaryOp::Div if a % b == 0 => Some(a / b),
        BinaryOp::Div => return Ok(Value::Float(a as f64 / b as f64)),
        BinaryOp::Range => return Err(NO_NUMBER),
    };
    match result {
        Some(value) if value.abs() <= MAX_INT => Ok(Value::Int(value)),
        _ => Err("the result is too large for a whole number"),
    }
}

fn float_arithmetic<'p>(op: BinaryOp, a: f64, b: f64) -> Result<Value<'p>, &'static str> {
    let result = match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => a * b,
        BinaryOp::Div if b == 0.0 => return Err("division by zero"),
        BinaryOp::Div => a / b,
        BinaryOp::Range => return Err(NO_NUMBER),
    };
    if result.is_finite() { Ok(Value::Float(result)) } else { Err("the result is too large") }
}
