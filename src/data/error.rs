//! What can be wrong with data: one [`DataError`] names the file, the line, what is there, what is expected
//! and how to mend it.

use crate::diagnostic::Diagnostic;
use crate::source::Span;
use std::fmt;

/// A data set that could not be read. The code says what kind of mistake it is (`data::missing`, `data::ragged`, …).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataError {
    pub code: &'static str,
    /// What is there and what is expected, in one sentence.
    pub message: String,
    /// The file as a user would name it; a part of an archive reads `NAME.zip: NAME/NAME_A.txt`.
    pub file: Option<String>,
    /// Counted from 1.
    pub line: Option<usize>,
    /// What to do.
    pub help: Option<String>,
    /// The argument of the call that is at fault, where it is one.
    pub span: Option<Span>,
}

impl DataError {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), file: None, line: None, help: None, span: None }
    }

    #[must_use]
    pub fn file(mut self, file: impl Into<String>) -> Self {
        self.file = Some(file.into());
        self
    }

    #[must_use]
    pub fn line(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    #[must_use]
    pub fn span(mut self, span: Option<Span>) -> Self {
        self.span = span;
        self
    }

    /// Whether there is no such data here, whatever else could be wrong with it.
    pub fn is_absent(&self) -> bool {
        self.code == "data::not_here" || self.is_unknown()
    }

    /// Whether there is no such data anywhere: its name or path is wrong.
    pub fn is_unknown(&self) -> bool {
        matches!(self.code, "data::unknown_set" | "data::missing")
    }

    /// The same finding as a diagnostic of the model file: it points at the argument at fault, or at the whole `call`.
    /// A published set that is not here is a warning, because the model may be right all the same.
    pub fn to_diagnostic(&self, call: Span) -> Diagnostic {
        let finding = match self.code {
            "data::not_here" => Diagnostic::warning(self.code, self.to_string()),
            _ => Diagnostic::error(self.code, self.to_string()),
        };
        let label = if self.is_absent() { "not found" } else { "this data cannot be used" };
        let mut finding = finding.label(self.span.unwrap_or(call), label);
        finding.help = self.help.clone();
        finding
    }
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}: {}", self.message),
            (Some(file), None) => write!(f, "{file}: {}", self.message),
            _ => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for DataError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_file_line_and_message() {
        let error = DataError::new("data::ragged", "`1` has 1 value").file("X_A.txt").line(3);
        assert_eq!(error.to_string(), "X_A.txt:3: `1` has 1 value");
        let place = Span { start: 7, end: 9, ..Span::default() };
        let diagnostic = error.clone().help("mend it").to_diagnostic(place);
        assert_eq!((diagnostic.code, diagnostic.labels[0].span), ("data::ragged", place));
        assert_eq!(diagnostic.help.as_deref(), Some("mend it"));
    }
}
