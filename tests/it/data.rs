//! `hgnnc data`, as a terminal shows it.

use snapbox::{assert_data_eq, str};
use std::process::Command;

/// Runs `hgnnc data` without any data folder, cache or network: exit code, output, errors.
fn hgnnc_data(args: &[&str]) -> (Option<i32>, String, String) {
    let nowhere = std::env::temp_dir().join("hgnnc-no-such-cache");
    let output = Command::new(env!("CARGO_BIN_EXE_hgnnc"))
        .arg("data")
        .args(args)
        .env_remove("HGNN_DATA")
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
  edges           156 (each with its reverse)
  features        18
  split           6 train, 4 validation, 24 test
  fingerprint     [..]

                      min     25 %   median     75 %      max     mean
  degree                1        2        3        5       17    4.588

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
error: data set `PROTEINS` is in no data folder [data::missing]
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
