//! `fmt` as a user meets it, and the pages of `tests/fmt`: what is written and what comes out.

use crate::layout::layout;
use crate::models::every_shipped;
use crate::spec::diagnose;
use hgnn::ir::canonical;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The pages in `tests/fmt`: pairs of fences `hgnn before` and `hgnn after`. A lone `hgnn` is in layout already.
#[test]
fn pages_show_what_comes_out() {
    let mut n_models = 0;
    for entry in std::fs::read_dir(top().join("tests/fmt")).expect("the pages are there") {
        let path = entry.expect("readable").path();
        let page = std::fs::read_to_string(&path).expect("pages are text");
        let mut before: Option<&str> = None;
        for block in page.split("```hgnn").skip(1) {
            let (mark, rest) = block.split_once('\n').expect("a fence has its line");
            let text = &rest[..rest.find("```").expect("a fence is closed")];
            let source = match (mark.trim(), before.take()) {
                ("before", None) => {
                    before = Some(text);
                    continue;
                }
                ("after", Some(before)) => before,
                ("", None) => text,
                (mark, _) => panic!("{}: `{mark}` does not stand in its place", path.display()),
            };
            assert_eq!(layout(source).as_deref(), Ok(text), "{}", path.display());
            n_models += 1;
        }
        assert_eq!(before, None, "{}: nothing comes out", path.display());
    }
    assert!(n_models > 10, "{n_models}");
}

#[test]
fn shipped_models_are_in_layout() {
    for path in every_shipped() {
        let text = std::fs::read_to_string(&path).expect("models are text");
        assert_eq!(layout(&text).as_deref(), Ok(&*text), "run `hgnnc fmt {}`", path.display());
    }
}

#[test]
fn the_layout_of_a_model_has_its_hash() {
    for path in every_shipped() {
        let text = std::fs::read_to_string(&path).expect("models are text");
        let hash = |text: &str| {
            let (_, _, outcome) = diagnose("model.hgnn", text, &BTreeMap::new(), None);
            canonical::hash(outcome.model.expect("a sound model").get())
        };
        // As badly written as it can be, but for lines with words that are not the language's.
        let spread =
            |line: &str| line.replace("->", "\n  ->  ").replace('(', " ( ").replace(", ", "\n       , ");
        let is_words = |line: &str| line.contains('"') || line.contains("//");
        let bad: String = text
            .lines()
            .map(|line| if is_words(line) { line.to_owned() } else { spread(line) } + "\n")
            .collect();
        assert_ne!(bad, text);
        assert_eq!(hash(&layout(&bad).expect("it parses")), hash(&text), "{bad}");
    }
}

/// Runs a command in a folder.
pub fn hgnnc(folder: &Path, arguments: &[&str], input: &str) -> Output {
    use std::io::Write;
    let mut child = Command::new(env!("CARGO_BIN_EXE_hgnnc"))
        .args(arguments)
        .current_dir(folder)
        .env("HGNN_OFFLINE", "1")
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env_remove("HGNN_DATA")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    // A command that does not read its input may have ended before.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    child.wait_with_output().expect("it ends")
}

/// Exit code and standard output.
pub fn shown(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = hgnnc(folder, arguments, "");
    let text = String::from_utf8(output.stdout).expect("output is UTF-8");
    (output.status.code().expect("it ended by itself"), text)
}

const MESSY: &str = "model=gcn(64)->mean->mlp // flat\r\n";
const NEAT: &str = "model = gcn(64) -> mean -> mlp // flat\n";

#[test]
fn a_folder_is_laid_out_but_for_what_git_ignores_and_what_is_broken() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("writable");
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("readable");
    std::fs::create_dir(folder.path().join("sub")).expect("writable");
    let broken = "model = gcn(64 -> mean\n";
    for (name, text) in [
        (".gitignore", "ignored.hgnn\n"),
        ("ignored.hgnn", MESSY),
        ("messy.hgnn", MESSY),
        ("sub/neat.hgnn", NEAT),
        ("sub/broken.hgnn", broken),
        ("notes.txt", MESSY),
    ] {
        write(name, text);
    }
    let (code, text) = shown(folder.path(), &["fmt", "--check"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.starts_with("would reformat messy.hgnn\n"), "{text}");
    assert!(
        text.ends_with("1 file would change, 1 file already formatted, 1 file refused and left as it is\n"),
        "{text}"
    );
    assert_eq!(read("messy.hgnn"), MESSY);

    let (code, text) = shown(folder.path(), &["fmt", "--format", "short"]);
    let (_, check) = shown(folder.path(), &["check", "sub/broken.hgnn", "--format", "short"]);
    assert_eq!((code, text), (1, format!("reformatted messy.hgnn\n{check}")));
    assert_eq!(read("messy.hgnn"), NEAT);
    assert_eq!((read("ignored.hgnn").as_str(), read("notes.txt").as_str()), (MESSY, MESSY));
    assert_eq!(read("sub/broken.hgnn"), broken);
    assert_eq!(shown(folder.path(), &["fmt", "messy.hgnn"]), (0, "1 file already formatted\n".into()));
}

#[test]
fn standard_input_is_written_to_standard_output() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = hgnnc(folder.path(), &["fmt", "-"], MESSY);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), NEAT.as_bytes()));
    // An editor puts standard output in place of its text, so nothing else may stand there.
    let output = hgnnc(folder.path(), &["fmt", "-"], "model = gcn(");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
    assert!(String::from_utf8_lossy(&output.stderr).contains("syntax::unclosed"));
}

#[test]
fn a_difference_is_shown_and_not_written() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("m.hgnn"), "let a=1\nmodel = gcn(64) -> mlp\n").expect("writable");
    let (code, text) = shown(folder.path(), &["fmt", "--diff", "m.hgnn"]);
    let expected = "--- m.hgnn\n+++ m.hgnn (laid out)\n@@ -1,2 +1,2 @@\n-let a=1\n+let a = 1\n model = gcn(64) -> mlp\n\
                    1 file would change\n";
    assert_eq!((code, text.as_str()), (1, expected));
    let (code, json) = shown(folder.path(), &["fmt", "--check", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!((code, &json["files"][0]["status"]), (1, &"would_change".into()));
}
