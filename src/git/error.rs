//! What can go wrong between a name and the content that it stands for.

/// Why something could not be read from a repository, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct GitError {
    pub kind: ErrorKind,
    pub message: String,
    pub help: Option<String>,
}

/// What kind of mistake it is, for callers that go on after some of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The folder lies in no repository, or in one that may not be read.
    NoRepository,
    /// The repository has no files on disk, only history.
    Bare,
    /// Nothing was ever committed.
    NoCommit,
    /// No branch, tag or commit of that name.
    UnknownRevision,
    /// The revision has no such file.
    NotThere,
    /// A folder, a submodule, a link that leads nowhere, a file that is not merged.
    NotAFile,
    /// A path that leaves the repository.
    Outside,
    /// Not UTF-8.
    NotText,
    /// The text is not `git:REVISION:PATH`.
    Spelling,
    /// The library reported a damaged or unreadable repository.
    Broken,
}

impl GitError {
    pub(super) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), help: None }
    }

    #[must_use]
    pub(super) fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// An error of the library that no case above explains.
    pub(super) fn broken(doing: &str, error: &git2::Error) -> Self {
        Self::new(ErrorKind::Broken, format!("{doing}: {}", error.message()))
            .help("`git fsck` finds damage in a repository")
    }
}

pub type Result<T> = std::result::Result<T, GitError>;

/// The names most like `name`, best first, at most three. Files of the same name in other folders come first;
/// folders and extensions alone make no likeness.
pub(super) fn similar<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    fn stem(path: &str) -> &str {
        let last = path.rsplit('/').next().unwrap_or(path);
        last.rfind('.').filter(|&dot| dot > 0).map_or(last, |dot| &last[..dot])
    }
    let wanted = stem(name);
    let most = (wanted.chars().count() / 3).max(1);
    let mut close: Vec<(usize, usize, &str)> = known
        .into_iter()
        .map(|path| {
            let distance = strsim::damerau_levenshtein(wanted, stem(path));
            (distance, strsim::damerau_levenshtein(name, path), path)
        })
        .filter(|&(distance, ..)| distance <= most)
        .collect();
    close.sort_unstable();
    close.into_iter().take(3).map(|(.., path)| path.to_owned()).collect()
}

/// `` `a`, `b` or `c` ``
pub(super) fn either(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        all => all.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_file_comes_before_a_mistyped_one() {
        let known = ["models/gcm.hgnn", "old/gcn.hgnn", "models/mlp.hgnn", "gcn/README.md"];
        assert_eq!(similar("models/gcn.hgnn", known), ["old/gcn.hgnn", "models/gcm.hgnn"]);
        assert_eq!(either(&similar("mian", ["main", "zebra"])), "`main`");
    }
}
