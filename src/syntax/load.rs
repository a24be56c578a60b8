//! The file given and all that it names with `use`.

use super::Program;
use super::ast::{File, ItemKind};
use super::parse::parse;
use crate::diagnostic::Diagnostic;
use crate::source::{FileId, SourceMap, Span};
use std::collections::HashMap;
use std::fmt;
use std::io;

/// How long a chain of files that use each other may be.
const MAX_USE_DEPTH: usize = 64;

/// How many files one model may use.
const MAX_FILES: usize = 1000;

/// What the names of model files end in. Nothing else is read, so that no message can quote it.
const ENDING: &str = ".hgnn";

/// Why a file that exists may not be read: the inner error of an [`io::Error`] that `read` gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutOfReach {
    /// The end of a sentence: "it lies outside of the repository".
    pub reason: String,
    pub help: String,
}

impl fmt::Display for OutOfReach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for OutOfReach {}

/// Parses `main` and, through `read`, the files it names with `use`, each once. A path is taken
/// relative to the file that names it; `read` gets it joined to that file's folder.
///
/// # Errors
/// Among the diagnostics: `names::circular_use`, `names::missing_file`, `names::out_of_reach` (where `read` fails with
/// [`OutOfReach`]), `syntax::encoding` (where it fails with [`io::ErrorKind::InvalidData`]) and those of [`parse`].
pub fn load_program(
    sources: &mut SourceMap,
    main: FileId,
    read: &dyn Fn(&str) -> io::Result<String>,
) -> (Program, Vec<Diagnostic>) {
    let mut loader = Loader {
        sources,
        read,
        known: HashMap::new(),
        open: Vec::new(),
        files: Vec::new(),
        uses: Vec::new(),
        found: Vec::new(),
        has_too_many: false,
    };
    let name = join("", &loader.sources.file(main).name);
    loader.known.insert(name, main);
    loader.load(main, None);
    let has_errors = loader.found.iter().any(Diagnostic::is_error);
    let (files, uses, mut found) = (loader.files, loader.uses, loader.found);
    let program = Program { files, main, uses, has_errors };
    super::cut::widen(&program, &mut found);
    (program, found)
}

struct Loader<'a> {
    sources: &'a mut SourceMap,
    read: &'a dyn Fn(&str) -> io::Result<String>,
    /// The files seen, by their normalised names.
    known: HashMap<String, FileId>,
    /// The chain from the main file to the one being loaded, with the `use` that leads to the next.
    open: Vec<(FileId, Span)>,
    files: Vec<File>,
    uses: Vec<(Span, FileId)>,
    found: Vec<Diagnostic>,
    has_too_many: bool,
}

impl Loader<'_> {
    /// `used` is the place of the `use` that names the file.
    fn load(&mut self, id: FileId, used: Option<Span>) {
        let (file, diagnostics) = parse(self.sources, id);
        let is_foreign = file.items.is_empty() && file.broken.iter().all(|item| item.defines.is_none());
        match used {
            // Its name ends as that of a model, and nothing in it is one: what else it is stays where it is.
            Some(place) if is_foreign && !diagnostics.is_empty() => {
                let name = &self.sources.file(id).name;
                self.found.push(
                    Diagnostic::error("names::not_a_model", format!("the file `{name}` is no model file"))
                        .label(place, "nothing in it could be read")
                        .help("`use` names a file with `let`s and blocks"),
                );
            }
            _ => self.found.extend(diagnostics),
        }
        for item in &file.items {
            let ItemKind::Use { path } = &item.kind else { continue };
            self.open.push((id, path.span));
            self.follow(id, &path.text, path.span);
            self.open.pop();
        }
        self.files.push(file);
    }

    fn follow(&mut self, from: FileId, path: &str, span: Span) {
        if path.is_empty() {
            self.found.push(
                Diagnostic::error("names::missing_file", "`use` names no file")
                    .label(span, "the path is empty")
                    .help("write `use \"encoders.hgnn\"`"),
            );
            return;
        }
        if !path.ends_with(ENDING) {
            self.found.push(
                Diagnostic::error("names::missing_file", "`use` names a file that is no model")
                    .label(span, format!("this name does not end in `{ENDING}`"))
                    .help(format!("only files whose names end in `{ENDING}` are read")),
            );
            return;
        }
        let name = resolve_use(&self.sources.file(from).name, path);
        if let Some(&id) = self.known.get(&name) {
            if let Some(start) = self.open.iter().position(|&(open, _)| open == id) {
                self.found.push(self.circular(start));
            } else {
                self.uses.push((span, id));
            }
            return;
        }
        if self.open.len() > MAX_USE_DEPTH {
            self.found.push(
                Diagnostic::error(
                    "names::circular_use",
                    format!("files use each other more than {MAX_USE_DEPTH} deep"),
                )
                .label(span, "the chain of files ends here")
                .help("name the files that are needed from the main file"),
            );
            return;
        }
        if self.known.len() > MAX_FILES {
            // One message, at the first file that is too many.
            if !std::mem::replace(&mut self.has_too_many, true) {
                self.found.push(
                    Diagnostic::error("names::missing_file", format!("more than {MAX_FILES} files are used"))
                        .label(span, "this one and the others are not read")
                        .help("put what belongs together into one file"),
                );
            }
            return;
        }
        match (self.read)(&name) {
            Ok(text) => {
                let id = self.sources.add(name.clone(), text);
                self.known.insert(name, id);
                self.uses.push((span, id));
                self.load(id, Some(span));
            }
            Err(error) => self.found.push(unreadable(&name, span, &error)),
        }
    }

    /// The cycle that begins at `open[start]` and closes with the last `use`.
    fn circular(&self, start: usize) -> Diagnostic {
        let cycle = &self.open[start..];
        let name = |id: FileId| &self.sources.file(id).name;
        let first = name(cycle[0].0);
        let &(_, last) = cycle.last().expect("a cycle has a file");
        if cycle.len() == 1 {
            return Diagnostic::error("names::circular_use", format!("`{first}` uses itself"))
                .label(last, "this names the file it stands in")
                .help("delete the line")
                .fix(last, "");
        }
        let mut diagnostic = Diagnostic::error(
            "names::circular_use",
            format!(
                "`{first}` uses itself through {} other file{}",
                cycle.len() - 1,
                plural(cycle.len() - 1)
            ),
        )
        .label(last, format!("`{first}` is used here, and is still being read"));
        for (idx, &(_, span)) in cycle[..cycle.len() - 1].iter().enumerate() {
            diagnostic = diagnostic.label(span, format!("`{}` is used here", name(cycle[idx + 1].0)));
        }
        diagnostic.help("put what both files need into a third one, and use that")
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn unreadable(name: &str, span: Span, error: &io::Error) -> Diagnostic {
    if let Some(OutOfReach { reason, help }) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
        return Diagnostic::error("names::out_of_reach", format!("the file `{name}` may not be read"))
            .label(span, reason.as_str())
            .help(help.as_str());
    }
    match error.kind() {
        io::ErrorKind::NotFound => {
            Diagnostic::error("names::missing_file", format!("the file `{name}` does not exist"))
                .label(span, "named here")
                .help("the path is relative to the file that names it")
        }
        io::ErrorKind::InvalidData => {
            Diagnostic::error("syntax::encoding", format!("the file `{name}` is not UTF-8 text"))
                .label(span, error.to_string())
                .help("save the file as UTF-8")
        }
        _ => Diagnostic::error("names::missing_file", format!("the file `{name}` cannot be read"))
            .label(span, error.to_string())
            .help("check that it is a file and may be read"),
    }
}

/// The name of the file that `use "path"` means in the file `from`.
pub fn resolve_use(from: &str, path: &str) -> String {
    join(folder(from), path)
}

/// The folder part of a name, with its slash; empty where there is none.
fn folder(name: &str) -> &str {
    name.rfind(['/', std::path::MAIN_SEPARATOR]).map_or("", |slash| &name[..=slash])
}

/// `path` seen from `folder`, without `.` and with `a/..` taken away, so that one file has one name.
fn join(folder: &str, path: &str) -> String {
    let joined =
        if std::path::Path::new(path).is_absolute() { path.to_owned() } else { format!("{folder}{path}") };
    let root = if joined.starts_with('/') { "/" } else { "" };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split(['/', std::path::MAIN_SEPARATOR]) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|&last| last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("{root}{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Loads `main.hgnn` of the given files; the names loaded and the codes found.
    fn load(files: &[(&str, &str)]) -> (Vec<String>, Vec<Diagnostic>) {
        let mut sources = SourceMap::default();
        let main = sources.add(files[0].0, files[0].1);
        let read = |path: &str| {
            let file = files.iter().find(|(name, _)| *name == path);
            file.map(|(_, text)| text.to_string()).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        };
        let (program, diagnostics) = load_program(&mut sources, main, &read);
        (program.files.iter().map(|file| sources.file(file.id).name.clone()).collect(), diagnostics)
    }

    #[test]
    fn a_file_used_twice_is_loaded_once_and_before_its_users() {
        let (names, found) = load(&[
            ("m/main.hgnn", "use \"a.hgnn\"\nuse \"./sub/../b.hgnn\""),
            ("m/a.hgnn", "use \"b.hgnn\""),
            ("m/b.hgnn", "let width = 64"),
        ]);
        assert_eq!(names, ["m/b.hgnn", "m/a.hgnn", "m/main.hgnn"]);
        assert_eq!(found, []);
    }

    #[test]
    fn a_file_that_uses_itself_is_named() {
        let (_, found) = load(&[("main.hgnn", "use \"main.hgnn\"")]);
        assert_eq!(found[0].message, "`main.hgnn` uses itself");
    }

    #[test]
    fn a_cycle_shows_every_use_on_it() {
        let (names, found) = load(&[
            ("main.hgnn", "use \"a.hgnn\""),
            ("a.hgnn", "use \"b.hgnn\""),
            ("b.hgnn", "use \"a.hgnn\""),
        ]);
        assert_eq!(names.len(), 3);
        assert_eq!((found.len(), found[0].code, found[0].labels.len()), (1, "names::circular_use", 2));
    }

    #[test]
    fn a_missing_file_is_named_with_its_resolved_path() {
        let (_, found) = load(&[("m/main.hgnn", "use \"../blocks.hgnn\"\nuse \"\"")]);
        assert_eq!(found[0].message, "the file `blocks.hgnn` does not exist");
        assert_eq!(found.len(), 2);
    }
}
