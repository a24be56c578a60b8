//! What a command that cannot run tells a program, and what a reader that leaves early changes: nothing.

use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const RIGHT: &str = "data = hierarchy(40, community_size = 16)
model = gcn(4) -> relu -> mean -> mlp
train { epochs = 1, batch_size = 8 }
";

fn hgnnc(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hgnnc"));
    command
        .current_dir(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .env_remove("HGNN_DATA")
        .env_remove("COLUMNS")
        .env("HGNN_OFFLINE", "1")
        .env("HOME", folder)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env("GIT_CEILING_DIRECTORIES", folder.parent().expect("a temporary folder has one"));
    command
}

/// A right file, a wrong one, a run, and a run whose checkpoint was cut.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path();
    for (name, text) in [
        ("right.hgnn", RIGHT),
        ("wrong.hgnn", "gcn(32) -> mean -> linear(2, in = 64)"),
        ("library.hgnn", "let width = 64\n"),
        ("missing_data.hgnn", "data = tu(\"PROTEINS\")\ngcn(8) -> mean -> mlp\n"),
    ] {
        fs::write(path.join(name), text).expect("writable");
    }
    let trained = hgnnc(path, &["train", "right.hgnn", "--out", "run"]).output().expect("the binary runs");
    assert!(trained.status.success(), "{}", String::from_utf8_lossy(&trained.stderr));
    fs::create_dir(path.join("damaged")).expect("writable");
    for entry in fs::read_dir(path.join("run")).expect("the run is there") {
        let entry = entry.expect("readable");
        let mut bytes = fs::read(entry.path()).unwrap_or_default();
        if entry.file_name() == "checkpoint.safetensors" {
            bytes.truncate(bytes.len() / 2);
        }
        fs::write(path.join("damaged").join(entry.file_name()), bytes).expect("writable");
    }
    folder
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// At least one failure of every command: arguments, and the code that a program sees.
const FAILURES: &[(&[&str], &str)] = &[
    (&["new", "right"], "file"),
    (&["new", "a", "--from", "nosuch"], "file"),
    (&["new"], "usage"),
    (&["check", "missing.hgnn"], "file"),
    (&["check", "."], "file"),
    (&["check", "right.hgnn", "--threads", "0"], "usage"),
    (&["check", "right.hgnn", "--bogus"], "usage"),
    (&["check"], "usage"),
    (&["lint", "right.hgnn", "--deny", "nosuch"], "usage"),
    (&["lint", "missing.hgnn"], "file"),
    (&["fmt", "missing.hgnn"], "file"),
    (&["show", "missing.hgnn"], "file"),
    (&["show", "library.hgnn"], "setup"),
    (&["graph", "missing.hgnn"], "file"),
    (&["graph", "right.hgnn", "-o", "a.png"], "usage"),
    (&["graph", "right.hgnn", "--theme", "pink"], "usage"),
    (&["estimate", "missing.hgnn"], "file"),
    (&["estimate", "right.hgnn", "--device", "cuda"], "setup"),
    (&["estimate", "right.hgnn", "--memory-limit", "1 apple"], "usage"),
    (&["train"], "usage"),
    (&["train", "missing.hgnn"], "file"),
    (&["train", "missing_data.hgnn"], "data::not_here"),
    (&["train", "right.hgnn", "--out", "run"], "run"),
    (&["train", "--resume", "nosuch"], "run"),
    (&["train", "--changed-since", "git:main"], "git"),
    (&["eval", "nosuch"], "run"),
    (&["eval", "damaged"], "run"),
    (&["eval", "run", "--data", "PROTEINS"], "data::not_here"),
    (&["predict", "nosuch"], "run"),
    (&["predict", "damaged"], "run"),
    (&["embed", "nosuch", "-o", "v.npy"], "run"),
    (&["train", "right.hgnn", "--set", "epochs=3"], "usage"),
    (&["runs", "nosuch"], "file"),
    (&["runs", "nosuch", "--trials"], "run"),
    (&["runs", "--sort", "colour"], "usage"),
    (&["compare", "run"], "usage"),
    (&["compare", "run", "nosuch"], "run"),
    (&["compare", "run", "run", "--metric", "mrr"], "usage"),
    (&["rerun", "nosuch"], "run"),
    (&["reproduce", "missing.hgnn"], "file"),
    (&["reproduce", "right.hgnn", "--tolerance", "-1"], "usage"),
    (&["hash", "missing.hgnn"], "file"),
    (&["diff", "right.hgnn", "missing.hgnn"], "file"),
    (&["diff", "right.hgnn", "wrong.hgnn"], "model"),
    (&["diff", "right.hgnn"], "usage"),
    (&["diff", "--against", "git:main"], "git"),
    (&["migrate", "missing.hgnn"], "file"),
    (&["install-git"], "git"),
    (&["data", "PROTEINS"], "data::not_here"),
    (&["ops", "nosuch"], "usage"),
    (&["explain", "no::such"], "usage"),
    (&["completions", "tcsh"], "usage"),
    (&["man", "--out", "right.hgnn/pages"], "file"),
    (&["pre-commit"], "git"),
    (&["git-textconv", "missing.hgnn"], "file"),
    (&["nosuch"], "usage"),
];

/// Every command of `hgnnc --help`, and those that git calls.
fn commands(folder: &Path) -> BTreeSet<String> {
    let help = text(&hgnnc(folder, &["--help"]).output().expect("the binary runs").stdout);
    let lines =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    names.chain(["pre-commit", "git-textconv"]).map(str::to_owned).collect()
}

#[test]
fn every_command_tells_a_program_why_it_could_not_run() {
    let folder = folder();
    let path = folder.path();
    let tried: BTreeSet<String> = FAILURES.iter().map(|(arguments, _)| arguments[0].to_owned()).collect();
    assert!(commands(path).is_subset(&tried), "{:?}", commands(path).difference(&tried));
    for (arguments, code) in FAILURES {
        let plain = hgnnc(path, arguments).output().expect("the binary runs");
        for form in [&["--format", "json"][..], &["--format=json"]] {
            let output = hgnnc(path, &[arguments, form].concat()).output().expect("the binary runs");
            let (out, err) = (text(&output.stdout), text(&output.stderr));
            assert_eq!(output.status.code(), Some(2), "{arguments:?}\n{out}{err}");
            assert_eq!(output.status.code(), plain.status.code(), "{arguments:?}");
            assert_eq!(err, "", "{arguments:?}");
            let document: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"));
            let error = &document["error"];
            assert_eq!(error["code"], **code, "{arguments:?}: {out}");
            assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{out}");
            assert!(error["help"].is_string() || error["help"].is_null(), "{out}");
            assert_eq!(document.as_object().map(serde_json::Map::len), Some(1), "{out}");
            // What people read begins with the same message.
            let message = error["message"].as_str().unwrap_or_default().lines().next().unwrap_or_default();
            let told = text(&plain.stderr);
            assert!(told.contains(message), "{arguments:?}: {message}\n{told}");
        }
        assert_eq!(text(&plain.stdout), "", "{arguments:?}");
    }
}

#[test]
fn a_failure_over_a_wrong_model_carries_the_findings() {
    let folder = folder();
    let arguments = ["diff", "right.hgnn", "wrong.hgnn", "--format", "json"];
    let output = hgnnc(folder.path(), &arguments).output().expect("the binary runs");
    let document: Value = serde_json::from_slice(&output.stdout).expect("one document");
    assert_eq!(document["error"]["findings"][0]["code"], "shape::width_mismatch");
    fs::write(folder.path().join("hgnn.toml"), "[lint]\nallow = 3\n").expect("writable");
    let output = hgnnc(folder.path(), &["lint", "right.hgnn", "--format", "json"]).output().expect("it runs");
    let document: Value = serde_json::from_slice(&output.stdout).expect("one document");
    assert_eq!(document["error"]["code"], "model");
    assert!(document["error"]["findings"][0]["message"].is_string(), "{document}");
}

/// Runs a command whose reader has gone before it writes.
fn unread(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = hgnnc(folder, arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
    drop(child.stdout.take());
    child.wait_with_output().expect("it ends")
}

#[test]
fn a_reader_that_leaves_early_changes_neither_exit_code_nor_standard_error() {
    let folder = folder();
    let path = folder.path();
    let commands: &[&[&str]] = &[
        &["new", "--list"],
        &["check", "right.hgnn", "wrong.hgnn"],
        &["check", "wrong.hgnn", "--format", "json"],
        &["check", "missing.hgnn", "--format", "json"],
        &["check", "--bogus", "--format", "json"],
        &["lint", "right.hgnn", "wrong.hgnn", "--deny", "all"],
        &["lint", "--list"],
        &["fmt", "--check", "right.hgnn", "wrong.hgnn"],
        &["fmt", "--diff", "wrong.hgnn"],
        &["show", "right.hgnn"],
        &["show", "wrong.hgnn", "--format", "json"],
        &["graph", "right.hgnn", "--as", "html"],
        &["estimate", "right.hgnn", "--no-time"],
        &["eval", "run"],
        &["eval", "run", "--format", "json"],
        &["predict", "run"],
        &["predict", "run", "--format", "jsonl"],
        &["hash", "right.hgnn", "wrong.hgnn"],
        &["diff", "right.hgnn", "run", "--exit-code"],
        &["diff", "right.hgnn", "library.hgnn"],
        &["migrate", "--check", "right.hgnn"],
        &["install-git", "--global", "--print"],
        &["data"],
        &["data", "hierarchy"],
        &["ops"],
        &["ops", "--format", "json"],
        &["explain"],
        &["explain", "shape::width_mismatch"],
        &["completions", "bash"],
        &["man"],
        &["--help"],
        &["train", "--help"],
    ];
    for arguments in commands {
        let (read, unread) =
            (hgnnc(path, arguments).output().expect("the binary runs"), unread(path, arguments));
        assert_eq!(unread.status.code(), read.status.code(), "{arguments:?}");
        assert_eq!(text(&unread.stderr), text(&read.stderr), "{arguments:?}");
    }
    // A run is trained to its end and kept.
    let train = |out: &'static str| ["train", "right.hgnn", "--out", out, "--format", "json"];
    let read = hgnnc(path, &train("read")).output().expect("the binary runs");
    let unread = unread(path, &train("kept"));
    assert_eq!((unread.status.code(), text(&unread.stderr)), (Some(0), text(&read.stderr)));
    assert!(path.join("kept/checkpoint.safetensors").is_file());
}
