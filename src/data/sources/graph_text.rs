//! `graph_text("COLLAB")`: the text format of the GIN and DGCNN code, all graphs of a set in one file.
//!
//! Format: K. Xu, W. Hu, J. Leskovec, S. Jegelka, "How Powerful are Graph Neural Networks?", ICLR 2019
//! (weihua916/powerful-gnns); M. Zhang, Z. Cui, M. Neumann, Y. Chen, "An End-to-End Deep Learning Architecture for Graph
//! Classification", AAAI 2018 (muhanzhang/pytorch_DGCNN), which adds attributes behind the neighbours.

use super::assembly::{Cells, Column, Found, FoundTarget, Place, assemble};
use crate::args::BoundCall;
use crate::data::files::OneFile;
use crate::data::recognise::{Look, Recognised};
use crate::data::scan::{FileName, Text, quoted, read_integer, read_natural};
use crate::data::{DataError, DataOptions, Dataset, Names, Source, locate};
use crate::diagnostic::count;
use crate::settings::{self, data::SourceFacts};
use crate::types::Entity;
use std::path::PathBuf;

#[derive(Debug)]
pub struct GraphText;

/// The sets that the two papers published in this format, for names that are not here.
const PUBLISHED: [&str; 14] = [
    "COLLAB",
    "IMDBBINARY",
    "IMDBMULTI",
    "MUTAG",
    "NCI1",
    "PROTEINS",
    "PTC",
    "REDDITBINARY",
    "REDDITMULTI5K",
    "DD",
    "IMDB-BINARY",
    "IMDB-MULTI",
    "NCI109",
    "ENZYMES",
];

const MAX_LINE_BYTES: usize = 256 << 20;

impl Source for GraphText {
    fn facts(&self) -> &'static dyn SourceFacts {
        &settings::data::graph_text::GraphText
    }

    fn files(&self, call: &BoundCall, options: &DataOptions) -> Option<Vec<PathBuf>> {
        Some(vec![find(call, options).ok()?.path])
    }

    fn recognise(&self, look: &Look) -> Option<Recognised> {
        if look.is_folder {
            let text = look.names.iter().filter(|name| !name.contains('/') && name.contains(".txt"));
            let mut found = text.filter_map(|name| self.recognise(&look.inside(name)?));
            return found.next().filter(|_| found.next().is_none());
        }
        let lines = look.lines(4);
        let [first, head, node, ..] = lines.as_slice() else { return None };
        let numbers = |line: &str| -> Option<Vec<f64>> {
            line.split_ascii_whitespace().map(|value| value.parse::<f64>().ok()).collect()
        };
        let is_natural = |value: &f64| value.fract() == 0.0 && *value >= 0.0;
        let (first, head, node) = (numbers(first)?, numbers(head)?, numbers(node)?);
        let is_such = first.len() == 1
            && head.len() == 2
            && node.len() >= 2
            && [first[0], head[0], node[1]].iter().all(is_natural)
            && node.len() >= 2 + node[1] as usize
            && node[2..][..node[1] as usize]
                .iter()
                .all(|neighbour| is_natural(neighbour) && *neighbour < head[0]);
        let call = format!("graph_text({})", look.quoted());
        is_such
            .then(|| Recognised::new(call, "graphs in the text format of the GIN and DGCNN code"))
            .flatten()
    }

    fn load(&self, call: &BoundCall, options: &DataOptions) -> Result<Dataset, DataError> {
        let mut file = find(call, options)?;
        let name = file.stem();
        let found = read(file.open()?, name)?;
        assemble(found, call, options)
    }
}

fn find(call: &BoundCall, options: &DataOptions) -> Result<OneFile, DataError> {
    let name = call.args.text("name").unwrap_or_default();
    let span = call.args.get("name").and_then(|arg| arg.span);
    locate::text_file(name, &PUBLISHED, options).map_err(|error| error.span(span))
}

/// Everything in the file.
///
/// # Errors
/// Where it is not in this format, with the line at fault.
fn read(text: Text, name: String) -> Result<Found, DataError> {
    let file = text.name.clone();
    let mut reader = Reader {
        is_quoted: text.is_quoted(),
        n_announced: None,
        n_left: 0,
        n_graphs: 0,
        first: 0,
        node_offsets: vec![0],
        labels: Vec::new(),
        classes: Vec::new(),
        // A neighbour takes about four bytes of the file; what is not touched takes no memory.
        pairs: Vec::with_capacity(text.rows_of(4)),
        attributes: Vec::new(),
        n_attributes: None,
        is_behind_blank: None,
        file: file.clone(),
    };
    let n_lines = text.lines(MAX_LINE_BYTES, |row, line| reader.line(row, line))?;
    let Reader {
        n_announced,
        n_left,
        node_offsets,
        labels,
        classes,
        mut pairs,
        attributes,
        n_attributes,
        ..
    } = reader;
    let n_graphs = classes.len();
    let Some(n_announced) = n_announced else {
        return Err(file.whole("data::empty", "the file is empty").help(LAYOUT));
    };
    if n_left > 0 {
        let size = count((labels.len() as u32 - node_offsets[n_graphs - 1]) as usize + n_left, "node");
        return Err(file
            .error(
                "data::count",
                n_lines,
                format!("the file ends in graph {n_graphs} of {size}: {} missing", are(n_left)),
            )
            .help("the file is incomplete: get it again, or correct the number of nodes"));
    }
    if n_graphs != n_announced {
        return Err(file
            .error("data::count", 0, format!("announces {}, but the file has {n_graphs}", count(n_announced, "graph")))
            .help("the first line is the number of graphs: correct it, or get the file again if it is incomplete"));
    }
    pairs.shrink_to_fit();
    let place = Place::of(&file);
    let mut nodes = Vec::new();
    // The format has no way to leave labels out.
    if labels.iter().any(|label| *label != labels[0]) {
        nodes.push(Column { name: String::new(), cells: Cells::Labels(labels), place: place.clone() });
    }
    if let Some(width) = n_attributes.filter(|&width| width > 0) {
        let cells = Cells::Numbers { values: attributes, width };
        nodes.push(Column { name: String::new(), cells, place: place.clone() });
    }
    Ok(Found {
        name,
        entity: Entity::Graph,
        node_offsets,
        pairs,
        nodes,
        edges: Vec::new(),
        kinds: None,
        target: Some(FoundTarget::Labels { values: classes.into_iter().map(Some).collect(), place }),
        split: None,
        parted_by: Default::default(),
        graph_ids: (1..=n_graphs as u32).collect(),
        names: Names::default(),
        unread: Vec::new(),
    })
}

const LAYOUT: &str = "the first line is the number of graphs; a graph is a line `nodes class` and a line `label n neighbours…` \
                      for each node; `hgnnc ops graph_text` describes it";

/// "1 node is", "3 nodes are"
fn are(n: usize) -> String {
    format!("{} {}", count(n, "node"), if n == 1 { "is" } else { "are" })
}

struct Reader {
    file: FileName,
    is_quoted: bool,
    /// As the first line says.
    n_announced: Option<usize>,
    /// Nodes of the current graph whose lines are to come.
    n_left: usize,
    n_graphs: usize,
    /// The first node of the current graph.
    first: u32,
    node_offsets: Vec<u32>,
    labels: Vec<i64>,
    classes: Vec<i64>,
    pairs: Vec<(u32, u32)>,
    attributes: Vec<f32>,
    /// Values behind the neighbours, as the first node has them.
    n_attributes: Option<usize>,
    is_behind_blank: Option<usize>,
}

impl Reader {
    fn line(&mut self, row: usize, line: &[u8]) -> Result<(), DataError> {
        let mut at = 0;
        skip_blanks(line, &mut at);
        if at == line.len() {
            self.is_behind_blank.get_or_insert(row);
            return Ok(());
        }
        if let Some(blank) = self.is_behind_blank {
            return Err(self.file.error("data::ragged", blank, "the line is empty").help("delete the line"));
        }
        match self.n_announced {
            None => {
                let announced = self.natural(line, &mut at, row, "the number of graphs")?;
                self.end(line, at, row, "the number of graphs")?;
                self.n_announced = Some(announced as usize);
                Ok(())
            }
            Some(_) if self.n_left > 0 => self.node(row, line, at),
            Some(announced) if self.n_graphs == announced => Err(self
                .file
                .error(
                    "data::count",
                    row,
                    format!("there is more text behind graph {announced}, the last one"),
                )
                .help("the first line is the number of graphs: correct it")),
            Some(_) => self.head(row, line, at),
        }
    }

    /// `nodes class`
    fn head(&mut self, row: usize, line: &[u8], mut at: usize) -> Result<(), DataError> {
        const EXPECTED: &str = "the number of nodes of a graph and its class";
        let n_nodes = self.natural(line, &mut at, row, EXPECTED)?;
        let class = self.integer(line, &mut at, row, EXPECTED)?;
        self.end(line, at, row, EXPECTED)?;
        self.n_graphs += 1;
        if n_nodes == 0 {
            let graph = self.n_graphs;
            return Err(self
                .file
                .error("data::empty_graph", row, format!("graph {graph} has no nodes"))
                .help("delete this line, and take one off the number of graphs on the first line"));
        }
        self.first = self.labels.len() as u32;
        let Some(end) = self.first.checked_add(n_nodes) else {
            return Err(self
                .file
                .error("data::too_large", row, "more than 4294967295 nodes")
                .help("split the data set"));
        };
        self.node_offsets.push(end);
        self.classes.push(class);
        self.n_left = n_nodes as usize;
        Ok(())
    }

    /// `label n neighbours… attributes…`
    fn node(&mut self, row: usize, line: &[u8], mut at: usize) -> Result<(), DataError> {
        const EXPECTED: &str = "the label of a node and how many neighbours follow";
        let label = self.integer(line, &mut at, row, EXPECTED)?;
        let n_neighbours = self.natural(line, &mut at, row, EXPECTED)?;
        let n_nodes = self.node_offsets[self.n_graphs] - self.first;
        let node = self.labels.len() as u32;
        for idx in 0..n_neighbours {
            if at == line.len() {
                return Err(self
                    .file
                    .error(
                        "data::ragged",
                        row,
                        format!("announces {}, but {idx} follow", count(n_neighbours as usize, "neighbour")),
                    )
                    .help("the second number of a node's line is how many neighbours stand behind it"));
            }
            let neighbour = self.natural(line, &mut at, row, "the number of a neighbour")?;
            if neighbour >= n_nodes {
                let graph = self.n_graphs;
                let range = format!("0 to {}", n_nodes - 1);
                return Err(self
                    .file
                    .error("data::out_of_range", row, format!("neighbour {neighbour} is none of the nodes {range} of graph {graph}"))
                    .help("neighbours are numbered from 0 in each graph; a number of nodes above that is too small moves all lines"));
            }
            self.pairs.push((node, self.first + neighbour));
        }
        let before = self.attributes.len();
        while at < line.len() {
            let value = self.real(line, &mut at, row)?;
            self.attributes.push(value);
        }
        let n_found = self.attributes.len() - before;
        let expected = *self.n_attributes.get_or_insert(n_found);
        if n_found != expected {
            return Err(self
                .file
                .error(
                    "data::ragged",
                    row,
                    format!(
                        "has {} behind its neighbours, but the nodes before have {expected}",
                        count(n_found, "attribute")
                    ),
                )
                .help("every node has the same number of attributes; or the number of neighbours is wrong"));
        }
        self.labels.push(label);
        self.n_left -= 1;
        Ok(())
    }

    #[inline]
    fn natural(&self, line: &[u8], at: &mut usize, row: usize, expected: &str) -> Result<u32, DataError> {
        let start = *at;
        match read_natural(line, at) {
            Ok(value) if self.is_end_of_value(line, at) => Ok(value),
            _ => Err(self.bad_value(line, start, row, expected)),
        }
    }

    fn integer(&self, line: &[u8], at: &mut usize, row: usize, expected: &str) -> Result<i64, DataError> {
        let start = *at;
        match read_integer(line, at) {
            Ok(value) if self.is_end_of_value(line, at) => Ok(value),
            _ => Err(self.bad_value(line, start, row, expected)),
        }
    }

    fn real(&self, line: &[u8], at: &mut usize, row: usize) -> Result<f32, DataError> {
        let start = *at;
        let end = end_of_value(line, start);
        *at = end;
        skip_blanks(line, at);
        let value = std::str::from_utf8(&line[start..end]).ok().and_then(|text| text.parse::<f32>().ok());
        match value {
            Some(value) if value.is_finite() => Ok(value),
            Some(_) => Err(self
                .file
                .error(
                    "data::not_finite",
                    row,
                    format!("`{}` is not finite", quoted(&line[start..end], self.is_quoted)),
                )
                .help("replace it with a value: a NaN or infinity would spread to every weight")),
            None => Err(self.bad_value(line, start, row, "an attribute of the node (a real number)")),
        }
    }

    /// Whether a value ends here; moves on to the next.
    #[inline]
    fn is_end_of_value(&self, line: &[u8], at: &mut usize) -> bool {
        let end = *at;
        skip_blanks(line, at);
        *at > end || *at == line.len()
    }

    fn end(&self, line: &[u8], at: usize, row: usize, expected: &str) -> Result<(), DataError> {
        if at == line.len() {
            return Ok(());
        }
        let shown = quoted(line, self.is_quoted);
        Err(self
            .file
            .error("data::ragged", row, format!("expected {expected} alone, but found `{shown}`"))
            .help(LAYOUT))
    }

    #[cold]
    fn bad_value(&self, line: &[u8], start: usize, row: usize, expected: &str) -> DataError {
        let value = quoted(&line[start..end_of_value(line, start)], self.is_quoted);
        let found = if value.is_empty() { "the line ends".to_owned() } else { format!("found `{value}`") };
        self.file.error("data::not_a_number", row, format!("expected {expected}, but {found}")).help(LAYOUT)
    }
}

#[inline]
fn skip_blanks(line: &[u8], at: &mut usize) {
    while *at < line.len() && matches!(line[*at], b' ' | b'\t') {
        *at += 1;
    }
}

fn end_of_value(line: &[u8], start: usize) -> usize {
    line[start..].iter().position(|byte| matches!(byte, b' ' | b'\t')).map_or(line.len(), |n| start + n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ArgValue;
    use crate::data::{self, Features, Targets};

    /// The set in a file of its own.
    fn load(text: &str, args: &[(&str, ArgValue)]) -> Result<Dataset, DataError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("SET.txt");
        std::fs::write(&path, text).expect("writable");
        let named = [&[("name", ArgValue::Text(path.display().to_string()))], args].concat();
        data::load(&data::call("graph_text", &named), &DataOptions::folder("nowhere"))
    }

    const SET: &str = "2\n3 0\n0 2 1 2\n0 2 0 2\n4 2 0 1\n2 -1\n0 1 1\n0 1 0\n";

    #[test]
    fn graphs_labels_and_classes_are_those_of_the_file() {
        let set = load(SET, &[]).expect("whole");
        assert_eq!((set.name.as_str(), set.n_graphs(), set.n_nodes(), set.n_edges()), ("SET", 2, 5, 8));
        assert!(set.is_symmetric());
        assert_eq!(set.features, Features::OneHot { columns: vec![0, 0, 4, 0, 0].into(), width: 5 });
        assert_eq!(set.targets, Targets::Classes(vec![1, 0]));
        assert_eq!(set.class_names, ["-1", "0"]);
        let windows = load(&SET.replace('\n', "\r\n").replace(' ', "\t"), &[]).expect("the same");
        assert_eq!(windows.fingerprint, set.fingerprint);
    }

    #[test]
    fn labels_that_are_all_the_same_are_no_features() {
        let text = SET.replace("\n4 2", "\n0 2");
        assert_eq!(load(&text, &[]).expect("whole").n_features(), 0);
        let degrees = load(&text, &[("features", ArgValue::Choice("degree"))]).expect("whole");
        assert_eq!(degrees.n_features(), 3);
        let labels = load(&text, &[("features", ArgValue::Choice("labels"))]).expect_err("no labels");
        assert_eq!(labels.code, "data::missing_part");
    }

    #[test]
    fn values_behind_the_neighbours_are_attributes() {
        let set = load("1\n2 0\n0 1 1 0.5 -2\n1 1 0 1e3 4\n", &[]).expect("whole");
        let rows = vec![0.5, -2.0, 1.0, 0.0, 1000.0, 4.0, 0.0, 1.0];
        assert_eq!(set.features, Features::Dense { values: rows.into(), width: 4 });
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, code, line) in [
            ("", "data::empty", None),
            ("x\n", "data::not_a_number", Some(1)),
            ("2 3\n", "data::ragged", Some(1)),
            ("99999999999\n", "data::not_a_number", Some(1)),
            ("4000000000\n1 0\n0 0\n", "data::count", Some(1)),
            ("1\n4000000000 0\n0 0\n", "data::count", Some(4)),
            ("1\n2 0\n0 4000000000 1\n", "data::ragged", Some(3)),
            ("1\n2 0\n0 1 2\n0 0\n", "data::out_of_range", Some(3)),
            ("1\n2 0\n0 1 -1\n0 0\n", "data::not_a_number", Some(3)),
            ("1\n0 0\n", "data::empty_graph", Some(2)),
            ("1\n1 0\n0 0\n0 0\n", "data::count", Some(4)),
            ("1\n\n1 0\n0 0\n", "data::ragged", Some(2)),
            ("1\n1 a\n0 0\n", "data::not_a_number", Some(2)),
            ("1\n2 0\n0 0 1.5\n0 0\n", "data::ragged", Some(4)),
            ("1\n1 0\n0 0 nan\n", "data::not_finite", Some(3)),
            ("1\n1 0\n0 0 é\n", "data::not_a_number", Some(3)),
        ] {
            let error = load(text, &[]).expect_err(text);
            assert_eq!((error.code, error.line), (code, line), "{text:?}: {error}");
            assert!(error.help.is_some() && error.file.is_some(), "{text:?}");
        }
    }

    #[test]
    fn what_a_writer_writes_is_read_back() {
        use crate::rng::{below, generator};
        for seed in 0..50 {
            let mut rng = generator(seed, 0);
            let n_graphs = 1 + below(&mut rng, 5);
            let (mut text, mut edges, mut first) = (format!("{n_graphs}\n"), Vec::new(), 0);
            for _ in 0..n_graphs {
                let n_nodes = 1 + below(&mut rng, 6);
                text += &format!("{n_nodes} {}\n", below(&mut rng, 3));
                for node in 0..n_nodes {
                    let neighbours: Vec<usize> =
                        (0..below(&mut rng, 4)).map(|_| below(&mut rng, n_nodes)).collect();
                    text += &format!("{} {}", below(&mut rng, 2), neighbours.len());
                    neighbours.iter().for_each(|neighbour| text += &format!(" {neighbour}"));
                    text.push('\n');
                    edges.extend(neighbours.iter().map(|&to| ((first + node) as u32, (first + to) as u32)));
                }
                first += n_nodes;
            }
            let set = load(&text, &[("features", ArgValue::Choice("constant"))]).expect("written whole");
            let mut found: Vec<(u32, u32)> = (0..set.n_nodes())
                .flat_map(|to| set.adjacency.row(to).iter().map(move |&from| (from, to as u32)))
                .collect();
            found.sort_unstable();
            edges.sort_unstable();
            assert_eq!((set.n_graphs(), found), (n_graphs, edges));
        }
    }

    #[test]
    fn published_sets_are_found_by_their_names() {
        let Some(path) = data::real_data("gnn-txt/MUTAG.zip") else { return };
        let folder = path.parent().and_then(|folder| folder.parent()).expect("two folders above");
        let call = data::call("graph_text", &[("name", ArgValue::Text("MUTAG".into()))]);
        let set = data::load(&call, &DataOptions::folder(folder)).expect("published");
        assert_eq!((set.n_graphs(), set.n_nodes(), set.n_edges(), set.n_features()), (188, 3371, 7442, 7));
        assert_eq!(
            (set.class_names.as_slice(), set.facts().class_counts),
            (&["0".into(), "2".into()][..], vec![63, 125])
        );
    }

    #[test]
    fn names_that_are_not_here_are_warnings_or_errors() {
        let folder = tempfile::tempdir().expect("a folder");
        let load = |name: &str| {
            let call = data::call("graph_text", &[("name", ArgValue::Text(name.into()))]);
            data::load(&call, &DataOptions::folder(folder.path())).expect_err("an empty folder")
        };
        assert_eq!(load("COLLAB").code, "data::not_here");
        let unknown = load("COLAB");
        assert_eq!(unknown.code, "data::unknown_set");
        assert!(unknown.help.expect("a help").contains("did you mean `COLLAB`?"));
        assert_eq!(load("./COLLAB.txt").code, "data::missing");
    }
}
