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

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn items_without_a_label_do_not_count() {
        let output = Tensor::new(&[[2.0f64, 0.0], [0.0, 1.0], [5.0, -5.0]], &Device::Cpu).unwrap();
        let classes = Tensor::new(&[0i64, -1, 0], &Device::Cpu).unwrap();
        let loss: f64 = CrossEntropy.compute(&output, &classes).unwrap().to_scalar().unwrap();
        let expected = ((1.0 + (-2.0f64).exp()).ln() + (1.0 + (-10.0f64).exp()).ln()) / 2.0;
        assert!((loss - expected).abs() < 1e-12, "{loss}");
    }
}
