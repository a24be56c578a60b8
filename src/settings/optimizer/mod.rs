//! Optimisers: what each is called and takes, one file each, entered in [`SPECS`]. [`crate::train::optimizer`] runs them.

pub mod adam;
pub mod adamw;
pub mod sgd;

use crate::args::{BoundCall, CallSpec};
use crate::diagnostic::Diagnostic;

/// Every optimiser that `optimizer = …` can name.
pub static SPECS: &[&CallSpec] = &[&adam::SPEC, &adamw::SPEC, &sgd::SPEC];

/// The base learning rate of a bound optimiser.
pub fn learning_rate(call: &BoundCall) -> f64 {
    call.args.float("lr")
}

/// Whether a bound optimiser pulls on the weights of the first stage alone.
pub fn decays_first_layer(call: &BoundCall) -> bool {
    call.args.choice(adam::DECAYED.name) == "first_layer"
}

/// What is wrong with an optimiser that its arguments alone show.
pub fn check(call: &BoundCall) -> Option<Diagnostic> {
    adam::check(call)
}
