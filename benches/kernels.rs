//! Each kernel against the same written with plain Candle operators, on data of the size of a PROTEINS batch.
//!
//! `cargo bench --bench kernels [-- PART OF A NAME]`

use candle_core::{D, DType, Device, Result, Tensor, Var};
use hgnn::kernels::graph::{Csr, SparseGraph};
use hgnn::kernels::{self, Activation, Norm, Reduce, tape};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Graphs a batch, nodes a graph, incoming edges a node: PROTEINS has 39.1 and 3.7.
const N_GRAPHS: usize = 64;
const GRAPH_NODES: usize = 39;
const HALF_DEGREE: usize = 2;
const WIDTH: usize = 64;

fn main() {
    let filter = std::env::args().skip(1).find(|arg| !arg.starts_with('-')).unwrap_or_default();
    hgnn::memory::keep_pages();
    hgnn::cli::threads::set_up(None);
    run(&filter).expect("the kernels take these inputs");
}

/// A kernel, or the same out of plain Candle operators.
type Run = Box<dyn Fn(&[Tensor]) -> Result<Tensor>>;

/// One kernel and the plain operators that do the same.
struct Case {
    name: &'static str,
    /// Floating-point operations of the forward pass.
    flops: f64,
    /// Bytes that the forward pass has to read and write at least.
    bytes: f64,
    inputs: Vec<Tensor>,
    ours: Run,
    plain: Run,
}

fn run(filter: &str) -> Result<()> {
    println!("{} threads; fastest calls; GFLOP/s and GB/s of the forward pass", kernels::threads::count());
    println!(
        "{:<22}{:>10}{:>10}{:>9}{:>12}{:>12}{:>9}{:>9}",
        "kernel", "forward", "GFLOP/s", "GB/s", "with grads", "plain", "ratio", "ratio"
    );
    println!(
        "{:<22}{:>10}{:>10}{:>9}{:>12}{:>12}{:>9}{:>9}",
        "", "µs", "", "", "µs", "µs", "forward", "grads"
    );
    for case in cases()?.iter().filter(|case| case.name.contains(filter)) {
        let with_grads = |f: &dyn Fn(&[Tensor]) -> Result<Tensor>| {
            fastest(|| {
                tape::start();
                black_box(tape::backward(&f(&case.inputs)?)?);
                Ok(())
            })
        };
        let forward = |f: &dyn Fn(&[Tensor]) -> Result<Tensor>| {
            fastest(|| {
                black_box(f(&case.inputs)?);
                Ok(())
            })
        };
        let (ours, ours_grads) = (forward(&case.ours)?, with_grads(&case.ours)?);
        let (plain, plain_grads) = (forward(&case.plain)?, with_grads(&case.plain)?);
        println!(
            "{:<22}{:>10.1}{:>10.1}{:>9.1}{:>12.1}{:>12.1}{:>9.1}{:>9.1}",
            case.name,
            ours * 1e6,
            case.flops / ours / 1e9,
            case.bytes / ours / 1e9,
            ours_grads * 1e6,
            plain_grads * 1e6,
            plain / ours,
            plain_grads / ours_grads,
        );
    }
    Ok(())
}

/// Seconds of the fastest call in about half a second: what else runs on the machine only adds to it.
fn fastest(mut f: impl FnMut() -> Result<()>) -> Result<f64> {
    for _ in 0..3 {
        f()?;
    }
    let mut times = Vec::new();
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(400) || times.len() < 5 {
        let call = Instant::now();
        f()?;
        times.push(call.elapsed().as_secs_f64());
    }
    Ok(times.into_iter().fold(f64::INFINITY, f64::min))
}

fn random(shape: &[usize]) -> Result<Tensor> {
    Tensor::randn(0f32, 1.0, shape, &Device::Cpu)
}

fn variable(shape: &[usize]) -> Result<Tensor> {
    Ok(Var::from_tensor(&random(shape)?)?.into_inner())
}

/// Rings in which each node also knows the next but one, as many nodes a graph as PROTEINS has on average.
fn graph() -> (Arc<SparseGraph>, Tensor, Tensor) {
    let (mut offsets, mut indices, mut targets) = (vec![0u32], Vec::new(), Vec::new());
    for graph in 0..N_GRAPHS {
        for node in 0..GRAPH_NODES {
            let mut row: Vec<u32> = (1..=HALF_DEGREE)
                .flat_map(|step| [(node + step) % GRAPH_NODES, (node + GRAPH_NODES - step) % GRAPH_NODES])
                .map(|source| (graph * GRAPH_NODES + source) as u32)
                .collect();
            row.sort();
            targets.extend(row.iter().map(|_| (graph * GRAPH_NODES + node) as u32));
            indices.extend(row);
            offsets.push(indices.len() as u32);
        }
    }
    let sources = Tensor::new(indices.as_slice(), &Device::Cpu).expect("a tensor");
    let targets = Tensor::new(targets.as_slice(), &Device::Cpu).expect("a tensor");
    let adjacency = Arc::new(Csr { offsets, indices, n_cols: N_GRAPHS * GRAPH_NODES });
    let graph_offsets = (0..=N_GRAPHS).map(|graph| (graph * GRAPH_NODES) as u32).collect();
    (Arc::new(SparseGraph::new(adjacency.clone(), adjacency, Arc::new(graph_offsets))), sources, targets)
}

fn cases() -> Result<Vec<Case>> {
    let (graph, sources, targets) = graph();
    let n = graph.n_nodes();
    let n_edges = graph.adjacency.n_entries();
    let degree = (n_edges / n) as f64;
    let offsets = graph.graph_offsets.clone();
    let float = |count: usize| 4.0 * count as f64;
    let mean = {
        let (sources, targets) = (sources.clone(), targets.clone());
        move |x: &Tensor| -> Result<Tensor> {
            let sum = x.zeros_like()?.index_add(&targets, &x.index_select(&sources, 0)?, 0)?;
            sum / degree
        }
    };
    let mut cases = Vec::new();
    let mut case = |name, flops: f64, bytes: f64, inputs: Vec<Tensor>, ours: Run, plain: Run| {
        cases.push(Case { name, flops, bytes, inputs, ours, plain })
    };

    for (name, n_in) in [("linear 64→64", WIDTH), ("linear 3→64", 3), ("linear 192→64", 192)] {
        case(
            name,
            (2 * n * n_in * WIDTH) as f64,
            float(n * (n_in + WIDTH)),
            vec![variable(&[n, n_in])?, variable(&[n_in, WIDTH])?, variable(&[WIDTH])?],
            Box::new(|x| kernels::linear(&x[0], &x[1], Some(&x[2]), Activation::Relu)),
            Box::new(|x| x[0].matmul(&x[1])?.broadcast_add(&x[2])?.relu()),
        );
    }
    let propagated = graph.clone();
    case(
        "propagate mean 64",
        ((n_edges + n) * WIDTH) as f64,
        float((n_edges + n) * WIDTH),
        vec![variable(&[n, WIDTH])?],
        Box::new(move |x| kernels::propagate(&x[0], &propagated, Norm::Mean)),
        Box::new({
            let mean = mean.clone();
            move |x| mean(&x[0])
        }),
    );
    let propagated = graph.clone();
    case(
        "propagate max 64",
        (n_edges * WIDTH) as f64,
        float((n_edges + n) * WIDTH),
        vec![variable(&[n, WIDTH])?],
        Box::new(move |x| kernels::propagate_max(&x[0], &propagated)),
        // Candle has no scatter with a maximum, so each node's neighbours are laid out densely.
        Box::new({
            let sources = sources.clone();
            move |x| x[0].index_select(&sources, 0)?.reshape((n, 2 * HALF_DEGREE, WIDTH))?.max(1)
        }),
    );
    for (name, n_in) in [("gcn layer 64→64", WIDTH), ("gcn layer 3→64", 3)] {
        let convolved = graph.clone();
        let mean = mean.clone();
        // The input features of a model are no variables.
        let x = if n_in == 3 { random(&[n, n_in])? } else { variable(&[n, n_in])? };
        case(
            name,
            (2 * n * n_in * WIDTH + 2 * (n_edges + n) * n_in) as f64,
            float((n_edges + n) * n_in + n * WIDTH),
            vec![x, variable(&[n_in, WIDTH])?, variable(&[WIDTH])?],
            Box::new(move |x| {
                kernels::gcn_layer(
                    &x[0],
                    &convolved,
                    Norm::Gcn { self_loops: true },
                    &x[1],
                    Some(&x[2]),
                    Activation::Relu,
                )
            }),
            // A regular graph's normalisation is a mean over the node and its neighbours.
            Box::new(move |x| {
                let sum = ((mean(&x[0])? * degree)? + &x[0])?;
                (sum / (degree + 1.0))?.matmul(&x[1])?.broadcast_add(&x[2])?.relu()
            }),
        );
    }
    let convolved = graph.clone();
    case(
        "sage layer 64→64",
        (4 * n * WIDTH * WIDTH + (n_edges + n) * WIDTH) as f64,
        float((n_edges + 3 * n) * WIDTH),
        vec![variable(&[n, WIDTH])?, variable(&[2 * WIDTH, WIDTH])?, variable(&[WIDTH])?],
        Box::new(move |x| {
            kernels::sage_layer(&x[0], &convolved, Norm::Mean, &x[1], Some(&x[2]), Activation::Identity)
        }),
        Box::new({
            let mean = mean.clone();
            move |x| Tensor::cat(&[&mean(&x[0])?, &x[0]], 1)?.matmul(&x[1])?.broadcast_add(&x[2])
        }),
    );
    for (name, reduce) in [("segment mean 64", Reduce::Mean), ("segment max 64", Reduce::Max)] {
        let offsets = offsets.clone();
        case(
            name,
            (n * WIDTH) as f64,
            float(n * WIDTH),
            vec![variable(&[n, WIDTH])?],
            Box::new(move |x| kernels::segment_reduce(&x[0], &offsets, reduce)),
            // All graphs of the batch have the same size here, which plain operators need.
            Box::new(move |x| {
                let x = x[0].reshape((N_GRAPHS, GRAPH_NODES, WIDTH))?;
                if reduce == Reduce::Mean { x.mean(1) } else { x.max(1) }
            }),
        );
    }
    let zeros = || Var::zeros(WIDTH, DType::F32, &Device::Cpu);
    let running = (zeros()?, zeros()?);
    case(
        "batch norm 64",
        (8 * n * WIDTH) as f64,
        float(3 * n * WIDTH),
        vec![variable(&[n, WIDTH])?, variable(&[WIDTH])?, variable(&[WIDTH])?],
        Box::new(move |x| {
            kernels::batch_norm(
                &x[0],
                &x[1],
                &x[2],
                (&running.0, &running.1),
                0.1,
                1e-5,
                true,
                Activation::Relu,
            )
        }),
        Box::new(|x| {
            let centred = x[0].broadcast_sub(&x[0].mean_keepdim(0)?)?;
            let deviation = (centred.sqr()?.mean_keepdim(0)? + 1e-5)?.sqrt()?;
            centred.broadcast_div(&deviation)?.broadcast_mul(&x[1])?.broadcast_add(&x[2])?.relu()
        }),
    );
    case(
        "layer norm 64",
        (8 * n * WIDTH) as f64,
        float(2 * n * WIDTH),
        vec![variable(&[n, WIDTH])?, variable(&[WIDTH])?, variable(&[WIDTH])?],
        Box::new(|x| kernels::layer_norm(&x[0], &x[1], &x[2], 1e-5, Activation::Relu)),
        Box::new(|x| {
            let centred = x[0].broadcast_sub(&x[0].mean_keepdim(D::Minus1)?)?;
            let deviation = (centred.sqr()?.mean_keepdim(D::Minus1)? + 1e-5)?.sqrt()?;
            centred.broadcast_div(&deviation)?.broadcast_mul(&x[1])?.broadcast_add(&x[2])?.relu()
        }),
    );
    let graph_offsets = offsets.clone();
    case(
        "graph layer norm 64",
        (8 * n * WIDTH) as f64,
        float(2 * n * WIDTH),
        vec![variable(&[n, WIDTH])?, variable(&[WIDTH])?, variable(&[WIDTH])?],
        Box::new(move |x| kernels::graph_layer_norm(&x[0], &x[1], &x[2], &graph_offsets, 1e-5)),
        Box::new(|x| {
            let groups = x[0].reshape((N_GRAPHS, GRAPH_NODES * WIDTH))?;
            let centred = groups.broadcast_sub(&groups.mean_keepdim(D::Minus1)?)?;
            let deviation = (centred.sqr()?.mean_keepdim(D::Minus1)? + 1e-5)?.sqrt()?;
            let unit = centred.broadcast_div(&deviation)?.reshape((N_GRAPHS * GRAPH_NODES, WIDTH))?;
            unit.broadcast_mul(&x[1])?.broadcast_add(&x[2])
        }),
    );
    case(
        "tanh",
        (n * WIDTH) as f64,
        float(2 * n * WIDTH),
        vec![variable(&[n, WIDTH])?],
        Box::new(|x| kernels::activate(&x[0], Activation::Tanh)),
        Box::new(|x| x[0].tanh()),
    );
    case(
        "dropout",
        (n * WIDTH) as f64,
        float(2 * n * WIDTH),
        vec![variable(&[n, WIDTH])?],
        Box::new(|x| kernels::dropout(&x[0], 0.5, 7)),
        Box::new(|x| {
            let keep = Tensor::rand(0f32, 1.0, x[0].shape(), &Device::Cpu)?.ge(0.5)?.to_dtype(DType::F32)?;
            (x[0].mul(&keep))? * 2.0
        }),
    );
    case(
        "concat 64+64+64",
        0.0,
        float(6 * n * WIDTH),
        vec![variable(&[n, WIDTH])?, variable(&[n, WIDTH])?, variable(&[n, WIDTH])?],
        Box::new(kernels::concat_columns),
        Box::new(|x| Tensor::cat(x, 1)),
    );
    let idx: Vec<u32> = (0..n as u32).rev().collect();
    let picked = Tensor::new(idx.as_slice(), &Device::Cpu)?;
    let idx = Arc::new(idx);
    case(
        "gather rows 64",
        0.0,
        float(2 * n * WIDTH),
        vec![variable(&[n, WIDTH])?],
        Box::new(move |x| kernels::gather_rows(&x[0], &idx)),
        Box::new(move |x| x[0].index_select(&picked, 0)),
    );
    case(
        "add",
        (n * WIDTH) as f64,
        float(3 * n * WIDTH),
        vec![variable(&[n, WIDTH])?, variable(&[n, WIDTH])?],
        Box::new(|x| kernels::add(&x[0], &x[1])),
        Box::new(|x| &x[0] + &x[1]),
    );
    let classes: Vec<i64> = (0..n as i64).map(|row| row % 6).collect();
    let classes = Tensor::new(classes.as_slice(), &Device::Cpu)?;
    let plain_classes = classes.to_dtype(DType::U32)?;
    case(
        "cross entropy 6",
        (20 * n * 6) as f64,
        float(n * 6),
        vec![variable(&[n, 6])?],
        Box::new(move |x| kernels::cross_entropy(&x[0], &classes)),
        Box::new(move |x| candle_nn::loss::cross_entropy(&x[0], &plain_classes)),
    );
    Ok(cases)
}
