//! `hash`, `diff` and `train --init-from` as a user runs them.

use std::path::Path;
use std::process::Command;

/// Runs `hgnnc` in a folder: exit code, standard output, standard error.
fn run(folder: &Path, arguments: &str) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_hgnnc"))
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .env_remove("HGNN_DATA")
        .env("HGNN_OFFLINE", "1")
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .output()
        .expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
    (output.status.code().expect("it ended by itself"), text(output.stdout), text(output.stderr))
}

fn folder_with(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("writable");
    }
    folder
}

const CLUB: &str = "data = karate()\nmodel = gcn(8) -> relu -> gcn\ntrain { epochs = 3 }\n";
const CLUB_IN_OTHER_WORDS: &str = "// Zachary's club.\ntrain { epochs = 3, seed = 0 }
let width = 8\nloss = cross_entropy\nmodel =\n    gcn(width) -> relu\n    -> gcn\ndata = karate()\n";

#[test]
fn a_hash_is_of_the_meaning_and_its_lines_read_like_those_of_sha256sum() {
    let wide = CLUB.replace("gcn(8)", "gcn(9)");
    let longer = CLUB.replace("3", "4");
    let files = [("a.hgnn", CLUB), ("b.hgnn", CLUB_IN_OTHER_WORDS), ("c.hgnn", &wide), ("d.hgnn", &longer)];
    let folder = folder_with(&files);
    let (code, out, _) = run(folder.path(), "hash a.hgnn b.hgnn c.hgnn d.hgnn");
    let hashes: Vec<(&str, &str)> =
        out.lines().map(|line| line.split_once("  ").expect("HASH  FILE")).collect();
    assert_eq!((code, hashes.len(), hashes[0].1), (0, 4, "a.hgnn"));
    assert_eq!(hashes[0].0, hashes[1].0);
    assert!(hashes[0].0 != hashes[2].0 && hashes[0].0 != hashes[3].0);
    let (_, out, _) = run(folder.path(), "hash --part architecture a.hgnn d.hgnn --format json");
    let all: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(all[0]["hash"], all[1]["hash"]);
    let (_, text, _) = run(folder.path(), "hash --text a.hgnn");
    assert!(text.starts_with("hgnn-ir 3\nstage 0 = input()\nstage 1 = gcn(out = 8, "), "{text}");
}

#[test]
fn a_broken_file_has_no_hash_and_the_others_have() {
    let folder = folder_with(&[("a.hgnn", CLUB), ("broken.hgnn", "model = gcn(")]);
    let (code, out, told) = run(folder.path(), "hash broken.hgnn a.hgnn");
    assert_eq!((code, out.lines().count()), (1, 1));
    assert!(told.contains("syntax::unclosed"), "{told}");
    let (code, _, told) = run(folder.path(), "diff a.hgnn broken.hgnn");
    assert!(code == 2 && told.contains("`broken.hgnn` has errors"), "{code} {told}");
}

#[test]
fn a_comparison_ends_with_the_code_that_was_asked_for() {
    let wide = CLUB.replace("gcn(8)", "gcn(16)");
    let folder = folder_with(&[("a.hgnn", CLUB), ("b.hgnn", CLUB_IN_OTHER_WORDS), ("c.hgnn", &wide)]);
    for (arguments, expected) in [
        ("diff a.hgnn a.hgnn --exit-code", 0),
        ("diff a.hgnn b.hgnn", 0),
        ("diff a.hgnn b.hgnn --exit-code", 1),
        ("diff a.hgnn b.hgnn --fail-on training", 0),
        ("diff a.hgnn c.hgnn --fail-on weight-breaking", 1),
        ("diff a.hgnn c.hgnn --fail-on interface-breaking", 0),
        ("diff a.hgnn c.hgnn --fail-on nonsense", 2),
        ("diff a.hgnn nothing.hgnn", 2),
    ] {
        assert_eq!(run(folder.path(), arguments).0, expected, "{arguments}");
    }
    let (_, out, _) = run(folder.path(), "diff a.hgnn c.hgnn --svg c.svg");
    let lines: Vec<&str> = out.lines().map(str::trim).collect();
    assert_eq!(lines[2], "weight-breaking  gcn 8 → 16 (stage 1)");
    // 34 · 8 + 8 + 8 · 2 + 2, and the same with 16.
    assert_eq!(
        lines[4].split_whitespace().collect::<Vec<_>>().join(" "),
        "parameters 298 → 594 +99 %",
        "{out}"
    );
    assert!(std::fs::read_to_string(folder.path().join("c.svg")).expect("drawn").contains("<svg"));
    let (_, out, _) = run(folder.path(), "diff a.hgnn c.hgnn --markdown");
    assert!(out.contains("| parameters | 298 | 594 | +99 % |"), "{out}");
}

#[test]
fn a_run_begins_with_the_weights_of_another_and_another_model_is_refused() {
    let deeper = CLUB.replace("relu", "relu -> gcn(8) -> relu");
    let folder = folder_with(&[("a.hgnn", CLUB), ("deeper.hgnn", &deeper)]);
    assert_eq!(run(folder.path(), "train a.hgnn --out first").0, 0);
    let (code, out, _) = run(folder.path(), "diff a.hgnn first --exit-code");
    assert_eq!(code, 0, "{out}");
    let (code, _, told) = run(folder.path(), "train deeper.hgnn --out second --init-from first --threads 1");
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("starts from 4 of 6 tensors (298 of 370 numbers)"), "{told}");
    assert!(told.contains("new  3.gcn.weight  [8, 8], starts at random"), "{told}");
    run(folder.path(), "train deeper.hgnn --out third --init-from first/checkpoint.safetensors --threads 3");
    let weights =
        |run: &str| std::fs::read(folder.path().join(run).join("checkpoint.safetensors")).expect("written");
    assert!(weights("second") == weights("third"), "the same for any number of threads");

    std::fs::write(folder.path().join("second/model.hgnn"), CLUB).expect("writable");
    for command in ["eval second", "predict second", "train --resume second"] {
        let (code, _, told) = run(folder.path(), command);
        assert_eq!(code, 2, "{command}");
        let is_told = ["weight-breaking  gcn(8) -> relu removed", "--init-from second"];
        assert!(is_told.iter().all(|words| told.contains(words)), "{command}: {told}");
    }
    let (code, _, told) = run(folder.path(), "train --resume second --init-from first");
    assert!(code == 2 && told.contains("cannot be used with"), "{told}");
}
