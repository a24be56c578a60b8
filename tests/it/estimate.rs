//! `hgnnc estimate` beside what training really takes.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the TU sets are, if anywhere.
fn data_dir() -> Option<PathBuf> {
    let given = std::env::var_os("HGNN_DATA").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    Some(given.unwrap_or_else(beside)).filter(|folder| folder.is_dir())
}

fn hgnnc(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hgnnc"));
    command
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .env("HGNN_OFFLINE", "1")
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env_remove("COLUMNS")
        .env_remove("HGNN_DATA");
    if let Some(data) = data_dir() {
        command.env("HGNN_DATA", data.canonicalize().expect("it is there"));
    }
    let output = command.output().expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The shipped models whose data is there, as files that train one run instead of ten.
#[track_caller]
fn models(folder: &Path) -> Vec<String> {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut names = Vec::new();
    for name in [
        "karate_gat",
        "quickstart",
        "quickstart_flat",
        "mutag_gin",
        "enzymes_gcn",
        "proteins_gcn",
        "proteins_topk",
        "proteins_diffpool",
    ] {
        let text = std::fs::read_to_string(shipped.join(format!("{name}.hgnn"))).expect("a shipped model");
        let text =
            text.replace("k_fold(10, inner_holdout = 0.1)", "holdout()").replace("k_fold(10)", "holdout()");
        let file = format!("{name}.hgnn");
        std::fs::write(folder.join(&file), text).expect("writable");
        let (_, shown, _) = hgnnc(folder, &["estimate", &file, "--no-time", "--format", "json"]);
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        if shown["memory"].is_object() {
            names.push(name.to_owned());
        } else {
            crate::skip::skip(crate::skip::DATA);
        }
    }
    names
}

/// Of data whose own task is another one, and where a metric has links ranked.
#[test]
fn ranking_links_counts_in_the_peak() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let edges: String = (1..=4000).map(|node| format!("{node} {}\n", node * 7919 % 4001)).collect();
    std::fs::write(folder.path().join("ring.edgelist"), edges).expect("writable");
    let memory = |metrics: &str| {
        let text = format!(
            "data = edge_list(\"ring.edgelist\", features = constant)\ntask = link_prediction\n\
             model = gcn(4) -> inner_product\ntrain {{ epochs = 1, batch_size = 64 }}\n\
             evaluate {{ metrics = [{metrics}] }}\n"
        );
        std::fs::write(folder.path().join("m.hgnn"), text).expect("writable");
        let (code, shown, errors) =
            hgnnc(folder.path(), &["estimate", "m.hgnn", "--no-time", "--format", "json"]);
        assert_eq!(code, Some(0), "{errors}");
        let estimate: Value = serde_json::from_str(&shown).expect("JSON");
        estimate["memory"]["evaluation_bytes"].as_f64().expect("a number")
    };
    // A million scores at a time, which are copied out of a product of matrices: more than a step of 64 links takes.
    let (plain, ranked) = (memory("auc"), memory("mrr"));
    assert!(ranked > plain + 1e6, "{plain} {ranked}");
}

/// The peak of a training run is within a quarter of what was said before it.
#[test]
fn peak_memory_is_as_estimated() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut lines = Vec::new();
    let names = models(folder.path());
    assert!(names.len() >= 3, "the built-in sets are always there: {names:?}");
    for name in names {
        let file = format!("{name}.hgnn");
        let (code, shown, errors) =
            hgnnc(folder.path(), &["estimate", &file, "--epochs", "2", "--no-time", "--format", "json"]);
        assert_eq!(code, Some(0), "{name}: {errors}");
        let estimate: Value = serde_json::from_str(&shown).expect("JSON");
        let (code, summary, errors) =
            hgnnc(folder.path(), &["train", &file, "--epochs", "2", "--out", &name, "--format", "json"]);
        assert_eq!(code, Some(0), "{name}: {errors}");
        let summary: Value = serde_json::from_str(&summary).expect("JSON");
        assert_eq!(estimate["n_parameters"], summary["n_parameters"], "{name}");
        // Where the system does not say how much was used, there is nothing to compare.
        let Some(found) = summary["peak_memory_bytes"].as_f64() else { continue };
        let estimated = estimate["memory"]["peak_bytes"].as_f64().expect("a number");
        let ratio = estimated / found;
        if !(0.75..=1.25).contains(&ratio) {
            lines.push(format!("{name}: {:.1} MB, estimated {:.1}", found / 1e6, estimated / 1e6));
        }
    }
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

#[test]
fn a_proposed_batch_size_stays_below_the_limit_and_a_larger_one_does_not() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    models(folder.path());
    let json = |arguments: &[&str]| -> Value {
        let always = ["estimate", "quickstart.hgnn", "--no-time", "--epochs", "1", "--format", "json"];
        let (code, shown, errors) = hgnnc(folder.path(), &[&always, arguments].concat());
        assert_eq!(code, Some(0), "{errors}");
        serde_json::from_str(&shown).expect("JSON")
    };
    let peak = |size: u64| {
        let peak = json(&["--batch-size", &size.to_string()])["memory"]["peak_bytes"].as_f64();
        peak.expect("a number")
    };
    // Between the smallest and the largest batch.
    let limit = (peak(1) + peak(600)) / 2.0;
    let proposal = json(&["--memory-limit", &format!("{limit:.0}")])["proposal"].clone();
    assert!(proposal["peak_bytes"].as_f64().expect("a number") <= limit, "{proposal}");
    let size = proposal["batch_size"].as_u64().expect("a size");
    // The graphs of the quick start are all of one size, so peaks rise with the batch; the process itself is measured
    // anew each time, within a few per cent.
    assert!(peak(size) <= 1.03 * limit && peak(size + size / 4) > limit, "{proposal}");
    let none = json(&["--memory-limit", "1MB"]);
    assert!(none["proposal"]["batch_size"].is_null());
}

#[test]
fn without_data_it_says_what_it_can_and_what_to_give() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("bare.hgnn"), "sage(8) -> relu -> mean -> linear\n").expect("writable");
    std::fs::write(folder.path().join("wrong.hgnn"), "sagee(8) -> mean -> linear\n").expect("writable");
    let (code, shown, _) = hgnnc(folder.path(), &["estimate", "bare.hgnn"]);
    assert_eq!(code, Some(0));
    assert!(shown.contains("`bare.hgnn` names no data") && shown.contains("--data PROTEINS"), "{shown}");
    assert_eq!(hgnnc(folder.path(), &["estimate", "wrong.hgnn"]).0, Some(1));
    let (code, _, errors) = hgnnc(
        folder.path(),
        &["estimate", "bare.hgnn", "--data", "hierarchy(20)", "--memory-limit", "2 apples"],
    );
    assert_eq!(code, Some(2));
    assert!(errors.contains("not a unit of memory"), "{errors}");
}
