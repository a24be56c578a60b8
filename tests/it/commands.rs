//! Whole commands as a user sees them: each test runs some and compares the transcript with a page in
//! `snapshots/`. `SNAPSHOTS=overwrite cargo test --test it commands` writes the pages anew.

use std::process::{Command, Stdio};

/// Writes `files` into an empty folder, runs the commands there, and gives what a terminal would show.
fn transcript(files: &[(&str, &str)], commands: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("writable");
    }
    let mut transcript = String::new();
    for command in commands {
        let (arguments, input) = command.split_once(" < ").unwrap_or((command, ""));
        let stdin = match input {
            "" => Stdio::null(),
            name => std::fs::File::open(folder.path().join(name)).expect("one of the files").into(),
        };
        let output = Command::new(env!("CARGO_BIN_EXE_hgnnc"))
            .args(arguments.split_whitespace())
            .current_dir(folder.path())
            .stdin(stdin)
            .env_remove("HGNN_DATA")
            .env_remove("COLUMNS")
            .env("HGNN_OFFLINE", "1")
            .env("XDG_CACHE_HOME", folder.path().join("cache"))
            .output()
            .expect("the binary runs");
        let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
        transcript.push_str(&format!("$ hgnnc {command}\n{}{}", text(output.stdout), text(output.stderr)));
        transcript
            .push_str(&format!("[exit code {}]\n\n", output.status.code().expect("it ended by itself")));
    }
    transcript
}

const RIGHT: &str = "model = gcn(64) as fine
    -> diffpool(ratio = 0.25, assign = sage(32) -> relu)
    -> gcn(64)
    -> concat(fine -> max, max)
    -> mlp(dropout = 0.5)
loss = cross_entropy + 0.1 * link_prediction
train { epochs = 20 }
published { accuracy = 0.7625, source = \"Ying et al. 2018, table 1\" }
";

const WRONG: &str = "data = tu(\"PROTEINS\"
let width = 64
model = gcn(widht) as fine
    -> diffpol(ratio = 0.25)
    -> gcn(64, dropuot = 0.5)
    -> concat(fine -> max, max)
    -> linear(2, in = 64)
train {
    epochs = -3
    optimizer = adam(lr: 1e-3)
    seed = 7
}
";

#[test]
fn all_mistakes_of_a_file_are_reported_in_one_run() {
    let shown =
        transcript(&[("wrong.hgnn", WRONG)], &["check wrong.hgnn", "check wrong.hgnn --format short"]);
    snapbox::assert_data_eq!(shown, snapbox::file!["snapshots/mistakes.txt"]);
}

#[test]
fn findings_are_data_for_programs() {
    let shown = transcript(
        &[("wrong.hgnn", "gcn(32) -> mean -> linear(2, in = 64)"), ("right.hgnn", "gcn(32) -> mean -> mlp")],
        &["check wrong.hgnn right.hgnn --format json", "check right.hgnn --format json"],
    );
    snapbox::assert_data_eq!(shown, snapbox::file!["snapshots/json.txt"]);
}

const FLAT_AND_POOLED: &[(&str, &str)] = &[
    ("flat.hgnn", "gcn(16) -> relu -> flatten -> mlp\n"),
    ("pooled.hgnn", "diffpool(k = 8) -> flatten -> mlp\n"),
];

#[test]
fn a_refusal_for_symmetry_shows_the_chain_of_causes() {
    let shown = transcript(FLAT_AND_POOLED, &["check flat.hgnn pooled.hgnn"]);
    snapbox::assert_data_eq!(shown, snapbox::file!["snapshots/symmetry.txt"]);
}

#[test]
fn the_witness_gives_evidence_for_refused_and_for_accepted_models() {
    let shown = transcript(FLAT_AND_POOLED, &["check flat.hgnn pooled.hgnn --witness --format short"]);
    // The numbers are the machine's.
    let has = |file: &str, words: &str| {
        shown.lines().any(|line| line.starts_with(file) && line.contains("witness:") && line.contains(words))
    };
    assert!(has("flat.hgnn", "the result changes by up to"), "{shown}");
    assert!(has("pooled.hgnn", "the result is the same, to within"), "{shown}");
}

#[test]
fn right_files_are_summed_up_in_a_line() {
    let shown = transcript(
        &[("right.hgnn", RIGHT), ("named.hgnn", "data = tu(\"PROTEINS\")\ngcn(32) -> mean -> mlp\n")],
        &["check right.hgnn named.hgnn", "check - < right.hgnn", "check right.hgnn --format short"],
    );
    snapbox::assert_data_eq!(shown, snapbox::file!["snapshots/right.txt"]);
}

#[test]
fn show_fills_in_every_default() {
    let shown = transcript(&[("right.hgnn", RIGHT)], &["show right.hgnn"]);
    snapbox::assert_data_eq!(shown, snapbox::file!["snapshots/show.txt"]);
}

#[test]
fn show_prints_the_steps_as_they_run() {
    let text = "conv gated(out) {
    message   = sigmoid(linear(out, x_i)) * linear(out, x_j)
    aggregate = sum
}
model = gcn(8) -> relu -> gated(8) -> mean -> linear
";
    let shown = transcript(
        &[("gated.hgnn", text)],
        &[
            "show gated.hgnn --program",
            "show gated.hgnn --program --stage 2 --format json",
            "show gated.hgnn --program --stage 0",
            "show gated.hgnn --program --stage 9",
            "show gated.hgnn --stage 1",
        ],
    );
    snapbox::assert_data_eq!(shown, snapbox::file!["snapshots/steps.txt"]);
}

#[test]
fn the_reference_prints_one_operator_in_full_and_helps_with_names() {
    let shown = transcript(
        &[],
        &[
            "ops diffpool",
            "ops entropy",
            "ops difpool",
            "ops optimizer --format short",
            "ops GATv2Conv --format short",
            "ops Kipf",
        ],
    );
    snapbox::assert_data_eq!(shown, snapbox::file!["snapshots/ops.txt"]);
}

#[test]
fn a_convolution_of_a_file_has_a_page_as_an_operator_has() {
    let convs = "/// Gated messages, of which the mean is taken.
///
/// `act` stands behind the sum with the node's own.
conv gated(out, act = relu) {
    message   = sigmoid(linear(out, x_i, x_j)) * linear(out, x_j)
    aggregate = mean
    update    = act(linear(out, x_i) + aggregated)
}
block twice(width) = gated(width) -> gated(width)
conv towers(out, n, how) {
    message   = linear(out / n, heads(mlp(n * 8, x_j, e_ij), n))
    aggregate = how
    update    = flat(aggregated)
}
";
    let model = "use \"convs.hgnn\"\nmodel = linear(8) -> gated(16) -> twice(16) -> mean -> mlp\n";
    let wrong = "conv half(out) { message = linear(out, x_k), aggregate = mean }\n";
    let shown = transcript(
        &[("convs.hgnn", convs), ("model.hgnn", model), ("wrong.hgnn", wrong)],
        &[
            "ops gated model.hgnn",
            "ops towers convs.hgnn",
            "ops gated convs.hgnn --format short",
            "ops gatd model.hgnn",
            "ops sage model.hgnn",
            "ops twice convs.hgnn",
            "ops half wrong.hgnn",
            "ops model.hgnn",
        ],
    );
    snapbox::assert_data_eq!(shown, snapbox::file!["snapshots/ops_of_file.txt"]);
}

#[test]
fn what_cannot_run_says_why_and_exits_with_2() {
    let shown = transcript(
        &[("right.hgnn", "gcn(32) -> mean -> mlp")],
        &[
            "check missing.hgnn",
            "check .",
            "check right.hgnn --threads 0",
            "chek right.hgnn",
            "explain shape::widht",
        ],
    );
    snapbox::assert_data_eq!(shown, snapbox::file!["snapshots/could_not_run.txt"]);
}
