//! `mincut`: how much of the edges leads out of clusters.

use super::MINCUT;
use crate::args::{ArgSpec, Args};
use crate::ops::{Doc, Loss, LossKind, Pyg};

/// Cut of a pooling's clusters: `−tr(Sᵀ A S) / tr(Sᵀ D S)` of each graph, averaged over graphs and summed over poolings.
/// −1 where no edge leads from one cluster to another; 0 for a graph without edges.
///
/// Paper: Bianchi et al. 2020, "Spectral Clustering with Graph Neural Networks for Graph Pooling", eq. 9, first term.
/// PyG: the third result of `torch_geometric.nn.dense_mincut_pool`.
///
/// # Shapes
/// - `A`: `[n, n]`, the adjacency that is pooled, `D` its row sums; `S`: `[n, k]`, the assignment
#[derive(Debug)]
pub struct MinCut;

impl Loss for MinCut {
    fn name(&self) -> &'static str {
        MINCUT
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "How much of the edges stays inside of a pooling's clusters, as a number between −1, all of them, and 0.",
            formula: "−tr(Sᵀ A S) / tr(Sᵀ D S)",
            paper: "Bianchi et al. 2020, \"Spectral Clustering with Graph Neural Networks for Graph Pooling\"",
            example: "model = gcn(64) -> relu -> mincut(k = 8) -> mean -> linear\n\
                      loss = cross_entropy + mincut + orthogonality",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        &[]
    }
    fn kind(&self) -> LossKind {
        LossKind::Auxiliary
    }
    fn reported_by(&self) -> &'static [&'static str] {
        &["mincut"]
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.dense_mincut_pool",
            weights: &[],
            note: "A graph without edges counts 0; PyG divides by 0.",
        }
    }
    fn weight(&self, _n_items: usize, _classes: &[u32], _class_weights: Option<&[f64]>) -> f64 {
        0.0
    }
    fn weighs_classes(&self, _args: &Args) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::codes;

    #[test]
    fn it_needs_a_pooling_that_reports_it() {
        assert_eq!(
            codes("model = mincut(k = 3) -> mean -> linear\nloss = cross_entropy + 0.5 * mincut"),
            [""; 0]
        );
        assert_ne!(
            codes("model = diffpool(k = 3) -> mean -> linear\nloss = cross_entropy + mincut"),
            [""; 0]
        );
    }
}
