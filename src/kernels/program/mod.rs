//! Runs programs ([`crate::program`]) on the CPU, forward and backward.
//!
//! [`Compiled`] is made once for a stage. A pass runs its phases one after another: kernels over all rows for matrix
//! products and sums over graphs, blocks for all that goes row by row or edge by edge. Work is cut by the size of the data,
//! so results have the same bits on any number of threads.

mod block;
mod cost;
mod map;
mod phases;
mod plan;
mod tensors;
#[cfg(test)]
mod tests;
mod topology;
mod whole;

pub(crate) use cost::{Direction, Launch, Loops, Sizes};
pub(crate) use tensors::{Arguments, run};
pub(crate) use topology::{MapCache, Topology};

use crate::kernels::float::Float;
use crate::kernels::linear::rounded;
use crate::kernels::parallel;
use crate::kernels::product::transposed;
use crate::kernels::summation::Summation;
use crate::program::gradient::{Differentiated, differentiate};
use crate::program::{Id, Op, Program, Space};
use block::{Frame, Run, Scratch, Total};
use phases::{Phase, Schedule, of_scores, schedule, shared_scores, source, stored};
use plan::{BlockPlan, plan};
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Numbers that the slots of a block hold together, about: they stay in the second-level cache.
const BLOCK_NUMBERS: usize = 1 << 16;

/// Rows of a block, at most.
const MAX_ROWS: usize = 1 << 10;

/// Seeds of the random numbers of a pass.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Random {
    /// `None` outside of training: every factor is 1.
    pub seed: Option<u64>,
}

impl Random {
    /// 0 with the probability `p`, else `1 / (1 − p)`.
    #[inline]
    fn factor<T: Float>(&self, site: usize, p: f64, row: usize, col: usize) -> T {
        let Some(seed) = self.seed else { return T::ONE };
        let dropout = crate::kernels::EdgeDropout { p, seed: seed.wrapping_add(site as u64) };
        dropout.factor(row, col, 0, site)
    }

    /// Of mean 0 and variance 1.
    #[inline]
    fn noise<T: Float>(&self, site: usize, row: usize, col: usize) -> T {
        match self.seed {
            Some(seed) => T::of(crate::kernels::noise(seed.wrapping_add(site as u64), row, col)),
            None => T::ZERO,
        }
    }
}

/// A program that is ready to run.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) whole: Differentiated,
    /// By input: whether a gradient may be asked for.
    wanted: Vec<bool>,
    /// Where no gradient will be asked for.
    alone: OnceLock<Pass>,
    /// With all that a backward pass reads.
    forward: Pass,
    /// Backward passes by the inputs that have gradients: the first layer's features have none, and what only they need
    /// is not computed.
    backward: Mutex<Vec<Arc<Backward>>>,
}

/// A backward pass for some of the inputs.
#[derive(Debug)]
struct Backward {
    /// By input.
    tracked: Vec<bool>,
    pass: Pass,
    /// What it reads of the forward pass.
    kept: Vec<Id>,
    /// By input, then by weight: whether it reads it.
    reads: Vec<bool>,
}

#[derive(Debug)]
struct Pass {
    schedule: Schedule,
    /// By phase.
    plans: Vec<BlockPlan>,
    /// By value: the last phase that reads it.
    last_reader: Vec<usize>,
    roots: Vec<Id>,
}

impl Pass {
    /// Computes `roots` where values that `is_known` are there already, and stores those that `is_kept`, and of `scores`
    /// those that it makes on its way.
    fn new(
        program: &Program,
        roots: &[Id],
        is_known: &[bool],
        is_kept: &dyn Fn(Id) -> bool,
        scores: &[Id],
    ) -> Self {
        let is_live = program.live(roots.iter().copied());
        let mut is_stored = stored(program, &is_live, roots);
        is_stored.iter_mut().zip(is_known).for_each(|(is_stored, is_known)| *is_stored |= is_known);
        let schedule = schedule(program, roots, is_known, is_stored, is_kept, scores);
        let plans = (0..schedule.phases.len()).map(|phase| plan(program, &schedule, phase)).collect();
        let mut last_reader = vec![0; program.values.len()];
        for (phase, reads) in schedule.reads.iter().enumerate() {
            reads.iter().for_each(|id| last_reader[id.index()] = phase);
        }
        Self {
            schedule,
            plans,
            last_reader,
            roots: roots.iter().map(|&root| source(program, root)).collect(),
        }
    }
}

/// The scores that the forward pass stores so that the backward pass need not compute them again.
fn shared_with(program: &Program, forward: &Pass, backward: &Pass) -> Vec<Id> {
    let mut scores = Vec::new();
    let phases = forward.schedule.phases.iter().zip(&forward.schedule.steps);
    for (_, steps) in phases.filter(|(phase, _)| matches!(phase, Phase::Targets(_))) {
        let of_pass = of_scores(program, steps);
        for later in &backward.schedule.steps {
            scores.extend(shared_scores(program, &of_pass, later));
        }
    }
    scores.sort_unstable();
    scores.dedup();
    scores
}

impl Compiled {
    /// `wanted`: by input, whether a gradient may be asked for.
    pub fn new(program: &Program, wanted: &[bool]) -> Self {
        let whole = differentiate(program, wanted);
        // A first plan, which stores every value of rows: what the backward pass reads of those is kept.
        let nothing = vec![false; whole.program.values.len()];
        let passes = |scores: &[Id]| {
            let first = Pass::new(&whole.program, &program.outputs, &nothing, &|_| true, scores);
            let backward = Backward::new(&whole, &first, wanted);
            let is_kept = |id: Id| backward.kept.binary_search(&id).is_ok();
            let forward = Pass::new(&whole.program, &program.outputs, &nothing, &is_kept, scores);
            (forward, backward)
        };
        let (mut forward, mut backward) = passes(&[]);
        let scores = shared_with(&whole.program, &forward, &backward.pass);
        if !scores.is_empty() {
            (forward, backward) = passes(&scores);
        }
        debug_assert!(backward.kept.iter().all(|id| forward.schedule.is_stored[id.index()]));
        let alone = OnceLock::new();
        let backward = Mutex::new(vec![Arc::new(backward)]);
        Self { wanted: wanted.to_vec(), alone, forward, backward, whole }
    }

    /// The forward pass where no gradient will be asked for.
    fn alone(&self) -> &Pass {
        let program = &self.whole.program;
        let nothing = || vec![false; program.values.len()];
        self.alone.get_or_init(|| Pass::new(program, &program.outputs, &nothing(), &|_| false, &[]))
    }

    /// The backward pass for the inputs that are `tracked`, by port.
    fn backward(&self, tracked: &[bool]) -> Arc<Backward> {
        let mut known = self.backward.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.iter().find(|known| known.tracked == tracked) {
            return known.clone();
        }
        let backward = Arc::new(Backward::new(&self.whole, &self.forward, tracked));
        known.push(backward.clone());
        backward
    }
}

impl Backward {
    fn new(whole: &Differentiated, forward: &Pass, tracked: &[bool]) -> Self {
        let mut is_known = vec![false; whole.program.values.len()];
        for phase in &forward.schedule.phases {
            phase.results().iter().for_each(|id| is_known[id.index()] = true);
        }
        let of_inputs = whole.of_inputs.iter().zip(tracked).filter(|(_, tracked)| **tracked);
        let roots: Vec<Id> =
            of_inputs.map(|(id, _)| id).chain(&whole.of_weights).flatten().copied().collect();
        let pass = Pass::new(&whole.program, &roots, &is_known, &|_| false, &[]);
        let mut kept: Vec<Id> = pass.schedule.reads.iter().flatten().copied().collect();
        // A gradient that is a value of the forward pass itself.
        kept.extend(pass.roots.iter().copied());
        kept.retain(|id| is_known[id.index()]);
        kept.sort_unstable();
        kept.dedup();
        let program = &whole.program;
        let mut reads = vec![false; tracked.len() + program.weights.len()];
        for id in pass.schedule.reads.iter().flatten().chain(&pass.roots) {
            match program.value(*id).op {
                Op::Input(port) if port < tracked.len() => reads[port] = true,
                Op::Weight(weight) => reads[tracked.len() + weight] = true,
                _ => {}
            }
        }
        Self { tracked: tracked.to_vec(), pass, kept, reads }
    }
}

/// Values in memory.
pub(crate) struct Memory<'a, T> {
    /// By value: what was computed here. Written through `start` while a phase runs.
    own: Vec<Option<Own<T>>>,
    /// By value: what came in.
    given: Vec<Option<&'a [T]>>,
}

struct Own<T> {
    /// Empty until the phase that writes it has ended, with room for `len` numbers.
    values: Vec<T>,
    start: *mut T,
    len: usize,
}

// SAFETY: `part` is only called for disjoint parts, and reads follow the order of the phases.
unsafe impl<T: Send + Sync> Sync for Memory<'_, T> {}

impl<'a, T: Float> Memory<'a, T> {
    fn new(n: usize) -> Self {
        Self { own: (0..n).map(|_| None).collect(), given: vec![None; n] }
    }

    fn give(&mut self, id: Id, values: &'a [T]) {
        self.given[id.index()] = Some(values);
    }

    /// Room that a phase is going to write.
    fn make(&mut self, id: Id, len: usize) {
        let mut values = Vec::with_capacity(len);
        let start = values.as_mut_ptr();
        self.own[id.index()] = Some(Own { values, start, len });
    }

    /// The phase that writes the value has ended.
    ///
    /// # Safety
    /// Every number was written.
    unsafe fn finish(&mut self, id: Id) {
        let own = self.own[id.index()].as_mut().expect("made before its phase ran");
        // SAFETY: `make` reserved this many, and the caller wrote them.
        unsafe { own.values.set_len(own.len) };
    }

    fn put(&mut self, id: Id, mut values: Vec<T>) {
        let (start, len) = (values.as_mut_ptr(), values.len());
        self.own[id.index()] = Some(Own { values, start, len });
    }

    /// A value that is complete.
    fn read(&self, id: Id) -> &[T] {
        match (&self.own[id.index()], self.given[id.index()]) {
            (Some(own), _) => &own.values,
            (None, Some(given)) => given,
            (None, None) => panic!("%{} is read before it is made", id.0),
        }
    }

    fn raw(&self, id: Id) -> (*const T, usize) {
        match (&self.own[id.index()], self.given[id.index()]) {
            (Some(own), _) => (own.start, own.len),
            (None, Some(given)) => (given.as_ptr(), given.len()),
            (None, None) => panic!("%{} is read before it is made", id.0),
        }
    }

    /// # Safety
    /// No two parts in use at the same time overlap, and nobody reads what is being written.
    #[allow(clippy::mut_from_ref)]
    unsafe fn part(&self, id: Id, start: usize, len: usize) -> &mut [T] {
        let own = self.own[id.index()].as_ref().expect("made before its phase runs");
        assert!(start + len <= own.len);
        // SAFETY: inside the memory; disjoint by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(own.start.add(start), len) }
    }

    fn take(&mut self, id: Id) -> Option<Vec<T>> {
        self.own[id.index()].take().map(|own| own.values)
    }
}

/// Runs a pass: computes every stored value, lets go of those that nothing reads any more unless `is_kept`.
fn execute<T: Float>(
    program: &Program,
    pass: &Pass,
    summation: Summation,
    memory: &mut Memory<T>,
    topology: &Topology,
    random: Random,
    is_kept: &dyn Fn(Id) -> bool,
) {
    for (idx, phase) in pass.schedule.phases.iter().enumerate() {
        #[cfg(test)]
        crate::kernels::recorder::note(|| {
            let results = phase.results().iter().map(|id| format!(" %{}", id.0));
            format!("{}{}", cost::name(program, phase), results.collect::<String>())
        });
        match phase {
            Phase::Whole(id) => {
                let values = whole::compute(program, *id, memory, topology, summation);
                memory.put(*id, values);
            }
            _ => {
                let plan = &pass.plans[idx];
                let is_total = |id: Id| plan.totals.iter().any(|total| total.0 == id);
                let of_rows = || phase.results().iter().copied().filter(|&id| !is_total(id));
                for id in of_rows() {
                    let value = program.value(id);
                    memory.make(id, n_rows(topology, value.space) * value.known_width());
                }
                let turned = plan.steps.iter().map(|step| turned(program, step.id, memory)).collect();
                let (schedule, kinds) = (&pass.schedule, topology.kinds());
                let run = Run { program, schedule, plan, memory, turned, kinds, random, summation };
                let totals = run_blocks(&run, phase, topology);
                for id in of_rows() {
                    // SAFETY: the blocks cover all rows, and a block writes all numbers of its rows.
                    unsafe { memory.finish(id) };
                }
                for (&(id, ..), values) in plan.totals.iter().zip(totals) {
                    memory.put(id, values);
                }
            }
        }
        for id in &pass.schedule.reads[idx] {
            let is_over = pass.last_reader[id.index()] == idx && !is_kept(*id);
            if is_over && !pass.roots.contains(id) {
                memory.own[id.index()] = None;
            }
        }
    }
}

fn n_rows(topology: &Topology, space: Space) -> usize {
    match space {
        Space::One => 1,
        Space::Graphs => topology.n_graphs(),
        Space::Rows | Space::Kept => topology.n_rows(),
        Space::Edges | Space::Queries => topology.n_edges(),
    }
}

/// The matrix of a product from the other side, turned once for all blocks; else nothing.
fn turned<T: Float>(program: &Program, id: Id, memory: &Memory<T>) -> Vec<T> {
    let (Op::Linear { w, transposed: true, .. } | Op::Typed { w, transposed: true, .. }) =
        program.value(id).op
    else {
        return Vec::new();
    };
    let axes: Vec<usize> =
        program.value(w).axes.iter().map(|size| size.known().expect("known where a program runs")).collect();
    let (&[m, n], heads) = axes.split_last_chunk().map(|(heads, matrix)| (matrix, heads)).expect("matrices");
    let heads: usize = heads.iter().product();
    let w = memory.read(source(program, w));
    (0..heads).flat_map(|head| transposed(&w[head * m * n..][..m * n], m, n)).collect()
}

/// Groups of blocks that share their memory, and whose parts of sums over all rows are one: at most.
const MAX_GROUPS: usize = 64;

/// Numbers that the sums over all rows of all groups have together, at most, unless there are four groups.
const MAX_TOTALS: usize = 1 << 23;

/// Runs all blocks of a phase; the sums over all rows, by total of its plan.
fn run_blocks<T: Float>(run: &Run<T>, phase: &Phase, topology: &Topology) -> Vec<Vec<T>> {
    let plan = run.plan;
    let by_row: usize = plan.steps.iter().map(|step| step.work).sum();
    let groups: Vec<Vec<Total<T>>> = match phase {
        Phase::Rows(space, _) => {
            let n = n_rows(topology, *space);
            let of_block = plan.rows_of_block();
            let n_blocks = n.div_ceil(of_block);
            in_groups(n_blocks, n * by_row, plan, |block, scratch| {
                let frame = Frame {
                    rows: block * of_block..((block + 1) * of_block).min(n),
                    edges: 0..0,
                    targets: &[],
                    sources: &[],
                    entries: None,
                    offsets: &[0],
                    is_by_target: true,
                };
                run.block(&frame, scratch);
            })
        }
        Phase::Targets(_) | Phase::Sources(_) => {
            let is_by_target = matches!(phase, Phase::Targets(_));
            let (offsets, targets, sources, entries) = if is_by_target {
                (topology.target_offsets(), topology.targets(), topology.sources(), None)
            } else {
                let entries = topology.turned_entries();
                (
                    topology.source_offsets(),
                    topology.turned_targets(),
                    topology.turned_sources(),
                    Some(entries),
                )
            };
            let blocks = runs(offsets, plan);
            in_groups(blocks.len(), topology.n_edges() * by_row, plan, |block, scratch| {
                let rows = blocks[block].clone();
                let edges = offsets[rows.start] as usize..offsets[rows.end] as usize;
                let frame = Frame {
                    targets: &targets[edges.clone()],
                    sources: &sources[edges.clone()],
                    entries: entries.map(|entries| &entries[edges.clone()]),
                    offsets: &offsets[rows.start..=rows.end],
                    rows,
                    edges,
                    is_by_target,
                };
                run.block(&frame, scratch);
            })
        }
        Phase::Whole(_) => unreachable!("not by blocks"),
    };
    let mut parts: Vec<_> = groups.into_iter().map(Vec::into_iter).collect();
    let total = |&(_, len, is_wide): &(Id, usize, bool)| {
        let of_groups = parts.iter_mut().filter_map(Iterator::next);
        if is_wide {
            let sums = of_groups.map(|part| match part {
                Total::Sums(sums) => sums,
                Total::Products(_) => unreachable!("added up in f64"),
            });
            rounded(&parallel::sum_partials(sums.collect(), len))
        } else {
            let sums = of_groups.map(|part| match part {
                Total::Products(sums) => sums,
                Total::Sums(_) => unreachable!("not added up in f64"),
            });
            parallel::sum_partials(sums.collect(), len)
        }
    };
    plan.totals.iter().map(total).collect()
}

/// Numbers of sums over all rows from which on their parts are worth to be few: a matrix.
const MATRIX: usize = 1 << 12;

/// Groups that are enough for the threads of a machine to share.
const ENOUGH_GROUPS: usize = 16;

/// How many groups there are at most, where the sums over all rows of one have `len` numbers.
fn n_groups(len: usize, n_blocks: usize) -> usize {
    let most = (MAX_TOTALS / len.max(1)).clamp(4, MAX_GROUPS);
    if len < MATRIX { most } else { most.min((n_blocks / 4).max(ENOUGH_GROUPS)) }
}

/// Runs blocks in groups, whose number follows from the size of the data alone; the totals of each group.
fn in_groups<T: Float>(
    n_blocks: usize,
    work: usize,
    plan: &BlockPlan,
    run: impl Fn(usize, &mut Scratch<T>) + Sync,
) -> Vec<Vec<Total<T>>> {
    let per_group =
        n_blocks.div_ceil(n_groups(plan.totals.iter().map(|total| total.1).sum(), n_blocks)).max(1);
    // Memory of blocks that groups leave to those after them: one for each thread.
    let idle = Mutex::new(Vec::new());
    parallel::map_each(n_blocks.div_ceil(per_group), work, |group| {
        let free = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut scratch = free.unwrap_or_else(|| Scratch::new(plan));
        scratch.begin(plan);
        for block in group * per_group..((group + 1) * per_group).min(n_blocks) {
            run(block, &mut scratch);
        }
        let totals = std::mem::take(&mut scratch.totals);
        idle.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
        totals
    })
}

/// Runs of rows whose numbers fill about [`BLOCK_NUMBERS`], and at most [`MAX_ROWS`] rows.
fn runs(offsets: &[u32], plan: &BlockPlan) -> Vec<Range<usize>> {
    let n_rows = offsets.len() - 1;
    let [least_rows, least_edges] = plan.least();
    let mut runs = Vec::new();
    let mut first = 0;
    for row in 0..n_rows {
        let (n, n_edges) = (row + 1 - first, (offsets[row + 1] - offsets[first]) as usize);
        let numbers = n * plan.row_width + n_edges * plan.edge_width.max(16);
        let is_full = numbers >= BLOCK_NUMBERS && n >= least_rows && n_edges >= least_edges;
        let is_wide = n_edges >= 256.max(least_edges) && numbers >= 4 * BLOCK_NUMBERS;
        if is_full || is_wide || n >= MAX_ROWS || row + 1 == n_rows {
            runs.push(first..row + 1);
            first = row + 1;
        }
    }
    runs
}
