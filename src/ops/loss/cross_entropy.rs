//! `cross_entropy(class_weights)`: of predicted classes.

use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::ops::{Doc, Loss, LossKind, Pyg};
use crate::types::TargetKind;

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
            arguments: &[],
            note: "With `ignore_index = -1`; `class_weights = balanced` is `weight = items / (classes * counts)`.",
        }
    }
    fn weight(&self, n_items: usize, classes: &[u32], class_weights: Option<&[f64]>) -> f64 {
        match class_weights {
            Some(weights) => classes.iter().map(|&class| weights[class as usize]).sum(),
            None => n_items as f64,
        }
    }
    fn weighs_classes(&self, args: &Args) -> bool {
        args.choice("class_weights") == "balanced"
    }
    fn exponentials(&self) -> f64 {
        1.0
    }
}
