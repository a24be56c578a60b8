//! `planetoid("cora")`: citation networks as their authors published them.

use super::edges::{ADDS_REVERSES, DROPS_LOOPS, DROPS_PARALLEL};
use super::{SourceFacts, features};
use crate::args::{ArgKind, ArgSpec, BoundCall, CallSpec, Default};
use crate::diagnostic::Diagnostic;

pub static SPEC: CallSpec = CallSpec {
    name: "planetoid",
    doc: "A citation network by its name, or the path of a folder with its files `ind.NAME.x`, …, read without running \
          the pickles. Node classification, with the split that comes with it. Yang et al. 2016; PyG's Planetoid.",
    example: "planetoid(\"cora\")",
    args: &[
        ArgSpec {
            name: "name",
            kind: ArgKind::Text,
            default: Default::Required,
            positional: true,
            doc: "`cora`, `citeseer` or `pubmed`: looked for in the data folder, its subfolder `planetoid` and the cache; or a \
                  path (`./my/cora`), in a file relative to that file.",
        },
        features::argument(
            &["attributes", "degree", "constant"],
            "attributes",
            "Node features: `attributes` the words of each paper, `degree` one-hot, `constant` a single 1. Several in a \
             list, `[attributes, laplacian(8)]`: `hgnnc ops feature`.",
        ),
        features::NORMALIZE,
        ArgSpec {
            name: "split",
            kind: ArgKind::Choice(&["public", "full"]),
            default: Default::Choice("public"),
            positional: false,
            doc: "The split that comes with the data: `public` trains on the first nodes (20 a class) and validates on the \
                  500 behind them; `full` trains on all nodes that neither validate nor test. Drawn splits are protocols: \
                  `per_class(20)`.",
        },
        ADDS_REVERSES,
        DROPS_LOOPS,
        DROPS_PARALLEL,
    ],
};

pub struct Planetoid;

impl SourceFacts for Planetoid {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn reference(&self) -> &'static str {
        include_str!("planetoid_layout.txt")
    }

    fn own_features(&self) -> &'static [&'static str] {
        &["attributes"]
    }

    fn check(&self, _: &BoundCall) -> Vec<Diagnostic> {
        Vec::new()
    }
}
