//! Dense layers on the features of each row.

pub mod dropout;
pub mod linear;
pub mod mlp;
