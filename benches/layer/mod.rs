//! One layer on the workloads of the benches: compiled from text as a user's model is, run forward and with gradients.

#[allow(dead_code)] // One bench counts bytes.
pub mod memory;

use candle_core::{DType, Device, Result, Tensor, Var};
use hgnn::args::ArgValue;
use hgnn::data::{self, DataOptions, Dataset, DatasetParts, Features, GraphBatch, Targets};
use hgnn::kernels::graph::EdgeKinds;
use hgnn::kernels::tape;
use hgnn::lower::{ForwardCx, Network};
use hgnn::source::SourceMap;
use hgnn::types::{DataFacts, Entity, TargetKind, Task};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Features of nodes, in and out.
pub const WIDTH: usize = 64;
/// Features of edges.
pub const EDGE_WIDTH: usize = 8;
/// Kinds of edges.
pub const N_KINDS: usize = 4;

/// Graphs in batches that were made beforehand.
pub struct Workload {
    pub name: &'static str,
    pub facts: DataFacts,
    pub batches: Vec<Batch>,
}

/// One step's graphs, and the gradient of a result for each node that the backward pass starts from.
pub struct Batch {
    pub x: Var,
    pub batch: GraphBatch,
    pub ones: Tensor,
}

fn random(count: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    (0..count).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// The structure with random features of nodes and edges, random kinds of edges and a class for each node.
pub fn workload(
    name: &'static str,
    node_offsets: Vec<u32>,
    edges: Vec<(u32, u32)>,
    batch_size: usize,
    rng: &mut ChaCha8Rng,
) -> Workload {
    let n_nodes = *node_offsets.last().expect("starts with 0") as usize;
    let n_graphs = node_offsets.len() - 1;
    let kinds = Arc::new((0..edges.len()).map(|_| rng.random_range(0..N_KINDS as u32)).collect());
    let data = Dataset::new(DatasetParts {
        name: name.into(),
        task: Some(Task { entity: Entity::Nodes, kind: TargetKind::Classification }),
        node_offsets,
        edge_features: Some(Features::Dense {
            values: random(edges.len() * EDGE_WIDTH, rng).into(),
            width: EDGE_WIDTH,
        }),
        edge_kinds: Some(EdgeKinds { of_entry: kinds, n_kinds: N_KINDS }),
        edges,
        features: Features::Dense { values: random(n_nodes * WIDTH, rng).into(), width: WIDTH },
        targets: Targets::Classes((0..n_nodes).map(|node| (node % WIDTH) as i64).collect()),
        class_names: (0..WIDTH).map(|class| class.to_string()).collect(),
        fixed_split: None,
        graph_ids: (1..=n_graphs as u32).collect(),
        vocabulary: Default::default(),
    });
    let all: Vec<u32> = (0..n_graphs as u32).collect();
    let batches = all.chunks(batch_size).map(|graphs| {
        let mut batch = data.batch(graphs, DType::F32, &Device::Cpu).expect("memory");
        let x = Var::from_tensor(&batch.x).expect("memory");
        let ones = Tensor::ones((batch.graph.n_nodes(), WIDTH), DType::F32, &Device::Cpu).expect("memory");
        batch.x = x.as_tensor().clone();
        Batch { x, batch, ones }
    });
    Workload { name, batches: batches.collect(), facts: data.facts() }
}

/// All graphs of PROTEINS in batches of 64; `None` where the data is not there.
pub fn proteins() -> Option<Workload> {
    let options = DataOptions { offline: true, ..DataOptions::from_env() };
    let call = data::call("tu", &[("name", ArgValue::Text("PROTEINS".into()))]);
    let data = data::load(&call, &options).ok()?;
    let targets = 0..data.n_nodes() as u32;
    let edges = targets
        .flat_map(|target| data.adjacency.row(target as usize).iter().map(move |&source| (source, target)));
    let edges = edges.collect();
    Some(workload("proteins", data.node_offsets.to_vec(), edges, 64, &mut ChaCha8Rng::seed_from_u64(1)))
}

/// One graph of 100,000 nodes and 1,000,000 random distinct edges.
pub fn random100k() -> Workload {
    let (n, m) = (100_000u32, 1_000_000);
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut edges: Vec<(u32, u32)> =
        (0..m).map(|_| (rng.random_range(0..n), rng.random_range(0..n))).collect();
    edges.sort_unstable();
    edges.dedup();
    workload("random100k", vec![0, n], edges, 1, &mut rng)
}

/// The network of a model of one layer: a call, and before it what it calls.
///
/// # Panics
/// Where the text is refused.
pub fn network(definitions: &str, call: &str, facts: &DataFacts) -> Network {
    network_of(definitions, call, facts, Entity::Nodes, WIDTH)
}

/// [`network`], with results of `width` numbers for each node or for each graph.
///
/// # Panics
/// Where the text is refused.
pub fn network_of(definitions: &str, call: &str, facts: &DataFacts, of: Entity, width: usize) -> Network {
    let mut facts = facts.clone();
    facts.n_outputs = width;
    facts.class_counts = vec![1; width];
    facts.task = Some(Task { entity: of, kind: TargetKind::Classification });
    let task = if of == Entity::Nodes { "node_classification" } else { "graph_classification" };
    let facts = &facts;
    let text = format!("{definitions}\ntask = {task}\nmodel = {call}");
    let mut sources = SourceMap::default();
    let main = sources.add("bench.hgnn", text.as_str());
    let read = |path: &str| Err(std::io::Error::new(std::io::ErrorKind::NotFound, path.to_owned()));
    let (program, diagnostics) = hgnn::syntax::load_program(&mut sources, main, &read);
    assert!(diagnostics.is_empty(), "{text}: {diagnostics:?}");
    let outcome = hgnn::check::check(&program, Some(facts));
    let model = outcome.model.unwrap_or_else(|| panic!("{text}: {:?}", outcome.diagnostics));
    Network::build(&model, facts, DType::F32, &Device::Cpu, 3)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// One pass over all batches: forward alone, or with the gradients of the sum of the result.
///
/// # Errors
/// Where a kernel fails.
pub fn pass(network: &Network, workload: &Workload, has_gradients: bool) -> Result<()> {
    for Batch { x, batch, ones } in &workload.batches {
        if !has_gradients {
            let still = GraphBatch { x: batch.x.detach(), ..batch.clone() };
            network.forward(&still, &mut ForwardCx::evaluation())?;
            continue;
        }
        let y = network.forward(batch, &mut ForwardCx::training(1, &[]))?.x;
        let of_graphs = (y.dims() != ones.dims()).then(|| y.ones_like()).transpose()?;
        let gradients = tape::backward_from(&y, of_graphs.as_ref().unwrap_or(ones))?;
        assert!(network.parameters().trained().all(|weight| gradients.get(&weight.var).is_some()));
        assert!(gradients.get(x).is_some());
    }
    Ok(())
}

/// Wall and processor seconds of `run`.
pub fn timed(run: impl FnOnce()) -> [f64; 2] {
    let (wall, processor) = (Instant::now(), processor_s());
    run();
    [wall.elapsed().as_secs_f64(), processor_s() - processor]
}

/// Rounds of measurements: at least three, for about `seconds`, after one that is not counted.
pub fn rounds<R>(seconds: f64, mut round: impl FnMut() -> R) -> Vec<R> {
    round();
    let start = Instant::now();
    let mut all = Vec::new();
    while all.len() < 3 || start.elapsed() < Duration::from_secs_f64(seconds) && all.len() < 50 {
        all.push(round());
    }
    all
}

pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Processor seconds of this process so far, all threads.
fn processor_s() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes the time and nothing else.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Whether a case was asked for: the words of the command line, of which a name has to contain one.
pub fn is_wanted(name: &str) -> bool {
    let mut words = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).peekable();
    words.peek().is_none() || words.any(|word| name.contains(&word))
}
