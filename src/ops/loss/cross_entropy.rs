//! `cross_entropy`: of predicted classes.

use crate::ir::TargetKind;
use crate::kernels;
use crate::ops::{Doc, Loss, LossKind, Pyg};
use candle_core::{Result, Tensor};

/// Cross-entropy: `−1/M Σ_i log softmax(x_i)[c_i]` over the `M` items that carry a label.
///
/// PyG: `torch.nn.functional.cross_entropy(output, classes, ignore_index = -1)`.
///
/// # Shapes
/// - output: `[M, C]`, logits
/// - targets: `[M]`, classes from 0; a negative one means no label
#[derive(Debug)]
pub struct CrossEntropy;

impl Loss for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Cross-entropy of the predicted classes, averaged over the items that carry a label.",
            formula: "−1/M Σ_i log softmax(x_i)[c_i]",
            paper: "",
            example: "model = gcn(64) -> relu -> mean -> linear\nloss = cross_entropy",
        }
    }
    fn kind(&self) -> LossKind {
        LossKind::Task(TargetKind::Classification)
    }
    fn reported_by(&self) -> &'static [&'static str] {
        &[]
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "torch.nn.functional.cross_entropy", weights: &[], note: "With `ignore_index = -1`." }
    }
    fn compute(&self, output: &Tensor, targets: &Tensor) -> Result<Tensor> {
        kernels::cross_entropy(output, targets)
    }
}
