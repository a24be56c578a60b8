//! `npz("graph.npz")` and `arrays(edges = "edge_index.npy", …)`: a graph in arrays of NumPy, or in a sparse matrix of SciPy.
//!
//! SciPy: `scipy.sparse.save_npz`. The layout of O. Shchur et al., "Pitfalls of Graph Neural Network Evaluation", R2L 2018
//! (`adj_data`, `attr_data`, `labels`: Coauthor and Amazon sets); that of O. Platonov et al., "A critical look at the
//! evaluation of GNNs under heterophily", ICLR 2023 (`node_features`, `node_labels`, `edges`, `train_masks`); and the names of
//! PyTorch Geometric (`edge_index`, `x`, `y`, `train_mask`).

mod npy;

use super::assembly::{Cells, Column, Found, FoundTarget, Place, Texts, assemble};
use crate::args::{ArgValue, BoundCall};
use crate::data::dataset::{SparseRows, Unread};
use crate::data::files::{Archive, OneFile, names, stem};
use crate::data::recognise::{Look, Recognised};
use crate::data::scan::FileName;
use crate::data::{DataError, DataOptions, Dataset, Names, Source, locate};
use crate::diagnostic::count;
use crate::settings::{self, data::SourceFacts, protocol::Split};
use crate::types::Entity;
use npy::{Array, Values};
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Debug)]
pub struct Npz;

#[derive(Debug)]
pub struct Arrays;

impl Source for Npz {
    fn facts(&self) -> &'static dyn SourceFacts {
        &settings::data::npz::Npz
    }

    fn files(&self, call: &BoundCall, options: &DataOptions) -> Option<Vec<PathBuf>> {
        Some(vec![options.path_of(call.args.text("path").unwrap_or_default())])
    }

    fn recognise(&self, look: &Look) -> Option<Recognised> {
        let has = |name: &str| look.names.iter().any(|file| file.strip_suffix(".npy") == Some(name));
        let is_graph = !look.is_folder
            && ["indices", "row", "adj_indices", "adj_matrix.indices", "edge_index", "edges"]
                .into_iter()
                .any(has);
        let what = if has("indices") || has("row") {
            "a sparse matrix of SciPy"
        } else {
            "a graph in arrays of NumPy"
        };
        is_graph.then(|| Recognised::new(format!("npz({})", look.quoted()), what)).flatten()
    }

    fn load(&self, call: &BoundCall, options: &DataOptions) -> Result<Dataset, DataError> {
        let span = call.args.get("path").and_then(|arg| arg.span);
        let path = locate::existing(call.args.text("path").unwrap_or_default(), options)
            .map_err(|error| error.span(span))?;
        if path.is_dir() {
            return Err(DataError::new("data::unreadable", "is a folder, where a file is asked for")
                .file(path.display().to_string())
                .help("name the file in it")
                .span(span));
        }
        let mut left = options.max_bytes()?;
        let mut arrays =
            Named { label: path.display().to_string(), all: BTreeMap::new(), unreadable: Vec::new() };
        let entries: Vec<String> =
            Archive::open(&path)?.files().into_iter().map(|found| found.file).collect();
        for entry in entries.iter().filter(|entry| entry.ends_with(".npy")) {
            let mut file = OneFile::at(&path, left, &|name| name == entry)?;
            let text = file.open()?;
            let name = text.name.clone();
            let bytes = text.bytes()?;
            left = left.saturating_sub(bytes.len() as u64);
            let key = entry.trim_end_matches(".npy").replace('.', "_");
            match Array::parse(&name, &bytes) {
                Ok(array) => drop(arrays.all.insert(key, array)),
                // Names of nodes come as Python objects in sets whose numbers are whole.
                Err(error) if error.code == "data::not_supported" => arrays.unreadable.push((key, error)),
                Err(error) => return Err(error),
            }
        }
        let found = arrays.found(stem(&path), call, left)?;
        assemble(found, call, options)
    }
}

impl Source for Arrays {
    fn facts(&self) -> &'static dyn SourceFacts {
        &settings::data::arrays::Arrays
    }

    fn files(&self, call: &BoundCall, options: &DataOptions) -> Option<Vec<PathBuf>> {
        let parts = PARTS.iter().filter_map(|(part, _)| call.args.text(part));
        Some(parts.map(|path| options.path_of(path)).collect())
    }

    fn load(&self, call: &BoundCall, options: &DataOptions) -> Result<Dataset, DataError> {
        let mut left = options.max_bytes()?;
        let mut arrays = Named { label: String::new(), all: BTreeMap::new(), unreadable: Vec::new() };
        let mut set_name = String::new();
        for (part, key) in PARTS {
            let Some(path) = call.args.text(part) else { continue };
            let span = call.args.get(part).and_then(|arg| arg.span);
            let path = locate::existing(path, options).map_err(|error| error.span(span))?;
            let mut file = OneFile::at(&path, left, &|_| true).map_err(|error| error.span(span))?;
            if *part == "edges" {
                (set_name, arrays.label) = (stem(&path), path.display().to_string());
            }
            let text = file.open()?;
            let name = text.name.clone();
            let bytes = text.bytes()?;
            left = left.saturating_sub(bytes.len() as u64);
            arrays.all.insert((*key).to_owned(), Array::parse(&name, &bytes)?);
        }
        let found = arrays.found(set_name, call, left)?;
        assemble(found, call, options)
    }
}

/// Arguments of `arrays` with the names that their arrays have in `npz`.
const PARTS: &[(&str, &str)] = &[
    ("edges", "edge_index"),
    ("nodes", "x"),
    ("labels", "y"),
    ("edge_values", "edge_attr"),
    ("graph_of", "batch"),
];

/// Arrays by their names, `.` in them written `_`.
struct Named {
    label: String,
    all: BTreeMap<String, Array>,
    unreadable: Vec<(String, DataError)>,
}

/// The edges of a graph, and how many nodes it has, as far as they say.
struct Edges {
    pairs: Vec<(u32, u32)>,
    weights: Option<Vec<f32>>,
    n_nodes: Option<usize>,
    file: FileName,
}

impl Named {
    fn take(&mut self, names: &[&str]) -> Option<Array> {
        names.iter().find_map(|name| self.all.remove(*name))
    }

    fn found(mut self, name: String, call: &BoundCall, left: u64) -> Result<Found, DataError> {
        let edges = self.edges()?;
        let features = self.features(left)?;
        let labels = self.take(&["labels", "y", "label", "node_labels"]);
        let n_rows =
            |column: &Option<(Cells, usize, FileName)>| column.as_ref().map(|(_, n_rows, _)| *n_rows);
        let graph_of = self.take(&["batch", "graph_of"]);
        let n_nodes = edges.n_nodes.or(n_rows(&features)).or(graph_of.as_ref().map(Array::len));
        let n_nodes = match (n_nodes, &labels) {
            (Some(n), _) => n,
            (None, Some(labels)) => labels.len(),
            (None, None) => edges.pairs.iter().map(|&(a, b)| a.max(b) as usize + 1).max().unwrap_or(0),
        };
        // A node that edges alone name can ask for more memory than any file has.
        if n_nodes as u64 > left.max(1 << 20) {
            return Err(edges
                .file
                .whole("data::too_large", format!("{n_nodes} nodes are more than fit the limit"))
                .help("number the nodes from 0 without gaps, or allow more with `--max-data-size`"));
        }
        if let Some(&(a, b)) = edges.pairs.iter().find(|&&(a, b)| a.max(b) as usize >= n_nodes) {
            return Err(edges
                .file
                .whole(
                    "data::out_of_range",
                    format!("the edge {a}, {b} leads to a node beyond the {n_nodes} that there are"),
                )
                .help("nodes are numbered from 0, and features or labels have a row for each"));
        }
        if let Some((_, rows, file)) = features.as_ref().filter(|(_, rows, _)| *rows != n_nodes) {
            return Err(file
                .whole("data::count", format!("has {} for {}", count(*rows, "row"), count(n_nodes, "node")))
                .help("row i belongs to node i, from 0"));
        }
        let (node_offsets, n_graphs) = match &graph_of {
            None => (vec![0, n_nodes as u32], 1),
            Some(graph_of) => offsets(graph_of, n_nodes)?,
        };
        if let Some(&(a, b)) = graph_of.as_ref().and_then(|_| {
            let graph = |node: u32| node_offsets.partition_point(|&offset| offset <= node);
            edges.pairs.iter().find(|&&(a, b)| graph(a) != graph(b))
        }) {
            return Err(edges
                .file
                .whole("data::edge_between_graphs", format!("the edge {a}, {b} joins two graphs"))
                .help("both ends of an edge belong to one graph"));
        }
        let class_names = self.take(&["class_names"]);
        let (entity, target) = match labels {
            None => (Entity::Graph, None),
            Some(labels) => target(labels, class_names, n_nodes, n_graphs, call)?,
        };
        let edge_attributes = self.take(&["edge_attr", "edge_features", "edge_feat"]);
        let mut edge_columns = Vec::new();
        if let Some(array) = edge_attributes {
            let place = Place::of(&array.file);
            if array.len() != edges.pairs.len() {
                let rows = count(array.len(), "row");
                return Err(array
                    .file
                    .whole("data::count", format!("has {rows} for {}", count(edges.pairs.len(), "edge")))
                    .help("row i belongs to edge i"));
            }
            let width = width(&array)?;
            edge_columns.push(Column {
                name: String::new(),
                cells: Cells::Numbers { values: array.reals()?, width },
                place,
            });
        } else if let Some(weights) = edges.weights {
            edge_columns.push(Column {
                name: String::new(),
                cells: Cells::Numbers { values: weights, width: 1 },
                place: Place::of(&edges.file),
            });
        }
        let split =
            self.split(call, if entity == Entity::Nodes { n_nodes } else { n_graphs }, target.as_ref())?;
        let node_names = self.take(&["node_names"]).and_then(|array| match array.values {
            Values::Texts(texts) if texts.len() == n_nodes => Some(texts),
            _ => None,
        });
        let mut unread: Vec<Unread> = Vec::new();
        for key in self.all.keys().chain(self.unreadable.iter().map(|(key, _)| key)) {
            unread.push(Unread {
                what: format!("array `{key}`"),
                file: self.label.clone(),
                n_columns: None,
                setting: None,
            });
        }
        let mut nodes = Vec::new();
        if let Some((cells, _, file)) = features {
            nodes.push(Column { name: String::new(), cells, place: Place::of(&file) });
        }
        Ok(Found {
            name,
            entity,
            node_offsets,
            pairs: edges.pairs,
            nodes,
            edges: edge_columns,
            kinds: None,
            target,
            split,
            parted_by: Default::default(),
            graph_ids: (1..=n_graphs as u32).collect(),
            names: Names { nodes: node_names.unwrap_or_default(), graphs: Vec::new() },
            unread,
        })
    }

    fn edges(&mut self) -> Result<Edges, DataError> {
        for prefix in ["adj_", "adj_matrix_", ""] {
            let has = |key: &str| self.all.contains_key(&format!("{prefix}{key}"));
            if has("indices") && has("indptr") || (has("row") && has("col")) {
                return self.sparse_edges(prefix);
            }
        }
        let Some(array) = self.take(&["edge_index", "edges", "edge_list"]) else {
            let there: Vec<String> = self.all.keys().cloned().collect();
            let holds = if there.is_empty() { "no arrays".to_owned() } else { names(&there) };
            if let Some((_, error)) = self.unreadable.first() {
                return Err(error.clone());
            }
            return Err(DataError::new("data::missing_part", format!("has no edges; it holds {holds}"))
                .file(self.label.clone())
                .help("edges are `edge_index` of shape (2, n) or `edges` of shape (n, 2), or a sparse matrix as `scipy.sparse.save_npz` writes it"));
        };
        let [a, b] = array.shape.as_slice() else {
            return Err(array
                .file
                .whole(
                    "data::array",
                    format!("has shape {:?}, where (2, n) or (n, 2) is asked for", array.shape),
                )
                .help("write source and target of each edge"));
        };
        let whole = array.whole()?;
        let n_edges = whole.len() / 2;
        let end = |value: i64| {
            u32::try_from(value).map_err(|_| {
                array
                    .file
                    .whole("data::out_of_range", format!("{value} is no number of a node"))
                    .help("nodes are numbered from 0")
            })
        };
        // Two edges of two ends are read as PyTorch Geometric has them.
        let is_by_rows = *a == 2;
        if !is_by_rows && *b != 2 {
            return Err(array
                .file
                .whole("data::array", format!("has shape ({a}, {b}), where (2, n) or (n, 2) is asked for"))
                .help("write source and target of each edge"));
        }
        let pair = |edge: usize| match is_by_rows {
            true => Ok((end(whole[edge])?, end(whole[n_edges + edge])?)),
            false => Ok((end(whole[2 * edge])?, end(whole[2 * edge + 1])?)),
        };
        let pairs = (0..n_edges).map(pair).collect::<Result<Vec<_>, DataError>>()?;
        Ok(Edges { pairs, weights: None, n_nodes: None, file: array.file })
    }

    /// The edges of an adjacency matrix: entry (i, j) is an edge from i to j.
    fn sparse_edges(&mut self, prefix: &str) -> Result<Edges, DataError> {
        let matrix = self.sparse(prefix)?;
        if matrix.n_rows != matrix.n_columns {
            return Err(matrix
                .file
                .whole(
                    "data::array",
                    format!(
                        "is a matrix of {} rows and {} columns, where a graph has as many of both",
                        matrix.n_rows, matrix.n_columns
                    ),
                )
                .help("write the adjacency matrix of the graph"));
        }
        let has_weights = matrix.values.iter().any(|&value| value != 1.0);
        Ok(Edges {
            pairs: matrix.entries,
            weights: has_weights.then_some(matrix.values),
            n_nodes: Some(matrix.n_rows),
            file: matrix.file,
        })
    }

    /// The features of the nodes, with the number of their rows.
    fn features(&mut self, left: u64) -> Result<Option<(Cells, usize, FileName)>, DataError> {
        for prefix in ["attr_", "attr_matrix_"] {
            if self.all.contains_key(&format!("{prefix}indices")) {
                let mut matrix = self.sparse(prefix)?;
                let mut order: Vec<u32> = (0..matrix.entries.len() as u32).collect();
                order.sort_by_key(|&entry| matrix.entries[entry as usize]);
                if matrix.n_rows as u64 > left.max(1 << 20) {
                    return Err(matrix
                        .file
                        .whole("data::too_large", "has more rows than fit the limit")
                        .help("allow more with `--max-data-size`"));
                }
                let (mut offsets, mut columns, mut values) = (vec![0u32], Vec::new(), Vec::new());
                let mut before = None;
                for entry in order {
                    let (row, column) = matrix.entries[entry as usize];
                    if before == Some((row, column)) {
                        return Err(matrix
                            .file
                            .whole("data::ambiguous", format!("row {row} has two values in column {column}"))
                            .help("call `matrix.sum_duplicates()` before it is written"));
                    }
                    before = Some((row, column));
                    while offsets.len() <= row as usize {
                        offsets.push(columns.len() as u32);
                    }
                    columns.push(column);
                    values.push(matrix.values[entry as usize]);
                }
                while offsets.len() <= matrix.n_rows {
                    offsets.push(columns.len() as u32);
                }
                matrix.entries.clear();
                let (offsets, columns, values) = (offsets.into(), columns.into(), values.into());
                let rows = SparseRows { offsets, columns, values, width: matrix.n_columns };
                return Ok(Some((Cells::Sparse(rows), matrix.n_rows, matrix.file)));
            }
        }
        let Some(array) = self.take(&["x", "features", "node_features", "node_feat", "attr_matrix"]) else {
            return Ok(None);
        };
        let width = width(&array)?;
        let n_rows = array.len();
        Ok(Some((Cells::Numbers { values: array.reals()?, width }, n_rows, array.file)))
    }

    /// The entries of a sparse matrix of rows, columns or coordinates.
    fn sparse(&mut self, prefix: &str) -> Result<Matrix, DataError> {
        let mut part = |key: &str| self.all.remove(&format!("{prefix}{key}"));
        let (format, shape, data) = (part("format"), part("shape"), part("data"));
        let (indices, indptr, row, col) = (part("indices"), part("indptr"), part("row"), part("col"));
        let format = match format.map(|array| array.values) {
            Some(Values::Texts(texts)) => texts.into_iter().next().unwrap_or_default(),
            _ if row.is_some() => "coo".to_owned(),
            _ => "csr".to_owned(),
        };
        let missing = |what: &str| {
            DataError::new("data::missing_part", format!("has no array `{prefix}{what}`"))
                .file(self.label.clone())
                .help("write the matrix with `scipy.sparse.save_npz`, as `csr`, `csc` or `coo`")
        };
        let shape_array = shape.ok_or_else(|| missing("shape"))?;
        let file = shape_array.file.clone();
        let wrong = |message: String| {
            file.whole("data::array", message).help("write the matrix again with `scipy.sparse.save_npz`")
        };
        let shape = shape_array.whole()?;
        let size = |value: i64| u32::try_from(value).ok().map(|size| size as usize);
        let (n_rows, n_columns) = match shape.as_slice() {
            &[rows, columns] => size(rows).zip(size(columns)),
            _ => None,
        }
        .ok_or_else(|| wrong(format!("shape {shape:?} is none of a matrix")))?;
        let places = |array: &Array, below: usize| -> Result<Vec<u32>, DataError> {
            array
                .whole()?
                .into_iter()
                .map(|value| u32::try_from(value).ok().filter(|&value| (value as usize) < below))
                .collect::<Option<_>>()
                .ok_or_else(|| {
                    array
                        .file
                        .whole(
                            "data::out_of_range",
                            format!("has a place that is not one of 0 to {}", below.saturating_sub(1)),
                        )
                        .help("write the matrix again with `scipy.sparse.save_npz`")
                })
        };
        let entries: Vec<(u32, u32)> = match format.as_str() {
            "csr" | "csc" => {
                let is_by_rows = format == "csr";
                let (n_outer, n_inner) = if is_by_rows { (n_rows, n_columns) } else { (n_columns, n_rows) };
                let indices = indices.ok_or_else(|| missing("indices"))?;
                let indptr = indptr.ok_or_else(|| missing("indptr"))?;
                let inner = places(&indices, n_inner)?;
                let starts = indptr.whole()?;
                let fits = starts.len() == n_outer + 1
                    && starts.first() == Some(&0)
                    && starts.last() == Some(&(inner.len() as i64))
                    && starts.is_sorted();
                if !fits {
                    return Err(wrong(format!(
                        "`{prefix}indptr` does not part {} into {n_outer} rows",
                        count(inner.len(), "entry").replace("entrys", "entries")
                    )));
                }
                let mut entries = Vec::with_capacity(inner.len());
                for (outer, pair) in starts.windows(2).enumerate() {
                    for &inner in &inner[pair[0] as usize..pair[1] as usize] {
                        entries.push(if is_by_rows { (outer as u32, inner) } else { (inner, outer as u32) });
                    }
                }
                entries
            }
            "coo" => {
                let row = places(&row.ok_or_else(|| missing("row"))?, n_rows)?;
                let col = places(&col.ok_or_else(|| missing("col"))?, n_columns)?;
                if row.len() != col.len() {
                    return Err(wrong("`row` and `col` are not as many".into()));
                }
                row.into_iter().zip(col).collect()
            }
            other => {
                return Err(file
                    .whole(
                        "data::not_supported",
                        format!("is a matrix in the form `{}`", other.escape_debug()),
                    )
                    .help("write it as rows: `scipy.sparse.save_npz(\"graph.npz\", matrix.tocsr())`"));
            }
        };
        let values = match data {
            Some(data) => data.reals()?,
            None => vec![1.0; entries.len()],
        };
        if values.len() != entries.len() {
            return Err(wrong(format!(
                "has {} for {}",
                count(values.len(), "value"),
                count(entries.len(), "place")
            )));
        }
        Ok(Matrix { n_rows, n_columns, entries, values, file })
    }

    /// The masks that say the parts, of which `fold` picks one where there are several.
    fn split(
        &mut self,
        call: &BoundCall,
        n_items: usize,
        target: Option<&FoundTarget>,
    ) -> Result<Option<Split>, DataError> {
        let mut parts: Vec<Vec<u32>> = Vec::new();
        for names in [["train_mask", "train_masks"], ["val_mask", "val_masks"], ["test_mask", "test_masks"]] {
            let Some(array) = self.take(&names) else { continue };
            let mask = array.whole()?;
            let (n_folds, is_by_rows) = match array.shape.as_slice() {
                &[n] if n == n_items => (1, true),
                &[folds, n] if n == n_items => (folds, true),
                &[n, folds] if n == n_items => (folds, false),
                shape => {
                    return Err(array
                        .file
                        .whole("data::count", format!("has shape {shape:?} for {n_items} items"))
                        .help("a mask has a value for each item"));
                }
            };
            let fold = fold_of(call);
            if fold >= n_folds {
                return Err(array
                    .file
                    .whole(
                        "data::out_of_range",
                        format!("has {}, and `fold = {fold}` is asked for", count(n_folds, "split")),
                    )
                    .help(format!("they are numbered from 0 to {}", n_folds.saturating_sub(1)))
                    .span(call.args.get("fold").and_then(|arg| arg.span)));
            }
            let is_in = |item: usize| {
                mask[if is_by_rows { fold * n_items + item } else { item * n_folds + fold }] != 0
            };
            let has_label = |item: usize| match target {
                Some(FoundTarget::Labels { values, .. }) => values[item].is_some(),
                _ => true,
            };
            parts.push(
                (0..n_items).filter(|&item| is_in(item) && has_label(item)).map(|item| item as u32).collect(),
            );
        }
        let written = call.args.get("fold").and_then(|arg| arg.span);
        if let (true, Some(span)) = (parts.is_empty(), written) {
            return Err(DataError::new(
                "data::no_effect",
                "`fold` has no effect here: the data comes without splits",
            )
            .help("leave it out")
            .span(Some(span)));
        }
        match <[Vec<u32>; 3]>::try_from(parts) {
            Ok([train, validation, test]) if target.is_some() => Ok(Some(Split { train, validation, test })),
            _ => Ok(None),
        }
    }
}

/// Entries of a sparse matrix, in any order.
struct Matrix {
    n_rows: usize,
    n_columns: usize,
    entries: Vec<(u32, u32)>,
    values: Vec<f32>,
    file: FileName,
}

/// The split that is asked for, of a call that can ask for one.
fn fold_of(call: &BoundCall) -> usize {
    match call.args.get("fold").map(|arg| &arg.value) {
        Some(ArgValue::Int(fold)) => *fold as usize,
        _ => 0,
    }
}

/// Numbers a row.
fn width(array: &Array) -> Result<usize, DataError> {
    match array.shape.as_slice() {
        [_] => Ok(1),
        [_, width] => Ok(*width),
        shape => Err(array
            .file
            .whole("data::array", format!("has shape {shape:?}, where a row for each item is asked for"))
            .help("reshape it to (n, width)")),
    }
}

/// Where the nodes of each graph begin, of the graph of each node.
fn offsets(graph_of: &Array, n_nodes: usize) -> Result<(Vec<u32>, usize), DataError> {
    let graphs = graph_of.whole()?;
    let wrong = |message: String| {
        graph_of.file.whole("data::graph_order", message).help(
            "graphs are numbered from 0 without gaps, and the nodes of a graph stand together in this order",
        )
    };
    if graphs.len() != n_nodes {
        return Err(wrong(format!("has {} for {}", count(graphs.len(), "value"), count(n_nodes, "node"))));
    }
    let mut offsets = vec![0u32];
    for (node, pair) in graphs.windows(2).enumerate() {
        match pair[1].wrapping_sub(pair[0]) {
            0 => {}
            1 => offsets.push(node as u32 + 1),
            _ => return Err(wrong(format!("graph {} follows graph {}", pair[1], pair[0]))),
        }
    }
    if graphs.first().is_some_and(|&first| first != 0) {
        return Err(wrong(format!("the first graph is {}", graphs[0])));
    }
    offsets.push(n_nodes as u32);
    let n_graphs = offsets.len() - 1;
    Ok((offsets, n_graphs))
}

/// What is predicted: of nodes where there is a row for each, else of graphs.
fn target(
    labels: Array,
    class_names: Option<Array>,
    n_nodes: usize,
    n_graphs: usize,
    call: &BoundCall,
) -> Result<(Entity, Option<FoundTarget>), DataError> {
    let place = Place::of(&labels.file);
    let entity = match labels.len() {
        n if n == n_nodes && n != n_graphs => Entity::Nodes,
        n if n == n_graphs => Entity::Graph,
        n => {
            let there = format!("{} and {}", count(n_nodes, "node"), count(n_graphs, "graph"));
            return Err(labels
                .file
                .whole("data::count", format!("has {}, and there are {there}", count(n, "label")))
                .help("label i belongs to node i, or to graph i"));
        }
    };
    let width = width(&labels)?;
    if width > 1 && matches!(labels.values, Values::Whole(_)) && call.args.choice("target_as") != "values" {
        return Err(labels
            .file
            .whole(
                "data::several_targets",
                format!("has {width} labels in each row, and a model predicts one class"),
            )
            .help("write one class for each item; or `target_as = values`, if they are values to predict"));
    }
    let is_whole = labels.whole().is_ok();
    let target = match (&labels.values, call.args.choice("target_as")) {
        (Values::Texts(values), _) => {
            let mut texts = Texts::default();
            values.iter().for_each(|text| texts.push(text));
            FoundTarget::Names { texts, place }
        }
        (_, "values") => FoundTarget::Numbers { values: labels.reals()?, n: width, names: Vec::new(), place },
        (_, "auto") if !is_whole || width > 1 => {
            FoundTarget::Numbers { values: labels.reals()?, n: width, names: Vec::new(), place }
        }
        _ => {
            let classes = labels.whole()?;
            let class_names = class_names.and_then(|array| match array.values {
                Values::Texts(names) => Some(names),
                _ => None,
            });
            match class_names {
                Some(names) if classes.iter().all(|&class| class < names.len() as i64) => {
                    let mut texts = Texts::default();
                    for &class in &classes {
                        if class < 0 { texts.push_missing() } else { texts.push(&names[class as usize]) }
                    }
                    FoundTarget::Names { texts, place }
                }
                // As published sets mark nodes without a label.
                _ => FoundTarget::Labels {
                    values: classes.into_iter().map(|class| (class >= 0).then_some(class)).collect(),
                    place,
                },
            }
        }
    };
    Ok((entity, Some(target)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{self, Features, Targets};
    use npy::written;
    use std::io::Write;

    fn words(values: &[i32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    fn whole(values: &[i32], shape: &str) -> Vec<u8> {
        written("<i4", shape, &words(values))
    }

    fn reals(values: &[f64], shape: &str) -> Vec<u8> {
        written("<f8", shape, &values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>())
    }

    fn load(arrays: &[(&str, Vec<u8>)], args: &[(&str, ArgValue)]) -> Result<Dataset, DataError> {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, bytes) in arrays {
            zip.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default())
                .expect("in memory");
            zip.write_all(bytes).expect("in memory");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("graph.npz");
        std::fs::write(&path, zip.finish().expect("in memory").into_inner()).expect("writable");
        let named = [&[("path", ArgValue::Text(path.display().to_string()))], args].concat();
        data::load(&data::call("npz", &named), &DataOptions::folder("nowhere"))
    }

    fn csr(format: &str) -> Vec<(&'static str, Vec<u8>)> {
        vec![
            ("format", written("|S3", "()", format.as_bytes())),
            ("shape", whole(&[3, 3], "(2,)")),
            ("indptr", whole(&[0, 2, 2, 3], "(4,)")),
            ("indices", whole(&[1, 2, 0], "(3,)")),
            ("data", reals(&[1.0, 0.5, 1.0], "(3,)")),
        ]
    }

    fn edges_of(set: &Dataset) -> Vec<(u32, u32)> {
        let mut edges: Vec<(u32, u32)> = (0..set.n_nodes())
            .flat_map(|to| set.adjacency.row(to).iter().map(move |&from| (from, to as u32)))
            .collect();
        edges.sort_unstable();
        edges
    }

    #[test]
    fn sparse_matrices_are_graphs() {
        let set = load(&csr("csr"), &[]).expect("rows");
        assert_eq!((edges_of(&set), set.n_edge_features()), (vec![(0, 1), (0, 2), (2, 0)], 1));
        assert_eq!(edges_of(&load(&csr("csc"), &[]).expect("columns")), [(0, 2), (1, 0), (2, 0)]);
        let coo = [
            ("format", written("|S3", "()", b"coo")),
            ("shape", whole(&[3, 3], "(2,)")),
            ("row", whole(&[0, 2], "(2,)")),
            ("col", whole(&[1, 0], "(2,)")),
            ("data", whole(&[1, 1], "(2,)")),
        ];
        let set = load(&coo, &[]).expect("coordinates");
        assert_eq!((edges_of(&set), set.n_edge_features()), (vec![(0, 1), (2, 0)], 0));
        let coauthor: Vec<(&str, Vec<u8>)> = vec![
            ("adj_shape", whole(&[3, 3], "(2,)")),
            ("adj_indptr", whole(&[0, 1, 1, 1], "(4,)")),
            ("adj_indices", whole(&[1], "(1,)")),
            ("adj_data", reals(&[1.0], "(1,)")),
            ("attr_shape", whole(&[3, 4], "(2,)")),
            ("attr_indptr", whole(&[0, 1, 1, 3], "(4,)")),
            ("attr_indices", whole(&[3, 2, 0], "(3,)")),
            ("attr_data", reals(&[2.0, 5.0, 4.0], "(3,)")),
            ("labels", whole(&[1, -1, 0], "(3,)")),
            ("class_names", written("<U1", "(2,)", &[0x61, 0, 0, 0, 0x62, 0, 0, 0])),
            ("node_names", written("|O", "(3,)", b"pickled")),
        ];
        let set = load(&coauthor, &[("undirected", ArgValue::Bool(true))]).expect("as published");
        assert_eq!(
            (set.n_edges(), &set.targets, set.class_names.join(" ")),
            (2, &Targets::Classes(vec![1, -1, 0]), "a b".into())
        );
        let mut rows = Vec::new();
        set.features.write_rows(0..3, &mut rows);
        assert_eq!(rows, [0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 4.0, 0.0, 5.0, 0.0]);
        assert!(matches!(set.features, Features::Sparse(_)));
        assert_eq!(set.unread.len(), 1);
    }

    #[test]
    fn arrays_with_the_names_of_other_libraries_are_a_graph_with_its_splits() {
        let arrays = |edges: (&'static str, Vec<u8>)| {
            vec![
                edges,
                ("node_features", reals(&[1.0, 2.0, 3.0], "(3, 1)")),
                ("node_labels", whole(&[0, 1, 1], "(3,)")),
                ("train_masks", written("|b1", "(2, 3)", &[1, 0, 0, 0, 1, 0])),
                ("val_masks", written("|b1", "(2, 3)", &[0, 1, 0, 0, 0, 1])),
                ("test_masks", written("|b1", "(2, 3)", &[0, 0, 1, 1, 0, 0])),
            ]
        };
        let set =
            load(&arrays(("edges", whole(&[0, 1, 1, 2, 2, 0], "(3, 2)"))), &[("fold", ArgValue::Int(1))])
                .expect("whole");
        assert_eq!(
            (edges_of(&set), set.task.map(crate::types::Task::name)),
            (vec![(0, 1), (1, 2), (2, 0)], Some("node_classification"))
        );
        assert_eq!(
            set.fixed_split.map(|split| (split.train, split.validation, split.test)),
            Some((vec![1], vec![2], vec![0]))
        );
        let set = load(&arrays(("edge_index", whole(&[0, 1, 2, 1, 2, 0], "(2, 3)"))), &[]).expect("whole");
        assert_eq!(edges_of(&set), [(0, 1), (1, 2), (2, 0)]);
    }

    #[test]
    fn single_arrays_are_put_together() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str, bytes: Vec<u8>| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).expect("writable");
            ArgValue::Text(path.display().to_string())
        };
        let args = [
            ("edges", path("e.npy", whole(&[0, 2, 1, 3], "(2, 2)"))),
            ("nodes", path("x.npy", reals(&[1.0, 2.0, 3.0, 4.0], "(4, 1)"))),
            ("graph_of", path("g.npy", whole(&[0, 0, 1, 1], "(4,)"))),
            ("labels", path("y.npy", reals(&[0.5, 1.5], "(2,)"))),
            ("edge_values", path("w.npy", whole(&[7, 8], "(2,)"))),
        ];
        let set = data::load(&data::call("arrays", &args), &DataOptions::folder("nowhere")).expect("whole");
        assert_eq!((set.n_graphs(), edges_of(&set), set.n_edge_features()), (2, vec![(0, 1), (2, 3)], 1));
        assert_eq!(set.targets, Targets::Values { values: vec![0.5, 1.5], n_values: 1 });
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let with = |key: &'static str, bytes: Vec<u8>| {
            let mut arrays = csr("csr");
            arrays.retain(|(name, _)| *name != key);
            if !bytes.is_empty() {
                arrays.push((key, bytes));
            }
            load(&arrays, &[]).expect_err(key).code
        };
        assert_eq!(with("shape", Vec::new()), "data::missing_part");
        assert_eq!(with("shape", whole(&[3, 4], "(2,)")), "data::array");
        assert_eq!(with("shape", whole(&[-3, 3], "(2,)")), "data::array");
        assert_eq!(with("indptr", whole(&[0, 2, 1, 3], "(4,)")), "data::array");
        assert_eq!(with("indices", whole(&[1, 2, 9], "(3,)")), "data::out_of_range");
        assert_eq!(with("indices", Vec::new()), "data::missing_part");
        assert_eq!(with("data", reals(&[1.0], "(1,)")), "data::array");
        assert_eq!(with("data", reals(&[1.0, f64::NAN, 1.0], "(3,)")), "data::not_finite");
        assert_eq!(with("format", written("|S3", "()", b"dia")), "data::not_supported");
        assert_eq!(with("labels", whole(&[1, 2], "(2,)")), "data::count");
        assert_eq!(with("train_mask", whole(&[1, 2], "(2,)")), "data::count");
        assert_eq!(with("x", reals(&[1.0], "(1, 1)")), "data::count");
        let far = [("edge_index", whole(&[0, 2_000_000_000], "(2, 1)"))];
        assert_eq!(load(&far, &[]).expect_err("two billion nodes").code, "data::too_large");
        assert_eq!(
            load(&[("other", whole(&[1], "(1,)"))], &[]).expect_err("no edges").code,
            "data::missing_part"
        );
    }
}
