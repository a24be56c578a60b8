//! Values and gradients of the poolers of tgp (PyPI `torch-geometric-pool`), from `tests/golden`: pooling and losses are
//! those of the operators, `mincut` on weighted edges and `diffpool` on dense adjacencies; what tgp does before and after
//! them, the perceptron of the assignment and other forms of the coarse adjacency, is written out here.

use crate::golden::{Case, TOLERANCES, Tolerance, assert_close, edges, load, softmax_of_graphs};
use crate::operator::{self, Lone, args, numbers, sparse_graph, ty};
use candle_core::{D, DType, Device, Tensor, Var};
use hgnn::args::ArgValue;
use hgnn::lower::{ForwardCx, Reported, Structure, Value};
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
    losses: Vec<Tensor>,
}

fn pool(
    op: &str,
    inputs: &[Value],
    types: &[Type],
    given: &[(&str, ArgValue)],
    names: &[&'static str],
) -> Pooled {
    let op = operator::find(op);
    let types: Vec<&Type> = types.iter().collect();
    let dtype = inputs[0].x.dtype();
    let lone = Lone::build(op, &args(op, given), &types, dtype, |_| unreachable!("poolings have no weights"));
    let mut cx = ForwardCx::training(0, names);
    let value = lone.run(&inputs.iter().collect::<Vec<_>>(), &mut cx).unwrap();
    let Structure::Clusters { adjacency: Some(adjacency), .. } = &value.structure else {
        panic!("no coarse adjacency")
    };
    let loss = |name: &str| {
        cx.losses.iter().find(|found| found.loss == name).unwrap().of_graphs.flatten_all().unwrap()
    };
    Pooled { x: value.x, adjacency: adjacency.clone(), losses: names.iter().map(|name| loss(name)).collect() }
}

/// A pooling of the sparse graphs of a case, all in one batch, with the weights of their edges.
fn sparse(
    op: &str,
    graphs: &Graphs,
    logits: &Tensor,
    given: &[(&str, ArgValue)],
    names: &[&'static str],
) -> Pooled {
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
    let k = ArgValue::Int(graphs.k as i64);
    let given = [&[("k", k), ("weight", ArgValue::Pipeline)], given].concat();
    pool(op, &inputs, &types, &given, names)
}

fn mincut(graphs: &Graphs, logits: &Tensor) -> Pooled {
    sparse("mincut", graphs, logits, &[], &["mincut", "orthogonality"])
}

/// A pooling of one graph with its dense adjacency.
fn dense(op: &str, graphs: &Graphs, logits: &Tensor, graph: usize, names: &[&'static str]) -> Pooled {
    let (start, n) = (graphs.start(graph), graphs.sizes[graph]);
    let adjacency = graphs.adjacency(graph).unsqueeze(0).unwrap();
    let structure = Structure::Clusters { n_graphs: 1, k: n, adjacency: Some(adjacency), assignment: None };
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
    losses: &[&'static str],
    make: impl Fn(&Case, &Graphs, &Tensor, &Tensor) -> (Tensor, Tensor, Vec<Tensor>),
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
    results.extend(losses.iter().copied().zip(of_losses));
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
    let all_in_one: Make = &mincut;
    let one_by_one: Make = &|graphs, logits| {
        let of = |graph| dense("mincut", graphs, logits, graph, &["mincut", "orthogonality"]);
        let parts: Vec<Pooled> = (0..graphs.sizes.len()).map(of).collect();
        Pooled {
            x: joined(&parts, |part| part.x.clone()),
            adjacency: joined(&parts, |part| part.adjacency.clone()),
            losses: [0, 1].map(|loss| joined(&parts, |part| part.losses[loss].clone())).to_vec(),
        }
    };
    for (name, tolerance) in names.iter().flat_map(|name| TOLERANCES.iter().map(move |of| (name, of))) {
        for pool in [all_in_one, one_by_one] {
            check(name, tolerance, &["cut_loss", "ortho_loss"], |case, graphs, logits, s| {
                let pooled = pool(graphs, logits);
                // tgp's default is ours along reversed edges, since it divides by sums of columns; other forms are made
                // of `Sᵀ A S`.
                let adjacency = match case.case.as_str() {
                    "tgp_mincut" => pool(&graphs.reversed(), logits).adjacency.transpose(1, 2).unwrap(),
                    _ => postprocessed(case, &coarse(graphs, s)),
                };
                let [cut, apart] = [0, 1].map(|loss| pooled.losses[loss].mean_all().unwrap());
                let losses =
                    vec![scaled(case, cut, "cut_loss_coeff"), scaled(case, apart, "ortho_loss_coeff")];
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
        check(name, tolerance, &["link_loss", "entropy_loss"], |case, graphs, logits, _| {
            let of = |graph| dense("diffpool", graphs, logits, graph, &["link_prediction", "entropy"]);
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
            let losses = vec![
                scaled(case, (link / entries).unwrap(), "link_loss_coeff"),
                scaled(case, entropy, "ent_loss_coeff"),
            ];
            (joined(&parts, |part| part.x.clone()), adjacency, losses)
        });
    }
}

/// tgp's forms of the coarse graph as arguments of ours.
fn connected(case: &Case) -> Vec<(&'static str, ArgValue)> {
    let is_set = |name: &str, default: bool| case.args.get(name).map_or(default, |value| value == true);
    let connect = match (is_set("degree_norm", true), is_set("edge_weight_norm", false)) {
        (true, _) => "degrees",
        (false, true) => "largest",
        (false, false) => "sum",
    };
    let loops = !is_set("remove_self_loops", true);
    vec![("connect", ArgValue::Choice(connect)), ("self_loops", ArgValue::Bool(loops))]
}

/// Poolings that differ by their losses: ours, tgp's, and what tgp multiplies it by.
#[test]
fn poolings_by_their_losses_are_tgps() {
    type Losses = &'static [(&'static str, &'static str, &'static str)];
    let cases: [(&str, Losses, &[&str]); 5] = [
        (
            "asym_cheeger",
            &[
                ("total_variation", "total_variation_loss", "totvar_coeff"),
                ("asymmetric_norm", "balance_loss", "balance_coeff"),
            ],
            &[
                "tgp_asym_cheeger_cut",
                "tgp_asym_cheeger_cut_k2",
                "tgp_asym_cheeger_cut_raw",
                "tgp_asym_cheeger_cut_unbatched",
            ],
        ),
        (
            "mincut",
            &[("mincut", "cut_loss", "cut_loss_coeff"), ("orthogonality", "ortho_loss", "ortho_loss_coeff")],
            &["tgp_mincut", "tgp_mincut_coefficients", "tgp_mincut_raw", "tgp_mincut_unbatched"],
        ),
        (
            "dmon",
            &[
                ("spectral", "spectral_loss", "spectral_loss_coeff"),
                ("cluster", "cluster_loss", "cluster_loss_coeff"),
                ("orthogonality", "ortho_loss", "ortho_loss_coeff"),
            ],
            &["tgp_dmon", "tgp_dmon_raw", "tgp_dmon_unbatched"],
        ),
        (
            "just_balance",
            &[("balance", "balance_loss", "loss_coeff")],
            &[
                "tgp_just_balance",
                "tgp_just_balance_plain",
                "tgp_just_balance_raw",
                "tgp_just_balance_unbatched",
            ],
        ),
        (
            "hosc",
            &[("hosc", "hosc_loss", ""), ("orthogonality", "ortho_loss", "mu")],
            &[
                "tgp_hosc_first_order",
                "tgp_hosc_motif",
                "tgp_hosc_ortho",
                "tgp_hosc_raw",
                "tgp_hosc_unbatched",
            ],
        ),
    ];
    for ((op, losses, names), tolerance) in
        cases.iter().flat_map(|case| TOLERANCES.iter().map(move |of| (case, of)))
    {
        let ours: Vec<&str> = losses.iter().map(|(ours, ..)| *ours).collect();
        let theirs: Vec<&str> = losses.iter().map(|(_, theirs, _)| *theirs).collect();
        // tgp adds 1e-8 to what it divides by or takes a root of.
        let tolerance = &Tolerance { values: tolerance.values.max(2e-8), ..*tolerance };
        for name in *names {
            check(name, tolerance, &theirs, |case, graphs, logits, _| {
                let mut given = connected(case);
                if *op == "dmon" {
                    given.push(("activation", ArgValue::Choice("none")));
                }
                if *op == "hosc" {
                    let alpha = case.args.get("alpha").map_or(0.5, |alpha| alpha.as_f64().unwrap());
                    let is_by_columns = case.args.get("hosc_ortho").is_some_and(|is| is == true);
                    let orthogonal = if is_by_columns { "columns" } else { "matrix" };
                    given.push(("alpha", ArgValue::Float(alpha)));
                    given.push(("orthogonal", ArgValue::Choice(orthogonal)));
                }
                let pooled = sparse(op, graphs, logits, &given, &ours);
                let of = |(idx, (_, _, factor)): (usize, &(&str, &str, &str))| {
                    let mut loss = pooled.losses[idx].clone();
                    if case.args.get("normalize_loss").is_some_and(|is| is == false) {
                        let most = graphs.sizes.iter().map(|&n| (n as f64 * graphs.k as f64).sqrt());
                        let most = Tensor::new(most.collect::<Vec<f64>>(), &Device::Cpu).unwrap();
                        loss = (loss.clone() * most.to_dtype(loss.dtype()).unwrap()).unwrap();
                    }
                    let loss = loss.mean_all().unwrap();
                    if *factor == "mu" && !case.args.contains_key("mu") {
                        return (loss * 0.1).unwrap();
                    }
                    scaled(case, loss, factor)
                };
                // tgp divides by the roots of column sums, which are the row sums of ours along reversed edges.
                let is_by_columns = given.iter().any(|(_, value)| *value == ArgValue::Choice("degrees"));
                let adjacency = match is_by_columns && is_transposed(case) {
                    true => {
                        let turned = sparse(op, &graphs.reversed(), logits, &given, &ours);
                        turned.adjacency.transpose(1, 2).unwrap()
                    }
                    false => pooled.adjacency.clone(),
                };
                (pooled.x.clone(), adjacency, losses.iter().enumerate().map(of).collect())
            });
        }
    }
}

/// The graphs of a padded batch one by one, each with its own number of rows.
#[test]
fn dmon_is_pygs() {
    for (name, tolerance) in ["dmon_pooling", "dmon_pooling_padded"]
        .iter()
        .flat_map(|name| TOLERANCES.iter().map(move |of| (name, of)))
    {
        let case = load(name);
        let variable = |of: &crate::golden::Stored| Var::from_tensor(&of.tensor(tolerance.dtype)).unwrap();
        let (x, adj) = (variable(&case.inputs["x"]), variable(&case.inputs["adj"]));
        let params: BTreeMap<&String, Var> =
            case.params.iter().map(|(name, of)| (name, variable(of))).collect();
        let (n_graphs, n, width) = x.dims3().unwrap();
        let k = case.args["k"].as_u64().unwrap() as usize;
        let sizes: Vec<usize> = match case.inputs.get("mask") {
            Some(mask) => mask.data.chunks(n).map(|graph| graph.iter().sum::<f64>() as usize).collect(),
            None => vec![n; n_graphs],
        };
        let names = ["spectral", "orthogonality", "cluster"];
        let (mut shares, mut parts) = (Vec::new(), Vec::new());
        for (graph, &size) in sizes.iter().enumerate() {
            let rows = x.get(graph).unwrap().narrow(0, 0, size).unwrap().contiguous().unwrap();
            let mut logits = rows.clone();
            for layer in 0..params.len() / 2 {
                let of = |what: &str| &params[&format!("mlp.lins.{layer}.{what}")];
                logits =
                    logits.matmul(&of("weight").t().unwrap()).unwrap().broadcast_add(of("bias")).unwrap();
            }
            let adjacency = adj.get(graph).unwrap().narrow(0, 0, size).unwrap().narrow(1, 0, size).unwrap();
            let adjacency = adjacency.contiguous().unwrap().unsqueeze(0).unwrap();
            let structure =
                Structure::Clusters { n_graphs: 1, k: size, adjacency: Some(adjacency), assignment: None };
            let types = [width, k].map(|width| ty(Entity::Clusters, 1, Some(size), width));
            shares.push(softmax(&logits).pad_with_zeros(0, 0, n - size).unwrap());
            let inputs = [rows, logits].map(|x| Value { x, structure: structure.clone() });
            parts.push(pool("dmon", &inputs, &types, &[("k", ArgValue::Int(k as i64))], &names));
        }
        let loss = |idx: usize| joined(&parts, |part| part.losses[idx].clone());
        // PyG divides the size of each graph's clusters by the number of nodes of every graph of the batch.
        let by_each = sizes.iter().map(|&n| {
            let own = Tensor::new(
                sizes.iter().map(|&own| own as f64 / n as f64).collect::<Vec<f64>>(),
                &Device::Cpu,
            );
            let whole = (loss(2) + 1.0).unwrap();
            ((whole * own.unwrap().to_dtype(tolerance.dtype).unwrap()).unwrap() - 1.0).unwrap()
        });
        let cluster_loss = Tensor::cat(&by_each.collect::<Vec<_>>(), 0).unwrap();
        let results = [
            ("s", Tensor::cat(&shares, 0).unwrap()),
            ("x", joined(&parts, |part| part.x.clone())),
            ("adj", joined(&parts, |part| part.adjacency.clone())),
            ("spectral_loss", loss(0).mean_all().unwrap()),
            ("ortho_loss", loss(1).mean_all().unwrap()),
            ("cluster_loss", cluster_loss.mean_all().unwrap()),
        ];
        let mut scalar = Tensor::zeros((), tolerance.dtype, &Device::Cpu).unwrap();
        for (output, ours) in &results {
            let what = format!("{name} {:?} output {output}", tolerance.dtype);
            assert_close(&what, &numbers(ours), &case.outputs[*output].data, tolerance.values);
            let cotangent = case.cotangents[*output].tensor(tolerance.dtype).flatten_all().unwrap();
            let product = (ours.flatten_all().unwrap() * cotangent).unwrap().sum_all().unwrap();
            scalar = (scalar + product).unwrap();
        }
        let gradients = scalar.backward().unwrap();
        for (of, theirs) in &case.grads {
            let variable = match of.strip_prefix("param:") {
                Some(param) => &params[&param.to_owned()],
                None if of == "x" => &x,
                None => &adj,
            };
            let what = format!("{name} {:?} gradient of {of}", tolerance.dtype);
            let ours = gradients.get(variable).unwrap_or_else(|| panic!("{what} is missing"));
            // Entries of the padding count in PyG's sums, and nowhere here.
            let is_real = |at: &usize| {
                of != "adj" || [at / n % n, at % n].iter().all(|&node| node < sizes[at / (n * n)])
            };
            let real =
                |all: &[f64]| -> Vec<f64> { (0..all.len()).filter(is_real).map(|at| all[at]).collect() };
            assert_close(&what, &real(&numbers(ours)), &real(&theirs.data), tolerance.gradients);
        }
    }
}

/// Values of edges as the graph of a pooled level carries them.
fn remaining(values: &Value, level: &Value) -> Tensor {
    let types =
        [ty(Entity::Edges, 0, None, values.x.dims()[1]), ty(Entity::Nodes, 1, None, level.x.dims()[1])];
    let op = hgnn::ops::REMAINING_EDGES;
    let lone = Lone::build(op, &args(op, &[]), &[&types[0], &types[1]], values.x.dtype(), |_| unreachable!());
    lone.run(&[values, level], &mut ForwardCx::evaluation()).unwrap().x
}

/// The nodes of a case, and the values of its edges in the order of our adjacency; without any, ones.
fn sparse_inputs(case: &Case, dtype: DType, is_one_graph: bool) -> (BTreeMap<String, Var>, Value, Value) {
    let variable = |of: &crate::golden::Stored| Var::from_tensor(&of.tensor(dtype)).unwrap();
    let given =
        ["x", "edge_weight", "edge_attr", "pos"].into_iter().filter(|name| case.inputs.contains_key(*name));
    let mut variables: BTreeMap<String, Var> =
        given.map(|name| (name.to_owned(), variable(&case.inputs[name]))).collect();
    variables.extend(case.params.iter().map(|(name, of)| (format!("param:{name}"), variable(of))));
    let n = case.inputs["x"].shape[0];
    let graphs = case.inputs.get("batch").filter(|_| !is_one_graph);
    let graphs = graphs.map_or(vec![0; n], crate::golden::Stored::indices);
    let sizes: Vec<usize> = graphs.chunk_by(|a, b| a == b).map(<[usize]>::len).collect();
    let edges = case.inputs.get("edge_index").map_or(Vec::new(), edges);
    let structure = sparse_graph(&edges, &sizes);
    let mut entries: Vec<u32> = (0..edges.len() as u32).collect();
    entries.sort_by_key(|&edge| (edges[edge as usize].1, edges[edge as usize].0));
    let values = match variables.get("edge_weight").or(variables.get("edge_attr")) {
        Some(values) => {
            values.reshape((edges.len(), ())).unwrap().index_select(&indices(entries), 0).unwrap()
        }
        None => Tensor::ones((edges.len(), 1), dtype, &Device::Cpu).unwrap(),
    };
    let x = Value { x: variables["x"].as_tensor().clone(), structure: Structure::Sparse(structure.clone()) };
    (variables, x, Value { x: values, structure: Structure::Edges(structure) })
}

/// Which nodes are in each row of the pooled nodes: of each, its row.
fn rows_of_nodes(case: &Case) -> Vec<(usize, usize)> {
    let n = case.inputs["x"].shape[0];
    if let Some(kept) = case.outputs.get("perm") {
        return kept.indices().into_iter().enumerate().map(|(row, node)| (node, row)).collect();
    }
    let clusters = ["cluster_index", "cluster"].into_iter().find_map(|name| case.outputs.get(name));
    let clusters = clusters.unwrap_or_else(|| &case.inputs["cluster"]).indices();
    // PyG numbers given parts without gaps.
    let numbers: std::collections::BTreeSet<usize> = clusters.iter().copied().collect();
    let rows = clusters.iter().map(|of| numbers.iter().position(|number| number == of).unwrap());
    let nodes = case.outputs.get("node_index").map_or((0..n).collect(), crate::golden::Stored::indices);
    nodes.into_iter().zip(rows).collect()
}

/// Compares one case of nodes that are kept or become one, in both precisions. `run` gives the pooled nodes and what else
/// the other library has, by its names.
fn check_sparse(name: &str, run: impl Fn(&Case, &BTreeMap<String, Var>, &Value, &Value) -> Ran) {
    check_loaded(&load(name), false, run);
}

fn check_loaded(
    case: &Case,
    is_one_graph: bool,
    run: impl Fn(&Case, &BTreeMap<String, Var>, &Value, &Value) -> Ran,
) {
    let name = &case.case;
    for tolerance in &TOLERANCES {
        let (variables, x, values) = sparse_inputs(case, tolerance.dtype, is_one_graph);
        let Ran { lones, value, mut results } = run(case, &variables, &x, &values);
        let Structure::Sparse(graph) = &value.structure else { panic!("{name}: not sparse") };
        // Where the row of each of theirs is here: ours stand in the order of their first nodes.
        let rows = rows_of_nodes(case);
        let n_pooled = case.outputs["x"].shape[0];
        let first =
            |row: usize| rows.iter().filter(|(_, of)| *of == row).map(|(node, _)| *node).min().unwrap();
        let mut order: Vec<usize> = (0..n_pooled).collect();
        order.sort_by_key(|&row| first(row));
        let place = |theirs: usize| order.iter().position(|&row| row == theirs).unwrap() as u32;
        assert_eq!(graph.n_nodes(), n_pooled, "{name}");
        results.insert("x", value.x.index_select(&indices((0..n_pooled).map(place)), 0).unwrap());
        let all: Vec<(u32, u32)> = (0..graph.n_nodes())
            .flat_map(|row| graph.adjacency.row(row).iter().map(move |&source| (source, row as u32)))
            .collect();
        if let Some(edge_index) = case.outputs.get("edge_index") {
            let theirs: Vec<(u32, u32)> = edges(edge_index)
                .into_iter()
                .map(|(source, target)| (place(source as usize), place(target as usize)))
                .collect();
            let sorted = |edges: &[(u32, u32)], keeps_loops: bool| {
                let mut edges: Vec<(u32, u32)> = edges
                    .iter()
                    .copied()
                    .filter(|(source, target)| keeps_loops || source != target)
                    .collect();
                edges.sort_unstable();
                edges
            };
            // `edge_pool` keeps a loop for the edges inside of a cluster, which tgp drops.
            let has_loops = theirs.iter().any(|(source, target)| source == target);
            assert_eq!(sorted(&all, has_loops), sorted(&theirs, has_loops), "{name}: edges");
            for output in ["edge_weight", "edge_attr"] {
                if case.cotangents.contains_key(output) && !results.contains_key(output) {
                    let entry =
                        |edge: &(u32, u32)| all.iter().position(|other| other == edge).unwrap() as u32;
                    let remaining = remaining(&values, &value);
                    let laid = remaining.index_select(&indices(theirs.iter().map(entry)), 0).unwrap();
                    results.insert(output, laid);
                }
            }
        }
        let mut scalar = Tensor::zeros((), tolerance.dtype, &Device::Cpu).unwrap();
        for (output, ours) in &results {
            let what = format!("{name} {:?} output {output}", tolerance.dtype);
            assert_close(&what, &numbers(ours), &case.outputs[*output].data, tolerance.values);
            if let Some(cotangent) = case.cotangents.get(*output) {
                let cotangent = cotangent.tensor(tolerance.dtype).flatten_all().unwrap();
                let product = (ours.flatten_all().unwrap() * cotangent).unwrap().sum_all().unwrap();
                scalar = (scalar + product).unwrap();
            }
        }
        assert!(case.cotangents.keys().all(|output| results.contains_key(output.as_str())), "{name}");
        let gradients = scalar.backward().unwrap();
        for (of, theirs) in &case.grads {
            let what = format!("{name} {:?} gradient of {of}", tolerance.dtype);
            // What flows to weights of operators, and by what is worked out beside them.
            let of_weights = lones.iter().filter_map(|(lone, prefix, op)| {
                let param = of.strip_prefix("param:")?.strip_prefix(prefix.as_str())?;
                let is_there = |ours: &str| lone.weights.0.iter().any(|(name, _)| *name == ours);
                let map = operator::find(op).pyg().weights;
                let (_, ours, how) =
                    map.iter().find(|(theirs, ours, _)| *theirs == param && is_there(ours))?;
                let gradient = gradients.get(lone.weights.get(ours))?;
                Some(crate::golden::to_pyg(gradient, *how, &theirs.shape))
            });
            let beside = variables.get(of).and_then(|variable| gradients.get(variable)).cloned();
            let parts: Vec<Vec<f64>> =
                of_weights.chain(beside).map(|part| numbers(&part.contiguous().unwrap())).collect();
            assert!(!parts.is_empty(), "{what} is missing");
            let ours: Vec<f64> =
                (0..parts[0].len()).map(|at| parts.iter().map(|part| part[at]).sum()).collect();
            assert_close(&what, &ours, &theirs.data, tolerance.gradients);
        }
    }
}

/// A pooling that ran.
struct Ran {
    /// What has weights, with what the names of their parameters begin with, and the operator.
    lones: Vec<(Lone, String, &'static str)>,
    /// The pooled nodes.
    value: Value,
    /// What else the other library has, by its names.
    results: BTreeMap<&'static str, Tensor>,
}

/// An operator on values of a case, with the weights of the case whose names begin with `prefix`.
fn on_nodes(
    case: &Case,
    op: &'static str,
    prefix: &str,
    given: &[(&str, ArgValue)],
    inputs: &[&Value],
) -> ((Lone, String, &'static str), Value) {
    let name = op;
    let op = operator::find(op);
    let types: Vec<Type> = (inputs.iter())
        .map(|input| match input.structure {
            Structure::Edges(_) => ty(Entity::Edges, 0, None, input.x.dims()[1]),
            _ => ty(Entity::Nodes, 0, None, input.x.dims()[1]),
        })
        .collect();
    let types: Vec<&Type> = types.iter().collect();
    let dtype = inputs[0].x.dtype();
    let mut inner = case.clone();
    inner.params = (case.params.iter())
        .filter_map(|(name, of)| Some((name.strip_prefix(prefix)?.to_owned(), of.clone())))
        .collect();
    let make = |spec: &hgnn::ops::WeightSpec| crate::golden::from_pyg(&inner, op.pyg().weights, spec);
    let lone = Lone::build(op, &args(op, given), &types, dtype, make);
    let value = lone.run(inputs, &mut ForwardCx::training(0, &[])).unwrap();
    ((lone, prefix.to_owned(), name), value)
}

/// Rows of a pooled value, in the order of the first nodes, at each node.
fn at_nodes(case: &Case, pooled: &Tensor) -> Tensor {
    let rows = rows_of_nodes(case);
    in_their_order(case, pooled).index_select(&indices(rows.iter().map(|(_, row)| *row as u32)), 0).unwrap()
}

#[test]
fn contractions_of_edges_are_tgps() {
    check_sparse("tgp_edge_contraction_sigmoid", |case, variables, x, _| {
        let (weight, bias) = (&variables["param:selector.lin.weight"], &variables["param:selector.lin.bias"]);
        let add = case.args["add_to_edge_score"].as_f64().unwrap();
        let given = [("score", ArgValue::Choice("sigmoid")), ("add", ArgValue::Float(add))];
        let (lone, value) = on_nodes(case, "edge_pool", "selector.", &given, &[x]);
        // The scores are inside of our result; computed again here, so that their cotangents count.
        let fine = edges(&case.inputs["edge_index"]);
        let rows = |end: fn(&(u32, u32)) -> u32| x.x.index_select(&indices(fine.iter().map(end)), 0).unwrap();
        let ends = Tensor::cat(&[rows(|edge| edge.0), rows(|edge| edge.1)], 1).unwrap();
        let raw = ends.matmul(&weight.t().unwrap()).unwrap().broadcast_add(bias).unwrap();
        let score = ((raw.neg().unwrap().exp().unwrap() + 1.0).unwrap().recip().unwrap() + add).unwrap();
        let found = numbers(&score);
        let clusters = case.outputs["cluster_index"].indices();
        // Of the cluster of a node the better of the edges inside; behind the scores stands a one.
        let best = |node: usize| {
            let is_inside = |end: u32| clusters[end as usize] == clusters[node];
            let inside = (0..fine.len()).filter(|&edge| is_inside(fine[edge].0) && is_inside(fine[edge].1));
            inside.max_by(|&a, &b| found[a].total_cmp(&found[b])).unwrap_or(fine.len()) as u32
        };
        let one = Tensor::ones((1, 1), score.dtype(), &Device::Cpu).unwrap();
        let score = Tensor::cat(&[score, one], 0).unwrap();
        let of_nodes = score.index_select(&indices((0..clusters.len()).map(best)), 0).unwrap();
        let lifted = at_nodes(case, &value.x).broadcast_mul(&of_nodes).unwrap();
        Ran {
            lones: vec![lone],
            value,
            results: BTreeMap::from([("weight", of_nodes), ("lifted_x", lifted)]),
        }
    });
}

#[test]
fn selections_above_a_score_are_tgps() {
    // The direction is that of PyG's class, by another name.
    let mut case = load("tgp_top_k_min_score");
    let direction = case.params.remove("selector.weight").unwrap();
    case.params.insert("select.weight".to_owned(), direction);
    let gradient = case.grads.remove("param:selector.weight").unwrap();
    case.grads.insert("param:select.weight".to_owned(), gradient);
    check_loaded(&case, false, |case, variables, x, _| {
        let direction = &variables["param:select.weight"];
        let given = [("min_score", ArgValue::Float(case.args["min_score"].as_f64().unwrap()))];
        let (lone, value) = on_nodes(case, "topk", "", &given, &[x]);
        let score = softmax_of_graphs(case, &x.x.matmul(&direction.t().unwrap()).unwrap());
        let nodes = case.outputs["node_index"].indices();
        let weight = score.index_select(&indices(nodes.iter().map(|&node| node as u32)), 0).unwrap();
        Ran { lones: vec![lone], value, results: BTreeMap::from([("weight", weight)]) }
    });
}

#[test]
fn clusters_of_edges_above_a_score_are_pygs() {
    for name in ["cluster_pooling_log_softmax", "cluster_pooling_sigmoid", "cluster_pooling_tanh"] {
        // PyG takes the softmax over all edges of the batch: it is one graph here.
        check_loaded(&load(name), true, |case, _, x, _| {
            let mut given = vec![(
                "score",
                ArgValue::Choice(match case.args["edge_score_method"].as_str() {
                    Some("sigmoid") => "sigmoid",
                    Some("log_softmax") => "log_softmax",
                    _ => "tanh",
                }),
            )];
            given.extend(case.args["threshold"].as_f64().map(|least| ("threshold", ArgValue::Float(least))));
            let (lone, value) = on_nodes(case, "cluster_pool", "", &given, &[x]);
            Ran { lones: vec![lone], value, results: BTreeMap::new() }
        });
    }
}

#[test]
fn neighbourhoods_of_the_best_fitness_are_pygs() {
    for name in [
        "asa_pooling",
        "asa_pooling_gcn",
        "asa_pooling_graph_conv_loops",
        "asa_pooling_int_slope",
        "asa_pooling_unweighted",
        "asa_pooling_weighted",
    ] {
        let mut case = load(name);
        // The names of two outputs of this file are one place off.
        if name == "asa_pooling" {
            let kept = case.outputs.remove("batch").unwrap();
            case.outputs.insert("perm".to_owned(), kept);
        }
        check_loaded(&case, false, |case, _, x, weight| {
            let is_set = |name: &str| case.args.get(name).is_some_and(|value| value == true);
            let mut given = vec![match &case.args["ratio"] {
                Json::Number(k) if k.is_i64() => ("k", ArgValue::Int(k.as_i64().unwrap())),
                ratio => ("ratio", ArgValue::Float(ratio.as_f64().unwrap())),
            }];
            given.push(("self_loops", ArgValue::Bool(is_set("add_self_loops"))));
            let slope = case.args.get("negative_slope").and_then(Json::as_f64);
            given.extend(slope.map(|slope| ("negative_slope", ArgValue::Float(slope))));
            let mut lones = Vec::new();
            let mut inputs = vec![x.clone()];
            if let Some(gnn) = case.args.get("GNN").and_then(Json::as_str) {
                let op = if gnn == "GCNConv" { "gcn" } else { "graph_conv" };
                let width = ArgValue::Int(x.x.dims()[1] as i64);
                let layer = [("out", width), ("weight", ArgValue::Pipeline)];
                // PyG has put a loop of weight 1 to every node that has none.
                let looped = with_loops(case, x, weight);
                let (lone, read) = on_nodes(case, op, "gnn_intra_cluster.", &layer, &[&looped.0, &looped.1]);
                lones.push(lone);
                inputs.push(Value { x: read.x, structure: x.structure.clone() });
                given.push(("gnn", ArgValue::Pipeline));
            }
            // PyG multiplies the fitness by the sign of a number that never learns. Where it is negative the least fit are
            // kept: all are here, of which those are looked at, without the edges between them.
            let turns = case.params["select.weight"].data[0] < 0.0;
            if turns {
                given[0] = ("ratio", ArgValue::Float(1.0));
            }
            let (lone, mut value) = on_nodes(case, "asap", "", &given, &inputs.iter().collect::<Vec<_>>());
            lones.push(lone);
            if turns {
                let mut kept = case.outputs["perm"].indices();
                kept.sort_unstable();
                let rows = value.x.index_select(&indices(kept.iter().map(|&node| node as u32)), 0).unwrap();
                let graphs = case.inputs["batch"].indices();
                let sizes: Vec<usize> =
                    kept.chunk_by(|&a, &b| graphs[a] == graphs[b]).map(<[usize]>::len).collect();
                let place: Vec<u32> = case.outputs["perm"]
                    .indices()
                    .iter()
                    .map(|node| kept.iter().position(|other| other == node).unwrap() as u32)
                    .collect();
                let between: Vec<(u32, u32)> = edges(&case.outputs["edge_index"])
                    .iter()
                    .map(|&(source, target)| (place[source as usize], place[target as usize]))
                    .collect();
                value = Value { x: rows, structure: Structure::Sparse(sparse_graph(&between, &sizes)) };
            }
            Ran { lones, value, results: BTreeMap::new() }
        });
    }
}

/// The nodes and the weights of the edges of a case with a loop of weight 1 at each node; it has none before.
fn with_loops(case: &Case, x: &Value, weight: &Value) -> (Value, Value) {
    let n = x.x.dims()[0] as u32;
    let fine = edges(&case.inputs["edge_index"]);
    assert!(fine.iter().all(|(source, target)| source != target));
    let looped: Vec<(u32, u32)> = fine.iter().copied().chain((0..n).map(|node| (node, node))).collect();
    let structure = sparse_graph(
        &looped,
        &x.structure.offsets().windows(2).map(|w| (w[1] - w[0]) as usize).collect::<Vec<_>>(),
    );
    // Entries of the adjacency without the loops, and behind them the ones.
    let mut sorted = fine.clone();
    sorted.sort_by_key(|&(source, target)| (target, source));
    let mut all = looped.clone();
    all.sort_by_key(|&(source, target)| (target, source));
    let place =
        |edge: &(u32, u32)| sorted.iter().position(|other| other == edge).unwrap_or(fine.len()) as u32;
    let one = Tensor::ones((1, 1), weight.x.dtype(), &Device::Cpu).unwrap();
    let values = Tensor::cat(&[&weight.x, &one], 0).unwrap();
    let values = values.index_select(&indices(all.iter().map(place)), 0).unwrap();
    let x = Value { x: x.x.clone(), structure: Structure::Sparse(structure.clone()) };
    (x, Value { x: values, structure: Structure::Edges(structure) })
}

#[test]
fn given_parts_are_pygs_and_tgps() {
    for (name, reduce, self_loops) in [
        ("max_pool_given", "max", false),
        ("max_pool_x_given", "max", false),
        ("avg_pool_given", "mean", false),
        ("avg_pool_x_given", "mean", false),
        ("tgp_graclus_given", "sum", false),
    ] {
        check_sparse(name, |case, variables, x, _| {
            let by = &case.inputs["cluster"];
            let by = by.tensor(x.x.dtype()).reshape((x.x.dims()[0], 1)).unwrap();
            let by = Value { x: by, structure: x.structure.clone() };
            let pooled = |of: &Tensor, reduce| {
                let given = [
                    ("by", ArgValue::Pipeline),
                    ("reduce", ArgValue::Choice(reduce)),
                    ("self_loops", ArgValue::Bool(self_loops)),
                ];
                on_nodes(
                    case,
                    "partition",
                    "",
                    &given,
                    &[&Value { x: of.clone(), structure: x.structure.clone() }, &by],
                )
            };
            let (lone, value) = pooled(&x.x, reduce);
            let mut results = BTreeMap::new();
            if let Some(places) = variables.get("pos") {
                // PyG takes the mean of places whatever it takes of features.
                results.insert("pos", in_their_order(case, &pooled(places, "mean").1.x));
            }
            if case.outputs.contains_key("lifted_x") {
                results.insert("lifted_x", at_nodes(case, &value.x));
                let n = x.x.dims()[0];
                results.insert("weight", Tensor::ones(n, x.x.dtype(), &Device::Cpu).unwrap());
            }
            Ran { lones: vec![lone], value, results }
        });
    }
}

/// Pooled rows of ours in the order of theirs.
fn in_their_order(case: &Case, pooled: &Tensor) -> Tensor {
    let rows = rows_of_nodes(case);
    let first = |row: usize| rows.iter().filter(|(_, of)| *of == row).map(|(node, _)| *node).min().unwrap();
    let mut order: Vec<usize> = (0..pooled.dims()[0]).collect();
    order.sort_by_key(|&row| first(row));
    let place = |theirs: usize| order.iter().position(|&row| row == theirs).unwrap() as u32;
    pooled.index_select(&indices((0..order.len()).map(place)), 0).unwrap()
}

#[test]
fn nodes_around_an_independent_set_are_tgps() {
    for name in ["tgp_kmis_linear", "tgp_kmis_no_heuristic", "tgp_kmis_order_2", "tgp_kmis_w_greedy"] {
        check_sparse(name, |case, variables, x, _| {
            let (weight, bias) =
                (&variables["param:selector.lin.weight"], &variables["param:selector.lin.bias"]);
            let score = x.x.matmul(&weight.t().unwrap()).unwrap().broadcast_add(bias).unwrap();
            let heuristic = match case.args["score_heuristic"].as_str() {
                Some("greedy") => "greedy",
                Some(_) => "weighted",
                None => "none",
            };
            let takes_centres = case.args.get("reduce_red_op").is_some_and(Json::is_null);
            let given = [
                ("hops", ArgValue::Int(case.args["order_k"].as_i64().unwrap())),
                ("score", ArgValue::Pipeline),
                ("heuristic", ArgValue::Choice(heuristic)),
                ("reduce", ArgValue::Choice(if takes_centres { "centre" } else { "sum" })),
            ];
            let scores = Value { x: score.clone(), structure: x.structure.clone() };
            let (lone, value) = on_nodes(case, "kmis", "", &given, &[x, &scores]);
            let weight = (score.neg().unwrap().exp().unwrap() + 1.0).unwrap().recip().unwrap();
            Ran { lones: vec![lone], value, results: BTreeMap::from([("weight", weight)]) }
        });
    }
}

#[test]
fn selections_by_paths_are_pygs() {
    for name in ["pan_pooling", "pan_pooling_min_score"] {
        // The matrix of paths, whose rows are targets, as edges with weights; the sign of PyG's last weight, or with
        // `min_score` the weight, lies in the two factors of ours.
        let mut case = load(name);
        let pairs = [case.inputs["m_col"].data.clone(), case.inputs["m_row"].data.clone()].concat();
        let m = pairs.len() / 2;
        case.inputs.insert("edge_index".into(), crate::golden::Stored { shape: vec![2, m], data: pairs });
        let values = case.inputs["m_value"].clone();
        case.inputs.insert("edge_weight".into(), values);
        let last = case.params.remove("select.weight").unwrap().data[0];
        let has_least = case.args.contains_key("min_score");
        let factor = if has_least { last } else { last.signum() };
        case.params.get_mut("beta").unwrap().data.iter_mut().for_each(|beta| *beta *= factor);
        let beta = case.grads.get_mut("param:beta").unwrap();
        beta.data.iter_mut().for_each(|gradient| *gradient /= factor);
        // What that weight gets follows from what its products get; a sign gets nothing.
        let of_last = case.grads.remove("param:select.weight").unwrap().data[0];
        let pairs = case.params["beta"].data.iter().zip(&case.grads["param:beta"].data);
        let expected: f64 = pairs.map(|(beta, g)| beta / factor * g).sum();
        let expected = if has_least { expected } else { 0.0 };
        assert!((of_last - expected).abs() < 1e-7, "{name}: {of_last}, not {expected}");
        let gradient = case.grads.remove("m_value").unwrap();
        case.grads.insert("edge_weight".into(), gradient);
        check_loaded(&case, false, |case, variables, x, weight| {
            let mut given = vec![("weight", ArgValue::Pipeline)];
            for name in ["ratio", "min_score", "multiplier"] {
                let value = case.args.get(name).and_then(Json::as_f64);
                given.extend(value.map(|value| (name, ArgValue::Float(value))));
            }
            let (lone, value) = on_nodes(case, "pan_pool", "", &given, &[x, weight]);
            // The scores are inside of our result; computed again here, so that their cotangents count.
            let direction = lone.0.weights.get("direction").as_tensor();
            let beta = lone.0.weights.get("beta").as_tensor();
            let n = x.x.dims()[0];
            let sources: Vec<u32> = edges(&case.inputs["edge_index"]).iter().map(|edge| edge.0).collect();
            let leaving = Tensor::zeros(n, x.x.dtype(), &Device::Cpu).unwrap();
            let leaving = leaving.index_add(&indices(sources), &variables["edge_weight"], 0).unwrap();
            let of_features = x.x.matmul(direction).unwrap();
            let parts = [of_features, leaving.unsqueeze(1).unwrap()];
            let [first, second] =
                [0, 1].map(|at| parts[at].broadcast_mul(&beta.narrow(0, at, 1).unwrap()).unwrap());
            let score = (first + second).unwrap();
            let score = match case.args.contains_key("min_score") {
                true => softmax_of_graphs(case, &score),
                false => score.tanh().unwrap(),
            };
            let kept = case.outputs["perm"].indices();
            let score = score.index_select(&indices(kept.iter().map(|&node| node as u32)), 0).unwrap();
            Ran { lones: vec![lone], value, results: BTreeMap::from([("score", score)]) }
        });
    }
}

/// A stage of a network of several levels.
struct Stage {
    lone: Lone,
    op: &'static str,
    /// What the names of its parameters begin with.
    prefix: String,
}

/// Stages of a case that were run.
struct Stages<'a> {
    case: &'a Case,
    dtype: DType,
    made: Vec<Stage>,
}

impl Stages<'_> {
    /// Runs one on values with the numbers of their levels.
    fn run(
        &mut self,
        op: &'static str,
        prefix: String,
        given: &[(&str, ArgValue)],
        inputs: &[(&Value, usize)],
    ) -> Value {
        let of = operator::find(op);
        let level =
            |&(value, level): &(&Value, usize)| ty(Entity::Nodes, level as u32, None, value.x.dims()[1]);
        let types: Vec<Type> = inputs.iter().map(level).collect();
        let mut inner = self.case.clone();
        inner.params = (self.case.params.iter())
            .filter_map(|(name, of)| Some((name.strip_prefix(prefix.as_str())?.to_owned(), of.clone())))
            .collect();
        let make = |spec: &hgnn::ops::WeightSpec| crate::golden::from_pyg(&inner, of.pyg().weights, spec);
        let lone = Lone::build(of, &args(of, given), &types.iter().collect::<Vec<_>>(), self.dtype, make);
        let values: Vec<&Value> = inputs.iter().map(|(value, _)| *value).collect();
        let value = lone.run(&values, &mut ForwardCx::training(0, &[])).unwrap();
        self.made.push(Stage { lone, op, prefix });
        value
    }

    fn conv(&mut self, prefix: String, x: &Value, level: usize) -> Value {
        let out = self.case.params[&format!("{prefix}bias")].shape[0] as i64;
        let given = [("out", ArgValue::Int(out)), ("improved", ArgValue::Bool(true))];
        self.run("gcn", prefix, &given, &[(x, level)])
    }
}

/// `GraphUNet` as our stages: down by `topk` over walks of two edges, up by `lift`.
#[test]
fn graph_u_nets_are_pygs() {
    let names = ["graph_unet_depth_1_cat", "graph_unet_depth_2", "graph_unet_depth_2_ratios"];
    for (name, tolerance) in names.iter().flat_map(|name| TOLERANCES.iter().map(move |of| (name, of))) {
        let case = load(name);
        let depth = case.args["depth"].as_u64().unwrap() as usize;
        let (variables, x, _) = sparse_inputs(&case, tolerance.dtype, false);
        let mut stages = Stages { case: &case, dtype: tolerance.dtype, made: Vec::new() };
        let act = |value: Value| Value { x: value.x.relu().unwrap(), structure: value.structure };
        let mut at = act(stages.conv("down_convs.0.".into(), &x, 0));
        let mut levels = vec![at.clone()];
        for level in 1..=depth {
            let ratio = match &case.args["pool_ratios"] {
                Json::Array(ratios) => ratios[level - 1].as_f64().unwrap(),
                ratio => ratio.as_f64().unwrap(),
            };
            let given = [("ratio", ArgValue::Float(ratio)), ("connect", ArgValue::Choice("walks"))];
            at = stages.run("topk", format!("pools.{}.", level - 1), &given, &[(&at, level - 1)]);
            at = act(stages.conv(format!("down_convs.{level}."), &at, level));
            levels.push(at.clone());
        }
        for up in 0..depth {
            let level = depth - 1 - up;
            let fine = &levels[level];
            let to = [("to", ArgValue::Pipeline)];
            let lifted = stages.run("lift", "lift.".into(), &to, &[(&at, level + 1), (fine, level)]);
            let both = match case.args["sum_res"] == true {
                true => (&fine.x + &lifted.x).unwrap(),
                false => Tensor::cat(&[&fine.x, &lifted.x], 1).unwrap(),
            };
            let both = Value { x: both, structure: fine.structure.clone() };
            at = stages.conv(format!("up_convs.{up}."), &both, level);
            at = if up + 1 < depth { act(at) } else { at };
        }
        let what = format!("{name} {:?}", tolerance.dtype);
        assert_close(&what, &numbers(&at.x), &case.outputs["out"].data, tolerance.values);
        let cotangent = case.cotangents["out"].tensor(tolerance.dtype);
        let gradients = (&at.x * cotangent).unwrap().sum_all().unwrap().backward().unwrap();
        for (of, theirs) in &case.grads {
            let of_stage = |stage: &Stage| {
                let param = of.strip_prefix("param:")?.strip_prefix(stage.prefix.as_str())?;
                let is_there = |ours: &str| stage.lone.weights.0.iter().any(|(name, _)| *name == ours);
                let mut map = operator::find(stage.op).pyg().weights.iter();
                let (_, ours, how) = map.find(|(theirs, ours, _)| *theirs == param && is_there(ours))?;
                let gradient = gradients.get(stage.lone.weights.get(ours))?;
                Some(crate::golden::to_pyg(gradient, *how, &theirs.shape))
            };
            let ours = match variables.get(of).and_then(|variable| gradients.get(variable)) {
                Some(gradient) => Some(gradient.clone()),
                None => stages.made.iter().find_map(of_stage),
            };
            let ours =
                ours.unwrap_or_else(|| panic!("{what} gradient of {of} is missing")).contiguous().unwrap();
            let what = format!("{what} gradient of {of}");
            assert_close(&what, &numbers(&ours), &theirs.data, tolerance.gradients);
        }
    }
}

/// Nodes that are as near to several centres tgp gives to that of the lowest number, so that clusters differ: the loss is
/// compared.
#[test]
fn the_loss_of_a_cut_is_tgps() {
    for (name, tolerance) in
        ["tgp_max_cut", "tgp_max_cut_raw"].iter().flat_map(|name| TOLERANCES.iter().map(move |of| (name, of)))
    {
        let case = &load(name);
        let (variables, x, weight) = &sparse_inputs(case, tolerance.dtype, false);
        let param = |name: &str| &variables[&format!("param:selector.score_net.{name}")];
        let dense = |x: &Tensor, name: &str| {
            let product = x.matmul(&param(&format!("{name}.weight")).t().unwrap()).unwrap();
            product.broadcast_add(param(&format!("{name}.bias"))).unwrap()
        };
        // tgp's score network: convolutions by `(1 − δ) I + δ D^-½ A D^-½`, and a perceptron.
        let (fine, n) = (edges(&case.inputs["edge_index"]), x.x.dims()[0]);
        let delta = case.args["delta"].as_f64().unwrap();
        let [sources, targets] =
            [fine.iter().map(|edge| edge.0).collect::<Vec<u32>>(), fine.iter().map(|edge| edge.1).collect()]
                .map(indices);
        let zeros = |shape: &[usize]| Tensor::zeros(shape, x.x.dtype(), &Device::Cpu).unwrap();
        let weights = variables["edge_weight"].as_tensor();
        let degree = zeros(&[n]).index_add(&sources, weights, 0).unwrap();
        let root = degree.sqrt().unwrap().recip().unwrap();
        let ends = [&sources, &targets].map(|end| root.index_select(end, 0).unwrap());
        let share = (((weights * &ends[0]).unwrap() * &ends[1]).unwrap() * delta).unwrap();
        let mut h = dense(&x.x, "initial_layer");
        for layer in 0..2 {
            let mapped = h.matmul(&param(&format!("mp_convs.{layer}.lin.weight")).t().unwrap()).unwrap();
            let messages = mapped.index_select(&sources, 0).unwrap();
            let messages = messages.broadcast_mul(&share.unsqueeze(1).unwrap()).unwrap();
            let gathered = zeros(mapped.dims()).index_add(&targets, &messages, 0).unwrap();
            let own = (mapped * (1.0 - delta)).unwrap();
            let sum = (gathered + own).unwrap();
            h = sum.broadcast_add(param(&format!("mp_convs.{layer}.bias"))).unwrap().tanh().unwrap();
        }
        let h = dense(&h, "mlp.0").relu().unwrap();
        let score = Value { x: dense(&h, "final_layer"), structure: x.structure.clone() };
        let given = [
            ("ratio", ArgValue::Float(case.args["ratio"].as_f64().unwrap())),
            ("score", ArgValue::Pipeline),
            ("weight", ArgValue::Pipeline),
        ];
        let op = operator::find("max_cut");
        let types = [
            ty(Entity::Nodes, 0, None, x.x.dims()[1]),
            ty(Entity::Nodes, 0, None, 1),
            ty(Entity::Edges, 0, None, 1),
        ];
        let lone = Lone::build(
            op,
            &args(op, &given),
            &types.iter().collect::<Vec<_>>(),
            x.x.dtype(),
            |_| unreachable!(),
        );
        let mut cx = ForwardCx::training(0, &["max_cut"]);
        let value = lone.run(&[x, &score, weight], &mut cx).unwrap();
        assert_eq!(value.x.dims(), case.outputs["x"].shape, "{name}");
        let z = numbers(&score.x.tanh().unwrap());
        assert_close(name, &z, &case.outputs["scores"].data, tolerance.values);
        let factor = case.args.get("loss_coeff").map_or(1.0, |factor| factor.as_f64().unwrap());
        let loss = numbers(&(cx.losses[0].of_graphs.mean_all().unwrap() * factor).unwrap());
        assert_close(name, &loss, &case.outputs["maxcut_loss"].data, tolerance.values);
    }
}

/// The graph of each node; without a batch there is one.
fn graphs_of(case: &Case) -> Vec<usize> {
    let of_all = || vec![0; case.inputs["x"].shape[0]];
    case.inputs.get("batch").map_or_else(of_all, crate::golden::Stored::indices)
}

/// The nodes of a case and the weights of its edges, along its edges or against them.
fn sparse_of(case: &Case, variables: &BTreeMap<String, Var>, is_turned: bool) -> (Value, Value) {
    let graphs = graphs_of(case);
    let sizes: Vec<usize> = graphs.chunk_by(|a, b| a == b).map(<[usize]>::len).collect();
    let mut edges = edges(&case.inputs["edge_index"]);
    if is_turned {
        edges.iter_mut().for_each(|(source, target)| std::mem::swap(source, target));
    }
    let structure = sparse_graph(&edges, &sizes);
    let mut entries: Vec<u32> = (0..edges.len() as u32).collect();
    entries.sort_by_key(|&edge| (edges[edge as usize].1, edges[edge as usize].0));
    let weight = variables["edge_weight"].index_select(&indices(entries), 0).unwrap().unsqueeze(1).unwrap();
    let x = Value { x: variables["x"].as_tensor().clone(), structure: Structure::Sparse(structure.clone()) };
    (x, Value { x: weight, structure: Structure::Edges(structure) })
}

/// Modes of the parts of tgp's assignment. Its features have signs, which depend on how nodes are numbered: they are compared by their
/// size, and so are gradients, since a sign is a factor.
#[test]
fn modes_of_parts_are_tgps() {
    for (name, tolerance) in ["tgp_eigen_pool", "tgp_eigen_pool_unnormalized"]
        .iter()
        .flat_map(|name| TOLERANCES.iter().map(move |of| (name, of)))
    {
        let case = &load(name);
        let (variables, x, weight) = sparse_inputs(case, tolerance.dtype, true);
        let shares = &case.outputs["s"];
        let k = shares.shape[1];
        let parts: Vec<usize> =
            shares.data.chunks(k).map(|row| row.iter().position(|&share| share == 1.0).unwrap()).collect();
        let by: Vec<f64> = parts.iter().map(|&part| part as f64).collect();
        let by = Tensor::from_vec(by, (parts.len(), 1), &Device::Cpu).unwrap();
        let by = Value { x: by.to_dtype(tolerance.dtype).unwrap(), structure: x.structure.clone() };
        let width = x.x.dims()[1];
        let op = operator::find("eigen_pool");
        let nodes = |width| ty(Entity::Nodes, 0, None, width);
        let types = [nodes(width), nodes(1), ty(Entity::Edges, 0, None, 1)];
        let modes = case.args["num_modes"].as_i64().unwrap();
        let given = [
            ("by", ArgValue::Pipeline),
            ("modes", ArgValue::Int(modes)),
            ("normalized", ArgValue::Bool(case.args["normalized"] == true)),
            ("weight", ArgValue::Pipeline),
        ];
        let types: Vec<&Type> = types.iter().collect();
        let lone = Lone::build(op, &args(op, &given), &types, tolerance.dtype, |_| unreachable!());
        let value = lone.run(&[&x, &by, &weight], &mut ForwardCx::training(0, &[])).unwrap();
        let what = format!("{name} {:?}", tolerance.dtype);

        // Parts stand here in the order of their first nodes.
        let mut order: Vec<usize> = Vec::new();
        for &part in &parts {
            if !order.contains(&part) {
                order.push(part);
            }
        }
        let stride = modes as usize * width;
        let places = order.iter().flat_map(|part| part * stride..(part + 1) * stride);
        let (theirs, cotangents) = (&case.outputs["x"].data, &case.cotangents["x"].data);
        let sizes: Vec<f64> = places.clone().map(|at| theirs[at].abs()).collect();
        let factors: Vec<f64> = places.map(|at| cotangents[at] * theirs[at].signum()).collect();
        assert_close(&what, &numbers(&value.x), &sizes, tolerance.values);

        // What `lifted_x` adds to the gradient there is left out: Θ Θᵀ x, linear in x.
        let theta = &case.outputs["theta"];
        let (n, columns) = (theta.shape[0], theta.shape[1]);
        let product = |a: usize, b: usize| -> f64 {
            let rows = [a, b].map(|row| &theta.data[row * columns..][..columns]);
            rows[0].iter().zip(rows[1]).map(|(a, b)| a * b).sum()
        };
        let lifted = &case.cotangents["lifted_x"].data;
        let rest = (0..n * width).map(|place| {
            let (row, feature) = (place / width, place % width);
            let of_lift: f64 =
                (0..n).map(|other| product(row, other) * lifted[other * width + feature]).sum();
            case.grads["x"].data[place] - of_lift
        });
        let rest: Vec<f64> = rest.collect();
        let factors = Tensor::from_vec(factors, value.x.dims(), &Device::Cpu).unwrap();
        let scalar = (&value.x * factors.to_dtype(tolerance.dtype).unwrap()).unwrap().sum_all().unwrap();
        let gradients = scalar.backward().unwrap();
        let slopes = numbers(gradients.get(&variables["x"]).unwrap());
        assert_close(&format!("{what} gradient of x"), &slopes, &rest, tolerance.gradients);

        // How parts are joined: the sums over edges that became one, divided by the roots of both degrees.
        let Structure::Sparse(graph) = &value.structure else { panic!("{what}: no nodes") };
        let summed = numbers(&remaining(&weight, &value));
        let mut joined = vec![0.0; k * k];
        for (target, to) in order.iter().enumerate() {
            let offsets = &graph.adjacency.offsets;
            for entry in offsets[target] as usize..offsets[target + 1] as usize {
                joined[order[graph.adjacency.indices[entry] as usize] * k + to] = summed[entry];
            }
        }
        let degrees: Vec<f64> = joined.chunks(k).map(|row| row.iter().sum()).collect();
        let divided: Vec<f64> =
            (0..k * k).map(|at| joined[at] / (degrees[at / k] * degrees[at % k]).sqrt()).collect();
        assert_close(&format!("{what} adjacency"), &divided, &case.outputs["adj"].data, tolerance.values);
    }
}

/// The clusters of ours stand by falling difference of their leaders, those of tgp in the order of the nodes.
#[test]
fn clusters_around_leaders_are_tgps() {
    for (name, tolerance) in
        ["tgp_la_pool", "tgp_la_pool_raw", "tgp_la_pool_unbatched", "tgp_la_pool_shortest_path"]
            .iter()
            .flat_map(|name| TOLERANCES.iter().map(move |of| (name, of)))
    {
        let case = &load(name);
        let (variables, x, weight) = sparse_inputs(case, tolerance.dtype, false);
        let (x, weight) = (&x, &weight);
        let shares = &case.outputs["s"];
        let k = *shares.shape.last().unwrap();
        let mut given = connected(case);
        given.extend([("k", ArgValue::Int(k as i64)), ("weight", ArgValue::Pipeline)]);
        // There numbers of edges go through f32.
        let is_far = case.args.get("shortest_path_reg") == Some(&true.into());
        given.push(("shortest_path", ArgValue::Bool(is_far)));
        let close = |tolerance: f64| if is_far { tolerance.max(1e-6) } else { tolerance };
        let op = operator::find("la_pool");
        let types = [ty(Entity::Nodes, 0, None, x.x.dims()[1]), ty(Entity::Edges, 0, None, 1)];
        let types: Vec<&Type> = types.iter().collect();
        let of = args(op, &given);
        let lone = Lone::build_for(op, &of, &types, x.x.dtype(), true, |_| unreachable!());
        let value = lone.run(&[x, weight], &mut ForwardCx::training(0, &[])).unwrap();
        let Structure::Clusters { n_graphs, adjacency: Some(adjacency), assignment: Some(s), .. } =
            &value.structure
        else {
            panic!("{name}: no clusters")
        };
        // tgp's adjacency has a row for each source, and is divided by the sums of its columns, or where it does not pad, of its rows,
        // which are those of ours along reversed edges.
        let adjacency = &match is_transposed(case) {
            true => adjacency.transpose(1, 2).unwrap().contiguous().unwrap(),
            false => {
                let turned = sparse_of(case, &variables, true);
                let turned = lone.run(&[&turned.0, &turned.1], &mut ForwardCx::training(0, &[])).unwrap();
                let Structure::Clusters { adjacency: Some(adjacency), .. } = turned.structure else {
                    panic!("{name}: no clusters")
                };
                adjacency
            }
        };
        // Of each graph the place here of each of tgp's clusters: that of the rows which it is all of.
        let graphs = graphs_of(case);
        let ours = numbers(s);
        let all: Vec<Vec<usize>> = (0..*n_graphs)
            .map(|graph| (0..graphs.len()).filter(|&row| graphs[row] == graph).collect())
            .collect();
        let rows = |graph: usize| &all[graph];
        let largest = (0..*n_graphs).map(|graph| rows(graph).len()).max().unwrap();
        let theirs = |graph: usize, at: usize, cluster: usize| match shares.shape.len() {
            3 => shares.data[(graph * largest + at) * k + cluster],
            _ => shares.data[rows(graph)[at] * k + cluster],
        };
        let mut places: Vec<u32> = Vec::new();
        for graph in 0..*n_graphs {
            let leads = |at: &usize, cluster| theirs(graph, *at, cluster) == 1.0;
            let mut free: Vec<u32> = (0..k as u32).collect();
            let found: Vec<Option<u32>> = (0..k)
                .map(|cluster| {
                    let at = (0..rows(graph).len()).find(|at| leads(at, cluster))?;
                    (0..k as u32).find(|&place| ours[rows(graph)[at] * k + place as usize] == 1.0)
                })
                .collect();
            free.retain(|place| !found.contains(&Some(*place)));
            places.extend(found.into_iter().map(|place| place.unwrap_or_else(|| free.remove(0))));
        }
        let in_order = |graph: usize| indices(places[graph * k..][..k].iter().copied());
        let columns = |graph: usize, rows: &Tensor| rows.index_select(&in_order(graph), 1).unwrap();
        let shares: Vec<Tensor> = (0..*n_graphs)
            .map(|graph| {
                let own = s.index_select(&indices(rows(graph).iter().map(|&row| row as u32)), 0).unwrap();
                let own = columns(graph, &own);
                match case.outputs["s"].shape.len() {
                    3 => own.pad_with_zeros(0, 0, largest - rows(graph).len()).unwrap(),
                    _ => own,
                }
            })
            .collect();
        let clusters = (0..n_graphs * k).map(|at| places[at] + (at / k * k) as u32);
        let pooled = value.x.index_select(&indices(clusters), 0).unwrap();
        let joined: Vec<Tensor> = (0..*n_graphs)
            .map(|graph| {
                let own = adjacency.get(graph).unwrap();
                columns(graph, &own.index_select(&in_order(graph), 0).unwrap())
            })
            .collect();
        let joined = Tensor::stack(&joined, 0).unwrap();
        // A list of those that are not 0, row by row.
        let is_list = case.outputs.contains_key("edge_weight");
        let joined = match is_list {
            true => {
                let all = joined.flatten_all().unwrap();
                let there = numbers(&all)
                    .iter()
                    .enumerate()
                    .filter(|(_, x)| **x != 0.0)
                    .map(|(at, _)| at as u32)
                    .collect::<Vec<_>>();
                all.index_select(&indices(there), 0).unwrap()
            }
            false => joined,
        };
        let results = BTreeMap::from([
            ("s", Tensor::cat(&shares, 0).unwrap()),
            ("x", pooled),
            (if is_list { "edge_weight" } else { "adj" }, joined),
        ]);
        let mut scalar = Tensor::zeros((), tolerance.dtype, &Device::Cpu).unwrap();
        for (output, ours) in &results {
            let what = format!("{name} {:?} output {output}", tolerance.dtype);
            assert_close(&what, &numbers(ours), &case.outputs[*output].data, close(tolerance.values));
            let cotangent = case.cotangents[*output].tensor(tolerance.dtype).flatten_all().unwrap();
            let product = (ours.flatten_all().unwrap() * cotangent).unwrap().sum_all().unwrap();
            scalar = (scalar + product).unwrap();
        }
        let gradients = scalar.backward().unwrap();
        for (of, theirs) in &case.grads {
            let what = format!("{name} {:?} gradient of {of}", tolerance.dtype);
            let ours = gradients.get(&variables[of]).unwrap_or_else(|| panic!("{what} is missing"));
            assert_close(&what, &numbers(ours), &theirs.data, close(tolerance.gradients));
        }
    }
}

/// Sticks are broken where the case says by shapes whose mean is there; how far the sticks are from their prior follows from the
/// weights of the case.
#[test]
fn clusters_by_sticks_are_tgps() {
    for (name, tolerance) in ["tgp_bn_pool", "tgp_bn_pool_fixed_k"]
        .iter()
        .flat_map(|name| TOLERANCES.iter().map(move |of| (name, of)))
    {
        let case = &load(name);
        // tgp's shapes and logarithms are in single precision.
        let tolerance = &Tolerance { values: tolerance.values.max(2e-7), ..*tolerance };
        let (mut variables, x, _) = sparse_inputs(case, tolerance.dtype, false);
        let variable = |of: &crate::golden::Stored| Var::from_tensor(&of.tensor(tolerance.dtype)).unwrap();
        variables.insert("z".into(), variable(&case.inputs["z"]));
        let k = case.args["k"].as_u64().unwrap() as usize;
        let graphs = case.inputs["batch"].indices();
        let sizes: Vec<usize> = graphs.chunk_by(|a, b| a == b).map(<[usize]>::len).collect();
        let largest = *sizes.iter().max().unwrap();
        let number = |name: &str| case.args[name].as_f64().unwrap();
        let is_learned = case.args["train_K"] == true;
        let mut given = vec![
            ("k", ArgValue::Int(k as i64)),
            ("by", ArgValue::Pipeline),
            ("concentration", ArgValue::Float(number("alpha_DP"))),
            ("mean", ArgValue::Float(number("K_mu"))),
            ("variance", ArgValue::Float(number("K_var"))),
        ];
        given.extend(connected(case));
        let op = operator::find("bn_pool");
        let names = ["reconstruction", "stick_breaking", "connectivity"];
        // What K is beyond where it begins here.
        let matrix = &variables["param:K"];
        let start = Tensor::eye(k, tolerance.dtype, &Device::Cpu).unwrap().affine(2.0, -1.0).unwrap();
        let moved = (matrix.as_tensor() - start).unwrap();
        let run = |by: Tensor, weight: Tensor, bias: Tensor| {
            let by = Value { x: by, structure: x.structure.clone() };
            let types = [x.x.dims()[1], by.x.dims()[1]].map(|width| ty(Entity::Nodes, 0, None, width));
            let types: Vec<&Type> = types.iter().collect();
            let make = |spec: &hgnn::ops::WeightSpec| match spec.name {
                "sticks" => weight.clone(),
                "sticks_bias" => bias.clone(),
                _ => moved.clone(),
            };
            let lone = Lone::build_for(op, &args(op, &given), &types, tolerance.dtype, true, make);
            let mut cx = ForwardCx { wanted_losses: &names, ..ForwardCx::evaluation() };
            cx.wants_gradients = true;
            let value = lone.run(&[&x, &by], &mut cx).unwrap();
            (lone, value, cx.losses)
        };
        // softplus(ln(eᵃ − 1)) = a
        let z = {
            let z = variables["z"].as_tensor();
            let places: Vec<u32> = (0..graphs.len())
                .map(|row| (graphs[row] * largest + row - sizes[..graphs[row]].iter().sum::<usize>()) as u32)
                .collect();
            z.reshape(((), k - 1)).unwrap().index_select(&indices(places), 0).unwrap()
        };
        let rest = (1.0 - &z).unwrap();
        let both = Tensor::cat(&[&z, &rest], 1).unwrap();
        let logits = (both.exp().unwrap() - 1.0).unwrap().log().unwrap();
        let eye = Tensor::eye(2 * (k - 1), tolerance.dtype, &Device::Cpu).unwrap();
        let zeros = Tensor::zeros(2 * (k - 1), tolerance.dtype, &Device::Cpu).unwrap();
        let (broken, value, losses) = run(logits, eye, zeros);
        let param = |name: &str| variables[&format!("param:selector.mlp.lins.0.{name}")].as_tensor().clone();
        let weight = param("weight").t().unwrap().contiguous().unwrap();
        let (drawn, _, of_sticks) = run(variables["x"].as_tensor().clone(), weight, param("bias"));
        let loss = |of: &[Reported], name: &str| {
            of.iter().find(|found| found.loss == name).unwrap().of_graphs.mean_all().unwrap()
        };
        let Structure::Clusters { adjacency: Some(adjacency), assignment: Some(s), .. } = &value.structure
        else {
            panic!("{name}: no clusters")
        };
        let padded = |rows: &Tensor| {
            let mut start = 0;
            let parts: Vec<Tensor> = sizes
                .iter()
                .map(|&n| {
                    start += n;
                    rows.narrow(0, start - n, n).unwrap().pad_with_zeros(0, 0, largest - n).unwrap()
                })
                .collect();
            Tensor::stack(&parts, 0).unwrap()
        };
        let results = [
            ("s", padded(s)),
            ("x", value.x.clone()),
            ("adj", adjacency.clone()),
            ("quality", loss(&losses, "reconstruction")),
            ("kl", (loss(&of_sticks, "stick_breaking") * number("eta")).unwrap()),
            // tgp divides by the number of graphs once more; a matrix that is not learned has no prior.
            (
                "K_prior",
                match is_learned {
                    true => (loss(&losses, "connectivity") / sizes.len() as f64).unwrap(),
                    false => Tensor::zeros((), tolerance.dtype, &Device::Cpu).unwrap(),
                },
            ),
        ];
        let mut scalar = Tensor::zeros((), tolerance.dtype, &Device::Cpu).unwrap();
        for (output, ours) in &results {
            let what = format!("{name} {:?} output {output}", tolerance.dtype);
            assert_close(&what, &numbers(ours), &case.outputs[*output].data, tolerance.values);
            let cotangent = case.cotangents[*output].tensor(tolerance.dtype).flatten_all().unwrap();
            let product = (ours.flatten_all().unwrap() * cotangent).unwrap().sum_all().unwrap();
            scalar = (scalar + product).unwrap();
        }
        let gradients = scalar.backward().unwrap();
        for (of, theirs) in &case.grads {
            let what = format!("{name} {:?} gradient of {of}", tolerance.dtype);
            let of_lone = |lone: &Lone, name: &str| gradients.get(lone.weights.get(name)).cloned();
            let ours = match of.as_str() {
                "param:K" => of_lone(&broken, "connectivity"),
                "param:selector.mlp.lins.0.weight" => {
                    of_lone(&drawn, "sticks").map(|gradient| gradient.t().unwrap().contiguous().unwrap())
                }
                "param:selector.mlp.lins.0.bias" => of_lone(&drawn, "sticks_bias"),
                _ => gradients.get(&variables[of]).cloned(),
            };
            let ours = ours.unwrap_or_else(|| panic!("{what} is missing"));
            assert_close(&what, &numbers(&ours), &theirs.data, tolerance.gradients);
        }
    }
}
