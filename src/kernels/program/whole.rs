//! Values that a kernel computes over all rows at once: matrix products and sums over graphs.

use super::block::product_of_factors;
use super::phases::source;
use super::topology::Topology;
use super::{Memory, n_rows};
use crate::kernels::activation::Activation;
use crate::kernels::assignment::sum_products;
use crate::kernels::custom::{Mat, product_to};
use crate::kernels::float::Float;
use crate::kernels::linear::{add_column_sums, rounded};
use crate::kernels::parallel::{each, fill_rows, map_chunks, map_each, sum_partials};
use crate::kernels::product::{Start, product_of_rows, transposed};
use crate::kernels::summation::{Summation, sum_rows};
use crate::program::{Id, Index, Op, Program, Reduce};

/// Groups of edges of one kind that one job sums.
const GROUPS: usize = 256;

/// Rows of a graph whose products are summed by one job.
const GRAPH_ROWS: usize = 2048;

pub(super) fn compute<T: Float>(
    program: &Program,
    id: Id,
    memory: &Memory<T>,
    topology: &Topology,
    summation: Summation,
) -> Vec<T> {
    let value = program.value(id);
    let rows = n_rows(topology, value.space);
    let width = value.known_width();
    let axes = |id: Id| -> Vec<usize> {
        program.value(id).axes.iter().map(|size| size.known().expect("known where a program runs")).collect()
    };
    let read = |id: Id| memory.read(source(program, id));
    match &value.op {
        Op::Count(index) => count(*index, topology),
        Op::Linear { x, w, transposed: is_turned } => {
            let (x_axes, shape) = (axes(*x), axes(*w));
            let (x, w) = (read(*x), read(*w));
            match shape[..] {
                [a, b] => {
                    let w_turned = if *is_turned { transposed(w, a, b) } else { Vec::new() };
                    let w = if *is_turned { &w_turned } else { w };
                    let (n_in, n_out) = if *is_turned { (b, a) } else { (a, b) };
                    let n = x.len().checked_div(n_in).unwrap_or(0);
                    product_rows(n, n_in, n_out, x, w, summation)
                }
                [heads, a, b] => {
                    let turned: Vec<T> = if *is_turned {
                        (0..heads).flat_map(|head| transposed(&w[head * a * b..], a, b)).collect()
                    } else {
                        Vec::new()
                    };
                    let w = if *is_turned { &turned } else { w };
                    let (n_in, n_out) = if *is_turned { (b, a) } else { (a, b) };
                    debug_assert_eq!(x_axes, [heads, n_in]);
                    let mut out = vec![T::ZERO; rows * width];
                    let shared = crate::kernels::custom::Shared::new(&mut out);
                    crate::kernels::parallel::each_block(rows, 256, rows * heads * a * b / 8, |block| {
                        for head in 0..heads {
                            let x = &x[block.start * heads * n_in..];
                            if summation.is_reproducible() {
                                let matrix = &w[head * n_in * n_out..][..n_in * n_out];
                                let of_head = x.chunks_exact((heads * n_in).max(1)).take(block.len());
                                let x: Vec<T> =
                                    of_head.flat_map(|row| &row[head * n_in..][..n_in]).copied().collect();
                                let y = product_rows(block.len(), n_in, n_out, &x, matrix, summation);
                                for (row, y) in block.clone().zip(y.chunks_exact(n_out.max(1))) {
                                    let start = row * width + head * n_out;
                                    // SAFETY: blocks and heads have parts of their own.
                                    unsafe { shared.part(start..start + n_out) }.copy_from_slice(y);
                                }
                                continue;
                            }
                            let columns = head * n_in..(head + 1) * n_in;
                            let a = Mat::columns(x, block.len(), columns, heads * n_in);
                            let b = Mat::new(&w[head * n_in * n_out..][..n_in * n_out], n_in, n_out, n_out);
                            // SAFETY: blocks and heads have parts of their own.
                            unsafe {
                                product_to(shared.at(block.start * width + head * n_out), width, a, b, false);
                            }
                        }
                    });
                    out
                }
                _ => unreachable!("weights of two or three axes"),
            }
        }
        Op::Alike { how, x } => {
            let x = read(*x);
            let groups = topology.alike();
            let mut out = vec![T::ZERO; rows * width];
            let shared = crate::kernels::custom::Shared::new(&mut out);
            let n_groups = groups.offsets.len() - 1;
            each(n_groups.div_ceil(GROUPS), rows * width, |job| {
                let (mut grids, mut sums) = (vec![0.0; width], vec![0.0; width]);
                for group in job * GROUPS..((job + 1) * GROUPS).min(n_groups) {
                    let entries =
                        &groups.entries[groups.offsets[group] as usize..groups.offsets[group + 1] as usize];
                    let of_group = entries.iter().map(|&entry| &x[entry as usize * width..][..width]);
                    match how {
                        Reduce::Mul => {
                            let mut products = vec![T::ONE; width];
                            product_of_factors(
                                of_group,
                                summation.is_reproducible(),
                                &mut grids,
                                &mut products,
                            );
                            sums.iter_mut().zip(&products).for_each(|(sum, x)| *sum = x.wide());
                        }
                        Reduce::Max => {
                            sums.fill(f64::NEG_INFINITY);
                            of_group.for_each(|row| {
                                sums.iter_mut().zip(row).for_each(|(sum, x)| *sum = sum.max(x.wide()));
                            });
                        }
                        Reduce::Sum if summation.is_reproducible() => {
                            let terms = of_group.map(|row| (T::ONE, row));
                            sum_rows(entries.len(), terms, &mut grids, &mut sums);
                        }
                        Reduce::Sum => {
                            sums.fill(0.0);
                            of_group.for_each(|row| {
                                sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x.wide());
                            });
                        }
                    }
                    for &entry in entries {
                        let entry = entry as usize;
                        // SAFETY: every entry is in one group, so its row is written once.
                        let row = unsafe { shared.part(entry * width..(entry + 1) * width) };
                        row.iter_mut().zip(&sums).for_each(|(out, &sum)| *out = T::of(sum));
                    }
                }
            });
            out
        }
        Op::Below { x, index } => {
            let x = read(*x);
            let all = [0, rows as u32];
            let offsets: &[u32] = match index {
                Index::Graph => &topology.offsets,
                Index::Target => topology.target_offsets(),
                Index::All => &all,
                Index::Source => unreachable!("entries stand by their targets"),
            };
            let n_groups = offsets.len() - 1;
            let of_job = if *index == Index::Target { GROUPS } else { 1 };
            let mut out = vec![T::ZERO; rows * width];
            let shared = crate::kernels::custom::Shared::new(&mut out);
            each(n_groups.div_ceil(of_job), 8 * rows * width, |job| {
                let mut order = Vec::new();
                for group in job * of_job..((job + 1) * of_job).min(n_groups) {
                    let part = offsets[group] as usize * width..offsets[group + 1] as usize * width;
                    // SAFETY: groups have rows of their own.
                    below(&x[part.clone()], width, &mut order, unsafe { shared.part(part) });
                }
            });
            out
        }
        Op::Outer { a, b, index: Index::All } => {
            let (a_axes, b_axes) = (axes(*a), axes(*b));
            let (p, q) = (*a_axes.last().expect("an axis"), *b_axes.last().expect("an axis"));
            let heads: usize = a_axes[..a_axes.len() - 1].iter().product();
            let (a, b) = (read(*a), read(*b));
            let n = a.len().checked_div(heads * p).unwrap_or(0);
            let partials = map_chunks(n, n * heads * p * q / 4, |rows| {
                let mut sum = vec![T::ZERO; heads * p * q];
                for head in 0..heads {
                    let left = Mat::columns(
                        &a[rows.start * heads * p..],
                        rows.len(),
                        head * p..(head + 1) * p,
                        heads * p,
                    );
                    let right = Mat::columns(
                        &b[rows.start * heads * q..],
                        rows.len(),
                        head * q..(head + 1) * q,
                        heads * q,
                    );
                    let out = &mut sum[head * p * q..][..p * q];
                    // SAFETY: a matrix of `[p, q]` that is borrowed mutably.
                    unsafe { product_to(out.as_mut_ptr(), q, left.transposed(), right, false) };
                }
                sum
            });
            sum_partials(partials, heads * p * q)
        }
        Op::Outer { a, b, index: Index::Graph } => {
            let (p, q) = (axes(*a).iter().product::<usize>(), axes(*b).iter().product::<usize>());
            let (a, b) = (read(*a), read(*b));
            let offsets = &topology.offsets;
            let graphs = map_each(topology.n_graphs(), a.len() * q / 4, |graph| {
                let rows = offsets[graph] as usize..offsets[graph + 1] as usize;
                let mut sum = vec![T::ZERO; p * q];
                if summation.is_reproducible() {
                    let (a, b) = (&a[rows.start * p..rows.end * p], &b[rows.start * q..rows.end * q]);
                    sum_products(a, b, rows.len(), p, &mut sum);
                    return sum;
                }
                for start in rows.clone().step_by(GRAPH_ROWS) {
                    let end = (start + GRAPH_ROWS).min(rows.end);
                    let left = Mat::new(&a[start * p..end * p], end - start, p, p).transposed();
                    let right = Mat::new(&b[start * q..end * q], end - start, q, q);
                    // SAFETY: a matrix of `[p, q]` of its own.
                    unsafe { product_to(sum.as_mut_ptr(), q, left, right, true) };
                }
                sum
            });
            graphs.concat()
        }
        Op::Outer { .. } => unreachable!("products are summed over graphs or over all rows"),
        Op::Apply { a, y, index: Index::Graph, transposed: is_turned } => {
            let p = axes(*a).iter().product::<usize>();
            let q = width;
            let (a, y) = (read(*a), read(*y));
            let offsets = &topology.offsets;
            let mut out = vec![T::ZERO; rows * q];
            let shared = crate::kernels::custom::Shared::new(&mut out);
            each(topology.n_graphs(), rows * p * q / 4, |graph| {
                let rows = offsets[graph] as usize..offsets[graph + 1] as usize;
                let matrix = &y[graph * p * q..][..p * q];
                let right = if *is_turned {
                    Mat::new(matrix, q, p, p).transposed()
                } else {
                    Mat::new(matrix, p, q, q)
                };
                if summation.is_reproducible() {
                    let turned = if *is_turned { transposed(matrix, q, p) } else { Vec::new() };
                    let matrix = if *is_turned { &turned } else { matrix };
                    let y = product_rows(rows.len(), p, q, &a[rows.start * p..], matrix, summation);
                    // SAFETY: graphs have rows of their own.
                    unsafe { shared.part(rows.start * q..rows.end * q) }.copy_from_slice(&y);
                    return;
                }
                let left = Mat::new(&a[rows.start * p..rows.end * p], rows.len(), p, p);
                // SAFETY: graphs have rows of their own.
                unsafe { product_to(shared.at(rows.start * q), q, left, right, false) };
            });
            out
        }
        Op::Apply { .. } => unreachable!("matrices belong to graphs"),
        Op::Gather { x, .. } => {
            let x = read(*x);
            let graph_of = topology.graph_of();
            // SAFETY: every row is written.
            unsafe {
                fill_rows(rows, width, rows * width, |rows, out| {
                    for (row, out) in rows.zip(out.chunks_exact_mut(width.max(1))) {
                        out.copy_from_slice(&x[graph_of[row] as usize * width..][..width]);
                    }
                })
            }
        }
        Op::Reduce { how, x, index: Index::All } => {
            let from = program.value(*x).space;
            let x = read(*x);
            let n = n_rows(topology, from);
            match how {
                Reduce::Sum => {
                    let partials = map_chunks(n, n * width, |rows| {
                        let mut sums = vec![0.0; width];
                        add_column_sums(&x[rows.start * width..rows.end * width], &mut sums);
                        sums
                    });
                    rounded(&sum_partials(partials, width))
                }
                Reduce::Max => largest(x, width),
                // Over every row in their order, as the rows of one graph.
                Reduce::Mul => products(x, width, summation),
            }
        }
        Op::Reduce { how, x, index: Index::Graph } => {
            let x = read(*x);
            let offsets = &topology.offsets;
            let graphs = map_each(topology.n_graphs(), x.len(), |graph| {
                let x = &x[offsets[graph] as usize * width..offsets[graph + 1] as usize * width];
                match how {
                    Reduce::Max => largest(x, width),
                    Reduce::Mul => products(x, width, summation),
                    Reduce::Sum if width == 0 => Vec::new(),
                    Reduce::Sum if summation.is_reproducible() => {
                        let (mut grids, mut sums) = (vec![0.0; width], vec![0.0; width]);
                        let terms = x.chunks_exact(width).map(|row| (T::ONE, row));
                        sum_rows(x.len() / width, terms, &mut grids, &mut sums);
                        rounded(&sums)
                    }
                    Reduce::Sum => {
                        let mut sums = vec![0.0; width];
                        add_column_sums(x, &mut sums);
                        rounded(&sums)
                    }
                }
            });
            graphs.concat()
        }
        op => unreachable!("{op:?} goes by blocks"),
    }
}

fn product_rows<T: Float>(
    n: usize,
    n_in: usize,
    n_out: usize,
    x: &[T],
    w: &[T],
    summation: Summation,
) -> Vec<T> {
    // SAFETY: the product writes all of `out`.
    unsafe {
        fill_rows(n, n_out, n * n_in * n_out / 8, |rows, out| {
            let x = &x[rows.start * n_in..];
            product_of_rows(summation, rows.len(), n_in, n_out, x, w, out, Start::Zero, Activation::Identity);
        })
    }
}

/// Rows that are compared with each other instead of sorted.
const FEW: usize = 12;

/// How many numbers of its column are smaller than each. `order` is room.
fn below<T: Float>(x: &[T], width: usize, order: &mut Vec<(f64, u32)>, out: &mut [T]) {
    let n = x.len().checked_div(width).unwrap_or(0);
    for col in 0..width {
        let at = |row: usize| x[row * width + col].wide();
        if n <= FEW {
            for row in 0..n {
                let smaller = (0..n).filter(|&other| at(other) < at(row)).count();
                out[row * width + col] = T::of(smaller as f64);
            }
            continue;
        }
        order.clear();
        order.extend((0..n).map(|row| (at(row), row as u32)));
        order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut smaller = 0;
        for equal in order.chunk_by(|a, b| a.0 == b.0) {
            for &(_, row) in equal {
                out[row as usize * width + col] = T::of(smaller as f64);
            }
            smaller += equal.len();
        }
    }
}

/// The largest of each column; 0 where there are no rows.
fn largest<T: Float>(x: &[T], width: usize) -> Vec<T> {
    let mut rows = x.chunks_exact(width.max(1));
    let Some(first) = rows.next() else { return vec![T::ZERO; width] };
    let mut largest = first.to_vec();
    for row in rows {
        for (largest, &x) in largest.iter_mut().zip(row) {
            *largest = largest.greater(x);
        }
    }
    largest
}

/// The product of each column; 1 where there are no rows.
fn products<T: Float>(x: &[T], width: usize, summation: Summation) -> Vec<T> {
    let mut out = vec![T::ONE; width];
    let rows = x.chunks_exact(width.max(1));
    product_of_factors(rows, summation.is_reproducible(), &mut Vec::new(), &mut out);
    out
}

fn count<T: Float>(index: Index, topology: &Topology) -> Vec<T> {
    let by_offsets =
        |offsets: &[u32]| offsets.windows(2).map(|pair| T::of(f64::from(pair[1] - pair[0]))).collect();
    match index {
        Index::Target => by_offsets(topology.target_offsets()),
        Index::Source => by_offsets(topology.source_offsets()),
        Index::Graph => by_offsets(&topology.offsets),
        Index::All => vec![T::of(topology.n_rows() as f64)],
    }
}
