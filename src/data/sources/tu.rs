//! `tu("PROTEINS")`: data sets in the layout of the TU collection, as published, from a folder or a zip archive.
//!
//! Format: C. Morris et al., "TUDataset: A collection of benchmark datasets for learning with graphs", ICML 2020
//! Workshop GRL+, <https://chrsmrrs.github.io/datasets/docs/format/>.
//! PyG: `torch_geometric.datasets.TUDataset`; like there, self loops and duplicate edges are dropped.
//!
//! Where the files are looked for is told in [`crate::data::locate`].

use crate::args::{ArgKind, ArgSpec, BoundCall, CallSpec, Default};
use crate::data::dataset::{Dataset, DatasetParts, Features, Targets, Vocabulary};
use crate::data::error::count;
use crate::data::locate::{self, TuFiles};
use crate::data::scan::{Table, Text};
use crate::data::{DataError, DataOptions, Source, download, without_effect};
use crate::diagnostic::Diagnostic;
use crate::ir::{Entity, TargetKind, Task};
use std::path::PathBuf;

pub static SPEC: CallSpec = CallSpec {
    name: "tu",
    doc: "A data set of the TU collection by its name, or the path of a folder or zip archive in its layout. \
          Graph classification, or graph regression where the graphs have attributes and no labels. \
          Morris et al. 2020; PyG's TUDataset.",
    example: "tu(\"PROTEINS\")",
    args: &[
        ArgSpec {
            name: "name",
            kind: ArgKind::Text,
            default: Default::Required,
            positional: true,
            doc: "`PROTEINS`: looked for in the data folder, its subfolder `tu` and the cache, then downloaded; \
                  or a path (`./my/SET`, `SET.zip`).",
        },
        ArgSpec {
            name: "features",
            kind: ArgKind::Choice(&["auto", "labels", "attributes", "both", "degree", "constant"]),
            default: Default::Choice("auto"),
            positional: false,
            doc: "Node features: `labels` one-hot (columns from the smallest to the largest label), `attributes` as \
                  they are, `both` (attributes first), `degree` one-hot, `constant` a single 1; `auto` takes the \
                  labels, or the attributes where there are no labels.",
        },
        ArgSpec {
            name: "target",
            kind: ArgKind::Choice(&["auto", "labels", "attributes"]),
            default: Default::Choice("auto"),
            positional: false,
            doc: "What is predicted: the graph `labels` (classes) or the graph `attributes` (values); `auto` takes the \
                  labels where there are any.",
        },
        ArgSpec {
            name: "max_degree",
            kind: ArgKind::Int { min: 1, max: 65_535 },
            default: Default::Inferred("the largest degree of the data, at most 500"),
            positional: false,
            doc: "With `features = degree`: the last degree with a column of its own, which all larger degrees share.",
        },
        ArgSpec {
            name: "max_nodes",
            kind: ArgKind::Int { min: 1, max: u32::MAX as i64 },
            default: Default::Inferred("no limit, every graph is kept"),
            positional: false,
            doc: "Drops graphs with more nodes.",
        },
    ],
};

/// Degrees with a column of their own where no `max_degree` is written: social networks have hubs of thousands.
const DEGREE_COLUMNS: u32 = 500;

/// One-hot columns of node labels; a set with more has a label for each node, and a batch of them would fill the memory.
const LABEL_COLUMNS: usize = 10_000;

#[derive(Debug)]
pub struct Tu;

impl Source for Tu {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn check(&self, call: &BoundCall) -> Vec<Diagnostic> {
        let features = call.args.choice("features");
        let unused = (features != "degree").then(|| {
            without_effect(
                call,
                "max_degree",
                &format!("the node features are `{features}`"),
                "leave it out, or write `features = degree`",
            )
        });
        unused.flatten().into_iter().collect()
    }

    fn files(&self, call: &BoundCall, options: &DataOptions) -> Option<Vec<PathBuf>> {
        let found = locate::find(call.args.text("name").unwrap_or_default(), options).ok()??;
        Some(found.paths())
    }

    fn load(&self, call: &BoundCall, options: &DataOptions) -> Result<Dataset, DataError> {
        let name = call.args.text("name").unwrap_or_default();
        let name_span = call.args.get("name").and_then(|arg| arg.span);
        let mut files = match locate::find(name, options)? {
            Some(files) => files,
            None => download::fetch(name, options).map_err(|error| error.span(name_span))?,
        };
        read(&mut files, call, options.vocabulary.as_ref())
    }
}

/// Reads and checks all parts.
fn read(files: &mut TuFiles, call: &BoundCall, known: Option<&Vocabulary>) -> Result<Dataset, DataError> {
    let mut name = files.name.clone();
    let indicator = files.require("graph_indicator", "it says which graph each node belongs to")?;
    let (graph_of, mut node_offsets) = read_graphs(&indicator)?;
    let n_nodes = graph_of.len();
    let adjacency = files.require("A", "it holds the edges")?;
    let mut edges = read_edges(&adjacency, &graph_of)?;
    drop(adjacency);
    let mut vocabulary = Vocabulary::default();
    let mut features = read_features(files, call, n_nodes, &edges, known, &mut vocabulary)?;
    let (mut targets, class_names) =
        read_targets(files, call, node_offsets.len() - 1, &indicator.label, known, &mut vocabulary)?;
    let mut graph_ids: Vec<u32> = (1..node_offsets.len() as u32).collect();

    if let Some(max_nodes) = call.args.opt_int("max_nodes") {
        let sizes = node_offsets.windows(2).map(|pair| i64::from(pair[1] - pair[0]));
        let kept: Vec<usize> =
            sizes.enumerate().filter(|&(_, size)| size <= max_nodes).map(|(graph, _)| graph).collect();
        if kept.is_empty() {
            return Err(DataError::new(
                "data::empty",
                format!("no graph of {name} has at most {}", count(max_nodes as usize, "node")),
            )
            .help("raise `max_nodes`, or leave it out: large graphs are no problem here")
            .span(call.args.get("max_nodes").and_then(|arg| arg.span)));
        }
        if kept.len() + 1 < node_offsets.len() {
            keep_graphs(&kept, &mut node_offsets, &mut edges, &mut features, &mut targets, &mut graph_ids);
            name = format!("{name} (graphs of at most {max_nodes} nodes)");
        }
    }
    let task = match targets {
        Targets::Classes(_) => Some(TargetKind::Classification),
        Targets::Values { .. } => Some(TargetKind::Regression),
        Targets::None => None,
    };
    Ok(Dataset::new(DatasetParts {
        name,
        task: task.map(|kind| Task { entity: Entity::Graph, kind }),
        node_offsets,
        edges,
        features,
        targets,
        class_names,
        fixed_split: None,
        graph_ids,
        vocabulary,
    }))
}

/// The graph of each node, from 0, and where each graph's nodes begin.
fn read_graphs(indicator: &Text) -> Result<(Vec<u32>, Vec<u32>), DataError> {
    let mut graph_of = indicator.naturals(Some(1), "the number of the node's graph")?.values;
    if graph_of.is_empty() {
        return Err(indicator
            .whole("data::empty", "the file is empty, so the data set has no nodes")
            .help("line i holds the number of the graph of node i, from 1"));
    }
    if u32::try_from(graph_of.len()).is_err() {
        return Err(indicator
            .whole("data::too_large", "more than 4294967295 nodes")
            .help("split the data set"));
    }
    let mut node_offsets = vec![0u32];
    let mut last = 0;
    for (node, graph) in graph_of.iter_mut().enumerate() {
        if *graph == 0 {
            return Err(indicator
                .error("data::out_of_range", node, "graph 0 is named, but graphs are numbered from 1")
                .help("add 1 to every number of this file"));
        }
        if *graph < last {
            return Err(indicator
                .error("data::graph_order", node, format!("graph {graph} comes after graph {last}"))
                .help("the nodes of a graph stand together and graphs in ascending order: sort the nodes by graph"));
        }
        if *graph > last {
            if *graph > last + 1 {
                let missing = last + 1;
                let place =
                    if last == 0 { "comes first".to_string() } else { format!("follows graph {last}") };
                return Err(indicator
                    .error(
                        "data::empty_graph",
                        node,
                        format!("graph {graph} {place}: graph {missing} has no nodes"),
                    )
                    .help(format!("number the graphs without gaps, and drop the label of graph {missing}")));
            }
            last = *graph;
            if node > 0 {
                node_offsets.push(node as u32);
            }
        }
        *graph -= 1;
    }
    node_offsets.push(graph_of.len() as u32);
    Ok((graph_of, node_offsets))
}

/// Directed edges from 0 with both ends in one graph; self loops are dropped.
fn read_edges(text: &Text, graph_of: &[u32]) -> Result<Vec<(u32, u32)>, DataError> {
    let table = text.naturals(Some(2), "two node numbers, `source, target`")?;
    if u32::try_from(table.n_rows()).is_err() {
        return Err(text.whole("data::too_large", "more than 4294967295 edges").help("split the data set"));
    }
    let n_nodes = graph_of.len();
    let mut edges = Vec::with_capacity(table.n_rows());
    for (row, pair) in table.values.chunks_exact(2).enumerate() {
        let (source, target) = (pair[0].wrapping_sub(1), pair[1].wrapping_sub(1));
        // Node 0 wraps to the largest number, so one comparison finds both ends of the range.
        if source as usize >= n_nodes || target as usize >= n_nodes {
            let (node, help) = if pair.contains(&0) {
                (
                    0,
                    "nodes are numbered from 1 over the whole data set: add 1 to every number of this file"
                        .to_string(),
                )
            } else {
                let node = pair[0].max(pair[1]);
                (
                    node,
                    format!(
                        "the graph indicator has {n_nodes} lines, one a node: correct the edge, or add the node there"
                    ),
                )
            };
            return Err(text
                .error("data::out_of_range", row, format!("node {node} is not one of 1 to {n_nodes}"))
                .help(help));
        }
        let (a, b) = (graph_of[source as usize], graph_of[target as usize]);
        if a != b {
            return Err(text
                .error(
                    "data::edge_between_graphs",
                    row,
                    format!("the edge {}, {} joins graph {} and graph {}", pair[0], pair[1], a + 1, b + 1),
                )
                .help("both ends of an edge belong to one graph: correct the edge, or the graph indicator"));
        }
        if source != target {
            edges.push((source, target));
        }
    }
    Ok(edges)
}

fn expect_rows<T>(text: &Text, table: &Table<T>, expected: usize, items: &str) -> Result<(), DataError> {
    let found = table.n_rows();
    if found == expected {
        return Ok(());
    }
    Err(text
        .whole(
            "data::count",
            format!("has {}, but there are {}", count(found, "line"), count(expected, items)),
        )
        .help(format!(
            "line i belongs to {items} i: {}",
            if found < expected { "add the missing lines" } else { "drop the lines too many" }
        )))
}

fn read_features(
    files: &mut TuFiles,
    call: &BoundCall,
    n_nodes: usize,
    edges: &[(u32, u32)],
    known: Option<&Vocabulary>,
    vocabulary: &mut Vocabulary,
) -> Result<Features, DataError> {
    let choice = call.args.choice("features");
    let span = call.args.get("features").and_then(|arg| arg.span);
    match choice {
        "constant" => return Ok(Features::Dense { values: vec![1.0; n_nodes], width: 1 }),
        "degree" => {
            let asked = call.args.opt_int("max_degree").map(|degree| degree as u32);
            return Ok(degree_features(
                n_nodes,
                edges,
                asked.or(known.and_then(|known| known.max_degree)),
                vocabulary,
            ));
        }
        _ => {}
    }
    let labels = if matches!(choice, "auto" | "labels" | "both") { files.read("node_labels")? } else { None };
    let wants_attributes = matches!(choice, "attributes" | "both") || (choice == "auto" && labels.is_none());
    let attributes = if wants_attributes { files.read("node_attributes")? } else { None };
    let missing = match choice {
        "labels" | "both" if labels.is_none() => Some("node_labels"),
        "attributes" | "both" if attributes.is_none() => Some("node_attributes"),
        _ => None,
    };
    if let Some(part) = missing {
        let name = &files.name;
        return Err(DataError::new(
            "data::missing_part",
            format!("`features = {choice}` needs `{name}_{part}.txt`, which {name} does not have"),
        )
        .file(files.path.display().to_string())
        .help("write `features = auto`; where a set has neither labels nor attributes, `features = degree` or `constant`")
        .span(span));
    }
    let mut attribute_table = None;
    if let Some(text) = &attributes {
        let table = text.reals("a node attribute (a real number)")?;
        expect_rows(text, &table, n_nodes, "node")?;
        attribute_table = Some(table);
    }
    let Some(text) = &labels else {
        let Table { values, width } = attribute_table.unwrap_or(Table { values: Vec::new(), width: 0 });
        return Ok(Features::Dense { values, width });
    };
    let table = text.integers(None, "a node label (a whole number)")?;
    expect_rows(text, &table, n_nodes, "node")?;
    let known = known.map(|known| known.node_labels.as_slice());
    let (columns, width) = label_columns(text, &table, known, vocabulary)?;
    if attribute_table.is_none() && table.width == 1 {
        return Ok(Features::OneHot { columns, width });
    }
    let attributes = attribute_table.unwrap_or(Table { values: Vec::new(), width: 0 });
    let total = attributes.width + width;
    let mut values = vec![0f32; n_nodes * total];
    for (node, row) in values.chunks_exact_mut(total).enumerate() {
        row[..attributes.width]
            .copy_from_slice(&attributes.values[node * attributes.width..][..attributes.width]);
        for &column in &columns[node * table.width..][..table.width] {
            row[attributes.width + column as usize] = 1.0;
        }
    }
    Ok(Features::Dense { values, width: total })
}

/// The one-hot column of every label, and the number of columns. A table of several label columns gets one block of
/// columns for each.
fn label_columns(
    text: &Text,
    table: &Table<i64>,
    known: Option<&[Vec<i64>]>,
    vocabulary: &mut Vocabulary,
) -> Result<(Vec<u32>, usize), DataError> {
    if let Some(known) = known.filter(|known| known.len() != table.width) {
        return Err(text
            .whole(
                "data::unknown_label",
                format!(
                    "has {} a node, but the model was trained with {}",
                    count(table.width, "label"),
                    known.len()
                ),
            )
            .help("give data with the node labels that the model was trained with"));
    }
    let mut columns = vec![0u32; table.values.len()];
    let mut width = 0;
    for part in 0..table.width {
        let of_part = || table.values.iter().skip(part).step_by(table.width).copied();
        let labels = match known {
            Some(known) => known[part].clone(),
            None => label_values(of_part()),
        };
        let first = labels.first().copied().unwrap_or(0);
        let is_dense = labels.last().is_none_or(|&last| last.wrapping_sub(first) == labels.len() as i64 - 1);
        for (row, label) in of_part().enumerate() {
            let column = if is_dense {
                usize::try_from(label.wrapping_sub(first)).ok().filter(|&column| column < labels.len())
            } else {
                labels.binary_search(&label).ok()
            };
            let Some(column) = column else {
                return Err(text
                    .error(
                        "data::unknown_label",
                        row,
                        format!("node label {label} does not occur in the data that the model was trained with"),
                    )
                    .help("the model has no input for it: relabel the node, or train with data that has this label"));
            };
            columns[row * table.width + part] = (width + column) as u32;
        }
        width += labels.len();
        if width > LABEL_COLUMNS {
            return Err(text
                .whole("data::too_many_labels", format!("has more than {LABEL_COLUMNS} different node labels"))
                .help("they look like names of nodes, of which nothing can be learned: write `features = degree` or `attributes`"));
        }
        vocabulary.node_labels.push(labels);
    }
    Ok((columns, width))
}

/// The labels that get a column, ascending. Like PyG, every whole number from the smallest to the largest label gets
/// one, so that widths are those of the literature (D&D has 82 labels in 1..=89 and 89 columns); labels with
/// more gaps than values get one column each, because arbitrary numbers could ask for billions of columns.
fn label_values(labels: impl Iterator<Item = i64> + Clone) -> Vec<i64> {
    let (Some(min), Some(max)) = (labels.clone().min(), labels.clone().max()) else { return Vec::new() };
    let span = max.abs_diff(min);
    if span < 64 {
        return (min..=max).collect();
    }
    let mut values: Vec<i64> = labels.collect();
    values.sort_unstable();
    values.dedup();
    if span < 2 * values.len() as u64 { (min..=max).collect() } else { values }
}

/// One column a degree (incoming edges), the last for all larger ones.
fn degree_features(
    n_nodes: usize,
    edges: &[(u32, u32)],
    asked: Option<u32>,
    vocabulary: &mut Vocabulary,
) -> Features {
    // An edge written twice counts once, as in the adjacency.
    let adjacency = crate::data::batch::Csr::from_edges(n_nodes, edges);
    let degrees = adjacency.offsets.windows(2).map(|pair| pair[1] - pair[0]);
    let max_degree = asked.unwrap_or_else(|| degrees.clone().max().unwrap_or(0).min(DEGREE_COLUMNS));
    vocabulary.max_degree = Some(max_degree);
    Features::OneHot {
        columns: degrees.map(|degree| degree.min(max_degree)).collect(),
        width: max_degree as usize + 1,
    }
}

fn read_targets(
    files: &mut TuFiles,
    call: &BoundCall,
    n_graphs: usize,
    indicator: &str,
    known: Option<&Vocabulary>,
    vocabulary: &mut Vocabulary,
) -> Result<(Targets, Vec<String>), DataError> {
    let choice = call.args.choice("target");
    let labels = if choice == "attributes" { None } else { files.read("graph_labels")? };
    let attributes =
        if choice == "labels" || labels.is_some() { None } else { files.read("graph_attributes")? };
    if choice != "auto" && labels.is_none() && attributes.is_none() {
        let name = &files.name;
        return Err(DataError::new(
            "data::missing_part",
            format!("`target = {choice}` needs `{name}_graph_{choice}.txt`, which {name} does not have"),
        )
        .file(files.path.display().to_string())
        .help("leave `target` out: what the set has is used")
        .span(call.args.get("target").and_then(|arg| arg.span)));
    }
    let expect_graphs = |text: &Text, found: usize| {
        if found == n_graphs {
            return Ok(());
        }
        let (message, help) = if found > n_graphs {
            let which = if found == n_graphs + 1 {
                format!("graph {found} has no nodes")
            } else {
                format!("graphs {} to {found} have no nodes", n_graphs + 1)
            };
            (
                format!(
                    "has {}, but {indicator} names {}: {which}",
                    count(found, "line"),
                    count(n_graphs, "graph")
                ),
                "line i belongs to graph i: drop the lines of graphs without nodes",
            )
        } else {
            (
                format!("has {}, but {indicator} names {}", count(found, "line"), count(n_graphs, "graph")),
                "line i belongs to graph i: add the missing lines",
            )
        };
        Err(text.whole("data::count", message).help(help))
    };
    if let Some(text) = labels {
        let table = text.integers(Some(1), "one graph label (a whole number)")?;
        expect_graphs(&text, table.n_rows())?;
        let mut labels = table.values.clone();
        labels.sort_unstable();
        labels.dedup();
        if let Some(known) = known.filter(|known| !known.classes.is_empty()) {
            labels.clone_from(&known.classes);
        }
        let mut classes = Vec::with_capacity(n_graphs);
        for (row, label) in table.values.iter().enumerate() {
            let Ok(class) = labels.binary_search(label) else {
                let names: Vec<String> = labels.iter().map(i64::to_string).collect();
                return Err(text
                    .error(
                        "data::unknown_label",
                        row,
                        format!("graph label {label} is none of the model's classes ({})", names.join(", ")),
                    )
                    .help("correct the label; to predict without labels, leave the file out"));
            };
            classes.push(class as i64);
        }
        let class_names = labels.iter().map(i64::to_string).collect();
        vocabulary.classes = labels;
        return Ok((Targets::Classes(classes), class_names));
    }
    if let Some(text) = attributes {
        let table = text.reals("a graph attribute (a real number)")?;
        expect_graphs(&text, table.n_rows())?;
        return Ok((Targets::Values { values: table.values, n_values: table.width }, Vec::new()));
    }
    Ok((Targets::None, Vec::new()))
}

/// Keeps only some graphs (ascending), with their nodes renumbered.
fn keep_graphs(
    kept: &[usize],
    node_offsets: &mut Vec<u32>,
    edges: &mut Vec<(u32, u32)>,
    features: &mut Features,
    targets: &mut Targets,
    graph_ids: &mut Vec<u32>,
) {
    const DROPPED: u32 = u32::MAX;
    let n_nodes = *node_offsets.last().expect("starts with 0") as usize;
    let mut moved = vec![DROPPED; n_nodes];
    let mut offsets = vec![0u32];
    let mut n_kept = 0;
    for &graph in kept {
        for place in &mut moved[node_offsets[graph] as usize..node_offsets[graph + 1] as usize] {
            *place = n_kept;
            n_kept += 1;
        }
        offsets.push(n_kept);
    }
    *node_offsets = offsets;
    edges.retain_mut(|(source, target)| {
        (*source, *target) = (moved[*source as usize], moved[*target as usize]);
        *source != DROPPED
    });
    let kept_nodes = || (0..n_nodes).filter(|&node| moved[node] != DROPPED);
    match features {
        Features::Dense { values, width } => {
            *values = kept_nodes().flat_map(|node| &values[node * *width..][..*width]).copied().collect();
        }
        Features::OneHot { columns, .. } => *columns = kept_nodes().map(|node| columns[node]).collect(),
    }
    match targets {
        Targets::Classes(classes) => *classes = kept.iter().map(|&graph| classes[graph]).collect(),
        Targets::Values { values, n_values } => {
            *values =
                kept.iter().flat_map(|&graph| &values[graph * *n_values..][..*n_values]).copied().collect();
        }
        Targets::None => {}
    }
    *graph_ids = kept.iter().map(|&graph| graph_ids[graph]).collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ArgValue;
    use crate::data;
    use std::io::Write;
    use std::path::{Path, PathBuf};
    use tempfile::TempDir;

    fn call(name: &str, args: &[(&str, ArgValue)]) -> BoundCall {
        let name = ("name", ArgValue::Text(name.into()));
        data::call("tu", &[std::slice::from_ref(&name), args].concat())
    }

    /// Two graphs, a path of three nodes and a pair, in files named as the layout says.
    const TINY: [(&str, &str); 6] = [
        ("A", "2, 1\n1, 2\n2, 3\n3, 2\n5, 4\n4, 5\n"),
        ("graph_indicator", "1\n1\n1\n2\n2\n"),
        ("graph_labels", "-1\n7\n"),
        ("graph_attributes", "0.5, 1\n-2, 3\n"),
        ("node_labels", "3\n5\n3\n3\n6\n"),
        ("node_attributes", "1, 2\n3, 4\n5, 6\n7, 8\n9, 10\n"),
    ];

    /// The tiny set with some parts replaced, or left out where the replacement is empty.
    fn parts(changes: &[(&str, &str)]) -> Vec<(String, String)> {
        TINY.iter()
            .map(|(part, text)| {
                let changed = changes.iter().find(|(changed, _)| changed == part);
                (format!("TINY_{part}.txt"), changed.map_or(*text, |(_, text)| text).to_string())
            })
            .filter(|(_, text)| !text.is_empty())
            .collect()
    }

    fn folder(changes: &[(&str, &str)]) -> TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("TINY")).expect("writable");
        for (file, text) in parts(changes) {
            std::fs::write(folder.path().join("TINY").join(file), text).expect("writable");
        }
        folder
    }

    fn zip_of(path: &Path, entries: &[(String, String)]) {
        let mut zip = zip::ZipWriter::new(std::fs::File::create(path).expect("writable"));
        for (entry, text) in entries {
            zip.start_file(entry.as_str(), zip::write::SimpleFileOptions::default()).expect("a name");
            zip.write_all(text.as_bytes()).expect("writable");
        }
        zip.finish().expect("writable");
    }

    fn load(folder: &TempDir, args: &[(&str, ArgValue)]) -> Result<Dataset, DataError> {
        data::load(&call("TINY", args), &DataOptions::folder(folder.path()))
    }

    fn rows(data: &Dataset) -> Vec<Vec<f32>> {
        (0..data.n_nodes())
            .map(|node| {
                let mut row = Vec::new();
                data.features.write_rows(node..node + 1, &mut row);
                row
            })
            .collect()
    }

    /// The one way in which broken files are tested: change parts, expect a code and a whole message.
    fn refuses(changes: &[(&str, &str)], code: &str, message: &str) -> DataError {
        let folder = folder(changes);
        let error = load(&folder, &[("features", ArgValue::Choice("both"))]).expect_err(message);
        let prefix = format!("{}/", folder.path().join("TINY").display());
        assert_eq!((error.code, error.to_string().replace(&prefix, "").as_str()), (code, message));
        assert!(error.help.is_some(), "{message}: says how to mend it");
        error
    }

    #[test]
    fn a_set_reads_the_same_from_a_folder_an_archive_and_a_path() {
        let root = folder(&[]);
        let expected = load(&root, &[]).expect("readable");
        assert_eq!(expected.node_offsets, [0, 3, 5]);
        assert_eq!(expected.adjacency.offsets, [0, 1, 3, 4, 5, 6]);
        assert_eq!(expected.adjacency.indices, [1, 0, 2, 1, 4, 3]);
        assert!(expected.is_symmetric());
        assert_eq!(expected.targets, Targets::Classes(vec![0, 1]));
        assert_eq!(expected.class_names, ["-1", "7"]);
        let files = parts(&[]);
        let nested: Vec<_> =
            files.iter().map(|(file, text)| (format!("TINY/{file}"), text.clone())).collect();
        for (place, entries) in [("TINY.zip", &files), ("tu/TINY.zip", &nested), ("tu/TINY.zip", &files)] {
            let root = tempfile::tempdir().expect("a temporary folder");
            std::fs::create_dir(root.path().join("tu")).expect("writable");
            zip_of(&root.path().join(place), entries);
            assert_eq!(load(&root, &[]).expect(place).fingerprint, expected.fingerprint);
            // An archive may have any name when it is given as a path.
            std::fs::rename(root.path().join(place), root.path().join("other.zip")).expect("writable");
            let path = root.path().join("other.zip").display().to_string();
            let found = data::load(&call(&path, &[]), &DataOptions::folder("")).expect("by path");
            assert_eq!((found.name.as_str(), found.fingerprint), ("TINY", expected.fingerprint.clone()));
        }
        let path = root.path().join("TINY").display().to_string();
        let found = data::load(&call(&path, &[]), &DataOptions::folder("")).expect("by path");
        assert_eq!(found.fingerprint, expected.fingerprint);
        // As PyG leaves a set: NAME/raw/NAME_A.txt.
        let raw = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(raw.path().join("TINY")).expect("writable");
        std::fs::rename(root.path().join("TINY"), raw.path().join("TINY/raw")).expect("writable");
        assert_eq!(load(&raw, &[]).expect("raw").fingerprint, expected.fingerprint);
    }

    #[test]
    fn line_order_duplicates_and_self_loops_of_the_edges_do_not_matter() {
        let expected = load(&folder(&[]), &[]).expect("readable").fingerprint;
        let shuffled = folder(&[("A", "4,5\n3,2\n1,2\n2,2\n2,1\n2,3\n4,5\n5 4\n1,2")]);
        assert_eq!(load(&shuffled, &[]).expect("readable").fingerprint, expected);
    }

    #[test]
    fn a_directed_set_keeps_its_directions() {
        let data = load(&folder(&[("A", "1, 2\n2, 3\n4, 5\n")]), &[]).expect("readable");
        assert!(!data.is_symmetric());
        // A line is `source, target`, as in PyG: node 2 (row 1) hears node 1.
        assert_eq!((data.adjacency.row(0), data.adjacency.row(1)), (&[][..], &[0][..]));
        assert_eq!(data.reverse, Some(data.adjacency.transpose()));
    }

    #[test]
    fn each_choice_of_features_gives_its_columns() {
        let root = folder(&[]);
        let with = |choice| rows(&load(&root, &[("features", ArgValue::Choice(choice))]).expect(choice));
        // Labels 3, 5 and 6: like PyG, the unused 4 has a column too.
        let labels =
            [[1., 0., 0., 0.], [0., 0., 1., 0.], [1., 0., 0., 0.], [1., 0., 0., 0.], [0., 0., 0., 1.]];
        assert_eq!(with("auto"), labels);
        assert_eq!(with("labels"), labels);
        assert_eq!(with("attributes")[4], [9., 10.]);
        assert_eq!(with("both")[1], [3., 4., 0., 0., 1., 0.]);
        assert_eq!(with("constant"), [[1.]; 5]);
        assert_eq!(with("degree"), [[0., 1., 0.], [0., 0., 1.], [0., 1., 0.], [0., 1., 0.], [0., 1., 0.]]);
        let capped = [("features", ArgValue::Choice("degree")), ("max_degree", ArgValue::Int(1))];
        assert_eq!(rows(&load(&root, &capped).expect("capped")), [[0., 1.]; 5]);
        let without = folder(&[("node_labels", "")]);
        assert_eq!(rows(&load(&without, &[]).expect("attributes"))[4], [9., 10.]);
        let bare = folder(&[("node_labels", ""), ("node_attributes", "")]);
        assert_eq!(load(&bare, &[]).expect("no features").n_features(), 0);
        // Scattered labels get a column each, two columns of labels a block each.
        let scattered = folder(&[("node_labels", "3 0\n-900000000000 1\n3 1\n3 1\n70 0\n")]);
        let data = load(&scattered, &[]).expect("scattered");
        assert_eq!(rows(&data)[1], [1., 0., 0., 0., 1.]);
        assert_eq!(data.vocabulary.node_labels, [vec![-900_000_000_000, 3, 70], vec![0, 1]]);
    }

    #[test]
    fn graph_attributes_are_the_target_where_there_are_no_labels_or_when_asked_for() {
        let values = Targets::Values { values: vec![0.5, 1., -2., 3.], n_values: 2 };
        let asked = load(&folder(&[]), &[("target", ArgValue::Choice("attributes"))]).expect("attributes");
        let found = load(&folder(&[("graph_labels", "")]), &[]).expect("attributes");
        assert_eq!((&asked.targets, &found.targets), (&values, &values));
        assert_eq!(found.task.map(Task::name), Some("graph_regression"));
        let unlabelled =
            load(&folder(&[("graph_labels", ""), ("graph_attributes", "")]), &[]).expect("unlabelled");
        assert_eq!((unlabelled.targets, unlabelled.task), (Targets::None, None));
    }

    #[test]
    fn large_graphs_are_dropped_only_when_asked() {
        let root = folder(&[]);
        let data = load(&root, &[("max_nodes", ArgValue::Int(2))]).expect("the pair");
        assert_eq!((data.n_graphs(), data.n_nodes(), data.graph_ids.as_slice()), (1, 2, &[2][..]));
        assert_eq!(data.adjacency.indices, [1, 0]);
        assert_eq!(data.targets, Targets::Classes(vec![1]));
        assert_eq!(rows(&data), [[1., 0., 0., 0.], [0., 0., 0., 1.]]);
        let error = load(&root, &[("max_nodes", ArgValue::Int(1))]).expect_err("none is left");
        assert_eq!(
            (error.code, error.message.as_str()),
            ("data::empty", "no graph of TINY has at most 1 node")
        );
    }

    #[test]
    fn a_model_s_vocabulary_gives_other_data_the_same_columns() {
        let trained = load(&folder(&[]), &[]).expect("readable").vocabulary;
        let fewer = folder(&[("node_labels", "5\n5\n5\n5\n5\n"), ("graph_labels", "7\n7\n")]);
        let options = |root: &TempDir| DataOptions {
            vocabulary: Some(trained.clone()),
            ..DataOptions::folder(root.path())
        };
        let data = data::load(&call("TINY", &[]), &options(&fewer)).expect("known labels");
        assert_eq!(rows(&data), [[0., 0., 1., 0.]; 5]);
        assert_eq!(data.targets, Targets::Classes(vec![1, 1]));
        for (part, text, message) in [
            (
                "node_labels",
                "5\n5\n8\n5\n5\n",
                "node label 8 does not occur in the data that the model was trained with",
            ),
            ("graph_labels", "7\n6\n", "graph label 6 is none of the model's classes (-1, 7)"),
        ] {
            let root = folder(&[(part, text)]);
            let error = data::load(&call("TINY", &[]), &options(&root)).expect_err(message);
            assert_eq!((error.code, error.message.as_str()), ("data::unknown_label", message));
        }
    }

    #[test]
    fn each_broken_file_is_named_with_its_line() {
        refuses(&[("A", "1, 2\n2, 6\n")], "data::out_of_range", "TINY_A.txt:2: node 6 is not one of 1 to 5");
        let zero = refuses(
            &[("A", "1, 2\n0, 1\n")],
            "data::out_of_range",
            "TINY_A.txt:2: node 0 is not one of 1 to 5",
        );
        assert!(zero.help.expect("help").contains("add 1 to every number"));
        refuses(
            &[("A", "1, 2\n3, 4\n")],
            "data::edge_between_graphs",
            "TINY_A.txt:2: the edge 3, 4 joins graph 1 and graph 2",
        );
        refuses(
            &[("A", "1, 2\n3\n")],
            "data::ragged",
            "TINY_A.txt:2: expected two node numbers, `source, target`, but `3` has 1 value",
        );
        refuses(
            &[("A", "1, 2\n2, x\n")],
            "data::not_a_number",
            "TINY_A.txt:2: expected two node numbers, `source, target`, but found `x`",
        );
        refuses(
            &[("graph_indicator", "0\n0\n0\n1\n1\n")],
            "data::out_of_range",
            "TINY_graph_indicator.txt:1: graph 0 is named, but graphs are numbered from 1",
        );
        refuses(
            &[("graph_indicator", "1\n1\n2\n1\n2\n")],
            "data::graph_order",
            "TINY_graph_indicator.txt:4: graph 1 comes after graph 2",
        );
        refuses(
            &[("graph_indicator", "1\n1\n1\n3\n3\n")],
            "data::empty_graph",
            "TINY_graph_indicator.txt:4: graph 3 follows graph 1: graph 2 has no nodes",
        );
        refuses(
            &[("graph_indicator", "2\n2\n2\n3\n3\n")],
            "data::empty_graph",
            "TINY_graph_indicator.txt:1: graph 2 comes first: graph 1 has no nodes",
        );
        refuses(
            &[("graph_indicator", "\n")],
            "data::empty",
            "TINY_graph_indicator.txt: the file is empty, so the data set has no nodes",
        );
        refuses(
            &[("node_attributes", "1, 2\n3, 4\n5, NaN\n7, 8\n9, 10\n")],
            "data::not_finite",
            "TINY_node_attributes.txt:3: expected a node attribute (a real number), but `NaN` is not finite",
        );
        refuses(
            &[("node_attributes", "1, 2\n3, 4\n5\n7, 8\n9, 10\n")],
            "data::ragged",
            "TINY_node_attributes.txt:3: `5` has 1 value, but the lines before have 2",
        );
        refuses(
            &[("node_labels", "3\n5\n3\n3\n")],
            "data::count",
            "TINY_node_labels.txt: has 4 lines, but there are 5 nodes",
        );
        refuses(
            &[("node_labels", "3\n5\n3\n3.5\n6\n")],
            "data::not_a_number",
            "TINY_node_labels.txt:4: expected a node label (a whole number), but found `3.5`",
        );
        refuses(
            &[("graph_labels", "1\n")],
            "data::count",
            "TINY_graph_labels.txt: has 1 line, but TINY_graph_indicator.txt names 2 graphs",
        );
        refuses(
            &[("graph_labels", "1\n2\n1\n")],
            "data::count",
            "TINY_graph_labels.txt: has 3 lines, but TINY_graph_indicator.txt names 2 graphs: graph 3 has no nodes",
        );
        refuses(
            &[("graph_labels", "1, 1\n2, 2\n")],
            "data::ragged",
            "TINY_graph_labels.txt:1: expected one graph label (a whole number), but `1, 1` has 2 values",
        );
    }

    #[test]
    fn missing_parts_are_named_with_what_they_are_for() {
        let missing = |part: &str, args: &[(&str, ArgValue)], message: &str| {
            let error = load(&folder(&[(part, "")]), args).expect_err(message);
            assert_eq!((error.code, error.message.as_str()), ("data::missing_part", message));
            assert!(error.help.is_some() && error.file.is_some());
        };
        missing(
            "graph_indicator",
            &[],
            "`TINY_graph_indicator.txt` is missing: it says which graph each node belongs to",
        );
        missing("A", &[], "`TINY_A.txt` is missing: it holds the edges");
        missing(
            "node_labels",
            &[("features", ArgValue::Choice("both"))],
            "`features = both` needs `TINY_node_labels.txt`, which TINY does not have",
        );
        missing(
            "graph_attributes",
            &[("target", ArgValue::Choice("attributes"))],
            "`target = attributes` needs `TINY_graph_attributes.txt`, which TINY does not have",
        );
    }

    #[test]
    fn damaged_and_hostile_archives_are_refused() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let path = root.path().join("TINY.zip");
        let code = || load(&root, &[]).expect_err("broken").code;
        std::fs::write(&path, "this is no archive").expect("writable");
        assert_eq!(code(), "data::corrupt_archive");
        zip_of(&path, &parts(&[]));
        let whole = std::fs::read(&path).expect("readable");
        std::fs::write(&path, &whole[..whole.len() / 2]).expect("writable");
        assert_eq!(code(), "data::corrupt_archive");
        // A flipped byte of the first file's content, behind its 30-byte header and name.
        let mut flipped = whole.clone();
        flipped[30 + "TINY_A.txt".len() + 4] ^= 0x55;
        std::fs::write(&path, flipped).expect("writable");
        assert_eq!(code(), "data::corrupt_archive");
        for entry in ["../TINY_A.txt", "TINY/../../x.txt", "/etc/x.txt", "C:\\x.txt"] {
            let mut entries = parts(&[]);
            entries.push((entry.into(), "1".into()));
            zip_of(&path, &entries);
            assert_eq!(code(), "data::unsafe_archive", "{entry}");
        }
    }

    #[test]
    fn an_argument_without_effect_is_an_error() {
        let error = load(&folder(&[]), &[("max_degree", ArgValue::Int(3))]).expect_err("no degree features");
        assert_eq!(error.code, "data::no_effect");
        assert_eq!(error.message, "`max_degree` has no effect here: the node features are `auto`");
    }

    #[test]
    fn a_set_that_is_not_there_is_told_with_the_folders_and_a_near_name() {
        let root = folder(&[]);
        let error =
            data::load(&call("tiny", &[]), &DataOptions::folder(root.path())).expect_err("case-exact");
        let place = root.path().display();
        assert_eq!(
            (error.code, error.message.as_str()),
            ("data::missing", "data set `tiny` is in no data folder")
        );
        let help = error.help.expect("help");
        assert!(help.starts_with("did you mean `TINY`?\n"), "{help}");
        assert!(help.contains(&format!("looked in {place}, {place}/tu (no such folder)")), "{help}");
        assert!(help.contains("`tiny.zip`, or a folder `tiny` with tiny_A.txt"), "{help}");
        let error = data::load(&call("./nowhere", &[]), &DataOptions::folder("")).expect_err("a path");
        assert_eq!(error.to_string(), "./nowhere: there is no such folder or archive");
    }

    #[test]
    fn no_bytes_whatever_make_the_reader_panic() {
        use crate::data::rng::{below, generator};
        let pieces: [&[u8]; 14] = [
            b"\n",
            b",",
            b"-",
            b"0",
            b"9",
            b" ",
            b".",
            b"e",
            b"nan",
            b"\xFF",
            b"\0",
            b"99999999999999999999",
            b"\n\n",
            b"1\n2\n",
        ];
        let mut rng = generator(11, 0);
        let root = folder(&[]);
        let archive = tempfile::tempdir().expect("a temporary folder");
        let zip = archive.path().join("TINY.zip");
        zip_of(&zip, &parts(&[]));
        let whole = std::fs::read(&zip).expect("readable");
        let (mut n_read, mut n_refused) = (0, 0);
        for round in 0..700 {
            let (part, text) = TINY[round % TINY.len()];
            let mut bytes = if round % 7 == 0 { whole.clone() } else { text.as_bytes().to_vec() };
            for _ in 0..1 + below(&mut rng, 3) {
                let at = below(&mut rng, bytes.len() + 1);
                let until = (at + below(&mut rng, 3)).min(bytes.len());
                bytes.splice(at..until, pieces[below(&mut rng, pieces.len())].iter().copied());
            }
            let path = root.path().join(format!("TINY/TINY_{part}.txt"));
            let place = if round % 7 == 0 { &archive } else { &root };
            std::fs::write(if round % 7 == 0 { &zip } else { &path }, bytes).expect("writable");
            match load(place, &[("features", ArgValue::Choice("both"))]) {
                Ok(data) => {
                    n_read += 1;
                    let all: Vec<u32> = (0..data.n_graphs() as u32).collect();
                    data.batch(&all, candle_core::DType::F32, &candle_core::Device::Cpu).expect("small");
                }
                Err(error) => {
                    n_refused += 1;
                    assert!(error.help.is_some() && !error.to_string().contains('\n'), "{error}");
                }
            }
            std::fs::write(path, text).expect("writable");
        }
        // The loop has seen both ends, so it tests something.
        assert!(n_read > 50 && n_refused > 200, "{n_read} read, {n_refused} refused");
    }

    fn real(name: &str) -> Option<Dataset> {
        let folder: PathBuf = data::real_data("tu")?;
        Some(data::load(&call(name, &[]), &DataOptions::folder(folder)).expect(name))
    }

    #[test]
    fn published_sets_have_their_published_counts() {
        type Counts = (&'static str, usize, usize, usize, usize, usize, usize, &'static [usize]);
        // Name, graphs, nodes, directed edges, features, smallest and largest graph, graphs a class.
        #[rustfmt::skip]
        let table: [Counts; 8] = [
            ("MUTAG", 188, 3_371, 7_442, 7, 10, 28, &[63, 125]),
            ("PTC_MR", 344, 4_915, 10_108, 18, 2, 64, &[192, 152]),
            ("ENZYMES", 600, 19_580, 74_564, 3, 2, 126, &[100; 6]),
            ("PROTEINS", 1_113, 43_471, 162_088, 3, 4, 620, &[663, 450]),
            ("DD", 1_178, 334_925, 1_686_092, 89, 30, 5_748, &[691, 487]),
            ("REDDIT-BINARY", 2_000, 859_254, 1_991_016, 0, 6, 3_782, &[1000, 1000]),
            ("AIDS", 2_000, 31_385, 64_780, 38, 2, 95, &[400, 1600]),
            ("Acyclic", 183, 1_492, 2_618, 3, 3, 11, &[]),
        ];
        for (name, n_graphs, n_nodes, n_edges, n_features, smallest, largest, class_counts) in table {
            let Some(data) = real(name) else { return };
            let facts = data.facts();
            assert_eq!(
                (data.n_graphs(), data.n_nodes(), data.n_edges()),
                (n_graphs, n_nodes, n_edges),
                "{name}"
            );
            assert_eq!((data.n_features(), data.is_symmetric()), (n_features, true), "{name}");
            let sizes = (0..n_graphs).map(|graph| data.graph_nodes(graph).len());
            assert_eq!((sizes.clone().min(), sizes.max()), (Some(smallest), Some(largest)), "{name}");
            assert_eq!((facts.max_nodes, facts.class_counts.as_slice()), (largest, class_counts), "{name}");
        }
        let Some(Dataset { targets: Targets::Values { values, n_values }, .. }) = real("Acyclic") else {
            panic!("Acyclic is a regression")
        };
        let (min, max) = values.iter().fold((f32::MAX, f32::MIN), |(min, max), &v| (min.min(v), max.max(v)));
        assert_eq!((n_values, min, max), (1, -23.7, 250.0));
    }
}
