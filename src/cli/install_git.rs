//! `hgnnc install-git`: let git show and check models by what they mean.

use super::table::{plain_table, write_table};
use super::{Exit, Failure, Format, Global};
use crate::git::Repository;
use crate::git::install::{self, Action, Driver, Scope, State, Step, Wanted};
use serde_json::json;
use std::io::{self, Write};
use std::path::Path;

/// Set up git for .hgnn files: a diff driver, and a check before each commit
///
/// Adds to the repository of the current folder: a diff driver in its configuration, by which `git diff` and `git
/// log -p` show files in their one layout; the line `*.hgnn diff=hgnn` in `.gitattributes`; and a pre-commit hook
/// that runs `fmt --check` and `check` on the staged content. What is already there stays, and a hook or driver of
/// yours is never changed: what to add to it is printed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hgnnc install-git\n  hgnnc install-git --driver meaning\n  \
    hgnnc install-git --global\n  hgnnc install-git --uninstall\n\n\
    Exit codes: 0 done, 1 something of yours is in the way and was left as it is, 2 could not run")]
pub struct InstallGit {
    /// Install into your own git settings, for all repositories; without the hook, which belongs to one
    #[arg(long)]
    global: bool,
    /// Remove what was installed, and nothing else
    #[arg(long, conflicts_with_all = ["print", "driver", "no_hook"])]
    uninstall: bool,
    /// Write nothing, show what would be written
    #[arg(long)]
    print: bool,
    /// What `git diff` shows of a model
    #[arg(long, value_enum, default_value_t, value_name = "DRIVER")]
    driver: DriverName,
    /// Leave the pre-commit hook out
    #[arg(long)]
    no_hook: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum DriverName {
    /// Changed lines, both sides in their one layout
    #[default]
    Text,
    /// The changes in words, as `hgnnc diff` prints them; `git log -p` and `git diff --no-ext-diff` still show lines
    Meaning,
}

impl InstallGit {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let wanted = Wanted {
            driver: match self.driver {
                DriverName::Text => Driver::Text,
                DriverName::Meaning => Driver::Meaning,
            },
            program: program()?,
            hook: !self.no_hook,
        };
        let action = match (self.uninstall, self.print) {
            (true, _) => Action::Uninstall,
            (_, true) => Action::Print,
            _ => Action::Install,
        };
        let steps = if self.global {
            install::run(&Scope::User, &wanted, action)?
        } else {
            let repository = Repository::discover(Path::new("."))?;
            install::run(&Scope::Repository(&repository), &wanted, action)?
        };
        let out = &mut if self.print { super::data_stdout() } else { super::stdout() };
        match global.format {
            Format::Json => {
                let all: Vec<_> = steps.iter().map(|step| as_json(step, action)).collect();
                serde_json::to_writer_pretty(&mut *out, &all).map_err(io::Error::from)?;
                writeln!(out)?;
            }
            Format::Short => {
                for step in &steps {
                    writeln!(out, "{}: {}: {}", shown(&step.place), step.part, word(step, action))?;
                }
            }
            Format::Full => self.tell(out, &steps, action)?,
        }
        let is_left = steps.iter().any(|step| step.state == State::Left);
        Ok(if is_left { Exit::Findings } else { Exit::Clean })
    }

    fn tell(&self, out: &mut dyn Write, steps: &[Step], action: Action) -> io::Result<()> {
        let mut table = plain_table();
        for step in steps {
            table.add_row([step.part.to_owned(), word(step, action).to_owned(), shown(&step.place)]);
        }
        write_table(out, &table)?;
        for step in steps {
            if let Some(advice) = &step.advice {
                writeln!(out, "\n{}: {advice}", shown(&step.place))?;
            }
        }
        if action == Action::Print {
            for step in steps.iter().filter(|step| step.state != State::Present) {
                writeln!(out, "\n# {}\n{}", shown(&step.place), step.lines.trim_end())?;
            }
            return Ok(());
        }
        let is_written =
            |part: &str| steps.iter().any(|step| step.part == part && step.state == State::Written);
        if action == Action::Install && (is_written("diff driver") || is_written("attributes")) {
            let shows = match self.driver {
                DriverName::Text => {
                    "shows .hgnn files in their one layout, so a change in layout alone does not show"
                }
                DriverName::Meaning => "says what changed in a model",
            };
            writeln!(out, "\n`git diff` now {shows}.")?;
            if is_written("attributes") && !self.global {
                writeln!(out, "Commit .gitattributes, so that others need only run `hgnnc install-git`.")?;
            }
        }
        Ok(())
    }
}

/// By its name where the shell finds this very program under it, so that an update is followed; else by its path.
fn program() -> Result<String, Failure> {
    let own = std::env::current_exe()
        .map_err(|error| Failure::new(format!("the path of this program is not known: {error}")))?;
    let real = own.canonicalize().unwrap_or_else(|_| own.clone());
    let name = format!("hgnnc{}", std::env::consts::EXE_SUFFIX);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let first = std::env::split_paths(&path).map(|folder| folder.join(&name)).find(|file| file.is_file());
    if first.and_then(|found| found.canonicalize().ok()).is_some_and(|found| found == real) {
        return Ok("hgnnc".into());
    }
    // Git runs it through a shell, on Windows too.
    match own.to_str() {
        Some(path) => Ok(path.replace('\\', if cfg!(windows) { "/" } else { "\\" })),
        None => Err(Failure::new(format!("the path of this program is not UTF-8: {}", own.display()))
            .help("put it into a folder on PATH, under the name hgnnc")),
    }
}

fn word(step: &Step, action: Action) -> &'static str {
    match (action, step.state) {
        (Action::Print, State::Written) => "would be written",
        (_, state) => state.word(),
    }
}

/// From the current folder where it lies below.
fn shown(place: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    place.strip_prefix(&here).unwrap_or(place).display().to_string()
}

fn as_json(step: &Step, action: Action) -> serde_json::Value {
    json!({
        "part": step.part,
        "file": step.place.display().to_string(),
        "state": word(step, action).replace(' ', "_"),
        "lines": step.lines,
        "advice": step.advice,
    })
}
