//! `gexf("graph.gexf")`: a graph in GEXF, as Gephi and NetworkX write it.
//!
//! Format: <https://gexf.net>.

use super::assembly::assemble;
use super::frame::{Cell, Frames};
use super::graphml::load_xml;
use super::named_graph::{Lines, NamedGraphs, is, parse_xml, typed};
use crate::args::BoundCall;
use crate::data::recognise::{Look, Recognised};
use crate::data::scan::FileName;
use crate::data::{DataError, DataOptions, Dataset, Source};
use crate::settings::{self, data::SourceFacts};
use roxmltree::Node;
use std::collections::HashMap;
use std::path::PathBuf;

#[derive(Debug)]
pub struct Gexf;

impl Source for Gexf {
    fn facts(&self) -> &'static dyn SourceFacts {
        &settings::data::gexf::GEXF
    }

    fn files(&self, call: &BoundCall, options: &DataOptions) -> Option<Vec<PathBuf>> {
        Some(vec![options.path_of(call.args.text("path").unwrap_or_default())])
    }

    fn recognise(&self, look: &Look) -> Option<Recognised> {
        let is_gexf = look.text()?.contains("<gexf");
        is_gexf.then(|| Recognised::new(format!("gexf({})", look.quoted()), "a graph in GEXF")).flatten()
    }

    fn load(&self, call: &BoundCall, options: &DataOptions) -> Result<Dataset, DataError> {
        let frames = load_xml(call, options, &[".gexf", ".xml"], read)?;
        assemble(frames.found(call, options.vocabulary.as_ref())?, call, options)
    }
}

struct Attribute<'a> {
    title: &'a str,
    kind: &'a str,
    default: Option<&'a str>,
}

fn read(text: &str, name: String, file: &FileName, is_quoted: bool) -> Result<Frames, DataError> {
    let document = parse_xml(text, file, is_quoted)?;
    let root = document.root_element();
    if !is(&root, "gexf") {
        return Err(file
            .error("data::xml", 0, "is XML, but no GEXF")
            .help("the file begins with `<gexf>`; GraphML is read by `graphml(…)`"));
    }
    let mut lines = Lines::of(text);
    let mut graphs = NamedGraphs::new(name, file, is_quoted);
    for graph in root.children().filter(|node| is(node, "graph")) {
        let line_of_graph = lines.line(&graph);
        if graph.attribute("mode") == Some("dynamic") {
            return Err(file
                .error("data::not_supported", line_of_graph - 1, "the graph changes with time")
                .help("models here read one state of a graph: write the state that is meant, with `mode=\"static\"`"));
        }
        let is_directed = matches!(graph.attribute("defaultedgetype"), Some("directed"));
        let mut attributes: HashMap<(&str, &str), Attribute> = HashMap::new();
        for block in graph.children().filter(|child| is(child, "attributes")) {
            let of = block.attribute("class").unwrap_or("node");
            for attribute in block.children().filter(|child| is(child, "attribute")) {
                let Some(id) = attribute.attribute("id") else { continue };
                let declared = Attribute {
                    title: attribute.attribute("title").unwrap_or(id),
                    kind: attribute.attribute("type").unwrap_or("string"),
                    default: attribute
                        .children()
                        .find(|child| is(child, "default"))
                        .and_then(|child| child.text()),
                };
                attributes.insert((of, id), declared);
            }
        }
        let mut labels: Vec<&str> = Vec::new();
        let first = graphs.frames.names.nodes.len();
        for node in inside(&graph, "nodes", "node") {
            let line = lines.line(&node);
            let Some(id) = node.attribute("id") else {
                return Err(file
                    .error("data::xml", line - 1, "a node has no `id`")
                    .help("every node has one"));
            };
            if node.children().any(|child| is(&child, "nodes")) {
                return Err(file
                    .error("data::not_supported", line - 1, "the node holds nodes of its own")
                    .help("graphs here have one level: write the inner nodes beside the others"));
            }
            graphs.node(id, line)?;
            labels.push(node.attribute("label").unwrap_or(id));
            let columns = &mut graphs.frames.nodes;
            for (title, cell) in values(&node, "node", &attributes, file, line)? {
                let column = columns.column(title);
                columns.set(column, cell)?;
            }
        }
        for edge in inside(&graph, "edges", "edge") {
            let line = lines.line(&edge);
            let (Some(source), Some(target)) = (edge.attribute("source"), edge.attribute("target")) else {
                return Err(file
                    .error("data::xml", line - 1, "an edge needs `source` and `target`")
                    .help("name both ends"));
            };
            let is_directed = edge.attribute("type").map_or(is_directed, |kind| kind == "directed");
            let mut cells = Vec::new();
            for (own, kind) in [("weight", "double"), ("kind", "string"), ("label", "string")] {
                if let Some(text) = edge.attribute(own) {
                    let cell = typed(kind, text).map_err(|why| {
                        file.error("data::not_a_number", line - 1, format!("`{own}` {why}"))
                            .help("correct the value")
                    })?;
                    cells.push((graphs.frames.edges.column(own), cell));
                }
            }
            for (title, cell) in values(&edge, "edge", &attributes, file, line)? {
                cells.push((graphs.frames.edges.column(title), cell));
            }
            graphs.edge([source, target], !is_directed, line, &cells)?;
        }
        // A label is what people call the node, its id what edges do.
        for (name, label) in graphs.frames.names.nodes[first..].iter_mut().zip(labels) {
            label.clone_into(name);
        }
        graphs.end_graph(line_of_graph)?;
    }
    graphs.finish()
}

fn inside<'a>(
    graph: &Node<'a, 'a>,
    outer: &'static str,
    inner: &'static str,
) -> impl Iterator<Item = Node<'a, 'a>> {
    let lists = graph.children().filter(move |child| is(child, outer));
    lists.flat_map(move |list| list.children().filter(move |child| is(child, inner)))
}

fn values<'a>(
    element: &Node<'a, 'a>,
    of: &str,
    attributes: &HashMap<(&'a str, &'a str), Attribute<'a>>,
    file: &FileName,
    line: usize,
) -> Result<Vec<(&'a str, Cell<'a>)>, DataError> {
    let mut found: Vec<(&str, Cell)> = Vec::new();
    let wrong = |title: &str, why: String| {
        file.error("data::not_a_number", line - 1, format!("`{}` {why}", title.escape_debug()))
            .help("correct the value, or the type of its `attribute`")
    };
    for value in inside(element, "attvalues", "attvalue") {
        let Some(id) = value.attribute("for").or(value.attribute("id")) else { continue };
        let Some(attribute) = attributes.get(&(of, id)) else {
            return Err(file
                .error(
                    "data::xml",
                    line - 1,
                    format!("no `attribute` declares `{}` for a {of}", id.escape_debug()),
                )
                .help("add an `<attribute id=…>`, or delete the value"));
        };
        let text = value.attribute("value").unwrap_or_default();
        found
            .push((attribute.title, typed(attribute.kind, text).map_err(|why| wrong(attribute.title, why))?));
    }
    let mut defaults: Vec<&Attribute> =
        attributes.iter().filter(|((kind, _), _)| *kind == of).map(|(_, attribute)| attribute).collect();
    defaults.sort_by_key(|attribute| attribute.title);
    for attribute in defaults {
        if let Some(text) =
            attribute.default.filter(|_| found.iter().all(|(title, _)| *title != attribute.title))
        {
            found.push((
                attribute.title,
                typed(attribute.kind, text).map_err(|why| wrong(attribute.title, why))?,
            ));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ArgValue;
    use crate::data::{self, Targets};

    fn load(text: &str) -> Result<Dataset, DataError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("club.gexf");
        std::fs::write(&path, text).expect("writable");
        let named =
            [("path", ArgValue::Text(path.display().to_string())), ("target", ArgValue::Text("club".into()))];
        data::load(&data::call("gexf", &named), &DataOptions::folder("nowhere"))
    }

    const CLUB: &str = r#"<gexf xmlns="http://www.gexf.net/1.2draft" version="1.2">
  <meta lastmodifieddate="2020-01-01"><creator>x</creator></meta>
  <graph defaultedgetype="undirected" mode="static">
    <attributes class="node"><attribute id="0" title="club" type="string"/><attribute id="1" title="age" type="long"><default>7</default></attribute></attributes>
    <nodes>
      <node id="0" label="Ann"><attvalues><attvalue for="0" value="north"/><attvalue for="1" value="31"/></attvalues></node>
      <node id="1" label="Bo"><attvalues><attvalue for="0" value="south"/></attvalues></node>
    </nodes>
    <edges>
      <edge id="0" source="0" target="1" weight="2.5"/>
      <edge id="1" source="1" target="0" type="directed" weight="1"/>
    </edges>
  </graph>
</gexf>
"#;

    #[test]
    fn nodes_edges_and_values_are_those_of_the_file() {
        let set = load(CLUB).expect("whole");
        assert_eq!((set.n_nodes(), set.n_edges(), set.names.nodes.join(" ")), (2, 3, "Ann Bo".into()));
        assert_eq!(set.targets, Targets::Classes(vec![0, 1]));
        let mut ages = Vec::new();
        set.features.write_rows(0..2, &mut ages);
        assert_eq!(
            (ages, set.vocabulary.edges_in_words()),
            (vec![31.0, 7.0], "1 edge attribute (weight)".into())
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (from, to, code, line) in [
            ("</nodes>", "", "data::xml", Some(13)),
            ("static", "dynamic", "data::not_supported", Some(3)),
            ("target=\"1\"", "target=\"2\"", "data::unknown_node", Some(10)),
            ("value=\"31\"", "value=\"old\"", "data::not_a_number", Some(6)),
            ("weight=\"2.5\"", "weight=\"heavy\"", "data::not_a_number", Some(10)),
            ("for=\"1\"", "for=\"9\"", "data::xml", Some(6)),
        ] {
            let error = load(&CLUB.replacen(from, to, 1)).expect_err(to);
            assert_eq!((error.code, error.line), (code, line), "{to}: {error}");
            assert!(error.help.is_some(), "{to}");
        }
    }
}
