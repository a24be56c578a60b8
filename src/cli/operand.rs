//! The operands of commands that take a model from anywhere: a file, the folder of a run, a checkpoint, or a file
//! at a git revision.

use super::source::{self, Compiled, Data, Loaded, Need};
use super::{Failure, Format, Global, code, report, stderr_look};
use crate::args::ArgValue;
use crate::check;
use crate::data::DataOptions;
use crate::diagnostic::Diagnostic;
use crate::diff::Side;
use crate::git;
use crate::ir::{Canonical, Model};
use crate::source::SourceMap;
use crate::train::{self, Checkpoint, ModelSource, Overrides, RunFolder, RunRecord};
use crate::types::DataFacts;
use std::io::{self, Write};
use std::path::Path;

/// A model as it was found, before it is checked against data.
pub struct Operand {
    /// As the user named it.
    name: String,
    origin: Origin,
    /// What the command line of its run said over the file.
    overrides: Overrides,
    /// The data that a checkpoint was trained on.
    facts: Option<DataFacts>,
}

enum Origin {
    /// Texts that were parsed.
    Text(Loaded),
    /// A checkpoint whose texts this version cannot compile: its canonical form.
    Form(Box<Canonical>),
}

/// Where sizes come from.
#[derive(Clone, Copy)]
pub enum Sizes<'a> {
    /// Nowhere: they stay symbolic.
    Symbolic,
    /// A checkpoint's own data; otherwise the data that the model names, where it is on this machine.
    Local(&'a DataOptions),
    /// Known already.
    Known(&'a DataFacts),
}

/// Why an operand gives no model.
pub enum Refused {
    /// Its text is wrong.
    Findings {
        name: String,
        sources: SourceMap,
        diagnostics: Vec<Diagnostic>,
    },
    Failure(Failure),
}

impl Refused {
    /// Reports findings on standard error (as JSON they are part of the failure), and gives the failure of a command
    /// that cannot go on without the model.
    ///
    /// # Errors
    /// Always: the failure.
    pub fn told<T>(self, global: &Global) -> Result<T, Failure> {
        match self {
            Refused::Failure(failure) => Err(failure),
            Refused::Findings { name, sources, diagnostics } => {
                let failure =
                    Failure::new(format!("`{name}` has errors, so there is no model to read from it"))
                        .code(code::MODEL);
                if global.format == Format::Json {
                    return Err(failure.findings(report::all_json(&sources, &diagnostics)));
                } else {
                    // Where standard error is closed, the exit code still reports it.
                    let out = &mut io::stderr().lock();
                    let _ = report::write(out, &sources, &diagnostics, global.format, stderr_look());
                }
                Err(failure)
            }
        }
    }
}

/// Reads one operand and compiles it.
///
/// # Errors
/// Where it is not there, is damaged, or is wrong in itself, which is then reported on standard error.
pub fn read(text: &str, options: Option<&DataOptions>, global: &Global) -> Result<Side, Failure> {
    let sizes = options.map_or(Sizes::Symbolic, Sizes::Local);
    Operand::find(text)?.side(sizes).or_else(|refused| refused.told(global))
}

/// Two operands compiled, `before` and `after`. Where the data of one is at hand and that of the other is not, and
/// they name the same or one names none, both get their sizes from it, so that they can be compared in numbers.
///
/// # Errors
/// As [`read`].
pub fn read_pair(
    operands: [&Operand; 2],
    options: Option<&DataOptions>,
    global: &Global,
) -> Result<[Side; 2], Failure> {
    let sizes = options.map_or(Sizes::Symbolic, Sizes::Local);
    let [first, second] = operands.map(|operand| operand.side(sizes));
    let mut sides =
        [first.or_else(|refused| refused.told(global))?, second.or_else(|refused| refused.told(global))?];
    if options.is_none() {
        return Ok(sides);
    }
    let data = |side: &Side| side.model.data.as_ref().map(crate::plan::bound_call_text);
    for (to, from) in [(0, 1), (1, 0)] {
        let (lacks, has) = (&sides[to], &sides[from]);
        let are_same = lacks.model.data.is_none() || has.model.data.is_none() || data(lacks) == data(has);
        if let (None, Some(facts), true) = (&lacks.facts, &has.facts, are_same) {
            // A model that does not suit that data stays as it is.
            let with_sizes = operands[to].side(Sizes::Known(facts));
            if let Ok(side) = with_sizes {
                sides[to] = side;
            }
        }
    }
    Ok(sides)
}

impl Operand {
    /// Finds what a path names, or `git:REV:PATH`.
    ///
    /// # Errors
    /// Where it is not there or damaged.
    pub fn find(text: &str) -> Result<Self, Failure> {
        if let Some(spec) = git::Spec::parse(text) {
            return Self::of_revision(text, &spec?);
        }
        let path = Path::new(text);
        if text == "-" {
            return Ok(Self::of_text(text, source::load(text)?));
        }
        if path.is_dir() {
            return Self::of_run(text, path);
        }
        if path.extension().is_some_and(|ending| ending == "safetensors") {
            let checkpoint = Checkpoint::read(path)?;
            return Self::of_checkpoint(text, &checkpoint);
        }
        Ok(Self::of_text(text, source::load(text)?))
    }

    /// A file at a git revision, with what it used there.
    fn of_revision(name: &str, spec: &git::Spec) -> Result<Self, Failure> {
        let repository = git::Repository::discover(Path::new("."))?;
        let snapshot = repository.snapshot(&spec.revision)?;
        let located = repository.locate(&snapshot, &spec.path)?;
        if located.path.ends_with(".safetensors") {
            return Err(Failure::new(format!("`{name}` is a checkpoint, which is read from disk only"))
                .help(format!("write its path alone: `{}`", spec.path)));
        }
        if let Some(note) = located.note {
            // Where standard error is closed, no one reads it.
            let _ = writeln!(io::stderr(), "note: {note}");
        }
        let loaded = repository.load(&snapshot, &located.path)?;
        let loaded = Loaded::of_repository(loaded, &repository, &located.path);
        Ok(Self::of_text(name, loaded.brought_forward()))
    }

    /// Texts that were read and parsed, from a file or elsewhere.
    pub fn of_text(name: &str, loaded: Loaded) -> Self {
        Self {
            name: name.to_owned(),
            origin: Origin::Text(loaded),
            overrides: Overrides::default(),
            facts: None,
        }
    }

    fn of_run(name: &str, path: &Path) -> Result<Self, Failure> {
        if RunFolder::is_run(path) {
            let folder = RunFolder::open(path)?;
            let record = folder.record()?;
            // A run that was interrupted early has its texts, but no checkpoint yet.
            if !folder.has_checkpoint(&record)? {
                return Self::of_texts(name, &folder, &record);
            }
        }
        // Folds and seeds have the same model.
        let found = train::find_run(path)?;
        let Some(first) = found.checkpoints.first() else {
            return Err(Failure::new(format!("`{name}` holds no checkpoint")).code(code::RUN));
        };
        Self::of_checkpoint(name, &Checkpoint::read(first)?)
    }

    /// The texts of a run, which have to be those that it began with.
    fn of_texts(name: &str, folder: &RunFolder, record: &RunRecord) -> Result<Self, Failure> {
        if let Some(changed) = folder.changed_texts(record)?.first() {
            let path = folder.path().join(changed);
            let message = format!("`{}` has changed since its run began", path.display());
            return Err(Failure::new(message).help("name the file itself, or restore it"));
        }
        let source = folder.source()?;
        let loaded = Loaded { base: record.data_folder(), ..parsed(&source) };
        Ok(Self { overrides: record.overrides, ..Self::of_text(name, loaded) })
    }

    fn of_checkpoint(name: &str, checkpoint: &Checkpoint) -> Result<Self, Failure> {
        if let Some(note) = checkpoint.note() {
            super::note(&note);
        }
        let facts = &checkpoint.facts;
        let overrides = match train::run_of(&checkpoint.path) {
            // The first format leaves them to the run's record.
            Some(run) if !checkpoint.is_sealed => run.record()?.overrides,
            _ => facts.overrides,
        };
        let compiles = facts.source.compile(Some(&facts.data)).outcome.model.is_some();
        let origin = if compiles {
            Origin::Text(parsed(&facts.source))
        } else {
            Origin::Form(Box::new(checkpoint.canonical()?))
        };
        Ok(Self { name: name.to_owned(), origin, overrides, facts: Some(facts.data.clone()) })
    }

    /// The model.
    ///
    /// # Errors
    /// Where its text is wrong in itself, or against its data.
    pub fn side(&self, sizes: Sizes) -> Result<Side, Refused> {
        let known = match (sizes, &self.facts) {
            (Sizes::Symbolic, _) => None,
            (Sizes::Known(facts), _) => Some(facts.clone()),
            (Sizes::Local(_), facts) => facts.clone(),
        };
        let (mut model, facts, text) = match &self.origin {
            Origin::Form(form) => {
                let model = form.model(known.as_ref()).map_err(|message| {
                    let message = format!("{}: its canonical form gives no model: {message}", self.name);
                    Refused::Failure(Failure::new(message).help("use the hgnnc that wrote it"))
                })?;
                (model, known, None)
            }
            Origin::Text(loaded) => {
                let compiled = match (sizes, known) {
                    (Sizes::Local(options), None) => {
                        source::compile_loaded(loaded.clone(), Some(options), Need::Facts)
                    }
                    (_, known) => checked(loaded, known.as_ref()),
                };
                let facts = compiled.data.facts();
                let model = self.model_of(compiled)?;
                (model, facts, Some(text_of(loaded)))
            }
        };
        let Overrides { seed, epochs } = self.overrides;
        for (name, value) in [("seed", seed), ("epochs", epochs.map(|epochs| epochs as u64))] {
            let arg = model.train.0.iter_mut().find(|arg| arg.name == name);
            if let (Some(arg), Some(value)) = (arg, value) {
                arg.value = ArgValue::Int(value as i64);
            }
        }
        Ok(Side { name: self.name.clone(), model, facts, text })
    }

    fn model_of(&self, compiled: Compiled) -> Result<Model, Refused> {
        match compiled.model {
            Some(model) => Ok(model.get().clone()),
            None if compiled.diagnostics.iter().any(Diagnostic::is_error) => Err(Refused::Findings {
                name: self.name.clone(),
                sources: compiled.sources,
                diagnostics: compiled.diagnostics,
            }),
            None => Err(Refused::Failure(
                Failure::new(format!("`{}` defines no model of its own", self.name))
                    .help("its definitions are for other files; name one that uses them"),
            )),
        }
    }
}

fn parsed(source: &ModelSource) -> Loaded {
    let (sources, program, diagnostics) = source.parse();
    Loaded { sources, program, diagnostics, base: None }
}

/// Checks texts against sizes that are known.
fn checked(loaded: &Loaded, facts: Option<&DataFacts>) -> Compiled {
    let Loaded { sources, program, mut diagnostics, .. } = loaded.clone();
    let has_syntax_errors = diagnostics.iter().any(Diagnostic::is_error);
    let (mut model, mut is_library) = (None, false);
    if !program.files.is_empty() {
        let outcome = check::check(&program, facts);
        diagnostics.extend(outcome.diagnostics);
        model = outcome.model.filter(|_| !has_syntax_errors);
        is_library = outcome.is_library;
    }
    let data = facts.map_or(Data::None, |facts| Data::Known(Box::new(facts.clone())));
    Compiled { sources, program, model, refused: None, is_library, data, diagnostics }
}

/// The file's text, then those that it uses.
fn text_of(loaded: &Loaded) -> String {
    let main = loaded.program.main;
    let others = loaded.program.files.iter().map(|file| file.id).filter(|&id| id != main);
    let ids = std::iter::once(main).chain(others);
    ids.map(|id| loaded.sources.file(id).text.to_string()).collect::<Vec<_>>().join("\n")
}
