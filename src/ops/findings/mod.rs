//! What operators refuse, one family of codes a file: levels, shapes, arguments that do not hold together; and the
//! symmetry of their results.

pub mod args;
pub mod fixed_point;
pub mod levels;
pub mod shape;
pub mod symmetry;
