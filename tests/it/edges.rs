//! Edges that are predicted: what the model computes of them, which parts they are in, and what the commands say.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

fn hgnnc(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hgnnc"));
    command.current_dir(folder).env("HGNN_DATA", folder).env_remove("COLUMNS").env("HGNN_OFFLINE", "1");
    let output = command.args(args).output().expect("the command starts");
    let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A command that has to succeed: what it wrote.
fn done(folder: &Path, args: &[&str]) -> String {
    let (code, out, err) = hgnnc(folder, args);
    assert_eq!(code, Some(0), "{args:?}: {out}{err}");
    out
}

/// What a command that has to fail said, with its code.
fn refused(folder: &Path, args: &[&str], code: &str) -> String {
    let (exit, out, err) = hgnnc(folder, args);
    assert_eq!(exit, Some(1), "{args:?}: {out}{err}");
    let all = out + &err;
    assert!(all.contains(code), "{args:?}: {all}");
    all
}

/// Twelve graphs, each a path of four nodes with labels 0, 0, 1, 1: the kind of an edge follows from the labels of its ends.
fn write_set(folder: &Path) {
    let set = folder.join("BONDS");
    fs::create_dir(&set).unwrap();
    let mut parts: BTreeMap<&str, String> = BTreeMap::new();
    for graph in 0..12 {
        for node in 0..4 {
            *parts.entry("graph_indicator").or_default() += &format!("{}\n", graph + 1);
            *parts.entry("node_labels").or_default() += &format!("{}\n", node / 2);
        }
        for (edge, label) in [(0, 5), (1, 7), (2, 9)] {
            let (from, to) = (4 * graph + edge + 1, 4 * graph + edge + 2);
            *parts.entry("A").or_default() += &format!("{from}, {to}\n{to}, {from}\n");
            *parts.entry("edge_labels").or_default() += &format!("{label}\n{label}\n");
            *parts.entry("edge_attributes").or_default() += &format!("{0}.5\n{0}.5\n", label);
        }
    }
    for (part, text) in parts {
        fs::write(set.join(format!("BONDS_{part}.txt")), text).unwrap();
    }
}

const MODEL: &str = "data = tu(\"BONDS\", target = edge_labels, edge_features = none)\nmodel = linear(16) -> relu -> pairs(sum) -> mlp\n\
                     train { epochs = 60, optimizer = adam(lr = 0.05), batch_size = 4 }\n";

#[test]
fn kinds_of_edges_are_learned_from_their_ends_and_written_with_both() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_set(path);
    fs::write(path.join("bonds.hgnn"), MODEL).unwrap();
    let out = done(path, &["check", "bonds.hgnn"]);
    assert!(out.contains("edge classification (whole graphs are parted), checked against BONDS"), "{out}");
    let out = done(path, &["data", "tu(\"BONDS\", target = edge_labels, edge_features = none)"]);
    assert!(out.contains("36 edges (an edge and its reverse are one)"), "{out}");
    done(path, &["check", "bonds.hgnn", "--witness"]);
    done(path, &["estimate", "bonds.hgnn"]);
    done(path, &["train", "bonds.hgnn", "--out", "run"]);
    let out = done(path, &["eval", "run"]);
    assert!(out.contains("accuracy"), "{out}");
    let out = done(path, &["predict", "run"]);
    let mut lines = out.lines();
    assert_eq!(lines.next(), Some("source,target,graph,part,class,p_5,p_7,p_9"));
    let mut parts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let (mut n_right, mut n_lines) = (0, 0);
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        let [source, target] = [0, 1].map(|cell| cells[cell].parse::<usize>().unwrap());
        assert_eq!((source + 1, source / 4), (target, cells[2].parse::<usize>().unwrap()), "{line}");
        parts.entry(cells[2]).or_default().push(cells[3]);
        n_right += usize::from(cells[4] == ["5", "7", "9"][source % 4]);
        n_lines += 1;
    }
    assert_eq!((n_lines, n_right), (36, 36), "{out}");
    assert!(parts.values().all(|of_graph| of_graph.iter().all(|part| *part == of_graph[0])), "{parts:?}");

    // The same edges of a set without their labels.
    for part in ["edge_labels", "edge_attributes"] {
        fs::remove_file(path.join(format!("BONDS/BONDS_{part}.txt"))).unwrap();
    }
    let other = done(path, &["predict", "run", "--data", "tu(\"BONDS\")"]);
    let classes = |text: &str, column: usize| -> Vec<String> {
        text.lines().skip(1).map(|line| line.split(',').nth(column).unwrap().to_owned()).collect()
    };
    assert_eq!(classes(&other, 3), classes(&out, 4));
}

#[test]
fn edges_are_parted_by_themselves_where_the_file_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_set(path);
    let by = |word: &str| format!("{MODEL}evaluate {{ protocol = holdout(test = 0.3, by = {word}) }}\n");
    fs::write(path.join("bonds.hgnn"), by("edges")).unwrap();
    let out = done(path, &["check", "bonds.hgnn"]);
    assert!(out.contains("(the edges of all graphs are parted)"), "{out}");
    done(path, &["train", "bonds.hgnn", "--out", "run"]);
    let out = done(path, &["predict", "run"]);
    let mut parts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in out.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        parts.entry(cells[2]).or_default().push(cells[3]);
    }
    assert!(parts.values().any(|of_graph| of_graph.iter().any(|part| *part != of_graph[0])), "{parts:?}");
    fs::write(path.join("nodes.hgnn"), by("nodes")).unwrap();
    let said = refused(path, &["check", "nodes.hgnn"], "args::no_effect");
    assert!(said.contains("is about edges, and not about nodes"), "{said}");
}

#[test]
fn values_of_edges_are_learned_with_what_else_the_edges_carry() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_set(path);
    let text = "data = tu(\"BONDS\", target = edge_attributes)\nmodel = sage(8) -> relu -> pairs(sum, edge = edges) -> mlp\n\
                train { epochs = 60, optimizer = adam(lr = 0.05) }\n";
    fs::write(path.join("values.hgnn"), text).unwrap();
    let out = done(path, &["show", "values.hgnn"]);
    assert!(out.contains("edges_of_pairs (added)") && out.contains("pairs[P, 13]"), "{out}");
    done(path, &["check", "values.hgnn", "--witness"]);
    done(path, &["train", "values.hgnn", "--out", "run"]);
    let out = done(path, &["predict", "run", "--format", "jsonl"]);
    for line in out.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let expected = [5.5, 7.5, 9.5][line["source"].as_u64().unwrap() as usize % 4];
        let value = line["value"].as_f64().unwrap();
        assert!((value - expected).abs() < 0.5, "{line}");
    }
}

/// A cycle of eight nodes whose edges have a class and a weight; each stands once, in its direction.
fn write_tables(folder: &Path) {
    let mut edges = "source,target,role,weight,split\n".to_owned();
    for node in 0..8 {
        let role = if node % 2 == 0 { "out" } else { "back" };
        let part = ["train", "train", "train", "train", "validation", "validation", "test", "test"][node];
        edges += &format!("{node},{},{role},{node}.5,{part}\n", (node + 1) % 8);
    }
    let nodes: String = (0..8).map(|node| format!("{node},n{node},{}\n", node % 2)).collect();
    fs::write(folder.join("edges.csv"), edges).unwrap();
    fs::write(folder.join("nodes.csv"), format!("id,name,side\n{nodes}")).unwrap();
}

#[test]
fn a_column_of_a_table_of_edges_is_predicted_in_its_direction_or_without() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_tables(path);
    let call = |options: &str| {
        format!("tables(edges = \"edges.csv\", nodes = \"nodes.csv\", target = \"role\"{options})")
    };
    let text = |options: &str, combine: &str| {
        format!(
            "data = {}\nmodel = linear(8) -> relu -> pairs({combine}, edge = edges) -> mlp\n\
             train {{ epochs = 40, optimizer = adam(lr = 0.05) }}\n",
            call(options)
        )
    };
    fs::write(path.join("roles.hgnn"), text("", "concat")).unwrap();
    let out = done(path, &["data", &call("")]);
    assert!(
        out.contains("8 edges (each edge in its direction)") && out.contains("4 train, 2 validation, 2 test"),
        "{out}"
    );
    done(path, &["check", "roles.hgnn", "--witness"]);
    done(path, &["train", "roles.hgnn", "--out", "run"]);
    let out = done(path, &["predict", "run"]);
    let mut lines = out.lines();
    assert_eq!(lines.next(), Some("source,target,graph,source_name,target_name,part,class,p_back,p_out"));
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        let source: usize = cells[0].parse().unwrap();
        assert_eq!(
            (cells[3], cells[6]),
            (format!("n{source}").as_str(), ["out", "back"][source % 2]),
            "{line}"
        );
        let part = match source {
            0..4 => "train",
            4..6 => "validation",
            _ => "test",
        };
        assert_eq!(cells[5], part, "{line}");
    }
    // With added reverses of the same target, which end comes first is nowhere said.
    fs::write(path.join("both.hgnn"), text(", undirected = true", "concat")).unwrap();
    refused(path, &["check", "both.hgnn"], "symmetry::depends_on_numbering");
    fs::write(path.join("both.hgnn"), text(", undirected = true", "sum")).unwrap();
    let out = done(path, &["data", &call(", undirected = true")]);
    assert!(out.contains("8 edges (an edge and its reverse are one)"), "{out}");
    done(path, &["check", "both.hgnn", "--witness"]);
}

#[test]
fn the_answer_is_read_as_nothing_else_and_mistakes_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_set(path);
    write_tables(path);
    let check = |data: &str, model: &str, code: &str| {
        fs::write(path.join("model.hgnn"), format!("data = {data}\nmodel = {model}\n")).unwrap();
        refused(path, &["check", "model.hgnn"], code)
    };
    let ends = "linear(4) -> pairs(sum) -> mlp";
    check("tu(\"BONDS\", target = edge_labels, edge_features = both)", ends, "data::target_among_features");
    check(
        "tu(\"BONDS\", target = edge_attributes, edge_features = attributes)",
        ends,
        "data::target_among_features",
    );
    let said = check(
        "tu(\"BONDS\", target = edge_labels)",
        "rgcn(4, relation = edge_labels) -> pairs(sum) -> mlp",
        "data::no_edge_kinds",
    );
    assert!(said.contains("to be predicted"), "{said}");
    check(
        "tu(\"BONDS\", target = edge_labels)",
        "linear(4) -> pairs(concat) -> mlp",
        "symmetry::depends_on_numbering",
    );
    check("tu(\"BONDS\", target = edge_labels)", "linear(4) -> mean -> mlp", "task::wrong_end");
    check("karate()", ends, "task::unfinished");
    let table = "tables(edges = \"edges.csv\", nodes = \"nodes.csv\", target = \"role\"";
    check(&format!("{table}, kinds = \"role\")"), ends, "data::target_among_features");
    let said = check(&format!("{}x\")", table.trim_end_matches('"')), ends, "data::unknown_column");
    assert!(said.contains("did you mean `role`?"), "{said}");
    // An edge and its reverse are one, and stand in two parts.
    let edges = fs::read_to_string(path.join("edges.csv")).unwrap();
    let reverses: String = edges
        .lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            format!("{},{},{},{},train\n", cells[1], cells[0], cells[2], cells[3])
        })
        .collect();
    fs::write(path.join("edges.csv"), edges + &reverses).unwrap();
    let said = check(&format!("{table})"), ends, "data::in_two_parts");
    assert!(said.contains("edges.csv:"), "{said}");
}
