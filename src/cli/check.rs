//! `hgnnc check`: prove or refuse files.

use super::source::{self, Compiled, Data, LocalData, Need};
use super::{Exit, Failure, Format, Global, closest, report, stdout_look};
use crate::check::Checked;
use crate::diagnostic::{self, Diagnostic, MORE, Severity};
use crate::findings::WARNINGS;
use crate::lint::config::ALL;
use crate::lower::{self, Witness, WitnessError};
use std::io::{self, Write};

/// Prove that files are correct, or report every mistake in them
///
/// A file is proved to build: names, arguments, widths and levels fit, and the result cannot depend on how the nodes
/// of a graph are numbered. The data that a file names is read if it is on this machine, and the file is checked
/// against it; otherwise sizes stay symbolic. Files that it names with `use` are read too.
///
/// A model that sorts or selects rows by their values is also run on small random graphs with many equal rows, which
/// are then renumbered; where its result changes, the file is refused.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hgnnc check model.hgnn\n  hgnnc check models/*.hgnn --format short\n  \
    hgnnc check --witness model.hgnn\n  hgnnc check - < model.hgnn\n\n\
    Exit codes: 0 all files are correct, 1 a file has errors or its witness refutes it, 2 could not run")]
pub struct Check {
    /// Files to check; `-` reads standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// Renumber graphs, run the model and show by how much its result changes; also for a model that is
    /// refused for its symmetry
    #[arg(long)]
    witness: bool,
    /// Make this warning an error: its code, such as `data::not_here`, or `all`
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    deny: Vec<String>,
    #[command(flatten)]
    data: LocalData,
}

impl Check {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let options = self.data.options();
        let need = if self.witness { Need::Dataset } else { Need::Facts };
        let mut stdin_is_read = false;
        self.deny_is_known()?;
        let (mut all, mut n_absent, mut exit) = (Vec::new(), 0, Exit::Clean);
        let mut counts = (0, 0);
        let out = &mut super::stdout();
        for path in &self.files {
            if path == "-" && std::mem::replace(&mut stdin_is_read, true) {
                return Err(Failure::of_usage(
                    "`-` is given twice, but standard input can be read only once",
                ));
            }
            let compiled = source::compile_with(path, options.as_ref(), need)?;
            let findings = self.findings(&compiled);
            n_absent += usize::from(matches!(compiled.data, Data::Absent(_)));
            let (n_errors, n_warnings) = diagnostic::counts(&findings);
            counts = (counts.0 + n_errors, counts.1 + n_warnings);
            if n_errors > 0 {
                exit = Exit::Findings;
            }
            match global.format {
                Format::Json => {
                    let places = report::Places::new(&compiled.sources);
                    let sorted = report::sorted(&findings);
                    all.extend(sorted.iter().map(|found| report::json(&places, found)));
                }
                format => {
                    report::write(out, &compiled.sources, &findings, format, stdout_look())?;
                    if format == Format::Full && n_errors == 0 {
                        writeln!(out, "{}", summary(path, &compiled))?;
                        for line in fixed_points(&compiled) {
                            writeln!(out, "{path}: {line}")?;
                        }
                    }
                }
            }
            let found = if self.witness { witness_of(&compiled) } else { choice_witness_of(&compiled) };
            if let Some(found) = found {
                let is_proved = compiled.model.is_some();
                if !matches!(&found, Ok(found) if !is_proved || found.is_symmetric()) {
                    exit = Exit::Findings;
                }
                match global.format {
                    Format::Json => all.push(match &found {
                        Ok(found) => serde_json::json!({ "file": path, "witness": found }),
                        Err(error) => serde_json::json!({ "file": path, "witness_error": error.to_string() }),
                    }),
                    _ => writeln!(out, "{path}: {}", witness_line(&found))?,
                }
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
                if n_absent > 0 {
                    writeln!(out, "data not found: sizes that come from it stay symbolic")?;
                }
            }
            Format::Short => {}
        }
        Ok(exit)
    }

    fn findings(&self, compiled: &Compiled) -> Vec<Diagnostic> {
        let mut findings = compiled.findings();
        let is_denied = |code: &str| self.deny.iter().any(|denied| denied == ALL || denied == code);
        for finding in findings.iter_mut().filter(|finding| is_denied(finding.code)) {
            finding.severity = Severity::Error;
        }
        let is_listed = |finding: &Diagnostic| {
            finding.is_error() || WARNINGS.contains(&finding.code) || finding.code == MORE
        };
        debug_assert!(findings.iter().all(is_listed), "a warning that `--deny` does not know: {findings:?}");
        findings
    }

    fn deny_is_known(&self) -> Result<(), Failure> {
        let known = || WARNINGS.iter().copied().chain([ALL]);
        match self.deny.iter().find(|denied| known().all(|code| code != *denied)) {
            None => Ok(()),
            Some(denied) => {
                let like = closest(denied, known());
                let like = like.map_or_else(String::new, |like| format!("did you mean `{like}`?\n"));
                let all: Vec<&str> = known().collect();
                Err(Failure::new(format!("there is no warning `{denied}` for `--deny`"))
                    .help(format!("{like}warnings are {}; lints are for `hgnnc lint`", all.join(", "))))
            }
        }
    }
}

/// The witness of a model that chooses by values, where it refutes what was proved: an operator that breaks the rules it
/// was checked by is caught here.
fn choice_witness_of(compiled: &Compiled) -> Option<Result<Witness, WitnessError>> {
    let found = lower::choice_witness(compiled.model.as_ref()?)?;
    matches!(&found, Ok(found) if !found.is_symmetric()).then_some(found)
}

/// Runs the model on renumbered graphs; `None` where there is nothing to run.
fn witness_of(compiled: &Compiled) -> Option<Result<Witness, WitnessError>> {
    let data = match &compiled.data {
        Data::Loaded(data) => Some(data.as_ref()),
        _ => None,
    };
    let refused = compiled.refused.clone().map(Checked::for_witness);
    let model = compiled.model.as_ref().or(refused.as_ref())?;
    Some(lower::witness(model, data))
}

fn witness_line(found: &Result<Witness, WitnessError>) -> String {
    let found = match found {
        Ok(found) => found,
        Err(error) => return format!("no witness: {error}"),
    };
    let Witness { data, n_graphs, n_renumberings, deviation, largest, .. } = found;
    let graphs = match (data.as_str(), *n_graphs) {
        ("random graphs", n) => format!("{n} random graphs"),
        ("random graphs with twins", n) => format!("{n} random graphs with many equal rows"),
        (data, 1) => format!("1 graph of {data}"),
        (data, n) => format!("{n} graphs of {data}"),
    };
    let ran = format!("witness: {graphs}, renumbered {n_renumberings} times");
    let share = if *deviation >= 1e-3 {
        format!("{:.1} % of the largest output", 100.0 * deviation)
    } else {
        format!("{deviation:.1e} of the largest output")
    };
    match largest {
        Some(change) if !found.is_symmetric() => {
            let node = change.node.map_or_else(String::new, |node| format!("node {node} of "));
            format!(
                "{ran}: the result changes by up to {share}; output {} of {node}graph {} was {:.6} and becomes {:.6}",
                change.output, change.graph, change.before, change.after
            )
        }
        _ => format!("{ran}: the result is the same, to within {share}"),
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

/// One line of what was proved.
fn summary(path: &str, compiled: &Compiled) -> String {
    let Some(model) = &compiled.model else {
        return format!("{path}: correct. Definitions for other files, no model");
    };
    let model = model.get();
    let n_stages = model.graph.node_count() - 1;
    let (output, task) = (&model.graph[model.output].ty, model.task.name().replace('_', " "));
    // Which of the two it is decides what a figure means.
    let parted = compiled.data.facts().and_then(|facts| {
        crate::settings::protocol::parted_in_words(model.evaluate.call("protocol"), &facts)
    });
    let task = format!("{task}{}", parted.map_or_else(String::new, |words| format!(" ({words})")));
    let against =
        compiled.data.facts().map_or_else(String::new, |facts| format!(", checked against {}", facts.name));
    let stages = if n_stages == 1 { "stage" } else { "stages" };
    format!("{path}: correct. {n_stages} {stages}, {output}, {task}{against}")
}

/// What guarantees that each `fixed_point` is found, or that nothing does.
fn fixed_points(compiled: &Compiled) -> Vec<String> {
    let Some(model) = &compiled.model else { return Vec::new() };
    let line = |found: crate::ir::FixedPoint| {
        let stage = found.end.index();
        match found.bound {
            Some(bound) => format!(
                "fixed_point (stage {stage}) is there and is found: each step brings states closer together by a factor of {}, \
                 because the absolute values that lead to a feature add up to at most {:.4} in each of its matrices",
                bound.contraction, bound.largest_sum
            ),
            None => format!(
                "fixed_point (stage {stage}): nothing guarantees that it is found with `max_steps = {}`, or that there is one; \
                 `contraction = 0.9` would, and training reports the graphs where it is not",
                found.max_steps
            ),
        }
    };
    model.get().fixed_points().into_iter().map(line).collect()
}
