//! Tokens and comments to a tree that is as deep as the brackets.
//!
//! A comment belongs to the gap between two tokens. Around a separator (`,`, `->`, `+`) the gaps before and after
//! it are one, so a comment behind `->` is written behind the stage before it.

use super::INDENT;
use crate::syntax::lex::{Bracket as Sign, Kind, Lexed};
use crate::syntax::split::{Chunk, Piece, Splitter};
use std::borrow::Cow;
use std::ops::Range;

#[derive(Debug, Clone, Copy)]
pub struct Comment<'a> {
    /// Without the spaces at its end.
    pub text: &'a str,
    /// Nothing stands before it on its line.
    pub is_own_line: bool,
    pub has_blank_before: bool,
}

pub type Comments<'a> = Vec<Comment<'a>>;

/// One token with the comments before it, as far as no bracket or separator has taken them.
#[derive(Debug)]
pub struct Atom<'a> {
    pub comments: Comments<'a>,
    pub text: Cow<'a, str>,
}

/// What something needs where it stands on one line.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extent {
    pub width: usize,
    /// A comment inside needs the end of a line.
    pub breaks: bool,
}

impl Extent {
    fn of(width: usize, breaks: bool) -> Self {
        Self { width, breaks }
    }
}

impl std::ops::Add for Extent {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { width: self.width + other.width, breaks: self.breaks || other.breaks }
    }
}

impl std::ops::Add<usize> for Extent {
    type Output = Self;
    fn add(self, width: usize) -> Self {
        Self { width: self.width + width, ..self }
    }
}

#[derive(Debug)]
pub struct File<'a> {
    pub items: Vec<Item<'a>>,
    pub end: Comments<'a>,
}

#[derive(Debug)]
pub struct Item<'a> {
    pub comments: Comments<'a>,
    pub has_blank_before: bool,
    pub kind: ItemKind<'a>,
}

#[derive(Debug)]
pub enum ItemKind<'a> {
    /// `let width = 64`: words, with parameters behind a block's name, and a value.
    Statement {
        words: Vec<Atom<'a>>,
        params: Option<Bracket<'a>>,
        value: Option<Value<'a>>,
    },
    Section(Section<'a>),
    /// `conv gated(out) { … }`: the word and the name, then the parameters.
    Conv {
        words: Vec<Atom<'a>>,
        params: Option<Bracket<'a>>,
        body: Body<'a>,
    },
}

/// `= pipeline`
#[derive(Debug)]
pub struct Value<'a> {
    /// Behind `=`.
    pub comments: Comments<'a>,
    pub pipeline: Pipeline<'a>,
}

#[derive(Debug)]
pub struct Section<'a> {
    pub name: Atom<'a>,
    pub body: Body<'a>,
}

/// `{ entries }`
#[derive(Debug)]
pub struct Body<'a> {
    pub entries: Vec<Entry<'a>>,
    pub end: Comments<'a>,
    pub was_one_line: bool,
    /// With the brackets and the space before them.
    pub extent: Extent,
}

#[derive(Debug)]
pub struct Entry<'a> {
    pub comments: Comments<'a>,
    pub has_blank_before: bool,
    pub key: Atom<'a>,
    pub value: Value<'a>,
}

#[derive(Debug)]
pub struct Pipeline<'a> {
    pub stages: Vec<Stage<'a>>,
    /// A line ended before or behind one of its arrows.
    pub was_broken: bool,
    pub extent: Extent,
}

#[derive(Debug)]
pub struct Stage<'a> {
    /// Around the arrow before it.
    pub comments: Comments<'a>,
    pub sum: Sum<'a>,
    /// `as` and the name.
    pub name: Option<[Atom<'a>; 2]>,
    pub extent: Extent,
}

/// Terms with `+` and `-`, or the factors of one term with `*` and `/`.
#[derive(Debug)]
pub struct Sum<'a> {
    pub terms: Vec<Term<'a>>,
    pub extent: Extent,
}

#[derive(Debug)]
pub struct Term<'a> {
    /// Around the sign before it.
    pub comments: Comments<'a>,
    /// The first has none.
    pub sign: Option<&'a str>,
    pub value: TermValue<'a>,
}

#[derive(Debug)]
pub enum TermValue<'a> {
    Product(Sum<'a>),
    Operand(Operand<'a>),
}

/// A value: `64`, `-x`, `gcn(64)`, `[1, 2]`, `(a -> b)`.
#[derive(Debug)]
pub struct Operand<'a> {
    pub minus: Option<Atom<'a>>,
    pub word: Option<Atom<'a>>,
    pub bracket: Option<Bracket<'a>>,
    pub is_number: bool,
    pub extent: Extent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BracketKind {
    /// Arguments or parameters.
    Call,
    List,
    /// Parentheses around a pipeline, which take no comma.
    Group,
}

#[derive(Debug)]
pub struct Bracket<'a> {
    pub kind: BracketKind,
    pub elements: Vec<Element<'a>>,
    /// Before the closing bracket.
    pub end: Comments<'a>,
    pub extent: Extent,
}

/// An argument, a parameter, or an element of a list.
#[derive(Debug)]
pub struct Element<'a> {
    pub comments: Comments<'a>,
    pub name: Option<Atom<'a>>,
    pub value: Value<'a>,
    pub extent: Extent,
}

/// The tree of a file that was parsed without an error.
pub fn build<'a>(text: &Splitter<'a>, lexed: &Lexed) -> File<'a> {
    let mut builder = Builder { text: *text, gaps: gaps(text, lexed), next: 0 };
    let mut items = Vec::new();
    for piece in text.split() {
        let tokens = piece.tokens();
        builder.next = tokens.start;
        let has_blank_before = builder.has_blank_before(tokens.start);
        let comments = builder.take_gap(tokens.start);
        let kind = match &piece {
            Piece::Item(chunk) => builder.statement(chunk.tokens.end),
            Piece::Section { tokens, entries, .. } => {
                let name = builder.atom();
                ItemKind::Section(Section { name, body: builder.body(tokens, entries) })
            }
            Piece::Conv { tokens, entries, .. } => {
                let words = vec![builder.atom(), builder.atom()];
                let has_params = builder.kind() == Some(Kind::Open(Sign::Round));
                let params = has_params.then(|| builder.bracket(BracketKind::Call));
                ItemKind::Conv { words, params, body: builder.body(tokens, entries) }
            }
        };
        items.push(Item { comments, has_blank_before, kind });
    }
    File { items, end: builder.take_gap(text.tokens.len()) }
}

/// The comments before each token, and those behind the last.
#[derive(Debug, Default)]
struct Gap<'a> {
    comments: Comments<'a>,
    /// A blank line stands directly before the token.
    has_blank_before: bool,
}

fn gaps<'a>(text: &Splitter<'a>, lexed: &Lexed) -> Vec<Gap<'a>> {
    let mut comments = lexed.comments.iter().peekable();
    let mut gaps = Vec::with_capacity(text.tokens.len() + 1);
    // The line of what stands before.
    let mut line = 0;
    for idx in 0..=text.tokens.len() {
        let token = text.tokens.get(idx);
        let mut gap = Gap::default();
        while let Some(comment) = comments.next_if(|next| token.is_none_or(|token| next.start < token.start))
        {
            gap.comments.push(Comment {
                text: text.text[comment.start..comment.end].trim_end(),
                is_own_line: comment.is_first_on_line,
                has_blank_before: comment.line > line + 1,
            });
            line = comment.line;
        }
        if let Some(token) = token {
            gap.has_blank_before = token.line > line + 1;
            line = token.line;
        }
        gaps.push(gap);
    }
    gaps
}

struct Builder<'a> {
    text: Splitter<'a>,
    /// Taken by whoever writes the comments.
    gaps: Vec<Gap<'a>>,
    next: usize,
}

impl<'a> Builder<'a> {
    fn take_gap(&mut self, idx: usize) -> Comments<'a> {
        std::mem::take(&mut self.gaps[idx].comments)
    }

    /// The comments before and behind the separator that comes next, which is passed over.
    fn take_separator(&mut self) -> Comments<'a> {
        let mut comments = self.take_gap(self.next);
        self.next += 1;
        comments.extend(self.take_gap(self.next));
        comments
    }

    fn has_blank_before(&self, idx: usize) -> bool {
        self.gaps[idx].has_blank_before
    }

    fn kind(&self) -> Option<Kind> {
        self.text.kind(self.next)
    }

    fn is_word(&self, word: &str) -> bool {
        self.kind() == Some(Kind::Name) && self.text.word(self.next) == word
    }

    fn line(&self, idx: usize) -> usize {
        self.text.tokens[idx].line
    }

    fn atom(&mut self) -> Atom<'a> {
        let comments = self.take_gap(self.next);
        let word = self.text.word(self.next);
        // `1E-3` is `1e-3`; all other tokens stay as they are.
        let text = match self.kind() {
            Some(Kind::Number) if word.contains('E') => Cow::Owned(word.replace('E', "e")),
            _ => Cow::Borrowed(word),
        };
        self.next += 1;
        Atom { comments, text }
    }

    fn statement(&mut self, end: usize) -> ItemKind<'a> {
        let n_words = match self.text.word(self.next) {
            "let" | "block" | "use" => 2,
            _ if self.text.kind(self.next + 1) == Some(Kind::Equals) => 1,
            _ => 0,
        };
        let words: Vec<_> = (0..n_words).map(|_| self.atom()).collect();
        let params = (n_words == 2 && self.kind() == Some(Kind::Open(Sign::Round)))
            .then(|| self.bracket(BracketKind::Call));
        let value = if n_words == 0 {
            Some(Value { comments: Vec::new(), pipeline: self.pipeline() })
        } else {
            (self.next < end).then(|| self.value())
        };
        ItemKind::Statement { words, params, value }
    }

    /// `= pipeline`
    fn value(&mut self) -> Value<'a> {
        let comments = self.take_separator();
        Value { comments, pipeline: self.pipeline() }
    }

    /// What stands in curly brackets, from the opening one on.
    fn body(&mut self, tokens: &Range<usize>, chunks: &[Chunk]) -> Body<'a> {
        let close = tokens.end - 1;
        let was_one_line = self.line(tokens.start) == self.line(close);
        let mut extent = Extent::default();
        let mut entries = Vec::new();
        for chunk in chunks {
            // Before the entry stand the `{` or commas, with comments of their own.
            let comments = self.take_gaps_to(chunk.tokens.start);
            let has_blank_before = self.has_blank_before(chunk.tokens.start);
            let key = self.atom();
            let value = self.value();
            let breaks = !comments.is_empty() || !value.comments.is_empty();
            extent = extent + atom_extent(&key) + Extent::of(3, breaks) + value.pipeline.extent;
            entries.push(Entry { comments, has_blank_before, key, value });
        }
        let end = self.take_gaps_to(close);
        self.next = tokens.end;
        // ` { `, ` }` and the commas; ` {}` where it is empty.
        let signs = if entries.is_empty() { 3 } else { 5 + 2 * (entries.len() - 1) };
        extent = extent + Extent::of(signs, !end.is_empty());
        Body { entries, end, was_one_line, extent }
    }

    fn take_gaps_to(&mut self, idx: usize) -> Comments<'a> {
        let mut comments = Vec::new();
        for gap in self.next..=idx {
            comments.extend(self.take_gap(gap));
        }
        self.next = idx;
        comments
    }

    fn pipeline(&mut self) -> Pipeline<'a> {
        let mut was_broken = false;
        let mut stages = vec![self.stage(Vec::new())];
        while self.kind() == Some(Kind::Arrow) {
            let arrow = self.next;
            was_broken |=
                self.line(arrow - 1) != self.line(arrow) || self.line(arrow) != self.line(arrow + 1);
            let comments = self.take_separator();
            stages.push(self.stage(comments));
        }
        if let [only] = &mut stages[..]
            && only.name.is_none()
            && let Some(inner) = only.sum.take_group()
        {
            // Parentheses around a whole value say nothing.
            return inner;
        }
        let mut extent = Extent::of(4 * (stages.len() - 1), false);
        for (idx, stage) in stages.iter().enumerate() {
            extent = extent + stage.extent;
            extent.breaks |= idx > 0 && !stage.comments.is_empty();
        }
        Pipeline { stages, was_broken, extent }
    }

    fn stage(&mut self, comments: Comments<'a>) -> Stage<'a> {
        let sum = self.sum();
        let name = self.is_word("as").then(|| [self.atom(), self.atom()]);
        let mut extent = sum.extent;
        for word in name.iter().flatten() {
            extent = extent + 1 + atom_extent(word);
            extent.breaks |= !word.comments.is_empty();
        }
        Stage { comments, sum, name, extent }
    }

    fn sum(&mut self) -> Sum<'a> {
        let mut sum = self.plain_sum();
        // `low .. high`, whose ends are written as terms are.
        while self.kind() == Some(Kind::Operator) && self.text.word(self.next) == ".." {
            let comments = self.take_separator();
            let mut high = self.plain_sum();
            sum.extent = sum.extent + high.extent + Extent::of(4, !comments.is_empty());
            if let Some(first) = high.terms.first_mut() {
                (first.comments, first.sign) = (comments, Some(".."));
            }
            sum.terms.append(&mut high.terms);
        }
        sum
    }

    fn plain_sum(&mut self) -> Sum<'a> {
        self.terms(&["+", "-"], |builder| {
            let product = builder.terms(&["*", "/"], |builder| TermValue::Operand(builder.operand()));
            TermValue::Product(product)
        })
    }

    fn terms(&mut self, signs: &[&str], value: impl Fn(&mut Self) -> TermValue<'a>) -> Sum<'a> {
        let mut terms = vec![Term { comments: Vec::new(), sign: None, value: value(self) }];
        while self.kind() == Some(Kind::Operator) && signs.contains(&self.text.word(self.next)) {
            let sign = Some(self.text.word(self.next));
            let comments = self.take_separator();
            terms.push(Term { comments, sign, value: value(self) });
        }
        let mut extent = Extent::of(3 * (terms.len() - 1), false);
        for term in &terms {
            extent = extent + term.value.extent();
            extent.breaks |= !term.comments.is_empty();
        }
        Sum { terms, extent }
    }

    fn operand(&mut self) -> Operand<'a> {
        let minus = (self.kind() == Some(Kind::Operator)).then(|| self.atom());
        let is_number = self.kind() == Some(Kind::Number);
        let (word, bracket) = match self.kind() {
            Some(Kind::Open(Sign::Square)) => (None, Some(self.bracket(BracketKind::List))),
            Some(Kind::Open(_)) => (None, Some(self.bracket(BracketKind::Group))),
            Some(Kind::Name) => {
                let word = self.atom();
                let is_call = self.kind() == Some(Kind::Open(Sign::Round));
                (Some(word), is_call.then(|| self.bracket(BracketKind::Call)))
            }
            _ => (Some(self.atom()), None),
        };
        let mut operand = Operand { minus, word, bracket, is_number, extent: Extent::default() };
        if let Some(Bracket { kind: BracketKind::Group, elements, end, .. }) = &mut operand.bracket
            && end.is_empty()
            && let [only] = &mut elements[..]
            && only.comments.is_empty()
            && let Some(inner) = only.value.pipeline.take_operand()
        {
            // `(64)` is `64`, `((a -> b))` is `(a -> b)`.
            operand = Operand { minus: operand.minus, ..inner };
        }
        operand.measure();
        operand
    }

    fn bracket(&mut self, kind: BracketKind) -> Bracket<'a> {
        let mut elements = Vec::new();
        // Comments before the bracket go inside, where a line can end.
        let mut comments = self.take_separator();
        while !matches!(self.kind(), None | Some(Kind::Close(_))) {
            let element = self.element(comments);
            elements.push(element);
            comments = if self.kind() == Some(Kind::Comma) {
                self.take_separator()
            } else {
                self.take_gap(self.next)
            };
        }
        self.next += 1;
        let mut extent = Extent::of(2 + 2 * elements.len().saturating_sub(1), !comments.is_empty());
        for element in &elements {
            extent = extent + element.extent;
            extent.breaks |= !element.comments.is_empty();
        }
        Bracket { kind, elements, end: comments, extent }
    }

    fn element(&mut self, comments: Comments<'a>) -> Element<'a> {
        let has_name = self.text.is_entry(&(self.next..self.text.tokens.len()));
        let name = has_name.then(|| self.atom());
        let value =
            if has_name { self.value() } else { Value { comments: Vec::new(), pipeline: self.pipeline() } };
        let mut extent = value.pipeline.extent;
        if let Some(name) = &name {
            extent = extent + atom_extent(name) + Extent::of(3, !value.comments.is_empty());
        }
        Element { comments, name, value, extent }
    }
}

fn atom_extent(atom: &Atom) -> Extent {
    Extent::of(atom.text.chars().count(), false)
}

impl<'a> Pipeline<'a> {
    /// What stands before the first arrow or sign where lines can end; `None` where there is none.
    pub fn first_part(&self) -> Option<Extent> {
        match &self.stages[..] {
            [only] => only.sum.first_part(),
            stages => Some(stages[0].extent),
        }
    }

    /// The width up to where its first line can end, of a value that is one word or bracket; any other value can
    /// begin on the next line.
    pub fn width_before_break(&self) -> Option<usize> {
        match &self.stages[..] {
            [only] => only.sum.only_value().map(|operand| match &operand.bracket {
                Some(bracket) if !bracket.is_empty() => {
                    operand.extent.width - bracket.extent.width + "(".len()
                }
                _ => only.extent.width,
            }),
            _ => None,
        }
    }

    /// The value that is all of this pipeline, without a sign.
    fn take_operand(&mut self) -> Option<Operand<'a>> {
        match &mut self.stages[..] {
            [Stage { name: None, sum, .. }] => sum.take_operand(),
            _ => None,
        }
    }
}

impl<'a> Sum<'a> {
    fn first_part(&self) -> Option<Extent> {
        match &self.terms[..] {
            [Term { value: TermValue::Product(product), .. }] => product.first_part(),
            [_] => None,
            terms => Some(terms[0].value.extent()),
        }
    }

    fn only_value(&self) -> Option<&Operand<'a>> {
        match &self.terms[..] {
            [Term { value: TermValue::Product(product), .. }] => product.only_value(),
            [Term { value: TermValue::Operand(operand), .. }] => Some(operand),
            _ => None,
        }
    }

    fn only_operand(&mut self) -> Option<&mut Operand<'a>> {
        match &mut self.terms[..] {
            [Term { value: TermValue::Product(product), .. }] => product.only_operand(),
            [Term { value: TermValue::Operand(operand), .. }] => Some(operand),
            _ => None,
        }
    }

    fn take_operand(&mut self) -> Option<Operand<'a>> {
        let operand = self.only_operand().filter(|operand| operand.minus.is_none())?;
        // What remains is dropped with the parentheses.
        let empty =
            Operand { minus: None, word: None, bracket: None, is_number: false, extent: Extent::default() };
        Some(std::mem::replace(operand, empty))
    }

    /// What stands in the parentheses that are all of this sum.
    fn take_group(&mut self) -> Option<Pipeline<'a>> {
        let operand = self.only_operand().filter(|operand| operand.minus.is_none())?;
        let bracket = operand.bracket.as_mut().filter(|bracket| {
            bracket.kind == BracketKind::Group
                && bracket.end.is_empty()
                && bracket.elements.iter().all(|element| element.comments.is_empty())
        })?;
        bracket.elements.pop().map(|element| element.value.pipeline)
    }
}

impl TermValue<'_> {
    fn extent(&self) -> Extent {
        match self {
            TermValue::Product(product) => product.extent,
            TermValue::Operand(operand) => operand.extent,
        }
    }
}

impl Operand<'_> {
    fn measure(&mut self) {
        let mut extent = Extent::default();
        for atom in self.minus.iter().chain(&self.word) {
            extent = extent + atom_extent(atom);
        }
        // A comment before the first word is written before the value, one behind `-` stands inside it.
        extent.breaks |= self.minus.is_some() && self.word.iter().any(|word| !word.comments.is_empty());
        if let Some(bracket) = &self.bracket {
            extent = extent + bracket.extent;
        }
        self.extent = extent;
    }
}

impl Bracket<'_> {
    /// Nothing is inside, no comment either.
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty() && self.end.is_empty()
    }

    /// Numbers share lines; anything else gets a line each.
    pub fn is_filled(&self) -> bool {
        let is_number = |element: &Element| {
            element.comments.is_empty()
                && element.extent.width <= INDENT * 6
                && !element.extent.breaks
                && matches!(&element.value.pipeline.stages[..], [Stage { name: None, sum, .. }]
                    if matches!(&sum.terms[..], [Term { value: TermValue::Product(product), .. }]
                        if matches!(&product.terms[..], [Term { value: TermValue::Operand(Operand { is_number: true, .. }), .. }])))
        };
        self.kind == BracketKind::List && self.elements.iter().all(is_number)
    }
}
