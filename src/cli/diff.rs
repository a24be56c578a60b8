//! `hgnnc diff`: what changed between two models, by meaning.

use super::against::{self, Against};
use super::operand::{self, Operand};
use super::source::LocalData;
use super::{Exit, Failure, Format, Global, stdout_look};
use crate::diff::{self, Class};
use crate::train::write_file;
use std::io::{self, Write};
use std::path::PathBuf;

/// Compare two models by meaning: stages, widths, loss, data, training, costs, and which weights still load
///
/// Formatting, comments and names do not count. Stages are matched by what they are and where they stand, so that a
/// layer put in at the front is one change.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "hgnnc diff [OPTIONS] BEFORE AFTER\n       hgnnc diff [OPTIONS] --against git:REV [PATH]..."
)]
#[command(after_help = "Classes, mildest first; a comparison has that of its most severe change:\n  \
    same                nothing differs\n  \
    cosmetic            formatting, comments, names, defaults written out\n  \
    training            loss, data, optimiser, schedule, seeds, evaluation, dropout probability\n  \
    weight-compatible   the network computes something else, but every trained weight still loads:\n                      \
    another activation, a stage without weights added or removed\n  \
    weight-breaking     a weight is new, is dropped or has another shape\n  \
    interface-breaking  input features, task, or number of outputs\n\n\
    Examples:\n  hgnnc diff old.hgnn new.hgnn\n  \
    hgnnc diff runs/first model.hgnn --fail-on weight-breaking\n  \
    hgnnc diff old.hgnn new.hgnn --markdown > comment.md\n  \
    hgnnc diff old.hgnn new.hgnn --svg diff.svg\n  \
    hgnnc diff git:v1:model.hgnn model.hgnn\n  \
    hgnnc diff --against git:main --fail-on weight-breaking\n\n\
    Exit codes: 0 done, 1 with --exit-code or --fail-on if the models differ that much, 2 could not run")]
pub struct Diff {
    /// Two models: files, folders of runs, checkpoints (.safetensors) or files at a git revision
    /// (`git:main:model.hgnn`); `-` reads standard input. With --against, the files and folders to look at
    #[arg(value_name = "MODEL", required_unless_present = "against")]
    models: Vec<String>,
    /// Compare every changed .hgnn file, as it was at this revision (a branch, tag or commit), with the file on disk;
    /// also files that use a changed one. A deleted model counts as interface-breaking
    #[arg(long, value_name = "git:REV", conflicts_with = "svg")]
    against: Option<String>,
    #[command(flatten)]
    data: LocalData,
    /// Write Markdown, for a comment in a pull request
    #[arg(long)]
    markdown: bool,
    /// Also draw both networks side by side into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Exit with code 1 if anything differs
    #[arg(long)]
    exit_code: bool,
    /// Exit with code 1 if the class is this one or a more severe one
    #[arg(long, value_name = "CLASS", value_parser = class_parser())]
    fail_on: Option<Class>,
}

fn class_parser() -> impl clap::builder::TypedValueParser<Value = Class> {
    use clap::builder::{PossibleValuesParser, TypedValueParser};
    let names = Class::ALL.into_iter().filter(|class| *class != Class::Same).map(Class::name);
    PossibleValuesParser::new(names).map(|name| {
        // The parser lets only these names through.
        Class::ALL.into_iter().find(|class| class.name() == name).unwrap_or(Class::Same)
    })
}

impl Diff {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let options = self.data.options();
        if let Some(revision) = &self.against {
            let asked = Against {
                revision,
                paths: &self.models,
                options: options.as_ref(),
                markdown: self.markdown,
                exit_code: self.exit_code,
                fail_on: self.fail_on,
            };
            return against::run(&asked, global);
        }
        let [before, after] = self.models.as_slice() else {
            return Err(Failure::of_usage(format!("two models are needed, but {} given", match self.models.len() {
                1 => "one is".to_owned(),
                n => format!("{n} are"),
            }))
            .help("write `hgnnc diff BEFORE AFTER`, or `hgnnc diff --against git:main` for all that has changed"));
        };
        if before == "-" && after == "-" {
            return Err(Failure::of_usage("standard input can be only one of the two models"));
        }
        let operands = [Operand::find(before)?, Operand::find(after)?];
        let [before, after] = operand::read_pair([&operands[0], &operands[1]], options.as_ref(), global)?;
        let found = diff::compare(&before, &after);
        if let Some(path) = &self.svg {
            let drawing = diff::svg(&before, &after, &found);
            write_file(path, |out| out.write_all(drawing.as_bytes()))?;
        }
        let out = &mut if self.markdown { super::data_stdout() } else { super::stdout() };
        if global.format == Format::Json {
            serde_json::to_writer_pretty(&mut *out, &diff::json(&found)).map_err(io::Error::from)?;
            writeln!(out)?;
        } else if self.markdown {
            write!(out, "{}", diff::markdown(&found))?;
        } else if global.format == Format::Short {
            let changes = found.changes.iter().filter(|change| change.class > Class::Same);
            writeln!(out, "{} → {}: {}", found.names[0], found.names[1], found.class.name())?;
            for change in changes {
                writeln!(out, "{}: {}", change.class.name(), change.text)?;
            }
        } else {
            write!(out, "{}", diff::text(&found, stdout_look().colours))?;
        }
        let fails = (self.exit_code && found.class != Class::Same)
            || self.fail_on.is_some_and(|class| found.class >= class);
        Ok(if fails { Exit::Findings } else { Exit::Clean })
    }
}
