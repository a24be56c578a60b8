//! `hgnnc lint` as a user runs it. The lints themselves are tested beside their code.

use std::path::Path;
use std::process::Command;

/// Output, error output and exit code of `hgnnc lint …` in a folder.
fn lint(folder: &Path, arguments: &[&str]) -> (String, String, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_hgnnc"))
        .arg("lint")
        .args(arguments)
        .current_dir(folder)
        .env_remove("HGNN_DATA")
        .env_remove("COLUMNS")
        .env("HGNN_OFFLINE", "1")
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .output()
        .expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
    (text(output.stdout), text(output.stderr), output.status.code().expect("it ended by itself"))
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("it lies in the folder")).expect("writable");
        std::fs::write(path, text).expect("writable");
    }
    folder
}

const DEEP: &str = "data = karate()\nmodel = repeat(6, gcn(16) -> relu) -> dropout(0) -> gcn\n";

#[test]
fn findings_name_numbers_places_and_a_line_to_paste() {
    let folder = folder(&[("deep.hgnn", DEEP)]);
    let (out, err, code) = lint(folder.path(), &["deep.hgnn"]);
    snapbox::assert_data_eq!(format!("{out}{err}[exit code {code}]\n"), snapbox::file!["snapshots/lint.txt"]);
    let (out, _, _) = lint(folder.path(), &["deep.hgnn", "--format", "short"]);
    assert_eq!(
        out,
        "deep.hgnn:2:19: warning[lint::over_smoothing]: 7 averaging layers in a row make nodes alike: the mean diameter \
         of karate() is 5 steps\n\
         deep.hgnn:2:39: warning[lint::dead_dropout]: `dropout(0)` drops nothing\n"
    );
}

#[test]
fn the_list_names_every_lint_with_its_numbers() {
    let folder = folder(&[]);
    let (out, _, code) = lint(folder.path(), &["--list"]);
    assert_eq!(code, 0);
    snapbox::assert_data_eq!(out, snapbox::file!["snapshots/lint_list.txt"]);
}

#[test]
fn what_is_denied_is_an_error_and_what_is_allowed_is_not_said() {
    let folder = folder(&[("deep.hgnn", DEEP)]);
    let run = |arguments: &[&str]| {
        let (out, _, code) = lint(folder.path(), &[&["deep.hgnn", "--format", "short"], arguments].concat());
        let codes: Vec<String> = out
            .lines()
            .filter_map(|line| Some(line.split(' ').nth(1)?.trim_end_matches(':').to_owned()))
            .collect();
        (codes.join(" "), code)
    };
    let said = |text: &str, code| (text.to_owned(), code);
    assert_eq!(
        run(&["--deny", "dead_dropout"]),
        said("warning[lint::over_smoothing] error[lint::dead_dropout]", 1)
    );
    assert_eq!(run(&["--deny", "all"]), said("error[lint::over_smoothing] error[lint::dead_dropout]", 1));
    assert_eq!(run(&["--deny", "all", "--allow", "over_smoothing"]), said("error[lint::dead_dropout]", 1));
    assert_eq!(run(&["--allow", "lint::over_smoothing,dead_dropout", "--deny", "all"]), said("", 0));
}

#[test]
fn the_nearest_hgnn_toml_counts() {
    let folder = folder(&[
        ("hgnn.toml", "[lint]\ndeny = [\"all\"]\n"),
        ("one.hgnn", DEEP),
        ("inner/hgnn.toml", "[lint]\nallow = [\"dead_dropout\"]\n[lint.over_smoothing]\nlayers = 3\n"),
        ("inner/two.hgnn", "repeat(3, gcn(16) -> relu) -> mean -> dropout(0) -> mlp"),
    ]);
    let (out, _, code) = lint(folder.path(), &["--format", "short"]);
    let said: Vec<&str> = out.lines().filter_map(|line| line.split("]: ").next()).collect();
    assert_eq!(
        said,
        [
            "inner/two.hgnn:1:11: warning[lint::over_smoothing",
            "one.hgnn:2:19: error[lint::over_smoothing",
            "one.hgnn:2:39: error[lint::dead_dropout",
        ]
    );
    assert_eq!(code, 1);
    assert_eq!(lint(folder.path(), &["inner"]).2, 0);
    // The command line goes over the file.
    assert_eq!(lint(folder.path(), &["one.hgnn", "--allow", "over_smoothing,dead_dropout"]).2, 0);
}

#[test]
fn a_wrong_configuration_stops_with_its_place() {
    let folder = folder(&[("hgnn.toml", "[lint]\nalow = []\n"), ("one.hgnn", DEEP)]);
    let (_, err, code) = lint(folder.path(), &["one.hgnn"]);
    assert_eq!(code, 2);
    for part in [
        "config::unknown_key",
        "hgnn.toml:2:1",
        "did you mean `allow`?",
        "the configuration `hgnn.toml` has errors",
    ] {
        assert!(err.contains(part), "{part}: {err}");
    }
    for (arguments, part) in [
        (&["--deny", "dead_dropot"][..], "did you mean `dead_dropout`?"),
        (&["--deny", "dead_dropout", "--allow", "dead_dropout"], "to both `--allow` and `--deny`"),
        (&["nowhere.hgnn"], "`nowhere.hgnn` does not exist"),
    ] {
        let (_, err, code) = lint(folder.path(), arguments);
        assert!(code == 2 && err.contains(part), "{arguments:?}: {err}");
    }
}

#[test]
fn an_allow_counts_for_the_model_of_its_own_file() {
    let folder = folder(&[
        (
            "blocks.hgnn",
            "allow(dead_dropout)\nblock layer(width) = gin(width) -> relu\nmodel = layer(8) -> sum -> dropout(0) -> mlp\n",
        ),
        ("model.hgnn", "use \"blocks.hgnn\"\nmodel = layer(8) -> sum -> dropout(0) -> mlp\n"),
    ]);
    let said = |file| lint(folder.path(), &[file, "--format", "short"]).0;
    assert_eq!(said("blocks.hgnn"), "");
    assert_eq!(
        said("model.hgnn"),
        "model.hgnn:2:28: warning[lint::dead_dropout]: `dropout(0)` drops nothing\n"
    );
}

#[test]
fn an_allow_without_anything_to_allow_is_told_where_it_can_be_known() {
    let folder = folder(&[
        ("none.hgnn", "allow(dead_dropout)\ngin(8) -> sum -> mlp\n"),
        (
            "data.hgnn",
            "allow(unused_clusters, batch_of_one)\ngin(8) -> relu -> diffpool(k = 4) -> max -> mlp\n",
        ),
    ]);
    let (out, _, _) = lint(folder.path(), &["--format", "short"]);
    assert_eq!(
        out,
        "none.hgnn:1:7: warning[lint::unused_allow]: `allow(dead_dropout)` allows nothing: it does not occur\n"
    );
}

#[test]
fn a_file_that_is_wrong_is_refused_as_by_check() {
    let folder = folder(&[("wrong.hgnn", "gnc(8) -> sum -> dropout(0) -> mlp")]);
    let (out, _, code) = lint(folder.path(), &["--format", "short"]);
    assert!(out.starts_with("wrong.hgnn:1:1: error[names::unknown]"), "{out}");
    assert_eq!(code, 1);
}

#[test]
fn shipped_models_have_nothing_to_say() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let empty = folder(&[]);
    let (out, err, code) = lint(
        empty.path(),
        &[&models.display().to_string(), "--no-data", "--deny", "all", "--format", "short"],
    );
    assert_eq!((out.as_str(), err.as_str(), code), ("", "", 0));
    // With the data sets, where they are on this machine.
    let data = std::env::var("HGNN_DATA")
        .unwrap_or_else(|_| format!("{}/../shared/data", env!("CARGO_MANIFEST_DIR")));
    if !Path::new(&data).join("tu").exists() {
        crate::skip::skip(crate::skip::DATA);
    } else {
        let models = models.display().to_string();
        let arguments = [&models, "--deny", "all", "--format", "short", "--data-dir", &data];
        let (out, err, code) = lint(empty.path(), &arguments);
        assert_eq!((out.as_str(), err.as_str(), code), ("", "", 0));
    }
}
