//! `hgnnc pre-commit`: what the hook of `install-git` runs.

use super::source::{self, Loaded, LocalData, Need};
use super::{Exit, Failure, Format, Global, report, stdout_look};
use crate::diagnostic::Diagnostic;
use crate::git::{Change, Changed, Repository, Snapshot};
use crate::source::SourceMap;
use crate::{fmt, syntax};
use serde_json::json;
use std::io::{self, Write};
use std::path::Path;

/// Check the staged .hgnn files, as they are staged
///
/// Runs `fmt --check` and `check` on the content of the index, whatever the working tree has. Files that use a
/// staged file are checked too.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 the commit may go on, 1 a staged file is wrong or not in its layout, \
    2 could not run")]
pub struct PreCommit {
    #[command(flatten)]
    data: LocalData,
}

/// One staged file with what was found.
struct Checked {
    file: Changed,
    sources: SourceMap,
    diagnostics: Vec<Diagnostic>,
    is_in_layout: bool,
}

impl Checked {
    fn is_refused(&self) -> bool {
        !self.is_in_layout || self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

impl PreCommit {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let repository = Repository::discover(Path::new("."))?;
        let options = self.data.options();
        let mut all = Vec::new();
        for file in repository.staged_files(".hgnn")? {
            if file.change == Change::Deleted {
                continue;
            }
            let loaded = repository.load(&Snapshot::Index, &file.path);
            let loaded =
                loaded.map_err(|error| Failure::from(error).help("stage the file anew: `git add`"))?;
            let is_own = !matches!(file.change, Change::Used { .. });
            let is_in_layout = !is_own || is_in_layout(&repository, &file.path)?;
            let loaded = Loaded::of_repository(loaded, &repository, &file.path);
            let compiled = source::compile_loaded(loaded, options.as_ref(), Need::Facts);
            let diagnostics = compiled.findings();
            all.push(Checked { file, is_in_layout, sources: compiled.sources, diagnostics });
        }
        let out = &mut super::stdout();
        match global.format {
            Format::Json => write_json(out, &all)?,
            format => write_text(out, &all, format)?,
        }
        Ok(if all.iter().any(Checked::is_refused) { Exit::Findings } else { Exit::Clean })
    }
}

/// Whether the staged bytes are what `hgnnc fmt` would write. A file that does not parse has no layout, which the
/// check says.
fn is_in_layout(repository: &Repository, path: &str) -> Result<bool, Failure> {
    let bytes = repository.read(&Snapshot::Index, path)?;
    let Ok(text) = syntax::decode(path, &bytes) else { return Ok(true) };
    let mut sources = SourceMap::default();
    let id = sources.add(path, text);
    Ok(fmt::format(&sources, id).map_or(true, |laid_out| laid_out.as_bytes() == bytes))
}

fn write_text(out: &mut dyn Write, all: &[Checked], format: Format) -> io::Result<()> {
    for checked in all {
        report::write(out, &checked.sources, &checked.diagnostics, format, stdout_look())?;
    }
    let untidy: Vec<&str> = all
        .iter()
        .filter(|checked| !checked.is_in_layout)
        .map(|checked| checked.file.path.as_str())
        .collect();
    for path in &untidy {
        writeln!(out, "{path}: the staged text is not in the layout of `hgnnc fmt`")?;
    }
    if format == Format::Short || all.is_empty() {
        return Ok(());
    }
    let n_refused = all.iter().filter(|checked| checked.is_refused()).count();
    let count = |n: usize| if n == 1 { "1 staged file".to_owned() } else { format!("{n} staged files") };
    if n_refused == 0 {
        return writeln!(out, "{} checked, all correct", count(all.len()));
    }
    let verb = if n_refused == 1 { "is" } else { "are" };
    writeln!(out, "the commit is stopped: {n_refused} of {} {verb} refused", count(all.len()))?;
    if !untidy.is_empty() {
        let quoted: Vec<String> = untidy.iter().map(|path| quoted(path)).collect();
        let names = quoted.join(" ");
        writeln!(out, "  help: hgnnc fmt {names} && git add {names}")?;
    }
    writeln!(out, "  help: `git commit --no-verify` commits without this check")
}

/// For pasting into a shell.
fn quoted(path: &str) -> String {
    if path.chars().any(|char| char.is_whitespace() || "'\"$&;()".contains(char)) {
        format!("'{}'", path.replace('\'', r"'\''"))
    } else {
        path.to_owned()
    }
}

fn write_json(out: &mut dyn Write, all: &[Checked]) -> io::Result<()> {
    let files: Vec<_> = all
        .iter()
        .map(|checked| {
            let places = report::Places::new(&checked.sources);
            let found = report::sorted(&checked.diagnostics);
            json!({
                "file": checked.file.path,
                "change": checked.file.words(),
                "in_layout": checked.is_in_layout,
                "findings": found.iter().map(|found| report::json(&places, found)).collect::<Vec<_>>(),
            })
        })
        .collect();
    serde_json::to_writer_pretty(&mut *out, &files)?;
    writeln!(out)
}
