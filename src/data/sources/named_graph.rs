//! Graphs whose nodes have names, put together node by node and edge by edge: what GraphML and GEXF share.

use super::frame::{Cell, Frame, Frames};
use crate::data::files::names;
use crate::data::scan::FileName;
use crate::data::{DataError, Names};
use crate::findings::names::did_you_mean;
use roxmltree::{Document, Node, ParsingOptions};
use std::collections::HashMap;

/// Graphs of one file, the last one still open.
pub struct NamedGraphs {
    pub frames: Frames,
    file: FileName,
    is_quoted: bool,
    places: HashMap<String, u32>,
}

impl NamedGraphs {
    pub fn new(name: String, file: &FileName, is_quoted: bool) -> Self {
        let frame = |what| Frame::new(file.clone(), what);
        Self {
            frames: Frames {
                name,
                node_offsets: vec![0],
                pairs: Vec::new(),
                nodes: frame("node"),
                edges: frame("edge"),
                graphs: frame("graph"),
                node_columns: Vec::new(),
                edge_columns: Vec::new(),
                graph_ids: Vec::new(),
                names: Names::default(),
                unread: Vec::new(),
            },
            file: file.clone(),
            is_quoted,
            places: HashMap::new(),
        }
    }

    fn shown(&self, text: &str) -> String {
        if self.is_quoted { names(&[text.to_owned()]) } else { "…".to_owned() }
    }

    /// The next node of the open graph, whose values are then set in `frames.nodes`.
    ///
    /// # Errors
    /// Where the graph has one of that name.
    pub fn node(&mut self, id: &str, line: usize) -> Result<(), DataError> {
        let place = self.frames.nodes.n_rows() as u32;
        if self.places.insert(id.to_owned(), place).is_some() {
            return Err(self
                .file
                .error("data::ambiguous", line - 1, format!("two nodes are called {}", self.shown(id)))
                .help("give each node an id of its own"));
        }
        self.frames.nodes.begin(line);
        self.frames.names.nodes.push(id.to_owned());
        Ok(())
    }

    /// An edge of the open graph with its values; `is_both_ways` adds its reverse.
    ///
    /// # Errors
    /// Where an end is no node.
    pub fn edge(
        &mut self,
        ends: [&str; 2],
        is_both_ways: bool,
        line: usize,
        values: &[(usize, Cell)],
    ) -> Result<(), DataError> {
        let mut places = [0u32; 2];
        for (place, id) in places.iter_mut().zip(ends) {
            let Some(&found) = self.places.get(id) else {
                let like =
                    did_you_mean(id, self.places.keys().map(String::as_str)).filter(|_| self.is_quoted);
                let like = like.map(|like| format!("did you mean `{like}`? "));
                return Err(self
                    .file
                    .error(
                        "data::unknown_node",
                        line - 1,
                        format!("{} is no node of this graph", self.shown(id)),
                    )
                    .help(format!("{}add the node, or correct the edge", like.unwrap_or_default())));
            };
            *place = found;
        }
        let [source, target] = places;
        let both = [(source, target), (target, source)];
        let n_copies = if is_both_ways && source != target { 2 } else { 1 };
        for pair in &both[..n_copies] {
            self.frames.pairs.push(*pair);
            self.frames.edges.begin(line);
            for &(column, cell) in values {
                self.frames.edges.set(column, cell)?;
            }
        }
        Ok(())
    }

    /// Ends the open graph, whose values are then set in `frames.graphs`.
    ///
    /// # Errors
    /// Where it has no nodes.
    pub fn end_graph(&mut self, line: usize) -> Result<(), DataError> {
        let first = *self.frames.node_offsets.last().expect("starts with 0");
        let end = self.frames.nodes.n_rows() as u32;
        if end == first {
            return Err(self
                .file
                .error("data::empty_graph", line - 1, "the graph has no nodes")
                .help("delete it"));
        }
        self.frames.node_offsets.push(end);
        self.frames.graph_ids.push(self.frames.node_offsets.len() as u32 - 1);
        self.frames.graphs.begin(line);
        self.places.clear();
        Ok(())
    }

    /// All graphs.
    ///
    /// # Errors
    /// Where there are none.
    pub fn finish(mut self) -> Result<Frames, DataError> {
        if self.frames.graph_ids.is_empty() {
            return Err(self
                .file
                .whole("data::empty", "there are no graphs")
                .help("a file has at least one `graph` with nodes"));
        }
        let are_numbers = self.frames.node_offsets.windows(2).all(|pair| {
            let own = &self.frames.names.nodes[pair[0] as usize..pair[1] as usize];
            own.iter().enumerate().all(|(node, id)| *id == node.to_string())
        });
        if are_numbers {
            self.frames.names.nodes.clear();
        }
        Ok(self.frames)
    }
}

/// Parses XML, without a document type and without entities of its own.
///
/// # Errors
/// Where it is none, with line and column.
pub fn parse_xml<'t>(text: &'t str, file: &FileName, is_quoted: bool) -> Result<Document<'t>, DataError> {
    let options = ParsingOptions { allow_dtd: false, nodes_limit: u32::MAX };
    Document::parse_with_options(text, options).map_err(|error| {
        let place = error.pos();
        let message = match is_quoted {
            true => error.to_string().chars().take(200).collect(),
            false => "is no XML".to_owned(),
        };
        let help = match error {
            roxmltree::Error::DtdDetected => {
                "delete the `<!DOCTYPE …>`: entities of a file's own are not read"
            }
            _ => "the file is incomplete or damaged: write it again with the program that made it",
        };
        file.error("data::xml", place.row.max(1) as usize - 1, format!("column {}: {message}", place.col))
            .help(help)
    })
}

/// A whole file as text.
///
/// # Errors
/// Where it cannot be read or is not UTF-8.
pub fn utf8(bytes: Vec<u8>, file: &FileName) -> Result<String, DataError> {
    String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()]
            .iter()
            .filter(|&&byte| byte == b'\n')
            .count();
        file.error("data::encoding", line, "is not UTF-8 text")
            .help("save it as UTF-8: `iconv -f ISO-8859-1 -t UTF-8`")
    })
}

/// Lines of places in a text, found in ascending order.
pub struct Lines<'t> {
    text: &'t str,
    at: usize,
    line: usize,
}

impl<'t> Lines<'t> {
    pub fn of(text: &'t str) -> Self {
        Self { text, at: 0, line: 1 }
    }

    /// The line of an element, counted from 1.
    pub fn line(&mut self, node: &Node) -> usize {
        let start = node.range().start;
        if start < self.at {
            (self.at, self.line) = (0, 1);
        }
        self.line += self.text.as_bytes()[self.at..start].iter().filter(|&&byte| byte == b'\n').count();
        self.at = start;
        self.line
    }
}

/// A value of a typed attribute; texts where the type is none of numbers.
///
/// # Errors
/// What is wrong with it.
pub fn typed<'a>(kind: &str, text: &'a str) -> Result<Cell<'a>, String> {
    let text = text.trim();
    let wrong = || format!("is no {kind}");
    match kind {
        _ if text.is_empty() => Ok(Cell::Missing),
        "boolean" => match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(Cell::Number(1.0)),
            "false" | "0" => Ok(Cell::Number(0.0)),
            _ => Err(wrong()),
        },
        "int" | "integer" | "long" | "float" | "double" | "short" | "byte" => {
            if text.eq_ignore_ascii_case("nan") {
                return Ok(Cell::Missing);
            }
            text.parse::<f64>().map(Cell::Number).map_err(|_| wrong())
        }
        _ => Ok(Cell::Text(text)),
    }
}

/// Whether an element has this name, in whatever namespace.
pub fn is(node: &Node, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name
}
