//! `hgnnc train`: train a file, or resume a run.

use super::data::DataArgs;
use super::device::DeviceArg;
use super::room::MemoryArgs;
use super::source::{self, Loaded};
use super::watcher::Watcher;
use super::{
    Exit, Failure, Format, Global, changed, code, describe, help, report, results, stderr_look, stdout_look,
};
use crate::args::BoundCall;
use crate::check::{self, Checked};
use crate::data::{self, DataOptions, Dataset, Targets};
use crate::diagnostic::Diagnostic;
use crate::estimate::{ProcessMemory, Request, fits};
use crate::git;
use crate::ir::Model;
use crate::memory;
use crate::source::SourceMap;
use crate::track::{About, Places, Tracked};
use crate::train::{
    self, GitState, ModelSource, Origin, OtherData, Output, Overrides, RunFolder, RunSummary, Settings,
    Status, TrainError, TrainRequest,
};
use candle_core::Device;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Train a file and write the run into a folder
///
/// The data is what the file names; a published set that is not on this machine is downloaded. The folder of the run
/// gets the weights, the figures of every epoch and what is needed to train again. Ctrl-C ends the run after the
/// current batch, ready for `--resume`; a second one ends it at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hgnnc train models/quickstart.hgnn\n  \
    hgnnc train one_line.hgnn --data 'tu(\"PROTEINS\")' --out runs/first\n  \
    hgnnc train --resume runs/first\n  \
    hgnnc train wider.hgnn --init-from runs/first\n  \
    hgnnc train --changed-since git:main --dry-run\n\n\
    Exit codes: 0 trained, 1 the file has errors, 2 could not run, 130 interrupted")]
pub struct Train {
    /// The file to train; `-` reads standard input. Several files, or folders whose `.hgnn` files are meant, are trained one after the
    /// other, each into a run of its own
    #[arg(
        value_name = "FILE",
        required_unless_present_any = ["resume", "changed_since"],
        conflicts_with = "resume"
    )]
    files: Vec<String>,
    #[arg(long, value_name = "CALL", conflicts_with = "resume", help = help::data_call("Data in place of the file's, whose published figures then go unless it is the same set"))]
    data: Option<String>,
    #[command(flatten)]
    place: DataArgs,
    /// Folder of the run; by default a new one in `runs`. With several files, or --changed-since, the folder of all runs
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    out: Option<PathBuf>,
    /// Replace the run in that folder
    #[arg(long, requires = "out", conflicts_with = "changed_since")]
    force: bool,
    /// Seed in place of the file's, a whole number from 0
    #[arg(long, value_name = "N", conflicts_with = "resume")]
    seed: Option<u64>,
    /// Epochs in place of the file's, 1 to 1,000,000
    #[arg(long, value_name = "N", conflicts_with = "resume", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    epochs: Option<u32>,
    /// Another value in place of the file's, by its path: `train.optimizer.lr=3e-3`, `width=32` of a `let`; may be repeated. The run keeps
    /// the changed text
    #[arg(long, value_name = "PATH=VALUE", conflicts_with = "resume", value_parser = super::set::Change::parse)]
    set: Vec<super::set::Change>,
    #[command(flatten)]
    device: DeviceArg,
    #[command(flatten)]
    memory: MemoryArgs,
    /// Resume the run in this folder, with the same result as if it had never stopped
    #[arg(long, value_name = "RUN")]
    resume: Option<PathBuf>,
    /// Start from the weights of another run or checkpoint as far as they fit; new weights start at random
    #[arg(long, value_name = "RUN", conflicts_with = "resume")]
    init_from: Option<PathBuf>,
    /// Write events for TensorBoard below this folder, while the run goes on
    #[arg(long, value_name = "FOLDER")]
    tensorboard: Option<PathBuf>,
    /// Write the run into this folder of MLflow's (`mlruns`), an experiment for the data, a run for each fold and seed
    #[arg(long, value_name = "FOLDER")]
    mlflow: Option<PathBuf>,
    /// Write the figures of every epoch into this table
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Train only the models whose canonical form has changed since this revision (a branch, tag or commit, as in
    /// `git:main`), also through `use`: of the files given, or of all below the current folder. Each into a run of its
    /// own
    #[arg(long, value_name = "git:REV", conflicts_with = "resume")]
    changed_since: Option<String>,
    /// List what --changed-since would train and why, and train nothing
    #[arg(long, requires = "changed_since")]
    dry_run: bool,
    /// Whether another command tells what the run came to.
    #[arg(skip)]
    is_part: bool,
}

impl Train {
    /// A command that trains a saved run or a file as it says, for other commands.
    pub(super) fn plain(place: DataArgs, device: DeviceArg, memory: MemoryArgs) -> Self {
        Self {
            files: Vec::new(),
            data: None,
            place,
            out: None,
            force: false,
            seed: None,
            epochs: None,
            set: Vec::new(),
            device,
            memory,
            resume: None,
            init_from: None,
            tensorboard: None,
            mlflow: None,
            csv: None,
            changed_since: None,
            dry_run: false,
            is_part: true,
        }
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        let kind = match &error {
            TrainError::Io { .. } => code::FILE,
            TrainError::Occupied { .. } | TrainError::Busy { .. } | TrainError::Unusable { .. } => code::RUN,
            TrainError::NotFinite { .. } | TrainError::Candle(_) => code::COMPUTATION,
            _ => code::SETUP,
        };
        let failure = Failure::new(error.to_string()).code(kind);
        match error.help() {
            Some(help) => failure.help(help),
            None => failure,
        }
    }
}

/// What `--data` names, with its text, or the findings, which were printed.
///
/// # Errors
/// Where the findings cannot be printed.
pub fn named_data(text: &str, global: &Global) -> Result<Option<(SourceMap, BoundCall)>, Failure> {
    let mut sources = SourceMap::default();
    match data::parse_call(text, &mut sources) {
        Ok(call) => Ok(Some((sources, call))),
        Err(findings) => {
            print_findings(&sources, &findings, global)?;
            Ok(None)
        }
    }
}

/// The data of a call, or `None` where nobody knows its name, which was printed as what it is: a mistake in the text.
///
/// # Errors
/// Where the data is not here or broken.
pub fn load_data(
    call: &BoundCall,
    sources: &SourceMap,
    options: &DataOptions,
    global: &Global,
) -> Result<Option<Dataset>, Failure> {
    match data::load(call, options) {
        Ok(dataset) => Ok(Some(dataset)),
        Err(error) if error.is_unknown() => {
            print_findings(sources, &[error.to_diagnostic(call.span)], global)?;
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// On standard output as JSON, else on standard error, since standard output belongs to the command's result.
fn print_findings(sources: &SourceMap, findings: &[Diagnostic], global: &Global) -> Result<(), Failure> {
    if global.format == Format::Json {
        if findings.iter().any(Diagnostic::is_error) {
            report::write(&mut super::stdout(), sources, findings, global.format, stdout_look())?;
        }
    } else {
        // Where standard error is closed, the exit code still reports it.
        let _ = report::write(&mut io::stderr().lock(), sources, findings, global.format, stderr_look());
    }
    Ok(())
}

/// A file that can be trained, with its data.
struct Ready {
    name: String,
    file: String,
    model: Checked<Model>,
    dataset: Dataset,
    source: ModelSource,
    /// The folder that a path of the data starts from.
    data_folder: Option<PathBuf>,
    /// The folder of the file itself, which paths of its other settings start from.
    file_folder: Option<PathBuf>,
}

/// What several runs of one process share.
pub(super) struct Session {
    device: Device,
    /// What the process had taken before it read any data.
    base_bytes: Option<u64>,
    command: Vec<String>,
    /// How often Ctrl-C was pressed.
    interrupts: Arc<AtomicUsize>,
}

impl Session {
    /// # Errors
    /// Where the device cannot be used.
    pub(super) fn open(train: &Train, format: Format) -> Result<Self, Failure> {
        let device = train.device.open()?;
        let command = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
        let base_bytes = memory::resident_bytes();
        Ok(Self { device, base_bytes, command, interrupts: listen_for_interrupts(format) })
    }
}

/// What became of one file.
pub(super) enum Trained {
    Done(Box<RunSummary>),
    /// It has errors, which were reported.
    Refused,
}

impl Train {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        if let Some(since) = &self.changed_since {
            return changed::run(self, since, self.dry_run, global);
        }
        let session = Session::open(self, global.format)?;
        let trained = match (&self.resume, self.files.as_slice()) {
            (Some(path), _) => {
                let (ready, overrides) = reopen(path, self.place.options())?;
                self.train(ready, overrides, Output::Resume(path.clone()), &session, global.format)?
            }
            (None, [file]) if !Path::new(file).is_dir() || RunFolder::is_run(Path::new(file)) => {
                let output = match &self.out {
                    Some(path) => Output::Folder { path: path.clone(), force: self.force },
                    None => Output::NewIn(PathBuf::from("runs")),
                };
                self.train_file(file, output, &session, global, global.format)?
            }
            (None, files) => return self.train_several(files, &session, global),
        };
        match trained {
            Trained::Refused => Ok(Exit::Findings),
            Trained::Done(summary) if summary.status == Status::Interrupted => Ok(Exit::Interrupted),
            Trained::Done(_) => Ok(Exit::Clean),
        }
    }

    /// Trains the files one after the other. A file that is refused, and a run that fails, do not keep the others from being trained.
    fn train_several(&self, given: &[String], session: &Session, global: &Global) -> Result<Exit, Failure> {
        if self.force {
            return Err(Failure::of_usage("`--force` replaces one run, but several files are trained")
                .help("leave it out: each file gets a new folder"));
        }
        let given: Vec<PathBuf> = given.iter().map(PathBuf::from).collect();
        let files = super::files::find(&given)?;
        let files: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
        let parent = self.out.clone().unwrap_or_else(|| PathBuf::from("runs"));
        let (mut failed, mut refused) = (Vec::new(), Vec::new());
        for (idx, file) in files.iter().enumerate() {
            if global.format != Format::Json {
                super::note(&format!("{file} ({} of {})", idx + 1, files.len()));
            }
            match self.train_file(file, Output::NewIn(parent.clone()), session, global, global.format) {
                Ok(Trained::Done(summary)) if summary.status == Status::Interrupted => {
                    return Ok(Exit::Interrupted);
                }
                Ok(Trained::Done(_)) => {}
                Ok(Trained::Refused) => refused.push(file.clone()),
                Err(failure) => {
                    let _ =
                        io::stderr().write_all(failure.text(super::prose_width(&io::stderr())).as_bytes());
                    failed.push(file.clone());
                }
            }
        }
        if !failed.is_empty() {
            return Err(Failure::new(format!(
                "{} of {} could not be trained: {}",
                failed.len(),
                crate::diagnostic::count(files.len(), "file"),
                failed.join(", ")
            )));
        }
        Ok(if refused.is_empty() { Exit::Clean } else { Exit::Findings })
    }

    /// Trains the run of a folder anew, from its record alone.
    ///
    /// # Errors
    /// Where it cannot be read or trained.
    pub(super) fn again(
        &self,
        run: &Path,
        output: Output,
        session: &Session,
        format: Format,
    ) -> Result<Trained, Failure> {
        let (ready, overrides) = reopen(run, self.place.options())?;
        self.train(ready, overrides, output, session, format)
    }

    pub(super) fn files(&self) -> &[String] {
        &self.files
    }

    pub(super) fn out(&self) -> Option<&Path> {
        self.out.as_deref()
    }

    /// Compiles and trains one file. Findings are reported as `told` says, progress and results as `format` says.
    ///
    /// # Errors
    /// Where it cannot be read or trained.
    pub(super) fn train_file(
        &self,
        file: &str,
        output: Output,
        session: &Session,
        told: &Global,
        format: Format,
    ) -> Result<Trained, Failure> {
        let Some(ready) = self.compile(file, &self.place.options(), told)? else {
            return Ok(Trained::Refused);
        };
        let overrides = Overrides { seed: self.seed, epochs: self.epochs.map(|epochs| epochs as usize) };
        self.train(ready, overrides, output, session, format)
    }

    fn train(
        &self,
        ready: Ready,
        overrides: Overrides,
        output: Output,
        session: &Session,
        format: Format,
    ) -> Result<Trained, Failure> {
        let is_searched = !ready.model.get().search.is_empty();
        if !is_searched {
            self.fits(&ready, overrides, session)?;
        }
        let room =
            |model: &Checked<Model>, settings: &Settings| self.shortage(&ready, model, settings, session);
        let git = git_state(&ready.file);
        let request = TrainRequest {
            name: ready.name.clone(),
            file: ready.file.clone(),
            model: &ready.model,
            dataset: &ready.dataset,
            source: ready.source.clone(),
            overrides,
            origin: Origin {
                command: session.command.clone(),
                git,
                data_folder: ready.data_folder.clone(),
                file_folder: ready.file_folder.clone(),
            },
            room: Some(&room),
            init_from: self.init_from.clone(),
            device: session.device.clone(),
            out: output,
            stop: &|| session.interrupts.load(Ordering::Relaxed) > 0,
        };
        let mut watcher = Watcher::new(ready.model.get(), overrides, format);
        let places = Places {
            tensorboard: self.tensorboard.clone(),
            mlflow: self.mlflow.clone(),
            csv: self.csv.clone(),
        };
        let result = match places == Places::default() {
            true => train::run(&request, &mut watcher),
            false => {
                let about = about(&request);
                let mut tracked = Tracked::new(&mut watcher, &places, &about).map_err(|error| {
                    Failure::of_file(format!("the figures cannot be written for other tools: {error}"))
                })?;
                train::run(&request, &mut tracked)
            }
        };
        watcher.clear();
        let summary = result?;
        // The results of several files are one document.
        if !self.is_part && (self.changed_since.is_none() || format == Format::Full) {
            results::print(&mut super::stdout(), &summary, &ready.model, &ready.dataset, format)?;
        }
        Ok(Trained::Done(Box::new(summary)))
    }

    /// Why a trial of a search needs more memory than there is.
    fn shortage(
        &self,
        ready: &Ready,
        model: &Checked<Model>,
        settings: &Settings,
        session: &Session,
    ) -> Option<String> {
        if !session.device.is_cpu() || self.memory.ignore_memory {
            return None;
        }
        let process = ProcessMemory::new(session.base_bytes, memory::resident_bytes());
        let (model, dataset) = (model.get(), &ready.dataset);
        let request = Request { model, dataset, settings, process, machine: None };
        let shortage = fits::training(&request, memory::room::room()?).ok()??;
        Some(super::room::message("this model", &shortage))
    }

    /// Refuses a run that needs more memory than there is.
    ///
    /// # Errors
    /// The refusal, or where the data cannot be cut as the protocol asks.
    fn fits(&self, ready: &Ready, overrides: Overrides, session: &Session) -> Result<(), Failure> {
        // On a GPU, batches and results lie in its own memory, of which Candle does not say how much there is.
        if !session.device.is_cpu() || matches!(ready.dataset.targets, Targets::None) {
            return Ok(());
        }
        let Some(room) = memory::room::room() else { return Ok(()) };
        let (model, dataset) = (ready.model.get(), &ready.dataset);
        let settings = Settings::new(model, overrides);
        let process = ProcessMemory::new(session.base_bytes, memory::resident_bytes());
        let request = Request { model, dataset, settings: &settings, process, machine: None };
        let shortage = fits::training(&request, room)?;
        self.memory.judge(&format!("training {} on {}", ready.file, dataset.name), shortage.as_ref())
    }

    /// Compiles the file against its data; `None` where it has errors, which were reported.
    fn compile(&self, path: &str, options: &DataOptions, global: &Global) -> Result<Option<Ready>, Failure> {
        let loaded = source::load(path)?;
        let Loaded { sources, program, mut diagnostics, base } = super::set::applied(loaded, &self.set)?;
        let named = match &self.data {
            Some(text) => match named_data(text, global)? {
                Some(call) => Some(call),
                None => return Ok(None),
            },
            None => None,
        };
        // What is wrong with the file's own call is reported by the check below.
        let own = if named.is_some() { None } else { check::data_call(&program).unwrap_or(None) };
        let call = match &named {
            Some((texts, call)) => Some((texts, call)),
            None => own.as_ref().map(|call| (&sources, call)),
        };
        // A path on the command line starts from the current folder, one in the file from the file's.
        let file_folder = base.clone();
        let base = base.filter(|_| named.is_none());
        let options =
            &DataOptions { base: base.clone(), file_folder: file_folder.clone(), ..options.clone() };
        let dataset = match call {
            None => None,
            Some((texts, call)) => match load_data(call, texts, options, global)? {
                Some(dataset) => Some(dataset),
                None => return Ok(None),
            },
        };
        let facts = dataset.as_ref().map(Dataset::facts);
        let outcome = check::check(&program, facts.as_ref());
        let dataset = match &outcome.model {
            Some(model) => dataset.map(|dataset| dataset.for_task(model.get().task)),
            None => dataset,
        };
        // The run itself says which classes its parts do not hold, by their names.
        let is_said_later = |finding: &Diagnostic| finding.code == "training::absent_class";
        diagnostics.extend(outcome.diagnostics.into_iter().filter(|finding| !is_said_later(finding)));
        print_findings(&sources, &diagnostics, global)?;
        if diagnostics.iter().any(Diagnostic::is_error) {
            return Ok(None);
        }
        if outcome.model.is_none() {
            return Err(
                Failure::new(format!("`{path}` defines no model to train")).help("train a file that uses it")
            );
        }
        let Some(dataset) = dataset else {
            return Err(Failure::new(format!("`{path}` names no data"))
                .help("add a line like `data = tu(\"PROTEINS\")` to it, or give `--data PROTEINS`"));
        };
        let text = named.as_ref().map(|(_, call)| data_text(call));
        let set = |call: &BoundCall| (call.name, call.args.get("name").map(|arg| arg.value.clone()));
        let of_file = check::data_call(&program).ok().flatten().as_ref().map(set);
        let other = named.as_ref().zip(text.as_deref()).map(|((_, call), text)| OtherData {
            text,
            is_other_set: of_file.is_some_and(|of_file| of_file != set(call)),
        });
        let source = ModelSource::of_program(&sources, &program, other);
        let model = source.compile(Some(&dataset.facts())).outcome.model;
        let Some(model) = model else {
            return Err(Failure::new(format!("the copy of `{path}` for the run does not compile"))
                .help("write `data = …` into the file itself"));
        };
        let stem = Path::new(path).file_stem().and_then(|stem| stem.to_str()).filter(|stem| *stem != "-");
        Ok(Some(Ready {
            name: stem.unwrap_or("model").to_string(),
            file: path.to_string(),
            model,
            dataset,
            source,
            data_folder: from_here(base),
            file_folder: from_here(file_folder),
        }))
    }
}

/// What tools that keep a run are told of it.
fn about(request: &TrainRequest) -> About {
    let settings = Settings::new(request.model.get(), request.overrides);
    let mut params = BTreeMap::new();
    flatten("", &settings.to_json(request.dataset), &mut params);
    let run = match &request.out {
        Output::Folder { path, .. } | Output::Resume(path) => {
            path.file_name().map(|name| name.to_string_lossy().into_owned())
        }
        Output::NewIn(_) | Output::Nothing => None,
    };
    let commit = request.origin.git.as_ref().and_then(|git| git.commit.clone());
    let hash = crate::ir::canonical::hash(request.model.get());
    let tags = [
        ("hgnnc.file", Some(request.file.clone())),
        ("hgnnc.hash", Some(hash)),
        ("mlflow.source.git.commit", commit),
    ];
    About {
        run: run.unwrap_or_else(|| format!("{}-{}", request.name, train::stamp())),
        data: request.dataset.name.clone(),
        params,
        tags: tags.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect(),
    }
}

/// `train.optimizer.lr` and its text, for each value of nested objects.
fn flatten(path: &str, value: &serde_json::Value, into: &mut BTreeMap<String, String>) {
    match value {
        serde_json::Value::Object(entries) => {
            for (key, value) in entries {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&path, value, into);
            }
        }
        serde_json::Value::Null => {}
        serde_json::Value::String(text) => {
            into.insert(path.to_owned(), text.clone());
        }
        other => {
            into.insert(path.to_owned(), other.to_string());
        }
    }
}

/// A folder that a path starts from, as it is called from anywhere.
fn from_here(folder: Option<PathBuf>) -> Option<PathBuf> {
    std::env::current_dir().ok().map(|current| current.join(folder.unwrap_or_default()))
}

/// The call as a file would write it, with the arguments that were given.
fn data_text(call: &BoundCall) -> String {
    let mut given = call.clone();
    given.args.0.retain(|arg| arg.span.is_some());
    describe::call(&given)
}

/// The file and data of a run that is there.
fn reopen(path: &Path, options: DataOptions) -> Result<(Ready, Overrides), Failure> {
    let folder = RunFolder::open(path)?;
    let record = folder.record()?;
    let source = folder.source()?;
    let options =
        DataOptions { base: record.data_folder(), file_folder: record.file_folder.clone(), ..options };
    let dataset = run_data(&source, &folder.model_path(), options)?;
    let model = source.compile(Some(&dataset.facts())).outcome.model;
    let Some(model) = model else {
        return Err(Failure::new(format!("`{}` does not compile", folder.model_path().display()))
            .help("run `hgnnc check` on it; it has to be as `hgnnc train` wrote it"));
    };
    let dataset = dataset.for_task(model.get().task);
    let (data_folder, file_folder) = (record.data_folder.clone(), record.file_folder.clone());
    Ok((
        Ready { name: record.name, file: record.file, model, dataset, source, data_folder, file_folder },
        record.overrides,
    ))
}

/// What source control says of a model file; `None` outside of a repository.
fn git_state(file: &str) -> Option<GitState> {
    let path = (file != "-").then(|| Path::new(file));
    let folder = path.and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty());
    let repository = git::Repository::discover(folder.unwrap_or(Path::new("."))).ok()?;
    let path = path.map(|path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()));
    repository.state(path.as_deref())
}

/// The data that a saved model was trained on.
///
/// # Errors
/// Where the model names none or it cannot be read.
pub fn run_data(source: &ModelSource, path: &Path, options: DataOptions) -> Result<Dataset, Failure> {
    let (_, program, _) = source.parse();
    match check::data_call(&program) {
        Ok(Some(call)) => Ok(data::load(&call, &options)?),
        _ => Err(Failure::new(format!("`{}` names no data that can be read", path.display()))
            .help("give it with `--data`, as in `--data 'tu(\"PROTEINS\")'`")),
    }
}

/// How often Ctrl-C was pressed. From the second time on the process ends at once.
fn listen_for_interrupts(format: Format) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    // Without a handler Ctrl-C ends the process at once, which is the best that is left.
    let _ = ctrlc::set_handler(move || {
        if seen.fetch_add(1, Ordering::Relaxed) > 0 {
            if format == Format::Json {
                let failure = Failure::new("interrupted twice, and stopped at once")
                    .code(code::INTERRUPTED)
                    .help("`hgnnc train --resume RUN` goes on from the state that was saved last");
                let _ = writeln!(io::stdout(), "{}", failure.json());
            }
            std::process::exit(130);
        }
        let _ = io::stderr().write_all(b"\nstopping after this batch; press Ctrl-C again to stop at once\n");
    });
    count
}
