//! Learning-rate schedules: one file each, entered in [`SPECS`]. A schedule gives the factor that the optimiser's
//! `lr` is multiplied with in an epoch.

mod constant;
mod cosine;
mod exponential;
mod plateau;
mod step;
mod warmup;

use crate::args::CallSpec;

/// Every schedule that `schedule = …` can name.
pub static SPECS: &[&CallSpec] =
    &[&constant::SPEC, &plateau::SPEC, &step::SPEC, &exponential::SPEC, &cosine::SPEC, &warmup::SPEC];
