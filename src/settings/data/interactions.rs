//! `interactions("gowalla")`: which user took which item.

use super::{SourceFacts, features};
use crate::args::{ArgKind, ArgSpec, BoundCall, CallSpec, Default, Range};
use crate::diagnostic::Diagnostic;

pub static SPEC: CallSpec = CallSpec {
    name: "interactions",
    doc: "Users and the items that they took: a folder with `train.csv` and `test.csv`, lines of `user,item`, plain or as `.gz`, or one such \
          file. Link prediction between two parts, as recommendation is; the parts of the split are those of the files.",
    example: "interactions(\"gowalla\")",
    args: &[
        ArgSpec {
            name: "name",
            kind: ArgKind::Text,
            default: Default::Required,
            positional: true,
            doc: "`gowalla`: looked for in the data folder; or a path (`./my/shop`, `clicks.csv`), in a file relative to that file.",
        },
        features::argument(
            &["none", "degree", "constant"],
            "none",
            "Features of users and items: `none`, for models that begin with `embedding`, `degree` one-hot, `constant` a single 1. Several in \
             a list: `hgnnc ops feature`.",
        ),
        features::NORMALIZE,
        ArgSpec {
            name: "min_rating",
            kind: ArgKind::Float(Range::open(f64::NEG_INFINITY, f64::INFINITY)),
            default: Default::Inferred("every rating"),
            positional: false,
            doc: "Of lines with ratings, the least that counts as an interaction.",
        },
    ],
};

pub struct Interactions;

impl SourceFacts for Interactions {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn reference(&self) -> &'static str {
        include_str!("interactions_layout.txt")
    }

    fn own_features(&self) -> &'static [&'static str] {
        &[]
    }

    fn check(&self, _: &BoundCall) -> Vec<Diagnostic> {
        Vec::new()
    }
}
