//! How pairs that are no links are drawn in training on links: one file each, entered in [`SPECS`]. [`crate::data::links`] draws them.

mod by_degree;
pub mod hard;
pub mod in_range;
pub mod k_vs_all;
mod uniform;

use crate::args::{ArgKind, ArgSpec, BoundCall, CallSpec, Default, default_args};
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// Every way that `negatives = …` can name.
pub static SPECS: &[&CallSpec] =
    &[&uniform::SPEC, &by_degree::SPEC, &in_range::SPEC, &hard::SPEC, &k_vs_all::SPEC];

/// What is wrong with a call, whatever the data is.
pub fn check(call: &BoundCall) -> Option<Diagnostic> {
    (call.name == hard::SPEC.name).then(|| hard::check(call)).flatten()
}

/// What is drawn where a file says nothing.
pub fn usual() -> BoundCall {
    let spec = &uniform::SPEC;
    BoundCall { name: spec.name, args: default_args(spec.args), span: Span::default() }
}

const COUNT: ArgSpec = ArgSpec {
    name: "count",
    kind: ArgKind::Int { min: 1, max: 4096 },
    default: Default::Int(1),
    positional: true,
    doc: "Pairs drawn for each link, anew in every step.",
};

const END: ArgSpec = ArgSpec {
    name: "end",
    kind: ArgKind::Choice(&["either", "head", "tail", "both"]),
    default: Default::Choice("either"),
    positional: false,
    doc: "Which end of the link another node takes the place of: one of both, the first, the second, or both. `tail` is PyG's `structured_negative_sampling`.",
};
