//! What `hgnnc install-git` puts into a repository or the user's own settings, and takes away again: a diff driver,
//! the line of `.gitattributes` that names it, and a pre-commit hook. What someone else wrote is never changed.

mod attributes;
mod config;
mod hook;

use super::error::{ErrorKind, GitError, Result};
use super::repository::Repository;
use std::path::{Path, PathBuf};

/// Where to install.
pub enum Scope<'a> {
    Repository(&'a Repository),
    /// The settings of the user, for all repositories; hooks belong to one.
    User,
}

/// What `git diff` shows of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Driver {
    /// Lines of the text in its one layout.
    #[default]
    Text,
    /// What `hgnnc diff` says.
    Meaning,
}

/// What is to be installed.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub driver: Driver,
    /// How `hgnnc` is called, by name or by path.
    pub program: String,
    /// Whether the pre-commit hook is wanted.
    pub hook: bool,
}

/// What to do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Install,
    Uninstall,
    /// Only tell what `Install` would do.
    Print,
}

/// What became of one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Written,
    /// It was there already.
    Present,
    Removed,
    /// There was nothing to remove.
    Absent,
    /// Something of the user's is in its place and was left alone.
    Left,
}

impl State {
    pub fn word(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Present => "already there",
            Self::Removed => "removed",
            Self::Absent => "not there",
            Self::Left => "left as it is",
        }
    }
}

/// One part, as reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// `diff driver`, `attributes`, `pre-commit hook`
    pub part: &'static str,
    pub place: PathBuf,
    pub state: State,
    /// The lines that are ours.
    pub lines: String,
    /// What the user may do where something was left.
    pub advice: Option<String>,
}

/// Installs, removes or reports all parts.
///
/// # Errors
/// Where a file cannot be read or written; what was done before stays.
pub fn run(scope: &Scope, wanted: &Wanted, action: Action) -> Result<Vec<Step>> {
    if let Scope::Repository(repository) = scope {
        // Without files on disk there is no place for attributes, and nothing is compared or committed.
        repository.root()?;
    }
    let mut steps = vec![config::step(scope, wanted, action)?, attributes::step(scope, action)?];
    if let Scope::Repository(repository) = scope
        && (wanted.hook || action == Action::Uninstall)
    {
        steps.push(hook::step(repository, wanted, action)?);
    }
    Ok(steps)
}

/// The word as a shell reads it back.
fn shell_word(word: &str) -> String {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "/._-+:@%".contains(char);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The user's folder of settings, and the home folder.
struct Home {
    home: PathBuf,
    config: PathBuf,
}

impl Home {
    fn find() -> Result<Self> {
        let home = etcetera::home_dir().map_err(|error| {
            GitError::new(ErrorKind::Broken, format!("the home folder is not known: {error}"))
                .help("set HOME, or leave `--global` out")
        })?;
        let set = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let config = set.unwrap_or_else(|| home.join(".config")).join("git");
        Ok(Self { home, config })
    }
}

/// The content of a text file; `None` where it is not there.
fn read(path: &Path) -> Result<Option<String>> {
    match std::fs::read(path) {
        Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|_| {
            GitError::new(ErrorKind::NotText, format!("{} is not UTF-8 text", path.display()))
                .help("it is left as it is; `hgnnc install-git --print` shows what to add by hand")
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            Err(GitError::new(ErrorKind::Broken, format!("{} cannot be read: {error}", path.display())))
        }
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    let failed = |error: &dyn std::fmt::Display| GitError::new(ErrorKind::Broken, error.to_string());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|error| failed(&format!("{} cannot be created: {error}", folder.display())))?;
    }
    let mode = std::fs::metadata(path).map(|found| found.permissions());
    crate::train::write_file(path, |out| out.write_all(text.as_bytes())).map_err(|error| failed(&error))?;
    if let Ok(mode) = mode {
        std::fs::set_permissions(path, mode).map_err(|error| {
            failed(&format!("the permissions of {} cannot be kept: {error}", path.display()))
        })?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    std::fs::remove_file(path).map_err(|error| {
        GitError::new(ErrorKind::Broken, format!("{} cannot be removed: {error}", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::TempRepo;
    use super::*;
    use std::fs;

    fn wanted(driver: Driver) -> Wanted {
        Wanted { driver, program: "/opt/it's here/hgnnc".into(), hook: true }
    }

    /// Runs it and gives the states of driver, attributes and hook.
    fn states(repo: &TempRepo, driver: Driver, action: Action) -> Vec<State> {
        let opened = repo.open();
        let steps = run(&Scope::Repository(&opened), &wanted(driver), action).unwrap();
        steps.iter().map(|step| step.state).collect()
    }

    /// All files that could be touched, with their content.
    fn files(repo: &TempRepo) -> Vec<Option<String>> {
        let names = [".git/config", ".gitattributes", ".git/hooks/pre-commit"];
        names.map(|name| fs::read_to_string(repo.root().join(name)).ok()).to_vec()
    }

    #[test]
    fn it_is_installed_once_and_removed_without_a_trace() {
        use State::{Absent, Present, Removed, Written};
        let repo = TempRepo::new();
        repo.write(".gitattributes", "*.png binary");
        let before = files(&repo);
        assert_eq!(states(&repo, Driver::Text, Action::Print), [Written, Written, Written]);
        assert_eq!(files(&repo), before);
        assert_eq!(states(&repo, Driver::Text, Action::Install), [Written, Written, Written]);
        let installed = files(&repo);
        assert_eq!(installed[1].as_deref(), Some("*.png binary\n*.hgnn diff=hgnn\n"));
        assert_eq!(states(&repo, Driver::Text, Action::Install), [Present, Present, Present]);
        assert_eq!(files(&repo), installed);
        // The other driver replaces only what differs.
        assert_eq!(states(&repo, Driver::Meaning, Action::Install), [Written, Present, Present]);
        assert_eq!(states(&repo, Driver::Text, Action::Install), [Written, Present, Present]);
        assert_eq!(files(&repo), installed);
        assert_eq!(states(&repo, Driver::Text, Action::Uninstall), [Removed, Removed, Removed]);
        let after = files(&repo);
        assert_eq!((&after[0], &after[2]), (&before[0], &before[2]));
        // The newline that the last line lacked is all that is left.
        assert_eq!(after[1].as_deref(), Some("*.png binary\n"));
        assert_eq!(states(&repo, Driver::Text, Action::Uninstall), [Absent, Absent, Absent]);
    }

    #[test]
    fn what_is_the_users_stays() {
        let repo = TempRepo::new();
        let mut config = repo.inner.config().unwrap();
        config.set_str("diff.hgnn.textconv", "cat").unwrap();
        repo.write(".gitattributes", "# models\r\n*.hgnn text diff=mine\r\n");
        repo.write(".git/hooks/pre-commit", "#!/bin/sh\nexit 0\n");
        let before = files(&repo);
        assert_eq!(states(&repo, Driver::Text, Action::Install), [State::Left; 3]);
        assert_eq!(files(&repo), before);
        assert_eq!(states(&repo, Driver::Text, Action::Uninstall), [State::Left, State::Absent, State::Left]);
        assert_eq!(files(&repo), before);
    }

    #[test]
    fn lines_of_the_user_for_some_models_keep_the_last_word() {
        let repo = TempRepo::new();
        repo.write(".gitattributes", "*.png binary\nold/*.hgnn -diff\n");
        assert_eq!(states(&repo, Driver::Text, Action::Install)[1], State::Written);
        assert_eq!(files(&repo)[1].as_deref(), Some("*.png binary\n*.hgnn diff=hgnn\nold/*.hgnn -diff\n"));
        assert_eq!(states(&repo, Driver::Text, Action::Uninstall)[1], State::Removed);
        assert_eq!(files(&repo)[1].as_deref(), Some("*.png binary\nold/*.hgnn -diff\n"));
    }

    #[test]
    fn a_bare_repository_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        git2::Repository::init_bare(folder.path()).unwrap();
        let before = fs::read_to_string(folder.path().join("config")).unwrap();
        let opened = Repository::discover_alone(folder.path()).unwrap();
        let error = run(&Scope::Repository(&opened), &wanted(Driver::Text), Action::Install).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Bare);
        assert_eq!(fs::read_to_string(folder.path().join("config")).unwrap(), before);
    }

    #[test]
    fn a_hook_that_calls_the_check_itself_is_installed() {
        let repo = TempRepo::new();
        repo.write(".git/hooks/pre-commit", "#!/bin/sh\nmake lint || exit 1\nhgnnc pre-commit || exit 1\n");
        assert_eq!(states(&repo, Driver::Text, Action::Install)[2], State::Present);
    }

    #[test]
    fn a_folder_of_hooks_is_respected() {
        let repo = TempRepo::new();
        repo.inner.config().unwrap().set_str("core.hooksPath", "tools/hooks").unwrap();
        assert_eq!(states(&repo, Driver::Text, Action::Install)[2], State::Written);
        assert!(repo.root().join("tools/hooks/pre-commit").is_file());
        let elsewhere = tempfile::tempdir().unwrap();
        let path = elsewhere.path().to_str().unwrap();
        repo.inner.config().unwrap().set_str("core.hooksPath", path).unwrap();
        assert_eq!(states(&repo, Driver::Text, Action::Install)[2], State::Left);
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(shell_word("/usr/bin/hgnnc"), "/usr/bin/hgnnc");
        assert_eq!(shell_word("/a b/it's"), r"'/a b/it'\''s'");
    }
}
