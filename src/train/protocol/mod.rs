//! How data is cut into training, validation and test parts: one file each, entered in [`SPECS`].

mod fixed;
mod holdout;
mod k_fold;

use crate::args::CallSpec;

/// Every protocol that `protocol = …` can name.
pub static SPECS: &[&CallSpec] = &[&holdout::SPEC, &k_fold::SPEC, &fixed::SPEC];
