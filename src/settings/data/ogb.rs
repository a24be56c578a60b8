//! `ogb("ogbn-arxiv")`: sets in the tables of the Open Graph Benchmark.

use super::edges::{ADDS_REVERSES, LOOPS, PARALLEL, check_without_features};
use super::{SourceFacts, features};
use crate::args::{ArgKind, ArgSpec, BoundCall, CallSpec, Default};
use crate::diagnostic::Diagnostic;

pub static SPEC: CallSpec = CallSpec {
    name: "ogb",
    doc: "A set of the Open Graph Benchmark by its name, or the path of a folder with its tables (`raw/edge.csv.gz`, …): \
          classes or values of the nodes of one graph, or of many graphs, with the split that comes with it. Hu et al. \
          2020.",
    example: "ogb(\"ogbn-arxiv\")",
    args: &[
        NAME,
        FEATURES,
        features::NORMALIZE,
        ArgSpec {
            name: "edge_features",
            kind: ArgKind::Choice(&["auto", "none"]),
            default: Default::Choice("auto"),
            positional: false,
            doc: "Edge features: `auto` those of edge-feat.csv, where it is there; `none`.",
        },
        TARGET,
        SPLIT,
        UNDIRECTED,
        LOOPS,
        PARALLEL,
    ],
};

pub(super) const NAME: ArgSpec = ArgSpec {
    name: "name",
    kind: ArgKind::Text,
    default: Default::Required,
    positional: true,
    doc: "The name of a set: looked for in the data folder, its subfolders for such sets and the cache, where `-` and `_` are \
          alike; or a path (`./my/SET`), in a file relative to that file.",
};

pub(super) const FEATURES: ArgSpec = features::argument(
    &["attributes", "degree", "constant"],
    "attributes",
    "Node features: `attributes` those of node-feat.csv or node-feat-sparse.csv, `degree` one-hot, `constant` a single 1. \
     Several in a list, `[attributes, laplacian(8)]`: `hgnnc ops feature`.",
);

pub(super) const TARGET: ArgSpec = ArgSpec {
    name: "target",
    kind: ArgKind::Choice(&["auto", "classes", "values"]),
    default: Default::Choice("auto"),
    positional: false,
    doc: "What the labels are: `classes` or `values`; `auto` takes whole numbers as classes.",
};

pub(super) const SPLIT: ArgSpec = ArgSpec {
    name: "split",
    kind: ArgKind::Text,
    default: Default::Inferred("the only one that the set has"),
    positional: false,
    doc: "Which of the splits that come with the data `protocol = fixed` takes: a folder in `split`.",
};

/// [`ADDS_REVERSES`] with what there is to say of these sets.
pub(super) const UNDIRECTED: ArgSpec = ArgSpec {
    doc: "Adds the reverse of each edge that has none of its own, with the same values: these sets hold an undirected edge \
          once. The citations of ogbn-arxiv are directed, and `undirected = false` reads them so. PyG: `ToUndirected`, which \
          merges parallel edges first, as `parallel = sum` does.",
    ..ADDS_REVERSES
};

/// How the files are laid out.
pub(super) const REFERENCE: &str = include_str!("ogb_layout.txt");

pub struct Ogb;

impl SourceFacts for Ogb {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn reference(&self) -> &'static str {
        REFERENCE
    }

    fn own_features(&self) -> &'static [&'static str] {
        &["attributes"]
    }

    fn check(&self, call: &BoundCall) -> Vec<Diagnostic> {
        let no_edge_features = call.args.choice("edge_features") == "none";
        no_edge_features.then(|| check_without_features(call)).flatten().into_iter().collect()
    }
}
