//! `--set PATH=VALUE`: one value of a file for this run, in place of the one that is written.

use super::Failure;
use super::source::Loaded;
use crate::args::{ArgKind, ArgSpec, CallSpec, Default};
use crate::settings::{EVALUATE_SECTION, TRAIN_SECTION, catalogue, data};
use crate::source::{SourceMap, Span};
use crate::syntax::ast::{Entry, Expr, ExprKind, ItemKind};
use crate::syntax::{self, Program};
use std::io;

/// One change: the path of a value and the text that takes its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    path: Vec<String>,
    value: String,
}

/// A place of a text and what stands there instead.
type Edit = (Span, String);

impl Change {
    /// `train.optimizer.lr=3e-3`
    ///
    /// # Errors
    /// Where there is no `=`, no path or no value.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (path, value) =
            text.split_once('=').ok_or("write PATH=VALUE, as in `train.optimizer.lr=3e-3`")?;
        let path: Vec<String> = path.trim().split('.').map(|word| word.trim().to_owned()).collect();
        let is_name = |word: &String| {
            !word.is_empty() && word.chars().all(|char| char.is_ascii_alphanumeric() || char == '_')
        };
        if !path.iter().all(is_name) {
            return Err(format!("`{}` is no path of names, as `train.optimizer.lr` is one", path.join(".")));
        }
        if value.trim().is_empty() {
            return Err("there is no value behind `=`".into());
        }
        Ok(Self { path, value: value.trim().to_owned() })
    }

    fn edit(&self, program: &Program) -> Result<Edit, Failure> {
        let words: Vec<&str> = self.path.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["train", key, rest @ ..] => self.in_section(program, "train", TRAIN_SECTION, key, rest),
            ["evaluate", key, rest @ ..] => self.in_section(program, "evaluate", EVALUATE_SECTION, key, rest),
            [key @ ("data" | "model" | "loss" | "task"), rest @ ..] => {
                let specs = if *key == "data" { data::SPECS } else { &[] };
                match setting(program, key) {
                    Some(value) => self.in_value(value, specs, rest),
                    None if rest.is_empty() => Ok((at_end(program), format!("\n{key} = {}\n", self.value))),
                    None => Err(self.refuse(format!("the file sets no `{key}`"), "give the whole value")),
                }
            }
            [name] => {
                let lets = lets(program);
                let found = lets.iter().find(|(known, _)| known == name);
                found.map(|(_, value)| (value.span, self.value.clone())).ok_or_else(|| {
                    let known: Vec<&str> = lets.iter().map(|(name, _)| *name).collect();
                    let help = match super::closest(name, known.iter().copied()) {
                        Some(meant) => format!("did you mean `{meant}`?"),
                        None if known.is_empty() => "the file has no `let`; a setting is named by its path, as `train.epochs`".into(),
                        None => format!("the file has {}", known.join(", ")),
                    };
                    self.refuse(format!("the file has no `let {name}`"), &help)
                })
            }
            [first, ..] => Err(self.refuse(
                format!("`{first}` has no values inside"),
                "a path begins with `train`, `evaluate`, `data`, `model`, `loss` or `task`, or is the name of a `let`",
            )),
            [] => Err(self.refuse("the path is empty".into(), "write PATH=VALUE")),
        }
    }

    fn refuse(&self, message: String, help: &str) -> Failure {
        Failure::of_usage(format!("`--set {}={}`: {message}", self.path.join("."), self.value)).help(help)
    }

    fn in_section(
        &self,
        program: &Program,
        section: &str,
        specs: &'static [ArgSpec],
        key: &str,
        rest: &[&str],
    ) -> Result<Edit, Failure> {
        let Some(spec) = specs.iter().find(|spec| spec.name == key) else {
            let known = specs.iter().map(|spec| spec.name);
            let help = match super::closest(key, known.clone()) {
                Some(meant) => format!("did you mean `{section}.{meant}`?"),
                None => format!("`{section}` takes {}", known.collect::<Vec<_>>().join(", ")),
            };
            return Err(self.refuse(format!("`{section}` takes no `{key}`"), &help));
        };
        let calls = if let ArgKind::Call(kind) = spec.kind { catalogue(kind) } else { &[] };
        let (entries, span) = match section_of(program, section) {
            Some(found) => found,
            None => {
                let value = self.with_default(spec, rest)?;
                return Ok((at_end(program), format!("\n{section} {{ {key} = {value} }}\n")));
            }
        };
        match entries.iter().find(|entry| entry.key.text == key) {
            Some(entry) => self.in_value(&entry.value, calls, rest),
            None => {
                let value = self.with_default(spec, rest)?;
                // Behind the last entry, before the closing bracket.
                let place = entries.last().map_or(span.end - 1, |entry| entry.value.span.end);
                let text = if entries.is_empty() {
                    format!(" {key} = {value} ")
                } else {
                    format!(", {key} = {value}")
                };
                Ok((Span { start: place, end: place, ..span }, text))
            }
        }
    }

    /// The value of a key that is not written: with a path into it, the call that stands for it by default.
    fn with_default(&self, spec: &ArgSpec, rest: &[&str]) -> Result<String, Failure> {
        match (rest, spec.default) {
            ([], _) => Ok(self.value.clone()),
            ([arg], Default::Source(call)) => Ok(format!("{call}({arg} = {})", self.value)),
            _ => Err(self.refuse(
                format!("the file sets no `{}`", spec.name),
                "give the whole value, as in `--set 'evaluate.protocol=k_fold(5)'`",
            )),
        }
    }

    /// The value itself, or an argument of the call that it is.
    fn in_value(&self, value: &Expr, specs: &[&CallSpec], rest: &[&str]) -> Result<Edit, Failure> {
        let [arg, rest @ ..] = rest else { return Ok((value.span, self.value.clone())) };
        if !rest.is_empty() {
            return Err(
                self.refuse("a path goes no deeper than an argument of a call".into(), "give the whole call")
            );
        }
        match &value.kind {
            ExprKind::Name(_) => {
                let end = Span { start: value.span.end, ..value.span };
                Ok((end, format!("({arg} = {})", self.value)))
            }
            ExprKind::Call(call) => {
                let spec = specs.iter().find(|spec| spec.name == call.callee.text);
                let place = spec.and_then(|spec| spec.args.iter().position(|known| known.name == *arg));
                let named =
                    call.args.iter().find(|given| given.name.as_ref().is_some_and(|name| name.text == *arg));
                let by_place =
                    place.and_then(|place| call.args.get(place)).filter(|given| given.name.is_none());
                if let Some(given) = named.or(by_place) {
                    return Ok((given.value.span, self.value.clone()));
                }
                let end = call.args_span.end - 1;
                let comma = if call.args.is_empty() { "" } else { ", " };
                Ok((Span { start: end, end, ..call.args_span }, format!("{comma}{arg} = {}", self.value)))
            }
            _ => Err(self.refuse(format!("there is no call that takes `{arg}`"), "give the whole value")),
        }
    }
}

/// The file with these changes, each in the text that the ones before have made.
///
/// # Errors
/// Where a path names nothing.
pub fn applied(mut loaded: Loaded, changes: &[Change]) -> Result<Loaded, Failure> {
    for change in changes {
        if loaded.program.has_errors || loaded.program.files.is_empty() {
            // What cannot be read is reported, and has no values to change.
            return Ok(loaded);
        }
        let (span, text) = change.edit(&loaded.program)?;
        let mut sources = SourceMap::default();
        let mut main = None;
        for (id, file) in loaded.sources.files() {
            let mut content = file.text.to_string();
            if id == span.file {
                content.replace_range(span.start as usize..span.end as usize, &text);
            }
            if id == loaded.program.main {
                main = Some((file.name.clone(), content));
            } else {
                sources.add(file.name.clone(), content);
            }
        }
        let Some((name, content)) = main else { return Ok(loaded) };
        let known: Vec<(String, String)> =
            sources.files().map(|(_, file)| (file.name.clone(), file.text.to_string())).collect();
        let mut sources = SourceMap::default();
        let main = sources.add(name, content);
        let read = |path: &str| {
            let file = known.iter().find(|(name, _)| name == path);
            file.map(|(_, text)| text.clone()).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        };
        let (program, diagnostics) = syntax::load_program(&mut sources, main, &read);
        loaded = Loaded { sources, program, diagnostics, ..loaded };
    }
    Ok(loaded)
}

fn setting<'p>(program: &'p Program, wanted: &str) -> Option<&'p Expr> {
    let items = program.file(program.main)?.items.iter();
    items.rev().find_map(|item| match &item.kind {
        ItemKind::Setting { key, value } if key.text == wanted => Some(value),
        ItemKind::Bare { value } if wanted == "model" => Some(value),
        _ => None,
    })
}

fn section_of<'p>(program: &'p Program, wanted: &str) -> Option<(&'p [Entry], Span)> {
    program.file(program.main)?.items.iter().find_map(|item| match &item.kind {
        ItemKind::Section { name, entries } if name.text == wanted => Some((entries.as_slice(), item.span)),
        _ => None,
    })
}

fn lets(program: &Program) -> Vec<(&str, &Expr)> {
    let items = program.files.iter().rev().flat_map(|file| &file.items);
    items
        .filter_map(|item| match &item.kind {
            ItemKind::Let { name, value } => Some((name.text.as_str(), value)),
            _ => None,
        })
        .collect()
}

/// Behind the last item of the main file.
fn at_end(program: &Program) -> Span {
    let last = program
        .file(program.main)
        .and_then(|file| file.items.last())
        .map_or_else(Span::default, |item| item.span);
    Span { file: program.main, start: last.end, end: last.end }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(text: &str, changes: &[&str]) -> Result<String, String> {
        let mut sources = SourceMap::default();
        let main = sources.add("m.hgnn", text);
        let none = |_: &str| Err(io::Error::from(io::ErrorKind::NotFound));
        let (program, diagnostics) = syntax::load_program(&mut sources, main, &none);
        let loaded = Loaded { sources, program, diagnostics, base: None };
        let changes: Result<Vec<Change>, String> =
            changes.iter().map(|change| Change::parse(change)).collect();
        let applied = applied(loaded, &changes?).map_err(|failure| failure.message)?;
        Ok(applied.sources.file(applied.program.main).text.to_string())
    }

    #[test]
    fn a_value_stands_where_the_other_stood() {
        let text = "data = tu(\"PROTEINS\")\nlet width = 64\nmodel = gcn(width) -> mean -> linear\ntrain { optimizer = adam(lr = 1e-3), early_stop = patience(30) }";
        for (change, from, to) in [
            ("width=32", "width = 64", "width = 32"),
            ("train.optimizer.lr=3e-3", "lr = 1e-3", "lr = 3e-3"),
            ("train.optimizer.weight_decay=1e-4", "lr = 1e-3", "lr = 1e-3, weight_decay = 1e-4"),
            ("train.optimizer=sgd(lr = 0.1)", "adam(lr = 1e-3)", "sgd(lr = 0.1)"),
            ("train.early_stop.epochs=50", "patience(30)", "patience(50)"),
            ("train.epochs=7", "patience(30) }", "patience(30), epochs = 7 }"),
            ("data.name=\"MUTAG\"", "\"PROTEINS\"", "\"MUTAG\""),
            ("data.features=degree", "tu(\"PROTEINS\")", "tu(\"PROTEINS\", features = degree)"),
            ("evaluate.seeds=3", "patience(30) }", "patience(30) }\nevaluate { seeds = 3 }\n"),
            ("model=sage(8) -> mean -> linear", "gcn(width) -> mean -> linear", "sage(8) -> mean -> linear"),
        ] {
            assert_eq!(changed(text, &[change]), Ok(text.replace(from, to)), "{change}");
        }
        let twice = changed(text, &["width=8", "train.epochs=2"]).unwrap();
        assert!(twice.contains("width = 8") && twice.contains("epochs = 2"), "{twice}");
    }

    #[test]
    fn an_argument_of_a_default_is_written_with_its_call() {
        let text = "model = gcn(8) -> mean -> linear";
        assert_eq!(
            changed(text, &["train.optimizer.lr=0.1"]),
            Ok(format!("{text}\ntrain {{ optimizer = adam(lr = 0.1) }}\n"))
        );
    }

    #[test]
    fn a_path_that_names_nothing_is_refused() {
        let text = "let width = 64\nmodel = gcn(width) -> mean -> linear\ntrain { epochs = 3 }";
        for (change, message) in [
            ("widht=3", "no `let widht`"),
            ("train.epoch=3", "takes no `epoch`"),
            ("train.epochs.x=3", "no call that takes `x`"),
            ("evaluate.protocol.k=3", "sets no `protocol`"),
            ("width", "PATH=VALUE"),
            ("width=", "no value"),
            ("a b=1", "no path of names"),
            ("published.accuracy=1", "no values inside"),
        ] {
            let error = changed(text, &[change]).unwrap_err();
            assert!(error.contains(message), "{change}: {error}");
        }
    }
}
