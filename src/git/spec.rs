//! `git:REVISION:PATH` as it is written on the command line.

use super::error::{ErrorKind, GitError, Result};

/// What stands before a name that is to be looked up in a repository.
pub const PREFIX: &str = "git:";

/// A file at a revision. An empty revision is the index, as in `git show :PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    pub revision: String,
    pub path: String,
}

impl Spec {
    /// `None` where the text does not begin with `git:`.
    ///
    /// # Errors
    /// Where there is no path after the revision.
    pub fn parse(text: &str) -> Option<Result<Self>> {
        let rest = text.strip_prefix(PREFIX)?;
        Some(match colon(rest) {
            Some(at) if at + 1 < rest.len() => {
                Ok(Self { revision: rest[..at].to_owned(), path: rest[at + 1..].to_owned() })
            }
            _ => {
                let revision = rest.trim_end_matches(':');
                Err(GitError::new(ErrorKind::Spelling, format!("`{text}` names a revision, but no file"))
                    .help(format!("write `git:{revision}:models/quickstart.hgnn`")))
            }
        })
    }
}

/// The revision of `git:main`, or of `main` alone.
///
/// # Errors
/// Where a path follows, or nothing is there.
pub fn revision(text: &str) -> Result<&str> {
    let rest = text.strip_prefix(PREFIX).unwrap_or(text);
    match colon(rest) {
        _ if rest.is_empty() || rest == ":" => {
            Err(GitError::new(ErrorKind::Spelling, format!("`{text}` names no revision"))
                .help("write a branch, tag or commit, as in `git:main`"))
        }
        Some(at) => Err(GitError::new(
            ErrorKind::Spelling,
            format!("`{text}` names a file, but a revision is expected here"),
        )
        .help(format!("write `git:{}`", &rest[..at]))),
        None => Ok(rest),
    }
}

/// The first colon outside of braces: `main@{2026-01-31 12:00:00}:a.hgnn` has it behind the brace.
fn colon(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    text.char_indices().find_map(|(at, char)| {
        match char {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ':' if depth == 0 => return Some(at),
            _ => {}
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, revision: &str, path: &str) {
        let expected = Spec { revision: revision.into(), path: path.into() };
        assert_eq!(Spec::parse(text), Some(Ok(expected)));
    }

    #[test]
    fn a_revision_may_hold_a_colon_in_braces() {
        check("git:main:a.hgnn", "main", "a.hgnn");
        check("git::a.hgnn", "", "a.hgnn");
        check("git:main@{2026-01-31 12:00}:a b.hgnn", "main@{2026-01-31 12:00}", "a b.hgnn");
        assert_eq!(Spec::parse("a.hgnn"), None);
        let error = Spec::parse("git:main").unwrap().unwrap_err();
        assert_eq!(error.help.unwrap(), "write `git:main:models/quickstart.hgnn`");
    }

    #[test]
    fn a_revision_stands_with_and_without_its_prefix() {
        assert_eq!(revision("git:main"), Ok("main"));
        assert_eq!(revision("main"), Ok("main"));
        assert_eq!(revision("git:main:a.hgnn").unwrap_err().help.unwrap(), "write `git:main`");
        assert!(revision("git:").is_err());
        assert_eq!(revision("git::").unwrap_err().message, "`git::` names no revision");
    }
}
