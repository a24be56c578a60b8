//! `hetero_tables("folder")`: tables of several types of nodes and of the relations between them.

use super::SourceFacts;
use crate::args::{ArgKind, ArgSpec, BoundCall, CallSpec, Default};
use crate::diagnostic::Diagnostic;

/// Shared by sources of heterogeneous data.
pub const IDENTITY: ArgSpec = ArgSpec::flag(
    "identity",
    false,
    "Whether each node of a type without features has a column of its own, so that a first layer learns a row for it, an embedding; else \
     such nodes share a single 1.",
);

/// Shared by sources of heterogeneous data.
pub const REVERSE: ArgSpec = ArgSpec::flag(
    "reverse",
    true,
    "Whether each relation has one that leads back, `rev_NAME`; PyG's `ToUndirected`.",
);

pub static SPEC: CallSpec = CallSpec {
    name: "hetero_tables",
    doc: "Heterogeneous data: a folder with a table of nodes for each type and a table of edges for each relation, as CSV or TSV with \
          header lines. Classification or regression of the nodes of one type.",
    example: "hetero_tables(\"library\")",
    args: &[
        ArgSpec {
            name: "path",
            kind: ArgKind::Text,
            default: Default::Required,
            positional: true,
            doc: "The folder, which has the subfolders `nodes` and `edges`; in a file relative to that file.",
        },
        ArgSpec {
            name: "target",
            kind: ArgKind::Text,
            default: Default::Inferred(
                "the column `label`, `class`, `target` or `y` of the one type that has it",
            ),
            positional: false,
            doc: "What is predicted: a type and a column, `author.field`.",
        },
        ArgSpec {
            name: "target_as",
            kind: ArgKind::Choice(&["classes", "values"]),
            default: Default::Choice("classes"),
            positional: false,
            doc: "Whether the target is classes or numbers.",
        },
        ArgSpec {
            name: "ignore",
            kind: ArgKind::Text,
            default: Default::Inferred("no column"),
            positional: false,
            doc: "Columns of nodes that are no features, with commas between them: `paper.title, author.email`.",
        },
        IDENTITY,
        REVERSE,
    ],
};

pub struct HeteroTables;

impl SourceFacts for HeteroTables {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn reference(&self) -> &'static str {
        include_str!("hetero_tables_layout.txt")
    }

    fn own_features(&self) -> &'static [&'static str] {
        &[]
    }

    fn check(&self, call: &BoundCall) -> Vec<Diagnostic> {
        let text = |name: &str| call.args.text(name).map(|text| (name.to_owned(), text.to_owned()));
        let written = ["target", "ignore"].into_iter().filter_map(text);
        let wrong = written.filter(|(name, text)| {
            let mut names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
            let is_one = |name: &str| {
                name.split_once('.').is_some_and(|(of, column)| !of.is_empty() && !column.is_empty())
            };
            let n = text.split(',').count();
            !names.all(is_one) || (name == "target" && n != 1)
        });
        wrong
            .map(|(name, text)| {
                let span = call.args.get(&name).and_then(|arg| arg.span).unwrap_or(call.span);
                Diagnostic::error(
                    "data::unknown_column",
                    format!("`{text}` does not name a column of a type of nodes"),
                )
                .label(span, "a type, a dot and a column are asked for")
                .help("for example `author.field`, where `nodes/author.csv` has a column `field`")
            })
            .collect()
    }
}
