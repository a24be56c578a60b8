//! Options of sources for the edges of their files.

use super::without_effect;
use crate::args::{ArgKind, ArgSpec, BoundCall, Default};
use crate::diagnostic::Diagnostic;

/// PyG: `ToUndirected`, which adds up the values of an edge and its reverse where both are there; here each keeps its
/// own.
pub const UNDIRECTED: ArgSpec = ArgSpec {
    name: "undirected",
    kind: ArgKind::Bool,
    default: Default::Bool(false),
    positional: false,
    doc: "Adds the reverse of each edge that has none, with the same values; pairs that are there keep theirs. \
          PyG: `ToUndirected`.",
};

/// PyG: `RemoveSelfLoops`, `AddRemainingSelfLoops`.
pub const LOOPS: ArgSpec = ArgSpec {
    name: "loops",
    kind: ArgKind::Choice(&["keep", "drop", "add"]),
    default: Default::Choice("keep"),
    positional: false,
    doc: "Self-loops: `keep` those of the file, `drop` them, or `add` one to each node without. An added loop has the \
          mean of the features of the edges into its node and is one further kind of edge. PyG: `RemoveSelfLoops`, \
          `AddRemainingSelfLoops`.",
};

/// PyG: `coalesce`.
pub const PARALLEL: ArgSpec = ArgSpec {
    name: "parallel",
    kind: ArgKind::Choice(&["keep", "drop", "sum", "mean", "max"]),
    default: Default::Choice("keep"),
    positional: false,
    doc: "Edges with the same source and target: `keep` all, `drop` all but the first, or make one edge of them with the \
          `sum`, `mean` or `max` of their features. PyG: `coalesce`.",
};

/// Options that cannot matter where edges are read without features.
pub(super) fn check_without_features(call: &BoundCall) -> Option<Diagnostic> {
    if ["keep", "drop"].contains(&call.args.choice(PARALLEL.name)) {
        return None;
    }
    let why = "the edges are read without features, so there is nothing to merge";
    without_effect(call, PARALLEL.name, why, "write `parallel = drop`, which keeps one of parallel edges")
}
