//! In which order a program runs, and which of its values are stored.
//!
//! Values of edges are not stored where they can be made again on a block: a step over the edges takes a block of target
//! rows with all of their edges (or of source rows, over the transpose), and computes what it needs of them in memory
//! that stays in the cache. Sums over a row's edges are complete within its block, so a softmax over them, and what is
//! gathered of it again, belong to the same step. Scores of a few numbers an edge, for which whole rows are read, are the
//! exception: where several passes need them, the first stores them.

use crate::program::{Fun, Id, Index, Op, Program, Reduce, Space, Value};
use std::collections::HashSet;

/// One pass over a batch.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Phase {
    /// One value, by a kernel of its own.
    Whole(Id),
    /// Values of one space, block of rows by block.
    Rows(Space, Vec<Id>),
    /// Blocks of target rows with their edges.
    Targets(Vec<Id>),
    /// Blocks of source rows with their edges, in the order of the transpose.
    Sources(Vec<Id>),
}

impl Phase {
    /// What the phase stores.
    pub fn results(&self) -> &[Id] {
        match self {
            Phase::Whole(id) => std::slice::from_ref(id),
            Phase::Rows(_, ids) | Phase::Targets(ids) | Phase::Sources(ids) => ids,
        }
    }
}

/// The phases that compute some values of a program.
#[derive(Debug, Clone, Default)]
pub(super) struct Schedule {
    pub phases: Vec<Phase>,
    /// By phase: every value that its blocks compute, in order. Empty for [`Phase::Whole`].
    pub steps: Vec<Vec<Id>>,
    /// By phase: the stored values that it reads.
    pub reads: Vec<Vec<Id>>,
    /// By value: whether it has memory of its own for the whole batch.
    pub is_stored: Vec<bool>,
}

impl Schedule {
    /// What the phases from this one on compute and read, after a change of what is stored.
    fn read_anew(&mut self, program: &Program, from: usize) {
        for phase in from..self.phases.len() {
            let part = Part::new(program, &self.phases[phase], &self.is_stored);
            self.steps[phase] = part.steps;
            self.reads[phase] = part.reads;
        }
    }
}

/// Whether the value is a sum over all rows or edges that blocks take parts of: a gradient of weights.
pub(super) fn is_total(program: &Program, value: &Value) -> bool {
    let of = match value.op {
        Op::Outer { a, index: Index::All, .. } | Op::OuterOfKinds { a, .. } => a,
        Op::Reduce { how: Reduce::Sum, x, index: Index::All } => x,
        _ => return false,
    };
    matches!(program.value(of).space, Space::Rows | Space::Edges)
}

/// The value whose numbers a view shows.
pub(super) fn source(program: &Program, id: Id) -> Id {
    program.source(id)
}

/// Whether the value is made by a kernel over all rows at once.
fn is_whole(program: &Program, value: &Value) -> bool {
    match &value.op {
        Op::Linear { .. } => !matches!(value.space, Space::Rows | Space::Edges),
        _ if is_total(program, value) => false,
        Op::Alike { .. } | Op::Below { .. } | Op::Outer { .. } | Op::Count(_) => true,
        Op::Reduce { index, .. } => matches!(index, Index::Graph | Index::All),
        Op::Apply { .. } => true,
        Op::Gather { x, .. } => program.value(*x).space == Space::Graphs,
        _ => false,
    }
}

/// Which values of edges have memory of their own: those that a kernel over all rows makes or reads, and `roots`.
pub(super) fn stored(program: &Program, is_live: &[bool], roots: &[Id]) -> Vec<bool> {
    let mut is_stored: Vec<bool> = program
        .values
        .iter()
        .map(|value| {
            !matches!(value.op, Op::View(_))
                && (value.space != Space::Edges
                    || matches!(value.op, Op::Input(_))
                    || is_whole(program, value))
        })
        .collect();
    for value in program.values.iter().zip(is_live).filter(|(_, is_live)| **is_live).map(|(value, _)| value) {
        if is_whole(program, value) {
            for arg in value.op.args() {
                is_stored[source(program, arg).index()] = true;
            }
        }
    }
    for &root in roots {
        is_stored[source(program, root).index()] = true;
    }
    is_stored
}

/// What a value of edges needs done before: phases that have to be over, and the last that may be the same one, where
/// that goes by targets.
#[derive(Clone, Copy)]
struct Needs {
    before: isize,
    within: isize,
}

/// Plans the computation of `roots`. Values that `is_known` are there already; those that `is_kept` are stored in any case,
/// and so are those of `wanted` that a pass over the targets makes on its way.
pub(super) fn schedule(
    program: &Program,
    roots: &[Id],
    is_known: &[bool],
    is_stored: Vec<bool>,
    is_kept: &dyn Fn(Id) -> bool,
    wanted: &[Id],
) -> Schedule {
    let is_live = live(program, roots, is_known);
    // What both directions need is made by targets, and that first.
    let both_ways = scores_both_ways(program, &is_live, is_known, &is_stored);
    let mut is_stored = is_stored;
    both_ways.iter().for_each(|id| is_stored[id.index()] = true);
    let mut phases: Vec<Phase> = Vec::new();
    // By value: the phase that makes it, or for values that are not stored what they need.
    let mut made = vec![-1isize; program.values.len()];
    let mut needs = vec![Needs { before: -1, within: -1 }; program.values.len()];
    // Degrees read nothing, so nothing waits for them.
    for (idx, value) in program.values.iter().enumerate() {
        if matches!(value.op, Op::Count(_)) && is_live[idx] && !is_known[idx] {
            made[idx] = phases.len() as isize;
            phases.push(Phase::Whole(Id(idx as u32)));
        }
    }
    for idx in 0..program.values.len() {
        let id = Id(idx as u32);
        let value = program.value(id);
        if !is_live[idx] || is_known[idx] || matches!(value.op, Op::Count(_)) {
            continue;
        }
        if let Op::View(x) = value.op {
            made[idx] = made[x.index()];
            needs[idx] = needs[x.index()];
            continue;
        }
        if matches!(value.op, Op::Input(_) | Op::Weight(_) | Op::Constant(_) | Op::Iota) {
            continue;
        }
        let args = value.op.args();
        // A value of edges that its readers make themselves.
        let edge_needs = || {
            let mut all = Needs { before: -1, within: -1 };
            for arg in &args {
                let from = source(program, *arg);
                let (before, within) = match &value.op {
                    Op::Gather { index: Index::Target, .. } => (-1, made[from.index()]),
                    _ if is_by_targets(program, from, &is_stored) => (-1, made[from.index()]),
                    _ if program.value(from).space == Space::Edges && !is_stored[from.index()] => {
                        (needs[from.index()].before, needs[from.index()].within)
                    }
                    _ => (made[from.index()], -1),
                };
                all = Needs { before: all.before.max(before), within: all.within.max(within) };
            }
            all
        };
        if value.space == Space::Edges && !is_whole(program, value) {
            needs[idx] = edge_needs();
            if !is_stored[idx] {
                continue;
            }
            made[idx] = place(&mut phases, id, needs[idx], true);
            continue;
        }
        let latest = args.iter().map(|arg| made[source(program, *arg).index()]).max().unwrap_or(-1);
        made[idx] = match &value.op {
            Op::Reduce { x, index: Index::Target, .. } => {
                let needs = of_edges(program, *x, &is_stored, &made, &needs);
                place(&mut phases, id, needs, true)
            }
            Op::Reduce { x, index: Index::Source, .. } => {
                let needs = of_edges(program, *x, &is_stored, &made, &needs);
                place(&mut phases, id, needs, false)
            }
            _ if is_total(program, value)
                && args.iter().any(|arg| program.value(*arg).space == Space::Edges) =>
            {
                place(&mut phases, id, edge_needs(), true)
            }
            _ if is_whole(program, value) => {
                phases.push(Phase::Whole(id));
                phases.len() as isize - 1
            }
            _ => {
                // Row by row: with the phase that made its latest operand, where that goes by the same rows.
                let space = if is_total(program, value) { Space::Rows } else { value.space };
                let fits = |phase: &Phase| match phase {
                    Phase::Rows(rows, _) => *rows == space,
                    Phase::Targets(_) | Phase::Sources(_) => space == Space::Rows,
                    Phase::Whole(_) => false,
                };
                // A value of one row that is read has to be complete.
                let is_inner = args.iter().all(|arg| {
                    let from = source(program, *arg);
                    made[from.index()] < latest || program.value(from).space == space
                });
                let first = latest.max(0) as usize;
                let found = (first..phases.len())
                    .find(|&phase| (phase as isize > latest || is_inner) && fits(&phases[phase]));
                match found {
                    Some(phase) => {
                        match &mut phases[phase] {
                            Phase::Rows(_, ids) | Phase::Targets(ids) | Phase::Sources(ids) => ids.push(id),
                            Phase::Whole(_) => unreachable!("phases of rows"),
                        }
                        phase as isize
                    }
                    None => {
                        phases.push(Phase::Rows(space, vec![id]));
                        phases.len() as isize - 1
                    }
                }
            }
        };
    }
    put_together(program, &mut phases, &is_stored);
    let mut moving = Moving::new(program, phases, is_stored, roots);
    while moving.move_one(is_kept) {}
    let mut schedule = moving.finish();
    leave_to_readers(program, &mut schedule, &both_ways);
    store_scores(program, &mut schedule, wanted);
    leave_in_blocks(program, &mut schedule, roots, is_kept);
    schedule
}

/// What the blocks of a phase compute, and what they read.
#[derive(Default)]
struct Part {
    /// In order; empty for [`Phase::Whole`].
    steps: Vec<Id>,
    /// Stored values, in order.
    reads: Vec<Id>,
    /// What its steps take, in order.
    args: Vec<Id>,
    /// What its steps read at the ends of edges, in order.
    gathered: Vec<Id>,
}

impl Part {
    fn new(program: &Program, phase: &Phase, is_stored: &[bool]) -> Self {
        let mut part = Self::default();
        if let Phase::Whole(id) = phase {
            part.reads.extend(program.value(*id).op.args().iter().map(|arg| source(program, *arg)));
        } else {
            let mut is_result = vec![false; program.values.len()];
            phase.results().iter().for_each(|id| is_result[id.index()] = true);
            let mut is_step = is_result.clone();
            let mut waiting: Vec<Id> = phase.results().to_vec();
            while let Some(id) = waiting.pop() {
                part.steps.push(id);
                for arg in program.value(id).op.args() {
                    let from = source(program, arg);
                    part.args.push(from);
                    if is_stored[from.index()] && !is_result[from.index()] {
                        part.reads.push(from);
                    } else if !std::mem::replace(&mut is_step[from.index()], true) {
                        waiting.push(from);
                    }
                }
                if let Op::Gather { x, .. } = program.value(id).op {
                    part.gathered.push(source(program, x));
                }
            }
            part.steps.sort_unstable();
        }
        part.args.sort_unstable();
        part.gathered.sort_unstable();
        part.reads.sort_unstable();
        part.reads.dedup();
        part
    }
}

/// Passes over the edges in one direction become the later of two, where they compute some value of the edges both and
/// nothing in between reads the earlier: a backward pass reads both ends of an edge once.
fn put_together(program: &Program, phases: &mut Vec<Phase>, is_stored: &[bool]) {
    let mut parts: Vec<Part> = phases.iter().map(|phase| Part::new(program, phase, is_stored)).collect();
    let of_edges = |phase: &Phase| matches!(phase, Phase::Targets(_) | Phase::Sources(_));
    let mut from = 0;
    while from < phases.len() {
        if !of_edges(&phases[from]) {
            from += 1;
            continue;
        }
        let results: HashSet<Id> = phases[from].results().iter().copied().collect();
        let is_read = |part: &Part| part.reads.iter().any(|id| results.contains(id));
        let last = (from + 1..phases.len()).find(|&phase| is_read(&parts[phase])).unwrap_or(phases.len() - 1);
        let computed: HashSet<Id> =
            parts[from].steps.iter().copied().filter(|&id| is_made_of_edges(program, id)).collect();
        let found = (from + 1..=last).find(|&to| {
            let is_alike = std::mem::discriminant(&phases[from]) == std::mem::discriminant(&phases[to]);
            let is_shared = || parts[to].steps.iter().any(|id| computed.contains(id));
            // What the later one reads of the earlier has to be of the row itself.
            let is_row_by_row = || {
                let mut read = parts[to].reads.iter().filter(|id| results.contains(id));
                read.all(|id| {
                    program.value(*id).space == Space::Rows && parts[to].gathered.binary_search(id).is_err()
                })
            };
            is_alike && is_shared() && is_row_by_row()
        });
        let Some(to) = found else {
            from += 1;
            continue;
        };
        if let Phase::Targets(ids) | Phase::Sources(ids) = &mut phases[to] {
            ids.extend(results);
            ids.sort_unstable();
        }
        parts[to] = Part::new(program, &phases[to], is_stored);
        phases.remove(from);
        parts.remove(from);
    }
}

/// Whether a value of edges is computed, and not only read where it stands.
fn is_made_of_edges(program: &Program, id: Id) -> bool {
    let value = program.value(id);
    value.space == Space::Edges && !matches!(value.op, Op::Gather { .. } | Op::View(_) | Op::Input(_))
}

/// Phases whose values may still move: those that are computed row by row go to the one later phase that reads them,
/// where that leaves less to be stored.
struct Moving<'p> {
    program: &'p Program,
    phases: Vec<Phase>,
    parts: Vec<Part>,
    is_stored: Vec<bool>,
    /// By value: the phases that read it from memory, in order.
    readers: Vec<Vec<usize>>,
    is_root: Vec<bool>,
}

impl<'p> Moving<'p> {
    fn new(program: &'p Program, phases: Vec<Phase>, is_stored: Vec<bool>, roots: &[Id]) -> Self {
        let parts: Vec<Part> = phases.iter().map(|phase| Part::new(program, phase, &is_stored)).collect();
        let mut readers = vec![Vec::new(); program.values.len()];
        for (phase, part) in parts.iter().enumerate() {
            part.reads.iter().for_each(|id| readers[id.index()].push(phase));
        }
        let mut is_root = vec![false; program.values.len()];
        roots.iter().for_each(|&root| is_root[source(program, root).index()] = true);
        Self { program, phases, parts, is_stored, readers, is_root }
    }

    /// The phases behind `from` that read the value.
    fn later_readers(&self, id: Id, from: usize) -> impl Iterator<Item = usize> {
        let readers = &self.readers[id.index()];
        readers[readers.partition_point(|&phase| phase <= from)..].iter().copied()
    }

    /// Moves one value to its reader; false where none is left to be moved.
    fn move_one(&mut self, is_kept: &dyn Fn(Id) -> bool) -> bool {
        let is_free = |id: Id, is_root: &[bool]| !is_kept(id) && !is_root[id.index()];
        for from in 0..self.phases.len() {
            let ids = match &self.phases[from] {
                Phase::Rows(Space::Rows, ids) | Phase::Targets(ids) | Phase::Sources(ids) => ids,
                _ => continue,
            };
            let found = ids.iter().find_map(|&id| {
                if !is_cheap(self.program.value(id)) || !is_free(id, &self.is_root) {
                    return None;
                }
                let mut readers = self.later_readers(id, from);
                let (Some(to), None) = (readers.next(), readers.next()) else { return None };
                let is_bound = self.parts[from].args.binary_search(&id).is_ok()
                    || self.parts[to].gathered.binary_search(&id).is_ok();
                if is_bound
                    || matches!(self.phases[to], Phase::Whole(_) | Phase::Rows(Space::One | Space::Graphs, _))
                {
                    return None;
                }
                // What has to be stored for the reader in its place.
                let is_only_here = |arg: Id| {
                    ids.contains(&arg)
                        && self.later_readers(arg, from).next().is_none()
                        && is_free(arg, &self.is_root)
                };
                let args = self.program.value(id).op.args();
                let mut args: Vec<Id> = args.iter().map(|&arg| source(self.program, arg)).collect();
                args.sort_unstable();
                args.dedup();
                let widths = args.into_iter().filter(|&arg| is_only_here(arg));
                let more: usize = widths.map(|arg| self.program.value(arg).known_width()).sum();
                (more < self.program.value(id).known_width()).then_some((id, to))
            });
            if let Some((id, to)) = found {
                self.shift(id, from, to);
                return true;
            }
        }
        false
    }

    fn shift(&mut self, id: Id, from: usize, to: usize) {
        for (phase, is_new) in [(from, false), (to, true)] {
            if let Phase::Rows(_, ids) | Phase::Targets(ids) | Phase::Sources(ids) = &mut self.phases[phase] {
                ids.retain(|&other| other != id);
                ids.extend(is_new.then_some(id));
                ids.sort_unstable();
            }
            let part = Part::new(self.program, &self.phases[phase], &self.is_stored);
            let before = std::mem::replace(&mut self.parts[phase], part);
            for read in &before.reads {
                self.readers[read.index()].retain(|&other| other != phase);
            }
            for read in &self.parts[phase].reads {
                let readers = &mut self.readers[read.index()];
                let place = readers.partition_point(|&other| other < phase);
                readers.insert(place, phase);
            }
        }
    }

    fn finish(self) -> Schedule {
        let all = self.phases.into_iter().zip(self.parts).filter(|(phase, _)| !phase.results().is_empty());
        let mut schedule = Schedule { is_stored: self.is_stored, ..Schedule::default() };
        for (phase, part) in all {
            schedule.phases.push(phase);
            schedule.steps.push(part.steps);
            schedule.reads.push(part.reads);
        }
        schedule
    }
}

/// Whether a value is computed row by row at about the cost of reading it.
fn is_cheap(value: &Value) -> bool {
    let is_cheap = matches!(
        value.op,
        Op::Map(..) | Op::Expand(_) | Op::Slice { .. } | Op::Pad { .. } | Op::Concat { .. }
    );
    value.space == Space::Rows && is_cheap
}

/// Numbers of an edge that are worth their memory, where more would have to be read to compute them again: a score and a
/// share of each head.
const NARROW: usize = 8;

/// Whether a value of edges is stored by a pass over the targets, so that this pass can read it too.
fn is_by_targets(program: &Program, id: Id, is_stored: &[bool]) -> bool {
    let value = program.value(id);
    value.space == Space::Edges && is_stored[id.index()] && !is_whole(program, value)
}

/// Whether an edge has to read far more to compute the value than to find it again: the dot product of a head.
fn is_score(program: &Program, id: Id) -> bool {
    let value = program.value(id);
    let width = value.known_width();
    let is_wide = |arg: &Id| {
        program.value(*arg).space == Space::Edges && program.value(*arg).known_width() >= 4 * width
    };
    let op = matches!(value.op, Op::Fold { .. } | Op::Linear { .. } | Op::Contract { .. } | Op::Typed { .. });
    value.space == Space::Edges && width <= NARROW && op && value.op.args().iter().any(is_wide)
}

/// Of the steps of a pass, in order: scores, and what is computed of them at a few numbers an edge.
pub(super) fn of_scores(program: &Program, steps: &[Id]) -> Vec<Id> {
    let mut found = Vec::new();
    for &id in steps {
        let value = program.value(id);
        let is_of_edges = value.space == Space::Edges && value.known_width() <= NARROW;
        let is_found = |arg: &Id| found.binary_search(&source(program, *arg)).is_ok();
        let is_own = !matches!(value.op, Op::View(_) | Op::Gather { .. });
        if is_of_edges && is_own && (is_score(program, id) || value.op.args().iter().any(is_found)) {
            found.push(id);
        }
    }
    found
}

/// Scores that sums over the targets and over the sources are computed of.
fn scores_both_ways(program: &Program, is_live: &[bool], is_known: &[bool], is_stored: &[bool]) -> Vec<Id> {
    // By value: whether a pass by targets, and one by sources, computes it.
    let mut is_read = vec![[false; 2]; program.values.len()];
    let mut found = Vec::new();
    for (idx, value) in program.values.iter().enumerate().rev() {
        let id = Id(idx as u32);
        if !is_live[idx] || is_known[idx] {
            continue;
        }
        let is_made_by = match &value.op {
            Op::Reduce { index: Index::Target, .. } => [true, false],
            Op::Reduce { index: Index::Source, .. } => [false, true],
            _ if is_total(program, value) => [true, false],
            _ if value.space == Space::Edges && !is_stored[idx] => is_read[idx],
            _ => [is_stored[idx] && !is_whole(program, value), false],
        };
        for arg in value.op.args() {
            if program.value(arg).space == Space::Edges {
                is_read[arg.index()].iter_mut().zip(is_made_by).for_each(|(is_read, is)| *is_read |= is);
            }
        }
        if is_read[idx] == [true; 2] && !is_stored[idx] && is_score(program, id) {
            found.push(id);
        }
    }
    found
}

/// Values of edges that have served to order the passes are stored by their readers' choice alone.
fn leave_to_readers(program: &Program, schedule: &mut Schedule, ids: &[Id]) {
    for &id in ids {
        let mut storing = schedule.phases.iter_mut().filter(|phase| phase.results().contains(&id));
        if let Some(Phase::Targets(results)) = storing.next()
            && results.len() > 1
        {
            results.retain(|&other| other != id);
            schedule.is_stored[id.index()] = false;
        }
    }
    if !ids.is_empty() {
        schedule.read_anew(program, 0);
    }
}

/// What one pass stores so that another, with these steps, need not compute scores again; of `scores` see [`of_scores`].
pub(super) fn shared_scores(program: &Program, scores: &[Id], later: &[Id]) -> Vec<Id> {
    let mut shared = scores.to_vec();
    shared.retain(|id| later.binary_search(id).is_ok());
    if shared.is_empty() {
        return shared;
    }
    let is_shared = |id: Id| shared.binary_search(&id).is_ok();
    // The last of them: those that something else reads.
    let mut is_read = vec![false; shared.len()];
    for &step in later.iter().filter(|&&step| !is_shared(step)) {
        let op = &program.value(step).op;
        for arg in op.args().iter().filter(|_| !matches!(op, Op::View(_))) {
            if let Ok(place) = shared.binary_search(&source(program, *arg)) {
                is_read[place] = true;
            }
        }
    }
    let scores: Vec<Id> = shared.iter().copied().filter(|&id| is_score(program, id)).collect();
    let last: Vec<Id> =
        shared.iter().zip(&is_read).filter(|(_, is_read)| **is_read).map(|(id, _)| *id).collect();
    let width = |ids: &[Id]| ids.iter().map(|&id| program.value(id).known_width()).sum::<usize>();
    if width(&last) <= width(&scores) { last } else { scores }
}

/// Scores that several passes over the edges compute are stored by the first, where that goes by targets.
fn store_scores(program: &Program, schedule: &mut Schedule, wanted: &[Id]) {
    for from in 0..schedule.phases.len() {
        if !matches!(schedule.phases[from], Phase::Targets(_)) {
            continue;
        }
        let mut found: Vec<Id> =
            wanted.iter().copied().filter(|id| schedule.steps[from].binary_search(id).is_ok()).collect();
        let scores = of_scores(program, &schedule.steps[from]);
        for later in &schedule.steps[from + 1..] {
            found.extend(shared_scores(program, &scores, later));
        }
        found.retain(|id| !schedule.is_stored[id.index()]);
        found.sort_unstable();
        found.dedup();
        if found.is_empty() {
            continue;
        }
        found.iter().for_each(|id| schedule.is_stored[id.index()] = true);
        if let Phase::Targets(ids) = &mut schedule.phases[from] {
            ids.extend(found);
            ids.sort_unstable();
        }
        schedule.read_anew(program, from);
    }
}

/// Values of rows that only their own phase reads, row by row, are not stored.
fn leave_in_blocks(program: &Program, schedule: &mut Schedule, roots: &[Id], is_kept: &dyn Fn(Id) -> bool) {
    let mut is_read = vec![false; program.values.len()];
    roots.iter().for_each(|&root| is_read[source(program, root).index()] = true);
    schedule.reads.iter().flatten().for_each(|id| is_read[id.index()] = true);
    for id in schedule.steps.iter().flatten() {
        // What edges gather is read at other rows too.
        if let Op::Gather { x, .. } = program.value(*id).op {
            is_read[source(program, x).index()] = true;
        }
    }
    for phase in &mut schedule.phases {
        if let Phase::Rows(_, ids) | Phase::Targets(ids) | Phase::Sources(ids) = phase {
            ids.retain(|&id| {
                let stays = program.value(id).space == Space::Rows && !is_read[id.index()] && !is_kept(id);
                schedule.is_stored[id.index()] &= !stays;
                !stays
            });
        }
    }
}

fn of_edges(program: &Program, x: Id, is_stored: &[bool], made: &[isize], needs: &[Needs]) -> Needs {
    let from = source(program, x);
    if is_by_targets(program, from, is_stored) {
        Needs { before: -1, within: made[from.index()] }
    } else if is_stored[from.index()] {
        Needs { before: made[from.index()], within: -1 }
    } else {
        needs[from.index()]
    }
}

/// The first phase by targets or sources that can make the value.
fn place(phases: &mut Vec<Phase>, id: Id, needs: Needs, by_target: bool) -> isize {
    let first =
        if by_target { (needs.before + 1).max(needs.within) } else { needs.before.max(needs.within) + 1 };
    let found = (first.max(0) as usize..phases.len()).find(|&phase| match &phases[phase] {
        Phase::Targets(_) => by_target,
        Phase::Sources(_) => !by_target,
        _ => false,
    });
    match found {
        Some(phase) => {
            if let Phase::Targets(ids) | Phase::Sources(ids) = &mut phases[phase] {
                ids.push(id);
            }
            phase as isize
        }
        None => {
            phases.push(if by_target { Phase::Targets(vec![id]) } else { Phase::Sources(vec![id]) });
            phases.len() as isize - 1
        }
    }
}

fn live(program: &Program, roots: &[Id], is_known: &[bool]) -> Vec<bool> {
    let mut is_live = vec![false; program.values.len()];
    for root in roots {
        is_live[root.index()] = true;
    }
    for idx in (0..program.values.len()).rev() {
        if is_live[idx] && !is_known[idx] {
            program.values[idx].op.args().iter().for_each(|arg| is_live[arg.index()] = true);
        }
    }
    is_live
}

/// A product whose sum over the last axis is all that is read of it, by `n_readers` of the steps around it: the two
/// factors.
pub(super) fn dot_of(program: &Program, n_readers: &[usize], op: &Op) -> Option<[Id; 2]> {
    let Op::Fold { how: Reduce::Sum, x, axis } = op else { return None };
    let product = program.value(*x);
    let Op::Map(Fun::Mul, factors) = &product.op else { return None };
    let is_last = *axis + 1 == product.axes.len();
    let same = |id: &Id| {
        let value = program.value(*id);
        value.axes.len() == product.axes.len()
            && value.axes.iter().zip(&product.axes).all(|(a, b)| a.known() == b.known())
    };
    (is_last && n_readers[x.index()] == 1 && factors.iter().all(same)).then(|| [factors[0], factors[1]])
}
