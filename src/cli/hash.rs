//! `hgnnc hash`: the hash of a model's canonical form.

use super::operand::{Operand, Refused, Sizes};
use super::{Exit, Failure, Format, Global};
use crate::ir::Canonical;
use crate::ir::canonical::{Part, VERSION};
use serde_json::json;
use std::io::{self, Write};

/// Print the hash of what a file means: the same for the same model, however it is written
///
/// Formatting, comments, names, the order of items and of losses, and defaults that are written out do not change
/// it. No data is read: what only the data tells (the task, if the file states neither task nor loss) is hashed as
/// it is without data.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hgnnc hash models/*.hgnn\n  \
    hgnnc hash --part architecture old.hgnn runs/first new.hgnn\n  \
    hgnnc hash --text model.hgnn\n  \
    hgnnc hash git:main:model.hgnn model.hgnn\n\n\
    The canonical text, whose SHA-256 the hash is, is described in grammar/CANONICAL.md.\n\n\
    Exit codes: 0 done, 1 a file has errors, 2 could not run")]
pub struct Hash {
    /// Files, folders of runs, checkpoints (.safetensors), or files at a git revision (`git:main:model.hgnn`); `-`
    /// reads standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<String>,
    /// Which part of the model is hashed
    #[arg(long, value_enum, default_value_t, value_name = "PART")]
    part: PartArg,
    /// Print the canonical text instead of its hash
    #[arg(long)]
    text: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum PartArg {
    /// Network and task: which weights there are and what they compute
    Architecture,
    /// Loss, data, training and evaluation
    Training,
    /// Both
    #[default]
    All,
}

impl PartArg {
    fn name(self) -> &'static str {
        match self {
            PartArg::Architecture => "architecture",
            PartArg::Training => "training",
            PartArg::All => "all",
        }
    }
}

impl From<PartArg> for Part {
    fn from(part: PartArg) -> Self {
        match part {
            PartArg::Architecture => Part::Architecture,
            PartArg::Training => Part::Training,
            PartArg::All => Part::All,
        }
    }
}

impl Hash {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let out = &mut super::data_stdout();
        let mut exit = Exit::Clean;
        let mut all = Vec::new();
        for (idx, file) in self.files.iter().enumerate() {
            let side = match Operand::find(file)?.side(Sizes::Symbolic) {
                Ok(side) => side,
                Err(refused @ Refused::Findings { .. }) => {
                    // The others still have their hashes.
                    exit = Exit::Findings;
                    match refused.told::<()>(global) {
                        Err(failure) if global.format == Format::Json => {
                            all.push(json!({ "file": file, "findings": failure.findings }));
                        }
                        _ => {}
                    }
                    continue;
                }
                Err(Refused::Failure(failure)) => return Err(failure),
            };
            let canonical = Canonical::of(&side.model);
            let (hash, text) = (canonical.hash(self.part.into()), canonical.text(self.part.into()));
            match global.format {
                Format::Json => {
                    let part = self.part.name();
                    let mut entry = json!({ "file": file, "hash": hash, "part": part, "version": VERSION });
                    if self.text {
                        entry["text"] = text.into();
                    }
                    all.push(entry);
                }
                _ if self.text => {
                    if self.files.len() > 1 {
                        writeln!(out, "{}{file}:", if idx > 0 { "\n" } else { "" })?;
                    }
                    write!(out, "{text}")?;
                }
                _ => writeln!(out, "{hash}  {file}")?,
            }
        }
        if global.format == Format::Json {
            serde_json::to_writer_pretty(&mut *out, &all).map_err(io::Error::from)?;
            writeln!(out)?;
        }
        Ok(exit)
    }
}
