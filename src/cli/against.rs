//! `hgnnc diff --against git:REV`: every changed model, as it was at a revision and as it is on disk.

use super::operand::{self, Operand, Refused, Sizes};
use super::source::{self, Loaded, Need};
use super::{Exit, Failure, Format, Global, prose_width, report, stderr_look, stdout_look};
use crate::data::DataOptions;
use crate::diagnostic::Diagnostic;
use crate::diff::{self, Class};
use crate::git::{Change, Changed, Chosen, Repository, Snapshot};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

/// What is asked of the comparison.
pub struct Against<'a> {
    pub revision: &'a str,
    /// Files and folders; everything where empty.
    pub paths: &'a [String],
    pub options: Option<&'a DataOptions>,
    pub markdown: bool,
    pub exit_code: bool,
    pub fail_on: Option<Class>,
}

/// A file that changed, in itself or through what it uses.
struct Compared {
    /// As it is written in the current folder.
    file: String,
    changed: Changed,
    outcome: Outcome,
}

enum Outcome {
    /// A model before and now.
    Diff(Box<diff::Diff>),
    /// A model that was not there before, with its parameters in words.
    New(String),
    /// The model no longer exists.
    Deleted,
    /// Definitions for other files.
    Library,
    /// One side has errors, which were reported: `main` or `now`.
    Broken { side: String },
}

impl Compared {
    /// How far it goes; `None` for what is new or could not be compared.
    fn class(&self) -> Option<Class> {
        match &self.outcome {
            Outcome::Diff(found) => Some(found.class),
            // Whoever uses the model or its weights has nothing to put in its place.
            Outcome::Deleted => Some(Class::InterfaceBreaking),
            Outcome::New(_) | Outcome::Library | Outcome::Broken { .. } => None,
        }
    }

    /// Whether it is a change that a user notices.
    fn differs(&self) -> bool {
        match &self.outcome {
            Outcome::Library => false,
            _ => self.class() != Some(Class::Same),
        }
    }

    /// What is added to its class; nothing where it was simply edited.
    fn remark(&self) -> Option<String> {
        (self.changed.change != Change::Modified).then(|| self.changed.words())
    }
}

/// Compares all changed files.
///
/// # Errors
/// Where the revision or a file cannot be read, and after all others where a file has errors now.
pub fn run(asked: &Against, global: &Global) -> Result<Exit, Failure> {
    let repository = Repository::discover(Path::new("."))?;
    let before = repository.snapshot(crate::git::revision(asked.revision)?)?;
    let chosen = match asked.paths {
        [] => Chosen::all(),
        paths => repository.choose(&before, paths)?,
    };
    let mut all = Vec::new();
    for changed in repository.changed_files(&before, ".hgnn")? {
        let is_chosen = chosen.has(&changed.path) || changed.old_path().is_some_and(|old| chosen.has(old));
        let is_copy = repository.is_copy_of_run(&Snapshot::WorkingTree, &changed.path)
            || repository.is_copy_of_run(&before, &changed.path);
        if is_chosen && !is_copy {
            let file = repository.shown(&changed.path);
            let outcome = compare(&repository, &before, &changed, &file, asked.options)?;
            all.push(Compared { file, changed, outcome });
        }
    }
    let out = &mut if asked.markdown { super::data_stdout() } else { super::stdout() };
    match global.format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, &as_json(&before, &all)).map_err(io::Error::from)?;
            writeln!(out)?;
        }
        _ if asked.markdown => write!(out, "{}", markdown(&before, &all))?,
        Format::Short => write!(out, "{}", short(&all))?,
        Format::Full => write!(out, "{}", text(&before, &all, stdout_look().colours))?,
    }
    let broken: Vec<String> = all
        .iter()
        .filter(|compared| matches!(&compared.outcome, Outcome::Broken { side } if side == NOW))
        .map(|compared| format!("`{}`", compared.file))
        .collect();
    if !broken.is_empty() {
        // Gating on a comparison that could not be made would let anything pass.
        return Err(Failure::new(format!("{} could not be compared because of errors", broken.join(", ")))
            .help("the errors are above; `hgnnc check` shows them again"));
    }
    let fails = (asked.exit_code && all.iter().any(Compared::differs))
        || asked.fail_on.is_some_and(|class| all.iter().any(|compared| compared.class() >= Some(class)));
    Ok(if fails { Exit::Findings } else { Exit::Clean })
}

/// The side of the working tree.
const NOW: &str = "now";

/// A side of the comparison: a model, or why there is none.
enum Found {
    Model(Box<Operand>),
    Library,
    Broken,
}

fn compare(
    repository: &Repository,
    before: &Snapshot,
    changed: &Changed,
    file: &str,
    options: Option<&DataOptions>,
) -> Result<Outcome, Failure> {
    let old = match changed.old_path() {
        None => None,
        Some(path) => {
            let name = before.name_of(path);
            let loaded = repository.load(before, path).map_err(Failure::from);
            let loaded = loaded.map(|loaded| Loaded::from(loaded).brought_forward());
            Some(found(&name, loaded)?)
        }
    };
    let new = match changed.new_path() {
        None => None,
        Some(_) => Some(found(file, source::load(file))?),
    };
    let broken = |side: &str| Ok(Outcome::Broken { side: side.to_owned() });
    match (old, new) {
        (_, Some(Found::Broken)) => broken(NOW),
        (Some(Found::Broken), Some(_)) => broken(&before.to_string()),
        (Some(Found::Model(old)), Some(Found::Model(new))) => {
            // Findings against the data go to standard error: standard output has one document.
            let told = Global::to_people();
            match operand::read_pair([&old, &new], options, &told) {
                Ok([old, new]) => Ok(Outcome::Diff(Box::new(diff::compare(&old, &new)))),
                Err(_) => broken(NOW),
            }
        }
        (_, Some(Found::Model(new))) => {
            let side = match new.side(options.map_or(Sizes::Symbolic, Sizes::Local)) {
                Ok(side) => side,
                Err(refused) => return tell(refused).and_then(|()| broken(NOW)),
            };
            Ok(Outcome::New(diff::count_words(&diff::compare(&side, &side).costs[1].parameters)))
        }
        (Some(Found::Model(_) | Found::Broken), None | Some(Found::Library)) => Ok(Outcome::Deleted),
        (_, Some(Found::Library)) | (Some(Found::Library), None) | (None, None) => Ok(Outcome::Library),
    }
}

/// What a file holds. Its errors are reported.
fn found(name: &str, loaded: Result<Loaded, Failure>) -> Result<Found, Failure> {
    let loaded = match loaded {
        Ok(loaded) => loaded,
        // Not text, or gone in between.
        Err(failure) => {
            eprint(&failure.text(prose_width(&io::stderr())));
            return Ok(Found::Broken);
        }
    };
    let compiled = source::compile_loaded(loaded.clone(), None, Need::Facts);
    if compiled.has_errors() {
        let errors: Vec<Diagnostic> =
            compiled.diagnostics.iter().filter(|found| found.is_error()).cloned().collect();
        // Where standard error is closed, no one reads it.
        let _ =
            report::write(&mut io::stderr().lock(), &compiled.sources, &errors, Format::Full, stderr_look());
        return Ok(Found::Broken);
    }
    Ok(match compiled.is_library {
        true => Found::Library,
        false => Found::Model(Box::new(Operand::of_text(name, loaded))),
    })
}

fn tell(refused: Refused) -> Result<(), Failure> {
    match refused.told::<()>(&Global::to_people()) {
        Err(failure) => {
            eprint(&failure.text(prose_width(&io::stderr())));
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn eprint(text: &str) {
    // Where standard error is closed, no one reads it.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// `1 weight-breaking, 2 training, 1 new`
fn counts(all: &[Compared]) -> Vec<String> {
    let n = |is: &dyn Fn(&Compared) -> bool| all.iter().filter(|compared| is(compared)).count();
    let mut parts = Vec::new();
    let mut part = |n: usize, words: &str| {
        if n > 0 {
            parts.push(format!("{n} {words}"));
        }
    };
    part(n(&|compared| matches!(compared.outcome, Outcome::Deleted)), "deleted (interface-breaking)");
    for class in Class::ALL.into_iter().rev() {
        let is =
            |compared: &Compared| matches!(&compared.outcome, Outcome::Diff(found) if found.class == class);
        part(n(&is), class.name());
    }
    part(n(&|compared| matches!(compared.outcome, Outcome::New(_))), "new");
    part(n(&|compared| matches!(compared.outcome, Outcome::Broken { .. })), "not comparable");
    parts
}

/// The last line.
fn summary(before: &Snapshot, all: &[Compared]) -> String {
    let since = match before.short_commit() {
        Some(commit) if !before.to_string().starts_with(&commit[..7]) => format!("{before} ({commit})"),
        _ => before.to_string(),
    };
    let models = all.iter().filter(|compared| !matches!(compared.outcome, Outcome::Library)).count();
    let libraries = match all.len() - models {
        0 => String::new(),
        1 => "; 1 file of definitions changed too".to_owned(),
        n => format!("; {n} files of definitions changed too"),
    };
    match models {
        0 => format!("no model has changed since {since}{libraries}"),
        1 => format!("1 model has changed since {since}: {}{libraries}", counts(all).join(", ")),
        n => format!("{n} models have changed since {since}: {}{libraries}", counts(all).join(", ")),
    }
}

fn text(before: &Snapshot, all: &[Compared], colours: bool) -> String {
    let mut out = String::new();
    for compared in all {
        let file = &compared.file;
        match &compared.outcome {
            Outcome::Diff(found) => {
                let said = diff::text(found, colours);
                let (headline, rest) = said.split_once('\n').unwrap_or((&said, ""));
                let _ = writeln!(out, "{headline}");
                if let Some(remark) = compared.remark() {
                    let _ = writeln!(out, "  {remark}");
                }
                out.push_str(rest);
            }
            Outcome::New(parameters) => {
                let _ = writeln!(out, "{file}: new, {parameters} parameters");
            }
            Outcome::Deleted => {
                let what = match compared.changed.change {
                    Change::Deleted => "deleted",
                    _ => "no longer defines a model",
                };
                let _ = writeln!(out, "{file}: {what} ({})", Class::InterfaceBreaking.name());
            }
            Outcome::Library => continue,
            Outcome::Broken { side } => {
                let _ = writeln!(out, "{file}: not comparable, it has errors {}", at(side));
            }
        }
        out.push('\n');
    }
    let _ = writeln!(out, "{}", summary(before, all));
    out
}

/// `now`, `at main`
fn at(side: &str) -> String {
    if side == NOW { side.to_owned() } else { format!("at {side}") }
}

fn short(all: &[Compared]) -> String {
    let mut out = String::new();
    for compared in all {
        let word = match &compared.outcome {
            Outcome::Diff(found) => found.class.name().to_owned(),
            Outcome::New(_) => "new".into(),
            Outcome::Deleted => "deleted".into(),
            Outcome::Library => "no model".into(),
            Outcome::Broken { side } => format!("errors {}", at(side)),
        };
        let remark = match (&compared.outcome, compared.remark()) {
            (Outcome::Diff(_), Some(remark)) => format!(": {remark}"),
            _ => String::new(),
        };
        let _ = writeln!(out, "{}: {word}{remark}", compared.file);
    }
    out
}

fn markdown(before: &Snapshot, all: &[Compared]) -> String {
    let mut out = String::from("## Models\n\n");
    let mut line = summary(before, all);
    // A sentence here.
    line[..1].make_ascii_uppercase();
    let _ = writeln!(out, "{line}.");
    for compared in all {
        let file = compared.file.replace('`', "'");
        match &compared.outcome {
            // A model that is the same by its meaning has its place in the summary alone.
            Outcome::Diff(found) if found.class == Class::Same => {}
            Outcome::Diff(found) => {
                let mut found = found.clone();
                if !matches!(compared.changed.change, Change::Renamed { .. }) {
                    found.names = [compared.file.clone(), compared.file.clone()];
                }
                let said = diff::markdown(&found);
                let (heading, rest) = said.split_once('\n').unwrap_or((&said, ""));
                let _ = writeln!(out, "\n{heading}");
                if let Change::Used { .. } = &compared.changed.change {
                    let _ = writeln!(out, "\nIt {}.", compared.changed.words().replace('_', "\\_"));
                }
                out.push_str(rest);
            }
            Outcome::New(parameters) => {
                let _ = writeln!(out, "\n### `{file}`: new\n\n{parameters} parameters.");
            }
            Outcome::Deleted => {
                let _ = writeln!(
                    out,
                    "\n### `{file}`: {}\n\nThe model no longer exists.",
                    Class::InterfaceBreaking.name()
                );
            }
            Outcome::Library => {}
            Outcome::Broken { side } => {
                let _ = writeln!(out, "\n### `{file}`: not comparable\n\nIt has errors {}.", at(side));
            }
        }
    }
    out
}

fn as_json(before: &Snapshot, all: &[Compared]) -> Value {
    let commit = match before {
        Snapshot::Tree { commit, .. } => commit.map(|commit| commit.to_string()),
        _ => None,
    };
    let files: Vec<Value> = all
        .iter()
        .map(|compared| {
            let status = match &compared.outcome {
                Outcome::Diff(_) => "compared",
                Outcome::New(_) => "new",
                Outcome::Deleted => "deleted",
                Outcome::Library => "no_model",
                Outcome::Broken { .. } => "not_comparable",
            };
            let mut file = json!({
                "file": compared.file,
                "status": status,
                "change": compared.changed.words(),
                "class": compared.class(),
            });
            if let Outcome::Diff(found) = &compared.outcome {
                file["diff"] = diff::json(found);
            }
            file
        })
        .collect();
    json!({
        "against": before.to_string(),
        "commit": commit,
        "class": all.iter().filter_map(Compared::class).max(),
        "files": files,
    })
}
