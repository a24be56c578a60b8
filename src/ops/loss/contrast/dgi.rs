//! `dgi`: nodes are told from those of a graph with shuffled features, by the summary of their graph.

use super::{Contrast, Contrastive};
use crate::ops::{Doc, Pyg};

/// Deep Graph Infomax: a bilinear discriminator tells the rows of a graph, `h_i`, from those of the same graph with the features of its
/// nodes shuffled, `h̃_i`, by the summary of the graph, the sigmoid of the mean of its rows. The matrix of the discriminator is a weight of
/// the loss, `loss.dgi.weight` in a checkpoint. Of several graphs in a batch each has its own summary, and features are shuffled within it.
///
/// Paper: Veličković et al. 2019, "Deep Graph Infomax", eqs. 1 to 4. PyG: `torch_geometric.nn.DeepGraphInfomax`.
///
/// # Shapes
/// - output: `[N, F]`, a row for each node
pub static DGI: Contrastive = Contrastive {
    name: "dgi",
    doc: Doc {
        summary: "Deep Graph Infomax: tells nodes from those of the graph with shuffled features, by the summary of the graph.",
        formula: "1/N Σ_i −log σ(h_iᵀ W s) − log(1 − σ(h̃_iᵀ W s)),  s = σ(1/N Σ_i h_i)",
        paper: "Veličković et al. 2019, \"Deep Graph Infomax\"",
        example: "task = node_embedding\nmodel = gcn(64) -> prelu\nloss = dgi",
    },
    args: &[],
    contrast: Contrast::Corruption,
    pyg: Pyg {
        class: "torch_geometric.nn.DeepGraphInfomax",
        weights: &[],
        arguments: &[],
        note: "With features shuffled over the nodes and the sigmoid of their mean, as in its example. It adds 1e-15 inside of the logarithms.",
    },
};
