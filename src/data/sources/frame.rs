//! Rows of named values, as tables and the formats with attributes have them, and what each column is for: target, split,
//! name, kind of an edge, or a feature.

use super::assembly::{Cells, Column, Found, FoundTarget, Place, Texts};
use crate::args::BoundCall;
use crate::data::dataset::Unread;
use crate::data::files::names;
use crate::data::scan::FileName;
use crate::data::{DataError, Names, PartedBy};
use crate::diagnostic::count;
use crate::findings::names::did_you_mean;
use crate::settings::data::columns::{CATEGORIES, GROUPS, IGNORE, KINDS, SPLIT, TARGET, TARGET_AS, TIME};
use crate::settings::protocol::Split;
use crate::types::Entity;
use std::collections::HashMap;
use std::sync::Arc;

/// Columns that are the target where the call names none, the first that is there.
const TARGETS: [&str; 4] = ["label", "class", "target", "y"];
/// The same of the kinds of edges.
const KIND_COLUMNS: [&str; 4] = ["relation", "kind", "edge_type", "type"];
const SPLIT_COLUMN: &str = "split";
const NAME_COLUMN: &str = "name";

/// One value of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    Missing,
    Number(f64),
    Text(&'a str),
    List(&'a [f64]),
}

/// Rows of nodes, edges or graphs, with columns as they come.
#[derive(Debug)]
pub struct Frame {
    pub file: FileName,
    /// `node`, `edge`, `graph`.
    what: &'static str,
    lines: Vec<u32>,
    columns: Vec<(String, Values)>,
    by_name: HashMap<String, usize>,
}

/// What the rows of a column are so far; rows at the end without a value are not there yet.
#[derive(Debug, Clone)]
enum Values {
    /// Row-major with `width` values a row; NaN where there is none.
    Numbers {
        values: Vec<f64>,
        width: usize,
    },
    Texts(Texts),
}

impl Frame {
    pub fn new(file: FileName, what: &'static str) -> Self {
        Self { file, what, lines: Vec::new(), columns: Vec::new(), by_name: HashMap::new() }
    }

    pub fn n_rows(&self) -> usize {
        self.lines.len()
    }

    pub fn line(&self, row: usize) -> usize {
        self.lines[row] as usize
    }

    /// Begins the next row, which stands on this line, counted from 1.
    pub fn begin(&mut self, line: usize) {
        self.lines.push(u32::try_from(line).unwrap_or(u32::MAX));
    }

    /// The column of that name, made where there is none.
    pub fn column(&mut self, name: &str) -> usize {
        if let Some(&column) = self.by_name.get(name) {
            return column;
        }
        self.columns.push((name.to_owned(), Values::Numbers { values: Vec::new(), width: 1 }));
        self.by_name.insert(name.to_owned(), self.columns.len() - 1);
        self.columns.len() - 1
    }

    /// Sets a value of the last row.
    ///
    /// # Errors
    /// Where a list has another length than those before, a number is not finite, or the row has the value already.
    pub fn set(&mut self, column: usize, cell: Cell) -> Result<(), DataError> {
        self.set_at(self.lines.len() - 1, column, cell)
    }

    /// The same of an earlier row; rows of a column are set in their order.
    ///
    /// # Errors
    /// As [`Frame::set`].
    pub fn set_at(&mut self, row: usize, column: usize, cell: Cell) -> Result<(), DataError> {
        let (name, values) = &mut self.columns[column];
        let wrong = |code: &'static str, message: String| {
            DataError::new(code, message).file(self.file.to_string()).line(self.lines[row] as usize)
        };
        if values.n_rows() > row {
            return Err(wrong("data::ragged", format!("`{}` has two values", shown(name)))
                .help("a column has one value a row: rename one of them"));
        }
        values.pad(row);
        match (cell, &mut *values) {
            // It counts as a value, so that the next of the same name is one too many.
            (Cell::Missing, values) => values.pad(row + 1),
            (Cell::Number(number), _) if !number.is_finite() => {
                return Err(wrong("data::not_finite", format!("`{}` is not finite here", shown(name)))
                    .help("replace it with a value: a NaN or infinity would spread to every weight"));
            }
            (Cell::Number(number), Values::Numbers { values, width: 1 }) => values.push(number),
            (Cell::Number(number), Values::Texts(texts)) => texts.push(&number_text(number)),
            (Cell::Text(text), Values::Texts(texts)) => texts.push(text),
            (Cell::Text(text), Values::Numbers { values: numbers, width: 1 }) => {
                let mut texts = Texts::default();
                for &number in numbers.iter() {
                    if number.is_nan() { texts.push_missing() } else { texts.push(&number_text(number)) }
                }
                texts.push(text);
                *values = Values::Texts(texts);
            }
            (Cell::List(list), Values::Numbers { values, width }) => {
                if values.iter().all(|value| value.is_nan()) && *width == 1 && !list.is_empty() {
                    values.resize(row * list.len(), f64::NAN);
                    *width = list.len();
                }
                if list.len() != *width {
                    let message = format!(
                        "`{}` has {}, but {width} in the rows before",
                        shown(name),
                        count(list.len(), "value")
                    );
                    return Err(wrong("data::ragged", message).help("every row has as many"));
                }
                if list.iter().any(|value| !value.is_finite()) {
                    return Err(wrong(
                        "data::not_finite",
                        format!("`{}` has a value that is not finite", shown(name)),
                    )
                    .help("replace it: a NaN or infinity would spread to every weight"));
                }
                values.extend_from_slice(list);
            }
            (Cell::Number(_) | Cell::Text(_) | Cell::List(_), _) => {
                let message =
                    format!("`{}` is a list in some rows and a single value in others", shown(name));
                return Err(wrong("data::ragged", message).help("write it in the same way everywhere"));
            }
        }
        Ok(())
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// Takes a column out as texts, `None` for rows without a value.
    pub fn take_texts(&mut self, name: &str) -> Option<Vec<Option<String>>> {
        let values = self.take(name)?;
        Some((0..self.n_rows()).map(|row| values.text(row)).collect())
    }

    /// All columns as numbers, row-major, with their names.
    ///
    /// # Errors
    /// Where a value is missing or a text, with its line.
    pub fn into_numbers(mut self) -> Result<(Vec<String>, Vec<f32>), DataError> {
        let n_rows = self.lines.len();
        let columns = std::mem::take(&mut self.columns);
        let mut names = Vec::new();
        let mut blocks = Vec::new();
        for (name, mut values) in columns {
            values.pad(n_rows);
            let Values::Numbers { values, width } = values else {
                let row = (0..n_rows)
                    .find(|&row| values.text(row).is_some_and(|text| text.parse::<f64>().is_err()));
                let line = row.map_or(1, |row| self.line(row)).saturating_sub(1);
                let message = format!("`{}` holds texts, and features are numbers", shown(&name));
                return Err(self
                    .file
                    .error("data::not_a_number", line, message)
                    .help("leave the column out with `ignore`, or write numbers for its values"));
            };
            if let Some(row) =
                (0..n_rows).find(|&row| values[row * width..][..width].iter().any(|value| value.is_nan()))
            {
                let message = format!("there is no value of `{}`", shown(&name));
                return Err(self
                    .file
                    .error("data::missing_value", self.line(row).saturating_sub(1), message)
                    .help("write one, or leave the column out with `ignore`"));
            }
            names.extend(
                (0..width).map(|place| if width == 1 { name.clone() } else { format!("{name}[{place}]") }),
            );
            blocks.push((values, width));
        }
        let mut numbers = Vec::with_capacity(n_rows * names.len());
        for row in 0..n_rows {
            for (values, width) in &blocks {
                numbers.extend(values[row * width..][..*width].iter().map(|&value| value as f32));
            }
        }
        Ok((names, numbers))
    }

    pub fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    fn place(&self) -> Place {
        Place { file: self.file.clone(), lines: Arc::new(self.lines.clone()) }
    }

    /// Takes a column out, with a value or none for each row.
    fn take(&mut self, name: &str) -> Option<Values> {
        let column = self.by_name.remove(name)?;
        let (_, mut values) = self.columns.remove(column);
        self.by_name.values_mut().filter(|place| **place > column).for_each(|place| *place -= 1);
        values.pad(self.lines.len());
        Some(values)
    }

    /// The values of a column, which stays.
    fn copy(&mut self, name: &str) -> Option<Values> {
        let n_rows = self.lines.len();
        let values = &mut self.columns[*self.by_name.get(name)?].1;
        values.pad(n_rows);
        Some(values.clone())
    }

    /// The rows in another order: row `i` is what row `order[i]` was.
    pub fn reorder(&mut self, order: &[u32]) {
        for (_, values) in &mut self.columns {
            values.pad(self.lines.len());
            values.reorder(order);
        }
        self.lines = order.iter().map(|&row| self.lines[row as usize]).collect();
    }
}

impl Values {
    fn n_rows(&self) -> usize {
        match self {
            Values::Numbers { values, width } => values.len() / width,
            Values::Texts(texts) => texts.codes.len(),
        }
    }

    fn pad(&mut self, n_rows: usize) {
        match self {
            Values::Numbers { values, width } => values.resize((n_rows * *width).max(values.len()), f64::NAN),
            Values::Texts(texts) => (texts.codes.len()..n_rows).for_each(|_| texts.push_missing()),
        }
    }

    fn reorder(&mut self, order: &[u32]) {
        match self {
            Values::Numbers { values, width } => {
                *values = order
                    .iter()
                    .flat_map(|&row| &values[row as usize * *width..][..*width])
                    .copied()
                    .collect();
            }
            Values::Texts(texts) => {
                texts.codes = order.iter().map(|&row| texts.codes[row as usize]).collect();
            }
        }
    }

    /// The row as a text; `None` where it has no value.
    fn text(&self, row: usize) -> Option<String> {
        match self {
            Values::Numbers { values, width } => {
                let row = &values[row * width..][..*width];
                (!row[0].is_nan())
                    .then(|| row.iter().map(|&value| number_text(value)).collect::<Vec<_>>().join(" "))
            }
            Values::Texts(texts) => texts.values.get(texts.codes[row] as usize).cloned(),
        }
    }

    /// The same as texts.
    fn into_texts(self) -> Texts {
        match self {
            Values::Texts(texts) => texts,
            numbers => {
                let mut texts = Texts::default();
                (0..numbers.n_rows()).for_each(|row| match numbers.text(row) {
                    Some(text) => texts.push(&text),
                    None => texts.push_missing(),
                });
                texts
            }
        }
    }

    /// Whole numbers, with `None` for rows without a value; none where a number has a fraction.
    fn whole(&self) -> Option<Vec<Option<i64>>> {
        let Values::Numbers { values, width: 1 } = self else { return None };
        let whole = |&value: &f64| match value {
            value if value.is_nan() => Some(None),
            value if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 => {
                Some(Some(value as i64))
            }
            _ => None,
        };
        values.iter().map(whole).collect()
    }
}

/// A number as texts beside it have it: `1`, `0.5`.
fn number_text(value: f64) -> String {
    format!("{}", value + 0.0)
}

/// A name out of a file, as messages show it.
fn shown(name: &str) -> String {
    let names = [name.to_owned()];
    crate::data::columns::names_in_words(&names)
}

/// Graphs with attributes, as a reader found them.
#[derive(Debug)]
pub struct Frames {
    pub name: String,
    pub node_offsets: Vec<u32>,
    pub pairs: Vec<(u32, u32)>,
    /// A row for each node, edge and graph; without columns the rows do not count.
    pub nodes: Frame,
    pub edges: Frame,
    pub graphs: Frame,
    /// Columns without names that the format has beside them.
    pub node_columns: Vec<Column>,
    pub edge_columns: Vec<Column>,
    pub graph_ids: Vec<u32>,
    pub names: Names,
    pub unread: Vec<Unread>,
}

impl Frames {
    /// Decides what each column is for, as the call says or by their names.
    ///
    /// # Errors
    /// Where the call names a column that is not there, or a column cannot be what it is asked to be.
    pub fn found(
        mut self,
        call: &BoundCall,
        known: Option<&crate::data::Vocabulary>,
    ) -> Result<Found, DataError> {
        let n_graphs = self.node_offsets.len() - 1;
        for ignored in listed(call, IGNORE.name) {
            let frames = [&mut self.nodes, &mut self.edges, &mut self.graphs];
            let mut is_there = false;
            frames.into_iter().for_each(|frame| is_there |= frame.take(&ignored).is_some());
            if !is_there {
                return Err(self.unknown(call, IGNORE.name, &ignored));
            }
        }
        let asked = listed(call, TARGET.name);
        let (entity, target) = match asked.as_slice() {
            [] if is_none(call, TARGET.name) => (Entity::Graph, None),
            [] => {
                let first = |frame: &Frame| TARGETS.into_iter().find(|name| frame.has(name));
                match (first(&self.graphs), first(&self.nodes)) {
                    (Some(name), _) => (Entity::Graph, Some(vec![name.to_owned()])),
                    (None, Some(name)) => (Entity::Nodes, Some(vec![name.to_owned()])),
                    (None, None) => (Entity::Graph, None),
                }
            }
            asked => {
                let has_all = |frame: &Frame| asked.iter().all(|name| frame.has(name));
                let frames = [
                    (&self.graphs, Entity::Graph),
                    (&self.nodes, Entity::Nodes),
                    (&self.edges, Entity::Pairs),
                ];
                let entity = frames.into_iter().find(|(frame, _)| has_all(frame)).map(|(_, entity)| entity);
                match entity {
                    Some(entity) => (entity, Some(asked.to_vec())),
                    // A model's own setting, and data to predict for.
                    None if known.is_some() => (Entity::Graph, None),
                    None => {
                        let is_missing = |name: &&String| {
                            ![&self.graphs, &self.nodes, &self.edges].into_iter().any(|frame| frame.has(name))
                        };
                        let missing = asked.iter().find(is_missing).unwrap_or(&asked[0]).clone();
                        return Err(self.unknown(call, TARGET.name, &missing));
                    }
                }
            }
        };
        let frame = match entity {
            Entity::Graph => &mut self.graphs,
            Entity::Pairs => &mut self.edges,
            _ => &mut self.nodes,
        };
        let target = target.map(|columns| take_target(frame, &columns, call)).transpose()?;
        let split_column = call.args.text(SPLIT.name).map(str::to_owned);
        let split = match &split_column {
            Some(column) if !frame.has(column) && known.is_none() => {
                return Err(self.unknown(call, SPLIT.name, column));
            }
            Some(column) => take_split(frame, column, target.as_ref(), true)?,
            None if frame.has(SPLIT_COLUMN) => take_split(frame, SPLIT_COLUMN, target.as_ref(), false)?,
            None => None,
        };
        let parted_by = match &target {
            Some(_) => self.parted_by(entity, call, known.is_some())?,
            None => PartedBy::default(),
        };
        for (frame, names, n_rows) in [
            (&mut self.nodes, &mut self.names.nodes, self.node_offsets[n_graphs] as usize),
            (&mut self.graphs, &mut self.names.graphs, n_graphs),
        ] {
            if frame.has(NAME_COLUMN) && frame.n_rows() == n_rows {
                let values = frame.take(NAME_COLUMN).expect("it has it");
                *names = (0..n_rows).map(|row| values.text(row).unwrap_or_default()).collect();
            }
        }
        let categories = listed(call, CATEGORIES.name);
        for name in &categories {
            if !self.nodes.has(name) && !self.edges.has(name) && known.is_none() {
                return Err(self.unknown(call, CATEGORIES.name, name));
            }
        }
        let known_columns = known.map_or(&[][..], |known| known.columns.as_slice());
        let known_edges = known.map_or(&[][..], |known| known.edge_columns.as_slice());
        let mut nodes = std::mem::take(&mut self.node_columns);
        nodes.extend(columns_of(&mut self.nodes, &categories, known_columns)?);
        let kinds = self.kinds(call, known)?;
        let mut edges = std::mem::take(&mut self.edge_columns);
        let mut categories = categories;
        categories.extend(kinds.clone());
        let found = columns_of(&mut self.edges, &categories, known_edges)?;
        let kinds = kinds.and_then(|kinds| found.iter().position(|column| column.name == kinds));
        let kinds = kinds.map(|place| edges.len() + place).or_else(|| {
            // The labels of edges, where the format has them apart.
            let mut labels =
                edges.iter().enumerate().filter(|(_, column)| !matches!(column.cells, Cells::Numbers { .. }));
            labels.next().filter(|_| labels.next().is_none()).map(|(place, _)| place)
        });
        edges.extend(found);
        let mut unread = std::mem::take(&mut self.unread);
        let rest: Vec<String> = self.graphs.names().map(str::to_owned).collect();
        if !rest.is_empty() {
            let file = self.graphs.file.to_string();
            unread.push(Unread {
                what: format!("columns of graphs ({})", names(&rest)),
                file,
                n_columns: Some(rest.len()),
                setting: None,
            });
        }
        Ok(Found {
            name: self.name,
            entity,
            node_offsets: self.node_offsets,
            pairs: self.pairs,
            nodes,
            edges,
            kinds,
            target,
            split,
            parted_by,
            graph_ids: self.graph_ids,
            names: self.names,
            unread,
        })
    }

    /// What the predicted items can be parted by, where the call names columns. Data for a model that is there may lack them.
    fn parted_by(&mut self, entity: Entity, call: &BoundCall, is_known: bool) -> Result<PartedBy, DataError> {
        let mut parted_by = PartedBy::default();
        for arg in [TIME.name, GROUPS.name] {
            let Some(name) = call.args.text(arg) else { continue };
            if entity == Entity::Pairs {
                return Err(DataError::new(
                    "data::no_effect",
                    format!("`{arg}` has no effect here: edges are predicted, and they are parted by their graphs or one by one"),
                )
                .help("leave it out")
                .span(call.args.get(arg).and_then(|arg| arg.span)));
            }
            let frame = if entity == Entity::Graph { &mut self.graphs } else { &mut self.nodes };
            // One column may say both.
            let values = match call.args.text(GROUPS.name) == call.args.text(TIME.name) && arg == TIME.name {
                true => frame.copy(name),
                false => frame.take(name),
            };
            let Some(values) = values else {
                if is_known {
                    continue;
                }
                return Err(self.unknown(call, arg, name));
            };
            let (place, n_rows) = (frame.place(), frame.n_rows());
            let missing = |row: usize| {
                place.error("data::missing_value", row, format!("`{}` has no value here", shown(name))).help(
                    format!(
                        "write the value: `{arg} = \"{}\"` says of every item where it belongs",
                        shown(name)
                    ),
                )
            };
            if arg == TIME.name {
                parted_by.times = times(&values, n_rows).map_err(|(row, text)| match text {
                    None => missing(row),
                    Some(text) => place
                        .error(
                            "data::not_a_time",
                            row,
                            format!("`{}` of `{}` is no time", shown(&text), shown(name)),
                        )
                        .help("times are numbers, such as years, or dates as `2019-03-31` or `2019-03-31T12:00:00`"),
                })?;
            } else {
                let texts = values.into_texts();
                if let Some(row) = texts.codes.iter().position(|&code| code == super::assembly::MISSING) {
                    return Err(missing(row));
                }
                parted_by.groups = texts.codes;
            }
        }
        Ok(parted_by)
    }

    /// The column of the edges that says of which kind they are.
    fn kinds(
        &self,
        call: &BoundCall,
        known: Option<&crate::data::Vocabulary>,
    ) -> Result<Option<String>, DataError> {
        match call.args.text(KINDS.name) {
            Some(name) if self.edges.has(name) => Ok(Some(name.to_owned())),
            Some(name) if known.is_none() => Err(self.unknown(call, KINDS.name, name)),
            Some(_) => Ok(None),
            None => Ok(KIND_COLUMNS.into_iter().find(|name| self.edges.has(name)).map(str::to_owned)),
        }
    }

    #[cold]
    fn unknown(&self, call: &BoundCall, arg: &str, name: &str) -> DataError {
        let frames = match arg {
            "kinds" => vec![&self.edges],
            _ => vec![&self.graphs, &self.nodes, &self.edges],
        };
        let all: Vec<&str> = frames.iter().flat_map(|frame| frame.names()).collect();
        let like =
            did_you_mean(name, all.iter().copied()).map(|like| format!("did you mean `{}`? ", shown(like)));
        let whats: Vec<String> = frames
            .iter()
            .filter(|frame| !frame.columns.is_empty())
            .map(|frame| {
                let columns: Vec<String> = frame.names().map(str::to_owned).collect();
                format!("{}s have {}", frame.what, names(&columns))
            })
            .collect();
        let there = if whats.is_empty() { "there are no columns".to_owned() } else { whats.join("; ") };
        DataError::new(
            "data::unknown_column",
            format!("`{arg}` names the column `{name}`, which {} does not have", self.name),
        )
        .help(format!("{}{there}", like.unwrap_or_default()))
        .span(call.args.get(arg).and_then(|arg| arg.span))
    }
}

/// The names in a text, separated by commas.
fn listed(call: &BoundCall, arg: &str) -> Vec<String> {
    let text = call.args.text(arg).unwrap_or_default();
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

/// Whether a call says that there is none: `target = ""`.
fn is_none(call: &BoundCall, arg: &str) -> bool {
    call.args.text(arg).is_some_and(|text| text.trim().is_empty())
}

/// What is predicted, out of one column or several.
fn take_target(frame: &mut Frame, names: &[String], call: &BoundCall) -> Result<FoundTarget, DataError> {
    let place = frame.place();
    let how = call.args.choice(TARGET_AS.name);
    let mut columns: Vec<Values> = names.iter().filter_map(|name| frame.take(name)).collect();
    if columns.len() == 1 && how != "values" {
        let column = columns.remove(0);
        if let Some(values) = column.whole() {
            return Ok(FoundTarget::Labels { values, place });
        }
        let is_text = matches!(column, Values::Texts(_));
        if is_text || how == "classes" {
            return Ok(FoundTarget::Names { texts: column.into_texts(), place });
        }
        columns.push(column);
    }
    if how == "classes" {
        return Err(frame
            .file
            .whole(
                "data::several_targets",
                format!("`target` names {}, but classes come from one", count(names.len(), "column")),
            )
            .help("name one column, or write `target_as = values`")
            .span(call.args.get(TARGET.name).and_then(|arg| arg.span)));
    }
    let n_rows = frame.n_rows();
    let mut of_columns = Vec::new();
    let mut value_names = Vec::new();
    for (column, name) in columns.into_iter().zip(names) {
        let Values::Numbers { values, width } = column else {
            return Err(frame
                .file
                .whole(
                    "data::not_a_number",
                    format!("the target `{}` has texts, where values are asked for", shown(name)),
                )
                .help("name columns of numbers, or one column alone, whose texts are classes")
                .span(call.args.get(TARGET.name).and_then(|arg| arg.span)));
        };
        match width {
            1 => value_names.push(name.clone()),
            width => value_names.extend((1..=width).map(|idx| format!("{name}_{idx}"))),
        }
        of_columns.push((values, width));
    }
    let n = value_names.len();
    let mut values = Vec::with_capacity(n_rows * n);
    for row in 0..n_rows {
        for ((column, width), name) in of_columns.iter().zip(names) {
            for &value in &column[row * width..][..*width] {
                if value.is_nan() {
                    return Err(place
                        .error(
                            "data::missing_value",
                            row,
                            format!("the target `{}` has no value here", shown(name)),
                        )
                        .help(
                            "write the value, or delete the row: a value that is not known cannot be learned",
                        ));
                }
                values.push(value as f32);
            }
        }
    }
    Ok(FoundTarget::Numbers { values, n, names: value_names, place })
}

/// The split that a column says, of the items with a label. A column that only happens to be called so is left as it is.
fn take_split(
    frame: &mut Frame,
    name: &str,
    target: Option<&FoundTarget>,
    is_asked: bool,
) -> Result<Option<Split>, DataError> {
    let Some(&column) = frame.by_name.get(name) else { return Ok(None) };
    let n_rows = frame.n_rows();
    frame.columns[column].1.pad(n_rows);
    let values = &frame.columns[column].1;
    let mut split = Split::default();
    for row in 0..n_rows {
        let text = values.text(row).unwrap_or_default();
        let part = match text.to_ascii_lowercase().as_str() {
            "train" | "training" => &mut split.train,
            "valid" | "validation" | "val" | "dev" => &mut split.validation,
            "test" | "testing" => &mut split.test,
            "" | "none" => continue,
            _ if !is_asked => return Ok(None),
            _ => {
                return Err(frame
                    .place()
                    .error("data::not_a_part", row, format!("`{}` of `{}` is no part of a split", shown(&text), shown(name)))
                    .help("a split column says `train`, `validation` or `test`, or nothing for rows that are not used"));
            }
        };
        let has_label = match target {
            Some(FoundTarget::Labels { values, .. }) => values[row].is_some(),
            Some(FoundTarget::Names { texts, .. }) => texts.codes[row] != super::assembly::MISSING,
            _ => true,
        };
        if has_label {
            part.push(row as u32);
        }
    }
    frame.take(name);
    Ok(target.is_some().then_some(split))
}

/// The time of each row: numbers as they are, dates as years with a fraction. Else the first row without one, with its text.
fn times(values: &Values, n_rows: usize) -> Result<Vec<f64>, (usize, Option<String>)> {
    (0..n_rows)
        .map(|row| match values {
            Values::Numbers { values, width: 1 } if !values[row].is_nan() => Ok(values[row]),
            values => match values.text(row) {
                None => Err((row, None)),
                Some(text) => year_of(&text).ok_or((row, Some(text))),
            },
        })
        .collect()
}

/// `2019-03-31`, also with a time of the day behind it: 2019.2438….
fn year_of(text: &str) -> Option<f64> {
    let text = text.trim();
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, time.trim_end_matches('Z')),
        None => (text, ""),
    };
    let mut parts = date.split('-').map(|part| part.parse::<u32>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(1))?);
    let is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let days = [31, 28 + u32::from(is_leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let of_month = *days.get(month.checked_sub(1)? as usize)?;
    if parts.next().is_some() || !(1..=of_month).contains(&day) || year > 9999 {
        return None;
    }
    let mut seconds = 0.0;
    for (part, of_part) in time.split(':').filter(|part| !part.is_empty()).zip([3600.0, 60.0, 1.0]) {
        seconds += part.parse::<f64>().ok().filter(|value| (0.0..61.0).contains(value))? * of_part;
    }
    let before: u32 = days[..month as usize - 1].iter().sum();
    let of_year = f64::from(before + day - 1) + seconds / 86400.0;
    Some(f64::from(year) + of_year / f64::from(365 + u32::from(is_leap)))
}

/// The columns that are left, as features. Those that a model knows as texts are texts, whatever they look like.
fn columns_of(
    frame: &mut Frame,
    categories: &[String],
    known: &[crate::data::Columns],
) -> Result<Vec<Column>, DataError> {
    let names: Vec<String> = frame.names().map(str::to_owned).collect();
    let place = frame.place();
    let mut columns = Vec::new();
    let is_known = |name: &str| {
        known.iter().any(|block| match block {
            crate::data::Columns::Numbers { names } => names.iter().any(|known| {
                known.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
            }),
            crate::data::Columns::Categories { column, .. } => column == name,
            _ => false,
        })
    };
    let has_names = known.iter().any(|block| {
        matches!(block, crate::data::Columns::Numbers { .. } | crate::data::Columns::Categories { .. })
    });
    for name in names {
        let Some(values) = frame.take(&name) else { continue };
        // What a model does not read may have gaps.
        if has_names && !is_known(&name) && !categories.contains(&name) {
            continue;
        }
        let is_known_text = known
            .iter()
            .any(|block| matches!(block, crate::data::Columns::Categories { column, .. } if *column == name));
        let is_text = is_known_text || categories.contains(&name);
        let cells = match values {
            Values::Numbers { values, width } if !is_text => {
                if let Some(row) = values.iter().position(|value| value.is_nan()).map(|at| at / width) {
                    return Err(place
                        .error("data::missing_value", row, format!("`{}` has no value here", shown(&name)))
                        .help(format!(
                            "write a value (the mean of the column, or 0), or leave the column out: `ignore = \"{}\"`",
                            shown(&name)
                        )));
                }
                if width > 1 {
                    // Each number of a list is a column of its own.
                    columns.extend((0..width).map(|idx| {
                        let of_idx = values.iter().skip(idx).step_by(width).map(|&value| value as f32);
                        let cells = Cells::Numbers { values: of_idx.collect(), width: 1 };
                        Column { name: format!("{name}_{}", idx + 1), cells, place: place.clone() }
                    }));
                    continue;
                }
                Cells::Numbers { values: values.into_iter().map(|value| value as f32).collect(), width }
            }
            values => Cells::Names(values.into_texts()),
        };
        columns.push(Column { name, cells, place: place.clone() });
    }
    Ok(columns)
}
