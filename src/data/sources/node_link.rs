//! `node_link("graph.json")`: what NetworkX's `node_link_data` writes, one graph or a list of them.
//!
//! NetworkX: `networkx.readwrite.json_graph.node_link_data`.

use super::assembly::assemble;
use super::json_graph::{Builder, OneOrMany, wrong_json};
use crate::args::BoundCall;
use crate::data::files::{OneFile, stem};
use crate::data::recognise::{Look, Recognised};
use crate::data::{DataError, DataOptions, Dataset, Source, locate};
use crate::settings::{self, data::SourceFacts};
use std::path::PathBuf;

#[derive(Debug)]
pub struct NodeLink;

impl Source for NodeLink {
    fn facts(&self) -> &'static dyn SourceFacts {
        &settings::data::node_link::NODE_LINK
    }

    fn files(&self, call: &BoundCall, options: &DataOptions) -> Option<Vec<PathBuf>> {
        Some(vec![options.path_of(call.args.text("path").unwrap_or_default())])
    }

    fn recognise(&self, look: &Look) -> Option<Recognised> {
        let text = look.text()?.trim_start();
        let is_graph = text.starts_with(['{', '['])
            && text.contains("\"nodes\"")
            && (text.contains("\"links\"") || text.contains("\"edges\"") || text.len() > 60_000)
            && !look.has_ending(&[".jsonl", ".ndjson"]);
        let call = format!("node_link({})", look.quoted());
        is_graph.then(|| Recognised::new(call, "a graph in NetworkX's node-link JSON")).flatten()
    }

    fn load(&self, call: &BoundCall, options: &DataOptions) -> Result<Dataset, DataError> {
        let span = call.args.get("path").and_then(|arg| arg.span);
        let path = locate::existing(call.args.text("path").unwrap_or_default(), options)
            .map_err(|error| error.span(span))?;
        let is_json = |name: &str| name.ends_with(".json") || name.ends_with(".json.gz");
        let mut file =
            OneFile::at(&path, options.max_bytes()?, &is_json).map_err(|error| error.span(span))?;
        let max_bytes = file.max_bytes();
        let text = file.open()?;
        let (name, is_quoted) = (text.name.clone(), text.is_quoted());
        let bytes = text.bytes()?;
        let mut builder = Builder::new(stem(&path), &name, is_quoted, max_bytes);
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
        let graphs = serde_json::from_slice::<OneOrMany>(bytes);
        let OneOrMany(graphs) = graphs.map_err(|error| {
            let wrong = wrong_json(&name, &error, 1, is_quoted);
            if error.to_string().starts_with("trailing characters") {
                return wrong.help(
                    "one graph a line is read by `json_lines(…)`; several in one file stand in a list `[…]`",
                );
            }
            wrong.help("`hgnnc ops node_link` shows the layout")
        })?;
        for graph in graphs {
            builder.add(graph, 1)?;
        }
        assemble(builder.finish()?.found(call, options.vocabulary.as_ref())?, call, options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ArgValue;
    use crate::data::{self, Targets};

    fn load(text: &str, args: &[(&str, ArgValue)]) -> Result<Dataset, DataError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("club.json");
        std::fs::write(&path, text).expect("writable");
        let named = [&[("path", ArgValue::Text(path.display().to_string()))], args].concat();
        data::load(&data::call("node_link", &named), &DataOptions::folder("nowhere"))
    }

    /// As NetworkX 3 writes it.
    const CLUB: &str = r#"{
        "directed": false, "multigraph": true, "graph": {"name": "club"},
        "nodes": [
            {"age": 31, "pos": [0.5, 1.5], "club": "north", "id": "Ann"},
            {"age": 42, "pos": [1, 2], "club": "south", "id": "Bo"},
            {"age": 7, "pos": [0, 0], "id": 7}
        ],
        "links": [
            {"weight": 2.5, "source": "Ann", "target": "Bo", "key": 0},
            {"weight": 1, "source": 7, "target": 7, "key": 0}
        ]
    }"#;

    #[test]
    fn a_graph_of_networkx_is_read() {
        let set = load(CLUB, &[("target", ArgValue::Text("club".into()))]).expect("whole");
        assert_eq!((set.n_graphs(), set.n_nodes(), set.n_edges(), set.n_loops()), (1, 3, 3, 1));
        assert_eq!(set.targets, Targets::Classes(vec![0, 1, -1]));
        assert_eq!(
            (set.names.nodes.as_slice(), set.names.graphs.as_slice()),
            (&["Ann".into(), "Bo".into(), "7".into()][..], &["club".into()][..])
        );
        assert_eq!(set.vocabulary.features_in_words(), "3 node attributes (age, pos_1, pos_2)");
        assert_eq!(set.vocabulary.edges_in_words(), "1 edge attribute (weight)");
    }

    #[test]
    fn options_name_columns() {
        let text = |name: &str, value: &str| {
            (
                match name {
                    "target" => "target",
                    "ignore" => "ignore",
                    "split" => "split",
                    "kinds" => "kinds",
                    _ => "categories",
                },
                ArgValue::Text(value.into()),
            )
        };
        let set =
            load(CLUB, &[text("target", "age"), text("ignore", "pos, club"), text("categories", "weight")])
                .expect("whole");
        assert_eq!((set.n_features(), set.n_edge_features()), (0, 2));
        assert_eq!(set.class_names, ["7", "31", "42"]);
        let as_values =
            [text("target", "age"), text("ignore", "club"), ("target_as", ArgValue::Choice("values"))];
        assert!(matches!(
            load(CLUB, &as_values).expect("whole").targets,
            Targets::Values { n_values: 1, .. }
        ));
        for (name, value) in [
            ("target", "Club"),
            ("ignore", "agee"),
            ("split", "fold"),
            ("kinds", "weigth"),
            ("categories", "po"),
        ] {
            let error = load(CLUB, &[text(name, value)]).expect_err(name);
            assert_eq!(error.code, "data::unknown_column", "{name}");
            assert!(error.help.is_some_and(|help| help.contains("have")), "{name}");
        }
        let error = load(CLUB, &[text("split", "age"), text("target", "club")]).expect_err("numbers");
        assert_eq!(error.code, "data::not_a_part");
        let error = load(CLUB, &[text("target", "pos, club")]).expect_err("texts among values");
        assert_eq!(error.code, "data::not_a_number");
        // Ann alone has a club, so `club` as a feature has a value missing.
        assert_eq!(load(CLUB, &[]).expect_err("a text is missing").code, "data::missing_value");
    }

    #[test]
    fn lists_of_graphs_and_lines_are_told_apart() {
        let graph = r#"{"nodes": [0, 1], "edges": [{"source": 0, "target": 1}]}"#;
        assert_eq!(load(&format!("[{graph}, {graph}]"), &[]).expect("a list").n_graphs(), 2);
        let error = load(&format!("{graph}\n{graph}\n"), &[]).expect_err("lines");
        assert_eq!((error.code, error.line), ("data::json", Some(2)));
        assert!(error.help.is_some_and(|help| help.contains("json_lines")));
        assert_eq!(
            load("{\n\"nodes\": [0],\n\"links\": [{\"source\": 0}]\n}", &[]).expect_err("no target").line,
            Some(3)
        );
    }
}
