//! Where a set lies whose files have fixed names in a folder of its own (`ind.NAME.x`, `edge.csv.gz`).
//!
//! A name is looked for as a folder `NAME`, in it or in its subfolder `raw`, in the data folder (`--data-dir`, else
//! `HGNN_DATA`), in the subfolders of the data folder that the layout is known by, and in the same of the cache folder; the
//! first that has it wins. Capital letters and the difference of `-` and `_` do not count, because tools that download
//! sets write both. A name with a slash is a path instead.

use super::DataOptions;
use super::error::DataError;
use super::files::entries;
use super::locate::{is_path, no_such_path};
use crate::findings::names::did_you_mean;
use std::path::{Path, PathBuf};

/// A layout of files in a folder.
pub struct Layout {
    /// The source that reads it.
    pub source: &'static str,
    /// Subfolders of the data folder that hold sets of it.
    pub folders: &'static [&'static str],
    /// Whether a folder holds such a set; the name is that of the set, empty where only a path is given.
    pub is_set: fn(&Path, &str) -> bool,
    /// The file that a folder without a set lacks, and what a set is: `ind.NAME.x`.
    pub lacks: &'static str,
    pub published: &'static [&'static str],
    pub url: &'static str,
}

impl Layout {
    /// The folder with the files of a set.
    ///
    /// # Errors
    /// Where a path leads to none, or no folder has a set of that name.
    pub fn find(&self, name: &str, options: &DataOptions) -> Result<PathBuf, DataError> {
        if is_path(name) {
            let path = options.path_of(name);
            if let Err(error) = path.metadata() {
                return Err(no_such_path(name, &path, &error));
            }
            return self.inner(&path, "").ok_or_else(|| {
                let help = if path.is_dir() {
                    format!("`hgnnc ops {}` describes the layout", self.source)
                } else {
                    "name the folder that holds the files; an archive has to be unpacked first".to_owned()
                };
                DataError::new("data::missing_part", format!("there is no {} here", self.lacks))
                    .file(path.display().to_string())
                    .help(help)
            });
        }
        let roots = self.roots(options);
        for root in &roots {
            let names = entries(root);
            // The exact name first.
            let fits = |entry: &&String| entry.as_str() != name && plain(entry) == plain(name);
            let exact = names.iter().filter(|entry| entry.as_str() == name);
            for entry in exact.chain(names.iter().filter(fits)) {
                if let Some(folder) = self.inner(&root.join(entry), name) {
                    return Ok(folder);
                }
            }
        }
        Err(self.not_found(name, &roots, options))
    }

    fn inner(&self, folder: &Path, name: &str) -> Option<PathBuf> {
        [folder.to_path_buf(), folder.join("raw")].into_iter().find(|folder| (self.is_set)(folder, name))
    }

    fn roots(&self, options: &DataOptions) -> Vec<PathBuf> {
        let mut roots = Vec::new();
        for folder in [&options.data_dir, &options.cache_dir].into_iter().flatten() {
            roots.push(folder.clone());
            roots.extend(self.folders.iter().map(|inner| folder.join(inner)));
        }
        roots
    }

    fn not_found(&self, name: &str, roots: &[PathBuf], options: &DataOptions) -> DataError {
        let folder = self.folders[0];
        let put = match &options.data_dir {
            Some(data) => format!("put its files into {}", data.join(folder).join(name).display()),
            None => format!(
                "put its files into a folder `{folder}/{name}`, and name the folder around `{folder}` with `--data-dir` or HGNN_DATA"
            ),
        };
        if self.published.contains(&name) {
            return DataError::new(
                "data::not_here",
                format!("the data set `{name}` was not found in any data folder"),
            )
            .help(format!(
                "{put}; it is published at {}{}",
                self.url,
                super::fetch::way_to(name)
            ));
        }
        let here = roots.iter().flat_map(|root| entries(root).into_iter().map(move |entry| (root, entry)));
        let here = here.filter(|(root, entry)| self.inner(&root.join(entry), entry).is_some());
        let known: Vec<String> = here
            .map(|(_, entry)| entry)
            .chain(self.published.iter().map(|name| (*name).to_owned()))
            .collect();
        let like = did_you_mean(name, known.iter().map(String::as_str))
            .map(|like| format!("did you mean `{like}`?\n"))
            .unwrap_or_default();
        let beside = options.path_of(name);
        let like = match beside.is_dir() && self.inner(&beside, "").is_some() {
            true => format!("`{name}` lies here: write `./{name}` to name it by its path\n"),
            false => like,
        };
        DataError::new("data::unknown_set", format!("`{}` finds no data set `{name}`", self.source))
            .help(format!("{like}{put}"))
    }
}

/// A name without what tools write differently.
fn plain(name: &str) -> String {
    name.to_ascii_lowercase().replace('-', "_")
}
