//! `hgnnc fmt`: one layout for files.

use super::{Exit, Failure, Format, Global, Look, files, report, source, stderr_look, stdout_look};
use crate::diagnostic::Diagnostic;
use crate::source::SourceMap;
use crate::{fmt, syntax};
use owo_colors::OwoColorize;
use serde_json::json;
use similar::TextDiff;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Bring files into the one layout, comments and meaning unchanged
///
/// Without FILE, all `.hgnn` files below the current folder, without runs and what `.gitignore` leaves out. A file that does
/// not parse is refused with the messages of `check` and stays as it is; files that parse but have other errors
/// are laid out. `grammar/README.md` describes the layout.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hgnnc fmt\n  hgnnc fmt --check models\n  hgnnc fmt --diff model.hgnn\n  \
    hgnnc fmt - < model.hgnn\n\n\
    Exit codes: 0 done, 1 a file does not parse or, with --check or --diff, would change, 2 could not run"
)]
pub struct Fmt {
    /// Files, or folders with all `.hgnn` files below; `-` reads standard input and writes standard output
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write nothing, list the files that would change
    #[arg(long)]
    check: bool,
    /// Write nothing, show what would change as a unified diff
    #[arg(long)]
    diff: bool,
}

/// A file and its layout, or why it has none.
struct Laid {
    path: PathBuf,
    before: String,
    sources: SourceMap,
    after: Result<String, Vec<Diagnostic>>,
}

impl Laid {
    fn of(path: PathBuf, bytes: &[u8]) -> Self {
        let name = path.display().to_string();
        let mut sources = SourceMap::default();
        let (text, after) = match syntax::decode(&name, bytes) {
            Ok(text) => {
                let id = sources.add(name, text.as_str());
                (text, fmt::format(&sources, id))
            }
            Err(found) => (String::new(), Err(vec![found])),
        };
        // A byte order mark is no part of the decoded text, but taking it away is a change.
        let before = String::from_utf8(bytes.to_vec()).unwrap_or(text);
        Self { path, before, sources, after }
    }

    /// The layout, where it is another than the file has.
    fn change(&self) -> Option<&str> {
        self.after.as_deref().ok().filter(|after| *after != self.before)
    }
}

impl Fmt {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        if self.files.iter().any(|path| path == Path::new("-")) {
            if self.files.len() > 1 {
                return Err(Failure::of_usage("`-` cannot be combined with other files"));
            }
            return self.standard_input(global);
        }
        let mut all = Vec::new();
        for path in files::find(&self.files)? {
            let bytes = source::read_bytes(&path)?;
            all.push(Laid::of(path, &bytes));
        }
        if !self.only_looks() {
            for laid in &all {
                if let Some(after) = laid.change() {
                    files::rewrite(&laid.path, after)?;
                }
            }
        }
        let out = &mut if self.diff { super::data_stdout() } else { super::stdout() };
        match global.format {
            Format::Json => self.write_json(out, &all)?,
            format => self.write_text(out, &all, format)?,
        }
        let is_clean =
            all.iter().all(|laid| laid.after.is_ok() && !(self.only_looks() && laid.change().is_some()));
        Ok(if is_clean { Exit::Clean } else { Exit::Findings })
    }

    fn only_looks(&self) -> bool {
        self.check || self.diff
    }

    /// Standard output is for the layout alone, so what is wrong goes to standard error.
    fn standard_input(&self, global: &Global) -> Result<Exit, Failure> {
        let bytes = source::read_stdin()?;
        let laid = Laid::of("<stdin>".into(), &bytes);
        let changes = laid.change().is_some();
        let out = &mut super::data_stdout();
        if global.format == Format::Json {
            self.write_json(out, std::slice::from_ref(&laid))?;
        } else {
            match &laid.after {
                Err(found) => {
                    let look = stderr_look();
                    // Where standard error is closed, the exit code still reports it.
                    let _ =
                        report::write(&mut io::stderr().lock(), &laid.sources, found, global.format, look);
                }
                Ok(_) if self.diff => write_diff(out, &laid, stdout_look())?,
                Ok(_) if self.check => {}
                Ok(after) => out.write_all(after.as_bytes())?,
            }
        }
        let is_clean = laid.after.is_ok() && !(self.only_looks() && changes);
        Ok(if is_clean { Exit::Clean } else { Exit::Findings })
    }

    fn write_text(&self, out: &mut dyn Write, all: &[Laid], format: Format) -> io::Result<()> {
        let look = stdout_look();
        let (mut n_changed, mut n_same, mut n_refused) = (0, 0, 0);
        for laid in all {
            match &laid.after {
                Err(found) => {
                    n_refused += 1;
                    report::write(out, &laid.sources, found, format, look)?;
                }
                Ok(_) if laid.change().is_none() => n_same += 1,
                Ok(_) => {
                    n_changed += 1;
                    if self.diff {
                        write_diff(out, laid, look)?;
                    }
                    if self.check || !self.diff {
                        let did = if self.check { "would reformat" } else { "reformatted" };
                        writeln!(out, "{did} {}", laid.path.display())?;
                    }
                }
            }
        }
        if format == Format::Short {
            return Ok(());
        }
        if all.is_empty() {
            return writeln!(out, "no `.hgnn` files here");
        }
        let mut parts = Vec::new();
        let mut part = |n: usize, one: &str, many: &str| {
            if n > 0 {
                parts.push(if n == 1 { format!("1 file {one}") } else { format!("{n} files {many}") });
            }
        };
        if self.only_looks() {
            part(n_changed, "would change", "would change");
        } else {
            part(n_changed, "reformatted", "reformatted");
        }
        part(n_same, "already formatted", "already formatted");
        part(n_refused, "refused and left as it is", "refused and left as they are");
        writeln!(out, "{}", parts.join(", "))
    }

    fn write_json(&self, out: &mut dyn Write, all: &[Laid]) -> io::Result<()> {
        let mut findings = Vec::new();
        let mut files = Vec::new();
        for laid in all {
            let status = match &laid.after {
                Err(_) => "refused",
                Ok(_) if laid.change().is_none() => "unchanged",
                Ok(_) if self.only_looks() => "would_change",
                Ok(_) => "reformatted",
            };
            let mut file = json!({ "file": laid.path.display().to_string(), "status": status });
            if let Err(found) = &laid.after {
                let places = report::Places::new(&laid.sources);
                findings.extend(report::sorted(found).iter().map(|found| report::json(&places, found)));
            }
            if self.diff && laid.change().is_some() {
                file["diff"] = unified(laid).into();
            }
            if laid.path == Path::new("<stdin>")
                && let Ok(after) = &laid.after
            {
                file["text"] = after.as_str().into();
            }
            files.push(file);
        }
        serde_json::to_writer_pretty(&mut *out, &json!({ "files": files, "findings": findings }))?;
        writeln!(out)
    }
}

/// The difference between a file and its layout; empty where there is none.
fn unified(laid: &Laid) -> String {
    let Some(after) = laid.change() else { return String::new() };
    let name = laid.path.display();
    TextDiff::from_lines(laid.before.as_str(), after)
        .unified_diff()
        .header(&format!("{name}"), &format!("{name} (laid out)"))
        .to_string()
}

fn write_diff(out: &mut dyn Write, laid: &Laid, look: Look) -> io::Result<()> {
    for line in unified(laid).split_inclusive('\n') {
        if !look.colours {
            write!(out, "{line}")?;
            continue;
        }
        let text = line.trim_end_matches('\n');
        match text.bytes().next() {
            Some(b'-') => writeln!(out, "{}", text.red())?,
            Some(b'+') => writeln!(out, "{}", text.green())?,
            Some(b'@') => writeln!(out, "{}", text.cyan())?,
            _ => writeln!(out, "{text}")?,
        }
    }
    Ok(())
}
