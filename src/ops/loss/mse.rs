//! `mse`: of predicted values.

use crate::args::{ArgSpec, Args};
use crate::ir::TargetKind;
use crate::kernels;
use crate::ops::{
    Doc, Loss, LossCx, LossKind, Pyg,
    trace::{self, Trace},
};
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
    fn weighs_classes(&self, _args: &Args) -> bool {
        false
    }
    fn trace(&self, output: trace::Matrix, step: &mut Trace) -> Option<trace::Matrix> {
        Some(step.task_loss(self.name(), output, 0.0))
    }
    fn compute(&self, cx: &LossCx) -> Result<Tensor> {
        kernels::mse(cx.output, cx.targets)
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
        let cx = LossCx { args: &Args::default(), output: &output, targets: &targets, class_weights: None };
        let loss: f64 = Mse.compute(&cx).unwrap().to_scalar().unwrap();
        assert!((loss - 13.0 / 4.0).abs() < 1e-12, "{loss}");
    }
}
