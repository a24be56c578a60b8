//! Text to syntax tree: `grammar/hgnn.pest`, error recovery, and the files named by `use`.

pub mod ast;
