//! Optimisers: what each is called and takes, one file each, entered in [`SPECS`]. [`crate::train::optimizer`] runs them.

pub mod adam;
pub mod adamw;
pub mod sgd;

use crate::args::{BoundCall, CallSpec};

/// Every optimiser that `optimizer = …` can name.
pub static SPECS: &[&CallSpec] = &[&adam::SPEC, &adamw::SPEC, &sgd::SPEC];

/// The base learning rate of a bound optimiser.
pub fn learning_rate(call: &BoundCall) -> f64 {
    call.args.float("lr")
}
