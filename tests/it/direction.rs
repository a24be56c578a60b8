//! Edges that go one way: at every level a row gathers from the sources of its incoming edges, and the clusters of a
//! pooling have the adjacency `A'[c, d] = Σ_ij S_ic A[i ← j] S_jd`.
//!
//! The expected numbers come from the formulas of the operators' papers, written out here as loops over plain matrices
//! `A[i][j]` ("i gathers from j"), which share nothing with the kernels.

use crate::laws::random_weight;
use crate::operator::{Lone, args, find, infer, numbers, sparse_graph, ty};
use candle_core::{DType, Device, Tensor, Var};
use hgnn::args::{ArgValue, Args, Default};
use hgnn::check::check;
use hgnn::data::synthetic::{RandomGraphs, random_graphs};
use hgnn::data::{Dataset, Features};
use hgnn::kernels::graph::EdgeKinds;
use hgnn::lower::{ForwardCx, Network, Structure, Value};
use hgnn::ops::{Action, CATALOGUE, Family, Gather, Operator};
use hgnn::source::SourceMap;
use hgnn::types::{Entity, Type};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

type Matrix = Vec<Vec<f64>>;

fn rows(values: &[f64], width: usize) -> Matrix {
    values.chunks(width).map(<[f64]>::to_vec).collect()
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    let entry = |row: &Vec<f64>, col: usize| row.iter().zip(b).map(|(x, other)| x * other[col]).sum();
    a.iter().map(|row| (0..b[0].len()).map(|col| entry(row, col)).collect()).collect()
}

fn transposed(a: &Matrix) -> Matrix {
    (0..a[0].len()).map(|col| a.iter().map(|row| row[col]).collect()).collect()
}

/// Row by row, `f(a, b)`.
fn combined(a: &Matrix, b: &Matrix, f: impl Fn(f64, f64) -> f64) -> Matrix {
    let pair = |(a, b): (&Vec<f64>, &Vec<f64>)| a.iter().zip(b).map(|(&a, &b)| f(a, b)).collect();
    a.iter().zip(b).map(pair).collect()
}

fn with_bias(a: &Matrix, bias: &[f64]) -> Matrix {
    a.iter().map(|row| row.iter().zip(bias).map(|(a, bias)| a + bias).collect()).collect()
}

fn softmax(logits: &[f64]) -> Vec<f64> {
    let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
    logits.iter().map(|logit| logit.exp() / sum).collect()
}

/// The values of a weight, and its shape.
type Weight = (Vec<f64>, Vec<usize>);

/// What the formulas need of a lowered operator: its weights by name.
struct Weights<'a>(&'a dyn Fn(&str) -> Weight);

impl Weights<'_> {
    fn matrix(&self, name: &str) -> Matrix {
        let (values, shape) = (self.0)(name);
        rows(&values, *shape.last().expect("a matrix"))
    }
    fn vector(&self, name: &str) -> Vec<f64> {
        (self.0)(name).0
    }
}

/// One graph as a convolution sees it. `floor` is the least degree: 1 between clusters (PyG's dense layers), 0 between
/// nodes, where a row that nothing comes in at gets nothing.
struct Graph<'a> {
    a: &'a Matrix,
    floor: f64,
}

impl Graph<'_> {
    fn degree(&self, row: &[f64]) -> f64 {
        row.iter().sum::<f64>().max(self.floor)
    }

    /// `Σ_j A_ij x_j / d_i`
    fn mean(&self, x: &Matrix) -> Matrix {
        let mut sums = product(self.a, x);
        for (sum, row) in sums.iter_mut().zip(self.a) {
            let degree = self.degree(row);
            sum.iter_mut().for_each(|value| *value = if degree == 0.0 { 0.0 } else { *value / degree });
        }
        sums
    }
}

/// `Σ_j Â_ij / √(d_i d_j) x_j W + b`, where `Â` has ones on its diagonal. Kipf and Welling 2017.
fn gcn(graph: &Graph, x: &Matrix, weights: &Weights) -> Matrix {
    let mut a = graph.a.clone();
    (0..a.len()).for_each(|i| a[i][i] = 1.0);
    let degree: Vec<f64> = a.iter().map(|row| graph.degree(row)).collect();
    for i in 0..a.len() {
        for j in 0..a.len() {
            a[i][j] /= (degree[i] * degree[j]).sqrt();
        }
    }
    with_bias(&product(&product(&a, x), &weights.matrix("weight")), &weights.vector("bias"))
}

/// `W_l · AGG_j A_ij x_j + W_r x_i + b`. Hamilton et al. 2017.
fn sage(graph: &Graph, x: &Matrix, weights: &Weights, aggregate: &str) -> Matrix {
    let gathered = if aggregate == "sum" { product(graph.a, x) } else { graph.mean(x) };
    let weight = weights.matrix("weight");
    let (left, right) = weight.split_at(x[0].len());
    let sum = combined(&product(&gathered, &left.to_vec()), &product(x, &right.to_vec()), |a, b| a + b);
    with_bias(&sum, &weights.vector("bias"))
}

/// `MLP((1 + ε) x_i + Σ_j A_ij x_j)` with ε = 0. Xu et al. 2019.
fn gin(graph: &Graph, x: &Matrix, weights: &Weights) -> Matrix {
    let sum = combined(x, &product(graph.a, x), |own, others| own + others);
    let hidden = with_bias(&product(&sum, &weights.matrix("weight_0")), &weights.vector("bias_0"));
    let hidden: Matrix = hidden.iter().map(|row| row.iter().map(|value| value.max(0.0)).collect()).collect();
    with_bias(&product(&hidden, &weights.matrix("weight_1")), &weights.vector("bias_1"))
}

/// `Σ_j α_ij h_j`, `α_ij = softmax_j LeakyReLU(a_src · h_j + a_dst · h_i)` over the entries of row `i` that are not 0
/// and `i` itself, in each head. Veličković et al. 2018.
fn gat(graph: &Graph, x: &Matrix, weights: &Weights) -> Matrix {
    let h = product(x, &weights.matrix("weight"));
    let (source, target) = (weights.matrix("attention_source"), weights.matrix("attention_target"));
    let width = source[0].len();
    let part = |row: usize, head: usize| &h[row][head * width..(head + 1) * width];
    let score = |row: usize, head: usize, a: &Matrix| -> f64 {
        part(row, head).iter().zip(&a[head]).map(|(h, a)| h * a).sum()
    };
    let mut out = vec![Vec::new(); x.len()];
    for (i, out) in out.iter_mut().enumerate() {
        for head in 0..source.len() {
            let others: Vec<usize> = (0..x.len()).filter(|&j| j == i || graph.a[i][j] != 0.0).collect();
            let scores: Vec<f64> = others
                .iter()
                .map(|&j| score(j, head, &source) + score(i, head, &target))
                .map(|score| if score < 0.0 { 0.2 * score } else { score })
                .collect();
            let alpha = softmax(&scores);
            out.extend((0..width).map(|col| {
                others.iter().zip(&alpha).map(|(&j, alpha)| alpha * part(j, head)[col]).sum::<f64>()
            }));
        }
    }
    with_bias(&out, &weights.vector("bias"))
}

/// `Σ_j α_ij s_j`, `α_ij = softmax_j a · LeakyReLU(s_j + t_i)` over the entries of row `i` that are not 0 and `i` itself, in
/// each head. Brody et al. 2022.
fn gatv2(graph: &Graph, x: &Matrix, weights: &Weights) -> Matrix {
    let side = |name: &str, bias: &str| with_bias(&product(x, &weights.matrix(name)), &weights.vector(bias));
    let (source, target) = (side("source", "source_bias"), side("target", "target_bias"));
    let attention = weights.matrix("attention");
    let width = attention[0].len();
    let mut out = vec![Vec::new(); x.len()];
    for (i, out) in out.iter_mut().enumerate() {
        for (head, a) in attention.iter().enumerate() {
            let others: Vec<usize> = (0..x.len()).filter(|&j| j == i || graph.a[i][j] != 0.0).collect();
            let score = |&j: &usize| -> f64 {
                (0..width)
                    .map(|col| {
                        let sum = source[j][head * width + col] + target[i][head * width + col];
                        a[col] * if sum < 0.0 { 0.2 * sum } else { sum }
                    })
                    .sum()
            };
            let alpha = softmax(&others.iter().map(score).collect::<Vec<f64>>());
            out.extend((0..width).map(|col| {
                others
                    .iter()
                    .zip(&alpha)
                    .map(|(&j, alpha)| alpha * source[j][head * width + col])
                    .sum::<f64>()
            }));
        }
    }
    with_bias(&out, &weights.vector("bias"))
}

/// Graphs of these sizes whose edges go one way, with a node that nothing comes in at and one that has no edge.
fn one_way(sizes: &[usize], seed: u64) -> Vec<Matrix> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let graph = |&n: &usize| {
        let mut a = vec![vec![0.0; n]; n];
        for i in 0..n.saturating_sub(1) {
            for j in i + 1..n.saturating_sub(1) {
                let (target, source) = if rng.random_bool(0.3) && i > 0 { (i, j) } else { (j, i) };
                a[target][source] = f64::from(u8::from(rng.random_bool(0.6)));
            }
        }
        a
    };
    sizes.iter().map(graph).collect()
}

fn edges_of(graphs: &[Matrix]) -> Vec<(u32, u32)> {
    let (mut edges, mut start) = (Vec::new(), 0);
    for a in graphs {
        for (target, row) in a.iter().enumerate() {
            let sources = row.iter().enumerate().filter(|&(_, &value)| value != 0.0);
            edges.extend(sources.map(|(source, _)| ((start + source) as u32, (start + target) as u32)));
        }
        start += a.len();
    }
    edges
}

fn random(n: usize, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n).map(|_| rng.random_range(-1.0..1.0)).collect()
}

const WIDTH: usize = 3;
/// Nodes a graph where nodes and clusters are compared.
const N: usize = 5;

/// The graphs as nodes and as clusters that are one node each.
fn both_levels(graphs: &[Matrix]) -> [(Type, Structure); 2] {
    let sparse = sparse_graph(&edges_of(graphs), &vec![N; graphs.len()]);
    let flat: Vec<f64> = graphs.iter().flatten().flatten().copied().collect();
    let adjacency = Tensor::from_vec(flat, (graphs.len(), N, N), &Device::Cpu).unwrap();
    [
        (ty(Entity::Nodes, 0, None, WIDTH), Structure::Sparse(sparse)),
        (
            ty(Entity::Clusters, 1, Some(N), WIDTH),
            Structure::Clusters {
                n_graphs: graphs.len(),
                k: N,
                adjacency: Some(adjacency),
                assignment: None,
            },
        ),
    ]
}

/// `W U(x_i ∥ s_i ∥ d_i / d̄ s_i)` with `s_i = Σ_j A_ij M(x_i ∥ x_j)` and `d_i = Σ_j A_ij`. Corso et al. 2020.
fn pna(graph: &Graph, x: &Matrix, weights: &Weights) -> Matrix {
    let layer = |x: &[f64], weight: &str, bias: &str| {
        added(&mapped(x, &weights.matrix(weight)), &weights.vector(bias))
    };
    let row = |i: usize| {
        let mut sum = vec![0.0; x[i].len()];
        for (j, &a) in graph.a[i].iter().enumerate() {
            let message = layer(&[&x[i][..], &x[j]].concat(), "pre_weight_0", "pre_bias_0");
            sum = added(&sum, &message.iter().map(|value| a * value).collect::<Vec<f64>>());
        }
        let scale = graph.a[i].iter().sum::<f64>() / weights.vector("mean_degree")[0];
        let scaled: Vec<f64> = sum.iter().map(|value| scale * value).collect();
        layer(&layer(&[&x[i][..], &sum, &scaled].concat(), "post_weight_0", "post_bias_0"), "weight", "bias")
    };
    (0..x.len()).map(row).collect()
}

type Formula = fn(&Graph, &Matrix, &Weights) -> Matrix;

/// A convolution: name, arguments, formula.
type Convolution = (&'static str, Vec<(&'static str, ArgValue)>, Formula);

/// The convolutions that run on nodes and on clusters.
fn convolutions() -> Vec<Convolution> {
    let out = ("out", ArgValue::Int(4));
    vec![
        ("gcn", vec![out.clone()], gcn),
        ("sage", vec![out.clone()], |graph, x, weights| sage(graph, x, weights, "mean")),
        ("sage", vec![out.clone(), ("aggregate", ArgValue::Choice("sum"))], |graph, x, weights| {
            sage(graph, x, weights, "sum")
        }),
        ("gin", vec![out.clone()], gin),
        ("gat", vec![out.clone(), ("heads", ArgValue::Int(2))], gat),
        ("gatv2", vec![out.clone(), ("heads", ArgValue::Int(2))], gatv2),
        (
            "pna",
            vec![
                out,
                ("aggregators", ArgValue::ChoiceList(vec!["sum"])),
                ("scalers", ArgValue::ChoiceList(vec!["identity", "linear"])),
            ],
            pna,
        ),
    ]
}

#[track_caller]
fn assert_close(what: &str, ours: &[f64], expected: &[f64]) {
    assert_eq!(ours.len(), expected.len(), "{what}");
    for (idx, (ours, expected)) in ours.iter().zip(expected).enumerate() {
        assert!(
            (ours - expected).abs() < 1e-12 * expected.abs().max(1.0),
            "{what}[{idx}]: {ours}, not {expected}"
        );
    }
}

/// `x W`
fn mapped(x: &[f64], matrix: &Matrix) -> Vec<f64> {
    product(&vec![x.to_vec()], matrix).remove(0)
}

fn added(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

fn rectified(x: Vec<f64>) -> Vec<f64> {
    x.into_iter().map(|value| value.max(0.0)).collect()
}

/// A perceptron of two layers, by the names of its weights.
fn perceptron(x: &[f64], weights: &Weights, of: &str) -> Vec<f64> {
    let layer = |x: &[f64], n: usize| {
        let (weight, bias) = (format!("{of}weight_{n}"), format!("{of}bias_{n}"));
        added(&mapped(x, &weights.matrix(&weight)), &weights.vector(&bias))
    };
    layer(&rectified(layer(x, 0)), 1)
}

/// `Θᵀ x_i + sum + b`
fn beside_root(x: &[f64], sum: &[f64], weights: &Weights) -> Vec<f64> {
    added(&added(&mapped(x, &weights.matrix("root")), sum), &weights.vector("bias"))
}

/// A convolution that needs values of the edges: its name and argument, the message of an edge, `f([x_j, x_i], e_ij)`, and what
/// becomes of a node and the sum of its messages. The values of an edge are features, or its kind and the share that it has
/// in those of its kind.
type WithEdges = (
    &'static str,
    &'static str,
    fn([&[f64]; 2], &[f64], &Weights) -> Vec<f64>,
    fn(&[f64], &[f64], &Weights) -> Vec<f64>,
);

/// Zeros behind a row.
fn filled(x: &[f64], n: usize) -> Vec<f64> {
    (0..n).map(|place| x.get(place).copied().unwrap_or(0.0)).collect()
}

/// The matrix of an edge's kind, and its vector of a bias.
fn of_kind(weights: &Weights, weight: &str, kind: f64, n_in: usize) -> Matrix {
    weights.matrix(weight)[kind as usize * n_in..][..n_in].to_vec()
}

/// A perceptron of two layers of the edge's kind.
fn perceptron_of_kind(first: Vec<f64>, kind: f64, weights: &Weights) -> Vec<f64> {
    let bias = |name: &str| weights.matrix(name)[kind as usize].clone();
    let hidden = rectified(added(&first, &bias("bias_0")));
    added(&mapped(&hidden, &of_kind(weights, "weight_1", kind, hidden.len())), &bias("bias_1"))
}

static WITH_EDGES: &[WithEdges] = &[
    // Hu et al. 2020.
    ("gine", "edge", |[x, _], e, _| rectified(added(x, e)), |x, sum, of| perceptron(&added(x, sum), of, "")),
    // Gilmer et al. 2017.
    (
        "nn_conv",
        "edge",
        |[x, _], e, weights| {
            let entries = perceptron(e, weights, "edge_");
            mapped(x, &rows(&entries, entries.len() / x.len()))
        },
        beside_root,
    ),
    // Schlichtkrull et al. 2018.
    (
        "rgcn",
        "relation",
        |[x, _], e, weights| {
            mapped(x, &of_kind(weights, "weight", e[0], x.len()))
                .into_iter()
                .map(|value| value * e[1])
                .collect()
        },
        beside_root,
    ),
    // Gilmer et al. 2017, one step.
    (
        "mpnn",
        "edge",
        |[x, _], e, weights| {
            let state = filled(x, 4);
            mapped(&state, &rows(&perceptron(e, weights, "edge_"), 4))
        },
        |x, sum, weights| {
            let state = filled(x, 4);
            let gates = |v: &[f64], of: &str| {
                added(&mapped(v, &weights.matrix(of)), &weights.vector(&format!("{of}_bias")))
            };
            let (input, hidden) = (gates(sum, "gru_input"), gates(&state, "gru_hidden"));
            let sigmoid = |value: f64| 1.0 / (1.0 + (-value).exp());
            let one = |place: usize| {
                let reset = sigmoid(input[place] + hidden[place]);
                let update = sigmoid(input[4 + place] + hidden[4 + place]);
                let new = (input[8 + place] + reset * hidden[8 + place]).tanh();
                (1.0 - update) * new + update * state[place]
            };
            (0..4).map(one).collect()
        },
    ),
    // Brockschmidt 2020, by its text: no library has the three.
    (
        "rgin",
        "relation",
        |[x, _], e, of| perceptron_of_kind(mapped(x, &of_kind(of, "weight_0", e[0], x.len())), e[0], of),
        |_, sum, of| {
            let update = mapped(&rectified(sum.to_vec()), &of.matrix("update_weight_0"));
            added(&update, &of.vector("update_bias_0"))
        },
    ),
    (
        "gnn_mlp",
        "relation",
        |[x, own], e, of| {
            let matrix = |name: &str| of_kind(of, name, e[0], x.len());
            let first = added(&mapped(x, &matrix("weight_0")), &mapped(own, &matrix("target")));
            perceptron_of_kind(first, e[0], of)
        },
        |_, sum, _| sum.to_vec(),
    ),
    (
        "rgdcn",
        "relation",
        |[x, own], e, of| {
            let entries = mapped(own, &of_kind(of, "weight", e[0], x.len()));
            let entries = added(&entries, &of.matrix("bias")[e[0] as usize]);
            mapped(x, &rows(&entries, entries.len() / x.len()))
        },
        |_, sum, _| sum.to_vec(),
    ),
];

#[test]
fn values_of_edges_belong_to_the_edge_that_a_row_gathers_along() {
    let graphs = one_way(&[N; 4], 7);
    let sparse = sparse_graph(&edges_of(&graphs), &[N; 4]);
    let x = rows(&random(4 * N * WIDTH, 8), WIDTH);
    // In the order of the entries: by target, then by source.
    let entries: Vec<(usize, usize)> =
        (0..4 * N).flat_map(|i| sparse.adjacency.row(i).iter().map(move |&j| (i, j as usize))).collect();
    let features = rows(&random(entries.len() * WIDTH, 9), WIDTH);
    let kinds: Vec<u32> = (0..entries.len()).map(|entry| (entry * entry % 3) as u32).collect();
    for (name, argument, message, result) in WITH_EDGES {
        let op = find(name);
        let mut written = vec![("out", ArgValue::Int(4)), (*argument, ArgValue::Pipeline)];
        written.extend(takes(op, "steps").then_some(("steps", ArgValue::Int(1))));
        let args = args(op, &written);
        let is_kind = *argument == "relation";
        let given = if is_kind {
            let of_edges = EdgeKinds { of_entry: Arc::new(kinds.clone()), n_kinds: 3 };
            let graph = (*sparse).clone().with_kinds(Some(of_edges));
            let x = Tensor::from_slice(&kinds, (kinds.len(), 1), &Device::Cpu).unwrap();
            Value { x, structure: Structure::Edges(Arc::new(graph)) }
        } else {
            let x = Tensor::from_vec(features.concat(), (entries.len(), WIDTH), &Device::Cpu).unwrap();
            Value { x, structure: Structure::Edges(sparse.clone()) }
        };
        let types = [
            ty(Entity::Nodes, 0, None, WIDTH),
            ty(if is_kind { Entity::EdgeKinds } else { Entity::Edges }, 0, None, WIDTH),
        ];
        let lone = Lone::build(op, &args, &[&types[0], &types[1]], DType::F64, random_weight);
        let nodes = Tensor::from_vec(x.concat(), (4 * N, WIDTH), &Device::Cpu).unwrap();
        let nodes = Value { x: nodes, structure: Structure::Sparse(sparse.clone()) };
        let value = lone.run(&[&nodes, &given], &mut ForwardCx::evaluation()).unwrap();
        let of = |weight: &str| {
            let var = lone.weights.get(weight);
            (numbers(var.as_tensor()), var.dims().to_vec())
        };
        let weights = Weights(&of);
        let expected: Matrix = (0..4 * N)
            .map(|node| {
                let own = (0..entries.len()).filter(|&entry| entries[entry].0 == node);
                let messages = own.clone().map(|entry| {
                    let alike = own.clone().filter(|&other| kinds[other] == kinds[entry]).count();
                    let of_kind = [f64::from(kinds[entry]), 1.0 / alike as f64];
                    let value = if is_kind { &of_kind[..] } else { &features[entry] };
                    message([&x[entries[entry].1], &x[node]], value, &weights)
                });
                let width = if *name == "gine" { WIDTH } else { 4 };
                let sum = messages.fold(vec![0.0; width], |sum, message| added(&sum, &message));
                result(&x[node], &sum, &weights)
            })
            .collect();
        assert_close(name, &numbers(&value.x), &expected.concat());
    }
}

#[test]
fn convolutions_gather_from_the_sources_of_incoming_edges() {
    let graphs = one_way(&[N; 4], 1);
    let x = random(4 * N * WIDTH, 2);
    for (name, written, formula) in convolutions() {
        let op = find(name);
        let args = args(op, &written);
        for (level, (ty, structure)) in both_levels(&graphs).into_iter().enumerate() {
            let lone = Lone::build(op, &args, &[&ty], DType::F64, random_weight);
            let features = Tensor::from_slice(&x, (4 * N, WIDTH), &Device::Cpu).unwrap();
            let value = lone.run(&[&Value { x: features, structure }], &mut ForwardCx::evaluation()).unwrap();
            let of = |weight: &str| {
                let var = lone.weights.get(weight);
                (numbers(var.as_tensor()), var.dims().to_vec())
            };
            let expected: Matrix = graphs
                .iter()
                .zip(x.chunks(N * WIDTH))
                .flat_map(|(a, x)| {
                    let graph = Graph { a, floor: if level == 0 { 0.0 } else { 1.0 } };
                    formula(&graph, &rows(x, WIDTH), &Weights(&of))
                })
                .collect();
            assert_close(&format!("{name} at level {level}"), &numbers(&value.x), &expected.concat());
        }
    }
}

fn takes(op: &dyn Operator, name: &str) -> bool {
    op.args().iter().any(|spec| spec.name == name)
}

/// A width, of those that take one.
fn with_out(op: &dyn Operator) -> Vec<(&'static str, ArgValue)> {
    takes(op, "out").then_some(("out", ArgValue::Int(4))).into_iter().collect()
}

/// The convolutions that need no values of the edges, with two heads where they have some.
fn without_edge_values() -> Vec<(&'static dyn Operator, Args)> {
    let convolutions = CATALOGUE.iter().copied().filter(|op| op.family() == Family::Convolution);
    let with_args = |op: &'static dyn Operator| {
        let written =
            with_out(op).into_iter().chain(takes(op, "heads").then_some(("heads", ArgValue::Int(2))));
        let written: Vec<_> = written.collect();
        let is_whole = op.args().iter().all(|spec| spec.default != Default::Required);
        is_whole.then(|| (op, args(op, &written)))
    };
    convolutions.filter_map(with_args).collect()
}

/// As in PyG's `DenseGATConv`, attention asks whether clusters are joined and not how strongly.
#[test]
fn attention_does_not_count_how_strongly_clusters_are_joined() {
    let graphs = one_way(&[N; 4], 1);
    let flat: Vec<f64> = graphs.iter().flatten().flatten().copied().collect();
    let clusters = ty(Entity::Clusters, 1, Some(N), WIDTH);
    for (op, args) in without_edge_values() {
        let name = op.name();
        if !matches!(op.action(&args), Action::Messages { gather: Gather::Attention, .. }) {
            continue;
        }
        let lone = Lone::build(op, &args, &[&clusters], DType::F64, random_weight);
        let [whole, half] = [1.0, 0.5].map(|strength| {
            let flat: Vec<f64> = flat.iter().map(|value| strength * value).collect();
            let adjacency = Tensor::from_vec(flat, (4, N, N), &Device::Cpu).unwrap();
            let structure =
                Structure::Clusters { n_graphs: 4, k: N, adjacency: Some(adjacency), assignment: None };
            let x = Tensor::from_slice(&random(4 * N * WIDTH, 2), (4 * N, WIDTH), &Device::Cpu).unwrap();
            numbers(&lone.run(&[&Value { x, structure }], &mut ForwardCx::evaluation()).unwrap().x)
        });
        assert_close(name, &half, &whole);
    }
}

/// Clusters that are one node each are the nodes, so every operator makes the same of both, and the same gradients.
/// Every node here has an incoming edge, where the degrees of PyG's sparse and dense layers agree.
#[test]
fn clusters_of_one_node_each_behave_as_the_nodes_do() {
    let mut graphs = one_way(&[N; 4], 3);
    for a in &mut graphs {
        (0..N).for_each(|node| a[node][(node + 1) % N] = 1.0);
    }
    let k = ("k", ArgValue::Int(2));
    let mut settings: Vec<_> = convolutions().into_iter().map(|(name, args, _)| (name, args)).collect();
    let others = without_edge_values().into_iter().filter(|(op, args)| {
        let is_listed = convolutions().iter().any(|(name, ..)| *name == op.name());
        !is_listed && infer(*op, args, &[&ty(Entity::Clusters, 1, Some(N), WIDTH)]).is_ok()
    });
    let with_heads = |op| {
        let heads = takes(op, "heads").then_some(("heads", ArgValue::Int(2)));
        with_out(op).into_iter().chain(heads).collect()
    };
    settings.extend(others.map(|(op, _)| (op.name(), with_heads(op))));
    settings.push(("sage", vec![("out", ArgValue::Int(4)), ("root_weight", ArgValue::Bool(false))]));
    settings.push(("gcn", vec![("out", ArgValue::Int(4)), ("self_loops", ArgValue::Bool(false))]));
    settings.push(("gat", vec![("out", ArgValue::Int(4)), ("self_loops", ArgValue::Bool(false))]));
    settings.push(("gatv2", vec![("out", ArgValue::Int(4)), ("self_loops", ArgValue::Bool(false))]));
    settings.push(("diffpool", vec![k]));
    for (name, written) in settings {
        let op = find(name);
        let args = args(op, &written);
        let results = both_levels(&graphs).map(|(ty, structure)| {
            let mut types = vec![ty.clone()];
            if name == "diffpool" {
                types.push(Type { width: crate::operator::ty(Entity::Nodes, 0, None, 2).width, ..ty });
            }
            let lone = Lone::build(op, &args, &types.iter().collect::<Vec<_>>(), DType::F64, random_weight);
            let inputs: Vec<Var> = (0u64..)
                .zip(&types)
                .map(|(seed, ty)| {
                    let width = ty.width.known().unwrap();
                    Var::from_vec(random(4 * N * width, 4 + seed), (4 * N, width), &Device::Cpu).unwrap()
                })
                .collect();
            let values: Vec<Value> = inputs
                .iter()
                .map(|x| Value { x: x.as_tensor().clone(), structure: structure.clone() })
                .collect();
            let mut cx = ForwardCx::training(1, &["link_prediction", "entropy"]);
            let value = lone.run(&values.iter().collect::<Vec<_>>(), &mut cx).unwrap();
            let mut parts = vec![value.x.clone()];
            if let Structure::Clusters { adjacency: Some(adjacency), .. } = &value.structure
                && name == "diffpool"
            {
                parts.push(adjacency.clone());
            }
            parts.extend(cx.losses.iter().map(|found| found.of_graphs.clone()));
            let mut all: Vec<Vec<f64>> = parts.iter().map(numbers).collect();
            let mut sum = Tensor::zeros((), DType::F64, &Device::Cpu).unwrap();
            for (seed, part) in (20u64..).zip(&parts) {
                let cotangent =
                    Tensor::from_vec(random(part.elem_count(), seed), part.shape(), &Device::Cpu).unwrap();
                sum = (sum + (part * cotangent).unwrap().sum_all().unwrap()).unwrap();
            }
            let gradients = sum.backward().unwrap();
            let trained = lone.specs.iter().zip(&lone.weights.0).filter(|(spec, _)| spec.is_trained);
            let vars = inputs.iter().chain(trained.map(|(_, (_, var))| var));
            let gradient =
                |var| gradients.get(var).unwrap_or_else(|| panic!("{name}: everything has a gradient"));
            all.extend(vars.map(|var| numbers(gradient(var))));
            all
        });
        let [nodes, clusters] = results;
        assert_eq!(nodes.len(), clusters.len());
        for (part, (nodes, clusters)) in nodes.iter().zip(&clusters).enumerate() {
            assert_close(&format!("{name}{written:?}, part {part}"), clusters, nodes);
        }
    }
}

/// `X' = SᵀZ`, `A' = SᵀAS`, `‖A − SSᵀ‖ / n²` with the adjacency of incoming edges.
#[test]
fn a_pooling_coarsens_in_the_direction_of_the_edges() {
    let op = find("diffpool");
    let args = args(op, &[("k", ArgValue::Int(2))]);
    // Ragged graphs, and the same formula between weighted clusters.
    let sizes = [6, 3, 9];
    let graphs = one_way(&sizes, 5);
    let n_rows: usize = sizes.iter().sum();
    let types = [ty(Entity::Nodes, 0, None, WIDTH), ty(Entity::Nodes, 0, None, 2)];
    let lone = Lone::build(op, &args, &types.iter().collect::<Vec<_>>(), DType::F64, random_weight);
    let structure = Structure::Sparse(sparse_graph(&edges_of(&graphs), &sizes));
    let (x, logits) = (random(n_rows * WIDTH, 6), random(n_rows * 2, 7));
    let value = |data: &[f64], width: usize| Value {
        x: Tensor::from_slice(data, (n_rows, width), &Device::Cpu).unwrap(),
        structure: structure.clone(),
    };
    let mut cx = ForwardCx { wanted_losses: &["link_prediction"], ..ForwardCx::evaluation() };
    let pooled = lone.run(&[&value(&x, WIDTH), &value(&logits, 2)], &mut cx).unwrap();
    let Structure::Clusters { adjacency: Some(adjacency), .. } = &pooled.structure else {
        panic!("clusters")
    };
    let (mut features, mut coarse, mut link, mut start) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for a in &graphs {
        let n = a.len();
        let s: Matrix = logits[start * 2..(start + n) * 2].chunks(2).map(softmax).collect();
        let x = rows(&x[start * WIDTH..(start + n) * WIDTH], WIDTH);
        features.extend(product(&transposed(&s), &x).concat());
        coarse.extend(product(&transposed(&s), &product(a, &s)).concat());
        let residual = combined(a, &product(&s, &transposed(&s)), |a, b| (a - b).powi(2));
        link.push(residual.concat().iter().sum::<f64>().sqrt() / (n * n) as f64);
        start += n;
    }
    assert_close("features", &numbers(&pooled.x), &features);
    assert_close("adjacency", &numbers(adjacency), &coarse);
    assert_close("link prediction", &numbers(&cx.losses[0].of_graphs), &link);
}

const TWO_LEVELS: &str = "
    model = diffpool(k = 4, assign = gcn(4), embed = gat(4, heads = 2))
        -> sage(5)
        -> diffpool(k = 3, assign = gcn(3), embed = gin(5))
        -> gat(4) -> gcn(4) -> sum -> linear";

/// Two levels with every convolution, compiled and run as `train` does, against the formulas.
#[test]
fn a_model_of_two_levels_keeps_one_direction() {
    let data = random_graphs(&RandomGraphs { n_graphs: 5, directed: true, ..RandomGraphs::default() });
    assert!(!data.is_symmetric());
    let network = network(TWO_LEVELS, &data);
    let all: Vec<u32> = (0..data.n_graphs() as u32).collect();
    let batch = data.batch(&all, DType::F64, &Device::Cpu).unwrap();
    let ours = numbers(&network.forward(&batch, &mut ForwardCx::evaluation()).unwrap().x);
    let expected: Vec<f64> =
        (0..data.n_graphs()).flat_map(|graph| two_levels(&network, &data, graph)).collect();
    assert_close("probabilities", &ours, &expected);
}

/// [`TWO_LEVELS`] on one graph. Stages are numbered in the order in which they are built.
fn two_levels(network: &Network, data: &Dataset, graph: usize) -> Vec<f64> {
    let stage = |operator: &str, nth: usize| {
        let ending = format!(".{operator}.");
        let mut prefixes: Vec<&str> = Vec::new();
        for parameter in network.parameters().iter() {
            if let Some(at) = parameter.name.find(&ending)
                && !prefixes.contains(&&parameter.name[..at])
            {
                prefixes.push(&parameter.name[..at]);
            }
        }
        format!("{}{ending}", prefixes[nth])
    };
    let weights = |prefix: String| {
        move |weight: &str| {
            let name = format!("{prefix}{weight}");
            let var = &network.parameters().get(&name).unwrap_or_else(|| panic!("no {name}")).var;
            (numbers(var.as_tensor()), var.dims().to_vec())
        }
    };
    let Features::Dense { values, width } = &data.features else { panic!("dense features") };
    let nodes = data.graph_nodes(graph);
    let x: Matrix = nodes
        .clone()
        .map(|node| values[node * width..][..*width].iter().map(|&value| f64::from(value)).collect())
        .collect();
    let mut a = vec![vec![0.0; x.len()]; x.len()];
    for target in nodes.clone() {
        for &source in data.adjacency.row(target) {
            a[target - nodes.start][source as usize - nodes.start] += 1.0;
        }
    }
    let pool = |a: &Matrix, logits: &Matrix, z: &Matrix| {
        let s: Matrix = logits.iter().map(|row| softmax(row)).collect();
        (product(&transposed(&s), z), product(&transposed(&s), &product(a, &s)))
    };
    let fine = Graph { a: &a, floor: 0.0 };
    let logits = gcn(&fine, &x, &Weights(&weights(stage("gcn", 0))));
    let z = gat(&fine, &x, &Weights(&weights(stage("gat", 0))));
    let (x, a) = pool(&a, &logits, &z);
    let middle = Graph { a: &a, floor: 1.0 };
    let x = sage(&middle, &x, &Weights(&weights(stage("sage", 0))), "mean");
    let logits = gcn(&middle, &x, &Weights(&weights(stage("gcn", 1))));
    let z = gin(&middle, &x, &Weights(&weights(stage("gin", 0))));
    let (x, a) = pool(&a, &logits, &z);
    let coarse = Graph { a: &a, floor: 1.0 };
    let x = gat(&coarse, &x, &Weights(&weights(stage("gat", 1))));
    let x = gcn(&coarse, &x, &Weights(&weights(stage("gcn", 2))));
    let sum: Vec<f64> = (0..x[0].len()).map(|col| x.iter().map(|row| row[col]).sum()).collect();
    let last = weights(stage("linear", 0));
    let last = Weights(&last);
    with_bias(&product(&vec![sum], &last.matrix("weight")), &last.vector("bias")).concat()
}

fn network(text: &str, data: &Dataset) -> Network {
    let facts = data.facts();
    let mut sources = SourceMap::default();
    let main = sources.add("example.hgnn", text);
    let read = |_: &str| Err(std::io::ErrorKind::NotFound.into());
    let (program, findings) = hgnn::syntax::load_program(&mut sources, main, &read);
    assert!(findings.is_empty(), "{findings:?}");
    let outcome = check(&program, Some(&facts));
    let model = outcome.model.unwrap_or_else(|| panic!("{:?}", outcome.diagnostics));
    Network::build(&model, &facts, DType::F64, &Device::Cpu, 1).unwrap()
}
