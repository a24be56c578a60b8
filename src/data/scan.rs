//! Tables of numbers out of text files: one pass over a stream, no text kept. A line holds one row, its values
//! separated by a comma (with or without blanks) or by blanks alone, as the TU collection mixes them.

use super::error::DataError;
use crate::diagnostic::count;
use std::io::{self, Read};
use std::ops::Range;

/// What is read at a time. Lines that are longer make it grow.
const CHUNK_BYTES: usize = 256 << 10;

/// A longer line is refused: no row of a data set has as many values.
const MAX_LINE_BYTES: usize = 16 << 20;

/// What a message quotes of a file: its values are short, and what is no data is not to be shown.
const N_QUOTED: usize = 24;

/// One file, or one entry of an archive, to be read once.
pub struct Text<'a> {
    pub name: FileName,
    /// As stated before it is read, 0 where nothing is.
    size: u64,
    reader: Box<dyn Read + 'a>,
    /// What an error of the reader means.
    wrong: Meaning<'a>,
    /// Messages quote what cannot be read.
    is_quoted: bool,
    /// What messages call the layout that the file is of.
    layout: &'static str,
}

/// The layout whose files are named `NAME_…`.
const TU: &str = "TU";

/// What an error of a file's reader means, by the file's name.
pub type Meaning<'a> = Box<dyn Fn(&str, &io::Error) -> DataError + 'a>;

/// What messages call a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName(String);

/// Rows of equal width.
#[derive(Debug, PartialEq)]
pub struct Table<T> {
    /// Row-major; of the rows that were asked for.
    pub values: Vec<T>,
    pub width: usize,
    /// All rows of the file.
    pub n_rows: usize,
}

/// Why a value could not be read.
#[derive(Debug, Clone, Copy)]
pub enum Wrong {
    NotANumber,
    TooLarge,
    NotFinite,
}

/// A kind of number that files hold.
trait Number: Copy {
    /// What can be counted with it, for a message about one that is too large.
    const RANGE: &'static str;

    /// Reads a value at `at` and moves `at` behind it.
    fn read(bytes: &[u8], at: &mut usize) -> Result<Self, Wrong>;

    /// Whether fractions are no such numbers.
    const IS_WHOLE: bool;

    /// A whole number that was written as a real one: `1.0`, or `1.000000e+00` as `numpy.savetxt` does.
    fn of_real(value: f64) -> Option<Self>;
}

impl Number for u32 {
    const RANGE: &'static str = "numbers of nodes and graphs go up to 4294967295";
    const IS_WHOLE: bool = true;

    #[inline]
    fn read(bytes: &[u8], at: &mut usize) -> Result<Self, Wrong> {
        read_natural(bytes, at)
    }

    fn of_real(value: f64) -> Option<Self> {
        (value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value)).then_some(value as u32)
    }
}

impl Number for i64 {
    const RANGE: &'static str =
        "labels go from -9223372036854775808 to 9223372036854775807: number them from 0 on";
    const IS_WHOLE: bool = true;

    #[inline]
    fn read(bytes: &[u8], at: &mut usize) -> Result<Self, Wrong> {
        read_integer(bytes, at)
    }

    fn of_real(value: f64) -> Option<Self> {
        // Beyond 2⁵³ a real number stands for several whole ones.
        (value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0).then_some(value as i64)
    }
}

impl Number for f32 {
    const RANGE: &'static str = "values go up to 3.4e38";
    const IS_WHOLE: bool = false;

    #[inline]
    fn read(bytes: &[u8], at: &mut usize) -> Result<Self, Wrong> {
        read_real(bytes, at)
    }

    fn of_real(_: f64) -> Option<Self> {
        None
    }
}

impl FileName {
    pub fn new(label: impl Into<String>) -> Self {
        Self(label.into())
    }

    /// A mistake on the line that holds row `row`: blank lines are refused, so rows and lines count alike.
    pub fn error(&self, code: &'static str, row: usize, message: impl Into<String>) -> DataError {
        DataError::new(code, message).file(&self.0).line(row + 1)
    }

    /// A mistake of the file as a whole.
    pub fn whole(&self, code: &'static str, message: impl Into<String>) -> DataError {
        DataError::new(code, message).file(&self.0)
    }
}

impl std::fmt::Display for FileName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Number for f64 {
    const RANGE: &'static str = "values go up to 3.4e38";
    const IS_WHOLE: bool = false;

    fn read(bytes: &[u8], at: &mut usize) -> Result<Self, Wrong> {
        let start = *at;
        if let Ok(whole) = read_natural(bytes, at)
            && matches!(bytes.get(*at), None | Some(b',' | b' ' | b'\t' | b'\r' | b'\n'))
        {
            return Ok(f64::from(whole));
        }
        *at = start;
        let end = end_of_value(bytes, start);
        let text = std::str::from_utf8(&bytes[start..end]).map_err(|_| Wrong::NotANumber)?;
        let value: f64 = text.parse().map_err(|_| Wrong::NotANumber)?;
        *at = end;
        if value.is_finite() { Ok(value) } else { Err(Wrong::NotFinite) }
    }

    fn of_real(_: f64) -> Option<Self> {
        None
    }
}

impl<'a> Text<'a> {
    /// `size` is what is known of its length, for the memory to set aside.
    pub fn new(label: String, size: u64, reader: Box<dyn Read + 'a>, wrong: Meaning<'a>) -> Self {
        Self { name: FileName(label), size, reader, wrong, is_quoted: true, layout: TU }
    }

    /// The same, of which messages show nothing: what a link leads to may be anything.
    #[must_use]
    pub fn unquoted(self) -> Self {
        Self { is_quoted: false, ..self }
    }

    /// The same of another layout than that of the TU collection, as messages call it.
    #[must_use]
    pub fn of_layout(self, layout: &'static str) -> Self {
        Self { layout, ..self }
    }

    /// Whole numbers from 0 to 2³² − 1; of more than `max_rows` rows only their number.
    pub fn naturals(self, width: usize, max_rows: usize, expected: &str) -> Result<Table<u32>, DataError> {
        self.table(Some(width), max_rows, expected)
    }

    /// Whole numbers, negative ones included.
    pub fn integers(
        self,
        width: Option<usize>,
        max_rows: usize,
        expected: &str,
    ) -> Result<Table<i64>, DataError> {
        self.table(width, max_rows, expected)
    }

    /// Finite real numbers.
    pub fn reals(self, max_rows: usize, expected: &str) -> Result<Table<f32>, DataError> {
        self.table(None, max_rows, expected)
    }

    /// Two whole numbers from 0 to 2³² − 1 a row, given to `each` as they come; the number of rows.
    pub fn pairs(
        self,
        expected: &str,
        mut each: impl FnMut(usize, u32, u32) -> Result<(), DataError>,
    ) -> Result<usize, DataError> {
        let (n_rows, _) = self.rows::<u32>(Some(2), expected, |row, pair| each(row, pair[0], pair[1]))?;
        Ok(n_rows)
    }

    /// Two whole numbers and a real one a row, given to `each` as they come.
    pub fn entries(
        self,
        expected: &str,
        mut each: impl FnMut(usize, u32, u32, f32) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let name = self.name.clone();
        self.rows::<f64>(Some(3), expected, |row, values| {
            let place = |value: f64| {
                (value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value)).then_some(value as u32)
            };
            let (Some(one), Some(other)) = (place(values[0]), place(values[1])) else {
                let message = format!(
                    "expected {expected}, but {} and {} are no two numbers from 0 on",
                    values[0], values[1]
                );
                return Err(name
                    .error("data::out_of_range", row, message)
                    .help("nodes and features are numbered from 0"));
            };
            let value = values[2] as f32;
            if !value.is_finite() {
                let message = format!("expected {expected}, but `{}` is too large", values[2]);
                return Err(name.error("data::out_of_range", row, message).help(f64::RANGE));
            }
            each(row, one, other, value)
        })?;
        Ok(())
    }

    /// How many rows of so many bytes each there are at most, as far as the size is known.
    pub fn rows_of(&self, row_bytes: u64) -> usize {
        usize::try_from(self.size / row_bytes).unwrap_or(0)
    }

    /// Values in the first line; `None` where it is not made of numbers.
    pub fn first_width(mut self) -> Option<usize> {
        let mut head = vec![0u8; 64 << 10];
        let n = fill(&mut *self.reader, &mut head).ok()?;
        let line = head[..n].split(|&byte| byte == b'\n').next()?;
        let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        let values = String::from_utf8_lossy(line).into_owned();
        let values: Vec<&str> = values
            .split(|char: char| char == ',' || char.is_whitespace())
            .filter(|value| !value.is_empty())
            .collect();
        let is_number = |value: &&str| value.parse::<f64>().is_ok();
        (!values.is_empty() && values.iter().all(is_number)).then_some(values.len())
    }

    /// All bytes, for a checksum.
    pub fn bytes(mut self) -> Result<Vec<u8>, DataError> {
        let mut bytes = Vec::with_capacity(self.rows_of(1));
        match self.reader.read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(error) => Err((self.wrong)(&self.name.0, &error)),
        }
    }

    fn table<T: Number>(
        self,
        width: Option<usize>,
        max_rows: usize,
        expected: &str,
    ) -> Result<Table<T>, DataError> {
        // Most files have four bytes a value or more; what is not touched takes no memory.
        let mut values =
            Vec::with_capacity(self.rows_of(4).min(max_rows.saturating_mul(width.unwrap_or(64))));
        let (n_rows, width) = self.rows(width, expected, |row, of_row: &[T]| {
            if row < max_rows {
                values.extend_from_slice(of_row);
            }
            Ok(())
        })?;
        if values.capacity() > values.len() + values.len() / 4 {
            values.shrink_to_fit();
        }
        Ok(Table { values, width, n_rows })
    }

    /// Gives every row to `each`; the number of rows and their width.
    fn rows<T: Number>(
        mut self,
        width: Option<usize>,
        expected: &str,
        mut each: impl FnMut(usize, &[T]) -> Result<(), DataError>,
    ) -> Result<(usize, usize), DataError> {
        let mut parser = Parser {
            name: &self.name,
            expected,
            is_width_given: width.is_some(),
            width: width.unwrap_or(0),
            row: 0,
            is_behind_blank: false,
            values: Vec::new(),
            is_quoted: self.is_quoted,
            layout: self.layout,
        };
        let read = whole_lines(&mut *self.reader, &self.name, &self.wrong, MAX_LINE_BYTES, &mut |bytes| {
            parser.lines(bytes, &mut each)
        });
        match read {
            Ok(()) => Ok((parser.row, parser.width)),
            Err(error) if error.line.is_none() && error.code == "data::too_large" => {
                let row = parser.row;
                Err(error.line(row + 1).help(
                    "a line holds the values of one node, edge or graph: write each on a line of its own",
                ))
            }
            Err(error) => Err(error),
        }
    }

    /// Gives every line to `each`, numbered from 0, without what ends it; the number of lines.
    ///
    /// # Errors
    /// Those of `each`, and where the text cannot be read or has a line longer than `max_line_bytes`.
    pub fn lines(
        mut self,
        max_line_bytes: usize,
        mut each: impl FnMut(usize, &[u8]) -> Result<(), DataError>,
    ) -> Result<usize, DataError> {
        let mut row = 0;
        let read = whole_lines(&mut *self.reader, &self.name, &self.wrong, max_line_bytes, &mut |bytes| {
            let mut rest = bytes;
            while !rest.is_empty() {
                let end = find_newline(rest).unwrap_or(rest.len());
                let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
                each(row, line)?;
                row += 1;
                rest = &rest[(end + 1).min(rest.len())..];
            }
            Ok(())
        });
        match read {
            Ok(()) => Ok(row),
            Err(error) if error.line.is_none() && error.code == "data::too_large" => Err(error.line(row + 1)),
            Err(error) => Err(error),
        }
    }

    /// A value of the file as messages show it.
    pub fn shown(&self, value: &[u8]) -> String {
        if self.is_quoted { excerpt(value, 0..value.len()) } else { "…".to_owned() }
    }

    /// Whether messages may quote the file.
    pub fn is_quoted(&self) -> bool {
        self.is_quoted
    }

    /// The bytes as a stream; [`Text::failed`] says what its errors mean.
    pub fn reader(&mut self) -> &mut (dyn Read + 'a) {
        &mut *self.reader
    }

    /// What an error of [`Text::reader`] means.
    pub fn failed(&self, error: &io::Error) -> DataError {
        (self.wrong)(&self.name.0, error)
    }

    /// The first bytes, at most `n_bytes`; nothing else is read.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn head(mut self, n_bytes: usize) -> Result<Vec<u8>, DataError> {
        let mut head = vec![0u8; n_bytes];
        let n = fill(&mut *self.reader, &mut head).map_err(|error| (self.wrong)(&self.name.0, &error))?;
        head.truncate(n);
        Ok(head)
    }
}

/// A piece of a file as a message shows it; nothing of a file that may not be quoted.
pub fn quoted(value: &[u8], is_quoted: bool) -> String {
    if is_quoted { excerpt(value, 0..value.len()) } else { "…".to_owned() }
}

#[inline]
fn find_newline(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|&byte| byte == b'\n')
}

/// Gives blocks of whole lines to `each`; the last line may lack its newline.
fn whole_lines(
    reader: &mut dyn Read,
    name: &FileName,
    wrong: &Meaning<'_>,
    max_line_bytes: usize,
    each: &mut dyn FnMut(&[u8]) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let mut buffer = vec![0u8; CHUNK_BYTES];
    let (mut filled, mut is_start) = (0, true);
    loop {
        let n = fill(reader, &mut buffer[filled..]).map_err(|error| wrong(&name.0, &error))?;
        filled += n;
        let is_end = filled < buffer.len();
        let mut begin = 0;
        if std::mem::take(&mut is_start) {
            if buffer[..filled].starts_with(b"\xFF\xFE") || buffer[..filled].starts_with(b"\xFE\xFF") {
                return Err(name
                    .whole("data::encoding", "is UTF-16 text")
                    .help("save it as UTF-8: `iconv -f UTF-16 -t UTF-8`"));
            }
            if buffer[..filled].starts_with(b"\xEF\xBB\xBF") {
                begin = 3;
            }
        }
        let whole = if is_end {
            filled
        } else {
            buffer[..filled].iter().rposition(|&byte| byte == b'\n').map_or(begin, |at| at + 1)
        };
        each(&buffer[begin..whole])?;
        if is_end {
            return Ok(());
        }
        buffer.copy_within(whole..filled, 0);
        filled -= whole;
        if filled == buffer.len() {
            if filled >= max_line_bytes {
                let message = format!("the line is longer than {} MiB", max_line_bytes >> 20);
                return Err(name.whole("data::too_large", message));
            }
            buffer.resize(2 * filled, 0);
        }
    }
}

/// Reads until the buffer is full or nothing is left.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Rows out of lines, with what has to be known of the lines before.
struct Parser<'a, T> {
    name: &'a FileName,
    /// What a row holds, for messages.
    expected: &'a str,
    is_width_given: bool,
    /// Values a row; 0 before the first one where it is not given.
    width: usize,
    /// The next row.
    row: usize,
    /// The line before was empty.
    is_behind_blank: bool,
    /// Those of one row.
    values: Vec<T>,
    is_quoted: bool,
    layout: &'static str,
}

impl<T: Number> Parser<'_, T> {
    /// Reads whole lines; the last one may lack its newline.
    fn lines(
        &mut self,
        bytes: &[u8],
        each: &mut impl FnMut(usize, &[T]) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let mut at = 0;
        while at < bytes.len() {
            let line_start = at;
            skip_blanks(bytes, &mut at);
            if ends_line(bytes, at) {
                // Blank lines at the end are harmless; one between rows would move every row behind it.
                self.is_behind_blank = true;
                skip_line_end(bytes, &mut at);
                continue;
            }
            if self.is_behind_blank {
                return Err(self
                    .error("data::ragged", format!("expected {}, but the line is empty", self.expected))
                    .help("line i belongs to item i: delete the empty line, or write its values"));
            }
            self.values.clear();
            loop {
                let value_start = at;
                match T::read(bytes, &mut at) {
                    Ok(value) => self.values.push(value),
                    Err(wrong) => {
                        let value = whole_as_real(bytes, value_start, &mut at);
                        self.values.push(value.ok_or_else(|| self.bad_value(bytes, value_start, wrong))?);
                    }
                }
                let blanks_start = at;
                skip_blanks(bytes, &mut at);
                if ends_line(bytes, at) {
                    break;
                }
                if bytes[at] == b',' {
                    at += 1;
                    skip_blanks(bytes, &mut at);
                } else if at == blanks_start {
                    // Digits that go on as something else: a whole number may be written as a real one.
                    let value = whole_as_real(bytes, value_start, &mut at);
                    self.values.pop();
                    self.values
                        .push(value.ok_or_else(|| self.bad_value(bytes, value_start, Wrong::NotANumber))?);
                    skip_blanks(bytes, &mut at);
                    if ends_line(bytes, at) {
                        break;
                    }
                    if bytes[at] == b',' {
                        at += 1;
                        skip_blanks(bytes, &mut at);
                    }
                }
            }
            if self.row == 0 && self.width == 0 {
                self.width = self.values.len();
            }
            if self.values.len() != self.width {
                return Err(self.ragged(&bytes[line_start..at]));
            }
            each(self.row, &self.values)?;
            skip_line_end(bytes, &mut at);
            self.row += 1;
        }
        Ok(())
    }

    fn error(&self, code: &'static str, message: impl Into<String>) -> DataError {
        self.name.error(code, self.row, message)
    }

    fn excerpt(&self, bytes: &[u8], range: Range<usize>) -> String {
        if self.is_quoted { excerpt(bytes, range) } else { "…".to_owned() }
    }

    #[cold]
    fn ragged(&self, line: &[u8]) -> DataError {
        let n_values =
            line.split(|byte| matches!(byte, b',' | b' ' | b'\t' | b'\r')).filter(|value| !value.is_empty());
        let found = count(n_values.count(), "value");
        let line = self.excerpt(line, 0..line.len());
        let message = if self.is_width_given {
            format!("expected {}, but `{line}` has {found}", self.expected)
        } else {
            format!("`{line}` has {found}, but the lines before have {}", self.width)
        };
        self.error("data::ragged", message)
            .help("every line of this file has the same number of values, separated by commas")
    }

    #[cold]
    fn bad_value(&self, bytes: &[u8], start: usize, wrong: Wrong) -> DataError {
        let value = self.excerpt(bytes, start..end_of_value(bytes, start));
        let expected = self.expected;
        let line_end =
            bytes[start..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |n| start + n);
        let line_start = bytes[..start].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let line = &bytes[line_start..line_end];
        // A value too many is that, whatever it is.
        if self.is_width_given && self.values.len() >= self.width && !value.is_empty() {
            return self.ragged(line);
        }
        // What separates the lines or values of the whole file is the mistake, not the value.
        if line.strip_suffix(b"\r").unwrap_or(line).contains(&b'\r') {
            return self
                .error("data::line_ends", "the line contains a carriage return")
                .help("lines end with a newline, with or without a carriage return before it: `tr '\\r' '\\n'` rewrites the file");
        }
        if let Some(separator) = [b';', b'|', b':'].into_iter().find(|separator| line.contains(separator)) {
            let separator = char::from(separator);
            let help = if line.contains(&b',') {
                format!("write decimal points for the commas first, then commas for `{separator}`")
            } else {
                format!("write commas: `sed -i 's/{separator}/,/g' FILE` rewrites the file")
            };
            return self
                .error(
                    "data::separator",
                    format!("expected {expected}, but the values are separated by `{separator}`"),
                )
                .help(help);
        }
        // A real number where a whole one is asked for.
        let real = value.parse::<f64>().ok().filter(|real| T::IS_WHOLE && real.is_finite());
        let layout = self.layout;
        let is_missing =
            matches!(value.to_ascii_lowercase().as_str(), "nan" | "na" | "none" | "null" | "?" | "-");
        let (code, message, help) = match wrong {
            _ if value.is_empty() => (
                "data::ragged",
                format!("expected {expected}, but there is nothing"),
                "write the value, or delete the comma".to_owned(),
            ),
            Wrong::NotFinite => (
                "data::not_finite",
                format!("expected {expected}, but `{value}` is not finite"),
                "replace it with a value (the mean of its column, or 0): a NaN or infinity would spread to every weight".to_owned(),
            ),
            Wrong::NotANumber if is_missing => (
                "data::not_a_number",
                format!("expected {expected}, but found `{value}`"),
                format!(
                    "the {layout} layout has no missing values: write a number that stands for \"unknown\", or drop the items without it"
                ),
            ),
            Wrong::NotANumber if real.is_some_and(|real| real.fract() != 0.0) => (
                "data::not_a_number",
                format!("expected {expected}, but found `{value}`"),
                if layout == TU {
                    "this file holds whole numbers: real values of nodes stand in NAME_node_attributes.txt, those of edges in \
                     NAME_edge_attributes.txt, those to be predicted in NAME_graph_attributes.txt"
                        .to_owned()
                } else {
                    "this file holds whole numbers".to_owned()
                },
            ),
            Wrong::NotANumber if real.is_some_and(|real| real >= 0.0) => (
                "data::out_of_range",
                format!("expected {expected}, but `{value}` is too large to be exact"),
                "write all its digits, or number what it stands for from 0 on".to_owned(),
            ),
            Wrong::NotANumber => (
                "data::not_a_number",
                format!("expected {expected}, but found `{value}`"),
                format!("write a number; the {layout} layout has no header line, comments or names"),
            ),
            Wrong::TooLarge => {
                let message = format!("expected {expected}, but `{value}` is too large");
                ("data::out_of_range", message, T::RANGE.to_owned())
            }
        };
        self.error(code, message).help(help)
    }
}

/// A whole number that is written as a real one, with `at` moved behind it.
#[cold]
fn whole_as_real<T: Number>(bytes: &[u8], start: usize, at: &mut usize) -> Option<T> {
    let end = end_of_value(bytes, start);
    let text = std::str::from_utf8(&bytes[start..end]).ok()?;
    // Twenty digits and more are a number that is too large, not one that is written in another way.
    let value = if text.contains(['.', 'e', 'E']) { T::of_real(text.parse().ok()?)? } else { return None };
    *at = end;
    Some(value)
}

/// Where the value that begins at `start` ends.
fn end_of_value(bytes: &[u8], start: usize) -> usize {
    let is_end = |byte: &u8| matches!(byte, b',' | b';' | b' ' | b'\t' | b'\r' | b'\n');
    bytes[start..].iter().position(is_end).map_or(bytes.len(), |length| start + length)
}

/// A piece of a file as a message shows it: short, whatever the bytes are.
fn excerpt(bytes: &[u8], range: Range<usize>) -> String {
    let text = String::from_utf8_lossy(&bytes[range.start..range.end.min(range.start + 200)]);
    let text = text.trim();
    let shown: String = text.chars().take(N_QUOTED).flat_map(char::escape_debug).collect();
    if text.chars().count() > N_QUOTED { format!("{shown}…") } else { shown }
}

#[inline]
fn skip_blanks(bytes: &[u8], at: &mut usize) {
    while *at < bytes.len() && matches!(bytes[*at], b' ' | b'\t') {
        *at += 1;
    }
}

/// A line ends with a newline, a carriage return and a newline, or the file.
#[inline]
fn ends_line(bytes: &[u8], at: usize) -> bool {
    match bytes.get(at) {
        None | Some(b'\n') => true,
        Some(b'\r') => matches!(bytes.get(at + 1), None | Some(b'\n')),
        Some(_) => false,
    }
}

#[inline]
fn skip_line_end(bytes: &[u8], at: &mut usize) {
    if bytes.get(*at) == Some(&b'\r') {
        *at += 1;
    }
    *at = (*at + 1).min(bytes.len());
}

/// Digits at `at` as a number, and how many there were.
#[inline]
fn read_digits(bytes: &[u8], at: &mut usize) -> (u64, usize) {
    let start = *at;
    let mut value = 0u64;
    while let Some(digit) = bytes.get(*at).map(|byte| byte.wrapping_sub(b'0')).filter(|&digit| digit < 10) {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        *at += 1;
    }
    (value, *at - start)
}

#[inline]
pub fn read_natural(bytes: &[u8], at: &mut usize) -> Result<u32, Wrong> {
    let (value, n_digits) = read_digits(bytes, at);
    match n_digits {
        0 => Err(Wrong::NotANumber),
        1..=18 => u32::try_from(value).map_err(|_| Wrong::TooLarge),
        _ => Err(Wrong::TooLarge),
    }
}

#[inline]
pub fn read_integer(bytes: &[u8], at: &mut usize) -> Result<i64, Wrong> {
    let start = *at;
    let sign = bytes.get(*at).copied();
    if matches!(sign, Some(b'-' | b'+')) {
        *at += 1;
    }
    let (value, n_digits) = read_digits(bytes, at);
    match n_digits {
        0 => Err(Wrong::NotANumber),
        // Eighteen digits always fit.
        1..=18 => Ok(if sign == Some(b'-') { -(value as i64) } else { value as i64 }),
        _ => {
            let digits = std::str::from_utf8(&bytes[start..*at]).ok().and_then(|digits| digits.parse().ok());
            digits.ok_or(Wrong::TooLarge)
        }
    }
}

/// Powers of ten that an f64 holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

fn read_real(bytes: &[u8], at: &mut usize) -> Result<f32, Wrong> {
    let start = *at;
    let is_negative = bytes.get(*at) == Some(&b'-');
    if matches!(bytes.get(*at), Some(b'-' | b'+')) {
        *at += 1;
    }
    let (whole, n_whole) = read_digits(bytes, at);
    let (mut fraction, mut n_fraction) = (0, 0);
    if bytes.get(*at) == Some(&b'.') {
        *at += 1;
        (fraction, n_fraction) = read_digits(bytes, at);
    }
    let is_plain = matches!(bytes.get(*at), None | Some(b',' | b' ' | b'\t' | b'\r' | b'\n'));
    let n_digits = n_whole + n_fraction;
    if is_plain && (1..=15).contains(&n_digits) {
        // Both numbers are exact in an f64, so their quotient is the correctly rounded value.
        let mantissa = whole as f64 * POWERS[n_fraction] + fraction as f64;
        let value = mantissa / POWERS[n_fraction];
        return Ok(if is_negative { -value } else { value } as f32);
    }
    let end = bytes[start..]
        .iter()
        .position(|byte| matches!(byte, b',' | b' ' | b'\t' | b'\r' | b'\n'))
        .map_or(bytes.len(), |length| start + length);
    let value: f64 = std::str::from_utf8(&bytes[start..end])
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(Wrong::NotANumber)?;
    *at = end;
    if (value as f32).is_finite() { Ok(value as f32) } else { Err(Wrong::NotFinite) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> Text<'_> {
        let wrong = |_: &str, error: &io::Error| DataError::new("data::unreadable", error.to_string());
        Text::new("t.txt".into(), bytes.len() as u64, Box::new(bytes), Box::new(wrong))
    }

    const ALL: usize = usize::MAX;

    #[test]
    fn reals_are_rounded_as_the_standard_library_rounds_them() {
        for value in [
            "0",
            "-0.0",
            " 23.000000",
            "9.776700019836426",
            "-3.5490000247955322",
            "1e-3",
            "-1.5E+10",
            "0.1",
            "123456789012345",
            "0.000000000000001",
            "+7.25",
            "3.4028234e38",
            ".5",
            "5.",
            "00012.50",
        ] {
            let read = text(value.as_bytes()).reals(ALL, "a number").expect(value).values[0];
            let expected = value.trim().parse::<f64>().expect(value) as f32;
            assert_eq!(read.to_bits(), expected.to_bits(), "{value}");
        }
    }

    #[test]
    fn commas_blanks_and_line_ends_may_be_mixed() {
        let table = text(b"\xEF\xBB\xBF1, 2\r\n3,4\n 5\t6 \n7 ,8\n\r\n \n")
            .naturals(2, ALL, "two")
            .expect("readable");
        assert_eq!(table, Table { values: vec![1, 2, 3, 4, 5, 6, 7, 8], width: 2, n_rows: 4 });
        assert_eq!(text(b"").integers(None, ALL, "a number").expect("nothing").n_rows, 0);
        assert_eq!(text(b"-1\n+1\r\n0\r").integers(None, ALL, "a label").expect("signs").values, [-1, 1, 0]);
    }

    #[test]
    fn lines_may_lie_across_the_pieces_that_are_read() {
        // A reader that gives a few bytes at a time, and lines longer than a chunk.
        struct Drops<'a>(&'a [u8]);
        impl Read for Drops<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let n = buffer.len().min(self.0.len()).min(7);
                buffer[..n].copy_from_slice(&self.0[..n]);
                self.0 = &self.0[n..];
                Ok(n)
            }
        }
        let width = 60_000;
        let line: Vec<String> = (0..width).map(|idx| (idx % 97_531).to_string()).collect();
        let bytes = format!("{0}\n{0}\r\n{0}", line.join(", "));
        assert!(bytes.len() > 3 * CHUNK_BYTES);
        let wrong = |_: &str, error: &io::Error| DataError::new("data::unreadable", error.to_string());
        let drops = Text::new("t.txt".into(), 0, Box::new(Drops(bytes.as_bytes())), Box::new(wrong));
        let table = drops.integers(None, ALL, "numbers").expect("readable");
        assert_eq!((table.n_rows, table.width), (3, width));
        let expected = |place: usize| (place % width % 97_531) as i64;
        assert!(table.values.iter().enumerate().all(|(place, &value)| value == expected(place)));
    }

    #[test]
    fn rows_beyond_those_asked_for_are_counted_and_not_kept() {
        let table = text(b"1\n2\n3\n").naturals(1, 2, "a number").expect("readable");
        assert_eq!(table, Table { values: vec![1, 2], width: 1, n_rows: 3 });
    }

    #[test]
    fn whole_numbers_may_be_written_as_real_ones() {
        let table =
            text(b"1.000000e+00, 2\n3.0,-4.\n1.5e3 7").integers(Some(2), ALL, "two").expect("readable");
        assert_eq!(table.values, [1, 2, 3, -4, 1500, 7]);
        let table = text(b"1.000000000000000000e+00 2.0e0").naturals(2, ALL, "two").expect("readable");
        assert_eq!(table.values, [1, 2]);
        for wrong in ["3.5", "1e-1", "1.0x", "1e400", "-1.0e0"] {
            assert!(text(wrong.as_bytes()).naturals(1, ALL, "a node").is_err(), "{wrong}");
        }
    }

    #[test]
    fn labels_have_sixty_four_bits() {
        let table = text(b"9223372036854775807\n-9223372036854775808\n").integers(Some(1), ALL, "a label");
        assert_eq!(table.expect("they fit").values, [i64::MAX, i64::MIN]);
        let error = text(b"9223372036854775808").integers(Some(1), ALL, "a label").expect_err("one more");
        assert_eq!(error.to_string(), "t.txt:1: expected a label, but `9223372036854775808` is too large");
        assert!(error.help.expect("help").contains("number them from 0 on"));
    }

    #[test]
    fn each_mistake_has_its_own_message_and_line() {
        let check = |bytes: &[u8], code: &str, shown: &str| {
            let error = text(bytes).reals(ALL, "a feature").expect_err(shown);
            assert_eq!((error.code, error.to_string().as_str()), (code, shown));
            error.help.expect("says how to mend it")
        };
        check(b"1,2\n3\n", "data::ragged", "t.txt:2: `3` has 1 value, but the lines before have 2");
        check(b"1\n\n2\n", "data::ragged", "t.txt:2: expected a feature, but the line is empty");
        check(b"1\n2,\n", "data::ragged", "t.txt:2: expected a feature, but there is nothing");
        check(b"1\nx2\n", "data::not_a_number", "t.txt:2: expected a feature, but found `x2`");
        check(b"1\n2x\n", "data::not_a_number", "t.txt:2: expected a feature, but found `2x`");
        check(b"1\n\xFF\x00\n", "data::not_a_number", "t.txt:2: expected a feature, but found `\u{FFFD}\\0`");
        check(b"1\nnan\n", "data::not_finite", "t.txt:2: expected a feature, but `nan` is not finite");
        check(b"1\n-inf\n", "data::not_finite", "t.txt:2: expected a feature, but `-inf` is not finite");
        check(b"1e99\n", "data::not_finite", "t.txt:1: expected a feature, but `1e99` is not finite");
        let help = check(
            b"1;2\n",
            "data::separator",
            "t.txt:1: expected a feature, but the values are separated by `;`",
        );
        assert_eq!(help, "write commas: `sed -i 's/;/,/g' FILE` rewrites the file");
        let help = check(
            b"1,5;2,5\n",
            "data::separator",
            "t.txt:1: expected a feature, but the values are separated by `;`",
        );
        assert!(help.starts_with("write decimal points for the commas first"), "{help}");
        check(b"1\r2\r3\r", "data::line_ends", "t.txt:1: the line contains a carriage return");
        check(b"\xFF\xFE1\x00\n\x00", "data::encoding", "t.txt: is UTF-16 text");
        let error = text(b"1\n4294967296\n").naturals(1, ALL, "a node").expect_err("33 bits");
        assert_eq!(error.code, "data::out_of_range");
        let error = text(b"1\n-2\n").naturals(1, ALL, "a node").expect_err("negative");
        assert_eq!(error.to_string(), "t.txt:2: expected a node, but found `-2`");
        let error = text(b"1\n1e20\n").integers(Some(1), ALL, "a label").expect_err("not exact");
        assert_eq!((error.code, error.line), ("data::out_of_range", Some(2)));
        let error =
            text(b"1\n99999999999999999999\n").integers(Some(1), ALL, "a label").expect_err("67 bits");
        assert_eq!(error.code, "data::out_of_range");
        let error = text(b"1\n1.5\n").integers(Some(1), ALL, "a label").expect_err("a fraction");
        assert_eq!(error.code, "data::not_a_number");
        assert!(error.help.expect("help").contains("node_attributes"));
        let error = text(b"1\nNone\n").integers(Some(1), ALL, "a label").expect_err("missing");
        assert!(error.help.expect("help").contains("no missing values"));
    }

    #[test]
    fn what_is_no_data_is_quoted_shortly() {
        let secret = "a".repeat(300);
        let error = text(secret.as_bytes()).reals(ALL, "a feature").expect_err("text");
        assert!(error.message.chars().count() < 80, "{}", error.message);
    }

    #[test]
    fn an_endless_line_is_refused() {
        struct Blanks;
        impl Read for Blanks {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                buffer.fill(b' ');
                Ok(buffer.len())
            }
        }
        let wrong = |_: &str, error: &io::Error| DataError::new("data::unreadable", error.to_string());
        let endless = Text::new("t.txt".into(), 0, Box::new(Blanks), Box::new(wrong));
        let error = endless.reals(ALL, "a feature").expect_err("endless");
        assert_eq!(error.to_string(), "t.txt:1: the line is longer than 16 MiB");
    }
}
