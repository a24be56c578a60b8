//! `graphml("graph.graphml")`: graphs in GraphML, as NetworkX, igraph, yEd and Gephi write them.
//!
//! Format: U. Brandes et al., "GraphML Progress Report", GD 2001, <http://graphml.graphdrawing.org>.

use super::assembly::assemble;
use super::frame::Cell;
use super::frame::Frames;
use super::named_graph::{Lines, NamedGraphs, is, parse_xml, typed, utf8};
use crate::args::BoundCall;
use crate::data::files::{OneFile, stem};
use crate::data::recognise::{Look, Recognised};
use crate::data::scan::FileName;
use crate::data::{DataError, DataOptions, Dataset, Source, locate};
use crate::settings::{self, data::SourceFacts};
use roxmltree::Node;
use std::collections::HashMap;
use std::path::PathBuf;

#[derive(Debug)]
pub struct GraphMl;

impl Source for GraphMl {
    fn facts(&self) -> &'static dyn SourceFacts {
        &settings::data::graphml::GRAPHML
    }

    fn files(&self, call: &BoundCall, options: &DataOptions) -> Option<Vec<PathBuf>> {
        Some(vec![options.path_of(call.args.text("path").unwrap_or_default())])
    }

    fn recognise(&self, look: &Look) -> Option<Recognised> {
        let is_graphml = look.text()?.contains("<graphml");
        is_graphml
            .then(|| Recognised::new(format!("graphml({})", look.quoted()), "graphs in GraphML"))
            .flatten()
    }

    fn load(&self, call: &BoundCall, options: &DataOptions) -> Result<Dataset, DataError> {
        let frames = load_xml(call, options, &[".graphml", ".xml"], read)?;
        assemble(frames.found(call, options.vocabulary.as_ref())?, call, options)
    }
}

type Read = fn(&str, String, &FileName, bool) -> Result<Frames, DataError>;

/// The file of a call, parsed by `read`.
pub fn load_xml(
    call: &BoundCall,
    options: &DataOptions,
    endings: &[&str],
    read: Read,
) -> Result<Frames, DataError> {
    let span = call.args.get("path").and_then(|arg| arg.span);
    let path = locate::existing(call.args.text("path").unwrap_or_default(), options)
        .map_err(|error| error.span(span))?;
    let is_wanted = |name: &str| endings.iter().any(|ending| name.to_ascii_lowercase().ends_with(ending));
    let mut file = OneFile::at(&path, options.max_bytes()?, &is_wanted).map_err(|error| error.span(span))?;
    let text = file.open()?;
    let (name, is_quoted) = (text.name.clone(), text.is_quoted());
    let text = utf8(text.bytes()?, &name)?;
    read(&text, stem(&path), &name, is_quoted)
}

/// What `key` declares.
struct Key<'a> {
    name: &'a str,
    kind: &'a str,
    default: Option<&'a str>,
}

fn read(text: &str, name: String, file: &FileName, is_quoted: bool) -> Result<Frames, DataError> {
    let document = parse_xml(text, file, is_quoted)?;
    let root = document.root_element();
    if !is(&root, "graphml") {
        return Err(file
            .error("data::xml", 0, "is XML, but no GraphML")
            .help("the file begins with `<graphml>`; GEXF is read by `gexf(…)`"));
    }
    let mut lines = Lines::of(text);
    let mut keys: HashMap<(&str, &str), Key> = HashMap::new();
    for key in root.children().filter(|node| is(node, "key")) {
        let Some(id) = key.attribute("id") else { continue };
        let declared = Key {
            name: key.attribute("attr.name").unwrap_or(id),
            kind: key.attribute("attr.type").unwrap_or("string"),
            default: key
                .children()
                .find(|node| is(node, "default"))
                .map(|node| node.text().unwrap_or_default()),
        };
        let of = key.attribute("for").unwrap_or("all");
        let all: &[&str] = if of == "all" { &["node", "edge", "graph"] } else { &[of] };
        for &of in all {
            let (name, kind, default) = (declared.name, declared.kind, declared.default);
            keys.insert((of, id), Key { name, kind, default });
        }
    }
    let mut graphs = NamedGraphs::new(name, file, is_quoted);
    for graph in root.children().filter(|node| is(node, "graph")) {
        let is_directed = graph.attribute("edgedefault") == Some("directed");
        let line_of_graph = lines.line(&graph);
        for node in graph.children().filter(|child| is(child, "node")) {
            let line = lines.line(&node);
            let Some(id) = node.attribute("id") else {
                return Err(file
                    .error("data::xml", line - 1, "a node has no `id`")
                    .help("every node has one"));
            };
            if node.children().any(|child| is(&child, "graph")) {
                return Err(file
                    .error("data::not_supported", line - 1, "the node holds a graph of its own")
                    .help("graphs here have one level: write the inner graph as a graph, or its nodes beside the others"));
            }
            graphs.node(id, line)?;
            let columns = &mut graphs.frames.nodes;
            for (key, cell) in values(&node, "node", &keys, file, line)? {
                let column = columns.column(key);
                columns.set(column, cell)?;
            }
        }
        for edge in graph.children().filter(|child| is(child, "edge") || is(child, "hyperedge")) {
            let line = lines.line(&edge);
            if is(&edge, "hyperedge") {
                return Err(file
                    .error("data::not_supported", line - 1, "the edge joins any number of nodes")
                    .help("graphs have no hyperedges: write a node for each, joined to its members"));
            }
            let (Some(source), Some(target)) = (edge.attribute("source"), edge.attribute("target")) else {
                return Err(file
                    .error("data::xml", line - 1, "an edge needs `source` and `target`")
                    .help("name both ends"));
            };
            let is_directed = edge.attribute("directed").map_or(is_directed, |value| value == "true");
            let mut cells = Vec::new();
            for (key, cell) in values(&edge, "edge", &keys, file, line)? {
                cells.push((graphs.frames.edges.column(key), cell));
            }
            graphs.edge([source, target], !is_directed, line, &cells)?;
        }
        graphs.end_graph(line_of_graph)?;
        let columns = &mut graphs.frames.graphs;
        for (key, cell) in values(&graph, "graph", &keys, file, line_of_graph)? {
            let column = columns.column(key);
            columns.set(column, cell)?;
        }
    }
    graphs.finish()
}

/// What an element carries, with defaults for what it leaves out.
fn values<'a>(
    element: &Node<'a, 'a>,
    of: &str,
    keys: &HashMap<(&'a str, &'a str), Key<'a>>,
    file: &FileName,
    line: usize,
) -> Result<Vec<(&'a str, Cell<'a>)>, DataError> {
    let mut found: Vec<(&str, Cell)> = Vec::new();
    let wrong = |name: &str, why: String| {
        file.error("data::not_a_number", line - 1, format!("`{}` {why}", name.escape_debug()))
            .help("correct the value, or the type of its `key`")
    };
    for data in element.children().filter(|child| is(child, "data")) {
        let Some(id) = data.attribute("key") else { continue };
        let Some(key) = keys.get(&(of, id)) else {
            return Err(file
                .error("data::xml", line - 1, format!("no `key` declares `{}` for a {of}", id.escape_debug()))
                .help("add a `<key id=…>`, or delete the value"));
        };
        // What programs draw a node with is markup, and no value.
        if data.children().any(|child| child.is_element()) {
            continue;
        }
        found.push((
            key.name,
            typed(key.kind, data.text().unwrap_or_default()).map_err(|why| wrong(key.name, why))?,
        ));
    }
    let mut defaults: Vec<&Key> = keys
        .iter()
        .filter(|((kind, _), key)| *kind == of && key.default.is_some())
        .map(|(_, key)| key)
        .collect();
    defaults.sort_by_key(|key| key.name);
    for key in defaults {
        if found.iter().all(|(name, _)| *name != key.name) {
            let text = key.default.unwrap_or_default();
            found.push((key.name, typed(key.kind, text).map_err(|why| wrong(key.name, why))?));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ArgValue;
    use crate::data::{self, Targets};

    fn load(text: &str, args: &[(&str, ArgValue)]) -> Result<Dataset, DataError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("club.graphml");
        std::fs::write(&path, text).expect("writable");
        let named = [&[("path", ArgValue::Text(path.display().to_string()))], args].concat();
        data::load(&data::call("graphml", &named), &DataOptions::folder("nowhere"))
    }

    /// As NetworkX writes it, with a default as others do.
    const CLUB: &str = r#"<?xml version='1.0' encoding='utf-8'?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key id="d2" for="edge" attr.name="weight" attr.type="double"><default>1.0</default></key>
  <key id="d1" for="node" attr.name="club" attr.type="string" />
  <key id="d0" for="node" attr.name="age" attr.type="long" />
  <graph edgedefault="undirected">
    <node id="Ann"><data key="d0">31</data><data key="d1">north</data></node>
    <node id="Bo"><data key="d0">42</data><data key="d1">south</data></node>
    <edge source="Ann" target="Bo"><data key="d2">2.5</data></edge>
    <edge source="Bo" target="Bo" />
  </graph>
</graphml>
"#;

    #[test]
    fn nodes_edges_and_values_are_those_of_the_file() {
        let set = load(CLUB, &[("target", ArgValue::Text("club".into()))]).expect("whole");
        assert_eq!((set.n_graphs(), set.n_nodes(), set.n_edges(), set.n_loops()), (1, 2, 3, 1));
        assert_eq!(set.targets, Targets::Classes(vec![0, 1]));
        assert_eq!(set.names.nodes, ["Ann", "Bo"]);
        assert_eq!(set.vocabulary.features_in_words(), "1 node attribute (age)");
        let mut weights = Vec::new();
        set.edge_features.expect("weights").write_rows(0..3, &mut weights);
        assert_eq!(weights, [2.5, 2.5, 1.0]);
        let directed = load(&CLUB.replace("undirected", "directed"), &[]).expect("whole");
        assert_eq!(directed.n_edges(), 2);
    }

    #[test]
    fn a_file_may_have_several_graphs() {
        let two = CLUB.replace("</graphml>", "<graph edgedefault=\"directed\"><node id=\"Ann\"><data key=\"d0\">1</data><data key=\"d1\">west</data></node></graph></graphml>");
        let set = load(&two, &[]).expect("whole");
        assert_eq!((set.n_graphs(), set.n_nodes()), (2, 3));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (from, to, code, line) in [
            ("</graph>", "", "data::xml", Some(12)),
            ("<graphml xmlns", "<svg xmlns", "data::xml", Some(12)),
            (
                "<?xml version='1.0' encoding='utf-8'?>",
                "<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>",
                "data::xml",
                Some(1),
            ),
            ("target=\"Bo\"><data", "target=\"Bob\"><data", "data::unknown_node", Some(9)),
            ("id=\"Bo\"", "id=\"Ann\"", "data::ambiguous", Some(8)),
            (">42<", ">many<", "data::not_a_number", Some(8)),
            (">42<", "><", "data::missing_value", Some(8)),
            (">42<", ">inf<", "data::not_finite", Some(8)),
            ("key=\"d0\">42", "key=\"d9\">42", "data::xml", Some(8)),
            ("<edge source=\"Bo\" target=\"Bo\" />", "<hyperedge/>", "data::not_supported", Some(10)),
            ("<edge source=\"Bo\" target=\"Bo\" />", "<edge source=\"Bo\"/>", "data::xml", Some(10)),
        ] {
            let error = load(&CLUB.replacen(from, to, 1), &[]).expect_err(to);
            assert_eq!((error.code, error.line), (code, line), "{to}: {error}");
            assert!(error.help.is_some(), "{to}");
        }
        assert_eq!(load("", &[]).expect_err("empty").code, "data::xml");
        assert_eq!(load("<graphml/>", &[]).expect_err("no graph").code, "data::empty");
    }
}
