//! Where a run comes from: what a process was asked, where it runs, and which program it is.

use super::time;
use crate::kernels::threads;
use crate::system;
use candle_core::Device;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::SystemTime;

/// What only the program that trains knows of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The command line; empty for a program that uses the library.
    pub command: Vec<String>,
    /// `None` outside of a repository.
    pub git: Option<GitState>,
    /// The folder that a path of the data starts from; the current one where absent.
    pub data_folder: Option<PathBuf>,
    /// The folder that paths of its other settings start from.
    pub file_folder: Option<PathBuf>,
}

/// What source control says of the model that is trained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitState {
    /// Hash of the commit that is checked out; `None` where there is none yet.
    pub commit: Option<String>,
    /// Whether every file under source control is as it was committed.
    pub is_clean: bool,
    /// The model file, which may be of no commit even where the tree is clean; `None` where it is no file.
    pub model: Option<ModelState>,
}

/// How the model file compares with the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelState {
    Committed,
    Changed,
    Untracked,
}

/// A process that worked on a run: the one that began it, and each that went on with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// As ISO 8601, in UTC.
    pub started: String,
    pub command: Vec<String>,
    /// The folder that the paths of the command start from.
    pub directory: String,
    pub git: Option<GitState>,
    pub host: String,
    pub processor: String,
    /// Those that kernels choose their instructions by.
    pub cpu_features: Vec<String>,
    pub threads: usize,
    pub device: String,
    pub hgnnc: String,
    /// The target that this program was compiled for, and by what.
    pub target: String,
    pub rustc: String,
    pub candle: String,
}

impl Session {
    /// This process.
    pub fn here(origin: &Origin, device: &Device) -> Self {
        let directory = std::env::current_dir().map(|folder| folder.display().to_string());
        Self {
            started: time::iso(SystemTime::now()),
            command: origin.command.clone(),
            directory: directory.unwrap_or_default(),
            git: origin.git.clone(),
            host: system::host(),
            processor: system::processor(),
            cpu_features: system::cpu_features().into_iter().map(str::to_owned).collect(),
            threads: threads::count(),
            device: if device.is_cpu() { "cpu" } else { "cuda" }.into(),
            hgnnc: env!("CARGO_PKG_VERSION").into(),
            target: env!("HGNNC_TARGET").into(),
            rustc: env!("HGNNC_RUSTC").into(),
            candle: env!("HGNNC_CANDLE").into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_names_the_program_and_its_compiler() {
        let session = Session::here(&Origin::default(), &Device::Cpu);
        // By `rustc -vV` and Cargo.lock: a target has an architecture and a system; Candle's version is locked.
        assert!(session.target.starts_with(std::env::consts::ARCH), "{}", session.target);
        assert!(session.rustc.starts_with("rustc 1."), "{}", session.rustc);
        let locked = format!("name = \"candle-core\"\nversion = \"{}\"", session.candle);
        assert!(include_str!("../../Cargo.lock").contains(&locked), "{locked}");
        assert!(!session.host.is_empty() || !cfg!(unix));
    }
}
