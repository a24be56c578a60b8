//! Adam with decoupled weight decay.

use super::adam::{AdamState, Decay, Settings};
use super::{Optimizer, OptimizerKind, Weights, runs_in_place};
use crate::args::{BoundCall, CallSpec};
use crate::settings::optimizer::adamw::SPEC;
use candle_core::Result;

pub struct AdamW;

impl OptimizerKind for AdamW {
    fn state_numbers(&self) -> usize {
        2
    }
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn build(&self, call: &BoundCall, weights: Weights) -> Result<Box<dyn Optimizer>> {
        let in_place = runs_in_place(&weights.vars);
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
        three_steps(dtype, |weights| Box::new(AdamState::new(settings, weights.into(), in_place).unwrap()))
    }

    #[test]
    fn decoupled_decay_goes_past_the_moments() {
        let expected = [0.6746771785524928, -1.6442069409900943, 2.6143034294450413];
        let changes = [("weight_decay", ArgValue::Float(0.1))];
        assert_close(&weights_after(&changes, DType::F64, true), &expected, 1e-14);
        assert_close(&weights_after(&changes, DType::F64, false), &expected, 1e-14);
    }
}
