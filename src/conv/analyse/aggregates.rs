//! `aggregate = mean`, `aggregate = [mean, max]`.

use super::{Analyzer, Read};
use crate::bind::{DefinitionKind, Env, Value};
use crate::conv::findings as report;
use crate::conv::{Aggregate, Takes, Word};
use crate::findings::args as args_check;
use crate::source::Span;
use crate::syntax::ast::{self, ExprKind as Syntax};

impl<'p> Analyzer<'_, 'p> {
    /// `message` is what is gathered, for advice.
    pub(super) fn aggregates(
        &mut self,
        expr: &'p ast::Expr,
        message: Option<&ast::Expr>,
    ) -> Read<Vec<Word<Aggregate>>> {
        let list: Vec<&'p ast::Expr> = match &expr.kind {
            Syntax::List(items) => items.iter().collect(),
            // A `let` that holds a list.
            Syntax::Name(name) => match self.ev.definition(self.file, name).map(|known| known.kind) {
                Some(DefinitionKind::Let { value: ast::Expr { kind: Syntax::List(items), .. } })
                    if !self.places.contains_key(name.as_str()) =>
                {
                    self.ev.touch_name(name, &Env::root(self.file));
                    items.iter().collect()
                }
                _ => vec![expr],
            },
            _ => vec![expr],
        };
        if list.is_empty() {
            return self.refuse(report::no_aggregate(expr.span));
        }
        let mut words: Vec<(Word<Aggregate>, Span)> = Vec::new();
        let mut is_fine = true;
        for item in list {
            match self.aggregate(item, message) {
                Some(word) if words.iter().any(|(known, _)| *known == word) => {
                    let name = match word {
                        Word::Fixed(word) => word.name(),
                        Word::Param(idx) => &self.conv.params[idx].name.text,
                    };
                    let finding = args_check::twice_in_list("`aggregate`", name, item.span);
                    self.refuse::<()>(finding);
                    is_fine = false;
                }
                Some(word) => words.push((word, item.span)),
                None => is_fine = false,
            }
        }
        is_fine.then(|| words.into_iter().map(|(word, _)| word).collect())
    }

    fn aggregate(&mut self, expr: &'p ast::Expr, message: Option<&ast::Expr>) -> Read<Word<Aggregate>> {
        let name = match &expr.kind {
            Syntax::Name(name) => name.as_str(),
            Syntax::Call(call) if Aggregate::find(&call.callee.text).is_some() => {
                return self.refuse(report::called_aggregate(&call.callee.text, expr.span));
            }
            Syntax::Call(call) => call.callee.text.as_str(),
            _ => {
                let value = self.ev.eval(expr, &Env::root(self.file));
                let expects = format!("one of {}", crate::args::words_list(Aggregate::NAMES));
                if let Value::Text(text) = value
                    && let Some(word) = Aggregate::find(text)
                {
                    let finding = args_check::wrong_kind(
                        "`aggregate`",
                        &expects,
                        &format!("the text \"{text}\""),
                        expr.span,
                    );
                    let word = word.name();
                    return self
                        .refuse(finding.help(format!("write `{word}` without quotes")).fix(expr.span, word));
                }
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
        self.refuse(report::unknown_aggregate(name, expr.span, message))
    }
}
