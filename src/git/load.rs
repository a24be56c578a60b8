//! A file of a snapshot with all it uses, from that same snapshot.

use super::error::{ErrorKind, GitError, Result};
use super::repository::{Repository, normalised, slashed};
use super::snapshot::Snapshot;
use crate::diagnostic::Diagnostic;
use crate::source::SourceMap;
use crate::syntax::ast::ItemKind;
use crate::syntax::{self, OutOfReach, Program};
use std::io;
use std::path::Path;

/// How far back a content is searched: a second's work in a large repository.
const N_COMMITS_SEARCHED: usize = 5000;

/// A file with all it uses, parsed. Its files are called as [`Snapshot::name_of`] has it.
#[derive(Debug)]
pub struct Loaded {
    pub sources: SourceMap,
    pub program: Program,
    /// What is wrong with the text and with `use`.
    pub diagnostics: Vec<Diagnostic>,
}

impl Repository {
    /// Reads and parses a file and what it names with `use`.
    ///
    /// # Errors
    /// Where the file itself cannot be read or is not UTF-8. Mistakes inside, and in the files it uses, are among
    /// the diagnostics.
    pub fn load(&self, snapshot: &Snapshot, path: &str) -> Result<Loaded> {
        let text = self.read_text(snapshot, path)?;
        Ok(self.load_text(snapshot, path, &text))
    }

    /// Parses a text that stands at `path`, with what it names with `use` from the snapshot.
    pub fn load_text(&self, snapshot: &Snapshot, path: &str, text: &str) -> Loaded {
        let mut sources = SourceMap::default();
        let main = sources.add(path, text);
        let read = |used: &str| self.read_used(snapshot, used);
        let (program, diagnostics) = syntax::load_program(&mut sources, main, &read);
        // Paths are resolved by their plain names; people are shown the revision as well.
        let mut named = SourceMap::default();
        for (_, file) in sources.files() {
            named.add(snapshot.name_of(&file.name), file.text.clone());
        }
        Loaded { sources: named, program, diagnostics }
    }

    /// A snapshot that has this content of a file, known by its hash, to look up what `text` uses: the last commit,
    /// the index, or the latest of the commits before. Git gives its diff drivers contents, but no revisions, so of
    /// two commits that share the content the later one is taken.
    pub fn holding(&self, path: &str, hash: &str, text: &str) -> Option<Snapshot> {
        // Only `use` looks at other files of the snapshot.
        if self.used_by(path, text).is_empty() {
            return Some(Snapshot::Index);
        }
        let has = |snapshot: &Snapshot| {
            let found = self.find(snapshot, path).map(|oid| oid.to_string());
            // Git may give the first digits alone.
            found.is_ok_and(|found| hash.len() >= 7 && found.starts_with(hash))
        };
        let head = self.snapshot("HEAD").ok();
        if let Some(head) = head.filter(has) {
            return Some(head);
        }
        if has(&Snapshot::Index) {
            return Some(Snapshot::Index);
        }
        let mut walk = self.inner.revwalk().ok()?;
        walk.set_sorting(git2::Sort::TIME).ok()?;
        walk.push_glob("*").ok()?;
        let commits = walk.flatten().take(N_COMMITS_SEARCHED);
        commits.filter_map(|commit| self.snapshot(&commit.to_string()).ok()).find(|snapshot| has(snapshot))
    }

    /// The text of a file.
    ///
    /// # Errors
    /// As [`Repository::read`], and where it is not UTF-8.
    pub fn read_text(&self, snapshot: &Snapshot, path: &str) -> Result<String> {
        let bytes = self.read(snapshot, path)?;
        syntax::decode(&snapshot.name_of(path), &bytes).map_err(|found| GitError {
            kind: ErrorKind::NotText,
            message: found.message,
            help: found.help,
        })
    }

    /// Reads a file that `use` names, for [`syntax::load_program`]: `path` is seen from the root.
    ///
    /// # Errors
    /// In the kinds that `load_program` distinguishes.
    pub fn read_used(&self, snapshot: &Snapshot, path: &str) -> io::Result<String> {
        let Some(inside) = self.inside(path) else {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                OutOfReach {
                    reason: format!("it is outside the repository, so {snapshot} does not have it"),
                    help: "put the file into the repository".to_owned(),
                },
            ));
        };
        self.read_text(snapshot, &inside).map_err(|error| {
            let kind = match error.kind {
                ErrorKind::NotThere => io::ErrorKind::NotFound,
                ErrorKind::NotText => io::ErrorKind::InvalidData,
                _ => io::ErrorKind::Other,
            };
            io::Error::new(kind, error.message)
        })
    }

    /// A path that leaves the root and comes back, or an absolute one, as seen from the root.
    fn inside(&self, path: &str) -> Option<String> {
        if !path.starts_with("..") && !Path::new(path).is_absolute() {
            return Some(path.to_owned());
        }
        let root = self.root().ok()?;
        slashed(normalised(&root.join(path)).strip_prefix(root).ok()?).ok()
    }

    /// The files that a text at `path` names with `use`, seen from the root; those outside are left out.
    pub(super) fn used_by(&self, path: &str, text: &str) -> Vec<String> {
        let mut sources = SourceMap::default();
        let main = sources.add(path, text);
        let (file, _) = syntax::parse(&sources, main);
        let used = file.items.iter().filter_map(|item| match &item.kind {
            ItemKind::Use { path: used } if !used.text.is_empty() => {
                self.inside(&syntax::resolve_use(path, &used.text))
            }
            _ => None,
        });
        used.collect()
    }
}
