//! The line that tells git which files the driver is for.

use super::super::error::Result;
use super::{Action, Home, Scope, State, Step, read, remove, write};
use std::path::PathBuf;

const LINE: &str = "*.hgnn diff=hgnn";

pub(super) fn step(scope: &Scope, action: Action) -> Result<Step> {
    let place = place(scope)?;
    let before = read(&place)?;
    let text = before.as_deref().unwrap_or("");
    let mut step = Step {
        part: "attributes",
        place: place.clone(),
        state: State::Present,
        lines: format!("{LINE}\n"),
        advice: None,
    };
    let of_models: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| line.split_whitespace().next() == Some("*.hgnn"))
        .filter(|line| line.split_whitespace().any(names_driver))
        .collect();
    // Where several lines match, git follows the last.
    let has_driver =
        of_models.last().is_some_and(|line| line.split_whitespace().any(|word| word == "diff=hgnn"));
    if action == Action::Uninstall {
        step.state = State::Absent;
        if text.lines().any(|line| line.trim() == LINE) {
            let kept: String = text.split_inclusive('\n').filter(|line| line.trim() != LINE).collect();
            if kept.is_empty() {
                remove(&place)?
            } else {
                write(&place, &kept)?
            }
            step.state = State::Removed;
        } else if has_driver {
            step.state = State::Left;
            step.advice =
                Some(format!("you changed the line; remove `diff=hgnn` from it: {}", of_models.concat()));
        }
        return Ok(step);
    }
    if has_driver {
        return Ok(step);
    }
    if let Some(line) = of_models.last() {
        step.state = State::Left;
        step.advice = Some(format!(
            "it has `{line}`; to use the driver of hgnnc, write `diff=hgnn` there in its place"
        ));
        return Ok(step);
    }
    step.state = State::Written;
    if action == Action::Install {
        let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
        // Git follows the last line that matches, so lines of the user for some models stay behind ours.
        let is_narrower = |line: &&str| {
            let mut words = line.split_whitespace();
            words.next().is_some_and(|pattern| pattern.ends_with(".hgnn")) && words.any(names_driver)
        };
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let at = lines.iter().position(is_narrower).unwrap_or(lines.len());
        let (above, below) = (lines[..at].concat(), lines[at..].concat());
        let gap = if above.is_empty() || above.ends_with('\n') { "" } else { newline };
        write(&place, &format!("{above}{gap}{LINE}{newline}{below}"))?;
    }
    Ok(step)
}

/// `diff=mine`, `diff`, `-diff`, `!diff`, `binary`: each decides how a file is compared.
fn names_driver(word: &str) -> bool {
    word.starts_with("diff=") || ["diff", "-diff", "!diff", "binary"].contains(&word)
}

/// `.gitattributes` at the root, so that it is committed and everyone has it; or the user's own file.
fn place(scope: &Scope) -> Result<PathBuf> {
    match scope {
        Scope::Repository(repository) => Ok(repository.root()?.join(".gitattributes")),
        Scope::User => {
            let home = Home::find()?;
            let named =
                git2::Config::open_default().and_then(|config| config.get_path("core.attributesFile"));
            Ok(named.unwrap_or_else(|_| home.config.join("attributes")))
        }
    }
}
