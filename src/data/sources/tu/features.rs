//! `NAME_node_labels.txt`, `NAME_node_attributes.txt` and degrees: the features of the nodes. What labels and attributes
//! become is the same for edges.

use super::expect_rows;
use crate::args::{ArgValue, BoundCall};
use crate::data::DataError;
use crate::data::columns::{self, Columns, Vocabulary};
use crate::data::dataset::Features;
use crate::data::features::{self, Block, Graphs, Prepared};
use crate::data::files::{TuFiles, size_in_words};
use crate::data::scan::{FileName, Table};
use crate::diagnostic::count;
use crate::source::Span;

/// One-hot columns of labels; a set with more has a label for each node, and a batch of them would fill the
/// memory.
const LABEL_COLUMNS: usize = 10_000;

/// What features belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    Node,
    Edge,
}

impl Item {
    pub const fn word(self) -> &'static str {
        match self {
            Item::Node => "node",
            Item::Edge => "edge",
        }
    }
    /// The argument that selects its features.
    pub const fn setting(self) -> &'static str {
        match self {
            Item::Node => "features",
            Item::Edge => "edge_features",
        }
    }
    pub const fn labels(self) -> &'static str {
        match self {
            Item::Node => "node_labels",
            Item::Edge => "edge_labels",
        }
    }
    pub const fn attributes(self) -> &'static str {
        match self {
            Item::Node => "node_attributes",
            Item::Edge => "edge_attributes",
        }
    }
    /// What there is where a set has neither labels nor attributes.
    const fn otherwise(self) -> &'static str {
        match self {
            Item::Node => "`features = degree`",
            Item::Edge => "`edge_features = none`",
        }
    }
    const fn known_columns(self, known: &Vocabulary) -> &Vec<Columns> {
        match self {
            Item::Node => &known.columns,
            Item::Edge => &known.edge_columns,
        }
    }
    fn known_choice(self, known: &Vocabulary) -> Option<&'static str> {
        match self {
            Item::Node => known.choice(),
            Item::Edge => known.edge_choice(),
        }
    }
    fn known_labels(self, known: &Vocabulary) -> Vec<(&[i64], &[i64])> {
        match self {
            Item::Node => known.labels(),
            Item::Edge => known.edge_labels(),
        }
    }
    fn known_in_words(self, known: &Vocabulary) -> String {
        match self {
            Item::Node => known.features_in_words(),
            Item::Edge => known.edges_in_words(),
        }
    }
}

/// Where features come from.
pub struct Asked<'a> {
    item: Item,
    /// The word of `features = …` or `edge_features = …`.
    pub choice: &'a str,
    /// It is what the model was trained with, and not what the call says.
    is_of_model: bool,
    /// It is one of several in a list.
    is_listed: bool,
    span: Option<Span>,
}

impl<'a> Asked<'a> {
    /// A feature of a list.
    fn listed(feature: &BoundCall) -> Self {
        let span = Some(feature.span).filter(|span| span.start < span.end);
        Self { item: Item::Node, choice: feature.name, is_of_model: false, is_listed: true, span }
    }

    /// What the call asks for. Where it leaves that open and a model is known, the columns of the model.
    pub fn of(item: Item, call: &'a BoundCall, known: Option<&Vocabulary>) -> Self {
        let written = call.args.get(item.setting());
        let of_model = known
            .and_then(|known| item.known_choice(known))
            .filter(|_| written.is_none_or(|arg| arg.span.is_none()));
        let choice = match written.map(|arg| &arg.value) {
            Some(ArgValue::Choice(word)) => word,
            _ => "",
        };
        Self {
            item,
            choice: of_model.unwrap_or(choice),
            is_of_model: of_model.is_some(),
            is_listed: false,
            span: written.and_then(|arg| arg.span),
        }
    }

    /// Refuses columns that mean something else than those that the model was trained with.
    ///
    /// # Errors
    /// Where they do.
    pub fn expect_columns_of(
        &self,
        files: &TuFiles,
        known: Option<&Vocabulary>,
        now: &[Columns],
    ) -> Result<(), DataError> {
        let Some(known) = known else { return Ok(()) };
        if columns::agree(self.item.known_columns(known), now) {
            return Ok(());
        }
        let now = columns::in_words(now, self.item.word());
        Err(other_columns(files, known, self, &format!("{} gives {now}", files.name)))
    }
}

/// The features that the call asks for. Where it leaves that open and a model is known, those of the model.
///
/// # Errors
/// Where a part is missing or broken, or the columns mean something else than those that the model was trained with.
pub fn read(
    files: &mut TuFiles,
    call: &BoundCall,
    node_offsets: &[u32],
    edges: &[(u32, u32)],
    known: Option<&Vocabulary>,
) -> Result<Prepared, DataError> {
    let mut asked = Asked::of(Item::Node, call, known);
    // What is predicted of the nodes is no feature of theirs.
    if asked.choice == "auto" {
        let other = match call.args.choice("target") {
            "node_labels" => Some(("node_attributes", "attributes")),
            "node_attributes" => Some(("node_labels", "labels")),
            _ => None,
        };
        if let Some((part, word)) = other {
            asked.choice = if files.has(part) { word } else { "degree" };
        }
    }
    let n_nodes = node_offsets.last().map_or(0, |&end| end as usize);
    let mut prepared = if features::is_list(call) {
        let max_nodes = call.args.opt_int("max_nodes").map(|most| most as usize);
        let graphs = Graphs::new(node_offsets, edges, max_nodes);
        let max_bytes = files.max_bytes().saturating_mul(4);
        let mut own = |feature: &BoundCall| {
            let (features, columns) = of_files(files, &Asked::listed(feature), n_nodes, known)?;
            Ok(Block { features, columns })
        };
        features::read(call, &graphs, known, &mut own, max_bytes)?
    } else {
        let (features, columns) = match asked.choice {
            "constant" => of_block(features::ones(n_nodes)),
            "degree" => {
                let written = call.args.opt_int("max_degree").map(|degree| degree as u32);
                let max = written.or(known.and_then(Vocabulary::max_degree));
                of_block(features::degrees(n_nodes, edges, max))
            }
            _ => of_files(files, &asked, n_nodes, known)?,
        };
        Prepared { features, columns, random_signs: Vec::new() }
    };
    asked.expect_columns_of(files, known, &prepared.columns)?;
    prepared.features = features::with_rows_normalized(prepared.features, n_nodes, call);
    Ok(prepared)
}

fn of_block(block: Block) -> (Features, Vec<Columns>) {
    (block.features, block.columns)
}

/// Labels and attributes of nodes or edges.
///
/// # Errors
/// Where a part is missing or broken, or has labels that are none of the model's.
pub fn of_files(
    files: &mut TuFiles,
    asked: &Asked,
    n_items: usize,
    known: Option<&Vocabulary>,
) -> Result<(Features, Vec<Columns>), DataError> {
    let Asked { item, choice, .. } = *asked;
    let known = known.filter(|known| !item.known_columns(known).is_empty());
    let max_bytes = files.max_bytes().saturating_mul(4);
    let wants_labels = matches!(choice, "auto" | "labels" | "both") && files.has(item.labels());
    let wants_attributes = (matches!(choice, "attributes" | "both") || (choice == "auto" && !wants_labels))
        && files.has(item.attributes());
    let missing = match choice {
        "labels" | "both" if !wants_labels => Some(item.labels()),
        "attributes" | "both" if !wants_attributes => Some(item.attributes()),
        _ => None,
    };
    if let Some(part) = missing {
        return Err(missing_part(files, part, asked, known));
    }
    let mut columns = Vec::new();
    let mut attributes = Table { values: Vec::new(), width: 0, n_rows: 0 };
    if wants_attributes && let Some(text) = files.open(item.attributes())? {
        let name = text.name.clone();
        let expected = match item {
            Item::Node => "a node attribute (a real number)",
            Item::Edge => "an edge attribute (a real number)",
        };
        attributes = text.reals(n_items, expected)?;
        expect_rows(&name, attributes.n_rows, n_items, item.word())?;
        columns.push(Columns::Attributes { count: attributes.width });
    }
    let table = if wants_labels { read_labels(files, item, n_items)? } else { None };
    let Some((name, table)) = table else {
        return Ok((Features::Dense { values: attributes.values.into(), width: attributes.width }, columns));
    };
    let known = known.map(|known| item.known_labels(known)).filter(|known| !known.is_empty());
    let (places, labels) = label_columns(&name, &table, item, known.as_deref())?;
    let width = labels.iter().map(Columns::width).sum();
    columns.extend(labels);
    if !wants_attributes && table.width == 1 {
        return Ok((Features::OneHot { columns: places.into(), width }, columns));
    }
    let total = attributes.width + width;
    // A small file can ask for many columns of many nodes, most of them zeros.
    let n_bytes = n_items.saturating_mul(total).saturating_mul(size_of::<f32>()) as u64;
    if n_bytes > max_bytes {
        return Err(name
            .whole(
                "data::too_large",
                format!(
                    "the features of {n_items} {}s in {total} columns take {}; the limit is {}",
                    item.word(),
                    size_in_words(n_bytes),
                    size_in_words(max_bytes)
                ),
            )
            .help(format!(
                "write `{} = attributes` or {}; or allow more with `--max-data-size {}GiB`",
                item.setting(),
                item.otherwise(),
                n_bytes.div_ceil(4 << 30)
            )));
    }
    let mut values = vec![0f32; n_items * total];
    for (row, out) in values.chunks_exact_mut(total).enumerate() {
        out[..attributes.width]
            .copy_from_slice(&attributes.values[row * attributes.width..][..attributes.width]);
        for &column in &places[row * table.width..][..table.width] {
            out[attributes.width + column as usize] = 1.0;
        }
    }
    Ok((Features::Dense { values: values.into(), width: total }, columns))
}

/// The labels of all nodes or edges as they stand in the file; `None` where there is none.
///
/// # Errors
/// Where the file is broken or has not one line an item.
pub fn read_labels(
    files: &mut TuFiles,
    item: Item,
    n_items: usize,
) -> Result<Option<(FileName, Table<i64>)>, DataError> {
    let Some(text) = files.open(item.labels())? else { return Ok(None) };
    let name = text.name.clone();
    let expected = match item {
        Item::Node => "a node label (a whole number)",
        Item::Edge => "an edge label (a whole number)",
    };
    let table = text.integers(None, n_items, expected).map_err(|error| match error.code {
        "data::ragged" => error.help(
            "every line has the same number of labels, separated by commas; labels that change with time, as pairs of time and \
             label, are not read: a model reads one state of a graph, so write the state that is meant",
        ),
        _ => error,
    })?;
    expect_rows(&name, table.n_rows, n_items, item.word())?;
    Ok(Some((name, table)))
}

/// A part that is asked for, by the call or by the model, and that the set does not have.
fn missing_part(files: &TuFiles, part: &str, asked: &Asked, known: Option<&Vocabulary>) -> DataError {
    let (name, what) = (&files.name, part.replace('_', " "));
    if let Some(known) = known.filter(|_| asked.is_of_model) {
        return other_columns(files, known, asked, &format!("{name} has no {what}"));
    }
    let (file, choice, item) = (files.file_of(part), asked.choice, asked.item);
    let setting = item.setting();
    if asked.is_listed {
        let other = if part == item.labels() { item.attributes() } else { item.labels() };
        let instead = match files.has(other) {
            true => format!("leave it out, or write `{}`", other.trim_start_matches("node_")),
            false => {
                "leave it out: `degree` and the others that follow from the edges are there for every set"
                    .into()
            }
        };
        return DataError::new(
            "data::missing_part",
            format!("`{choice}` needs `{file}`, which {name} does not have"),
        )
        .file(files.path.display().to_string())
        .help(instead)
        .span(asked.span);
    }
    let there: Vec<String> = [(item.labels(), "labels"), (item.attributes(), "attributes")]
        .into_iter()
        .filter(|(part, _)| files.has(part))
        .map(|(_, word)| format!("`{setting} = {word}`"))
        .collect();
    let help = match (there.as_slice(), item) {
        ([], Item::Node) => "write `features = degree`, or `constant`".to_owned(),
        ([], Item::Edge) => "leave it out: the edges of this set carry nothing".to_owned(),
        (there, _) => format!("write {}, or {}", there.join(" or "), item.otherwise()),
    };
    DataError::new(
        "data::missing_part",
        format!("`{setting} = {choice}` needs `{file}`, which {name} does not have"),
    )
    .file(files.path.display().to_string())
    .help(help)
    .span(asked.span)
}

/// Columns that mean something else than those that the model was trained with.
fn other_columns(files: &TuFiles, known: &Vocabulary, asked: &Asked, now: &str) -> DataError {
    let (item, setting) = (asked.item, asked.item.setting());
    let help = match item.known_choice(known) {
        Some(choice) if !asked.is_of_model && !asked.is_listed => {
            format!("leave `{setting}` out, and the data is read as the model's was: `{setting} = {choice}`")
        }
        _ => "the model has no other inputs: give data with these features, or train a model on those that the data has"
            .to_owned(),
    };
    DataError::new(
        "data::other_columns",
        format!("the model was trained with {}, and {now}", item.known_in_words(known)),
    )
    .file(files.path.display().to_string())
    .help(help)
    .span(asked.span)
}

/// The place of every label among the one-hot columns. A table of several label columns gets one block of
/// columns for each.
///
/// # Errors
/// Where there are more columns of labels, or other labels, than the model knows, or too many of them.
pub fn label_columns(
    name: &FileName,
    table: &Table<i64>,
    item: Item,
    known: Option<&[(&[i64], &[i64])]>,
) -> Result<(Vec<u32>, Vec<Columns>), DataError> {
    if let Some(known) = known.filter(|known| known.len() != table.width) {
        return Err(name
            .whole(
                "data::other_columns",
                format!(
                    "has {} per {}, but the model was trained with {}",
                    count(table.width, "label"),
                    item.word(),
                    known.len()
                ),
            )
            .help(format!("give data with the {} labels that the model was trained with", item.word())));
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
                        format!(
                            "{} label {label} does not occur in the data that the model was trained with",
                            item.word()
                        ),
                    )
                    .help(format!(
                        "the model has learned nothing about it: relabel the {}, or train with data that has this label",
                        item.word()
                    )));
            };
            is_seen[column] = true;
            places[row * table.width + part] = (width + column) as u32;
        }
        width += labels.len();
        if width > LABEL_COLUMNS {
            return Err(name
                .whole(
                    "data::too_many_labels",
                    format!("has more than {LABEL_COLUMNS} different {} labels", item.word()),
                )
                .help(match item {
                    Item::Node => {
                        "they look like names of nodes, of which nothing can be learned: write `features = degree` or \
                         `attributes`"
                    }
                    Item::Edge => {
                        "they look like names or weights of edges: real values belong in NAME_edge_attributes.txt"
                    }
                }));
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
