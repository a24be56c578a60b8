//! The files of a revision, of the index, or on disk, read alike.

use super::error::{ErrorKind, GitError, Result, either, similar};
use super::repository::{Repository, not_utf8};
use crate::reach::{self, Reach};
use crate::regular::ReadError;
use git2::{ObjectType, Oid, StatusOptions, StatusShow, TreeWalkMode, TreeWalkResult};
use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::path::Path;

/// One state of all files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Snapshot {
    /// A commit, or a tree without one.
    Tree {
        /// As the user wrote it.
        name: String,
        tree: Oid,
        commit: Option<Oid>,
    },
    /// What the next commit will hold.
    Index,
    /// What lies on disk.
    WorkingTree,
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tree { name, .. } => f.write_str(name),
            Self::Index => f.write_str("the index"),
            Self::WorkingTree => f.write_str("the working tree"),
        }
    }
}

impl Snapshot {
    /// How a file of it is called in messages: `main:models/gcn.hgnn`; staged files and those on disk by their path.
    pub fn name_of(&self, path: &str) -> String {
        match self {
            Self::Tree { name, .. } => format!("{name}:{path}"),
            Self::Index | Self::WorkingTree => path.to_owned(),
        }
    }

    /// The first digits of its commit.
    pub fn short_commit(&self) -> Option<String> {
        match self {
            Self::Tree { commit, .. } => commit.map(|commit| commit.to_string()[..10].to_owned()),
            _ => None,
        }
    }
}

/// What lies at a path.
enum Entry {
    File(Oid),
    Link(Oid),
    Folder,
    Submodule,
    /// Left by a merge with conflicts.
    Unmerged,
}

// The kinds of entry that git knows, as its trees number them.
const LINK: u32 = 0o120_000;
const SUBMODULE: u32 = 0o160_000;

/// As many links in a row as Linux follows.
const MAX_LINKS: usize = 40;

fn cannot_be_read(name: &str, error: &dyn fmt::Display) -> GitError {
    GitError::new(ErrorKind::NotAFile, format!("`{name}` cannot be read: {error}"))
}

impl Repository {
    /// The content of a file. Links are followed within the same snapshot.
    ///
    /// # Errors
    /// Where there is no such file, or something that is no file.
    pub fn read(&self, snapshot: &Snapshot, path: &str) -> Result<Vec<u8>> {
        if *snapshot == Snapshot::WorkingTree {
            return self.read_on_disk(path);
        }
        let oid = self.find(snapshot, path)?;
        // The size is known before the content is unpacked.
        let size = self.inner.odb().and_then(|all| all.read_header(oid)).map_or(0, |(size, _)| size as u64);
        if size > reach::MAX_BYTES {
            let error = ReadError::TooLarge { size: Some(size), max_bytes: reach::MAX_BYTES };
            return Err(cannot_be_read(&snapshot.name_of(path), &error));
        }
        let blob = self.inner.find_blob(oid).map_err(|error| {
            let name = snapshot.name_of(path);
            let error = GitError::broken(&format!("`{name}` cannot be read"), &error);
            error.help("the content may not be in this clone: run `git fetch`, or `git fsck` to find damage")
        })?;
        Ok(blob.content().to_vec())
    }

    fn read_on_disk(&self, path: &str) -> Result<Vec<u8>> {
        let root = self.root()?;
        let read = Reach::within(root).read(&root.join(path), reach::MAX_BYTES);
        read.map_err(|error| match error {
            reach::Error::Unreadable(ReadError::NotFound) => self.not_there(&Snapshot::WorkingTree, path),
            reach::Error::Unreadable(ReadError::Folder) => is_folder(&Snapshot::WorkingTree, path),
            reach::Error::Unreadable(error) => cannot_be_read(path, &error),
            reach::Error::OutOfReach(error) => cannot_be_read(path, &error),
        })
    }

    /// Whether a file can be read there.
    pub fn exists(&self, snapshot: &Snapshot, path: &str) -> bool {
        match snapshot {
            Snapshot::WorkingTree => self.root().is_ok_and(|root| root.join(path).is_file()),
            _ => self.find(snapshot, path).is_ok(),
        }
    }

    /// The blob at a path, through links.
    pub(super) fn find(&self, snapshot: &Snapshot, path: &str) -> Result<Oid> {
        let name = snapshot.name_of(path);
        let mut rest: VecDeque<String> = path.split('/').map(str::to_owned).collect();
        let mut place: Vec<String> = Vec::new();
        let mut n_links = 0;
        while let Some(part) = rest.pop_front() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    if place.pop().is_none() {
                        return Err(GitError::new(
                            ErrorKind::Outside,
                            format!("`{name}` is outside the repository"),
                        ));
                    }
                    continue;
                }
                _ => place.push(part),
            }
            let here = place.join("/");
            match self.entry(snapshot, &here)? {
                Some(Entry::Folder) => {}
                Some(Entry::File(oid)) if rest.is_empty() => return Ok(oid),
                None | Some(Entry::File(_)) => return Err(self.not_there(snapshot, path)),
                Some(Entry::Submodule) => return Err(in_submodule(&name, &here)),
                Some(Entry::Unmerged) => {
                    return Err(GitError::new(
                        ErrorKind::NotAFile,
                        format!("`{here}` is not merged: the index holds several versions of it"),
                    )
                    .help(format!("resolve the conflict, then `git add {here}`")));
                }
                Some(Entry::Link(oid)) => {
                    n_links += 1;
                    let target = self.link_target(oid);
                    if n_links > MAX_LINKS || target.starts_with('/') || target.is_empty() {
                        let why =
                            if n_links > MAX_LINKS { "goes in a circle" } else { "leaves the repository" };
                        return Err(GitError::new(
                            ErrorKind::NotAFile,
                            format!("`{name}` is a symbolic link that {why}: `{here}` -> `{target}`"),
                        )
                        .help("at a revision only links inside the repository can be followed"));
                    }
                    place.pop();
                    for part in target.split('/').rev() {
                        rest.push_front(part.to_owned());
                    }
                }
            }
        }
        Err(is_folder(snapshot, path))
    }

    fn link_target(&self, oid: Oid) -> String {
        let blob = self.inner.find_blob(oid);
        blob.map(|blob| String::from_utf8_lossy(blob.content()).into_owned()).unwrap_or_default()
    }

    fn entry(&self, snapshot: &Snapshot, path: &str) -> Result<Option<Entry>> {
        let of_mode = |mode: u32, oid| match mode & 0o170_000 {
            LINK => Entry::Link(oid),
            SUBMODULE => Entry::Submodule,
            _ => Entry::File(oid),
        };
        let unreadable = |error: &git2::Error| GitError::broken(&format!("{snapshot} cannot be read"), error);
        match snapshot {
            Snapshot::Tree { tree, .. } => {
                let tree = self.inner.find_tree(*tree).map_err(|error| unreadable(&error))?;
                let Ok(entry) = tree.get_path(Path::new(path)) else { return Ok(None) };
                Ok(Some(match entry.kind() {
                    Some(ObjectType::Tree) => Entry::Folder,
                    // Modes are small positive numbers.
                    _ => of_mode(entry.filemode().unsigned_abs(), entry.id()),
                }))
            }
            _ => {
                let index = self.inner.index().map_err(|error| unreadable(&error))?;
                if let Some(entry) = index.get_path(Path::new(path), 0) {
                    return Ok(Some(of_mode(entry.mode, entry.id)));
                }
                if (1..=3).any(|stage| index.get_path(Path::new(path), stage).is_some()) {
                    return Ok(Some(Entry::Unmerged));
                }
                Ok(index.find_prefix(format!("{path}/")).is_ok().then_some(Entry::Folder))
            }
        }
    }

    fn not_there(&self, snapshot: &Snapshot, path: &str) -> GitError {
        let error = GitError::new(ErrorKind::NotThere, format!("{snapshot} has no file `{path}`"));
        let extension = path.rsplit('/').next().and_then(|name| name.rfind('.').map(|dot| &name[dot..]));
        let known = self.files(snapshot, extension.unwrap_or("")).unwrap_or_default();
        match similar(path, known.iter().map(String::as_str)).as_slice() {
            [] => error,
            close => error.help(format!("did you mean {}?", either(close))),
        }
    }

    /// All files whose name ends in `suffix`, in order. On disk, those that git would not ignore.
    ///
    /// # Errors
    /// Where the repository cannot be read, or a name is not UTF-8.
    pub fn files(&self, snapshot: &Snapshot, suffix: &str) -> Result<Vec<String>> {
        let broken = |error: git2::Error| GitError::broken(&format!("{snapshot} cannot be read"), &error);
        let mut names: BTreeSet<Vec<u8>> = BTreeSet::new();
        let mut take = |name: &[u8]| {
            if name.ends_with(suffix.as_bytes()) {
                names.insert(name.to_vec());
            }
        };
        if let Snapshot::Tree { tree, .. } = snapshot {
            let tree = self.inner.find_tree(*tree).map_err(broken)?;
            tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
                if entry.kind() == Some(ObjectType::Blob) {
                    take(&[folder.as_bytes(), entry.name_bytes()].concat());
                }
                TreeWalkResult::Ok
            })
            .map_err(broken)?;
            return names.into_iter().filter_map(|name| text(name, suffix)).collect();
        }
        let is_on_disk = *snapshot == Snapshot::WorkingTree;
        for entry in self.inner.index().map_err(broken)?.iter() {
            // A submodule stands in the index like a file.
            if entry.mode & 0o170_000 != SUBMODULE {
                take(&entry.path);
            }
        }
        if !is_on_disk {
            return names.into_iter().filter_map(|name| text(name, suffix)).collect();
        }
        let mut options = StatusOptions::new();
        options.show(StatusShow::Workdir).include_untracked(true).recurse_untracked_dirs(true);
        options.exclude_submodules(true).include_ignored(false);
        for entry in self.inner.statuses(Some(&mut options)).map_err(broken)?.iter() {
            // The folder of another repository is listed with a slash at its end.
            if entry.status().is_wt_new() && !entry.path_bytes().ends_with(b"/") {
                take(entry.path_bytes());
            }
        }
        let root = self.root()?;
        let names: Result<Vec<String>> = names.into_iter().filter_map(|name| text(name, suffix)).collect();
        Ok(names?.into_iter().filter(|name| root.join(name).is_file()).collect())
    }
}

/// A name as text. Where all files are asked for, those whose name is none are passed over: nothing can name them.
pub(super) fn text(name: Vec<u8>, suffix: &str) -> Option<Result<String>> {
    match String::from_utf8(name) {
        Ok(name) => Some(Ok(name)),
        Err(error) => {
            let is_asked_for = !suffix.is_empty() && error.as_bytes().ends_with(suffix.as_bytes());
            is_asked_for.then(|| Err(not_utf8(&String::from_utf8_lossy(error.as_bytes()))))
        }
    }
}

fn in_submodule(name: &str, submodule: &str) -> GitError {
    GitError::new(ErrorKind::NotAFile, format!("`{name}` lies in the submodule `{submodule}`"))
        .help("a submodule has a history of its own: run this in its folder, with a revision of its own")
}

fn is_folder(snapshot: &Snapshot, path: &str) -> GitError {
    let what = if path.is_empty() { "the root folder".to_owned() } else { format!("the folder `{path}`") };
    GitError::new(ErrorKind::NotAFile, format!("in {snapshot} that is {what}"))
        .help("name a file; `--against` compares all files of a folder")
}

#[cfg(test)]
mod tests {
    use super::super::testing::TempRepo;
    use super::*;

    #[track_caller]
    fn refused(repo: &TempRepo, revision: &str, path: &str) -> GitError {
        let opened = repo.open();
        opened.read(&opened.snapshot(revision).unwrap(), path).unwrap_err()
    }

    #[test]
    fn what_is_no_file_of_the_revision_is_told() {
        let repo = TempRepo::new();
        repo.write("models/gcn.hgnn", "gcn(8)");
        repo.write("latin.hgnn", b"// gr\xf6\xdfe");
        repo.commit("first");
        let error = refused(&repo, "main", "gcn.hgnn");
        assert_eq!(error.message, "main has no file `gcn.hgnn`");
        assert_eq!(error.help.unwrap(), "did you mean `models/gcn.hgnn`?");
        assert!(refused(&repo, "main", "models").message.contains("that is the folder `models`"));
        assert_eq!(refused(&repo, "main", "models/gcn.hgnn/x").kind, ErrorKind::NotThere);
        assert_eq!(refused(&repo, "main", "../x.hgnn").kind, ErrorKind::Outside);
        let opened = repo.open();
        let error = opened.read_text(&opened.snapshot("main").unwrap(), "latin.hgnn").unwrap_err();
        assert_eq!(error.message, "main:latin.hgnn:1:6: the byte 0xF6 is not UTF-8 text");
    }

    #[test]
    fn the_index_has_the_staged_content_and_tells_conflicts() {
        let repo = TempRepo::new();
        repo.write("a/b.hgnn", "gcn(1)");
        repo.commit("first");
        repo.write("a/b.hgnn", "gcn(2)");
        repo.stage("a/b.hgnn");
        repo.write("a/b.hgnn", "gcn(3)");
        let opened = repo.open();
        let read = |snapshot: &Snapshot| opened.read_text(snapshot, "a/b.hgnn").unwrap();
        assert_eq!(read(&Snapshot::Index), "gcn(2)");
        assert_eq!(read(&Snapshot::WorkingTree), "gcn(3)");
        assert!(refused(&repo, "", "a").message.contains("that is the folder `a`"));
        let mut index = repo.inner.index().unwrap();
        let mut entry = index.get_path(Path::new("a/b.hgnn"), 0).unwrap();
        index.remove_path(Path::new("a/b.hgnn")).unwrap();
        entry.flags = 2 << 12;
        index.add(&entry).unwrap();
        index.write().unwrap();
        assert!(refused(&repo, "", "a/b.hgnn").message.contains("is not merged"));
    }

    #[test]
    fn a_submodule_is_named() {
        let repo = TempRepo::new();
        repo.write("a.hgnn", "gcn(1)");
        repo.commit("first");
        let mut index = repo.inner.index().unwrap();
        let mut entry = index.get_path(Path::new("a.hgnn"), 0).unwrap();
        (entry.path, entry.mode) = (b"sub".to_vec(), SUBMODULE);
        entry.id = repo.inner.head().unwrap().target().unwrap();
        index.add(&entry).unwrap();
        index.write().unwrap();
        assert!(refused(&repo, "", "sub/x.hgnn").message.contains("lies in the submodule `sub`"));
        assert_eq!(repo.open().files(&Snapshot::Index, "").unwrap(), ["a.hgnn"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_inside_of_the_revision() {
        use std::os::unix::fs::symlink;
        let repo = TempRepo::new();
        repo.write("lib/x.hgnn", "gcn(1)");
        repo.write("m/a.hgnn", "use \"shared/x.hgnn\"\n");
        symlink("../lib", repo.root().join("m/shared")).unwrap();
        symlink("round.hgnn", repo.root().join("round.hgnn")).unwrap();
        symlink("/etc/passwd", repo.root().join("out.hgnn")).unwrap();
        repo.commit("first");
        repo.write("lib/x.hgnn", "gcn(2)");
        let opened = repo.open();
        let main = opened.snapshot("main").unwrap();
        assert_eq!(opened.read_text(&main, "m/shared/x.hgnn").unwrap(), "gcn(1)");
        assert!(refused(&repo, "main", "round.hgnn").message.contains("goes in a circle"));
        assert!(refused(&repo, "main", "out.hgnn").message.contains("leaves the repository"));
    }

    #[test]
    fn a_file_is_loaded_with_what_it_used_then() {
        let repo = TempRepo::new();
        repo.write("lib.hgnn", "let width = 8");
        repo.write("m/a.hgnn", "use \"../lib.hgnn\"\nuse \"../../x.hgnn\"\ngcn(width) -> mean -> mlp");
        repo.commit("first");
        repo.write("lib.hgnn", "let width = 9");
        let opened = repo.open();
        let loaded = opened.load(&opened.snapshot("main").unwrap(), "m/a.hgnn").unwrap();
        let names: Vec<_> = loaded.sources.files().map(|(_, file)| file.name.as_str()).collect();
        assert_eq!(names, ["main:m/a.hgnn", "main:lib.hgnn"]);
        assert_eq!(&*loaded.sources.file(crate::source::FileId(1)).text, "let width = 8");
        assert!(loaded.diagnostics[0].labels[0].text.contains("is outside the repository"));
    }
}
