//! Runs that need more memory than there is, under limits as a shell sets them.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// A path of `n_nodes` nodes and twenty of eight, as a set in the TU layout. The long one is the graph of place `at`.
fn write_set(folder: &Path, n_nodes: usize, at: usize) {
    let mut sizes = vec![8; 20];
    sizes.insert(at, n_nodes);
    let (mut edges, mut graphs, mut labels, mut classes) =
        (String::new(), String::new(), String::new(), String::new());
    let mut first = 1;
    for (graph, size) in sizes.into_iter().enumerate() {
        for node in first..first + size {
            writeln!(graphs, "{}", graph + 1).unwrap();
            writeln!(labels, "{}", node % 3).unwrap();
            if node > first {
                writeln!(edges, "{}, {node}\n{node}, {}", node - 1, node - 1).unwrap();
            }
        }
        writeln!(classes, "{}", graph % 2).unwrap();
        first += size;
    }
    let set = folder.join("LONG");
    fs::create_dir(&set).unwrap();
    for (part, text) in
        [("A", edges), ("graph_indicator", graphs), ("node_labels", labels), ("graph_labels", classes)]
    {
        fs::write(set.join(format!("LONG_{part}.txt")), text).unwrap();
    }
}

/// Runs with at most as many KiB of addresses; without a limit where that is `None`.
fn hgnnc(folder: &Path, limit_kib: Option<u64>, args: &[&str]) -> (Option<i32>, String, String) {
    let program = env!("CARGO_BIN_EXE_hgnnc");
    let mut command = match limit_kib {
        Some(kib) => {
            let mut command = Command::new("sh");
            command.args(["-c", &format!("ulimit -v {kib} && exec \"$0\" \"$@\""), program]);
            command
        }
        None => Command::new(program),
    };
    command.current_dir(folder).env_remove("HGNN_DATA").env_remove("COLUMNS").env("HGNN_OFFLINE", "1");
    let Output { status, stdout, stderr } = command.args(args).output().expect("the command starts");
    let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
    (status.code(), text(stdout), text(stderr))
}

#[test]
#[cfg(target_os = "linux")]
fn a_run_that_cannot_fit_does_not_start_and_what_it_advises_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_set(path, 100_000, 0);
    let model = "data = tu(\"./LONG\")\nmodel = sage(4) -> relu -> diffpool(ratio = 0.25) -> sage(4) -> mean -> mlp\n\
                 train { epochs = 1 }\n";
    fs::write(path.join("m.hgnn"), model).unwrap();
    // Two matrices of 25,000 × 100,000 numbers of four bytes are 20 GB, and one of clusters is 2.5 GB.
    let (code, out, err) = hgnnc(path, Some(4_000_000), &["train", "m.hgnn", "--out", "run"]);
    assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
    for expected in
        ["training m.hgnn on LONG needs about ", " GB", "limited to 4.1 GB (`ulimit -v`)", "--ignore-memory"]
    {
        assert!(err.contains(expected), "{expected} in {err}");
    }
    assert!(!path.join("run").exists());
    let needed: f64 = err.split("about ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(needed > 20.0, "{err}");
    let (code, out, _) =
        hgnnc(path, Some(4_000_000), &["train", "m.hgnn", "--out", "run", "--format", "json"]);
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &answer["error"]["code"]), (Some(2), &serde_json::json!("memory")));

    // Told to try, it ends in a message, and the folder can be gone on with.
    let args = ["train", "m.hgnn", "--out", "run", "--ignore-memory"];
    let (code, _, err) = hgnnc(path, Some(4_000_000), &args);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("gives no more memory") && err.contains("--resume run"), "{err}");
    assert!(!err.contains("panicked") && !err.contains("RUST_BACKTRACE"), "{err}");

    // The advice is a number that fits, and so is a smaller one, which is faster to try.
    let (_, _, err) = hgnnc(path, Some(1_400_000), &["train", "m.hgnn"]);
    let k: usize = err.split("`diffpool(k = ").nth(1).unwrap().split(')').next().unwrap().parse().unwrap();
    let fewer = model.replace("ratio = 0.25", &format!("k = {}", k.min(20)));
    fs::write(path.join("fewer.hgnn"), fewer).unwrap();
    let (code, out, err) = hgnnc(path, Some(1_400_000), &["train", "fewer.hgnn", "--out", "fewer"]);
    assert_eq!(code, Some(0), "{out}{err}");
    // Measuring and predicting are compared with the limit, too.
    for command in ["eval", "predict"] {
        let (code, _, err) = hgnnc(path, Some(1_400_000), &[command, "fewer"]);
        assert_eq!(code, Some(0), "{err}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn weights_are_kept_where_memory_ends_after_the_last_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    // The long graph is measured and not trained on, wherever that is.
    let model = "data = tu(\"./LONG\")\nmodel = sage(4) -> relu -> diffpool(ratio = 0.25) -> mean -> mlp\n\
                 train { epochs = 2 }\nevaluate { protocol = holdout(validation = 0, test = 0.3) }\n";
    fs::write(path.join("m.hgnn"), model).unwrap();
    write_set(path, 9, 0);
    hgnnc(path, None, &["train", "m.hgnn", "--out", "first"]);
    let split: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(path.join("first/split.json")).unwrap()).unwrap();
    let tested = split["test"][0].as_u64().unwrap() as usize;
    // Its class is what the graph of that place had, so the split is the same.
    fs::remove_dir_all(path.join("LONG")).unwrap();
    write_set(path, 40_000, tested);
    // 10,000 × 40,000 numbers of four bytes are 1.6 GB.
    let (code, _, err) = hgnnc(path, Some(1_800_000), &["train", "m.hgnn", "--out", "run"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("needs about") && err.contains("has 6 graphs"), "{err}");
    let args = ["train", "m.hgnn", "--out", "run", "--ignore-memory"];
    let (code, _, err) = hgnnc(path, Some(1_800_000), &args);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("the weights kept so far are in run/checkpoint.safetensors"), "{err}");
    let (code, out, err) = hgnnc(path, None, &["hash", "run"]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert_eq!(fs::read_to_string(path.join("run/metrics.jsonl")).unwrap().lines().count(), 2);
}
