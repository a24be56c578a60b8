//! Parts of a program that come to the same as a composite, as that composite.
//!
//! A composite has a kernel that gathers, multiplies and adds in one pass, and keeps nothing in between. Operators name
//! the ones they mean; a formula of a file cannot. Rules look at how values are made, never at sizes: first at what is
//! gathered, then at what is multiplied with it.

use super::build::{Build, V, same};
use super::composite::{Composite, Norm};
use super::{Fun, Id, Index, Op, Program, Reduce, Space, Value};
use crate::types::Size;

/// What stands under the root of a degree, whose slope at 0 would be infinite: less than any degree.
const LEAST: f64 = 1e-30;

/// The program with composites, and by value of the old one the value of the new one that it is. Its edges count 1 each;
/// `has_loops`: some may lead from a row to itself.
pub fn recognised(program: &Program, has_loops: bool) -> (Program, Vec<Id>) {
    let (gathered, first) = sweep(program, Rules::Gathers { has_loops });
    let (multiplied, second) = sweep(&gathered, Rules::Products);
    (multiplied, first.iter().map(|id| second[id.index()]).collect())
}

/// What is looked for.
#[derive(Clone, Copy)]
enum Rules {
    Gathers { has_loops: bool },
    Products,
}

/// The program with what the rules make of its values.
fn sweep(program: &Program, rules: Rules) -> (Program, Vec<Id>) {
    let b = Build::new();
    for spec in &program.weights {
        b.any_weight(spec.clone());
    }
    let is_live = program.live(program.outputs.iter().copied());
    let mut n_readers = vec![0; program.values.len()];
    for (value, _) in program.values.iter().zip(&is_live).filter(|(_, is_live)| **is_live) {
        value.op.args().iter().for_each(|arg| n_readers[arg.index()] += 1);
    }
    program.outputs.iter().for_each(|output| n_readers[output.index()] += 1);
    let mut finder = Finder { program, b: &b, n_readers, of: Vec::with_capacity(program.values.len()) };
    for (value, is_live) in program.values.iter().zip(is_live) {
        let found = match rules {
            _ if !is_live => None,
            Rules::Gathers { has_loops } => finder.of_gathers(value, has_loops),
            Rules::Products => finder.of_products(value),
        };
        let made = found.unwrap_or_else(|| match &value.op {
            Op::Input(port) => b.input(*port, value.space, &value.axes),
            op => b.push(op.with_args(|arg| finder.of[arg.index()].id), value.space, value.axes.clone()),
        });
        finder.of.push(made);
    }
    let outputs: Vec<V> = program.outputs.iter().map(|output| finder.of[output.index()]).collect();
    (b.finish(&outputs), finder.of.iter().map(|v| v.id).collect())
}

/// `x s` of rows and a number a row.
#[derive(Clone, Copy)]
struct Scaled {
    x: Id,
    s: Id,
}

/// What is counted for a row.
#[derive(Clone, Copy, PartialEq)]
enum Degree {
    /// The edges that lead to it.
    Plain,
    /// These and its own.
    AndOwn,
    /// The edges that lead to it from others, and its own.
    OfOthersAndOwn,
}

struct Finder<'a, 'b> {
    /// The old program.
    program: &'a Program,
    b: &'b Build,
    /// By value of the old program.
    n_readers: Vec<usize>,
    /// By value of the old program: of the new one.
    of: Vec<V<'b>>,
}

/// The rule for two operands in either order.
fn either<T>(args: &[Id], rule: impl Fn(Id, Id) -> Option<T>) -> Option<T> {
    let &[a, b] = args else { return None };
    rule(a, b).or_else(|| rule(b, a))
}

impl<'b> Finder<'_, 'b> {
    fn old(&self, id: Id) -> &Value {
        self.program.value(id)
    }

    /// What the old value became.
    fn now(&self, id: Id) -> V<'b> {
        self.of[id.index()]
    }

    /// Whether an old value is read once, so that it need not be there for itself.
    fn is_read_once(&self, id: Id) -> bool {
        self.n_readers[id.index()] == 1
    }

    /// The composite that an old value became, with its arguments, where it is read once.
    fn call(&self, id: Id) -> Option<(Composite, Vec<V<'b>>)> {
        match self.b.value(self.now(id).id).op {
            Op::Call { what, args, then: None } if self.is_read_once(id) => {
                Some((what, args.into_iter().map(|arg| self.b.at(arg)).collect()))
            }
            _ => None,
        }
    }

    /// `x` of the `Σ x_j` that an old value became, where it is read once.
    fn summed(&self, id: Id) -> Option<V<'b>> {
        match self.call(id)? {
            (Composite::Propagate(Norm::Sum), args) => Some(args[0]),
            _ => None,
        }
    }

    fn of_gathers(&self, value: &Value, has_loops: bool) -> Option<V<'b>> {
        match &value.op {
            Op::Reduce { how, x, index: Index::Target } => self.gathered(*how, *x),
            Op::Map(Fun::Mul, args) => either(args, |sum, factor| self.weighed(sum, factor)),
            Op::Map(Fun::Add, args) => either(args, |sum, own| {
                self.with_own(sum, own).or_else(|| self.with_loops(sum, own, has_loops))
            }),
            Op::Fold { how: Reduce::Sum, x, axis } => self.scored(*x, *axis),
            _ => None,
        }
    }

    fn of_products(&self, value: &Value) -> Option<V<'b>> {
        match &value.op {
            Op::Linear { x, w, transposed: false } => {
                self.mapped_after(*x, *w).or_else(|| self.mapped_beside(*x, *w))
            }
            Op::Call { what: Composite::Propagate(norm), args, then: None } => {
                self.mapped_before(*norm, args[0])
            }
            Op::Map(Fun::Add, args) => {
                either(args, |of, other| self.with_root(of, other).or_else(|| self.with_bias(of, other)))
            }
            Op::Map(f, args) if f.is_activation() => {
                let (what, inner) = self.call(args[0])?;
                what.takes_function().then(|| self.b.map(*f, &[self.b.call(what, &inner)]))
            }
            _ => None,
        }
    }

    /// What the neighbours have, summed or the largest of it.
    fn gathered(&self, how: Reduce, x: Id) -> Option<V<'b>> {
        let message = self.old(x);
        let Op::Gather { x, index: Index::Source } = message.op else { return None };
        let what = match how {
            Reduce::Sum => Composite::Propagate(Norm::Sum),
            Reduce::Max => Composite::PropagateMax,
            Reduce::Mul => return None,
        };
        (message.axes.len() == 1).then(|| self.b.call(what, &[self.now(x)]))
    }

    /// `Σ x_j` times a number a row: the mean of the neighbours, or their sum by the degrees of both ends.
    fn weighed(&self, sum: Id, factor: Id) -> Option<V<'b>> {
        let x = self.summed(sum)?;
        if self.is_inverse_degree(factor) {
            return Some(self.b.call(Composite::Propagate(Norm::Mean), &[x]));
        }
        let Scaled { x, s } = self.scaled_alike(self.gathered_in(sum)?, factor)?;
        let norm = Norm::Gcn { self_loops: false };
        self.is_inverse_root(s, Degree::Plain)
            .then(|| self.b.call(Composite::Propagate(norm), &[self.now(x)]))
    }

    /// `c x + Σ x_j`
    fn with_own(&self, sum: Id, own: Id) -> Option<V<'b>> {
        let x = self.summed(sum)?;
        let is_x = |id: Id| self.now(id).id == x.id;
        let eps = match &self.old(own).op {
            _ if is_x(own) => 0.0,
            Op::Map(Fun::Scale(factor), args) if is_x(args[0]) => factor - 1.0,
            _ => return None,
        };
        Some(self.b.call(Composite::Propagate(Norm::SelfPlus { eps }), &[x]))
    }

    /// `s_i Σ s_j x_j + s_i² x_i` with `s` the inverse root of the degree that counts the row itself.
    fn with_loops(&self, sum: Id, own: Id, has_loops: bool) -> Option<V<'b>> {
        let (Op::Map(Fun::Mul, outer), Op::Map(Fun::Mul, inner)) = (&self.old(sum).op, &self.old(own).op)
        else {
            return None;
        };
        if !self.is_read_once(sum) || !self.is_read_once(own) {
            return None;
        }
        either(outer, |sum, factor| {
            let (scaled, degree) = match self.gathered_from_others(sum) {
                Some(scaled) => (scaled, Degree::OfOthersAndOwn),
                // The composite leaves loops of the data out, where this sum takes them.
                None if has_loops => return None,
                None => (self.summed(sum).and_then(|_| self.gathered_in(sum))?, Degree::AndOwn),
            };
            let Scaled { x, s } = self.scaled_alike(scaled, factor)?;
            let is_own = inner[..] == [scaled, s] || inner[..] == [s, scaled];
            let norm = Norm::Gcn { self_loops: true };
            (is_own && self.is_inverse_root(s, degree))
                .then(|| self.b.call(Composite::Propagate(norm), &[self.now(x)]))
        })
    }

    /// 1 for an edge from another row, else 0: the edges of a graph that may have loops, without them.
    fn is_of_others(&self, id: Id) -> bool {
        let Op::Map(Fun::Offset(1.0), turned) = &self.old(self.program.source(id)).op else { return false };
        let Op::Map(Fun::Scale(-1.0), is_loop) = &self.old(turned[0]).op else { return false };
        matches!(self.old(is_loop[0]).op, Op::IsLoop)
    }

    /// What an old sum over the edges from other rows gathers from their sources, where it is read once.
    fn gathered_from_others(&self, sum: Id) -> Option<Id> {
        let Op::Reduce { how: Reduce::Sum, x, index: Index::Target } = self.old(sum).op else { return None };
        let Op::Map(Fun::Mul, args) = &self.old(x).op else { return None };
        if !self.is_read_once(sum) || !self.is_read_once(x) {
            return None;
        }
        either(args, |gathered, is_other| match self.old(gathered).op {
            Op::Gather { x, index: Index::Source } if self.is_of_others(is_other) => Some(x),
            _ => None,
        })
    }

    /// What an old sum over edges gathers from their sources.
    fn gathered_in(&self, sum: Id) -> Option<Id> {
        let Op::Reduce { x, .. } = self.old(sum).op else { return None };
        match self.old(x).op {
            Op::Gather { x, index: Index::Source } => Some(x),
            _ => None,
        }
    }

    /// `x s` of the old value, where the sum is multiplied by `s` again, or by `s` where anything is summed.
    fn scaled_alike(&self, scaled: Id, factor: Id) -> Option<Scaled> {
        let Op::Map(Fun::Mul, args) = &self.old(scaled).op else { return None };
        let factor = match self.old(factor).op {
            Op::Map(Fun::Where, ref args) if self.is_count(args[0]) && self.is_constant(args[2], 0.0) => {
                args[1]
            }
            _ => factor,
        };
        either(args, |x, s| (s == factor).then_some(Scaled { x, s }))
    }

    fn is_constant(&self, id: Id, number: f64) -> bool {
        matches!(self.old(self.program.source(id)).op, Op::Constant(c) if c == number)
    }

    fn is_count(&self, id: Id) -> bool {
        matches!(self.old(self.program.source(id)).op, Op::Count(Index::Target))
    }

    fn is_degree(&self, id: Id, degree: Degree) -> bool {
        let value = self.old(self.program.source(id));
        match (degree, &value.op) {
            (Degree::Plain, _) => self.is_count(id),
            (Degree::AndOwn, Op::Map(Fun::Offset(1.0), args)) => self.is_count(args[0]),
            (Degree::OfOthersAndOwn, Op::Map(Fun::Offset(1.0), args)) => {
                let sum = &self.old(self.program.source(args[0])).op;
                matches!(sum, Op::Reduce { how: Reduce::Sum, x, index: Index::Target } if self.is_of_others(*x))
            }
            _ => false,
        }
    }

    /// `1 / max(d, 1)`
    fn is_inverse_degree(&self, id: Id) -> bool {
        let Op::Map(Fun::Reciprocal, inner) = &self.old(self.program.source(id)).op else { return false };
        let inner = &self.old(self.program.source(inner[0])).op;
        matches!(inner, Op::Map(Fun::AtLeast(1.0), args) if self.is_count(args[0]))
    }

    /// `1 / √d`, and 0 for a degree of 0.
    fn is_inverse_root(&self, id: Id, of: Degree) -> bool {
        let root_of = |id: Id| {
            let Op::Map(Fun::Reciprocal, args) = &self.old(id).op else { return None };
            let Op::Map(Fun::Sqrt, args) = &self.old(args[0]).op else { return None };
            Some(args[0])
        };
        // Where the row itself counts, no degree is 0.
        if of != Degree::Plain && root_of(id).is_some_and(|degree| self.is_degree(degree, of)) {
            return true;
        }
        let Op::Map(Fun::Mul, args) = &self.old(id).op else { return false };
        let found = either(args, |root, is_positive| {
            let Op::Map(Fun::AtLeast(LEAST), degree) = &self.old(root_of(root)?).op else { return None };
            let Op::Map(Fun::Above(0.0), also) = &self.old(is_positive).op else { return None };
            Some(self.is_degree(degree[0], of) && self.is_degree(also[0], of))
        });
        found.unwrap_or(false)
    }

    /// `Σ_o a[h, o] (x W)[h, o]`, the scores of heads from a map that nothing else reads: a map to a score a head.
    fn scored(&self, product: Id, axis: usize) -> Option<V<'b>> {
        let Op::Map(Fun::Mul, args) = &self.old(product).op else { return None };
        let axes = &self.old(product).axes;
        let [heads, each] = &axes[..] else { return None };
        if axis != 1 || !self.is_read_once(product) {
            return None;
        }
        either(args, |viewed, a| {
            let linear = self.program.source(viewed);
            let Op::Linear { x, w, transposed: false } = self.old(linear).op else { return None };
            let (w, a) = (self.now(w), self.now(a));
            let is_alone = self.is_read_once(linear) && (viewed == linear || self.is_read_once(viewed));
            if !is_alone || a.space() != Space::One || w.axes().len() != 2 || self.old(viewed).axes.len() != 2
            {
                return None;
            }
            let by_head = w.view(&[w.axes()[0].clone(), heads.clone(), each.clone()]);
            Some(self.now(x).linear((by_head * a).fold_sum(2)))
        })
    }

    /// `(P x) W`
    fn mapped_after(&self, x: Id, w: Id) -> Option<V<'b>> {
        let (Composite::Propagate(norm), args) = self.call(x)? else { return None };
        self.convolved(norm, args[0], self.now(w))
    }

    /// `[P x | x] W`, or the other way round.
    fn mapped_beside(&self, x: Id, w: Id) -> Option<V<'b>> {
        let Op::Concat { parts, axis: 0 } = &self.old(x).op else { return None };
        let &[first, second] = parts.as_slice() else { return None };
        let (w, is_matrix) = (self.now(w), self.old(w).axes.len() == 2);
        if !self.is_read_once(x) || !is_matrix || w.space() != Space::One {
            return None;
        }
        let beside = |gathered: Id, own: Id| match self.call(gathered)? {
            (Composite::Propagate(norm), args) if args[0].id == self.now(own).id => Some((norm, args[0])),
            _ => None,
        };
        let (norm, x, w) = match beside(first, second) {
            Some((norm, x)) => (norm, x, w),
            None => {
                let (norm, x) = beside(second, first)?;
                let n = x.width();
                let half = |start: Size| w.slice(0, start, n.clone());
                (norm, x, self.stacked(half(n.clone()), half(Size::Known(0))))
            }
        };
        Some(self.b.call(Composite::Convolve { norm, has_root: true, has_bias: false }, &[x, w]))
    }

    /// `P (x W)`
    fn mapped_before(&self, norm: Norm, x: Id) -> Option<V<'b>> {
        match self.old(x).op {
            Op::Linear { x: inner, w, transposed: false } if self.is_read_once(x) => {
                self.convolved(norm, self.now(inner), self.now(w))
            }
            _ => None,
        }
    }

    fn convolved(&self, norm: Norm, x: V<'b>, w: V<'b>) -> Option<V<'b>> {
        let what = Composite::Convolve { norm, has_root: false, has_bias: false };
        let is_of_rows = x.space() == Space::Rows && x.axes().len() == 1 && w.space() == Space::One;
        (is_of_rows && w.axes().len() == 2).then(|| self.b.call(what, &[x, w]))
    }

    /// `(P x) W + x V`
    fn with_root(&self, of: Id, own: Id) -> Option<V<'b>> {
        let (Composite::Convolve { norm, has_root: false, has_bias }, mut args) = self.call(of)? else {
            return None;
        };
        let Op::Linear { x, w: root, transposed: false } = self.old(own).op else { return None };
        if self.now(x).id != args[0].id || !self.is_read_once(own) {
            return None;
        }
        args[1] = self.stacked(args[1], self.now(root));
        Some(self.b.call(Composite::Convolve { norm, has_root: true, has_bias }, &args))
    }

    /// The rows of one matrix over those of another.
    fn stacked(&self, above: V<'b>, below: V<'b>) -> V<'b> {
        let slice = |v: V<'b>| match self.b.value(v.id).op {
            Op::Slice { x, axis: 0, start } => Some((self.b.at(x), start)),
            _ => None,
        };
        // Most were cut from one matrix.
        if let (Some((whole, first)), Some((also, second))) = (slice(above), slice(below)) {
            let n = Size::sum([above.axes()[0].clone(), below.axes()[0].clone()]);
            let is_whole = whole.id == also.id && first.known() == Some(0) && same(&second, &above.axes()[0]);
            if is_whole && same(&n, &whole.axes()[0]) {
                return whole;
            }
        }
        let n = Size::sum([above.axes()[0].clone(), below.axes()[0].clone()]);
        self.b.concat(&[above.flat(), below.flat()]).view(&[n, above.width()])
    }

    /// A bias inside.
    fn with_bias(&self, of: Id, bias: Id) -> Option<V<'b>> {
        let (Composite::Convolve { norm, has_root, has_bias: false }, mut args) = self.call(of)? else {
            return None;
        };
        let bias = self.now(bias);
        let is_one = matches!(&bias.axes()[..], [width] if same(width, &args[1].width()));
        if bias.space() != Space::One || !is_one {
            return None;
        }
        args.push(bias);
        Some(self.b.call(Composite::Convolve { norm, has_root, has_bias: true }, &args))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Init;
    use crate::program::reference::{self, Maps};
    use crate::types::Dim;

    const F: usize = 3;

    /// A path with a parallel edge, with or without a loop, and a node without edges.
    fn maps(has_loops: bool) -> Maps {
        let edges = [(0, 1), (1, 0), (1, 2), (2, 1), (1, 2), (2, 3), (2, 2)];
        let edges = edges[..if has_loops { 7 } else { 6 }].iter().map(|&(row, col)| (row, col, 0)).collect();
        Maps { graph_of: vec![0; 5], n_graphs: 1, edges }
    }

    fn weight<'b>(b: &'b Build, name: &'static str, shape: &[usize]) -> V<'b> {
        let dims: Vec<Dim> = shape.iter().map(|&n| Dim::new(Size::Known(n), None, "of the test")).collect();
        b.weight(name, &dims, Init::Ones)
    }

    /// The composites that are found in a formula, which computes the same with them.
    #[track_caller]
    fn found(write: impl for<'b> Fn(&'b Build, V<'b>) -> V<'b>) -> Vec<String> {
        let [without, with] = [false, true].map(|has_loops| found_where(has_loops, &write));
        assert_eq!(without, with);
        without
    }

    #[track_caller]
    fn found_where(has_loops: bool, write: &impl for<'b> Fn(&'b Build, V<'b>) -> V<'b>) -> Vec<String> {
        let b = Build::new();
        let x = b.input(0, Space::Rows, &[Size::Known(F)]);
        let y = write(&b, x);
        let program = b.finish(&[y]);
        let (with, now) = recognised(&program, has_loops);
        assert_eq!(with.outputs, [now[y.id.index()]]);
        assert_eq!(with.weights, program.weights, "weights keep their names, shapes and order");
        let numbers =
            |n: usize| -> Vec<f64> { (0..n).map(|k| ((k * 7 + 3) % 11) as f64 / 5.0 - 1.0).collect() };
        let weights: Vec<Vec<f64>> = program
            .weights
            .iter()
            .map(|spec| numbers(spec.shape.iter().map(|dim| dim.known().unwrap()).product()))
            .collect();
        let run = |program: &Program| {
            reference::run(program, &maps(has_loops), &[numbers(5 * F)], &weights, &|_, _, _, _| 1.0)
                [program.outputs[0].index()]
            .clone()
        };
        let (by_formula, by_composite) = (run(&program), run(&with.expanded()));
        assert_eq!(by_formula.len(), by_composite.len());
        for (a, b) in by_formula.iter().zip(&by_composite) {
            assert!((a - b).abs() < 1e-12, "{by_formula:?} {by_composite:?}");
        }
        let is_live = with.live(with.outputs.iter().copied());
        let live = with.values.iter().zip(is_live).filter(|(_, is_live)| *is_live);
        live.filter_map(|(value, _)| match &value.op {
            Op::Call { what, then, .. } => {
                let details = [what.details(), then.iter().map(|f| f.name().to_owned()).collect()].concat();
                Some(format!("{} {}", what.name(), details.join(" ")).trim().to_owned())
            }
            _ => None,
        })
        .collect()
    }

    /// As `rsqrt` of a file is written.
    fn inverse_root(degree: V<'_>) -> V<'_> {
        degree.at_least(LEAST).sqrt().reciprocal() * degree.above(0.0)
    }

    fn degree(b: &Build) -> V<'_> {
        b.edges().degree().view(&[Size::Known(1)])
    }

    #[test]
    fn gcn_is_one_pass_over_its_edges() {
        for has_loops in [false, true] {
            let gcn = |own: f64| {
                found_where(has_loops, &move |b: &Build, x| {
                    let (e, h) = (b.edges(), x.linear(weight(b, "w", &[F, 4])));
                    let s = inverse_root(degree(b).offset(own));
                    let sum = e.sum(e.source(h) * e.target(s) * e.source(s));
                    let sum = if own > 0.0 { sum + h * s * s } else { sum };
                    (sum + weight(b, "bias", &[4])).relu()
                })
            };
            assert_eq!(gcn(0.0), ["convolve degrees relu"]);
            // The kernel leaves loops of the data out, which this formula counts beside the row's own.
            let expected = if has_loops { "propagate sum" } else { "convolve degrees with loops relu" };
            assert_eq!(gcn(1.0), [expected]);
        }
    }

    /// Loops of the data are left out, for the one that counts 1.
    #[test]
    fn gcn_is_one_pass_where_the_data_has_loops_too() {
        let composites = found(|b, x| {
            let (e, h) = (b.edges().without_loops(), x.linear(weight(b, "w", &[F, 4])));
            let s = inverse_root(e.degree().view(&[Size::Known(1)]).offset(1.0));
            e.sum(e.source(h) * e.target(s) * e.source(s)) + h * s * s + weight(b, "bias", &[4])
        });
        assert_eq!(composites, ["convolve degrees with loops"]);
        // Degrees that count the loops which the sum leaves out are others.
        let composites = found(|b, x| {
            let e = b.edges().without_loops();
            let s = inverse_root(degree(b).offset(1.0));
            e.sum(e.source(x) * e.target(s) * e.source(s)) + x * s * s
        });
        assert_eq!(composites, Vec::<String>::new());
    }

    #[test]
    fn sage_is_one_pass_whichever_end_comes_first() {
        for is_own_first in [false, true] {
            let composites = found(|b, x| {
                let (e, w) = (b.edges(), weight(b, "w", &[2 * F, 4]));
                let mean = e.mean(e.source(x));
                let half = |k: usize| w.slice(0, Size::Known(k * F), Size::Known(F));
                let [first, second] = if is_own_first { [x, mean] } else { [mean, x] };
                first.linear(half(0)) + second.linear(half(1)) + weight(b, "bias", &[4])
            });
            assert_eq!(composites, ["convolve mean root"], "{is_own_first}");
        }
    }

    #[test]
    fn one_matrix_for_both_is_one_pass_too() {
        for is_own_first in [false, true] {
            let composites = found(|b, x| {
                let e = b.edges();
                let mean = e.mean(e.source(x));
                let beside = if is_own_first { [x, mean] } else { [mean, x] };
                b.concat(&beside).linear(weight(b, "w", &[2 * F, 4])) + weight(b, "bias", &[4])
            });
            assert_eq!(composites, ["convolve mean root"], "{is_own_first}");
        }
    }

    #[test]
    fn gin_is_one_pass_up_to_its_hidden_layer() {
        let composites = found(|b, x| {
            let e = b.edges();
            let h = x.scale(1.5) + e.sum(e.source(x));
            let hidden = (h.linear(weight(b, "w", &[F, 4])) + weight(b, "bias", &[4])).relu();
            hidden.linear(weight(b, "out", &[4, 2]))
        });
        assert_eq!(composites, ["convolve sum and 1.5 own relu"]);
    }

    #[test]
    fn what_is_read_twice_is_computed_once() {
        let composites = found(|b, x| {
            let e = b.edges();
            let sum = e.sum(e.source(x));
            sum.linear(weight(b, "w", &[F, 4])) * sum.linear(weight(b, "v", &[F, 4])).sigmoid()
        });
        assert_eq!(composites, ["propagate sum"]);
    }

    #[test]
    fn another_power_of_the_degree_is_no_gcn() {
        let composites = found(|b, x| {
            let e = b.edges();
            let s = inverse_root(degree(b).offset(2.0));
            e.sum(e.source(x * s)) * s + x * s * s
        });
        assert_eq!(composites, ["propagate sum"]);
        let composites = found(|b, x| {
            let e = b.edges();
            e.sum(e.source(x)) * degree(b).at_least(2.0).reciprocal()
        });
        assert_eq!(composites, ["propagate sum"]);
    }

    #[test]
    fn scores_of_heads_are_mapped_at_once() {
        let write = |b: &Build| {
            let x = b.input(0, Space::Rows, &[Size::Known(F)]);
            let (w, a) = (weight(b, "w", &[F, 8]), weight(b, "a", &[2, 4]));
            let score = x.linear(w).heads(2, &Size::Known(4)).dot(a);
            b.finish(&[score])
        };
        let (program, _) = recognised(&write(&Build::new()), false);
        let is_live = program.live(program.outputs.iter().copied());
        let widest = program
            .values
            .iter()
            .zip(is_live)
            .filter(|(value, is_live)| *is_live && value.space == Space::Rows);
        assert_eq!(widest.map(|(value, _)| value.known_width()).max(), Some(F));
        found(|b, x| {
            let (w, a) = (weight(b, "w", &[F, 8]), weight(b, "a", &[2, 4]));
            x.linear(w).heads(2, &Size::Known(4)).dot(a)
        });
    }
}
