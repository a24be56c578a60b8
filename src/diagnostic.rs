//! What the compiler reports about a file: one [`Diagnostic`] per mistake.
//!
//! The code's first part names the file that reports: `names::…` comes from `src/findings/names.rs`, `shape::…` from
//! `src/ops/findings/shape.rs`, `task::…` from `src/check/task.rs`.

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

/// What to change: edits that belong together, in one file, not overlapping.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fix {
    pub edits: Vec<Edit>,
    /// The file then says what was most likely meant, or what comes nearest to it. Otherwise it says the same as before,
    /// in words that the language has.
    pub is_guess: bool,
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

/// The code of a finding that stands for others, which were left out of a list.
pub const MORE: &str = "more";

/// A word of a message that is longer is shortened: the name is in the source, where the label points.
const MAX_WORD: usize = 200;

/// A message or label that is longer is cut.
const MAX_TEXT: usize = 2000;

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
    /// How many findings it stands for: 1, but for one of the code [`MORE`].
    pub n_findings: usize,
}

impl Diagnostic {
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        let message = shortened(message.into());
        let (labels, help, fix) = (Vec::new(), None, None);
        Self { code, severity: Severity::Error, message, labels, help, fix, n_findings: 1 }
    }

    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: shortened(text.into()) });
        self
    }

    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(shortened(text.into()));
        self
    }

    /// One more edit of the fix.
    #[must_use]
    pub fn fix(mut self, span: Span, text: impl Into<String>) -> Self {
        self.fix.get_or_insert_default().edits.push(Edit { span, text: text.into() });
        self
    }

    /// One more edit of a fix that is a guess, such as the name that is nearest to a misspelt one.
    #[must_use]
    pub fn guess(self, span: Span, text: impl Into<String>) -> Self {
        let mut finding = self.fix(span, text);
        finding.fix.get_or_insert_default().is_guess = true;
        finding
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// One that stands for others of its severity, which a list leaves out.
    pub fn more(severity: Severity, n_findings: usize) -> Self {
        let noun = match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let (plural, verb) = if n_findings == 1 { ("", "is") } else { ("s", "are") };
        let message = format!("{n_findings} more {noun}{plural} {verb} not listed");
        Self { severity, n_findings, ..Self::error(MORE, message) }
    }
}

/// How many errors and warnings a list stands for.
pub fn counts(findings: &[Diagnostic]) -> (usize, usize) {
    let of = |is_error: bool| {
        findings.iter().filter(|found| found.is_error() == is_error).map(|found| found.n_findings).sum()
    };
    (of(true), of(false))
}

/// Findings as they come. However many there are, a bounded number of each severity is kept, and the others are
/// counted: a file of a million wrong lines takes no more memory than one of a hundred thousand.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    kept: Vec<Diagnostic>,
    n_kept: [usize; 2],
    n_left_out: [usize; 2],
}

impl Findings {
    /// So many errors are kept, and so many warnings.
    pub const MAX_KEPT: usize = 100_000;

    pub fn push(&mut self, finding: Diagnostic) {
        let kind = usize::from(finding.is_error());
        if self.n_kept[kind] < Self::MAX_KEPT {
            self.n_kept[kind] += 1;
            self.kept.push(finding);
        } else {
            self.n_left_out[kind] += finding.n_findings;
        }
    }

    /// Puts others in the place of those that were kept.
    pub fn replace(&mut self, with: impl FnOnce(Vec<Diagnostic>) -> Vec<Diagnostic>) {
        self.kept = with(std::mem::take(&mut self.kept));
        let n_errors = self.kept.iter().filter(|found| found.is_error()).count();
        self.n_kept = [self.kept.len() - n_errors, n_errors];
    }

    pub fn kept(&self) -> &[Diagnostic] {
        &self.kept
    }

    /// Those that were kept, as they came, and behind them what stands for the others.
    pub fn into_list(self) -> Vec<Diagnostic> {
        let mut list = self.kept;
        for (severity, n) in [Severity::Warning, Severity::Error].into_iter().zip(self.n_left_out) {
            if n > 0 {
                list.push(Diagnostic::more(severity, n));
            }
        }
        list
    }
}

impl Extend<Diagnostic> for Findings {
    fn extend<I: IntoIterator<Item = Diagnostic>>(&mut self, findings: I) {
        findings.into_iter().for_each(|finding| self.push(finding));
    }
}

/// The text with its long words shortened in their middle: a file may hold a name of a million letters.
fn shortened(text: String) -> String {
    if text.len() <= MAX_WORD {
        return text;
    }
    let is_long = |word: &str| word.len() > MAX_WORD && word.chars().count() > MAX_WORD;
    let mut short = text;
    if short.split(char::is_whitespace).any(is_long) {
        let word = |word: &str| {
            if !is_long(word) {
                return word.to_owned();
            }
            let (start, end) = (MAX_WORD / 2, MAX_WORD / 4);
            let first: String = word.chars().take(start).collect();
            let n = word.chars().count();
            first + "…" + &word.chars().skip(n - end).collect::<String>()
        };
        // Words and what separates them, in turn.
        short = short.split_inclusive(char::is_whitespace).fold(String::new(), |mut all, piece| {
            let end = piece.trim_end_matches(char::is_whitespace).len();
            all.push_str(&word(&piece[..end]));
            all.push_str(&piece[end..]);
            all
        });
    }
    if short.chars().count() > MAX_TEXT {
        short = short.chars().take(MAX_TEXT).chain(['…']).collect();
    }
    short
}

/// `1 line`, `3 lines`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_shortened_and_what_stands_around_them_is_kept() {
        let name = "n".repeat(1_000_000);
        let finding = Diagnostic::error("names::unknown", format!("there is no `{name}`\n  here"));
        let expected = format!("there is no `{}…{}`\n  here", "n".repeat(99), "n".repeat(49));
        assert_eq!(finding.message, expected);
        let words = "word ".repeat(1000);
        let help = finding.help(words.as_str()).help.unwrap();
        assert_eq!(help.chars().count(), MAX_TEXT + 1);
        let short = "é".repeat(MAX_WORD);
        assert_eq!(Diagnostic::error("names::unknown", short.as_str()).message, short);
    }

    #[test]
    fn a_list_keeps_a_bounded_number_and_counts_the_others() {
        let mut findings = Findings::default();
        for _ in 0..Findings::MAX_KEPT + 7 {
            findings.push(Diagnostic::warning("unused::let", "w"));
        }
        findings.push(Diagnostic::error("names::unknown", "e"));
        let list = findings.into_list();
        assert_eq!(list.len(), Findings::MAX_KEPT + 2);
        assert_eq!(list.last().map(|last| last.message.as_str()), Some("7 more warnings are not listed"));
        assert_eq!(counts(&list), (1, Findings::MAX_KEPT + 7));
    }
}
