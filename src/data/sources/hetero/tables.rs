//! `hetero_tables("folder")`: a table of nodes for each type, and a table of edges for each relation.

use super::{Assembly, TypedEdges, TypedNodes, TypedTarget};
use crate::args::BoundCall;
use crate::data::columns::{Columns, Target};
use crate::data::dataset::{Dataset, SparseRows, Targets};
use crate::data::files::{OneFile, entries, names, stem};
use crate::data::recognise::{Look, Recognised};
use crate::data::sources::assembly::Texts;
use crate::data::sources::csv_table::{self, CsvTable, column_of};
use crate::data::sources::frame::Frame;
use crate::data::sources::tables::{ENDS, IDS};
use crate::data::{DataError, DataOptions, Source, locate};
use crate::settings::protocol::Split;
use crate::settings::{self, data::SourceFacts};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub struct HeteroTables;

const ENDINGS: [&str; 6] = [".csv", ".tsv", ".tab", ".csv.gz", ".tsv.gz", ".tab.gz"];
/// Columns that are the target where the call names none, the first that is there.
const TARGETS: [&str; 4] = ["label", "class", "target", "y"];
const PARTS: [&str; 3] = ["train", "validation", "test"];
/// What stands between the types and the name of a relation.
const BETWEEN: &str = "__";

fn is_table(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// The tables of a folder, in the order of their names.
fn tables(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<String> = entries(folder).into_iter().filter(|name| is_table(name)).collect();
    all.sort_by_key(|name| (stem(Path::new(name)), name.clone()));
    all.into_iter().map(|name| folder.join(name)).collect()
}

impl Source for HeteroTables {
    fn facts(&self) -> &'static dyn SourceFacts {
        &settings::data::hetero_tables::HeteroTables
    }

    fn files(&self, call: &BoundCall, options: &DataOptions) -> Option<Vec<PathBuf>> {
        let folder = options.path_of(call.args.text("path")?);
        Some(["nodes", "edges"].iter().flat_map(|part| tables(&folder.join(part))).collect())
    }

    fn recognise(&self, look: &Look) -> Option<Recognised> {
        if !look.is_folder {
            return None;
        }
        let inside = |part: &str| {
            let is_it = |name: &&String| {
                name.strip_prefix(part).is_some_and(|rest| rest.starts_with('/') && is_table(name))
            };
            look.names.iter().filter(is_it).count()
        };
        let relations =
            look.names.iter().filter(|name| name.starts_with("edges/") && name.matches(BETWEEN).count() == 2);
        let (n_types, n_relations) = (inside("nodes"), relations.count());
        if n_types == 0 || n_relations == 0 {
            return None;
        }
        let what = format!("tables of {n_types} types of nodes and {n_relations} relations");
        Recognised::new(format!("hetero_tables({})", look.quoted()), what)
    }

    fn load(&self, call: &BoundCall, options: &DataOptions) -> Result<Dataset, DataError> {
        let place = |arg: &str| call.args.get(arg).and_then(|arg| arg.span);
        let written = call.args.text("path").unwrap_or_default();
        let folder = locate::existing(written, options).map_err(|error| error.span(place("path")))?;
        let max_bytes = options.max_bytes()?;
        let (node_files, edge_files) = (tables(&folder.join("nodes")), tables(&folder.join("edges")));
        for (part, files) in [("nodes", &node_files), ("edges", &edge_files)] {
            if files.is_empty() {
                let message = format!("there are no tables in the subfolder `{part}`");
                return Err(DataError::new("data::missing_part", message)
                    .file(folder.display().to_string())
                    .help("`hgnnc ops hetero_tables` describes the layout"));
            }
        }
        let mut ignored: Vec<(String, bool)> = call.args.text("ignore").map_or_else(Vec::new, |text| {
            let all = text.split(',').map(str::trim).filter(|name| !name.is_empty());
            all.map(|name| (name.to_owned(), false)).collect()
        });
        // A table that lies here plain and packed would be read twice.
        for files in [&node_files, &edge_files] {
            if let Some(pair) = files.windows(2).find(|pair| stem(&pair[0]) == stem(&pair[1])) {
                let message = format!("there are two tables of `{}`", stem(&pair[0]));
                return Err(DataError::new("data::ambiguous", message)
                    .file(pair[1].display().to_string())
                    .help(format!("delete it, or {}", pair[0].display())));
            }
        }
        let mut known = Vec::new();
        for path in &node_files {
            known.push(Nodes::read(path, max_bytes)?);
        }
        for nodes in &mut known {
            for (name, is_there) in &mut ignored {
                if let Some((of, column)) = name.split_once('.')
                    && of == nodes.name
                {
                    *is_there |= nodes.frame.take_texts(column).is_some();
                }
            }
        }
        if let Some((name, _)) = ignored.iter().find(|(_, is_there)| !is_there) {
            return Err(DataError::new(
                "data::unknown_column",
                format!("`ignore` names `{name}`, which no table has"),
            )
            .span(place("ignore"))
            .help(format!("there are {}", all_columns(&known))));
        }
        let target = take_target(&mut known, call).map_err(|error| match error.span {
            None if error.file.is_none() => error.span(place("target")),
            _ => error,
        })?;
        let mut relations = Vec::new();
        for path in &edge_files {
            relations.push(read_edges(path, &known, max_bytes)?);
        }
        let nodes: Vec<TypedNodes> = known.into_iter().map(Nodes::finish).collect::<Result<_, _>>()?;
        let name = stem(&folder);
        Ok(Assembly::of(name, call).dataset(nodes, relations, target))
    }
}

/// The table of a type, with what edges name its nodes by.
struct Nodes {
    name: String,
    frame: Frame,
    ids: Option<Texts>,
    places: HashMap<String, u32>,
}

impl Nodes {
    fn read(path: &Path, max_bytes: u64) -> Result<Self, DataError> {
        let mut file = OneFile::at(path, max_bytes, &is_table)?;
        let keys = |columns: &[String]| Ok(vec![column_of(columns, None, &IDS)?]);
        let CsvTable { frame, mut keys } = csv_table::read(&mut file, "node", &keys, &[])?;
        let ids = keys.pop().flatten();
        let mut places = HashMap::new();
        if let Some(ids) = &ids {
            for (row, &code) in (0u32..).zip(&ids.codes) {
                let id = &ids.values[code as usize];
                if places.insert(id.clone(), row).is_some() {
                    let message = format!("the node {} stands twice", names(std::slice::from_ref(id)));
                    let line = frame.line(row as usize).saturating_sub(1);
                    return Err(frame
                        .file
                        .error("data::ambiguous", line, message)
                        .help("a node has one row"));
                }
            }
        }
        Ok(Self { name: stem(path), frame, ids, places })
    }

    fn finish(mut self) -> Result<TypedNodes, DataError> {
        let n_nodes = self.frame.n_rows();
        let called = self.frame.take_texts("name");
        let names = match (called, &self.ids) {
            (Some(names), _) => names.into_iter().map(Option::unwrap_or_default).collect(),
            (None, Some(ids)) => ids.codes.iter().map(|&code| ids.values[code as usize].clone()).collect(),
            (None, None) => Vec::new(),
        };
        let (columns, numbers) = self.frame.into_numbers()?;
        let of_type = self.name.clone();
        let features = (!columns.is_empty()).then(|| {
            let mut rows = SparseRows::new(columns.len());
            for row in numbers.chunks_exact(columns.len()) {
                rows.push_row((0u32..).zip(row.iter().copied()));
            }
            rows
        });
        let named = columns.iter().map(|column| format!("{of_type}.{column}")).collect();
        Ok(TypedNodes {
            name: self.name,
            n_nodes,
            features,
            columns: vec![Columns::Numbers { names: named }],
            names,
        })
    }

    /// The number of the node that a row of edges names.
    fn find(&self, id: &str) -> Option<u32> {
        match &self.ids {
            Some(_) => self.places.get(id).copied(),
            None => id.parse::<u32>().ok().filter(|&node| (node as usize) < self.frame.n_rows()),
        }
    }
}

fn all_columns(nodes: &[Nodes]) -> String {
    let all: Vec<String> =
        nodes.iter().flat_map(|of| of.frame.names().map(|column| format!("{}.{column}", of.name))).collect();
    names(&all)
}

/// The column that is predicted, taken out of its table, with the split beside it.
fn take_target(nodes: &mut [Nodes], call: &BoundCall) -> Result<Option<TypedTarget>, DataError> {
    let (of_type, column) = match call.args.text("target") {
        Some(written) => {
            let (of, column) = written.trim().split_once('.').unwrap_or((written, ""));
            let found = nodes.iter().position(|nodes| nodes.name == of && nodes.frame.has(column));
            let Some(found) = found else {
                let message = format!("`{written}` is no column of a type of nodes");
                return Err(DataError::new("data::unknown_column", message)
                    .help(format!("there are {}", all_columns(nodes))));
            };
            (found, column.to_owned())
        }
        None => {
            let usual = |of: &Nodes| TARGETS.into_iter().find(|name| of.frame.has(name));
            let mut found = nodes.iter().enumerate().filter_map(|(place, of)| Some((place, usual(of)?)));
            let Some((place, column)) = found.next() else { return Ok(None) };
            if let Some((other, also)) = found.next() {
                let both = [(place, column), (other, also)]
                    .map(|(of, column)| format!("{}.{column}", nodes[of].name));
                let message = format!("{} may both be the target", names(&both));
                return Err(DataError::new("data::ambiguous", message)
                    .help(format!("say which: `target = \"{}\"`", both[0])));
            }
            (place, column.to_owned())
        }
    };
    let Nodes { frame, .. } = &mut nodes[of_type];
    let values = frame.take_texts(&column).unwrap_or_default();
    let (targets, class_names, meaning) = match call.args.choice("target_as") {
        "values" => {
            let number = |(row, text): (usize, &Option<String>)| match text.as_deref().map(str::parse::<f32>)
            {
                None => Ok(f32::NAN),
                Some(Ok(value)) if value.is_finite() => Ok(value),
                Some(_) => {
                    let line = frame.line(row).saturating_sub(1);
                    Err(frame
                        .file
                        .error("data::not_a_number", line, format!("`{column}` is no number here"))
                        .help("write `target_as = classes`, or a number"))
                }
            };
            let values = values.iter().enumerate().map(number).collect::<Result<_, _>>()?;
            (Targets::Values { values, n_values: 1 }, Vec::new(), Target::Columns(vec![column]))
        }
        _ => {
            let mut classes: Vec<String> = values.iter().flatten().cloned().collect();
            // Numbers in the order of their values, texts in that of their letters.
            classes.sort_by(|a, b| match (a.parse::<f64>(), b.parse::<f64>()) {
                (Ok(a), Ok(b)) => a.total_cmp(&b),
                (Ok(_), Err(_)) => std::cmp::Ordering::Less,
                (Err(_), Ok(_)) => std::cmp::Ordering::Greater,
                (Err(_), Err(_)) => a.cmp(b),
            });
            classes.dedup();
            let place: HashMap<&String, i64> = classes.iter().zip(0i64..).collect();
            let of_nodes = values.iter().map(|text| text.as_ref().map_or(-1, |text| place[text])).collect();
            (Targets::Classes(of_nodes), classes.clone(), Target::Names(classes))
        }
    };
    let is_labelled = |node: usize| values[node].is_some();
    let split = match frame.take_texts("split") {
        None => None,
        Some(parts) => {
            let mut split: [Vec<u32>; 3] = Default::default();
            for (node, part) in parts.iter().enumerate() {
                let Some(part) = part else { continue };
                let Some(place) = PARTS.iter().position(|known| known == part) else {
                    let line = frame.line(node).saturating_sub(1);
                    return Err(frame
                        .file
                        .error(
                            "data::not_a_part",
                            line,
                            format!("{} is no part", names(std::slice::from_ref(part))),
                        )
                        .help("write `train`, `validation` or `test`, or nothing"));
                };
                if is_labelled(node) {
                    split[place].push(node as u32);
                }
            }
            let [train, validation, test] = split;
            Some(Split { train, validation, test })
        }
    };
    Ok(Some(TypedTarget { of_type, targets, class_names, meaning, split }))
}

/// The edges of a relation: `author__writes__paper.csv`.
fn read_edges(path: &Path, nodes: &[Nodes], max_bytes: u64) -> Result<TypedEdges, DataError> {
    let own = stem(path);
    let whole =
        |code: &'static str, message: String| DataError::new(code, message).file(path.display().to_string());
    let parts: Vec<&str> = own.split(BETWEEN).collect();
    let [source, name, target] = parts[..] else {
        return Err(whole("data::relation", format!("`{own}` does not name two types and a relation"))
            .help("call it `SOURCE__RELATION__TARGET.csv`, for example `author__writes__paper.csv`"));
    };
    let of_type = |of: &str| {
        nodes.iter().position(|nodes| nodes.name == of).ok_or_else(|| {
            let all: Vec<String> = nodes.iter().map(|nodes| nodes.name.clone()).collect();
            whole("data::relation", format!("there is no table of nodes of type `{of}`"))
                .help(format!("there are {}: add `nodes/{of}.csv`, or correct the name", names(&all)))
        })
    };
    let ends = [of_type(source)?, of_type(target)?];
    let mut file = OneFile::at(path, max_bytes, &is_table)?;
    let keys = |columns: &[String]| {
        let find = |name: &str| columns.iter().position(|column| column == name);
        let found = ENDS.iter().map(|ends| ends.map(find)).find(|ends| ends.iter().all(Option::is_some));
        found.map(|found| found.to_vec()).ok_or_else(|| {
            DataError::new(
                "data::missing_part",
                "no columns `source` and `target` say which nodes an edge joins",
            )
            .help(format!("the header has {}", names(columns)))
        })
    };
    let CsvTable { frame, keys } = csv_table::read(&mut file, "edge", &keys, &[])?;
    if let Some(column) = frame.names().next() {
        return Err(frame
            .file
            .error(
                "data::not_supported",
                0,
                format!(
                    "`{column}` would not be read: a table of a relation has the two ends of its edges alone"
                ),
            )
            .help("delete the column; for edges of several kinds, write a table for each"));
    }
    let [Some(sources), Some(targets)]: [Option<Texts>; 2] = keys.try_into().expect("two keys") else {
        unreachable!("both ends have a column")
    };
    let mut edges = Vec::with_capacity(frame.n_rows());
    for row in 0..frame.n_rows() {
        let mut edge = [0u32; 2];
        for (end, texts) in [&sources, &targets].into_iter().enumerate() {
            let id = &texts.values[texts.codes[row] as usize];
            let of = &nodes[ends[end]];
            edge[end] = of.find(id).ok_or_else(|| {
                let message = format!("there is no {} {}", of.name, names(std::slice::from_ref(id)));
                let line = frame.line(row).saturating_sub(1);
                frame
                    .file
                    .error("data::unknown_node", line, message)
                    .help(format!("add it to `{}`, or correct the edge", of.frame.file))
            })?;
        }
        edges.push(edge);
    }
    Ok(TypedEdges { source: ends[0], name: name.to_owned(), target: ends[1], edges })
}
