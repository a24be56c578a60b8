//! `hgnnc runs`: what was run, with its figures.

use super::table::{plain_table, write_table};
use super::watcher::seconds;
use super::{Exit, Failure, Format, Global, note};
use crate::train::{RunFolder, RunRecord, RunSummary, Status};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// List runs: model, data, figures, time, commit
///
/// A run is a folder that `hgnnc train` has written. Given folders are looked through with what lies directly in them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hgnnc runs\n  \
    hgnnc runs --data PROTEINS --sort accuracy\n  \
    hgnnc runs experiments/ --model gin --status finished --format json\n  \
    hgnnc runs runs/searched --trials\n\n\
    Exit codes: 0 done, 2 could not run")]
pub struct Runs {
    /// Runs, or folders of runs
    #[arg(value_name = "FOLDER", default_value = "runs")]
    folders: Vec<PathBuf>,
    /// Only runs whose name or file contains this
    #[arg(long, value_name = "TEXT")]
    model: Option<String>,
    /// Only runs on data whose name contains this
    #[arg(long, value_name = "TEXT")]
    data: Option<String>,
    /// Only runs in this state
    #[arg(long, value_enum, value_name = "STATUS")]
    status: Option<StatusArg>,
    /// Order: `date`, `name`, `time`, `parameters`, or a metric of the test part, the best first
    #[arg(long, value_name = "KEY", default_value = "date")]
    sort: String,
    /// At most so many, from 0 on: the first in this order
    #[arg(long, short = 'n', value_name = "N")]
    limit: Option<usize>,
    /// List the trials of one run's search: what was tried in each fold, what it came to, and which was chosen
    #[arg(long, conflicts_with_all = ["model", "data", "status", "sort", "limit"])]
    trials: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum StatusArg {
    Finished,
    Interrupted,
    Diverged,
}

/// A run as it was found.
struct Found {
    path: PathBuf,
    record: RunRecord,
    /// `None` where nothing of it is finished.
    summary: Option<RunSummary>,
}

impl Found {
    fn status(&self) -> &'static str {
        match self.summary.as_ref().map(|summary| summary.status) {
            Some(Status::Finished) => "finished",
            Some(Status::Diverged) => "diverged",
            Some(Status::Interrupted) | None => "interrupted",
        }
    }

    /// The first metric that the run was measured by.
    fn metric(&self) -> Option<&str> {
        self.summary.as_ref()?.metrics.first().map(String::as_str)
    }

    fn began(&self) -> &str {
        self.record.sessions.first().map_or("", |session| session.started.as_str())
    }

    /// "a1b2c3d", "a1b2c3d+" where files were changed since; empty outside of a repository.
    fn commit(&self) -> String {
        let git = self.record.sessions.first().and_then(|session| session.git.as_ref());
        let Some(git) = git else { return String::new() };
        let commit = git.commit.as_deref().map_or("none", |commit| &commit[..commit.len().min(7)]);
        format!("{commit}{}", if git.is_clean { "" } else { "+" })
    }

    fn json(&self) -> Value {
        let session = self.record.sessions.first();
        json!({
            "run": self.path,
            "name": self.record.name,
            "file": self.record.file,
            "data": self.record.data,
            "task": self.record.task,
            "status": self.status(),
            "metrics": self.summary.as_ref().map(|summary| &summary.metrics),
            "test": self.summary.as_ref().map(|summary| &summary.test),
            "validation": self.summary.as_ref().map(|summary| &summary.validation),
            "n_runs": self.record.units.len(),
            "n_parameters": self.summary.as_ref().map(|summary| summary.n_parameters),
            "wall_s": self.summary.as_ref().map(|summary| summary.wall_s),
            "canonical_hash": self.record.canonical_hash,
            "began": session.map(|session| &session.started),
            "git": session.map(|session| &session.git),
            "host": session.map(|session| &session.host),
            "command": session.map(|session| &session.command),
        })
    }
}

impl Runs {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        if self.trials {
            return trials(&self.folders, global);
        }
        let mut found = Vec::new();
        for folder in &self.folders {
            look(folder, &mut found)?;
        }
        let contains = |text: &str, part: &Option<String>| {
            part.as_ref().is_none_or(|part| text.to_lowercase().contains(&part.to_lowercase()))
        };
        found.retain(|run| {
            let wanted = self.status.map(|status| match status {
                StatusArg::Finished => "finished",
                StatusArg::Interrupted => "interrupted",
                StatusArg::Diverged => "diverged",
            });
            (contains(&run.record.name, &self.model) || contains(&run.record.file, &self.model))
                && contains(&run.record.data, &self.data)
                && wanted.is_none_or(|wanted| wanted == run.status())
        });
        self.order(&mut found)?;
        found.truncate(self.limit.unwrap_or(usize::MAX));
        let out = &mut super::stdout();
        if global.format == Format::Json {
            let all: Vec<Value> = found.iter().map(Found::json).collect();
            serde_json::to_writer_pretty(&mut *out, &all).map_err(std::io::Error::from)?;
            writeln!(out)?;
            return Ok(Exit::Clean);
        }
        if found.is_empty() {
            note("no runs here: `hgnnc train FILE` makes one");
            return Ok(Exit::Clean);
        }
        let mut table = plain_table();
        table.set_header(["run", "data", "test", "parameters", "time", "commit", "status"]);
        for run in &found {
            let figure = run.metric().and_then(|metric| {
                let spread = run.summary.as_ref()?.test.get(metric)?;
                Some(format!("{metric} {spread}"))
            });
            let number = |n: usize| crate::plan::words::grouped(n);
            table.add_row([
                run.path.display().to_string(),
                run.record.data.clone(),
                figure.unwrap_or_else(|| "–".into()),
                run.summary.as_ref().map_or_else(String::new, |summary| number(summary.n_parameters)),
                run.summary.as_ref().map_or_else(String::new, |summary| seconds(summary.wall_s)),
                run.commit(),
                run.status().to_owned(),
            ]);
        }
        write_table(out, &table)?;
        Ok(Exit::Clean)
    }

    fn order(&self, found: &mut [Found]) -> Result<(), Failure> {
        let summary =
            |run: &Found, of: &dyn Fn(&RunSummary) -> f64| run.summary.as_ref().map_or(f64::INFINITY, of);
        match self.sort.as_str() {
            "date" => found.sort_by(|a, b| b.began().cmp(a.began())),
            "name" => found.sort_by(|a, b| a.record.name.cmp(&b.record.name)),
            "time" => found.sort_by(|a, b| summary(a, &|s| s.wall_s).total_cmp(&summary(b, &|s| s.wall_s))),
            "parameters" => {
                let of = |run: &Found| summary(run, &|s| s.n_parameters as f64);
                found.sort_by(|a, b| of(a).total_cmp(&of(b)));
            }
            name => {
                let Some(metric) = crate::settings::metric::find(name) else {
                    let known = ["date", "name", "time", "parameters"].into_iter();
                    let known = known.chain(crate::settings::metric::NAMES.iter().copied());
                    let meant = super::closest(name, known);
                    let failure = Failure::of_usage(format!("runs cannot be sorted by `{name}`"));
                    return Err(failure.help(match meant {
                        Some(meant) => format!("did you mean `--sort {meant}`?"),
                        None => "write `date`, `name`, `time`, `parameters`, or a metric".into(),
                    }));
                };
                let sign = if metric.higher_is_better() { -1.0 } else { 1.0 };
                let of = |run: &Found| {
                    summary(run, &|s| s.test.get(name).map_or(f64::INFINITY, |spread| sign * spread.mean))
                };
                found.sort_by(|a, b| of(a).total_cmp(&of(b)));
            }
        }
        Ok(())
    }
}

/// The trials of one run, fold by fold.
fn trials(folders: &[PathBuf], global: &Global) -> Result<Exit, Failure> {
    let [path] = folders else {
        return Err(Failure::of_usage("`--trials` lists the trials of one run").help("name one run"));
    };
    let folder = RunFolder::open(path)?;
    let record = folder.record()?;
    // Runs of one fold share its search.
    let mut groups: Vec<String> = Vec::new();
    for unit in &record.units {
        let group = unit.rsplit_once("run-").map_or(unit.as_str(), |(group, _)| group.trim_end_matches('-'));
        if !groups.iter().any(|known| known == group) {
            groups.push(group.to_owned());
        }
    }
    let mut of_folds = Vec::new();
    for group in groups {
        of_folds.extend(folder.trials(&group)?.map(|trials| (group, trials)));
    }
    let out = &mut super::stdout();
    if global.format == Format::Json {
        let all: Vec<Value> = of_folds
            .iter()
            .map(|(fold, trials)| json!({ "fold": fold, "chosen": trials.chosen, "trials": trials.trials }))
            .collect();
        serde_json::to_writer_pretty(&mut *out, &all).map_err(std::io::Error::from)?;
        writeln!(out)?;
        return Ok(Exit::Clean);
    }
    if of_folds.is_empty() {
        note(&format!(
            "{} has no trials: its file leaves no value open, or the first was not judged yet",
            path.display()
        ));
        return Ok(Exit::Clean);
    }
    let mut names: Vec<&String> = of_folds
        .iter()
        .flat_map(|(_, trials)| &trials.trials)
        .flat_map(|trial| trial.values.keys())
        .collect();
    names.sort_unstable();
    names.dedup();
    let mut table = plain_table();
    let head = ["fold", "trial", "figure", "epochs", "parameters", "status"].into_iter().map(str::to_owned);
    table.set_header(head.chain(names.iter().map(|name| (*name).clone())));
    for (fold, trials) in &of_folds {
        for (place, trial) in trials.trials.iter().enumerate() {
            let is_chosen = trials.chosen == Some(place);
            let own = [
                fold.clone(),
                format!("{}{}", trial.trial + 1, if is_chosen { " *" } else { "" }),
                trial.figure.map_or_else(|| "–".into(), |figure| format!("{figure:.4}")),
                trial.epochs.to_string(),
                crate::plan::words::grouped(trial.n_parameters),
                trial.status.in_words().to_owned(),
            ];
            let values = names.iter().map(|name| trial.values.get(*name).cloned().unwrap_or_default());
            table.add_row(own.into_iter().chain(values));
        }
    }
    write_table(out, &table)?;
    writeln!(out, "\n  * chosen")?;
    Ok(Exit::Clean)
}

/// Takes up a run, or the runs that lie in a folder. A run that cannot be read is named and left out.
fn look(folder: &Path, found: &mut Vec<Found>) -> Result<(), Failure> {
    if RunFolder::is_run(folder) {
        let read = || {
            let run = RunFolder::open(folder)?;
            Ok::<_, crate::train::TrainError>((run.record()?, run.summary()?))
        };
        match read() {
            Ok((record, summary)) => found.push(Found { path: folder.to_path_buf(), record, summary }),
            Err(error) => note(&format!("{error}: left out")),
        }
        return Ok(());
    }
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        // The folder that nobody named is made by the first run.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && folder == Path::new("runs") => {
            return Ok(());
        }
        Err(error) => {
            return Err(Failure::of_file(format!(
                "the folder `{}` cannot be read: {error}",
                folder.display()
            ))
            .help("name runs, or folders of runs"));
        }
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths.iter().filter(|path| RunFolder::is_run(path)) {
        look(path, found)?;
    }
    Ok(())
}
