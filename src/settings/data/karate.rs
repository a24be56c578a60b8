//! `karate()`: Zachary's karate club.

use super::SourceFacts;
use crate::args::{ArgKind, ArgSpec, BoundCall, CallSpec, Default};
use crate::diagnostic::Diagnostic;

pub static SPEC: CallSpec = CallSpec {
    name: "karate",
    doc: "Zachary's karate club: 34 members, 78 friendships, which of two clubs a member joined. Node \
          classification; trains on the two leaders (nodes 0 and 33) and two members of each club (1, 2, 31, 32), \
          validates on 4, 5, 26 and 29, tests on the other 24. Zachary 1977.",
    example: "karate()",
    args: &[ArgSpec {
        name: "features",
        kind: ArgKind::Choice(&["identity", "degree"]),
        default: Default::Choice("identity"),
        positional: false,
        doc: "Node features: `identity` gives each member a column of its own, `degree` one column per degree.",
    }],
};

pub struct Karate;

impl SourceFacts for Karate {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn check(&self, _: &BoundCall) -> Vec<Diagnostic> {
        Vec::new()
    }
}
