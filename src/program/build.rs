//! Writing programs: values are methods and `+ − * /`, equal steps are one step.
//!
//! Rows are cheaper than edges, so what can be computed of a node is computed before it is gathered: `linear` and the
//! functions of a gathered value are taken on the rows, and what is the same for all edges of a row is multiplied into
//! their sum. The rules look at spaces only, never at sizes of a batch.

use super::composite::{Attention, Composite, Norm};
use super::fun::Fun;
use super::{Id, Index, Init, Op, Program, Reduce, Space, Value, WeightSpec};
use crate::types::{Dim, Size};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::ops::{Add, Div, Mul, Neg, Sub};
use std::sync::{Mutex, PoisonError};

/// Stands in for what takes no part in a maximum: lower than any value, and finite, so that differences are numbers.
const LOWEST: f64 = -1e30;

/// A program that is being written.
#[derive(Debug, Default)]
pub struct Build {
    program: RefCell<Program>,
    /// Equal values are made once.
    known: RefCell<HashMap<String, Id>>,
    n_sites: Cell<usize>,
    /// See [`Build::against`].
    is_against: Cell<bool>,
    /// See [`Build::naming`].
    prefix: Cell<&'static str>,
}

/// A value under construction.
#[derive(Debug, Clone, Copy)]
pub struct V<'b> {
    pub(crate) b: &'b Build,
    pub(crate) id: Id,
}

/// The edges of the level that a stage works on: those of a sparse graph, or all pairs of a graph's clusters, each with
/// the weight `A_ij` that the coarse adjacency has there. The program reads the same for both.
#[derive(Debug, Clone, Copy)]
pub struct Edges<'b> {
    b: &'b Build,
    /// `[E, 1]`: what an edge counts. `None` where every edge counts 1.
    weight: Option<V<'b>>,
}

impl Build {
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes `f` with every edge turned round: rows gather along the edges that lead away from them.
    pub fn against<T>(&self, f: impl FnOnce() -> T) -> T {
        let before = self.is_against.replace(true);
        let made = f();
        self.is_against.set(before);
        made
    }

    /// Writes `f` with this before the names of its weights.
    pub fn naming<T>(&self, prefix: &'static str, f: impl FnOnce() -> T) -> T {
        let before = self.prefix.replace(prefix);
        let made = f();
        self.prefix.set(before);
        made
    }

    /// The map from an edge to the row that gathers along it.
    fn to(&self) -> Index {
        if self.is_against.get() { Index::Source } else { Index::Target }
    }

    /// The program with these results.
    pub fn finish(&self, outputs: &[V]) -> Program {
        let mut program = self.program.borrow().clone();
        program.outputs = outputs.iter().map(|v| v.id).collect();
        program
    }

    pub(crate) fn of(&self, program: Program) -> &Self {
        *self.known.borrow_mut() =
            program.values.iter().enumerate().map(|(i, value)| (key(value), Id(i as u32))).collect();
        *self.program.borrow_mut() = program;
        self
    }

    pub(crate) fn at(&self, id: Id) -> V<'_> {
        V { b: self, id }
    }

    pub(crate) fn value(&self, id: Id) -> Value {
        self.program.borrow().values[id.index()].clone()
    }

    pub(crate) fn push(&self, op: Op, space: Space, axes: Vec<Size>) -> V<'_> {
        assert!(axes.len() <= 4, "values have at most four axes");
        let value = Value { op, space, axes };
        let key = key(&value);
        if let Some(&id) = self.known.borrow().get(&key) {
            return V { b: self, id };
        }
        let mut program = self.program.borrow_mut();
        let id = Id(program.values.len() as u32);
        program.values.push(value);
        self.known.borrow_mut().insert(key, id);
        V { b: self, id }
    }

    /// What comes in at `port`, `[rows of space, axes]`.
    pub fn input(&self, port: usize, space: Space, axes: &[Size]) -> V<'_> {
        let v = self.push(Op::Input(port), space, axes.to_vec());
        let mut program = self.program.borrow_mut();
        if !program.inputs.contains(&v.id) {
            program.inputs.push(v.id);
        }
        V { b: self, id: v.id }
    }

    /// A learned tensor of this name and shape.
    ///
    /// # Panics
    /// Where the name was given to another weight.
    pub fn weight(&self, name: &'static str, shape: &[Dim], init: Init) -> V<'_> {
        self.any_weight(WeightSpec { name, shape: shape.to_vec(), init, is_trained: true })
    }

    /// As [`Build::weight`], with a specification.
    pub fn any_weight(&self, spec: WeightSpec) -> V<'_> {
        let spec = WeightSpec { name: prefixed(self.prefix.get(), spec.name), ..spec };
        let axes = spec.shape.iter().map(|dim| dim.size.clone()).collect();
        let mut program = self.program.borrow_mut();
        assert!(program.weights.iter().all(|known| known.name != spec.name), "weight `{}` twice", spec.name);
        let idx = program.weights.len();
        program.weights.push(spec);
        drop(program);
        self.push(Op::Weight(idx), Space::One, axes)
    }

    pub fn constant(&self, value: f64) -> V<'_> {
        self.push(Op::Constant(value), Space::One, Vec::new())
    }

    /// 0, 1, 2, …, `n` of them.
    pub fn iota(&self, n: &Size) -> V<'_> {
        self.push(Op::Iota, Space::One, vec![n.clone()])
    }

    /// The identity matrix `[n, n]`.
    pub fn identity(&self, n: &Size) -> V<'_> {
        let places = self.iota(n);
        self.map(Fun::Equal, &[places.column(), places])
    }

    /// How many rows lead to each row of the map's space: `Index::Target` gives degrees.
    pub fn count(&self, index: Index) -> V<'_> {
        self.push(Op::Count(index), index.to(), Vec::new())
    }

    /// The edges of a sparse level.
    pub fn edges(&self) -> Edges<'_> {
        Edges { b: self, weight: None }
    }

    /// The edges of a level whose edges count by a weight, `[E, 1]`.
    pub fn weighted_edges<'b>(&'b self, weight: V<'b>) -> Edges<'b> {
        Edges { b: self, weight: Some(weight) }
    }

    /// The edges from the `k` rows of its graph that lie nearest to each row, itself among them, instead of those of the level.
    ///
    /// # Panics
    /// Where edges were read before: a program has one kind of them.
    pub fn nearest<'b>(&'b self, positions: V<'b>, k: usize) -> Edges<'b> {
        let program = self.program.borrow();
        let is_read = |value: &Value| value.reads_edges() && !matches!(value.op, Op::Input(_));
        assert!(!program.values.iter().any(is_read), "edges are found before any is read");
        drop(program);
        self.call(Composite::Nearest { k }, &[positions]);
        self.edges()
    }

    /// Side by side along the last axis. All have the same space or are repeated, and the same axes before the last.
    pub fn concat<'b>(&'b self, parts: &[V<'b>]) -> V<'b> {
        if let [only] = parts {
            return *only;
        }
        // Rows that are gathered along one map are put side by side before.
        if let Some((index, space, inner)) = self.gathered_alike(parts) {
            return self.concat(&inner).gather_to(index, space);
        }
        let space = parts.iter().map(|v| v.space()).max().expect("at least one part");
        let parts: Vec<V> = parts.iter().map(|v| v.in_space(space)).collect();
        let mut axes = parts[0].axes();
        let axis = axes.len() - 1;
        axes[axis] = Size::sum(parts.iter().map(|v| v.axes()[axis].clone()));
        self.push(Op::Concat { parts: parts.iter().map(|v| v.id).collect(), axis }, space, axes)
    }

    /// Where every operand that is no number is gathered along the same map: the map, where it leads from, and the operands before it.
    fn gathered_alike<'b>(&'b self, operands: &[V<'b>]) -> Option<(Index, Space, Vec<V<'b>>)> {
        let mut along = None;
        let mut inner = Vec::with_capacity(operands.len());
        for v in operands {
            let value = self.value(v.id);
            match value.op {
                Op::Gather { x, index }
                    if along.is_none_or(|known| known == (index, value.space)) && index != Index::All =>
                {
                    along = Some((index, value.space));
                    inner.push(self.at(x));
                }
                _ if value.space == Space::One => inner.push(*v),
                _ => return None,
            }
        }
        along.map(|(index, space)| (index, space, inner))
    }

    /// A function of numbers at the same place.
    pub fn map<'b>(&'b self, f: Fun, args: &[V<'b>]) -> V<'b> {
        assert_eq!(f.arity(), args.len(), "operands of `{}`", f.name());
        match (f, args) {
            (Fun::Scale(1.0), [x]) | (Fun::Offset(0.0), [x]) => return *x,
            (Fun::Mul, [a, b]) => {
                if b.is_constant(1.0) {
                    return *a;
                }
                if a.is_constant(1.0) {
                    return *b;
                }
            }
            (Fun::Add, [a, b]) if a.id == b.id => return a.scale(2.0),
            (Fun::Add, [a, b]) => {
                if b.is_constant(0.0) {
                    return *a;
                }
                if a.is_constant(0.0) {
                    return *b;
                }
            }
            _ => {}
        }
        if let Some(narrow) = self.unexpanded(args) {
            return self.map(f, &narrow);
        }
        if let (true, [x]) = (f.is_activation(), args)
            && let Op::Call { what, args, then: None } = self.value(x.id).op
            && what.takes_function()
        {
            let value = self.value(x.id);
            return self.push(Op::Call { what, args, then: Some(f) }, value.space, value.axes);
        }
        if let Some((index, space, inner)) = self.gathered_alike(args) {
            return self.map(f, &inner).gather_to(index, space);
        }
        if let (Fun::Mul, &[a, b]) = (f, args)
            && let Some(product) = self.factors_by_end(a, b).or_else(|| self.factors_by_end(b, a))
        {
            return product;
        }
        let space = args.iter().map(|v| v.space()).max().expect("at least one operand");
        for v in args {
            assert!(
                v.space() == space || v.space() == Space::One,
                "`{}` of {:?} and {space:?}",
                f.name(),
                v.space()
            );
        }
        let axes = broadcast(&args.iter().map(|v| v.axes()).collect::<Vec<_>>());
        self.push(Op::Map(f, args.iter().map(|v| v.id).collect()), space, axes)
    }

    /// The operands without a repetition that the function does anyway, beside others that are whole; `None` where there
    /// is none.
    fn unexpanded<'b>(&'b self, args: &[V<'b>]) -> Option<Vec<V<'b>>> {
        let is_like = |v: V<'b>, other: V<'b>| {
            let (axes, others) = (v.axes(), other.axes());
            v.space() == other.space()
                && axes.len() == others.len()
                && axes.iter().zip(&others).all(|(a, b)| same(a, b))
        };
        let [first, second] = args else { return None };
        let narrow = |expanded: V<'b>, other: V<'b>| match self.value(expanded.id).op {
            Op::Expand(x) if is_like(expanded, other) => Some(self.at(x)),
            _ => None,
        };
        match (narrow(*first, *second), narrow(*second, *first)) {
            (Some(x), _) => Some(vec![x, *second]),
            (_, Some(x)) => Some(vec![*first, x]),
            _ => None,
        }
    }

    /// A named part with kernels of its own.
    pub fn call<'b>(&'b self, what: Composite, args: &[V<'b>]) -> V<'b> {
        let (space, axes) = what.result(args);
        let args = args.iter().map(|v| v.id).collect();
        self.push(Op::Call { what, args, then: None }, space, axes)
    }

    /// `(p q) b` as `(p b) q`, where `p` and `b` are gathered along the same map and `q` is not.
    fn factors_by_end<'b>(&'b self, product: V<'b>, b: V<'b>) -> Option<V<'b>> {
        let index_of = |id: Id| match self.value(id).op {
            Op::Gather { index, .. } => Some(index),
            _ => None,
        };
        let (Op::Map(Fun::Mul, factors), Some(index)) = (self.value(product.id).op, index_of(b.id)) else {
            return None;
        };
        let &[p, q] = factors.as_slice() else { return None };
        match (index_of(p) == Some(index), index_of(q) == Some(index)) {
            (true, false) => Some((self.at(p) * b) * self.at(q)),
            (false, true) => Some(self.at(p) * (self.at(q) * b)),
            _ => None,
        }
    }

    /// A product as what is left of it, as wide, and a factor that is gathered along the map: the value before that.
    fn without_factor<'b>(&'b self, product: Id, index: Index) -> Option<(V<'b>, V<'b>)> {
        let value = self.value(product);
        let Op::Map(Fun::Mul, factors) = &value.op else { return None };
        let &[a, b] = factors.as_slice() else { return None };
        let is_whole = |v: V<'b>| {
            v.space() == value.space
                && v.axes().len() == value.axes.len()
                && v.axes().iter().zip(&value.axes).all(|(a, b)| same(a, b))
        };
        [(a, b), (b, a)].into_iter().find_map(|(kept, factor)| match self.value(factor).op {
            Op::Gather { x, index: along } if along == index && is_whole(self.at(kept)) => {
                Some((self.at(kept), self.at(x)))
            }
            _ => {
                let (inner, found) = self.without_factor(kept, index)?;
                let kept = inner * self.at(factor);
                is_whole(kept).then_some((kept, found))
            }
        })
    }

    /// A site of random numbers, numbered in the order of the program.
    fn site(&self) -> usize {
        let site = self.n_sites.get();
        self.n_sites.set(site + 1);
        site
    }
}

/// A name with what stands before it. Names of weights are few and live as long as the program.
fn prefixed(prefix: &'static str, name: &'static str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    if prefix.is_empty() {
        return name;
    }
    let whole = format!("{prefix}{name}");
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(whole.as_str()) {
        return known;
    }
    let whole: &'static str = Box::leak(whole.into_boxed_str());
    names.insert(whole);
    whole
}

/// What tells a value from all others.
fn key(value: &Value) -> String {
    let axes: Vec<u128> = value.axes.iter().map(Size::fingerprint).collect();
    match &value.op {
        // Sizes inside an operation print in short forms, which two may share.
        Op::Slice { x, axis, start } => {
            format!("slice {x:?} {axis} {} {:?} {axes:?}", start.fingerprint(), value.space)
        }
        Op::Pad { x, axis, start } => {
            format!("pad {x:?} {axis} {} {:?} {axes:?}", start.fingerprint(), value.space)
        }
        op => format!("{op:?} {:?} {axes:?}", value.space),
    }
}

pub(crate) fn same(a: &Size, b: &Size) -> bool {
    a.fingerprint() == b.fingerprint()
}

pub(crate) fn is_one(size: &Size) -> bool {
    size.known() == Some(1)
}

/// The axes of a result: aligned at the last axis, an axis of 1 is repeated.
pub(crate) fn broadcast(all: &[Vec<Size>]) -> Vec<Size> {
    let rank = all.iter().map(Vec::len).max().unwrap_or(0);
    (0..rank)
        .map(|axis| {
            let at = |axes: &Vec<Size>| (axis + axes.len()).checked_sub(rank).map(|axis| axes[axis].clone());
            let sizes: Vec<Size> = all.iter().filter_map(at).collect();
            let wide = sizes.iter().find(|size| !is_one(size)).unwrap_or(&sizes[0]).clone();
            for size in &sizes {
                assert!(is_one(size) || same(size, &wide), "axes {size} and {wide} do not fit");
            }
            wide
        })
        .collect()
}

impl<'b> V<'b> {
    /// The program that it stands in.
    pub fn build(self) -> &'b Build {
        self.b
    }
    pub fn space(self) -> Space {
        self.b.program.borrow().values[self.id.index()].space
    }
    pub fn axes(self) -> Vec<Size> {
        self.b.program.borrow().values[self.id.index()].axes.clone()
    }
    /// The size of the last axis.
    pub fn width(self) -> Size {
        self.axes().last().cloned().unwrap_or(Size::Known(1))
    }
    fn is_constant(self, number: f64) -> bool {
        matches!(self.b.value(self.id).op, Op::Constant(c) if c == number)
    }
    fn map(self, f: Fun) -> Self {
        self.b.map(f, &[self])
    }

    pub fn stop(self) -> Self {
        self.map(Fun::Stop)
    }
    pub fn abs(self) -> Self {
        self.map(Fun::Abs)
    }
    pub fn exp(self) -> Self {
        self.map(Fun::Exp)
    }
    pub fn ln(self) -> Self {
        self.map(Fun::Ln)
    }
    pub fn sqrt(self) -> Self {
        self.map(Fun::Sqrt)
    }
    pub fn reciprocal(self) -> Self {
        self.map(Fun::Reciprocal)
    }
    pub fn square(self) -> Self {
        self.map(Fun::Square)
    }
    pub fn relu(self) -> Self {
        self.map(Fun::Relu)
    }
    pub fn leaky_relu(self, slope: f64) -> Self {
        self.map(Fun::LeakyRelu(slope))
    }
    pub fn elu(self, alpha: f64) -> Self {
        self.map(Fun::Elu(alpha))
    }
    pub fn gelu(self) -> Self {
        self.map(Fun::Gelu)
    }
    pub fn sigmoid(self) -> Self {
        self.map(Fun::Sigmoid)
    }
    pub fn tanh(self) -> Self {
        self.map(Fun::Tanh)
    }
    pub fn softplus(self) -> Self {
        self.map(Fun::Softplus)
    }
    pub fn ln_gamma(self) -> Self {
        self.map(Fun::LnGamma)
    }
    /// Digamma for 0, trigamma for 1.
    pub fn polygamma(self, order: f64) -> Self {
        self.map(Fun::Polygamma(order))
    }
    pub fn power(self, exponent: f64) -> Self {
        self.map(Fun::Power(exponent))
    }
    pub fn at_least(self, least: f64) -> Self {
        self.map(Fun::AtLeast(least))
    }
    pub fn at_most(self, most: f64) -> Self {
        self.map(Fun::AtMost(most))
    }
    pub fn scale(self, factor: f64) -> Self {
        self.map(Fun::Scale(factor))
    }
    pub fn offset(self, term: f64) -> Self {
        self.map(Fun::Offset(term))
    }
    pub fn max(self, other: Self) -> Self {
        self.b.map(Fun::Max, &[self, other])
    }
    /// The angle whose sine and cosine are as the two numbers.
    pub fn angle(self, cosine: Self) -> Self {
        self.b.map(Fun::Angle, &[self, cosine])
    }
    /// 1 where the number is larger than `c`.
    pub fn above(self, c: f64) -> Self {
        self.map(Fun::Above(c))
    }
    pub fn sin(self) -> Self {
        self.map(Fun::Sin)
    }
    pub fn cos(self) -> Self {
        self.map(Fun::Cos)
    }
    /// The largest whole number that is no larger.
    pub fn floor(self) -> Self {
        self.map(Fun::Floor)
    }
    /// `yes` where the number is not 0, else `no`.
    pub fn choose(self, yes: Self, no: Self) -> Self {
        self.b.map(Fun::Where, &[self, yes, no])
    }

    /// `x W`: `w[i, o]`, or head by head `w[h, i, o]` for `x[h, i]`.
    pub fn linear(self, w: Self) -> Self {
        self.linear_by(w, false)
    }

    pub(crate) fn linear_by(self, w: Self, transposed: bool) -> Self {
        let value = self.b.value(self.id);
        if let Op::Gather { x, index } = value.op
            && index != Index::All
        {
            return self.b.at(x).linear_by(w, transposed).gather_to(index, value.space);
        }
        let (mut axes, shape) = (value.axes, w.axes());
        let (n_in, n_out) = if transposed {
            (&shape[shape.len() - 1], &shape[shape.len() - 2])
        } else {
            (&shape[shape.len() - 2], &shape[shape.len() - 1])
        };
        let last = axes.len() - 1;
        assert!(same(&axes[last], n_in), "{} features for a weight of {n_in}", axes[last]);
        axes[last] = n_out.clone();
        self.b.push(Op::Linear { x: self.id, w: w.id, transposed }, value.space, axes)
    }

    /// `x W_t` with the matrix of each edge's kind `t`: `w[t, i, o]`.
    pub fn typed_linear(self, w: Self) -> Self {
        self.typed_by(w, None, false)
    }

    /// `x W_t` with the matrix of each row's kind `t`, a number of a value of the same rows: `w[t, i, o]`.
    pub fn typed_linear_of(self, kind: Self, w: Self) -> Self {
        self.typed_by(w, Some(kind), false)
    }

    pub(crate) fn typed_by(self, w: Self, kind: Option<Self>, transposed: bool) -> Self {
        let (mut axes, shape) = (self.axes(), w.axes());
        let out = if transposed { &shape[1] } else { &shape[2] };
        let last = axes.len() - 1;
        axes[last] = out.clone();
        let space = match kind {
            Some(kind) => kind.space(),
            None if self.space() == Space::Queries => Space::Queries,
            None => Space::Edges,
        };
        assert!(kind.is_none() || self.space() == space, "kinds of other rows");
        let kind = kind.map(|kind| kind.id);
        self.b.push(Op::Typed { x: self.id, w: w.id, kind, transposed }, space, axes)
    }

    /// Row by row `self[p, q] · other[q, r]`.
    pub fn contract(self, other: Self) -> Self {
        self.contract_by(other, [false, false])
    }

    pub(crate) fn contract_by(self, other: Self, transposed: [bool; 2]) -> Self {
        let turn = |axes: Vec<Size>, is_turned: bool| {
            let [p, q] = [axes[0].clone(), axes[1].clone()];
            if is_turned { [q, p] } else { [p, q] }
        };
        let [p, inner] = turn(self.axes(), transposed[0]);
        let [also, r] = turn(other.axes(), transposed[1]);
        assert!(same(&inner, &also), "a product over {inner} and {also}");
        let space = self.space().max(other.space());
        self.b.push(Op::Contract { a: self.id, b: other.id, transposed }, space, vec![p, r])
    }

    /// `Σ self · other` over the last axis, which goes.
    pub fn dot(self, other: Self) -> Self {
        let product = self * other;
        let axis = product.axes().len() - 1;
        product.fold_sum(axis)
    }

    pub fn fold_sum(self, axis: usize) -> Self {
        self.fold(Reduce::Sum, axis)
    }
    pub fn fold_max(self, axis: usize) -> Self {
        self.fold(Reduce::Max, axis)
    }
    pub fn fold_mul(self, axis: usize) -> Self {
        self.fold(Reduce::Mul, axis)
    }
    pub fn fold_mean(self, axis: usize) -> Self {
        let n = self.axes()[axis].known();
        self.fold_sum(axis).scale(1.0 / n.unwrap_or(1) as f64)
    }

    pub(crate) fn fold(self, how: Reduce, axis: usize) -> Self {
        let value = self.b.value(self.id);
        if let Op::Gather { x, index } = value.op
            && index != Index::All
        {
            return self.b.at(x).fold(how, axis).gather_to(index, value.space);
        }
        let mut axes = value.axes;
        if is_one(&axes[axis]) {
            axes.remove(axis);
            return self.view(&axes);
        }
        axes.remove(axis);
        self.b.push(Op::Fold { how, x: self.id, axis }, value.space, axes)
    }

    /// The same numbers under other axes.
    pub fn view(self, axes: &[Size]) -> Self {
        let value = self.b.value(self.id);
        if value.axes.len() == axes.len() && value.axes.iter().zip(axes).all(|(a, b)| same(a, b)) {
            return self;
        }
        let (whole, wanted) = (value.width(), Size::product(axes.iter().cloned()));
        assert!(
            same(&whole, &wanted) || whole.known().is_none() || wanted.known().is_none(),
            "{whole} numbers seen as {wanted}"
        );
        match value.op {
            Op::View(x) => return self.b.at(x).view(axes),
            Op::Gather { x, index } if index != Index::All => {
                return self.b.at(x).view(axes).gather_to(index, value.space);
            }
            _ => {}
        }
        self.b.push(Op::View(self.id), value.space, axes.to_vec())
    }

    /// `[.., h · d]` as `[h, d]`, with `d` given.
    pub fn heads(self, n: usize, each: &Size) -> Self {
        self.view(&[Size::Known(n), each.clone()])
    }

    /// All axes as one.
    pub fn flat(self) -> Self {
        let width = self.b.value(self.id).width();
        self.view(&[width])
    }

    /// With one more axis of 1 at the end, so that it is repeated along another's last.
    pub fn column(self) -> Self {
        let mut axes = self.axes();
        axes.push(Size::Known(1));
        self.view(&axes)
    }

    /// `len` places of an axis from `start` on.
    pub fn slice(self, axis: usize, start: Size, len: Size) -> Self {
        let value = self.b.value(self.id);
        if start.known() == Some(0) && same(&value.axes[axis], &len) {
            return self;
        }
        let mut axes = value.axes;
        axes[axis] = len;
        self.b.push(Op::Slice { x: self.id, axis, start }, value.space, axes)
    }

    /// Zeros around, so that [`V::slice`] gives it back: the axis becomes `len` long.
    pub(crate) fn pad(self, axis: usize, start: Size, len: Size) -> Self {
        let value = self.b.value(self.id);
        let mut axes = value.axes;
        axes[axis] = len;
        self.b.push(Op::Pad { x: self.id, axis, start }, value.space, axes)
    }

    /// Repeated along axes of 1 and missing ones.
    pub fn expand(self, axes: &[Size]) -> Self {
        let value = self.b.value(self.id);
        if value.axes.len() == axes.len() && value.axes.iter().zip(axes).all(|(a, b)| same(a, b)) {
            return self;
        }
        broadcast(&[value.axes, axes.to_vec()]);
        self.b.push(Op::Expand(self.id), value.space, axes.to_vec())
    }

    /// Read along a map: a value for each row of the space that the map comes from.
    pub fn gather(self, index: Index) -> Self {
        assert_eq!(self.space(), index.to(), "what {index:?} leads to");
        let from = match index {
            Index::Target | Index::Source => Space::Edges,
            Index::Graph => Space::Rows,
            Index::All => panic!("a value of one row is repeated by itself"),
        };
        self.b.push(Op::Gather { x: self.id, index }, from, self.axes())
    }

    /// [`V::gather`] to the space of a value that was gathered before: edges, or queries.
    fn gather_to(self, index: Index, space: Space) -> Self {
        match space {
            Space::Queries => self.b.push(Op::Gather { x: self.id, index }, space, self.axes()),
            _ => self.gather(index),
        }
    }

    /// Gathered as often as it takes to have a value for each row of `space`; the target's for edges.
    pub fn in_space(self, space: Space) -> Self {
        let mut v = self;
        while v.space() != space {
            v = match v.space() {
                Space::One => return v.b.push(Op::Expand(v.id), space, v.axes()),
                Space::Graphs => v.gather(Index::Graph),
                Space::Rows => v.gather(v.b.to()),
                Space::Kept | Space::Edges | Space::Queries => panic!("such a value has no other space"),
            };
        }
        v
    }

    /// `Σ` over the rows that lead to one.
    pub fn sum(self, index: Index) -> Self {
        self.reduce(Reduce::Sum, index)
    }
    /// The largest of the rows that lead to one; 0 where there are none.
    pub fn largest(self, index: Index) -> Self {
        self.reduce(Reduce::Max, index)
    }
    /// The product of the rows that lead to one; 1 where there are none.
    pub fn product(self, index: Index) -> Self {
        self.reduce(Reduce::Mul, index)
    }
    /// `Σ / n`; 0 where there are none.
    pub fn mean(self, index: Index) -> Self {
        let n = self.b.count(index).at_least(1.0);
        self.sum(index).div_rows(n)
    }

    pub(crate) fn reduce(self, how: Reduce, index: Index) -> Self {
        let value = self.b.value(self.id);
        if index == Index::Graph && value.space == Space::Edges {
            return self.reduce(how, self.b.to()).reduce(how, Index::Graph);
        }
        assert!(index.is_from(value.space), "{:?} has no map {index:?}", value.space);
        if let (Reduce::Sum, Op::Map(f, args)) = (how, &value.op)
            && index != Index::All
        {
            match (f, args.as_slice()) {
                (Fun::Neg | Fun::Scale(_), &[x]) => {
                    return self.b.map(*f, &[self.b.at(x).reduce(how, index)]);
                }
                (Fun::Mul, _) => {
                    if let Some((kept, factor)) = self.b.without_factor(self.id, index) {
                        // A factor may be infinite where nothing is summed, as 1 over a degree of 0 is.
                        let n = self.b.count(index).ones_like_rank(factor.axes().len());
                        let factor = n.choose(factor, self.b.constant(0.0));
                        return kept.reduce(how, index) * factor;
                    }
                }
                _ => {}
            }
        }
        if let (Reduce::Sum, Index::Target | Index::Source, Some(sum)) =
            (how, index, self.sum_of_matrices(index))
        {
            return sum;
        }
        self.b.push(Op::Reduce { how, x: self.id, index }, index.to(), value.axes)
    }

    /// `Σ_e a_e M_e` of row vectors `a_e` and matrices that are linear in an `h_e`: what is summed is `h_e ⊗ a_e`, and the
    /// product is taken of the sum, so that no edge has a matrix.
    fn sum_of_matrices(self, index: Index) -> Option<Self> {
        let b = self.b;
        let value = b.value(self.id);
        let product = match value.op {
            Op::View(inner) => b.value(inner),
            _ => value.clone(),
        };
        let Op::Contract { a, b: matrix, transposed: [false, false] } = product.op else { return None };
        let (a, matrix) = (b.at(a), b.value(matrix));
        let (Op::View(inner), Space::Edges) = (matrix.op, matrix.space) else { return None };
        let inner = b.value(inner);
        let (linear, bias) = match inner.op {
            Op::Map(Fun::Add, args) if b.at(args[1]).space() == Space::One => {
                (b.value(args[0]).op, Some(b.at(args[1])))
            }
            op => (op, None),
        };
        let Op::Linear { x: h, w, transposed: false } = linear else { return None };
        let (h, w) = (b.at(h), b.at(w));
        let ([p, q], [_]) = (&matrix.axes[..], &h.axes()[..]) else { return None };
        if !is_one(&a.axes()[0]) || a.space() != Space::Edges || w.axes().len() != 2 {
            return None;
        }
        let whole = (h.column() * a).sum(index).flat();
        let sum = whole.linear(w.view(&[whole.width(), q.clone()]));
        let sum = match bias {
            Some(bias) => sum + a.sum(index).flat().linear(bias.view(&[p.clone(), q.clone()])),
            None => sum,
        };
        Some(sum.view(&value.axes))
    }

    /// `Σ` over the edges of the same kind that lead to the same row, for each of them.
    pub fn sum_alike(self) -> Self {
        self.alike(Reduce::Sum)
    }
    /// The largest over the edges of the same kind that lead to the same row, for each of them.
    pub fn largest_alike(self) -> Self {
        self.alike(Reduce::Max)
    }

    /// Softmax over the edges of the same kind that lead to the same row, column by column.
    pub fn softmax_alike(self) -> Self {
        let e = (self - self.largest_alike().stop()).exp();
        e * e.sum_alike().reciprocal()
    }

    /// The product over the edges of the same kind that lead to the same row, for each of them.
    pub fn product_alike(self) -> Self {
        self.alike(Reduce::Mul)
    }

    pub(crate) fn alike(self, how: Reduce) -> Self {
        assert_eq!(self.space(), Space::Edges, "only edges have kinds");
        assert!(!self.b.is_against.get(), "kinds are told apart among the edges that lead to a row");
        self.b.push(Op::Alike { how, x: self.id }, Space::Edges, self.axes())
    }

    /// For each number, how many of those beside it are smaller: of the rows of its graph, of the edges to its target, or of
    /// all. No gradient passes.
    pub fn below(self, index: Index) -> Self {
        assert!(
            index.is_from(self.space()) && index != Index::Source,
            "{:?} is not sorted by {index:?}",
            self.space()
        );
        self.b.push(Op::Below { x: self.id, index }, self.space(), self.axes())
    }

    /// Divided by a number for each row.
    pub fn div_rows(self, by: Self) -> Self {
        self * by.reciprocal().ones_like_rank(self.axes().len())
    }

    /// Multiplied by a number for each row.
    pub fn mul_rows(self, by: Self) -> Self {
        self * by.ones_like_rank(self.axes().len())
    }

    /// A number a row under `rank` axes of 1.
    fn ones_like_rank(self, rank: usize) -> Self {
        if self.axes().is_empty() { self.view(&vec![Size::Known(1); rank]) } else { self }
    }

    /// `Σ self otherᵀ` over the rows that lead to one.
    pub fn outer(self, other: Self, index: Index) -> Self {
        let mut axes = self.axes();
        axes.push(other.width());
        self.b.push(Op::Outer { a: self.id, b: other.id, index }, index.to(), axes)
    }

    pub(crate) fn outer_of_kinds(self, other: Self, kind: Option<Id>, n_kinds: Size) -> Self {
        let axes = vec![n_kinds, self.width(), other.width()];
        self.b.push(Op::OuterOfKinds { a: self.id, b: other.id, kind }, Space::One, axes)
    }

    /// `self[p]` times the matrix `y[p, q]` of its graph.
    pub fn apply(self, y: Self, index: Index) -> Self {
        self.apply_by(y, index, false)
    }

    /// `self[q]` times the transpose of the matrix `y[p, q]` of its graph.
    pub fn apply_transposed(self, y: Self, index: Index) -> Self {
        self.apply_by(y, index, true)
    }

    pub(crate) fn apply_by(self, y: Self, index: Index, transposed: bool) -> Self {
        let shape = y.axes();
        let out = if transposed { &shape[0] } else { &shape[1] };
        let axes = vec![out.clone()];
        self.b.push(Op::Apply { a: self.id, y: y.id, index, transposed }, self.space(), axes)
    }

    /// Softmax over the rows that lead to one, column by column.
    pub fn softmax(self, index: Index) -> Self {
        self.softmax_where(index, None)
    }

    /// Softmax over those rows where `mask` is not 0; 0 elsewhere.
    fn softmax_where(self, index: Index, mask: Option<Self>) -> Self {
        let b = self.b;
        let scores = match mask {
            Some(mask) => mask.choose(self, b.constant(LOWEST)),
            None => self,
        };
        let largest = scores.largest(index).stop();
        let e = (scores - largest.in_space_of(scores, index)).exp();
        let e = mask.map_or(e, |mask| mask.choose(e, b.constant(0.0)));
        // Rows without a term have no one to read the quotient.
        let total = e.sum(index).at_least(1e-30);
        e * total.reciprocal().in_space_of(e, index)
    }

    /// Attention of the rows of a graph to each other: queries, keys and values, each `width` wide, beside each other. Places
    /// tell the random numbers of one program apart.
    pub fn self_attention(self, width: &Size, heads: usize, dropout: f64, place: usize) -> Self {
        self.b.call(Composite::SelfAttention { width: width.clone(), heads, dropout, place }, &[self])
    }

    /// Softmax over the last axis.
    pub fn softmax_columns(self) -> Self {
        let axis = self.axes().len() - 1;
        let e = (self - self.fold_max(axis).column().stop()).exp();
        e * e.fold_sum(axis).column().reciprocal()
    }

    fn in_space_of(self, other: Self, index: Index) -> Self {
        if index == Index::Graph && other.space() == Space::Edges {
            return self.gather(Index::Graph).gather(self.b.to());
        }
        if index == Index::All { self } else { self.gather(index) }
    }

    /// Numbers of mean 0 and variance 1 beside these, drawn in training; else zeros.
    pub fn noise(self) -> Self {
        let site = self.b.site();
        self.b.push(Op::Noise { site }, self.space(), self.axes())
    }

    /// In training each number is 0 with the probability `p`, else divided by `1 − p`; nothing for `p = 0`.
    pub fn dropout(self, p: f64) -> Self {
        if p == 0.0 {
            return self;
        }
        let site = self.b.site();
        self * self.b.push(Op::Random { site, p }, self.space(), self.axes())
    }
}

impl<'b> V<'b> {
    /// [`V::dropout`] of whole columns: of `[p, F]` all places of a column, one draw for each column and row.
    pub fn dropout_columns(self, p: f64) -> Self {
        if p == 0.0 {
            return self;
        }
        let (site, one) = (self.b.site(), [Size::Known(1), self.width()]);
        self * self.b.push(Op::Random { site, p }, self.space(), one.to_vec())
    }
}

impl<'b> Edges<'b> {
    /// What the source row of each edge has.
    pub fn source(self, x: V<'b>) -> V<'b> {
        x.gather(self.from())
    }
    /// What the target row of each edge has.
    pub fn target(self, x: V<'b>) -> V<'b> {
        x.gather(self.to())
    }
    /// What the source row of each query has: of all edges with one source and one kind once.
    pub fn queried(self, x: V<'b>) -> V<'b> {
        assert!(!self.b.is_against.get(), "queries begin at sources");
        self.b.push(Op::Gather { x: x.id, index: Index::Source }, Space::Queries, x.axes())
    }
    /// The product of each edge's query with what its target has: `[E, 1]` of `phi [F]` of the queries and `x [F]` of the rows.
    pub fn answers(self, phi: V<'b>, x: V<'b>) -> V<'b> {
        assert_eq!(
            (phi.space(), x.space()),
            (Space::Queries, Space::Rows),
            "a query and rows that answer it"
        );
        self.b.call(Composite::Answers, &[phi, x])
    }
    /// What each edge counts, `[E, 1]`; `None` where each counts 1.
    pub fn weight(self) -> Option<V<'b>> {
        self.weight
    }

    /// The same edges, of which those from a row to itself count 0.
    #[must_use]
    pub fn without_loops(self) -> Self {
        let is_other = self.b.push(Op::IsLoop, Space::Edges, vec![Size::Known(1)]).scale(-1.0).offset(1.0);
        let weight = match self.weight {
            Some(weight) => weight * is_other,
            None => is_other,
        };
        Edges { weight: Some(weight), ..self }
    }

    /// `Σ` over the edges from a row to itself; 0 where there is none.
    pub fn sum_of_loops(self, message: V<'b>) -> V<'b> {
        let rank = message.axes().len();
        let is_loop = self.b.push(Op::IsLoop, Space::Edges, vec![Size::Known(1)]);
        self.weighted(message * is_loop.view(&vec![Size::Known(1); rank])).sum(self.to())
    }

    /// Softmax over the edges of each row and one more term, the row's own: the shares of the edges, and of the row.
    pub fn softmax_beside(self, score: V<'b>, own: V<'b>) -> (V<'b>, V<'b>) {
        let lowest = self.b.constant(LOWEST);
        let counted = match self.mask(score) {
            Some(mask) => mask.choose(score, lowest),
            None => score,
        };
        // The largest of no edges is 0, which may be far above the row's own score.
        let n = self.b.count(self.to()).ones_like_rank(own.axes().len());
        let largest = n.choose(counted.largest(self.to()), lowest).max(own).stop();
        let e = (counted - largest.gather(self.to())).exp();
        let e = match self.mask(score) {
            Some(mask) => mask.choose(e, self.b.constant(0.0)),
            None => e,
        };
        let e_own = (own - largest).exp();
        let share = (e.sum(self.to()) + e_own).reciprocal();
        (e * share.gather(self.to()), e_own * share)
    }

    /// `Σ_j m_ij` of messages that are weighed by shares already: what edges count is in the shares as far as it
    /// matters, since those that count 0 have none.
    pub fn sum_of_shares(self, message: V<'b>) -> V<'b> {
        message.sum(self.to())
    }

    /// The map to the row that gathers along an edge.
    pub fn to(self) -> Index {
        self.b.to()
    }
    /// The map to the row that an edge comes from.
    pub fn from(self) -> Index {
        if self.b.is_against.get() { Index::Target } else { Index::Source }
    }

    /// A composite over these edges: what clusters are joined by comes last. Its kernels go along the edges.
    fn call(self, what: Composite, args: &[V<'b>]) -> V<'b> {
        let args: Vec<V> = args.iter().copied().chain(self.weight).collect();
        if let (true, Some(x)) = (self.b.is_against.get(), what.expand(&args)) {
            return x;
        }
        self.b.call(what, &args)
    }
    /// `P x`
    pub fn propagate(self, x: V<'b>, norm: Norm) -> V<'b> {
        self.call(Composite::Propagate(norm), &[x])
    }
    /// `max_{j→i} x_j`; 0 where nothing comes in.
    pub fn propagate_max(self, x: V<'b>) -> V<'b> {
        self.call(Composite::PropagateMax, &[x])
    }
    /// The last state of an LSTM that reads what comes in, in its order: `w [2F, 4F]`, `bias [4F]`.
    pub fn propagate_lstm(self, x: V<'b>, w: V<'b>, bias: V<'b>) -> V<'b> {
        self.call(Composite::PropagateLstm, &[x, w, bias])
    }
    /// `[P x | x] w + bias`, without a root `P x w + bias`.
    pub fn convolve(self, x: V<'b>, norm: Norm, has_root: bool, w: V<'b>, bias: Option<V<'b>>) -> V<'b> {
        let args: Vec<V> = [x, w].into_iter().chain(bias).collect();
        self.call(Composite::Convolve { norm, has_root, has_bias: bias.is_some() }, &args)
    }
    /// Attention over the edges of each row: `h [heads · d]`, `source` and `target` `[heads, d]`.
    pub fn attend(self, h: V<'b>, [source, target]: [V<'b>; 2], options: Attention) -> V<'b> {
        self.call(Composite::Attend(options), &[h, source, target])
    }
    /// `Sᵀ A S` of each graph.
    pub fn coarse_adjacency(self, s: V<'b>) -> V<'b> {
        self.call(Composite::CoarseAdjacency, &[s])
    }
    /// `‖A − S Sᵀ‖_F / n²` of each graph.
    pub fn link_loss(self, s: V<'b>) -> V<'b> {
        self.call(Composite::LinkLoss, &[s])
    }

    /// Not 0 for edges that count, beside a value of edges.
    fn mask(self, beside: V<'b>) -> Option<V<'b>> {
        let rank = beside.axes().len();
        self.weight.map(|weight| weight.stop().view(&vec![Size::Known(1); rank]))
    }

    fn weighted(self, message: V<'b>) -> V<'b> {
        match self.weight {
            Some(weight) => {
                let rank = message.axes().len();
                message * weight.view(&vec![Size::Known(1); rank])
            }
            None => message,
        }
    }

    /// `Σ_j A_ij m_ij` over the edges of each row.
    pub fn sum(self, message: V<'b>) -> V<'b> {
        self.weighted(message).sum(self.to())
    }
    /// The sum over the number of edges, or over their total weight, which counts as 1 at least.
    pub fn mean(self, message: V<'b>) -> V<'b> {
        self.sum(message).div_rows(self.degree().at_least(1.0))
    }
    /// The largest over the edges of each row; 0 where there are none. Edges that count 0 are none.
    pub fn largest(self, message: V<'b>) -> V<'b> {
        match self.mask(message) {
            Some(mask) => {
                let rank = message.axes().len();
                let low = mask.choose(message, self.b.constant(LOWEST));
                let found =
                    mask.view(&vec![Size::Known(1); rank]).map(Fun::Abs).above(0.0).largest(self.to());
                found.choose(low.largest(self.to()), self.b.constant(0.0))
            }
            None => message.largest(self.to()),
        }
    }
    pub fn smallest(self, message: V<'b>) -> V<'b> {
        -self.largest(-message)
    }
    /// The product over the edges of each row; 1 where there are none. Edges that count 0 are none.
    pub fn product(self, message: V<'b>) -> V<'b> {
        match self.mask(message) {
            Some(mask) => mask.choose(message, self.b.constant(1.0)).product(self.to()),
            None => message.product(self.to()),
        }
    }
    /// For each edge, how many others of its row have a smaller number; those that count 0 are none of them.
    pub fn below(self, message: V<'b>) -> V<'b> {
        match self.mask(message) {
            Some(mask) => mask.choose(message, self.b.constant(-LOWEST)).below(Index::Target),
            None => message.below(Index::Target),
        }
    }
    /// How many edges each row has that do not count 0: `[N]`.
    pub fn count(self) -> V<'b> {
        match self.weight {
            Some(weight) => weight.stop().abs().above(0.0).view(&[]).sum(Index::Target),
            None => self.b.count(Index::Target),
        }
    }
    /// The sum over the edges of each row that do not count 0, whatever they count.
    pub fn sum_of_counted(self, message: V<'b>) -> V<'b> {
        match self.mask(message) {
            Some(mask) => mask.choose(message, self.b.constant(0.0)).sum(Index::Target),
            None => message.sum(Index::Target),
        }
    }
    /// Softmax over the edges of each row; 0 for edges that count 0.
    pub fn softmax(self, score: V<'b>) -> V<'b> {
        score.softmax_where(self.to(), self.mask(score))
    }
    /// Of each edge, how many of its kind lead to its row, itself included: `[E]`.
    pub fn count_alike(self) -> V<'b> {
        self.b.constant(1.0).in_space(Space::Edges).sum_alike()
    }
    /// How many edges each row gathers along, or their total weight: `[N]`.
    pub fn degree(self) -> V<'b> {
        match self.weight {
            Some(weight) => weight.view(&[]).sum(self.to()),
            None => self.b.count(self.to()),
        }
    }
}

impl<'b> Add for V<'b> {
    type Output = V<'b>;
    fn add(self, other: Self) -> Self {
        self.b.map(Fun::Add, &[self, other])
    }
}
impl<'b> Sub for V<'b> {
    type Output = V<'b>;
    fn sub(self, other: Self) -> Self {
        self.b.map(Fun::Sub, &[self, other])
    }
}
impl<'b> Mul for V<'b> {
    type Output = V<'b>;
    fn mul(self, other: Self) -> Self {
        self.b.map(Fun::Mul, &[self, other])
    }
}
impl<'b> Div for V<'b> {
    type Output = V<'b>;
    fn div(self, other: Self) -> Self {
        self.b.map(Fun::Div, &[self, other])
    }
}
impl<'b> Neg for V<'b> {
    type Output = V<'b>;
    fn neg(self) -> Self {
        self.b.map(Fun::Neg, &[self])
    }
}
