//! A path of data in a file starts from that file, as that of `use` does, whatever folder a command runs in.

use std::fs;
use std::path::Path;
use std::process::Command;

fn hgnnc(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hgnnc"));
    command.current_dir(folder).env_remove("HGNN_DATA").env_remove("COLUMNS").env("HGNN_OFFLINE", "1");
    command.env("XDG_CACHE_HOME", folder.join("no-cache"));
    let output = command.args(args).output().expect("the command starts");
    let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// `project/sets/PAIRS` with twelve graphs, and `project/models/m.hgnn`, which names it by `../sets/PAIRS`.
fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("project/sets/PAIRS");
    fs::create_dir_all(&set).unwrap();
    fs::create_dir_all(folder.path().join("project/models")).unwrap();
    let lines =
        |n: usize, line: &dyn Fn(usize) -> String| (0..n).map(|idx| line(idx) + "\n").collect::<String>();
    for (part, text) in [
        ("A", lines(12, &|graph| format!("{0}, {1}\n{1}, {0}", 2 * graph + 1, 2 * graph + 2))),
        ("graph_indicator", lines(24, &|node| (node / 2 + 1).to_string())),
        ("graph_labels", lines(12, &|graph| (graph % 2).to_string())),
        ("node_labels", lines(24, &|node| (node % 3).to_string())),
    ] {
        fs::write(set.join(format!("PAIRS_{part}.txt")), text).unwrap();
    }
    let model =
        "data = tu(\"../sets/PAIRS\")\nmodel = sage(4) -> relu -> mean -> mlp\ntrain { epochs = 1 }\n";
    fs::write(folder.path().join("project/models/m.hgnn"), model).unwrap();
    folder
}

#[test]
fn every_command_finds_the_data_beside_the_file() {
    let folder = project();
    let path = folder.path();
    let file = "project/models/m.hgnn";
    // Symbolic sizes would say that no data was read.
    let (code, out, err) = hgnnc(path, &["check", file]);
    assert!(code == Some(0) && out.contains("checked against PAIRS"), "{out}{err}");
    for command in ["show", "lint", "estimate"] {
        let (code, out, err) = hgnnc(path, &[command, file]);
        assert!(code == Some(0) && !(out.clone() + &err).contains("not found"), "{command}: {out}{err}");
    }
    let (code, _, err) = hgnnc(path, &["train", file, "--out", "run"]);
    assert_eq!(code, Some(0), "{err}");
    // What is read again comes from the same place, wherever the command runs.
    let run = path.join("run");
    let run = run.to_str().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    for command in ["eval", "predict", "hash"] {
        let (code, _, err) = hgnnc(elsewhere.path(), &[command, run]);
        assert_eq!(code, Some(0), "{command}: {err}");
    }
    let (code, _, err) = hgnnc(elsewhere.path(), &["train", "--resume", run]);
    assert!(code == Some(2) && err.contains("this run is finished"), "{err}");
}

#[test]
fn a_path_on_the_command_line_starts_from_the_current_folder() {
    let folder = project();
    let path = folder.path();
    let file = "project/models/m.hgnn";
    let given = ["--data", "project/sets/PAIRS"];
    let (code, _, err) = hgnnc(path, &[&["train", file, "--out", "run"], &given[..]].concat());
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(hgnnc(path, &[&["estimate", file], &given[..]].concat()).0, Some(0));
    let elsewhere = tempfile::tempdir().unwrap();
    let (code, _, err) = hgnnc(elsewhere.path(), &["eval", path.join("run").to_str().unwrap()]);
    assert_eq!(code, Some(0), "{err}");
    let (code, _, err) = hgnnc(path, &["eval", "run", "--data", "../sets/PAIRS"]);
    assert!(code == Some(1) && err.contains("`../sets/PAIRS` does not exist"), "{err}");
}

#[test]
fn a_new_file_in_another_folder_names_the_same_data() {
    let folder = project();
    let path = folder.path();
    for (name, data) in [
        ("project/models/new", "project/sets/PAIRS"),
        ("project/models/call", "tu(\"./project/sets/PAIRS\", features = degree)"),
    ] {
        let (code, out, err) = hgnnc(path, &["new", name, "--data", data]);
        assert_eq!(code, Some(0), "{out}{err}");
        let file = format!("{name}.hgnn");
        let text = fs::read_to_string(path.join(&file)).unwrap();
        assert!(text.contains("\"../sets/PAIRS\""), "{text}");
        let (code, out, err) = hgnnc(path, &["check", &file]);
        assert!(code == Some(0) && out.contains("checked against PAIRS"), "{out}{err}");
    }
}
