//! Older versions of the language: what was renamed, and bringing texts forward.
//!
//! A name that was given up is never used for something else, so an old name says by itself how old a text is:
//! files carry no version, and what is rewritten is right whatever version the rest was written for.

mod renames;

pub use renames::{Of, RENAMES, Rename};

use crate::diagnostic::{Diagnostic, Edit};
use crate::ops;
use crate::source::{FileId, SourceMap, Span};
use crate::syntax::ast::{File, ItemKind};
use crate::syntax::lex::{Bracket, Kind, Token, lex};
use crate::syntax::{self, Program};
use renames::Renames;
use std::borrow::Cow;
use std::collections::HashMap;

/// The version of the language that this compiler reads.
pub const LANGUAGE_VERSION: u32 = 2;

/// The code of a finding about an old name. Its `fix` is what [`edits`] takes.
pub const RENAMED: &str = "names::renamed";

/// What an old name of an operator, a loss, a data source or the like is now.
pub fn renamed_call(name: &str) -> Option<&'static Rename> {
    Renames(RENAMES).call(name)
}

/// What an old name of an argument, or of an entry of a section, is now.
pub fn renamed_argument(of: &str, name: &str) -> Option<&'static Rename> {
    Renames(RENAMES).argument(of, name)
}

/// What an old name of a setting or section is now.
pub fn renamed_setting(name: &str) -> Option<&'static Rename> {
    Renames(RENAMES).setting(name)
}

/// What has to be rewritten to bring files forward, by place, each place once. `findings` are those of the check of
/// a program that these files belong to: they know what a block's parameter stands for. Arguments of operators are
/// found in the text too, so that nothing is missed where the check ends early.
pub fn edits(sources: &SourceMap, findings: &[Diagnostic]) -> Vec<Edit> {
    let fixes =
        findings.iter().filter(|found| found.code == RENAMED).filter_map(|found| found.fix.as_deref());
    let mut edits: Vec<Edit> = fixes.flat_map(|fix| fix.edits.iter().cloned()).collect();
    for (id, file) in sources.files() {
        edits.extend(argument_edits(id, &file.text));
    }
    edits.sort_by_key(|edit| edit.span);
    edits.dedup_by_key(|edit| edit.span);
    edits
}

fn argument_edits(id: FileId, text: &str) -> Vec<Edit> {
    let is_operator = |callee: &str| ops::find(callee).is_some();
    arguments(text, Renames(RENAMES))
        .filter(|(callee, _, _)| is_operator(callee))
        .map(|(_, token, to)| Edit { span: Span::new(id, token.start, token.end), text: to.to_owned() })
        .collect()
}

/// Arguments and entries with an old name: what is called, the name, and the new name.
fn arguments(text: &str, renames: Renames) -> impl Iterator<Item = (&str, Token, &'static str)> {
    let tokens = lex(text).tokens;
    let word = move |token: &Token| &text[token.start..token.end];
    let mut open: Vec<Option<&str>> = Vec::new();
    let mut found = Vec::new();
    for (idx, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Open(bracket) => {
                let before = idx.checked_sub(1).map(|before| &tokens[before]);
                let is_call = bracket != Bracket::Square;
                open.push(before.filter(|before| is_call && before.kind == Kind::Name).map(word));
            }
            Kind::Close(_) => drop(open.pop()),
            Kind::Name if tokens.get(idx + 1).is_some_and(|next| next.kind == Kind::Equals) => {
                let Some(Some(callee)) = open.last().copied() else { continue };
                if let Some(rename) = renames.argument(callee, word(token)) {
                    found.push((callee, *token, rename.to));
                }
            }
            _ => {}
        }
    }
    found.into_iter()
}

/// The text with its edits made; everything else stays as it is, byte for byte. `edits` are of this text alone, in
/// order.
pub fn rewrite(text: &str, edits: &[Edit]) -> String {
    replaced(text, edits.iter().map(|edit| (edit.span.start as usize, edit.span.end as usize, &*edit.text)))
}

fn replaced<'a>(text: &str, edits: impl Iterator<Item = (usize, usize, &'a str)>) -> String {
    let (mut result, mut place) = (String::with_capacity(text.len() + 16), 0);
    for (start, end, new) in edits {
        result.push_str(&text[place..start]);
        result.push_str(new);
        place = end;
    }
    result.push_str(&text[place..]);
    result
}

/// A program of an older version as it would be written today; `None` where nothing in it is old, or it cannot be
/// parsed. Files keep their names and numbers.
pub fn program(
    sources: &SourceMap,
    program: &Program,
    findings: &[Diagnostic],
) -> Option<(SourceMap, Program)> {
    if program.has_errors {
        return None;
    }
    let edits = edits(sources, findings);
    if edits.is_empty() {
        return None;
    }
    let mut current = SourceMap::default();
    for (id, file) in sources.files() {
        let own: Vec<_> = edits.iter().filter(|edit| edit.span.file == id).cloned().collect();
        current.add(file.name.clone(), rewrite(&file.text, &own));
    }
    let files: Vec<_> = program.files.iter().map(|file| syntax::parse(&current, file.id).0).collect();
    // Each path of a `use` stands a little further on; their order is the same.
    let paths = |files: &[File]| -> Vec<Span> {
        let items = files.iter().flat_map(|file| &file.items);
        items
            .filter_map(|item| if let ItemKind::Use { path } = &item.kind { Some(path.span) } else { None })
            .collect()
    };
    let moved: HashMap<_, _> = paths(&program.files).into_iter().zip(paths(&files)).collect();
    let uses = program.uses.iter().filter_map(|(place, file)| Some((*moved.get(place)?, *file))).collect();
    Some((current, Program { files, uses, ..program.clone() }))
}

/// A line of the canonical form (`stage 2 = sage(…, root = true) of 1`) with the names of today. What has them
/// already stays as it is, so lines of every version can be given.
pub fn canonical_line(line: &str) -> Cow<'_, str> {
    forward_line(line, Renames(RENAMES))
}

fn forward_line(line: &str, renames: Renames) -> Cow<'_, str> {
    let tokens = lex(line).tokens;
    let word = |idx: usize| tokens.get(idx).map_or("", |token| &line[token.start..token.end]);
    let is_name = |idx: usize| tokens.get(idx).is_some_and(|token| token.kind == Kind::Name);
    let mut edits: Vec<_> =
        arguments(line, renames).map(|(_, token, to)| (token.start, token.end, to)).collect();
    for (idx, token) in tokens.iter().enumerate() {
        // In this form everything that is called has parentheses, but for losses: `loss 0.1 entropy`.
        let is_call = tokens.get(idx + 1).is_some_and(|next| next.kind == Kind::Open(Bracket::Round));
        let is_loss = word(0) == "loss" && idx == 2;
        // `train epochs = 200`
        let is_entry = idx == 1 && matches!(word(0), "train" | "evaluate");
        let rename = match () {
            () if !is_name(idx) => None,
            () if is_entry => renames.argument(word(0), word(idx)),
            () if is_call || is_loss => renames.call(word(idx)),
            () => None,
        };
        edits.extend(rename.map(|rename| (token.start, token.end, rename.to)));
    }
    if edits.is_empty() {
        return Cow::Borrowed(line);
    }
    edits.sort_unstable();
    Cow::Owned(replaced(line, edits.into_iter()))
}

/// A canonical form of any version with the names of today, line by line.
pub fn canonical(text: &str) -> String {
    text.split_inclusive('\n').map(canonical_line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    fn migrated(text: &str) -> String {
        let mut sources = SourceMap::default();
        let main = sources.add("m.hgnn", text);
        let none = |_: &str| Err(std::io::ErrorKind::NotFound.into());
        let (program, mut findings) = crate::syntax::load_program(&mut sources, main, &none);
        findings.extend(crate::check::check(&program, None).diagnostics);
        rewrite(text, &edits(&sources, &findings))
    }

    #[test]
    fn only_the_renamed_word_changes() {
        let text = "// root = 1\r\nmodel = sage( 64,root  =false )\t-> mean -> mlp // sage(root = 2)\r\n\r\n";
        assert_eq!(migrated(text), text.replace("root  =", "root_weight  ="));
        let text = "let root = 8\nblock f(root = 3) = gcn(root)\nmodel = f(root = root) -> mean -> mlp\n";
        assert_eq!(migrated(text), text);
    }

    #[test]
    fn old_names_are_found_where_the_operator_is_a_parameter() {
        let text = "block layer(of) = of(8, root = false)\nmodel = layer(sage) -> mean -> mlp\n";
        assert_eq!(migrated(text), text.replace("root", "root_weight"));
    }

    #[test]
    fn old_names_are_found_where_nothing_is_used_and_much_is_wrong() {
        let text = "let a = b\nlet b = a\nlet c = sage(8, root = true)\nmodel = gnc(8)\n";
        assert_eq!(migrated(text), text.replace("root", "root_weight"));
    }

    #[test]
    fn a_program_of_several_files_is_brought_forward() {
        let mut sources = SourceMap::default();
        let main = sources.add(
            "m.hgnn",
            "let a = sage(8, root = true)\nuse \"b.hgnn\"\nmodel = a -> wide(sage) -> mean -> mlp",
        );
        let used = |_: &str| Ok("block wide(of) = of(8, root = false)".to_owned());
        let (old, _) = syntax::load_program(&mut sources, main, &used);
        let findings = check::check(&old, None).diagnostics;
        let (current, today) = program(&sources, &old, &findings).expect("it is old");
        let outcome = check::check(&today, None);
        assert_eq!(outcome.diagnostics, []);
        assert!(outcome.model.is_some());
        assert_eq!(current.text(today.uses[0].0), "\"b.hgnn\"");
        assert!(program(&current, &today, &outcome.diagnostics).is_none());
    }

    #[test]
    fn a_canonical_form_of_version_1_is_read_with_the_names_of_today() {
        let old = "stage 2 = sage(aggregate = mean, root = true, bias = true) of 1";
        assert_eq!(
            canonical_line(old),
            "stage 2 = sage(aggregate = mean, root_weight = true, bias = true) of 1"
        );
        for same in [&*canonical_line(old), "data tu(name = \"root = sage(root = 1)\")", "hgnn-ir 1", ""] {
            assert_eq!(canonical_line(same), same);
        }
        assert_eq!(
            canonical("output 1\nstage 1 = sage(root = true)\n"),
            "output 1\nstage 1 = sage(root_weight = true)\n"
        );
    }

    #[test]
    fn calls_entries_and_their_arguments_can_be_renamed() {
        const fn rename(of: Of, from: &'static str, to: &'static str) -> Rename {
            Rename { of, from, to, since: 2, reason: "" }
        }
        static OTHERS: &[Rename] = &[
            rename(Of::Call, "wise", "sage"),
            rename(Of::Argument("sage"), "root", "root_weight"),
            rename(Of::Argument("train"), "rounds", "epochs"),
            rename(Of::Call, "disorder", "entropy"),
        ];
        for (old, new) in [
            ("stage 1 = wise(root = true) of 0", "stage 1 = sage(root_weight = true) of 0"),
            ("train rounds = 3", "train epochs = 3"),
            ("evaluate rounds = 3", "evaluate rounds = 3"),
            ("loss 0.1 disorder", "loss 0.1 entropy"),
            ("data tu(name = \"disorder(\")", "data tu(name = \"disorder(\")"),
        ] {
            assert_eq!(forward_line(old, Renames(OTHERS)), new);
        }
    }
}
