//! From a path to a checked program: what `check`, `show` and `train` do first.

use super::{Failure, Format, Global, report};
use crate::check::{self, Checked};
use crate::data::files::parse_size;
use crate::data::{DataOptions, Dataset};
use crate::diagnostic::Diagnostic;
use crate::ir::Model;
use crate::migrate;
use crate::reach::{self, MAX_BYTES, Reach};
use crate::regular::{self, ReadError};
use crate::source::{FileId, SourceMap};
use crate::syntax::{self, Program};
use crate::types::DataFacts;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Data to check against: options of the commands that read data only where it is there.
#[derive(Debug, Clone, clap::Args)]
pub struct LocalData {
    // The environment is read by `options`, because clap refuses a variable that is set and empty.
    /// Folder of data sets, searched before the cache [env: HGNN_DATA]. Nothing is downloaded
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Read no data, even if it is on this machine
    #[arg(long, conflicts_with = "data_dir")]
    no_data: bool,
    /// Read at most this much of a data set, unpacked [env: HGNN_MAX_DATA_SIZE] [default: 1GiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    max_data_size: Option<u64>,
}

impl LocalData {
    /// `None` where no data is to be read. Nothing is downloaded.
    pub fn options(&self) -> Option<DataOptions> {
        let env = DataOptions::from_env();
        let data_dir = self.data_dir.clone().or(env.data_dir);
        let max_size = self.max_data_size.map_or(env.max_size, Ok);
        (!self.no_data).then_some(DataOptions { data_dir, is_local: true, max_size, ..env })
    }
}

/// A file with all it uses, parsed.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub sources: SourceMap,
    pub program: Program,
    /// What is wrong with the text and with `use`.
    pub diagnostics: Vec<Diagnostic>,
    /// The folder that paths of data start from: the file's. The current one where absent.
    pub base: Option<PathBuf>,
}

impl From<crate::git::Loaded> for Loaded {
    fn from(loaded: crate::git::Loaded) -> Self {
        let crate::git::Loaded { sources, program, diagnostics } = loaded;
        Self { sources, program, diagnostics, base: None }
    }
}

/// The folder of a file; `None` where that is the current one.
pub fn folder_of(file: &str) -> Option<PathBuf> {
    let folder = Path::new(file).parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.filter(|_| file != "-").map(Path::to_path_buf)
}

impl Loaded {
    /// A file of a repository, as it is at some revision; its data lies where that of the file on disk does.
    pub fn of_repository(
        loaded: crate::git::Loaded,
        repository: &crate::git::Repository,
        path: &str,
    ) -> Self {
        let base = repository
            .root()
            .ok()
            .map(|root| root.join(path))
            .and_then(|file| file.parent().map(Path::to_path_buf));
        Self { base, ..Self::from(loaded) }
    }

    /// The same with the names of today, for texts from the past that nobody can be asked to rewrite.
    #[must_use]
    pub fn brought_forward(self) -> Self {
        if !self.diagnostics.is_empty() {
            return self;
        }
        let findings = check::check(&self.program, None).diagnostics;
        match migrate::program(&self.sources, &self.program, &findings) {
            Some((sources, program)) => Self { sources, program, ..self },
            None => self,
        }
    }
}

/// Reads and parses a file; `-` is standard input.
///
/// # Errors
/// Where the file itself cannot be read. Mistakes inside, and in the files it uses, are among the diagnostics.
pub fn load(path: &str) -> Result<Loaded, Failure> {
    let reach = Reach::of(Path::new(path), allowed());
    let (name, bytes) = if path == "-" {
        ("<stdin>", read_stdin()?)
    } else {
        (path, reach.read(Path::new(path), MAX_BYTES).map_err(|error| unreadable(path, &error))?)
    };
    let mut sources = SourceMap::default();
    let mut diagnostics = Vec::new();
    let text = syntax::decode(name, &bytes).unwrap_or_else(|error| {
        diagnostics.push(error);
        String::new()
    });
    let main = sources.add(name, text);
    if !diagnostics.is_empty() {
        let program = Program { files: Vec::new(), main, uses: Vec::new(), has_errors: true };
        return Ok(Loaded { sources, program, diagnostics, base: folder_of(path) });
    }
    let (program, diagnostics) = syntax::load_program(&mut sources, main, &|path| reach.read_used(path));
    Ok(Loaded { sources, program, diagnostics, base: folder_of(path) })
}

/// The bytes of a file that is given as a model: a regular file of its folder or repository, of bounded size.
///
/// # Errors
/// Where it cannot be read, or is a link that leads elsewhere.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let read = Reach::of(path, allowed()).read(path, MAX_BYTES);
    read.map_err(|error| unreadable(&path.display().to_string(), &error))
}

/// All of standard input.
///
/// # Errors
/// Where it cannot be read, or is larger than a model may be.
pub fn read_stdin() -> Result<Vec<u8>, Failure> {
    let read = regular::read_stream(io::stdin().lock(), MAX_BYTES);
    read.map_err(|error| Failure::of_file(format!("standard input cannot be read: {error}")))
}

/// Folders that `use` may name beside those of the model, as the command line and the environment say.
static ALLOWED: OnceLock<Vec<PathBuf>> = OnceLock::new();

/// Lets every model of this process use files of these folders, and of those that the environment names.
pub fn allow_use(folders: &[PathBuf]) {
    let all = folders.iter().cloned().chain(reach::allowed_by_environment());
    // The command line is read once.
    let _ = ALLOWED.set(all.collect());
}

fn allowed() -> &'static [PathBuf] {
    ALLOWED.get_or_init(reach::allowed_by_environment)
}

fn unreadable(name: &str, error: &reach::Error) -> Failure {
    let failed =
        |why: &dyn std::fmt::Display| Failure::of_file(format!("the file `{name}` cannot be read: {why}"));
    match error {
        reach::Error::OutOfReach(why) => failed(why).help(why.help.as_str()),
        reach::Error::Unreadable(ReadError::NotFound) => {
            Failure::of_file(format!("the file `{name}` does not exist"))
        }
        reach::Error::Unreadable(ReadError::Folder) => {
            let help = match Path::new(name).join("run.json").is_file() {
                true => format!("it is the folder of a run, whose model is `{name}/model.hgnn`"),
                false => format!("name its files, as in `{name}/*.hgnn`"),
            };
            Failure::of_file(format!("`{name}` is a folder")).help(help)
        }
        reach::Error::Unreadable(error @ ReadError::NotRegular(_)) => {
            failed(error).help("write `-` to read standard input, as in `… | hgnnc check -`")
        }
        reach::Error::Unreadable(error) => failed(error),
    }
}

/// Whether the data that a file names was there to check against.
pub enum Data {
    Loaded(Box<Dataset>),
    /// What the checker has to know of it; the data itself was not asked for.
    Known(Box<DataFacts>),
    /// It names some that is not on this machine, or that does not exist: a warning or an error, not among the
    /// diagnostics, because a model can be shown and compared without its data.
    Absent(Diagnostic),
    /// It names none, or it was not asked for, or could not be made out.
    None,
}

impl Data {
    /// What the file was checked against.
    pub fn facts(&self) -> Option<DataFacts> {
        match self {
            Self::Loaded(dataset) => Some(dataset.facts()),
            Self::Known(facts) => Some(facts.as_ref().clone()),
            Self::Absent(_) | Self::None => None,
        }
    }
}

/// How much of the data a command needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// What the checker asks; quick, because it is kept in the cache.
    Facts,
    Dataset,
}

/// A file with everything that could be found out about it.
pub struct Compiled {
    pub sources: SourceMap,
    pub program: Program,
    /// Where anything is an error, there is no model.
    pub model: Option<Checked<Model>>,
    /// The model that was refused only for its symmetry.
    pub refused: Option<Model>,
    /// It defines `let`s and blocks for other files and has no model of its own.
    pub is_library: bool,
    pub data: Data,
    pub diagnostics: Vec<Diagnostic>,
}

impl Compiled {
    /// Every finding about the file and the data that it names, for commands that judge it.
    pub fn findings(&self) -> Vec<Diagnostic> {
        let mut findings = self.diagnostics.clone();
        if let Data::Absent(finding) = &self.data {
            findings.push(finding.clone());
        }
        findings
    }

    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    pub fn main(&self) -> FileId {
        self.program.main
    }
}

/// Reads, parses and checks a file, against the data it names where `options` are given and the data is there.
///
/// # Errors
/// As [`load`].
pub fn compile(path: &str, options: Option<&DataOptions>) -> Result<Compiled, Failure> {
    compile_with(path, options, Need::Dataset)
}

/// As [`compile`], with as much of the data as the command needs.
///
/// # Errors
/// As [`load`].
pub fn compile_with(path: &str, options: Option<&DataOptions>, need: Need) -> Result<Compiled, Failure> {
    Ok(compile_loaded(load(path)?, options, need))
}

/// The same for a file that was read and parsed, from disk or from a git revision.
pub fn compile_loaded(loaded: Loaded, options: Option<&DataOptions>, need: Need) -> Compiled {
    let Loaded { sources, program, mut diagnostics, base } = loaded;
    if program.files.is_empty() {
        let (model, refused, data) = (None, None, Data::None);
        return Compiled { sources, program, model, refused, is_library: false, data, diagnostics };
    }
    let mut data = Data::None;
    // What is wrong with the call itself is reported by the check of the whole program.
    if let (Some(options), Ok(Some(call))) = (options, check::data_call(&program)) {
        let options = &DataOptions { base, ..options.clone() };
        let found = match need {
            Need::Facts => crate::data::facts(&call, options).map(|facts| Data::Known(Box::new(facts))),
            Need::Dataset => crate::data::load(&call, options).map(|dataset| Data::Loaded(Box::new(dataset))),
        };
        match found {
            Ok(found) => data = found,
            Err(error) if error.is_absent() => data = Data::Absent(error.to_diagnostic(call.span)),
            Err(error) => diagnostics.push(error.to_diagnostic(call.span)),
        }
    }
    let outcome = check::check(&program, data.facts().as_ref());
    if let (Some(model), Data::Loaded(dataset)) = (&outcome.model, &mut data) {
        dataset.take_up(model.get().task);
    }
    let has_syntax_errors = diagnostics.iter().any(Diagnostic::is_error);
    diagnostics.extend(outcome.diagnostics);
    Compiled {
        sources,
        program,
        model: outcome.model.filter(|_| !has_syntax_errors),
        refused: outcome.refused.filter(|_| !has_syntax_errors),
        is_library: outcome.is_library,
        data,
        diagnostics,
    }
}

/// Writes the findings of a file that another command was to run with: on standard output as JSON, else on
/// standard error, since standard output belongs to the command's result.
///
/// # Errors
/// Where they cannot be written.
pub fn print_findings(compiled: &Compiled, global: &Global) -> Result<(), Failure> {
    let Compiled { sources, diagnostics, .. } = compiled;
    if global.format == Format::Json {
        report::write(&mut super::stdout(), sources, diagnostics, global.format, super::stdout_look())?;
    } else {
        // Where standard error is closed, the exit code still reports it.
        let look = super::stderr_look();
        let _ = report::write(&mut io::stderr().lock(), sources, diagnostics, global.format, look);
    }
    Ok(())
}
