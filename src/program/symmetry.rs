//! How each value of a program moves when the rows of its level are renumbered, step by step.
//!
//! Rows and edges are renumbered, and nothing of a program reads where a row stands: a map names rows by their edges,
//! a `reduce` adds along a map, functions see one row at a time. So a value of rows moves with them, and a value of graphs
//! or of the weights stays. The proof is the list of primitives; a primitive that reads a place would have to be added to
//! [`crate::program::Op`] and to the match below.

use super::{Op, Program, Space};

/// What a renumbering does to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moves {
    /// Its rows are renumbered with those of the level.
    Equivariant,
    /// It stays as it is.
    Invariant,
    /// It is made in the order of the rows, and is another in another numbering.
    Ordered,
}

impl Moves {
    pub fn word(self) -> &'static str {
        match self {
            Moves::Equivariant => "equivariant",
            Moves::Invariant => "invariant",
            Moves::Ordered => "ordered",
        }
    }
}

/// For each value in order. What is made of an ordered value is ordered.
pub fn symmetry(program: &Program) -> Vec<Moves> {
    let of_space = |space: Space| match space {
        Space::One | Space::Graphs => Moves::Invariant,
        Space::Rows | Space::Kept | Space::Edges | Space::Queries => Moves::Equivariant,
    };
    let mut moves: Vec<Moves> = Vec::with_capacity(program.values.len());
    for value in &program.values {
        if value.op.args().iter().any(|arg| moves[arg.index()] == Moves::Ordered) {
            moves.push(Moves::Ordered);
            continue;
        }
        let of_args = |args: &[super::Id]| args.iter().map(|arg| moves[arg.index()]).min_by_key(|&m| m as u8);
        let result = match &value.op {
            Op::Input(_) | Op::Weight(_) | Op::Constant(_) | Op::Iota | Op::Count(_) | Op::IsLoop => {
                of_space(value.space)
            }
            // Keyed by the row's own key, so it moves with it.
            Op::Random { .. } | Op::Noise { .. } => of_space(value.space),
            // A value of one row stands beside each row.
            Op::Map(..)
            | Op::Linear { .. }
            | Op::Typed { .. }
            | Op::Contract { .. }
            | Op::Fold { .. }
            | Op::View(_)
            | Op::Concat { .. }
            | Op::Slice { .. }
            | Op::Pad { .. }
            | Op::Alike { .. }
            | Op::Below { .. }
            | Op::Apply { .. } => of_args(&value.op.args()).unwrap_or(of_space(value.space)),
            Op::Expand(_) => of_space(value.space),
            Op::Gather { .. } => Moves::Equivariant,
            // Sums along a map do not depend on the order of their terms.
            Op::Reduce { index, .. } | Op::Outer { index, .. } => of_space(index.to()),
            Op::OuterOfKinds { .. } => Moves::Invariant,
            // Of one with an expansion its steps say the same, which a test compares.
            Op::Call { what, args, .. } => {
                what.moves(program.value(args[0]).space).unwrap_or(of_space(value.space))
            }
        };
        moves.push(result);
    }
    moves
}
