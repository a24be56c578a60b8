//! Text to syntax tree: `grammar/hgnn.pest`, error recovery, and the files named by `use`.

pub mod ast;
pub mod cut;
mod decode;
pub(crate) mod lex;
mod load;
mod message;
mod parse;
pub(crate) mod split;

use crate::source::{FileId, Span};
pub use decode::decode;
pub use lex::RESERVED;
pub use load::{OutOfReach, load_program, resolve_use};
pub use parse::parse;

/// A parsed file with all files it uses, each once; a file comes after those it uses, the main file is the last.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    pub files: Vec<ast::File>,
    /// The file that was given; the others are there because of `use`.
    pub main: FileId,
    /// Which file each `use` names: the place of its path (`ItemKind::Use { path }`) and the file. A path
    /// that could not be read, or closes a circle, is not in the list.
    pub uses: Vec<(Span, FileId)>,
    /// Something in these files could not be read, which was reported; no model comes of them.
    pub has_errors: bool,
}

impl Program {
    pub fn file(&self, id: FileId) -> Option<&ast::File> {
        self.files.iter().find(|file| file.id == id)
    }
}

/// A string of the language.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
