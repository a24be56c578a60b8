//! Pooling kernels against the same formulas written with Candle's own operators on graphs padded to the
//! largest of the batch, as PyTorch Geometric's dense layers have them. Forward and backward, in the same run.
//!
//! `cargo bench --bench pooling`; `RAYON_NUM_THREADS` sets the threads of the kernels.

use candle_core::{D, Device, Result, Tensor, Var};
use criterion::{BenchmarkId, Criterion, Throughput};
use hgnn::kernels::graph::{Csr, SparseGraph};
use hgnn::kernels::{
    Activation, AttentionOptions, Norm, assignment_adjacency, assignment_entropy,
    cluster_assignment_adjacency, cluster_segment_product, dense_propagate_beside, gat_attention, linear,
    link_loss, segment_product, softmax_rows, sum_over_graphs,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::hint::black_box;
use std::sync::Arc;

/// As in the command, so that pages are kept from step to step.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const GRAPHS: usize = 20;

fn random(shape: &[usize], rng: &mut ChaCha8Rng) -> Var {
    let values: Vec<f32> =
        (0..shape.iter().product::<usize>()).map(|_| rng.random_range(-1.0..1.0)).collect();
    Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu).unwrap()).unwrap()
}

/// A batch of symmetric graphs with about four neighbours a node, as proteins have.
fn batch(sizes: &[usize], rng: &mut ChaCha8Rng) -> Arc<SparseGraph> {
    let mut rows: Vec<Vec<u32>> = Vec::new();
    let mut graph_offsets = vec![0u32];
    for &size in sizes {
        let first = rows.len();
        rows.resize(first + size, Vec::new());
        for _ in 0..2 * size {
            let (a, b) = (first + rng.random_range(0..size), first + rng.random_range(0..size));
            if a != b && !rows[a].contains(&(b as u32)) {
                rows[a].push(b as u32);
                rows[b].push(a as u32);
            }
        }
        graph_offsets.push(rows.len() as u32);
    }
    let mut csr = Csr { offsets: vec![0], indices: Vec::new(), n_cols: rows.len() };
    for row in &mut rows {
        row.sort_unstable();
        csr.indices.extend_from_slice(row);
        csr.offsets.push(csr.indices.len() as u32);
    }
    let csr = Arc::new(csr);
    Arc::new(SparseGraph::new(csr.clone(), csr, Arc::new(graph_offsets)))
}

/// The batch padded to its largest graph: adjacency `[G, n, n]` and the row of each node.
struct Padded {
    adjacency: Tensor,
    mask: Tensor,
    places: Tensor,
    n: usize,
}

fn padded(graph: &SparseGraph) -> Result<Padded> {
    let offsets = &graph.graph_offsets;
    let n = offsets.windows(2).map(|pair| (pair[1] - pair[0]) as usize).max().unwrap_or(0);
    let mut adjacency = vec![0f32; GRAPHS * n * n];
    let mut mask = vec![0f32; GRAPHS * n];
    let mut places = vec![0u32; GRAPHS * n];
    for g in 0..GRAPHS {
        let first = offsets[g] as usize;
        for node in first..offsets[g + 1] as usize {
            mask[g * n + node - first] = 1.0;
            places[g * n + node - first] = node as u32;
            for &source in graph.adjacency.row(node) {
                adjacency[(g * n + source as usize - first) * n + node - first] = 1.0;
            }
        }
    }
    Ok(Padded {
        adjacency: Tensor::from_vec(adjacency, (GRAPHS, n, n), &Device::Cpu)?,
        mask: Tensor::from_vec(mask, (GRAPHS, n, 1), &Device::Cpu)?,
        places: Tensor::from_vec(places, GRAPHS * n, &Device::Cpu)?,
        n,
    })
}

impl Padded {
    fn of(&self, x: &Tensor) -> Result<Tensor> {
        let x = x.detach().index_select(&self.places, 0)?.reshape((GRAPHS, self.n, x.dim(1)?))?;
        Var::from_tensor(&x.broadcast_mul(&self.mask)?).map(|var| var.as_tensor().clone())
    }
}

/// What a DiffPool level is asked for.
#[derive(Clone, Copy)]
struct Wanted {
    adjacency: bool,
    losses: bool,
}

/// A DiffPool level on the input graph: loss and gradients.
fn ours(logits: &Tensor, z: &Tensor, graph: &Arc<SparseGraph>, wanted: Wanted) -> Result<()> {
    let s = softmax_rows(logits)?;
    let mut loss = segment_product(&s, z, &graph.graph_offsets)?.sqr()?.sum_all()?;
    if wanted.adjacency {
        loss = (loss + assignment_adjacency(&s, graph)?.sqr()?.sum_all()?)?;
    }
    if wanted.losses {
        let per_graph = (link_loss(&s, graph)? + assignment_entropy(&s, &graph.graph_offsets)?)?;
        loss = (loss + sum_over_graphs(&per_graph, GRAPHS as f64)?)?;
    }
    black_box(loss.backward()?);
    Ok(())
}

fn plain(logits: &Tensor, z: &Tensor, padded: &Padded, wanted: Wanted) -> Result<()> {
    let top = logits.max_keepdim(D::Minus1)?;
    let s = logits.broadcast_sub(&top)?.exp()?;
    let s = s.broadcast_div(&s.sum_keepdim(D::Minus1)?)?.broadcast_mul(&padded.mask)?;
    let st = s.transpose(1, 2)?.contiguous()?;
    let mut loss = st.matmul(z)?.sqr()?.sum_all()?;
    if wanted.adjacency {
        loss = (loss + st.matmul(&padded.adjacency.matmul(&s)?)?.sqr()?.sum_all()?)?;
    }
    if wanted.losses {
        let residual = (&padded.adjacency - s.matmul(&st)?)?;
        loss = (loss + residual.sqr()?.sum_all()?.sqrt()?)?;
        loss = (loss - (&s * (&s + 1e-15)?.log()?)?.sum_all()?)?;
    }
    black_box(loss.backward()?);
    Ok(())
}

/// A level between clusters: one GraphSAGE sum and DiffPool to `k2` clusters.
fn coarse(c: &mut Criterion, k1: usize, k2: usize, width: usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut group = c.benchmark_group("coarse");
    let adjacency = Var::from_tensor(&random(&[GRAPHS, k1, k1], &mut rng).abs().unwrap()).unwrap();
    let (x, logits) = (random(&[GRAPHS * k1, width], &mut rng), random(&[GRAPHS * k1, k2], &mut rng));
    let name = format!("{GRAPHS} x {k1} to {k2}, width {width}");
    group.bench_function(BenchmarkId::new("kernels", &name), |b| {
        b.iter(|| {
            let z = dense_propagate_beside(&adjacency, &x, Norm::Mean)?;
            let s = softmax_rows(&logits)?;
            let pooled = cluster_segment_product(&s, &z, GRAPHS)?.sqr()?.sum_all()?;
            let coarse = cluster_assignment_adjacency(&s, &adjacency)?.sqr()?.sum_all()?;
            (pooled + coarse)?.backward()
        });
    });
    let batched = |t: &Tensor| t.reshape((GRAPHS, k1, t.dim(1)?));
    group.bench_function(BenchmarkId::new("plain Candle", &name), |b| {
        b.iter(|| {
            let (x, logits) = (batched(&x)?, batched(&logits)?);
            let degree = adjacency.sum_keepdim(D::Minus1)?.maximum(1.0)?;
            let z = Tensor::cat(&[&adjacency.matmul(&x)?.broadcast_div(&degree)?, &x], 2)?;
            let s = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?)?.exp()?;
            let s = s.broadcast_div(&s.sum_keepdim(D::Minus1)?)?;
            let st = s.transpose(1, 2)?.contiguous()?;
            let pooled = st.matmul(&z)?.sqr()?.sum_all()?;
            let coarse = st.matmul(&adjacency.matmul(&s)?)?.sqr()?.sum_all()?;
            (pooled + coarse)?.backward()
        });
    });
    group.finish();
}

fn main() {
    let mut c = Criterion::default().sample_size(20).configure_from_args();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let all = Wanted { adjacency: true, losses: true };
    let lean = Wanted { adjacency: false, losses: false };
    // (name, mean nodes, largest graph, clusters, width, wanted, whether the padded form fits in memory)
    let cases = [
        ("PROTEINS <= 150, 38 clusters", 33, 150, 38, 64, all, true),
        ("PROTEINS, 160 clusters, features only", 39, 300, 160, 64, lean, true),
        ("DD <= 500, 125 clusters", 240, 500, 125, 64, all, true),
        ("DD, 1437 clusters", 284, 5748, 1437, 64, Wanted { adjacency: true, losses: false }, false),
    ];
    let mut group = c.benchmark_group("level");
    for (name, mean, largest, k, width, wanted, is_small) in cases {
        let mut sizes: Vec<usize> = (1..GRAPHS).map(|_| rng.random_range(mean / 2..mean * 3 / 2)).collect();
        sizes.push(largest);
        let graph = batch(&sizes, &mut rng);
        let n = graph.n_nodes();
        let (logits, z) = (random(&[n, k], &mut rng), random(&[n, width], &mut rng));
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(BenchmarkId::new("kernels", name), |b| {
            b.iter(|| ours(&logits, &z, &graph, wanted))
        });
        if is_small {
            let padded = padded(&graph).expect("tensors of the batch");
            let (logits, z) = (padded.of(&logits).expect("padding"), padded.of(&z).expect("padding"));
            group.bench_function(BenchmarkId::new("plain Candle", name), |b| {
                b.iter(|| plain(&logits, &z, &padded, wanted));
            });
        }
    }
    group.finish();
    coarse(&mut c, 38, 10, 64);
    coarse(&mut c, 125, 32, 64);

    let graph = batch(&[2708], &mut rng);
    let (h, a) = (random(&[2708, 64], &mut rng), random(&[8, 8], &mut rng));
    let options = AttentionOptions { heads: 8, slope: 0.2, self_loops: true, dropout: None };
    c.bench_function("attention/Cora size, 8 heads of 8", |b| {
        b.iter(|| gat_attention(&h, &a, &a, &graph, options)?.sqr()?.sum_all()?.backward());
    });
    let (x, w) = (random(&[40_000, 64], &mut rng), random(&[64, 64], &mut rng));
    // What the figures above are to be compared with: a dense layer over as many rows as PROTEINS has nodes.
    c.bench_function("linear/40000 x 64 x 64, forward", |b| {
        b.iter(|| linear(&x.detach(), &w.detach(), None, Activation::Identity));
    });
    c.final_summary();
}
