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
use hgnn::data::{self, DataOptions, Dataset};
use hgnn::ir::Model;
use hgnn::lower::{ForwardCx, Network};
use hgnn::rng;
use hgnn::settings::optimizer::learning_rate;
use hgnn::source::SourceMap;
use hgnn::train::optimizer;
use hgnn::types::DataFacts;
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
    /// Name of the TU set; `None` for the built-in hierarchy graphs.
    set: Option<&'static str>,
    /// Graphs with more nodes are left out, as in PyG's example.
    max_nodes: usize,
    batch_size: usize,
    model: fn(max_nodes: usize) -> String,
    pyg: Option<Pyg>,
    /// Peak memory that the project accepts, in MB.
    max_mb: f64,
}

static CASES: &[Case] = &[
    Case {
        name: "gcn_flat/proteins",
        set: Some("PROTEINS"),
        max_nodes: usize::MAX,
        batch_size: 64,
        model: gcn_flat,
        pyg: Some(Pyg { train_s: 0.134, infer_s: 0.0706, peak_mb: 945.0, limit: 0.33 }),
        max_mb: 945.0 / 5.0,
    },
    Case {
        name: "diffpool2/proteins150",
        set: Some("PROTEINS"),
        max_nodes: 150,
        batch_size: 20,
        model: diffpool2,
        pyg: Some(Pyg { train_s: 1.44, infer_s: 0.522, peak_mb: 1006.0, limit: 0.33 }),
        max_mb: 1006.0 / 5.0,
    },
    Case {
        name: "diffpool2/enzymes",
        set: Some("ENZYMES"),
        max_nodes: 126,
        batch_size: 20,
        model: diffpool2,
        pyg: Some(Pyg { train_s: 0.766, infer_s: 0.234, peak_mb: 966.0, limit: 0.33 }),
        max_mb: 966.0 / 5.0,
    },
    Case {
        name: "diffpool2/dd500",
        set: Some("DD"),
        max_nodes: 500,
        batch_size: 20,
        model: diffpool2,
        pyg: Some(Pyg { train_s: 9.31, infer_s: 4.39, peak_mb: 2196.0, limit: 0.33 }),
        max_mb: 2196.0 / 5.0,
    },
    Case {
        name: "diffpool1/proteins",
        set: Some("PROTEINS"),
        max_nodes: usize::MAX,
        batch_size: 20,
        model: diffpool1,
        pyg: Some(Pyg { train_s: 3.92, infer_s: 3.05, peak_mb: 2661.0, limit: 0.07 }),
        max_mb: 2661.0 / 5.0,
    },
    // No figure of PyG: its dense form pads every graph to 5,748 nodes.
    Case {
        name: "diffpool_ratio/dd_all",
        set: Some("DD"),
        max_nodes: usize::MAX,
        batch_size: 20,
        model: diffpool_ratio,
        pyg: None,
        max_mb: 2000.0,
    },
    Case {
        name: "gcn_flat/hierarchy",
        set: None,
        max_nodes: usize::MAX,
        batch_size: 64,
        model: gcn_flat,
        pyg: None,
        max_mb: 945.0 / 5.0,
    },
    Case {
        name: "diffpool2/hierarchy",
        set: None,
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
    let has_data = CASES.iter().any(|case| case.set.is_some_and(|set| load(set).is_ok()));
    for case in
        CASES.iter().filter(|case| args.is_empty() || args.iter().any(|word| case.name.contains(word)))
    {
        if case.set.is_none() && has_data && args.is_empty() {
            continue;
        }
        let program = std::env::current_exe().expect("the path of this program");
        let status = std::process::Command::new(program).args(["--case", case.name]).status();
        if !status.is_ok_and(|status| status.success()) {
            println!("{:<24} failed", case.name);
        }
    }
}

fn load(set: &str) -> Result<Dataset, String> {
    let call = data::call("tu", &[("name", ArgValue::Text(set.to_owned()))]);
    let options = DataOptions { offline: true, ..DataOptions::from_env() };
    data::load(&call, &options).map_err(|error| error.message)
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
    let data = match case.set {
        Some(set) => match load(set) {
            Ok(data) => data,
            Err(why) => return println!("{:<24} skipped: {why}", case.name),
        },
        None => data::load(&data::call("hierarchy", &[]), &DataOptions::from_env()).expect("built in"),
    };
    let graphs: Vec<u32> = (0..data.n_graphs() as u32)
        .filter(|&graph| data.graph_nodes(graph as usize).len() <= case.max_nodes)
        .collect();
    let mut facts = data.facts();
    // PyG sizes the clusters by the limit, not by the largest graph that is left.
    facts.max_nodes = if case.max_nodes == usize::MAX { facts.max_nodes } else { case.max_nodes };
    let device = Device::Cpu;
    let model = compile(&(case.model)(facts.max_nodes), &facts);
    let network = Network::build(&model, &facts, DType::F32, &device, 0).expect("builds");
    let weights: Vec<_> = network.parameters().trained().map(|parameter| parameter.var.clone()).collect();
    let call = model.get().train.call("optimizer").expect("written in the text");
    let lr = learning_rate(call);
    let mut adam = optimizer::build(call, weights.clone()).expect("builds");

    let mut epoch = 0;
    let mut last_loss = 0.0;
    let (train_s, cpu_s) = median_of(|| {
        epoch += 1;
        let mut order = graphs.clone();
        rng::shuffle(&mut rng::generator(0, epoch), &mut order);
        let mut total = 0.0;
        for (idx, batch_graphs) in order.chunks(case.batch_size).enumerate() {
            let batch = data.batch(batch_graphs, DType::F32, &device).expect("fits");
            let targets = data.target_tensor(batch_graphs, DType::F32, &device).expect("fits");
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
            let batch = data.batch(batch_graphs, DType::F32, &device).expect("fits");
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
