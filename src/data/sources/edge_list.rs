//! `edge_list("karate.edgelist")`: an edge a line, or a node and its neighbours a line, without a header.
//!
//! SNAP's lists; NetworkX: `read_edgelist`, `read_weighted_edgelist`, `read_adjlist`.

use super::assembly::{Texts, assemble};
use super::csv_table::{self, CsvTable, column_of};
use super::frame::{Cell, Frame, Frames};
use super::tables::{IDS, join};
use crate::args::BoundCall;
use crate::data::files::{OneFile, stem};
use crate::data::recognise::{Look, Recognised, quoted as in_quotes};
use crate::data::scan::{FileName, Text, quoted};
use crate::data::{DataError, DataOptions, Dataset, Source, locate};
use crate::settings::{self, data::SourceFacts};
use std::path::PathBuf;

#[derive(Debug)]
pub struct EdgeList;

const MAX_LINE_BYTES: usize = 16 << 20;

impl Source for EdgeList {
    fn facts(&self) -> &'static dyn SourceFacts {
        &settings::data::edge_list::EdgeList
    }

    fn files(&self, call: &BoundCall, options: &DataOptions) -> Option<Vec<PathBuf>> {
        Some(
            ["path", "nodes"]
                .into_iter()
                .filter_map(|arg| call.args.text(arg))
                .map(|path| options.path_of(path))
                .collect(),
        )
    }

    fn recognise(&self, look: &Look) -> Option<Recognised> {
        if look.is_folder
            || look.has_ending(&[".csv", ".tsv", ".json", ".jsonl"])
            || look.head.starts_with(b"PK")
        {
            return None;
        }
        let lines: Vec<&str> =
            look.lines(50).into_iter().filter(|line| !is_comment(line.as_bytes())).collect();
        let is_adjacency = look.has_ending(&[".adjlist"]);
        let n_values = |line: &&str| fields(line.as_bytes()).count();
        let first = lines.first().map(n_values)?;
        let is_named_so = look.has_ending(&[".adjlist", ".edgelist", ".edges", ".el"]);
        let are_numbers = lines
            .iter()
            .all(|line| fields(line.as_bytes()).take(2).all(|value| value.iter().all(u8::is_ascii_digit)));
        if !(is_adjacency
            || ((2..=4).contains(&first)
                && lines.iter().all(|line| n_values(line) == first)
                && (is_named_so || are_numbers)))
        {
            return None;
        }
        // A table of nodes beside it that is called alike.
        let own = stem(&look.path);
        let nodes =
            look.names_beside().into_iter().filter(|name| name.ends_with(".csv") && name.starts_with(&own));
        let nodes = nodes.filter_map(|name| look.beside(&name)).find(|beside| {
            let first = beside
                .lines(1)
                .first()
                .map(|line| line.split(',').map(str::trim).map(str::to_owned).collect::<Vec<_>>());
            first.is_some_and(|first| {
                let is_unnamed = first.len() == 2 && first.iter().all(|value| value.parse::<f64>().is_ok());
                is_unnamed || first.iter().any(|column| IDS.contains(&column.as_str()))
            })
        });
        let what = if is_adjacency { "a list of nodes and their neighbours" } else { "a list of edges" };
        Recognised::new(
            match &nodes {
                Some(nodes) => format!("edge_list({}, nodes = {})", look.quoted(), in_quotes(&nodes.shown)),
                None => format!("edge_list({})", look.quoted()),
            },
            match &nodes {
                Some(nodes) => format!("{what}, with a table of nodes in {}", nodes.shown),
                None => what.to_owned(),
            },
        )
    }

    fn load(&self, call: &BoundCall, options: &DataOptions) -> Result<Dataset, DataError> {
        let place = |arg: &str| call.args.get(arg).and_then(|arg| arg.span);
        let open = |arg: &str, endings: &[&str]| -> Result<Option<OneFile>, DataError> {
            let Some(path) = call.args.text(arg) else { return Ok(None) };
            let path = locate::existing(path, options).map_err(|error| error.span(place(arg)))?;
            let is_wanted =
                |name: &str| endings.iter().any(|ending| name.to_ascii_lowercase().ends_with(ending));
            let file = OneFile::at(&path, options.max_bytes()?, &is_wanted);
            file.map(Some).map_err(|error| error.span(place(arg)))
        };
        let mut file =
            open("path", &[".txt", ".edgelist", ".adjlist", ".edges"])?.expect("the argument is required");
        let is_adjacency = match call.args.choice("layout") {
            "auto" => file.path.to_string_lossy().trim_end_matches(".gz").ends_with(".adjlist"),
            word => word == "adjacency",
        };
        let name = file.stem();
        let mut list = List::read(file.open()?, is_adjacency)?;
        let nodes = open("nodes", &[".csv", ".tsv"])?
            .map(|mut file| {
                let keys = |columns: &[String]| {
                    let id = column_of(columns, call.args.text("id"), &IDS)
                        .map_err(|error| error.span(place("id")))?;
                    Ok(vec![id, None])
                };
                csv_table::read(&mut file, "node", &keys, &["id", "label"])
            })
            .transpose()?;
        let nodes = nodes.or_else(|| list.alone());
        let frames: Frames = join(name, list.edges, list.ends, None, nodes, None)?;
        assemble(frames.found(call, options.vocabulary.as_ref())?, call, options)
    }
}

/// The lines of a file.
struct List {
    edges: Frame,
    ends: [Texts; 2],
    /// Nodes that stand alone on their line.
    lonely: Vec<String>,
}

impl List {
    fn read(text: Text, is_adjacency: bool) -> Result<Self, DataError> {
        let (file, is_quoted) = (text.name.clone(), text.is_quoted());
        let mut list = Self {
            edges: Frame::new(file.clone(), "edge"),
            ends: [Texts::default(), Texts::default()],
            lonely: Vec::new(),
        };
        text.lines(MAX_LINE_BYTES, |row, line| {
            if is_comment(line) {
                return Ok(());
            }
            let text = std::str::from_utf8(line)
                .map_err(|_| file.error("data::encoding", row, "the line is not UTF-8 text").help("save the file as UTF-8"))?;
            let mut rest = fields(text.as_bytes()).map(|value| std::str::from_utf8(value).unwrap_or_default());
            let source = rest.next().unwrap_or_default();
            if is_adjacency {
                let mut is_lonely = true;
                for target in rest {
                    is_lonely = false;
                    list.push(source, target, row);
                }
                if is_lonely {
                    list.lonely.push(source.to_owned());
                }
                return Ok(());
            }
            let Some(target) = rest.next() else {
                return Err(file
                    .error("data::ragged", row, format!("`{}` has one end, where an edge has two", quoted(line, is_quoted)))
                    .help("a line is `source target`; a file of nodes with their neighbours is read with `layout = adjacency`"));
            };
            list.push(source, target, row);
            // A dictionary may hold blanks.
            if let Some(at) = text.find('{') {
                return list.dictionary(&text[at..], &file, row);
            }
            for (idx, value) in rest.enumerate() {
                let name = if idx == 0 { "weight".to_owned() } else { format!("value_{}", idx + 1) };
                let column = list.edges.column(&name);
                let cell = value.parse::<f64>().map_or(Cell::Text(value), Cell::Number);
                list.edges.set(column, cell)?;
            }
            Ok(())
        })?;
        if list.edges.n_rows() == 0 {
            return Err(file.whole("data::empty", "there are no edges").help("a line is `source target`"));
        }
        Ok(list)
    }

    fn push(&mut self, source: &str, target: &str, row: usize) {
        self.ends[0].push(source);
        self.ends[1].push(target);
        self.edges.begin(row + 1);
    }

    /// `{'weight': 2.0, 'kind': 'friend'}` as Python prints it.
    fn dictionary(&mut self, text: &str, file: &FileName, row: usize) -> Result<(), DataError> {
        let wrong = || {
            file.error(
                "data::ragged",
                row,
                "what stands behind the edge is no dictionary of numbers and texts",
            )
            .help("write it as NetworkX does: `1 2 {'weight': 0.5}`; or only the numbers: `1 2 0.5`")
        };
        let inner =
            text.trim().strip_prefix('{').and_then(|text| text.strip_suffix('}')).ok_or_else(wrong)?;
        let mut rest = inner.trim();
        while !rest.is_empty() {
            let (key, after) = literal(rest).ok_or_else(wrong)?;
            let after = after.trim_start().strip_prefix(':').ok_or_else(wrong)?.trim_start();
            let column = self.edges.column(&key);
            let after = match literal(after) {
                Some((text, after)) => {
                    self.edges.set(column, Cell::Text(&text))?;
                    after
                }
                None => {
                    let end = after.find(',').unwrap_or(after.len());
                    let number = match after[..end].trim() {
                        "True" => 1.0,
                        "False" => 0.0,
                        "None" => f64::NAN,
                        value => value.parse::<f64>().map_err(|_| wrong())?,
                    };
                    self.edges
                        .set(column, if number.is_nan() { Cell::Missing } else { Cell::Number(number) })?;
                    &after[end..]
                }
            };
            let after = after.trim_start();
            rest = match after.strip_prefix(',') {
                Some(after) => after.trim_start(),
                None if after.is_empty() => after,
                None => return Err(wrong()),
            };
        }
        Ok(())
    }

    /// All nodes as a table, where some have no edges; else they are those that edges name.
    fn alone(&mut self) -> Option<CsvTable> {
        let is_named = |id: &String| self.ends.iter().any(|end| end.find(id).is_some());
        let lonely: Vec<String> =
            std::mem::take(&mut self.lonely).into_iter().filter(|id| !is_named(id)).collect();
        if lonely.is_empty() {
            return None;
        }
        let mut all = Texts::default();
        self.ends.iter().flat_map(|end| &end.values).chain(&lonely).for_each(|id| {
            all.code(id);
        });
        let mut frame = Frame::new(self.edges.file.clone(), "node");
        let mut ids = Texts::default();
        for id in all.sorted() {
            frame.begin(1);
            ids.push(&id);
        }
        Some(CsvTable { frame, keys: vec![Some(ids), None] })
    }
}

/// A text between quotes at the start, and what follows.
fn literal(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|quote| ['\'', '"'].contains(quote))?;
    let rest = &text[1..];
    let end = rest.find(quote)?;
    Some((rest[..end].to_owned(), &rest[end + 1..]))
}

fn is_comment(line: &[u8]) -> bool {
    match line.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => true,
        Some(first) => matches!(first, b'#' | b'%'),
    }
}

fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| matches!(byte, b' ' | b'\t' | b',')).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ArgValue;
    use crate::data::{self, Targets};

    fn load(file: &str, content: &str, args: &[(&str, ArgValue)]) -> Result<Dataset, DataError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(file);
        std::fs::write(&path, content).expect("writable");
        let named = [&[("path", ArgValue::Text(path.display().to_string()))], args].concat();
        data::load(&data::call("edge_list", &named), &DataOptions::folder("nowhere"))
    }

    #[test]
    fn a_line_is_an_edge_with_what_it_carries() {
        let set = load("x.edgelist", "# nodes: 3\n3 1 0.5\n1,20,2\n\n% end\n20\t3\t1\n", &[]).expect("whole");
        assert_eq!((set.n_nodes(), set.n_edges(), set.names.nodes.join(" ")), (3, 3, "1 3 20".into()));
        assert_eq!(set.vocabulary.edges_in_words(), "1 edge attribute (weight)");
        let set = load(
            "x.txt",
            "a b {'weight': 2.0, 'kind': 'old, friend'}\nb a {'weight': 1, 'kind': \"new\"}\n",
            &[],
        )
        .expect("whole");
        assert_eq!((set.n_edge_features(), set.n_edge_kinds()), (3, 2));
        assert_eq!(load("x.txt", "a b {}\n", &[]).expect("whole").n_edge_features(), 0);
    }

    #[test]
    fn a_line_of_an_adjacency_list_is_a_node_with_its_neighbours() {
        let set = load("x.adjlist", "0 1 2\n1 2\n2\n7\n", &[]).expect("whole");
        assert_eq!((set.n_nodes(), set.n_edges(), set.names.nodes.join(" ")), (4, 3, "0 1 2 7".into()));
        let layout = [("layout", ArgValue::Choice("edges"))];
        assert_eq!(load("x.adjlist", "0 1\n1 2\n", &layout).expect("whole").n_edges(), 2);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (content, code, line) in [
            ("", "data::empty", None),
            ("# nothing\n", "data::empty", None),
            ("1 2\n3\n", "data::ragged", Some(2)),
            ("1 2 {'weight'}\n", "data::ragged", Some(1)),
            ("1 2 {'weight': [1]}\n", "data::ragged", Some(1)),
            ("1 2 inf\n", "data::not_finite", Some(1)),
            ("1 2 0.5\n2 3\n", "data::missing_value", Some(2)),
        ] {
            let error = load("x.edgelist", content, &[]).expect_err(content);
            assert_eq!((error.code, error.line), (code, line), "{content:?}: {error}");
            assert!(error.help.is_some(), "{content}");
        }
    }

    #[test]
    fn the_karate_club_is_read_with_its_labels() {
        let Some(folder) = data::real_data("karate") else { return };
        let text = |file: &str| ArgValue::Text(folder.join(file).display().to_string());
        let args = |list: &str| {
            vec![
                ("path", text(list)),
                ("nodes", text("karate.labels.csv")),
                ("undirected", ArgValue::Bool(true)),
                ("features", ArgValue::Choice("degree")),
            ]
        };
        let of = |list: &str| {
            data::load(&data::call("edge_list", &args(list)), &DataOptions::folder("nowhere"))
                .expect("published")
        };
        let club = of("karate.edgelist");
        assert_eq!((club.n_nodes(), club.n_edges(), club.facts().class_counts), (34, 156, vec![17, 17]));
        let adjacency = of("karate.adjlist");
        assert_eq!((adjacency.n_nodes(), &adjacency.targets), (34, &club.targets));
        let Targets::Classes(classes) = &club.targets else { panic!("classes") };
        assert_eq!((classes[0], classes[33]), (0, 1));
    }
}
