//! `hgnnc git-diff-driver`: what git runs for a changed file after `install-git --driver meaning`.

use super::operand::{Operand, Sizes};
use super::source::{Loaded, LocalData};
use super::{Exit, Failure, Global};
use crate::git::{Repository, Snapshot};
use crate::source::SourceMap;
use crate::{diff, fmt, reach, regular, syntax};
use similar::TextDiff;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

/// Report to `git diff` what changed in a model; what does not compile is compared line by line
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 printed, 2 could not run")]
pub struct GitDiffDriver {
    /// As git gives them: path, then file, hash and mode of the old side and of the new; for a renamed file the new
    /// path and a remark
    #[arg(value_name = "ARGUMENT", required = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
    #[command(flatten)]
    data: LocalData,
}

/// One side, as git hands it over.
struct Given {
    /// The path in the repository.
    path: String,
    bytes: Vec<u8>,
    /// All zeros where the content is that on disk.
    hash: String,
}

impl GitDiffDriver {
    pub fn run(&self, _: &Global) -> Result<Exit, Failure> {
        let out = &mut super::data_stdout();
        let (path, sides, new_path) = match self.arguments.as_slice() {
            // So git says that a file is not merged.
            [path] => {
                writeln!(out, "{path}: not merged\n")?;
                return Ok(Exit::Clean);
            }
            [path, old, old_hash, _, new, new_hash, _, rest @ ..] => {
                (path, [(old, old_hash), (new, new_hash)], rest.first().unwrap_or(path))
            }
            _ => {
                return Err(Failure::of_usage("git gives its diff drivers seven arguments")
                    .help("this command is for `diff.hgnn.command`, which `hgnnc install-git` sets"));
            }
        };
        let names = [path, new_path];
        let mut given = Vec::new();
        for ((file, hash), path) in sides.into_iter().zip(names) {
            given.push(if file == "/dev/null" {
                None
            } else {
                let bytes = regular::read(Path::new(file), reach::MAX_BYTES).map_err(|error| {
                    Failure::of_file(format!("the file `{file}` cannot be read: {error}"))
                })?;
                Some(Given { path: path.clone(), bytes, hash: hash.clone() })
            });
        }
        match (given.first().and_then(Option::as_ref), given.get(1).and_then(Option::as_ref)) {
            (Some(old), Some(new)) => self.compare(out, old, new)?,
            (None, Some(new)) => writeln!(out, "{}: new\n", new.path)?,
            (Some(old), None) => writeln!(out, "{}: deleted\n", old.path)?,
            (None, None) => {}
        }
        Ok(Exit::Clean)
    }

    fn compare(&self, out: &mut dyn Write, old: &Given, new: &Given) -> Result<(), Failure> {
        let options = self.data.options();
        let sizes = options.as_ref().map_or(Sizes::Symbolic, Sizes::Local);
        let side = |given: &Given, name: &str| {
            let loaded = load(given)?;
            Operand::of_text(name, loaded).side(sizes).ok()
        };
        let old_name = format!("a/{}", old.path);
        if let (Some(before), Some(after)) = (side(old, &old_name), side(new, &format!("b/{}", new.path))) {
            writeln!(out, "{}", diff::text(&diff::compare(&before, &after), has_colours()))?;
            return Ok(());
        }
        let texts = [old, new].map(|given| laid_out(&given.bytes));
        if texts[0] == texts[1] {
            writeln!(out, "{}: only the layout differs\n", new.path)?;
            return Ok(());
        }
        writeln!(out, "{}: compared line by line, because one side does not compile", new.path)?;
        let lines = TextDiff::from_lines(texts[0].as_str(), texts[1].as_str());
        let header = (old_name.as_str(), format!("b/{}", new.path));
        writeln!(out, "{}", lines.unified_diff().header(header.0, &header.1))?;
        Ok(())
    }
}

/// Git's pager shows colours where git itself would.
fn has_colours() -> bool {
    let is_wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    is_wanted && (io::stdout().is_terminal() || std::env::var_os("GIT_PAGER_IN_USE").is_some())
}

/// The text in its one layout, or as it is.
fn laid_out(bytes: &[u8]) -> String {
    let Ok(text) = syntax::decode("", bytes) else { return String::from_utf8_lossy(bytes).into_owned() };
    let mut sources = SourceMap::default();
    let id = sources.add("", text.as_str());
    fmt::format(&sources, id).unwrap_or(text)
}

/// The text with what it used where git has it from.
fn load(given: &Given) -> Option<Loaded> {
    let text = syntax::decode(&given.path, &given.bytes).ok()?;
    let repository = Repository::discover(Path::new(".")).ok()?;
    let is_on_disk = given.hash.bytes().all(|digit| digit == b'0');
    let snapshot = match is_on_disk {
        true => Snapshot::WorkingTree,
        false => repository.holding(&given.path, &given.hash, &text).unwrap_or(Snapshot::WorkingTree),
    };
    let loaded = Loaded::from(repository.load_text(&snapshot, &given.path, &text));
    Some(if is_on_disk { loaded } else { loaded.brought_forward() })
}
