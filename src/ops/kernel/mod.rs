//! Graph kernels, and the machine that learns from them: baselines without a network. A kernel counts features of each graph
//! and compares graphs by their counts; what is computed is in [`crate::gram`].

pub mod graphlet;
pub mod shortest_path;
pub mod svm;
pub mod wl_kernel;
pub mod wl_oa;

use crate::args::{ArgKind, ArgSpec, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::InferCx;
use crate::ops::findings::{levels, symmetry};
use crate::types::{Dim, Entity, Level, Size, Type};

/// What a graph kernel counts and compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphKernel {
    /// Colours of each step of refinement; products of counts.
    Subtree,
    /// The same colours; the smaller of two counts.
    Assignment,
    /// Pairs of nodes by their labels and distance; products of counts.
    ShortestPath,
    /// Connected induced subgraphs of so many nodes; products of counts.
    Graphlet { k: usize },
}

/// What tells the nodes of a graph apart at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeLabels {
    /// Their rows of features, compared to the last bit.
    Features,
    /// How many edges lead to them.
    Degree,
    /// Nothing.
    None,
}

impl NodeLabels {
    /// By the word that a file writes.
    ///
    /// # Panics
    /// Where it is none of those that [`LABELS`] takes.
    pub fn named(word: &str) -> Self {
        match word {
            "features" => Self::Features,
            "degree" => Self::Degree,
            "none" => Self::None,
            other => panic!("`labels` is `{other}`"),
        }
    }
}

/// Steps of refinement.
const H: ArgSpec = ArgSpec {
    name: "h",
    kind: ArgKind::Ints { min: 0, max: 100, max_len: 101 },
    default: Default::Int(5),
    positional: true,
    doc: "Steps of refinement: a colour of step t tells the neighbourhood of radius t. Of a list, that which is best on the \
          validation part.",
};

const LABELS: ArgSpec = ArgSpec {
    name: "labels",
    kind: ArgKind::Choice(&["features", "degree", "none"]),
    default: Default::Choice("features"),
    positional: false,
    doc: "What tells nodes apart at first: their rows of features, compared to the last bit (with `features = labels` in `data` \
          their labels), how many edges lead to them, or nothing.",
};

const NORMALIZE: ArgSpec = ArgSpec::flag(
    "normalize",
    true,
    "Whether k(x, y) is divided by √(k(x, x) k(y, y)), so that large graphs do not outweigh small ones.",
);

/// What a kernel makes of the nodes of a graph.
///
/// # Errors
/// `levels::needs_nodes` on anything else.
fn counts_of_nodes(cx: &InferCx) -> Result<Type, Diagnostic> {
    if cx.inputs[0].entity != Entity::Nodes {
        return Err(levels::needs_nodes(cx));
    }
    Ok(Type {
        entity: Entity::Graph,
        level: Level(0),
        rows: Dim::new(Size::Known(1), Some(cx.span), "counts of each graph"),
        width: Dim::new(
            Size::Symbol("K"),
            Some(cx.span),
            "the features that the kernel counts, as many as there are",
        ),
        symmetry: symmetry::of_entity(cx, Entity::Graph),
    })
}
