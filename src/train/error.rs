//! What can stop a run, each with what to do about it.

use crate::files::lines::LinesError;
use crate::files::lock::Holder;
use crate::files::sealed::SealError;
use crate::lower::BuildError;
use crate::regular::ReadError;
use std::io;
use std::path::{Path, PathBuf};

/// Why training, evaluation or prediction could not go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The settings do not fit the data or each other.
    #[error("{message}")]
    Setup { message: String, help: String },

    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },

    /// A folder that is in the way.
    #[error("{} {reason}", path.display())]
    Occupied { path: PathBuf, reason: String, help: String },

    /// A folder that another process writes into.
    #[error("{} is being written by {}", path.display(), writer(holder.as_ref()))]
    Busy { path: PathBuf, holder: Option<Holder> },

    /// A file of a run that is damaged, of another kind, or does not fit.
    #[error("{}: {message}", path.display())]
    Unusable { path: PathBuf, message: String, help: String },

    /// The loss or a gradient is NaN or infinite.
    #[error(
        "the {what} became {value} in epoch {epoch}, {part} batch {batch} of {n_batches} ({})",
        graph_list(graphs)
    )]
    NotFinite {
        /// "loss", "gradient", "validation loss"
        what: &'static str,
        value: f64,
        /// Counted from 1.
        epoch: usize,
        /// "training", "validation"
        part: &'static str,
        /// Counted from 1.
        batch: usize,
        n_batches: usize,
        /// Indices of the batch's graphs in the data set.
        graphs: Vec<u32>,
        /// The epoch, counted from 1, whose weights are kept, and where they are.
        kept: Option<(usize, Option<PathBuf>)>,
    },

    #[error(transparent)]
    Build(#[from] BuildError),

    #[error("the computation failed: {0}")]
    Candle(#[from] candle_core::Error),
}

/// "process 4711 on ada, since 2026-01-31T23:59:59Z (`hgnnc train m.hgnn`)"
fn writer(holder: Option<&Holder>) -> String {
    holder.map_or_else(|| "another process".to_owned(), Holder::to_string)
}

/// "graphs 3, 17, 40 and 29 more"
fn graph_list(graphs: &[u32]) -> String {
    const N_SHOWN: usize = 32;
    let noun = if graphs.len() == 1 { "graph" } else { "graphs" };
    let shown: Vec<String> = graphs.iter().take(N_SHOWN).map(u32::to_string).collect();
    match graphs.len().checked_sub(N_SHOWN) {
        Some(more) if more > 0 => format!("{noun} {} and {more} more", shown.join(", ")),
        _ => format!("{noun} {}", shown.join(", ")),
    }
}

impl TrainError {
    pub(crate) fn setup(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Setup { message: message.into(), help: help.into() }
    }

    pub(crate) fn unusable(path: &Path, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Unusable { path: path.to_path_buf(), message: message.into(), help: help.into() }
    }

    /// A file of a run that is no readable file, or too large.
    pub(crate) fn unreadable(path: &Path, error: &ReadError) -> Self {
        let help = match error {
            ReadError::NotFound => "without it the run is incomplete: copy the whole folder, or train again",
            _ => "restore the run from an intact copy, or train again",
        };
        match error {
            ReadError::NotFound => Self::unusable(path, "it is missing", help),
            error => Self::unusable(path, format!("it cannot be read: {error}"), help),
        }
    }

    /// A record of a run that is damaged.
    pub(crate) fn damaged(path: &Path, error: &SealError) -> Self {
        Self::unusable(
            path,
            format!("it is damaged or was changed: {error}"),
            "restore it from an intact copy, or train again",
        )
    }

    /// A file of records, one per line, that is damaged.
    pub(crate) fn damaged_lines(path: &Path, error: LinesError) -> Self {
        match error {
            LinesError::Read(error) => Self::unreadable(path, &error),
            LinesError::System(source) => Self::Io { action: "write", path: path.to_path_buf(), source },
            error => Self::unusable(
                path,
                format!("it is damaged or was changed: {error}"),
                "restore it from an intact copy, or train again",
            ),
        }
    }

    /// What a user can do.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Setup { help, .. } | Self::Occupied { help, .. } | Self::Unusable { help, .. } => {
                (!help.is_empty()).then(|| help.clone())
            }
            Self::Busy { .. } => {
                Some("wait until it has ended or stop it, or name another folder with `--out DIR`".to_owned())
            }
            Self::Io { source, action, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    Some("make room on the disk, or write elsewhere with `--out DIR`".into())
                }
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem if *action != "read" => {
                    Some("choose a folder that you may write to with `--out DIR`".into())
                }
                _ => None,
            },
            Self::NotFinite { kept, .. } => {
                let advice =
                    "lower the learning rate, set `clip_norm`, or look at the features of these graphs";
                Some(match kept {
                    Some((epoch, Some(path))) => {
                        format!("{advice}; the weights of epoch {epoch} are kept in {}", path.display())
                    }
                    _ => advice.to_string(),
                })
            }
            Self::Build(_) | Self::Candle(_) => None,
        }
    }
}

pub type Result<T> = std::result::Result<T, TrainError>;

/// Names the file in an error of the file system.
pub(crate) trait AtPath<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T>;
}

impl<T> AtPath<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| TrainError::Io { action, path: path.to_path_buf(), source })
    }
}
