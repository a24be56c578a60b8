//! From what a reader found in its files to a data set: the options of the call for edges, features and targets, which are
//! the same whatever the format is, and the columns of the model that the data is read for.

use super::tu::features::{Item, label_columns};
use crate::args::{ArgValue, BoundCall};
use crate::data::columns::{self, Columns, KindLabels, Target, Vocabulary, names_in_words};
use crate::data::dataset::{Dataset, DatasetParts, Features, SparseRows, Targets, Unread};
use crate::data::edges::{EdgeList, EdgeOptions, Loops};
use crate::data::features::{self, Block, Graphs, Prepared};
use crate::data::files::size_in_words;
use crate::data::scan::{FileName, Table};
use crate::data::{DataError, DataOptions, Names, PartedBy};
use crate::diagnostic::count;
use crate::kernels::graph::EdgeKinds;
use crate::settings::protocol::Split;
use crate::types::{Entity, NoKinds, TargetKind, Task};
use std::collections::HashMap;
use std::sync::Arc;

/// One-hot columns of texts; a column with more names its rows.
const CATEGORIES: usize = 10_000;

/// The code of a row that says nothing.
pub const MISSING: u32 = u32::MAX;

/// What a reader found, in the order of its files.
#[derive(Debug)]
pub struct Found {
    pub name: String,
    /// What the targets belong to.
    pub entity: Entity,
    /// `[n_graphs + 1]`
    pub node_offsets: Vec<u32>,
    /// Directed edges (source, target) over all nodes.
    pub pairs: Vec<(u32, u32)>,
    pub nodes: Vec<Column>,
    pub edges: Vec<Column>,
    /// The column of `edges` that says of which kind an edge is, of labels or names.
    pub kinds: Option<usize>,
    pub target: Option<FoundTarget>,
    pub split: Option<Split>,
    pub parted_by: PartedBy,
    /// Number of each graph as its source counts them.
    pub graph_ids: Vec<u32>,
    pub names: Names,
    pub unread: Vec<Unread>,
}

/// One column of nodes or edges, or several that belong together.
#[derive(Debug)]
pub struct Column {
    /// Empty where the format gives its columns no names.
    pub name: String,
    pub cells: Cells,
    pub place: Place,
}

/// Where the rows of a column stand, for messages.
#[derive(Debug, Clone)]
pub struct Place {
    pub file: FileName,
    /// The line of each row, from 1; empty where line `i` is row `i`.
    pub lines: Arc<Vec<u32>>,
}

#[derive(Debug)]
pub enum Cells {
    /// Row-major, `width` numbers a row.
    Numbers { values: Vec<f32>, width: usize },
    /// Whole numbers that stand for kinds.
    Labels(Vec<i64>),
    /// Texts.
    Names(Texts),
    /// Numbers, most of them zeros.
    Sparse(SparseRows),
}

/// Texts of rows, each different one kept once.
#[derive(Debug, Default, Clone)]
pub struct Texts {
    /// Of each row the place in `values`, or [`MISSING`].
    pub codes: Vec<u32>,
    /// In the order in which they first occur.
    pub values: Vec<String>,
    known: HashMap<String, u32>,
}

#[derive(Debug)]
pub enum FoundTarget {
    /// `None` where an item has no label.
    Labels {
        values: Vec<Option<i64>>,
        place: Place,
    },
    Names {
        texts: Texts,
        place: Place,
    },
    /// Row-major `[n_items, n]`; `names` are those of the columns, empty where the format gives none.
    Numbers {
        values: Vec<f32>,
        n: usize,
        names: Vec<String>,
        place: Place,
    },
}

impl FoundTarget {
    fn place(&self) -> &Place {
        let (Self::Labels { place, .. } | Self::Names { place, .. } | Self::Numbers { place, .. }) = self;
        place
    }
}

impl Place {
    pub fn of(file: &FileName) -> Self {
        Self { file: file.clone(), lines: Arc::default() }
    }

    /// A mistake in a row.
    pub fn error(&self, code: &'static str, row: usize, message: impl Into<String>) -> DataError {
        let line = self.lines.get(row).map_or(row, |&line| line.max(1) as usize - 1);
        self.file.error(code, line, message)
    }
}

impl Texts {
    pub fn push(&mut self, text: &str) {
        let code = self.code(text);
        self.codes.push(code);
    }

    pub fn push_missing(&mut self) {
        self.codes.push(MISSING);
    }

    /// The place of a text among `values`, where it is put if it is new.
    pub fn code(&mut self, text: &str) -> u32 {
        if let Some(&code) = self.known.get(text) {
            return code;
        }
        let code = self.values.len() as u32;
        self.values.push(text.to_owned());
        self.known.insert(text.to_owned(), code);
        code
    }

    /// The place of a text; `None` where it does not occur.
    pub fn find(&self, text: &str) -> Option<u32> {
        self.known.get(text).copied()
    }

    /// The different texts, ascending: numbers by their size before all others.
    pub fn sorted(&self) -> Vec<String> {
        let mut sorted: Vec<String> = self.values.clone();
        let key = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
        sorted.sort_by(|a, b| match (key(a), key(b)) {
            (Some(one), Some(other)) => one.total_cmp(&other).then_with(|| a.cmp(b)),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => a.cmp(b),
        });
        sorted
    }

    /// The column of each row among these names; the first row whose text is none of them, with the text.
    fn places(&self, names: &[String]) -> Result<Vec<u32>, (usize, String)> {
        let of_name: HashMap<&str, u32> = names.iter().map(String::as_str).zip(0..).collect();
        let of_code: Vec<Option<u32>> =
            self.values.iter().map(|text| of_name.get(text.as_str()).copied()).collect();
        let place = |(row, &code): (usize, &u32)| match code {
            MISSING => Ok(MISSING),
            code => of_code[code as usize].ok_or_else(|| (row, self.values[code as usize].clone())),
        };
        self.codes.iter().enumerate().map(place).collect()
    }
}

/// Makes the data set that the call asks for.
///
/// # Errors
/// Where an option asks for what the data does not have, or the data means something else than the model's.
pub fn assemble(found: Found, call: &BoundCall, options: &DataOptions) -> Result<Dataset, DataError> {
    let known = options.vocabulary.as_ref();
    let max_bytes = options.max_bytes()?.saturating_mul(4);
    let Found {
        name,
        entity,
        node_offsets,
        pairs,
        nodes,
        edges: edge_columns,
        kinds,
        target,
        split,
        parted_by,
        graph_ids,
        names,
        unread,
    } = found;
    let n_nodes = node_offsets.last().map_or(0, |&end| end as usize);
    if n_nodes == 0 {
        return Err(DataError::new("data::empty", "there are no nodes").file(name));
    }
    if u32::try_from(pairs.len()).is_err() {
        return Err(DataError::new("data::too_large", "more than 4294967295 edges")
            .file(name)
            .help("split the data set"));
    }
    let n_edges = pairs.len();
    let rows = (entity == Entity::Pairs).then(|| (0..n_edges as u32).collect());
    let mut edges = EdgeList { pairs, features: None, kinds: None, rows };
    let mut kind_labels = None;
    if let Some(column) = kinds {
        let (found, labels) = edge_kinds(&edge_columns[column], known)?;
        (edges.kinds, kind_labels) = (Some(found), Some(labels));
    } else if let Some(labels) = known.and_then(|known| known.edge_kinds.clone()).filter(|_| n_edges == 0) {
        let labels = KindLabels { has_added_loops: false, ..labels };
        edges.kinds = Some(EdgeKinds { of_entry: Arc::default(), n_kinds: labels.n_kinds() });
        kind_labels = Some(labels);
    }
    let asked = Asked::of(Item::Edge, call, known);
    let mut block_columns = Vec::new();
    if asked.word != "none" {
        let block = asked.own(&name, &edge_columns, n_edges, known, max_bytes)?;
        asked.expect_columns_of(&name, known, &block.columns)?;
        edges.features = (block.features.width() > 0).then_some(block.features);
        block_columns = block.columns;
    }
    let edge_options = EdgeOptions::of(call);
    let edits = edge_options.apply(&mut edges, n_nodes, call, max_bytes)?;
    let has_lost_kinds = kind_labels.is_some() && edges.kinds.is_none();
    let kind_labels = kind_labels
        .filter(|_| !has_lost_kinds)
        .map(|labels| KindLabels { has_added_loops: edge_options.loops == Loops::Add, ..labels });
    let prepared = node_features(&name, &nodes, call, (&node_offsets, &edges.pairs), known, max_bytes)?;
    drop(nodes);
    let place = target.as_ref().map(|target| target.place().clone());
    let (targets, class_names, target) = targets(target, known)?;
    let kind = match targets {
        Targets::Classes(_) => Some(TargetKind::Classification),
        Targets::Values { .. } => Some(TargetKind::Regression),
        Targets::None => None,
    };
    let parts = DatasetParts {
        name,
        task: kind.map(|kind| Task { entity, kind }),
        node_offsets,
        edges: edges.pairs,
        edge_features: edges.features,
        edge_kinds: edges.kinds,
        features: prepared.features,
        targets,
        class_names,
        fixed_split: split,
        graph_ids,
        vocabulary: Vocabulary {
            columns: prepared.columns,
            target,
            edge_columns: block_columns,
            edge_kinds: kind_labels,
        },
    };
    let mut dataset = match (&edges.rows, place) {
        (Some(rows), Some(place)) => Dataset::of_edges(parts, rows).map_err(|[row, reverse]| {
            let line = place.lines.get(reverse as usize).map_or(reverse + 1, |&line| line);
            let message = format!("this edge is in another part of the split than its reverse, of line {line}");
            place.error("data::in_two_parts", row as usize, message).help(
                "both are one item, because each edge has a reverse with the same target: put them in one part",
            )
        })?,
        _ => Dataset::new(parts),
    };
    dataset.draw_signs(prepared.random_signs);
    dataset.edits = edits;
    dataset.no_kinds = has_lost_kinds.then_some(NoKinds::Merged);
    dataset.unread = unread;
    dataset.names = names;
    dataset.parted_by = parted_by;
    Ok(dataset)
}

/// The kind of each edge, and what the kinds are.
fn edge_kinds(column: &Column, known: Option<&Vocabulary>) -> Result<(EdgeKinds, KindLabels), DataError> {
    let known = known.and_then(|known| known.edge_kinds.as_ref());
    match &column.cells {
        Cells::Labels(labels) => {
            let table = Table { values: labels.clone(), width: 1, n_rows: labels.len() };
            let known = known.map(|known| [(known.values.as_slice(), known.unseen.as_slice())]);
            let known = known.as_ref().map(<[_; 1]>::as_slice);
            let (places, blocks) = label_columns(&column.place.file, &table, Item::Edge, known)?;
            let Some(Columns::Labels { values, unseen }) = blocks.into_iter().next() else {
                unreachable!("labels become a block of labels")
            };
            let kinds = EdgeKinds { of_entry: Arc::new(places), n_kinds: values.len() };
            Ok((kinds, KindLabels { values, names: Vec::new(), unseen, has_added_loops: false }))
        }
        Cells::Names(texts) => {
            let names = known.map(|known| &known.names).filter(|names| !names.is_empty()).cloned();
            let names = names.unwrap_or_else(|| texts.sorted());
            let places = places_of(column, texts, &names, Item::Edge)?;
            let values = (0..names.len() as i64).collect();
            let kinds = EdgeKinds { of_entry: Arc::new(places), n_kinds: names.len() };
            Ok((kinds, KindLabels { values, names, unseen: Vec::new(), has_added_loops: false }))
        }
        Cells::Numbers { .. } | Cells::Sparse(_) => unreachable!("readers name a column of labels or texts"),
    }
}

/// The place of the text of each row; one that is missing or not among the names is an error.
fn places_of(column: &Column, texts: &Texts, names: &[String], item: Item) -> Result<Vec<u32>, DataError> {
    let places =
        texts.places(names).map_err(|(row, text)| {
            let (what, text) = (in_quotes(column, item), names_in_words(&[text]));
            column.place.error(
            "data::unknown_label",
            row,
            format!("`{text}` of {what} does not occur in the data that the model was trained with"),
        )
        .help("the model has learned nothing about it: correct the value, or train with data that has it")
        })?;
    match places.iter().position(|&place| place == MISSING) {
        None => Ok(places),
        Some(row) => Err(column
            .place
            .error("data::missing_value", row, format!("{} has no value here", in_quotes(column, item)))
            .help("write a value, for example `unknown`, which then has a column of its own")),
    }
}

/// "the column `colour`", "the node labels"
fn in_quotes(column: &Column, item: Item) -> String {
    match column.name.as_str() {
        "" => format!("the {} labels", item.word()),
        name => format!("the column `{}`", names_in_words(&[name.to_owned()])),
    }
}

/// What a call asks for of the columns of nodes or edges.
struct Asked<'a> {
    item: Item,
    /// `auto`, `labels`, `attributes`, `both`, or a word that needs no columns.
    word: &'a str,
    /// Left open, so that the columns are those of the model, where one is known.
    is_open: bool,
    span: Option<crate::source::Span>,
}

impl<'a> Asked<'a> {
    fn of(item: Item, call: &'a BoundCall, known: Option<&Vocabulary>) -> Self {
        let written = call.args.get(item.setting());
        let word = match written.map(|arg| &arg.value) {
            Some(ArgValue::Choice(word)) => word,
            _ => "",
        };
        let span = written.and_then(|arg| arg.span);
        let is_open = span.is_none() && known.is_some_and(|known| !known_columns(item, known).is_empty());
        Self { item, word, is_open, span }
    }

    /// The columns of the files that are asked for: numbers first, then those that are one-hot.
    fn own(
        &self,
        name: &str,
        all: &[Column],
        n_items: usize,
        known: Option<&Vocabulary>,
        max_bytes: u64,
    ) -> Result<Block, DataError> {
        let known = known.map(|known| known_columns(self.item, known)).filter(|known| !known.is_empty());
        // Data without edges has nothing to say of them, and nothing that could differ.
        if let (Some(known), 0) = (known, n_items) {
            let width = known.iter().map(Columns::width).sum();
            return Ok(Block {
                features: Features::Dense { values: Vec::new().into(), width },
                columns: known.clone(),
            });
        }
        let is_numbers = |column: &&Column| matches!(column.cells, Cells::Numbers { .. } | Cells::Sparse(_));
        let wants = |words: &[&str]| self.is_open || words.contains(&self.word);
        let mut parts = Vec::new();
        if wants(&["auto", "attributes", "both"]) {
            parts.extend(self.numbers(name, all.iter().filter(is_numbers), known)?);
        }
        if wants(&["auto", "labels", "both"]) {
            let others = all.iter().filter(|column| !is_numbers(column));
            parts.extend(self.one_hot(name, others, known)?);
        }
        let lacks = |is_there: fn(&Columns) -> bool| parts.iter().all(|(_, block)| !is_there(block));
        let is_number =
            |block: &Columns| matches!(block, Columns::Attributes { .. } | Columns::Numbers { .. });
        let is_label = |block: &Columns| matches!(block, Columns::Labels { .. } | Columns::Categories { .. });
        let missing = match self.word {
            _ if self.is_open => None,
            "labels" | "both" if lacks(is_label) => Some("labels or texts"),
            "attributes" | "both" if lacks(is_number) => Some("numbers"),
            _ => None,
        };
        if let Some(missing) = missing {
            let (setting, word, item) = (self.item.setting(), self.word, self.item.word());
            return Err(DataError::new(
                "data::missing_part",
                format!("`{setting} = {word}` asks for {missing} of the {item}s, which {name} does not have"),
            )
            .help(match self.item {
                Item::Node => "leave it out for what there is, or write `features = degree`, or `constant`",
                Item::Edge => "leave it out: what the edges carry is read",
            })
            .span(self.span));
        }
        put_together(parts, n_items, self.item, max_bytes).map_err(|error| error.span(self.span))
    }

    /// Columns of numbers: those without names are one block, those with names one that says them.
    fn numbers<'c>(
        &self,
        name: &str,
        columns: impl Iterator<Item = &'c Column>,
        known: Option<&Vec<Columns>>,
    ) -> Result<Vec<(Part<'c>, Columns)>, DataError> {
        let (named, unnamed): (Vec<&Column>, Vec<&Column>) =
            columns.partition(|column| !column.name.is_empty());
        let mut parts: Vec<(Part<'c>, Columns)> = Vec::new();
        let width: usize = unnamed.iter().map(|column| column.width()).sum();
        if width > 0 {
            parts.push((Part::Numbers(unnamed), Columns::Attributes { count: width }));
        }
        let known_names = known.and_then(|known| {
            known.iter().find_map(|block| match block {
                Columns::Numbers { names } => Some(names),
                _ => None,
            })
        });
        let asked: Vec<&Column> = match known_names {
            None => named,
            Some(names) => {
                let find = |wanted: &String| {
                    named.iter().copied().find(|column| column.name == *wanted).ok_or_else(|| {
                        let columns: Vec<String> = named.iter().map(|column| column.name.clone()).collect();
                        self.other_columns(name, wanted, &columns)
                    })
                };
                names.iter().map(find).collect::<Result<_, _>>()?
            }
        };
        if !asked.is_empty() {
            let names = asked.iter().map(|column| column.name.clone()).collect();
            parts.push((Part::Numbers(asked), Columns::Numbers { names }));
        }
        Ok(parts)
    }

    fn other_columns(&self, name: &str, wanted: &str, there: &[String]) -> DataError {
        let item = self.item.word();
        let has = match there {
            [] => format!("has no such columns of {item}s"),
            there => format!("has the columns {}", names_in_words(there)),
        };
        DataError::new(
            "data::other_columns",
            format!("the model was trained with the {item} column `{wanted}`, and {name} {has}"),
        )
        .help("the model has no other inputs: give data with this column, or train a model on those that the data has")
        .span(self.span)
    }

    /// One-hot columns, a block for each column of the files.
    fn one_hot<'c>(
        &self,
        name: &str,
        columns: impl Iterator<Item = &'c Column>,
        known: Option<&Vec<Columns>>,
    ) -> Result<Vec<(Part<'c>, Columns)>, DataError> {
        let all: Vec<&Column> = columns.collect();
        let mut parts = Vec::new();
        let mut known_labels = known.map(|known| {
            let labels = known.iter().filter_map(|block| match block {
                Columns::Labels { values, unseen } => Some((values.as_slice(), unseen.as_slice())),
                _ => None,
            });
            labels.collect::<Vec<_>>().into_iter()
        });
        let known_of = |wanted: &str| {
            known.and_then(|known| {
                known.iter().find_map(|block| match block {
                    Columns::Categories { column, values } if column == wanted => Some(values),
                    _ => None,
                })
            })
        };
        // A model's columns come in its order, and columns that it does not know are left out.
        let ordered: Vec<&Column> = match known {
            None => all,
            Some(known) => {
                let mut ordered: Vec<&Column> =
                    all.iter().copied().filter(|column| matches!(column.cells, Cells::Labels(_))).collect();
                for block in known {
                    let Columns::Categories { column: wanted, .. } = block else { continue };
                    let is_wanted =
                        |column: &&&Column| column.name == *wanted && matches!(column.cells, Cells::Names(_));
                    match all.iter().find(is_wanted) {
                        Some(column) => ordered.push(column),
                        None => {
                            let names: Vec<String> = all.iter().map(|column| column.name.clone()).collect();
                            return Err(self.other_columns(name, wanted, &names));
                        }
                    }
                }
                ordered
            }
        };
        for column in ordered {
            match &column.cells {
                Cells::Labels(labels) => {
                    let of_model = known_labels.as_mut().map(Iterator::next);
                    // A column of labels more than the model has.
                    if matches!(of_model, Some(None)) {
                        continue;
                    }
                    let of_model = of_model.flatten().map(|labels| [labels]);
                    let table = Table { values: labels.clone(), width: 1, n_rows: labels.len() };
                    let of_model = of_model.as_ref().map(<[_; 1]>::as_slice);
                    let (places, mut blocks) =
                        label_columns(&column.place.file, &table, self.item, of_model)?;
                    if let Some(block) = blocks.pop() {
                        parts.push((Part::OneHot(places), block));
                    }
                }
                Cells::Names(texts) => {
                    let values = known_of(&column.name).cloned().unwrap_or_else(|| texts.sorted());
                    if values.len() > CATEGORIES {
                        return Err(column
                            .place
                            .file
                            .whole(
                                "data::too_many_labels",
                                format!(
                                    "{} has more than {CATEGORIES} different texts",
                                    in_quotes(column, self.item)
                                ),
                            )
                            .help(
                                "they look like names, of which nothing can be learned: leave the column out",
                            ));
                    }
                    let places = places_of(column, texts, &values, self.item)?;
                    parts.push((
                        Part::OneHot(places),
                        Columns::Categories { column: column.name.clone(), values },
                    ));
                }
                Cells::Numbers { .. } | Cells::Sparse(_) => {}
            }
        }
        Ok(parts)
    }

    /// Refuses columns that mean something else than those that the model was trained with.
    fn expect_columns_of(
        &self,
        name: &str,
        known: Option<&Vocabulary>,
        now: &[Columns],
    ) -> Result<(), DataError> {
        let Some(known) = known.map(|known| known_columns(self.item, known)) else { return Ok(()) };
        if columns::agree(known, now) {
            return Ok(());
        }
        let item = self.item.word();
        let (then, now) = (columns::in_words(known, item), columns::in_words(now, item));
        Err(DataError::new(
            "data::other_columns",
            format!("the model was trained with {then}, and {name} gives {now}"),
        )
        .help(match self.span {
            Some(_) => format!("leave `{}` out, and the data is read as the model's was", self.item.setting()),
            None => "the model has no other inputs: give data with these features, or train a model on those that the \
                     data has"
                .to_owned(),
        })
        .span(self.span))
    }
}

fn known_columns(item: Item, known: &Vocabulary) -> &Vec<Columns> {
    match item {
        Item::Node => &known.columns,
        Item::Edge => &known.edge_columns,
    }
}

/// Values of one block of columns.
enum Part<'a> {
    Numbers(Vec<&'a Column>),
    /// The column of each row.
    OneHot(Vec<u32>),
}

impl Column {
    fn width(&self) -> usize {
        match &self.cells {
            Cells::Numbers { width, .. } => *width,
            Cells::Sparse(rows) => rows.width,
            _ => 0,
        }
    }
}

/// Blocks beside each other.
fn put_together(
    mut parts: Vec<(Part, Columns)>,
    n_items: usize,
    item: Item,
    max_bytes: u64,
) -> Result<Block, DataError> {
    let width: usize = parts.iter().map(|(_, block)| block.width()).sum();
    let columns: Vec<Columns> = parts.iter().map(|(_, block)| block.clone()).collect();
    if let [(Part::OneHot(places), _)] = parts.as_mut_slice() {
        let places = std::mem::take(places);
        return Ok(Block { features: Features::OneHot { columns: places.into(), width }, columns });
    }
    if let [(Part::Numbers(numbers), _)] = parts.as_slice()
        && let [Column { cells: Cells::Sparse(rows), .. }] = numbers.as_slice()
    {
        return Ok(Block { features: Features::Sparse(rows.clone()), columns });
    }
    // A small file can ask for many columns of many rows, most of them zeros.
    let n_bytes = n_items.saturating_mul(width).saturating_mul(size_of::<f32>()) as u64;
    if n_bytes > max_bytes {
        return Err(DataError::new(
            "data::too_large",
            format!(
                "the features of {} in {width} columns take {}; the limit is {}",
                count(n_items, item.word()),
                size_in_words(n_bytes),
                size_in_words(max_bytes)
            ),
        )
        .help(format!(
            "write `{} = attributes`, or allow more with `--max-data-size {}GiB`",
            item.setting(),
            n_bytes.div_ceil(4 << 30)
        )));
    }
    let mut values = vec![0f32; n_items * width];
    let mut first = 0;
    for (part, block) in &parts {
        match part {
            Part::OneHot(places) => {
                for (row, &place) in places.iter().enumerate() {
                    values[row * width + first + place as usize] = 1.0;
                }
            }
            Part::Numbers(columns) => {
                let mut at = first;
                for column in columns {
                    let own = column.width();
                    for row in 0..n_items {
                        let out = &mut values[row * width + at..][..own];
                        match &column.cells {
                            Cells::Numbers { values: cells, .. } => {
                                out.copy_from_slice(&cells[row * own..][..own])
                            }
                            Cells::Sparse(rows) => {
                                for entry in rows.offsets[row] as usize..rows.offsets[row + 1] as usize {
                                    out[rows.columns[entry] as usize] = rows.values[entry];
                                }
                            }
                            _ => {}
                        }
                    }
                    at += own;
                }
            }
        }
        first += block.width();
    }
    Ok(Block { features: Features::Dense { values: values.into(), width }, columns })
}

/// The features of the nodes that the call asks for; where it leaves them open, those of the model.
fn node_features(
    name: &str,
    nodes: &[Column],
    call: &BoundCall,
    (node_offsets, pairs): (&[u32], &[(u32, u32)]),
    known: Option<&Vocabulary>,
    max_bytes: u64,
) -> Result<Prepared, DataError> {
    let n_nodes = node_offsets.last().map_or(0, |&end| end as usize);
    let asked = Asked::of(Item::Node, call, known);
    let mut prepared = if features::is_list(call) {
        let mut own = |feature: &BoundCall| {
            let span = Some(feature.span).filter(|span| span.start < span.end);
            let listed = Asked { item: Item::Node, word: feature.name, is_open: false, span };
            listed.own(name, nodes, n_nodes, known, max_bytes)
        };
        features::read(call, &Graphs::new(node_offsets, pairs, None), known, &mut own, max_bytes)?
    } else {
        let of_model = match known.map(|known| known.columns.as_slice()) {
            Some([Columns::Degrees { .. }]) if asked.is_open => Some("degree"),
            Some([Columns::Constant]) if asked.is_open => Some("constant"),
            _ => None,
        };
        let block = match of_model.unwrap_or(asked.word) {
            "constant" => features::ones(n_nodes),
            "degree" => features::degrees(n_nodes, pairs, known.and_then(Vocabulary::max_degree)),
            _ => asked.own(name, nodes, n_nodes, known, max_bytes)?,
        };
        Prepared { features: block.features, columns: block.columns, random_signs: Vec::new() }
    };
    asked.expect_columns_of(name, known, &prepared.columns)?;
    prepared.features = features::with_rows_normalized(prepared.features, n_nodes, call);
    Ok(prepared)
}

/// What is predicted, with the names of the classes. Data without what the model predicts has no targets.
fn targets(
    found: Option<FoundTarget>,
    known: Option<&Vocabulary>,
) -> Result<(Targets, Vec<String>, Option<Target>), DataError> {
    const NONE: (Targets, Vec<String>, Option<Target>) = (Targets::None, Vec::new(), None);
    let known = known.and_then(|known| known.target.as_ref());
    match found {
        None => Ok(NONE),
        Some(FoundTarget::Labels { values, place }) => {
            let labels = match known {
                Some(Target::Classes(labels)) => labels.clone(),
                Some(_) => return Ok(NONE),
                None => {
                    let mut labels: Vec<i64> = values.iter().flatten().copied().collect();
                    labels.sort_unstable();
                    labels.dedup();
                    labels
                }
            };
            let mut classes = Vec::with_capacity(values.len());
            for (row, value) in values.iter().enumerate() {
                classes.push(match value.map(|label| (label, labels.binary_search(&label))) {
                    None => -1,
                    Some((_, Ok(class))) => class as i64,
                    Some((label, Err(_))) => {
                        let classes = columns::values_in_words(&labels);
                        return Err(unknown_class(&place, row, &label.to_string(), &classes));
                    }
                });
            }
            let names = labels.iter().map(i64::to_string).collect();
            Ok(if labels.is_empty() {
                NONE
            } else {
                (Targets::Classes(classes), names, Some(Target::Classes(labels)))
            })
        }
        Some(FoundTarget::Names { texts, place }) => {
            let names = match known {
                Some(Target::Names(names)) => names.clone(),
                Some(_) => return Ok(NONE),
                None => texts.sorted(),
            };
            let places = texts.places(&names).map_err(|(row, text)| {
                unknown_class(&place, row, &names_in_words(&[text]), &names_in_words(&names))
            })?;
            let class = |&place: &u32| if place == MISSING { -1 } else { i64::from(place) };
            let classes: Vec<i64> = places.iter().map(class).collect();
            Ok(if names.is_empty() {
                NONE
            } else {
                (Targets::Classes(classes), names.clone(), Some(Target::Names(names)))
            })
        }
        Some(FoundTarget::Numbers { values, n, names, place }) => {
            let target = if names.is_empty() { Target::Values(n) } else { Target::Columns(names) };
            match known {
                Some(Target::Classes(_) | Target::Names(_)) => return Ok(NONE),
                Some(known) if *known != target => {
                    let words = |target: &Target| {
                        Vocabulary { target: Some(target.clone()), ..Vocabulary::default() }.target_in_words()
                    };
                    return Err(place
                        .file
                        .whole("data::other_columns", format!("the model predicts {}, but the data has {}", words(known), words(&target)))
                        .help("give data with the values that the model was trained on; to predict without targets, leave them out"));
                }
                _ => {}
            }
            Ok((Targets::Values { values, n_values: n }, Vec::new(), Some(target)))
        }
    }
}

fn unknown_class(place: &Place, row: usize, label: &str, classes: &str) -> DataError {
    place
        .error(
            "data::unknown_label",
            row,
            format!("label {label} is none of the model's classes ({classes})"),
        )
        .help("correct the label; to predict without labels, leave them out")
}
