//! Files, runs and checkpoints of older versions of the language.

use crate::fmt::{hgnnc, shown};

#[test]
fn old_files_are_brought_forward_and_nothing_else_in_them_changes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    let old =
        "\u{feff}use \"lib.hgnn\"\r\nmodel=sage( 8,root =true) -> wide(sage) -> mean -> mlp // root\r\n";
    let library = "block wide(of) = of(8, root = false) -> relu\n";
    std::fs::write(path("old.hgnn"), old).expect("writable");
    std::fs::write(path("lib.hgnn"), library).expect("writable");
    let (code, text) = shown(folder.path(), &["check", "old.hgnn", "--format", "short"]);
    assert_eq!((code, text.matches("names::renamed").count()), (1, 2), "{text}");
    let (code, text) = shown(folder.path(), &["migrate", "--check", "old.hgnn"]);
    assert!(code == 1 && text.contains("old.hgnn:2:15: `root` → `root_weight`"), "{text}");
    assert!(text.contains("run `hgnnc migrate lib.hgnn`"), "{text}");
    assert_eq!(std::fs::read_to_string(path("old.hgnn")).expect("readable"), old);

    assert_eq!(shown(folder.path(), &["migrate", "."]).0, 0);
    let now = std::fs::read_to_string(path("old.hgnn")).expect("readable");
    assert_eq!(now, old.replace("root =", "root_weight ="));
    let now = std::fs::read_to_string(path("lib.hgnn")).expect("readable");
    assert_eq!(now, library.replace("root =", "root_weight ="));
    assert_eq!(shown(folder.path(), &["check", "old.hgnn"]).0, 0);
    assert_eq!(shown(folder.path(), &["migrate", "."]), (0, "2 files without old names\n".into()));
}

/// A safetensors file with its header changed.
fn with_header(bytes: &[u8], change: impl Fn(String) -> String) -> Vec<u8> {
    let (length, rest) = bytes.split_at(8);
    let length = u64::from_le_bytes(length.try_into().expect("eight bytes")) as usize;
    let header = change(String::from_utf8(rest[..length].to_vec()).expect("a header is text"));
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &rest[length..]].concat()
}

#[test]
fn what_an_older_version_trained_stays_usable() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    let model =
        "data = karate()\nmodel = sage(4, root_weight = false) -> relu -> sage\ntrain { epochs = 2 }\n";
    std::fs::write(path("m.hgnn"), model).expect("writable");
    assert_eq!(shown(folder.path(), &["train", "m.hgnn", "--out", "run"]).0, 0);
    let (_, hash) = shown(folder.path(), &["hash", "m.hgnn", "--format", "short"]);
    let hash = hash.split_whitespace().next().expect("a hash");

    // The same run as version 1 of the language, and of the canonical form, would have left it.
    let old =
        |text: &str| text.replace("root_weight", "root").replace("hgnn-ir 3", "hgnn-ir 1").replace(hash, "0");
    // Records had no checksum then, and did not list what belongs to the run.
    let record = std::fs::read(path("run/run.json")).expect("a run has it");
    let mut record: serde_json::Value = serde_json::from_slice(&record).expect("a record is JSON");
    record["format"] = 1.into();
    for name in ["checksum", "files", "units", "sessions"] {
        assert!(record.as_object_mut().expect("an object").remove(name).is_some(), "{name}");
    }
    std::fs::write(path("run/run.json"), record.to_string()).expect("writable");
    for name in ["run/model.hgnn", "run/model.canonical.txt", "run/run.json"] {
        let text = std::fs::read_to_string(path(name)).expect("a run has it");
        assert_ne!(old(&text), text, "{name}");
        std::fs::write(path(name), old(&text)).expect("writable");
    }
    let bytes = std::fs::read(path("run/checkpoint.safetensors")).expect("a run has it");
    let bytes = with_header(&crate::damage::unsealed(&bytes), |header| old(&header));
    assert!(!String::from_utf8_lossy(&bytes).contains("root_weight"));
    std::fs::write(path("run/checkpoint.safetensors"), &bytes).expect("writable");
    std::fs::write(path("alone.safetensors"), &bytes).expect("writable");
    // As if it had been broken off, so that it can be resumed.
    std::fs::remove_file(path("run/summary.json")).expect("a run has it");

    // What a run keeps is no source, unless it is named.
    assert_eq!(shown(folder.path(), &["migrate", "."]), (0, "1 file without old names\n".into()));

    for command in [
        &["eval", "run"][..],
        &["eval", "alone.safetensors"],
        &["predict", "run"],
        &["train", "m.hgnn", "--init-from", "run", "--out", "second"],
        &["hash", "run"],
        &["hash", "alone.safetensors"],
    ] {
        let output = hgnnc(folder.path(), command, "");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{command:?}: {error}");
    }
    assert!(shown(folder.path(), &["hash", "alone.safetensors"]).1.starts_with(hash));
    // What an older version began, this one would not end with the same result.
    let output = hgnnc(folder.path(), &["train", "--resume", "run"], "");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && error.contains("--init-from run"), "{error}");
}
