//! `entropy`: how undecided assignments are.

use super::ENTROPY;
use crate::args::{ArgSpec, Args};
use crate::ops::{Doc, Loss, LossKind, Pyg};

/// Entropy of a pooling's assignment: `1/n Σ_i Σ_c −S_ic log S_ic` of each graph, averaged over graphs and summed
/// over poolings. Each node is drawn towards one cluster.
///
/// Paper: Ying et al. 2018, "Hierarchical Graph Representation Learning with Differentiable Pooling", section 3.3.
/// PyG: the third result of `torch_geometric.nn.dense_diff_pool` for one graph alone.
///
/// # Shapes
/// - `S`: `[n, k]`, the assignment
#[derive(Debug)]
pub struct Entropy;

impl Loss for Entropy {
    fn name(&self) -> &'static str {
        ENTROPY
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "How undecided a pooling's assignment is, averaged over nodes and graphs, summed over poolings.",
            formula: "1/n Σ_i Σ_c −S_ic log S_ic",
            paper: "Ying et al. 2018, \"Hierarchical Graph Representation Learning with Differentiable Pooling\"",
            example: "model = sage(64) -> relu -> diffpool(ratio = 0.25) -> mean -> linear\n\
                      loss = cross_entropy + 0.1 * entropy",
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
            note: "PyG averages over the rows of a padded batch; here over each graph's own nodes.",
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
            codes("model = diffpool(k = 3) -> mean -> linear\nloss = cross_entropy + 0.1 * entropy"),
            [""; 0]
        );
        assert_ne!(
            codes("model = topk(k = 3) -> mean -> linear\nloss = cross_entropy + 0.1 * entropy"),
            [""; 0]
        );
    }
}
