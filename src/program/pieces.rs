//! A program in the pieces that run one after another: composites, each by its kernel, and between them programs of
//! primitives alone.

use super::gradient::followed;
use super::{Id, Op, Program, Space};

/// One piece.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// This value, which is an [`Op::Call`].
    Call(Id),
    /// A program of primitives.
    Primitives(Part),
}

/// What the rows and edges of a part are, which the part calls rows and edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartOf {
    /// Those of the level.
    Level,
    /// Rows that a selection keeps.
    Kept,
    /// Queries of pairs, as edges.
    Queries,
}

/// A part of a program as a program of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    pub program: Program,
    /// By input of the part: the value of the whole program that comes in.
    pub inputs: Vec<Id>,
    /// By input of the part: whether it has a gradient, as degrees have none.
    pub wanted: Vec<bool>,
    /// By weight of the part: which weight of the whole program it is.
    pub weights: Vec<usize>,
    /// By result of the part: the value of the whole program that it is.
    pub results: Vec<Id>,
    pub of: PartOf,
}

/// Cuts a program. Pieces stand after those whose values they read.
pub fn pieces(program: &Program) -> Vec<Piece> {
    let is_live = program.live(program.outputs.iter().copied());
    let mut live = program.values.iter().zip(&is_live).filter(|(_, is_live)| **is_live);
    if !live.any(|(value, _)| matches!(value.op, Op::Call { .. })) {
        let is_trivial = program.outputs.iter().all(|id| matches!(program.value(*id).op, Op::Input(_)));
        let whole = || {
            Piece::Primitives(Part {
                program: program.clone(),
                inputs: program.inputs.clone(),
                wanted: vec![true; program.inputs.len()],
                weights: (0..program.weights.len()).collect(),
                results: program.outputs.clone(),
                of: PartOf::Level,
            })
        };
        return if is_trivial { Vec::new() } else { vec![whole()] };
    }
    let is_followed = followed(program, |_| true);
    // By value: how many composites stand one behind another up to it.
    let mut depth = vec![0usize; program.values.len()];
    let links = program.links();
    let is_given = |op: &Op| matches!(op, Op::Input(_) | Op::Weight(_) | Op::Constant(_) | Op::Iota);
    let is_call = |id: Id| matches!(program.value(id).op, Op::Call { .. });
    for (idx, value) in program.values.iter().enumerate() {
        let of_arg = |arg: &Id| depth[arg.index()] + usize::from(is_call(*arg));
        depth[idx] = value.op.args().iter().map(of_arg).max().unwrap_or(0);
        // Edges that are found first.
        if let Some(links) = links.filter(|_| value.reads_edges()) {
            depth[idx] = depth[idx].max(depth[links.index()] + 1);
        }
    }
    // What is made of weights alone is made where it is first read, beside what else reads these weights.
    let mut first_reader = vec![usize::MAX; program.values.len()];
    for (idx, value) in program.values.iter().enumerate().rev().filter(|&(idx, _)| is_live[idx]) {
        let is_of_weights = value.space == Space::One && !is_given(&value.op) && !is_call(Id(idx as u32));
        if is_of_weights && first_reader[idx] != usize::MAX && !program.outputs.contains(&Id(idx as u32)) {
            depth[idx] = depth[idx].max(first_reader[idx]);
        }
        for arg in value.op.args() {
            first_reader[arg.index()] = first_reader[arg.index()].min(depth[idx]);
        }
    }
    // What is made of weights alone is a part of queries where nothing else reads it.
    let mut part_of = vec![PartOf::Level; program.values.len()];
    let mut is_of_queries = vec![true; program.values.len()];
    for (idx, value) in program.values.iter().enumerate().rev() {
        part_of[idx] = match value.space {
            Space::Kept => PartOf::Kept,
            Space::Queries => PartOf::Queries,
            Space::One if is_of_queries[idx] && first_reader[idx] != usize::MAX => PartOf::Queries,
            _ => PartOf::Level,
        };
        for arg in value.op.args().into_iter().filter(|_| is_live[idx]) {
            is_of_queries[arg.index()] &= part_of[idx] == PartOf::Queries && !is_call(Id(idx as u32));
        }
    }
    let n_depths = depth.iter().zip(&is_live).filter(|(_, is_live)| **is_live).map(|(depth, _)| depth + 1);
    let mut pieces = Vec::new();
    for at in 0..n_depths.max().unwrap_or(0) {
        let here = |idx: &usize| is_live[*idx] && depth[*idx] == at && !is_given(&program.values[*idx].op);
        let of_depth: Vec<Id> = (0..program.values.len()).filter(here).map(|idx| Id(idx as u32)).collect();
        let (calls, primitives): (Vec<Id>, Vec<Id>) = of_depth.into_iter().partition(|&id| is_call(id));
        for of in [PartOf::Level, PartOf::Kept, PartOf::Queries] {
            let of_space = |id: &&Id| part_of[id.index()] == of;
            let members: Vec<Id> = primitives.iter().filter(of_space).copied().collect();
            if let Some(part) = part(program, &is_live, &is_followed, &members, of) {
                pieces.push(Piece::Primitives(part));
            }
        }
        pieces.extend(calls.into_iter().map(Piece::Call));
    }
    pieces
}

/// The program of `members`; `None` where nothing outside of it reads one.
fn part(
    program: &Program,
    is_live: &[bool],
    is_followed: &[bool],
    members: &[Id],
    of: PartOf,
) -> Option<Part> {
    let is_member = |id: &Id| members.binary_search(id).is_ok();
    let is_read = |id: &&Id| {
        let is_result = program.outputs.contains(id);
        let mut readers = program.values.iter().enumerate().filter(|&(idx, _)| is_live[idx]);
        is_result || readers.any(|(idx, value)| !is_member(&Id(idx as u32)) && value.op.args().contains(id))
    };
    let results: Vec<Id> = members.iter().filter(is_read).copied().collect();
    if results.is_empty() {
        return None;
    }
    let mut part = Part {
        program: Program::default(),
        inputs: Vec::new(),
        wanted: Vec::new(),
        weights: Vec::new(),
        results: results.clone(),
        of,
    };
    // By value of the whole: its place in the part.
    let mut places: Vec<Option<Id>> = vec![None; program.values.len()];
    let mut wanted = vec![false; program.values.len()];
    for id in members {
        wanted[id.index()] = true;
        program.value(*id).op.args().iter().for_each(|arg| wanted[arg.index()] = true);
    }
    for (idx, value) in program.values.iter().enumerate().filter(|&(idx, _)| wanted[idx]) {
        let id = Id(idx as u32);
        let mut value = value.clone();
        value.space = match (of, value.space) {
            (PartOf::Kept, Space::Kept) => Space::Rows,
            (PartOf::Queries, Space::Queries) => Space::Edges,
            (_, space) => space,
        };
        let place = Id(part.program.values.len() as u32);
        value.op = match &value.op {
            Op::Weight(weight) => {
                part.weights.push(*weight);
                part.program.weights.push(program.weights[*weight].clone());
                Op::Weight(part.weights.len() - 1)
            }
            Op::Constant(_) | Op::Iota => value.op,
            op if is_member(&id) => op.with_args(|arg| places[arg.index()].expect("stands before")),
            // What another piece makes, or what comes in.
            _ => {
                part.inputs.push(id);
                part.wanted.push(is_followed[idx]);
                part.program.inputs.push(place);
                Op::Input(part.inputs.len() - 1)
            }
        };
        part.program.values.push(value);
        places[idx] = Some(place);
    }
    part.program.outputs = results.iter().map(|id| places[id.index()].expect("a member")).collect();
    Some(part)
}
