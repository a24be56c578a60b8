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

/// Every code of this folder with what it means and why it is refused, for `hgnnc explain`.
pub static CODES: &[(&str, &str)] = &[
    (
        "data::ambiguous",
        "A path names a folder with more than one data set, so which one is meant would be a guess. Give each set its own folder.",
    ),
    (
        "data::cache_unwritable",
        "A download has to be kept in the cache folder, which is not writable or full. Nothing half-written stays behind.",
    ),
    (
        "data::checksum",
        "A download is not the published set: a part differs from the SHA-256 known for it, is missing, or is not known. Training on other data than the literature's would make results incomparable without a sign of it, so the download is not kept.",
    ),
    (
        "data::corrupt_archive",
        "A zip archive is cut short or damaged: its directory, a checksum or a compressed stream does not fit.",
    ),
    (
        "data::count",
        "A file has another number of lines than there are items. In the TU layout line i belongs to node (or graph) i, so a line too few moves all that follow to the wrong items.",
    ),
    (
        "data::download",
        "A published set is in no data folder and could not be downloaded: no network, or the server answered with an error or broke off. The message says which file to put where instead.",
    ),
    (
        "data::edge_between_graphs",
        "An edge joins nodes of two graphs, but graphs are separate. Usually the adjacency or the graph indicator belongs to another version of the set, or node numbers restart with every graph.",
    ),
    ("data::empty", "There is nothing to read: a file without lines, or a size limit that no graph meets."),
    (
        "data::empty_graph",
        "A graph number has no nodes. Nothing can be computed for it, and leaving it out silently would move the labels of all graphs behind it.",
    ),
    (
        "data::graph_order",
        "Graph numbers go down. The nodes of a graph stand together and graphs come in ascending order; readers that take the order for granted would cut graphs apart.",
    ),
    (
        "data::hierarchy",
        "The parameters of `hierarchy(...)` contradict each other: a number of rings into which the communities cannot be put, or more exchanges than a community has room for.",
    ),
    (
        "data::missing",
        "No data folder has the data set. The message names the folders looked into, which file to put where, and why it was not downloaded.",
    ),
    (
        "data::missing_part",
        "A file of the data set is missing: one that the layout cannot do without, or one that an argument asks for (`features = attributes`).",
    ),
    (
        "data::no_effect",
        "An argument changes nothing beside the others, such as `max_degree` without `features = degree`. Whoever wrote it expects an effect, so it is an error.",
    ),
    (
        "data::not_a_number",
        "Something else than a number stands where a number is expected. The TU layout has no header lines and no names.",
    ),
    (
        "data::not_finite",
        "A feature or target is NaN, infinite, or too large for 32-bit floats. One such value spreads to every weight in the first step.",
    ),
    (
        "data::out_of_range",
        "A number is outside what it counts: nodes and graphs are numbered from 1 over the whole data set.",
    ),
    (
        "data::ragged",
        "A line has another number of values than the others, or none. Shifted columns would be read as other features.",
    ),
    ("data::too_large", "More nodes, edges or bytes than 32-bit numbers can count."),
    (
        "data::too_many_labels",
        "Node labels have so many different values that they look like names of nodes. One-hot features of them would fill the memory and teach nothing that holds for other graphs.",
    ),
    (
        "data::unknown_label",
        "A label does not occur in the data that the model was trained with, so the model has no input column or class for it.",
    ),
    ("data::unreadable", "The system does not let the file be read."),
    (
        "data::unsafe_archive",
        "An entry of the archive has a name that leads out of it (`../`, an absolute path). Published sets have no such names; the archive is refused as a whole.",
    ),
];

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

    /// The same finding as a diagnostic of the model file: it points at the argument at fault, or at the whole `call`.
    pub fn to_diagnostic(&self, call: Span) -> Diagnostic {
        let mut diagnostic = Diagnostic::error(self.code, self.to_string())
            .label(self.span.unwrap_or(call), "this data cannot be used");
        diagnostic.help = self.help.clone();
        diagnostic
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

impl miette::Diagnostic for DataError {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }
}

/// `1 line`, `3 lines`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_code_is_explained_and_every_explained_code_is_used() {
        let files = [
            include_str!("download.rs"),
            include_str!("locate.rs"),
            include_str!("mod.rs"),
            include_str!("scan.rs"),
            include_str!("sources/hierarchy.rs"),
            include_str!("sources/karate.rs"),
            include_str!("sources/tu.rs"),
        ];
        let used: BTreeSet<&str> = files
            .iter()
            .flat_map(|file| file.split('"').filter(|text| text.starts_with("data::") && text.len() > 6))
            .collect();
        let explained: Vec<&str> = CODES.iter().map(|(code, _)| *code).collect();
        assert_eq!(explained, used.into_iter().collect::<Vec<_>>());
    }

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
