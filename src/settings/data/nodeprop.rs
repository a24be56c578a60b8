//! `nodeprop("cora")`: one graph with nodes to be predicted, in tables as the Open Graph Benchmark has them.

use super::edges::{LOOPS, PARALLEL};
use super::ogb::{FEATURES, NAME, REFERENCE, SPLIT, TARGET, UNDIRECTED};
use super::{SourceFacts, features};
use crate::args::{BoundCall, CallSpec};
use crate::diagnostic::Diagnostic;

pub static SPEC: CallSpec = CallSpec {
    name: "nodeprop",
    doc: "One graph with classes or values of its nodes, in tables (`edge.csv.gz`, `node-label.csv.gz`, `node-feat.csv.gz` or \
          `node-feat-sparse.csv.gz`, `split/NAME/train.csv.gz`, …) as the Open Graph Benchmark has them.",
    example: "nodeprop(\"cora\")",
    args: &[NAME, FEATURES, features::NORMALIZE, TARGET, SPLIT, UNDIRECTED, LOOPS, PARALLEL],
};

pub struct NodeProp;

impl SourceFacts for NodeProp {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn reference(&self) -> &'static str {
        REFERENCE
    }

    fn own_features(&self) -> &'static [&'static str] {
        &["attributes"]
    }

    fn check(&self, _: &BoundCall) -> Vec<Diagnostic> {
        Vec::new()
    }
}
