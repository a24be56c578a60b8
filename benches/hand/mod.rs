//! Two bodies without a built-in twin, as loops over edges that someone would write for them alone: nothing is stored an
//! edge beside a number, rows are summed in order, blocks of rows run on all threads. Matrix products of nodes are the
//! project's own on both sides.

use crate::layer::{Batch, EDGE_WIDTH, WIDTH, Workload};
use candle_core::{Device, Result, Storage, Tensor, Var};
use hgnn::kernels::graph::SparseGraph;
use hgnn::kernels::{Activation, Float, linear, tape, threads};
use hgnn::lower::{ForwardCx, Network};
use multiversion::multiversion;
use std::collections::HashMap;
use std::ops::Range;

/// A body, its call, and how its loops take their weights from the network of that call.
type Body = (&'static str, &'static str, &'static str, fn(&Network) -> Box<dyn Loops>);

pub static BODIES: &[Body] = &[
    (
        "gated",
        "conv gated(out) {
            message   = sigmoid(linear(out, x_i, x_j, e_ij)) * linear(out, x_j)
            aggregate = mean
            update    = relu(linear(out, x_i) + aggregated)
        }",
        "gated(64, edge = edges)",
        |network| Box::new(Gated::of(network)),
    ),
    (
        "near",
        "conv near(out) {
            q         = linear(out, x)
            v         = linear(out, x)
            message   = softmax(-dot(q_i - q_j, q_i - q_j)) * v_j
            aggregate = sum
        }",
        "near(64)",
        |network| Box::new(Near::of(network)),
    ),
];

/// What loops make of a batch: the result, and where gradients are asked for those of the node features and, by name,
/// of the weights.
pub struct Step {
    pub y: Vec<f32>,
    pub of_x: Option<Tensor>,
    pub of_weights: HashMap<&'static str, Vec<f32>>,
}

pub trait Loops {
    fn step(&mut self, batch: &Batch, has_gradients: bool) -> Result<Step>;
}

/// Holds the loops to the network, so that both sides of the bench compute the same.
///
/// # Panics
/// Where they differ by more than rounding.
pub fn assert_same(network: &Network, loops: &mut dyn Loops, workload: &Workload) {
    let batch = &workload.batches[0];
    let step = loops.step(batch, true).expect("runs");
    let y = network.forward(&batch.batch, &mut ForwardCx::training(1, &[])).expect("runs").x;
    let gradients = tape::backward_from(&y, &batch.ones).expect("runs");
    assert_close("result", &step.y, &numbers(&y));
    let of_x = gradients.get(&batch.x).expect("a gradient");
    assert_close("gradient of x", &numbers(&step.of_x.expect("a gradient")), &numbers(of_x));
    for (name, own) in &step.of_weights {
        let theirs = gradients.get(&weight(network, name)).expect("a gradient");
        assert_close(name, own, &numbers(theirs));
    }
}

/// As vectors: where a rectifier's operand is 0 but for rounding, single numbers of a gradient differ.
fn assert_close(what: &str, ours: &[f32], theirs: &[f32]) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let length = |numbers: &mut dyn Iterator<Item = f64>| numbers.map(|x| x * x).sum::<f64>().sqrt();
    let off = length(&mut ours.iter().zip(theirs).map(|(a, b)| f64::from(a - b)));
    let size = length(&mut theirs.iter().map(|&x| f64::from(x)));
    assert!(off <= 1e-2 * size, "{what}: off by {off:e} of {size:e}");
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().expect("numbers").to_vec1().expect("numbers")
}

fn weight(network: &Network, name: &str) -> Var {
    let suffix = format!(".conv.{name}");
    let mut found = network.parameters().iter().filter(|parameter| parameter.name.ends_with(&suffix));
    found.next().unwrap_or_else(|| panic!("no `{name}`")).var.clone()
}

/// A tensor of nodes or edges as numbers.
fn with_numbers<R>(tensor: &Tensor, run: impl FnOnce(&[f32]) -> R) -> R {
    let (storage, layout) = tensor.storage_and_layout();
    let (start, end) = layout.contiguous_offsets().expect("contiguous");
    let Storage::Cpu(storage) = &*storage else { panic!("on the CPU") };
    run(&storage.as_slice::<f32>().expect("f32")[start..end])
}

/// Rows of one block.
const ROWS: usize = 256;

/// Memory that blocks of rows write, each its own.
struct Rows(*mut f32, usize);
// SAFETY: blocks are disjoint.
unsafe impl Sync for Rows {}

impl Rows {
    fn new(values: &mut [f32]) -> Self {
        Self(values.as_mut_ptr(), values.len())
    }
    /// # Safety
    /// No two ranges in use at the same time overlap.
    #[allow(clippy::mut_from_ref)]
    unsafe fn part(&self, numbers: Range<usize>) -> &mut [f32] {
        assert!(numbers.start <= numbers.end && numbers.end <= self.1);
        // SAFETY: inside the memory, disjoint by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(numbers.start), numbers.len()) }
    }
}

fn blocks(n_rows: usize, run: impl Fn(Range<usize>) + Sync) {
    threads::each(n_rows.div_ceil(ROWS), &|block| run(block * ROWS..((block + 1) * ROWS).min(n_rows)));
}

/// What loops read of a graph.
#[derive(Clone, Copy)]
struct Graph<'a> {
    offsets: &'a [u32],
    sources: &'a [u32],
    turned_offsets: &'a [u32],
    targets: &'a [u32],
    /// Of each entry of the transpose, the edge.
    entries: &'a [u32],
}

/// The transpose's entries, worked out once for each batch.
#[derive(Default)]
struct Turned(HashMap<*const SparseGraph, Vec<u32>>);

impl Turned {
    fn of<'a>(&'a mut self, graph: &'a SparseGraph) -> Graph<'a> {
        let entries =
            self.0.entry(std::ptr::from_ref(graph)).or_insert_with(|| graph.adjacency.transpose_entries());
        Graph {
            offsets: &graph.adjacency.offsets,
            sources: &graph.adjacency.indices,
            turned_offsets: &graph.transpose.offsets,
            targets: &graph.transpose.indices,
            entries,
        }
    }
}

fn edges_of(offsets: &[u32], row: usize) -> Range<usize> {
    offsets[row] as usize..offsets[row + 1] as usize
}

/// A row of `WIDTH` numbers, at a place in rows of `width`.
#[inline(always)]
fn row(values: &[f32], width: usize, row: usize, part: usize) -> &[f32; WIDTH] {
    values[row * width + part * WIDTH..][..WIDTH].try_into().expect("a row")
}

/// Matrices side by side: `[WIDTH, n · WIDTH]`.
fn side_by_side(parts: &[Tensor]) -> Var {
    Var::from_tensor(&Tensor::cat(parts, 1).expect("memory")).expect("memory")
}

/// `σ(A_i + B_j + W e_ij) V_j`, their mean, and `relu(U_i + ·)`.
struct Gated {
    /// `[A | B | V | U]`
    nodes: Var,
    bias: Var,
    edge: Var,
    turned: Turned,
}

impl Gated {
    const PARTS: usize = 4;

    fn of(network: &Network) -> Self {
        let gate = weight(network, "message.linear1.weight");
        let rows = |start: usize, len: usize| gate.narrow(0, start, len).expect("rows");
        let zeros = Tensor::zeros(WIDTH, candle_core::DType::F32, &Device::Cpu).expect("memory");
        let bias = |name| weight(network, name).as_tensor().clone();
        let biases =
            [bias("message.linear1.bias"), zeros, bias("message.linear2.bias"), bias("update.linear1.bias")];
        Self {
            nodes: side_by_side(&[
                rows(0, WIDTH),
                rows(WIDTH, WIDTH),
                weight(network, "message.linear2.weight").as_tensor().clone(),
                weight(network, "update.linear1.weight").as_tensor().clone(),
            ]),
            bias: Var::from_tensor(&Tensor::cat(&biases, 0).expect("memory")).expect("memory"),
            edge: Var::from_tensor(&rows(2 * WIDTH, EDGE_WIDTH)).expect("memory"),
            turned: Turned::default(),
        }
    }
}

/// `σ(A_i + B_j + W e)` of one edge.
#[inline(always)]
fn gate(a: &[f32; WIDTH], b: &[f32; WIDTH], w: &[f32], e: &[f32]) -> [f32; WIDTH] {
    let mut s = [0.0; WIDTH];
    for i in 0..WIDTH {
        s[i] = a[i] + b[i];
    }
    for k in 0..EDGE_WIDTH {
        let (e, w) = (e[k], &w[k * WIDTH..][..WIDTH]);
        for i in 0..WIDTH {
            s[i] += e * w[i];
        }
    }
    for s in &mut s {
        *s = 1.0 / (1.0 + Float::exp(-*s));
    }
    s
}

#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn gated_rows(graph: Graph, p: &[f32], e: &[f32], w: &[f32], rows: Range<usize>, y: &mut [f32]) {
    let width = Gated::PARTS * WIDTH;
    for (target, y) in rows.zip(y.chunks_exact_mut(WIDTH)) {
        let edges = edges_of(graph.offsets, target);
        let n = edges.len().max(1) as f32;
        let a = row(p, width, target, 0);
        let mut sum = [0.0; WIDTH];
        for edge in edges {
            let source = graph.sources[edge] as usize;
            let s = gate(a, row(p, width, source, 1), w, &e[edge * EDGE_WIDTH..][..EDGE_WIDTH]);
            let v = row(p, width, source, 2);
            for i in 0..WIDTH {
                sum[i] += s[i] * v[i];
            }
        }
        let u = row(p, width, target, 3);
        for i in 0..WIDTH {
            y[i] = (u[i] + sum[i] / n).max(0.0);
        }
    }
}

/// Gradients of `A` and `U`, and of the weights of edges: the last are `[EDGE_WIDTH, WIDTH]` of the block. `g` becomes the
/// gradient of the messages.
#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
#[allow(clippy::too_many_arguments)]
fn gated_back_rows(
    graph: Graph,
    p: &[f32],
    e: &[f32],
    w: &[f32],
    y: &[f32],
    upstream: &[f32],
    rows: Range<usize>,
    of_p: &mut [f32],
    g: &mut [f32],
    of_w: &mut [f32; EDGE_WIDTH * WIDTH],
) {
    let width = Gated::PARTS * WIDTH;
    let both = of_p.chunks_exact_mut(width).zip(g.chunks_exact_mut(WIDTH));
    for (target, (of_p, g)) in rows.zip(both) {
        let edges = edges_of(graph.offsets, target);
        let n = edges.len().max(1) as f32;
        let (y, upstream) = (row(y, WIDTH, target, 0), row(upstream, WIDTH, target, 0));
        for i in 0..WIDTH {
            let through = if y[i] > 0.0 { upstream[i] } else { 0.0 };
            of_p[3 * WIDTH + i] = through;
            g[i] = through / n;
        }
        let a = row(p, width, target, 0);
        let mut sum = [0.0; WIDTH];
        for edge in edges {
            let source = graph.sources[edge] as usize;
            let e = &e[edge * EDGE_WIDTH..][..EDGE_WIDTH];
            let s = gate(a, row(p, width, source, 1), w, e);
            let v = row(p, width, source, 2);
            let mut inner = [0.0; WIDTH];
            for i in 0..WIDTH {
                inner[i] = g[i] * v[i] * s[i] * (1.0 - s[i]);
                sum[i] += inner[i];
            }
            for k in 0..EDGE_WIDTH {
                let (e, of_w) = (e[k], &mut of_w[k * WIDTH..][..WIDTH]);
                for i in 0..WIDTH {
                    of_w[i] += e * inner[i];
                }
            }
        }
        of_p[..WIDTH].copy_from_slice(&sum);
    }
}

/// Gradients of `B` and `V`.
#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn gated_back_sources(
    graph: Graph,
    p: &[f32],
    e: &[f32],
    w: &[f32],
    g: &[f32],
    rows: Range<usize>,
    of_p: &mut [f32],
) {
    let width = Gated::PARTS * WIDTH;
    for (source, of_p) in rows.zip(of_p.chunks_exact_mut(width)) {
        let (b, v) = (row(p, width, source, 1), row(p, width, source, 2));
        let (mut of_b, mut of_v) = ([0.0; WIDTH], [0.0; WIDTH]);
        for entry in edges_of(graph.turned_offsets, source) {
            let (target, edge) = (graph.targets[entry] as usize, graph.entries[entry] as usize);
            let s = gate(row(p, width, target, 0), b, w, &e[edge * EDGE_WIDTH..][..EDGE_WIDTH]);
            let g = row(g, WIDTH, target, 0);
            for i in 0..WIDTH {
                of_v[i] += g[i] * s[i];
                of_b[i] += g[i] * v[i] * s[i] * (1.0 - s[i]);
            }
        }
        of_p[WIDTH..2 * WIDTH].copy_from_slice(&of_b);
        of_p[2 * WIDTH..3 * WIDTH].copy_from_slice(&of_v);
    }
}

impl Loops for Gated {
    fn step(&mut self, batch: &Batch, has_gradients: bool) -> Result<Step> {
        let Self { nodes, bias, edge, turned } = self;
        let graph = &*batch.batch.graph;
        let (n, graph) = (graph.n_nodes(), turned.of(graph));
        let x = &batch.batch.x;
        let p = products(x, nodes, bias, has_gradients)?;
        let mut y = vec![0.0; n * WIDTH];
        let (mut of_p, mut of_edge) = (Vec::new(), vec![0.0; EDGE_WIDTH * WIDTH]);
        let edge_x = batch.batch.edge_x.as_ref().expect("edges have features");
        with_numbers(&p, |p| {
            with_numbers(edge_x, |e| {
                with_numbers(edge, |w| {
                    let out = Rows::new(&mut y);
                    blocks(n, |rows| {
                        // SAFETY: blocks are disjoint.
                        let y = unsafe { out.part(rows.start * WIDTH..rows.end * WIDTH) };
                        gated_rows(graph, p, e, w, rows, y);
                    });
                    if !has_gradients {
                        return;
                    }
                    let width = Self::PARTS * WIDTH;
                    of_p = vec![0.0; n * width];
                    let (mut g, mut partials) =
                        (vec![0.0; n * WIDTH], vec![0.0; n.div_ceil(ROWS) * of_edge.len()]);
                    with_numbers(&batch.ones, |upstream| {
                        let (of_p, g, parts) =
                            (Rows::new(&mut of_p), Rows::new(&mut g), Rows::new(&mut partials));
                        blocks(n, |rows| {
                            let block = rows.start / ROWS * EDGE_WIDTH * WIDTH;
                            // SAFETY: blocks are disjoint.
                            let (of_p, g, of_w) = unsafe {
                                (
                                    of_p.part(rows.start * width..rows.end * width),
                                    g.part(rows.start * WIDTH..rows.end * WIDTH),
                                    parts.part(block..block + EDGE_WIDTH * WIDTH),
                                )
                            };
                            let of_w = of_w.try_into().expect("one block's");
                            gated_back_rows(graph, p, e, w, &y, upstream, rows, of_p, g, of_w);
                        });
                    });
                    let of_p = Rows::new(&mut of_p);
                    blocks(n, |rows| {
                        // SAFETY: blocks are disjoint.
                        let of_p = unsafe { of_p.part(rows.start * width..rows.end * width) };
                        gated_back_sources(graph, p, e, w, &g, rows, of_p);
                    });
                    for part in partials.chunks_exact(of_edge.len()) {
                        of_edge.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
                    }
                });
            });
        });
        if !has_gradients {
            return Ok(Step { y, of_x: None, of_weights: HashMap::new() });
        }
        let gradients = tape::backward_from(&p, &Tensor::from_vec(of_p, p.shape(), &Device::Cpu)?)?;
        let of_nodes = gradients.get(nodes).expect("a gradient");
        let columns = |part: usize| of_nodes.narrow(1, part * WIDTH, WIDTH);
        let of_gate = [numbers(&columns(0)?), numbers(&columns(1)?), of_edge].concat();
        let of_weights = [
            ("message.linear1.weight", of_gate),
            ("message.linear2.weight", numbers(&columns(2)?)),
            ("update.linear1.weight", numbers(&columns(3)?)),
        ];
        Ok(Step { y, of_x: gradients.get(x).cloned(), of_weights: HashMap::from(of_weights) })
    }
}

/// `x W + b`, remembered where gradients are wanted.
fn products(x: &Tensor, w: &Var, bias: &Var, has_gradients: bool) -> Result<Tensor> {
    if has_gradients {
        tape::start();
        return linear(x, w, Some(bias), Activation::Identity);
    }
    tape::stop();
    linear(&x.detach(), &w.as_tensor().detach(), Some(&bias.as_tensor().detach()), Activation::Identity)
}

/// `Σ_j softmax_j(−‖q_i − q_j‖²) v_j`
struct Near {
    /// `[q | v]`
    nodes: Var,
    bias: Var,
    turned: Turned,
}

impl Near {
    const PARTS: usize = 2;

    fn of(network: &Network) -> Self {
        let of = |name| weight(network, name).as_tensor().clone();
        let biases = [of("node1.linear1.bias"), of("node2.linear1.bias")];
        Self {
            nodes: side_by_side(&[of("node1.linear1.weight"), of("node2.linear1.weight")]),
            bias: Var::from_tensor(&Tensor::cat(&biases, 0).expect("memory")).expect("memory"),
            turned: Turned::default(),
        }
    }
}

/// `Σ f(a, b)`, in sixteen parts that become one at the end.
#[inline(always)]
fn sum_of(a: &[f32; WIDTH], b: &[f32; WIDTH], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut parts = [0.0; 16];
    for k in (0..WIDTH).step_by(16) {
        for i in 0..16 {
            parts[i] += f(a[k + i], b[k + i]);
        }
    }
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            parts[i] += parts[half + i];
        }
    }
    parts[0]
}

/// The result of some rows, and of their edges the shares.
#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn near_rows(graph: Graph, p: &[f32], rows: Range<usize>, y: &mut [f32], shares: &mut [f32]) {
    let width = Near::PARTS * WIDTH;
    let first = graph.offsets[rows.start] as usize;
    for (target, y) in rows.zip(y.chunks_exact_mut(WIDTH)) {
        let edges = edges_of(graph.offsets, target);
        let q = row(p, width, target, 0);
        let shares = &mut shares[edges.start - first..edges.end - first];
        let sources = &graph.sources[edges];
        let mut largest = f32::NEG_INFINITY;
        for (share, &source) in shares.iter_mut().zip(sources) {
            *share = -sum_of(q, row(p, width, source as usize, 0), |a, b| (a - b) * (a - b));
            largest = largest.max(*share);
        }
        let mut total = 0.0;
        for share in &mut *shares {
            *share = Float::exp(*share - largest);
            total += *share;
        }
        let mut sum = [0.0; WIDTH];
        for (share, &source) in shares.iter_mut().zip(sources) {
            *share /= total;
            let v = row(p, width, source as usize, 1);
            for i in 0..WIDTH {
                sum[i] += *share * v[i];
            }
        }
        y.copy_from_slice(&sum);
    }
}

/// The gradient of `q` as a target, and of the edges that of their scores.
#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn near_back_rows(
    graph: Graph,
    p: &[f32],
    upstream: &[f32],
    shares: &[f32],
    rows: Range<usize>,
    of_p: &mut [f32],
    of_scores: &mut [f32],
) {
    let width = Near::PARTS * WIDTH;
    let first = graph.offsets[rows.start] as usize;
    for (target, of_p) in rows.zip(of_p.chunks_exact_mut(width)) {
        let edges = edges_of(graph.offsets, target);
        let of_scores = &mut of_scores[edges.start - first..edges.end - first];
        let (shares, sources) = (&shares[edges.clone()], &graph.sources[edges]);
        let (g, q) = (row(upstream, WIDTH, target, 0), row(p, width, target, 0));
        let mut total = 0.0;
        for ((of_score, &source), &share) in of_scores.iter_mut().zip(sources).zip(shares) {
            *of_score = sum_of(g, row(p, width, source as usize, 1), |a, b| a * b);
            total += share * *of_score;
        }
        let mut sum = [0.0; WIDTH];
        for ((of_score, &source), &share) in of_scores.iter_mut().zip(sources).zip(shares) {
            *of_score = share * (*of_score - total);
            let (slope, other) = (-2.0 * *of_score, row(p, width, source as usize, 0));
            for i in 0..WIDTH {
                sum[i] += slope * (q[i] - other[i]);
            }
        }
        of_p[..WIDTH].copy_from_slice(&sum);
    }
}

/// Gradients of `q` and `v` as sources; that of `q` is added.
#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn near_back_sources(
    graph: Graph,
    p: &[f32],
    upstream: &[f32],
    shares: &[f32],
    of_scores: &[f32],
    rows: Range<usize>,
    of_p: &mut [f32],
) {
    let width = Near::PARTS * WIDTH;
    for (source, of_p) in rows.zip(of_p.chunks_exact_mut(width)) {
        let q = row(p, width, source, 0);
        let (mut of_q, mut of_v) = ([0.0; WIDTH], [0.0; WIDTH]);
        for entry in edges_of(graph.turned_offsets, source) {
            let (target, edge) = (graph.targets[entry] as usize, graph.entries[entry] as usize);
            let (g, other) = (row(upstream, WIDTH, target, 0), row(p, width, target, 0));
            let (share, slope) = (shares[edge], 2.0 * of_scores[edge]);
            for i in 0..WIDTH {
                of_v[i] += share * g[i];
                of_q[i] += slope * (other[i] - q[i]);
            }
        }
        for i in 0..WIDTH {
            of_p[i] += of_q[i];
        }
        of_p[WIDTH..].copy_from_slice(&of_v);
    }
}

impl Loops for Near {
    fn step(&mut self, batch: &Batch, has_gradients: bool) -> Result<Step> {
        let Self { nodes, bias, turned } = self;
        let graph = &*batch.batch.graph;
        let (n, n_edges, graph) = (graph.n_nodes(), graph.n_edges(), turned.of(graph));
        let x = &batch.batch.x;
        let p = products(x, nodes, bias, has_gradients)?;
        let (mut y, mut shares) = (vec![0.0; n * WIDTH], vec![0.0; n_edges]);
        let of_edges =
            |rows: &Range<usize>| graph.offsets[rows.start] as usize..graph.offsets[rows.end] as usize;
        let mut of_p = Vec::new();
        with_numbers(&p, |p| {
            let (out, of_rows) = (Rows::new(&mut y), Rows::new(&mut shares));
            blocks(n, |rows| {
                // SAFETY: blocks are disjoint.
                let (y, shares) = unsafe {
                    (out.part(rows.start * WIDTH..rows.end * WIDTH), of_rows.part(of_edges(&rows)))
                };
                near_rows(graph, p, rows, y, shares);
            });
            if !has_gradients {
                return;
            }
            let width = Self::PARTS * WIDTH;
            of_p = vec![0.0; n * width];
            let mut of_scores = vec![0.0; n_edges];
            let of_p = Rows::new(&mut of_p);
            with_numbers(&batch.ones, |upstream| {
                let scores = Rows::new(&mut of_scores);
                blocks(n, |rows| {
                    // SAFETY: blocks are disjoint.
                    let (of_p, of_scores) = unsafe {
                        (of_p.part(rows.start * width..rows.end * width), scores.part(of_edges(&rows)))
                    };
                    near_back_rows(graph, p, upstream, &shares, rows, of_p, of_scores);
                });
                blocks(n, |rows| {
                    // SAFETY: blocks are disjoint.
                    let of_p = unsafe { of_p.part(rows.start * width..rows.end * width) };
                    near_back_sources(graph, p, upstream, &shares, &of_scores, rows, of_p);
                });
            });
        });
        if !has_gradients {
            return Ok(Step { y, of_x: None, of_weights: HashMap::new() });
        }
        let gradients = tape::backward_from(&p, &Tensor::from_vec(of_p, p.shape(), &Device::Cpu)?)?;
        let of_nodes = gradients.get(nodes).expect("a gradient");
        let columns =
            |part: usize| Ok::<_, candle_core::Error>(numbers(&of_nodes.narrow(1, part * WIDTH, WIDTH)?));
        let of_weights = [("node1.linear1.weight", columns(0)?), ("node2.linear1.weight", columns(1)?)];
        Ok(Step { y, of_x: gradients.get(x).cloned(), of_weights: HashMap::from(of_weights) })
    }
}
