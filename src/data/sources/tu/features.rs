//! `NAME_node_labels.txt`, `NAME_node_attributes.txt` and degrees: the features of the nodes.

use super::expect_rows;
use crate::args::BoundCall;
use crate::data::DataError;
use crate::data::batch::Csr;
use crate::data::columns::{Columns, Vocabulary};
use crate::data::dataset::Features;
use crate::data::error::count;
use crate::data::files::{TuFiles, size_in_words};
use crate::data::scan::{FileName, Table};
use crate::source::Span;

/// Degrees with a column of their own where no `max_degree` is written: social networks have hubs of thousands.
const DEGREE_COLUMNS: u32 = 500;

/// One-hot columns of node labels; a set with more has a label for each node, and a batch of them would fill the
/// memory.
const LABEL_COLUMNS: usize = 10_000;

/// Where features come from.
struct Asked<'a> {
    /// The word of `features = …`.
    choice: &'a str,
    /// It is what the model was trained with, and not what the call says.
    is_of_model: bool,
    span: Option<Span>,
}

/// The features that the call asks for. Where it leaves that open and a model is known, those of the model.
///
/// # Errors
/// Where a part is missing or broken, or the columns mean something else than those that the model was trained with.
pub fn read(
    files: &mut TuFiles,
    call: &BoundCall,
    n_nodes: usize,
    edges: &[(u32, u32)],
    known: Option<&Vocabulary>,
) -> Result<(Features, Vec<Columns>), DataError> {
    let written = call.args.get("features");
    let of_model =
        known.and_then(Vocabulary::choice).filter(|_| written.is_none_or(|arg| arg.span.is_none()));
    let asked = Asked {
        choice: of_model.unwrap_or(call.args.choice("features")),
        is_of_model: of_model.is_some(),
        span: written.and_then(|arg| arg.span),
    };
    let known = known.filter(|known| !known.columns.is_empty());
    let (features, columns) = match asked.choice {
        "constant" => (Features::Dense { values: vec![1.0; n_nodes], width: 1 }, vec![Columns::Constant]),
        "degree" => {
            let written = call.args.opt_int("max_degree").map(|degree| degree as u32);
            degree_features(n_nodes, edges, written.or(known.and_then(Vocabulary::max_degree)))
        }
        _ => of_files(files, &asked, n_nodes, known)?,
    };
    let now = Vocabulary { columns, target: None };
    if let Some(known) = known.filter(|known| !known.has_columns_of(&now)) {
        return Err(other_columns(
            files,
            known,
            &asked,
            &format!("{} gives {}", files.name, now.features_in_words()),
        ));
    }
    Ok((features, now.columns))
}

/// Node labels and attributes.
fn of_files(
    files: &mut TuFiles,
    asked: &Asked,
    n_nodes: usize,
    known: Option<&Vocabulary>,
) -> Result<(Features, Vec<Columns>), DataError> {
    let choice = asked.choice;
    let max_bytes = files.max_bytes().saturating_mul(4);
    let wants_labels = matches!(choice, "auto" | "labels" | "both") && files.has("node_labels");
    let wants_attributes = (matches!(choice, "attributes" | "both") || (choice == "auto" && !wants_labels))
        && files.has("node_attributes");
    let missing = match choice {
        "labels" | "both" if !wants_labels => Some("node_labels"),
        "attributes" | "both" if !wants_attributes => Some("node_attributes"),
        _ => None,
    };
    if let Some(part) = missing {
        return Err(missing_part(files, part, asked, known));
    }
    let mut columns = Vec::new();
    let mut attributes = Table { values: Vec::new(), width: 0, n_rows: 0 };
    if wants_attributes && let Some(text) = files.open("node_attributes")? {
        let name = text.name.clone();
        attributes = text.reals(n_nodes, "a node attribute (a real number)")?;
        expect_rows(&name, attributes.n_rows, n_nodes, "node")?;
        columns.push(Columns::Attributes { count: attributes.width });
    }
    let text = if wants_labels { files.open("node_labels")? } else { None };
    let Some(text) = text else {
        return Ok((Features::Dense { values: attributes.values, width: attributes.width }, columns));
    };
    let name = text.name.clone();
    let table = text.integers(None, n_nodes, "a node label (a whole number)")?;
    expect_rows(&name, table.n_rows, n_nodes, "node")?;
    let known = known.map(Vocabulary::labels).filter(|known| !known.is_empty());
    let (places, labels) = label_columns(&name, &table, known.as_deref())?;
    let width = labels.iter().map(Columns::width).sum();
    columns.extend(labels);
    if !wants_attributes && table.width == 1 {
        return Ok((Features::OneHot { columns: places, width }, columns));
    }
    let total = attributes.width + width;
    // A small file can ask for many columns of many nodes, most of them zeros.
    let n_bytes = n_nodes.saturating_mul(total).saturating_mul(size_of::<f32>()) as u64;
    if n_bytes > max_bytes {
        return Err(name
            .whole(
                "data::too_large",
                format!(
                    "the features of {n_nodes} nodes in {total} columns take {}; the limit is {}",
                    size_in_words(n_bytes),
                    size_in_words(max_bytes)
                ),
            )
            .help(format!(
                "write `features = attributes` or `degree`; or allow more with `--max-data-size {}GiB`",
                n_bytes.div_ceil(4 << 30)
            )));
    }
    let mut values = vec![0f32; n_nodes * total];
    for (node, row) in values.chunks_exact_mut(total).enumerate() {
        row[..attributes.width]
            .copy_from_slice(&attributes.values[node * attributes.width..][..attributes.width]);
        for &column in &places[node * table.width..][..table.width] {
            row[attributes.width + column as usize] = 1.0;
        }
    }
    Ok((Features::Dense { values, width: total }, columns))
}

/// A part that is asked for, by the call or by the model, and that the set does not have.
fn missing_part(files: &TuFiles, part: &str, asked: &Asked, known: Option<&Vocabulary>) -> DataError {
    let (name, what) = (&files.name, part.replace('_', " "));
    if let Some(known) = known.filter(|_| asked.is_of_model) {
        return other_columns(files, known, asked, &format!("{name} has no {what}"));
    }
    let (file, choice) = (files.file_of(part), asked.choice);
    let there: Vec<&str> =
        [("node_labels", "`features = labels`"), ("node_attributes", "`features = attributes`")]
            .into_iter()
            .filter(|(part, _)| files.has(part))
            .map(|(_, setting)| setting)
            .collect();
    let help = match there.as_slice() {
        [] => "write `features = degree`, or `constant`".to_owned(),
        there => format!("write {}, or `features = degree`", there.join(" or ")),
    };
    DataError::new(
        "data::missing_part",
        format!("`features = {choice}` needs `{file}`, which {name} does not have"),
    )
    .file(files.path.display().to_string())
    .help(help)
    .span(asked.span)
}

/// Columns that mean something else than those that the model was trained with.
fn other_columns(files: &TuFiles, known: &Vocabulary, asked: &Asked, now: &str) -> DataError {
    let help = match known.choice() {
        Some(choice) if !asked.is_of_model => {
            format!("leave `features` out, and the data is read as the model's was: `features = {choice}`")
        }
        _ => "the model has no other inputs: give data with these features, or train a model on those that the data has"
            .to_owned(),
    };
    DataError::new(
        "data::other_columns",
        format!("the model was trained with {}, and {now}", known.features_in_words()),
    )
    .file(files.path.display().to_string())
    .help(help)
    .span(asked.span)
}

/// The place of every label among the one-hot columns. A table of several label columns gets one block of
/// columns for each.
fn label_columns(
    name: &FileName,
    table: &Table<i64>,
    known: Option<&[(&[i64], &[i64])]>,
) -> Result<(Vec<u32>, Vec<Columns>), DataError> {
    if let Some(known) = known.filter(|known| known.len() != table.width) {
        return Err(name
            .whole(
                "data::other_columns",
                format!(
                    "has {} per node, but the model was trained with {}",
                    count(table.width, "label"),
                    known.len()
                ),
            )
            .help("give data with the node labels that the model was trained with"));
    }
    let mut places = vec![0u32; table.values.len()];
    let mut blocks = Vec::new();
    let mut width = 0;
    for part in 0..table.width {
        let of_part = || table.values.iter().skip(part).step_by(table.width).copied();
        let (labels, unseen) = match known {
            Some(known) => (known[part].0.to_vec(), known[part].1.to_vec()),
            None => (label_values(of_part()), Vec::new()),
        };
        let first = labels.first().copied().unwrap_or(0);
        let is_dense = labels.last().is_none_or(|&last| last.wrapping_sub(first) == labels.len() as i64 - 1);
        let mut is_seen = vec![false; labels.len()];
        for (row, label) in of_part().enumerate() {
            let column = if is_dense {
                usize::try_from(label.wrapping_sub(first)).ok().filter(|&column| column < labels.len())
            } else {
                labels.binary_search(&label).ok()
            };
            let Some(column) = column.filter(|_| unseen.is_empty() || !unseen.contains(&label)) else {
                return Err(name
                    .error(
                        "data::unknown_label",
                        row,
                        format!("node label {label} does not occur in the data that the model was trained with"),
                    )
                    .help("the model has learned nothing about it: relabel the node, or train with data that has this label"));
            };
            is_seen[column] = true;
            places[row * table.width + part] = (width + column) as u32;
        }
        width += labels.len();
        if width > LABEL_COLUMNS {
            return Err(name
                .whole("data::too_many_labels", format!("has more than {LABEL_COLUMNS} different node labels"))
                .help("they look like names of nodes, of which nothing can be learned: write `features = degree` or `attributes`"));
        }
        let unseen = match known {
            Some(_) => unseen,
            None => {
                labels.iter().zip(&is_seen).filter(|(_, seen)| !**seen).map(|(label, _)| *label).collect()
            }
        };
        blocks.push(Columns::Labels { values: labels, unseen });
    }
    Ok((places, blocks))
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
fn degree_features(n_nodes: usize, edges: &[(u32, u32)], asked: Option<u32>) -> (Features, Vec<Columns>) {
    // An edge written twice counts once, as in the adjacency.
    let adjacency = Csr::from_edges(n_nodes, edges);
    let degrees = adjacency.offsets.windows(2).map(|pair| pair[1] - pair[0]);
    let max = asked.unwrap_or_else(|| degrees.clone().max().unwrap_or(0).min(DEGREE_COLUMNS));
    let columns = degrees.map(|degree| degree.min(max)).collect();
    (Features::OneHot { columns, width: max as usize + 1 }, vec![Columns::Degrees { max }])
}
