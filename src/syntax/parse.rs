//! One file to its syntax tree: items are found by [`super::split`], read by pest, and built here.

use super::ast::*;
use super::lex::{Kind, Lexed, lex};
use super::message;
use super::split::{Chunk, Piece, SETTINGS, Splitter};
use crate::diagnostic::{Diagnostic, Findings};
use crate::source::{FileId, SourceMap, Span};
use pest::Parser;
use pest::error::{ErrorVariant, InputLocation};
use pest::iterators::Pair;
use std::ops::Range;

#[derive(pest_derive::Parser)]
#[grammar = "../grammar/hgnn.pest"]
struct Grammar;

/// Reads one file. Every broken item costs one diagnostic; all others are in the tree.
///
/// # Errors
/// The diagnostics have the codes `syntax::…`.
pub fn parse(sources: &SourceMap, id: FileId) -> (File, Vec<Diagnostic>) {
    let text = &*sources.file(id).text;
    let mut diagnostics = Findings::default();
    let mut file = File { id, items: Vec::new(), broken: Vec::new() };
    if u32::try_from(text.len()).is_err() {
        return (file, vec![Diagnostic::error("syntax::too_large", "the file is larger than 4 GiB")]);
    }
    let lexed = lex(text);
    if lexed.is_cut {
        // Anything may stand in what is not read.
        let end = lexed.tokens.last().map_or(0, |last| last.end);
        file.broken.push(BrokenItem { defines: None, span: Span::new(id, end, end) });
        return (file, vec![message::too_many_tokens(id, &lexed)]);
    }
    let splitter = Splitter { file: id, text, tokens: &lexed.tokens };
    // Behind a convolution that has lost its bracket: what sets no key of the language is one of its entries.
    let mut is_in_lost_body = false;
    for piece in splitter.split() {
        if let Piece::Item(chunk) = &piece {
            let first = splitter.word(chunk.tokens.start);
            if is_in_lost_body && splitter.is_entry(&chunk.tokens) && !SETTINGS.contains(&first) {
                continue;
            }
            is_in_lost_body = first == "conv";
        } else {
            is_in_lost_body = false;
        }
        let (tokens, kind) = match piece {
            Piece::Item(chunk) => (chunk.tokens.clone(), read_item(&splitter, chunk)),
            Piece::Section { name, tokens, entries, fault } => {
                let name = ident(id, &text[name.start..name.end], name.start);
                let mut read = Vec::new();
                for entry in entries {
                    match read_entry(&splitter, entry) {
                        Ok(entry) => read.push(entry),
                        Err(diagnostic) => diagnostics.push(diagnostic),
                    }
                }
                diagnostics.extend(fault);
                (tokens, Ok(ItemKind::Section { name, entries: read }))
            }
            Piece::Conv { head, tokens, entries, fault } => {
                let mut read = Vec::new();
                let mut is_broken = fault.is_some();
                for entry in entries {
                    match read_entry(&splitter, entry) {
                        Ok(entry) => read.push(entry),
                        Err(diagnostic) => {
                            is_broken = true;
                            diagnostics.push(diagnostic);
                        }
                    }
                }
                diagnostics.extend(fault);
                let span = splitter.span(tokens.clone());
                let kind = read_conv_head(&splitter, head).map(|(name, params)| {
                    ItemKind::Conv(Conv { name, params, entries: read, span, is_broken })
                });
                (tokens, kind)
            }
        };
        let span = splitter.span(tokens.clone());
        match kind {
            Ok(kind) => {
                let doc = doc_above(&lexed, splitter.tokens[tokens.start].line);
                file.items.push(Item { doc, kind, span });
            }
            Err(diagnostic) => {
                diagnostics.push(diagnostic);
                file.broken.push(BrokenItem { defines: defined_name(&splitter, &tokens), span });
            }
        }
    }
    (file, diagnostics.into_list())
}

fn ident(file: FileId, text: &str, start: usize) -> Ident {
    Ident { text: text.to_owned(), span: Span::new(file, start, start + text.len()) }
}

/// The `///` lines that end on the line above `line`.
fn doc_above(lexed: &Lexed, line: usize) -> Option<String> {
    let end = lexed.docs.partition_point(|&(doc_line, _)| doc_line < line);
    let mut start = end;
    while start > 0 && lexed.docs[start - 1].0 + (end - start) + 1 == line {
        start -= 1;
    }
    (start < end).then(|| lexed.docs[start..end].iter().map(|&(_, doc)| doc).collect::<Vec<_>>().join("\n"))
}

/// The name that a broken item would have defined.
fn defined_name(text: &Splitter, tokens: &Range<usize>) -> Option<Ident> {
    use super::lex::{Bracket, Kind};
    let first = text.word(tokens.start);
    let at = match first {
        "let" | "block" | "conv" => tokens.start + 1,
        // It defines nothing, and no name can be `allow`, so nothing is missing without it.
        "allow" => tokens.start,
        _ if SETTINGS.contains(&first) => tokens.start,
        _ => match text.kind(tokens.start + 1) {
            Some(Kind::Equals | Kind::Open(Bracket::Curly)) => tokens.start,
            _ => return None,
        },
    };
    let token =
        text.tokens[tokens.clone()].get(at - tokens.start).filter(|token| token.kind == Kind::Name)?;
    Some(ident(text.file, text.word(at), token.start))
}

fn read_item(text: &Splitter, chunk: Chunk) -> Result<ItemKind, Diagnostic> {
    let tokens = chunk.tokens;
    let first = text.word(tokens.start);
    if let Some(fault) = chunk.fault {
        return Err(fault);
    }
    if first == "conv" {
        return Err(message::conv_without_body(text, tokens));
    }
    let rule = match first {
        "use" => Rule::use_item,
        "let" => Rule::let_item,
        "block" => Rule::block_item,
        "allow" => Rule::allow_item,
        _ if text.is_entry(&tokens) => Rule::setting,
        _ => Rule::bare,
    };
    let builder = Builder { file: text.file, offset: text.tokens[tokens.start].start };
    let place = text.span(tokens.clone());
    let mut parts = parts(read(text, tokens, rule)?);
    if rule == Rule::allow_item {
        let codes: Vec<_> = parts.map(|code| builder.ident(code)).collect();
        return if codes.is_empty() {
            Err(message::empty_allow(place))
        } else {
            Ok(ItemKind::Allow { codes })
        };
    }
    let mut next = || parts.next().expect("the grammar has it");
    match rule {
        Rule::use_item => {
            let path = next();
            Ok(ItemKind::Use { path: Ident { text: unescape(path.as_str()), span: builder.span(&path) } })
        }
        Rule::let_item => {
            let name = builder.ident(next());
            Ok(ItemKind::Let { name, value: builder.expr(next())? })
        }
        Rule::setting => {
            let key = builder.ident(next());
            Ok(ItemKind::Setting { key, value: builder.expr(next())? })
        }
        Rule::block_item => {
            let name = builder.ident(next());
            let mut part = next();
            let mut params = Vec::new();
            if part.as_rule() == Rule::params {
                params = builder.params(part)?;
                part = next();
            }
            Ok(ItemKind::Block { name, params, body: builder.expr(part)? })
        }
        _ => Ok(ItemKind::Bare { value: builder.expr(next())? }),
    }
}

/// The name and the parameters of a convolution.
fn read_conv_head(text: &Splitter, head: Range<usize>) -> Result<(Ident, Vec<Param>), Diagnostic> {
    if let Some(idx) = head.clone().find(|&idx| matches!(text.kind(idx), Some(Kind::Bad(_))))
        && let Some(Kind::Bad(fault)) = text.kind(idx)
    {
        return Err(message::bad_token(text, idx, fault));
    }
    let last = head.end - 1;
    if text.kind(last) == Some(Kind::Equals) {
        return Err(message::conv_with_equals(text.span(last..head.end)));
    }
    let builder = Builder { file: text.file, offset: text.tokens[head.start].start };
    let mut parts = parts(read(text, head, Rule::conv_head)?);
    let name = builder.ident(parts.next().expect("a convolution has a name"));
    let params = parts.next().map(|params| builder.params(params)).transpose()?;
    Ok((name, params.unwrap_or_default()))
}

fn read_entry(text: &Splitter, chunk: Chunk) -> Result<Entry, Diagnostic> {
    if let Some(fault) = chunk.fault {
        return Err(fault);
    }
    let builder = Builder { file: text.file, offset: text.tokens[chunk.tokens.start].start };
    if !text.is_entry(&chunk.tokens) {
        return Err(message::not_an_entry(text, chunk.tokens));
    }
    let mut parts = parts(read(text, chunk.tokens, Rule::setting)?);
    let key = builder.ident(parts.next().expect("an entry has a key"));
    let value = builder.expr(parts.next().expect("an entry has a value"))?;
    Ok(Entry { key, value })
}

/// What a rule holds, without keywords and signs.
fn parts(pair: Pair<Rule>) -> impl Iterator<Item = Pair<Rule>> {
    pair.into_inner().filter(|part| {
        !matches!(
            part.as_rule(),
            Rule::kw_use
                | Rule::kw_let
                | Rule::kw_block
                | Rule::kw_conv
                | Rule::kw_allow
                | Rule::kw_as
                | Rule::EOI
                | Rule::arrow
                | Rule::equals
        ) && !matches!(part.as_rule(), Rule::comma | Rule::open | Rule::close | Rule::list_end)
    })
}

fn read<'a>(text: &Splitter<'a>, tokens: Range<usize>, rule: Rule) -> Result<Pair<'a, Rule>, Diagnostic> {
    let (start, end) = (text.tokens[tokens.start].start, text.tokens[tokens.end - 1].end);
    match Grammar::parse(rule, &text.text[start..end]) {
        Ok(mut pairs) => Ok(pairs.next().expect("a rule that matches gives one pair")),
        Err(error) => {
            let offset = match error.location {
                InputLocation::Pos(offset) | InputLocation::Span((offset, _)) => offset,
            };
            let wants_value = match &error.variant {
                ErrorVariant::ParsingError { positives, .. } => positives.iter().any(|rule| {
                    matches!(
                        rule,
                        Rule::pipeline | Rule::stage | Rule::arithmetic | Rule::operand | Rule::number
                    ) || matches!(rule, Rule::minus | Rule::group | Rule::list | Rule::arg | Rule::string)
                }),
                ErrorVariant::CustomError { .. } => false,
            };
            Err(message::unexpected(text, tokens, start + offset, wants_value))
        }
    }
}

/// The text of a string literal, quotes and escapes resolved.
fn unescape(literal: &str) -> String {
    let inside = &literal[1..literal.len() - 1];
    let mut text = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(ch) = chars.next() {
        match ch {
            '\\' => match chars.next() {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some(other) => text.push(other),
                None => {}
            },
            ch => text.push(ch),
        }
    }
    text
}

/// Builds the tree out of pest's pairs. Recursion is as deep as brackets nest, which is limited.
#[derive(Clone, Copy)]
struct Builder {
    file: FileId,
    /// Where the parsed text begins in the file.
    offset: usize,
}

/// An expression and how deep it nests.
type Built = Result<(Expr, usize), Diagnostic>;

impl Builder {
    fn span(self, pair: &Pair<Rule>) -> Span {
        let span = pair.as_span();
        Span::new(self.file, self.offset + span.start(), self.offset + span.end())
    }

    fn ident(self, pair: Pair<Rule>) -> Ident {
        Ident { text: pair.as_str().to_owned(), span: self.span(&pair) }
    }

    fn expr(self, pipeline: Pair<Rule>) -> Result<Expr, Diagnostic> {
        Ok(self.pipeline(pipeline)?.0)
    }

    fn params(self, params: Pair<Rule>) -> Result<Vec<Param>, Diagnostic> {
        let param = |param| {
            let mut inner = parts(param);
            let name = self.ident(inner.next().expect("a parameter has a name"));
            let default = inner.next().map(|value| self.expr(value)).transpose()?;
            Ok(Param { name, default })
        };
        parts(params).map(param).collect()
    }

    fn deeper(self, kind: ExprKind, span: Span, depth: usize) -> Built {
        if depth >= message::MAX_DEPTH {
            return Err(message::expression_too_deep(span));
        }
        Ok((Expr { kind, span }, depth + 1))
    }

    fn pipeline(self, pipeline: Pair<Rule>) -> Built {
        let mut stages = Vec::new();
        let mut depth = 0;
        let mut last_depth = 0;
        for stage in parts(pipeline) {
            let mut parts = parts(stage);
            let value;
            (value, last_depth) = self.arithmetic(parts.next().expect("a stage has a value"))?;
            let name = parts.next().map(|name| self.ident(name));
            depth = depth.max(last_depth);
            stages.push(Stage { value, name });
        }
        if let [Stage { name: None, .. }] = &stages[..] {
            let only = stages.pop().expect("there is one").value;
            return Ok((only, last_depth));
        }
        let end = |stage: &Stage| stage.name.as_ref().map_or(stage.value.span, |name| name.span);
        let span = stages[0].value.span.to(end(&stages[stages.len() - 1]));
        self.deeper(ExprKind::Pipeline(stages), span, depth)
    }

    /// `*` and `/` bind closer than `+` and `-`, and these closer than `..`; all group to the left.
    fn arithmetic(self, arithmetic: Pair<Rule>) -> Built {
        let mut parts = parts(arithmetic);
        let mut range: Option<((Expr, usize), Span)> = None;
        let mut sum: Option<((Expr, usize), BinaryOp, Span)> = None;
        let mut product = self.operand(parts.next().expect("an operand comes first"))?;
        while let (Some(sign), Some(operand)) = (parts.next(), parts.next()) {
            let op = match sign.as_str() {
                "+" => BinaryOp::Add,
                "-" => BinaryOp::Sub,
                "*" => BinaryOp::Mul,
                "/" => BinaryOp::Div,
                _ => BinaryOp::Range,
            };
            let op_span = self.span(&sign);
            let operand = self.operand(operand)?;
            if matches!(op, BinaryOp::Mul | BinaryOp::Div) {
                product = self.binary(product, op, op_span, operand)?;
            } else {
                let mut lhs = self.finish(sum.take(), product)?;
                if op == BinaryOp::Range {
                    lhs = self.finish(range.take().map(|(low, span)| (low, BinaryOp::Range, span)), lhs)?;
                    range = Some((lhs, op_span));
                } else {
                    sum = Some((lhs, op, op_span));
                }
                product = operand;
            }
        }
        let last = self.finish(sum, product)?;
        self.finish(range.map(|(low, span)| (low, BinaryOp::Range, span)), last)
    }

    /// What an operator that waits for its right side makes of it.
    fn finish(self, open: Option<((Expr, usize), BinaryOp, Span)>, rhs: (Expr, usize)) -> Built {
        match open {
            Some((lhs, op, op_span)) => self.binary(lhs, op, op_span, rhs),
            None => Ok(rhs),
        }
    }

    fn binary(self, lhs: (Expr, usize), op: BinaryOp, op_span: Span, rhs: (Expr, usize)) -> Built {
        let span = lhs.0.span.to(rhs.0.span);
        let depth = lhs.1.max(rhs.1);
        self.deeper(ExprKind::Binary { op, op_span, lhs: Box::new(lhs.0), rhs: Box::new(rhs.0) }, span, depth)
    }

    fn operand(self, operand: Pair<Rule>) -> Built {
        let span = self.span(&operand);
        let mut parts = parts(operand);
        let first = parts.next().expect("an operand has a value");
        if first.as_rule() == Rule::minus {
            let (value, depth) = self.primary(parts.next().expect("a value follows the minus"))?;
            return self.deeper(ExprKind::Neg(Box::new(value)), span, depth);
        }
        self.primary(first)
    }

    fn primary(self, pair: Pair<Rule>) -> Built {
        let span = self.span(&pair);
        let text = pair.as_str();
        let kind = match pair.as_rule() {
            Rule::number => {
                let value: f64 = text.parse().unwrap_or(f64::INFINITY);
                let is_integer = text.bytes().all(|byte| byte.is_ascii_digit());
                if !value.is_finite() || (is_integer && value > message::MAX_INTEGER) {
                    return Err(message::number_too_large(span, text));
                }
                ExprKind::Number { value, is_integer }
            }
            Rule::string => ExprKind::String(unescape(text)),
            Rule::truth => ExprKind::Bool(text == "true"),
            Rule::name => ExprKind::Name(text.to_owned()),
            Rule::group => {
                let inner = parts(pair).next().expect("parentheses hold an expression");
                let (inner, depth) = self.pipeline(inner)?;
                return Ok((Expr { span, ..inner }, depth));
            }
            Rule::list => {
                let mut depth = 0;
                let mut elements = Vec::new();
                for element in parts(pair) {
                    let (element, element_depth) = self.pipeline(element)?;
                    depth = depth.max(element_depth);
                    elements.push(element);
                }
                return self.deeper(ExprKind::List(elements), span, depth);
            }
            _ => return self.call(pair, span),
        };
        Ok((Expr { kind, span }, 1))
    }

    fn call(self, pair: Pair<Rule>, span: Span) -> Built {
        let mut parts = parts(pair);
        let callee = self.ident(parts.next().expect("a call has a callee"));
        let list = parts.next().expect("a call has parentheses");
        let args_span = self.span(&list);
        let mut args = Vec::new();
        let mut depth = 0;
        for arg in self::parts(list) {
            let inner = self::parts(arg).next().expect("an argument holds a value");
            let (name, value) = if inner.as_rule() == Rule::named {
                let mut named = self::parts(inner);
                let name = self.ident(named.next().expect("a named argument has a name"));
                (Some(name), named.next().expect("and a value"))
            } else {
                (None, inner)
            };
            let (value, arg_depth) = self.pipeline(value)?;
            depth = depth.max(arg_depth);
            args.push(Arg { name, value });
        }
        self.deeper(ExprKind::Call(Call { callee, args, args_span }), span, depth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_text(text: &str) -> (File, Vec<Diagnostic>) {
        let mut sources = SourceMap::default();
        let id = sources.add("m.hgnn", text);
        parse(&sources, id)
    }

    /// The tree in a compact form: calls and operators in brackets, so that grouping shows.
    fn shown(expr: &Expr) -> String {
        let all = |exprs: &[Expr]| exprs.iter().map(shown).collect::<Vec<_>>().join(", ");
        match &expr.kind {
            ExprKind::Number { value, is_integer } => {
                format!("{value}{}", if *is_integer { "" } else { "f" })
            }
            ExprKind::String(text) => format!("{text:?}"),
            ExprKind::Bool(value) => value.to_string(),
            ExprKind::Name(name) => name.clone(),
            ExprKind::List(list) => format!("[{}]", all(list)),
            ExprKind::Neg(value) => format!("(-{})", shown(value)),
            ExprKind::Binary { op, lhs, rhs, .. } => format!("({} {op:?} {})", shown(lhs), shown(rhs)),
            ExprKind::Call(call) => {
                let args = call.args.iter().map(|arg| match &arg.name {
                    Some(name) => format!("{}={}", name.text, shown(&arg.value)),
                    None => shown(&arg.value),
                });
                format!("{}({})", call.callee.text, args.collect::<Vec<_>>().join(", "))
            }
            ExprKind::Pipeline(stages) => {
                let stages = stages.iter().map(|stage| match &stage.name {
                    Some(name) => format!("{} as {}", shown(&stage.value), name.text),
                    None => shown(&stage.value),
                });
                format!("<{}>", stages.collect::<Vec<_>>().join(" -> "))
            }
        }
    }

    fn item(text: &str) -> String {
        let (file, diagnostics) = read_text(text);
        assert_eq!(diagnostics, [], "{text}");
        let shown = file.items.iter().map(|item| match &item.kind {
            ItemKind::Use { path } => format!("use {:?}", path.text),
            ItemKind::Let { name, value } => format!("let {} = {}", name.text, shown(value)),
            ItemKind::Block { name, params, body } => {
                let params = params.iter().map(|param| match &param.default {
                    Some(default) => format!("{}={}", param.name.text, shown(default)),
                    None => param.name.text.clone(),
                });
                format!("block {}({}) = {}", name.text, params.collect::<Vec<_>>().join(", "), shown(body))
            }
            ItemKind::Setting { key, value } => format!("{} = {}", key.text, shown(value)),
            ItemKind::Section { name, entries } => {
                let entries =
                    entries.iter().map(|entry| format!("{} = {}", entry.key.text, shown(&entry.value)));
                format!("{} {{ {} }}", name.text, entries.collect::<Vec<_>>().join("; "))
            }
            ItemKind::Allow { codes } => {
                let codes: Vec<_> = codes.iter().map(|code| code.text.as_str()).collect();
                format!("(allow {})", codes.join(" "))
            }
            ItemKind::Conv(conv) => {
                let params = conv.params.iter().map(|param| match &param.default {
                    Some(default) => format!("{}={}", param.name.text, shown(default)),
                    None => param.name.text.clone(),
                });
                let params = params.collect::<Vec<_>>();
                let entries =
                    conv.entries.iter().map(|entry| format!("{} = {}", entry.key.text, shown(&entry.value)));
                let entries = entries.collect::<Vec<_>>().join("; ");
                format!("conv {}({}) {{ {entries} }}", conv.name.text, params.join(", "))
            }
            ItemKind::Bare { value } => shown(value),
        });
        shown.collect::<Vec<_>>().join("\n")
    }

    /// One line a message: `line:column code: message | help`.
    fn messages(text: &str) -> Vec<String> {
        let mut sources = SourceMap::default();
        let id = sources.add("m.hgnn", text);
        let (_, diagnostics) = parse(&sources, id);
        let line = |found: &Diagnostic| {
            let (line, column) = sources.line_column(id, found.labels[0].span.start);
            let help = found.help.as_deref().unwrap_or("");
            format!("{line}:{column} {}: {} | {help}", found.code, found.message)
        };
        diagnostics.iter().map(line).collect()
    }

    const WHOLE: &str = include_str!("../../tests/models/whole_language.hgnn");

    #[test]
    fn the_whole_language_is_read() {
        assert_eq!(
            item(WHOLE),
            [
                "use \"encoders.hgnn\"",
                "data = tu(\"PROTEINS\")",
                "let width = 64",
                "block encoder(width, depth=2) = repeat(depth, <sage(width) -> batch_norm -> relu>)",
                "model = <encoder(width) as fine -> diffpool(ratio=0.25f, assign=encoder(width)) -> \
                 encoder(width) as coarse -> diffpool(ratio=0.25f, assign=encoder(width)) -> encoder(width) -> \
                 concat(<fine -> max>, <coarse -> max>, max) -> mlp(hidden=[width], dropout=0.5f)>",
                "loss = ((cross_entropy Add link_prediction) Add (0.1f Mul entropy))",
                "train { optimizer = adam(lr=0.001f, weight_decay=0.0001f); \
                 schedule = plateau(factor=0.5f, patience=10); epochs = 200; batch_size = 20; clip_norm = 2f; \
                 early_stop = patience(30, monitor=val_loss); seed = 7 }",
                "evaluate { protocol = k_fold(10, inner_holdout=0.1f); seeds = 3; metrics = [accuracy, macro_f1] }",
                "published { accuracy = 0.7625f; source = \"Ying et al. 2018, table 1\" }",
                "conv gated(out, slope=0.2f) { h = linear(out, x); \
                 message = (sigmoid(linear(out, x_i, e_ij)) Mul leaky_relu(h_j, slope)); aggregate = [mean, max] }",
            ]
            .join("\n")
        );
        let (file, _) = read_text(WHOLE);
        assert_eq!(
            file.items[0].doc.as_deref(),
            Some("Two-level DiffPool classifier. Ying et al., NeurIPS 2018.")
        );
    }

    #[test]
    fn small_files_are_read() {
        for (text, expected) in [
            (
                "sage(64) -> diffpool(ratio=0.25) -> mean -> mlp",
                "<sage(64) -> diffpool(ratio=0.25f) -> mean -> mlp>",
            ),
            ("gcn", "gcn"),
            ("\u{feff}gcn(64)\r\n\t-> mean // why\r\n", "<gcn(64) -> mean>"),
            ("let a = 1 - -2 * (3 + 4) / 5", "let a = (1 Sub (((-2) Mul (3 Add 4)) Div 5))"),
            ("let a = 1-2-3", "let a = ((1 Sub 2) Sub 3)"),
            ("gcn(64,)->mean", "<gcn(64) -> mean>"),
            ("gcn as a -> add(a, (mean -> relu) as b,)", "<gcn as a -> add(a, <<mean -> relu> as b>)>"),
            (r#"data = tu("a\"b\\c\n")"#, r#"data = tu("a\"b\\c\n")"#),
            ("block b = gcn\nlet use_it = true", "block b() = gcn\nlet use_it = true"),
            ("train {}\nevaluate { seeds = 3, }", "train {  }\nevaluate { seeds = 3 }"),
            ("model =\n    gcn\nloss\n= mse", "model = gcn\nloss = mse"),
            ("let w = 1E3\ngcn(w)\n-> mean", "let w = 1000f\n<gcn(w) -> mean>"),
            // Matching brackets may hold lines that look like items.
            ("mlp(\nhidden = [8],\ndropout = 0\n)", "mlp(hidden=[8], dropout=0)"),
            ("", ""),
            ("// nothing", ""),
        ] {
            assert_eq!(item(text), expected, "{text}");
        }
    }

    #[test]
    fn a_broken_item_costs_one_message_and_the_rest_is_read() {
        let (file, diagnostics) = read_text(
            "let a = 1\nlet = 2\nmodel = gcn(64 -> mean\ntrain {\n  epochs = \n  seed = 7\n  lr 3\n  b = 2\n}\n\
             data = tu(\"X)\nblock f(x = gcn\nlet z = 3",
        );
        assert_eq!(diagnostics.len(), 6, "{diagnostics:#?}");
        assert_eq!(file.items.len(), 3, "{file:#?}");
        let broken: Vec<_> =
            file.broken.iter().map(|item| item.defines.as_ref().map(|name| name.text.as_str())).collect();
        assert_eq!(broken, [None, Some("model"), Some("data"), Some("f")]);
        let ItemKind::Section { entries, .. } = &file.items[1].kind else { panic!() };
        assert_eq!(entries.iter().map(|entry| &*entry.key.text).collect::<Vec<_>>(), ["seed", "b"]);
    }

    #[test]
    fn messages_name_the_place_the_cause_and_the_fix() {
        for (text, expected) in MESSAGES {
            assert_eq!(messages(text), [*expected], "{text}");
        }
    }

    const MESSAGES: &[(&str, &str)] = &[
        (
            "model = gcn(64) ->",
            "1:17 syntax::unexpected: expected a stage after `->` | write a stage, as in `-> mean`, or delete the `->`",
        ),
        (
            "model = gcn(64) ->\ntrain { epochs = 3 }",
            "1:17 syntax::unexpected: expected a stage after `->` | write a stage, as in `-> mean`, or delete the `->`",
        ),
        (
            "model = -> gcn(64)",
            "1:9 syntax::unexpected: expected a stage before `->` | begin with a stage, as in `= gcn(64) -> mean`",
        ),
        (
            "-> gcn(64)",
            "1:1 syntax::unexpected: expected a stage before `->` | begin with a stage, as in `gcn(64) -> mean`",
        ),
        (
            "model = gcn(64) -> -> mean",
            "1:20 syntax::unexpected: expected a stage between `->` and `->` | delete one `->`, or write a stage between, as in `-> relu ->`",
        ),
        (
            "model = gcn(64)\n    mean -> mlp",
            "2:5 syntax::unexpected: expected `->` before `mean` | write `-> mean`; a new item begins at the start of a line",
        ),
        (
            "model = gcn(64) mean",
            "1:17 syntax::unexpected: expected `->` or the end of the line, but got `mean` | to apply a next stage write `-> mean`; arguments stand in parentheses, as in `gcn(64)`",
        ),
        ("model gcn(64)", "1:7 syntax::unexpected: `model` expects `=` | write `model = gcn(64)`"),
        (
            "model: gcn(64)",
            "1:6 syntax::character: `:` is not part of the language | values are given with one `=`, as in `lr = 1e-3`",
        ),
        (
            "model = gcn(64 -> mean\nloss = mse",
            "1:12 syntax::unclosed: the `(` of `gcn` is never closed; did you forget `)`? | write `gcn(64)`",
        ),
        ("model = gcn(64)) -> mean", "1:16 syntax::stray_bracket: `)` closes nothing | delete `)`"),
        (
            "model = mlp(hidden = [64, 32) -> mean",
            "1:22 syntax::unclosed: the `[` is never closed; did you forget `]`? | write `[64, 32]`",
        ),
        ("model = gcn(64] -> mean", "1:15 syntax::unclosed: `(` is closed by `]` | write `)`"),
        (
            "model = gcn(64, lr: 3)",
            "1:19 syntax::character: `:` is not part of the language | values are given with one `=`, as in `lr = 1e-3`",
        ),
        (
            "model = gcn(64 32)",
            "1:16 syntax::unexpected: arguments of `gcn` are separated by `,` | did you forget `,`? Write `64, 32`",
        ),
        (
            "model = gcn(out 32)",
            "1:17 syntax::unexpected: arguments of `gcn` are separated by `,` | did you forget `,` or `=`? Write `out = 32` or `out, 32`",
        ),
        ("model = gcn(,)", "1:13 syntax::unexpected: expected an argument before `,` | delete the `,`"),
        (
            "model = gcn(3 = 4)",
            "1:15 syntax::unexpected: expected one name before `=` | write it like `width = 64`",
        ),
        (
            "model = gcn(64) => mean",
            "1:17 syntax::character: `=>` is not part of the language | stages are joined with `->`, as in `gcn(64) -> mean`",
        ),
        (
            "model = gcn(64) → mean",
            "1:17 syntax::character: `→` is not part of the language | stages are joined with `->`, as in `gcn(64) -> mean`",
        ),
        (
            "model = gcn(64);",
            "1:16 syntax::character: `;` is not part of the language | leave it out: an item ends with its line",
        ),
        (
            "# a comment\nmodel = gcn(64)",
            "1:1 syntax::character: `#` is not part of the language | comments begin with `//` and go to the end of the line",
        ),
        (
            "data = tu('PROTEINS')",
            "1:11 syntax::character: `'` is not part of the language | strings stand in straight double quotes, as in `\"PROTEINS\"`",
        ),
        (
            "data = tu(\"PROTEINS)",
            "1:11 syntax::string: this string has no closing quote | write `\"PROTEINS\"`",
        ),
        (
            "data = tu(\"a\\qb\")",
            "1:13 syntax::string: `\\q` is not an escape of a string | the escapes are `\\\"`, `\\\\`, `\\n` and `\\t`; for a backslash write `\\\\`",
        ),
        ("let = 3", "1:5 syntax::unexpected: `let` expects a name, but got `=` | write `let width = 64`"),
        (
            "let width 64",
            "1:11 syntax::unexpected: `let width` expects `=` and a value, but got `64` | write `let width = 64`",
        ),
        (
            "let width =",
            "1:11 syntax::unexpected: expected a value after `=` | write a number, a name, a call or a pipeline after `=`",
        ),
        ("let width", "1:5 syntax::unexpected: `let width` expects `=` and a value | write `let width = 64`"),
        ("let", "1:1 syntax::unexpected: `let` expects a name | write `let width = 64`"),
        (
            "let a = 1 let b = 2",
            "1:11 syntax::unexpected: `let` begins a new item | write `let …` on a line of its own",
        ),
        (
            "let a = 1 b = 2",
            "1:11 syntax::unexpected: `b = …` begins something new | write `b = 2` on a line of its own, or in a section after a `,`",
        ),
        ("let a = 1.", "1:9 syntax::number: `1.` is not a number | write `1.0`, or `1` for a whole number"),
        ("let a = .5", "1:9 syntax::number: `.5` is not a number | write `0.5`"),
        (
            "let a = 2x",
            "1:9 syntax::number: `2x` is not a number | for a product write `2 * x`; a name begins with a letter",
        ),
        (
            "let a = 1e999",
            "1:9 syntax::number: `1e999` is too large | whole numbers go up to 9007199254740992, others up to 1e308",
        ),
        ("let a = 1_000", "1:9 syntax::number: `1_000` is not a number | write `1000`, without `_`"),
        (
            "let a = (3 + )",
            "1:14 syntax::unexpected: expected a value after `+`, but got `)` | write a value, as in `2 * width`",
        ),
        (
            "let a = ()",
            "1:10 syntax::unexpected: expected a value before `)` | put a value into the parentheses, or delete them",
        ),
        (
            "let a = [1 2]",
            "1:12 syntax::unexpected: elements of a list are separated by `,` | did you forget `,`? Write `1, 2`",
        ),
        (
            "let a = [1,,2]",
            "1:12 syntax::unexpected: expected an element of the list before `,` | delete one `,`",
        ),
        (
            "let a = --3",
            "1:10 syntax::unexpected: expected a value after `-`, but got `-` | for the next stage write `->`",
        ),
        (
            "let größe = 3",
            "1:5 syntax::character: `größe` is not part of the language | names are made of the letters a–z and A–Z, digits and `_`",
        ),
        (
            "let a = 3 + let",
            "1:13 syntax::unexpected: `let` is a word of the language and cannot be a name | write `let_` or another name",
        ),
        (
            "allow()",
            "1:1 syntax::unexpected: `allow` names no lint | write `allow(over_smoothing)`, or delete it; `hgnnc lint --list` lists what can be allowed",
        ),
        (
            "allow",
            "1:1 syntax::unexpected: `allow` expects the names of lints in parentheses | write `allow(over_smoothing, dead_dropout)` on a line of its own",
        ),
        (
            "allow dead_dropout",
            "1:7 syntax::unexpected: `allow` expects the names of lints in parentheses, but got `dead_dropout` | write `allow(over_smoothing, dead_dropout)` on a line of its own",
        ),
        (
            "allow(dead_dropout, 3)",
            "1:21 syntax::unexpected: `allow` expects the name of a lint, but got `3` | write `allow(over_smoothing, dead_dropout)` on a line of its own",
        ),
        (
            "allow(dead_dropout over_smoothing)",
            "1:20 syntax::unexpected: expected `,` between the lints of `allow`, but got `over_smoothing` | write `allow(over_smoothing, dead_dropout)` on a line of its own",
        ),
        (
            "allow(lint::dead_dropout)",
            "1:11 syntax::character: `::` is not part of the language | a lint is named without the part before `::`, as in `allow(over_smoothing)`",
        ),
        (
            "allow(dead_dropout) -> mean",
            "1:21 syntax::unexpected: expected a new line after `allow(…)`, but got `->` | write `allow(over_smoothing, dead_dropout)` on a line of its own",
        ),
        (
            "let allow = 3",
            "1:5 syntax::unexpected: `allow` is a word of the language and cannot be a name | write `allow_` or another name",
        ),
        (
            "model = gcn(64) -> allow(dead_dropout)",
            "1:20 syntax::unexpected: `allow` is a word of the language and cannot be a name | write `allow_` or another name",
        ),
        (
            "use encoders",
            "1:5 syntax::unexpected: `use` expects the path of a file in quotes, but got `encoders` | write `use \"encoders.hgnn\"`",
        ),
        (
            "use \"a\" \"b\"",
            "1:9 syntax::unexpected: `use` takes one path and nothing else, but got `\"b\"` | write each item on its own line",
        ),
        (
            "use",
            "1:1 syntax::unexpected: `use` expects the path of a file in quotes | write `use \"encoders.hgnn\"`",
        ),
        (
            "block f(",
            "1:8 syntax::unclosed: the `(` of `f` is never closed; did you forget `)`? | add `)` where it ends",
        ),
        (
            "block f(x",
            "1:8 syntax::unclosed: the `(` of `f` is never closed; did you forget `)`? | write `f(x)`",
        ),
        (
            "block f(x)",
            "1:10 syntax::unexpected: the block has no body; it expects `=` and a pipeline | write `= gcn(width) -> relu` after the parameters",
        ),
        (
            "block f(3) = gcn",
            "1:9 syntax::unexpected: expected a parameter of the block, but got `3` | parameters are names with or without a default: `(width, depth = 2)`",
        ),
        (
            "block f(x y) = gcn",
            "1:11 syntax::unexpected: parameters of `f` are separated by `,` | did you forget `,`? Write `x, y`",
        ),
        (
            "block f(x,) gcn",
            "1:13 syntax::unexpected: expected `=` and the body of the block, but got `gcn` | write `= gcn`",
        ),
        (
            "block (x) = gcn",
            "1:7 syntax::unexpected: `block` expects a name, but got `(` | write `block encoder(width) = gcn(width) -> relu`",
        ),
        (
            "block f x = gcn",
            "1:9 syntax::unexpected: `block f` expects its parameters and `=`, but got `x` | write `block f(width) = gcn(width) -> relu`",
        ),
        (
            "model = gcn as",
            "1:13 syntax::unexpected: expected a name after `as` | write a name, as in `gcn(64) as fine`",
        ),
        (
            "model = gcn as 3 -> mean",
            "1:16 syntax::unexpected: expected a name after `as`, but got `3` | write a name, as in `gcn(64) as fine`",
        ),
        (
            "model = gcn as let -> mean",
            "1:16 syntax::unexpected: `let` is a word of the language and cannot be a name | write `let_` or another name",
        ),
        (
            "model = as x -> mean",
            "1:9 syntax::unexpected: expected a stage between `=` and `as` | write a stage and then its name, as in `gcn(64) as fine`",
        ),
        (
            "model = gcn -> as x",
            "1:16 syntax::unexpected: expected a stage between `->` and `as` | write a stage and then its name, as in `gcn(64) as fine`",
        ),
        (
            "model = gcn as x as y",
            "1:18 syntax::unexpected: `as` names a stage, and there is none here | write a stage and then its name, as in `gcn(64) as fine`",
        ),
        (
            "train { epochs = 3",
            "1:7 syntax::unclosed: the `{` of `train` is never closed; did you forget `}`? | write `}` on a line of its own after the last entry",
        ),
        (
            "train { epochs = 3 seed = 4 }",
            "1:20 syntax::unexpected: `seed = …` begins something new | write `seed = 4` on a line of its own, or in a section after a `,`",
        ),
        (
            "train { epochs 3 }",
            "1:9 syntax::unexpected: the entry `epochs` expects `=` and a value | write `epochs = 3`",
        ),
        (
            "train { epochs: 3 }",
            "1:15 syntax::character: `:` is not part of the language | values are given with one `=`, as in `lr = 1e-3`",
        ),
        (
            "train {\n epochs = 3\n\nmodel = gcn(64)",
            "1:7 syntax::unclosed: the `{` of `train` is never closed; did you forget `}`? | write `}` on a line of its own after the last entry",
        ),
        (
            "train { , epochs = 3 }",
            "1:9 syntax::unexpected: this `,` has no entry before it | delete the `,`; entries are separated by a new line or one `,`",
        ),
        (
            "train { optimizer = adam(lr = 3 }",
            "1:25 syntax::unclosed: the `(` of `adam` is never closed; did you forget `)`? | write `adam(lr = 3)`",
        ),
        (
            "train { optimizer = adam(lr = 3\n epochs = 5 }",
            "1:25 syntax::unclosed: the `(` of `adam` is never closed; did you forget `)`? | write `adam(lr = 3)`",
        ),
        (
            "train { optimizer { lr = 3 } }",
            "1:9 syntax::unexpected: the entry `optimizer` expects `=` and a value | entries are written `epochs = 200`",
        ),
        ("train { epochs = 3 }}", "1:21 syntax::stray_bracket: `}` closes nothing | delete `}`"),
        (
            "model = { gcn }",
            "1:9 syntax::unexpected: `{` is only written after the name of a section | sections are written `train { epochs = 200 }`, without `=`",
        ),
        (
            "conv gated(out) = gcn(out)",
            "1:1 syntax::unexpected: the convolution `gated` has no body; it expects `{` with its entries | write `conv gated(out) { message = linear(out, x_j), aggregate = mean }`",
        ),
        (
            "conv gated(out) {\n message = relu(x_j\n aggregate = mean\n}\nlet a = 1",
            "2:16 syntax::unclosed: the `(` of `relu` is never closed; did you forget `)`? | write `relu(x_j)`",
        ),
        (
            "conv gated(out) {\n message = x_j\n\nmodel = gated(64)",
            "1:17 syntax::unclosed: the `{` of `gated` is never closed; did you forget `}`? | write `}` on a line of its own after the last entry",
        ),
        (
            "conv gated(3) {\n message = x_j\n}",
            "1:12 syntax::unexpected: expected a parameter of the convolution, but got `3` | parameters are names with or without a default: `(out, slope = 0.2)`",
        ),
        (
            "conv (out) {\n message = x_j\n}",
            "1:6 syntax::unexpected: `conv` expects a name, but got `(` | write `conv gated(out) { message = linear(out, x_j), aggregate = mean }`",
        ),
        (
            "conv gated(out) {\n message x_j\n}",
            "2:2 syntax::unexpected: the entry `message` expects `=` and a value | write `message = x_j`",
        ),
        (
            "conv gated out {\n message = x_j\n}",
            "1:12 syntax::unexpected: `conv gated` expects its parameters and `{`, but got `out` | write `conv gated(out) { message = linear(out, x_j), aggregate = mean }`",
        ),
        (
            "model = gcn(64)(3)",
            "1:16 syntax::unexpected: a call cannot be called again | put all arguments into one pair of parentheses",
        ),
        (
            "model = 3(4)",
            "1:10 syntax::unexpected: `3` cannot be called | write the name of an operator or block before `(`",
        ),
        (
            "gcn(64) = 3",
            "1:9 syntax::unexpected: expected one name before `=` | to define a pipeline with parameters write `block encoder(width) = …`",
        ),
        ("\"x\" = 3", "1:5 syntax::unexpected: expected one name before `=` | write it like `width = 64`"),
        ("= 3", "1:1 syntax::unexpected: expected a name before `=` | write it like `width = 64`"),
        (
            "gcn(64), mean",
            "1:8 syntax::unexpected: `,` separates arguments, and there are none here | stages are joined with `->`; delete the `,`",
        ),
        (
            "let a = 2 ** 3",
            "1:11 syntax::character: `**` is not part of the language | powers are written as products, `width * width`",
        ),
        (
            "let a = 3 \0 4",
            "1:11 syntax::character: the control character U+0000 is not part of the language | delete it, or put it into a string",
        ),
        (
            "/* c */\nlet a = 3",
            "1:1 syntax::character: `/*` is not part of the language | comments begin with `//` and go to the end of the line",
        ),
        (
            "model = gcn(64) - mean ->",
            "1:24 syntax::unexpected: expected a stage after `->` | write a stage, as in `-> mean`, or delete the `->`",
        ),
        (
            "model = gcn(64) - > mean",
            "1:19 syntax::character: `>` is not part of the language | stages are joined with `->`, as in `gcn(64) -> mean`",
        ),
        (
            "model = concat(gcn(64) as a, -> max)",
            "1:30 syntax::unexpected: expected a stage before `->` | begin with a stage, as in `gcn(64) -> mean`",
        ),
        ("\"", "1:1 syntax::string: this string has no closing quote | close it with `\"` on the same line"),
        (
            "\\",
            "1:1 syntax::character: `\\` is not part of the language | delete it, or put it into a string",
        ),
        (
            "true = 3",
            "1:1 syntax::unexpected: an item cannot begin with `true` | an item is a pipeline such as `gcn(64) -> mean`, or begins with a word: `data = …`, `let …`, `train { … }`",
        ),
        (
            "loss = 0.1 entropy",
            "1:12 syntax::unexpected: expected an operator between `0.1` and `entropy` | write `0.1 * entropy`",
        ),
        (
            "model = repeat(3, gcn(64) ->)",
            "1:29 syntax::unexpected: expected a stage after `->`, but got `)` | write a stage, as in `-> mean`, or delete the `->`",
        ),
        (
            "if x { gcn }",
            "1:4 syntax::unexpected: expected `->` or the end of the line, but got `x` | to apply a next stage write `-> x`; arguments stand in parentheses, as in `gcn(64)`",
        ),
    ];

    #[test]
    fn ten_thousand_stages_are_one_pipeline() {
        let mut text = String::from("model = gcn(8)");
        for idx in 0..10_000 {
            text.push_str(&format!("\n    -> residual(gcn({}) -> relu) as s{idx}", idx % 64 + 1));
        }
        assert_eq!(read_text(&text).1, []);
    }

    #[test]
    fn nesting_and_long_sums_are_refused_before_any_stack_ends() {
        for (text, code) in [
            (format!("let a = {}1{}", "(".repeat(100_000), ")".repeat(100_000)), "syntax::too_deep"),
            ("let a = ".to_owned() + &"(".repeat(100_000), "syntax::too_deep"),
            ("let a = ".to_owned() + &"[f(".repeat(100_000) + &"]".repeat(100_000), "syntax::too_deep"),
            (format!("let a = 1{}", " + 1".repeat(100_000)), "syntax::too_deep"),
            (format!("let a = {}", "-".repeat(100_000)), "syntax::unexpected"),
        ] {
            let (_, diagnostics) = read_text(&text);
            assert_eq!(diagnostics.iter().map(|found| found.code).collect::<Vec<_>>(), [code]);
        }
        assert_eq!(read_text(&format!("let a = {}1{}", "(".repeat(64), ")".repeat(64))).1, []);
    }

    /// Every place in the tree and the messages lies in the text, on character boundaries.
    fn holds_for(text: &str) {
        let (file, diagnostics) = read_text(text);
        let labels = diagnostics.iter().flat_map(|found| &found.labels).map(|label| label.span);
        let items = file.items.iter().map(|item| item.span).chain(file.broken.iter().map(|item| item.span));
        for span in labels.chain(items) {
            assert!(span.start <= span.end && text.get(span.start as usize..span.end as usize).is_some());
        }
        for found in &diagnostics {
            assert!(!found.labels.is_empty() && found.help.is_some(), "{found:?}");
            assert!(!found.message.contains('\n'), "{found:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 400 } else { 20_000 }))]

        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,80}|[a-c(){}\\[\\]=,>\" \n\\-]{0,80}") {
            holds_for(&text);
        }

        #[test]
        fn mutated_models_are_read_without_a_panic(
            edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..4, "[(){}\\[\\],=\"\n\\-> a-z1é]{0,3}"), 1..6),
        ) {
            let mut text: Vec<char> = WHOLE.chars().collect();
            for (at, kind, insert) in edits {
                if text.is_empty() {
                    break;
                }
                let at = at.index(text.len());
                match kind {
                    0 => { text.remove(at); }
                    1 => { text.splice(at..at, insert.chars()); }
                    2 => text.truncate(at.max(1)),
                    _ => { let end = (at + 20).min(text.len()); text.drain(at..end); text.push(' '); }
                }
            }
            holds_for(&text.into_iter().collect::<String>());
        }
    }
}
