//! What tests hold estimates against: the allocator of the test binary counts the bytes of each thread.

use crate::check::Checked;
use crate::data::batch::EdgeReads;
use crate::data::synthetic::{RandomGraphs, random_graphs};
use crate::data::{DataOptions, Dataset, Features, SparseRows, Split, Targets};
use crate::estimate::batches::around_links;
use crate::estimate::{ranking, replay};
use crate::ir::Model;
use crate::kernels::threads;
use crate::lower::Network;
use crate::lower::testing::compile;
use crate::plan::Tracer;
use crate::plan::trace::{Graphs, Trace};
use crate::source::SourceMap;
use crate::train::Feed;
use crate::types::{DataFacts, Entity, Task};
use candle_core::{DType, Device};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;

struct Counting;

thread_local! {
    /// Bytes that this thread has allocated and not freed, and the most of it.
    static IN_USE: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // A thread that ends frees what its locals held.
    let _ = IN_USE.try_with(|in_use| {
        in_use.set(in_use.get() + bytes);
        let _ = MOST.try_with(|most| most.set(most.get().max(in_use.get())));
    });
}

// SAFETY: the system's allocator, with a count beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Bytes beside weights and batch: kept after the forward pass, and the most until the backward pass has ended.
#[derive(Debug)]
struct Used {
    kept: f64,
    peak: f64,
}

/// One training step over all graphs, on one thread, so that one thread's count has everything.
fn used(model: &Checked<Model>, data: &Dataset, facts: &DataFacts) -> Used {
    let network = Network::build(model, facts, DType::F32, &Device::Cpu, 1).unwrap();
    let graphs: Vec<u32> = (0..data.n_graphs() as u32).collect();
    let reads = EdgeReads::of(model.get());
    let batch = data.batch_for(reads, &graphs, DType::F32, &Device::Cpu).unwrap();
    let items: Vec<u32> = match model.get().task.entity {
        Entity::Nodes => (0..data.n_nodes() as u32).collect(),
        _ => graphs,
    };
    let targets = data.target_tensor(&items, DType::F32, &Device::Cpu).unwrap().unwrap();
    // What is found once for the graphs of the data is no part of a step. Another thread finds it, since memory that a thread gives back
    // is taken again without being counted.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let first = data.batch_for(reads, &batch.graphs, DType::F32, &Device::Cpu).unwrap();
            network.forward(&first, &mut network.training_cx(1)).unwrap();
        });
    });
    threads::with_count(1, || {
        let before = IN_USE.get();
        MOST.set(before);
        let mut cx = network.training_cx(1);
        let output = network.forward(&batch, &mut cx).unwrap();
        let loss = network.loss(&output, &targets, &cx, None).unwrap();
        let kept = (IN_USE.get() - before) as f64;
        let gradients = loss.backward().unwrap();
        let peak = (MOST.get() - before) as f64;
        drop((gradients, output));
        Used { kept, peak }
    })
}

fn traced(model: &Checked<Model>, data: &Dataset, facts: &DataFacts) -> Trace {
    let offsets = &data.adjacency.offsets;
    let nodes = |graph| data.graph_nodes(graph);
    let graphs = Graphs {
        nodes: (0..data.n_graphs()).map(|graph| nodes(graph).len() as f64).collect(),
        edges: (0..data.n_graphs())
            .map(|graph| f64::from(offsets[nodes(graph).end] - offsets[nodes(graph).start]))
            .collect(),
        ..Graphs::default()
    };
    Tracer::new(model.get(), facts, data.is_symmetric()).unwrap().step(graphs, None)
}

/// Shares by which what is kept and the peak may differ from their estimates, for models that the estimate was corrected
/// by, and for those that it was not.
const SEEN: [f64; 2] = [0.05, 0.15];
const HELD_OUT: [f64; 2] = [0.15, 0.15];

/// Compares one training step with its estimate; a line where they are too far apart.
fn compare(name: &str, text: &str, data: &Dataset, tolerances: [f64; 2]) -> Option<String> {
    let facts = data.facts();
    let mut sources = SourceMap::default();
    let main = sources.add("model.hgnn", text);
    let none = |path: &str| Err(std::io::Error::new(std::io::ErrorKind::NotFound, path.to_owned()));
    let (program, _) = crate::syntax::load_program(&mut sources, main, &none);
    let outcome = crate::check::check(&program, Some(&facts));
    let model = outcome.model.unwrap_or_else(|| panic!("{name}: {:?}", outcome.diagnostics));
    let trace = traced(&model, data, &facts);
    let (estimated, found) = (replay::training(&trace), used(&model, data, &facts));
    // What a tensor is beside its numbers: shape, node of the tape, the operator, weights' descriptors.
    let overhead = 2500.0 * (trace.kernels().len() + 4) as f64;
    let far = |estimated: f64, found: f64, tolerance: f64| {
        estimated > found * (1.0 + tolerance) || estimated < (found - overhead) / (1.0 + tolerance)
    };
    let is_far = far(estimated.kept_bytes, found.kept, tolerances[0])
        || far(estimated.peak_bytes, found.peak, tolerances[1]);
    is_far.then(|| {
        let kib = |bytes: f64| bytes / 1024.0;
        format!(
            "{name}: kept {:.0} KiB, estimated {:.0}; peak {:.0} KiB, estimated {:.0}",
            kib(found.kept),
            kib(estimated.kept_bytes),
            kib(found.peak),
            kib(estimated.peak_bytes)
        )
    })
}

/// Graphs of very different sizes, large enough that tensors outweigh what describes them.
fn ragged(entity: Entity, n_edge_kinds: usize) -> Dataset {
    let wanted = RandomGraphs {
        n_graphs: 12,
        min_nodes: 5,
        max_nodes: 120,
        n_features: 6,
        n_edge_features: 3,
        n_edge_kinds,
        ..RandomGraphs::default()
    };
    let mut data = random_graphs(&wanted);
    if entity == Entity::Nodes {
        data.task = data.task.map(|task| Task { entity, ..task });
        data.targets = Targets::Classes((0..data.n_nodes() as i64).map(|node| node % 3).collect());
    }
    data
}

#[test]
fn operators_keep_what_their_traces_say() {
    let data = ragged(Entity::Graph, 3);
    let signs = ragged(Entity::Graph, 2);
    let mut lines = Vec::new();
    for op in crate::ops::for_any_graphs() {
        // What four of them keep beside what their traces say was not looked into; how full a reduced graph is, sizes do not tell.
        let is_apart = ["rgat", "han", "graclus", "ndp", "x_conv"].contains(&op.name());
        let tolerances = match op.name() {
            // Which nodes stay alone, sizes tell even less.
            "eigen_pool" => [0.6, 0.6],
            _ if is_apart => [0.2, 0.2],
            _ => SEEN,
        };
        let data = if op.name() == "signed" { &signs } else { &data };
        lines.extend(compare(op.name(), op.doc().example, data, tolerances));
    }
    for (name, text) in [
        ("gcn narrowing", "gcn(64) -> relu -> gcn(4) -> mean -> linear"),
        ("sage normalized", "sage(32, normalize = true) -> relu -> mean -> linear"),
        ("sage lstm", "sage(16) -> relu -> mean -> linear"),
        ("gin learned eps", "gin(32, train_eps = true) -> relu -> gin(32) -> sum -> mlp"),
        ("gat mean of heads", "gat(16, heads = 4, concat = false) -> elu -> gat(8, bias = false) -> mean -> linear"),
        ("coarse gcn", "diffpool(k = 12) -> gcn(16) -> relu -> gcn(16) -> mean -> linear"),
        ("coarse gat", "diffpool(k = 12) -> gat(16) -> mean -> linear"),
        ("mlp with everything", "mean -> mlp(hidden = [64, 64], norm = batch_norm, dropout = 0.5, activation = gelu)"),
        (
            "losses on two levels",
            "model = sage(32) -> diffpool(k = 20) -> sage(32) -> relu -> diffpool(k = 5) -> gin(32) -> mean -> linear
             loss = cross_entropy + link_prediction + 0.1 * entropy",
        ),
    ] {
        lines.extend(compare(name, text, &data, SEEN));
    }
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

/// Features that are kept without their zeros, read in layers that go over what is stored, and in stages that have them written out.
#[test]
fn features_without_zeros_take_what_is_stored() {
    let dense = random_graphs(&RandomGraphs {
        n_graphs: 3,
        min_nodes: 150,
        max_nodes: 200,
        n_features: 400,
        ..RandomGraphs::default()
    });
    let mut rows = SparseRows::new(dense.n_features());
    for node in 0..dense.n_nodes() {
        let mut row = Vec::new();
        dense.features.each_of_row(node, |column, value| {
            if (column as usize + node).is_multiple_of(50) {
                row.push((column, value));
            }
        });
        rows.push_row(row.into_iter());
    }
    let sparse = Dataset { features: Features::Sparse(rows), ..dense };
    let mut lines = Vec::new();
    for text in [
        "gcn(32) -> relu -> mean -> linear",
        "dropout(0.5) -> linear(32) -> tanh -> gcn(16) -> mean -> linear",
        "sage(32) -> relu -> sage(32) -> mean -> linear",
        "sage(32, aggregate = max) -> mean -> linear",
        "concat(gcn(16), identity) -> mean -> linear",
    ] {
        lines.extend(compare(text, text, &sparse, HELD_OUT));
    }
    let typed = crate::data::load(&crate::data::call("bibliography", &[]), &DataOptions::folder("")).unwrap();
    for text in [
        "linear(16) -> relu -> hetero(sage(16) -> relu -> sage(16)) -> relu -> linear",
        "hetero(gcn(16), aggregate = max) -> relu -> hetero(linear(16)) -> linear",
    ] {
        lines.extend(compare(text, text, &typed, HELD_OUT));
    }
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

/// The most that measuring some links takes from the vectors of the nodes on, on one thread.
fn used_by_ranking(model: &Checked<Model>, data: &Dataset, items: &[u32]) -> f64 {
    let network = Network::build(model, &data.facts(), DType::F32, &Device::Cpu, 1).unwrap();
    let others = (0..data.n_items() as u32).filter(|link| !items.contains(link)).collect();
    let split = Split { train: others, validation: Vec::new(), test: items.to_vec() };
    let feed = Feed::new(data, model.get().task, EdgeReads::of(model.get()), items, &Device::Cpu);
    let feed = feed.of_links(model.get().task, Some(&split), None);
    let links = feed.links().unwrap();
    let batch = feed.messages(links).unwrap();
    threads::with_count(1, || {
        // What a graph keeps of itself is made by whoever asks first.
        drop(network.encode(&batch).unwrap());
        let before = IN_USE.get();
        MOST.set(before);
        let encoded = network.encode(&batch).unwrap();
        let ranks = links.ranks(&network, &encoded, &batch, items).unwrap();
        assert!(ranks.len() >= items.len());
        (MOST.get() - before) as f64
    })
}

/// Share by which the peak of ranking may differ from its estimate, which takes the copy of the scores to be made while the decoder's own
/// numbers are there.
const RANKING: f64 = 0.25;

#[test]
fn ranking_links_takes_what_its_sizes_say() {
    let graph = |n_nodes: usize, n_edge_kinds: usize| {
        let data = random_graphs(&RandomGraphs {
            n_graphs: 1,
            min_nodes: n_nodes,
            max_nodes: n_nodes,
            mean_degree: 6.0,
            directed: n_edge_kinds > 0,
            n_edge_kinds,
            ..RandomGraphs::default()
        });
        data.for_task(Task::from_name("link_prediction").unwrap())
    };
    let mut lines = Vec::new();
    for (n_nodes, n_kinds, text) in [
        // A product of matrices: all questions at once, and some at a time.
        (400, 0, "gcn(32) -> relu -> gcn(16) -> inner_product"),
        (2500, 0, "gcn(32) -> relu -> gcn(16) -> inner_product"),
        (900, 3, "embedding(32) -> distmult(relation = edge_labels)"),
        // One pair at a time.
        (400, 3, "embedding(16) -> transe(relation = edge_labels)\nloss = margin_ranking"),
        (2500, 3, "embedding(16) -> rotate(relation = edge_labels)"),
        (700, 0, "gcn(16) -> pairs -> mlp(hidden = [16])"),
    ] {
        let data = graph(n_nodes, n_kinds);
        let model = compile(&format!("task = link_prediction\nmodel = {text}"), Some(&data.facts()));
        let items: Vec<u32> = (0..data.n_items() as u32).filter(|link| link % 4 == 0).collect();
        let tracer = Tracer::new(model.get(), &data.facts(), data.is_symmetric()).unwrap();
        let messages = around_links(&[data.n_nodes() as f64], &[data.n_edges() as f64], 0);
        let estimated = ranking::bytes(&tracer, &data, &messages, &items);
        let found = used_by_ranking(&model, &data, &items);
        if estimated < found / (1.0 + RANKING) || estimated > found * (1.0 + RANKING) {
            lines.push(format!(
                "{n_nodes} nodes, {text}: estimated {estimated:.0}, found {found:.0}, ratio {:.2}",
                estimated / found
            ));
        }
    }
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

/// Compares every model of a folder of the repository.
fn models_keep_what_their_traces_say(folder: &str, tolerances: [f64; 2]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut lines = Vec::new();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "hgnn")) {
        let name = path.file_stem().unwrap().to_string_lossy();
        let entity = if name.starts_with("karate") { Entity::Nodes } else { Entity::Graph };
        let data = ragged(entity, 3);
        lines.extend(compare(&name, &std::fs::read_to_string(path).unwrap(), &data, tolerances));
    }
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

#[test]
fn shipped_models_keep_what_their_traces_say() {
    models_keep_what_their_traces_say("models", SEEN);
}

#[test]
fn held_out_models_keep_what_their_traces_say() {
    models_keep_what_their_traces_say("benches/held_out", HELD_OUT);
}
