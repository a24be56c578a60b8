//! The pre-commit hook.

use super::super::error::{ErrorKind, GitError, Result};
use super::super::repository::{Repository, normalised};
use super::{Action, State, Step, Wanted, read, remove, shell_word, write};
use git2::ConfigLevel;
use std::path::{Path, PathBuf};

/// By this line the hook is known again, whatever program it calls.
const MARK: &str = "# Written by `hgnnc install-git`, removed by `hgnnc install-git --uninstall`.";

fn text(program: &str) -> String {
    format!(
        "#!/bin/sh\n{MARK}\nhgnnc={}\nif command -v \"$hgnnc\" >/dev/null 2>&1; then\n    exec \"$hgnnc\" pre-commit\nfi\n\
         echo \"pre-commit: $hgnnc is not there, so the staged .hgnn files were not checked\" >&2\n",
        shell_word(program)
    )
}

/// The lines that do not depend on where the program lies.
fn fixed(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with("hgnnc=")).collect()
}

pub(super) fn step(repository: &Repository, wanted: &Wanted, action: Action) -> Result<Step> {
    let (folder, is_ours_to_write) = folder(repository)?;
    let place = folder.join("pre-commit");
    let own = text(&wanted.program);
    let found = read(&place)?;
    let mut step = Step {
        part: "pre-commit hook",
        place: place.clone(),
        state: State::Present,
        lines: own.clone(),
        advice: None,
    };
    let call = format!("{} pre-commit || exit 1", shell_word(&wanted.program));
    let Some(found) = found else {
        step.state = match action {
            Action::Uninstall => State::Absent,
            _ if !is_ours_to_write => {
                step.advice = Some(format!(
                    "`core.hooksPath` names a folder that other repositories may share; make a hook there that runs \
                     `{call}`"
                ));
                State::Left
            }
            _ => State::Written,
        };
        if step.state == State::Written && action == Action::Install {
            write_hook(&place, &own)?;
        }
        return Ok(step);
    };
    let calls = found.lines().any(|line| {
        !line.trim_start().starts_with('#') && line.contains("pre-commit") && line.contains("hgnnc")
    });
    if found == own {
        if action == Action::Uninstall {
            remove(&place)?;
            step.state = State::Removed;
        }
    } else if fixed(&found) == fixed(&own) {
        // Only the place of the program is another.
        match action {
            Action::Uninstall => {
                remove(&place)?;
                step.state = State::Removed;
            }
            Action::Install => {
                write_hook(&place, &own)?;
                step.state = State::Written;
            }
            Action::Print => step.state = State::Written,
        }
    } else if action == Action::Uninstall {
        step.state = State::Left;
        if calls || found.contains(MARK) {
            step.advice =
                Some("it contains lines of your own; remove the call of `hgnnc pre-commit` from it".into());
        } else {
            step.advice = Some("it is yours and does not call hgnnc".into());
        }
    } else if !calls {
        step.state = State::Left;
        step.advice = Some(format!("it is yours; add this line to it: {call}"));
    }
    Ok(step)
}

/// The folder of hooks, and whether it is this repository's alone.
fn folder(repository: &Repository) -> Result<(PathBuf, bool)> {
    let broken = |error: git2::Error| GitError::broken("the configuration cannot be read", &error);
    let config = repository.inner.config().map_err(broken)?;
    let common = repository.inner.commondir();
    let Ok(entry) = config.get_entry("core.hooksPath") else { return Ok((common.join("hooks"), true)) };
    let is_local = matches!(entry.level(), ConfigLevel::Local | ConfigLevel::Worktree);
    let named = config.get_path("core.hooksPath").map_err(broken)?;
    // A relative path is seen from the folder in which hooks run.
    let root = repository.root().unwrap_or(common);
    let whole = normalised(&root.join(named));
    let is_inside = whole.starts_with(root) || whole.starts_with(normalised(common));
    Ok((whole, is_local && is_inside))
}

fn write_hook(place: &Path, text: &str) -> Result<()> {
    write(place, text)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(place, std::fs::Permissions::from_mode(0o755)).map_err(|error| {
            GitError::new(
                ErrorKind::Broken,
                format!("{} cannot be made executable: {error}", place.display()),
            )
        })?;
    }
    #[cfg(not(unix))]
    let _ = ErrorKind::Broken;
    Ok(())
}
