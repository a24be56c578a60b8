//! What the phases of a program cost, on sizes.

use super::map::{Fit, Rows, dot, map};
use super::phases::{Phase, source};
use super::plan::{BlockPlan, Kind};
use super::{BLOCK_NUMBERS, Compiled, Pass, n_groups};
use crate::kernels::float::Float;
use crate::kernels::summation::sum_rows;
use crate::program::{Fun, Id, Index, Op, Program, Reduce, Space};

/// Rows of each space of a batch. Fractions are fine.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sizes {
    pub graphs: f64,
    pub rows: f64,
    pub edges: f64,
}

impl Sizes {
    pub(crate) fn of(&self, space: Space) -> f64 {
        match space {
            Space::One => 1.0,
            Space::Graphs => self.graphs,
            Space::Rows | Space::Kept => self.rows,
            Space::Edges | Space::Queries => self.edges,
        }
    }
}

/// A pass of a program.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Direction<'a> {
    Forward,
    /// With gradients for the inputs that are tracked, by port.
    Backward(&'a [bool]),
}

/// One phase of a pass.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Launch {
    /// What runs it: `linear`, `rows`, `targets`, …
    pub name: &'static str,
    /// What it stores.
    pub results: Vec<Id>,
    /// What its blocks compute besides.
    pub inner: Vec<Id>,
    /// Floating-point operations: multiply and add are two.
    pub flops: f64,
    /// Those inside matrix products, whose columns are computed a vector at a time.
    pub products: f64,
    /// Numbers that matrix products write.
    pub outputs: f64,
    pub exponentials: f64,
    /// Numbers fetched from rows that edges name, and how many rows.
    pub gathered: f64,
    pub lookups: f64,
    /// Numbers read or written in order.
    pub streamed: f64,
    /// Numbers stored.
    pub stored: f64,
    /// Numbers that the loops of a block compute, which lie in a cache.
    pub elements: f64,
    /// Numbers of which each waits for the one before, as for the largest of a row.
    pub singles: f64,
    /// Numbers whose operands lie at places of their own, so that no vector of them is computed at a time.
    pub general: f64,
    /// Rows that such a loop begins anew.
    pub visits: f64,
    /// Dot products of rows: the lanes of each are added up at its end.
    pub dots: f64,
    /// Values of the error function.
    pub erfs: f64,
    /// Numbers that are summed so that their order leaves no trace.
    pub exact: f64,
    /// Random numbers.
    pub random: f64,
    /// Jobs that threads share; one where the phase stays on the calling thread.
    pub jobs: f64,
}

impl Compiled {
    /// The phases of the forward pass, or of the backward pass for the inputs that are `tracked`.
    pub(crate) fn launches(&self, pass: Direction, sizes: Sizes) -> Vec<Launch> {
        self.launches_with(pass, sizes, false)
    }

    /// The same; `is_exact`: whether the forward pass sums so that the order leaves no trace.
    pub(crate) fn launches_with(&self, pass: Direction, sizes: Sizes, is_exact: bool) -> Vec<Launch> {
        let program = &self.whole.program;
        let backward;
        let (pass, is_exact) = match pass {
            Direction::Forward => (&self.forward, is_exact),
            Direction::Backward(tracked) => {
                backward = self.backward(tracked);
                (&backward.pass, false)
            }
        };
        let launch = |phase| Counting { program, pass, phase, sizes, is_exact }.launch();
        (0..pass.schedule.phases.len()).map(launch).collect()
    }

    /// Numbers that stay in memory between the passes, beside the results.
    pub(crate) fn kept_numbers(&self, tracked: &[bool], sizes: Sizes) -> f64 {
        let program = &self.whole.program;
        let is_result = |id: Id| program.outputs.iter().any(|&output| source(program, output) == id);
        let backward = self.backward(tracked);
        let kept = backward.kept.iter().filter(|&&id| !is_result(id));
        kept.map(|&id| numbers(program, id, sizes)).sum()
    }
}

impl Compiled {
    /// By input, whether the backward pass reads it.
    pub(crate) fn reads(&self, tracked: &[bool]) -> Vec<bool> {
        self.backward(tracked).reads[..tracked.len()].to_vec()
    }

    /// Whether the backward pass reads a result.
    pub(crate) fn reads_result(&self, tracked: &[bool], output: usize) -> bool {
        let program = &self.whole.program;
        self.backward(tracked).kept.binary_search(&source(program, program.outputs[output])).is_ok()
    }

    /// How many values stay in memory between the passes.
    pub(crate) fn n_kept(&self, tracked: &[bool]) -> usize {
        self.backward(tracked).kept.len()
    }

    /// Bytes of the maps of rows to graphs, of edges to their ends and to those of their kind, which the first program that
    /// reads them makes for a batch.
    pub(crate) fn map_bytes(&self, sizes: Sizes) -> f64 {
        let program = &self.whole.program;
        let has = |is: fn(&Op) -> bool| program.values.iter().any(|value| is(&value.op));
        // Groups of edges that are alike have a start each; most of them hold one edge.
        let alike = has(|op| matches!(op, Op::Alike { .. }));
        let graph_of = has(|op| matches!(op, Op::Gather { index: Index::Graph, .. }));
        let by_targets = self.forward.schedule.phases.iter().any(|phase| matches!(phase, Phase::Targets(_)));
        let by_sources = self.forward.schedule.phases.iter().any(|phase| matches!(phase, Phase::Sources(_)));
        let maps = [
            (alike, 2.0 * sizes.edges),
            (graph_of, sizes.rows),
            (by_targets, sizes.edges),
            (by_sources, 2.0 * sizes.edges),
        ];
        maps.into_iter().filter(|(is_there, _)| *is_there).map(|(_, numbers)| 4.0 * numbers).sum()
    }

    /// Numbers of a value.
    pub(crate) fn numbers(&self, id: Id, sizes: Sizes) -> f64 {
        numbers(&self.whole.program, id, sizes)
    }

    /// The values that the backward pass gives back.
    pub(crate) fn gradients(&self, tracked: &[bool]) -> Vec<Id> {
        self.backward(tracked).pass.roots.clone()
    }

    /// The most numbers that a pass has in memory of its own at one time, where `tracked` inputs have gradients.
    pub(crate) fn peak_numbers(&self, is_forward: bool, tracked: &[bool], sizes: Sizes) -> f64 {
        let backward = self.backward(tracked);
        let pass = if is_forward { &self.forward } else { &backward.pass };
        let is_kept = |id: &Id| is_forward && backward.kept.binary_search(id).is_ok();
        let mut is_made = vec![false; self.whole.program.values.len()];
        let (mut live, mut peak) = (0.0, 0.0f64);
        for (idx, phase) in pass.schedule.phases.iter().enumerate() {
            for id in phase.results() {
                is_made[id.index()] = true;
                live += self.numbers(*id, sizes);
            }
            peak = peak.max(live + scratch(phase, &pass.plans[idx], sizes));
            for id in &pass.schedule.reads[idx] {
                let is_over = pass.last_reader[id.index()] == idx && !is_kept(id) && !pass.roots.contains(id);
                if is_over && std::mem::replace(&mut is_made[id.index()], false) {
                    live -= self.numbers(*id, sizes);
                }
            }
        }
        peak
    }
}

/// Numbers that the blocks of a phase have in memory while they run, on one thread, and the parts of sums over all rows.
fn scratch(phase: &Phase, plan: &BlockPlan, sizes: Sizes) -> f64 {
    let (n_rows, n_edges) = match phase {
        Phase::Whole(_) => return 0.0,
        Phase::Rows(space, _) => (sizes.of(*space), 0.0),
        Phase::Targets(_) | Phase::Sources(_) => (sizes.rows, sizes.edges),
    };
    let numbers = n_rows * plan.row_width as f64 + n_edges * plan.edge_width as f64;
    let (n_blocks, of_blocks) = match phase {
        Phase::Rows(..) => {
            let of_block = plan.rows_of_block() as f64;
            let width = plan.row_width as f64 + plan.packed_row_width;
            ((n_rows / of_block).ceil().max(1.0), width * n_rows.min(of_block))
        }
        _ => ((numbers / BLOCK_NUMBERS as f64).ceil().max(1.0), numbers.min(BLOCK_NUMBERS as f64)),
    };
    let totals: usize = plan.totals.iter().map(|total| total.1).sum();
    let n_groups = n_blocks.min(n_groups(totals, n_blocks as usize) as f64);
    let packed = n_edges / n_blocks * plan.packed_width;
    of_blocks + packed + n_groups * totals as f64
}

fn numbers(program: &Program, id: Id, sizes: Sizes) -> f64 {
    let value = program.value(id);
    let width: f64 = value.axes.iter().map(|size| size.known().unwrap_or(0) as f64).product();
    sizes.of(value.space) * width
}

/// A matrix product of `[m, k]` and `[k, n]`.
fn product(launch: &mut Launch, m: f64, k: f64, n: f64) {
    launch.flops += 2.0 * m * k * n;
    launch.products += 2.0 * m * k * (n / LANES).ceil() * LANES;
    launch.outputs += m * n;
}

/// Numbers of a vector.
const LANES: f64 = 16.0;

/// What one phase costs.
struct Counting<'a> {
    program: &'a Program,
    pass: &'a Pass,
    phase: usize,
    sizes: Sizes,
    is_exact: bool,
}

impl Counting<'_> {
    fn numbers(&self, id: Id) -> f64 {
        numbers(self.program, id, self.sizes)
    }

    fn axis(&self, id: Id, axis: usize) -> f64 {
        self.program.value(id).axes[axis].known().unwrap_or(0) as f64
    }

    fn width(&self, id: Id) -> f64 {
        self.program.value(id).known_width() as f64
    }

    /// Rows of the space of a value.
    fn rows(&self, id: Id) -> f64 {
        self.sizes.of(self.program.value(id).space)
    }

    fn launch(&self) -> Launch {
        let schedule = &self.pass.schedule;
        let kind = &schedule.phases[self.phase];
        let mut launch = Launch { results: kind.results().to_vec(), jobs: 1.0, ..Launch::default() };
        launch.stored = launch.results.iter().map(|&id| self.numbers(id)).sum();
        launch.streamed = launch.stored;
        launch.name = name(self.program, kind);
        if let Phase::Whole(id) = kind {
            launch.streamed += schedule.reads[self.phase].iter().map(|&id| self.numbers(id)).sum::<f64>();
            self.whole(*id, &mut launch);
        } else {
            let steps = &schedule.steps[self.phase];
            launch.inner = steps.iter().copied().filter(|id| !launch.results.contains(id)).collect();
            // Rows that edges name are counted where a step reads them.
            let reads = schedule.reads[self.phase].iter().filter(|&&id| !self.is_named(id));
            launch.streamed += reads.map(|&id| self.numbers(id)).sum::<f64>();
            self.blocks(kind, &mut launch);
        }
        launch
    }

    /// Whether the phase reads the rows of a stored value where an index says: those that edges lead to or from, and
    /// those of edges in the order of the transpose.
    fn is_named(&self, id: Id) -> bool {
        let is_turned = matches!(self.pass.schedule.phases[self.phase], Phase::Sources(_));
        let gathers = |step: &Id| matches!(self.program.value(*step).op, Op::Gather { x, .. } if source(self.program, x) == id);
        let is_of_edges = self.program.value(id).space == Space::Edges;
        is_turned && is_of_edges || self.pass.schedule.steps[self.phase].iter().any(gathers)
    }

    /// A step reads the rows of an operand.
    fn read(&self, id: Id, launch: &mut Launch) -> bool {
        let pair = self.pass.plans[self.phase].pair(self.program, id).filter(|_| !self.is_exact);
        if let Some((_, pair)) = pair {
            // Computed where it is read.
            launch.flops += self.numbers(id);
            launch.elements += self.numbers(id);
            return pair.map(|arg| self.read(arg, launch)).contains(&true);
        }
        let from = source(self.program, id);
        let value = self.program.value(from);
        let is_stored = self.pass.schedule.is_stored[from.index()];
        let is_gathered = value.space == Space::Edges
            && match value.op {
                Op::Gather { .. } if !is_stored => true,
                _ => is_stored && self.is_named(from),
            };
        if is_gathered {
            launch.gathered += self.numbers(from);
            launch.lookups += self.sizes.edges;
        }
        is_gathered
    }

    /// The steps of blocks, and into how many these are cut.
    fn blocks(&self, kind: &Phase, launch: &mut Launch) {
        let plan = &self.pass.plans[self.phase];
        let sizes = self.sizes;
        let by_row: usize = plan.steps.iter().map(|step| step.work).sum();
        let (n_blocks, rows) = match kind {
            Phase::Rows(space, _) => (sizes.of(*space) / plan.rows_of_block() as f64, sizes.of(*space)),
            _ => {
                let numbers =
                    sizes.rows * plan.row_width as f64 + sizes.edges * plan.edge_width.max(16) as f64;
                ((numbers / BLOCK_NUMBERS as f64).max(sizes.rows / super::MAX_ROWS as f64), sizes.edges)
            }
        };
        let totals: usize = plan.totals.iter().map(|total| total.1).sum();
        launch.jobs = jobs_of(n_blocks.min(n_groups(totals, n_blocks as usize) as f64), rows * by_row as f64);
        // Each group of blocks has sums of its own, and these are added up.
        launch.streamed += 2.0 * totals as f64 * launch.jobs;
        for step in &plan.steps {
            let value = self.program.value(step.id);
            let own = self.numbers(step.id);
            match step.kind {
                Kind::Seen | Kind::Summed => {}
                Kind::Deferred if !self.is_exact => {}
                Kind::Dot([a, b]) => {
                    self.read(a, launch);
                    self.read(b, launch);
                    launch.flops += 2.0 * self.numbers(a);
                    launch.elements += self.numbers(a);
                    launch.dots += own;
                }
                Kind::SumOf(inner) if !self.is_exact => {
                    let fits = plan.steps.iter().find(|step| step.id == inner).map(|step| &step.fits[..]);
                    self.map(inner, fits.unwrap_or(&[]), true, launch);
                    launch.flops += self.numbers(inner);
                    // For each run of columns a row begins once, and each of its edges too.
                    launch.visits +=
                        (self.rows(inner) + self.rows(step.id)) * (self.width(inner) / 64.0).ceil();
                }
                _ => match &value.op {
                    Op::Map(..) => self.map(step.id, &step.fits, false, launch),
                    Op::Expand(x) => {
                        self.read(*x, launch);
                        launch.elements += own;
                        launch.visits += self.rows(step.id) * step.shape[0] as f64;
                    }
                    Op::Gather { .. } => {
                        launch.gathered += own;
                        launch.lookups += sizes.edges;
                    }
                    Op::Fold { how, x, axis } => {
                        self.read(*x, launch);
                        launch.flops += self.numbers(*x);
                        let is_last = axis + 1 == self.program.value(*x).axes.len();
                        if is_last && *how != Reduce::Sum {
                            // Each number of a row waits for the one before.
                            launch.visits += own;
                            launch.singles += self.numbers(*x);
                        } else {
                            launch.elements += self.numbers(*x);
                            launch.dots += if is_last { own } else { 0.0 };
                        }
                    }
                    Op::Concat { parts, .. } => {
                        parts.iter().for_each(|&part| {
                            self.read(part, launch);
                        });
                        launch.elements += own;
                        launch.visits += self.rows(step.id) * parts.len() as f64;
                    }
                    Op::Slice { x, .. } | Op::Pad { x, .. } => {
                        self.read(*x, launch);
                        launch.elements += own;
                        launch.visits += self.rows(step.id);
                    }
                    Op::Contract { a, b, transposed } => {
                        self.read(*a, launch);
                        self.read(*b, launch);
                        let inner = self.axis(*a, usize::from(!transposed[0]));
                        launch.flops += 2.0 * own * inner;
                        // A dot product for each number, or an addition to a row for each number of `a`.
                        launch.elements += own * inner;
                        if transposed[1] {
                            launch.dots += own;
                        } else {
                            launch.visits += self.numbers(*a);
                        }
                    }
                    Op::Reduce { how, x, .. } => {
                        self.read(*x, launch);
                        let terms = self.numbers(*x);
                        launch.flops += terms;
                        launch.visits += self.rows(*x) + self.rows(step.id);
                        match how {
                            Reduce::Sum if self.is_exact => launch.exact += terms,
                            Reduce::Mul => launch.singles += terms,
                            _ => launch.elements += terms,
                        }
                    }
                    Op::Linear { x, .. } => {
                        // Rows that stand apart are copied before.
                        let is_copied = self.read(*x, launch);
                        launch.elements += if is_copied { self.numbers(*x) } else { 0.0 };
                        let n_in = self.axis(*x, self.program.value(*x).axes.len() - 1);
                        let n_out = self.axis(step.id, value.axes.len() - 1);
                        let heads = self.width(step.id) / n_out.max(1.0);
                        product(launch, self.rows(step.id) * heads, n_in, n_out);
                    }
                    Op::Typed { x, .. } => {
                        self.read(*x, launch);
                        // Rows are collected by kind, and put back.
                        launch.elements += self.numbers(*x) + own;
                        product(launch, self.rows(step.id), self.width(*x), self.width(step.id));
                    }
                    Op::Outer { a, b, .. } => {
                        self.read(*a, launch);
                        self.read(*b, launch);
                        let p = self.axis(*a, self.program.value(*a).axes.len() - 1);
                        let q = self.axis(*b, self.program.value(*b).axes.len() - 1);
                        let heads = self.width(*a) / p.max(1.0);
                        product(launch, p, self.rows(*a) * heads, q);
                    }
                    Op::OuterOfKinds { a, b, .. } => {
                        self.read(*a, launch);
                        self.read(*b, launch);
                        launch.elements += self.numbers(*a) + self.numbers(*b);
                        product(launch, self.width(*a), self.rows(*a), self.width(*b));
                    }
                    Op::Random { .. } => {
                        launch.flops += 8.0 * own;
                        launch.random += own;
                    }
                    // Three random words make twelve numbers, which are added up.
                    Op::Noise { .. } => {
                        launch.flops += 24.0 * own;
                        launch.random += 3.0 * own;
                    }
                    Op::IsLoop => launch.elements += own,
                    _ => {}
                },
            }
        }
    }

    /// A function of numbers at the same place.
    fn map(&self, id: Id, fits: &[Fit], is_summed: bool, launch: &mut Launch) {
        let Op::Map(f, args) = &self.program.value(id).op else { return };
        let own = self.numbers(id);
        launch.flops += own;
        // Of a Gaussian error unit and its slope, the error function is the one that takes long.
        let n_erfs = u8::from(matches!(f, Fun::Gelu | Fun::GeluSlope));
        launch.erfs += own * f64::from(n_erfs);
        launch.exponentials += own * f.exponentials() as f64;
        let mut is_flat = true;
        for &arg in args {
            let is_gathered = self.read(arg, launch);
            let is_of_one = self.program.value(source(self.program, arg)).space == Space::One;
            is_flat &= !is_gathered && !is_of_one;
        }
        let is_full = |fit: &Fit| *fit == Fit::Full;
        let by_head = |fit: &Fit| matches!(fit, Fit::Heads | Fit::Scalar);
        let n_full = fits.iter().filter(|fit| is_full(fit)).count();
        let is_by_heads = fits.len() == 2 && n_full == 1 && fits.iter().any(by_head);
        let width = self.width(id).max(1.0);
        let narrow = [1.0, 2.0, 4.0, 8.0].contains(&width);
        if is_by_heads {
            let heads = self.heads(id, args, fits);
            launch.elements += own;
            launch.visits += self.rows(id) * heads;
        } else if n_full == fits.len() && (is_flat || narrow || fits.len() < 3) {
            launch.elements += own;
            launch.visits += if is_flat || is_summed { 0.0 } else { self.rows(id) };
        } else {
            launch.general += own;
        }
    }

    /// Numbers of the operand that has one for each head.
    fn heads(&self, id: Id, args: &[Id], fits: &[Fit]) -> f64 {
        let of = args.iter().zip(fits).find(|(_, fit)| **fit == Fit::Heads);
        of.map_or(1.0, |(&arg, _)| self.width(arg)).min(self.width(id).max(1.0))
    }

    /// A kernel over all rows at once.
    fn whole(&self, id: Id, launch: &mut Launch) {
        let (program, sizes) = (self.program, self.sizes);
        let own = self.numbers(id);
        let width = self.width(id);
        match &program.value(id).op {
            Op::Linear { x, w, .. } => {
                let n_in = self.axis(*x, program.value(*x).axes.len() - 1);
                let n_out = self.axis(id, program.value(id).axes.len() - 1);
                let heads = width / n_out.max(1.0);
                for _ in 0..heads as usize {
                    product(launch, self.rows(id), n_in, n_out);
                }
                // The result of several heads is zeroed before.
                launch.streamed += if heads > 1.0 { own } else { 0.0 };
                launch.jobs = jobs_of(self.rows(id) / 256.0, self.rows(id) * self.width(*w) / 8.0);
            }
            Op::Outer { a, b, index } => {
                let (n, rows) = (self.rows(*a), program.value(*a).axes.len());
                let (p, q) = match index {
                    Index::Graph => (self.width(*a), self.width(*b)),
                    _ => (self.axis(*a, rows - 1), self.axis(*b, program.value(*b).axes.len() - 1)),
                };
                let heads = self.width(*a) / p.max(1.0);
                for _ in 0..heads as usize {
                    product(launch, p, n, q);
                }
                let (jobs, work) = match index {
                    Index::Graph => (sizes.graphs, n * p * q / 4.0),
                    _ => ((n / 256.0).ceil().min(64.0), n * heads * p * q / 4.0),
                };
                // Each part of the rows has a result of its own, and these are added up or joined.
                launch.outputs += heads * p * q * (jobs - 1.0).max(0.0);
                launch.streamed += 2.0 * heads * p * q * jobs;
                launch.jobs = jobs_of(jobs, work);
            }
            Op::Apply { a, .. } => {
                let p = self.width(*a);
                product(launch, self.rows(id), p, width);
                launch.streamed += own;
                launch.jobs = jobs_of(sizes.graphs, self.rows(id) * p * width / 4.0);
            }
            Op::Alike { x, .. } => {
                launch.flops += self.numbers(*x);
                launch.gathered += self.numbers(*x);
                launch.lookups += sizes.edges;
                launch.elements += 2.0 * own;
                launch.visits += 2.0 * sizes.edges;
                launch.jobs = jobs_of(sizes.edges / 256.0, own);
            }
            Op::Below { index, .. } => {
                let groups = match index {
                    Index::Graph => sizes.graphs,
                    Index::All => 1.0,
                    Index::Target | Index::Source => sizes.rows,
                };
                // Each column is sorted.
                launch.singles += own * (self.rows(id) / groups.max(1.0) + 1.0).log2().max(1.0);
                launch.visits += self.rows(id);
                launch.jobs = jobs_of(groups, own);
            }
            Op::Gather { .. } => {
                launch.elements += own;
                launch.visits += self.rows(id);
                launch.jobs = jobs_of(self.rows(id) / 256.0, own);
            }
            Op::Reduce { how, x, index } => {
                let terms = self.numbers(*x);
                launch.flops += terms;
                launch.visits += self.rows(*x);
                match how {
                    Reduce::Sum if self.is_exact && *index == Index::Graph => launch.exact += terms,
                    Reduce::Mul => launch.singles += terms,
                    _ => launch.elements += terms,
                }
                let jobs = match (index, how) {
                    (Index::Graph, _) => sizes.graphs,
                    (_, Reduce::Sum) => (self.rows(*x) / 256.0).min(64.0),
                    _ => 1.0,
                };
                launch.jobs = jobs_of(jobs, terms);
            }
            _ => launch.elements += own,
        }
    }
}

/// Jobs that threads share: one, where the work is too little to be shared (`kernels/parallel.rs`).
fn jobs_of(jobs: f64, work: f64) -> f64 {
    if work < crate::kernels::parallel::MIN_PARALLEL_WORK as f64 { 1.0 } else { jobs.ceil().max(1.0) }
}

/// What the loops of blocks do in a second, on one thread: see [`Launch`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loops {
    pub elements: f64,
    pub singles: f64,
    pub general: f64,
    pub visits: f64,
    pub dots: f64,
    pub exact: f64,
    pub random: f64,
    /// Exponentials of which one is computed at a time.
    pub lone_exponentials: f64,
    pub erfs: f64,
}

impl Loops {
    /// Runs loops as a block does; `seconds` times one.
    pub(crate) fn measure(seconds: &mut dyn FnMut(&mut dyn FnMut()) -> f64) -> Self {
        // As much as the slots of a block hold, of which a function reads two and writes one.
        const WIDTH: usize = 64;
        const SHORT: usize = 16;
        const N: usize = super::BLOCK_NUMBERS / 3 / WIDTH * WIDTH;
        let values = |n: usize| -> Vec<f32> { (0..n).map(|i| (i * 7 % 23) as f32 * 0.1 - 1.0).collect() };
        let (a, b, mut out) = (values(N), values(N), vec![0.0; N]);
        let n = N as f64;
        let mut of_rows = |width: usize, fit: Fit, axis: usize| {
            let a = (Rows::dense(&a, width), Fit::Full);
            let b = (Rows::dense(&b, axis), fit);
            let shape = if fit == Fit::Tail { [width / axis, axis] } else { [1, width] };
            seconds(&mut || map(Fun::Mul, &[a, b], N / width, shape, &mut out, None))
        };
        let flat = of_rows(WIDTH, Fit::Full, WIDTH);
        // Rows of one number each for all of their columns: what it takes longer are the rows.
        let short = of_rows(SHORT, Fit::Scalar, 1);
        let general = of_rows(WIDTH, Fit::Tail, WIDTH / 4);
        let rows = n / SHORT as f64;
        let (mut grids, mut sums) = ([0.0; WIDTH], [0.0; WIDTH]);
        // As many terms as a node has neighbours, about.
        const TERMS: usize = 4;
        let exact = seconds(&mut || {
            for terms in a.chunks_exact(TERMS * WIDTH) {
                let rows = terms.chunks_exact(WIDTH).map(|row| (1.0, row));
                sum_rows(TERMS, rows, &mut grids, &mut sums);
                out[..WIDTH].iter_mut().zip(&sums).for_each(|(out, &sum)| *out += sum as f32);
            }
        });
        let chained = seconds(&mut || {
            let rows = Rows::dense(&a, WIDTH);
            super::block::fold(Reduce::Max, rows, N / WIDTH, &[WIDTH], 0, &mut out);
        });
        let dots = seconds(&mut || {
            dot(Rows::dense(&a, WIDTH), Rows::dense(&b, WIDTH), N / WIDTH, [WIDTH / SHORT, SHORT], &mut out);
        });
        let mut one_by_one = |f: fn(f32) -> f32| {
            seconds(&mut || {
                for (out, &a) in out.iter_mut().zip(&a).take(N / 8) {
                    *out = f(std::hint::black_box(a));
                }
            })
        };
        let (lone, erf) = (one_by_one(Float::exp), one_by_one(Float::erf));
        let random = super::Random { seed: Some(1) };
        let drawn = seconds(&mut || {
            for (row, out) in out.chunks_exact_mut(SHORT).enumerate() {
                for (col, out) in out.iter_mut().enumerate() {
                    *out = random.factor(0, 0.5, row, col);
                }
            }
        });
        Self {
            elements: n / flat,
            singles: n / chained,
            general: n / general,
            visits: rows / (short - flat).max(1e-10 * rows),
            dots: rows / (dots - flat).max(1e-10 * rows),
            lone_exponentials: n / 8.0 / lone,
            erfs: n / 8.0 / erf,
            exact: n / exact,
            random: n / drawn,
        }
    }
}

/// What runs a phase.
pub(super) fn name(program: &Program, phase: &Phase) -> &'static str {
    match phase {
        Phase::Whole(id) => whole_name(&program.value(*id).op),
        Phase::Rows(Space::One, _) => "weights",
        Phase::Rows(..) => "rows",
        Phase::Targets(_) => "targets",
        Phase::Sources(_) => "sources",
    }
}

fn whole_name(op: &Op) -> &'static str {
    match op {
        Op::Linear { .. } => "linear",
        Op::Outer { .. } => "outer",
        Op::Apply { .. } => "apply",
        Op::Alike { .. } => "alike",
        Op::Below { .. } => "below",
        Op::Gather { .. } => "gather",
        Op::Count(_) => "count",
        _ => "reduce",
    }
}
