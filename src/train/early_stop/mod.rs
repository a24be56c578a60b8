//! When a run ends and which epoch's weights it keeps: one file each, entered in [`SPECS`].

mod best;
mod last;
mod patience;

use crate::args::CallSpec;

/// Everything that `early_stop = …` can name.
pub static SPECS: &[&CallSpec] = &[&patience::SPEC, &best::SPEC, &last::SPEC];
