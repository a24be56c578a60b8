//! Tables of numbers out of bytes: one pass, no text copied. A line holds one row, its values separated by a comma
//! (with or without blanks) or by blanks alone, as the TU collection mixes them.

use super::error::{DataError, count};
use std::ops::Range;

/// One file, or one part of an archive, with the name that messages give it.
#[derive(Debug)]
pub struct Text {
    pub label: String,
    pub bytes: Vec<u8>,
}

/// Rows of equal width.
#[derive(Debug, PartialEq)]
pub struct Table<T> {
    /// Row-major.
    pub values: Vec<T>,
    pub width: usize,
}

impl<T> Table<T> {
    pub fn n_rows(&self) -> usize {
        self.values.len() / self.width.max(1)
    }
}

/// Why a value could not be read.
enum Wrong {
    NotANumber,
    TooLarge,
    NotFinite,
}

/// Reads a value at `at` and moves `at` behind it.
type ReadValue<T> = fn(bytes: &[u8], at: &mut usize) -> Result<T, Wrong>;

impl Text {
    /// Whole numbers from 0 to 2³² − 1.
    pub fn naturals(&self, width: Option<usize>, expected: &str) -> Result<Table<u32>, DataError> {
        self.table(read_natural, width, expected)
    }

    /// Whole numbers, negative ones included.
    pub fn integers(&self, width: Option<usize>, expected: &str) -> Result<Table<i64>, DataError> {
        self.table(read_integer, width, expected)
    }

    /// Finite real numbers.
    pub fn reals(&self, expected: &str) -> Result<Table<f32>, DataError> {
        self.table(read_real, None, expected)
    }

    /// A mistake on the line that holds row `row`: blank lines are refused, so rows and lines count alike.
    pub fn error(&self, code: &'static str, row: usize, message: impl Into<String>) -> DataError {
        DataError::new(code, message).file(&self.label).line(row + 1)
    }

    /// A mistake of the file as a whole.
    pub fn whole(&self, code: &'static str, message: impl Into<String>) -> DataError {
        DataError::new(code, message).file(&self.label)
    }

    fn table<T>(
        &self,
        read: ReadValue<T>,
        width: Option<usize>,
        expected: &str,
    ) -> Result<Table<T>, DataError> {
        let bytes = self.bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&self.bytes);
        let mut values = Vec::with_capacity(bytes.len() / 4);
        let (mut at, mut row, mut wanted) = (0, 0, width.unwrap_or(0));
        while at < bytes.len() {
            let line_start = at;
            skip_blanks(bytes, &mut at);
            if ends_line(bytes, at) {
                // Blank lines at the end are harmless; one between rows would move every row behind it.
                if bytes[at..].iter().all(u8::is_ascii_whitespace) {
                    break;
                }
                return Err(self
                    .error("data::ragged", row, format!("expected {expected}, but the line is empty"))
                    .help("line i belongs to item i: delete the empty line, or write its values"));
            }
            let first = values.len();
            loop {
                let value_start = at;
                match read(bytes, &mut at) {
                    Ok(value) => values.push(value),
                    Err(wrong) => return Err(self.bad_value(bytes, row, value_start, &wrong, expected)),
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
                    return Err(self.bad_value(bytes, row, value_start, &Wrong::NotANumber, expected));
                }
            }
            let found = values.len() - first;
            if row == 0 && wanted == 0 {
                wanted = found;
            }
            if found != wanted {
                let line = excerpt(bytes, line_start..at);
                let message = if width.is_some() {
                    format!("expected {expected}, but `{line}` has {}", count(found, "value"))
                } else {
                    format!("`{line}` has {}, but the lines before have {wanted}", count(found, "value"))
                };
                return Err(self
                    .error("data::ragged", row, message)
                    .help("every line of this file has the same number of values, separated by commas"));
            }
            // Behind the newline, or at the end.
            at = (at + 1).min(bytes.len());
            row += 1;
        }
        Ok(Table { values, width: wanted })
    }

    #[cold]
    fn bad_value(&self, bytes: &[u8], row: usize, start: usize, wrong: &Wrong, expected: &str) -> DataError {
        let end = bytes[start..]
            .iter()
            .position(|byte| matches!(byte, b',' | b' ' | b'\t' | b'\r' | b'\n'))
            .map_or(bytes.len(), |length| start + length);
        let value = excerpt(bytes, start..end);
        let (code, message, help) = match wrong {
            _ if value.is_empty() => (
                "data::ragged",
                format!("expected {expected}, but there is nothing"),
                "write the value, or delete the comma",
            ),
            Wrong::NotANumber => (
                "data::not_a_number",
                format!("expected {expected}, but found `{value}`"),
                "write a number; the TU layout has no header line and no names",
            ),
            Wrong::TooLarge => (
                "data::out_of_range",
                format!("expected {expected}, but `{value}` is too large"),
                "numbers of nodes and graphs go up to 4294967295",
            ),
            Wrong::NotFinite => (
                "data::not_finite",
                format!("expected {expected}, but `{value}` is not finite"),
                "replace it by a value (the mean of its column, or 0): a NaN or infinity would spread to every weight",
            ),
        };
        self.error(code, row, message).help(help)
    }
}

/// A piece of a file as a message shows it: at most 40 characters, whatever the bytes are.
fn excerpt(bytes: &[u8], range: Range<usize>) -> String {
    let text = String::from_utf8_lossy(&bytes[range.start..range.end.min(range.start + 200)]);
    let text = text.trim();
    let shown: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().count() > 40 { format!("{shown}…") } else { shown }
}

#[inline]
fn skip_blanks(bytes: &[u8], at: &mut usize) {
    while *at < bytes.len() && matches!(bytes[*at], b' ' | b'\t' | b'\r') {
        *at += 1;
    }
}

#[inline]
fn ends_line(bytes: &[u8], at: usize) -> bool {
    at >= bytes.len() || bytes[at] == b'\n'
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
fn read_natural(bytes: &[u8], at: &mut usize) -> Result<u32, Wrong> {
    let (value, n_digits) = read_digits(bytes, at);
    match n_digits {
        0 => Err(Wrong::NotANumber),
        1..=18 => u32::try_from(value).map_err(|_| Wrong::TooLarge),
        _ => Err(Wrong::TooLarge),
    }
}

#[inline]
fn read_integer(bytes: &[u8], at: &mut usize) -> Result<i64, Wrong> {
    let sign = bytes.get(*at).copied();
    if matches!(sign, Some(b'-' | b'+')) {
        *at += 1;
    }
    let (value, n_digits) = read_digits(bytes, at);
    match n_digits {
        0 => Err(Wrong::NotANumber),
        // Eighteen digits always fit.
        1..=18 => Ok(if sign == Some(b'-') { -(value as i64) } else { value as i64 }),
        _ => Err(Wrong::TooLarge),
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

    fn text(bytes: &[u8]) -> Text {
        Text { label: "t.txt".into(), bytes: bytes.to_vec() }
    }

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
            let read = text(value.as_bytes()).reals("a number").expect(value).values[0];
            let expected = value.trim().parse::<f64>().expect(value) as f32;
            assert_eq!(read.to_bits(), expected.to_bits(), "{value}");
        }
    }

    #[test]
    fn commas_blanks_and_line_ends_may_be_mixed() {
        let table =
            text(b"\xEF\xBB\xBF1, 2\r\n3,4\n 5\t6 \n7 ,8\n\n \n").naturals(Some(2), "two").expect("readable");
        assert_eq!(table, Table { values: vec![1, 2, 3, 4, 5, 6, 7, 8], width: 2 });
        assert_eq!(text(b"").integers(None, "a number").expect("nothing").n_rows(), 0);
        assert_eq!(text(b"-1\n+1\n0").integers(None, "a label").expect("signs").values, [-1, 1, 0]);
    }

    #[test]
    fn each_mistake_has_its_own_message_and_line() {
        let check = |bytes: &[u8], code: &str, shown: &str| {
            let error = text(bytes).reals("a feature").expect_err(shown);
            assert_eq!((error.code, error.to_string().as_str()), (code, shown));
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
        let error = text(b"1\n4294967296\n").naturals(Some(1), "a node").expect_err("33 bits");
        assert_eq!(error.code, "data::out_of_range");
        let error = text(b"1\n-2\n").naturals(Some(1), "a node").expect_err("negative");
        assert_eq!(error.to_string(), "t.txt:2: expected a node, but found `-2`");
    }
}
