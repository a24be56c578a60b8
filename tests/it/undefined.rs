//! Figures that are not defined, and classes that a part does not hold.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Graphs of three nodes in a path, one for each of these classes.
fn write_set(folder: &Path, classes: &[usize]) {
    let set = folder.join("SKEWED");
    fs::create_dir(&set).unwrap();
    let (mut edges, mut graphs, mut labels, mut nodes) =
        (String::new(), String::new(), String::new(), String::new());
    for (graph, class) in classes.iter().enumerate() {
        let first = 3 * graph + 1;
        edges += &format!("{first}, {0}\n{0}, {first}\n{0}, {1}\n{1}, {0}\n", first + 1, first + 2);
        graphs += &format!("{0}\n{0}\n{0}\n", graph + 1);
        labels += &format!("{class}\n");
        nodes += &format!("{}\n0\n1\n", graph % 3);
    }
    for (part, text) in
        [("A", edges), ("graph_indicator", graphs), ("graph_labels", labels), ("node_labels", nodes)]
    {
        fs::write(set.join(format!("SKEWED_{part}.txt")), text).unwrap();
    }
}

/// A folder with the set and a model that trains on it with these settings.
fn folder_with(classes: &[usize], settings: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_set(folder.path(), classes);
    let model = format!("data = tu(\"./SKEWED\")\nmodel = sage(4) -> relu -> mean -> mlp\n{settings}\n");
    fs::write(folder.path().join("m.hgnn"), model).unwrap();
    folder
}

fn hgnnc(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hgnnc"));
    command.current_dir(folder).env_remove("HGNN_DATA").env_remove("COLUMNS").env("HGNN_OFFLINE", "1");
    let output = command.args(args).output().expect("the command starts");
    let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn classes(counts: &[usize]) -> Vec<usize> {
    counts.iter().enumerate().flat_map(|(class, &n)| std::iter::repeat_n(class, n)).collect()
}

#[test]
fn a_watched_figure_that_is_not_defined_is_refused_by_check_and_by_train() {
    // A tenth of 19 and 3 is 2 of the first class.
    let watched = "train { epochs = 2, early_stop = best(monitor = val_roc_auc) }";
    let folder = folder_with(&classes(&[19, 3]), watched);
    for args in [&["check", "m.hgnn"][..], &["train", "m.hgnn", "--out", "run"]] {
        let (code, out, err) = hgnnc(folder.path(), args);
        assert_eq!(code, Some(1), "{out}{err}");
        let text = out + &err;
        assert!(text.contains("training::undefined_monitor") && text.contains("`val_roc_auc`"), "{text}");
        assert!(!folder.path().join("run").exists());
    }
    let enough = "train { epochs = 2, early_stop = best(monitor = val_roc_auc) }\n\
                  evaluate { protocol = holdout(validation = 0.3, test = 0.3), metrics = [roc_auc] }";
    let folder = folder_with(&classes(&[19, 3]), enough);
    let (code, out, err) = hgnnc(folder.path(), &["train", "m.hgnn", "--out", "run"]);
    assert_eq!((code, err.contains("warning")), (Some(0), false), "{out}{err}");
}

#[test]
fn classes_that_a_part_does_not_hold_are_named_and_figures_over_them_marked() {
    let settings = "train { epochs = 2 }\nevaluate { metrics = [accuracy, macro_f1, roc_auc] }";
    let folder = folder_with(&classes(&[29, 28, 3]), settings);
    let path = folder.path();
    let (code, out, _) = hgnnc(path, &["check", "m.hgnn"]);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("training::absent_class") && out.contains("3 of 60 items"), "{out}");
    assert!(out.contains("or measure with `k_fold`"), "{out}");
    // Who measures with `k_fold` is not told to.
    let folds = settings.replace("{ metrics", "{ protocol = k_fold(10), metrics");
    let folded = folder_with(&classes(&[29, 28, 3]), &folds);
    let (code, out, _) = hgnnc(folded.path(), &["check", "m.hgnn"]);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("training::absent_class") && out.contains("fewer folds"), "{out}");
    assert!(!out.contains("with `k_fold`"), "{out}");
    let (code, out, err) = hgnnc(path, &["train", "m.hgnn", "--out", "run"]);
    assert_eq!(code, Some(0), "{err}");
    let warnings: Vec<&str> = err.lines().filter(|line| line.starts_with("warning")).collect();
    assert_eq!(
        warnings,
        [
            "warning: class 2 (3 of 60 graphs) is absent from the validation part and the test part: figures there say \
          nothing about it, and `macro_f1` and `roc_auc` are means over the other classes"
        ]
    );
    let row = |text: &str, name: &str| {
        let row = text.lines().find(|line| line.trim_start().starts_with(name)).expect("a row of its own");
        row.split_whitespace().skip(1).map(|cell| cell.ends_with('*')).collect::<Vec<_>>()
    };
    for text in [&out, &hgnnc(path, &["eval", "run"]).1] {
        assert_eq!(row(text, "macro_f1"), [false, true, true], "{text}");
        assert_eq!(row(text, "roc_auc"), [false, true, true], "{text}");
        assert_eq!(row(text, "accuracy"), [false; 3], "{text}");
        assert!(text.contains("absent: class 2 in validation and test"), "{text}");
    }
    let summary: Value =
        serde_json::from_str(&fs::read_to_string(path.join("run/summary.json")).unwrap()).unwrap();
    let expected = serde_json::json!({ "test": ["2"], "validation": ["2"] });
    assert_eq!(summary["units"][0]["absent_classes"], expected);
    let (_, scored, _) = hgnnc(path, &["eval", "run", "--format", "json"]);
    let scored: Value = serde_json::from_str(&scored).unwrap();
    assert_eq!(scored[0]["parts"][0].get("absent_classes"), None);
    assert_eq!(scored[0]["parts"][2]["absent_classes"], serde_json::json!(["2"]));
}

/// Folds differ: with five items of a class in ten folds, half of the test parts have none.
#[test]
fn means_say_of_how_many_runs_they_are() {
    let settings = "train { epochs = 1 }\nevaluate { protocol = k_fold(10), metrics = [roc_auc] }";
    let folder = folder_with(&classes(&[45, 5]), settings);
    let (code, out, err) = hgnnc(folder.path(), &["train", "m.hgnn", "--out", "run"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("`roc_auc` is not defined on the test part of 5 of 10 runs"), "{err}");
    assert!(out.contains("(5 of 10 runs)"), "{out}");
    assert!(hgnnc(folder.path(), &["eval", "run"]).1.contains("(5 of 10 runs)"));
}
