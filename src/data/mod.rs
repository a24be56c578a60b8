//! Data sets in memory, readers (one file each under `sources/`), splits and batches.
//!
//! A file names its data with a call, `data = tu("PROTEINS")`; [`load`] reads it into a [`Dataset`]: flat arrays
//! from which [`Dataset::batch`] copies disjoint unions.

pub mod batch;
mod cache;
pub mod collection;
pub mod columns;
pub mod dataset;
pub mod download;
pub mod edge_items;
pub mod edges;
pub mod error;
mod facts_cache;
pub mod features;
pub mod fetch;
pub mod files;
mod fingerprint;
pub mod folds;
pub mod links;
pub mod locate;
pub mod pickle;
pub mod places;
pub mod recognise;
pub mod relatives;
pub mod report;
mod rows;
mod scan;
pub mod sources;
pub mod summary;
pub mod synthetic;
mod union;
pub mod views;

use crate::args::{ArgValue, Args, BoundArg, BoundCall, Default as ArgDefault};
use crate::diagnostic::Diagnostic;
use crate::settings::data::SourceFacts;
use crate::settings::data::{check_call, features::NORMALIZE};
pub use crate::settings::protocol::Split;
use crate::source::{SourceMap, Span};
pub use batch::{EdgeReads, GraphBatch};
pub use columns::{Columns, Target, Vocabulary};
pub use dataset::{
    Dataset, DatasetParts, EdgeEdits, Features, Names, PartedBy, SparseRows, Targets, Types, Unread,
};
pub use edge_items::EdgeItems;
pub use error::DataError;
pub use facts_cache::{facts, facts_of};
use features::scaling::Scale;
pub use links::Links;
use recognise::{Look, Recognised};
pub use sources::SOURCES;
use std::path::PathBuf;
use std::sync::Arc;

/// A kind of data that a file can name, to be read.
pub trait Source: Send + Sync {
    /// What it is called and takes, and what is wrong with a call.
    fn facts(&self) -> &'static dyn SourceFacts;

    /// The files that [`Source::load`] reads; none for data that is made. `None` where they are not on this machine.
    fn files(&self, call: &BoundCall, options: &DataOptions) -> Option<Vec<PathBuf>>;

    /// What to call for what lies at a path, where it looks like data of this source.
    fn recognise(&self, _: &Look) -> Option<Recognised> {
        None
    }

    /// Reads or makes the data.
    ///
    /// # Errors
    /// Where a file is missing or broken, with file, line and what to do.
    fn load(&self, call: &BoundCall, options: &DataOptions) -> Result<Dataset, DataError>;
}

/// Where data is looked for, and what may be done to get it.
#[derive(Clone)]
pub struct DataOptions {
    /// `--data-dir`, else `HGNN_DATA`.
    pub data_dir: Option<PathBuf>,
    /// The folder that downloads are kept in; `None` where the system has none.
    pub cache_dir: Option<PathBuf>,
    /// `--offline`, or `HGNN_OFFLINE` set to anything but `0`: nothing is downloaded.
    pub offline: bool,
    /// The command reads only what is on this machine, whatever it may download elsewhere.
    pub is_local: bool,
    /// Where published sets are downloaded from: `{base_url}/NAME.zip`.
    pub base_url: String,
    /// Called with the progress of a download.
    pub progress: Option<Arc<dyn Fn(download::DownloadProgress) + Send + Sync>>,
    /// Columns and classes of the data that a model was trained with, so that `eval` and `predict` read the same.
    pub vocabulary: Option<Vocabulary>,
    /// The folder that relative paths start from: that of the file that names the data. The current one where absent.
    pub base: Option<PathBuf>,
    /// The folder of the model file, where that is another one: data of the command line beside a file.
    pub file_folder: Option<PathBuf>,
    /// Bytes of a set that are read, as they unpack to; what is wrong with the setting where it cannot be read.
    pub max_size: Result<u64, String>,
}

impl DataOptions {
    /// What the environment says: `HGNN_DATA`, `HGNN_OFFLINE`, and the system's cache folder.
    pub fn from_env() -> Self {
        use etcetera::BaseStrategy;
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            data_dir: set("HGNN_DATA").map(PathBuf::from),
            cache_dir: etcetera::choose_base_strategy().ok().map(|base| base.cache_dir().join("hgnnc")),
            offline: set("HGNN_OFFLINE").is_some_and(|value| value != "0"),
            is_local: false,
            base_url: download::TU_COLLECTION.to_string(),
            progress: None,
            vocabulary: None,
            base: None,
            file_folder: None,
            max_size: match set(files::MAX_SIZE_VARIABLE) {
                Some(text) => files::parse_size(&text.to_string_lossy()),
                None => Ok(files::DEFAULT_MAX_BYTES),
            },
        }
    }

    /// Only this folder: no cache, no network.
    pub fn folder(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: Some(data_dir.into()),
            cache_dir: None,
            offline: true,
            is_local: false,
            base_url: download::TU_COLLECTION.to_string(),
            progress: None,
            vocabulary: None,
            base: None,
            file_folder: None,
            max_size: Ok(files::DEFAULT_MAX_BYTES),
        }
    }

    /// A path as a file or the command line gives it, from the current folder on.
    pub fn path_of(&self, path: &str) -> PathBuf {
        match &self.base {
            // An absolute path stays as it is.
            Some(base) => base.join(path),
            None => PathBuf::from(path),
        }
    }

    /// Bytes of a set that are read.
    ///
    /// # Errors
    /// Where the setting is no size.
    pub fn max_bytes(&self) -> Result<u64, DataError> {
        self.max_size.clone().map_err(|why| {
            DataError::new("data::wrong_limit", format!("{} is not set to a size", files::MAX_SIZE_VARIABLE))
                .help(format!("{why}; unset it for the default, 1 GiB"))
        })
    }
}

/// The source of that name.
pub fn find(name: &str) -> Option<&'static dyn Source> {
    SOURCES.iter().copied().find(|source| source.facts().spec().name == name)
}

/// Reads the data that a call names.
///
/// # Errors
/// Where a file is missing or broken, or the arguments contradict each other.
///
/// # Panics
/// Where the call is not of the catalogue, which the binder has excluded.
pub fn load(call: &BoundCall, options: &DataOptions) -> Result<Dataset, DataError> {
    let source = find(call.name).expect("a call bound against the catalogue");
    if let Some(diagnostic) = check_call(call).into_iter().next() {
        return Err(DataError {
            code: diagnostic.code,
            message: diagnostic.message,
            file: None,
            line: None,
            help: diagnostic.help,
            span: diagnostic.labels.first().map(|label| label.span),
        });
    }
    let file_folder = options.file_folder.clone().or_else(|| options.base.clone());
    let entry = cache::Entry::of(call, options);
    if let Some(kept) = entry.as_ref().and_then(cache::Entry::read) {
        return Ok(Dataset { file_folder, ..kept });
    }
    let mut dataset = source.load(call, options)?;
    dataset.scales_columns = call.args.get(NORMALIZE.name).and_then(|arg| match arg.value {
        ArgValue::Choice("columns") => Some(Scale::Standard),
        ArgValue::Choice("minmax") => Some(Scale::MinMax),
        _ => None,
    });
    if let Some(entry) = entry {
        entry.write(call, options, &dataset);
    }
    dataset.file_folder = file_folder;
    Ok(dataset)
}

/// A call made from Rust: the arguments given, defaults for the rest.
/// `call("tu", &[("name", ArgValue::Text("PROTEINS".into()))])`
///
/// # Panics
/// Where there is no such source or argument.
pub fn call(name: &str, args: &[(&str, ArgValue)]) -> BoundCall {
    let spec = find(name).unwrap_or_else(|| panic!("no data source `{name}`")).facts().spec();
    for (given, _) in args {
        assert!(spec.args.iter().any(|arg| arg.name == *given), "`{name}` has no argument `{given}`");
    }
    let bound = spec.args.iter().map(|arg| {
        let written = args.iter().find(|(given, _)| *given == arg.name).map(|(_, value)| value.clone());
        let default = || arg.default.value().unwrap_or(ArgValue::Absent);
        let span = written.is_some().then(Span::default);
        BoundArg { name: arg.name, value: written.unwrap_or_else(default), span }
    });
    BoundCall { name: spec.name, args: Args(bound.collect()), span: Span::default() }
}

/// The data that a word of the command line names: a call as a file would write it
/// (`tu("REDDIT-BINARY", features = degree)`), a source that needs no arguments (`karate`), a path to something that a
/// source recognises (`graphs.jsonl`), else a data set of the TU collection by its name or path (`PROTEINS`, `./my/SET`,
/// `SET.zip`).
///
/// # Errors
/// The findings, placed in the text, which is added to `sources`.
pub fn parse_call(text: &str, sources: &mut SourceMap) -> Result<BoundCall, Vec<Diagnostic>> {
    let needs_none = |source: &dyn Source| {
        source.facts().spec().args.iter().all(|arg| arg.default != ArgDefault::Required)
    };
    // A path may hold a bracket; what begins with a source's name and a bracket is a call.
    let is_call = text.split_once('(').is_some_and(|(callee, _)| {
        let callee = callee.trim();
        !callee.is_empty() && callee.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    });
    if is_call || find(text).is_some_and(needs_none) {
        return parse_line(text, sources);
    }
    // A path to data of another layout than that of the TU collection, in which names are looked for; a name of the
    // collection stays one, whatever lies here.
    if std::path::Path::new(text).exists()
        && !collection::has(text)
        && let Ok(found) = recognise::recognise(text, &DataOptions::from_env())
        && let Some(first) = found.first()
        && !first.call.starts_with("tu(")
    {
        return parse_line(&first.call, sources);
    }
    // A folder without a slash in its name is a path where it is there and holds a set of that name.
    let is_here = !locate::is_path(text)
        && std::path::Path::new(text).is_dir()
        && files::TuFiles::at(std::path::Path::new(text), u64::MAX).is_ok_and(|files| files.name == text);
    let name = if is_here { format!("./{text}") } else { text.to_string() };
    let span = Span::new(sources.add("--data", text), 0, text.len());
    let mut bound = call("tu", &[("name", ArgValue::Text(name))]);
    bound.span = span;
    bound.args.0.iter_mut().filter_map(|arg| arg.span.as_mut()).for_each(|place| *place = span);
    Ok(bound)
}

/// A call as a file has it.
fn parse_line(text: &str, sources: &mut SourceMap) -> Result<BoundCall, Vec<Diagnostic>> {
    // A second line would be a second item of the file.
    let file = sources.add("--data", format!("data = {}", text.replace(['\r', '\n'], " ")));
    let no_files = |_: &str| Err(std::io::ErrorKind::Unsupported.into());
    let (program, findings) = crate::syntax::load_program(sources, file, &no_files);
    if findings.iter().any(Diagnostic::is_error) {
        return Err(findings);
    }
    crate::check::data_call(&program)
        .map(|call| call.expect("the text is one `data = …`, without syntax errors"))
}

/// The folder of real data for tests: `HGNN_DATA`, else `../shared/data`. Tests on real data pass without it, so
/// that a fresh clone needs nothing, and say so at the end.
#[cfg(test)]
#[track_caller]
pub(crate) fn real_data(inner: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("HGNN_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    let path = folder.join(inner);
    if path.exists() {
        return Some(path);
    }
    crate::skip::skip(crate::skip::DATA);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<BoundCall, Vec<Diagnostic>> {
        parse_call(text, &mut SourceMap::default())
    }

    #[test]
    fn a_word_of_the_command_line_is_a_call_a_source_a_name_or_a_path() {
        let call = parsed("tu(\"X\",\n features = degree, max_nodes = 2 * 50)").expect("a call");
        assert_eq!((call.name, call.args.text("name")), ("tu", Some("X")));
        assert_eq!((call.args.choice("features"), call.args.opt_int("max_nodes")), ("degree", Some(100)));
        assert_eq!(parsed("karate").expect("a source").name, "karate");
        assert_eq!(parsed("hierarchy( graphs = 8 )").expect("a call").args.int("graphs"), 8);
        for name in ["PROTEINS", "REDDIT-BINARY", "./my sets/X (old).zip"] {
            assert_eq!(parsed(name).expect(name).args.text("name"), Some(name));
        }
    }

    #[test]
    fn a_wrong_call_is_told_as_in_a_file() {
        for (text, code) in [
            ("tu()", "args::missing"),
            ("tu(\"X\", featurs = degree)", "args::unknown"),
            ("tu(\"X\", max_degree = 3)", "data::no_effect"),
            ("planet(\"X\")", "names::unknown"),
            ("tu(\"X\"", "syntax::"),
            ("karate() model = gcn(4)", "syntax::"),
        ] {
            let findings = parsed(text).expect_err(text);
            assert!(findings[0].code.starts_with(code), "{text}: {findings:?}");
        }
    }
}
