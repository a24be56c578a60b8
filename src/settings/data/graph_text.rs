//! `graph_text("COLLAB")`: the text format of the GIN and DGCNN code.

use super::edges::{LOOPS, PARALLEL, UNDIRECTED, check_without_features};
use super::{SourceFacts, columns, features};
use crate::args::{ArgKind, ArgSpec, BoundCall, CallSpec, Default};
use crate::diagnostic::Diagnostic;

pub static SPEC: CallSpec = CallSpec {
    name: "graph_text",
    doc: "A data set in the text format of the GIN and DGCNN code, by its name or the path of its file or zip archive: \
          all graphs in one file, each with its class and a line per node. Graph classification. \
          Xu et al. 2019; Zhang et al. 2018.",
    example: "graph_text(\"COLLAB\", features = degree)",
    args: &[
        ArgSpec {
            name: "name",
            kind: ArgKind::Text,
            default: Default::Required,
            positional: true,
            doc: "`COLLAB`: `COLLAB.txt`, alone, in a folder COLLAB or in COLLAB.zip, somewhere in the data folder; or a path \
                  (`./my/SET.txt`, `SET.zip`), in a file relative to that file.",
        },
        columns::FEATURES,
        features::NORMALIZE,
        UNDIRECTED,
        LOOPS,
        PARALLEL,
    ],
};

pub struct GraphText;

impl SourceFacts for GraphText {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn reference(&self) -> &'static str {
        include_str!("graph_text_layout.txt")
    }

    fn own_features(&self) -> &'static [&'static str] {
        columns::OWN
    }

    fn check(&self, call: &BoundCall) -> Vec<Diagnostic> {
        // Its edges carry nothing.
        check_without_features(call).into_iter().collect()
    }
}
