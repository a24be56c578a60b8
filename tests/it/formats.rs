//! Data in the formats that people have, from the terminal: recognised, trained on, predicted for with its names.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

fn hgnnc(folder: &Path, args: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hgnnc"));
    command
        .current_dir(folder)
        .args(args)
        .env_remove("HGNN_DATA")
        .env_remove("COLUMNS")
        .env("HGNN_OFFLINE", "1");
    command.env("XDG_CACHE_HOME", folder.join("cache"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("built beside this test");
    // A command that does not read it has closed it.
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Rings and paths, a line each; what tells them apart is in their edges and in a column of texts.
fn lines(n: usize, is_labelled: bool) -> String {
    let line = |graph: usize| {
        let is_ring = graph.is_multiple_of(2);
        let nodes: Vec<String> = (0..4)
            .map(|node| {
                format!(
                    "{{\"id\": \"n{node}\", \"kind_of\": \"{}\", \"x\": {node}}}",
                    if is_ring { "r" } else { "p" }
                )
            })
            .collect();
        let mut edges = vec!["[\"n0\", \"n1\"]", "[\"n1\", \"n2\"]", "[\"n2\", \"n3\"]"];
        edges.extend(is_ring.then_some("[\"n3\", \"n0\"]"));
        let label = format!(", \"label\": \"{}\"", if is_ring { "ring" } else { "path" });
        let label = if is_labelled { label.as_str() } else { "" };
        format!(
            "{{\"name\": \"g{graph}\", \"directed\": false, \"nodes\": [{}], \"edges\": [{}]{label}}}\n",
            nodes.join(", "),
            edges.join(", ")
        )
    };
    (0..n).map(line).collect()
}

#[test]
fn a_model_trained_on_json_lines_predicts_for_standard_input_with_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    fs::write(path.join("graphs.jsonl"), lines(24, true)).expect("writable");
    let model = "data = json_lines(\"graphs.jsonl\")\nmodel = gin(8) -> sum -> mlp\ntrain { epochs = 2 }\n";
    fs::write(path.join("m.hgnn"), model).expect("writable");
    let (code, _, err) = hgnnc(path, &["train", "m.hgnn", "--out", "run"], "");
    assert_eq!(code, Some(0), "{err}");
    let (code, out, err) = hgnnc(path, &["predict", "run", "--data", "json_lines(\"-\")"], &lines(3, false));
    assert_eq!(code, Some(0), "{err}");
    let rows: Vec<&str> = out.lines().collect();
    assert_eq!(rows[0], "graph,id,name,class,p_path,p_ring");
    assert_eq!(rows.len(), 4);
    for (graph, row) in rows[1..].iter().enumerate() {
        let cells: Vec<&str> = row.split(',').collect();
        assert_eq!(cells[..3], [graph.to_string(), (graph + 1).to_string(), format!("g{graph}")]);
        assert!(["path", "ring"].contains(&cells[3]), "{row}");
    }
    let other = lines(1, false).replace("\"r\"", "\"other\"");
    let (code, _, err) = hgnnc(path, &["predict", "run", "--data", "json_lines(\"-\")"], &other);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("standard input:1") && err.contains("`other`"), "{err}");
}

#[test]
fn import_prints_the_line_that_reads_a_path() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    fs::create_dir(path.join("my")).expect("writable");
    fs::write(path.join("my/edges.csv"), "source,target\na,b\nb,c\n").expect("writable");
    fs::write(path.join("my/nodes.csv"), "id,label,x\na,red,1\nb,blue,2\nc,red,3\n").expect("writable");
    for shown in ["my", "my/edges.csv"] {
        let (code, out, err) = hgnnc(path, &["data", "import", shown], "");
        assert_eq!(code, Some(0), "{err}");
        assert!(out.contains("data = tables(edges = \"my/edges.csv\", nodes = \"my/nodes.csv\")"), "{out}");
        assert!(out.contains("2 classes (blue, red)") && out.contains("undirected = true"), "{out}");
    }
    let (code, line, _) = hgnnc(path, &["data", "import", "my", "--format", "short"], "");
    assert_eq!(code, Some(0));
    let (code, out, err) = hgnnc(path, &["data", "my"], "");
    assert_eq!(code, Some(0), "{err}");
    assert!(
        out.contains("edges: node classification") && out.contains("homophily") && out.contains("diameter"),
        "{out}"
    );
    // The line is one of a model file.
    fs::write(path.join("m.hgnn"), format!("{line}model = gcn(4) -> linear\n")).expect("writable");
    let (code, out, err) = hgnnc(path, &["check", "m.hgnn"], "");
    assert_eq!(code, Some(0), "{out}{err}");
}

#[test]
fn import_explains_what_no_source_reads() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    fs::write(path.join("graphs.pkl"), b"\x80\x04}.").expect("writable");
    let (code, out, err) = hgnnc(path, &["data", "import", "graphs.pkl"], "");
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("would run as a program") && err.contains("json.dumps"), "{err}");
    let (code, _, err) = hgnnc(path, &["data", "import", "nothing.csv"], "");
    assert_eq!(code, Some(2));
    assert!(err.contains("nothing.csv"), "{err}");
}

#[test]
fn a_page_of_plots_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, out, err) = hgnnc(folder.path(), &["data", "karate", "--html", "page.html"], "");
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("diameter"));
    let page = fs::read_to_string(folder.path().join("page.html")).expect("written");
    assert!(page.starts_with("<!doctype html>") && page.contains("<svg") && page.ends_with("</html>\n"));
}
