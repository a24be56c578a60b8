//! `graphcl`: two changed copies of a graph are told from those of other graphs.

use super::{Contrast, Contrastive};
use crate::args::{ArgKind, ArgSpec, Default, Range};
use crate::ops::{Doc, Pyg};

const SHARE: Range = Range::closed_open(0.0, 1.0);

/// Names of the arguments that say how copies are changed, in the order in which one is drawn.
pub const CHANGES: [&str; 4] = ["drop_nodes", "drop_edges", "mask_features", "subgraph"];

/// GraphCL: of each graph of a batch two copies are made, each changed in one of the ways that are asked for, drawn for the graph; a
/// projection of two layers, whose weights are the loss's, is put behind the model, and the cosine of the two copies is told from that of
/// the first with the second copies of other graphs. What `hgnnc embed` writes is the model's result, without the projection.
///
/// Paper: You et al. 2020, "Graph Contrastive Learning with Augmentations", eq. 3 and table 1. PyG: none.
///
/// # Shapes
/// - output: `[G, F]`, a row for each graph
pub static GRAPHCL: Contrastive = Contrastive {
    name: "graphcl",
    doc: Doc {
        summary: "GraphCL: tells two changed copies of a graph from copies of other graphs.",
        formula: "1/G Σ_g −log (exp(c_gg / τ) / Σ_{g' ≠ g} exp(c_gg' / τ)),  c_gg' = cos(ψ(H_g), ψ(H'_g'))",
        paper: "You et al. 2020, \"Graph Contrastive Learning with Augmentations\"",
        example: "task = graph_embedding\nmodel = gin(32) -> gin(32) -> sum\nloss = graphcl(drop_nodes = 0.2, subgraph = 0.2, drop_edges = 0, mask_features = 0)",
    },
    args: &[
        ArgSpec {
            name: "drop_nodes",
            kind: ArgKind::Float(SHARE),
            default: Default::Float(0.2),
            positional: false,
            doc: "Share of the nodes that are left out with their edges; 0 for never.",
        },
        ArgSpec {
            name: "drop_edges",
            kind: ArgKind::Float(SHARE),
            default: Default::Float(0.2),
            positional: false,
            doc: "Share of the edges that are left out, an edge with its reverse; 0 for never.",
        },
        ArgSpec {
            name: "mask_features",
            kind: ArgKind::Float(SHARE),
            default: Default::Float(0.2),
            positional: false,
            doc: "Share of the nodes whose features are set to the mean of the graph; 0 for never.",
        },
        ArgSpec {
            name: "subgraph",
            kind: ArgKind::Float(SHARE),
            default: Default::Float(0.2),
            positional: false,
            doc: "Share of the nodes that are left out around a connected part, which grows from a node that is drawn; 0 for never.",
        },
        ArgSpec {
            name: "temperature",
            kind: ArgKind::Float(Range::closed(1e-3, 1e3)),
            default: Default::Float(0.5),
            positional: false,
            doc: "What cosines are divided by, `τ`.",
        },
    ],
    contrast: Contrast::Views,
    pyg: Pyg {
        class: "",
        weights: &[],
        arguments: &[],
        note: "PyG has none; the loss is that of the authors' `loss_cal`.",
    },
};
