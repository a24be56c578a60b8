//! Options of sources for the columns of their files.

use super::edges::check_without_features;
use super::features;
use crate::args::{ArgKind, ArgSpec, BoundCall, Default};
use crate::diagnostic::Diagnostic;

/// The columns that files have, as lists of features name them.
pub const OWN: &[&str] = &["labels", "attributes"];

/// Which of the columns of the nodes are features.
pub const FEATURES: ArgSpec = features::argument(
    &["auto", "labels", "attributes", "both", "degree", "constant"],
    "auto",
    "Node features: `attributes` are the numbers as they are, `labels` what stands for kinds (whole-number labels and texts), \
     one-hot, `both` the numbers first; `auto` takes what there is; `degree` one-hot, `constant` a single 1. Several in a \
     list, `[attributes, degree, laplacian(8)]`: `hgnnc ops feature`.",
);

/// Which of the columns of the edges are features.
pub const EDGE_FEATURES: ArgSpec = ArgSpec {
    name: "edge_features",
    kind: ArgKind::Choice(&["auto", "labels", "attributes", "both", "none"]),
    default: Default::Choice("auto"),
    positional: false,
    doc: "Edge features: `attributes` are the numbers as they are, `labels` what stands for kinds, one-hot, `both` the numbers \
          first, `none`; `auto` takes what there is.",
};

const fn names(name: &'static str, default: Default, doc: &'static str) -> ArgSpec {
    ArgSpec { name, kind: ArgKind::Text, default, positional: false, doc }
}

/// What is predicted.
pub const TARGET: ArgSpec = names(
    "target",
    Default::Inferred("the first of `label`, `class`, `target`, `y` that graphs have, else nodes"),
    "The column to predict, of graphs, of nodes or of edges, or several of numbers with commas between them; `\"\"` for none. \
     It is read as nothing else.",
);

/// Whether numbers to be predicted are classes.
pub const TARGET_AS: ArgSpec = ArgSpec {
    name: "target_as",
    kind: ArgKind::Choice(&["auto", "classes", "values"]),
    default: Default::Choice("auto"),
    positional: false,
    doc: "What the target holds: `classes` or `values`; `auto` takes texts and whole numbers for classes, other numbers and \
          several columns for values.",
};

/// The parts of a split that comes with the data.
pub const SPLIT: ArgSpec = names(
    "split",
    Default::Inferred("the column `split`, where there is one"),
    "The column that says `train`, `validation` or `test`, for `protocol = fixed`.",
);

/// What items can be parted by.
pub const TIME: ArgSpec = names(
    "time",
    Default::Inferred("none"),
    "The column of the predicted items that says when each is from, for `protocol = by_time`: numbers such as years, or dates \
     as `2019-03-31`.",
);

/// What keeps items together.
pub const GROUPS: ArgSpec = names(
    "groups",
    Default::Inferred("none"),
    "The column of the predicted items that says which belong together, for `together = groups` of a protocol.",
);

/// Columns that are no features.
pub const IGNORE: ArgSpec =
    names("ignore", Default::Inferred("none"), "Columns that are not read, with commas between them.");

/// Numbers that stand for kinds.
pub const CATEGORIES: ArgSpec = names(
    "categories",
    Default::Inferred("those with texts"),
    "Columns of numbers that stand for kinds, with commas between them: they become one-hot, as columns of texts do.",
);

/// What edges are of different kinds by.
pub const KINDS: ArgSpec = names(
    "kinds",
    Default::Inferred("the first of `relation`, `kind`, `edge_type`, `type` that edges have"),
    "The column of the edges that says of which kind each is, for `edge_labels` and relational layers.",
);

/// What `call` leaves open of the columns that are targets, kinds and names, taken from the call that a model was trained with,
/// where both are of one source: the same file is then read in the same way. Data without such a column has no targets.
pub fn read_as_in_training(call: &mut BoundCall, trained: &BoundCall) {
    if call.name != trained.name {
        return;
    }
    for name in [
        TARGET.name,
        TARGET_AS.name,
        KINDS.name,
        CATEGORIES.name,
        SPLIT.name,
        TIME.name,
        GROUPS.name,
        "ends",
        "id",
        "graph",
        "layout",
        "fold",
    ] {
        let Some(then) = trained.args.get(name).map(|arg| arg.value.clone()) else { continue };
        // Of other sources `target` is a word of another meaning.
        let is_own = call.args.get(IGNORE.name).is_some() || [TARGET_AS.name, "fold"].contains(&name);
        if let Some(now) =
            call.args.0.iter_mut().find(|arg| arg.name == name && arg.span.is_none()).filter(|_| is_own)
        {
            now.value = then;
        }
    }
}

/// Options for edges that need features of edges, where none are read.
pub(super) fn check_edges(call: &BoundCall) -> Vec<Diagnostic> {
    let no_edge_features = call.args.choice(EDGE_FEATURES.name) == "none";
    let merged = no_edge_features.then(|| check_without_features(call)).flatten();
    merged.into_iter().chain(target_among_kinds(call)).collect()
}

/// One column is to be predicted, and to be read as the kinds of the edges.
fn target_among_kinds(call: &BoundCall) -> Option<Diagnostic> {
    // Not every source with columns has both.
    call.args.get(TARGET.name).and(call.args.get(KINDS.name))?;
    let (target, kinds) = (call.args.text(TARGET.name)?, call.args.text(KINDS.name)?);
    let is_among = target.split(',').any(|name| name.trim() == kinds.trim());
    let place = call.args.get(KINDS.name)?.span.filter(|_| is_among)?;
    let finding = Diagnostic::error(
        "data::target_among_features",
        format!("the column `{kinds}` is to be predicted, and is read as the kinds of the edges"),
    )
    .label(place, "the kinds hold the answer")
    .help("name another column of kinds, or leave `kinds` out");
    Some(match call.args.get(TARGET.name)?.span {
        Some(of_target) => finding.label(of_target, "this is predicted"),
        None => finding,
    })
}
