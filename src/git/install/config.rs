//! The diff driver, as git's configuration has it.

use super::super::error::{ErrorKind, GitError, Result};
use super::{Action, Driver, Home, Scope, State, Step, Wanted, read, shell_word, write};
use git2::{Config, ConfigLevel, ErrorCode};
use std::path::{Path, PathBuf};

/// The line of a change is headed by the item that it stands in.
const ITEMS: &str = "^((use|let|block|conv|data|model|loss|task|train|evaluate|published|allow)[^a-z_].*)$";

/// Cached results of the driver, kept by git in this place.
const CACHE: &str = "refs/notes/textconv/hgnn";

/// The keys and values that are wanted. A key that is not wanted has no value.
fn entries(wanted: &Wanted) -> [(&'static str, Option<String>); 4] {
    let program = shell_word(&wanted.program);
    [
        // Git keeps results by content for as long as the command reads the same, so the version is part of it.
        (
            "diff.hgnn.textconv",
            Some(format!("{program} git-textconv --cache-key {}", env!("CARGO_PKG_VERSION"))),
        ),
        ("diff.hgnn.cachetextconv", Some("true".into())),
        ("diff.hgnn.xfuncname", Some(ITEMS.into())),
        (
            "diff.hgnn.command",
            (wanted.driver == Driver::Meaning).then(|| format!("{program} git-diff-driver")),
        ),
    ]
}

/// Whether a value was written by some version of this program.
fn is_ours(key: &str, value: &str) -> bool {
    match key {
        "diff.hgnn.textconv" => value.contains(" git-textconv --cache-key "),
        "diff.hgnn.command" => value.ends_with(" git-diff-driver"),
        "diff.hgnn.xfuncname" => value.starts_with("^((use|let|block|"),
        _ => value == "true",
    }
}

pub(super) fn step(scope: &Scope, wanted: &Wanted, action: Action) -> Result<Step> {
    let place = place(scope)?;
    let broken = |error: git2::Error| {
        GitError::new(ErrorKind::Broken, format!("{}: {}", place.display(), error.message()))
    };
    let entries = entries(wanted);
    let mut step = Step {
        part: "diff driver",
        place: place.clone(),
        state: State::Present,
        lines: lines(&entries),
        advice: None,
    };
    let mut config = Config::new().map_err(broken)?;
    if place.exists() {
        config.add_file(&place, ConfigLevel::Local, false).map_err(broken)?;
    }
    let value = |config: &Config, key: &str| match config.get_string(key) {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(broken(error)),
    };
    let mut present = Vec::new();
    for (key, _) in &entries {
        present.push(value(&config, key)?);
    }
    let found = || entries.iter().zip(&present);
    let foreign = found().find_map(|((key, _), value)| {
        let value = value.as_ref().filter(|value| !is_ours(key, value))?;
        Some(format!("{key} = {value}"))
    });
    if let Some(foreign) = foreign {
        step.state = State::Left;
        step.advice = Some(format!(
            "`{foreign}` is yours; to use the driver of hgnnc, remove the section `[diff \"hgnn\"]` and install again"
        ));
        return Ok(step);
    }
    if action == Action::Uninstall {
        step.state = State::Absent;
        // `cachetextconv = true` alone may be anyone's.
        if present[0].is_none() {
            return Ok(step);
        }
        for ((key, _), _) in found().filter(|(_, value)| value.is_some()) {
            config.remove(key).map_err(broken)?;
        }
        drop_empty_section(&place)?;
        if let Scope::Repository(repository) = scope
            && let Ok(mut cache) = repository.inner.find_reference(CACHE)
        {
            cache.delete().map_err(broken)?;
        }
        step.state = State::Removed;
        return Ok(step);
    }
    if found().all(|((_, wanted), present)| wanted == present) {
        return Ok(step);
    }
    step.state = State::Written;
    if action == Action::Print {
        return Ok(step);
    }
    if !place.exists() {
        write(&place, "")?;
        config.add_file(&place, ConfigLevel::Local, true).map_err(broken)?;
    }
    for (key, wanted) in &entries {
        match wanted {
            Some(wanted) => config.set_str(key, wanted).map_err(broken)?,
            None if value(&config, key)?.is_some() => config.remove(key).map_err(broken)?,
            None => {}
        }
    }
    Ok(step)
}

/// The file that is written: that of the repository, shared by its worktrees, or the user's.
fn place(scope: &Scope) -> Result<PathBuf> {
    if let Scope::Repository(repository) = scope {
        return Ok(repository.inner.commondir().join("config"));
    }
    if let Some(named) = std::env::var_os("GIT_CONFIG_GLOBAL").filter(|name| !name.is_empty()) {
        return Ok(PathBuf::from(named));
    }
    let home = Home::find()?;
    let (plain, xdg) = (home.home.join(".gitconfig"), home.config.join("config"));
    Ok(if !plain.exists() && xdg.exists() { xdg } else { plain })
}

fn lines(entries: &[(&str, Option<String>)]) -> String {
    let mut text = "[diff \"hgnn\"]\n".to_owned();
    for (key, value) in entries {
        let Some(value) = value else { continue };
        let name = key.rsplit('.').next().unwrap_or(key);
        text.push_str(&format!("\t{name} = {}\n", value.replace('\\', "\\\\").replace('"', "\\\"")));
    }
    text
}

/// The library leaves the heading of a section whose last entry it removes.
fn drop_empty_section(place: &Path) -> Result<()> {
    let Some(text) = read(place)? else { return Ok(()) };
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let Some(at) = lines.iter().position(|line| line.trim() == "[diff \"hgnn\"]") else { return Ok(()) };
    let next = lines[at + 1..].iter().find(|line| !line.trim().is_empty());
    if next.is_none_or(|line| line.trim_start().starts_with('[')) {
        let kept: String =
            lines.iter().enumerate().filter(|(idx, _)| *idx != at).map(|(_, line)| *line).collect();
        write(place, &kept)?;
    }
    Ok(())
}
