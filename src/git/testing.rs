//! Repositories for tests, which nothing on the machine has an influence on.

use super::Repository;
use git2::{ConfigLevel, IndexAddOption, Signature};
use std::path::Path;
use std::sync::Once;
use tempfile::TempDir;

/// A repository in a temporary folder.
pub(crate) struct TempRepo {
    folder: TempDir,
    pub inner: git2::Repository,
}

impl TempRepo {
    pub fn new() -> Self {
        static ALONE: Once = Once::new();
        ALONE.call_once(|| {
            for level in
                [ConfigLevel::Global, ConfigLevel::XDG, ConfigLevel::System, ConfigLevel::ProgramData]
            {
                // SAFETY: runs once, before any repository of these tests is opened.
                unsafe { git2::opts::set_search_path(level, "").unwrap() };
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let mut options = git2::RepositoryInitOptions::new();
        options.initial_head("main").external_template(false);
        let inner = git2::Repository::init_opts(folder.path(), &options).unwrap();
        Self { folder, inner }
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn open(&self) -> Repository {
        Repository::discover_alone(self.root()).unwrap()
    }

    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn remove(&self, path: &str) {
        std::fs::remove_file(self.root().join(path)).unwrap();
    }

    pub fn stage(&self, path: &str) {
        let mut index = self.inner.index().unwrap();
        index.add_path(Path::new(path)).unwrap();
        index.write().unwrap();
    }

    pub fn unstage(&self, path: &str) {
        let mut index = self.inner.index().unwrap();
        index.remove_path(Path::new(path)).unwrap();
        index.write().unwrap();
    }

    /// Commits everything that lies on disk.
    pub fn commit(&self, message: &str) {
        let mut index = self.inner.index().unwrap();
        index.add_all(["*"], IndexAddOption::DEFAULT, None).unwrap();
        index.write().unwrap();
        let tree = self.inner.find_tree(index.write_tree().unwrap()).unwrap();
        let author = Signature::now("A. Author", "author@example.org").unwrap();
        let parent = self.inner.head().ok().map(|head| head.peel_to_commit().unwrap());
        let parents: Vec<_> = parent.iter().collect();
        self.inner.commit(Some("HEAD"), &author, &author, message, &tree, &parents).unwrap();
    }
}
