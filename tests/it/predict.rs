//! What `hgnnc predict` writes: formats, values inside the network, and means over folds.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

fn hgnnc(folder: &Path, args: &[&str]) -> (Option<i32>, Vec<u8>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hgnnc"));
    command.current_dir(folder).env_remove("HGNN_DATA").env_remove("COLUMNS").env("HGNN_OFFLINE", "1");
    let output = command.args(args).output().expect("the command starts");
    (output.status.code(), output.stdout, String::from_utf8(output.stderr).expect("UTF-8"))
}

fn text(folder: &Path, args: &[&str]) -> String {
    let (code, out, err) = hgnnc(folder, args);
    assert_eq!(code, Some(0), "{args:?} {err}");
    String::from_utf8(out).expect("UTF-8")
}

/// A run on the members of the karate club, with its folder.
fn club(model: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("data = karate()\n{model}\ntrain {{ epochs = 3 }}\n");
    fs::write(folder.path().join("m.hgnn"), file).unwrap();
    text(folder.path(), &["train", "m.hgnn", "--out", "run"]);
    folder
}

/// The numbers of an array of NumPy with two axes of `f32`, and how long these are.
fn npy(bytes: &[u8]) -> ([usize; 2], Vec<f32>) {
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..10 + length]).unwrap();
    assert!(header.starts_with("{'descr': '<f4', 'fortran_order': False, 'shape': ("), "{header}");
    let shape = header.split(['(', ')']).nth(1).unwrap();
    let mut shape = shape.split(", ").map(|length| length.parse().unwrap());
    let shape = [shape.next().unwrap(), shape.next().unwrap()];
    let number = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap());
    (shape, bytes[10 + length..].chunks_exact(4).map(number).collect())
}

fn columns(csv: &str) -> Vec<Vec<&str>> {
    csv.lines().map(|line| line.split(',').collect()).collect()
}

#[test]
fn all_formats_say_the_same() {
    let folder = club("model = gcn(8) -> relu -> gcn");
    let path = folder.path();
    let csv = text(path, &["predict", "run"]);
    let rows = columns(&csv);
    assert_eq!(rows[0][..4], ["node", "graph", "part", "class"], "{csv}");
    let (code, out, err) = hgnnc(path, &["predict", "run", "--format", "npy"]);
    assert_eq!(code, Some(0), "{err}");
    let (shape, values) = npy(&out);
    assert_eq!(shape, [34, 2]);
    for (row, values) in rows[1..].iter().zip(values.chunks_exact(2)) {
        assert_eq!(row[4..].iter().map(|p| p.parse::<f32>().unwrap()).collect::<Vec<_>>(), values);
    }
    text(path, &["predict", "run", "-o", "p.npy"]);
    assert_eq!(fs::read(path.join("p.npy")).unwrap(), out);

    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;
    text(path, &["predict", "run", "-o", "p.parquet"]);
    let (_, piped, _) = hgnnc(path, &["predict", "run", "--format", "parquet"]);
    assert_eq!(fs::read(path.join("p.parquet")).unwrap(), piped);
    let reader = SerializedFileReader::new(fs::File::open(path.join("p.parquet")).unwrap()).unwrap();
    for (row, line) in reader.get_row_iter(None).unwrap().zip(&rows[1..]) {
        let row = row.unwrap();
        assert_eq!(row.get_long(0).unwrap().to_string(), line[0]);
        assert_eq!(row.get_string(3).unwrap(), line[3]);
        assert_eq!(row.get_float(5).unwrap().to_string(), line[5]);
    }

    let wrong = |args: &[&str], said: &str| {
        let (code, out, err) = hgnnc(path, args);
        assert_eq!((code, out.len()), (Some(2), 0), "{args:?} {err}");
        assert!(err.contains(said), "{said} in {err}");
    };
    wrong(&["predict", "run", "--format", "npy", "-o", "p.jsonl"], "name different formats");
    wrong(&["eval", "run", "--format", "npy"], "are formats of predictions");
    wrong(&["predict", "run", "--folds", "average"], "`run` is a single run");
}

/// The values inside are those from which the rest of the network makes the predictions.
#[test]
fn what_the_last_layer_reads_is_written() {
    let folder = club("model = gcn(8) -> relu as first -> sage(5) -> relu -> linear");
    let path = folder.path();
    let (code, out, err) = hgnnc(path, &["predict", "run", "--embeddings", "--format", "npy"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("what `linear` reads, 5 numbers for each node"), "{err}");
    let (shape, rows) = npy(&out);
    assert_eq!(shape, [34, 5]);
    assert!(rows.iter().all(|value| *value >= 0.0) && rows.iter().any(|value| *value > 0.0), "behind relu");
    // The last layer, with the weights of the checkpoint, gives the probabilities.
    let bytes = fs::read(path.join("run/checkpoint.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let of = |ending: &str| -> Vec<f32> {
        let (_, tensor) = tensors
            .tensors()
            .into_iter()
            .find(|(name, tensor)| name.ends_with(ending) && tensor.shape().last() == Some(&2))
            .unwrap();
        tensor.data().chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
    };
    let (weight, bias) = (of("weight"), of("bias"));
    let (_, out, _) = hgnnc(path, &["predict", "run", "--format", "npy"]);
    let (_, predicted) = npy(&out);
    for (row, predicted) in rows.chunks_exact(5).zip(predicted.chunks_exact(2)) {
        let logit =
            |class: usize| (0..5).map(|idx| row[idx] * weight[idx * 2 + class]).sum::<f32>() + bias[class];
        let p = 1.0 / (1.0 + (logit(1) - logit(0)).exp());
        assert!((p - predicted[0]).abs() < 1e-5, "{p} {predicted:?}");
    }
    let csv = text(path, &["predict", "run", "--embeddings=first"]);
    assert_eq!(columns(&csv)[0][3..], ["e_1", "e_2", "e_3", "e_4", "e_5", "e_6", "e_7", "e_8"], "{csv}");
    let lines = text(path, &["predict", "run", "--embeddings", "--format", "jsonl"]);
    let line: Value = serde_json::from_str(lines.lines().nth(33).unwrap()).unwrap();
    assert_eq!((line["node"].as_u64(), line["embedding"].as_array().unwrap().len()), (Some(33), 5));
    let (code, _, err) = hgnnc(path, &["predict", "run", "--embeddings=frist"]);
    assert!(code == Some(2) && err.contains("did you mean `first`?"), "{err}");

    // Of links, what the decoder reads; of graphs, a row for each.
    let folder = club("task = link_prediction\nmodel = gcn(6) -> relu -> gcn(4) -> inner_product");
    let (_, out, err) = hgnnc(folder.path(), &["predict", "run", "--embeddings", "--format", "npy"]);
    assert_eq!(npy(&out).0, [34, 4], "{err}");
    let folder = tempfile::tempdir().unwrap();
    let file = "data = hierarchy(graphs = 12)\nmodel = gcn(4) -> diffpool(k = 3) as parts -> mean -> mlp\ntrain { epochs = 1 }\n";
    fs::write(folder.path().join("m.hgnn"), file).unwrap();
    text(folder.path(), &["train", "m.hgnn", "--out", "run"]);
    let (_, out, err) = hgnnc(folder.path(), &["predict", "run", "--embeddings", "--format", "npy"]);
    assert_eq!(npy(&out).0, [12, 4], "{err}");
    let (code, _, err) = hgnnc(folder.path(), &["predict", "run", "--embeddings=parts"]);
    assert!(code == Some(2) && err.contains("it has no row for each node or graph"), "{err}");
}

#[test]
fn folds_predict_one_by_one_or_together() {
    let folder = club("model = gcn(8) -> relu -> gcn\nevaluate { protocol = k_fold(3) }");
    let path = folder.path();
    let of = |args: &[&str]| {
        let (code, out, err) = hgnnc(path, &[&["predict"], args, &["--format", "npy"]].concat());
        assert_eq!(code, Some(0), "{err}");
        (npy(&out).1, err)
    };
    let folds: Vec<Vec<f32>> =
        ["run/fold-1", "run/fold-2", "run/fold-3"].iter().map(|fold| of(&[fold]).0).collect();
    assert_ne!(folds[0], folds[1]);
    let (first, said) = of(&["run"]);
    assert_eq!(first, folds[0]);
    assert!(
        said.contains("holds 3 runs") && said.contains("fold-1 predicts") && said.contains("--folds average"),
        "{said}"
    );
    let (chosen, said) = of(&["run", "--folds", "first"]);
    assert_eq!((chosen, said.as_str()), (first, ""));
    let (mean, _) = of(&["run", "--folds", "average"]);
    for (idx, mean) in mean.iter().enumerate() {
        let expected = folds.iter().map(|fold| fold[idx]).sum::<f32>() / 3.0;
        assert!((mean - expected).abs() < 1e-6, "{mean} {expected}");
    }
    // Which part a node is in differs from fold to fold.
    let csv = text(path, &["predict", "run", "--folds", "average"]);
    assert_eq!(columns(&csv)[0][..3], ["node", "graph", "class"]);
}
