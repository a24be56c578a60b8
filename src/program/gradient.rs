//! Gradients as programs: every primitive's gradient is made of primitives, so there is one text to trust.
//!
//! Steps without a derivative of their own (a gradient's gradient of a maximum) are not reached: second derivatives are
//! not asked for anywhere.

use super::build::{Build, V, is_one, same};
use super::fun::Fun;
use super::{Id, Index, Op, Program, Reduce, Space};
use crate::types::Size;

/// A program and its gradients in one: values of the backward pass stand behind those of the forward pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Differentiated {
    pub program: Program,
    /// How many values the forward pass has.
    pub n_forward: usize,
    /// By output: the input that its gradient comes in at. Ports go on behind those of the forward pass.
    pub cotangents: Vec<Id>,
    /// By input port, where the input is wanted and an output depends on it.
    pub of_inputs: Vec<Option<Id>>,
    /// By weight.
    pub of_weights: Vec<Option<Id>>,
}

/// By value, whether it depends on a wanted input or a trained weight in a way that a gradient follows. Only values
/// between such and an output have one.
pub(crate) fn followed(program: &Program, is_wanted: impl Fn(usize) -> bool) -> Vec<bool> {
    let mut is_followed = vec![false; program.values.len()];
    for (idx, value) in program.values.iter().enumerate() {
        is_followed[idx] = match value.op {
            Op::Input(port) => is_wanted(port),
            Op::Weight(weight) => program.weights[weight].is_trained,
            Op::Map(Fun::Stop | Fun::Sign | Fun::Above(_) | Fun::Floor | Fun::Equal, _)
            | Op::Below { .. } => false,
            _ => value.op.args().iter().any(|arg| is_followed[arg.index()]),
        };
    }
    is_followed
}

/// The program with gradients for the inputs that are wanted and for every trained weight.
pub fn differentiate(forward: &Program, wanted: &[bool]) -> Differentiated {
    let n_forward = forward.values.len();
    let build = Build::new();
    let b = build.of(forward.clone());
    let n_ports = forward.inputs.len();

    let is_wanted = followed(forward, |port| wanted.get(port).copied().unwrap_or(false));

    let mut gradients: Vec<Option<V>> = vec![None; n_forward];
    let mut cotangents = Vec::new();
    for (k, &output) in forward.outputs.iter().enumerate() {
        let value = forward.value(output);
        let g = b.input(n_ports + k, value.space, &value.axes);
        cotangents.push(g.id);
        if is_wanted[output.index()] {
            add(&mut gradients, output, g);
        }
    }
    for idx in (0..n_forward).rev() {
        let Some(g) = gradients[idx] else { continue };
        let value = &forward.values[idx];
        let y = b.at(Id(idx as u32));
        let mut give = |arg: Id, g: V<'_>| {
            // The borrow ends with the build, which outlives the gradients.
            if is_wanted[arg.index()] {
                add(&mut gradients, arg, b.at(g.id));
            }
        };
        let wants = |arg: Id| is_wanted[arg.index()];
        match &value.op {
            // Composites stand between the parts that gradients are taken of, and have gradients of their own.
            Op::Call { .. } => unreachable!("a part is made of primitives"),
            Op::Input(_)
            | Op::Weight(_)
            | Op::Constant(_)
            | Op::Iota
            | Op::Count(_)
            | Op::IsLoop
            | Op::Below { .. }
            | Op::Random { .. }
            | Op::Noise { .. } => {}
            Op::Map(f, args) => {
                for (k, &arg) in args.iter().enumerate().filter(|&(_, &arg)| wants(arg)) {
                    let operands: Vec<V> = args.iter().map(|&arg| b.at(arg)).collect();
                    let g = slope(b, *f, &operands, k, y, g);
                    give(arg, narrowed(g, b.at(arg)));
                }
            }
            Op::Linear { x, w, transposed } => {
                if wants(*x) {
                    give(*x, g.linear_by(b.at(*w), !transposed));
                }
                if wants(*w) {
                    let (x, weight) = (b.at(*x), b.at(*w));
                    let (left, right) = if *transposed { (g, x) } else { (x, g) };
                    let is_few = x.space() == Space::One && x.axes().len() == 2 && weight.axes().len() == 2;
                    // Learned rows that one matrix maps: the sum over them is a product of two matrices.
                    let whole = match is_few {
                        true => left.contract_by(right, [true, false]),
                        false => outer_of_all(left, right),
                    };
                    give(*w, narrowed(whole, weight));
                }
            }
            Op::Typed { x, w, kind, transposed } => {
                if wants(*x) {
                    give(*x, g.typed_by(b.at(*w), kind.map(|kind| b.at(kind)), !transposed));
                }
                if wants(*w) {
                    let n_kinds = b.at(*w).axes()[0].clone();
                    let x = b.at(*x);
                    let (left, right) = if *transposed { (g, x) } else { (x, g) };
                    give(*w, left.outer_of_kinds(right, *kind, n_kinds));
                }
            }
            Op::Contract { a, b: c, transposed } => {
                let [is_a_turned, is_c_turned] = *transposed;
                let (left, right) = (b.at(*a), b.at(*c));
                if wants(*a) {
                    // y = A C: dA = g Cᵀ, and its transpose where A stands transposed.
                    let to = if is_a_turned {
                        right.contract_by(g, [is_c_turned, true])
                    } else {
                        g.contract_by(right, [false, !is_c_turned])
                    };
                    give(*a, narrowed(to, left));
                }
                if wants(*c) {
                    let to = if is_c_turned {
                        g.contract_by(left, [true, is_a_turned])
                    } else {
                        left.contract_by(g, [!is_a_turned, false])
                    };
                    give(*c, narrowed(to, right));
                }
            }
            Op::Fold { how, x, axis } => {
                let x_v = b.at(*x);
                let axes = x_v.axes();
                let mut kept = axes.clone();
                kept[*axis] = Size::Known(1);
                match how {
                    Reduce::Sum => give(*x, g.view(&kept).expand(&axes)),
                    Reduce::Max => {
                        let is_largest = b.map(Fun::Equal, &[x_v, y.view(&kept)]);
                        let share = g / is_largest.fold_sum(*axis);
                        give(*x, is_largest * share.view(&kept));
                    }
                    Reduce::Mul => {
                        let over = |how, v: V<'_>| b.at(v.id).fold(how, *axis);
                        give(*x, of_factor(b, x_v, g, over, |v| v.view(&kept)));
                    }
                }
            }
            Op::View(x) => {
                let axes = b.at(*x).axes();
                give(*x, g.view(&axes));
            }
            Op::Concat { parts, axis } => {
                let mut start = Size::Known(0);
                for part in parts {
                    let len = b.at(*part).axes()[*axis].clone();
                    if wants(*part) {
                        give(*part, g.slice(*axis, start.clone(), len.clone()));
                    }
                    start = Size::sum([start, len]);
                }
            }
            Op::Slice { x, axis, start } => {
                let len = b.at(*x).axes()[*axis].clone();
                give(*x, g.pad(*axis, start.clone(), len));
            }
            Op::Pad { x, axis, start } => {
                let len = b.at(*x).axes()[*axis].clone();
                give(*x, g.slice(*axis, start.clone(), len));
            }
            Op::Expand(x) => give(*x, narrowed(g, b.at(*x))),
            Op::Gather { x, index } => give(*x, g.sum(*index)),
            Op::Reduce { how, x, index } => {
                let to_rows = |v: Id| match index {
                    Index::All => b.at(v),
                    index => b.at(v).gather(*index),
                };
                match how {
                    Reduce::Sum => {
                        let g = to_rows(g.id);
                        let space = b.at(*x).space();
                        give(*x, g.in_space(space));
                    }
                    Reduce::Max => {
                        let is_largest = b.map(Fun::Equal, &[b.at(*x), to_rows(y.id)]);
                        let n = is_largest.sum(*index).at_least(1.0);
                        give(*x, is_largest * to_rows((g / n).id));
                    }
                    Reduce::Mul => {
                        let over = |how, v: V<'_>| b.at(v.id).reduce(how, *index);
                        give(*x, of_factor(b, b.at(*x), g, over, |v| to_rows(v.id)));
                    }
                }
            }
            Op::Alike { how: Reduce::Sum, x } => give(*x, g.sum_alike()),
            Op::Alike { how: Reduce::Max, x } => {
                let is_largest = b.map(Fun::Equal, &[b.at(*x), y]);
                give(*x, is_largest * g.sum_alike() / is_largest.sum_alike());
            }
            Op::Alike { how: Reduce::Mul, x } => {
                let over = |how, v: V<'_>| b.at(v.id).alike(how);
                give(*x, of_factor(b, b.at(*x), g.sum_alike(), over, |v| v));
            }
            Op::Outer { a, b: c, index } => {
                let (left, right) = (b.at(*a), b.at(*c));
                assert!(*index == Index::Graph, "sums over all rows of products are gradients of weights");
                if wants(*a) {
                    give(*a, right.apply_by(g, *index, true));
                }
                if wants(*c) {
                    give(*c, left.apply_by(g, *index, false));
                }
            }
            Op::OuterOfKinds { .. } => unreachable!("a gradient of weights has no gradient"),
            Op::Apply { a, y: matrix, index, transposed } => {
                let (left, m) = (b.at(*a), b.at(*matrix));
                if wants(*a) {
                    give(*a, g.apply_by(m, *index, !transposed));
                }
                if wants(*matrix) {
                    let to = if *transposed { g.outer(left, *index) } else { left.outer(g, *index) };
                    give(*matrix, to);
                }
            }
        }
    }
    let id_of = |idx: usize| gradients[idx].map(|g| g.id);
    let mut of_inputs = vec![None; n_ports];
    let mut of_weights = vec![None; forward.weights.len()];
    for (idx, value) in forward.values.iter().enumerate() {
        match value.op {
            Op::Input(port) => of_inputs[port] = id_of(idx),
            Op::Weight(weight) => of_weights[weight] = id_of(idx),
            _ => {}
        }
    }
    let program = b.finish(&forward.outputs.iter().map(|&id| b.at(id)).collect::<Vec<_>>());
    Differentiated { program, n_forward, cotangents, of_inputs, of_weights }
}

fn add<'b>(gradients: &mut [Option<V<'b>>], to: Id, g: V<'b>) {
    let known = &mut gradients[to.index()];
    *known = Some(match *known {
        Some(sum) => sum + g,
        None => g,
    });
}

/// `Σ x gᵀ` over all rows and heads that use the same matrix.
fn outer_of_all<'b>(x: V<'b>, g: V<'b>) -> V<'b> {
    if x.space() == Space::One {
        // One row: the outer product itself.
        let (mut column, mut row) = (x.axes(), g.axes());
        column.push(Size::Known(1));
        row.insert(row.len() - 1, Size::Known(1));
        return x.view(&column) * g.view(&row);
    }
    x.outer(g, Index::All)
}

/// The gradient of each factor `x` of a product: the product of the others. `over` brings factors together, and `back` leads
/// from the results to the factors.
fn of_factor<'b>(
    b: &'b Build,
    x: V<'b>,
    g: V<'b>,
    over: impl Fn(Reduce, V<'b>) -> V<'b>,
    back: impl Fn(V<'b>) -> V<'b>,
) -> V<'b> {
    // Nothing is divided by 0: one 0 among the factors leaves the others to itself, and two leave nothing to any.
    let nothing = b.constant(0.0);
    let is_zero = b.map(Fun::Equal, &[x, nothing]);
    let others = is_zero.choose(b.constant(1.0), x);
    let n_zeros = over(Reduce::Sum, is_zero);
    let share = g * over(Reduce::Mul, others);
    let of_zero = n_zeros.above(1.5).choose(nothing, share);
    let of_others = n_zeros.above(0.5).choose(nothing, share);
    is_zero.choose(back(of_zero), back(of_others) / others)
}

/// The gradient of an operand that was repeated: summed over where it was.
fn narrowed<'b>(g: V<'b>, arg: V<'b>) -> V<'b> {
    let mut g = g;
    let axes = arg.axes();
    while g.axes().len() > axes.len() {
        g = g.fold_sum(0);
    }
    for axis in 0..axes.len() {
        if is_one(&axes[axis]) && !is_one(&g.axes()[axis]) {
            let mut kept = g.axes();
            kept[axis] = Size::Known(1);
            g = g.fold_sum(axis).view(&kept);
        }
    }
    debug_assert!(g.axes().iter().zip(&axes).all(|(a, b)| same(a, b)), "{:?} for {axes:?}", g.axes());
    if arg.space() == Space::One && g.space() != Space::One { g.sum(Index::All) } else { g }
}

/// The gradient of the `k`-th operand, given the result `y` and its gradient `g`.
fn slope<'b>(b: &'b Build, f: Fun, x: &[V<'b>], k: usize, y: V<'b>, g: V<'b>) -> V<'b> {
    let a = x[0];
    match f {
        Fun::Stop | Fun::Sign | Fun::Above(_) | Fun::Floor | Fun::Equal => {
            unreachable!("no gradient passes")
        }
        Fun::Neg => -g,
        Fun::Abs => g * b.map(Fun::Sign, &[a]),
        Fun::Exp => g * y,
        Fun::Ln => g / a,
        Fun::Sqrt => g * y.reciprocal().scale(0.5),
        Fun::Reciprocal => -(g * y.square()),
        Fun::Square => g * a.scale(2.0),
        // By the result, which is kept anyway, and 0 where the operand is.
        Fun::Relu => b.map(Fun::Gate, &[y, g]),
        Fun::LeakyRelu(slope) => b.map(Fun::LeakyGate(slope), &[a, g]),
        // αeˣ = y + α below 0.
        Fun::Elu(alpha) => g * a.above(0.0).choose(b.constant(1.0), y.offset(alpha)),
        Fun::Gelu => g * b.map(Fun::GeluSlope, &[a]),
        Fun::GeluSlope => unreachable!("second derivatives are not asked for"),
        Fun::Sigmoid => g * (y - y.square()),
        Fun::Tanh => g * (-y.square()).offset(1.0),
        Fun::Sin => g * a.cos(),
        Fun::Cos => -(g * a.sin()),
        Fun::Softplus => g * a.sigmoid(),
        Fun::Scale(c) => g.scale(c),
        Fun::Offset(_) => g,
        Fun::Power(c) => g * a.power(c - 1.0).scale(c),
        Fun::LnGamma => g * a.polygamma(0.0),
        Fun::Polygamma(n) => g * a.polygamma(n + 1.0),
        Fun::AtLeast(c) => g * a.above(c),
        Fun::AtMost(c) => g * (-a).above(-c),
        Fun::Add => g,
        Fun::Sub => {
            if k == 0 {
                g
            } else {
                -g
            }
        }
        Fun::Mul => g * x[1 - k],
        Fun::Div => {
            if k == 0 {
                g / x[1]
            } else {
                -(g * y / x[1])
            }
        }
        // The larger one; equal ones share.
        Fun::Max => {
            let (own, other) = (x[k], x[1 - k]);
            let is_larger = (own - other).above(0.0);
            g * (is_larger + b.map(Fun::Equal, &[own, other]).scale(0.5))
        }
        Fun::Angle => {
            // Both 0 have no angle, and slopes of 0.
            let square = (a.square() + x[1].square()).at_least(1e-30);
            let slope = g * x[1 - k] / square;
            if k == 0 { slope } else { -slope }
        }
        Fun::Gate => {
            if k == 0 {
                b.constant(0.0) * g
            } else {
                b.map(Fun::Gate, &[a, g])
            }
        }
        Fun::LeakyGate(slope) => {
            if k == 0 {
                b.constant(0.0) * g
            } else {
                b.map(Fun::LeakyGate(slope), &[a, g])
            }
        }
        Fun::Where => match k {
            0 => b.constant(0.0) * g,
            1 => a.choose(g, b.constant(0.0)),
            _ => a.choose(b.constant(0.0), g),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Init;
    use crate::program::reference::{Maps, run};
    use crate::types::Dim;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn size(n: usize) -> Size {
        Size::Known(n)
    }

    fn maps() -> Maps {
        Maps {
            graph_of: vec![0, 0, 0, 1, 1],
            n_graphs: 2,
            edges: vec![(0, 1, 0), (0, 1, 1), (0, 2, 0), (1, 0, 1), (2, 2, 0), (4, 3, 1)],
        }
    }

    /// Compares the gradients of `Σ c · output` with central differences, for every input and weight.
    fn check(what: &str, write: impl for<'b> Fn(&'b Build, V<'b>, V<'b>, V<'b>) -> V<'b>) {
        check_at(what, |_| (), write);
    }

    /// The same at inputs of one's own choice.
    fn check_at(
        what: &str,
        choose: impl Fn(&mut [Vec<f64>]),
        write: impl for<'b> Fn(&'b Build, V<'b>, V<'b>, V<'b>) -> V<'b>,
    ) {
        let b = Build::new();
        let x = b.input(0, Space::Rows, &[size(4)]);
        let e = b.input(1, Space::Edges, &[size(4)]);
        let g = b.input(2, Space::Graphs, &[size(4), size(3)]);
        let y = write(&b, x, e, g);
        let forward = b.finish(&[y]);
        let maps = maps();
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut numbers = |n: usize| -> Vec<f64> {
            (0..n)
                .map(|_| {
                    // Away from 0, where rectifiers have no slope.
                    let size: f64 = rng.random_range(0.2..1.4);
                    if rng.random_bool(0.5) { size } else { -size }
                })
                .collect()
        };
        let mut inputs: Vec<Vec<f64>> =
            [(5, 4), (6, 4), (2, 12)].iter().map(|(rows, w)| numbers(rows * w)).collect();
        choose(&mut inputs);
        let mut weights: Vec<Vec<f64>> = forward
            .weights
            .iter()
            .map(|spec| numbers(spec.shape.iter().map(|dim| dim.known().unwrap()).product()))
            .collect();
        let value = forward.value(forward.outputs[0]);
        let cotangent = numbers(maps.rows(value.space) * value.known_width());
        let random = |_: usize, p: f64, row: usize, col: usize| {
            if (row * 7 + col * 3).is_multiple_of(4) { 0.0 } else { 1.0 / (1.0 - p) }
        };
        let whole = differentiate(&forward, &[true; 3]);
        let mut all_inputs = inputs.clone();
        all_inputs.push(cotangent.clone());
        let values = run(&whole.program, &maps, &all_inputs, &weights, &random);
        let objective = |inputs: &[Vec<f64>], weights: &[Vec<f64>]| -> f64 {
            let values = run(&forward, &maps, inputs, weights, &random);
            values[forward.outputs[0].index()].iter().zip(&cotangent).map(|(y, c)| y * c).sum()
        };
        let step = 1e-6;
        let n_gradients = whole.of_inputs.iter().chain(&whole.of_weights).flatten().count();
        assert!(n_gradients > 0, "{what}: no gradient at all");
        for (k, id) in whole.of_inputs.iter().enumerate() {
            for i in 0..inputs[k].len() {
                let kept = inputs[k][i];
                inputs[k][i] = kept + step;
                let above = objective(&inputs, &weights);
                inputs[k][i] = kept - step;
                let below = objective(&inputs, &weights);
                inputs[k][i] = kept;
                let slope = (above - below) / (2.0 * step);
                let found = id.map_or(0.0, |id| values[id.index()][i]);
                assert!(
                    (slope - found).abs() < 1e-6 * (1.0 + slope.abs()),
                    "{what}: input {k}[{i}]: {found}, {slope}"
                );
            }
        }
        for (k, id) in whole.of_weights.iter().enumerate() {
            for i in 0..weights[k].len() {
                let kept = weights[k][i];
                weights[k][i] = kept + step;
                let above = objective(&inputs, &weights);
                weights[k][i] = kept - step;
                let below = objective(&inputs, &weights);
                weights[k][i] = kept;
                let slope = (above - below) / (2.0 * step);
                let found = id.map_or(0.0, |id| values[id.index()][i]);
                assert!(
                    (slope - found).abs() < 1e-6 * (1.0 + slope.abs()),
                    "{what}: weight {k}[{i}]: {found}, {slope}"
                );
            }
        }
    }

    fn weight<'b>(b: &'b Build, name: &'static str, shape: &[usize]) -> V<'b> {
        let dims: Vec<Dim> = shape.iter().map(|&n| Dim::new(size(n), None, "of the test")).collect();
        b.weight(name, &dims, Init::Ones)
    }

    #[test]
    fn functions_have_the_slopes_of_differences() {
        let positive = [Fun::Ln, Fun::Sqrt, Fun::Power(1.7), Fun::Reciprocal];
        for f in positive {
            check(f.name(), |b, x, _, _| b.map(f, &[x.abs()]));
        }
        for f in [
            Fun::Neg,
            Fun::Abs,
            Fun::Exp,
            Fun::Square,
            Fun::Relu,
            Fun::LeakyRelu(0.2),
            Fun::Elu(1.3),
            Fun::Gelu,
            Fun::Sigmoid,
            Fun::Tanh,
            Fun::Sin,
            Fun::Cos,
            Fun::Softplus,
            Fun::Scale(-2.5),
            Fun::Offset(0.7),
            Fun::AtLeast(0.1),
            Fun::AtMost(0.1),
        ] {
            check(f.name(), |b, x, _, _| b.map(f, &[x]));
        }
        for f in [Fun::Add, Fun::Sub, Fun::Mul, Fun::Div, Fun::Max, Fun::Angle] {
            check(f.name(), |b, x, e, _| b.map(f, &[e, x.gather(Index::Source)]));
            check(f.name(), |b, x, _, _| b.map(f, &[x, weight(b, "w", &[4])]));
            check(f.name(), |b, x, _, _| b.map(f, &[weight(b, "w", &[2, 1]), x.view(&[size(2), size(2)])]));
        }
        check("where", |_, x, e, _| e.above(0.0).choose(e.square(), x.gather(Index::Target)));
    }

    #[test]
    fn products_have_the_slopes_of_differences() {
        check("linear", |b, x, _, _| x.linear(weight(b, "w", &[4, 3])));
        check("linear, transposed", |b, x, _, _| x.linear_by(weight(b, "w", &[3, 4]), true));
        check("linear of edges", |b, x, e, _| (e * x.gather(Index::Source)).linear(weight(b, "w", &[4, 3])));
        check("heads", |b, x, _, _| x.heads(2, &size(2)).linear(weight(b, "w", &[2, 2, 3])));
        check("one weight for all heads", |b, x, _, _| x.heads(2, &size(2)).linear(weight(b, "w", &[2, 3])));
        check("typed", |b, _, e, _| e.typed_linear(weight(b, "w", &[2, 4, 3])));
        let degree = |b: &Build| b.at(b.edges().degree().at_most(2.0).view(&[size(1)]).id).id;
        check("typed by a value", |b, x, _, _| {
            x.typed_linear_of(b.at(degree(b)), weight(b, "w", &[3, 4, 3]))
        });
        check("typed by a value, transposed", |b, x, _, _| {
            x.typed_by(weight(b, "w", &[3, 3, 4]), Some(b.at(degree(b))), true)
        });
        check("typed, transposed", |b, _, e, _| e.typed_by(weight(b, "w", &[2, 3, 4]), None, true));
        for turned in [[false, false], [true, false], [false, true], [true, true]] {
            check("contract", |_, x, e, _| {
                let (a, c) = (e.heads(2, &size(2)), x.gather(Index::Source).heads(2, &size(2)));
                a.contract_by(c * e.heads(2, &size(2)), turned)
            });
        }
        check("dot", |_, x, e, _| e.heads(2, &size(2)).dot(x.heads(2, &size(2)).gather(Index::Target)));
        check("apply", |_, x, _, g| x.apply(g, Index::Graph));
        check("apply, transposed", |_, x, _, g| x.slice(0, size(1), size(3)).apply_by(g, Index::Graph, true));
        check("outer", |_, x, _, _| x.outer(x.tanh().slice(0, size(0), size(3)), Index::Graph));
        check("identity", |b, x, _, _| {
            let off = b.identity(&size(4)).scale(-1.0).offset(1.0);
            x.outer(x, Index::Graph) * off * b.iota(&size(4))
        });
        check("learned rows that one matrix maps", |b, x, _, _| {
            let rows = weight(b, "v", &[3, 4]).linear(weight(b, "w", &[4, 2]));
            x.linear(
                rows.view(&[size(3), size(2)])
                    .linear_by(weight(b, "u", &[4, 2]), true)
                    .contract_by(rows, [true, false]),
            )
        });
        check("weights alone", |b, x, _, _| {
            x.linear(weight(b, "v", &[4, 2]).linear(weight(b, "w", &[2, 3])))
        });
    }

    #[test]
    fn shapes_and_reductions_have_the_slopes_of_differences() {
        check("sum", |_, _, e, _| e.square().sum(Index::Target));
        check("sum of sources", |_, _, e, _| e.square().sum(Index::Source));
        check("sum of graphs", |_, x, _, _| x.square().sum(Index::Graph));
        check("sum of all", |_, x, _, _| x.square().sum(Index::All));
        check("sum of a kind", |_, _, e, _| e.square().sum_alike() * e);
        check("largest of a kind", |b, x, e, _| (e + b.edges().source(x)).largest_alike() * e);
        check("product", |_, _, e, _| e.product(Index::Target));
        check("product of sources", |_, _, e, _| e.product(Index::Source));
        check("product of graphs", |_, x, _, _| x.product(Index::Graph));
        check("product of all", |_, x, _, _| x.product(Index::All));
        check("product of a kind", |b, x, e, _| (e + b.edges().source(x)).product_alike() * e);
        check("product of an axis", |_, x, _, _| x.heads(2, &size(2)).fold_mul(1));
        check("share of a kind", |b, _, e, _| e.mul_rows(b.edges().count_alike().reciprocal()));
        check("mean", |b, x, e, _| b.edges().mean(e * b.edges().source(x)));
        check("places in an order", |_, x, e, _| {
            let of_rows = x.below(Index::Graph) + x.scale(2.0).floor().below(Index::All);
            (e.below(Index::Target) * e).sum(Index::Target) + of_rows * x
        });
        check("max", |_, _, e, _| e.largest(Index::Target));
        check("max of graphs", |_, x, _, _| x.largest(Index::Graph));
        check("smallest", |b, _, e, _| b.edges().smallest(e));
        check("edges of graphs", |_, _, e, _| e.square().sum(Index::Graph));
        check("softmax", |b, _, e, _| b.edges().softmax(e));
        check("softmax of graphs", |_, x, _, _| x.softmax(Index::Graph));
        check("softmax of columns", |_, x, _, _| x.softmax_columns());
        check("fold", |_, x, _, _| x.heads(2, &size(2)).fold_sum(0));
        check("largest of an axis", |_, x, _, _| x.heads(2, &size(2)).fold_max(1));
        check("concat", |b, x, e, _| b.concat(&[e, x.gather(Index::Source), e.square()]).tanh());
        check("slice", |_, x, _, _| x.slice(0, size(1), size(2)).square());
        check("dropout", |_, x, _, _| x.dropout(0.25));
        check("dropout of edges", |b, x, _, _| b.edges().sum(b.edges().source(x).dropout(0.25)));
        check("a number of a graph", |_, x, _, g| x.mul_rows(g.fold_sum(1).fold_sum(0).gather(Index::Graph)));
    }

    #[test]
    fn edges_with_weights_count_by_them() {
        check("weighted sum", |b, x, e, _| {
            let edges = b.weighted_edges(e.slice(0, size(0), size(1)));
            edges.sum(edges.source(x))
        });
        check("weighted mean", |b, x, e, _| {
            let edges = b.weighted_edges(e.slice(0, size(0), size(1)).abs().offset(1.0));
            edges.mean(edges.source(x))
        });
        check("masked softmax", |b, x, e, _| {
            let edges = b.weighted_edges(e.slice(0, size(0), size(1)).at_least(0.0));
            edges.sum(edges.softmax(edges.source(x)))
        });
        check("attention beside the row's own", |b, x, e, _| {
            let edges = b.edges().without_loops();
            let (shares, own) = edges.softmax_beside(edges.source(x) * e, x.square());
            edges.sum(edges.source(x) * shares) + x * own
        });
        check("masked product", |b, x, e, _| {
            let edges = b.weighted_edges(e.slice(0, size(0), size(1)).at_least(0.0));
            edges.product(edges.source(x))
        });
        check("masked largest", |b, x, e, _| {
            let edges = b.weighted_edges(e.slice(0, size(0), size(1)).at_least(0.0));
            edges.largest(edges.source(x))
        });
    }

    #[test]
    fn products_with_zeros_have_the_slopes_of_differences() {
        // Of the three edges that lead to row 0, one, two and three have a factor of 0 in the first three columns.
        let zeros = [(0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2), (3, 0)];
        let zero =
            |inputs: &mut [Vec<f64>]| zeros.iter().for_each(|(row, col)| inputs[1][row * 4 + col] = 0.0);
        check_at("product", zero, |_, _, e, _| e.product(Index::Target));
        check_at("product of a kind", zero, |_, _, e, _| e.product_alike());
        check_at("product of heads", zero, |_, _, e, _| e.heads(2, &size(2)).fold_mul(1));
        check_at("square of a product", zero, |b, x, e, _| {
            (e.product(Index::Target) + x).square() * b.edges().product(e * b.edges().source(x))
        });
    }

    #[test]
    fn what_nothing_needs_has_no_gradient() {
        let b = Build::new();
        let x = b.input(0, Space::Rows, &[size(4)]);
        let y = x.linear(weight(&b, "w", &[4, 3]));
        let whole = differentiate(&b.finish(&[y]), &[false]);
        assert_eq!(whole.of_inputs, [None]);
        assert!(whole.of_weights[0].is_some());
        assert_eq!(whole.program.value(whole.cotangents[0]).space, Space::Rows);
    }
}
