//! Values that a file leaves open, the protocols that models are compared by, and what is made of several runs.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const DATA: &str = "data = hierarchy(60, community_size = 16)\n";

fn hgnnc(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hgnnc"));
    command.current_dir(folder).env_remove("HGNN_DATA").env("HGNN_OFFLINE", "1").args(args);
    command.output().expect("the command starts")
}

/// Runs and expects this exit code; standard output.
#[track_caller]
fn check(folder: &Path, args: &[&str], code: i32) -> String {
    let output = hgnnc(folder, args);
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}\n{err}");
    String::from_utf8(output.stdout).expect("output is UTF-8")
}

fn folder_with(model: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("m.hgnn"), DATA.to_owned() + model).unwrap();
    folder
}

/// A sealed record without its seal.
#[track_caller]
fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn lines(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The figure of the kept epoch, by the records of the epochs.
fn kept(path: &Path, figure: &str) -> f64 {
    let records = lines(path);
    let kept = records.iter().rev().find(|record| record["is_kept"] == true).expect("an epoch is kept");
    kept["validation"][figure].as_f64().unwrap()
}

const OPEN: &str = "let width = search(4, 8)
model = sage(width) -> relu -> mean -> mlp
train { epochs = 4, batch_size = 8, optimizer = adam(lr = search(1e-3 .. 1e-1, log)) }
evaluate { protocol = k_fold(2, inner_holdout = 0.2), search = random(3), metrics = [accuracy, macro_f1] }
";

#[test]
fn a_search_chooses_by_the_validation_part_what_a_plain_file_would_have_come_to() {
    let folder = folder_with(OPEN);
    let path = folder.path();
    check(path, &["train", "m.hgnn", "--out", "run"], 0);
    for fold in ["fold-1", "fold-2"] {
        let trials = json(&path.join("run/search").join(fold).join("trials.json"));
        let list = trials["trials"].as_array().unwrap();
        assert_eq!(list.len(), 3);
        let figure = |trial: &Value| trial["figure"].as_f64().unwrap();
        let chosen = &list[trials["chosen"].as_u64().unwrap() as usize];
        let loss = |trial: &Value| trial["validation"]["loss"].as_f64().unwrap();
        let is_worse = |trial: &Value| figure(trial) < figure(chosen) || loss(trial) >= loss(chosen);
        assert!(list.iter().all(|trial| figure(trial) <= figure(chosen) && is_worse(trial)), "{trials}");
        // The figure is that of the trial's own records, and no epoch of a trial knows the test part.
        for (idx, trial) in list.iter().enumerate() {
            let records = path.join(format!("run/search/{fold}/trial-{:03}/metrics.jsonl", idx + 1));
            assert_eq!(kept(&records, "accuracy"), figure(trial));
            assert_eq!(lines(&records).len(), 4);
        }
        // The model of the fold is a plain file with the chosen values.
        let checkpoint = fs::read(path.join("run").join(fold).join("checkpoint.safetensors")).unwrap();
        let checkpoint = String::from_utf8_lossy(&checkpoint).into_owned();
        let width = chosen["values"]["width"].as_str().unwrap();
        let lr = chosen["values"]["train.optimizer.lr"].as_str().unwrap();
        assert!(
            checkpoint.contains(&format!("let width = {width}"))
                && checkpoint.contains(&format!("lr = {lr}"))
        );
        // Trained by itself it comes to the same bytes.
        let plain = OPEN
            .replace("search(4, 8)", width)
            .replace("search(1e-3 .. 1e-1, log)", lr)
            .replace(", search = random(3)", "");
        fs::write(path.join("plain.hgnn"), DATA.to_owned() + &plain).unwrap();
        check(path, &["train", "plain.hgnn", "--out", "plain", "--force"], 0);
        for name in ["metrics.jsonl", "split.json"] {
            let of = |run: &str| fs::read(path.join(run).join(fold).join(name)).unwrap();
            assert!(of("run") == of("plain"), "{fold}/{name}");
        }
    }
    let summary = json(&path.join("run/summary.json"));
    assert_eq!(summary["units"][0]["searched"].as_object().unwrap().len(), 2);
    let listed = check(path, &["runs", "run", "--trials"], 0);
    let starred = listed.lines().filter(|line| line.contains(" * ")).count();
    assert!(
        starred == 3 && listed.lines().count() == 9,
        "two folds, their three trials, and what the star means: {listed}"
    );
    // What was trained can be used.
    check(path, &["eval", "run"], 0);
    check(path, &["predict", "run/fold-1", "--data", "hierarchy(6, community_size = 16)"], 0);
}

#[test]
fn a_trial_that_diverges_is_recorded_and_does_not_end_the_search() {
    // Nothing that could fall silent and stay finite.
    let open = OPEN
        .replace("relu -> mean -> mlp", "mean -> linear")
        .replace("search(1e-3 .. 1e-1, log)", "search(1e38, 1e-2)")
        .replace("adam(", "sgd(")
        .replace("random(3)", "grid");
    let folder = folder_with(&open);
    let path = folder.path();
    check(path, &["train", "m.hgnn", "--out", "run"], 0);
    let trials = json(&path.join("run/search/fold-1/trials.json"));
    let list = trials["trials"].as_array().unwrap();
    assert_eq!(list.len(), 4);
    for trial in list {
        let has_diverged = trial["values"]["train.optimizer.lr"] == "1e38";
        assert_eq!(trial["status"], if has_diverged { "diverged" } else { "finished" });
        assert_eq!(trial["reason"].is_string(), has_diverged);
    }
    assert_eq!(list[trials["chosen"].as_u64().unwrap() as usize]["values"]["train.optimizer.lr"], "1e-2");
    // Where all of them do, there is nothing to choose.
    let all = open.replace("1e38, 1e-2", "1e38, 2e38");
    fs::write(path.join("all.hgnn"), DATA.to_owned() + &all).unwrap();
    let output = hgnnc(path, &["train", "all.hgnn", "--out", "all"]);
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("none of 4 trials could be trained"), "{err}");
}

#[test]
fn a_fold_counts_with_the_mean_of_its_runs() {
    let model = "model = sage(4) -> relu -> mean -> mlp
train { epochs = 2, batch_size = 8 }
evaluate { protocol = k_fold(3, inner_holdout = 0.2), final_runs = 2 }
";
    let folder = folder_with(model);
    let path = folder.path();
    check(path, &["train", "m.hgnn", "--out", "run"], 0);
    let summary = json(&path.join("run/summary.json"));
    let units = summary["units"].as_array().unwrap();
    assert_eq!(units.len(), 6);
    let test = |idx: usize| units[idx]["test"]["accuracy"].as_f64().unwrap();
    let means: Vec<f64> = [0, 2, 4].map(|idx| (test(idx) + test(idx + 1)) / 2.0).into();
    let mean = means.iter().sum::<f64>() / 3.0;
    let deviation = (means.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 2.0).sqrt();
    assert!((summary["test"]["accuracy"]["mean"].as_f64().unwrap() - mean).abs() < 1e-12);
    assert!((summary["test"]["accuracy"]["std"].as_f64().unwrap() - deviation).abs() < 1e-12);
    assert_eq!(summary["test"]["accuracy"]["n_runs"], 3);
    // Both runs of a fold have one split, and other weights.
    let of = |run: &str, name: &str| fs::read(path.join(format!("run/fold-1-{run}/{name}"))).unwrap();
    assert!(of("run-1", "split.json") == of("run-2", "split.json"));
    assert!(of("run-1", "metrics.jsonl") != of("run-2", "metrics.jsonl"));
    // The first run is the one that there would be alone.
    fs::write(path.join("one.hgnn"), DATA.to_owned() + &model.replace(", final_runs = 2", "")).unwrap();
    check(path, &["train", "one.hgnn", "--out", "one"], 0);
    assert!(fs::read(path.join("one/fold-1/metrics.jsonl")).unwrap() == of("run-1", "metrics.jsonl"));
}

#[test]
fn protocols_cut_as_they_say() {
    let model = "model = gcn(4) -> mean -> mlp
train { epochs = 2, batch_size = 64 }
evaluate { protocol = PROTOCOL }
";
    let folder = folder_with("");
    let path = folder.path();
    let train = |protocol: &str, more: &str, out: &str| {
        let text = DATA.replace("60", "20") + &model.replace("PROTOCOL", &format!("{protocol}{more}"));
        fs::write(path.join("m.hgnn"), text).unwrap();
        check(path, &["train", "m.hgnn", "--out", out], 0);
        json(&path.join(out).join("summary.json"))
    };
    let split = |run: &str, unit: usize, summary: &Value| {
        json(&path.join(run).join(summary["units"][unit]["folder"].as_str().unwrap()).join("split.json"))
    };
    let items = |split: &Value, part: &str| -> Vec<u64> {
        split[part].as_array().unwrap().iter().map(|item| item.as_u64().unwrap()).collect()
    };
    let repeated = train("repeated_k_fold(4, times = 3)", "", "repeated");
    assert_eq!(repeated["units"].as_array().unwrap().len(), 12);
    for time in 0..3 {
        let mut tested: Vec<u64> =
            (0..4).flat_map(|fold| items(&split("repeated", 4 * time + fold, &repeated), "test")).collect();
        tested.sort_unstable();
        assert_eq!(tested, (0..20).collect::<Vec<_>>());
    }
    assert_ne!(
        items(&split("repeated", 0, &repeated), "test"),
        items(&split("repeated", 4, &repeated), "test")
    );
    let single = train("leave_one_out", "", "single");
    assert_eq!(single["units"].as_array().unwrap().len(), 20);
    assert!((0..20).all(|unit| items(&split("single", unit, &single), "test").len() == 1));

    // The epoch with the best mean over the test parts, by the records of the runs.
    let chosen = train("best_mean_epoch(4)", "", "chosen");
    let runs: Vec<Vec<Value>> =
        (1..=4).map(|fold| lines(&path.join(format!("chosen/fold-{fold}/metrics.jsonl")))).collect();
    let mean = |epoch: usize| {
        runs.iter().map(|run| run[epoch]["validation"]["accuracy"].as_f64().unwrap()).sum::<f64>() / 4.0
    };
    let best = if mean(1) > mean(0) { 1 } else { 0 };
    assert_eq!(chosen["best_mean_epoch"], best as u64 + 1);
    assert!((chosen["test"]["accuracy"]["mean"].as_f64().unwrap() - mean(best)).abs() < 1e-12);
    assert!(items(&split("chosen", 0, &chosen), "validation").is_empty());

    // Inner folds part what is not tested, and each trial has one run for each.
    let text = DATA.replace("60", "20")
        + &model.replace("gcn(4)", "gcn(search(2, 4))").replace("PROTOCOL", "nested_k_fold(2, inner = 3)");
    fs::write(path.join("m.hgnn"), text).unwrap();
    check(path, &["train", "m.hgnn", "--out", "nested"], 0);
    let trials = json(&path.join("nested/search/fold-1/trials.json"));
    for (idx, trial) in trials["trials"].as_array().unwrap().iter().enumerate() {
        let of_inner = (1..=3).map(|inner| {
            kept(
                &path.join(format!("nested/search/fold-1/trial-{:03}/inner-{inner}/metrics.jsonl", idx + 1)),
                "accuracy",
            )
        });
        let mean = of_inner.sum::<f64>() / 3.0;
        assert!((trial["figure"].as_f64().unwrap() - mean).abs() < 1e-12);
    }
}

const FOLDS: &str = "train { epochs = 10, optimizer = adam(lr = 0.05) }
evaluate { protocol = k_fold(5, inner_holdout = 0.2) }
published { accuracy = 1.5, source = \"nobody\" }
";

#[test]
fn runs_are_listed_compared_and_repeated() {
    let folder = folder_with("");
    let path = folder.path();
    for (name, model) in [("flat", "gcn"), ("wide", "gcn(16) -> relu -> gcn")] {
        fs::write(path.join(format!("{name}.hgnn")), format!("data = karate()\nmodel = {model}\n{FOLDS}"))
            .unwrap();
    }
    // Two files are trained one after the other.
    check(path, &["train", "flat.hgnn", "wide.hgnn", "--out", "all"], 0);
    let listed: Value =
        serde_json::from_str(&check(path, &["runs", "all", "--sort", "name", "--format", "json"], 0))
            .unwrap();
    let runs: Vec<&str> = listed.as_array().unwrap().iter().map(|run| run["run"].as_str().unwrap()).collect();
    assert!(runs.len() == 2 && runs[0].contains("flat-") && runs[1].contains("wide-"), "{runs:?}");
    assert_eq!(listed[0]["n_runs"], 5);
    assert!(check(path, &["runs", "all", "--model", "wide"], 0).contains("finished"));
    assert_eq!(check(path, &["runs", "all", "--data", "PROTEINS"], 0), "");

    let compared: Value =
        serde_json::from_str(&check(path, &["compare", runs[0], runs[1], "--format", "json"], 0)).unwrap();
    let folds = |run: &str| -> Vec<f64> {
        let summary = json(&path.join(run).join("summary.json"));
        summary["units"]
            .as_array()
            .unwrap()
            .iter()
            .map(|unit| unit["test"]["accuracy"].as_f64().unwrap())
            .collect()
    };
    let differences: Vec<f64> = folds(runs[1]).iter().zip(folds(runs[0])).map(|(b, a)| b - a).collect();
    let difference = &compared["differences"][0];
    let found: Vec<f64> =
        difference["differences"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
    assert_eq!(found, differences);
    let mean = differences.iter().sum::<f64>() / 5.0;
    let variance = differences.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 4.0;
    let shares = (1..=5).map(|fold| {
        let split = json(&path.join(runs[0]).join(format!("fold-{fold}/split.json")));
        let n = |part: &str| split[part].as_array().unwrap().len() as f64;
        n("test") / (n("train") + n("validation"))
    });
    let t = mean / ((1.0 / 5.0 + shares.sum::<f64>() / 5.0) * variance).sqrt();
    assert!(
        t != 0.0 && (difference["corrected_t"]["t"].as_f64().unwrap() - t).abs() < 1e-9,
        "{difference} {t}"
    );
    check(path, &["compare", runs[0], runs[1], "--svg", "d.svg"], 0);
    assert!(fs::read_to_string(path.join("d.svg")).unwrap().contains("wide"));
    let table = check(path, &["compare", runs[0], runs[1], "--csv"], 0);
    assert_eq!(table.lines().count(), 3);
    assert!(check(path, &["compare", runs[0], runs[1], "--latex"], 0).contains("\\toprule"));
    assert!(check(path, &["compare", runs[0], runs[1], "--markdown"], 0).starts_with("| run | accuracy |"));

    // Once more from the record alone, also where the file is gone.
    fs::remove_file(path.join("flat.hgnn")).unwrap();
    let again = check(path, &["rerun", runs[0], "--out", "again"], 0);
    assert!(again.contains("the same to the byte"), "{again}");
    // A result that was changed is found.
    let metrics = path.join(runs[0]).join("fold-1/metrics.jsonl");
    let text = fs::read_to_string(&metrics).unwrap();
    fs::write(&metrics, text + "\n").unwrap();
    assert!(check(path, &["rerun", runs[0], "--out", "third"], 1).contains("fold-1/metrics.jsonl"));

    // No accuracy comes near 1.5, and with a tolerance of 1 one does.
    let lines: Value = serde_json::from_str(&check(
        path,
        &["reproduce", "wide.hgnn", "--tolerance", "0.001", "--format", "json"],
        1,
    ))
    .unwrap();
    assert_eq!(lines[0]["is_reproduced"], false);
    assert_eq!(lines[0]["mean"], json(&path.join(runs[1]).join("summary.json"))["test"]["accuracy"]["mean"]);
    let text = fs::read_to_string(path.join("wide.hgnn")).unwrap().replace("source", "tolerance = 1, source");
    fs::write(path.join("wide.hgnn"), text).unwrap();
    check(path, &["reproduce", "wide.hgnn"], 0);
}

#[test]
fn a_changed_value_is_in_the_text_that_the_run_keeps() {
    let folder = folder_with("let width = 4\nmodel = gcn(width) -> mean -> mlp\ntrain { epochs = 2 }\n");
    let path = folder.path();
    check(
        path,
        &["train", "m.hgnn", "--out", "run", "--set", "width=3", "--set", "train.optimizer.lr=0.05"],
        0,
    );
    let kept = fs::read_to_string(path.join("run/model.hgnn")).unwrap();
    assert!(kept.contains("let width = 3") && kept.contains("optimizer = adam(lr = 0.05)"), "{kept}");
    let record = json(&path.join("run/run.json"));
    assert_eq!(record["settings"]["train"]["optimizer"]["lr"], 0.05);
    let output = hgnnc(path, &["train", "m.hgnn", "--set", "widht=3"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("did you mean `width`?"));
}
