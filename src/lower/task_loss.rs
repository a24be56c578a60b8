//! What the losses of the task compute: an entry of [`TASK_LOSSES`] for each of them in [`crate::ops::LOSSES`].

use crate::kernels;
use crate::ops::Loss;
use candle_core::{Result, Tensor};

/// What a loss of the task compares.
pub struct LossCx<'a> {
    /// The model's result, `[M, C]`.
    pub output: &'a Tensor,
    /// `[M]` classes or `[M, V]` values.
    pub targets: &'a Tensor,
    /// A weight for each class, where the loss [weighs classes](Loss::weighs_classes).
    pub class_weights: Option<&'a [f64]>,
    /// What the weighted sum over the rows is divided by: a part's weight for each step, so that what stands in one
    /// batch with an item does not change how much the item counts. `None` for the weight of these rows.
    pub total: Option<f64>,
}

/// Outputs beside their targets, of one batch or of many.
#[derive(Debug, Clone, Copy)]
pub struct Items<'a> {
    /// Outputs of an item: classes, or values.
    pub width: usize,
    /// Row-major `[n_items, width]`: logits, or values.
    pub outputs: &'a [f32],
    /// The class of each item; empty for regression.
    pub classes: &'a [u32],
    /// Row-major `[n_items, width]`; empty for classification.
    pub values: &'a [f32],
}

/// One loss of the task.
pub struct TaskLoss {
    pub name: &'static str,
    /// `w_i ℓ_i` of each item, the same whatever stands beside it.
    pub of_items: fn(&Items, class_weights: Option<&[f64]>) -> Vec<f64>,
    /// The scalar that a step minimises. Fails where the shapes do not fit, which `check` has excluded.
    pub compute: fn(&LossCx) -> Result<Tensor>,
}

/// Every loss of the task.
pub static TASK_LOSSES: &[TaskLoss] = &[
    TaskLoss {
        name: "cross_entropy",
        of_items: |items, class_weights| {
            kernels::cross_entropy_of_rows(items.outputs, items.width, items.classes, class_weights)
        },
        compute: |cx| kernels::weighted_cross_entropy(cx.output, cx.targets, cx.class_weights, cx.total),
    },
    TaskLoss {
        name: "mse",
        of_items: |items, _| kernels::square_error_of_rows(items.outputs, items.values, items.width),
        compute: |cx| kernels::mse(cx.output, cx.targets, cx.total),
    },
];

/// What computes a loss of the task.
///
/// # Panics
/// For an auxiliary loss.
pub fn of(loss: &dyn Loss) -> &'static TaskLoss {
    let known = TASK_LOSSES.iter().find(|known| known.name == loss.name());
    known.unwrap_or_else(|| panic!("`{}` is no loss of the task", loss.name()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::loss::balanced_weights;
    use crate::ops::{LOSSES, LossKind, find_loss};
    use candle_core::Device;

    #[test]
    fn every_loss_of_the_task_is_computed() {
        let of_task = LOSSES.iter().filter(|loss| matches!(loss.kind(), LossKind::Task(_)));
        let names: Vec<_> = of_task.map(|loss| loss.name()).collect();
        assert_eq!(names, TASK_LOSSES.iter().map(|loss| loss.name).collect::<Vec<_>>());
    }

    fn named(name: &str) -> &'static TaskLoss {
        of(find_loss(name).unwrap())
    }

    fn cross_entropy(classes: &[i64], class_weights: Option<&[f64]>) -> f64 {
        let output = Tensor::new(&[[2.0f64, 0.0], [0.0, 1.0], [5.0, -5.0]], &Device::Cpu).unwrap();
        let targets = Tensor::new(classes, &Device::Cpu).unwrap();
        let cx = LossCx { output: &output, targets: &targets, class_weights, total: None };
        (named("cross_entropy").compute)(&cx).unwrap().to_scalar().unwrap()
    }

    #[test]
    fn items_without_a_label_do_not_count() {
        let expected = ((1.0 + (-2.0f64).exp()).ln() + (1.0 + (-10.0f64).exp()).ln()) / 2.0;
        assert!((cross_entropy(&[0, -1, 0], None) - expected).abs() < 1e-12);
    }

    #[test]
    fn balanced_classes_weigh_the_same_together() {
        let weights = balanced_weights(&[2, 1, 0]);
        assert_eq!(weights, [0.75, 1.5, 1.0]);
        let (of_zero, of_one) =
            ((1.0 + (-2.0f64).exp()).ln() + (1.0 + (-10.0f64).exp()).ln(), (1.0 + (-1.0f64).exp()).ln());
        // The two items of class 0 count as much as the one of class 1.
        let expected = (of_zero / 2.0 + of_one) / 2.0;
        assert!((cross_entropy(&[0, 1, 0], Some(&weights[..2])) - expected).abs() < 1e-12);
    }

    #[test]
    fn mse_is_the_mean_over_items_and_values() {
        let output = Tensor::new(&[[1.0f64, 2.0], [3.0, 4.0]], &Device::Cpu).unwrap();
        let targets = Tensor::new(&[[1.0f64, 0.0], [0.0, 4.0]], &Device::Cpu).unwrap();
        let cx = |total| LossCx { output: &output, targets: &targets, class_weights: None, total };
        let mse = named("mse");
        let loss: f64 = (mse.compute)(&cx(None)).unwrap().to_scalar().unwrap();
        assert!((loss - 13.0 / 4.0).abs() < 1e-12, "{loss}");
        // One of five batches of eight items: a fifth of their mean, were all errors its own.
        let loss: f64 = (mse.compute)(&cx(Some(10.0))).unwrap().to_scalar().unwrap();
        assert!((loss - 13.0 / 20.0).abs() < 1e-12, "{loss}");
        let items =
            Items { width: 2, outputs: &[1.0, 2.0, 3.0, 4.0], classes: &[], values: &[1.0, 0.0, 0.0, 4.0] };
        assert_eq!((mse.of_items)(&items, None), [2.0, 4.5]);
        assert_eq!(find_loss("mse").unwrap().weight(2, &[], None), 2.0);
    }
}
