//! The meaning of programs, as plain loops in f64: what the engine is compared with.

use super::fun::Fun;
use super::{Id, Index, Op, Program, Reduce, Space};

/// Rows and maps of a batch.
#[derive(Debug, Clone)]
pub(crate) struct Maps {
    /// The graph of each row.
    pub graph_of: Vec<usize>,
    pub n_graphs: usize,
    /// (target, source, kind), in the order of the engine.
    pub edges: Vec<(usize, usize, usize)>,
}

impl Maps {
    pub fn rows(&self, space: Space) -> usize {
        match space {
            Space::One => 1,
            Space::Graphs => self.n_graphs,
            Space::Rows | Space::Kept => self.graph_of.len(),
            Space::Edges | Space::Queries => self.edges.len(),
        }
    }

    fn to(&self, index: Index, row: usize) -> usize {
        match index {
            Index::Target => self.edges[row].0,
            Index::Source => self.edges[row].1,
            Index::Graph => self.graph_of[row],
            Index::All => 0,
        }
    }
}

/// Every value of the program, row-major. `random` gives the factor of a site, row and column.
pub(crate) fn run(
    program: &Program,
    maps: &Maps,
    inputs: &[Vec<f64>],
    weights: &[Vec<f64>],
    random: &dyn Fn(usize, f64, usize, usize) -> f64,
) -> Vec<Vec<f64>> {
    let mut all: Vec<Vec<f64>> = Vec::new();
    for value in &program.values {
        let axes: Vec<usize> = value.axes.iter().map(|size| size.known().unwrap()).collect();
        let (width, rows) = (axes.iter().product::<usize>(), maps.rows(value.space));
        let axes_of = |id: &Id| -> Vec<usize> {
            program.value(*id).axes.iter().map(|size| size.known().unwrap()).collect()
        };
        let width_of = |id: &Id| axes_of(id).iter().product::<usize>();
        let kind_of = |row: usize, kind: Option<Id>, n_kinds: usize| match kind {
            Some(kind) => (all[kind.index()][row] as usize).min(n_kinds - 1),
            None => maps.edges[row].2,
        };
        // The number of an operand at a row and a place of the result, repeated where it is narrower.
        let at = |id: &Id, row: usize, place: &[usize]| -> f64 {
            let shape = axes_of(id);
            let skip = place.len() - shape.len();
            let mut offset = 0;
            for (axis, &size) in shape.iter().enumerate() {
                offset = offset * size + if size == 1 { 0 } else { place[skip + axis] };
            }
            let row = if program.value(*id).space == Space::One { 0 } else { row };
            all[id.index()][row * width_of(id) + offset]
        };
        let places = places(&axes);
        let mut out = Vec::with_capacity(rows * width);
        match &value.op {
            Op::Call { .. } => unreachable!("of the expanded program"),
            Op::Input(port) => out = inputs[*port].clone(),
            Op::Weight(weight) => out = weights[*weight].clone(),
            Op::Constant(c) => out = vec![*c],
            Op::Iota => out.extend((0..width).map(|place| place as f64)),
            Op::Count(index) => {
                out = vec![0.0; rows];
                let is_of_edges = matches!(index, Index::Target | Index::Source);
                let from = if is_of_edges { Space::Edges } else { Space::Rows };
                (0..maps.rows(from)).for_each(|row| out[maps.to(*index, row)] += 1.0);
            }
            Op::IsLoop => out.extend(maps.edges.iter().map(|edge| f64::from(u8::from(edge.0 == edge.1)))),
            Op::Random { site, p } => {
                out.extend((0..rows * width).map(|i| random(*site, *p, i / width, i % width)));
            }
            // Two factors of a coin: −1 and 1, of mean 0 and variance 1.
            Op::Noise { site } => {
                out.extend((0..rows * width).map(|i| random(*site, 0.5, i / width, i % width) - 1.0));
            }
            Op::Map(f, args) => {
                for row in 0..rows {
                    for place in &places {
                        let x: Vec<f64> = args.iter().map(|arg| at(arg, row, place)).collect();
                        out.push(Fun::of(*f, &x));
                    }
                }
            }
            Op::Expand(x) => {
                for row in 0..rows {
                    out.extend(places.iter().map(|place| at(x, row, place)));
                }
            }
            Op::Linear { x, w, transposed } | Op::Typed { x, w, transposed, .. } => {
                let (is_typed, kind) = match value.op {
                    Op::Typed { kind, .. } => (true, kind),
                    _ => (false, None),
                };
                let (shape, n_in) = (axes_of(w), *axes_of(x).last().unwrap());
                let n_out = *axes.last().unwrap();
                for row in 0..rows {
                    for place in &places {
                        let head = match (shape.len(), is_typed) {
                            (3, true) => kind_of(row, kind, shape[0]),
                            (3, false) => place[0],
                            _ => 0,
                        };
                        let matrix = &all[w.index()][head * n_in * n_out..];
                        let o = *place.last().unwrap();
                        let sum = (0..n_in).map(|i| {
                            let mut from = place.clone();
                            *from.last_mut().unwrap() = i;
                            let entry = if *transposed { o * n_in + i } else { i * n_out + o };
                            at(x, row, &from) * matrix[entry]
                        });
                        out.push(sum.sum());
                    }
                }
            }
            Op::Contract { a, b, transposed } => {
                let inner = axes_of(a)[usize::from(!transposed[0])];
                for row in 0..rows {
                    for place in &places {
                        let sum = (0..inner).map(|k| {
                            let left = if transposed[0] { [k, place[0]] } else { [place[0], k] };
                            let right = if transposed[1] { [place[1], k] } else { [k, place[1]] };
                            at(a, row, &left) * at(b, row, &right)
                        });
                        out.push(sum.sum());
                    }
                }
            }
            Op::Fold { how, x, axis } => {
                for row in 0..rows {
                    for place in &places {
                        let n = axes_of(x)[*axis];
                        let terms = (0..n).map(|i| {
                            let mut from = place.clone();
                            from.insert(*axis, i);
                            at(x, row, &from)
                        });
                        out.push(match how {
                            Reduce::Sum => terms.sum(),
                            Reduce::Max => terms.fold(f64::NEG_INFINITY, f64::max),
                            Reduce::Mul => terms.product(),
                        });
                    }
                }
            }
            Op::View(x) => out = all[x.index()].clone(),
            Op::Concat { parts, axis } => {
                for row in 0..rows {
                    for place in &places {
                        let mut from = place.clone();
                        for part in parts {
                            let n = axes_of(part)[*axis];
                            if from[*axis] < n {
                                out.push(at(part, row, &from));
                                break;
                            }
                            from[*axis] -= n;
                        }
                    }
                }
            }
            Op::Slice { x, axis, start } => {
                for row in 0..rows {
                    for place in &places {
                        let mut from = place.clone();
                        from[*axis] += start.known().unwrap();
                        out.push(at(x, row, &from));
                    }
                }
            }
            Op::Pad { x, axis, start } => {
                let (start, n) = (start.known().unwrap(), axes_of(x)[*axis]);
                for row in 0..rows {
                    for place in &places {
                        let mut from = place.clone();
                        let is_inside = (start..start + n).contains(&from[*axis]);
                        from[*axis] = from[*axis].wrapping_sub(start);
                        out.push(if is_inside { at(x, row, &from) } else { 0.0 });
                    }
                }
            }
            Op::Gather { x, index } => {
                for row in 0..rows {
                    let from = maps.to(*index, row);
                    out.extend_from_slice(&all[x.index()][from * width..][..width]);
                }
            }
            Op::Reduce { how, x, index } => {
                let from = maps.rows(program.value(*x).space);
                let (start, of_none) = match how {
                    Reduce::Sum => (0.0, 0.0),
                    Reduce::Max => (f64::NEG_INFINITY, 0.0),
                    Reduce::Mul => (1.0, 1.0),
                };
                out = vec![start; rows * width];
                let mut is_empty = vec![true; rows];
                for row in 0..from {
                    let to = maps.to(*index, row);
                    is_empty[to] = false;
                    for col in 0..width {
                        let (x, y) = (all[x.index()][row * width + col], &mut out[to * width + col]);
                        *y = match how {
                            Reduce::Sum => *y + x,
                            Reduce::Max => y.max(x),
                            Reduce::Mul => *y * x,
                        };
                    }
                }
                for (row, _) in is_empty.iter().enumerate().filter(|(_, is_empty)| **is_empty) {
                    out[row * width..][..width].fill(of_none);
                }
            }
            Op::Alike { how, x } => {
                for (target, _, kind) in &maps.edges {
                    let is_alike = |edge: &(usize, usize, usize)| edge.0 == *target && edge.2 == *kind;
                    for col in 0..width {
                        let edges = maps.edges.iter().enumerate().filter(|(_, edge)| is_alike(edge));
                        let terms = edges.map(|(row, _)| all[x.index()][row * width + col]);
                        out.push(match how {
                            Reduce::Sum => terms.sum(),
                            Reduce::Max => terms.fold(f64::NEG_INFINITY, f64::max),
                            Reduce::Mul => terms.product(),
                        });
                    }
                }
            }
            Op::Below { x, index } => {
                for row in 0..rows {
                    let beside = (0..rows).filter(|&other| maps.to(*index, other) == maps.to(*index, row));
                    let beside: Vec<usize> = beside.collect();
                    for col in 0..width {
                        let at = |row: usize| all[x.index()][row * width + col];
                        out.push(beside.iter().filter(|&&other| at(other) < at(row)).count() as f64);
                    }
                }
            }
            Op::Outer { .. } | Op::OuterOfKinds { .. } => {
                let [a, b, ..] = value.op.args()[..] else { unreachable!() };
                let index = if let Op::Outer { index, .. } = value.op { index } else { Index::All };
                let (is_typed, kind) = match value.op {
                    Op::OuterOfKinds { kind, .. } => (true, kind),
                    _ => (false, None),
                };
                out = vec![0.0; rows * width];
                for row in 0..maps.rows(program.value(a).space) {
                    let to = maps.to(index, row) * width;
                    let q = *axes.last().unwrap();
                    let p = axes[axes.len() - 2];
                    let heads = if is_typed { 1 } else { width / (p * q) };
                    for head in 0..heads {
                        let block = if is_typed { kind_of(row, kind, axes[0]) } else { head };
                        for i in 0..p {
                            for j in 0..q {
                                let left = all[a.index()][(row * heads + head) * p + i];
                                let right = all[b.index()][(row * heads + head) * q + j];
                                out[to + (block * p + i) * q + j] += left * right;
                            }
                        }
                    }
                }
            }
            Op::Apply { a, y, index, transposed } => {
                let (p, q) = (width_of(a), width);
                for row in 0..rows {
                    let matrix = &all[y.index()][maps.to(*index, row) * p * q..][..p * q];
                    for j in 0..q {
                        let entry = |i: usize| if *transposed { j * p + i } else { i * q + j };
                        out.push((0..p).map(|i| all[a.index()][row * p + i] * matrix[entry(i)]).sum());
                    }
                }
            }
        }
        assert_eq!(out.len(), rows * width, "{:?}", value.op);
        all.push(out);
    }
    all
}

/// Every place of a shape, in order.
fn places(axes: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for &size in axes {
        all = all
            .into_iter()
            .flat_map(|place| {
                (0..size).map(move |i| {
                    let mut place = place.clone();
                    place.push(i);
                    place
                })
            })
            .collect();
    }
    all
}
