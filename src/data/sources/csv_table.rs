//! A table in a text file: a header line, then a row a line, values between commas, tabs or semicolons, quoted where they
//! hold one. A Parquet file in its place is read by [`parquet_table`].

use super::assembly::Texts;
use super::frame::{Cell, Frame};
use super::parquet_table;
use crate::data::DataError;
use crate::data::files::{OneFile, names};
use crate::data::scan::quoted;
use crate::diagnostic::count;
use csv::{ByteRecord, ErrorKind, ReaderBuilder, Trim};

/// A table, with some columns apart from the others: keys, which are texts as they stand.
#[derive(Debug)]
pub struct CsvTable {
    pub frame: Frame,
    /// In the order asked for; `None` where the table has no such column.
    pub keys: Vec<Option<Texts>>,
}

/// The key columns of a header, in the order asked for; `None` where it has no such column.
pub type Keys<'a> = dyn Fn(&[String]) -> Result<Vec<Option<usize>>, DataError> + 'a;

/// Values that stand for nothing, as other programs write them.
const MISSING: [&[u8]; 5] = [b"nan", b"na", b"n/a", b"null", b"<na>"];

/// Reads a table; `keys` finds the key columns in its header. A table whose first line has numbers alone, as many as
/// `unnamed`, has no header, and its columns are called so.
///
/// # Errors
/// Where it is no such table, with file and line, or `keys` finds one missing.
pub fn read(
    file: &mut OneFile,
    what: &'static str,
    keys: &Keys,
    unnamed: &[&str],
) -> Result<CsvTable, DataError> {
    let head = file.open()?.head(64 << 10)?;
    if head.starts_with(parquet_table::MAGIC) {
        return parquet_table::read(file, what, keys);
    }
    let delimiter = delimiter(&head, &file.path.to_string_lossy());
    let mut text = file.open()?;
    let (name, is_quoted) = (text.name.clone(), text.is_quoted());
    if head.starts_with(b"\xFF\xFE") || head.starts_with(b"\xFE\xFF") {
        return Err(name
            .whole("data::encoding", "is UTF-16 text")
            .help("save it as UTF-8: `iconv -f UTF-16 -t UTF-8`"));
    }
    let first = head
        .strip_prefix(b"\xEF\xBB\xBF")
        .unwrap_or(&head)
        .split(|&byte| byte == b'\n')
        .next()
        .unwrap_or_default();
    let first: Vec<String> = String::from_utf8_lossy(first)
        .split(char::from(delimiter))
        .map(|value| value.trim().to_owned())
        .collect();
    let has_header = first.len() != unnamed.len() || first.iter().any(|value| value.parse::<f64>().is_err());
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .trim(Trim::All)
        .has_headers(has_header)
        .from_reader(text.reader());
    let wrong = |error: csv::Error| -> Result<DataError, std::io::Error> {
        let line = error.position().map_or(0, |position| position.line());
        let row = (line as usize).saturating_sub(1);
        match error.into_kind() {
            ErrorKind::Io(error) => Err(error),
            ErrorKind::UnequalLengths { expected_len, len, .. } => Ok(name
                .error("data::ragged", row, format!("has {}, but the header names {expected_len}", count(len as usize, "value")))
                .help("every line has a value for each column; one with a comma in it stands in quotes: \"a, b\"")),
            _ => Ok(name.error("data::encoding", row, "the line is not UTF-8 text").help("save the table as UTF-8")),
        }
    };
    let mut record = ByteRecord::new();
    let failed = 'read: {
        let headers = match reader.byte_headers() {
            Ok(_) if !has_header => ByteRecord::from(unnamed.to_vec()),
            Ok(headers) => headers.clone(),
            Err(error) => break 'read wrong(error),
        };
        let mut columns = Vec::new();
        for (idx, header) in headers.iter().enumerate() {
            let Ok(header) = std::str::from_utf8(header) else {
                break 'read Ok(name
                    .error("data::encoding", 0, "the header is not UTF-8 text")
                    .help("save the table as UTF-8"));
            };
            if header.is_empty() && idx > 0 {
                break 'read Ok(name
                    .error("data::ragged", 0, format!("column {} has no name", idx + 1))
                    .help("write one in the header line, or delete the column"));
            }
            columns.push(header.to_owned());
        }
        if columns.is_empty() || columns.iter().all(String::is_empty) {
            break 'read Ok(name
                .whole("data::empty", "the file is empty")
                .help("a table begins with a line that names its columns"));
        }
        if let Some(twice) = (1..columns.len()).find(|&idx| columns[..idx].contains(&columns[idx])) {
            let shown = if is_quoted { names(&columns[twice..twice + 1]) } else { "…".into() };
            break 'read Ok(name
                .error("data::ambiguous", 0, format!("two columns are called {shown}"))
                .help("give each a name of its own"));
        }
        if columns.iter().all(|column| column.parse::<f64>().is_ok()) {
            break 'read Ok(name
                .error("data::missing_part", 0, "the first line has numbers, where the names of the columns are asked for")
                .help("write a header line, for example `source,target`; a list of edges without one is read by `edge_list(…)`"));
        }
        let key_columns = match keys(&columns) {
            Ok(keys) => keys,
            Err(error) => {
                break 'read Ok(if error.file.is_none() { error.file(name.to_string()) } else { error });
            }
        };
        let mut table = CsvTable {
            frame: Frame::new(name.clone(), what),
            keys: key_columns.iter().map(|column| column.map(|_| Texts::default())).collect(),
        };
        // The unnamed first column is the index that pandas writes.
        let roles: Vec<Role> = columns
            .iter()
            .enumerate()
            .map(|(idx, column)| match key_columns.iter().position(|key| *key == Some(idx)) {
                Some(key) => Role::Key(key),
                None if column.is_empty() => Role::Index,
                None => Role::Column(table.frame.column(column)),
            })
            .collect();
        loop {
            match reader.read_byte_record(&mut record) {
                Ok(true) => {}
                Ok(false) => return Ok(table),
                Err(error) => break 'read wrong(error),
            }
            let line = record.position().map_or(0, |position| position.line()) as usize;
            table.frame.begin(line);
            for (value, role) in record.iter().zip(&roles) {
                let is_missing =
                    value.is_empty() || MISSING.iter().any(|missing| value.eq_ignore_ascii_case(missing));
                let Ok(text) = std::str::from_utf8(value) else {
                    break 'read Ok(name
                        .error("data::encoding", line - 1, "the line is not UTF-8 text")
                        .help("save the table as UTF-8"));
                };
                match role {
                    Role::Index => {}
                    Role::Key(key) => {
                        if value.is_empty() {
                            let column = columns[key_columns[*key].unwrap_or(0)].clone();
                            break 'read Ok(name
                                .error(
                                    "data::missing_value",
                                    line - 1,
                                    format!("there is no value of {}", names(&[column])),
                                )
                                .help("write it, or delete the line"));
                        }
                        if let Some(texts) = &mut table.keys[*key] {
                            texts.push(text);
                        }
                    }
                    Role::Column(column) => {
                        let cell = match text.parse::<f64>() {
                            _ if is_missing => Cell::Missing,
                            Ok(number) if number.is_finite() => Cell::Number(number),
                            Ok(_) => {
                                let shown = quoted(value, is_quoted);
                                break 'read Ok(name
                                    .error("data::not_finite", line - 1, format!("`{shown}` is not finite"))
                                    .help(
                                        "replace it with a value: an infinity would spread to every weight",
                                    ));
                            }
                            Err(_) => Cell::Text(text),
                        };
                        if let Err(error) = table.frame.set(*column, cell) {
                            break 'read Ok(error);
                        }
                    }
                }
            }
        }
    };
    drop(reader);
    match failed {
        Ok(error) => Err(error),
        Err(error) => Err(text.failed(&error)),
    }
}

enum Role {
    Key(usize),
    Column(usize),
    Index,
}

/// What separates the values: a tab where the file is called so, else what stands most often in the header.
fn delimiter(head: &[u8], path: &str) -> u8 {
    let path = path.to_ascii_lowercase();
    let path = path.strip_suffix(".gz").unwrap_or(&path);
    if path.ends_with(".tsv") || path.ends_with(".tab") {
        return b'\t';
    }
    let line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let mut is_in_quotes = false;
    let mut counts = [(b',', 0), (b'\t', 0), (b';', 0)];
    for &byte in line {
        is_in_quotes ^= byte == b'"';
        counts
            .iter_mut()
            .filter(|(delimiter, _)| *delimiter == byte && !is_in_quotes)
            .for_each(|(_, n)| *n += 1);
    }
    // The first of several that stand there as often.
    counts.iter().rev().max_by_key(|(_, n)| *n).map_or(b',', |(delimiter, _)| *delimiter)
}

/// The column that a role is in: the one that the call names, else the first of the usual names.
///
/// # Errors
/// Where the call names one that is not there.
pub fn column_of(
    columns: &[String],
    written: Option<&str>,
    usual: &[&str],
) -> Result<Option<usize>, DataError> {
    let find = |name: &str| columns.iter().position(|column| column == name);
    match written {
        None => Ok(usual.iter().find_map(|name| find(name))),
        Some(name) => match find(name) {
            Some(column) => Ok(Some(column)),
            None => Err(DataError::new("data::unknown_column", format!("there is no column `{name}`"))
                .help(format!("the header has {}", names(columns)))),
        },
    }
}
