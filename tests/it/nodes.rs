//! Nodes that are predicted: the part of the split that each is in, and data in which they lie in many graphs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

pub(crate) fn hgnnc(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hgnnc"));
    command.current_dir(folder).env("HGNN_DATA", folder).env_remove("COLUMNS").env("HGNN_OFFLINE", "1");
    let output = command.args(args).output().expect("the command starts");
    let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Ten graphs of three nodes in a path, whose ends are of one class and whose middle of another.
fn write_set(folder: &Path) {
    let set = folder.join("ROLES");
    fs::create_dir(&set).unwrap();
    let lines =
        |n: usize, line: &dyn Fn(usize) -> String| (0..n).map(|idx| line(idx) + "\n").collect::<String>();
    let edges = |graph: usize| {
        let first = 3 * graph + 1;
        format!("{first}, {0}\n{0}, {first}\n{0}, {1}\n{1}, {0}", first + 1, first + 2)
    };
    for (part, text) in [
        ("A", lines(10, &edges)),
        ("graph_indicator", lines(30, &|node| (node / 3 + 1).to_string())),
        ("node_labels", lines(30, &|node| if node % 3 == 1 { "7".into() } else { "4".into() })),
    ] {
        fs::write(set.join(format!("ROLES_{part}.txt")), text).unwrap();
    }
}

#[test]
fn nodes_of_whole_graphs_are_parted_and_predictions_name_the_part() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_set(path);
    let model = "data = tu(\"ROLES\", target = node_labels)\nmodel = gcn(4) -> relu -> linear\ntrain { epochs = 2 }\n";
    fs::write(path.join("roles.hgnn"), model).unwrap();
    let (code, out, err) = hgnnc(path, &["check", "roles.hgnn"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("node classification (whole graphs are parted), checked against ROLES"), "{out}");
    let (code, _, err) = hgnnc(path, &["train", "roles.hgnn", "--out", "run"]);
    assert_eq!(code, Some(0), "{err}");
    let (code, out, err) = hgnnc(path, &["predict", "run"]);
    assert_eq!(code, Some(0), "{err}");
    let mut lines = out.lines();
    assert_eq!(lines.next(), Some("node,graph,part,class,p_4,p_7"));
    let mut parts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        parts.entry(cells[1]).or_default().push(cells[2]);
        assert!(["4", "7"].contains(&cells[3]), "{line}");
    }
    assert_eq!(parts.len(), 10);
    for part in ["train", "validation", "test"] {
        assert!(parts.values().any(|of_graph| of_graph == &[part; 3]), "{part}: {parts:?}");
    }
    // A set given by its name is read as the run read its own: the labels are the targets.
    let by_name = hgnnc(path, &["eval", "run", "--data", "ROLES"]);
    assert_eq!((by_name.0, by_name.1), (Some(0), hgnnc(path, &["eval", "run"]).1), "{}", by_name.2);
}

#[test]
fn the_features_do_not_hold_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_set(path);
    let model =
        "data = tu(\"ROLES\", target = node_labels, features = [labels, degree])\nmodel = gcn(4) -> linear\n";
    fs::write(path.join("leak.hgnn"), model).unwrap();
    let (code, out, err) = hgnnc(path, &["check", "leak.hgnn"]);
    assert_eq!(code, Some(1));
    assert!((out + &err).contains("data::target_among_features"));
}
