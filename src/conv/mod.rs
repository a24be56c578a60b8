//! Convolutions of a file's own: `conv gated(out) { message = …  aggregate = …  update = … }`.
//!
//! [`analyse`](analyse::analyse) turns the syntax tree of one into a [`Definition`], a typed tree in which every name
//! has its meaning. [`widths`] works out how wide its values are where it is called, [`text`] writes it as the canonical
//! form does, and [`operator`] makes an operator of it.
//!
//! The `message` is computed for each edge `j → i`, the messages of a node's incoming edges are gathered by
//! `aggregate`, and `update` is computed for each node. Nothing in a body can read in which order nodes or edges are
//! numbered, so every definition is equivariant.

pub mod analyse;
mod findings;
pub mod functions;
pub mod operator;
pub mod program;
#[cfg(test)]
mod tests;
pub mod text;
pub mod widths;

pub use crate::ops::aggregate::Aggregate;
use crate::source::{FileId, Span};
use functions::Function;
use std::sync::Arc;

/// The file that stands for the text of a definition: its spans count from the word `conv`. So a definition is the same
/// wherever it is read from; [`placed`] leads back to the file.
pub const BODY: FileId = FileId(u32::MAX - 1);

/// The place of something in a body whose `conv` begins at `definition`; without one, the place is not known.
pub fn placed(span: Span, definition: Option<Span>) -> Option<Span> {
    if span.file != BODY {
        return Some(span);
    }
    let at = definition?;
    Some(Span { file: at.file, start: at.start + span.start, end: at.start + span.end })
}

/// A convolution with the meaning of every name in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    pub name: String,
    pub params: Vec<Parameter>,
    /// Values of each node that the messages read at both ends of an edge: `h = linear(out, x)` is read as `h_i` and `h_j`.
    pub nodes: Vec<Expr>,
    /// For each edge.
    pub message: Expr,
    /// At least one; several are concatenated in this order.
    pub aggregates: Vec<Word<Aggregate>>,
    /// For each node; what was aggregated where the file leaves it out.
    pub update: Option<Expr>,
    /// Whether each node is a neighbour of itself.
    pub self_loops: Flag,
    pub reads_edges: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    pub name: String,
    pub takes: Takes,
    /// `None` where a call has to give it; `out` may be left out all the same.
    pub default: Option<Default>,
}

/// What a parameter is used as in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// A whole number of features or heads.
    Count,
    Number,
    /// In [0, 1), as a probability or a slope is.
    Probability,
    Flag,
    Aggregate,
    /// One of the functions of one value.
    Function,
    /// Nothing reads it.
    Nothing,
}

/// The default of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Default {
    Number(f64),
    Flag(bool),
    Word(&'static str),
    /// Worked out from the parameters before it, at each call.
    Computed,
}

/// `true`, `false`, or a parameter (its index).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    Fixed(bool),
    Param(usize),
}

/// A word of the language, or a parameter (its index) that stands for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word<T> {
    Fixed(T),
    Param(usize),
}

/// A number that is known where the convolution is called.
#[derive(Debug, Clone, PartialEq)]
pub enum Number {
    Fixed(f64),
    /// A parameter, by its index.
    Param(usize),
    /// `width(x_j)`
    WidthOf(Input),
    Neg(Box<Number>),
    Binary(Sign, Box<Number>, Box<Number>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    Add,
    Sub,
    Mul,
    Div,
}

impl Sign {
    pub fn text(self) -> &'static str {
        match self {
            Sign::Add => "+",
            Sign::Sub => "-",
            Sign::Mul => "*",
            Sign::Div => "/",
        }
    }

    pub fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Sign::Add => a + b,
            Sign::Sub => a - b,
            Sign::Mul => a * b,
            Sign::Div => a / b,
        }
    }
}

/// What a body can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// The node, in a value of each node.
    Own,
    /// How many edges come into it.
    OwnDegree,
    /// The node that gathers.
    Target,
    /// The neighbour that the edge comes from.
    Source,
    /// The edge's own values.
    Edge,
    /// How many edges come into the node that gathers.
    TargetDegree,
    /// How many edges come into the neighbour.
    SourceDegree,
    /// What `aggregate` made of the messages.
    Aggregated,
}

impl Input {
    pub const ALL: &[Input] = &[
        Input::Own,
        Input::OwnDegree,
        Input::Target,
        Input::Source,
        Input::Edge,
        Input::TargetDegree,
        Input::SourceDegree,
        Input::Aggregated,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Input::Own => "x",
            Input::OwnDegree => "degree",
            Input::Target => "x_i",
            Input::Source => "x_j",
            Input::Edge => "e_ij",
            Input::TargetDegree => "degree_i",
            Input::SourceDegree => "degree_j",
            Input::Aggregated => "aggregated",
        }
    }

    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|input| input.name() == name)
    }

    /// Whether the part can read it.
    pub fn is_read_by(self, part: Part) -> bool {
        match part {
            Part::Node => matches!(self, Input::Own | Input::OwnDegree),
            Part::Message => !matches!(self, Input::Own | Input::OwnDegree | Input::Aggregated),
            Part::Update => matches!(self, Input::Target | Input::TargetDegree | Input::Aggregated),
        }
    }
}

/// The parts that hold an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A value of each node that messages read.
    Node,
    Message,
    Update,
}

/// Where a value of each node is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// `h`, in another such value.
    Own,
    /// `h_i`
    Target,
    /// `h_j`
    Source,
}

impl Part {
    /// What the names of its weights begin with; values of each node are numbered.
    pub fn name(self) -> &'static str {
        match self {
            Part::Node => "node",
            Part::Message => "message",
            Part::Update => "update",
        }
    }

    /// As messages call it.
    pub fn quoted(self) -> &'static str {
        match self {
            Part::Node => "a value of each node",
            Part::Message => "`message`",
            Part::Update => "`update`",
        }
    }
}

impl End {
    /// What stands behind the name.
    pub fn suffix(self) -> &'static str {
        match self {
            End::Own => "",
            End::Target => "_i",
            End::Source => "_j",
        }
    }
}

/// How a weight begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    Kaiming,
    Glorot,
    Zeros,
    Ones,
}

impl Start {
    pub const NAMES: &[&str] = &["kaiming", "glorot", "zeros", "ones"];

    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// A value of a body, with its place in the text of the definition.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    pub kind: ExprKind,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    Input(Input),
    /// A value of each node, by its index.
    Node {
        idx: usize,
        end: End,
    },
    /// The same for every edge or node.
    Number(Number),
    /// A function of each number alone; `numbers` are its options.
    Map {
        function: Word<&'static Function>,
        value: Box<Expr>,
        numbers: Vec<Number>,
    },
    Neg(Box<Expr>),
    Binary {
        sign: Sign,
        lhs: Box<Expr>,
        rhs: Box<Expr>,
    },
    /// The larger or smaller of two.
    Extreme {
        is_max: bool,
        lhs: Box<Expr>,
        rhs: Box<Expr>,
    },
    /// A linear map of the values side by side. The rows of its matrix are those of the values, in order; of values in
    /// heads each head has a matrix of its own, and a value without heads goes into all of them.
    Linear {
        name: Arc<str>,
        width: Number,
        values: Vec<Expr>,
        bias: Flag,
        start: Start,
    },
    /// Dense layers with a function between them, as the operator `mlp` has them; the first is a map as `Linear` is.
    Mlp {
        name: Arc<str>,
        width: Number,
        values: Vec<Expr>,
        /// One layer as wide as the values together, where the file leaves them out.
        hidden: Option<Vec<Number>>,
        activation: Word<&'static Function>,
        dropout: Number,
    },
    /// A learned vector, or a matrix with a row for each head.
    Weight {
        name: Arc<str>,
        shape: Vec<Number>,
        start: Start,
    },
    Concat(Vec<Expr>),
    /// `Σ_k a_k b_k`, for each head
    Dot(Box<Expr>, Box<Expr>),
    /// `v_o = Σ_k x_k M_ko`, with the rows of `M` one after another
    Matvec {
        matrix: Box<Expr>,
        vector: Box<Expr>,
    },
    /// Over the edges that come into the same node.
    Softmax(Box<Expr>),
    Heads {
        value: Box<Expr>,
        n: Number,
    },
    Flat(Box<Expr>),
    MeanHeads(Box<Expr>),
    Dropout {
        value: Box<Expr>,
        p: Number,
    },
}

impl Expr {
    /// The expressions inside, in the order written.
    pub fn children(&self) -> Vec<&Expr> {
        match &self.kind {
            ExprKind::Input(_) | ExprKind::Node { .. } | ExprKind::Number(_) | ExprKind::Weight { .. } => {
                Vec::new()
            }
            ExprKind::Map { value, .. }
            | ExprKind::Neg(value)
            | ExprKind::Softmax(value)
            | ExprKind::Heads { value, .. }
            | ExprKind::Flat(value)
            | ExprKind::MeanHeads(value)
            | ExprKind::Dropout { value, .. } => vec![value],
            ExprKind::Binary { lhs, rhs, .. } | ExprKind::Extreme { lhs, rhs, .. } => vec![lhs, rhs],
            ExprKind::Dot(a, b) | ExprKind::Matvec { matrix: a, vector: b } => vec![a, b],
            ExprKind::Linear { values, .. } | ExprKind::Mlp { values, .. } | ExprKind::Concat(values) => {
                values.iter().collect()
            }
        }
    }

    /// Whether it or anything inside is so.
    pub fn any(&self, is_so: &dyn Fn(&Expr) -> bool) -> bool {
        is_so(self) || self.children().into_iter().any(|child| child.any(is_so))
    }

    pub fn reads(&self, input: Input) -> bool {
        self.any(&|expr| matches!(expr.kind, ExprKind::Input(known) if known == input))
    }
}

impl Definition {
    pub fn param(&self, name: &str) -> Option<usize> {
        self.params.iter().position(|param| param.name == name)
    }

    /// Whether a formula reads the values of the neighbours, or those of the node, itself or through a value of each node.
    pub fn reads_end(&self, end: End) -> bool {
        let (input, degree) = match end {
            End::Source => (Input::Source, Input::SourceDegree),
            _ => (Input::Target, Input::TargetDegree),
        };
        let reads = |expr: &Expr| match expr.kind {
            ExprKind::Input(known) => known == input || end == End::Source && known == degree,
            ExprKind::Node { end: known, .. } => known == end,
            _ => false,
        };
        std::iter::once(&self.message).chain(&self.update).any(|body| body.any(&reads))
    }
}
