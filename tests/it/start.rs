//! `hgnnc new --data` for every kind of set: what it writes is accepted by `check` and `lint`, and where no file would be,
//! none is written.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

/// Exit code and all output of `hgnnc …` in a folder.
fn run(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_hgnnc"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("HGNN_DATA")
        .env("HGNN_OFFLINE", "1")
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .output()
        .expect("the binary runs");
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.code().expect("it ended by itself"), text)
}

/// A set of paths: which parts it has, line by line for each node or graph.
struct Kind {
    name: &'static str,
    n_graphs: usize,
    size: fn(usize) -> usize,
    has_edges: bool,
    node_label: Option<fn(usize) -> usize>,
    graph_label: Option<fn(usize) -> usize>,
    graph_attributes: Option<fn(usize) -> String>,
    node_attributes: bool,
}

const USUAL: Kind = Kind {
    name: "USUAL",
    n_graphs: 40,
    size: |graph| 5 + graph * 7 % 9,
    has_edges: true,
    node_label: Some(|node| node % 3),
    graph_label: Some(|graph| graph % 2),
    graph_attributes: None,
    node_attributes: false,
};

/// Sets that a model can be trained on.
fn right() -> Vec<Kind> {
    vec![
        USUAL,
        Kind { name: "NOFEATURES", node_label: None, ..USUAL },
        Kind { name: "ATTRIBUTES", node_label: None, node_attributes: true, ..USUAL },
        Kind {
            name: "VALUES",
            graph_label: None,
            graph_attributes: Some(|graph| format!("{}.5", graph % 7)),
            ..USUAL
        },
        Kind {
            name: "TWOVALUES",
            graph_label: None,
            graph_attributes: Some(|graph| format!("{}.5, {}", graph % 7, graph)),
            ..USUAL
        },
        Kind {
            name: "BAREVALUES",
            node_label: None,
            graph_label: None,
            graph_attributes: Some(|graph| format!("{}.5", graph % 7)),
            ..USUAL
        },
        Kind { name: "TINY", size: |graph| 1 + graph % 2, ..USUAL },
        Kind { name: "SMALL", size: |graph| 3 + graph % 2, ..USUAL },
        Kind { name: "POINTS", has_edges: false, ..USUAL },
        Kind { name: "SINGLE", size: |_| 1, has_edges: false, ..USUAL },
        Kind { name: "FEW", n_graphs: 6, ..USUAL },
        Kind { name: "RARE", graph_label: Some(|graph| usize::from(graph % 8 == 0)), ..USUAL },
        Kind { name: "MANY", graph_label: Some(|graph| graph % 4), ..USUAL },
        Kind { name: "WIDE", size: |graph| if graph == 0 { 200 } else { 6 }, ..USUAL },
        Kind { name: "LARGE", size: |graph| 60 + graph, ..USUAL },
    ]
}

fn write(folder: &Path, kind: &Kind) {
    let own = folder.join(kind.name);
    std::fs::create_dir_all(&own).expect("writable");
    let file = |part: &str, text: String| {
        std::fs::write(own.join(format!("{}_{part}.txt", kind.name)), text).expect("writable");
    };
    let (mut edges, mut graphs, mut labels, mut attributes) =
        (String::new(), String::new(), String::new(), String::new());
    let mut first = 1;
    for graph in 0..kind.n_graphs {
        let n_nodes = (kind.size)(graph);
        for node in first..first + n_nodes {
            let _ = writeln!(graphs, "{}", graph + 1);
            let _ = writeln!(attributes, "{}.25", node % 5);
            if let Some(label) = kind.node_label {
                let _ = writeln!(labels, "{}", label(node));
            }
            if node > first {
                let _ = writeln!(edges, "{}, {node}\n{node}, {}", node - 1, node - 1);
            }
        }
        first += n_nodes;
    }
    file("A", if kind.has_edges { edges } else { String::new() });
    file("graph_indicator", graphs);
    if kind.node_label.is_some() {
        file("node_labels", labels);
    }
    if kind.node_attributes {
        file("node_attributes", attributes);
    }
    let lines =
        |of: &dyn Fn(usize) -> String| (0..kind.n_graphs).map(|graph| of(graph) + "\n").collect::<String>();
    if let Some(label) = kind.graph_label {
        file("graph_labels", lines(&|graph| label(graph).to_string()));
    }
    if let Some(values) = kind.graph_attributes {
        file("graph_attributes", lines(&values));
    }
}

#[test]
fn a_new_file_is_accepted_whatever_the_data() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut report = String::new();
    for kind in right() {
        write(folder.path(), &kind);
        let file = format!("{}.hgnn", kind.name.to_lowercase());
        let (code, text) = run(folder.path(), &["new", &file, "--data", kind.name]);
        if code != 0 {
            let _ = writeln!(report, "{}: new ends with {code}\n{text}", kind.name);
            continue;
        }
        // Sets without edges are warned of whatever the model is.
        for arguments in
            [&["check", &file][..], &["lint", &file, "--deny", "all"], &["fmt", "--check", &file]]
        {
            let (code, text) = run(folder.path(), arguments);
            if code != 0 || (arguments[0] == "check" && text.contains("warning")) {
                let _ = writeln!(report, "{}: {arguments:?} ends with {code}\n{text}", kind.name);
            }
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn no_file_is_written_that_would_be_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (kind, code) in [
        (Kind { name: "NOLABELS", graph_label: None, ..USUAL }, "data::no_labels"),
        (Kind { name: "ONECLASS", graph_label: Some(|_| 1), ..USUAL }, "data::one_class"),
    ] {
        write(folder.path(), &kind);
        let file = format!("{}.hgnn", kind.name.to_lowercase());
        let (exit, text) = run(folder.path(), &["new", &file, "--data", kind.name]);
        assert!(exit == 1 && text.contains(code), "{exit}: {text}");
        assert!(!folder.path().join(&file).exists());
    }
    let (exit, text) = run(folder.path(), &["new", "a.hgnn", "--data", "MUTAGG"]);
    assert!(exit == 1 && text.contains("data::unknown_set"), "{exit}: {text}");
    assert!(!folder.path().join("a.hgnn").exists());
}

#[test]
fn a_path_is_written_as_the_new_file_sees_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(&folder.path().join("sets"), &USUAL);
    std::fs::create_dir(folder.path().join("models")).expect("writable");
    for (file, right) in [
        ("models/a.hgnn", "tu(\"../sets/USUAL\")"),
        ("b.hgnn", "tu(\"./sets/USUAL\")"),
        ("sets/c.hgnn", "tu(\"./USUAL\")"),
    ] {
        let (code, text) = run(folder.path(), &["new", file, "--data", "sets/USUAL"]);
        assert_eq!(code, 0, "{text}");
        let written = std::fs::read_to_string(folder.path().join(file)).expect("it was written");
        assert!(written.contains(right), "{file}: {written}");
        let (within, name) = file.split_once('/').unwrap_or((".", file));
        let (code, text) = run(&folder.path().join(within), &["check", name, "--deny", "all"]);
        assert_eq!(code, 0, "{text}");
    }
}

/// `check` and `lint` together say one thing of a place.
#[test]
fn one_fact_has_one_advice() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut report = String::new();
    for kind in right() {
        write(folder.path(), &kind);
        for (idx, model) in [
            "diffpool(k = 12) -> gcn(8) -> relu -> max -> mlp",
            "gat(8) -> relu -> mean -> mlp",
            "gcn(8) -> relu -> topk(k = 12) -> gcn(8) -> relu -> sum -> mlp",
        ]
        .iter()
        .enumerate()
        {
            let file = format!("{}{idx}.hgnn", kind.name.to_lowercase());
            let features =
                if kind.node_label.is_none() && !kind.node_attributes { ", features = degree" } else { "" };
            let text = format!("data = tu(\"./{}\"{features})\nmodel = {model}\n", kind.name);
            std::fs::write(folder.path().join(&file), text).expect("writable");
            let (_, said) = run(folder.path(), &["lint", &file, "--format", "short"]);
            let places: Vec<&str> = said
                .lines()
                .filter_map(|line| line.split(": ").next())
                .filter(|place| place.contains(".hgnn:"))
                .collect();
            let mut once = places.clone();
            once.sort_unstable();
            once.dedup();
            if once.len() != places.len() {
                let _ = writeln!(report, "{model} on {}:\n{said}", kind.name);
            }
        }
    }
    assert!(report.is_empty(), "\n{report}");
}
