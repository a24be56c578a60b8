//! Vectors that are learned without targets: losses against PyTorch Geometric and the authors' code, and whole runs.

use crate::golden::load;
use candle_core::{DType, Device, Tensor};
use hgnn::check::{Checked, check};
use hgnn::data::views::Views;
use hgnn::data::views::corruption::with_features_of;
use hgnn::data::views::walks::Walks;
use hgnn::data::{Dataset, DatasetParts, Features, GraphBatch, Targets, Vocabulary};
use hgnn::ir::Model;
use hgnn::lower::{Network, StepLoss};
use hgnn::source::SourceMap;
use hgnn::types::{DataFacts, Task};
use std::fs;
use std::path::Path;
use std::process::Command;

fn compile(text: &str, facts: &DataFacts) -> Checked<Model> {
    let mut sources = SourceMap::default();
    let main = sources.add("embedding.hgnn", text);
    let none = |_: &str| Err(std::io::ErrorKind::NotFound.into());
    let (program, findings) = hgnn::syntax::load_program(&mut sources, main, &none);
    assert!(findings.is_empty(), "{text}: {findings:?}");
    let outcome = check(&program, Some(facts));
    outcome.model.unwrap_or_else(|| panic!("{text}: {:?}", outcome.diagnostics))
}

/// Graphs of these sizes, with a row of features for each node, for one of the tasks without targets.
fn graphs(task: &str, sizes: &[u32], edges: Vec<(u32, u32)>, rows: &[f64], width: usize) -> Dataset {
    let mut node_offsets = vec![0];
    sizes.iter().for_each(|size| node_offsets.push(node_offsets[node_offsets.len() - 1] + size));
    let data = Dataset::new(DatasetParts {
        name: "graphs".into(),
        task: None,
        node_offsets,
        edges,
        edge_features: None,
        edge_kinds: None,
        features: Features::Dense { values: rows.iter().map(|&x| x as f32).collect(), width },
        targets: Targets::None,
        class_names: Vec::new(),
        fixed_split: None,
        graph_ids: (1..=sizes.len() as u32).collect(),
        vocabulary: Vocabulary::default(),
    });
    data.for_task(Task::from_name(task).unwrap())
}

fn flat(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

#[track_caller]
fn close(what: &str, ours: &[f64], theirs: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let scale = theirs.iter().fold(1e-12f64, |largest, value| largest.max(value.abs()));
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert!((ours - theirs).abs() <= tolerance * scale, "{what}: {ours}, not {theirs}");
    }
}

/// Sets a weight, by the end of its name.
fn set(network: &Network, name: &str, values: Vec<f64>) {
    let var = &network.parameters().iter().find(|p| p.name.ends_with(name)).unwrap().var;
    var.set(&Tensor::from_vec(values, var.dims(), &Device::Cpu).unwrap()).unwrap();
}

/// `((37 k + 11 idx) mod 23) / 23 − ½` for each number `k` of a tensor: what the scripts below fill theirs with.
fn filled(n: usize, idx: usize) -> Vec<f64> {
    (0..n).map(|k| ((k * 37 + 11 * idx) % 23) as f64 / 23.0 - 0.5).collect()
}

/// The mean over the items, as a step takes it.
fn loss_of(network: &Network, batch: &GraphBatch, views: &Views) -> StepLoss {
    let mut cx = network.training_cx(0);
    let output = network.contrast(batch, views, &mut cx).unwrap();
    let targets = Tensor::zeros(output.x.dims()[0], DType::I64, &Device::Cpu).unwrap();
    network.loss(&output, &targets, &cx, None).unwrap()
}

/// The loss, and the gradients of some weights by the ends of their names.
fn gradients(network: &Network, batch: &GraphBatch, views: &Views, names: &[&str]) -> (f64, Vec<Vec<f64>>) {
    let loss = loss_of(network, batch, views);
    let value = loss.total.to_scalar::<f64>().unwrap();
    let gradients = loss.backward().unwrap();
    let of = |name: &&str| {
        let var = &network.parameters().iter().find(|p| p.name.ends_with(*name)).unwrap().var;
        flat(gradients.get(var).unwrap())
    };
    (value, names.iter().map(of).collect())
}

fn transposed(rows: &[f64], n: usize) -> Vec<f64> {
    let m = rows.len() / n;
    (0..m).flat_map(|column| (0..n).map(move |row| rows[row * m + column])).collect()
}

#[test]
fn deep_graph_infomax_is_pygs() {
    let case = load("deep_graph_infomax");
    let ends = &case.inputs["edge_index"].data;
    let n = ends.len() / 2;
    let edges = (0..n).map(|k| (ends[k] as u32, ends[n + k] as u32)).collect();
    let rows = &case.inputs["x"];
    let data = graphs("node_embedding", &[11], edges, &rows.data, 4);
    let text = "task = node_embedding\nmodel = gcn(4) -> relu\nloss = dgi";
    let network =
        Network::build(&compile(text, &data.facts()), &data.facts(), DType::F64, &Device::Cpu, 1).unwrap();
    set(&network, "gcn.weight", transposed(&case.params["encoder.conv.lin.weight"].data, 4));
    set(&network, "gcn.bias", case.params["encoder.conv.bias"].data.clone());
    set(&network, "dgi.weight", case.params["weight"].data.clone());
    let mut batch = data.batch(&[0], DType::F64, &Device::Cpu).unwrap();
    batch.x = Tensor::from_vec(rows.data.clone(), (11, 4), &Device::Cpu).unwrap();
    let shuffle: Vec<u32> = case.inputs["shuffle"].data.iter().map(|&row| row as u32).collect();
    let views = Views::Second(Box::new(with_features_of(&batch, &shuffle).unwrap()));
    let (loss, of_weights) = gradients(&network, &batch, &views, &["dgi.weight"]);
    close("loss", &[loss], &case.outputs["loss"].data, 1e-8);
    let cotangent = case.cotangents["loss"].data[0];
    let expected: Vec<f64> = case.grads["param:weight"].data.iter().map(|slope| slope / cotangent).collect();
    close("gradient of the discriminator", &of_weights[0], &expected, 1e-7);
}

/// `Node2Vec.loss` of PyG 2.8.1 in float64 on windows of these walks, with `embedding.weight = filled(6 · 3, 1)`.
#[test]
fn skip_gram_is_pygs() {
    let data = graphs("node_embedding", &[6], vec![(0, 1), (1, 0)], &[1.0; 6], 1);
    let text = "task = node_embedding\nmodel = embedding(3)
        loss = skip_gram(walk_length = 4, context = 3, walks = 1, negatives = 2)";
    let network =
        Network::build(&compile(text, &data.facts()), &data.facts(), DType::F64, &Device::Cpu, 1).unwrap();
    set(&network, "embedding.weight", filled(18, 1));
    let walks = Walks { length: 4, context: 3, per_node: 1, p: 1.0, q: 1.0, negatives: 2 };
    let mut ends = Vec::new();
    for walk in
        [[0, 1, 2, 1, 3], [0, 5, 2, 2, 4], [0, 1, 1, 3, 0], [3, 4, 4, 5, 0], [3, 0, 2, 5, 5], [3, 3, 4, 1, 2]]
    {
        walks.pairs_of(&walk, &mut ends);
    }
    let pairs = walks.compared(&ends, 6, 2, &Device::Cpu).unwrap();
    let batch = data.batch(&[0], DType::F64, &Device::Cpu).unwrap();
    let (loss, of_weights) = gradients(&network, &batch, &Views::Walks(pairs), &["embedding.weight"]);
    close("loss", &[loss], &[1.354_260_515_567_104_6], 1e-7);
    #[rustfmt::skip]
    let expected = [
        0.001266458575622166, -0.0029422626533040334, 0.03082374101022827, 0.06665437793023596, -0.03341486229925458,
        -0.016086236911727864, 0.006802822571194713, -0.046104806031776316, 0.002953139997678343, 0.011914222524686512,
        0.01674513592889343, 0.005096530990528019, -0.057926718856583195, 0.0662470518554352, -0.00025185998413551625,
        -0.054111212422967514, 0.009141256972428919, 0.04097275487139161,
    ];
    close("gradient", &of_weights[0], &expected, 1e-6);
}

/// `local_global_loss_(l_enc, g_enc, batch, 'JSD')` of the authors' code in float64: `x = filled(7 · 3, 2)` in graphs of 3, 2 and 2 nodes, sums of
/// them, and their two networks with the weights `filled(…, 3 + i)` and `filled(…, 20 + i)`.
#[test]
fn infograph_is_that_of_its_authors() {
    let data = graphs("graph_embedding", &[3, 2, 2], vec![(0, 1), (1, 0)], &[0.0; 21], 3);
    let text = "task = graph_embedding\nmodel = sum\nloss = infograph";
    let network =
        Network::build(&compile(text, &data.facts()), &data.facts(), DType::F64, &Device::Cpu, 1).unwrap();
    let layers = ["first", "second", "third", "beside"];
    for (head, first) in [("nodes", 3), ("graphs", 20)] {
        for (layer, name) in layers.iter().enumerate() {
            set(&network, &format!("{head}.{name}.weight"), filled(9, first + 2 * layer));
            set(&network, &format!("{head}.{name}.bias"), filled(3, first + 2 * layer + 1));
        }
    }
    let mut batch = data.batch(&[0, 1, 2], DType::F64, &Device::Cpu).unwrap();
    batch.x = Tensor::from_vec(filled(21, 2), (7, 3), &Device::Cpu).unwrap();
    let names = ["nodes.first.weight", "graphs.beside.weight"];
    let (loss, of_weights) = gradients(&network, &batch, &Views::Nothing, &names);
    close("loss", &[loss], &[0.121_961_648_548_781_58], 1e-9);
    #[rustfmt::skip]
    let expected = [
        [-0.0026156411274952237, -0.0029471535168592404, 0.0, 0.0003162087399613453, 0.0031431754040742903, 0.0,
         0.0011216610116359326, -0.0007720360450972649, 0.0],
        [0.01391095700939103, -0.0253606527625904, -0.006103396176698762, 0.0053594679450641725, 0.006730918366638236,
         -0.0020970535889306852, -0.06071208482936453, 0.01526306255366854, 0.04268735132915645],
    ];
    close("gradient of the nodes' network", &of_weights[0], &expected[0], 1e-7);
    close("gradient of the graphs' network", &of_weights[1], &expected[1], 1e-7);
}

/// `loss_cal` of the authors' code in float64 with the temperature 0.4: sums of `filled(7 · 3, 2)` and of `filled(7 · 3, 40)` through a projection with the
/// weights `filled(…, 50 + i)`.
#[test]
fn graphcl_is_that_of_its_authors() {
    let data = graphs("graph_embedding", &[3, 2, 2], vec![(0, 1), (1, 0)], &[0.0; 21], 3);
    let text = "task = graph_embedding\nmodel = sum\nloss = graphcl(temperature = 0.4)";
    let network =
        Network::build(&compile(text, &data.facts()), &data.facts(), DType::F64, &Device::Cpu, 1).unwrap();
    for (layer, name) in ["first", "second"].iter().enumerate() {
        set(&network, &format!("projection.{name}.weight"), filled(9, 50 + 2 * layer));
        set(&network, &format!("projection.{name}.bias"), filled(3, 51 + 2 * layer));
    }
    let batch = data.batch(&[0, 1, 2], DType::F64, &Device::Cpu).unwrap();
    let with = |idx| GraphBatch {
        x: Tensor::from_vec(filled(21, idx), (7, 3), &Device::Cpu).unwrap(),
        ..batch.clone()
    };
    let views = Views::Second(Box::new(with(40)));
    let names = ["projection.first.weight", "projection.second.bias"];
    let (loss, of_weights) = gradients(&network, &with(2), &views, &names);
    close("loss", &[loss], &[0.689_267_131_365_528_4], 1e-9);
    #[rustfmt::skip]
    let expected = [
        -0.2356299308683406, 0.0, -0.08324328047747209, 0.017741001659120015, 0.0, -0.037988621893813475,
        0.30301464152283286, 0.0, 0.15769304734615472,
    ];
    close("gradient of the first layer", &of_weights[0], &expected, 1e-7);
    let expected = [0.01717663367610646, -0.05018770623737376, 0.06117272533333379];
    close("gradient of the last bias", &of_weights[1], &expected, 1e-7);
}

#[track_caller]
fn hgnnc(folder: &Path, args: &[&str], code: i32) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hgnnc"));
    command.current_dir(folder).env_remove("HGNN_DATA").env("HGNN_OFFLINE", "1").args(args);
    let output = command.output().expect("the command starts");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{args:?}\n{out}\n{err}");
    (out, err)
}

fn folder_with(model: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("m.hgnn"), model).unwrap();
    folder
}

const CLUB: &str = "data = karate()
task = node_embedding
model = embedding(8)
loss = skip_gram(walk_length = 8, context = 4, walks = 4)
train { optimizer = adam(lr = 0.05), epochs = 30 }
evaluate { metrics = [linear_probe, nmi, ari, clustering_accuracy, svm_probe] }
";

#[test]
fn vectors_are_trained_measured_and_written() {
    let folder = folder_with(CLUB);
    let path = folder.path();
    let (out, err) = hgnnc(path, &["train", "m.hgnn", "--out", "run"], 0);
    for expected in ["node embedding", "linear_probe", "nmi", "ari", "clustering_accuracy", "svm_probe"] {
        assert!(out.contains(expected), "{expected} in\n{out}");
    }
    assert!(err.contains("epoch 30/30"), "{err}");
    let figure = |out: &str, name: &str| -> f64 {
        let line = out.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    // The club's two sides lie apart.
    assert!(figure(&out, "linear_probe") > 0.9, "{out}");
    let (measured, _) = hgnnc(path, &["eval", "run"], 0);
    for name in ["linear_probe", "nmi", "ari", "clustering_accuracy", "svm_probe"] {
        assert_eq!(figure(&measured, name), figure(&out, name), "{name}");
    }

    hgnnc(path, &["embed", "run", "-o", "v.csv"], 0);
    let csv = fs::read_to_string(path.join("v.csv")).unwrap();
    let mut lines = csv.lines();
    let head = lines.next().unwrap();
    assert!(head.starts_with("node,graph,") && head.ends_with("x7,x8"), "{head}");
    let (of_csv, n_lines): (Vec<f32>, usize) = {
        let numbers = |line: &str| line.rsplitn(9, ',').take(8).map(str::to_owned).collect::<Vec<_>>();
        let rows: Vec<Vec<String>> = lines.map(numbers).collect();
        let all = rows.iter().flat_map(|row| row.iter().rev()).map(|x| x.parse().unwrap());
        (all.collect(), rows.len())
    };
    assert_eq!(n_lines, 34);

    hgnnc(path, &["embed", "run", "-o", "v.npy"], 0);
    let npy = fs::read(path.join("v.npy")).unwrap();
    let begin = 10 + u16::from_le_bytes([npy[8], npy[9]]) as usize;
    assert!(npy.starts_with(b"\x93NUMPY\x01\x00") && begin.is_multiple_of(64));
    assert!(String::from_utf8_lossy(&npy[10..begin]).contains("'shape': (34, 8)"));
    let of_npy: Vec<f32> =
        npy[begin..].chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
    assert_eq!(of_npy, of_csv);

    hgnnc(path, &["embed", "run", "-o", "w.tsv"], 0);
    let tsv = fs::read_to_string(path.join("w.tsv")).unwrap();
    let of_tsv: Vec<f32> = tsv.split_whitespace().map(|x| x.parse().unwrap()).collect();
    assert_eq!(of_tsv, of_csv);
    let metadata = fs::read_to_string(path.join("w.metadata.tsv")).unwrap();
    assert_eq!(metadata.lines().count(), 35);
    assert_eq!(metadata, fs::read_to_string(path.join("v.metadata.tsv")).unwrap());
    assert!(metadata.starts_with("node\tgraph\t") && metadata.contains("\ttrain"), "{metadata}");

    let (predicted, _) = hgnnc(path, &["predict", "run"], 0);
    assert!(predicted.lines().next().unwrap().ends_with("x7,x8"), "{predicted}");
    let (_, err) = hgnnc(path, &["embed", "run", "-o", "v.txt"], 2);
    assert!(err.contains("`v.txt` does not say how vectors are to be written"), "{err}");
}

#[test]
fn a_run_has_the_same_bytes_on_any_number_of_threads() {
    let short = CLUB.replace("epochs = 30", "epochs = 3, batch_size = 10");
    let folder = folder_with(&short);
    let path = folder.path();
    let checkpoint = |run: &str| fs::read(path.join(run).join("checkpoint.safetensors")).unwrap();
    hgnnc(path, &["train", "m.hgnn", "--out", "one", "--threads", "1"], 0);
    hgnnc(path, &["train", "m.hgnn", "--out", "two", "--threads", "2"], 0);
    assert!(checkpoint("one") == checkpoint("two"));
    hgnnc(path, &["train", "m.hgnn", "--out", "other", "--seed", "1"], 0);
    assert!(checkpoint("one") != checkpoint("other"));
}

#[test]
fn models_of_predictions_have_no_vectors() {
    let folder = folder_with("data = karate()\nmodel = gcn(4) -> relu -> gcn\ntrain { epochs = 1 }\n");
    hgnnc(folder.path(), &["train", "m.hgnn", "--out", "run"], 0);
    let (_, err) = hgnnc(folder.path(), &["embed", "run", "-o", "v.npy"], 2);
    assert!(err.contains("predicts classes, and learned no vectors"), "{err}");
}

/// Losses of graphs with everything around them: estimates, lints, the witness and a run.
#[test]
fn graphs_are_embedded_by_every_command() {
    for loss in ["infograph", "graphcl"] {
        let folder = folder_with(&format!(
            "data = hierarchy(24, community_size = 16)
task = graph_embedding
model = gin(8) as a -> gin(8) as b -> concat(a, b) -> sum
loss = {loss}
train {{ epochs = 2, batch_size = 8, early_stop = patience(5, monitor = train_loss) }}
evaluate {{ metrics = [svm_probe, linear_probe] }}
"
        ));
        let path = folder.path();
        hgnnc(path, &["check", "m.hgnn", "--witness"], 0);
        hgnnc(path, &["show", "m.hgnn"], 0);
        hgnnc(path, &["show", "m.hgnn", "--program"], 0);
        hgnnc(path, &["estimate", "m.hgnn"], 0);
        let (out, _) = hgnnc(path, &["train", "m.hgnn", "--out", "run"], 0);
        assert!(out.contains("svm_probe") && out.contains("graph embedding"), "{out}");
        hgnnc(path, &["eval", "run"], 0);
        hgnnc(path, &["embed", "run", "--data", "hierarchy(6, community_size = 16)", "-o", "v.tsv"], 0);
        let metadata = fs::read_to_string(path.join("v.metadata.tsv")).unwrap();
        assert!(metadata.starts_with("graph\tid\tclass\n") && metadata.lines().count() == 7, "{metadata}");
    }
}

/// The graphs of a class decide nothing: a run with other classes has the same weights.
#[test]
fn classes_are_not_read_in_training() {
    let text = "data = node_link(\"g.json\")
task = node_embedding
model = gcn(4) -> prelu
loss = dgi
train { epochs = 3 }
";
    let graph = |classes: [u32; 6]| {
        let nodes: Vec<String> = classes
            .iter()
            .enumerate()
            .map(|(node, class)| {
                format!("{{\"id\": {node}, \"y\": {class}, \"x\": [{}.5, {}]}}", node, node % 2)
            })
            .collect();
        let links: Vec<String> =
            (0..6).map(|node| format!("{{\"source\": {node}, \"target\": {}}}", (node + 1) % 6)).collect();
        format!(
            "{{\"directed\": false, \"nodes\": [{}], \"links\": [{}]}}",
            nodes.join(", "),
            links.join(", ")
        )
    };
    let weights = |classes: [u32; 6]| {
        let folder = folder_with(text);
        fs::write(folder.path().join("g.json"), graph(classes)).unwrap();
        hgnnc(folder.path(), &["train", "m.hgnn", "--out", "run"], 0);
        hgnnc(folder.path(), &["embed", "run", "-o", "v.npy"], 0);
        fs::read(folder.path().join("v.npy")).unwrap()
    };
    assert!(weights([0, 0, 0, 1, 1, 1]) == weights([1, 0, 1, 0, 1, 0]));
}
