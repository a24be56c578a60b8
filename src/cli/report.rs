//! Diagnostics as people and programs read them: `full`, `short` and `json`.

use crate::diagnostic::{Diagnostic, Severity};
use crate::source::{FileId, SourceMap, Span};
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, SourceCode, SourceSpan};
use std::fmt;
use std::io::{self, Write};

/// How findings and results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// With the source, labels and what to do.
    #[default]
    #[value(alias = "csv")]
    Full,
    /// One line a finding: `file:line:column: error[code]: message`.
    Short,
    /// One JSON document; JSON lines from `predict`.
    #[value(alias = "jsonl")]
    Json,
}

/// How text may look.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub colours: bool,
    /// Columns.
    pub width: usize,
}

/// Lines longer than this are not shown: they would bury the message.
const MAX_LINE_BYTES: usize = 1000;

/// Diagnostics in the order of their files and places; those without a place come first.
pub fn sorted(diagnostics: &[Diagnostic]) -> Vec<&Diagnostic> {
    let mut sorted: Vec<_> = diagnostics.iter().collect();
    sorted
        .sort_by_key(|diagnostic| diagnostic.labels.first().map(|label| (label.span.file, label.span.start)));
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
    fn line(&self, file: FileId, offset: usize) -> usize {
        self.line_starts[file.0 as usize].partition_point(|&start| start <= offset) - 1
    }

    /// Line and column, counted from 1; columns count characters.
    pub fn line_column(&self, file: FileId, offset: u32) -> (usize, usize) {
        let offset = offset as usize;
        let line = self.line(file, offset);
        let start = self.line_starts[file.0 as usize][line];
        (line + 1, self.sources.file(file).text[start..offset].chars().count() + 1)
    }

    /// The bytes of lines `first..=last`, without the last newline.
    fn lines(&self, file: FileId, first: usize, last: usize) -> std::ops::Range<usize> {
        let starts = &self.line_starts[file.0 as usize];
        let end = starts.get(last + 1).map_or(self.sources.file(file).text.len(), |&next| next - 1);
        starts[first.min(starts.len() - 1)]..end
    }

    fn is_showable(&self, span: Span) -> bool {
        let (first, last) =
            (self.line(span.file, span.start as usize), self.line(span.file, span.end as usize));
        let range = self.lines(span.file, first.saturating_sub(1), last + 1);
        last - first < 50 && range.len() < (last - first + 3) * MAX_LINE_BYTES
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
                write!(out, "{}", full(&places, diagnostic, look))?;
                writeln!(out)?;
            }
            Ok(())
        }
        Format::Short => {
            sorted(diagnostics).into_iter().try_for_each(|found| writeln!(out, "{}", short(&places, found)))
        }
        Format::Json => {
            let all: Vec<_> = sorted(diagnostics).into_iter().map(|found| json(&places, found)).collect();
            serde_json::to_writer_pretty(&mut *out, &all)?;
            writeln!(out)
        }
    }
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
    })
}

/// The finding with its source: the code on top, the message alone in one line, then labels and help.
pub fn full(places: &Places, diagnostic: &Diagnostic, look: Look) -> String {
    let theme = if look.colours { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(look.width.max(40))
        .with_links(false)
        .with_context_lines(1);
    let main = diagnostic.labels.first().map(|label| label.span.file);
    let (shown, hidden): (Vec<_>, Vec<_>) =
        diagnostic.labels.iter().partition(|label| places.is_showable(label.span));
    let mut report = Report {
        places,
        code: diagnostic.code,
        severity: diagnostic.severity,
        message: diagnostic.message.clone(),
        help: diagnostic.help.clone(),
        file: main,
        labels: Vec::new(),
        related: Vec::new(),
    };
    for label in shown {
        let span = (label.span.start as usize, (label.span.end - label.span.start) as usize);
        // The place in the headline is that of the primary label.
        let is_primary = std::ptr::eq(label, &diagnostic.labels[0]) || Some(label.span.file) != main;
        let labeled = if is_primary {
            LabeledSpan::new_primary_with_span(Some(label.text.clone()), span)
        } else {
            LabeledSpan::new_with_span(Some(label.text.clone()), span)
        };
        let file = Some(label.span.file);
        if file == main {
            report.labels.push(labeled);
        } else if let Some(related) = report.related.iter_mut().find(|related| related.file == file) {
            related.labels.push(labeled);
        } else {
            report.related.push(Report {
                places,
                code: "",
                severity: diagnostic.severity,
                message: format!("in {}", places.sources.file(label.span.file).name),
                help: None,
                file,
                labels: vec![labeled],
                related: Vec::new(),
            });
        }
    }
    let mut text = String::new();
    // Writing into a string fails only where a source cannot be read, and ours lie in memory.
    if handler.render_report(&mut text, &report).is_err() {
        text = format!("{}\n", short(places, diagnostic));
    }
    for label in hidden {
        let (line, column) = places.line_column(label.span.file, label.span.start);
        let name = &places.sources.file(label.span.file).name;
        text.push_str(&format!("  at {name}:{line}:{column}: {}\n", label.text));
    }
    text
}

/// A diagnostic as miette wants it. Labels of one report lie in one file, so those of others are related reports.
struct Report<'a> {
    places: &'a Places<'a>,
    code: &'static str,
    severity: Severity,
    message: String,
    help: Option<String>,
    file: Option<FileId>,
    labels: Vec<LabeledSpan>,
    related: Vec<Report<'a>>,
}

impl fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Report<'_> {}

impl miette::Diagnostic for Report<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        (!self.code.is_empty()).then(|| Box::new(self.code) as Box<dyn fmt::Display>)
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            _ if self.code.is_empty() => miette::Severity::Advice,
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.file.map(|_| self as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        (!self.labels.is_empty())
            .then(|| Box::new(self.labels.iter().cloned()) as Box<dyn Iterator<Item = _>>)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        let related = self.related.iter().map(|report| report as &dyn miette::Diagnostic);
        (!self.related.is_empty()).then(|| Box::new(related) as Box<dyn Iterator<Item = _>>)
    }
}

impl SourceCode for Report<'_> {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn miette::SpanContents<'a> + 'a>, MietteError> {
        let file = self.file.ok_or(MietteError::OutOfBounds)?;
        let source = self.places.sources.file(file);
        if span.offset() + span.len() > source.text.len() {
            return Err(MietteError::OutOfBounds);
        }
        let at = self.places.line(file, span.offset());
        let first = at.saturating_sub(lines_before);
        let last = self.places.line(file, span.offset() + span.len()) + lines_after;
        let range = self.places.lines(file, first, last);
        // The column belongs to the line of the span where no context comes before it.
        let column = if lines_before == 0 { span.offset() - range.start } else { 0 };
        let range = if lines_before == 0 { span.offset()..range.end } else { range };
        Ok(Box::new(miette::MietteSpanContents::new_named(
            source.name.clone(),
            &source.text.as_bytes()[range.clone()],
            (range.start, range.len()).into(),
            first,
            column,
            last + 1 - first,
        )))
    }
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
        let id = sources.add("m.hgnn", format!("gcn\r\n{} ->", "x".repeat(5000)));
        let at_end = Diagnostic::error("syntax::unexpected", "m").label(Span::new(id, 5008, 5008), "here");
        assert!(full(&Places::new(&sources), &at_end, PLAIN).ends_with("  at m.hgnn:2:5004: here\n"));
        let first = Diagnostic::error("syntax::unexpected", "m").label(Span::new(id, 3, 3), "here");
        full(&Places::new(&sources), &first, PLAIN);
    }
}
