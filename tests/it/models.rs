//! The model files that ship with the project.

use candle_core::backprop::GradStore;
use candle_core::{DType, Device};
use hgnn::args::BoundCall;
use hgnn::check::{Checked, check, data_call};
use hgnn::data::batch::EdgeReads;
use hgnn::data::synthetic::{RandomGraphs, random_graphs, renumber};
use hgnn::data::{self, DataOptions, Dataset};
use hgnn::ir::Model;
use hgnn::lower::{ForwardCx, Network};
use hgnn::source::SourceMap;
use hgnn::syntax::Program;
use std::path::{Path, PathBuf};

/// The shipped files in order of their names.
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
    for path in shipped() {
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
