//! `tu("PROTEINS")`: data sets in the layout of the TU collection.

use super::edges::{LOOPS, PARALLEL, UNDIRECTED, check_without_features};
use super::{SourceFacts, features, without_effect};
use crate::args::{ArgKind, ArgSpec, ArgValue, BoundCall, CallSpec, Default};
use crate::diagnostic::Diagnostic;

pub static SPEC: CallSpec = CallSpec {
    name: "tu",
    doc: "A data set of the TU collection by its name, or the path of a folder or zip archive in its layout. \
          Graph classification, or graph regression where the graphs have attributes and no labels. \
          Morris et al. 2020; PyG's TUDataset.",
    example: "tu(\"PROTEINS\")",
    args: &[
        ArgSpec {
            name: "name",
            kind: ArgKind::Text,
            default: Default::Required,
            positional: true,
            doc: "`PROTEINS`: looked for in the data folder and the cache, then downloaded; or a path (`./my/SET`, \
                  `SET.zip`), in a file relative to that file.",
        },
        features::argument(
            &["auto", "labels", "attributes", "both", "degree", "constant"],
            "auto",
            "Node features: `labels` one-hot (columns from the smallest to the largest label), `attributes` as they \
             are, `both` (attributes first), `degree` one-hot, `constant` a single 1; `auto` takes the labels, or the \
             attributes where there are no labels. Several in a list, `[labels, degree, laplacian(8)]`: \
             `hgnnc ops feature`.",
        ),
        features::NORMALIZE,
        ArgSpec {
            name: "edge_features",
            kind: ArgKind::Choice(&["auto", "labels", "attributes", "both", "none"]),
            default: Default::Choice("auto"),
            positional: false,
            doc: "Edge features: `labels` one-hot (columns as those of node labels), `attributes` as they are, `both` \
                  (attributes first), `none`; `auto` takes the labels, or the attributes where there are no labels.",
        },
        UNDIRECTED,
        LOOPS,
        PARALLEL,
        ArgSpec {
            name: "target",
            kind: ArgKind::Choice(&[
                "auto",
                "labels",
                "attributes",
                "node_labels",
                "node_attributes",
                "edge_labels",
                "edge_attributes",
            ]),
            default: Default::Choice("auto"),
            positional: false,
            doc: "What is predicted: the graph `labels` (classes) or the graph `attributes` (values), `auto` takes the \
                  labels where there are any; or of each node or edge its label or attributes (`node_labels`, `node_attributes`, \
                  `edge_labels`, `edge_attributes`), which are then no features: `features = auto` takes the other of the two, \
                  or the degree, and `edge_features = auto` the other or none.",
        },
        ArgSpec {
            name: "max_degree",
            kind: ArgKind::Int { min: 1, max: 65_535 },
            default: Default::Inferred("the largest degree of the data, at most 500"),
            positional: false,
            doc: "With `features = degree`: the last degree with a column of its own, which all larger degrees share.",
        },
        ArgSpec {
            name: "max_nodes",
            kind: ArgKind::Int { min: 1, max: u32::MAX as i64 },
            default: Default::Inferred("no limit, every graph is kept"),
            positional: false,
            doc: "Drops graphs with more nodes.",
        },
    ],
};

pub struct Tu;

impl SourceFacts for Tu {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn reference(&self) -> &'static str {
        include_str!("tu_layout.txt")
    }

    fn own_features(&self) -> &'static [&'static str] {
        &["labels", "attributes"]
    }

    fn check(&self, call: &BoundCall) -> Vec<Diagnostic> {
        let features = &call.args.get("features").expect("it has the argument").value;
        let unused = match features {
            ArgValue::Choice("degree") => None,
            ArgValue::Choice(word) => {
                let why = format!("the node features are `{word}`");
                without_effect(call, "max_degree", &why, "leave it out, or write `features = degree`")
            }
            _ => {
                let why = "in a list of features it belongs to `degree`";
                without_effect(
                    call,
                    "max_degree",
                    why,
                    "leave it out, or write `degree(max = …)` in the list",
                )
            }
        };
        let leak = self.target_among_features(call);
        let no_edge_features = call.args.choice("edge_features") == "none";
        let merged = no_edge_features.then(|| check_without_features(call));
        unused.into_iter().chain(merged.flatten()).chain(leak).collect()
    }
}

impl Tu {
    /// What is predicted of the nodes or edges stands among their features.
    fn target_among_features(&self, call: &BoundCall) -> Option<Diagnostic> {
        let target = call.args.get("target")?;
        let ArgValue::Choice(word) = target.value else { return None };
        let (item, part) = word.split_once('_')?;
        let other = if part == "labels" { "attributes" } else { "labels" };
        let (setting, otherwise) = match item {
            "node" => ("features", format!("`features = {other}`, `degree`, or a list without it")),
            _ => ("edge_features", format!("`edge_features = {other}`, or `none`")),
        };
        let features = call.args.get(setting)?;
        let is_among = match &features.value {
            ArgValue::Choice(word) => *word == part || *word == "both",
            ArgValue::Calls(calls) => calls.iter().any(|call| call.name == part),
            _ => false,
        };
        let (place, of_target) = (features.span?, target.span?);
        is_among.then(|| {
            Diagnostic::error(
                "data::target_among_features",
                format!("the {item} {part} are to be predicted, and are among the features"),
            )
            .label(place, "the features hold the answer")
            .label(of_target, "this is predicted")
            .help(format!("leave `{part}` out of the features: {otherwise}"))
        })
    }
}
