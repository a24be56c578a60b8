//! Normalisation of features.

pub mod batch_norm;
pub mod layer_norm;
