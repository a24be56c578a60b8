//! Values computed block by block, as their plan says: see [`super::plan`] and [`super::phases`].

use super::map::{self, Fit, Operand, Rows};
use super::phases::{Schedule, source};
use super::plan::{BlockPlan, Kind, Step};
use super::{Memory, Random};
use crate::kernels::activation::Activation;
use crate::kernels::custom::{Mat, product, product_to};
use crate::kernels::float::Float;
use crate::kernels::linear::add_column_sums;
use crate::kernels::product::{Start, product_at, product_of_rows};
use crate::kernels::summation::{Summation, sum_rows};
use crate::program::{Fun, Id, Index, Op, Program, Reduce, Space};
use multiversion::multiversion;
use std::ops::Range;

/// Neighbours from which on a sum is taken in f64: with so many terms, one in f32 would lose digits.
const HUB: usize = 128;

/// Which rows and edges a block has.
pub(super) struct Frame<'a> {
    /// Rows of the space that the block stores.
    pub rows: Range<usize>,
    /// Entries of the adjacency, or of the transpose.
    pub edges: Range<usize>,
    /// Of the entries.
    pub targets: &'a [u32],
    pub sources: &'a [u32],
    /// Where values of the entries stand; `None` where in their order.
    pub entries: Option<&'a [u32]>,
    /// Of the block's rows, beginning at that of the first.
    pub offsets: &'a [u32],
    pub is_by_target: bool,
}

/// The operands of a function, of which there are three at most.
fn operands<'a, T: Float>(
    args: &[Id],
    fits: &[Fit],
    rows: impl Fn(Id) -> Rows<'a, T>,
) -> [Operand<'a, T>; 3] {
    let mut operands = [(Rows::dense(&[], 0), Fit::Full); 3];
    for ((operand, &arg), &fit) in operands.iter_mut().zip(args).zip(fits) {
        *operand = (rows(arg), fit);
    }
    operands
}

/// Memory of one thread.
pub(super) struct Scratch<T> {
    slots: Vec<Vec<T>>,
    wide: Vec<f64>,
    grids: Vec<f64>,
    /// Of the block's rows, in its edges.
    ends: Vec<u32>,
    /// Rows that stand apart, one after another.
    packed: Vec<T>,
    also_packed: Vec<T>,
    of_kinds: OfKinds,
    /// Parts of sums over all rows, in the order of the plan; in f64 for those that are added up so.
    pub totals: Vec<Total<T>>,
}

/// The rows or edges of a block by their kind: those of kind `t` are `edges[starts[t] .. starts[t + 1]]`, ascending.
#[derive(Default)]
struct OfKinds {
    starts: Vec<usize>,
    edges: Vec<u32>,
}

impl OfKinds {
    fn sort(&mut self, kind_of: impl Fn(usize) -> usize, n_edges: usize, n_kinds: usize) {
        self.starts.clear();
        self.starts.resize(n_kinds + 2, 0);
        (0..n_edges).for_each(|edge| self.starts[kind_of(edge) + 2] += 1);
        for kind in 0..n_kinds {
            self.starts[kind + 1] += self.starts[kind];
        }
        self.edges.resize(n_edges, 0);
        for edge in 0..n_edges {
            let place = &mut self.starts[kind_of(edge) + 1];
            self.edges[*place] = edge as u32;
            *place += 1;
        }
    }
    fn of(&self, kind: usize) -> &[u32] {
        &self.edges[self.starts[kind]..self.starts[kind + 1]]
    }
}

/// A part of a sum over all rows.
pub(super) enum Total<T> {
    Products(Vec<T>),
    Sums(Vec<f64>),
}

impl<T: Float> Scratch<T> {
    pub fn new(plan: &BlockPlan) -> Self {
        Self {
            slots: vec![Vec::new(); plan.n_slots],
            wide: Vec::new(),
            grids: Vec::new(),
            ends: Vec::new(),
            packed: Vec::new(),
            also_packed: Vec::new(),
            of_kinds: OfKinds::default(),
            totals: Vec::new(),
        }
    }

    /// Begins the sums over all rows of a group of blocks.
    pub fn begin(&mut self, plan: &BlockPlan) {
        let total = |&(_, len, is_wide): &(Id, usize, bool)| match is_wide {
            true => Total::Sums(vec![0.0; len]),
            false => Total::Products(vec![T::ZERO; len]),
        };
        self.totals = plan.totals.iter().map(total).collect();
    }
}

pub(super) struct Run<'a, T> {
    pub program: &'a Program,
    pub schedule: &'a Schedule,
    pub plan: &'a BlockPlan,
    pub memory: &'a Memory<'a, T>,
    /// By step: a matrix that is multiplied with from the other side, turned; else empty.
    pub turned: Vec<Vec<T>>,
    /// By edge, where the edges have kinds.
    pub kinds: Option<&'a [u32]>,
    pub random: Random,
    pub summation: Summation,
}

impl<T: Float> Run<'_, T> {
    /// Computes all steps of a block.
    pub fn block(&self, frame: &Frame, scratch: &mut Scratch<T>) {
        let is_plain = !self.summation.is_reproducible()
            && frame.offsets.windows(2).all(|pair| (pair[1] - pair[0]) as usize <= HUB);
        for (place, step) in self.plan.steps.iter().enumerate() {
            match step.kind {
                Kind::Seen | Kind::Summed => {}
                Kind::Deferred if is_plain => {}
                Kind::Total(total) => self.add_to_total(step, total, frame, scratch),
                _ => self.step(place, step, frame, scratch, is_plain),
            }
        }
    }

    /// Adds a block's part to a sum over all rows.
    fn add_to_total(&self, step: &Step, total: usize, frame: &Frame, scratch: &mut Scratch<T>) {
        let Scratch { slots, packed, also_packed, of_kinds, totals, .. } = scratch;
        let slots = &*slots;
        match (&mut totals[total], &self.program.value(step.id).op) {
            (Total::Sums(sums), Op::Reduce { x, .. }) => {
                let n = self.n_of(*x, frame);
                add_column_sums(packed_rows(self.rows(*x, frame, slots), n, sums.len(), packed), sums);
            }
            (Total::Products(sums), Op::Outer { a, b, .. }) => {
                let n = self.n_of(*a, frame);
                let last = |id: Id| self.program.value(id).axes.last().and_then(|size| size.known());
                let (p, q) = (last(*a).expect("an axis"), last(*b).expect("an axis"));
                let heads = sums.len().checked_div(p * q).unwrap_or(0);
                let a = packed_rows(self.rows(*a, frame, slots), n, heads * p, packed);
                let b = packed_rows(self.rows(*b, frame, slots), n, heads * q, also_packed);
                for (head, sum) in sums.chunks_exact_mut((p * q).max(1)).enumerate() {
                    let left = Mat::columns(a, n, head * p..(head + 1) * p, heads * p);
                    let right = Mat::columns(b, n, head * q..(head + 1) * q, heads * q);
                    // SAFETY: a matrix of `[p, q]` that is borrowed mutably.
                    unsafe { product_to(sum.as_mut_ptr(), q, left.transposed(), right, true) };
                }
            }
            (Total::Products(sums), Op::OuterOfKinds { a, b, kind }) => {
                let (p, q) = (self.program.value(*a).known_width(), self.program.value(*b).known_width());
                let n_kinds = sums.len().checked_div(p * q).unwrap_or(0);
                self.sort_by_kind(of_kinds, *kind, frame, slots, n_kinds);
                let (a, b) = (self.rows(*a, frame, slots), self.rows(*b, frame, slots));
                for (kind, sum) in sums.chunks_exact_mut((p * q).max(1)).enumerate() {
                    let edges = of_kinds.of(kind);
                    pick(a, edges, p, packed);
                    pick(b, edges, q, also_packed);
                    product_at(p, edges.len(), q, packed, also_packed, sum, true);
                }
            }
            _ => unreachable!("sums over all rows"),
        }
    }

    fn sort_by_kind(
        &self,
        of_kinds: &mut OfKinds,
        kind: Option<Id>,
        frame: &Frame,
        slots: &[Vec<T>],
        n_kinds: usize,
    ) {
        if let Some(kind) = kind {
            let rows = self.rows(kind, frame, slots);
            // A number below 0, or none, counts as 0.
            let kind_of = |row: usize| (rows.at(row, 1)[0].wide() as usize).min(n_kinds.saturating_sub(1));
            return of_kinds.sort(kind_of, self.n_of(kind, frame), n_kinds);
        }
        let kinds = self.kinds.expect("the stage reads the kinds of edges");
        match frame.entries {
            Some(entries) => {
                of_kinds.sort(|edge| kinds[entries[edge] as usize] as usize, entries.len(), n_kinds);
            }
            None => {
                of_kinds.sort(|edge| kinds[frame.edges.start + edge] as usize, frame.edges.len(), n_kinds)
            }
        }
    }

    /// How many rows a value has in the block.
    fn n_of(&self, id: Id, frame: &Frame) -> usize {
        if self.program.value(id).space == Space::Edges { frame.edges.len() } else { frame.rows.len() }
    }

    /// The rows of a value in the block. `slots` of edges have to be there.
    fn rows<'s>(&'s self, id: Id, frame: &'s Frame, slots: &'s [Vec<T>]) -> Rows<'s, T> {
        let id = source(self.program, id);
        let value = self.program.value(id);
        let width = value.known_width();
        if value.space == Space::One {
            let (start, len) = self.memory.raw(id);
            // SAFETY: as below; the one row is complete, or a step of this block wrote it.
            return unsafe { Rows::at_places(start, len, 0, None) };
        }
        let at = |from: Id, first: usize, index: Option<&'s [u32]>| {
            let (start, len) = self.memory.raw(from);
            let skip = first * width;
            assert!(skip <= len);
            // SAFETY: the memory of a phase's results and of what it reads lives as long as the phase; a block reads
            // what earlier phases wrote, or rows of its own.
            unsafe { Rows::at_places(start.add(skip), len - skip, width, index) }
        };
        if let Some(slot) = self.plan.slot_of[id.index()] {
            return Rows::dense(&slots[slot], width);
        }
        if value.space != Space::Edges {
            return at(id, frame.rows.start, None);
        }
        if self.schedule.is_stored[id.index()] {
            return match frame.entries {
                Some(entries) => at(id, 0, Some(entries)),
                None => at(id, frame.edges.start, None),
            };
        }
        match value.op {
            Op::Gather { x, index } => {
                let places = if index == Index::Target { frame.targets } else { frame.sources };
                at(source(self.program, x), 0, Some(places))
            }
            _ => unreachable!("%{} is neither stored nor in a slot", id.0),
        }
    }

    /// See [`BlockPlan::pair`].
    fn pair(&self, id: Id, is_plain: bool) -> Option<(Fun, [Id; 2])> {
        if is_plain { self.plan.pair(self.program, id) } else { None }
    }

    fn step(&self, place: usize, step: &Step, frame: &Frame, scratch: &mut Scratch<T>, is_plain: bool) {
        let value = self.program.value(step.id);
        let is_edges = value.space == Space::Edges;
        let n = self.n_of(step.id, frame);
        // The result is taken out of the scratch memory while its operands are read from there.
        let mut own = step.slot.map(|slot| std::mem::take(&mut scratch.slots[slot]));
        let Scratch { slots, wide, grids, ends, packed, also_packed, of_kinds, .. } = scratch;
        let out: &mut [T] = match &mut own {
            Some(values) => {
                // What was there is not copied, and no more is taken than is needed.
                if values.len() < n * step.width {
                    values.clear();
                    values.shrink_to_fit();
                    values.resize(n * step.width, T::ZERO);
                }
                &mut values[..n * step.width]
            }
            None => {
                let first = if is_edges { frame.edges.start } else { frame.rows.start };
                assert!(!is_edges || frame.is_by_target, "edges are stored in their own order");
                // SAFETY: blocks are disjoint, and each writes its own rows.
                unsafe { self.memory.part(step.id, first * step.width, n * step.width) }
            }
        };
        let slots = &*slots;
        let rows = |id: Id| self.rows(id, frame, slots);
        match &value.op {
            _ if let Kind::Dot([a, b]) = step.kind => {
                match (self.pair(a, is_plain), self.pair(b, is_plain)) {
                    (None, None) => map::dot(rows(a), rows(b), n, step.shape, out),
                    (Some((f, pair)), None) => {
                        map::dot_of_pairs(f, pair.map(rows), Some(rows(b)), n, step.shape, out);
                    }
                    (None, Some((f, pair))) => {
                        map::dot_of_pairs(f, pair.map(rows), Some(rows(a)), n, step.shape, out);
                    }
                    (Some((f, pair)), Some(_)) => {
                        map::dot_of_pairs(f, pair.map(rows), None, n, step.shape, out);
                    }
                }
            }
            Op::Map(f, args) => {
                let operands = operands(args, &step.fits, rows);
                map::map(*f, &operands[..args.len()], n, step.shape, out, None);
            }
            Op::Linear { x, w, .. } => {
                let axes = &self.program.value(*w).axes;
                let heads = if axes.len() == 3 { axes[0].known().expect("known") } else { 1 };
                let w = match &self.turned[place][..] {
                    [] => self.memory.read(source(self.program, *w)),
                    turned => turned,
                };
                let x_width = self.program.value(*x).known_width();
                let x = packed_rows(rows(*x), n, x_width, packed);
                // One matrix for all heads takes each of them as a row.
                let is_turned = matches!(value.op, Op::Linear { transposed: true, .. });
                let n_in = &axes[axes.len() - if is_turned { 1 } else { 2 }];
                let n_in = n_in.known().expect("known");
                let n = (n * x_width).checked_div(heads * n_in).unwrap_or(n);
                heads_product(n, heads, n_in, x, w, out, self.summation);
            }
            Op::Typed { x, w, kind, .. } => {
                let n_kinds = self.program.value(*w).axes[0].known().expect("known");
                let w = match &self.turned[place][..] {
                    [] => self.memory.read(source(self.program, *w)),
                    turned => turned,
                };
                let (n_in, n_out) = (self.program.value(*x).known_width(), step.width);
                let x = rows(*x);
                if n_in == 0 {
                    out.fill(T::ZERO);
                }
                self.sort_by_kind(of_kinds, *kind, frame, slots, n_kinds);
                for (kind, w) in w.chunks_exact((n_in * n_out).max(1)).enumerate() {
                    let edges = of_kinds.of(kind);
                    pick(x, edges, n_in, packed);
                    also_packed.resize(edges.len() * n_out, T::ZERO);
                    let (start, act) = (Start::Zero, Activation::Identity);
                    product_of_rows(
                        self.summation,
                        edges.len(),
                        n_in,
                        n_out,
                        packed,
                        w,
                        also_packed,
                        start,
                        act,
                    );
                    for (&edge, y) in edges.iter().zip(also_packed.chunks_exact(n_out.max(1))) {
                        out[edge as usize * n_out..][..n_out].copy_from_slice(y);
                    }
                }
            }
            Op::Expand(x) => map::copy((rows(*x), step.fits[0]), n, step.shape, out, None),
            Op::Gather { .. } if is_edges => {
                map::copy((self.gathered(step.id, frame), Fit::Full), n, [1, step.width], out, None);
            }
            Op::Fold { how, x, axis } => {
                let dims: Vec<usize> =
                    self.program.value(*x).axes.iter().map(|size| size.known().expect("known")).collect();
                fold(*how, rows(*x), n, &dims, *axis, out);
            }
            Op::Concat { parts, axis } => {
                let inner: usize =
                    value.axes[axis + 1..].iter().map(|size| size.known().expect("known")).product();
                let outer: usize =
                    value.axes[..*axis].iter().map(|size| size.known().expect("known")).product();
                let whole = step.width / outer.max(1);
                let mut start = 0;
                for part in parts {
                    let len = self.program.value(*part).axes[*axis].known().expect("known") * inner;
                    let from = rows(*part);
                    for row in 0..n {
                        let x = from.at(row, len * outer);
                        for head in 0..outer {
                            out[row * step.width + head * whole + start..][..len]
                                .copy_from_slice(&x[head * len..][..len]);
                        }
                    }
                    start += len;
                }
            }
            Op::Slice { x, axis, start } | Op::Pad { x, axis, start } => {
                let is_slice = matches!(value.op, Op::Slice { .. });
                let other = self.program.value(*x);
                let known = |axes: &[crate::types::Size]| -> usize {
                    axes.iter().map(|size| size.known().expect("known")).product()
                };
                let (outer, inner) = (known(&value.axes[..*axis]), known(&value.axes[axis + 1..]));
                let start = start.known().expect("known") * inner;
                let (own, from) = (step.width / outer.max(1), other.known_width() / outer.max(1));
                let x = rows(*x);
                if !is_slice {
                    out.fill(T::ZERO);
                }
                for row in 0..n {
                    let x = x.at(row, from * outer);
                    let out = &mut out[row * step.width..][..step.width];
                    for head in 0..outer {
                        if is_slice {
                            out[head * own..][..own].copy_from_slice(&x[head * from + start..][..own]);
                        } else {
                            out[head * own + start..][..from].copy_from_slice(&x[head * from..][..from]);
                        }
                    }
                }
            }
            Op::Contract { a, b, transposed } => {
                let dims = |id: Id| {
                    let axes = &self.program.value(id).axes;
                    [axes[0].known().expect("known"), axes[1].known().expect("known")]
                };
                contract(rows(*a), dims(*a), rows(*b), dims(*b), *transposed, n, out);
            }
            Op::IsLoop => {
                for ((out, target), source) in out.iter_mut().zip(frame.targets).zip(frame.sources) {
                    *out = if target == source { T::ONE } else { T::ZERO };
                }
            }
            Op::Random { site, p } => {
                for row in 0..n {
                    let key = match (is_edges, frame.entries) {
                        (true, Some(entries)) => entries[row] as usize,
                        (true, None) => frame.edges.start + row,
                        (false, _) => frame.rows.start + row,
                    };
                    for (col, out) in out[row * step.width..][..step.width].iter_mut().enumerate() {
                        *out = self.random.factor(*site, *p, key, col);
                    }
                }
            }
            Op::Noise { site } => {
                for row in 0..n {
                    let key = match (is_edges, frame.entries) {
                        (true, Some(entries)) => entries[row] as usize,
                        (true, None) => frame.edges.start + row,
                        (false, _) => frame.rows.start + row,
                    };
                    for (col, out) in out[row * step.width..][..step.width].iter_mut().enumerate() {
                        *out = self.random.noise(*site, key, col);
                    }
                }
            }
            Op::Reduce { how: Reduce::Sum, x, index: Index::Target | Index::Source } => {
                let base = frame.offsets[0];
                let degrees = frame.offsets.windows(2).map(|pair| (pair[1] - pair[0]) as usize);
                if is_plain {
                    ends.clear();
                    ends.extend(frame.offsets[1..].iter().map(|&end| end - base));
                    let n_edges = frame.edges.len();
                    if let Kind::SumOf(inner) = step.kind {
                        let Op::Map(f, args) = &self.program.value(inner).op else { unreachable!() };
                        let inner = self.plan.step(inner).expect("a step");
                        let found = args.iter().position(|&arg| self.pair(arg, is_plain).is_some());
                        if let Some(place) = found {
                            let (f, pair) = self.pair(args[place], is_plain).expect("found");
                            let number = (rows(args[1 - place]), inner.fits[1 - place]);
                            map::sum_pairs_by_number(f, pair.map(rows), number, ends, inner.shape, out);
                        } else {
                            let operands = operands(args, &inner.fits, rows);
                            map::map(*f, &operands[..args.len()], n_edges, inner.shape, out, Some(ends));
                        }
                    } else {
                        map::copy((rows(*x), Fit::Full), n_edges, [1, step.width], out, Some(ends));
                    }
                } else {
                    let terms = rows(*x);
                    wide.resize(step.width, 0.0);
                    grids.resize(step.width, 0.0);
                    let mut first = 0;
                    for (out, degree) in out.chunks_exact_mut(step.width.max(1)).zip(degrees) {
                        let of_row = (first..first + degree).map(|row| (T::ONE, terms.at(row, step.width)));
                        first += degree;
                        if self.summation.is_reproducible() {
                            sum_rows(degree, of_row, grids, wide);
                        } else if degree <= HUB {
                            // As in a block without a hub: which rows share a block leaves no trace.
                            sum_narrow(of_row, out);
                            continue;
                        } else {
                            sum_rows_in_order(of_row, wide);
                        }
                        for (out, &sum) in out.iter_mut().zip(&*wide) {
                            *out = T::of(sum);
                        }
                    }
                }
            }
            Op::Reduce { how: Reduce::Max, x, .. } => {
                let base = frame.offsets[0];
                ends.clear();
                ends.extend(frame.offsets[1..].iter().map(|&end| end - base));
                map::largest(rows(*x), ends, step.width, out);
            }
            Op::Reduce { how: Reduce::Mul, x, .. } => {
                let base = frame.offsets[0];
                let terms = rows(*x);
                let mut first = 0;
                for (out, &end) in out.chunks_exact_mut(step.width.max(1)).zip(&frame.offsets[1..]) {
                    let end = (end - base) as usize;
                    let factors = (first..end).map(|row| terms.at(row, step.width));
                    product_of_factors(factors, self.summation.is_reproducible(), wide, out);
                    first = end;
                }
            }
            op => unreachable!("{op:?} is no step of a block"),
        }
        if let (Some(slot), Some(values)) = (step.slot, own) {
            scratch.slots[slot] = values;
        }
    }

    /// A gathered value that is stored: read by its map, not from its own memory.
    fn gathered<'s>(&'s self, id: Id, frame: &'s Frame) -> Rows<'s, T> {
        let value = self.program.value(id);
        let Op::Gather { x, index } = value.op else { unreachable!() };
        let places = if index == Index::Target { frame.targets } else { frame.sources };
        let (start, len) = self.memory.raw(source(self.program, x));
        // SAFETY: as in `rows`.
        unsafe { Rows::at_places(start, len, value.known_width(), Some(places)) }
    }
}

/// Rows one after another; where they stand apart, copied to `packed`.
fn packed_rows<'a, T: Float>(rows: Rows<'a, T>, n: usize, width: usize, packed: &'a mut Vec<T>) -> &'a [T] {
    if rows.is_dense() {
        return rows.values(n * width);
    }
    packed.clear();
    packed.reserve_exact(n * width);
    for row in 0..n {
        packed.extend_from_slice(rows.at(row, width));
    }
    packed
}

/// Some of the rows, one after another.
fn pick<T: Float>(rows: Rows<T>, which: &[u32], width: usize, packed: &mut Vec<T>) {
    packed.clear();
    packed.reserve_exact(which.len() * width);
    for &row in which {
        packed.extend_from_slice(rows.at(row as usize, width));
    }
}

/// `x [n, heads, i]` times a matrix for each head, `w [heads, i, o]`, into `out [n, heads, o]`.
fn heads_product<T: Float>(
    n: usize,
    heads: usize,
    n_in: usize,
    x: &[T],
    w: &[T],
    out: &mut [T],
    summation: Summation,
) {
    let n_out = out.len().checked_div(n * heads).unwrap_or(0);
    if n_in == 0 {
        return out.fill(T::ZERO);
    }
    if heads == 1 {
        return product_of_rows(summation, n, n_in, n_out, x, w, out, Start::Zero, Activation::Identity);
    }
    for (head, w) in w.chunks_exact((n_in * n_out).max(1)).enumerate() {
        if summation.is_reproducible() {
            let of_head = x.chunks_exact((heads * n_in).max(1)).take(n);
            let x: Vec<T> = of_head.flat_map(|row| &row[head * n_in..][..n_in]).copied().collect();
            let mut y = vec![T::ZERO; n * n_out];
            product_of_rows(summation, n, n_in, n_out, &x, w, &mut y, Start::Zero, Activation::Identity);
            for (out, y) in out.chunks_exact_mut((heads * n_out).max(1)).zip(y.chunks_exact(n_out.max(1))) {
                out[head * n_out..][..n_out].copy_from_slice(y);
            }
            continue;
        }
        let a = Mat::columns(x, n, head * n_in..(head + 1) * n_in, heads * n_in);
        let columns = &mut out[head * n_out..];
        product(columns, heads * n_out, a, Mat::new(w, n_in, n_out, n_out), false);
    }
}

fn sum_rows_in_order<'a, T: Float>(rows: impl Iterator<Item = (T, &'a [T])>, sums: &mut [f64]) {
    sums.fill(0.0);
    for (_, row) in rows {
        for (sum, &x) in sums.iter_mut().zip(row) {
            *sum += x.wide();
        }
    }
}

/// As [`map::map`] adds rows up.
fn sum_narrow<'a, T: Float>(rows: impl Iterator<Item = (T, &'a [T])>, sums: &mut [T]) {
    sums.fill(T::ZERO);
    for (_, row) in rows {
        for (sum, &x) in sums.iter_mut().zip(row) {
            *sum += x;
        }
    }
}

/// The product of each column, in f64. Where the order of the rows may leave no trace, the factors of a column are
/// multiplied in the order of their values.
pub(super) fn product_of_factors<'a, T: Float>(
    rows: impl Iterator<Item = &'a [T]> + Clone,
    is_reproducible: bool,
    products: &mut Vec<f64>,
    out: &mut [T],
) {
    if is_reproducible {
        let mut factors: Vec<f64> = Vec::new();
        for (col, out) in out.iter_mut().enumerate() {
            factors.clear();
            factors.extend(rows.clone().map(|row| row[col].wide()));
            factors.sort_unstable_by(f64::total_cmp);
            *out = T::of(factors.iter().product());
        }
        return;
    }
    products.clear();
    products.resize(out.len(), 1.0);
    for row in rows {
        for (product, &x) in products.iter_mut().zip(row) {
            *product *= x.wide();
        }
    }
    for (out, &product) in out.iter_mut().zip(&*products) {
        *out = T::of(product);
    }
}

/// Over one axis of rows.
#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
pub(super) fn fold<T: Float>(how: Reduce, x: Rows<T>, n: usize, dims: &[usize], axis: usize, out: &mut [T]) {
    let outer: usize = dims[..axis].iter().product();
    let inner: usize = dims[axis + 1..].iter().product();
    let (len, width) = (dims[axis], outer * inner);
    for row in 0..n {
        let x = x.at(row, outer * len * inner);
        let out = &mut out[row * width..][..width];
        for head in 0..outer {
            let out = &mut out[head * inner..][..inner];
            let x = &x[head * len * inner..][..len * inner];
            if inner == 1 {
                out[0] = match how {
                    Reduce::Sum => crate::kernels::custom::sum(x),
                    Reduce::Max => x.iter().fold(T::NEG_INFINITY, |a, &b| a.greater(b)),
                    Reduce::Mul => x.iter().fold(T::ONE, |product, &x| product * x),
                };
                continue;
            }
            out.copy_from_slice(&x[..inner]);
            for x in x[inner..].chunks_exact(inner) {
                for (out, &x) in out.iter_mut().zip(x) {
                    *out = match how {
                        Reduce::Sum => *out + x,
                        Reduce::Max => out.greater(x),
                        Reduce::Mul => *out * x,
                    };
                }
            }
        }
    }
}

/// Row by row `a · b` of small matrices.
#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn contract<T: Float>(
    a: Rows<T>,
    a_dims: [usize; 2],
    b: Rows<T>,
    b_dims: [usize; 2],
    transposed: [bool; 2],
    n: usize,
    out: &mut [T],
) {
    let turn = |[p, q]: [usize; 2], is_turned: bool| if is_turned { [q, p] } else { [p, q] };
    let ([p, inner], [_, r]) = (turn(a_dims, transposed[0]), turn(b_dims, transposed[1]));
    for row in 0..n {
        let (a, b) = (a.at(row, a_dims[0] * a_dims[1]), b.at(row, b_dims[0] * b_dims[1]));
        let out = &mut out[row * p * r..][..p * r];
        let left = |i: usize, k: usize| if transposed[0] { a[k * p + i] } else { a[i * inner + k] };
        if transposed[1] {
            for i in 0..p {
                for j in 0..r {
                    let b = &b[j * inner..][..inner];
                    out[i * r + j] = if transposed[0] {
                        b.iter().enumerate().fold(T::ZERO, |sum, (k, &b)| sum + left(i, k) * b)
                    } else {
                        crate::kernels::custom::dot(&a[i * inner..][..inner], b)
                    };
                }
            }
        } else {
            out.fill(T::ZERO);
            for i in 0..p {
                let out = &mut out[i * r..][..r];
                for k in 0..inner {
                    crate::kernels::custom::add_scaled(out, left(i, k), &b[k * r..][..r]);
                }
            }
        }
    }
}
