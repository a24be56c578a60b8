//! `hgnnc check`: prove or refuse files.

use super::source::{self, Compiled, Data, LocalData};
use super::{Exit, Failure, Format, Global, report, stdout_look};
use std::io::{self, Write};

/// Prove that files are right, or say everything that is wrong with them
///
/// The data that a file names is read where it is on this machine, and the file is checked against it;
/// otherwise sizes stay symbolic.
#[derive(Debug, clap::Args)]
pub struct Check {
    /// Files to check; `-` reads standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    #[command(flatten)]
    data: LocalData,
}

impl Check {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let options = self.data.options();
        let mut stdin_is_read = false;
        let (mut all, mut missing, mut exit) = (Vec::new(), Vec::new(), Exit::Clean);
        let mut counts = (0, 0);
        let out = &mut io::stdout().lock();
        for path in &self.files {
            if path == "-" && std::mem::replace(&mut stdin_is_read, true) {
                return Err(Failure::new("`-` is given twice, and standard input can be read once"));
            }
            let compiled = source::compile(path, options.as_ref())?;
            let n_errors = compiled.diagnostics.iter().filter(|found| found.is_error()).count();
            counts = (counts.0 + n_errors, counts.1 + compiled.diagnostics.len() - n_errors);
            if n_errors > 0 {
                exit = Exit::Findings;
            }
            match global.format {
                Format::Json => {
                    let places = report::Places::new(&compiled.sources);
                    let sorted = report::sorted(&compiled.diagnostics);
                    all.extend(sorted.into_iter().map(|found| report::json(&places, found)));
                }
                format => {
                    report::write(out, &compiled.sources, &compiled.diagnostics, format, stdout_look())?;
                    if format == Format::Full && compiled.model.is_some() {
                        writeln!(out, "{}", summary(path, &compiled))?;
                    }
                }
            }
            if let Data::Missing { name } = compiled.data
                && !missing.contains(&name)
            {
                missing.push(name);
            }
        }
        match global.format {
            Format::Json => {
                serde_json::to_writer_pretty(&mut *out, &all).map_err(io::Error::from)?;
                writeln!(out)?;
            }
            Format::Full => {
                if counts != (0, 0) {
                    writeln!(out, "{}", found(counts.0, counts.1))?;
                }
                if !missing.is_empty() {
                    writeln!(
                        out,
                        "checked without data, so sizes stay symbolic: {} not found; name its folder with --data-dir",
                        list(&missing)
                    )?;
                }
            }
            Format::Short => {}
        }
        Ok(exit)
    }
}

/// `2 errors and 1 warning`
fn found(n_errors: usize, n_warnings: usize) -> String {
    let count = |n: usize, noun: &str| format!("{n} {noun}{}", if n == 1 { "" } else { "s" });
    match (n_errors, n_warnings) {
        (n, 0) => count(n, "error"),
        (0, n) => count(n, "warning"),
        (errors, warnings) => format!("{} and {}", count(errors, "error"), count(warnings, "warning")),
    }
}

/// `a`, `a and b`
fn list(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    let is = if names.len() == 1 { "is" } else { "are" };
    format!("{} {is}", quoted.join(" and "))
}

/// One line of what was proved.
fn summary(path: &str, compiled: &Compiled) -> String {
    let Some(model) = &compiled.model else { return String::new() };
    let model = model.get();
    let n_stages = model.graph.node_count() - 1;
    let (output, task) = (&model.graph[model.output].ty, model.task.name().replace('_', " "));
    let against = match &compiled.data {
        Data::Loaded(data) => format!(", checked against {}", data.name),
        _ => String::new(),
    };
    let stages = if n_stages == 1 { "stage" } else { "stages" };
    format!("{path}: correct. {n_stages} {stages}, {output}, {task}{against}")
}
