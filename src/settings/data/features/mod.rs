//! Features of nodes, as `features = [labels, degree, laplacian(8)]` lists them: what each is called and takes, one file
//! each, entered in [`SPECS`]. [`crate::data::features`] computes them.
//!
//! Those that only one source has (`labels` of a set's files, `colours` of `hierarchy`) are in one table; all others
//! follow from the edges and are there for every source.

mod constant;
mod degree;
mod degree_profile;
mod distances;
mod laplacian;
mod own;
mod random_walk;

use super::without_effect;
use crate::args::{ArgKind, ArgSpec, ArgValue, BoundCall, CallSpec, Default, words_list};
use crate::diagnostic::Diagnostic;

/// Every feature that a list can name, in the order of the reference.
pub static SPECS: &[&CallSpec] = &[
    &own::LABELS,
    &own::ATTRIBUTES,
    &own::IDENTITY,
    &own::COLOURS,
    &constant::SPEC,
    &degree::SPEC,
    &degree_profile::SPEC,
    &laplacian::SPEC,
    &random_walk::SPEC,
    &distances::SPEC,
];

/// The words of which a source has its own: columns that no edges give.
const OWN: [&CallSpec; 4] = [&own::LABELS, &own::ATTRIBUTES, &own::IDENTITY, &own::COLOURS];

/// The argument of a source that chooses the features of its nodes. `words` stand alone, in the place of a list.
pub const fn argument(words: &'static [&'static str], default: &'static str, doc: &'static str) -> ArgSpec {
    ArgSpec {
        name: "features",
        kind: ArgKind::CallList { words, catalogue: "feature" },
        default: Default::Choice(default),
        positional: false,
        doc,
    }
}

/// PyG: `NormalizeFeatures`, which takes the smallest number of all features off before it divides, and leaves rows of
/// a smaller sum than 1 as they are.
pub const NORMALIZE: ArgSpec = ArgSpec {
    name: "normalize",
    kind: ArgKind::Choice(&["none", "rows", "columns", "minmax"]),
    default: Default::Choice("none"),
    positional: false,
    doc: "What becomes of the node features: `rows` divides the features of each node by the sum of their absolute \
          values, a row of zeros stays (PyG: `NormalizeFeatures`, which also takes the smallest number of all off); \
          `columns` takes the mean off each column and divides by its standard deviation, both of the nodes of the \
          training part, and `minmax` brings each column to 0 … 1 by the smallest and the largest of them; a column that is \
          the same everywhere becomes zeros.",
};

/// Whether a vector can have the other sign: `laplacian` unless `signs = absolute`.
pub fn has_free_signs(feature: &BoundCall) -> bool {
    feature.name == laplacian::SPEC.name && feature.args.choice("signs") != "absolute"
}

/// Eigenvectors whose signs are `fixed` as the solver gives them, or `random`, where `data` asks for such.
pub fn with_signs<'a>(data: &'a BoundCall, signs: &str) -> Option<&'a BoundCall> {
    let has_signs = |feature: &&BoundCall| has_free_signs(feature) && feature.args.choice("signs") == signs;
    data.args.get("features")?.value.calls().iter().find(has_signs)
}

/// What a list of features means: one word that a source has alone is that word, so that both are one model.
pub fn settled(features: Vec<BoundCall>, words: &'static [&'static str]) -> ArgValue {
    let is_plain = |feature: &BoundCall| {
        let spec = SPECS.iter().find(|spec| spec.name == feature.name);
        let defaults = spec.map(|spec| crate::args::default_args(spec.args));
        defaults.is_some_and(|defaults| {
            defaults.0.iter().zip(&feature.args.0).all(|(default, arg)| default.value == arg.value)
        })
    };
    let names: Vec<&str> = features.iter().map(|feature| feature.name).collect();
    let word = match names.as_slice() {
        ["attributes", "labels"] => "both",
        [only] if is_plain(&features[0]) => only,
        _ => "",
    };
    match words.iter().find(|known| **known == word) {
        Some(word) => ArgValue::Choice(word),
        None => ArgValue::Calls(features),
    }
}

/// The features of a source that has these of its own.
pub fn names_for(own: &[&str]) -> Vec<&'static str> {
    let is_there = |name: &&str| own.contains(name) || OWN.iter().all(|spec| spec.name != *name);
    SPECS.iter().map(|spec| spec.name).filter(is_there).collect()
}

/// What is wrong with the features of a call, whose source has these words of its own.
pub(super) fn check(call: &BoundCall, own: &[&str]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let Some(features) = call.args.get("features") else { return found };
    let calls = features.value.calls();
    for feature in calls {
        let is_of_others = OWN.iter().any(|spec| spec.name == feature.name) && !own.contains(&feature.name);
        if is_of_others {
            found.push(
                Diagnostic::error(
                    "data::unknown_feature",
                    format!("`{}` has no feature `{}`", call.name, feature.name),
                )
                .label(feature.span, format!("not a feature of `{}`", call.name))
                .help(format!("it has {}", words_list(&names_for(own)))),
            );
        }
        if feature.name == degree::SPEC.name && feature.args.choice("kind") == "raw" {
            let why = "`kind = raw` is the degree as a number, in one column";
            found.extend(without_effect(feature, "max", why, "leave it out, or write `kind = one_hot`"));
        }
    }
    let one_each = ["degree", "constant", "identity", "colours"];
    if let ArgValue::Choice(word) = features.value
        && one_each.contains(&word)
        && call.args.choice(NORMALIZE.name) == "rows"
    {
        let why = format!("`features = {word}` has a single one in each row, which sums to one as it is");
        found.extend(without_effect(call, NORMALIZE.name, &why, "leave it out"));
    }
    found
}

/// What `call` leaves open of its features, taken from the call that a model was trained with: a list says more than the
/// columns that came of it. What is written otherwise comes back in words, both ways.
pub fn read_as_in_training(call: &mut BoundCall, trained: &BoundCall) -> Vec<(String, String)> {
    let mut differs = Vec::new();
    if call.name != trained.name {
        return differs;
    }
    // What is predicted of the nodes is no part of the files by itself, and of a call nothing else shows it.
    let is_of_nodes = |value: &ArgValue| matches!(value, ArgValue::Choice("node_labels" | "node_attributes"));
    if let Some(then) = trained.args.get("target").filter(|arg| is_of_nodes(&arg.value))
        && let Some(now) = call.args.0.iter_mut().find(|arg| arg.name == "target" && arg.span.is_none())
    {
        now.value = then.value.clone();
    }
    for name in ["features", NORMALIZE.name] {
        let Some(then) = trained.args.get(name).map(|arg| arg.value.clone()) else { continue };
        let Some(now) = call.args.0.iter_mut().find(|arg| arg.name == name) else { continue };
        if now.span.is_none() {
            // Words are kept with the columns, where they are what the data had (`auto` became `labels`).
            if name == NORMALIZE.name || !then.calls().is_empty() {
                now.value = then;
            }
        } else if name == NORMALIZE.name && now.value != then {
            let words = |value: &ArgValue| match value {
                ArgValue::Choice(word) => format!("{name} = {word}"),
                _ => name.to_owned(),
            };
            differs.push((words(&now.value), words(&then)));
        }
    }
    differs
}
