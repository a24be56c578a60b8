//! Tasks on links: decoders and their losses against PyTorch Geometric, and whole runs.

use crate::golden::load;
use candle_core::{DType, Device, Tensor};
use hgnn::check::{Checked, check};
use hgnn::data::{Dataset, DatasetParts, Features, GraphBatch, Targets, Vocabulary, links};
use hgnn::ir::Model;
use hgnn::kernels::graph::EdgeKinds;
use hgnn::lower::{ForwardCx, Network, task_loss};
use hgnn::source::SourceMap;
use hgnn::types::DataFacts;
use std::sync::Arc;

fn compile(text: &str, facts: &DataFacts) -> Checked<Model> {
    let mut sources = SourceMap::default();
    let main = sources.add("links.hgnn", text);
    let none = |_: &str| Err(std::io::ErrorKind::NotFound.into());
    let (program, findings) = hgnn::syntax::load_program(&mut sources, main, &none);
    assert!(findings.is_empty(), "{text}: {findings:?}");
    let outcome = check(&program, Some(facts));
    outcome.model.unwrap_or_else(|| panic!("{text}: {:?}", outcome.diagnostics))
}

/// A knowledge graph of these triples (head, tail, relation).
fn triples(n_nodes: u32, n_kinds: usize, triples: &[[u32; 3]]) -> Dataset {
    let mut data = Dataset::new(DatasetParts {
        name: "triples".into(),
        task: None,
        node_offsets: vec![0, n_nodes],
        edges: triples.iter().map(|&[head, tail, _]| (head, tail)).collect(),
        edge_features: None,
        edge_kinds: Some(EdgeKinds {
            of_entry: Arc::new(triples.iter().map(|triple| triple[2]).collect()),
            n_kinds,
        }),
        features: Features::Dense { values: Vec::new().into(), width: 0 },
        targets: Targets::None,
        class_names: Vec::new(),
        fixed_split: None,
        graph_ids: vec![1],
        vocabulary: Vocabulary::default(),
    });
    data.n_own_kinds = Some(n_kinds);
    data.make_links();
    data
}

fn close(what: &str, ours: &[f64], theirs: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let scale = theirs.iter().fold(1e-12f64, |largest, value| largest.max(value.abs()));
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert!((ours - theirs).abs() <= tolerance * scale, "{what}: {ours}, not {theirs}");
    }
}

fn flat(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// How PyG's tables of real and imaginary parts stand in one of ours: by our name, their names.
fn tables(decoder: &str) -> [(&'static str, Vec<&'static str>); 2] {
    let nodes = match decoder {
        "complex" | "rotate" => vec!["node_emb.weight", "node_emb_im.weight"],
        _ => vec!["node_emb.weight"],
    };
    match decoder {
        "complex" => {
            [("embedding.weight", nodes), ("complex.relation", vec!["rel_emb.weight", "rel_emb_im.weight"])]
        }
        "rotate" => [("embedding.weight", nodes), ("rotate.angle", vec!["rel_emb.weight"])],
        "transe" => [("embedding.weight", nodes), ("transe.relation", vec!["rel_emb.weight"])],
        _ => [("embedding.weight", nodes), ("distmult.relation", vec!["rel_emb.weight"])],
    }
}

/// Tables side by side, row by row.
fn beside(parts: &[&[f64]], n_rows: usize) -> Vec<f64> {
    (0..n_rows)
        .flat_map(|row| {
            parts
                .iter()
                .flat_map(move |part| &part[row * part.len() / n_rows..(row + 1) * part.len() / n_rows])
        })
        .copied()
        .collect()
}

/// By the end of its name: stages are numbered as they are written.
fn variable<'a>(network: &'a Network, name: &str) -> &'a candle_core::Var {
    let is_it = |parameter: &&hgnn::lower::Parameter| parameter.name.ends_with(name);
    &network.parameters().iter().find(is_it).unwrap_or_else(|| panic!("no `{name}`")).var
}

#[test]
fn decoders_of_triples_and_their_losses_are_pygs() {
    for (file, decoder, text, loss) in [
        ("kge_distmult", "distmult", "distmult(relation = edge_labels)", ""),
        ("kge_complex", "complex", "complex(relation = edge_labels)", ""),
        ("kge_rotate", "rotate", "rotate(relation = edge_labels)", ""),
        ("kge_transe", "transe", "transe(relation = edge_labels)", ""),
        ("kge_transe_p2", "transe", "transe(relation = edge_labels, norm = 2)", ""),
        ("kge_distmult_loss", "distmult", "distmult(relation = edge_labels)", "margin_ranking(MARGIN)"),
        ("kge_transe_loss", "transe", "transe(relation = edge_labels)", "margin_ranking(MARGIN)"),
        (
            "kge_transe_loss_p2",
            "transe",
            "transe(relation = edge_labels, norm = 2)",
            "margin_ranking(MARGIN)",
        ),
        ("kge_complex_loss", "complex", "complex(relation = edge_labels)", "bce"),
        ("kge_rotate_loss", "rotate", "rotate(relation = edge_labels, margin = MARGIN)", "bce"),
    ] {
        let case = load(file);
        let ids = |name: &str| -> Vec<u32> { case.inputs[name].data.iter().map(|&id| id as u32).collect() };
        let (heads, kinds, tails) = (ids("head_index"), ids("rel_type"), ids("tail_index"));
        let (n_nodes, n_kinds) = (
            case.args["num_nodes"].as_u64().unwrap() as usize,
            case.args["num_relations"].as_u64().unwrap() as usize,
        );
        let all: Vec<[u32; 3]> = (0..heads.len()).map(|k| [heads[k], tails[k], kinds[k]]).collect();
        let data = triples(n_nodes as u32, n_kinds, &all);
        let width = if matches!(decoder, "complex" | "rotate") { 8 } else { 4 };
        let margin = case
            .args
            .get("margin")
            .map_or("1.0".to_owned(), |margin| format!("{:?}", margin.as_f64().unwrap()));
        let written = if loss.is_empty() { "bce" } else { loss };
        let text = format!("task = link_prediction\nmodel = embedding({width}) -> {text}\nloss = {written}")
            .replace("MARGIN", &margin);
        for (dtype, values, gradients) in [(DType::F64, 1e-8, 1e-7), (DType::F32, 1e-5, 1e-4)] {
            let network =
                Network::build(&compile(&text, &data.facts()), &data.facts(), dtype, &Device::Cpu, 1)
                    .unwrap();
            for (ours, theirs) in tables(decoder) {
                let var = variable(&network, ours);
                let parts: Vec<&[f64]> =
                    theirs.iter().map(|name| case.params[*name].data.as_slice()).collect();
                let rows = beside(&parts, var.dims()[0]);
                let tensor = Tensor::from_vec(rows, var.dims(), &Device::Cpu).unwrap();
                var.set(&tensor.to_dtype(dtype).unwrap()).unwrap();
            }
            let mut ends: Vec<[u32; 2]> = all.iter().map(|&[head, tail, _]| [head, tail]).collect();
            let mut of_kind = kinds.clone();
            if !loss.is_empty() {
                ends.extend(
                    ids("neg_head_index").into_iter().zip(ids("neg_tail_index")).map(|(h, t)| [h, t]),
                );
                of_kind.extend(kinds.clone());
            }
            let mut batch = data.batch(&[0], dtype, &Device::Cpu).unwrap();
            batch.graph =
                Arc::new((*batch.graph).clone().with_kinds(data.edge_kinds.clone().map(EdgeKinds::held_as)));
            let (pairs, order) = links::pairs(n_nodes, n_kinds, &ends, &of_kind, &batch.graph.graph_offsets);
            batch.pairs = Some(Arc::new(pairs));
            let mut cx = network.training_cx(0);
            let output = network.forward(&batch, &mut cx).unwrap();
            let mut row_of = vec![0u32; order.len()];
            (0u32..).zip(&order).for_each(|(row, &pair)| row_of[pair as usize] = row);
            let what = format!("{file} {dtype:?}");
            if loss.is_empty() {
                let scores = flat(&output.x);
                let ours: Vec<f64> = row_of.iter().map(|&row| scores[row as usize]).collect();
                close(&what, &ours, &case.outputs["out"].data, values);
                continue;
            }
            // Each triple beside the one that it is told from, and the gradients of the loss.
            let rows: Vec<u32> = (0..all.len()).flat_map(|k| [row_of[k], row_of[all.len() + k]]).collect();
            let picked = hgnn::kernels::gather_rows(&output.x, &Arc::new(rows)).unwrap();
            let x = hgnn::kernels::tape::reshape(&picked, (all.len(), 2)).unwrap();
            let targets = Tensor::zeros(all.len(), DType::I64, &Device::Cpu).unwrap();
            let value = hgnn::lower::Value { x, structure: output.structure.clone() };
            let found = network.loss(&value, &targets, &cx, None).unwrap();
            close(&what, &flat(&found.total), &case.outputs["loss"].data, values);
            let of_weights = found.backward().unwrap();
            for (ours, theirs) in tables(decoder) {
                let var = variable(&network, ours);
                let parts: Vec<&[f64]> =
                    theirs.iter().map(|name| case.grads[&format!("param:{name}")].data.as_slice()).collect();
                let expected: Vec<f64> = beside(&parts, var.dims()[0])
                    .iter()
                    .map(|x| x / case.cotangents["loss"].data[0])
                    .collect();
                close(
                    &format!("{what}, gradient of {ours}"),
                    &flat(of_weights.get(var).unwrap()),
                    &expected,
                    gradients,
                );
            }
        }
    }
}

/// A tensor of PyTorch's ConvE as ours lies in memory. Its map reads channel by channel, ours place by place.
fn of_conve(name: &str, stored: &crate::golden::Stored) -> Vec<f64> {
    let data = &stored.data;
    match name {
        "conv.weight" => {
            let (channels, window) = (stored.shape[0], data.len() / stored.shape[0]);
            (0..window).flat_map(|at| (0..channels).map(move |channel| data[channel * window + at])).collect()
        }
        "fc.weight" => {
            let ([width, n], channels) = ([stored.shape[0], stored.shape[1]], 4);
            let places = n / channels;
            let row = |place: usize, channel: usize| {
                (0..width).map(move |out| data[out * n + channel * places + place])
            };
            (0..places).flat_map(|place| (0..channels).flat_map(move |channel| row(place, channel))).collect()
        }
        _ => data.clone(),
    }
}

/// Scores, loss, gradients and running statistics of plain PyTorch (`tests/golden/conve.py`), of every entity for each query and of some pairs.
#[test]
fn conve_is_that_of_its_authors() {
    const NAMES: [(&str, &str); 9] = [
        ("relations", "conve.relation"),
        ("conv.weight", "conve.filter"),
        ("conv.bias", "conve.filter_bias"),
        ("fc.weight", "conve.weight"),
        ("fc.bias", "conve.hidden_bias"),
        ("bn0.weight", "conve.image_norm.weight"),
        ("bn1.bias", "conve.map_norm.bias"),
        ("bn2.weight", "conve.norm.weight"),
        ("bn2.bias", "conve.norm.bias"),
    ];
    const MORE: [(&str, &str); 2] =
        [("bn0.bias", "conve.image_norm.bias"), ("bn1.weight", "conve.map_norm.weight")];
    for file in ["conve_eval", "conve_train"] {
        let case = load(file);
        let ids = |name: &str| -> Vec<u32> { case.inputs[name].data.iter().map(|&id| id as u32).collect() };
        let (ends_asked, kinds_asked) = (ids("entity"), ids("relation"));
        let (n_nodes, n_own) = (6u32, 2usize);
        let mut data = triples(n_nodes, 2 * n_own, &[[0, 1, 0], [1, 0, 2], [4, 2, 1], [2, 4, 3]]);
        data.n_own_kinds = Some(n_own);
        data.make_links();
        let text = "task = link_prediction\nmodel = embedding(12) -> conve(relation = edge_labels, bias = input -> embedding(1), \
                    height = 3, channels = 4, input_dropout = 0.0, feature_map_dropout = 0.0, hidden_dropout = 0.0)\nloss = bce";
        for (dtype, values, gradients) in [(DType::F64, 1e-9, 1e-8f64), (DType::F32, 2e-5f64, 2e-4)] {
            let network =
                Network::build(&compile(text, &data.facts()), &data.facts(), dtype, &Device::Cpu, 1).unwrap();
            let table = |width: usize| {
                let mut all = network.parameters().iter();
                let found = all.find(|parameter| parameter.var.dims() == [6, width]);
                found.expect("a row for each entity").name.clone()
            };
            let (rows, bias) = (table(12), table(1));
            let of_entities = [("entities", rows.as_str()), ("b", bias.as_str())];
            let names: Vec<(&str, &str)> = NAMES.into_iter().chain(MORE).chain(of_entities).collect();
            let set = |ours: &str, numbers: Vec<f64>| {
                let var = variable(&network, ours);
                let tensor = Tensor::from_vec(numbers, var.dims(), &Device::Cpu).unwrap();
                var.set(&tensor.to_dtype(dtype).unwrap()).unwrap();
            };
            names.iter().for_each(|(theirs, ours)| set(ours, of_conve(theirs, &case.params[*theirs])));
            let statistics = ["bn0", "bn1", "bn2"].iter().zip(["image_norm", "map_norm", "norm"]).flat_map(
                |(theirs, ours)| {
                    ["running_mean", "running_var"]
                        .map(|kind| (format!("{theirs}.{kind}"), format!("conve.{ours}.{kind}")))
                },
            );
            let statistics: Vec<(String, String)> = statistics.collect();
            statistics.iter().for_each(|(theirs, ours)| set(ours, case.buffer(theirs).data.clone()));

            let mut batch = data.batch(&[0], dtype, &Device::Cpu).unwrap();
            batch.graph =
                Arc::new((*batch.graph).clone().with_kinds(data.edge_kinds.clone().map(EdgeKinds::held_as)));
            let ends: Vec<[u32; 2]> =
                ends_asked.iter().flat_map(|&end| (0..n_nodes).map(move |node| [end, node])).collect();
            let kinds: Vec<u32> = kinds_asked.iter().flat_map(|&kind| [kind; 6]).collect();
            let offsets = batch.graph.graph_offsets.clone();
            let scores = |keep: &dyn Fn(usize) -> bool, cx: &mut ForwardCx| {
                let kept: Vec<usize> = (0..ends.len()).filter(|&pair| keep(pair)).collect();
                let of = |pair: &usize| (ends[*pair], kinds[*pair]);
                let (ends, kinds): (Vec<[u32; 2]>, Vec<u32>) = kept.iter().map(of).unzip();
                let (pairs, order) = links::pairs(6, 2 * n_own, &ends, &kinds, &offsets);
                let batch = GraphBatch { pairs: Some(Arc::new(pairs)), ..batch.clone() };
                let output = network.forward(&batch, cx).unwrap();
                let mut rows = vec![0u32; order.len()];
                (0u32..).zip(&order).for_each(|(row, &pair)| rows[pair as usize] = row);
                (hgnn::kernels::gather_rows(&output.x, &Arc::new(rows)).unwrap(), output.structure, kept)
            };
            let what = format!("{file} {dtype:?}");
            if file == "conve_eval" {
                let out = &case.outputs["out"].data;
                let (found, ..) = scores(&|_| true, &mut ForwardCx::evaluation());
                close(&what, &flat(&found), out, values);
                let (found, _, kept) = scores(&|pair| pair % 3 == 1, &mut ForwardCx::evaluation());
                let some: Vec<f64> = kept.iter().map(|&pair| out[pair]).collect();
                close(&format!("{what}, some pairs"), &flat(&found), &some, values);
                continue;
            }
            let mut cx = network.training_cx(0);
            let (found, structure, _) = scores(&|_| true, &mut cx);
            close(&what, &flat(&found), &case.outputs["out"].data, values);
            let x = hgnn::kernels::tape::reshape(&found, (ends_asked.len(), 6)).unwrap();
            let labels = case.inputs["labels"].data.iter().map(|y| (0.9 * y + 0.1 / 6.0) as f32).collect();
            let labels: Vec<f32> = labels;
            let labels = Tensor::from_vec(labels, (ends_asked.len(), 6), &Device::Cpu).unwrap();
            let loss = network.loss(&hgnn::lower::Value { x, structure }, &labels, &cx, None).unwrap();
            // Labels are f32.
            let rounding = 2e-7f64;
            close(&what, &flat(&loss.total), &case.outputs["loss"].data, values.max(rounding));
            let found = loss.backward().unwrap();
            for (theirs, ours) in &names {
                let expected = of_conve(theirs, &case.grads[&format!("param:{theirs}")]);
                // What batch norm follows has no slope of its own, and a factor before it one of 2e-6, through its `eps` alone.
                let is_factor = dtype == DType::F32 && *theirs == "bn0.weight";
                if is_factor || ["conv.bias", "fc.bias", "bn0.bias"].contains(theirs) {
                    assert!(
                        flat(found.get(variable(&network, ours)).unwrap()).iter().all(|g| g.abs() < 1e-5)
                    );
                    continue;
                }
                let what = format!("{what}, gradient of {ours}");
                close(
                    &what,
                    &flat(found.get(variable(&network, ours)).unwrap()),
                    &expected,
                    gradients.max(2e-6),
                );
            }
            for (theirs, ours) in &statistics {
                let after = case.buffer_after(theirs);
                close(&format!("{what}, {ours}"), &flat(variable(&network, ours)), &after.data, values);
            }
        }
    }
}

#[test]
fn inner_products_are_pygs() {
    let case = load("inner_product_decoder");
    let z = &case.inputs["z"];
    let ends = &case.inputs["edge_index"].data;
    let n = ends.len() / 2;
    let ends: Vec<[u32; 2]> = (0..n).map(|k| [ends[k] as u32, ends[n + k] as u32]).collect();
    let mut data = triples(z.shape[0] as u32, 1, &ends.iter().map(|&[a, b]| [a, b, 0]).collect::<Vec<_>>());
    data.features = Features::Dense { values: z.data.iter().map(|&x| x as f32).collect(), width: z.shape[1] };
    let facts = data.facts();
    let model = compile("task = link_prediction\nmodel = inner_product", &facts);
    let network = Network::build(&model, &facts, DType::F64, &Device::Cpu, 1).unwrap();
    let mut batch = data.batch(&[0], DType::F64, &Device::Cpu).unwrap();
    let x = candle_core::Var::from_tensor(
        &Tensor::from_vec(z.data.clone(), z.shape.clone(), &Device::Cpu).unwrap(),
    )
    .unwrap();
    batch.x = x.as_tensor().clone();
    let (pairs, order) = links::pairs(z.shape[0], 0, &ends, &[], &batch.graph.graph_offsets);
    batch.pairs = Some(Arc::new(pairs));
    let mut cx = ForwardCx { is_taped: false, ..ForwardCx::training(0, &[]) };
    let scores = network.forward(&batch, &mut cx).unwrap().x.flatten_all().unwrap();
    let mut ours = vec![0.0; n];
    order.iter().zip(flat(&scores)).for_each(|(&pair, score)| ours[pair as usize] = score);
    close("inner_product", &ours, &case.outputs["out"].data, 1e-8);
    let cotangent: Vec<f64> = order.iter().map(|&pair| case.cotangents["out"].data[pair as usize]).collect();
    let sum = (scores * Tensor::new(cotangent, &Device::Cpu).unwrap()).unwrap().sum_all().unwrap();
    let gradients = sum.backward().unwrap();
    close("gradient", &flat(gradients.get(&x).unwrap()), &case.grads["z"].data, 1e-7);
}

#[test]
fn personalised_ranking_is_pygs() {
    let case = load("bpr_loss");
    let (links, others) = (&case.inputs["positives"].data, &case.inputs["negatives"].data);
    let rows: Vec<f64> = links.iter().zip(others).flat_map(|(link, other)| [*link, *other]).collect();
    let output =
        candle_core::Var::from_tensor(&Tensor::from_vec(rows, (links.len(), 2), &Device::Cpu).unwrap())
            .unwrap();
    let targets = Tensor::zeros(links.len(), DType::I64, &Device::Cpu).unwrap();
    let loss = hgnn::ops::find_loss("bpr").unwrap();
    let args = hgnn::args::default_args(loss.args());
    let cx = task_loss::LossCx {
        args: &args,
        output: &output,
        targets: &targets,
        class_weights: None,
        total: None,
    };
    let value = task_loss::compute(loss, &cx).unwrap();
    let cotangent = case.cotangents["loss"].data[0];
    close("bpr", &flat(&value), &case.outputs["loss"].data, 1e-8);
    let gradient = flat((value * cotangent).unwrap().backward().unwrap().get(&output).unwrap());
    let of = |place: usize| gradient.iter().skip(place).step_by(2).copied().collect::<Vec<_>>();
    close("gradient of links", &of(0), &case.grads["positives"].data, 1e-7);
    close("gradient of others", &of(1), &case.grads["negatives"].data, 1e-7);
}

/// What self-adversarial sampling comes to, worked out with PyTorch: `-(logsigmoid(s) + (softmax(s_k).detach() * logsigmoid(-s_k)).sum(-1)) / 2`
/// for `s = 1.5` and `s_k = [0.5, -1.0, 2.0]`, and its gradients.
#[test]
fn self_adversarial_sampling_weighs_others_by_their_scores() {
    let output = Tensor::new(&[[1.5f64, 0.5, -1.0, 2.0]], &Device::Cpu).unwrap();
    let output = candle_core::Var::from_tensor(&output).unwrap();
    let targets = Tensor::zeros(1, DType::I64, &Device::Cpu).unwrap();
    let loss = hgnn::ops::find_loss("self_adversarial").unwrap();
    let args = hgnn::args::default_args(loss.args());
    let cx = task_loss::LossCx {
        args: &args,
        output: &output,
        targets: &targets,
        class_weights: None,
        total: None,
    };
    let value = task_loss::compute(loss, &cx).unwrap();
    close("self_adversarial", &flat(&value), &[1.027_660_211_740], 1e-10);
    let gradient = flat(value.backward().unwrap().get(&output).unwrap());
    close(
        "gradient",
        &gradient,
        &[-0.091_212_761_903, 0.054_555_570_129, 0.005_259_495_524, 0.345_975_786_267],
        1e-10,
    );
}

/// What a user sees: a folder of triples looked at, a model checked, trained, measured and asked for new links.
#[test]
fn triples_are_looked_at_learned_and_completed_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let kg = folder.path().join("family");
    std::fs::create_dir(&kg).unwrap();
    // Everybody is the child of the next, and the parent the other way round.
    let line = |k: usize| format!("p{k}\tchild_of\tp{}\np{}\tparent_of\tp{k}\n", (k + 1) % 12, (k + 1) % 12);
    let lines = |range: std::ops::Range<usize>| range.map(line).collect::<String>();
    std::fs::write(kg.join("train.txt"), lines(0..10)).unwrap();
    std::fs::write(kg.join("valid.txt"), lines(10..11)).unwrap();
    std::fs::write(kg.join("test.txt"), lines(11..12)).unwrap();
    let model = "data = triples(\"./family\")\nmodel = embedding(8) -> distmult(relation = edge_labels)\n\
                 train { epochs = 2, batch_size = 8, negatives = uniform(2), early_stop = last }\n\
                 evaluate { metrics = [mrr, hits_at_10] }\n";
    std::fs::write(folder.path().join("model.hgnn"), model).unwrap();
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_hgnnc"))
            .args(arguments)
            .current_dir(folder.path())
            .env("XDG_CACHE_HOME", folder.path().join("cache"))
            .env("HGNN_OFFLINE", "1")
            .output()
            .expect("it runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, out, err) = run(&["data", "import", "family"]);
    assert!(
        code == Some(0) && out.contains("triples(\"./family\")") && out.contains("24 links"),
        "{out}{err}"
    );
    let (code, out, err) = run(&["check", "--witness", "model.hgnn"]);
    assert!(code == Some(0) && out.contains("link prediction"), "{out}{err}");
    let (code, out, err) = run(&["train", "model.hgnn", "--out", "run"]);
    assert!(code == Some(0) && out.contains("mrr") && out.contains("hits_at_10"), "{out}{err}");
    let (code, first, err) = run(&["eval", "run"]);
    assert!(code == Some(0), "{first}{err}");
    assert_eq!(run(&["eval", "run"]).1, first);
    // Every person has ten others that are not known to be their parent: themselves among them.
    let (code, out, err) = run(&["predict", "run", "--top", "20"]);
    assert_eq!(code, Some(0), "{err}");
    let rows: Vec<&str> = out.lines().collect();
    assert_eq!(rows[0], "head,relation,tail,rank,score");
    assert_eq!(rows.len(), 1 + 12 * 2 * 11);
    assert!(!rows.iter().any(|row| row.starts_with("p0,child_of,p1,")), "known already");
    std::fs::write(folder.path().join("pairs.csv"), "p0,child_of,p1\np3,parent_of,p2\n").unwrap();
    let (code, out, err) = run(&["predict", "run", "--pairs", "pairs.csv"]);
    assert!(code == Some(0) && out.lines().count() == 3, "{out}{err}");
    std::fs::write(folder.path().join("pairs.csv"), "p0,child_of,p1\np3,sister_of,p2\n").unwrap();
    let (code, out, err) = run(&["predict", "run", "--pairs", "pairs.csv"]);
    assert!(code != Some(0) && err.contains("pairs.csv:2: family has no relation `sister_of`"), "{out}{err}");
}

/// A graph without edges whose nodes have these columns.
fn rows(columns: &[&[f64]], width: usize) -> Dataset {
    let n = columns[0].len() / width;
    let values = (0..n)
        .flat_map(|row| columns.iter().flat_map(move |column| &column[row * width..(row + 1) * width]))
        .map(|&value| value as f32)
        .collect();
    Dataset::new(DatasetParts {
        name: "rows".into(),
        task: hgnn::types::Task::from_name("node_regression"),
        node_offsets: vec![0, n as u32],
        edges: Vec::new(),
        edge_features: None,
        edge_kinds: None,
        features: Features::Dense { values, width: columns.len() * width },
        targets: Targets::Values { values: vec![0.0; n * width], n_values: width },
        class_names: Vec::new(),
        fixed_split: None,
        graph_ids: vec![1],
        vocabulary: Vocabulary::default(),
    })
}

/// The one auxiliary loss that a model reports in evaluation, and its result.
fn reported(text: &str, data: &Dataset, set: impl Fn(&Network)) -> (f64, Vec<f64>) {
    let network =
        Network::build(&compile(text, &data.facts()), &data.facts(), DType::F64, &Device::Cpu, 1).unwrap();
    set(&network);
    let batch = data.batch(&[0], DType::F64, &Device::Cpu).unwrap();
    let mut cx = ForwardCx { wanted_losses: network.wanted_losses(), ..ForwardCx::evaluation() };
    let output = network.forward(&batch, &mut cx).unwrap();
    (flat(&cx.losses[0].of_graphs)[0], flat(&output.x))
}

#[test]
fn the_prior_of_a_variational_autoencoder_is_pygs() {
    let case = load("vgae_kl_loss");
    let (mean, log) = (&case.inputs["mu"].data, &case.inputs["logstd"].data);
    let data = rows(&[mean, log], 4);
    let text = "model = columns(0, 4) -> variational(input -> columns(4, 4))\nloss = mse + prior";
    let (prior, z) = reported(text, &data, |_| ());
    close("prior", &[prior], &case.outputs["loss"].data, 1e-6);
    // Outside of training the means stay as they are.
    close("z", &z, mean, 1e-6);
    // The logarithm of a deviation is cut at 10: of 50 it is that of 10, 0.5 (e²⁰ − 1 − 20).
    let far = rows(&[&[0.0], &[50.0]], 1);
    let text = "model = columns(0, 1) -> variational(input -> columns(1, 1))\nloss = mse + prior";
    close("cut", &[reported(text, &far, |_| ()).0], &[0.5 * (20f64.exp() - 21.0)], 1e-6);
}

/// In training rows are drawn: of means 0 and deviations e they have those over many nodes, and other ones in another step.
#[test]
fn variational_rows_are_drawn_by_the_seed_of_the_step() {
    let n = 4_000;
    let data = rows(&[&vec![0.25; n], &vec![1.0; n]], 1);
    let text = "model = columns(0, 1) -> variational(input -> columns(1, 1))\nloss = mse + prior";
    let network =
        Network::build(&compile(text, &data.facts()), &data.facts(), DType::F64, &Device::Cpu, 1).unwrap();
    let batch = data.batch(&[0], DType::F64, &Device::Cpu).unwrap();
    let drawn = |seed: u64| flat(&network.forward(&batch, &mut network.training_cx(seed)).unwrap().x);
    let z = drawn(3);
    assert_eq!(z, drawn(3));
    assert_ne!(z, drawn(4));
    let mean = z.iter().sum::<f64>() / n as f64;
    let deviation = (z.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n as f64).sqrt();
    assert!((mean - 0.25).abs() < 0.15, "{mean}");
    assert!((deviation / 1f64.exp() - 1.0).abs() < 0.05, "{deviation}");
}

#[test]
fn the_adversarial_loss_is_pygs_with_that_of_the_discriminator() {
    let case = load("arga_reg_loss");
    let z = &case.inputs["z"];
    let (n, width) = (z.shape[0], z.shape[1]);
    let data = rows(&[&z.data], width);
    let hidden = case.params["discriminator.0.bias"].data.len();
    let text = format!("model = adversarial(hidden = [{hidden}])\nloss = mse + adversarial");
    let set = |network: &Network| {
        for (ours, theirs) in
            [("weight_0", "0.weight"), ("weight_1", "2.weight"), ("bias_0", "0.bias"), ("bias_1", "2.bias")]
        {
            let theirs = &case.params[format!("discriminator.{theirs}").as_str()];
            let tensor =
                Tensor::from_vec(theirs.data.clone(), theirs.shape.as_slice(), &Device::Cpu).unwrap();
            let tensor =
                if theirs.shape.len() == 2 { tensor.t().unwrap().contiguous().unwrap() } else { tensor };
            variable(network, &format!("adversarial.{ours}")).set(&tensor).unwrap();
        }
    };
    let (loss, same) = reported(&text, &data, set);
    close("rows", &same, &z.data, 1e-6);
    // The discriminator by hand: of PyG's `discriminator_loss` against rows of zeros, what is drawn outside of training.
    let of = |name: &str| &case.params[name].data;
    let score = |row: &[f64]| -> f64 {
        let layer = |unit: usize| -> f64 {
            let weights = &of("discriminator.0.weight")[unit * width..(unit + 1) * width];
            let sum: f64 = weights.iter().zip(row).map(|(w, x)| w * x).sum();
            (sum + of("discriminator.0.bias")[unit]).max(0.0)
        };
        let out: f64 = (0..hidden).map(|unit| layer(unit) * of("discriminator.2.weight")[unit]).sum();
        out + of("discriminator.2.bias")[0]
    };
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let fake: f64 = z.data.chunks(width).map(|row| -(1.0 - sigmoid(score(row))).ln()).sum::<f64>() / n as f64;
    let real = -sigmoid(score(&vec![0.0; width])).ln();
    close("loss", &[loss], &[case.outputs["loss"].data[0] + fake + real], 1e-6);
}

/// Each side learns by its own part: rows by how well they pass, the discriminator by how well it tells.
#[test]
fn rows_and_discriminator_take_the_gradients_of_their_own_parts() {
    let data = rows(&[&[0.5, -1.0, 2.0, 0.3, 0.8, -0.6]], 2);
    let text = "model = linear(2, bias = false) -> adversarial(hidden = [3])\nloss = mse + adversarial";
    let network =
        Network::build(&compile(text, &data.facts()), &data.facts(), DType::F64, &Device::Cpu, 5).unwrap();
    let batch = data.batch(&[0], DType::F64, &Device::Cpu).unwrap();
    let mut cx = network.training_cx(7);
    network.forward(&batch, &mut cx).unwrap();
    let total = hgnn::kernels::sum_over_graphs(&cx.losses[0].of_graphs, 1.0).unwrap();
    let gradients = hgnn::kernels::tape::backward(&total).unwrap();
    let weight = variable(&network, "linear.weight");
    // −log σ(D(z)) by differences, with D as it is.
    let passes = || -> f64 {
        let x: Vec<f64> = vec![0.5, -1.0, 2.0, f64::from(0.3f32), f64::from(0.8f32), f64::from(-0.6f32)];
        let w = flat(weight);
        let (a, b) = (
            flat(variable(&network, "adversarial.weight_0")),
            flat(variable(&network, "adversarial.bias_0")),
        );
        let (c, d) = (
            flat(variable(&network, "adversarial.weight_1")),
            flat(variable(&network, "adversarial.bias_1")),
        );
        let of_row = |x: &[f64]| -> f64 {
            let z = [x[0] * w[0] + x[1] * w[2], x[0] * w[1] + x[1] * w[3]];
            let hidden = (0..3).map(|unit| (z[0] * a[unit] + z[1] * a[3 + unit] + b[unit]).max(0.0));
            let score: f64 = hidden.zip(&c).map(|(h, c)| h * c).sum::<f64>() + d[0];
            (1.0 + (-score).exp()).ln()
        };
        x.chunks(2).map(of_row).sum::<f64>() / 3.0
    };
    let own = flat(gradients.get(weight).unwrap());
    let before = flat(weight);
    for place in 0..4 {
        let shifted = |by: f64| {
            let mut values = before.clone();
            values[place] += by;
            weight.set(&Tensor::from_vec(values, (2, 2), &Device::Cpu).unwrap()).unwrap();
            passes()
        };
        let expected = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
        assert!((own[place] - expected).abs() < 1e-6, "{place}: {} is not {expected}", own[place]);
    }
    // The discriminator has a gradient of its own.
    let of_discriminator = flat(gradients.get(variable(&network, "adversarial.weight_1")).unwrap());
    assert!(of_discriminator.iter().any(|value| value.abs() > 1e-6));
}

/// The layers of LightGCN: `(e₀ + e₁ + e₂) / 3` of three columns.
#[test]
fn layers_come_together_by_their_mean() {
    let data = rows(&[&[1.0, -2.0], &[4.0, 0.5], &[7.0, 3.0]], 1);
    let parts = "columns(0, 1), input -> columns(1, 1), input -> columns(2, 1)";
    let text = format!("task = node_regression\nmodel = jump({parts}, mode = mean)");
    let network =
        Network::build(&compile(&text, &data.facts()), &data.facts(), DType::F64, &Device::Cpu, 1).unwrap();
    let batch = data.batch(&[0], DType::F64, &Device::Cpu).unwrap();
    close(
        "mean",
        &flat(&network.forward(&batch, &mut ForwardCx::evaluation()).unwrap().x),
        &[4.0, 0.5],
        1e-12,
    );
}
