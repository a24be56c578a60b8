//! `ogb("ogbn-arxiv")` and `nodeprop("cora")`: sets in tables without header lines, as the Open Graph Benchmark publishes
//! them. One reader for both names: the first is of the benchmark's sets, about nodes or graphs, the second of one
//! graph with nodes to be predicted.
//!
//! Format: W. Hu et al., "Open Graph Benchmark: Datasets for Machine Learning on Graphs", NeurIPS 2020; the files of
//! `ogb.io.DatasetSaver` before that, and `read_csv_graph_raw`.

use crate::args::{ArgValue, BoundCall};
use crate::data::columns::{Columns, Target, Vocabulary, values_in_words};
use crate::data::dataset::{Dataset, DatasetParts, Features, SparseRows, Targets, Unread};
use crate::data::edges::{EdgeList, EdgeOptions};
use crate::data::features::{self, Block};
use crate::data::files::{PlainFiles, entries, names};
use crate::data::places::Layout;
use crate::data::recognise::{Look, Recognised};
use crate::data::scan::FileName;
use crate::data::{DataError, DataOptions, Source};
use crate::diagnostic::count;
use crate::settings::{self, data::SourceFacts, protocol::Split};
use crate::types::{Entity, Task};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub struct Tables {
    facts: &'static dyn SourceFacts,
    layout: Layout,
}

pub static OGB: Tables = Tables {
    facts: &settings::data::ogb::Ogb,
    layout: Layout {
        source: "ogb",
        folders: &["ogb", "dataset"],
        is_set,
        lacks: "table `edge.csv.gz`",
        published: &[
            "ogbn-arxiv",
            "ogbn-products",
            "ogbn-proteins",
            "ogbg-molhiv",
            "ogbg-molpcba",
            "ogbg-molesol",
            "ogbg-molfreesolv",
            "ogbg-mollipo",
            "ogbg-molbace",
            "ogbg-molbbbp",
            "ogbg-molclintox",
            "ogbg-molsider",
            "ogbg-moltox21",
            "ogbg-moltoxcast",
            "ogbg-molmuv",
            "ogbg-ppa",
        ],
        url: "https://ogb.stanford.edu/docs/dataset_overview",
    },
};

pub static NODEPROP: Tables = Tables {
    facts: &settings::data::nodeprop::NodeProp,
    layout: Layout {
        source: "nodeprop",
        folders: &["nodeprop", "ogb"],
        is_set,
        lacks: "table `edge.csv.gz`",
        published: &[],
        url: "",
    },
};

/// What messages call the layout.
const NAME: &str = "OGB";

/// Tables that are read, and those that are no data.
const KNOWN: [&str; 9] = [
    "edge",
    "edge-feat",
    "node-feat",
    "node-feat-sparse",
    "node-label",
    "graph-label",
    "num-node-list",
    "num-edge-list",
    "meta",
];

fn is_set(folder: &Path, _: &str) -> bool {
    ["edge.csv", "edge.csv.gz"].iter().any(|file| folder.join(file).is_file())
}

impl Tables {
    fn find(&self, call: &BoundCall, options: &DataOptions) -> Result<PathBuf, DataError> {
        let name = call.args.text("name").unwrap_or_default();
        self.layout.find(name, options).map_err(|error| match error.is_absent() {
            true => error.span(call.args.get("name").and_then(|arg| arg.span)),
            false => error,
        })
    }
}

impl Source for Tables {
    fn facts(&self) -> &'static dyn SourceFacts {
        self.facts
    }

    fn files(&self, call: &BoundCall, options: &DataOptions) -> Option<Vec<PathBuf>> {
        let folder = self.find(call, options).ok()?;
        let mut paths = tables(&folder).into_iter().map(|file| folder.join(file)).collect::<Vec<_>>();
        paths.extend([folder.join("meta.json")].into_iter().filter(|path| path.is_file()));
        let around = around(&folder);
        for inner in entries(&around.join("split")) {
            let split = around.join("split").join(inner);
            paths.extend(tables(&split).into_iter().map(|file| split.join(file)));
        }
        Some(paths)
    }

    fn recognise(&self, look: &Look) -> Option<Recognised> {
        let has = |table: &str| {
            let is_it = |name: &&String| {
                let file = name.strip_prefix("raw/").unwrap_or(name);
                file.strip_suffix(".gz").unwrap_or(file) == table
            };
            look.names.iter().any(|name| is_it(&name))
        };
        let source = if has("num-node-list.csv") { "ogb" } else { "nodeprop" };
        let is_set = look.is_folder && has("edge.csv") && source == self.layout.source;
        let call = format!("{source}({})", look.quoted());
        is_set.then(|| Recognised::new(call, "a set in the tables of the Open Graph Benchmark")).flatten()
    }

    fn load(&self, call: &BoundCall, options: &DataOptions) -> Result<Dataset, DataError> {
        let folder = self.find(call, options)?;
        let files = PlainFiles::new(&folder, NAME, options.max_bytes()?);
        Set { files, source: self.layout.source }.read(call, options)
    }
}

/// Files of a folder that end in `.csv` or `.csv.gz`.
fn tables(folder: &Path) -> Vec<String> {
    let is_table = |name: &String| name.ends_with(".csv") || name.ends_with(".csv.gz");
    entries(folder).into_iter().filter(is_table).collect()
}

/// The folder that holds splits and mappings: that around `raw`, where the tables lie in one of that name.
fn around(folder: &Path) -> PathBuf {
    match folder.parent() {
        Some(parent) if folder.ends_with("raw") && !folder.join("split").is_dir() => parent.to_path_buf(),
        _ => folder.to_path_buf(),
    }
}

struct Set {
    files: PlainFiles,
    source: &'static str,
}

/// Cells of a table of labels, each with the line that it stands on.
struct Labels {
    name: String,
    /// `None` where a cell is empty or says that there is no value.
    rows: Vec<Vec<Option<f64>>>,
}

impl Set {
    fn error(&self, code: &'static str, message: impl Into<String>) -> DataError {
        DataError::new(code, message).file(self.files.folder.display().to_string())
    }

    fn read(mut self, call: &BoundCall, options: &DataOptions) -> Result<Dataset, DataError> {
        let known = options.vocabulary.as_ref();
        if let Some(file) =
            ["triplet-type-list.csv", "num-node-dict.csv"].iter().find(|file| self.files.has(file))
        {
            return Err(self
                .error("data::unsupported_set", format!("holds nodes and edges of several types (`{file}`)"))
                .help("sets of one type of nodes are read"));
        }
        let is_of_graphs = self.files.has("graph-label.csv");
        if is_of_graphs && self.source == "nodeprop" {
            return Err(self
                .error("data::unsupported_set", "is about graphs: it has `graph-label.csv`")
                .help("write `ogb(…)` in place of `nodeprop(…)`")
                .span(Some(call.span)));
        }
        let labels = self.labels(if is_of_graphs { "graph-label.csv" } else { "node-label.csv" })?;
        let node_offsets = self.node_offsets(labels.as_ref().filter(|_| !is_of_graphs))?;
        let n_nodes = node_offsets[node_offsets.len() - 1] as usize;
        let n_graphs = node_offsets.len() - 1;
        let (n_items, items) = if is_of_graphs { (n_graphs, "graph") } else { (n_nodes, "node") };
        if let Some(labels) = labels.as_ref().filter(|labels| labels.rows.len() != n_items) {
            let message = format!(
                "has {}, but the set has {}",
                count(labels.rows.len(), "line"),
                count(n_items, items)
            );
            return Err(DataError::new("data::count", message)
                .file(&labels.name)
                .help(format!("line i holds the label of {items} i")));
        }
        let mut edges = self.edges(&node_offsets, call)?;
        let max_bytes = self.files.max_bytes().saturating_mul(4);
        let edits = EdgeOptions::of(call).apply(&mut edges, n_nodes, call, max_bytes)?;
        let own = self.features(n_nodes)?;
        let edge_columns: Vec<Columns> =
            edges.features.iter().map(|features| Columns::Attributes { count: features.width() }).collect();
        let prepared = features::of_made(call, options, (&node_offsets, &edges.pairs), own)?;
        let (targets, class_names, target) = self.targets(labels, call, known)?;
        let fixed_split = self.split(call, &targets, n_items, items)?;
        let task = target.as_ref().map(Target::kind);
        let entity = if is_of_graphs { Entity::Graph } else { Entity::Nodes };
        let unread = self.unread(&edges);
        let mut dataset = Dataset::new(DatasetParts {
            name: self.name(),
            task: task.map(|kind| Task { entity, kind }),
            graph_ids: (0..n_graphs as u32).collect(),
            node_offsets,
            edges: edges.pairs,
            edge_features: edges.features,
            edge_kinds: None,
            features: prepared.features,
            targets,
            class_names,
            fixed_split,
            vocabulary: Vocabulary { columns: prepared.columns, target, edge_columns, edge_kinds: None },
        });
        dataset.draw_signs(prepared.random_signs);
        dataset.edits = edits;
        dataset.unread = unread;
        Ok(dataset)
    }

    /// That of the folder, without `raw`.
    fn name(&self) -> String {
        let folder = around(&self.files.folder);
        folder.file_name().map_or_else(|| self.source.to_owned(), |name| name.to_string_lossy().into_owned())
    }

    /// Tables that no option reads.
    fn unread(&self, edges: &EdgeList) -> Vec<Unread> {
        let folder = &self.files.folder;
        let mut unread = Vec::new();
        for file in tables(folder) {
            let stem = file.trim_end_matches(".gz").trim_end_matches(".csv");
            let is_left = stem == "edge-feat" && edges.features.is_none();
            if is_left || !KNOWN.contains(&stem) {
                unread.push(Unread {
                    what: stem.replace(['-', '_'], " "),
                    file: file.clone(),
                    n_columns: None,
                    setting: is_left.then_some("edge_features = auto"),
                });
            }
        }
        unread
    }

    /// Where the nodes of each graph begin: by `num-node-list.csv`, else one graph with a node for each label, else as
    /// many nodes as `meta.json` says.
    fn node_offsets(&mut self, labels: Option<&Labels>) -> Result<Vec<u32>, DataError> {
        let too_large =
            || DataError::new("data::too_large", "more than 4294967295 nodes").help("split the data set");
        if let Some(text) = self.files.open("num-node-list.csv")? {
            let name = text.name.clone();
            let counts = text.naturals(1, usize::MAX, "the number of nodes of a graph")?.values;
            if counts.is_empty() {
                return Err(name
                    .whole("data::empty", "the file is empty, so the data set has no graphs")
                    .help("line i holds the number of nodes of graph i"));
            }
            let mut offsets = vec![0u32];
            for (graph, &n_nodes) in counts.iter().enumerate() {
                if n_nodes == 0 {
                    return Err(name
                        .error("data::empty_graph", graph, format!("graph {graph} has no nodes"))
                        .help("drop the graph from every table"));
                }
                let end = offsets[graph].checked_add(n_nodes).ok_or_else(too_large)?;
                offsets.push(end);
            }
            return Ok(offsets);
        }
        let n_nodes = match (labels, self.meta("num_nodes")?) {
            (Some(labels), stated) => {
                if let Some(stated) = stated.filter(|&stated| stated != labels.rows.len() as u64) {
                    let message = format!(
                        "has {}, but meta.json states {stated} nodes",
                        count(labels.rows.len(), "line")
                    );
                    return Err(DataError::new("data::count", message)
                        .file(&labels.name)
                        .help("line i holds the label of node i"));
                }
                labels.rows.len() as u64
            }
            (None, Some(stated)) => stated,
            (None, None) => {
                return Err(self
                    .error("data::missing_part", "nothing says how many nodes there are")
                    .help("put `num-node-list.csv` with their number into this folder, or `node-label.csv` with a line for each"));
            }
        };
        match u32::try_from(n_nodes) {
            Ok(0) => Err(self
                .error("data::empty", "the data set has no nodes")
                .help("line i of node-label.csv belongs to node i")),
            Ok(n_nodes) => Ok(vec![0, n_nodes]),
            Err(_) => Err(too_large()),
        }
    }

    /// A number that `meta.json` states.
    fn meta(&mut self, key: &str) -> Result<Option<u64>, DataError> {
        let Some(text) = self.files.open("meta.json")? else { return Ok(None) };
        let name = text.name.clone();
        let bytes = text.bytes()?;
        let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|error| {
            name.error("data::not_a_number", error.line().saturating_sub(1), format!("is no JSON: {error}"))
                .help("mend it, or delete it: it only confirms what the tables say")
        })?;
        Ok(value.get(key).and_then(serde_json::Value::as_u64))
    }

    fn edges(&mut self, node_offsets: &[u32], call: &BoundCall) -> Result<EdgeList, DataError> {
        let n_graphs = node_offsets.len() - 1;
        let counts = match self.files.has("num-edge-list.csv") {
            true => {
                let text =
                    self.files.require("num-edge-list.csv", "it says which edges are of which graph")?;
                let name = text.name.clone();
                let counts = text.naturals(1, usize::MAX, "the number of edges of a graph")?.values;
                if counts.len() != n_graphs {
                    let message = format!(
                        "has {}, but there are {}",
                        count(counts.len(), "line"),
                        count(n_graphs, "graph")
                    );
                    return Err(name
                        .whole("data::count", message)
                        .help("line i holds the number of edges of graph i"));
                }
                Some(counts)
            }
            false if n_graphs > 1 => {
                return Err(self
                    .error(
                        "data::missing_part",
                        "`num-edge-list.csv` is missing: it says which edges are of which graph",
                    )
                    .help("put it into this folder, with the number of edges of graph i on line i"));
            }
            false => None,
        };
        let text = self.files.require("edge.csv", "it holds the edges")?;
        let name = text.name.clone();
        let mut pairs = Vec::with_capacity(text.rows_of(6));
        let (mut graph, mut left) = (0, counts.as_ref().map_or(u32::MAX, |counts| counts[0]));
        text.pairs("two numbers of nodes, `source,target`", |row, source, target| {
            while left == 0 && graph + 1 < n_graphs {
                graph += 1;
                left = counts.as_ref().map_or(0, |counts| counts[graph]);
            }
            left = left.wrapping_sub(u32::from(counts.is_some()));
            let first = node_offsets[graph];
            let n_nodes = node_offsets[graph + 1] - first;
            if let Some(node) = [source, target].into_iter().find(|&node| node >= n_nodes) {
                let of = if n_graphs > 1 { format!("graph {graph}") } else { "the graph".to_owned() };
                return Err(name
                    .error(
                        "data::out_of_range",
                        row,
                        format!("names node {node}, but {of} has {}", count(n_nodes as usize, "node")),
                    )
                    .help("nodes are numbered from 0, in each graph anew"));
            }
            pairs.push((first + source, first + target));
            Ok(())
        })?;
        if let Some(counts) = &counts {
            let stated: u64 = counts.iter().map(|&n| u64::from(n)).sum();
            if stated != pairs.len() as u64 {
                let message = format!(
                    "has {}, but num-edge-list.csv states {stated} edges",
                    count(pairs.len(), "line")
                );
                return Err(name
                    .whole("data::count", message)
                    .help("the tables are of different sets, or one is cut short"));
            }
        }
        let wants_features =
            call.args.get("edge_features").is_some_and(|arg| arg.value != ArgValue::Choice("none"));
        let mut edge_features = None;
        if let Some(text) = self.files.open("edge-feat.csv")?.filter(|_| wants_features) {
            let name = text.name.clone();
            let table = text.reals(pairs.len(), "features of an edge (real numbers)")?;
            expect_rows(&name, table.n_rows, pairs.len(), "edge")?;
            if table.n_rows > 0 {
                edge_features = Some(Features::Dense { values: table.values.into(), width: table.width });
            }
        }
        Ok(EdgeList { pairs, features: edge_features, kinds: None, rows: None })
    }

    fn features(&mut self, n_nodes: usize) -> Result<Block, DataError> {
        if let Some(text) = self.files.open("node-feat.csv")? {
            let name = text.name.clone();
            let table = text.reals(n_nodes, "features of a node (real numbers)")?;
            expect_rows(&name, table.n_rows, n_nodes, "node")?;
            let width = table.width;
            return Ok(Block {
                features: Features::Dense { values: table.values.into(), width },
                columns: vec![Columns::Attributes { count: width }],
            });
        }
        let stated = self.meta("num_features")?;
        let Some(text) = self.files.open("node-feat-sparse.csv")? else {
            return Ok(Block {
                features: Features::Dense { values: Vec::new().into(), width: 0 },
                columns: Vec::new(),
            });
        };
        let name = text.name.clone();
        let (mut entries, mut width) = (Vec::new(), 0);
        let mut last = None;
        text.entries("a node, a feature and its value", |row, node, column, value| {
            if node as usize >= n_nodes {
                return Err(name
                    .error("data::out_of_range", row, format!("names node {node}, but there are {}", count(n_nodes, "node")))
                    .help("nodes are numbered from 0"));
            }
            if stated.is_some_and(|stated| u64::from(column) >= stated) || column == u32::MAX {
                let message = format!("names feature {column}, but meta.json states {}", stated.unwrap_or_default());
                return Err(name.error("data::out_of_range", row, message).help("features are numbered from 0"));
            }
            if last.is_some_and(|last| last >= (node, column)) {
                return Err(name
                    .error("data::graph_order", row, format!("feature {column} of node {node} does not stand behind the entry before"))
                    .help("entries are sorted by node, then by feature, and each stands once: `sort -t, -k1,1n -k2,2n -u`"));
            }
            last = Some((node, column));
            width = width.max(column + 1);
            entries.push((node, column, value));
            Ok(())
        })?;
        let width = stated.map_or(width as usize, |stated| stated as usize);
        let mut rows = SparseRows::new(width);
        let mut entries = entries.into_iter().peekable();
        for node in 0..n_nodes as u32 {
            let of_node = std::iter::from_fn(|| entries.next_if(|entry| entry.0 == node));
            rows.push_row(of_node.map(|(_, column, value)| (column, value)));
        }
        Ok(Block { features: Features::Sparse(rows), columns: vec![Columns::Attributes { count: width }] })
    }

    fn labels(&mut self, file: &str) -> Result<Option<Labels>, DataError> {
        let Some(text) = self.files.open(file)? else { return Ok(None) };
        let (name, bytes) = (text.name.clone(), text.bytes()?);
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes.as_slice());
        let mut rows: Vec<Vec<Option<f64>>> = Vec::new();
        let mut record = csv::ByteRecord::new();
        loop {
            let row = rows.len();
            match reader.read_byte_record(&mut record) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    return Err(name
                        .error("data::not_a_number", row, format!("cannot be read: {error}"))
                        .help("a line holds the labels of one item, separated by commas"));
                }
            }
            let mut cells = Vec::with_capacity(record.len());
            for (column, cell) in record.iter().enumerate() {
                let cell = String::from_utf8_lossy(cell);
                let cell = cell.trim();
                let is_missing = cell.is_empty() || cell.eq_ignore_ascii_case("nan");
                let value = match is_missing {
                    true => None,
                    false => match cell.parse::<f64>().ok().filter(|value| value.is_finite()) {
                        Some(value) => Some(value),
                        None => {
                            let cell: String = cell.chars().take(24).flat_map(char::escape_debug).collect();
                            let message = format!(
                                "column {}: expected a label (a number), but found `{cell}`",
                                column + 1
                            );
                            return Err(name.error("data::not_a_number", row, message).help("labels are numbers, an empty cell where there is none; the OGB layout has no header line"));
                        }
                    },
                };
                cells.push(value);
            }
            if rows.first().is_some_and(|first| first.len() != cells.len()) {
                let message = format!(
                    "has {}, but the lines before have {}",
                    count(cells.len(), "value"),
                    rows[0].len()
                );
                return Err(name
                    .error("data::ragged", row, message)
                    .help("every line of this file has the same number of values, separated by commas"));
            }
            rows.push(cells);
        }
        Ok(Some(Labels { name: name.to_string(), rows }))
    }

    fn targets(
        &mut self,
        labels: Option<Labels>,
        call: &BoundCall,
        known: Option<&Vocabulary>,
    ) -> Result<(Targets, Vec<String>, Option<Target>), DataError> {
        let Some(labels) = labels else { return Ok((Targets::None, Vec::new(), None)) };
        let n_values = labels.rows.first().map_or(0, Vec::len);
        let cells = || labels.rows.iter().flatten().flatten();
        let are_whole = cells().all(|value| value.fract() == 0.0 && value.abs() < 9e15);
        let is_of_classes = match (call.args.choice("target"), known.and_then(|known| known.target.as_ref()))
        {
            ("classes", _) | ("auto", Some(Target::Classes(_))) => true,
            ("values", _) | ("auto", Some(Target::Values(_))) => false,
            ("auto", Some(Target::Labels(_))) => true,
            _ => are_whole,
        };
        let error = |row: Option<usize>, code, message: String| {
            let error = DataError::new(code, message).file(&labels.name);
            match row {
                Some(row) => error.line(row + 1),
                None => error,
            }
        };
        if !is_of_classes {
            let mut values = Vec::with_capacity(labels.rows.len() * n_values);
            for (row, cells) in labels.rows.iter().enumerate() {
                for (column, cell) in cells.iter().enumerate() {
                    let Some(value) = cell else {
                        let message = format!("column {}: there is no value to predict", column + 1);
                        return Err(error(Some(row), "data::unsupported_set", message)
                            .help("only labels can be unknown, 0 or 1 in several columns: drop the items without a value"));
                    };
                    values.push(*value as f32);
                }
            }
            return Ok((Targets::Values { values, n_values }, Vec::new(), Some(Target::Values(n_values))));
        }
        if n_values != 1 || matches!(known.and_then(|known| known.target.as_ref()), Some(Target::Labels(_))) {
            return self.several_labels(labels, n_values, known);
        }
        if !are_whole {
            let row = labels.rows.iter().position(|row| row[0].is_some_and(|value| value.fract() != 0.0));
            return Err(error(row, "data::not_a_number", "is no class, which is a whole number".to_owned())
                .help("write `target = values` to predict values"));
        }
        let label = |row: &[Option<f64>]| row[0].map_or(-1, |value| value as i64);
        let classes = match known.and_then(Vocabulary::classes) {
            Some(known) => known.to_vec(),
            None => {
                let mut all: Vec<i64> =
                    labels.rows.iter().map(|row| label(row)).filter(|&label| label != -1).collect();
                all.sort_unstable();
                all.dedup();
                all
            }
        };
        let mut of_items = Vec::with_capacity(labels.rows.len());
        for (row, cells) in labels.rows.iter().enumerate() {
            of_items.push(match (label(cells), classes.binary_search(&label(cells))) {
                (-1, _) => -1,
                (_, Ok(class)) => class as i64,
                (label, Err(_)) => {
                    let message = format!(
                        "label {label} is none of the model's classes ({})",
                        values_in_words(&classes)
                    );
                    return Err(error(Some(row), "data::unknown_label", message)
                        .help("correct the label; to predict without labels, leave the file out"));
                }
            });
        }
        let named = self.class_names()?;
        let class_names = classes
            .iter()
            .map(|class| named.get(class).cloned().unwrap_or_else(|| class.to_string()))
            .collect();
        Ok((Targets::Classes(of_items), class_names, Some(Target::Classes(classes))))
    }

    /// Several labels an item, a column each: 1 where the item has it and 0 where it has not; as among classes, an empty cell,
    /// `nan` or -1 is unknown.
    fn several_labels(
        &mut self,
        labels: Labels,
        n_labels: usize,
        known: Option<&Vocabulary>,
    ) -> Result<(Targets, Vec<String>, Option<Target>), DataError> {
        let error = |code, message: String| DataError::new(code, message).file(&labels.name);
        if let Some(Target::Labels(n)) = known.and_then(|known| known.target.as_ref())
            && *n != n_labels
        {
            let message = format!("the model predicts {}, but the file has {n_labels}", count(*n, "label"));
            return Err(error("data::other_columns", message)
                .help("give data with the labels that the model was trained on; to predict without labels, leave the file out"));
        }
        let mut values = Vec::with_capacity(labels.rows.len() * n_labels);
        for (row, cells) in labels.rows.iter().enumerate() {
            for (column, cell) in cells.iter().enumerate() {
                values.push(match cell {
                    Some(value) if *value == 1.0 => 1.0,
                    Some(value) if *value == 0.0 => 0.0,
                    Some(value) if *value == -1.0 => f32::NAN,
                    None => f32::NAN,
                    Some(value) => {
                        let message = format!("column {}: {value} is neither 1 nor 0", column + 1);
                        return Err(error("data::not_a_label", message).line(row + 1).help(
                            "several columns are several labels, each there (1) or not (0), or values with `target = values`; \
                             a class stands in one column alone: `cut -d, -f1` writes the first",
                        ));
                    }
                });
            }
        }
        let named = self.class_names()?;
        let name =
            |label: usize| named.get(&(label as i64)).cloned().unwrap_or_else(|| (label + 1).to_string());
        let names = (0..n_labels).map(name).collect();
        Ok((Targets::Values { values, n_values: n_labels }, names, Some(Target::Labels(n_labels))))
    }

    /// What `mapping/labelidx2….csv` calls the classes, behind its header line.
    fn class_names(&mut self) -> Result<BTreeMap<i64, String>, DataError> {
        let folder = around(&self.files.folder).join("mapping");
        let mut named = BTreeMap::new();
        let Some(file) = tables(&folder).into_iter().find(|file| file.starts_with("labelidx2")) else {
            return Ok(named);
        };
        let mut files = PlainFiles::new(&folder, NAME, self.files.max_bytes());
        let Some(text) = files.open(file.trim_end_matches(".gz"))? else { return Ok(named) };
        let bytes = text.bytes()?;
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes.as_slice());
        for record in reader.records().flatten() {
            if let (Some(Ok(label)), Some(name)) = (record.get(0).map(str::parse), record.get(1)) {
                named.insert(label, name.trim().to_owned());
            }
        }
        // Two classes of one name would be one in predictions.
        let mut distinct: Vec<&String> = named.values().collect();
        distinct.sort();
        distinct.dedup();
        Ok(if distinct.len() == named.len() { named } else { BTreeMap::new() })
    }

    fn split(
        &mut self,
        call: &BoundCall,
        targets: &Targets,
        n_items: usize,
        items: &str,
    ) -> Result<Option<Split>, DataError> {
        let folder = around(&self.files.folder).join("split");
        let all: Vec<String> =
            entries(&folder).into_iter().filter(|name| folder.join(name).is_dir()).collect();
        let span = call.args.get("split").and_then(|arg| arg.span);
        let name = match (call.args.text("split"), all.as_slice()) {
            (Some(name), _) if all.iter().any(|known| known == name) => name.to_owned(),
            (Some(name), _) => {
                let has = if all.is_empty() { "none".to_owned() } else { names(&all) };
                return Err(DataError::new(
                    "data::wrong_split",
                    format!("there is no split `{name}`: the set has {has}"),
                )
                .file(folder.display().to_string())
                .help("a split is a folder `split/NAME` with train.csv, valid.csv and test.csv")
                .span(span));
            }
            (None, []) => return Ok(None),
            (None, [only]) => only.clone(),
            (None, several) => {
                return Err(DataError::new(
                    "data::ambiguous",
                    format!("holds {}: {}", count(several.len(), "split"), names(several)),
                )
                .file(folder.display().to_string())
                .help(format!("choose one: `split = \"{}\"`", several[0]))
                .span(Some(call.span)));
            }
        };
        let mut is_taken = vec![false; n_items];
        let mut files = PlainFiles::new(&folder.join(&name), NAME, self.files.max_bytes());
        let mut part = |file: &str, meaning: &str| -> Result<Vec<u32>, DataError> {
            let text = files.require(file, meaning)?;
            let name = text.name.clone();
            let mut members = text.naturals(1, usize::MAX, "the number of an item")?.values;
            for (row, &item) in members.iter().enumerate() {
                let Some(is_taken) = is_taken.get_mut(item as usize) else {
                    return Err(name
                        .error(
                            "data::out_of_range",
                            row,
                            format!("names {items} {item}, but there are {}", count(n_items, items)),
                        )
                        .help(format!("a line is the number of a {items}, from 0")));
                };
                if std::mem::replace(is_taken, true) {
                    return Err(name
                        .error(
                            "data::wrong_split",
                            row,
                            format!("names {items} {item}, which is in a part already"),
                        )
                        .help("the parts of a split have nothing in common"));
                }
                if matches!(targets, Targets::Classes(classes) if classes[item as usize] < 0) {
                    return Err(name
                        .error("data::wrong_split", row, format!("names {items} {item}, which has no label"))
                        .help("items without a label are in no part"));
                }
            }
            members.sort_unstable();
            Ok(members)
        };
        let train = part("train.csv", "it names the items to train on")?;
        let validation = part("valid.csv", "it names the items to validate on")?;
        let test = part("test.csv", "it names the items to test on")?;
        Ok(Some(Split { train, validation, test }))
    }
}

fn expect_rows(name: &FileName, found: usize, expected: usize, items: &str) -> Result<(), DataError> {
    if found == expected {
        return Ok(());
    }
    let message = format!("has {}, but there are {}", count(found, "line"), count(expected, items));
    Err(name.whole("data::count", message).help(format!("line i belongs to {items} i")))
}

#[cfg(test)]
mod tests;
