//! Models with a convolution of their own, used as any other.

use crate::damage::trained_on;
use hgnn::train::Output;
use std::fs;
use std::path::Path;
use std::process::Command;

const MODEL: &str = "data = hierarchy(30, community_size = 16)
conv gated(out, act = relu) {
    h         = linear(out, x)
    message   = sigmoid(linear(out, x_i, x_j)) * h_j
    aggregate = [mean, mul]
    update    = act(mlp(out, x_i, aggregated))
}
model = gated(8) -> diffpool(k = 4, assign = gated) -> gated(8, act = tanh) -> mean -> mlp
train { epochs = 4, batch_size = 8 }
";

/// The same with other names, in another layout and order.
const RENAMED: &str = "conv mine(out, f = relu) { // of one\u{2019}s own
  aggregate = [mean, mul],
  update = f( mlp(out, x_i, aggregated, activation = relu) )
  own_value = linear(out, x, bias = true)
  message =
      sigmoid(linear(out, x_i, x_j, init = kaiming)) * own_value_j
  self_loops = false
}
train { batch_size = 8, epochs = 4 }
data = hierarchy(30, community_size = 16)
model = mine(8)
    -> diffpool(k = 4, assign = mine) -> mine(out = 8, f = tanh) -> mean -> mlp
";

/// Runs in a folder and gives the exit code, standard output and standard error.
fn hgnnc(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_hgnnc"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("HGNN_DATA")
        .env("HGNN_OFFLINE", "1")
        .output()
        .expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
    (output.status.code().expect("it ended by itself"), text(output.stdout), text(output.stderr))
}

#[track_caller]
fn printed(folder: &Path, arguments: &[&str]) -> String {
    let (code, out, err) = hgnnc(folder, arguments);
    assert_eq!(code, 0, "{arguments:?}\n{out}\n{err}");
    out
}

fn folder_with(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("writable");
    }
    folder
}

#[test]
fn an_interrupted_training_goes_on_to_the_same_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let into = |name: &str| Output::Folder { path: path(name), force: false };
    let checkpoint = |name: &str| fs::read(path(name).join("checkpoint.safetensors")).unwrap();
    trained_on(MODEL, into("straight"), None, None).unwrap();
    trained_on(MODEL, into("broken"), None, Some((2, 1))).unwrap();
    let epochs = fs::read_to_string(path("broken").join("metrics.jsonl")).unwrap().lines().count();
    assert!(epochs < 4 && path("broken").join("state.safetensors").is_file(), "{epochs} epochs are over");
    trained_on(MODEL, Output::Resume(path("broken")), None, None).unwrap();
    assert!(checkpoint("broken") == checkpoint("straight"), "the checkpoints differ");
}

#[test]
fn names_and_layout_are_no_part_of_what_is_trained() {
    let folder = folder_with(&[("m.hgnn", MODEL), ("renamed.hgnn", RENAMED)]);
    let path = folder.path();
    printed(path, &["train", "m.hgnn", "--out", "run", "--seed", "3"]);
    let measured = printed(path, &["eval", "run"]);
    let hash = |file: &str| printed(path, &["hash", "--part", "architecture", file, "--format", "short"]);
    let first_word = |text: String| text.split_whitespace().next().unwrap().to_owned();
    assert_eq!(first_word(hash("m.hgnn")), first_word(hash("renamed.hgnn")));

    // The file is rewritten after the run: the checkpoint still answers, and its weights still load.
    fs::write(path.join("m.hgnn"), RENAMED).unwrap();
    assert_eq!(printed(path, &["eval", "run"]), measured);
    let arguments = ["train", "m.hgnn", "--init-from", "run", "--out", "on", "--epochs", "1", "--seed", "3"];
    let (code, out, err) = hgnnc(path, &arguments);
    assert_eq!(code, 0, "{out}\n{err}");
}

#[test]
fn a_changed_body_is_reported_by_its_part() {
    let changed = MODEL.replace("[mean, mul]", "[mean, max]").replace("sigmoid(", "tanh(");
    let wider = MODEL.replace("h         = linear(out, x)", "h         = mlp(out, x)");
    let folder = folder_with(&[
        ("m.hgnn", MODEL),
        ("renamed.hgnn", RENAMED),
        ("changed.hgnn", &changed),
        ("wider.hgnn", &wider),
    ]);
    let diff = |file: &str| printed(folder.path(), &["diff", "m.hgnn", file]);
    let changed = diff("changed.hgnn");
    for expected in
        ["aggregate [mean, mul] → [mean, max]", "message sigmoid(", "→ tanh(", "3 times", "weights: all"]
    {
        assert!(changed.contains(expected), "{expected} in\n{changed}");
    }
    let wider = diff("wider.hgnn");
    assert!(wider.contains("linear(") && wider.contains("→ mlp("), "{wider}");
    let renamed = diff("renamed.hgnn");
    assert!(!renamed.contains("message") && !renamed.contains("aggregate"), "{renamed}");
}

#[test]
fn a_long_body_has_one_layout() {
    let long = "conv long(out, towers = 4, act = leaky_relu, delta = 1.0) { self_loops = true, first_value_of_each_node = mlp(towers * out, x, \
                hidden = [2 * out, out], activation = act, dropout = 0.1) // of a node
        message = softmax(leaky_relu(dot(heads(first_value_of_each_node_i, towers), weight(towers, out)) + dot(heads(first_value_of_each_node_j, towers), weight(towers, out)), 0.2)) * heads(first_value_of_each_node_j, towers)
      // Several at once.
      aggregate = [sum, mean, max, min, std, var, mul]
   update = flat(linear(out / towers, x_i, aggregated, aggregated * (log(degree_i + 1) / delta), aggregated * (delta / log(max(degree_i, 1) + 1)))) }
model = long(16) -> relu -> long(16, towers = 2, act = elu, delta = 0.5) -> mean -> mlp";
    let folder = folder_with(&[("m.hgnn", long)]);
    let path = folder.path();
    let hash = printed(path, &["hash", "m.hgnn"]);
    printed(path, &["fmt", "m.hgnn"]);
    let once = fs::read_to_string(path.join("m.hgnn")).unwrap();
    assert!(once.lines().all(|line| line.chars().count() <= 100) && once != long, "{once}");
    assert!(once.contains("// of a node") && once.contains("// Several at once."), "{once}");
    printed(path, &["fmt", "m.hgnn"]);
    assert_eq!(fs::read_to_string(path.join("m.hgnn")).unwrap(), once);
    assert_eq!(printed(path, &["hash", "m.hgnn"]), hash);
}

#[test]
fn a_message_that_reads_no_neighbour_is_warned_of() {
    let with = |message: &str| {
        format!(
            "conv half(out) {{ message = {message}, aggregate = mean }}\nmodel = half(8, edge = edges) -> mean -> mlp"
        )
    };
    let lints = |message: &str| {
        let folder = folder_with(&[("m.hgnn", &with(message))]);
        hgnnc(folder.path(), &["lint", "m.hgnn"]).1
    };
    assert!(lints("mlp(out, x_i, e_ij)").contains("lint::unread_neighbours"));
    assert!(!lints("mlp(out, x_j, e_ij)").contains("lint::unread_neighbours"));
}
