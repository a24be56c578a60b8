//! Source lines with labels beneath them.
//!
//! ```text
//!    ╭─[m.hgnn:2:5]
//!  2 │     -> concat(fine, identity)
//!    ·               ──┬─  ───┬────
//!    ·                 │      ╰── this is clusters[8, 64]
//!    ·                 ╰── this is nodes[N, 64]
//!    ·        ────────────┬────────────
//!    ·                    ╰── every branch has to end on the same level
//!    ╰────
//! ```
//!
//! A label inside another one gets a line of its own beneath, so that both start and end at the characters they
//! mean. Renderers of other crates draw all labels of a source line into one row, where nested ones end anywhere.
//! Lines that are wider than the terminal are continued on the next row, where their labels follow them.

use super::report::{Look, Places};
use super::wrap;
use crate::source::{FileId, Span};
use owo_colors::{OwoColorize, Style};
use std::collections::BTreeSet;
use unicode_width::UnicodeWidthChar;

/// A place of one file with what is to be written under it.
#[derive(Debug, Clone, Copy)]
pub struct Mark<'a> {
    pub span: Span,
    pub text: &'a str,
    /// The place that the headline names.
    pub is_primary: bool,
}

/// Columns between the stops of a tab.
const TAB: usize = 4;
/// Where a line that is continued begins.
const CONTINUED: usize = 4;
/// A label whose text has fewer columns than this to its right is moved to the next row, if that helps.
const TEXT_COLUMNS: usize = 28;
/// Texts are not broken into lines shorter than this.
const MIN_TEXT_COLUMNS: usize = 12;
/// A mark over more lines than this shows its first and last ones.
const MAX_MARKED_LINES: usize = 6;
/// Rows of one source line that are shown although no label lies in them.
const MAX_PLAIN_ROWS: usize = 2;
/// Bytes of a line of context that are looked at.
const MAX_CONTEXT_BYTES: usize = 2000;

/// The lines that the marks lie in, with one line of context around them. All marks lie in `file`.
pub fn excerpt(places: &Places, file: FileId, marks: &[Mark], look: Look) -> String {
    let paint = Paint { is_on: look.colours };
    let lines = Lines { places, file };
    let mut text = String::new();
    for block in blocks(&lines, marks) {
        let last = *block.last().expect("a block has a line");
        let sheet = Sheet { lines: &lines, marks, paint, n_digits: (last + 1).to_string().len(), look };
        sheet.write(&block, &mut text);
    }
    text
}

/// Colours as far as they are wanted.
#[derive(Clone, Copy)]
struct Paint {
    is_on: bool,
}

impl Paint {
    fn with(self, text: &str, style: Style) -> String {
        if self.is_on && !text.is_empty() { text.style(style).to_string() } else { text.to_owned() }
    }

    /// The colour of the label with this number.
    fn label(self, text: &str, idx: usize) -> String {
        let styles =
            [Style::new().magenta().bold(), Style::new().yellow().bold(), Style::new().green().bold()];
        self.with(text, styles[idx % styles.len()])
    }
}

// ── Which lines ─────────────────────────────────────────────────────────────────────────────────

struct Lines<'a> {
    places: &'a Places<'a>,
    file: FileId,
}

impl Lines<'_> {
    fn of(&self, offset: u32) -> usize {
        self.places.line(self.file, offset as usize)
    }

    /// The last line of context. Behind the last end of a line there is none.
    fn last(&self) -> usize {
        let last = self.places.n_lines(self.file) - 1;
        if self.places.line_text(self.file, last).1.is_empty() { last.saturating_sub(1) } else { last }
    }

    /// First and last line of a mark. One that ends where a line begins ends on the line before.
    fn range(&self, mark: &Mark) -> (usize, usize) {
        let first = self.of(mark.span.start);
        (first, self.of(mark.span.end.saturating_sub(1).max(mark.span.start)))
    }
}

/// The lines to show, grouped where a headline of their own is needed.
fn blocks(lines: &Lines, marks: &[Mark]) -> Vec<Vec<usize>> {
    let mut shown = BTreeSet::new();
    // Between these lines nothing is missed: a long mark leaves its middle out.
    let mut elided: Vec<(usize, usize)> = Vec::new();
    for mark in marks {
        let (first, last) = lines.range(mark);
        let context = |line: usize| line.saturating_sub(1)..=(line + 1).min(lines.last()).max(line);
        if last - first < MAX_MARKED_LINES {
            shown.extend(*context(first).start()..=*context(last).end());
        } else {
            shown.extend(context(first).chain(context(last)));
            elided.push((first, last));
        }
    }
    let mut blocks: Vec<Vec<usize>> = Vec::new();
    for line in shown {
        match blocks.last_mut() {
            Some(block) => {
                let before = block[block.len() - 1];
                let is_within = elided.iter().any(|&(first, last)| first <= before && line <= last);
                if before + 1 == line || is_within { block.push(line) } else { blocks.push(vec![line]) }
            }
            None => blocks.push(vec![line]),
        }
    }
    blocks
}

// ── One line as a terminal shows it ─────────────────────────────────────────────────────────────

/// A character, or what stands for it.
struct Cell {
    shown: char,
    /// Of the character in the file, in bytes.
    offset: usize,
    /// 0 to 4 columns; a tab is as many spaces as reach its stop.
    columns: usize,
}

/// What stands for a character that a terminal would obey or that would hide others.
fn visible(ch: char) -> char {
    match ch {
        '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + ch as u32).unwrap_or('�'),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}'
        | '\u{feff}' => '�',
        ch => ch,
    }
}

fn cells(text: &str, start: usize) -> Vec<Cell> {
    let mut column = 0;
    text.char_indices()
        .map(|(at, ch)| {
            let shown = if ch == '\t' { ' ' } else { visible(ch) };
            let columns = if ch == '\t' { TAB - column % TAB } else { shown.width().unwrap_or(0) };
            column += columns;
            Cell { shown, offset: start + at, columns }
        })
        .collect()
}

/// What a mark covers of one line: cells `start..end`, none for a place between two characters.
#[derive(Debug, Clone, Copy)]
struct Part<'a> {
    start: usize,
    end: usize,
    /// Index of the mark.
    mark: usize,
    /// Under the last part of a mark alone.
    text: Option<&'a str>,
}

impl Part<'_> {
    /// Cells that it takes at least.
    fn reach(&self) -> usize {
        self.end.max(self.start + 1)
    }
}

/// The parts of marks in one line, without the spaces at their ends.
fn parts<'a>(lines: &Lines, marks: &[Mark<'a>], line: usize, cells: &[Cell], end: usize) -> Vec<Part<'a>> {
    let cell = |offset: u32| cells.partition_point(|cell| cell.offset < offset as usize);
    let mut parts = Vec::new();
    for (idx, mark) in marks.iter().enumerate() {
        let (first, last) = lines.range(mark);
        if !(first..=last).contains(&line) {
            continue;
        }
        let begins = if line == first { cell(mark.span.start) } else { 0 };
        let ends = if line == last { cell(mark.span.end.min(end as u32)) } else { cells.len() };
        let covered = &cells[begins..ends.max(begins)];
        let n_before = covered.iter().take_while(|cell| cell.shown == ' ').count();
        let n_behind = covered.iter().rev().take_while(|cell| cell.shown == ' ').count();
        let (start, end) = match (n_before == covered.len(), first == last) {
            // A mark of spaces alone is meant so; a line of a longer mark may be empty.
            (true, true) => (begins, begins + covered.len()),
            (true, false) if line != last => continue,
            (true, false) => (begins, begins),
            (false, _) => (begins + n_before, begins + covered.len() - n_behind),
        };
        let text = (line == last && !mark.text.is_empty()).then_some(mark.text);
        parts.push(Part { start, end, mark: idx, text });
    }
    parts
}

/// Cuts a line into rows that fit `width` columns, with room for the labels' texts: the first cell of each row.
fn rows(cells: &[Cell], parts: &[Part], width: usize) -> Vec<usize> {
    let mut starts = vec![0];
    loop {
        let start = *starts.last().expect("begins with one");
        let indent = if start == 0 { 0 } else { CONTINUED };
        let mut end = start;
        let mut columns = indent;
        while end < cells.len() && columns + cells[end].columns <= width {
            columns += cells[end].columns;
            end += 1;
        }
        let fits = end == cells.len();
        let column = |cell: usize| indent + cells[start..cell].iter().map(|cell| cell.columns).sum::<usize>();
        let is_cramped = |part: &&Part| {
            let Some(text) = part.text.filter(|_| part.start > start && part.start < end) else {
                return false;
            };
            let needed = wrap::columns(text).min(TEXT_COLUMNS);
            column(part.start) + (part.reach().min(end) - part.start) / 2 + 4 + needed > width
        };
        let cramped = parts.iter().filter(is_cramped).map(|part| part.start).min();
        let cut = match (cramped.and_then(|at| break_before(cells, start, at)), fits) {
            (Some(cut), _) => cut,
            (None, true) => return starts,
            (None, false) => break_before(cells, start, end).unwrap_or(end.max(start + 1)),
        };
        starts.push(cut);
    }
}

/// The last place at or before cell `at` where a row may end: before a word, and not behind an arrow.
fn break_before(cells: &[Cell], start: usize, at: usize) -> Option<usize> {
    let is_space = |idx: usize| cells[idx].shown == ' ';
    let first_word = (start..cells.len()).find(|&idx| !is_space(idx))?;
    (first_word + 1..=at.min(cells.len() - 1)).rev().find(|&idx| {
        let is_behind_arrow = idx >= 3 && cells[idx - 2].shown == '>' && cells[idx - 3].shown == '-';
        !is_space(idx) && is_space(idx - 1) && !is_behind_arrow
    })
}

// ── Writing ─────────────────────────────────────────────────────────────────────────────────────

/// One block of lines.
struct Sheet<'a> {
    lines: &'a Lines<'a>,
    marks: &'a [Mark<'a>],
    paint: Paint,
    n_digits: usize,
    look: Look,
}

/// A label in a row: columns `start..end`, and the texts of all marks that cover them.
struct Label<'a> {
    start: usize,
    end: usize,
    mark: usize,
    texts: Vec<&'a str>,
    /// Between two characters.
    is_point: bool,
}

impl Label<'_> {
    fn middle(&self) -> usize {
        (self.start + self.end) / 2
    }
}

impl Sheet<'_> {
    fn write(&self, block: &[usize], text: &mut String) {
        let within = |mark: &&Mark| block.contains(&self.lines.range(mark).0);
        let primary = self.marks.iter().filter(|mark| mark.is_primary).find(within);
        if let Some(mark) = primary.or_else(|| self.marks.iter().find(within)) {
            let (line, column) = self.lines.places.line_column(self.lines.file, mark.span.start);
            let name = self.lines.places.name(self.lines.file);
            let place =
                self.paint.with(&format!("{name}:{line}:{column}"), Style::new().cyan().underline().bold());
            text.push_str(&format!("{} ╭─[{place}]\n", " ".repeat(self.n_digits + 1)));
        }
        let mut before = None;
        for &line in block {
            if before.is_some_and(|before| before + 1 < line) {
                text.push_str(&format!("{} ⋮\n", " ".repeat(self.n_digits + 1)));
            }
            before = Some(line);
            self.write_line(line, text);
        }
        text.push_str(&format!("{} ╰────\n", " ".repeat(self.n_digits + 1)));
    }

    fn write_line(&self, line: usize, text: &mut String) {
        let (start, source) = self.lines.places.line_text(self.lines.file, line);
        let is_marked = self.marks.iter().any(|mark| {
            let (first, last) = self.lines.range(mark);
            (first..=last).contains(&line)
        });
        // No more of a line of context is shown.
        let n_bytes = if is_marked { source.len() } else { source.floor_char_boundary(MAX_CONTEXT_BYTES) };
        let source = &source[..n_bytes];
        let cells = cells(source, start);
        let parts = parts(self.lines, self.marks, line, &cells, start + source.len());
        let width = self.look.width.saturating_sub(self.n_digits + 4).max(20);
        let starts = rows(&cells, &parts, width);
        let mut n_plain = 0;
        for (row, &first) in starts.iter().enumerate() {
            let end = starts.get(row + 1).copied().unwrap_or(cells.len());
            let is_last = row + 1 == starts.len();
            let labels = row_labels(&cells, &parts, row, first..end, is_last);
            // A very long line is shown where its labels are.
            n_plain = if labels.is_empty() { n_plain + 1 } else { 0 };
            if n_plain > MAX_PLAIN_ROWS {
                if n_plain == MAX_PLAIN_ROWS + 1 {
                    text.push_str(&format!("{} ⋮\n", " ".repeat(self.n_digits + 1)));
                }
                continue;
            }
            let number = if row == 0 { (line + 1).to_string() } else { String::new() };
            let number = self.paint.with(&format!("{number:>0$}", self.n_digits), Style::new().dimmed());
            let mut shown = " ".repeat(if row == 0 { 0 } else { CONTINUED });
            for cell in &cells[first..end] {
                match (cell.shown, cell.columns) {
                    (' ', columns) => shown.extend(std::iter::repeat_n(' ', columns)),
                    (ch, _) => shown.push(ch),
                }
            }
            text.push_str(format!(" {number} │ {}", shown.trim_end()).trim_end());
            text.push('\n');
            for layer in layers(labels) {
                self.write_layer(&layer, width, text);
            }
        }
    }

    /// Underlines, then the texts from right to left.
    fn write_layer(&self, labels: &[Label], width: usize, text: &mut String) {
        let gutter = format!(" {} · ", " ".repeat(self.n_digits));
        text.push_str(&gutter);
        let mut column = 0;
        for label in labels {
            let sign = match (label.is_point, label.texts.is_empty()) {
                (true, _) => "▲",
                (false, true) => "─",
                (false, false) => "┬",
            };
            let (left, right) = (label.middle() - label.start, label.end - label.middle() - 1);
            let line = format!("{}{sign}{}", "─".repeat(left), "─".repeat(right));
            text.push_str(&format!("{:1$}", "", label.start - column));
            text.push_str(&self.paint.label(&line, label.mark));
            column = label.end;
        }
        text.push('\n');
        for (idx, label) in labels.iter().enumerate().rev() {
            let room = width.saturating_sub(label.middle() + 4).max(MIN_TEXT_COLUMNS);
            for (text_idx, words) in label.texts.iter().enumerate() {
                let is_last = text_idx + 1 == label.texts.len();
                let filled = wrap::fill(words, room, "", "");
                for (line_idx, line) in filled.lines().enumerate() {
                    let joint = match (line_idx, is_last) {
                        (0, true) => "╰── ",
                        (0, false) => "├── ",
                        (_, true) => "    ",
                        (_, false) => "│   ",
                    };
                    text.push_str(&gutter);
                    let mut column = 0;
                    for left in labels[..idx].iter().filter(|left| !left.texts.is_empty()) {
                        text.push_str(&format!("{:1$}", "", left.middle() - column));
                        text.push_str(&self.paint.label("│", left.mark));
                        column = left.middle() + 1;
                    }
                    text.push_str(&format!("{:1$}", "", label.middle() - column));
                    text.push_str(&self.paint.label(&format!("{joint}{line}"), label.mark));
                    text.push('\n');
                }
            }
        }
    }
}

/// The labels of one row of a line, in columns; those of the same columns are one label with several texts.
fn row_labels<'a>(
    cells: &[Cell],
    parts: &[Part<'a>],
    row: usize,
    shown: std::ops::Range<usize>,
    is_last_row: bool,
) -> Vec<Label<'a>> {
    let indent = if row == 0 { 0 } else { CONTINUED };
    let column =
        |cell: usize| indent + cells[shown.start..cell].iter().map(|cell| cell.columns).sum::<usize>();
    let mut labels: Vec<Label> = Vec::new();
    for part in parts {
        let starts_here = shown.contains(&part.start) || (is_last_row && part.start >= shown.end);
        let goes_on = part.start < shown.start && part.end > shown.start;
        if !starts_here && !goes_on {
            continue;
        }
        let start = column(part.start.clamp(shown.start, shown.end));
        let end = column(part.end.clamp(shown.start, shown.end)).max(start + 1);
        let ends_here = part.end <= shown.end || is_last_row;
        let text = part.text.filter(|_| ends_here);
        let is_point = part.start == part.end;
        match labels.iter_mut().find(|label| label.start == start && label.end == end) {
            Some(label) => label.texts.extend(text),
            None => labels.push(Label {
                start,
                end,
                mark: part.mark,
                texts: text.into_iter().collect(),
                is_point,
            }),
        }
    }
    labels
}

/// Labels that share no column, from left to right; inner ones in the layers before the outer ones.
fn layers(mut labels: Vec<Label>) -> Vec<Vec<Label>> {
    labels.sort_by_key(|label| (label.end - label.start, label.start));
    let mut layers: Vec<Vec<Label>> = Vec::new();
    for label in labels {
        let is_free = |layer: &Vec<Label>| {
            layer.iter().all(|other| label.end <= other.start || other.end <= label.start)
        };
        // Behind the last layer that it would cover a label of, so that an outer label is always beneath.
        let first_free = layers.iter().rposition(|layer| !is_free(layer)).map_or(0, |idx| idx + 1);
        if first_free == layers.len() {
            layers.push(Vec::new());
        }
        layers[first_free].push(label);
    }
    for layer in &mut layers {
        layer.sort_by_key(|label| label.start);
    }
    layers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceMap;

    /// The excerpt of `text` with a mark under each `(words, label)`, without the headline and the last line.
    fn shown(text: &str, labels: &[(&str, &str)], width: usize) -> String {
        let mut sources = SourceMap::default();
        let file = sources.add("m.hgnn", text);
        let mark = |&(words, label): &(&str, &'static str)| {
            let start = text.find(words).expect("the words are in the text");
            Mark { span: Span::new(file, start, start + words.len()), text: label, is_primary: false }
        };
        let labels: Vec<(&str, &'static str)> = labels
            .iter()
            .map(|&(words, label)| (words, &*Box::leak(label.to_owned().into_boxed_str())))
            .collect();
        let marks: Vec<Mark> = labels.iter().map(mark).collect();
        let shown = excerpt(&Places::new(&sources), file, &marks, Look { colours: false, width });
        assert!(shown.lines().all(|line| wrap::columns(line) <= width), "{shown}");
        let lines: Vec<&str> = shown.lines().collect();
        format!("\n{}", lines[1..lines.len() - 1].join("\n"))
    }

    #[test]
    fn labels_in_labels_get_a_line_of_their_own() {
        let labels = [("add(a, b)", "both"), ("a,", "left"), ("b", "right"), ("add(a, b)", "again")];
        let expected = "
 1 │ x -> add(a, b)
   ·          ─┬ ┬
   ·           │ ╰── right
   ·           ╰── left
   ·      ────┬────
   ·          ├── both
   ·          ╰── again";
        assert_eq!(shown("x -> add(a, b)\n", &labels, 80), expected);
    }

    #[test]
    fn tabs_wide_characters_and_ends_of_lines_keep_labels_in_place() {
        let text = "漢\tgcn(漢字) ->\r\n\tmean";
        let expected = "
 1 │ 漢  gcn(漢字) ->
   ·     ────┬────
   ·         ╰── here
 2 │     mean
   ·     ──┬─
   ·       ╰── end";
        assert_eq!(shown(text, &[("gcn(漢字)", "here"), ("mean", "end")], 80), expected);
        // Where a line ends, and where the file does.
        let mut sources = SourceMap::default();
        let file = sources.add("m.hgnn", text);
        for (at, line) in
            [(text.find('\r').unwrap_or(0), " 1 │ 漢  gcn(漢字) ->"), (text.len(), " 2 │     mean")]
        {
            let marks = [Mark { span: Span::new(file, at, at), text: "missing", is_primary: true }];
            let shown = excerpt(&Places::new(&sources), file, &marks, Look { colours: false, width: 80 });
            let lines: Vec<&str> = shown.lines().collect();
            let row = lines.iter().position(|shown| *shown == line).expect("the line is shown");
            let columns = wrap::columns(line) - 5;
            assert_eq!(lines[row + 1], format!("   · {:columns$}▲", ""));
        }
    }

    #[test]
    fn a_line_that_is_wider_than_the_terminal_goes_on_beneath() {
        let text = "model = gcn(64) -> batch_norm -> relu -> gcn(64) -> flatten -> mlp";
        let labels = [
            ("gcn(64)", "rows in the order of the nodes"),
            ("flatten", "lays them out in that order, one behind the other"),
        ];
        let expected = "
 1 │ model = gcn(64) -> batch_norm -> relu
   ·         ───┬───
   ·            ╰── rows in the order of the
   ·                nodes
   │     -> gcn(64)
   │     -> flatten -> mlp
   ·        ───┬───
   ·           ╰── lays them out in that order,
   ·               one behind the other";
        assert_eq!(shown(text, &labels, 48), expected);
    }

    #[test]
    fn of_a_long_mark_the_first_and_last_lines_are_shown() {
        let text = format!("block a = add(\n{})\nlet b = 1\n", "    gcn(8),\n".repeat(20));
        let whole = text.split("\nlet").next().expect("the block").to_owned();
        let expected = "
  1 │ block a = add(
    · ──────────────
  2 │     gcn(8),
    ·     ───────
    ⋮
 21 │     gcn(8),
    ·     ───────
 22 │ )
    · ┬
    · ╰── too long
 23 │ let b = 1";
        assert_eq!(shown(&text, &[(&whole, "too long")], 80), expected);
    }

    #[test]
    fn characters_that_a_terminal_obeys_are_shown_and_not_sent() {
        let text = "gcn // \u{1b}[2J\u{202e}\u{7} -> x";
        let shown = shown(text, &[("x", "here")], 80);
        assert!(shown.starts_with("\n 1 │ gcn // ␛[2J�␇ -> x\n"), "{shown}");
        assert!(shown.chars().all(|ch| ch == '\n' || !ch.is_control()), "{shown}");
    }

    #[test]
    fn every_width_from_40_columns_on_is_kept() {
        let text = "model = gcn(16) -> repeat(3, residual(gcn(64) -> batch_norm -> relu)) -> flatten -> mlp(hidden = [64, 32])";
        let labels = [
            ("gcn(16)", "the first of several labels, with a text that is long"),
            ("residual(gcn(64) -> batch_norm -> relu)", "one that spans much"),
            ("batch_norm", "inside of it, and with a long text of its own as well"),
            ("[64, 32]", "far to the right, with a text that has to be broken somewhere"),
        ];
        for width in 40..140 {
            let shown = shown(text, &labels, width);
            let words = |text: &str| {
                text.split(|ch: char| !ch.is_alphanumeric())
                    .filter(|word| word.len() > 3)
                    .map(str::to_owned)
                    .collect::<std::collections::BTreeSet<_>>()
            };
            let said = words(&shown);
            assert!(labels.iter().all(|(_, label)| words(label).is_subset(&said)), "{shown}");
        }
    }
}
