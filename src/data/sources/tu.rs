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

pub static SPEC: CallSpec = CallSpec {
    name: "tu",
    doc: "A data set of the TU collection by its name, or the path of a folder or zip archive in its layout. \
          Graph classification, or graph regression where the graphs have attributes and no labels. \
          Morris et al. 2020; PyG's TUDataset.",
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
                return Err(indicator
                    .error(
                        "data::empty_graph",
                        node,
                        format!("graph {graph} follows graph {last}: graph {missing} has no nodes"),
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
        let table = text.reals("a node attribute, a real number")?;
        expect_rows(text, &table, n_nodes, "node")?;
        attribute_table = Some(table);
    }
    let Some(text) = &labels else {
        let Table { values, width } = attribute_table.unwrap_or(Table { values: Vec::new(), width: 0 });
        return Ok(Features::Dense { values, width });
    };
    let table = text.integers(None, "a node label, a whole number")?;
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
        let table = text.integers(Some(1), "one graph label, a whole number")?;
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
        let table = text.reals("a graph attribute, a real number")?;
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
