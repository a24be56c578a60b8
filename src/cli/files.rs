//! The files that a command works on when it is given folders or nothing, and writing them back.

use super::Failure;
use crate::train::write_file;
use std::fs;
use std::path::{Path, PathBuf};

/// All `.hgnn` files that are meant: files as they are named, folders with everything below them, and the current
/// folder where nothing is named. What `.gitignore` and `.ignore` leave out, and hidden folders, are passed over.
/// In the order named, files of a folder by their path; each once.
///
/// # Errors
/// Where a file or folder does not exist or cannot be read.
pub fn find(named: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let here = [PathBuf::from(".")];
    let mut found = Vec::new();
    for path in if named.is_empty() { &here[..] } else { named } {
        if path.is_dir() {
            below(path, &mut found)?;
        } else if path.exists() {
            found.push(path.clone());
        } else {
            return Err(Failure::new(format!("the file `{}` does not exist", path.display())));
        }
    }
    let mut seen = std::collections::HashSet::new();
    found.retain(|path| seen.insert(fs::canonicalize(path).unwrap_or_else(|_| path.clone())));
    Ok(found)
}

fn below(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let walk = ignore::WalkBuilder::new(folder)
        // A `.gitignore` counts in a folder that is no repository too, such as a copy of one.
        .require_git(false)
        .sort_by_file_path(|a, b| a.cmp(b))
        .build();
    for entry in walk {
        let entry = entry.map_err(|error| {
            Failure::new(format!("the files below `{}` cannot be listed: {error}", folder.display()))
        })?;
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "hgnn") && path.is_file() {
            // `./model.hgnn` is shown as `model.hgnn`.
            found.push(path.strip_prefix(".").unwrap_or(path).to_owned());
        }
    }
    Ok(())
}

/// Replaces the content of a file, at once and with the permissions it had.
///
/// # Errors
/// Where it cannot be written.
pub fn rewrite(path: &Path, text: &str) -> Result<(), Failure> {
    let permissions = fs::metadata(path).map(|found| found.permissions());
    if permissions.as_ref().is_ok_and(fs::Permissions::readonly) {
        return Err(Failure::new(format!("the file `{}` is read-only", path.display()))
            .help("make it writable, or leave it out"));
    }
    write_file(path, |file| file.write_all(text.as_bytes()))?;
    if let Ok(permissions) = permissions {
        fs::set_permissions(path, permissions).map_err(|error| {
            Failure::new(format!("the permissions of `{}` cannot be kept: {error}", path.display()))
        })?;
    }
    Ok(())
}

/// The files of a list that could not be written. One of them keeps no other from being written.
#[derive(Debug, Default)]
pub struct Failed(Vec<Failure>);

impl Failed {
    /// Whether it was written.
    pub fn note(&mut self, written: Result<(), Failure>) -> bool {
        let is_written = written.is_ok();
        self.0.extend(written.err());
        is_written
    }

    /// # Errors
    /// Where a file could not be written: the first, and how many more.
    pub fn told(self) -> Result<(), Failure> {
        let n_more = self.0.len().saturating_sub(1);
        match self.0.into_iter().next() {
            None => Ok(()),
            Some(Failure::Stopped { message, help }) if n_more > 0 => {
                let more =
                    if n_more == 1 { "1 more file".to_owned() } else { format!("{n_more} more files") };
                Err(Failure::Stopped { message: format!("{message}; {more} could not be written"), help })
            }
            Some(failure) => Err(failure),
        }
    }
}
