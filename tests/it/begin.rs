//! What a newcomer runs first: `new`, `completions`, `man`.

use crate::fmt::{hgnnc, shown};
use std::process::Command;

#[test]
fn a_new_file_is_right_in_layout_and_never_written_over() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = |arguments: &[&str]| shown(folder.path(), arguments);
    let (code, text) = run(&["new", "first", "--data", "karate"]);
    assert!(code == 0 && text.contains("hgnnc train first.hgnn"), "{text}");
    assert_eq!(run(&["new", "copy", "--from", "karate_gat"]).0, 0);
    assert_eq!(run(&["new", "other.hgnn", "--from", "copy.hgnn", "--data", "hierarchy(20)"]).0, 0);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("it is there");
    assert!(read("other.hgnn").contains("\ndata = hierarchy(20)\n"));
    assert_eq!(run(&["fmt", "--check"]), (0, "3 files already formatted\n".into()));
    let (code, text) = run(&["check", "first.hgnn", "copy.hgnn"]);
    assert!(code == 0 && text.lines().all(|line| line.contains(".hgnn: correct.")), "{text}");
    assert_eq!(run(&["train", "first.hgnn", "--epochs", "2", "--out", "run"]).0, 0);

    let before = read("first.hgnn");
    let output = hgnnc(folder.path(), &["new", "first"], "");
    assert_eq!((output.status.code(), read("first.hgnn")), (Some(2), before.clone()));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--force"));
    assert_eq!(run(&["new", "first", "--force"]).0, 0);
    assert_ne!(read("first.hgnn"), before);
    let output = hgnnc(folder.path(), &["new", "x", "--from", "karate_gta"], "");
    assert!(String::from_utf8_lossy(&output.stderr).contains("did you mean `karate_gat`?"));
    // Models of folders, by their path and by their name alone.
    assert_eq!(run(&["new", "long", "--from", "pooling/asap"]).0, 0);
    assert_eq!(run(&["new", "short", "--from", "asap"]).0, 0);
    assert_eq!(read("long.hgnn"), read("short.hgnn"));
}

#[test]
fn shells_read_the_completions() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (shell, check) in [
        ("bash", &["bash", "-n"][..]),
        ("zsh", &["zsh", "-n"]),
        ("fish", &["fish", "--no-execute"]),
        // Elvish has the module that the script sets only where someone types.
        ("elvish", &[]),
        ("powershell", &[]),
    ] {
        let (code, script) = shown(folder.path(), &["completions", shell]);
        assert_eq!(code, 0);
        assert!(script.contains("migrate") && script.contains("data-dir"), "{shell}");
        let path = folder.path().join(shell);
        std::fs::write(&path, script).expect("writable");
        let [program, arguments @ ..] = check else { continue };
        // A shell that is not installed cannot read it.
        if let Ok(output) = Command::new(program).args(arguments).arg(&path).output() {
            assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

#[test]
fn every_command_has_its_manual_page() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_, help) = shown(folder.path(), &["--help"]);
    let (_, commands) = help.split_once("Commands:\n").expect("it lists the commands");
    let (commands, _) = commands.split_once("\n\n").expect("the list ends");
    let names = commands.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    assert_eq!(shown(folder.path(), &["man", "--out", "pages"]).0, 0);
    let mut n_pages = 0;
    for name in names.filter(|name| !name.is_empty() && *name != "help") {
        let page = std::fs::read_to_string(folder.path().join(format!("pages/hgnnc-{name}.1"))).expect(name);
        assert!(page.contains(&format!("hgnnc {}", name.replace('-', "\\-"))), "{name}");
        n_pages += 1;
    }
    assert!(n_pages > 8, "{n_pages}");
    assert!(shown(folder.path(), &["man"]).1.contains(".TH hgnnc 1"));
}
