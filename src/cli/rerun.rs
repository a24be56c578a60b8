//! `hgnnc rerun`: a run once more, from its record, and whether every byte is the same.

use super::data::DataArgs;
use super::device::DeviceArg;
use super::room::MemoryArgs;
use super::train::{Session, Train, Trained};
use super::{Exit, Failure, Format, Global, note};
use crate::train::{Output, RunFolder, RunSummary, Status};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Repeat a run from its record alone, and compare every file
///
/// The model, its settings and what the command line said over them are those of the run's folder; the data is the one that it names, and
/// must have the same content. On the same machine with the same version every file comes out the same to the byte, but for times and for
/// who ran it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hgnnc rerun runs/first\n  hgnnc rerun runs/first --out runs/again\n\n\
    Exit codes: 0 every file is the same, 1 some differ, 2 could not run, 130 interrupted")]
pub struct Rerun {
    /// The folder of a finished run
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Folder of the new run; by default a new one in `runs`
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    place: DataArgs,
    #[command(flatten)]
    device: DeviceArg,
    #[command(flatten)]
    memory: MemoryArgs,
}

/// Files that are not the same each time, or not of the result.
const OTHER_EACH_TIME: &[&str] = &["run.json", "times.jsonl", "resources.json", "run.lock"];

impl Rerun {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let folder = RunFolder::open(&self.run)?;
        let record = folder.record()?;
        let is_finished =
            folder.summary()?.is_some_and(|summary: RunSummary| summary.status == Status::Finished);
        if !is_finished {
            return Err(Failure::new(format!(
                "{} is not finished, so there is nothing to compare with",
                self.run.display()
            ))
            .help(format!("end it with `hgnnc train --resume {}`", self.run.display())));
        }
        if record.init_from.is_some() {
            return Err(Failure::new(format!(
                "{} began with the weights of another run",
                self.run.display()
            ))
            .help("repeat it with `hgnnc train FILE --init-from RUN`, as its run.json says"));
        }
        let train = Train::plain(self.place.clone(), self.device.clone(), self.memory.clone());
        let session = Session::open(&train, global.format)?;
        if let Some(first) = record.sessions.first() {
            let (host, version) = (crate::system::host(), env!("CARGO_PKG_VERSION"));
            if first.host != host || record.hgnnc != version {
                note(&format!(
                    "the run is of hgnnc {} on {}, this is {version} on {host}: bytes may differ in the last digits",
                    record.hgnnc, first.host
                ));
            }
        }
        let output = match &self.out {
            Some(path) => Output::Folder { path: path.clone(), force: false },
            None => Output::NewIn(PathBuf::from("runs")),
        };
        // The result is the comparison.
        let summary = match train.again(&self.run, output, &session, global.format)? {
            Trained::Done(summary) if summary.status == Status::Interrupted => return Ok(Exit::Interrupted),
            Trained::Done(summary) => summary,
            Trained::Refused => return Ok(Exit::Findings),
        };
        let again = summary.dir.clone().unwrap_or_default();
        let names: BTreeSet<PathBuf> = files(&self.run)?.into_iter().chain(files(&again)?).collect();
        let is_same = |name: &&PathBuf| match (fs::read(self.run.join(name)), fs::read(again.join(name))) {
            (Ok(first), Ok(second)) => first == second,
            _ => false,
        };
        let (same, other): (Vec<&PathBuf>, Vec<&PathBuf>) = names.iter().partition(is_same);
        let out = &mut super::stdout();
        if global.format == Format::Json {
            let result = json!({ "run": self.run, "again": again, "n_same": same.len(), "differ": other });
            serde_json::to_writer_pretty(&mut *out, &result).map_err(std::io::Error::from)?;
            writeln!(out)?;
        } else if other.is_empty() {
            writeln!(out, "all {} files are the same to the byte", same.len())?;
        } else {
            writeln!(out, "{} of {} files differ:", other.len(), names.len())?;
            for name in &other {
                writeln!(out, "  {}", name.display())?;
            }
        }
        Ok(if other.is_empty() { Exit::Clean } else { Exit::Findings })
    }
}

/// The files of a run's result, by their names in its folder.
fn files(run: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(folder) = open.pop() {
        let path = run.join(&folder);
        let entries = fs::read_dir(&path)
            .map_err(|error| Failure::of_file(format!("{} cannot be read: {error}", path.display())))?;
        for entry in entries.flatten() {
            let name = entry.file_name();
            let text = name.to_string_lossy();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(folder.join(&name));
            } else if !OTHER_EACH_TIME.contains(&text.as_ref()) && !text.starts_with(".hgnnc-") {
                found.push(folder.join(&name));
            }
        }
    }
    Ok(found)
}
