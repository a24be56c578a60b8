//! Diagnostics as people and programs read them: `full`, `short` and `json`.

use super::excerpt::{Mark, excerpt};
use super::wrap;
use crate::diagnostic::{self, Diagnostic, MORE, Severity};
use crate::source::{FileId, SourceMap, Span};
use owo_colors::{OwoColorize, Style};
use std::borrow::Cow;
use std::io::{self, Write};

/// How findings and results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people: findings with their source, labels and help.
    #[default]
    Full,
    /// One line per finding or result: `file:line:column: error[code]: message`.
    Short,
    /// For programs: one JSON document, for failures too.
    Json,
}

/// What `--format` can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum AskedFormat {
    /// For people: findings with their source, labels and help. `predict` writes CSV, and also accepts `csv`.
    #[default]
    #[value(alias = "csv")]
    Full,
    /// One line per finding or result: `file:line:column: error[code]: message`.
    Short,
    /// For programs: one JSON document, for failures too. `predict` writes JSON lines, and also accepts `jsonl`.
    #[value(alias = "jsonl")]
    Json,
    /// Of `predict` alone: the numbers as a matrix that NumPy reads.
    #[value(hide = true)]
    Npy,
    /// Of `predict` alone: a Parquet table.
    #[value(hide = true)]
    Parquet,
}

impl AskedFormat {
    pub fn format(self) -> Format {
        match self {
            Self::Full | Self::Npy | Self::Parquet => Format::Full,
            Self::Short => Format::Short,
            Self::Json => Format::Json,
        }
    }

    /// A file of numbers, which is no text.
    pub fn binary(self) -> Option<Binary> {
        match self {
            Self::Npy => Some(Binary::Npy),
            Self::Parquet => Some(Binary::Parquet),
            Self::Full | Self::Short | Self::Json => None,
        }
    }
}

/// Files that are no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    Npy,
    Parquet,
}

/// How text may look.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub colours: bool,
    /// Columns.
    pub width: usize,
}

/// Labels in lines longer than this name their place and show no source, which no one wrote by hand.
const MAX_LINE_BYTES: usize = 64 << 10;

/// So many places of one finding are shown; the others are counted.
const MAX_LABELS: usize = 24;

/// So many findings of a file are written; the others are counted.
const MAX_LISTED: usize = 100;

/// Diagnostics in the order of their files and places; those without a place come first. Of many, the first hundred,
/// errors before warnings, and behind them how many others there are.
pub fn sorted(diagnostics: &[Diagnostic]) -> Vec<Cow<'_, Diagnostic>> {
    let place = |found: &&Diagnostic| found.labels.first().map(|label| (label.span.file, label.span.start));
    let mut listed: Vec<&Diagnostic> = diagnostics.iter().filter(|found| found.code != MORE).collect();
    listed.sort_by_key(place);
    if listed.len() > MAX_LISTED {
        // Sorting keeps the order of equals.
        listed.sort_by_key(|found| !found.is_error());
        listed.truncate(MAX_LISTED);
        listed.sort_by_key(place);
    }
    let all = diagnostic::counts(diagnostics);
    let n_listed = listed.iter().fold((0, 0), |(errors, warnings), found| match found.is_error() {
        true => (errors + 1, warnings),
        false => (errors, warnings + 1),
    });
    let mut sorted: Vec<_> = listed.into_iter().map(Cow::Borrowed).collect();
    for (severity, n_more) in [(Severity::Error, all.0 - n_listed.0), (Severity::Warning, all.1 - n_listed.1)]
    {
        if n_more > 0 {
            sorted.push(Cow::Owned(Diagnostic::more(severity, n_more)));
        }
    }
    sorted
}

/// Source text with its line starts, so that a place is found without reading the file from its start.
pub struct Places<'a> {
    sources: &'a SourceMap,
    /// Byte offsets by file.
    line_starts: Vec<Vec<usize>>,
}

impl<'a> Places<'a> {
    pub fn new(sources: &'a SourceMap) -> Self {
        let starts = |text: &str| {
            std::iter::once(0)
                .chain(text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n').map(|(at, _)| at + 1))
                .collect()
        };
        Self { sources, line_starts: sources.files().map(|(_, file)| starts(&file.text)).collect() }
    }

    /// Counted from 0.
    pub(super) fn line(&self, file: FileId, offset: usize) -> usize {
        self.line_starts[file.0 as usize].partition_point(|&start| start <= offset) - 1
    }

    /// Line and column, counted from 1; columns count characters.
    pub fn line_column(&self, file: FileId, offset: u32) -> (usize, usize) {
        let offset = offset as usize;
        let line = self.line(file, offset);
        let start = self.line_starts[file.0 as usize][line];
        (line + 1, self.sources.file(file).text[start..offset].chars().count() + 1)
    }

    pub(super) fn n_lines(&self, file: FileId) -> usize {
        self.line_starts[file.0 as usize].len()
    }

    pub(super) fn name(&self, file: FileId) -> &str {
        &self.sources.file(file).name
    }

    /// Where a line begins, in bytes, and its text without the end of the line.
    pub(super) fn line_text(&self, file: FileId, line: usize) -> (usize, &str) {
        let (starts, text) = (&self.line_starts[file.0 as usize], &self.sources.file(file).text);
        let end = starts.get(line + 1).map_or(text.len(), |&next| next - 1);
        let line_text = &text[starts[line]..end];
        (starts[line], line_text.strip_suffix('\r').unwrap_or(line_text))
    }

    fn is_showable(&self, span: Span) -> bool {
        let lines = [span.start, span.end].map(|at| self.line(span.file, at as usize));
        lines.iter().all(|&line| self.line_text(span.file, line).1.len() <= MAX_LINE_BYTES)
    }
}

/// Writes all diagnostics in `format`; as JSON one array.
///
/// # Errors
/// Where `out` cannot be written.
pub fn write(
    out: &mut dyn Write,
    sources: &SourceMap,
    diagnostics: &[Diagnostic],
    format: Format,
    look: Look,
) -> io::Result<()> {
    let places = Places::new(sources);
    match format {
        Format::Full => {
            for diagnostic in sorted(diagnostics) {
                write!(out, "{}", full(&places, &diagnostic, look))?;
                writeln!(out)?;
            }
            Ok(())
        }
        Format::Short => {
            sorted(diagnostics).iter().try_for_each(|found| writeln!(out, "{}", short(&places, found)))
        }
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, &all_json(sources, diagnostics))?;
            writeln!(out)
        }
    }
}

/// All findings as data, in the order in which they are written.
pub fn all_json(sources: &SourceMap, diagnostics: &[Diagnostic]) -> Vec<serde_json::Value> {
    let places = Places::new(sources);
    sorted(diagnostics).iter().map(|found| json(&places, found)).collect()
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// `file:line:column: error[code]: message`
pub fn short(places: &Places, diagnostic: &Diagnostic) -> String {
    let Diagnostic { code, severity, message, .. } = diagnostic;
    if *code == MORE {
        return message.clone();
    }
    let finding = format!("{}[{code}]: {message}", word(*severity));
    match diagnostic.labels.first() {
        Some(label) => {
            let (line, column) = places.line_column(label.span.file, label.span.start);
            format!("{}:{line}:{column}: {finding}", places.sources.file(label.span.file).name)
        }
        None => finding,
    }
}

/// The same facts as data. Lines and columns count from 1, columns in characters; the end is exclusive.
pub fn json(places: &Places, diagnostic: &Diagnostic) -> serde_json::Value {
    let place = |span: Span, text: &str| {
        let (line, column) = places.line_column(span.file, span.start);
        let (end_line, end_column) = places.line_column(span.file, span.end);
        serde_json::json!({
            "file": places.sources.file(span.file).name,
            "line": line,
            "column": column,
            "end_line": end_line,
            "end_column": end_column,
            "text": text,
        })
    };
    let fix = diagnostic
        .fix
        .as_deref()
        .map(|fix| fix.edits.iter().map(|edit| place(edit.span, &edit.text)).collect::<Vec<_>>());
    serde_json::json!({
        "code": diagnostic.code,
        "severity": word(diagnostic.severity),
        "message": diagnostic.message,
        "labels": diagnostic.labels.iter().map(|label| place(label.span, &label.text)).collect::<Vec<_>>(),
        "help": diagnostic.help,
        "fix": fix,
        "fix_is_guess": diagnostic.fix.as_deref().map(|fix| fix.is_guess),
    })
}

/// The finding with its source: the code on top, the message alone in one line, then labels and help.
pub fn full(places: &Places, diagnostic: &Diagnostic, look: Look) -> String {
    if diagnostic.code == MORE {
        return format!("{}\n", diagnostic.message);
    }
    let (style, sign) = match diagnostic.severity {
        Severity::Error => (Style::new().red(), "×"),
        Severity::Warning => (Style::new().yellow(), "⚠"),
    };
    let paint = |text: &str, style: Style| {
        if look.colours { text.style(style).to_string() } else { text.to_owned() }
    };
    let width = look.width.saturating_sub(2);
    let first = format!("  {} ", paint(sign, style));
    let message = wrap::fill(&diagnostic.message, width, &first, &format!("  {} ", paint("│", style)));
    let mut text = format!("{}\n\n{message}\n", paint(diagnostic.code, style));
    let (shown, hidden): (Vec<_>, Vec<_>) =
        diagnostic.labels.iter().take(MAX_LABELS).partition(|label| places.is_showable(label.span));
    let mut files: Vec<FileId> = Vec::new();
    for label in &shown {
        if !files.contains(&label.span.file) {
            files.push(label.span.file);
        }
    }
    for file in files {
        let labels = shown.iter().filter(|label| label.span.file == file);
        let marks: Vec<_> = labels
            .map(|label| Mark {
                span: label.span,
                text: &label.text,
                is_primary: std::ptr::eq(*label, &diagnostic.labels[0]),
            })
            .collect();
        text.push_str(&excerpt(places, file, &marks, look));
    }
    for label in hidden {
        let (line, column) = places.line_column(label.span.file, label.span.start);
        let place = format!("at {}:{line}:{column}: {}", places.name(label.span.file), label.text);
        text.push_str(&wrap::fill(&place, width, "  ", "    "));
        text.push('\n');
    }
    match diagnostic.labels.len().saturating_sub(MAX_LABELS) {
        0 => {}
        1 => text.push_str("  and 1 more place\n"),
        n => text.push_str(&format!("  and {n} more places\n")),
    }
    if let Some(help) = &diagnostic.help {
        let first = format!("  {} ", paint("help:", Style::new().cyan()));
        text.push_str(&wrap::fill(help, width, &first, "        "));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Look = Look { colours: false, width: 100 };

    fn sample() -> (SourceMap, Diagnostic) {
        let mut sources = SourceMap::default();
        let text = "model = gin(64)\n    -> gin(32)\n    -> sum\n    -> linear(2, in = 64)\n";
        let id = sources.add("models/gin.hgnn", text);
        let at = |word: &str| {
            let start = text.rfind(word).unwrap();
            Span::new(id, start, start + word.len())
        };
        let diagnostic =
            Diagnostic::error("shape::width_mismatch", "`linear` expects 64 features, but gets 32")
                .label(at("in = 64"), "64 is asked for here")
                .label(at("32"), "the 32 comes from here")
                .label(at("sum"), "`sum` keeps the width: graph[32]")
                .help("write `in = 32`, or leave `in` out and it is inferred");
        (sources, diagnostic)
    }

    #[test]
    fn a_finding_shows_its_source_labels_and_help() {
        let (sources, diagnostic) = sample();
        let expected = "\
shape::width_mismatch

  × `linear` expects 64 features, but gets 32
   ╭─[models/gin.hgnn:4:18]
 1 │ model = gin(64)
 2 │     -> gin(32)
   ·            ─┬
   ·             ╰── the 32 comes from here
 3 │     -> sum
   ·        ─┬─
   ·         ╰── `sum` keeps the width: graph[32]
 4 │     -> linear(2, in = 64)
   ·                  ───┬───
   ·                     ╰── 64 is asked for here
   ╰────
  help: write `in = 32`, or leave `in` out and it is inferred
";
        assert_eq!(full(&Places::new(&sources), &diagnostic, PLAIN), expected);
    }

    #[test]
    fn labels_of_other_files_are_shown_with_their_file() {
        let (mut sources, diagnostic) = sample();
        let other = sources.add("blocks.hgnn", "let width = 64");
        let shown = full(
            &Places::new(&sources),
            &diagnostic.label(Span::new(other, 12, 14), "this is the 64"),
            PLAIN,
        );
        assert!(shown.contains("[blocks.hgnn:1:13]") && shown.contains("this is the 64"), "{shown}");
    }

    #[test]
    fn short_is_one_line_and_json_has_every_place() {
        let (sources, diagnostic) = sample();
        let places = Places::new(&sources);
        assert_eq!(
            short(&places, &diagnostic),
            "models/gin.hgnn:4:18: error[shape::width_mismatch]: `linear` expects 64 features, but gets 32"
        );
        let json = json(&places, &diagnostic);
        assert_eq!(json["labels"][0]["end_column"], 25);
        assert_eq!(json["labels"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn a_label_at_the_very_end_and_one_in_an_endless_line_are_written() {
        let mut sources = SourceMap::default();
        let id = sources.add("m.hgnn", format!("gcn\r\n{} ->", "x".repeat(100_000)));
        let end = 5 + 100_003;
        let at_end = Diagnostic::error("syntax::unexpected", "m").label(Span::new(id, end, end), "here");
        assert!(full(&Places::new(&sources), &at_end, PLAIN).ends_with("  at m.hgnn:2:100004: here\n"));
        let first = Diagnostic::error("syntax::unexpected", "m").label(Span::new(id, 3, 3), "here");
        full(&Places::new(&sources), &first, PLAIN);
    }
}
