//! Steps on a GPU beside the same steps on the CPU. Built with `--features cuda`; without a GPU they are skipped.
#![cfg(feature = "cuda")]

use crate::models::{load, shipped, small_data};
use candle_core::{DType, Device};
use hgnn::check::{Checked, check};
use hgnn::data::Dataset;
use hgnn::data::synthetic::{RandomGraphs, random_graphs};
use hgnn::ir::Model;
use hgnn::lower::Network;
use hgnn::source::SourceMap;

/// What a number may be off in f64, beside the largest of its tensor.
const BOUND: f64 = 1e-8;

/// What all gradients together may be off in f32, where sums on a GPU run in another order: `‖Δg‖ / ‖g‖`.
const BOUND_F32: f64 = 2e-2;

fn gpu() -> Option<Device> {
    let device = Device::new_cuda(0).ok();
    if device.is_none() {
        crate::skip::skip("a GPU");
    }
    device
}

fn compile(text: &str, data: &Dataset) -> Checked<Model> {
    let mut sources = SourceMap::default();
    let main = sources.add("test.hgnn", text);
    let none = |_: &str| Err(std::io::ErrorKind::NotFound.into());
    let (program, findings) = hgnn::syntax::load_program(&mut sources, main, &none);
    assert!(findings.is_empty(), "{text}: {findings:?}");
    let outcome = check(&program, Some(&data.facts()));
    outcome.model.unwrap_or_else(|| panic!("{text}: {:?}", outcome.diagnostics))
}

/// The output of a step, and the gradient of each parameter.
fn step(model: &Checked<Model>, data: &Dataset, dtype: DType, device: &Device) -> Vec<(String, Vec<f64>)> {
    let network = Network::build(model, &data.facts(), dtype, device, 5).unwrap();
    let all: Vec<u32> = (0..data.n_graphs() as u32).collect();
    let batch = data.batch(&all, dtype, device).unwrap();
    let items = match data.facts().task.unwrap().entity {
        hgnn::types::Entity::Nodes => (0..batch.graph.n_nodes() as u32).collect(),
        _ => all,
    };
    let targets = data.target_tensor(&items, dtype, device).unwrap().unwrap();
    let mut cx = network.training_cx(1);
    let output = network.forward(&batch, &mut cx).unwrap();
    let gradients = network.loss(&output, &targets, &cx, None).unwrap().backward().unwrap();
    let flat = |tensor: &candle_core::Tensor| -> Vec<f64> {
        let host = tensor.to_device(&Device::Cpu).unwrap().to_dtype(DType::F64).unwrap();
        host.flatten_all().unwrap().to_vec1().unwrap()
    };
    let mut found = vec![("the output".to_owned(), flat(&output.x))];
    for parameter in network.parameters().trained() {
        found.push((parameter.name.clone(), flat(gradients.get(&parameter.var).unwrap())));
    }
    found
}

/// What differs by more than it may.
fn differences(model: &Checked<Model>, data: &Dataset, gpu: &Device) -> Vec<String> {
    let both = |dtype| (step(model, data, dtype, gpu), step(model, data, dtype, &Device::Cpu));
    let mut found = Vec::new();
    let (ours, theirs) = both(DType::F64);
    for ((name, ours), (_, theirs)) in ours.iter().zip(&theirs) {
        let scale = theirs.iter().fold(1e-6f64, |scale, x| scale.max(x.abs()));
        let off = ours.iter().zip(theirs).fold(0.0f64, |off, (a, b)| off.max((a - b).abs())) / scale;
        // NaN is no number that is within the bound.
        if off.is_nan() || off > BOUND {
            found.push(format!("{name}: {off:.1e}"));
        }
    }
    let (ours, theirs) = both(DType::F32);
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
    let flat =
        |step: &[(String, Vec<f64>)]| step[1..].iter().flat_map(|(_, x)| x.clone()).collect::<Vec<_>>();
    let (ours, theirs) = (flat(&ours), flat(&theirs));
    let off = norm(&mut ours.iter().zip(&theirs).map(|(a, b)| a - b)) / norm(&mut theirs.iter().copied());
    if off.is_nan() || off > BOUND_F32 {
        found.push(format!("in f32: {off:.1e}"));
    }
    found
}

#[test]
fn operators_compute_on_a_gpu_what_they_do_on_the_cpu() {
    let Some(gpu) = gpu() else { return };
    let more = [
        // With ε = 0 neighbours with the same closed neighbourhood tie in a maximum, and how a rounding breaks the tie
        // decides who gets the gradient.
        "gin(8, eps = 0.1, train_eps = true) -> sage(8, normalize = true) -> sage(8, aggregate = max) -> mean -> linear",
        "gat(4, heads = 2, concat = false) -> relu -> topk(k = 3) -> gatv2(4, heads = 2) -> tanh -> max -> mlp",
        "model = sage(8) as fine -> diffpool(k = 4) -> gatv2(4) -> elu -> gat(4) -> sage(4) -> gin(4)
             -> concat(fine -> max, max) -> linear
         loss = cross_entropy + 0.5 * link_prediction + entropy",
        "sage(6) -> mincut(k = 4) -> gcn(6) -> gelu -> layer_norm(mode = graph) -> mean -> mlp(norm = batch_norm)",
    ];
    let mut off = Vec::new();
    let examples = hgnn::ops::CATALOGUE
        .iter()
        .filter(|op| op.family() != hgnn::ops::Family::Kernel)
        .map(|op| op.doc().example);
    for text in examples.chain(more).filter(|text| !text.contains("dropout")) {
        let data = random_graphs(&RandomGraphs {
            n_graphs: 9,
            n_edge_features: 3,
            n_edge_kinds: 2,
            ..RandomGraphs::default()
        });
        let found = differences(&compile(text, &data), &data, &gpu);
        off.extend((!found.is_empty()).then(|| format!("{text}: {}", found.join(", "))));
    }
    assert!(off.is_empty(), "{}", off.join("\n"));
}

#[test]
fn shipped_models_compute_on_a_gpu_what_they_do_on_the_cpu() {
    let Some(gpu) = gpu() else { return };
    let mut off = Vec::new();
    for path in shipped() {
        let (_, program) = load(&path);
        let data = small_data(&program);
        let model = check(&program, Some(&data.facts())).model.expect("shipped models are correct");
        // Dropout draws other numbers there.
        let drops = |node: &hgnn::ir::Node| {
            let args = &node.args;
            node.op.name() == "dropout"
                || node.op.args().iter().any(|arg| arg.name == "dropout" && args.float("dropout") > 0.0)
        };
        if model.get().nodes().any(|(_, node)| drops(node)) {
            continue;
        }
        let found = differences(&model, &data, &gpu);
        off.extend((!found.is_empty()).then(|| format!("{}: {}", path.display(), found.join(", "))));
    }
    assert!(off.is_empty(), "{}", off.join("\n"));
}
