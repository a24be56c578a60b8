//! Python pickles as data sets come in, read without running anything.
//!
//! A pickle is a program for a small stack machine, and unpickling runs whatever functions it names. This machine knows the
//! few classes that published graph sets are made of (NumPy arrays, types and numbers, SciPy's CSR matrices, dictionaries
//! and lists) and builds those itself; every other name is refused, so a pickle of a stranger can do nothing.
//!
//! Format: <https://github.com/python/cpython/blob/main/Lib/pickletools.py>, protocols 2 to 5. The crate `serde-pickle`
//! reads numbers, texts and lists and knows no classes.

mod machine;
mod values;

use super::dataset::SparseRows;
use values::{Held, Value};

/// What is wrong with a pickle, and at which byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    pub at: usize,
    pub message: String,
    /// It names something that is not built here.
    pub is_foreign: bool,
}

/// What a pickle holds.
#[derive(Debug)]
pub struct Pickle<'a> {
    held: Vec<Held<'a>>,
    top: Value<'a>,
    n_bytes: usize,
}

/// Numbers in rows; `shape[0]` rows, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

/// Reads a whole pickle. What it holds takes at most `max_bytes`.
///
/// # Errors
/// Where it is cut short or damaged, or names anything but the known classes.
pub fn read(bytes: &[u8], max_bytes: u64) -> Result<Pickle<'_>, Wrong> {
    machine::run(bytes, max_bytes)
}

impl<'a> Pickle<'a> {
    fn wrong(&self, message: impl Into<String>) -> Wrong {
        Wrong { at: self.n_bytes, message: message.into(), is_foreign: false }
    }

    fn held(&self, value: Value<'a>) -> Option<&Held<'a>> {
        match value {
            Value::Held(idx) => self.held.get(idx as usize),
            _ => None,
        }
    }

    fn in_words(&self, value: Value<'a>) -> &'static str {
        value.in_words(&self.held)
    }

    /// The pickle as a NumPy array of numbers.
    ///
    /// # Errors
    /// Where it is something else, or damaged.
    pub fn array(&self) -> Result<Array, Wrong> {
        self.array_of(self.top)
    }

    fn array_of(&self, value: Value<'a>) -> Result<Array, Wrong> {
        let Some(Held::Array(array)) = self.held(value) else {
            return Err(self.wrong(format!("expected an array of numbers, found {}", self.in_words(value))));
        };
        array.numbers(&self.held).map_err(|message| self.wrong(message))
    }

    /// Whether it is a sparse matrix, and not an array.
    pub fn is_sparse(&self) -> bool {
        matches!(self.held(self.top), Some(Held::Sparse(_)))
    }

    /// The pickle as a sparse matrix in SciPy's CSR form. Several values of one place are added up, as SciPy does.
    ///
    /// # Errors
    /// Where it is something else, or its parts contradict each other.
    pub fn sparse(&self) -> Result<SparseRows, Wrong> {
        let state = match self.held(self.top) {
            Some(Held::Sparse(Some(state))) => *state,
            _ => {
                let found = self.in_words(self.top);
                return Err(self.wrong(format!("expected a sparse matrix (`csr_matrix`), found {found}")));
            }
        };
        let part = |name: &str| {
            let found = self.entries(state).and_then(|entries| {
                entries
                    .iter()
                    .find(|(key, _)| key.text(&self.held) == Some(name.as_bytes()))
                    .map(|(_, value)| *value)
            });
            found.ok_or_else(|| self.wrong(format!("the sparse matrix has no `{name}`")))
        };
        let shape = match part("_shape").or_else(|_| part("shape"))? {
            value @ Value::Held(_) => match self.held(value) {
                Some(Held::Tuple(sizes)) => {
                    sizes.iter().map(|size| size.whole()).collect::<Option<Vec<i64>>>()
                }
                _ => None,
            },
            _ => None,
        };
        let (n_rows, width) = match shape.as_deref() {
            Some(&[rows, width]) if rows >= 0 && (0..=i64::from(u32::MAX)).contains(&width) => (rows, width),
            _ => return Err(self.wrong("the sparse matrix has no shape of two numbers")),
        };
        let numbers = |name: &str| Ok(self.array_of(part(name)?)?.values);
        let (offsets, columns, values) = (numbers("indptr")?, numbers("indices")?, numbers("data")?);
        let whole = |value: f64, max: usize| {
            (value >= 0.0 && value <= max as f64 && value.fract() == 0.0).then_some(value as usize)
        };
        if offsets.len() as i64 - 1 != n_rows || columns.len() != values.len() {
            return Err(self.wrong(format!(
                "the sparse matrix contradicts itself: {n_rows} rows, {} offsets, {} columns, {} values",
                offsets.len(),
                columns.len(),
                values.len()
            )));
        }
        let mut rows = SparseRows::new(width as usize);
        let mut row: Vec<(u32, f64)> = Vec::new();
        for (number, pair) in offsets.windows(2).enumerate() {
            let range = whole(pair[0], columns.len()).zip(whole(pair[1], columns.len()));
            let Some((start, end)) = range.filter(|(start, end)| start <= end) else {
                return Err(
                    self.wrong(format!("the offsets of row {number} of the sparse matrix are no range"))
                );
            };
            // Rows may be stated to overlap; what they hold then is more than the file has.
            if rows.columns.len() + (end - start) > columns.len() {
                return Err(self.wrong(format!("row {number} of the sparse matrix begins inside another")));
            }
            row.clear();
            for (&column, &value) in columns[start..end].iter().zip(&values[start..end]) {
                match whole(column, usize::MAX >> 12).filter(|&column| (column as i64) < width) {
                    Some(column) => row.push((column as u32, value)),
                    None => {
                        return Err(self.wrong(format!(
                            "row {number} of the sparse matrix names column {column}, but there are {width}"
                        )));
                    }
                }
            }
            row.sort_by_key(|(column, _)| *column);
            row.dedup_by(|next, kept| {
                let is_same = next.0 == kept.0;
                if is_same {
                    kept.1 += next.1;
                }
                is_same
            });
            if let Some((column, _)) = row.iter().find(|(_, value)| !(*value as f32).is_finite()) {
                return Err(self.wrong(format!("the value of row {number}, column {column} is not finite")));
            }
            rows.push_row(row.iter().map(|&(column, value)| (column, value as f32)));
        }
        Ok(rows)
    }

    fn entries(&self, value: Value<'a>) -> Option<&[(Value<'a>, Value<'a>)]> {
        match self.held(value)? {
            Held::Dict(entries) => Some(entries),
            _ => None,
        }
    }

    /// The pickle as a dictionary from whole numbers to lists of whole numbers, each given to `each`.
    ///
    /// # Errors
    /// Where it is something else.
    pub fn lists(&self, mut each: impl FnMut(i64, i64) -> Result<(), String>) -> Result<(), Wrong> {
        let Some(entries) = self.entries(self.top) else {
            let found = self.in_words(self.top);
            return Err(self.wrong(format!("expected a dictionary of lists, found {found}")));
        };
        for &(key, list) in entries {
            let Some(key) = key.whole() else {
                let found = self.in_words(key);
                return Err(self.wrong(format!("expected the number of a node as a key, found {found}")));
            };
            let Some(Held::List(members)) = self.held(list) else {
                let found = self.in_words(list);
                return Err(
                    self.wrong(format!("expected the list of the neighbours of {key}, found {found}"))
                );
            };
            for member in members {
                let Some(member) = member.whole() else {
                    let found = self.in_words(*member);
                    return Err(
                        self.wrong(format!("expected a neighbour of {key} as a number, found {found}"))
                    );
                };
                each(key, member).map_err(|message| self.wrong(message))?;
            }
        }
        Ok(())
    }

    /// The numbers of the nodes that a dictionary of lists has entries for.
    pub fn keys(&self) -> impl Iterator<Item = i64> + '_ {
        self.entries(self.top).into_iter().flatten().filter_map(|(key, _)| key.whole())
    }
}

#[cfg(test)]
mod tests;
