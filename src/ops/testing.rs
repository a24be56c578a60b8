//! Small models around one operator, for the tests in the operators' files.

use crate::check::{Outcome, check};
use crate::data::{Dataset, DatasetParts, Features, Targets, Vocabulary};
use crate::lower::testing::compile;
use crate::lower::{ForwardCx, Network};
use crate::source::SourceMap;
use crate::types::{DataFacts, Entity, TargetKind, Task};
use candle_core::{DType, Device};

/// One graph of `n_nodes` with these directed edges, three features per node and two classes.
pub(crate) fn nodes(n_nodes: usize, edges: &[(u32, u32)]) -> Dataset {
    let width = 3;
    let values = (0..n_nodes * width).map(|idx| ((idx * 7) % 11) as f32 / 4.0 - 1.0).collect();
    Dataset::new(DatasetParts {
        name: "nodes".into(),
        task: Some(Task { entity: Entity::Nodes, kind: TargetKind::Classification }),
        node_offsets: vec![0, n_nodes as u32],
        edges: edges.to_vec(),
        edge_features: None,
        edge_kinds: None,
        features: Features::Dense { values, width },
        targets: Targets::Classes((0..n_nodes as i64).map(|node| node % 2).collect()),
        class_names: vec!["a".into(), "b".into()],
        fixed_split: None,
        graph_ids: vec![1],
        vocabulary: Vocabulary::default(),
    })
}

/// The result of a model on the first graph of its data, row by row, with the network that made it.
pub(crate) fn run(text: &str, data: &Dataset) -> (Vec<Vec<f64>>, Network) {
    let facts = data.facts();
    let network = Network::build(&compile(text, Some(&facts)), &facts, DType::F64, &Device::Cpu, 1).unwrap();
    (forward(&network, data, ForwardCx::evaluation()), network)
}

/// The rows that come out of the first graph.
pub(crate) fn forward(network: &Network, data: &Dataset, mut cx: ForwardCx) -> Vec<Vec<f64>> {
    let batch = data.batch(&[0], DType::F64, &Device::Cpu).unwrap();
    network.forward(&batch, &mut cx).unwrap().x.to_vec2().unwrap()
}

/// A weight of a network as rows; a vector is one row.
pub(crate) fn weight(network: &Network, name: &str) -> Vec<Vec<f64>> {
    let parameter = network.parameters().get(name).unwrap_or_else(|| panic!("no parameter `{name}`"));
    let tensor = parameter.var.as_tensor();
    if tensor.rank() == 1 { vec![tensor.to_vec1().unwrap()] } else { tensor.to_vec2().unwrap() }
}

/// `features of a node · rows of a matrix`, plus a bias.
pub(crate) fn transformed(data: &Dataset, node: usize, rows: &[Vec<f64>], bias: &[f64]) -> Vec<f64> {
    let Features::Dense { values, width } = &data.features else { panic!("dense features") };
    let x = &values[node * width..(node + 1) * width];
    assert_eq!(rows.len(), x.len());
    (0..bias.len())
        .map(|col| bias[col] + x.iter().zip(rows).map(|(&x, row)| f64::from(x) * row[col]).sum::<f64>())
        .collect()
}

#[track_caller]
pub(crate) fn assert_close(ours: &[f64], expected: &[f64]) {
    assert_eq!(ours.len(), expected.len());
    let is_close = ours.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12);
    assert!(is_close, "{ours:?} is not {expected:?}");
}

/// What the checker reports about a text.
pub(crate) fn outcome(text: &str, data: Option<&DataFacts>) -> Outcome {
    let mut sources = SourceMap::default();
    let main = sources.add("test.hgnn", text);
    let (program, findings) =
        crate::syntax::load_program(&mut sources, main, &|_| Err(std::io::ErrorKind::NotFound.into()));
    assert!(findings.is_empty(), "{text}: {findings:?}");
    check(&program, data)
}

/// As [`outcome`]; `None` where the parser refuses the text.
pub(crate) fn parsed(text: &str, data: Option<&DataFacts>) -> Option<Outcome> {
    let mut sources = SourceMap::default();
    let main = sources.add("test.hgnn", text);
    let (program, findings) =
        crate::syntax::load_program(&mut sources, main, &|_| Err(std::io::ErrorKind::NotFound.into()));
    findings.is_empty().then(|| check(&program, data))
}

/// The codes of what the checker reports about a text.
pub(crate) fn codes(text: &str) -> Vec<&'static str> {
    outcome(text, None).diagnostics.iter().map(|finding| finding.code).collect()
}

/// The types of all stages, as printed.
pub(crate) fn types(text: &str, data: Option<&DataFacts>) -> Vec<String> {
    compile(text, data).get().nodes().map(|(_, node)| node.ty.to_string()).collect()
}
