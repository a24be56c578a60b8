//! `hgnnc migrate`: bring files of older versions of the language forward.

use super::source::{self, Loaded};
use super::{Exit, Failure, Format, Global, files, report, stdout_look};
use crate::check;
use crate::diagnostic::{Diagnostic, Edit};
use crate::migrate::{self, LANGUAGE_VERSION};
use crate::source::{SourceMap, Span};
use serde_json::json;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Rewrite names that the language has given up, and nothing else
///
/// Names that were given up are never used for something else, so files need no version: what is old is found by its
/// name. Comments and layout stay byte for byte. Files that FILE uses are rewritten only if they are named too.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hgnnc migrate model.hgnn\n  hgnnc migrate --check .\n\n\
    Exit codes: 0 done, 1 a file does not parse or, with --check, is of an older version, 2 could not run")]
pub struct Migrate {
    /// Files, or folders with all `.hgnn` files below
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write nothing, list what would be rewritten
    #[arg(long)]
    check: bool,
}

struct Found {
    path: PathBuf,
    sources: SourceMap,
    /// Why the file is left as it is.
    refused: Vec<Diagnostic>,
    edits: Vec<Edit>,
}

impl Migrate {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let mut all = Vec::new();
        for path in files::find(&self.files)? {
            all.push(find(path)?);
        }
        // A file may have been read because another uses it, which says more about its names.
        let mut foreign = Vec::new();
        for idx in 0..all.len() {
            let (own, used): (Vec<_>, Vec<_>) =
                all[idx].edits.drain(..).partition(|edit| edit.span.file.0 == 0);
            all[idx].edits.extend(own);
            for edit in used {
                let path = PathBuf::from(&all[idx].sources.file(edit.span.file).name);
                match all.iter().position(|found| is_same(&found.path, &path)) {
                    Some(other) => {
                        let span = Span { file: crate::source::FileId(0), ..edit.span };
                        all[other].edits.push(Edit { span, ..edit });
                    }
                    None if !foreign.contains(&path) => foreign.push(path),
                    None => {}
                }
            }
        }
        for found in &mut all {
            found.edits.sort_by_key(|edit| edit.span);
            found.edits.dedup_by_key(|edit| edit.span);
            if !found.refused.is_empty() {
                found.edits.clear();
            }
        }
        if !self.check {
            for found in all.iter().filter(|found| !found.edits.is_empty()) {
                write(found)?;
            }
        }
        let out = &mut super::stdout();
        match global.format {
            Format::Json => self.write_json(out, &all)?,
            format => self.write_text(out, &all, &foreign, format)?,
        }
        let is_clean =
            all.iter().all(|found| found.refused.is_empty() && (found.edits.is_empty() || !self.check));
        Ok(if is_clean { Exit::Clean } else { Exit::Findings })
    }

    fn write_text(
        &self,
        out: &mut dyn Write,
        all: &[Found],
        foreign: &[PathBuf],
        format: Format,
    ) -> io::Result<()> {
        let (mut n_old, mut n_refused) = (0, 0);
        for found in all {
            if !found.refused.is_empty() {
                n_refused += 1;
                report::write(out, &found.sources, &found.refused, format, stdout_look())?;
            }
            n_old += usize::from(!found.edits.is_empty());
            for change in changes(found) {
                let Change { line, column, from, to } = change;
                writeln!(out, "{}:{line}:{column}: `{from}` → `{to}`", found.path.display())?;
            }
        }
        if format == Format::Short {
            return Ok(());
        }
        for path in foreign {
            let path = path.display();
            writeln!(out, "`{path}`, which is used, has old names too: run `hgnnc migrate {path}`")?;
        }
        let count = |n: usize| if n == 1 { "1 file".to_owned() } else { format!("{n} files") };
        let n_current = all.len() - n_old - n_refused;
        let mut parts = Vec::new();
        if n_old > 0 {
            let did = if self.check { "would be rewritten for" } else { "rewritten for" };
            parts.push(format!("{} {did} version {LANGUAGE_VERSION} of the language", count(n_old)));
        }
        if n_current > 0 {
            parts.push(format!("{} without old names", count(n_current)));
        }
        if n_refused > 0 {
            parts.push(format!("{} refused and left alone", count(n_refused)));
        }
        let none = "no `.hgnn` files here".to_owned();
        writeln!(out, "{}", if parts.is_empty() { none } else { parts.join(", ") })
    }

    fn write_json(&self, out: &mut dyn Write, all: &[Found]) -> io::Result<()> {
        let mut findings = Vec::new();
        let mut files = Vec::new();
        for found in all {
            let places = report::Places::new(&found.sources);
            let sorted = report::sorted(&found.refused);
            findings.extend(sorted.iter().map(|found| report::json(&places, found)));
            let status = match () {
                () if !found.refused.is_empty() => "refused",
                () if found.edits.is_empty() => "unchanged",
                () if self.check => "would_change",
                () => "rewritten",
            };
            let change = |Change { line, column, from, to }| json!({ "line": line, "column": column, "from": from, "to": to });
            let changes: Vec<_> = changes(found).into_iter().map(change).collect();
            files.push(
                json!({ "file": found.path.display().to_string(), "status": status, "changes": changes }),
            );
        }
        let document = json!({ "language_version": LANGUAGE_VERSION, "files": files, "findings": findings });
        serde_json::to_writer_pretty(&mut *out, &document)?;
        writeln!(out)
    }
}

/// Lines and columns count from 1, columns in characters.
struct Change<'a> {
    line: usize,
    column: usize,
    from: &'a str,
    to: &'a str,
}

fn changes(found: &Found) -> Vec<Change<'_>> {
    let places = report::Places::new(&found.sources);
    let change = |edit: &'_ Edit| places.line_column(edit.span.file, edit.span.start);
    found
        .edits
        .iter()
        .map(|edit| {
            let (line, column) = change(edit);
            Change { line, column, from: found.sources.text(edit.span), to: &edit.text }
        })
        .collect()
}

fn find(path: PathBuf) -> Result<Found, Failure> {
    let Loaded { sources, program, diagnostics, .. } = source::load(&path.to_string_lossy())?;
    let main = program.main;
    // What is wrong in a file it uses, or with finding that, is no reason to leave this one.
    let refused: Vec<_> = diagnostics
        .into_iter()
        .filter(|found| {
            found.code.starts_with("syntax::")
                && found.labels.first().is_none_or(|label| label.span.file == main)
        })
        .collect();
    if !refused.is_empty() {
        return Ok(Found { path, sources, refused, edits: Vec::new() });
    }
    let findings = check::check(&program, None).diagnostics;
    let edits = migrate::edits(&sources, &findings);
    Ok(Found { path, sources, refused, edits })
}

fn write(found: &Found) -> Result<(), Failure> {
    let text = migrate::rewrite(&found.sources.file(crate::source::FileId(0)).text, &found.edits);
    // Reading has taken off a byte order mark, which is not ours to take.
    let has_mark = source::read_bytes(&found.path).is_ok_and(|bytes| bytes.starts_with(b"\xEF\xBB\xBF"));
    let mark = if has_mark { "\u{feff}" } else { "" };
    files::rewrite(&found.path, &format!("{mark}{text}"))
}

fn is_same(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
