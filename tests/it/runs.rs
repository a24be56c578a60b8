//! `train`, `eval` and `predict` as a user runs them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Enough for a network that tells the generated classes apart or not: these tests look at what is written.
const MODEL: &str = "data = hierarchy(30, community_size = 16)
model = sage(8) -> relu -> diffpool(k = 4) -> sage(8) -> mean -> mlp
train { epochs = 3, batch_size = 8 }
published { accuracy = 0.75, source = \"table 1\" }
";

fn hgnnc(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hgnnc"));
    command.current_dir(folder).env_remove("HGNN_DATA").env("HGNN_OFFLINE", "1").args(args);
    command.output().expect("the command starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("output is UTF-8")
}

/// Runs and expects this exit code; standard output and standard error.
#[track_caller]
fn check(folder: &Path, args: &[&str], code: i32) -> (String, String) {
    let output = hgnnc(folder, args);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{args:?}\n{out}\n{err}");
    (out, err)
}

fn folder_with(model: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("m.hgnn"), model).unwrap();
    folder
}

#[test]
fn a_run_is_trained_measured_and_used_to_predict() {
    let folder = folder_with(MODEL);
    let path = folder.path();
    let (out, err) = check(path, &["train", "m.hgnn", "--out", "run"], 0);
    for expected in
        ["train", "validation", "test", "published", "0.75", "table 1", "training epoch", "written to run"]
    {
        assert!(out.contains(expected), "{expected} in\n{out}");
    }
    assert!(err.contains("epoch 3/3"), "{err}");
    let mut names: Vec<_> = fs::read_dir(path.join("run"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "checkpoint.safetensors",
            "curves.svg",
            "metrics.jsonl",
            "model.canonical.txt",
            "model.hgnn",
            "resources.json",
            "run.json",
            "split.json",
            "summary.json",
            "times.jsonl"
        ]
    );
    assert_eq!(fs::read_to_string(path.join("run/metrics.jsonl")).unwrap().lines().count(), 3);

    let summary: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(path.join("run/summary.json")).unwrap()).unwrap();
    let (out, _) = check(path, &["eval", "run", "--format", "json"], 0);
    let scored: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(scored[0]["parts"][2]["figures"], summary["units"][0]["test"]);

    let (out, _) = check(path, &["predict", "run"], 0);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 31);
    assert!(lines[0].starts_with("graph,id,class,p_"), "{}", lines[0]);
    check(path, &["predict", "run", "-o", "lines.jsonl"], 0);
    let line = fs::read_to_string(path.join("lines.jsonl")).unwrap();
    let line: serde_json::Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    assert_eq!(line["graph"], 0);
    assert!(line["probabilities"].as_object().unwrap().len() == 2);
}

#[test]
fn a_run_is_not_overwritten_unless_forced() {
    let folder = folder_with(MODEL);
    let path = folder.path();
    check(path, &["train", "m.hgnn", "--out", "run", "--epochs", "1"], 0);
    let (_, err) = check(path, &["train", "m.hgnn", "--out", "run"], 2);
    assert!(err.contains("already holds a run") && err.contains("--force"), "{err}");
    check(path, &["train", "m.hgnn", "--out", "run", "--force", "--epochs", "2"], 0);
    assert_eq!(fs::read_to_string(path.join("run/metrics.jsonl")).unwrap().lines().count(), 2);
}

#[test]
fn what_is_missing_is_said_with_its_remedy() {
    let folder = folder_with("sage(8) -> mean -> mlp\n");
    let path = folder.path();
    let (_, err) = check(path, &["train", "m.hgnn"], 2);
    assert!(err.contains("names no data") && err.contains("--data"), "{err}");
    let (out, _) = check(path, &["train", "m.hgnn", "--data", "hierarchy(12)", "--epochs", "1"], 0);
    assert!(out.contains("written to runs/m-"), "{out}");
    let (_, err) = check(path, &["train", "m.hgnn", "--data", "hierarchi(12)"], 1);
    assert!(err.contains("did you mean"), "{err}");
    let (_, err) = check(path, &["train", "m.hgnn", "--data", "PROTEINS"], 2);
    assert!(err.contains("PROTEINS"), "{err}");
    let (_, err) = check(path, &["eval", "nowhere"], 2);
    assert!(err.contains("nowhere does not exist"), "{err}");
    let (_, err) = check(path, &["train", "--resume", "."], 2);
    assert!(err.contains("holds no run.json"), "{err}");
    assert!(!path.join("runs/m-").exists());
    fs::write(path.join("m.hgnn"), "sage(8) -> meen -> mlp\n").unwrap();
    let (_, err) = check(path, &["train", "m.hgnn", "--data", "hierarchy(12)"], 1);
    assert!(err.contains("meen"), "{err}");
    if !cfg!(feature = "cuda") {
        let (_, err) = check(path, &["train", "m.hgnn", "--device", "cuda"], 2);
        assert!(err.contains("--features cuda"), "{err}");
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_named_and_nothing_is_left() {
    let folder = folder_with(MODEL);
    let path = folder.path();
    fs::write(path.join("file"), "").unwrap();
    let (_, err) = check(path, &["train", "m.hgnn", "--out", "file/run"], 2);
    assert!(err.contains("file/run"), "{err}");
    // The system refuses new files in /proc even to root.
    if cfg!(target_os = "linux") {
        let (_, err) = check(path, &["train", "m.hgnn", "--out", "/proc/run"], 2);
        assert!(err.contains("/proc/run"), "{err}");
    }
}

/// What guarantees a fixed point, or that nothing does, and the graphs for which training has not found it.
#[test]
fn a_fixed_point_is_promised_or_missed_aloud() {
    let model = |arguments: &str| {
        format!(
            "data = hierarchy(10, community_size = 16)
             model = linear(8) as first -> fixed_point(add(sage(8), first) -> tanh, {arguments}) -> sum -> mlp
             train {{ epochs = 1 }}"
        )
    };
    let missed = folder_with(&model("max_steps = 1"));
    let (said, _) = check(missed.path(), &["check", "m.hgnn"], 0);
    assert!(said.contains("nothing guarantees that it is found with `max_steps = 1`"), "{said}");
    let (_, said) = check(missed.path(), &["train", "m.hgnn", "--out", "run"], 0);
    assert!(said.contains("was not found with `max_steps = 1` for 8 of 8 graphs in epoch 1"), "{said}");
    let figures = fs::read_to_string(missed.path().join("run/metrics.jsonl")).unwrap();
    assert!(figures.contains(r#""n_graphs":8,"n_left":8"#), "{figures}");

    let promised = folder_with(&model("contraction = 0.5, max_steps = 100"));
    let (said, _) = check(promised.path(), &["check", "m.hgnn"], 0);
    assert!(said.contains("is there and is found") && said.contains("by a factor of 0.5"), "{said}");
    let (_, said) = check(promised.path(), &["train", "m.hgnn", "--out", "run"], 0);
    assert!(!said.contains("was not found"), "{said}");
}

/// Ctrl-C as a terminal sends it.
#[cfg(unix)]
#[test]
fn ctrl_c_ends_after_the_batch_and_the_run_goes_on_to_the_same_end() {
    use std::process::Stdio;
    use std::time::{Duration, Instant};
    let folder = folder_with(&MODEL.replace("epochs = 3", "epochs = 60").replace("(30,", "(60,"));
    let path = folder.path();
    let straight = ["train", "m.hgnn", "--out", "straight"];
    check(path, &straight, 0);
    let mut child = Command::new(env!("CARGO_BIN_EXE_hgnnc"))
        .current_dir(path)
        .args(["train", "m.hgnn", "--out", "broken"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // As soon as two epochs are written.
    let deadline = Instant::now() + Duration::from_secs(60);
    while fs::read_to_string(path.join("broken/metrics.jsonl")).map_or(0, |text| text.lines().count()) < 2 {
        assert!(Instant::now() < deadline, "no epoch within a minute");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let code = child.wait().unwrap().code();
    // The run may have ended before the signal came; then there is nothing to resume, and nothing to test.
    if code == Some(0) {
        return crate::skip::skip("time between two epochs and the end of the run");
    }
    assert_eq!(code, Some(130));
    assert!(path.join("broken/state.safetensors").is_file());
    check(path, &["train", "--resume", "broken"], 0);
    let checkpoint = |run: &str| fs::read(path.join(run).join("checkpoint.safetensors")).unwrap();
    assert!(checkpoint("straight") == checkpoint("broken"), "the checkpoints differ");
}
