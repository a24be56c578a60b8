//! Where a model begins.

pub mod features;
