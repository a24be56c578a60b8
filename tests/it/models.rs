//! The model files that ship with the project.

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor};
use hgnn::args::BoundCall;
use hgnn::check::{Checked, check, data_call};
use hgnn::data::batch::EdgeReads;
use hgnn::data::synthetic::{RandomGraphs, random_graphs, renumber};
use hgnn::data::views::walks::Walks;
use hgnn::data::views::{Views, changes, corruption};
use hgnn::data::{
    self, DataOptions, Dataset, DatasetParts, Features, GraphBatch, Targets, Types, Vocabulary,
};
use hgnn::ir::Model;
use hgnn::kernels::graph::EdgeKinds;
use hgnn::lower::{ForwardCx, Network};
use hgnn::ops::hetero::Lifted;
use hgnn::ops::loss::Contrast;
use hgnn::source::SourceMap;
use hgnn::syntax::Program;
use hgnn::types::{Entity, NodeType, Relation, Schema, TargetKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The shipped files of the top folder, in order of their names: the ones that slow tests go over.
pub(crate) fn shipped() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "hgnn"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no models found");
    paths
}

/// The shipped files of all folders.
pub(crate) fn every_shipped() -> Vec<PathBuf> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut paths = shipped();
    for entry in std::fs::read_dir(top).unwrap() {
        let folder = entry.unwrap().path();
        if folder.is_dir() {
            let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            paths.extend(files.filter(|path| path.extension().is_some_and(|end| end == "hgnn")));
        }
    }
    paths.sort();
    paths
}

pub(crate) fn load(path: &Path) -> (SourceMap, Program) {
    let folder = path.parent().unwrap().to_owned();
    let mut sources = SourceMap::default();
    let main =
        sources.add(path.file_name().unwrap().to_string_lossy(), std::fs::read_to_string(path).unwrap());
    let (program, findings) =
        hgnn::syntax::load_program(&mut sources, main, &|used| std::fs::read_to_string(folder.join(used)));
    assert!(findings.is_empty(), "{}: {findings:?}", path.display());
    (sources, program)
}

#[test]
fn shipped_models_check_clean() {
    let mut lines = Vec::new();
    for path in every_shipped() {
        let (sources, program) = load(&path);
        for finding in check(&program, None).diagnostics {
            let place =
                finding.labels.first().map(|label| sources.line_column(label.span.file, label.span.start));
            lines.push(format!("{}:{place:?}: {}: {}", path.display(), finding.code, finding.message));
        }
        let is_documented = std::fs::read_to_string(&path).unwrap().starts_with("/// ");
        assert!(is_documented, "{} begins without `///`", path.display());
    }
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

/// The data that the model names where it is built in, else a few small graphs.
pub(crate) fn small_data(program: &Program) -> Dataset {
    let call = data_call(program).expect("a sound `data`").filter(|call| call.name != "tu");
    match call {
        Some(call) => data::load(&call, &DataOptions::folder("nowhere")).unwrap(),
        None => {
            let model = check(program, None).model.expect("shipped models are correct");
            let reads = EdgeReads::of(model.get());
            let n_edge_features = if reads.features { 3 } else { 0 };
            random_graphs(&RandomGraphs { n_graphs: 12, n_edge_features, ..RandomGraphs::default() })
        }
    }
}

/// The data of a shipped model, where it is on this machine.
pub(crate) fn local_data(call: &BoundCall) -> Option<Dataset> {
    let folder = std::env::var_os("HGNN_DATA").map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from);
    data::load(call, &DataOptions::folder(folder)).ok()
}

/// Models that sort or select nodes do so alike in every numbering, in the numbers that they are trained in: with real
/// graphs, whose nodes are equal in their hundreds, where they are here.
#[test]
fn choices_of_shipped_models_do_not_depend_on_the_numbering() {
    for path in shipped() {
        let (_, program) = load(&path);
        let call = data_call(&program).expect("a sound `data`").expect("shipped models name their data");
        let Some(data) = local_data(&call) else {
            crate::skip::skip(crate::skip::DATA);
            continue;
        };
        let model = check(&program, Some(&data.facts())).model.expect("shipped models are correct");
        if !hgnn::plan::chooses_by_value(model.get()) {
            continue;
        }
        let network = Network::build(&model, &data.facts(), DType::F32, &Device::Cpu, 0).unwrap();
        let graphs: Vec<u32> = (0..data.n_graphs() as u32).collect();
        let run = |data: &Dataset| -> Vec<Vec<f32>> {
            let batch = data.batch(&graphs, DType::F32, &Device::Cpu).unwrap();
            network.forward(&batch, &mut ForwardCx::evaluation()).unwrap().x.to_vec2().unwrap()
        };
        let (before, after) = (run(&data), run(&renumber(&data, 1).0));
        let largest = before.iter().flatten().fold(0.0f32, |largest, value| largest.max(value.abs()));
        for (graph, (before, after)) in before.iter().zip(&after).enumerate() {
            for (before, after) in before.iter().zip(after) {
                let is_same = (before - after).abs() <= 1e-5 * largest;
                assert!(is_same, "{}: graph {graph}: {before} becomes {after}", path.display());
            }
        }
    }
}

#[test]
fn shipped_models_train_every_weight() {
    for path in shipped() {
        let (_, program) = load(&path);
        let data = small_data(&program);
        let facts = data.facts();
        let outcome = check(&program, Some(&facts));
        let model: Checked<Model> =
            outcome.model.unwrap_or_else(|| panic!("{}: {:?}", path.display(), outcome.diagnostics));
        let network = Network::build(&model, &facts, DType::F32, &Device::Cpu, 3).unwrap();
        let n_graphs = data.n_graphs().min(6) as u32;
        let graphs: Vec<u32> = (0..n_graphs).collect();
        let batch = data.batch(&graphs, DType::F32, &Device::Cpu).unwrap();
        let items: Vec<u32> = match facts.task.unwrap().entity {
            hgnn::types::Entity::Nodes => (0..batch.graph.n_nodes() as u32).collect(),
            _ => graphs,
        };
        let targets = data.target_tensor(&items, DType::F32, &Device::Cpu).unwrap().unwrap();
        let mut cx = network.training_cx(1);
        let output = network.forward(&batch, &mut cx).unwrap();
        let loss = network.loss(&output, &targets, &cx, None).unwrap();
        assert!(loss.total.to_scalar::<f32>().unwrap().is_finite(), "{}", path.display());
        let gradients = loss.backward().unwrap();
        // The way training takes gradients, and Candle's own, over a pass that no tape remembers.
        let mut cx = ForwardCx { is_taped: false, ..network.training_cx(1) };
        let output = network.forward(&batch, &mut cx).unwrap();
        let plain = network.loss(&output, &targets, &cx, None).unwrap().total.backward().unwrap();
        for parameter in network.parameters().trained() {
            let of = |gradients: &GradStore| {
                let gradient = gradients.get(&parameter.var);
                let gradient =
                    gradient.unwrap_or_else(|| panic!("{}: {} is dead", path.display(), parameter.name));
                gradient.flatten_all().unwrap().to_vec1::<f32>().unwrap()
            };
            let (ours, candles) = (of(&gradients), of(&plain));
            // A bias before a norm has no gradient but rounding.
            let scale = candles.iter().fold(1e-2f32, |largest, value| largest.max(value.abs()));
            for (ours, candles) in ours.iter().zip(&candles) {
                let is_close = (ours - candles).abs() <= 1e-4 * scale;
                assert!(is_close, "{}: {}: {ours} is not {candles}", path.display(), parameter.name);
            }
        }
    }
}

/// Small data of the task that a model has, with what its stages read of edges: rings with a chord, whose features and
/// targets differ between nodes and graphs.
fn rings(model: &Model) -> Dataset {
    let reads = EdgeReads::of(model);
    let of_edges = model.task.is_of_edges();
    let is_nodes = !of_edges && matches!(model.task.entity, Entity::Nodes | Entity::Pairs);
    let n_graphs = if is_nodes { 1 } else { 10 };
    let (mut node_offsets, mut edges) = (vec![0u32], Vec::new());
    for graph in 0..n_graphs {
        let (first, n) = (node_offsets[graph], if is_nodes { 24 } else { 5 + graph as u32 % 4 });
        for node in 0..n {
            let next = (node + 1) % n;
            edges.extend([(first + node, first + next), (first + next, first + node)]);
        }
        edges.extend([(first, first + n / 2), (first + n / 2, first)]);
        node_offsets.push(first + n);
    }
    // What tells the ends of a triple apart is made for data that does.
    if model.nodes().any(|(_, node)| node.op.asks_by_reverse()) {
        edges = edges.into_iter().step_by(2).collect();
    }
    let n_nodes = *node_offsets.last().unwrap() as usize;
    // An edge stands beside its reverse, and both have one target.
    let rows: Vec<u32> = (0..edges.len() as u32).map(|edge| edge / 2).collect();
    let n_items = match model.task.entity {
        _ if of_edges => edges.len() / 2,
        _ if is_nodes => n_nodes,
        _ => n_graphs,
    };
    let values = |n_rows: usize, width: usize| -> Vec<f32> {
        (0..n_rows * width).map(|idx| (1.7 * idx as f32).sin()).collect()
    };
    // Nodes of two types in turn, and a relation from each to each.
    let is_typed = model
        .nodes()
        .any(|(_, node)| node.op.name() == hgnn::ops::NODE_TYPES.name() || Lifted::of(&node.args).is_some());
    let of_node: Vec<u32> = (0..n_nodes as u32).map(|node| node % 2).collect();
    let kind = |&(source, target): &(u32, u32)| 2 * (source % 2) + target % 2;
    let types = is_typed.then(|| {
        let node_type =
            |name: &str| NodeType { name: name.into(), n_nodes: n_nodes / 2, first_column: 0, n_columns: 4 };
        let relation =
            |kind: usize| Relation { source: kind / 2, name: "joins".into(), target: kind % 2, n_edges: 1 };
        let schema = Schema {
            nodes: vec![node_type("even"), node_type("odd")],
            relations: (0..4).map(relation).collect(),
        };
        Types { schema, of_node: of_node.into() }
    });
    let typed_kinds: Vec<u32> = edges.iter().map(kind).collect();
    let parts = DatasetParts {
        name: "rings".into(),
        task: Some(model.task),
        features: Features::Dense { values: values(n_nodes, 4).into(), width: 4 },
        edge_features: reads
            .features
            .then(|| Features::Dense { values: values(edges.len(), 3).into(), width: 3 }),
        edge_kinds: reads.kinds.then(|| match is_typed {
            true => EdgeKinds { of_entry: Arc::new(typed_kinds), n_kinds: 4 },
            false => EdgeKinds {
                of_entry: Arc::new((0..edges.len() as u32).map(|edge| edge / 2 % 3).collect()),
                n_kinds: 3,
            },
        }),
        targets: match model.task.kind {
            TargetKind::Classification => {
                Targets::Classes((0..n_items as i64).map(|item| item % 2).collect())
            }
            TargetKind::Links | TargetKind::Embedding => Targets::None,
            TargetKind::Regression => Targets::Values { values: values(n_items, 1), n_values: 1 },
            TargetKind::MultiLabel => {
                let labels = (0..2 * n_items).map(|at| f32::from(u8::from(at % 3 == 0))).collect();
                Targets::Values { values: labels, n_values: 2 }
            }
        },
        class_names: vec!["even".into(), "odd".into()],
        node_offsets,
        edges,
        fixed_split: None,
        graph_ids: (1..=n_graphs as u32).collect(),
        vocabulary: Vocabulary::default(),
    };
    let mut data = if of_edges { Dataset::of_edges(parts, &rows).unwrap() } else { Dataset::new(parts) };
    if let Some(types) = types {
        data.set_types(types);
    }
    data
}

/// What a loss without targets compares, always the same; `None` for losses that compare with targets.
fn views(model: &Model, data: &Dataset, batch: &GraphBatch) -> Option<(GraphBatch, Views)> {
    let (what, args) = model.losses.iter().find_map(|term| Some((term.loss.contrast()?, &term.args)))?;
    let changed = |seed| changes::changed(batch, &changes::asked(args), seed).unwrap();
    let nodes: Vec<u32> = (0..data.n_nodes() as u32).collect();
    let second = |batch| Views::Second(Box::new(batch));
    Some(match what {
        Contrast::Walks => {
            let pairs = Walks::of(args).pairs(data, &nodes, 1, &Device::Cpu).unwrap();
            (batch.clone(), Views::Walks(pairs))
        }
        Contrast::Corruption => (batch.clone(), second(corruption::corrupted(batch, 1).unwrap())),
        Contrast::Readout => (batch.clone(), Views::Nothing),
        Contrast::Views => (changed(1), second(changed(2))),
    })
}

/// The loss before and behind three steps of a model's optimiser; why it cannot be trained.
fn a_few_steps(path: &Path) -> Result<[f32; 2], String> {
    let (_, program) = load(path);
    let unread = check(&program, None);
    let unread = unread.model.ok_or(format!("{:?}", unread.diagnostics))?;
    let data = rings(unread.get()).for_task(unread.get().task);
    let outcome = check(&program, Some(&data.facts()));
    let model = outcome.model.ok_or(format!("{:?}", outcome.diagnostics))?;
    let network = Network::build(&model, &data.facts(), DType::F32, &Device::Cpu, 3).unwrap();
    let graphs: Vec<u32> = (0..data.n_graphs() as u32).collect();
    let mut batch = data.batch_for(EdgeReads::of(model.get()), &graphs, DType::F32, &Device::Cpu).unwrap();
    // Each link beside a pair with the next node in place of its second end.
    let mut beside = None;
    if let Some(links) = &data.links {
        let n = data.n_nodes() as u32;
        let ends: Vec<[u32; 2]> = links.ends.iter().flat_map(|&[a, b]| [[a, b], [a, (b + 1) % n]]).collect();
        let kinds: Vec<u32> = links.kinds.iter().flat_map(|&kind| [kind, kind]).collect();
        let (pairs, order) = links.pairs(&ends, &kinds, &batch.graph.graph_offsets);
        let mut rows = vec![0u32; order.len()];
        (0u32..).zip(&order).for_each(|(row, &pair)| rows[pair as usize] = row);
        batch.pairs = Some(Arc::new(pairs));
        beside = Some(Arc::new(rows));
    }
    let items: Vec<u32> = match model.get().task.entity {
        Entity::Pairs => (0..data.n_items() as u32).collect(),
        Entity::Nodes => (0..batch.graph.n_nodes() as u32).collect(),
        _ => graphs.clone(),
    };
    if data.edge_items.is_some() {
        data.ask_about_edges(&items, &graphs, &mut batch);
    }
    let views = views(model.get(), &data, &batch);
    let targets = data.target_tensor(&items, DType::F32, &Device::Cpu).unwrap();
    let targets = targets.unwrap_or_else(|| Tensor::zeros(data.n_nodes(), DType::I64, &Device::Cpu).unwrap());
    let loss = |cx: &mut ForwardCx| {
        if let Some((batch, views)) = &views {
            let output = network.contrast(batch, views, cx).unwrap();
            let targets = targets.narrow(0, 0, output.x.dims()[0]).unwrap();
            return network.loss(&output, &targets, cx, None).unwrap();
        }
        let mut output = network.forward(&batch, cx).unwrap();
        if let Some(rows) = &beside {
            let picked = hgnn::kernels::gather_rows(&output.x, rows).unwrap();
            output.x = hgnn::kernels::tape::reshape(&picked, (rows.len() / 2, 2)).unwrap();
        }
        network.loss(&output, &targets, cx, None).unwrap()
    };
    let evaluated = || loss(&mut ForwardCx::evaluation()).total.to_scalar::<f32>().unwrap();
    let weights: Vec<_> = network.parameters().trained().map(|parameter| parameter.var.clone()).collect();
    let optimizer = model.get().train.call("optimizer").expect("it has a default");
    let mut optimizer = hgnn::train::optimizer::build(optimizer, weights.clone().into()).unwrap();
    let before = evaluated();
    for step in 0..3 {
        let gradients = loss(&mut network.training_cx(step)).backward().unwrap();
        let gradients: Vec<_> = weights.iter().map(|weight| gradients.get(weight).cloned()).collect();
        for (parameter, gradient) in network.parameters().trained().zip(&gradients) {
            gradient.as_ref().ok_or(format!("{} is dead", parameter.name))?;
        }
        optimizer.step(&gradients, 1e-3, 1.0).unwrap();
    }
    Ok([before, evaluated()])
}

#[test]
fn models_in_folders_train_a_few_steps() {
    let mut found = Vec::new();
    let is_network = |path: &PathBuf| {
        let model = check(&load(path).1, None).model;
        // What is solved at once takes no steps: `kernels.rs` has whole runs.
        model.is_none_or(|model| model.get().machine().is_none())
    };
    let folders = every_shipped().into_iter().filter(|path| !shipped().contains(path));
    for path in folders.filter(is_network) {
        match a_few_steps(&path) {
            Ok([before, after]) if before.is_finite() && after.is_finite() && before != after => {}
            Ok(losses) => found.push(format!("{}: the loss goes {losses:?}", path.display())),
            Err(why) => found.push(format!("{}: {why}", path.display())),
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// As in a fresh clone: the data of most models is not there, and that alone is no reason to refuse one.
#[test]
fn shipped_models_pass_every_lint_where_there_is_no_data() {
    let nowhere = tempfile::tempdir().expect("a temporary folder");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_hgnnc"))
        .args(["lint", "--deny", "all", "models"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("HGNN_DATA", nowhere.path())
        .env("XDG_CACHE_HOME", nowhere.path())
        .env("HGNN_OFFLINE", "1")
        .output()
        .expect("the command starts");
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&text));
}
