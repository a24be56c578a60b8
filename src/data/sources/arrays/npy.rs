//! Arrays as NumPy writes them: one in `.npy`, several in the zip archive `.npz`.
//!
//! Format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>. The header is read here and not by a
//! package (npyz, ndarray-npy): those set memory aside by what a header announces and read it as any Python expression.

use crate::data::DataError;
use crate::data::scan::FileName;

/// The header of an array has at most so many bytes; NumPy's own readers refuse more than 10,000.
const MAX_HEADER_BYTES: usize = 64 << 10;

/// An array, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    pub file: FileName,
    pub shape: Vec<usize>,
    pub values: Values,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    Whole(Vec<i64>),
    Real(Vec<f64>),
    Texts(Vec<String>),
}

impl Array {
    /// Reads an array out of all bytes of a file.
    ///
    /// # Errors
    /// Where it is none, holds Python objects, or is shorter or longer than its header says.
    pub fn parse(file: &FileName, bytes: &[u8]) -> Result<Self, DataError> {
        let wrong = |message: String| {
            file.whole("data::array", message)
                .help("write it again with `numpy.save` or `numpy.savez`; the file may be incomplete")
        };
        let body = bytes.strip_prefix(b"\x93NUMPY").ok_or_else(|| wrong("is no array of NumPy".into()))?;
        let (header, data) = match body {
            [1, _, low, high, rest @ ..] => {
                rest.split_at_checked(usize::from(u16::from_le_bytes([*low, *high])))
            }
            [2 | 3, _, a, b, c, d, rest @ ..] => {
                rest.split_at_checked(u32::from_le_bytes([*a, *b, *c, *d]) as usize)
            }
            _ => None,
        }
        .filter(|(header, _)| header.len() <= MAX_HEADER_BYTES)
        .ok_or_else(|| wrong("is an incomplete array".into()))?;
        let header = std::str::from_utf8(header).map_err(|_| wrong("has a header that is no text".into()))?;
        let Some((descr, is_fortran, shape)) = parse_header(header) else {
            return Err(wrong("has a header that does not say type and shape of one array".into()));
        };
        let (kind, size) = match descr.as_bytes() {
            [b'<' | b'>' | b'|' | b'=', kind, size @ ..] => (
                *kind,
                std::str::from_utf8(size).ok().and_then(|size| size.parse::<usize>().ok()).unwrap_or(0),
            ),
            _ => (b'?', 0),
        };
        let is_big = descr.starts_with('>');
        let item_bytes = if kind == b'U' { size.saturating_mul(4) } else { size };
        if kind == b'O' {
            return Err(file
                .whole("data::not_supported", "holds Python objects, which would run as a program")
                .help("write numbers or texts: `numpy.asarray(values, dtype=float)`, `dtype=str`"));
        }
        let n_items = shape.iter().try_fold(1usize, |all, &of| all.checked_mul(of));
        let n_bytes = n_items.and_then(|n| n.checked_mul(item_bytes));
        if n_bytes != Some(data.len()) || item_bytes == 0 {
            return Err(wrong(format!(
                "has {} bytes of values, which are not those of shape {shape:?} and type {descr}",
                data.len()
            )));
        }
        let items = || data.chunks_exact(item_bytes.max(1));
        /// The bytes of a number with the least first, filled up with `fill`.
        fn whole(item: &[u8], is_big: bool, fill: u8) -> [u8; 8] {
            let mut bytes = [fill; 8];
            for (idx, byte) in bytes.iter_mut().take(item.len()).enumerate() {
                *byte = if is_big { item[item.len() - 1 - idx] } else { item[idx] };
            }
            bytes
        }
        let mut values = match (kind, size) {
            (b'b', 1) => Values::Whole(items().map(|item| i64::from(item[0] != 0)).collect()),
            (b'i', 1 | 2 | 4 | 8) => Values::Whole(
                items()
                    .map(|item| {
                        let top = if is_big { item[0] } else { item[item.len() - 1] };
                        i64::from_le_bytes(whole(item, is_big, if top & 0x80 == 0 { 0 } else { 0xff }))
                    })
                    .collect(),
            ),
            (b'u', 1 | 2 | 4 | 8) => {
                let numbers: Option<Vec<i64>> = items()
                    .map(|item| i64::try_from(u64::from_le_bytes(whole(item, is_big, 0))).ok())
                    .collect();
                Values::Whole(numbers.ok_or_else(|| wrong("has a number beyond 9223372036854775807".into()))?)
            }
            (b'f', 4) => Values::Real(
                items()
                    .map(|item| {
                        let bytes = whole(item, is_big, 0);
                        f64::from(f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
                    })
                    .collect(),
            ),
            (b'f', 8) => {
                Values::Real(items().map(|item| f64::from_le_bytes(whole(item, is_big, 0))).collect())
            }
            (b'S', _) => Values::Texts(
                items().map(|item| String::from_utf8_lossy(item).trim_end_matches('\0').to_owned()).collect(),
            ),
            (b'U', _) => {
                let text = |item: &[u8]| -> Option<String> {
                    let chars = item.chunks_exact(4).map(|char| {
                        let bytes = [char[0], char[1], char[2], char[3]];
                        char::from_u32(if is_big {
                            u32::from_be_bytes(bytes)
                        } else {
                            u32::from_le_bytes(bytes)
                        })
                    });
                    chars.collect::<Option<String>>().map(|text| text.trim_end_matches('\0').to_owned())
                };
                let texts: Option<Vec<String>> = items().map(text).collect();
                Values::Texts(texts.ok_or_else(|| wrong("has a text that is no Unicode".into()))?)
            }
            _ => {
                return Err(file
                    .whole("data::not_supported", format!("has values of type `{}`", descr.escape_debug()))
                    .help(
                        "write whole numbers, reals of 32 or 64 bits, or texts: `array.astype(\"float32\")`",
                    ));
            }
        };
        if is_fortran && shape.len() > 1 {
            let [rows, columns] = shape.as_slice() else {
                return Err(wrong("has more than two axes, column by column".into()));
            };
            values = values.transposed(*rows, *columns);
        }
        Ok(Self { file: file.clone(), shape, values })
    }

    pub fn len(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// Whole numbers; reals that are whole count.
    ///
    /// # Errors
    /// Where one is none.
    pub fn whole(&self) -> Result<Vec<i64>, DataError> {
        match &self.values {
            Values::Whole(values) => Ok(values.clone()),
            Values::Real(values) => {
                let whole =
                    |&value: &f64| (value.fract() == 0.0 && value.abs() < 9e15).then_some(value as i64);
                values.iter().map(whole).collect::<Option<_>>().ok_or_else(|| {
                    self.file
                        .whole("data::not_a_number", "has fractions, where whole numbers are asked for")
                        .help("write whole numbers")
                })
            }
            Values::Texts(_) => Err(self
                .file
                .whole("data::not_a_number", "has texts, where whole numbers are asked for")
                .help("write whole numbers")),
        }
    }

    /// Finite numbers.
    ///
    /// # Errors
    /// Where one is none.
    pub fn reals(&self) -> Result<Vec<f32>, DataError> {
        let values: Vec<f32> = match &self.values {
            Values::Whole(values) => values.iter().map(|&value| value as f32).collect(),
            Values::Real(values) => values.iter().map(|&value| value as f32).collect(),
            Values::Texts(_) => {
                return Err(self
                    .file
                    .whole("data::not_a_number", "has texts, where numbers are asked for")
                    .help("write numbers"));
            }
        };
        match values.iter().position(|value| !value.is_finite()) {
            None => Ok(values),
            Some(at) => Err(self
                .file
                .whole("data::not_finite", format!("value {at} is not finite"))
                .help("replace it: a NaN or infinity would spread to every weight")),
        }
    }
}

impl Values {
    fn transposed(self, rows: usize, columns: usize) -> Self {
        fn of<T: Clone>(values: &[T], rows: usize, columns: usize) -> Vec<T> {
            (0..rows)
                .flat_map(|row| (0..columns).map(move |column| (row, column)))
                .map(|(row, column)| values[column * rows + row].clone())
                .collect()
        }
        match self {
            Values::Whole(values) => Values::Whole(of(&values, rows, columns)),
            Values::Real(values) => Values::Real(of(&values, rows, columns)),
            Values::Texts(values) => Values::Texts(of(&values, rows, columns)),
        }
    }
}

/// `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }`
fn parse_header(header: &str) -> Option<(&str, bool, Vec<usize>)> {
    let inner = header.trim().strip_prefix('{')?.strip_suffix('}')?;
    let after = |key: &str| {
        let at = [format!("'{key}'"), format!("\"{key}\"")]
            .iter()
            .find_map(|key| Some(inner.find(key)? + key.len()))?;
        Some(inner[at..].trim_start().strip_prefix(':')?.trim_start())
    };
    let descr = after("descr")?;
    let quote = descr.chars().next().filter(|quote| ['\'', '"'].contains(quote))?;
    let descr = &descr[1..];
    let descr = &descr[..descr.find(quote)?];
    let is_fortran = match after("fortran_order")? {
        text if text.starts_with("False") => false,
        text if text.starts_with("True") => true,
        _ => return None,
    };
    let shape = after("shape")?.strip_prefix('(')?;
    let shape = &shape[..shape.find(')')?];
    let sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty());
    let shape: Option<Vec<usize>> = sizes.map(|size| size.trim_end_matches('L').parse().ok()).collect();
    Some((descr, is_fortran, shape.filter(|shape| shape.len() <= 8)?))
}

/// Bytes of an array with this header and these values, for tests.
#[cfg(test)]
pub fn written(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Result<Array, DataError> {
        Array::parse(&FileName::new("x.npy"), bytes)
    }

    #[test]
    fn types_and_orders_are_read() {
        let values =
            |descr: &str, shape: &str, data: &[u8]| parse(&written(descr, shape, data)).expect(descr).values;
        assert_eq!(values("<i8", "(1,)", &(-3i64).to_le_bytes()), Values::Whole(vec![-3]));
        assert_eq!(values(">i2", "(2,)", &[0xff, 0xfe, 0x01, 0x00]), Values::Whole(vec![-2, 256]));
        assert_eq!(values("|b1", "(2,)", &[0, 1]), Values::Whole(vec![0, 1]));
        assert_eq!(values("|u1", "()", &[200]), Values::Whole(vec![200]));
        assert_eq!(values("<f4", "(1, 1)", &1.5f32.to_le_bytes()), Values::Real(vec![1.5]));
        assert_eq!(values(">f8", "(1,)", &1.5f64.to_be_bytes()), Values::Real(vec![1.5]));
        assert_eq!(values("|S3", "()", b"csr"), Values::Texts(vec!["csr".into()]));
        assert_eq!(values("<U2", "(1,)", &[0x61, 0, 0, 0, 0, 0, 0, 0]), Values::Texts(vec!["a".into()]));
        let mut fortran = written("|u1", "(2, 3)", &[1, 4, 2, 5, 3, 6]);
        let at = fortran.windows(5).position(|window| window == b"False").expect("in the header");
        fortran.splice(at..at + 5, *b"True ");
        assert_eq!(parse(&fortran).expect("column by column").values, Values::Whole(vec![1, 2, 3, 4, 5, 6]));
    }

    #[test]
    fn what_is_no_array_is_refused() {
        let good = written("<i4", "(2,)", &[0; 8]);
        for cut in 0..good.len() {
            assert!(parse(&good[..cut]).is_err(), "{cut}");
        }
        for (descr, shape, data, code) in [
            ("|O", "(1,)", &[0u8; 8][..], "data::not_supported"),
            ("<c8", "(1,)", &[0; 8], "data::not_supported"),
            ("<i4", "(3,)", &[0; 8], "data::array"),
            ("<i4", "(9223372036854775807, 9223372036854775807)", &[0; 8], "data::array"),
            ("<i4", "(-1,)", &[0; 8], "data::array"),
            ("<i99999999999999999999", "(1,)", &[0; 8], "data::array"),
            ("<u8", "(1,)", &[0xff; 8], "data::array"),
            ("<U1", "(1,)", &[0xff; 4], "data::array"),
            ("", "(1,)", &[0; 8], "data::array"),
        ] {
            assert_eq!(parse(&written(descr, shape, data)).expect_err(descr).code, code, "{descr} {shape}");
        }
        let huge = [b"\x93NUMPY\x02\x00", &u32::MAX.to_le_bytes()[..], b"{"].concat();
        assert_eq!(parse(&huge).expect_err("four gigabytes of header").code, "data::array");
    }
}
