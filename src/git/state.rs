//! The state of the repository that a model is trained in, for the run's record.

use super::Repository;
use crate::train::{GitState, ModelState};
use git2::{Status, StatusOptions};
use std::path::Path;

impl Repository {
    /// The commit that is checked out, and whether files under source control are as it has them; `file` is the model.
    /// `None` where the repository cannot be read.
    pub fn state(&self, file: Option<&Path>) -> Option<GitState> {
        let head = self.inner.head().ok().and_then(|head| head.peel_to_commit().ok());
        let mut options = StatusOptions::new();
        // Files that nobody has added, such as runs, are not looked for.
        options.include_untracked(false).include_ignored(false).exclude_submodules(true);
        let is_clean = self.inner.statuses(Some(&mut options)).ok()?.is_empty();
        let model = file.map(|file| self.model_state(file));
        Some(GitState { commit: head.map(|head| head.id().to_string()), is_clean, model })
    }

    fn model_state(&self, file: &Path) -> ModelState {
        let inside = self.relative(file).ok().flatten();
        let status = inside.and_then(|inside| self.inner.status_file(Path::new(&inside)).ok());
        match status {
            Some(status) if status.is_empty() => ModelState::Committed,
            Some(status) if !status.intersects(Status::WT_NEW | Status::IGNORED) => ModelState::Changed,
            _ => ModelState::Untracked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::TempRepo;
    use super::*;

    #[test]
    fn the_commit_and_what_differs_from_it_are_told() {
        let repo = TempRepo::new();
        repo.write("a.hgnn", "gcn(1)");
        repo.write("b.hgnn", "gcn(1)");
        let state = |name: &str| repo.open().state(Some(&repo.root().join(name))).unwrap();
        let before = state("a.hgnn");
        assert_eq!((before.commit, before.model), (None, Some(ModelState::Untracked)));
        repo.commit("first");
        let head = repo.inner.head().unwrap().target().unwrap().to_string();
        let clean = GitState { commit: Some(head), is_clean: true, model: Some(ModelState::Committed) };
        assert_eq!(state("a.hgnn"), clean);
        repo.write("new.hgnn", "gcn(1)");
        assert_eq!(state("new.hgnn"), GitState { model: Some(ModelState::Untracked), ..clean.clone() });
        repo.write("b.hgnn", "gcn(2)");
        assert_eq!(state("a.hgnn"), GitState { is_clean: false, ..clean.clone() });
        let changed = Some(ModelState::Changed);
        assert_eq!(state("b.hgnn"), GitState { is_clean: false, model: changed, ..clean.clone() });
        assert_eq!(repo.open().state(None).unwrap().model, None);
        assert_eq!(state("/elsewhere.hgnn").model, Some(ModelState::Untracked));
    }
}
