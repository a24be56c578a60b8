//! What `hgnnc estimate` says of a model beside what `hgnnc train` then takes: of each shipped model, and of the models
//! of `held_out/`, which nothing of the estimate was made or corrected by.
//!
//! ```text
//! HGNN_DATA=… cargo bench --bench estimate               every model whose data is there
//! HGNN_DATA=… cargo bench --bench estimate -- proteins   models whose name contains a word
//! HGNN_DATA=… cargo bench --bench estimate -- held_out   one of the two folders
//! ```
//!
//! Time is the median of the training epochs of one run, memory its peak. Models train one run each, of a few
//! epochs: cross-validation is replaced by a holdout.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

const EPOCHS: &str = "6";

/// Where models lie; those of the second folder use operators that no shipped model uses.
const FOLDERS: [&str; 2] = ["models", "benches/held_out"];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let folder = tempfile::tempdir().expect("a temporary folder");
    println!(
        "{:<34} {:>10} {:>10} {:>6}   {:>9} {:>9} {:>6}",
        "model", "epoch", "estimate", "ratio", "peak MB", "estimate", "ratio"
    );
    for path in FOLDERS.iter().flat_map(|folder| models(folder)) {
        let path_text = path.to_string_lossy();
        if !words.is_empty() && !words.iter().any(|word| path_text.contains(word.as_str())) {
            continue;
        }
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("readable");
        let text =
            text.replace("k_fold(10, inner_holdout = 0.1)", "holdout()").replace("k_fold(10)", "holdout()");
        std::fs::write(folder.path().join(&name), text).expect("writable");
        let run = |command: &str, more: &[&str]| -> Option<Value> {
            let output = Command::new(env!("CARGO_BIN_EXE_hgnnc"))
                .args([command, &name, "--epochs", EPOCHS, "--format", "json"])
                .args(more)
                .current_dir(folder.path())
                .output()
                .expect("the binary runs");
            serde_json::from_slice(&output.stdout).ok()
        };
        let estimated = run("estimate", &[]);
        let Some(estimated) = estimated.filter(|estimate| estimate["time"].is_object()) else {
            println!("{name:<34} skipped: its data is not there");
            continue;
        };
        let Some(trained) = run("train", &["--out", &format!("{name}-run")]) else {
            println!("{name:<34} failed to train");
            continue;
        };
        let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
        let times = [number(&trained["epoch_s"]), number(&estimated["time"]["epoch_s"])];
        let peaks = [number(&trained["peak_memory_bytes"]), number(&estimated["memory"]["peak_bytes"])];
        println!(
            "{name:<34} {:>7.1} ms {:>7.1} ms {:>6.2}   {:>9.1} {:>9.1} {:>6.2}",
            times[0] * 1e3,
            times[1] * 1e3,
            times[1] / times[0],
            peaks[0] / 1e6,
            peaks[1] / 1e6,
            peaks[1] / peaks[0],
        );
    }
}

/// The model files of a folder, by name.
fn models(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = std::fs::read_dir(&folder).expect("models are there");
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "hgnn"));
    paths.sort();
    paths
}
