//! Options of sources for the edges of their files.

use super::without_effect;
use crate::args::{ArgKind, ArgSpec, ArgValue, BoundCall, Default};
use crate::diagnostic::Diagnostic;

/// PyG: `ToUndirected`, which merges parallel edges and adds up the values of an edge and its reverse where both are
/// there; here each keeps its own.
pub const UNDIRECTED: ArgSpec = ArgSpec {
    name: "undirected",
    kind: ArgKind::Bool,
    default: Default::Bool(false),
    positional: false,
    doc: "Adds the reverse of each edge that has none of its own, with the same values; pairs that are there keep \
          theirs. Parallel edges count one by one, and an edge of another kind is no reverse. PyG: `ToUndirected`, \
          which merges parallel edges first, as `parallel = sum` does.",
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

/// [`UNDIRECTED`] of sources whose files name each edge once, whichever way it goes.
pub const ADDS_REVERSES: ArgSpec = ArgSpec { default: Default::Bool(true), ..UNDIRECTED };

/// [`LOOPS`] of sources whose loops are left out wherever they are used.
pub const DROPS_LOOPS: ArgSpec = ArgSpec { default: Default::Choice("drop"), ..LOOPS };

/// [`PARALLEL`] of sources whose files name some edges twice.
pub const DROPS_PARALLEL: ArgSpec = ArgSpec { default: Default::Choice("drop"), ..PARALLEL };

/// Options that decide which edges a model sees.
const OPTIONS: [&ArgSpec; 3] = [&UNDIRECTED, &LOOPS, &PARALLEL];

/// What `call` leaves open of the options for edges, taken from the call that a model was trained with: edges that were
/// not there in training are read with the same weights, and nothing shows. What is written otherwise comes back in
/// words, both ways: `loops = keep` and `loops = add`.
pub fn read_as_in_training(call: &mut BoundCall, trained: &BoundCall) -> Vec<(String, String)> {
    let mut differs = Vec::new();
    for option in OPTIONS {
        let Some(then) = trained.args.get(option.name) else { continue };
        let Some(now) = call.args.0.iter_mut().find(|arg| arg.name == option.name) else { continue };
        if now.span.is_none() {
            now.value = then.value.clone();
        } else if now.value != then.value {
            differs.push((in_words(option, &now.value), in_words(option, &then.value)));
        }
    }
    differs
}

/// `loops = add`
fn in_words(option: &ArgSpec, value: &ArgValue) -> String {
    let value = match value {
        ArgValue::Bool(value) => value.to_string(),
        ArgValue::Choice(word) => (*word).to_owned(),
        other => format!("{other:?}"),
    };
    format!("{} = {value}", option.name)
}

/// Options that cannot matter where edges are read without features.
pub(super) fn check_without_features(call: &BoundCall) -> Option<Diagnostic> {
    if ["keep", "drop"].contains(&call.args.choice(PARALLEL.name)) {
        return None;
    }
    let why = "the edges are read without features, so there is nothing to merge";
    without_effect(call, PARALLEL.name, why, "write `parallel = drop`, which keeps one of parallel edges")
}
