//! Features of nodes or edges as a data set holds them: rows of numbers, written out, one-hot, or without their zeros.

use crate::files::Array;
use std::ops::Range;

/// Features of nodes or edges. One-hot features are kept as column numbers: D&D's 335,000 nodes of 89 columns would
/// take 119 MB written out, and a batch writes out only its own rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Features {
    /// Row-major `[n_rows, width]`.
    Dense { values: Array<f32>, width: usize },
    /// Row `i` has a one in column `columns[i]` and zeros elsewhere.
    OneHot { columns: Array<u32>, width: usize },
    /// What is not zero: words of a text, of which each text has few. Written out, the 18,333 authors of the set
    /// Coauthor CS with their 6,805 words would take 499 MB in place of 9 MB.
    Sparse(SparseRows),
}

/// Rows of which most numbers are zero: row `i` has `values[e]` in column `columns[e]` for each `e` in
/// `offsets[i] .. offsets[i + 1]`, columns ascending, each once.
#[derive(Debug, Clone, PartialEq)]
pub struct SparseRows {
    /// `[n_rows + 1]`
    pub offsets: Array<u32>,
    pub columns: Array<u32>,
    pub values: Array<f32>,
    pub width: usize,
}

impl SparseRows {
    /// No rows yet.
    pub fn new(width: usize) -> Self {
        Self { offsets: vec![0].into(), columns: Array::default(), values: Array::default(), width }
    }

    pub fn n_rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Columns and values of a row.
    pub fn row(&self, row: usize) -> impl Iterator<Item = (u32, f32)> + '_ {
        let entries = self.offsets[row] as usize..self.offsets[row + 1] as usize;
        self.columns[entries.clone()].iter().copied().zip(self.values[entries].iter().copied())
    }

    /// Appends a row; columns ascend, and zeros are left out.
    pub fn push_row(&mut self, entries: impl Iterator<Item = (u32, f32)>) {
        let (columns, values) = (self.columns.make_mut(), self.values.make_mut());
        for (column, value) in entries.filter(|(_, value)| *value != 0.0) {
            columns.push(column);
            values.push(value);
        }
        self.offsets.make_mut().push(columns.len() as u32);
    }
}

impl Features {
    /// Columns a row; 0 where there are no features.
    pub fn width(&self) -> usize {
        match self {
            Features::Dense { width, .. } | Features::OneHot { width, .. } => *width,
            Features::Sparse(rows) => rows.width,
        }
    }

    /// Bytes in memory.
    pub fn n_bytes(&self) -> usize {
        match self {
            Features::Dense { values, .. } => 4 * values.len(),
            Features::OneHot { columns, .. } => 4 * columns.len(),
            Features::Sparse(rows) => 4 * (rows.offsets.len() + 2 * rows.columns.len()),
        }
    }

    /// Numbers that are not zero, of all rows, as far as the form shows them.
    pub fn n_stored(&self) -> usize {
        match self {
            Features::Dense { values, .. } => values.len(),
            Features::OneHot { columns, .. } => columns.len(),
            Features::Sparse(rows) => rows.columns.len(),
        }
    }

    /// Gives the columns of a row that are not zero to `each`, ascending.
    pub fn each_of_row(&self, row: usize, mut each: impl FnMut(u32, f32)) {
        match self {
            Features::Dense { values, width } => (0..)
                .zip(&values[row * width..(row + 1) * width])
                .filter(|(_, value)| **value != 0.0)
                .for_each(|(column, &value)| each(column, value)),
            Features::OneHot { columns, .. } => each(columns[row], 1.0),
            Features::Sparse(rows) => {
                rows.row(row)
                    .filter(|(_, value)| *value != 0.0)
                    .for_each(|(column, value)| each(column, value));
            }
        }
    }

    /// How many rows there are; `None` where they have no columns and cannot be counted.
    pub(super) fn n_rows(&self) -> Option<usize> {
        match self {
            Features::Dense { width: 0, .. } => None,
            Features::Dense { values, width } => Some(values.len() / width),
            Features::OneHot { columns, .. } => Some(columns.len()),
            Features::Sparse(rows) => Some(rows.n_rows()),
        }
    }

    /// The rows of these numbers, in this order.
    ///
    /// # Panics
    /// Where there is no such row.
    #[must_use]
    pub fn picked(&self, rows: &[u32]) -> Self {
        match self {
            Features::Dense { values, width } => {
                let mut picked = Vec::with_capacity(rows.len() * width);
                for &row in rows {
                    picked.extend_from_slice(&values[row as usize * width..][..*width]);
                }
                Features::Dense { values: picked.into(), width: *width }
            }
            Features::OneHot { columns, width } => Features::OneHot {
                columns: rows.iter().map(|&row| columns[row as usize]).collect(),
                width: *width,
            },
            Features::Sparse(all) => {
                let mut picked = SparseRows::new(all.width);
                rows.iter().for_each(|&row| picked.push_row(all.row(row as usize)));
                Features::Sparse(picked)
            }
        }
    }

    /// Appends some rows to `out`, row-major.
    pub fn write_rows(&self, nodes: Range<usize>, out: &mut Vec<f32>) {
        match self {
            Features::Dense { values, width } => {
                out.extend_from_slice(&values[nodes.start * width..nodes.end * width]);
            }
            Features::OneHot { columns, width } => {
                let start = out.len();
                out.resize(start + nodes.len() * width, 0.0);
                for (row, &column) in columns[nodes].iter().enumerate() {
                    out[start + row * width + column as usize] = 1.0;
                }
            }
            Features::Sparse(rows) => {
                let start = out.len();
                out.resize(start + nodes.len() * rows.width, 0.0);
                for (at, node) in nodes.enumerate() {
                    let row = &mut out[start + at * rows.width..][..rows.width];
                    rows.row(node).for_each(|(column, value)| row[column as usize] = value);
                }
            }
        }
    }
}
