//! Files of strangers, as a pull request brings them: looking at them reads nothing outside of their folder and
//! repository, waits for nothing, and shows nothing of what is no model.

#![cfg(unix)]

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

const SECRET: &str = "hunter2-is-the-token-of-this-machine";

/// A folder `repo` with a model and its neighbours, and a secret outside of it.
fn sample() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |path: &str| folder.path().join(path);
    std::fs::create_dir_all(at("repo/models")).expect("writable");
    std::fs::create_dir_all(at("repo/.git")).expect("writable");
    for (name, text) in [
        ("secret.txt", SECRET),
        ("secret.hgnn", "let token = 5 hunter2-is-the-token-of-this-machine\n"),
        ("repo/.git/config", "[http]\n  extraheader = hunter2-is-the-token-of-this-machine\n"),
        ("repo/blocks.hgnn", "block layer(width) = gcn(width) -> relu\n"),
        ("repo/foreign.hgnn", "* hunter2-is-the-token-of-this-machine\n"),
    ] {
        std::fs::write(at(name), text).expect("writable");
    }
    folder
}

fn hgnnc(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hgnnc"));
    command.args(arguments).current_dir(folder).env("TOKEN", SECRET).env("HGNN_OFFLINE", "1");
    command.env_remove("HGNN_DATA").env_remove("HGNN_ALLOW_USE").output().expect("the binary runs")
}

/// What commands say of `model.hgnn` with this text, and their exit code; none shows the secret.
fn said(folder: &Path, text: &str, options: &[&str]) -> (String, i32) {
    std::fs::write(folder.join("repo/models/model.hgnn"), text).expect("writable");
    let here = folder.join("repo/models");
    let mut last = None;
    for command in ["lint", "show", "hash", "graph", "check"] {
        for form in ["full", "json"] {
            let output = hgnnc(&here, &[&[command, "model.hgnn", "--format", form], options].concat());
            let all = format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            assert!(!all.contains("hunter2"), "{command}: {all}");
            last = Some((all, output.status.code().expect("it ended by itself")));
        }
    }
    last.expect("commands were run")
}

fn using(path: &str) -> String {
    format!("use \"{path}\"\nmodel = layer(8) -> mean -> mlp\n")
}

#[track_caller]
fn refused(folder: &Path, path: &str, code: &str) {
    let (all, exit) = said(folder, &using(path), &[]);
    assert!(all.contains(code) && exit == 1, "{path}: exit {exit}\n{all}");
}

#[test]
fn use_reaches_the_repository_and_nothing_else() {
    let folder = sample();
    assert_eq!(said(folder.path(), &using("../blocks.hgnn"), &[]).1, 0);
    refused(folder.path(), "../../secret.hgnn", "names::out_of_reach");
    refused(folder.path(), "../../none.hgnn", "names::out_of_reach");
    refused(folder.path(), "/proc/self/environ", "names::missing_file");
    refused(folder.path(), "/dev/zero", "names::missing_file");
    refused(folder.path(), "../.git/config", "names::missing_file");
    refused(folder.path(), "../foreign.hgnn", "names::not_a_model");
}

#[test]
fn links_do_not_lead_out() {
    let folder = sample();
    let at = |path: &str| folder.path().join(path);
    symlink("../../secret.hgnn", at("repo/models/link.hgnn")).expect("writable");
    symlink("../../../../../../../proc/self/environ", at("repo/models/environ.hgnn")).expect("writable");
    symlink("/proc/self/environ", at("repo/models/environ2.hgnn")).expect("writable");
    symlink("/dev/zero", at("repo/models/zero.hgnn")).expect("writable");
    symlink("../.git/config", at("repo/models/config.hgnn")).expect("writable");
    for link in ["link", "environ", "environ2", "zero", "config"] {
        let name = format!("{link}.hgnn");
        refused(folder.path(), &name, "names::out_of_reach");
        // A workflow names all models, links among them.
        let output = hgnnc(&at("repo/models"), &["check", &name]);
        let all = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && !all.contains("hunter2"), "{link}: {all}");
        let output = hgnnc(&at("repo/models"), &["fmt", "--diff", &name]);
        assert!(output.status.code() == Some(2) && output.stdout.is_empty(), "{link}");
    }
    // The configuration of the folder is a file of the stranger's too.
    symlink("../../secret.txt", at("repo/models/hgnn.toml")).expect("writable");
    std::fs::write(at("repo/models/model.hgnn"), "gcn(8) -> relu -> mean -> mlp\n").expect("writable");
    let output = hgnnc(&at("repo/models"), &["lint", "model.hgnn"]);
    let all = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && !all.contains("hunter2"), "{all}");
}

#[test]
fn a_link_in_a_data_set_is_not_quoted() {
    let folder = sample();
    let here = folder.path().join("repo/models/SET");
    std::fs::create_dir(&here).expect("writable");
    symlink("../../../secret.txt", here.join("SET_A.txt")).expect("writable");
    for (part, text) in [("graph_indicator", "1\n1\n"), ("graph_labels", "0\n")] {
        std::fs::write(here.join(format!("SET_{part}.txt")), text).expect("writable");
    }
    let model = "data = tu(\"SET/\")\nmodel = gcn(8) -> mean -> linear(2)\n";
    let (all, exit) = said(folder.path(), model, &[]);
    assert!(exit == 1 && all.contains("SET_A.txt"), "{all}");
    // A file of the set itself is quoted.
    std::fs::remove_file(here.join("SET_A.txt")).expect("there");
    std::fs::write(here.join("SET_A.txt"), "1, two\n").expect("writable");
    let (all, _) = said(folder.path(), model, &[]);
    assert!(all.contains("found `two`"), "{all}");
}

#[test]
fn a_pipe_is_not_waited_for() {
    let folder = sample();
    let pipe = folder.path().join("repo/models/pipe.hgnn");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).expect("writable");
    refused(folder.path(), "pipe.hgnn", "names::missing_file");
    let output = hgnnc(pipe.parent().expect("a folder"), &["check", "pipe.hgnn"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("it is a named pipe"), "{output:?}");
}

#[test]
fn the_user_can_allow_a_folder() {
    let folder = sample();
    std::fs::write(folder.path().join("shared.hgnn"), "block layer(width) = gcn(width) -> relu\n")
        .expect("writable");
    refused(folder.path(), "../../shared.hgnn", "names::out_of_reach");
    let allowed = said(folder.path(), &using("../../shared.hgnn"), &["--allow-use", "../.."]);
    assert_eq!(allowed.1, 0, "{}", allowed.0);
    let here = folder.path().join("repo/models");
    let output = Command::new(env!("CARGO_BIN_EXE_hgnnc"))
        .args(["check", "model.hgnn"])
        .current_dir(&here)
        .env("HGNN_ALLOW_USE", folder.path())
        .output()
        .expect("the binary runs");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn findings_are_capped_and_names_shortened() {
    let folder = sample();
    let here = folder.path().join("repo/models");
    let name = "n".repeat(100_000);
    std::fs::write(here.join("long.hgnn"), format!("model = gcn({name})\n")).expect("writable");
    let output = hgnnc(&here, &["check", "long.hgnn", "--format", "short"]);
    assert!(output.stdout.len() < 2_000 && output.status.code() == Some(1), "{}", output.stdout.len());
    std::fs::write(here.join("many.hgnn"), "x\n".repeat(20_000)).expect("writable");
    let output = hgnnc(&here, &["check", "many.hgnn", "--format", "short"]);
    let text = String::from_utf8(output.stdout).expect("output is UTF-8");
    assert_eq!(text.lines().count(), 101);
    // Each line but the first gives the model again, and the first is unknown.
    assert_eq!(text.lines().last(), Some("19900 more errors are not listed"), "{text}");
    std::fs::write(here.join("huge.hgnn"), "x\n".repeat(2_000_100)).expect("writable");
    let output = hgnnc(&here, &["check", "huge.hgnn", "--format", "short"]);
    let text = String::from_utf8(output.stdout).expect("output is UTF-8");
    assert!(text.lines().count() == 1 && text.contains("syntax::too_large"), "{text}");
}
