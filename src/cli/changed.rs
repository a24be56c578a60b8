//! `hgnnc train --changed-since git:REV`: only the models whose canonical form is another than it was.

use super::source::{self, Loaded, Need};
use super::table::{plain_table, write_table};
use super::train::{Session, Train, Trained};
use super::watcher::seconds;
use super::{Exit, Failure, Format, Global, prose_width, report, stderr_look};
use crate::diagnostic::Diagnostic;
use crate::git::{Change, Changed, Repository, Snapshot};
use crate::ir::canonical::Part;
use crate::ir::{Canonical, Model};
use crate::train::{Output, RunSummary, Status};
use serde_json::json;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file on disk, compared with what it was.
struct Candidate {
    /// As it is written in the current folder.
    file: String,
    verdict: Verdict,
}

enum Verdict {
    /// It is to be trained, for this reason.
    Train(String),
    /// Its text or what it uses has changed, and the model has not.
    Same,
    /// It has no model of its own.
    Library,
    /// It does not compile, which was reported.
    Wrong,
}

/// What became of a candidate.
enum Outcome {
    NotTried,
    Trained(Box<RunSummary>),
    Wrong,
    Failed(Failure),
}

/// Trains what has changed, or with `dry_run` lists it.
///
/// # Errors
/// Where the revision or a file cannot be read. A model that cannot be trained does not keep the others from it.
pub fn run(train: &Train, since: &str, dry_run: bool, global: &Global) -> Result<Exit, Failure> {
    let repository = Repository::discover(Path::new("."))?;
    let before = repository.snapshot(crate::git::revision(since)?)?;
    let (candidates, n_unchanged) = candidates(&repository, &before, train.files())?;
    let outcomes = if dry_run {
        candidates.iter().map(|_| Outcome::NotTried).collect()
    } else {
        train_all(train, &candidates, global)?
    };
    let report =
        Report { before: &before, candidates: &candidates, outcomes: &outcomes, n_unchanged, dry_run };
    let out = &mut super::stdout();
    match global.format {
        Format::Json => report.write_json(out)?,
        Format::Short => report.write_short(out)?,
        Format::Full => report.write_text(out)?,
    }
    report.exit()
}

/// The changed files among those that the user names, or below the current folder, and how many have not changed.
fn candidates(
    repository: &Repository,
    before: &Snapshot,
    named: &[String],
) -> Result<(Vec<Candidate>, usize), Failure> {
    let here = [".".to_owned()];
    let chosen = repository.choose(before, if named.is_empty() { &here } else { named })?;
    let changed = repository.changed_files(before, ".hgnn")?;
    let (mut found, mut n_unchanged) = (Vec::new(), 0);
    for path in repository.files(&Snapshot::WorkingTree, ".hgnn")? {
        if !chosen.has(&path) || repository.is_copy_of_run(&Snapshot::WorkingTree, &path) {
            continue;
        }
        let Some(change) = changed.iter().find(|changed| changed.new_path() == Some(path.as_str())) else {
            n_unchanged += 1;
            continue;
        };
        let file = repository.shown(&path);
        let verdict = verdict(repository, before, change, &file)?;
        found.push(Candidate { file, verdict });
    }
    Ok((found, n_unchanged))
}

fn verdict(
    repository: &Repository,
    before: &Snapshot,
    changed: &Changed,
    file: &str,
) -> Result<Verdict, Failure> {
    // The canonical form does not depend on the data that is on this machine.
    let now = source::compile_with(file, None, Need::Facts)?;
    if now.has_errors() {
        // Where standard error is closed, the exit code still reports it.
        let _ = report::write(
            &mut io::stderr().lock(),
            &now.sources,
            &now.diagnostics,
            Format::Full,
            stderr_look(),
        );
        return Ok(Verdict::Wrong);
    }
    let Some(model) = now.model else { return Ok(Verdict::Library) };
    let reason = |what: &str| match &changed.change {
        Change::Renamed { from } => Verdict::Train(format!("{what}; it was {}", repository.shown(from))),
        Change::Used { through } => {
            let last = through.last().map_or("", String::as_str);
            Verdict::Train(format!("{what} through {}", repository.shown(last)))
        }
        _ => Verdict::Train(what.to_owned()),
    };
    let Some(old_path) = changed.old_path() else { return Ok(Verdict::Train("new".into())) };
    let then = repository.load(before, old_path).map(|loaded| {
        let mut loaded = Loaded::from(loaded).brought_forward();
        // Only errors keep a model from being compiled.
        loaded.diagnostics.retain(Diagnostic::is_error);
        source::compile_loaded(loaded, None, Need::Facts)
    });
    let Ok(then) = then else { return Ok(reason(&format!("could not be read at {before}"))) };
    if then.has_errors() {
        return Ok(reason(&format!("did not compile at {before}")));
    }
    let Some(old) = then.model else { return Ok(reason(&format!("defined no model at {before}"))) };
    let parts = changed_parts(old.get(), model.get());
    if parts.is_empty() { Ok(Verdict::Same) } else { Ok(reason(&format!("{} changed", parts.join(" and ")))) }
}

/// Which parts of the canonical form differ, in words.
fn changed_parts(old: &Model, new: &Model) -> Vec<&'static str> {
    let (old, new) = (Canonical::of(old), Canonical::of(new));
    let parts = [(Part::Architecture, "architecture"), (Part::Training, "training")];
    let differs = |(part, _): &(Part, _)| !old.agrees_with(&new, *part);
    parts.into_iter().filter(differs).map(|(_, name)| name).collect()
}

fn train_all(train: &Train, candidates: &[Candidate], global: &Global) -> Result<Vec<Outcome>, Failure> {
    let n_models =
        candidates.iter().filter(|candidate| matches!(candidate.verdict, Verdict::Train(_))).count();
    if n_models == 0 {
        return Ok(candidates.iter().map(|_| Outcome::NotTried).collect());
    }
    let session = Session::open(train, global.format)?;
    let mut outcomes = Vec::new();
    let mut is_stopped = false;
    let mut number = 0;
    for candidate in candidates {
        let Verdict::Train(reason) = &candidate.verdict else {
            outcomes.push(Outcome::NotTried);
            continue;
        };
        if is_stopped {
            outcomes.push(Outcome::NotTried);
            continue;
        }
        number += 1;
        if global.format != Format::Json {
            // Where standard error is closed, no one reads it.
            let _ = writeln!(io::stderr(), "\n{} ({number} of {n_models}): {reason}", candidate.file);
        }
        // Standard output has room for one document, which is that of all models.
        let told = Global {
            format: if global.format == Format::Json { Format::Short } else { global.format },
            ..global.clone()
        };
        let output = Output::NewIn(train.out().map_or_else(|| PathBuf::from("runs"), Path::to_path_buf));
        outcomes.push(match train.train_file(&candidate.file, output, &session, &told, global.format) {
            Ok(Trained::Done(summary)) => {
                is_stopped = summary.status == Status::Interrupted;
                Outcome::Trained(summary)
            }
            Ok(Trained::Refused) => Outcome::Wrong,
            Err(failure) => {
                // Reported at once: the next model may take hours.
                let _ = io::stderr().write_all(failure.text(prose_width(&io::stderr())).as_bytes());
                Outcome::Failed(failure)
            }
        });
    }
    Ok(outcomes)
}

/// What is reported at the end.
struct Report<'a> {
    before: &'a Snapshot,
    candidates: &'a [Candidate],
    outcomes: &'a [Outcome],
    n_unchanged: usize,
    dry_run: bool,
}

impl Report<'_> {
    fn rows(&self) -> impl Iterator<Item = (&Candidate, &Outcome)> {
        self.candidates.iter().zip(self.outcomes)
    }

    fn n_to_train(&self) -> usize {
        self.candidates.iter().filter(|candidate| matches!(candidate.verdict, Verdict::Train(_))).count()
    }

    /// `trained`, `to be trained`, `refused`
    fn state(&self, candidate: &Candidate, outcome: &Outcome) -> &'static str {
        match (&candidate.verdict, outcome) {
            (Verdict::Same, _) => "same model",
            (Verdict::Library, _) => "no model",
            (Verdict::Wrong, _) | (_, Outcome::Wrong) => "has errors",
            (Verdict::Train(_), Outcome::NotTried) if self.dry_run => "to be trained",
            (Verdict::Train(_), Outcome::NotTried) => "not trained",
            (Verdict::Train(_), Outcome::Failed(_)) => "failed",
            (Verdict::Train(_), Outcome::Trained(summary)) => match summary.status {
                Status::Finished => "trained",
                Status::Interrupted => "interrupted",
                Status::Diverged => "diverged",
            },
        }
    }

    fn exit(&self) -> Result<Exit, Failure> {
        let is_failed = |(_, outcome): &(&Candidate, &Outcome)| matches!(outcome, Outcome::Failed(_));
        let failed: Vec<String> =
            self.rows().filter(is_failed).map(|(candidate, _)| format!("`{}`", candidate.file)).collect();
        if !failed.is_empty() {
            return Err(Failure::new(format!("{} could not be trained", failed.join(", "))));
        }
        let mut exit = Exit::Clean;
        for (candidate, outcome) in self.rows() {
            match (&candidate.verdict, outcome) {
                (_, Outcome::Trained(summary)) if summary.status == Status::Interrupted => {
                    return Ok(Exit::Interrupted);
                }
                (Verdict::Wrong, _) | (_, Outcome::Wrong) => exit = Exit::Findings,
                _ => {}
            }
        }
        Ok(exit)
    }

    fn summary(&self) -> String {
        let since = match self.before.short_commit() {
            Some(commit) => format!("{} ({commit})", self.before),
            None => self.before.to_string(),
        };
        let is_wrong = |(candidate, outcome): &(&Candidate, &Outcome)| {
            matches!(candidate.verdict, Verdict::Wrong) || matches!(outcome, Outcome::Wrong)
        };
        let n_wrong = self.rows().filter(is_wrong).count();
        let n_same = self
            .candidates
            .iter()
            .filter(|candidate| matches!(candidate.verdict, Verdict::Same | Verdict::Library))
            .count();
        let count = |n: usize, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
        let mut parts = Vec::new();
        if self.n_to_train() == 0 {
            parts.push(format!("no model has changed since {since}, nothing to train"));
        } else {
            let n = count(self.n_to_train(), "model has", "models have");
            parts.push(format!("{n} changed since {since}"));
        }
        if n_same > 0 {
            parts.push(format!("{} without a changed model", count(n_same, "changed file", "changed files")));
        }
        if n_wrong > 0 {
            parts.push(format!("{} errors", count(n_wrong, "file has", "files have")));
        }
        if self.n_unchanged > 0 {
            parts.push(format!("{} unchanged", count(self.n_unchanged, "file", "files")));
        }
        parts.join("; ")
    }

    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        if !self.candidates.is_empty() {
            let mut table = plain_table();
            for (candidate, outcome) in self.rows() {
                let reason = match &candidate.verdict {
                    Verdict::Train(reason) => reason.as_str(),
                    Verdict::Same => "only layout, comments or names differ",
                    Verdict::Library => "definitions for other files",
                    Verdict::Wrong => "see above",
                };
                let mut row = vec![
                    candidate.file.clone(),
                    self.state(candidate, outcome).to_owned(),
                    reason.to_owned(),
                ];
                if !self.dry_run {
                    row.extend(figures(outcome));
                }
                table.add_row(row);
            }
            writeln!(out)?;
            write_table(out, &table)?;
            writeln!(out)?;
        }
        writeln!(out, "{}", self.summary())
    }

    fn write_short(&self, out: &mut dyn Write) -> io::Result<()> {
        for (candidate, outcome) in self.rows() {
            let reason = match &candidate.verdict {
                Verdict::Train(reason) => format!(": {reason}"),
                _ => String::new(),
            };
            writeln!(out, "{}: {}{reason}", candidate.file, self.state(candidate, outcome))?;
        }
        Ok(())
    }

    fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        let commit = match self.before {
            Snapshot::Tree { commit, .. } => commit.map(|commit| commit.to_string()),
            _ => None,
        };
        let models: Vec<_> = self
            .rows()
            .map(|(candidate, outcome)| {
                let mut row = json!({
                    "file": candidate.file,
                    "state": self.state(candidate, outcome).replace(' ', "_"),
                });
                if let Verdict::Train(reason) = &candidate.verdict {
                    row["reason"] = reason.as_str().into();
                }
                match outcome {
                    Outcome::Trained(summary) => {
                        row["summary"] = summary.to_json();
                        row["dir"] = summary.dir.as_ref().map(|dir| dir.display().to_string()).into();
                    }
                    Outcome::Failed(failure) => row["error"] = failure.to_string().into(),
                    Outcome::NotTried | Outcome::Wrong => {}
                }
                row
            })
            .collect();
        let document = json!({
            "since": self.before.to_string(),
            "commit": commit,
            "models": models,
            "unchanged": self.n_unchanged,
        });
        serde_json::to_writer_pretty(&mut *out, &document)?;
        writeln!(out)
    }
}

/// Test figure, time and folder of a run.
fn figures(outcome: &Outcome) -> Vec<String> {
    let Outcome::Trained(summary) = outcome else { return Vec::new() };
    let first =
        summary.metrics.first().and_then(|name| Some(format!("test {name} {}", summary.test.get(name)?)));
    let dir = summary.dir.as_ref().map(|dir| dir.display().to_string());
    vec![first.unwrap_or_default(), seconds(summary.wall_s), dir.unwrap_or_default()]
}
