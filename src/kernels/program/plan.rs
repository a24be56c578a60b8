//! What the blocks of a phase compute: in which order, in which memory, and what is left to the readers of a value. Worked out
//! once for a phase; [`super::block`] runs it.

use super::MAX_ROWS;
use super::map::{self, Fit};
use super::phases::{Schedule, dot_of, is_total, source};
use crate::kernels::parallel::BLOCK_ROWS;
use crate::program::{Fun, Id, Index, Op, Program, Reduce, Space};

/// What the blocks of one phase need to know, worked out once.
#[derive(Debug, Clone, Default)]
pub(super) struct BlockPlan {
    pub steps: Vec<Step>,
    pub n_slots: usize,
    /// Numbers an edge that the slots hold together, without those that hold something only where a row has many edges.
    pub edge_width: usize,
    /// Numbers a row that the slots hold together.
    pub row_width: usize,
    /// By value: where it stands, if in a slot.
    pub slot_of: Vec<Option<usize>>,
    /// Numbers an edge, about, of rows that are copied so that those of one kind stand one after another.
    pub packed_width: f64,
    /// The same of rows whose kinds are numbers.
    pub packed_row_width: f64,
    /// The most kinds of rows, and of edges, that each have a matrix; 0 where none have.
    n_kinds: [usize; 2],
    /// By sum over all rows: how many numbers it has, and whether they are added up in f64.
    pub totals: Vec<(Id, usize, bool)>,
}

impl BlockPlan {
    pub fn step(&self, id: Id) -> Option<&Step> {
        self.steps.binary_search_by_key(&id, |step| step.id).ok().map(|place| &self.steps[place])
    }
    /// The function and the operands of a value of two rows that its readers compute, where rows have few edges.
    pub fn pair(&self, program: &Program, id: Id) -> Option<(Fun, [Id; 2])> {
        match &program.value(id).op {
            Op::Map(f, args) if self.step(id)?.kind == Kind::Deferred => {
                let pair = args.as_slice().try_into().ok()?;
                map::is_pair(*f).then_some((*f, pair))
            }
            _ => None,
        }
    }
    /// Rows of a block of a phase that goes by rows alone.
    pub fn rows_of_block(&self) -> usize {
        BLOCK_ROWS.max(self.least()[0]).min(MAX_ROWS)
    }
    /// Rows and edges of a block, at least: as many as are worth to read the matrices for that they are multiplied with.
    pub fn least(&self) -> [usize; 2] {
        let has_products = self.steps.iter().any(|step| step.kind == Kind::Product);
        let [of_rows, of_edges] = self.n_kinds.map(|n_kinds| 32 * n_kinds);
        [of_rows.max(if has_products { 32 } else { 1 }), of_edges]
    }
}

/// One value of a block.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub id: Id,
    /// Numbers a row.
    pub width: usize,
    /// Heads, and numbers a head.
    pub shape: [usize; 2],
    /// How the operands stand beside the result.
    pub fits: Vec<Fit>,
    pub kind: Kind,
    /// Where a value that is not stored stands.
    pub slot: Option<usize>,
    /// Elementary operations a row, about.
    pub work: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// Nothing to do: the value is read where it stands.
    Seen,
    /// Computed by its reader.
    Summed,
    /// Computed by its readers, which sum it, where no row of the block has many edges.
    Deferred,
    /// A product of which only the sum over the last axis is read.
    Dot([Id; 2]),
    /// As its operation says.
    Own,
    /// A sum over edges of a function, which is computed on the way.
    SumOf(Id),
    /// Rows times a matrix.
    Product,
    /// A part of a sum over all rows, by its place among the totals.
    Total(usize),
}

pub(super) fn plan(program: &Program, schedule: &Schedule, phase: usize) -> BlockPlan {
    let ids = &schedule.steps[phase];
    // By value: how many steps of the phase read it, through views too.
    let mut n_readers = vec![0; program.values.len()];
    for arg in ids.iter().flat_map(|id| program.value(*id).op.args()) {
        n_readers[source(program, arg).index()] += 1;
    }
    let results = schedule.phases[phase].results();
    let is_result = |id: Id| results.contains(&id);
    let is_in_slot = |id: Id| {
        !schedule.is_stored[id.index()] && !matches!(program.value(id).op, Op::Gather { .. } | Op::View(_))
    };
    let mut totals = Vec::new();
    // Sums of functions that nothing else reads are computed without a slot.
    let mut kinds: Vec<Kind> = vec![Kind::Own; ids.len()];
    let at = |id: Id| ids.binary_search(&id).ok();
    for (k, &id) in ids.iter().enumerate() {
        let value = program.value(id);
        match &value.op {
            Op::Gather { .. } if value.space == Space::Edges && !is_result(id) => kinds[k] = Kind::Seen,
            Op::View(_) => kinds[k] = Kind::Seen,
            Op::Linear { .. } | Op::Typed { .. } => kinds[k] = Kind::Product,
            op if is_total(program, value) => {
                kinds[k] = Kind::Total(totals.len());
                totals.push((id, value.known_width(), matches!(op, Op::Reduce { .. })));
            }
            _ => {
                if let Some(factors) = dot_of(program, &n_readers, &value.op) {
                    let Op::Fold { x, .. } = value.op else { unreachable!() };
                    let is_free = at(x).is_some_and(|x| kinds[x] == Kind::Own) && !is_result(x);
                    if is_free {
                        kinds[at(x).expect("a step")] = Kind::Summed;
                        kinds[k] = Kind::Dot(factors);
                    }
                } else if let Op::Reduce { how: Reduce::Sum, x, index: Index::Target | Index::Source } =
                    value.op
                {
                    let inner = program.value(x);
                    let is_free = n_readers[x.index()] == 1
                        && inner.space == Space::Edges
                        && is_in_slot(x)
                        && matches!(&inner.op, Op::Map(_, args) if args.len() <= 2)
                        && at(x).is_some_and(|x| kinds[x] == Kind::Own);
                    if is_free {
                        kinds[at(x).expect("a step")] = Kind::Deferred;
                        kinds[k] = Kind::SumOf(x);
                    }
                }
            }
        }
    }
    leave_pairs(program, ids, &n_readers, &mut kinds, |id| is_in_slot(id) && !is_result(id));
    let is_pair = |id: Id| at(id).is_some_and(|place| kinds[place] == Kind::Deferred);
    // Slots are taken again after the last reader.
    let mut last = vec![0usize; program.values.len()];
    for (k, &id) in ids.iter().enumerate() {
        for arg in program.value(id).op.args() {
            last[source(program, arg).index()] = k;
        }
        // What is computed on the way reads its operands there.
        let on_the_way = match kinds[k] {
            Kind::SumOf(x) => program.value(x).op.args(),
            Kind::Dot(factors) => factors.to_vec(),
            _ => Vec::new(),
        };
        for arg in on_the_way {
            last[source(program, arg).index()] = k;
            if is_pair(arg) {
                for arg in program.value(arg).op.args() {
                    last[source(program, arg).index()] = k;
                }
            }
        }
    }
    let mut free: [Vec<usize>; 2] = Default::default();
    // With whether they hold values of edges.
    let mut widths: Vec<(usize, bool)> = Vec::new();
    let mut is_filled: Vec<bool> = Vec::new();
    let mut slot_of = vec![None; program.values.len()];
    let mut steps = Vec::with_capacity(ids.len());
    for (k, &id) in ids.iter().enumerate() {
        let value = program.value(id);
        let width = value.known_width();
        if is_in_slot(id) && !matches!(kinds[k], Kind::Seen | Kind::Summed | Kind::Total(_)) {
            let is_edges = value.space == Space::Edges;
            let slot = free[usize::from(is_edges)].pop().unwrap_or_else(|| {
                widths.push((0, is_edges));
                is_filled.push(false);
                widths.len() - 1
            });
            is_filled[slot] |= kinds[k] != Kind::Deferred;
            widths[slot].0 = widths[slot].0.max(width);
            slot_of[id.index()] = Some(slot);
        }
        let dims = known_axes(program, id);
        let (shape, fits) = match &value.op {
            Op::Map(..) | Op::Expand(_) => fits(program, &value.op.args(), &dims),
            _ if let Kind::Dot([a, _]) = kinds[k] => (shape(&known_axes(program, a)), Vec::new()),
            _ => (shape(&dims), Vec::new()),
        };
        let inner = |id: Id| program.value(id).axes.last().and_then(|size| size.known()).unwrap_or(1);
        let work = match &value.op {
            Op::Linear { x, .. } | Op::Typed { x, .. } => width * (2 + inner(*x) / 8),
            // Of all rows; a row takes as much as it has products.
            Op::Outer { a, .. } | Op::OuterOfKinds { a, .. } => {
                width / 4 * program.value(*a).known_width() / inner(*a).max(1)
            }
            _ => width * 2,
        };
        steps.push(Step { id, width, shape, fits, kind: kinds[k], slot: slot_of[id.index()], work });
        for &done in &ids[..=k] {
            if let Some(slot) = slot_of[done.index()]
                && last[done.index()] == k
                && !free[usize::from(widths[slot].1)].contains(&slot)
                && steps.iter().rev().find(|step| step.slot == Some(slot)).is_some_and(|step| step.id == done)
            {
                free[usize::from(widths[slot].1)].push(slot);
            }
        }
    }
    let filled = || widths.iter().zip(&is_filled).filter(|(_, is_filled)| **is_filled).map(|(slot, _)| slot);
    let width = |of_edges: bool| filled().filter(|slot| slot.1 == of_edges).map(|slot| slot.0).sum();
    let (edge_width, row_width) = (width(true), width(false));
    // How many kinds, and whether they are those of edges.
    let kinds_of = |&id: &Id| {
        let (matrices, of) = match &program.value(id).op {
            Op::Typed { x, w, .. } => (*w, *x),
            Op::OuterOfKinds { a, .. } => (id, *a),
            _ => return None,
        };
        let is_of_edges = program.value(of).space == Space::Edges;
        Some((program.value(matrices).axes[0].known()?, is_of_edges))
    };
    let of_kinds = |of_edges: bool| {
        ids.iter().filter_map(move |id| Some((*id, kinds_of(id).filter(|kinds| kinds.1 == of_edges)?.0)))
    };
    let n_kinds = [false, true].map(|of_edges| of_kinds(of_edges).map(|(_, n)| n).max().unwrap_or(0));
    let [packed_row_width, packed_width] = [false, true].map(|of_edges| {
        let packed = of_kinds(of_edges).map(|(id, n_kinds)| {
            let value = program.value(id);
            let sides = match &value.op {
                Op::OuterOfKinds { a, b, .. } => [program.value(*a), program.value(*b)],
                _ => [program.value(value.op.args()[0]), value],
            };
            let width: usize = sides.iter().map(|side| side.known_width()).sum();
            width as f64 / n_kinds.max(1) as f64
        });
        packed.fold(0.0, f64::max)
    });
    let n_slots = widths.len();
    BlockPlan {
        steps,
        n_slots,
        edge_width,
        row_width,
        slot_of,
        packed_width,
        packed_row_width,
        n_kinds,
        totals,
    }
}

/// Sums, differences and products of two rows which dot products and sums of scaled rows read, and nothing else, are
/// computed by these: `a` and `b` are read there in any case from where they stand, and what is made of them would have
/// to be written and read again.
fn leave_pairs(
    program: &Program,
    ids: &[Id],
    n_readers: &[usize],
    kinds: &mut [Kind],
    is_free: impl Fn(Id) -> bool,
) {
    /// Readers that are worth to compute it again, at most.
    const READERS: usize = 2;
    let width = |id: Id| program.value(id).known_width();
    for k in 0..ids.len() {
        let (id, value) = (ids[k], program.value(ids[k]));
        let Op::Map(f, args) = &value.op else { continue };
        let is_pair = map::is_pair(*f) && value.space == Space::Edges && kinds[k] == Kind::Own && is_free(id);
        if !is_pair || args.iter().any(|&arg| width(arg) != width(id)) {
            continue;
        }
        let mut n_found = 0;
        for step in kinds.iter() {
            match step {
                // Each factor is an argument of the product that is not computed.
                Kind::Dot(factors) if factors.contains(&id) => {
                    let is_other = |factor: &&Id| **factor != id;
                    let is_plain = |factor: &Id| {
                        ids.binary_search(factor).map_or(true, |place| kinds[place] != Kind::Deferred)
                    };
                    if factors.iter().find(is_other).is_none_or(is_plain) {
                        n_found += factors.iter().filter(|factor| **factor == id).count();
                    }
                }
                Kind::SumOf(product) => {
                    let product = program.value(*product);
                    if let Op::Map(Fun::Mul, factors) = &product.op
                        && let Some(place) = factors.iter().position(|&factor| factor == id)
                    {
                        let axes = known_axes(program, id);
                        let number = known_axes(program, factors[1 - place]);
                        let is_number = fit(&number, &axes, axes.len().saturating_sub(1));
                        n_found += usize::from(matches!(is_number, Some(Fit::Heads | Fit::Scalar)));
                    }
                }
                _ => {}
            }
        }
        if n_found > 0 && n_found == n_readers[id.index()] && n_found <= READERS {
            kinds[k] = Kind::Deferred;
        }
    }
}

fn known_axes(program: &Program, id: Id) -> Vec<usize> {
    program.value(id).axes.iter().map(|size| size.known().expect("known here")).collect()
}

/// Rows of several axes as heads of the last axis.
fn shape(dims: &[usize]) -> [usize; 2] {
    match dims {
        [] => [1, 1],
        [width] => [1, *width],
        [heads @ .., each] => [heads.iter().product(), *each],
    }
}

/// How operands stand beside a result of these axes: heads and numbers a head, as the operands need them, and the fit of
/// each.
fn fits(program: &Program, args: &[Id], dims: &[usize]) -> ([usize; 2], Vec<Fit>) {
    let all: Vec<Vec<usize>> = args.iter().map(|&arg| known_axes(program, arg)).collect();
    // A head is the last axis, or as many of the last ones as an operand repeats together.
    let found = (0..dims.len().max(1)).rev().find_map(|split| {
        let fits: Option<Vec<Fit>> = all.iter().map(|axes| fit(axes, dims, split)).collect();
        let shape = [dims[..split].iter().product(), dims[split..].iter().product()];
        fits.map(|fits| (shape, fits))
    });
    found.unwrap_or_else(|| {
        panic!("axes {all:?} beside {dims:?} are repeated along an inner axis, which no operator asks for")
    })
}

/// How an operand of these axes stands beside a result whose heads are its first `split` axes.
fn fit(axes: &[usize], dims: &[usize], split: usize) -> Option<Fit> {
    let width: usize = axes.iter().product();
    if width == dims.iter().product::<usize>() {
        return Some(Fit::Full);
    }
    if width == 1 {
        return Some(Fit::Scalar);
    }
    let mut aligned = vec![1; dims.len() - axes.len()];
    aligned.extend(axes);
    let is_one = |axes: &[usize]| axes.iter().all(|&n| n == 1);
    if aligned[..split] == dims[..split] && is_one(&aligned[split..]) {
        Some(Fit::Heads)
    } else if aligned[split..] == dims[split..] && is_one(&aligned[..split]) {
        Some(Fit::Tail)
    } else {
        None
    }
}
