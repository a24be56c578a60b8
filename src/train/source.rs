//! The text of a model as a run keeps it: the file and those that it uses, under names of their own.

use crate::check::{self, Checked, Outcome};
use crate::diagnostic::Diagnostic;
use crate::ir::canonical::Part;
use crate::ir::{Author, Canonical, Model, Node};
use crate::migrate;
use crate::search;
use crate::source::{FileId, SourceMap, Span};
use crate::syntax::ast::{Item, ItemKind};
use crate::syntax::{Program, load_program};
use crate::types::DataFacts;
use petgraph::graph::NodeIndex;
use serde::{Deserialize, Serialize};
use std::io;

/// Name of the first file.
pub const MODEL: &str = "model.hgnn";

/// Texts from which a model can be compiled again, anywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelSource {
    /// The model's file, then those that it uses.
    files: Vec<SourceText>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceText {
    /// Without folders.
    pub name: String,
    pub text: String,
}

/// A source with what came of checking it.
pub struct Compiled {
    pub sources: SourceMap,
    pub program: Program,
    pub outcome: Outcome,
}

/// Data that stands in place of the file's own.
#[derive(Debug, Clone, Copy)]
pub struct OtherData<'a> {
    /// The call.
    pub text: &'a str,
    /// Whether it is another set, and not the file's own read otherwise.
    pub is_other_set: bool,
}

impl ModelSource {
    /// One file that uses no other.
    pub fn single(text: impl Into<String>) -> Self {
        Self { files: vec![SourceText { name: MODEL.into(), text: text.into() }] }
    }

    /// The texts of a parsed program as they were given, with `use` naming the copies. `data` takes the place of
    /// the file's own `data = …`, where the command line named other data; published figures of another set go with it.
    pub fn of_program(sources: &SourceMap, program: &Program, data: Option<OtherData>) -> Self {
        // The main file first, the others as they were read.
        let mut order = vec![program.main];
        order.extend(program.files.iter().map(|file| file.id).filter(|&id| id != program.main));
        let names: Vec<String> =
            order.iter().enumerate().map(|(idx, &id)| copy_name(idx, sources, id)).collect();
        let files = order
            .iter()
            .zip(&names)
            .map(|(&id, name)| {
                let text = &sources.file(id).text;
                let mut edits: Vec<(usize, usize, String)> = Vec::new();
                for (place, used) in program.uses.iter().filter(|(place, _)| place.file == id) {
                    let Some(idx) = order.iter().position(|known| known == used) else { continue };
                    edits.push((place.start as usize, place.end as usize, format!("\"{}\"", names[idx])));
                }
                if let Some(OtherData { text: data, is_other_set }) = data.filter(|_| id == program.main) {
                    let items = || program.file(id).into_iter().flat_map(|file| &file.items);
                    let own = items().find_map(|item| match &item.kind {
                        ItemKind::Setting { key, value } if key.text == "data" => Some(value.span),
                        _ => None,
                    });
                    edits.push(match own {
                        Some(span) => (span.start as usize, span.end as usize, data.to_string()),
                        None => (0, 0, format!("data = {data}\n")),
                    });
                    let is_published = |item: &&Item| matches!(&item.kind, ItemKind::Section { name, .. } if name.text == "published");
                    for item in items().filter(is_published).filter(|_| is_other_set) {
                        edits.push((item.span.start as usize, item.span.end as usize, String::new()));
                    }
                }
                SourceText { name: name.clone(), text: edited(text, edits) }
            })
            .collect();
        Self { files }
    }

    /// The texts with others at these places of theirs, as [`ModelSource::parse`] numbers the files.
    #[must_use]
    pub fn edited(&self, sources: &SourceMap, edits: &[(Span, String)]) -> Self {
        let mut texts = self.clone();
        for (id, file) in sources.files() {
            let own = edits.iter().filter(|(span, _)| span.file == id);
            let own = own.map(|(span, text)| (span.start as usize, span.end as usize, text.clone()));
            if let Some(text) = texts.files.iter_mut().find(|text| text.name == file.name) {
                text.text = edited(&file.text, own.collect());
            }
        }
        texts
    }

    /// Takes up texts that were saved; the first is the model's.
    pub fn from_files(files: Vec<SourceText>) -> Self {
        Self { files }
    }

    /// Whether a value is left open with `search`.
    pub fn leaves_open(&self) -> bool {
        self.files.iter().any(|file| file.text.contains(search::SEARCH))
            && search::find(&self.parse().1).space.is_some()
    }

    pub fn files(&self) -> &[SourceText] {
        &self.files
    }

    /// Parses all files. Mistakes are among the diagnostics.
    pub fn parse(&self) -> (SourceMap, Program, Vec<Diagnostic>) {
        let mut sources = SourceMap::default();
        let main = sources.add(self.files[0].name.clone(), self.files[0].text.clone());
        let read = |path: &str| {
            let file = self.files.iter().find(|file| file.name == path);
            file.map(|file| file.text.clone()).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        };
        let (program, diagnostics) = load_program(&mut sources, main, &read);
        (sources, program, diagnostics)
    }

    /// The same texts with the names of today, where they were saved by an older version: what was trained stays
    /// usable.
    #[must_use]
    pub fn brought_forward(mut self) -> Self {
        let has_word = |word: &str| self.files.iter().any(|file| file.text.contains(word));
        if !migrate::RENAMES.iter().any(|rename| has_word(rename.from)) {
            return self;
        }
        let (sources, program, _) = self.parse();
        let edits = migrate::edits(&sources, &check::check(&program, None).diagnostics);
        for (id, file) in sources.files() {
            let own: Vec<_> = edits.iter().filter(|edit| edit.span.file == id).cloned().collect();
            if let Some(text) = self.files.iter_mut().find(|text| text.name == file.name) {
                text.text = migrate::rewrite(&file.text, &own);
            }
        }
        self
    }

    /// The same texts for a run whose canonical form is `form`, so that they mean the network that was trained: up to
    /// version 2, a linear layer followed every `assign` whose last stage has its width written.
    #[must_use]
    pub fn as_trained(self, form: &str) -> Self {
        if Canonical::version_of(form).is_none_or(|version| version > 2) {
            return self;
        }
        let Ok(form) = Canonical::parse(form) else { return self };
        let (sources, program, _) = self.parse();
        let built = |program: &Program| check::check(program, None).model;
        let means_form =
            |model: &Checked<Model>| form.agrees_with(&Canonical::of(model.get()), Part::Architecture);
        let Some(model) = built(&program).filter(|model| !means_form(model)) else { return self };
        let mut places = wide_assignments(model.get());
        places.sort_unstable();
        places.dedup();
        let texts = self.with_linear_behind(&places, &sources);
        let is_same = built(&texts.parse().1).is_some_and(|model| means_form(&model));
        if is_same { texts } else { self }
    }

    /// ` -> linear` put behind these places.
    fn with_linear_behind(&self, places: &[Span], sources: &SourceMap) -> Self {
        let mut texts = self.clone();
        for (id, file) in sources.files() {
            let own = places.iter().filter(|span| span.file == id);
            let edits =
                own.map(|span| (span.end as usize, span.end as usize, " -> linear".to_owned())).collect();
            if let Some(text) = texts.files.iter_mut().find(|text| text.name == file.name) {
                text.text = edited(&file.text, edits);
            }
        }
        texts
    }

    /// Parses and checks the model against the data that it was made for.
    pub fn compile(&self, data: Option<&DataFacts>) -> Compiled {
        let (sources, program, mut diagnostics) = self.parse();
        let mut outcome = check::check(&program, data);
        if diagnostics.iter().any(Diagnostic::is_error) {
            outcome.model = None;
        }
        diagnostics.append(&mut outcome.diagnostics);
        outcome.diagnostics = diagnostics;
        Compiled { sources, program, outcome }
    }
}

/// Where an `assign` is written that has the width of its clusters by itself.
fn wide_assignments(model: &Model) -> Vec<Span> {
    let place = |(idx, node): (NodeIndex, &Node)| {
        let written = node.args.get("assign")?.span?;
        let [pooled, end, ..] = model.inputs(idx)[..] else { return None };
        let is_added = model.graph[end].author == Author::Compiler;
        let is_open = !model.width_setters(end, pooled.index() + 1).is_empty();
        (!is_added && !is_open).then_some(written)
    };
    model.nodes().filter_map(place).collect()
}

/// `model.hgnn`, `used-1-encoders.hgnn`
fn copy_name(idx: usize, sources: &SourceMap, id: FileId) -> String {
    if idx == 0 {
        return MODEL.into();
    }
    let name = &sources.file(id).name;
    let stem = name.rsplit(['/', '\\']).next().unwrap_or(name).trim_end_matches(".hgnn");
    let plain = |char: char| if char.is_alphanumeric() || char == '_' { char } else { '-' };
    format!("used-{idx}-{}.hgnn", stem.chars().map(plain).collect::<String>())
}

/// The text with these byte ranges replaced.
fn edited(text: &str, mut edits: Vec<(usize, usize, String)>) -> String {
    edits.sort_by_key(|&(start, ..)| start);
    let (mut result, mut place) = (String::with_capacity(text.len()), 0);
    for (start, end, new) in edits {
        result.push_str(&text[place..start]);
        result.push_str(&new);
        place = end;
    }
    result.push_str(&text[place..]);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_of_used_files_name_each_other() {
        let files = [
            ("models/a.hgnn", "// top\nuse \"lib/b.hgnn\"\ndata = karate()\nmodel = wide"),
            ("models/lib/b.hgnn", "use \"../c d.hgnn\"\nblock wide() = narrow -> relu"),
            ("models/c d.hgnn", "block narrow() = gcn(8)"),
        ];
        let mut sources = SourceMap::default();
        let main = sources.add(files[0].0, files[0].1);
        let read = |path: &str| {
            let file = files.iter().find(|(name, _)| *name == path);
            file.map(|(_, text)| (*text).to_string()).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        };
        let (program, diagnostics) = load_program(&mut sources, main, &read);
        assert_eq!(diagnostics, []);
        let data = OtherData { text: "tu(\"MUTAG\")", is_other_set: true };
        let saved = ModelSource::of_program(&sources, &program, Some(data));
        let (_, again, diagnostics) = saved.parse();
        assert_eq!(diagnostics, []);
        assert_eq!(again.files.len(), 3);
        assert!(saved.files()[0].text.starts_with("// top\nuse \"used-"));
        assert!(saved.files()[0].text.contains("data = tu(\"MUTAG\")\n"));
        assert!(saved.files().iter().any(|file| file.name.ends_with("c-d.hgnn")));
    }

    #[test]
    fn saved_texts_of_an_older_version_compile() {
        let files = [
            ("model.hgnn", "use \"used-1-b.hgnn\"\nmodel = wide(sage) -> mean -> mlp"),
            ("used-1-b.hgnn", "block wide(of) = of(8, root = false) -> sage(8, root = true)"),
        ];
        let text = |(name, text): (&str, &str)| SourceText { name: name.into(), text: text.into() };
        let compiled = ModelSource::from_files(files.map(text).into()).brought_forward().compile(None);
        assert_eq!(compiled.outcome.diagnostics, []);
        assert!(compiled.outcome.model.is_some());
    }

    #[test]
    fn an_assignment_that_was_projected_twice_stays_so() {
        let text = |end: &str| {
            format!(
                "block pool(net, n) = diffpool(k = n, assign = net)
                 model = diffpool(k = 8, assign = sage(8) -> relu{end}) -> pool(gcn, 4) -> sage(8)
                     -> diffpool(ratio = 0.5, assign = gcn(2){end}) -> diffpool(k = 1, assign = gcn(3)) -> mean -> mlp"
            )
        };
        let form = |source: &ModelSource| {
            let compiled = source.compile(None);
            assert_eq!(compiled.outcome.diagnostics, []);
            Canonical::of(compiled.outcome.model.unwrap().get()).to_string()
        };
        // What version 2 made of the first text is what the second text says today.
        let (source, today) = (ModelSource::single(text("")), form(&ModelSource::single(text(" -> linear"))));
        let then = today.replace("hgnn-ir 3", "hgnn-ir 2");
        assert_ne!(form(&source), today);
        assert_eq!(form(&source.clone().as_trained(&then)), today);
        // A form of today is taken as it is, and so is one of another model.
        assert_eq!(source.clone().as_trained(&today), source);
        assert_eq!(source.clone().as_trained(&then.replace("k = 8", "k = 9")), source);
    }

    #[test]
    fn data_goes_on_top_of_a_bare_file() {
        let source = ModelSource::single("sage(8) -> mean -> mlp");
        let (sources, program, _) = source.parse();
        let data = OtherData { text: "karate()", is_other_set: true };
        let saved = ModelSource::of_program(&sources, &program, Some(data));
        assert_eq!(saved.files()[0].text, "data = karate()\nsage(8) -> mean -> mlp");
    }

    #[test]
    fn published_figures_are_those_of_their_set() {
        let text = "data = tu(\"ENZYMES\")\nmodel = sage(8) -> mean -> mlp\npublished { accuracy = 0.4 }\n";
        let source = ModelSource::single(text);
        let (sources, program, _) = source.parse();
        let saved = |is_other_set| {
            let data = OtherData { text: "tu(\"PROTEINS\")", is_other_set };
            ModelSource::of_program(&sources, &program, Some(data)).files()[0].text.clone()
        };
        let replaced = text.replace("ENZYMES", "PROTEINS");
        assert_eq!(saved(false), replaced);
        assert_eq!(saved(true), replaced.replace("published { accuracy = 0.4 }", ""));
    }
}
