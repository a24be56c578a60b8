//! Stages inside `hetero`: weights of their own for each relation of heterogeneous data, or for each type of its nodes.
//!
//! `hetero` is no operator. The builder marks the stages of its pipeline, and what is marked computes the same as without the mark, part
//! by part: a convolution on the edges of each relation with the nodes of the two types that it joins, a dense layer or a norm on the
//! nodes of each type.

use super::findings;
use super::{Action, Family, InferCx, Operator};
use crate::args::{ArgValue, Args, BoundArg};
use crate::diagnostic::Diagnostic;
use crate::types::{Dim, Entity, Level, Size};

/// The argument that no file can write, and which carries the mark.
pub const MARK: &str = "hetero";

/// What becomes of the results of the relations that lead to one type of nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Combine {
    Sum,
    Mean,
    Max,
}

/// Which parts a stage has weights for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifted {
    Relations(Combine),
    Types,
}

impl Combine {
    pub const NAMES: &'static [&'static str] = &["sum", "mean", "max"];

    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "sum" => Some(Combine::Sum),
            "mean" => Some(Combine::Mean),
            "max" => Some(Combine::Max),
            _ => None,
        }
    }
}

impl Lifted {
    /// What the canonical form writes behind the inputs of a stage, and what the mark is.
    const ALL: [(&'static str, Self); 4] = [
        ("sum", Lifted::Relations(Combine::Sum)),
        ("mean", Lifted::Relations(Combine::Mean)),
        ("max", Lifted::Relations(Combine::Max)),
        ("types", Lifted::Types),
    ];

    /// How an operator inside `hetero` is taken; `None` where it stays as it is.
    pub fn for_operator(op: &dyn Operator, args: &Args, combine: Combine) -> Option<Self> {
        match (op.family(), op.action(args)) {
            (Family::Convolution, _) => Some(Lifted::Relations(combine)),
            (Family::Normalization, _) | (_, Action::Dense { .. }) => Some(Lifted::Types),
            _ => None,
        }
    }

    pub fn of(args: &Args) -> Option<Self> {
        match &args.get(MARK)?.value {
            ArgValue::Choice(word) => Self::from_word(word),
            _ => None,
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| *name == word).map(|(_, lifted)| *lifted)
    }

    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, lifted)| *lifted == self).map_or("", |(name, _)| name)
    }

    pub fn mark(self, args: &mut Args) {
        args.0.push(BoundArg { name: MARK, value: ArgValue::Choice(self.word()), span: None });
    }

    /// How many parts there are: an axis in front of those of each weight.
    pub fn n_parts(self) -> Dim {
        match self {
            Lifted::Relations(_) => Dim::new(Size::Symbol("R"), None, "the relations of the data"),
            Lifted::Types => Dim::new(Size::Symbol("T"), None, "the types of nodes of the data"),
        }
    }
}

/// Whether a stage inside `hetero` is where there are relations and types.
///
/// # Errors
/// `levels::needs_relations` away from the nodes of the input, and where the data has one type of nodes and no kinds of edges;
/// `args::conflict` where the stage tells relations apart itself.
pub fn fits(cx: &InferCx) -> Result<(), Diagnostic> {
    let Some(lifted) = Lifted::of(cx.args) else { return Ok(()) };
    let x = cx.inputs[0];
    if x.entity != Entity::Nodes || x.level != Level(0) {
        let why = format!("relations and types are those of the nodes of the data, and this is {x}");
        return Err(findings::levels::needs_relations(cx, &why));
    }
    if cx.args.port("relation").is_some() {
        let message = format!(
            "`{}` tells relations apart itself, so `hetero` around it has nothing to do",
            cx.op.name()
        );
        return Err(findings::args::does_not_fit(cx, "relation", &message, "write it without `hetero`"));
    }
    let Some(data) = cx.data else { return Ok(()) };
    let is_there = match lifted {
        Lifted::Relations(_) => data.edge_kinds > 0,
        Lifted::Types => data.schema.is_some(),
    };
    if is_there {
        return Ok(());
    }
    let why = match lifted {
        Lifted::Relations(_) => format!("the edges of {} are all of one relation", data.name),
        Lifted::Types => format!("the nodes of {} are all of one type", data.name),
    };
    Err(findings::levels::needs_relations(cx, &why))
}

/// `hetero(sage(64, …), aggregate = sum)` of the text of a stage; of a layer for each type without `aggregate`.
pub fn written(args: &Args, call: String) -> String {
    match Lifted::of(args) {
        Some(Lifted::Types) => format!("hetero({call})"),
        Some(lifted) => format!("hetero({call}, aggregate = {})", lifted.word()),
        None => call,
    }
}
