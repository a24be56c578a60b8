//! `json_lines("graphs.jsonl")`: one graph a line, in a layout of our own that also takes NetworkX's node-link data.

use super::assembly::assemble;
use super::frame::Frames;
use super::json_graph::{Builder, GraphJson, wrong_json};
use crate::args::BoundCall;
use crate::data::files::{OneFile, stem};
use crate::data::recognise::{Look, Recognised};
use crate::data::scan::Text;
use crate::data::{DataError, DataOptions, Dataset, Source, locate};
use crate::regular;
use crate::settings::{self, data::SourceFacts};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::OnceLock;

#[derive(Debug)]
pub struct JsonLines;

const MAX_LINE_BYTES: usize = 256 << 20;

impl Source for JsonLines {
    fn facts(&self) -> &'static dyn SourceFacts {
        &settings::data::json_lines::JsonLines
    }

    fn files(&self, call: &BoundCall, options: &DataOptions) -> Option<Vec<PathBuf>> {
        let path = call.args.text("path").filter(|path| *path != "-")?;
        Some(vec![options.path_of(path)])
    }

    fn recognise(&self, look: &Look) -> Option<Recognised> {
        if look.is_folder {
            let mut files =
                look.names.iter().filter(|name| name.ends_with(".jsonl") || name.ends_with(".jsonl.gz"));
            let only = files.next().filter(|_| files.next().is_none())?;
            return self.recognise(&look.inside(only)?);
        }
        let first = look.text()?.lines().find(|line| !line.trim().is_empty())?.trim();
        let call = format!("json_lines({})", look.quoted());
        let is_named_so = look.has_ending(&[".jsonl", ".ndjson"]);
        let is_graph = first.starts_with('{')
            && ["\"nodes\"", "\"edges\"", "\"features\""].iter().any(|key| first.contains(key));
        let is_whole = first.ends_with('}') && (is_named_so || !look.has_ending(&[".json"]));
        (is_graph && (is_whole || is_named_so))
            .then(|| Recognised::new(call, "graphs in JSON, one a line"))
            .flatten()
    }

    fn load(&self, call: &BoundCall, options: &DataOptions) -> Result<Dataset, DataError> {
        let path = call.args.text("path").unwrap_or_default();
        let span = call.args.get("path").and_then(|arg| arg.span);
        let max_bytes = options.max_bytes()?;
        let frames = if path == "-" {
            let bytes = standard_input(max_bytes).map_err(|error| error.span(span))?;
            let wrong = |label: &str, error: &std::io::Error| {
                DataError::new("data::unreadable", error.to_string()).file(label)
            };
            let text =
                Text::new("standard input".into(), bytes.len() as u64, Box::new(bytes), Box::new(wrong));
            read(text, "standard input".into(), max_bytes)?
        } else {
            let path = locate::existing(path, options).map_err(|error| error.span(span))?;
            let is_json =
                |name: &str| name.ends_with(".jsonl") || name.ends_with(".ndjson") || name.ends_with(".json");
            let mut file = OneFile::at(&path, max_bytes, &is_json).map_err(|error| error.span(span))?;
            read(file.open()?, stem(&path), max_bytes)?
        };
        assemble(frames.found(call, options.vocabulary.as_ref())?, call, options)
    }
}

/// All of standard input, which can be read once and is asked for by check and run.
fn standard_input(max_bytes: u64) -> Result<&'static [u8], DataError> {
    static READ: OnceLock<Result<Vec<u8>, DataError>> = OnceLock::new();
    let read = READ.get_or_init(|| {
        let stdin = std::io::stdin();
        if stdin.is_terminal() {
            return Err(DataError::new(
                "data::unreadable",
                "standard input is a terminal, where graphs are asked for",
            )
            .help("write the lines into it: `… | hgnnc predict RUN --data 'json_lines(\"-\")'`"));
        }
        regular::read_stream(stdin.lock(), max_bytes).map_err(|error| {
            DataError::new("data::unreadable", format!("standard input cannot be read: {error}"))
                .help("name a file instead, or allow more with `--max-data-size`")
        })
    });
    read.as_deref().map_err(Clone::clone)
}

fn read(text: Text, name: String, max_bytes: u64) -> Result<Frames, DataError> {
    let (file, is_quoted) = (text.name.clone(), text.is_quoted());
    let mut builder = Builder::new(name, &file, is_quoted, max_bytes);
    text.lines(MAX_LINE_BYTES, |row, line| {
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        let graph: GraphJson = serde_json::from_slice(line).map_err(|error| {
            let error_here = wrong_json(&file, &error, row + 1, is_quoted);
            match (row, error.is_eof()) {
                (0, true) => error_here.help(
                    "a graph stands on one line; a file with one graph over many lines is read by `node_link(…)`",
                ),
                _ => error_here,
            }
        })?;
        builder.add(graph, row + 1)
    })?;
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ArgValue;
    use crate::data::{self, Columns, Features, Target, Targets};

    fn load_with(text: &str, args: &[(&str, ArgValue)], options: &DataOptions) -> Result<Dataset, DataError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("set.jsonl");
        std::fs::write(&path, text).expect("writable");
        let named = [&[("path", ArgValue::Text(path.display().to_string()))], args].concat();
        data::load(&data::call("json_lines", &named), options)
    }

    fn load(text: &str) -> Result<Dataset, DataError> {
        load_with(text, &[], &DataOptions::folder("nowhere"))
    }

    fn dense(set: &Dataset) -> Vec<f32> {
        let mut values = Vec::new();
        set.features.write_rows(0..set.n_nodes(), &mut values);
        values
    }

    #[test]
    fn counts_pairs_and_labels_are_a_graph() {
        let set = load(
            "{\"nodes\": 3, \"edges\": [[0, 1], [1, 2]], \"label\": \"path\"}\n\n\
             {\"nodes\": 1, \"edges\": [], \"label\": \"dot\"}\n",
        )
        .expect("whole");
        assert_eq!((set.name.as_str(), set.n_graphs(), set.n_nodes(), set.n_edges()), ("set", 2, 4, 2));
        assert_eq!(set.targets, Targets::Classes(vec![1, 0]));
        assert_eq!(set.class_names, ["dot", "path"]);
        assert_eq!(set.vocabulary.target, Some(Target::Names(vec!["dot".into(), "path".into()])));
        assert_eq!(set.n_features(), 0);
    }

    #[test]
    fn rows_of_features_targets_and_edge_features_are_read() {
        let set = load(
            "{\"features\": [[0.5, 1], [0, 1]], \"edges\": [[0, 1]], \"edge_features\": [2.5], \"directed\": false, \
             \"target\": [0.7, 1]}",
        )
        .expect("whole");
        assert_eq!(set.features, Features::Dense { values: vec![0.5, 1.0, 0.0, 1.0].into(), width: 2 });
        assert_eq!(set.edge_features, Some(Features::Dense { values: vec![2.5, 2.5].into(), width: 1 }));
        assert!(set.is_symmetric());
        assert_eq!(set.targets, Targets::Values { values: vec![0.7, 1.0], n_values: 2 });
    }

    const MOLECULES: &str = concat!(
        r#"{"nodes": [{"id": "C1", "atom": "C", "charge": 0}, {"id": "O1", "atom": "O", "charge": -1}], "#,
        r#""links": [{"source": "O1", "target": "C1", "bond": "double", "type": "x"}], "directed": false, "label": 3, "#,
        r#""split": "train", "name": "first"}"#,
        "\n",
        r#"{"nodes": [{"charge": 2, "id": "N1", "atom": "N"}], "links": [], "label": 5, "split": "test", "name": "second"}"#,
        "\n"
    );

    #[test]
    fn objects_have_columns_by_their_names() {
        let set = load(MOLECULES).expect("whole");
        assert_eq!(
            set.vocabulary.columns,
            [
                Columns::Numbers { names: vec!["charge".into()] },
                Columns::Categories {
                    column: "atom".into(),
                    values: ["C", "N", "O"].map(String::from).into()
                },
            ]
        );
        assert_eq!(dense(&set), [0.0, 1.0, 0.0, 0.0, -1.0, 0.0, 0.0, 1.0, 2.0, 0.0, 1.0, 0.0]);
        assert_eq!((set.n_edges(), set.n_edge_features(), set.n_edge_kinds()), (2, 2, 1));
        assert_eq!(set.names.nodes, ["C1", "O1", "N1"]);
        assert_eq!(set.names.graphs, ["first", "second"]);
        let split = set.fixed_split.expect("a column `split`");
        assert_eq!((split.train, split.test), (vec![0], vec![1]));
    }

    #[test]
    fn a_model_finds_its_columns_again() {
        let trained = load(MOLECULES).expect("whole");
        let options =
            DataOptions { vocabulary: Some(trained.vocabulary.clone()), ..DataOptions::folder("nowhere") };
        let again = |text: &str| load_with(text, &[], &options);
        let set = again("{\"nodes\": [{\"atom\": \"O\", \"new\": 4, \"charge\": 1}], \"edges\": []}")
            .expect("the same columns");
        assert_eq!((dense(&set), &set.targets), (vec![1.0, 0.0, 0.0, 1.0], &Targets::None));
        assert_eq!(set.vocabulary.columns, trained.vocabulary.columns);
        let error =
            again("{\"nodes\": [{\"atom\": \"Xe\", \"charge\": 1}], \"edges\": []}").expect_err("unseen");
        assert_eq!((error.code, error.line), ("data::unknown_label", Some(1)));
        let error = again("{\"nodes\": [{\"atom\": \"O\"}], \"edges\": []}").expect_err("no charge");
        assert_eq!(error.code, "data::other_columns");
    }

    #[test]
    fn nodes_can_be_what_is_predicted() {
        let set =
            load("{\"features\": [1, 2, 3], \"edges\": [[0, 1]], \"node_targets\": [\"a\", null, \"b\"]}")
                .expect("whole");
        assert_eq!(set.targets, Targets::Classes(vec![0, -1, 1]));
        assert_eq!(set.task.map(crate::types::Task::name), Some("node_classification"));
    }

    #[test]
    fn labels_of_nodes_and_edges_are_one_hot_and_edges_have_kinds() {
        let set = load("{\"node_labels\": [4, 6], \"edges\": [[0, 1], [1, 0]], \"edge_labels\": [\"b\", \"a\"], \"label\": 1}")
            .expect("whole");
        assert_eq!(set.features, Features::OneHot { columns: vec![0, 2].into(), width: 3 });
        assert_eq!((set.n_edge_kinds(), set.n_edge_features()), (2, 2));
        assert_eq!(set.vocabulary.edge_kinds.expect("kinds").names, ["a", "b"]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let good = "{\"nodes\": 2, \"edges\": [[0, 1]]}\n";
        for (line, code) in [
            ("{", "data::json"),
            ("[]", "data::json"),
            ("{}", "data::missing_part"),
            ("{\"nodes\": 0}", "data::empty_graph"),
            ("{\"nodes\": 4000000000}", "data::too_large"),
            ("{\"nodes\": 99999999999999999999}", "data::json"),
            ("{\"nodes\": -1}", "data::json"),
            ("{\"nodes\": 2, \"edges\": [[0, 2]]}", "data::out_of_range"),
            ("{\"nodes\": 2, \"edges\": [[0, -1]]}", "data::out_of_range"),
            ("{\"nodes\": 2, \"edges\": [[0]]}", "data::json"),
            ("{\"nodes\": 2, \"edges\": [[0, 1, 2]]}", "data::json"),
            ("{\"nodes\": 2, \"edges\": [[0, 0.5]]}", "data::json"),
            ("{\"nodes\": [{\"id\": \"a\"}, {\"id\": \"a\"}]}", "data::ambiguous"),
            ("{\"nodes\": [{\"id\": \"a\"}], \"edges\": [[\"a\", \"b\"]]}", "data::out_of_range"),
            ("{\"nodes\": 2, \"features\": [[1]]}", "data::count"),
            ("{\"features\": [[1], [1, 2]]}", "data::json"),
            ("{\"features\": [[1e60]]}", "data::json"),
            ("{\"nodes\": 2, \"features\": [[1], [2]]}", "data::ragged"),
            ("{\"nodes\": 2, \"edges\": [[0, 1]], \"edge_labels\": [1, 2]}", "data::count"),
            ("{\"nodes\": 2, \"nodes\": 2}", "data::json"),
        ] {
            let error = load(&format!("{good}{line}\n")).expect_err(line);
            assert_eq!((error.code, error.line), (code, Some(2)), "{line}: {error}");
            assert!(error.help.is_some(), "{line}");
        }
        assert_eq!(load("").expect_err("empty").code, "data::empty");
        let error = load("{\"nodes\": 2, \"edgs\": [[0, 1]]}").expect_err("a slip");
        assert!(error.help.expect("a help").contains("`edges`"));
        assert_eq!(load("\u{0}\u{1}binary").expect_err("binary").code, "data::json");
        let deep = "[".repeat(100_000);
        assert_eq!(load(&format!("{{\"x\": {deep}")).expect_err("deep").code, "data::json");
    }
}
