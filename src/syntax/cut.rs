//! What to delete of a text so that a part of it is gone: a stage with its arrow, an argument with its comma, a term with
//! its sign, a whole item for the name that it defines.

use super::Program;
use super::ast::{BinaryOp, Entry, Expr, ExprKind, Item, ItemKind, Param, Stage};
use crate::diagnostic::Diagnostic;
use crate::source::Span;
use std::collections::HashMap;

/// Widens the deletions among the fixes of findings, so that what is left can be read. Deletions of what is no whole
/// part stay as they are.
pub fn widen(program: &Program, findings: &mut [Diagnostic]) {
    let deletions = findings.iter_mut().filter_map(|finding| finding.fix.as_deref_mut());
    let deletions = deletions.flat_map(|fix| &mut fix.edits).filter(|edit| edit.text.is_empty());
    let mut deletions: Vec<_> = deletions.filter(|edit| edit.span.start < edit.span.end).collect();
    if deletions.is_empty() {
        return;
    }
    let mut cuts = Cuts::default();
    for item in program.files.iter().flat_map(|file| &file.items) {
        cuts.item(item);
    }
    for edit in &mut deletions {
        if let Some(wide) = cuts.0.get(&edit.span) {
            edit.span = *wide;
        }
    }
}

/// The span to delete for each part.
#[derive(Default)]
struct Cuts(HashMap<Span, Span>);

impl Cuts {
    fn add(&mut self, part: Span, cut: Span) {
        self.0.entry(part).or_insert(cut);
    }

    fn item(&mut self, item: &Item) {
        match &item.kind {
            ItemKind::Use { path } => self.add(path.span, item.span),
            ItemKind::Let { name, value } => {
                self.add(name.span, item.span);
                self.expr(value);
            }
            ItemKind::Block { name, params, body } => {
                self.add(name.span, item.span);
                let spans: Vec<Span> = params.iter().map(param_span).collect();
                for (param, cut) in params.iter().zip(in_list(&spans)) {
                    self.add(param.name.span, cut);
                }
                self.expr(body);
            }
            ItemKind::Setting { key, value } => {
                self.add(key.span, item.span);
                self.expr(value);
                self.add(value.span, item.span);
            }
            ItemKind::Conv(conv) => {
                self.add(conv.name.span, item.span);
                let spans: Vec<Span> = conv.params.iter().map(param_span).collect();
                for (param, cut) in conv.params.iter().zip(in_list(&spans)) {
                    self.add(param.name.span, cut);
                }
                self.entries(&conv.entries);
            }
            ItemKind::Section { entries, .. } => self.entries(entries),
            ItemKind::Allow { codes } => {
                let spans: Vec<Span> = codes.iter().map(|code| code.span).collect();
                for (code, cut) in codes.iter().zip(in_list(&spans)) {
                    self.add(code.span, if codes.len() == 1 { item.span } else { cut });
                }
            }
            ItemKind::Bare { value } => {
                self.expr(value);
                self.add(value.span, item.span);
            }
        }
    }

    fn entries(&mut self, entries: &[Entry]) {
        let spans: Vec<Span> = entries.iter().map(|entry| entry.key.span.to(entry.value.span)).collect();
        for ((entry, span), cut) in entries.iter().zip(&spans).zip(in_list(&spans)) {
            self.add(*span, cut);
            self.add(entry.key.span, cut);
            self.expr(&entry.value);
        }
    }

    fn expr(&mut self, expr: &Expr) {
        // A stack of its own: a sum of many terms leans to the left.
        let mut open = vec![expr];
        while let Some(expr) = open.pop() {
            match &expr.kind {
                ExprKind::Pipeline(stages) => {
                    for (idx, stage) in stages.iter().enumerate() {
                        self.add(stage.value.span, stage_cut(stages, idx));
                        if let Some(name) = &stage.name {
                            self.add(name.span, Span { start: stage.value.span.end, ..name.span });
                        }
                        open.push(&stage.value);
                    }
                }
                ExprKind::Call(call) => {
                    let spans: Vec<Span> = call
                        .args
                        .iter()
                        .map(|arg| {
                            arg.name.as_ref().map_or(arg.value.span, |name| name.span.to(arg.value.span))
                        })
                        .collect();
                    for ((arg, span), cut) in call.args.iter().zip(&spans).zip(in_list(&spans)) {
                        self.add(*span, cut);
                        open.push(&arg.value);
                    }
                }
                ExprKind::List(items) => {
                    let spans: Vec<Span> = items.iter().map(|item| item.span).collect();
                    for (span, cut) in spans.iter().zip(in_list(&spans)) {
                        self.add(*span, cut);
                    }
                    open.extend(items);
                }
                ExprKind::Neg(inner) => open.push(inner),
                ExprKind::Binary { op, lhs, rhs, .. } => {
                    if *op == BinaryOp::Add {
                        self.add(rhs.span, Span { start: lhs.span.end, ..rhs.span });
                        self.add(lhs.span, Span { end: rhs.span.start, ..lhs.span });
                    }
                    open.extend([&**lhs, &**rhs]);
                }
                ExprKind::Number { .. } | ExprKind::String(_) | ExprKind::Bool(_) | ExprKind::Name(_) => {}
            }
        }
    }
}

fn param_span(param: &Param) -> Span {
    param.default.as_ref().map_or(param.name.span, |default| param.name.span.to(default.span))
}

/// What to delete for each element of a list: with the separator before it, or behind the first one.
fn in_list(spans: &[Span]) -> impl Iterator<Item = Span> + '_ {
    spans.iter().enumerate().map(|(idx, span)| match (idx.checked_sub(1), spans.get(idx + 1)) {
        (Some(before), _) => Span { start: spans[before].end, ..*span },
        (None, Some(next)) => Span { end: next.start, ..*span },
        (None, None) => *span,
    })
}

/// What to delete of a pipeline so that a stage is gone: with the arrow before it, or behind the first one.
pub fn stage_cut(stages: &[Stage], idx: usize) -> Span {
    let whole = |stage: &Stage| {
        let end = stage.name.as_ref().map_or(stage.value.span, |name| name.span);
        stage.value.span.to(end)
    };
    let spans: Vec<Span> = stages.iter().skip(idx.saturating_sub(1)).take(3).map(whole).collect();
    in_list(&spans).nth(idx.min(1)).unwrap_or(stages[idx].value.span)
}
