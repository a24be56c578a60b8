//! `hgnnc data`, as a terminal shows it.

use snapbox::{assert_data_eq, str};
use std::path::Path;
use std::process::Command;

/// Runs `hgnnc data` without any data folder, cache or network: exit code, output, errors.
fn hgnnc_data(args: &[&str]) -> (Option<i32>, String, String) {
    hgnnc(Path::new("."), &[&["data"], args].concat())
}

/// The same for any command, in a folder.
fn hgnnc(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let nowhere = std::env::temp_dir().join("hgnnc-no-such-cache");
    let output = Command::new(env!("CARGO_BIN_EXE_hgnnc"))
        .args(args)
        .current_dir(folder)
        .env_remove("HGNN_DATA")
        .env_remove("HGNN_MAX_DATA_SIZE")
        .env("HGNN_OFFLINE", "1")
        .env("XDG_CACHE_HOME", nowhere)
        .output()
        .expect("built beside this test");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_built_in_set_is_summed_up_without_any_data() {
    let (code, out, _) = hgnnc_data(&["karate(features = degree)"]);
    assert_eq!(code, Some(0));
    assert_data_eq!(
        out,
        str![[r#"
karate(): node classification

  graphs          1
  nodes           34
  edges           78 undirected (156 directed)
  features        18: degrees from 0 to 17
  diameter        5
  homophily       85.9 % of the edges join nodes of one class; 0.718 with classes counted alike (Lim et al. 2021)
  split           6 train, 4 validation, 24 test
  fingerprint     [..]

          min  25 %  median  75 %  max   mean
  degree    1     2       3     5   17  4.588

  class Mr. Hi          17   50.0 %
  class Officer         17   50.0 %

"#]]
    );
}

#[test]
fn a_missing_set_says_which_file_to_put_where() {
    let (code, out, errors) = hgnnc_data(&["PROTEINS"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert_data_eq!(
        errors,
        str![[r#"
error: the data set `PROTEINS` was not found in any data folder [data::not_here]
  help: looked in [..]hgnnc/tu (no such folder)
        put `PROTEINS.zip`, or a folder `PROTEINS` with PROTEINS_A.txt, PROTEINS_graph_indicator.txt and PROTEINS_graph_labels.txt, into a folder and name that folder with `--data-dir` or HGNN_DATA
        it is published at https://www.chrsmrrs.com/graphkerneldatasets/PROTEINS.zip
        it was not downloaded, because downloads are switched off (`--offline` or HGNN_OFFLINE)

"#]]
    );
}

#[test]
fn a_mistake_in_the_call_is_a_finding() {
    let (code, _, errors) = hgnnc_data(&["--format", "short", "tu(\"X\", max_degree = 3)"]);
    assert_eq!(code, Some(1));
    assert_data_eq!(
        errors,
        str![[r#"
--data:1:16: error[data::no_effect]: `max_degree` has no effect here: the node features are `auto`

"#]]
    );
}

/// Writes a set of three graphs, two paths of three nodes and a pair, with some parts replaced.
pub fn small_set(folder: &Path, name: &str, changes: &[(&str, &str)]) {
    let parts = [
        ("A", "1, 2\n2, 1\n2, 3\n3, 2\n4, 5\n5, 4\n5, 6\n6, 5\n7, 8\n8, 7\n"),
        ("graph_indicator", "1\n1\n1\n2\n2\n2\n3\n3\n"),
        ("graph_labels", "0\n1\n0\n"),
        ("node_labels", "0\n1\n0\n1\n0\n1\n0\n1\n"),
    ];
    let folder = folder.join(name);
    std::fs::create_dir_all(&folder).expect("writable");
    let changed = |part: &str| changes.iter().find(|(changed, _)| *changed == part).map(|(_, text)| *text);
    let own = parts.iter().filter(|(part, _)| changed(part).is_none());
    for (part, text) in own.chain(changes).filter(|(_, text)| !text.is_empty()) {
        std::fs::write(folder.join(format!("{name}_{part}.txt")), text).expect("writable");
    }
}

#[test]
fn a_name_that_nobody_knows_is_an_error_and_a_published_set_elsewhere_a_warning() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, data: &str| {
        let text = format!("data = tu(\"{data}\")\n\nmodel = gcn(8) -> relu -> mean -> mlp\n");
        std::fs::write(root.path().join(name), text).expect("writable");
    };
    let run = |args: &[&str]| hgnnc(root.path(), args);
    let codes = |out: &str| -> Vec<(String, String)> {
        let all: serde_json::Value = serde_json::from_str(out).expect("JSON");
        let of = |finding: &serde_json::Value| {
            let text = |key: &str| finding[key].as_str().expect("text").to_owned();
            (text("code"), text("severity"))
        };
        all.as_array().expect("a list").iter().map(of).collect()
    };
    let found = |code: &str, severity: &str| vec![(code.to_owned(), severity.to_owned())];
    file("wrong.hgnn", "MUTAGG");
    file("published.hgnn", "IMDB-BINARY");
    for command in ["check", "lint"] {
        let (code, out, _) = run(&[command, "wrong.hgnn", "--format", "json"]);
        assert_eq!((code, codes(&out)), (Some(1), found("data::unknown_set", "error")), "{command}");
        let (code, out, _) = run(&[command, "published.hgnn", "--format", "json"]);
        assert_eq!((code, codes(&out)), (Some(0), found("data::not_here", "warning")), "{command}");
        let (code, out, _) =
            run(&[command, "published.hgnn", "--deny", "data::not_here", "--format", "json"]);
        assert_eq!((code, codes(&out)), (Some(1), found("data::not_here", "error")), "{command}");
        let (code, _, errors) = run(&[command, "published.hgnn", "--deny", "data::nothere"]);
        assert_eq!(code, Some(2), "{command}");
        assert!(errors.contains("did you mean `data::not_here`?"), "{errors}");
        // Without data there is nothing to say of it.
        let (code, out, _) = run(&[command, "wrong.hgnn", "--no-data", "--format", "json"]);
        assert_eq!((code, codes(&out)), (Some(0), Vec::new()), "{command}");
    }
    assert_eq!(run(&["check", "published.hgnn", "--deny", "all"]).0, Some(1));
    // For the lints, `all` is what can be said of a model wherever it is read.
    assert_eq!(run(&["lint", "published.hgnn", "--deny", "all"]).0, Some(0));
    let (_, out, _) = run(&["lint", "published.hgnn", "--allow", "data::not_here", "--format", "short"]);
    assert_eq!(out, "");
    let (code, out, _) = run(&["check", "wrong.hgnn"]);
    assert_eq!(code, Some(1));
    assert!(out.contains("did you mean `MUTAG`?") && !out.contains("correct"), "{out}");
    let (code, _, errors) = run(&["train", "wrong.hgnn"]);
    assert_eq!(code, Some(1));
    assert!(errors.contains("did you mean `MUTAG`?"), "{errors}");
    assert_eq!(run(&["train", "published.hgnn"]).0, Some(2));
    assert_eq!(run(&["data", "MUTAGG"]).0, Some(1));
    // A model can be shown without its data.
    let (code, out, _) = run(&["show", "wrong.hgnn"]);
    assert_eq!(code, Some(0));
    assert!(out.contains("Sizes stay symbolic: there is no data set `MUTAGG`."), "{out}");
    // Where a folder is named, none is asked for.
    std::fs::create_dir(root.path().join("sets")).expect("writable");
    let (_, out, _) = run(&["check", "published.hgnn", "--data-dir", "sets"]);
    assert!(out.contains("into sets") && !out.contains("--data-dir"), "{out}");
    small_set(&root.path().join("sets"), "SMALL", &[]);
    file("path.hgnn", "./sets/SMALLL");
    let (code, out, _) = run(&["check", "path.hgnn"]);
    assert_eq!(code, Some(1));
    assert!(out.contains("did you mean `./sets/SMALL`?") && !out.contains("--data-dir"), "{out}");
}

#[test]
fn what_a_set_carries_and_no_model_sees_is_named() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let edges = "1, 2\n2, 1\n2, 3\n3, 2\n2, 2\n4, 5\n5, 4\n5, 6\n6, 5\n6, 5\n7, 8\n8, 7\n";
    let extra = [
        ("A", edges),
        ("edge_labels", "0\n0\n1\n1\n0\n0\n0\n1\n1\n0\n0\n0\n"),
        ("node_attributes", "1, 2\n3, 4\n5, 6\n7, 8\n1, 2\n3, 4\n5, 6\n7, 8\n"),
        ("edge_weights", "x\n"),
    ];
    small_set(root.path(), "SMALL", &extra);
    let (code, out, _) = hgnnc(root.path(), &["data", "SMALL"]);
    assert_eq!(code, Some(0));
    assert_data_eq!(
        out,
        str![[r#"
SMALL: graph classification

  graphs          3
  nodes           8
  edges           12 directed, 1 of them without its reverse
  features        2 node labels (0, 1)
  edge features   2 edge labels (0, 1)
  self-loops      1
  parallel edges  1
  diameter        2, 1.7 on average
  largest graph   1: 3 nodes, 5 directed edges
  not read        node attributes: 2 columns of SMALL_node_attributes.txt; `features = both` reads them
  not read        edge weights: SMALL_edge_weights.txt
  fingerprint     [..]

                   min  25 %  median  75 %  max   mean
  nodes per graph    2     2       3     3    3  2.667
  edges per graph    2     2       5     5    5      4
  degree             1     1       1     1    3  1.500

  class 0                2   66.7 %
  class 1                1   33.3 %

"#]]
    );
    let (_, out, _) = hgnnc(root.path(), &["data", "SMALL", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((&json["n_edges"], &json["n_directed_edges"]), (&12.into(), &12.into()));
    let counts = ["n_one_way_edges", "n_self_loops", "n_parallel_edges", "n_edge_features", "n_edge_kinds"];
    assert_eq!(counts.map(|count| json[count].as_u64()), [1, 1, 1, 2, 2].map(Some));
    assert_eq!(json["edge_features"], "2 edge labels (0, 1)");
    let what: Vec<_> =
        json["unread"].as_array().expect("a list").iter().map(|unread| &unread["what"]).collect();
    assert_eq!(what, ["node attributes", "edge weights"]);
    // Who says which features are wanted has chosen.
    let (_, out, _) = hgnnc(root.path(), &["data", "tu(\"./SMALL\", features = labels)"]);
    assert!(!out.contains("node attributes") && out.contains("edge weights"), "{out}");
    let edited = "tu(\"./SMALL\", edge_features = none, loops = add, parallel = drop, undirected = true)";
    let (_, out, _) = hgnnc(root.path(), &["data", edited]);
    assert!(out.contains("  edges           13 undirected (18 directed)"), "{out}");
    assert!(out.contains("  edge kinds      3: 2 edge labels (0, 1) and added self-loops\n"), "{out}");
    assert!(out.contains("  edited          1 parallel edge merged, 7 self-loops added\n"), "{out}");
    small_set(root.path(), "ONEWAY", &[("A", "1, 2\n2, 3\n3, 2\n4, 5\n")]);
    let (_, out, _) = hgnnc(root.path(), &["data", "ONEWAY"]);
    assert!(out.contains("edges           4 directed, 2 of them without their reverse\n"), "{out}");
}

#[test]
fn a_set_that_is_too_large_is_refused_with_the_way_to_allow_it() {
    let root = tempfile::tempdir().expect("a temporary folder");
    small_set(root.path(), "SMALL", &[]);
    let (code, _, errors) = hgnnc(root.path(), &["data", "SMALL", "--max-data-size", "40"]);
    assert_eq!(code, Some(2));
    assert_data_eq!(
        errors,
        str![[r#"
error: ./SMALL: the data set has 66 bytes of text when unpacked; the limit is 40 bytes [data::too_large]
  help: if it is meant to be that large, allow it: `--max-data-size 1GiB`, or HGNN_MAX_DATA_SIZE=1GiB

"#]]
    );
    std::fs::write(root.path().join("m.hgnn"), "data = tu(\"./SMALL\")\nmodel = gcn(8) -> mean -> mlp\n")
        .expect("writable");
    let (code, out, _) = hgnnc(root.path(), &["check", "m.hgnn", "--max-data-size", "40"]);
    assert_eq!(code, Some(1));
    assert!(out.contains("data::too_large"), "{out}");
    assert_eq!(hgnnc(root.path(), &["check", "m.hgnn"]).0, Some(0));
}
