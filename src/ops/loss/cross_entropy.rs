//! `cross_entropy(class_weights)`: of predicted classes.

use super::LossCx;
use crate::args::{ArgKind, ArgSpec, ArgValue, Args, Default, Range};
use crate::ops::{Doc, Loss, LossKind, Pyg};
use crate::program::V;
use crate::types::TargetKind;

/// Cross-entropy: `Σ_i w[c_i] · −log softmax(x_i)[c_i] / Σ_i w[c_i]` over the items of a part that carry a label. A step
/// divides by the weight of the part instead of that of its batch, see [`crate::lower::LossWeights`].
///
/// With `label_smoothing = ε` the label is the class with a share of `1 − ε` and every class with a share of `ε / C`, each weighed by its own
/// weight: Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision", section 7.
///
/// Balanced weights: King and Zeng 2001, "Logistic Regression in Rare Events Data".
/// PyG: `torch.nn.functional.cross_entropy(output, classes, weight, ignore_index = -1)`.
///
/// # Shapes
/// - output: `[M, C]`, logits
/// - targets: `[M]`, classes from 0; a negative one means no label
#[derive(Debug)]
pub struct CrossEntropy;

/// Weights of the classes.
pub(super) const CLASS_WEIGHTS: ArgSpec = ArgSpec {
    name: "class_weights",
    kind: ArgKind::WordOrNumbers {
        words: &["none", "balanced"],
        range: Range::closed(1e-6, 1e6),
        max_len: 65_536,
    },
    default: Default::Choice("none"),
    positional: false,
    doc: "`balanced`: each class is weighted by how rare it is among the training items, w[c] = items / (classes · items of c), \
          so that all classes weigh the same together; or the weight of each class, in the order of `hgnnc data`: `[1.0, 2.5]`.",
};

/// What [`CLASS_WEIGHTS`] says each class weighs; `None` where it is a word.
pub fn given_weights(args: &Args) -> Option<&[f64]> {
    args.get(CLASS_WEIGHTS.name).and_then(|_| args.float_list(CLASS_WEIGHTS.name))
}

/// Whether classes count by how rare they are.
pub(super) fn is_balanced(args: &Args) -> bool {
    matches!(args.get(CLASS_WEIGHTS.name).map(|arg| &arg.value), Some(ArgValue::Choice("balanced")))
}

static ARGS: &[ArgSpec] = &[
    CLASS_WEIGHTS,
    ArgSpec {
        name: "label_smoothing",
        kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
        default: Default::Float(0.0),
        positional: false,
        doc: "Share `ε` of each label that is spread evenly over all classes.",
    },
];

/// The weight of some items: of their classes, where these weigh differently.
pub(super) fn weight_of(n_items: f64, classes: &[u32], class_weights: Option<&[f64]>) -> f64 {
    match class_weights {
        Some(weights) => classes.iter().map(|&class| weights[class as usize]).sum(),
        None => n_items,
    }
}

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
    fn also_of(&self) -> &'static [TargetKind] {
        &[TargetKind::Links]
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
    fn weight(&self, n_items: f64, classes: &[u32], class_weights: Option<&[f64]>) -> f64 {
        weight_of(n_items, classes, class_weights)
    }
    fn program<'b>(&self, cx: &LossCx<'_, 'b>) -> Option<V<'b>> {
        let smoothing = cx.args.float("label_smoothing");
        // The kernel computes what most files ask for.
        if smoothing == 0.0 {
            return None;
        }
        let weighed = match cx.class_weights {
            Some(weights) => cx.log_shares() * weights,
            None => cx.log_shares(),
        };
        let own = (weighed * cx.is_class()).fold_sum(0).scale(smoothing - 1.0);
        Some(own - weighed.fold_mean(0).scale(smoothing))
    }
    fn weighs_classes(&self, args: &Args) -> bool {
        is_balanced(args)
    }
    fn exponentials(&self) -> f64 {
        1.0
    }
}
