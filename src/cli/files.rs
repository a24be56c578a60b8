//! The files that a command works on when it is given folders or nothing, and writing them back.

use super::Failure;
use crate::train::{RunFolder, write_file};
use std::fs;
use std::path::{Path, PathBuf};

/// All `.hgnn` files that are meant: files as they are named, folders with everything below them, and the current
/// folder where nothing is named. What `.gitignore` and `.ignore` leave out, hidden folders and runs are passed over.
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
            return Err(Failure::of_file(format!("the file `{}` does not exist", path.display())));
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
        // The copies in the folder of a run say what was trained; they are no sources.
        .filter_entry(|entry| entry.depth() == 0 || !RunFolder::is_run(entry.path()))
        .sort_by_file_path(|a, b| a.cmp(b))
        .build();
    for entry in walk {
        let entry = entry.map_err(|error| {
            Failure::of_file(format!("the files below `{}` cannot be listed: {error}", folder.display()))
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
        return Err(Failure::of_file(format!("the file `{}` is read-only", path.display()))
            .help("make it writable, or leave it out"));
    }
    write_file(path, |file| file.write_all(text.as_bytes()))?;
    if let Ok(permissions) = permissions {
        fs::set_permissions(path, permissions).map_err(|error| {
            Failure::of_file(format!("the permissions of `{}` cannot be kept: {error}", path.display()))
        })?;
    }
    Ok(())
}
