//! Training epochs, inference and peak memory of whole networks, beside PyTorch Geometric's figures.
//!
//! ```text
//! HGNN_DATA=… cargo bench --bench epochs                   every case
//! HGNN_DATA=… cargo bench --bench epochs -- proteins       cases whose name contains a word
//! ```
//!
//! Every case runs in a process of its own, so that its peak memory is its own. A case whose data is not
//! there says so and is skipped; where none is there, two cases run on the built-in hierarchy graphs. An epoch
//! shuffles, builds each batch, runs forward, loss and backward, and takes the optimiser's step, as
//! PyG's figures do "with the loader".

use candle_core::{DType, Device};
use hgnn::args::ArgValue;
use hgnn::check::Checked;
use hgnn::data::{self, DataOptions, Dataset, DatasetParts, EdgeReads, Features, Targets};
use hgnn::ir::Model;
use hgnn::kernels::graph::EdgeKinds;
use hgnn::lower::{ForwardCx, Network};
use hgnn::rng;
use hgnn::settings::optimizer::learning_rate;
use hgnn::source::SourceMap;
use hgnn::train::optimizer;
use hgnn::types::{DataFacts, Entity, TargetKind, Task};
use rand::Rng;
use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: hgnn::memory::Allocator = hgnn::memory::Allocator::new();

/// What PyTorch Geometric takes for the same: the best eager run with its loader of `PYG_BASELINE.md`
/// (PyG 2.8.1, torch 2.15.0, 2 threads on a 2-core AMD EPYC virtual machine).
struct Pyg {
    train_s: f64,
    infer_s: f64,
    peak_mb: f64,
    /// The largest ratio of our training epoch to PyG's that the project accepts.
    limit: f64,
}

struct Case {
    name: &'static str,
    set: Set,
    /// Graphs with more nodes are left out, as in PyG's example.
    max_nodes: usize,
    batch_size: usize,
    model: fn(max_nodes: usize) -> String,
    pyg: Option<Pyg>,
    /// Peak memory that the project accepts, in MB.
    max_mb: f64,
}

#[derive(Clone, Copy, PartialEq)]
enum Set {
    /// By its name.
    Tu(&'static str),
    /// The training triples of FB15k-237: entities with random features, a kind of edge for each relation.
    Triples,
    /// The built-in graphs.
    Hierarchy,
}

use Set::{Hierarchy, Triples, Tu};

/// All graphs of a TU set, beside what `benches/pyg/epochs.py` takes on the machine of `benches/README.md`: seconds of a
/// training epoch and of inference in the fastest form, and MB above what the imports take. A third of that is the limit;
/// our process begins with about 22 MB.
const fn whole(
    name: &'static str,
    set: &'static str,
    batch_size: usize,
    model: fn(usize) -> String,
    [train_s, infer_s, peak_mb]: [f64; 3],
) -> Case {
    let pyg = Some(Pyg { train_s, infer_s, peak_mb, limit: 0.33 });
    Case { name, set: Tu(set), max_nodes: usize::MAX, batch_size, model, pyg, max_mb: 22.0 + peak_mb / 3.0 }
}

static CASES: &[Case] = &[
    Case {
        name: "gcn_flat/proteins",
        set: Tu("PROTEINS"),
        max_nodes: usize::MAX,
        batch_size: 64,
        model: gcn_flat,
        pyg: Some(Pyg { train_s: 0.134, infer_s: 0.0706, peak_mb: 945.0, limit: 0.33 }),
        max_mb: 945.0 / 5.0,
    },
    Case {
        name: "diffpool2/proteins150",
        set: Tu("PROTEINS"),
        max_nodes: 150,
        batch_size: 20,
        model: diffpool2,
        pyg: Some(Pyg { train_s: 1.44, infer_s: 0.522, peak_mb: 1006.0, limit: 0.33 }),
        max_mb: 1006.0 / 5.0,
    },
    Case {
        name: "diffpool2/enzymes",
        set: Tu("ENZYMES"),
        max_nodes: 126,
        batch_size: 20,
        model: diffpool2,
        pyg: Some(Pyg { train_s: 0.766, infer_s: 0.234, peak_mb: 966.0, limit: 0.33 }),
        max_mb: 966.0 / 5.0,
    },
    Case {
        name: "diffpool2/dd500",
        set: Tu("DD"),
        max_nodes: 500,
        batch_size: 20,
        model: diffpool2,
        pyg: Some(Pyg { train_s: 9.31, infer_s: 4.39, peak_mb: 2196.0, limit: 0.33 }),
        max_mb: 2196.0 / 5.0,
    },
    Case {
        name: "diffpool1/proteins",
        set: Tu("PROTEINS"),
        max_nodes: usize::MAX,
        batch_size: 20,
        model: diffpool1,
        pyg: Some(Pyg { train_s: 3.92, infer_s: 3.05, peak_mb: 2661.0, limit: 0.07 }),
        max_mb: 2661.0 / 5.0,
    },
    // No figure of PyG: its dense form pads every graph to 5,748 nodes.
    Case {
        name: "diffpool_ratio/dd_all",
        set: Tu("DD"),
        max_nodes: usize::MAX,
        batch_size: 20,
        model: diffpool_ratio,
        pyg: None,
        max_mb: 2000.0,
    },
    whole("gin/proteins", "PROTEINS", 32, gin, [0.3386, 0.0842, 48.0]),
    whole("gin/enzymes", "ENZYMES", 32, gin, [0.1512, 0.0344, 39.0]),
    whole("gin/mutag", "MUTAG", 32, gin, [0.0365, 0.0076, 28.0]),
    whole("gat/aids", "AIDS", 64, gat, [0.2345, 0.0882, 49.0]),
    whole("gatv2/aids", "AIDS", 64, gatv2, [0.275, 0.1037, 54.0]),
    whole("gine/aids", "AIDS", 64, gine, [0.1816, 0.0586, 51.0]),
    whole("nn_conv/aids", "AIDS", 64, nn_conv, [1.18, 0.2084, 230.0]),
    whole("gine/mutag", "MUTAG", 32, gine, [0.026, 0.0077, 25.0]),
    whole("nn_conv/mutag", "MUTAG", 32, nn_conv, [0.0933, 0.0235, 108.0]),
    whole("pna/proteins", "PROTEINS", 64, pna, [1.231, 0.3306, 159.0]),
    Case {
        name: "rgcn30/fb15k237",
        set: Triples,
        max_nodes: usize::MAX,
        batch_size: 1,
        model: |_| rgcn("30"),
        pyg: Some(Pyg { train_s: 2.1, infer_s: 0.923, peak_mb: 5189.0, limit: 0.33 }),
        max_mb: 2000.0,
    },
    Case {
        name: "rgcn/fb15k237",
        set: Triples,
        max_nodes: usize::MAX,
        batch_size: 1,
        model: |_| rgcn("none"),
        pyg: Some(Pyg { train_s: 2.04, infer_s: 0.888, peak_mb: 5220.0, limit: 0.33 }),
        max_mb: 2000.0,
    },
    Case {
        name: "gcn_flat/hierarchy",
        set: Hierarchy,
        max_nodes: usize::MAX,
        batch_size: 64,
        model: gcn_flat,
        pyg: None,
        max_mb: 945.0 / 5.0,
    },
    Case {
        name: "diffpool2/hierarchy",
        set: Hierarchy,
        max_nodes: usize::MAX,
        batch_size: 20,
        model: diffpool2,
        pyg: None,
        max_mb: 1006.0 / 5.0,
    },
];

/// Three GCN layers, mean readout, dropout, linear.
fn gcn_flat(_: usize) -> String {
    "model = repeat(3, gcn(64) -> relu) -> mean -> dropout(0.5) -> linear
     loss = cross_entropy
     train { optimizer = adam(lr = 0.01) }"
        .to_owned()
}

/// PyG's `examples/proteins_diff_pool.py`.
fn diffpool2(max_nodes: usize) -> String {
    let k1 = max_nodes.div_ceil(4);
    let k2 = k1.div_ceil(4);
    format!(
        "block gnn(out) =
             sage(64) -> relu -> batch_norm as a
             -> sage(64) -> relu -> batch_norm as b
             -> sage(out) -> relu -> batch_norm as c
             -> concat(a, b, c)
         model = diffpool(k = {k1}, assign = gnn({k1}) -> linear -> relu, embed = gnn(64))
             -> diffpool(k = {k2}, assign = gnn({k2}) -> linear -> relu, embed = gnn(64))
             -> gnn(64) -> mean -> linear(64) -> relu -> linear
         loss = cross_entropy
         train {{ optimizer = adam(lr = 0.001) }}"
    )
}

/// One DiffPool level with 160 clusters, a quarter of PyG's padding to 640 nodes.
fn diffpool1(_: usize) -> String {
    "model = diffpool(k = 160,
             assign = sage(64) -> relu -> batch_norm -> linear,
             embed = sage(64) -> relu -> batch_norm -> linear(64))
         -> mean -> linear(64) -> relu -> linear
     loss = cross_entropy
     train { optimizer = adam(lr = 0.001) }"
        .to_owned()
}

/// One level with a quarter of the largest graph, and both auxiliary losses.
fn diffpool_ratio(_: usize) -> String {
    "model = diffpool(ratio = 0.25,
             assign = sage(64) -> relu -> batch_norm -> linear,
             embed = sage(64) -> relu -> batch_norm)
         -> sage(64) -> relu -> mean -> linear(64) -> relu -> linear
     loss = cross_entropy + link_prediction + entropy
     train { optimizer = adam(lr = 0.001) }"
        .to_owned()
}

/// Five layers, each with batch norm, sum readout, MLP.
fn gin(_: usize) -> String {
    "model = repeat(5, gin(64) -> batch_norm -> relu) -> sum -> mlp(hidden = [64], dropout = 0.5)
     loss = cross_entropy
     train { optimizer = adam(lr = 0.01) }"
        .to_owned()
}

/// Layers with a relu behind each, mean, linear.
fn layers(n: usize, layer: &str) -> String {
    format!(
        "model = repeat({n}, {layer} -> relu) -> mean -> linear
         loss = cross_entropy
         train {{ optimizer = adam(lr = 0.01) }}"
    )
}

fn gat(_: usize) -> String {
    layers(2, "gat(16, heads = 4, edge = edges)")
}

fn gatv2(_: usize) -> String {
    layers(2, "gatv2(16, heads = 4, edge = edges)")
}

fn gine(_: usize) -> String {
    layers(3, "gine(64, edge = edges)")
}

fn nn_conv(_: usize) -> String {
    layers(2, "nn_conv(64, edge = edges, hidden = 16, aggregate = mean)")
}

fn pna(_: usize) -> String {
    layers(3, "pna(64)")
}

/// Two layers for 237 relations.
fn rgcn(bases: &str) -> String {
    let layer = match bases {
        "none" => "rgcn(64, relation = edge_labels)".to_owned(),
        bases => format!("rgcn(64, relation = edge_labels, bases = {bases})"),
    };
    format!(
        "task = node_regression
         model = {layer} -> relu -> {layer}
         loss = mse
         train {{ optimizer = adam(lr = 0.01) }}"
    )
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if let [flag, name] = args.as_slice()
        && flag == "--case"
    {
        hgnn::memory::keep_pages();
        hgnn::cli::threads::set_up(None);
        let case = CASES.iter().find(|case| case.name == name).expect("a case of the list");
        return run_case(case);
    }
    println!(
        "{:<24} {:>9} {:>9} {:>9} {:>7} {:>6} {:>9} {:>9} {:>8} {:>8}",
        "case", "train", "cpu", "PyG", "ratio", "limit", "infer", "PyG", "peak MB", "max MB"
    );
    let has_data = CASES.iter().any(|case| load(case.set).is_ok() && case.set != Hierarchy);
    for case in
        CASES.iter().filter(|case| args.is_empty() || args.iter().any(|word| case.name.contains(word)))
    {
        if case.set == Hierarchy && has_data && args.is_empty() {
            continue;
        }
        let program = std::env::current_exe().expect("the path of this program");
        let status = std::process::Command::new(program).args(["--case", case.name]).status();
        if !status.is_ok_and(|status| status.success()) {
            println!("{:<24} failed", case.name);
        }
    }
}

fn load(set: Set) -> Result<Dataset, String> {
    let call = match set {
        Tu(name) => data::call("tu", &[("name", ArgValue::Text(name.to_owned()))]),
        Hierarchy => data::call("hierarchy", &[]),
        Triples => return triples(),
    };
    let options = DataOptions { offline: true, ..DataOptions::from_env() };
    data::load(&call, &options).map_err(|error| error.message)
}

/// Entities with 64 random features, one edge a triple from head to tail, and zeros to be learned.
fn triples() -> Result<Dataset, String> {
    const WIDTH: usize = 64;
    let folder = std::env::var("HGNN_DATA").map_err(|_| "HGNN_DATA names no folder".to_owned())?;
    let path = std::path::Path::new(&folder).join("kg/FB15k-237/train.txt.gz");
    let file = std::fs::File::open(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).map_err(|error| error.to_string())?;
    let (mut entities, mut relations) = (HashMap::new(), HashMap::new());
    let (mut edges, mut kinds) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [head, relation, tail] = fields[..] else { return Err(format!("`{line}` is no triple")) };
        let [head, tail] = [head, tail].map(|entity| number(&mut entities, entity));
        edges.push((head, tail));
        kinds.push(number(&mut relations, relation));
    }
    let n_nodes = entities.len();
    let mut rng = rng::generator(0, 0);
    let values = (0..n_nodes * WIDTH).map(|_| rng.random_range(-1.0..1.0)).collect();
    Ok(Dataset::new(DatasetParts {
        name: "FB15k-237".to_owned(),
        task: Some(Task { entity: Entity::Nodes, kind: TargetKind::Regression }),
        node_offsets: vec![0, n_nodes as u32],
        edges,
        edge_features: None,
        edge_kinds: Some(EdgeKinds { of_entry: Arc::new(kinds), n_kinds: relations.len() }),
        features: Features::Dense { values, width: WIDTH },
        targets: Targets::Values { values: vec![0.0; n_nodes * WIDTH], n_values: WIDTH },
        class_names: Vec::new(),
        fixed_split: None,
        graph_ids: vec![1],
        vocabulary: Default::default(),
    }))
}

/// The number of a name, the next one where it is new.
fn number<'a>(numbers: &mut HashMap<&'a str, u32>, name: &'a str) -> u32 {
    let next = numbers.len() as u32;
    *numbers.entry(name).or_insert(next)
}

/// Checks the text against the data.
fn compile(text: &str, facts: &DataFacts) -> Checked<Model> {
    let mut sources = SourceMap::default();
    let main = sources.add("bench.hgnn", text);
    let read = |path: &str| Err(std::io::Error::new(std::io::ErrorKind::NotFound, path.to_owned()));
    let (program, diagnostics) = hgnn::syntax::load_program(&mut sources, main, &read);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let outcome = hgnn::check::check(&program, Some(facts));
    outcome.model.unwrap_or_else(|| panic!("{:?}", outcome.diagnostics))
}

fn run_case(case: &Case) {
    let data = match load(case.set) {
        Ok(data) => data,
        Err(why) => return println!("{:<24} skipped: {why}", case.name),
    };
    let graphs: Vec<u32> = (0..data.n_graphs() as u32)
        .filter(|&graph| data.graph_nodes(graph as usize).len() <= case.max_nodes)
        .collect();
    let mut facts = data.facts();
    // PyG sizes the clusters by the limit, not by the largest graph that is left.
    facts.max_nodes = if case.max_nodes == usize::MAX { facts.max_nodes } else { case.max_nodes };
    let device = Device::Cpu;
    let model = compile(&(case.model)(facts.max_nodes), &facts);
    let reads = EdgeReads::of(model.get());
    let network = Network::build(&model, &facts, DType::F32, &device, 0).expect("builds");
    let weights: Vec<_> = network.parameters().trained().map(|parameter| parameter.var.clone()).collect();
    let call = model.get().train.call("optimizer").expect("written in the text");
    let lr = learning_rate(call);
    let mut adam = optimizer::build(call, weights.clone().into()).expect("builds");

    // Of a task on nodes there is one graph.
    let is_of_nodes = model.get().task.entity == Entity::Nodes;
    let items: Option<Vec<u32>> = is_of_nodes.then(|| (0..data.n_nodes() as u32).collect());

    let mut epoch = 0;
    let mut last_loss = 0.0;
    let (train_s, cpu_s) = median_of(|| {
        epoch += 1;
        let mut order = graphs.clone();
        rng::shuffle(&mut rng::generator(0, epoch), &mut order);
        let mut total = 0.0;
        for (idx, batch_graphs) in order.chunks(case.batch_size).enumerate() {
            let batch = data.batch_for(reads, batch_graphs, DType::F32, &device).expect("fits");
            let targets = data.target_tensor(items.as_deref().unwrap_or(batch_graphs), DType::F32, &device);
            let targets = targets.expect("fits");
            let mut cx = network.training_cx(epoch * 100_000 + idx as u64);
            let output = network.forward(&batch, &mut cx).expect("runs");
            let loss = network.loss(&output, &targets.expect("labels"), &cx, None).expect("runs");
            let gradients = loss.backward().expect("runs");
            let gradients: Vec<_> = weights.iter().map(|weight| gradients.get(weight).cloned()).collect();
            adam.step(&gradients, lr, 1.0).expect("runs");
            total += f64::from(loss.total.to_scalar::<f32>().expect("a scalar"));
        }
        last_loss = total;
    });
    assert!(last_loss.is_finite(), "the loss of {} is {last_loss}", case.name);
    let (infer_s, _) = median_of(|| {
        for batch_graphs in graphs.chunks(case.batch_size) {
            let batch = data.batch_for(reads, batch_graphs, DType::F32, &device).expect("fits");
            network.forward(&batch, &mut ForwardCx::evaluation()).expect("runs");
        }
    });

    let time = |seconds: f64| {
        if seconds < 1.0 { format!("{:.1} ms", seconds * 1e3) } else { format!("{seconds:.2} s") }
    };
    let (pyg_train, ratio, limit, pyg_infer) = case.pyg.as_ref().map_or_else(Default::default, |pyg| {
        (
            time(pyg.train_s),
            format!("{:.3}", train_s / pyg.train_s),
            format!("{:.2}", pyg.limit),
            time(pyg.infer_s),
        )
    });
    println!(
        "{:<24} {:>9} {:>9} {:>9} {:>7} {:>6} {:>9} {:>9} {:>8.0} {:>8.0}{}",
        case.name,
        time(train_s),
        time(cpu_s),
        pyg_train,
        ratio,
        limit,
        time(infer_s),
        pyg_infer,
        hgnn::memory::peak_bytes().unwrap_or(0) as f64 / 1e6,
        case.max_mb,
        case.pyg.as_ref().map_or_else(String::new, |pyg| format!("  (PyG {:.0} MB)", pyg.peak_mb)),
    );
}

/// Median wall and processor seconds of runs after a warm-up: at least five, over two seconds or more, but
/// none begins after a minute.
fn median_of(mut run: impl FnMut()) -> (f64, f64) {
    run();
    let (mut walls, mut cpus) = (Vec::new(), Vec::new());
    let began = Instant::now();
    let (short, long) = (Duration::from_secs(2), Duration::from_secs(60));
    while walls.is_empty() || began.elapsed() < short || (walls.len() < 5 && began.elapsed() < long) {
        let (wall, cpu) = (Instant::now(), cpu_s());
        run();
        walls.push(wall.elapsed().as_secs_f64());
        cpus.push(cpu_s() - cpu);
    }
    (median(walls), median(cpus))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Processor seconds of this process so far, all threads; 0 where the system does not say.
fn cpu_s() -> f64 {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return 0.0 };
    let nanoseconds = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    });
    nanoseconds.sum::<f64>() * 1e-9
}
