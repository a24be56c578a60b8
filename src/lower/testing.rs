//! Models from text, for tests.

use crate::check::{Checked, check};
use crate::data::Dataset;
use crate::data::synthetic::{RandomGraphs, random_graphs};
use crate::ir::Model;
use crate::source::SourceMap;
use crate::syntax::load_program;
use crate::types::DataFacts;

/// A checked model.
///
/// # Panics
/// Where the text is refused.
pub(crate) fn compile(text: &str, data: Option<&DataFacts>) -> Checked<Model> {
    let mut sources = SourceMap::default();
    let main = sources.add("test.hgnn", text);
    let read = |path: &str| Err(std::io::Error::new(std::io::ErrorKind::NotFound, path.to_owned()));
    let (program, diagnostics) = load_program(&mut sources, main, &read);
    assert!(diagnostics.is_empty(), "{text}: {diagnostics:?}");
    let outcome = check(&program, data);
    outcome.model.unwrap_or_else(|| panic!("{text}: {:?}", outcome.diagnostics))
}

/// Six graphs of awkward kinds with five features and three classes.
pub(crate) fn graphs() -> Dataset {
    random_graphs(&RandomGraphs { n_graphs: 6, min_nodes: 1, ..RandomGraphs::default() })
}
