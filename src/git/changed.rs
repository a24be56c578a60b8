//! Which files differ between a revision and the files on disk, in themselves or through what they `use`.

use super::error::{GitError, Result};
use super::repository::Repository;
use super::snapshot::{Snapshot, text};
use git2::{Delta, DiffFindOptions, DiffOptions};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

/// What has become of a file since a revision. Whether it is staged makes no difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Added,
    Modified,
    Deleted,
    /// Moved, and perhaps modified as well; the old path.
    Renamed {
        from: String,
    },
    /// It is the same, but a file that it uses is not: the files from the first that it uses to the one that
    /// has changed.
    Used {
        through: Vec<String>,
    },
}

/// A file that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// From the root; where it is deleted, the old path.
    pub path: String,
    pub change: Change,
}

impl Changed {
    /// Where the file lay at the revision; `None` where it is new.
    pub fn old_path(&self) -> Option<&str> {
        match &self.change {
            Change::Added => None,
            Change::Renamed { from } => Some(from),
            _ => Some(&self.path),
        }
    }

    /// Where it lies on disk; `None` where it is deleted.
    pub fn new_path(&self) -> Option<&str> {
        (self.change != Change::Deleted).then_some(&self.path)
    }

    /// `new`, `renamed from old.hgnn`, `uses blocks.hgnn, which has changed`
    pub fn words(&self) -> String {
        match &self.change {
            Change::Added => "new".into(),
            Change::Modified => "modified".into(),
            Change::Deleted => "deleted".into(),
            Change::Renamed { from } => format!("renamed from {from}"),
            Change::Used { through } => match through.as_slice() {
                [first @ .., last] if !first.is_empty() => {
                    format!("uses {last}, which has changed, through {}", first.join(", "))
                }
                all => format!("uses {}, which has changed", all.concat()),
            },
        }
    }
}

impl Repository {
    /// The files with this suffix on disk that differ from `before`, also those that have not changed themselves
    /// but use a file that has, in order of their paths. Files that git ignores count only where it tracks them.
    ///
    /// # Errors
    /// Where the repository cannot be read, is bare, or a name is not UTF-8.
    pub fn changed_files(&self, before: &Snapshot, suffix: &str) -> Result<Vec<Changed>> {
        let all = self.all_changes(before, suffix)?;
        self.with_users(&all, &Snapshot::WorkingTree, suffix)
    }

    /// The files with this suffix that the next commit changes, also those that use one of them.
    ///
    /// # Errors
    /// As [`Repository::changed_files`].
    pub fn staged_files(&self, suffix: &str) -> Result<Vec<Changed>> {
        let broken = |error: git2::Error| GitError::broken("the staged files cannot be found", &error);
        // Before the first commit everything is new.
        let tree = self.inner.head().ok().and_then(|head| head.peel_to_tree().ok());
        let mut options = DiffOptions::new();
        options.include_typechange(true).ignore_submodules(true).skip_binary_check(true);
        let mut diff =
            self.inner.diff_tree_to_index(tree.as_ref(), None, Some(&mut options)).map_err(broken)?;
        diff.find_similar(Some(DiffFindOptions::new().renames(true))).map_err(broken)?;
        let mut all = Vec::new();
        for delta in diff.deltas() {
            all.extend(changed(&delta, suffix)?);
        }
        // `git add --intent-to-add` names a file that the commit will not have.
        let index = self.inner.index().map_err(broken)?;
        let is_only_named = |path: &str| {
            let entry = index.get_path(Path::new(path), 0);
            entry.is_some_and(|entry| {
                entry.flags_extended & git2::IndexEntryExtendedFlag::INTENT_TO_ADD.bits() != 0
            })
        };
        all.retain(|changed| !is_only_named(&changed.path));
        self.with_users(&all, &Snapshot::Index, suffix)
    }

    /// The changes of files with this suffix, and the files of `after` that use a changed one.
    fn with_users(&self, all: &[Changed], after: &Snapshot, suffix: &str) -> Result<Vec<Changed>> {
        let mut found: Vec<Changed> = Vec::new();
        for changed in all {
            let is_ours = |path: &str| path.ends_with(suffix);
            let change = match &changed.change {
                // A file that was or becomes something else by its name.
                Change::Renamed { from } if !is_ours(from) => Change::Added,
                Change::Renamed { from } if !is_ours(&changed.path) => {
                    found.push(Changed { path: from.clone(), change: Change::Deleted });
                    continue;
                }
                change => change.clone(),
            };
            if is_ours(&changed.path) {
                found.push(Changed { path: changed.path.clone(), change });
            }
        }
        found.extend(self.changed_through_use(all, after, suffix)?);
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    /// All differences, whatever the files are called; only the names with the suffix have to be UTF-8.
    fn all_changes(&self, before: &Snapshot, suffix: &str) -> Result<Vec<Changed>> {
        self.root()?;
        let broken = |error: git2::Error| GitError::broken("the changed files cannot be found", &error);
        let mut options = DiffOptions::new();
        options.include_untracked(true).recurse_untracked_dirs(true).include_typechange(true);
        options.ignore_submodules(true).ignore_filemode(true).skip_binary_check(true);
        let mut diff = match before {
            Snapshot::Tree { tree, .. } => {
                let tree = self.inner.find_tree(*tree).map_err(broken)?;
                // Files on disk against the tree, whatever the index says of them.
                self.inner.diff_tree_to_workdir(Some(&tree), Some(&mut options)).map_err(broken)?
            }
            Snapshot::Index => self.inner.diff_index_to_workdir(None, Some(&mut options)).map_err(broken)?,
            Snapshot::WorkingTree => return Ok(Vec::new()),
        };
        let mut similar = DiffFindOptions::new();
        similar.renames(true).for_untracked(true);
        diff.find_similar(Some(&mut similar)).map_err(broken)?;
        let mut changes = Vec::new();
        for delta in diff.deltas() {
            let Some(Changed { path, change }) = changed(&delta, suffix)? else { continue };
            // The library may report a file whose time stamp alone has changed.
            if change == Change::Modified
                && self
                    .read(before, &path)
                    .is_ok_and(|old| self.read(&Snapshot::WorkingTree, &path).is_ok_and(|new| new == old))
            {
                continue;
            }
            changes.push(Changed { path, change });
        }
        // A file may be tracked although it is ignored; then the comparison with a tree passes over it.
        if matches!(before, Snapshot::Tree { .. }) {
            let mut known: BTreeSet<String> = self.files(before, "")?.into_iter().collect();
            known.extend(changes.iter().map(|changed| changed.path.clone()));
            let tracked = self.files(&Snapshot::Index, "")?.into_iter();
            let missed = tracked.filter(|path| !known.contains(path));
            changes.extend(
                missed
                    .filter(|path| self.exists(&Snapshot::WorkingTree, path))
                    .map(|path| Changed { path, change: Change::Added }),
            );
        }
        Ok(changes)
    }

    /// Files that are not changed themselves but use, over any number of files, one that is.
    fn changed_through_use(
        &self,
        changes: &[Changed],
        after: &Snapshot,
        suffix: &str,
    ) -> Result<Vec<Changed>> {
        let files = self.files(after, suffix)?;
        let mut users: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for path in &files {
            // What cannot be read uses nothing that could be known.
            let Ok(text) = self.read_text(after, path) else { continue };
            for used in self.used_by(path, &text) {
                users.entry(used).or_default().push(path);
            }
        }
        // From the changed files to their users, breadth first, so that the shortest reason is given.
        let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let mut queue: VecDeque<(&str, Vec<String>)> = VecDeque::new();
        for changed in changes {
            queue.push_back((&changed.path, Vec::new()));
            if let Change::Renamed { from } = &changed.change {
                queue.push_back((from, Vec::new()));
            }
        }
        while let Some((path, reason)) = queue.pop_front() {
            let mut through = vec![path.to_owned()];
            through.extend(reason);
            for user in users.get(path).into_iter().flatten() {
                if reasons.contains_key(user) {
                    continue;
                }
                reasons.insert(user, through.clone());
                queue.push_back((user, through.clone()));
            }
        }
        let is_changed = |path: &str| changes.iter().any(|changed| changed.path == path);
        let found = reasons.into_iter().filter(|(path, _)| !is_changed(path));
        Ok(found
            .map(|(path, through)| Changed { path: path.to_owned(), change: Change::Used { through } })
            .collect())
    }
}

/// A difference as the library has it; `None` for what is none of a file that can be named.
fn changed(delta: &git2::DiffDelta, suffix: &str) -> Result<Option<Changed>> {
    let path =
        |file: git2::DiffFile| text(file.path_bytes().unwrap_or_default().to_vec(), suffix).transpose();
    let (Some(old), Some(new)) = (path(delta.old_file())?, path(delta.new_file())?) else { return Ok(None) };
    let change = match delta.status() {
        Delta::Added | Delta::Untracked | Delta::Copied => Change::Added,
        Delta::Deleted => Change::Deleted,
        Delta::Renamed => Change::Renamed { from: old.clone() },
        Delta::Modified | Delta::Typechange | Delta::Conflicted => Change::Modified,
        Delta::Unmodified | Delta::Ignored | Delta::Unreadable => return Ok(None),
    };
    let path = if change == Change::Deleted { old } else { new };
    // The folder of another repository is listed with a slash at its end.
    Ok((!path.ends_with('/')).then_some(Changed { path, change }))
}

#[cfg(test)]
mod tests {
    use super::super::testing::TempRepo;
    use super::*;

    /// The changed files since `HEAD` in words, one line a file.
    fn changes(repo: &TempRepo) -> String {
        let opened = repo.open();
        let changed = opened.changed_files(&opened.snapshot("HEAD").unwrap(), ".hgnn").unwrap();
        changed.iter().map(|file| format!("{}: {}\n", file.path, file.words())).collect()
    }

    const LONG: &str = "// one\n// two\n// three\nsage(64) -> relu -> sage(64) -> relu -> mean -> mlp\n";

    #[test]
    fn staged_unstaged_and_untracked_changes_count_alike() {
        let repo = TempRepo::new();
        for name in ["same", "edited", "staged", "gone", "unstaged gone", "restored"] {
            repo.write(&format!("m/{name}.hgnn"), format!("// {name}\ngcn(8) -> mean -> mlp"));
        }
        repo.write("m/old.hgnn", LONG);
        repo.write("m/notes.txt", "a");
        repo.commit("first");
        repo.write("m/edited.hgnn", "gcn(9)");
        repo.write("m/staged.hgnn", "gcn(10)");
        repo.write("m/größe neu.hgnn", "gcn(11)");
        repo.write("m/restored.hgnn", "gcn(12)");
        repo.stage("m/staged.hgnn");
        repo.stage("m/restored.hgnn");
        repo.write("m/restored.hgnn", "// restored\ngcn(8) -> mean -> mlp");
        repo.remove("m/gone.hgnn");
        repo.unstage("m/gone.hgnn");
        repo.remove("m/unstaged gone.hgnn");
        repo.remove("m/old.hgnn");
        repo.write("m/new place.hgnn", LONG.replace("mean", "max"));
        repo.write("m/notes.txt", "b");
        assert_eq!(
            changes(&repo),
            "m/edited.hgnn: modified\nm/gone.hgnn: deleted\nm/größe neu.hgnn: new\n\
             m/new place.hgnn: renamed from m/old.hgnn\nm/staged.hgnn: modified\nm/unstaged gone.hgnn: deleted\n"
        );
    }

    #[test]
    fn what_the_index_forgot_and_what_is_ignored_is_compared_on_disk() {
        let repo = TempRepo::new();
        repo.write("kept.hgnn", "gcn(8)");
        repo.write(".gitignore", "*.local.hgnn\n");
        repo.commit("first");
        // `git rm --cached`: still there, and the same.
        repo.unstage("kept.hgnn");
        repo.write("a.local.hgnn", "gcn(1)");
        repo.write("b.local.hgnn", "gcn(2)");
        repo.stage("b.local.hgnn");
        assert_eq!(changes(&repo), "b.local.hgnn: new\n");
    }

    #[test]
    fn a_file_changes_with_what_it_uses() {
        let repo = TempRepo::new();
        repo.write("lib/conv.txt", "let width = 8");
        repo.write("lib/blocks.hgnn", "use \"conv.txt\"\nblock b() = gcn(width)");
        repo.write("m/a.hgnn", "use \"../lib/blocks.hgnn\"\nb -> mean -> mlp");
        repo.write("m/b.hgnn", "gcn(8) -> mean -> mlp");
        repo.write("m/c.hgnn", "use \"../../outside.hgnn\"\nuse \"c.hgnn\"\ngcn(8) -> mean -> mlp");
        repo.commit("first");
        assert_eq!(changes(&repo), "");
        repo.write("lib/conv.txt", "let width = 16");
        assert_eq!(
            changes(&repo),
            "lib/blocks.hgnn: uses lib/conv.txt, which has changed\n\
             m/a.hgnn: uses lib/conv.txt, which has changed, through lib/blocks.hgnn\n"
        );
        repo.write("lib/blocks.hgnn", "use \"conv.txt\"\nblock b() = sage(width)");
        assert_eq!(
            changes(&repo),
            "lib/blocks.hgnn: modified\nm/a.hgnn: uses lib/blocks.hgnn, which has changed\n"
        );
    }

    #[test]
    fn staged_files_are_those_of_the_next_commit() {
        let repo = TempRepo::new();
        repo.write("lib.hgnn", "let width = 8");
        repo.stage("lib.hgnn");
        let staged = |repo: &TempRepo| {
            let changed = repo.open().staged_files(".hgnn").unwrap();
            changed.iter().map(|file| format!("{}: {}", file.path, file.words())).collect::<Vec<_>>()
        };
        assert_eq!(staged(&repo), ["lib.hgnn: new"]);
        repo.write("a.hgnn", "use \"lib.hgnn\"\ngcn(width) -> mean -> mlp");
        repo.commit("first");
        assert_eq!(staged(&repo), [""; 0]);
        repo.write("lib.hgnn", "let width = 9");
        repo.write("b.hgnn", "use \"lib.hgnn\"");
        repo.stage("lib.hgnn");
        repo.write("lib.hgnn", "let width = 8");
        // What is not staged does not count, neither `b.hgnn` nor the second change.
        assert_eq!(staged(&repo), ["a.hgnn: uses lib.hgnn, which has changed", "lib.hgnn: modified"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_names_of_models_have_to_be_text() {
        use std::os::unix::ffi::OsStrExt;
        let repo = TempRepo::new();
        repo.write("a.hgnn", "gcn(8)");
        let write =
            |name: &[u8]| std::fs::write(repo.root().join(std::ffi::OsStr::from_bytes(name)), "x").unwrap();
        write(b"\xff.txt");
        repo.commit("first");
        write(b"\xfe.txt");
        repo.write("a.hgnn", "gcn(9)");
        assert_eq!(changes(&repo), "a.hgnn: modified\n");
        write(b"\xff.hgnn");
        let opened = repo.open();
        let error = opened.changed_files(&opened.snapshot("HEAD").unwrap(), ".hgnn").unwrap_err();
        assert_eq!(error.help.as_deref(), Some("rename the file"));
    }

    #[test]
    fn a_bare_repository_has_nothing_to_compare_with() {
        let folder = tempfile::tempdir().unwrap();
        git2::Repository::init_bare(folder.path()).unwrap();
        let opened = Repository::discover_alone(folder.path()).unwrap();
        let error = opened.changed_files(&Snapshot::Index, ".hgnn").unwrap_err();
        assert!(error.message.contains("is bare"), "{error}");
    }
}
