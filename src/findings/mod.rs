//! What is reported before there is a model: the messages of the binder and of the steps behind it, one family of codes a
//! file, and the explanation of every code. The checks of a whole model are in [`crate::check`], what operators refuse in
//! [`crate::ops::findings`].

pub mod args;
pub mod elsewhere;
mod explanations;
pub mod names;
pub mod task;
pub mod unused;

pub use explanations::{EXPLANATIONS, WARNINGS, explanation};
