//! Tokens to items: where each item, and each entry of a section, begins and ends, whatever is wrong
//! inside. A broken item ends where the next one begins, so it costs one message.
//!
//! An item begins at a line that starts with `use`, `let`, `block`, `conv`, `allow`, with `name =` or with
//! `name {`, outside all brackets; or at a line that starts with another name, is not indented deeper
//! than the item above, and follows something complete: a bare pipeline. After the `}` of a section
//! a new item begins in any case.
//!
//! A convolution (`conv name(…) {`) has entries as a section has.
//!
//! Where the brackets of the file do not match, a line that can only be the start of an item (and is
//! not indented deeper than the one above) ends whatever is open. The entries of a section are found
//! in the same way. Files with matching brackets never
//! depend on indentation inside brackets.

use super::lex::{Bracket, ITEM_WORDS, Kind, RESERVED, Token};
use super::message;
use crate::diagnostic::Diagnostic;
use crate::source::{FileId, Span};
use std::ops::Range;

/// How deep brackets may nest: keeps every step that walks the tree off the end of its stack.
pub const MAX_NESTING: usize = 64;

/// Words that stand before `=` at the top of a file.
pub const SETTINGS: &[&str] = &["data", "task", "model", "loss"];

/// The text of one item or entry, as a range of tokens, with the first mistake found in it so far.
#[derive(Debug)]
pub struct Chunk {
    pub tokens: Range<usize>,
    pub fault: Option<Diagnostic>,
}

#[derive(Debug)]
pub enum Piece {
    Item(Chunk),
    /// `name { entries }`
    Section {
        name: Token,
        /// From the name to the closing bracket.
        tokens: Range<usize>,
        entries: Vec<Chunk>,
        fault: Option<Diagnostic>,
    },
    /// `conv name(params) { entries }`
    Conv {
        /// From `conv` to before the opening bracket.
        head: Range<usize>,
        /// From `conv` to the closing bracket.
        tokens: Range<usize>,
        entries: Vec<Chunk>,
        fault: Option<Diagnostic>,
    },
}

impl Piece {
    pub fn tokens(&self) -> &Range<usize> {
        match self {
            Piece::Item(chunk) => &chunk.tokens,
            Piece::Section { tokens, .. } | Piece::Conv { tokens, .. } => tokens,
        }
    }
}

/// The text with its tokens.
#[derive(Clone, Copy)]
pub struct Splitter<'a> {
    pub file: FileId,
    pub text: &'a str,
    pub tokens: &'a [Token],
}

impl<'a> Splitter<'a> {
    pub fn word(&self, idx: usize) -> &'a str {
        self.tokens.get(idx).map_or("", |token| &self.text[token.start..token.end])
    }

    pub fn kind(&self, idx: usize) -> Option<Kind> {
        self.tokens.get(idx).map(|token| token.kind)
    }

    /// The bytes of some tokens, at least one.
    pub fn range(&self, tokens: &Range<usize>) -> Range<usize> {
        self.tokens[tokens.start].start..self.tokens[tokens.end - 1].end
    }

    pub fn span(&self, tokens: Range<usize>) -> Span {
        let range = self.range(&tokens);
        Span::new(self.file, range.start, range.end)
    }

    pub fn split(&self) -> Vec<Piece> {
        let is_balanced = self.is_balanced();
        let mut pieces = Vec::new();
        let mut next = 0;
        while next < self.tokens.len() {
            let is_section = self.kind(next) == Some(Kind::Name)
                && self.kind(next + 1) == Some(Kind::Open(Bracket::Curly))
                && !RESERVED.contains(&self.word(next));
            let piece = match self.conv_body(next) {
                _ if is_section => {
                    let (entries, end, fault) = self.entries(next, next + 1, is_balanced);
                    Piece::Section { name: self.tokens[next], tokens: next..end, entries, fault }
                }
                Some(open) => {
                    let (entries, end, fault) = self.entries(next, open, is_balanced);
                    Piece::Conv { head: next..open, tokens: next..end, entries, fault }
                }
                None => Piece::Item(self.item(next, is_balanced)),
            };
            next = piece.tokens().end;
            pieces.push(piece);
        }
        pieces
    }

    /// Where the `{` of the convolution that begins at `start` stands: after `conv`, a name and parameters in brackets
    /// that match. What is wrong between them is found by the parser.
    fn conv_body(&self, start: usize) -> Option<usize> {
        if self.word(start) != "conv" || self.kind(start) != Some(Kind::Name) {
            return None;
        }
        let mut depth = 0usize;
        for idx in start + 1..self.tokens.len() {
            match self.kind(idx)? {
                Kind::Open(Bracket::Curly) if depth == 0 => return Some(idx),
                Kind::Open(Bracket::Round | Bracket::Square) => depth += 1,
                Kind::Close(Bracket::Round | Bracket::Square) => depth = depth.checked_sub(1)?,
                Kind::Open(Bracket::Curly) | Kind::Close(Bracket::Curly) => return None,
                // Anything else that begins a line outside of brackets is another item.
                Kind::Name if depth == 0 && idx > start + 1 && self.tokens[idx].is_first_on_line => {
                    return None;
                }
                _ if depth > MAX_NESTING => return None,
                _ => {}
            }
        }
        None
    }

    /// Whether every bracket of the file has its partner.
    fn is_balanced(&self) -> bool {
        let mut open = Vec::new();
        for token in self.tokens {
            match token.kind {
                Kind::Open(bracket) => open.push(bracket),
                Kind::Close(bracket) if open.pop() != Some(bracket) => return false,
                _ => {}
            }
        }
        open.is_empty()
    }

    fn item(&self, start: usize, is_balanced: bool) -> Chunk {
        let mut brackets = Brackets::default();
        let mut end = start;
        while end < self.tokens.len() {
            if end > start && self.begins_item(end, start, brackets.is_empty(), is_balanced) {
                break;
            }
            let was_open = !brackets.is_empty();
            brackets.feed(self, end);
            end += 1;
            let is_close = self.kind(end - 1) == Some(Kind::Close(Bracket::Curly));
            if is_close && was_open && brackets.is_empty() {
                break;
            }
        }
        Chunk { tokens: start..end, fault: brackets.finish(self, end) }
    }

    /// Whether the token begins an item other than the one that began at `start`.
    fn begins_item(&self, idx: usize, start: usize, is_outside: bool, is_balanced: bool) -> bool {
        let token = &self.tokens[idx];
        if !token.is_first_on_line || token.kind != Kind::Name {
            return false;
        }
        let (word, before) = (self.word(idx), self.word(idx - 1));
        let is_deeper = token.column > self.tokens[start].column;
        if ITEM_WORDS.contains(&word) {
            return is_outside || !is_balanced;
        }
        // `let` and `block` may have their name on the next line.
        let is_named_by_word = idx == start + 1 && ITEM_WORDS.contains(&before);
        if matches!(self.kind(idx + 1), Some(Kind::Equals | Kind::Open(Bracket::Curly))) && !is_named_by_word
        {
            return is_outside || (!is_balanced && !is_deeper);
        }
        is_outside && !is_deeper && self.ends_value(idx - 1) && word != "as"
    }

    /// Whether an expression can end with the token.
    fn ends_value(&self, idx: usize) -> bool {
        match self.tokens[idx].kind {
            Kind::Name => !matches!(self.word(idx), "use" | "let" | "block" | "conv" | "allow" | "as"),
            Kind::Number | Kind::Text | Kind::Close(_) | Kind::Bad(_) => true,
            _ => false,
        }
    }

    /// Whether the tokens begin with `name =`.
    pub fn is_entry(&self, tokens: &Range<usize>) -> bool {
        tokens.len() > 1
            && self.kind(tokens.start) == Some(Kind::Name)
            && self.kind(tokens.start + 1) == Some(Kind::Equals)
    }

    /// The entries between `{` at `open` and its partner, of what begins at `start`; then the token behind them.
    fn entries(
        &self,
        start: usize,
        open: usize,
        is_balanced: bool,
    ) -> (Vec<Chunk>, usize, Option<Diagnostic>) {
        let mut entries = Vec::new();
        let mut fault = None;
        let mut next = open + 1;
        loop {
            match self.kind(next) {
                None => {
                    fault = Some(message::unclosed_section(self, open, next));
                    break;
                }
                Some(Kind::Close(Bracket::Curly)) => {
                    next += 1;
                    break;
                }
                Some(_) if self.ends_unclosed_section(next, start, is_balanced) => {
                    fault = Some(message::unclosed_section(self, open, next));
                    break;
                }
                Some(Kind::Comma) => {
                    // A comma separates; one that has nothing before it is a mistake.
                    if matches!(self.kind(next - 1), Some(Kind::Comma | Kind::Open(_))) {
                        entries.push(Chunk {
                            tokens: next..next + 1,
                            fault: Some(message::lone_comma(self, next)),
                        });
                    }
                    next += 1;
                }
                Some(_) => {
                    let entry = self.entry(next, start, is_balanced);
                    next = entry.tokens.end;
                    entries.push(entry);
                }
            }
        }
        (entries, next, fault)
    }

    fn entry(&self, start: usize, section: usize, is_balanced: bool) -> Chunk {
        let mut brackets = Brackets::default();
        let mut end = start;
        while end < self.tokens.len() {
            let token = &self.tokens[end];
            let is_outside = brackets.is_empty();
            match token.kind {
                Kind::Close(Bracket::Curly) if !brackets.has(Bracket::Curly) => break,
                Kind::Comma if is_outside => break,
                Kind::Name if end > start && token.is_first_on_line => {
                    let is_deeper = token.column > self.tokens[start].column;
                    let is_entry = self.kind(end + 1) == Some(Kind::Equals);
                    if (is_entry && (is_outside || (!is_balanced && !is_deeper)))
                        || (is_outside && !is_deeper && self.ends_value(end - 1) && self.word(end) != "as")
                        || self.ends_unclosed_section(end, section, is_balanced)
                    {
                        break;
                    }
                }
                _ => {}
            }
            brackets.feed(self, end);
            end += 1;
        }
        Chunk { tokens: start..end, fault: brackets.finish(self, end) }
    }

    /// Whether the token can only be the start of an item, so that the section around it was not closed.
    fn ends_unclosed_section(&self, idx: usize, section: usize, is_balanced: bool) -> bool {
        let token = &self.tokens[idx];
        if is_balanced || !token.is_first_on_line || token.column > self.tokens[section].column {
            return false;
        }
        let word = self.word(idx);
        ITEM_WORDS.contains(&word)
            || (SETTINGS.contains(&word) && self.kind(idx + 1) == Some(Kind::Equals))
            || (token.kind == Kind::Name && self.kind(idx + 1) == Some(Kind::Open(Bracket::Curly)))
    }
}

/// The open brackets of one chunk, and its first mistake.
#[derive(Default)]
struct Brackets {
    open: Vec<(Bracket, usize)>,
    /// How many of each kind are open, so that a closing one need not search.
    n_open: [usize; 3],
    fault: Option<Diagnostic>,
}

impl Brackets {
    fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    fn has(&self, bracket: Bracket) -> bool {
        self.n_open[bracket as usize] > 0
    }

    fn pop(&mut self) -> Option<(Bracket, usize)> {
        let last = self.open.pop()?;
        self.n_open[last.0 as usize] -= 1;
        Some(last)
    }

    fn refuse(&mut self, fault: impl FnOnce() -> Diagnostic) {
        if self.fault.is_none() {
            self.fault = Some(fault());
        }
    }

    fn feed(&mut self, text: &Splitter, idx: usize) {
        match text.tokens[idx].kind {
            Kind::Bad(fault) => self.refuse(|| message::bad_token(text, idx, fault)),
            Kind::Open(bracket) => {
                self.open.push((bracket, idx));
                self.n_open[bracket as usize] += 1;
                if self.open.len() > MAX_NESTING {
                    self.refuse(|| message::too_deep(text, idx));
                }
            }
            Kind::Close(bracket) if !self.has(bracket) => match self.pop() {
                Some((_, open)) => self.refuse(|| message::mismatch(text, open, idx)),
                None => self.refuse(|| message::stray_bracket(text, idx)),
            },
            Kind::Close(bracket) => {
                while let Some((open, at)) = self.pop() {
                    if open == bracket {
                        break;
                    }
                    self.refuse(|| message::unclosed(text, at, idx));
                }
            }
            _ => {}
        }
    }

    fn finish(mut self, text: &Splitter, end: usize) -> Option<Diagnostic> {
        if let Some((_, open)) = self.pop() {
            self.refuse(|| message::unclosed(text, open, end));
        }
        self.fault
    }
}
