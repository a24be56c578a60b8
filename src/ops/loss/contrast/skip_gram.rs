//! `skip_gram`: nodes that random walks meet close to each other have rows with a large inner product.

use super::{Contrast, Contrastive};
use crate::args::{ArgKind, ArgSpec, Default, Range};
use crate::ops::{Doc, Pyg};

const WEIGHT: Range = Range::closed(1e-6, 1e6);

/// Skip-gram with negative sampling over random walks. Walks of the second order weigh a step back to where the last one came from by
/// `1 / p`, one to a neighbour of that node by 1 and any other by `1 / q`; with `p = q = 1` all neighbours are alike, which is DeepWalk.
/// Every run of `context` nodes of a walk is a window: its first node is compared with the others. For each walk, `negatives` further ones
/// are drawn that start there and go on at nodes drawn evenly. The mean over the pairs of walks is added to that over the pairs that were
/// drawn. A node where a walk finds no way on is met again.
///
/// Paper: Grover and Leskovec 2016, "node2vec: Scalable Feature Learning for Networks", eq. 4 and sect. 3.2; Perozzi et al. 2014, "DeepWalk".
/// PyG: `torch_geometric.nn.Node2Vec`.
///
/// # Shapes
/// - output: `[N, F]`, a row for each node
pub static SKIP_GRAM: Contrastive = Contrastive {
    name: "skip_gram",
    doc: Doc {
        summary: "Makes the rows of nodes alike that random walks meet close to each other: DeepWalk and node2vec.",
        formula: "1/|P| Σ_{(i, j) ∈ P} −log σ(h_i · h_j) + 1/|R| Σ_{(i, j) ∈ R} −log σ(−h_i · h_j)",
        paper: "Grover and Leskovec 2016, \"node2vec: Scalable Feature Learning for Networks\"",
        example: "task = node_embedding\nmodel = embedding(32)\nloss = skip_gram(walk_length = 10, context = 5, p = 0.5, q = 2.0)",
    },
    args: &[
        ArgSpec {
            name: "walk_length",
            kind: ArgKind::Int { min: 1, max: 10_000 },
            default: Default::Int(20),
            positional: false,
            doc: "Steps of a walk.",
        },
        ArgSpec {
            name: "context",
            kind: ArgKind::Int { min: 2, max: 10_000 },
            default: Default::Int(10),
            positional: false,
            doc: "Nodes of a window, the first included; at most one more than the steps of a walk.",
        },
        ArgSpec {
            name: "walks",
            kind: ArgKind::Int { min: 1, max: 10_000 },
            default: Default::Int(10),
            positional: false,
            doc: "Walks from each node, drawn anew in every epoch.",
        },
        ArgSpec {
            name: "p",
            kind: ArgKind::Float(WEIGHT),
            default: Default::Float(1.0),
            positional: false,
            doc: "The larger, the less often a walk goes back to where it came from.",
        },
        ArgSpec {
            name: "q",
            kind: ArgKind::Float(WEIGHT),
            default: Default::Float(1.0),
            positional: false,
            doc: "The larger, the closer a walk stays to where it came from.",
        },
        ArgSpec {
            name: "negatives",
            kind: ArgKind::Int { min: 1, max: 1000 },
            default: Default::Int(1),
            positional: false,
            doc: "Walks of nodes drawn evenly, for each walk.",
        },
    ],
    contrast: Contrast::Walks,
    pyg: Pyg {
        class: "torch_geometric.nn.Node2Vec",
        weights: &[],
        arguments: &[
            ("context_size", "context"),
            ("walks_per_node", "walks"),
            ("num_negative_samples", "negatives"),
        ],
        note: "Its `embedding_dim` is the width of `embedding` in the model. It adds 1e-15 inside of the logarithms.",
    },
};
