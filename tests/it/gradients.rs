//! Gradients in the numbers that models are trained in, beside those in numbers twice as wide.

use crate::models::{load, local_data, shipped, small_data};
use candle_core::{DType, Device};
use hgnn::check::{Checked, check, data_call};
use hgnn::data::Dataset;
use hgnn::ir::Model;
use hgnn::lower::Network;
use hgnn::program::Fun;
use hgnn::types::Entity;
use std::collections::BTreeSet;

/// Off by more than this, a gradient in f32 is not accurate: `‖g₃₂ − g₆₄‖ / ‖g₆₄‖` over all weights of a model.
const BOUND: f64 = 1e-4;

/// Nodes of one comparison, at most: the tests' own code is not optimised.
const MAX_NODES: usize = 6000;

/// A training step: its gradient, and where the `relu`s between its stages let pass.
struct Step {
    gradient: Vec<f64>,
    /// Of each stage with a `relu`: whether a number is above 0, its size beside the largest, and the graph of its row.
    masks: Vec<Vec<(bool, f64, u32)>>,
}

fn step(network: &Network, data: &Dataset, graphs: &[u32], dtype: DType) -> Step {
    let batch = data.batch(graphs, dtype, &Device::Cpu).unwrap();
    let items: Vec<u32> = match data.facts().task.unwrap().entity {
        Entity::Nodes => (0..batch.graph.n_nodes() as u32).collect(),
        _ => graphs.to_vec(),
    };
    let targets = data.target_tensor(&items, dtype, &Device::Cpu).unwrap().unwrap();
    let mut masks = Vec::new();
    let mut cx = network.training_cx(7);
    let output = network
        .forward_observed(&batch, &mut cx, &mut |step, value| {
            if step.activation != Some(Fun::Relu) {
                return;
            }
            let width = value.x.dims()[1];
            let numbers: Vec<f64> =
                value.x.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap();
            let largest = numbers.iter().fold(0.0f64, |largest, &x| largest.max(x));
            let offsets = value.structure.offsets();
            let graph_of = |row: usize| offsets.partition_point(|&end| end as usize <= row) as u32 - 1;
            let numbers = numbers.iter().enumerate();
            masks.push(numbers.map(|(place, &x)| (x > 0.0, x / largest, graph_of(place / width))).collect());
        })
        .unwrap();
    let gradients = network.loss(&output, &targets, &cx, None).unwrap().backward().unwrap();
    let mut gradient = Vec::new();
    for parameter in network.parameters().trained() {
        let of = gradients.get(&parameter.var).unwrap().to_dtype(DType::F64).unwrap();
        gradient.extend(of.flatten_all().unwrap().to_vec1::<f64>().unwrap());
    }
    Step { gradient, masks }
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

/// Both steps with the same weights.
fn both(model: &Checked<Model>, data: &Dataset, graphs: &[u32]) -> (f64, BTreeSet<u32>) {
    let build = |dtype| Network::build(model, &data.facts(), dtype, &Device::Cpu, 0).unwrap();
    let (narrow, wide) = (build(DType::F32), build(DType::F64));
    for (narrow, wide) in narrow.parameters().iter().zip(wide.parameters().iter()) {
        wide.var.set(&narrow.var.to_dtype(DType::F64).unwrap()).unwrap();
    }
    let (narrow, wide) = (step(&narrow, data, graphs, DType::F32), step(&wide, data, graphs, DType::F64));
    let mut jumps = BTreeSet::new();
    for (narrow, wide) in narrow.masks.iter().zip(&wide.masks) {
        for (narrow, wide) in narrow.iter().zip(wide) {
            if narrow.0 != wide.0 {
                let size = narrow.1.max(wide.1);
                assert!(size < 1e-5, "a number of {size:e} of the largest has another sign");
                jumps.insert(graphs.get(narrow.2 as usize).copied().unwrap_or(0));
            }
        }
    }
    let difference = narrow.gradient.iter().zip(&wide.gradient).map(|(narrow, wide)| narrow - wide);
    (norm(difference) / norm(wide.gradient.iter().copied()), jumps)
}

/// Sums run in numbers wide enough that rounding does not reach the gradient. What no summation can help is a number
/// before a `relu` that is 0 but for rounding: there the slope jumps between 0 and 1, and the gradient of its graph
/// with it. So where a gradient is off, it has to be for such graphs, and has to be accurate over the others.
#[test]
fn gradients_of_shipped_models_are_accurate() {
    let mut report = Vec::new();
    for path in shipped() {
        let (_, program) = load(&path);
        let data = match data_call(&program).expect("a sound `data`") {
            Some(call) if call.name == "tu" => local_data(&call).unwrap_or_else(|| {
                crate::skip::skip(crate::skip::DATA);
                small_data(&program)
            }),
            _ => small_data(&program),
        };
        let model = check(&program, Some(&data.facts())).model.expect("shipped models are correct");
        for n_graphs in [20, 200] {
            let n_graphs = (1..=data.n_graphs().min(n_graphs))
                .rfind(|&n| data.graph_nodes(n - 1).end <= MAX_NODES)
                .expect("a graph that is small enough");
            let mut graphs: Vec<u32> = (0..n_graphs as u32).collect();
            let all = graphs.len();
            let mut off;
            loop {
                let jumps;
                (off, jumps) = both(&model, &data, &graphs);
                report.push(format!(
                    "{} over {} graphs: {off:.1e}, {} jumps",
                    path.file_stem().unwrap().to_string_lossy(),
                    graphs.len(),
                    jumps.len()
                ));
                if off <= BOUND || jumps.is_empty() || graphs.len() < all * 9 / 10 {
                    break;
                }
                graphs.retain(|graph| !jumps.contains(graph));
            }
            assert!(off <= BOUND, "{}", report.join("\n"));
        }
    }
    println!("{}", report.join("\n"));
}
