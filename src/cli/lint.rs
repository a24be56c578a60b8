//! `hgnnc lint`: warnings about what is valid, but probably unintended.

use super::config::Configs;
use super::source::{self, Compiled, Data, LocalData, Need};
use super::table::{plain_table, write_table};
use super::{Exit, Failure, Format, Global, files, help, report, stdout_look};
use crate::diagnostic::{self, Diagnostic, Severity};
use crate::lint::config::ALL;
use crate::lint::{Config, LINTS, NeedsData, lint};
use serde_json::json;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Warn about architectures that are valid, but probably unintended
///
/// Warnings of `hgnnc check`, such as a definition that nothing reads, are among them.
///
/// Without FILE, all `.hgnn` files below the current folder that `.gitignore` does not leave out. The data that a
/// file names is read if it is on this machine; without it, lints that need it are skipped. A file silences a
/// warning with `allow(NAME)`; `hgnn.toml` in its folder or above sets `allow`, `deny` and thresholds for all:
/// `hgnnc explain lint::NAME` says why a warning is one.
#[derive(Debug, clap::Args)]
#[command(after_help = help::lints())]
pub struct Lint {
    /// Files, or folders with all `.hgnn` files below; `-` reads standard input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Do not warn about this: names below, or codes of warnings of `check`, separated by commas or given one by one
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    allow: Vec<String>,
    /// Make this an error: names below, codes of warnings of `check`, or `all` for everything that is not allowed, but
    /// for `data::not_here`, which is about the machine and has to be named
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    deny: Vec<String>,
    /// List all lints, with the numbers that `hgnn.toml` can set
    #[arg(long, conflicts_with_all = ["files", "allow", "deny"])]
    list: bool,
    #[command(flatten)]
    data: LocalData,
}

impl Lint {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let out = &mut super::stdout();
        if self.list {
            list(out, global.format)?;
            return Ok(Exit::Clean);
        }
        self.override_config(&mut Config::default())?;
        let options = self.data.options();
        let (mut configs, mut json) = (Configs::default(), Vec::new());
        let (mut n_errors, mut n_warnings) = (0, 0);
        let mut n_absent = 0usize;
        let paths = self.paths()?;
        for path in &paths {
            let mut config = configs.of(path, global)?;
            self.override_config(&mut config)?;
            let compiled = source::compile_with(path, options.as_ref(), Need::Dataset)?;
            let found = findings(&compiled, &config);
            n_absent += usize::from(matches!(compiled.data, Data::Absent(_)));
            let (errors, warnings) = diagnostic::counts(&found);
            (n_errors, n_warnings) = (n_errors + errors, n_warnings + warnings);
            match global.format {
                Format::Json => {
                    let places = report::Places::new(&compiled.sources);
                    json.extend(report::sorted(&found).iter().map(|found| report::json(&places, found)));
                }
                format => report::write(out, &compiled.sources, &found, format, stdout_look())?,
            }
        }
        match global.format {
            Format::Json => {
                serde_json::to_writer_pretty(&mut *out, &json).map_err(io::Error::from)?;
                writeln!(out)?;
            }
            Format::Full => {
                let n_files = counted(paths.len(), "file");
                match (n_errors, n_warnings) {
                    (0, 0) => writeln!(out, "{n_files}: no warnings")?,
                    (0, warnings) => writeln!(out, "{n_files}: {}", counted(warnings, "warning"))?,
                    (errors, 0) => writeln!(out, "{n_files}: {}", counted(errors, "error"))?,
                    (errors, warnings) => writeln!(
                        out,
                        "{n_files}: {} and {}",
                        counted(errors, "error"),
                        counted(warnings, "warning")
                    )?,
                }
                if n_absent > 0 {
                    writeln!(out, "data not found: lints that need it were skipped")?;
                }
            }
            Format::Short => {}
        }
        Ok(if n_errors > 0 { Exit::Findings } else { Exit::Clean })
    }

    /// The files to look at, by their names.
    fn paths(&self) -> Result<Vec<String>, Failure> {
        if self.files.iter().any(|path| path == Path::new("-")) {
            if self.files.len() > 1 {
                return Err(Failure::of_usage("`-` cannot be combined with other files"));
            }
            return Ok(vec!["-".to_owned()]);
        }
        let found = files::find(&self.files)?;
        if found.is_empty() {
            return Err(Failure::of_file("there is no `.hgnn` file in or below this folder")
                .help("name files or folders: `hgnnc lint models`"));
        }
        Ok(found.iter().map(|path| path.display().to_string()).collect())
    }

    /// What the command line says, over the file: `all` gives way to what is allowed, in whatever order they come.
    fn override_config(&self, config: &mut Config) -> Result<(), Failure> {
        let unknown = |option: &str, name: &str, close: Option<&str>| {
            Failure::of_usage(format!("there is no lint `{name}` for `--{option}`")).help(match close {
                Some(close) => format!("did you mean `{close}`? `hgnnc lint --list` lists them"),
                None => "`hgnnc lint --list` lists them".to_owned(),
            })
        };
        let plain = |name: &String| name.trim_start_matches("lint::").to_owned();
        if let Some(name) =
            self.allow.iter().find(|name| self.deny.iter().any(|other| plain(other) == plain(name)))
        {
            return Err(Failure::of_usage(format!("`{name}` is given to both `--allow` and `--deny`")));
        }
        for name in &self.allow {
            config.allow(name).map_err(|close| unknown("allow", name, close))?;
        }
        for name in self.deny.iter().filter(|name| *name != ALL) {
            config.deny(name).map_err(|close| unknown("deny", name, close))?;
        }
        if self.deny.iter().any(|name| name == ALL) {
            config.deny(ALL).map_err(|close| unknown("deny", ALL, close))?;
        }
        Ok(())
    }
}

/// The findings about a file: what `check` finds and, unless that is an error, what the lints find in the model.
fn findings(compiled: &Compiled, config: &Config) -> Vec<Diagnostic> {
    let data = match &compiled.data {
        Data::Loaded(data) => Some(data.as_ref()),
        _ => None,
    };
    let mut found = compiled.findings();
    found.retain(|finding| finding.is_error() || !config.allows_code(finding.code));
    for finding in found.iter_mut().filter(|finding| config.denies_code(finding.code)) {
        finding.severity = Severity::Error;
    }
    if let Some(model) = &compiled.model {
        found.extend(lint(&compiled.program, &compiled.sources, model, data, config));
    }
    found
}

/// `1 file`, `3 warnings`
fn counted(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

fn needs(data: NeedsData) -> &'static str {
    match data {
        NeedsData::Never => "never",
        NeedsData::Sometimes => "sometimes",
        NeedsData::Always => "always",
    }
}

fn list(out: &mut dyn Write, format: Format) -> io::Result<()> {
    match format {
        Format::Json => {
            let thresholds = |lint: &crate::lint::Lint| {
                let all = lint.thresholds.iter();
                all.map(|found| json!({ "name": found.name, "default": found.default, "doc": found.doc }))
                    .collect::<Vec<_>>()
            };
            let all: Vec<_> = LINTS
                .iter()
                .map(|lint| {
                    json!({
                        "code": lint.code,
                        "summary": lint.summary,
                        "needs_data": needs(lint.needs_data),
                        "thresholds": thresholds(lint),
                    })
                })
                .collect();
            serde_json::to_writer_pretty(&mut *out, &all)?;
            writeln!(out)
        }
        Format::Short => LINTS.iter().try_for_each(|lint| writeln!(out, "{}: {}", lint.code, lint.summary)),
        Format::Full => {
            let mut table = plain_table();
            table.set_header(["Name", "Warns about", "Needs data", "Thresholds"]);
            for lint in LINTS {
                let thresholds: Vec<_> = lint
                    .thresholds
                    .iter()
                    .map(|found| format!("{} = {}", found.name, found.default))
                    .collect();
                table.add_row([lint.name(), lint.summary, needs(lint.needs_data), &thresholds.join(", ")]);
            }
            write_table(out, &table)?;
            writeln!(
                out,
                "\n`allow(NAME)` in a file silences one; `hgnn.toml` sets `allow`, `deny` and thresholds for all files \
                 below it.\n`hgnnc explain lint::NAME` explains one."
            )
        }
    }
}
