//! `NAME_graph_labels.txt` and `NAME_graph_attributes.txt`: what is predicted.

use super::features::{Item, read_labels};
use crate::args::BoundCall;
use crate::data::DataError;
use crate::data::columns::{Target, Vocabulary, values_in_words};
use crate::data::dataset::Targets;
use crate::data::files::TuFiles;
use crate::data::scan::FileName;
use crate::diagnostic::count;
use crate::types::Entity;

/// What is predicted, the name of each class, and what the outputs mean.
type Found = (Targets, Vec<String>, Option<Target>);

/// What is predicted of the graphs of these numbers, of `n_graphs` that the files have lines for, or of the nodes or edges, of which
/// there are `n_rows`, with the name of each class. Where the call leaves open whether it is labels or attributes and a model is known, what the model
/// predicts.
///
/// # Errors
/// Where a part is missing or broken, or has labels that are no class of the model.
pub fn read(
    files: &mut TuFiles,
    call: &BoundCall,
    (ids, n_graphs, n_rows): (&[u32], usize, [usize; 2]),
    indicator: &FileName,
    known: Option<&Vocabulary>,
) -> Result<Found, DataError> {
    let written = call.args.get("target");
    if let Some(targets) = of_parts(files, call, n_rows, known)? {
        return Ok(targets);
    }
    let of_model = known.filter(|_| written.is_none_or(|arg| arg.span.is_none())).and_then(|known| {
        Some(match known.target.as_ref()? {
            Target::Classes(_) | Target::Labels(_) if files.has("graph_labels") => "labels",
            Target::Values(_) if files.has("graph_attributes") => "attributes",
            // Data without what the model predicts can be predicted for, and has no targets to be measured against.
            _ => "none",
        })
    });
    let choice = of_model.unwrap_or(call.args.choice("target"));
    let wants_labels = matches!(choice, "auto" | "labels") && files.has("graph_labels");
    let wants_attributes =
        (choice == "attributes" || (choice == "auto" && !wants_labels)) && files.has("graph_attributes");
    if !wants_labels && !wants_attributes {
        if !matches!(choice, "labels" | "attributes") {
            return Ok((Targets::None, Vec::new(), None));
        }
        let (name, file) = (&files.name, files.file_of(&format!("graph_{choice}")));
        return Err(DataError::new(
            "data::missing_part",
            format!("`target = {choice}` needs `{file}`, which {name} does not have"),
        )
        .file(files.path.display().to_string())
        .help("leave `target` out: what the set has is used")
        .span(written.and_then(|arg| arg.span)));
    }
    if wants_labels {
        let width = files.width("graph_labels")?.unwrap_or(1);
        let n_known = known.and_then(|known| known.target.as_ref());
        if width > 1 && !matches!(n_known, Some(Target::Classes(_)))
            || matches!(n_known, Some(Target::Labels(_)))
        {
            let (mut targets, names, target) = read_several(files, n_graphs, indicator, n_known)?;
            if let Targets::Values { values, n_values } = &mut targets
                && ids.len() < n_graphs
            {
                let row = |&id: &u32| values[(id as usize - 1) * *n_values..][..*n_values].to_vec();
                *values = ids.iter().flat_map(row).collect();
            }
            return Ok((targets, names, target));
        }
        return read_classes(files, (ids, n_graphs), indicator, known.and_then(Vocabulary::classes));
    }
    let text = files.open("graph_attributes")?.expect("the set has it");
    let name = text.name.clone();
    let table = text.reals(n_graphs, "a graph attribute (a real number)")?;
    expect_graphs(&name, table.n_rows, n_graphs, indicator)?;
    let target = Target::Values(table.width);
    if let Some(Target::Values(n_known)) = known.and_then(|known| known.target.as_ref())
        && *n_known != table.width
    {
        return Err(name
            .whole(
                "data::other_columns",
                format!(
                    "the model predicts {}, but the file has {}",
                    count(*n_known, "graph attribute"),
                    table.width
                ),
            )
            .help("give data with the values that the model was trained on; to predict without targets, leave the file out"));
    }
    let mut values = table.values;
    if ids.len() < n_graphs {
        values = ids
            .iter()
            .flat_map(|&id| &values[(id as usize - 1) * table.width..][..table.width])
            .copied()
            .collect();
    }
    Ok((Targets::Values { values, n_values: table.width }, Vec::new(), Some(target)))
}

/// How many graphs there are by the lines of the files of targets, where these have one for each number up to the largest
/// that nodes name.
///
/// # Errors
/// Where such a file is broken.
pub fn lines_of_numbered(files: &mut TuFiles, largest: usize) -> Result<Option<usize>, DataError> {
    let n_lines = if files.has("graph_labels") {
        files
            .open("graph_labels")?
            .map(|text| text.integers(None, 0, "a graph label (a whole number)"))
            .transpose()?
            .map(|table| table.n_rows)
    } else {
        let text = files.open("graph_attributes")?;
        text.map(|text| text.reals(0, "a graph attribute (a real number)"))
            .transpose()?
            .map(|table| table.n_rows)
    };
    Ok(n_lines.filter(|&n_lines| n_lines == largest))
}

/// What a call predicts something of: graphs, nodes, or edges, which are pairs of nodes.
pub fn entity(call: &BoundCall) -> Entity {
    match call.args.choice("target") {
        "node_labels" | "node_attributes" => Entity::Nodes,
        "edge_labels" | "edge_attributes" => Entity::Pairs,
        _ => Entity::Graph,
    }
}

/// The labels or attributes of the nodes or edges, where the call predicts these. Of a set that lacks them for a model that is known,
/// nothing is there to be measured against.
fn of_parts(
    files: &mut TuFiles,
    call: &BoundCall,
    [n_nodes, n_edges]: [usize; 2],
    known: Option<&Vocabulary>,
) -> Result<Option<Found>, DataError> {
    let (item, n_items) = match entity(call) {
        Entity::Nodes => (Item::Node, n_nodes),
        Entity::Pairs => (Item::Edge, n_edges),
        _ => return Ok(None),
    };
    let word = item.word();
    let part = call.args.choice("target");
    let span = call.args.get("target").and_then(|arg| arg.span);
    if !files.has(part) {
        if known.is_some() && span.is_none() {
            return Ok(Some((Targets::None, Vec::new(), None)));
        }
        let (name, file) = (&files.name, files.file_of(part));
        return Err(DataError::new(
            "data::missing_part",
            format!("`target = {part}` needs `{file}`, which {name} does not have"),
        )
        .file(files.path.display().to_string())
        .help("leave `target` out: what the set has is used")
        .span(span));
    }
    if part == item.attributes() {
        let text = files.open(part)?.expect("the set has it");
        let name = text.name.clone();
        let expected = match item {
            Item::Node => "a node attribute (a real number)",
            Item::Edge => "an edge attribute (a real number)",
        };
        let table = text.reals(n_items, expected)?;
        super::expect_rows(&name, table.n_rows, n_items, word)?;
        let target = Target::Values(table.width);
        return Ok(Some((
            Targets::Values { values: table.values, n_values: table.width },
            Vec::new(),
            Some(target),
        )));
    }
    let (name, table) = read_labels(files, item, n_items)?.expect("the set has it");
    if table.width != 1 {
        return Err(name
            .whole(
                "data::unsupported_set",
                format!("has {} labels for each {word}: a model predicts one class", table.width),
            )
            .help("keep the column of one of them"));
    }
    classes_of(&name, &table.values, None, word, known.and_then(Vocabulary::classes)).map(Some)
}

/// Classes in the order of their labels.
fn read_classes(
    files: &mut TuFiles,
    (ids, n_graphs): (&[u32], usize),
    indicator: &FileName,
    known: Option<&[i64]>,
) -> Result<Found, DataError> {
    let text = files.open("graph_labels")?.expect("the set has it");
    let name = text.name.clone();
    let table = text.integers(Some(1), n_graphs, "one graph label (a whole number)")?;
    expect_graphs(&name, table.n_rows, n_graphs, indicator)?;
    classes_of(&name, &table.values, Some(ids), "graph", known)
}

/// The classes that labels are, one a line; of these graphs alone, where it is of some.
fn classes_of(
    name: &FileName,
    values: &[i64],
    ids: Option<&[u32]>,
    item: &str,
    known: Option<&[i64]>,
) -> Result<Found, DataError> {
    let rows: Vec<usize> = match ids {
        Some(ids) => ids.iter().map(|&id| id as usize - 1).collect(),
        None => (0..values.len()).collect(),
    };
    let labels = match known {
        Some(known) => known.to_vec(),
        None => {
            let mut labels: Vec<i64> = rows.iter().map(|&row| values[row]).collect();
            labels.sort_unstable();
            labels.dedup();
            labels
        }
    };
    let mut classes = Vec::with_capacity(rows.len());
    for &row in &rows {
        let label = &values[row];
        let Ok(class) = labels.binary_search(label) else {
            return Err(name
                .error(
                    "data::unknown_label",
                    row,
                    format!(
                        "{item} label {label} is none of the model's classes ({})",
                        values_in_words(&labels)
                    ),
                )
                .help("correct the label; to predict without labels, leave the file out"));
        };
        classes.push(class as i64);
    }
    let class_names = labels.iter().map(i64::to_string).collect();
    Ok((Targets::Classes(classes), class_names, Some(Target::Classes(labels))))
}

/// Several labels a graph, a column each: 1 where the graph has it, else 0, or -1 in a file without 0.
fn read_several(
    files: &mut TuFiles,
    n_graphs: usize,
    indicator: &FileName,
    known: Option<&Target>,
) -> Result<(Targets, Vec<String>, Option<Target>), DataError> {
    let text = files.open("graph_labels")?.expect("the set has it");
    let name = text.name.clone();
    let table = text.integers(None, n_graphs, "graph labels, a column each")?;
    expect_graphs(&name, table.n_rows, n_graphs, indicator)?;
    if let Some(Target::Labels(n)) = known
        && *n != table.width
    {
        let message = format!("the model predicts {}, but the file has {}", count(*n, "label"), table.width);
        return Err(name.whole("data::other_columns", message).help(
            "give data with the labels that the model was trained on; to predict without labels, leave the file out",
        ));
    }
    let has = |label: i64| table.values.contains(&label);
    let absent = if has(-1) && !has(0) { -1 } else { 0 };
    if let Some(at) = table.values.iter().position(|&label| label != 1 && label != absent) {
        let (row, column) = (at / table.width, at % table.width);
        let message = format!("column {}: {} is neither 1 nor {absent}", column + 1, table.values[at]);
        return Err(name.error("data::not_a_label", row, message).help(
            "several columns are several labels, each there (1) or not (0); a class stands in one column alone",
        ));
    }
    let values = table.values.iter().map(|&label| if label == 1 { 1.0 } else { 0.0 }).collect();
    let names = (1..=table.width).map(|column| column.to_string()).collect();
    Ok((Targets::Values { values, n_values: table.width }, names, Some(Target::Labels(table.width))))
}

fn expect_graphs(
    name: &FileName,
    found: usize,
    n_graphs: usize,
    indicator: &FileName,
) -> Result<(), DataError> {
    if found == n_graphs {
        return Ok(());
    }
    let (lines, graphs) = (count(found, "line"), count(n_graphs, "graph"));
    let (message, help) = if found > n_graphs {
        let which = if found == n_graphs + 1 {
            format!("graph {found} has no nodes")
        } else {
            format!("graphs {} to {found} have no nodes", n_graphs + 1)
        };
        (
            format!("has {lines}, but {indicator} names {graphs}: {which}"),
            "line i belongs to graph i: drop the lines of graphs without nodes",
        )
    } else {
        (
            format!("has {lines}, but {indicator} names {graphs}"),
            "line i belongs to graph i: add the missing lines",
        )
    };
    Err(name.whole("data::count", message).help(help))
}
