//! A repository, its revisions, and where a path of the user lies in it.

use super::error::{ErrorKind, GitError, Result, either, similar};
use super::snapshot::Snapshot;
use git2::{BranchType, ErrorCode, RepositoryOpenFlags};
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

/// A repository that was found, open for reading.
pub struct Repository {
    pub(super) inner: git2::Repository,
    /// The folder in which paths of the user are looked up first.
    here: PathBuf,
}

/// Where a path of the user lies in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// From the root of the repository.
    pub path: String,
    /// To be reported: the same path names another file too.
    pub note: Option<String>,
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Repository").field(&self.inner.path()).finish()
    }
}

impl Repository {
    /// The repository that a folder lies in. What git passes to its hooks in the environment (`GIT_DIR`,
    /// `GIT_INDEX_FILE`) is followed as git itself does.
    ///
    /// # Errors
    /// Where there is none, or it may not be read.
    pub fn discover(folder: &Path) -> Result<Self> {
        if std::env::var_os("GIT_DIR").is_some() {
            return Self::opened(folder, |_| git2::Repository::open_from_env());
        }
        Self::opened(folder, |here| open(here, RepositoryOpenFlags::FROM_ENV))
    }

    /// The same whatever the environment says, so that tests run from a hook leave its repository alone.
    #[cfg(test)]
    pub(crate) fn discover_alone(folder: &Path) -> Result<Self> {
        Self::opened(folder, |here| open(here, RepositoryOpenFlags::empty()))
    }

    fn opened(
        folder: &Path,
        open: impl FnOnce(&Path) -> std::result::Result<git2::Repository, git2::Error>,
    ) -> Result<Self> {
        let here = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
        let inner = open(&here).map_err(|error| cannot_open(&here, &error))?;
        Ok(Self { inner, here })
    }

    /// The folder of the files on disk.
    ///
    /// # Errors
    /// Where the repository is bare.
    pub fn root(&self) -> Result<&Path> {
        self.inner.workdir().ok_or_else(|| {
            let place = self.inner.path().display();
            GitError::new(ErrorKind::Bare, format!("the repository {place} is bare: it has no files on disk"))
                .help("run this in a clone, or compare two revisions: `git:OLD:PATH git:NEW:PATH`")
        })
    }

    /// What a revision holds: a branch, a tag, a hash, `HEAD~2`, `main@{1}`, as `git rev-parse` reads them. The
    /// empty text is the index.
    ///
    /// # Errors
    /// Where nothing has that name, or several things do.
    pub fn snapshot(&self, revision: &str) -> Result<Snapshot> {
        if revision.is_empty() {
            return Ok(Snapshot::Index);
        }
        let object = self.inner.revparse_single(revision).map_err(|error| self.unknown(revision, &error))?;
        let commit = object.peel_to_commit().ok().map(|commit| commit.id());
        let Ok(tree) = object.peel_to_tree() else {
            let kind = object.kind().map_or("object", |kind| kind.str());
            return Err(GitError::new(
                ErrorKind::UnknownRevision,
                format!("`{revision}` is a {kind}, not a commit"),
            )
            .help("name a branch, a tag or a commit"));
        };
        Ok(Snapshot::Tree { name: revision.to_owned(), tree: tree.id(), commit })
    }

    fn unknown(&self, revision: &str, error: &git2::Error) -> GitError {
        let unknown = |reason: &str| {
            GitError::new(ErrorKind::UnknownRevision, format!("the revision `{revision}` {reason}"))
        };
        if self.inner.head().is_err_and(|error| error.code() == ErrorCode::UnbornBranch)
            && (revision.starts_with("HEAD") || self.references().is_empty())
        {
            return GitError::new(ErrorKind::NoCommit, "nothing has been committed to this repository yet")
                .help("commit first: `git add -A && git commit`");
        }
        match error.code() {
            ErrorCode::Ambiguous => {
                return unknown("is short for more than one commit").help("write more of its digits");
            }
            ErrorCode::InvalidSpec => {
                return unknown("is not a valid revision")
                    .help("write a branch, a tag, a hash or something like `HEAD~2`");
            }
            _ => {}
        }
        let unknown = unknown("does not exist");
        // `HEAD~9` fails because of its end, not of its name.
        let base = revision.split(['~', '^', '@', ':']).next().unwrap_or(revision);
        let base_is_there = !base.is_empty() && self.inner.revparse_single(base).is_ok();
        if self.inner.is_shallow() && (base_is_there || is_hash(revision)) {
            return unknown.help(
                "this clone is shallow and has only the last commits: run `git fetch --unshallow`; in a workflow, \
                 give `actions/checkout` `fetch-depth: 0`",
            );
        }
        if base_is_there && base != revision {
            return unknown.help(format!("`{base}` exists, but its history is not that long"));
        }
        let known = self.references();
        let remote = format!("/{revision}");
        let tracked: Vec<String> = known.iter().filter(|name| name.ends_with(&remote)).cloned().collect();
        let close = if tracked.is_empty() {
            similar(revision, known.iter().map(String::as_str))
        } else {
            tracked.into_iter().take(3).collect()
        };
        match close.as_slice() {
            [] if known.is_empty() => unknown.help("there are no branches and no tags"),
            [] if known.len() == 1 => unknown.help(format!("there is only `{}`", known[0])),
            [] if known.len() <= 8 => unknown.help(format!("name {}", either(&known))),
            [] => unknown.help("`git branch --all` and `git tag` list what there is"),
            close => unknown.help(format!("did you mean {}?", either(close))),
        }
    }

    /// Branches, those of remotes, and tags, in order.
    fn references(&self) -> Vec<String> {
        let mut names = Vec::new();
        for kind in [BranchType::Local, BranchType::Remote] {
            let branches = self.inner.branches(Some(kind)).into_iter().flatten().flatten();
            names.extend(branches.filter_map(|(branch, _)| Some(branch.name().ok()??.to_owned())));
        }
        if let Ok(tags) = self.inner.tag_names(None) {
            names.extend(tags.iter().filter_map(|tag| Some(tag.ok()??.to_owned())));
        }
        names
    }

    /// The path of a file seen from the root; `None` where it lies outside. The file need not exist.
    ///
    /// # Errors
    /// Where the repository is bare or the name is not UTF-8.
    pub fn relative(&self, path: &Path) -> Result<Option<String>> {
        let root = self.root()?;
        let whole = normalised(&self.here.join(path));
        if let Ok(inside) = whole.strip_prefix(root) {
            return slashed(inside).map(Some);
        }
        // The folder may be reached through a link, and the root is named without links.
        for parent in whole.ancestors() {
            let Ok(real) = parent.canonicalize() else { continue };
            let rest = whole.strip_prefix(parent).unwrap_or(Path::new(""));
            return match real.join(rest).strip_prefix(root) {
                Ok(inside) => slashed(inside).map(Some),
                Err(_) => Ok(None),
            };
        }
        Ok(None)
    }

    /// Finds a path of the user in a snapshot: from the current folder, else from the root. A leading `/` is the
    /// root, a leading `./` or `../` the current folder.
    ///
    /// # Errors
    /// Where it is at neither place, naming files that are like it.
    pub fn locate(&self, snapshot: &Snapshot, path: &str) -> Result<Located> {
        let from_here = match self.root() {
            Ok(root) if Path::new(path).starts_with(root) => self.relative(Path::new(path))?,
            Ok(_) if path.starts_with('/') => None,
            Ok(_) => self.relative(Path::new(path))?,
            Err(_) => None,
        };
        let is_relative = path.starts_with("./") || path.starts_with("../");
        let from_root = match (&from_here, is_relative) {
            (Some(_), true) => None,
            _ => slashed(&normalised(&Path::new("/").join(path.trim_start_matches('/')))).ok(),
        };
        if from_here.is_none() && is_relative && self.root().is_ok() {
            return Err(GitError::new(ErrorKind::Outside, format!("`{path}` is outside the repository"))
                .help("give a path inside it, from the current folder or from its root"));
        }
        let is_there = |path: &Option<String>| path.as_ref().is_some_and(|path| self.exists(snapshot, path));
        match (from_here, from_root) {
            (Some(here), root) if is_there(&Some(here.clone())) => {
                let note = (root.as_ref() != Some(&here) && is_there(&root)).then(|| {
                    let root = root.unwrap_or_default();
                    format!("`{path}` is read as `{here}`; for `{root}` at the root write `/{root}`")
                });
                Ok(Located { path: here, note })
            }
            (_, Some(root)) if is_there(&Some(root.clone())) => Ok(Located { path: root, note: None }),
            (here, root) => {
                let wanted = here.or(root).unwrap_or_else(|| path.to_owned());
                // The read says why: a folder, a submodule, or names that are like it.
                self.read(snapshot, &wanted).map(|_| Located { path: wanted, note: None })
            }
        }
    }
}

fn open(folder: &Path, flags: RepositoryOpenFlags) -> std::result::Result<git2::Repository, git2::Error> {
    let no_ceiling: [&OsStr; 0] = [];
    git2::Repository::open_ext(folder, flags, no_ceiling)
}

fn is_hash(text: &str) -> bool {
    text.len() >= 4 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn cannot_open(folder: &Path, error: &git2::Error) -> GitError {
    let folder = folder.display();
    match error.code() {
        ErrorCode::NotFound => {
            GitError::new(ErrorKind::NoRepository, format!("{folder} is not in a git repository"))
                .help("run this inside one, or create one: `git init`")
        }
        ErrorCode::Owner => GitError::new(
            ErrorKind::NoRepository,
            format!("the repository of {folder} belongs to another user, so git does not trust it"),
        )
        .help(format!("if you do, run `git config --global --add safe.directory {folder}`")),
        _ => GitError::new(
            ErrorKind::NoRepository,
            format!("the repository of {folder} cannot be opened: {}", error.message()),
        )
        .help(
            "repositories with SHA-256 objects or reftable references cannot be read yet; `git show REV:PATH > old.hgnn` \
             writes a file of another revision to disk",
        ),
    }
}

/// Without `.` and with `a/..` taken away. Links are not followed: in a repository they are content.
pub(super) fn normalised(path: &Path) -> PathBuf {
    let mut whole = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                whole.pop();
            }
            part => whole.push(part),
        }
    }
    whole
}

/// A relative path with `/` between its parts.
pub(super) fn slashed(path: &Path) -> Result<String> {
    let mut parts = Vec::new();
    for part in path.components() {
        let Component::Normal(part) = part else { continue };
        let Some(part) = part.to_str() else {
            return Err(not_utf8(&path.to_string_lossy()));
        };
        parts.push(part);
    }
    Ok(parts.join("/"))
}

pub(super) fn not_utf8(name: &str) -> GitError {
    GitError::new(ErrorKind::NotText, format!("the name of the file `{name}` is not UTF-8"))
        .help("rename the file")
}

#[cfg(test)]
mod tests {
    use super::super::testing::TempRepo;
    use super::*;

    const MODEL: &str = "gcn(8) -> mean -> mlp\n";

    /// A repository with two commits, a branch of a remote and a tag.
    fn sample() -> TempRepo {
        let repo = TempRepo::new();
        repo.write("models/größe a.hgnn", "gcn(1)");
        repo.write("top.hgnn", "root");
        repo.commit("first");
        repo.write("models/größe a.hgnn", "gcn(2)");
        repo.write("models/top.hgnn", "models");
        repo.commit("second");
        let head = repo.inner.head().unwrap().peel_to_commit().unwrap();
        repo.inner.tag_lightweight("v1", head.parent(0).unwrap().as_object(), false).unwrap();
        repo.inner.reference("refs/remotes/origin/paper", head.id(), false, "").unwrap();
        drop(head);
        repo
    }

    #[track_caller]
    fn check(repo: &TempRepo, revision: &str, expected: &str) {
        let opened = repo.open();
        let snapshot = opened.snapshot(revision).unwrap();
        let text = opened.read_text(&snapshot, "models/größe a.hgnn").unwrap();
        assert_eq!(text, expected, "{revision}");
    }

    #[test]
    fn revisions_are_read_as_git_reads_them() {
        let repo = sample();
        for revision in ["HEAD~1", "main^", "v1", "main@{1}", "HEAD@{1}", ":/first"] {
            check(&repo, revision, "gcn(1)");
        }
        let head = repo.inner.head().unwrap().target().unwrap().to_string();
        for revision in ["", "HEAD", "main", "origin/paper", &head, &head[..8], "main^{tree}"] {
            check(&repo, revision, "gcn(2)");
        }
    }

    #[test]
    fn an_unknown_revision_is_told_with_those_that_are_like_it() {
        let repo = sample();
        let help = |revision: &str| repo.open().snapshot(revision).unwrap_err().help.unwrap();
        assert_eq!(help("mian"), "did you mean `main`?");
        assert_eq!(help("paper"), "did you mean `origin/paper`?");
        assert_eq!(help("zebra"), "name `main`, `origin/paper` or `v1`");
        assert_eq!(help("main~7"), "`main` exists, but its history is not that long");
        assert_eq!(help("HEAD:top.hgnn"), "name a branch, a tag or a commit");
        let root = repo.open().inner.path().join("shallow");
        std::fs::write(root, format!("{}\n", repo.inner.head().unwrap().target().unwrap())).unwrap();
        assert!(help("main~7").contains("fetch-depth: 0"));
    }

    #[test]
    fn a_repository_without_commits_and_a_folder_without_repository_are_named() {
        let repo = TempRepo::new();
        repo.write("a.hgnn", MODEL);
        assert_eq!(repo.open().snapshot("HEAD").unwrap_err().kind, ErrorKind::NoCommit);
        assert_eq!(repo.open().snapshot("main").unwrap_err().kind, ErrorKind::NoCommit);
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Repository::discover_alone(folder.path()).unwrap_err().kind, ErrorKind::NoRepository);
    }

    #[test]
    fn a_path_is_looked_up_from_the_current_folder_and_then_from_the_root() {
        let repo = sample();
        let opened = Repository::discover_alone(&repo.root().join("models")).unwrap();
        let find = |revision: &str, path: &str| {
            opened
                .locate(&opened.snapshot(revision).unwrap(), path)
                .map(|found| (found.path, found.note.is_some()))
        };
        assert_eq!(find("HEAD", "top.hgnn"), Ok(("models/top.hgnn".into(), true)));
        assert_eq!(find("HEAD", "./top.hgnn"), Ok(("models/top.hgnn".into(), false)));
        assert_eq!(find("HEAD", "/top.hgnn"), Ok(("top.hgnn".into(), false)));
        assert_eq!(find("HEAD", "../top.hgnn"), Ok(("top.hgnn".into(), false)));
        assert_eq!(find("v1", "top.hgnn"), Ok(("top.hgnn".into(), false)));
        assert_eq!(find("HEAD", "größe a.hgnn"), Ok(("models/größe a.hgnn".into(), false)));
        assert_eq!(find("HEAD", "models/größe a.hgnn"), Ok(("models/größe a.hgnn".into(), false)));
        let absolute = repo.root().join("models/top.hgnn");
        assert_eq!(find("HEAD", absolute.to_str().unwrap()), Ok(("models/top.hgnn".into(), false)));
        assert_eq!(find("HEAD", "../../top.hgnn").unwrap_err().kind, ErrorKind::Outside);
        let error = find("HEAD", "grösse a.hgnn").unwrap_err();
        assert_eq!(error.help.unwrap(), "did you mean `models/größe a.hgnn`?");
    }

    #[test]
    fn a_worktree_is_a_repository_of_its_own_files() {
        let repo = sample();
        let other = tempfile::tempdir().unwrap();
        let place = other.path().join("side");
        repo.inner.worktree("side", &place, None).unwrap();
        std::fs::write(place.join("top.hgnn"), "changed here").unwrap();
        let opened = Repository::discover_alone(&place.join("models")).unwrap();
        let changed = opened.changed_files(&opened.snapshot("main").unwrap(), ".hgnn").unwrap();
        assert_eq!(changed.len(), 1);
        assert_eq!(changed[0].path, "top.hgnn");
    }
}
