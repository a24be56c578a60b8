//! `hgnnc train`: train a file, or go on with a run.

use super::data::DataArgs;
use super::source::{self, Loaded};
use super::table::{plain_table, write_table};
use super::{Exit, Failure, Format, Global, changed, describe, report, stderr_look, stdout_look};
use crate::args::BoundCall;
use crate::check::{self, Checked};
use crate::data::{self, DataOptions, Dataset};
use crate::diagnostic::Diagnostic;
use crate::ir::{Entity, Model};
use crate::source::SourceMap;
use crate::train::{
    self, EpochRecord, Event, InitialRecord, ModelSource, Output, Overrides, Progress, RunFolder, RunSummary,
    Settings, Spread, Status, TrainError, TrainRequest, UnitSummary,
};
use candle_core::Device;
use indicatif::{HumanDuration, ProgressBar, ProgressState, ProgressStyle};
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Train a file and write the run into a folder
///
/// Ctrl-C ends the run after the current batch, ready for `--resume`; a second one ends it at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hgnnc train models/quickstart.hgnn\n  \
    hgnnc train one_line.hgnn --data 'tu(\"PROTEINS\")' --out runs/first\n  \
    hgnnc train --resume runs/first\n  \
    hgnnc train wider.hgnn --init-from runs/first\n  \
    hgnnc train --changed-since git:main --dry-run\n\n\
    Exit codes: 0 done, 1 the file is wrong, 2 could not run, 130 interrupted")]
pub struct Train {
    /// The file to train; `-` reads standard input. With --changed-since several, and folders
    #[arg(
        value_name = "FILE",
        required_unless_present_any = ["resume", "changed_since"],
        conflicts_with = "resume"
    )]
    files: Vec<String>,
    /// Data in place of the file's: a call, a name or a path
    #[arg(long, value_name = "CALL", conflicts_with = "resume")]
    data: Option<String>,
    #[command(flatten)]
    place: DataArgs,
    /// Folder of the run; a new one in `runs` where absent. With --changed-since the folder of all runs
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    out: Option<PathBuf>,
    /// Replace a run that is in that folder
    #[arg(long, requires = "out", conflicts_with = "changed_since")]
    force: bool,
    /// Seed in place of the file's
    #[arg(long, value_name = "N", conflicts_with = "resume")]
    seed: Option<u64>,
    /// Epochs in place of the file's
    #[arg(long, value_name = "N", conflicts_with = "resume", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    epochs: Option<u32>,
    #[command(flatten)]
    device: DeviceArg,
    /// Go on with the run in this folder, with the same result as if it had not been stopped
    #[arg(long, value_name = "RUN")]
    resume: Option<PathBuf>,
    /// Begin with the weights of another run or checkpoint, as far as they fit; what is new begins at random
    #[arg(long, value_name = "RUN", conflicts_with = "resume")]
    init_from: Option<PathBuf>,
    /// Train only the models whose canonical form has changed since this revision, also through `use`: of the files
    /// given, or of all below the current folder. Each into a run of its own
    #[arg(long, value_name = "git:REV", conflicts_with = "resume")]
    changed_since: Option<String>,
    /// List what --changed-since would train and why, and train nothing
    #[arg(long, requires = "changed_since")]
    dry_run: bool,
}

/// What to compute on: an option of every command that runs a network.
#[derive(Debug, Clone, clap::Args)]
pub struct DeviceArg {
    /// What to compute on
    #[arg(long, value_enum, default_value_t, value_name = "DEVICE")]
    device: DeviceKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum DeviceKind {
    #[default]
    Cpu,
    /// An NVIDIA GPU
    Cuda,
}

impl DeviceArg {
    pub fn is_cpu(&self) -> bool {
        self.device == DeviceKind::Cpu
    }

    /// # Errors
    /// Where this build or this machine has no such device.
    pub fn open(&self) -> Result<Device, Failure> {
        match self.device {
            DeviceKind::Cpu => Ok(Device::Cpu),
            DeviceKind::Cuda if !cfg!(feature = "cuda") => Err(Failure::new(
                "this hgnnc was built without support for CUDA",
            )
            .help("build it with `cargo build --release --features cuda`, or leave `--device cuda` out")),
            DeviceKind::Cuda => Device::new_cuda(0).map_err(|error| {
                Failure::new(format!("no CUDA device can be used: {error}"))
                    .help("look at `nvidia-smi`, or leave `--device cuda` out")
            }),
        }
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        let failure = Failure::new(error.to_string());
        match error.help() {
            Some(help) => failure.help(help),
            None => failure,
        }
    }
}

/// What `--data` names, or the findings, which were printed.
///
/// # Errors
/// Where the findings cannot be printed.
pub fn named_data(text: &str, global: &Global) -> Result<Option<BoundCall>, Failure> {
    let mut sources = SourceMap::default();
    match data::parse_call(text, &mut sources) {
        Ok(call) => Ok(Some(call)),
        Err(findings) => {
            print_findings(&sources, &findings, global)?;
            Ok(None)
        }
    }
}

/// On standard output as JSON, else on standard error, since standard output belongs to the command's result.
fn print_findings(sources: &SourceMap, findings: &[Diagnostic], global: &Global) -> Result<(), Failure> {
    if global.format == Format::Json {
        if findings.iter().any(Diagnostic::is_error) {
            report::write(&mut io::stdout().lock(), sources, findings, global.format, stdout_look())?;
        }
    } else {
        // Where standard error is closed, the exit code still tells.
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
}

/// What several runs of one process share.
pub(super) struct Session {
    device: Device,
    /// How often Ctrl-C was pressed.
    interrupts: Arc<AtomicUsize>,
}

impl Session {
    /// # Errors
    /// Where the device cannot be used.
    pub(super) fn open(train: &Train) -> Result<Self, Failure> {
        Ok(Self { device: train.device.open()?, interrupts: listen_for_interrupts() })
    }
}

/// What became of one file.
pub(super) enum Trained {
    Done(Box<RunSummary>),
    /// It is wrong, which was told.
    Refused,
}

impl Train {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        if let Some(since) = &self.changed_since {
            return changed::run(self, since, self.dry_run, global);
        }
        let session = Session::open(self)?;
        let trained = match (&self.resume, self.files.as_slice()) {
            (Some(path), _) => {
                let (ready, overrides) = reopen(path, self.place.options())?;
                self.train(ready, overrides, Output::Resume(path.clone()), &session, global.format)?
            }
            (None, [file]) => {
                let output = match &self.out {
                    Some(path) => Output::Folder { path: path.clone(), force: self.force },
                    None => Output::NewIn(PathBuf::from("runs")),
                };
                self.train_file(file, output, &session, global, global.format)?
            }
            (None, files) => {
                return Err(Failure::new(format!(
                    "one file is trained at a time, and {} are given",
                    files.len()
                ))
                .help("several are trained with `--changed-since git:REV`, as far as they have changed"));
            }
        };
        match trained {
            Trained::Refused => Ok(Exit::Findings),
            Trained::Done(summary) if summary.status == Status::Interrupted => Ok(Exit::Interrupted),
            Trained::Done(_) => Ok(Exit::Clean),
        }
    }

    pub(super) fn files(&self) -> &[String] {
        &self.files
    }

    pub(super) fn out(&self) -> Option<&Path> {
        self.out.as_deref()
    }

    /// Compiles and trains one file. Findings are told as `told` says, progress and results as `format` says.
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
        let request = TrainRequest {
            name: ready.name,
            file: ready.file,
            model: &ready.model,
            dataset: &ready.dataset,
            source: ready.source,
            overrides,
            init_from: self.init_from.clone(),
            device: session.device.clone(),
            out: output,
            stop: &|| session.interrupts.load(Ordering::Relaxed) > 0,
        };
        let mut watcher = Watcher::new(ready.model.get(), overrides, format);
        let result = train::run(&request, &mut watcher);
        watcher.clear();
        let summary = result?;
        // The results of several files are one document.
        if self.changed_since.is_none() || format == Format::Full {
            print_summary(&mut io::stdout().lock(), &summary, &ready.model, &ready.dataset, format)?;
        }
        Ok(Trained::Done(Box::new(summary)))
    }

    /// Compiles the file against its data; `None` where it is wrong, which was said.
    fn compile(&self, path: &str, options: &DataOptions, global: &Global) -> Result<Option<Ready>, Failure> {
        let Loaded { sources, program, mut diagnostics } = source::load(path)?;
        let named = match &self.data {
            Some(text) => match named_data(text, global)? {
                Some(call) => Some(call),
                None => return Ok(None),
            },
            None => None,
        };
        let call = match &named {
            Some(call) => Some(call.clone()),
            // What is wrong with the call is said by the check below.
            None => check::data_call(&program).unwrap_or(None),
        };
        let dataset = call.as_ref().map(|call| data::load(call, options)).transpose()?;
        let facts = dataset.as_ref().map(Dataset::facts);
        let outcome = check::check(&program, facts.as_ref());
        diagnostics.extend(outcome.diagnostics);
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
        let text = named.as_ref().map(data_text);
        let source = ModelSource::of_program(&sources, &program, text.as_deref());
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
        }))
    }
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
    let dataset = run_data(&source, &folder.model_path(), options)?;
    let model = source.compile(Some(&dataset.facts())).outcome.model;
    let Some(model) = model else {
        return Err(Failure::new(format!("`{}` does not compile", folder.model_path().display()))
            .help("run `hgnnc check` on it; it has to be as `hgnnc train` wrote it"));
    };
    Ok((Ready { name: record.name, file: record.file, model, dataset, source }, record.overrides))
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
fn listen_for_interrupts() -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    // Without a handler Ctrl-C ends the process at once, which is the best that is left.
    let _ = ctrlc::set_handler(move || {
        if seen.fetch_add(1, Ordering::Relaxed) > 0 {
            std::process::exit(130);
        }
        let _ = io::stderr().write_all(b"\nstopping after this batch; once more to stop at once\n");
    });
    count
}

/// Shows a run: a bar on a terminal, some lines otherwise.
struct Watcher {
    bar: Option<ProgressBar>,
    is_quiet: bool,
    /// "graphs", "nodes"
    items: &'static str,
    /// As the file orders them.
    metrics: Vec<String>,
    /// "fold 3 of 10"; empty for a run alone.
    unit: String,
    n_units: usize,
    n_epochs: usize,
    last: Option<EpochRecord>,
    epoch_begun: Instant,
    n_items_done: usize,
}

/// Epochs that get a line where there is no terminal: of a run alone, and of each of several.
const N_PLAIN_LINES: [usize; 2] = [20, 4];

impl Watcher {
    fn new(model: &Model, overrides: Overrides, format: Format) -> Self {
        let metrics = Settings::new(model, overrides).metrics;
        Self {
            bar: None,
            is_quiet: format == Format::Json,
            items: if model.task.entity == Entity::Nodes { "nodes" } else { "graphs" },
            metrics: metrics.iter().map(|metric| metric.name().to_string()).collect(),
            unit: String::new(),
            n_units: 1,
            n_epochs: 0,
            last: None,
            epoch_begun: Instant::now(),
            n_items_done: 0,
        }
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln_lossy(line)),
            None => eprintln_lossy(line),
        }
    }

    fn figures(&self, record: &EpochRecord) -> String {
        let mut text = String::new();
        if let Some(Some(loss)) = record.train.get("loss") {
            text.push_str(&format!("loss {loss:.4}"));
        }
        let shown = std::iter::once("loss").chain(self.metrics.iter().map(String::as_str));
        for name in shown {
            if let Some(Some(value)) = record.validation.get(name) {
                text.push_str(&format!("  val_{name} {value:.4}"));
            }
        }
        text
    }

    /// Whether an epoch gets a line of its own where there is no terminal.
    fn is_told(&self, epoch: usize) -> bool {
        let every = self.n_epochs.div_ceil(N_PLAIN_LINES[usize::from(self.n_units > 1)]);
        epoch == 1 || epoch == self.n_epochs || epoch.is_multiple_of(every)
    }
}

/// Standard error may be closed; then there is no one to tell.
fn eprintln_lossy(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

impl Progress for Watcher {
    fn on(&mut self, event: Event) {
        match event {
            Event::UnitStarted { name, number, n_units, n_items, n_parameters, n_epochs, n_done, dir } => {
                self.n_units = n_units;
                self.n_epochs = n_epochs;
                self.last = None;
                self.unit = match name {
                    // "fold 3 of 10"; with seeds, "seed 8, fold 3 (13 of 30)".
                    Some(name) if name.starts_with("fold") => format!("{name} of {n_units}"),
                    Some(name) => format!("{name} ({number} of {n_units})"),
                    None => String::new(),
                };
                if self.is_quiet {
                    return;
                }
                let [train, validation, test] = n_items;
                let resumed =
                    if n_done > 0 { format!(", going on after epoch {n_done}") } else { String::new() };
                let place = dir.map_or_else(String::new, |dir| format!(" → {}", dir.display()));
                if n_units == 1 || !io::stderr().is_terminal() {
                    let of = if self.unit.is_empty() { String::new() } else { format!("{}: ", self.unit) };
                    self.say(&format!(
                        "{of}{train} {} to train on, {validation} for validation, {test} for the test; {n_parameters} \
                         parameters{resumed}{place}",
                        self.items
                    ));
                }
                if io::stderr().is_terminal() {
                    let template = "{prefix}{bar:20} epoch {pos}/{len}{left}  {wide_msg}";
                    let style = ProgressStyle::with_template(template)
                        .unwrap_or_else(|_| ProgressStyle::default_bar())
                        .with_key("left", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                            // Before the first epoch is done there is nothing to tell the time from.
                            if !state.eta().is_zero() {
                                let _ = write!(out, ", {:#} left", HumanDuration(state.eta()));
                            }
                        });
                    let bar = self.bar.get_or_insert_with(|| ProgressBar::new(0).with_style(style));
                    bar.set_length(n_epochs as u64);
                    bar.set_position(n_done as u64);
                    bar.reset_eta();
                    let prefix =
                        if self.unit.is_empty() { String::new() } else { format!("{}  ", self.unit) };
                    bar.set_prefix(prefix);
                    bar.set_message("");
                }
            }
            Event::Initial(record) => {
                if !self.is_quiet {
                    initial_lines(record).iter().for_each(|line| self.say(line));
                }
                record.notes.iter().for_each(|note| self.say(&format!("warning: {note}")));
            }
            Event::Batch { batch, n_items, loss, .. } => {
                if batch == 1 {
                    // Counted from the end of the first batch on: evaluation and writing lie before it.
                    self.epoch_begun = Instant::now();
                    self.n_items_done = 0;
                } else {
                    self.n_items_done += n_items;
                }
                if let Some(bar) = &self.bar {
                    let seconds = self.epoch_begun.elapsed().as_secs_f64();
                    let rate = (self.n_items_done > 0).then(|| {
                        format!("  {} {}/s", short_count(self.n_items_done as f64 / seconds), self.items)
                    });
                    let last = self
                        .last
                        .as_ref()
                        .map_or_else(|| format!("loss {loss:.4}"), |record| self.figures(record));
                    // What does not fit on the line is cut off at its end, so the loss comes first.
                    bar.set_message(format!("{last}{}", rate.unwrap_or_default()));
                }
            }
            Event::Epoch(record) => {
                if let Some(bar) = &self.bar {
                    bar.set_position(record.epoch as u64);
                } else if !self.is_quiet && self.is_told(record.epoch) {
                    let seconds = seconds(record.train_s);
                    self.say(&format!(
                        "epoch {}/{}  {}  {seconds}",
                        record.epoch,
                        self.n_epochs,
                        self.figures(record)
                    ));
                }
                self.last = Some(record.clone());
            }
            Event::Warning(text) => self.say(&format!("warning: {text}")),
            Event::UnitFinished(summary) => {
                if self.n_units > 1 && !self.is_quiet {
                    self.say(&unit_line(&self.unit, summary));
                }
            }
        }
    }
}

/// What a run takes over from another one, as lines of a table.
fn initial_lines(record: &InitialRecord) -> Vec<String> {
    let n_tensors = record.loaded.len() + record.new.len() + record.reshaped.len();
    let n_checkpoints = record.checkpoints.len();
    let from = match record.checkpoints.as_slice() {
        [one] => one.display().to_string(),
        _ => format!("{}, {n_checkpoints} checkpoints, each run from its own", record.from.display()),
    };
    let mut lines = vec![format!(
        "begins with {} of {n_tensors} tensors ({} of {} numbers) of {from}; the models differ: {}",
        record.loaded.len(),
        record.n_loaded,
        record.n_numbers,
        record.class
    )];
    if record.class == "same" {
        lines[0] = lines[0].replace("; the models differ: same", "");
    }
    let mut rows: Vec<[String; 3]> = Vec::new();
    rows.extend(record.reshaped.iter().map(|(name, from, to)| {
        ["other shape".into(), name.clone(), format!("{from} → {to}, begins at random")]
    }));
    rows.extend(
        record
            .new
            .iter()
            .map(|(name, shape)| ["new".into(), name.clone(), format!("{shape}, begins at random")]),
    );
    rows.extend(record.dropped.iter().map(|(name, shape)| ["dropped".into(), name.clone(), shape.clone()]));
    let widths = [0, 1].map(|idx| rows.iter().map(|row| row[idx].chars().count()).max().unwrap_or(0));
    lines.extend(
        rows.iter()
            .map(|[what, name, shape]| format!("  {what:0$}  {name:1$}  {shape}", widths[0], widths[1])),
    );
    lines
}

/// "fold 3 (3 of 10): test accuracy 0.7232 after 95 epochs (kept: 65), 7.1 s"
fn unit_line(unit: &str, summary: &UnitSummary) -> String {
    let test = summary.test.iter().filter(|(name, _)| *name != "loss");
    let figures: Vec<String> =
        test.filter_map(|(name, value)| Some(format!("{name} {:.4}", (*value)?))).collect();
    let what = match summary.status {
        Status::Finished => format!("test {}", figures.join(", ")),
        Status::Interrupted => "interrupted".into(),
        Status::Diverged => "diverged".into(),
    };
    let kept = summary.kept_epoch.map_or_else(String::new, |epoch| format!(" (kept: {epoch})"));
    format!("{unit}: {what} after {}{kept}, {}", epochs(summary.epochs), seconds(summary.wall_s))
}

/// `1 epoch`, `95 epochs`
fn epochs(n_epochs: usize) -> String {
    if n_epochs == 1 { "1 epoch".into() } else { format!("{n_epochs} epochs") }
}

/// `950`, `12.3k`
fn short_count(count: f64) -> String {
    if count < 9_999.5 { format!("{count:.0}") } else { format!("{:.1}k", count / 1000.0) }
}

/// `8.3 ms`, `1.24 s`, `3 min 20 s`, `2 h 05 min`
pub(super) fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 0.1 => format!("{:.1} ms", s * 1e3),
        s if s < 60.0 => format!("{s:.2} s"),
        s if s < 3600.0 => format!("{:.0} min {:.0} s", (s / 60.0).floor(), s % 60.0),
        s => format!("{:.0} h {:02.0} min", (s / 3600.0).floor(), (s % 3600.0 / 60.0).floor()),
    }
}

fn print_summary(
    out: &mut dyn Write,
    summary: &RunSummary,
    model: &Checked<Model>,
    dataset: &Dataset,
    format: Format,
) -> Result<(), Failure> {
    let place = summary.dir.as_ref().map(|dir| dir.display().to_string()).unwrap_or_default();
    match format {
        Format::Json => {
            let mut value = serde_json::to_value(summary).expect("names and numbers become JSON");
            value["dir"] = place.into();
            serde_json::to_writer_pretty(&mut *out, &value).map_err(io::Error::from)?;
            writeln!(out)?;
            return Ok(());
        }
        Format::Short => {
            let figures = summary
                .metrics
                .iter()
                .filter_map(|name| Some(format!("test {name} {}", summary.test.get(name)?)));
            let figures: Vec<String> = figures.collect();
            writeln!(out, "{}: {}; {place}", summary.name, figures.join(", "))?;
            return Ok(());
        }
        Format::Full => {}
    }
    let n_done = summary.units.iter().filter(|unit| unit.status == Status::Finished).count();
    if n_done > 0 {
        let runs = if summary.n_units > 1 {
            format!(", {n_done} of {} runs (mean ± standard deviation)", summary.n_units)
        } else {
            String::new()
        };
        let task = model.get().task.name().replace('_', " ");
        writeln!(out, "\n{} on {}, {task}{runs}\n", summary.name, dataset.name)?;
        let mut table = plain_table();
        let has_published = !summary.published.is_empty();
        let mut head = vec!["", "train", "validation", "test"];
        if has_published {
            head.push("published");
        }
        table.add_row(head);
        let names = std::iter::once("loss".to_string()).chain(summary.metrics.iter().cloned());
        for name in names {
            let cell = |part: &BTreeMap<String, Spread>| {
                part.get(&name).map_or_else(|| "–".into(), Spread::to_string)
            };
            let mut row =
                vec![name.clone(), cell(&summary.train), cell(&summary.validation), cell(&summary.test)];
            if has_published {
                row.push(summary.published.get(&name).map_or_else(String::new, |value| format!("{value}")));
            }
            table.add_row(row);
        }
        write_table(out, &table)?;
        writeln!(out)?;
        if let Some(source) = &summary.published_source {
            writeln!(out, "  published: {source}")?;
        }
    }
    if let Some(epoch_s) = summary.epoch_s {
        let n_epochs: usize = summary.units.iter().map(|unit| unit.epochs).sum();
        let kept = match summary.units.as_slice() {
            [unit] => unit.kept_epoch.map_or_else(String::new, |epoch| format!(", weights of epoch {epoch}")),
            _ => String::new(),
        };
        writeln!(
            out,
            "  {} a training epoch; {} in {}{kept}",
            seconds(epoch_s),
            epochs(n_epochs),
            seconds(summary.wall_s)
        )?;
    }
    if !place.is_empty() {
        writeln!(out, "  written to {place}")?;
    }
    if summary.status == Status::Interrupted {
        writeln!(out, "  interrupted; go on with `hgnnc train --resume {place}`")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_in_the_unit_that_suits_them() {
        for (value, expected) in
            [(0.0083, "8.3 ms"), (1.237, "1.24 s"), (200.0, "3 min 20 s"), (7500.0, "2 h 05 min")]
        {
            assert_eq!(seconds(value), expected);
        }
    }
}
