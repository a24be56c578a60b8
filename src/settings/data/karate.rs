//! `karate()`: Zachary's karate club.

use super::{SourceFacts, features};
use crate::args::{BoundCall, CallSpec};
use crate::diagnostic::Diagnostic;

pub static SPEC: CallSpec = CallSpec {
    name: "karate",
    doc: "Zachary's karate club: 34 members, 78 friendships, which of two clubs a member joined. Node \
          classification; trains on the two leaders (nodes 0 and 33) and two members of each club (1, 2, 31, 32), \
          validates on 4, 5, 26 and 29, tests on the other 24. Zachary 1977.",
    example: "karate()",
    args: &[
        features::argument(
            &["identity", "degree"],
            "identity",
            "Node features: `identity` gives each member a column of its own, `degree` one column per degree. Several \
             in a list, `[identity, laplacian(4)]`: `hgnnc ops feature`.",
        ),
        features::NORMALIZE,
    ],
};

pub struct Karate;

impl SourceFacts for Karate {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn own_features(&self) -> &'static [&'static str] {
        &["identity"]
    }

    fn check(&self, _: &BoundCall) -> Vec<Diagnostic> {
        Vec::new()
    }
}
