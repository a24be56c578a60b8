//! Which files of a repository a command is about, and how they are called in messages.

use super::error::{ErrorKind, GitError, Result};
use super::repository::Repository;
use super::snapshot::Snapshot;
use std::path::Path;

/// Files and folders, seen from the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen(Vec<String>);

impl Chosen {
    /// Everything.
    pub fn all() -> Self {
        Self(vec![String::new()])
    }

    /// Whether a file is one of them or lies in one of them.
    pub fn has(&self, path: &str) -> bool {
        self.0.iter().any(|chosen| {
            chosen.is_empty()
                || path
                    .strip_prefix(chosen.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

impl Repository {
    /// The files and folders that the user names; each must lie on disk or in `before`.
    ///
    /// # Errors
    /// Where one lies outside or in neither.
    pub fn choose(&self, before: &Snapshot, named: &[String]) -> Result<Chosen> {
        let mut chosen = Vec::new();
        for name in named {
            let Some(path) = self.relative(Path::new(name))? else {
                return Err(GitError::new(
                    ErrorKind::Outside,
                    format!("`{name}` is outside the repository {}", self.root()?.display()),
                )
                .help("give a path inside it"));
            };
            let is_on_disk = self.root()?.join(&path).exists();
            let was_there = || {
                let folder = Chosen(vec![path.clone()]);
                self.files(before, "").is_ok_and(|files| files.iter().any(|file| folder.has(file)))
            };
            if !is_on_disk && !was_there() {
                return Err(GitError::new(
                    ErrorKind::NotThere,
                    format!("`{name}` is neither on disk nor in {before}"),
                ));
            }
            chosen.push(path);
        }
        Ok(Chosen(chosen))
    }

    /// A path of the repository as it is written in the current folder: `../models/gcn.hgnn`.
    pub fn shown(&self, path: &str) -> String {
        let Ok(Some(here)) = self.relative(Path::new("")) else { return path.to_owned() };
        let here: Vec<&str> = here.split('/').filter(|part| !part.is_empty()).collect();
        let parts: Vec<&str> = path.split('/').collect();
        let n_shared = here.iter().zip(&parts).take_while(|(one, other)| one == other).count();
        let n_shared = n_shared.min(parts.len() - 1);
        let mut shown = vec![".."; here.len() - n_shared];
        shown.extend(&parts[n_shared..]);
        shown.join("/")
    }

    /// Whether a file is the copy that a run keeps of its model, which is no file of its own.
    pub fn is_copy_of_run(&self, snapshot: &Snapshot, path: &str) -> bool {
        let record = match path.rsplit_once('/') {
            Some((folder, _)) => format!("{folder}/run.json"),
            None => "run.json".to_owned(),
        };
        self.exists(snapshot, &record)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::TempRepo;
    use super::*;

    #[test]
    fn names_are_seen_from_the_current_folder() {
        let repo = TempRepo::new();
        repo.write("m/a/x.hgnn", "");
        repo.write("n/y.hgnn", "");
        let opened = Repository::discover_alone(&repo.root().join("m/a")).unwrap();
        let names = ["m/a/x.hgnn", "m/z.hgnn", "n/y.hgnn", "top.hgnn"].map(|path| opened.shown(path));
        assert_eq!(names, ["x.hgnn", "../z.hgnn", "../../n/y.hgnn", "../../top.hgnn"]);
        let chosen = opened.choose(&Snapshot::Index, &["../../n".into(), "x.hgnn".into()]).unwrap();
        assert_eq!(["n/y.hgnn", "nn/y.hgnn", "m/a/x.hgnn"].map(|path| chosen.has(path)), [true, false, true]);
        let error = opened.choose(&Snapshot::Index, &["gone".into()]).unwrap_err();
        assert_eq!(error.message, "`gone` is neither on disk nor in the index");
        let error = opened.choose(&Snapshot::Index, &["../../../x".into()]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Outside);
    }
}
