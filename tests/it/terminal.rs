//! Output fits the terminal, from 60 columns on, and every help text is a page of a manual.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use unicode_width::UnicodeWidthStr;

/// What a terminal of this width would show: both streams.
fn shown(folder: &Path, arguments: &[&str], columns: usize) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_hgnnc"))
        .current_dir(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .env_remove("HGNN_DATA")
        .env("COLUMNS", columns.to_string())
        .env("HGNN_OFFLINE", "1")
        .env("HOME", folder)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .output()
        .expect("the binary runs");
    String::from_utf8([output.stdout, output.stderr].concat()).expect("output is UTF-8")
}

const MODEL: &str = "/// A model with long stages, branches and several sections.
data = hierarchy(12, community_size = 16)
block encoder(width, depth = 2) = repeat(depth, sage(width, aggregate = mean) -> batch_norm -> relu -> dropout(0.25))
model = encoder(16) as fine
    -> diffpool(ratio = 0.25, assign = encoder(16))
    -> encoder(16) as coarse_value_with_a_long_name
    -> concat(fine -> max, coarse_value_with_a_long_name -> max, mean)
    -> mlp(hidden = [16, 8], dropout = 0.5, activation = leaky_relu)
loss = cross_entropy(class_weights = balanced) + link_prediction + 0.1 * entropy
train { optimizer = adam(lr = 1e-3, weight_decay = 1e-4), schedule = plateau(factor = 0.5, patience = 10), epochs = 2, batch_size = 8, early_stop = patience(30, monitor = val_loss) }
evaluate { protocol = k_fold(2, inner_holdout = 0.2), metrics = [accuracy, balanced_accuracy, macro_f1] }
published { accuracy = 0.7625, source = \"Ying et al., Hierarchical Graph Representation Learning with Differentiable Pooling, NeurIPS 2018, table 1\" }
";

const WRONG: &str = "let width = 64
model = gcn(widht) -> repeat(3, residual(gcn(64, dropuot = 0.5) -> batch_norm -> relu)) -> concat(max, mean, sum) -> linear(2, in = 64)
train { epochs = -3, optimizer = adam(lr: 1e-3) }
";

/// Whether a line that is too wide could have been broken.
fn could_break(line: &str, columns: usize) -> bool {
    let text = line.trim_start();
    let indent = line.width() - text.width();
    let mut column = indent;
    let mut is_code = false;
    text.chars().enumerate().any(|(idx, ch)| {
        column += 1;
        if ch == '`' {
            is_code = !is_code;
        }
        idx > 0 && ch == ' ' && !is_code && column <= columns
    })
}

#[test]
fn every_command_fits_60_80_and_120_columns() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path();
    fs::write(path.join("model.hgnn"), MODEL).expect("writable");
    fs::write(path.join("wrong.hgnn"), WRONG).expect("writable");
    fs::write(path.join("flat.hgnn"), "gcn(16) -> relu -> flatten -> mlp\n").expect("writable");
    fs::write(path.join("named.hgnn"), "data = tu(\"PROTEINS\")\ngcn(16) -> relu -> mean -> mlp\n")
        .expect("writable");
    shown(path, &["train", "model.hgnn", "--out", "run"], 80);
    let commands: &[&[&str]] = &[
        &["new", "--list"],
        &["new", "first", "--force"],
        &["check", "model.hgnn", "wrong.hgnn", "flat.hgnn", "named.hgnn"],
        &["check", "--witness", "model.hgnn", "flat.hgnn"],
        &["lint", "model.hgnn", "wrong.hgnn", "named.hgnn"],
        &["lint", "--list"],
        &["fmt", "--check", "model.hgnn", "wrong.hgnn"],
        &["show", "model.hgnn"],
        &["show", "model.hgnn", "--no-data"],
        &["show", "named.hgnn"],
        &["graph", "wrong.hgnn"],
        &["estimate", "model.hgnn", "--memory-limit", "100MB"],
        &["estimate", "named.hgnn"],
        &["train", "model.hgnn", "--out", "run", "--force"],
        &["train", "model.hgnn", "--out", "run"],
        &["train", "named.hgnn"],
        &["eval", "run"],
        &["eval", "run/fold-1"],
        &["eval", "nowhere"],
        &["predict", "run"],
        &["hash", "wrong.hgnn"],
        &["diff", "model.hgnn", "flat.hgnn"],
        &["diff", "model.hgnn", "wrong.hgnn"],
        &["migrate", "--check", "model.hgnn", "wrong.hgnn"],
        &["data"],
        &["data", "hierarchy"],
        &["data", "karate"],
        &["data", "PROTEINS"],
        &["ops"],
        &["ops", "diffpool"],
        &["ops", "gat"],
        &["ops", "train"],
        &["ops", "tu"],
        &["explain"],
        &["explain", "symmetry::depends_on_numbering"],
        &["explain", "lint::over_smoothing"],
        &["completions", "tcsh"],
        &["--help"],
    ];
    let mut too_wide = String::new();
    for columns in [60, 80, 120] {
        for arguments in commands {
            for line in shown(path, arguments, columns).lines() {
                if line.width() > columns && could_break(line, columns) {
                    too_wide
                        .push_str(&format!("{columns} columns, {arguments:?}: {}\n{line}\n", line.width()));
                }
            }
        }
    }
    assert!(too_wide.is_empty(), "\n{too_wide}");
}

#[test]
fn every_help_text_has_a_summary_examples_exit_codes_and_all_values() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let help = |arguments: &[&str]| shown(folder.path(), arguments, 100);
    let all = help(&["--help"]);
    let commands =
        all.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let mut n_commands = 0;
    for line in commands.filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
        let name = line.split_whitespace().next().unwrap_or_default();
        if name == "help" {
            continue;
        }
        n_commands += 1;
        let page = help(&[name, "--help"]);
        for part in ["\nUsage: hgnnc ", "\nExamples:\n", "\nExit codes: 0 ", "1 to 1024", "- json:"] {
            assert!(page.contains(part), "{name} --help lacks {part:?}\n{page}");
        }
        assert!(page.contains(&format!("  hgnnc {name}")), "{name} --help shows no call of it");
        // A number has a range, wherever one is asked for.
        let lines: Vec<&str> = page.lines().collect();
        for (idx, line) in lines.iter().enumerate().filter(|(_, line)| line.trim_end().ends_with("<N>")) {
            let about = lines[idx + 1..]
                .iter()
                .take_while(|line| !line.trim().is_empty())
                .copied()
                .collect::<String>();
            assert!(about.contains(" to ") || about.contains("from 0"), "{name} {line}: {about}");
        }
    }
    assert!(n_commands > 15, "{n_commands}");
    for (arguments, values) in [
        (&["new", "--help"][..], &["`quickstart`", "relational", "hierarchy(…)", "karate(…)", "tu(…)"][..]),
        (&["lint", "--help"], &["over_smoothing", "unused_clusters", "`all`"]),
        (&["graph", "--help"], &[".svg", ".htm)", ".gv", ".mermaid", "- right:", "- stages:", "- print:"]),
        (&["estimate", "--help"], &["kB", "TiB", "- cuda:"]),
        (&["ops", "--help"], &["convolution", "normalization", "early_stop", "metric", "section"]),
        (&["predict", "--help"], &["`csv`", "`jsonl`", ".jsonl"]),
        (&["--help"], &["HGNN_DATA", "NO_COLOR", "COLUMNS", "130", "\"error\""]),
    ] {
        let page = help(arguments).split_whitespace().collect::<Vec<_>>().join(" ");
        for value in values {
            assert!(page.contains(value), "{arguments:?} does not name {value}:\n{page}");
        }
    }
}
