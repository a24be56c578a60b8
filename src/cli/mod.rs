//! The commands, one file each. Only this folder prints.

mod against;
mod changed;
mod check;
mod compare;
mod completions;
mod config;
pub mod data;
pub mod describe;
pub mod device;
mod diff;
mod embed;
mod estimate;
mod eval;
mod excerpt;
mod explain;
mod failure;
mod fetch;
mod files;
mod fmt;
mod git_diff_driver;
mod git_textconv;
mod graph;
mod hash;
mod help;
mod import;
mod install_git;
mod lint;
mod man;
mod migrate;
mod new;
pub mod operand;
mod ops;
mod ops_of_file;
mod pre_commit;
mod predict;
mod predicted_links;
mod progress_line;
pub mod report;
mod reproduce;
mod rerun;
pub mod results;
mod room;
mod runs;
mod set;
mod sheet;
mod show;
pub mod source;
mod stdout;
mod steps;
pub mod table;
pub mod threads;
mod train;
pub mod watcher;
pub mod wrap;

pub use failure::{Failure, code};
pub use report::{Format, Look};
pub use stdout::{data_stdout, stdout};

use clap::{Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::process::ExitCode;

/// Check, explain and train hierarchical graph neural networks described in .hgnn files.
#[derive(Debug, Parser)]
#[command(name = "hgnnc", version, max_term_width = 100, propagate_version = true, after_long_help = help::ALL_COMMANDS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    options: Options,
}

/// Options of every command.
#[derive(Debug, Clone, clap::Args)]
struct Options {
    /// Format of findings and results
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    format: report::AskedFormat,
    /// Threads to compute with, 1 to 1024; all cores by default. Results do not depend on it
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    // The environment is read beside it, for hooks.
    /// Let `use` name files below this folder too, besides those of the model's folder and repository; may be repeated
    /// [env: HGNN_ALLOW_USE]
    #[arg(long, global = true, value_name = "FOLDER")]
    allow_use: Vec<PathBuf>,
}

/// How every command reports.
#[derive(Debug, Clone)]
pub struct Global {
    pub format: Format,
    /// What `predict` writes in place of text.
    pub binary: Option<report::Binary>,
}

impl Global {
    /// Findings for people, whatever the command line asks for.
    fn to_people() -> Self {
        Self { format: Format::Full, binary: None }
    }
}

/// Every command, in the order of `hgnnc --help`.
#[derive(Debug, Subcommand)]
enum Command {
    New(new::New),
    Check(check::Check),
    Lint(lint::Lint),
    Fmt(fmt::Fmt),
    Show(show::Show),
    Graph(graph::Graph),
    Estimate(estimate::EstimateCommand),
    Train(Box<train::Train>),
    Eval(eval::Eval),
    Predict(predict::Predict),
    Embed(embed::Embed),
    Runs(runs::Runs),
    Rerun(rerun::Rerun),
    Reproduce(reproduce::Reproduce),
    Compare(compare::Compare),
    Hash(hash::Hash),
    Diff(Box<diff::Diff>),
    Migrate(migrate::Migrate),
    InstallGit(install_git::InstallGit),
    Data(data::Data),
    Ops(ops::Ops),
    Explain(explain::Explain),
    Completions(completions::Completions),
    Man(man::Man),
    #[command(hide = true)]
    PreCommit(pre_commit::PreCommit),
    #[command(hide = true)]
    GitTextconv(git_textconv::GitTextconv),
    #[command(hide = true)]
    GitDiffDriver(git_diff_driver::GitDiffDriver),
}

impl Command {
    fn run(&self, global: &Global) -> Result<Exit, Failure> {
        match self {
            Command::New(command) => command.run(global),
            Command::Check(command) => command.run(global),
            Command::Lint(command) => command.run(global),
            Command::Fmt(command) => command.run(global),
            Command::Show(command) => command.run(global),
            Command::Graph(command) => command.run(global),
            Command::Estimate(command) => command.run(global),
            Command::Train(command) => command.run(global),
            Command::Eval(command) => command.run(global),
            Command::Predict(command) => command.run(global),
            Command::Embed(command) => command.run(global),
            Command::Runs(command) => command.run(global),
            Command::Rerun(command) => command.run(global),
            Command::Reproduce(command) => command.run(global),
            Command::Compare(command) => command.run(global),
            Command::Hash(command) => command.run(global),
            Command::Diff(command) => command.run(global),
            Command::Migrate(command) => command.run(global),
            Command::InstallGit(command) => command.run(global),
            Command::Data(command) => command.run(global),
            Command::Ops(command) => command.run(global),
            Command::Explain(command) => command.run(global),
            Command::Completions(command) => command.run(global),
            Command::Man(command) => command.run(global),
            Command::PreCommit(command) => command.run(global),
            Command::GitTextconv(command) => command.run(global),
            Command::GitDiffDriver(command) => command.run(global),
        }
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// No errors in the input: exit code 0.
    Clean,
    /// Errors were found in the input: exit code 1.
    Findings,
    /// Ctrl-C ended a run, which can be resumed: exit code 130, as shells have it.
    Interrupted,
}

/// Prints what a user has to know and did not ask for, on standard error.
pub fn note(text: &str) {
    // Where standard error is closed, no one reads it.
    let _ = writeln!(io::stderr(), "{}", wrap::fill(text, prose_width(&io::stderr()), "note: ", "      "));
}

/// How text on standard output may look: colours only on a terminal and where `NO_COLOR` is unset.
pub fn stdout_look() -> Look {
    look(io::stdout().is_terminal())
}

/// The same for standard error.
pub fn stderr_look() -> Look {
    look(io::stderr().is_terminal())
}

fn look(is_terminal: bool) -> Look {
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    let terminal = if is_terminal { terminal_width() } else { None };
    let width = asked_width().or(terminal).unwrap_or(100);
    Look { colours: is_terminal && !no_colour, width: width.clamp(40, 140) }
}

/// The columns that `COLUMNS` asks for, also where the output is no terminal.
fn asked_width() -> Option<usize> {
    std::env::var("COLUMNS").ok()?.parse().ok().filter(|&columns| columns > 0)
}

/// Columns that sentences may take: those of a terminal. Where there is none, a fact stays on its line, so that
/// programs such as grep find it.
pub fn prose_width(stream: &impl IsTerminal) -> usize {
    let terminal = if stream.is_terminal() { terminal_width() } else { None };
    asked_width().or(terminal).map_or(usize::MAX, |width| width.clamp(40, 140))
}

fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size().map(|(columns, _)| usize::from(columns.0))
}

/// The known name that is closest to a mistyped one, if any is close.
pub fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |known: &str| strsim::damerau_levenshtein(name, known);
    let best = known.into_iter().min_by_key(|known| distance(known))?;
    (distance(best) <= (name.chars().count() / 3).max(1)).then_some(best)
}

/// Runs the command of this process and gives its exit code.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        // Help and version are printed as asked.
        Err(error) if !error.use_stderr() => {
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        Err(error) if asks_for_json(&arguments) => return fail(&error.into(), Format::Json),
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(2);
        }
    };
    let global = Global { format: cli.options.format.format(), binary: cli.options.format.binary() };
    if global.format == Format::Json {
        stdout::write_data_only();
    }
    room::answer_where_memory_ends(global.format);
    threads::set_up(cli.options.threads.map(usize::from));
    source::allow_use(&cli.options.allow_use);
    let run = || {
        if global.binary.is_some() && !matches!(cli.command, Command::Predict(_)) {
            return Err(Failure::of_usage(
                "`--format npy` and `--format parquet` are formats of predictions",
            )
            .help("write `--format full`, `short` or `json`"));
        }
        let exit = cli.command.run(&global)?;
        stdout().flush()?;
        Ok(exit)
    };
    // A panic is a fault of ours, which has written its place on standard error.
    let Ok(result) = panic::catch_unwind(AssertUnwindSafe(run)) else {
        let failure = Failure::new("hgnnc has stopped on an internal error")
            .code(code::INTERNAL)
            .help("please report it with the command, the file and the lines on standard error");
        fail(&failure, global.format);
        return ExitCode::from(101);
    };
    match result {
        Ok(Exit::Clean) => ExitCode::SUCCESS,
        Ok(Exit::Findings) => ExitCode::from(1),
        Ok(Exit::Interrupted) => ExitCode::from(130),
        Err(failure) => fail(&failure, global.format),
    }
}

/// Reports a failure: to people on standard error, to programs on standard output.
fn fail(failure: &Failure, format: Format) -> ExitCode {
    // Where the stream is closed, only the exit code reports it.
    let _ = match format {
        Format::Json => {
            let mut out = data_stdout();
            writeln!(out, "{}", failure.json()).and_then(|()| out.flush())
        }
        _ => io::stderr().write_all(failure.text(prose_width(&io::stderr())).as_bytes()),
    };
    ExitCode::from(2)
}

/// Whether `--format json` is among the arguments, where these could not be read as a whole.
fn asks_for_json(arguments: &[OsString]) -> bool {
    let arguments = arguments.iter().map(|argument| argument.to_str().unwrap_or_default());
    let arguments: Vec<&str> = arguments.take_while(|argument| *argument != "--").collect();
    let is_json = |value: &str| report::AskedFormat::from_str(value, false) == Ok(report::AskedFormat::Json);
    arguments.windows(2).any(|pair| pair[0] == "--format" && is_json(pair[1]))
        || arguments.iter().filter_map(|argument| argument.strip_prefix("--format=")).any(is_json)
}
