//! Heterogeneous data: stages with weights for each relation or type against PyTorch Geometric and plain loops, their laws, the readers,
//! and whole runs.

use crate::golden::{Case, assert_close, load};
use crate::nodes::hgnnc;
use candle_core::{DType, Device, Tensor};
use hgnn::check::{Checked, check};
use hgnn::data::synthetic::renumber;
use hgnn::data::{Dataset, DatasetParts, Features, Targets, Types, Vocabulary};
use hgnn::ir::Model;
use hgnn::kernels::graph::EdgeKinds;
use hgnn::kernels::tape;
use hgnn::lower::{ForwardCx, Network};
use hgnn::source::SourceMap;
use hgnn::types::{DataFacts, NodeType, Relation, Schema, Task};
use std::sync::Arc;

fn outcome(text: &str, facts: Option<&DataFacts>) -> hgnn::check::Outcome {
    let mut sources = SourceMap::default();
    let main = sources.add("hetero.hgnn", text);
    let none = |_: &str| Err(std::io::ErrorKind::NotFound.into());
    let (program, findings) = hgnn::syntax::load_program(&mut sources, main, &none);
    assert!(findings.is_empty(), "{text}: {findings:?}");
    check(&program, facts)
}

fn compile(text: &str) -> Checked<Model> {
    let outcome = outcome(text, None);
    outcome.model.unwrap_or_else(|| panic!("{text}: {:?}", outcome.diagnostics))
}

/// Edges of a relation, by nodes of the whole graph.
struct Edges {
    source: usize,
    name: &'static str,
    target: usize,
    edges: Vec<(u32, u32)>,
}

/// Graphs with nodes of these types, rows of `width` features each.
fn typed(
    node_offsets: Vec<u32>,
    types: &[&str],
    of_node: Vec<u32>,
    relations: &[Edges],
    (values, width): (Vec<f32>, usize),
) -> Dataset {
    let count = |place: usize| of_node.iter().filter(|&&of| of as usize == place).count();
    let node_type = |(place, name): (usize, &&str)| NodeType {
        name: (*name).to_owned(),
        n_nodes: count(place),
        first_column: 0,
        n_columns: width,
    };
    let relation = |of: &Edges| Relation {
        source: of.source,
        name: of.name.to_owned(),
        target: of.target,
        n_edges: of.edges.len(),
    };
    let schema = Schema {
        nodes: types.iter().enumerate().map(node_type).collect(),
        relations: relations.iter().map(relation).collect(),
    };
    let kinds: Vec<u32> =
        (0u32..).zip(relations).flat_map(|(kind, of)| std::iter::repeat_n(kind, of.edges.len())).collect();
    let n_kinds = relations.len();
    let mut data = Dataset::new(DatasetParts {
        name: "typed".into(),
        task: Task::from_name("node_classification"),
        graph_ids: (1..node_offsets.len() as u32).collect(),
        node_offsets,
        edges: relations.iter().flat_map(|of| of.edges.iter().copied()).collect(),
        edge_features: None,
        edge_kinds: (n_kinds > 0).then(|| EdgeKinds { of_entry: Arc::new(kinds), n_kinds }),
        features: Features::Dense { values: values.into(), width },
        targets: Targets::Classes(vec![0; of_node.len()]),
        class_names: ["a", "b", "c", "d"].map(str::to_owned).to_vec(),
        fixed_split: None,
        vocabulary: Vocabulary::default(),
    });
    data.set_types(Types { schema, of_node: of_node.into() });
    data
}

/// The authors and papers of a case of PyG, authors first; features of each type in columns of their own unless both are as wide.
fn authors_and_papers(case: &Case) -> Dataset {
    let [authors, papers] = ["x:author", "x:paper"].map(|name| &case.inputs[name]);
    let (n, m) = (authors.shape[0] as u32, papers.shape[0] as u32);
    let (a, p) = (authors.shape[1], papers.shape[1]);
    let (first, width) = if a == p { (0, a) } else { (a, a + p) };
    let mut values = vec![0f32; (n + m) as usize * width];
    for (rows, start, column) in [(authors, 0usize, 0usize), (papers, n as usize, first)] {
        for row in 0..rows.shape[0] {
            for k in 0..rows.shape[1] {
                values[(start + row) * width + column + k] = rows.data[row * rows.shape[1] + k] as f32;
            }
        }
    }
    let edges = |source: usize, name: &'static str, target: usize| {
        let types = ["author", "paper"];
        let list = &case.inputs[&format!("edge_index:{},{name},{}", types[source], types[target])];
        let (count, firsts) = (list.shape[1], [0, n]);
        let edges = (0..count)
            .map(|k| (firsts[source] + list.data[k] as u32, firsts[target] + list.data[count + k] as u32));
        Edges { source, name, target, edges: edges.collect() }
    };
    let relations = [edges(0, "writes", 1), edges(1, "rev_writes", 0), edges(1, "cites", 1)];
    let of_node = (0..n + m).map(|node| u32::from(node >= n)).collect();
    typed(vec![0, n + m], &["author", "paper"], of_node, &relations, (values, width))
}

const KEYS: [&str; 3] = ["author__writes__paper", "paper__rev_writes__author", "paper__cites__paper"];

fn set(network: &Network, name: &str, values: &[f64]) {
    let is_it = |parameter: &&hgnn::lower::Parameter| parameter.name.ends_with(name);
    let names: Vec<&str> = network.parameters().iter().map(|parameter| parameter.name.as_str()).collect();
    let parameter =
        network.parameters().iter().find(is_it).unwrap_or_else(|| panic!("no `{name}` of {names:?}"));
    let tensor = Tensor::from_slice(values, parameter.var.shape(), &Device::Cpu).unwrap();
    parameter.var.set(&tensor.to_dtype(parameter.var.dtype()).unwrap()).unwrap();
}

fn numbers(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn network(text: &str, data: &Dataset, dtype: DType) -> Network {
    let facts = data.facts();
    Network::build(&compile(text), &facts, dtype, &Device::Cpu, 1).unwrap()
}

/// The result over all graphs, in evaluation.
fn run(network: &Network, data: &Dataset, dtype: DType) -> Vec<f64> {
    let all: Vec<u32> = (0..data.n_graphs() as u32).collect();
    let batch = data.batch(&all, dtype, &Device::Cpu).unwrap();
    numbers(&network.forward(&batch, &mut ForwardCx::evaluation()).unwrap().x)
}

fn transposed(values: &[f64], [rows, columns]: [usize; 2]) -> Vec<f64> {
    (0..columns).flat_map(|column| (0..rows).map(move |row| values[row * columns + column])).collect()
}

/// `[out, in]` of each type as rows of one matrix `[T, F, out]`: in the columns of the type where these are its own.
fn by_type(case: &Case, names: [&str; 2], width: usize) -> Vec<f64> {
    let mut all = Vec::new();
    let mut first = 0;
    for name in names {
        let w = &case.params[name];
        let (n_out, n_in) = (w.shape[0], w.shape[1]);
        let start = if n_in == width { 0 } else { first };
        first += n_in;
        let mut matrix = vec![0.0; width * n_out];
        matrix[start * n_out..(start + n_in) * n_out].copy_from_slice(&transposed(&w.data, [n_out, n_in]));
        all.extend(matrix);
    }
    all
}

fn beside(case: &Case, names: &[String]) -> Vec<f64> {
    names.iter().flat_map(|name| case.params[name].data.iter().copied()).collect()
}

fn typed_names(before: &str, after: &str) -> [String; 2] {
    ["author", "paper"].map(|of| format!("{before}{of}{after}"))
}

fn related_names(before: &str) -> Vec<String> {
    KEYS.iter().map(|key| format!("{before}{key}")).collect()
}

fn set_hgt(network: &Network, case: &Case, width: usize) {
    let names = |before: &str, after: &str| typed_names(before, after);
    let [a, b] = names("kqv_lin.lins.", ".weight");
    set(network, "hgt.weight", &by_type(case, [&a, &b], width));
    set(network, "hgt.bias", &beside(case, &names("kqv_lin.lins.", ".bias")));
    let [a, b] = names("out_lin.lins.", ".weight");
    set(network, "hgt.out_weight", &by_type(case, [&a, &b], 4));
    set(network, "hgt.out_bias", &beside(case, &names("out_lin.lins.", ".bias")));
    set(network, "hgt.relation_key", &case.params["k_rel.weight"].data);
    set(network, "hgt.relation_value", &case.params["v_rel.weight"].data);
    set(network, "hgt.prior", &beside(case, &related_names("p_rel.")));
}

/// Results of PyG for all nodes, authors first.
fn results(case: &Case) -> Vec<f64> {
    [&case.outputs["out:author"].data[..], &case.outputs["out:paper"].data[..]].concat()
}

#[test]
fn hgt_is_pygs() {
    for (dtype, values, gradients) in [(DType::F64, 1e-7, 1e-6), (DType::F32, 1e-5, 1e-4)] {
        for name in ["hgt_conv_heads_1", "hgt_conv_heads_2", "hgt_conv_skip"] {
            let case = load(name);
            let data = authors_and_papers(&case);
            let heads = case.args["heads"].as_u64().unwrap();
            let text = format!(
                "model = hgt(4, type = node_types, relation = edge_labels, heads = {heads})\ntask = node_classification"
            );
            let network = network(&text, &data, dtype);
            set_hgt(&network, &case, data.n_features());
            let mut expected = results(&case);
            if name == "hgt_conv_skip" {
                set(&network, "hgt.skip", &beside(&case, &typed_names("skip.", "")));
            } else {
                // Authors are as wide as the result there, and so have a way around the layer; here all columns together are wider.
                let share = 1.0 / (1.0 + (-case.params["skip.author"].data[0]).exp());
                for (y, x) in expected.iter_mut().zip(&case.inputs["x:author"].data) {
                    *y = (*y - (1.0 - share) * x) / share;
                }
            }
            let what = format!("{name} {dtype:?}");
            assert_close(&what, &run(&network, &data, dtype), &expected, values);
            if name != "hgt_conv_skip" {
                continue;
            }
            let cotangents: Vec<f64> =
                [&case.cotangents["out:author"].data[..], &case.cotangents["out:paper"].data[..]].concat();
            let batch = data.batch(&[0], dtype, &Device::Cpu).unwrap();
            let output = network.forward(&batch, &mut network.training_cx(1)).unwrap().x;
            let cotangents = Tensor::from_vec(cotangents, output.shape(), &Device::Cpu).unwrap();
            let found = tape::backward_from(&output, &cotangents.to_dtype(dtype).unwrap()).unwrap();
            let gradient = |name: &str| {
                let all = network.parameters();
                let parameter = all.iter().find(|parameter| parameter.name.ends_with(name)).unwrap();
                numbers(found.get(&parameter.var).unwrap())
            };
            let theirs = |names: Vec<String>| -> Vec<f64> {
                names.iter().flat_map(|name| case.grads[&format!("param:{name}")].data.clone()).collect()
            };
            assert_close(&what, &gradient("hgt.prior"), &theirs(related_names("p_rel.")), gradients);
            assert_close(&what, &gradient("hgt.skip"), &theirs(typed_names("skip.", "").to_vec()), gradients);
            assert_close(
                &what,
                &gradient("hgt.relation_key"),
                &theirs(vec!["k_rel.weight".into()]),
                gradients,
            );
            let biases = typed_names("kqv_lin.lins.", ".bias").to_vec();
            assert_close(&what, &gradient("hgt.bias"), &theirs(biases), gradients);
        }
    }
}

#[test]
fn han_is_pygs() {
    for (dtype, values, gradients) in [(DType::F64, 1e-7, 1e-6), (DType::F32, 1e-5, 1e-4)] {
        for name in ["han_conv_heads_1", "han_conv_heads_2"] {
            let case = load(name);
            let data = authors_and_papers(&case);
            let heads = case.args["heads"].as_u64().unwrap();
            let text = format!(
                "model = han(4, type = node_types, relation = edge_labels, heads = {heads})\ntask = node_classification"
            );
            let network = network(&text, &data, dtype);
            let [a, b] = typed_names("proj.", ".weight");
            set(&network, "han.weight", &by_type(&case, [&a, &b], data.n_features()));
            set(&network, "han.bias", &beside(&case, &typed_names("proj.", ".bias")));
            set(&network, "han.attention_source", &beside(&case, &related_names("lin_src.")));
            set(&network, "han.attention_target", &beside(&case, &related_names("lin_dst.")));
            set(&network, "han.query", &case.params["q"].data);
            set(&network, "han.semantic_weight", &transposed(&case.params["k_lin.weight"].data, [4, 4]));
            set(&network, "han.semantic_bias", &case.params["k_lin.bias"].data);
            let what = format!("{name} {dtype:?}");
            assert_close(&what, &run(&network, &data, dtype), &results(&case), values);
            let cotangents: Vec<f64> =
                [&case.cotangents["out:author"].data[..], &case.cotangents["out:paper"].data[..]].concat();
            let batch = data.batch(&[0], dtype, &Device::Cpu).unwrap();
            let output = network.forward(&batch, &mut network.training_cx(1)).unwrap().x;
            let cotangents = Tensor::from_vec(cotangents, output.shape(), &Device::Cpu).unwrap();
            let found = tape::backward_from(&output, &cotangents.to_dtype(dtype).unwrap()).unwrap();
            for (ours, theirs) in [("han.query", "q"), ("han.semantic_bias", "k_lin.bias")] {
                let all = network.parameters();
                let parameter = all.iter().find(|parameter| parameter.name.ends_with(ours)).unwrap();
                let gradient = numbers(found.get(&parameter.var).unwrap());
                assert_close(&what, &gradient, &case.grads[&format!("param:{theirs}")].data, gradients);
            }
        }
    }
}

/// Layers and norms of types: `weight [T, …]` of PyG, one part for each type here.
#[test]
fn layers_and_norms_of_types_are_pygs() {
    for (name, stage, class, weights, buffers) in [
        ("hetero_linear", "linear(6)", "linear", &["weight", "bias"][..], &[][..]),
        ("hetero_layer_norm", "layer_norm", "layer_norm", &["weight", "bias"], &[]),
        (
            "hetero_batch_norm_eval",
            "batch_norm",
            "batch_norm",
            &["weight", "bias"],
            &["running_mean", "running_var"],
        ),
    ] {
        let case = load(name);
        let (x, types) = (&case.inputs["x"], &case.inputs["type_vec"].data);
        let n = x.shape[0] as u32;
        let of_node: Vec<u32> = types.iter().map(|&of| of as u32).collect();
        let values = x.data.iter().map(|&x| x as f32).collect();
        let data = typed(vec![0, n], &["a", "b", "c"], of_node, &[], (values, x.shape[1]));
        let text = format!("model = hetero({stage})\ntask = node_classification");
        let network = network(&text, &data, DType::F64);
        let all = weights.iter().map(|name| (name, &case.params[*name]));
        for (weight, stored) in all.chain(buffers.iter().map(|name| (name, case.buffer(name)))) {
            let n_each = stored.data.len() / 3;
            for (of, part) in ["a", "b", "c"].iter().zip(stored.data.chunks(n_each)) {
                set(&network, &format!("{class}.{of}.{weight}"), part);
            }
        }
        // PyG takes the larger of the variance and `eps` where the sum of both stands under the root here.
        let tolerance = if class == "batch_norm" { 1e-5 } else { 1e-7 };
        assert_close(name, &run(&network, &data, DType::F64), &case.outputs["out"].data, tolerance);
    }
}

#[test]
fn layers_of_types_with_other_widths_are_pygs() {
    let case = load("hetero_dict_linear");
    let [authors, papers] = ["x:author", "x:paper"].map(|name| &case.inputs[name]);
    let mut values = Vec::new();
    for row in 0..4 {
        values.extend(authors.data[4 * row..4 * row + 4].iter().map(|&x| x as f32).chain([0.0; 5]));
    }
    for row in 0..6 {
        values
            .extend([0.0; 4].into_iter().chain(papers.data[5 * row..5 * row + 5].iter().map(|&x| x as f32)));
    }
    let of_node = (0..10).map(|node| u32::from(node >= 4)).collect();
    let data = typed(vec![0, 10], &["author", "paper"], of_node, &[], (values, 9));
    let network = network("model = hetero(linear(6))\ntask = node_classification", &data, DType::F64);
    let matrices = by_type(&case, ["lins.author.weight", "lins.paper.weight"], 9);
    for (of, matrix) in ["author", "paper"].into_iter().zip(matrices.chunks(9 * 6)) {
        set(&network, &format!("linear.{of}.weight"), matrix);
        set(&network, &format!("linear.{of}.bias"), &case.params[&format!("lins.{of}.bias")].data);
    }
    assert_close("hetero_dict_linear", &run(&network, &data, DType::F64), &results(&case), 1e-7);
}

/// Other convolutions for other relations, put together from the parts that each has.
#[test]
fn convolutions_of_relations_are_pygs() {
    for (name, combine) in [
        ("hetero_conv_sum", (|a, b| a + b) as fn(f64, f64) -> f64),
        ("hetero_conv_mean", |a, b| 0.5 * (a + b)),
        ("hetero_conv_max", f64::max),
    ] {
        let case = load(name);
        let data = authors_and_papers(&case);
        let param = |relation: &str, weight: &str| {
            let relation = relation.replace("__", "___");
            &case.params[&format!("convs.<{relation}>.{weight}")]
        };
        // A matrix over the columns of both types.
        let stacked = |author: Option<(&str, &str)>, paper: Option<(&str, &str)>| {
            let part = |of: Option<(&str, &str)>, n_in: usize| match of {
                Some((relation, weight)) => transposed(&param(relation, weight).data, [6, n_in]),
                None => vec![0.0; n_in * 6],
            };
            [part(author, 4), part(paper, 5)].concat()
        };
        let of = |stage: &str, weights: &[(&str, Vec<f64>)]| {
            let network =
                network(&format!("model = hetero({stage})\ntask = node_classification"), &data, DType::F64);
            for parameter in network.parameters().iter() {
                parameter.var.set(&parameter.var.zeros_like().unwrap()).unwrap();
            }
            weights.iter().for_each(|(name, values)| set(&network, name, values));
            run(&network, &data, DType::F64)
        };
        let [writes, back, cites] = KEYS;
        // The neighbours' matrix first, then that of the node itself.
        let sage =
            [stacked(Some((writes, "lin_l.weight")), None), stacked(None, Some((writes, "lin_r.weight")))];
        let by_sage = of(
            "sage(6)",
            &[
                ("sage.author__writes__paper.weight", sage.concat()),
                ("sage.author__writes__paper.bias", param(writes, "lin_l.bias").data.clone()),
            ],
        );
        let by_gat = of(
            "gat(6, self_loops = false)",
            &[
                (
                    "gat.paper__rev_writes__author.weight",
                    stacked(Some((back, "lin_dst.weight")), Some((back, "lin_src.weight"))),
                ),
                ("gat.paper__rev_writes__author.attention_source", param(back, "att_src").data.clone()),
                ("gat.paper__rev_writes__author.attention_target", param(back, "att_dst").data.clone()),
                ("gat.paper__rev_writes__author.bias", param(back, "bias").data.clone()),
            ],
        );
        let by_gcn = of(
            "gcn(6)",
            &[
                ("gcn.paper__cites__paper.weight", stacked(None, Some((cites, "lin.weight")))),
                ("gcn.paper__cites__paper.bias", param(cites, "bias").data.clone()),
            ],
        );
        let n_authors = 4 * 6;
        assert_close(name, &by_gat[..n_authors], &case.outputs["out:author"].data, 1e-7);
        let papers: Vec<f64> =
            by_sage[n_authors..].iter().zip(&by_gcn[n_authors..]).map(|(&a, &b)| combine(a, b)).collect();
        assert_close(name, &papers, &case.outputs["out:paper"].data, 1e-7);
    }
}

/// Three graphs of users, items and tags; some types are missing in some graphs.
fn small() -> Dataset {
    let mut next = 7u64;
    let mut draw = |n: u32| {
        next = next.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((next >> 33) % u64::from(n)) as u32
    };
    let of_node: Vec<u32> = [[0, 0, 1, 1, 1, 2], [1, 0, 0, 2, 1, 0], [0, 1, 1, 0, 0, 1]].concat();
    let nodes = |graph: u32, of: u32| -> Vec<u32> {
        (6 * graph..6 * graph + 6).filter(|&node| of_node[node as usize] == of).collect()
    };
    let mut relation = |source: usize, name: &'static str, target: usize| {
        let mut edges = Vec::new();
        for graph in 0..3 {
            let (from, to) = (nodes(graph, source as u32), nodes(graph, target as u32));
            for _ in 0..4 {
                if !from.is_empty() && !to.is_empty() {
                    edges.push((from[draw(from.len() as u32) as usize], to[draw(to.len() as u32) as usize]));
                }
            }
        }
        edges.sort_unstable();
        edges.dedup();
        Edges { source, name, target, edges }
    };
    let relations = [
        relation(0, "likes", 1),
        relation(1, "has", 2),
        relation(0, "follows", 0),
        relation(1, "rev_likes", 0),
    ];
    let values = (0..18 * 3).map(|k| ((k * 7 % 11) as f32 - 5.0) / 4.0).collect();
    typed(vec![0, 6, 12, 18], &["user", "item", "tag"], of_node, &relations, (values, 3))
}

const MODELS: [&str; 6] = [
    "hetero(sage(4))",
    "hetero(gat(4, heads = 2) -> relu -> linear(3), aggregate = mean)",
    "linear(4) -> hetero(gin(4) -> batch_norm -> relu -> sage(4, aggregate = max), aggregate = max)",
    "linear(5) -> hetero(residual(gcn(5)) -> layer_norm)",
    "hgt(4, type = node_types, relation = edge_labels, heads = 2) -> tanh -> han(4, type = node_types, relation = edge_labels)",
    "concat(identity, node_types) -> hetero(gatv2(4) -> mlp(hidden = [5], out = 3))",
];

#[test]
fn a_batch_is_its_graphs_and_numbers_of_nodes_do_not_matter() {
    let data = small();
    let (moved_data, moved) = renumber(&data, 3);
    for model in MODELS {
        let text = format!("model = {model}\ntask = node_classification");
        let network = network(&text, &data, DType::F64);
        let all = run(&network, &data, DType::F64);
        let width = all.len() / 18;
        for graph in 0..3u32 {
            let batch = data.batch(&[graph], DType::F64, &Device::Cpu).unwrap();
            let alone = numbers(&network.forward(&batch, &mut ForwardCx::evaluation()).unwrap().x);
            let first = 6 * graph as usize * width;
            for (a, b) in all[first..].iter().zip(&alone) {
                assert!((a - b).abs() < 1e-9, "{model}: {a}, alone {b}");
            }
        }
        let renumbered = run(&network, &moved_data, DType::F64);
        for (node, &to) in moved.iter().enumerate() {
            for k in 0..width {
                let (a, b) = (all[node * width + k], renumbered[to as usize * width + k]);
                assert!((a - b).abs() < 1e-9, "{model}: {a}, renumbered {b}");
            }
        }
    }
}

#[test]
fn gradients_are_differences() {
    let data = small();
    for model in MODELS {
        let text = format!("model = {model} -> tanh\ntask = node_classification");
        let network = network(&text, &data, DType::F64);
        let batch = data.batch(&[0, 1, 2], DType::F64, &Device::Cpu).unwrap();
        let output = network.forward(&batch, &mut network.training_cx(1)).unwrap().x;
        let weights: Vec<f64> = (0..output.elem_count()).map(|k| ((k * 5 % 7) as f64 - 3.0) / 3.0).collect();
        let cotangent = Tensor::from_slice(&weights, output.shape(), &Device::Cpu).unwrap();
        let found = tape::backward_from(&output, &cotangent).unwrap();
        let total = || -> f64 {
            let output = network.forward(&batch, &mut network.training_cx(1)).unwrap().x;
            tape::stop();
            numbers(&output).iter().zip(&weights).map(|(y, w)| y * w).sum()
        };
        for parameter in network.parameters().trained() {
            let gradient =
                found.get(&parameter.var).map_or_else(|| vec![0.0; parameter.var.elem_count()], numbers);
            let before = numbers(parameter.var.as_tensor());
            for place in [0, before.len() / 2, before.len() - 1] {
                let at = |step: f64| {
                    let mut moved = before.clone();
                    moved[place] += step;
                    set(&network, &parameter.name, &moved);
                    total()
                };
                let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
                set(&network, &parameter.name, &before);
                let name = &parameter.name;
                assert!(
                    (slope - gradient[place]).abs() < 1e-6,
                    "{model}: {name}: {}, not {slope}",
                    gradient[place]
                );
            }
        }
    }
}

/// `W_r [mean over neighbours | own] + b_r` of each relation, added up or averaged: plain loops.
#[test]
fn relations_are_put_together_as_said() {
    let data = small();
    for how in ["sum", "mean", "max"] {
        let text = format!("model = hetero(sage(2), aggregate = {how})\ntask = node_classification");
        let network = network(&text, &data, DType::F64);
        let types = data.types.as_ref().unwrap();
        let mut x = Vec::new();
        data.features.write_rows(0..18, &mut x);
        let kinds = data.edge_kinds.as_ref().unwrap();
        let mut expected = Vec::new();
        for node in 0..18usize {
            let mut parts: Vec<[f64; 2]> = Vec::new();
            for (kind, relation) in types.schema.relations.iter().enumerate() {
                if relation.target != types.of_node[node] as usize {
                    continue;
                }
                let entries = data.adjacency.offsets[node]..data.adjacency.offsets[node + 1];
                let sources: Vec<usize> = entries
                    .filter(|&entry| kinds.of_entry[entry as usize] as usize == kind)
                    .map(|entry| data.adjacency.indices[entry as usize] as usize)
                    .collect();
                let all = network.parameters();
                let of = |weight: &str| {
                    let name = format!("sage.{}.{weight}", types.schema.key(kind));
                    numbers(
                        all.iter().find(|parameter| parameter.name.ends_with(&name)).unwrap().var.as_tensor(),
                    )
                };
                let (w, mut y) = (of("weight"), of("bias"));
                for k in 0..3 {
                    let mean: f64 = sources.iter().map(|&source| f64::from(x[3 * source + k])).sum::<f64>()
                        / sources.len().max(1) as f64;
                    for out in 0..2 {
                        y[out] += mean * w[2 * k + out] + f64::from(x[3 * node + k]) * w[2 * (3 + k) + out];
                    }
                }
                parts.push([y[0], y[1]]);
            }
            for out in 0..2 {
                let values = parts.iter().map(|part| part[out]);
                expected.push(match how {
                    _ if parts.is_empty() => 0.0,
                    "sum" => values.sum(),
                    "mean" => values.sum::<f64>() / parts.len() as f64,
                    _ => values.fold(f64::NEG_INFINITY, f64::max),
                });
            }
        }
        assert_close(how, &run(&network, &data, DType::F64), &expected, 1e-9);
    }
}

#[test]
fn hetero_is_refused_where_there_is_one_relation() {
    let (data, other) = (small(), hgnn::data::synthetic::random_graphs(&Default::default()));
    let codes = |text: &str, data: &Dataset| -> Vec<&'static str> {
        outcome(text, Some(&data.facts())).diagnostics.iter().map(|finding| finding.code).collect()
    };
    for (model, code) in [
        ("topk(k = 2) -> hetero(sage(4)) -> lift(input)", "levels::needs_relations"),
        ("hetero(rgcn(4, relation = edge_labels))", "args::does_not_fit"),
    ] {
        assert_eq!(codes(model, &data), [code], "{model}");
    }
    for model in ["hetero(sage(4)) -> mean -> linear", "hetero(linear(4)) -> mean -> linear"] {
        assert_eq!(codes(model, &other), ["levels::needs_relations"], "{model}");
    }
}

/// Tables of authors and papers: a run, its weights by relation, the figures of a saved network, and predictions of the one type that has
/// a target.
#[test]
fn a_run_on_tables_names_its_relations_and_predicts_one_type() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for part in ["nodes", "edges"] {
        std::fs::create_dir_all(path.join("library").join(part)).unwrap();
    }
    let write = |name: &str, text: String| std::fs::write(path.join(name), text).unwrap();
    let rows = |header: &str, n: u32, row: &dyn Fn(u32) -> String| -> String {
        std::iter::once(header.to_owned()).chain((0..n).map(row)).collect::<Vec<_>>().join("\n")
    };
    let part = |author: u32| ["train", "train", "validation", "test"][author as usize % 4];
    let authors =
        rows("id,field,split", 24, &|author| format!("a{author},f{},{}", author / 4 % 2, part(author)));
    write("library/nodes/author.csv", authors);
    write("library/nodes/paper.csv", rows("id,year", 12, &|paper| format!("p{paper},{}", paper % 2)));
    // An author writes a paper of the year of the field.
    let writes =
        rows("source,target", 24, &|author| format!("a{author},p{}", 2 * (author % 6) + author / 4 % 2));
    write("library/edges/author__writes__paper.csv", writes);
    write(
        "model.hgnn",
        "data = hetero_tables(\"library\", target = \"author.field\")\n\
         model = linear(8) -> hetero(sage(8) -> layer_norm) -> relu -> linear\n\
         train { optimizer = adam(lr = 1e-2), epochs = 60 }\n"
            .to_owned(),
    );
    let (code, out, err) = hgnnc(path, &["train", "model.hgnn", "--out", "run"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let checkpoint = std::fs::read(path.join("run/checkpoint.safetensors")).unwrap();
    let names = String::from_utf8_lossy(&checkpoint).into_owned();
    for name in [
        "sage.author__writes__paper.weight",
        "sage.paper__rev_writes__author.bias",
        "layer_norm.paper.weight",
    ] {
        assert!(names.contains(name), "no {name}");
    }
    let (code, out, err) = hgnnc(path, &["eval", "run"]);
    let test = out.lines().find(|line| line.trim_start().starts_with("accuracy")).unwrap_or_default();
    assert!(code == Some(0) && test.trim_end().ends_with("1.0000"), "{out}{err}");
    let (code, out, err) = hgnnc(path, &["predict", "run"]);
    let lines: Vec<&str> = out.lines().collect();
    assert!(code == Some(0) && lines.len() == 25, "{out}{err}");
    let columns: Vec<&str> = lines[0].split(',').collect();
    let [name, class] =
        ["name", "class"].map(|wanted| columns.iter().position(|column| *column == wanted).unwrap());
    for (author, line) in lines[1..].iter().enumerate() {
        let values: Vec<&str> = line.split(',').collect();
        let field = format!("f{}", author / 4 % 2);
        assert_eq!((values[name], values[class]), (format!("a{author}").as_str(), field.as_str()), "{line}");
    }
    let (_, out, _) = hgnnc(path, &["data", "hetero_tables(\"library\", target = \"author.field\")"]);
    assert!(out.contains("author -writes-> paper (24)") && out.contains("paper (12, 1 feature)"), "{out}");
}
