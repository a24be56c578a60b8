//! `infograph`: nodes are told from those of other graphs by the vector of their own.

use super::{Contrast, Contrastive};
use crate::ops::{Doc, Pyg};

/// InfoGraph: each node, as the last readout gathers it, is told from the nodes of the other graphs of the batch by the vector of its own
/// graph. Nodes and graphs go through a network each, three layers with a linear map beside them, whose weights are the loss's; scores are
/// inner products, compared by the Jensen-Shannon estimator. `h_i` is what the readout at the end of the model gathers, so the
/// model ends in one of nodes: `… -> sum`.
///
/// Paper: Sun et al. 2020, "InfoGraph: Unsupervised and Semi-supervised Graph-Level Representation Learning via Mutual Information Maximization",
/// eqs. 5 and 6. PyG: none.
///
/// # Shapes
/// - output: `[G, F]`, a row for each graph
pub static INFOGRAPH: Contrastive = Contrastive {
    name: "infograph",
    doc: Doc {
        summary: "InfoGraph: tells the nodes of a graph from those of other graphs, by the vector of the graph.",
        formula: "1/N Σ_i softplus(−s_i,g(i)) + 1/(N (G − 1)) Σ_i Σ_{g ≠ g(i)} softplus(s_ig) − 2 log 2,  s_ig = φ(h_i) · ψ(H_g)",
        paper: "Sun et al. 2020, \"InfoGraph: Unsupervised and Semi-supervised Graph-Level Representation Learning via Mutual Information Maximization\"",
        example: "task = graph_embedding\nmodel = gin(32) as a -> gin(32) as b -> concat(a, b) -> sum\nloss = infograph",
    },
    args: &[],
    contrast: Contrast::Readout,
    pyg: Pyg {
        class: "",
        weights: &[],
        arguments: &[],
        note: "PyG has none; the estimator is that of the authors' `local_global_loss_` with `measure = 'JSD'`.",
    },
};
