//! `cross_entropy(class_weights)`: of predicted classes.

use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::kernels;
use crate::ops::{
    Doc, Items, Loss, LossCx, LossKind, Pyg,
    trace::{self, Trace},
};
use crate::types::TargetKind;
use candle_core::{Result, Tensor};

/// Cross-entropy: `Σ_i w[c_i] · −log softmax(x_i)[c_i] / Σ_i w[c_i]` over the items of a part that carry a label. A step
/// divides by the weight of the part instead of that of its batch, see [`crate::lower::LossWeights`].
///
/// Balanced weights: King and Zeng 2001, "Logistic Regression in Rare Events Data".
/// PyG: `torch.nn.functional.cross_entropy(output, classes, weight, ignore_index = -1)`.
///
/// # Shapes
/// - output: `[M, C]`, logits
/// - targets: `[M]`, classes from 0; a negative one means no label
#[derive(Debug)]
pub struct CrossEntropy;

static ARGS: &[ArgSpec] = &[ArgSpec {
    name: "class_weights",
    kind: ArgKind::Choice(&["none", "balanced"]),
    default: Default::Choice("none"),
    positional: false,
    doc: "`balanced`: each class is weighted by how rare it is among the training items, w[c] = items / (classes · items of c), \
          so that all classes weigh the same together.",
}];

impl Loss for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Cross-entropy of the predicted classes, the weighted mean over the items that carry a label.",
            formula: "Σ_i w[c_i] · −log softmax(x_i)[c_i] / Σ_i w[c_i]",
            paper: "weights: King and Zeng 2001, \"Logistic Regression in Rare Events Data\"",
            example: "model = gcn(64) -> relu -> mean -> linear\nloss = cross_entropy(class_weights = balanced)",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn kind(&self) -> LossKind {
        LossKind::Task(TargetKind::Classification)
    }
    fn reported_by(&self) -> &'static [&'static str] {
        &[]
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch.nn.functional.cross_entropy",
            weights: &[],
            note: "With `ignore_index = -1`; `class_weights = balanced` is `weight = items / (classes * counts)`.",
        }
    }
    fn weight(&self, n_items: usize, classes: &[u32], class_weights: Option<&[f64]>) -> f64 {
        match class_weights {
            Some(weights) => classes.iter().map(|&class| weights[class as usize]).sum(),
            None => n_items as f64,
        }
    }
    fn of_items(&self, items: &Items, class_weights: Option<&[f64]>) -> Vec<f64> {
        kernels::cross_entropy_of_rows(items.outputs, items.width, items.classes, class_weights)
    }
    fn weighs_classes(&self, args: &Args) -> bool {
        args.choice("class_weights") == "balanced"
    }
    fn trace(&self, output: trace::Matrix, step: &mut Trace) -> Option<trace::Matrix> {
        Some(step.task_loss(self.name(), output, 1.0))
    }
    fn compute(&self, cx: &LossCx) -> Result<Tensor> {
        kernels::weighted_cross_entropy(cx.output, cx.targets, cx.class_weights, cx.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::loss::balanced_weights;
    use candle_core::Device;

    fn loss(classes: &[i64], class_weights: Option<&[f64]>) -> f64 {
        let output = Tensor::new(&[[2.0f64, 0.0], [0.0, 1.0], [5.0, -5.0]], &Device::Cpu).unwrap();
        let targets = Tensor::new(classes, &Device::Cpu).unwrap();
        let cx =
            LossCx { args: &Args::default(), output: &output, targets: &targets, class_weights, total: None };
        CrossEntropy.compute(&cx).unwrap().to_scalar().unwrap()
    }

    #[test]
    fn items_without_a_label_do_not_count() {
        let expected = ((1.0 + (-2.0f64).exp()).ln() + (1.0 + (-10.0f64).exp()).ln()) / 2.0;
        assert!((loss(&[0, -1, 0], None) - expected).abs() < 1e-12);
    }

    #[test]
    fn balanced_classes_weigh_the_same_together() {
        let weights = balanced_weights(&[2, 1, 0]);
        assert_eq!(weights, [0.75, 1.5, 1.0]);
        let (of_zero, of_one) =
            ((1.0 + (-2.0f64).exp()).ln() + (1.0 + (-10.0f64).exp()).ln(), (1.0 + (-1.0f64).exp()).ln());
        // The two items of class 0 count as much as the one of class 1.
        let expected = (of_zero / 2.0 + of_one) / 2.0;
        assert!((loss(&[0, 1, 0], Some(&weights[..2])) - expected).abs() < 1e-12);
    }
}
