//! The syntax tree of one `.hgnn` file. Every node knows its place.

use crate::source::{FileId, Span};

/// A name with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Ident {
    pub text: String,
    pub span: Span,
}

/// One parsed file, its items in the order written.
#[derive(Debug, Clone, PartialEq)]
pub struct File {
    pub id: FileId,
    pub items: Vec<Item>,
    /// What could not be read. Each has had its message, so whatever misses its name stays silent.
    pub broken: Vec<BrokenItem>,
}

/// An item that was refused by the parser.
#[derive(Debug, Clone, PartialEq)]
pub struct BrokenItem {
    /// The name it would have given a meaning: `width` of a broken `let width = …`, `model` of a broken
    /// `model = …`, `encoder` of a broken block. `None` for a broken bare pipeline or `use`, or where no
    /// name can be made out: then any name, and the model, may be what is missing.
    pub defines: Option<Ident>,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// `///` lines directly above, without the slashes, joined by newlines.
    pub doc: Option<String>,
    pub kind: ItemKind,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ItemKind {
    /// `use "encoders.hgnn"`; `path.text` is the unescaped path.
    Use { path: Ident },
    /// `let width = 64`
    Let { name: Ident, value: Expr },
    /// `block encoder(width, depth = 2) = …`
    Block { name: Ident, params: Vec<Param>, body: Expr },
    /// `conv gated(out) { message = …  aggregate = …  update = … }`
    Conv(Conv),
    /// `data = …`, `model = …`, `loss = …`, `task = …`: `key` is the word before `=`.
    Setting { key: Ident, value: Expr },
    /// `train { … }`, `evaluate { … }`; `published { accuracy = 0.7625, source = "…" }` is one too.
    Section { name: Ident, entries: Vec<Entry> },
    /// `allow(over_smoothing, dead_dropout)`: warnings of `hgnnc lint` that this file keeps on purpose. It is no
    /// part of the model.
    Allow { codes: Vec<Ident> },
    /// A pipeline that stands alone: the model of a bare file.
    Bare { value: Expr },
}

/// A convolution of the file's own.
#[derive(Debug, Clone, PartialEq)]
pub struct Conv {
    pub name: Ident,
    pub params: Vec<Param>,
    /// In the order written; whether their keys mean something is not known here.
    pub entries: Vec<Entry>,
    /// From `conv` to the closing bracket.
    pub span: Span,
    /// An entry could not be read, which was reported: what is missing may have stood there.
    pub is_broken: bool,
}

/// A parameter of a block or convolution, with its default where it has one.
#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    pub name: Ident,
    pub default: Option<Expr>,
}

/// `key = value` of a section or convolution.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub key: Ident,
    pub value: Expr,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    pub kind: ExprKind,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// A number as written; `is_integer` where neither `.` nor exponent was written.
    Number {
        value: f64,
        is_integer: bool,
    },
    String(String),
    Bool(bool),
    /// A name alone: an operator without arguments, a block, a `let`, an `as` name, a parameter or an option word.
    Name(String),
    Call(Call),
    List(Vec<Expr>),
    Neg(Box<Expr>),
    Binary {
        op: BinaryOp,
        op_span: Span,
        lhs: Box<Expr>,
        rhs: Box<Expr>,
    },
    /// `a -> b as n -> c`: at least two stages, or one with a name.
    Pipeline(Vec<Stage>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    pub value: Expr,
    /// `as NAME`
    pub name: Option<Ident>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub callee: Ident,
    pub args: Vec<Arg>,
    /// The parentheses with what they hold.
    pub args_span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Arg {
    pub name: Option<Ident>,
    pub value: Expr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    /// `low .. high`: an argument of `search`, and of nothing else.
    Range,
}

impl BinaryOp {
    /// As it is written.
    pub fn sign(self) -> &'static str {
        match self {
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::Mul => "*",
            BinaryOp::Div => "/",
            BinaryOp::Range => "..",
        }
    }
}

/// One argument as written, or one entry of a section.
#[derive(Debug, Clone, Copy)]
pub struct Given<'p> {
    pub name: Option<&'p Ident>,
    pub value: &'p Expr,
}

impl<'p> From<&'p Arg> for Given<'p> {
    fn from(arg: &'p Arg) -> Self {
        Self { name: arg.name.as_ref(), value: &arg.value }
    }
}

impl<'p> From<&'p Entry> for Given<'p> {
    fn from(entry: &'p Entry) -> Self {
        Self { name: Some(&entry.key), value: &entry.value }
    }
}

impl Given<'_> {
    /// From the name to the end of the value.
    pub fn span(&self) -> Span {
        self.name.map_or(self.value.span, |name| name.span.to(self.value.span))
    }
}
