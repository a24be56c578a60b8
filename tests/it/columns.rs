//! Data given to a model that was trained on other data: read with the same columns, or refused by what they mean.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Twelve graphs of three nodes in a path, whose nodes have what `part` says.
fn write_set(folder: &Path, name: &str, part: &str, line: impl Fn(usize) -> String) {
    let set = folder.join(name);
    fs::create_dir(&set).unwrap();
    let lines =
        |n: usize, line: &dyn Fn(usize) -> String| (0..n).map(|idx| line(idx) + "\n").collect::<String>();
    let edges = lines(12, &|graph| {
        let first = 3 * graph + 1;
        format!("{first}, {0}\n{0}, {first}\n{0}, {1}\n{1}, {0}", first + 1, first + 2)
    });
    for (name_of_part, text) in [
        ("A", edges),
        ("graph_indicator", lines(36, &|node| (node / 3 + 1).to_string())),
        ("graph_labels", lines(12, &|graph| (graph % 2).to_string())),
        (part, lines(36, &line)),
    ] {
        fs::write(set.join(format!("{name}_{name_of_part}.txt")), text).unwrap();
    }
}

fn hgnnc(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hgnnc"));
    command.current_dir(folder).env("HGNN_DATA", folder).env_remove("COLUMNS").env("HGNN_OFFLINE", "1");
    let output = command.args(args).output().expect("the command starts");
    let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A folder with three sets whose features have three columns each, and a run on each of two of them.
fn three_sets() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_set(path, "LABELS", "node_labels", |node| (node % 3).to_string());
    write_set(path, "SHIFTED", "node_labels", |node| (node % 3 + 1).to_string());
    write_set(path, "REAL", "node_attributes", |node| format!("{node}, 0.5, 1"));
    for (name, call) in [("labels", "tu(\"LABELS\")"), ("degrees", "tu(\"LABELS\", features = degree)")] {
        let model =
            format!("data = {call}\nmodel = sage(4) -> relu -> mean -> mlp\ntrain {{ epochs = 1 }}\n");
        fs::write(path.join(format!("{name}.hgnn")), model).unwrap();
        let (code, _, err) = hgnnc(path, &["train", &format!("{name}.hgnn"), "--out", name]);
        assert_eq!(code, Some(0), "{err}");
    }
    folder
}

#[test]
fn other_columns_are_refused_by_what_they_mean() {
    let folder = three_sets();
    let refused = |args: &[&str], expected: &[&str]| {
        for command in ["predict", "eval"] {
            let (code, out, err) = hgnnc(folder.path(), &[&[command], args].concat());
            assert_eq!((code, out.as_str()), (Some(2), ""), "{args:?} {err}");
            assert!(expected.iter().all(|part| err.contains(part)), "{expected:?} in {err}");
        }
    };
    refused(
        &["labels", "--data", "REAL"],
        &["trained with 3 node labels (0, 1, 2)", "REAL has no node labels"],
    );
    let attributes = "tu(\"REAL\", features = attributes)";
    refused(&["labels", "--data", attributes], &["3 node labels (0, 1, 2)", "REAL gives 3 node attributes"]);
    refused(&["labels", "--data", "SHIFTED"], &["node label 3 does not occur"]);
    refused(
        &["labels", "--data", "tu(\"LABELS\", features = degree)"],
        &["3 node labels (0, 1, 2)", "degrees"],
    );
    refused(&["labels", "--data", "karate"], &["3 node labels (0, 1, 2)", "karate()"]);
}

#[test]
fn a_set_given_by_name_is_read_as_the_run_read_it() {
    let folder = three_sets();
    let path = folder.path();
    for run in ["labels", "degrees"] {
        let own = hgnnc(path, &["predict", run]);
        assert_eq!(own.0, Some(0), "{}", own.2);
        assert_eq!(hgnnc(path, &["predict", run, "--data", "LABELS"]), own);
        assert_eq!(hgnnc(path, &["eval", run, "--data", "LABELS"]), hgnnc(path, &["eval", run]));
    }
    // Degrees are there whatever else the nodes have.
    assert_eq!(hgnnc(path, &["predict", "degrees", "--data", "REAL"]).0, Some(0));
}

/// A list of features, with what a run makes of them: signs drawn for its batches, columns scaled by its training part.
#[test]
fn a_list_of_features_is_computed_of_other_data_as_it_was_of_the_runs_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_set(path, "LABELS", "node_labels", |node| (node % 3).to_string());
    write_set(path, "SHIFTED", "node_labels", |node| (node % 3 + 1).to_string());
    write_set(path, "REAL", "node_attributes", |node| format!("{node}, 0.5, 1"));
    let list = "[labels, degree, degree_profile, laplacian(1), random_walk(3)]";
    let model = format!(
        "data = tu(\"LABELS\", features = {list}, normalize = columns)\nmodel = sage(4) -> relu -> mean -> mlp\n\
         train {{ epochs = 3, batch_size = 4 }}\n"
    );
    fs::write(path.join("list.hgnn"), model).unwrap();
    for run in ["list", "again"] {
        let (code, _, err) = hgnnc(path, &["train", "list.hgnn", "--out", run]);
        assert_eq!(code, Some(0), "{err}");
    }
    let file = |run: &str, name: &str| fs::read(path.join(run).join(name)).unwrap();
    for name in ["metrics.jsonl", "checkpoint.safetensors"] {
        assert_eq!(file("list", name), file("again", name), "{name}");
    }
    for command in ["eval", "predict"] {
        let own = hgnnc(path, &[command, "list"]);
        assert_eq!(own.0, Some(0), "{}", own.2);
        for data in ["LABELS", &format!("tu(\"LABELS\", features = {list}, normalize = columns)")] {
            assert_eq!(hgnnc(path, &[command, "list", "--data", data]), own, "{data}");
        }
        for (data, expected) in [
            ("SHIFTED", "node label 3 does not occur"),
            ("REAL", "`labels` needs `REAL_node_labels.txt`"),
            (
                "tu(\"LABELS\", features = [labels, degree])",
                "3 node labels (0, 1, 2), degrees from 0 to 2, 5 columns",
            ),
        ] {
            let (code, _, err) = hgnnc(path, &[command, "list", "--data", data]);
            assert_eq!(code, Some(2), "{err}");
            let err = err.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(err.contains(expected), "{expected} in {err}");
        }
    }
    let (_, out, _) = hgnnc(path, &["data", &format!("tu(\"LABELS\", features = {list})")]);
    let out = out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(out.contains("1 Laplacian eigenvector and 3 return probabilities of random walks"), "{out}");
}

#[test]
fn edges_are_read_as_the_run_read_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_set(path, "LABELS", "node_labels", |node| (node % 3).to_string());
    // Edges of one direction, two of them parallel.
    fs::write(path.join("LABELS/LABELS_A.txt"), "1, 2\n1, 2\n3, 2\n4, 5\n").unwrap();
    let options = "loops = add, undirected = true, parallel = drop";
    let model = format!(
        "data = tu(\"LABELS\", {options})\nmodel = sage(4, aggregate = sum) -> relu -> mean -> mlp\ntrain {{ epochs = 1 }}\n"
    );
    fs::write(path.join("edges.hgnn"), model).unwrap();
    let (code, _, err) = hgnnc(path, &["train", "edges.hgnn", "--out", "edges"]);
    assert_eq!(code, Some(0), "{err}");
    for command in ["eval", "predict"] {
        let own = hgnnc(path, &[command, "edges"]);
        assert_eq!(own.0, Some(0), "{}", own.2);
        for data in ["LABELS", "./LABELS", "tu(\"LABELS\")", &format!("tu(\"LABELS\", {options})")] {
            assert_eq!(hgnnc(path, &[command, "edges", "--data", data]), own, "{data}");
        }
        for (now, then) in [
            ("loops = keep", "loops = add"),
            ("undirected = false", "undirected = true"),
            ("parallel = keep", "parallel = drop"),
        ] {
            let other = hgnnc(path, &[command, "edges", "--data", &format!("tu(\"LABELS\", {now})")]);
            assert_eq!(other.0, Some(0), "{}", other.2);
            assert_ne!(other.1, own.1, "{now}");
            assert!(
                other.2.contains(&format!("`{now}`")) && other.2.contains(&format!("`{then}`")),
                "{}",
                other.2
            );
        }
    }
}

#[test]
fn self_loops_of_another_kind_than_in_training_are_refused_with_what_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_set(path, "LABELS", "node_labels", |node| (node % 3).to_string());
    let labels: String = (0..48).map(|edge| format!("{}\n", edge % 2)).collect();
    fs::write(path.join("LABELS/LABELS_edge_labels.txt"), labels).unwrap();
    for (name, options, other, advice) in [
        ("with", ", loops = add", "loops = keep", "write `loops = add`"),
        ("without", "", "loops = add", "leave `loops = add` out"),
    ] {
        let model = format!(
            "data = tu(\"LABELS\"{options})\nmodel = rgcn(4, relation = edge_labels) -> relu -> mean -> mlp\n\
             train {{ epochs = 1 }}\n"
        );
        fs::write(path.join(format!("{name}.hgnn")), model).unwrap();
        let (code, _, err) = hgnnc(path, &["train", &format!("{name}.hgnn"), "--out", name]);
        assert_eq!(code, Some(0), "{err}");
        assert_eq!(hgnnc(path, &["eval", name, "--data", "LABELS"]), hgnnc(path, &["eval", name]));
        let (code, _, err) = hgnnc(path, &["eval", name, "--data", &format!("tu(\"LABELS\", {other})")]);
        assert_eq!(code, Some(2), "{err}");
        assert!(err.contains("added self-loops") && err.contains(advice), "{err}");
    }
}

#[test]
fn a_record_and_a_run_that_begins_with_other_weights_say_what_columns_mean() {
    let folder = three_sets();
    let path = folder.path();
    let record: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(path.join("labels/run.json")).unwrap()).unwrap();
    assert_eq!(record["columns"]["columns"][0]["labels"]["values"], serde_json::json!([0, 1, 2]));
    let model = "data = tu(\"REAL\")\nmodel = sage(4) -> relu -> mean -> mlp\ntrain { epochs = 1 }\n";
    fs::write(path.join("real.hgnn"), model).unwrap();
    let (code, _, err) = hgnnc(path, &["train", "real.hgnn", "--init-from", "labels", "--out", "real"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("LABELS has 3 node labels (0, 1, 2), REAL has 3 node attributes"), "{err}");
    // A run is not resumed on columns of another meaning, though their numbers are the same.
    let (code, _, err) = hgnnc(path, &["train", "labels.hgnn", "--out", "again", "--epochs", "1"]);
    assert_eq!(code, Some(0), "{err}");
    fs::remove_dir_all(path.join("LABELS")).unwrap();
    write_set(path, "LABELS", "node_labels", |node| (node % 3 + 4).to_string());
    fs::remove_file(path.join("again/summary.json")).unwrap();
    let (code, _, err) = hgnnc(path, &["train", "--resume", "again"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("3 node labels (0, 1, 2)") && err.contains("3 node labels (4, 5, 6)"), "{err}");
}

/// The first label is there on graphs whose nodes have the label 1, the second on none, the third on all.
#[test]
fn of_several_labels_each_is_predicted_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_set(path, "MANY", "node_labels", |node| (node / 3 % 2).to_string());
    let labels: String = (0..12).map(|graph| format!("{}, 0, 1\n", graph % 2)).collect();
    fs::write(path.join("MANY/MANY_graph_labels.txt"), labels).unwrap();
    let model = "data = tu(\"MANY\")\nmodel = sage(8) -> relu -> mean -> mlp\n\
                 train { epochs = 60, optimizer = adam(0.05) }\nevaluate { protocol = holdout(validation = 0.2, test = 0.2) }\n";
    fs::write(path.join("many.hgnn"), model).unwrap();
    let (code, out, err) = hgnnc(path, &["train", "many.hgnn", "--out", "many"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("micro_f1") && out.contains("roc_auc"), "the metrics of the task: {out}");
    let (_, shown, _) = hgnnc(path, &["show", "many.hgnn"]);
    assert!(shown.contains("graph multilabel classification, 3 outputs") && shown.contains("bce"), "{shown}");
    let (_, csv, _) = hgnnc(path, &["predict", "many"]);
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("graph,id,labels,p_1,p_2,p_3"));
    for (graph, line) in lines.enumerate() {
        let expected = if graph % 2 == 1 { "1 3" } else { "3" };
        assert!(line.starts_with(&format!("{graph},{},{expected},", graph + 1)), "{csv}");
    }
    let (_, json, _) = hgnnc(path, &["predict", "many", "--format", "json"]);
    let first: serde_json::Value = serde_json::from_str(json.lines().nth(1).unwrap()).unwrap();
    assert_eq!(first["labels"], serde_json::json!(["1", "3"]));
    assert!(first["probabilities"]["2"].as_f64().unwrap() < 0.5, "{first}");
    let (code, out, err) = hgnnc(path, &["eval", "many"]);
    assert!(code == Some(0) && out.contains("micro_f1"), "{out} {err}");
    let (_, said, _) = hgnnc(path, &["data", "MANY"]);
    assert!(said.contains("label 1") && said.contains("6 of 12"), "{said}");
}
