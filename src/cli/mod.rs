//! The commands, one file each. Only this folder prints.

mod against;
mod changed;
mod check;
mod completions;
mod config;
pub mod data;
pub mod describe;
pub mod device;
mod diff;
mod estimate;
mod eval;
mod explain;
mod files;
mod fmt;
mod git_diff_driver;
mod git_textconv;
mod graph;
mod hash;
mod install_git;
mod lint;
mod man;
mod migrate;
mod new;
pub mod operand;
mod ops;
mod pre_commit;
mod predict;
pub mod report;
pub mod results;
mod show;
pub mod source;
pub mod table;
pub mod threads;
mod train;
pub mod watcher;

pub use report::{Format, Look};

use clap::{Parser, Subcommand};
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

/// Check, explain and train hierarchical graph neural networks described in .hgnn files.
#[derive(Debug, Parser)]
#[command(name = "hgnnc", version, max_term_width = 100, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: Global,
}

/// Options of every command.
#[derive(Debug, Clone, clap::Args)]
pub struct Global {
    /// How findings and results are written
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
    /// Threads to compute with; all cores where absent. Results do not depend on it
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
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
    /// Nothing to say against the input: exit code 0.
    Clean,
    /// Errors were found in the input: exit code 1.
    Findings,
    /// Ctrl-C ended a run, which can be resumed: exit code 130, as shells have it.
    Interrupted,
}

/// Why a command could not run: exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The reader of the output has gone (`hgnnc ops | head`), which is no failure.
    #[error("the output was closed")]
    OutputClosed,
    /// What went wrong, naming file and place, and what to do.
    #[error("{message}")]
    Stopped { message: String, help: Option<String> },
}

impl Failure {
    pub fn new(message: impl Into<String>) -> Self {
        Failure::Stopped { message: message.into(), help: None }
    }

    #[must_use]
    pub fn help(self, text: impl Into<String>) -> Self {
        match self {
            Failure::Stopped { message, .. } => Failure::Stopped { message, help: Some(text.into()) },
            Failure::OutputClosed => self,
        }
    }
}

impl Failure {
    /// As it is written on standard error.
    fn told(&self) -> String {
        let mut text = format!("error: {self}\n");
        if let Failure::Stopped { help: Some(help), .. } = self {
            text.push_str(&format!("  help: {}\n", help.replace('\n', "\n        ")));
        }
        text
    }
}

/// An error of writing to standard output, the only writing that commands do with `?`.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::OutputClosed,
            _ => Failure::new(format!("the output cannot be written: {error}")),
        }
    }
}

impl From<crate::git::GitError> for Failure {
    fn from(error: crate::git::GitError) -> Self {
        Failure::Stopped { message: error.message, help: error.help }
    }
}

/// Tells what a user has to know and did not ask for, on standard error.
pub fn note(text: &str) {
    // Where standard error is closed, there is no one to tell.
    let _ = writeln!(io::stderr(), "note: {text}");
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
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let width = if is_terminal { columns.or_else(terminal_width).unwrap_or(100) } else { 100 };
    Look { colours: is_terminal && !no_colour, width: width.clamp(40, 140) }
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
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are printed as asked, mistakes on the command line count as "could not run".
            let code = if error.use_stderr() { 2 } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    threads::set_up(cli.global.threads.map(usize::from));
    let result = cli.command.run(&cli.global).and_then(|exit| {
        io::stdout().flush()?;
        Ok(exit)
    });
    match result {
        Ok(Exit::Clean) | Err(Failure::OutputClosed) => ExitCode::SUCCESS,
        Ok(Exit::Findings) => ExitCode::from(1),
        Ok(Exit::Interrupted) => ExitCode::from(130),
        Err(failure) => {
            // Standard error may be closed too; then there is no one to tell.
            let _ = io::stderr().write_all(failure.told().as_bytes());
            ExitCode::from(2)
        }
    }
}
