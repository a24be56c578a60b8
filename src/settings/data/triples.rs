//! `triples("umls")`: knowledge graphs as lines of head, relation and tail.

use super::{SourceFacts, features};
use crate::args::{ArgKind, ArgSpec, BoundCall, CallSpec, Default};
use crate::diagnostic::Diagnostic;

pub static SPEC: CallSpec = CallSpec {
    name: "triples",
    doc: "A knowledge graph: a folder with `train.txt`, `valid.txt` and `test.txt`, lines of `head relation tail` with tabs between, plain \
          or as `.gz`, or one such file. Link prediction over relations; the parts are those of the files. PyG's RelLinkPredDataset.",
    example: "triples(\"umls\")",
    args: &[
        ArgSpec {
            name: "name",
            kind: ArgKind::Text,
            default: Default::Required,
            positional: true,
            doc: "`umls`: looked for in the data folder and in its subfolder `kg`; or a path (`./my/kg`, `triples.tsv`), in a file relative \
                  to that file.",
        },
        ArgSpec {
            name: "inverse",
            kind: ArgKind::Bool,
            default: Default::Bool(false),
            positional: false,
            doc: "Adds the reverse of each edge that passes messages, of a relation of its own, so that messages go both ways; for \
                  networks such as `rgcn`. Decoders score the relations of the files.",
        },
        features::argument(
            &["none", "degree", "constant"],
            "none",
            "Features of the entities: `none`, for models that begin with `embedding`, `degree` one-hot, `constant` a single 1. Several in a \
             list: `hgnnc ops feature`.",
        ),
        features::NORMALIZE,
    ],
};

pub struct Triples;

impl SourceFacts for Triples {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn reference(&self) -> &'static str {
        include_str!("triples_layout.txt")
    }

    fn own_features(&self) -> &'static [&'static str] {
        &[]
    }

    fn check(&self, _: &BoundCall) -> Vec<Diagnostic> {
        Vec::new()
    }
}
