//! The calls of `search` in a program: where they stand, what they say, and what is wrong with them.

use super::{Choice, Domain, Range, SEARCH, Site, Space};
use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::syntax::Program;
use crate::syntax::ast::{Arg, BinaryOp, Call, Entry, Expr, ExprKind, ItemKind, Param};
use std::collections::{BTreeMap, HashMap};

/// What [`find`] found.
#[derive(Debug, Default)]
pub struct Found {
    /// `None` where the program leaves nothing open.
    pub space: Option<Space>,
    /// What is wrong with a call, and ranges that stand elsewhere.
    pub findings: Vec<Diagnostic>,
    /// What stands for those in further checks, so that each is one mistake.
    pub(super) stand_ins: HashMap<Span, Expr>,
}

/// Most values that a range is divided into, or that a list holds.
const MAX_POINTS: f64 = 1000.0;

/// Sections that say how models are compared, so that they are the same for all of them.
const FIXED: &[&str] = &["data", "evaluate", "published", "task"];

impl Found {
    /// Whether the program is as it would be without `search`.
    pub fn is_plain(&self) -> bool {
        self.space.is_none() && self.findings.is_empty()
    }

    /// The program with one value for each call, right or wrong.
    ///
    /// # Panics
    /// Where the assignment is not one of the space.
    pub fn resolved(&self, program: &Program, assignment: &[Choice]) -> Program {
        let mut values = self.space.as_ref().map_or_else(HashMap::new, |space| space.values(assignment));
        values.extend(self.stand_ins.clone());
        replaced(program, &values)
    }
}

/// Looks for every value that the program leaves open.
pub fn find(program: &Program) -> Found {
    let mut finder = Finder::default();
    for file in &program.files {
        for item in &file.items {
            match &item.kind {
                ItemKind::Use { .. } | ItemKind::Allow { .. } => {}
                ItemKind::Let { name, value } => finder.expr(value, &name.text),
                ItemKind::Block { name, params, body } => {
                    finder.params(params, &name.text);
                    finder.expr(body, &name.text);
                }
                ItemKind::Conv(conv) => {
                    finder.params(&conv.params, &conv.name.text);
                    finder.entries(&conv.entries, &conv.name.text);
                }
                ItemKind::Setting { key, value } => {
                    finder.fixed = FIXED.iter().find(|fixed| **fixed == key.text).copied();
                    finder.expr(value, &key.text);
                }
                ItemKind::Section { name, entries } => {
                    finder.fixed = FIXED.iter().find(|fixed| **fixed == name.text).copied();
                    finder.entries(entries, &name.text);
                }
                ItemKind::Bare { value } => finder.expr(value, "model"),
            }
            finder.fixed = None;
        }
    }
    let Finder { mut sites, findings, stand_ins, .. } = finder;
    sites.sort_by_key(|site| site.span);
    number_names(&mut sites);
    let space = (!sites.is_empty()).then_some(Space { sites });
    Found { space, findings, stand_ins }
}

/// Sites of one name are told apart by a number: `model.sage.out`, `model.sage.out#2`.
fn number_names(sites: &mut [Site]) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for site in sites {
        let n = seen.entry(site.name.clone()).or_insert(0);
        *n += 1;
        if *n > 1 {
            site.name = format!("{}#{n}", site.name);
        }
    }
}

#[derive(Default)]
struct Finder {
    sites: Vec<Site>,
    findings: Vec<Diagnostic>,
    stand_ins: HashMap<Span, Expr>,
    /// The section that is being read, where nothing in it can be left open.
    fixed: Option<&'static str>,
}

impl Finder {
    fn params(&mut self, params: &[Param], path: &str) {
        for param in params {
            if let Some(default) = &param.default {
                self.expr(default, &format!("{path}.{}", param.name.text));
            }
        }
    }

    fn entries(&mut self, entries: &[Entry], path: &str) {
        for entry in entries {
            self.expr(&entry.value, &format!("{path}.{}", entry.key.text));
        }
    }

    /// `path` names the place of the expression.
    fn expr(&mut self, expr: &Expr, path: &str) {
        // A stack of its own: a sum of many terms leans to the left.
        let mut open = vec![(expr, path.to_owned())];
        while let Some((expr, path)) = open.pop() {
            match &expr.kind {
                ExprKind::Call(call) if call.callee.text == SEARCH => self.search(expr, call, &path),
                ExprKind::Call(call) => {
                    // The setting says which call it is; elsewhere the call is all that says where this is.
                    let is_setting = path.contains('.') && !path.starts_with("model.");
                    let own = if is_setting { path.clone() } else { format!("{path}.{}", call.callee.text) };
                    for (idx, arg) in call.args.iter().enumerate() {
                        let name =
                            arg.name.as_ref().map_or_else(|| (idx + 1).to_string(), |name| name.text.clone());
                        open.push((&arg.value, format!("{own}.{name}")));
                    }
                }
                ExprKind::List(items) => open.extend(items.iter().map(|item| (item, path.clone()))),
                ExprKind::Neg(inner) => open.push((inner, path)),
                ExprKind::Binary { op, op_span, lhs, rhs } => {
                    if *op == BinaryOp::Range {
                        self.findings.push(stray_range(expr.span, *op_span, lhs));
                        self.stand_ins.insert(expr.span, (**lhs).clone());
                    }
                    open.push((rhs, path.clone()));
                    open.push((lhs, path));
                }
                ExprKind::Pipeline(stages) => {
                    open.extend(stages.iter().map(|stage| (&stage.value, path.clone())))
                }
                ExprKind::Number { .. } | ExprKind::String(_) | ExprKind::Bool(_) | ExprKind::Name(_) => {}
            }
        }
    }

    fn search(&mut self, expr: &Expr, call: &Call, path: &str) {
        let before = self.findings.len();
        self.read(expr, call, path);
        if self.findings.len() > before {
            let first = call.args.first().map(|arg| match &arg.value.kind {
                ExprKind::Binary { op: BinaryOp::Range, lhs, .. } => (**lhs).clone(),
                _ => arg.value.clone(),
            });
            let none = || Expr { kind: ExprKind::Number { value: 1.0, is_integer: true }, span: expr.span };
            self.stand_ins.insert(expr.span, first.unwrap_or_else(none));
        }
    }

    fn read(&mut self, expr: &Expr, call: &Call, path: &str) {
        if let Some(section) = self.fixed {
            self.findings.push(
                Diagnostic::error("search::not_here", format!("`search` cannot stand in `{section}`"))
                    .label(expr.span, format!("`{section}` is the same for all models that are compared"))
                    .help("what can be left open are values of the model, of its loss and of its training"),
            );
            return;
        }
        if let Some(inner) = call.args.iter().find_map(|arg| inner_search(&arg.value)) {
            self.findings.push(
                Diagnostic::error("search::values", "`search` cannot stand inside of `search`")
                    .label(inner, "what is chosen here depends on another choice")
                    .help("give each its own name, as in `let width = search(32, 64)`"),
            );
            return;
        }
        if let Some(domain) = self.domain(expr.span, call) {
            self.sites.push(Site { name: path.to_owned(), span: expr.span, domain });
        }
    }

    fn refuse(&mut self, span: Span, message: &str, label: &str, help: &str) -> Option<Domain> {
        self.findings.push(Diagnostic::error("search::values", message).label(span, label).help(help));
        None
    }

    /// What the arguments of a call say.
    fn domain(&mut self, span: Span, call: &Call) -> Option<Domain> {
        const EXAMPLES: &str =
            "write values, as in `search(32, 64, 128)`, or a range, as in `search(1e-4 .. 1e-2, log)`";
        let Some(first) = call.args.first() else {
            return self.refuse(
                span,
                "`search` has no values to choose from",
                "there is nothing between the parentheses",
                EXAMPLES,
            );
        };
        if let (None, ExprKind::Binary { op: BinaryOp::Range, lhs, rhs, .. }) =
            (&first.name, &first.value.kind)
        {
            return self.range(&first.value, lhs, rhs, &call.args[1..]);
        }
        if let Some(named) = call.args.iter().find(|arg| arg.name.is_some()) {
            let name = named.name.as_ref().map_or("", |name| name.text.as_str());
            let message = format!("`{name}` is said of ranges, and these are single values");
            return self.refuse(arg_span(named), &message, "this has no effect", EXAMPLES);
        }
        if let Some(range) = call.args.iter().find(|arg| is_range(&arg.value)) {
            return self.refuse(
                range.value.span,
                "a range stands alone in `search`",
                "a range among single values",
                "write its numbers out, or the range alone",
            );
        }
        let values: Vec<Expr> = call.args.iter().map(|arg| arg.value.clone()).collect();
        if let [only] = values.as_slice() {
            self.findings.push(
                Diagnostic::error("search::values", "`search` with one value has nothing to choose")
                    .label(only.span, "the only value")
                    .help("add others, or write the value alone"),
            );
            return None;
        }
        if values.len() as f64 > MAX_POINTS {
            return self.refuse(
                span,
                "`search` has more than 1000 values",
                "as many cannot be tried",
                EXAMPLES,
            );
        }
        for (idx, value) in values.iter().enumerate() {
            if let Some(twice) = values[..idx].iter().find(|other| is_same(other, value)) {
                self.findings.push(
                    Diagnostic::error("search::values", "`search` has a value twice")
                        .label(twice.span, "here first")
                        .label(value.span, "the same again")
                        .help("leave one of them out"),
                );
                return None;
            }
        }
        Some(Domain::Choices(values))
    }

    fn range(&mut self, whole: &Expr, low: &Expr, high: &Expr, options: &[Arg]) -> Option<Domain> {
        let (Some((low, low_is_integer)), Some((high, high_is_integer))) = (literal(low), literal(high))
        else {
            return self.refuse(
                whole.span,
                "the ends of a range are numbers",
                "this is no number as written",
                "write both ends out, as in `1e-4 .. 1e-2`",
            );
        };
        if low >= high {
            return self.refuse(
                whole.span,
                "a range goes from a smaller to a larger number",
                "the first end is not the smaller one",
                "write the smaller end first",
            );
        }
        let mut range =
            Range { low, high, is_log: false, is_integer: low_is_integer && high_is_integer, points: None };
        let mut said: BTreeMap<&str, Span> = BTreeMap::new();
        for option in options {
            let span = arg_span(option);
            let (word, value) = match (&option.name, &option.value.kind) {
                (None, ExprKind::Name(word)) => (word.as_str(), None),
                (Some(name), _) => (name.text.as_str(), literal(&option.value)),
                _ => ("", None),
            };
            match (word, value) {
                ("log", None) if option.name.is_none() => range.is_log = true,
                ("points", Some((n, true))) if (2.0..=MAX_POINTS).contains(&n) => {
                    range.points = Some(n as usize)
                }
                ("points", _) => {
                    return self.refuse(
                        span,
                        "`points` is a whole number from 2 to 1000",
                        "so many numbers of the range are tried",
                        "write `points = 5`",
                    );
                }
                _ => {
                    return self.refuse(
                        span,
                        "a range takes `log` and `points`",
                        "this is neither",
                        "write `log` for equal ratios, `points = 5` for as many numbers, evenly spaced",
                    );
                }
            }
            if said.insert(word, span).is_some() {
                return self.refuse(span, &format!("`{word}` is said twice"), "again", "leave it out");
            }
        }
        if range.is_log && low <= 0.0 {
            return self.refuse(
                whole.span,
                "a range by ratios begins above 0",
                "no ratio leads from here to a positive number",
                "begin with a small positive number, or leave `log` out",
            );
        }
        Some(Domain::Range(range))
    }
}

fn stray_range(whole: Span, sign: Span, low: &Expr) -> Diagnostic {
    let finding = Diagnostic::error("search::range", "a range stands only in `search(…)`")
        .label(sign, "here one value is needed");
    match literal(low) {
        Some((value, true)) => {
            finding.help(format!("write one value, as in `{value:.0}`")).guess(whole, format!("{value:.0}"))
        }
        Some((value, false)) => {
            let text = crate::args::float_text(value);
            finding.help(format!("write one value, as in `{text}`")).guess(whole, text)
        }
        None => finding.help("one value stands here, or `search(1e-4 .. 1e-2, log)`, which leaves it open"),
    }
}

fn is_range(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Binary { op: BinaryOp::Range, .. })
}

fn arg_span(arg: &Arg) -> Span {
    arg.name.as_ref().map_or(arg.value.span, |name| name.span.to(arg.value.span))
}

/// A number as written, with its sign, and whether it is a whole one.
fn literal(expr: &Expr) -> Option<(f64, bool)> {
    match &expr.kind {
        ExprKind::Number { value, is_integer } => Some((*value, *is_integer)),
        ExprKind::Neg(inner) => literal(inner).map(|(value, is_integer)| (-value, is_integer)),
        _ => None,
    }
}

/// Whether two values are the same number, text or word.
fn is_same(a: &Expr, b: &Expr) -> bool {
    match (&a.kind, &b.kind) {
        (ExprKind::String(a), ExprKind::String(b)) | (ExprKind::Name(a), ExprKind::Name(b)) => a == b,
        (ExprKind::Bool(a), ExprKind::Bool(b)) => a == b,
        _ => literal(a).is_some_and(|a| literal(b).is_some_and(|b| a.0 == b.0)),
    }
}

/// The place of a `search` inside of an expression.
fn inner_search(expr: &Expr) -> Option<Span> {
    let mut open = vec![expr];
    while let Some(expr) = open.pop() {
        match &expr.kind {
            ExprKind::Call(call) if call.callee.text == SEARCH => return Some(expr.span),
            ExprKind::Call(call) => open.extend(call.args.iter().map(|arg| &arg.value)),
            ExprKind::List(items) => open.extend(items),
            ExprKind::Neg(inner) => open.push(inner),
            ExprKind::Binary { lhs, rhs, .. } => open.extend([&**lhs, &**rhs]),
            ExprKind::Pipeline(stages) => open.extend(stages.iter().map(|stage| &stage.value)),
            ExprKind::Number { .. } | ExprKind::String(_) | ExprKind::Bool(_) | ExprKind::Name(_) => {}
        }
    }
    None
}

/// The program with other expressions at these places.
pub(super) fn replaced(program: &Program, values: &HashMap<Span, Expr>) -> Program {
    let mut program = program.clone();
    for item in program.files.iter_mut().flat_map(|file| &mut file.items) {
        match &mut item.kind {
            ItemKind::Use { .. } | ItemKind::Allow { .. } => {}
            ItemKind::Let { value, .. } | ItemKind::Setting { value, .. } | ItemKind::Bare { value } => {
                replace(value, values)
            }
            ItemKind::Block { params, body, .. } => {
                params
                    .iter_mut()
                    .filter_map(|param| param.default.as_mut())
                    .for_each(|value| replace(value, values));
                replace(body, values);
            }
            ItemKind::Conv(conv) => {
                conv.params
                    .iter_mut()
                    .filter_map(|param| param.default.as_mut())
                    .for_each(|value| replace(value, values));
                conv.entries.iter_mut().for_each(|entry| replace(&mut entry.value, values));
            }
            ItemKind::Section { entries, .. } => {
                entries.iter_mut().for_each(|entry| replace(&mut entry.value, values))
            }
        }
    }
    program
}

fn replace(expr: &mut Expr, values: &HashMap<Span, Expr>) {
    let mut open = vec![expr];
    while let Some(expr) = open.pop() {
        if let Some(value) = values.get(&expr.span) {
            *expr = value.clone();
            continue;
        }
        match &mut expr.kind {
            ExprKind::Call(call) => open.extend(call.args.iter_mut().map(|arg| &mut arg.value)),
            ExprKind::List(items) => open.extend(items),
            ExprKind::Neg(inner) => open.push(inner),
            ExprKind::Binary { lhs, rhs, .. } => open.extend([&mut **lhs, &mut **rhs]),
            ExprKind::Pipeline(stages) => open.extend(stages.iter_mut().map(|stage| &mut stage.value)),
            ExprKind::Number { .. } | ExprKind::String(_) | ExprKind::Bool(_) | ExprKind::Name(_) => {}
        }
    }
}
