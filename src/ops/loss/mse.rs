//! `mse`: of predicted values.

use crate::args::{ArgSpec, Args};
use crate::ops::{Doc, Loss, LossKind, Pyg};
use crate::types::TargetKind;

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
        Pyg { class: "torch.nn.functional.mse_loss", weights: &[], arguments: &[], note: "" }
    }
    fn weight(&self, n_items: f64, _classes: &[u32], _class_weights: Option<&[f64]>) -> f64 {
        n_items
    }
    fn weighs_classes(&self, _args: &Args) -> bool {
        false
    }
}
