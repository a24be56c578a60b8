//! `link_prediction`: how badly assignments predict the edges.

use super::LINK_PREDICTION;
use crate::args::{ArgSpec, Args};
use crate::ops::{Doc, Loss, LossKind, Pyg};

/// Link prediction of a pooling: `‖A − S Sᵀ‖_F / n²` of each graph, averaged over graphs and summed over poolings.
/// Nodes that are linked are drawn into the same cluster.
///
/// Paper: Ying et al. 2018, "Hierarchical Graph Representation Learning with Differentiable Pooling", section 3.3.
/// PyG: the second result of `torch_geometric.nn.dense_diff_pool(normalize = True)` for one graph alone.
///
/// # Shapes
/// - `A`: `[n, n]`, the adjacency that is pooled; `S`: `[n, k]`, the assignment
#[derive(Debug)]
pub struct LinkPrediction;

impl Loss for LinkPrediction {
    fn name(&self) -> &'static str {
        LINK_PREDICTION
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "How badly a pooling's assignment predicts the edges, averaged over graphs, summed over poolings.",
            formula: "‖A − S Sᵀ‖_F / n²",
            paper: "Ying et al. 2018, \"Hierarchical Graph Representation Learning with Differentiable Pooling\"",
            example: "model = sage(64) -> relu -> diffpool(ratio = 0.25) -> mean -> linear\n\
                      loss = cross_entropy + link_prediction",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        &[]
    }
    fn kind(&self) -> LossKind {
        LossKind::Auxiliary
    }
    fn reported_by(&self) -> &'static [&'static str] {
        &["diffpool"]
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.dense_diff_pool",
            weights: &[],
            note: "PyG takes the norm over a whole padded batch; here each graph counts by itself.",
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
            codes("model = diffpool(k = 3) -> mean -> linear\nloss = cross_entropy + link_prediction"),
            [""; 0]
        );
        assert_ne!(
            codes("model = gcn(8) -> mean -> linear\nloss = cross_entropy + link_prediction"),
            [""; 0]
        );
    }
}
