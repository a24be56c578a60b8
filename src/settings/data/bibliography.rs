//! `bibliography(...)`: generated authors, papers and venues.

use super::SourceFacts;
use super::hetero_tables::{IDENTITY, REVERSE};
use crate::args::{ArgKind, ArgSpec, BoundCall, CallSpec, Default, Range};
use crate::diagnostic::Diagnostic;

pub static SPEC: CallSpec = CallSpec {
    name: "bibliography",
    doc: "Generated authors, papers and venues with four relations: the class of an author is the topic of the papers that the author \
          wrote, and as many that the author reviewed are of a topic beside it. Classification of nodes of one type.",
    example: "bibliography()",
    args: &[
        ArgSpec {
            name: "authors",
            kind: ArgKind::Int { min: 20, max: 1_000_000 },
            default: Default::Int(600),
            positional: true,
            doc: "Number of authors, whose fields are predicted.",
        },
        ArgSpec {
            name: "papers",
            kind: ArgKind::Int { min: 64, max: 1_000_000 },
            default: Default::Int(900),
            positional: false,
            doc: "Number of papers, which have words for features.",
        },
        ArgSpec {
            name: "fields",
            kind: ArgKind::Int { min: 3, max: 64 },
            default: Default::Int(6),
            positional: false,
            doc: "Number of fields, the classes; there are two venues of each.",
        },
        ArgSpec {
            name: "noise",
            kind: ArgKind::Float(Range::closed(0.0, 1.0)),
            default: Default::Float(0.2),
            positional: false,
            doc: "Share of the words of a paper that are of a topic drawn at random.",
        },
        ArgSpec {
            name: "seed",
            kind: ArgKind::Int { min: 0, max: i64::MAX },
            default: Default::Int(0),
            positional: false,
            doc: "Seed of the generator; the same seed gives the same bits.",
        },
        IDENTITY,
        REVERSE,
    ],
};

pub struct Bibliography;

impl SourceFacts for Bibliography {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn own_features(&self) -> &'static [&'static str] {
        &[]
    }

    fn check(&self, _: &BoundCall) -> Vec<Diagnostic> {
        Vec::new()
    }
}
