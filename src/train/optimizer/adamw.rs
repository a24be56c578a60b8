//! Adam with decoupled weight decay.

use super::adam::{AdamState, Decay, Settings};
use super::{Optimizer, OptimizerKind, runs_in_place};
use crate::args::{ArgSpec, BoundCall, CallSpec, Default};
use candle_core::{Result, Var};

/// AdamW: Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 2.
///
/// PyTorch: `torch.optim.AdamW`. Each step shrinks the weights by `lr · weight_decay`; the moments do not see it.
pub static SPEC: CallSpec = CallSpec {
    name: "adamw",
    doc: "Adam with decoupled weight decay. Loshchilov and Hutter 2019; torch.optim.AdamW",
    example: "adamw(lr = 1e-3, weight_decay = 1e-2)",
    args: ARGS,
};

static ARGS: &[ArgSpec] = &{
    let mut args = super::adam::ARGS_TABLE;
    // The default of PyTorch and of the paper's code.
    args[4].default = Default::Float(1e-2);
    args
};

pub struct AdamW;

impl OptimizerKind for AdamW {
    fn state_numbers(&self) -> usize {
        2
    }
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn build(&self, call: &BoundCall, weights: Vec<Var>) -> Result<Box<dyn Optimizer>> {
        let in_place = runs_in_place(&weights);
        Ok(Box::new(AdamState::new(Settings::new(call, Decay::Decoupled), weights, in_place)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use super::*;
    use crate::args::ArgValue;
    use candle_core::DType;

    // Expected numbers: algorithm 2 of the paper, written out in Python and run in double precision.

    fn weights_after(changes: &[(&str, ArgValue)], dtype: DType, in_place: bool) -> Vec<f64> {
        let settings = Settings::new(&call(&SPEC, changes), Decay::Decoupled);
        three_steps(dtype, |weights| Box::new(AdamState::new(settings, weights, in_place).unwrap()))
    }

    #[test]
    fn decoupled_decay_goes_past_the_moments() {
        let expected = [0.6746771785524928, -1.6442069409900943, 2.6143034294450413];
        let changes = [("weight_decay", ArgValue::Float(0.1))];
        assert_close(&weights_after(&changes, DType::F64, true), &expected, 1e-14);
        assert_close(&weights_after(&changes, DType::F64, false), &expected, 1e-14);
    }
}
