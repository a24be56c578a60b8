//! Text to syntax tree: `grammar/hgnn.pest`, error recovery, and the files named by `use`.

pub mod ast;

use crate::source::{FileId, Span};

/// A parsed file with all files it uses, each once, in the order of first use.
#[derive(Debug, Clone)]
pub struct Program {
    pub files: Vec<ast::File>,
    /// The file that was given; the others are there because of `use`.
    pub main: FileId,
    /// Which file each `use` names: the place of its path (`ItemKind::Use { path }`) and the file. A path
    /// that could not be read, or closes a circle, is not in the list.
    pub uses: Vec<(Span, FileId)>,
}

impl Program {
    pub fn file(&self, id: FileId) -> Option<&ast::File> {
        self.files.iter().find(|file| file.id == id)
    }
}
