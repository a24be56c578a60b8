//! What the files of a program define, and what the main file sets.

use crate::bind::{Definition, DefinitionKind, FileScope, Findings, Missing};
use crate::conv;
use crate::findings::names;
use crate::ops;
use crate::ops::combinators::COMBINATORS;
use crate::source::{FileId, Span};
use crate::syntax::Program;
use crate::syntax::ast::{Entry, Expr, ExprKind, File, Ident, ItemKind, Param, Stage};
use std::collections::{HashMap, HashSet};

/// What can stand before `=` at the top of a file.
pub(crate) const SETTINGS: &[&str] = &["model", "data", "loss", "task"];

/// What can stand before `{ … }`.
pub(crate) const SECTIONS: &[&str] = &["train", "evaluate", "published"];

/// Words that a definition cannot take: `Some(true)` for operators, `Some(false)` for the language's own.
pub(crate) fn reserved(name: &str) -> Option<bool> {
    if ops::find(name).is_some() || ops::find_input(name).is_some() {
        Some(true)
    } else {
        COMBINATORS.iter().any(|combinator| combinator.spec.name == name).then_some(false)
    }
}

/// The stages of a pipeline on edges that stands alone, with the name of its value; `None` for any other pipeline.
pub(crate) fn edge_stages(value: &Expr) -> Option<(&[Stage], Option<&Ident>)> {
    let begins = |expr: &Expr| match &expr.kind {
        ExprKind::Name(name) => is_edge_word(name),
        ExprKind::Call(call) => is_edge_word(&call.callee.text),
        _ => false,
    };
    match &value.kind {
        ExprKind::Pipeline(stages) if stages.first().is_some_and(|first| begins(&first.value)) => {
            Some((stages, stages.last().and_then(|last| last.name.as_ref())))
        }
        _ if begins(value) => Some((&[], None)),
        _ => None,
    }
}

/// A pipeline that begins with a value of the edges and stands alone: its first stage, its stages and its name. One
/// without a name may be meant as the model.
fn continued_edges<'p>(known: &HashSet<&str>, value: &'p Expr) -> Option<Continued<'p>> {
    let ExprKind::Pipeline(stages) = &value.kind else { return None };
    let [Stage { value: Expr { kind: ExprKind::Name(first), .. }, name: None }, ..] = &stages[..] else {
        return None;
    };
    let name = stages.last()?.name.as_ref();
    known.contains(first.as_str()).then_some((first, stages, name))
}

type Continued<'p> = (&'p str, &'p [Stage], Option<&'p Ident>);

/// As [`continued_edges`], where it is no model: it has a name, or the file sets its model.
fn line_of_edges<'p>(known: &HashSet<&str>, file: &File, value: &'p Expr) -> Option<Continued<'p>> {
    let sets_model = || {
        file.items
            .iter()
            .any(|item| matches!(&item.kind, ItemKind::Setting { key, .. } if key.text == "model"))
    };
    continued_edges(known, value).filter(|(.., name)| name.is_some() || sets_model())
}

/// The names of values of the edges that stand alone in any file.
fn edge_names(program: &Program) -> HashSet<&str> {
    let mut known = HashSet::new();
    for item in program.files.iter().flat_map(|file| &file.items) {
        let ItemKind::Bare { value } = &item.kind else { continue };
        let own = edge_stages(value).and_then(|(_, name)| name);
        let name = own.or_else(|| continued_edges(&known, value).and_then(|(.., name)| name));
        known.extend(name.map(|name| name.text.as_str()));
    }
    known
}

fn is_edge_word(name: &str) -> bool {
    name == ops::EDGES.name() || name == ops::EDGE_LABELS.name()
}

/// The `let`s and blocks that each file sees: its own and those of the files it uses, but not what these use.
pub(crate) fn collect_definitions<'p>(
    program: &'p Program,
    findings: &mut Findings,
) -> HashMap<FileId, FileScope<'p>> {
    let mut scopes: HashMap<FileId, FileScope<'p>> = HashMap::new();
    let known = edge_names(program);
    for file in &program.files {
        let mut scope = FileScope::default();
        for item in &file.items {
            let (name, kind) = match &item.kind {
                ItemKind::Let { name, value } => (name, DefinitionKind::Let { value }),
                ItemKind::Block { name, params, body } => {
                    check_params(params, &reserved, findings);
                    (name, DefinitionKind::Block { params, body })
                }
                ItemKind::Conv(conv) => {
                    let is_taken = |name: &str| match conv::analyse::is_taken(name) {
                        true => Some(false),
                        false => reserved(name),
                    };
                    check_params(&conv.params, &is_taken, findings);
                    (&conv.name, DefinitionKind::Conv { conv })
                }
                ItemKind::Bare { value } => match edge_stages(value) {
                    Some((stages, Some(name))) => (name, DefinitionKind::Edges { stages }),
                    Some((_, None)) => {
                        findings.push(names::unnamed_edges(value.span));
                        continue;
                    }
                    None => match line_of_edges(&known, file, value) {
                        Some((first, stages, Some(name))) => {
                            findings.push(names::continues_edges(first, stages, value.span, name));
                            (name, DefinitionKind::Edges { stages })
                        }
                        Some((.., None)) => {
                            findings.push(names::unnamed_edges(value.span));
                            continue;
                        }
                        None => continue,
                    },
                },
                _ => continue,
            };
            if let Some(is_operator) = reserved(&name.text) {
                findings.push(names::reserved(&name.text, name.span, is_operator));
                continue;
            }
            if let Some(first) = scope.definitions.get(name.text.as_str()) {
                let mut finding = names::duplicate("the name", &name.text, name.span, first.name.span);
                if let ItemKind::Bare { value } = &item.kind {
                    // Without its name, a pipeline on edges is nothing.
                    finding.fix = None;
                    finding = finding.guess(value.span, "");
                }
                findings.push(finding);
                continue;
            }
            let definition = Definition { name, file: file.id, kind, import: None };
            scope.definitions.insert(&name.text, definition);
        }
        scopes.insert(file.id, scope);
    }

    let mut imports: Vec<(FileId, Definition<'p>)> = Vec::new();
    for file in &program.files {
        for item in &file.items {
            let ItemKind::Use { path } = &item.kind else { continue };
            let Some((_, used)) = program.uses.iter().find(|(span, _)| *span == path.span) else { continue };
            let Some(scope) = scopes.get(used) else { continue };
            let mut names: Vec<_> = scope.definitions.values().filter(|def| def.import.is_none()).collect();
            names.sort_by_key(|def| def.name.span);
            let visible =
                names.into_iter().map(|def| (file.id, Definition { import: Some(path.span), ..*def }));
            imports.extend(visible);
        }
    }
    for (file, definition) in imports {
        let Some(scope) = scopes.get_mut(&file) else { continue };
        let name = definition.name;
        match scope.definitions.get(name.text.as_str()) {
            // The same file used twice brings nothing new; `unused` says so.
            Some(first) if first.name.span == name.span => {}
            Some(first) => {
                let place = definition.import.unwrap_or(name.span);
                let first = first.import.unwrap_or(first.name.span);
                findings.push(names::duplicate("the name", &name.text, place, first));
            }
            None => {
                scope.definitions.insert(&name.text, definition);
            }
        }
    }
    scopes
}

/// Parameters have names of their own, each once.
fn check_params(params: &[Param], is_taken: &dyn Fn(&str) -> Option<bool>, findings: &mut Findings) {
    let mut known: HashMap<&str, Span> = HashMap::new();
    for param in params {
        if let Some(is_operator) = is_taken(&param.name.text) {
            findings.push(names::reserved(&param.name.text, param.name.span, is_operator));
        }
        let first = *known.entry(&param.name.text).or_insert(param.name.span);
        if first != param.name.span {
            findings.push(names::duplicate("the parameter", &param.name.text, param.name.span, first));
        }
    }
}

/// Whether parameters share a name, or have one that is taken, which [`check_params`] reported.
pub(crate) fn has_faulty_names(params: &[Param], is_taken: &dyn Fn(&str) -> Option<bool>) -> bool {
    let names = || params.iter().map(|param| param.name.text.as_str());
    names().any(|name| is_taken(name).is_some()) || names().collect::<HashSet<_>>().len() < params.len()
}

/// What may be missing from each file because something could not be read.
pub(crate) fn collect_missing(program: &Program) -> HashMap<FileId, Missing<'_>> {
    let own = |id: FileId| {
        let mut missing = Missing::default();
        for item in program.file(id).into_iter().flat_map(|file| &file.broken) {
            match &item.defines {
                Some(name) => {
                    missing.names.insert(&name.text);
                }
                None => missing.any = true,
            }
        }
        missing
    };
    let mut all: HashMap<FileId, Missing<'_>> = HashMap::new();
    for file in &program.files {
        let mut missing = own(file.id);
        for item in &file.items {
            // A setting that is none was to name a value, and is reported.
            if let ItemKind::Setting { key, .. } = &item.kind
                && !SETTINGS.contains(&key.text.as_str())
            {
                missing.names.insert(&key.text);
            }
            let ItemKind::Use { path } = &item.kind else { continue };
            match program.uses.iter().find(|(span, _)| *span == path.span) {
                Some((_, used)) => {
                    let used = own(*used);
                    missing.names.extend(used.names);
                    missing.any |= used.any;
                }
                None => missing.any = true,
            }
        }
        all.insert(file.id, missing);
    }
    all
}

/// Places of the definitions of a file that is compiled itself, in the order written: `let`s, blocks and named pipelines
/// on edges.
pub(crate) fn own_definitions(program: &Program, file: FileId) -> Vec<(&'static str, &Ident)> {
    let items = program.file(file).into_iter().flat_map(|file| &file.items);
    items
        .filter_map(|item| match &item.kind {
            ItemKind::Let { name, .. } => Some(("let", name)),
            ItemKind::Block { name, .. } => Some(("block", name)),
            ItemKind::Conv(conv) => Some(("conv", &conv.name)),
            ItemKind::Bare { value } => Some(("edges", edge_stages(value)?.1?)),
            _ => None,
        })
        .collect()
}

/// A section with its name.
pub(crate) type Section<'p> = (&'p Ident, &'p [Entry]);

/// What the main file sets, each at most once.
#[derive(Debug, Default)]
pub(crate) struct MainItems<'p> {
    pub model: Option<&'p Expr>,
    pub data: Option<&'p Expr>,
    pub loss: Option<&'p Expr>,
    pub task: Option<&'p Expr>,
    pub train: Option<Section<'p>>,
    pub evaluate: Option<Section<'p>>,
    pub published: Option<Section<'p>>,
    /// The lints that `allow(…)` names, each once.
    pub allowed: Vec<&'p Ident>,
    /// Where the first setting, section or `allow` stands.
    pub first: Option<Span>,
}

pub(crate) fn main_items<'p>(program: &'p Program, findings: &mut Findings) -> MainItems<'p> {
    let mut main = MainItems::default();
    let known = edge_names(program);
    // Other files are models of their own; here, only their definitions count, but their words are checked.
    for file in &program.files {
        let mut items = MainItems::default();
        let mut places: HashMap<&str, Span> = HashMap::new();
        let section_end = |wanted: &str| {
            file.items.iter().find_map(|item| match &item.kind {
                ItemKind::Section { name, entries } if name.text == wanted => {
                    entries.last().map(|entry| entry.value.span)
                }
                _ => None,
            })
        };
        for item in &file.items {
            let (key, place) = match &item.kind {
                ItemKind::Setting { key, value } => {
                    let slot = match key.text.as_str() {
                        "model" => &mut items.model,
                        "data" => &mut items.data,
                        "loss" => &mut items.loss,
                        "task" => &mut items.task,
                        _ => {
                            findings.push(names::unknown_setting(
                                key,
                                value,
                                item.span,
                                &section_end,
                                SETTINGS,
                                SECTIONS,
                            ));
                            continue;
                        }
                    };
                    slot.get_or_insert(value);
                    (key.text.as_str(), key.span)
                }
                ItemKind::Bare { value }
                    if edge_stages(value).is_some() || line_of_edges(&known, file, value).is_some() =>
                {
                    continue;
                }
                ItemKind::Bare { value } => {
                    items.model.get_or_insert(value);
                    ("model", value.span)
                }
                ItemKind::Section { name, entries } => {
                    let slot = match name.text.as_str() {
                        "train" => &mut items.train,
                        "evaluate" => &mut items.evaluate,
                        "published" => &mut items.published,
                        _ => {
                            findings.push(names::unknown_section(name, entries, SECTIONS, SETTINGS));
                            continue;
                        }
                    };
                    slot.get_or_insert((name, entries));
                    (name.text.as_str(), name.span)
                }
                ItemKind::Allow { codes } => {
                    for code in codes {
                        match items.allowed.iter().find(|known| known.text == code.text) {
                            Some(first) => {
                                findings.push(names::allowed_twice(&code.text, code.span, first.span))
                            }
                            None if names::lints().any(|name| name == code.text) => items.allowed.push(code),
                            None => findings.push(names::unknown_lint(&code.text, code.span)),
                        }
                    }
                    items.first.get_or_insert(item.span);
                    continue;
                }
                ItemKind::Use { .. } | ItemKind::Let { .. } | ItemKind::Block { .. } | ItemKind::Conv(_) => {
                    continue;
                }
            };
            items.first.get_or_insert(place);
            match places.get(key) {
                Some(&first) => {
                    let is_section = matches!(item.kind, ItemKind::Section { .. });
                    findings.push(names::set_twice(is_section, key, place, first));
                }
                None => {
                    places.insert(key, place);
                }
            }
        }
        if file.id == program.main {
            main = items;
        }
    }
    main
}
