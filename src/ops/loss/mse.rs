//! `mse`: of predicted values.

use crate::args::{ArgSpec, Args};
use crate::kernels;
use crate::ops::{
    Doc, Items, Loss, LossCx, LossKind, Pyg,
    trace::{self, Trace},
};
use crate::types::TargetKind;
use candle_core::{Result, Tensor};

/// Mean squared error: `1/(M V) Σ_i Σ_v (x_iv − t_iv)²`.
///
/// PyG: `torch.nn.functional.mse_loss`.
///
/// # Shapes
/// - output and targets: `[M, V]`
#[derive(Debug)]
pub struct Mse;

impl Loss for Mse {
    fn name(&self) -> &'static str {
        "mse"
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Mean squared error of the predicted values.",
            formula: "1/(M V) Σ_i Σ_v (x_iv − t_iv)²",
            paper: "",
            example: "task = graph_regression\nmodel = gcn(64) -> relu -> mean -> linear\nloss = mse",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        &[]
    }
    fn kind(&self) -> LossKind {
        LossKind::Task(TargetKind::Regression)
    }
    fn reported_by(&self) -> &'static [&'static str] {
        &[]
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "torch.nn.functional.mse_loss", weights: &[], note: "" }
    }
    fn weight(&self, n_items: usize, _classes: &[u32], _class_weights: Option<&[f64]>) -> f64 {
        n_items as f64
    }
    fn of_items(&self, items: &Items, _class_weights: Option<&[f64]>) -> Vec<f64> {
        kernels::square_error_of_rows(items.outputs, items.values, items.width)
    }
    fn weighs_classes(&self, _args: &Args) -> bool {
        false
    }
    fn trace(&self, output: trace::Matrix, step: &mut Trace) -> Option<trace::Matrix> {
        Some(step.task_loss(self.name(), output, 0.0))
    }
    fn compute(&self, cx: &LossCx) -> Result<Tensor> {
        kernels::mse(cx.output, cx.targets, cx.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn it_is_the_mean_over_items_and_values() {
        let output = Tensor::new(&[[1.0f64, 2.0], [3.0, 4.0]], &Device::Cpu).unwrap();
        let targets = Tensor::new(&[[1.0f64, 0.0], [0.0, 4.0]], &Device::Cpu).unwrap();
        let args = Args::default();
        let cx =
            |total| LossCx { args: &args, output: &output, targets: &targets, class_weights: None, total };
        let loss: f64 = Mse.compute(&cx(None)).unwrap().to_scalar().unwrap();
        assert!((loss - 13.0 / 4.0).abs() < 1e-12, "{loss}");
        // One of five batches of eight items: a fifth of their mean, were all errors its own.
        let loss: f64 = Mse.compute(&cx(Some(10.0))).unwrap().to_scalar().unwrap();
        assert!((loss - 13.0 / 20.0).abs() < 1e-12, "{loss}");
        let items =
            Items { width: 2, outputs: &[1.0, 2.0, 3.0, 4.0], classes: &[], values: &[1.0, 0.0, 0.0, 4.0] };
        assert_eq!(Mse.of_items(&items, None), [2.0, 4.5]);
        assert_eq!(Mse.weight(2, &[], None), 2.0);
    }
}
