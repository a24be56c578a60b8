//! What the compiler reports about a file: one [`Diagnostic`] per mistake.
//!
//! The code's first part names the file that reports: `shape::…` comes from `src/check/shape.rs`.

use crate::source::Span;
use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
}

/// A place in the source with the text that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub span: Span,
    pub text: String,
}

/// A new text for what is at `span`; an empty span is an insertion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    pub span: Span,
    pub text: String,
}

/// What to change, where the compiler is sure of it: edits that belong together, in one file, not overlapping.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fix {
    pub edits: Vec<Edit>,
}

impl Fix {
    /// The text of the file with its edits made. What no edit touches stays as it is, byte for byte.
    pub fn apply(&self, text: &str) -> String {
        let mut edits: Vec<&Edit> = self.edits.iter().collect();
        edits.sort_by_key(|edit| edit.span);
        let (mut result, mut at) = (String::with_capacity(text.len() + 16), 0);
        for edit in edits {
            result.push_str(&text[at..edit.span.start as usize]);
            result.push_str(&edit.text);
            at = edit.span.end as usize;
        }
        result.push_str(&text[at..]);
        result
    }
}

/// One finding. `labels[0]` is the place of the mistake; the others say where its numbers come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub code: &'static str,
    pub severity: Severity,
    /// Stands alone in one line of a terminal.
    pub message: String,
    pub labels: Vec<Label>,
    /// What to do, with a line to paste.
    pub help: Option<String>,
    /// Boxed, because findings are returned as errors everywhere and seldom have one.
    pub fix: Option<Box<Fix>>,
}

impl Diagnostic {
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, severity: Severity::Error, message, labels: Vec::new(), help: None, fix: None }
    }

    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// One more edit of the fix.
    #[must_use]
    pub fn fix(mut self, span: Span, text: impl Into<String>) -> Self {
        self.fix.get_or_insert_default().edits.push(Edit { span, text: text.into() });
        self
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
