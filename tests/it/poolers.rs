//! Values and gradients of the poolers of tgp (PyPI `torch-geometric-pool`), from `tests/golden`: pooling and losses are
//! those of the operators, `mincut` on weighted edges and `diffpool` on dense adjacencies; what tgp does before and after
//! them, the perceptron of the assignment and other forms of the coarse adjacency, is written out here.

use crate::golden::{Case, TOLERANCES, Tolerance, assert_close, edges, load};
use crate::operator::{self, Lone, args, numbers, sparse_graph, ty};
use candle_core::{D, DType, Device, Tensor, Var};
use hgnn::args::ArgValue;
use hgnn::lower::{ForwardCx, Structure, Value};
use hgnn::types::{Entity, Type};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// A case as variables.
struct Graphs {
    variables: BTreeMap<String, Var>,
    sizes: Vec<usize>,
    /// `(source, target)` pairs, where rows of the adjacency are targets.
    edges: Vec<(u32, u32)>,
    k: usize,
}

fn indices(values: impl IntoIterator<Item = u32>) -> Tensor {
    let values: Vec<u32> = values.into_iter().collect();
    Tensor::from_slice(&values, values.len(), &Device::Cpu).unwrap()
}

impl Graphs {
    fn of(case: &Case, dtype: DType) -> Self {
        let variable = |of: &crate::golden::Stored| Var::from_tensor(&of.tensor(dtype)).unwrap();
        let mut variables: BTreeMap<String, Var> =
            ["x", "edge_weight"].map(|name| (name.to_owned(), variable(&case.inputs[name]))).into();
        variables.extend(case.params.iter().map(|(name, of)| (format!("param:{name}"), variable(of))));
        let graphs = case.inputs["batch"].indices();
        assert!(graphs.is_sorted());
        let sizes = (0..=graphs[graphs.len() - 1])
            .map(|graph| graphs.iter().filter(|&&of| of == graph).count())
            .collect();
        let mut edges = edges(&case.inputs["edge_index"]);
        // tgp's adjacency is `[target, source]`, which it calls transposed, only where it pads.
        if !is_transposed(case) {
            edges.iter_mut().for_each(|(source, target)| std::mem::swap(source, target));
        }
        Self { variables, sizes, edges, k: case.args["k"].as_u64().unwrap() as usize }
    }

    /// The logits of the assignment: a perceptron with `relu` inside.
    fn logits(&self) -> Tensor {
        let mut x = self.variables["x"].as_tensor().clone();
        for layer in 0.. {
            let param = |what: &str| self.variables.get(&format!("param:selector.mlp.lins.{layer}.{what}"));
            let (Some(weight), Some(bias)) = (param("weight"), param("bias")) else { break };
            x = if layer == 0 { x } else { x.relu().unwrap() };
            x = x.matmul(&weight.t().unwrap()).unwrap().broadcast_add(bias).unwrap();
        }
        x
    }

    /// The same variables, with every edge the other way round.
    fn reversed(&self) -> Self {
        let edges = self.edges.iter().map(|&(source, target)| (target, source)).collect();
        Self { variables: self.variables.clone(), sizes: self.sizes.clone(), edges, k: self.k }
    }

    fn start(&self, graph: usize) -> usize {
        self.sizes[..graph].iter().sum()
    }

    /// The dense adjacency of a graph, row the target: `Σ w` over the edges of a pair.
    fn adjacency(&self, graph: usize) -> Tensor {
        let (start, n) = (self.start(graph) as u32, self.sizes[graph]);
        let inside: Vec<usize> = (0..self.edges.len())
            .filter(|&edge| (start..start + n as u32).contains(&self.edges[edge].1))
            .collect();
        let weight = self.variables["edge_weight"]
            .index_select(&indices(inside.iter().map(|&edge| edge as u32)), 0)
            .unwrap();
        let one_hot = |end: &dyn Fn((u32, u32)) -> u32| {
            let eye = Tensor::eye(n, weight.dtype(), &Device::Cpu).unwrap();
            let ends = inside.iter().map(|&edge| end(self.edges[edge]) - start);
            eye.index_select(&indices(ends), 0).unwrap()
        };
        let sources = one_hot(&|(source, _)| source).broadcast_mul(&weight.unsqueeze(1).unwrap()).unwrap();
        one_hot(&|(_, target)| target).t().unwrap().matmul(&sources).unwrap()
    }

    /// Rows of nodes as `[graphs, largest, width]`, zeros behind each graph's own.
    fn padded(&self, rows: &Tensor) -> Tensor {
        let (n_nodes, width) = rows.dims2().unwrap();
        let zero = Tensor::zeros((1, width), rows.dtype(), &Device::Cpu).unwrap();
        let rows = Tensor::cat(&[rows, &zero], 0).unwrap();
        let largest = *self.sizes.iter().max().unwrap();
        let places = self.sizes.iter().enumerate().flat_map(|(graph, &n)| {
            (0..largest)
                .map(move |row| if row < n { (self.start(graph) + row) as u32 } else { n_nodes as u32 })
        });
        rows.index_select(&indices(places), 0).unwrap().reshape((self.sizes.len(), largest, width)).unwrap()
    }
}

fn is_transposed(case: &Case) -> bool {
    ["adj_transpose", "batched"].iter().all(|name| case.args.get(*name) != Some(&Json::Bool(false)))
}

fn softmax(x: &Tensor) -> Tensor {
    let e = x.broadcast_sub(&x.max_keepdim(D::Minus1).unwrap().detach()).unwrap().exp().unwrap();
    e.broadcast_div(&e.sum_keepdim(D::Minus1).unwrap()).unwrap()
}

/// What tgp makes of `Sᵀ A S`, by the arguments of the case.
fn postprocessed(case: &Case, coarse: &Tensor) -> Tensor {
    let is_set = |name: &str, default: bool| case.args.get(name).map_or(default, |value| value == true);
    let (k, mut coarse) = (coarse.dims()[1], coarse.clone());
    if is_set("remove_self_loops", true) {
        let others = (1.0 - Tensor::eye(k, coarse.dtype(), &Device::Cpu).unwrap()).unwrap();
        coarse = coarse.broadcast_mul(&others).unwrap();
    }
    if is_set("degree_norm", true) {
        let axis = if is_transposed(case) { 1 } else { 2 };
        let root = coarse.sum_keepdim(axis).unwrap().sqrt().unwrap();
        coarse = coarse.broadcast_div(&root).unwrap().broadcast_div(&root.transpose(1, 2).unwrap()).unwrap();
    }
    if is_set("edge_weight_norm", false) {
        let largest = coarse.flatten_from(1).unwrap().max_keepdim(1).unwrap().unsqueeze(2).unwrap();
        coarse = coarse.broadcast_div(&largest).unwrap();
    }
    coarse
}

/// What a pooling of some graphs makes: features, coarse adjacency, and its two losses for each graph.
struct Pooled {
    x: Tensor,
    adjacency: Tensor,
    losses: [Tensor; 2],
}

fn pool(
    op: &str,
    inputs: &[Value],
    types: &[Type],
    given: &[(&str, ArgValue)],
    names: [&'static str; 2],
) -> Pooled {
    let op = operator::find(op);
    let types: Vec<&Type> = types.iter().collect();
    let dtype = inputs[0].x.dtype();
    let lone = Lone::build(op, &args(op, given), &types, dtype, |_| unreachable!("poolings have no weights"));
    let mut cx = ForwardCx::training(0, &names);
    let value = lone.run(&inputs.iter().collect::<Vec<_>>(), &mut cx).unwrap();
    let Structure::Clusters { adjacency: Some(adjacency), .. } = &value.structure else {
        panic!("no coarse adjacency")
    };
    let loss = |name| cx.losses.iter().find(|(loss, _)| *loss == name).unwrap().1.flatten_all().unwrap();
    Pooled { x: value.x, adjacency: adjacency.clone(), losses: names.map(loss) }
}

/// `mincut` on the sparse graphs of a case, all in one batch, with the weights of their edges.
fn mincut(graphs: &Graphs, logits: &Tensor) -> Pooled {
    let structure = sparse_graph(&graphs.edges, &graphs.sizes);
    let mut entries: Vec<u32> = (0..graphs.edges.len() as u32).collect();
    entries.sort_by_key(|&edge| (graphs.edges[edge as usize].1, graphs.edges[edge as usize].0));
    let weight = graphs.variables["edge_weight"].index_select(&indices(entries), 0).unwrap();
    let x = graphs.variables["x"].as_tensor().clone();
    let width = x.dims()[1];
    let inputs = [
        Value { x, structure: Structure::Sparse(structure.clone()) },
        Value { x: logits.clone(), structure: Structure::Sparse(structure.clone()) },
        Value { x: weight.unsqueeze(1).unwrap(), structure: Structure::Edges(structure) },
    ];
    let types = [
        ty(Entity::Nodes, 0, None, width),
        ty(Entity::Nodes, 0, None, graphs.k),
        ty(Entity::Edges, 0, None, 1),
    ];
    let given = [("k", ArgValue::Int(graphs.k as i64)), ("weight", ArgValue::Pipeline)];
    pool("mincut", &inputs, &types, &given, ["mincut", "orthogonality"])
}

/// A pooling of one graph with its dense adjacency.
fn dense(op: &str, graphs: &Graphs, logits: &Tensor, graph: usize, names: [&'static str; 2]) -> Pooled {
    let (start, n) = (graphs.start(graph), graphs.sizes[graph]);
    let adjacency = graphs.adjacency(graph).unsqueeze(0).unwrap();
    let structure = Structure::Clusters { n_graphs: 1, k: n, adjacency: Some(adjacency) };
    let rows = |x: &Tensor| x.narrow(0, start, n).unwrap().contiguous().unwrap();
    let inputs =
        [rows(&graphs.variables["x"]), rows(logits)].map(|x| Value { x, structure: structure.clone() });
    let types = [0, 1].map(|port| ty(Entity::Clusters, 1, Some(n), inputs[port].x.dims()[1]));
    pool(op, &inputs, &types, &[("k", ArgValue::Int(graphs.k as i64))], names)
}

/// `Sᵀ A S` of each graph: `[graphs, k, k]`.
fn coarse(graphs: &Graphs, s: &Tensor) -> Tensor {
    let of = |graph: usize| {
        let s = s.narrow(0, graphs.start(graph), graphs.sizes[graph]).unwrap();
        let gathered = graphs.adjacency(graph).matmul(&s).unwrap();
        s.t().unwrap().matmul(&gathered).unwrap()
    };
    Tensor::stack(&(0..graphs.sizes.len()).map(of).collect::<Vec<_>>(), 0).unwrap()
}

/// Compares one case: `make` gives `x`, the adjacency and the losses as tgp has them, out of the case and the logits.
fn check(
    name: &str,
    tolerance: &Tolerance,
    losses: [&str; 2],
    make: impl Fn(&Case, &Graphs, &Tensor, &Tensor) -> (Tensor, Tensor, [Tensor; 2]),
) {
    let case = load(name);
    let graphs = Graphs::of(&case, tolerance.dtype);
    let logits = graphs.logits();
    let s = softmax(&logits);
    let (x, adjacency, of_losses) = make(&case, &graphs, &logits, &s);
    let is_padded = case.outputs["s"].shape.len() == 3;
    let rows = |x: &Tensor| if is_padded { graphs.padded(x) } else { x.clone() };
    let mut results = BTreeMap::from([("s", rows(&s)), ("x", x.clone())]);
    let is_list = case.outputs.contains_key("edge_weight");
    results.insert(if is_list { "edge_weight" } else { "adj" }, adjacency);
    results.extend(losses.into_iter().zip(of_losses));
    if case.outputs.contains_key("lifted_x") {
        let x = x.reshape((graphs.sizes.len(), graphs.k, ())).unwrap();
        results.insert("lifted_x", rows(&s).matmul(&x).unwrap());
    }
    let mut scalar = Tensor::zeros((), tolerance.dtype, &Device::Cpu).unwrap();
    for (output, ours) in &results {
        let what = format!("{name} {:?} output {output}", tolerance.dtype);
        assert_close(&what, &numbers(ours), &case.outputs[*output].data, tolerance.values);
        let cotangent = case.cotangents[*output].tensor(tolerance.dtype).flatten_all().unwrap();
        let product = (ours.flatten_all().unwrap() * cotangent).unwrap().sum_all().unwrap();
        scalar = (scalar + product).unwrap();
    }
    assert!(case.cotangents.keys().all(|output| results.contains_key(output.as_str())), "{name}");
    let gradients = scalar.backward().unwrap();
    for (of, theirs) in &case.grads {
        let what = format!("{name} {:?} gradient of {of}", tolerance.dtype);
        let ours = gradients.get(&graphs.variables[of]).unwrap_or_else(|| panic!("{what} is missing"));
        assert_close(&what, &numbers(ours), &theirs.data, tolerance.gradients);
    }
}

fn scaled(case: &Case, loss: Tensor, coefficient: &str) -> Tensor {
    (loss * case.args.get(coefficient).map_or(1.0, |value| value.as_f64().unwrap())).unwrap()
}

fn joined(parts: &[Pooled], of: impl Fn(&Pooled) -> Tensor) -> Tensor {
    Tensor::cat(&parts.iter().map(of).collect::<Vec<_>>(), 0).unwrap()
}

#[test]
fn mincut_on_weighted_edges_is_tgps() {
    let names = [
        "tgp_mincut",
        "tgp_mincut_coefficients",
        "tgp_mincut_directed",
        "tgp_mincut_directed_transposed",
        "tgp_mincut_raw",
        "tgp_mincut_unbatched",
    ];
    // On the sparse graphs, and one after another on their dense adjacencies.
    let sparse: Make = &mincut;
    let one_by_one: Make = &|graphs, logits| {
        let of = |graph| dense("mincut", graphs, logits, graph, ["mincut", "orthogonality"]);
        let parts: Vec<Pooled> = (0..graphs.sizes.len()).map(of).collect();
        Pooled {
            x: joined(&parts, |part| part.x.clone()),
            adjacency: joined(&parts, |part| part.adjacency.clone()),
            losses: [0, 1].map(|loss| joined(&parts, |part| part.losses[loss].clone())),
        }
    };
    for (name, tolerance) in names.iter().flat_map(|name| TOLERANCES.iter().map(move |of| (name, of))) {
        for pool in [sparse, one_by_one] {
            check(name, tolerance, ["cut_loss", "ortho_loss"], |case, graphs, logits, s| {
                let pooled = pool(graphs, logits);
                // tgp's default is ours along reversed edges, since it divides by sums of columns; other forms are made
                // of `Sᵀ A S`.
                let adjacency = match case.case.as_str() {
                    "tgp_mincut" => pool(&graphs.reversed(), logits).adjacency.transpose(1, 2).unwrap(),
                    _ => postprocessed(case, &coarse(graphs, s)),
                };
                let [cut, apart] = pooled.losses.map(|loss| loss.mean_all().unwrap());
                let losses = [scaled(case, cut, "cut_loss_coeff"), scaled(case, apart, "ortho_loss_coeff")];
                (pooled.x, adjacency, losses)
            });
        }
    }
}

/// A pooling of the graphs of a case by these logits.
type Make<'a> = &'a dyn Fn(&Graphs, &Tensor) -> Pooled;

#[test]
fn diffpool_on_weighted_adjacencies_is_tgps() {
    let names = [
        "tgp_diff_pool",
        "tgp_diff_pool_normalized",
        "tgp_diff_pool_raw",
        "tgp_diff_pool_unbatched",
        "tgp_diff_pool_unbatched_normalized",
    ];
    for (name, tolerance) in names.iter().flat_map(|name| TOLERANCES.iter().map(move |of| (name, of))) {
        // tgp adds 1e-8 inside the logarithm, once for each of the three clusters.
        let tolerance = &Tolerance { values: tolerance.values.max(4e-8), ..*tolerance };
        check(name, tolerance, ["link_loss", "entropy_loss"], |case, graphs, logits, _| {
            let of = |graph| dense("diffpool", graphs, logits, graph, ["link_prediction", "entropy"]);
            let parts: Vec<Pooled> = (0..graphs.sizes.len()).map(of).collect();
            let adjacency = postprocessed(case, &joined(&parts, |part| part.adjacency.clone()));
            let size = |graph: usize| graphs.sizes[graph] as f64;
            let sum = |loss: usize, factor: &dyn Fn(usize) -> f64, power: f64| {
                let term =
                    |graph: usize| (&parts[graph].losses[loss] * factor(graph)).unwrap().powf(power).unwrap();
                let terms: Vec<Tensor> = (0..parts.len()).map(term).collect();
                Tensor::cat(&terms, 0).unwrap().sum_all().unwrap()
            };
            // tgp takes one Frobenius norm over all graphs; ours is divided by the entries of each adjacency.
            let link = sum(0, &|graph| size(graph) * size(graph), 2.0).sqrt().unwrap();
            let largest = (0..parts.len()).map(size).fold(0.0, f64::max);
            let entries = match case.args.get("normalize_loss").is_some_and(|value| value == true) {
                true if case.args.get("batched") == Some(&Json::Bool(false)) => {
                    (0..parts.len()).map(|graph| size(graph) * size(graph)).sum()
                }
                true => parts.len() as f64 * largest * largest,
                false => 1.0,
            };
            let n_nodes: f64 = (0..parts.len()).map(size).sum();
            let entropy = (sum(1, &size, 1.0) / n_nodes).unwrap();
            let losses = [
                scaled(case, (link / entries).unwrap(), "link_loss_coeff"),
                scaled(case, entropy, "ent_loss_coeff"),
            ];
            (joined(&parts, |part| part.x.clone()), adjacency, losses)
        });
    }
}
