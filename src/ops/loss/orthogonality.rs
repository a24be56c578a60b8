//! `orthogonality`: how far clusters are from distinct ones of one size.

use super::ORTHOGONALITY;
use crate::args::{ArgSpec, Args};
use crate::ops::{Doc, Loss, LossKind, Pyg};

/// Orthogonality of a pooling's assignment: `‖SᵀS / ‖SᵀS‖_F − I / √k‖_F` of each graph, averaged over graphs and summed over
/// poolings. 0 where every node belongs to one cluster and all clusters have the same size.
///
/// Paper: Bianchi et al. 2020, "Spectral Clustering with Graph Neural Networks for Graph Pooling", eq. 9, second term.
/// PyG: the fourth result of `torch_geometric.nn.dense_mincut_pool`.
///
/// # Shapes
/// - `S`: `[n, k]`, the assignment
#[derive(Debug)]
pub struct Orthogonality;

impl Loss for Orthogonality {
    fn name(&self) -> &'static str {
        ORTHOGONALITY
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "How far a pooling's clusters are from distinct ones of one size, averaged over graphs, summed over poolings.",
            formula: "‖SᵀS / ‖SᵀS‖_F − I / √k‖_F",
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
        Pyg { class: "torch_geometric.nn.dense_mincut_pool", weights: &[], note: "" }
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
            codes("model = mincut(k = 3) -> mean -> linear\nloss = cross_entropy + 0.5 * orthogonality"),
            [""; 0]
        );
        assert_ne!(
            codes("model = diffpool(k = 3) -> mean -> linear\nloss = cross_entropy + orthogonality"),
            [""; 0]
        );
    }
}
