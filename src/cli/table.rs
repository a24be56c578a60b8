//! Tables without lines, as wide as the terminal.

use super::{stdout_look, wrap};
use std::io::{self, Write};

/// Columns of spaces in front of a table and between its columns.
const GAP: usize = 2;
/// A word that is longer than this may be broken.
const MAX_WORD: usize = 30;

/// Rows of text. Where it is too wide, cells are broken between words; where that does not help, columns are left for a
/// second table beneath, which begins with the same first column.
#[derive(Debug, Default)]
pub struct Table {
    header: Option<Vec<String>>,
    rows: Vec<Vec<String>>,
    /// Columns that are aligned to the right.
    right: Vec<usize>,
    /// Columns that are as wide as those of another table.
    least: Vec<(usize, usize)>,
    width: usize,
}

/// An empty table for standard output.
pub fn plain_table() -> Table {
    Table { width: stdout_look().width, ..Table::default() }
}

/// Writes a table indented by two.
///
/// # Errors
/// Where `out` cannot be written.
pub fn write_table(out: &mut dyn Write, table: &Table) -> io::Result<()> {
    for (idx, columns) in table.blocks().into_iter().enumerate() {
        if idx > 0 {
            writeln!(out)?;
        }
        table.write_block(out, &columns)?;
    }
    Ok(())
}

fn texts<T: ToString>(cells: impl IntoIterator<Item = T>) -> Vec<String> {
    cells.into_iter().map(|cell| cell.to_string()).collect()
}

impl Table {
    pub fn set_header<T: ToString>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.header = Some(texts(cells));
    }

    pub fn add_row<T: ToString>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(texts(cells));
    }

    pub fn align_right(&mut self, columns: &[usize]) {
        self.right.extend(columns);
    }

    /// Makes a column at least this wide, so that several tables have it at one place.
    pub fn widen(&mut self, column: usize, width: usize) {
        self.least.push((column, width));
    }

    fn all(&self) -> impl Iterator<Item = &Vec<String>> {
        self.header.iter().chain(&self.rows)
    }

    fn n_columns(&self) -> usize {
        self.all().map(Vec::len).max().unwrap_or(0)
    }

    fn cells(&self, column: usize) -> impl Iterator<Item = &String> {
        self.all().filter_map(move |row| row.get(column))
    }

    /// The widest cell of each column, and its widest word where not all cells fit.
    fn sizes(&self) -> Vec<(usize, usize)> {
        let least = |column: usize| {
            self.least.iter().find(|(other, _)| *other == column).map_or(0, |(_, width)| *width)
        };
        let cell_width = |column: usize| {
            let lines = self.cells(column).flat_map(|cell| cell.lines());
            lines.map(wrap::columns).max().unwrap_or(0).max(least(column))
        };
        let widths: Vec<usize> = (0..self.n_columns()).map(cell_width).collect();
        if widths.iter().map(|width| width + GAP).sum::<usize>() <= self.width {
            return widths.into_iter().map(|width| (width, width)).collect();
        }
        let word_width = |column: usize| {
            self.cells(column).map(|cell| wrap::widest_word(cell)).max().unwrap_or(0).min(MAX_WORD)
        };
        widths.into_iter().enumerate().map(|(column, width)| (width, word_width(column).min(width))).collect()
    }

    /// Columns that are repeated in each block: the first, and the one behind a mere number.
    fn n_key_columns(&self) -> usize {
        let is_numbered =
            self.header.as_ref().and_then(|header| header.first()).is_some_and(|name| name == "#");
        if is_numbered { 2 } else { 1 }
    }

    /// Columns of each block with their widths.
    fn blocks(&self) -> Vec<Vec<(usize, usize)>> {
        let sizes = self.sizes();
        let n_keys = self.n_key_columns().min(sizes.len());
        let fits = |columns: &[usize]| {
            columns.iter().map(|&column| sizes[column].1 + GAP).sum::<usize>() <= self.width
        };
        let mut blocks: Vec<Vec<usize>> = vec![(0..n_keys).collect()];
        for column in n_keys..sizes.len() {
            let block = blocks.last_mut().expect("begins with one");
            block.push(column);
            if !fits(block) && block.len() > n_keys + 1 {
                block.pop();
                blocks.push((0..n_keys).chain([column]).collect());
            }
        }
        blocks.into_iter().map(|columns| widths(&columns, &sizes, self.width)).collect()
    }

    fn write_block(&self, out: &mut dyn Write, columns: &[(usize, usize)]) -> io::Result<()> {
        for row in self.all() {
            let cells: Vec<Vec<String>> = columns
                .iter()
                .map(|&(column, width)| broken(row.get(column).map_or("", String::as_str), width))
                .collect();
            let n_lines = cells.iter().map(Vec::len).max().unwrap_or(0).max(1);
            for line_idx in 0..n_lines {
                let mut line = String::new();
                for (&(column, width), lines) in columns.iter().zip(&cells) {
                    let text = lines.get(line_idx).map_or("", String::as_str);
                    let space = " ".repeat(width.saturating_sub(wrap::columns(text)));
                    line.push_str(&" ".repeat(GAP));
                    let is_right = self.right.contains(&column);
                    line.push_str(&if is_right { space + text } else { format!("{text}{space}") });
                }
                writeln!(out, "{}", line.trim_end())?;
            }
        }
        Ok(())
    }
}

/// Widths of the columns of a block: each has room for its widest word, and what is left of the terminal goes in equal
/// shares to those that need more. `sizes` are the widest cell and the widest word.
fn widths(columns: &[usize], sizes: &[(usize, usize)], width: usize) -> Vec<(usize, usize)> {
    let mut widths: Vec<(usize, usize)> = columns.iter().map(|&column| (column, sizes[column].1)).collect();
    let room = width.saturating_sub(GAP * columns.len());
    let used = |widths: &[(usize, usize)]| widths.iter().map(|(_, width)| width).sum::<usize>();
    // Words are cut where not even they fit.
    while used(&widths) > room {
        match widths.iter_mut().max_by_key(|(_, width)| *width).filter(|(_, width)| *width > 1) {
            Some((_, widest)) => *widest -= 1,
            None => break,
        }
    }
    loop {
        let left = room.saturating_sub(used(&widths));
        let mut open: Vec<_> =
            widths.iter_mut().filter(|(column, width)| *width < sizes[*column].0).collect();
        if left == 0 || open.is_empty() {
            return widths;
        }
        let share = (left / open.len()).max(1);
        for (column, width) in open.iter_mut().take(left) {
            *width += share.min(sizes[*column].0 - *width);
        }
    }
}

/// The lines of a cell.
fn broken(cell: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in cell.lines() {
        if wrap::columns(line) <= width {
            lines.push(line.to_owned());
        } else {
            lines.extend(wrap::fill(line, width, "", "").lines().flat_map(|line| chunks(line, width)));
        }
    }
    lines
}

/// A word that is wider than its column, cut.
fn chunks(line: &str, width: usize) -> Vec<String> {
    let mut chunks = vec![String::new()];
    for ch in line.chars() {
        let last = chunks.last_mut().expect("begins with one");
        let next = format!("{last}{ch}");
        if wrap::columns(&next) > width && !last.is_empty() {
            chunks.push(ch.to_string());
        } else {
            *last = next;
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(width: usize) -> String {
        let mut table = Table { width, ..Table::default() };
        table.set_header(["#", "Stage", "Result", "Parameters"]);
        table.add_row(["1", "diffpool(ratio = 0.25)", "clusters[155, 64]", "10,075"]);
        table.add_row(["12", "gcn(out = 64)", "nodes[N, 64]", "448"]);
        table.add_row(["", "encoder:"]);
        table.align_right(&[0, 3]);
        let mut out = Vec::new();
        write_table(&mut out, &table).expect("memory can be written");
        let text = String::from_utf8(out).expect("text");
        assert!(text.lines().all(|line| wrap::columns(line) <= width), "{text}");
        format!("\n{text}")
    }

    #[test]
    fn cells_break_between_words_and_columns_move_beneath() {
        assert_eq!(
            shown(80),
            "
   #  Stage                   Result             Parameters
   1  diffpool(ratio = 0.25)  clusters[155, 64]      10,075
  12  gcn(out = 64)           nodes[N, 64]              448
      encoder:
"
        );
        // `ratio = 0.25` is one word, as is what belongs to it; `clusters[155, 64]` has two.
        assert_eq!(
            shown(55),
            "
   #  Stage                   Result         Parameters
   1  diffpool(ratio = 0.25)  clusters[155,      10,075
                              64]
  12  gcn(out = 64)           nodes[N, 64]          448
      encoder:
"
        );
        assert_eq!(
            shown(45),
            "
   #  Stage                   Result
   1  diffpool(ratio = 0.25)  clusters[155,
                              64]
  12  gcn(out = 64)           nodes[N, 64]
      encoder:

   #  Stage                   Parameters
   1  diffpool(ratio = 0.25)      10,075
  12  gcn(out = 64)                  448
      encoder:
"
        );
    }

    #[test]
    fn a_word_that_fits_nowhere_is_cut() {
        let mut table = Table { width: 36, ..Table::default() };
        table.add_row(["fingerprint", "bb16307f5281854d1d162a5b211f"]);
        let mut out = Vec::new();
        write_table(&mut out, &table).expect("memory can be written");
        let text = String::from_utf8(out).expect("text");
        assert_eq!(text.split_whitespace().skip(1).collect::<String>(), "bb16307f5281854d1d162a5b211f");
        assert!(text.lines().all(|line| wrap::columns(line) <= 36), "{text}");
    }
}
