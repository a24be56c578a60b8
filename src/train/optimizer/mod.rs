//! Optimisers: one file each, entered in [`SPECS`] and [`OPTIMIZERS`].

mod adam;
mod adamw;
mod sgd;

use crate::args::CallSpec;

/// Every optimiser that `optimizer = …` can name.
pub static SPECS: &[&CallSpec] = &[&adam::SPEC, &adamw::SPEC, &sgd::SPEC];
