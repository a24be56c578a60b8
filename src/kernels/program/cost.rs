//! What the phases of a program cost, on sizes.

use super::phases::{Phase, source};
use super::{Compiled, Pass};
use crate::program::{Id, Index, Op, Program, Space};

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
            Space::Edges => self.edges,
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
    /// Those inside matrix products.
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
}

impl Compiled {
    /// The phases of the forward pass, or of the backward pass for the inputs that are `tracked`.
    pub(crate) fn launches(&self, pass: Direction, sizes: Sizes) -> Vec<Launch> {
        let program = &self.whole.program;
        let backward;
        let pass = match pass {
            Direction::Forward => &self.forward,
            Direction::Backward(tracked) => {
                backward = self.backward(tracked);
                &backward.pass
            }
        };
        (0..pass.schedule.phases.len()).map(|phase| launch(program, pass, phase, sizes)).collect()
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

    /// Bytes of the maps of rows to graphs and of edges to their kinds, which the first program that reads them makes for
    /// a batch.
    pub(crate) fn map_bytes(&self, sizes: Sizes) -> f64 {
        let program = &self.whole.program;
        let has = |is: fn(&Op) -> bool| program.values.iter().any(|value| is(&value.op));
        let by_kind = has(|op| matches!(op, Op::Typed { .. } | Op::OuterOfKinds { .. }));
        // Groups of edges that are alike have a start each; most of them hold one edge.
        let alike = has(|op| matches!(op, Op::Alike { .. }));
        let graph_of = has(|op| matches!(op, Op::Gather { index: Index::Graph, .. }));
        let maps = [(by_kind, sizes.edges), (alike, 2.0 * sizes.edges), (graph_of, sizes.rows)];
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
            peak = peak.max(live);
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

fn numbers(program: &Program, id: Id, sizes: Sizes) -> f64 {
    let value = program.value(id);
    let width: f64 = value.axes.iter().map(|size| size.known().unwrap_or(0) as f64).product();
    sizes.of(value.space) * width
}

fn launch(program: &Program, pass: &Pass, phase: usize, sizes: Sizes) -> Launch {
    let kind = &pass.schedule.phases[phase];
    let of = |id: Id| numbers(program, id, sizes);
    let mut launch = Launch { results: kind.results().to_vec(), ..Launch::default() };
    launch.stored = launch.results.iter().map(|&id| of(id)).sum();
    launch.streamed = launch.stored;
    let steps: Vec<Id> = match kind {
        Phase::Whole(id) => vec![*id],
        _ => pass.schedule.steps[phase].clone(),
    };
    launch.inner = steps.iter().copied().filter(|id| !launch.results.contains(id)).collect();
    launch.name = name(program, kind);
    for &id in &pass.schedule.reads[phase] {
        // Rows that edges name are counted where they are gathered.
        let is_gathered = steps
            .iter()
            .any(|&step| matches!(program.value(step).op, Op::Gather { x, .. } if source(program, x) == id));
        if !is_gathered {
            launch.streamed += of(id);
        }
    }
    for id in steps {
        let value = program.value(id);
        let n = of(id);
        match &value.op {
            Op::Map(f, _) => {
                launch.flops += n;
                launch.exponentials += n * f.exponentials() as f64;
            }
            Op::Linear { x, .. } | Op::Typed { x, .. } => {
                let n_in = program.value(*x).axes.last().and_then(|size| size.known()).unwrap_or(0) as f64;
                launch.flops += 2.0 * n * n_in;
                launch.products += 2.0 * n * n_in;
                launch.outputs += n;
            }
            Op::Outer { a, .. } | Op::OuterOfKinds { a, .. } => {
                let q = value.axes.last().and_then(|size| size.known()).unwrap_or(0) as f64;
                launch.flops += 2.0 * of(*a) * q;
                launch.products += 2.0 * of(*a) * q;
                launch.outputs += n;
            }
            Op::Apply { a, .. } => {
                let p = program.value(*a).known_width() as f64;
                launch.flops += 2.0 * n * p;
                launch.products += 2.0 * n * p;
                launch.outputs += n;
            }
            Op::Contract { a, transposed, .. } => {
                let inner = program.value(*a).axes[usize::from(!transposed[0])].known().unwrap_or(0) as f64;
                launch.flops += 2.0 * n * inner;
            }
            Op::Gather { index: Index::Target | Index::Source, .. } => {
                launch.gathered += n;
                launch.lookups += sizes.edges;
            }
            Op::Reduce { x, .. } | Op::Fold { x, .. } | Op::Alike { x, .. } => launch.flops += of(*x),
            Op::Random { .. } => launch.flops += 8.0 * n,
            _ => {}
        }
    }
    launch
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
        Op::Typed { .. } => "typed_linear",
        Op::Outer { .. } | Op::OuterOfKinds { .. } => "outer",
        Op::Apply { .. } => "apply",
        Op::Alike { .. } => "alike",
        Op::Gather { .. } => "gather",
        Op::Count(_) => "count",
        _ => "reduce",
    }
}
