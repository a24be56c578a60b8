//! Dense layers on the features of each row.

pub mod conv1d;
pub mod drop_node;
pub mod dropout;
pub mod embedding;
pub mod linear;
pub mod mask_features;
pub mod mlp;
