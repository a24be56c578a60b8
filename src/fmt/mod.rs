//! The layout of `.hgnn` files: text to the same text in the form that `grammar/README.md` calls "Layout".
//!
//! The syntax tree has neither comments nor the places of commas and parentheses, so the layout is made from the
//! tokens: [`tree`] puts them, with the comments between them, into nested brackets, pipelines and sums, and
//! [`print`] writes those. What the parser refuses is never laid out.

mod print;
mod tree;

use crate::diagnostic::Diagnostic;
use crate::source::{FileId, SourceMap};
use crate::syntax::{self, lex::lex, split::Splitter};

/// Columns of a line, as far as its text can be broken.
pub const MAX_WIDTH: usize = 100;

/// Spaces of one step of indentation.
pub const INDENT: usize = 4;

/// The file in its layout. Laying out the result again changes nothing; items, values and comments are the same
/// and in the same order.
///
/// # Errors
/// What `check` says of the text (codes `syntax::…`), where it cannot be parsed.
pub fn format(sources: &SourceMap, id: FileId) -> Result<String, Vec<Diagnostic>> {
    let (_, diagnostics) = syntax::parse(sources, id);
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Err(diagnostics);
    }
    let text = &*sources.file(id).text;
    let lexed = lex(text);
    let splitter = Splitter { file: id, text, tokens: &lexed.tokens };
    Ok(print::print(&tree::build(&splitter, &lexed)))
}

#[cfg(test)]
mod tests;
