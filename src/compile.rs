//! From text to a checked model with its data, for programs that use this library. The commands do the same
//! with files and print what is found.

use crate::check::{self, Checked};
use crate::data::{self, DataOptions, Dataset};
use crate::diagnostic::Diagnostic;
use crate::ir::Model;
use crate::reach::{self, Reach};
use crate::source::SourceMap;
use crate::syntax;
use crate::train::ModelSource;
use std::fmt;
use std::path::Path;

/// A model that was checked against its data, ready to be trained.
#[derive(Debug)]
pub struct Compiled {
    pub model: Checked<Model>,
    pub dataset: Dataset,
    /// The text, for the run's folder and its checkpoints.
    pub source: ModelSource,
    /// Warnings; errors would have been refused.
    pub warnings: Vec<Diagnostic>,
}

/// Why there is no model.
#[derive(Debug)]
pub enum CompileError {
    /// The text is wrong; each finding has its place in `sources`.
    Refused { sources: SourceMap, diagnostics: Vec<Diagnostic> },
    /// The text names no data to train on.
    NoData { name: String },
}

impl fmt::Display for CompileError {
    /// One line per finding: `name:line:column: error[code]: message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sources, diagnostics) = match self {
            Self::Refused { sources, diagnostics } => (sources, diagnostics),
            Self::NoData { name } => {
                return write!(f, "`{name}` names no data: add a line such as `data = karate()`");
            }
        };
        for (idx, found) in diagnostics.iter().enumerate() {
            if idx > 0 {
                writeln!(f)?;
            }
            if let Some(label) = found.labels.first() {
                let (line, column) = sources.line_column(label.span.file, label.span.start);
                write!(f, "{}:{line}:{column}: ", sources.file(label.span.file).name)?;
            }
            let kind = if found.is_error() { "error" } else { "warning" };
            write!(f, "{kind}[{}]: {}", found.code, found.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for CompileError {}

/// Compiles a text: parses it, reads the data that it names, and checks it against that data. `use` is looked up
/// relative to the current folder, and only in the folder of the file called `name` and the repository around it; the
/// environment can allow more ([`reach::VARIABLE`]).
///
/// # Errors
/// All findings where any of them is an error, or that the text names no data.
pub fn compile(name: &str, text: &str, options: &DataOptions) -> Result<Compiled, CompileError> {
    let mut sources = SourceMap::default();
    let main = sources.add(name, text);
    let reach = Reach::of(Path::new(name), &reach::allowed_by_environment());
    let (program, mut diagnostics) = syntax::load_program(&mut sources, main, &|path| reach.read_used(path));
    let dataset = match check::data_call(&program) {
        Ok(Some(call)) => match data::load(&call, options) {
            Ok(dataset) => Some(dataset),
            Err(error) => {
                diagnostics.push(error.to_diagnostic(call.span));
                None
            }
        },
        Ok(None) => None,
        // The check below finds the same again, with its place.
        Err(_) => None,
    };
    let outcome = check::check(&program, dataset.as_ref().map(Dataset::facts).as_ref());
    diagnostics.extend(outcome.diagnostics);
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Err(CompileError::Refused { sources, diagnostics });
    }
    match (outcome.model, dataset) {
        (Some(model), Some(dataset)) => {
            let dataset = dataset.for_task(model.get().task);
            let source = ModelSource::of_program(&sources, &program, None);
            Ok(Compiled { model, dataset, source, warnings: diagnostics })
        }
        // A text of definitions alone has no model either, but then it names no data.
        _ => Err(CompileError::NoData { name: name.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_with_data_becomes_a_model() {
        let compiled = compile(
            "karate.hgnn",
            "data = karate()\nmodel = gcn(8) -> relu -> gcn",
            &DataOptions::from_env(),
        );
        assert_eq!(compiled.unwrap().dataset.n_nodes(), 34);
    }

    #[test]
    fn findings_name_their_place() {
        let error = compile("m.hgnn", "data = karate()\nmodel = gnc(8) -> gcn", &DataOptions::from_env())
            .unwrap_err();
        assert!(error.to_string().contains("m.hgnn:2:9: error[names::unknown]"), "{error}");
    }

    #[test]
    fn a_text_without_data_is_refused() {
        let error = compile("m.hgnn", "gcn(8) -> mean -> linear", &DataOptions::from_env()).unwrap_err();
        assert!(error.to_string().contains("names no data"), "{error}");
    }
}
