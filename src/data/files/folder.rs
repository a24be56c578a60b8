//! The files below a folder, as far as they could be of a data set.

use super::group::{Found, Place, is_hidden, part_of};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Folders inside each other that are looked into.
const MAX_DEPTH: usize = 8;

/// Entries of all folders together that are looked at: a home folder named by mistake ends the search early.
const MAX_ENTRIES: usize = 50_000;

/// What a search of a folder found.
#[derive(Debug, Clone)]
pub struct Walk {
    /// Files that could be parts of a set: named `….txt` or `….txt.gz`.
    pub files: Vec<Found>,
    /// Other files.
    others: Vec<PathBuf>,
    /// Folders below, from the top down, each before its subfolders.
    pub folders: Vec<PathBuf>,
    /// There was more than is looked at.
    pub is_cut: bool,
}

impl Walk {
    /// The files of a folder, without its subfolders.
    pub fn direct(folder: &Path) -> Vec<Found> {
        Self::run(folder, 0).files
    }

    /// The files of a folder and all below, each folder once whatever links lead to it.
    pub fn below(folder: &Path) -> Self {
        Self::run(folder, MAX_DEPTH)
    }

    /// Names of files that are no parts, for a message.
    pub fn other_names(&self) -> Vec<String> {
        let texts = self.files.iter().map(|found| found.file.clone()).filter(|name| part_of(name).is_none());
        let others = self.others.iter().filter_map(|path| path.file_name());
        texts.chain(others.map(|name| name.to_string_lossy().into_owned())).collect()
    }

    /// Files that could be no part of a set in TU layout.
    pub fn others(&self) -> &[PathBuf] {
        &self.others
    }

    /// The zip archives among them.
    pub fn archives(&self) -> impl Iterator<Item = PathBuf> + '_ {
        let is_zip =
            |path: &&PathBuf| path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("zip"));
        self.others.iter().filter(is_zip).cloned()
    }

    fn run(root: &Path, max_depth: usize) -> Self {
        let mut walk = Self { files: Vec::new(), others: Vec::new(), folders: Vec::new(), is_cut: false };
        let mut open = vec![(root.to_path_buf(), String::new())];
        let mut seen: BTreeSet<PathBuf> = BTreeSet::new();
        let mut n_entries = 0;
        for depth in 0..=max_depth {
            let mut below = Vec::new();
            for (folder, inner) in open {
                // A link may lead back up.
                if max_depth > 0 && !folder.canonicalize().is_ok_and(|real| seen.insert(real)) {
                    continue;
                }
                for name in names(&folder) {
                    n_entries += 1;
                    if n_entries > MAX_ENTRIES {
                        walk.is_cut = true;
                        return walk;
                    }
                    if is_hidden(&name) {
                        continue;
                    }
                    let path = folder.join(&name);
                    if is_text(&name) {
                        walk.files.push(Found {
                            folder: inner.clone(),
                            file: name,
                            place: Place::Path(path),
                        });
                    } else if max_depth > 0 && path.is_dir() {
                        let slash = if inner.is_empty() { "" } else { "/" };
                        let inner = format!("{inner}{slash}{name}");
                        walk.folders.push(path.clone());
                        below.push((path, inner));
                    } else if max_depth > 0 {
                        walk.others.push(path);
                    }
                }
            }
            walk.is_cut |= depth == max_depth && !below.is_empty() && max_depth > 0;
            open = below;
        }
        walk
    }
}

fn is_text(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with(".txt") || name.ends_with(".txt.gz")
}

/// Names in a folder in the order of the alphabet; none where it cannot be read. Comparing names read from the
/// folder keeps them case-exact where the file system is not.
pub fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    names
}
